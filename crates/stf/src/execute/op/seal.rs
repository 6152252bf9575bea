//! Headers: the base fee of the next block, the genesis block, and the seal of an executed one.

use super::ExecutedPayload;
use alloc::vec::Vec;
use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, constants::EMPTY_TRANSACTIONS, proofs};
use alloy_eips::{eip4895::Withdrawals, eip7685::EMPTY_REQUESTS_HASH};
use alloy_primitives::{B64, B256, Bloom, U256};
use alloy_trie::EMPTY_ROOT_HASH;
use surety_types::{Block, ChainParameters, Header};

/// Base fee of the genesis block, unless the chain's minimum is higher: 1 gwei.
const INITIAL_BASE_FEE: u64 = 1_000_000_000;

/// The base fee after `parent`: EIP-1559 with the chain's denominator and elasticity over the greater of gas used and
/// data footprint, never below the chain's minimum (OP's Jovian rule). Stops at the greatest `u64`.
pub fn next_base_fee(parameters: &ChainParameters, parent: &Header) -> u64 {
    let base_fee = u128::from(parent.base_fee_per_gas.unwrap_or(INITIAL_BASE_FEE));
    let used = u128::from(parent.gas_used.max(parent.blob_gas_used.unwrap_or_default()));
    let target = u128::from(parent.gas_limit.checked_div(parameters.base_fee_elasticity.into()).unwrap_or_default());
    // base fee and gas are 64-bit numbers, so their product fits.
    let step = |distance: u128| {
        base_fee
            .saturating_mul(distance)
            .checked_div(target)
            .and_then(|s| s.checked_div(parameters.base_fee_denominator.into()))
            .unwrap_or_default()
    };
    let next = if used > target && target > 0 {
        base_fee.saturating_add(step(used.saturating_sub(target)).max(1))
    } else {
        base_fee.saturating_sub(step(target.saturating_sub(used)))
    };
    u64::try_from(next).unwrap_or(u64::MAX).max(parameters.min_base_fee)
}

/// What all headers of a chain have in common.
pub(super) fn constant_header(parameters: &ChainParameters) -> Header {
    Header {
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        transactions_root: EMPTY_TRANSACTIONS,
        receipts_root: EMPTY_ROOT_HASH,
        difficulty: U256::ZERO,
        gas_limit: parameters.gas_limit.get(),
        extra_data: parameters.extra_data(),
        nonce: B64::ZERO,
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        withdrawals_root: Some(EMPTY_ROOT_HASH),
        ..Header::default()
    }
}

/// The genesis block: number 0, time of genesis, no transactions, base fee 1 gwei or the chain's minimum if that is
/// higher. `parameters.genesis_hash` is not used.
pub fn genesis_block(parameters: &ChainParameters, state_root: B256, message_passer_root: B256) -> Block {
    let header = Header {
        state_root,
        withdrawals_root: Some(message_passer_root),
        timestamp: parameters.genesis_time.get(),
        base_fee_per_gas: Some(INITIAL_BASE_FEE.max(parameters.min_base_fee)),
        ..constant_header(parameters)
    };
    Block { header, transactions: Vec::new(), ommers: Vec::new(), withdrawals: Some(Withdrawals::default()) }
}

/// The block that an execution made, given the two roots that only a trie knows: of the state, and of the storage of
/// `L2ToL1MessagePasser`, both after [`ExecutedPayload::changes`].
pub fn seal(executed: &ExecutedPayload, state_root: B256, message_passer_root: B256) -> Block {
    let mut bloom = Bloom::ZERO;
    for receipt in &executed.receipts {
        bloom.accrue_bloom(&receipt.bloom());
    }
    let header = Header {
        state_root,
        withdrawals_root: Some(message_passer_root),
        transactions_root: proofs::calculate_transaction_root(&executed.transactions),
        receipts_root: proofs::calculate_receipt_root(&executed.receipts),
        logs_bloom: bloom,
        ..executed.header.clone()
    };
    Block {
        header,
        transactions: executed.transactions.clone(),
        ommers: Vec::new(),
        withdrawals: Some(Withdrawals::default()),
    }
}
