//! Messages from L1: the one way in (protocol §4, §15.4).
//!
//! The inbox numbers messages from 0 and chains them: `acc' = keccak256(abi.encode(acc, messageHash))`, `acc₀ = 0`,
//! `messageHash = keccak256(abi.encode(kind, index, l1Block, l1Time, sender, to, value, mint, gas, keccak256(data)))`.
//! Each becomes one L2 deposit transaction (type 0x7E) with
//! `sourceHash = keccak256(abi.encode(uint256(2), messageHash))`.

use crate::{Gas, L1Height, MessageIndex, Seconds, Transaction, predeploys};
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use alloy_sol_types::{SolCall, SolValue, sol};
use op_alloy_consensus::TxDeposit;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
#[repr(u8)]
pub enum MessageKind {
    /// A deposit or call through the bridge; alone may mint.
    Deposit = 0,
    /// A transaction forced through L1 by its sender.
    Forced = 1,
    /// What L2 learns of L1; appended by the inbox itself.
    L1Info = 2,
}

impl TryFrom<u8> for MessageKind {
    type Error = UnknownKind;

    fn try_from(kind: u8) -> Result<Self, UnknownKind> {
        match kind {
            0 => Ok(Self::Deposit),
            1 => Ok(Self::Forced),
            2 => Ok(Self::L1Info),
            other => Err(UnknownKind(other)),
        }
    }
}

/// A kind that this version does not know: the inbox is not the one that this software belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown message kind {0}: upgrade this software, or check the inbox address")]
pub struct UnknownKind(pub u8);

/// A message as the inbox took it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Message {
    /// What it is.
    pub kind: MessageKind,
    /// Its place.
    pub index: MessageIndex,
    /// The L1 block that took it.
    pub l1_block: L1Height,
    /// That block's time.
    pub l1_time: Seconds,
    /// Who sends on L2; a contract's address is already aliased.
    pub sender: Address,
    /// Whom it calls; never the zero address.
    pub to: Address,
    /// Wei sent along on L2.
    pub value: U256,
    /// Wei that L2 creates for the sender first, backed by what the bridge took.
    pub mint: U256,
    /// Gas limit on L2, bought on L1.
    pub gas: Gas,
    /// Call data.
    pub data: Bytes,
}

impl Message {
    /// The hash that the accumulator takes up: keccak256 of [`Self::to_preimage`].
    pub fn hash(&self) -> B256 {
        keccak256(self.to_preimage())
    }

    /// The 320 bytes whose hash is [`Self::hash`].
    pub fn to_preimage(&self) -> Vec<u8> {
        (
            U256::from(self.kind as u8),
            U256::from(self.index.get()),
            U256::from(self.l1_block.get()),
            U256::from(self.l1_time.get()),
            self.sender,
            self.to,
            self.value,
            self.mint,
            U256::from(self.gas.get()),
            keccak256(&self.data),
        )
            .abi_encode()
    }

    /// The message that has these bytes as its preimage, its data not read yet, and their keccak256; `None` for any other
    /// bytes.
    pub fn from_preimage(bytes: &[u8]) -> Option<(Self, B256)> {
        type Words = (u16, u64, u64, u64, Address, Address, U256, U256, u64, B256);
        let words = Words::abi_decode_validate(bytes).ok().filter(|words| words.abi_encode() == bytes)?;
        let (kind, index, l1_block, l1_time, sender, to, value, mint, gas, data_hash) = words;
        let message = Self {
            kind: u8::try_from(kind).ok()?.try_into().ok()?,
            index: MessageIndex::new(index),
            l1_block: L1Height::new(l1_block),
            l1_time: Seconds::new(l1_time),
            sender,
            to,
            value,
            mint,
            gas: Gas::new(gas),
            data: Bytes::new(),
        };
        Some((message, data_hash))
    }

    /// The accumulator after this message.
    pub fn accumulate(&self, acc: B256) -> B256 {
        accumulate(acc, self.hash())
    }

    /// The L2 transaction that this message is. A mint beyond 128 bits (more ether than exists) is cut to the maximum.
    pub fn to_transaction(&self) -> Transaction {
        TxDeposit {
            source_hash: source_hash(2, self.hash()),
            from: self.sender,
            to: TxKind::Call(self.to),
            mint: self.mint.saturating_to(),
            value: self.value,
            gas_limit: self.gas.get(),
            is_system_transaction: false,
            input: self.data.clone(),
        }
        .into()
    }

