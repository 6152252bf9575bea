//! The L1 data fee of an L2 transaction, as receipts show it.
//!
//! A block's first transaction is the system transaction, whose packed input says what the block knows of L1 (OP's
//! Jovian layout). The fee itself is `op-revm`'s function, the one that execution charges.

use alloy_consensus::Transaction as _;
use alloy_eips::Encodable2718;
use alloy_primitives::{U64, U256};
use op_revm::{L1BlockInfo, OpSpecId};
use serde::Serialize;
use surety_types::{Transaction, predeploys};

/// What the system transaction said of L1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct L1Attributes {
    base_fee_scalar: u32,
    blob_base_fee_scalar: u32,
    base_fee: U256,
    blob_base_fee: U256,
    operator_fee_scalar: u32,
    operator_fee_constant: u64,
    da_footprint_gas_scalar: u16,
}

impl L1Attributes {
    /// Reads the system transaction of a block; `None` if `tx` is not one.
    pub(crate) fn of(tx: &Transaction) -> Option<Self> {
        let deposit = tx.as_deposit()?;
        if deposit.from != predeploys::DEPOSITOR || deposit.to.to() != Some(&predeploys::L1_BLOCK) {
            return None;
        }
        let input = deposit.input();
        Some(Self {
            base_fee_scalar: u32::from_be_bytes(field(input, 4)?),
            blob_base_fee_scalar: u32::from_be_bytes(field(input, 8)?),
            base_fee: U256::from_be_bytes(field::<32>(input, 36)?),
            blob_base_fee: U256::from_be_bytes(field::<32>(input, 68)?),
            operator_fee_scalar: u32::from_be_bytes(field(input, 164)?),
            operator_fee_constant: u64::from_be_bytes(field(input, 168)?),
            da_footprint_gas_scalar: u16::from_be_bytes(field(input, 176)?),
        })
    }

    /// The state that `op-revm` computes fees from.
    fn info(&self) -> L1BlockInfo {
        L1BlockInfo {
            l1_base_fee: self.base_fee,
            l1_base_fee_scalar: U256::from(self.base_fee_scalar),
            l1_blob_base_fee: Some(self.blob_base_fee),
            l1_blob_base_fee_scalar: Some(U256::from(self.blob_base_fee_scalar)),
            operator_fee_scalar: Some(U256::from(self.operator_fee_scalar)),
            operator_fee_constant: Some(U256::from(self.operator_fee_constant)),
            da_footprint_gas_scalar: Some(self.da_footprint_gas_scalar),
            ..L1BlockInfo::default()
        }
    }
}

fn field<const N: usize>(input: &[u8], at: usize) -> Option<[u8; N]> {
    input.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// The OP Stack's fields of an ordinary receipt.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct L1Fees {
    l1_gas_price: U256,
    l1_gas_used: U256,
    l1_fee: U256,
    l1_blob_base_fee: U256,
    l1_base_fee_scalar: U64,
    l1_blob_base_fee_scalar: U64,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator_fee_scalar: Option<U64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator_fee_constant: Option<U64>,
    da_footprint_gas_scalar: U64,
    /// Jovian: shown as the receipt's `blobGasUsed`.
    #[serde(skip)]
    pub(crate) da_footprint: u64,
}

impl L1Fees {
    /// The fees of a signed transaction in a block with these attributes.
    pub(crate) fn of(attributes: &L1Attributes, tx: &Transaction) -> Self {
        let bytes = tx.encoded_2718();
        let mut info = attributes.info();
        let size = op_revm::estimate_tx_compressed_size(&bytes).wrapping_div(1_000_000);
        let operator = attributes.operator_fee_scalar != 0 || attributes.operator_fee_constant != 0;
        Self {
            l1_gas_price: attributes.base_fee,
            l1_gas_used: info.data_gas(&bytes, OpSpecId::KARST),
            l1_fee: info.calculate_tx_l1_cost(&bytes, OpSpecId::KARST),
            l1_blob_base_fee: attributes.blob_base_fee,
            l1_base_fee_scalar: U64::from(attributes.base_fee_scalar),
            l1_blob_base_fee_scalar: U64::from(attributes.blob_base_fee_scalar),
            operator_fee_scalar: operator.then(|| U64::from(attributes.operator_fee_scalar)),
            operator_fee_constant: operator.then(|| U64::from(attributes.operator_fee_constant)),
            da_footprint_gas_scalar: U64::from(attributes.da_footprint_gas_scalar),
            da_footprint: size.saturating_mul(u64::from(attributes.da_footprint_gas_scalar)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::{SignableTransaction, TxEip1559};
    use alloy_primitives::{Address, B256, Signature, TxKind};
    use op_alloy_consensus::TxDeposit;

    fn system_transaction(input: Vec<u8>) -> Transaction {
        TxDeposit {
            source_hash: B256::ZERO,
            from: predeploys::DEPOSITOR,
            to: TxKind::Call(predeploys::L1_BLOCK),
            mint: 0,
            value: U256::ZERO,
            gas_limit: 1_000_000,
            is_system_transaction: false,
            input: input.into(),
        }
        .into()
    }

    fn input() -> Vec<u8> {
        let mut bytes = vec![0; 218];
        bytes[4..8].copy_from_slice(&1000u32.to_be_bytes());
        bytes[8..12].copy_from_slice(&2000u32.to_be_bytes());
        bytes[60..68].copy_from_slice(&7_000_000_000u64.to_be_bytes());
        bytes[92..100].copy_from_slice(&3_000_000u64.to_be_bytes());
        bytes[176..178].copy_from_slice(&400u16.to_be_bytes());
        bytes
    }

    #[test]
    fn the_fee_is_fjords_formula_over_the_system_transactions_numbers() {
        let attributes = L1Attributes::of(&system_transaction(input())).unwrap();
        let tx = TxEip1559 { chain_id: 1, to: TxKind::Call(Address::ZERO), ..TxEip1559::default() };
        let tx = Transaction::Eip1559(tx.into_signed(Signature::test_signature()));
        let fees = L1Fees::of(&attributes, &tx);
        // A short transaction counts as Fjord's least size: 100 bytes.
        let per_byte = 1000u128 * 16 * 7_000_000_000 + 2000 * 3_000_000;
        assert_eq!(fees.l1_fee, U256::from(100_000_000u128 * per_byte / 1_000_000_000_000));
        assert_eq!(fees.l1_gas_used, U256::from(1600));
        assert_eq!(fees.da_footprint, 100 * 400);
        assert_eq!(fees.l1_gas_price, U256::from(7_000_000_000u64));
        assert!(fees.operator_fee_scalar.is_none());
    }

    #[test]
    fn only_a_whole_system_transaction_has_attributes() {
        assert_eq!(L1Attributes::of(&system_transaction(input()[..100].to_vec())), None);
        let Transaction::Deposit(deposit) = system_transaction(input()) else { unreachable!() };
        let other = TxDeposit { from: Address::ZERO, ..deposit.inner().clone() };
        assert_eq!(L1Attributes::of(&other.into()), None);
    }
}
