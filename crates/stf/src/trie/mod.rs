//! The state as a trie over preimages: what the program reads and hashes where it has no database.
//!
//! [`TrieState`] answers reads from a state root alone, asks the oracle for each node once, and gives the roots after a
//! block's changes. Bytes that are no trie are an error; there are no other failures, and no path is longer than a key.

mod node;

#[cfg(test)]
pub(crate) mod tests;

use crate::{
    StateReader,
    oracle::{Oracle, OracleError, header, preimage},
};
use alloc::{collections::BTreeMap, vec, vec::Vec};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount};
use core::cell::RefCell;
use node::Node;
use surety_types::{Account, AccountChange, Header, StateChanges, predeploys};

/// How far back the EVM sees block hashes.
const BLOCK_HASHES: u64 = 256;

/// Why the state cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrieError<E: core::error::Error> {
    /// The oracle failed.
    #[error(transparent)]
    Oracle(#[from] OracleError<E>),
    /// Bytes under the state root are no node of a trie of hashed keys.
    #[error("malformed trie node")]
    Node,
    /// A leaf is no account or no slot.
    #[error("malformed account or slot")]
    Value,
}

/// The state after one block, by its header alone.
#[derive(Debug)]
pub struct TrieState<'a, O> {
    oracle: &'a O,
    accounts: RefCell<Node>,
    storages: RefCell<BTreeMap<Address, Node>>,
    number: u64,
    /// Hashes of the block and its ancestors, backwards, as far as they were asked for; and the last one's parent.
    hashes: RefCell<Vec<B256>>,
}

/// Roots after a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roots {
    /// Of the state.
    pub state: B256,
    /// Of the storage of `L2ToL1MessagePasser`.
    pub message_passer: B256,
}

impl<'a, O: Oracle> TrieState<'a, O> {
    /// The state after the block with this header and hash.
    pub fn new(oracle: &'a O, header: &Header, hash: B256) -> Self {
        Self {
            oracle,
            accounts: RefCell::new(Node::from_root(header.state_root)),
            storages: RefCell::default(),
            number: header.number,
            hashes: RefCell::new(vec![hash, header.parent_hash]),
        }
    }

    fn trie_account(&self, address: Address) -> Result<Option<TrieAccount>, TrieError<O::Error>> {
        let mut accounts = self.accounts.borrow_mut();
        match accounts.get(self.oracle, key(address.as_slice()), 0)? {
            Some(bytes) => exact(bytes).map(Some).ok_or(TrieError::Value),
            None => Ok(None),
        }
    }

    /// Runs `f` on the storage trie of an account.
    fn with_storage<T>(
        &self,
        address: Address,
        f: impl FnOnce(&mut Node) -> Result<T, TrieError<O::Error>>,
    ) -> Result<T, TrieError<O::Error>> {
        if !self.storages.borrow().contains_key(&address) {
            let root = self.trie_account(address)?.map_or(EMPTY_ROOT_HASH, |a| a.storage_root);
            self.storages.borrow_mut().insert(address, Node::from_root(root));
        }
        f(self.storages.borrow_mut().entry(address).or_default())
    }

    /// The roots after these changes. Reads what it needs beside the path of each change.
    ///
    /// # Errors
    /// See [`TrieError`].
    pub fn into_roots(self, changes: &StateChanges) -> Result<Roots, TrieError<O::Error>> {
        // Insertions first: a branch that gains a child need not be read when it loses another.
        let (gone, kept): (Vec<_>, Vec<_>) = changes.accounts.iter().partition(|(_, c)| c.account.is_none());
        for (address, change) in kept {
            let Some(account) = change.account else { continue };
            let storage_root = self.change_storage(*address, change)?;
            let Account { nonce, balance, code_hash } = account;
            let leaf = alloy_rlp::encode(TrieAccount { nonce, balance, storage_root, code_hash });
            self.accounts.borrow_mut().insert(self.oracle, key(address.as_slice()), leaf, 0)?;
        }
        for (address, _) in gone {
            self.accounts.borrow_mut().remove(self.oracle, key(address.as_slice()), 0)?;
        }
        let message_passer =
            self.trie_account(predeploys::L2_TO_L1_MESSAGE_PASSER)?.map_or(EMPTY_ROOT_HASH, |a| a.storage_root);
        Ok(Roots { state: self.accounts.into_inner().root(), message_passer })
    }

    /// The storage root of a changed account.
    fn change_storage(&self, address: Address, change: &AccountChange) -> Result<B256, TrieError<O::Error>> {
        if change.storage_wiped {
            self.storages.borrow_mut().insert(address, Node::Empty);
        }
        self.with_storage(address, |trie| {
            let (gone, kept): (Vec<_>, Vec<_>) = change.storage.iter().partition(|(_, value)| value.is_zero());
            for (slot, value) in kept {
                trie.insert(self.oracle, key(&slot.to_be_bytes::<32>()), alloy_rlp::encode(value), 0)?;
            }
            for (slot, _) in gone {
                trie.remove(self.oracle, key(&slot.to_be_bytes::<32>()), 0)?;
            }
            Ok(trie.root())
        })
    }
}

impl<O: Oracle> StateReader for TrieState<'_, O> {
    type Error = TrieError<O::Error>;

    fn account(&self, address: Address) -> Result<Option<Account>, Self::Error> {
        let account = self.trie_account(address)?;
        Ok(account.map(|a| Account { nonce: a.nonce, balance: a.balance, code_hash: a.code_hash }))
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, Self::Error> {
        self.with_storage(address, |trie| match trie.get(self.oracle, key(&slot.to_be_bytes::<32>()), 0)? {
            Some(bytes) => exact(bytes).ok_or(TrieError::Value),
            None => Ok(U256::ZERO),
        })
    }

    fn code(&self, hash: B256) -> Result<Bytes, Self::Error> {
        Ok(preimage(self.oracle, hash)?)
    }

    fn block_hash(&self, number: u64) -> Result<B256, Self::Error> {
        let Some(back) = self.number.checked_sub(number).filter(|back| *back < BLOCK_HASHES) else {
            return Ok(B256::ZERO);
        };
        let mut hashes = self.hashes.borrow_mut();
        loop {
            if let Some(hash) = usize::try_from(back).ok().and_then(|back| hashes.get(back)) {
                return Ok(*hash);
            }
            let oldest = hashes.last().copied().unwrap_or_default();
            hashes.push(header(self.oracle, oldest)?.parent_hash);
        }
    }
}

fn key(plain: &[u8]) -> Nibbles {
    Nibbles::unpack(keccak256(plain))
}

fn exact<T: Decodable>(mut bytes: &[u8]) -> Option<T> {
    let value = T::decode(&mut bytes).ok()?;
    bytes.is_empty().then_some(value)
}
