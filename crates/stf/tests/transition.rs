//! The program against native execution: batches of a small chain, judged from recorded witnesses.

mod common;

use alloy_primitives::{Address, B256, U256};
use common::{
    Key,
    chain::{Chain, Form, Judged, Known, TARGET, ask, garbage, random_batches},
    parameters,
};
use proptest::prelude::*;
use surety_stf::batch::BatchBlock;
use surety_stf::{
    StateReader,
    oracle::Checked,
    transition::{Fault, transition},
};
use surety_types::{L1Height, Message, MessageIndex, message::L1Info, signing::Batch};

/// Posts a batch and lies about each block of it; gives which blocks' lists could not be executed.
fn post(
    chain: &mut Chain,
    rows: &[BatchBlock],
    messages: Vec<Message>,
    form: Form,
    last_time: Option<u64>,
) -> Vec<bool> {
    let blocks = chain.post(rows, messages, form, last_time);
    blocks.iter().for_each(lies);
    blocks.iter().map(|block| block.invalid).collect()
}

/// Each answer left out or changed is an error, never another block.
fn lies(judged: &Judged) {
    let Judged { statement, before_batch: before, height, parent_hash: parent, witness, .. } = judged;
    let (before, height, parent) = (*before, *height, *parent);
    let run = |known: &Known| transition(&parameters(), &Checked(known.clone()), statement, before, height, parent);
    for (n, hash) in witness.preimages.keys().enumerate().filter(|(n, _)| n % 7 == height.get() as usize % 7) {
        let mut less = witness.clone();
        less.preimages.remove(hash);
        assert!(run(&less).is_err(), "{hash} is not needed");
        let mut other = witness.preimages[hash].to_vec();
        let at = n % other.len();
        other[at] ^= 1;
        less.preimages.insert(*hash, other.into());
        assert!(matches!(run(&less), Err(Fault::Oracle(_) | Fault::State(_) | Fault::Engine(_))));
    }
    // An accumulator, and a count, that do not lead to the start's.
    let bent = [
        Batch { messageAcc: B256::repeat_byte(9), ..statement.clone() },
        Batch { messageCount: statement.messageCount + 1, ..statement.clone() },
    ];
    for statement in bent {
        let judged = transition(&parameters(), witness, &statement, before, height, parent);
        assert!(matches!(judged, Err(Fault::Derive(_) | Fault::Oracle(_))));
    }
    let wrong = [(height.next(), parent), (height, B256::repeat_byte(1))];
    for (height, parent) in wrong {
        assert!(transition(&parameters(), witness, statement, before, height, parent).is_err());
    }
    assert_eq!(run(witness).unwrap(), judged.hash);
}

#[test]
fn the_program_finds_the_hashes_of_native_execution() {
    let keys = [Key::new(1), Key::new(2)];
    let mut chain = Chain::new(&keys);
    let info = L1Info { number: L1Height::new(9), base_fee: U256::from(30_000_000_000u64), ..L1Info::default() };
    let rows = [
        chain.row(1, 1, vec![keys[0].transfer(0, Address::repeat_byte(9)), ask(&keys[1], 0, 1)]),
        chain.row(2, 0, vec![]),
        chain.row(3, 2, vec![ask(&keys[1], 1, 3)]),
    ];
    let messages = vec![
        info.to_message(MessageIndex::ZERO, L1Height::new(9)),
        chain.message(1, TARGET, 5, 100_000),
        chain.message(2, Address::repeat_byte(0x77), 6, 30_000),
    ];
    assert_eq!(post(&mut chain, &rows, messages, Form::Blobs, None), [false; 3]);
    assert_eq!(chain.world.account(Address::repeat_byte(0x77)).unwrap().unwrap().balance, U256::from(6));

    // A list that cannot be executed in the middle: its block is its messages, the next one stands.
    let rows = [
        chain.row(1, 0, vec![keys[0].transfer(1, Address::repeat_byte(9))]),
        chain.row(2, 1, vec![keys[0].transfer(2, TARGET), keys[0].transfer(9, TARGET)]),
        chain.row(3, 0, vec![keys[0].transfer(2, Address::repeat_byte(9))]),
    ];
    let message = chain.message(0, Address::repeat_byte(0x78), 1, 30_000);
    assert_eq!(post(&mut chain, &rows, vec![message], Form::Calldata, None), [false, true, false]);
    assert_eq!(chain.world.account(keys[0].address()).unwrap().unwrap().nonce, 3);
    assert_eq!(chain.world.account(Address::repeat_byte(0x78)).unwrap().unwrap().balance, U256::ONE);

    // Data that do not decode, then nothing at all (self-sequenced), then ordinary blocks on a default one.
    let messages = vec![
        chain.message(0, TARGET, 0, 7_500_000),
        chain.message(1, TARGET, 0, 7_500_001),
        chain.message(2, TARGET, 1, 21_000),
    ];
    let rows = [chain.row(1, 0, vec![]), chain.row(2, 0, vec![]), chain.row(3, 0, vec![])];
    let time = chain.head.timestamp + 3;
    assert_eq!(post(&mut chain, &rows, messages, garbage(), Some(time)), [false; 3]);
    assert_eq!((chain.head.timestamp, chain.context), (time, None));
    let message = chain.message(0, Address::repeat_byte(0x79), 1, 30_000);
    let rows = [chain.row(1, 0, vec![])];
    assert_eq!(post(&mut chain, &rows, vec![message], Form::Nothing, Some(time + 40)), [false]);
    let rows = [chain.row(1, 0, vec![ask(&keys[1], 2, 9)]), chain.row(2, 0, vec![ask(&keys[1], 3, 300)])];
    assert_eq!(post(&mut chain, &rows, vec![], Form::Calldata, None), [false; 2]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_batches_are_judged_as_they_are_executed(batches in random_batches(4)) {
        let keys = [Key::new(1), Key::new(2)];
        let mut chain = Chain::new(&keys);
        for (blocks, form) in batches {
            let (rows, messages, time) = chain.random_batch(&keys, blocks, &form);
            post(&mut chain, &rows, messages, form, time);
        }
    }
}
