//! A third of the seats is frozen at once: L1 starts a term without them, and the chain goes on from what L1 has.

mod support;

use alloy::{
    network::{EthereumWallet, TransactionBuilder},
    providers::{Provider, ProviderBuilder},
    rpc::types::TransactionRequest,
};
use alloy_primitives::{Address, B256, U256, keccak256};
use k256::ecdsa::SigningKey;
use std::{io::Write as _, sync::Arc, time::Duration};
use support::until;
use surety_devnet::{
    l1::dev_accounts,
    network::{EVIDENCE, Network, NetworkConfig},
};
use surety_l1::{
    BlockAt, L1,
    contracts::Contracts,
    rpc::{RpcConfig, RpcL1},
};
use surety_node::{
    builder::decode_aux,
    follower_node::{FollowerNode, FollowerNodeConfig},
};
use surety_rpc::Backend;
use surety_types::{
    Term,
    evidence::SignedStatement,
    signing::{Domain, Finalize, Nullify, Signature, Statement},
};

/// Two votes of a dev seat's key that contradict each other, as a file of evidence has them.
fn evidence(place: usize, network: &Network, term: Term) -> Vec<u8> {
    let chain = network.chain();
    let domain = Domain::new(chain.l1_chain_id, chain.addresses.registry);
    let key = SigningKey::from_slice(keccak256(format!("surety dev vote key {place}")).as_slice()).unwrap();
    let (rollup, genesis, view) = (chain.parameters.rollup.get(), B256::repeat_byte(7), 1_000_000);
    let block = B256::repeat_byte(8);
    let statements: [Statement; 2] = [
        Finalize { rollup, term: term.get(), genesis, view, parentView: 4, blockHash: block }.into(),
        Nullify { rollup, term: term.get(), genesis, view }.into(),
    ];
    let mut text = Vec::new();
    for statement in statements {
        let signature = Signature::sign(&key, &statement.digest(&domain)).unwrap();
        text.extend_from_slice(&serde_json::to_vec(&SignedStatement { statement, signature }).unwrap());
        text.push(b'\n');
    }
    text
}

fn height(backend: &impl Backend) -> u64 {
    backend.tags().latest.number
}

#[tokio::test(flavor = "multi_thread")]
async fn when_half_of_the_seats_is_frozen_the_rest_goes_on_from_what_l1_has() {
    let directory = tempfile::tempdir().unwrap();
    let network = Network::start(NetworkConfig::new(directory.path().join("network"))).await.unwrap();
    let chain = network.chain().clone();
    let (rpc, beacon) = network.l1_urls();
    let l1: Arc<dyn L1> = Arc::new(RpcL1::new(RpcConfig::new(rpc, [beacon.to_owned()]), None).unwrap());
    let contracts = Contracts::new(&*l1, chain.addresses);
    let url = network.l2_urls().remove(0);
    let soft = FollowerNode::start(FollowerNodeConfig {
        chain: chain.clone(),
        directory: directory.path().join("soft"),
        l1: l1.clone(),
        poll: Duration::from_millis(500),
        feeds: vec![url.replace("http", "ws")],
    })
    .await
    .unwrap();
    let first = network.seats()[0].backend();
    until("the follower of the feed is near the head", async || {
        (height(&*soft.backend()) + 20 > height(&*first)).then_some(())
    })
    .await;

    // Somebody pays all the time.
    let wallet = EthereumWallet::from(dev_accounts().unwrap().remove(5));
    let user = ProviderBuilder::new().with_simple_nonce_management().wallet(wallet).connect_http(url.parse().unwrap());
    let mut sent = Vec::new();
    let mut removed = first.head_changes();
    let mut gone = Vec::new();

    let before = contracts.current_term(BlockAt::Latest).await.unwrap();
    let path = directory.path().join("network").join(EVIDENCE);
    let mut file = std::fs::File::options().append(true).create(true).open(path).unwrap();
    let term = until("a term without the two", async || {
        let request = TransactionRequest::default()
            .with_to(Address::repeat_byte(0x44))
            .with_value(U256::from(1))
            .with_gas_limit(21_000)
            .with_nonce(sent.len() as u64)
            .with_max_fee_per_gas(10_000_000_000)
            .with_max_priority_fee_per_gas(1_000_000);
        sent.push(*user.send_transaction(request).await.unwrap().tx_hash());
        if sent.len() == 10 {
            file.write_all(&evidence(2, &network, before)).unwrap();
            file.write_all(&evidence(3, &network, before)).unwrap();
        }
        let term = contracts.current_term(BlockAt::Latest).await.unwrap();
        let members = contracts.committee(term, BlockAt::Latest).await.unwrap();
        (members.len() == 2).then_some(term)
    })
    .await;
    let epochs = [
        contracts.epoch_of_term(term.checked_sub(1).unwrap(), BlockAt::Latest).await.unwrap(),
        contracts.epoch_of_term(term, BlockAt::Latest).await.unwrap(),
    ];
    assert_eq!(epochs[0], epochs[1], "the term began by the event");

    // The rest begins it.
    let began = until("the term on L2", async || {
        while let Ok(change) = removed.try_recv() {
            gone.extend(change.removed.iter().map(|block| (block.block.header.number, block.hash)));
        }
        let head = first.store().block(first.store().head().hash).unwrap()?;
        let context = decode_aux(chain.parameters.rollup, &head.aux)?;
        (context.term >= term).then_some(head.block.header.number)
    })
    .await;
    assert!(!gone.is_empty(), "subscribers were told of the blocks that were taken back");
    let safe = first.tags().safe.unwrap().number;
    until("posts of the new committee", async || (first.tags().safe.unwrap().number > safe.max(began)).then_some(()))
        .await;
    for hash in &sent {
        until("what was sent before is included after", async || {
            user.get_transaction_receipt(*hash).await.unwrap().filter(|receipt| receipt.status())
        })
        .await;
    }
    let (lowest, lost) = gone[gone.len() - 1];
    for (name, backend) in [("second seat", network.seats()[1].backend()), ("soft follower", soft.backend())] {
        until(name, async || (height(&*backend) > began + 10).then_some(())).await;
        for number in lowest..began + 10 {
            let [ours, theirs] = [&first, &backend].map(|b| b.store().canonical_hash(number).unwrap());
            assert_eq!(ours, theirs, "{name} at {number}");
        }
        assert_ne!(backend.store().canonical_hash(lowest).unwrap(), Some(lost));
    }
    for (place, frozen) in [(0, false), (1, false), (2, true), (3, true)] {
        let seat = contracts.seat(place + 1, BlockAt::Latest).await.unwrap();
        assert_eq!(seat.frozenAt != 0, frozen, "seat {place}");
    }
    soft.stop().await;
    network.stop().await;
}
