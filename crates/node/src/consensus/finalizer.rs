//! Commits final blocks in order, tells who wants to know, and ends terms.
//!
//! The library delivers each final block at least once, in order; we acknowledge it when it is durable in the store. After a
//! restart blocks may come again: those that the store has are acknowledged at once. A final block that this node finds
//! wrong means that its execution differs from two thirds of the seats: it stops here and says so, and commits nothing.

use super::{
    application::{Shared, blocking, execute, report},
    block::ConsensusBlock,
    epochs::{Boundary, Epochs},
    metrics,
};
use commonware_actor::Feedback;
use commonware_consensus::{Reporter, marshal::Update};
use commonware_runtime::{Clock, Spawner};
use commonware_utils::{Acknowledgement as _, acknowledgement::Exact};
use std::{sync::Arc, time::Duration};
use surety_state::StoredBlock;
use surety_types::{Recovered, Seconds, Term};
use tokio::sync::{broadcast, mpsc, watch};

/// The most blocks that one synced transaction of the store takes.
const MAX_GROUP: usize = 64;

/// How often the store is looked at for blocks that came from L1.
const DERIVED_PERIOD: Duration = Duration::from_secs(1);

type Delivery = (ConsensusBlock, Exact);

/// Takes final blocks from the library.
#[derive(Clone)]
pub(super) struct Deliveries(mpsc::UnboundedSender<Delivery>);

impl Reporter for Deliveries {
    type Activity = Update<ConsensusBlock>;

    fn report(&mut self, update: Self::Activity) -> Feedback {
        // Tips run ahead of the blocks; only blocks matter here. The library bounds how many are not acknowledged.
        if let Update::Block(block, acknowledgement) = update
            && self.0.send((block.inner().clone(), acknowledgement)).is_err()
        {
            return Feedback::Closed;
        }
        Feedback::Ok
    }
}

/// The task that commits.
pub(super) struct Finalizer<E> {
    context: E,
    shared: Arc<Shared>,
    epochs: Epochs,
    deliveries: mpsc::UnboundedReceiver<Delivery>,
    finalized: broadcast::Sender<Arc<StoredBlock>>,
    term: watch::Sender<Option<Boundary>>,
}

/// This node disagrees with a quorum, or cannot write: it must not go on.
struct Halt;

impl<E: Clock + Spawner> Finalizer<E> {
    pub(super) fn new(
        context: E,
        shared: Arc<Shared>,
        epochs: Epochs,
        finalized: broadcast::Sender<Arc<StoredBlock>>,
        term: watch::Sender<Option<Boundary>>,
    ) -> (Self, Deliveries) {
        let (sender, deliveries) = mpsc::unbounded_channel();
        (Self { context, shared, epochs, deliveries, finalized, term }, Deliveries(sender))
    }

    pub(super) async fn run(mut self) {
        let mut schedule = self.shared.schedule.changes();
        loop {
            // A schedule that came late may show that the term was over already.
            self.end_terms();
            let first = tokio::select! {
                biased;
                first = self.deliveries.recv() => first,
                changed = schedule.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                // Derivation from L1 tells nobody here of its blocks.
                () = self.context.sleep(DERIVED_PERIOD) => continue,
            };
            let Some(first) = first else { return };
            let mut group = vec![first];
            while group.len() < MAX_GROUP
                && let Ok(next) = self.deliveries.try_recv()
            {
                group.push(next);
            }
            if self.finalize(group).await.is_err() {
                // Without acknowledgement the library delivers nothing more, and after a restart the same again.
                tracing::error!("this seat stops following the chain in this term; it votes for nothing more of it");
                std::future::pending::<()>().await;
            }
        }
    }

