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
//!
//! Everything is real but the sinner: seats talk over TCP, the evidence travels by the seats' gossip and the public feed to
//! a watchtower, which reports to the contracts on L1. The figures are read from L1, never from those who acted.
//!
//! A drill has **passed** when exactly the sinner was punished, by one transaction of less than [`MAX_GAS`] gas, at most
//! [`MAX_L1_BLOCKS`] L1 blocks after the offence, is gone from the first term that starts when it is out, and the chain never
//! stood for [`MAX_STALL`]. The other drills have rules of their own. The **control** is the same run with honest behaviour: it must not pass.

mod censorship;
mod crash;
mod escape;
mod halt;
mod l1_reorg;
mod people;
mod slash;
mod world;

use crate::{
    l1::{EmbeddedL1Handle, NodeError},
    network::{L1Choice, NetworkError},
    processes::{ProcessError, Program},
};
use alloy_primitives::{Address, B256, U256};
use serde::Serialize;
use std::{path::PathBuf, time::Duration};
use surety_l1::L1Error;
use surety_node::consensus::byzantine::Sin;

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
}

impl Drill {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Equivocation,
        Self::DoubleBatch,
        Self::NullifyFinalize,
        Self::Censorship,
        Self::Halt,
        Self::Escape,
        Self::L1Reorg,
        Self::Crash,
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

/// What came of a drill, as read from L1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Report {
    /// Of a sin that is punished, or must not be.
    Penalty(PenaltyReport),
    /// Of an account that is ignored.
    Censorship(CensorshipReport),
    /// Of a chain without sequencers.
    Halt(HaltReport),
    /// Of a chain that nobody carries on.
    Escape(EscapeReport),
    /// Of an L1 that takes blocks back.
    L1Reorg(Box<L1ReorgReport>),
}

impl Report {
    /// Whether all of it went as it must.
    pub fn passed(&self) -> bool {
        match self {
            Self::Penalty(report) => report.passed,
            Self::Censorship(report) => report.passed,
            Self::Halt(report) => report.passed,
            Self::Escape(report) => report.passed,
            Self::L1Reorg(report) => report.passed,
        }
    }
}

/// An account was ignored, and forced its way in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CensorshipReport {
    /// The drill.
    pub drill: &'static str,
    /// The account.
    pub account: Address,
    /// Its transaction that was ignored.
    pub ignored_tx: B256,
    /// L1's block with its first forced transaction.
    pub forced_at_block: u64,
    /// The L2 block that has it.
    pub included_in_l2_block: Option<u64>,
    /// L2's time of that block less L1's of the other.
    pub seconds_to_inclusion: Option<u64>,
    /// The most that may be.
    pub force_delay: u64,
    /// L1's block with the forced transaction that was let lapse.
    pub lapsed_at_block: Option<u64>,
    /// The transaction of the seat that attended.
    pub attended_tx: Option<B256>,
    /// That seat.
    pub attended_seat: Option<u64>,
    /// The transaction in which somebody sequenced.
    pub self_sequenced_tx: Option<B256>,
    /// Its L1 block.
    pub self_sequenced_at_block: Option<u64>,
    /// L1's time of it less that of the forced transaction.
    pub seconds_to_self_sequencing: Option<u64>,
    /// The reports of idleness.
    pub report_txs: Vec<B256>,
    /// The most gas that one of them used.
    pub gas_used: Option<u64>,
    /// How many seats were fined.
    pub seats_fined: u64,
    /// What they lost together, in wei.
    #[serde(serialize_with = "decimal")]
    pub fined: U256,
    /// How many seats were fined that attended, or punished for anything else.
    pub innocents_fined: u64,
    /// Whether all of it went as it must.
    pub passed: bool,
}

/// Every sequencer was dead, and a user was paid all the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HaltReport {
    /// The drill.
    pub drill: &'static str,
    /// L1's head when the last sequencer stopped; `None` if none did.
    pub halted_at_block: Option<u64>,
    /// L1's block with the forced withdrawal.
    pub forced_at_block: Option<u64>,
    /// The transaction in which somebody sequenced it.
    pub self_sequenced_tx: Option<B256>,
    /// Its L1 block.
    pub self_sequenced_at_block: Option<u64>,
    /// The transaction in which somebody claimed what came of it, with a bond.
    pub claimed_tx: Option<B256>,
    /// Its L1 block.
    pub claimed_at_block: Option<u64>,
    /// The transaction that paid the user.
    pub paid_tx: Option<B256>,
    /// Its L1 block.
    pub paid_at_block: Option<u64>,
    /// How much, in wei.
    #[serde(serialize_with = "decimal")]
    pub paid: U256,
    /// L1's time from the forced withdrawal until it was sequenced.
    pub seconds_to_self_sequencing: Option<u64>,
    /// And until it was paid.
    pub seconds_to_payment: Option<u64>,
    /// Whether all of it went as it must.
    pub passed: bool,
}

