//! The program as it was compiled, on the machine that L1 judges, against native execution.

mod support;

use alloy_primitives::{Address, B256, Bytes, U256};
use proptest::{prelude::*, test_runner::TestRunner};
use support::{
    common::{
        Key,
        chain::{Chain, Form, Judged, TARGET, ask, garbage, random_batches},
        parameters,
    },
    judge,
};
use surety_prove::{HostError, Program};
use surety_stf::{batch::BatchBlock, witness::Witness};
use surety_types::{L1Height, Message, MessageIndex, Transaction, message::L1Info};
use surety_vm::Status;

/// Posts a batch, executes it and has it judged; says of each block whether its list was invalid.
fn post(
    chain: &mut Chain,
    rows: &[BatchBlock],
    messages: Vec<Message>,
    form: Form,
    last_time: Option<u64>,
) -> Vec<bool> {
    let judged = chain.post(rows, messages, form, last_time);
    for block in &judged {
        judge(block);
    }
    judged.iter().map(|block| block.invalid).collect()
}

#[test]
fn the_compiled_program_finds_the_hashes_of_native_execution() {
    let keys = [Key::new(1), Key::new(2)];
    let mut chain = Chain::new(&keys);
    let info = L1Info { number: L1Height::new(9), base_fee: U256::from(30_000_000_000u64), ..L1Info::default() };
    let rows = [
        chain.row(1, 1, vec![keys[0].transfer(0, Address::repeat_byte(9)), ask(&keys[1], 0, 1)]),
        chain.row(2, 0, vec![]),
        chain.row(3, 1, vec![ask(&keys[1], 1, 3)]),
    ];
    let messages = vec![info.to_message(MessageIndex::ZERO, L1Height::new(9)), chain.message(1, TARGET, 5, 100_000)];
    assert_eq!(post(&mut chain, &rows, messages, Form::Blobs, None), [false; 3]);
    // A list that cannot be executed: its block is its messages.
    let rows = [chain.row(1, 1, vec![keys[0].transfer(1, TARGET), keys[0].transfer(9, TARGET)])];
    let message = chain.message(0, Address::repeat_byte(0x78), 1, 30_000);
    assert_eq!(post(&mut chain, &rows, vec![message], Form::Calldata, None), [true]);
    // Data that do not decode, then nothing at all.
    let rows = [chain.row(1, 0, vec![]), chain.row(2, 0, vec![])];
    let messages = vec![chain.message(0, TARGET, 0, 7_500_000), chain.message(1, TARGET, 1, 21_000)];
    let time = chain.head.timestamp + 3;
    assert_eq!(post(&mut chain, &rows, messages, garbage(), Some(time)), [false; 2]);
    let rows = [chain.row(1, 0, vec![])];
    assert_eq!(post(&mut chain, &rows, vec![], Form::Nothing, Some(time + 40)), [false]);
}

/// Batches by chance: right ones, bent ones, damaged ones, any bytes.
fn any_batches(cases: u32) {
    let mut runner = TestRunner::new(ProptestConfig::with_cases(cases));
    let judged = runner.run(&random_batches(3), |batches| {
        let keys = [Key::new(1), Key::new(2)];
        let mut chain = Chain::new(&keys);
        for (blocks, form) in batches {
            let (rows, messages, time) = chain.random_batch(&keys, blocks, &form);
            post(&mut chain, &rows, messages, form, time);
        }
        Ok(())
    });
    judged.unwrap();
}

#[test]
fn whatever_is_posted_is_judged_as_it_is_executed() {
    any_batches(6);
}

#[test]
#[ignore = "minutes: by night"]
fn whatever_else_is_posted_is_judged_as_it_is_executed() {
    any_batches(600);
}

fn one_block() -> (Chain, Judged) {
    let keys = [Key::new(1)];
    let mut chain = Chain::new(&keys);
    let rows = [chain.row(1, 0, vec![keys[0].transfer(0, Address::repeat_byte(9))])];
    let judged = chain.post(&rows, vec![], Form::Calldata, None).remove(0);
    (chain, judged)
}

#[test]
fn by_hint_the_program_says_the_same() {
    let (_, block) = one_block();
    let witness = block.to_witness();
    let hinted = Program::current().run_hinted(&witness).unwrap();
    assert!(hinted.says(witness.input, block.hash), "{hinted:?}");
}

#[test]
fn a_witness_that_is_not_whole_has_no_answer() {
    let (_, block) = one_block();
    let mut less = Witness::new(block.to_witness().input);
    less.insert(parameters().to_preimage().to_vec());
    assert_eq!(Program::current().run(less.clone()), Err(HostError::Unknown(less.input)));
    let hinted = Program::current().run_hinted(&less).unwrap();
    assert_eq!(hinted.status, Status::Halted(2));
    assert_eq!(hinted.output, B256::ZERO);
}

#[test]
fn an_input_that_is_none_has_no_output() {
    let mut witness = Witness::default();
    witness.input = witness.insert(Bytes::from_static(b"no input"));
    let ended = Program::current().run(witness.clone()).unwrap();
    assert_eq!((ended.status, ended.output), (Status::Halted(1), B256::ZERO));
    assert!(!ended.says(witness.input, B256::ZERO));
}

#[test]
fn full_lists_are_judged_too() {
    let keys: Vec<Key> = (1..=4).map(Key::new).collect();
    let mut chain = Chain::new(&keys);
    let list: Vec<Transaction> =
        (0..12).map(|n| keys[n % 4].transfer(n as u64 / 4, Address::repeat_byte(0x10 + n as u8))).collect();
    let rows = [chain.row(1, 0, list)];
    let judged = chain.post(&rows, vec![], Form::Blobs, None);
    assert!(!judged[0].invalid);
    let steps = judge(&judged[0]).steps;
    assert!(steps > 12 * 400_000, "{steps} steps cannot have recovered twelve signers");
}
