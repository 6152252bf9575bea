use super::*;
use crate::testing::FakeL1;
use alloy::signers::local::PrivateKeySigner;

fn key() -> Arc<PrivateKeySigner> {
    Arc::new(PrivateKeySigner::from_slice(&[7; 32]).unwrap())
}

fn config(directory: &tempfile::TempDir) -> SubmitConfig {
    SubmitConfig {
        bump_after: Duration::ZERO,
        poll: Duration::from_millis(1),
        confirmations: 3,
        ..SubmitConfig::new(directory.path())
    }
}

fn patient(directory: &tempfile::TempDir) -> SubmitConfig {
    SubmitConfig { bump_after: Duration::from_secs(1000), ..config(directory) }
}

async fn open(l1: &Arc<FakeL1>, config: SubmitConfig) -> Submitter {
    Submitter::open(l1.clone(), key(), config).await.unwrap()
}

fn outgoing() -> Outgoing {
    Outgoing { to: TxKind::Call(Address::repeat_byte(5)), ..Default::default() }
}

/// Time for some replacements: blocks without room.
async fn pass_over(l1: &FakeL1, submitter: &Submitter, replacements: u64) {
    l1.0.lock().full = true;
    submitter.step().await.unwrap();
    for _ in 0..replacements * (PASSED_OVER + 1) {
        l1.mine(&[]);
        submitter.step().await.unwrap();
    }
}

fn blob() -> Blob {
    let mut blob = Blob::ZERO;
    blob[1] = 3;
    blob
}

#[tokio::test]
async fn transactions_are_numbered_in_order_and_included() {
    let (l1, dir) = (Arc::new(FakeL1::new()), tempfile::tempdir().unwrap());
    let submitter = open(&l1, patient(&dir)).await;
    let tickets = [submitter.send(outgoing()).await.unwrap(), submitter.send(outgoing()).await.unwrap()];
    assert_eq!(tickets.map(|t| t.nonce), [0, 1]);
    l1.mine(&[]);
    for ticket in tickets {
        assert!(submitter.wait(ticket).await.unwrap().inclusion.success);
    }
    // Not forgotten before it is deep enough, then gone.
    assert_eq!(submitter.underway().await, [0, 1]);
    for _ in 0..3 {
        l1.mine(&[]);
    }
    submitter.step().await.unwrap();
    assert!(submitter.underway().await.is_empty());
    assert!(submitter.wait(tickets[0]).await.unwrap().inclusion.success);
    assert!(matches!(submitter.wait(Ticket { nonce: 99 }).await, Err(SubmitError::UnknownTicket(99))));
}

#[tokio::test]
async fn a_waiting_transaction_is_replaced_by_the_pools_rules() {
    for blobs in [vec![], vec![blob()]] {
        let (l1, dir) = (Arc::new(FakeL1::new()), tempfile::tempdir().unwrap());
        let submitter = open(&l1, config(&dir)).await;
        submitter.send(Outgoing { blobs, ..outgoing() }).await.unwrap();
        let first = l1.pooled().pop().unwrap();
        pass_over(&l1, &submitter, 3).await;
        let last = l1.pooled().pop().unwrap();
        assert!(last.max_fee_per_gas() > first.max_fee_per_gas());
        assert_eq!((last.nonce(), last.input(), last.to()), (first.nonce(), first.input(), first.to()));
        l1.0.lock().full = false;
        l1.mine(&[]);
        let included = submitter.wait(Ticket { nonce: 0 }).await.unwrap();
        assert_eq!(included.transaction, *last.tx_hash());
    }
}

