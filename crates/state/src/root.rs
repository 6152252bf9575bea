//! Roots: what the state trie becomes under a block's changes.
//!
//! Keys are keccak256 of address and slot, values the RLP of the account and of the slot's value (yellow paper §4.1). An
//! account that the changes say exists is put, however empty (before EIP-161 empty accounts exist); who wants EIP-161 says
//! `None`.

use crate::{
    encoding::AccountRecord,
    error::Result,
    trie::{NodeUpdate, Trie},
    view::{Nodes, View},
};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount};
use std::collections::BTreeMap;
use surety_types::{AccountChange, StateChanges};

/// The state root after some changes, and what they do to the trie.
#[derive(Debug, Clone)]
pub struct Roots {
    /// The state root after the changes.
    pub state_root: B256,
    /// What [`crate::ExecutedBlock::updates`] takes.
    pub updates: TrieUpdates,
}

impl Roots {
    /// The storage root of a changed account after the changes; `None` if the changes leave the account alone (ask
    /// [`View::storage_root`] then).
    pub fn storage_root(&self, address: Address) -> Option<B256> {
        self.updates.storage.get(&address).map(|s| s.root)
    }
}

/// Nodes of the state trie and of the storage tries that a block changed. Made by [`View::root`].
#[derive(Debug, Clone, Default)]
pub struct TrieUpdates {
    pub(crate) state_root: B256,
    pub(crate) account_nodes: Vec<NodeUpdate>,
    /// Has an entry for every changed account.
    pub(crate) storage: BTreeMap<Address, StorageUpdates>,
}

#[derive(Debug, Clone)]
pub(crate) struct StorageUpdates {
    pub(crate) wiped: bool,
    pub(crate) root: B256,
    pub(crate) nodes: Vec<NodeUpdate>,
}

/// The path of a hashed key.
pub(crate) fn path(key: impl AsRef<[u8]>) -> Nibbles {
    Nibbles::unpack_array(&keccak256(key).0)
}

/// The leaf of an account.
pub(crate) fn account_leaf(record: &AccountRecord) -> Vec<u8> {
    let AccountRecord { account, storage_root } = *record;
    alloy_rlp::encode(TrieAccount::new(account.nonce, account.balance, storage_root, account.code_hash))
}

pub(crate) fn slot_path(slot: &U256) -> Nibbles {
    path(slot.to_be_bytes::<32>())
}

/// The tries of one state, as far as they were looked at.
pub(crate) struct StateTrie<'a> {
    view: &'a View,
    accounts: Trie<Nodes<'a>>,
    storages: BTreeMap<Address, Trie<Nodes<'a>>>,
    /// Tries of storage that the changes wipe: looked at before, of no consequence after.
    before: Vec<Trie<Nodes<'a>>>,
}

impl<'a> StateTrie<'a> {
    pub(crate) fn new(view: &'a View) -> Result<Self> {
        let accounts = Trie::new(Nodes { view, owner: None }, view.state_root());
        Ok(Self { view, accounts, storages: BTreeMap::new(), before: Vec::new() })
    }

    /// Walks to an account.
    pub(crate) fn touch_account(&mut self, address: Address) -> Result<()> {
        self.accounts.get(&path(address)).map(drop)
    }

    /// Walks to a slot.
    pub(crate) fn touch_slot(&mut self, address: Address, slot: &U256) -> Result<()> {
        self.storage(address)?.get(&slot_path(slot)).map(drop)
    }

    fn storage(&mut self, address: Address) -> Result<&mut Trie<Nodes<'a>>> {
        use std::collections::btree_map::Entry;
        Ok(match self.storages.entry(address) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let root = self.view.storage_root(address)?;
                entry.insert(Trie::new(Nodes { view: self.view, owner: Some(address) }, root))
            }
        })
    }

    /// Makes the changes: of each trie the deletions first (`crate::trie` says why).
    pub(crate) fn apply(&mut self, changes: &StateChanges) -> Result<BTreeMap<Address, StorageUpdates>> {
        let mut storage = BTreeMap::new();
        let mut leaves = Vec::with_capacity(changes.accounts.len());
        for (&address, change) in &changes.accounts {
            let updates = self.apply_storage(address, change)?;
            let record = change.account.map(|account| AccountRecord { account, storage_root: updates.root });
            leaves.push((path(address), record));
            storage.insert(address, updates);
        }
        for (path, _) in leaves.iter().filter(|(_, record)| record.is_none()) {
            self.accounts.delete(path)?;
        }
        for (path, record) in leaves.iter().filter_map(|(path, record)| Some((path, record.as_ref()?))) {
            self.accounts.put(path, account_leaf(record))?;
        }
        Ok(storage)
    }

    fn apply_storage(&mut self, address: Address, change: &AccountChange) -> Result<StorageUpdates> {
        let before = self.view.storage_root(address)?;
        let gone = change.account.is_none();
        let wiped = (gone || change.storage_wiped) && before != EMPTY_ROOT_HASH;
        if wiped {
            self.before.extend(self.storages.remove(&address));
            let empty = Trie::new(Nodes { view: self.view, owner: Some(address) }, EMPTY_ROOT_HASH);
            self.storages.insert(address, empty);
        }
        if gone || change.storage.is_empty() {
            let root = if gone || wiped { EMPTY_ROOT_HASH } else { before };
            return Ok(StorageUpdates { wiped, root, nodes: Vec::new() });
        }
        let trie = self.storage(address)?;
        for (slot, _) in change.storage.iter().filter(|(_, value)| value.is_zero()) {
            trie.delete(&slot_path(slot))?;
        }
        for (slot, value) in change.storage.iter().filter(|(_, value)| !value.is_zero()) {
            trie.put(&slot_path(slot), alloy_rlp::encode(value))?;
        }
        let (root, nodes) = trie.hash();
        Ok(StorageUpdates { wiped, root, nodes })
    }

    /// Every stored node that was read.
    pub(crate) fn loaded(&self) -> impl Iterator<Item = &Bytes> {
        let storages = self.storages.values().chain(&self.before);
        self.accounts.loaded().chain(storages.flat_map(Trie::loaded))
    }

    pub(crate) fn finish(self) -> (B256, Vec<NodeUpdate>) {
        self.accounts.hash()
    }
}

impl View {
    /// The state root after `changes` to this state, with all that [`crate::Store::insert`] needs to keep it.
    ///
    /// # Errors
    /// Only for a failing or damaged database.
    pub fn root(&self, changes: &StateChanges) -> Result<Roots> {
        let start = std::time::Instant::now();
        let mut trie = StateTrie::new(self)?;
        let storage = trie.apply(changes)?;
        let (state_root, account_nodes) = trie.finish();
        crate::metrics::root_computed(start.elapsed());
        Ok(Roots { state_root, updates: TrieUpdates { state_root, account_nodes, storage } })
    }

    /// The storage root of an account after `changes`, of which `roots` is the result.
    ///
    /// # Errors
    /// Only for a failing or damaged database.
    pub fn storage_root_after(&self, roots: &Roots, address: Address) -> Result<B256> {
        roots.storage_root(address).map_or_else(|| self.storage_root(address), Ok)
    }
}
