//! The vectors of EIP-3076 (`SURETY_VECTORS`), put into our kinds of message.
//!
//! | theirs | ours |
//! |---|---|
//! | public key | a journal |
//! | `genesis_validators_root` | domain separator |
//! | block at a slot, signing root | `Notarize` **and** `Finalize` at that view of that block: both follow the same rule |
//! | attestation to a target epoch; source and signing root | `Batch` of that last height; together its `lastHash` and `blockHashRoot` |
//! | a message without signing root | one with a root of its own: it equals nothing, so it is never signed again |
//! | `should_succeed_complete` | what our journal, which is complete, must do (`should_succeed` is for those that keep only the newest) |
//!
//! Without counterpart, so not attempted, and counted: **surround votes** and sources after targets (a batch has one
//! height, and states no range that another could surround), and **what lies below the lowest imported message** (an
//! EIP-3076 file may be cut off there; ours says so itself, by its floors and by refusing views far below the highest).

use super::*;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

/// Where the vectors are, or `None` with the reason printed. In CI they must be there.
fn vectors() -> Option<PathBuf> {
    let root = std::env::var_os("SURETY_VECTORS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"), PathBuf::from);
    let path = root.join("eip-3076/tests/generated");
    if path.is_dir() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is missing: set SURETY_VECTORS", path.display());
    println!("skipped: {} is missing (set SURETY_VECTORS)", path.display());
    None
}

/// What was covered.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    files: usize,
    steps: usize,
    imported: usize,
    imports_with_conflicts: usize,
    imports_refused: usize,
    /// Steps whose contradiction we do not have.
    surrounds_imported: usize,
    signed: usize,
    signed_again: usize,
    refused: usize,
    /// Attempts without counterpart.
    surrounds: usize,
    below_lowest: usize,
}

/// A message: whether a batch, its place, and what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Message {
    batch: bool,
    place: u64,
    says: B256,
}

fn number(value: &Value) -> u64 {
    value.as_str().unwrap().parse().unwrap()
}

fn message(value: &Value) -> Message {
    static UNIQUE: AtomicU64 = AtomicU64::new(0);
    let root = value.get("signing_root").filter(|root| !root.is_null()).map_or_else(
        || keccak256(UNIQUE.fetch_add(1, Ordering::Relaxed).to_be_bytes()),
        |root| root.as_str().unwrap().parse().unwrap(),
    );
    match value.get("slot") {
        Some(slot) => Message { batch: false, place: number(slot), says: keccak256(root) },
        None => {
            let source = number(&value["source_epoch"]).to_be_bytes();
            let says = keccak256([root.as_slice(), &source].concat());
            Message { batch: true, place: number(&value["target_epoch"]), says }
        }
    }
}

fn keccak256(bytes: impl AsRef<[u8]>) -> B256 {
    alloy_primitives::keccak256(bytes)
}

impl Message {
    fn records(&self) -> Vec<Value> {
        let place = json!({ "rollup": 7, "term": 1, "genesis": GENESIS });
        let record = |kind: &str, more: Value| {
            let mut record = place.clone();
            record["kind"] = kind.into();
            for (key, value) in more.as_object().unwrap() {
                record[key] = value.clone();
            }
            record
        };
        if self.batch {
            let more = json!({ "firstHeight": 1, "lastHeight": self.place, "lastHash": self.says, "blockHashRoot": keccak256(self.says) });
            return vec![record("batch", more)];
        }
        let more = json!({ "view": self.place, "parentView": 0, "blockHash": self.says });
        vec![record("notarize", more.clone()), record("finalize", more)]
    }

    fn statements(&self) -> Vec<Statement> {
        if self.batch {
            let batch = batch(1, self.place, 0, 0);
            return vec![Batch { lastHash: self.says, blockHashRoot: keccak256(self.says), ..batch }.into()];
        }
        let n = Notarize { blockHash: self.says, ..notarize(1, self.place, 0, 0) };
        let f = Finalize { blockHash: self.says, ..finalize(1, self.place, 0, 0) };
        vec![n.into(), f.into()]
    }
}

/// A validator of a vector: its journal, and what it has signed, kept apart from it.
struct Validator {
    _bench: Bench,
    guard: Guard,
    signed: BTreeMap<(bool, u64), B256>,
    lowest: BTreeMap<bool, u64>,
}

impl Validator {
    fn new() -> Self {
        let bench = Bench::new();
        let guard = bench.open().unwrap();
        Self { _bench: bench, guard, signed: BTreeMap::new(), lowest: BTreeMap::new() }
    }

