//! What a seat does before it signs a statement of another.

use super::{Proposal, ProposalError, Rehearsal, proposal::form_of, terms};
use crate::{
    consensus::{BatchVerifier, TermSchedule},
    follower::{ApplyError, Chain, Messages, Status},
};
use futures::FutureExt;
use std::sync::Arc;
use surety_types::{L2Height, Milliseconds};
use tokio::sync::watch;

/// Judges statements by this node's own chain and L1 view ([`Proposal::judge`]), and rehearses what is right. `age` is the batch
/// age of the chain.
pub fn verifier(
    chain: Chain,
    follower: watch::Receiver<Status>,
    messages: Messages,
    schedule: TermSchedule,
    age: Milliseconds,
    rehearsal: Arc<Rehearsal>,
) -> BatchVerifier {
    BatchVerifier::new(move |statement, payload| {
        let (chain, messages, schedule) = (chain.clone(), messages.clone(), schedule.clone());
        let rehearsal = rehearsal.clone();
        let tip = follower.borrow().safe;
        let judge = move || -> Result<(), ProposalError> {
            let form = form_of(&payload, statement.dataHash);
            let proposal = Proposal { statement, payload, form };
            let rollup = chain.parameters().rollup;
            let terms = terms::newest(chain.store(), &schedule, rollup).map_err(ApplyError::from)?;
            // Seats pass from one term to the next at slightly different times; L1 takes both.
            let term = terms.iter().find(|now| now.term.get() == proposal.statement.term).or(terms.first());
            let term = *term.ok_or(ProposalError::NoTerm)?;
            let until = L2Height::new(chain.store().committed().number);
            let (batch, hashes) = proposal.judge(&chain, &tip, &messages, term, age, until)?;
            rehearsal.run(&chain, &batch, &hashes).map(drop)
        };
        async move {
            match tokio::task::spawn_blocking(judge).await {
                Ok(verdict) => verdict.map_err(|e| e.to_string()),
                Err(error) => Err(error.to_string()),
            }
        }
        .boxed()
    })
}
