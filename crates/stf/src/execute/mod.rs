//! Execution: from a parent, its state and the content of a block to the receipts and the changes of the state.
//!
//! | module | executes |
//! |---|---|
//! | [`op`] | L2 blocks, by the OP Stack's rules (spec Karst) |
//! | [`blob`] | nothing, but asks the EVM's pairing whether a blob is the one with its hash |
//! | [`crypto`] | the program's cryptography, for alloy and revm |
//! | `ethereum` | L1 blocks of any fork from Frontier to Osaka, for the embedded L1 (std only) |
//! | `simulate` | single calls on either chain, with overrides and inspectors, for the RPC server (std only) |
//! | [`overlay`] | how the EVM sees a [`StateReader`](crate::StateReader), and what a block changed in it |
//! | [`recover`](mod@recover) | senders from signatures, many at a time |
//!
//! This is the only room that knows revm. State roots are not computed here: callers hand the changes to their trie
//! and the root to the seal.

pub mod blob;
pub mod crypto;
mod error;
#[cfg(feature = "std")]
pub mod ethereum;
pub mod op;
pub mod overlay;
pub mod recover;
#[cfg(all(feature = "std", feature = "simulate"))]
pub mod simulate;

pub use error::{PushError, Refusal, When};
pub use overlay::{Overlay, ReaderError};
pub use recover::recover;

/// What a transaction did, in short; its receipt is the last of the block executor's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PushOutcome {
    /// Its place in the block (the `index` of signed receipts and of `transactionsRoot`).
    pub index: u64,
    /// Whether it succeeded.
    pub success: bool,
    /// Gas that it used.
    pub gas_used: u64,
}
