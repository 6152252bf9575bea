//! Batches onto the store: derive, reuse what is there already, execute what is not, take back what is otherwise.

use super::state::DerivedBatch;
use crate::{
    builder::{decode_aux, encode_aux},
    consensus::Boundary,
};
use alloy_primitives::B256;
use std::sync::Arc;
use surety_l1::{BlockRef, follow::PostedBatch};
use surety_state::{ExecutedBlock, Store, StoredBlock, View};
use surety_stf::{
    Payload,
    derive::{self, Data, Derivation, Position, Refusal, Start},
    execute::op::{ExecuteError, seal},
    transition::{Applied, apply},
};
use surety_types::{
    ChainParameters, ConsensusContext, Header, L2Height, Message, MessageIndex,
    claim::{BlockHashTree, Claim, MAX_BATCH_BLOCKS},
    predeploys,
    signing::Batch,
};

/// Blocks that one synced transaction of the store takes.
const COMMIT_BLOCKS: u64 = 128;

/// Why a batch could not be derived onto the store. Never its content.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The store failed, or lacks what it should have.
    #[error(transparent)]
    Store(#[from] surety_state::Error),
    /// Statement, data and messages do not belong together.
    #[error("L1 data do not belong together: {0}")]
    Derive(#[from] derive::Fault),
    /// The store is not the chain that the follower's progress speaks of.
    #[error("the store does not have block {height} ({hash}) from which the next batch goes on")]
    MissingParent {
        /// Its height.
        height: L2Height,
        /// Its hash.
        hash: B256,
    },
    /// The engine failed.
    #[error("the execution engine failed: {0}; restart on a sound machine")]
    Engine(String),
    /// The follower is to stop.
    #[error("stopped")]
    Stopped,
}

/// A difference between a statement and what derivation gives: its signers answer for it, the chain is the derived one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch {
    /// `prevHash`, `lastHash` or `blockHashRoot`.
    pub field: &'static str,
    /// What derivation gives.
    pub derived: B256,
    /// What the statement says.
    pub stated: B256,
}

/// What deriving a batch did.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Hash of the last block.
    pub last_hash: B256,
    /// Root over all block hashes.
    pub block_hash_root: B256,
    /// Why all its blocks are default blocks, if so.
    pub refusal: Option<Refusal>,
    /// Blocks whose list could not be executed, and why.
    pub invalid: Vec<(L2Height, String)>,
    /// Where the statement is wrong.
    pub mismatches: Vec<Mismatch>,
    /// Canonical blocks that gave way, lowest first.
    pub removed: Vec<Arc<StoredBlock>>,
    /// How many blocks were executed; the others were in the store.
    pub executed: u64,
}

/// The store and its rules.
#[derive(Debug, Clone)]
pub struct Chain {
    store: Store,
    parameters: Arc<ChainParameters>,
}

/// The block that the next one stands on.
struct At {
    hash: B256,
    header: Header,
}

impl Chain {
    /// A chain in a store.
    pub const fn new(store: Store, parameters: Arc<ChainParameters>) -> Self {
        Self { store, parameters }
    }

    /// The store.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// The constants.
    pub fn parameters(&self) -> &ChainParameters {
        &self.parameters
    }

    /// The start of a derivation after a block of the store.
    ///
    /// # Errors
    /// The block is not there, or the store fails.
    pub fn start(&self, height: L2Height, hash: B256, position: Position) -> Result<Start, ApplyError> {
        let block = self.store.block(hash)?.ok_or(ApplyError::MissingParent { height, hash })?;
        let context = decode_aux(self.parameters.rollup, &block.aux);
        Ok(Start::new(&block.block.header, context.as_ref(), position))
    }

    /// The consensus context of a block of the store; none of a default block.
    ///
    /// # Errors
    /// As [`Chain::start`].
    pub fn context(&self, height: L2Height, hash: B256) -> Result<Option<ConsensusContext>, ApplyError> {
        let block = self.store.block(hash)?.ok_or(ApplyError::MissingParent { height, hash })?;
        Ok(decode_aux(self.parameters.rollup, &block.aux))
    }

