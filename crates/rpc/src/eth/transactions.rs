//! Transactions: looking them up, and sending them.
//!
//! A raw transaction is decoded and its sender recovered here, so that the pool sees well-formed ones only. Type 3 comes
//! in its pooled form (EIP-4844, or EIP-7594 with cell proofs): `0x03 ‖ rlp([transaction, …sidecar])`. Deposits are
//! made by the protocol and refused.

use super::blocks::{by_hash, by_number};
use crate::{
    StoredBlock, Submission, SubmitError,
    context::Rpc,
    error::RpcError,
    history,
    json::{Place, ReceiptJson, TransactionJson},
    params::{Args, Hash, Quantity},
    server::{Answer, Methods, Registered, answer},
};
use alloy_consensus::{
    BlobTransactionSidecarVariant, Signed, TxEip4844, TxEip4844WithSidecar,
    transaction::{RlpEcdsaDecodableTx, SignerRecoverable},
};
use alloy_eips::{BlockId, Decodable2718, Encodable2718};
use alloy_primitives::{B256, Bytes};
use std::{sync::Arc, time::Duration};
use surety_types::{Recovered, Transaction};
use tokio::time::Instant;

/// Longest raw transaction without blobs (geth's `txMaxSize`).
pub(crate) const MAX_RAW: usize = 128 << 10;
/// Longest raw transaction with blobs: EIP-7594's six a transaction, their proofs, and an ordinary transaction's length.
pub(crate) const MAX_RAW_WITH_BLOBS: usize = 6 * (131_072 + 48 + 128 * 48) + MAX_RAW;
/// The longest time that `eth_sendRawTransactionSync` waits.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How long it waits unless told otherwise.
const USUAL_WAIT: Duration = Duration::from_secs(2);

pub(crate) fn register(methods: &mut Methods) -> Registered {
    methods.light("eth_getTransactionByHash", 1, by_transaction_hash)?;
    methods.light("eth_getTransactionByBlockHashAndIndex", 2, |rpc, args| by_place(rpc, by_hash(args)?, args))?;
    methods.light("eth_getTransactionByBlockNumberAndIndex", 2, |rpc, args| by_place(rpc, by_number(args)?, args))?;
    methods.light("eth_getRawTransactionByHash", 1, raw)?;
    methods.light("eth_getTransactionReceipt", 1, receipt)?;
    methods.waiting("eth_sendRawTransaction", 1, |rpc, args| {
        let raw = args.required::<Bytes>(0)?;
        Ok(async move { answer(&submit(&rpc, raw).await?) })
    })?;
    methods.waiting("eth_sendRawTransactionSync", 2, |rpc, args| {
        let raw = args.required::<Bytes>(0)?;
        let wait = args.optional::<Quantity>(1)?.map_or(USUAL_WAIT, |ms| Duration::from_millis(ms.0));
        Ok(submit_and_wait(rpc, raw, wait.min(LONGEST_WAIT)))
    })
}

fn by_transaction_hash(rpc: &Rpc, args: &Args<'_>) -> Answer {
    let hash = args.required::<Hash>(0)?.0;
    if let Some((block, index)) = rpc.mined(hash)? {
        return answer(&TransactionJson::mined(Place { block: &block, index }));
    }
    let waiting = rpc.backend.pool_transaction(hash);
    answer(&waiting.as_ref().map(|tx| TransactionJson::pending(tx.inner(), tx.signer())))
}

fn by_place(rpc: &Rpc, id: BlockId, args: &Args<'_>) -> Answer {
    let index = usize::try_from(args.required::<Quantity>(1)?.0).unwrap_or(usize::MAX);
    let block = rpc.find(id)?;
    answer(&block.as_ref().and_then(|block| TransactionJson::mined(Place { block, index })))
}

/// The EIP-2718 bytes of a transaction, mined or waiting.
pub(crate) fn raw(rpc: &Rpc, args: &Args<'_>) -> Answer {
    let hash = args.required::<Hash>(0)?.0;
    let bytes = match rpc.mined(hash)? {
        Some((block, index)) => block.block.transactions.get(index).map(Encodable2718::encoded_2718),
        None => rpc.backend.pool_transaction(hash).map(|tx| tx.inner().encoded_2718()),
    };
    answer(&bytes.map(Bytes::from))
}

fn receipt(rpc: &Rpc, args: &Args<'_>) -> Answer {
    let hash = args.required::<Hash>(0)?.0;
    match rpc.mined(hash)? {
        Some((block, index)) => receipt_of(rpc, &block, index),
        None => answer(&()),
    }
}

fn receipt_of(rpc: &Rpc, block: &StoredBlock, index: usize) -> Answer {
    let fees = rpc.block_fees(block);
    answer(&ReceiptJson::new(Place { block, index }, history::first_log(block, index), &fees))
}

