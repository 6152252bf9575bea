//! What a vote key has signed, as JSON, to move a seat to another machine (in the spirit of EIP-3076).
//!
//! ```json
//! { "version": 2, "domainSeparator": "0x…", "address": "0x…", "records": [
//!   { "kind": "floor", "rollup": 1, "term": 3 },
//!   { "kind": "notarize", "rollup": 1, "term": 3, "genesis": "0x…", "view": 7, "parentView": 6, "blockHash": "0x…" } ] }
//! ```
//!
//! Numbers are JSON numbers, hashes hex. `surety journal export` and `import` read and write it.
//!
//! # The rules of EIP-3076, for our kinds of message
//!
//! | there | here |
//! |---|---|
//! | a file is of one chain (`genesis_validators_root`), each entry of one key | a file is of one domain and one key; another's is refused |
//! | no second block at a slot with another signing root | no second `Notarize`, `Finalize` at a view with another block or parent; no `Finalize` beside a `Nullify` of its view |
//! | no second attestation to a target with other data | no second `Batch` of a last height with another hash, or of a range with another root; no second `Receipt` of a place |
//! | no attestation that surrounds or is surrounded | – : no statement of ours covers a range |
//! | nothing below the lowest message of the file, which may be cut off there | nothing of a term below a floor, nothing far below the highest view: a file is cut off there and nowhere else |
//! | the same message may be signed again | likewise, and yields the same bytes |
//! | importing merges; what contradicts must not make more signable | importing merges; what contradicts stays out, is counted, and ends with an error |
//!
//! The journal is what the EIP calls complete: it keeps every message, not only the newest.

use super::{
    journal::{Journal, JournalError},
    rules::{At, Entry, Refusal},
};
use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};
use std::path::Path;
use surety_types::signing::Domain;

const VERSION: u32 = 2;

/// A journal's content, for another machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Interchange {
    version: u32,
    domain_separator: B256,
    address: Address,
    records: Vec<Record>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
enum Record {
    Notarize {
        rollup: u64,
        term: u64,
        genesis: B256,
        view: u64,
        parent_view: u64,
        block_hash: B256,
    },
    Finalize {
        rollup: u64,
        term: u64,
        genesis: B256,
        view: u64,
        parent_view: u64,
        block_hash: B256,
    },
    Nullify {
        rollup: u64,
        term: u64,
        genesis: B256,
        view: u64,
    },
    Batch {
        rollup: u64,
        term: u64,
        genesis: B256,
        first_height: u64,
        last_height: u64,
        last_hash: B256,
        block_hash_root: B256,
    },
    Receipt {
        rollup: u64,
        term: u64,
        genesis: B256,
        view: u64,
        index: u64,
        height: u64,
        tx_hash: B256,
    },
    Floor {
        rollup: u64,
        term: u64,
    },
}

/// An import that was not (wholly) taken up.
#[derive(Debug, thiserror::Error)]
pub enum InterchangeError {
    /// Not a format that this software reads.
    #[error("interchange version {0} is not known here; use a newer version of this software")]
    Version(u32),
    /// Exported for another key or committee.
    #[error("the export is of another vote key or committee")]
    Foreign,
    /// The two histories contradict each other: the key has signed twice already.
    #[error("{} imported records contradict this journal (first: {}); do not sign with this key", .0.len(), .0.first().map(ToString::to_string).unwrap_or_default())]
    Conflicts(Vec<Refusal>),
    /// The journal could not be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Interchange {
    /// Everything that a journal of this key under this domain holds.
    ///
    /// # Errors
    /// [`JournalError::Foreign`] if it is another's.
    pub fn export(journal: &Journal, domain: &Domain, address: Address) -> Result<Self, JournalError> {
        journal.check_owner(domain, address)?;
        Ok(Self::of(journal))
    }

