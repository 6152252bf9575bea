//! A whole network in one process: embedded L1, sequencers, follower, watcher, load, misbehaviour on demand.
//!
//! | module | is |
//! |---|---|
//! | [`l1`] | an Ethereum node of our own, to develop and test against |
//! | [`deploy`] | a rollup's contracts onto any L1, and its chain file |
//! | [`network`] | all of it together |
//! | [`pace`] | a network whose time its owner moves |
//! | [`processes`] | seats as processes of their own, which can be killed |
//! | [`drill`] | a network in which a seat does wrong, and what becomes of it |
//! | [`evm`] | contracts alone, without blocks or servers |
//! | [`referee`] | the contracts that judge one step of the machine, in such a state |

pub mod court;
pub mod deploy;
pub mod drill;
pub mod evm;
pub mod l1;
pub mod network;
pub mod pace;
mod ports;
pub mod processes;
pub mod referee;
