//! A running watchtower.

use crate::{
    audit::{Audit, DiskError, Entry},
    cases::Cases,
    collector::Collector,
    faults::{
        equivocation::{MAX_SOURCES, SourceId},
        idle::IdleFinder,
    },
    prosecutor::{Parts, Prosecutor},
    reader::Reader,
    sources::{self, QUEUE, Source, feed, file},
};
use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use surety_contracts::ChainFile;
use surety_l1::{L1, follow::FollowError, submit::Submitter};
use surety_types::{RollupId, signing::Domain};
use tokio::{
    sync::{broadcast, mpsc, watch},
    task::JoinHandle,
};

pub use crate::prosecutor::Status;

/// When a report is worth sending, and when to send it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Report also when the reward is not above the cost of gas. By default a report waits until it pays: whoever wants to
    /// see a fault punished at a loss says so.
    pub always: bool,
    /// Reports wait up to this long, each watchtower another time that follows from its address, so that many of them do
    /// not all pay for the same report. By default nobody waits: a report that is too late is not sent, only two in one L1
    /// block cost the later one a reverted transaction, and time until the penalty is worth more than that.
    pub spread: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self { always: false, spread: Duration::ZERO }
    }
}

/// What a watchtower needs.
#[derive(Clone)]
pub struct WatchConfig {
    /// The chain.
    pub chain: ChainFile,
    /// L1.
    pub l1: Arc<dyn L1>,
    /// Public feeds, `ws://…` or `wss://…`.
    pub feeds: Vec<String>,
    /// Files with evidence, read as they grow.
    pub files: Vec<PathBuf>,
    /// Everything that lasts. One watchtower a directory.
    pub directory: PathBuf,
    /// Sends reports; `None` for a dry run.
    pub submitter: Option<Arc<Submitter>>,
    /// When to report.
    pub policy: Policy,
    /// How often L1 is asked.
    pub poll: Duration,
}

impl std::fmt::Debug for WatchConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WatchConfig")
            .field("feeds", &self.feeds)
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

/// Why a watchtower did not start, or has stopped.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Reading L1.
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// Too many sources.
    #[error("{0} feeds and files are more than {MAX_SOURCES} sources: leave some out")]
    TooManySources(usize),
    /// Another watchtower works in the directory.
    #[error("another watchtower uses {}: stop it, or use another directory", .0.display())]
    InUse(PathBuf),
    /// A task of it is gone.
    #[error("a part of the watchtower has ended; the log says why")]
    Stopped,
}

/// Starts watchtowers; a running one is a handle. Dropped without [`Watchtower::stop`] it ends all the same.
#[derive(Debug)]
pub struct Watchtower {
    audit: Arc<Audit>,
    status: watch::Receiver<Status>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    /// `None` once its end was told.
    prosecutor: Option<JoinHandle<Result<(), WatchError>>>,
    /// Held while it runs.
    _lock: File,
}

