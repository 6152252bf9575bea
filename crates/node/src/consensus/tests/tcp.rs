//! Four whole seats over loopback TCP, with their own threads, stores on disk and synced journals.

use crate::{
    builder::{Blocks, testing},
    consensus::{
        PeerAddresses, Quotas, Seat, SeatConfig, SeatHandle, TermSchedule, Timing,
        testing::{ROLLUP, committee, domain, evidence, guard, peer_key},
    },
    pool::{Origin, Pool, PoolConfig},
};
use alloy_primitives::{Address, B256};
use commonware_codec::Encode as _;
use commonware_cryptography::Signer as _;
use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use surety_types::{ChainParameters, Milliseconds, Seconds};

const SEATS: u64 = 4;

struct World {
    dir: tempfile::TempDir,
    addresses: Vec<SocketAddr>,
    schedule: TermSchedule,
    parameters: ChainParameters,
    views_per_second: u32,
}

struct Running {
    handle: SeatHandle,
    blocks: Blocks,
    pool: Arc<Pool>,
}

fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

impl World {
    fn new(block_time: u64, term_starts: &[u64], views_per_second: u32) -> Self {
        // Held all at once, so that the system gives different ports; free again for the seats.
        let listeners: Vec<_> = (0..SEATS).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses = listeners.iter().map(|l| l.local_addr().unwrap()).collect();
        let now = unix_time().as_secs();
        let schedule = TermSchedule::new();
        schedule.insert(committee(1, now, SEATS));
        for (term, start) in (2..).zip(term_starts.iter().chain(&[100_000])) {
            schedule.insert(committee(term, now + start, SEATS));
        }
        let parameters = ChainParameters {
            genesis_time: Seconds::new(now),
            block_time: Milliseconds::new(block_time),
            ..testing::parameters()
        };
        Self { dir: tempfile::tempdir().unwrap(), addresses, schedule, parameters, views_per_second }
    }

    fn start(&self, seat: u64) -> Running {
        let path = self.dir.path().join(format!("seat-{seat}"));
        std::fs::create_dir_all(&path).unwrap();
        let blocks = open(&path.join("store"), &self.parameters);
        let head = blocks.store().latest().unwrap();
        let header = blocks.store().header(head.block().hash).unwrap().unwrap();
        let pool = Arc::new(Pool::new(PoolConfig::default(), blocks.parameters().clone(), &header, head).unwrap());
        let peers = PeerAddresses::default();
        for (peer, address) in (0..SEATS).zip(&self.addresses) {
            peers.insert(B256::from_slice(peer_key(peer).public_key().as_ref()), *address);
        }
        let config = SeatConfig {
            directory: path.join("consensus"),
            listen: self.addresses[seat as usize],
            peer_key: B256::from_slice(&peer_key(seat).encode()),
            peers,
            local: true,
            guard: Some(guard(&path, seat)),
            domain: domain(),
            schedule: self.schedule.clone(),
            blocks: blocks.clone(),
            pool: pool.clone(),
            beneficiary: Address::with_last_byte(seat as u8 + 1),
            batch_verifier: None,
            evidence: evidence(&path),
            feed: Arc::default(),
            timing: Timing::default(),
            quotas: Quotas::for_views_per_second(self.views_per_second),
            max_peers: SEATS as usize,
            max_block_bytes: 4 << 20,
            threads: 1,
            misbehaviour: None,
        };
        Running { handle: Seat::start(config).unwrap(), blocks, pool }
    }
}

/// The store of a seat that has just stopped may be held by a view for a moment longer.
fn open(path: &Path, parameters: &ChainParameters) -> Blocks {
    let blocks = testing::chain_with(Some(path), parameters.clone());
    for index in 0..3u8 {
        let message = testing::deposit(u64::from(index), testing::account(index), 100_000);
        // Consumed already after a restart, and then pruned with the next head.
        blocks.inbox().push(message).unwrap();
    }
    blocks
}

impl Running {
    fn height(&self) -> u64 {
        self.blocks.store().committed().number
    }
}

