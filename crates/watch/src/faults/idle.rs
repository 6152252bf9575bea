//! Duty that was not done: which seats are to be asked about, and what L1's storage says of them (protocol §9, `IIdle`).
//!
//! The inbox writes down each *lapse*, a time in which L1 waited for the committees in vain. A seat's duty lasts from `overlap`
//! after its term's start to the start of the next term, and what of a lapse falls into it counts against the seat, less the
//! seconds in which L1 had no blocks. All of that stands in L1's storage, so no feed is needed, and what is found is found at
//! one block.
//!
//! ```text
//! new block ─▶ lapseCount, lapse(lapseCount) ─▶ new lapses, starts of the terms that they touch ─▶ which terms are to be asked?
//!                    2 calls, always                    as far as not known                          (no call) │ one a round
//!                                        seats: Idle.assess each ◀─ the committee ◀─────────────────────────────┘
//! ```
//!
//! **Which terms.** Those that are over for `grace` + `maxGap`, can still be judged (`evidenceWindow` from their start), and of
//! which lapses take more seconds than when they were last asked about. The lapse that is not over is among them: it may cover
//! whole terms. `idle.json` has what was asked, so after a restart nothing is asked again.
//!
//! **Bounds.** A round makes at most [`READS`] calls beside those about one term (a committee, and one a seat); what is left
//! is done in the next round. Lapses and terms are kept as long as they can be judged: each lapse costs somebody a batch.
//!
//! **Reorgs.** What was asked at a block that is no longer in the chain was not asked, and lapses and starts are read again.

use crate::{audit::DiskError, cases::write_whole};
use alloy_primitives::{Address, B256, Bytes};
use alloy_sol_types::SolError as _;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};
use surety_contracts::{Addresses, Parameters, bindings::Idle};
use surety_l1::{
    BlockAt, BlockRef, L1, L1Error,
    contracts::{Contracts, Lapse, Member, idle_evidence},
};
use surety_types::{L1Height, Seconds, Term};

/// Lapses that the contract counts of one term.
const MAX_LAPSES: usize = 64;
/// Lapses, and starts of terms, that are read in one round.
const READS: usize = 64;
/// The form of `idle.json`.
const VERSION: u32 = 1;

/// Seconds of duty that L1 counts against a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Idleness {
    /// The term.
    pub term: u64,
    /// The seat.
    pub seat: u64,
    /// How many they were when it was found. L1 counts them itself.
    pub seconds: u64,
}

impl Idleness {
    /// What `Idle` judges.
    pub fn abi_encode(&self) -> Bytes {
        idle_evidence(Term::new(self.term), self.seat)
    }
}

/// What a seat is found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    /// So many seconds count against it.
    Guilty(Idleness),
    /// None does.
    Innocent { seat: u64, why: &'static str },
}

/// What L1 says of one term's seats.
#[derive(Debug)]
pub(crate) struct Inquest {
    pub(crate) term: u64,
    /// Seconds that count against a seat that attended to nothing.
    pub(crate) seconds: u64,
    /// Each seat with its vote key.
    pub(crate) findings: Vec<(Address, Finding)>,
    asked: Asked,
}

/// One round's outcome.
#[derive(Debug, Default)]
pub(crate) struct Round {
    pub(crate) inquest: Option<Inquest>,
    /// Something is left to do although L1 has not moved.
    pub(crate) more: bool,
}

/// Which terms are judged, and when.
#[derive(Debug, Clone, Copy)]
struct Rules {
    overlap: u64,
    delay: u64,
    window: u64,
}

/// Seconds that count in a term, by the batch that was waited for after: one lapse each.
type Charges = BTreeMap<u64, u64>;

/// That a term was asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    start: u64,
    /// At which block.
    number: u64,
    hash: B256,
    charges: Charges,
}

#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    version: u32,
    terms: BTreeMap<u64, Asked>,
}