impl Watchtower {
    /// Starts a watchtower. It has read L1's registry when this returns.
    ///
    /// # Errors
    /// See [`WatchError`].
    pub async fn start(config: WatchConfig) -> Result<Self, WatchError> {
        let WatchConfig { chain, l1, feeds, files, directory, submitter, policy, poll } = config;
        let lock = lock(&directory)?;
        let sources = sources(&feeds, &files)?;
        let rollup = RollupId::new(chain.protocol.rollup);
        let domain = Domain::new(chain.l1_chain_id, chain.addresses.registry);
        let audit = Arc::new(Audit::open(directory.join("audit.jsonl"))?);
        let cases = Cases::open(directory.join("cases.json"))?;
        let mut reader = Reader::open(l1.clone(), &chain, directory.join("position.json"))?;
        reader.look_ahead().await?;
        let idle = IdleFinder::open(l1.clone(), chain.addresses, &chain.protocol, directory.join("idle.json"))?;
        let (collector, found) =
            Collector::open(rollup, domain, reader.keys(), reader.terms(), &directory.join("seen"), &sources)?;
        let (pairs, pairs_taken) = mpsc::unbounded_channel();
        for pair in found {
            // The receiver is right here.
            let _ = pairs.send(pair);
        }
        let (bundles, bundles_taken) = mpsc::channel(QUEUE);
        let (stop, stopped) = watch::channel(false);
        let (status, watched) = watch::channel(Status::default());
        let mut tasks = vec![tokio::spawn(async move {
            if let Err(error) = collector.run(bundles_taken, pairs).await {
                tracing::error!(%error, "the watchtower hears nothing more");
            }
        })];
        let mut rest = sources.iter();
        let Some(own) = rest.next().cloned() else { return Err(WatchError::Stopped) };
        for (source, _) in rest.by_ref().zip(&feeds) {
            tasks.push(tokio::spawn(feed::run(rollup, source.clone(), bundles.clone())));
        }
        for (source, path) in sources.iter().skip(feeds.len().saturating_add(1)).zip(files) {
            tasks.push(tokio::spawn(file::run(path, source.clone(), bundles.clone())));
        }
        let parts = Parts {
            l1,
            chain,
            reader,
            idle,
            cases,
            audit: audit.clone(),
            submitter,
            policy,
            poll,
            bundles,
            source: own,
            status,
        };
        let prosecutor = Some(tokio::spawn(Prosecutor::new(parts).run(pairs_taken, stopped)));
        Ok(Self { audit, status: watched, stop, tasks, prosecutor, _lock: lock })
    }

    /// What is written to the audit log from now on.
    pub fn audit(&self) -> broadcast::Receiver<Entry> {
        self.audit.listen()
    }

    /// How far it is.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Waits until the watchtower has ended, which it does by itself only when it cannot go on; for ever if that was told before.
    ///
    /// # Errors
    /// Why.
    pub async fn ended(&mut self) -> Result<(), WatchError> {
        let Some(prosecutor) = &mut self.prosecutor else { return std::future::pending().await };
        let outcome = prosecutor.await;
        self.prosecutor = None;
        outcome.unwrap_or(Err(WatchError::Stopped))
    }

    /// Stops. What was sent goes on being sent by the next run.
    pub async fn stop(self) {
        let Self { stop, tasks, prosecutor, .. } = self;
        let _ = stop.send(true);
        if let Some(prosecutor) = prosecutor {
            match prosecutor.await {
                Ok(Err(error)) => tracing::error!(%error, "the watchtower had ended"),
                Ok(Ok(())) => {}
                Err(error) => tracing::error!(%error, "the watchtower had failed"),
            }
        }
        for task in tasks {
            task.abort();
            // Aborted is what it shall be.
            let _ = task.await;
        }
    }
}

/// Takes a watchtower's directory for as long as the file is held; made if it is not there.
///
/// # Errors
/// [`WatchError::InUse`], or the disk's.
pub fn lock(directory: &Path) -> Result<File, WatchError> {
    let disk = |cause| DiskError::new("make", directory, cause);
    std::fs::create_dir_all(directory).map_err(disk)?;
    let lock = File::create(directory.join("lock")).map_err(disk)?;
    lock.try_lock().map_err(|_| WatchError::InUse(directory.to_owned()))?;
    Ok(lock)
}

/// L1, then the feeds, then the files.
fn sources(feeds: &[String], files: &[PathBuf]) -> Result<Vec<Source>, WatchError> {
    let names = std::iter::once("l1".to_owned())
        .chain(feeds.iter().cloned())
        .chain(files.iter().map(|path| path.display().to_string()));
    let sources: Option<Vec<_>> = names
        .enumerate()
        .map(|(place, name)| Some(sources::Source { id: SourceId::new(place)?, name: name.into() }))
        .collect();
    sources.ok_or(WatchError::TooManySources(feeds.len().saturating_add(files.len())))
}
