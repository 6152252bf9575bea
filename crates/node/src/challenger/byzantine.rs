//! An accomplice: stands for a wrong claim with all that the rules allow, down to the single step. For drills and tests.

use super::{
    Challenger, ChallengerError, Known, Sight,
    truth::{NodeTruth, TruthError},
    work,
};
use alloy_primitives::{B256, keccak256};
use std::sync::Arc;
use surety_dispute::{LastStep, Player, Truth, lie::Lie, posting::block_tree};
use surety_vm::commitment::StateTree;
use tokio::sync::watch;

/// What is said of one batch, wrongly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lies {
    /// The right claim that the wrong one stands on.
    pub parent: B256,
    /// The hashes that the batch's blocks are said to have.
    pub hashes: Vec<B256>,
    /// The stretch of the first such block's trace from which it is said to be another, and the step of that stretch.
    pub stretch: u64,
    /// See [`Lies::stretch`].
    pub step: u64,
}

/// Somebody who argues for a wrong claim that others made.
#[derive(Debug)]
pub struct Accomplice {
    /// With its account and its node, which knows what is right.
    pub body: Challenger,
    /// What it says instead.
    pub lies: Lies,
}

impl Accomplice {
    /// Argues until `stop` turns true (or its sender is gone).
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let rounds = async {
            let mut known = Known::default();
            loop {
                if let Err(error) = self.round(&mut known).await {
                    tracing::warn!(%error, "the accomplice tries again");
                }
                tokio::time::sleep(self.body.poll).await;
            }
        };
        tokio::select! {
            () = rounds => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn round(&self, known: &mut Known) -> Result<(), ChallengerError> {
        let Some(Sight { head, docket, truth, .. }) = self.body.look(known).await? else { return Ok(()) };
        let (bench, account) = (self.body.bench(head), self.body.party.submitter.address());
        let lying = LyingTruth { right: truth.clone(), lies: self.lies.clone() };
        let deeds = work(move || {
            let player = Player { account, docket: &docket, bench: &bench, truth: &lying };
            player.deeds().map_err(|trouble| ChallengerError::Trouble(trouble.to_string()))
        });
        self.body.carry_out(&truth, deeds.await?).await?;
        known.head = Some(head);
        Ok(())
    }
}

/// What a node knows, but for one batch.
struct LyingTruth {
    right: Arc<NodeTruth>,
    lies: Lies,
}

impl LyingTruth {
    fn lie(&self, right: Arc<dyn StateTree + Send + Sync>, from: u64, end: B256) -> Arc<dyn StateTree + Send + Sync> {
        Arc::new(Lie::new(right, from, keccak256("nonsense"), end))
    }
}

impl Truth for LyingTruth {
    type Tree = Arc<dyn StateTree + Send + Sync>;
    type Error = TruthError;

    fn blocks(&self, parent: B256) -> Result<Option<Self::Tree>, TruthError> {
        let tree = block_tree(&self.lies.hashes).filter(|_| parent == self.lies.parent);
        Ok(tree.map(|tree| Arc::new(tree) as Self::Tree))
    }

    fn stretches(&self, parent: B256, block: u64, end: B256) -> Result<Self::Tree, TruthError> {
        Ok(self.lie(self.right.stretches(parent, block, end)?, self.lies.stretch, end))
    }

    fn steps(&self, parent: B256, block: u64, stretch: u64, end: B256) -> Result<Self::Tree, TruthError> {
        Ok(self.lie(self.right.steps(parent, block, stretch, end)?, self.lies.step, end))
    }

    fn step(&self, parent: B256, block: u64, stretch: u64, step: u64) -> Result<LastStep, TruthError> {
        self.right.step(parent, block, stretch, step)
    }
}
