//! Seats as strangers run them: each a process of its own, with its own keys, files and ports, founded by the program's own
//! commands (`init`, `deploy`), on an L1 that runs already. All of them are killed when this is dropped.
//!
//! ```text
//! directory/ chain.json   password   deployer.json   seat-1/ … (as `surety init` makes it, with keys/owner.json)   seat-1.log …
//! ```
//!
//! The owners, the deployer and who funds the posters are accounts of the well-known test mnemonic.

mod program;

pub use program::{Process, ProcessError, Program, end_of};

use crate::{l1::dev_accounts, ports};
use alloy::{
    network::{EthereumWallet, TransactionBuilder as _},
    providers::{Provider as _, ProviderBuilder, RootProvider},
    rpc::types::TransactionRequest,
    signers::local::PrivateKeySigner,
};
use alloy_primitives::{Address, B256, U256, uint};
use serde_json::{Value, json};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use surety_contracts::{ChainFile, Profile, Registration};

/// Chain id of L2.
pub const L2_CHAIN_ID: u64 = crate::network::L2_CHAIN_ID;
const PASSWORD: &str = "a password for tests";
/// The account of the mnemonic that deploys, and the one that gives ether to posters.
const DEPLOYER: usize = 9;
const FUNDER: usize = 8;
/// What a poster gets on L1: 50 ether.
const POSTER_BALANCE: U256 = uint!(50_000_000_000_000_000_000_U256);
/// How long a process may take until it serves: on a busy machine, opening three keystores alone takes seconds.
const SERVES_WITHIN: Duration = Duration::from_secs(60);
/// How long an answer of a process may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A block as a wallet sees it.
pub type Tip = (u64, B256);

/// What a world of processes begins with.
#[derive(Debug, Clone)]
pub struct Founding {
    /// The program.
    pub program: Program,
    /// An empty directory.
    pub directory: PathBuf,
    /// L1's JSON-RPC; it must fund the accounts of the test mnemonic.
    pub l1_rpc: String,
    /// L1's beacon API.
    pub l1_beacon: String,
    /// How many seats found the chain: at least 4.
    pub founders: usize,
    /// Delays and windows.
    pub profile: Profile,
    /// Log filter of the seats; `None` for their configuration's.
    pub log: Option<String>,
}

struct Seat {
    folder: PathBuf,
    registration: Registration,
    p2p: SocketAddr,
    rpc: SocketAddr,
    process: Option<Process>,
}

/// The seats of one chain. Places count from 0.
pub struct Seats {
    program: Program,
    directory: PathBuf,
    l1_rpc: String,
    l1_beacon: String,
    log: Option<String>,
    accounts: Vec<PrivateKeySigner>,
    chain: ChainFile,
    seats: Vec<Seat>,
}

impl std::fmt::Debug for Seats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seats").field("directory", &self.directory).field("seats", &self.seats.len()).finish()
    }
}

impl Seats {
    /// Founds a chain whose seats made their keys themselves. No seat runs yet.
    ///
    /// # Errors
    /// A command fails, or L1.
    pub async fn found(founding: Founding) -> Result<Self, ProcessError> {
        let Founding { program, directory, l1_rpc, l1_beacon, founders, profile, log } = founding;
        let accounts = dev_accounts().map_err(|error| failed("the test mnemonic", error))?;
        let write = |name: &str, text: &str| {
            let path = directory.join(name);
            fs::write(&path, text).map_err(ProcessError::system(format!("write {}", path.display())))
        };
        write("password", PASSWORD)?;
        keystore(account(&accounts, DEPLOYER)?, &directory.join("deployer.json"))?;
        let path = |name: &str| directory.join(name).display().to_string();
        let (deployer, password, out, journal) =
            (path("deployer.json"), path("password"), path("chain.json"), path("deployer"));
        let deploy = ["deploy", "--l1", &l1_rpc, "--deployer", &deployer, "--password-file", &password];
        let there = program.run(&[&deploy[..], &["--predict"]].concat()).await?;
        let there: Value = serde_json::from_str(&there).map_err(|error| failed("surety deploy --predict", error))?;
        let registry = there.get("registry").and_then(Value::as_str).unwrap_or_default().to_owned();
        let id = there.get("l1ChainId").map(Value::to_string).unwrap_or_default();
        let mut seats = Vec::new();
        for place in 0..founders {
            let chain = ["--registry", &registry, "--l1-chain-id", &id];
            seats.push(init(&program, &directory, (&l1_rpc, &l1_beacon), &accounts, place, &chain).await?);
        }
        let files = seats.iter().map(|seat| seat.folder.join("keys/registration.json").display().to_string());
        let files: Vec<_> = files.collect();
        let id = L2_CHAIN_ID.to_string();
        let mut command = deploy.to_vec();
        command.extend([
            "--profile",
            profile.name(),
            "--chain-id",
            &id,
            "--out",
            &out,
            "--journal",
            &journal,
            "--seats",
        ]);
        command.extend(files.iter().map(String::as_str));
        program.run(&command).await?;
        let chain = ChainFile::read(Path::new(&out)).map_err(|error| failed("surety deploy", error))?;
        for seat in &seats {
            let to = seat.folder.join("chain.json");
            fs::copy(&out, &to).map_err(ProcessError::system(format!("write {}", to.display())))?;
        }
        let posters = seats.iter().map(poster).collect::<Result<Vec<_>, _>>()?;
        let world = Self { program, directory, l1_rpc, l1_beacon, log, accounts, chain, seats };
        world.give_ether(&posters).await?;
        world.share_addresses()?;
        Ok(world)
    }

