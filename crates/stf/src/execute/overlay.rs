//! The state of a block under construction: a cache over a [`StateReader`] that the EVM reads and commits to.
//!
//! Each account and slot is read from below once. What a block changed is the difference between the first reading and
//! the last commit, so values that return to what they were do not appear in [`Overlay::changes`].
//!
//! Commits follow EIP-161: a touched empty account is gone. Before Spurious Dragon revm's journal marks the accounts
//! that must survive empty as created, so the same rule serves all forks.

use crate::StateReader;
use alloc::collections::BTreeMap;
use alloy_primitives::{
    Address, B256, Bytes, KECCAK256_EMPTY, U256,
    map::{AddressMap, B256Map, HashMap},
};
use core::fmt;
use revm::{
    Database, DatabaseCommit,
    database_interface::DBErrorMarker,
    state::{Account as EvmAccount, AccountInfo, Bytecode},
};
use surety_types::{Account, AccountChange, StateChanges};

/// A failure of the reader below, in the form that revm asks of database errors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct ReaderError<E: core::error::Error>(pub E);

impl<E: core::error::Error + Send + Sync + 'static> DBErrorMarker for ReaderError<E> {}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    before: U256,
    now: U256,
}

#[derive(Debug, Clone, Default)]
struct Cached {
    before: Option<Account>,
    now: Option<Account>,
    /// Nothing of the storage below counts any more.
    wiped: bool,
    slots: HashMap<U256, Slot>,
}

impl Cached {
    fn wipe(&mut self) {
        self.wiped |= self.before.is_some();
        for slot in self.slots.values_mut() {
            slot.now = U256::ZERO;
        }
    }

    /// Whether storage below may still hold something.
    const fn reads_through(&self) -> bool {
        self.before.is_some() && !self.wiped
    }

    fn change(&self) -> Option<AccountChange> {
        let storage_wiped = self.wiped || (self.before.is_some() && self.now.is_none());
        let storage: BTreeMap<U256, U256> = self
            .slots
            .iter()
            .filter(|(_, slot)| if storage_wiped { !slot.now.is_zero() } else { slot.now != slot.before })
            .map(|(key, slot)| (*key, slot.now))
            .collect();
        (self.now != self.before || storage_wiped || !storage.is_empty()).then_some(AccountChange {
            account: self.now,
            storage_wiped,
            storage,
        })
    }
}

/// A [`StateReader`] with the changes of one block on top.
pub struct Overlay<R> {
    reader: R,
    accounts: AddressMap<Cached>,
    code: B256Map<Bytecode>,
}

impl<R> fmt::Debug for Overlay<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overlay").field("accounts", &self.accounts.len()).field("code", &self.code.len()).finish()
    }
}

/// The EVM's form of code. Bytes that look like a delegation (EIP-7702) but are none, which London made impossible to
/// deploy, are ordinary code.
pub(crate) fn bytecode(code: Bytes) -> Bytecode {
    Bytecode::new_raw_checked(code.clone()).unwrap_or_else(|_| Bytecode::new_legacy(code))
}

impl<R> Overlay<R> {
    /// An overlay without changes.
    pub fn new(reader: R) -> Self {
        Self { reader, accounts: AddressMap::default(), code: B256Map::default() }
    }

    /// What lies below.
    pub const fn reader(&self) -> &R {
        &self.reader
    }

    /// Everything that differs from the state below.
    pub fn changes(&self) -> StateChanges {
        let mut changes = StateChanges::default();
        for (address, cached) in &self.accounts {
            let Some(change) = cached.change() else { continue };
            let hash = change.account.map_or(KECCAK256_EMPTY, |a| a.code_hash);
            if hash != KECCAK256_EMPTY
                && cached.before.is_none_or(|a| a.code_hash != hash)
                && let Some(code) = self.code.get(&hash)
            {
                changes.code.insert(hash, code.original_bytes());
            }
            changes.accounts.insert(*address, change);
        }
        changes
    }
}

