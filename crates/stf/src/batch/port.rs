//! Where a walk over a body's bytes puts them or takes them from: one walk serves every direction.

use super::{
    DecodeError, MAX_BODY_BYTES,
    model::{Context, Decoder, Encoder},
};
use alloc::vec::Vec;

/// One end of a walk.
pub(super) trait Port {
    /// Passes a byte. A port that writes takes `value` and gives it back; one that reads ignores it and gives what it read.
    /// The context is a function of the last literals.
    ///
    /// # Errors
    /// [`DecodeError::TooLong`] of a writer, [`DecodeError::TooShort`] of a reader.
    fn byte(&mut self, value: u8, context: impl FnOnce(u64) -> Context) -> Result<u8, DecodeError>;
}

/// Writes a body's bytes.
impl Port for Vec<u8> {
    fn byte(&mut self, value: u8, _: impl FnOnce(u64) -> Context) -> Result<u8, DecodeError> {
        if self.len() >= MAX_BODY_BYTES {
            return Err(DecodeError::TooLong);
        }
        self.push(value);
        Ok(value)
    }
}

/// Reads a body's bytes.
pub(super) struct Plain<'a>(pub(super) &'a [u8]);

impl Port for Plain<'_> {
    fn byte(&mut self, _: u8, _: impl FnOnce(u64) -> Context) -> Result<u8, DecodeError> {
        let (first, rest) = self.0.split_first().ok_or(DecodeError::TooShort)?;
        self.0 = rest;
        Ok(*first)
    }
}

/// Reads a body's bytes and codes them.
pub(super) struct Coding<'a> {
    pub(super) from: Plain<'a>,
    pub(super) to: Encoder,
}

impl Port for Coding<'_> {
    fn byte(&mut self, value: u8, context: impl FnOnce(u64) -> Context) -> Result<u8, DecodeError> {
        let byte = self.from.byte(value, |_| Context::NONE)?;
        self.to.byte(byte, context);
        Ok(byte)
    }
}

/// Reads coded bytes and keeps them as a body's.
pub(super) struct Coded<'a> {
    pub(super) from: Decoder<'a>,
    pub(super) to: Vec<u8>,
}

impl Port for Coded<'_> {
    fn byte(&mut self, _: u8, context: impl FnOnce(u64) -> Context) -> Result<u8, DecodeError> {
        let byte = self.from.byte(context)?;
        self.to.byte(byte, |_| Context::NONE)
    }
}
