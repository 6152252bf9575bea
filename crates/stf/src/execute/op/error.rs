//! Why a payload was not executed.

use crate::execute::{PushError, Refusal};
use alloc::string::String;
use surety_types::MessageIndex;

/// Why a block was not executed.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError<E: core::error::Error> {
    /// The state could not be read. Retry, or repair the database; it says nothing about the block.
    #[error("the state could not be read: {0}")]
    Reader(E),
    /// The engine failed for a reason that is not the block's. Nothing known causes it; treat it like
    /// [`ExecuteError::Reader`].
    #[error("the engine failed: {0}")]
    Engine(String),
    /// The messages do not follow the consumed position. Give the next unconsumed ones.
    #[error("message {found} is given where message {expected} is next: give the messages after the consumed position")]
    MessageOrder {
        /// The next unconsumed one.
        expected: MessageIndex,
        /// The one given.
        found: MessageIndex,
    },
    /// The gas limits of the messages exceed what a block holds. Give fewer.
    #[error("the messages' gas limits come to more than the {room} gas that a block has for them: give fewer messages")]
    MessageGas {
        /// What a block has.
        room: u64,
    },
    /// The parent has the greatest number there is, or its header is not one of this chain.
    #[error("the parent cannot have a child: {0}")]
    Parent(&'static str),
    /// A transaction of the sequencers' list has no place in the block, so the block is invalid.
    #[error("transaction {index} of the list is not valid here: {refusal}")]
    Transaction {
        /// Place in the sequencers' list.
        index: usize,
        /// Why.
        refusal: Refusal,
    },
}

/// Messages and system calls are never refused, so a refusal here is a failure of the engine (or of the reader in a
/// system call, which reports it as text).
pub(super) fn machine_only<E: core::error::Error>(error: PushError<E>) -> ExecuteError<E> {
    match error {
        PushError::Reader(e) => ExecuteError::Reader(e),
        PushError::Engine(text) => ExecuteError::Engine(text),
        PushError::Refused(refusal) => {
            ExecuteError::Engine(alloc::format!("a system call or a message was refused: {refusal}"))
        }
    }
}