#[tokio::test]
async fn blobs_travel_with_cell_proofs_that_verify() {
    let (l1, dir) = (Arc::new(FakeL1::new()), tempfile::tempdir().unwrap());
    let submitter = open(&l1, patient(&dir)).await;
    submitter.send(Outgoing { blobs: vec![blob()], ..outgoing() }).await.unwrap();
    let tx = l1.pooled().pop().unwrap();
    let signed = tx.as_eip4844().unwrap().tx();
    assert_eq!(signed.sidecar.cell_proofs.len(), 128);
    assert_eq!(signed.tx.blob_versioned_hashes, [crate::blobs::versioned_hash(&blob()).unwrap()]);
    let settings = alloy::eips::eip4844::env_settings::EnvKzgSettings::Default;
    signed.sidecar.validate(&signed.tx.blob_versioned_hashes, settings.get()).unwrap();
}

#[tokio::test]
async fn a_lost_transaction_is_sent_again() {
    let (l1, dir) = (Arc::new(FakeL1::new()), tempfile::tempdir().unwrap());
    l1.0.lock().lose = 1;
    let submitter = open(&l1, SubmitConfig { bump_after: Duration::from_millis(20), ..config(&dir) }).await;
    submitter.send(outgoing()).await.unwrap();
    assert!(l1.pooled().is_empty());
    tokio::time::sleep(Duration::from_millis(12)).await;
    submitter.step().await.unwrap();
    assert_eq!(l1.pooled().len(), 1);
}

#[tokio::test]
async fn an_unreachable_endpoint_delays_but_loses_nothing() {
    let (l1, dir) = (Arc::new(FakeL1::new()), tempfile::tempdir().unwrap());
    l1.0.lock().refuse.push(L1Error::Unavailable { method: "eth_sendRawTransaction", reason: "down".into() });
    let submitter = open(&l1, config(&dir)).await;
    let ticket = submitter.send(outgoing()).await.unwrap();
    assert!(l1.pooled().is_empty());
    submitter.step().await.unwrap();
    l1.mine(&[]);
    submitter.wait(ticket).await.unwrap();
}

#[tokio::test]
async fn a_reorg_that_drops_the_transaction_brings_it_back() {
    let (l1, dir) = (Arc::new(FakeL1::new()), tempfile::tempdir().unwrap());
    l1.0.lock().finality_lag = 100;
    let submitter = open(&l1, config(&dir)).await;
    let ticket = submitter.send(outgoing()).await.unwrap();
    l1.mine(&[]);
    let first = submitter.wait(ticket).await.unwrap();
    l1.drop_blocks(1);
    l1.mine(&[]);
    submitter.step().await.unwrap();
    l1.mine(&[]);
    let second = submitter.wait(ticket).await.unwrap();
    assert_ne!(first.inclusion.block_hash, second.inclusion.block_hash);
}

#[tokio::test]
async fn a_restart_goes_on_with_the_same_transactions() {
    let (l1, dir) = (Arc::new(FakeL1::new()), tempfile::tempdir().unwrap());
    let ticket = {
        let submitter = open(&l1, patient(&dir)).await;
        submitter.send(Outgoing { blobs: vec![blob()], ..outgoing() }).await.unwrap()
    };
    let before = l1.pooled().pop().unwrap();
    l1.0.lock().pool.clear();
    let submitter = open(&l1, patient(&dir)).await;
    // The next intent gets the next nonce although L1 knows of none.
    assert_eq!(submitter.send(outgoing()).await.unwrap().nonce, ticket.nonce + 1);
    submitter.step().await.unwrap();
    let hashes: Vec<_> = l1.pooled().iter().map(|tx| *tx.tx_hash()).collect();
    // Sent again as it was, not signed anew.
    assert_eq!(hashes.len(), 2);
    assert!(hashes.contains(before.tx_hash()));
    let submitter = open(&l1, SubmitConfig { bump_after: Duration::ZERO, ..patient(&dir) }).await;
    submitter.step().await.unwrap();
    l1.mine(&[]);
    assert!(submitter.wait(ticket).await.unwrap().inclusion.success);
}

