//! Half of the seats vote for every block and sign no batch: what is soft-final reaches L1 all the same, by a third's signatures
//! and the votes that made the last block final (protocol §6).
#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use alloy::{
    network::{EthereumWallet, TransactionBuilder as _},
    providers::{Provider, ProviderBuilder},
    rpc::types::{Filter, TransactionRequest},
    sol_types::{SolCall, SolEvent as _},
};
use alloy_primitives::{Address, U256};
use support::until;
use surety_contracts::bindings::{Inbox, SequencerRegistry};
use surety_devnet::{
    l1::dev_accounts,
    network::{Network, NetworkConfig},
};
use surety_node::consensus::byzantine::Sin;
use surety_rpc::Backend as _;

async fn ask<C: SolCall>(l1: &impl Provider, of: Address, call: C) -> C::Return {
    let request = TransactionRequest::default().with_to(of).with_input(call.abi_encode());
    C::abi_decode_returns(&l1.call(request).await.unwrap()).unwrap()
}

/// How many signed each batch, in order, with its last height; 0: it was self-sequenced.
async fn batches(l1: &impl Provider, inbox: Address) -> Vec<(u32, u64)> {
    let filter = Filter::new().address(inbox).event_signature(Inbox::BatchPosted::SIGNATURE_HASH).from_block(0);
    let logs = l1.get_logs(&filter).await.unwrap();
    logs.iter()
        .map(|log| {
            let event = Inbox::BatchPosted::decode_log(&log.inner).unwrap();
            (event.signers.count_ones(), event.statement.lastHeight)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn half_of_the_seats_cannot_keep_from_l1_what_they_made_final() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = NetworkConfig::new(directory.path().join("network"));
    config.sinners = vec![(2, Sin::WithholdBatches), (3, Sin::WithholdBatches)];
    let network = Network::start(config).await.unwrap();
    let inbox = network.chain().addresses.inbox;
    let l1 = ProviderBuilder::new().connect_http(network.l1_urls().0.parse().unwrap());
    let first = network.seats()[0].backend();
    // What is soft-final when a term ends is not for a third to post: so begin while there is time.
    let registry = network.chain().addresses.registry;
    until("a batch of a quorum, and a term that has just begun", async || {
        let (signers, _) = *batches(&l1, inbox).await.last()?;
        let term = ask(&l1, registry, SequencerRegistry::currentTermCall {}).await;
        let start = ask(&l1, registry, SequencerRegistry::termStartCall { term }).await;
        (signers > 2 && surety_node::clock::now().to_seconds().get() < start + 25).then_some(())
    })
    .await;

    network.misbehaviours().iter().for_each(|seat| seat.commit());
    let user = ProviderBuilder::new()
        .with_simple_nonce_management()
        .wallet(EthereumWallet::from(dev_accounts().unwrap().remove(5)))
        .connect_http(network.l2_urls().remove(0).parse().unwrap());
    let request = TransactionRequest::default()
        .with_to(Address::repeat_byte(0x44))
        .with_value(U256::from(1))
        .with_gas_limit(21_000)
        .with_max_fee_per_gas(10_000_000_000)
        .with_max_priority_fee_per_gas(1_000_000);
    let receipt = user.send_transaction(request).await.unwrap().get_receipt().await.unwrap();
    let block = (receipt.block_number.unwrap(), receipt.block_hash.unwrap());
    let last = until("a batch by a third", async || {
        batches(&l1, inbox).await.iter().find(|(signers, _)| *signers == 2).map(|(_, last)| *last)
    })
    .await;
    until("the follower has it", async || {
        (network.follower().backend().tags().safe.unwrap().number >= last).then_some(())
    })
    .await;

    network.misbehaviours().iter().for_each(|seat| seat.refrain());
    let count = batches(&l1, inbox).await.len();
    until("a quorum signs again, and the follower has the transaction", async || {
        let quorum = batches(&l1, inbox).await[count..].iter().any(|(signers, _)| *signers > 2);
        (quorum && network.follower().backend().tags().safe.unwrap().number >= block.0).then_some(())
    })
    .await;
    let store = network.follower().backend().store().clone();
    assert_eq!(store.canonical_hash(block.0).unwrap(), Some(block.1), "what was soft-final is what L1 has");
    assert!(batches(&l1, inbox).await.iter().all(|(signers, _)| *signers > 1), "nobody had to self-sequence");
    for (place, seat) in network.seats().iter().enumerate() {
        let backend = seat.backend();
        until("every seat is near the head", async || {
            (backend.tags().latest.number + 20 > first.tags().latest.number).then_some(())
        })
        .await;
        let hash = backend.store().canonical_hash(block.0).unwrap();
        assert_eq!(hash, Some(block.1), "seat {place}");
        assert_eq!(seat.status().borrow().mismatches, 0, "seat {place}");
    }
    network.stop().await;
}