    /// The chain.
    pub const fn chain(&self) -> &ChainFile {
        &self.chain
    }

    /// How many seats there are, running or not.
    pub const fn len(&self) -> usize {
        self.seats.len()
    }

    /// Whether there is none: never.
    pub const fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// A newcomer makes its keys, is given ether for its poster and told to the others; it is not registered.
    ///
    /// # Errors
    /// A command fails, or L1.
    pub async fn join(&mut self) -> Result<usize, ProcessError> {
        let place = self.seats.len();
        let chain = self.directory.join("chain.json").display().to_string();
        let urls = (self.l1_rpc.as_str(), self.l1_beacon.as_str());
        let seat = init(&self.program, &self.directory, urls, &self.accounts, place, &["--chain", &chain]).await?;
        let poster = poster(&seat)?;
        self.seats.push(seat);
        self.give_ether(&[poster]).await?;
        self.share_addresses()?;
        Ok(place)
    }

    /// A seat's folder, as `surety init` made it.
    ///
    /// # Panics
    /// There is no such seat; so with all that name one.
    pub fn folder(&self, place: usize) -> &Path {
        &self.seats[place].folder
    }

    /// A seat's configuration.
    pub fn config(&self, place: usize) -> PathBuf {
        self.folder(place).join("sequencer.toml")
    }

    /// What a seat's processes wrote on standard error, one after the other.
    pub fn log(&self, place: usize) -> PathBuf {
        self.directory.join(format!("seat-{}.log", place + 1))
    }

    /// Who owns a seat: an account of the test mnemonic.
    pub fn owner(&self, place: usize) -> Address {
        self.seats[place].registration.owner
    }

    /// A seat's RPC endpoint: the same at every start.
    pub fn rpc(&self, place: usize) -> SocketAddr {
        self.seats[place].rpc
    }

    /// The number of a seat's process, if one was started and not killed.
    pub fn process(&self, place: usize) -> Option<u32> {
        self.seats[place].process.as_ref().map(Process::id)
    }

    /// Starts a seat's process and does not wait until it serves.
    ///
    /// # Errors
    /// The system's.
    pub fn spawn(&mut self, place: usize) -> Result<(), ProcessError> {
        let config = self.config(place).display().to_string();
        // One before it must be gone from the files that both use.
        self.kill(place);
        let mut arguments = vec!["sequencer", "--until-input-ends", "--config", &config];
        if let Some(filter) = &self.log {
            arguments.extend(["--log", filter]);
        }
        self.seats[place].process = Some(self.program.spawn(&arguments, &self.log(place))?);
        Ok(())
    }

    /// Waits until a seat that was spawned serves.
    ///
    /// # Errors
    /// It ends, or takes too long.
    pub async fn serves(&mut self, place: usize) -> Result<(), ProcessError> {
        match &mut self.seats[place].process {
            Some(process) => process.said("serving; RPC on ", SERVES_WITHIN).await.map(drop),
            None => Ok(()),
        }
    }

    /// Starts a seat and waits until it serves.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start(&mut self, place: usize) -> Result<(), ProcessError> {
        self.spawn(place)?;
        self.serves(place).await
    }

    /// `kill -9`.
    pub fn kill(&mut self, place: usize) {
        self.seats[place].process = None;
    }

    /// A seat's process, which from now on the caller answers for.
    pub fn take(&mut self, place: usize) -> Option<Process> {
        self.seats[place].process.take()
    }

    /// A client of a seat, which may be asked from any task.
    pub fn client(&self, place: usize) -> SeatClient {
        SeatClient::new(self.rpc(place))
    }

    /// 50 ether on L1 for each of these accounts, as every poster has it: all in one or two L1 blocks.
    ///
    /// # Errors
    /// L1's.
    pub async fn give_ether(&self, accounts: &[Address]) -> Result<(), ProcessError> {
        let what = "give ether on L1";
        let url = self.l1_rpc.parse().map_err(|error| failed(what, error))?;
        let wallet = EthereumWallet::from(account(&self.accounts, FUNDER)?.clone());
        let l1 = ProviderBuilder::new().wallet(wallet).connect_http(url);
        let mut underway = Vec::new();
        for account in accounts {
            let request = TransactionRequest::default().with_to(*account).with_value(POSTER_BALANCE);
            underway.push(l1.send_transaction(request).await.map_err(|error| failed(what, error))?);
        }
        for transaction in underway {
            let receipt = transaction.get_receipt().await.map_err(|error| failed(what, error))?;
            if !receipt.status() {
                return Err(failed(what, "the transaction failed"));
            }
        }
        Ok(())
    }

    /// Operators tell each other where they listen; running seats read it.
    fn share_addresses(&self) -> Result<(), ProcessError> {
        let line = |seat: &Seat| format!("\"{}\" = \"{}\"\n", seat.registration.peer_key, seat.p2p);
        let lines: String = self.seats.iter().map(line).collect();
        for seat in &self.seats {
            let path = seat.folder.join("peers.toml");
            fs::write(&path, format!("[peers]\n{lines}"))
                .map_err(ProcessError::system(format!("write {}", path.display())))?;
        }
        Ok(())
    }
}

