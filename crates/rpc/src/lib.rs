//! Answer users: `eth`, `net`, `web3`, `debug`, `txpool`, `surety` over one backend trait, HTTP and WebSocket.
//!
//! [`serve`] starts a JSON-RPC server over a [`Backend`]; the same code answers for the L2 and for the embedded L1. Where
//! the chains differ, the answer does: L2 receipts carry the OP Stack's L1 fee fields, L1 takes blob transactions.
//!
//! | module | holds |
//! |---|---|
//! | [`backend`] | what a node must offer |
//! | [`chain`], [`pool`] | a backend and a pool for chains with one block maker |
//! | [`server`] | limits, listening, stopping |
//! | [`feed`], [`client`] | final blocks and evidence for whoever wants them; and how to read another node's |
//! | [`error`] | codes and texts of failures |
//! | `eth`, `net`, `web3`, `debug`, `txpool`, `surety` | the methods |
//! | `params`, `json` | how arguments are read and answers written |
//! | `rules`, `history` | what is asked of the chain's rules and of the store |
//!
//! What callers can rely on: errors have the codes and, where wallets look at them, the texts of geth; everything is
//! bounded (requests, answers, batches, subscriptions, filters, gas, time); nothing is signed here and no key is held.

pub mod backend;
pub mod chain;
pub mod client;
pub mod error;
pub mod feed;
pub mod pool;
pub mod server;

mod context;
mod debug;
mod eth;
mod history;
mod json;
mod l1_fees;
mod metrics;
mod net;
mod params;
mod rules;
mod surety;
mod trace;
mod txpool;
mod web3;

pub use backend::{
    Backend, Finality, FinalityLevel, HeadChange, PoolContent, Submission, SubmitError, SyncStatus, Tags,
};
pub use chain::{ChainBackend, ChainBackendParts};
pub use feed::{CertifiedBlock, Feed, FinalizationCertificate};
pub use server::{Config, ServeError, Server, serve, serve_with};
pub use surety_state::{BlockRef, StoredBlock};
pub use surety_stf::execute::simulate::ChainKind;
