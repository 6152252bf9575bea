//! What a batch carries: encoding, decoding, compression and packing into blobs.
//!
//! Nothing here judges whether blocks are good; that is [`crate::derive`]. Encoding and decoding stand side by side and
//! share one layout. Decoding is total: any bytes give a body or an error, in bounded time and memory.
//!
//! # From blocks to L1
//!
//! ```text
//!                  ┌── 0x01 ‖ coded(count, rows) ‖ signatures ──┐            ┌── call data: the payload as it is
//! blocks ── body ──┤                                            ├─ payload ──┤
//!                  └── 0x00 ‖ body, if that is not longer ──────┘            └── blobs: uint32 length ‖ payload ‖ zeros,
//!                                                                                31 bytes an element
//! ```
//!
//! A **body** is `uint16 count ‖ rows ‖ signatures`: 1 to 2^15 blocks, a row each, then `r ‖ s` (64 bytes) of each
//! transaction in order. Signatures do not compress, so they stay out of the coded stream.
//!
//! **Numbers** (`n`) are a byte that tells how many bytes follow, and those, big-endian, the first not zero.
//! **Differences** (`d`) are taken modulo 2^64 from a prediction, read as a signed number, and written zigzag
//! (`(x << 1) ^ (x >> 63)`) as `n`. **Addresses** (`a`) are `uint16`: 0, and the 20 bytes follow and take the next place
//! in the batch's table (up to 65,000); 1 for none (the creation of a contract); else 2 + place.
//!
//! | row | prediction |
//! |---|---|
//! | `n` messages consumed | |
//! | `d` term | the term of the row before; 0 |
//! | `d` view | in the same term, the view before plus one; else 1 |
//! | `d` parent view | in the same term, the view before; else 0 |
//! | `d` milliseconds | the milliseconds before; 0 |
//! | `a` beneficiary | |
//! | `n` transactions, then each of them | |
//!
//! | transaction | |
//! |---|---|
//! | kind | `type \| parity << 3 \| protected << 4`, types 0, 1, 2, 4; `protected`: a legacy transaction names the chain (EIP-155) |
//! | `a` to | |
//! | `n` length of the input | |
//! | the first four bytes of the input, or as many as there are | |
//! | `n` gas limit | |
//! | `n` gas price, or most fee per gas | |
//! | `n` most priority fee per gas | types 2 and 4 |
//! | nonce | below 16: zigzag difference from the nonce after that of the batch's last call of the same `to` and first four bytes (else of the same `to`; else 1); 16 + k: k bytes of a number follow |
//! | `n` value | |
//! | words | the rest of the input in words of 32 bytes, see below; what is left after them as it is |
//! | `n` bytes of the access list, and its RLP | types 1, 2, 4; 0 if empty |
//! | `n` bytes of the authorizations, and their RLP | type 4; 0 if empty |
//!
//! Words begin with a tag: 27 for a word that the batch's table has, whose place (`uint16`) follows; 0 to 26, the bytes of a
//! word without its leading zeros, if they are as few; 27 + k for the next k ≤ 228 words, whole, that are none of these nor
//! repeat one another: as many as follow one another. A word that was written takes the next place in the table (up to
//! 65,000) if it has 4 bytes or more after its zeros and no place yet; so does, as a word, an address that takes a place
//! among addresses. So a body never has more than a byte for each 39 gas that its inputs cost (EIP-7623).
//!
//! A transaction that names another chain cannot be expressed, nor can types 3 and 0x7E.
//!
//! # The coder
//!
//! Rows stand one after the other, but each column has statistics of its own: the [`model`] predicts every byte
//! from what its column usually follows (the same call before, the transaction before, the words above, the place in the
//! input …), mixes these predictions, and a range coder writes what they left open. The walk over the layout
//! ([`self::walk`]) is one for writing, reading, coding and decoding, and names each column's predictors. A library's
//! compressor cannot know columns. 1,766 transactions of OP Mainnet (see the tests) take 298.5 bytes each here, signatures
//! and all; rows compressed by brotli at its highest quality took 317.0.
//!
//! New addresses and words of 20 bytes, which most likely are addresses, look random: they are written as they are unless
//! a repeat predicts them. That costs nothing on those transactions and halves the work, since four tenths of their rows
//! are such bytes.
//!
//! # One payload a content
//!
//! [`Body::decode`] encodes what it read and refuses a body that differs ([`DecodeError::NotCanonical`]). The coder is a
//! function of the body and the reader checks the end of its stream, so a body has one coded form; it is taken if it is
//! shorter than the body, and refused if it is not. Nothing may follow; blobs are no more than needed and their rest is zero.
//!
//! # Bounds
//!
//! A body has at most [`MAX_BODY_BYTES`], which always fits six blobs, even if it does not compress; its inputs together
//! have at most [`MAX_INPUT_BYTES`]. Both are functions of the chain alone and decide where batches end ([`BodyWriter`]). The
//! decoder stops at them: it reads at most as many bytes of a body as that, whatever a stream claims, each in a fixed
//! number of steps (six predictions a bit, 32-bit integers but for a product of 64 bits in the mixers), and the model has
//! 24 MiB of counters and less than 2 MiB beside them. Tables of addresses and words have at most 65,000 entries each.