/// What a term's seats are charged with for these lapses, which are in order.
fn charges(lapses: &[Lapse], start: u64, end: u64, rules: Rules) -> Charges {
    let duty = start.saturating_add(rules.overlap);
    let counted = lapses.iter().skip_while(|lapse| lapse.to.get() <= duty).take(MAX_LAPSES);
    counted
        .take_while(|lapse| lapse.from.get() < end)
        .filter_map(|lapse| {
            let (from, to) = (lapse.from.get().max(duty), lapse.to.get().min(end));
            let seconds = to.checked_sub(from)?.checked_sub(lapse.missed.get()).filter(|seconds| *seconds > 0)?;
            Some((lapse.batch.get(), seconds))
        })
        .collect()
}

/// The terms to ask about at a time, the oldest first, with what is charged. `starts` has terms without a gap.
fn due(
    lapses: &[Lapse],
    starts: &BTreeMap<u64, u64>,
    asked: &BTreeMap<u64, Asked>,
    now: u64,
    rules: Rules,
) -> Vec<(u64, u64, Charges)> {
    let spans = starts.iter().zip(starts.values().skip(1));
    let judged = spans
        .filter(|((_, start), end)| end.saturating_add(rules.delay) <= now && now < start.saturating_add(rules.window));
    judged
        .filter_map(|((&term, &start), &end)| {
            let charges = charges(lapses, start, end, rules);
            let before = asked.get(&term).map(|asked| &asked.charges);
            // Fewer seconds, when L1 misses more blocks, make nobody guilty who was not.
            let is_new = |(batch, seconds): (&u64, &u64)| {
                before.and_then(|before| before.get(batch)).is_none_or(|before| seconds > before)
            };
            charges.iter().any(is_new).then_some((term, start, charges))
        })
        .collect()
}

/// Finds seats that were idle.
pub(crate) struct IdleFinder {
    l1: Arc<dyn L1>,
    addresses: Addresses,
    rules: Rules,
    path: PathBuf,
    /// Lapses that are over and can still be judged.
    lapses: Vec<Lapse>,
    /// Place of the next lapse to read; not known yet.
    next: Option<u64>,
    /// Starts of terms that have begun, without a gap.
    starts: BTreeMap<u64, u64>,
    asked: BTreeMap<u64, Asked>,
    /// Terms that are to be asked about again.
    again: Vec<u64>,
    /// Blocks above this one are gone from the chain.
    reverted: Option<u64>,
    /// Whether the blocks at which was asked before the start are still in the chain was looked at.
    is_checked: bool,
    /// The last term that was said to be beyond L1's judgement.
    told: Option<u64>,
}

