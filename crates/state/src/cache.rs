//! Caches of the committed state: what the last commit says, for readers of the last commit.
//!
//! A cache belongs to one commit, by the id of its transaction. A reader of that commit uses it; a reader of an older or
//! newer one goes to the database. Readers hold the lock shared while they look or fill, a commit holds it alone while it
//! brings the entries forward, so that no slow reader can put back what a commit replaced.

use crate::{encoding::AccountRecord, layer::Layer};
use alloy_primitives::{Address, B256, Bytes, U256};
use parking_lot::{RwLock, RwLockReadGuard};
use quick_cache::sync::Cache;
use std::sync::Arc;

/// How many entries the caches hold.
#[derive(Debug, Clone, Copy)]
pub struct CacheSizes {
    /// Accounts (about 150 bytes each).
    pub accounts: usize,
    /// Storage slots (about 120 bytes each).
    pub slots: usize,
    /// Contracts' code (24 KiB each at most, usually far less).
    pub codes: usize,
    /// Trie nodes (about 400 bytes each on average).
    pub nodes: usize,
    /// Bytes of whole blocks with receipts.
    pub block_bytes: u64,
}

impl Default for CacheSizes {
    fn default() -> Self {
        Self { accounts: 100_000, slots: 200_000, codes: 512, nodes: 100_000, block_bytes: 16 << 20 }
    }
}

/// Entries of one commit.
#[derive(Debug)]
pub(crate) struct Caches {
    commit: u64,
    pub(crate) accounts: Cache<Address, Option<AccountRecord>>,
    pub(crate) slots: Cache<(Address, U256), U256>,
    pub(crate) nodes: Cache<Vec<u8>, Option<Bytes>>,
}

/// The caches behind their lock.
#[derive(Debug)]
pub(crate) struct CommitCache {
    caches: RwLock<Caches>,
    /// Named by their hash, so of every commit.
    pub(crate) codes: Cache<B256, Bytes>,
}

impl CommitCache {
    pub(crate) fn new(sizes: &CacheSizes, commit: u64) -> Self {
        let caches = Caches {
            commit,
            accounts: Cache::new(sizes.accounts.max(1)),
            slots: Cache::new(sizes.slots.max(1)),
            nodes: Cache::new(sizes.nodes.max(1)),
        };
        Self { caches: RwLock::new(caches), codes: Cache::new(sizes.codes.max(1)) }
    }

    /// The caches, if they are of this commit.
    pub(crate) fn of(&self, commit: u64) -> Option<RwLockReadGuard<'_, Caches>> {
        let caches = self.caches.read();
        (caches.commit == commit).then_some(caches)
    }

    /// Brings the entries forward by blocks that were just committed, oldest first.
    pub(crate) fn advance(&self, commit: u64, layers: &[Arc<Layer>]) {
        let mut caches = self.caches.write();
        caches.commit = commit;
        for layer in layers {
            if !layer.wiped.is_empty() {
                caches.slots.retain(|(address, _), _| !layer.wiped.contains(address));
                caches.nodes.retain(|key, _| key.get(1..21).is_none_or(|a| !layer.wiped.contains(a)) || key[0] == 0);
            }
            for (&address, record) in &layer.accounts {
                caches.accounts.insert(address, *record);
            }
            for (&key, &value) in &layer.storage {
                caches.slots.insert(key, value);
            }
            for (path, rlp) in &layer.account_nodes {
                caches.nodes.insert(crate::encoding::node_key(None, path), rlp.clone());
            }
            for (owner, nodes) in &layer.storage_nodes {
                for (path, rlp) in nodes {
                    caches.nodes.insert(crate::encoding::node_key(Some(owner), path), rlp.clone());
                }
            }
        }
    }

    /// Forgets everything; for commits that are not a step forward.
    pub(crate) fn reset(&self, commit: u64) {
        let mut caches = self.caches.write();
        caches.commit = commit;
        caches.accounts.clear();
        caches.slots.clear();
        caches.nodes.clear();
    }

    /// Keeps everything: the commit did not touch the state.
    pub(crate) fn keep(&self, commit: u64) {
        self.caches.write().commit = commit;
    }
}
