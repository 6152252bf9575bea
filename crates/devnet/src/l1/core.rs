//! Making blocks, taking them back, and time.

use super::{Config, genesis};
use alloy_hardforks::EthereumHardfork;
use alloy_primitives::{Address, B256, Bytes, keccak256};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::{
    collections::{HashSet, VecDeque},
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};
use surety_l1::blobs::Archive;
use surety_rpc::{ChainBackend, ChainBackendParts, ChainKind, HeadChange, Tags};
use surety_state::{BlockRef, ExecutedBlock, Store, StoredBlock, View};
use surety_stf::execute::{
    PushError, When,
    ethereum::{Attributes, BlockExecutor, ForkSchedule, next_header, seal},
};
use surety_types::{Header, Recovered, Transaction};
use tokio::sync::{Notify, watch};

/// Blocks below the head that can be taken back.
const HISTORY: u64 = 10_000;
/// The receiver of priority fees; nobody has its key.
const BENEFICIARY: Address = Address::repeat_byte(0xbe);
/// The least gas of a transaction.
const LEAST_GAS: u64 = 21_000;

/// What can go wrong in the embedded L1.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NodeError {
    /// The database.
    #[error("embedded L1: {0}")]
    Store(#[from] surety_state::Error),
    /// The blob archive.
    #[error("embedded L1: {0}")]
    Blobs(#[from] surety_l1::L1Error),
    /// A file of the data directory.
    #[error("embedded L1: {what}: {reason}; check the data directory")]
    File {
        /// What was done.
        what: String,
        /// The system's words.
        reason: String,
    },
    /// The genesis could not be made.
    #[error("embedded L1: genesis: {0}")]
    Genesis(String),
    /// The engine failed: a defect of this program.
    #[error("embedded L1: a block could not be made: {0}")]
    Engine(String),
    /// A reorg of more blocks than there are.
    #[error("cannot take {depth} blocks back: the head is block {head} and {most} can be taken back at most")]
    TooDeep {
        /// Blocks asked for.
        depth: u64,
        /// Number of the head.
        head: u64,
        /// The most.
        most: u64,
    },
    /// The next block's time must be later than the head's.
    #[error("time {time} is not after the head's, {head}: choose a later one")]
    TimeNotLater {
        /// What was asked for.
        time: u64,
        /// The head's time.
        head: u64,
    },
    /// Too many blocks at once.
    #[error("{0} blocks at once are too many: mine at most 10,000")]
    TooManyBlocks(u64),
}

impl NodeError {
    pub(super) fn task(error: tokio::task::JoinError) -> Self {
        Self::Engine(error.to_string())
    }

    fn file(what: &str, path: &Path, error: impl std::fmt::Display) -> Self {
        Self::File { what: format!("{what} {}", path.display()), reason: error.to_string() }
    }
}

/// What a reorg did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reorged {
    /// The newest block that stayed.
    pub ancestor: BlockRef,
    /// The head afterwards.
    pub head: BlockRef,
}

/// What is fixed at the first start, kept beside the chain.
#[derive(Debug, Serialize, Deserialize)]
struct Birth {
    genesis_time: u64,
    chain_id: u64,
    slot_time: u64,
    gas_limit: u64,
}

#[derive(Debug)]
struct Inner {
    /// The clock's shift against this machine's, in seconds.
    shift: i128,
    /// Time of the next block, if it was ordered.
    next_time: Option<u64>,
    /// Slots to leave empty.
    skip: u64,
    paused: bool,
    finality_lag: u64,
    finalized: u64,
    /// Distinguishes the branches of one height.
    branch: u64,
    /// Transactions that a reorg threw out and the next blocks take first.
    returned: VecDeque<Recovered<Transaction>>,
}

/// The node without its servers.
#[derive(Debug)]
pub(super) struct Core {
    config: Config,
    pub(super) store: Store,
    schedule: Arc<ForkSchedule>,
    pub(super) backend: ChainBackend,
    pub(super) archive: Arc<Archive>,
    pub(super) genesis_time: u64,
    inner: Mutex<Inner>,
    /// The clock was moved, or mining resumed.
    moved: Notify,
    _temporary: Option<tempfile::TempDir>,
}

