//! Watchtowers against the contracts on an embedded L1: they compete, crash, see reorgs, and are lied to.

use alloy_primitives::{Address, B256};
use k256::ecdsa::SigningKey;
use std::{path::Path, sync::Arc, time::Duration};
use surety_contracts::{ChainFile, FoundingSeat, Parameters, Profile, genesis::L2Genesis};
use surety_devnet::{
    deploy::{DeployRequest, deploy, predict},
    l1::{Config, EmbeddedL1, EmbeddedL1Handle, ReorgPolicy, dev_accounts},
};
use surety_l1::{
    L1,
    rpc::{RpcConfig, RpcL1},
    submit::{SubmitConfig, Submitter},
};
use surety_types::{
    Seconds,
    evidence::{Equivocation, SignedStatement},
    signing::{Domain, Finalize, Nullify, Signature, Statement},
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
    assert_eq!(audit.lines().count(), 3, "found, judged, estimated, and not again with each block: {audit}");
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
