//! One transaction in a row: tag, fields without the signature; the signature stands apart.

use super::{DecodeError, EncodeError, reader::Reader};
use alloc::vec::Vec;
use alloy_consensus::{
    Signed, Transaction as _, TxEip1559, TxEip2930, TxEip7702, TxLegacy,
    transaction::{RlpEcdsaDecodableTx, RlpEcdsaEncodableTx},
};
use alloy_primitives::{Signature, U256};
use surety_types::{RollupId, Transaction};

const PARITY: u8 = 1 << 3;
const PROTECTED: u8 = 1 << 4;
/// Bytes of a signature.
pub(super) const SIGNATURE_BYTES: usize = 64;

/// The fields of a transaction, until its signature is read.
pub(super) enum Unsigned {
    Legacy(TxLegacy),
    Eip2930(TxEip2930),
    Eip1559(TxEip1559),
    Eip7702(TxEip7702),
}

/// Reads tag and fields; gives the parity of the signature too.
pub(super) fn decode(rollup: RollupId, reader: &mut Reader<'_>) -> Result<(Unsigned, bool), DecodeError> {
    let tag = reader.byte()?;
    let parity = tag & PARITY != 0;
    let protected = tag & PROTECTED != 0;
    let rlp = |_| DecodeError::Transaction;
    let rest = reader.rest_mut();
    let transaction = match tag & !PARITY {
        0 => Unsigned::Legacy(TxLegacy::rlp_decode(rest).map_err(rlp)?),
        PROTECTED => {
            Unsigned::Legacy(TxLegacy { chain_id: Some(rollup.get()), ..TxLegacy::rlp_decode(rest).map_err(rlp)? })
        }
        1 => Unsigned::Eip2930(TxEip2930::rlp_decode(rest).map_err(rlp)?),
        2 => Unsigned::Eip1559(TxEip1559::rlp_decode(rest).map_err(rlp)?),
        4 => Unsigned::Eip7702(TxEip7702::rlp_decode(rest).map_err(rlp)?),
        _ => return Err(DecodeError::Tag(tag)),
    };
    let chain = match &transaction {
        Unsigned::Legacy(tx) => tx.chain_id(),
        Unsigned::Eip2930(tx) => tx.chain_id(),
        Unsigned::Eip1559(tx) => tx.chain_id(),
        Unsigned::Eip7702(tx) => tx.chain_id(),
    };
    let is_plain_legacy = matches!(transaction, Unsigned::Legacy(_)) && !protected;
    if is_plain_legacy || chain == Some(rollup.get()) { Ok((transaction, parity)) } else { Err(DecodeError::Chain) }
}

/// Reads a signature and puts it to its transaction.
pub(super) fn sign(transaction: Unsigned, parity: bool, reader: &mut Reader<'_>) -> Result<Transaction, DecodeError> {
    let r = U256::from_be_bytes(reader.array::<32>()?);
    let s = U256::from_be_bytes(reader.array::<32>()?);
    let signature = Signature::new(r, s, parity);
    Ok(match transaction {
        Unsigned::Legacy(tx) => Transaction::Legacy(Signed::new_unhashed(tx, signature)),
        Unsigned::Eip2930(tx) => Transaction::Eip2930(Signed::new_unhashed(tx, signature)),
        Unsigned::Eip1559(tx) => Transaction::Eip1559(Signed::new_unhashed(tx, signature)),
        Unsigned::Eip7702(tx) => Transaction::Eip7702(Signed::new_unhashed(tx, signature)),
    })
}

/// Appends a transaction to the rows and its signature to the signatures.
pub(super) fn encode(
    rollup: RollupId,
    transaction: &Transaction,
    rows: &mut Vec<u8>,
    signatures: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    match transaction {
        Transaction::Legacy(tx) => match tx.tx().chain_id {
            None => put(0, tx.tx(), tx.signature(), rows, signatures),
            Some(chain) if chain == rollup.get() => put(PROTECTED, tx.tx(), tx.signature(), rows, signatures),
            Some(_) => return Err(EncodeError::Chain),
        },
        Transaction::Eip2930(tx) if tx.tx().chain_id == rollup.get() => {
            put(1, tx.tx(), tx.signature(), rows, signatures);
        }
        Transaction::Eip1559(tx) if tx.tx().chain_id == rollup.get() => {
            put(2, tx.tx(), tx.signature(), rows, signatures);
        }
        Transaction::Eip7702(tx) if tx.tx().chain_id == rollup.get() => {
            put(4, tx.tx(), tx.signature(), rows, signatures);
        }
        Transaction::Eip4844(_) | Transaction::Deposit(_) => return Err(EncodeError::Type),
        _ => return Err(EncodeError::Chain),
    }
    Ok(())
}

fn put(tag: u8, tx: &impl RlpEcdsaEncodableTx, signature: &Signature, rows: &mut Vec<u8>, signatures: &mut Vec<u8>) {
    rows.push(if signature.v() { tag | PARITY } else { tag });
    tx.rlp_encode(rows);
    signatures.extend_from_slice(&signature.r().to_be_bytes::<32>());
    signatures.extend_from_slice(&signature.s().to_be_bytes::<32>());
}
