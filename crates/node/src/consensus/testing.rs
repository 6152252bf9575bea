//! Committees with known keys, and a seat's consensus over any runtime and network: for tests and simulations.
//!
//! What runs here is the code of a running node ([`super::seat`]) without its threads and sockets.

use super::{
    application::{Shared, SignedReceipt},
    block::BlockLimits,
    committee::{Committee, Member, TermSchedule},
    engine::{self, Channels, Core, Network, Timing},
    epochs::Boundary,
    statements::{BatchSignatures, BatchVerifier, Statements},
};
pub use super::{scheme::Signature as VoteSignature, steady::Steady};
use crate::{
    builder::Blocks,
    clock::Clock as TimeOfDay,
    evidence::{self, EvidencePool},
    pool::Pool,
    signer::{Guard, Journal, LocalSigner, Signer},
};
use alloy_primitives::{Address, B256, keccak256};
use commonware_cryptography::{
    Signer as _,
    ed25519::{PrivateKey, PublicKey},
};
use commonware_p2p::{Blocker, Provider, Receiver, Sender};
use commonware_runtime::{Clock, Handle, Metrics, Spawner, Storage};
use rand_core::CryptoRng;
use std::{path::Path, sync::Arc, time::Duration};
use surety_rpc::Feed;
use surety_state::StoredBlock;
use surety_types::{RollupId, Seconds, Term, signing::Domain};
use tokio::sync::{broadcast, watch};

/// The most bytes of a block on the wire.
pub const MAX_BLOCK_BYTES: usize = 1 << 20;
/// Channels of a seat, by number.
pub const CHANNELS: u64 = 9;
/// Votes, each behind its term (a varint).
pub const VOTES: u64 = 0;
/// New blocks.
pub const BLOCKS: u64 = 3;
/// Batch statements and their signatures.
pub const STATEMENTS: u64 = 6;
/// What seats pass on for the evidence pool.
pub const EVIDENCE: u64 = 8;

/// The rollup.
pub const ROLLUP: RollupId = RollupId::new(75_873);

/// The L1 chain.
pub const L1_CHAIN: u64 = 1337;
/// Who puts the contracts on L1, from nonce 0.
pub const DEPLOYER: Address = Address::repeat_byte(0x52);

/// The domain of all that is signed: that of the registry, which [`DEPLOYER`] creates first.
pub fn domain() -> Domain {
    Domain::new(L1_CHAIN, DEPLOYER.create(0))
}

/// Vote key of a seat.
pub fn vote_key(seat: u64) -> LocalSigner {
    LocalSigner::from_bytes(&keccak256(seat.to_be_bytes())).unwrap()
}

/// Peer key of a seat. Their order is not that of the seats.
pub fn peer_key(seat: u64) -> PrivateKey {
    PrivateKey::from_seed(1_000 - seat)
}

/// The committee of the seats 0 to `seats` in a term.
pub fn committee(term: u64, start: u64, seats: u64) -> Committee {
    let members = (0..seats)
        .map(|seat| Member {
            seat,
            vote: vote_key(seat).address(),
            peer: B256::from_slice(peer_key(seat).public_key().as_ref()),
        })
        .collect();
    Committee::new(Term::new(term), Seconds::new(start), members).unwrap()
}

/// A seat's vote key behind its journal in a directory.
pub fn guard(dir: &Path, seat: u64) -> Guard {
    let key = vote_key(seat);
    let journal = Journal::open(&dir.join(format!("journal-{seat}")), &domain(), key.address()).unwrap();
    Guard::new(key, journal, domain()).unwrap()
}

/// A seat's evidence pool in a directory.
pub fn evidence(dir: &Path) -> EvidencePool {
    EvidencePool::open(evidence::Config {
        directory: dir.join("evidence"),
        rollup: ROLLUP,
        domain: domain(),
        retain: Duration::from_secs(3_600),
        max_bytes: evidence::Config::DEFAULT_MAX_BYTES,
    })
    .unwrap()
}

