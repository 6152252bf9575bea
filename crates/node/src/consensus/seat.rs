//! A seat as a running thing: its own threads, network and storage, beside others in one process if need be.
//!
//! The consensus library's runtime owns its threads, so a seat runs on a thread of its own that starts that runtime; what
//! comes out of it are channels that any task may read. Each seat needs its own directory, port, journal and store.

use super::{
    admission::Admission,
    application::{Shared, SignedReceipt},
    block::{BlockLimits, ConsensusBlock, Hash},
    byzantine::Misbehaviour,
    committee::{Committee, MAX_MEMBERS, TermSchedule},
    engine::{self, Channels, Core, Network, Timing},
    epochs::Boundary,
    generation::Generation,
    scheme::Scheme,
    statements::{self, BatchSignatures, BatchVerifier, Requests, Statements},
    status,
    steady::Steady,
    transactions,
};
use crate::{
    builder::Blocks,
    clock::Clock as TimeOfDay,
    evidence::{self, EvidencePool},
    pool::Pool,
    signer::Guard,
};
use alloy_primitives::{Address, B256};
use commonware_codec::{Copying, DecodeExt as _};
use commonware_consensus::{marshal::standard::Standard, simplex};
use commonware_cryptography::{
    ChaCha20Poly1305, Signer as _,
    ed25519::{PrivateKey, PublicKey},
};
use commonware_p2p::{authenticated::lookup, max_message_size, utils::mux::prefixed};
use commonware_runtime::{Metrics as _, Quota, Runner as _, Spawner as _, Supervisor as _, tokio as runtime};
use commonware_stream::{
    cups::{self, Cups},
    sake::{self, Sake},
};
use commonware_utils::{NZU32, NZUsize};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
    sync::Arc,
    thread,
    time::Duration,
};
use surety_rpc::Feed;
use surety_state::StoredBlock;
use surety_types::{Term, signing::Domain};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

/// Where peers listen, by peer key. Cheap to clone, all clones are one list; it may change while the seat runs.
#[derive(Debug, Clone)]
pub struct PeerAddresses(Arc<watch::Sender<BTreeMap<B256, SocketAddr>>>);

impl Default for PeerAddresses {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(BTreeMap::new())))
    }
}

impl PeerAddresses {
    /// Says where a peer listens.
    pub fn insert(&self, peer: B256, address: SocketAddr) {
        self.0.send_modify(|peers| {
            peers.insert(peer, address);
        });
    }

    /// Puts another list in the place of this one.
    pub fn replace(&self, peers: BTreeMap<B256, SocketAddr>) {
        self.0.send_if_modified(|old| {
            let differs = *old != peers;
            *old = peers;
            differs
        });
    }

    pub(super) fn get(&self, peer: &B256) -> Option<SocketAddr> {
        self.0.borrow().get(peer).copied()
    }

    /// Tells of every change.
    pub(super) fn changes(&self) -> watch::Receiver<BTreeMap<B256, SocketAddr>> {
        self.0.subscribe()
    }
}

/// The public ed25519 key of a secret peer key, as it is registered on L1; `None` if the secret is none.
pub fn peer_public_key(secret: &B256) -> Option<B256> {
    let key = PrivateKey::decode(Copying(secret.as_slice())).ok()?;
    B256::try_from(key.public_key().as_ref()).ok()
}

/// Messages per second that each peer may send on each channel. They set how much memory the library reserves, and must
/// be several times what the chain needs at its block time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// Votes.
    pub votes: NonZeroU32,
    /// Certificates.
    pub certificates: NonZeroU32,
    /// Questions for certificates and their answers.
    pub resolver: NonZeroU32,
    /// New blocks.
    pub blocks: NonZeroU32,
    /// Questions for blocks and their answers.
    pub backfill: NonZeroU32,
    /// Bundles of transactions.
    pub transactions: NonZeroU32,
    /// Batch statements and signatures.
    pub statements: NonZeroU32,
    /// Statements passed on for the evidence pool, in bundles.
    pub evidence: NonZeroU32,
}

