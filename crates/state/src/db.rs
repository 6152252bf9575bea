//! The database engine (MDBX) behind a few verbs: tables, snapshots that never move, one writer with synced commits.

use crate::error::{Error, Result};
use alloy_primitives::B256;
use signet_libmdbx::{
    Database, DatabaseFlags, Environment, EnvironmentFlags, Geometry, MdbxError, Mode, ReadError, SyncMode, WriteFlags,
    tx::aliases::{RoTxSync, RwTxUnsync},
};
use std::{borrow::Cow, fs, path::Path};

/// The tables. Keys and values are those of [`crate::encoding`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Table {
    /// Address → account record.
    Accounts,
    /// Address, slot → value.
    Storage,
    /// Node key → RLP of a trie node.
    Nodes,
    /// Code hash → code.
    Codes,
    /// Tag of a table, its key, height → the value before that height's block (empty: none).
    History,
    /// Height → tags and keys of what that block changed, each behind its length in one byte.
    Undo,
    /// Height → hash and header.
    Headers,
    /// Height → body.
    Bodies,
    /// Height → receipts.
    Receipts,
    /// Height → the caller's bytes.
    Aux,
    /// Block hash → height.
    Numbers,
    /// Transaction hash → height, index (4 bytes).
    Transactions,
    /// Name → value.
    Meta,
}

impl Table {
    const ALL: [(Self, &'static str); 13] = [
        (Self::Accounts, "accounts"),
        (Self::Storage, "storage"),
        (Self::Nodes, "nodes"),
        (Self::Codes, "codes"),
        (Self::History, "history"),
        (Self::Undo, "undo"),
        (Self::Headers, "headers"),
        (Self::Bodies, "bodies"),
        (Self::Receipts, "receipts"),
        (Self::Aux, "aux"),
        (Self::Numbers, "numbers"),
        (Self::Transactions, "transactions"),
        (Self::Meta, "meta"),
    ];

    /// The table behind a tag in a history key.
    pub(crate) const fn flat(tag: u8) -> Option<Self> {
        match tag {
            0 => Some(Self::Accounts),
            1 => Some(Self::Storage),
            2 => Some(Self::Nodes),
            _ => None,
        }
    }
}

/// Names in [`Table::Meta`].
pub(crate) mod meta {
    /// Height and hash of the committed head.
    pub(crate) const HEAD: &[u8] = b"head";
    /// Height and hash of the safe block.
    pub(crate) const SAFE: &[u8] = b"safe";
    /// Height and hash of the finalized block.
    pub(crate) const FINALIZED: &[u8] = b"finalized";
    /// Hash of the genesis block.
    pub(crate) const GENESIS: &[u8] = b"genesis";
    /// Version of this format.
    pub(crate) const FORMAT: &[u8] = b"format";
    /// The oldest height whose state is kept.
    pub(crate) const OLDEST: &[u8] = b"oldest";
}

/// Number and hash of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockRef {
    /// The block's number.
    pub number: u64,
    /// The block's hash.
    pub hash: B256,
}

impl BlockRef {
    pub(crate) fn encode(self) -> [u8; 40] {
        let mut out = [0; 40];
        out[..8].copy_from_slice(&self.number.to_be_bytes());
        out[8..].copy_from_slice(self.hash.as_slice());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        const DAMAGED: Error = Error::Corrupt("a block reference does not decode");
        let (number, hash) = bytes.split_first_chunk::<8>().ok_or(DAMAGED)?;
        Ok(Self { number: u64::from_be_bytes(*number), hash: B256::try_from(hash).map_err(|_| DAMAGED)? })
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Database(error.to_string())
}

fn read_failed(error: ReadError) -> Error {
    failed(error)
}

/// An open database. The directory is locked while it lives.
#[derive(Debug)]
pub(crate) struct Db {
    env: Environment,
    tables: [Database; Table::ALL.len()],
}

impl Db {
    pub(crate) fn open(path: &Path, max_bytes: usize) -> Result<Self> {
        let directory = |reason: String| Error::Directory { path: path.display().to_string(), reason };
        fs::create_dir_all(path).map_err(|e| directory(e.to_string()))?;
        let flags = EnvironmentFlags {
            exclusive: true,
            no_rdahead: true,
            mode: Mode::ReadWrite { sync_mode: SyncMode::Durable },
            ..Default::default()
        };
        let env = Environment::builder()
            .set_flags(flags)
            .set_max_dbs(Table::ALL.len() + 3)
            .set_max_readers(4096)
            .set_geometry(Geometry {
                size: Some(0..max_bytes),
                growth_step: Some(16 << 20),
                shrink_threshold: Some(0),
                page_size: None,
            })
            .open(path)
            .map_err(|error| match error {
                MdbxError::Busy => Error::InUse(path.display().to_string()),
                // EAGAIN: the lock is another process's.
                MdbxError::Other(11) => Error::InUse(path.display().to_string()),
                other => directory(other.to_string()),
            })?;
        let txn = env.begin_rw_unsync().map_err(failed)?;
        let mut tables = Vec::with_capacity(Table::ALL.len());
        for (_, name) in Table::ALL {
            tables.push(txn.create_db(Some(name), DatabaseFlags::empty()).map_err(failed)?);
        }
        txn.commit().map_err(failed)?;
        let tables = tables.try_into().map_err(|_| Error::Corrupt("tables are missing"))?;
        Ok(Self { env, tables })
    }

