//! What L1, clocks and disks do to honest seats, on the whole network: nobody ever signs a contradiction, nobody is slashed, and
//! the chain goes on, or does when it is over. Minutes each: the nightly suite runs them.

mod world;

use alloy_primitives::{Address, B256, U256};
use k256::ecdsa::SigningKey;
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};
use surety_contracts::{
    FoundingSeat, Parameters, Profile,
    bindings::SequencerRegistry::{registerCall, requestExitCall},
};
use surety_devnet::{
    l1::{ReorgPolicy, dev_accounts},
    network::{Conditions, L2_CHAIN_ID, Network, NetworkConfig},
};
use surety_l1::{
    BlockAt, L1,
    contracts::Contracts,
    rpc::{RpcConfig, RpcL1},
};
use surety_node::{builder::decode_aux, clock::Clock};
use surety_rpc::Backend as _;
use surety_types::{RollupId, Term};
use world::{SEATS, World, heights, long_delays, nobody_is_guilty};

const HOUR: i64 = 3_600;

/// Memory of this process, in MiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default() / 1_024
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "nightly: minutes"]
async fn an_hour_without_finality_ten_minutes_without_l1_and_a_clock_that_jumps_cost_nobody_anything() {
    let world = World::start().await;
    let finalized = async || world.client.block(BlockAt::Finalized).await.unwrap().map(|block| block.number.get());
    let (before, first) = (memory(), world.pace.head());
    // Through a term's end, too.
    let slots = 310;
    let deposited = Address::repeat_byte(0x11);
    world.deposit(deposited).await;
    world.slots(slots).await;
    world.goes_on("after an hour without finality").await;
    assert!(world.pace.head() - first >= 300, "an hour");
    assert_eq!(finalized().await, Some(0), "nothing is final on L1");
    assert!(world.balance(deposited) > U256::ZERO, "depth and age settle a message");
    assert!(world.term().await >= Term::new(2));
    let after = memory();
    println!("{before} MiB before, {after} MiB after {slots} slots without finality");
    assert!(after < before + 512, "memory: {before} MiB before, {after} MiB after");

    let (height, head) = (world.heights()[0], world.pace.head());
    world.silence(50).await;
    assert_eq!(world.pace.head(), head, "L1 stood for ten minutes");
    assert!(world.heights()[0] > height + 10, "L2 did not");
    world.pace.back();
    world.goes_on("after ten minutes without L1").await;

    // L1's clock jumps two minutes ahead of the seats', and two behind.
    world.l1.control().increase_time(120);
    world.goes_on("with L1's clock ahead").await;
    world.silence(20).await;
    world.goes_on("with L1's clock behind").await;
    world.nobody_is_guilty().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "nightly: minutes"]
async fn slots_that_are_missed_delay_and_cost_nobody_anything() {
    let world = World::start().await;
    let deposited = Address::repeat_byte(0x12);
    world.deposit(deposited).await;
    for (blocks, missed) in [(40, 1), (20, 4), (5, 11)] {
        let (head, time) = (world.pace.head(), world.l1.control().now());
        world.sparse_slots(blocks, missed).await;
        assert_eq!(world.pace.head() - head, blocks);
        assert!(world.l1.control().now() - time >= blocks * (missed + 1) * 12, "blocks {} s apart", (missed + 1) * 12);
        world.goes_on(&format!("with {missed} slots missed before each block")).await;
    }
    world.until("depth and age settle a deposit", async || world.balance(deposited) > U256::ZERO).await;
    world.nobody_is_guilty().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "nightly: minutes"]