impl Quotas {
    /// What a chain with this many views a second needs, with room.
    pub const fn for_views_per_second(views: u32) -> Self {
        const fn quota(n: u32) -> NonZeroU32 {
            match NonZeroU32::new(n) {
                Some(n) => n,
                None => NonZeroU32::MIN,
            }
        }
        Self {
            votes: quota(views.saturating_mul(16)),
            certificates: quota(views.saturating_mul(16)),
            resolver: quota(views.saturating_mul(16)),
            blocks: quota(views.saturating_mul(4)),
            backfill: quota(views.saturating_mul(16)),
            transactions: quota(256),
            statements: quota(16),
            evidence: quota(32),
        }
    }
}

impl Default for Quotas {
    /// For blocks every 200 ms.
    fn default() -> Self {
        Self::for_views_per_second(8)
    }
}

/// What a seat needs to run.
#[derive(Debug)]
pub struct SeatConfig {
    /// Directory of the consensus library's own storage; made if it is not there. No other seat's.
    pub directory: PathBuf,
    /// Where peers connect to.
    pub listen: SocketAddr,
    /// Secret ed25519 peer key.
    pub peer_key: B256,
    /// Where the others listen.
    pub peers: PeerAddresses,
    /// Whether peers may have private addresses and share one (development).
    pub local: bool,
    /// The vote key behind its journal; `None` for a node that does not vote.
    pub guard: Option<Guard>,
    /// Domain of all votes.
    pub domain: Domain,
    /// Terms and committees, filled from L1.
    pub schedule: TermSchedule,
    /// The chain.
    pub blocks: Blocks,
    /// Transactions waiting.
    pub pool: Arc<Pool>,
    /// Who receives the priority fees of this seat's blocks.
    pub beneficiary: Address,
    /// Derives batches before they are signed; `None`: this seat signs none.
    pub batch_verifier: Option<BatchVerifier>,
    /// Where statements are kept and contradictions found.
    pub evidence: EvidencePool,
    /// Where final blocks are published.
    pub feed: Arc<Feed>,
    /// Timeouts of consensus.
    pub timing: Timing,
    /// Messages per second.
    pub quotas: Quotas,
    /// The most peers at once: the seats of this committee, the next and the last. Memory is reserved for as many.
    pub max_peers: usize,
    /// The most bytes of a block on the wire.
    pub max_block_bytes: usize,
    /// Threads of the seat's runtime.
    pub threads: usize,
    /// What this seat does wrong in a drill. `None` for every seat of a product.
    pub misbehaviour: Option<Misbehaviour>,
}

/// Why a seat did not start, or has stopped.
#[derive(Debug, thiserror::Error)]
pub enum SeatError {
    /// The peer key is no key.
    #[error("the peer key is not a valid ed25519 secret key")]
    PeerKey,
    /// The system gave no thread.
    #[error("no thread for the seat: {0}")]
    Thread(#[from] std::io::Error),
    /// Its directory cannot be used.
    #[error("the seat's consensus directory {path}: {reason}; check its permissions and free space")]
    Directory {
        /// The path.
        path: String,
        /// The system's words.
        reason: String,
    },
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] surety_state::Error),
    /// A task of consensus failed; its storage or the network gave out. The log says more.
    #[error("consensus has stopped: see the log, then restart the node")]
    Failed,
}

/// A seat.
#[derive(Debug)]
pub struct Seat;

/// A running seat. Dropping it stops the seat without waiting.
#[derive(Debug)]
pub struct SeatHandle {
    stop: Option<oneshot::Sender<()>>,
    ended: watch::Receiver<bool>,
    thread: Option<thread::JoinHandle<Result<(), SeatError>>>,
    finalized: broadcast::Sender<Arc<StoredBlock>>,
    receipts: broadcast::Sender<SignedReceipt>,
    term: watch::Receiver<Option<Boundary>>,
    batches: BatchSignatures,
    counts: mpsc::UnboundedSender<oneshot::Sender<String>>,
}

