//! Views: the state after one block, as it will look to its holder for ever.
//!
//! A view is a chain of in-memory layers (blocks that are not committed) over a snapshot of the database, at the
//! snapshot's head or, for committed blocks below it, at their height: there each lookup first asks the history for the
//! first change after that height (it keeps the value from before), and only without one the current table.
//!
//! A view pins its snapshot: pages that later commits free are not reused until it is dropped. Hold it for a request or a
//! block, not for hours.

use crate::{
    cache::CommitCache,
    db::{BlockRef, Snapshot, Table},
    encoding::{AccountRecord, decode_header, decode_slot, node_key, slot_key},
    error::{Error, Result},
    layer::Layer,
    root::TrieUpdates,
    trie::NodeSource,
};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles};
use std::sync::Arc;
use surety_stf::StateReader;
use surety_types::{Account, StateChanges};

/// A block that is not committed, as views stack it.
#[derive(Debug, Clone)]
pub(crate) struct Above {
    pub(crate) at: BlockRef,
    pub(crate) layer: Arc<Layer>,
}

/// The state after one block. Cheap to clone. See the module's documentation.
#[derive(Debug, Clone)]
pub struct View {
    inner: Arc<ViewInner>,
}

#[derive(Debug)]
struct ViewInner {
    block: BlockRef,
    state_root: B256,
    /// Newest first.
    above: Vec<Above>,
    base: Arc<Base>,
}

/// The committed state at one height.
#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) snapshot: Snapshot,
    pub(crate) cache: Arc<CommitCache>,
    /// The committed block that this is the state after.
    pub(crate) number: u64,
    /// Whether later blocks are committed in the snapshot, so that the history must be asked.
    pub(crate) past: bool,
}

impl Base {
    /// The value from before the first change after this height; `None` if there was no change.
    fn history(&self, tag: u8, key: &[u8]) -> Result<Option<Vec<u8>>> {
        if !self.past {
            return Ok(None);
        }
        let prefix = history_key(tag, key, self.number + 1);
        let found = self.snapshot.seek(Table::History, &prefix)?;
        let same = |k: &[u8]| k.len() == prefix.len() && k.starts_with(&prefix[..1 + key.len()]);
        Ok(found.filter(|(k, _)| same(k)).map(|(_, value)| value.into_owned()))
    }

    fn account(&self, address: Address) -> Result<Option<AccountRecord>> {
        if let Some(old) = self.history(0, address.as_slice())? {
            return (!old.is_empty()).then(|| AccountRecord::decode(&old)).transpose();
        }
        if let Some(found) = self.cache.of(self.snapshot.id).and_then(|c| c.accounts.get(&address)) {
            return Ok(found);
        }
        let record = self.snapshot.get(Table::Accounts, address.as_slice())?;
        let record = record.map(|bytes| AccountRecord::decode(&bytes)).transpose()?;
        if let Some(cache) = self.cache.of(self.snapshot.id) {
            cache.accounts.insert(address, record);
        }
        Ok(record)
    }

    fn slot(&self, address: Address, slot: U256) -> Result<U256> {
        let key = slot_key(&address, &slot);
        if let Some(old) = self.history(1, &key)? {
            return decode_slot(&old);
        }
        if let Some(found) = self.cache.of(self.snapshot.id).and_then(|c| c.slots.get(&(address, slot))) {
            return Ok(found);
        }
        let value = self.snapshot.get(Table::Storage, &key)?;
        let value = value.map(|bytes| decode_slot(&bytes)).transpose()?.unwrap_or_default();
        if let Some(cache) = self.cache.of(self.snapshot.id) {
            cache.slots.insert((address, slot), value);
        }
        Ok(value)
    }

    fn node(&self, key: Vec<u8>) -> Result<Option<Bytes>> {
        if let Some(old) = self.history(2, &key)? {
            return Ok((!old.is_empty()).then(|| old.into()));
        }
        if let Some(found) = self.cache.of(self.snapshot.id).and_then(|c| c.nodes.get(&key)) {
            return Ok(found);
        }
        let node = self.snapshot.get(Table::Nodes, &key)?.map(|bytes| Bytes::from(bytes.into_owned()));
        if let Some(cache) = self.cache.of(self.snapshot.id) {
            cache.nodes.insert(key, node.clone());
        }
        Ok(node)
    }
}

