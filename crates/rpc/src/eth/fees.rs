//! What gas costs.
//!
//! The suggested priority fee is the 60th percentile of the three lowest priority fees of each of the last 20 blocks;
//! blocks without transactions count with the last suggestion (as geth's oracle does), which starts at
//! [`Config::default_tip`](crate::Config::default_tip).

use crate::{
    BlockRef, StoredBlock,
    context::Rpc,
    error::RpcError,
    history,
    params::{Args, Quantity},
    rules,
    server::{Answer, Methods, Registered, answer},
};
use alloy_consensus::{Transaction as _, Typed2718};
use alloy_eips::BlockId;
use alloy_primitives::{B256, U64, U256};
use parking_lot::Mutex;
use serde::Serialize;

const BLOCKS: u64 = 20;
const LOWEST_OF_BLOCK: usize = 3;
const PERCENTILE: usize = 60;
/// No suggestion is higher: 500 gwei.
const MOST: u128 = 500_000_000_000;
/// Percentiles that one `eth_feeHistory` may ask for.
const MOST_PERCENTILES: usize = 100;

pub(crate) fn register(methods: &mut Methods) -> Registered {
    methods.light("eth_maxPriorityFeePerGas", 0, |rpc, _| answer(&U256::from(tip(rpc)?)))?;
    methods.light("eth_gasPrice", 0, |rpc, _| {
        let head = rpc.header(rpc.backend.tags().latest)?;
        answer(&U256::from(tip(rpc)?.saturating_add(head.base_fee_per_gas.unwrap_or_default().into())))
    })?;
    methods.light("eth_baseFee", 0, |rpc, _| {
        let head = rpc.header(rpc.backend.tags().latest)?;
        answer(&rules::next_base_fee(rpc.backend.chain(), &head).map(U256::from))
    })?;
    methods.light("eth_blobBaseFee", 0, |rpc, _| {
        let head = rpc.header(rpc.backend.tags().latest)?;
        answer(&rules::blob_base_fee(rpc.backend.chain(), &head).map(U256::from))
    })?;
    methods.heavy("eth_feeHistory", 3, fee_history)
}

/// The last suggestion and the head that it was made for.
#[derive(Debug, Default)]
pub(crate) struct TipCache(Mutex<Option<(B256, u128)>>);

/// The suggested priority fee, wei per gas.
pub(super) fn tip(rpc: &Rpc) -> Result<u128, RpcError> {
    let head = rpc.backend.tags().latest;
    let last = *rpc.tips.0.lock();
    let default = match last {
        Some((hash, tip)) if hash == head.hash => return Ok(tip),
        Some((_, tip)) => tip,
        None => rpc.config.default_tip,
    };
    let mut samples = Vec::new();
    for number in head.number.saturating_sub(BLOCKS.saturating_sub(1))..=head.number {
        match rpc.find(BlockId::number(number))? {
            Some(block) => lowest_tips(&block, default, &mut samples),
            None => samples.push(default),
        }
    }
    samples.sort_unstable();
    let place = samples.len().saturating_sub(1).saturating_mul(PERCENTILE) / 100;
    let tip = samples.get(place).copied().unwrap_or(default).min(MOST);
    *rpc.tips.0.lock() = Some((head.hash, tip));
    Ok(tip)
}