impl IdleFinder {
    /// Goes on from what was asked before.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn open(
        l1: Arc<dyn L1>,
        addresses: Addresses,
        protocol: &Parameters,
        path: PathBuf,
    ) -> Result<Self, DiskError> {
        let disk = |cause| DiskError::new("read what was asked of L1 from", &path, cause);
        let asked = match std::fs::read(&path) {
            Ok(bytes) => match serde_json::from_slice::<Stored>(&bytes) {
                Ok(Stored { version: VERSION, terms }) => terms,
                Ok(Stored { version, .. }) => {
                    let why = format!("its form {version} is not known; delete it and all is asked again");
                    return Err(disk(std::io::Error::other(why)));
                }
                Err(error) => {
                    return Err(disk(std::io::Error::other(format!("{error}; delete it and all is asked again"))));
                }
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(disk(error)),
        };
        let rules = Rules {
            overlap: protocol.overlap,
            delay: protocol.idle_delay(),
            window: protocol.unbonding.saturating_sub(protocol.correlation_window),
        };
        Ok(Self {
            l1,
            addresses,
            rules,
            path,
            lapses: Vec::new(),
            next: None,
            starts: BTreeMap::new(),
            asked,
            again: Vec::new(),
            reverted: None,
            is_checked: false,
            told: None,
        })
    }

    /// L1 went back to this block.
    pub(crate) fn revert(&mut self, ancestor: u64) {
        self.reverted = Some(self.reverted.map_or(ancestor, |before| before.min(ancestor)));
    }

    /// Has a term asked about with the next block whatever was found before.
    pub(crate) fn ask_again(&mut self, term: u64) {
        self.again.push(term);
    }

    /// Looks at L1 as it is at a block. What is found counts as asked once [`Self::conclude`] has it.
    ///
    /// # Errors
    /// L1's; the next round goes on where this one stood.
    pub(crate) async fn look(&mut self, at: BlockRef) -> Result<Round, L1Error> {
        self.forget_what_is_gone(at).await?;
        let now = at.time.get();
        let horizon = now.saturating_sub(self.rules.window);
        let l1 = self.l1.clone();
        let contracts = Contracts::new(&*l1, self.addresses);
        let here = BlockAt::Hash(at.hash);
        let count = contracts.lapse_count(here).await?;
        if !self.read_lapses(&contracts, count, horizon, here).await? {
            return Ok(Round { inquest: None, more: true });
        }
        let mut lapses = self.lapses.clone();
        lapses.extend(contracts.lapse(count, here).await?);
        let (Some(first), Some(last)) = (lapses.first(), lapses.last()) else {
            self.starts.clear();
            return Ok(Round::default());
        };
        let (from, to) = (first.from.get().max(horizon), last.to.get());
        let whole = self.read_starts(&contracts, from, to, here).await?;
        let due = due(&lapses, &self.starts, &self.asked, now, self.rules);
        let count = due.len();
        for (term, start, charges) in due {
            let findings = match inquire(&contracts, term, here).await {
                Ok(findings) => findings,
                Err(L1Error::Reverted { revert, .. }) => {
                    if self.told.replace(term) != Some(term) {
                        tracing::warn!(term, why = %revert, "L1 cannot judge a term's idleness yet; it is asked again");
                    }
                    continue;
                }
                Err(error) => return Err(error),
            };
            let seconds = charges.values().fold(0u64, |sum, seconds| sum.saturating_add(*seconds));
            let asked = Asked { start, number: at.number.get(), hash: at.hash, charges };
            return Ok(Round { inquest: Some(Inquest { term, seconds, findings, asked }), more: !whole || count > 1 });
        }
        Ok(Round { inquest: None, more: !whole })
    }

    /// What an inquest found has been taken up: its term is not asked about again for the same.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn conclude(&mut self, inquest: Inquest, now: Seconds) -> Result<(), DiskError> {
        self.asked.insert(inquest.term, inquest.asked);
        self.asked.retain(|_, asked| now.get() < asked.start.saturating_add(self.rules.window));
        let disk = |cause| DiskError::new("write what was asked of L1 to", &self.path, cause);
        let stored = Stored { version: VERSION, terms: self.asked.clone() };
        let bytes = serde_json::to_vec(&stored).map_err(|error| disk(error.into()))?;
        write_whole(&self.path, &bytes).map_err(disk)
    }

    /// Drops what was read or asked in blocks that are not in the chain any more.
    async fn forget_what_is_gone(&mut self, at: BlockRef) -> Result<(), L1Error> {
        for term in self.again.drain(..) {
            self.asked.remove(&term);
        }
        if let Some(ancestor) = self.reverted {
            self.asked.retain(|_, asked| asked.number <= ancestor);
        }
        if !self.is_checked {
            // Nobody told of a reorg while this watchtower did not run.
            while let Some((number, hash)) = self.asked.values().map(|asked| (asked.number, asked.hash)).max() {
                let block = self.l1.block(BlockAt::Number(L1Height::new(number))).await?;
                if number <= at.number.get() && block.is_some_and(|block| block.hash == hash) {
                    break;
                }
                self.asked.retain(|_, asked| (asked.number, asked.hash) != (number, hash));
            }
            self.is_checked = true;
        }
        if self.reverted.take().is_some() {
            self.forget_what_was_read();
        }
        Ok(())
    }

    fn forget_what_was_read(&mut self) {
        (self.next, self.lapses, self.starts) = (None, Vec::new(), BTreeMap::new());
    }

    /// Reads new lapses; whether all are known.
    async fn read_lapses(
        &mut self,
        contracts: &Contracts<'_>,
        count: u64,
        horizon: u64,
        here: BlockAt,
    ) -> Result<bool, L1Error> {
        if self.next.is_some_and(|next| next > count) {
            self.forget_what_was_read();
        }
        self.lapses.retain(|lapse| lapse.to.get() > horizon);
        let mut next = match self.next {
            Some(next) => next,
            None => first_after(contracts, count, horizon, here).await?,
        };
        for _ in 0..READS {
            if next >= count {
                break;
            }
            self.lapses.extend(contracts.lapse(next, here).await?);
            next = next.saturating_add(1);
            self.next = Some(next);
        }
        self.next = Some(next);
        Ok(next >= count)
    }

    /// Reads when the terms start that lie between two times, and the one after them; whether all that have started are known.
    async fn read_starts(
        &mut self,
        contracts: &Contracts<'_>,
        from: u64,
        to: u64,
        here: BlockAt,
    ) -> Result<bool, L1Error> {
        if self.starts.first_key_value().is_some_and(|(_, start)| *start > from) {
            self.starts.clear();
        }
        while self.starts.values().nth(1).is_some_and(|second| *second <= from) {
            self.starts.pop_first();
        }
        let mut current = None;
        for _ in 0..READS {
            let next = match self.starts.last_key_value() {
                None => contracts.term_at(Seconds::new(from), here).await?,
                Some((_, start)) if *start >= to => return Ok(true),
                Some((term, _)) => {
                    // The start of a term that has not begun may yet change.
                    let current = match current {
                        Some(current) => current,
                        None => *current.insert(contracts.current_term(here).await?),
                    };
                    if *term >= current.get() {
                        return Ok(true);
                    }
                    Term::new(term.saturating_add(1))
                }
            };
            let start = contracts.term_start(next, here).await?;
            self.starts.insert(next.get(), start.get());
        }
        Ok(false)
    }
}

