//! The model of a body's bytes and the range coder that it drives.
//!
//! Each byte comes with a [`Context`]: hashes of what its column is predicted from. For each hash the model keeps adaptive
//! probabilities of the byte's next bit; two sets of mixer weights join them with the prediction of the longest repeat
//! among earlier literals, and a last table corrects the result. All arithmetic is on integers, so every machine makes the
//! same bytes.
//!
//! Writer and reader keep the same interval, so bytes leave the writer exactly as they enter the reader: of all streams
//! only one is read as given symbols, and the reader checks that it has it ([`Decoder::finish`]).

use super::DecodeError;
use alloc::{vec, vec::Vec};

/// How many hashes predict a byte.
pub(super) const CONTEXTS: usize = 6;
/// Size of a context's table, as a power of two of counters of four bytes: 4 MiB each.
const TABLE_BITS: u32 = 20;
/// Inputs of a mixer: two of each context and two of the repeat.
const INPUTS: usize = 2 * CONTEXTS + 2;
/// Columns, and so sets of weights.
const SETS: usize = 64;
/// Sets of the second mixer, chosen by the first hash.
const FINE_SETS: usize = 1024;
/// How fast mixers learn.
const LEARNING: i32 = 7;
/// Initial weight of each input, in 1/65536.
const WEIGHT: i32 = 10 << 10;
/// A repeat is looked for after as many equal literals.
const MIN_REPEAT: usize = 4;
/// Size of the repeats' table, as a power of two.
const REPEAT_BITS: u32 = 16;
/// The probability of a bit of which nothing is known, of 16 bits.
const HALF: u32 = 1 << 15;
/// Steps of the last table a bit context.
const STEPS: usize = 33;

/// What a byte is in the layout.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Part of a number or tag.
    Scalar,
    /// Part of an index into a table, after which repeats begin anew.
    Reference,
    /// Data as they are, among which repeats are looked for.
    Literal,
    /// Literals that nothing but a repeat predicts: without one they are written as they are, and teach the model nothing.
    Random,
}

/// What predicts a byte.
pub(super) struct Context {
    /// Hashes of what the column is predicted from; 0 for none.
    pub(super) hashes: [u32; CONTEXTS],
    /// The column, below 64.
    pub(super) column: u8,
    /// What the byte is.
    pub(super) kind: Kind,
}

impl Context {
    /// Of a byte that is not coded.
    pub(super) const NONE: Self = Self { hashes: [0; CONTEXTS], column: 0, kind: Kind::Scalar };
}

/// Hashes small numbers.
pub(super) fn hash(parts: &[u32]) -> u32 {
    parts.iter().fold(0x0123_4567, |hash, part| {
        let mixed = (hash ^ part).wrapping_mul(0x9E37_79B1);
        mixed ^ (mixed >> 15)
    })
}

/// The logistic function: from -2047..=2047 (1/256 of a natural logarithm of odds) to a probability of 12 bits.
fn squash(x: i32) -> i32 {
    const TABLE: [i32; 33] = [
        1, 2, 3, 6, 10, 16, 27, 45, 73, 120, 194, 310, 488, 747, 1101, 1546, 2047, 2549, 2994, 3348, 3607, 3785, 3901,
        3975, 4024, 4050, 4068, 4079, 4085, 4089, 4092, 4093, 4094,
    ];
    if x > 2047 {
        return 4095;
    }
    if x < -2047 {
        return 1;
    }
    let weight = x & 127;
    let at = (x >> 7).wrapping_add(16) as usize;
    let low = TABLE.get(at).copied().unwrap_or(4094);
    let high = TABLE.get(at.wrapping_add(1)).copied().unwrap_or(4094);
    low.wrapping_mul(128i32.wrapping_sub(weight)).wrapping_add(high.wrapping_mul(weight)).wrapping_add(64) >> 7
}

/// What one prediction was made of, for the update after it.
#[derive(Default)]
struct Prediction {
    slots: [usize; CONTEXTS],
    checks: [u32; CONTEXTS],
    inputs: [i32; INPUTS],
    coarse: usize,
    fine: usize,
    coarse_p: i32,
    fine_p: i32,
    last: usize,
    repeat: usize,
    expected: bool,
}