async fn a_reorg_of_sixty_blocks_takes_back_deposits_batches_and_seats_and_no_block_of_l2() {
    let world = World::start().await;
    let chain = world.network.chain().clone();
    let registry = chain.addresses.registry;
    let owner = dev_accounts().unwrap()[5].address();
    let key = SigningKey::from_slice(&[0x55; 32]).unwrap();
    let peer = surety_node::consensus::peer_public_key(&B256::repeat_byte(0x56)).unwrap();
    let seat = FoundingSeat::prove(chain.l1_chain_id, registry, owner, &key, peer).unwrap();
    let register =
        || registerCall { owner, voteKey: seat.vote_key, peerKey: seat.peer_key, proof: seat.proof.0.into() };
    let registered =
        async || world.contracts().seat_of_vote_key(seat.vote_key, BlockAt::Latest).await.unwrap().is_some();
    for (policy, to) in
        [(ReorgPolicy::Drop, Address::repeat_byte(0x21)), (ReorgPolicy::Keep, Address::repeat_byte(0x22))]
    {
        // So that a term begins in what is taken back.
        let term = world.term().await;
        let start = world.contracts().term_start(term.next(), BlockAt::Latest).await.unwrap().get();
        let near = start - 30 * long_delays().slot_time;
        world.until("the term nears its end", async || world.l1.control().now() >= near).await;
        let (ancestor, posted) = (world.pace.head(), world.posted().await);
        world.deposit(to).await;
        world.send(5, registry, register(), chain.protocol.bond).await;
        if policy == ReorgPolicy::Drop {
            world.send(3, registry, requestExitCall { id: 4 }, U256::ZERO).await;
        }
        world.until("a term begins", async || world.term().await > term).await;
        while world.pace.head() < ancestor + 59 {
            world.slots(1).await;
        }
        assert!(registered().await && world.posted().await > posted, "there is something to take back");
        let (heights, batches) = (world.heights(), world.posted().await);
        let final_blocks = world.hashes(heights.iter().copied().min().unwrap());
        let done = world.l1.control().reorg(60, policy).await.unwrap();
        assert!(done.ancestor.number <= ancestor);
        println!("{policy:?}: 60 blocks back to {}, L2 posted {posted} to {batches}", done.ancestor.number);
        if policy == ReorgPolicy::Drop {
            assert!(!registered().await && world.posted().await < batches, "another history");
        }
        world.goes_on("after the reorg").await;
        world.until("all is posted again", async || world.posted().await > batches).await;
        assert_eq!(world.hashes(final_blocks.len() as u64 - 1), final_blocks, "what was final is");
        if policy == ReorgPolicy::Keep {
            assert!(registered().await);
            world.until("the deposit arrives", async || world.balance(to) > U256::ZERO).await;
        } else {
            // Its message would have been settled long ago.
            world.slots(200).await;
            assert_eq!(world.balance(to), U256::ZERO, "what L1 forgot never was");
        }
    }
    world.goes_on("in the end").await;
    world.nobody_is_guilty().await;
}

/// A network of the `ci` profile, in real time.
struct Quick {
    network: Network,
    client: Arc<dyn L1>,
    directory: tempfile::TempDir,
    /// How many seconds each seat's clock is ahead.
    clocks: Vec<Arc<AtomicI64>>,
}

