//! Whole seats, each with its own runtime, store, journal and evidence pool, as in a running node; without L1.

use super::{
    Counts, Figures, LEAST, MeasureError, Place, ROLLUP, Run, STARTED_WITHIN, WARM_UP, committee, domain, guard,
    places, quotas, unix_time,
};
use crate::{
    builder::{Blocks, Inbox, decode_aux},
    consensus::{PeerAddresses, Seat, SeatConfig, SeatHandle, TermSchedule, Timing},
    evidence::{self, EvidencePool},
    genesis,
    pool::{Origin, Pool, PoolConfig},
    sequencer::MAX_BLOCK_BYTES,
    signer::Guard,
};
use alloy_consensus::{SignableTransaction as _, Signed, TxEip1559};
use alloy_primitives::{Address, KECCAK256_EMPTY, TxKind, U256};
use k256::ecdsa::SigningKey;
use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use surety_contracts::{Parameters, Profile, genesis::L2Genesis};
use surety_state::{CacheSizes, Config, Genesis, Store};
use surety_types::{
    Account, AccountChange, ChainParameters, MessageIndex, Milliseconds, Recovered, Seconds, Transaction,
    signing::vote_address,
};
use tokio::sync::{broadcast::error::RecvError, watch};

/// Accounts that send in turn.
const SENDERS: u64 = 256;

fn parameters(run: &Run) -> ChainParameters {
    let block_time = Milliseconds::new(u64::try_from(run.block_time.as_millis()).unwrap_or(u64::MAX).max(1));
    let protocol = Parameters::of(Profile::Dev, ROLLUP.get());
    ChainParameters { block_time, ..protocol.chain(Seconds::new(unix_time().as_secs())) }
}

fn key(n: u64) -> Option<SigningKey> {
    SigningKey::from_slice(super::secret("sender", n).as_slice()).ok()
}

/// The chain's accounts, and senders with ether.
fn chain(run: &Run, senders: &[Address]) -> Result<(ChainParameters, Genesis), MeasureError> {
    let mut parameters = parameters(run);
    let made = genesis::make(&parameters, &L2Genesis::new(ROLLUP.get())).map_err(|e| MeasureError::Seat(e.into()))?;
    let mut alloc = made.alloc;
    for address in senders {
        let balance = U256::from(10).pow(U256::from(24));
        let account = Account { nonce: 0, balance, code_hash: KECCAK256_EMPTY };
        alloc.accounts.insert(*address, AccountChange { account: Some(account), ..AccountChange::default() });
    }
    let genesis = genesis::with(&parameters, alloc);
    parameters.genesis_hash = genesis.header.hash_slow();
    Ok((parameters, genesis))
}

struct Running {
    handle: SeatHandle,
    blocks: Blocks,
    pool: Arc<Pool>,
    beneficiary: Address,
}

