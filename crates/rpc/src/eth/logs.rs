//! Logs: `eth_getLogs`, and the matching that filters and subscriptions share.

use crate::{
    StoredBlock,
    context::Rpc,
    error::RpcError,
    json::{LogJson, Place},
    params::Args,
    server::{Answer, Methods, Registered, answer},
};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_rpc_types_eth::{Filter, FilterBlockOption};
use serde_json::value::{RawValue, to_raw_value};
use std::time::Instant;

/// Addresses and topic choices that one filter may name.
const MOST_CHOICES: usize = 1000;

pub(crate) fn register(methods: &mut Methods) -> Registered {
    methods.heavy("eth_getLogs", 1, |rpc, args| query(rpc, &filter(args, 0)?))
}

/// The filter at `place`, within bounds.
pub(super) fn filter(args: &Args<'_>, place: usize) -> Result<Filter, RpcError> {
    let filter: Filter = args.optional(place)?.unwrap_or_default();
    let choices = filter.topics.iter().map(|topic| topic.len()).chain([filter.address.len()]).max();
    if choices.unwrap_or_default() > MOST_CHOICES {
        return Err(RpcError::argument(
            place,
            format!("exceed max addresses or topics per search position ({MOST_CHOICES})"),
        ));
    }
    Ok(filter)
}

/// The logs that `filter` asks for, of the chain as it is now.
pub(super) fn query(rpc: &Rpc, filter: &Filter) -> Answer {
    let mut found = Vec::new();
    let (from, to) = match &filter.block_option {
        FilterBlockOption::AtBlockHash(hash) => {
            let block = rpc.find(BlockId::hash(*hash))?.ok_or_else(|| RpcError::Refused("unknown block".to_owned()))?;
            collect(&block, filter, false, rpc.config.max_logs, &mut found)?;
            return answer(&found);
        }
        FilterBlockOption::Range { from_block, to_block } => (*from_block, *to_block),
    };
    let head = rpc.backend.tags().latest.number;
    let number = |tag: Option<BlockNumberOrTag>| match tag {
        Some(BlockNumberOrTag::Number(number)) => Ok(number),
        tag => Ok(rpc.must_resolve(tag.unwrap_or_default().into())?.number),
    };
    let (from, to) = (number(from)?, number(to)?);
    if from > to {
        return Err(RpcError::InvalidParams("invalid block range params".to_owned()));
    }
    if to > head {
        return Err(RpcError::InvalidParams("block range extends beyond current head block".to_owned()));
    }
    if to.saturating_sub(from) >= rpc.config.max_log_blocks {
        return Err(RpcError::Limit(format!(
            "block range too large: ask for at most {} blocks",
            rpc.config.max_log_blocks
        )));
    }
    let deadline = Instant::now() + rpc.config.call_timeout;
    for number in from..=to {
        if Instant::now() > deadline {
            return Err(RpcError::Limit("the query takes too long: ask for fewer blocks".to_owned()));
        }
        let Some(reference) = rpc.resolve(BlockId::number(number))? else { break };
        if filter.matches_bloom(rpc.header(reference)?.logs_bloom) {
            collect(&*rpc.block(reference)?, filter, false, rpc.config.max_logs, &mut found)?;
        }
    }
    answer(&found)
}

/// Appends the logs of `block` that match, written out; at most `most` in all.
pub(super) fn collect(
    block: &StoredBlock,
    filter: &Filter,
    removed: bool,
    most: usize,
    found: &mut Vec<Box<RawValue>>,
) -> Result<(), RpcError> {
    if !filter.matches_bloom(block.block.header.logs_bloom) {
        return Ok(());
    }
    let mut first = 0_usize;
    for (index, receipt) in block.receipts.iter().enumerate() {
        for (nth, log) in receipt.logs.iter().enumerate() {
            if !filter.matches_address(log.address) || !filter.matches_topics(log.topics()) {
                continue;
            }
            if found.len() >= most {
                return Err(RpcError::Limit(format!("query returned more than {most} results: narrow it")));
            }
            let log = LogJson::new(Place { block, index }, first, nth, removed);
            found.push(to_raw_value(&log).map_err(RpcError::internal)?);
        }
        first = first.saturating_add(receipt.logs.len());
    }
    Ok(())
}