fn lowest_tips(block: &StoredBlock, default: u128, samples: &mut Vec<u128>) {
    let base_fee = block.block.header.base_fee_per_gas.unwrap_or_default();
    let mut tips: Vec<u128> = block
        .block
        .transactions
        .iter()
        .filter(|tx| !tx.is_deposit())
        .filter_map(|tx| tx.effective_tip_per_gas(base_fee))
        .collect();
    if tips.is_empty() {
        samples.push(default);
        return;
    }
    tips.sort_unstable();
    samples.extend(tips.into_iter().take(LOWEST_OF_BLOCK));
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct FeeHistory {
    oldest_block: U64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reward: Option<Vec<Vec<U256>>>,
    base_fee_per_gas: Vec<U256>,
    gas_used_ratio: Vec<f64>,
    base_fee_per_blob_gas: Vec<U256>,
    blob_gas_used_ratio: Vec<f64>,
}

fn fee_history(rpc: &Rpc, args: &Args<'_>) -> Answer {
    let wanted = args.required::<Quantity>(0)?.0;
    let newest = args.number(1)?;
    let percentiles: Vec<f64> = args.optional(2)?.unwrap_or_default();
    check_percentiles(&percentiles)?;
    let newest =
        rpc.resolve(newest.into())?.ok_or_else(|| RpcError::Refused("request beyond head block".to_owned()))?;
    let count = wanted.min(rpc.config.max_fee_history).min(newest.number.saturating_add(1));
    if count == 0 {
        return answer(&FeeHistory::default());
    }
    let oldest = newest.number.saturating_add(1).saturating_sub(count);
    let mut history = FeeHistory { oldest_block: U64::from(oldest), ..FeeHistory::default() };
    let mut rewards = Vec::new();
    let chain = rpc.backend.chain();
    for number in oldest..=newest.number {
        let block: BlockRef = rpc.must_resolve(BlockId::number(number))?;
        let header = rpc.header(block)?;
        history.base_fee_per_gas.push(U256::from(header.base_fee_per_gas.unwrap_or_default()));
        history.gas_used_ratio.push(ratio(header.gas_used, header.gas_limit));
        history.base_fee_per_blob_gas.push(U256::from(rules::blob_base_fee(chain, &header).unwrap_or_default()));
        let blob_limit = rules::blob_gas_limit(chain, &header);
        history.blob_gas_used_ratio.push(ratio(header.blob_gas_used.unwrap_or_default(), blob_limit));
        if !percentiles.is_empty() {
            rewards.push(rewards_of(&*rpc.block(block)?, &percentiles));
        }
        if number == newest.number {
            let next = rules::next_base_fee(chain, &header).unwrap_or_default();
            history.base_fee_per_gas.push(U256::from(next));
            let next = rules::next_blob_base_fee(chain, &header).unwrap_or_default();
            history.base_fee_per_blob_gas.push(U256::from(next));
        }
    }
    history.reward = (!percentiles.is_empty()).then_some(rewards);
    answer(&history)
}

fn check_percentiles(percentiles: &[f64]) -> Result<(), RpcError> {
    if percentiles.len() > MOST_PERCENTILES {
        return Err(RpcError::Limit(format!("over the query limit {MOST_PERCENTILES} of percentiles")));
    }
    let rising = percentiles.windows(2).all(|pair| matches!(pair, [a, b] if a <= b));
    if !rising || percentiles.iter().any(|p| !(0.0..=100.0).contains(p)) {
        return Err(RpcError::Refused("invalid reward percentile: want rising values from 0 to 100".to_owned()));
    }
    Ok(())
}

fn ratio(used: u64, limit: u64) -> f64 {
    if limit == 0 { 0.0 } else { used as f64 / limit as f64 }
}

/// The priority fee at each percentile of the block's gas.
fn rewards_of(block: &StoredBlock, percentiles: &[f64]) -> Vec<U256> {
    let base_fee = block.block.header.base_fee_per_gas.unwrap_or_default();
    let mut by_tip: Vec<(u128, u64)> = block
        .block
        .transactions
        .iter()
        .enumerate()
        .filter(|(_, tx)| tx.ty() != 0x7e)
        .map(|(index, tx)| (tx.effective_tip_per_gas(base_fee).unwrap_or_default(), history::gas_used(block, index)))
        .collect();
    by_tip.sort_unstable();
    let total: u64 = by_tip.iter().map(|(_, gas)| gas).sum();
    percentiles
        .iter()
        .map(|percentile| {
            let threshold = (total as f64 * percentile / 100.0) as u64;
            let mut gas = 0_u64;
            let at = by_tip.iter().find(|(_, used)| {
                gas = gas.saturating_add(*used);
                gas >= threshold
            });
            U256::from(at.or(by_tip.last()).map_or(0, |(tip, _)| *tip))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_must_rise_within_bounds() {
        assert!(check_percentiles(&[0.0, 50.0, 50.0, 100.0]).is_ok());
        assert!(check_percentiles(&[50.0, 49.0]).is_err());
        assert!(check_percentiles(&[101.0]).is_err());
        assert!(check_percentiles(&[f64::NAN]).is_err());
        assert!(check_percentiles(&[1.0; MOST_PERCENTILES + 1]).is_err());
    }
}
