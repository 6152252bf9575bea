use super::*;
use crate::builder::testing::{GENESIS_TIME, account, chain, deposit, transaction, transfer};
use crate::builder::{Blocks, Parent};
use alloy_consensus::TxEip1559;
use alloy_primitives::TxKind;
use proptest::prelude::*;
use surety_types::{ConsensusContext, Term, View as ViewNumber};

struct World {
    blocks: Blocks,
    head: Parent,
    pool: Pool,
}

/// One block after genesis, in which the first eight accounts got an ether each (and used nonce 0).
fn world(config: PoolConfig) -> World {
    let blocks = chain(None);
    for seed in 0..8u8 {
        blocks.inbox().push(deposit(u64::from(seed), account(seed), 100_000)).unwrap();
    }
    let genesis = blocks.parent(blocks.store().genesis().hash).unwrap().unwrap();
    let head = next(&blocks, &genesis, &[]);
    let pool = Pool::new(config, blocks.parameters().clone(), &head.header, head.state.clone()).unwrap();
    World { blocks, head, pool }
}

fn next(blocks: &Blocks, parent: &Parent, txs: &[Recovered<Transaction>]) -> Parent {
    let view = parent.header.number + 1;
    let context = ConsensusContext {
        rollup: blocks.parameters().rollup,
        term: Term::new(1),
        view: ViewNumber::new(view),
        parent_view: ViewNumber::new(view - 1),
        milliseconds: Milliseconds::new(GENESIS_TIME * 1000 + 200 * view),
    };
    let mut draft = blocks.begin(parent, context, Address::ZERO).unwrap();
    for tx in txs {
        draft.push(tx.clone()).unwrap();
    }
    let hash = blocks.seal(draft).unwrap().hash();
    blocks.parent(hash).unwrap().unwrap()
}

impl World {
    fn add(&self, tx: Recovered<Transaction>) -> Result<TxHash, PoolError> {
        let result = self.pool.add(tx, Origin::User, Milliseconds::new(1_000));
        self.pool.state.read().check(&self.pool.config);
        result
    }

    fn build(&mut self, txs: &[Recovered<Transaction>]) {
        self.head = next(&self.blocks, &self.head, txs);
        self.follow(txs, Vec::new(), 1_000);
    }

    fn follow(&self, included: &[Recovered<Transaction>], removed: Vec<Recovered<Transaction>>, now: u64) {
        let (header, state) = (&self.head.header, self.head.state.clone());
        self.pool.set_head(header, state, included, removed, Milliseconds::new(now)).unwrap();
        self.pool.state.read().check(&self.pool.config);
    }
}

fn custom(seed: u8, nonce: u64, change: impl FnOnce(&mut TxEip1559)) -> Recovered<Transaction> {
    let mut tx = TxEip1559 {
        chain_id: crate::consensus::testing::ROLLUP.get(),
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(Address::repeat_byte(0xaa)),
        ..Default::default()
    };
    change(&mut tx);
    transaction(seed, tx)
}

#[test]
fn what_no_block_would_take_is_refused_with_its_reason() {
    let world = world(PoolConfig::default());
    let refuse = |tx: Recovered<Transaction>, text: &str| {
        let error = world.add(tx).unwrap_err().to_string();
        assert!(error.contains(text), "{error:?} should say {text:?}");
    };
    refuse(custom(1, 1, |tx| tx.chain_id = 1), "another chain id");
    refuse(custom(1, 0, |_| {}), "nonce too low");
    refuse(custom(1, 1, |tx| tx.gas_limit = 20_999), "gas");
    refuse(custom(1, 1, |tx| tx.gas_limit = 40_000_000), "exceeds");
    refuse(custom(1, 1, |tx| tx.max_priority_fee_per_gas = 20_000_000_000), "higher than max fee");
    refuse(custom(1, 1, |tx| tx.value = U256::from(2) * U256::from(10).pow(U256::from(18))), "insufficient funds");
    refuse(custom(9, 0, |_| {}), "insufficient funds");
    refuse(custom(1, 1, |tx| tx.input = vec![0; 130 << 10].into()), "oversized");
    refuse(custom(1, 1 + 1_024, |_| {}), "send the earlier ones first");
    refuse(
        custom(1, 1, |tx| {
            tx.input = vec![1; 1000].into();
            tx.gas_limit = 21_000 + 16_000;
        }),
        "gas floor",
    );
    let deposit = Recovered::new_unchecked(deposit(0, account(1), 1).to_transaction(), account(1));
    refuse(deposit, "type 0x7e");
    assert_eq!(world.pool.status(), (0, 0));
}

