//! What L1 had of each batch that was derived, kept for witnesses: statement, messages, and where the data are.
//!
//! One file a batch, `<first height>.json`, written before the batch counts as derived. The blobs themselves are in the archive of
//! blobs. Batches are kept as long as the states of their blocks.

use crate::durable;
use alloy_primitives::{B256, Bytes};
use serde::{Deserialize, Serialize};
use std::{
    io,
    path::{Path, PathBuf},
};
use surety_l1::follow::{DataSource, PostedBatch};
use surety_types::{BatchIndex, L2Height, Message, signing::Batch};

/// A batch as it was derived.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptBatch {
    /// Its number.
    pub index: BatchIndex,
    /// Its statement.
    pub statement: Batch,
    /// Hash of the block that it was derived on.
    pub before: B256,
    /// Where its data are.
    pub data: DataSource,
    /// The messages that it consumes.
    pub messages: Vec<Message>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OnDisk {
    index: u64,
    /// Preimage of the statement's struct hash.
    statement: Bytes,
    before: B256,
    data: DataOnDisk,
    messages: Vec<Message>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum DataOnDisk {
    None,
    Blobs(Vec<B256>),
    CallData(Bytes),
}

/// The folder.
#[derive(Debug, Clone)]
pub struct PostedBatches {
    directory: PathBuf,
    /// Blocks below the newest that are of interest.
    blocks: u64,
}

impl PostedBatches {
    /// In a directory, which is made if it is not there; for witnesses of so many of the newest blocks.
    ///
    /// # Errors
    /// The disk's.
    pub fn open(directory: PathBuf, blocks: u64) -> io::Result<Self> {
        std::fs::create_dir_all(&directory)?;
        Ok(Self { directory, blocks })
    }

    /// Keeps a batch that was derived on a block. What stands at higher heights was of another history.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn keep(&self, batch: &PostedBatch, before: B256, messages: Vec<Message>) -> io::Result<()> {
        let (first, last) = (batch.statement.firstHeight, batch.statement.lastHeight);
        let disk = OnDisk {
            index: batch.index.get(),
            statement: batch.statement.to_preimage().into(),
            before,
            data: match &batch.data {
                DataSource::None => DataOnDisk::None,
                DataSource::Blobs(hashes) => DataOnDisk::Blobs(hashes.clone()),
                DataSource::CallData(bytes) => DataOnDisk::CallData(bytes.clone()),
            },
            messages,
        };
        durable::replace(&self.path(first), &disk)?;
        let oldest = last.saturating_sub(self.blocks);
        for other in self.firsts()?.into_iter().filter(|other| *other != first) {
            if other > first || other < oldest {
                std::fs::remove_file(self.path(other))?;
            }
        }
        Ok(())
    }

    /// The batch that holds a height, if it is kept.
    ///
    /// # Errors
    /// The disk's, and a file that is none of ours.
    pub fn holding(&self, height: L2Height) -> io::Result<Option<KeptBatch>> {
        let firsts = self.firsts()?.into_iter().filter(|first| *first <= height.get());
        let Some(first) = firsts.max() else { return Ok(None) };
        let batch = read(&self.path(first))?;
        Ok((batch.statement.lastHeight >= height.get()).then_some(batch))
    }

    fn path(&self, first: u64) -> PathBuf {
        self.directory.join(format!("{first}.json"))
    }

    /// The first heights of all that are there.
    fn firsts(&self) -> io::Result<Vec<u64>> {
        let mut firsts = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let name = path.file_stem().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
            if let Some(first) = name.filter(|_| path.extension().is_some_and(|end| end == "json")) {
                firsts.push(first);
            }
        }
        Ok(firsts)
    }
}

fn read(path: &Path) -> io::Result<KeptBatch> {
    let foreign = || {
        let reason = format!("{} is no posted batch: remove it, and have the follower read L1 again", path.display());
        io::Error::new(io::ErrorKind::InvalidData, reason)
    };
    let disk: OnDisk = serde_json::from_slice(&std::fs::read(path)?).map_err(|_| foreign())?;
    Ok(KeptBatch {
        index: BatchIndex::new(disk.index),
        statement: Batch::from_preimage(&disk.statement).ok_or_else(foreign)?,
        before: disk.before,
        data: match disk.data {
            DataOnDisk::None => DataSource::None,
            DataOnDisk::Blobs(hashes) => DataSource::Blobs(hashes),
            DataOnDisk::CallData(bytes) => DataSource::CallData(bytes),
        },
        messages: disk.messages,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posted(index: u64, first: u64, last: u64) -> PostedBatch {
        let statement = Batch {
            rollup: 1,
            term: 1,
            genesis: B256::ZERO,
            firstHeight: first,
            lastHeight: last,
            parentClaim: B256::ZERO,
            prevHash: B256::ZERO,
            lastHash: B256::ZERO,
            blockHashRoot: B256::ZERO,
            lastBlockTime: 9,
            messageCount: 0,
            messageAcc: B256::ZERO,
            inboxTip: B256::ZERO,
            dataHash: B256::ZERO,
        };
        PostedBatch {
            index: BatchIndex::new(index),
            claim: B256::ZERO,
            signers: 0,
            signatures: None,
            statement,
            tip: B256::ZERO,
            data: DataSource::Blobs(vec![B256::repeat_byte(1)]),
            transaction: B256::ZERO,
        }
    }

    #[test]
    fn a_batch_is_found_by_any_of_its_heights() {
        let folder = tempfile::tempdir().unwrap();
        let batches = PostedBatches::open(folder.path().join("posted"), 1_000).unwrap();
        assert_eq!(batches.holding(L2Height::new(1)).unwrap(), None);
        for (index, first, last) in [(1, 1, 9), (2, 10, 10), (3, 11, 30)] {
            batches.keep(&posted(index, first, last), B256::repeat_byte(index as u8), vec![]).unwrap();
        }
        for (height, index) in [(1, Some(1)), (9, Some(1)), (10, Some(2)), (30, Some(3)), (31, None), (0, None)] {
            let found = batches.holding(L2Height::new(height)).unwrap();
            assert_eq!(found.as_ref().map(|batch| batch.index.get()), index, "height {height}");
        }
        let found = batches.holding(L2Height::new(20)).unwrap().unwrap();
        assert_eq!((found.before, found.data), (B256::repeat_byte(3), posted(3, 11, 30).data));
        // Another history takes the place of what was above; old ones go.
        batches.keep(&posted(2, 10, 12), B256::ZERO, vec![]).unwrap();
        assert_eq!(batches.holding(L2Height::new(20)).unwrap(), None);
        batches.keep(&posted(3, 13, 2_000), B256::ZERO, vec![]).unwrap();
        assert_eq!(batches.firsts().unwrap(), [13]);
    }

    #[test]
    fn a_foreign_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let batches = PostedBatches::open(folder.path().into(), 1_000).unwrap();
        std::fs::write(folder.path().join("7.json"), "{}").unwrap();
        let error = batches.holding(L2Height::new(8)).unwrap_err().to_string();
        assert!(error.contains("7.json"), "{error}");
    }
}
