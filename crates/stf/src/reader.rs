//! How execution sees the state of a block: flat reads by address, slot, code hash and height.

use alloy_primitives::{Address, B256, Bytes, U256};
use surety_types::Account;

/// The state after some block.
///
/// Implemented by the database's views, by the overlay of a block under construction, and by the stateless trie of the
/// guest. All answers belong to one block; a reader never moves.
pub trait StateReader {
    /// What can go wrong while reading. An error is a fault of the machine or of a witness, never of the chain's content.
    type Error: core::error::Error + Send + Sync + 'static;

    /// The account, or `None` if it does not exist.
    fn account(&self, address: Address) -> Result<Option<Account>, Self::Error>;

    /// A storage slot; zero where there is nothing.
    fn storage(&self, address: Address, slot: U256) -> Result<U256, Self::Error>;

    /// The code with this keccak256. Asked only for hashes that accounts of this state have.
    fn code(&self, hash: B256) -> Result<Bytes, Self::Error>;

    /// The hash of the ancestor block with this number (the block itself included); zero if it is not known.
    fn block_hash(&self, number: u64) -> Result<B256, Self::Error>;
}

impl<T: StateReader + ?Sized> StateReader for &T {
    type Error = T::Error;

    fn account(&self, address: Address) -> Result<Option<Account>, Self::Error> {
        (**self).account(address)
    }
    fn storage(&self, address: Address, slot: U256) -> Result<U256, Self::Error> {
        (**self).storage(address, slot)
    }
    fn code(&self, hash: B256) -> Result<Bytes, Self::Error> {
        (**self).code(hash)
    }
    fn block_hash(&self, number: u64) -> Result<B256, Self::Error> {
        (**self).block_hash(number)
    }
}
