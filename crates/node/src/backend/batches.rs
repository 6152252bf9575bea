//! Which batch holds a height, remembered over restarts.
//!
//! The follower's own progress keeps only batches that are not final; users ask about all. The log is one file of JSON
//! lines, appended to; a batch that a reorg of L1 replaced is a later line with the same index, and voids those above.
//! Losing the file loses answers, no safety: it is not synced, and a line cut off by a crash is dropped.

use crate::follower::DerivedBatch;
use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
};
use surety_types::{BatchIndex, L2Height};

/// The longest line that is ours.
const MAX_LINE: u64 = 4_096;

/// The log cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("the log of batches {path} cannot be used: {reason}; free space or fix its permissions")]
pub struct BatchLogError {
    path: String,
    reason: String,
}

/// Batches by their last height.
#[derive(Debug, Default)]
pub struct BatchLog {
    file: Option<(PathBuf, File)>,
    by_index: BTreeMap<BatchIndex, DerivedBatch>,
}

impl BatchLog {
    /// A log that a restart forgets.
    pub fn in_memory() -> Self {
        Self::default()
    }

    /// Opens or makes the log.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: &Path) -> Result<Self, BatchLogError> {
        let failed = |e: std::io::Error| BatchLogError { path: path.display().to_string(), reason: e.to_string() };
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(failed)?;
        let mut log = Self::default();
        let mut reader = BufReader::new(&file);
        let mut ends_whole = true;
        loop {
            let mut line = Vec::new();
            let read = reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line).map_err(failed)?;
            if read == 0 {
                break;
            }
            ends_whole = line.ends_with(b"\n");
            match serde_json::from_slice(&line) {
                Ok(batch) if ends_whole => log.put(batch),
                _ => tracing::warn!(path = %path.display(), "a line of the log of batches is damaged and left out"),
            }
        }
        if !ends_whole {
            file.write_all(b"\n").map_err(failed)?;
        }
        log.file = Some((path.to_path_buf(), file));
        Ok(log)
    }

    fn put(&mut self, batch: DerivedBatch) {
        self.by_index.split_off(&batch.index);
        self.by_index.insert(batch.index, batch);
    }

    /// Adds the newest batch; batches with its index or above are void. One that is there already changes nothing.
    ///
    /// # Errors
    /// The file cannot be written; the batch is known until the next restart all the same.
    pub fn push(&mut self, batch: DerivedBatch) -> Result<(), BatchLogError> {
        if self.by_index.get(&batch.index) == Some(&batch) {
            return Ok(());
        }
        self.put(batch);
        let Some((path, file)) = &mut self.file else { return Ok(()) };
        let failed = |reason: String| BatchLogError { path: path.display().to_string(), reason };
        let mut line = serde_json::to_vec(&batch).map_err(|e| failed(e.to_string()))?;
        line.push(b'\n');
        file.write_all(&line).map_err(|e| failed(e.to_string()))
    }

    /// The signed batch with which a batch's claim came to L1: itself, or, for a self-sequenced one, the next that a committee
    /// signed, which carries it. (A claim that somebody posted with a bond may be there earlier.)
    pub fn claimed_with(&self, index: BatchIndex) -> Option<&DerivedBatch> {
        self.by_index.range(index..).map(|(_, batch)| batch).find(|batch| batch.signed)
    }

    /// The batch that holds a height, if it is known.
    pub fn holding(&self, height: L2Height) -> Option<&DerivedBatch> {
        // Indices and last heights grow together.
        let (mut low, mut high) = (self.by_index.first_key_value()?.0.get(), self.by_index.last_key_value()?.0.get());
        while low < high {
            let middle = low.midpoint(high);
            let last = self.by_index.get(&BatchIndex::new(middle)).map_or(L2Height::ZERO, |batch| batch.last);
            if last < height { low = middle.saturating_add(1) } else { high = middle }
        }
        self.by_index.get(&BatchIndex::new(low)).filter(|batch| {
            let previous = batch.index.checked_sub(1).and_then(|index| self.by_index.get(&index));
            let follows = previous.map_or(batch.index == BatchIndex::new(1), |previous| previous.last < height);
            follows && height > L2Height::ZERO && height <= batch.last
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::B256;

    fn batch(index: u64, last: u64) -> DerivedBatch {
        DerivedBatch {
            index: BatchIndex::new(index),
            last: L2Height::new(last),
            claim: surety_types::claim::Claim::genesis(
                surety_types::RollupId::new(1),
                B256::with_last_byte(index as u8),
            ),
            ..DerivedBatch::genesis(surety_types::RollupId::new(1), B256::ZERO)
        }
    }

    fn index(log: &BatchLog, height: u64) -> Option<u64> {
        log.holding(L2Height::new(height)).map(|b| b.index.get())
    }

    #[test]
    fn a_height_is_in_one_batch_or_in_none() {
        let mut log = BatchLog::in_memory();
        assert_eq!(index(&log, 1), None);
        for (i, last) in [(1, 10), (2, 11), (3, 40)] {
            log.push(batch(i, last)).unwrap();
        }
        let found: Vec<_> = [0, 1, 10, 11, 12, 40, 41].map(|h| index(&log, h)).into();
        assert_eq!(found, [None, Some(1), Some(1), Some(2), Some(3), Some(3), None]);
    }

    #[test]
    fn heights_below_the_first_known_batch_are_not_guessed() {
        let mut log = BatchLog::in_memory();
        log.push(batch(7, 70)).unwrap();
        log.push(batch(8, 80)).unwrap();
        assert_eq!(index(&log, 70), None, "batch 7 begins at an unknown height");
        assert_eq!(index(&log, 75), Some(8));
    }

    #[test]
    fn a_restart_remembers_and_a_reorg_replaces() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("batches.jsonl");
        let mut log = BatchLog::open(&path).unwrap();
        for (i, last) in [(1, 10), (2, 20), (3, 30), (2, 25)] {
            log.push(batch(i, last)).unwrap();
        }
        drop(log);
        // A crash in the middle of a line.
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"index\":3,").unwrap();
        let mut log = BatchLog::open(&path).unwrap();
        assert_eq!([20, 25, 26].map(|h| index(&log, h)), [Some(2), Some(2), None]);
        log.push(batch(3, 31)).unwrap();
        drop(log);
        assert_eq!(index(&BatchLog::open(&path).unwrap(), 31), Some(3));
    }
}
