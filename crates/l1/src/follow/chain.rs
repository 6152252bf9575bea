//! The blocks that the follower stands on, and how they change. Pure: no I/O.

use crate::chain::BlockRef;
use alloy_primitives::B256;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use surety_types::{BatchIndex, L1Height, MessageIndex};

/// How far the contracts' histories go up to a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Position {
    /// Messages sent.
    pub messages: MessageIndex,
    /// The accumulator after them.
    pub acc: B256,
    /// Batches posted.
    pub batches: BatchIndex,
    /// Chain of their statements.
    pub tip: B256,
}

/// A block that was read, and the position after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tracked {
    pub(super) block: BlockRef,
    pub(super) position: Position,
}

/// What must be kept to go on after a restart: opaque, to be stored together with the effects of the events up to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    pub(super) blocks: Vec<Tracked>,
}

impl Checkpoint {
    /// The last block whose events were handed out.
    pub fn block(&self) -> Option<BlockRef> {
        self.blocks.last().map(|tracked| tracked.block)
    }
}

/// Read blocks, oldest first, with gaps only below finality. Never empty once it has an anchor.
#[derive(Debug, Default)]
pub(super) struct HeaderChain {
    blocks: VecDeque<Tracked>,
}

impl HeaderChain {
    /// Starts from an anchor or a checkpoint. `None` if the checkpoint is empty or out of order.
    pub(super) fn restore(checkpoint: Checkpoint) -> Option<Self> {
        let blocks = checkpoint.blocks;
        let ordered = blocks.windows(2).all(|pair| matches!(pair, [a, b] if a.block.number < b.block.number));
        (ordered && !blocks.is_empty()).then(|| Self { blocks: blocks.into() })
    }

    pub(super) fn checkpoint(&self) -> Checkpoint {
        Checkpoint { blocks: self.blocks.iter().copied().collect() }
    }

    pub(super) fn tip(&self) -> Option<Tracked> {
        self.blocks.back().copied()
    }

    pub(super) fn anchor(&self) -> Option<Tracked> {
        self.blocks.front().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.blocks.len()
    }

    pub(super) fn get(&self, index: usize) -> Option<Tracked> {
        self.blocks.get(index).copied()
    }

    /// Place of the block since which the position has not moved.
    pub(super) fn last_event(&self) -> usize {
        let Some(tip) = self.tip() else { return 0 };
        self.blocks.iter().rposition(|tracked| tracked.position != tip.position).map_or(0, |place| place + 1)
    }

    /// Adds the next block. It must be above the tip and, when it is the tip's successor, its child.
    pub(super) fn push(&mut self, block: BlockRef, position: Position) -> bool {
        if let Some(tip) = self.tip() {
            let next = tip.block.number.next();
            if block.number < next || (block.number == next && block.parent != tip.block.hash) {
                return false;
            }
        }
        self.blocks.push_back(Tracked { block, position });
        true
    }

    /// Drops what is behind place `index`.
    pub(super) fn truncate(&mut self, index: usize) {
        self.blocks.truncate(index.saturating_add(1));
    }

    /// Forgets blocks that no reorg can touch: all below the newest one that is not above `finalized`; and the oldest of more
    /// than `capacity`.
    pub(super) fn prune(&mut self, finalized: Option<L1Height>, capacity: usize) {
        while self.blocks.len() > capacity.max(2)
            || self.blocks.get(1).is_some_and(|second| Some(second.block.number) <= finalized)
        {
            self.blocks.pop_front();
        }
    }

    /// The newest block that is settled (protocol §4): final, or `depth` blocks deep and `age` seconds old by the head's clock.
    pub(super) fn settled(
        &self,
        head: &BlockRef,
        finalized: Option<L1Height>,
        depth: u64,
        age: u64,
    ) -> Option<BlockRef> {
        let settled = |tracked: &&Tracked| {
            let block = &tracked.block;
            Some(block.number) <= finalized
                || (head.number.since(block.number) >= depth && head.time.since(block.time) >= age)
        };
        self.blocks.iter().rev().find(settled).map(|tracked| tracked.block)
    }
}
