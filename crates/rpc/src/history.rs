//! What is asked of the store, and small questions to a stored block.

use crate::{BlockRef, StoredBlock, error::RpcError};
use alloy_primitives::{Address, B256, U256};
use std::sync::Arc;
use surety_state::{AccountProof, Error, Store, View};
use surety_types::Header;

/// The state after a block.
pub(crate) type State = View;

/// A failure of the store, as callers see it.
fn failed(error: Error) -> RpcError {
    match error {
        Error::Pruned { .. } => RpcError::Refused(error.to_string()),
        Error::UnknownBlock(_) | Error::UnknownNumber(_) => RpcError::NoBlock,
        other => RpcError::internal(other),
    }
}

/// Number of the block with this hash, if the store has it.
pub(crate) fn number(store: &Store, hash: B256) -> Result<Option<u64>, RpcError> {
    Ok(store.header(hash).map_err(failed)?.map(|header| header.number))
}

/// Hash of the chain's block with this number.
pub(crate) fn canonical(store: &Store, number: u64) -> Result<Option<B256>, RpcError> {
    store.canonical_hash(number).map_err(failed)
}

/// The block with this hash.
pub(crate) fn block(store: &Store, hash: B256) -> Result<Option<Arc<StoredBlock>>, RpcError> {
    store.block(hash).map_err(failed)
}

/// Its header alone.
pub(crate) fn header(store: &Store, hash: B256) -> Result<Option<Header>, RpcError> {
    store.header(hash).map_err(failed)
}

/// Block and place of a mined transaction.
pub(crate) fn transaction(store: &Store, hash: B256) -> Result<Option<(B256, usize)>, RpcError> {
    Ok(store.transaction(hash).map_err(failed)?.map(|place| (place.block_hash, place.index)))
}

/// The state after a block.
pub(crate) fn state(store: &Store, block: BlockRef) -> Result<State, RpcError> {
    store.view(block.hash).map_err(failed)
}

/// An account and slots of it, with proofs.
pub(crate) fn proof(
    store: &Store,
    block: BlockRef,
    address: Address,
    slots: &[U256],
) -> Result<AccountProof, RpcError> {
    state(store, block)?.proof(address, slots).map_err(failed)
}

/// The sender of transaction `index`.
pub(crate) fn sender(block: &StoredBlock, index: usize) -> Option<Address> {
    block.senders.get(index).copied()
}

/// Gas that transaction `index` used; zero beyond the end.
pub(crate) fn gas_used(block: &StoredBlock, index: usize) -> u64 {
    let until = |end: Option<usize>| end.and_then(|i| block.receipts.get(i)).map_or(0, |r| r.cumulative_gas_used);
    until(Some(index)).saturating_sub(until(index.checked_sub(1)))
}

/// The index in the block of the first log of transaction `index`.
pub(crate) fn first_log(block: &StoredBlock, index: usize) -> usize {
    block.receipts.iter().take(index).map(|receipt| receipt.logs.len()).sum()
}
