//! Judging what others propose.

use super::{Application, blocking, now, report, view};
use crate::{
    builder::{InvalidBlock, MachineError, Parent, Verdict},
    consensus::{
        block::{ConsensusBlock, Hash, from_digest, to_digest},
        metrics,
    },
};
use alloy_primitives::B256;
use commonware_consensus::{
    Epochable, Viewable,
    simplex::types::Context,
    types::{Round, View},
};
use commonware_cryptography::{Digested, ed25519::PublicKey};
use commonware_runtime::{Clock, Spawner};
use commonware_utils::channel::oneshot;
use std::time::Duration;

/// How many blocks this node executes on its own to catch up with a proposal. Further back, it waits for finality.
const MAX_WALK: usize = 256;
/// How long it waits before it looks again.
const PATIENCE: Duration = Duration::from_millis(100);

impl<E: Clock + Spawner> Application<E> {
    /// Whether to notarise a proposal; `None` while that is open.
    pub(super) async fn decide(
        &self,
        context: Context<Hash, PublicKey>,
        hash: B256,
        candidate: oneshot::Receiver<Digested<ConsensusBlock>>,
    ) -> Option<bool> {
        let (parent_view, parent_digest) = context.parent;
        let parent = self.executed(from_digest(parent_digest), Round::new(context.epoch(), parent_view)).await?;
        if hash == parent.hash {
            // The last block of the term, proposed again until it is final.
            return Some(self.ends_term(&parent).await);
        }
        let block = candidate.await.ok()?.inner().clone();
        if let Err(invalid) = self.check_place(&context, &parent, &block).await {
            tracing::warn!(view = context.view().get(), block = %hash, %invalid, "proposal refused");
            return Some(false);
        }
        // A block from the future is not wrong but early.
        let time = block.context()?.milliseconds;
        let early = self.shared.clock.until(time);
        if !early.is_zero() {
            self.context.sleep(early).await;
        }
        self.shared.blocks.wait_unsettled(time.to_seconds()).await;
        match self.shared.blocks.check_messages(&parent, block.header(), block.messages().len()) {
            Ok(None) => {}
            Ok(Some(invalid)) => {
                tracing::warn!(view = context.view().get(), block = %hash, %invalid, "proposal refused");
                return Some(false);
            }
            Err(error) => {
                report("messages of a proposal", &error);
                return None;
            }
        }
        let valid = self.execute(&parent, &block).await?;
        if valid {
            // Written while the votes travel; certification waits for it.
            let (ack, _) = oneshot::channel();
            self.marshal.verified_deferred(context.round, Digested::precomputed(block, to_digest(hash)), ack);
        }
        Some(valid)
    }

    async fn check_place(
        &self,
        context: &Context<Hash, PublicKey>,
        parent: &Parent,
        block: &ConsensusBlock,
    ) -> Result<(), InvalidBlock> {
        let c = block.context().ok_or(InvalidBlock::Context)?;
        if c.term != self.term.term || view(c.view) != context.view() || view(c.parent_view) != context.parent.0 {
            return Err(InvalidBlock::Context);
        }
        if block.header().parent_hash != parent.hash {
            return Err(InvalidBlock::Parent);
        }
        if self.ends_term(parent).await {
            return Err(InvalidBlock::TermIsOver);
        }
        Ok(())
    }

    /// Whether to certify what a quorum notarised; `None` while that is open.
    pub(super) async fn decide_certification(&self, round: Round, hash: B256) -> Option<bool> {
        let block = self.fetch(hash, round).await?;
        let c = *block.context()?;
        let parent = block.header().parent_hash;
        if !self.known(hash) {
            let parent = self.executed(parent, Round::new(self.epoch(), view(c.parent_view))).await?;
            if !self.execute(&parent, &block).await? {
                return Some(false);
            }
        }
        // Executed before or by another path: the journal must know.
        self.shared.mark_executed(block.header().number, hash);
        let own_view = view(c.view) == round.view();
        if c.term != self.term.term || !own_view && !self.is_repeated(&block, round.view()).await {
            tracing::warn!(%round, block = %hash, "certification refused: the block is of another view");
            return Some(false);
        }
        let durable = self.marshal.certified(round, Digested::precomputed(block, to_digest(hash))).await;
        durable.then_some(true)
    }

