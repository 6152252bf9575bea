//! A follower as a whole: the chain as L1 gives it, and a backend that serves it.
//!
//! In its directory: `state/` (the chain), `follower.json` (how far L1 is read), `batches.jsonl` (for `surety_finality`),
//! `posted/` (what L1 had of each batch, for witnesses), `conflicts.jsonl` (certificates of a fork, should there ever be one).

use crate::{
    backend::{BatchLog, BatchLogError, NodeBackend},
    builder::{Blocks, Inbox, decode_aux},
    consensus::{TermSchedule, block::BlockLimits},
    feed,
    follower::{self, Chain, Follower, FollowerError, PostedBatches, Status},
    genesis::{GenesisError, genesis},
    sequencer::{MAX_BLOCK_BYTES, TERMS_BACK},
    soft::{self, FeedState, Forwarder, Importer, ImporterParts},
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use surety_contracts::ChainFile;
use surety_l1::{L1, follow::FollowConfig};
use surety_rpc::Feed;
use surety_state::Store;
use surety_stf::execute::op::L1Attributes;
use surety_types::{Seconds, Term, signing::Domain};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

/// What a follower needs.
#[derive(Clone)]
pub struct FollowerNodeConfig {
    /// The chain.
    pub chain: ChainFile,
    /// Its directory; made if it is not there.
    pub directory: PathBuf,
    /// L1.
    pub l1: Arc<dyn L1>,
    /// How long to wait before asking L1 again when all is read.
    pub poll: Duration,
    /// `ws://…` of nodes whose feed of soft-final blocks is followed, and to whom transactions are passed on. None: L1 alone.
    pub feeds: Vec<String>,
}

/// Why a node did not start, or has stopped.
#[derive(Debug, thiserror::Error)]
pub enum FollowerNodeError {
    /// Its directory.
    #[error("cannot use the directory {path}: {reason}")]
    Directory {
        /// The path.
        path: String,
        /// The system's words.
        reason: String,
    },
    /// Its first block.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// Its chain.
    #[error(transparent)]
    State(#[from] surety_state::Error),
    /// Its log of batches.
    #[error(transparent)]
    Batches(#[from] BatchLogError),
    /// Its follower.
    #[error(transparent)]
    Follower(#[from] FollowerError),
}

/// A running follower. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct FollowerNode {
    backend: Arc<NodeBackend>,
    status: watch::Receiver<Status>,
    posted: PostedBatches,
    stop: watch::Sender<bool>,
    /// `None` once its end was told.
    follower: Option<JoinHandle<Result<(), FollowerError>>>,
    helpers: Vec<JoinHandle<()>>,
}

/// Opens a chain's store in a node's directory.
pub(crate) fn open_store(chain: &ChainFile, directory: &PathBuf) -> Result<Store, FollowerNodeError> {
    let failed = |e: std::io::Error| FollowerNodeError::Directory {
        path: directory.display().to_string(),
        reason: e.to_string(),
    };
    fs::create_dir_all(directory).map_err(failed)?;
    let genesis = genesis(&chain.parameters, &chain.genesis)?;
    let config = surety_state::Config { history_blocks: history_blocks(chain), ..Default::default() };
    Ok(Store::open(Some(&directory.join("state")), config, genesis)?)
}

/// How many blocks' states a node keeps: a withdrawal is proved against a claim whose challenge period is over, and blocks
/// that did not reach L1 in time are taken back. Twice that.
fn history_blocks(chain: &ChainFile) -> u64 {
    let seconds = chain.protocol.challenge_period.saturating_add(chain.protocol.max_gap);
    let blocks = seconds.saturating_mul(2_000).checked_div(chain.parameters.block_time.get()).unwrap_or(0);
    blocks.max(surety_state::Config::default().history_blocks)
}

/// What a node's follower reads.
pub(crate) fn follow_config(
    chain: &ChainFile,
    directory: &Path,
    poll: Duration,
) -> Result<follower::Config, FollowerNodeError> {
    let l1 = FollowConfig::new(
        chain.addresses,
        chain.parameters.rollup,
        chain.l1_start,
        chain.protocol.settled_depth,
        Seconds::new(chain.protocol.force_delay),
    );
    Ok(follower::Config { l1, progress: directory.join("follower.json"), posted: posted(chain, directory)?, poll })
}

/// What a node keeps of batches for witnesses.
pub(crate) fn posted(chain: &ChainFile, directory: &Path) -> Result<PostedBatches, FollowerNodeError> {
    let directory = directory.join("posted");
    PostedBatches::open(directory.clone(), history_blocks(chain)).map_err(|error| FollowerNodeError::Directory {
        path: directory.display().to_string(),
        reason: error.to_string(),
    })
}

/// Takes soft-final blocks from feeds, publishes them again, and passes transactions on.
fn follow_feeds(
    chain: &ChainFile,
    directory: &Path,
    l1: Arc<dyn L1>,
    (store, inbox): (Store, Inbox),
    backend: &Arc<NodeBackend>,
    schedule: TermSchedule,
    urls: Vec<String>,
) -> Result<[JoinHandle<()>; 2], FollowerNodeError> {
    let protocol = &chain.protocol;
    let newest = store.block(store.head().hash)?;
    let term = newest.and_then(|block| decode_aux(chain.parameters.rollup, &block.aux)).map(|c| c.term);
    let first = Term::new(1).max(term.unwrap_or_default().saturating_sub(TERMS_BACK));
    let terms = feed::terms(l1, chain.addresses, schedule.clone(), first, feed::Depth::of(protocol));
    let feeds: Vec<_> = urls.into_iter().map(FeedState::new).collect();
    let published = Arc::new(Feed::new());
    backend.publish(published.clone());
    backend.forward(Arc::new(Forwarder::new(feeds.clone())));
    let importer = Importer::new(ImporterParts {
        blocks: Blocks::new(store, chain.parameters.clone(), inbox, Seconds::new(protocol.force_delay)),
        schedule,
        domain: Domain::new(chain.l1_chain_id, chain.addresses.registry),
        limits: BlockLimits { rollup: chain.parameters.rollup, max_bytes: MAX_BLOCK_BYTES, base: 0 },
        backend: backend.clone(),
        feed: published,
        conflicts: directory.join("conflicts.jsonl"),
        feeds: feeds.clone(),
    });
    Ok([tokio::spawn(terms), tokio::spawn(soft::run(importer, feeds))])
}

impl FollowerNode {
    /// Starts a follower.
    ///
    /// # Errors
    /// See [`FollowerNodeError`].
    pub async fn start(config: FollowerNodeConfig) -> Result<Self, FollowerNodeError> {
        let FollowerNodeConfig { chain, directory, l1, poll, feeds } = config;
        let store = open_store(&chain, &directory)?;
        let backend = NodeBackend::new(
            store.clone(),
            chain.parameters.clone(),
            Seconds::new(chain.protocol.challenge_period),
            None,
            BatchLog::open(&directory.join("batches.jsonl"))?,
        );
        let (notices, received) = mpsc::unbounded_channel();
        let derived = Chain::new(store.clone(), Arc::new(chain.parameters.clone()));
        let follow = follow_config(&chain, &directory, poll)?;
        let posted = follow.posted.clone();
        let (follower, status) = Follower::new(l1.clone(), follow, derived, notices)?;
        let schedule = TermSchedule::new();
        let follower = if feeds.is_empty() { follower } else { follower.with_terms(schedule.clone()) };
        let (stop, stopped) = watch::channel(false);
        // The follower repeats the messages that no batch has consumed; soft-final blocks may have consumed more.
        let position = L1Attributes::read(&store.latest()?)?;
        let (inbox, messages) = (Inbox::new(position.message_count), follower.messages());
        let mut helpers = vec![
            tokio::spawn(feed::notices(
                received,
                (inbox.clone(), messages.clone()),
                backend.clone(),
                schedule.clone(),
                None,
            )),
            tokio::spawn(feed::l1_time(status.clone(), (inbox.clone(), messages), backend.clone(), None)),
        ];
        if !feeds.is_empty() {
            helpers.extend(follow_feeds(&chain, &directory, l1, (store, inbox), &backend, schedule, feeds)?);
        }
        let follower = Some(tokio::spawn(follower.run(stopped)));
        Ok(Self { backend, status, posted, stop, follower, helpers })
    }

    /// What its RPC server asks.
    pub fn backend(&self) -> Arc<NodeBackend> {
        self.backend.clone()
    }

    /// Where it is.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// What L1 had of each batch.
    pub fn posted(&self) -> PostedBatches {
        self.posted.clone()
    }

    /// Waits until the follower has ended, which it does by itself only when it fails; for ever if that was told before.
    ///
    /// # Errors
    /// Why it failed.
    pub async fn ended(&mut self) -> Result<(), FollowerError> {
        let Some(follower) = &mut self.follower else { return std::future::pending().await };
        let outcome = follower.await;
        self.follower = None;
        match outcome {
            Ok(outcome) => outcome,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Stops and waits until everything is on disk.
    pub async fn stop(self) {
        // Nobody listening means that it has ended.
        let _ = self.stop.send(true);
        if let Some(follower) = self.follower {
            match follower.await {
                Ok(Err(error)) => tracing::error!(%error, "the follower had failed"),
                Err(error) if error.is_panic() => tracing::error!(%error, "the follower had failed"),
                _ => {}
            }
        }
        for helper in self.helpers {
            helper.abort();
            // Aborted is what it shall be.
            let _ = helper.await;
        }
    }
}
