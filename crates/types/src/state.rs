//! Accounts, and what a block changes in them.

use alloc::collections::BTreeMap;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};

/// An account without its storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Transactions sent (or contracts created, for a contract).
    pub nonce: u64,
    /// Wei.
    pub balance: U256,
    /// keccak256 of the code; of the empty string for an account without code.
    pub code_hash: B256,
}

impl Default for Account {
    fn default() -> Self {
        Self { nonce: 0, balance: U256::ZERO, code_hash: KECCAK256_EMPTY }
    }
}

impl Account {
    /// Empty as EIP-161 defines it.
    pub fn is_empty(&self) -> bool {
        self.nonce == 0 && self.balance.is_zero() && self.code_hash == KECCAK256_EMPTY
    }
}

/// What a block did to one account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountChange {
    /// The account after the block; `None` if it does not exist then.
    pub account: Option<Account>,
    /// All storage from before the block is gone (self-destruct, or creation over an old account); `storage` then
    /// holds everything there is.
    pub storage_wiped: bool,
    /// Slots after the block; zero means the slot is gone. Slots that the block left as they were are absent.
    pub storage: BTreeMap<U256, U256>,
}

/// What a block did to the state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateChanges {
    /// By account. Accounts that the block left as they were are absent.
    pub accounts: BTreeMap<Address, AccountChange>,
    /// Code that the block created, by its keccak256.
    pub code: BTreeMap<B256, Bytes>,
}

impl StateChanges {
    /// Puts `later` on top of these changes, as if both blocks were one.
    pub fn extend(&mut self, later: Self) {
        for (address, change) in later.accounts {
            let entry = self.accounts.entry(address).or_default();
            if change.storage_wiped {
                entry.storage_wiped = true;
                entry.storage.clear();
            }
            entry.account = change.account;
            entry.storage.extend(change.storage);
        }
        self.code.extend(later.code);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_wipe_forgets_earlier_slots() {
        let slot = |k: u64, v: u64| (U256::from(k), U256::from(v));
        let change = |wiped, slots: &[(U256, U256)]| AccountChange {
            account: Some(Account::default()),
            storage_wiped: wiped,
            storage: slots.iter().copied().collect(),
        };
        let with = |c| StateChanges { accounts: [(Address::ZERO, c)].into(), code: BTreeMap::new() };
        let mut all = with(change(false, &[slot(1, 1), slot(2, 2)]));
        all.extend(with(change(true, &[slot(2, 3)])));
        assert_eq!(all, with(change(true, &[slot(2, 3)])));
    }
}