impl<R: StateReader> Overlay<R> {
    fn cached(&mut self, address: Address) -> Result<&mut Cached, ReaderError<R::Error>> {
        use alloy_primitives::map::Entry;
        Ok(match self.accounts.entry(address) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let account = self.reader.account(address).map_err(ReaderError)?;
                entry.insert(Cached { before: account, now: account, ..Cached::default() })
            }
        })
    }

    /// Replaces an account (simulations: overrides of balance, nonce and code).
    ///
    /// # Errors
    /// Those of the reader.
    pub fn set_account(
        &mut self,
        address: Address,
        account: Account,
        code: Option<Bytes>,
    ) -> Result<(), ReaderError<R::Error>> {
        if let Some(code) = code {
            self.code.insert(account.code_hash, bytecode(code));
        }
        self.cached(address)?.now = Some(account);
        Ok(())
    }

    /// Replaces a slot (simulations).
    ///
    /// # Errors
    /// Those of the reader.
    pub fn set_storage(&mut self, address: Address, slot: U256, value: U256) -> Result<(), ReaderError<R::Error>> {
        let before = Database::storage(self, address, slot)?;
        let cached = self.cached(address)?;
        cached.slots.entry(slot).or_insert(Slot { before, now: before }).now = value;
        Ok(())
    }

    /// Forgets all storage of an account (simulations: a full override of its storage).
    ///
    /// # Errors
    /// Those of the reader.
    pub fn wipe_storage(&mut self, address: Address) -> Result<(), ReaderError<R::Error>> {
        self.cached(address)?.wipe();
        Ok(())
    }
}

impl<R: StateReader> Database for Overlay<R> {
    type Error = ReaderError<R::Error>;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        let Some(account) = self.cached(address)?.now else { return Ok(None) };
        Ok(Some(AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            account_id: None,
            code: self.code.get(&account.code_hash).cloned(),
        }))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, Self::Error> {
        if hash == KECCAK256_EMPTY {
            return Ok(Bytecode::default());
        }
        if let Some(code) = self.code.get(&hash) {
            return Ok(code.clone());
        }
        let code = bytecode(self.reader.code(hash).map_err(ReaderError)?);
        self.code.insert(hash, code.clone());
        Ok(code)
    }

    fn storage(&mut self, address: Address, key: U256) -> Result<U256, Self::Error> {
        let cached = self.cached(address)?;
        if let Some(slot) = cached.slots.get(&key) {
            return Ok(slot.now);
        }
        if !cached.reads_through() {
            return Ok(U256::ZERO);
        }
        let value = self.reader.storage(address, key).map_err(ReaderError)?;
        self.cached(address)?.slots.insert(key, Slot { before: value, now: value });
        Ok(value)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Self::Error> {
        self.reader.block_hash(number).map_err(ReaderError)
    }
}

impl<R> DatabaseCommit for Overlay<R> {
    /// Takes up what a transaction did. The EVM has read each of these accounts through [`Database::basic`] before.
    fn commit(&mut self, changes: AddressMap<EvmAccount>) {
        for (address, account) in changes {
            if !account.is_touched() {
                continue;
            }
            let cached = self.accounts.entry(address).or_default();
            if account.is_selfdestructed() {
                cached.now = None;
                cached.wipe();
                continue;
            }
            if account.is_created() {
                cached.wipe();
            } else if account.is_empty() {
                cached.now = None;
                continue;
            }
            let info = account.info;
            cached.now = Some(Account { nonce: info.nonce, balance: info.balance, code_hash: info.code_hash });
            for (key, slot) in account.storage {
                if slot.is_changed() {
                    cached.slots.entry(key).or_default().now = slot.present_value;
                }
            }
            if info.code_hash != KECCAK256_EMPTY
                && let Some(code) = info.code
            {
                self.code.entry(info.code_hash).or_insert(code);
            }
        }
    }
}

/// Reads without caching, so that a block under construction can be looked at from outside.
impl<R: StateReader> StateReader for Overlay<R> {
    type Error = R::Error;

    fn account(&self, address: Address) -> Result<Option<Account>, Self::Error> {
        self.accounts.get(&address).map_or_else(|| self.reader.account(address), |cached| Ok(cached.now))
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, Self::Error> {
        match self.accounts.get(&address) {
            Some(cached) => match cached.slots.get(&slot) {
                Some(slot) => Ok(slot.now),
                None if cached.reads_through() => self.reader.storage(address, slot),
                None => Ok(U256::ZERO),
            },
            None => self.reader.storage(address, slot),
        }
    }

    fn code(&self, hash: B256) -> Result<Bytes, Self::Error> {
        self.code.get(&hash).map_or_else(|| self.reader.code(hash), |code| Ok(code.original_bytes()))
    }

    fn block_hash(&self, number: u64) -> Result<B256, Self::Error> {
        self.reader.block_hash(number)
    }
}