#[tokio::test]
async fn the_journal_of_another_key_is_refused() {
    let (l1, dir) = (Arc::new(FakeL1::new()), tempfile::tempdir().unwrap());
    open(&l1, patient(&dir)).await.send(outgoing()).await.unwrap();
    let other = Arc::new(PrivateKeySigner::from_slice(&[8; 32]).unwrap());
    let result = Submitter::open(l1.clone(), other, patient(&dir)).await;
    assert!(matches!(result, Err(SubmitError::ForeignJournal(_))));
}

#[tokio::test]
async fn a_transaction_that_would_revert_is_not_sent() {
    let (l1, dir) = (Arc::new(FakeL1::new()), tempfile::tempdir().unwrap());
    use alloy::sol_types::SolError;
    let data = surety_contracts::bindings::Inbox::WrongFirstHeight { firstHeight: 7, expected: 9 }.abi_encode().into();
    l1.0.lock().estimate = Some(L1Error::Reverted { method: "eth_estimateGas", revert: Revert { data } });
    let error = open(&l1, patient(&dir)).await.send(outgoing()).await.unwrap_err();
    assert!(error.to_string().contains("WrongFirstHeight { firstHeight: 7, expected: 9 }"), "{error}");
    assert_eq!(error.advice(), Advice::Reset);
    assert_eq!(l1.0.lock().sends, 0);
}

#[tokio::test]
async fn the_budget_holds_against_everything_underway_and_across_restarts() {
    let (l1, dir) = (Arc::new(FakeL1::new()), tempfile::tempdir().unwrap());
    // Worst case of one: 60,000 gas at 2 gwei and a tip of 0.01 gwei.
    let one = U256::from(60_000u64) * U256::from(2_010_000_000u64);
    let config = SubmitConfig { daily_budget: one * U256::from(2), ..patient(&dir) };
    let submitter = open(&l1, config.clone()).await;
    submitter.send(outgoing()).await.unwrap();
    submitter.send(outgoing()).await.unwrap();
    assert!(matches!(submitter.send(outgoing()).await, Err(SubmitError::BudgetExhausted { .. })));
    for _ in 0..5 {
        l1.mine(&[]);
    }
    submitter.step().await.unwrap();
    // 21,000 of 60,000 gas were used: there is room again, but not for more than the day has.
    let mut sent = 0;
    while submitter.send(outgoing()).await.is_ok() {
        sent += 1;
    }
    assert_eq!(sent, 1);
    drop(submitter);
    let submitter = open(&l1, config).await;
    assert!(matches!(submitter.send(outgoing()).await, Err(SubmitError::BudgetExhausted { .. })));
}

#[tokio::test]
async fn a_key_that_cannot_pay_or_fees_above_the_limits_are_refused_before_sending() {
    let (l1, dir) = (Arc::new(FakeL1::new()), tempfile::tempdir().unwrap());
    let submitter = open(&l1, patient(&dir)).await;
    l1.0.lock().balance = U256::from(5);
    assert!(matches!(submitter.send(outgoing()).await, Err(SubmitError::InsufficientFunds { .. })));
    l1.0.lock().fees.as_mut().unwrap().base_fee = u128::MAX;
    assert!(matches!(submitter.send(outgoing()).await, Err(SubmitError::FeesTooHigh { .. })));
    assert_eq!(l1.0.lock().sends, 0);
}

