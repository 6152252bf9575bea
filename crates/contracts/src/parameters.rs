//! What L1 enforces (protocol §14), in three profiles, with the arithmetic that the registry's constructor checks.
//!
//! [`Parameters::check`] accepts and refuses exactly what Solidity's `Parameters.check` does, with the same names of
//! errors; `contracts/vectors/parameters.json` holds both to it. Durations are in seconds unless the name says otherwise.

use crate::bindings::SequencerRegistry::ProtocolParameters;
use alloy_primitives::{B256, U256, uint};
use serde::{Deserialize, Serialize};
use surety_types::{ChainParameters, Gas, Milliseconds, RollupId, Seconds, parameters::MAX_BLOCK_GAS_LIMIT};

/// The sets of parameters that come with the software.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// The shortest windows that fit together: for tests.
    Ci,
    /// Short windows for a chain on one's own machine.
    Dev,
    /// For a chain that holds other people's money.
    Production,
}

impl Profile {
    /// As it is written on a command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ci => "ci",
            Self::Dev => "dev",
            Self::Production => "production",
        }
    }
}

/// Gas that the inbox' own L1Info messages buy on L2.
pub const L1_INFO_GAS: u64 = 100_000;
/// The part of a block's gas limit that messages may take: one in this many.
pub const MESSAGE_SHARE: u64 = 4;
/// The least gas of a message without data.
pub const MESSAGE_BASE_GAS: u64 = 21_000;
/// The least gas of a message for each byte of data.
pub const MESSAGE_BYTE_GAS: u64 = 40;
/// The penalty for one signed contradiction that nothing else correlates with, in hundredths of a percent of the bond.
pub const BASE_PENALTY_BASIS_POINTS: u64 = 500;
/// The most that idleness costs in `idle_window`, in hundredths of a percent of the bond.
pub const IDLE_CAP_BASIS_POINTS: u64 = 400;
/// The most bytes that may fall due together.
pub const MAX_WINDOW_BYTES: u64 = 32_768;

/// Every number that L1 enforces; Solidity's `ProtocolParameters`, with its `messages` and `idle` laid open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// L2 chain id: the rollup's identity in every signed struct.
    pub rollup: u64,
    /// The least time between two L2 blocks, in milliseconds.
    pub block_time_millis: u64,
    /// Gas limit of an L2 block.
    pub block_gas_limit: u64,
    /// Time between two L1 blocks.
    pub slot_time: u64,
    /// L1 blocks on top of an event before nodes act on it without L1's finality.
    pub settled_depth: u64,
    /// The oldest a block may get before its batch is due.
    pub batch_age: u64,
    /// Time between two term boundaries.
    pub epoch_length: u64,
    /// How long after a term's start the committee before may still post.
    pub overlap: u64,
    /// A message is due this long after it was sent.
    pub force_delay: u64,
    /// How long a due message may wait before anyone may sequence it.
    pub grace: u64,
    /// The longest time without a batch before anyone may sequence.
    pub max_gap: u64,
    /// How long a claim can be contested.
    pub challenge_period: u64,
    /// Time to answer a piece of evidence that asks for one.
    pub response: u64,
    /// Faults of one kind this close together are one attack.
    pub correlation_window: u64,
    /// What is added to the sum that `unbonding` must reach.
    pub unbonding_margin: u64,
    /// From the end of a seat's last term to the return of its bond.
    pub unbonding: u64,
    /// Time without a final claim after which the escape opens.
    pub escape_delay: u64,
    /// Bond of one seat, in wei.
    pub bond: U256,
    /// The most gas that one message may buy.
    pub max_message_gas: u64,
    /// The most gas that all messages of any `force_delay` may buy together.
    pub message_window_gas: u64,
    /// The most bytes of data in all messages of any `force_delay`.
    pub message_window_bytes: u64,
    /// Price of message gas when the window is empty, in wei per gas.
    pub message_gas_price: U256,
    /// Price of message data when the window is empty, in wei per byte.
    pub message_byte_price: U256,
    /// The most of a poster's tip that is repaid, in wei per gas.
    pub posting_tip_cap: U256,
    /// A reporter's share of a penalty, in hundredths of a percent.
    pub reporter_share_basis_points: u64,
    /// The most that a reporter is paid, in wei.
    pub reporter_share_cap: U256,
    /// What a claim that no committee signed must bring, in wei.
    pub claim_bond: U256,
    /// Seconds of idle duty that cost all that idleness may cost.
    pub idle_limit: u64,
    /// Idleness costs a seat at most [`Parameters::idle_cap`] in any interval of this length.
    pub idle_window: u64,
}

