//! What an L2 block is made of before it is executed.
//!
//! Derivation makes payloads from L1 data, a leader makes them from its pool, and execution turns a parent and a payload
//! into a block. Everything else in a header follows from the parent, the chain parameters and the result.

use alloc::vec::Vec;
use alloy_primitives::{Address, B256};
use surety_types::{ChainParameters, ConsensusContext, Header, Message, Milliseconds, RollupId, Seconds, Transaction};

/// The ingredients of one L2 block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// Consensus context; `None` for a default block, whose context root is zero.
    pub context: Option<ConsensusContext>,
    /// Time in milliseconds; the header shows whole seconds. Equals the context's where there is one.
    pub milliseconds: Milliseconds,
    /// Who receives the priority fees.
    pub beneficiary: Address,
    /// Messages consumed, in the order of the inbox, the next unconsumed one first.
    pub messages: Vec<Message>,
    /// The sequencers' list: types 0, 1, 2 and 4.
    pub transactions: Vec<Transaction>,
}

impl Payload {
    /// The header's `parentBeaconBlockRoot`.
    pub fn context_root(&self) -> B256 {
        self.context.map(|c| c.root()).unwrap_or_default()
    }

    /// The header's timestamp.
    pub const fn timestamp(&self) -> Seconds {
        self.milliseconds.to_seconds()
    }
}

/// The time of a block as its child sees it: that of its context or, for a default block, its whole seconds (a default
/// header commits to nothing finer).
pub fn parent_milliseconds(parent: &Header, context: Option<&ConsensusContext>) -> Milliseconds {
    context.map_or_else(|| Seconds::new(parent.timestamp).to_milliseconds(), |c| c.milliseconds)
}

/// Why a payload cannot stand on its parent. Derivation answers with a default block, a seat with a vote against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// The block comes too early after its parent.
    #[error("block time {time} ms is less than one block time after its parent's {parent} ms")]
    TooEarly {
        /// Time of the block.
        time: Milliseconds,
        /// Time of its parent.
        parent: Milliseconds,
    },
    /// The context is not for this rollup or not for this time.
    #[error("the consensus context names rollup {rollup} and {milliseconds} ms, which are not the block's")]
    ForeignContext {
        /// The context's rollup.
        rollup: RollupId,
        /// The context's time.
        milliseconds: Milliseconds,
    },
}

/// Checks a payload's time and context against its parent: its time as [`parent_milliseconds`] gives it.
///
/// A payload without context is a default block. Its time is whole seconds and need only not run backwards in seconds:
/// its parent may have come later within the same second, and `lastBlockTime` may be that second.
///
/// # Errors
/// See [`PayloadError`].
pub fn check(parameters: &ChainParameters, parent: Milliseconds, payload: &Payload) -> Result<(), PayloadError> {
    let too_early = match payload.context {
        Some(_) => {
            parent.checked_add(parameters.block_time.get()).is_none_or(|earliest| payload.milliseconds < earliest)
        }
        None => payload.timestamp() < parent.to_seconds(),
    };
    if too_early {
        return Err(PayloadError::TooEarly { time: payload.milliseconds, parent });
    }
    match payload.context {
        Some(c) if c.rollup != parameters.rollup || c.milliseconds != payload.milliseconds => {
            Err(PayloadError::ForeignContext { rollup: c.rollup, milliseconds: c.milliseconds })
        }
        _ => Ok(()),
    }
}
