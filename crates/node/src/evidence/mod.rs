//! Remember who signed what, and find whoever signed two things that contradict (protocol §5).
//!
//! The consensus library reports a fault only when one node received both votes. So each seat
//!
//! - takes up every vote that it receives, every signature of every certificate, and every signature under a batch
//!   statement that it gathers ("first hand", from `consensus::gossip`, signatures checked there),
//! - passes on what others may need to see a contradiction ([`Relay`] says what and when), and hears what they pass on,
//! - keeps for each (rollup, term, genesis, [`Slot`], view or last height, signer) the first statement with its signature,
//!   on disk ([`log`](self)): any later one that contradicts it is an [`Equivocation`]. One statement a slot is enough:
//!   the statements of a slot fall into classes of which any two contradict (`surety_types::evidence`),
//! - checks what it found as L1 will, syncs it to disk and announces it, once; after a restart, again until it is pruned.
//!
//! # Bounds
//!
//! Of what peers pass on, only valid signatures of a term's own committee count, for terms and their genesis that this node
//! knows, for views up to [`AHEAD`] beyond those it has seen itself, and for at most [`MAX_BATCHES`] heights a signer and
//! term. Files of views long past are read for peers at most [`COLD_READS`] times a second. At most [`MAX_OPEN`] files are in
//! memory. Beyond the disk budget the oldest views are forgotten; a term is forgotten when nothing of it can be judged any
//! more. Of one signer and term at most [`MAX_FOUND`] equivocations are kept: the first costs the bond.
//!
//! Statements are synced about once a second: a crash of the machine may lose the newest (their other holders have them);
//! found evidence is synced before it is announced.

mod log;
mod message;
mod metrics;
mod relay;
mod state;
#[cfg(test)]
mod tests;

pub use log::TermKey;
pub use message::{MAX_BYTES, MAX_ITEMS, decode, encode};
pub(crate) use metrics::dropped;
pub use relay::Relay;
pub use state::{Noted, Place};

use alloy_primitives::{Address, map::HashMap};
use log::{FileKey, OpenFile};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};
use surety_types::{
    RollupId,
    evidence::{Equivocation, SignedStatement, Slot},
    signing::{Domain, SignatureSet, Statement},
};
use tokio::sync::broadcast;

/// How many views beyond the highest seen at first hand a peer may speak of.
pub const AHEAD: u64 = 1_024;
/// The most heights of batches that one signer may have statements for in one term.
pub const MAX_BATCHES: usize = 16_384;
/// Files of views long past that are read for peers, a second.
pub const COLD_READS: u32 = 4;
/// The most files in memory.
pub const MAX_OPEN: usize = 12;
/// The most equivocations of one signer in one term that are kept.
pub const MAX_FOUND: usize = 64;

/// What a pool needs.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its directory, made if it is not there.
    pub directory: PathBuf,
    /// The rollup (L2 chain id).
    pub rollup: RollupId,
    /// The domain of all votes.
    pub domain: Domain,
    /// How long after its last statement a term can still be judged: the unbonding time and the longest term.
    pub retain: Duration,
    /// Bytes on disk beyond which the oldest views are forgotten.
    pub max_bytes: u64,
}

impl Config {
    /// A budget for about a week of sixteen seats at five views a second.
    pub const DEFAULT_MAX_BYTES: u64 = 8 << 30;
}

/// The pool's directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("evidence pool {path}: {source}; set the directory right and restart")]
pub struct PoolError {
    path: PathBuf,
    source: io::Error,
}

/// What came of a statement that a peer passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Taken up, or known, or found to contradict: with its signer's place.
    Member(Place, Outcome),
    /// Outside of the bounds, or not a member's valid signature.
    Ignored(&'static str),
}

/// What came of a member's statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is the first in its slot.
    New,
    /// Nothing new.
    Known,
    /// Its signer is guilty.
    Found(Arc<Equivocation>),
}

/// The pool. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct EvidencePool {
    inner: Arc<Mutex<Inner>>,
    announced: broadcast::Sender<Arc<Equivocation>>,
}

#[derive(Debug)]
struct Inner {
    config: Config,
    terms: BTreeMap<TermKey, TermBook>,
    open: HashMap<FileKey, (OpenFile, u64)>,
    /// Counts uses, to close the file that was used longest ago.
    uses: u64,
    cold_reads: u32,
    found: Vec<Arc<Equivocation>>,
    /// Where guilt is known: it is not found again.
    guilty: BTreeSet<(TermKey, Slot, u64, Place)>,
    /// Closed before they were synced.
    to_sync: Vec<File>,
}

