//! What becomes of a seat: other keys, evidence against it, a watchtower that reports it.

use super::{World, surety};
use alloy::{
    network::{EthereumWallet, TransactionBuilder as _},
    primitives::{Address, U256},
    providers::{Provider as _, ProviderBuilder},
    rpc::types::TransactionRequest,
};
use k256::ecdsa::SigningKey;
use serde_json::Value;
use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Stdio},
};
use surety_contracts::ChainFile;
use surety_devnet::l1::dev_accounts;
use surety_types::{
    evidence::{Equivocation, SignedStatement},
    signing::{Domain, Notarize, Signature, Statement},
};

impl World {
    /// The folder that `surety init` made.
    pub(crate) fn folder(&self, seat: usize) -> PathBuf {
        Path::new(&self.config(seat)).parent().unwrap().to_owned()
    }

    /// Where all folders are.
    pub(crate) fn directory(&self) -> PathBuf {
        self.folder(0).parent().unwrap().to_owned()
    }

    fn chain_file(&self) -> PathBuf {
        self.folder(0).join("chain.json")
    }

    pub(crate) fn chain(&self) -> ChainFile {
        ChainFile::read(&self.chain_file()).unwrap()
    }

    /// Some stranger's ether, on L1.
    pub(crate) fn give(&self, to: Address, value: U256) {
        let wallet = EthereumWallet::from(dev_accounts().unwrap().remove(9));
        let request = TransactionRequest::default().with_to(to).with_value(value);
        let l1 = ProviderBuilder::new().wallet(wallet).connect_http(self.l1.0.parse().unwrap());
        let receipt = self.runtime.block_on(async { l1.send_transaction(request).await.unwrap().get_receipt().await });
        assert!(receipt.unwrap().status());
    }

    fn password(&self, seat: usize) -> PathBuf {
        let config: toml::Table = fs::read_to_string(self.config(seat)).unwrap().parse().unwrap();
        PathBuf::from(config["keys"]["password_file"].as_str().unwrap())
    }

    /// New keys for a seat; the operators tell each other the new peer key. Returns the old and the new vote key.
    pub(crate) fn rotate(&self, seat: usize, seats: usize) -> (Address, Address) {
        let key = |file: &str, field: &str| {
            let text = fs::read_to_string(self.folder(seat).join(file)).unwrap();
            serde_json::from_str::<Value>(&text).unwrap()[field].as_str().unwrap().to_owned()
        };
        let (old, old_peer) = (key("keys/registration.json", "voteKey"), key("keys/registration.json", "peerKey"));
        self.owner(seat, &["rotate-key"]);
        let (new, peer) =
            (key("keys/next/registration.json", "voteKey"), key("keys/next/registration.json", "peerKey"));
        for other in 0..seats {
            let path = self.folder(other).join("peers.toml");
            let text = fs::read_to_string(&path).unwrap();
            let line = text.lines().find(|line| line.contains(&old_peer)).unwrap();
            fs::write(&path, format!("{text}{}\n", line.replace(&old_peer, &peer))).unwrap();
        }
        (old.parse().unwrap(), new.parse().unwrap())
    }

    /// Two votes of one view, signed with the vote key of a keystore in a seat's folder: it has voted twice.
    pub(crate) fn equivocation(&self, seat: usize, keystore: &str, term: u64) -> Equivocation {
        let password = fs::read_to_string(self.password(seat)).unwrap();
        let secret = eth_keystore::decrypt_key(self.folder(seat).join(keystore), password.trim()).unwrap();
        let key = SigningKey::from_slice(&secret).unwrap();
        let chain = self.chain();
        let domain = Domain::new(chain.l1_chain_id, chain.addresses.registry);
        let signed = |block: u8| {
            let statement = Statement::from(Notarize {
                rollup: chain.parameters.rollup.get(),
                term,
                genesis: [9; 32].into(),
                view: 1_000_000,
                parentView: 999_999,
                blockHash: [block; 32].into(),
            });
            let signature = Signature::sign(&key, &statement.digest(&domain)).unwrap();
            SignedStatement { statement, signature }
        };
        Equivocation { first: signed(1), second: signed(2) }
    }

    /// A watchtower as a process that is told of evidence in a file, and reports it with a test account.
    pub(crate) fn watch(&self) -> Watchtower {
        let directory = self.directory();
        let (evidence, log) = (directory.join("evidence.jsonl"), directory.join("watch.log"));
        let text = |path: &Path| path.display().to_string();
        let (chain, data, file) = (text(&self.chain_file()), text(&directory.join("watch")), text(&evidence));
        let arguments = [
            "watch",
            "--chain",
            &chain,
            "--l1",
            &self.l1.0,
            "--evidence",
            &file,
            "--data-dir",
            &data,
            "--dev-account",
            "7",
        ];
        let output = File::create(&log).unwrap();
        let child = surety(&[&arguments[..], &["--always", "--json"]].concat())
            .stdout(output.try_clone().unwrap())
            .stderr(Stdio::from(output))
            .spawn()
            .unwrap();
        Watchtower { evidence, log, process: child }
    }

    /// The terms in which a vote key has signed anything, by its journal; its seat is stopped.
    pub(crate) fn terms_signed(&self, seat: usize, journal: &str) -> Vec<u64> {
        let (journal, to) = (self.folder(seat).join("data").join(journal), self.directory().join("export.json"));
        if to.exists() {
            fs::remove_file(&to).unwrap();
        }
        let (from, file) = (journal.display().to_string(), to.display().to_string());
        let output = surety(&["journal", "export", "--journal", &from, "--to", &file]).output().unwrap();
        assert!(output.status.success(), "{from}: {}", String::from_utf8_lossy(&output.stderr));
        let export: Value = serde_json::from_str(&fs::read_to_string(&to).unwrap()).unwrap();
        let signed = export["records"].as_array().unwrap().iter().filter(|record| record["kind"] != "floor");
        let mut terms: Vec<_> = signed.map(|record| record["term"].as_u64().unwrap()).collect();
        terms.sort_unstable();
        terms.dedup();
        terms
    }
}

/// A running watchtower.
pub(crate) struct Watchtower {
    evidence: PathBuf,
    log: PathBuf,
    process: Child,
}

impl Drop for Watchtower {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Watchtower {
    /// Adds a pair to its file.
    pub(crate) fn tell(&self, pair: &Equivocation) {
        let mut file = File::options().create(true).append(true).open(&self.evidence).unwrap();
        writeln!(file, "{}", serde_json::to_string(pair).unwrap()).unwrap();
    }

    /// What it printed.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}