fn start(
    run: &Run,
    place: &Place,
    peers: PeerAddresses,
    schedule: &TermSchedule,
    (parameters, genesis): (ChainParameters, Genesis),
) -> Result<(Running, Guard), MeasureError> {
    fn bad(error: impl std::error::Error + Send + Sync + 'static) -> MeasureError {
        MeasureError::Seat(Box::new(error))
    }
    let directory = run.directory.join(format!("seat-{}", place.seat));
    let guard = guard(&directory, place.seat)?;
    let caches = CacheSizes { accounts: 10_000, slots: 10_000, codes: 100, nodes: 10_000, block_bytes: 16 << 20 };
    let config = Config { max_bytes: 1 << 33, caches, ..Config::default() };
    let store = Store::open(Some(&directory.join("state")), config, genesis).map_err(bad)?;
    let blocks = Blocks::new(store.clone(), parameters.clone(), Inbox::new(MessageIndex::ZERO), Seconds::new(3_600));
    let head = store.latest().map_err(bad)?;
    let header = store.header(head.block().hash).map_err(bad)?.unwrap_or_default();
    let pool = Arc::new(Pool::new(PoolConfig::default(), parameters, &header, head).map_err(bad)?);
    let evidence = EvidencePool::open(evidence::Config {
        directory: directory.join("evidence"),
        rollup: ROLLUP,
        domain: domain(),
        retain: Duration::from_secs(3_600),
        max_bytes: evidence::Config::DEFAULT_MAX_BYTES,
    })
    .map_err(bad)?;
    let beneficiary = place.vote;
    let handle = Seat::start(SeatConfig {
        directory: directory.join("consensus"),
        listen: place.listen,
        peer_key: place.peer,
        peers,
        local: true,
        guard: Some(guard.clone()),
        domain: domain(),
        schedule: schedule.clone(),
        blocks: blocks.clone(),
        pool: pool.clone(),
        beneficiary,
        batch_verifier: None,
        evidence,
        feed: Arc::default(),
        // These keys sign nowhere else: there is nothing to listen for.
        timing: Timing { listen: Duration::ZERO, ..Timing::default() },
        quotas: quotas(run.seats),
        max_peers: usize::try_from(run.seats).unwrap_or(usize::MAX),
        max_block_bytes: MAX_BLOCK_BYTES,
        threads: 1,
        misbehaviour: None,
    })
    .map_err(bad)?;
    Ok((Running { handle, blocks, pool, beneficiary }, guard))
}

