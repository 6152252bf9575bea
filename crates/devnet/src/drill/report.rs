//! What drills tell, as read from L1.

use alloy_primitives::{Address, B256, U256};
use serde::Serialize;

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
    /// Of wrong claims.
    Dispute(Box<DisputeReport>),
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
            Self::Dispute(report) => report.passed,
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

/// Something wrong was claimed, and one honest challenger opposed it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DisputeReport {
    /// The drill.
    pub drill: &'static str,
    /// The first wrong claim's batch; in a control that of a right one.
    pub batch: u64,
    /// The first wrong claim.
    pub claim: B256,
    /// The transaction that brought it, and its L1 block.
    pub claimed_tx: B256,
    /// See `claimed_tx`.
    pub claimed_at_block: u64,
    /// How many wrong claims about batches are dead.
    pub wrong_claims_fallen: u64,
    /// The transaction in which the last of those about that batch fell.
    pub fell_tx: Option<B256>,
    /// Its L1 block.
    pub fell_at_block: Option<u64>,
    /// Seconds of L1 from the first wrong claim until then.
    pub seconds_to_fall: Option<u64>,
    /// The right claim about that batch, when it is final.
    pub right_claim: Option<B256>,
    /// L1's time when it was posted.
    pub right_claimed_at: Option<u64>,
    /// Seconds of L1 from then until it was final.
    pub seconds_to_final: Option<u64>,
    /// The challenge period, in seconds.
    pub challenge_period: u64,
    /// Claims and moves of both sides in matches, in all.
    pub moves: u64,
    /// The transaction in which the machine decided; none if time did.
    pub step_tx: Option<B256>,
    /// Its gas.
    pub step_gas: Option<u64>,
    /// The challenger.
    pub challenger: Address,
    /// Its transactions in which the dispute's contracts told something.
    pub challenger_txs: u64,
    /// Their gas.
    pub challenger_gas: u64,
    /// The dearest of them.
    pub challenger_most_gas: u64,
    /// What it had at risk, in wei.
    #[serde(serialize_with = "decimal")]
    pub challenger_bond: U256,
    /// What it was paid by the dispute and the slasher, or can take, in wei.
    #[serde(serialize_with = "decimal")]
    pub challenger_reward: U256,
    /// Transactions of all others there, but for those that post batches.
    pub other_txs: u64,
    /// Their gas.
    pub other_gas: u64,
    /// Parties that lost their bonds.
    pub parties_fallen: u64,
    /// What they lost, in wei.
    #[serde(serialize_with = "decimal")]
    pub party_bonds_lost: U256,
    /// Seats that signed a wrong claim and were frozen in a transaction in which one fell.
    pub seats_frozen: u64,
    /// Seats whose whole bond is gone.
    pub seats_slashed: u64,
    /// What they lost, in wei, for whatever they did.
    #[serde(serialize_with = "decimal")]
    pub seat_bonds_lost: U256,
    /// Seats frozen that signed nothing wrong.
    pub innocents_slashed: u64,
    /// Why L1 refuses the withdrawal of what was stolen, if something was.
    pub theft_refused: Option<String>,
    /// Whether a batch stands on the right claim.
    pub goes_on: bool,
    /// Whether all of it went as it must.
    pub passed: bool,
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
