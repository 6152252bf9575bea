//! Name the things: units, blocks, batches, votes, receipts, claims, evidence, chain parameters, signing domains.
//!
//! Everything that two rooms of the house (or a contract and the node) must agree on has its type here, with its
//! exact encoding. Nothing here decides anything: `surety-stf` does.
//!
//! | module | holds |
//! |---|---|
//! | [`units`] | heights, views, terms, times: numbers that cannot be mixed up |
//! | [`transaction`], [`receipt`], [`block`] | what blocks are made of, on L1 and L2 alike |
//! | [`context`] | the consensus context that a header commits to |
//! | [`message`] | L1 → L2 messages and their accumulator |
//! | [`signing`] | every signed struct (EIP-712), signatures, signer bitmaps |
//! | [`evidence`] | two contradicting statements of one key, as L1 takes them |
//! | [`claim`] | block hash trees, claim ids, inbox tips, data hashes |
//! | [`state`] | accounts and the changes that a block makes to them |
//! | [`parameters`] | the constants of one chain |
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::panic
    )
)]

extern crate alloc;

pub mod block;
pub mod claim;
pub mod context;
pub mod evidence;
pub mod message;
pub mod parameters;
pub mod predeploys;
pub mod receipt;
pub mod signing;
pub mod state;
pub mod transaction;
pub mod units;

pub use block::{Block, Header};
pub use context::ConsensusContext;
pub use message::{Message, MessageKind};
pub use parameters::ChainParameters;
pub use receipt::Receipt;
pub use state::{Account, AccountChange, StateChanges};
pub use transaction::{Recovered, Transaction};
pub use units::{
    BatchIndex, Epoch, Gas, L1Height, L2Height, MessageIndex, Milliseconds, RollupId, Seconds, Term, View,
};
