//! What an endpoint says, checked against itself.

use crate::{
    L1Error,
    chain::{BlockAt, BlockRef, Inclusion, L1Log, L1Transaction},
};
use alloy::{
    consensus::{Signed, Transaction as _, TxEnvelope, proofs::calculate_receipt_root},
    eips::eip2718::Encodable2718,
    network::TransactionResponse,
    rpc::types::{Header, Log, Transaction, TransactionReceipt},
};
use alloy_primitives::{Address, B256, keccak256};
use surety_types::{L1Height, Seconds};

/// The most logs taken from one answer.
const MAX_LOGS: usize = 100_000;

/// A header's hash must be its own, and it must be the one asked for.
pub(super) fn block(method: &'static str, header: &Header, at: BlockAt) -> Result<BlockRef, L1Error> {
    let hash = header.inner.hash_slow();
    if hash != header.hash {
        return Err(L1Error::invalid(
            method,
            format!("block {} says hash {}, its header has {hash}", header.inner.number, header.hash),
        ));
    }
    let right = match at {
        BlockAt::Number(number) => header.inner.number == number.get(),
        BlockAt::Hash(asked) => hash == asked,
        BlockAt::Latest | BlockAt::Safe | BlockAt::Finalized => true,
    };
    if !right {
        return Err(L1Error::invalid(method, format!("asked for {at:?}, got block {} ({hash})", header.inner.number)));
    }
    Ok(BlockRef {
        number: L1Height::new(header.inner.number),
        hash,
        parent: header.inner.parent_hash,
        time: Seconds::new(header.inner.timestamp),
    })
}

/// Logs must be of the asked addresses and blocks, mined, in order and none twice; one block number has one hash.
pub(super) fn logs(
    method: &'static str,
    logs: Vec<Log>,
    from: L1Height,
    to: L1Height,
    addresses: &[Address],
) -> Result<Vec<L1Log>, L1Error> {
    if logs.len() > MAX_LOGS {
        return Err(L1Error::TooLarge { method, reason: format!("{} logs", logs.len()) });
    }
    let mut checked: Vec<L1Log> = Vec::with_capacity(logs.len());
    for log in logs {
        let log = one_log(method, log)?;
        if log.block_number < from || log.block_number > to {
            return Err(L1Error::invalid(method, format!("a log of block {} for {from} to {to}", log.block_number)));
        }
        if !addresses.contains(&log.log.address) {
            return Err(L1Error::invalid(method, format!("a log of {}, which was not asked for", log.log.address)));
        }
        if let Some(before) = checked.last() {
            if (before.block_number, before.index) >= (log.block_number, log.index) {
                return Err(L1Error::invalid(method, "logs out of order or twice"));
            }
            if before.block_number == log.block_number && before.block_hash != log.block_hash {
                return Err(L1Error::invalid(method, format!("logs of two blocks numbered {}", log.block_number)));
            }
        }
        checked.push(log);
    }
    Ok(checked)
}

fn one_log(method: &'static str, log: Log) -> Result<L1Log, L1Error> {
    if log.removed {
        return Err(L1Error::invalid(method, "a removed log in an answer about the canonical chain"));
    }
    let (Some(number), Some(block_hash), Some(transaction), Some(index)) =
        (log.block_number, log.block_hash, log.transaction_hash, log.log_index)
    else {
        return Err(L1Error::invalid(method, "a log without its block, transaction or index"));
    };
    Ok(L1Log { block_number: L1Height::new(number), block_hash, transaction, index, log: log.inner })
}

/// The logs of some addresses in a block's receipts, which must have the root that its header names; with their places.
pub(super) fn logs_of_receipts(
    method: &'static str,
    receipts: Vec<TransactionReceipt>,
    root: B256,
    addresses: &[Address],
) -> Result<Vec<(u64, alloy_primitives::Log)>, L1Error> {
    let receipts: Vec<_> = receipts.into_iter().map(|receipt| receipt.into_primitives_receipt().inner).collect();
    let found = calculate_receipt_root(&receipts);
    if found != root {
        return Err(L1Error::invalid(method, format!("receipts with root {found}, the block's have {root}")));
    }
    let logs = receipts.iter().flat_map(|receipt| receipt.logs().iter().cloned());
    Ok((0..).zip(logs).filter(|(_, log)| addresses.contains(&log.address)).collect())
}

/// A transaction must hash to what was asked for.
pub(super) fn transaction(method: &'static str, tx: &Transaction, asked: B256) -> Result<L1Transaction, L1Error> {
    let envelope: &TxEnvelope = tx.inner.inner();
    let hash = content_hash(envelope);
    if hash != asked {
        return Err(L1Error::invalid(method, format!("asked for transaction {asked}, got the content of {hash}")));
    }
    Ok(L1Transaction {
        hash,
        block_hash: tx.block_hash(),
        to: envelope.to(),
        input: envelope.input().clone(),
        blob_hashes: envelope.blob_versioned_hashes().unwrap_or_default().to_vec(),
    })
}

/// The hash of what a block holds; some clients add the sidecar to blob transactions, which is not part of that.
fn content_hash(envelope: &TxEnvelope) -> B256 {
    match envelope {
        TxEnvelope::Eip4844(signed) => *Signed::new_unhashed(signed.tx().tx().clone(), *signed.signature()).hash(),
        other => keccak256(other.encoded_2718()),
    }
}

/// A receipt must be of the asked transaction and say where it is.
pub(super) fn inclusion(method: &'static str, receipt: &TransactionReceipt, asked: B256) -> Result<Inclusion, L1Error> {
    let (Some(number), Some(block_hash)) = (receipt.block_number, receipt.block_hash) else {
        return Err(L1Error::invalid(method, "a receipt without a block"));
    };
    if receipt.transaction_hash != asked {
        return Err(L1Error::invalid(
            method,
            format!("asked for the receipt of {asked}, got that of {}", receipt.transaction_hash),
        ));
    }
    let blob_fee = u128::from(receipt.blob_gas_used.unwrap_or_default())
        .saturating_mul(receipt.blob_gas_price.unwrap_or_default());
    let fee = u128::from(receipt.gas_used).saturating_mul(receipt.effective_gas_price).saturating_add(blob_fee);
    Ok(Inclusion {
        block_number: L1Height::new(number),
        block_hash,
        from: receipt.from,
        success: receipt.status(),
        gas_used: receipt.gas_used,
        fee,
    })
}
