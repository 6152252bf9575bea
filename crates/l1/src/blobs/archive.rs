//! Blobs on disk, by versioned hash.
//!
//! One file a blob, `<versioned hash>.blob`, 131,072 bytes, written aside, synced and renamed, so that a file is whole or
//! absent. Nothing on disk is believed: a blob read is checked against its name again, and a bad file is removed.
//! The archive holds a bounded number; the ones that came first go first.

use super::kzg::identify;
use crate::{L1Error, chain::Blob};
use alloy::eips::eip4844::BYTES_PER_BLOB;
use alloy_primitives::B256;
use parking_lot::Mutex;
use std::{
    collections::{HashSet, VecDeque},
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

const SUFFIX: &str = "blob";

/// A directory of blobs.
#[derive(Debug)]
pub struct Archive {
    directory: PathBuf,
    capacity: usize,
    held: Mutex<Held>,
}

/// What is there, the oldest first.
#[derive(Debug, Default)]
struct Held {
    order: VecDeque<B256>,
    set: HashSet<B256>,
}

impl Archive {
    /// A capacity without bound.
    pub const ALL: usize = usize::MAX;

    /// Opens or makes an archive of at most `capacity` blobs (128 KiB each); [`Archive::ALL`] keeps every one.
    ///
    /// # Errors
    /// The directory cannot be made or listed.
    pub fn open(directory: impl Into<PathBuf>, capacity: usize) -> Result<Self, L1Error> {
        let directory = directory.into();
        let disk = |e: io::Error| L1Error::disk(format!("opening the blob archive {}", directory.display()), &e);
        fs::create_dir_all(&directory).map_err(disk)?;
        let mut found: Vec<(SystemTime, B256)> = Vec::new();
        for entry in fs::read_dir(&directory).map_err(disk)? {
            let entry = entry.map_err(disk)?;
            let path = entry.path();
            let outcome = match name_of(&path) {
                Some(hash) => entry.metadata().and_then(|m| m.modified()).map(|modified| found.push((modified, hash))),
                // Left over from a write that was cut short.
                None if path.extension().is_some_and(|e| e == "tmp") => fs::remove_file(&path),
                None => Ok(()),
            };
            match outcome {
                // Somebody else was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other.map_err(disk)?,
            }
        }
        found.sort();
        let held = Held {
            order: found.iter().map(|(_, hash)| *hash).collect(),
            set: found.iter().map(|(_, hash)| *hash).collect(),
        };
        let archive = Self { directory, capacity: capacity.max(1), held: Mutex::new(held) };
        archive.keep_newest(capacity.max(1));
        Ok(archive)
    }

    /// How many blobs there are.
    pub fn len(&self) -> usize {
        self.held.lock().order.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it should have this blob; only [`Archive::get`] looks at it.
    pub fn holds(&self, hash: B256) -> bool {
        self.held.lock().set.contains(&hash)
    }

    /// The blob with this versioned hash, checked; `None` if it is not here or its file was damaged.
    pub async fn get(&self, hash: B256) -> Option<Box<Blob>> {
        if !self.holds(hash) {
            return None;
        }
        let path = self.path(hash);
        let bytes = tokio::fs::read(&path).await.ok();
        let blob = bytes.filter(|b| b.len() == BYTES_PER_BLOB).map(|b| Box::new(Blob::from_slice(&b)));
        if let Some(blob) = blob
            && let Some((Some(found), blob)) = identify(vec![blob]).await.pop()
            && found == hash
        {
            return Some(blob);
        }
        tracing::warn!(%hash, "a damaged blob was removed from the archive");
        let _ = tokio::fs::remove_file(&path).await;
        let mut held = self.held.lock();
        held.set.remove(&hash);
        held.order.retain(|h| *h != hash);
        None
    }

    /// Keeps a blob that the caller has checked. Durable when it returns.
    ///
    /// # Errors
    /// The disk.
    pub async fn put(&self, hash: B256, blob: &Blob) -> Result<(), L1Error> {
        if self.holds(hash) {
            return Ok(());
        }
        let (path, bytes) = (self.path(hash), blob.to_vec());
        let written = tokio::task::spawn_blocking(move || write_whole(&path, &bytes)).await;
        written
            .unwrap_or_else(|e| Err(io::Error::other(e)))
            .map_err(|e| L1Error::disk(format!("writing blob {hash} to the archive"), &e))?;
        {
            let mut held = self.held.lock();
            if held.set.insert(hash) {
                held.order.push_back(hash);
            }
        }
        self.keep_newest(self.capacity);
        Ok(())
    }

    /// Removes the oldest blobs until at most `count` are left, as beacon nodes do by time.
    pub fn keep_newest(&self, count: usize) {
        let mut held = self.held.lock();
        while held.order.len() > count {
            if let Some(oldest) = held.order.pop_front() {
                held.set.remove(&oldest);
                let _ = fs::remove_file(self.path(oldest));
            }
        }
    }

    fn path(&self, hash: B256) -> PathBuf {
        self.directory.join(format!("{hash}.{SUFFIX}"))
    }
}

fn name_of(path: &Path) -> Option<B256> {
    (path.extension()? == SUFFIX).then(|| path.file_stem()?.to_str()?.parse().ok())?
}

/// Writes a file that is whole or absent, whatever happens meanwhile.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    // Two writers of one file, in one process or in two, write aside each by itself: what one renames, the other still has.
    static WRITERS: AtomicU64 = AtomicU64::new(0);
    let writer = WRITERS.fetch_add(1, Ordering::Relaxed);
    let temporary = path.with_extension(format!("{}-{writer}.tmp", std::process::id()));
    let mut file = fs::File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    match path.parent() {
        Some(parent) => fs::File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}
