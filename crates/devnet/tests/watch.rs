//! Watchtowers against the contracts on an embedded L1: they compete, crash, see reorgs, and are lied to.

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use k256::ecdsa::SigningKey;
use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};
use surety_contracts::{
    ChainFile, FoundingSeat, Parameters, Profile,
    bindings::{Idle, Inbox},
    genesis::L2Genesis,
};
use surety_devnet::{
    deploy::{DeployRequest, deploy, predict},
    l1::{Config, EmbeddedL1, EmbeddedL1Handle, ReorgPolicy, dev_accounts},
};
use surety_l1::{
    BlockAt, L1,
    contracts::Contracts,
    rpc::{RpcConfig, RpcL1},
    submit::{Outgoing, SubmitConfig, Submitter},
};
use surety_types::{
    RollupId, Seconds,
    claim::{BlockHashTree, Claim},
    evidence::{Equivocation, SignedStatement},
    signing::{Batch, Domain, Finalize, Nullify, Signature, Statement},
};
use surety_watch::{
    Policy, WatchConfig, Watchtower,
    audit::{Entry, Happened},
    court::Court,
    faults::Fault,
};
use tokio::sync::broadcast;

const ROLLUP: u64 = 75_873;
/// The seat that sins; seat ids count from 1.
const SINNER: u8 = 2;

struct World {
    l1: EmbeddedL1Handle,
    client: Arc<dyn L1>,
    chain: ChainFile,
    directory: tempfile::TempDir,
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).unwrap()
}

impl World {
    async fn start() -> Self {
        let l1 = EmbeddedL1::start(Config { slot_time: 1, ..Config::default() }).await.unwrap();
        let client: Arc<dyn L1> = Arc::new(RpcL1::new(RpcConfig::new(l1.rpc_url(), [l1.beacon_url()]), None).unwrap());
        let directory = tempfile::tempdir().unwrap();
        let keys = dev_accounts().unwrap();
        let protocol = Parameters { slot_time: 1, ..Parameters::of(Profile::Ci, ROLLUP) };
        let there = predict(&*client, keys[9].address()).await.unwrap();
        let proved = |seed: u8| {
            let (owner, peer) = (keys[usize::from(seed)].address(), B256::repeat_byte(seed));
            FoundingSeat::prove(there.l1_chain_id, there.addresses.registry, owner, &key(seed), peer).unwrap()
        };
        let request = DeployRequest {
            deployer: keys[9].clone(),
            parameters: protocol.chain(Seconds::new(l1.control().now() - 1)),
            seats: (1..=4).map(proved).collect(),
            protocol,
            genesis: L2Genesis::new(ROLLUP),
            journal: directory.path().join("deployer"),
        };
        let chain = deploy(client.clone(), request).await.unwrap();
        Self { l1, client, chain, directory }
    }

    fn sign(&self, seed: u8, statement: impl Into<Statement>) -> SignedStatement {
        let statement = statement.into();
        let domain = Domain::new(self.chain.l1_chain_id, self.chain.addresses.registry);
        let signature = Signature::sign(&key(seed), &statement.digest(&domain)).unwrap();
        SignedStatement { statement, signature }
    }

    /// A view made final and given up by one key.
    fn pair(&self, seed: u8) -> Equivocation {
        self.pair_of(seed, 1)
    }

    fn pair_of(&self, seed: u8, term: u64) -> Equivocation {
        let (rollup, genesis, view) = (ROLLUP, B256::repeat_byte(7), 5);
        let block = B256::repeat_byte(8);
        let finalize = Finalize { rollup, term, genesis, view, parentView: 4, blockHash: block };
        let first = self.sign(seed, finalize);
        Equivocation { first, second: self.sign(seed, Nullify { rollup, term, genesis, view }) }
    }

    fn evidence(&self) -> std::path::PathBuf {
        self.directory.path().join("evidence.jsonl")
    }

    /// Puts statements where all watchtowers look.
    fn bring(&self, statements: &[&SignedStatement]) {
        let mut text = std::fs::read(self.evidence()).unwrap_or_default();
        for statement in statements {
            text.extend_from_slice(&serde_json::to_vec(statement).unwrap());
            text.push(b'\n');
        }
        std::fs::write(self.evidence(), text).unwrap();
    }