/// What is known of a term without opening its files.
#[derive(Debug, Default)]
struct TermBook {
    members: Vec<Address>,
    /// Files of views and their lengths.
    views: BTreeMap<u64, u64>,
    batches: u64,
    highest_view: u64,
    /// When anything of it was last received at first hand; `None`: since the last tick.
    touched: Option<SystemTime>,
}

impl EvidencePool {
    /// Opens the pool in its directory, with what an earlier run left there.
    ///
    /// # Errors
    /// When the directory cannot be read or written.
    pub fn open(config: Config) -> Result<Self, PoolError> {
        let path = config.directory.clone();
        let inner = Inner::open(config).map_err(|source| PoolError { path, source })?;
        Ok(Self { inner: Arc::new(Mutex::new(inner)), announced: broadcast::Sender::new(1_024) })
    }

    /// Says who votes in a term, in L1 order, and where it begins.
    pub fn begin(&self, key: TermKey, members: Vec<Address>) {
        let mut inner = self.inner.lock();
        if let Err(error) = log::begin(&inner.config.directory, &key, &members) {
            inner.failed("beginning a term", &error);
        }
        let book = inner.terms.entry(key).or_default();
        book.members = members;
        book.touched = None;
    }

    /// Takes up what this node received itself, and checked: `signed` is this member's.
    pub fn note(&self, member: Place, signed: &SignedStatement) -> Outcome {
        let outcome = self.inner.lock().first_hand(member, signed);
        self.announce(outcome)
    }

    /// Takes up what a peer passed on, if it is valid and within the bounds.
    pub fn hear(&self, signed: &SignedStatement) -> Heard {
        let heard = self.inner.lock().hear(signed);
        match heard {
            Ok((member, noted)) => Heard::Member(member, self.announce(noted)),
            Err(reason) => {
                metrics::ignored();
                Heard::Ignored(reason)
            }
        }
    }

    fn announce(&self, outcome: Outcome) -> Outcome {
        if let Outcome::Found(evidence) = &outcome {
            metrics::found();
            // Nobody listening is no error: whoever comes later reads what was found.
            let _ = self.announced.send(evidence.clone());
        }
        outcome
    }

    /// Evidence from now on, each once. A receiver that lags reads [`Self::found`].
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Equivocation>> {
        self.announced.subscribe()
    }

    /// All evidence that is kept, oldest first.
    pub fn found(&self) -> Vec<Arc<Equivocation>> {
        self.inner.lock().found.clone()
    }

    /// A statement that a quorum of the term's committee signed in this slot at this view (or last height), with the
    /// signatures: what answers an accusation of a fork.
    pub fn certificate(&self, term: TermKey, slot: Slot, place: u64) -> Option<(Statement, SignatureSet)> {
        let mut inner = self.inner.lock();
        let members = inner.terms.get(&term)?.members.len();
        inner.stored(term, slot, place)?.segment.certificate(slot, place, members)
    }

    /// All statements of a view or last height that are held.
    pub fn at(&self, term: TermKey, place: u64) -> Vec<(Place, SignedStatement)> {
        let mut inner = self.inner.lock();
        [Slot::Notarize, Slot::End]
            .into_iter()
            .flat_map(|slot| {
                inner.stored(term, slot, place).map(|file| file.segment.at(slot, place)).unwrap_or_default()
            })
            .collect()
    }

    /// What is to be synced, for whoever may block.
    pub fn to_sync(&self) -> Vec<File> {
        let mut inner = self.inner.lock();
        let mut files = std::mem::take(&mut inner.to_sync);
        let unsynced = inner.open.values_mut().filter(|(file, _)| file.unsynced);
        files.extend(unsynced.filter_map(|(file, _)| file.take_unsynced().ok()));
        files
    }

    /// Called about once a second: gives peers their share of reads again, forgets what is too old or too much.
    pub fn tick(&self, now: SystemTime) {
        let mut inner = self.inner.lock();
        inner.cold_reads = COLD_READS;
        inner.prune(now);
        let (bytes, open) = (inner.bytes(), inner.open.len());
        drop(inner);
        metrics::size(bytes, open);
    }
}