#[tokio::test]
async fn what_is_in_a_block_is_paid_for_once_whether_it_was_noticed_or_not() {
    let (l1, dir) = (Arc::new(FakeL1::new()), tempfile::tempdir().unwrap());
    let ether = U256::from(10).pow(U256::from(18));
    l1.0.lock().balance = ether * U256::from(10);
    let of = |value: u64| Outgoing { value: ether * U256::from(value), ..outgoing() };
    let submitter = open(&l1, patient(&dir)).await;
    submitter.send(of(4)).await.unwrap();
    l1.mine(&[]);
    // 4 are gone, and nobody asked for the receipt.
    submitter.send(of(4)).await.unwrap();
    // A block in the middle of the check: 8 are gone.
    l1.0.lock().mined_before_balances = 1;
    submitter.send(of(1)).await.unwrap();
    assert_eq!(l1.0.lock().mined_before_balances, 0);
    // 1 of 2 waits.
    let refused = submitter.send(of(1)).await.unwrap_err();
    let left = |wei: U256| wei > ether && wei < ether * U256::from(2);
    assert!(matches!(refused, SubmitError::InsufficientFunds { balance, .. } if left(balance)), "{refused}");
    l1.mine(&[]);
    drop(submitter);
    // One that takes up the journal knows of no receipt at all.
    let submitter = open(&l1, SubmitConfig { max_underway: 1, ..patient(&dir) }).await;
    assert_eq!(submitter.underway().await, [0, 1, 2]);
    let ticket = submitter.send(outgoing()).await.unwrap();
    assert!(matches!(submitter.send(outgoing()).await, Err(SubmitError::TooManyUnderway(1))));
    l1.mine(&[]);
    assert!(submitter.wait(ticket).await.unwrap().inclusion.success);
}

#[tokio::test]
async fn an_unknown_transaction_of_the_key_in_the_pool_is_outbid() {
    let (l1, dir) = (Arc::new(FakeL1::new()), tempfile::tempdir().unwrap());
    {
        let lost = tempfile::tempdir().unwrap();
        open(&l1, patient(&lost)).await.send(outgoing()).await.unwrap();
    }
    let submitter = open(&l1, patient(&dir)).await;
    let ticket = submitter.send(Outgoing { value: U256::from(1), ..outgoing() }).await.unwrap();
    l1.mine(&[]);
    submitter.wait(ticket).await.unwrap();
}

#[tokio::test]
async fn a_receipt_may_come_long_after_its_nonce_counts() {
    let (l1, dir) = (Arc::new(FakeL1::new()), tempfile::tempdir().unwrap());
    let submitter = open(&l1, patient(&dir)).await;
    let ticket = submitter.send(outgoing()).await.unwrap();
    l1.mine(&[]);
    l1.0.lock().receipts_hidden = 10;
    assert!(submitter.wait(ticket).await.unwrap().inclusion.success);
    assert_eq!(l1.0.lock().receipts_hidden, 0);
}

#[tokio::test]
async fn a_nonce_taken_by_another_process_is_told() {
    let (l1, dir) = (Arc::new(FakeL1::new()), tempfile::tempdir().unwrap());
    let submitter = open(&l1, patient(&dir)).await;
    let ticket = submitter.send(outgoing()).await.unwrap();
    l1.0.lock().pool.clear();
    let other = tempfile::tempdir().unwrap();
    open(&l1, patient(&other)).await.send(Outgoing { value: U256::from(1), ..outgoing() }).await.unwrap();
    l1.mine(&[]);
    submitter.step().await.unwrap();
    assert_eq!(submitter.underway().await, [0], "a receipt may come late");
    l1.mine(&[]);
    l1.mine(&[]);
    assert!(matches!(submitter.wait(ticket).await, Err(SubmitError::NonceTaken(0))));
}

#[tokio::test]
async fn a_nonce_that_the_endpoint_knew_too_late_is_passed_over() {
    let (l1, dir) = (Arc::new(FakeL1::new()), tempfile::tempdir().unwrap());
    let refused =
        |message: &str| L1Error::Refused { method: "eth_sendRawTransaction", code: -32000, message: message.into() };
    l1.0.lock().refuse.push(refused("nonce too low: next nonce 1, tx nonce 0"));
    let submitter = open(&l1, patient(&dir)).await;
    assert_eq!(submitter.send(outgoing()).await.unwrap().nonce, 1);
    assert_eq!(submitter.underway().await, [1]);
    // Any other refusal is the caller's, and leaves nothing behind.
    l1.0.lock().refuse.push(refused("oversized data"));
    assert!(matches!(submitter.send(outgoing()).await, Err(SubmitError::L1(L1Error::Refused { .. }))));
    assert_eq!(submitter.underway().await, [1]);
}

