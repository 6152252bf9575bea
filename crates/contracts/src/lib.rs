//! contracts
pub mod genesis;