    /// Derives a batch on `parent` and makes its blocks canonical and durable. `stop` is asked between blocks. Doing it
    /// again finds everything in place.
    ///
    /// # Errors
    /// See [`ApplyError`]; blocks that were committed before stay.
    pub fn apply(
        &self,
        parent: &DerivedBatch,
        statement: &Batch,
        data: &Data,
        messages: Vec<Message>,
        stop: &dyn Fn() -> bool,
    ) -> Result<Outcome, ApplyError> {
        let start = self.start(parent.last, parent.last_hash, parent.position())?;
        let derivation = Derivation::new(&self.parameters, statement, data, messages, &start)?;
        let header = self.store.header(parent.last_hash)?;
        let header = header.ok_or(ApplyError::MissingParent { height: parent.last, hash: parent.last_hash })?;
        if self.store.canonical_hash(header.number)? != Some(parent.last_hash) {
            return Err(ApplyError::MissingParent { height: parent.last, hash: parent.last_hash });
        }
        let mut at = At { hash: parent.last_hash, header };
        let mut outcome = Outcome { refusal: derivation.refusal(), ..Outcome::default() };
        let mut hashes = Vec::new();
        let mut uncommitted = 0;
        for height in statement.firstHeight..=statement.lastHeight {
            if stop() {
                return Err(ApplyError::Stopped);
            }
            at = self.block(&derivation, L2Height::new(height), at, &mut outcome)?;
            hashes.push(at.hash);
            uncommitted += 1;
            if uncommitted == COMMIT_BLOCKS || height == statement.lastHeight {
                self.store.commit(at.hash)?;
                uncommitted = 0;
            }
        }
        outcome.last_hash = at.hash;
        outcome.block_hash_root = BlockHashTree::new(&hashes).map(|tree| tree.root()).unwrap_or_default();
        outcome.mismatches = mismatches(statement, parent, &outcome);
        Ok(outcome)
    }

    /// One height: the block that is there if it is the derived one, else execution.
    fn block(
        &self,
        derivation: &Derivation,
        height: L2Height,
        parent: At,
        outcome: &mut Outcome,
    ) -> Result<At, ApplyError> {
        let there = match self.store.canonical_hash(height.get())? {
            Some(hash) => self.store.block(hash)?,
            None => None,
        };
        if let Some(block) = &there
            && block.block.header.parent_hash == parent.hash
            && derivation.payload(height).is_some_and(|payload| holds(block, &payload))
        {
            return Ok(At { hash: block.hash, header: block.block.header.clone() });
        }
        let view = self.store.view(parent.hash)?;
        let reader = &view;
        let applied = match apply(&self.parameters, derivation, height, &parent.header, parent.hash, reader) {
            Ok(Some(applied)) => applied,
            Ok(None) => return Err(ApplyError::Engine(format!("height {height} is not in its batch"))),
            Err(ExecuteError::Reader(error)) => return Err(error.into()),
            Err(error) => return Err(ApplyError::Engine(error.to_string())),
        };
        if let Some((index, refusal)) = &applied.invalid {
            outcome.invalid.push((height, format!("transaction {index}: {refusal}")));
        }
        let executed = seal_on(&view, applied)?;
        outcome.executed += 1;
        let at = At { hash: executed.hash, header: executed.block.header.clone() };
        if there.as_ref().is_some_and(|block| block.hash == at.hash) {
            return Ok(at);
        }
        if there.is_some() {
            // Another block stands here: everything from it on gives way to what L1 says.
            outcome.removed.extend(self.give_way(parent.header.number)?);
        }
        self.store.insert(executed)?;
        self.store.set_head(at.hash)?;
        Ok(at)
    }

    /// Takes back the blocks that a term has left behind which an L1 event started: those of terms before it above its
    /// genesis, unless L1 has batches there by now, from which the chain was derived. Lowest first. Again is nothing.
    ///
    /// # Errors
    /// The store's.
    pub fn cut(&self, cut: &Boundary, tip: &DerivedBatch) -> Result<Vec<Arc<StoredBlock>>, ApplyError> {
        if tip.last.get() > cut.height {
            return Ok(Vec::new());
        }
        let above = self.store.block_by_number(cut.height.saturating_add(1))?;
        let context = above.and_then(|block| decode_aux(self.parameters.rollup, &block.aux));
        if context.is_some_and(|context| context.term < cut.term) { self.give_way(cut.height) } else { Ok(Vec::new()) }
    }