    /// Imports a step's messages; whether the step's contradiction is one of ours.
    fn import(&mut self, messages: &[Message], separator: B256, counts: &mut Counts) -> bool {
        let records: Vec<Value> = messages.iter().flat_map(Message::records).collect();
        let file =
            json!({ "version": 2, "domainSeparator": separator, "address": key().address(), "records": records });
        let file: Interchange = serde_json::from_value(file).unwrap();
        let result = file.import(self.guard.journal(), &domain(), key().address());
        let mut conflicts = false;
        for m in messages {
            conflicts |= *self.signed.entry((m.batch, m.place)).or_insert(m.says) != m.says;
            let lowest = self.lowest.entry(m.batch).or_insert(m.place);
            *lowest = (*lowest).min(m.place);
        }
        counts.imported += messages.len();
        match result {
            Ok(()) => assert!(!conflicts, "a contradiction was taken in silently"),
            Err(InterchangeError::Conflicts(found)) => {
                assert!(conflicts && !found.is_empty());
                counts.imports_with_conflicts += 1;
            }
            Err(error) => panic!("{error}"),
        }
        conflicts
    }

    fn attempt(&mut self, m: &Message, should: bool, counts: &mut Counts) {
        let known = self.signed.get(&(m.batch, m.place)).copied();
        let (may, again) = match known {
            Some(says) => (says == m.says, true),
            // Refused there by a rule that has no counterpart here.
            None if !should => {
                let below = self.lowest.get(&m.batch).is_some_and(|lowest| m.place <= *lowest);
                *(if below { &mut counts.below_lowest } else { &mut counts.surrounds }) += 1;
                return;
            }
            None => (true, false),
        };
        assert_eq!(may, should, "the rule as read here and the vector agree: {m:?}");
        self.guard.executed().mark(surety_types::L2Height::new(1), m.says);
        for statement in m.statements() {
            match sign(&self.guard, &statement) {
                Ok(_) => assert!(should, "signed {statement:?}"),
                Err(SignError::Refused(Refusal::Conflict { .. })) => assert!(!should, "refused {statement:?}"),
                Err(error) => panic!("{error}: {statement:?}"),
            }
        }
        self.signed.entry((m.batch, m.place)).or_insert(m.says);
        *(match (should, again) {
            (true, false) => &mut counts.signed,
            (true, true) => &mut counts.signed_again,
            (false, _) => &mut counts.refused,
        }) += 1;
    }
}

fn run(vector: &Value, counts: &mut Counts) {
    let mut validators: BTreeMap<String, Validator> = BTreeMap::new();
    for step in vector["steps"].as_array().unwrap() {
        counts.steps += 1;
        let right = step["interchange"]["metadata"]["genesis_validators_root"] == vector["genesis_validators_root"];
        if !right {
            assert_eq!(step["should_succeed"], false);
            let mut records = Validator::new();
            let file =
                json!({ "version": 2, "domainSeparator": B256::ZERO, "address": key().address(), "records": [] });
            let file: Interchange = serde_json::from_value(file).unwrap();
            let refused = file.import(records.guard.journal(), &domain(), key().address());
            assert!(matches!(refused, Err(InterchangeError::Foreign)));
            assert!(!records.import(&[], domain().separator(), counts));
            counts.imports_refused += 1;
            continue;
        }
        assert_eq!(step["should_succeed"], true);
        let mut by_key: BTreeMap<String, Vec<Message>> = BTreeMap::new();
        for data in step["interchange"]["data"].as_array().unwrap() {
            let messages = by_key.entry(data["pubkey"].to_string()).or_default();
            for list in ["signed_blocks", "signed_attestations"] {
                messages.extend(data[list].as_array().unwrap().iter().map(message));
            }
        }
        let mut conflicts = false;
        for (key, messages) in by_key {
            let validator = validators.entry(key).or_insert_with(Validator::new);
            conflicts |= validator.import(&messages, domain().separator(), counts);
        }
        let slashable = step["contains_slashable_data"] == true;
        counts.surrounds_imported += usize::from(slashable && !conflicts);
        for list in ["blocks", "attestations"] {
            for attempt in step[list].as_array().unwrap() {
                let validator = validators.entry(attempt["pubkey"].to_string()).or_insert_with(Validator::new);
                let should = attempt["should_succeed_complete"].as_bool().unwrap();
                validator.attempt(&message(attempt), should, counts);
            }
        }
    }
}

#[test]
fn the_cases_of_eip_3076_hold_for_our_kinds_of_message() {
    let Some(folder) = vectors() else { return };
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut counts = Counts::default();
    for file in files {
        println!("{}", file.display());
        counts.files += 1;
        run(&serde_json::from_slice(&fs::read(file).unwrap()).unwrap(), &mut counts);
    }
    // 150 attempts in all; 21 steps hold contradictions, of one validator or two.
    let expected = Counts {
        files: 38,
        steps: 49,
        imported: 164,
        imports_with_conflicts: 10,
        imports_refused: 1,
        surrounds_imported: 13,
        signed: 49,
        signed_again: 5,
        refused: 55,
        surrounds: 18,
        below_lowest: 23,
    };
    assert_eq!(counts, expected);
}
