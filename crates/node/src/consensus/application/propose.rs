//! Making a block while its time runs.

use super::{Application, SignedReceipt, blocking, report};
use crate::{
    builder::{Appended, MachineError, Parent, Workshop},
    consensus::{
        block::{ConsensusBlock, Hash, from_digest, to_digest},
        metrics,
    },
};
use commonware_consensus::{Epochable, Viewable, simplex::types::Context, types::Round};
use commonware_cryptography::ed25519::PublicKey;
use commonware_runtime::{Clock, Handle, Spawner};
use std::{sync::Arc, time::Duration};
use surety_types::{ConsensusContext, Milliseconds, View, signing};

/// How long one round of appending may take before receipts are signed and the clock is looked at.
const SLICE: Duration = Duration::from_millis(10);
/// A block that is late already gives transactions this part of a block time.
const LATE_BLOCK: u64 = 10;
/// How often a final last block of a term is proposed again, for those that are behind.
const REPEAT: Duration = Duration::from_millis(500);

impl<E: Clock + Spawner> Application<E> {
    /// The digest of a new block, or of the term's last block once more.
    pub(super) async fn build(&self, context: Context<Hash, PublicKey>) -> Option<Hash> {
        let (parent_view, parent_digest) = context.parent;
        let parent = self.executed(from_digest(parent_digest), Round::new(context.epoch(), parent_view)).await?;
        if self.ends_term(&parent).await {
            if self.shared.blocks.store().committed().hash == parent.hash {
                self.context.sleep(REPEAT).await;
            }
            return Some(parent_digest);
        }
        let block_time = self.shared.blocks.parameters().block_time.get();
        let earliest = parent.milliseconds().saturating_add(block_time);
        self.shared.blocks.wait_unsettled(earliest.max(self.shared.clock.now()).to_seconds()).await;
        let start = self.shared.clock.now();
        let time = earliest.max(start);
        let deadline = time.max(start.saturating_add(block_time / LATE_BLOCK));
        let place = ConsensusContext {
            rollup: self.shared.blocks.parameters().rollup,
            term: self.term.term,
            view: View::new(context.view().get()),
            parent_view: View::new(parent_view.get()),
            milliseconds: time,
        };
        match self.fill(parent, place, deadline).await {
            Ok(block) => {
                metrics::built(start, self.shared.clock.now());
                if let Some(misbehaviour) = &self.shared.misbehaviour {
                    misbehaviour.built(place.rollup.get(), self.term.genesis, &block);
                }
                let digest = to_digest(block.hash());
                self.staged.lock().insert(context.round, block);
                Some(digest)
            }
            // Its branch fell to finality, or to what L1 says.
            Err(MachineError::Store(surety_state::Error::UnknownParent { .. })) => None,
            Err(error) => {
                report("building a block", &error);
                None
            }
        }
    }

    async fn fill(
        &self,
        parent: Parent,
        place: ConsensusContext,
        deadline: Milliseconds,
    ) -> Result<ConsensusBlock, MachineError> {
        let (blocks, beneficiary) = (self.shared.blocks.clone(), self.shared.beneficiary);
        let max_bytes = self.shared.max_block_bytes;
        let begin = move || Workshop::begin(blocks, parent, place, beneficiary, max_bytes);
        let mut workshop = self.work(begin).await??;
        let mut seen = 0;
        let mut promises = None;
        let mut arrivals = self.shared.pool.sequence();
        loop {
            arrivals.mark_unchanged();
            let mut new = self.shared.pool.since(seen);
            seen = new.last().map_or(seen, |tx| tx.sequence);
            if let Some(misbehaviour) = &self.shared.misbehaviour {
                new.retain(|tx| !misbehaviour.ignores(tx.transaction.signer()));
            }
            let (bench, round) = self
                .work(move || {
                    let round = workshop.append(new, SLICE);
                    (workshop, round)
                })
                .await?;
            workshop = bench;
            let round = round?;
            for hash in &round.invalid {
                self.shared.pool.drop_invalid(hash);
            }
            // Signed while the next ones are executed, one group after the other.
            if let Some(promised) = promises.take() {
                self.finish(promised).await;
            }
            promises = self.promise(&place, workshop.height(), round.appended);
            if self.shared.clock.now() >= deadline {
                break;
            }
            if round.exhausted {
                tokio::select! {
                    biased;
                    () = self.context.sleep(self.shared.clock.until(deadline)) => {}
                    _ = arrivals.changed() => {}
                }
            }
        }
        // The journal takes no receipt for a view once its block is notarised.
        if let Some(promised) = promises.take() {
            self.finish(promised).await;
        }
        let sealed = self.work(move || workshop.seal()).await??;
        self.shared.mark_executed(sealed.height().get(), sealed.hash());
        let block = ConsensusBlock::new(sealed.header().clone(), Some(place), sealed.transactions().to_vec());
        Ok(block.counted_from(self.term.base))
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, MachineError> {
        blocking(&*self.context, work).await.ok_or_else(|| MachineError::Engine("a worker has ended".into()))
    }

    /// Begins to sign receipts for what was appended, and to publish them. A refusal costs the receipts, not the block.
    fn promise(&self, place: &ConsensusContext, height: u64, appended: Vec<Appended>) -> Option<Handle<()>> {
        let guard = self.shared.guard.clone().filter(|_| !appended.is_empty())?;
        let (place, genesis) = (*place, self.term.genesis);
        let shared = Arc::clone(&self.shared);
        let receipts: Vec<_> = appended
            .into_iter()
            .map(|a| signing::Receipt {
                rollup: place.rollup.get(),
                term: place.term.get(),
                genesis,
                view: place.view.get(),
                height,
                index: a.index,
                txHash: a.hash,
            })
            .collect();
        let sign = move || match guard.receipts(&receipts) {
            Ok(signatures) => {
                let leader = guard.address();
                metrics::receipts(receipts.len());
                for (receipt, signature) in receipts.into_iter().zip(signatures) {
                    // Nobody listening is no error.
                    let _ = shared.receipts.send(SignedReceipt { receipt, signature, leader });
                }
            }
            Err(error) => tracing::warn!(%error, view = place.view.get(), "receipts not signed"),
        };
        Some(self.context.child("receipts").shared(true).spawn(move |_| async move { sign() }))
    }

    async fn finish(&self, promised: Handle<()>) {
        if promised.await.is_err() {
            tracing::warn!("receipts not signed: their task has ended");
        }
    }
}
