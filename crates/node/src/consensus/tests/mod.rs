//! Four seats over a simulated network in virtual time: real execution, stores, journals; seeded, printed.

mod events;
mod evidence;
mod tcp;

use super::{
    application::SignedReceipt,
    committee::{Committee, TermSchedule},
    engine::Timing,
    epochs::Boundary,
    statements::{BatchSignatures, BatchVerifier, Finalization, GatherError},
    testing::{self, CHANNELS, ROLLUP, RunningSeat, SeatParts, committee, domain, guard, peer_key, vote_key},
};
use crate::{
    builder::{
        Blocks, decode_aux,
        testing::{GENESIS_TIME, account, chain, deposit, transfer},
    },
    evidence::EvidencePool,
    pool::{Origin, Pool, PoolConfig},
    signer::Signer as _,
};
use alloy_primitives::{Address, B256, Bytes};
use commonware_cryptography::{Signer as _, ed25519::PublicKey};
use commonware_p2p::simulated::{self, Link, Oracle};
use commonware_runtime::{Clock as _, Handle, Quota, Runner as _, Supervisor as _, deterministic};
use commonware_utils::{NZU32, NZUsize, probability};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};
use surety_rpc::Feed;
use surety_state::StoredBlock;
use surety_types::{Milliseconds, Seconds, Term, signing};
use tokio::sync::{broadcast, watch};

type Context = deterministic::Context;

const SEATS: u64 = 4;

struct Seat {
    task: Handle<surety_state::Result<()>>,
    blocks: Blocks,
    pool: Arc<Pool>,
    finalized: broadcast::Receiver<Arc<StoredBlock>>,
    receipts: broadcast::Receiver<SignedReceipt>,
    term: watch::Receiver<Option<Boundary>>,
    batches: BatchSignatures,
    evidence: EvidencePool,
    feed: Arc<Feed>,
}

struct World {
    context: Context,
    oracle: Oracle<PublicKey, Context>,
    dir: tempfile::TempDir,
    schedule: TermSchedule,
    seats: Vec<Option<Seat>>,
    starts: u32,
    liar: Option<u64>,
    listen: Duration,
    /// Where the term begins that an event started.
    cut: Option<Boundary>,
    /// Part of the names of the library's partitions: another number is another disk.
    disks: u32,
}

#[derive(Clone, Copy)]
struct Conditions {
    seed: u64,
    latency: Duration,
    jitter: Duration,
    /// Of a hundred messages, how many arrive.
    arrive: u8,
    /// Seconds after genesis at which terms 2, 3, … begin.
    terms: &'static [u64],
    /// A seat that believes in another message than L1 sent.
    liar: Option<u64>,
    /// A seat that the test plays itself.
    played: Option<u64>,
    /// How long a seat that starts listens for its own key.
    listen: Duration,
}

const CALM: Conditions = Conditions {
    seed: 1,
    latency: Duration::from_millis(5),
    jitter: Duration::from_millis(1),
    arrive: 100,
    terms: &[],
    liar: None,
    played: None,
    listen: Duration::ZERO,
};

fn run<F: Future<Output = ()>>(conditions: Conditions, test: impl FnOnce(World) -> F) {
    println!("seed {}", conditions.seed);
    let config = deterministic::Config::new()
        .with_seed(conditions.seed)
        .with_timeout(Some(Duration::from_secs(GENESIS_TIME + 600)));
    deterministic::Runner::new(config).start(|context| async move {
        context.sleep_until(UNIX_EPOCH + Duration::from_secs(GENESIS_TIME)).await;
        let peers: Vec<_> = (0..SEATS).map(|seat| peer_key(seat).public_key()).collect();
        let (network, oracle) = simulated::Network::new_with_peers(
            context.child("network"),
            simulated::Config {
                max_size: 2 << 20,
                max_peers_per_set: NZUsize!(SEATS as usize),
                disconnect_on_block: true,
                tracked_peer_sets: NZUsize!(1),
            },
            peers.clone(),
        )
        .await;
        network.start();
        let success = match conditions.arrive {
            100 => probability!(1.0),
            95 => probability!(0.95),
            _ => probability!(0.85),
        };
        for from in &peers {
            for to in peers.iter().filter(|to| *to != from) {
                let link = Link { latency: conditions.latency, jitter: conditions.jitter, success_rate: success };
                oracle.add_link(from.clone(), to.clone(), link).await.unwrap();
            }
        }
        let schedule = TermSchedule::new();
        schedule.insert(committee(1, GENESIS_TIME, SEATS));
        // And one that nobody lives to see.
        for (term, start) in (2..).zip(conditions.terms.iter().chain(&[10_000])) {
            schedule.insert(committee(term, GENESIS_TIME + start, SEATS));
        }
        let dir = tempfile::tempdir().unwrap();
        let mut world = World {
            context,
            oracle,
            dir,
            schedule,
            seats: Vec::new(),
            starts: 0,
            liar: conditions.liar,
            listen: conditions.listen,
            cut: None,
            disks: 0,
        };
        for seat in 0..SEATS {
            let seat = if conditions.played == Some(seat) { None } else { Some(world.start(seat).await) };
            world.seats.push(seat);
        }
        test(world).await;
    });
}

