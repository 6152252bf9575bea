//! Blocks with transactions, receipts and logs.
#![allow(missing_docs)]

mod common;

use alloy_consensus::{Eip658Value, SignableTransaction, TxEip1559, TxLegacy};
use alloy_eips::eip4895::{Withdrawal, Withdrawals};
use alloy_primitives::{Address, B256, Bloom, Bytes, Log, Signature, TxKind, U256};
use common::{account, address, block_on, change, changes, config, genesis};
use surety_state::{BlockRef, Error, ExecutedBlock, LogFilter, LogLimits, Store, StoredBlock};
use surety_types::{Header, Receipt, Transaction};

const WIDE: LogLimits = LogLimits { blocks: 100, logs: 100 };

fn transactions(salt: u64) -> Vec<Transaction> {
    let signature = Signature::test_signature();
    let legacy = TxLegacy { nonce: salt, gas_limit: 21000, to: TxKind::Call(address(1)), ..Default::default() };
    let dynamic = TxEip1559 { nonce: salt, chain_id: 7, input: Bytes::from_static(b"hi"), ..Default::default() };
    vec![Transaction::Legacy(legacy.into_signed(signature)), Transaction::Eip1559(dynamic.into_signed(signature))]
}

fn topic(n: u8) -> B256 {
    B256::repeat_byte(n)
}

fn log(contract: u64, topics: &[u8]) -> Log {
    Log::new_unchecked(address(contract), topics.iter().map(|&t| topic(t)).collect(), Bytes::from_static(b"data"))
}

fn receipt(kind: u8, logs: Vec<Log>) -> Receipt {
    Receipt {
        transaction_type: kind,
        status: Eip658Value::Eip658(true),
        cumulative_gas_used: 21000,
        logs,
        deposit_nonce: None,
        deposit_receipt_version: None,
    }
}

/// A block with two transactions that log as told.
fn full_block(store: &Store, parent: BlockRef, salt: u64, logs: [Vec<Log>; 2]) -> ExecutedBlock {
    let mut executed = block_on(store, parent, changes([(1, change(Some(account(salt, 1)), false, &[]))]), salt);
    let [first, second] = logs;
    executed.receipts = vec![receipt(0, first), receipt(2, second)];
    executed.block.header.logs_bloom = executed.receipts.iter().fold(Bloom::ZERO, |bloom, r| bloom | r.bloom());
    executed.block.transactions = transactions(salt);
    executed.block.ommers = vec![Header { number: 77, ..Header::default() }];
    let withdrawal = Withdrawal { index: 1, validator_index: 2, address: address(3), amount: 4 };
    executed.block.withdrawals = (salt > 0).then(|| Withdrawals::new(vec![withdrawal; salt as usize - 1]));
    executed.senders = vec![address(8), address(9)];
    executed.hash = executed.block.hash();
    executed
}

fn expected(executed: &ExecutedBlock) -> StoredBlock {
    let ExecutedBlock { block, hash, senders, receipts, aux, .. } = executed.clone();
    StoredBlock { hash, block, senders, receipts, aux }
}

fn open(path: Option<&std::path::Path>) -> Store {
    Store::open(path, config(10), genesis(Default::default())).unwrap()
}

