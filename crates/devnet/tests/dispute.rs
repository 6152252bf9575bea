//! Somebody opposes a right claim: a challenger beside a follower answers, and the rival falls.
#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use alloy::sol_types::SolCall as _;
use alloy_primitives::{B256, U256};
use std::{path::Path, sync::Arc, time::Duration};
use support::until;
use surety_contracts::bindings::Claims;
use surety_devnet::{
    l1::dev_accounts,
    network::{Network, NetworkConfig},
};
use surety_dispute::posting::posting;
use surety_l1::{
    BlockAt, L1,
    blobs::Archive,
    contracts::Contracts,
    records::Records,
    rpc::{RpcConfig, RpcL1},
    submit::{SubmitConfig, Submitter},
};
use surety_node::{
    challenger::{Challenger, Power},
    follower_node::{FollowerNode, FollowerNodeConfig},
    party::Party,
    poster::Rehearsal,
};
use surety_rpc::Backend as _;
use surety_types::{
    BatchIndex,
    claim::{BlockHashTree, Claim},
};
use tokio::sync::watch;

/// One of the development accounts, on a node.
async fn party(l1: &Arc<dyn L1>, network: &Network, node: &FollowerNode, place: usize, directory: &Path) -> Party {
    let chain = network.chain().clone();
    let slot = Duration::from_secs(chain.protocol.slot_time);
    let settings = SubmitConfig::new(directory.join(format!("account-{place}"))).for_slot_time(slot);
    let key = dev_accounts().unwrap()[place].clone();
    let submitter = Arc::new(Submitter::open(l1.clone(), Arc::new(key), settings).await.unwrap());
    Party { l1: l1.clone(), chain, store: node.backend().store().clone(), submitter }
}

/// Claims that a batch which a committee signed ended in another block. Gives the right claim and the wrong one.
async fn oppose(liar: &Party, index: BatchIndex) -> (Claim, Claim) {
    assert!(liar.join().await.unwrap());
    until("the rival stands", async || {
        // What shows L1 that the batch was posted changes with the next one.
        let mut records = Records::new(&*liar.l1, &liar.chain).await.unwrap();
        let (statement, later) = records.posted(index).await.unwrap().unwrap();
        let right = records.claims_of(index).await.unwrap()[0];
        let parent = records.claim(right.parent).await.unwrap().unwrap();
        let heights = statement.firstHeight..=statement.lastHeight;
        let mut hashes: Vec<_> =
            heights.map(|height| liar.store.canonical_hash(height).unwrap()).collect::<Option<_>>()?;
        *hashes.last_mut().unwrap() = B256::repeat_byte(0x66);
        let root = BlockHashTree::new(&hashes).unwrap().root();
        let wrong = Claim { last_hash: B256::repeat_byte(0x66), block_hash_root: root, ..right };
        let posting = posting(&wrong, &parent, Some(&right), &statement, later, &hashes).unwrap();
        let call = Claims::postBondedCall { claim_: (&wrong).into(), posting }.abi_encode();
        let sent = liar.send(liar.chain.addresses.claims.into(), U256::ZERO, call.into()).await.unwrap();
        sent.map(|_| (right, wrong))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_claim_is_defended_and_its_rival_falls() {
    let directory = tempfile::tempdir().unwrap();
    let network = Network::start(NetworkConfig::new(directory.path().join("network"))).await.unwrap();
    let chain = network.chain().clone();
    let (rpc, beacon) = network.l1_urls();
    let own = directory.path().join("challenger");
    let archive = Arc::new(Archive::open(own.join("blobs"), Archive::ALL).unwrap());
    let config = RpcConfig::new(rpc, [beacon.to_owned()]);
    let l1: Arc<dyn L1> = Arc::new(RpcL1::new(config, Some(archive.clone())).unwrap());
    let poll = Duration::from_millis(500);
    let config =
        FollowerNodeConfig { chain: chain.clone(), directory: own.clone(), l1: l1.clone(), poll, feeds: Vec::new() };
    let node = FollowerNode::start(config).await.unwrap();
    let contracts = Contracts::new(&*l1, chain.addresses);
    let challenger = Challenger {
        party: party(&l1, &network, &node, 5, &own).await,
        follower: node.status(),
        posted: node.posted(),
        archive,
        rehearsal: Arc::new(Rehearsal::whole(own.join("differences"))),
        power: Power::Dispute,
        poll,
    };
    let (stop, stopped) = watch::channel(false);
    let challenger = tokio::spawn(challenger.run(stopped));

    let index = until("the follower has a batch", async || {
        let safe = node.status().borrow().safe.index;
        (safe > BatchIndex::ZERO).then_some(safe)
    })
    .await;
    let liar = party(&l1, &network, &node, 6, directory.path()).await;
    let (right, wrong) = oppose(&liar, index).await;
    until("the rival falls", async || {
        contracts.claim(wrong.id(), BlockAt::Latest).await.unwrap().unwrap().has_fallen.then_some(())
    })
    .await;
    until("the right claim is final", async || {
        contracts.claim(right.id(), BlockAt::Latest).await.unwrap().unwrap().is_final.then_some(())
    })
    .await;
    let lost = contracts.party(liar.submitter.address(), BlockAt::Latest).await.unwrap();
    assert!(!lost.fellAt.is_zero(), "who was wrong loses the bond");
    for member in
        contracts.committee(contracts.current_term(BlockAt::Latest).await.unwrap(), BlockAt::Latest).await.unwrap()
    {
        assert_eq!(contracts.seat(member.seat, BlockAt::Latest).await.unwrap().frozenAt, 0, "who was right stays");
    }
    stop.send(true).unwrap();
    challenger.await.unwrap();
    node.stop().await;
    network.stop().await;
}