/// The state that writer and reader share.
pub(super) struct Model {
    /// Counters: probability ^ 0x8000 in 16 bits, how often seen in 6, a check of the hash in 10.
    tables: Vec<Vec<u32>>,
    coarse: Vec<i32>,
    fine: Vec<i32>,
    stretch: Vec<i16>,
    last: Vec<u16>,
    rates: [i32; 64],
    repeats: Vec<u16>,
    literals: Vec<u8>,
    places: Vec<u32>,
    repeat_at: usize,
    repeat_len: usize,
}

impl Model {
    pub(super) fn new() -> Self {
        let mut stretch = vec![2047i16; 4096];
        let mut from = 0usize;
        for x in -2047..=2047i32 {
            let to = (squash(x) as usize).wrapping_add(1);
            if let Some(part) = stretch.get_mut(from..to.max(from)) {
                part.fill(x as i16);
            }
            from = to.max(from);
        }
        let steps: Vec<u16> = (0..STEPS)
            .map(|step| squash((step as i32).wrapping_sub(16).wrapping_mul(128)).wrapping_mul(16) as u16)
            .collect();
        let mut rates = [0i32; 64];
        for (rate, n) in rates.iter_mut().zip(0i32..) {
            *rate = 655_360i32.checked_div(n.wrapping_mul(10).wrapping_add(13)).unwrap_or(0).max(65_536 / 24);
        }
        Self {
            tables: (0..CONTEXTS).map(|_| vec![0; 1 << TABLE_BITS]).collect(),
            coarse: vec![WEIGHT; SETS * 3 * INPUTS],
            fine: vec![WEIGHT; FINE_SETS * INPUTS],
            stretch,
            last: steps.iter().copied().cycle().take(1024 * STEPS).collect(),
            rates,
            repeats: vec![0x8000; 64],
            literals: Vec::new(),
            places: vec![0; 1 << REPEAT_BITS],
            repeat_at: 0,
            repeat_len: 0,
        }
    }

    /// The last literals, the newest in the lowest byte.
    pub(super) fn recent(&self) -> u64 {
        self.literals
            .iter()
            .rev()
            .take(6)
            .zip([0u32, 8, 16, 24, 32, 40])
            .fold(0, |recent, (byte, shift)| recent | u64::from(*byte).wrapping_shl(shift))
    }

    fn stretched(&self, p: usize) -> i32 {
        i32::from(self.stretch.get(p).copied().unwrap_or(0))
    }

    /// Codes a byte: `code` gets the probability of a one, of 16 bits, and gives the bit.
    fn byte<E>(
        &mut self,
        context: &Context,
        value: u8,
        mut code: impl FnMut(u32, bool) -> Result<bool, E>,
    ) -> Result<u8, E> {
        let literal = matches!(context.kind, Kind::Literal | Kind::Random);
        let expected = if literal && self.repeat_len > 0 { self.literals.get(self.repeat_at).copied() } else { None };
        let mut partial = 1u32;
        let plain = context.kind == Kind::Random && expected.is_none();
        // One for all bits: it is long, and would be copied.
        let mut made = Prediction::default();
        for place in (0..8u32).rev() {
            let one = value.wrapping_shr(place) & 1 == 1;
            let bit = if plain {
                code(HALF, one)?
            } else {
                let p = self.predict(&mut made, context, partial, place, expected);
                let bit = code(p, one)?;
                self.update(&made, bit);
                bit
            };
            partial = partial.wrapping_shl(1) | u32::from(bit);
        }
        let byte = partial as u8;
        match context.kind {
            Kind::Literal | Kind::Random => self.remember(byte),
            Kind::Reference => self.repeat_len = 0,
            Kind::Scalar => {}
        }
        Ok(byte)
    }

