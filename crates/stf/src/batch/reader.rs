//! Reading and writing of the small parts: integers, differences, fixed bytes.

use super::DecodeError;
use alloc::vec::Vec;

/// A cursor over a body.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The rest as an RLP decoder moves through it.
    pub(super) const fn rest_mut(&mut self) -> &mut &'a [u8] {
        &mut self.rest
    }

    pub(super) fn byte(&mut self) -> Result<u8, DecodeError> {
        let (first, rest) = self.rest.split_first().ok_or(DecodeError::TooShort)?;
        self.rest = rest;
        Ok(*first)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (first, rest) = self.rest.split_first_chunk::<N>().ok_or(DecodeError::TooShort)?;
        self.rest = rest;
        Ok(*first)
    }

    /// An integer.
    pub(super) fn integer(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if shift == 63 && part > 1 {
                return Err(DecodeError::Integer);
            }
            value |= part.wrapping_shl(shift);
            if byte & 0x80 == 0 {
                return if byte == 0 && shift > 0 { Err(DecodeError::Integer) } else { Ok(value) };
            }
        }
        Err(DecodeError::Integer)
    }

    /// A number of things that take at least one byte each of what follows.
    pub(super) fn count(&mut self) -> Result<usize, DecodeError> {
        let count = usize::try_from(self.integer()?).map_err(|_| DecodeError::TooShort)?;
        if count > self.remaining() { Err(DecodeError::TooShort) } else { Ok(count) }
    }

    /// A difference from `prediction`.
    pub(super) fn difference(&mut self, prediction: u64) -> Result<u64, DecodeError> {
        let zigzag = self.integer()?;
        let difference = (zigzag >> 1) ^ (zigzag & 1).wrapping_neg();
        Ok(prediction.wrapping_add(difference))
    }
}

/// Appends an integer.
pub(super) fn put_integer(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes of an integer.
pub(super) const fn integer_len(value: u64) -> usize {
    64u32.saturating_sub((value | 1).leading_zeros()).div_ceil(7) as usize
}

/// Appends the difference of `value` from `prediction`.
pub(super) fn put_difference(out: &mut Vec<u8>, value: u64, prediction: u64) {
    let difference = value.wrapping_sub(prediction);
    put_integer(out, (difference << 1) ^ ((difference as i64) >> 63) as u64);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn integers_and_differences_survive(value: u64, prediction: u64, small in 0u64..1 << 15) {
            for v in [value, small, !small] {
                let mut out = Vec::new();
                put_integer(&mut out, v);
                prop_assert_eq!(out.len(), integer_len(v));
                put_difference(&mut out, v, prediction);
                let mut reader = Reader::new(&out);
                prop_assert_eq!(reader.integer(), Ok(v));
                prop_assert_eq!(reader.difference(prediction), Ok(v));
                prop_assert_eq!(reader.remaining(), 0);
            }
        }

        #[test]
        fn an_integer_has_one_form(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let mut reader = Reader::new(&bytes);
            if let Ok(value) = reader.integer() {
                let mut out = Vec::new();
                put_integer(&mut out, value);
                prop_assert_eq!(out.as_slice(), &bytes[..bytes.len() - reader.remaining()]);
            }
        }
    }

    #[test]
    fn long_and_padded_integers_are_refused() {
        for bytes in
            [&[0x80, 0x00][..], &[0xff; 10], &[0xff; 9], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]]
        {
            assert!(Reader::new(bytes).integer().is_err(), "{bytes:?}");
        }
    }
}