impl SeatHandle {
    /// What the consensus library counts of this seat (messages, bytes, syncs, …), in Prometheus' text form. `None` when the
    /// seat has ended.
    pub async fn counts(&self) -> Option<String> {
        let (reply, counts) = oneshot::channel();
        self.counts.send(reply).ok()?;
        counts.await.ok()
    }

    /// Final blocks from now on, in order, already durable. A receiver that lags loses some and reads them from the store.
    pub fn finalized(&self) -> broadcast::Receiver<Arc<StoredBlock>> {
        self.finalized.subscribe()
    }

    /// Receipts that this seat signs as a leader, from now on.
    pub fn receipts(&self) -> broadcast::Receiver<SignedReceipt> {
        self.receipts.subscribe()
    }

    /// The newest term that began while the seat ran.
    pub fn term(&self) -> watch::Receiver<Option<Boundary>> {
        self.term.clone()
    }

    /// Gathers signatures under batch statements.
    pub fn batches(&self) -> BatchSignatures {
        self.batches.clone()
    }

    /// Waits until the seat has ended, which it does by itself only when it fails.
    pub async fn ended(&self) {
        // An error means that the thread is gone, which is an end too.
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
    }

    /// Stops the seat and waits until its storage is closed. Blocks: call it where that is allowed.
    ///
    /// # Errors
    /// [`SeatError::Failed`] if it had failed before.
    pub fn stop(mut self) -> Result<(), SeatError> {
        drop(self.stop.take());
        self.thread.take().map_or(Ok(()), |thread| thread.join().unwrap_or(Err(SeatError::Failed)))
    }
}

/// Room for two committees that share nobody.
const TRACKED_TERMS: NonZeroUsize = NZUsize!(2);

impl Seat {
    /// Starts a seat.
    ///
    /// # Errors
    /// See [`SeatError`]. What fails later ends the seat: see [`SeatHandle::ended`].
    pub fn start(config: SeatConfig) -> Result<SeatHandle, SeatError> {
        Self::start_by(config, TimeOfDay::system())
    }

    /// Starts a seat whose blocks go by this clock.
    ///
    /// # Errors
    /// As [`Seat::start`].
    pub fn start_by(config: SeatConfig, clock: TimeOfDay) -> Result<SeatHandle, SeatError> {
        let key = PrivateKey::decode(Copying(config.peer_key.as_slice())).map_err(|_| SeatError::PeerKey)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let (end, ended) = watch::channel(false);
        let finalized = broadcast::Sender::new(1_024);
        let receipts = broadcast::Sender::new(8_192);
        let (term, terms) = watch::channel(None);
        let (batches, requests) = BatchSignatures::new();
        let (counts, asked) = mpsc::unbounded_channel::<oneshot::Sender<String>>();
        let shared = Arc::new(Shared {
            blocks: config.blocks.clone(),
            pool: config.pool.clone(),
            schedule: config.schedule.clone(),
            guard: config.guard.clone(),
            beneficiary: config.beneficiary,
            receipts: receipts.clone(),
            max_block_bytes: config.max_block_bytes,
            misbehaviour: config.misbehaviour.clone(),
            clock,
        });
        let running = Running { config, key, shared, finalized: finalized.clone(), term, requests };
        let run = move || {
            let result = running.run(stopped, asked);
            end.send_replace(true);
            result
        };
        let thread = thread::Builder::new().name("seat".into()).spawn(run)?;
        Ok(SeatHandle {
            stop: Some(stop),
            ended,
            thread: Some(thread),
            finalized,
            receipts,
            term: terms,
            batches,
            counts,
        })
    }
}

/// Those who ask what the library counts.
type Asked = mpsc::UnboundedReceiver<oneshot::Sender<String>>;