#[test]
fn earlier_transactions_count_against_the_balance() {
    let world = world(PoolConfig::default());
    let half = U256::from(6) * U256::from(10).pow(U256::from(17));
    world.add(custom(1, 1, |tx| tx.value = half)).unwrap();
    let error = world.add(custom(1, 2, |tx| tx.value = half)).unwrap_err();
    assert!(matches!(error, PoolError::Refused(Refusal::Funds { .. })), "{error}");
}

#[test]
fn a_gap_is_closed_when_the_missing_one_arrives() {
    let world = world(PoolConfig::default());
    world.add(transfer(1, 2, 1)).unwrap();
    world.add(transfer(1, 3, 1)).unwrap();
    assert_eq!(world.pool.status(), (0, 2));
    assert_eq!(world.pool.next_nonce(account(1)), None);
    world.add(transfer(1, 1, 1)).unwrap();
    assert_eq!(world.pool.status(), (3, 0));
    assert_eq!(world.pool.next_nonce(account(1)), Some(4));
    let (ready, gapped) = world.pool.content(Some(account(1)));
    assert_eq!(ready.iter().map(|tx| tx.nonce()).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(gapped.is_empty() && world.pool.content(Some(account(2))).0.is_empty());
}

#[test]
fn a_replacement_must_raise_both_caps_by_a_tenth() {
    let world = world(PoolConfig::default());
    let tx = |cap: u128, tip: u128| custom(1, 1, |tx| (tx.max_fee_per_gas, tx.max_priority_fee_per_gas) = (cap, tip));
    let first = world.add(tx(10_000, 1_000)).unwrap();
    assert_eq!(world.add(tx(10_000, 1_000)), Err(PoolError::AlreadyKnown));
    for (cap, tip) in [(11_000, 1_000), (10_000, 1_100), (10_999, 1_100), (11_000, 1_099)] {
        assert_eq!(world.add(tx(cap, tip)), Err(PoolError::Underpriced { percent: 10 }), "{cap} {tip}");
    }
    let second = world.add(tx(11_000, 1_100)).unwrap();
    assert!(world.pool.get(&first).is_none() && world.pool.get(&second).is_some());
    assert_eq!(world.pool.status(), (1, 0));
}

#[test]
fn the_cheapest_tail_leaves_a_full_pool() {
    let world = world(PoolConfig { max_transactions: 4, ..Default::default() });
    let gapped = world.add(transfer(1, 5, 100)).unwrap();
    let cheap = world.add(transfer(2, 1, 2)).unwrap();
    let behind = world.add(transfer(3, 1, 1)).unwrap();
    world.add(transfer(3, 2, 50)).unwrap();
    world.add(transfer(4, 1, 3)).unwrap();
    assert!(world.pool.get(&gapped).is_none(), "gapped ones first");
    assert_eq!(world.add(transfer(5, 1, 2)), Err(PoolError::Full), "no better than the cheapest tail");
    world.add(transfer(5, 1, 3)).unwrap();
    assert!(world.pool.get(&cheap).is_none());
    assert!(world.pool.get(&behind).is_some(), "it is in front of a better one");
    assert_eq!(world.pool.status(), (4, 0));
}

#[test]
fn included_transactions_leave_and_removed_ones_return() {
    let mut world = world(PoolConfig::default());
    let txs = [transfer(1, 1, 1), transfer(1, 2, 1)];
    for tx in &txs {
        world.add(tx.clone()).unwrap();
    }
    let later = world.add(transfer(1, 3, 1)).unwrap();
    let before = world.head.clone();
    world.build(&txs);
    assert_eq!(world.pool.status(), (1, 0));
    assert!(world.pool.get(&later).is_some());
    world.head = before;
    world.follow(&[], txs.to_vec(), 1_000);
    assert_eq!(world.pool.status(), (3, 0));
}

#[test]
fn what_only_removed_blocks_had_paid_for_waits_until_they_are_made_again() {
    let mut world = world(PoolConfig { lifetime: Duration::from_secs(10), ..Default::default() });
    let genesis = world.blocks.parent(world.blocks.store().genesis().hash).unwrap().unwrap();
    let funded = world.head.clone();
    let included = [transfer(1, 1, 1)];
    world.build(&included);
    let waiting = world.add(transfer(1, 2, 1)).unwrap();
    let other = world.add(transfer(2, 1, 1)).unwrap();
    // Back to where nobody had ether yet: the deposits are in the block that was removed.
    world.head = genesis;
    world.follow(&[], included.to_vec(), 2_000);
    assert_eq!(world.pool.status(), (0, 0), "nobody can pay");
    world.follow(&[], Vec::new(), 3_000);
    assert_eq!((world.pool.status(), world.pool.returned.lock().len()), ((0, 0), 3));
    world.head = funded;
    world.follow(&[], Vec::new(), 4_000);
    assert_eq!((world.pool.status(), world.pool.returned.lock().len()), ((3, 0), 0));
    for hash in [included[0].inner().hash(), &waiting, &other] {
        assert!(world.pool.get(hash).is_some());
    }
}

#[test]
fn what_was_set_aside_is_bounded_and_leaves_after_its_lifetime() {
    let config = PoolConfig { lifetime: Duration::from_secs(10), max_transactions: 4, ..Default::default() };
    let mut world = world(config);
    let removed: Vec<_> = (1..=7).map(|seed| transfer(seed, 1, 1)).collect();
    world.head = world.blocks.parent(world.blocks.store().genesis().hash).unwrap().unwrap();
    world.follow(&[], removed, 2_000);
    assert_eq!(world.pool.returned.lock().len(), 4);
    world.follow(&[], Vec::new(), 12_000);
    assert_eq!(world.pool.returned.lock().len(), 4);
    world.follow(&[], Vec::new(), 12_001);
    assert_eq!(world.pool.returned.lock().len(), 0);
}

#[test]
fn a_transaction_leaves_after_its_lifetime() {
    let world = world(PoolConfig { lifetime: Duration::from_secs(10), ..Default::default() });
    world.add(transfer(1, 1, 1)).unwrap();
    world.follow(&[], Vec::new(), 11_000);
    assert_eq!(world.pool.status(), (1, 0));
    world.follow(&[], Vec::new(), 11_001);
    assert_eq!(world.pool.status(), (0, 0));
}

#[test]
fn what_an_account_cannot_pay_any_more_leaves_in_its_turn() {
    let mut world = world(PoolConfig::default());
    let ether = U256::from(10).pow(U256::from(18));
    let drain = custom(1, 1, |tx| tx.value = ether - U256::from(10).pow(U256::from(15)));
    world.add(custom(1, 2, |tx| tx.value = U256::from(10).pow(U256::from(17)))).unwrap();
    world.build(&[drain]);
    assert_eq!(world.pool.status(), (0, 0));
}

#[test]
fn the_best_order_is_by_tip_and_by_nonce() {
    let world = world(PoolConfig::default());
    for (seed, nonce, tip) in [(1, 1, 5), (1, 2, 50), (2, 1, 7), (3, 1, 5), (4, 2, 99)] {
        world.add(transfer(seed, nonce, tip)).unwrap();
    }
    let mut best = Best::new(world.pool.base_fee());
    best.extend(world.pool.since(0), |_| Ok::<_, ()>(1)).unwrap();
    let mut order = Vec::new();
    while let Some(tx) = best.take_best() {
        order.push((tx.sender(), tx.nonce()));
        best.taken(&tx);
    }
    assert_eq!(order, [(account(2), 1), (account(1), 1), (account(1), 2), (account(3), 1)]);
}

#[test]
fn one_that_does_not_pay_the_base_fee_waits() {
    let world = world(PoolConfig::default());
    world.add(custom(1, 1, |tx| tx.max_fee_per_gas = 1)).unwrap();
    let mut best = Best::new(world.pool.base_fee());
    best.extend(world.pool.since(0), |_| Ok::<_, ()>(1)).unwrap();
    assert!(best.take_best().is_none());
    assert_eq!(world.pool.status().0, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn bounds_hold_and_no_two_share_sender_and_nonce(
        txs in prop::collection::vec((0..8u8, 0..12u64, 1..30u128, 1..4u128), 1..120),
        max in 1..20usize,
        per_sender in 1..6usize,
        every in 5..40usize,
    ) {
        let mut world = world(PoolConfig { max_transactions: max, max_per_sender: per_sender, max_bytes: 1_500, ..Default::default() });
        for (i, (seed, nonce, tip, cap)) in txs.into_iter().enumerate() {
            let tx = custom(seed, nonce, |tx| (tx.max_priority_fee_per_gas, tx.max_fee_per_gas) = (tip, cap * 2_000_000_000));
            // Checks all invariants, whatever the answer.
            let _ = world.add(tx);
            if i % every == 0 {
                let mut best = Best::new(world.pool.base_fee());
                let state = world.head.state.clone();
                best.extend(world.pool.since(0), |a| state.account(a).map(|a| a.unwrap_or_default().nonce)).unwrap();
                let mut chosen = Vec::new();
                while let Some(tx) = best.take_best() {
                    chosen.push(tx.transaction.clone());
                    best.taken(&tx);
                }
                // Everything that the order yields goes into a block.
                world.build(&chosen);
            }
        }
    }
}