    /// Everything that a journal holds, whosever it is.
    pub fn of(journal: &Journal) -> Self {
        let (domain_separator, address) = journal.owner();
        let records = journal.entries().into_iter().map(Record::from).collect();
        Self { version: VERSION, domain_separator, address, records }
    }

    /// How many records there are.
    pub const fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether nothing was signed.
    pub const fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The vote key's address.
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Adds the records to the journal at a path, which is made if it is not there.
    ///
    /// # Errors
    /// As [`Self::import`].
    pub fn import_at(&self, path: &Path) -> Result<(), InterchangeError> {
        self.check_version()?;
        let journal = Journal::open_for(path, &self.domain_separator, self.address)?;
        self.add_to(&journal)
    }

    const fn check_version(&self) -> Result<(), InterchangeError> {
        if self.version == VERSION { Ok(()) } else { Err(InterchangeError::Version(self.version)) }
    }

    /// Adds the records to a journal, which then refuses whatever contradicts them.
    ///
    /// # Errors
    /// See [`InterchangeError`]. On [`InterchangeError::Conflicts`] the records without conflict have been added.
    pub fn import(&self, journal: &Journal, domain: &Domain, address: Address) -> Result<(), InterchangeError> {
        self.check_version()?;
        if self.domain_separator != domain.separator() || self.address != address {
            return Err(InterchangeError::Foreign);
        }
        journal.check_owner(domain, address)?;
        self.add_to(journal)
    }

    fn add_to(&self, journal: &Journal) -> Result<(), InterchangeError> {
        let entries: Vec<Entry> = self.records.iter().map(Entry::from).collect();
        let refusals = journal.import(&entries)?;
        if refusals.is_empty() { Ok(()) } else { Err(InterchangeError::Conflicts(refusals)) }
    }
}

impl From<Entry> for Record {
    fn from(entry: Entry) -> Self {
        match entry {
            Entry::Notarize { at: At { rollup, term, genesis }, view, parent, hash } => {
                Self::Notarize { rollup, term, genesis, view, parent_view: parent, block_hash: hash }
            }
            Entry::Finalize { at: At { rollup, term, genesis }, view, parent, hash } => {
                Self::Finalize { rollup, term, genesis, view, parent_view: parent, block_hash: hash }
            }
            Entry::Nullify { at: At { rollup, term, genesis }, view } => Self::Nullify { rollup, term, genesis, view },
            Entry::Batch { at: At { rollup, term, genesis }, first_height, last_height, last_hash, root } => {
                Self::Batch { rollup, term, genesis, first_height, last_height, last_hash, block_hash_root: root }
            }
            Entry::Receipt { at: At { rollup, term, genesis }, view, index, height, tx } => {
                Self::Receipt { rollup, term, genesis, view, index, height, tx_hash: tx }
            }
            Entry::Floor { rollup, term } => Self::Floor { rollup, term },
        }
    }
}

impl From<&Record> for Entry {
    fn from(record: &Record) -> Self {
        match *record {
            Record::Notarize { rollup, term, genesis, view, parent_view, block_hash } => {
                Self::Notarize { at: At { rollup, term, genesis }, view, parent: parent_view, hash: block_hash }
            }
            Record::Finalize { rollup, term, genesis, view, parent_view, block_hash } => {
                Self::Finalize { at: At { rollup, term, genesis }, view, parent: parent_view, hash: block_hash }
            }
            Record::Nullify { rollup, term, genesis, view } => Self::Nullify { at: At { rollup, term, genesis }, view },
            Record::Batch { rollup, term, genesis, first_height, last_height, last_hash, block_hash_root: root } => {
                Self::Batch { at: At { rollup, term, genesis }, first_height, last_height, last_hash, root }
            }
            Record::Receipt { rollup, term, genesis, view, index, height, tx_hash } => {
                Self::Receipt { at: At { rollup, term, genesis }, view, index, height, tx: tx_hash }
            }
            Record::Floor { rollup, term } => Self::Floor { rollup, term },
        }
    }
}