mod blobs;
mod body;
mod model;
mod port;
#[cfg(feature = "std")]
mod shares;
mod transaction;
mod walk;

#[cfg(test)]
mod tests;

pub use blobs::{BLOB_BYTES, BlobError, MAX_BLOBS, MAX_PAYLOAD_BYTES, pack_blobs, unpack_blobs};
pub use body::{BatchBlock, Body, BodyWriter, DecodeError, EncodeError};
#[cfg(feature = "std")]
pub use shares::{Share, shares};

use alloc::{string::ToString as _, vec::Vec};
use alloy_primitives::{B256, Keccak256};
use body::{block_count, walk_rows};
use model::{Decoder, Encoder};
use port::{Coded, Coding, Plain};
use surety_types::RollupId;
use walk::State;

/// First byte of a payload that holds the body as it is.
pub const STORED: u8 = 0;
/// First byte of a payload whose rows are coded.
pub const CODED: u8 = 1;

/// The most bytes that a body may have before compression.
pub const MAX_BODY_BYTES: usize = 760_000;
/// The most bytes that the inputs of a batch's transactions have together. No block has more (an input's byte costs 10 gas).
pub const MAX_INPUT_BYTES: usize = 4_000_000;

/// Why a payload cannot be read. All of these are content: derivation answers with default blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// The first byte is missing or unknown.
    #[error("the payload's first byte is neither {STORED} nor {CODED}")]
    Version,
    /// The body cannot be read.
    #[error("the body does not decode: {0}")]
    Body(#[from] DecodeError),
    /// The body is right, but another payload of it is the shorter one.
    #[error("the payload is not the canonical one of its body")]
    NotCanonical,
}

/// Reads a payload.
///
/// # Errors
/// See [`PayloadError`].
pub fn decode_payload(rollup: RollupId, payload: &[u8]) -> Result<Body, PayloadError> {
    match payload.split_first() {
        Some((&STORED, bytes)) => {
            let body = Body::decode(rollup, bytes)?;
            if encode_payload(bytes) == payload { Ok(body) } else { Err(PayloadError::NotCanonical) }
        }
        Some((&CODED, stream)) => {
            let bytes = decompress(stream)?;
            let body = Body::decode(rollup, &bytes)?;
            if stream.len() < bytes.len() { Ok(body) } else { Err(PayloadError::NotCanonical) }
        }
        _ => Err(PayloadError::Version),
    }
}

/// What reading a payload gave, in 32 bytes, so that machines can be compared: the Keccak-256 of 0, the body's encoding and
/// its transactions' hashes, or of 1 and the error's text.
pub fn decode_digest(rollup: RollupId, payload: &[u8]) -> B256 {
    let mut digest = Keccak256::new();
    let written = decode_payload(rollup, payload).map_err(|error| error.to_string()).and_then(|body| {
        let bytes = body.encode(rollup).map_err(|error| error.to_string())?;
        Ok((body, bytes))
    });
    match written {
        Ok((body, bytes)) => {
            digest.update([0]);
            digest.update(bytes);
            for transaction in body.blocks.iter().flat_map(|block| &block.transactions) {
                digest.update(transaction.hash());
            }
        }
        Err(text) => {
            digest.update([1]);
            digest.update(text);
        }
    }
    digest.finalize()
}

/// Writes the payload of a canonical body ([`BodyWriter::finish`]). Other bytes are stored as they are.
pub fn encode_payload(body: &[u8]) -> Vec<u8> {
    let coded = compress(body).ok().filter(|coded| coded.len() < body.len());
    let (first, content) = coded.as_deref().map_or((STORED, body), |coded| (CODED, coded));
    let mut payload = Vec::with_capacity(content.len().saturating_add(1));
    payload.push(first);
    payload.extend_from_slice(content);
    payload
}

/// Codes the rows of a body.
fn compress(body: &[u8]) -> Result<Vec<u8>, DecodeError> {
    if body.len() > MAX_BODY_BYTES {
        return Err(DecodeError::TooLong);
    }
    let (count, rest) = block_count(body)?;
    let mut port = Coding { from: Plain(rest), to: Encoder::new() };
    walk_rows(&mut port, &mut State::default(), count)?;
    let mut out = Vec::from((count as u16).to_be_bytes());
    out.extend_from_slice(&port.to.finish());
    out.extend_from_slice(port.from.0);
    Ok(out)
}

/// Reads coded rows, and gives the body.
fn decompress(stream: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let (count, rest) = block_count(stream)?;
    let mut port = Coded { from: Decoder::new(rest)?, to: Vec::from((count as u16).to_be_bytes()) };
    walk_rows(&mut port, &mut State::default(), count)?;
    let signatures = port.from.finish()?;
    let mut out = port.to;
    if out.len().saturating_add(signatures.len()) > MAX_BODY_BYTES {
        return Err(DecodeError::TooLong);
    }
    out.extend_from_slice(signatures);
    Ok(out)
}