    async fn finalize(&self, group: Vec<Delivery>) -> Result<(), Halt> {
        let store = self.shared.blocks.store().clone();
        let committed = store.committed();
        let ended = self.shared.schedule.newest_event();
        let doomed = |block: &ConsensusBlock| block.context().zip(ended).is_some_and(|(c, ended)| c.term < ended);
        if group.iter().any(|(block, _)| block.header().number > committed.number && doomed(block)) {
            tracing::warn!(height = committed.number, "an L1 event ended the term: no more of its blocks is kept");
            return Err(Halt);
        }
        let mut new = Vec::new();
        let mut acknowledgements = Vec::new();
        for (block, acknowledgement) in group {
            if block.header().number > committed.number {
                self.execute(&block).await?;
                new.push(block);
            } else {
                self.recognise(&block)?;
            }
            acknowledgements.push(acknowledgement);
        }
        if let Some(last) = new.last().map(ConsensusBlock::hash) {
            let result = {
                let store = store.clone();
                blocking(&self.context, move || store.commit(last)).await
            };
            match result {
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    report("committing final blocks", &error.into());
                    return Err(Halt);
                }
                None => return Err(Halt),
            }
            self.announce(&new);
            self.end_terms();
        }
        for acknowledgement in acknowledgements {
            acknowledgement.acknowledge();
        }
        Ok(())
    }

    /// A final block at a height that the store has committed: by an earlier run, or by derivation from L1.
    fn recognise(&self, block: &ConsensusBlock) -> Result<(), Halt> {
        match self.shared.blocks.store().canonical_hash(block.header().number) {
            Ok(Some(hash)) if hash == block.hash() => {
                self.shared.mark_executed(block.header().number, hash);
                Ok(())
            }
            Ok(other) => {
                tracing::error!(
                    height = block.header().number, block = %block.hash(), stored = ?other,
                    "the seats made another block final than L1's data or an earlier run say: this seat stops"
                );
                Err(Halt)
            }
            Err(error) => {
                report("looking for a final block", &error.into());
                Err(Halt)
            }
        }
    }

    /// Executes a final block unless consensus had it executed before.
    async fn execute(&self, block: &ConsensusBlock) -> Result<(), Halt> {
        let blocks = &self.shared.blocks;
        let known =
            blocks.knows(block.hash()).and_then(|known| Ok((known, blocks.parent(block.header().parent_hash)?)));
        match known {
            Ok((true, _)) => Ok(()),
            Ok((false, Some(parent))) => match execute(&self.context, &self.shared, &parent, block).await {
                Some(true) => Ok(()),
                _ => {
                    tracing::error!(
                        height = block.header().number, block = %block.hash(),
                        "two thirds of the seats made a block final that this node finds wrong or cannot execute: compare \
                         versions and chain files, then restart"
                    );
                    Err(Halt)
                }
            },
            Ok((false, None)) => {
                tracing::error!(
                    height = block.header().number, block = %block.hash(), head = ?blocks.store().committed(),
                    "a final block does not continue this node's chain: compare the store with the other seats'"
                );
                Err(Halt)
            }
            Err(error) => {
                report("executing a final block", &error);
                Err(Halt)
            }
        }
    }

    fn announce(&self, new: &[ConsensusBlock]) {
        let store = self.shared.blocks.store();
        let mut included = Vec::new();
        for block in new {
            match store.block(block.hash()) {
                Ok(Some(stored)) => {
                    let pairs = stored.block.transactions.iter().zip(&stored.senders);
                    included.extend(pairs.map(|(tx, sender)| Recovered::new_unchecked(tx.clone(), *sender)));
                    // Nobody listening is no error.
                    let _ = self.finalized.send(stored);
                }
                Ok(None) => {}
                Err(error) => report("reading back a committed block", &error.into()),
            }
        }
        let Some(head) = new.last() else { return };
        metrics::finalized(head.header().number, head.context().map(|c| c.milliseconds), self.shared.clock.now());
        let followed = store.view(head.hash()).and_then(|state| {
            let count = surety_stf::execute::op::L1Attributes::read(&state)?.message_count;
            self.shared.blocks.inbox().prune(count);
            self.shared.pool.set_head(head.header(), state, &included, Vec::new(), self.shared.clock.now())
        });
        if let Err(error) = followed {
            report("bringing the pool to the new head", &error.into());
        }
    }

    /// Begins each term that the blocks of the store end the one before of. Blocks come from consensus, one term at a time,
    /// or derived from L1, many at once, so each term's last block is looked for.
    fn end_terms(&self) {
        loop {
            let Some(current) = self.epochs.current() else { return };
            if self.shared.schedule.newest_cut().is_some_and(|cut| cut.term > current.term) {
                // A term that an event started begins with a generation of its own.
                return;
            }
            let boundary = match next_boundary(&self.shared, current) {
                Ok(Some(boundary)) => boundary,
                Ok(None) => return,
                Err(error) => return report("looking for a term's last block", &error.into()),
            };
            tracing::info!(ended = %current.term, begins = %boundary.term, height = boundary.height, "term over");
            metrics::term(boundary.term);
            self.epochs.begin(boundary);
            self.term.send_replace(Some(boundary));
        }
    }
}

