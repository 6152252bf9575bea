//! Blocks, their receipts, their uncles.

use crate::{
    StoredBlock,
    context::Rpc,
    error::RpcError,
    json::{BlockJson, Place, ReceiptJson},
    params::{Args, Hash, Quantity},
    server::{Answer, Methods, Registered, answer},
};
use alloy_eips::BlockId;
use alloy_primitives::U64;
use std::sync::Arc;

pub(crate) fn register(methods: &mut Methods) -> Registered {
    methods.light("eth_getBlockByHash", 2, |rpc, args| block(rpc, by_hash(args)?, args))?;
    methods.light("eth_getBlockByNumber", 2, |rpc, args| block(rpc, by_number(args)?, args))?;
    methods.light("eth_getBlockTransactionCountByHash", 1, |rpc, args| transaction_count(rpc, by_hash(args)?))?;
    methods.light("eth_getBlockTransactionCountByNumber", 1, |rpc, args| transaction_count(rpc, by_number(args)?))?;
    methods.light("eth_getUncleCountByBlockHash", 1, |rpc, args| uncle_count(rpc, by_hash(args)?))?;
    methods.light("eth_getUncleCountByBlockNumber", 1, |rpc, args| uncle_count(rpc, by_number(args)?))?;
    methods.light("eth_getUncleByBlockHashAndIndex", 2, |rpc, args| uncle(rpc, by_hash(args)?, args))?;
    methods.light("eth_getUncleByBlockNumberAndIndex", 2, |rpc, args| uncle(rpc, by_number(args)?, args))?;
    methods.light("eth_getBlockReceipts", 1, receipts)
}

/// The block that the first argument names by hash.
pub(crate) fn by_hash(args: &Args<'_>) -> Result<BlockId, RpcError> {
    Ok(BlockId::hash(args.required::<Hash>(0)?.0))
}

/// The block that the first argument names by number or tag.
pub(crate) fn by_number(args: &Args<'_>) -> Result<BlockId, RpcError> {
    Ok(args.number(0)?.into())
}

fn block(rpc: &Rpc, id: BlockId, args: &Args<'_>) -> Answer {
    let full = args.optional::<bool>(1)?.unwrap_or(false);
    answer(&rpc.find(id)?.as_ref().map(|block| BlockJson::new(block, full)))
}

fn transaction_count(rpc: &Rpc, id: BlockId) -> Answer {
    answer(&rpc.find(id)?.map(|block| U64::from(block.block.transactions.len())))
}

fn uncle_count(rpc: &Rpc, id: BlockId) -> Answer {
    answer(&rpc.find(id)?.map(|block| U64::from(block.block.ommers.len())))
}

fn uncle(rpc: &Rpc, id: BlockId, args: &Args<'_>) -> Answer {
    let index = args.required::<Quantity>(1)?.0;
    let block = rpc.find(id)?;
    let uncle = usize::try_from(index).ok().and_then(|i| block.as_ref()?.block.ommers.get(i));
    answer(&uncle.map(BlockJson::uncle))
}

fn receipts(rpc: &Rpc, args: &Args<'_>) -> Answer {
    answer(&rpc.find(args.block(0)?)?.as_ref().map(|block| receipts_of(rpc, block)))
}

fn receipts_of<'a>(rpc: &Rpc, block: &'a Arc<StoredBlock>) -> Vec<ReceiptJson<'a>> {
    let fees = rpc.block_fees(block);
    let mut first_log = 0_usize;
    (0..block.receipts.len())
        .filter_map(|index| {
            let receipt = ReceiptJson::new(Place { block, index }, first_log, &fees);
            first_log = first_log.saturating_add(block.receipts.get(index)?.logs.len());
            receipt
        })
        .collect()
}
