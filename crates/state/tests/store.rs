//! The store as its callers use it.
#![allow(missing_docs)]

mod common;

use alloy_primitives::{B256, Bytes, U256, keccak256};
use common::{Model, account, address, block_on, change, changes, config, genesis, grow};
use std::sync::atomic::{AtomicBool, Ordering};
use surety_state::{BlockRef, CacheSizes, Config, Error, ExecutedBlock, Store, Tag, View};
use surety_stf::StateReader;
use surety_types::StateChanges;

fn some_genesis() -> StateChanges {
    changes((0..20).map(|n| (n, change(Some(account(1, 1000 + n)), false, &[(1, n), (2, n + 1), (3, n + 2)]))))
}

fn open() -> Store {
    Store::open(None, config(100), genesis(some_genesis())).unwrap()
}

fn pay(n: u64, balance: u64) -> StateChanges {
    changes([(n, change(Some(account(2, balance)), false, &[]))])
}

fn balance(store: &Store, at: BlockRef, n: u64) -> u64 {
    store.view(at.hash).unwrap().account(address(n)).unwrap().map_or(0, |a| a.balance.to())
}

#[test]
fn a_new_store_stands_at_genesis() {
    let store = open();
    let genesis = store.genesis();
    for tag in [Tag::Latest, Tag::Safe, Tag::Finalized] {
        assert_eq!(store.tag(tag), genesis);
    }
    assert_eq!(store.committed(), genesis);
    let mut model = Model::default();
    model.apply(&some_genesis());
    let addresses: Vec<_> = (0..25).map(address).collect();
    model.check(&store.latest().unwrap(), &addresses, &[0, 1, 2, 3].map(U256::from));
    assert_eq!(store.block_by_number(0).unwrap().unwrap().hash, genesis.hash);
}

#[test]
fn a_genesis_whose_root_is_not_that_of_its_accounts_is_refused() {
    let mut wrong = genesis(some_genesis());
    wrong.header.state_root = B256::repeat_byte(1);
    assert!(matches!(Store::open(None, config(1), wrong), Err(Error::StateRoot { .. })));
}

#[test]
fn branches_live_side_by_side_until_one_is_committed() {
    let store = open();
    let g = store.genesis();
    let a = grow(&store, g, pay(1, 5), 1);
    let b = grow(&store, g, pay(1, 6), 2);
    let a2 = grow(&store, a, pay(2, 7), 1);
    let b2 = grow(&store, b, pay(2, 8), 2);
    assert_eq!([g, a, b].map(|at| balance(&store, at, 1)), [1001, 5, 6]);
    assert_eq!([a, a2, b2].map(|at| balance(&store, at, 2)), [1002, 7, 8]);
    assert_eq!(store.head(), g);
    store.set_head(a2.hash).unwrap();
    assert_eq!(store.canonical_hash(1).unwrap(), Some(a.hash));
    store.set_head(b2.hash).unwrap();
    assert_eq!(store.canonical_hash(1).unwrap(), Some(b.hash));
    assert_eq!(store.canonical_number(a.hash).unwrap(), None);
    store.commit(b.hash).unwrap();
    assert_eq!(store.committed(), b);
    assert_eq!(store.head(), b2);
    assert!(matches!(store.view(a2.hash), Err(Error::UnknownBlock(_))));
    assert!(store.block(a.hash).unwrap().is_none());
    assert_eq!([g, b, b2].map(|at| balance(&store, at, 1)), [1001, 6, 6]);
    // Committing what is not on the head's branch moves the head.
    let c = grow(&store, b, pay(3, 1), 3);
    store.commit(c.hash).unwrap();
    assert_eq!((store.head(), store.committed()), (c, c));
    store.commit(b.hash).unwrap();
    assert_eq!(store.committed(), c);
}

#[test]
fn the_head_may_be_set_to_what_another_caller_has_committed_since_and_does_not_go_down() {
    let store = open();
    let a = grow(&store, store.genesis(), pay(1, 5), 1);
    let b = grow(&store, a, pay(1, 6), 1);
    store.commit(b.hash).unwrap();
    for known in [a, b] {
        store.set_head(known.hash).unwrap();
        assert_eq!((store.head(), store.committed()), (b, b));
    }
    let unknown = B256::repeat_byte(9);
    assert!(matches!(store.set_head(unknown), Err(Error::UnknownBlock(hash)) if hash == unknown));
}

