//! Receipts of both chains.
//!
//! One struct holds what Ethereum's receipts of every fork and the OP Stack's deposit receipts hold. The encodings are
//! theirs: EIP-2718 prefix (none for legacy), then the RLP list `[status or post state, cumulative gas, bloom, logs]`,
//! for deposits with `deposit nonce` and `receipt version` behind it (OP specification, Regolith and Canyon).

use alloc::vec::Vec;
use alloy_consensus::{Eip658Value, TxReceipt};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Bloom, Log, logs_bloom};
use alloy_rlp::{BufMut, Decodable, Encodable, Header};

/// The type byte of a deposit.
pub const DEPOSIT_TYPE: u8 = 0x7e;

/// What a transaction left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Receipt {
    /// EIP-2718 type of the transaction (0 for legacy).
    pub transaction_type: u8,
    /// Success, or before Byzantium the state root after the transaction.
    pub status: Eip658Value,
    /// Gas used in the block up to and with this transaction.
    pub cumulative_gas_used: u64,
    /// Logs in order.
    pub logs: Vec<Log>,
    /// Deposits only: the sender's nonce before the transaction.
    pub deposit_nonce: Option<u64>,
    /// Deposits only: the receipt's version (1 since Canyon).
    pub deposit_receipt_version: Option<u64>,
}

impl Receipt {
    /// Whether the transaction succeeded (a pre-Byzantium receipt does not know and says yes).
    pub const fn success(&self) -> bool {
        self.status.coerce_status()
    }

    /// The bloom filter of the logs.
    pub fn bloom(&self) -> Bloom {
        logs_bloom(&self.logs)
    }

    fn payload_length(&self, bloom: &Bloom) -> usize {
        [
            self.status.length(),
            self.cumulative_gas_used.length(),
            bloom.length(),
            self.logs.length(),
            self.deposit_nonce.map_or(0, |n| n.length()),
            self.deposit_receipt_version.map_or(0, |n| n.length()),
        ]
        .into_iter()
        .fold(0, usize::saturating_add)
    }

    fn encode_list(&self, out: &mut dyn BufMut) {
        let bloom = self.bloom();
        Header { list: true, payload_length: self.payload_length(&bloom) }.encode(out);
        self.status.encode(out);
        self.cumulative_gas_used.encode(out);
        bloom.encode(out);
        self.logs.encode(out);
        if let Some(nonce) = self.deposit_nonce {
            nonce.encode(out);
        }
        if let Some(version) = self.deposit_receipt_version {
            version.encode(out);
        }
    }

    /// Decodes what [`Encodable2718::encode_2718`] wrote. The bloom is checked against the logs.
    ///
    /// # Errors
    /// Any encoding that this type would not produce.
    pub fn decode_2718_exact(mut bytes: &[u8]) -> alloy_rlp::Result<Self> {
        let buf = &mut bytes;
        let transaction_type = match buf.first() {
            Some(&t @ 1..=0x7f) => {
                let _ = buf.split_off_first();
                t
            }
            Some(0xc0..) => 0,
            Some(_) => return Err(alloy_rlp::Error::Custom("neither a type byte nor a list")),
            None => return Err(alloy_rlp::Error::InputTooShort),
        };
        let mut list = Header::decode_bytes(buf, true)?;
        if !buf.is_empty() {
            return Err(alloy_rlp::Error::UnexpectedLength);
        }
        let list = &mut list;
        let status = Eip658Value::decode(list)?;
        let cumulative_gas_used = u64::decode(list)?;
        let bloom = Bloom::decode(list)?;
        let logs = Vec::<Log>::decode(list)?;
        let deposit = transaction_type == DEPOSIT_TYPE;
        let deposit_nonce = (deposit && !list.is_empty()).then(|| u64::decode(list)).transpose()?;
        let deposit_receipt_version = (deposit && !list.is_empty()).then(|| u64::decode(list)).transpose()?;
        if !list.is_empty() {
            return Err(alloy_rlp::Error::UnexpectedLength);
        }
        let receipt =
            Self { transaction_type, status, cumulative_gas_used, logs, deposit_nonce, deposit_receipt_version };
        if receipt.bloom() != bloom {
            return Err(alloy_rlp::Error::Custom("the bloom does not belong to the logs"));
        }
        Ok(receipt)
    }
}

impl TxReceipt for Receipt {
    type Log = Log;

    fn status_or_post_state(&self) -> Eip658Value {
        self.status
    }
    fn status(&self) -> bool {
        self.success()
    }
    fn bloom(&self) -> Bloom {
        Self::bloom(self)
    }
    fn cumulative_gas_used(&self) -> u64 {
        self.cumulative_gas_used
    }
    fn logs(&self) -> &[Log] {
        &self.logs
    }
    fn into_logs(self) -> Vec<Log> {
        self.logs
    }
}

impl alloy_eips::Typed2718 for Receipt {
    fn ty(&self) -> u8 {
        self.transaction_type
    }
}

impl Encodable2718 for Receipt {
    fn encode_2718_len(&self) -> usize {
        let payload_length = self.payload_length(&self.bloom());
        Header { list: true, payload_length }
            .length()
            .saturating_add(payload_length)
            .saturating_add(usize::from(self.transaction_type != 0))
    }

    fn encode_2718(&self, out: &mut dyn BufMut) {
        if self.transaction_type != 0 {
            out.put_u8(self.transaction_type);
        }
        self.encode_list(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Address, B256, Bytes};
    use proptest::prelude::*;

    fn logs() -> impl Strategy<Value = Vec<Log>> {
        let log = (any::<[u8; 20]>(), proptest::collection::vec(any::<[u8; 32]>(), 0..4), any::<Vec<u8>>());
        proptest::collection::vec(
            log.prop_map(|(address, topics, data)| {
                Log::new_unchecked(
                    Address::from(address),
                    topics.into_iter().map(B256::from).collect(),
                    Bytes::from(data),
                )
            }),
            0..4,
        )
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(kind in prop::sample::select(vec![0u8, 1, 2, 3, 4, 0x7e]), ok: bool, gas: u64, logs in logs(), nonce: u64) {
            let deposit = kind == DEPOSIT_TYPE;
            let receipt = Receipt {
                transaction_type: kind,
                status: Eip658Value::Eip658(ok),
                cumulative_gas_used: gas,
                logs,
                deposit_nonce: deposit.then_some(nonce),
                deposit_receipt_version: deposit.then_some(1),
            };
            let bytes = receipt.encoded_2718();
            prop_assert_eq!(bytes.len(), receipt.encode_2718_len());
            prop_assert_eq!(Receipt::decode_2718_exact(&bytes).unwrap(), receipt);
        }

        #[test]
        fn arbitrary_bytes_are_decoded_or_refused(bytes: Vec<u8>) {
            if let Ok(receipt) = Receipt::decode_2718_exact(&bytes) {
                prop_assert_eq!(receipt.encoded_2718(), bytes);
            }
        }
    }
}
