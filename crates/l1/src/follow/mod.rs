//! L1 as one ordered stream of events.
//!
//! [`Follower::poll`] reads the head and what is new below it, and hands out an [`Update`]: where the heads are, and the
//! events of a bounded range of blocks in order. The rules:
//!
//! 1. **Blocks.** Above finality every block is read and must be its predecessor's child; below it, only blocks with events
//!    are. At most [`FollowConfig::capacity`] blocks are kept.
//! 2. **Reorgs.** When the last read block is no longer canonical, the newest that still is is found by bisection (being
//!    canonical is a property of prefixes), and [`L1EventKind::Reverted`] voids all events above it. Any depth within the kept
//!    blocks is followed; a deeper one is [`FollowError::TooDeep`].
//! 3. **Events.** The logs of a range are read after its headers, must be of the very blocks that were read, and the range's
//!    last header is read once more behind them, so that headers and logs speak of one chain. Messages must
//!    continue the accumulator, batches the chain of statements; so what an endpoint leaves out is noticed
//!    at the next one. Then the follower goes back to the last event of the inbox (and the second time in a row to its anchor),
//!    says so by `Reverted`, and reads again.
//! 4. **Settled** (protocol §4): L1 has finalised the block, or it is `settled_depth` blocks deep *and* half of
//!    `force_delay` old, by the clock of L1's head. Events are handed out at the head; act on those up to
//!    [`Heads::settled`] only. [`Settled`] holds them back until then.
//!
//! A crash loses nothing: [`Follower::checkpoint`], stored with the effects of the events, is where it goes on.

mod chain;
mod events;
mod settled;
#[cfg(test)]
mod tests;

pub use chain::{Checkpoint, Position};
pub(crate) use events::message_of;
pub use events::{DataSource, L1Event, L1EventKind, PostedBatch, RegistryEvent, SlasherEvent, data_source};
pub use settled::Settled;

use crate::{
    L1Error,
    chain::{BlockAt, BlockRef, L1, L1Log},
    metrics,
};
use chain::{HeaderChain, Tracked};
use events::ReadError;
use std::{fmt, sync::Arc};
use surety_contracts::Addresses;
use surety_types::{L1Height, RollupId, Seconds};

/// What to follow, and how.
#[derive(Debug, Clone, Copy)]
pub struct FollowConfig {
    /// The contracts.
    pub addresses: Addresses,
    /// The rollup.
    pub rollup: RollupId,
    /// The block of the first contract's creation: nothing before it is read.
    pub start: L1Height,
    /// L1 blocks on top of a settled one.
    pub settled_depth: u64,
    /// A settled block is half of this old.
    pub force_delay: Seconds,
    /// The most blocks in one log query; halved when an endpoint finds it too much, and doubled again.
    pub range: u64,
    /// The most blocks kept for reorgs.
    pub capacity: usize,
}

impl FollowConfig {
    /// The usual bounds: 1,000 blocks a query, 8,192 blocks kept (more than a day of L1 without finality).
    pub const fn new(
        addresses: Addresses,
        rollup: RollupId,
        start: L1Height,
        settled_depth: u64,
        force_delay: Seconds,
    ) -> Self {
        Self { addresses, rollup, start, settled_depth, force_delay, range: 1000, capacity: 8192 }
    }
}

/// Where L1 is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads {
    /// The head, as the endpoint has it.
    pub latest: BlockRef,
    /// The last block whose events were handed out.
    pub read: BlockRef,
    /// The newest justified block.
    pub safe: Option<BlockRef>,
    /// The newest final block.
    pub finalized: Option<BlockRef>,
    /// The newest settled block that was read.
    pub settled: Option<BlockRef>,
}

impl Heads {
    /// Whether all events up to the head were handed out.
    pub fn caught_up(&self) -> bool {
        self.latest.hash == self.read.hash
    }
}

/// What one poll brought.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// Where L1 is.
    pub heads: Heads,
    /// What happened, in order; reverts first.
    pub events: Vec<L1Event>,
}

