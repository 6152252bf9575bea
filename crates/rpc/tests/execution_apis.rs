//! The Ethereum JSON-RPC conformance suite, replayed against this server over a chain imported into our own engine.
//!
//! The rules are the suite's own: answers are compared as JSON; where a file says `speconly`, their shape is; where an
//! error is expected, an error with that code and those data must come, its text may differ. Every method that this server
//! has is tested with every file of it; methods that it does not have are named in [`NOT_OFFERED`].

mod support;

use alloy_genesis::Genesis;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::SocketAddr,
    path::Path,
    sync::Arc,
};
use support::{TestChain, post, vectors};
use surety_rpc::{BlockRef, Config, Tags, serve};
use surety_stf::execute::ethereum::ForkSchedule;
use surety_types::{Block, Header};

/// Methods of the suite that this server does not have, and why.
const NOT_OFFERED: [(&str, &str); 2] = [
    ("eth_simulateV1", "multi-block simulation: no wallet flow of ours needs it; eth_call with overrides serves"),
    ("testing_buildBlockV1", "a test hook of execution clients' engine API"),
];

/// Members that the specification makes optional, so that `speconly` answers may lack them.
const OPTIONAL: [&str; 1] = ["deleteStrategy"];

/// Files whose answers differ, and why. At most one in twenty of those whose methods exist.
const EXCEPTIONS: [(&str, &str); 0] = [];

/// `.io` files in the suite; files and exchanges replayed.
const FILES: usize = 232;
const REPLAYED: usize = 137;
const EXCHANGES: usize = 139;

struct File {
    name: String,
    method: String,
    speconly: bool,
    exchanges: Vec<(String, String)>,
}

fn files(folder: &Path) -> Vec<File> {
    let mut files = Vec::new();
    for method in fs::read_dir(folder).expect("the suite's folder").flatten().filter(|entry| entry.path().is_dir()) {
        for file in fs::read_dir(method.path()).expect("a folder").flatten() {
            let text = fs::read_to_string(file.path()).expect("a text file");
            let mut exchanges = Vec::new();
            let mut request = None;
            for line in text.lines().map(str::trim) {
                if let Some(asked) = line.strip_prefix(">> ") {
                    assert!(request.replace(asked.to_owned()).is_none(), "two requests in a row");
                } else if let Some(answer) = line.strip_prefix("<< ") {
                    exchanges.push((request.take().expect("a request before its answer"), answer.to_owned()));
                } else {
                    assert!(line.is_empty() || line.starts_with("//"), "{line}");
                }
            }
            let method = method.file_name().to_string_lossy().into_owned();
            files.push(File {
                name: format!("{method}/{}", file.file_name().to_string_lossy()),
                method,
                speconly: text.contains("\n// speconly") || text.starts_with("// speconly"),
                exchanges,
            });
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

fn import(folder: &Path) -> TestChain {
    let genesis: Genesis =
        serde_json::from_str(&fs::read_to_string(folder.join("genesis.json")).expect("genesis.json"))
            .expect("a genesis");
    let schedule = ForkSchedule::from_config(&genesis.config).expect("a schedule that this engine knows");
    let header = Header {
        ommers_hash: alloy_consensus::EMPTY_OMMER_ROOT_HASH,
        transactions_root: alloy_trie::EMPTY_ROOT_HASH,
        receipts_root: alloy_trie::EMPTY_ROOT_HASH,
        difficulty: genesis.difficulty,
        gas_limit: genesis.gas_limit,
        timestamp: genesis.timestamp,
        extra_data: genesis.extra_data.clone(),
        mix_hash: genesis.mix_hash,
        nonce: genesis.nonce.into(),
        beneficiary: genesis.coinbase,
        ..Header::default()
    };
    // The pool checks what it can without KZG: that commitments are those of the versioned hashes.
    let sidecars: surety_rpc::chain::SidecarCheck = Arc::new(|hashes, sidecar| {
        let own: Vec<_> = sidecar.versioned_hashes().collect();
        if own == hashes { Ok(()) } else { Err("versioned hashes differ".to_owned()) }
    });
    let chain = TestChain::open(&genesis, schedule, header, Some(sidecars));
    let bytes = fs::read(folder.join("chain.rlp")).expect("chain.rlp");
    let mut rest = bytes.as_slice();
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        blocks.push(chain.import(Block::decode_rlp(&mut rest).expect("a block")));
    }
    let head = blocks.last().expect("blocks").at();
    chain.announce(Vec::new(), blocks);
    chain.store.commit(head.hash).expect("a commit");
    let fcu: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("headfcu.json")).expect("headfcu.json")).expect("JSON");
    let named = |name: &str| {
        let hash = serde_json::from_value(fcu["params"][0][name].clone()).expect("a hash");
        let number = chain.store.canonical_number(hash).expect("readable").expect("a block of the chain");
        BlockRef { number, hash }
    };
    let tags = Tags {
        latest: named("headBlockHash"),
        safe: Some(named("safeBlockHash")),
        finalized: Some(named("finalizedBlockHash")),
    };
    assert_eq!(tags.latest, head, "the import arrives at the suite's head");
    chain.backend.set_tags(tags.safe, tags.finalized);
    chain
}

