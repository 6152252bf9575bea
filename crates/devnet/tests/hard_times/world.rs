//! A network whose L1 and clocks obey the test, and everything that was ever signed in it.

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use surety_contracts::{Parameters, Profile, bindings::Bridge};
use surety_devnet::{
    l1::{Config, EmbeddedL1Handle, dev_accounts},
    network::{L2_CHAIN_ID, Network, NetworkConfig},
    pace::{Pace, Paced},
};
use surety_l1::{
    BlockAt, L1,
    contracts::Contracts,
    rpc::{RpcConfig, RpcL1},
    submit::{Outgoing, SubmitConfig, Submitter},
};
use surety_node::{
    builder::decode_aux,
    evidence::{self, EvidencePool, TermKey},
    signer::{Interchange, Journal},
};
use surety_rpc::Backend as _;
use surety_stf::StateReader as _;
use surety_types::{
    RollupId, Term,
    evidence::{SignedStatement, contradict},
    signing::{Batch, Domain, Finalize, Notarize, Nullify, Statement},
};

pub(crate) const SEATS: usize = 4;
/// How long anything that must happen may take: this machine may be slow and busy.
const PATIENCE: Duration = Duration::from_secs(300);

/// `SETTLED_DEPTH` 64, slots of 12 s, and other delays as short as these allow.
pub(crate) fn long_delays() -> Parameters {
    Parameters {
        batch_age: 240,
        force_delay: 2_100,
        overlap: 2_350,
        epoch_length: 2_400,
        challenge_period: 30,
        response: 10,
        correlation_window: 60,
        unbonding_margin: 30,
        unbonding: 20_500,
        escape_delay: 90,
        message_window_gas: 500_000_000,
        ..Parameters::of(Profile::Production, L2_CHAIN_ID)
    }
}

/// The least real time of a slot.
const SLOT: Duration = Duration::from_millis(400);

pub(crate) struct World {
    pub(crate) l1: EmbeddedL1Handle,
    pub(crate) client: Arc<dyn L1>,
    pub(crate) network: Network,
    pub(crate) pace: Pace,
    pub(crate) directory: tempfile::TempDir,
}

impl World {
    /// A network with [`long_delays`] on an L1 that finalises nothing and makes a block when the test says so.
    pub(crate) async fn start() -> Self {
        let settings = Config { safe_lag: 1_000_000, finality_lag: 1_000_000, ..Config::default() };
        let directory = tempfile::tempdir().unwrap();
        let config = NetworkConfig::new(directory.path().join("network"));
        let Paced { l1, network, pace } = Paced::start(settings, config, long_delays(), SLOT).await.unwrap();
        let client: Arc<dyn L1> = Arc::new(RpcL1::new(RpcConfig::new(l1.rpc_url(), [l1.beacon_url()]), None).unwrap());
        Self { l1, client, network, pace, directory }
    }

    /// Slots pass with a block each; the seats' clocks go along.
    pub(crate) async fn slots(&self, count: u64) {
        self.pace.slots(&self.network, count).await.unwrap();
    }

    /// Blocks come, with so many slots without one before each.
    pub(crate) async fn sparse_slots(&self, blocks: u64, missed: u64) {
        self.pace.sparse_slots(&self.network, blocks, missed).await.unwrap();
    }

    /// Slots pass without a block: the seats' clocks go on, L1 does not.
    pub(crate) async fn silence(&self, slots: u64) {
        self.pace.silence(&self.network, slots).await;
    }

    pub(crate) fn heights(&self) -> Vec<u64> {
        heights(&self.network)
    }

