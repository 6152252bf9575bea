//! The blobs have expired: a follower that comes after has them from one that kept them, and whoever followed that one; the
//! last one though two of the three L1 endpoints that it was given are bad.

mod support;

use axum::{Json, Router, extract::State, routing::post};
use serde_json::{Value, json};
use std::{path::Path, sync::Arc, time::Duration};
use support::{PATIENCE, until};
use surety_contracts::ChainFile;
use surety_devnet::network::{Network, NetworkConfig};
use surety_l1::{
    BlockAt,
    blobs::{Archive, ArchiveLimits, ArchiveServer},
    contracts::Contracts,
    rpc::{RpcConfig, RpcL1},
    several::{self, CrossCheck},
};
use surety_node::follower_node::{FollowerNode, FollowerNodeConfig};
use surety_rpc::Backend as _;
use surety_types::BatchIndex;

/// What `surety follow --archive-port` is: a follower, and the server over the blobs that it keeps.
struct Follower {
    node: FollowerNode,
    server: ArchiveServer,
}

impl Follower {
    async fn start(chain: &ChainFile, directory: &Path, rpcs: &[String], beacons: &[String]) -> Self {
        let archive = Arc::new(Archive::open(directory.join("blobs"), Archive::ALL).unwrap());
        let check = CrossCheck::for_chain(Duration::from_secs(chain.protocol.slot_time), chain.protocol.settled_depth);
        let l1 = several::connect(rpcs, beacons, check, Some(archive.clone())).unwrap();
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

/// What is wrong with an L1 endpoint.
#[derive(Clone, Copy)]
enum Bad {
    /// Of each answer about logs one is left out.
    Omits,
    /// Its head stands at this block.
    Stuck(u64),
}

/// An endpoint that passes on what a good one says, but for what is wrong with it.
async fn bad_endpoint(good: &str, bad: Bad) -> String {
    async fn answer(State((good, bad)): State<(String, Bad)>, Json(mut request): Json<Value>) -> Json<Value> {
        if let Bad::Stuck(head) = bad
            && request["params"][0] == "latest"
        {
            request["params"][0] = json!(format!("{head:#x}"));
        }
        let sent =
            reqwest::Client::new().post(good).body(request.to_string()).header("content-type", "application/json");
        let answer = sent.send().await.unwrap().bytes().await.unwrap();
        let mut answer: Value = serde_json::from_slice(&answer).unwrap();
        if let (Bad::Omits, "eth_getLogs", Some(logs)) =
            (bad, request["method"].as_str().unwrap(), answer["result"].as_array_mut())
        {
            logs.pop();
        }
        Json(answer)
    }
    let app = Router::new().route("/", post(answer)).with_state((good.to_owned(), bad));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // Ends with the test's runtime.
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_follower_syncs_from_genesis_when_the_blobs_have_expired_and_two_of_three_l1_endpoints_are_bad() {
    let directory = tempfile::tempdir().unwrap();
    let folder = |name: &str| directory.path().join(name);
    let mut config = NetworkConfig::new(folder("network"));
    config.watch = false;
    let mut network = Network::start(config).await.unwrap();
    let chain = network.chain().clone();
    let (rpc, beacon) = network.l1_urls();
    let (rpc, beacon) = (vec![rpc.to_owned()], beacon.to_owned());
    let l1 = RpcL1::new(RpcConfig::new(&rpc[0], []), None).unwrap();
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
    let [liar, stuck] = [bad_endpoint(&rpc[0], Bad::Omits).await, bad_endpoint(&rpc[0], Bad::Stuck(5)).await];
    let several = [liar, stuck, rpc[0].clone()];
    let third = Follower::start(&chain, &folder("third"), &several, &[second.url()]).await;
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
