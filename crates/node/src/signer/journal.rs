//! The signing journal: one append-only file per vote key, synced before any signature leaves.
//!
//! # File
//!
//! ```text
//! header  = "SURETYJ2" (8) ‖ EIP-712 domain separator (32) ‖ vote address (20) ‖ check (8)
//! record  = length of the payload (1) ‖ payload ‖ check (8)
//! payload = kind (1) ‖ rollup (8) ‖ term (8) ‖ rest, all big endian:
//!   1 Notarize, 2 Finalize   genesis (32) ‖ view (8) ‖ parent view (8) ‖ block hash (32)
//!   3 Nullify                genesis (32) ‖ view (8)
//!   4 Batch                  genesis (32) ‖ first height (8) ‖ last height (8) ‖ last hash (32) ‖ block hash root (32)
//!   5 Receipt                genesis (32) ‖ view (8) ‖ index (8) ‖ height (8) ‖ transaction hash (32)
//!   6 Floor                  nothing: no statement of a term before this one is signed any more
//! check   = first 8 bytes of keccak256(previous check ‖ the bytes since)
//! ```
//!
//! The checks are chained, so a record cannot go missing from the middle unnoticed. An incomplete last record, or a tail of
//! zeros, is what a crash during an append leaves: nothing was signed after it, so it is cut off. Anything else that does
//! not check is damage, and a damaged journal signs nothing.
//!
//! Appends of several threads share one sync (group commit). A second process is kept out by a file lock.

use super::{
    metrics,
    rules::{At, Book, Entry, Refusal},
};
use alloy_primitives::{Address, B256, Keccak256};
use parking_lot::Mutex;
use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};
use surety_types::{
    RollupId, Term,
    signing::{Domain, Statement},
};

const MAGIC: &[u8; 8] = b"SURETYJ2";
const CHECK: usize = 8;
const HEADER: usize = 8 + 32 + 20 + CHECK;
/// No journal that this software writes grows beyond it: a new term compacts it.
const MAX_FILE: u64 = 4 << 30;

/// The journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk does not do what it should.
    #[error("signing journal {path}: {source}; nothing is signed until the disk is right and the node restarted")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Another process holds it.
    #[error(
        "signing journal {0} is in use by another process; two nodes with one vote key contradict each other: stop one"
    )]
    Locked(PathBuf),
    /// The content does not check.
    #[error(
        "signing journal {path} is damaged at byte {offset}; nothing is signed with it. Do not delete it or restore an \
         old copy while its term runs: move it away, and start with a new journal whose floor is the next term"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where it stops making sense.
        offset: u64,
    },
    /// It is another key's, or another chain's.
    #[error("signing journal {0} belongs to another vote key or another committee; give each key its own file")]
    Foreign(PathBuf),
    /// An append or sync failed before; what is on disk is not known.
    #[error("signing journal {0} failed to write before; restart the node once the disk is right")]
    Failed(PathBuf),
}

/// A journal that is open, locked and sound.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    owner: [u8; 52],
    inner: Mutex<Inner>,
    /// Syncs since it was opened.
    syncs: AtomicU64,
    /// How much of the file is known to be on disk. Held during a sync, so that others wait and find it done.
    synced: Mutex<u64>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    book: Book,
    check: [u8; CHECK],
    written: u64,
    failed: bool,
}

impl Journal {
    /// Opens the journal of a vote key, or makes a new one.
    ///
    /// # Errors
    /// See [`JournalError`]. After an error the caller must not sign with the key.
    pub fn open(path: &Path, domain: &Domain, address: Address) -> Result<Self, JournalError> {
        Self::open_of(path, Some(owner(&domain.separator(), address)))
    }

    /// Opens a journal that exists, whosever it is.
    ///
    /// # Errors
    /// See [`JournalError`].
    pub fn open_existing(path: &Path) -> Result<Self, JournalError> {
        Self::open_of(path, None)
    }

