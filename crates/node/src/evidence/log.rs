//! The pool's files.
//!
//! ```text
//! evidence/
//!   found.jsonl                      one equivocation a line, synced before it is announced
//!   <term>-<genesis>/                of a term: number, and its genesis in hex
//!     members.json                   vote addresses in L1 order
//!     views-<n>.log                  votes of the views n × 256 to n × 256 + 255
//!     batches.log                    signatures under batch statements
//!
//! log    = record*
//! record = length of the payload (2, big endian) ‖ payload ‖ first 4 bytes of keccak256(payload)
//! payload = 0x53 ‖ kind (1) ‖ statement (its ABI encoding)             statements are numbered from 0 in a file
//!         | 0x56 ‖ number of the statement (4) ‖ member (1) ‖ signature (64)
//! ```
//!
//! A record that does not check ends the file: a crash left it, and what follows is cut off. Losing a tail loses memory,
//! never a false accusation: found evidence is checked as L1 would before it counts.

use super::state::{Place, Segment};
use alloy_primitives::{Address, B256, keccak256, map::HashMap};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};
use surety_types::{
    evidence::{Equivocation, SignedStatement, Slot},
    signing::{Signature, Statement, StatementKind},
};

/// Views in one file.
pub(super) const VIEWS: u64 = 256;
const STATEMENT: u8 = 0x53;
const VOTE: u8 = 0x56;
const CHECK: usize = 4;
/// No file of 256 views and 64 members is longer; a longer one is not ours.
const MAX_FILE: u64 = 64 << 20;

/// A term as the files know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TermKey {
    /// The term.
    pub term: u64,
    /// Its genesis as this node has it.
    pub genesis: B256,
}

/// One file of a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct FileKey {
    pub(super) term: TermKey,
    /// `None`: the batches.
    pub(super) views: Option<u64>,
}

impl FileKey {
    pub(super) fn of(statement: &Statement) -> Option<(Self, Slot)> {
        let slot = Slot::of(statement)?;
        let term = TermKey { term: statement.term(), genesis: statement.genesis() };
        let views = (slot != Slot::Batch).then_some(statement.place() / VIEWS);
        Some((Self { term, views }, slot))
    }

    fn path(&self, root: &Path) -> PathBuf {
        let name = self.views.map_or_else(|| "batches.log".to_owned(), |n| format!("views-{n}.log"));
        directory(root, &self.term).join(name)
    }
}

fn directory(root: &Path, key: &TermKey) -> PathBuf {
    root.join(format!("{}-{:x}", key.term, key.genesis))
}

/// An open file with what it holds.
#[derive(Debug)]
pub(super) struct OpenFile {
    file: File,
    pub(super) segment: Segment,
    /// Numbers of the statements in the file.
    numbers: HashMap<Statement, u32>,
    pub(super) length: u64,
    pub(super) unsynced: bool,
}