/// Whether `got` has the shape of `want`: the same kind of value, the same members, hexadecimal where that is expected.
/// Members that are keys of a map (addresses, nonces, slots) may differ.
fn same_shape(want: &Value, got: &Value) -> Result<(), String> {
    match (want, got) {
        (Value::Null, _) => Ok(()),
        (Value::Object(want), Value::Object(got)) => {
            let is_map = |key: &String| key.starts_with("0x") || key.parse::<u64>().is_ok();
            let names = |keys: &serde_json::Map<String, Value>| -> BTreeSet<String> {
                keys.keys().filter(|key| !is_map(key) && !OPTIONAL.contains(&key.as_str())).cloned().collect()
            };
            if names(want) != names(got) {
                return Err(format!("members {:?} instead of {:?}", names(got), names(want)));
            }
            want.iter().filter_map(|(key, want)| Some((want, got.get(key)?))).try_for_each(|(w, g)| same_shape(w, g))
        }
        (Value::Array(want), Value::Array(got)) => want.iter().zip(got).try_for_each(|(w, g)| same_shape(w, g)),
        (Value::String(want), Value::String(got)) if want.starts_with("0x") && !got.starts_with("0x") => {
            Err(format!("{got:?} is no hexadecimal"))
        }
        (want, got) if std::mem::discriminant(want) == std::mem::discriminant(got) => Ok(()),
        (want, got) => Err(format!("{got} instead of {want}")),
    }
}

fn compare(file: &File, want: &str, got: &str) -> Result<bool, String> {
    let mut want: Value = serde_json::from_str(want).expect("the suite's JSON");
    let mut got: Value = serde_json::from_str(got).map_err(|error| format!("{error}: {got}"))?;
    if want == got {
        return Ok(true);
    }
    if let (Some(w), Some(g)) = (want.get_mut("error"), got.get_mut("error")) {
        w.as_object_mut().expect("an error object").remove("message");
        g.as_object_mut().expect("an error object").remove("message");
    } else if file.speconly {
        return same_shape(&want, &got).map(|()| false);
    }
    if want == got { Ok(false) } else { Err(format!("\n  want {want}\n  got  {got}")) }
}

#[derive(Default)]
struct Tally {
    files: usize,
    exchanges: usize,
    identical: usize,
    failures: BTreeMap<String, String>,
}

fn replay(files: &[File], address: SocketAddr) -> Tally {
    let mut tally = Tally::default();
    for file in files.iter().filter(|file| NOT_OFFERED.iter().all(|(method, _)| *method != file.method)) {
        tally.files += 1;
        for (request, want) in &file.exchanges {
            tally.exchanges += 1;
            let (_, _, got) = post(address, request, &[]);
            match compare(file, want, &got) {
                Ok(true) => tally.identical += 1,
                Ok(false) => println!("{}: as it should be, but not to the letter", file.name),
                Err(difference) => {
                    tally.failures.insert(file.name.clone(), difference);
                }
            }
        }
    }
    tally
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_conformance_suite_is_answered() {
    let Some(folder) = vectors("execution-apis/tests") else { return };
    let files = files(&folder);
    assert_eq!(files.len(), FILES);
    let chain = import(&folder);
    let server = serve(chain.backend.clone(), Config::default()).await.expect("a server");
    let address = server.address();
    let (tally, files) = tokio::task::spawn_blocking(move || (replay(&files, address), files)).await.expect("no panic");
    server.stop().await;
    for (name, difference) in &tally.failures {
        println!("{name}: {}", difference.chars().take(3000).collect::<String>());
    }
    println!(
        "{} of {} files, {} exchanges, {} answers identical to the letter",
        tally.files,
        files.len(),
        tally.exchanges,
        tally.identical
    );
    let failed: Vec<&str> = tally.failures.keys().map(String::as_str).collect();
    let excepted: Vec<&str> = EXCEPTIONS.iter().map(|(name, _)| *name).collect();
    assert_eq!(failed, excepted, "files that differ and those that are excepted");
    assert!(EXCEPTIONS.len() * 20 <= tally.files, "more than one in twenty is excepted");
    assert_eq!((tally.files, tally.exchanges), (REPLAYED, EXCHANGES));
}
