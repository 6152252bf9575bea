//! Remember it: flat state, trie, blocks, receipts, pruning, witness recording.
//!
//! One [`Store`] holds one chain (the rollup, or the embedded L1). The specification of each part is in its module:
//!
//! | module | says |
//! |---|---|
//! | [`store`] | how blocks come in, become durable, and are taken back |
//! | [`view`] | the state after one block |
//! | [`root`], `trie` | how roots follow from changes |
//! | [`proof`], [`witness`] | how others can check what a state holds |
//! | [`read`] | blocks, transactions, logs |
//! | `commit`, `encoding`, `db` | what is written, and how |
//! | `tree`, `layer`, [`cache`] | what is in memory |
//! | [`metrics`] | what is measured |

pub mod cache;
mod commit;
mod db;
mod encoding;
pub mod error;
mod layer;
pub mod metrics;
pub mod proof;
pub mod read;
pub mod root;
pub mod store;
mod tree;
mod trie;
pub mod view;
pub mod witness;

pub use cache::CacheSizes;
pub use db::BlockRef;
pub use error::{Error, Result};
pub use proof::{AccountProof, StorageProof};
pub use read::{LogEntry, LogFilter, LogLimits, TransactionPlace};
pub use root::{Roots, TrieUpdates};
pub use store::{Config, ExecutedBlock, Genesis, MAX_AUX_BYTES, Store, StoredBlock, Tag};
pub use view::View;
pub use witness::{Recorder, Witness};

// The tests' model is written against the crate's public name.
#[cfg(test)]
extern crate self as surety_state;
#[cfg(test)]
mod tests;