const GWEI: u128 = 1_000_000_000;

/// Sets what blocks cost.
fn cost(l1: &FakeL1, base_fee: u128, blob_base_fee: u128) {
    let mut world = l1.0.lock();
    let fees = world.fees.as_mut().unwrap();
    (fees.base_fee, fees.blob_base_fee) = (base_fee, blob_base_fee);
}

#[tokio::test]
async fn a_spike_of_fees_is_outbid_as_far_as_the_limits_go_and_waited_out_beyond() {
    for blobs in [vec![], vec![blob()]] {
        let (l1, dir) = (Arc::new(FakeL1::new()), tempfile::tempdir().unwrap());
        let limits =
            FeeLimits { max_fee: 100 * GWEI, max_blob_fee: 60 * GWEI, max_priority_fee: GWEI, ..FeeLimits::default() };
        let submitter = open(&l1, SubmitConfig { limits, ..config(&dir) }).await;
        cost(&l1, GWEI, GWEI);
        let ticket = submitter.send(Outgoing { blobs: blobs.clone(), ..outgoing() }).await.unwrap();
        let offers = || {
            let tx = l1.pooled().pop().expect("it waits in the pool");
            (
                tx.max_fee_per_gas(),
                tx.max_priority_fee_per_gas().unwrap(),
                tx.max_fee_per_blob_gas().unwrap_or_default(),
            )
        };
        let (first, mut highest) = (offers(), (0, 0, 0));
        // Each beyond what the last form offers; in the end beyond the limits.
        for price in [5, 11, 30, 80, 1_000, 1_000] {
            cost(&l1, price * GWEI, price * GWEI);
            for _ in 0..=PASSED_OVER {
                l1.mine(&[]);
                submitter.step().await.unwrap();
                let now = offers();
                assert!(
                    now.0 <= limits.max_fee && now.1 <= limits.max_priority_fee && now.2 <= limits.max_blob_fee,
                    "{now:?}"
                );
                assert!(now >= highest, "no offer is taken back");
                highest = now;
            }
        }
        assert!(highest.0 > first.0 * 10, "{first:?} to {highest:?}");
        assert!(submitter.underway().await.contains(&ticket.nonce));
        // Others are not even begun, and say why.
        assert!(matches!(submitter.send(outgoing()).await, Err(SubmitError::FeesTooHigh { .. })));
        cost(&l1, 2 * GWEI, 2 * GWEI);
        l1.mine(&[]);
        assert!(submitter.wait(ticket).await.unwrap().inclusion.success);
    }
}

#[tokio::test]
async fn transactions_that_are_stuck_for_long_keep_their_order_their_budget_and_their_last_form() {
    let (l1, dir) = (Arc::new(FakeL1::new()), tempfile::tempdir().unwrap());
    let limits = FeeLimits { max_fee: 10 * GWEI, max_priority_fee: GWEI, ..FeeLimits::default() };
    // Not enough for all three at the limit: 60,000 gas at 10 gwei each.
    let daily_budget = U256::from(60_000u64) * U256::from(25 * GWEI);
    let submitter = open(&l1, SubmitConfig { limits, daily_budget, ..config(&dir) }).await;
    let mut tickets = Vec::new();
    for value in 1..=3u64 {
        tickets.push(submitter.send(Outgoing { value: U256::from(value), ..outgoing() }).await.unwrap());
    }
    pass_over(&l1, &submitter, 60).await;
    let pooled = l1.pooled();
    let worst =
        pooled.iter().fold(U256::ZERO, |sum, tx| sum + U256::from(tx.gas_limit()) * U256::from(tx.max_fee_per_gas()));
    assert!(worst <= daily_budget, "{worst}");
    assert!(worst * U256::from(10) >= daily_budget * U256::from(8), "most of it is offered: {worst}");
    // The pool loses them: they come again as they were, although nothing can be raised any more.
    l1.0.lock().pool.clear();
    for _ in 0..2 {
        l1.mine(&[]);
        submitter.step().await.unwrap();
    }
    assert_eq!(l1.pooled(), pooled);
    l1.0.lock().full = false;
    l1.mine(&[]);
    for (ticket, tx) in tickets.into_iter().zip(pooled) {
        let included = submitter.wait(ticket).await.unwrap();
        assert_eq!((included.transaction, tx.value()), (*tx.tx_hash(), U256::from(ticket.nonce + 1)));
    }
}

