//! Signed batches to L1.
//!
//! 1. **Where batches end** is a function of the chain ([`cut`]); all seats cut alike.
//! 2. The seat whose turn it is ([`Duty`]) makes the [`Proposal`]: the statement and the very bytes. It gathers signatures
//!    ([`crate::consensus::BatchSignatures`]); each seat that is asked runs [`Proposal::judge`] first ([`verifier()`]), which derives those bytes and signs only if they
//!    give exactly its own final blocks, and only after the compiled program, run over some of them, has come to the same hashes ([`Rehearsal`]). If the one on duty does not deliver in time, the next one may, and at last everyone.
//! 3. With a quorum the batch is written to the journal, then carried to L1 by [`surety_l1::submit`] (nonces, fees, bumps,
//!    budget). The journal keeps it until L1 has finalised it: after a restart, a lost transaction or a reorg of L1 that takes it
//!    back, **the same bytes** are posted again with the same signatures; if only the statement's surroundings changed (the term
//!    is over, another L1 history before it) the same payload is signed anew.
//! 4. What L1 holds is read by the [`crate::follower`] alone. A batch that somebody else posted first is simply there.
//! 5. When L1 waits longer than it should, whoever's fault it is, a seat [attends](Attendant): it files on L1 what it alone would
//!    post, so that it is not fined for what others leave undone.
//!
//! A poster can bend nothing: L1 takes only what a quorum signed, and derivation decides what it means.

mod actor;
mod attendance;
mod boundary;
mod duty;
mod journal;
mod metrics;
mod proposal;
mod rehearsal;
mod terms;
#[cfg(test)]
mod tests;
mod verifier;

pub use actor::{Config, Poster, PosterError, Sources};
pub use attendance::{Attendant, Patience};
pub use boundary::{Cut, CutError, batch_block, cut};
pub use duty::Duty;
pub use proposal::{Form, Proposal, ProposalError, TermNow};
pub use rehearsal::{Rehearsal, Rehearsed};
pub use verifier::verifier;