fn open(path: &Path, lies: bool) -> Blocks {
    let blocks = chain(Some(path));
    for index in 0..3 {
        let beneficiary = if lies { account(9) } else { account(index as u8) };
        blocks.inbox().push(deposit(index, beneficiary, 100_000)).unwrap();
    }
    blocks
}

impl World {
    async fn start(&mut self, index: u64) -> Seat {
        self.starts += 1;
        let path = self.dir.path().join(format!("seat-{index}"));
        std::fs::create_dir_all(&path).unwrap();
        let blocks = open(&path.join("store"), self.liar == Some(index));
        let head = blocks.store().latest().unwrap();
        let header = blocks.store().header(head.block().hash).unwrap().unwrap();
        let pool = Arc::new(Pool::new(PoolConfig::default(), blocks.parameters().clone(), &header, head).unwrap());
        // Seat 3 finds every batch wrong, and as many more do as the batch says.
        let verifier = BatchVerifier::new(move |statement, _| {
            let more = u64::from(statement.inboxTip.0[0]);
            let answer = if index + more >= 3 { Err("not my blocks".into()) } else { Ok(()) };
            Box::pin(std::future::ready(answer))
        });
        let me = peer_key(index).public_key();
        let control = self.oracle.control(me.clone());
        let quota = Quota::per_second(NZU32!(10_000));
        // Each start takes new channels: the simulation keeps those of a crashed one.
        let mut channels = Vec::new();
        for n in 0..CHANNELS {
            channels.push(control.register(n, quota).await.unwrap());
        }
        let evidence = testing::evidence(&path);
        let parts = SeatParts {
            cut: self.cut,
            partition: format!("seat-{index}-{}", self.disks),
            blocks: blocks.clone(),
            pool: pool.clone(),
            guard: Some(guard(&path, index)),
            schedule: self.schedule.clone(),
            beneficiary: Address::with_last_byte(index as u8 + 1),
            verifier: Some(verifier),
            evidence: evidence.clone(),
            timing: Timing { listen: self.listen, ..Timing::default() },
            me: me.clone(),
        };
        let context = self.context.child("seat").with_attribute("index", index).with_attribute("start", self.starts);
        let Ok(channels) = channels.try_into() else { panic!("all channels") };
        let RunningSeat { task, finalized, receipts, term, batches, feed } =
            testing::start(context, parts, channels, self.oracle.manager(), self.oracle.control(me));
        Seat { task, blocks, pool, finalized, receipts, term, batches, evidence, feed }
    }

    fn seat(&self, index: usize) -> &Seat {
        self.seats[index].as_ref().unwrap()
    }

    /// Pulls the plug: only what is on disk remains.
    async fn crash(&mut self, index: usize) {
        let seat = self.seats[index].take().unwrap();
        seat.task.abort();
        drop(seat);
        self.context.sleep(Duration::from_millis(100)).await;
    }

    /// Pulls everybody's plug, then starts everybody again.
    async fn restart_all(&mut self) {
        for index in 0..SEATS as usize {
            self.crash(index).await;
        }
        for index in 0..SEATS {
            let seat = self.start(index).await;
            self.seats[index as usize] = Some(seat);
        }
    }

    fn heights(&self) -> Vec<u64> {
        self.seats.iter().flatten().map(|seat| seat.blocks.store().committed().number).collect()
    }