    /// Opens the journal of a vote key under the domain with this separator, or makes a new one.
    pub(super) fn open_for(path: &Path, separator: &B256, address: Address) -> Result<Self, JournalError> {
        Self::open_of(path, Some(owner(separator, address)))
    }

    /// Without an owner it must exist, and says itself whose it is.
    fn open_of(path: &Path, owner: Option<[u8; 52]>) -> Result<Self, JournalError> {
        let io = |source| JournalError::Io { path: path.to_owned(), source };
        let create = owner.is_some();
        let mut file =
            OpenOptions::new().read(true).write(true).create(create).truncate(false).open(path).map_err(io)?;
        lock(&file, path)?;
        let length = file.metadata().map_err(io)?.len();
        if length > MAX_FILE {
            return Err(JournalError::Damaged { path: path.to_owned(), offset: MAX_FILE });
        }
        let mut bytes = Vec::with_capacity(length as usize);
        file.read_to_end(&mut bytes).map_err(io)?;
        let named = bytes.get(MAGIC.len()..HEADER - CHECK).and_then(|named| named.try_into().ok());
        let damaged = || JournalError::Damaged { path: path.to_owned(), offset: 0 };
        let owner = owner.or(named).ok_or_else(damaged)?;
        let loaded = if bytes.len() < HEADER && is_torn_header(&bytes, &owner) {
            let (header, check) = header(&owner);
            file.set_len(0).map_err(io)?;
            file.seek(SeekFrom::Start(0)).map_err(io)?;
            file.write_all(&header).map_err(io)?;
            file.sync_all().map_err(io)?;
            sync_directory(path).map_err(io)?;
            Loaded { book: Book::default(), check, length: HEADER as u64 }
        } else {
            load(&bytes, &owner, path)?
        };
        if loaded.length < length {
            tracing::warn!(path = %path.display(), cut = length - loaded.length, "cut an unfinished record off the signing journal");
            file.set_len(loaded.length).map_err(io)?;
            file.sync_all().map_err(io)?;
        }
        file.seek(SeekFrom::Start(loaded.length)).map_err(io)?;
        Ok(Self {
            path: path.to_owned(),
            owner,
            synced: Mutex::new(loaded.length),
            syncs: AtomicU64::new(0),
            inner: Mutex::new(Inner {
                file,
                book: loaded.book,
                check: loaded.check,
                written: loaded.length,
                failed: false,
            }),
        })
    }

    /// How often it was synced since it was opened.
    pub fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    /// Whether this is the journal of that key under that domain.
    ///
    /// # Errors
    /// [`JournalError::Foreign`] if not.
    pub fn check_owner(&self, domain: &Domain, address: Address) -> Result<(), JournalError> {
        if self.owner == owner(&domain.separator(), address) {
            Ok(())
        } else {
            Err(JournalError::Foreign(self.path.clone()))
        }
    }

    /// Separator of the domain and address of the key that it belongs to.
    pub fn owner(&self) -> (B256, Address) {
        let (separator, address) = self.owner.split_at(32);
        (B256::from_slice(separator), Address::from_slice(address))
    }

    /// Takes statements down; when this returns, they are on disk and may be signed.
    ///
    /// # Errors
    /// A refusal for the first statement that contradicts what was signed (those before it stay recorded, which is
    /// harmless), or an error of the disk.
    pub(super) fn record(&self, statements: &[Statement]) -> Result<(), super::SignError> {
        let entries: Vec<Entry> = statements.iter().map(Entry::from).collect();
        let (refusal, position) = self.append(&entries)?;
        self.sync_to(position)?;
        match refusal {
            Some(refusal) => {
                metrics::refused();
                Err(refusal.into())
            }
            None => Ok(()),
        }
    }

    /// The block in the `Finalize` of the highest view that was signed in a term, if there is one.
    pub fn last_finalized(&self, rollup: RollupId, term: Term) -> Option<B256> {
        self.inner.lock().book.last_finalized(rollup.get(), term.get())
    }