    /// The probability of a one, of 16 bits.
    fn predict(
        &mut self,
        made: &mut Prediction,
        context: &Context,
        partial: u32,
        place: u32,
        expected: Option<u8>,
    ) -> u32 {
        const CONFIDENCE: [i32; 8] = [0, 3, 4, 5, 6, 7, 8, 8];
        made.inputs = [0; INPUTS];
        let (inputs_of_contexts, inputs_of_repeat) = made.inputs.split_at_mut(2 * CONTEXTS);
        let contexts = context.hashes.iter().zip(&mut self.tables).zip(inputs_of_contexts.as_chunks_mut::<2>().0);
        for (((hash, table), input), (slot, check)) in contexts.zip(made.slots.iter_mut().zip(&mut made.checks)) {
            if *hash == 0 {
                *slot = usize::MAX;
                continue;
            }
            let mixed = hash.wrapping_add(partial.wrapping_mul(0x9E37_79B1)).wrapping_mul(0x85EB_CA6B);
            let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0xC2B2_AE35);
            *slot = ((mixed >> 12) & ((1 << TABLE_BITS) - 1)) as usize;
            *check = mixed & 0x3ff;
            let Some(counter) = table.get_mut(*slot) else { continue };
            if *counter & 0x3ff != *check {
                *counter = *check;
            }
            let seen = (*counter >> 10) & 63;
            if seen > 0 {
                let p = ((*counter >> 20) ^ 0x800) as usize;
                let confidence = CONFIDENCE.get(seen as usize).copied().unwrap_or(8);
                let stretched = i32::from(self.stretch.get(p).copied().unwrap_or(0));
                *input = [stretched, (p as i32).wrapping_sub(2048).wrapping_mul(confidence) >> 3];
            }
        }
        let mut repeat = 0usize;
        let mut expected_bit = false;
        if let Some(byte) = expected
            && (u32::from(byte) | 256).wrapping_shr(place.wrapping_add(1)) == partial
        {
            expected_bit = byte.wrapping_shr(place) & 1 == 1;
            let length = match self.repeat_len {
                n @ 0..16 => n,
                16..32 => 23,
                _ => 31,
            };
            repeat = length.wrapping_mul(2).wrapping_add(1);
            let p = usize::from(self.repeats.get(repeat).copied().unwrap_or(0x8000) >> 4);
            let (stretched, plain) = (self.stretched(p), (p as i32).wrapping_sub(2048));
            if let [first, second] = inputs_of_repeat {
                (*first, *second) =
                    if expected_bit { (stretched, plain) } else { (stretched.wrapping_neg(), plain.wrapping_neg()) };
            }
        }
        let state = match (repeat, self.repeat_len) {
            (0, _) => 0usize,
            (_, 0..16) => 1,
            _ => 2,
        };
        let column = usize::from(context.column & 63);
        let coarse = column.wrapping_mul(3).wrapping_add(state).wrapping_mul(INPUTS);
        let [first, ..] = context.hashes;
        let fine = (first as usize & (FINE_SETS - 1)).wrapping_mul(INPUTS);
        let (x1, x2) = (dot(&self.coarse, coarse, &made.inputs), dot(&self.fine, fine, &made.inputs));
        let x = (x1.saturating_add(x2) >> 1).clamp(-2047, 2047);
        let scaled = x.wrapping_add(2048).wrapping_mul(32);
        let last = ((partial as usize) | (context.kind as usize).wrapping_shl(8))
            .wrapping_mul(STEPS)
            .wrapping_add((scaled >> 12) as usize);
        let step = |at: usize| i32::from(self.last.get(at).copied().unwrap_or(0x8000));
        let weight = scaled & 4095;
        let corrected = step(last)
            .wrapping_mul(4096i32.wrapping_sub(weight))
            .wrapping_add(step(last.wrapping_add(1)).wrapping_mul(weight))
            .wrapping_shr(12)
            & 0xffff;
        let p = (squash(x).wrapping_mul(16).wrapping_add(corrected) >> 1).clamp(16, 65_520) as u32;
        let clamp = |x: i32| squash(x.clamp(-2047, 2047));
        (made.coarse, made.fine, made.last, made.repeat, made.expected) = (coarse, fine, last, repeat, expected_bit);
        (made.coarse_p, made.fine_p) = (clamp(x1), clamp(x2));
        p
    }

    fn update(&mut self, made: &Prediction, bit: bool) {
        let one = if bit { 65_535i32 } else { 0 };
        for at in [made.last, made.last.wrapping_add(1)] {
            if let Some(step) = self.last.get_mut(at) {
                let p = i32::from(*step);
                *step = p.wrapping_add(one.wrapping_sub(p) >> 6) as u16;
            }
        }
        let target = i32::from(bit).wrapping_mul(4096);
        learn(&mut self.coarse, made.coarse, &made.inputs, target.wrapping_sub(made.coarse_p));
        learn(&mut self.fine, made.fine, &made.inputs, target.wrapping_sub(made.fine_p));
        for ((table, slot), check) in self.tables.iter_mut().zip(made.slots).zip(made.checks) {
            if let Some(counter) = table.get_mut(slot) {
                let seen = (*counter >> 10) & 63;
                let p = ((*counter >> 16) ^ 0x8000) as i32;
                let rate = i64::from(self.rates.get(seen as usize).copied().unwrap_or(0));
                let step = i64::from(one.wrapping_sub(p)).wrapping_mul(rate) >> 16;
                let p = (p.wrapping_add(step as i32).clamp(0, 65_535) as u32) ^ 0x8000;
                *counter = p.wrapping_shl(16) | seen.wrapping_add(1).min(63).wrapping_shl(10) | check;
            }
        }
        if made.repeat > 0
            && let Some(hits) = self.repeats.get_mut(made.repeat)
        {
            let p = i32::from(*hits);
            let one = if made.expected == bit { 65_535i32 } else { 0 };
            *hits = p.wrapping_add(one.wrapping_sub(p) >> 6) as u16;
        }
    }

    /// Appends a literal, and follows or looks for a repeat.
    fn remember(&mut self, byte: u8) {
        if self.repeat_len > 0 {
            if self.literals.get(self.repeat_at) == Some(&byte) {
                self.repeat_len = self.repeat_len.wrapping_add(1).min(400);
                self.repeat_at = self.repeat_at.wrapping_add(1);
            } else {
                self.repeat_len = 0;
            }
        }
        self.literals.push(byte);
        if self.literals.len() < MIN_REPEAT {
            return;
        }
        let hash = self.literals.iter().rev().take(MIN_REPEAT).fold(0u32, |hash, byte| {
            let mixed = hash.wrapping_add(u32::from(*byte)).wrapping_add(1).wrapping_mul(0x2F0B_4C47);
            mixed ^ (mixed >> 13)
        });
        let slot = ((hash >> 3) & ((1 << REPEAT_BITS) - 1)) as usize;
        let Some(place) = self.places.get_mut(slot) else { return };
        let candidate = *place as usize;
        *place = self.literals.len() as u32;
        if self.repeat_len == 0
            && candidate > 0
            && let Some(before) = self.literals.get(..candidate)
        {
            let equal =
                before.iter().rev().zip(self.literals.iter().rev()).take(40).take_while(|(a, b)| a == b).count();
            if equal >= MIN_REPEAT {
                (self.repeat_at, self.repeat_len) = (candidate, equal);
            }
        }
    }
}

