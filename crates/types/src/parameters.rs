//! The constants of one L2 chain that decide what its blocks are.
//!
//! They are fixed at genesis and part of the chain file. What L1 enforces (delays, bonds, windows) is in
//! `surety_contracts::parameters`.

use crate::{Gas, Milliseconds, RollupId, Seconds};
use alloy_primitives::{B256, Bytes};

/// Constants of the state transition.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct ChainParameters {
    /// EIP-155 chain id, which is also the rollup's identity in signed structs.
    pub rollup: RollupId,
    /// Time of the genesis block.
    pub genesis_time: Seconds,
    /// Hash of the genesis block.
    pub genesis_hash: B256,
    /// The least time between two blocks.
    pub block_time: Milliseconds,
    /// Gas limit of every block.
    pub gas_limit: Gas,
    /// EIP-1559: base fee changes by at most 1/denominator a block.
    pub base_fee_denominator: u32,
    /// EIP-1559: target = gas limit / elasticity.
    pub base_fee_elasticity: u32,
    /// The base fee never falls below this, in wei per gas (OP's Jovian rule).
    pub min_base_fee: u64,
    /// Weight of the L1 base fee in the L1 data fee, in millionths (OP's Ecotone rule).
    pub l1_base_fee_scalar: u32,
    /// Weight of the L1 blob base fee in the L1 data fee, in millionths.
    pub l1_blob_base_fee_scalar: u32,
    /// Gas that a byte of estimated data counts against the gas limit (OP's Jovian rule).
    pub da_footprint_gas_scalar: u16,
}

impl ChainParameters {
    /// The `extraData` of every header: OP's Jovian form, `1 ‖ denominator ‖ elasticity ‖ minBaseFee`.
    pub fn extra_data(&self) -> Bytes {
        let mut bytes = alloc::vec::Vec::with_capacity(17);
        bytes.push(1);
        bytes.extend_from_slice(&self.base_fee_denominator.to_be_bytes());
        bytes.extend_from_slice(&self.base_fee_elasticity.to_be_bytes());
        bytes.extend_from_slice(&self.min_base_fee.to_be_bytes());
        bytes.into()
    }

    /// Gas that messages may take of one block when the inbox counts capacity: a quarter of the limit.
    pub const fn message_gas_per_block(&self) -> Gas {
        Gas::new(self.gas_limit.get() / 4)
    }

    /// Gas that default blocks give to messages: half of the limit.
    pub const fn default_block_message_gas(&self) -> Gas {
        Gas::new(self.gas_limit.get() / 2)
    }
}
