//! The walk over a body's bytes: one description of the layout for writing, reading, coding and decoding.
//!
//! Every function takes the values to write and gives the values that passed; on a reading port what goes in is ignored.
//! What each column is predicted from stands beside the column.

use super::{
    DecodeError, MAX_INPUT_BYTES,
    model::{CONTEXTS, Context, Kind, hash},
    port::Port,
};
use alloc::{collections::BTreeMap, vec::Vec};
use alloy_primitives::Address;

/// Columns of rows and transactions. Words of input follow from [`column::WORDS`].
pub(super) mod column {
    pub(super) const KIND: u8 = 1;
    pub(super) const ADDRESS: u8 = 2;
    pub(super) const NEW_ADDRESS: u8 = 3;
    pub(super) const LENGTH: u8 = 4;
    pub(super) const SELECTOR: u8 = 5;
    pub(super) const GAS: u8 = 6;
    pub(super) const FEE: u8 = 7;
    pub(super) const TIP: u8 = 8;
    pub(super) const NONCE: u8 = 9;
    pub(super) const VALUE: u8 = 10;
    pub(super) const LISTS: u8 = 11;
    pub(super) const MESSAGES: u8 = 12;
    pub(super) const TERM: u8 = 13;
    pub(super) const VIEW: u8 = 14;
    pub(super) const PARENT: u8 = 15;
    pub(super) const TIME: u8 = 16;
    pub(super) const BENEFICIARY: u8 = 17;
    pub(super) const TRANSACTIONS: u8 = 18;
    pub(super) const WORD: u8 = 19;
    pub(super) const PLACE: u8 = 20;
    /// Literals: of words with as many bytes, and the rest.
    pub(super) const WORDS: u8 = 21;
    pub(super) const BYTES: u8 = 60;

    /// What a column is called among shares.
    #[cfg(feature = "std")]
    pub(in super::super) const fn name(column: u8) -> &'static str {
        match column {
            KIND => "types and parities",
            ADDRESS => "addresses by place",
            NEW_ADDRESS => "new addresses",
            LENGTH => "lengths of inputs",
            SELECTOR => "selectors",
            GAS => "gas limits",
            FEE => "fees",
            TIP => "priority fees",
            NONCE => "nonces",
            VALUE => "values",
            LISTS => "lengths of lists",
            MESSAGES..=TRANSACTIONS => "blocks",
            WORD => "tags of words",
            PLACE => "words by place",
            RANDOM_WORDS => "words of 20 bytes",
            WHOLE_WORDS => "words of 27 to 32 bytes",
            WORDS..RANDOM_WORDS => "words of 1 to 19 bytes",
            LONG_WORDS..WHOLE_WORDS => "words of 21 to 26 bytes",
            _ => "other bytes",
        }
    }
    #[cfg(feature = "std")]
    const RANDOM_WORDS: u8 = WORDS + super::ADDRESS as u8;
    #[cfg(feature = "std")]
    const LONG_WORDS: u8 = RANDOM_WORDS + 1;
    #[cfg(feature = "std")]
    const WHOLE_WORDS: u8 = WORDS + 32;
}

/// The tag of a word that stood before: its place follows, of two bytes.
const REPEATED: u8 = 27;
/// The most words of 32 bytes after one tag.
const MAX_RUN: usize = 228;
/// The most addresses and words that a batch's tables take.
const TABLE: usize = 65_000;

/// The fewest bytes, without leading zeros, of a word that takes a place.
const WORTH: u8 = 4;
/// Bytes of a word that most likely is an address.
const ADDRESS: usize = 20;

pub(super) const PARITY: u8 = 1 << 3;
pub(super) const PROTECTED: u8 = 1 << 4;

/// A transaction without its signature's numbers, as the layout sees it.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields {
    /// `type | parity << 3 | protected << 4`.
    pub(super) kind: u8,
    /// `None` creates a contract.
    pub(super) to: Option<Address>,
    pub(super) input: Vec<u8>,
    pub(super) gas: u64,
    /// The gas price, or the most fee per gas.
    pub(super) fee: u128,
    pub(super) tip: u128,
    pub(super) nonce: u64,
    pub(super) value: [u8; 32],
    /// RLP; empty for an empty list.
    pub(super) access_list: Vec<u8>,
    /// RLP.
    pub(super) authorizations: Vec<u8>,
}

