//! A process that commits is killed in the middle of it.
#![allow(missing_docs)]

mod common;

use alloy_primitives::U256;
use common::{Model, account, address, change, changes, config, genesis, grow};
use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};
use surety_state::{Error, Store};
use surety_types::StateChanges;

const DIRECTORY: &str = "SURETY_STATE_CRASH_TEST_DIRECTORY";
const ACCOUNTS: u64 = 40;

/// What block `number` changes: a pure function, so that the parent process can tell what must be there.
fn changes_of(number: u64) -> StateChanges {
    changes((0..12).map(|n| {
        let who = (number * 7 + n * 5) % ACCOUNTS;
        let account = (!(number + n).is_multiple_of(9)).then(|| account(number, number + n));
        let slots = [(n % 4, number % 3), (number % 4, n)];
        (who, change(account, number.is_multiple_of(5), if account.is_some() { &slots } else { &[] }))
    }))
}

fn open(path: &Path) -> Store {
    Store::open(Some(path), config(20), genesis(changes_of(0))).unwrap()
}

#[test]
#[ignore = "the child of the test below, which starts and kills it"]
fn commits_until_it_is_killed() {
    let path = std::env::var_os(DIRECTORY).expect("started by the test below");
    let store = open(Path::new(&path));
    loop {
        let parent = store.committed();
        let at = grow(&store, parent, changes_of(parent.number + 1), 0);
        store.commit(at.hash).unwrap();
        writeln!(std::io::stdout(), "\ncommitted {}", at.number).unwrap();
    }
}

#[test]
fn a_store_whose_process_was_killed_has_every_commit_that_returned_and_no_half_of_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut reported = 0;
    for round in 0..6u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "commits_until_it_is_killed", "--nocapture"])
            .env(DIRECTORY, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let goal = reported + 3 + round * 4;
        for line in lines.by_ref() {
            if let Some(number) = line.strip_prefix("committed ") {
                reported = number.parse().unwrap();
                if reported >= goal {
                    break;
                }
            }
        }
        assert!(reported >= goal, "the child ended by itself");
        let second = Store::open(Some(dir.path()), config(20), genesis(changes_of(0)));
        assert!(matches!(second, Err(Error::InUse(_))), "two processes write one directory: {second:?}");
        // At a different moment of the commit that is under way in each round.
        std::thread::sleep(std::time::Duration::from_micros(700 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        for number in lines.filter_map(|line| line.strip_prefix("committed ").and_then(|n| n.parse().ok())) {
            reported = number;
        }
        let store = open(dir.path());
        let head = store.committed();
        assert!(head.number == reported || head.number == reported + 1, "{} after {reported}", head.number);
        reported = head.number;
        let mut model = Model::default();
        (0..=head.number).for_each(|number| model.apply(&changes_of(number)));
        let addresses: Vec<_> = (0..ACCOUNTS).map(address).collect();
        model.check(&store.latest().unwrap(), &addresses, &[0, 1, 2, 3].map(U256::from));
        assert_eq!(store.block_by_number(head.number).unwrap().unwrap().hash, head.hash);
    }
}