/// Why the follower cannot go on.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FollowError {
    /// L1 or its endpoint; poll again later.
    #[error(transparent)]
    L1(#[from] L1Error),
    /// The endpoint's logs contradict each other; what is in doubt is read again by the next poll.
    #[error("the L1 endpoint's logs have gaps: {0}; they are read again (use another endpoint if this lasts)")]
    Discontinuity(String),
    /// No block that was read is in the chain any more.
    #[error(
        "L1 was reorganised below block {anchor}, which counted as final or was too long ago: start anew from L1 data"
    )]
    TooDeep {
        /// The oldest block that is kept.
        anchor: BlockRef,
    },
    /// The checkpoint is empty or out of order.
    #[error("the stored L1 position is damaged: delete it to read L1 from the contracts' creation")]
    BadCheckpoint,
}

/// Follows L1 through an [`L1`].
pub struct Follower {
    l1: Arc<dyn L1>,
    config: FollowConfig,
    chain: HeaderChain,
    range: u64,
    settled: Option<BlockRef>,
    /// A revert that the next update must begin with.
    reverted: Option<L1Event>,
    /// The last poll found a gap.
    in_doubt: bool,
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("tip", &self.chain.tip().map(|t| t.block)).finish_non_exhaustive()
    }
}

impl Follower {
    /// A follower that goes on from a checkpoint, or begins at the contracts' creation.
    ///
    /// # Errors
    /// [`FollowError::BadCheckpoint`].
    pub fn new(l1: Arc<dyn L1>, config: FollowConfig, checkpoint: Option<Checkpoint>) -> Result<Self, FollowError> {
        let chain = match checkpoint {
            None => HeaderChain::default(),
            Some(checkpoint) => HeaderChain::restore(checkpoint).ok_or(FollowError::BadCheckpoint)?,
        };
        Ok(Self { l1, range: config.range.max(1), config, chain, settled: None, reverted: None, in_doubt: false })
    }

    /// What to store, together with the effects of all events handed out so far.
    pub fn checkpoint(&self) -> Checkpoint {
        self.chain.checkpoint()
    }

    /// The position after the last block that was read.
    pub fn position(&self) -> Position {
        self.chain.tip().map(|tip| tip.position).unwrap_or_default()
    }

    /// Reads on. Returns after at most one range of blocks; poll again at once unless [`Heads::caught_up`].
    ///
    /// # Errors
    /// [`FollowError`]. Nothing is lost: what was not handed out is read again.
    pub async fn poll(&mut self) -> Result<Update, FollowError> {
        let latest = self.served(BlockAt::Latest).await?;
        let safe = self.l1.block(BlockAt::Safe).await?;
        let finalized = self.l1.block(BlockAt::Finalized).await?;
        if self.chain.tip().is_none() {
            let before = BlockAt::Number(self.config.start.saturating_sub(1));
            let anchor = self.served(before).await?;
            self.chain.push(anchor, Position::default());
        }
        self.follow_reorg(&latest).await?;
        let finalized_number = finalized.map(|block| block.number);
        let mut events = Vec::new();
        match self.advance(&latest, finalized_number).await {
            Ok(new) => {
                events = new;
                self.in_doubt = false;
            }
            Err(ReadError::L1(error @ L1Error::UnknownBlock(_))) => {
                // A reorg while reading: nothing was taken, the next poll sees it.
                tracing::debug!(%error, "L1 moved while it was read");
            }
            Err(ReadError::L1(error)) => return Err(error.into()),
            Err(ReadError::Discontinuity(reason)) => {
                self.doubt();
                return Err(FollowError::Discontinuity(reason));
            }
        }
        if let Some(reverted) = self.reverted.take() {
            events.insert(0, reverted);
        }
        let half = self.config.force_delay.get().div_ceil(2);
        self.settled = self.chain.settled(&latest, finalized_number, self.config.settled_depth, half).or(self.settled);
        self.chain.prune(finalized_number, self.config.capacity);
        let read = self.tip()?.block;
        let heads = Heads { latest, read, safe, finalized, settled: self.settled };
        metrics::heads(
            latest.number.get(),
            self.settled.map_or(0, |block| block.number.get()),
            finalized_number.map_or(0, L1Height::get),
        );
        Ok(Update { heads, events })
    }