/// Why parameters do not fit together; the names are those of the contract's errors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// A value that must not be zero is.
    #[error("parameter {0} is zero: give it a value")]
    ParameterIsZero(&'static str),
    /// A duration or depth is 2^40 or more, or a price or amount 2^96 or more.
    #[error("parameter {0} is too large: durations must be below 2^40, prices and amounts below 2^96")]
    ParameterTooLarge(&'static str),
    /// A block could cost more steps than a dispute holds (`surety_stf::meter`).
    #[error(
        "block gas limit {gas_limit} is more than {most}, from where on a block could cost more than a dispute holds: lower it"
    )]
    BlockGasLimitTooHigh {
        /// The gas limit.
        gas_limit: u64,
        /// The greatest.
        most: u64,
    },
    /// The bond does not fit into 96 bits.
    #[error("bond of {0} wei is larger than 2^96 - 1: lower it")]
    BondTooLarge(U256),
    /// `2 × (settledDepth × slotTime + batchAge)` is not below `forceDelay`.
    #[error(
        "settling and batching take too long for forceDelay {force_delay} s (twice: {twice} s): lengthen forceDelay"
    )]
    SettlingTakesTooLong {
        /// Twice the time to settle and batch.
        twice: u128,
        /// `forceDelay`.
        force_delay: u64,
    },
    /// `overlap` is below `forceDelay / 2 + settledDepth × slotTime + 2 × batchAge`.
    #[error("twice the overlap is {twice} s, {needed} s are needed: lengthen overlap")]
    OverlapTooShort {
        /// Twice the overlap.
        twice: u128,
        /// What that must be at least.
        needed: u128,
    },
    /// `overlap` does not end before the next boundary.
    #[error("overlap {overlap} s must be below epochLength {epoch_length} s")]
    OverlapTooLong {
        /// `overlap`.
        overlap: u64,
        /// `epochLength`.
        epoch_length: u64,
    },
    /// `batchAge` is not below half of `maxGap`.
    #[error("twice batchAge is {twice} s, which must be below maxGap {max_gap} s")]
    BatchAgeTooLong {
        /// Twice `batchAge`.
        twice: u128,
        /// `maxGap`.
        max_gap: u64,
    },
    /// `unbonding` is below the sum of what it must cover.
    #[error("unbonding {unbonding} s must be at least {needed} s")]
    UnbondingTooShort {
        /// `unbonding`.
        unbonding: u64,
        /// The sum.
        needed: u128,
    },
    /// `unbonding − correlationWindow` is below epoch + overlap + response.
    #[error("unbonding less correlationWindow is {window} s, must be at least {needed} s: lengthen unbonding")]
    EvidenceWindowTooShort {
        /// For how long after its start a term can be judged.
        window: u128,
        /// What that must be at least.
        needed: u128,
    },
    /// `escapeDelay` is not longer than the longest dispute.
    #[error("escapeDelay {escape_delay} s must be longer than the longest dispute, {longest_dispute} s")]
    EscapeTooEarly {
        /// `escapeDelay`.
        escape_delay: u64,
        /// The longest dispute.
        longest_dispute: u128,
    },
    /// One message buys more than an eighth of a block, or too little.
    #[error("maxMessageGas {gas} must be between {least} and {most}")]
    MessageGasOutOfRange {
        /// `maxMessageGas`.
        gas: u64,
        /// The least.
        least: u64,
        /// The most.
        most: u64,
    },
    /// A window does not hold two messages, or holds more than half of what blocks can take.
    #[error("messageWindowGas {gas} must be between {least} and {most}")]
    WindowGasOutOfRange {
        /// `messageWindowGas`.
        gas: u64,
        /// The least.
        least: u128,
        /// The most.
        most: u128,
    },
    /// More than 32 KiB of messages, or no room at all.
    #[error("messageWindowBytes {size} must be between 2 and 32768")]
    WindowBytesOutOfRange {
        /// `messageWindowBytes`.
        size: u64,
    },
    /// `idleWindow` is shorter than `idleLimit`.
    #[error("idleWindow {idle_window} s must not be shorter than idleLimit {idle_limit} s")]
    IdleWindowTooShort {
        /// `idleWindow`.
        idle_window: u64,
        /// `idleLimit`.
        idle_limit: u64,
    },
    /// `unbonding − correlationWindow` is below epoch + grace + maxGap + response.
    #[error(
        "unbonding less correlationWindow is {window} s, must be at least {needed} s to judge idleness: lengthen unbonding"
    )]
    IdleJudgedTooLate {
        /// For how long after its start a term can be judged.
        window: u128,
        /// What that must be at least.
        needed: u128,
    },
    /// A reporter's share is the whole penalty or more.
    #[error("reporterShareBasisPoints {0} must be below 10000")]
    ReporterShareTooHigh(u64),
}

