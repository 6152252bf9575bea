//! Whether a header may follow its parent, and whether a body belongs to its header.

use super::schedule::ForkSchedule;
use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Transaction as _, proofs};
use alloy_eips::{
    eip1559::{BaseFeeParams, INITIAL_BASE_FEE},
    eip4844::DATA_GAS_PER_BLOB,
    eip7685::EMPTY_REQUESTS_HASH,
};
use alloy_hardforks::EthereumHardfork as F;
use alloy_primitives::{Address, B64, B256, Bytes, U256};
use alloy_trie::EMPTY_ROOT_HASH;
use std::fmt::Debug;
use surety_types::{Block, Header};

/// The least gas limit of a block.
const MIN_GAS_LIMIT: u64 = 5000;
/// The greatest gas limit of a block (EIP-1985).
const MAX_GAS_LIMIT: u64 = 0x7fff_ffff_ffff_ffff;
/// The least difficulty before the merge.
const MIN_DIFFICULTY: u64 = 131_072;
/// The greatest size of a block's RLP since Osaka (EIP-7934): 10 MiB less 2 MiB for the beacon block.
const MAX_BLOCK_RLP: usize = 8 * 1024 * 1024;
/// What the first blocks after the DAO fork carry as extra data.
const DAO_EXTRA: &[u8] = b"dao-hard-fork";

/// A header or body that breaks a rule. The block is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// A field has another value than the rules give.
    #[error("{field} is {found}, the rules give {expected}")]
    Wrong {
        /// The field.
        field: &'static str,
        /// What the block has.
        found: String,
        /// What it should have.
        expected: String,
    },
    /// A field lies outside of its bounds.
    #[error("{field} {found} is out of bounds: {rule}")]
    Bounds {
        /// The field.
        field: &'static str,
        /// What the block has.
        found: String,
        /// The rule.
        rule: &'static str,
    },
    /// A field that the block's fork asks for is missing, or one that it does not know is there.
    #[error("{field} is {}, the block's fork has it otherwise", if *.present { "present" } else { "missing" })]
    Presence {
        /// The field.
        field: &'static str,
        /// Whether the block has it.
        present: bool,
    },
    /// Something about uncles.
    #[error("uncles: {0}")]
    Ommers(&'static str),
}

fn equal<T: PartialEq + Debug>(field: &'static str, found: T, expected: T) -> Result<(), HeaderError> {
    if found == expected {
        return Ok(());
    }
    Err(HeaderError::Wrong { field, found: format!("{found:?}"), expected: format!("{expected:?}") })
}

fn bound(field: &'static str, found: u64, holds: bool, rule: &'static str) -> Result<(), HeaderError> {
    if holds { Ok(()) } else { Err(HeaderError::Bounds { field, found: found.to_string(), rule }) }
}

const fn presence(field: &'static str, present: bool, expected: bool) -> Result<(), HeaderError> {
    if present == expected { Ok(()) } else { Err(HeaderError::Presence { field, present }) }
}

/// The base fee of a block on `parent` (EIP-1559); `None` before London.
pub fn next_base_fee(schedule: &ForkSchedule, parent: &Header, number: u64, timestamp: u64) -> Option<u64> {
    if !schedule.is_active(F::London, number, timestamp) {
        return None;
    }
    Some(parent.next_block_base_fee(BaseFeeParams::ethereum()).unwrap_or(INITIAL_BASE_FEE))
}

/// The excess blob gas of a block on `parent` (EIP-4844, EIP-7918); `None` before Cancun.
pub fn next_excess_blob_gas(schedule: &ForkSchedule, parent: &Header, timestamp: u64) -> Option<u64> {
    let params = schedule.blob_params(timestamp)?;
    let excess = parent.excess_blob_gas.unwrap_or_default();
    let used = parent.blob_gas_used.unwrap_or_default();
    // A parent with numbers beyond any block's room was refused before; this keeps the sum inside the type.
    let excess = excess.min(u64::MAX / 4);
    let used = used.min((u64::MAX / 4).checked_div(params.max_blob_count).unwrap_or_default());
    Some(params.next_block_excess_blob_gas_osaka(excess, used, parent.base_fee_per_gas.unwrap_or_default()))
}

/// What a proposer chooses in a header after the merge.
#[derive(Debug, Clone, Default)]
pub struct Attributes {
    /// Time, greater than the parent's.
    pub timestamp: u64,
    /// Who receives the priority fees.
    pub beneficiary: Address,
    /// `PREVRANDAO`.
    pub prev_randao: B256,
    /// Root of the parent beacon block.
    pub parent_beacon_block_root: B256,
    /// At most 32 bytes.
    pub extra_data: Bytes,
}