/// What a seat keeps from one generation of the library to the next.
struct Running {
    config: SeatConfig,
    key: PrivateKey,
    shared: Arc<Shared>,
    finalized: broadcast::Sender<Arc<StoredBlock>>,
    term: watch::Sender<Option<Boundary>>,
    requests: Requests,
}

/// Why a generation ended.
enum Ended {
    /// The seat shall stop.
    Stopped,
    /// An L1 event started a term.
    Cut(Boundary),
}

impl Running {
    /// Runs one generation after the other.
    fn run(self, mut stopped: oneshot::Receiver<()>, mut asked: Asked) -> Result<(), SeatError> {
        let failed = |error: std::io::Error| SeatError::Directory {
            path: self.config.directory.display().to_string(),
            reason: error.to_string(),
        };
        let mut generation = Generation::newest(&self.config.directory).map_err(failed)?;
        loop {
            match self.generation(&generation, &mut stopped, &mut asked)? {
                Ended::Stopped => return Ok(()),
                Ended::Cut(cut) => {
                    tracing::warn!(term = %cut.term, height = cut.height, "consensus begins again after an L1 event");
                    generation = Generation::begin(&self.config.directory, cut).map_err(failed)?;
                }
            }
        }
    }

    /// Runs the library until the seat shall stop or a term begins that an event started.
    fn generation(
        &self,
        generation: &Generation,
        stopped: &mut oneshot::Receiver<()>,
        asked: &mut Asked,
    ) -> Result<Ended, SeatError> {
        let config = &self.config;
        let runner = runtime::Runner::new(
            runtime::Config::new()
                .with_storage_directory(generation.directory.clone())
                .with_worker_threads(config.threads.max(1))
                .with_tcp_nodelay(Some(true)),
        );
        let core = self.core(generation.cut);
        runner.start(|context| async move {
            let context = Steady::system(context);
            let network = connect(&context, config, self.key.clone(), generation);
            let mut engine = context.child("seat").spawn(|context| engine::run(context, core, network));
            let ended = loop {
                tokio::select! {
                    biased;
                    // Dropping the sender means stop, too.
                    _ = &mut *stopped => break Ended::Stopped,
                    cut = next_cut(&config.schedule, generation) => break Ended::Cut(cut),
                    result = &mut engine => return match result {
                        Ok(Ok(())) => Ok(Ended::Stopped),
                        Ok(Err(error)) => Err(error.into()),
                        Err(_) => Err(SeatError::Failed),
                    },
                    // Who asked may have gone.
                    Some(reply) = asked.recv() => drop(reply.send(context.encode())),
                }
            };
            // Storage is synced by each task before it acts, so a slow one may be cut off.
            let _ = context.stop(0, Some(Duration::from_secs(2))).await;
            Ok(ended)
        })
    }

    fn core(&self, cut: Option<Boundary>) -> Core {
        let config = &self.config;
        Core {
            partition: String::new(),
            cut,
            shared: self.shared.clone(),
            domain: config.domain,
            limits: BlockLimits { base: cut.map_or(0, |cut| cut.height), ..limits(config) },
            timing: config.timing,
            finalized: self.finalized.clone(),
            term: self.term.clone(),
            statements: Statements { domain: config.domain, verifier: config.batch_verifier.clone() },
            requests: self.requests.clone(),
            evidence: config.evidence.clone(),
            feed: config.feed.clone(),
        }
    }
}

/// Waits until a term begins that an event started, later than a generation.
async fn next_cut(schedule: &TermSchedule, generation: &Generation) -> Boundary {
    let mut changes = schedule.changes();
    loop {
        if let Some(cut) = schedule.newest_cut().filter(|cut| generation.precedes(cut)) {
            return cut;
        }
        // The sender lives as long as the schedule.
        let _ = changes.changed().await;
    }
}

fn limits(config: &SeatConfig) -> BlockLimits {
    BlockLimits { rollup: config.blocks.parameters().rollup, max_bytes: config.max_block_bytes, base: 0 }
}