    /// Signs nothing of a term before this one any more, and drops its records from the file.
    ///
    /// # Errors
    /// When the disk fails; the journal then signs nothing until it is opened again.
    pub fn raise_floor(&self, rollup: RollupId, term: Term) -> Result<(), JournalError> {
        let (_, position) = self.append(&[Entry::Floor { rollup: rollup.get(), term: term.get() }])?;
        self.sync_to(position)?;
        self.compact()
    }

    /// Rewrites the file with what is still needed.
    fn compact(&self) -> Result<(), JournalError> {
        let mut synced = self.synced.lock();
        let mut inner = self.inner.lock();
        let (mut bytes, mut check) = header(&self.owner);
        for entry in inner.book.entries() {
            push_record(&mut bytes, &mut check, &entry);
        }
        let replaced = self.replace(&bytes);
        match replaced {
            Ok(file) => {
                inner.file = file;
                inner.check = check;
                inner.written = bytes.len() as u64;
                *synced = inner.written;
                Ok(())
            }
            Err(error) => {
                inner.failed = true;
                Err(error)
            }
        }
    }

    fn replace(&self, bytes: &[u8]) -> Result<File, JournalError> {
        let io = |source| JournalError::Io { path: self.path.clone(), source };
        let mut temporary = self.path.clone().into_os_string();
        temporary.push(".new");
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&temporary).map_err(io)?;
        // Locked before it takes the name: at no moment is there an unlocked journal under it.
        lock(&file, &self.path)?;
        file.write_all(bytes).map_err(io)?;
        file.sync_all().map_err(io)?;
        std::fs::rename(&temporary, &self.path).map_err(io)?;
        sync_directory(&self.path).map_err(io)?;
        Ok(file)
    }

    /// From now on the disk is full.
    #[cfg(all(test, target_os = "linux"))]
    pub(super) fn fill_disk(&self) {
        self.inner.lock().file = OpenOptions::new().write(true).open("/dev/full").unwrap();
    }

    /// What the record says to a statement: `Ok(false)` if it was signed here, `Ok(true)` if it could still be.
    pub(super) fn check(&self, statement: &Statement) -> Result<bool, Refusal> {
        self.inner.lock().book.check(&Entry::from(statement))
    }

    /// Everything that is recorded, for export.
    pub(super) fn entries(&self) -> Vec<Entry> {
        self.inner.lock().book.entries()
    }

    /// Takes foreign entries up as if signed here. Those that contradict stay out and are returned.
    pub(super) fn import(&self, entries: &[Entry]) -> Result<Vec<Refusal>, JournalError> {
        let mut refusals = Vec::new();
        for entry in entries {
            let (refusal, _) = self.append(std::slice::from_ref(entry))?;
            refusals.extend(refusal);
        }
        let position = self.inner.lock().written;
        self.sync_to(position)?;
        Ok(refusals)
    }

    fn append(&self, entries: &[Entry]) -> Result<(Option<Refusal>, u64), JournalError> {
        let mut guard = self.inner.lock();
        let inner = &mut *guard;
        if inner.failed {
            return Err(JournalError::Failed(self.path.clone()));
        }
        let mut bytes = Vec::new();
        let mut refusal = None;
        for entry in entries {
            match inner.book.check(entry) {
                Ok(true) => {
                    inner.book.apply(entry);
                    push_record(&mut bytes, &mut inner.check, entry);
                }
                Ok(false) => {}
                Err(error) => {
                    refusal = Some(error);
                    break;
                }
            }
        }
        if !bytes.is_empty() {
            if let Err(source) = inner.file.write_all(&bytes) {
                inner.failed = true;
                return Err(JournalError::Io { path: self.path.clone(), source });
            }
            inner.written = inner.written.saturating_add(bytes.len() as u64);
        }
        Ok((refusal, inner.written))
    }

    fn sync_to(&self, position: u64) -> Result<(), JournalError> {
        let mut synced = self.synced.lock();
        if *synced >= position {
            return Ok(());
        }
        let io = |source| JournalError::Io { path: self.path.clone(), source };
        let (file, written) = {
            let inner = self.inner.lock();
            if inner.failed {
                return Err(JournalError::Failed(self.path.clone()));
            }
            (inner.file.try_clone().map_err(io)?, inner.written)
        };
        let start = std::time::Instant::now();
        let result = file.sync_data();
        metrics::synced(start.elapsed());
        self.syncs.fetch_add(1, Ordering::Relaxed);
        if let Err(source) = result {
            self.inner.lock().failed = true;
            return Err(io(source));
        }
        *synced = written;
        Ok(())
    }
}