impl Core {
    /// Opens the chain, or makes it.
    pub(super) fn open(mut config: Config) -> Result<Self, NodeError> {
        let temporary = match &config.data_dir {
            Some(_) => None,
            None => Some(tempfile::tempdir().map_err(|e| NodeError::file("making", &std::env::temp_dir(), e))?),
        };
        let directory =
            config.data_dir.clone().or_else(|| temporary.as_ref().map(|t| t.path().to_owned())).unwrap_or_default();
        std::fs::create_dir_all(&directory).map_err(|e| NodeError::file("making", &directory, e))?;
        let birth = birth(&directory, &config)?;
        (config.chain_id, config.slot_time, config.gas_limit) =
            (birth.chain_id, birth.slot_time.max(1), birth.gas_limit);
        let settings = surety_state::Config { history_blocks: HISTORY, ..Default::default() };
        let store =
            Store::open(Some(&directory.join("chain")), settings, genesis::genesis(&config, birth.genesis_time)?)?;
        let archive = Arc::new(Archive::open(directory.join("blobs"), config.blob_capacity)?);
        let schedule = Arc::new(ForkSchedule::since_genesis(config.chain_id, EthereumHardfork::Bpo2));
        let (head, genesis) = (store.head(), store.genesis());
        let finalized = head.number.saturating_sub(config.finality_lag);
        let backend = ChainBackend::new(ChainBackendParts {
            store: store.clone(),
            chain: ChainKind::L1((*schedule).clone()),
            tags: Tags { latest: head, safe: Some(genesis), finalized: Some(genesis) },
            pool_capacity: config.pool_capacity,
            // `L1Backend::submit` has checked the proofs by then.
            sidecar_check: Some(Arc::new(|_, _| Ok(()))),
        });
        let mut inner = Inner {
            shift: 0,
            next_time: None,
            skip: 0,
            paused: false,
            finality_lag: config.finality_lag,
            finalized,
            branch: 0,
            returned: VecDeque::new(),
        };
        let head_time = header(&store, head.hash)?.timestamp;
        inner.shift = i128::from(head_time.saturating_sub(machine_time().as_secs()));
        let core = Self {
            genesis_time: birth.genesis_time,
            config,
            store,
            schedule,
            backend,
            archive,
            inner: Mutex::new(inner),
            moved: Notify::new(),
            _temporary: temporary,
        };
        let tags = core.tags(&mut core.inner.lock())?;
        core.backend.advance(HeadChange { removed: Vec::new(), added: Vec::new() }, tags);
        Ok(core)
    }

    pub(super) const fn chain_id(&self) -> u64 {
        self.config.chain_id
    }

    pub(super) const fn slot_time(&self) -> u64 {
        self.config.slot_time
    }

    /// The most blobs of a block now, and of one transaction.
    pub(super) fn blob_limits(&self) -> (u64, u64) {
        let params = self.schedule.blob_params(self.now());
        params.map_or((0, 0), |params| (params.max_blob_count, params.max_blobs_per_tx))
    }

    /// The time by the shifted clock, Unix seconds.
    pub(super) fn now(&self) -> u64 {
        shifted(machine_time(), self.inner.lock().shift).as_secs()
    }

    /// Number of the finalised block.
    pub(super) fn finalized(&self) -> u64 {
        self.inner.lock().finalized
    }

    /// The head.
    pub(super) fn head(&self) -> BlockRef {
        self.store.head()
    }

    /// Where the tags point; moves finality forward.
    fn tags(&self, inner: &mut Inner) -> Result<Tags, NodeError> {
        let latest = self.store.head();
        inner.finalized = inner.finalized.max(latest.number.saturating_sub(inner.finality_lag)).min(latest.number);
        let at = |number: u64| -> Result<Option<BlockRef>, NodeError> {
            Ok(self.store.canonical_hash(number)?.map(|hash| BlockRef { number, hash }))
        };
        let safe = latest.number.saturating_sub(self.config.safe_lag).max(inner.finalized);
        Ok(Tags { latest, safe: at(safe)?, finalized: at(inner.finalized)? })
    }

