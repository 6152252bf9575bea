//! Everything that was judged, and why: `audit.jsonl`, one JSON object a line, synced before it is acted on.
//!
//! Every line has `time` (Unix milliseconds), `l1Block` (the head then), and `what`, which says what the rest is:
//!
//! | `what` | when |
//! |---|---|
//! | `found` | two statements of one key contradict each other (both are in the line), or L1 counts idle seconds against a seat |
//! | `acquitted` | others of its committee were idle in this term, this seat was not, and why |
//! | `judged` | the fault's contract found guilt |
//! | `refused` | it did not, or it cannot be reported, and why |
//! | `estimated` | reward and cost, and what follows from them |
//! | `sent` | the report left |
//! | `slashed` | L1 has the penalty: by this watchtower's report, or by another's |
//! | `lost` | another report was first and this one reverted |
//! | `failed` | an attempt that will be repeated |
//! | `reopened` | a reorg took the penalty back |

use crate::{
    estimate::Estimate,
    faults::{Evidence, Fault},
};
use alloy_primitives::{Address, B256, U256};
use parking_lot::Mutex;
use serde::Serialize;
use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::sync::broadcast;

/// The disk failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}: {cause}; check the data directory", path.display())]
pub struct DiskError {
    what: &'static str,
    path: PathBuf,
    #[source]
    cause: io::Error,
}

impl DiskError {
    pub(crate) fn new(what: &'static str, path: &Path, cause: io::Error) -> Self {
        Self { what, path: path.to_owned(), cause }
    }
}

/// Which case a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// The fault.
    pub fault: Fault,
    /// The seat.
    pub seat: u64,
    /// The vote key that signed; of faults that nobody signed, the seat's on the term's committee.
    pub signer: Address,
    /// The term of the fault.
    pub term: u64,
}

/// What happened to a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Happened {
    /// Something that looks like guilt.
    Found {
        /// What shows it.
        evidence: Evidence,
    },
    /// Others were idle, not this seat.
    Acquitted {
        /// Why.
        why: &'static str,
        /// Seconds that count against those who attended to nothing.
        seconds: u64,
    },
    /// The fault's contract found guilt.
    Judged {
        /// What the penalty would be now, in wei.
        penalty: U256,
    },
    /// There is nothing to report.
    Refused {
        /// The contract's words.
        why: String,
    },
    /// Reward and cost were weighed.
    Estimated {
        /// The figures.
        #[serde(flatten)]
        estimate: Estimate,
        /// What the report costs, in wei.
        cost: U256,
        /// What follows.
        decision: &'static str,
    },
    /// The report left.
    Sent {
        /// Nonce of the transaction.
        nonce: u64,
    },
    /// L1 has the penalty.
    Slashed {
        /// Whether this watchtower's report did it.
        own: bool,
        /// The transaction, if it is known.
        transaction: Option<B256>,
        /// Gas that it used, if it is ours.
        gas_used: Option<u64>,
        /// Block of L1.
        block: u64,
    },
    /// Another report was first; ours reverted.
    Lost {
        /// Our transaction.
        transaction: B256,
        /// What it cost, in wei.
        fee: u128,
    },
    /// Something failed; it is tried again.
    Failed {
        /// Why.
        why: String,
    },
    /// A reorg took the penalty back.
    Reopened {},
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Unix milliseconds by this machine's clock.
    pub time: u64,
    /// L1's head as far as it was read.
    pub l1_block: u64,
    /// The case.
    #[serde(flatten)]
    pub about: About,
    /// What happened.
    #[serde(flatten)]
    pub happened: Happened,
}

/// The log, and those who listen.
#[derive(Debug)]
pub(crate) struct Audit {
    path: PathBuf,
    file: Mutex<File>,
    listeners: broadcast::Sender<Entry>,
}

/// Unix milliseconds.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Audit {
    pub(crate) fn open(path: PathBuf) -> Result<Self, DiskError> {
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = Mutex::new(file.map_err(|cause| DiskError::new("open the audit log", &path, cause))?);
        Ok(Self { path, file, listeners: broadcast::Sender::new(1_024) })
    }

    pub(crate) fn listen(&self) -> broadcast::Receiver<Entry> {
        self.listeners.subscribe()
    }

    /// Writes a line and tells those who listen.
    pub(crate) fn note(&self, l1_block: u64, about: About, happened: Happened) -> Result<(), DiskError> {
        let entry = Entry { time: now(), l1_block, about, happened };
        let disk = |cause| DiskError::new("write the audit log", &self.path, cause);
        let mut text = serde_json::to_vec(&entry).map_err(|e| disk(e.into()))?;
        text.push(b'\n');
        {
            let mut file = self.file.lock();
            file.write_all(&text).and_then(|()| file.sync_data()).map_err(disk)?;
        }
        // Nobody listening is no error.
        let _ = self.listeners.send(entry);
        Ok(())
    }
}
