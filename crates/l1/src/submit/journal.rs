//! What a submitter must remember across a crash: its transactions that are not final, and what it spent today.
//!
//! `<nonce>.json` holds the latest signed form of the transaction (with its blobs, so that it can be sent again and replaced)
//! and the hashes of all forms that were sent; it is written and synced *before* the transaction leaves. `spent.json` holds the
//! day and the fees.

use super::transaction::{Envelope, decode, encode};
use crate::{L1Error, blobs::write_whole};
use alloy::consensus::Transaction as _;
use alloy_primitives::{B256, Bytes, U256};
use serde::{Deserialize, Serialize};
use std::{fs, io, path::PathBuf};

/// Longer files are no journal entries of ours: six blobs are 1.6 MB of hexadecimal.
const MAX_ENTRY: u64 = 64 << 20;

#[derive(Serialize, Deserialize)]
struct Entry {
    raw: Bytes,
    hashes: Vec<B256>,
}

/// Transactions in their latest form, with the hashes of all forms.
pub(super) type Entries = Vec<(Envelope, Vec<B256>)>;

/// Fees of one day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Spent {
    /// Days since 1970.
    pub(super) day: u64,
    /// Wei.
    pub(super) wei: U256,
}

/// A directory with one file a transaction.
#[derive(Debug)]
pub(super) struct Journal {
    directory: PathBuf,
}

impl Journal {
    /// Opens or makes it; returns what it holds, in order of nonce.
    pub(super) fn open(directory: PathBuf) -> Result<(Self, Entries, Spent), L1Error> {
        let journal = Self { directory };
        let what = format!("opening the transaction journal {}", journal.directory.display());
        let disk = |e: io::Error| L1Error::disk(&what, &e);
        let damaged = |path: &std::path::Path| {
            L1Error::disk(&what, &io::Error::other(format!("{} is damaged: move it away", path.display())))
        };
        fs::create_dir_all(&journal.directory).map_err(disk)?;
        let mut entries = Vec::new();
        for file in fs::read_dir(&journal.directory).map_err(disk)? {
            let path = file.map_err(disk)?.path();
            let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let is_entry = path.extension().is_some_and(|e| e == "json") && name.parse::<u64>().is_ok();
            if !is_entry {
                continue;
            }
            if fs::metadata(&path).map_err(disk)?.len() > MAX_ENTRY {
                return Err(damaged(&path));
            }
            let entry: Entry = serde_json::from_slice(&fs::read(&path).map_err(disk)?).map_err(|_| damaged(&path))?;
            let envelope = decode(&entry.raw).ok_or_else(|| damaged(&path))?;
            entries.push((envelope, entry.hashes));
        }
        entries.sort_by_key(|(envelope, _)| envelope.nonce());
        let spent_path = journal.directory.join("spent.json");
        let spent = match fs::read(&spent_path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| damaged(&spent_path))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Spent::default(),
            Err(error) => return Err(disk(error)),
        };
        Ok((journal, entries, spent))
    }

    /// Notes a transaction, durably.
    pub(super) fn put(&self, envelope: &Envelope, hashes: &[B256]) -> Result<(), L1Error> {
        let entry = Entry { raw: encode(envelope).into(), hashes: hashes.to_vec() };
        self.write(&format!("{}.json", envelope.nonce()), &entry)
    }

    /// Forgets a transaction.
    pub(super) fn remove(&self, nonce: u64) -> Result<(), L1Error> {
        match fs::remove_file(self.directory.join(format!("{nonce}.json"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(L1Error::disk("removing a journal entry", &error))
            }
            _ => Ok(()),
        }
    }

    /// Notes what was spent.
    pub(super) fn put_spent(&self, spent: &Spent) -> Result<(), L1Error> {
        self.write("spent.json", spent)
    }

    fn write(&self, name: &str, value: &impl Serialize) -> Result<(), L1Error> {
        let bytes =
            serde_json::to_vec(value).map_err(|e| L1Error::disk("writing a journal entry", &io::Error::other(e)))?;
        write_whole(&self.directory.join(name), &bytes).map_err(|e| L1Error::disk("writing a journal entry", &e))
    }
}
