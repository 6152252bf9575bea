//! A world of processes: an embedded L1, and seats with their folders. Everything ends with the test.

use alloy::{
    network::{EthereumWallet, TransactionBuilder as _},
    primitives::{Address, B256, U256, utils::format_ether},
    providers::{Provider as _, ProviderBuilder},
    rpc::types::TransactionRequest,
    signers::local::{MnemonicBuilder, PrivateKeySigner, coins_bip39::English},
};
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

const MNEMONIC: &str = "test test test test test test test test test test test junk";
const PASSWORD: &str = "a password for tests";

/// A process that dies with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Seat {
    folder: PathBuf,
    peer_key: String,
    port: u16,
    process: Option<Process>,
    /// RPC endpoint of the running process.
    rpc: String,
}

pub(crate) struct World {
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    /// Ends last.
    seats: Vec<Seat>,
    l1: (String, String),
    _l1: Process,
}

fn account(index: u32) -> PrivateKeySigner {
    MnemonicBuilder::<English>::default().phrase(MNEMONIC).index(index).unwrap().build().unwrap()
}

fn surety(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_surety"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> String {
    let output = surety(arguments).output().expect("the program starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "surety {}: {errors}", arguments.join(" "));
    String::from_utf8(output.stdout).unwrap()
}

/// Starts a process and waits until it has printed lines with these beginnings; returns what follows them.
fn spawn(arguments: &[&str], log: &Path, beginnings: &[&str]) -> (Process, Vec<String>) {
    let log = File::options().create(true).append(true).open(log).unwrap();
    let mut child = surety(arguments).stdout(Stdio::piped()).stderr(log).spawn().expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let process = Process(child);
    let found = beginnings.iter().map(|beginning| {
        let mut lines = lines.by_ref().map(Result::unwrap);
        let line = lines.find_map(|line| line.strip_prefix(beginning).map(|rest| rest.trim().to_owned()));
        line.unwrap_or_else(|| panic!("surety {} ended before it said {beginning:?}", arguments.join(" ")))
    });
    let found = found.collect();
    (process, found)
}

impl World {
    /// An L1 and a chain on it whose founders made their keys themselves. Nothing runs yet but L1.
    pub(crate) fn found(founders: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let l1 = ["l1", "--port", "0", "--beacon-port", "0"];
        let (process, urls) = spawn(&l1, &folder.path().join("l1.log"), &["L1 RPC", "beacon API"]);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let l1 = (urls[0].clone(), urls[1].clone());
        let mut world = Self { folder, runtime, seats: Vec::new(), l1, _l1: process };
        fs::write(world.path("password"), PASSWORD).unwrap();
        world.keystore(9, &world.path("deployer.json"));
        let deploy = |more: &[&str]| {
            let (deployer, password) = (world.text("deployer.json"), world.text("password"));
            let base = ["deploy", "--l1", &world.l1.0, "--deployer", &deployer, "--password-file", &password];
            run(&[&base, more].concat())
        };
        let there: Value = serde_json::from_str(&deploy(&["--predict"])).unwrap();
        let (registry, id) = (there["registry"].as_str().unwrap().to_owned(), there["l1ChainId"].to_string());
        let seats: Vec<Seat> =
            (0..founders).map(|seat| world.init(seat, &["--registry", &registry, "--l1-chain-id", &id])).collect();
        let files: Vec<_> =
            seats.iter().map(|seat| seat.folder.join("keys/registration.json").display().to_string()).collect();
        let (out, journal) = (world.text("chain.json"), world.text("deployer"));
        let mut arguments =
            vec!["--profile", "ci", "--chain-id", "75873", "--out", &out, "--journal", &journal, "--seats"];
        arguments.extend(files.iter().map(String::as_str));
        deploy(&arguments);
        for seat in &seats {
            fs::copy(world.path("chain.json"), seat.folder.join("chain.json")).unwrap();
        }
        world.seats = seats;
        (0..founders).for_each(|seat| world.fund(seat));
        world.share_addresses();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn keystore(&self, index: u32, path: &Path) {
        let secret = account(index).to_bytes();
        let mut random = k256::elliptic_curve::rand_core::OsRng;
        let name = path.file_name().unwrap().to_str();
        eth_keystore::encrypt_key(path.parent().unwrap(), &mut random, secret, PASSWORD, name).unwrap();
    }

    fn init(&self, seat: usize, chain: &[&str]) -> Seat {
        let folder = self.path(&format!("seat-{}", seat + 1));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (dir, listen, password) =
            (folder.display().to_string(), format!("127.0.0.1:{port}"), self.text("password"));
        let owner = account(seat as u32).address().to_string();
        let base = ["init", "--dir", &dir, "--owner", &owner, "--password-file", &password, "--listen", &listen];
        let l1 = ["--l1", &self.l1.0, "--l1-beacon", &self.l1.1, "--rpc-listen", "127.0.0.1:0"];
        let more = ["--metrics-listen", "127.0.0.1:0", "--allow-private-addresses"];
        run(&[&base[..], &l1, &more, chain].concat());
        self.keystore(seat as u32, &folder.join("keys/owner.json"));
        let file = fs::read_to_string(folder.join("keys/registration.json")).unwrap();
        let file: Value = serde_json::from_str(&file).unwrap();
        let peer_key = file["peerKey"].as_str().unwrap().to_owned();
        Seat { folder, peer_key, port, process: None, rpc: String::new() }
    }

    /// Ether for a seat's poster.
    fn fund(&self, seat: usize) {
        let keystore = self.seats[seat].folder.join("keys/poster.json");
        let secret = eth_keystore::decrypt_key(keystore, PASSWORD).unwrap();
        let poster = PrivateKeySigner::from_slice(&secret).unwrap().address();
        self.runtime.block_on(async {
            let wallet = EthereumWallet::from(account(8));
            let l1 = ProviderBuilder::new().wallet(wallet).connect_http(self.l1.0.parse().unwrap());
            let value = U256::from(10).pow(U256::from(19));
            let request = TransactionRequest::default().with_to(poster).with_value(value);
            let receipt = l1.send_transaction(request).await.unwrap().get_receipt().await.unwrap();
            assert!(receipt.status());
        });
    }

    /// Operators tell each other where they listen; running seats read it.
    fn share_addresses(&self) {
        let lines: Vec<_> =
            self.seats.iter().map(|seat| format!("\"{}\" = \"127.0.0.1:{}\"\n", seat.peer_key, seat.port)).collect();
        for seat in &self.seats {
            fs::write(seat.folder.join("peers.toml"), format!("[peers]\n{}", lines.concat())).unwrap();
        }
    }

    /// A newcomer makes its keys and registers.
    pub(crate) fn join(&mut self, seat: usize) {
        assert_eq!(seat, self.seats.len());
        let chain = self.text("chain.json");
        let newcomer = self.init(seat, &["--chain", &chain]);
        self.seats.push(newcomer);
        self.fund(seat);
        self.share_addresses();
        self.owner(seat, &["register"]);
    }

    fn config(&self, seat: usize) -> String {
        self.seats[seat].folder.join("sequencer.toml").display().to_string()
    }

    pub(crate) fn start(&mut self, seat: usize) {
        let (config, log) = (self.config(seat), self.path(&format!("seat-{}.log", seat + 1)));
        let (process, found) = spawn(&["sequencer", "--config", &config], &log, &["serving; RPC on "]);
        self.seats[seat].process = Some(process);
        self.seats[seat].rpc = found[0].clone();
    }

    /// kill -9.
    pub(crate) fn kill(&mut self, seat: usize) {
        self.seats[seat].process = None;
    }

    /// SIGTERM; it must end by itself, and well.
    pub(crate) fn end(&mut self, seat: usize) {
        let Some(mut process) = self.seats[seat].process.take() else { return };
        let id = process.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let status = process.0.wait().unwrap();
        assert!(status.success(), "seat {} ended with {status}: {}", seat + 1, self.log(seat));
    }

    fn request(&self, url: &str, method: &'static str, parameters: Value) -> Result<Value, String> {
        self.runtime.block_on(async {
            let node = ProviderBuilder::default().connect_http(url.parse().map_err(|e| format!("{e}"))?);
            let node: alloy::providers::RootProvider = node;
            node.client().request(method, parameters).await.map_err(|e| e.to_string())
        })
    }

    fn block(&self, seat: usize, tag: &str) -> Option<(u64, B256)> {
        let answer = self.request(&self.seats[seat].rpc, "eth_getBlockByNumber", json!([tag, false])).ok()?;
        let number = u64::from_str_radix(answer["number"].as_str()?.trim_start_matches("0x"), 16).ok()?;
        Some((number, answer["hash"].as_str()?.parse().ok()?))
    }

    /// A seat's newest soft-final block.
    pub(crate) fn tip(&self, seat: usize) -> (u64, B256) {
        self.block(seat, "latest").unwrap_or_else(|| panic!("seat {} does not answer: {}", seat + 1, self.log(seat)))
    }

    pub(crate) fn wait_for(&self, what: &str, patience: Duration, condition: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !condition(self) {
            if start.elapsed() > patience {
                let tips: Vec<_> = (0..self.seats.len()).map(|seat| self.block(seat, "latest").map(|b| b.0)).collect();
                let logs: Vec<_> = (0..self.seats.len()).map(|seat| self.log(seat)).collect();
                panic!("{what}: not within {patience:?}; heights {tips:?}\n{}", logs.join("\n"));
            }
            std::thread::sleep(Duration::from_millis(300));
        }
        println!("{what}: after {:.1} s", start.elapsed().as_secs_f32());
    }

    /// Waits until these seats have a height.
    pub(crate) fn reach(&self, seats: &[usize], height: u64, patience: Duration) {
        self.wait_for(&format!("seats {seats:?} (from 0) reach {height}"), patience, |world| {
            seats.iter().all(|seat| world.block(*seat, "latest").is_some_and(|tip| tip.0 >= height))
        });
    }

    /// These seats have this block: nothing final was lost.
    pub(crate) fn agree(&self, seats: &[usize], block: (u64, B256)) {
        for seat in seats {
            let there = self.block(*seat, &format!("0x{:x}", block.0));
            assert_eq!(there, Some(block), "seat {} has another block", seat + 1);
        }
    }

    pub(crate) fn try_owner(&self, seat: usize, command: &[&str]) -> Output {
        let config = self.config(seat);
        surety(&[&["seat"], command, &["--config", &config]].concat()).output().unwrap()
    }

    pub(crate) fn owner(&self, seat: usize, command: &[&str]) -> String {
        let output = self.try_owner(seat, command);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "seat {command:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    pub(crate) fn status(&self, seat: usize) -> Value {
        serde_json::from_str(&self.owner(seat, &["status", "--json"])).unwrap()
    }

    pub(crate) fn is_member(&self, seat: usize) -> bool {
        self.status(seat)["member"] == true
    }

    /// Ether of a seat's owner on L1.
    pub(crate) fn owner_balance(&self, seat: usize) -> f64 {
        let owner: Address = account(seat as u32).address();
        let balance = self.request(&self.l1.0, "eth_getBalance", json!([owner, "latest"])).unwrap();
        format_ether(balance.as_str().unwrap().parse::<U256>().unwrap()).parse().unwrap()
    }

    /// L1's clock jumps.
    pub(crate) fn pass(&self, time: Duration) {
        self.request(&self.l1.0, "evm_increaseTime", json!([time.as_secs()])).unwrap();
        std::thread::sleep(Duration::from_secs(5));
    }

    fn log(&self, seat: usize) -> String {
        let log = fs::read_to_string(self.path(&format!("seat-{}.log", seat + 1))).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        format!("--- seat {}\n{}", seat + 1, lines[lines.len().saturating_sub(25)..].join("\n"))
    }

    /// No seat ever wanted to contradict itself, and none met another chain.
    pub(crate) fn check_log(&self, seat: usize) {
        let log = fs::read_to_string(self.path(&format!("seat-{}.log", seat + 1))).unwrap();
        for bad in ["another block final", "THE STATEMENT IS FALSE", "panicked", "journal is damaged"] {
            assert!(!log.contains(bad), "seat {}: {bad}", seat + 1);
        }
    }
}
