//! Takes statements from all sources: whose are they, are they new, does one contradict another?
//!
//! The order for each bundle: drop what is of another rollup or of a term that has not begun, recover signers, drop what no
//! seat's key signed, find pairs, write what is new to disk, and only then hand pairs on. The collector runs on a task of
//! its own; a bundle holds few signatures, so that it holds its thread for milliseconds.

use crate::{
    audit::DiskError,
    faults::equivocation::{Heard, Slots, SourceId},
    metrics,
    seats::VoteKeys,
    seen::{Line, SeenLog},
    sources::{Bundle, Source},
};
use alloy_primitives::{Address, B256};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use surety_types::{
    RollupId, Term,
    evidence::{Equivocation, SignedStatement},
    signing::{Domain, Signature},
};
use tokio::{sync::mpsc, time::Instant};

/// Statements that one source may have kept, of all keys together.
const PER_SOURCE: usize = 262_144;
/// The least of it for one key.
const PER_KEY: usize = 1_024;
/// Statements whose signature was checked lately, so that the same vote from five feeds is checked once.
const RECENT: usize = 32_768;
/// Pairs of one key and term that become cases; more than one only if the contract refuses the first.
const PAIRS_PER_CASE: u32 = 4;

/// A pair, and whose it is.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) signer: Address,
    pub(crate) seat: u64,
    pub(crate) evidence: Equivocation,
}

/// Remembers the newest of what it was shown.
#[derive(Debug, Default)]
struct Recent {
    set: HashSet<(SourceId, B256, Signature)>,
    order: VecDeque<(SourceId, B256, Signature)>,
}

impl Recent {
    /// Whether it is new.
    fn insert(&mut self, source: SourceId, signed: &SignedStatement) -> bool {
        let key = (source, signed.statement.struct_hash(), signed.signature);
        if !self.set.insert(key) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > RECENT
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
        true
    }
}

pub(crate) struct Collector {
    rollup: RollupId,
    domain: Domain,
    keys: VoteKeys,
    terms: Terms,
    slots: Slots,
    log: SeenLog,
    recent: Recent,
    /// Pairs that were handed on in this run: of a flood of pairs of one key and term, a few are enough.
    accused: Accused,
}

/// By key and term.
#[derive(Debug, Default)]
struct Accused(HashMap<(Address, u64), u32>);

impl Accused {
    fn is_enough(&mut self, signer: Address, term: u64) -> bool {
        let count = self.0.entry((signer, term)).or_default();
        *count = count.saturating_add(1);
        *count > PAIRS_PER_CASE
    }
}

/// The newest term that may have signatures. Set by who reads L1; while L1 cannot be read, terms are counted on by the
/// clock, so that nothing is lost that is heard meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// The term that was current, and when.
    read: Arc<Mutex<(Term, Instant)>>,
    epoch: Duration,
}

impl Terms {
    pub(crate) fn new(epoch: Duration) -> Self {
        Self { read: Arc::new(Mutex::new((Term::default(), Instant::now()))), epoch: epoch.max(Duration::from_secs(1)) }
    }

    pub(crate) fn set_current(&self, term: Term) {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = (term, Instant::now());
    }

    /// A clock that is ahead of L1's may have begun the next term.
    fn may_have_begun(&self, term: u64) -> bool {
        let (current, at) = *self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = at.elapsed().as_secs().checked_div(self.epoch.as_secs()).unwrap_or(0);
        term <= current.get().saturating_add(begun).saturating_add(1)
    }
}

impl Collector {
    /// Reads what was heard before; pairs in it are returned, as they may not have become cases.
    pub(crate) fn open(
        rollup: RollupId,
        domain: Domain,
        keys: VoteKeys,
        terms: Terms,
        directory: &Path,
        sources: &[Source],
    ) -> Result<(Self, Vec<Pair>), DiskError> {
        let mut slots = Slots::new(rollup.get(), PER_KEY);
        slots.set_per_key(PER_SOURCE / keys.len().max(1));
        let (mut pairs, mut accused) = (Vec::new(), Accused::default());
        let log = SeenLog::open(directory, |line| {
            // What a source said that is not asked any more counts as the first one's.
            let source = sources.iter().find(|source| *source.name == *line.source).or(sources.first());
            let (Some(source), Some(seat)) = (source, keys.seat(line.signer)) else { return };
            let Line { signer, signed, .. } = line;
            if let Heard::Guilt(evidence) = slots.hear(source.id, signer, &signed)
                && !accused.is_enough(signer, evidence.first.statement.term())
            {
                pairs.push(Pair { signer, seat, evidence: *evidence });
            }
        })?;
        Ok((Self { rollup, domain, keys, terms, slots, log, recent: Recent::default(), accused }, pairs))
    }

    /// Works until all sources are gone or nobody takes pairs.
    ///
    /// # Errors
    /// The disk failed: what is heard would not survive a crash.
    pub(crate) async fn run(
        mut self,
        mut bundles: mpsc::Receiver<Bundle>,
        pairs: mpsc::UnboundedSender<Pair>,
    ) -> Result<(), DiskError> {
        while let Some(bundle) = bundles.recv().await {
            for pair in self.take(&bundle)? {
                if pairs.send(pair).is_err() {
                    return Ok(());
                }
            }
            if let Some(taken) = bundle.taken {
                // Who asked may be gone.
                let _ = taken.send(());
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    fn take(&mut self, bundle: &Bundle) -> Result<Vec<Pair>, DiskError> {
        let Source { id, name } = &bundle.source;
        self.slots.set_per_key((PER_SOURCE / self.keys.len().max(1)).max(PER_KEY));
        let (mut pairs, mut new, mut foreign) = (Vec::new(), 0, 0);
        for signed in &bundle.statements {
            let statement = &signed.statement;
            if statement.rollup() != self.rollup.get() || !self.terms.may_have_begun(statement.term()) {
                foreign += 1;
                continue;
            }
            if !self.recent.insert(*id, signed) {
                continue;
            }
            let signer = signed.signer(&self.domain);
            let Some((signer, seat)) = signer.and_then(|signer| Some((signer, self.keys.seat(signer)?))) else {
                foreign += 1;
                continue;
            };
            let heard = self.slots.hear(*id, signer, signed);
            let keep = match heard {
                Heard::New => true,
                Heard::Guilt(evidence) if !self.accused.is_enough(signer, statement.term()) => {
                    metrics::pair_found();
                    pairs.push(Pair { signer, seat, evidence: *evidence });
                    true
                }
                Heard::Guilt(_) | Heard::Known | Heard::Unjudged => false,
            };
            if keep {
                new += 1;
                self.log.push(&Line { source: name.to_string(), signer, signed: signed.clone() })?;
            }
        }
        self.log.flush()?;
        metrics::statements(name, new, foreign);
        metrics::kept(self.slots.len());
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests;