struct Loaded {
    book: Book,
    check: [u8; CHECK],
    length: u64,
}

fn load(bytes: &[u8], owner: &[u8; 52], path: &Path) -> Result<Loaded, JournalError> {
    let damaged = |offset: usize| JournalError::Damaged { path: path.to_owned(), offset: offset as u64 };
    let (expected, mut check) = header(owner);
    let found = bytes.get(..HEADER).ok_or_else(|| damaged(0))?;
    if found != expected {
        let body = found.split_at(HEADER - CHECK);
        let intact = found.starts_with(MAGIC) && chain(&[0; CHECK], body.0) == body.1;
        return Err(if intact { JournalError::Foreign(path.to_owned()) } else { damaged(0) });
    }
    let mut book = Book::default();
    let mut offset = HEADER;
    while let Some((length, rest)) = bytes.get(offset..).and_then(<[u8]>::split_first) {
        let length = usize::from(*length);
        if bytes.get(offset..).is_some_and(|tail| tail.iter().all(|byte| *byte == 0)) {
            break;
        }
        if rest.first().is_some_and(|kind| payload_length(*kind) != Some(length)) {
            return Err(damaged(offset));
        }
        let Some((payload, found)) = rest.split_at_checked(length).and_then(|(p, r)| Some((p, r.get(..CHECK)?))) else {
            break;
        };
        let record = bytes.get(offset..offset + 1 + length).ok_or_else(|| damaged(offset))?;
        let expected = chain(&check, record);
        let entry = if expected == found { decode(payload) } else { None };
        book.apply(&entry.ok_or_else(|| damaged(offset))?);
        check = expected;
        offset += 1 + length + CHECK;
    }
    Ok(Loaded { book, check, length: offset as u64 })
}

fn owner(separator: &B256, address: Address) -> [u8; 52] {
    let mut owner = [0; 52];
    owner[..32].copy_from_slice(separator.as_slice());
    owner[32..].copy_from_slice(address.as_slice());
    owner
}

fn header(owner: &[u8; 52]) -> (Vec<u8>, [u8; CHECK]) {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(owner);
    let check = chain(&[0; CHECK], &bytes);
    bytes.extend_from_slice(&check);
    (bytes, check)
}

/// An empty file, or the beginning of our own header: the crash came before the first record.
fn is_torn_header(bytes: &[u8], owner: &[u8; 52]) -> bool {
    header(owner).0.starts_with(bytes) || bytes.iter().all(|byte| *byte == 0)
}

fn chain(previous: &[u8; CHECK], bytes: &[u8]) -> [u8; CHECK] {
    let mut hasher = Keccak256::new();
    hasher.update(previous);
    hasher.update(bytes);
    let mut check = [0; CHECK];
    check.copy_from_slice(&hasher.finalize()[..CHECK]);
    check
}

fn push_record(bytes: &mut Vec<u8>, check: &mut [u8; CHECK], entry: &Entry) {
    let payload = encode(entry);
    let start = bytes.len();
    bytes.push(payload.len() as u8);
    bytes.extend_from_slice(&payload);
    *check = chain(check, &bytes[start..]);
    bytes.extend_from_slice(check);
}