impl OpenFile {
    /// Opens or makes a file and reads what it holds.
    pub(super) fn open(root: &Path, key: &FileKey) -> io::Result<Self> {
        let path = key.path(root);
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        if file.metadata()?.len() > MAX_FILE {
            return Err(io::Error::other(format!("{} is too long to be ours; move it away", path.display())));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let mut this =
            Self { file, segment: Segment::default(), numbers: HashMap::default(), length: 0, unsynced: false };
        let mut statements: Vec<Statement> = Vec::new();
        let mut rest = bytes.as_slice();
        while let Some((payload, tail)) = record(rest) {
            if this.replay(payload, key, &mut statements).is_none() {
                break;
            }
            rest = tail;
        }
        this.length = bytes.len().saturating_sub(rest.len()) as u64;
        if !rest.is_empty() {
            tracing::warn!(path = %path.display(), cut = rest.len(), "cut an unfinished record off the evidence pool's file");
            this.file.set_len(this.length)?;
        }
        this.file.seek(SeekFrom::Start(this.length))?;
        Ok(this)
    }

    fn replay(&mut self, payload: &[u8], key: &FileKey, statements: &mut Vec<Statement>) -> Option<()> {
        match payload.split_first()? {
            (&STATEMENT, rest) => {
                let (kind, bytes) = rest.split_first()?;
                let statement = Statement::abi_decode(StatementKind::from_number(*kind)?, bytes)?;
                if FileKey::of(&statement)?.0 != *key {
                    return None;
                }
                self.numbers.insert(statement.clone(), statements.len() as u32);
                statements.push(statement);
            }
            (&VOTE, rest) => {
                let (number, rest) = rest.split_first_chunk::<4>()?;
                let (member, signature) = rest.split_first()?;
                let statement = statements.get(u32::from_be_bytes(*number) as usize)?.clone();
                let signed = SignedStatement { statement, signature: Signature(signature.try_into().ok()?) };
                let slot = Slot::of(&signed.statement)?;
                if *member >= 64 {
                    return None;
                }
                self.segment.note(slot, *member, &signed);
            }
            _ => return None,
        }
        Some(())
    }

    /// Appends what [`Segment::note`] found new.
    pub(super) fn append(&mut self, member: Place, signed: &SignedStatement) -> io::Result<u64> {
        let mut bytes = Vec::new();
        let next = self.numbers.len() as u32;
        let number = *self.numbers.entry(signed.statement.clone()).or_insert(next);
        if number == next {
            let mut payload = vec![STATEMENT, signed.statement.kind().number()];
            payload.extend_from_slice(&signed.statement.abi_encode());
            push(&mut bytes, &payload);
        }
        let mut payload = vec![VOTE];
        payload.extend_from_slice(&number.to_be_bytes());
        payload.push(member);
        payload.extend_from_slice(signed.signature.0.as_slice());
        push(&mut bytes, &payload);
        self.file.write_all(&bytes)?;
        self.length = self.length.saturating_add(bytes.len() as u64);
        self.unsynced = true;
        Ok(bytes.len() as u64)
    }

    /// The file, to be synced elsewhere.
    pub(super) fn take_unsynced(&mut self) -> io::Result<File> {
        self.unsynced = false;
        self.file.try_clone()
    }
}

fn push(bytes: &mut Vec<u8>, payload: &[u8]) {
    bytes.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(&keccak256(payload)[..CHECK]);
}

fn record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (payload, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let (check, rest) = rest.split_at_checked(CHECK)?;
    (keccak256(payload)[..CHECK] == *check).then_some((payload, rest))
}

/// Makes a term's directory and notes its members.
pub(super) fn begin(root: &Path, key: &TermKey, members: &[Address]) -> io::Result<()> {
    let directory = directory(root, key);
    fs::create_dir_all(&directory)?;
    let path = directory.join("members.json");
    if !path.exists() {
        let new = directory.join("members.json.new");
        fs::write(&new, serde_json::to_vec(members)?)?;
        fs::rename(new, path)?;
    }
    Ok(())
}

/// A term found on disk.
#[derive(Debug)]
pub(super) struct StoredTerm {
    pub(super) key: TermKey,
    pub(super) members: Vec<Address>,
    /// Files of views and their lengths.
    pub(super) views: Vec<(u64, u64)>,
    pub(super) batches: u64,
    /// When anything of it was last written.
    pub(super) touched: std::time::SystemTime,
}

/// All terms on disk. What is not ours is left alone.
pub(super) fn terms(root: &Path) -> io::Result<Vec<StoredTerm>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some((term, genesis)) = name.split_once('-') else { continue };
        let (Ok(term), Ok(genesis)) = (term.parse(), genesis.parse()) else { continue };
        let Ok(members) = fs::read(entry.path().join("members.json")) else { continue };
        let Ok(members) = serde_json::from_slice::<Vec<Address>>(&members) else { continue };
        let mut stored = StoredTerm {
            key: TermKey { term, genesis },
            members,
            views: Vec::new(),
            batches: 0,
            touched: entry.metadata()?.modified()?,
        };
        for file in fs::read_dir(entry.path())? {
            let file = file?;
            let (name, metadata) = (file.file_name().to_string_lossy().into_owned(), file.metadata()?);
            stored.touched = stored.touched.max(metadata.modified()?);
            let number = name.strip_prefix("views-").and_then(|n| n.strip_suffix(".log")).map(str::parse);
            if let Some(Ok(number)) = number {
                stored.views.push((number, metadata.len()));
            } else if name == "batches.log" {
                stored.batches = metadata.len();
            }
        }
        found.push(stored);
    }
    found.sort_by_key(|stored| stored.key);
    Ok(found)
}

/// Removes one file of views.
pub(super) fn remove(root: &Path, key: &FileKey) -> io::Result<()> {
    fs::remove_file(key.path(root))
}

/// Removes a term.
pub(super) fn remove_term(root: &Path, key: &TermKey) -> io::Result<()> {
    fs::remove_dir_all(directory(root, key))
}

/// Reads the evidence that was found. A line that does not parse is left out: a crash left it.
pub(super) fn found(root: &Path) -> io::Result<Vec<Equivocation>> {
    let text = match fs::read_to_string(root.join("found.jsonl")) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// Adds found evidence, and returns when it is on disk.
pub(super) fn add_found(root: &Path, evidence: &Equivocation) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(root.join("found.jsonl"))?;
    let mut line = serde_json::to_vec(evidence)?;
    line.push(b'\n');
    file.write_all(&line)?;
    file.sync_all()
}

/// Writes the evidence that is kept anew.
pub(super) fn rewrite_found<'a>(root: &Path, kept: impl Iterator<Item = &'a Equivocation>) -> io::Result<()> {
    let new = root.join("found.jsonl.new");
    let mut bytes = Vec::new();
    for evidence in kept {
        bytes.extend_from_slice(&serde_json::to_vec(evidence)?);
        bytes.push(b'\n');
    }
    let mut file = File::create(&new)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(new, root.join("found.jsonl"))
}