/// 10^9 wei.
const GWEI: U256 = uint!(1_000_000_000_U256);
/// 10^18 wei.
const ETHER: U256 = uint!(1_000_000_000_000_000_000_U256);
/// Seconds.
const DAY: u64 = 86_400;

impl Parameters {
    /// The constants of an L2 chain that begins at `genesis_time` under these parameters; the hash of its genesis, which
    /// follows from them, is left zero.
    pub const fn chain(&self, genesis_time: Seconds) -> ChainParameters {
        ChainParameters {
            rollup: RollupId::new(self.rollup),
            genesis_time,
            genesis_hash: B256::ZERO,
            block_time: Milliseconds::new(self.block_time_millis),
            gas_limit: Gas::new(self.block_gas_limit),
            // 200 ms blocks: a full block lifts the base fee by one part in 250, some 2 % a second.
            base_fee_denominator: 250,
            base_fee_elasticity: 2,
            min_base_fee: 1_000_000,
            l1_base_fee_scalar: 10_000,
            l1_blob_base_fee_scalar: 1_100_000,
            da_footprint_gas_scalar: 10,
        }
    }

    /// A profile's parameters for one rollup on an L1 with this time between blocks, in seconds. (Mainnet's slots are 12 s;
    /// the embedded L1 and anvil are run with 2 s.)
    pub fn of(profile: Profile, rollup: u64) -> Self {
        let common = Self {
            rollup,
            block_time_millis: 200,
            block_gas_limit: 30_000_000,
            slot_time: 2,
            settled_depth: 4,
            // More than a slot: batches go to L1 one a slot, so a backlog must be able to shrink.
            batch_age: 3,
            epoch_length: 60,
            overlap: 30,
            force_delay: 30,
            grace: 15,
            max_gap: 30,
            challenge_period: 30,
            response: 10,
            correlation_window: 60,
            unbonding_margin: 30,
            unbonding: 200,
            escape_delay: 90,
            bond: ETHER.saturating_mul(U256::from(32)),
            max_message_gas: 3_750_000,
            message_window_gas: 500_000_000,
            message_window_bytes: MAX_WINDOW_BYTES,
            message_gas_price: GWEI / U256::from(100),
            message_byte_price: GWEI.saturating_mul(U256::from(25)),
            posting_tip_cap: GWEI.saturating_mul(U256::from(2)),
            reporter_share_basis_points: 500,
            reporter_share_cap: ETHER,
            // Twice 3,000,000 gas at ten times 5 gwei: half of it is for the gas of one side of a game, and both sides of a whole one need 3.3
            // million together.
            claim_bond: ETHER.saturating_mul(U256::from(3)) / U256::from(10),
            idle_limit: 60,
            idle_window: 200,
        };
        match profile {
            Profile::Ci => common,
            Profile::Dev => Self {
                batch_age: 6,
                epoch_length: 120,
                overlap: 40,
                force_delay: 40,
                grace: 30,
                max_gap: 60,
                challenge_period: 120,
                response: 30,
                correlation_window: 300,
                unbonding_margin: 60,
                unbonding: 700,
                escape_delay: 360,
                idle_limit: 240,
                idle_window: 700,
                ..common
            },
            Profile::Production => Self {
                slot_time: 12,
                settled_depth: 64,
                batch_age: 300,
                epoch_length: DAY,
                overlap: 3_600,
                force_delay: 3_600,
                grace: 10_800,
                max_gap: 7_200,
                challenge_period: 552_960,
                response: DAY,
                correlation_window: 7 * DAY,
                unbonding_margin: 6 * DAY,
                unbonding: 28 * DAY,
                escape_delay: 30 * DAY,
                message_window_gas: 60_000_000_000,
                idle_limit: DAY,
                idle_window: 28 * DAY,
                ..common
            },
        }
    }