    /// Waits until all seats that run are at a height, and returns the hashes up to it.
    async fn reach(&self, height: u64, patience: Duration) -> Vec<B256> {
        let end = self.context.current() + patience;
        while self.heights().iter().any(|h| *h < height) {
            assert!(self.context.current() < end, "heights {:?} after {patience:?}", self.heights());
            self.context.sleep(Duration::from_millis(50)).await;
        }
        let mut chains: Vec<Vec<B256>> = self
            .seats
            .iter()
            .flatten()
            .map(|s| (0..=height).map(|h| s.blocks.store().canonical_hash(h).unwrap().unwrap()).collect())
            .collect();
        chains.dedup();
        assert_eq!(chains.len(), 1, "all seats have the same chain");
        chains.pop().unwrap()
    }

    fn block(&self, height: u64) -> Arc<StoredBlock> {
        self.seats.iter().flatten().next().unwrap().blocks.store().block_by_number(height).unwrap().unwrap()
    }
}

fn context_of(block: &StoredBlock) -> surety_types::ConsensusContext {
    decode_aux(ROLLUP, &block.aux).unwrap()
}

#[test]
fn four_seats_make_one_chain_at_the_pace_of_the_block_time() {
    run(CALM, |world| async move {
        world.reach(20, Duration::from_secs(10)).await;
        let took = world.context.current().duration_since(UNIX_EPOCH).unwrap() - Duration::from_secs(GENESIS_TIME);
        assert!(took >= Duration::from_millis(20 * 200), "no faster than the block time: {took:?}");
        assert!(took < Duration::from_millis(20 * 260), "close to the block time: {took:?}");
        let first = world.block(1);
        assert_eq!(first.block.transactions.len(), 1 + 3, "the messages that were waiting");
        for height in 2..=20 {
            let (c, parent) = (context_of(&world.block(height)), context_of(&world.block(height - 1)));
            assert!(c.milliseconds.since(parent.milliseconds) >= 200);
            assert_eq!(c.parent_view, parent.view);
        }
    });
}

#[test]
fn a_lossy_network_slows_the_chain_and_never_splits_it() {
    for seed in [7, 8, 9] {
        let rough = Conditions {
            seed,
            latency: Duration::from_millis(30),
            jitter: Duration::from_millis(20),
            arrive: 85,
            ..CALM
        };
        run(rough, |world| async move {
            world.reach(25, Duration::from_secs(120)).await;
        });
    }
}

#[test]
fn a_seat_that_crashes_comes_back_to_the_same_chain() {
    for seed in [11, 12] {
        run(Conditions { seed, arrive: 95, ..CALM }, |mut world| async move {
            world.reach(8, Duration::from_secs(30)).await;
            world.crash(2).await;
            let before = world.heights()[0];
            world.reach(before + 10, Duration::from_secs(60)).await;
            let seat = world.start(2).await;
            world.seats[2] = Some(seat);
            let hashes = world.reach(before + 25, Duration::from_secs(60)).await;
            // It takes its turn as a leader again.
            let mut leaders = BTreeMap::new();
            for height in before + 12..before + 25 {
                *leaders.entry(world.block(height).block.header.beneficiary).or_insert(0u32) += 1;
            }
            assert!(leaders.contains_key(&Address::with_last_byte(3)), "{leaders:?} of {}", hashes.len());
        });
    }
}

#[test]
fn all_seats_crash_at_once_and_go_on() {
    run(Conditions { seed: 21, ..CALM }, |mut world| async move {
        let before = world.reach(10, Duration::from_secs(30)).await;
        world.restart_all().await;
        let after = world.reach(20, Duration::from_secs(60)).await;
        assert_eq!(after[..=10], before);
    });
}

#[test]
fn terms_follow_each_other_where_the_protocol_says() {
    let starts: &[u64] = &[3, 6, 9];
    for (seed, arrive) in [(31, 100), (32, 85)] {
        run(Conditions { seed, terms: starts, arrive, ..CALM }, |world| async move {
            world.reach(60, Duration::from_secs(120)).await;
            let boundary = world.seat(0).term.borrow().unwrap();
            assert_eq!(boundary.term, Term::new(4));
            for height in 1..60 {
                let (block, next) = (world.block(height), world.block(height + 1));
                let (term, next) = (context_of(&block).term.get(), context_of(&next).term.get());
                // Restated: the child is in the last term that has begun at its parent's time.
                let time = block.block.header.timestamp - GENESIS_TIME;
                let begun = 1 + starts.iter().filter(|start| **start <= time).count() as u64;
                assert_eq!(next, begun.max(term), "height {height} at {time} s");
            }
            let first = world.block(boundary.height + 1);
            assert_eq!(first.block.header.parent_hash, boundary.genesis);
            assert_eq!(context_of(&first).parent_view.get(), 0);
        });
    }
}

