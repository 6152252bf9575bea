//! What can go wrong, and what to do about it.

use alloy_primitives::B256;

/// An error of the store. None of them changes what is stored: a failed write leaves the last commit as it was.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The database engine failed. Stop writing; check the disk and its free space, then restart.
    #[error("the database failed: {0}; check the disk and its free space, then restart")]
    Database(String),
    /// The directory cannot be used.
    #[error("cannot use the data directory {path}: {reason}")]
    Directory {
        /// The directory.
        path: String,
        /// What the system says.
        reason: String,
    },
    /// Another process has the directory open.
    #[error("the data directory {0} is in use by another process; stop it, or choose another directory")]
    InUse(String),
    /// The directory holds a chain with another genesis.
    #[error(
        "the data directory holds a chain with genesis {found}, not {expected}; choose another directory, or remove this one"
    )]
    OtherChain {
        /// Genesis hash found.
        found: B256,
        /// Genesis hash asked for.
        expected: B256,
    },
    /// The directory was written by another version of this format.
    #[error("the data directory has format {found}, this program reads {expected}; resync into a new directory")]
    Format {
        /// Format found.
        found: u64,
        /// Format of this program.
        expected: u64,
    },
    /// Something stored does not read back. The directory is damaged: resync into a new one.
    #[error("the database is damaged: {0}; resync into a new directory")]
    Corrupt(&'static str),
    /// The parent is neither in memory nor the committed head: insert the parent first.
    #[error("block {block} has an unknown parent {parent}; insert the parent first")]
    UnknownParent {
        /// The block.
        block: B256,
        /// Its parent.
        parent: B256,
    },
    /// The block is not known, or was dropped with a side branch.
    #[error("block {0} is not known here")]
    UnknownBlock(B256),
    /// No canonical block has this number.
    #[error("there is no block {0} here")]
    UnknownNumber(u64),
    /// The block's number does not follow its parent's.
    #[error("block number {found} does not follow its parent's; expected {expected}")]
    Number {
        /// Number found.
        found: u64,
        /// Number expected.
        expected: u64,
    },
    /// The state is older than the history that is kept.
    #[error("the state of block {number} is pruned; the oldest kept is that of block {oldest}")]
    Pruned {
        /// Block asked for.
        number: u64,
        /// Oldest block whose state is kept.
        oldest: u64,
    },
    /// The trie updates do not belong to the header. The block was executed wrongly or not by its parent's view.
    #[error("the header commits to state root {header}, the updates to {updates}")]
    StateRoot {
        /// Root in the header.
        header: B256,
        /// Root of the updates.
        updates: B256,
    },
    /// The parts of an executed block do not fit together.
    #[error("an executed block does not fit together: {0}")]
    Malformed(&'static str),
    /// More logs than the caller allowed: ask for a smaller range.
    #[error("more than {0} logs match; ask for a smaller range of blocks")]
    TooManyLogs(usize),
    /// A range of blocks larger than the caller allowed.
    #[error("the range holds {blocks} blocks, more than {limit}; ask for a smaller one")]
    RangeTooLarge {
        /// Blocks in the range.
        blocks: u64,
        /// Most that are allowed.
        limit: u64,
    },
}

/// Results of the store.
pub type Result<T> = core::result::Result<T, Error>;