    pub(crate) fn contracts(&self) -> Contracts<'_> {
        Contracts::new(&*self.client, self.network.chain().addresses)
    }

    /// The last L2 height that L1 has.
    pub(crate) async fn posted(&self) -> u64 {
        self.contracts().inbox_head(BlockAt::Latest).await.unwrap().last_height.get()
    }

    /// The term that L1 is in.
    pub(crate) async fn term(&self) -> Term {
        self.contracts().current_term(BlockAt::Latest).await.unwrap()
    }

    /// Hashes of the first seat's final blocks up to a height.
    pub(crate) fn hashes(&self, height: u64) -> Vec<B256> {
        let backend = self.network.seats()[0].backend();
        (0..=height).map(|height| backend.store().canonical_hash(height).unwrap().unwrap()).collect()
    }

    /// Lets slots pass until something is so.
    pub(crate) async fn until(&self, what: &str, so: impl AsyncFn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !so().await {
            assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}; heights {:?}", self.heights());
            self.slots(1).await;
        }
    }

    /// Every seat makes blocks final, L1 gets batches, and the follower derives them: so far, and some more.
    pub(crate) async fn goes_on(&self, when: &str) {
        let goal = self.heights().into_iter().max().unwrap_or_default() + 10;
        self.until(&format!("{when}: blocks up to {goal}"), async || self.heights().iter().all(|at| *at >= goal)).await;
        self.until(&format!("{when}: batches up to {goal}"), async || self.posted().await >= goal).await;
        let status = self.network.follower().status();
        self.until(&format!("{when}: derived up to {goal}"), async || status.borrow().safe.last.get() >= goal).await;
        let safe = status.borrow().safe;
        for seat in self.network.seats() {
            let hash = seat.backend().store().canonical_hash(safe.last.get()).unwrap();
            assert_eq!(hash, Some(safe.last_hash), "{when}: seats and follower have one chain");
            assert_eq!(seat.status().borrow().mismatches, 0);
        }
    }

    /// Sends a transaction of a dev account, and waits for it.
    pub(crate) async fn send(&self, account: usize, to: Address, call: impl SolCall, value: U256) {
        let key = dev_accounts().unwrap().remove(account);
        // A journal of its own each time: it knows nothing of what a reorg took back.
        let journal = tempfile::tempdir_in(self.directory.path()).unwrap();
        let settings = SubmitConfig {
            daily_budget: U256::MAX,
            poll: Duration::from_millis(100),
            ..SubmitConfig::new(journal.path())
        };
        let submitter = Submitter::open(self.client.clone(), Arc::new(key), settings).await.unwrap();
        let outgoing = Outgoing { to: TxKind::Call(to), value, input: call.abi_encode().into(), ..Default::default() };
        let included = tokio::select! {
            included = submitter.submit(outgoing) => included.unwrap(),
            () = self.slots(1_000) => panic!("not included within 1,000 slots"),
        };
        assert!(included.inclusion.success, "{included:?}");
    }

    /// A deposit of one ether for an account of nobody.
    pub(crate) async fn deposit(&self, to: Address) {
        let ether = U256::from(10u64).pow(U256::from(18));
        let call = Bridge::depositTransactionCall { to, value: ether, gasLimit: 100_000, data: Bytes::new() };
        self.send(6, self.network.chain().addresses.bridge, call, ether + ether / U256::from(100)).await;
    }

    pub(crate) fn balance(&self, of: Address) -> U256 {
        let backend = self.network.seats()[0].backend();
        backend.store().latest().unwrap().account(of).unwrap().map_or(U256::ZERO, |account| account.balance)
    }

    /// Nobody was slashed, and nobody ever signed what could be.
    pub(crate) async fn nobody_is_guilty(self) {
        let Self { l1, client, network, directory, .. } = self;
        nobody_is_guilty(network, &*client, &directory.path().join("network"), &[]).await;
        l1.stop().await;
    }
}

pub(crate) fn heights(network: &Network) -> Vec<u64> {
    network.seats().iter().map(|seat| seat.backend().tags().latest.number).collect()
}