pub(crate) fn history_key(tag: u8, key: &[u8], number: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(9 + key.len());
    out.push(tag);
    out.extend_from_slice(key);
    out.extend_from_slice(&number.to_be_bytes());
    out
}

impl View {
    pub(crate) fn new(block: BlockRef, state_root: B256, above: Vec<Above>, base: Base) -> Self {
        Self { inner: Arc::new(ViewInner { block, state_root, above, base: Arc::new(base) }) }
    }

    /// The state after a block that stands on this one and is kept nowhere; `updates` are from [`View::root`] with `changes`.
    ///
    /// # Errors
    /// The two do not fit together.
    pub fn with(&self, block: BlockRef, changes: StateChanges, updates: TrieUpdates) -> Result<Self> {
        let state_root = updates.state_root;
        let layer = Arc::new(Layer::new(changes, updates)?);
        let above = std::iter::once(Above { at: block, layer }).chain(self.inner.above.iter().cloned()).collect();
        Ok(Self { inner: Arc::new(ViewInner { block, state_root, above, base: self.inner.base.clone() }) })
    }

    /// The block that this is the state after.
    pub fn block(&self) -> BlockRef {
        self.inner.block
    }

    /// The root of this state, from the block's header.
    pub fn state_root(&self) -> B256 {
        self.inner.state_root
    }

    /// The root of an account's storage; the empty root if there is no such account.
    ///
    /// # Errors
    /// Only for a failing or damaged database.
    pub fn storage_root(&self, address: Address) -> Result<B256> {
        Ok(self.record(address)?.map_or(EMPTY_ROOT_HASH, |r| r.storage_root))
    }

    pub(crate) fn record(&self, address: Address) -> Result<Option<AccountRecord>> {
        let mut layers = self.inner.above.iter();
        match layers.find_map(|a| a.layer.accounts.get(&address)) {
            Some(record) => Ok(*record),
            None => self.inner.base.account(address),
        }
    }

    fn node(&self, owner: Option<&Address>, path: &Nibbles) -> Result<Option<Bytes>> {
        match self.inner.above.iter().find_map(|a| a.layer.node(owner, path)) {
            Some(node) => Ok(node),
            None => self.inner.base.node(node_key(owner, path)),
        }
    }
}

impl StateReader for View {
    type Error = Error;

    fn account(&self, address: Address) -> Result<Option<Account>> {
        Ok(self.record(address)?.map(|r| r.account))
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256> {
        match self.inner.above.iter().find_map(|a| a.layer.slot(address, slot)) {
            Some(value) => Ok(value),
            None => self.inner.base.slot(address, slot),
        }
    }

    fn code(&self, hash: B256) -> Result<Bytes> {
        if hash == KECCAK256_EMPTY || hash.is_zero() {
            return Ok(Bytes::new());
        }
        if let Some(code) = self.inner.above.iter().find_map(|a| a.layer.code(&hash)) {
            return Ok(code.clone());
        }
        let Base { snapshot, cache, .. } = &*self.inner.base;
        if let Some(code) = cache.codes.get(&hash) {
            return Ok(code);
        }
        let code =
            snapshot.get(Table::Codes, hash.as_slice())?.ok_or(Error::Corrupt("a contract's code is missing"))?;
        let code = Bytes::from(code.into_owned());
        cache.codes.insert(hash, code.clone());
        Ok(code)
    }

    fn block_hash(&self, number: u64) -> Result<B256> {
        if number > self.inner.block.number {
            return Ok(B256::ZERO);
        }
        if let Some(above) = self.inner.above.iter().find(|a| a.at.number == number) {
            return Ok(above.at.hash);
        }
        let header = self.inner.base.snapshot.get(Table::Headers, &number.to_be_bytes())?;
        Ok(header.map(|bytes| decode_header(&bytes)).transpose()?.map_or(B256::ZERO, |(hash, _)| hash))
    }
}

/// The nodes of one trie of a view.
#[derive(Debug)]
pub(crate) struct Nodes<'a> {
    pub(crate) view: &'a View,
    pub(crate) owner: Option<Address>,
}

impl NodeSource for Nodes<'_> {
    fn node(&self, path: &Nibbles, _: &B256) -> Result<Option<Bytes>> {
        self.view.node(self.owner.as_ref(), path)
    }
}
