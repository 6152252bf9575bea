//! A committee over a simulated network in virtual time.
//!
//! A world lives until its [`Scenario::heals`], is made whole, and must then go on. A blackout ends the runtime itself and
//! starts another on what its disks kept: the library's storage loses what was not synced, wholly or in part, and signing
//! journals end in the middle of a record. A single crash drops all tasks of a seat, and its library's storage all that was
//! not synced.

use crate::{
    properties::{self, Observations, Violation},
    scenario::{Fault, Scenario},
    sins::{Hand, Kind, Sin},
    wire::{Cable, Copy, Ledger, Marks, Tap},
};
use alloy_primitives::{Address, B256, keccak256};
use commonware_cryptography::{Signer as _, ed25519::PublicKey};
use commonware_p2p::simulated::{self, Link, Oracle, Receiver, Sender, SplitTarget};
use commonware_runtime::{
    Clock as _, Quota, Spawner as _, Supervisor as _,
    deterministic::{self, FaultConfig, PartialWriteMode, ResizeConfig, WriteConfig},
};
use commonware_utils::{NZU32, NZUsize, Probability, ordered::Set, probability};
use parking_lot::Mutex;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use surety_node::{
    builder::{
        Blocks, decode_aux,
        testing::{GENESIS_TIME, account, chain, deposit, transfer},
    },
    clock::Clock,
    consensus::{
        BatchVerifier, TermSchedule, Timing,
        testing::{
            CHANNELS, ROLLUP, RunningSeat, SeatParts, Steady, committee, evidence, guard, peer_key, start_by, vote_key,
        },
    },
    pool::{Origin, Pool, PoolConfig},
    signer::Signer as _,
};
use surety_types::{Milliseconds, signing};

type Context = deterministic::Context;

/// How often the world is looked at.
const TICK: Duration = Duration::from_millis(50);
/// How long a whole world may take to make its blocks.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long a seat that lost power is off at least.
const OFF: Duration = Duration::from_millis(100);

/// What came of a world.
#[derive(Debug)]
pub struct Report {
    /// What may not happen and did.
    pub violations: Vec<Violation>,
    /// Blocks that an honest seat made final, at most.
    pub height: u64,
    /// Different statements signed.
    pub statements: usize,
    /// Seats that contradicted themselves on record.
    pub guilty: Vec<usize>,
    /// Everything seen.
    pub seen: Observations,
    /// The state of the runtime's auditor: the same for the same seed.
    pub audit: String,
}

/// Lives a scenario.
///
/// # Panics
/// When a node panics, or the machine gives no directory.
pub fn run(scenario: &Scenario) -> Report {
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let dir = dir.unwrap_or_else(|error| panic!("no directory for stores and journals: {error}"));
    let start = UNIX_EPOCH + Duration::from_secs(GENESIS_TIME);
    let config = deterministic::Config::new()
        .with_seed(scenario.seed)
        .with_start_time(start)
        .with_timeout(Some(Duration::from_secs(GENESIS_TIME + 600)));
    let runner = deterministic::Runner::new(config);
    let memory = Memory::new(scenario, dir.path());
    let live = |until: Option<Duration>, memory: Memory| {
        let scenario = scenario.clone();
        move |context: Context| async move {
            let mut world = World::new(context, scenario, memory).await;
            match until {
                Some(until) => world.live(until).await,
                None => {
                    world.live(world.scenario.heals).await;
                    world.heal().await;
                }
            }
            world.end().await
        }
    };
    let (memory, audit) = match scenario.blackout {
        None => {
            let (memory, checkpoint) = runner.start_and_recover(live(None, memory));
            (memory, checkpoint.auditor().state())
        }
        Some(at) => {
            let (mut memory, checkpoint) = runner.start_and_recover(live(Some(at), memory));
            memory.tear_journals();
            let runner = deterministic::Runner::from(checkpoint);
            let (memory, checkpoint) = runner.start_and_recover(live(None, memory));
            (memory, checkpoint.auditor().state())
        }
    };
    let seen = memory.observe();
    let guilty = (0..scenario.seats)
        .filter(|seat| !seen.record.contradictions(vote_key(*seat as u64).address()).is_empty())
        .collect();
    Report {
        violations: properties::check(scenario, &seen),
        height: scenario.honest().map(|seat| seen.stored[seat].len() as u64 - 1).max().unwrap_or_default(),
        statements: seen.record.len(),
        guilty,
        seen,
        audit,
    }
}

