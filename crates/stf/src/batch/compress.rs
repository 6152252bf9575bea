//! Brotli within bounds.
//!
//! The stream's window is at most 2^[`WINDOW_BITS`] bytes, which covers a whole body, so a larger one would gain nothing
//! and cost memory in the guest. Nothing may follow the stream.

use super::MAX_BODY_BYTES;
use alloc::{boxed::Box, vec, vec::Vec};
use brotli_decompressor::{
    Allocator, BrotliDecompressStream, BrotliResult, BrotliState, SliceWrapper, SliceWrapperMut,
};

/// The largest window of a stream, as a power of two of bytes.
pub const WINDOW_BITS: u32 = 20;
/// The quality at which batches are compressed. On 1,766 real transactions (bytes each, time of all): 5: 324.4, 0.10 s;
/// 9: 322.7, 0.18 s; 10: 324.5, 1.5 s; 11: 317.0, 3.4 s; windows beyond 2^20 gain nothing, 2^18 loses 1 %.
#[cfg(feature = "std")]
pub const QUALITY: u32 = 9;

/// Why a stream is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CompressionError {
    /// Its window is larger than 2^[`WINDOW_BITS`], or in the form that only "large window" decoders take.
    #[error("the stream's window is larger than 2^{WINDOW_BITS} bytes")]
    Window,
    /// It is not a brotli stream (RFC 7932), or is cut off.
    #[error("not a whole brotli stream")]
    Stream,
    /// Bytes follow the stream.
    #[error("bytes follow the brotli stream")]
    Trailing,
    /// It holds more than [`MAX_BODY_BYTES`].
    #[error("the stream holds more than {MAX_BODY_BYTES} bytes")]
    TooLong,
}

/// Memory for the decompressor from the global allocator, without `std`.
#[derive(Clone, Copy, Default)]
struct Heap;

struct Cell<T>(Box<[T]>);

impl<T> Default for Cell<T> {
    fn default() -> Self {
        Self(Box::default())
    }
}

impl<T> SliceWrapper<T> for Cell<T> {
    fn slice(&self) -> &[T] {
        &self.0
    }
}

impl<T> SliceWrapperMut<T> for Cell<T> {
    fn slice_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T: Clone + Default> Allocator<T> for Heap {
    type AllocatedMemory = Cell<T>;
    fn alloc_cell(&mut self, len: usize) -> Cell<T> {
        Cell(vec![T::default(); len].into_boxed_slice())
    }
    fn free_cell(&mut self, _: Cell<T>) {}
}

/// The window that a stream's first byte announces (RFC 7932 §9.1).
const fn window_bits(first: u8) -> Option<u32> {
    match (first & 1, (first >> 1) & 7, (first >> 4) & 7) {
        (0, _, _) => Some(16),
        (_, 0, 0) => Some(17),
        (_, 0, 1) => None,
        (_, 0, n) => Some((n as u32).saturating_add(8)),
        (_, n, _) => Some((n as u32).saturating_add(17)),
    }
}

/// Decompresses a whole stream of at most [`MAX_BODY_BYTES`].
///
/// # Errors
/// See [`CompressionError`].
pub fn decompress(stream: &[u8]) -> Result<Vec<u8>, CompressionError> {
    let first = stream.first().ok_or(CompressionError::Stream)?;
    if window_bits(*first).is_none_or(|bits| bits > WINDOW_BITS) {
        return Err(CompressionError::Window);
    }
    let mut state = BrotliState::<Heap, Heap, Heap>::new_strict(Heap, Heap, Heap);
    let mut out = Vec::new();
    let mut chunk = vec![0u8; 16 * 1024];
    let (mut available_in, mut in_offset, mut total) = (stream.len(), 0, 0);
    loop {
        let (mut available_out, mut out_offset) = (chunk.len(), 0);
        let result = BrotliDecompressStream(
            &mut available_in,
            &mut in_offset,
            stream,
            &mut available_out,
            &mut out_offset,
            &mut chunk,
            &mut total,
            &mut state,
        );
        out.extend_from_slice(chunk.get(..out_offset).ok_or(CompressionError::Stream)?);
        if out.len() > MAX_BODY_BYTES {
            return Err(CompressionError::TooLong);
        }
        match result {
            BrotliResult::ResultSuccess if available_in == 0 => return Ok(out),
            BrotliResult::ResultSuccess => return Err(CompressionError::Trailing),
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::NeedsMoreInput | BrotliResult::ResultFailure => return Err(CompressionError::Stream),
        }
    }
}

/// Compresses a body at [`QUALITY`].
#[cfg(feature = "std")]
pub fn compress(body: &[u8]) -> Vec<u8> {
    compress_with(body, QUALITY)
}

#[cfg(feature = "std")]
pub(super) fn compress_with(body: &[u8], quality: u32) -> Vec<u8> {
    use brotli::enc::writer::CompressorWriter;
    use std::io::Write;
    let mut out = CompressorWriter::new(Vec::new(), 16 * 1024, quality, WINDOW_BITS);
    // Writing to a vector cannot fail.
    let _ = out.write_all(body);
    out.into_inner()
}
