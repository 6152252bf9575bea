//! What is right about one block of a batch: this node's chain, and the compiled program over its witnesses.

use super::right::RightBatch;
use crate::{
    follower::{Chain, PostedBatches, block_hashes},
    poster::{ProposalError, Rehearsal},
    witness::{WitnessError, posted_batch},
};
use alloy_primitives::{B256, Bytes};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use surety_contracts::ChainFile;
use surety_dispute::{
    Trace, Truth,
    posting::block_tree,
    preimages::{self, PreimageError},
    trace::LastStep,
};
use surety_l1::blobs::Archive;
use surety_prove::{BlobProofs, Host, HostError, PostedBatch, Program, RecordError, Witnesses};
use surety_state::Store;
use surety_stf::witness::Witness;
use surety_types::L2Height;
use surety_vm::{Request, commitment::LevelTree};
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
    #[error("there is no batch behind claim {0} in this node's chain")]
    Batch(B256),
    #[error("the trace of block {0} does not fit: report it, with the block's witness")]
    TooLong(u64),
    #[error("nothing is opposed: {0}. Is the database damaged? Follow L1 anew")]
    Rehearsal(#[from] Box<ProposalError>),
    #[error(transparent)]
    Preimage(#[from] PreimageError),
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
    /// What L1 had of the batch behind a claim.
    fn batch(&self, parent: B256) -> Result<PostedBatch, TruthError> {
        let first = self.batches.get(&parent).ok_or(TruthError::Batch(parent))?.statement.firstHeight;
        let batch = posted_batch(&self.chain, &self.store, &self.posted, &self.archive, L2Height::new(first));
        Ok(self.handle.block_on(batch)?)
    }

    /// The witness of one of its blocks.
    fn witness(&self, parent: B256, block: u64) -> Result<Witness, TruthError> {
        let batch = self.batch(parent)?;
        let height = L2Height::new(batch.statement.firstHeight.saturating_add(block));
        let witnesses = Witnesses::new(&self.store, &self.chain.parameters, &batch, BlobProofs::LeftOut)?;
        Ok(witnesses.block(height)?.0)
    }

    fn trace(&self, parent: B256, block: u64) -> Result<Trace<'static>, TruthError> {
        Ok(Trace::new(Program::current(), self.witness(parent, block)?))
    }

    /// The call that has L1 know what a step of a block reads.
    pub(super) fn load(&self, parent: B256, block: u64, request: &Request) -> Result<Bytes, TruthError> {
        Ok(preimages::load(&Host::keyed(self.witness(parent, block)?), request)?)
    }

    /// Runs the program over all blocks of the batch behind a claim: it must say what this node's database does.
    pub(super) fn rehearse(&self, rehearsal: &Rehearsal, parent: B256) -> Result<(), TruthError> {
        let batch = self.batch(parent)?;
        let hashes = block_hashes(&self.store, &batch.statement)?.ok_or(TruthError::Batch(parent))?;
        let chain = Chain::new(self.store.clone(), Arc::new(self.chain.parameters.clone()));
        rehearsal.run(&chain, &batch, &hashes).map_err(Box::new)?;
        Ok(())
    }
}

impl Truth for NodeTruth {
    type Tree = Arc<LevelTree>;
    type Error = TruthError;

    fn blocks(&self, parent: B256) -> Result<Option<Self::Tree>, TruthError> {
        let Some(batch) = self.batches.get(&parent) else { return Ok(None) };
        Ok(block_hashes(&self.store, &batch.statement)?.and_then(|hashes| block_tree(&hashes)).map(Arc::new))
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