/// What a seat is made of.
pub struct SeatParts {
    /// Begins the names of its storage partitions.
    pub partition: String,
    /// Where the term begins that an L1 event started, if one did; then `partition` is another than before.
    pub cut: Option<Boundary>,
    /// The chain.
    pub blocks: Blocks,
    /// Transactions waiting.
    pub pool: Arc<Pool>,
    /// The vote key.
    pub guard: Option<Guard>,
    /// Terms and committees.
    pub schedule: TermSchedule,
    /// Who receives the fees of its blocks.
    pub beneficiary: Address,
    /// Judges batches; `None`: the seat signs none.
    pub verifier: Option<BatchVerifier>,
    /// Its evidence pool.
    pub evidence: EvidencePool,
    /// Timeouts.
    pub timing: Timing,
    /// Its peer key.
    pub me: PublicKey,
}

/// A seat that runs.
pub struct RunningSeat {
    /// Its tasks: aborting it pulls the plug.
    pub task: Handle<surety_state::Result<()>>,
    /// Final blocks from now on.
    pub finalized: broadcast::Receiver<Arc<StoredBlock>>,
    /// Receipts that it signs.
    pub receipts: broadcast::Receiver<SignedReceipt>,
    /// The newest term that began while it ran.
    pub term: watch::Receiver<Option<Boundary>>,
    /// Gathers signatures under batches.
    pub batches: BatchSignatures,
    /// What it publishes.
    pub feed: Arc<Feed>,
}

/// Starts a seat's consensus on a machine whose clock is right. `channels` are its ends of channels 0 to [`CHANNELS`].
pub fn start<E, S, R, P, B>(
    context: E,
    parts: SeatParts,
    channels: [(S, R); CHANNELS as usize],
    peers: P,
    blocker: B,
) -> RunningSeat
where
    E: CryptoRng + Clock + Spawner + Storage + Metrics,
    S: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
    P: Provider<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
{
    let runtime = context.child("clock");
    start_by(TimeOfDay::new(move || runtime.current()), context, parts, channels, peers, blocker)
}

/// Starts a seat's consensus on a machine with this clock, which the runtime should follow as a [`Steady`] one does.
pub fn start_by<E, S, R, P, B>(
    clock: TimeOfDay,
    context: E,
    parts: SeatParts,
    channels: [(S, R); CHANNELS as usize],
    peers: P,
    blocker: B,
) -> RunningSeat
where
    E: CryptoRng + Clock + Spawner + Storage + Metrics,
    S: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
    P: Provider<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
{
    let receipts = broadcast::Sender::new(1_000);
    let finalized = broadcast::Sender::new(10_000);
    let (term, terms) = watch::channel(None);
    let (batches, requests) = BatchSignatures::new();
    let feed = Arc::new(Feed::new());
    let shared = Arc::new(Shared {
        blocks: parts.blocks,
        pool: parts.pool,
        schedule: parts.schedule,
        guard: parts.guard,
        beneficiary: parts.beneficiary,
        receipts: receipts.clone(),
        max_block_bytes: MAX_BLOCK_BYTES,
        misbehaviour: None,
        clock,
    });
    let core = Core {
        partition: parts.partition,
        cut: parts.cut,
        shared,
        domain: domain(),
        limits: BlockLimits { rollup: ROLLUP, max_bytes: MAX_BLOCK_BYTES, base: parts.cut.map_or(0, |cut| cut.height) },
        timing: parts.timing,
        finalized: finalized.clone(),
        term,
        statements: Statements { domain: domain(), verifier: parts.verifier },
        requests,
        evidence: parts.evidence,
        feed: feed.clone(),
    };
    let [votes, certificates, resolver, blocks, backfill, transactions, statements, status, evidence] = channels;
    let network = Network {
        channels: Channels {
            votes,
            certificates,
            resolver,
            blocks,
            backfill,
            transactions,
            statements,
            status,
            evidence,
        },
        peers,
        blocker,
        me: parts.me,
        admit: Box::new(|_: &Committee| {}),
    };
    let (told, promised) = (finalized.subscribe(), receipts.subscribe());
    let task = context.spawn(|context| engine::run(context, core, network));
    RunningSeat { task, finalized: told, receipts: promised, term: terms, batches, feed }
}