#[test]
fn a_seat_that_slept_through_a_term_finds_the_chain_again() {
    run(Conditions { seed: 41, terms: &[4, 8], ..CALM }, |mut world| async move {
        world.reach(5, Duration::from_secs(30)).await;
        world.crash(1).await;
        // Terms 2 and 3 begin, and their predecessors' engines are gone, before it is back.
        world.context.sleep(Duration::from_secs(20)).await;
        let height = world.heights()[0];
        assert_eq!(context_of(&world.block(height)).term, Term::new(3));
        let seat = world.start(1).await;
        world.seats[1] = Some(seat);
        world.reach(height + 20, Duration::from_secs(60)).await;
    });
}

#[test]
fn a_transaction_sent_to_one_seat_is_in_a_block_within_a_turn_and_has_a_receipt() {
    run(CALM, |mut world| async move {
        world.reach(3, Duration::from_secs(10)).await;
        let now = || Milliseconds::new(0);
        let mut hashes = Vec::new();
        for seed in 0..3u8 {
            for nonce in 1..4 {
                let seat = world.seat(usize::from(seed));
                hashes.push(seat.pool.add(transfer(seed, nonce, 7), Origin::User, now()).unwrap());
            }
        }
        let head = world.heights()[0];
        world.reach(head + 6, Duration::from_secs(10)).await;
        let store = world.seat(3).blocks.store().clone();
        let places: BTreeMap<_, _> =
            hashes.iter().map(|hash| (*hash, store.transaction(*hash).unwrap().expect("included"))).collect();
        let mut promised = 0;
        for index in 0..SEATS as usize {
            let seat = world.seats[index].as_mut().unwrap();
            assert_eq!(seat.pool.status(), (0, 0), "included transactions leave the pools");
            while let Ok(SignedReceipt { receipt, signature, leader }) = seat.receipts.try_recv() {
                promised += 1;
                assert_eq!(signature.recover(&domain().digest(&receipt)), Some(leader));
                assert_eq!(leader, vote_key(index as u64).address());
                let place = &places[&receipt.txHash];
                let block = store.block_by_number(receipt.height).unwrap().unwrap();
                assert_eq!(block.block.transactions[receipt.index as usize].hash(), &receipt.txHash, "{place:?}");
                assert_eq!(context_of(&block).view.get(), receipt.view);
            }
            let mut heights = Vec::new();
            while let Ok(block) = seat.finalized.try_recv() {
                heights.push(block.block.header.number);
            }
            assert_eq!(heights, (1..=heights.len() as u64).collect::<Vec<_>>(), "told once, in order");
        }
        assert_eq!(promised, hashes.len());
    });
}

/// A statement about blocks 1 to 5 that seat 3 finds wrong, and as many more as are `refusing`.
fn first_batch(hashes: &[B256], last_hash: B256, refusing: u8) -> signing::Batch {
    signing::Batch {
        rollup: ROLLUP.get(),
        term: 1,
        genesis: hashes[0],
        firstHeight: 1,
        lastHeight: 5,
        parentClaim: B256::ZERO,
        prevHash: hashes[0],
        lastHash: last_hash,
        blockHashRoot: B256::repeat_byte(5),
        lastBlockTime: Seconds::ZERO.get(),
        messageCount: 3,
        messageAcc: B256::ZERO,
        inboxTip: B256::repeat_byte(refusing),
        dataHash: B256::ZERO,
    }
}