/// Nobody carried the chain on, and its users left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EscapeReport {
    /// The drill.
    pub drill: &'static str,
    /// The account that leaves.
    pub account: Address,
    /// L1's head when the last sequencer stopped; `None` if none did.
    pub halted_at_block: Option<u64>,
    /// The transaction that ended the chain.
    pub opened_tx: Option<B256>,
    /// Its L1 block.
    pub opened_at_block: Option<u64>,
    /// L1's time from the halt until then.
    pub seconds_to_opening: Option<u64>,
    /// The transaction that paid the account's ether.
    pub escaped_tx: Option<B256>,
    /// How much, in wei.
    #[serde(serialize_with = "decimal")]
    pub escaped: U256,
    /// What L2's last final state says that it had, in wei.
    #[serde(serialize_with = "decimal")]
    pub balance: U256,
    /// Its tokens that were paid, in their smallest unit.
    #[serde(serialize_with = "decimal")]
    pub tokens: U256,
    /// What was paid back of messages that never arrived, in wei.
    #[serde(serialize_with = "decimal")]
    pub refunded: U256,
    /// What was paid of withdrawals that were begun before, in wei.
    #[serde(serialize_with = "decimal")]
    pub withdrawn: U256,
    /// What L1 says to a second payment of the same.
    pub second_escape: Option<String>,
    /// Whether all of it went as it must.
    pub passed: bool,
}

/// L1 took blocks back with batches in them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct L1ReorgReport {
    /// The drill.
    pub drill: &'static str,
    /// L1 blocks on top of an event before nodes act on it without L1's finality.
    pub settled_depth: u64,
    /// The parameter of this name, in seconds.
    pub force_delay: u64,
    /// The parameter of this name, in seconds.
    pub max_gap: u64,
    /// L1 blocks from its final one to its head, then.
    pub finality_lag: u64,
    /// How many blocks L1 took back; 0 if it did not.
    pub reorg_depth: u64,
    /// L1's head before.
    pub head_block: u64,
    /// Its hash.
    pub head_hash: B256,
    /// The newest block that stayed.
    pub ancestor_block: u64,
    /// Its hash.
    pub ancestor_hash: B256,
    /// The batches that were posted in the blocks that L1 took back.
    pub batches: Vec<ReorgedBatch>,
    /// How many.
    pub batches_reorged: u64,
    /// Those that stand on L1 again with the same statement and the same data.
    pub batches_reposted_identical: u64,
    /// L1 blocks after the reorg until the last of them stood there again.
    pub l1_blocks_to_repost: Option<u64>,
    /// Nodes whose L2 blocks were compared: each seat, and a follower.
    pub l2_nodes: u64,
    /// L2 blocks that were final before, each compared on all nodes that had it.
    pub l2_blocks_compared: u64,
    /// Those that are other ones in the end, on any of them.
    pub l2_blocks_changed: u64,
    /// The last L2 block that the follower has derived from L1 in the end.
    pub follower_safe: u64,
    /// A transaction sent afterwards.
    pub later_tx: Option<B256>,
    /// The L2 block that has it.
    pub later_tx_in_l2_block: Option<u64>,
    /// L1's block with the batch that has that one.
    pub later_batch_at_block: Option<u64>,
    /// The user's deposit that L1 took back, and that the user sends again.
    pub deposit_tx: B256,
    /// For whom it is.
    pub deposit_to: Address,
    /// L1's block with it, at first.
    pub deposit_at_block: u64,
    /// The L2 block that credits it.
    pub deposit_in_l2_block: Option<u64>,
    /// Seats that were punished or fined.
    pub seats_slashed: u64,
    /// All bonds before, in wei.
    #[serde(serialize_with = "decimal")]
    pub bond_before: U256,
    /// And after.
    #[serde(serialize_with = "decimal")]
    pub bond_after: U256,
    /// Whether all of it went as it must.
    pub passed: bool,
}

/// A batch of which L1 took the block back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReorgedBatch {
    /// Its number.
    pub index: u64,
    /// Its first L2 block.
    pub first_l2_block: u64,
    /// Its last L2 block.
    pub last_l2_block: u64,
    /// EIP-712 hash of its statement, without domain.
    pub statement: B256,
    /// Versioned hashes of its blobs; none if it was in call data.
    pub blobs: Vec<B256>,
    /// How many bytes its data had, as L1 serves them: whole blobs, or call data.
    pub data_bytes: u64,
    /// Keccak of them.
    pub data_hash: B256,
    /// Where it stood.
    pub before: OnL1,
    /// Where it stands.
    pub after: Option<OnL1>,
    /// Whether each field of the statement and each byte of the data is the same.
    pub identical: bool,
}

/// A place on L1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct OnL1 {
    /// Number of the block.
    pub block: u64,
    /// Its hash.
    pub block_hash: B256,
    /// The transaction.
    pub transaction: B256,
}

/// A sin, and its punishment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PenaltyReport {
    /// The drill.
    pub drill: &'static str,
    /// L1's head when the offence was committed.
    pub offence_at_block: Option<u64>,
    /// The transaction that slashed.
    pub report_tx: Option<B256>,
    /// Its L1 block.
    pub slashed_at_block: Option<u64>,
    /// The difference of the two.
    pub l1_blocks_to_slash: Option<u64>,
    /// Gas of that transaction.
    pub gas_used: Option<u64>,
    /// How many seats were punished.
    pub seats_slashed: u64,
    /// The sinner's bond before, in wei.
    #[serde(serialize_with = "decimal")]
    pub bond_before: U256,
    /// And after.
    #[serde(serialize_with = "decimal")]
    pub bond_after: U256,
    /// What the reporter was credited, in wei.
    #[serde(serialize_with = "decimal")]
    pub reward: U256,
    /// How many of the punished had done nothing.
    pub innocents_slashed: u64,
    /// Whether all of it went as it must.
    pub passed: bool,
}

fn decimal<S: serde::Serializer>(wei: &U256, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&wei.to_string())
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
    }
}
