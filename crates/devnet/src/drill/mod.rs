//! Drills: a fresh network, one seat that does wrong, and what becomes of it.
//!
//! | drill | the sin |
//! |---|---|
//! | `equivocation` | a leader sends two blocks of one view, each with its vote, to different peers |
//! | `double-batch` | a seat signs two results for one last height |
//! | `nullify-finalize` | a seat votes to make a block final and to give its view up |
//! | `censorship` | all seats ignore an account; then all but one let what it forces through L1 lapse |
//! | `halt` | every sequencer is dead: a user forces a withdrawal, anyone sequences and claims it, the user is paid on L1 |
//! | `escape` | nobody acts at all: holders of ether and tokens leave by proofs |
//! | `l1-reorg` | none: L1 takes 60 blocks back, and the same batches must stand on it again |
//! | `crash` | none: seats are killed again and again, and nobody may be punished |
//! | `invalid-state` | three of four seats mint themselves ether in a block, sign the batch, and argue for it to the last step |
//! | `invalid-data` | three of four seats sign a batch whose data hold nothing of what they claim |
//! | `late-parent` | three of four seats sign a wrong batch and two more on it |
//! | `self-dispute` | an accomplice opposes a wrong claim with another wrong one |
//! | `rival-spam` | a hundred strangers with bonds oppose a right claim |
//!
//! Everything is real but the sinner: seats talk over TCP, the evidence travels by the seats' gossip and the public feed to
//! a watchtower, which reports to the contracts on L1. The figures are read from L1, never from those who acted.
//!
//! A drill has **passed** when exactly the sinner was punished, by one transaction of less than [`MAX_GAS`] gas, at most
//! [`MAX_L1_BLOCKS`] L1 blocks after the offence, is gone from the first term that starts when it is out, and the chain never
//! stood for [`MAX_STALL`]. The other drills have rules of their own. The **control** is the same run with honest behaviour: it must not pass.

mod censorship;
mod crash;
mod disputes;
mod escape;
mod halt;
mod l1_reorg;
mod people;
mod report;
mod slash;
mod world;

use crate::{
    l1::{EmbeddedL1Handle, NodeError},
    network::{L1Choice, NetworkError},
    processes::{ProcessError, Program},
};
use std::{path::PathBuf, time::Duration};
use surety_l1::L1Error;
use surety_node::consensus::byzantine::Sin;

pub use report::{
    CensorshipReport, DisputeReport, EscapeReport, HaltReport, L1ReorgReport, OnL1, PenaltyReport, ReorgedBatch, Report,
};
pub use world::{Line, Timeline};

/// The most gas of a report, payment of the reporter included.
pub const MAX_GAS: u64 = 120_000;
/// A report is in the block after the one that was the head when the offence was committed.
pub const MAX_L1_BLOCKS: u64 = 1;
/// The longest that the chain may stand without a new final block.
pub const MAX_STALL: Duration = Duration::from_secs(10);

/// How many blocks L1 takes back.
pub const REORG_DEPTH: u64 = 60;

/// The drills that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drill {
    /// Two blocks of one view.
    Equivocation,
    /// Two results of one batch.
    DoubleBatch,
    /// A view made final and given up.
    NullifyFinalize,
    /// An account that is ignored.
    Censorship,
    /// No sequencer.
    Halt,
    /// Nobody.
    Escape,
    /// An L1 that takes blocks back.
    L1Reorg,
    /// Seats that are killed.
    Crash,
    /// A wrong state.
    InvalidState,
    /// Data that hold something else.
    InvalidData,
    /// A wrong state, and more on it.
    LateParent,
    /// Two wrong claims against each other.
    SelfDispute,
    /// Many wrong claims against a right one.
    RivalSpam,
}