#[test]
fn a_view_does_not_move() {
    let store = open();
    let a = grow(&store, store.genesis(), pay(1, 5), 0);
    let (before, after) = (store.latest().unwrap(), store.view(a.hash).unwrap());
    store.commit(a.hash).unwrap();
    let b = grow(&store, a, pay(1, 6), 0);
    store.commit(b.hash).unwrap();
    let read = |view: &surety_state::View| view.account(address(1)).unwrap().unwrap().balance.to::<u64>();
    assert_eq!((read(&before), read(&after), read(&store.latest().unwrap())), (1001, 5, 6));
    store.unwind_to(0).unwrap();
    assert_eq!((read(&before), read(&after), read(&store.latest().unwrap())), (1001, 5, 1001));
}

#[test]
fn insertion_is_idempotent_and_refuses_what_does_not_fit() {
    let store = open();
    let g = store.genesis();
    let block = block_on(&store, g, pay(1, 5), 0);
    store.insert(block.clone()).unwrap();
    store.insert(block.clone()).unwrap();
    store.commit(block.hash).unwrap();
    store.insert(block.clone()).unwrap();
    assert_eq!(store.head().hash, block.hash);
    let fresh = |edit: fn(&mut ExecutedBlock)| {
        let mut next = block_on(&store, store.committed(), pay(1, 9), 7);
        edit(&mut next);
        next.hash = next.block.hash();
        store.insert(next)
    };
    assert!(matches!(fresh(|b| b.block.header.number = 9), Err(Error::Number { found: 9, expected: 2 })));
    assert!(matches!(fresh(|b| b.block.header.parent_hash = B256::ZERO), Err(Error::UnknownParent { .. })));
    assert!(matches!(fresh(|b| b.block.header.state_root = B256::ZERO), Err(Error::StateRoot { .. })));
    assert!(matches!(fresh(|b| b.senders = vec![address(1)]), Err(Error::Malformed(_))));
    assert!(matches!(fresh(|b| b.aux = Bytes::from(vec![0; (1 << 20) + 1])), Err(Error::Malformed(_))));
    assert!(matches!(fresh(|b| b.changes = pay(2, 9)), Err(Error::Malformed(_))));
    assert!(fresh(|_| {}).is_ok());
    let mut renamed = block_on(&store, store.committed(), pay(1, 10), 8);
    renamed.hash = B256::repeat_byte(1);
    assert!(matches!(store.insert(renamed), Err(Error::Malformed(_))));
}

#[test]
fn the_past_can_be_read_as_far_as_the_history_goes() {
    let store = Store::open(None, config(3), genesis(some_genesis())).unwrap();
    let mut chain = vec![store.genesis()];
    for n in 1..=10u64 {
        let at = grow(&store, chain[n as usize - 1], pay(1, n), 0);
        store.commit(at.hash).unwrap();
        chain.push(at);
    }
    assert_eq!(store.oldest_state().unwrap(), 7);
    for at in &chain[7..] {
        assert_eq!(balance(&store, *at, 1), at.number);
    }
    assert!(matches!(store.view(chain[6].hash), Err(Error::Pruned { number: 6, oldest: 7 })));
    assert!(matches!(store.unwind_to(6), Err(Error::Pruned { .. })));
    assert!(matches!(store.unwind_to(11), Err(Error::UnknownNumber(11))));
    let removed = store.unwind_to(7).unwrap();
    assert_eq!(removed.iter().map(|b| b.at()).collect::<Vec<_>>(), chain[8..]);
    assert_eq!(store.head(), chain[7]);
    assert_eq!(balance(&store, chain[7], 1), 7);
    // Blocks outlive their state.
    assert_eq!(store.block_by_number(2).unwrap().unwrap().aux, Bytes::from(0u64.to_be_bytes()));
}

#[test]
fn a_reopened_store_has_exactly_what_was_committed() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Store::open(Some(dir.path()), config(100), genesis(some_genesis()));
    let store = open().unwrap();
    let a = grow(&store, store.genesis(), pay(1, 5), 0);
    let b = grow(&store, a, pay(1, 6), 0);
    let c = grow(&store, b, pay(1, 7), 0);
    store.set_head(c.hash).unwrap();
    store.commit(b.hash).unwrap();
    store.set_tag(Tag::Safe, c.hash).unwrap();
    store.set_tag(Tag::Finalized, a.hash).unwrap();
    assert!(matches!(open(), Err(Error::InUse(_))));
    drop(store);
    let store = open().unwrap();
    assert_eq!((store.head(), store.tag(Tag::Safe), store.tag(Tag::Finalized)), (b, b, a));
    assert!(store.block(c.hash).unwrap().is_none());
    assert_eq!([a, b].map(|at| balance(&store, at, 1)), [5, 6]);
    drop(store);
    let other = Store::open(Some(dir.path()), config(100), genesis(pay(1, 1)));
    assert!(matches!(other, Err(Error::OtherChain { .. })));
}