/// Stops a network, and looks at every signature that any seat ever made or heard: in all pairs of one key that share a place,
/// nothing contradicts, and neither do the journals of one key (`copies`: a place and another journal of its key).
pub(crate) async fn nobody_is_guilty(network: Network, l1: &dyn L1, directory: &Path, copies: &[(usize, PathBuf)]) {
    let chain = network.chain().clone();
    let (terms, places) = terms(&network);
    let domain = Domain::new(chain.l1_chain_id, chain.addresses.registry);
    let head = l1.block(BlockAt::Latest).await.unwrap().unwrap().number;
    let slashes = l1.logs(chain.l1_start, head, &[chain.addresses.slasher]).await.unwrap();
    let slashed = slashes.iter().filter(|log| {
        use alloy::sol_types::SolEvent as _;
        // Who cannot reach L1 for minutes is silent, and pays for that by the second: no wrong is in it.
        surety_contracts::bindings::Slasher::Slashed::decode_log(&log.log)
            .is_ok_and(|event| event.fault != chain.addresses.idle)
    });
    assert_eq!(slashed.count(), 0, "nobody is slashed");
    if let Some(l1) = network.stop_but_l1().await {
        l1.stop().await;
    }
    let mut signed: BTreeMap<(Address, u64, B256, u64), BTreeMap<B256, SignedStatement>> = BTreeMap::new();
    for seat in 0..SEATS {
        let pool = EvidencePool::open(evidence::Config {
            directory: directory.join(format!("seat-{seat}/evidence")),
            rollup: RollupId::new(L2_CHAIN_ID),
            domain,
            retain: Duration::from_secs(1 << 30),
            max_bytes: evidence::Config::DEFAULT_MAX_BYTES,
        })
        .unwrap();
        assert_eq!(pool.found(), [], "seat {seat} accuses nobody");
        for (key, place) in terms.iter().flat_map(|key| (0..=places).map(move |place| (*key, place))) {
            for (_, statement) in pool.at(key, place) {
                let signer = statement.signer(&domain).expect("what is kept is signed");
                let s = &statement.statement;
                let slot = (signer, s.term(), s.genesis(), s.place());
                signed.entry(slot).or_default().insert(s.digest(&domain), statement);
            }
        }
    }
    let (mut statements, mut pairs) = (0, 0);
    for (slot, all) in &signed {
        let all: Vec<_> = all.values().collect();
        statements += all.len();
        for (i, a) in all.iter().enumerate() {
            for b in &all[i + 1..] {
                pairs += 1;
                assert_eq!(contradict(&a.statement, &b.statement), None, "{slot:?}: {a:?} {b:?}");
            }
        }
    }
    let signers: BTreeSet<Address> = signed.keys().map(|(signer, ..)| *signer).collect();
    println!("{statements} statements of {} keys in {} terms, {pairs} pairs", signers.len(), terms.len());
    assert!(signers.len() == SEATS && statements > 500 && pairs > 100, "enough was looked at");
    for (seat, copy) in copies {
        let [one, other] = [directory.join(format!("seat-{seat}/journal")), copy.clone()].map(|path| recorded(&path));
        println!("seat {seat}: {} records, and {} in {}", one.len(), other.len(), copy.display());
        for a in &one {
            for b in &other {
                assert_eq!(contradict(a, b), None, "seat {seat}: {a:?} {b:?}");
            }
        }
    }
}

/// What a journal says that its key has signed, as far as that can be contradicted.
fn recorded(path: &Path) -> Vec<Statement> {
    let export = serde_json::to_value(Interchange::of(&Journal::open_existing(path).unwrap())).unwrap();
    let read = |record: &Value| {
        let number = |name: &str| record[name].as_u64().unwrap();
        let hash = |name: &str| record[name].as_str().unwrap().parse::<B256>().unwrap();
        let (rollup, term) = (number("rollup"), number("term"));
        Some(match record["kind"].as_str().unwrap() {
            "notarize" => Statement::Notarize(Notarize {
                rollup,
                term,
                genesis: hash("genesis"),
                view: number("view"),
                parentView: number("parentView"),
                blockHash: hash("blockHash"),
            }),
            "finalize" => Statement::Finalize(Finalize {
                rollup,
                term,
                genesis: hash("genesis"),
                view: number("view"),
                parentView: number("parentView"),
                blockHash: hash("blockHash"),
            }),
            "nullify" => Statement::Nullify(Nullify { rollup, term, genesis: hash("genesis"), view: number("view") }),
            "batch" => Statement::Batch(Batch {
                rollup,
                term,
                genesis: hash("genesis"),
                firstHeight: 0,
                lastHeight: number("lastHeight"),
                parentClaim: B256::ZERO,
                prevHash: B256::ZERO,
                lastHash: hash("lastHash"),
                blockHashRoot: hash("blockHashRoot"),
                lastBlockTime: 0,
                messageCount: 0,
                messageAcc: B256::ZERO,
                inboxTip: B256::ZERO,
                dataHash: B256::ZERO,
            }),
            "receipt" | "floor" => return None,
            other => panic!("a journal records {other}"),
        })
    };
    export["records"].as_array().unwrap().iter().filter_map(read).collect()
}

/// All terms of the chain, and the highest view or height.
fn terms(network: &Network) -> (Vec<TermKey>, u64) {
    let backend = network.seats()[0].backend();
    let store = backend.store();
    let head = store.committed().number;
    let (mut terms, mut highest) = (Vec::<TermKey>::new(), head);
    let mut parent = store.genesis().hash;
    for height in 1..=head {
        let block = store.block_by_number(height).unwrap().unwrap();
        if let Some(context) = decode_aux(RollupId::new(L2_CHAIN_ID), &block.aux) {
            highest = highest.max(context.view.get());
            if terms.last().is_none_or(|last| last.term != context.term.get()) {
                terms.push(TermKey { term: context.term.get(), genesis: parent });
            }
        }
        parent = block.hash;
    }
    (terms, highest + 64)
}
