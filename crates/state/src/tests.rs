//! Properties of the whole store, told against a model that is rebuilt from nothing.

#[path = "../tests/common/mod.rs"]
mod common;

use crate::{
    BlockRef, Error, Recorder, Store,
    db::Table,
    root::{account_leaf, path, slot_path},
    trie::{NodeSource, Trie},
};
use alloy_primitives::{Address, B256, Bytes, U256, map::B256Map};
use alloy_trie::Nibbles;
use common::{Model, account, address, change, config, genesis, grow};
use proptest::prelude::*;
use std::collections::BTreeMap;
use surety_stf::{Oracle, StateReader, trie::TrieState};
use surety_types::{Account, AccountChange, StateChanges};

const ACCOUNTS: u64 = 12;
const SLOTS: u64 = 6;

fn addresses() -> Vec<Address> {
    (0..=ACCOUNTS).map(address).collect()
}

fn slots() -> Vec<U256> {
    (0..=SLOTS).map(U256::from).collect()
}

fn any_change() -> impl Strategy<Value = AccountChange> {
    let slots = prop::collection::vec((0..SLOTS, prop_oneof![Just(0), any::<u64>()]), 0..5);
    let account = prop_oneof![
        6 => (any::<u8>(), any::<u64>()).prop_map(|(n, b)| Some(account(n.into(), b))),
        1 => Just(Some(Account::default())),
        2 => Just(None),
    ];
    (account, prop::bool::weighted(0.2), slots)
        .prop_map(|(account, wiped, slots)| change(account, wiped, if account.is_some() { &slots } else { &[] }))
}

fn any_changes() -> impl Strategy<Value = StateChanges> {
    prop::collection::btree_map((0..ACCOUNTS).prop_map(address), any_change(), 0..6)
        .prop_map(|accounts| StateChanges { accounts, code: BTreeMap::new() })
}

#[derive(Debug, Clone)]
enum Step {
    /// Puts a block on one of those in memory, or the committed head.
    Grow {
        on: prop::sample::Index,
        changes: StateChanges,
    },
    SetHead(prop::sample::Index),
    Commit(prop::sample::Index),
    Unwind(prop::sample::Index),
    /// With another length of history.
    Reopen(u64),
}

fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (any::<prop::sample::Index>(), any_changes()).prop_map(|(on, changes)| Step::Grow { on, changes }),
        1 => any::<prop::sample::Index>().prop_map(Step::SetHead),
        3 => any::<prop::sample::Index>().prop_map(Step::Commit),
        1 => any::<prop::sample::Index>().prop_map(Step::Unwind),
        1 => prop::sample::select(vec![0u64, 2, 50]).prop_map(Step::Reopen),
    ];
    prop::collection::vec(step, 1..25)
}

fn dump(store: &Store, table: Table) -> Vec<(Vec<u8>, Vec<u8>)> {
    let snapshot = store.inner.db.snapshot().unwrap();
    let mut entries = Vec::new();
    let mut from = Vec::new();
    while let Some((key, value)) = snapshot.seek(table, &from).unwrap() {
        from = [&key[..], &[0]].concat();
        entries.push((key.into_owned(), value.into_owned()));
    }
    entries
}

fn all_of(model: &Model) -> StateChanges {
    let accounts = model.accounts.iter().map(|(address, account)| {
        let storage = model.storage.get(address).cloned().unwrap_or_default();
        (*address, AccountChange { account: Some(*account), storage_wiped: false, storage })
    });
    StateChanges { accounts: accounts.collect(), code: BTreeMap::new() }
}

/// What is on disk is what a store has that was made from the model at once: nothing is missing, nothing left over.
fn check_disk(store: &Store, model: &Model) {
    let fresh = Store::open(None, config(0), genesis(all_of(model))).unwrap();
    for table in [Table::Accounts, Table::Storage, Table::Nodes] {
        assert_eq!(dump(store, table), dump(&fresh, table), "{table:?}");
    }
}

/// The committed chain from genesis, the blocks in memory above it, and the state after each.
struct World {
    dir: tempfile::TempDir,
    store: Store,
    genesis: StateChanges,
    committed: Vec<BlockRef>,
    /// Block, parent.
    pending: Vec<(BlockRef, BlockRef)>,
    models: B256Map<Model>,
    salt: u64,
}