    async fn tower(&self, account: Option<usize>) -> (Watchtower, broadcast::Receiver<Entry>) {
        let name = account.map_or("dry".to_owned(), |account| account.to_string());
        let directory = self.directory.path().join(name);
        let tower = Watchtower::start(WatchConfig {
            chain: self.chain.clone(),
            l1: self.client.clone(),
            feeds: Vec::new(),
            files: vec![self.evidence()],
            submitter: match account {
                Some(account) => Some(Arc::new(self.submitter(account, &directory).await)),
                None => None,
            },
            directory,
            policy: Policy::default(),
            poll: Duration::from_millis(200),
        })
        .await
        .unwrap();
        let entries = tower.audit();
        (tower, entries)
    }

    async fn submitter(&self, account: usize, directory: &Path) -> Submitter {
        let key = dev_accounts().unwrap().remove(account);
        let settings = SubmitConfig::new(directory.join("transactions")).for_slot_time(Duration::from_secs(1));
        Submitter::open(self.client.clone(), Arc::new(key), settings).await.unwrap()
    }

    async fn is_punished(&self, seat: u8) -> bool {
        Court::new(self.client.clone(), &self.chain).is_punished(Fault::Equivocation, seat.into(), 1).await.unwrap()
    }

    fn contracts(&self) -> Contracts<'_> {
        Contracts::new(&*self.client, self.chain.addresses)
    }

    /// Brings L1 to so many seconds after the first term's start, with a block in each slot.
    async fn pass_until(&self, time: u64) {
        let start = self.contracts().registry_genesis_time(BlockAt::Latest).await.unwrap().get();
        let now = self.client.block(BlockAt::Latest).await.unwrap().unwrap().time.get() - start;
        if let Some(slots) = time.checked_sub(now).filter(|slots| *slots > 0) {
            self.l1.control().mine(slots).await.unwrap();
        }
    }

    /// Anybody's call of a contract, which must succeed.
    async fn call(&self, to: Address, call: impl SolCall) {
        let submitter = self.submitter(7, &self.directory.path().join("anybody")).await;
        let outgoing = Outgoing { to: TxKind::Call(to), input: call.abi_encode().into(), ..Default::default() };
        let included = submitter.submit(outgoing).await.unwrap();
        assert!(included.inclusion.success, "{included:?}");
    }

    /// A seat files its own first batch, of one block, in the first term.
    async fn attend(&self, seed: u8) {
        let head = self.contracts().inbox_head(BlockAt::Latest).await.unwrap();
        let parameters = &self.chain.parameters;
        let parent = Claim::genesis(RollupId::new(ROLLUP), parameters.genesis_hash);
        let last_hash = B256::repeat_byte(0x11);
        let signed = Batch {
            rollup: ROLLUP,
            term: 1,
            genesis: parameters.genesis_hash,
            firstHeight: 1,
            lastHeight: 1,
            parentClaim: parent.id(),
            prevHash: parent.last_hash,
            lastHash: last_hash,
            blockHashRoot: BlockHashTree::new(&[last_hash]).unwrap().root(),
            lastBlockTime: parameters.genesis_time.get(),
            messageCount: head.sent.get(),
            messageAcc: head.acc,
            inboxTip: head.tip,
            dataHash: B256::ZERO,
        };
        let signature = self.sign(seed, signed.clone()).signature;
        let ancestor = Idle::ParentClaim::from(&parent);
        let statement = Idle::Batch::from(signed);
        let call = Idle::attendCall {
            statement,
            ancestry: vec![ancestor],
            leftSiblings: Vec::new(),
            place: U256::from(seed - 1),
            signature: Bytes::copy_from_slice(signature.0.as_slice()),
            data: Bytes::new(),
        };
        self.call(self.chain.addresses.idle, call).await;
    }

    async fn self_sequence(&self) {
        self.call(self.chain.addresses.inbox, Inbox::selfSequenceCall {}).await;
    }

    async fn is_fined(&self, seat: u64, term: u64) -> bool {
        Court::new(self.client.clone(), &self.chain).is_punished(Fault::Idle, seat, term).await.unwrap()
    }

    /// The audit log's lines about idleness in these terms.
    fn idle_lines(&self, name: &str, terms: &[u64]) -> Vec<serde_json::Value> {
        let audit = std::fs::read_to_string(self.directory.path().join(name).join("audit.jsonl")).unwrap();
        let lines = audit.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.filter(|line| line["fault"] == "idle" && terms.iter().any(|term| line["term"] == *term)).collect()
    }

    async fn nonce(&self, account: usize) -> u64 {
        self.client.nonce(dev_accounts().unwrap()[account].address()).await.unwrap()
    }
}

