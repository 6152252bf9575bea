//! Events held back until they are settled.

use super::{L1Event, L1EventKind, Update};
use std::collections::VecDeque;

/// Takes updates, gives events once their block is settled, and forgets those that a reorg took back before.
///
/// An event is given once and never taken back, but for reorgs deeper than settlement, which [`Settled::broken`] tells.
#[derive(Debug, Default)]
pub struct Settled {
    waiting: VecDeque<L1Event>,
    broken: bool,
}

impl Settled {
    /// Nothing held back.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes an update; returns what is settled now, in order.
    pub fn push(&mut self, update: Update) -> Vec<L1Event> {
        for event in update.events {
            match event.kind {
                L1EventKind::Reverted { below_settled } => {
                    self.broken |= below_settled;
                    while self.waiting.back().is_some_and(|last| last.block.number > event.block.number) {
                        self.waiting.pop_back();
                    }
                }
                _ => self.waiting.push_back(event),
            }
        }
        let Some(settled) = update.heads.settled else { return Vec::new() };
        let ready = self.waiting.partition_point(|event| event.block.number <= settled.number);
        self.waiting.drain(..ready).collect()
    }

    /// Whether a reorg took back what was settled: what was given out may be wrong (protocol §4).
    pub const fn broken(&self) -> bool {
        self.broken
    }

    /// Events that wait.
    pub fn waiting(&self) -> impl Iterator<Item = &L1Event> {
        self.waiting.iter()
    }
}
