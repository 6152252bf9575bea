//! What may not be signed beside what was signed: pure bookkeeping, no disk.

use alloy_primitives::B256;
use std::collections::{BTreeMap, BTreeSet};
use surety_types::signing::Statement;

/// Why a statement is not signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The node has just started and listens for its own key first.
    #[error("this node has just started and listens for votes of its own key; it signs when that is over")]
    Listening,
    /// An event of L1 has ended the term.
    #[error("an L1 event has ended term {term}; this node signs again in term {next}")]
    Ended {
        /// The statement's term.
        term: u64,
        /// The least term that is signed for.
        next: u64,
    },
    /// The block was not executed here.
    #[error("block {0} was not executed by this node; wait until it is")]
    NotExecuted(B256),
    /// The term lies below the journal's floor.
    #[error("term {term} is below the journal's floor {floor}; this node signs again in a later term")]
    BelowFloor {
        /// The statement's term.
        term: u64,
        /// The least term that may be signed for.
        floor: u64,
    },
    /// The term began on another block as far as this key has said.
    #[error("this key has signed for term {term} on genesis {signed}, not {asked}")]
    OtherGenesis {
        /// The term.
        term: u64,
        /// Genesis of what was signed.
        signed: B256,
        /// Genesis of the statement.
        asked: B256,
    },
    /// The view (or height) is so old that its record is gone.
    #[error("{what} {asked} is older than the record kept (from {kept}); it is not signed any more")]
    TooOld {
        /// "view" or "height".
        what: &'static str,
        /// Asked for.
        asked: u64,
        /// The oldest kept.
        kept: u64,
    },
    /// It contradicts a signed statement.
    #[error("{asked} at {place} contradicts the {signed} that this key has signed")]
    Conflict {
        /// Kind of the statement.
        asked: &'static str,
        /// Kind of the signed statement in its way.
        signed: &'static str,
        /// View or height.
        place: u64,
    },
}

/// Views below the highest signed one by more than this are refused, and their record is dropped from memory.
const VIEWS_KEPT: u64 = 8_192;
/// Likewise for the places of receipts, of which there are many per view.
const RECEIPT_VIEWS_KEPT: u64 = 16;
/// Likewise for heights of batches.
const BATCH_HEIGHTS_KEPT: u64 = 1 << 20;

/// All that was signed, as far as it can still be contradicted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Book {
    terms: BTreeMap<(u64, u64), TermBook>,
    floors: BTreeMap<u64, u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct TermBook {
    genesis: B256,
    highest_view: u64,
    notarized: BTreeMap<u64, (u64, B256)>,
    finalized: BTreeMap<u64, (u64, B256)>,
    nullified: BTreeSet<u64>,
    /// By last and first height: last hash and root.
    batches: BTreeMap<(u64, u64), (B256, B256)>,
    receipts: BTreeMap<(u64, u64), (u64, B256)>,
}

/// What a record of the journal says: a statement cut down to what can be contradicted, or a floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    Notarize { at: At, view: u64, parent: u64, hash: B256 },
    Finalize { at: At, view: u64, parent: u64, hash: B256 },
    Nullify { at: At, view: u64 },
    Batch { at: At, first_height: u64, last_height: u64, last_hash: B256, root: B256 },
    Receipt { at: At, view: u64, index: u64, height: u64, tx: B256 },
    Floor { rollup: u64, term: u64 },
}

/// Rollup, term and the term's genesis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    pub(super) rollup: u64,
    pub(super) term: u64,
    pub(super) genesis: B256,
}

impl From<&Statement> for Entry {
    fn from(statement: &Statement) -> Self {
        let at = |rollup, term, genesis| At { rollup, term, genesis };
        match statement {
            Statement::Notarize(m) => Self::Notarize {
                at: at(m.rollup, m.term, m.genesis),
                view: m.view,
                parent: m.parentView,
                hash: m.blockHash,
            },
            Statement::Finalize(m) => Self::Finalize {
                at: at(m.rollup, m.term, m.genesis),
                view: m.view,
                parent: m.parentView,
                hash: m.blockHash,
            },
            Statement::Nullify(m) => Self::Nullify { at: at(m.rollup, m.term, m.genesis), view: m.view },
            Statement::Batch(m) => Self::Batch {
                at: at(m.rollup, m.term, m.genesis),
                first_height: m.firstHeight,
                last_height: m.lastHeight,
                last_hash: m.lastHash,
                root: m.blockHashRoot,
            },
            Statement::Receipt(m) => Self::Receipt {
                at: at(m.rollup, m.term, m.genesis),
                view: m.view,
                index: m.index,
                height: m.height,
                tx: m.txHash,
            },
        }
    }
}

