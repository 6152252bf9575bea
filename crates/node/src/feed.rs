//! From the follower's notices to consensus: settled messages into the queue, terms into the schedule, derived batches
//! to the backend.

use crate::terms::{ReadAt, TermsError, read_terms, watch_head};
use crate::{
    backend::NodeBackend,
    builder::Inbox,
    consensus::{TermSchedule, byzantine::Misbehaviour},
    evidence::EvidencePool,
    follower::{Messages, Notice, Status},
};
use std::{sync::Arc, time::Duration};
use surety_contracts::Parameters;
use surety_l1::{
    BlockAt, L1,
    contracts::{Addresses, Contracts},
    follow::L1EventKind,
};
use surety_rpc::Feed;
use surety_state::StoredBlock;
use surety_types::{Seconds, Term};
use tokio::sync::{broadcast::error::RecvError, mpsc, watch};

/// Passes notices on until the follower has ended. Terms that events started go into the schedule. A censor of a drill keeps
/// messages back.
pub(crate) async fn notices(
    mut notices: mpsc::UnboundedReceiver<Notice>,
    (inbox, messages): (Inbox, Messages),
    backend: Arc<NodeBackend>,
    schedule: TermSchedule,
    misbehaviour: Option<Misbehaviour>,
) {
    let refuses = || misbehaviour.as_ref().is_some_and(Misbehaviour::refuses_messages);
    let mut kept_back = Vec::new();
    while let Some(notice) = notices.recv().await {
        if !refuses() {
            tell_unsettled(&inbox, &messages);
            for message in kept_back.drain(..) {
                // They are in order.
                let _ = inbox.push(message);
            }
        }
        match notice {
            Notice::Settled(event) => {
                let L1EventKind::Message { message, .. } = event.kind else { continue };
                if refuses() {
                    kept_back.push(*message);
                } else if let Err(error) = inbox.push(*message) {
                    tracing::error!(%error, "a settled message is missing: restart the node to read L1 again");
                }
            }
            Notice::SettledReverted => {
                tracing::error!("L1 took back what was settled: this seat proposes nothing that L1 would refuse");
            }
            Notice::Derived { batch, .. } => {
                if let Err(error) = backend.record(&batch) {
                    tracing::warn!(%error, "finality of this batch will not be known after a restart");
                }
                inbox.prune(batch.messages);
                refresh(&backend, &[]);
            }
            Notice::Removed { blocks, .. } => removed(&inbox, &messages, &backend, &blocks),
            Notice::Cut { boundary, blocks } => {
                removed(&inbox, &messages, &backend, &blocks);
                // Last: consensus begins again when it hears of this.
                schedule.begin_by_event(boundary);
            }
        }
    }
}

/// Publishes what the evidence pool knows and finds, for ever.
pub(crate) async fn evidence(pool: EvidencePool, feed: Arc<Feed>) {
    let mut found = pool.subscribe();
    loop {
        for evidence in pool.found() {
            feed.accuse(evidence);
        }
        if let Err(RecvError::Closed) = found.recv().await {
            return;
        }
    }
}

/// Announces what is new at the head; a failure is logged.
pub(crate) fn refresh(backend: &NodeBackend, removed: &[Arc<StoredBlock>]) {
    if let Err(error) = backend.refresh(removed) {
        tracing::error!(%error, "new blocks could not be announced");
    }
}

/// Blocks left the chain: what they consumed waits again, and they are announced as removed.
fn removed(inbox: &Inbox, messages: &Messages, backend: &NodeBackend, blocks: &[Arc<StoredBlock>]) {
    if blocks.is_empty() {
        return;
    }
    match backend.take_back(blocks) {
        Ok(position) => match messages.range(position, inbox.first()) {
            Some(consumed) => inbox.restore(consumed),
            None => tracing::debug!(%position, first = %inbox.first(), "no messages to consume again"),
        },
        Err(error) => tracing::error!(%error, "transactions of removed blocks did not return to the pool"),
    }
    refresh(backend, blocks);
}