#[test]
fn seats_sign_the_statement_that_they_verified_and_no_other_seat_signs() {
    run(Conditions { arrive: 95, ..CALM }, |world| async move {
        let hashes = world.reach(6, Duration::from_secs(30)).await;
        let statement = |last_hash| first_batch(&hashes, last_hash, 0);
        let batches = world.seat(0).batches.clone();
        let data = Bytes::from(vec![7; 100_000]);
        let set = batches.gather(statement(hashes[5]), data.clone(), Duration::from_secs(20)).await.unwrap();
        assert_eq!(set.finalization, None);
        let set = set.signatures;
        assert_eq!(set.signers, 0b0111, "seat 3 found it wrong");
        let votes = world.schedule.committee(Term::new(1)).unwrap().votes();
        assert!(set.verify(&votes, &domain().digest(&statement(hashes[5]))));
        let error = batches.gather(statement(hashes[4]), data, Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(error.to_string(), "0 of 3 signatures came in time: try again, or leave it to the next on duty");
    });
}

#[test]
fn signatures_of_a_third_come_with_the_votes_that_made_the_last_block_final() {
    run(Conditions { arrive: 95, ..CALM }, |world| async move {
        let hashes = world.reach(6, Duration::from_secs(30)).await;
        let statement = |hash, refusing| first_batch(&hashes, hash, refusing);
        let votes = world.schedule.committee(Term::new(1)).unwrap().votes();
        let soon = Duration::from_secs(3);
        let batches = world.seat(0).batches.clone();

        let asked = statement(hashes[5], 1);
        let gathered = batches.gather(asked.clone(), Bytes::new(), soon).await.unwrap();
        assert_eq!(gathered.signatures.signers, 0b0011);
        assert!(gathered.signatures.verify(&votes, &domain().digest(&asked)));
        let Finalization { vote, signatures } = gathered.finalization.unwrap();
        assert_eq!((vote.blockHash, vote.term, vote.genesis), (hashes[5], 1, hashes[0]));
        assert!(signatures.verify(&votes, &domain().digest(&vote)) && signatures.count() >= 3);

        // One of four is no third.
        let few = batches.gather(statement(hashes[5], 2), Bytes::new(), soon).await;
        assert_eq!(few, Err(GatherError::Timeout { have: 1, need: 3 }));
    });
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = || {
        let hash = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let out = hash.clone();
        super::tests::run(Conditions { seed: 51, arrive: 95, ..CALM }, |world| async move {
            *out.lock() = world.reach(10, Duration::from_secs(30)).await;
        });
        Arc::into_inner(hash).unwrap().into_inner()
    };
    assert_eq!(run(), run());
}

#[test]
fn a_schedule_that_comes_late_stalls_the_chain_and_does_not_split_it() {
    run(Conditions { seed: 61, terms: &[2, 4, 6], ..CALM }, |mut world| async move {
        world.reach(3, Duration::from_secs(30)).await;
        for index in 0..SEATS as usize {
            world.crash(index).await;
        }
        // Down for so long that three terms begin; then each seat learns of them one by one, at its own pace.
        world.context.sleep(Duration::from_secs(20)).await;
        let full = world.schedule.clone();
        let mut schedules = Vec::new();
        for index in 0..SEATS {
            world.schedule = TermSchedule::new();
            schedules.push(world.schedule.clone());
            let seat = world.start(index).await;
            world.seats[index as usize] = Some(seat);
        }
        for term in 1..=5 {
            for (schedule, delay) in schedules.iter().zip([0, 300, 900, 50]) {
                world.context.sleep(Duration::from_millis(delay)).await;
                schedule.insert(Committee::clone(&full.committee(Term::new(term)).unwrap()));
            }
        }
        let head = world.heights()[0];
        world.reach(head + 10, Duration::from_secs(60)).await;
        assert_eq!(context_of(&world.block(head + 10)).term, Term::new(4));
    });
}

#[test]
fn a_liar_convinces_nobody_and_stops_nobody() {
    run(Conditions { seed: 71, liar: Some(2), ..CALM }, |mut world| async move {
        let liar = world.seats[2].take().unwrap();
        world.reach(15, Duration::from_secs(60)).await;
        assert_eq!(liar.blocks.store().committed().number, 0, "it commits nothing that it finds wrong");
        for height in 1..=15 {
            let leader = world.block(height).block.header.beneficiary;
            assert_ne!(leader, Address::with_last_byte(3), "height {height}");
        }
        assert_eq!(world.block(1).senders[1..], [account(0), account(1), account(2)]);
    });
}

#[test]
fn a_dead_leader_costs_less_than_a_second() {
    run(Conditions { seed: 81, ..CALM }, |mut world| async move {
        world.reach(5, Duration::from_secs(30)).await;
        world.crash(1).await;
        let head = world.heights()[0];
        world.reach(head + 30, Duration::from_secs(60)).await;
        let time = |height| context_of(&world.block(height)).milliseconds;
        let gaps: Vec<u64> = (head..head + 30).map(|h| time(h + 1).since(time(h))).collect();
        // The view's timeout, and the next leader's block.
        assert!(gaps.iter().all(|gap| *gap <= 1_000), "{gaps:?}");
        // Once it is known to be gone its views are skipped.
        assert!(gaps[20..].iter().all(|gap| *gap <= 300), "{gaps:?}");
    });
}

/// Blocks between two heights that a seat led.
fn led(world: &World, seat: u8, heights: std::ops::Range<u64>) -> usize {
    let mine = Address::with_last_byte(seat + 1);
    heights.filter(|height| world.block(*height).block.header.beneficiary == mine).count()
}

const LISTENING: Conditions = Conditions { listen: Duration::from_secs(2), ..CALM };

#[test]
fn a_new_committee_that_listens_first_comes_alive() {
    run(Conditions { seed: 91, ..LISTENING }, |world| async move {
        world.context.sleep(Duration::from_millis(1_900)).await;
        assert_eq!(world.heights(), [0; SEATS as usize], "nobody signs while it listens");
        world.reach(10, Duration::from_secs(8)).await;
    });
}

#[test]
fn a_whole_committee_that_restarts_and_listens_comes_alive_and_no_seat_takes_itself_for_another() {
    run(Conditions { seed: 92, ..LISTENING }, |mut world| async move {
        let before = world.reach(10, Duration::from_secs(30)).await;
        world.restart_all().await;
        let head = world.heights()[0];
        let after = world.reach(head + 20, Duration::from_secs(20)).await;
        assert_eq!(after[..=10], before);
        for seat in 0..SEATS as u8 {
            assert!(led(&world, seat, head + 1..head + 20) > 0, "seat {seat} signs again in the same term");
        }
    });
}

#[test]
fn a_seat_that_is_behind_and_without_which_there_is_no_quorum_catches_up_and_ends_its_silence() {
    run(Conditions { seed: 96, ..LISTENING }, |mut world| async move {
        world.reach(10, Duration::from_secs(30)).await;
        world.crash(2).await;
        let head = world.heights()[0];
        world.reach(head + 15, Duration::from_secs(60)).await;
        for seat in [0, 1, 3] {
            world.crash(seat).await;
        }
        // The fourth stays away.
        for seat in 0..3 {
            let started = world.start(seat).await;
            world.seats[seat as usize] = Some(started);
        }
        world.reach(head + 25, Duration::from_secs(60)).await;
    });
}

#[test]
fn a_seat_that_restarts_listens_and_then_takes_its_turn_in_the_same_term() {
    run(Conditions { seed: 93, ..LISTENING }, |mut world| async move {
        world.reach(8, Duration::from_secs(30)).await;
        world.crash(2).await;
        let seat = world.start(2).await;
        world.seats[2] = Some(seat);
        let head = world.heights()[0];
        world.reach(head + 40, Duration::from_secs(60)).await;
        assert!(led(&world, 2, head + 20..head + 40) > 0);
    });
}

#[test]
fn a_seat_on_an_old_disk_hears_itself_and_is_silent_until_the_next_term() {
    for (seed, listen) in [(94, LISTENING.listen), (95, Duration::from_millis(300))] {
        run(Conditions { seed, listen, terms: &[20], ..CALM }, |mut world| async move {
            world.reach(5, Duration::from_secs(30)).await;
            let path = world.dir.path().join("seat-2");
            let journal = path.join("journal-2");
            let old = std::fs::read(&journal).unwrap();
            let head = world.heights()[0];
            world.reach(head + 15, Duration::from_secs(30)).await;
            world.crash(2).await;
            // The journal of some seconds ago, and nothing of the rest: the chain is synced again.
            std::fs::write(&journal, &old).unwrap();
            std::fs::remove_dir_all(path.join("store")).unwrap();
            world.disks += 1;
            let seat = world.start(2).await;
            world.seats[2] = Some(seat);
            let (head, term) = (world.heights()[0], Term::new(1));
            world.reach(head + 30, Duration::from_secs(60)).await;
            assert_eq!(context_of(&world.block(head + 30)).term, term);
            assert_eq!(led(&world, 2, head + 1..head + 30), 0, "it says nothing more in this term");
            let end = UNIX_EPOCH + Duration::from_secs(GENESIS_TIME + 22);
            world.context.sleep_until(end).await;
            let head = world.heights()[0];
            assert_eq!(context_of(&world.block(head)).term, Term::new(2));
            world.reach(head + 20, Duration::from_secs(60)).await;
            assert!(led(&world, 2, head + 1..head + 20) > 0, "and takes its turn in the next");
        });
    }
}