/// The first entry that fits.
async fn until(entries: &mut broadcast::Receiver<Entry>, fits: impl Fn(&Happened) -> bool) -> Entry {
    let wait = async {
        loop {
            let entry = entries.recv().await.unwrap();
            if fits(&entry.happened) {
                return entry;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.expect("within a minute")
}

const fn is_slashed(happened: &Happened) -> bool {
    matches!(happened, Happened::Slashed { .. })
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_watchtowers_one_is_paid_and_the_other_loses_a_transaction_at_most() {
    let world = World::start().await;
    let (one, mut one_says) = world.tower(Some(5)).await;
    let (two, mut two_says) = world.tower(Some(6)).await;
    let nonces = (world.nonce(5).await, world.nonce(6).await);
    let pair = world.pair(SINNER);
    world.bring(&[&pair.first, &pair.second]);
    let (first, second) = tokio::join!(until(&mut one_says, is_slashed), until(&mut two_says, is_slashed));
    let own = |entry: &Entry| matches!(entry.happened, Happened::Slashed { own: true, .. });
    assert!(own(&first) != own(&second), "{first:?} {second:?}");
    assert_eq!(first.about.seat, u64::from(SINNER));
    tokio::time::sleep(Duration::from_secs(3)).await;
    let sent = (world.nonce(5).await - nonces.0, world.nonce(6).await - nonces.1);
    assert!(sent.0 <= 1 && sent.1 <= 1, "{sent:?}");
    let court = Court::new(world.client.clone(), &world.chain);
    let accounts = dev_accounts().unwrap();
    let rewards =
        [court.rewards(accounts[5].address()).await.unwrap(), court.rewards(accounts[6].address()).await.unwrap()];
    assert_eq!(rewards.iter().filter(|reward| !reward.is_zero()).count(), 1, "{rewards:?}");
    one.stop().await;
    two.stop().await;
    // The winner takes its reward.
    let winner = if rewards[0].is_zero() { 6 } else { 5 };
    let submitter = world.submitter(winner, &world.directory.path().join(winner.to_string())).await;
    let to = Address::repeat_byte(0x77);
    let (paid, _) = court.withdraw(&submitter, to).await.unwrap().expect("there is a reward");
    assert_eq!(world.client.balance(to).await.unwrap(), paid);
    assert!(court.withdraw(&submitter, to).await.unwrap().is_none(), "once");
    world.l1.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_there_before_the_start_is_heard_whatever_its_term() {
    let world = World::start().await;
    // A clock ahead of L1's has begun the second term.
    let pair = world.pair_of(SINNER, 2);
    world.bring(&[&pair.first, &pair.second]);
    let (tower, mut says) = world.tower(None).await;
    let found = until(&mut says, |happened| matches!(happened, Happened::Found { .. })).await;
    assert_eq!((found.about.seat, found.about.term), (u64::from(SINNER), 2));
    tower.stop().await;
    world.l1.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_judges_and_sends_nothing_and_innocents_make_no_case() {
    let world = World::start().await;
    let (tower, mut says) = world.tower(None).await;
    let (pair, other) = (world.pair(SINNER), world.pair(3));
    // Half of another's pair, a pair of no seat, and a pair of which one signature is another's.
    let foreign = world.pair(9);
    let swapped = SignedStatement { signature: world.pair(4).second.signature, ..other.second.clone() };
    world.bring(&[&other.first, &foreign.first, &foreign.second, &swapped, &pair.first, &pair.second]);
    let judged = until(&mut says, |happened| matches!(happened, Happened::Estimated { .. })).await;
    assert_eq!(judged.about.seat, u64::from(SINNER), "the only case");
    let Happened::Estimated { estimate, decision, .. } = &judged.happened else { panic!() };
    assert!(estimate.pays() && decision.starts_with("dry run"), "{judged:?}");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!world.is_punished(SINNER).await);
    let audit = std::fs::read_to_string(world.directory.path().join("dry/audit.jsonl")).unwrap();
    let lines = audit.lines().filter(|line| line.contains("equivocation"));
    assert_eq!(lines.count(), 3, "found, judged, estimated, and not again with each block: {audit}");
    tower.stop().await;
    world.l1.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watchtower_that_ends_at_any_moment_goes_on_and_reports_once() {
    let world = World::start().await;
    let pair = world.pair(SINNER);
    // The first half, then the end; the second half, with L1 standing so that the report stays underway, then the end.
    let (tower, _) = world.tower(Some(5)).await;
    world.bring(&[&pair.first]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    tower.stop().await;
    let nonce = world.nonce(5).await;
    world.l1.control().pause();
    std::fs::write(world.evidence(), b"").unwrap();
    let (tower, mut says) = world.tower(Some(5)).await;
    world.bring(&[&pair.second]);
    until(&mut says, |happened| matches!(happened, Happened::Sent { .. })).await;
    drop(tower);
    tokio::time::sleep(Duration::from_millis(500)).await;
    std::fs::write(world.evidence(), b"").unwrap();
    world.l1.control().resume();
    let (tower, mut says) = world.tower(Some(5)).await;
    until(&mut says, is_slashed).await;
    assert!(world.is_punished(SINNER).await);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(world.nonce(5).await, nonce + 1, "one transaction in all");
    tower.stop().await;
    world.l1.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_penalty_that_a_reorg_takes_back_is_brought_again() {
    let world = World::start().await;
    let (tower, mut says) = world.tower(Some(5)).await;
    let pair = world.pair(SINNER);
    world.bring(&[&pair.first, &pair.second]);
    let slashed = until(&mut says, is_slashed).await;
    let Happened::Slashed { block, .. } = slashed.happened else { panic!() };
    world.l1.control().pause();
    let head = world.l1.control().head().number;
    world.l1.control().reorg_to(head - block + 1, ReorgPolicy::Drop, head - block + 2).await.unwrap();
    assert!(!world.is_punished(SINNER).await);
    world.l1.control().resume();
    until(&mut says, is_slashed).await;
    assert!(world.is_punished(SINNER).await);
    tower.stop().await;
    world.l1.stop().await;
}

/// Waits for the penalties of idle seats of these terms, four a term but for `innocent`.
async fn until_fined(entries: &mut broadcast::Receiver<Entry>, terms: &[u64], innocent: usize) -> BTreeSet<(u64, u64)> {
    let mut fined = BTreeSet::new();
    while fined.len() < 4 * terms.len() - innocent {
        let about = until(entries, is_slashed).await.about;
        if about.fault == Fault::Idle && terms.contains(&about.term) {
            fined.insert((about.term, about.seat));
        }
    }
    fined
}

/// A watchtower has seen L1 as it is now, and all that follows from it.
async fn caught_up(world: &World, tower: &Watchtower) {
    let head = world.client.block(BlockAt::Latest).await.unwrap().unwrap().number.get();
    let mut status = tower.status();
    let seen = status.wait_for(|status| status.caught_up && status.l1_block > head + 1);
    tokio::time::timeout(Duration::from_secs(60), seen).await.expect("within a minute").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn when_nobody_posts_all_seats_pay_but_the_one_that_attended() {
    let world = World::start().await;
    let (tower, mut says) = world.tower(Some(5)).await;
    // L1 waits from half of the longest gap on.
    world.pass_until(20).await;
    world.attend(2).await;
    world.pass_until(62).await;
    world.self_sequence().await;
    let nonce = world.nonce(5).await;
    // The first term is over for grace and the longest gap.
    world.pass_until(106).await;
    assert_eq!(until_fined(&mut says, &[1], 1).await, BTreeSet::from([(1, 1), (1, 3), (1, 4)]));
    for seat in 1..=4 {
        assert_eq!(world.is_fined(seat, 1).await, seat != 2, "seat {seat}");
        let bond = world.contracts().seat(seat, BlockAt::Latest).await.unwrap().bond;
        assert_eq!(world.chain.protocol.bond == U256::from(bond), seat == 2, "seat {seat}: {bond}");
    }
    let reporter = dev_accounts().unwrap()[5].address();
    assert!(!world.contracts().reward_of(reporter, BlockAt::Latest).await.unwrap().is_zero());
    caught_up(&world, &tower).await;
    tower.stop().await;
    let before = world.idle_lines("5", &[1]);
    let what = |what| before.iter().filter(move |line| line["what"] == what);
    assert_eq!(what("found").count(), 3, "{before:?}");
    assert!(
        what("found")
            .all(|line| line["evidence"]["seconds"].as_u64().is_some_and(|seconds| (1..=30).contains(&seconds)))
    );
    let [acquitted] = what("acquitted").collect::<Vec<_>>().try_into().unwrap();
    assert_eq!((&acquitted["seat"], acquitted["why"].as_str().unwrap().contains("attended")), (&2.into(), true));
    // Another run asks nothing again.
    let sent = world.nonce(5).await;
    assert!(sent - nonce >= 3);
    let (tower, _) = world.tower(Some(5)).await;
    caught_up(&world, &tower).await;
    tower.stop().await;
    assert_eq!(world.idle_lines("5", &[1]), before);
    world.l1.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lapse_that_does_not_end_is_paid_term_by_term_and_again_after_a_reorg() {
    let world = World::start().await;
    let (tower, mut says) = world.tower(Some(5)).await;
    world.pass_until(106).await;
    until_fined(&mut says, &[1], 0).await;
    world.l1.control().pause();
    let head = world.l1.control().head().number;
    let first = world.idle_lines("5", &[1]).iter().filter_map(|line| line["block"].as_u64()).min().unwrap();
    world.l1.control().reorg_to(head - first + 1, ReorgPolicy::Drop, head - first + 2).await.unwrap();
    assert!(!world.is_fined(1, 1).await);
    world.l1.control().resume();
    until_fined(&mut says, &[1], 0).await;
    world.pass_until(166).await;
    until_fined(&mut says, &[2], 0).await;
    for (seat, term) in [(1, 1), (4, 1), (1, 2), (4, 2)] {
        assert!(world.is_fined(seat, term).await, "seat {seat} in term {term}");
    }
    tower.stop().await;
    world.l1.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_l1_stands_still_nobody_is_idle() {
    let world = World::start().await;
    let (tower, _) = world.tower(Some(5)).await;
    world.l1.control().skip_slots(90);
    world.l1.control().mine(1).await.unwrap();
    world.self_sequence().await;
    assert_eq!(world.contracts().lapse_count(BlockAt::Latest).await.unwrap(), 0);
    // What came before is over for long enough, and the next lapse is none yet that could be judged.
    world.l1.control().mine(46).await.unwrap();
    caught_up(&world, &tower).await;
    assert!(world.idle_lines("5", &[1, 2]).is_empty());
    tower.stop().await;
    world.l1.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorg_after_which_l1_stood_still_takes_the_fines_back_for_good() {
    let world = World::start().await;
    let control = world.l1.control();
    control.set_finality_lag(1_000).await.unwrap();
    let (tower, mut says) = world.tower(Some(5)).await;
    world.pass_until(106).await;
    until_fined(&mut says, &[1], 0).await;
    // Back to the middle of the first term; the next block comes where the clock is.
    control.pause();
    control.reorg_to(66, ReorgPolicy::Drop, 1).await.unwrap();
    control.resume();
    assert!(!world.is_fined(1, 1).await);
    // Up to where the fines were, for there it is looked whether they still stand.
    control.mine(70).await.unwrap();
    let mut refused = BTreeSet::new();
    while refused.len() < 4 {
        let about = until(&mut says, |happened| matches!(happened, Happened::Refused { .. })).await.about;
        assert_eq!((about.fault, about.term), (Fault::Idle, 1));
        refused.insert(about.seat);
    }
    caught_up(&world, &tower).await;
    for seat in 1..=4 {
        assert!(!world.is_fined(seat, 1).await && !world.is_fined(seat, 2).await, "seat {seat}");
    }
    tower.stop().await;
    world.l1.stop().await;
}
