//! One seat's consensus over any runtime and network: the library's keeper of blocks for all terms, and an engine for each.
//!
//! A term has its own scheme, its own storage partition, the last block of the term before as genesis, and its own
//! subchannels of the votes', certificates' and resolver's channels; blocks and backfill are common to all terms. The
//! engine of a term that is over runs on for [`GRACE`], proposing the last block again and again, so that seats a little
//! behind can finish it; those further behind ask for that block by what [`super::status`] tells them.

use super::{
    application::{Application, Marshal, Shared, TermInfo},
    arrival::Arrival,
    block::{BlockLimits, Hash, to_digest},
    byzantine::{Bent, Tap},
    certified::{self, Certificates},
    committee::{Committee, TermSchedule},
    epochs::{Boundary, Epochs},
    finalizer::{Finalizer, boundaries},
    gossip::{self, Listener, Witness},
    keeper,
    scheme::Scheme,
    statements::{self, Statements},
    status, transactions,
};
use crate::evidence::{EvidencePool, TermKey};
use crate::signer::Guard;
use commonware_consensus::{
    CertifiableAutomaton, Relay, Reporter, Reporters,
    simplex::{
        self, Engine, Floor, ForwardPolicy, SkipBudget, SkipPolicy, elector::RoundRobin,
        scheme::reporter::AttributableReporter,
    },
    types::{Epoch, ViewDelta},
};
use commonware_cryptography::{Keccak256, certificate::Scheme as _, ed25519::PublicKey};
use commonware_p2p::{
    Blocker, Provider, Receiver, Sender,
    utils::mux::{MuxHandle, Muxer},
};
use commonware_parallel::Sequential;
use commonware_runtime::{
    Clock, Error, Handle, Metrics, Spawner, Storage,
    buffer::paged::{CacheRef, page_size},
};
use commonware_utils::{NZDuration, NZUsize};
use rand_core::CryptoRng;
use std::{num::NonZeroUsize, sync::Arc, time::Duration};
use surety_rpc::Feed;
use surety_state::StoredBlock;
use surety_types::{Term, signing::Domain};
use tokio::sync::{broadcast, watch};

/// How long a peer may take to send a block or certificate until another is asked. A leader that dies may leave its block with
/// some members; who lacks it asks the dead one first, at times.
pub(super) const FETCH_TIMEOUT: Duration = Duration::from_millis(500);

/// How long the engine of a finished term goes on.
pub(super) const GRACE: Duration = Duration::from_secs(5);
/// Terms whose beginnings are kept at hand: for schemes of older blocks and for seats that are behind.
pub(super) const TERMS_KEPT: usize = 8;
/// Final blocks that the library hands out before the first is durable here.
pub(super) const MAX_PENDING: NonZeroUsize = NZUsize!(32);
/// Requests and reports that wait inside the library.
pub(super) const MAILBOX: NonZeroUsize = NZUsize!(1_024);
/// Blocks that the library keeps for peers that are behind.
pub(super) const ARCHIVE_SECTION: u64 = 1_024;
const ARCHIVED_BLOCKS: u64 = 256 * ARCHIVE_SECTION;
/// Terms before the oldest that is kept whose leftovers are looked for at a start.
const MAX_SWEPT: u64 = 4_096;

/// What every runtime must offer.
pub(super) trait Runtime: CryptoRng + Clock + Spawner + Storage + Metrics {}

impl<E: CryptoRng + Clock + Spawner + Storage + Metrics> Runtime for E {}

/// A channel's two ends for each purpose.
pub(super) struct Channels<S, R> {
    pub(super) votes: (S, R),
    pub(super) certificates: (S, R),
    pub(super) resolver: (S, R),
    pub(super) blocks: (S, R),
    pub(super) backfill: (S, R),
    pub(super) transactions: (S, R),
    pub(super) statements: (S, R),
    pub(super) status: (S, R),
    pub(super) evidence: (S, R),
}

/// The network as the engine sees it.
pub(super) struct Network<S, R, P, B> {
    pub(super) channels: Channels<S, R>,
    pub(super) peers: P,
    pub(super) blocker: B,
    pub(super) me: PublicKey,
    /// Admits the members of a term's committee.
    pub(super) admit: Box<dyn FnMut(&Committee) + Send>,
}

