//! The loop: poll, derive, tag, save.

use super::{
    Chain, Config, DerivedBatch, FollowerError, Notice, Outcome, Status,
    chain::{ApplyError, derived},
    metrics,
    state::{BelowBase, Progress, Waiting},
};
use crate::{
    consensus::{Boundary, TermSchedule},
    durable,
};
use alloy_primitives::B256;
use parking_lot::RwLock;
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use surety_l1::{
    L1, L1Error,
    follow::{DataSource, FollowError, Heads, L1Event, L1EventKind, Settled, Update},
};
use surety_state::{Error as StoreError, Tag};
use surety_stf::derive::Data;
use surety_types::{L2Height, Message, MessageIndex, claim::blob_data_hash};
use tokio::sync::{mpsc, watch};

/// Waits between attempts when something stands in the way, at most.
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// Follows one chain. [`Follower::run`] is the task.
pub struct Follower {
    l1: Arc<dyn L1>,
    config: Config,
    chain: Chain,
    progress: Progress,
    /// The progress as it is on disk.
    saved: Option<Progress>,
    reader: surety_l1::follow::Follower,
    settled: Settled,
    /// Messages of an earlier run, for `settled`.
    replay: Vec<L1Event>,
    messages: Messages,
    /// `None`: this node has no blocks but those from L1.
    schedule: Option<TermSchedule>,
    notices: mpsc::UnboundedSender<Notice>,
    status: watch::Sender<Status>,
}

impl core::fmt::Debug for Follower {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Follower").field("tip", self.progress.tip()).finish_non_exhaustive()
    }
}

impl Follower {
    /// A follower that goes on from its progress file, if that belongs to the store's chain, or begins anew.
    ///
    /// # Errors
    /// [`FollowerError::L1`] if the L1 position in the file is damaged.
    pub fn new(
        l1: Arc<dyn L1>,
        config: Config,
        chain: Chain,
        notices: mpsc::UnboundedSender<Notice>,
    ) -> Result<(Self, watch::Receiver<Status>), FollowerError> {
        let genesis = DerivedBatch::genesis(chain.parameters().rollup, chain.store().genesis().hash);
        let saved = load(&config.progress, &genesis).filter(|progress| stands_on(progress.tip(), &chain));
        if saved.is_none() {
            tracing::info!("no usable progress of the follower: L1 is read from the contracts' creation");
        }
        let progress = saved.clone().unwrap_or_else(|| Progress::new(genesis));
        let reader = surety_l1::follow::Follower::new(l1.clone(), config.l1, progress.checkpoint.clone())?;
        let (status, watcher) = watch::channel(Status {
            l1_head: None,
            safe: *progress.tip(),
            ancestry: progress.ancestry().into(),
            finalized: *progress.base(),
            caught_up: false,
            mismatches: 0,
            trouble: None,
        });
        let replay = progress.message_events().collect();
        let settled = Settled::new();
        let messages = Messages::default();
        messages.set(&progress);
        let schedule = None;
        let follower =
            Self { l1, config, chain, progress, saved, reader, settled, replay, messages, schedule, notices, status };
        Ok((follower, watcher))
    }

    /// For a node that has soft-final blocks: takes them back when this schedule knows of a term that an L1 event started, and
    /// derives self-sequenced batches when they are settled.
    pub fn with_terms(mut self, schedule: TermSchedule) -> Self {
        self.schedule = Some(schedule);
        self
    }

    /// The messages that are kept, as they change.
    pub fn messages(&self) -> Messages {
        self.messages.clone()
    }