/// Measures seats with execution. Blocks until it is done.
///
/// # Errors
/// See [`MeasureError`].
pub fn seats(run: &Run) -> Result<Figures, MeasureError> {
    let places = places(run.seats)?;
    let keys: Vec<SigningKey> = (0..SENDERS).filter_map(key).collect();
    let senders: Vec<Address> = keys.iter().map(vote_address).collect();
    let (parameters, genesis) = chain(run, &senders)?;
    let schedule = TermSchedule::new();
    schedule.insert(committee(&places, parameters.genesis_time)?);
    // There is no second term to wait for.
    schedule.set_horizon(Seconds::new(u64::MAX));
    let peers = PeerAddresses::default();
    for place in &places {
        peers.insert(place.peer_public, place.listen);
    }
    let (mut running, mut guards) = (Vec::new(), Vec::new());
    let mut failed = None;
    for place in &places {
        match start(run, place, peers.clone(), &schedule, (parameters.clone(), genesis.clone())) {
            Ok((seat, guard)) => {
                running.push(seat);
                guards.push(guard);
            }
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    let outcome = match failed {
        Some(error) => Err(error),
        None => measure(run, &running, &guards, &keys),
    };
    let stops = running.into_iter().map(|seat| thread::spawn(move || seat.handle.stop())).collect::<Vec<_>>();
    for stop in stops {
        // What came before the stop is what counts.
        let _ = stop.join();
    }
    outcome
}

fn counts(seats: &[Running], guards: &[Guard]) -> Counts {
    let texts = seats.iter().filter_map(|seat| futures::executor::block_on(seat.handle.counts()));
    Counts::now(&texts.collect::<Vec<_>>(), guards)
}

fn measure(run: &Run, seats: &[Running], guards: &[Guard], keys: &[SigningKey]) -> Result<Figures, MeasureError> {
    let height = |seat: &Running| seat.blocks.store().committed().number;
    let start = Instant::now();
    while seats.iter().any(|seat| height(seat) < WARM_UP) {
        if start.elapsed() > STARTED_WITHIN {
            return Err(MeasureError::NotStarted);
        }
        thread::sleep(Duration::from_millis(20));
    }
    let (stop, stopped) = watch::channel(false);
    thread::scope(|scope| {
        let load = stopped.clone();
        let load = (run.transfers > 0).then(|| scope.spawn(move || offer(run, seats, keys, &load)));
        let listen_to = |seat| {
            let stopped = stopped.clone();
            scope.spawn(move || listen(seat, stopped))
        };
        let listeners: Vec<_> = seats.iter().map(listen_to).collect();
        let outcome = observe(run, seats, guards);
        stop.send_replace(true);
        let heard: Vec<_> = listeners.into_iter().filter_map(|listener| listener.join().ok()).collect();
        // It ends with the others.
        drop(load.map(|load| load.join()));
        let (before, after, blocks, time) = outcome?;
        let transfers = heard.first().map_or(0, |heard| heard.transfers);
        let latencies = heard.into_iter().flat_map(|heard| heard.latencies).collect();
        let figures = before.figures(&after, blocks, time, latencies);
        Ok(Figures { transfers_per_second: transfers as f64 / time.as_secs_f64(), ..figures })
    })
}

/// Waits while the seats work: what was counted before and after, how many blocks there were, how long it took.
fn observe(run: &Run, seats: &[Running], guards: &[Guard]) -> Result<(Counts, Counts, u64, Duration), MeasureError> {
    let height = || seats.first().map_or(0, |seat| seat.blocks.store().committed().number);
    let (begun, before, from) = (Instant::now(), counts(seats, guards), height());
    while begun.elapsed() < run.time || height() < from + LEAST {
        if begun.elapsed() > run.time + STARTED_WITHIN {
            return Err(MeasureError::NotStarted);
        }
        let left = run.time.saturating_sub(begun.elapsed());
        thread::sleep(left.max(Duration::from_millis(20)));
    }
    let (time, blocks) = (begun.elapsed(), height().saturating_sub(from));
    Ok((before, counts(seats, guards), blocks, time))
}

#[derive(Default)]
struct Heard {
    /// Of blocks of others, in milliseconds.
    latencies: Vec<f64>,
    transfers: usize,
}

/// Notes when blocks become final at a seat.
fn listen(seat: &Running, mut stopped: watch::Receiver<bool>) -> Heard {
    let mut finalized = seat.handle.finalized();
    let mut heard = Heard::default();
    futures::executor::block_on(async {
        loop {
            let block = tokio::select! {
                biased;
                _ = stopped.changed() => return,
                block = finalized.recv() => match block {
                    Ok(block) => block,
                    Err(RecvError::Lagged(_)) => continue,
                    Err(RecvError::Closed) => return,
                },
            };
            let now = unix_time().as_secs_f64() * 1e3;
            // The first transaction is the system's.
            heard.transfers += block.block.transactions.len().saturating_sub(1);
            if block.block.header.beneficiary != seat.beneficiary
                && let Some(context) = decode_aux(ROLLUP, &block.aux)
            {
                heard.latencies.push((now - context.milliseconds.get() as f64).max(0.0));
            }
        }
    });
    heard
}

fn transfer(key: &SigningKey, nonce: u64) -> Option<Recovered<Transaction>> {
    let tx = TxEip1559 {
        chain_id: ROLLUP.get(),
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(Address::repeat_byte(0xaa)),
        value: U256::from(1),
        ..Default::default()
    };
    let signature = key.sign_prehash_recoverable(tx.signature_hash().as_slice()).ok()?;
    let signed: Signed<TxEip1559> = tx.into_signed(signature.into());
    Some(Recovered::new_unchecked(Transaction::Eip1559(signed), vote_address(key)))
}

/// Offers transfers at the run's rate, to one seat after the other, each sender's to one seat so that they come in order.
fn offer(run: &Run, seats: &[Running], keys: &[SigningKey], stopped: &watch::Receiver<bool>) {
    let start = Instant::now();
    let mut sent = 0u64;
    while !*stopped.borrow() {
        let due = (start.elapsed().as_secs_f64() * run.transfers as f64) as u64;
        if sent >= due {
            thread::sleep(Duration::from_millis(2));
            continue;
        }
        let (turn, nonce) = (sent as usize % keys.len().max(1), sent / (keys.len().max(1) as u64));
        if let (Some(key), Some(seat)) = (keys.get(turn), seats.get(turn % seats.len().max(1)))
            && let Some(tx) = transfer(key, nonce)
        {
            let now = Milliseconds::new(u64::try_from(unix_time().as_millis()).unwrap_or(u64::MAX));
            if let Err(error) = seat.pool.add(tx, Origin::User, now) {
                tracing::warn!(%error, "a transfer was not taken");
            }
        }
        sent += 1;
    }
}
