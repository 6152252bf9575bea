//! What the follower knows of L1 and of what it derived: pure logic, no I/O.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use surety_l1::{
    BlockRef,
    follow::{Checkpoint, L1Event, L1EventKind, PostedBatch, RegistryEvent},
};
use surety_stf::derive::Position;
use surety_types::{BatchIndex, L1Height, L2Height, Message, MessageIndex, RollupId, Seconds, Term, claim::Claim};

/// A message and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    block: BlockRef,
    message: Message,
    acc: B256,
}

/// A batch on L1 that is not derived yet.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Waiting {
    pub(super) block: BlockRef,
    pub(super) batch: Box<PostedBatch>,
}

/// The end of a derived batch (or genesis): what the next one stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DerivedBatch {
    /// Its number; 0 for genesis.
    pub index: BatchIndex,
    /// The L1 block that holds it; none for genesis.
    pub block: Option<BlockRef>,
    /// The L1 transaction that brought it; zero for genesis.
    pub transaction: B256,
    /// The right claim of it. L1 has it if a committee signed it ([`Self::is_claimed`]), or when somebody has posted it.
    pub claim: Claim,
    /// Whether a committee signed a statement of it, right or wrong; nobody signs a self-sequenced batch.
    #[serde(default = "yes")]
    pub signed: bool,
    /// The inbox's chain of statements after it.
    pub tip: B256,
    /// Its last height.
    pub last: L2Height,
    /// The hash that derivation gives at that height.
    pub last_hash: B256,
    /// Messages consumed up to its end.
    pub messages: MessageIndex,
    /// The accumulator after them.
    pub acc: B256,
    /// Whether the newest statement up to it claims what is right.
    pub claim_holds: bool,
}

/// What files of earlier versions mean.
const fn yes() -> bool {
    true
}

impl DerivedBatch {
    /// Whether a committee signed the right claim, so that L1 has it.
    pub const fn is_claimed(&self) -> bool {
        self.signed && self.claim_holds
    }

    /// Before the first batch.
    pub const fn genesis(rollup: RollupId, hash: B256) -> Self {
        Self {
            index: BatchIndex::ZERO,
            block: None,
            transaction: B256::ZERO,
            claim: Claim::genesis(rollup, hash),
            signed: true,
            tip: B256::ZERO,
            last: L2Height::ZERO,
            last_hash: hash,
            messages: MessageIndex::ZERO,
            acc: B256::ZERO,
            claim_holds: true,
        }
    }

    /// The consumed position at its end.
    pub const fn position(&self) -> Position {
        Position { count: self.messages, acc: self.acc }
    }
}

/// A term that an L1 event started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TermEvent {
    block: BlockRef,
    /// The term.
    pub(super) term: Term,
    /// The last batch before the event.
    after: BatchIndex,
    /// Height and derived hash of that batch's last block, once it is derived.
    pub(super) begins: Option<(L2Height, B256)>,
}

/// Terms started by events that are remembered: they are rare.
const MAX_TERM_EVENTS: usize = 256;

/// A reorg took back what counted as final: nothing kept can be trusted, L1 is read from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("L1 was reorganised below a batch that was final; L1 is read again from the contracts' creation")]
pub(super) struct BelowBase;

/// All that must survive a restart, and the batches that wait. What is saved is saved with nothing waiting, so a start
/// from it repeats at most work that is already in the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Progress {
    /// The chain that this belongs to.
    genesis: DerivedBatch,
    /// The L1 follower's.
    pub(super) checkpoint: Option<Checkpoint>,
    /// The newest batch that L1 has finalised, or genesis.
    base: DerivedBatch,
    /// If no committee signed the base's claim: the claims before its own, from the newest that one signed (or genesis) on.
    #[serde(default)]
    unsigned: Vec<Claim>,
    /// Derived batches above it, in order.
    applied: VecDeque<DerivedBatch>,
    /// Messages from the base's end on.
    messages: VecDeque<Kept>,
    /// The newest terms that events started, in order.
    #[serde(default)]
    term_events: VecDeque<TermEvent>,
    #[serde(skip)]
    waiting: VecDeque<Waiting>,
}

impl Progress {
    pub(super) const fn new(genesis: DerivedBatch) -> Self {
        Self {
            genesis,
            checkpoint: None,
            base: genesis,
            unsigned: Vec::new(),
            applied: VecDeque::new(),
            messages: VecDeque::new(),
            term_events: VecDeque::new(),
            waiting: VecDeque::new(),
        }
    }

    pub(super) const fn genesis(&self) -> &DerivedBatch {
        &self.genesis
    }

    /// The newest derived batch: `safe`.
    pub(super) fn tip(&self) -> &DerivedBatch {
        self.applied.back().unwrap_or(&self.base)
    }

    /// The newest batch that L1 has finalised: `finalized`.
    pub(super) const fn base(&self) -> &DerivedBatch {
        &self.base
    }

    /// The claims from the newest that a committee signed (or genesis) up to the tip's own: those behind the first must be
    /// carried by whoever posts next.
    pub(super) fn ancestry(&self) -> Vec<Claim> {
        let above = self.applied.iter().rposition(DerivedBatch::is_claimed);
        let applied = self.applied.iter().skip(above.unwrap_or_default()).map(|batch| batch.claim);
        match above {
            Some(_) => applied.collect(),
            None => self.unsigned.iter().copied().chain([self.base.claim]).chain(applied).collect(),
        }
    }