    /// For how long after its start a term can be judged, in seconds.
    pub const fn evidence_window(&self) -> u64 {
        self.unbonding.saturating_sub(self.correlation_window)
    }

    /// How long after it was frozen a seat is out of the terms that start, in seconds.
    pub const fn freeze_delay(&self) -> u64 {
        self.settled_depth.saturating_mul(self.slot_time)
    }

    /// The penalty of one of `k` seats of a committee of `n` that committed the same fault within the correlation window, in
    /// wei: base + (bond − base) × min(1, (k − 1) / f), f = ⌊(n − 1) / 3⌋, at least 1 (protocol §9).
    pub fn penalty(&self, k: u64, n: u64) -> U256 {
        let others = k.saturating_sub(1);
        let f = (n.saturating_sub(1) / 3).max(1);
        if others >= f {
            return self.bond;
        }
        // Bonds have 96 bits, so the products fit.
        let base = self.bond.saturating_mul(U256::from(BASE_PENALTY_BASIS_POINTS)) / U256::from(10_000);
        let above = self.bond.saturating_sub(base).saturating_mul(U256::from(others)) / U256::from(f);
        base.saturating_add(above)
    }

    /// A reporter's reward for a penalty, in wei: always less than it.
    pub fn reward(&self, penalty: U256) -> U256 {
        let share = penalty.saturating_mul(U256::from(self.reporter_share_basis_points)) / U256::from(10_000);
        share.min(self.reporter_share_cap)
    }

    /// The most that idleness costs a seat in any `idle_window`, in wei; a second costs this divided by `idle_limit`.
    pub fn idle_cap(&self) -> U256 {
        self.bond.saturating_mul(U256::from(IDLE_CAP_BASIS_POINTS)) / U256::from(10_000)
    }

    /// How long after a term's end its idleness can be judged, in seconds.
    pub const fn idle_delay(&self) -> u64 {
        self.grace.saturating_add(self.max_gap)
    }

    /// From a claim to the end of the worst dispute about it.
    pub const fn longest_dispute(&self) -> u128 {
        2 * self.challenge_period as u128
    }

    /// The least that `unbonding` may be.
    pub const fn least_unbonding(&self) -> u128 {
        self.overlap as u128
            + 2 * self.response as u128
            + self.longest_dispute()
            + self.correlation_window as u128
            + self.unbonding_margin as u128
    }

    /// The most that `max_message_gas` may be: half of a block's share for messages. A block that leaves a message out
    /// because it does not fit has then filled more than the other half, an eighth of the block, with messages: so there
    /// always is a number of messages that `postBatch` takes.
    pub const fn most_message_gas(&self) -> u64 {
        self.block_gas_limit / (2 * MESSAGE_SHARE)
    }

    /// The most that `message_window_gas` may be: half of the gas that the blocks of `force_delay` have for messages, less
    /// two L1Infos (a poke's and a post's) for each L1 block of that time and one more. Zero if block or slot time is.
    pub const fn most_window_gas(&self) -> u128 {
        if self.block_time_millis == 0 || self.slot_time == 0 {
            return 0;
        }
        let blocks = self.force_delay as u128 * 1000 / self.block_time_millis as u128;
        // Below 2^74 × 2^62: saturating where Solidity's 256 bits go on changes no verdict, the window has 64 bits.
        let half = blocks.saturating_mul((self.block_gas_limit / MESSAGE_SHARE) as u128) / 2;
        let infos = 2 * (self.force_delay as u128 / self.slot_time as u128 + 1) * L1_INFO_GAS as u128;
        half.saturating_sub(infos)
    }

