//! Blobs: fetched from beacon endpoints, proved by KZG to be the ones meant, kept on disk.
//!
//! A blob is named by its versioned hash (EIP-4844: `0x01 ‖ sha256(commitment)[1..]`), which L1 commits to. Whoever serves
//! one can therefore serve only the right one: the commitment is recomputed from the bytes and compared. So sources
//! need no trust, and an [`Archive`] answers as well as a beacon node once theirs have expired (18 days on mainnet).

mod archive;
mod beacon;
mod kzg;
mod serve;
#[cfg(test)]
mod tests;

pub use archive::Archive;
pub(crate) use archive::write_whole;
pub use beacon::BeaconClient;
pub use kzg::{ElementProof, commitment_of, prove_blob, prove_element, versioned_hash};
pub use serve::{ArchiveLimits, ArchiveServer};

use crate::{
    L1Error,
    chain::{Blob, BlockRef},
    metrics,
};
use alloy_primitives::B256;
use beacon::Offered;
use std::collections::HashMap;

/// The most blobs asked for at once: more than any block carries.
pub const MAX_BLOBS: usize = 128;

/// Gathers blobs from the archive, then from each endpoint in turn, and checks them all. What came from an endpoint is
/// put into the archive.
///
/// # Errors
/// [`L1Error::BlobMissing`] if no source has one of them.
pub(crate) async fn fetch(
    archive: Option<&Archive>,
    beacons: &[BeaconClient],
    block: BlockRef,
    hashes: &[B256],
) -> Result<Vec<Box<Blob>>, L1Error> {
    if hashes.len() > MAX_BLOBS {
        return Err(L1Error::TooLarge { method: "blobs", reason: format!("{} blobs at once", hashes.len()) });
    }
    let mut found: HashMap<B256, Box<Blob>> = HashMap::new();
    let mut tried = Vec::new();
    if let Some(archive) = archive {
        for hash in hashes {
            if let Some(blob) = archive.get(*hash).await {
                found.insert(*hash, blob);
            }
        }
        metrics::blobs_fetched("archive", found.len());
        tried.push("archive".to_owned());
    }
    for beacon in beacons {
        let missing: Vec<B256> = hashes.iter().filter(|hash| !found.contains_key(*hash)).copied().collect();
        if missing.is_empty() {
            break;
        }
        match beacon.blobs(block, &missing).await {
            Ok(Offered { right, refused }) => {
                metrics::blobs_fetched("beacon", right.len());
                tried.push(match refused {
                    0 => format!("{}: did not have it", beacon.host()),
                    _ => format!("{}: gave {refused} others instead", beacon.host()),
                });
                for (hash, blob) in right {
                    if let Some(archive) = archive {
                        archive.put(hash, &blob).await?;
                    }
                    found.insert(hash, blob);
                }
            }
            Err(error) => tried.push(format!("{}: {error}", beacon.host())),
        }
    }
    hashes
        .iter()
        .map(|hash| {
            found.get(hash).cloned().ok_or_else(|| L1Error::BlobMissing {
                hash: *hash,
                block: block.number.get(),
                reason: if tried.is_empty() { "no beacon endpoint is set".into() } else { tried.join("; ") },
            })
        })
        .collect()
}
