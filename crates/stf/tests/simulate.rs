//! Calls on a view of either chain.
#![cfg(feature = "simulate")]

mod common;

use alloy_hardforks::EthereumHardfork;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex};
use common::{Key, World, l2_world, parameters};
use revm::{
    Inspector,
    interpreter::{Interpreter, interpreter::EthInterpreter},
};
use surety_stf::execute::{
    PushError, Refusal,
    ethereum::ForkSchedule,
    op::{BlockExecutor, HeaderParts, genesis_block},
    recover,
    simulate::{AccountOverride, Call, ChainKind, Checks, End, Simulator},
};
use surety_types::{Header, Milliseconds, Recovered};

const CODE: Address = Address::repeat_byte(0xc0);
const USER: Address = Address::repeat_byte(0x11);

fn kinds() -> [ChainKind; 2] {
    [ChainKind::L2(parameters()), ChainKind::L1(ForkSchedule::since_genesis(1337, EthereumHardfork::Bpo2))]
}

fn header() -> Header {
    Header {
        number: 7,
        timestamp: 1_700_000_000,
        gas_limit: 30_000_000,
        base_fee_per_gas: Some(1_000_000_000),
        excess_blob_gas: Some(0),
        blob_gas_used: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        ..Header::default()
    }
}

fn call() -> Call {
    Call { from: USER, to: TxKind::Call(CODE), gas_limit: 100_000, ..Call::default() }
}

/// Counts instructions.
#[derive(Default)]
struct Steps(usize);

impl<CTX> Inspector<CTX, EthInterpreter> for Steps {
    fn step(&mut self, _: &mut Interpreter<EthInterpreter>, _: &mut CTX) {
        self.0 += 1;
    }
}

/// Adds one to slot 0 and returns it.
const COUNTER: [u8; 18] = hex!("600054 6001 01 80 600055 600052 60206000f3");

#[test]
fn a_call_needs_no_funds_and_leaves_nothing_until_it_is_committed() {
    for kind in kinds() {
        let mut world = l2_world(&[]);
        world.put(CODE, U256::ZERO, 1, Bytes::from_static(&COUNTER));
        let mut simulator = Simulator::new(&kind, &header(), &world);
        for _ in 0..2 {
            let outcome = simulator.call(&call(), Checks::CALL).unwrap();
            assert!(outcome.success());
            assert_eq!(U256::from_be_slice(&outcome.output), U256::from(1));
            assert!(outcome.gas_used > 21_000);
        }
        let outcome = simulator.call(&call(), Checks::CALL).unwrap();
        simulator.commit(outcome.state).unwrap();
        let outcome = simulator.call(&call(), Checks::CALL).unwrap();
        assert_eq!(U256::from_be_slice(&outcome.output), U256::from(2));
    }
}

#[test]
fn overrides_replace_balance_code_and_storage() {
    for kind in kinds() {
        let mut world = l2_world(&[]);
        world.put(CODE, U256::ZERO, 1, Bytes::from_static(&hex!("60006000fd")));
        world.set(CODE, U256::ZERO, U256::from(5));
        world.set(CODE, U256::from(1), U256::from(6));
        let mut simulator = Simulator::new(&kind, &header(), &world);
        assert_eq!(simulator.call(&call(), Checks::CALL).unwrap().end, End::Revert);
        let counter = AccountOverride { code: Some(COUNTER.into()), ..Default::default() };
        simulator.override_account(CODE, &counter).unwrap();
        let output = simulator.call(&call(), Checks::CALL).unwrap().output;
        assert_eq!(U256::from_be_slice(&output), U256::from(6), "storage stays");
        let state = AccountOverride { state: Some([(U256::from(9), U256::from(1))].into()), ..Default::default() };
        simulator.override_account(CODE, &state).unwrap();
        let output = simulator.call(&call(), Checks::CALL).unwrap().output;
        assert_eq!(U256::from_be_slice(&output), U256::from(1), "storage is replaced");
        let diff = AccountOverride { state_diff: [(U256::ZERO, U256::from(41))].into(), ..Default::default() };
        simulator.override_account(CODE, &diff).unwrap();
        let output = simulator.call(&call(), Checks::CALL).unwrap().output;
        assert_eq!(U256::from_be_slice(&output), U256::from(42), "one slot is replaced");

        let pay = Call { value: U256::from(1), ..call() };
        let refused = simulator.call(&pay, Checks::CALL);
        assert!(matches!(refused, Err(PushError::Refused(Refusal::Funds { .. }))), "{refused:?}");
        let rich = AccountOverride { balance: Some(U256::from(1)), ..Default::default() };
        simulator.override_account(USER, &rich).unwrap();
        assert!(simulator.call(&pay, Checks::CALL).unwrap().success());
    }
}

#[test]
fn an_inspector_sees_every_instruction_on_both_chains() {
    for kind in kinds() {
        let mut world = l2_world(&[]);
        world.put(CODE, U256::ZERO, 1, Bytes::from_static(&COUNTER));
        let mut simulator = Simulator::new(&kind, &header(), &world);
        let mut steps = Steps::default();
        simulator.inspect(&call(), Checks::CALL, Some(&mut steps)).unwrap();
        assert_eq!(steps.0, 12);
    }
}

#[test]
fn contracts_may_call_and_gas_beyond_the_block_may_be_asked_for_where_it_is_not_checked() {
    for kind in kinds() {
        let mut world = l2_world(&[]);
        world.put(CODE, U256::ZERO, 1, Bytes::from_static(&COUNTER));
        let mut simulator = Simulator::new(&kind, &header(), &world);
        let big = Call { from: CODE, gas_limit: 1_000_000_000, ..call() };
        assert!(simulator.call(&big, Checks::CALL).unwrap().success());
        assert!(simulator.call(&big, Checks::ALL).is_err());
    }
}

#[test]
fn replaying_a_block_gives_its_receipts() {
    let key = Key::new(1);
    let mut world: World = l2_world(&[key.address()]);
    world.put(CODE, U256::ZERO, 1, Bytes::from_static(&COUNTER));
    let genesis = genesis_block(&parameters(), world.root(), B256::ZERO).header;
    let parts = HeaderParts {
        context_root: B256::repeat_byte(1),
        milliseconds: Milliseconds::new(1_700_000_001_000),
        beneficiary: USER,
    };
    let hash = genesis.hash_slow();
    let mut executor = BlockExecutor::new(&parameters(), &genesis, hash, parts, &[], &world).unwrap();
    for nonce in 0..3 {
        let tx = key.call(75873, nonce, CODE, U256::ZERO, 100_000, Bytes::new());
        let sender = recover(std::slice::from_ref(&tx)).unwrap()[0];
        executor.push(Recovered::new_unchecked(tx, sender)).unwrap();
    }
    let executed = executor.finish().unwrap();
    let mut simulator = Simulator::new(&ChainKind::L2(parameters()), &executed.header, &world);
    simulator.begin_block(hash, executed.header.parent_beacon_block_root).unwrap();
    let mut gas = 0;
    for ((tx, sender), receipt) in executed.transactions.iter().zip(&executed.senders).zip(&executed.receipts) {
        let outcome = simulator.transact(Recovered::new_unchecked(tx, *sender), None::<&mut Steps>).unwrap();
        gas += outcome.gas_used;
        assert_eq!((outcome.success(), gas), (receipt.success(), receipt.cumulative_gas_used));
        simulator.commit(outcome.state).unwrap();
    }
    assert_eq!(simulator.state_mut().unwrap().changes(), executed.changes);
}
