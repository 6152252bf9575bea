//! Agree on blocks: simplex with our votes, one engine per term (protocol §5).
//!
//! The only module that knows the consensus library; what it hands out are types of this project.
//!
//! ```text
//! seat ─▶ engine (all terms) ─▶ application: propose · verify · certify ─▶ crate::builder ─▶ store
//!              │                         │ votes, by scheme ─▶ crate::signer
//!              ├─ finalizer ◀─ blocks in order ◀─ the library's keeper of blocks
//!              ├─ transactions, statements, status, gossip (of evidence): our own channels
//!              ├─ certified: final blocks for the public feed
//!              └─ epochs, committee: which term, who votes
//! ```
//!
//! A term that an L1 event started begins below the head: see [`generation`]. [`measure`] says how fast all this is.
//!
//! The schedule of terms comes from outside, as do L1's messages; see [`TermSchedule`] and [`crate::builder::Inbox`].

mod admission;
mod application;
mod arrival;
pub mod block;
pub mod byzantine;
mod certified;
mod committee;
mod engine;
mod epochs;
mod finalizer;
mod generation;
mod gossip;
mod keeper;
pub mod measure;
mod metrics;
mod scheme;
mod seat;
mod statements;
mod status;
mod steady;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod transactions;

pub use application::SignedReceipt;
pub use committee::{Committee, CommitteeError, MAX_MEMBERS, Member, TermSchedule};
pub use engine::Timing;
pub use epochs::Boundary;
pub use scheme::{Certificate, Scheme};
pub use seat::{PeerAddresses, Quotas, Seat, SeatConfig, SeatError, SeatHandle, peer_public_key};
pub use statements::{BatchSignatures, BatchVerifier, Finalization, GatherError, Gathered, MAX_DATA, duty};
