//! Consensus without a chain: a block is the hash of its parent's and its view.
//!
//! Votes, journal, checks of what is reported, engine settings, channels by term and the network's settings are those of a
//! seat. There is no evidence pool, no keeper of blocks and no execution. All members share one runtime with as many
//! threads as the machine has cores, so that the machine is the limit and not the number of runtimes.

use super::{
    Counts, Figures, LEAST, MeasureError, Place, ROLLUP, Run, STARTED_WITHIN, WARM_UP, committee, domain, guard,
    places, quotas,
};
use crate::{
    consensus::{
        Committee, Timing,
        block::{Hash, from_digest, to_digest},
        engine::{self, Place as Term},
        epochs::Boundary,
        scheme::Scheme,
        seat::peer_settings,
    },
    signer::Guard,
};
use alloy_primitives::{B256, keccak256};
use commonware_actor::Feedback;
use commonware_codec::{Copying, DecodeExt as _};
use commonware_consensus::{
    Automaton, CertifiableAutomaton, Relay, Reporter, Viewable as _,
    simplex::{
        self, Engine, Plan,
        scheme::reporter::AttributableReporter,
        types::{Activity, Context},
    },
    types::Round,
};
use commonware_cryptography::{
    Signer as _,
    ed25519::{PrivateKey, PublicKey},
};
use commonware_p2p::{
    Address, AddressableManager as _,
    authenticated::lookup,
    max_message_size,
    utils::mux::{Muxer, prefixed},
};
use commonware_parallel::Sequential;
use commonware_runtime::{
    Clock as _, Metrics as _, Quota, Runner as _, Spawner as _, Supervisor as _,
    buffer::paged::{CacheRef, page_size},
    tokio as runtime,
};
use commonware_utils::{
    NZUsize, TryCollect as _,
    channel::{fallible::OneshotExt, oneshot},
    ordered::Map,
};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use surety_types::{L2Height, Seconds};

/// What all members note.
#[derive(Debug, Default)]
struct Notes {
    /// When a view's block was proposed, and by whom.
    proposed: BTreeMap<u64, (Instant, usize)>,
    /// Views whose block is final at some member.
    last: BTreeSet<u64>,
    /// From proposal to final at a member that does not lead, in milliseconds.
    latencies: Vec<f64>,
    measuring: bool,
}

/// One member's application and reporter.
#[derive(Clone)]
struct Member {
    index: usize,
    guard: Guard,
    notes: Arc<Mutex<Notes>>,
    context: Arc<runtime::Context>,
    block_time: Duration,
}

fn block(context: &Context<Hash, PublicKey>) -> B256 {
    let (view, (_, parent)) = (context.round.view().get(), context.parent);
    keccak256([from_digest(parent).as_slice(), &view.to_be_bytes()].concat())
}

impl Automaton for Member {
    type Context = Context<Hash, PublicKey>;
    type Digest = Hash;

    async fn propose(&mut self, context: Self::Context) -> oneshot::Receiver<Hash> {
        let (sender, receiver) = oneshot::channel();
        let this = self.clone();
        let make = move || {
            let (view, hash) = (context.round.view().get(), block(&context));
            this.guard.executed().mark(L2Height::new(view), hash);
            this.notes.lock().proposed.insert(view, (Instant::now(), this.index));
            sender.send_lossy(to_digest(hash));
        };
        if self.block_time.is_zero() {
            make();
        } else {
            let time = self.block_time;
            self.context.child("block").spawn(move |context| async move {
                context.sleep(time).await;
                make();
            });
        }
        receiver
    }

    async fn verify(&mut self, context: Self::Context, payload: Hash) -> oneshot::Receiver<bool> {
        let (sender, receiver) = oneshot::channel();
        let hash = block(&context);
        self.guard.executed().mark(L2Height::new(context.round.view().get()), hash);
        sender.send_lossy(from_digest(payload) == hash);
        receiver
    }
}

impl CertifiableAutomaton for Member {
    async fn certify(&mut self, round: Round, payload: Hash) -> oneshot::Receiver<bool> {
        let (sender, receiver) = oneshot::channel();
        // A member that saw the certificate before the proposal has nothing more to execute.
        self.guard.executed().mark(L2Height::new(round.view().get()), from_digest(payload));
        sender.send_lossy(true);
        receiver
    }
}

impl Relay for Member {
    type Digest = Hash;
    type PublicKey = PublicKey;
    type Plan = Plan<PublicKey>;

    fn broadcast(&mut self, _: Hash, _: Plan<PublicKey>) -> Feedback {
        // The hash, which travels with the leader's vote, is all there is.
        Feedback::Ok
    }
}

impl Reporter for Member {
    type Activity = Activity<Scheme, Hash>;

    fn report(&mut self, activity: Self::Activity) -> Feedback {
        if let Activity::Finalization(finalization) = activity {
            let now = Instant::now();
            let view = finalization.view().get();
            let mut notes = self.notes.lock();
            notes.last.insert(view);
            if notes.measuring
                && let Some((proposed, leader)) = notes.proposed.get(&view).copied()
                && leader != self.index
            {
                notes.latencies.push(now.duration_since(proposed).as_secs_f64() * 1e3);
            }
        }
        Feedback::Ok
    }
}