/// The weighted sum of the inputs.
fn dot(weights: &[i32], at: usize, inputs: &[i32; INPUTS]) -> i32 {
    let Some(weights) = weights.get(at..).and_then(<[i32]>::first_chunk::<INPUTS>) else { return 0 };
    let sum = weights
        .iter()
        .zip(inputs)
        .fold(0i64, |sum, (weight, input)| sum.wrapping_add(i64::from(*weight).wrapping_mul(i64::from(*input))));
    (sum >> 16).clamp(-1 << 24, 1 << 24) as i32
}

/// Moves the weights against the error.
fn learn(weights: &mut [i32], at: usize, inputs: &[i32; INPUTS], error: i32) {
    let Some(weights) = weights.get_mut(at..).and_then(<[i32]>::first_chunk_mut::<INPUTS>) else { return };
    let error = error.wrapping_mul(LEARNING);
    for (weight, input) in weights.iter_mut().zip(inputs) {
        let step = input.wrapping_mul(error).wrapping_add(1 << 13) >> 14;
        // As `saturating_add`, but what never happens costs one branch.
        *weight = match weight.overflowing_add(step) {
            (sum, false) => sum,
            _ => weight.saturating_add(step),
        };
    }
}

/// The interval of the range coder, always `low <= high`.
struct Interval {
    low: u32,
    high: u32,
}

