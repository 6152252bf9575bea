//! The library's storage over terms that an L1 event started.
//!
//! Such a term begins below the head: heights above its genesis are used again, which the library's keeper of blocks knows
//! nothing of. So it begins anew there: with storage of its own, heights that count from that block, and a network of its
//! own (seats that are still before the event have nothing to tell those behind it). All that is one *generation*. What was
//! signed (journal, evidence) is kept elsewhere and goes on over generations.
//!
//! On disk: `after-<term>/` in the seat's consensus directory, complete once it holds `boundary.json`. Before the first event
//! there is none, and the library's storage lies in the consensus directory itself. Older generations stay, since they hold
//! certificates of what was final.

use super::epochs::Boundary;
use crate::durable;
use alloy_primitives::B256;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};
use surety_types::Term;

/// Marks a complete generation.
const FILE: &str = "boundary.json";

/// What the file says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    term: u64,
    height: u64,
    genesis: B256,
}

/// Where a seat's library keeps its storage, and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Generation {
    /// Where the first term begins that an event started; `None` before any event.
    pub(super) cut: Option<Boundary>,
    /// The library's storage.
    pub(super) directory: PathBuf,
}

impl Generation {
    /// The newest generation in a seat's consensus directory.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub(super) fn newest(consensus: &Path) -> io::Result<Self> {
        let mut newest = Self { cut: None, directory: consensus.to_owned() };
        let entries = match fs::read_dir(consensus) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(newest),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let directory = entry?.path();
            if let Some(cut) = read(&directory)
                && newest.cut.is_none_or(|known| known.term < cut.term)
            {
                newest = Self { cut: Some(cut), directory };
            }
        }
        Ok(newest)
    }

    /// Begins the generation of a term, durably. The store has no block of earlier terms above its genesis any more.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub(super) fn begin(consensus: &Path, cut: Boundary) -> io::Result<Self> {
        let directory = consensus.join(format!("after-{}", cut.term));
        fs::create_dir_all(&directory)?;
        let written = Written { term: cut.term.get(), height: cut.height, genesis: cut.genesis };
        durable::replace(&directory.join(FILE), &written)?;
        File::open(consensus)?.sync_all()?;
        Ok(Self { cut: Some(cut), directory })
    }

    /// Whether a term that an event started begins a generation after this one.
    pub(super) fn precedes(&self, cut: &Boundary) -> bool {
        self.cut.is_none_or(|known| known.term < cut.term)
    }

    /// The term that began it; zero before any event.
    pub(super) fn term(&self) -> Term {
        self.cut.map_or(Term::ZERO, |cut| cut.term)
    }
}

/// The boundary of a complete generation; `None` for any other directory.
fn read(directory: &Path) -> Option<Boundary> {
    directory.file_name()?.to_str()?.strip_prefix("after-")?;
    let bytes = fs::read(directory.join(FILE)).ok()?;
    let Written { term, height, genesis } = serde_json::from_slice(&bytes)
        .inspect_err(
            |error| tracing::error!(directory = %directory.display(), %error, "a damaged generation is left out"),
        )
        .ok()?;
    Some(Boundary { term: Term::new(term), height, genesis })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(term: u64) -> Boundary {
        Boundary { term: Term::new(term), height: term * 10, genesis: B256::repeat_byte(term as u8) }
    }

    #[test]
    fn the_newest_complete_generation_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let consensus = dir.path().join("consensus");
        assert_eq!(Generation::newest(&consensus).unwrap().cut, None, "before the first start");
        fs::create_dir_all(&consensus).unwrap();
        let first = Generation::newest(&consensus).unwrap();
        assert_eq!((first.cut, &first.directory), (None, &consensus));
        assert!(first.precedes(&cut(3)));
        let third = Generation::begin(&consensus, cut(3)).unwrap();
        assert_eq!(Generation::newest(&consensus).unwrap(), third);
        let twelfth = Generation::begin(&consensus, cut(12)).unwrap();
        assert!(!twelfth.precedes(&cut(3)) && !twelfth.precedes(&cut(12)));
        // A crash before the boundary was written.
        fs::create_dir_all(consensus.join("after-20")).unwrap();
        fs::create_dir_all(consensus.join("marshal-cache")).unwrap();
        assert_eq!(Generation::newest(&consensus).unwrap(), twelfth);
        assert_eq!(Generation::begin(&consensus, cut(12)).unwrap(), twelfth, "begun twice is begun");
    }
}
