//! Seats as processes of this very program, on the embedded L1 in a process of its own; founded as operators do it.

use crate::keys::{self, Password};
use alloy::{
    network::{EthereumWallet, TransactionBuilder as _},
    providers::{Provider as _, ProviderBuilder},
    rpc::types::TransactionRequest,
    signers::local::PrivateKeySigner,
    sol_types::SolCall as _,
};
use alloy_primitives::{Address, B256, Bytes, U256, uint};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::{
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use surety_contracts::{ChainFile, Registration, bindings::Bridge};
use surety_devnet::l1::dev_accounts;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

/// The keys are thrown away with the folder, or are the test mnemonic's.
const PASSWORD: &str = "of a measurement: not secret";
/// Dev accounts that deploy, and that pay for posters and the deposit.
const DEPLOYER: usize = 9;
const PAYER: usize = 8;
/// What each poster gets on L1: 50 ether.
const POSTER_BALANCE: U256 = uint!(50_000_000_000_000_000_000_U256);
/// What the load's account gets on L2: 500 ether; and what may be paid for the deposit on top.
const L2_BALANCE: U256 = uint!(500_000_000_000_000_000_000_U256);
const DEPOSIT_FEE: U256 = uint!(10_000_000_000_000_000_U256);
/// How long a process may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A process that ends with this one's interest in it.
pub(super) struct Process {
    /// What it is called in the report.
    pub(super) name: String,
    /// Its data directory.
    pub(super) directory: PathBuf,
    child: Child,
    /// What it said where its RPC server is.
    pub(super) rpc: String,
}

impl Process {
    /// Starts this program with other arguments and waits for lines with these beginnings; returns what follows them.
    async fn start(
        name: &str,
        directory: PathBuf,
        log: &Path,
        arguments: &[&str],
        says: &[&str],
    ) -> Result<(Self, Vec<String>)> {
        let file = File::create(log).with_context(|| format!("make {}", log.display()))?;
        let mut child = program(arguments)?.stdout(Stdio::piped()).stderr(file).kill_on_drop(true).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("the process has no output")?).lines();
        let mut found = Vec::new();
        let reading = async {
            while let Some(beginning) = says.get(found.len()) {
                let line = lines.next_line().await?;
                let line = line.with_context(|| format!("{name} has ended: {} says why", log.display()))?;
                if let Some(rest) = line.strip_prefix(beginning) {
                    found.push(rest.trim().to_owned());
                }
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(READY_WITHIN, reading)
            .await
            .with_context(|| format!("{name} was not ready within {} s", READY_WITHIN.as_secs()))??;
        let rpc = found.first().cloned().unwrap_or_default();
        Ok((Self { name: name.to_owned(), directory, child, rpc }, found))
    }

    /// Its process id; `None` when it has ended.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }
}

fn program(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("where is this program?")?);
    command.args(arguments).stdin(Stdio::null());
    Ok(command)
}

/// Runs this program with other arguments to its end; returns what it printed.
async fn run(arguments: &[&str]) -> Result<String> {
    let output = program(arguments)?.kill_on_drop(true).output().await?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "surety {}: {errors}", arguments.join(" "));
    Ok(String::from_utf8(output.stdout)?)
}

/// An L1 and a chain on it, all running.
pub(super) struct World {
    pub(super) seats: Vec<Process>,
    /// Ends after the seats.
    pub(super) l1: Process,
}

