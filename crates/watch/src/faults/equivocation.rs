//! Two contradicting statements of one key: finds every pair that it is shown, in bounded memory.
//!
//! [`surety_types::evidence`] says what contradicts what. Of one key, rollup, term and genesis, the statements of one slot
//! (notarisations of a view, what ends a view, batches of a last height) the first that
//! [says what it says](say_the_same) is enough to find a pair in whatever comes later.
//!
//! **Bounds.** Each (source, key) may keep [`Slots::new`]'s number of statements, and its oldest go first. A slot lives while
//! any source that brought its statement holds it, so a source that floods loses its own statements and nobody else's. Of one slot no more
//! than [`MAX_EACH`] are kept: only batches of several first heights can be more than one, and honest seats sign two.

use alloy_primitives::{Address, B256};
use std::collections::{HashMap, VecDeque, hash_map::Entry};
use surety_types::evidence::{Equivocation, SignedStatement, Slot, contradict, say_the_same};

/// Where a statement came from: its place in the list of sources. There are at most [`MAX_SOURCES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SourceId(u8);

/// The most statements of one slot of a key that neither contradict each other nor say the same.
pub const MAX_EACH: usize = 4;

/// The most sources of one watchtower.
pub const MAX_SOURCES: usize = 64;

impl SourceId {
    /// The source at this place; `None` beyond the bound.
    pub fn new(place: usize) -> Option<Self> {
        u8::try_from(place).ok().filter(|place| usize::from(*place) < MAX_SOURCES).map(Self)
    }

    /// Its place.
    pub const fn place(self) -> usize {
        self.0 as usize
    }

    const fn bit(self) -> u64 {
        1u64 << (self.0 % 64)
    }
}

/// What a statement turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Nothing can contradict it yet (receipts).
    Unjudged,
    /// Nothing that says the same was in its slot, nor anything that contradicts it.
    New,
    /// The same was heard before.
    Known,
    /// It contradicts what the same key signed before.
    Guilt(Box<Equivocation>),
}

/// A slot of one key: only statements of the same one can contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    signer: Address,
    term: u64,
    genesis: B256,
    slot: Slot,
    place: u64,
}

#[derive(Debug)]
struct Kept {
    /// At least one.
    said: Vec<SignedStatement>,
    /// Bit i: source i brought it and still holds it.
    sources: u64,
}

/// The first statements of every slot, bounded.
#[derive(Debug)]
pub struct Slots {
    rollup: u64,
    per_key: usize,
    kept: HashMap<Key, Kept>,
    held: HashMap<(SourceId, Address), VecDeque<Key>>,
}

impl Slots {
    /// Nothing kept yet. Each source may hold `per_key` statements of each key.
    pub fn new(rollup: u64, per_key: usize) -> Self {
        Self { rollup, per_key: per_key.max(1), kept: HashMap::new(), held: HashMap::new() }
    }

    /// Changes how many statements of each key a source may hold, from the next one on.
    pub fn set_per_key(&mut self, per_key: usize) {
        self.per_key = per_key.max(1);
    }

    /// How many slots are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Takes a statement that `signer` signed: the caller has checked the signature and that the key is a seat's.
    pub fn hear(&mut self, source: SourceId, signer: Address, signed: &SignedStatement) -> Heard {
        let statement = &signed.statement;
        let Some(slot) = Slot::of(statement).filter(|_| statement.rollup() == self.rollup) else {
            return Heard::Unjudged;
        };
        let place = statement.place();
        let key = Key { signer, term: statement.term(), genesis: statement.genesis(), slot, place };
        let (heard, hold) = match self.kept.entry(key) {
            Entry::Vacant(empty) => {
                empty.insert(Kept { said: vec![signed.clone()], sources: source.bit() });
                (Heard::New, true)
            }
            Entry::Occupied(mut kept) => {
                let kept = kept.get_mut();
                if let Some(first) = kept.said.iter().find(|said| contradict(&said.statement, statement).is_some()) {
                    let pair = Equivocation { first: first.clone(), second: signed.clone() };
                    (Heard::Guilt(Box::new(pair)), false)
                } else {
                    let held = kept.sources & source.bit() != 0;
                    kept.sources |= source.bit();
                    let known = kept.said.iter().any(|said| say_the_same(&said.statement, statement));
                    if known || kept.said.len() >= MAX_EACH {
                        (Heard::Known, !held)
                    } else {
                        kept.said.push(signed.clone());
                        (Heard::New, !held)
                    }
                }
            }
        };
        if hold {
            self.hold(source, key);
        }
        heard
    }

    /// Notes that a source holds a slot, and lets go of its oldest one of this key if they are too many.
    fn hold(&mut self, source: SourceId, key: Key) {
        let held = self.held.entry((source, key.signer)).or_default();
        held.push_back(key);
        while held.len() > self.per_key {
            let Some(oldest) = held.pop_front() else { return };
            if let Entry::Occupied(mut kept) = self.kept.entry(oldest) {
                kept.get_mut().sources &= !source.bit();
                if kept.get().sources == 0 {
                    kept.remove();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