/// Where the term after `current` begins: at the first block whose child belongs to a later term. `None` if there is no such
/// block yet, or the schedule does not reach that far; then it is asked again.
fn next_boundary(shared: &Shared, current: Boundary) -> surety_state::Result<Option<Boundary>> {
    let store = shared.blocks.store();
    let after = |height: u64| -> surety_state::Result<Option<Term>> {
        let hash = store.canonical_hash(height)?;
        let header = hash.map(|hash| store.header(hash)).transpose()?.flatten();
        Ok(header.and_then(|h| shared.schedule.known_term_after(current.term, height, Seconds::new(h.timestamp))))
    };
    // Times do not fall with the height: the answers are the current term's, then later ones', then unknown.
    let (mut low, mut high) = (current.height, store.committed().number);
    // A term may end before its first block, by an event of L1.
    if let Some(term) = after(low)?.filter(|term| *term > current.term && shared.schedule.is_event(*term)) {
        return Ok(Some(Boundary { term, height: low, genesis: current.genesis }));
    }
    if high <= low || after(high)? == Some(current.term) {
        return Ok(None);
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if after(middle)? == Some(current.term) { low = middle } else { high = middle }
    }
    let (Some(term), Some(genesis)) = (after(high)?, store.canonical_hash(high)?) else { return Ok(None) };
    Ok(Some(Boundary { term, height: high, genesis }))
}

/// The terms that a stored chain has been through, the newest `count` of them, oldest first. If the head ends the last of
/// them, [`Finalizer::run`] finds out.
///
/// A block's term never falls with its height, so each boundary is found by bisection over the stored contexts.
pub(super) fn boundaries(shared: &Shared, count: usize) -> surety_state::Result<Vec<Boundary>> {
    let store = shared.blocks.store();
    let rollup = shared.blocks.parameters().rollup;
    let term_at = |height: u64| -> surety_state::Result<Term> {
        let block = store.block_by_number(height)?;
        let context = block.and_then(|block| crate::builder::decode_aux(rollup, &block.aux));
        Ok(context.map_or(Term::ZERO, |c| c.term))
    };
    let hash_at = |height: u64| store.canonical_hash(height).map(Option::unwrap_or_default);
    let head = store.committed();
    let mut found = Vec::new();
    let mut top = head.number;
    while top > 0 && found.len() < count {
        let term = term_at(top)?;
        // The least height of this term lies in (low, high].
        let (mut low, mut high) = (0, top);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if term_at(middle)? < term { low = middle } else { high = middle }
        }
        found.push(Boundary { term, height: high - 1, genesis: hash_at(high - 1)? });
        top = high - 1;
    }
    found.reverse();
    if found.is_empty() {
        // The first block is of the first term, whenever it comes; its time decides on the second block's.
        found.push(Boundary { term: Term::new(1), height: head.number, genesis: head.hash });
    }
    Ok(found)
}
