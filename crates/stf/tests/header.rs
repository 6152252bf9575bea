//! Rules of L1 headers that the vectors of others do not reach: difficulty, gas limit, fields by fork, uncles.

mod common;

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, proofs};
use alloy_eips::{eip4844::DATA_GAS_PER_BLOB, eip7840::BlobParams};
use alloy_hardforks::EthereumHardfork as F;
use alloy_primitives::{Address, B64, B256, U256, keccak256};
use common::World;
use proptest::prelude::*;
use surety_stf::execute::ethereum::{
    Attributes, BlockExecutor, ForkSchedule, HeaderError, execute_block, next_excess_blob_gas, next_header, seal,
    validate_body, validate_header, validate_ommers,
};
use surety_types::{Block, Header, StateChanges};

fn schedule(last: F) -> ForkSchedule {
    ForkSchedule::since_genesis(1, last)
}

/// A header of a proof-of-work block that follows `parent` after `seconds`, with this difficulty.
fn mined(parent: &Header, seconds: u64, difficulty: U256) -> Header {
    Header {
        parent_hash: parent.hash_slow(),
        number: parent.number + 1,
        timestamp: parent.timestamp + seconds,
        difficulty,
        gas_limit: parent.gas_limit,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        ..Header::default()
    }
}

fn pow_parent(number: u64, difficulty: u64) -> Header {
    Header {
        number,
        difficulty: U256::from(difficulty),
        timestamp: 1_000_000,
        gas_limit: 5_000_000,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        ..Header::default()
    }
}