    /// Whether the parameters fit together; the checks stand in the contract's order.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), ParameterError> {
        self.check_zeros()?;
        if self.bond > U256::from(1u128 << 96) - U256::from(1) {
            return Err(ParameterError::BondTooLarge(self.bond));
        }
        let (gas_limit, most) = (self.block_gas_limit, MAX_BLOCK_GAS_LIMIT.get());
        if gas_limit > most {
            return Err(ParameterError::BlockGasLimitTooHigh { gas_limit, most });
        }
        self.check_sizes()?;
        self.check_times()?;
        self.check_messages()?;
        if self.reporter_share_basis_points >= 10_000 {
            return Err(ParameterError::ReporterShareTooHigh(self.reporter_share_basis_points));
        }
        self.check_idle()
    }

    fn check_idle(&self) -> Result<(), ParameterError> {
        if self.claim_bond.is_zero() {
            return Err(ParameterError::ParameterIsZero("claimBond"));
        }
        if self.idle_limit == 0 {
            return Err(ParameterError::ParameterIsZero("idleLimit"));
        }
        if self.claim_bond >= U256::from(1u128 << 96) {
            return Err(ParameterError::ParameterTooLarge("claimBond"));
        }
        for (name, value) in [("idleLimit", self.idle_limit), ("idleWindow", self.idle_window)] {
            if value >= 1 << 40 {
                return Err(ParameterError::ParameterTooLarge(name));
            }
        }
        let Self { idle_limit, idle_window, .. } = *self;
        if idle_window < idle_limit {
            return Err(ParameterError::IdleWindowTooShort { idle_window, idle_limit });
        }
        let needed = self.epoch_length as u128 + self.idle_delay() as u128 + self.response as u128;
        let window = self.evidence_window() as u128;
        if window < needed {
            return Err(ParameterError::IdleJudgedTooLate { window, needed });
        }
        Ok(())
    }

    fn check_zeros(&self) -> Result<(), ParameterError> {
        let zero = |name, is_zero: bool| if is_zero { Err(ParameterError::ParameterIsZero(name)) } else { Ok(()) };
        zero("rollup", self.rollup == 0)?;
        zero("blockTimeMillis", self.block_time_millis == 0)?;
        zero("blockGasLimit", self.block_gas_limit == 0)?;
        zero("slotTime", self.slot_time == 0)?;
        zero("settledDepth", self.settled_depth == 0)?;
        zero("batchAge", self.batch_age == 0)?;
        zero("challengePeriod", self.challenge_period == 0)?;
        zero("response", self.response == 0)?;
        zero("correlationWindow", self.correlation_window == 0)?;
        zero("grace", self.grace == 0)?;
        zero("bond", self.bond.is_zero())?;
        zero("gasPrice", self.message_gas_price.is_zero())?;
        zero("bytePrice", self.message_byte_price.is_zero())
    }

    fn check_sizes(&self) -> Result<(), ParameterError> {
        let durations = [
            ("blockTimeMillis", self.block_time_millis),
            ("slotTime", self.slot_time),
            ("settledDepth", self.settled_depth),
            ("batchAge", self.batch_age),
            ("epochLength", self.epoch_length),
            ("overlap", self.overlap),
            ("forceDelay", self.force_delay),
            ("grace", self.grace),
            ("maxGap", self.max_gap),
            ("challengePeriod", self.challenge_period),
            ("response", self.response),
            ("correlationWindow", self.correlation_window),
            ("unbondingMargin", self.unbonding_margin),
            ("unbonding", self.unbonding),
            ("escapeDelay", self.escape_delay),
        ];
        let amounts = [
            ("gasPrice", self.message_gas_price),
            ("bytePrice", self.message_byte_price),
            ("postingTipCap", self.posting_tip_cap),
            ("reporterShareCap", self.reporter_share_cap),
        ];
        let duration = durations.iter().find(|(_, value)| *value >= 1 << 40).map(|(name, _)| *name);
        let amount = amounts.iter().find(|(_, value)| *value >= U256::from(1u128 << 96)).map(|(name, _)| *name);
        duration.or(amount).map_or(Ok(()), |name| Err(ParameterError::ParameterTooLarge(name)))
    }

    fn check_times(&self) -> Result<(), ParameterError> {
        let settling = (self.settled_depth as u128).saturating_mul(self.slot_time as u128);
        let twice = settling.saturating_add(self.batch_age as u128).saturating_mul(2);
        if twice >= self.force_delay as u128 {
            return Err(ParameterError::SettlingTakesTooLong { twice, force_delay: self.force_delay });
        }
        let needed = self.force_delay as u128 + 2 * settling + 4 * self.batch_age as u128;
        let twice = 2 * self.overlap as u128;
        if twice < needed {
            return Err(ParameterError::OverlapTooShort { twice, needed });
        }
        if self.overlap >= self.epoch_length {
            return Err(ParameterError::OverlapTooLong { overlap: self.overlap, epoch_length: self.epoch_length });
        }
        let twice = 2 * self.batch_age as u128;
        if twice >= self.max_gap as u128 {
            return Err(ParameterError::BatchAgeTooLong { twice, max_gap: self.max_gap });
        }
        let needed = self.least_unbonding();
        if (self.unbonding as u128) < needed {
            return Err(ParameterError::UnbondingTooShort { unbonding: self.unbonding, needed });
        }
        let longest_dispute = self.longest_dispute();
        if self.escape_delay as u128 <= longest_dispute {
            return Err(ParameterError::EscapeTooEarly { escape_delay: self.escape_delay, longest_dispute });
        }
        let needed = self.epoch_length as u128 + self.overlap as u128 + self.response as u128;
        let window = self.evidence_window() as u128;
        if window < needed {
            return Err(ParameterError::EvidenceWindowTooShort { window, needed });
        }
        Ok(())
    }

    fn check_messages(&self) -> Result<(), ParameterError> {
        let most = self.most_message_gas();
        if !(L1_INFO_GAS..=most).contains(&self.max_message_gas) {
            return Err(ParameterError::MessageGasOutOfRange { gas: self.max_message_gas, least: L1_INFO_GAS, most });
        }
        let least = 2 * self.max_message_gas as u128;
        let most = self.most_window_gas();
        if !(least..=most).contains(&(self.message_window_gas as u128)) {
            return Err(ParameterError::WindowGasOutOfRange { gas: self.message_window_gas, least, most });
        }
        if !(2..=MAX_WINDOW_BYTES).contains(&self.message_window_bytes) {
            return Err(ParameterError::WindowBytesOutOfRange { size: self.message_window_bytes });
        }
        Ok(())
    }
}

