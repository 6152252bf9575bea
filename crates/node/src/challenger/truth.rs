//! What is right about one block of a batch: this node's chain, and the compiled program over its witnesses.

use super::right::{RightBatch, hashes};
use crate::{
    follower::PostedBatches,
    witness::{WitnessError, posted_batch},
};
use alloy_primitives::{B256, Bytes};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use surety_contracts::ChainFile;
use surety_dispute::{Trace, Truth, posting::block_tree, trace::LastStep};
use surety_l1::blobs::Archive;
use surety_prove::{BlobProofs, Host, HostError, Program, RecordError, Witnesses};
use surety_state::Store;
use surety_stf::witness::Witness;
use surety_types::{L2Height, claim::Claim};
use surety_vm::{commitment::LevelTree, machine::Kind};
use tokio::runtime::Handle;

/// The trees of the last disputes: one over steps is a hundred megabytes.
const KEPT: usize = 2;

/// Why nothing can be said about a block.
#[derive(Debug, thiserror::Error)]
pub(super) enum TruthError {
    #[error(transparent)]
    Witness(#[from] WitnessError),
    #[error("running the program: {0}")]
    Host(#[from] HostError),
    #[error("block {0} is in no batch of this node")]
    Block(u64),
    #[error("the trace of block {0} does not fit: report it, with the block's witness")]
    TooLong(u64),
    #[error(
        "the program says something else of block {0} than this node's database: the database is damaged, or the program differs; nothing is opposed. Follow L1 anew, and report it with the block's witness if it stays"
    )]
    Differs(L2Height),
}

impl From<surety_state::Error> for TruthError {
    fn from(error: surety_state::Error) -> Self {
        Self::Witness(error.into())
    }
}

impl From<RecordError> for TruthError {
    fn from(error: RecordError) -> Self {
        Self::Witness(error.into())
    }
}

/// Trees of one level by what they are of, the newest last.
type Trees<K> = Mutex<Vec<(K, Arc<LevelTree>)>>;

/// Trees that were computed.
#[derive(Debug, Default)]
pub(super) struct Cache {
    stretches: Trees<(B256, u64)>,
    steps: Trees<(B256, u64, u64)>,
}

fn cached<K: PartialEq>(
    cache: &Trees<K>,
    key: K,
    make: impl FnOnce() -> Result<LevelTree, TruthError>,
) -> Result<Arc<LevelTree>, TruthError> {
    // Whoever panicked in here has noted nothing.
    let mut trees = cache.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, tree)) = trees.iter().find(|(known, _)| *known == key) {
        return Ok(tree.clone());
    }
    let tree = Arc::new(make()?);
    if trees.len() >= KEPT {
        trees.remove(0);
    }
    trees.push((key, tree.clone()));
    Ok(tree)
}

/// What a node knows.
pub(super) struct NodeTruth {
    pub(super) chain: ChainFile,
    pub(super) store: Store,
    pub(super) posted: PostedBatches,
    pub(super) archive: Arc<Archive>,
    /// The batch behind each right claim.
    pub(super) batches: Arc<BTreeMap<B256, RightBatch>>,
    pub(super) cache: Arc<Cache>,
    pub(super) handle: Handle,
}

impl NodeTruth {
    /// The witness of a block of the batch behind a claim.
    fn witness(&self, parent: B256, block: u64) -> Result<Witness, TruthError> {
        let missing = || TruthError::Block(block);
        let first = self.batches.get(&parent).ok_or_else(missing)?.statement.firstHeight;
        let height = L2Height::new(first.checked_add(block).ok_or_else(missing)?);
        let batch = posted_batch(&self.chain, &self.store, &self.posted, &self.archive, height);
        let batch = self.handle.block_on(batch)?;
        let witnesses = Witnesses::new(&self.store, &self.chain.parameters, &batch, BlobProofs::LeftOut)?;
        Ok(witnesses.block(height)?.0)
    }

    fn trace(&self, parent: B256, block: u64) -> Result<Trace<'static>, TruthError> {
        Ok(Trace::new(Program::current(), self.witness(parent, block)?))
    }

    /// Something that a step of a block reads.
    pub(super) fn value(&self, parent: B256, block: u64, kind: Kind, key: B256) -> Result<Bytes, TruthError> {
        let host = Host::keyed(self.witness(parent, block)?);
        Ok(match kind {
            Kind::Keccak => host.value(key)?,
            Kind::BlobElement => host.blob(key)?,
        })
    }

    /// Runs the program over all blocks of the batch that a claim is about: it must say what the claim does.
    pub(super) fn rehearse(&self, parent: &Claim, claim: &Claim) -> Result<(), TruthError> {
        let missing = || TruthError::Block(0);
        let batch = self.batches.get(&parent.id()).filter(|batch| batch.claim == *claim).ok_or_else(missing)?;
        let hashes = hashes(&self.store, &batch.statement)?.ok_or_else(missing)?;
        for (block, hash) in (0..).zip(hashes) {
            let witness = self.witness(parent.id(), block)?;
            let input = witness.input;
            if !Program::current().run(witness)?.says(input, hash) {
                return Err(TruthError::Differs(L2Height::new(batch.statement.firstHeight.saturating_add(block))));
            }
        }
        Ok(())
    }
}

impl Truth for NodeTruth {
    type Tree = Arc<LevelTree>;
    type Error = TruthError;

    fn blocks(&self, parent: B256) -> Result<Option<Self::Tree>, TruthError> {
        let Some(batch) = self.batches.get(&parent) else { return Ok(None) };
        Ok(hashes(&self.store, &batch.statement)?.and_then(|hashes| block_tree(&hashes)).map(Arc::new))
    }

    fn stretches(&self, parent: B256, block: u64, _: B256) -> Result<Self::Tree, TruthError> {
        cached(&self.cache.stretches, (parent, block), || {
            self.trace(parent, block)?.stretches()?.ok_or(TruthError::TooLong(block))
        })
    }

    fn steps(&self, parent: B256, block: u64, stretch: u64, _: B256) -> Result<Self::Tree, TruthError> {
        cached(&self.cache.steps, (parent, block, stretch), || {
            self.trace(parent, block)?.steps(stretch)?.ok_or(TruthError::TooLong(block))
        })
    }

    fn step(&self, parent: B256, block: u64, stretch: u64, step: u64) -> Result<LastStep, TruthError> {
        Ok(self.trace(parent, block)?.last_step(stretch, step)?)
    }
}
