//! Prove a block right: host, witness, zkVM backend.
//!
//! | module | holds |
//! |---|---|
//! | [`program`] | the program that L1 judges, as it was compiled, and running it over a witness |
//! | [`witness`] | everything that the program asks for a block, from a node's database |
//! | [`host`] | what a program is given while it runs: values by key, hints |
//!
//! A zkVM's prover comes with a later step.

pub mod host;
pub mod program;
pub mod witness;

pub use host::{Host, HostError};
pub use program::{Ended, Program};
pub use witness::{BlobProofs, PostedBatch, RecordError, Witnesses};