    /// Takes one event of L1.
    pub(super) fn take(&mut self, event: L1Event) -> Result<(), BelowBase> {
        let L1Event { block, kind } = event;
        match kind {
            L1EventKind::Message { message, acc } => {
                // Read once more after a restart.
                if message.index == self.next_message() {
                    self.messages.push_back(Kept { block, message: *message, acc });
                }
            }
            L1EventKind::Batch(batch) => {
                if batch.index > self.waiting.back().map_or(self.tip().index, |last| last.batch.index) {
                    self.self_sequenced(&batch);
                    self.waiting.push_back(Waiting { block, batch });
                }
            }
            L1EventKind::Registry(event) => {
                if let RegistryEvent::TermStarted(started) = &*event {
                    self.term_started(block, Term::new(started.term));
                }
            }
            L1EventKind::Slasher(_) => {}
            L1EventKind::Reverted { .. } => return self.revert(block.number),
        }
        Ok(())
    }

    /// An event started a term: the chain goes on from the last batch that L1 has by then.
    fn term_started(&mut self, block: BlockRef, term: Term) {
        // Read once more after a restart.
        if self.term_events.back().is_some_and(|last| last.term >= term) {
            return;
        }
        let tip = *self.tip();
        let (after, begins) = match self.waiting.back() {
            Some(last) => (last.batch.index, None),
            None => (tip.index, Some((tip.last, tip.last_hash))),
        };
        self.term_events.push_back(TermEvent { block, term, after, begins });
        while self.term_events.len() > MAX_TERM_EVENTS {
            self.term_events.pop_front();
        }
    }

    /// A self-sequenced batch starts a term, which begins after it: L1 tells of the term first.
    fn self_sequenced(&mut self, batch: &PostedBatch) {
        if !batch.is_signed()
            && let Some(event) = self.term_events.back_mut().filter(|e| e.term.get() == batch.statement.term)
        {
            (event.after, event.begins) = (batch.index, None);
        }
    }

    /// After which block a term begins that an event of this L1 time started; `None` while that is not known.
    pub(super) fn term_begins(&self, term: Term, start: Seconds) -> Option<(L2Height, B256)> {
        self.term_events.iter().find(|event| event.term == term && event.block.time == start)?.begins
    }

    fn next_message(&self) -> MessageIndex {
        self.messages.back().map_or(self.base.messages, |kept| kept.message.index.next())
    }

    /// Forgets everything above an L1 block.
    fn revert(&mut self, to: L1Height) -> Result<(), BelowBase> {
        self.waiting.retain(|waiting| waiting.block.number <= to);
        self.applied.retain(|batch| batch.block.is_some_and(|block| block.number <= to));
        self.messages.retain(|kept| kept.block.number <= to);
        self.term_events.retain(|event| event.block.number <= to);
        if self.base.block.is_some_and(|block| block.number > to) { Err(BelowBase) } else { Ok(()) }
    }

    /// The next batch to derive.
    pub(super) fn next_batch(&self) -> Option<&Waiting> {
        self.waiting.front()
    }

    /// Messages from the tip's end up to `count`; `None` if they are not all here.
    pub(super) fn messages_to(&self, count: u64) -> Option<Vec<Message>> {
        let from = self.tip().messages.get();
        // Before that there is nothing to consume: derivation refuses such data.
        let count = count.max(from);
        let first = self.base.messages.get();
        let range = usize::try_from(from.checked_sub(first)?).ok()?..usize::try_from(count.checked_sub(first)?).ok()?;
        if range.start > range.end || range.end > self.messages.len() {
            return None;
        }
        Some(self.messages.range(range).map(|kept| kept.message.clone()).collect())
    }

    /// The batch that waited first is derived.
    pub(super) fn applied(&mut self, batch: DerivedBatch) {
        self.waiting.pop_front();
        for event in self.term_events.iter_mut().filter(|event| event.after == batch.index) {
            event.begins = Some((batch.last, batch.last_hash));
        }
        self.applied.push_back(batch);
    }

    /// Moves the base up to what L1 has finalised. Whether it moved.
    pub(super) fn finalize(&mut self, finalized: L1Height) -> bool {
        let before = self.base.index;
        while self.applied.front().is_some_and(|b| b.block.is_some_and(|block| block.number <= finalized)) {
            if let Some(batch) = self.applied.pop_front() {
                if batch.is_claimed() {
                    self.unsigned.clear();
                } else {
                    self.unsigned.push(self.base.claim);
                }
                self.base = batch;
            }
        }
        while self.messages.front().is_some_and(|kept| kept.message.index < self.base.messages) {
            self.messages.pop_front();
        }
        self.base.index != before
    }

    /// The messages kept.
    pub(super) fn messages(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter().map(|kept| &kept.message)
    }

    /// The messages kept, as events, for those who want settled ones after a restart.
    pub(super) fn message_events(&self) -> impl Iterator<Item = L1Event> + '_ {
        self.messages.iter().map(|kept| L1Event {
            block: kept.block,
            kind: L1EventKind::Message { message: Box::new(kept.message.clone()), acc: kept.acc },
        })
    }
}
