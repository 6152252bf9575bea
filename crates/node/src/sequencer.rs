//! A sequencer as a whole: one seat with its chain, pool, view of L1, poster and RPC backend.
//!
//! ```text
//! L1 ─▶ follower ─▶ settled messages ─▶ inbox queue ─▶ seat (consensus) ─▶ store ─▶ backend ─▶ wallets
//!            │  └──▶ safe, finalized                     ▲      │
//!            └─────▶ terms ─▶ schedule ──────────────────┘      └─▶ poster ─▶ L1
//! ```
//!
//! Everything that a restart needs is in the node's directory: `state/` (the chain), `consensus/` (the library's storage),
//! `journal` (what was signed: never copy it, never restore it), `evidence/` (what others signed), `follower.json`,
//! `batches.jsonl`.

use crate::{
    backend::{BatchLog, NodeBackend},
    builder::{Blocks, Inbox, decode_aux},
    clock::Clock,
    consensus::{
        MAX_MEMBERS, PeerAddresses, Quotas, Seat, SeatConfig, SeatError, SeatHandle, TermSchedule, Timing,
        byzantine::Misbehaviour,
    },
    evidence::{self, EvidencePool, PoolError},
    feed,
    follower::{Chain, Follower, FollowerError, Status},
    follower_node::{FollowerNodeError, follow_config, open_store},
    pool::{Pool, PoolConfig},
    poster::{self, Attendant, Form, Patience, Poster, PosterError, Rehearsal, Sources},
    signer::{Guard, Journal, JournalError, Signer},
};
use alloy_primitives::{Address, B256};
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use surety_contracts::ChainFile;
use surety_l1::{L1, submit::Submitter};
use surety_rpc::Feed;
use surety_state::StoredBlock;
use surety_stf::execute::op::L1Attributes;
use surety_types::{Seconds, Term, signing::Domain};
use tokio::{
    sync::{broadcast, mpsc, watch},
    task::JoinHandle,
};

/// The most bytes of a block on the wire. Each block must fit into a batch of its own, else nothing could be posted any more:
/// in a batch's body a transaction has 64 bytes of signature even if its own encoding has fewer, which leaves room for 3,600
/// transactions of that kind ([`surety_stf::batch::MAX_BODY_BYTES`]).
pub(crate) const MAX_BLOCK_BYTES: usize = 1 << 19;

/// Terms before that of the newest block whose committees are read at a start: batches and blocks of these may still be
/// asked for.
pub(crate) const TERMS_BACK: u64 = 8;

/// What bounds the memory of the peer-to-peer network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkLimits {
    /// Messages a second of each peer.
    pub quotas: Quotas,
    /// The most peers at once: the seats of this committee, the next and the last.
    pub max_peers: usize,
}

impl Default for NetworkLimits {
    /// For blocks every 200 ms and committees of up to 64 seats.
    fn default() -> Self {
        Self { quotas: Quotas::default(), max_peers: MAX_MEMBERS }
    }
}

/// What a sequencer needs.
pub struct SequencerConfig<S> {
    /// The chain.
    pub chain: ChainFile,
    /// Its directory; made if it is not there. No other node's.
    pub directory: PathBuf,
    /// L1.
    pub l1: Arc<dyn L1>,
    /// The vote key.
    pub vote_key: S,
    /// Secret ed25519 peer key.
    pub peer_key: B256,
    /// Where peers connect to.
    pub listen: SocketAddr,
    /// Where the others listen.
    pub peers: PeerAddresses,
    /// Whether peers may share one address (development).
    pub local: bool,
    /// Bounds of the peer-to-peer network.
    pub limits: NetworkLimits,
    /// Who receives the priority fees of this seat's blocks.
    pub beneficiary: Address,
    /// Posts batches; `None`: this seat leaves that to the others.
    pub submitter: Option<Arc<Submitter>>,
    /// How long to wait before asking L1 again when all is read.
    pub poll: Duration,
    /// What this seat does wrong in a drill. `None` for every seat of a product.
    pub misbehaviour: Option<Misbehaviour>,
}

