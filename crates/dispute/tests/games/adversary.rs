//! The others.

use crate::{
    Chance,
    truth::{Batch, Liar},
};
use alloy_primitives::{Address, B256, keccak256};
use alloy_sol_types::SolValue as _;
use surety_vm::commitment::LEVEL_LEAVES;

/// How somebody plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// At once.
    Prompt,
    /// When there is hardly any time left.
    LastSecond,
    /// Now and then.
    Slow,
    /// Never.
    Absent,
    /// At once, and claims for both sides of every contest beside.
    Flood,
}

/// One who claims something wrong about the batch.
#[derive(Debug, Clone)]
pub(crate) struct Adversary<'a> {
    pub(crate) account: Address,
    pub(crate) liar: Liar<'a>,
    /// The id of its claim about the batch.
    pub(crate) id: B256,
    /// When it comes, in seconds after the first claim.
    pub(crate) after: u64,
    pub(crate) style: Style,
    /// Sends first, in its own name, what it sees the honest party send.
    pub(crate) steals: bool,
    /// Sends again what anybody has sent before.
    pub(crate) replays: bool,
}

impl<'a> Adversary<'a> {
    pub(crate) fn new(batch: &'a Batch, name: B256, period: u64, chance: &mut Chance) -> Self {
        let block = chance.below(3);
        let leaves = batch.stretches(block).leaves();
        // Trees over a stretch in which something happens take seconds: one of the first and one of the last do.
        let stretch = match (block, chance.below(3)) {
            (1, 0) => 0,
            (2, 0) => leaves - 1,
            (_, 1) => leaves,
            _ => LEVEL_LEAVES - 1,
        };
        let steps = [0, 1, 4_095, LEVEL_LEAVES / 2, LEVEL_LEAVES - 1];
        let step = steps[chance.below(steps.len() as u64) as usize];
        let styles = [Style::Prompt, Style::LastSecond, Style::Slow, Style::Absent, Style::Flood];
        Self {
            account: Address::from_slice(&name[12..]),
            liar: Liar { batch, name, block, stretch, step },
            id: keccak256((name, "claim").abi_encode()),
            after: chance.below(period),
            style: styles[chance.below(styles.len() as u64) as usize],
            steals: chance.one_in(4),
            replays: chance.one_in(3),
        }
    }
}
