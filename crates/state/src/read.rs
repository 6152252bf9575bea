//! Reading blocks, transactions and logs.

use crate::{
    db::{Snapshot, Table},
    encoding::{decode_body, decode_header, decode_number, decode_receipts},
    error::{Error, Result},
    store::{Store, StoredBlock, header},
};
use alloy_primitives::{Address, B256, Bloom, BloomInput, Bytes, Log};
use std::{ops::RangeInclusive, sync::Arc};
use surety_types::Header;

/// Where a transaction is in the canonical chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionPlace {
    /// Hash of its block.
    pub block_hash: B256,
    /// Number of its block.
    pub block_number: u64,
    /// Its place in the block.
    pub index: usize,
}

/// Which logs to return. An empty list admits everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// The contracts that may have logged it.
    pub addresses: Vec<Address>,
    /// For each place, the topics that may stand there.
    pub topics: [Vec<B256>; 4],
}

impl LogFilter {
    /// Whether a block or receipt with this bloom filter may hold a matching log.
    pub fn may_match(&self, bloom: &Bloom) -> bool {
        let any = |mut inputs: Box<dyn Iterator<Item = &[u8]> + '_>, empty: bool| {
            empty || inputs.any(|input| bloom.contains_input(BloomInput::Raw(input)))
        };
        any(Box::new(self.addresses.iter().map(|a| a.as_slice())), self.addresses.is_empty())
            && self.topics.iter().all(|t| any(Box::new(t.iter().map(|t| t.as_slice())), t.is_empty()))
    }

    /// Whether a log matches.
    pub fn matches(&self, log: &Log) -> bool {
        let topics = log.data.topics();
        (self.addresses.is_empty() || self.addresses.contains(&log.address))
            && self.topics.iter().enumerate().all(|(place, wanted)| {
                wanted.is_empty() || topics.get(place).is_some_and(|topic| wanted.contains(topic))
            })
    }
}

/// A log and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The log.
    pub log: Log,
    /// Hash of its block.
    pub block_hash: B256,
    /// Number of its block.
    pub block_number: u64,
    /// Time of its block, in seconds.
    pub block_timestamp: u64,
    /// Hash of its transaction.
    pub transaction_hash: B256,
    /// Place of its transaction in the block.
    pub transaction_index: usize,
    /// Its place among all logs of the block.
    pub log_index: usize,
}

impl StoredBlock {
    /// The logs of this block that match, in order.
    pub fn logs<'a>(&'a self, filter: &'a LogFilter) -> impl Iterator<Item = LogEntry> + 'a {
        let header = &self.block.header;
        let all = self.receipts.iter().zip(&self.block.transactions).enumerate();
        let all = all.flat_map(|(index, (receipt, tx))| receipt.logs.iter().map(move |log| (index, tx, log)));
        all.enumerate().filter(|(_, (_, _, log))| filter.matches(log)).map(move |(log_index, (index, tx, log))| {
            LogEntry {
                log: log.clone(),
                block_hash: self.hash,
                block_number: header.number,
                block_timestamp: header.timestamp,
                transaction_hash: *tx.hash(),
                transaction_index: index,
                log_index,
            }
        })
    }
}

/// How much one search for logs may do.
#[derive(Debug, Clone, Copy)]
pub struct LogLimits {
    /// Most blocks in the range.
    pub blocks: u64,
    /// Most logs in the answer.
    pub logs: usize,
}

/// Reads a committed block.
pub(crate) fn load(snapshot: &Snapshot, number: u64) -> Result<Option<StoredBlock>> {
    let key = number.to_be_bytes();
    let Some(bytes) = snapshot.get(Table::Headers, &key)? else { return Ok(None) };
    let (hash, header) = decode_header(&bytes)?;
    let part = |table| snapshot.get(table, &key)?.ok_or(Error::Corrupt("a part of a block is missing"));
    let (block, senders) = decode_body(header, &part(Table::Bodies)?)?;
    let receipts = decode_receipts(&part(Table::Receipts)?)?;
    let aux = Bytes::from(part(Table::Aux)?.into_owned());
    Ok(Some(StoredBlock { hash, block, senders, receipts, aux }))
}

impl Store {
    /// The hash of the canonical block with this number.
    ///
    /// # Errors
    /// Only for a failing or damaged database; so for all that follow, unless they say more.
    pub fn canonical_hash(&self, number: u64) -> Result<Option<B256>> {
        let (snapshot, hash) = {
            let tree = self.inner.tree.read();
            (self.inner.db.snapshot()?, tree.canonical.get(&number).copied())
        };
        if hash.is_some() {
            return Ok(hash);
        }
        let bytes = snapshot.get(Table::Headers, &number.to_be_bytes())?;
        Ok(bytes.map(|b| decode_header(&b)).transpose()?.map(|(hash, _)| hash))
    }