/// How the engine times itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How long a view waits for its leader's proposal. More than a block time.
    pub leader_timeout: Duration,
    /// How long a view waits for its block to be certified. More than `leader_timeout`.
    pub certification_timeout: Duration,
    /// How often a vote against a view is sent again.
    pub retry: Duration,
    /// After how long without a sign of its leader a view is given up at once. More than the others.
    pub skip: Duration,
    /// How long a node that starts signs nothing and listens for its own key ([`crate::signer`]), once it stands where the others
    /// do (`arrival.rs`). Several views.
    pub listen: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            leader_timeout: Duration::from_millis(700),
            certification_timeout: Duration::from_millis(950),
            retry: Duration::from_secs(2),
            skip: Duration::from_secs(4),
            listen: Duration::from_secs(2),
        }
    }
}

/// Which term's engine, where it keeps its log, and how it times itself.
pub(super) struct Place {
    pub(super) partition: String,
    pub(super) boundary: Boundary,
    pub(super) timing: Timing,
}

/// How every engine of ours is set.
pub(super) fn settings<B, A, F>(
    scheme: Scheme,
    place: Place,
    page_cache: CacheRef,
    blocker: B,
    application: A,
    reporter: F,
) -> simplex::Config<Scheme, RoundRobin<Keccak256>, B, Hash, A, A, F, Sequential>
where
    B: Blocker<PublicKey = PublicKey>,
    A: CertifiableAutomaton<Context = simplex::types::Context<Hash, PublicKey>, Digest = Hash>
        + Relay<Digest = Hash, PublicKey = PublicKey, Plan = simplex::Plan<PublicKey>>,
    F: Reporter<Activity = simplex::types::Activity<Scheme, Hash>>,
{
    let Place { partition, boundary, timing } = place;
    simplex::Config {
        scheme,
        elector: RoundRobin::<Keccak256>::default(),
        blocker,
        automaton: application.clone(),
        relay: application,
        reporter,
        // Without it contradictions that come late are not seen.
        track_historical_votes: true,
        strategy: Sequential,
        partition,
        mailbox_size: MAILBOX,
        epoch: Epoch::new(boundary.term.get()),
        floor: Floor::Genesis(to_digest(boundary.genesis)),
        replay_buffer: NZUsize!(1 << 16),
        write_buffer: NZUsize!(1 << 16),
        page_cache,
        leader_timeout: timing.leader_timeout,
        certification_timeout: timing.certification_timeout,
        timeout_retry: timing.retry,
        view_retention: ViewDelta::new(256),
        skip: SkipPolicy::Enabled { timeout: timing.skip, budget: SkipBudget::Participants },
        fetch_timeout: NZDuration!(FETCH_TIMEOUT),
        fetch_retry_delay: Duration::from_millis(100),
        forward: ForwardPolicy::SilentVoters,
    }
}

/// What a seat brings.
pub(super) struct Core {
    /// Begins the names of all storage partitions: empty where the seat has a directory of its own.
    pub(super) partition: String,
    /// Where the term begins that began this [`super::generation`]; `None` before the first L1 event that starts a term.
    pub(super) cut: Option<Boundary>,
    pub(super) shared: Arc<Shared>,
    pub(super) domain: Domain,
    pub(super) limits: BlockLimits,
    pub(super) timing: Timing,
    pub(super) finalized: broadcast::Sender<Arc<StoredBlock>>,
    pub(super) term: watch::Sender<Option<Boundary>>,
    pub(super) statements: Statements,
    pub(super) requests: statements::Requests,
    pub(super) evidence: EvidencePool,
    pub(super) feed: Arc<Feed>,
}

/// The engines' common ground.
struct Terms<E, S: Sender<PublicKey = PublicKey>, B> {
    context: E,
    shared: Arc<Shared>,
    timing: Timing,
    epochs: Epochs,
    marshal: Marshal,
    cache: CacheRef,
    partition: String,
    blocker: B,
    votes: MuxHandle<S>,
    certificates: MuxHandle<S>,
    resolver: MuxHandle<S>,
    evidence: EvidencePool,
    witness: Witness,
    /// Of the terms below, nothing of their engines is on disk any more.
    swept: Term,
}