/// What outlives a blackout: disks, and what was seen.
struct Memory {
    scenario: Scenario,
    dir: PathBuf,
    ledger: Arc<Mutex<Ledger>>,
    sins: BTreeMap<usize, Arc<Mutex<dyn Sin>>>,
    /// Genesis of each term as a Byzantine seat's node knows them.
    terms: BTreeMap<usize, Arc<Mutex<BTreeMap<u64, B256>>>>,
    announced: Vec<BTreeMap<u64, Vec<B256>>>,
    healed: Vec<(usize, u64, u64)>,
    blocked: Vec<(usize, usize)>,
    nonces: [u64; 3],
    rng: StdRng,
    marks: Marks,
}

impl Memory {
    fn new(scenario: &Scenario, dir: &Path) -> Self {
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let (mut sins, mut terms) = (BTreeMap::new(), BTreeMap::new());
        let peers: Vec<_> = (0..scenario.seats).map(|seat| peer_key(seat as u64).public_key()).collect();
        let participants: Set<PublicKey> = Set::from_iter_dedup(peers.iter().cloned());
        for (seat, kind) in &scenario.sinners {
            let known: Arc<Mutex<BTreeMap<u64, B256>>> = Arc::default();
            terms.insert(*seat, known.clone());
            let place = participants.iter().position(|peer| *peer == peers[*seat]).unwrap_or_default();
            let hand = Hand::new(*seat as u64, place, known);
            if let Some(sin) = kind.commit(hand, &participants, ledger.clone(), scenario.seed) {
                sins.insert(*seat, sin);
            }
        }
        Self {
            scenario: scenario.clone(),
            dir: dir.to_owned(),
            ledger,
            sins,
            terms,
            announced: vec![BTreeMap::new(); scenario.seats],
            healed: Vec::new(),
            blocked: Vec::new(),
            // A deposit counts as its beneficiary's first.
            nonces: [1; 3],
            rng: StdRng::seed_from_u64(!scenario.seed),
            marks: Marks::default(),
        }
    }

    fn path(&self, seat: usize, copy: u8) -> PathBuf {
        self.dir.join(format!("seat-{seat}-{copy}"))
    }

    /// Power went while each seat was writing its journal: half a record, or zeros, at its end.
    fn tear_journals(&mut self) {
        for seat in 0..self.scenario.seats {
            let path = self.path(seat, 0).join(format!("journal-{seat}"));
            let Ok(mut file) = std::fs::OpenOptions::new().append(true).open(path) else { continue };
            let tail = match self.rng.random_range(0..3) {
                0 => Vec::new(),
                1 => vec![0; self.rng.random_range(1..300)],
                // Length and kind of a vote, and less than the rest.
                _ => [vec![97, 1], vec![7; self.rng.random_range(0..100)]].concat(),
            };
            file.write_all(&tail).unwrap_or_else(|error| panic!("a journal cannot be torn: {error}"));
        }
    }

    /// Reads the disks.
    fn observe(self) -> Observations {
        let mut stored = Vec::new();
        for seat in 0..self.scenario.seats {
            let blocks = chain(Some(&self.path(seat, 0).join("store")));
            let store = blocks.store();
            let mut hashes = Vec::new();
            let mut term = 0;
            for height in 0..=store.committed().number {
                let Ok(Some(block)) = store.block_by_number(height) else { break };
                let of = decode_aux(ROLLUP, &block.aux).map_or(0, |c| c.term.get());
                if let Some(genesis) = hashes.last().filter(|_| of != term) {
                    self.ledger.lock().begins(of, *genesis);
                }
                term = of;
                hashes.push(block.block.header.hash_slow());
            }
            stored.push(hashes);
        }
        let members: BTreeSet<Address> = (0..self.scenario.seats).map(|s| vote_key(s as u64).address()).collect();
        let acts = (0..self.scenario.seats).map(|seat| self.sins.get(&seat).map_or(0, |sin| sin.lock().acts()));
        Observations {
            acts: acts.collect(),
            record: self.ledger.lock().record(&members),
            announced: self.announced,
            stored,
            healed: self.healed,
            blocked: self.blocked,
        }
    }
}