impl Entry {
    const fn at(&self) -> Option<At> {
        match self {
            Self::Notarize { at, .. }
            | Self::Finalize { at, .. }
            | Self::Nullify { at, .. }
            | Self::Batch { at, .. }
            | Self::Receipt { at, .. } => Some(*at),
            Self::Floor { .. } => None,
        }
    }
}

impl Book {
    /// Whether an entry may be signed: `Ok(true)` if it is new, `Ok(false)` if it was signed before.
    pub(super) fn check(&self, entry: &Entry) -> Result<bool, Refusal> {
        let Some(at) = entry.at() else { return Ok(true) };
        let floor = self.floors.get(&at.rollup).copied().unwrap_or(0);
        if at.term < floor {
            return Err(Refusal::BelowFloor { term: at.term, floor });
        }
        let Some(book) = self.terms.get(&(at.rollup, at.term)) else { return Ok(true) };
        if book.genesis != at.genesis {
            return Err(Refusal::OtherGenesis { term: at.term, signed: book.genesis, asked: at.genesis });
        }
        book.check(entry)
    }

    /// Takes an entry up, without checking.
    pub(super) fn apply(&mut self, entry: &Entry) {
        if let Entry::Floor { rollup, term } = entry {
            let floor = self.floors.entry(*rollup).or_default();
            *floor = (*floor).max(*term);
            let floor = *floor;
            self.terms.retain(|(r, t), _| r != rollup || *t >= floor);
        } else if let Some(at) = entry.at() {
            let book = self
                .terms
                .entry((at.rollup, at.term))
                .or_insert_with(|| TermBook { genesis: at.genesis, ..TermBook::default() });
            book.apply(entry);
        }
    }

    /// The hash in the `Finalize` of the highest view signed in a term.
    pub(super) fn last_finalized(&self, rollup: u64, term: u64) -> Option<B256> {
        let (_, (_, hash)) = self.terms.get(&(rollup, term))?.finalized.last_key_value()?;
        Some(*hash)
    }

    /// Everything in the book, floors first: what a compacted journal holds.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let floors = self.floors.iter().map(|(rollup, term)| Entry::Floor { rollup: *rollup, term: *term });
        let terms = self.terms.iter().flat_map(|((rollup, term), book)| {
            book.entries(At { rollup: *rollup, term: *term, genesis: book.genesis })
        });
        floors.chain(terms).collect()
    }
}

impl TermBook {
    fn check(&self, entry: &Entry) -> Result<bool, Refusal> {
        let conflict = |asked, signed, place| Err(Refusal::Conflict { asked, signed, place });
        match *entry {
            Entry::Notarize { view, parent, hash, .. } => {
                self.recent(view)?;
                match self.notarized.get(&view) {
                    Some(signed) if *signed == (parent, hash) => Ok(false),
                    Some(_) => conflict("Notarize", "Notarize", view),
                    None => Ok(true),
                }
            }
            Entry::Finalize { view, parent, hash, .. } => {
                self.recent(view)?;
                if self.nullified.contains(&view) {
                    return conflict("Finalize", "Nullify", view);
                }
                match self.finalized.get(&view) {
                    Some(signed) if *signed == (parent, hash) => Ok(false),
                    Some(_) => conflict("Finalize", "Finalize", view),
                    None => Ok(true),
                }
            }
            Entry::Nullify { view, .. } => {
                self.recent(view)?;
                if self.finalized.contains_key(&view) {
                    return conflict("Nullify", "Finalize", view);
                }
                Ok(!self.nullified.contains(&view))
            }
            Entry::Batch { first_height, last_height, last_hash, root, .. } => {
                let highest = self.batches.last_key_value().map_or(0, |((height, _), _)| *height);
                let kept = highest.saturating_sub(BATCH_HEIGHTS_KEPT);
                if last_height < kept {
                    return Err(Refusal::TooOld { what: "height", asked: last_height, kept });
                }
                let mut there = self.batches.range((last_height, 0)..=(last_height, u64::MAX));
                if there.any(|((_, first), (hash, signed))| {
                    *hash != last_hash || (*first == first_height && *signed != root)
                }) {
                    return conflict("Batch", "Batch", last_height);
                }
                Ok(!self.batches.contains_key(&(last_height, first_height)))
            }
            Entry::Receipt { view, index, height, tx, .. } => {
                let kept = self.highest_view.saturating_sub(RECEIPT_VIEWS_KEPT);
                if view < kept {
                    return Err(Refusal::TooOld { what: "view", asked: view, kept });
                }
                match self.receipts.get(&(view, index)) {
                    Some(signed) if *signed == (height, tx) => Ok(false),
                    Some(_) => conflict("Receipt", "Receipt", view),
                    None if self.notarized.contains_key(&view) => conflict("Receipt", "Notarize", view),
                    None => Ok(true),
                }
            }
            Entry::Floor { .. } => Ok(true),
        }
    }