#[test]
fn a_wiped_account_has_no_old_slot_in_any_layer() {
    let store = open();
    let g = store.genesis();
    let wipe = changes([(4, change(Some(account(1, 1)), true, &[(2, 99)]))]);
    let gone = changes([(4, change(None, false, &[]))]);
    let again = changes([(4, change(Some(account(1, 2)), false, &[(1, 42)]))]);
    let mut model = Model::default();
    model.apply(&some_genesis());
    let mut at = g;
    let mut past = vec![(g, model.clone())];
    for step in [wipe, gone, again] {
        model.apply(&step);
        at = grow(&store, at, step, 0);
        past.push((at, model.clone()));
    }
    let check = |store: &Store| {
        for (at, model) in &past {
            let slots = [1, 2, 3].map(U256::from);
            model.check(&store.view(at.hash).unwrap(), &[address(4), address(5)], &slots);
        }
    };
    check(&store);
    for (at, _) in &past[1..] {
        store.commit(at.hash).unwrap();
        check(&store);
    }
    store.unwind_to(0).unwrap();
    assert_eq!(store.latest().unwrap().storage(address(4), U256::from(3)).unwrap(), U256::from(6));
}

#[test]
fn code_is_found_by_its_hash_in_memory_and_on_disk() {
    let store = open();
    let code = Bytes::from_static(b"\x60\x00");
    let hash = keccak256(&code);
    let mut create = pay(1, 5);
    create.accounts.get_mut(&address(1)).unwrap().account.as_mut().unwrap().code_hash = hash;
    create.code.insert(hash, code.clone());
    let a = grow(&store, store.genesis(), create, 0);
    assert_eq!(store.view(a.hash).unwrap().code(hash).unwrap(), code);
    store.commit(a.hash).unwrap();
    assert_eq!(store.latest().unwrap().code(hash).unwrap(), code);
    assert_eq!(store.latest().unwrap().code(keccak256([])).unwrap(), Bytes::new());
}

#[test]
fn block_hashes_are_those_of_the_views_own_branch() {
    let store = open();
    let g = store.genesis();
    let a = grow(&store, g, pay(1, 5), 0);
    store.commit(a.hash).unwrap();
    let b = grow(&store, a, pay(1, 6), 1);
    let b2 = grow(&store, a, pay(1, 6), 2);
    let c = grow(&store, b, pay(1, 7), 0);
    store.set_head(b2.hash).unwrap();
    let view = store.view(c.hash).unwrap();
    let hashes = [0, 1, 2, 3, 4].map(|n| view.block_hash(n).unwrap());
    assert_eq!(hashes, [g.hash, a.hash, b.hash, c.hash, B256::ZERO]);
}

/// Each block moves money between accounts, so every state has the same sum, whatever mixture of memory, cache and disk
/// answers for it.
#[test]
fn readers_see_whole_states_while_blocks_are_committed() {
    const ACCOUNTS: u64 = 20;
    let sizes = CacheSizes { accounts: 7, nodes: 5, ..CacheSizes::default() };
    let store = Store::open(None, Config { caches: sizes, ..config(5) }, genesis(some_genesis())).unwrap();
    let sum = |view: &View| {
        let balance = |n| view.account(address(n)).unwrap().map_or(U256::ZERO, |a| a.balance);
        (0..ACCOUNTS).map(balance).sum::<U256>()
    };
    let total = sum(&store.latest().unwrap());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for reader in 0..3u64 {
            let (store, done) = (&store, &done);
            scope.spawn(move || {
                let mut seen = 0u64;
                while !done.load(Ordering::Relaxed) || seen == 0 {
                    let number = store.head().number.saturating_sub(reader);
                    // The block may be overtaken by the history's end between the two calls.
                    let Ok(view) = store.view_at(number) else { continue };
                    assert_eq!(sum(&view), total, "block {number}");
                    let proof = view.proof(address(number % ACCOUNTS), &[]).unwrap();
                    assert_eq!(keccak256(&proof.proof[0]), view.state_root());
                    seen += 1;
                }
            });
        }
        let mut at = store.genesis();
        for n in 0..150u64 {
            let view = store.view(at.hash).unwrap();
            let (from, to) = (n % ACCOUNTS, (n * 7 + 1) % ACCOUNTS);
            if from == to {
                continue;
            }
            let moved = |n, by: i64| {
                let mut account = view.account(address(n)).unwrap().unwrap();
                account.balance = U256::from(account.balance.to::<u64>().checked_add_signed(by).unwrap());
                (n, change(Some(account), false, &[]))
            };
            at = grow(&store, at, changes([moved(from, -1), moved(to, 1)]), n);
            store.set_head(at.hash).unwrap();
            if n % 3 == 0 {
                store.commit(at.hash).unwrap();
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(store.committed().number > 40);
}