/// Decodes what a user sent.
pub(crate) fn decode(raw: Bytes) -> Result<Submission, RpcError> {
    let blobs = raw.first() == Some(&3);
    if raw.len() > if blobs { MAX_RAW_WITH_BLOBS } else { MAX_RAW } {
        return Err(RpcError::Refused("oversized data".to_owned()));
    }
    let malformed = |error: &dyn core::fmt::Display| RpcError::Refused(format!("malformed transaction: {error}"));
    let (transaction, sidecar) = if blobs {
        let mut body = raw.get(1..).unwrap_or_default();
        let pooled = TxEip4844WithSidecar::<BlobTransactionSidecarVariant>::rlp_decode_signed(&mut body)
            .map_err(|error| malformed(&error))?;
        if !body.is_empty() {
            return Err(malformed(&"bytes behind it"));
        }
        let (pooled, signature, _) = pooled.into_parts();
        let (tx, sidecar): (TxEip4844, _) = pooled.into_parts();
        (Transaction::Eip4844(Signed::new_unhashed(tx, signature)), Some(sidecar))
    } else {
        (Transaction::decode_2718_exact(&raw).map_err(|error| malformed(&error))?, None)
    };
    if transaction.is_deposit() {
        return Err(refused(&SubmitError::Type));
    }
    let sender =
        transaction.recover_signer().map_err(|_| RpcError::Refused("invalid sender: bad signature".to_owned()))?;
    Ok(Submission { transaction: Recovered::new_unchecked(transaction, sender), sidecar, raw })
}

fn refused(error: &SubmitError) -> RpcError {
    RpcError::Refused(error.to_string())
}

async fn submit(rpc: &Rpc, raw: Bytes) -> Result<B256, RpcError> {
    rpc.backend.submit(decode(raw)?).await.map_err(|error| refused(&error))
}

/// EIP-7966: answers with the receipt, or after `wait` with an error that carries the hash.
async fn submit_and_wait(rpc: Arc<Rpc>, raw: Bytes, wait: Duration) -> Answer {
    let mut changes = rpc.backend.head_changes();
    let deadline = Instant::now() + wait;
    let hash = submit(&rpc, raw).await?;
    loop {
        if let Some((block, index)) = rpc.mined(hash)? {
            return receipt_of(&rpc, &block, index);
        }
        // A lagging receiver has missed blocks: looking again is right in that case too.
        if tokio::time::timeout_at(deadline, changes.recv()).await.is_err() {
            return Err(RpcError::Timeout { hash, waited: wait });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_transaction_is_refused() {
        for raw in ["", "00", "03", "7e01", "c0", "ff"] {
            let raw = alloy_primitives::hex::decode(raw).unwrap();
            assert_eq!(decode(raw.into()).unwrap_err().code(), crate::error::SERVER);
        }
    }

    #[test]
    fn oversized_transactions_are_refused_before_decoding() {
        let error = decode(vec![2; MAX_RAW + 1].into()).unwrap_err();
        assert_eq!(error, RpcError::Refused("oversized data".to_owned()));
        let error = decode(vec![3; MAX_RAW_WITH_BLOBS + 1].into()).unwrap_err();
        assert_eq!(error, RpcError::Refused("oversized data".to_owned()));
    }

    #[test]
    fn blob_transactions_come_with_either_sidecar() {
        use alloy_consensus::{
            BlobTransactionSidecar, BlobTransactionSidecarEip7594, SignableTransaction,
            transaction::RlpEcdsaEncodableTx,
        };
        use alloy_eips::eip4844::{Blob, Bytes48};
        let blob = || Blob::repeat_byte(0);
        let commitment = || vec![Bytes48::repeat_byte(1)];
        let old = BlobTransactionSidecar::new(vec![blob()], commitment(), commitment());
        let cells = vec![Bytes48::repeat_byte(2); 128];
        let new = BlobTransactionSidecarEip7594::new(vec![blob()], commitment(), cells);
        for sidecar in [BlobTransactionSidecarVariant::Eip4844(old), BlobTransactionSidecarVariant::Eip7594(new)] {
            let tx = TxEip4844 {
                chain_id: 1,
                blob_versioned_hashes: sidecar.versioned_hashes().collect(),
                ..TxEip4844::default()
            };
            let signature = alloy_primitives::Signature::test_signature();
            let signed = TxEip4844WithSidecar { tx: tx.clone(), sidecar: sidecar.clone() }.into_signed(signature);
            let mut raw = vec![3];
            signed.tx().rlp_encode_signed(&signature, &mut raw);
            assert!(raw.len() < MAX_RAW_WITH_BLOBS);
            let submission = decode(raw.into()).unwrap();
            assert_eq!(submission.sidecar, Some(sidecar));
            assert_eq!(submission.transaction.hash(), signed.hash(), "the sidecar is no part of the hash");
        }
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_are_decoded_or_refused(raw: Vec<u8>) {
            if let Ok(submission) = decode(raw.clone().into()) {
                proptest::prop_assert_eq!(submission.transaction.inner().encoded_2718(), raw);
            }
        }
    }
}
