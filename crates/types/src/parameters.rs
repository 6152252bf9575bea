//! The constants of one L2 chain that decide what its blocks are.
//!
//! They are fixed at genesis and part of the chain file. What L1 enforces (delays, bonds, windows) is in
//! `surety_contracts::parameters`.
//!
//! The program (`surety_stf::program`) is told them by their hash, `keccak256(abi.encode(keccak256("Surety.Parameters.v1"),
//! rollup, genesisTime, genesisHash, blockTime, gasLimit, baseFeeDenominator, baseFeeElasticity, minBaseFee,
//! l1BaseFeeScalar, l1BlobBaseFeeScalar, daFootprintGasScalar))`: 12 words, in the order of [`ChainParameters`].

use crate::{Gas, Milliseconds, RollupId, Seconds};
use alloc::vec::Vec;
use alloy_primitives::{B256, Bytes, U256, keccak256};
use alloy_sol_types::SolValue;

/// What the preimage of the hash begins with, hashed.
const TAG: &str = "Surety.Parameters.v1";

/// The greatest gas limit of a block: above it a block could cost more steps than a dispute holds (`surety_stf::meter`, and
/// `MAX_BLOCK_GAS_LIMIT` in `Parameters.sol`).
pub const MAX_BLOCK_GAS_LIMIT: Gas = Gas::new(50_000_000);

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
        let mut bytes = Vec::with_capacity(17);
        bytes.push(1);
        bytes.extend_from_slice(&self.base_fee_denominator.to_be_bytes());
        bytes.extend_from_slice(&self.base_fee_elasticity.to_be_bytes());
        bytes.extend_from_slice(&self.min_base_fee.to_be_bytes());
        bytes.into()
    }

    /// What the program is told: keccak256 of [`Self::to_preimage`].
    pub fn hash(&self) -> B256 {
        keccak256(self.to_preimage())
    }

    /// The 384 bytes whose hash is [`Self::hash`].
    pub fn to_preimage(&self) -> Vec<u8> {
        (
            keccak256(TAG),
            U256::from(self.rollup.get()),
            U256::from(self.genesis_time.get()),
            self.genesis_hash,
            U256::from(self.block_time.get()),
            U256::from(self.gas_limit.get()),
            self.base_fee_denominator,
            self.base_fee_elasticity,
            self.min_base_fee,
            self.l1_base_fee_scalar,
            self.l1_blob_base_fee_scalar,
            self.da_footprint_gas_scalar,
        )
            .abi_encode()
    }

    /// The parameters that have these bytes as their preimage; `None` for any other bytes.
    pub fn from_preimage(bytes: &[u8]) -> Option<Self> {
        type Words = (B256, u64, u64, B256, u64, u64, u32, u32, u64, u32, u32, u16);
        let (_, rollup, time, genesis_hash, block_time, gas_limit, denominator, elasticity, min, l1, blob, footprint) =
            Words::abi_decode(bytes).ok()?;
        let parameters = Self {
            rollup: RollupId::new(rollup),
            genesis_time: Seconds::new(time),
            genesis_hash,
            block_time: Milliseconds::new(block_time),
            gas_limit: Gas::new(gas_limit),
            base_fee_denominator: denominator,
            base_fee_elasticity: elasticity,
            min_base_fee: min,
            l1_base_fee_scalar: l1,
            l1_blob_base_fee_scalar: blob,
            da_footprint_gas_scalar: footprint,
        };
        (parameters.to_preimage() == bytes).then_some(parameters)
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
