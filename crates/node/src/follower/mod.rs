//! The chain as L1 data give it: nobody's word.
//!
//! A [`Follower`] reads L1 ([`surety_l1::follow`]: messages against the accumulator, batches against the chain of
//! statements), fetches each batch's data (blobs proved by KZG), derives its blocks ([`surety_stf::derive`]), and puts them into
//! the store. What it promises:
//!
//! 1. **The chain is what derivation says.** A statement that says otherwise is reported as loudly as can be
//!    ([`Status::mismatches`], an error in the log, a metric) and changes nothing; neither does any content halt it.
//! 2. **Blocks that are there are not executed again.** If the store holds, on the same parent, a block of exactly the
//!    derived content, it is the derived block: execution is a function. So a seat's follower costs it no execution, and a
//!    restart repeats none. A block of other content gives way, with all above it ([`Notice::Removed`]).
//! 3. **Tags.** `safe` is the last block of the newest batch on L1's canonical chain, `finalized` that of the newest batch
//!    which L1 has finalised.
//! 4. **Reorgs of L1** move the tags back at once. The blocks stay until other data contradict them: the seats will most
//!    likely post the same batch again.
//! 5. **Restart anywhere.** The progress (L1 position, messages not consumed, batches not final) is one file, replaced
//!    after the store is synced and only while no batch waits. An older file costs reading, not execution; a missing or foreign
//!    one means that L1 is read from the contracts' creation.
//! 6. **Terms that an L1 event started** (protocol §15.1) begin after the last block that L1 had by then, in the order of its
//!    logs. When such an event is settled ([`TermSchedule`]) and all before it is derived, the soft-final blocks above are taken
//!    back, in one step on disk, and [`Notice::Cut`] says so. A crash before repeats it, one after finds it done.
//! 7. **Self-sequenced batches** (protocol §6) say nothing of hashes: their claim is computed here ([`DerivedBatch::claim`]), and
//!    the next poster carries it ([`Status::ancestry`]). A node with soft-final blocks derives them when they are settled.
//! 8. **Settled events** (protocol §4) go to who wants them, in order; after a start, the messages kept go first again.

mod actor;
mod chain;
mod metrics;
mod posted;
mod state;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use actor::{Follower, Messages};
pub(crate) use chain::holds;
pub use chain::{ApplyError, Chain, Mismatch, Outcome};
pub(crate) use chain::{block_hashes, right_claim};
pub use posted::{KeptBatch, PostedBatches};
pub use state::DerivedBatch;

use crate::consensus::Boundary;
#[cfg(doc)]
use crate::consensus::TermSchedule;
use std::{path::PathBuf, sync::Arc, time::Duration};
use surety_l1::{
    BlockRef,
    follow::{FollowConfig, FollowError, L1Event},
};
use surety_state::StoredBlock;
use surety_types::{BatchIndex, L2Height, claim::Claim};

/// How a follower works.
#[derive(Debug, Clone)]
pub struct Config {
    /// What to follow on L1.
    pub l1: FollowConfig,
    /// The file of the progress; its directory is there.
    pub progress: PathBuf,
    /// Where batches are kept for witnesses.
    pub posted: PostedBatches,
    /// How long to wait before asking L1 again when all is read.
    pub poll: Duration,
}

/// Where a follower is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// L1's head, as last seen.
    pub l1_head: Option<BlockRef>,
    /// The newest batch derived: `safe`.
    pub safe: DerivedBatch,
    /// The right claims from the newest that a committee signed (or genesis) up to that of `safe`: one, unless somebody
    /// self-sequenced, or a committee signed what is wrong.
    pub ancestry: Arc<[Claim]>,
    /// The newest batch that L1 has finalised: `finalized`.
    pub finalized: DerivedBatch,
    /// Whether everything up to L1's head is derived.
    pub caught_up: bool,
    /// Statements that derivation contradicts, since the start.
    pub mismatches: u64,
    /// What stands in the way now, in words; it is tried again.
    pub trouble: Option<String>,
}

/// What others may want to know as it happens.
#[derive(Debug, Clone)]
pub enum Notice {
    /// An L1 event is settled.
    Settled(Box<L1Event>),
    /// A reorg took back what was settled: seats sign nothing more in this term (protocol §4).
    SettledReverted,
    /// A batch is derived.
    Derived {
        /// Its end.
        batch: Box<DerivedBatch>,
        /// Where its statement is wrong.
        mismatches: Vec<Mismatch>,
    },
    /// Canonical blocks gave way to what L1 says, lowest first: their transactions may go back to the pool.
    Removed {
        /// The batch that contradicts them.
        batch: BatchIndex,
        /// The first height.
        from: L2Height,
        /// The blocks.
        blocks: Vec<Arc<StoredBlock>>,
    },
    /// A term begins that an L1 event started, and no block of an earlier term stands above its genesis any more.
    Cut {
        /// Where it begins.
        boundary: Boundary,
        /// Canonical blocks that were taken back, lowest first: their transactions may go back to the pool.
        blocks: Vec<Arc<StoredBlock>>,
    },
}

/// Why a follower ended.
#[derive(Debug, thiserror::Error)]
pub enum FollowerError {
    /// L1 cannot be followed.
    #[error(transparent)]
    L1(#[from] FollowError),
    /// The chain cannot be kept.
    #[error(transparent)]
    Chain(#[from] ApplyError),
    /// A batch cannot be kept for witnesses.
    #[error("cannot keep what L1 has of a batch: {0}")]
    Posted(std::io::Error),
    /// The progress file cannot be written.
    #[error("cannot write the follower's progress to {path}: {reason}")]
    Progress {
        /// The file.
        path: String,
        /// The system's words.
        reason: String,
    },
}
