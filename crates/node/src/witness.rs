//! Everything that the program asks for a block, from a follower's own directory: the chain, what L1 had of the batch, and the
//! archive of blobs.

use crate::{
    builder::decode_aux,
    follower::PostedBatches,
    follower_node::{FollowerNodeError, open_store, posted},
};
use alloy_primitives::B256;
use std::path::Path;
use surety_contracts::ChainFile;
use surety_l1::{blobs::Archive, follow::DataSource};
use surety_prove::{BlobProofs, PostedBatch, RecordError, Witnesses};
use surety_state::Store;
use surety_stf::{derive::Data, witness::Witness};
use surety_types::L2Height;

/// Why there is no witness.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// The directory or the chain in it.
    #[error(transparent)]
    Node(#[from] FollowerNodeError),
    /// What is kept of the batch cannot be read.
    #[error("cannot read what L1 had of the batch: {0}")]
    Posted(#[from] std::io::Error),
    /// The block is in no batch that is kept.
    #[error("block {0} is in no batch that this follower has derived and still keeps")]
    NotPosted(L2Height),
    /// A blob is not in the archive.
    #[error("blob {0} is not in the archive: follow with an archive that keeps all blobs")]
    Blob(B256),
    /// It cannot be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl From<surety_state::Error> for WitnessError {
    fn from(error: surety_state::Error) -> Self {
        Self::Record(error.into())
    }
}

/// The witness of a block of a batch on L1, and the block's hash. The node of this directory must not run.
///
/// # Errors
/// See [`WitnessError`].
pub async fn witness(
    chain: &ChainFile,
    directory: &Path,
    archive: &Archive,
    height: L2Height,
) -> Result<(Witness, B256), WitnessError> {
    let store = open_store(chain, &directory.to_path_buf())?;
    let batch = posted_batch(chain, &store, &posted(chain, directory)?, archive, height).await?;
    Ok(Witnesses::new(&store, &chain.parameters, &batch, BlobProofs::Made)?.block(height)?)
}

/// What L1 had of the batch that holds a block.
pub(crate) async fn posted_batch(
    chain: &ChainFile,
    store: &Store,
    posted: &PostedBatches,
    archive: &Archive,
    height: L2Height,
) -> Result<PostedBatch, WitnessError> {
    let kept = posted.holding(height)?.ok_or(WitnessError::NotPosted(height))?;
    let data = match kept.data {
        DataSource::None => Data::None,
        DataSource::CallData(bytes) => Data::Calldata(bytes.to_vec()),
        DataSource::Blobs(hashes) => {
            let mut blobs = Vec::with_capacity(hashes.len());
            for hash in hashes {
                blobs.push(archive.get(hash).await.ok_or(WitnessError::Blob(hash))?.to_vec());
            }
            Data::Blobs(blobs)
        }
    };
    let before = store.block(kept.before)?.ok_or(RecordError::Missing(kept.before))?;
    let context = decode_aux(chain.parameters.rollup, &before.aux);
    Ok(PostedBatch { statement: kept.statement, before: kept.before, context, data, messages: kept.messages })
}
