//! What is looked at: seats as processes, on the embedded L1 in a process of its own, with ether on L2 for the load.

use alloy::{
    network::{EthereumWallet, TransactionBuilder as _},
    providers::{Provider as _, ProviderBuilder},
    rpc::types::TransactionRequest,
    sol_types::SolCall as _,
};
use alloy_primitives::{Address, Bytes, U256, uint};
use anyhow::{Context, Result, ensure};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use surety_contracts::{Profile, bindings::Bridge};
use surety_devnet::{
    l1::dev_accounts,
    processes::{Founding, Process, Program, Seats},
};

/// Dev accounts: who pays for the deposit on L1, and whose it is on L2.
const PAYER: usize = 8;
const LOADER: usize = 0;
/// What the load's account gets on L2: 500 ether; and what may be paid for the deposit on top.
const L2_BALANCE: U256 = uint!(500_000_000_000_000_000_000_U256);
const DEPOSIT_FEE: U256 = uint!(10_000_000_000_000_000_U256);
/// How long L1 may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A process as the report sees it.
pub(super) struct Watched {
    /// What it is called in the report.
    pub(super) name: String,
    /// Its data directory.
    pub(super) directory: PathBuf,
    pub(super) pid: u32,
}

/// An L1 and a chain on it, all running.
pub(super) struct World {
    seats: Seats,
    /// Ends after the seats.
    _l1: Process,
    /// The seats, then L1.
    pub(super) watched: Vec<Watched>,
}

impl World {
    /// Founds a chain of this profile in a folder, funds the account of the load, and starts the seats.
    pub(super) async fn start(folder: &Path, founders: usize, profile: Profile, filter: &str) -> Result<Self> {
        let program = Program::running()?;
        let l1_data = folder.join("l1");
        let data = l1_data.display().to_string();
        let arguments = ["l1", "--port", "0", "--beacon-port", "0", "--data-dir", &data];
        let mut l1 = program.spawn(&arguments, &folder.join("l1.log"))?;
        let l1_rpc = l1.said("L1 RPC", READY_WITHIN).await?;
        let l1_beacon = l1.said("beacon API", READY_WITHIN).await?;
        let rpc = l1_rpc.clone();
        let log = Some(filter.to_owned());
        let founding = Founding { program, directory: folder.to_owned(), l1_rpc, l1_beacon, founders, profile, log };
        let mut seats = Seats::found(founding).await?;
        deposit(&rpc, seats.chain().addresses.bridge).await?;
        let mut watched = Vec::new();
        for place in 0..seats.len() {
            seats.start(place).await?;
            let pid = seats.process(place).context("a seat that was started has a process")?;
            let (name, directory) = (format!("seat {}", place + 1), seats.folder(place).join("data"));
            watched.push(Watched { name, directory, pid });
        }
        watched.push(Watched { name: "l1".into(), directory: l1_data, pid: l1.id() });
        Ok(Self { seats, _l1: l1, watched })
    }

    /// The seats' RPC endpoints.
    pub(super) fn endpoints(&self) -> Vec<String> {
        (0..self.seats.len()).map(|place| format!("http://{}", self.seats.rpc(place))).collect()
    }
}

/// Ether for the load's account on L2.
async fn deposit(rpc: &str, bridge: Address) -> Result<()> {
    let accounts = dev_accounts()?;
    let account = |index: usize| accounts.get(index).cloned().context("the test mnemonic has ten accounts");
    let (payer, to) = (account(PAYER)?, account(LOADER)?.address());
    let l1 = ProviderBuilder::new().wallet(EthereumWallet::from(payer)).connect_http(rpc.parse()?);
    let call = Bridge::depositTransactionCall { to, value: L2_BALANCE, gasLimit: 100_000, data: Bytes::new() };
    let value = L2_BALANCE.saturating_add(DEPOSIT_FEE);
    let request = TransactionRequest::default().with_to(bridge).with_value(value);
    let sent = l1.send_transaction(request.with_input(call.abi_encode()).with_gas_limit(300_000)).await?;
    let hash = *sent.tx_hash();
    ensure!(sent.get_receipt().await?.status(), "the deposit {hash} failed on L1");
    Ok(())
}