    /// What this message tells of L1, if it is an [`MessageKind::L1Info`] with the data that the inbox writes.
    pub fn l1_info(&self) -> Option<L1Info> {
        if self.kind != MessageKind::L1Info {
            return None;
        }
        L1Info::decode(&self.data)
    }
}

/// The accumulator after a message with this hash.
pub fn accumulate(acc: B256, message_hash: B256) -> B256 {
    keccak256((acc, message_hash).abi_encode())
}

/// The source hash of a deposit: OP's form (domain, hash) with domains 1 (system) and 2 (inbox).
pub fn source_hash(domain: u64, hash: B256) -> B256 {
    keccak256((U256::from(domain), hash).abi_encode())
}

sol! {
    /// The call that an `L1Info` message makes on L2.
    function reimburse(uint64 number, uint64 time, bytes32 hash, bytes32 prevRandao, uint256 baseFee, uint256 blobBaseFee, address recipient, uint256 amount) external;
}

/// What L2 learns of L1 by one message: the attributes of L2 blocks until the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct L1Info {
    /// The block before the one that wrote this (a block cannot know its own hash).
    pub number: L1Height,
    /// Time of the block that wrote this.
    pub time: Seconds,
    /// Hash of block `number`.
    pub hash: B256,
    /// `PREVRANDAO` of the block that wrote this. Not fit as randomness on L2: its proposer and the poster choose.
    pub prev_randao: B256,
    /// Base fee of the block that wrote this, wei per gas.
    pub base_fee: U256,
    /// Blob base fee of the block that wrote this, wei per blob gas.
    pub blob_base_fee: U256,
    /// Whom L2 repays for posting, from the L1-fee vault.
    pub recipient: Address,
    /// How much, in wei; 0 when nothing was posted.
    pub amount: U256,
}

impl L1Info {
    /// Reads the call data of the message; `None` for anything that the inbox does not write.
    pub fn decode(data: &[u8]) -> Option<Self> {
        let call = reimburseCall::abi_decode(data).ok()?;
        let info = Self {
            number: L1Height::new(call.number),
            time: Seconds::new(call.time),
            hash: call.hash,
            prev_randao: call.prevRandao,
            base_fee: call.baseFee,
            blob_base_fee: call.blobBaseFee,
            recipient: call.recipient,
            amount: call.amount,
        };
        (*info.encode() == *data).then_some(info)
    }

    /// The call data of the message.
    pub fn encode(&self) -> Bytes {
        reimburseCall {
            number: self.number.get(),
            time: self.time.get(),
            hash: self.hash,
            prevRandao: self.prev_randao,
            baseFee: self.base_fee,
            blobBaseFee: self.blob_base_fee,
            recipient: self.recipient,
            amount: self.amount,
        }
        .abi_encode()
        .into()
    }

    /// The message that carries this, at its place in the inbox.
    pub fn to_message(&self, index: MessageIndex, l1_block: L1Height) -> Message {
        Message {
            kind: MessageKind::L1Info,
            index,
            l1_block,
            l1_time: self.time,
            sender: predeploys::DEPOSITOR,
            to: predeploys::L1_FEE_VAULT,
            value: U256::ZERO,
            mint: U256::ZERO,
            gas: L1_INFO_GAS,
            data: self.encode(),
        }
    }
}

/// Gas limit of an `L1Info` message.
pub const L1_INFO_GAS: Gas = Gas::new(100_000);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn l1_info_survives_its_message(number: u64, time: u64, hash: [u8; 32], fee: [u8; 32], amount: u128) {
            let info = L1Info {
                number: L1Height::new(number), time: Seconds::new(time), hash: hash.into(), prev_randao: fee.into(),
                base_fee: U256::from_be_bytes(fee), blob_base_fee: U256::from(amount), recipient: Address::repeat_byte(7),
                amount: U256::from(amount),
            };
            let message = info.to_message(MessageIndex::new(1), L1Height::new(number));
            prop_assert_eq!(message.l1_info(), Some(info));
        }

        #[test]
        fn other_data_is_no_l1_info(data: Vec<u8>) {
            prop_assert_eq!(L1Info::decode(&data), None);
        }
    }
}