    fn recent(&self, view: u64) -> Result<(), Refusal> {
        let kept = self.highest_view.saturating_sub(VIEWS_KEPT);
        if view < kept { Err(Refusal::TooOld { what: "view", asked: view, kept }) } else { Ok(()) }
    }

    fn apply(&mut self, entry: &Entry) {
        match *entry {
            Entry::Notarize { view, parent, hash, .. } => {
                self.notarized.insert(view, (parent, hash));
                self.advance(view);
            }
            Entry::Finalize { view, parent, hash, .. } => {
                self.finalized.insert(view, (parent, hash));
                self.advance(view);
            }
            Entry::Nullify { view, .. } => {
                self.nullified.insert(view);
                self.advance(view);
            }
            Entry::Batch { first_height, last_height, last_hash, root, .. } => {
                self.batches.insert((last_height, first_height), (last_hash, root));
                let highest = self.batches.last_key_value().map_or(0, |((height, _), _)| *height);
                self.batches = self.batches.split_off(&(highest.saturating_sub(BATCH_HEIGHTS_KEPT), 0));
            }
            Entry::Receipt { view, index, height, tx, .. } => {
                self.receipts.insert((view, index), (height, tx));
                self.advance(view);
            }
            Entry::Floor { .. } => {}
        }
    }

    fn advance(&mut self, view: u64) {
        if view <= self.highest_view {
            return;
        }
        self.highest_view = view;
        let kept = view.saturating_sub(VIEWS_KEPT);
        drop_below(&mut self.notarized, kept);
        drop_below(&mut self.finalized, kept);
        while self.nullified.first().is_some_and(|view| *view < kept) {
            self.nullified.pop_first();
        }
        let kept = view.saturating_sub(RECEIPT_VIEWS_KEPT);
        while self.receipts.first_key_value().is_some_and(|((view, _), _)| *view < kept) {
            self.receipts.pop_first();
        }
    }

    fn entries(&self, at: At) -> impl Iterator<Item = Entry> + '_ {
        let votes = |(view, (parent, hash)): (&u64, &(u64, B256))| (*view, *parent, *hash);
        self.receipts
            .iter()
            .map(move |((view, index), (height, tx))| Entry::Receipt {
                at,
                view: *view,
                index: *index,
                height: *height,
                tx: *tx,
            })
            .chain(self.notarized.iter().map(votes).map(move |(view, parent, hash)| Entry::Notarize {
                at,
                view,
                parent,
                hash,
            }))
            .chain(self.finalized.iter().map(votes).map(move |(view, parent, hash)| Entry::Finalize {
                at,
                view,
                parent,
                hash,
            }))
            .chain(self.nullified.iter().map(move |view| Entry::Nullify { at, view: *view }))
            .chain(self.batches.iter().map(move |((last_height, first_height), (last_hash, root))| Entry::Batch {
                at,
                first_height: *first_height,
                last_height: *last_height,
                last_hash: *last_hash,
                root: *root,
            }))
    }
}

fn drop_below<V>(map: &mut BTreeMap<u64, V>, kept: u64) {
    while map.first_key_value().is_some_and(|(view, _)| *view < kept) {
        map.pop_first();
    }
}
