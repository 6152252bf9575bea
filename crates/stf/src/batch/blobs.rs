//! Packing a payload into blobs: `uint32 length ‖ payload ‖ zeros`, 31 bytes to a field element.
//!
//! The first byte of an element stays zero, so that each is below the field's modulus. A payload takes as few blobs as
//! hold it, at least one.

use alloc::{vec, vec::Vec};

/// Bytes of a blob (EIP-4844).
pub const BLOB_BYTES: usize = 4096 * 32;
/// The most blobs of a batch.
pub const MAX_BLOBS: usize = 6;
/// Bytes of the stream that fit a blob.
const USABLE: usize = 4096 * 31;
/// The longest payload that fits [`MAX_BLOBS`].
pub const MAX_PAYLOAD_BYTES: usize = MAX_BLOBS * USABLE - 4;

/// Why blobs do not hold a payload, or cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// None, too many, or one of another length.
    #[error("a payload takes 1 to {MAX_BLOBS} blobs of {BLOB_BYTES} bytes, and no more than needed")]
    Count,
    /// The payload is longer than [`MAX_PAYLOAD_BYTES`].
    #[error("the payload does not fit {MAX_BLOBS} blobs")]
    Length,
    /// A byte that must be zero is not.
    #[error("a byte outside the payload is not zero")]
    Padding,
}

/// Packs a payload.
///
/// # Errors
/// [`BlobError::Length`].
pub fn pack_blobs(payload: &[u8]) -> Result<Vec<Vec<u8>>, BlobError> {
    let length = u32::try_from(payload.len()).map_err(|_| BlobError::Length)?;
    if payload.len() > MAX_PAYLOAD_BYTES {
        return Err(BlobError::Length);
    }
    let stream: Vec<u8> = length.to_be_bytes().into_iter().chain(payload.iter().copied()).collect();
    Ok(stream
        .chunks(USABLE)
        .map(|part| {
            let mut blob = vec![0; BLOB_BYTES];
            for (element, bytes) in blob.chunks_exact_mut(32).zip(part.chunks(31)) {
                for (to, from) in element.iter_mut().skip(1).zip(bytes) {
                    *to = *from;
                }
            }
            blob
        })
        .collect())
}

/// Unpacks blobs.
///
/// # Errors
/// [`BlobError::Count`] or [`BlobError::Padding`].
pub fn unpack_blobs(blobs: &[impl AsRef<[u8]>]) -> Result<Vec<u8>, BlobError> {
    if blobs.len() > MAX_BLOBS || blobs.iter().any(|blob| blob.as_ref().len() != BLOB_BYTES) {
        return Err(BlobError::Count);
    }
    let mut stream = Vec::with_capacity(blobs.len().saturating_mul(USABLE));
    for blob in blobs {
        for element in blob.as_ref().chunks_exact(32) {
            match element.split_first() {
                Some((0, bytes)) => stream.extend_from_slice(bytes),
                _ => return Err(BlobError::Padding),
            }
        }
    }
    let (length, rest) = stream.split_first_chunk::<4>().ok_or(BlobError::Count)?;
    let length = u32::from_be_bytes(*length) as usize;
    let needed = length.saturating_add(4).div_ceil(USABLE);
    if needed != blobs.len() {
        return Err(BlobError::Count);
    }
    let (payload, padding) = rest.split_at_checked(length).ok_or(BlobError::Count)?;
    if padding.iter().any(|byte| *byte != 0) { Err(BlobError::Padding) } else { Ok(payload.to_vec()) }
}
