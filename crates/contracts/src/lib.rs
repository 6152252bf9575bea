//! Speak to the contracts: bindings, deployment plan.
//!
//! Everything here is data: what to send and how to read what comes back. Who sends it is `surety-l1`.
//!
//! | module | holds |
//! |---|---|
//! | [`bindings`] | calls, events, structs and errors of the contracts, from the committed artifacts |
//! | [`chain_file`] | what a node must be told to follow a chain |
//! | [`parameters`] | what L1 enforces (protocol §14): three profiles, and the contracts' own arithmetic |
//! | [`deploy`] | the transactions that put a rollup on L1, and where its contracts will be |
//! | [`registration`] | what a seat publishes to be registered |
//! | [`genesis`] | the accounts of the L2 genesis: predeploys, system contracts, pre-installs; their bindings; withdrawals |
//! | [`revert`] | what a contract's refusal means |

pub mod bindings;
pub mod chain_file;
pub mod deploy;
pub mod genesis;
pub mod parameters;
pub mod registration;
pub mod revert;

pub use chain_file::{CHAIN_FILE_VERSION, ChainFile, ChainFileError};
pub use deploy::{Addresses, Counterparts, DeployPlan, FoundingSeat};
pub use parameters::{Parameters, Profile};
pub use registration::{Registration, RegistrationError};
pub use revert::describe_revert;