#[test]
fn a_block_reads_back_whole_from_memory_and_from_disk() {
    let dir = tempfile::tempdir().unwrap();
    let mut blocks = Vec::new();
    let check = |store: &Store, blocks: &[ExecutedBlock]| {
        for executed in blocks {
            let number = executed.block.header.number;
            let block = store.block(executed.hash).unwrap().unwrap();
            assert_eq!(*block, expected(executed));
            assert_eq!(store.header(executed.hash).unwrap().unwrap(), executed.block.header);
            assert_eq!(store.block_by_number(number).unwrap().unwrap(), block);
            assert_eq!(store.header_by_number(number).unwrap().unwrap().0, executed.hash);
            for (index, tx) in executed.block.transactions.iter().enumerate() {
                let place = store.transaction(*tx.hash()).unwrap().unwrap();
                assert_eq!((place.block_hash, place.block_number, place.index), (executed.hash, number, index));
            }
        }
    };
    let store = open(Some(dir.path()));
    let mut parent = store.genesis();
    for salt in 0..4 {
        let executed = full_block(&store, parent, salt, [vec![log(1, &[1])], vec![log(2, &[]), log(2, &[2, 3, 4, 5])]]);
        parent = BlockRef { number: parent.number + 1, hash: executed.hash };
        store.insert(executed.clone()).unwrap();
        blocks.push(executed);
    }
    assert_eq!(store.transaction(*blocks[0].block.transactions[0].hash()).unwrap(), None);
    store.set_head(parent.hash).unwrap();
    check(&store, &blocks);
    store.commit(blocks[1].hash).unwrap();
    check(&store, &blocks);
    store.commit(blocks[3].hash).unwrap();
    drop(store);
    let store = open(Some(dir.path()));
    check(&store, &blocks);
    let removed = store.unwind_to(1).unwrap();
    assert_eq!(
        removed.iter().map(|b| (**b).clone()).collect::<Vec<_>>(),
        blocks[1..].iter().map(expected).collect::<Vec<_>>()
    );
    check(&store, &blocks[..1]);
    assert_eq!(store.transaction(*blocks[2].block.transactions[0].hash()).unwrap(), None);
    assert_eq!(store.block(blocks[2].hash).unwrap(), None);
}

#[test]
fn logs_are_found_by_address_and_topics_within_limits() {
    let store = open(None);
    let logs = [
        [vec![log(1, &[1]), log(2, &[1, 2])], vec![log(1, &[3, 2])]],
        [vec![], vec![log(3, &[])]],
        [vec![log(2, &[1, 9])], vec![]],
    ];
    let mut parent = store.genesis();
    for (salt, logs) in (0..).zip(logs) {
        let executed = full_block(&store, parent, salt, logs);
        parent = BlockRef { number: parent.number + 1, hash: executed.hash };
        store.insert(executed).unwrap();
    }
    store.set_head(parent.hash).unwrap();
    store.commit(store.canonical_hash(2).unwrap().unwrap()).unwrap();
    let find = |addresses: &[Address], topics: [&[u8]; 4]| {
        let topics = topics.map(|list| list.iter().map(|&t| topic(t)).collect());
        let filter = LogFilter { addresses: addresses.to_vec(), topics };
        let found = store.logs(0..=u64::MAX, &filter, WIDE).unwrap();
        found.iter().map(|l| (l.block_number, l.transaction_index, l.log_index)).collect::<Vec<_>>()
    };
    let all = [(1, 0, 0), (1, 0, 1), (1, 1, 2), (2, 1, 0), (3, 0, 0)];
    assert_eq!(find(&[], [&[]; 4]), all);
    assert_eq!(find(&[address(1)], [&[]; 4]), [all[0], all[2]]);
    assert_eq!(find(&[address(1), address(3)], [&[]; 4]), [all[0], all[2], all[3]]);
    assert_eq!(find(&[], [&[1], &[], &[], &[]]), [all[0], all[1], all[4]]);
    assert_eq!(find(&[], [&[1, 3], &[2], &[], &[]]), [all[1], all[2]]);
    assert_eq!(find(&[address(2)], [&[], &[9], &[], &[]]), [all[4]]);
    assert_eq!(find(&[], [&[], &[], &[], &[7]]), []);
    let any = LogFilter::default();
    let limited = |range, blocks, logs| store.logs(range, &any, LogLimits { blocks, logs });
    assert!(matches!(limited(0..=3, 3, 9), Err(Error::RangeTooLarge { blocks: 4, limit: 3 })));
    assert!(matches!(limited(0..=3, 4, 4), Err(Error::TooManyLogs(4))));
    assert_eq!(limited(0..=3, 4, 5).unwrap().len(), 5);
    assert_eq!(limited(2..=2, 1, 1).unwrap()[0].block_timestamp, 1);
    assert_eq!(limited(9..=10, 1, 1).unwrap(), []);
    let entry = &limited(1..=1, 1, 9).unwrap()[2];
    assert_eq!(entry.transaction_hash, *transactions(0)[1].hash());
    assert_eq!(U256::from(entry.log.data.data.len()), U256::from(4));
}