impl Inner {
    fn open(config: Config) -> io::Result<Self> {
        fs::create_dir_all(&config.directory)?;
        let mut inner = Self {
            terms: BTreeMap::new(),
            open: HashMap::default(),
            uses: 0,
            cold_reads: COLD_READS,
            found: Vec::new(),
            guilty: BTreeSet::new(),
            to_sync: Vec::new(),
            config,
        };
        for stored in log::terms(&inner.config.directory)? {
            let highest = stored.views.iter().map(|(n, _)| n.saturating_add(1).saturating_mul(log::VIEWS)).max();
            let book = TermBook {
                members: stored.members,
                views: stored.views.into_iter().collect(),
                batches: stored.batches,
                highest_view: highest.unwrap_or(0),
                touched: Some(stored.touched),
            };
            inner.terms.insert(stored.key, book);
        }
        for evidence in log::found(&inner.config.directory)? {
            // What a damaged disk made of it, or what was put there, is no evidence.
            if let Some((file, slot, member)) = inner.guilt(&evidence) {
                inner.guilty.insert((file.term, slot, evidence.first.statement.place(), member));
                inner.found.push(Arc::new(evidence));
            }
        }
        // Ends a line that a crash left unfinished.
        log::rewrite_found(&inner.config.directory, inner.found.iter().map(AsRef::as_ref))?;
        Ok(inner)
    }

    /// Whose guilt this evidence shows, by L1's rule.
    fn guilt(&self, evidence: &Equivocation) -> Option<(FileKey, Slot, Place)> {
        let signer = evidence.check(&self.config.domain).ok()?;
        let (file, slot) = FileKey::of(&evidence.first.statement)?;
        let member = self.terms.get(&file.term)?.members.iter().position(|member| *member == signer)?;
        Some((file, slot, member as Place))
    }

    fn failed(&self, what: &str, error: &io::Error) {
        metrics::failed();
        tracing::error!(
            directory = %self.config.directory.display(), %error,
            "{what}: the evidence pool forgets at the next restart; set the disk right"
        );
    }

    fn first_hand(&mut self, member: Place, signed: &SignedStatement) -> Outcome {
        let Some((key, slot)) = FileKey::of(&signed.statement) else { return Outcome::Known };
        let Some(book) = self.terms.get_mut(&key.term) else { return Outcome::Known };
        book.touched = None;
        if key.views.is_some() {
            book.highest_view = book.highest_view.max(signed.statement.place());
        }
        self.take(key, slot, member, signed)
    }

