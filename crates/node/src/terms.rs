//! Which committee votes when, read from the registry on L1.
//!
//! The registry fixes the seats of a term's committee an epoch before the term starts; until shortly before the start a
//! fault may still freeze one, which is then out (protocol §3, §15.1). So a committee is expected an epoch ahead (peers are
//! admitted by that), and final in the state of a block whose time is `start − SETTLED_DEPTH × slot` or later. Such a block has
//! `SETTLED_DEPTH` blocks on top of it when the term starts: every honest node reads the same, within a slot or two of the
//! start, for which the chain rests. What is read is the state of the newest block that is finalised or that deep. While L1
//! shows no such block, the committee before goes on until its term's end and then the chain waits.
//!
//! **Events.** A term that an L1 event started lies in the epoch of the term before: so it is told from the others by the
//! registry's state, whenever that is read. When the head shows one that is not settled ([`watch_head`]), the seats fall silent
//! ([`TermSchedule::see_event`]); when it is settled, it is in the schedule before its committee is, and the follower finds the block
//! that it begins after ([`crate::follower`]). It may shift terms that were known as final: what was read last is compared
//! with each reading.

use crate::consensus::{Committee, CommitteeError, Member, TermSchedule};
use surety_l1::{
    BlockAt, L1, L1Error,
    contracts::{Addresses, Contracts},
};
use surety_types::{L1Height, Seconds, Term};

/// Why terms could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TermsError {
    /// L1 or its endpoint.
    #[error(transparent)]
    L1(#[from] L1Error),
    /// The registry's answer makes no committee.
    #[error("term {term}: {cause}")]
    Committee {
        /// The term.
        term: Term,
        /// Why.
        cause: CommitteeError,
    },
}

/// The block whose state is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadAt {
    /// Its number.
    pub(crate) number: L1Height,
    /// Its time.
    pub(crate) time: Seconds,
    /// How long before a term's start its committee is final.
    pub(crate) freeze_delay: Seconds,
}

/// Reads the committees of all terms from `first` on that the registry has fixed, and adds them to the schedule. Returns the
/// first term that is not final yet: ask from there on next time.
///
/// # Errors
/// See [`TermsError`]; terms read before stay in the schedule.
pub(crate) async fn read_terms(
    l1: &dyn L1,
    addresses: Addresses,
    schedule: &TermSchedule,
    first: Term,
    block: ReadAt,
) -> Result<Term, TermsError> {
    let contracts = Contracts::new(l1, addresses);
    let at = BlockAt::Number(block.number);
    // The term after the current one is fixed: its epoch's predecessor has begun.
    let last = contracts.term_at(block.time, at).await?.next();
    let first = unshifted(&contracts, schedule, first, at).await?;
    let mut epoch = match first.checked_sub(1).filter(|before| *before > Term::ZERO) {
        Some(before) => Some(contracts.epoch_of_term(before, at).await?),
        None => None,
    };
    if let Some((before, epoch)) = first.checked_sub(1).zip(epoch)
        && schedule.newest_event().is_none()
        && let Some(event) = newest_event(&contracts, before, epoch, at).await?
    {
        schedule.start_by_event(event, contracts.term_start(event, at).await?);
    }
    let (mut open, mut term) = (first, first);
    while term <= last {
        let before = epoch.replace(contracts.epoch_of_term(term, at).await?);
        let by_event = before.is_some() && before == epoch;
        let start = contracts.term_start(term, at).await?;
        let members = contracts.committee(term, at).await?;
        let members = members.into_iter().map(|m| Member { seat: m.seat, vote: m.vote_key, peer: m.peer_key });
        let committee =
            Committee::new(term, start, members.collect()).map_err(|cause| TermsError::Committee { term, cause })?;
        if by_event {
            tracing::warn!(%term, %start, members = committee.members().len(), "an L1 event started a term");
            schedule.start_by_event(term, start);
        }
        if block.time.saturating_add(block.freeze_delay.get()) >= start {
            tracing::info!(%term, %start, members = committee.members().len(), "the committee of a term is final");
            schedule.insert(committee);
            open = term.next();
        } else {
            schedule.expect(committee);
        }
        term = term.next();
    }
    schedule.set_horizon(contracts.term_start(term, at).await?);
    Ok(open)
}

/// Where to read from: `first`, or an earlier term that was final and starts at another time now, because of an event since.
async fn unshifted(
    contracts: &Contracts<'_>,
    schedule: &TermSchedule,
    mut first: Term,
    at: BlockAt,
) -> Result<Term, TermsError> {
    while let Some(before) = first.checked_sub(1)
        && let Some(known) = schedule.committee(before)
        && known.start() != contracts.term_start(before, at).await?
    {
        first = before;
    }
    Ok(first)
}

/// The newest term up to `term` that an event started, given that term's epoch. Each event adds a term to its epoch, so terms
/// minus epochs tell how many there were.
async fn newest_event(
    contracts: &Contracts<'_>,
    term: Term,
    epoch: u64,
    at: BlockAt,
) -> Result<Option<Term>, TermsError> {
    let events = events_up_to(term, epoch);
    if events == 0 {
        return Ok(None);
    }
    // Term 1 begins at the first epoch, by no event.
    let (mut low, mut high) = (1, term.get());
    while high.saturating_sub(low) > 1 {
        let middle = Term::new(low.midpoint(high));
        let count = events_up_to(middle, contracts.epoch_of_term(middle, at).await?);
        if count < events { low = middle.get() } else { high = middle.get() }
    }
    Ok(Some(Term::new(high)))
}

/// Terms are counted from 1, epochs from 0.
const fn events_up_to(term: Term, epoch: u64) -> u64 {
    term.get().saturating_sub(1).saturating_sub(epoch)
}

/// The term that an event started which L1's head shows and the settled block does not.
///
/// # Errors
/// See [`TermsError`].
pub(crate) async fn watch_head(
    l1: &dyn L1,
    addresses: Addresses,
    settled: (L1Height, Seconds),
    head: (L1Height, Seconds),
) -> Result<Option<Term>, TermsError> {
    let contracts = Contracts::new(l1, addresses);
    let mut counts = [(Term::ZERO, 0, 0); 2];
    for (count, (number, time)) in counts.iter_mut().zip([settled, head]) {
        let at = BlockAt::Number(number);
        let term = contracts.term_at(time, at).await?;
        let epoch = contracts.epoch_of_term(term, at).await?;
        *count = (term, epoch, events_up_to(term, epoch));
    }
    let [(_, _, known), (term, epoch, seen)] = counts;
    if seen <= known {
        return Ok(None);
    }
    newest_event(&contracts, term, epoch, BlockAt::Number(head.0)).await
}