    /// Makes `count` blocks now, one slot apart.
    pub(super) fn mine(&self, count: u64) -> Result<BlockRef, NodeError> {
        if count > 10_000 {
            return Err(NodeError::TooManyBlocks(count));
        }
        for _ in 0..count {
            let mut inner = self.inner.lock();
            let head = header(&self.store, self.store.head().hash)?.timestamp;
            let now = shifted(machine_time(), inner.shift).as_secs();
            let slot = self.slot_start(now);
            let next = if slot > head { slot } else { head.saturating_add(self.config.slot_time) };
            let skipped = std::mem::take(&mut inner.skip).saturating_mul(self.config.slot_time);
            self.mine_one(&mut inner, next.saturating_add(skipped))?;
        }
        self.moved.notify_one();
        Ok(self.store.head())
    }

    /// Start of the slot that holds a time.
    fn slot_start(&self, time: u64) -> u64 {
        let since = time.saturating_sub(self.genesis_time);
        self.genesis_time.saturating_add(since - since % self.config.slot_time)
    }

    /// Makes one block on the head at a time (or the one that was ordered) and tells of it.
    fn mine_one(&self, inner: &mut Inner, time: u64) -> Result<(), NodeError> {
        let block = self.build(inner, time)?;
        let time = block.block.header.timestamp;
        // The clock never shows less than the head.
        let behind = i128::from(time) - i128::from(shifted(machine_time(), inner.shift).as_secs());
        inner.shift += behind.max(0);
        let tags = self.tags(inner)?;
        self.backend.advance(HeadChange { removed: Vec::new(), added: vec![block] }, tags);
        Ok(())
    }

    /// Builds, executes and commits a block on the head.
    fn build(&self, inner: &mut Inner, time: u64) -> Result<Arc<StoredBlock>, NodeError> {
        let parent = self.store.head();
        let parent_header = header(&self.store, parent.hash)?;
        let timestamp = inner.next_time.take().unwrap_or(time).max(parent_header.timestamp.saturating_add(1));
        let attributes = Attributes {
            timestamp,
            beneficiary: BENEFICIARY,
            prev_randao: prev_randao(self.config.seed, parent.hash, timestamp, inner.branch),
            parent_beacon_block_root: beacon_root(parent.hash),
            extra_data: Bytes::from_static(b"surety embedded L1"),
        };
        let header = next_header(&self.schedule, &parent_header, parent.hash, &attributes);
        let view = self.store.view(parent.hash)?;
        let engine = |e: &dyn std::fmt::Display| NodeError::Engine(e.to_string());
        let mut executor =
            BlockExecutor::new(&self.schedule, header, &[], Some(Default::default()), view.clone(), None)
                .map_err(|e| engine(&e))?;
        self.fill(inner, &mut executor)?;
        let executed = executor.finish().map_err(|e| engine(&e))?;
        let roots = view.root(&executed.changes)?;
        let (senders, receipts, changes) =
            (executed.senders.clone(), executed.receipts.clone(), executed.changes.clone());
        let block = seal(executed, roots.state_root);
        let hash = block.hash();
        self.store.insert(ExecutedBlock {
            block,
            hash,
            senders,
            receipts,
            changes,
            updates: roots.updates,
            aux: Bytes::new(),
        })?;
        // Committing makes it the head: nobody sees it before it is durable.
        self.store.commit(hash)?;
        self.store.block(hash)?.ok_or_else(|| NodeError::Engine("a committed block is missing".into()))
    }