    fn hear(&mut self, signed: &SignedStatement) -> Result<(Place, Outcome), &'static str> {
        let statement = &signed.statement;
        let (key, slot) = FileKey::of(statement).ok_or("of a kind that is not judged")?;
        if statement.rollup() != self.config.rollup.get() {
            return Err("another rollup's");
        }
        let book = self.terms.get(&key.term).ok_or("a term or genesis that is not known here")?;
        if let Some(views) = key.views {
            if statement.place() > book.highest_view.saturating_add(AHEAD) {
                return Err("a view far ahead");
            }
            // What the disk budget took is not begun again.
            let lowest = book.views.first_key_value().map_or(0, |(first, _)| *first);
            if views < lowest && book.views.len() > 1 {
                return Err("a view that was forgotten");
            }
        }
        if !self.open.contains_key(&key) {
            let near = key.views.is_none_or(|n| n.saturating_add(2) > book.highest_view / log::VIEWS);
            if !near {
                self.cold_reads = self.cold_reads.checked_sub(1).ok_or("too many old views at once")?;
            }
        }
        // The same again costs no recovery.
        if let Some((file, _)) = self.open.get(&key)
            && file.segment.has(slot, signed)
        {
            return Err("known");
        }
        let signer = signed.signer(&self.config.domain).ok_or("no valid signature")?;
        let members = &self.terms.get(&key.term).ok_or("a term that is not known here")?.members;
        let member = members.iter().position(|member| *member == signer).ok_or("no member's")? as Place;
        Ok((member, self.take(key, slot, member, signed)))
    }

    fn take(&mut self, key: FileKey, slot: Slot, member: Place, signed: &SignedStatement) -> Outcome {
        let place = signed.statement.place();
        let Some(file) = self.file(key) else { return Outcome::Known };
        if slot == Slot::Batch
            && !file.segment.holds(slot, member, &signed.statement)
            && file.segment.count(member) >= MAX_BATCHES
        {
            return Outcome::Known;
        }
        match file.segment.note(slot, member, signed) {
            Noted::Known => Outcome::Known,
            Noted::New => {
                let written = file.append(member, signed);
                let length = file.length;
                match written {
                    Ok(_) => {
                        let book = self.terms.entry(key.term).or_default();
                        match key.views {
                            Some(views) => *book.views.entry(views).or_default() = length,
                            None => book.batches = length,
                        }
                    }
                    Err(error) => self.failed("writing a statement", &error),
                }
                metrics::statement();
                Outcome::New
            }
            Noted::Contradiction(evidence) => self.accuse((key.term, slot, place, member), *evidence),
        }
    }

    fn accuse(&mut self, at: (TermKey, Slot, u64, Place), evidence: Equivocation) -> Outcome {
        if self.guilty.contains(&at) {
            return Outcome::Known;
        }
        let of_this_term = self.guilty.iter().filter(|(term, _, _, member)| (*term, *member) == (at.0, at.3)).count();
        if of_this_term >= MAX_FOUND {
            return Outcome::Known;
        }
        // A damaged file, or a mistake of this node, must not accuse anyone.
        let Some((_, _, member)) = self.guilt(&evidence) else {
            tracing::error!(?evidence, "what looked like an equivocation does not check; it is left out");
            return Outcome::Known;
        };
        tracing::warn!(
            term = at.0.term, place = at.2, member, contradiction = ?evidence.contradiction(), "a seat has equivocated"
        );
        if let Err(error) = log::add_found(&self.config.directory, &evidence) {
            self.failed("writing evidence", &error);
        }
        let evidence = Arc::new(evidence);
        self.guilty.insert(at);
        self.found.push(evidence.clone());
        Outcome::Found(evidence)
    }

    /// The file of a slot, if there is one.
    fn stored(&mut self, term: TermKey, slot: Slot, place: u64) -> Option<&mut OpenFile> {
        let views = (slot != Slot::Batch).then_some(place / log::VIEWS);
        let book = self.terms.get(&term)?;
        let there = views.map_or(book.batches > 0, |n| book.views.contains_key(&n));
        if there { self.file(FileKey { term, views }) } else { None }
    }

    /// Opens a file, and closes the one that was used longest ago when there are too many.
    fn file(&mut self, key: FileKey) -> Option<&mut OpenFile> {
        self.uses = self.uses.wrapping_add(1);
        if !self.open.contains_key(&key) {
            match OpenFile::open(&self.config.directory, &key) {
                Ok(file) => {
                    self.open.insert(key, (file, self.uses));
                }
                Err(error) => {
                    self.failed("opening a file", &error);
                    return None;
                }
            }
            if self.open.len() > MAX_OPEN {
                let oldest = self.open.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| *key);
                if let Some((mut file, _)) = oldest.and_then(|oldest| self.open.remove(&oldest))
                    && file.unsynced
                {
                    self.to_sync.extend(file.take_unsynced());
                }
            }
        }
        let (file, used) = self.open.get_mut(&key)?;
        *used = self.uses;
        Some(file)
    }

    fn bytes(&self) -> u64 {
        let terms = self.terms.values();
        terms.map(|book| book.views.values().fold(book.batches, |sum, n| sum.saturating_add(*n))).sum()
    }

    fn prune(&mut self, now: SystemTime) {
        let retain = self.config.retain;
        // The newest term runs.
        let newest = self.terms.last_key_value().map(|(key, _)| key.term);
        let old: Vec<TermKey> = self
            .terms
            .iter_mut()
            .filter_map(|(key, book)| {
                let age = now.duration_since(*book.touched.get_or_insert(now)).unwrap_or_default();
                (Some(key.term) != newest && age > retain).then_some(*key)
            })
            .collect();
        for key in old {
            self.forget_term(&key);
        }
        let mut excess = self.bytes().saturating_sub(self.config.max_bytes);
        while excess > 0 {
            let oldest = self.terms.iter().find_map(|(term, book)| {
                // The files in use are the newest.
                let (views, length) =
                    book.views.first_key_value().filter(|_| book.views.len() > 1 || Some(term.term) != newest)?;
                Some((FileKey { term: *term, views: Some(*views) }, *length))
            });
            let Some((key, length)) = oldest else { break };
            self.open.remove(&key);
            if let Err(error) = log::remove(&self.config.directory, &key) {
                self.failed("forgetting the oldest views", &error);
            }
            if let Some(views) = key.views
                && let Some(book) = self.terms.get_mut(&key.term)
            {
                book.views.remove(&views);
            }
            excess = excess.saturating_sub(length.max(1));
        }
    }

    fn forget_term(&mut self, key: &TermKey) {
        self.terms.remove(key);
        self.open.retain(|file, _| file.term != *key);
        self.guilty.retain(|(term, ..)| term != key);
        let before = self.found.len();
        self.found.retain(|evidence| {
            let statement = &evidence.first.statement;
            (statement.term(), statement.genesis()) != (key.term, key.genesis)
        });
        let rewritten = if self.found.len() == before {
            Ok(())
        } else {
            log::rewrite_found(&self.config.directory, self.found.iter().map(AsRef::as_ref))
        };
        if let Err(error) = rewritten.and_then(|()| log::remove_term(&self.config.directory, key)) {
            self.failed("forgetting a term", &error);
        }
    }
}