impl Quick {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = NetworkConfig::new(directory.path().join("network"));
        let clocks: Vec<Arc<AtomicI64>> = (0..SEATS).map(|_| Arc::default()).collect();
        let read = |ahead: &Arc<AtomicI64>| {
            let ahead = ahead.clone();
            Clock::new(move || {
                let (now, ahead) = (SystemTime::now(), ahead.load(Ordering::SeqCst));
                let shift = Duration::from_secs(ahead.unsigned_abs());
                if ahead < 0 { now - shift } else { now + shift }
            })
        };
        let conditions = Conditions {
            protocol: Parameters::of(Profile::Ci, L2_CHAIN_ID),
            clocks: clocks.iter().map(read).collect(),
        };
        let network = Network::start_on(config, conditions).await.unwrap();
        let (rpc, beacon) = network.l1_urls();
        let client = Arc::new(RpcL1::new(RpcConfig::new(rpc, [beacon.to_owned()]), None).unwrap());
        Self { network, client, directory, clocks }
    }

    fn seat(&self, place: usize) -> std::path::PathBuf {
        self.directory.path().join(format!("network/seat-{place}"))
    }

    async fn until(&self, what: &str, so: impl AsyncFn() -> bool) {
        let end = Instant::now() + Duration::from_secs(240);
        while !so().await {
            assert!(Instant::now() < end, "{what}: not in time; heights {:?}", heights(&self.network));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn height(&self) -> u64 {
        heights(&self.network).into_iter().max().unwrap_or_default()
    }

    async fn gains(&self, blocks: u64, when: &str) {
        let goal = self.height() + blocks;
        self.until(when, async || self.height() >= goal).await;
    }

    /// The blocks above a height that a seat led, and their terms.
    fn led(&self, place: usize, above: u64) -> Vec<(u64, Term)> {
        let owner = dev_accounts().unwrap()[place].address();
        let backend = self.network.seats()[(place + 1) % SEATS].backend();
        let store = backend.store();
        let led = (above + 1..=store.committed().number).filter_map(|height| {
            let block = store.block_by_number(height).unwrap()?;
            let context = decode_aux(RollupId::new(L2_CHAIN_ID), &block.aux)?;
            (block.block.header.beneficiary == owner).then_some((height, context.term))
        });
        led.collect()
    }

    async fn leads_again(&self, place: usize, since: u64) {
        self.until(&format!("seat {place} leads again"), async || !self.led(place, since).is_empty()).await;
    }

    /// The term of the newest block.
    fn newest_term(&self) -> Term {
        let backend = self.network.seats()[0].backend();
        let block = backend.store().block_by_number(backend.store().committed().number).unwrap().unwrap();
        decode_aux(RollupId::new(L2_CHAIN_ID), &block.aux).unwrap().term
    }

    /// Restarts a seat on a disk that lacks what it signed: the chain goes on, and the seat leads no block of that term any more.
    async fn restart_without_memory(&mut self, place: usize, away: impl Future<Output = ()>) {
        let term = self.newest_term();
        self.network.restart_seat_after(place, away).await.unwrap();
        let height = self.height();
        self.gains(40, "a seat without memory stops nobody").await;
        let led = self.led(place, height);
        println!("seat {place} is back in {term:?} at height {height}; led since: {led:?}");
        assert!(led.iter().all(|(_, of)| *of > term), "silent: {led:?}");
        self.next_term().await;
        self.leads_again(place, self.height()).await;
    }

    /// Waits for a term that has just begun.
    async fn next_term(&self) {
        let contracts = Contracts::new(&*self.client, self.network.chain().addresses);
        let current = async || contracts.current_term(BlockAt::Latest).await.unwrap();
        let term = current().await;
        self.until("the next term", async || current().await > term).await;
        self.gains(10, "the chain goes on in the new term").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "nightly: minutes"]
async fn clocks_that_are_set_wrong_and_right_again_while_seats_run_stop_only_their_own_seats() {
    let world = Quick::start().await;
    world.gains(20, "all clocks are right").await;
    for wrong in [[HOUR, 0, 0, 0], [0, -HOUR, 0, 0], [0, 0, HOUR, -HOUR], [HOUR, HOUR, 0, 0]] {
        for (clock, ahead) in world.clocks.iter().zip(wrong) {
            clock.store(ahead, Ordering::SeqCst);
        }
        world.gains(15, &format!("clocks {wrong:?}")).await;
        for clock in &world.clocks {
            clock.store(0, Ordering::SeqCst);
        }
        let height = world.height();
        for place in 0..SEATS {
            world.leads_again(place, height).await;
        }
    }
    for clock in &world.clocks[..2] {
        clock.store(-HOUR, Ordering::SeqCst);
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let height = world.height();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(world.height() <= height + 1, "no quorum votes for blocks of its future");
    for clock in &world.clocks {
        clock.store(0, Ordering::SeqCst);
    }
    world.gains(20, "and it goes on").await;
    let Quick { network, client, directory, .. } = world;
    nobody_is_guilty(network, &*client, &directory.path().join("network"), &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "nightly: minutes"]
async fn old_disks_and_a_second_copy_are_silent_until_the_next_term_and_sign_nothing_against_themselves() {
    let mut world = Quick::start().await;
    let aside = world.directory.path().join("aside");
    std::fs::create_dir(&aside).unwrap();
    let disks: Vec<_> = (0..SEATS).map(|place| world.seat(place)).collect();
    let mut journals = Vec::new();

    // A backup of everything, a term old.
    let (backup, newer) = (aside.join("backup"), aside.join("newer"));
    world.network.restart_seat_after(2, async { copy(&disks[2], &backup) }).await.unwrap();
    world.next_term().await;
    world.gains(40, "past the backup").await;
    let restore = async {
        std::fs::rename(&disks[2], &newer).unwrap();
        copy(&backup, &disks[2]);
    };
    world.restart_without_memory(2, restore).await;
    journals.push((2, newer.join("journal")));

    // All but the journal; and all but a journal of some time ago.
    let old = aside.join("old-0");
    let save = async {
        std::fs::copy(disks[0].join("journal"), &old).unwrap();
    };
    world.network.restart_seat_after(0, save).await.unwrap();
    world.gains(40, "past the old journal").await;
    for (place, journal) in [(3, None), (0, Some(&old))] {
        let kept = aside.join(format!("newer-{place}"));
        let swap = async {
            std::fs::rename(disks[place].join("journal"), &kept).unwrap();
            if let Some(journal) = journal {
                std::fs::copy(journal, disks[place].join("journal")).unwrap();
            }
        };
        world.restart_without_memory(place, swap).await;
        journals.push((place, kept));
    }

    // A second copy on an empty disk, beside the first and then alone.
    let second = aside.join("copy");
    let copied = world.network.start_copy(1, second.clone()).await.unwrap();
    world.gains(30, "a second copy stops nobody").await;
    let alone = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        copied.stop().await.unwrap();
    };
    world.network.restart_seat_after(1, alone).await.unwrap();
    journals.push((1, second.join("journal")));
    world.gains(30, "nor does the first when it is back").await;
    world.next_term().await;
    world.leads_again(1, world.height()).await;

    let Quick { network, client, directory, .. } = world;
    nobody_is_guilty(network, &*client, &directory.path().join("network"), &journals).await;
}

/// Copies a directory with all that is in it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