/// The header of a block after the merge on `parent` before it has content: the parent's gas limit, base fee and
/// excess blob gas by the rules, and empty roots.
pub fn next_header(schedule: &ForkSchedule, parent: &Header, parent_hash: B256, attributes: &Attributes) -> Header {
    let number = parent.number.saturating_add(1);
    let active = |fork| schedule.is_active(fork, number, attributes.timestamp);
    Header {
        parent_hash,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        number,
        timestamp: attributes.timestamp,
        beneficiary: attributes.beneficiary,
        mix_hash: attributes.prev_randao,
        extra_data: attributes.extra_data.clone(),
        gas_limit: parent.gas_limit,
        base_fee_per_gas: next_base_fee(schedule, parent, number, attributes.timestamp),
        withdrawals_root: active(F::Shanghai).then_some(EMPTY_ROOT_HASH),
        blob_gas_used: active(F::Cancun).then_some(0),
        excess_blob_gas: next_excess_blob_gas(schedule, parent, attributes.timestamp),
        parent_beacon_block_root: active(F::Cancun).then_some(attributes.parent_beacon_block_root),
        requests_hash: active(F::Prague).then_some(EMPTY_REQUESTS_HASH),
        ..Header::default()
    }
}

/// Checks all that a header says without its body: place, time, gas limit, base fee, blob gas, difficulty, extra data,
/// and the fields that its fork has. Proof of work is not checked, nor that the time is not in the future.
///
/// # Errors
/// [`HeaderError`].
pub fn validate_header(schedule: &ForkSchedule, parent: &Header, header: &Header) -> Result<(), HeaderError> {
    let active = |fork| schedule.is_active(fork, header.number, header.timestamp);
    equal("number", header.number, parent.number.saturating_add(1))?;
    equal("parentHash", header.parent_hash, parent.hash_slow())?;
    bound("timestamp", header.timestamp, header.timestamp > parent.timestamp, "greater than the parent's")?;
    bound("extraData length", header.extra_data.len() as u64, header.extra_data.len() <= 32, "at most 32 bytes")?;
    validate_dao(schedule, header)?;
    validate_gas(schedule, parent, header)?;
    if active(F::Paris) {
        equal("difficulty", header.difficulty, U256::ZERO)?;
        equal("nonce", header.nonce, B64::ZERO)?;
        equal("ommersHash", header.ommers_hash, EMPTY_OMMER_ROOT_HASH)?;
    } else {
        equal("difficulty", header.difficulty, difficulty(schedule, parent, header.number, header.timestamp))?;
    }
    presence("withdrawalsRoot", header.withdrawals_root.is_some(), active(F::Shanghai))?;
    presence("parentBeaconBlockRoot", header.parent_beacon_block_root.is_some(), active(F::Cancun))?;
    presence("requestsHash", header.requests_hash.is_some(), active(F::Prague))?;
    presence("blockAccessListHash", header.block_access_list_hash.is_some(), false)?;
    presence("slotNumber", header.slot_number.is_some(), false)?;
    validate_blob_gas(schedule, parent, header)
}

fn validate_dao(schedule: &ForkSchedule, header: &Header) -> Result<(), HeaderError> {
    match schedule.dao_block() {
        Some(fork) if (fork..fork.saturating_add(10)).contains(&header.number) => {
            equal("extraData", header.extra_data.as_ref(), DAO_EXTRA)
        }
        _ => Ok(()),
    }
}

fn validate_gas(schedule: &ForkSchedule, parent: &Header, header: &Header) -> Result<(), HeaderError> {
    let limit = header.gas_limit;
    bound("gasLimit", limit, (MIN_GAS_LIMIT..=MAX_GAS_LIMIT).contains(&limit), "5000 to 2^63 - 1")?;
    bound("gasUsed", header.gas_used, header.gas_used <= limit, "at most the gas limit")?;
    let london = |h: &Header| schedule.is_active(F::London, h.number, h.timestamp);
    // The first London block doubles the limit, so that its target is the old one.
    let base = if london(header) && !london(parent) { parent.gas_limit.saturating_mul(2) } else { parent.gas_limit };
    let step = base.checked_div(1024).unwrap_or_default();
    bound("gasLimit", limit, limit.abs_diff(base) < step, "less than 1/1024 from the parent's")?;
    equal("baseFeePerGas", header.base_fee_per_gas, next_base_fee(schedule, parent, header.number, header.timestamp))
}

fn validate_blob_gas(schedule: &ForkSchedule, parent: &Header, header: &Header) -> Result<(), HeaderError> {
    let params = schedule.blob_params(header.timestamp);
    presence("blobGasUsed", header.blob_gas_used.is_some(), params.is_some())?;
    if let (Some(params), Some(used)) = (params, header.blob_gas_used) {
        bound("blobGasUsed", used, used <= params.max_blob_gas_per_block(), "at most the block's blobs")?;
        bound("blobGasUsed", used, used.is_multiple_of(DATA_GAS_PER_BLOB), "whole blobs")?;
    }
    equal("excessBlobGas", header.excess_blob_gas, next_excess_blob_gas(schedule, parent, header.timestamp))
}