/// The difficulty that the rules give, read from the error that a wrong one gets.
fn difficulty(schedule: &ForkSchedule, parent: &Header, seconds: u64) -> U256 {
    match validate_header(schedule, parent, &mined(parent, seconds, U256::MAX)) {
        Err(HeaderError::Wrong { field: "difficulty", expected, .. }) => expected.parse().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn mainnets_first_blocks_have_their_difficulties() {
    let genesis = Header { difficulty: U256::from(17_179_869_184u64), gas_limit: 5000, ..pow_parent(0, 0) };
    let genesis = Header { timestamp: 0, ..genesis };
    let first = difficulty(&schedule(F::Frontier), &genesis, 1_438_269_988);
    assert_eq!(first, U256::from(17_171_480_576u64));
    let block = Header { gas_limit: 5000, ..mined(&genesis, 1_438_269_988, first) };
    assert_eq!(difficulty(&schedule(F::Frontier), &block, 29), U256::from(17_163_096_064u64));
}

proptest! {
    /// The formulas of Frontier, EIP-2 and EIP-100 with their bombs, stated again with signed numbers.
    #[test]
    fn difficulty_follows_the_eips(number in 0u64..13_000_000, parent_difficulty in 131_072u64..1 << 60, seconds in 1u64..2000, uncles: bool) {
        let mut parent = pow_parent(number, parent_difficulty);
        if uncles {
            parent.ommers_hash = B256::repeat_byte(1);
        }
        let cases = [
            (F::Frontier, 0), (F::Homestead, 0), (F::Byzantium, 3_000_000), (F::Constantinople, 5_000_000),
            (F::MuirGlacier, 9_000_000), (F::ArrowGlacier, 10_700_000), (F::GrayGlacier, 11_400_000),
        ];
        for (fork, delay) in cases {
            let (d, s) = (i128::from(parent_difficulty), i128::from(seconds));
            let factor = match fork {
                F::Frontier => if s < 13 { 1 } else { -1 },
                F::Homestead => (1 - s / 10).max(-99),
                _ => (if uncles { 2 } else { 1 } - s / 9).max(-99),
            };
            let period = (number + 1).saturating_sub(delay) / 100_000;
            let bomb = if period >= 2 { 1i128.checked_shl(period as u32 - 2).unwrap() } else { 0 };
            let expected = (d + d / 2048 * factor).max(131_072) + bomb;
            let mut header_parent = parent.clone();
            if fork >= F::London {
                header_parent.base_fee_per_gas = Some(1_000_000_000);
            }
            let base_fee = (fork >= F::London).then_some(875_000_000);
            let header = Header { base_fee_per_gas: base_fee, ..mined(&header_parent, seconds, U256::from(expected as u128)) };
            prop_assert_eq!(validate_header(&schedule(fork), &header_parent, &header), Ok(()), "{:?}", fork);
        }
    }
}

fn next(schedule: &ForkSchedule, parent: &Header) -> Header {
    let attributes = Attributes { timestamp: parent.timestamp + 12, ..Attributes::default() };
    next_header(schedule, parent, parent.hash_slow(), &attributes)
}

fn pos_parent() -> Header {
    Header {
        number: 5,
        timestamp: 100,
        gas_limit: 30_000_000,
        base_fee_per_gas: Some(1_000_000_000),
        excess_blob_gas: Some(0),
        blob_gas_used: Some(0),
        ..Header::default()
    }
}

#[test]
fn a_header_made_by_next_header_is_valid_on_every_fork_since_the_merge() {
    for fork in [F::Paris, F::Shanghai, F::Cancun, F::Prague, F::Osaka, F::Bpo1, F::Bpo2] {
        let schedule = schedule(fork);
        assert_eq!(validate_header(&schedule, &pos_parent(), &next(&schedule, &pos_parent())), Ok(()), "{fork:?}");
    }
}

#[test]
fn each_rule_of_a_header_is_kept() {
    type Break = fn(&mut Header);
    let cases: [(&str, Break); 20] = [
        ("number", |h| h.number += 1),
        ("parentHash", |h| h.parent_hash = B256::ZERO),
        ("timestamp", |h| h.timestamp = 100),
        ("extraData length", |h| h.extra_data = vec![0; 33].into()),
        ("gasLimit", |h| h.gas_limit += 30_000_000 / 1024),
        ("gasLimit", |h| h.gas_limit -= 30_000_000 / 1024),
        ("gasLimit", |h| h.gas_limit = 4999),
        ("gasUsed", |h| h.gas_used = h.gas_limit + 1),
        ("baseFeePerGas", |h| h.base_fee_per_gas = Some(1)),
        ("baseFeePerGas", |h| h.base_fee_per_gas = None),
        ("difficulty", |h| h.difficulty = U256::from(1)),
        ("nonce", |h| h.nonce = B64::repeat_byte(1)),
        ("ommersHash", |h| h.ommers_hash = B256::ZERO),
        ("withdrawalsRoot", |h| h.withdrawals_root = None),
        ("parentBeaconBlockRoot", |h| h.parent_beacon_block_root = None),
        ("requestsHash", |h| h.requests_hash = None),
        ("blobGasUsed", |h| h.blob_gas_used = Some(22 * DATA_GAS_PER_BLOB)),
        ("blobGasUsed", |h| h.blob_gas_used = Some(1)),
        ("blobGasUsed", |h| h.blob_gas_used = None),
        ("excessBlobGas", |h| h.excess_blob_gas = Some(1)),
    ];
    let schedule = schedule(F::Bpo2);
    for (field, change) in cases {
        let mut header = next(&schedule, &pos_parent());
        change(&mut header);
        let error = validate_header(&schedule, &pos_parent(), &header).unwrap_err();
        assert!(error.to_string().starts_with(field), "{field}: {error}");
    }
}

#[test]
fn the_first_london_block_doubles_the_gas_limit_and_starts_at_one_gwei() {
    let mut schedule = schedule(F::Berlin);
    schedule.set_block(F::London, 6);
    let parent = pow_parent(5, 131_072);
    let header = Header {
        gas_limit: parent.gas_limit * 2,
        base_fee_per_gas: Some(1_000_000_000),
        ..mined(&parent, 5, U256::from(131_136))
    };
    assert_eq!(validate_header(&schedule, &parent, &header), Ok(()));
}

#[test]
fn blob_gas_beyond_the_target_is_carried_and_bounded_from_below_by_execution_gas() {
    let used = 21 * DATA_GAS_PER_BLOB;
    let parent = |base_fee| Header {
        base_fee_per_gas: Some(base_fee),
        excess_blob_gas: Some(1_000_000),
        blob_gas_used: Some(used),
        ..pos_parent()
    };
    let target = BlobParams::bpo2().target_blob_gas_per_block();
    assert_eq!(next_excess_blob_gas(&schedule(F::Bpo2), &parent(1), 200), Some(1_000_000 + used - target));
    // EIP-7918: while a blob costs less than its share of execution gas, the target counts for nothing.
    let reserve = 1_000_000 + used * (21 - 14) / 21;
    assert_eq!(next_excess_blob_gas(&schedule(F::Bpo2), &parent(1_000_000_000), 200), Some(reserve));
    assert_eq!(
        next_excess_blob_gas(&schedule(F::Prague), &parent(1_000_000_000), 200),
        Some(1_000_000 + used - 6 * DATA_GAS_PER_BLOB)
    );
    assert_eq!(next_excess_blob_gas(&schedule(F::Shanghai), &parent(1), 200), None);
}

/// Mines an empty block with uncles on `parent`, without checking them.
fn mine(
    schedule: &ForkSchedule,
    world: &mut World,
    parent: &Header,
    ommers: Vec<Header>,
    beneficiary: Address,
) -> Block {
    let difficulty = difficulty(schedule, parent, 13);
    let header = Header { beneficiary, ..mined(parent, 13, difficulty) };
    let mut root = |_: &StateChanges| B256::ZERO;
    let executed =
        BlockExecutor::new(schedule, header, &ommers, None, &*world, Some(&mut root)).unwrap().finish().unwrap();
    world.apply(&executed.changes);
    seal(executed, world.root())
}

#[test]
fn uncles_are_rewarded_and_their_rules_kept() {
    let schedule = schedule(F::Frontier);
    let mut world = World::default();
    let genesis = Block {
        header: Header { state_root: world.root(), ..pow_parent(0, 1_000_000) },
        transactions: vec![],
        ommers: vec![],
        withdrawals: None,
    };
    let (miner, rival) = (Address::repeat_byte(1), Address::repeat_byte(2));
    let first = mine(&schedule, &mut world, &genesis.header, vec![], miner);
    let uncle = Header { beneficiary: rival, ..mined(&genesis.header, 14, difficulty(&schedule, &genesis.header, 14)) };
    let second = mine(&schedule, &mut world, &first.header, vec![uncle.clone()], miner);
    let ancestors = [first.clone(), genesis.clone()];
    assert_eq!(validate_header(&schedule, &first.header, &second.header), Ok(()));
    assert_eq!(validate_ommers(&schedule, &second, &ancestors), Ok(()));
    assert_eq!(second.header.ommers_hash, keccak256(alloy_rlp::encode(vec![uncle.clone()])));
    let ether = |n: u64, of: u64| U256::from(n) * U256::from(10).pow(U256::from(18)) / U256::from(of);
    let balance = |a| world.accounts[&a].account.balance;
    assert_eq!(balance(miner), ether(10, 1) + ether(5, 32), "two blocks and a 32nd for the uncle");
    assert_eq!(balance(rival), ether(5, 8) * U256::from(7), "7/8 of the reward, one generation late");

    let refused = |ommers: Vec<Header>, ancestors: &[Block]| {
        let block = Block { ommers, ..second.clone() };
        validate_ommers(&schedule, &block, ancestors).unwrap_err().to_string()
    };
    let other = Header { beneficiary: Address::repeat_byte(3), ..uncle.clone() };
    let third = Header { beneficiary: Address::repeat_byte(4), ..uncle.clone() };
    assert!(refused(vec![uncle.clone(), other.clone(), third], &ancestors).contains("more than two"));
    assert!(refused(vec![uncle.clone(), uncle.clone()], &ancestors).contains("named before"));
    assert!(refused(vec![first.header.clone()], &ancestors).contains("ancestor"));
    let sibling = Header { beneficiary: rival, ..mined(&first.header, 14, difficulty(&schedule, &first.header, 14)) };
    assert!(refused(vec![sibling], &ancestors).contains("does not stand"));
    let cheap = Header { difficulty: U256::from(1), ..other };
    assert!(refused(vec![cheap], &ancestors).starts_with("difficulty"));
    assert!(refused(vec![uncle], &[second.clone(), first.clone(), genesis.clone()]).contains("named before"));
    let swapped = Block { ommers: vec![], ..second.clone() };
    assert!(validate_body(&schedule, &swapped).unwrap_err().to_string().starts_with("ommersHash"));
    assert_eq!(second.header.ommers_hash, proofs::calculate_ommers_root(&second.ommers));

    // The same block from its bytes.
    let mut before = World::default();
    before.apply(&execute_block(&schedule, &first, &World::default(), None).unwrap().changes);
    let decoded = Block::decode_rlp(&mut second.rlp().as_slice()).unwrap();
    assert_eq!(decoded, second);
    before.apply(&execute_block(&schedule, &decoded, &before, None).unwrap().changes);
    assert_eq!(before.root(), second.header.state_root);
}