impl Fields {
    const fn ty(&self) -> u8 {
        self.kind & 7
    }
}

/// What the layout stores of a block before its transactions.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Row {
    pub(super) messages: u64,
    pub(super) term: u64,
    pub(super) view: u64,
    pub(super) parent: u64,
    pub(super) milliseconds: u64,
    pub(super) beneficiary: Address,
    pub(super) transactions: u64,
}

/// What a later transaction is predicted from.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    kind: u8,
    to: u32,
    length: u32,
    selector: u32,
    gas: u64,
    fee: u128,
    tip: u128,
    nonce: u64,
    value: u32,
}

/// What the walk remembers of a batch.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    row: Row,
    step: u32,
    addresses: BTreeMap<Address, u16>,
    places: Vec<Address>,
    words: BTreeMap<[u8; 32], u16>,
    word_list: Vec<[u8; 32]>,
    by_to: BTreeMap<u32, Seen>,
    by_call: BTreeMap<(u32, u32), Seen>,
    before: Seen,
    input_bytes: usize,
}

impl State {
    /// Gives a word a place, if it has none and is worth one.
    fn keep(&mut self, word: &[u8; 32]) {
        if significant(word) >= WORTH && self.word_list.len() < TABLE && !self.words.contains_key(word) {
            self.words.insert(*word, self.word_list.len() as u16);
            self.word_list.push(*word);
        }
    }
}

/// A walk in progress.
pub(super) struct Walk<'a, P> {
    pub(super) port: &'a mut P,
    pub(super) state: &'a mut State,
}

const fn zigzag(value: u64, prediction: u64) -> u64 {
    let difference = value.wrapping_sub(prediction);
    (difference << 1) ^ ((difference as i64) >> 63) as u64
}

const fn unzigzag(code: u64, prediction: u64) -> u64 {
    prediction.wrapping_add((code >> 1) ^ (code & 1).wrapping_neg())
}

/// The low bits of a number, for hashing.
const fn low(value: u128) -> u32 {
    value as u32
}