/// The longest message on any channel.
fn largest(limits: &BlockLimits) -> u32 {
    let members = MAX_MEMBERS as u32;
    max_message_size(&[
        prefixed(simplex::max_payload_size::<Scheme, Hash>(members)),
        commonware_consensus::marshal::max_payload_size::<Standard<ConsensusBlock>, Scheme>(members, limits),
        transactions::MAX_BYTES,
        statements::MAX_BYTES,
        status::MAX_BYTES,
        evidence::MAX_BYTES,
    ])
}

/// How every network of ours is set. Peers of another namespace do not hear each other; `longest` is the longest message in
/// bytes.
pub(super) fn peer_settings(
    key: PrivateKey,
    namespace: &str,
    listen: SocketAddr,
    max_peers: usize,
    longest: u32,
    local: bool,
) -> lookup::Config<Upgrader> {
    let handshake = Cups::<_, ChaCha20Poly1305>::new(
        Sake {
            signer: key,
            synchrony_bound: Duration::from_secs(5),
            max_handshake_age: Duration::from_secs(10),
            version: sake::Version::V1,
        },
        cups::Version::V1,
    );
    let per_set = NonZeroUsize::new(max_peers.saturating_add(1)).unwrap_or(NonZeroUsize::MIN);
    let settings = if local { lookup::Config::local } else { lookup::Config::recommended };
    let mut settings = settings(handshake, namespace.as_bytes(), listen, per_set, longest, NZUsize!(1_024));
    settings.tracked_peer_sets = TRACKED_TERMS;
    if local {
        // All seats share one address.
        settings.allowed_handshake_rate_per_ip = Quota::per_second(NZU32!(1_024));
        settings.allowed_handshake_rate_per_subnet = Quota::per_second(NZU32!(1_024));
    }
    settings
}

type Upgrader = Cups<Sake<PrivateKey>, ChaCha20Poly1305>;
type Outgoing = lookup::Sender<PublicKey, Steady<runtime::Context>>;
type Incoming = lookup::Receiver<PublicKey>;
type Oracle = lookup::Oracle<PublicKey>;

/// Opens the network. Only members of tracked committees are let in.
fn connect(
    context: &Steady<runtime::Context>,
    config: &SeatConfig,
    key: PrivateKey,
    generation: &Generation,
) -> Network<Outgoing, Incoming, Oracle, Oracle> {
    let me = key.public_key();
    let mut namespace = format!("surety-{}", config.blocks.parameters().rollup);
    if generation.term() > Term::ZERO {
        // Heights mean other blocks to those who are still before the event.
        namespace = format!("{namespace}-after-{}", generation.term());
    }
    let settings =
        peer_settings(key, &namespace, config.listen, config.max_peers, largest(&limits(config)), config.local);
    let (mut network, oracle) = lookup::Network::new(context.child("network"), settings);
    let quotas = config.quotas;
    let mut channel = 0;
    let mut register = |rate: NonZeroU32| {
        let ends = network.register(channel, Quota::per_second(rate));
        channel += 1;
        ends
    };
    let channels = Channels {
        votes: register(quotas.votes),
        certificates: register(quotas.certificates),
        resolver: register(quotas.resolver),
        blocks: register(quotas.blocks),
        backfill: register(quotas.backfill),
        transactions: register(quotas.transactions),
        statements: register(quotas.statements),
        status: register(NZU32!(4)),
        evidence: register(quotas.evidence),
    };
    network.start();
    let (peers, blocker) = (oracle.clone(), oracle.clone());
    let admission = Admission {
        schedule: config.schedule.clone(),
        addresses: config.peers.clone(),
        me: me.clone(),
        listen: config.listen,
        most: config.max_peers,
    };
    let (current, committees) = watch::channel(None);
    context.child("admission").spawn(|_| admission.run(oracle, committees));
    let admit = Box::new(move |committee: &Committee| {
        current.send_replace(Some(Arc::new(committee.clone())));
    });
    Network { channels, peers, blocker, me, admit }
}
