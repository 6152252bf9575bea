//! From a blob's bytes to its versioned hash.

use crate::chain::Blob;
use alloy::eips::eip4844::{AsCkzg, env_settings::EnvKzgSettings, kzg_to_versioned_hash};
use alloy_primitives::B256;

/// The versioned hash of a blob (EIP-4844), by its KZG commitment. `None` if the bytes are no blob: a field element is not
/// below the field's order. A few milliseconds of work: call it off the async threads.
pub fn versioned_hash(blob: &Blob) -> Option<B256> {
    let commitment = EnvKzgSettings::Default.get().blob_to_kzg_commitment(blob.as_ckzg()).ok()?;
    Some(kzg_to_versioned_hash(commitment.to_bytes().as_slice()))
}

/// [`versioned_hash`] of each, off the async threads.
pub(super) async fn identify(blobs: Vec<Box<Blob>>) -> Vec<(Option<B256>, Box<Blob>)> {
    tokio::task::spawn_blocking(move || blobs.into_iter().map(|blob| (versioned_hash(&blob), blob)).collect())
        .await
        .unwrap_or_default()
}
