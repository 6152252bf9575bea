//! Which committee votes when, read from the registry on L1.
//!
//! The registry fixes a term's committee an epoch before the term starts, from its state at that boundary. Here a
//! committee is read as of a settled block at or after that boundary, so every honest node reads the same one; a term whose
//! boundary is not settled yet stays unknown, and the committee before it goes on (protocol §3, §4).

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

/// Reads the committees of all terms from `first` on that are fixed at a settled block, and adds them to the schedule.
/// Returns the first term that is not fixed yet: ask from there on next time.
///
/// # Errors
/// See [`TermsError`]; terms read before stay in the schedule.
pub(crate) async fn read_terms(
    l1: &dyn L1,
    addresses: Addresses,
    schedule: &TermSchedule,
    first: Term,
    settled: (L1Height, Seconds),
) -> Result<Term, TermsError> {
    let contracts = Contracts::new(l1, addresses);
    let at = BlockAt::Number(settled.0);
    // The term after the current one is fixed: its epoch's predecessor has begun.
    let last = contracts.term_at(settled.1, at).await?.next();
    let mut term = first;
    while term <= last {
        let start = contracts.term_start(term, at).await?;
        let members = contracts.committee(term, at).await?;
        let members = members.into_iter().map(|m| Member { seat: m.seat, vote: m.vote_key, peer: m.peer_key });
        let committee =
            Committee::new(term, start, members.collect()).map_err(|cause| TermsError::Committee { term, cause })?;
        tracing::info!(%term, %start, members = committee.members().len(), "the committee of a term is fixed");
        schedule.insert(committee);
        term = term.next();
    }
    schedule.set_horizon(contracts.term_start(term, at).await?);
    Ok(term)
}