impl World {
    fn new(history: u64, alloc: StateChanges) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Some(dir.path()), config(history), genesis(alloc.clone())).unwrap();
        let mut model = Model::default();
        model.apply(&alloc);
        let at = store.genesis();
        let models = [(at.hash, model)].into_iter().collect();
        Self { dir, store, genesis: alloc, committed: vec![at], pending: Vec::new(), models, salt: 0 }
    }

    fn head(&self) -> BlockRef {
        self.committed[self.committed.len() - 1]
    }

    fn step(&mut self, step: Step) {
        let candidates: Vec<_> = [self.head()].into_iter().chain(self.pending.iter().map(|(at, _)| *at)).collect();
        match step {
            Step::Grow { on, changes } => {
                let parent = *on.get(&candidates);
                self.salt += 1;
                let mut model = self.models[&parent.hash].clone();
                model.apply(&changes);
                let at = grow(&self.store, parent, changes, self.salt);
                self.models.insert(at.hash, model);
                self.pending.push((at, parent));
            }
            Step::SetHead(index) => {
                let at = *index.get(&candidates);
                self.store.set_head(at.hash).unwrap();
                assert_eq!(self.store.head(), at);
            }
            Step::Commit(index) => self.commit(*index.get(&candidates)),
            Step::Unwind(index) => {
                let oldest = self.store.oldest_state().unwrap();
                let height = oldest + index.index((self.head().number - oldest + 1) as usize) as u64;
                self.store.unwind_to(height).unwrap();
                self.committed.truncate(height as usize + 1);
                self.pending.clear();
            }
            Step::Reopen(history) => {
                // The lock is free only when the old store is gone.
                self.store = Store::open(None, config(0), genesis(StateChanges::default())).unwrap();
                let genesis = genesis(self.genesis.clone());
                self.store = Store::open(Some(self.dir.path()), config(history), genesis).unwrap();
                self.pending.clear();
            }
        }
    }

    fn commit(&mut self, target: BlockRef) {
        self.store.commit(target.hash).unwrap();
        let mut path = Vec::new();
        let mut at = target;
        while at != self.head() {
            path.push(at);
            at = self.pending.iter().find(|(block, _)| *block == at).unwrap().1;
        }
        self.committed.extend(path.into_iter().rev());
        let mut kept = vec![target];
        self.pending.retain(|(at, parent)| {
            let stays = kept.contains(parent) && *at != target;
            if stays {
                kept.push(*at);
            }
            stays
        });
    }

    fn check(&self) {
        assert_eq!(self.store.committed(), self.head());
        let oldest = self.store.oldest_state().unwrap();
        for (at, model) in &self.models {
            let position = self.committed.iter().find(|c| c.hash == *at);
            let known = position.is_some_and(|c| c.number >= oldest) || self.pending.iter().any(|p| p.0.hash == *at);
            match self.store.view(*at) {
                Ok(view) => {
                    assert!(known, "{at} should be gone");
                    model.check(&view, &addresses(), &slots());
                    check_proofs(&view, model);
                }
                Err(Error::Pruned { .. }) => assert!(position.is_some_and(|c| c.number < oldest)),
                Err(Error::UnknownBlock(_)) => assert!(!known && position.is_none()),
                Err(other) => panic!("{other}"),
            }
        }
        for at in &self.committed {
            assert_eq!(self.store.canonical_hash(at.number).unwrap(), Some(at.hash));
        }
        check_disk(&self.store, &self.models[&self.head().hash]);
    }
}

fn check_proofs(view: &crate::View, model: &Model) {
    use alloy_trie::proof::verify_proof;
    for address in addresses() {
        let proof = view.proof(address, &slots()).unwrap();
        assert_eq!(proof.account, model.accounts.get(&address).copied());
        assert_eq!(proof.storage_root, model.storage_root(&address));
        let leaf = view.record(address).unwrap().map(|record| account_leaf(&record));
        verify_proof(model.root(), path(address), leaf, &proof.proof).unwrap();
        for slot in proof.storage {
            let expected = model.storage.get(&address).and_then(|s| s.get(&slot.key)).copied().unwrap_or_default();
            assert_eq!(slot.value, expected);
            let leaf = (!slot.value.is_zero()).then(|| alloy_rlp::encode(slot.value));
            verify_proof(proof.storage_root, slot_path(&slot.key), leaf, &slot.proof).unwrap();
        }
    }
}

/// Nodes by hash alone, as somebody without the database has them.
struct Preimages<'a>(&'a BTreeMap<B256, Bytes>);

impl NodeSource for Preimages<'_> {
    fn node(&self, _: &Nibbles, hash: &B256) -> crate::Result<Option<Bytes>> {
        Ok(self.0.get(hash).cloned())
    }
}