impl Drill {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Equivocation,
        Self::DoubleBatch,
        Self::NullifyFinalize,
        Self::Censorship,
        Self::Halt,
        Self::Escape,
        Self::L1Reorg,
        Self::Crash,
        Self::InvalidState,
        Self::InvalidData,
        Self::LateParent,
        Self::SelfDispute,
        Self::RivalSpam,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Equivocation => "equivocation",
            Self::DoubleBatch => "double-batch",
            Self::NullifyFinalize => "nullify-finalize",
            Self::Censorship => "censorship",
            Self::Halt => "halt",
            Self::Escape => "escape",
            Self::L1Reorg => "l1-reorg",
            Self::Crash => "crash",
            Self::InvalidState => "invalid-state",
            Self::InvalidData => "invalid-data",
            Self::LateParent => "late-parent",
            Self::SelfDispute => "self-dispute",
            Self::RivalSpam => "rival-spam",
        }
    }

    /// What happens in it, in a line.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Equivocation => "a leader sends two blocks of one view to different peers",
            Self::DoubleBatch => "a seat signs two results for one last height",
            Self::NullifyFinalize => "a seat votes to make a block final and to give its view up",
            Self::Censorship => {
                "all seats ignore an account, which forces its way in; then all but one let that lapse, too"
            }
            Self::Halt => {
                "every sequencer is dead; a user forces a withdrawal, anyone sequences and claims it, the user is paid"
            }
            Self::Escape => "nobody acts any more; holders of ether and tokens leave by proofs, each once",
            Self::L1Reorg => "L1 takes 60 blocks back; the same batches stand on it again, and no block of L2 changes",
            Self::Crash => {
                "seats, processes of their own, are killed (kill -9) again and again; nobody may be punished"
            }
            Self::InvalidState => {
                "three of four seats mint themselves ether, and argue for it to the last step; one challenger takes their bonds"
            }
            Self::InvalidData => "three of four seats sign a batch whose data hold nothing of what they claim",
            Self::LateParent => "three of four seats sign a wrong batch and two more on it; all signers answer for it",
            Self::SelfDispute => "a wrong claim and its accomplice's rival both lose to one honest party",
            Self::RivalSpam => "a hundred strangers oppose a right claim; it is final in time, and each pays",
        }
    }

    /// The drill of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|drill| drill.name() == name)
    }
}

/// How to run a drill.
#[derive(Debug, Clone)]
pub struct DrillConfig {
    /// Which.
    pub drill: Drill,
    /// Everybody stays honest: the control.
    pub honest: bool,
    /// How many blocks L1 takes back in [`Drill::L1Reorg`]: [`REORG_DEPTH`] unless it is asked for another depth.
    pub depth: u64,
    /// L1.
    pub l1: L1Choice,
    /// An empty directory for the network.
    pub directory: PathBuf,
    /// This program's file, for seats that are processes.
    pub program: Program,
    /// Where to write the chain file as well.
    pub chain_file: Option<PathBuf>,
}

/// Why a drill could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    /// The network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A process.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// L1.
    #[error("L1: {0}")]
    L1(#[from] L1Error),
    /// The chain on L2.
    #[error("L2: {0}")]
    State(#[from] surety_state::Error),
    /// The embedded L1.
    #[error(transparent)]
    EmbeddedL1(#[from] NodeError),
    /// An L1 that cannot do what the drill needs.
    #[error("the drill {0} moves L1's clock and takes its blocks back: only the embedded L1 can, leave out --l1")]
    NeedsEmbeddedL1(&'static str),
    /// A part of the network failed.
    #[error("the network has failed: {0}")]
    Failed(String),
    /// What was waited for did not happen.
    #[error("not within {} s: {what}", within.as_secs())]
    Timeout {
        /// What.
        what: &'static str,
        /// How long.
        within: Duration,
    },
}

/// A drill that has ended. Its network is stopped; an embedded L1 still runs, for those who want to read it again.
#[derive(Debug)]
pub struct Finished {
    /// What came of it.
    pub report: Report,
    /// L1's RPC endpoint.
    pub l1_rpc: String,
    /// The embedded L1.
    pub l1: Option<EmbeddedL1Handle>,
}

impl Finished {
    /// What came of a drill whose network is stopped; of one that failed, L1 is stopped too.
    async fn of(
        outcome: Result<Report, DrillError>,
        l1_rpc: String,
        l1: Option<EmbeddedL1Handle>,
    ) -> Result<Self, DrillError> {
        match outcome {
            Ok(report) => Ok(Self { report, l1_rpc, l1 }),
            Err(error) => {
                if let Some(l1) = l1 {
                    l1.stop().await;
                }
                Err(error)
            }
        }
    }
}

/// Runs a drill and tells the timeline as it goes.
///
/// # Errors
/// See [`DrillError`]. A drill that ran to its end but not as it must is no error: see [`Report::passed`].
pub async fn run(config: DrillConfig, timeline: Timeline) -> Result<Finished, DrillError> {
    match config.drill {
        Drill::Equivocation => slash::run(config, Sin::Equivocate, timeline).await,
        Drill::DoubleBatch => slash::run(config, Sin::DoubleBatch, timeline).await,
        Drill::NullifyFinalize => slash::run(config, Sin::NullifyFinalized, timeline).await,
        Drill::Censorship => censorship::run(config, timeline).await,
        Drill::Halt => halt::run(config, timeline).await,
        Drill::Escape => escape::run(config, timeline).await,
        Drill::L1Reorg => Box::pin(l1_reorg::run(config, timeline)).await,
        Drill::Crash => crash::run(config, timeline).await,
        Drill::InvalidState | Drill::InvalidData | Drill::LateParent | Drill::SelfDispute | Drill::RivalSpam => {
            Box::pin(disputes::run(config, timeline)).await
        }
    }
}
