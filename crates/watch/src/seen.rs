//! Statements on disk: what was heard must still be there when its contradiction comes after a restart.
//!
//! `seen-N.jsonl` holds one statement a line with the name of its source; a full file is followed by the next, and the
//! oldest goes. Lines are handed to the system before a pair is acted on. A torn last line (power loss) is passed over.

use crate::audit::DiskError;
use alloy_primitives::Address;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions},
    io::{BufRead as _, BufReader, BufWriter, Read as _, Write as _},
    path::{Path, PathBuf},
};
use surety_types::evidence::SignedStatement;

/// Statements in one file.
const PER_FILE: usize = 65_536;
/// Files kept.
const FILES: u64 = 4;
/// No line of ours is longer.
const MAX_LINE: u64 = 4_096;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) source: String,
    pub(crate) signer: Address,
    pub(crate) signed: SignedStatement,
}

/// The files of one directory.
#[derive(Debug)]
pub(crate) struct SeenLog {
    directory: PathBuf,
    number: u64,
    lines: usize,
    per_file: usize,
    file: BufWriter<File>,
}

fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("seen-{number}.jsonl"))
}

/// Numbers of the files that are there, in order.
fn numbers(directory: &Path) -> std::io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("seen-")?.strip_suffix(".jsonl"));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

impl SeenLog {
    /// Opens the log; `take` gets what it holds, oldest first.
    pub(crate) fn open(directory: &Path, take: impl FnMut(Line)) -> Result<Self, DiskError> {
        Self::open_with(directory, PER_FILE, take)
    }

    fn open_with(directory: &Path, per_file: usize, mut take: impl FnMut(Line)) -> Result<Self, DiskError> {
        let disk = |cause| DiskError::new("open the statements heard in", directory, cause);
        fs::create_dir_all(directory).map_err(disk)?;
        for number in numbers(directory).map_err(disk)? {
            let mut reader = BufReader::new(File::open(path(directory, number)).map_err(disk)?);
            let mut text = Vec::new();
            while reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut text).map_err(disk)? > 0 {
                match serde_json::from_slice(&text) {
                    Ok(line) => take(line),
                    Err(error) => tracing::debug!(number, %error, "a torn line is passed over"),
                }
                text.clear();
            }
        }
        // A file that may end in half a line is not written on.
        let number = numbers(directory).map_err(disk)?.last().map_or(0, |last| last.saturating_add(1));
        let file = Self::create(directory, number)?;
        let log = Self { directory: directory.to_owned(), number, lines: 0, per_file, file };
        log.prune()?;
        Ok(log)
    }

    fn create(directory: &Path, number: u64) -> Result<BufWriter<File>, DiskError> {
        let path = path(directory, number);
        let file = OpenOptions::new().create_new(true).write(true).open(&path);
        file.map(BufWriter::new).map_err(|cause| DiskError::new("create", &path, cause))
    }

    /// Removes empty files of earlier runs and the oldest ones.
    fn prune(&self) -> Result<(), DiskError> {
        let disk = |cause| DiskError::new("remove old statements from", &self.directory, cause);
        for number in numbers(&self.directory).map_err(disk)? {
            let path = path(&self.directory, number);
            let old = number.saturating_add(FILES) <= self.number;
            if number != self.number && (old || fs::metadata(&path).map_err(disk)?.len() == 0) {
                fs::remove_file(path).map_err(disk)?;
            }
        }
        Ok(())
    }

    /// Adds a line; [`Self::flush`] hands it to the system.
    pub(crate) fn push(&mut self, line: &Line) -> Result<(), DiskError> {
        if self.lines >= self.per_file {
            self.flush()?;
            self.number = self.number.saturating_add(1);
            self.file = Self::create(&self.directory, self.number)?;
            self.lines = 0;
            self.prune()?;
        }
        let disk = |cause| DiskError::new("write statements to", &self.directory, cause);
        let mut text = serde_json::to_vec(line).map_err(|e| disk(e.into()))?;
        text.push(b'\n');
        self.file.write_all(&text).map_err(disk)?;
        self.lines = self.lines.saturating_add(1);
        Ok(())
    }

    /// Hands all lines to the system, so that the end of this process does not lose them.
    pub(crate) fn flush(&mut self) -> Result<(), DiskError> {
        self.file.flush().map_err(|cause| DiskError::new("write statements to", &self.directory, cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::B256;
    use surety_types::signing::{Nullify, Signature};

    fn line(view: u64) -> Line {
        let statement = Nullify { rollup: 1, term: 1, genesis: B256::ZERO, view }.into();
        let signed = SignedStatement { statement, signature: Signature([1; 64].into()) };
        Line { source: "feed".into(), signer: Address::repeat_byte(1), signed }
    }

    fn read(directory: &Path, per_file: usize) -> (SeenLog, Vec<Line>) {
        let mut lines = Vec::new();
        let log = SeenLog::open_with(directory, per_file, |line| lines.push(line)).unwrap();
        (log, lines)
    }

    #[test]
    fn what_was_written_is_read_in_order_and_a_torn_line_costs_itself_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (mut log, found) = read(directory.path(), 100);
        assert!(found.is_empty());
        for view in 0..5 {
            log.push(&line(view)).unwrap();
        }
        log.flush().unwrap();
        let torn = path(directory.path(), log.number);
        let mut file = OpenOptions::new().append(true).open(torn).unwrap();
        file.write_all(b"{\"source\":\"fe").unwrap();
        let (mut log, found) = read(directory.path(), 100);
        assert_eq!(found, (0..5).map(line).collect::<Vec<_>>());
        log.push(&line(9)).unwrap();
        drop(log);
        assert_eq!(read(directory.path(), 100).1.len(), 6);
    }

    #[test]
    fn disk_stays_bounded_and_the_newest_stay() {
        let directory = tempfile::tempdir().unwrap();
        let (mut log, _) = read(directory.path(), 10);
        for view in 0..1_000 {
            log.push(&line(view)).unwrap();
        }
        log.flush().unwrap();
        assert!(numbers(directory.path()).unwrap().len() as u64 <= FILES);
        let (_, found) = read(directory.path(), 10);
        assert_eq!(found.last(), Some(&line(999)));
        assert!(found.len() >= 30, "{}", found.len());
    }
}