fn encode(entry: &Entry) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    let number = |out: &mut Vec<u8>, n: u64| out.extend_from_slice(&n.to_be_bytes());
    let head = |out: &mut Vec<u8>, kind: u8, at: &At| {
        out.push(kind);
        number(out, at.rollup);
        number(out, at.term);
        out.extend_from_slice(at.genesis.as_slice());
    };
    match entry {
        Entry::Notarize { at, view, parent, hash } | Entry::Finalize { at, view, parent, hash } => {
            head(&mut out, if matches!(entry, Entry::Notarize { .. }) { 1 } else { 2 }, at);
            number(&mut out, *view);
            number(&mut out, *parent);
            out.extend_from_slice(hash.as_slice());
        }
        Entry::Nullify { at, view } => {
            head(&mut out, 3, at);
            number(&mut out, *view);
        }
        Entry::Batch { at, first_height, last_height, last_hash, root } => {
            head(&mut out, 4, at);
            number(&mut out, *first_height);
            number(&mut out, *last_height);
            out.extend_from_slice(last_hash.as_slice());
            out.extend_from_slice(root.as_slice());
        }
        Entry::Receipt { at, view, index, height, tx } => {
            head(&mut out, 5, at);
            number(&mut out, *view);
            number(&mut out, *index);
            number(&mut out, *height);
            out.extend_from_slice(tx.as_slice());
        }
        Entry::Floor { rollup, term } => {
            out.push(6);
            number(&mut out, *rollup);
            number(&mut out, *term);
        }
    }
    out
}

/// A length that does not belong to its kind is damage, not the trace of a crash.
const fn payload_length(kind: u8) -> Option<usize> {
    match kind {
        1 | 2 => Some(97),
        3 => Some(57),
        4 => Some(129),
        5 => Some(105),
        6 => Some(17),
        _ => None,
    }
}

fn decode(mut bytes: &[u8]) -> Option<Entry> {
    fn take<'a>(bytes: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
        let (head, tail) = bytes.split_at_checked(n)?;
        *bytes = tail;
        Some(head)
    }
    fn number(bytes: &mut &[u8]) -> Option<u64> {
        take(bytes, 8)?.try_into().ok().map(u64::from_be_bytes)
    }
    fn hash(bytes: &mut &[u8]) -> Option<B256> {
        take(bytes, 32).map(B256::from_slice)
    }
    let input = &mut bytes;
    let kind = *take(input, 1)?.first()?;
    let (rollup, term) = (number(input)?, number(input)?);
    let entry = if kind == 6 {
        Entry::Floor { rollup, term }
    } else {
        let at = At { rollup, term, genesis: hash(input)? };
        match kind {
            1 => Entry::Notarize { at, view: number(input)?, parent: number(input)?, hash: hash(input)? },
            2 => Entry::Finalize { at, view: number(input)?, parent: number(input)?, hash: hash(input)? },
            3 => Entry::Nullify { at, view: number(input)? },
            4 => Entry::Batch {
                at,
                first_height: number(input)?,
                last_height: number(input)?,
                last_hash: hash(input)?,
                root: hash(input)?,
            },
            5 => Entry::Receipt {
                at,
                view: number(input)?,
                index: number(input)?,
                height: number(input)?,
                tx: hash(input)?,
            },
            _ => return None,
        }
    };
    input.is_empty().then_some(entry)
}

fn lock(file: &File, path: &Path) -> Result<(), JournalError> {
    file.try_lock().map_err(|error| match error {
        std::fs::TryLockError::WouldBlock => JournalError::Locked(path.to_owned()),
        std::fs::TryLockError::Error(source) => JournalError::Io { path: path.to_owned(), source },
    })
}

/// A new name in a directory is durable only when the directory is synced.
fn sync_directory(path: &Path) -> std::io::Result<()> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(parent)?.sync_all()
}
