//! From the follower's notices to consensus: settled messages into the queue, terms into the schedule, derived batches
//! to the backend.

use crate::terms::{TermsError, read_terms};
use crate::{
    backend::NodeBackend,
    builder::Inbox,
    consensus::TermSchedule,
    evidence::EvidencePool,
    follower::{Messages, Notice, Status},
};
use std::{sync::Arc, time::Duration};
use surety_l1::{
    BlockAt, L1,
    contracts::{Addresses, Contracts},
    follow::L1EventKind,
};
use surety_rpc::Feed;
use surety_types::{Seconds, Term};
use tokio::sync::{broadcast::error::RecvError, mpsc, watch};

/// How often L1 is asked for the next term.
const TERMS_PERIOD: Duration = Duration::from_secs(2);

/// Passes notices on until the follower has ended.
pub(crate) async fn notices(
    mut notices: mpsc::UnboundedReceiver<Notice>,
    inbox: Inbox,
    messages: Messages,
    backend: Arc<NodeBackend>,
) {
    while let Some(notice) = notices.recv().await {
        tell_unsettled(&inbox, &messages);
        match notice {
            Notice::Settled(event) => {
                if let L1EventKind::Message { message, .. } = event.kind
                    && let Err(error) = inbox.push(*message)
                {
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
            Notice::Removed { blocks, .. } => refresh(&backend, &blocks),
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
pub(crate) fn refresh(backend: &NodeBackend, removed: &[Arc<surety_state::StoredBlock>]) {
    if let Err(error) = backend.refresh(removed) {
        tracing::error!(%error, "new blocks could not be announced");
    }
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
    inbox: Inbox,
    messages: Messages,
    backend: Arc<NodeBackend>,
) {
    loop {
        tell_unsettled(&inbox, &messages);
        if let Some(head) = status.borrow_and_update().l1_head {
            backend.set_l1_time(head.time);
        }
        if status.changed().await.is_err() {
            return;
        }
    }
}

/// Keeps the schedule of terms up to date, for ever. `depth` and `age` make a block settled while L1 does not finalise.
pub(crate) async fn terms(
    l1: Arc<dyn L1>,
    addresses: Addresses,
    schedule: TermSchedule,
    mut next: Term,
    settled: (u64, Seconds),
) {
    loop {
        match read(&*l1, addresses, &schedule, next, settled).await {
            Ok(term) => next = term,
            Err(error) => tracing::warn!(%error, "the next term's committee is not known yet; asking again"),
        }
        tokio::time::sleep(TERMS_PERIOD).await;
    }
}

/// One reading, as of the newest settled block (protocol §4: finalised, or deep and old enough).
pub(crate) async fn read(
    l1: &dyn L1,
    addresses: Addresses,
    schedule: &TermSchedule,
    next: Term,
    (depth, age): (u64, Seconds),
) -> Result<Term, TermsError> {
    let Some(head) = l1.block(BlockAt::Latest).await? else { return Ok(next) };
    let finalized = l1.block(BlockAt::Finalized).await?;
    let deep = match head.number.checked_sub(depth) {
        Some(number) => l1.block(BlockAt::Number(number)).await?.filter(|b| head.time.since(b.time) >= age.get()),
        None => None,
    };
    let newest = [finalized, deep].into_iter().flatten().max_by_key(|block| block.number);
    let Some(block) = newest else { return Ok(next) };
    // Before the chain is open, as of that block, there are no terms.
    let at = BlockAt::Number(block.number);
    let is_open = !l1.code(addresses.registry, at).await?.is_empty()
        && Contracts::new(l1, addresses).registry_genesis_time(at).await? > Seconds::ZERO;
    if is_open { read_terms(l1, addresses, schedule, next, (block.number, block.time)).await } else { Ok(next) }
}