#[tokio::test]
async fn while_l1_stands_still_nothing_is_raised_and_nothing_given_up() {
    let (l1, dir) = (Arc::new(FakeL1::new()), tempfile::tempdir().unwrap());
    let submitter = open(&l1, config(&dir)).await;
    let ticket = submitter.send(Outgoing { blobs: vec![blob()], ..outgoing() }).await.unwrap();
    let first = l1.pooled();
    for _ in 0..200 {
        submitter.step().await.unwrap();
    }
    assert_eq!(l1.pooled(), first);
    // The pool has forgotten it meanwhile.
    l1.0.lock().pool.clear();
    submitter.step().await.unwrap();
    assert_eq!(l1.pooled(), first);
    l1.mine(&[]);
    assert_eq!(submitter.wait(ticket).await.unwrap().transaction, *first[0].tx_hash());
}

#[tokio::test]
async fn blocks_that_are_far_apart_raise_fees_by_blocks_and_not_by_time() {
    let (l1, dir) = (Arc::new(FakeL1::new()), tempfile::tempdir().unwrap());
    let submitter = open(&l1, config(&dir)).await;
    let ticket = submitter.send(outgoing()).await.unwrap();
    let fee = || l1.pooled().pop().unwrap().max_fee_per_gas();
    let first = fee();
    l1.0.lock().full = true;
    submitter.step().await.unwrap();
    // Eleven of twelve slots are missed: one block that leaves it out says little.
    for _ in 1..PASSED_OVER {
        l1.mine_sparsely(1, 11);
        submitter.step().await.unwrap();
        submitter.step().await.unwrap();
        assert_eq!(fee(), first);
    }
    l1.mine_sparsely(1, 11);
    submitter.step().await.unwrap();
    assert!(fee() > first);
    l1.0.lock().full = false;
    l1.mine_sparsely(1, 11);
    submitter.wait(ticket).await.unwrap();
}

#[tokio::test]
async fn after_days_off_what_was_under_way_is_found_or_brought_to_its_end() {
    let (l1, dir) = (Arc::new(FakeL1::new()), tempfile::tempdir().unwrap());
    let tickets = {
        let submitter = open(&l1, patient(&dir)).await;
        let [first, second] = [submitter.send(outgoing()).await.unwrap(), submitter.send(outgoing()).await.unwrap()];
        l1.0.lock().pool.retain(|(_, nonce), _| *nonce == first.nonce);
        [first, second]
    };
    // Three days of L1: one was included at their beginning, the other forgotten, and blocks cost thirty times as much.
    l1.mine(&[]);
    l1.mine_sparsely(20_000, 1);
    cost(&l1, 30 * GWEI, 30 * GWEI);
    let submitter = open(&l1, config(&dir)).await;
    let started = l1.0.lock().sends;
    for _ in 0..=PASSED_OVER {
        submitter.step().await.unwrap();
        l1.mine(&[]);
    }
    submitter.step().await.unwrap();
    l1.mine(&[]);
    for ticket in tickets {
        assert!(submitter.wait(ticket).await.unwrap().inclusion.success);
    }
    let sends = l1.0.lock().sends - started;
    assert!((1..=4).contains(&sends), "{sends}: sent again, and raised to what it costs now");
    assert_eq!(submitter.send(outgoing()).await.unwrap().nonce, 2);
}