    /// Takes back everything above a height, in memory and on disk.
    fn give_way(&self, height: u64) -> Result<Vec<Arc<StoredBlock>>, ApplyError> {
        let committed = self.store.committed();
        if committed.number < height {
            // The parent is in memory: keep it, and what is below it.
            let parent = self.store.canonical_hash(height)?;
            self.store.commit(parent.ok_or(surety_state::Error::UnknownNumber(height))?)?;
        }
        Ok(self.store.unwind_to(height)?)
    }
}

/// Whether a stored block has exactly this content. It was executed on its parent when it was stored, so then it is the
/// block that execution would give.
pub(crate) fn holds(block: &StoredBlock, payload: &Payload) -> bool {
    let header = &block.block.header;
    let content = payload.messages.iter().map(Message::to_transaction).map(|tx| *tx.hash());
    let content = content.chain(payload.transactions.iter().map(|tx| *tx.hash()));
    header.parent_beacon_block_root == Some(payload.context_root())
        && header.timestamp == payload.timestamp().get()
        && header.beneficiary == payload.beneficiary
        && block.block.transactions.iter().skip(1).map(|tx| *tx.hash()).eq(content)
}

fn seal_on(view: &View, applied: Applied) -> Result<ExecutedBlock, ApplyError> {
    let Applied { payload, executed, .. } = applied;
    let roots = view.root(&executed.changes)?;
    let passer = view.storage_root_after(&roots, predeploys::L2_TO_L1_MESSAGE_PASSER)?;
    let block = seal(&executed, roots.state_root, passer);
    let hash = block.hash();
    let aux = encode_aux(payload.context.as_ref());
    let (senders, receipts, changes) = (executed.senders, executed.receipts, executed.changes);
    Ok(ExecutedBlock { block, hash, senders, receipts, changes, updates: roots.updates, aux })
}

/// Where a statement differs from the right claim. A self-sequenced one (all hashes zero) says nothing.
fn mismatches(statement: &Batch, parent: &DerivedBatch, outcome: &Outcome) -> Vec<Mismatch> {
    if statement.dataHash.is_zero() && statement.lastHash.is_zero() {
        return Vec::new();
    }
    [
        ("parentClaim", parent.claim.id(), statement.parentClaim),
        ("prevHash", parent.last_hash, statement.prevHash),
        ("lastHash", outcome.last_hash, statement.lastHash),
        ("blockHashRoot", outcome.block_hash_root, statement.blockHashRoot),
    ]
    .into_iter()
    .filter(|(_, derived, stated)| derived != stated)
    .map(|(field, derived, stated)| Mismatch { field, derived, stated })
    .collect()
}

/// What is to be claimed of the batch behind a right claim.
pub(crate) fn right_claim(parent: &Claim, statement: &Batch, last_hash: B256, block_hash_root: B256) -> Claim {
    Claim {
        parent: parent.id(),
        prev_hash: parent.last_hash,
        last_hash,
        block_hash_root,
        ..Claim::stated(parent.batch_index.next(), statement)
    }
}

/// The hashes of a batch's blocks in this node's chain; `None` if it lacks one.
pub(crate) fn block_hashes(store: &Store, statement: &Batch) -> Result<Option<Vec<B256>>, surety_state::Error> {
    let heights = (statement.firstHeight..=statement.lastHeight).take(MAX_BATCH_BLOCKS as usize);
    heights.map(|height| store.canonical_hash(height)).collect()
}

/// The end of a posted batch, for the progress.
pub(super) fn derived(parent: &DerivedBatch, batch: &PostedBatch, block: BlockRef, outcome: &Outcome) -> DerivedBatch {
    let statement = &batch.statement;
    let signed = batch.is_signed();
    let claim = right_claim(&parent.claim, statement, outcome.last_hash, outcome.block_hash_root);
    DerivedBatch {
        index: batch.index,
        block: Some(block),
        claim,
        signed,
        tip: batch.tip,
        transaction: batch.transaction,
        last: L2Height::new(statement.lastHeight),
        last_hash: outcome.last_hash,
        messages: MessageIndex::new(statement.messageCount),
        acc: statement.messageAcc,
        claim_holds: if signed { claim == Claim::stated(batch.index, statement) } else { parent.claim_holds },
    }
}
