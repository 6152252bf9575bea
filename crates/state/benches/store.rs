//! Times of roots, commits and reads on a large state. Not criterion: one store of a million accounts takes longer to
//! make than to measure, and a commit cannot be repeated. Run with `cargo bench -p surety-state`; `ACCOUNTS` and `BLOCKS`
//! set the size. Beside the time on the clock stands the time on the processor (Linux only), which says more where the
//! machine is shared.

use alloy_primitives::{Address, Bytes, KECCAK256_EMPTY, U256, keccak256};
use std::{
    collections::BTreeMap,
    env,
    hint::black_box,
    time::{Duration, Instant},
};
use surety_state::{BlockRef, Config, ExecutedBlock, Genesis, Store};
use surety_stf::StateReader;
use surety_types::{Account, AccountChange, Block, Header, StateChanges};

fn address(n: u64) -> Address {
    Address::from_slice(&keccak256(n.to_be_bytes())[12..])
}

fn paid(n: u64, balance: u64) -> (Address, AccountChange) {
    let account = Account { nonce: balance, balance: U256::from(balance), code_hash: KECCAK256_EMPTY };
    (address(n), AccountChange { account: Some(account), ..AccountChange::default() })
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// Time on the clock, and of this thread on the processor.
struct Watch(Instant, Duration);

fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or_default())
}

impl Watch {
    fn start() -> Self {
        Self(Instant::now(), processor_time())
    }

    fn elapsed(&self) -> (Duration, Duration) {
        (self.0.elapsed(), processor_time() - self.1)
    }
}

fn report(what: &str, times: Vec<(Duration, Duration)>) {
    let (mut clock, processor): (Vec<_>, Vec<_>) = times.into_iter().unzip();
    clock.sort();
    // The system counts processor time in steps longer than some of these calls: only the mean means something.
    let mean = processor.iter().sum::<Duration>() / processor.len() as u32;
    let (half, most) = (clock.len() / 2, clock.len() * 99 / 100);
    println!("{what}: median {:?}, p99 {:?}; processor mean {mean:?}", clock[half], clock[most]);
}

fn main() {
    let number = |name, default| env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
    let (accounts, blocks) = (number("ACCOUNTS", 1_000_000u64), number("BLOCKS", 100u64));
    let mut random = Random(42);
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let begin = Instant::now();
    let alloc = StateChanges { accounts: (0..accounts).map(|n| paid(n, n)).collect(), code: BTreeMap::new() };
    // The root is not known yet: the refusal tells it.
    let wrong = Genesis { header: Header::default(), alloc: alloc.clone() };
    let Err(surety_state::Error::StateRoot { updates, .. }) = Store::open(Some(dir.path()), Config::default(), wrong)
    else {
        panic!("a wrong root was accepted");
    };
    let genesis = Genesis { header: Header { state_root: updates, ..Header::default() }, alloc };
    let store = Store::open(Some(dir.path()), Config::default(), genesis).expect("opens");
    println!("{accounts} accounts: loaded in {:?}", begin.elapsed());
    let (mut reads, mut roots, mut inserts, mut commits) = (vec![], vec![], vec![], vec![]);
    let mut parent: BlockRef = store.genesis();
    for block in 1..=blocks {
        let view = store.view(parent.hash).expect("a view");
        let start = Watch::start();
        for _ in 0..500 {
            black_box(view.account(address(random.below(accounts))).expect("reads"));
        }
        reads.push(start.elapsed());
        let mut changes = StateChanges::default();
        for _ in 0..300 {
            let (address, change) = paid(random.below(accounts), block);
            changes.accounts.insert(address, change);
        }
        let start = Watch::start();
        let computed = view.root(&changes).expect("a root");
        roots.push(start.elapsed());
        let header =
            Header { parent_hash: parent.hash, number: block, state_root: computed.state_root, ..Header::default() };
        let block = Block { header, transactions: vec![], ommers: vec![], withdrawals: None };
        let hash = block.hash();
        parent = BlockRef { number: block.header.number, hash };
        let aux = Bytes::from(vec![1; 60_000]);
        let updates = computed.updates;
        let start = Watch::start();
        store
            .insert(ExecutedBlock { block, hash, senders: vec![], receipts: vec![], changes, updates, aux })
            .expect("inserts");
        inserts.push(start.elapsed());
        drop(view);
        let start = Watch::start();
        store.commit(hash).expect("commits");
        commits.push(start.elapsed());
    }
    report("500 random account reads", reads);
    report("root of 300 random account changes", roots);
    report("insert", inserts);
    report("synced commit", commits);
    let view = store.latest().expect("a view");
    let mut thousands = vec![];
    for round in 0..20 {
        let changes = (0..1000).map(|_| paid(random.below(accounts), round)).collect();
        let changes = StateChanges { accounts: changes, code: BTreeMap::new() };
        let start = Watch::start();
        black_box(view.root(&changes).expect("a root"));
        thousands.push(start.elapsed());
    }
    report("root of 1000 random account changes", thousands);
}