/// Why a sequencer did not start.
#[derive(Debug, thiserror::Error)]
pub enum SequencerError {
    /// Its chain and follower.
    #[error(transparent)]
    Node(#[from] FollowerNodeError),
    /// Its journal: it must not sign.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Its evidence pool.
    #[error(transparent)]
    Evidence(#[from] PoolError),
    /// Its seat.
    #[error(transparent)]
    Seat(#[from] SeatError),
    /// Its poster.
    #[error(transparent)]
    Poster(#[from] PosterError),
}

impl From<surety_state::Error> for SequencerError {
    fn from(error: surety_state::Error) -> Self {
        Self::Node(error.into())
    }
}

/// A running sequencer.
#[derive(Debug)]
pub struct Sequencer {
    backend: Arc<NodeBackend>,
    seat: SeatHandle,
    status: watch::Receiver<Status>,
    stop: watch::Sender<bool>,
    /// `None` once its end was seen.
    follower: Option<JoinHandle<Result<(), FollowerError>>>,
    /// The poster and the attendant, if this seat pays on L1.
    posters: Vec<JoinHandle<()>>,
    helpers: Vec<JoinHandle<()>>,
}

impl Sequencer {
    /// Starts a sequencer. It takes part in consensus as soon as it has read its term's committee from L1.
    ///
    /// # Errors
    /// See [`SequencerError`].
    pub async fn start(config: SequencerConfig<impl Signer>) -> Result<Self, SequencerError> {
        Self::start_by(config, Clock::system()).await
    }

    /// Starts a sequencer whose blocks and batches go by this clock.
    ///
    /// # Errors
    /// As [`Sequencer::start`].
    pub async fn start_by(config: SequencerConfig<impl Signer>, clock: Clock) -> Result<Self, SequencerError> {
        let chain = &config.chain;
        let store = open_store(chain, &config.directory)?;
        let protocol = &chain.protocol;
        let parameters = chain.parameters.clone();
        let domain = Domain::new(chain.l1_chain_id, chain.addresses.registry);
        let journal = Journal::open(&config.directory.join("journal"), &domain, config.vote_key.address())?;
        let vote_address = config.vote_key.address();
        let guard = Guard::new(config.vote_key, journal, domain)?;

        let head = store.latest()?;
        let newest = store.block(head.block().hash)?;
        let newest_term = newest.as_ref().and_then(|block| decode_aux(parameters.rollup, &block.aux)).map(|c| c.term);
        let header = newest.map(|block| block.block.header.clone()).unwrap_or_default();
        let position = L1Attributes::read(&head)?;
        // The follower repeats the messages that no batch has consumed; those that blocks consumed since are left out.
        let inbox = Inbox::new(position.message_count);
        let blocks = Blocks::new(store.clone(), parameters.clone(), inbox.clone(), Seconds::new(protocol.force_delay));
        let pool = Arc::new(Pool::new(PoolConfig::default(), parameters.clone(), &header, head)?);
        let batches = BatchLog::open(&config.directory.join("batches.jsonl")).map_err(FollowerNodeError::from)?;
        let challenge_period = Seconds::new(protocol.challenge_period);
        let backend =
            NodeBackend::new(store.clone(), parameters.clone(), challenge_period, Some(pool.clone()), batches);

        let (notices, received) = mpsc::unbounded_channel();
        let derived = Chain::new(store, Arc::new(parameters));
        let follow = follow_config(chain, &config.directory, config.poll)?;
        let (follower, status) =
            Follower::new(config.l1.clone(), follow, derived.clone(), notices).map_err(FollowerNodeError::from)?;
        let schedule = TermSchedule::new();
        let follower = follower.with_terms(schedule.clone());
        let age = Seconds::new(protocol.batch_age).to_milliseconds();
        let messages = follower.messages();
        let rehearsal = Arc::new(Rehearsal::new(age, config.directory.join("differences")));
        let verifier = poster::verifier(
            derived.clone(),
            status.clone(),
            messages.clone(),
            schedule.clone(),
            age,
            rehearsal.clone(),
        );
        let evidence = EvidencePool::open(evidence::Config {
            directory: config.directory.join("evidence"),
            rollup: chain.parameters.rollup,
            domain,
            retain: Duration::from_secs(protocol.unbonding.saturating_add(protocol.epoch_length)),
            max_bytes: evidence::Config::DEFAULT_MAX_BYTES,
        })?;
        let published = Arc::new(Feed::new());
        backend.publish(published.clone());
        let attendant = config.submitter.as_ref().map(|submitter| Attendant {
            l1: config.l1.clone(),
            addresses: chain.addresses,
            blocks: blocks.clone(),
            chain: derived.clone(),
            guard: guard.clone(),
            schedule: schedule.clone(),
            follower: status.clone(),
            messages: messages.clone(),
            rehearsal: rehearsal.clone(),
            submitter: submitter.clone(),
            patience: Patience::of(protocol),
            poll: Duration::from_secs(protocol.slot_time.max(1)),
            beneficiary: config.beneficiary,
        });
        let misbehaviour = config.misbehaviour.clone();
        let seat = SeatConfig {
            directory: config.directory.join("consensus"),
            listen: config.listen,
            peer_key: config.peer_key,
            peers: config.peers,
            local: config.local,
            guard: Some(guard),
            domain,
            schedule: schedule.clone(),
            blocks,
            pool,
            beneficiary: config.beneficiary,
            batch_verifier: Some(verifier),
            evidence: evidence.clone(),
            feed: published.clone(),
            timing: Timing::default(),
            quotas: config.limits.quotas,
            max_peers: config.limits.max_peers,
            max_block_bytes: MAX_BLOCK_BYTES,
            threads: 1,
            misbehaviour: config.misbehaviour,
        };
        let seat = Seat::start_by(seat, clock.clone())?;
        // All that can fail comes before the first task: a start that failed must leave nobody holding the store.
        let poster = if let Some(submitter) = config.submitter {
            let slot = Duration::from_secs(protocol.slot_time.max(1));
            let poster = Poster::new(
                poster::Config {
                    addresses: chain.addresses,
                    age,
                    form: Form::default(),
                    // Two slots to get a batch in, then the next seat tries.
                    turn: slot.saturating_mul(2),
                    poll: config.poll,
                    gather: slot.saturating_mul(2),
                    vote_address: Some(vote_address),
                    directory: config.directory.join("poster"),
                    clock,
                },
                Sources {
                    chain: derived,
                    follower: status.clone(),
                    schedule: schedule.clone(),
                    signatures: seat.batches(),
                    submitter,
                },
            )?;
            Some(poster)
        } else {
            None
        };
        let (stop, stopped) = watch::channel(false);
        let depth = feed::Depth::of(protocol);
        let first = Term::new(1).max(newest_term.unwrap_or_default().saturating_sub(TERMS_BACK));
        let terms = feed::terms(config.l1.clone(), chain.addresses, schedule.clone(), first, depth);
        let helpers = vec![
            tokio::spawn(feed::notices(
                received,
                (inbox.clone(), messages.clone()),
                backend.clone(),
                schedule,
                misbehaviour.clone(),
            )),
            tokio::spawn(feed::l1_time(status.clone(), (inbox, messages), backend.clone(), misbehaviour)),
            tokio::spawn(terms),
            tokio::spawn(backend.clone().announce_pool()),
            tokio::spawn(announce(seat.finalized(), backend.clone())),
            tokio::spawn(feed::evidence(evidence, published)),
        ];
        let mut posters: Vec<_> =
            attendant.map(|attendant| tokio::spawn(attendant.run(stopped.clone()))).into_iter().collect();
        posters.extend(poster.map(|poster| {
            let stopped = stopped.clone();
            tokio::spawn(async move {
                if let Err(error) = poster.run(stopped).await {
                    tracing::error!(%error, "the poster has stopped; the other seats post instead");
                }
            })
        }));
        let follower = Some(tokio::spawn(follower.run(stopped)));
        Ok(Self { backend, seat, status, stop, follower, posters, helpers })
    }
}

/// Waits for the follower's end, or for ever if it was seen before; the log says how it ended.
async fn follower_ended(follower: &mut Option<JoinHandle<Result<(), FollowerError>>>) {
    let Some(task) = follower else { return std::future::pending().await };
    let outcome = task.await;
    *follower = None;
    if let Ok(Err(error)) = outcome {
        tracing::error!(%error, "the follower has failed");
    }
}

/// Announces final blocks as they come.
async fn announce(mut finalized: broadcast::Receiver<Arc<StoredBlock>>, backend: Arc<NodeBackend>) {
    loop {
        match finalized.recv().await {
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => feed::refresh(&backend, &[]),
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

impl Sequencer {
    /// What its RPC server asks.
    pub fn backend(&self) -> Arc<NodeBackend> {
        self.backend.clone()
    }

    /// How far its follower is.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Its seat.
    pub const fn seat(&self) -> &SeatHandle {
        &self.seat
    }

    /// Waits until the sequencer has failed.
    pub async fn ended(&mut self) {
        tokio::select! {
            () = self.seat.ended() => {}
            () = follower_ended(&mut self.follower) => {}
        }
    }

    /// Stops and waits until everything is on disk.
    ///
    /// # Errors
    /// The seat had failed before.
    pub async fn stop(self) -> Result<(), SeatError> {
        let Self { seat, stop, mut follower, posters, helpers, .. } = self;
        // Nobody listening means that it has ended.
        let _ = stop.send(true);
        let seat = tokio::task::spawn_blocking(move || seat.stop());
        if follower.is_some() {
            follower_ended(&mut follower).await;
        }
        // They end by themselves: aborted, they would leave work behind that holds the store.
        for poster in posters {
            let _ = poster.await;
        }
        for helper in helpers {
            helper.abort();
            // Aborted is what it shall be.
            let _ = helper.await;
        }
        seat.await.unwrap_or(Err(SeatError::Failed))
    }
}