impl Interval {
    const WHOLE: Self = Self { low: 0, high: u32::MAX };

    fn middle(&self, p: u32) -> u32 {
        let width = u64::from(self.high.wrapping_sub(self.low));
        self.low.wrapping_add((width.wrapping_mul(u64::from(p)) >> 16) as u32)
    }

    fn narrow(&mut self, middle: u32, bit: bool) {
        if bit { self.high = middle } else { self.low = middle.wrapping_add(1) }
    }

    /// The next byte, once it is settled.
    fn shift(&mut self) -> Option<u8> {
        let settled = (self.low ^ self.high) >> 24 == 0;
        settled.then(|| {
            let byte = self.low >> 24;
            self.low <<= 8;
            self.high = self.high << 8 | 0xff;
            byte as u8
        })
    }
}

/// Writes symbols to a stream.
pub(super) struct Encoder {
    model: Model,
    interval: Interval,
    out: Vec<u8>,
}

impl Encoder {
    pub(super) fn new() -> Self {
        Self { model: Model::new(), interval: Interval::WHOLE, out: Vec::new() }
    }

    pub(super) fn byte(&mut self, value: u8, context: impl FnOnce(u64) -> Context) {
        let Self { model, interval, out } = self;
        let context = context(model.recent());
        let coded: Result<u8, core::convert::Infallible> = model.byte(&context, value, |p, bit| {
            interval.narrow(interval.middle(p), bit);
            while let Some(byte) = interval.shift() {
                out.push(byte);
            }
            Ok(bit)
        });
        debug_assert_eq!(coded, Ok(value));
    }

    /// How many bits were written, with the part of a bit that the interval holds.
    #[cfg(feature = "std")]
    pub(super) fn bits(&self) -> f64 {
        let width = f64::from(self.interval.high.wrapping_sub(self.interval.low)) + 1.0;
        (self.out.len() as f64).mul_add(8.0, 32.0) - width.log2()
    }

    /// The stream, to which nothing more is written.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.out.extend_from_slice(&self.interval.low.to_be_bytes());
        self.out
    }
}

/// Reads symbols from a stream.
pub(super) struct Decoder<'a> {
    model: Model,
    interval: Interval,
    window: u32,
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    /// # Errors
    /// [`DecodeError::TooShort`].
    pub(super) fn new(stream: &'a [u8]) -> Result<Self, DecodeError> {
        let (first, rest) = stream.split_first_chunk::<4>().ok_or(DecodeError::TooShort)?;
        Ok(Self { model: Model::new(), interval: Interval::WHOLE, window: u32::from_be_bytes(*first), rest })
    }

    pub(super) fn byte(&mut self, context: impl FnOnce(u64) -> Context) -> Result<u8, DecodeError> {
        let Self { model, interval, window, rest } = self;
        let context = context(model.recent());
        model.byte(&context, 0, |p, _| {
            let middle = interval.middle(p);
            let bit = *window <= middle;
            interval.narrow(middle, bit);
            while interval.shift().is_some() {
                let (byte, after) = rest.split_first().ok_or(DecodeError::TooShort)?;
                *window = *window << 8 | u32::from(*byte);
                *rest = after;
            }
            Ok(bit)
        })
    }

    /// What follows the stream.
    ///
    /// # Errors
    /// [`DecodeError::NotCanonical`] if the writer would have ended the stream otherwise.
    pub(super) fn finish(self) -> Result<&'a [u8], DecodeError> {
        if self.window == self.interval.low { Ok(self.rest) } else { Err(DecodeError::NotCanonical) }
    }
}