impl<P: Port> Walk<'_, P> {
    /// A byte of a scalar column: where it stands, the hash of the bytes before it, and three keys.
    fn scalar(
        &mut self,
        column: u8,
        at: usize,
        before: u32,
        byte: u8,
        keys: [u32; 3],
        value: u8,
    ) -> Result<u8, DecodeError> {
        self.port.byte(value, |_| {
            let [a, b, c] = keys;
            let name = u32::from(column);
            let hashes = [
                hash(&[name, 0, before]),
                hash(&[name, 1, before, a]),
                hash(&[name, 2, before, b]),
                hash(&[name, 3, before, c]),
                hash(&[name, 4, before, a, c]),
                hash(&[name, 5, at as u32, u32::from(byte)]),
            ];
            Context { hashes, column, kind: Kind::Scalar }
        })
    }

    /// Bytes of a scalar column.
    fn scalars(&mut self, column: u8, keys: [u32; 3], bytes: &mut [u8], first: Option<u8>) -> Result<(), DecodeError> {
        let (mut before, mut last, skip) = match first {
            None => (0, 0, 0),
            Some(first) => (hash(&[0, u32::from(first), 0]), first, 1usize),
        };
        for (at, byte) in (skip..).zip(bytes) {
            *byte = self.scalar(column, at, before, last, keys, *byte)?;
            last = *byte;
            before = hash(&[before, u32::from(last), at as u32]);
        }
        Ok(())
    }

    /// A number: how many bytes it has, from `base`, and those, the highest first and not zero.
    fn number<const N: usize>(&mut self, column: u8, keys: [u32; 3], number: [u8; N]) -> Result<[u8; N], DecodeError> {
        let length = number.iter().skip_while(|byte| **byte == 0).count() as u8;
        let length = self.scalar(column, 0, 0, 0, keys, length)?;
        self.digits(column, keys, number, length, length)
    }

    /// The bytes of a number after the byte `tag` that told their count.
    fn digits<const N: usize>(
        &mut self,
        column: u8,
        keys: [u32; 3],
        mut number: [u8; N],
        length: u8,
        tag: u8,
    ) -> Result<[u8; N], DecodeError> {
        let zeros = N.checked_sub(usize::from(length)).ok_or(DecodeError::Integer)?;
        let (high, digits) = number.split_at_mut_checked(zeros).ok_or(DecodeError::Integer)?;
        high.fill(0);
        self.scalars(column, keys, digits, Some(tag))?;
        if digits.first() == Some(&0) { Err(DecodeError::Integer) } else { Ok(number) }
    }

    fn integer(&mut self, column: u8, keys: [u32; 3], value: u64) -> Result<u64, DecodeError> {
        Ok(u64::from_be_bytes(self.number(column, keys, value.to_be_bytes())?))
    }

    fn wide(&mut self, column: u8, keys: [u32; 3], value: u128) -> Result<u128, DecodeError> {
        Ok(u128::from_be_bytes(self.number(column, keys, value.to_be_bytes())?))
    }

    fn difference(&mut self, column: u8, keys: [u32; 3], value: u64, prediction: u64) -> Result<u64, DecodeError> {
        Ok(unzigzag(self.integer(column, keys, zigzag(value, prediction))?, prediction))
    }

    /// A literal byte: three keys, and what stands around it: the byte before, and those one and two words before.
    fn literal(&mut self, column: u8, keys: [u32; 3], around: [u8; 3], value: u8) -> Result<u8, DecodeError> {
        self.port.byte(value, |recent| {
            let [a, b, c] = keys;
            let [left, above, far] = around.map(u32::from);
            let tail = |bytes: u32| (recent & (1u64.wrapping_shl(bytes.wrapping_mul(8)).wrapping_sub(1))) as u32;
            let hashes = [
                hash(&[40, a]),
                hash(&[41, tail(1), b, u32::from(column)]),
                hash(&[42, tail(2)]),
                hash(&[43, c]),
                hash(&[44, above, left]),
                hash(&[45, above, far]),
            ];
            Context { hashes, column, kind: Kind::Literal }
        })
    }

    /// A byte that only a repeat can predict.
    fn random(&mut self, column: u8, value: u8) -> Result<u8, DecodeError> {
        self.port.byte(value, |_| Context { hashes: [0; CONTEXTS], column, kind: Kind::Random })
    }

    /// An address: its place among those before, or itself. `None` is the creation of a contract. Gives the code too.
    fn address(
        &mut self,
        column: u8,
        keys: [u32; 3],
        address: Option<Address>,
    ) -> Result<(Option<Address>, u16), DecodeError> {
        let code = match address {
            None => 1,
            Some(address) => self.state.addresses.get(&address).map_or(0, |place| place.wrapping_add(2)),
        };
        let mut bytes = code.to_be_bytes();
        self.scalars(column, keys, &mut bytes, None)?;
        let code = u16::from_be_bytes(bytes);
        let address = match code {
            0 => {
                let mut address = address.unwrap_or_default();
                for byte in address.iter_mut() {
                    *byte = self.random(column::NEW_ADDRESS, *byte)?;
                }
                if self.state.places.len() < TABLE {
                    self.state.addresses.insert(address, self.state.places.len() as u16);
                    self.state.places.push(address);
                    self.state.keep(&address.into_word());
                }
                Some(address)
            }
            1 => None,
            _ => {
                let place = usize::from(code.wrapping_sub(2));
                Some(*self.state.places.get(place).ok_or(DecodeError::Place)?)
            }
        };
        Ok((address, code))
    }

    /// A row up to its transactions.
    pub(super) fn row(&mut self, row: Row) -> Result<Row, DecodeError> {
        let last = self.state.row;
        let keys = [self.state.step, 0, 0];
        let messages = self.integer(column::MESSAGES, [low(last.messages.into()), 0, 0], row.messages)?;
        let term = self.difference(column::TERM, keys, row.term, last.term)?;
        let (view, parent) = if term == last.term { (last.view.wrapping_add(1), last.view) } else { (1, 0) };
        let view = self.difference(column::VIEW, keys, row.view, view)?;
        let parent = self.difference(column::PARENT, keys, row.parent, parent)?;
        let milliseconds = self.difference(column::TIME, keys, row.milliseconds, last.milliseconds)?;
        let keys = [last.beneficiary.iter().fold(0, |key, byte| hash(&[key, u32::from(*byte)])), 0, 0];
        let (beneficiary, _) = self.address(column::BENEFICIARY, keys, Some(row.beneficiary))?;
        let beneficiary = beneficiary.ok_or(DecodeError::Place)?;
        let keys = [low(last.transactions.into()), 0, 0];
        let transactions = self.integer(column::TRANSACTIONS, keys, row.transactions)?;
        self.state.step = low(milliseconds.wrapping_sub(last.milliseconds).into());
        self.state.row = Row { messages, term, view, parent, milliseconds, beneficiary, transactions };
        Ok(self.state.row)
    }

    /// A transaction.
    pub(super) fn transaction(&mut self, mut tx: Fields) -> Result<Fields, DecodeError> {
        let before = self.state.before;
        tx.kind = self.scalar(column::KIND, 0, 0, 0, [u32::from(before.kind), before.to, 0], tx.kind)?;
        match tx.kind & !PARITY {
            0 | 1 | 2 | 4 | PROTECTED => {}
            _ => return Err(DecodeError::Tag(tx.kind)),
        }
        let ty = u32::from(tx.ty());
        let population = (self.state.places.len() >> 4) as u32;
        let (to, code) = self.address(column::ADDRESS, [ty, hash(&[before.to]), population], tx.to)?;
        let place = match to {
            None => 1,
            Some(to) => self.state.addresses.get(&to).map_or(0, |place| u32::from(*place).wrapping_add(2)),
        };
        tx.to = to;
        let code = u32::from(code);
        let (call, selector) = self.input_start(&mut tx, code, place)?;
        let seen = match self.state.by_call.get(&(place, selector)).or_else(|| self.state.by_to.get(&place)) {
            Some(seen) => *seen,
            None => Seen::default(),
        };
        let length = tx.input.len() as u32;
        let shape = hash(&[length, selector]);
        tx.gas = self.integer(column::GAS, [shape, call, low(seen.gas.into())], tx.gas)?;
        let keys = [call, low(seen.fee), hash(&[ty, low(tx.gas.into())])];
        tx.fee = self.wide(column::FEE, keys, tx.fee)?;
        if matches!(ty, 2 | 4) {
            tx.tip = self.wide(column::TIP, [low(tx.fee), call, low(seen.tip)], tx.tip)?;
        }
        let keys = [call, hash(&[low(tx.fee), low(tx.gas.into())]), code];
        tx.nonce = self.nonce(keys, tx.nonce, seen.nonce.wrapping_add(1))?;
        tx.value = self.number(column::VALUE, [call, shape, seen.value], tx.value)?;
        self.words(&mut tx.input, call, shape)?;
        if ty != 0 {
            self.list(&mut tx.access_list, ty)?;
        }
        if ty == 4 {
            self.list(&mut tx.authorizations, ty)?;
        }
        let value = tx.value.iter().fold(0, |key, byte| hash(&[key, u32::from(*byte)]));
        let Fields { kind, gas, fee, tip, nonce, .. } = tx;
        let seen = Seen { kind, to: place, length, selector, gas, fee, tip, nonce, value };
        self.state.before = seen;
        self.state.by_to.insert(place, seen);
        self.state.by_call.insert((place, selector), seen);
        Ok(tx)
    }

    /// The length of the input and its first four bytes. Gives the key of such calls, and those bytes as a number.
    fn input_start(&mut self, tx: &mut Fields, code: u32, place: u32) -> Result<(u32, u32), DecodeError> {
        let seen = self.state.by_to.get(&place).copied().unwrap_or_default();
        let keys = [code, seen.length, u32::from(tx.ty())];
        let length = self.number(column::LENGTH, keys, (tx.input.len() as u32).to_be_bytes())?;
        let length = u32::from_be_bytes(length);
        self.state.input_bytes = self.state.input_bytes.saturating_add(length as usize);
        if self.state.input_bytes > MAX_INPUT_BYTES {
            return Err(DecodeError::TooLong);
        }
        // Within the bound of all inputs, so no larger than that.
        tx.input.resize(length as usize, 0);
        let first = tx.input.len().min(4);
        let first = tx.input.get_mut(..first).unwrap_or_default();
        self.scalars(column::SELECTOR, [code, length, seen.selector], first, None)?;
        let selector = first.iter().fold(0u32, |all, byte| all.wrapping_shl(8) | u32::from(*byte));
        Ok((hash(&[code, hash(&[length, selector])]), selector))
    }

    /// A nonce: its difference from the prediction if that is small, else itself.
    fn nonce(&mut self, keys: [u32; 3], nonce: u64, prediction: u64) -> Result<u64, DecodeError> {
        let bytes = nonce.to_be_bytes();
        let near = zigzag(nonce, prediction);
        let length = bytes.iter().skip_while(|byte| **byte == 0).count() as u8;
        let tag = if near < 16 { near as u8 } else { length.wrapping_add(16) };
        let tag = self.scalar(column::NONCE, 0, 0, 0, keys, tag)?;
        if tag < 16 {
            return Ok(unzigzag(tag.into(), prediction));
        }
        Ok(u64::from_be_bytes(self.digits(column::NONCE, keys, bytes, tag.wrapping_sub(16), tag)?))
    }

    /// The input after its first four bytes, in words of 32 bytes; what is left after them as it is.
    fn words(&mut self, input: &mut [u8], call: u32, shape: u32) -> Result<(), DecodeError> {
        let rest = input.get_mut(4..).unwrap_or_default();
        let (words, tail) = rest.as_chunks_mut::<32>();
        let mut track = Track { call, shape, ..Track::default() };
        let mut left = words;
        while !left.is_empty() {
            let run = self.tag(left, &mut track)?;
            let (now, later) = core::mem::take(&mut left).split_at_mut_checked(run.words).ok_or(DecodeError::Word)?;
            for word in now {
                self.word(word, &run, &mut track)?;
            }
            left = later;
        }
        let mut left = track.left();
        for (at, byte) in (0u32..).zip(tail) {
            let around = track.around(at as usize, left);
            *byte = self.literal(column::BYTES, [at, at, hash(&[call, at])], around, *byte)?;
            left = *byte;
        }
        Ok(())
    }

    /// The tag of the next words and what it says.
    fn tag(&mut self, left: &[[u8; 32]], track: &mut Track) -> Result<Run, DecodeError> {
        let tag = self.run(left);
        let tag = self.word_scalar(column::WORD, Kind::Scalar, 0, track, tag)?;
        track.turn(tag);
        Ok(match tag {
            0..REPEATED => Run { tag, words: 1, bytes: usize::from(tag) },
            REPEATED => Run { tag, words: 1, bytes: 0 },
            _ => Run { tag, words: usize::from(tag.wrapping_sub(REPEATED)), bytes: 32 },
        })
    }

    /// The tag that the next words take.
    fn run(&self, left: &[[u8; 32]]) -> u8 {
        let Some(first) = left.first() else { return 0 };
        if self.state.words.contains_key(first) {
            return REPEATED;
        }
        let bytes = significant(first);
        if bytes < REPEATED {
            return bytes;
        }
        let full = |(at, word): &(usize, &[u8; 32])| {
            significant(word) >= REPEATED
                && !self.state.words.contains_key(*word)
                && left.get(..*at).is_some_and(|run| !run.contains(word))
        };
        let words = left.iter().enumerate().take(MAX_RUN).take_while(full).count();
        REPEATED.saturating_add(words as u8)
    }

    fn word(&mut self, word: &mut [u8; 32], run: &Run, track: &mut Track) -> Result<(), DecodeError> {
        if run.tag == REPEATED {
            let place = self.state.words.get(word).copied().unwrap_or(0);
            let [high, low] = place.to_be_bytes();
            let high = self.word_scalar(column::PLACE, Kind::Reference, hash(&[1, 0]), track, high)?;
            let low = self.word_scalar(column::PLACE, Kind::Reference, hash(&[1, 1, u32::from(high)]), track, low)?;
            let place = usize::from(u16::from_be_bytes([high, low]));
            *word = *self.state.word_list.get(place).ok_or(DecodeError::Place)?;
        } else {
            let zeros = 32usize.saturating_sub(run.bytes);
            let (high, digits) = word.split_at_mut_checked(zeros).ok_or(DecodeError::Word)?;
            high.fill(0);
            let count = run.bytes as u32;
            let mut before = hash(&[0, count]);
            let mut left = if zeros == 0 { track.left() } else { 0 };
            for (at, byte) in (zeros as u32..).zip(digits) {
                let column = column::WORDS.saturating_add(run.bytes as u8);
                *byte = if run.bytes == ADDRESS {
                    self.random(column, *byte)?
                } else {
                    let keys = [hash(&[at, count]), at, hash(&[track.call, track.at, before])];
                    self.literal(column, keys, track.around(at as usize, left), *byte)?
                };
                left = *byte;
                before = hash(&[before, u32::from(*byte), at]);
            }
            self.state.keep(word);
        }
        track.pass(word);
        Ok(())
    }

    /// A byte of a word's tag or place.
    fn word_scalar(
        &mut self,
        column: u8,
        kind: Kind,
        before: u32,
        track: &Track,
        value: u8,
    ) -> Result<u8, DecodeError> {
        self.port.byte(value, |_| {
            let name = u32::from(column);
            let Track { call, shape, at, last, second, tags: [t0, t1], .. } = *track;
            let hashes: [u32; CONTEXTS] = [
                hash(&[name, 1, before, last]),
                hash(&[name, 2, before, last, second]),
                hash(&[name, 3, before, call, at]),
                hash(&[name, 4, before]),
                hash(&[name, 5, before, u32::from(t0), u32::from(t1)]),
                hash(&[name, 6, before, shape, at, u32::from(t0)]),
            ];
            Context { hashes, column, kind }
        })
    }

    /// A list as RLP, with its length in front.
    fn list(&mut self, list: &mut Vec<u8>, ty: u32) -> Result<(), DecodeError> {
        let length = self.number(column::LISTS, [ty, 0, 0], (list.len() as u32).to_be_bytes())?;
        let mut written = core::mem::take(list).into_iter();
        for at in 0..u32::from_be_bytes(length) {
            let byte = self.literal(column::BYTES, [1, 32, at & 31], [0; 3], written.next().unwrap_or(0))?;
            list.push(byte);
        }
        Ok(())
    }
}