    /// Follows until `stop` turns true (or its sender is gone), or until there is no going on.
    ///
    /// # Errors
    /// [`FollowerError`]: of the machine, never of what L1 holds.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<(), FollowerError> {
        let mut backoff = Backoff::default();
        while !*stop.borrow() {
            let wait = match self.step(&stop).await {
                Ok(true) => {
                    backoff.reset();
                    Duration::ZERO
                }
                Ok(false) => {
                    backoff.reset();
                    self.config.poll
                }
                Err(StepError::Later(trouble)) => {
                    tracing::warn!(%trouble, "the follower waits");
                    self.status.send_modify(|status| status.trouble = Some(trouble));
                    backoff.next()
                }
                Err(StepError::Ended(FollowerError::Chain(ApplyError::Stopped))) => return Ok(()),
                Err(StepError::Ended(error)) => return Err(error),
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                changed = stop.changed() => if changed.is_err() { return Ok(()) },
            }
        }
        Ok(())
    }

    /// One poll and everything that follows from it. Whether there is more to do at once.
    pub(super) async fn step(&mut self, stop: &watch::Receiver<bool>) -> Result<bool, StepError> {
        let update = match self.reader.poll().await {
            Ok(update) => update,
            Err(error @ (FollowError::TooDeep { .. } | FollowError::BadCheckpoint)) => {
                tracing::error!(%error, "L1 is read again from the contracts' creation");
                self.begin_anew()?;
                return Ok(true);
            }
            Err(error) => return Err(StepError::Later(error.to_string())),
        };
        let heads = update.heads;
        if self.take(update).is_err() {
            tracing::error!("{BelowBase}");
            self.begin_anew()?;
            return Ok(true);
        }
        // Reverts move the tags before anything waits for data.
        self.tag(&heads).await?;
        while let Some(waiting) = self.progress.next_batch().cloned() {
            if self.holds_back(&waiting, &heads) {
                break;
            }
            self.derive(waiting, stop).await?;
            self.tag(&heads).await?;
        }
        self.cut().await?;
        let nothing_waits = self.progress.next_batch().is_none();
        if nothing_waits {
            self.progress.checkpoint = Some(self.reader.checkpoint());
            self.save()?;
        }
        self.status.send_modify(|status| {
            status.caught_up = heads.caught_up() && nothing_waits;
            status.trouble = None;
        });
        Ok(!heads.caught_up())
    }

    /// Feeds the events to the progress and to those who want settled ones.
    fn take(&mut self, update: Update) -> Result<(), BelowBase> {
        let mut feed = update.clone();
        feed.events.splice(0..0, self.replay.drain(..));
        let was_broken = self.settled.broken();
        for event in self.settled.push(feed) {
            self.notify(Notice::Settled(Box::new(event)));
        }
        if self.settled.broken() && !was_broken {
            self.notify(Notice::SettledReverted);
        }
        self.status.send_modify(|status| status.l1_head = Some(update.heads.latest));
        for event in update.events {
            if matches!(event.kind, L1EventKind::Reverted { .. }) {
                tracing::warn!(to = %event.block, "L1 was reorganised; batches above are void");
            }
            self.progress.take(event)?;
        }
        self.messages.set(&self.progress);
        Ok(())
    }

    /// Forgets the progress; the store stays and will be found again.
    fn begin_anew(&mut self) -> Result<(), FollowerError> {
        self.progress = Progress::new(*self.progress.genesis());
        self.reader = surety_l1::follow::Follower::new(self.l1.clone(), self.config.l1, None)?;
        self.settled = Settled::new();
        self.notify(Notice::SettledReverted);
        Ok(())
    }

    /// Whether a batch must settle first: a self-sequenced one takes soft-final blocks back, and a reorg of L1 could give
    /// the seats their place again (protocol §6).
    fn holds_back(&self, waiting: &Waiting, heads: &Heads) -> bool {
        let settled = heads.settled.is_some_and(|settled| waiting.block.number <= settled.number);
        self.schedule.is_some() && !waiting.batch.is_signed() && !settled
    }

    async fn derive(&mut self, waiting: Waiting, stop: &watch::Receiver<bool>) -> Result<(), StepError> {
        let Waiting { block, batch } = waiting;
        let data = self.data(&block, &batch.data, batch.statement.dataHash).await?;
        let messages = self.progress.messages_to(batch.statement.messageCount);
        // L1 never takes a batch before its messages, so they can only be missing through a fault of ours.
        let messages: Vec<Message> = messages.ok_or_else(|| {
            StepError::Later(format!("the messages of batch {} are not here: L1 must be read again", batch.index))
        })?;
        let (chain, parent, statement) = (self.chain.clone(), *self.progress.tip(), batch.statement.clone());
        let kept = messages.clone();
        let stopped = Arc::new(AtomicBool::new(false));
        let work = {
            let (stopped, stop) = (stopped.clone(), stop.clone());
            tokio::task::spawn_blocking(move || {
                let stop = || stopped.load(Ordering::Relaxed) || *stop.borrow();
                chain.apply(&parent, &statement, &data, messages, &stop)
            })
        };
        // Should this future be dropped, the work ends at the next block.
        let guard = StopOnDrop(stopped);
        let outcome = work.await.map_err(|e| FollowerError::from(ApplyError::Engine(e.to_string())))?;
        drop(guard);
        let outcome = outcome.map_err(|error| match error {
            // Consensus writes to the same store: done again, all that is derived is found in place.
            ApplyError::Store(
                StoreError::UnknownBlock(_) | StoreError::UnknownNumber(_) | StoreError::UnknownParent { .. },
            ) => StepError::Later(format!("the chain has moved while a batch was derived: {error}")),
            error => StepError::Ended(error.into()),
        })?;
        self.config.posted.keep(&batch, parent.last_hash, kept).map_err(FollowerError::Posted)?;
        let end = derived(&parent, &batch, block, &outcome);
        self.report(&end, batch.statement.firstHeight, outcome);
        self.progress.applied(end);
        Ok(())
    }

    /// Makes room for terms that events started.
    async fn cut(&self) -> Result<(), FollowerError> {
        for (term, start) in self.schedule.iter().flat_map(TermSchedule::awaiting) {
            let Some((last, genesis)) = self.progress.term_begins(term, start) else { return Ok(()) };
            let boundary = Boundary { term, height: last.get(), genesis };
            let (chain, tip) = (self.chain.clone(), *self.progress.tip());
            let work = tokio::task::spawn_blocking(move || chain.cut(&boundary, &tip));
            let blocks = work.await.map_err(|e| ApplyError::Engine(e.to_string()))??;
            tracing::warn!(
                %term, height = boundary.height, removed = blocks.len(),
                "an L1 event started a term: it begins after the last block that L1 had"
            );
            metrics::removed(blocks.len());
            self.notify(Notice::Cut { boundary, blocks });
        }
        Ok(())
    }

    /// The data of a batch, by the hash that the statement commits to.
    async fn data(&self, block: &surety_l1::BlockRef, source: &DataSource, data_hash: B256) -> Result<Data, StepError> {
        match source {
            DataSource::None => Ok(Data::None),
            DataSource::CallData(bytes) => Ok(Data::Calldata(bytes.to_vec())),
            DataSource::Blobs(hashes) => {
                if blob_data_hash(hashes) != data_hash {
                    return Err(StepError::Later("blob hashes are not those of the statement".into()));
                }
                let blobs =
                    self.l1.blobs(*block, hashes).await.map_err(|e: L1Error| StepError::Later(e.to_string()))?;
                Ok(Data::Blobs(blobs.into_iter().map(|blob| blob.to_vec()).collect()))
            }
        }
    }

    fn report(&self, end: &DerivedBatch, first: u64, outcome: Outcome) {
        let blocks = end.last.get().saturating_sub(first).saturating_add(1);
        metrics::derived(blocks, outcome.executed, end.last.get(), end.index.get());
        tracing::info!(batch = %end.index, first, last = %end.last, executed = outcome.executed, "batch derived");
        if !end.signed {
            tracing::warn!(batch = %end.index, "the batch was sequenced without the committee: a block of messages alone");
        } else if let Some(refusal) = outcome.refusal {
            metrics::refused();
            tracing::error!(batch = %end.index, %refusal, "the batch's data are refused: all its blocks are default blocks");
        }
        for (height, reason) in &outcome.invalid {
            tracing::error!(batch = %end.index, %height, %reason, "a block's list is not valid: it is its messages alone");
        }
        for m in &outcome.mismatches {
            metrics::mismatch();
            tracing::error!(
                batch = %end.index, field = m.field, derived = %m.derived, stated = %m.stated,
                "THE STATEMENT IS FALSE: its signers answer for it with their bonds; the chain is the derived one"
            );
        }
        if let Some(lowest) = outcome.removed.first() {
            metrics::removed(outcome.removed.len());
            let from = L2Height::new(lowest.block.header.number);
            tracing::error!(batch = %end.index, %from, blocks = outcome.removed.len(), "blocks gave way to what L1 says");
            self.notify(Notice::Removed { batch: end.index, from, blocks: outcome.removed });
        }
        let mismatches = outcome.mismatches;
        self.status.send_modify(|status| status.mismatches += u64::from(!mismatches.is_empty()));
        self.notify(Notice::Derived { batch: Box::new(*end), mismatches });
    }

    /// Brings the store's tags to the progress.
    async fn tag(&mut self, heads: &Heads) -> Result<(), FollowerError> {
        if let Some(finalized) = heads.finalized {
            self.progress.finalize(finalized.number);
        }
        let (safe, finalized) = (*self.progress.tip(), *self.progress.base());
        let before = self.status.borrow().clone();
        if (before.safe, before.finalized) != (safe, finalized) || before.l1_head.is_none() {
            let ancestry = self.progress.ancestry().into();
            self.status.send_modify(|status| {
                (status.safe, status.finalized, status.ancestry) = (safe, finalized, ancestry);
            });
        }
        let store = self.chain.store().clone();
        let work = tokio::task::spawn_blocking(move || -> surety_state::Result<()> {
            for (tag, at) in [(Tag::Safe, safe), (Tag::Finalized, finalized)] {
                if store.tag(tag).hash != at.last_hash && store.canonical_number(at.last_hash)?.is_some() {
                    store.set_tag(tag, at.last_hash)?;
                }
            }
            Ok(())
        });
        let done = work.await.map_err(|e| ApplyError::Engine(e.to_string()))?;
        done.map_err(ApplyError::from)?;
        Ok(())
    }

    fn save(&mut self) -> Result<(), FollowerError> {
        if self.saved.as_ref() == Some(&self.progress) {
            return Ok(());
        }
        let path = &self.config.progress;
        durable::replace(path, &self.progress)
            .map_err(|e| FollowerError::Progress { path: path.display().to_string(), reason: e.to_string() })?;
        self.saved = Some(self.progress.clone());
        Ok(())
    }

    fn notify(&self, notice: Notice) {
        // Nobody listening is no error.
        let _ = self.notices.send(notice);
    }
}

