//! Prove a block right: host, witness, zkVM backend.
//!
//! | module | holds |
//! |---|---|
//! | [`program`] | the program that L1 judges, as it was compiled, and running it over a witness |
//! | [`host`] | what a program is given while it runs: values by key, hints |
//!
//! A zkVM's prover comes with a later step.

pub mod host;
pub mod program;

pub use host::{Host, HostError};
pub use program::{Ended, Program};