/// Executes and computes the root from a witness alone. `order` 0 deletes first, 1 puts first, 2 goes by key.
fn stateless_root(nodes: &BTreeMap<B256, Bytes>, before: &Model, changes: &StateChanges, order: u8) -> B256 {
    fn change(trie: &mut Trie<Preimages<'_>>, mut leaves: Vec<(Nibbles, Option<Vec<u8>>)>, order: u8) {
        match order {
            0 => leaves.sort_by_key(|(_, value)| value.is_some()),
            1 => leaves.sort_by_key(|(_, value)| value.is_none()),
            _ => leaves.sort(),
        }
        for (key, value) in leaves {
            match value {
                Some(value) => trie.put(&key, value).unwrap(),
                None => trie.delete(&key).unwrap(),
            }
        }
    }
    let mut accounts = Trie::new(Preimages(nodes), before.root());
    let mut leaves = Vec::new();
    for (address, change_of) in &changes.accounts {
        let wiped = change_of.storage_wiped || change_of.account.is_none();
        let root = if wiped { alloy_trie::EMPTY_ROOT_HASH } else { before.storage_root(address) };
        let mut storage = Trie::new(Preimages(nodes), root);
        let slots = change_of.storage.iter();
        let slots = slots.map(|(s, v)| (slot_path(s), (!v.is_zero()).then(|| alloy_rlp::encode(v)))).collect();
        change(&mut storage, slots, order);
        let storage_root = storage.hash().0;
        let leaf =
            change_of.account.map(|account| account_leaf(&crate::encoding::AccountRecord { account, storage_root }));
        leaves.push((path(address), leaf));
    }
    change(&mut accounts, leaves, order);
    accounts.hash().0
}

/// What a witness answers to the program.
struct Given(BTreeMap<B256, Bytes>);

impl Oracle for Given {
    type Error = Error;

    fn preimage(&self, hash: B256) -> crate::Result<Bytes> {
        self.0.get(&hash).cloned().ok_or(Error::UnknownBlock(hash))
    }
    fn blob(&self, hash: B256) -> crate::Result<Bytes> {
        Err(Error::UnknownBlock(hash))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_store_equals_a_rebuilt_one_after_any_history(history in prop::sample::select(vec![0u64, 2, 50]), alloc in any_changes(), steps in any_steps()) {
        let mut world = World::new(history, alloc);
        for step in steps {
            world.step(step);
            // Also warms the caches that later steps must bring forward.
            let head = world.store.head();
            world.models[&head.hash].check(&world.store.latest().unwrap(), &addresses(), &slots());
        }
        world.check();
        let deepest = world.store.oldest_state().unwrap();
        world.store.unwind_to(deepest).unwrap();
        world.committed.truncate(deepest as usize + 1);
        world.pending.clear();
        world.check();
        prop_assert_eq!(dump(&world.store, Table::History).len(), 0);
        prop_assert_eq!(dump(&world.store, Table::Undo).len(), 0);
    }

    #[test]
    fn a_witness_is_enough_to_read_and_to_compute_the_root_in_any_order(
        alloc in any_changes(), below in any_changes(), changes in any_changes(), order in 0u8..3,
        reads in prop::collection::vec((0..=ACCOUNTS, 0..=SLOTS), 0..8),
    ) {
        let mut model = Model::default();
        model.apply(&alloc);
        model.apply(&below);
        let store = Store::open(None, config(10), genesis(alloc)).unwrap();
        let parent = grow(&store, store.genesis(), below, 0);
        let recorder = Recorder::new(store.view(parent.hash).unwrap());
        for &(n, slot) in &reads {
            recorder.account(address(n)).unwrap();
            recorder.storage(address(n), U256::from(slot)).unwrap();
        }
        recorder.block_hash(0).unwrap();
        let witness = recorder.witness(&store, &changes).unwrap();
        prop_assert_eq!(witness.headers.keys().copied().collect::<std::collections::BTreeSet<_>>(), [parent.hash, store.genesis().hash].into());
        let mut accounts = Trie::new(Preimages(&witness.nodes), model.root());
        for &(n, slot) in &reads {
            let found = accounts.get(&path(address(n))).unwrap();
            prop_assert_eq!(found.is_some(), model.accounts.contains_key(&address(n)));
            let mut storage = Trie::new(Preimages(&witness.nodes), model.storage_root(&address(n)));
            let expected = model.storage.get(&address(n)).and_then(|s| s.get(&U256::from(slot)).copied());
            prop_assert_eq!(storage.get(&slot_path(&U256::from(slot))).unwrap(), expected.map(alloy_rlp::encode));
        }
        let root = stateless_root(&witness.nodes, &model, &changes, order);
        let header = store.header(parent.hash).unwrap().unwrap();
        let preimages = Given(witness.into_preimages());
        let program = TrieState::new(&preimages, &header, parent.hash);
        for (n, slot) in reads {
            let slot = U256::from(slot);
            prop_assert_eq!(program.account(address(n)).unwrap(), model.accounts.get(&address(n)).copied());
            let expected = model.storage.get(&address(n)).and_then(|s| s.get(&slot)).copied();
            prop_assert_eq!(program.storage(address(n), slot).unwrap(), expected.unwrap_or_default());
        }
        prop_assert_eq!(program.block_hash(0).unwrap(), store.genesis().hash);
        let by_program = program.into_roots(&changes).unwrap();
        model.apply(&changes);
        prop_assert_eq!(root, model.root());
        prop_assert_eq!(by_program.state, model.root());
    }
}
