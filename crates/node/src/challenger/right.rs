//! What is to be claimed of each batch that is not final, by this node's own chain.

use crate::follower::{DerivedBatch, block_hashes, right_claim};
use alloy_primitives::B256;
use std::{collections::BTreeMap, sync::Arc};
use surety_l1::{L1Error, records::Records};
use surety_state::Store;
use surety_types::{
    BatchIndex,
    claim::{BlockHashTree, Claim},
    signing::Batch,
};

/// A batch, and what is to be claimed of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RightBatch {
    pub(super) claim: Claim,
    pub(super) statement: Batch,
}

/// Why nothing can be said about claims.
#[derive(Debug, thiserror::Error)]
pub(super) enum RightError {
    #[error(transparent)]
    L1(#[from] L1Error),
    #[error(transparent)]
    State(#[from] surety_state::Error),
    #[error(
        "the final claim of batch {0} is not what this node derived: its database is damaged or of another history, or a wrong claim has become final; follow L1 anew"
    )]
    FinalDiffers(BatchIndex),
    #[error("L1's logs lack batch {0}: use another endpoint")]
    MissingBatch(BatchIndex),
    #[error("this node's chain lacks a block of batch {0}, or does not follow from the batch before: follow L1 anew")]
    MissingBlocks(BatchIndex),
}

/// The right claims behind the last final one.
#[derive(Debug, Default)]
pub(super) struct RightClaims {
    base: Option<Claim>,
    batches: Vec<RightBatch>,
}

impl RightClaims {
    /// Goes up to the newest batch that the node has derived, as of a head of L1. What was found before is kept where nothing has
    /// changed.
    pub(super) async fn update(
        &mut self,
        records: &mut Records<'_>,
        store: &Store,
        safe: &DerivedBatch,
    ) -> Result<(), RightError> {
        let base = records.last_final().await?;
        let batch = records.batch(base.batch_index).await?;
        let last = batch.ok_or(RightError::MissingBatch(base.batch_index))?.last;
        if base.batch_index <= safe.index && store.canonical_hash(last.get())? != Some(base.last_hash) {
            return Err(RightError::FinalDiffers(base.batch_index));
        }
        let before: BTreeMap<BatchIndex, RightBatch> =
            self.batches.drain(..).map(|batch| (batch.claim.batch_index, batch)).collect();
        self.base = Some(base);
        let mut parent = base;
        while parent.batch_index < safe.index {
            let index = parent.batch_index.next();
            let (statement, _) = records.posted(index).await?.ok_or(RightError::MissingBatch(index))?;
            let known =
                before.get(&index).filter(|known| known.claim.parent == parent.id() && known.statement == statement);
            let batch = match known {
                Some(known) => known.clone(),
                None => derive(store, &parent, index, statement)?,
            };
            parent = batch.claim;
            self.batches.push(batch);
        }
        Ok(())
    }

    /// The last final claim.
    pub(super) const fn base(&self) -> Option<Claim> {
        self.base
    }

    /// The batch behind each right claim, by that claim's id.
    pub(super) fn following(&self) -> Arc<BTreeMap<B256, RightBatch>> {
        Arc::new(self.batches.iter().map(|batch| (batch.claim.parent, batch.clone())).collect())
    }

    /// The claims that L1 lacks though a committee signed something of their batch, or of one before: each with its parent.
    pub(super) async fn missing(&self, records: &mut Records<'_>) -> Result<Vec<(Claim, Claim)>, RightError> {
        let mut missing = Vec::new();
        let mut is_broken = false;
        let Some(mut parent) = self.base else { return Ok(missing) };
        for batch in &self.batches {
            let claim = batch.claim;
            let claims = records.claims_of(claim.batch_index).await?;
            is_broken |= claims.iter().any(|other| other.parent == claim.parent && *other != claim);
            if is_broken && !claims.contains(&claim) {
                missing.push((parent, claim));
            }
            parent = claim;
        }
        Ok(missing)
    }
}

fn derive(store: &Store, parent: &Claim, index: BatchIndex, statement: Batch) -> Result<RightBatch, RightError> {
    let missing = || RightError::MissingBlocks(index);
    let before = statement.firstHeight.checked_sub(1).ok_or_else(missing)?;
    if store.canonical_hash(before)? != Some(parent.last_hash) {
        return Err(missing());
    }
    let hashes = block_hashes(store, &statement)?.ok_or_else(missing)?;
    let root = BlockHashTree::new(&hashes).ok_or_else(missing)?.root();
    let claim = right_claim(parent, &statement, hashes.last().copied().ok_or_else(missing)?, root);
    Ok(RightBatch { claim, statement })
}