/// Runs a seat until the runtime stops.
///
/// # Errors
/// When the store cannot be read at the start.
pub(super) async fn run<E, S, R, P, B>(context: E, core: Core, network: Network<S, R, P, B>) -> surety_state::Result<()>
where
    E: Runtime,
    S: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
    P: Provider<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
{
    let Core { partition, cut, shared, domain, limits, timing, finalized, term, statements, requests, evidence, feed } =
        core;
    let Network { channels, peers, blocker, me, admit } = network;
    let (rollup, guard) = (shared.blocks.parameters().rollup, shared.guard.clone());
    let base = cut.map_or(0, |cut| cut.height);
    let epochs = Epochs::new(base, shared.schedule.clone(), move |boundary, committee| {
        Scheme::new(rollup, boundary.genesis, domain, committee, guard.clone())
    });
    let stored = boundaries(&shared, TERMS_KEPT)?;
    for boundary in stored.into_iter().filter(|stored| cut.is_none_or(|cut| stored.term >= cut.term)) {
        epochs.begin(boundary);
    }
    if let Some(cut) = cut.filter(|_| epochs.current().is_none()) {
        epochs.begin(cut);
        term.send_replace(Some(cut));
    }
    recall_executed(&shared)?;
    let mut arrival = None;
    if let Some(guard) = shared.guard.clone() {
        heed_events(&context, guard.clone(), &shared.schedule);
        if !timing.listen.is_zero() {
            // Before anything runs that could sign.
            guard.listen();
            arrival = Some((guard, Arrival::new(timing.listen)));
        }
    }
    let cache = CacheRef::new(page_size(4_096), NZUsize!(256));
    let mut terms_seen = term.subscribe();
    terms_seen.mark_unchanged();

    let published = finalized.subscribe();
    let (finalizer, deliveries) =
        Finalizer::new(context.child("finalizer"), shared.clone(), epochs.clone(), finalized, term);
    let sources = keeper::Sources {
        partition: partition.clone(),
        limits,
        peers,
        blocker: blocker.clone(),
        me,
        blocks: channels.blocks,
        backfill: channels.backfill,
    };
    let marshal = keeper::start(&context, &shared, &epochs, &cache, sources, deliveries).await;
    let certificates = Certificates::new(epochs.clone(), marshal.clone());
    certified::start(&context, shared.blocks.clone(), certificates.clone(), feed, published);
    context.child("finalize").spawn(move |_| finalizer.run());

    transactions::start(&context, shared.clone(), channels.transactions);
    let (witness, reports) = Witness::new();
    let asked = (requests, certificates);
    statements::start(&context, shared.clone(), statements, witness.clone(), asked, channels.statements);
    gossip::start(&context, evidence.clone(), reports, channels.evidence);
    status::start(&context, shared.clone(), epochs.clone(), marshal.clone(), arrival, channels.status);

    let mux = |label, (sender, receiver)| {
        let (mux, handle) = Muxer::new(context.child(label), sender, receiver);
        mux.start();
        handle
    };
    let votes = mux("votes", channels.votes);
    let certificates = mux("certificates", channels.certificates);
    let resolver = mux("resolver", channels.resolver);
    let terms = Terms {
        context: context.child("terms"),
        shared,
        timing,
        epochs,
        marshal,
        cache,
        partition,
        blocker,
        votes,
        certificates,
        resolver,
        evidence,
        witness,
        swept: Term::ZERO,
    };

    terms.follow(terms_seen, admit).await;
    Ok(())
}

/// Keeps the vote key silent in terms that an event at L1's head has ended, or a settled one.
fn heed_events<E: Runtime>(context: &E, guard: Guard, schedule: &TermSchedule) {
    let (schedule, mut changes) = (schedule.clone(), schedule.changes());
    guard.end_terms_before(schedule.ended_before());
    context.child("events").spawn(move |_| async move {
        while changes.changed().await.is_ok() {
            guard.end_terms_before(schedule.ended_before());
        }
    });
}

/// A node remembers what it committed: it may sign for that again.
fn recall_executed(shared: &Shared) -> surety_state::Result<()> {
    let store = shared.blocks.store();
    let head = store.committed();
    let lowest = head.number.saturating_sub(surety_types::claim::MAX_BATCH_BLOCKS);
    for height in lowest..=head.number {
        if let Some(hash) = store.canonical_hash(height)? {
            shared.mark_executed(height, hash);
        }
    }
    Ok(())
}

