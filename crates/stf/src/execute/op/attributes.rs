//! What L2 knows of L1 and of the inbox: the contract `L1Block`, and the system transaction that writes it.
//!
//! Storage of `L1Block` (slots 0 to 8 are OP's, Jovian layout; numbers count bytes from the low end):
//!
//! | slot | holds |
//! |---|---|
//! | 0 | 0–7 number, 8–15 timestamp |
//! | 1 | base fee |
//! | 2 | hash |
//! | 3 | 0–7 sequence number, 8–11 blob base fee scalar, 12–15 base fee scalar |
//! | 4, 5, 6 | batcher hash, overhead, scalar: zero |
//! | 7 | blob base fee |
//! | 8 | 0–7 operator fee constant, 8–11 operator fee scalar, 12–13 data footprint gas scalar |
//! | 9 | messages consumed |
//! | 10 | accumulator of the messages consumed |
//!
//! The system transaction's call data, packed, big endian: selector of `setL1BlockValuesSurety()` ‖ baseFeeScalar u32 ‖
//! blobBaseFeeScalar u32 ‖ sequenceNumber u64 ‖ time u64 ‖ number u64 ‖ baseFee u256 ‖ blobBaseFee u256 ‖ hash ‖
//! batcherHash (0) ‖ operatorFeeScalar u32 (0) ‖ operatorFeeConstant u64 (0) ‖ daFootprintGasScalar u16 ‖
//! messageCount u64 ‖ messageAcc.

use crate::StateReader;
use alloc::vec::Vec;
use alloy_primitives::{B256, TxKind, U256, keccak256};
use op_alloy_consensus::TxDeposit;
use surety_types::{ChainParameters, L1Height, Message, MessageIndex, Seconds, Transaction, message, predeploys};

/// Gas limit of the system transaction.
pub const SYSTEM_TRANSACTION_GAS: u64 = 1_000_000;

/// What `L1Block` holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct L1Attributes {
    /// The L1 block before the one that wrote the last `L1Info`.
    pub number: L1Height,
    /// Time of the L1 block that wrote it.
    pub time: Seconds,
    /// Hash of block `number`.
    pub hash: B256,
    /// L1 base fee, wei per gas.
    pub base_fee: U256,
    /// L1 blob base fee, wei per blob gas.
    pub blob_base_fee: U256,
    /// L2 blocks since the attributes last changed.
    pub sequence_number: u64,
    /// Messages consumed by L2, all blocks together.
    pub message_count: MessageIndex,
    /// The inbox accumulator after them.
    pub message_acc: B256,
}

/// The low 64 bits of a slot, from byte `offset` (low end) on.
fn low_u64(slot: U256, offset: usize) -> u64 {
    slot.wrapping_shr(offset.saturating_mul(8)).wrapping_to::<u64>()
}

impl L1Attributes {
    /// Reads them from a state.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn read<R: StateReader>(reader: &R) -> Result<Self, R::Error> {
        let slot = |n: u64| reader.storage(predeploys::L1_BLOCK, U256::from(n));
        let packed = slot(0)?;
        Ok(Self {
            number: L1Height::new(low_u64(packed, 0)),
            time: Seconds::new(low_u64(packed, 8)),
            hash: slot(2)?.into(),
            base_fee: slot(1)?,
            blob_base_fee: slot(7)?,
            sequence_number: low_u64(slot(3)?, 0),
            message_count: MessageIndex::new(low_u64(slot(9)?, 0)),
            message_acc: slot(10)?.into(),
        })
    }

    /// The attributes of the next block, which consumes `messages`: those of the last `L1Info` among them with sequence
    /// number 0, else the old ones with the next sequence number; and the position after the messages.
    #[must_use]
    pub fn after(self, messages: &[Message]) -> Self {
        let mut next = Self { sequence_number: self.sequence_number.saturating_add(1), ..self };
        for message in messages {
            next.message_count = next.message_count.next();
            next.message_acc = message.accumulate(next.message_acc);
            if let Some(info) = message.l1_info() {
                next.number = info.number;
                next.time = info.time;
                next.hash = info.hash;
                next.base_fee = info.base_fee;
                next.blob_base_fee = info.blob_base_fee;
                next.sequence_number = 0;
            }
        }
        next
    }

    /// The system transaction's call data.
    pub fn call_data(&self, parameters: &ChainParameters) -> Vec<u8> {
        let selector = keccak256("setL1BlockValuesSurety()");
        let mut data = Vec::with_capacity(218);
        data.extend(selector.iter().take(4));
        data.extend(parameters.l1_base_fee_scalar.to_be_bytes());
        data.extend(parameters.l1_blob_base_fee_scalar.to_be_bytes());
        data.extend(self.sequence_number.to_be_bytes());
        data.extend(self.time.get().to_be_bytes());
        data.extend(self.number.get().to_be_bytes());
        data.extend(self.base_fee.to_be_bytes::<32>());
        data.extend(self.blob_base_fee.to_be_bytes::<32>());
        data.extend(self.hash);
        data.extend(B256::ZERO);
        data.extend(0u32.to_be_bytes());
        data.extend(0u64.to_be_bytes());
        data.extend(parameters.da_footprint_gas_scalar.to_be_bytes());
        data.extend(self.message_count.get().to_be_bytes());
        data.extend(self.message_acc);
        data
    }
}

/// The first transaction of the block on this parent.
pub fn system_transaction(parameters: &ChainParameters, parent_hash: B256, attributes: &L1Attributes) -> Transaction {
    TxDeposit {
        source_hash: message::source_hash(1, parent_hash),
        from: predeploys::DEPOSITOR,
        to: TxKind::Call(predeploys::L1_BLOCK),
        mint: 0,
        value: U256::ZERO,
        gas_limit: SYSTEM_TRANSACTION_GAS,
        is_system_transaction: false,
        input: attributes.call_data(parameters).into(),
    }
    .into()
}