/// Measures consensus alone. Blocks until it is done.
///
/// # Errors
/// See [`MeasureError`].
pub fn alone(run: &Run) -> Result<Figures, MeasureError> {
    let places = places(run.seats)?;
    let committee = Arc::new(committee(&places, Seconds::ZERO)?);
    let mut guards = Vec::new();
    for place in &places {
        let directory = run.directory.join(format!("seat-{}", place.seat));
        guards.push(guard(&directory, place.seat)?);
    }
    let run = run.clone();
    // The library's runtime cannot be started on a thread of another.
    let work = move || {
        let cores = thread::available_parallelism().map_or(2, |n| n.get());
        let settings = runtime::Config::new()
            .with_storage_directory(run.directory.join("consensus"))
            .with_worker_threads(cores)
            .with_tcp_nodelay(Some(true));
        runtime::Runner::new(settings).start(|context| async move {
            let notes = Arc::<Mutex<Notes>>::default();
            for (index, (place, guard)) in places.iter().zip(&guards).enumerate() {
                let context = context.child("member").with_attribute("index", index);
                let member = Member {
                    index,
                    guard: guard.clone(),
                    notes: notes.clone(),
                    context: Arc::new(context.child("application")),
                    block_time: run.block_time,
                };
                start(&context, member, place, &places, &committee).await?;
            }
            measure(&context, &run, &guards, &notes).await
        })
    };
    let thread = thread::Builder::new().name("measure".into()).spawn(work);
    let thread = thread.map_err(|error| MeasureError::System("start a thread", error))?;
    thread.join().unwrap_or(Err(MeasureError::NotStarted))
}

async fn start(
    context: &runtime::Context,
    member: Member,
    place: &Place,
    all: &[Place],
    committee: &Arc<Committee>,
) -> Result<(), MeasureError> {
    let bad = |_| MeasureError::Seats;
    let key = PrivateKey::decode(Copying(place.peer.as_slice())).map_err(bad)?;
    let longest = max_message_size(&[prefixed(simplex::max_payload_size::<Scheme, Hash>(all.len() as u32))]);
    let settings = peer_settings(key, &format!("surety-{ROLLUP}"), place.listen, all.len(), longest, true);
    let (mut network, mut oracle) = lookup::Network::new(context.child("network"), settings);
    let mut peers = Vec::new();
    for other in all {
        let key = PrivateKey::decode(Copying(other.peer.as_slice())).map_err(bad)?;
        peers.push((key.public_key(), Address::from(other.listen)));
    }
    let peers: Map<PublicKey, Address> = peers.into_iter().try_collect().map_err(|_| MeasureError::Seats)?;
    oracle.track(0, peers);
    let quotas = quotas(all.len() as u64);
    let channels = [quotas.votes, quotas.certificates, quotas.resolver].into_iter().zip(0..);
    let mut ends = Vec::new();
    for (quota, channel) in channels {
        let (sender, receiver) = network.register(channel, Quota::per_second(quota));
        let (mux, mut handle) = Muxer::new(context.child("mux").with_attribute("channel", channel), sender, receiver);
        mux.start();
        ends.push(handle.register(committee.term().get()).await.map_err(|_| MeasureError::Seats)?);
    }
    network.start();
    let boundary = Boundary { term: committee.term(), height: 0, genesis: keccak256("genesis") };
    let scheme = Scheme::new(ROLLUP, boundary.genesis, domain(), committee.clone(), Some(member.guard.clone()));
    let reporter =
        AttributableReporter::new(context.child("reporter"), scheme.clone(), member.clone(), Sequential, true);
    let term = Term { partition: format!("member-{}", member.index), boundary, timing: Timing::default() };
    let cache = CacheRef::new(page_size(4_096), NZUsize!(256));
    let settings = engine::settings(scheme, term, cache, oracle, member, reporter);
    let engine = Engine::new(context.child("engine"), settings);
    let mut ends = ends.into_iter();
    if let (Some(votes), Some(certificates), Some(resolver)) = (ends.next(), ends.next(), ends.next()) {
        engine.start(votes, certificates, resolver);
    }
    Ok(())
}

async fn measure(
    context: &runtime::Context,
    run: &Run,
    guards: &[Guard],
    notes: &Mutex<Notes>,
) -> Result<Figures, MeasureError> {
    let start = Instant::now();
    while (notes.lock().last.len() as u64) < WARM_UP {
        if start.elapsed() > STARTED_WITHIN {
            return Err(MeasureError::NotStarted);
        }
        context.sleep(Duration::from_millis(20)).await;
    }
    {
        let mut notes = notes.lock();
        notes.last.clear();
        notes.measuring = true;
    }
    let (begun, before) = (Instant::now(), Counts::now(&[context.encode()], guards));
    while begun.elapsed() < run.time || (notes.lock().last.len() as u64) < LEAST {
        if begun.elapsed() > run.time + STARTED_WITHIN {
            return Err(MeasureError::NotStarted);
        }
        let left = run.time.saturating_sub(begun.elapsed());
        context.sleep(left.max(Duration::from_millis(20))).await;
    }
    let (views, latencies) = {
        let mut notes = notes.lock();
        (notes.last.len(), std::mem::take(&mut notes.latencies))
    };
    let after = Counts::now(&[context.encode()], guards);
    Ok(before.figures(&after, views as u64, begun.elapsed(), latencies))
}
