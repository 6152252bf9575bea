use super::*;
use alloy_consensus::{BlobTransactionSidecar, SignableTransaction, TxEip1559, TxEip4844, TxLegacy};
use alloy_eips::Encodable2718;
use alloy_primitives::{Signature, TxKind};
use revm::primitives::hardfork::SpecId;

const ADMISSION: Admission = Admission { chain_id: 1337, gas_limit: 1_000_000, blobs: true, spec: SpecId::OSAKA };

fn account(nonce: u64) -> Account {
    Account { nonce, balance: U256::from(u128::MAX), ..Account::default() }
}

fn sender(n: u8) -> Address {
    Address::repeat_byte(n)
}

fn template() -> TxEip1559 {
    TxEip1559 {
        chain_id: 1337,
        gas_limit: 21_000,
        max_fee_per_gas: 100,
        max_priority_fee_per_gas: 10,
        to: TxKind::Call(Address::ZERO),
        ..TxEip1559::default()
    }
}

fn submission(tx: TxEip1559, from: Address) -> Submission {
    let tx = Transaction::Eip1559(tx.into_signed(Signature::test_signature()));
    let raw = tx.encoded_2718().into();
    Submission { transaction: Recovered::new_unchecked(tx, from), sidecar: None, raw }
}

fn add(pool: &Pool, tx: TxEip1559, from: u8) -> Result<B256, SubmitError> {
    pool.add(submission(tx, sender(from)), &account(5), &[], &ADMISSION)
}

fn nonce(nonce: u64) -> TxEip1559 {
    TxEip1559 { nonce, ..template() }
}

#[test]
fn a_gap_holds_back_what_is_behind_it() {
    let pool = Pool::new(10);
    for n in [5, 6, 8] {
        add(&pool, nonce(n), 1).unwrap();
    }
    assert_eq!(pool.next_nonce(sender(1), 5), Some(7));
    assert_eq!(pool.next_nonce(sender(2), 5), None);
    let content = pool.content(None, |_| 5);
    assert_eq!((content.pending.len(), content.queued.len()), (2, 1));
    add(&pool, nonce(7), 1).unwrap();
    assert_eq!(pool.next_nonce(sender(1), 5), Some(9));
    pool.mined([(sender(1), 8)]);
    assert_eq!((pool.len(), pool.next_nonce(sender(1), 8)), (1, Some(9)));
}

#[test]
fn a_replacement_pays_a_tenth_more_of_both_fees() {
    let pool = Pool::new(10);
    let first = add(&pool, nonce(5), 1).unwrap();
    assert_eq!(add(&pool, nonce(5), 1), Err(SubmitError::AlreadyKnown));
    let with =
        |max_fee_per_gas, max_priority_fee_per_gas| TxEip1559 { max_fee_per_gas, max_priority_fee_per_gas, ..nonce(5) };
    for cheap in [with(109, 11), with(110, 10), with(200, 10)] {
        assert_eq!(add(&pool, cheap, 1), Err(SubmitError::ReplacementUnderpriced));
    }
    let second = add(&pool, with(110, 11), 1).unwrap();
    assert!(pool.get(first).is_none() && pool.get(second).is_some());
    assert_eq!(pool.len(), 1);
}

#[test]
fn the_best_come_first_but_each_senders_in_order() {
    let pool = Pool::new(10);
    let tip = |nonce, tip| TxEip1559 { nonce, max_priority_fee_per_gas: tip, ..template() };
    for (from, tx) in [(1, tip(5, 1)), (1, tip(6, 50)), (2, tip(5, 20)), (2, tip(6, 5))] {
        add(&pool, tx, from).unwrap();
    }
    let order = |base_fee| -> Vec<(Address, u64)> {
        pool.best(base_fee, 0, |_| 5).iter().map(|p| (p.transaction.signer(), p.transaction.nonce())).collect()
    };
    assert_eq!(order(0), [(sender(2), 5), (sender(2), 6), (sender(1), 5), (sender(1), 6)]);
    assert_eq!(order(101), []);
    pool.remove(pool.best(0, 0, |_| 5)[0].hash());
    assert_eq!(order(0), [(sender(1), 5), (sender(1), 6)], "what follows a removed one waits");
}

#[test]
fn what_cannot_go_into_a_block_is_refused_by_its_own_error() {
    let pool = Pool::new(1);
    let cases = [
        (nonce(4), SubmitError::NonceTooLow { expected: 5, given: 4 }),
        (nonce(5 + MOST_AHEAD + 1), SubmitError::NonceTooHigh { expected: 5, given: 6 + MOST_AHEAD }),
        (TxEip1559 { chain_id: 1, ..nonce(5) }, SubmitError::ChainId { expected: 1337 }),
        (TxEip1559 { gas_limit: 1_000_001, ..nonce(5) }, SubmitError::GasLimit),
        (TxEip1559 { gas_limit: 20_999, ..nonce(5) }, SubmitError::IntrinsicGas),
        (TxEip1559 { input: vec![1; 100].into(), ..nonce(5) }, SubmitError::IntrinsicGas),
        (TxEip1559 { max_priority_fee_per_gas: 101, ..nonce(5) }, SubmitError::TipAboveFee),
        (TxEip1559 { value: U256::MAX, ..nonce(5) }, SubmitError::InsufficientFunds),
    ];
    for (tx, expected) in cases {
        assert_eq!(add(&pool, tx, 1), Err(expected));
    }
    let contract = Account { code_hash: B256::repeat_byte(1), ..account(5) };
    let add_with = |code: &[u8]| pool.add(submission(nonce(5), sender(1)), &contract, code, &ADMISSION);
    assert_eq!(add_with(&[0x60]), Err(SubmitError::SenderHasCode));
    assert!(add_with(&[0xef, 0x01, 0x00, 7]).is_ok(), "a delegated account may send");
    assert_eq!(add(&pool, nonce(6), 2), Err(SubmitError::Full));
}

#[test]
fn an_old_transaction_without_a_chain_id_is_taken() {
    let tx = TxLegacy {
        gas_limit: 21_000,
        gas_price: 100,
        nonce: 5,
        to: TxKind::Call(Address::ZERO),
        ..TxLegacy::default()
    };
    let tx = Transaction::Legacy(tx.into_signed(Signature::test_signature()));
    let raw = tx.encoded_2718().into();
    let submission = Submission { transaction: Recovered::new_unchecked(tx, sender(1)), sidecar: None, raw };
    assert!(Pool::new(1).add(submission, &account(5), &[], &ADMISSION).is_ok());
}

#[test]
fn blobs_need_a_sidecar_and_a_chain_that_takes_them() {
    let tx = TxEip4844 {
        chain_id: 1337,
        gas_limit: 21_000,
        nonce: 5,
        blob_versioned_hashes: vec![B256::repeat_byte(1)],
        ..TxEip4844::default()
    };
    let tx = Transaction::Eip4844(tx.into_signed(Signature::test_signature()));
    let with = |sidecar: bool| Submission {
        raw: tx.encoded_2718().into(),
        transaction: Recovered::new_unchecked(tx.clone(), sender(1)),
        sidecar: sidecar.then(|| BlobTransactionSidecarVariant::Eip4844(BlobTransactionSidecar::default())),
    };
    let pool = Pool::new(1);
    let add = |sidecar, blobs| pool.add(with(sidecar), &account(5), &[], &Admission { blobs, ..ADMISSION });
    assert_eq!(add(false, true), Err(SubmitError::Type));
    assert_eq!(add(true, false), Err(SubmitError::Type));
    assert!(add(true, true).is_ok());
}