impl<E, S, B> Terms<E, S, B>
where
    E: Runtime,
    S: Sender<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
{
    /// Runs the engine of each term while it lasts, and for a while after.
    async fn follow(
        mut self,
        mut begun: watch::Receiver<Option<Boundary>>,
        mut admit: Box<dyn FnMut(&Committee) + Send>,
    ) {
        let mut running: Option<Handle<()>> = None;
        while let Some(boundary) = self.epochs.current() {
            let committee = self.shared.schedule.wait(boundary.term).await;
            admit(&committee);
            let engine = self.start(boundary).await;
            if let Some(old) = std::mem::replace(&mut running, engine) {
                let retire = self.context.child("retire");
                retire.spawn(|context| async move {
                    context.sleep(GRACE).await;
                    old.abort();
                });
            }
            if begun.changed().await.is_err() {
                return;
            }
        }
    }

    /// Starts the engine of a term; none if this seat is not in its committee.
    async fn start(&mut self, boundary: Boundary) -> Option<Handle<()>> {
        let term = boundary.term;
        let scheme = Scheme::clone(&*self.epochs.scheme_of(term.get())?);
        self.prune(boundary).await;
        let key = TermKey { term: term.get(), genesis: boundary.genesis };
        self.evidence.begin(key, scheme.committee().votes());
        if scheme.me().is_none() {
            tracing::info!(%term, "this seat is not in the term's committee");
            return None;
        }
        let channel = term.get();
        let (Ok(votes), Ok(certificates), Ok(resolver)) = (
            self.votes.register(channel).await,
            self.certificates.register(channel).await,
            self.resolver.register(channel).await,
        ) else {
            tracing::error!(%term, "the network has stopped");
            return None;
        };
        tracing::info!(%term, genesis = %boundary.genesis, height = boundary.height, "term begins");
        let info = TermInfo { term, genesis: boundary.genesis, base: self.epochs.base() };
        let context = self.context.child("term").with_attribute("term", term);
        let application =
            Application::new(context.child("application"), self.shared.clone(), info, self.marshal.clone());
        let reporter = AttributableReporter::new(
            context.child("reporter"),
            scheme.clone(),
            Reporters::from((Listener::new(scheme.clone(), self.witness.clone()), self.marshal.clone())),
            Sequential,
            true,
        );
        let place = Place { partition: term_partition(&self.partition, term), boundary, timing: self.timing };
        let settings = settings(scheme, place, self.cache.clone(), self.blocker.clone(), application, reporter);
        let engine = Engine::new(context.child("engine"), settings);
        let (sender, receiver) = votes;
        Some(match self.shared.misbehaviour.clone() {
            None => engine.start((sender, receiver), certificates, resolver),
            Some(misbehaviour) => {
                let channel =
                    Bent::Votes { rollup: self.shared.blocks.parameters().rollup.get(), genesis: boundary.genesis };
                engine.start((Tap::new(sender, channel, misbehaviour), receiver), certificates, resolver)
            }
        })
    }

    /// Lets go of what is too old to matter: journal entries of terms that nobody can be asked about any more, what their
    /// engines had on disk, and blocks that peers can get from L1.
    async fn prune(&mut self, boundary: Boundary) {
        let kept = self.epochs.newest(TERMS_KEPT).first().map_or(Term::new(1), |b| b.term);
        if let Some(guard) = &self.shared.guard
            && let Err(error) = guard.journal().raise_floor(self.shared.blocks.parameters().rollup, kept)
        {
            tracing::error!(%error, "the signing journal could not be compacted");
        }
        let mut term = self.swept.max(kept.saturating_sub(MAX_SWEPT));
        while term < kept {
            match self.context.remove(&term_partition(&self.partition, term), None).await {
                // This seat had no part in that term, or it was removed before.
                Ok(()) | Err(Error::PartitionMissing(_)) => {}
                Err(error) => tracing::warn!(%term, %error, "what consensus kept of an old term could not be removed"),
            }
            term = term.next();
        }
        self.swept = kept;
        if let Some(height) = boundary.height.checked_sub(ARCHIVED_BLOCKS) {
            self.marshal.prune(self.epochs.height(height));
        }
    }
}

/// Where the engine of a term keeps its journal.
fn term_partition(prefix: &str, term: Term) -> String {
    format!("{prefix}term-{term}")
}
