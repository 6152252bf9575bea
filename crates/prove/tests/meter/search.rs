//! Operations by chance, for a search for the dearest.

use super::{
    rows::{self, Row},
    support::inputs::{input, length},
};
use alloy_primitives::U256;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};

/// Words that arithmetic finds hard or easy, beside any.
const WORDS: [U256; 6] = [
    U256::ZERO,
    U256::ONE,
    U256::MAX,
    U256::from_limbs([u64::MAX, u64::MAX, 1, 0]),
    U256::from_limbs([0, 0, 0, 1 << 63]),
    U256::from_limbs([u64::MAX, 0, 0, 0]),
];
/// Instructions on the stack alone: code and operands.
const STACK: [(u8, usize); 27] = [
    (0x01, 2),
    (0x02, 2),
    (0x03, 2),
    (0x04, 2),
    (0x05, 2),
    (0x06, 2),
    (0x07, 2),
    (0x08, 3),
    (0x09, 3),
    (0x0a, 2),
    (0x0b, 2),
    (0x10, 2),
    (0x12, 2),
    (0x14, 2),
    (0x15, 1),
    (0x16, 2),
    (0x19, 1),
    (0x1a, 2),
    (0x1b, 2),
    (0x1c, 2),
    (0x1d, 2),
    (0x1e, 1),
    (0x35, 1),
    (0x49, 1),
    (0x31, 1),
    (0x3b, 1),
    (0x54, 1),
];
/// Instructions on a part of memory: code, operands before its length, words that they leave.
const PARTS: [(u8, usize, usize); 8] =
    [(0x20, 1, 1), (0x37, 2, 0), (0x39, 2, 0), (0x5e, 2, 0), (0xa0, 1, 0), (0xf3, 1, 0), (0x3c, 3, 0), (0xf0, 2, 1)];

/// Something that costs gas.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// An instruction on words.
    Stack { code: u8, words: Vec<U256> },
    /// An instruction on a part of memory.
    Part { code: u8, before: usize, gives: usize, start: u64, length: u64 },
    /// A call of a precompiled contract.
    Call { address: u64, input: Vec<u8> },
}

fn word(chance: &mut StdRng) -> U256 {
    let any = U256::from_limbs(chance.random());
    match chance.random_range(0..3) {
        0 => *WORDS.choose(chance).unwrap_or(&any),
        1 => any,
        _ => any >> chance.random_range(0..256usize),
    }
}

impl Action {
    /// Any.
    pub(crate) fn by_chance(chance: &mut StdRng) -> Self {
        match chance.random_range(0..4) {
            0 => {
                let (code, count) = *STACK.choose(chance).unwrap_or(&STACK[0]);
                Self::Stack { code, words: (0..count).map(|_| word(chance)).collect() }
            }
            1 => {
                let (code, before, gives) = *PARTS.choose(chance).unwrap_or(&PARTS[0]);
                let (start, length) = (length(chance, 4_096) as u64, length(chance, 16_384) as u64);
                Self::Part { code, before, gives, start, length }
            }
            _ => {
                let address = chance.random_range(1..=18u64);
                let address = if address == 18 { 0x100 } else { address };
                Self::Call { address, input: input(address, chance) }
            }
        }
    }

    /// The same with other operands.
    pub(crate) fn changed(&self, chance: &mut StdRng) -> Self {
        let mut other = self.clone();
        match &mut other {
            Self::Stack { words, .. } => {
                let at = chance.random_range(0..words.len());
                words[at] = word(chance);
            }
            Self::Part { start, length: most, .. } => {
                (*start, *most) = (length(chance, 4_096) as u64, length(chance, 16_384) as u64);
            }
            Self::Call { address, input: bytes } => *bytes = input(*address, chance),
        }
        other
    }

    /// As code.
    pub(crate) fn row(&self) -> Row {
        match self {
            Self::Stack { code, words } => rows::instruction(&format!("{self:?}"), *code, words, 1),
            Self::Part { code, before, gives, start, length } => {
                let mut words = vec![U256::from(*start); *before];
                words.push(U256::from(*length));
                rows::instruction(&format!("{self:?}"), *code, &words, *gives).once(if *length < 1_024 {
                    400
                } else {
                    40
                })
            }
            Self::Call { address, input } => rows::precompile(
                &format!("call of {address:#x} with {} bytes", input.len()),
                *address,
                input.clone(),
                3,
            ),
        }
    }
}

/// Numbers of a search.
pub(crate) fn chance(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}