macro_rules! same_fields {
    ($($ours:ident: $($theirs:ident).+,)*) => {
        impl From<&Parameters> for ProtocolParameters {
            fn from(p: &Parameters) -> Self {
                let mut to = Self::default();
                $(to.$($theirs).+ = p.$ours;)*
                to
            }
        }
        impl From<ProtocolParameters> for Parameters {
            fn from(p: ProtocolParameters) -> Self {
                Self { $($ours: p.$($theirs).+,)* }
            }
        }
    };
}

same_fields! {
    rollup: rollup,
    block_time_millis: blockTimeMillis,
    block_gas_limit: blockGasLimit,
    slot_time: slotTime,
    settled_depth: settledDepth,
    batch_age: batchAge,
    epoch_length: epochLength,
    overlap: overlap,
    force_delay: forceDelay,
    grace: grace,
    max_gap: maxGap,
    challenge_period: challengePeriod,
    response: response,
    correlation_window: correlationWindow,
    unbonding_margin: unbondingMargin,
    unbonding: unbonding,
    escape_delay: escapeDelay,
    bond: bond,
    max_message_gas: messages.maxGas,
    message_window_gas: messages.windowGas,
    message_window_bytes: messages.windowBytes,
    message_gas_price: messages.gasPrice,
    message_byte_price: messages.bytePrice,
    posting_tip_cap: postingTipCap,
    reporter_share_basis_points: reporterShareBasisPoints,
    reporter_share_cap: reporterShareCap,
    claim_bond: claimBond,
    idle_limit: idle.limit,
    idle_window: idle.window,
}

#[cfg(test)]
mod tests;