    /// The number of a block, if it is canonical.
    pub fn canonical_number(&self, hash: B256) -> Result<Option<u64>> {
        let (snapshot, number) = {
            let tree = self.inner.tree.read();
            let number = tree.blocks.get(&hash).map(|p| p.block.block.header.number);
            (self.inner.db.snapshot()?, number.filter(|n| tree.canonical.get(n) == Some(&hash)))
        };
        if number.is_some() {
            return Ok(number);
        }
        snapshot.get(Table::Numbers, hash.as_slice())?.map(|n| decode_number(&n)).transpose()
    }

    /// A block, canonical or on a side branch in memory, with its receipts.
    pub fn block(&self, hash: B256) -> Result<Option<Arc<StoredBlock>>> {
        if let Some(pending) = self.inner.tree.read().blocks.get(&hash) {
            return Ok(Some(pending.block.clone()));
        }
        let snapshot = self.inner.db.snapshot()?;
        let Some(number) = snapshot.get(Table::Numbers, hash.as_slice())? else { return Ok(None) };
        if let Some(block) = self.inner.blocks.get(&hash) {
            return Ok(Some(block));
        }
        let Some(block) = load(&snapshot, decode_number(&number)?)? else { return Ok(None) };
        let block = Arc::new(block);
        self.inner.blocks.insert(hash, block.clone());
        Ok(Some(block))
    }

    /// The canonical block with this number, with its receipts.
    pub fn block_by_number(&self, number: u64) -> Result<Option<Arc<StoredBlock>>> {
        self.canonical_hash(number)?.map_or(Ok(None), |hash| self.block(hash))
    }

    /// A header, canonical or on a side branch in memory.
    pub fn header(&self, hash: B256) -> Result<Option<Header>> {
        if let Some(pending) = self.inner.tree.read().blocks.get(&hash) {
            return Ok(Some(pending.block.block.header.clone()));
        }
        let snapshot = self.inner.db.snapshot()?;
        let Some(number) = snapshot.get(Table::Numbers, hash.as_slice())? else { return Ok(None) };
        Ok(Some(header(&snapshot, decode_number(&number)?)?.1))
    }

    /// The hash and header of the canonical block with this number.
    pub fn header_by_number(&self, number: u64) -> Result<Option<(B256, Header)>> {
        let Some(hash) = self.canonical_hash(number)? else { return Ok(None) };
        Ok(self.header(hash)?.map(|header| (hash, header)))
    }

    /// Where a transaction is in the canonical chain.
    pub fn transaction(&self, hash: B256) -> Result<Option<TransactionPlace>> {
        let snapshot = {
            let tree = self.inner.tree.read();
            for (&block_number, block_hash) in tree.canonical.iter().rev() {
                let index = tree.blocks.get(block_hash).and_then(|p| p.transactions.get(&hash));
                if let Some(&index) = index {
                    let index = index as usize;
                    return Ok(Some(TransactionPlace { block_hash: *block_hash, block_number, index }));
                }
            }
            self.inner.db.snapshot()?
        };
        let Some(place) = snapshot.get(Table::Transactions, hash.as_slice())? else { return Ok(None) };
        let place: [u8; 12] = place[..].try_into().map_err(|_| Error::Corrupt("a transaction's place"))?;
        let block_number = decode_number(&place[..8])?;
        let index = u32::from_be_bytes([place[8], place[9], place[10], place[11]]) as usize;
        Ok(Some(TransactionPlace { block_hash: header(&snapshot, block_number)?.0, block_number, index }))
    }

    /// The canonical logs of a range of blocks that match, in order. Numbers above the head are ignored.
    ///
    /// # Errors
    /// The range or the answer is larger than the limits.
    pub fn logs(&self, range: RangeInclusive<u64>, filter: &LogFilter, limits: LogLimits) -> Result<Vec<LogEntry>> {
        let last = (*range.end()).min(self.head().number);
        if *range.start() > last {
            return Ok(Vec::new());
        }
        let blocks = (last - range.start()).saturating_add(1);
        if blocks > limits.blocks {
            return Err(Error::RangeTooLarge { blocks, limit: limits.blocks });
        }
        let mut found = Vec::new();
        for number in *range.start()..=last {
            let Some((hash, header)) = self.header_by_number(number)? else { continue };
            if !filter.may_match(&header.logs_bloom) {
                continue;
            }
            let Some(block) = self.block(hash)? else { continue };
            for entry in block.logs(filter) {
                if found.len() == limits.logs {
                    return Err(Error::TooManyLogs(limits.logs));
                }
                found.push(entry);
            }
        }
        Ok(found)
    }
}