struct Seat {
    running: RunningSeat,
    blocks: Blocks,
    pool: Arc<Pool>,
}

struct World {
    context: Context,
    scenario: Scenario,
    memory: Memory,
    oracle: Oracle<PublicKey, Context>,
    peers: Vec<PublicKey>,
    schedule: TermSchedule,
    /// By seat and copy.
    seats: BTreeMap<(usize, u8), Seat>,
    cut: Option<Vec<bool>>,
    faults: std::vec::IntoIter<(Duration, Fault)>,
    starts: u32,
    asked: u64,
    /// How many seconds each seat's clock is ahead.
    clocks: Vec<Arc<AtomicI64>>,
}

impl World {
    async fn new(context: Context, scenario: Scenario, memory: Memory) -> Self {
        let peers: Vec<_> = (0..scenario.seats).map(|seat| peer_key(seat as u64).public_key()).collect();
        let config = simulated::Config {
            max_size: 2 << 20,
            max_peers_per_set: NZUsize!(64),
            disconnect_on_block: true,
            tracked_peer_sets: NZUsize!(1),
        };
        let (network, oracle) =
            simulated::Network::new_with_peers(context.child("network"), config, peers.clone()).await;
        network.start();
        *context.storage_fault_config().write() = storage_faults(&scenario);
        let schedule = TermSchedule::new();
        schedule.insert(committee(1, GENESIS_TIME, scenario.seats as u64));
        // And one that nobody lives to see.
        for (term, start) in (2..).zip(scenario.terms.iter().chain(&[10_000])) {
            schedule.insert(committee(term, GENESIS_TIME + start, scenario.seats as u64));
        }
        let now = context.current().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut faults = scenario.faults.clone();
        // What lies before a blackout has happened.
        faults.retain(|(at, _)| *at >= now.saturating_sub(Duration::from_secs(GENESIS_TIME)));
        let mut world = Self {
            context,
            faults: faults.into_iter(),
            memory,
            oracle,
            peers,
            schedule,
            seats: BTreeMap::new(),
            cut: scenario.apart.then(|| scenario.sides.clone()),
            starts: 0,
            asked: 0,
            clocks: (0..scenario.seats)
                .map(|seat| Arc::new(AtomicI64::new(scenario.clocks.get(seat).copied().unwrap_or_default())))
                .collect(),
            scenario,
        };
        world.link(world.scenario.loss).await;
        for seat in 0..world.scenario.seats {
            world.start(seat).await;
        }
        world
    }

    fn age(&self) -> Duration {
        let now = self.context.current().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.saturating_sub(Duration::from_secs(GENESIS_TIME))
    }

    /// Sets all links anew.
    async fn link(&self, loss: u8) {
        let success = Probability::new(u64::from(100 - loss), 100).unwrap_or(probability!(1.0));
        let (latency, jitter) = (self.scenario.latency, self.scenario.jitter);
        for (i, from) in self.peers.iter().enumerate() {
            for (j, to) in self.peers.iter().enumerate().filter(|(j, _)| *j != i) {
                // Nobody to remove is no error.
                let _ = self.oracle.remove_link(from.clone(), to.clone()).await;
                if self.cut.as_ref().is_none_or(|cut| cut[i] == cut[j] || self.bridges(i) || self.bridges(j)) {
                    let link = Link { latency, jitter, success_rate: success };
                    let _ = self.oracle.add_link(from.clone(), to.clone(), link).await;
                }
            }
        }
    }

    /// In two worlds, twins are in both.
    fn bridges(&self, seat: usize) -> bool {
        self.scenario.apart && self.scenario.sin(seat) == Some(Kind::Twin)
    }

