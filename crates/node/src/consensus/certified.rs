//! Publishes final blocks with their certificates on the public feed.
//!
//! A block has a certificate of its own unless a later block was finalised before it: then it is final as that one's
//! ancestor and is published without. After a start the newest blocks are published again, for those who come late.

use super::{
    application::Marshal,
    block::{ConsensusBlock, from_digest},
    engine::Runtime,
    epochs::Epochs,
};
use crate::builder::{Blocks, decode_aux};
use alloy_primitives::{B256, U64};
use commonware_consensus::Epochable as _;
use std::sync::Arc;
use surety_rpc::{CertifiedBlock, Feed, FinalizationCertificate};
use surety_state::StoredBlock;
use surety_types::{
    RollupId,
    signing::{Finalize, SignatureSet},
};
use tokio::sync::broadcast::{self, error::RecvError};

/// Blocks that are published again after a start.
const RECALLED: u64 = 1_024;

/// A stored block as it is published.
fn certified(rollup: RollupId, block: &StoredBlock, certificate: Option<FinalizationCertificate>) -> CertifiedBlock {
    let context = decode_aux(rollup, &block.aux);
    let body = ConsensusBlock::new(block.block.header.clone(), context, block.block.transactions.clone());
    CertifiedBlock {
        height: U64::from(block.block.header.number),
        hash: block.hash,
        block: body.to_bytes(),
        certificate,
    }
}

/// Certificates of the blocks that this node holds to be final. Cheap to clone.
#[derive(Clone)]
pub(super) struct Certificates {
    epochs: Epochs,
    marshal: Marshal,
}

impl Certificates {
    pub(super) const fn new(epochs: Epochs, marshal: Marshal) -> Self {
        Self { epochs, marshal }
    }

    /// A quorum's votes for the block of this height and hash; `None` if it is not final, or became so as another's ancestor.
    pub(super) async fn of(&self, height: u64, hash: B256) -> Option<(Finalize, SignatureSet)> {
        let found = self.marshal.get_finalization(self.epochs.height(height)).await?;
        if from_digest(found.proposal.payload) != hash {
            return None;
        }
        let scheme = self.epochs.scheme_of(found.proposal.epoch().get())?;
        Some((scheme.finalize(&found.proposal)?, scheme.signature_set(&found.certificate)))
    }
}

pub(super) fn start<E: Runtime>(
    context: &E,
    blocks: Blocks,
    certificates: Certificates,
    feed: Arc<Feed>,
    mut finalized: broadcast::Receiver<Arc<StoredBlock>>,
) {
    context.child("certified").spawn(|_| async move {
        let store = blocks.store().clone();
        let rollup = blocks.parameters().rollup;
        // What was final before this generation is published already, or on L1.
        let mut next =
            store.committed().number.saturating_sub(RECALLED).max(certificates.epochs.base().saturating_add(1));
        loop {
            while next <= store.committed().number {
                match store.block_by_number(next) {
                    Ok(Some(block)) => {
                        let certificate = certificates.of(next, block.hash).await;
                        let certificate = certificate.map(|(vote, set)| FinalizationCertificate::new(&vote, &set));
                        feed.publish(certified(rollup, &block, certificate));
                    }
                    Ok(None) => break,
                    Err(error) => tracing::error!(%error, height = next, "a final block was not published"),
                }
                next = next.saturating_add(1);
            }
            match finalized.recv().await {
                // Lower than the last: blocks gave way to what L1 says, and others follow.
                Ok(block) => next = next.min(block.block.header.number),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    });
}
