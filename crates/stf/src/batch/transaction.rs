//! Between a transaction and the fields that the layout stores; the signature stands apart.

use super::{
    DecodeError, EncodeError,
    walk::{Fields, PARITY, PROTECTED},
};
use alloc::vec::Vec;
use alloy_consensus::{Signed, TxEip1559, TxEip2930, TxEip7702, TxLegacy};
use alloy_eips::{eip2930::AccessList, eip7702::SignedAuthorization};
use alloy_primitives::{Signature, TxKind, U256};
use alloy_rlp::{Decodable, Encodable};
use surety_types::{RollupId, Transaction};

/// Bytes of a signature.
pub(super) const SIGNATURE_BYTES: usize = 64;

fn list<T: Encodable>(items: &T, is_empty: bool) -> Vec<u8> {
    let mut out = Vec::new();
    if !is_empty {
        items.encode(&mut out);
    }
    out
}

fn unlist<T: Decodable + Default>(mut rlp: &[u8]) -> Result<T, DecodeError> {
    if rlp.is_empty() {
        return Ok(T::default());
    }
    let items = T::decode(&mut rlp).map_err(|_| DecodeError::Transaction)?;
    if rlp.is_empty() { Ok(items) } else { Err(DecodeError::Transaction) }
}

/// The fields of a transaction that a list may hold.
///
/// # Errors
/// [`EncodeError::Chain`] or [`EncodeError::Type`].
pub(super) fn fields(rollup: RollupId, transaction: &Transaction) -> Result<Fields, EncodeError> {
    let parity = signature(transaction).is_some_and(Signature::v);
    let mut fields = match transaction {
        Transaction::Legacy(tx) => {
            let tx = tx.tx();
            let kind = match tx.chain_id {
                None => 0,
                Some(chain) if chain == rollup.get() => PROTECTED,
                Some(_) => return Err(EncodeError::Chain),
            };
            Fields {
                kind,
                to: tx.to.to().copied(),
                input: tx.input.to_vec(),
                gas: tx.gas_limit,
                fee: tx.gas_price,
                nonce: tx.nonce,
                value: tx.value.to_be_bytes(),
                ..Fields::default()
            }
        }
        Transaction::Eip2930(tx) if tx.tx().chain_id == rollup.get() => {
            let tx = tx.tx();
            Fields {
                kind: 1,
                to: tx.to.to().copied(),
                input: tx.input.to_vec(),
                gas: tx.gas_limit,
                fee: tx.gas_price,
                nonce: tx.nonce,
                value: tx.value.to_be_bytes(),
                access_list: list(&tx.access_list, tx.access_list.is_empty()),
                ..Fields::default()
            }
        }
        Transaction::Eip1559(tx) if tx.tx().chain_id == rollup.get() => {
            let tx = tx.tx();
            Fields {
                kind: 2,
                to: tx.to.to().copied(),
                input: tx.input.to_vec(),
                gas: tx.gas_limit,
                fee: tx.max_fee_per_gas,
                tip: tx.max_priority_fee_per_gas,
                nonce: tx.nonce,
                value: tx.value.to_be_bytes(),
                access_list: list(&tx.access_list, tx.access_list.is_empty()),
                ..Fields::default()
            }
        }
        Transaction::Eip7702(tx) if tx.tx().chain_id == rollup.get() => {
            let tx = tx.tx();
            Fields {
                kind: 4,
                to: Some(tx.to),
                input: tx.input.to_vec(),
                gas: tx.gas_limit,
                fee: tx.max_fee_per_gas,
                tip: tx.max_priority_fee_per_gas,
                nonce: tx.nonce,
                value: tx.value.to_be_bytes(),
                access_list: list(&tx.access_list, tx.access_list.is_empty()),
                authorizations: list(&tx.authorization_list, tx.authorization_list.is_empty()),
            }
        }
        Transaction::Eip4844(_) | Transaction::Deposit(_) => return Err(EncodeError::Type),
        _ => return Err(EncodeError::Chain),
    };
    if parity {
        fields.kind |= PARITY;
    }
    Ok(fields)
}

fn signature(transaction: &Transaction) -> Option<&Signature> {
    match transaction {
        Transaction::Legacy(tx) => Some(tx.signature()),
        Transaction::Eip2930(tx) => Some(tx.signature()),
        Transaction::Eip1559(tx) => Some(tx.signature()),
        Transaction::Eip7702(tx) => Some(tx.signature()),
        _ => None,
    }
}

/// Appends the numbers of a transaction's signature.
pub(super) fn put_signature(transaction: &Transaction, out: &mut Vec<u8>) {
    if let Some(signature) = signature(transaction) {
        out.extend_from_slice(&signature.r().to_be_bytes::<32>());
        out.extend_from_slice(&signature.s().to_be_bytes::<32>());
    }
}

/// The transaction of fields and signature.
///
/// # Errors
/// [`DecodeError::Transaction`] or [`DecodeError::Tag`].
pub(super) fn build(
    rollup: RollupId,
    fields: Fields,
    signature: &[u8; SIGNATURE_BYTES],
) -> Result<Transaction, DecodeError> {
    let Fields { kind, to, input, gas: gas_limit, fee, tip, nonce, value, access_list, authorizations } = fields;
    let signature = Signature::from_bytes_and_parity(signature, kind & PARITY != 0);
    let (chain_id, value, input) = (rollup.get(), U256::from_be_bytes(value), input.into());
    let call = to;
    let to = to.map_or(TxKind::Create, TxKind::Call);
    Ok(match kind & !PARITY {
        0 | PROTECTED => {
            let chain_id = (kind & PROTECTED != 0).then_some(chain_id);
            let tx = TxLegacy { chain_id, nonce, gas_price: fee, gas_limit, to, value, input };
            Transaction::Legacy(Signed::new_unhashed(tx, signature))
        }
        1 => {
            let access_list = unlist::<AccessList>(&access_list)?;
            let tx = TxEip2930 { chain_id, nonce, gas_price: fee, gas_limit, to, value, access_list, input };
            Transaction::Eip2930(Signed::new_unhashed(tx, signature))
        }
        2 => {
            let access_list = unlist::<AccessList>(&access_list)?;
            let (max_fee_per_gas, max_priority_fee_per_gas) = (fee, tip);
            let tx = TxEip1559 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas,
                max_priority_fee_per_gas,
                to,
                value,
                access_list,
                input,
            };
            Transaction::Eip1559(Signed::new_unhashed(tx, signature))
        }
        4 => {
            let access_list = unlist::<AccessList>(&access_list)?;
            let authorization_list = unlist::<Vec<SignedAuthorization>>(&authorizations)?;
            let tx = TxEip7702 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas: fee,
                max_priority_fee_per_gas: tip,
                to: call.ok_or(DecodeError::Transaction)?,
                value,
                access_list,
                authorization_list,
                input,
            };
            Transaction::Eip7702(Signed::new_unhashed(tx, signature))
        }
        _ => return Err(DecodeError::Tag(kind)),
    })
}