    async fn start(&mut self, index: usize) {
        self.starts += 1;
        let me = self.peers[index].clone();
        let control = self.oracle.control(me.clone());
        let quota = Quota::per_second(NZU32!(10_000));
        let mut channels = Vec::new();
        for n in 0..CHANNELS {
            let ends = control.register(n, quota).await;
            channels.push(ends.unwrap_or_else(|error| panic!("channel {n}: {error}")));
        }
        if self.scenario.sin(index) == Some(Kind::Twin) {
            let (mut first, mut second) = (Vec::new(), Vec::new());
            for (sender, receiver) in channels {
                let (a, b) = receiver.split_with(self.context.child("split"), self.router());
                first.push((sender.clone(), a));
                second.push((sender, b));
            }
            self.start_copy(index, Some(0), first);
            self.start_copy(index, Some(1), second);
        } else {
            self.start_copy(index, None, channels);
        }
    }

    /// Which copy of a twin hears a message: that of the sender's side; of another twin, that which said it.
    fn router(&self) -> impl Fn(&(PublicKey, commonware_runtime::IoBuf)) -> SplitTarget + Send + Sync + 'static {
        let (peers, scenario, marks) = (self.peers.clone(), self.scenario.clone(), self.memory.marks.clone());
        move |(from, bytes)| {
            let seat = peers.iter().position(|peer| peer == from).unwrap_or_default();
            if scenario.sin(seat) == Some(Kind::Twin) {
                match marks.lock().get(&keccak256(bytes.as_ref())).copied().unwrap_or(3) {
                    1 => SplitTarget::Primary,
                    2 => SplitTarget::Secondary,
                    _ => SplitTarget::Both,
                }
            } else if scenario.sides[seat] {
                SplitTarget::Secondary
            } else {
                SplitTarget::Primary
            }
        }
    }

    fn start_copy(
        &mut self,
        index: usize,
        copy: Option<u8>,
        channels: Vec<(Sender<PublicKey, Context>, Receiver<PublicKey>)>,
    ) {
        let seat = index as u64;
        let path = self.memory.path(index, copy.unwrap_or_default());
        std::fs::create_dir_all(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let blocks = chain(Some(&path.join("store")));
        for message in 0..3u8 {
            let message = deposit(u64::from(message), account(message), 100_000);
            blocks.inbox().push(message).unwrap_or_else(|error| panic!("a message: {error}"));
        }
        let pool = open_pool(&blocks);
        self.begins(index, 1, blocks.store().genesis().hash);
        let me = self.peers[index].clone();
        let reach = |copy: u8| {
            let near = (0..self.scenario.seats).filter(|other| {
                let twin = self.scenario.sin(*other) == Some(Kind::Twin);
                *other != index && (twin || self.scenario.sides[*other] == (copy == 1))
            });
            near.map(|other| self.peers[other].clone()).collect()
        };
        let copied = copy.map(|index| Copy { index, reach: reach(index), marks: self.memory.marks.clone() });
        let cable = Cable::new(self.memory.ledger.clone(), self.memory.sins.get(&index).cloned(), copied);
        let channels: Vec<_> = (0u64..)
            .zip(channels)
            .map(|(n, (sender, receiver))| (Tap::new(sender, n, cable.clone()), receiver))
            .collect();
        let Ok(channels) = channels.try_into() else { panic!("a seat has {CHANNELS} channels") };
        let own = blocks.clone();
        let verifier = BatchVerifier::new(move |batch: signing::Batch, _| {
            let found = own.store().canonical_hash(batch.lastHeight).ok().flatten();
            let right = found == Some(batch.lastHash) && root(batch.lastHash) == batch.blockHashRoot;
            let answer = if right { Ok(()) } else { Err(String::from("not my blocks")) };
            Box::pin(std::future::ready(answer))
        });
        let guard = guard(&path, seat);
        if copy.is_some() {
            // A copy that means it does not care what its key says elsewhere.
            guard.deafen();
        }
        let copy = copy.unwrap_or_default();
        let parts = SeatParts {
            cut: None,
            partition: format!("seat-{index}-{copy}-"),
            blocks: blocks.clone(),
            pool: pool.clone(),
            guard: Some(guard),
            schedule: self.schedule.clone(),
            beneficiary: Address::with_last_byte(index as u8 + 1),
            verifier: Some(verifier),
            evidence: evidence(&path),
            timing: Timing { listen: self.scenario.listen, ..Timing::default() },
            me: me.clone(),
        };
        let context = self.context.child("seat").with_attribute("index", index).with_attribute("start", self.starts);
        let context = context.with_attribute("copy", copy);
        let (oracle, control) = (self.oracle.manager(), self.oracle.control(me));
        let clock = self.clock(index);
        let time = Clock::new(clock.clone());
        let runtime = self.context.child("elapsed");
        let elapsed = move || runtime.current().duration_since(UNIX_EPOCH).unwrap_or_default();
        let running = start_by(time, Steady::new(context, clock, elapsed), parts, channels, oracle, control);
        self.seats.insert((index, copy), Seat { running, blocks, pool });
    }

    /// A seat's clock, which may be wrong.
    fn clock(&self, seat: usize) -> impl Fn() -> SystemTime + Clone + Send + Sync + 'static {
        let (runtime, ahead) = (Arc::new(self.context.child("clock")), self.clocks[seat].clone());
        move || {
            let (now, ahead) = (runtime.current(), ahead.load(Ordering::SeqCst));
            let shift = Duration::from_secs(ahead.unsigned_abs());
            if ahead < 0 { now - shift } else { now + shift }
        }
    }

    fn begins(&self, seat: usize, term: u64, genesis: B256) {
        self.memory.ledger.lock().begins(term, genesis);
        if let Some(known) = self.memory.terms.get(&seat) {
            known.lock().insert(term, genesis);
        }
    }

    /// Pulls the plug: only what is on disk remains.
    fn crash(&mut self, index: usize) {
        self.look();
        if let Some(seat) = self.seats.remove(&(index, 0)) {
            seat.running.task.abort();
        }
    }

    /// Takes down what seats say.
    fn look(&mut self) {
        let mut begun = Vec::new();
        for ((index, _), seat) in &mut self.seats {
            while let Ok(block) = seat.running.finalized.try_recv() {
                let hash = block.block.header.hash_slow();
                let known = self.memory.announced[*index].entry(block.block.header.number).or_default();
                if !known.contains(&hash) {
                    known.push(hash);
                }
            }
            if let Some(boundary) = *seat.running.term.borrow_and_update() {
                begun.push((*index, boundary));
            }
        }
        for (index, boundary) in begun {
            self.begins(index, boundary.term.get(), boundary.genesis);
        }
    }

    /// Lets time pass until the world is that old, with all that goes wrong on the way.
    async fn live(&mut self, until: Duration) {
        while self.age() < until {
            let age = self.age();
            while let Some((_, fault)) = self.faults.as_slice().first().filter(|(at, _)| *at <= age).cloned() {
                self.faults.next();
                self.befall(fault).await;
            }
            self.use_chain();
            self.context.sleep(TICK).await;
            self.look();
        }
    }

    async fn befall(&mut self, fault: Fault) {
        match fault {
            Fault::Cut(sides) => {
                self.cut = Some(sides);
                self.link(self.scenario.loss).await;
            }
            Fault::Mend => {
                self.cut = None;
                self.link(self.scenario.loss).await;
            }
            Fault::Crash(seat) => self.crash(seat),
            Fault::Start(seat) => {
                if !self.seats.contains_key(&(seat, 0)) {
                    self.context.sleep(OFF).await;
                    self.start(seat).await;
                }
            }
        }
    }

    /// Users send transactions, and seats gather signatures under batches, now and then.
    fn use_chain(&mut self) {
        let seat = self.memory.rng.random_range(0..self.scenario.seats);
        let chance = self.memory.rng.random_range(0..10);
        let Some(Seat { running, blocks, pool }) = self.seats.get(&(seat, 0)) else { return };
        if chance == 0 {
            let sender = self.memory.rng.random_range(0..3);
            let nonce = &mut self.memory.nonces[sender];
            // Refused where the deposit has not arrived yet; then the same nonce is used again.
            if pool.add(transfer(sender as u8, *nonce, 0), Origin::User, Milliseconds::new(0)).is_ok() {
                *nonce += 1;
            }
        }
        let head = blocks.store().committed();
        if chance == 1 && head.number > self.asked {
            self.asked = head.number;
            let Some(block) = blocks.store().block_by_number(head.number).ok().flatten() else { return };
            let Some(context) = decode_aux(ROLLUP, &block.aux) else { return };
            let genesis = self.memory.ledger.lock().newest_genesis(context.term.get());
            let statement = signing::Batch {
                rollup: ROLLUP.get(),
                term: context.term.get(),
                genesis: genesis.unwrap_or_default(),
                firstHeight: 1,
                lastHeight: head.number,
                parentClaim: B256::ZERO,
                prevHash: B256::ZERO,
                lastHash: head.hash,
                blockHashRoot: root(head.hash),
                lastBlockTime: block.block.header.timestamp,
                messageCount: 3,
                messageAcc: B256::ZERO,
                inboxTip: B256::repeat_byte(seat as u8),
                dataHash: B256::ZERO,
            };
            let batches = running.batches.clone();
            self.context.child("gather").spawn(move |_| async move {
                // Whether a quorum answers is not what is tested here.
                let _ = batches.gather(statement, Default::default(), Duration::from_secs(3)).await;
            });
        }
    }

    /// Makes the world whole, and waits until it has gone on, or patience ends.
    async fn heal(&mut self) {
        if !self.scenario.apart {
            self.cut = None;
        }
        self.link(0).await;
        for clock in &self.clocks {
            clock.store(0, Ordering::SeqCst);
        }
        self.context.sleep(OFF).await;
        for seat in 0..self.scenario.seats {
            if !self.seats.contains_key(&(seat, 0)) {
                self.start(seat).await;
            }
        }
        self.look();
        let honest: Vec<usize> = self.scenario.honest().collect();
        let height = |world: &Self, seat: usize| {
            world.seats.get(&(seat, 0)).map_or(0, |seat| seat.blocks.store().committed().number)
        };
        let from: Vec<u64> = honest.iter().map(|seat| height(self, *seat)).collect();
        // A seat that is behind has to catch up first, and then go on.
        let goal = from.iter().max().copied().unwrap_or_default() + self.scenario.gain;
        let end = self.age() + PATIENCE;
        while self.age() < end && honest.iter().any(|seat| height(self, *seat) < goal) {
            self.context.sleep(TICK).await;
            self.look();
        }
        let best = goal - self.scenario.gain;
        self.memory.healed = honest.iter().map(|seat| (*seat, best, height(self, *seat))).collect();
    }

    async fn end(mut self) -> Memory {
        self.look();
        let place = |key: &PublicKey| self.peers.iter().position(|peer| peer == key);
        let blocked = self.oracle.blocked().await.unwrap_or_default();
        self.memory.blocked.extend(blocked.iter().filter_map(|(by, whom)| Some((place(by)?, place(whom)?))));
        for seat in self.seats.values() {
            seat.running.task.abort();
        }
        self.seats.clear();
        // So that tasks let go of stores and journals.
        self.context.sleep(OFF).await;
        self.memory
    }
}

fn open_pool(blocks: &Blocks) -> Arc<Pool> {
    let open = || {
        let head = blocks.store().latest().ok()?;
        let header = blocks.store().header(head.block().hash).ok()??;
        Pool::new(PoolConfig::default(), blocks.parameters().clone(), &header, head).ok()
    };
    Arc::new(open().unwrap_or_else(|| panic!("a store that was committed to cannot be read")))
}

/// Stands for the root of a batch's block hashes.
fn root(last: B256) -> B256 {
    keccak256(last)
}

/// Power failures keep some of what was written and not synced.
fn storage_faults(scenario: &Scenario) -> FaultConfig {
    let mut rng = StdRng::seed_from_u64(scenario.seed.rotate_left(17));
    let none = probability!(0.0);
    let retained = [none, probability!(0.5), probability!(1.0)][rng.random_range(0..3)];
    let mode = if rng.random_bool(0.5) { PartialWriteMode::Prefix } else { PartialWriteMode::Subset };
    FaultConfig::default()
        .write(WriteConfig { failure_rate: none, retention_rate: retained, mode })
        .resize(ResizeConfig { failure_rate: none, partial_rate: none })
}