impl World {
    /// Founds a chain of this profile in a folder, funds its posters and the account of the load, and starts its seats.
    pub(super) async fn start(folder: &Path, seats: usize, profile: &str, filter: &str) -> Result<Self> {
        let text = |name: &str| folder.join(name).display().to_string();
        let (password, deployer, chain_file, l1_data) =
            (text("password"), text("deployer.json"), text("chain.json"), text("l1"));
        keys::write_new(&folder.join("password"), 0o600, PASSWORD.as_bytes())?;
        let opened = Password::read(Some(&folder.join("password")), None)?;
        let accounts = dev_accounts()?;
        let account = |index: usize| accounts.get(index).cloned().context("the test mnemonic has ten accounts");
        keys::store(&folder.join("deployer.json"), &account(DEPLOYER)?.to_bytes(), &opened)?;
        let arguments = ["l1", "--port", "0", "--beacon-port", "0", "--data-dir", &l1_data];
        let says = ["L1 RPC", "beacon API"];
        let (l1, urls) = Process::start("l1", folder.join("l1"), &folder.join("l1.log"), &arguments, &says).await?;
        let [rpc, beacon] = urls.as_slice() else { anyhow::bail!("the L1 did not say where it is") };
        let base = ["deploy", "--l1", rpc, "--deployer", &deployer, "--password-file", &password];
        let there: Value = serde_json::from_str(&run(&[&base[..], &["--predict"]].concat()).await?)?;
        let registry = there["registry"].as_str().context("deploy said no registry")?.to_owned();
        let id = there["l1ChainId"].to_string();
        let (mut files, mut peers) = (Vec::new(), String::from("[peers]\n"));
        for place in 1..=seats {
            let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
            let (dir, listen) = (text(&format!("seat-{place}")), address.to_string());
            let owner = account(place - 1)?.address().to_string();
            let mut arguments = vec!["init", "--dir", &dir, "--owner", &owner, "--password-file", &password];
            arguments.extend(["--listen", &listen, "--l1", rpc, "--l1-beacon", beacon, "--rpc-listen", "127.0.0.1:0"]);
            arguments.extend(["--metrics-listen", "127.0.0.1:0", "--allow-private-addresses"]);
            arguments.extend(["--registry", &registry, "--l1-chain-id", &id]);
            run(&arguments).await?;
            let file = Path::new(&dir).join("keys/registration.json");
            peers.push_str(&format!("\"{}\" = \"{listen}\"\n", Registration::read(&file)?.peer_key));
            files.push(file.display().to_string());
        }
        let journal = text("deployer");
        let mut arguments = base.to_vec();
        arguments.extend(["--profile", profile, "--chain-id", "75873", "--out", &chain_file, "--journal", &journal]);
        arguments.push("--seats");
        arguments.extend(files.iter().map(String::as_str));
        run(&arguments).await?;
        let chain = ChainFile::read(Path::new(&chain_file))?;
        fund(rpc, account(PAYER)?, &chain, &posters(folder, seats, &opened)?, account(0)?.address()).await?;
        let mut world = Self { seats: Vec::new(), l1 };
        for place in 1..=seats {
            let seat = folder.join(format!("seat-{place}"));
            fs::copy(&chain_file, seat.join("chain.json"))?;
            fs::write(seat.join("peers.toml"), &peers)?;
            let config = seat.join("sequencer.toml").display().to_string();
            let arguments = ["sequencer", "--config", &config, "--log", filter];
            let (name, log) = (format!("seat {place}"), folder.join(format!("seat-{place}.log")));
            let says = ["serving; RPC on "];
            let (process, _) = Process::start(&name, seat.join("data"), &log, &arguments, &says).await?;
            world.seats.push(process);
        }
        Ok(world)
    }
}

/// The accounts from which the seats post.
fn posters(folder: &Path, seats: usize, password: &Password) -> Result<Vec<Address>> {
    (1..=seats)
        .map(|place| {
            let path = folder.join(format!("seat-{place}/keys/poster.json"));
            keys::load_signing(&path, password).map(|(_, address)| address)
        })
        .collect()
}

/// Ether for the posters on L1, and for the load's account on L2 by a deposit.
async fn fund(
    rpc: &str,
    payer: PrivateKeySigner,
    chain: &ChainFile,
    posters: &[Address],
    loader: Address,
) -> Result<()> {
    let l1 = ProviderBuilder::new().wallet(EthereumWallet::from(payer)).connect_http(rpc.parse()?);
    let mut requests: Vec<_> = posters
        .iter()
        .map(|poster| TransactionRequest::default().with_to(*poster).with_value(POSTER_BALANCE))
        .collect();
    let call = Bridge::depositTransactionCall { to: loader, value: L2_BALANCE, gasLimit: 100_000, data: Bytes::new() };
    let value = L2_BALANCE.saturating_add(DEPOSIT_FEE);
    let deposit = TransactionRequest::default().with_to(chain.addresses.bridge).with_value(value);
    requests.push(deposit.with_input(call.abi_encode()).with_gas_limit(300_000));
    let mut sent = Vec::new();
    for request in requests {
        sent.push(l1.send_transaction(request).await?);
    }
    for transaction in sent {
        let hash: B256 = *transaction.tx_hash();
        ensure!(transaction.get_receipt().await?.status(), "transaction {hash} failed on L1");
    }
    Ok(())
}
