//! A world of processes: an embedded L1, and seats with their folders. Everything ends with the test.

#![allow(dead_code, reason = "each file of tests uses its own part")]

mod life;

use alloy::primitives::{B256, U256, utils::format_ether};
use alloy::providers::{Provider as _, ProviderBuilder, RootProvider};
use serde_json::{Value, json};
use std::{
    fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};
use surety_contracts::Profile;
use surety_devnet::processes::{Founding, Process, Program, Seats, end_of};

const SOON: Duration = Duration::from_secs(60);

pub(crate) struct World {
    runtime: tokio::runtime::Runtime,
    /// They end first.
    seats: Seats,
    l1: (String, String),
    _l1: Process,
    /// Removed last.
    _folder: tempfile::TempDir,
}

fn program() -> PathBuf {
    env!("CARGO_BIN_EXE_surety").into()
}

fn surety(arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments).stdin(Stdio::null());
    command
}

impl World {
    /// An L1 and a chain on it whose founders made their keys themselves. Nothing runs yet but L1.
    pub(crate) fn found(founders: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (l1, urls, seats) = runtime.block_on(async {
            let program = Program::new(program());
            let log = folder.path().join("l1.log");
            let mut l1 = program.spawn(&["l1", "--port", "0", "--beacon-port", "0"], &log).unwrap();
            let rpc = l1.said("L1 RPC", SOON).await.unwrap();
            let beacon = l1.said("beacon API", SOON).await.unwrap();
            let (l1_rpc, l1_beacon) = (rpc.clone(), beacon.clone());
            let directory = folder.path().to_owned();
            let (profile, log) = (Profile::Ci, None);
            let founding = Founding { program, directory, l1_rpc, l1_beacon, founders, profile, log };
            (l1, (rpc, beacon), Seats::found(founding).await.unwrap())
        });
        Self { runtime, seats, l1: urls, _l1: l1, _folder: folder }
    }

    /// A newcomer makes its keys and registers.
    pub(crate) fn join(&mut self, seat: usize) {
        assert_eq!(self.runtime.block_on(self.seats.join()).unwrap(), seat);
        self.owner(seat, &["register"]);
    }

    fn config(&self, seat: usize) -> String {
        self.seats.config(seat).display().to_string()
    }

    pub(crate) fn start(&mut self, seat: usize) {
        self.runtime.block_on(self.seats.start(seat)).unwrap();
    }

    /// kill -9.
    pub(crate) fn kill(&mut self, seat: usize) {
        self.seats.kill(seat);
    }

    /// SIGTERM; it must end by itself, and well.
    pub(crate) fn end(&mut self, seat: usize) {
        let Some(process) = self.seats.take(seat) else { return };
        let id = process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let status = process.wait().unwrap();
        assert!(status.success(), "seat {} ended with {status}: {}", seat + 1, self.log(seat));
    }

    /// Its standard input ends, as when the process that started it dies: it must end by itself, and well.
    pub(crate) fn abandon(&mut self, seat: usize) {
        let Some(process) = self.seats.take(seat) else { return };
        let status = process.wait().unwrap();
        assert!(status.success(), "seat {} ended with {status}: {}", seat + 1, self.log(seat));
    }

    fn request(&self, url: &str, method: &'static str, parameters: Value) -> Result<Value, String> {
        self.runtime.block_on(async {
            let node = ProviderBuilder::default().connect_http(url.parse().map_err(|e| format!("{e}"))?);
            let node: RootProvider = node;
            node.client().request(method, parameters).await.map_err(|e| e.to_string())
        })
    }

    fn block(&self, seat: usize, tag: &str) -> Option<(u64, B256)> {
        self.runtime.block_on(self.seats.client(seat).at(tag))
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
        let owner = self.seats.owner(seat);
        let balance = self.request(&self.l1.0, "eth_getBalance", json!([owner, "latest"])).unwrap();
        format_ether(balance.as_str().unwrap().parse::<U256>().unwrap()).parse().unwrap()
    }

    /// L1's clock jumps.
    pub(crate) fn pass(&self, time: Duration) {
        self.request(&self.l1.0, "evm_increaseTime", json!([time.as_secs()])).unwrap();
        std::thread::sleep(Duration::from_secs(5));
    }

    fn log(&self, seat: usize) -> String {
        format!("--- seat {}\n{}", seat + 1, end_of(&self.seats.log(seat)))
    }

    /// No seat ever wanted to contradict itself, and none met another chain.
    pub(crate) fn check_log(&self, seat: usize) {
        let log = fs::read_to_string(self.seats.log(seat)).unwrap();
        for bad in ["another block final", "THE STATEMENT IS FALSE", "panicked", "journal is damaged"] {
            assert!(!log.contains(bad), "seat {}: {bad}", seat + 1);
        }
    }
}