    /// Puts transactions into a block: first those that a reorg threw out, then the pool's best.
    fn fill(&self, inner: &mut Inner, executor: &mut BlockExecutor<'_, View>) -> Result<(), NodeError> {
        let header = executor.header();
        let base_fee = header.base_fee_per_gas.unwrap_or_default();
        let blob_fee = self
            .schedule
            .blob_params(header.timestamp)
            .map_or(1, |params| params.calc_blob_fee(header.excess_blob_gas.unwrap_or_default()));
        let mut waiting = VecDeque::new();
        for transaction in std::mem::take(&mut inner.returned) {
            if let Err(When::Later | When::NextBlock) = push(executor, transaction.clone())? {
                waiting.push_back(transaction);
            }
        }
        inner.returned = waiting;
        let pool = self.backend.pool();
        let mut blocked: HashSet<Address> = HashSet::new();
        for pooled in pool.best(base_fee, blob_fee, self.backend.nonces()) {
            if executor.gas_left() < LEAST_GAS {
                break;
            }
            let sender = pooled.transaction.signer();
            if blocked.contains(&sender) {
                continue;
            }
            if let Err(when) = push(executor, (*pooled.transaction).clone())? {
                if when == When::Never {
                    pool.remove(*pooled.transaction.hash());
                }
                blocked.insert(sender);
            }
        }
        Ok(())
    }

    /// Takes `depth` blocks back and makes `replacement` other ones in their place.
    pub(super) fn reorg(&self, depth: u64, keep: bool, replacement: u64) -> Result<Reorged, NodeError> {
        let mut inner = self.inner.lock();
        let head = self.store.head();
        let most = head.number.saturating_sub(self.store.oldest_state()?);
        if depth == 0 || depth > most {
            return Err(NodeError::TooDeep { depth, head: head.number, most });
        }
        if replacement > 10_000 {
            return Err(NodeError::TooManyBlocks(replacement));
        }
        let mut removed = self.store.unwind_to(head.number - depth)?;
        let ancestor = self.store.head();
        inner.branch += 1;
        inner.finalized = inner.finalized.min(ancestor.number);
        inner.next_time = None;
        if keep {
            let transactions = removed.iter().flat_map(|block| {
                block
                    .block
                    .transactions
                    .iter()
                    .zip(&block.senders)
                    .map(|(tx, sender)| Recovered::new_unchecked(tx.clone(), *sender))
            });
            inner.returned = transactions.collect();
        } else {
            inner.returned.clear();
        }
        let mut times: VecDeque<u64> = removed.iter().map(|block| block.block.header.timestamp).collect();
        removed.reverse();
        let tags = self.tags(&mut inner)?;
        self.backend.advance(HeadChange { removed, added: Vec::new() }, tags);
        for _ in 0..replacement {
            let after = header(&self.store, self.store.head().hash)?.timestamp.saturating_add(self.config.slot_time);
            self.mine_one(&mut inner, times.pop_front().unwrap_or(after))?;
        }
        Ok(Reorged { ancestor, head: self.store.head() })
    }

    /// Leaves the next `slots` slots empty.
    pub(super) fn skip_slots(&self, slots: u64) {
        let mut inner = self.inner.lock();
        inner.skip = inner.skip.saturating_add(slots);
    }

    /// Sets the time of the next block; the clock goes on from there.
    pub(super) fn set_next_time(&self, time: u64) -> Result<(), NodeError> {
        let head = header(&self.store, self.store.head().hash)?.timestamp;
        if time <= head {
            return Err(NodeError::TimeNotLater { time, head });
        }
        let mut inner = self.inner.lock();
        inner.next_time = Some(time);
        Ok(())
    }

    /// Moves the clock forward; returns its whole shift.
    pub(super) fn increase_time(&self, seconds: u64) -> i128 {
        let shift = {
            let mut inner = self.inner.lock();
            inner.shift += i128::from(seconds);
            inner.shift
        };
        self.moved.notify_one();
        shift
    }

    /// Stops or resumes making blocks by the clock.
    pub(super) fn set_paused(&self, paused: bool) {
        self.inner.lock().paused = paused;
        self.moved.notify_one();
    }

