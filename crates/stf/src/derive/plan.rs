//! What each block of a batch will be, before anything is executed.

use super::{Consumed, Refusal, Start, fitting, messages_fit};
use crate::batch::Body;
use alloc::vec::Vec;
use alloy_primitives::Address;
use core::ops::Range;
use surety_types::{ChainParameters, ConsensusContext, L2Height, Milliseconds, Seconds, Transaction, predeploys};

/// One block to be.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) context: Option<ConsensusContext>,
    pub(super) milliseconds: Milliseconds,
    pub(super) beneficiary: Address,
    /// Which of the batch's messages.
    pub(super) messages: Range<usize>,
    pub(super) transactions: Vec<Transaction>,
}

/// Checks 4 to 8, and the blocks of data that pass.
pub(super) fn from_body(
    parameters: &ChainParameters,
    body: Body,
    messages: &[impl Consumed],
    start: &Start,
    count: u64,
    last_time: Seconds,
) -> Result<Vec<Plan>, Refusal> {
    let rows = body.blocks.len() as u64;
    if rows != count {
        return Err(Refusal::BlockCount(rows));
    }
    let heights = || (1u64..).map(|n| start.height.saturating_add(n));
    let mut previous = start.milliseconds;
    for (row, height) in body.blocks.iter().zip(heights()) {
        check_time(parameters, previous, row.context.milliseconds, height)?;
        previous = row.context.milliseconds;
    }
    if previous.to_seconds() != last_time {
        return Err(Refusal::LastBlockTime(previous.to_seconds()));
    }
    let total = body.blocks.iter().try_fold(0u64, |sum, row| sum.checked_add(row.messages));
    if total != Some(messages.len() as u64) {
        return Err(Refusal::MessageCount);
    }
    let mut from = 0usize;
    let mut plans = Vec::with_capacity(body.blocks.len());
    for (row, height) in body.blocks.into_iter().zip(heights()) {
        // The sum of all rows is a length in memory, so each fits `usize`.
        let to = from.saturating_add(row.messages as usize);
        if !messages.get(from..to).is_some_and(|taken| messages_fit(parameters, taken)) {
            return Err(Refusal::MessageGas(height));
        }
        plans.push(Plan {
            context: Some(row.context),
            milliseconds: row.context.milliseconds,
            beneficiary: row.beneficiary,
            messages: from..to,
            transactions: row.transactions,
        });
        from = to;
    }
    Ok(plans)
}

fn check_time(
    parameters: &ChainParameters,
    previous: Milliseconds,
    time: Milliseconds,
    height: L2Height,
) -> Result<(), Refusal> {
    let earliest = previous.checked_add(parameters.block_time.get());
    if earliest.is_some_and(|earliest| time >= earliest) { Ok(()) } else { Err(Refusal::Time(height)) }
}

/// Default blocks for the whole batch.
pub(super) fn default(
    parameters: &ChainParameters,
    messages: &[impl Consumed],
    start: &Start,
    count: u64,
    last_time: Seconds,
) -> Vec<Plan> {
    let mut parent = start.timestamp;
    let mut milliseconds = start.milliseconds;
    let mut from = 0usize;
    (1..=count)
        .map(|n| {
            let regular = milliseconds.saturating_add(parameters.block_time.get()).to_seconds();
            let time = if n == count { last_time } else { regular.min(last_time) }.max(parent);
            let taken = fitting(parameters.default_block_message_gas(), messages.get(from..).unwrap_or_default()).0;
            let to = from.saturating_add(taken);
            let plan = Plan {
                context: None,
                milliseconds: time.to_milliseconds(),
                beneficiary: predeploys::L1_FEE_VAULT,
                messages: from..to,
                transactions: Vec::new(),
            };
            (parent, milliseconds, from) = (time, time.to_milliseconds(), to);
            plan
        })
        .collect()
}
