//! Which column takes how much of a payload, for measurements.

use super::{
    DecodeError,
    body::{block_count, walk_rows},
    model::{Context, Encoder},
    port::{Coding, Plain, Port},
    walk::{State, column},
};
use alloc::{collections::BTreeMap, vec::Vec};

/// A column's bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// What the column holds.
    pub name: &'static str,
    /// Bytes before coding.
    pub plain: usize,
    /// Bytes after coding.
    pub coded: f64,
}

struct Measuring<'a> {
    coding: Coding<'a>,
    shares: BTreeMap<&'static str, (usize, f64)>,
}

impl Port for Measuring<'_> {
    fn byte(&mut self, value: u8, context: impl FnOnce(u64) -> Context) -> Result<u8, DecodeError> {
        let before = self.coding.to.bits();
        let mut name = "";
        let byte = self.coding.byte(value, |recent| {
            let context = context(recent);
            name = column::name(context.column);
            context
        })?;
        let share = self.shares.entry(name).or_default();
        share.0 = share.0.saturating_add(1);
        share.1 += self.coding.to.bits() - before;
        Ok(byte)
    }
}

/// The shares of a body's columns in its payload, the largest first; signatures are the last part of the body, as they are.
///
/// # Errors
/// [`DecodeError`] of bytes that are no body.
pub fn shares(body: &[u8]) -> Result<Vec<Share>, DecodeError> {
    let (count, rest) = block_count(body)?;
    let mut port = Measuring { coding: Coding { from: Plain(rest), to: Encoder::new() }, shares: BTreeMap::new() };
    walk_rows(&mut port, &mut State::default(), count)?;
    let signatures = port.coding.from.0.len();
    let mut shares: Vec<Share> =
        port.shares.into_iter().map(|(name, (plain, bits))| Share { name, plain, coded: bits / 8.0 }).collect();
    shares.push(Share { name: "signatures", plain: signatures, coded: signatures as f64 });
    shares.sort_by(|a, b| b.coded.total_cmp(&a.coded));
    Ok(shares)
}
