//! The blobs have expired: a follower that comes after has them from one that kept them, and whoever followed that one.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use surety_contracts::ChainFile;
use surety_devnet::network::{Network, NetworkConfig};
use surety_l1::{
    BlockAt, L1,
    blobs::{Archive, ArchiveLimits, ArchiveServer},
    contracts::Contracts,
    rpc::{RpcConfig, RpcL1},
};
use surety_node::follower_node::{FollowerNode, FollowerNodeConfig};
use surety_rpc::Backend as _;
use surety_types::BatchIndex;

/// What may take long on a machine with other work.
const PATIENCE: Duration = Duration::from_secs(240);

async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What `surety follow --archive-port` is: a follower, and the server over the blobs that it keeps.
struct Follower {
    node: FollowerNode,
    server: ArchiveServer,
}

impl Follower {
    async fn start(chain: &ChainFile, directory: &Path, rpc: &str, beacons: &[String]) -> Self {
        let archive = Arc::new(Archive::open(directory.join("blobs"), Archive::ALL).unwrap());
        let l1: Arc<dyn L1> =
            Arc::new(RpcL1::new(RpcConfig::new(rpc, beacons.to_vec()), Some(archive.clone())).unwrap());
        let config = FollowerNodeConfig {
            chain: chain.clone(),
            directory: directory.to_owned(),
            l1,
            poll: Duration::from_millis(200),
            feeds: Vec::new(),
        };
        let node = FollowerNode::start(config).await.unwrap();
        let server = ArchiveServer::start(archive, ([127, 0, 0, 1], 0).into(), ArchiveLimits::default()).await.unwrap();
        Self { node, server }
    }

    /// What others name with `--l1-beacon`.
    fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    async fn has(&self, batch: BatchIndex) {
        let mut status = self.node.status();
        let there = status.wait_for(|status| status.safe.index >= batch);
        tokio::time::timeout(PATIENCE, there).await.expect("it follows").unwrap();
    }

    fn hashes(&self, last: u64) -> Vec<alloy_primitives::B256> {
        let backend = self.node.backend();
        (0..=last).map(|number| backend.store().canonical_hash(number).unwrap().unwrap()).collect()
    }

    async fn stop(self) {
        self.server.stop().await;
        self.node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_follower_syncs_from_genesis_when_no_beacon_node_has_the_blobs_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let folder = |name: &str| directory.path().join(name);
    let mut config = NetworkConfig::new(folder("network"));
    config.watch = false;
    let mut network = Network::start(config).await.unwrap();
    let chain = network.chain().clone();
    let (rpc, beacon) = network.l1_urls();
    let (rpc, beacon) = (rpc.to_owned(), beacon.to_owned());
    let l1 = RpcL1::new(RpcConfig::new(&rpc, []), None).unwrap();
    let contracts = Contracts::new(&l1, chain.addresses);
    let first = Follower::start(&chain, &folder("first"), &rpc, std::slice::from_ref(&beacon)).await;
    let posted = async || contracts.batch_index(BlockAt::Latest).await.unwrap();
    until("batches", async || (posted().await >= BatchIndex::new(3)).then_some(())).await;
    network.halt().await.unwrap();
    let batches = posted().await;
    first.has(batches).await;

    let control = network.l1().unwrap().control().clone();
    control.expire_blobs(0).await.unwrap();
    // Beacon nodes alone are not enough any more, and the node says what it needs.
    let lost = Follower::start(&chain, &folder("lost"), &rpc, std::slice::from_ref(&beacon)).await;
    let trouble =
        until("the one without an archive is stuck", async || lost.node.status().borrow().trouble.clone()).await;
    assert!(trouble.contains("name an archive that has it"), "{trouble}");
    assert_eq!(lost.node.status().borrow().safe.index, BatchIndex::ZERO);
    lost.stop().await;

    // With another follower's archive behind the beacon node it has all, and keeps it for the next one.
    let second = Follower::start(&chain, &folder("second"), &rpc, &[beacon, first.url()]).await;
    second.has(batches).await;
    let end = first.node.status().borrow().safe;
    assert!(end.index >= BatchIndex::new(3) && end.last.get() > 0);
    let hashes = first.hashes(end.last.get());
    first.stop().await;
    let third = Follower::start(&chain, &folder("third"), &rpc, &[second.url()]).await;
    third.has(batches).await;
    for follower in [&second, &third] {
        let status = follower.node.status().borrow().clone();
        assert_eq!((status.safe, status.mismatches), (end, 0));
        assert_eq!(follower.hashes(end.last.get()), hashes);
    }
    second.stop().await;
    third.stop().await;
    network.stop().await;
}
