//! Which committee votes when, read from the registry on L1.
//!
//! The registry fixes the seats of a term's committee an epoch before the term starts; until shortly before the start a
//! fault may still freeze one, which is then out (protocol §3, §15.1). So a committee is expected an epoch ahead (peers are
//! admitted by that), and final in the state of a block whose time is `start − SETTLED_DEPTH × slot` or later. Such a block has
//! `SETTLED_DEPTH` blocks on top of it when the term starts: every honest node reads the same, within a slot or two of the
//! start, for which the chain rests. What is read is the state of the newest block that is finalised or that deep. While L1
//! shows no such block, the committee before goes on until its term's end and then the chain waits.

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
    let (mut open, mut term) = (first, first);
    while term <= last {
        let start = contracts.term_start(term, at).await?;
        let members = contracts.committee(term, at).await?;
        let members = members.into_iter().map(|m| Member { seat: m.seat, vote: m.vote_key, peer: m.peer_key });
        let committee =
            Committee::new(term, start, members.collect()).map_err(|cause| TermsError::Committee { term, cause })?;
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
