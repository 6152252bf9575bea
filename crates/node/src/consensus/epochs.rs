//! Terms as the library sees them: epochs over heights, and a scheme for each.
//!
//! A term's last height is known when its last block is final; until then the term is open and holds all heights from its
//! first on. The library is only asked about heights that are final or about to be, and a later term's engine starts after
//! the earlier one is closed here, so no answer about such a height ever changes.
//!
//! The library's heights are the chain's less a base: the height after which the terms of this [`super::generation`] begin.

use super::{
    committee::{Committee, TermSchedule},
    scheme::Scheme,
};
use alloy_primitives::B256;
use commonware_consensus::types::{Epoch, EpochInfo, Epocher, Height};
use commonware_cryptography::certificate::{Provider, Scoped};
use parking_lot::RwLock;
use std::{collections::BTreeMap, sync::Arc};
use surety_types::Term;

/// Where a term begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Boundary {
    /// The term.
    pub term: Term,
    /// Height of its genesis: the last block of the term before.
    pub height: u64,
    /// Hash of its genesis.
    pub genesis: B256,
}

/// The terms that began, with their schemes. Cheap to clone; all clones are one list.
#[derive(Clone)]
pub(super) struct Epochs {
    inner: Arc<RwLock<Inner>>,
    base: u64,
    schedule: TermSchedule,
    make: Arc<MakeScheme>,
}

/// Makes the scheme of a term from its genesis and committee.
type MakeScheme = dyn Fn(Boundary, Arc<Committee>) -> Scheme + Send + Sync;

#[derive(Debug, Default)]
struct Inner {
    /// By term, with the height that the library has for each genesis.
    boundaries: BTreeMap<u64, (u64, Boundary)>,
    schemes: BTreeMap<u64, Arc<Scheme>>,
}

impl Epochs {
    /// No terms yet; the library counts heights from `base`. Schemes are made when they are asked for and the schedule knows the committee.
    pub(super) fn new(
        base: u64,
        schedule: TermSchedule,
        make: impl Fn(Boundary, Arc<Committee>) -> Scheme + Send + Sync + 'static,
    ) -> Self {
        Self { inner: Arc::default(), base, schedule, make: Arc::new(make) }
    }

    /// Adds a term. The one before it ends where this begins.
    pub(super) fn begin(&self, boundary: Boundary) {
        let height = boundary.height.saturating_sub(self.base);
        self.inner.write().boundaries.insert(boundary.term.get(), (height, boundary));
    }

    /// The height that the library counts as zero.
    pub(super) const fn base(&self) -> u64 {
        self.base
    }

    /// A height of the chain as the library counts.
    pub(super) const fn height(&self, number: u64) -> Height {
        Height::new(number.saturating_sub(self.base))
    }

    /// The scheme by which a term's certificates are made and checked, once its beginning and committee are known.
    pub(super) fn scheme_of(&self, term: u64) -> Option<Arc<Scheme>> {
        let boundary = {
            let inner = self.inner.read();
            if let Some(scheme) = inner.schemes.get(&term) {
                return Some(scheme.clone());
            }
            inner.boundaries.get(&term)?.1
        };
        let committee = self.schedule.committee(boundary.term)?;
        let scheme = Arc::new((self.make)(boundary, committee));
        Some(self.inner.write().schemes.entry(term).or_insert(scheme).clone())
    }

    /// The newest terms, oldest first.
    pub(super) fn newest(&self, count: usize) -> Vec<Boundary> {
        let inner = self.inner.read();
        let mut newest: Vec<_> = inner.boundaries.values().rev().take(count).map(|(_, boundary)| *boundary).collect();
        newest.reverse();
        newest
    }

    /// The newest term.
    pub(super) fn current(&self) -> Option<Boundary> {
        self.inner.read().boundaries.last_key_value().map(|(_, (_, boundary))| *boundary)
    }
}

impl Inner {
    fn bounds(&self, term: u64) -> Option<(Height, Height)> {
        let (height, _) = *self.boundaries.get(&term)?;
        // Height zero is genesis; the library counts it to the first epoch.
        let first = if height == 0 { 0 } else { height.checked_add(1)? };
        let next = self.boundaries.range(term.checked_add(1)?..).next();
        let last = next.map_or(u64::MAX, |(_, (next, _))| *next);
        Some((Height::new(first), Height::new(last)))
    }
}

impl Epocher for Epochs {
    fn containing(&self, height: Height) -> Option<EpochInfo> {
        let inner = self.inner.read();
        let mut terms = inner.boundaries.values().rev();
        let (_, boundary) = terms.find(|(begins, _)| *begins < height.get() || *begins == 0)?;
        let (first, last) = inner.bounds(boundary.term.get())?;
        Some(EpochInfo::new(Epoch::new(boundary.term.get()), height, first, last))
    }

    fn first(&self, epoch: Epoch) -> Option<Height> {
        self.inner.read().bounds(epoch.get()).map(|(first, _)| first)
    }

    fn last(&self, epoch: Epoch) -> Option<Height> {
        self.inner.read().bounds(epoch.get()).map(|(_, last)| last)
    }
}

impl Provider for Epochs {
    type Scope = Epoch;
    type Scheme = Scheme;

    fn scoped(&self, epoch: Epoch) -> Option<Scoped<Scheme>> {
        self.scheme_of(epoch.get()).map(Scoped::scheme)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consensus::testing::{ROLLUP, committee, domain};

    #[test]
    fn a_term_is_open_until_the_next_begins() {
        let schedule = TermSchedule::new();
        let epochs = Epochs::new(0, schedule.clone(), |boundary, committee| {
            Scheme::new(ROLLUP, boundary.genesis, domain(), committee, None)
        });
        let begin = |term, height| {
            epochs.begin(Boundary { term: Term::new(term), height, genesis: B256::ZERO });
        };
        let of = |height| {
            let info = epochs.containing(Height::new(height)).unwrap();
            (info.epoch().get(), info.first().get(), info.last().get())
        };
        assert!(epochs.containing(Height::new(5)).is_none());
        schedule.insert(committee(2, 0, 4));
        assert!(epochs.scheme_of(2).is_none(), "it has not begun");
        begin(1, 0);
        assert_eq!(of(0), (1, 0, u64::MAX));
        assert_eq!(of(9), (1, 0, u64::MAX));
        begin(2, 9);
        // Term 3 had no blocks.
        begin(4, 12);
        assert_eq!(of(0), (1, 0, 9));
        assert_eq!(of(9), (1, 0, 9));
        assert_eq!(of(10), (2, 10, 12));
        assert_eq!(of(13), (4, 13, u64::MAX));
        assert_eq!(epochs.last(Epoch::new(1)).unwrap().get(), 9);
        assert_eq!(epochs.first(Epoch::new(3)), None);
        assert!(epochs.scheme_of(2).is_some());
        assert!(epochs.scheme_of(4).is_none(), "its committee is not known yet");
        schedule.insert(committee(4, 0, 4));
        assert!(epochs.scheme_of(4).is_some());
        assert_eq!(epochs.newest(2).iter().map(|b| b.term.get()).collect::<Vec<_>>(), [2, 4]);
    }
}
