//! A model of the state that is rebuilt from nothing, and a builder of blocks, for all tests of the store.
#![allow(dead_code, missing_docs, unreachable_pub)]

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, Nibbles, TrieAccount};
use std::collections::BTreeMap;
use surety_state::{BlockRef, Config, ExecutedBlock, Genesis, Store, View};
use surety_stf::StateReader;
use surety_types::{Account, AccountChange, Block, Header, StateChanges};

/// The whole state, the plain way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    pub accounts: BTreeMap<Address, Account>,
    pub storage: BTreeMap<Address, BTreeMap<U256, U256>>,
}

fn root(leaves: BTreeMap<B256, Vec<u8>>) -> B256 {
    let mut builder = HashBuilder::default();
    for (key, value) in leaves {
        builder.add_leaf(Nibbles::unpack(key), &value);
    }
    builder.root()
}

impl Model {
    pub fn apply(&mut self, changes: &StateChanges) {
        for (address, change) in &changes.accounts {
            let Some(account) = change.account else {
                self.accounts.remove(address);
                self.storage.remove(address);
                continue;
            };
            self.accounts.insert(*address, account);
            if change.storage_wiped {
                self.storage.remove(address);
            }
            let slots = self.storage.entry(*address).or_default();
            for (slot, value) in &change.storage {
                if value.is_zero() {
                    slots.remove(slot)
                } else {
                    slots.insert(*slot, *value)
                };
            }
            if slots.is_empty() {
                self.storage.remove(address);
            }
        }
    }

    pub fn storage_root(&self, address: &Address) -> B256 {
        self.storage.get(address).map_or(EMPTY_ROOT_HASH, |slots| {
            root(slots.iter().map(|(s, v)| (keccak256(s.to_be_bytes::<32>()), alloy_rlp::encode(v))).collect())
        })
    }

    pub fn root(&self) -> B256 {
        let leaf = |(address, account): (&Address, &Account)| {
            let Account { nonce, balance, code_hash } = *account;
            let leaf = TrieAccount::new(nonce, balance, self.storage_root(address), code_hash);
            (keccak256(address), alloy_rlp::encode(leaf))
        };
        root(self.accounts.iter().map(leaf).collect())
    }

    /// Compares everything that a view can be asked.
    pub fn check(&self, view: &View, addresses: &[Address], slots: &[U256]) {
        assert_eq!(view.state_root(), self.root());
        for &address in addresses {
            assert_eq!(view.account(address).unwrap(), self.accounts.get(&address).copied(), "{address}");
            assert_eq!(view.storage_root(address).unwrap(), self.storage_root(&address), "{address}");
            for &slot in slots {
                let expected = self.storage.get(&address).and_then(|s| s.get(&slot)).copied().unwrap_or_default();
                assert_eq!(view.storage(address, slot).unwrap(), expected, "{address} {slot}");
            }
        }
    }
}

pub fn address(n: u64) -> Address {
    Address::from_slice(&keccak256(n.to_be_bytes())[12..])
}

pub fn account(nonce: u64, balance: u64) -> Account {
    Account { nonce, balance: U256::from(balance), code_hash: KECCAK256_EMPTY }
}

/// One account's change.
pub fn change(account: Option<Account>, wiped: bool, slots: &[(u64, u64)]) -> AccountChange {
    let storage = slots.iter().map(|&(k, v)| (U256::from(k), U256::from(v))).collect();
    AccountChange { account, storage_wiped: wiped, storage }
}

pub fn changes(accounts: impl IntoIterator<Item = (u64, AccountChange)>) -> StateChanges {
    let accounts = accounts.into_iter().map(|(n, c)| (address(n), c)).collect();
    StateChanges { accounts, code: BTreeMap::new() }
}

pub fn genesis(alloc: StateChanges) -> Genesis {
    let mut model = Model::default();
    model.apply(&alloc);
    Genesis { header: Header { state_root: model.root(), ..Header::default() }, alloc }
}

pub fn config(history_blocks: u64) -> Config {
    Config { history_blocks, max_bytes: 1 << 30, ..Config::default() }
}

/// Executes nothing: a block on `parent` that makes `changes`. `salt` tells siblings apart.
pub fn block_on(store: &Store, parent: BlockRef, changes: StateChanges, salt: u64) -> ExecutedBlock {
    let view = store.view(parent.hash).unwrap();
    let roots = view.root(&changes).unwrap();
    let header = Header {
        parent_hash: parent.hash,
        number: parent.number + 1,
        state_root: roots.state_root,
        timestamp: salt,
        ..Header::default()
    };
    let block = Block { header, transactions: Vec::new(), ommers: Vec::new(), withdrawals: None };
    let hash = block.hash();
    ExecutedBlock {
        block,
        hash,
        senders: Vec::new(),
        receipts: Vec::new(),
        changes,
        updates: roots.updates,
        aux: Bytes::from(salt.to_be_bytes()),
    }
}

/// Inserts such a block.
pub fn grow(store: &Store, parent: BlockRef, changes: StateChanges, salt: u64) -> BlockRef {
    let block = block_on(store, parent, changes, salt);
    let at = BlockRef { number: block.block.header.number, hash: block.hash };
    store.insert(block).unwrap();
    at
}