    /// Sets how far finality is behind; what is final stays final.
    pub(super) fn set_finality_lag(&self, blocks: u64) -> Result<(), NodeError> {
        let mut inner = self.inner.lock();
        inner.finality_lag = blocks;
        let tags = self.tags(&mut inner)?;
        self.backend.set_tags(tags.safe, tags.finalized);
        Ok(())
    }

    /// One slot by the clock: a block, unless paused or skipped.
    fn tick(&self, slot_start: u64) -> Result<(), NodeError> {
        let mut inner = self.inner.lock();
        if inner.paused {
            return Ok(());
        }
        if inner.skip > 0 {
            inner.skip -= 1;
            return Ok(());
        }
        let head = header(&self.store, self.store.head().hash)?.timestamp;
        // The slot has its block: the clock was moved meanwhile.
        if head >= slot_start && inner.next_time.is_none() {
            return Ok(());
        }
        self.mine_one(&mut inner, slot_start)
    }
}

/// Tries a transaction; says when it may be tried again if it did not go in.
fn push(
    executor: &mut BlockExecutor<'_, View>,
    transaction: Recovered<Transaction>,
) -> Result<Result<(), When>, NodeError> {
    match executor.push(transaction) {
        Ok(_) => Ok(Ok(())),
        Err(PushError::Refused(refusal)) => {
            tracing::debug!(%refusal, "a transaction does not go into the block");
            Ok(Err(refusal.when()))
        }
        Err(error) => Err(NodeError::Engine(error.to_string())),
    }
}

/// Makes blocks by the clock until told to stop.
pub(super) async fn produce(core: Arc<Core>, mut stop: watch::Receiver<()>) {
    loop {
        let (slot, wait) = {
            let now = shifted(machine_time(), core.inner.lock().shift);
            let slot = core.slot_start(now.as_secs()).saturating_add(core.slot_time());
            (slot, Duration::from_secs(slot).saturating_sub(now))
        };
        tokio::select! {
            _ = stop.changed() => return,
            () = core.moved.notified() => continue,
            () = tokio::time::sleep(wait) => {}
        }
        let at_work = core.clone();
        match tokio::task::spawn_blocking(move || at_work.tick(slot)).await.map_err(NodeError::task) {
            Ok(Ok(())) => {}
            Ok(Err(error)) | Err(error) => tracing::error!(%error, "no block in this slot"),
        }
    }
}

fn header(store: &Store, hash: B256) -> Result<Header, NodeError> {
    store.header(hash)?.ok_or_else(|| NodeError::Engine(format!("block {hash} is missing")))
}

/// Reads what was fixed at the first start, or fixes it.
fn birth(directory: &Path, config: &Config) -> Result<Birth, NodeError> {
    let path = directory.join("l1.json");
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| NodeError::file("reading", &path, e)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let birth = Birth {
                genesis_time: config.genesis_time.unwrap_or_else(|| machine_time().as_secs()),
                chain_id: config.chain_id,
                slot_time: config.slot_time.max(1),
                gas_limit: config.gas_limit,
            };
            let bytes = serde_json::to_vec_pretty(&birth).map_err(|e| NodeError::file("writing", &path, e))?;
            std::fs::write(&path, bytes).map_err(|e| NodeError::file("writing", &path, e))?;
            Ok(birth)
        }
        Err(error) => Err(NodeError::file("reading", &path, error)),
    }
}

/// This machine's clock.
fn machine_time() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn shifted(time: Duration, shift: i128) -> Duration {
    let by = Duration::from_secs(u64::try_from(shift.unsigned_abs()).unwrap_or(u64::MAX));
    if shift < 0 { time.saturating_sub(by) } else { time.saturating_add(by) }
}

fn prev_randao(seed: u64, parent: B256, time: u64, branch: u64) -> B256 {
    keccak256([&seed.to_be_bytes(), parent.as_slice(), &time.to_be_bytes(), &branch.to_be_bytes()].concat())
}

/// What stands for the root of the beacon block that carries an execution block.
pub(super) fn beacon_root(execution: B256) -> B256 {
    keccak256([b"surety embedded L1 beacon block".as_slice(), execution.as_slice()].concat())
}
