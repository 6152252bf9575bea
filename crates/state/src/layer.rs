//! What one block that is not committed yet puts over the state of its parent.

use crate::{
    encoding::AccountRecord,
    error::{Error, Result},
    root::TrieUpdates,
};
use alloy_primitives::{
    Address, B256, Bytes, U256,
    map::{AddressMap, AddressSet, B256Map, HashMap},
};
use alloy_trie::Nibbles;
use surety_types::StateChanges;

/// The changes of one block, ready to be looked up and to be written.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    pub(crate) accounts: AddressMap<Option<AccountRecord>>,
    /// Accounts whose storage from before this block is gone. `storage` and `storage_nodes` then hold all there is.
    pub(crate) wiped: AddressSet,
    pub(crate) storage: HashMap<(Address, U256), U256>,
    pub(crate) account_nodes: HashMap<Nibbles, Option<Bytes>>,
    pub(crate) storage_nodes: AddressMap<HashMap<Nibbles, Option<Bytes>>>,
    pub(crate) codes: B256Map<Bytes>,
}

impl Layer {
    pub(crate) fn new(changes: StateChanges, updates: TrieUpdates) -> Result<Self> {
        let mut layer = Self {
            account_nodes: updates.account_nodes.into_iter().collect(),
            codes: changes.code.into_iter().collect(),
            ..Self::default()
        };
        let mut storage_updates = updates.storage;
        for (address, change) in changes.accounts {
            let updates = storage_updates
                .remove(&address)
                .ok_or(Error::Malformed("the trie updates do not cover a changed account"))?;
            let record = change.account.map(|account| AccountRecord { account, storage_root: updates.root });
            if record.is_some() {
                layer.storage.extend(change.storage.into_iter().map(|(slot, value)| ((address, slot), value)));
            }
            layer.accounts.insert(address, record);
            if updates.wiped {
                layer.wiped.insert(address);
            }
            if !updates.nodes.is_empty() {
                layer.storage_nodes.insert(address, updates.nodes.into_iter().collect());
            }
        }
        if !storage_updates.is_empty() {
            return Err(Error::Malformed("the trie updates cover an account that did not change"));
        }
        Ok(layer)
    }

    /// A slot, if this layer decides it.
    pub(crate) fn slot(&self, address: Address, slot: U256) -> Option<U256> {
        self.storage.get(&(address, slot)).copied().or_else(|| self.wiped.contains(&address).then_some(U256::ZERO))
    }

    /// A trie node, if this layer decides it.
    pub(crate) fn node(&self, owner: Option<&Address>, path: &Nibbles) -> Option<Option<Bytes>> {
        let Some(owner) = owner else { return self.account_nodes.get(path).cloned() };
        let own = self.storage_nodes.get(owner).and_then(|nodes| nodes.get(path).cloned());
        own.or_else(|| self.wiped.contains(owner).then_some(None))
    }

    pub(crate) fn code(&self, hash: &B256) -> Option<&Bytes> {
        self.codes.get(hash)
    }
}