/// Place of the first lapse that ends after a time.
async fn first_after(contracts: &Contracts<'_>, count: u64, time: u64, here: BlockAt) -> Result<u64, L1Error> {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low.midpoint(high);
        match contracts.lapse(middle, here).await? {
            Some(lapse) if lapse.to.get() > time => high = middle,
            _ => low = middle.saturating_add(1),
        }
    }
    Ok(low)
}

/// Asks L1 about each seat of a term's committee.
async fn inquire(contracts: &Contracts<'_>, term: u64, here: BlockAt) -> Result<Vec<(Address, Finding)>, L1Error> {
    let mut findings = Vec::new();
    for Member { seat, vote_key, .. } in contracts.committee(Term::new(term), here).await? {
        let finding = match contracts.assess_idleness(Term::new(term), seat, here).await {
            Ok(seconds) => Finding::Guilty(Idleness { term, seat, seconds: seconds.get() }),
            Err(L1Error::Reverted { revert, .. }) if revert.selector() == Some(Idle::NotIdle::SELECTOR) => {
                Finding::Innocent { seat, why: "it attended whenever L1 waited" }
            }
            Err(L1Error::Reverted { revert, .. }) if revert.selector() == Some(Idle::NotOnDuty::SELECTOR) => {
                Finding::Innocent { seat, why: "it was frozen before the term ended" }
            }
            Err(error) => return Err(error),
        };
        findings.push((vote_key, finding));
    }
    Ok(findings)
}

#[cfg(test)]
mod tests;
