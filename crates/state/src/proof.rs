//! Proofs of accounts and slots (EIP-1186).

use crate::{
    encoding::AccountRecord,
    error::Result,
    root::{path, slot_path},
    trie::Trie,
    view::{Nodes, View},
};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_trie::EMPTY_ROOT_HASH;
use surety_stf::StateReader;
use surety_types::Account;

/// What an account is, or that there is none, with the nodes that prove it against the state root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountProof {
    /// The account asked for.
    pub address: Address,
    /// The account; `None` is proved likewise.
    pub account: Option<Account>,
    /// The root of its storage.
    pub storage_root: B256,
    /// RLP of the nodes from the state root downwards.
    pub proof: Vec<Bytes>,
    /// The slots asked for, in that order.
    pub storage: Vec<StorageProof>,
}

/// What a slot holds, with the nodes that prove it against the storage root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageProof {
    /// The slot.
    pub key: U256,
    /// Its value; zero is proved by absence.
    pub value: U256,
    /// RLP of the nodes from the storage root downwards.
    pub proof: Vec<Bytes>,
}

impl View {
    /// Proves an account and some of its slots. The caller bounds the number of slots.
    ///
    /// # Errors
    /// Only for a failing or damaged database.
    pub fn proof(&self, address: Address, slots: &[U256]) -> Result<AccountProof> {
        let mut trie = Trie::new(Nodes { view: self, owner: None }, self.state_root());
        trie.get(&path(address))?;
        let record = self.record(address)?;
        let storage_root = record.as_ref().map_or(EMPTY_ROOT_HASH, |r| r.storage_root);
        let storage = slots.iter().map(|&key| {
            let mut trie = Trie::new(Nodes { view: self, owner: Some(address) }, storage_root);
            trie.get(&slot_path(&key))?;
            let proof = trie.loaded().cloned().collect();
            Ok(StorageProof { key, value: self.storage(address, key)?, proof })
        });
        Ok(AccountProof {
            address,
            account: record.map(|AccountRecord { account, .. }| account),
            storage_root,
            proof: trie.loaded().cloned().collect(),
            storage: storage.collect::<Result<_>>()?,
        })
    }
}