    /// The last commit, as it will look to this reader for ever.
    pub(crate) fn snapshot(&self) -> Result<Snapshot> {
        let txn = self.env.begin_ro_sync().map_err(failed)?;
        let id = txn.id().map_err(failed)?;
        Ok(Snapshot { txn, tables: self.tables, id })
    }

    /// The one writer; waits for another to end. Dropped without commit it changes nothing.
    pub(crate) fn writer(&self) -> Result<Writer> {
        let txn = self.env.begin_rw_unsync().map_err(failed)?;
        Ok(Writer { txn, tables: self.tables })
    }

    /// Bytes that the database takes.
    pub(crate) fn size(&self) -> Result<u64> {
        let info = self.env.info().map_err(failed)?;
        let page = self.env.stat().map_err(failed)?.page_size();
        Ok((info.last_pgno() as u64 + 1) * u64::from(page))
    }
}

/// A key and its value, where the database has them.
pub(crate) type Entry<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// A reader of one commit.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    txn: RoTxSync,
    tables: [Database; Table::ALL.len()],
    /// Grows with every commit.
    pub(crate) id: u64,
}

impl Snapshot {
    pub(crate) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>> {
        self.txn.get(self.tables[table as usize].dbi(), key).map_err(read_failed)
    }

    /// The first entry at or after a key.
    pub(crate) fn seek(&self, table: Table, key: &[u8]) -> Result<Option<Entry<'_>>> {
        let mut cursor = self.txn.cursor(self.tables[table as usize]).map_err(failed)?;
        cursor.set_range(key).map_err(read_failed)
    }

    pub(crate) fn block_ref(&self, name: &[u8]) -> Result<Option<BlockRef>> {
        self.get(Table::Meta, name)?.map(|b| BlockRef::decode(&b)).transpose()
    }

    pub(crate) fn number(&self, name: &[u8]) -> Result<Option<u64>> {
        self.get(Table::Meta, name)?.map(|b| crate::encoding::decode_number(&b)).transpose()
    }
}

/// A write transaction: all or nothing.
pub(crate) struct Writer {
    txn: RwTxUnsync,
    tables: [Database; Table::ALL.len()],
}

impl Writer {
    pub(crate) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.txn.get(self.tables[table as usize].dbi(), key).map_err(read_failed)
    }

    pub(crate) fn put(&self, table: Table, key: &[u8], value: &[u8]) -> Result<()> {
        self.txn.put(self.tables[table as usize], key, value, WriteFlags::UPSERT).map_err(failed)
    }

    pub(crate) fn delete(&self, table: Table, key: &[u8]) -> Result<()> {
        self.txn.del(self.tables[table as usize], key, None).map(drop).map_err(failed)
    }

    /// All keys that begin with a prefix.
    pub(crate) fn keys(&self, table: Table, prefix: &[u8]) -> Result<Vec<Vec<u8>>> {
        let mut cursor = self.txn.cursor(self.tables[table as usize]).map_err(failed)?;
        let mut keys = Vec::new();
        let mut entry: Option<(Vec<u8>, ())> = cursor.set_range(prefix).map_err(read_failed)?;
        while let Some((key, ())) = entry.take_if(|(key, ())| key.starts_with(prefix)) {
            keys.push(key);
            entry = cursor.next().map_err(read_failed)?;
        }
        Ok(keys)
    }

    /// Makes everything durable: returns after the disk has it.
    pub(crate) fn commit(self) -> Result<()> {
        self.txn.commit().map_err(failed)
    }
}