/// The bytes of a word after its zeros.
fn significant(word: &[u8; 32]) -> u8 {
    word.iter().skip_while(|byte| **byte == 0).count() as u8
}

/// What a tag says of the words after it.
struct Run {
    tag: u8,
    words: usize,
    bytes: usize,
}

/// What words of an input are predicted from.
#[derive(Debug, Clone, Copy, Default)]
struct Track {
    call: u32,
    shape: u32,
    at: u32,
    last: u32,
    second: u32,
    tags: [u8; 2],
    /// The word before, and the one before that.
    words: [[u8; 32]; 2],
}

impl Track {
    const fn turn(&mut self, tag: u8) {
        let [last, _] = self.tags;
        self.tags = [tag, last];
    }

    /// The last byte of the word before.
    const fn left(&self) -> u8 {
        let [[.., left], _] = self.words;
        left
    }

    /// What stands around a byte of the next word.
    fn around(&self, at: usize, left: u8) -> [u8; 3] {
        let [above, far] = self.words.map(|word| word.get(at).copied().unwrap_or(0));
        [left, above, far]
    }

    fn pass(&mut self, word: &[u8; 32]) {
        let [before, _] = self.words;
        self.words = [*word, before];
        self.at = self.at.wrapping_add(1);
        self.second = self.last;
        self.last = word
            .iter()
            .fold(7, |key: u32, byte| key.wrapping_mul(0x2F0B_4C47).wrapping_add(u32::from(*byte)).wrapping_add(1));
    }
}
