//! What a batch carries: encoding, decoding, compression and packing into blobs.
//!
//! Nothing here judges whether blocks are good; that is [`crate::derive`]. Encoding and decoding stand side by side and
//! share one layout. Decoding is total: any bytes give a body or an error, in bounded time and memory.
//!
//! # From blocks to L1, version 1
//!
//! ```text
//! blocks ── body ── payload = 0x01 ‖ brotli(body) ──┬── call data: the payload as it is
//!                                                    └── blobs: uint32 length ‖ payload ‖ zeros, 31 bytes an element
//! ```
//!
//! **Integers** (`n`) are unsigned LEB128 of at most 64 bits without a superfluous last byte. **Differences** (`d`) are
//! taken modulo 2^64 from a prediction, read as a signed number, and written zigzag (`(x << 1) ^ (x >> 63)`) as `n`.
//!
//! | body | |
//! |---|---|
//! | `n` blocks | 1 to 2^15 |
//! | `n` beneficiaries, 20 bytes each | in order of first use, each once |
//! | rows | one a block |
//! | signatures | `r ‖ s`, 64 bytes, for each transaction of the batch, in order |
//!
//! | row | prediction |
//! |---|---|
//! | `n` messages consumed | |
//! | `d` term | the term of the row before; 0 |
//! | `d` view | in the same term, the view before plus one; else 1 |
//! | `d` parent view | in the same term, the view before; else 0 |
//! | `d` milliseconds | the milliseconds before; 0 |
//! | `n` beneficiary | place in the table |
//! | `n` transactions, then each: tag byte, RLP list of its fields without the signature | |
//!
//! The tag is `type | parity << 3 | protected << 4` with types 0, 1, 2, 4; `protected` says that a legacy transaction names
//! the chain (EIP-155). A transaction that names another chain cannot be expressed, nor can types 3 and 0x7E.
//!
//! # One encoding a content
//!
//! [`Body::decode`] encodes what it read and refuses a body that differs ([`DecodeError::NotCanonical`]). Compression has
//! no canonical form; `dataHash` covers the very bytes. The stream must fit its container exactly: nothing may follow the
//! brotli stream, blobs are no more than needed and their rest is zero.
//!
//! # Bounds
//!
//! A body has at most [`MAX_BODY_BYTES`], which always fits six blobs, even if it does not compress. So the length of the
//! body, a function of the chain alone, decides where batches end ([`BodyWriter`]). The decompressor stops at that bound,
//! and its window is at most [`WINDOW_BITS`], so it never holds more than about twice the body.

mod blobs;
mod body;
mod compress;
mod reader;
mod transaction;

#[cfg(test)]
mod tests;

pub use blobs::{BLOB_BYTES, BlobError, MAX_BLOBS, MAX_PAYLOAD_BYTES, pack_blobs, unpack_blobs};
pub use body::{BatchBlock, Body, BodyWriter, DecodeError, EncodeError};
pub use compress::{CompressionError, WINDOW_BITS, decompress};
#[cfg(feature = "std")]
pub use compress::{QUALITY, compress};

use surety_types::RollupId;

/// The only version of the payload: its first byte.
pub const VERSION: u8 = 1;

/// The most bytes that a body may have before compression.
pub const MAX_BODY_BYTES: usize = 760_000;

/// Why a payload cannot be read. All of these are content: derivation answers with default blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// The version byte is missing or unknown.
    #[error("the payload's version is not {VERSION}")]
    Version,
    /// The rest is not one brotli stream within the bounds.
    #[error("the payload does not decompress: {0}")]
    Compression(#[from] CompressionError),
    /// The body cannot be read.
    #[error("the body does not decode: {0}")]
    Body(#[from] DecodeError),
}

/// Reads a payload.
///
/// # Errors
/// See [`PayloadError`].
pub fn decode_payload(rollup: RollupId, payload: &[u8]) -> Result<Body, PayloadError> {
    match payload.split_first() {
        Some((&VERSION, stream)) => Ok(Body::decode(rollup, &decompress(stream)?)?),
        _ => Err(PayloadError::Version),
    }
}

/// Writes a payload from a canonical body ([`BodyWriter::finish`]).
#[cfg(feature = "std")]
pub fn encode_payload(body: &[u8]) -> alloc::vec::Vec<u8> {
    let mut payload = alloc::vec![VERSION];
    payload.extend_from_slice(&compress(body));
    payload
}