/// Asks one seat.
#[derive(Debug, Clone)]
pub struct SeatClient(RootProvider);

impl SeatClient {
    fn new(rpc: SocketAddr) -> Self {
        let url = format!("http://{rpc}").parse();
        #[expect(clippy::expect_used, reason = "a socket address makes a URL")]
        Self(ProviderBuilder::default().connect_http(url.expect("a URL")))
    }

    /// A block by its tag or hexadecimal number; `None` if the seat does not answer, or has none.
    pub async fn block(&self, tag: &str) -> Option<Value> {
        let request = self.0.client().request("eth_getBlockByNumber", json!([tag, false]));
        tokio::time::timeout(ANSWER_WITHIN, request).await.ok()?.ok()
    }

    /// Number and hash of a block.
    pub async fn at(&self, tag: &str) -> Option<Tip> {
        let block = self.block(tag).await?;
        let number = block.get("number")?.as_str()?;
        let number = u64::from_str_radix(number.trim_start_matches("0x"), 16).ok()?;
        Some((number, block.get("hash")?.as_str()?.parse().ok()?))
    }

    /// The newest soft-final block.
    pub async fn tip(&self) -> Option<Tip> {
        self.at("latest").await
    }
}

fn failed(command: &str, errors: impl ToString) -> ProcessError {
    ProcessError::Failed { command: command.to_owned(), errors: errors.to_string() }
}

fn account(accounts: &[PrivateKeySigner], index: usize) -> Result<&PrivateKeySigner, ProcessError> {
    accounts.get(index).ok_or_else(|| failed("the test mnemonic", "it has too few accounts for so many seats"))
}

fn keystore(key: &PrivateKeySigner, path: &Path) -> Result<(), ProcessError> {
    let mut random = k256::elliptic_curve::rand_core::OsRng;
    let folder = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().and_then(|name| name.to_str());
    eth_keystore::encrypt_key(folder, &mut random, key.to_bytes(), PASSWORD, name)
        .map(drop)
        .map_err(|error| failed("write a keystore", error))
}

/// The account that a seat posts from.
fn poster(seat: &Seat) -> Result<Address, ProcessError> {
    let secret = eth_keystore::decrypt_key(seat.folder.join("keys/poster.json"), PASSWORD);
    let key = secret.map_err(|error| failed("read the poster's keystore", error))?;
    PrivateKeySigner::from_slice(&key).map(|key| key.address()).map_err(|error| failed("read the poster's key", error))
}

async fn init(
    program: &Program,
    directory: &Path,
    (l1_rpc, l1_beacon): (&str, &str),
    accounts: &[PrivateKeySigner],
    place: usize,
    chain: &[&str],
) -> Result<Seat, ProcessError> {
    let folder = directory.join(format!("seat-{}", place + 1));
    let (p2p, rpc) = (free_port()?, free_port()?);
    let (dir, password) = (folder.display().to_string(), directory.join("password").display().to_string());
    let (listen, serve) = (p2p.to_string(), rpc.to_string());
    let owner = account(accounts, place)?;
    let address = owner.address().to_string();
    let base = ["init", "--dir", &dir, "--owner", &address, "--password-file", &password, "--listen", &listen];
    let l1 = ["--l1", l1_rpc, "--l1-beacon", l1_beacon, "--rpc-listen", &serve];
    let more = ["--metrics-listen", "127.0.0.1:0", "--allow-private-addresses"];
    program.run(&[&base[..], &l1, &more, chain].concat()).await?;
    keystore(owner, &folder.join("keys/owner.json"))?;
    let registration = Registration::read(&folder.join("keys/registration.json"));
    let registration = registration.map_err(|error| failed("surety init", error))?;
    Ok(Seat { folder, registration, p2p, rpc, process: None })
}

/// A port of loopback for a process.
fn free_port() -> Result<SocketAddr, ProcessError> {
    ports::free().map_err(ProcessError::system("find a free port"))
}