/// Difficulty of a block before the merge, with the bomb as each fork delayed it.
fn difficulty(schedule: &ForkSchedule, parent: &Header, number: u64, timestamp: u64) -> U256 {
    let active = |fork| schedule.is_active(fork, number, timestamp);
    let elapsed = timestamp.saturating_sub(parent.timestamp);
    let quantum = parent.difficulty.wrapping_shr(11);
    // Steps up, or down.
    let (up, down) = if active(F::Byzantium) {
        let base = if parent.ommers_hash == EMPTY_OMMER_ROOT_HASH { 1 } else { 2 };
        split(base, elapsed / 9)
    } else if active(F::Homestead) {
        split(1, elapsed / 10)
    } else if elapsed < 13 {
        (1, 0)
    } else {
        (0, 1)
    };
    let min = U256::from(MIN_DIFFICULTY);
    let next = parent
        .difficulty
        .saturating_add(quantum.saturating_mul(U256::from(up)))
        .saturating_sub(quantum.saturating_mul(U256::from(down)))
        .max(min);
    let delays = [
        (F::GrayGlacier, 11_400_000),
        (F::ArrowGlacier, 10_700_000),
        (F::London, 9_700_000),
        (F::MuirGlacier, 9_000_000),
        (F::Constantinople, 5_000_000),
        (F::Byzantium, 3_000_000),
    ];
    let delay = delays.into_iter().find(|(fork, _)| active(*fork)).map_or(0, |(_, delay)| delay);
    let period = number.saturating_sub(delay) / 100_000;
    let bomb = match period.checked_sub(2) {
        Some(power) => U256::from(1).checked_shl(usize::try_from(power).unwrap_or(usize::MAX)).unwrap_or(U256::MAX),
        None => U256::ZERO,
    };
    next.saturating_add(bomb).max(min)
}

/// max(base − slow, −99) as steps up or down.
const fn split(base: u64, slow: u64) -> (u64, u64) {
    match base.checked_sub(slow) {
        Some(up) => (up, 0),
        None => {
            let down = slow.saturating_sub(base);
            (0, if down > 99 { 99 } else { down })
        }
    }
}

/// Checks that a body belongs to its header: roots of transactions, withdrawals and uncles, blob gas, and since Osaka
/// the size. Execution checks the rest.
///
/// # Errors
/// [`HeaderError`].
pub fn validate_body(schedule: &ForkSchedule, block: &Block) -> Result<(), HeaderError> {
    let header = &block.header;
    equal("transactionsRoot", header.transactions_root, proofs::calculate_transaction_root(&block.transactions))?;
    equal("ommersHash", header.ommers_hash, proofs::calculate_ommers_root(&block.ommers))?;
    equal(
        "withdrawalsRoot",
        header.withdrawals_root,
        block.withdrawals.as_ref().map(|w| proofs::calculate_withdrawals_root(w)),
    )?;
    if let Some(used) = header.blob_gas_used {
        let blobs = block.transactions.iter().filter_map(|tx| tx.blob_gas_used()).fold(0, u64::saturating_add);
        equal("blobGasUsed", used, blobs)?;
    }
    if schedule.is_active(F::Osaka, header.number, header.timestamp) {
        let size = block.rlp().len();
        bound("block size", size as u64, size <= MAX_BLOCK_RLP, "at most 8 MiB of RLP")?;
    }
    Ok(())
}

/// Checks the uncles of a block before the merge: at most two, each a valid header on one of the block's six ancestors
/// before its parent, no ancestor itself, and none that those blocks (or this one) have named already.
///
/// `ancestors` are the blocks before, the parent first, as many as there are up to seven.
///
/// # Errors
/// [`HeaderError`].
pub fn validate_ommers(schedule: &ForkSchedule, block: &Block, ancestors: &[Block]) -> Result<(), HeaderError> {
    if block.ommers.is_empty() {
        return Ok(());
    }
    if block.ommers.len() > 2 {
        return Err(HeaderError::Ommers("more than two"));
    }
    let ancestors: Vec<(B256, &Block)> = ancestors.iter().take(7).map(|b| (b.hash(), b)).collect();
    let mut known: Vec<B256> = ancestors.iter().map(|(hash, _)| *hash).collect();
    known.extend(ancestors.iter().flat_map(|(_, b)| b.ommers.iter().map(Header::hash_slow)));
    for ommer in &block.ommers {
        let hash = ommer.hash_slow();
        if known.contains(&hash) {
            return Err(HeaderError::Ommers("one is an ancestor or was named before"));
        }
        let parent = ancestors.iter().skip(1).find(|(hash, _)| *hash == ommer.parent_hash);
        let Some((_, parent)) = parent else {
            return Err(HeaderError::Ommers("one does not stand on an ancestor of the last seven generations"));
        };
        validate_header(schedule, &parent.header, ommer)?;
        known.push(hash);
    }
    Ok(())
}