fn wait(seats: &[Running], height: u64, patience: Duration) {
    let start = Instant::now();
    while seats.iter().any(|seat| seat.height() < height) {
        let heights: Vec<_> = seats.iter().map(Running::height).collect();
        assert!(start.elapsed() < patience, "heights {heights:?} after {patience:?}, {height} wanted");
        std::thread::sleep(Duration::from_millis(20));
    }
    let hashes: Vec<_> = seats.iter().map(|s| s.blocks.store().canonical_hash(height).unwrap()).collect();
    assert!(hashes.windows(2).all(|pair| pair[0] == pair[1]), "all seats have the same chain");
}

#[test]
fn four_seats_in_one_process_agree_over_tcp_change_terms_and_resume() {
    let world = World::new(100, &[3], 16);
    let seats: Vec<_> = (0..SEATS).map(|seat| world.start(seat)).collect();
    wait(&seats, 10, Duration::from_secs(60));
    let now = Milliseconds::new(unix_time().as_millis() as u64);
    let hash = seats[1].pool.add(testing::transfer(2, 1, 9), Origin::User, now).unwrap();
    let head = seats[0].height();
    wait(&seats, head + 5, Duration::from_secs(60));
    for seat in &seats {
        assert!(seat.blocks.store().transaction(hash).unwrap().is_some());
    }
    let start = Instant::now();
    while seats.iter().any(|s| s.handle.term().borrow().is_none()) {
        assert!(start.elapsed() < Duration::from_secs(60), "the second term begins");
        std::thread::sleep(Duration::from_millis(20));
    }
    for seat in seats {
        let Running { handle, blocks, pool } = seat;
        handle.stop().unwrap();
        drop((blocks, pool));
    }
    let seats: Vec<_> = (0..SEATS).map(|seat| world.start(seat)).collect();
    let resumed = seats.iter().map(Running::height).max().unwrap();
    assert!(resumed >= head + 5, "nothing final is lost");
    wait(&seats, resumed + 10, Duration::from_secs(60));
    let block = seats[0].blocks.store().block_by_number(resumed + 10).unwrap().unwrap();
    assert_eq!(crate::builder::decode_aux(ROLLUP, &block.aux).unwrap().term.get(), 2);
    for seat in seats {
        seat.handle.stop().unwrap();
    }
}

fn resident_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or_default() / 1024
}

/// Blocks a second and time from a block's own time to its being final and durable at each seat, with empty blocks.
fn measure(block_time: u64, views_per_second: u32, seconds: u64) {
    let world = World::new(block_time, &[], views_per_second);
    let seats: Vec<_> = (0..SEATS).map(|seat| world.start(seat)).collect();
    wait(&seats, 10, Duration::from_secs(60));
    let threads: Vec<_> = seats
        .iter()
        .map(|seat| {
            let mut finalized = seat.handle.finalized();
            let rollup = ROLLUP;
            std::thread::spawn(move || {
                let end = Instant::now() + Duration::from_secs(seconds);
                let mut latencies = Vec::new();
                while Instant::now() < end {
                    let Ok(block) = finalized.blocking_recv() else { break };
                    let sealed = crate::builder::decode_aux(rollup, &block.aux).unwrap().milliseconds;
                    latencies.push((unix_time().as_millis() as u64).saturating_sub(sealed.get()));
                }
                latencies
            })
        })
        .collect();
    let start = (Instant::now(), seats[0].height());
    let mut latencies: Vec<u64> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    let blocks = seats[0].height() - start.1;
    latencies.sort_unstable();
    let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100];
    println!(
        "block time {block_time} ms: {:.1} blocks/s; from block time to final and durable: median {} ms, p99 {} ms; {} MB resident",
        blocks as f64 / start.0.elapsed().as_secs_f64(),
        at(50),
        at(99),
        resident_megabytes(),
    );
    for seat in seats {
        seat.handle.stop().unwrap();
    }
}

#[test]
#[ignore = "a measurement: run it alone, in release"]
fn figures_of_four_seats_with_empty_blocks() {
    measure(200, 8, 20);
    measure(1, 256, 20);
}