    /// A block that the endpoint must have, unless it is behind.
    async fn served(&self, at: BlockAt) -> Result<BlockRef, L1Error> {
        self.l1.block(at).await?.ok_or_else(|| behind(format!("it has no block {at:?} yet")))
    }

    async fn require(&self, at: BlockAt) -> Result<BlockRef, L1Error> {
        self.l1.block(at).await?.ok_or_else(|| L1Error::UnknownBlock(format!("{at:?}")))
    }

    fn tip(&self) -> Result<Tracked, FollowError> {
        self.chain.tip().ok_or(FollowError::BadCheckpoint)
    }

    async fn is_canonical(&self, block: &BlockRef) -> Result<bool, L1Error> {
        Ok(self.l1.block(BlockAt::Number(block.number)).await?.is_some_and(|found| found.hash == block.hash))
    }

    /// Goes back to the newest kept block that is still canonical.
    async fn follow_reorg(&mut self, latest: &BlockRef) -> Result<(), FollowError> {
        let tip = self.tip()?.block;
        if tip.hash == latest.hash || latest.parent == tip.hash || self.is_canonical(&tip).await? {
            return Ok(());
        }
        let anchor = self.chain.anchor().ok_or(FollowError::BadCheckpoint)?.block;
        if !self.is_canonical(&anchor).await? {
            // An endpoint that is merely behind has no block there yet: that is no reorg.
            return if latest.number < anchor.number {
                Err(behind(format!("its head {latest} is behind block {anchor}, which was read before")).into())
            } else {
                Err(FollowError::TooDeep { anchor })
            };
        }
        // Invariant: `low` is canonical, `high` is not.
        let (mut low, mut high) = (0, self.chain.len().saturating_sub(1));
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let Some(tracked) = self.chain.get(middle) else { return Err(FollowError::BadCheckpoint) };
            if self.is_canonical(&tracked.block).await? {
                low = middle;
            } else {
                high = middle;
            }
        }
        // An endpoint that is behind, not on another branch, has no head beyond our ancestor: wait for it.
        let ancestor = self.chain.get(low).ok_or(FollowError::BadCheckpoint)?.block;
        if ancestor.hash == latest.hash {
            return Err(behind(format!("its head {latest} is behind block {tip}, which was read before")).into());
        }
        metrics::reorg(tip.number.since(ancestor.number));
        tracing::warn!(from = %tip, to = %ancestor, "L1 was reorganised");
        let below_settled = self.settled.is_some_and(|settled| settled.number > ancestor.number);
        self.rewind(low, below_settled);
        Ok(())
    }

    /// Goes back after a gap: what is missing comes after the last event that moved the position; the second time in a row
    /// nothing above the anchor is believed.
    fn doubt(&mut self) {
        let index = if self.in_doubt { 0 } else { self.chain.last_event() };
        self.in_doubt = true;
        self.rewind(index, false);
    }

    /// Drops what is above place `index` and notes the revert.
    fn rewind(&mut self, index: usize, below_settled: bool) {
        self.chain.truncate(index);
        let Some(tip) = self.chain.tip() else { return };
        self.settled = self.settled.filter(|settled| settled.number <= tip.block.number);
        // Two reverts without an update between them are the deeper one.
        let below_settled = below_settled
            || matches!(self.reverted, Some(L1Event { kind: L1EventKind::Reverted { below_settled: true }, .. }));
        self.reverted = Some(L1Event { block: tip.block, kind: L1EventKind::Reverted { below_settled } });
    }

    /// Reads the next range of blocks.
    async fn advance(&mut self, latest: &BlockRef, finalized: Option<L1Height>) -> Result<Vec<L1Event>, ReadError> {
        let Some(tip) = self.chain.tip() else { return Ok(Vec::new()) };
        if tip.block.number >= latest.number {
            return Ok(Vec::new());
        }
        let from = tip.block.number.next();
        let to = latest.number.min(tip.block.number.saturating_add(self.range));
        let headers = self.headers(&tip.block, from, to, latest, finalized).await?;
        let Addresses { registry, inbox, slasher, .. } = self.config.addresses;
        let addresses = [registry, inbox, slasher];
        let logs = match self.l1.logs(from, to, &addresses).await {
            Err(L1Error::TooLarge { .. }) if self.range > 1 => {
                self.range = (to.since(from) + 1).div_ceil(2);
                tracing::debug!(range = self.range, "smaller log queries");
                return Ok(Vec::new());
            }
            other => other?,
        };
        let last = headers.last().copied().unwrap_or(*latest);
        if !self.is_canonical(&last).await? {
            return Err(L1Error::UnknownBlock(format!("{last}")).into());
        }
        let (events, taken) = self.take(tip, headers, &logs).await?;
        // A block that does not fit is the first one: the others were linked when they were read.
        for tracked in taken {
            if !self.chain.push(tracked.block, tracked.position) {
                return Err(L1Error::UnknownBlock(format!("{}", tracked.block)).into());
            }
        }
        self.range = self.range.saturating_mul(2).min(self.config.range.max(1));
        Ok(events)
    }

    /// The headers of a range: each one above finality, only the last one below.
    async fn headers(
        &self,
        tip: &BlockRef,
        from: L1Height,
        to: L1Height,
        latest: &BlockRef,
        finalized: Option<L1Height>,
    ) -> Result<Vec<BlockRef>, L1Error> {
        let first = finalized.map_or(from, |finalized| from.max(finalized.min(to)));
        let mut headers: Vec<BlockRef> = Vec::new();
        let mut number = first;
        while number <= to {
            let header = if number == latest.number { *latest } else { self.require(BlockAt::Number(number)).await? };
            let parent = headers.last().unwrap_or(tip);
            if parent.number.next() == number && header.parent != parent.hash {
                return Err(L1Error::UnknownBlock(format!("{header}, as child of {parent}")));
            }
            headers.push(header);
            number = number.next();
        }
        Ok(headers)
    }

    /// Turns headers and logs of a range into events and kept blocks. Nothing is kept if any of it is wrong.
    async fn take(
        &self,
        tip: Tracked,
        headers: Vec<BlockRef>,
        logs: &[L1Log],
    ) -> Result<(Vec<L1Event>, Vec<Tracked>), ReadError> {
        let mut position = tip.position;
        let mut events = Vec::new();
        let mut taken: Vec<Tracked> = Vec::with_capacity(headers.len());
        let mut logs = logs.iter().peekable();
        for header in headers {
            // Logs of final blocks whose headers were not read with the range.
            while let Some(log) = logs.next_if(|log| log.block_number < header.number) {
                let block = match taken.last() {
                    Some(last) if last.block.number == log.block_number => last.block,
                    _ => self.require(BlockAt::Number(log.block_number)).await?,
                };
                self.take_log(&block, log, &mut position, &mut events).await?;
                keep(&mut taken, block, position);
            }
            while let Some(log) = logs.next_if(|log| log.block_number == header.number) {
                self.take_log(&header, log, &mut position, &mut events).await?;
            }
            keep(&mut taken, header, position);
        }
        Ok((events, taken))
    }

    async fn take_log(
        &self,
        block: &BlockRef,
        log: &L1Log,
        position: &mut Position,
        events: &mut Vec<L1Event>,
    ) -> Result<(), ReadError> {
        if log.block_hash != block.hash {
            return Err(L1Error::UnknownBlock(format!("{}, of a log", log.block_hash)).into());
        }
        let kind = events::read(&*self.l1, &self.config.addresses, self.config.rollup, block, log, position).await?;
        events.extend(kind.map(|kind| L1Event { block: *block, kind }));
        Ok(())
    }
}

/// An endpoint that has not caught up: wait for it.
const fn behind(reason: String) -> L1Error {
    L1Error::Unavailable { method: "eth_getBlock", reason }
}

/// Notes the position after a block; a block with several logs has one place.
fn keep(taken: &mut Vec<Tracked>, block: BlockRef, position: Position) {
    match taken.last_mut() {
        Some(last) if last.block.number == block.number => last.position = position,
        _ => taken.push(Tracked { block, position }),
    }
}