/// Tells the queue of the oldest message that is not settled.
fn tell_unsettled(inbox: &Inbox, messages: &Messages) {
    let next = inbox.count();
    let oldest = messages.range(next, next.next()).and_then(|range| range.first().map(|message| message.l1_time));
    inbox.set_unsettled(oldest);
}

/// Tells the backend L1's time, and the queue of what is not settled, whenever L1 was read.
pub(crate) async fn l1_time(
    mut status: watch::Receiver<Status>,
    (inbox, messages): (Inbox, Messages),
    backend: Arc<NodeBackend>,
    misbehaviour: Option<Misbehaviour>,
) {
    loop {
        if misbehaviour.as_ref().is_some_and(Misbehaviour::refuses_messages) {
            // What it keeps back does not keep a censor from making blocks.
            inbox.set_unsettled(None);
        } else {
            tell_unsettled(&inbox, &messages);
        }
        if let Some(head) = status.borrow_and_update().l1_head {
            backend.set_l1_time(head.time);
        }
        if status.changed().await.is_err() {
            return;
        }
    }
}

/// Keeps the schedule of terms up to date, for ever.
pub(crate) async fn terms(l1: Arc<dyn L1>, addresses: Addresses, schedule: TermSchedule, mut next: Term, depth: Depth) {
    loop {
        match read(&*l1, addresses, &schedule, next, depth).await {
            Ok(term) => next = term,
            Err(error) => tracing::warn!(%error, "the next term's committee is not known yet; asking again"),
        }
        tokio::time::sleep(depth.period).await;
    }
}

/// When terms are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Depth {
    /// Blocks on top of one that make it settled while L1 does not finalise.
    pub(crate) blocks: u64,
    /// How long before a term's start its committee is final.
    pub(crate) freeze_delay: Seconds,
    /// How often L1 is asked.
    pub(crate) period: Duration,
}

impl Depth {
    /// As a chain's parameters say; L1 is asked four times a slot, since the chain rests until it answers.
    pub(crate) fn of(protocol: &Parameters) -> Self {
        Self {
            blocks: protocol.settled_depth,
            freeze_delay: Seconds::new(protocol.freeze_delay()),
            period: Duration::from_millis(protocol.slot_time.saturating_mul(250).clamp(200, 12_000)),
        }
    }
}

/// One reading, as of the newest block that is finalised or deep enough.
pub(crate) async fn read(
    l1: &dyn L1,
    addresses: Addresses,
    schedule: &TermSchedule,
    next: Term,
    depth: Depth,
) -> Result<Term, TermsError> {
    let Some(head) = l1.block(BlockAt::Latest).await? else { return Ok(next) };
    let finalized = l1.block(BlockAt::Finalized).await?;
    let deep = match head.number.checked_sub(depth.blocks) {
        Some(number) => l1.block(BlockAt::Number(number)).await?,
        None => None,
    };
    let newest = [finalized, deep].into_iter().flatten().max_by_key(|block| block.number);
    let Some(block) = newest else { return Ok(next) };
    // Before the chain is open, as of that block, there are no terms.
    let at = BlockAt::Number(block.number);
    let is_open = !l1.code(addresses.registry, at).await?.is_empty()
        && Contracts::new(l1, addresses).registry_genesis_time(at).await? > Seconds::ZERO;
    if !is_open {
        return Ok(next);
    }
    let seen = watch_head(l1, addresses, (block.number, block.time), (head.number, head.time)).await?;
    if seen.is_some() {
        schedule.see_event(seen);
    }
    let block = ReadAt { number: block.number, time: block.time, freeze_delay: depth.freeze_delay };
    let next = read_terms(l1, addresses, schedule, next, block).await?;
    // Settled by now, or reorganised away.
    schedule.see_event(seen);
    Ok(next)
}