    /// Whether a block of an earlier view may be proposed again: it ends the term.
    async fn is_repeated(&self, block: &ConsensusBlock, round: View) -> bool {
        let earlier = block.context().is_some_and(|c| view(c.view) < round);
        let parent = self.shared.blocks.parent(block.hash()).ok().flatten();
        // If no block can be put on it any more it is final and below the head, and the term goes on: no end.
        match parent.filter(|_| earlier) {
            Some(parent) => self.ends_term(&parent).await,
            None => false,
        }
    }

    fn known(&self, hash: B256) -> bool {
        self.shared.blocks.knows(hash).unwrap_or_else(|error| {
            report("looking for a block", &error);
            false
        })
    }

    /// A block to build on, with all its ancestors executed here; fetches and executes what is missing.
    pub(super) async fn executed(&self, hash: B256, round: Round) -> Option<Parent> {
        loop {
            match self.shared.blocks.parent(hash) {
                Ok(Some(parent)) => return Some(parent),
                Ok(None) => {}
                Err(error) => {
                    report("looking for a parent", &error);
                    return None;
                }
            }
            if self.known(hash) {
                // Final, with final children: nothing is built on it any more. Consensus will find out.
                return None;
            }
            self.walk(hash, round).await?;
        }
    }

    /// Executes the missing ancestors of a block, and itself.
    async fn walk(&self, hash: B256, round: Round) -> Option<()> {
        let (mut at, mut round) = (hash, round);
        let mut missing = Vec::new();
        while !self.known(at) {
            if missing.len() >= MAX_WALK {
                self.context.sleep(PATIENCE).await;
                return Some(());
            }
            let block = self.fetch(at, round).await?;
            let c = block.context()?;
            (at, round) = (block.header().parent_hash, Round::new(self.epoch(), view(c.parent_view)));
            missing.push(block);
        }
        for block in missing.into_iter().rev() {
            let Ok(Some(parent)) = self.shared.blocks.parent(block.header().parent_hash) else {
                // The branch fell to finality, or its first block is being committed just now.
                self.context.sleep(PATIENCE).await;
                return Some(());
            };
            if !self.execute(&parent, &block).await? {
                return None;
            }
        }
        Some(())
    }

    /// Executes a block and compares; waits for messages that this node does not have yet. `None` if the machine fails.
    async fn execute(&self, parent: &Parent, block: &ConsensusBlock) -> Option<bool> {
        let valid = super::execute(&*self.context, &self.shared, parent, block).await?;
        Some(valid)
    }
}

/// Executes a block on its parent until the verdict is final, and marks it executed if it is right.
pub(in crate::consensus) async fn execute<E: Clock + Spawner>(
    context: &E,
    shared: &super::Arc<super::Shared>,
    parent: &Parent,
    block: &ConsensusBlock,
) -> Option<bool> {
    let c = *block.context()?;
    loop {
        let (blocks, parent, candidate) = (shared.blocks.clone(), parent.clone(), block.clone());
        let start = now(context);
        let verdict = blocking(context, move || {
            blocks.judge(&parent, candidate.header(), candidate.hash(), c, candidate.transactions())
        })
        .await?;
        match verdict {
            Ok(Verdict::Valid) => {
                metrics::judged(start, now(context));
                shared.mark_executed(block.header().number, block.hash());
                return Some(true);
            }
            Ok(Verdict::Invalid(invalid)) => {
                metrics::refused();
                tracing::warn!(height = block.header().number, block = %block.hash(), %invalid, "block refused");
                return Some(false);
            }
            Ok(Verdict::AwaitsMessage(index)) => {
                tracing::debug!(%index, block = %block.hash(), "waiting for a message of L1");
                shared.blocks.inbox().wait(index).await;
            }
            // Its branch fell to finality meanwhile.
            Err(MachineError::Store(surety_state::Error::UnknownParent { .. })) => return None,
            Err(error) => {
                report("executing a block", &error);
                return None;
            }
        }
    }
}
