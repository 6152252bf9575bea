//! Three of four seats vanish: the one that is left attends, anyone sequences, the committee comes back and goes on from
//! what L1 has (protocol §6, §9).
#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use alloy::{
    network::{EthereumWallet, TransactionBuilder as _},
    providers::{Provider as _, ProviderBuilder},
    rpc::types::TransactionRequest,
    sol_types::SolCall as _,
};
use alloy_primitives::{Address, Bytes, U256};
use std::sync::Arc;
use support::until;
use surety_contracts::bindings::{Idle, Inbox};
use surety_devnet::{
    l1::dev_accounts,
    network::{Network, NetworkConfig},
};
use surety_l1::{
    BlockAt, Call, L1,
    contracts::Contracts,
    rpc::{RpcConfig, RpcL1},
};
use surety_rpc::Backend;

fn height(backend: &impl Backend) -> u64 {
    backend.tags().latest.number
}

#[tokio::test(flavor = "multi_thread")]
async fn a_committee_that_vanished_is_replaced_by_anyone_and_only_who_attended_is_not_fined() {
    let directory = tempfile::tempdir().unwrap();
    let mut network = Network::start(NetworkConfig::new(directory.path().join("network"))).await.unwrap();
    let chain = network.chain().clone();
    let protocol = chain.protocol.clone();
    let (rpc, beacon) = network.l1_urls();
    let rpc = rpc.to_owned();
    let l1: Arc<dyn L1> = Arc::new(RpcL1::new(RpcConfig::new(&rpc, [beacon.to_owned()]), None).unwrap());
    let contracts = Contracts::new(&*l1, chain.addresses);
    let first = network.seats()[0].backend();
    until("batches", async || (first.tags().safe.unwrap().number > 0).then_some(())).await;

    // Late enough in a term for the duty to count, early enough for the lapse to lie in it.
    let term = until("the middle of a term", async || {
        let head = l1.block(BlockAt::Latest).await.unwrap().unwrap();
        let term = contracts.current_term(BlockAt::Latest).await.unwrap();
        let into = head.time.since(contracts.term_start(term, BlockAt::Latest).await.unwrap());
        (protocol.overlap / 2..protocol.overlap).contains(&into).then_some(term)
    })
    .await;
    network.stop_seats(3).await.unwrap();
    // What only one seat takes is in no block, and not lost.
    let url = network.l2_urls().remove(0);
    let accounts = dev_accounts().unwrap();
    let user = ProviderBuilder::new()
        .with_simple_nonce_management()
        .wallet(EthereumWallet::from(accounts[5].clone()))
        .connect_http(url.parse().unwrap());
    let request = TransactionRequest::default()
        .with_to(Address::repeat_byte(0x44))
        .with_value(U256::from(1))
        .with_gas_limit(21_000)
        .with_max_fee_per_gas(10_000_000_000)
        .with_max_priority_fee_per_gas(1_000_000);
    let sent = *user.send_transaction(request).await.unwrap().tx_hash();

    let members = contracts.committee(term, BlockAt::Latest).await.unwrap();
    let left = members[0].seat;
    let before = until("the attendance of the one that is left", async || {
        let batch = contracts.batch_index(BlockAt::Latest).await.unwrap();
        contracts.attended(batch, term, left, BlockAt::Latest).await.unwrap().then_some(batch)
    })
    .await;
    until("anyone may sequence", async || {
        contracts.self_sequencing_is_open(BlockAt::Latest).await.unwrap().then_some(())
    })
    .await;
    let anyone =
        ProviderBuilder::new().wallet(EthereumWallet::from(accounts[6].clone())).connect_http(rpc.parse().unwrap());
    let input: Bytes = Inbox::selfSequenceCall {}.abi_encode().into();
    let request = TransactionRequest::default().with_to(chain.addresses.inbox).with_input(input);
    let receipt = anyone.send_transaction(request).await.unwrap().get_receipt().await.unwrap();
    assert!(receipt.status(), "it was open");
    let sequenced = before.next();
    assert_eq!(contracts.batch_index(BlockAt::Latest).await.unwrap(), sequenced);
    let event = contracts.current_term(BlockAt::Latest).await.unwrap();
    assert_eq!(event, term.next(), "an event starts a term");

    // The others come back, and all go on from what L1 has.
    network.start_seats(3).await.unwrap();
    let posted = until("a batch that a committee signed", async || {
        let index = contracts.batch_index(BlockAt::Latest).await.unwrap();
        (index > sequenced).then_some(index)
    })
    .await;
    until("what was sent before is included after", async || {
        user.get_transaction_receipt(sent).await.unwrap().filter(|receipt| receipt.status())
    })
    .await;
    let stands = first.tags().safe.unwrap().number;
    until("posts go on", async || (first.tags().safe.unwrap().number > stands + 20).then_some(())).await;
    for (place, seat) in network.seats().iter().enumerate() {
        let backend = seat.backend();
        until("every seat is near the head", async || (height(&*backend) + 20 > height(&*first)).then_some(())).await;
        let hash = |b: &dyn Backend| b.store().canonical_hash(stands).unwrap();
        assert_eq!(hash(&*backend), hash(&*first), "seat {place}");
        assert_eq!(seat.status().borrow().mismatches, 0, "seat {place}");
    }
    // A committee stands behind the self-sequenced block now.
    let status = network.seats()[0].status().borrow().clone();
    assert_eq!(status.ancestry.len(), 1, "the newest claim is signed");
    let finality = first.finality(surety_types::L2Height::new(stands)).unwrap();
    assert!(contracts.claim(finality.claim.unwrap(), BlockAt::Latest).await.unwrap().unwrap().signers != 0);
    assert!(posted > sequenced);

    // The fine: all but the one that attended. None is frozen, nobody contradicted itself.
    let idle = async |seat: u64| {
        let input = Idle::idleSecondsCall { term: term.get(), seat }.abi_encode().into();
        let call = Call { to: Some(chain.addresses.idle), input, ..Default::default() };
        let answer = l1.call(&call, BlockAt::Latest).await.unwrap();
        Idle::idleSecondsCall::abi_decode_returns(&answer).unwrap()
    };
    for member in &members {
        let seconds = idle(member.seat).await;
        assert_eq!(seconds.is_zero(), member.seat == left, "seat {} was idle for {seconds} s", member.seat);
        assert_eq!(contracts.seat(member.seat, BlockAt::Latest).await.unwrap().frozenAt, 0);
    }
    network.stop().await;
}