/// The messages of L1's canonical chain from the newest finalised batch on, settled or not. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Messages(Arc<RwLock<Vec<Message>>>);

impl Messages {
    /// Messages `from..to`; `None` if they are not all here.
    pub fn range(&self, from: MessageIndex, to: MessageIndex) -> Option<Vec<Message>> {
        let kept = self.0.read();
        let first = kept.first().map_or(from, |message| message.index);
        let start = usize::try_from(from.checked_sub(first.get())?.get()).ok()?;
        let end = usize::try_from(to.checked_sub(first.get())?.get()).ok()?;
        kept.get(start..end).map(<[Message]>::to_vec)
    }

    /// Other messages, for tests.
    #[cfg(test)]
    pub(crate) fn replace(&self, messages: Vec<Message>) {
        *self.0.write() = messages;
    }

    fn set(&self, progress: &Progress) {
        let now = progress.messages();
        let mut kept = self.0.write();
        if !kept.iter().eq(now) {
            *kept = progress.messages().cloned().collect();
        }
    }
}

/// What ends a step.
#[derive(Debug)]
pub(super) enum StepError {
    /// Try again later.
    Later(String),
    /// There is no going on.
    Ended(FollowerError),
}

impl From<FollowerError> for StepError {
    fn from(error: FollowerError) -> Self {
        Self::Ended(error)
    }
}

struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
struct Backoff(u32);

impl Backoff {
    fn next(&mut self) -> Duration {
        self.0 = self.0.saturating_add(1).min(8);
        Duration::from_millis(250).saturating_mul(1 << self.0).min(MAX_BACKOFF)
    }
    fn reset(&mut self) {
        self.0 = 0;
    }
}

/// Whether the store's chain still holds what the progress says was derived.
fn stands_on(tip: &DerivedBatch, chain: &Chain) -> bool {
    let found = chain.store().canonical_hash(tip.last.get()).ok().flatten();
    found == Some(tip.last_hash) && chain.store().committed().number >= tip.last.get()
}

fn load(path: &Path, genesis: &DerivedBatch) -> Option<Progress> {
    let bytes = std::fs::read(path).ok()?;
    let progress: Progress = serde_json::from_slice(&bytes)
        .inspect_err(|error| tracing::warn!(path = %path.display(), %error, "the follower's progress is unreadable"))
        .ok()?;
    (progress.genesis() == genesis).then_some(progress)
}
