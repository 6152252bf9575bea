//! What every L1 must do for this crate, whoever runs it: run against anvil here, and against the embedded L1 in
//! `surety-devnet`'s tests.
#![allow(unreachable_pub, missing_docs, dead_code)]

pub mod anvil;

use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolCall;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use k256::ecdsa::SigningKey;
use std::{sync::Arc, time::Duration};
use surety_contracts::{
    Addresses, DeployPlan, FoundingSeat, Parameters, Profile,
    bindings::{Bridge, Inbox, SequencerRegistry},
    deploy::{Deployment, ProgramStart},
};
use surety_l1::{
    BlockAt, L1, L1Error,
    blobs::{Archive, versioned_hash},
    chain::Blob,
    contracts::Contracts,
    follow::{FollowConfig, Follower, L1Event, L1EventKind, RegistryEvent},
    rpc::{RpcConfig, RpcL1},
    submit::{Outgoing, SubmitConfig, SubmitError, Submitter},
};
use surety_types::{L1Height, MessageIndex, MessageKind, RollupId, Seconds, Term};

pub const ROLLUP: u64 = 75873;

pub struct World {
    pub l1: Arc<RpcL1>,
    pub directory: tempfile::TempDir,
    pub slot: Duration,
}

/// The dev keys that anvil and the embedded L1 both fund, by place: the first two of the test mnemonic.
pub fn key(place: usize) -> PrivateKeySigner {
    [
        "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
        "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
        "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    ][place]
        .parse()
        .unwrap()
}

impl World {
    pub fn new(rpc: String, beacon: String, slot: Duration) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let archive = Arc::new(Archive::open(directory.path().join("blobs"), 16).unwrap());
        let l1 = Arc::new(RpcL1::new(RpcConfig::new(rpc, [beacon]), Some(archive)).unwrap());
        Self { l1, directory, slot }
    }

    pub async fn submitter(&self, place: usize) -> Submitter {
        let config = SubmitConfig {
            max_underway: 64,
            daily_budget: U256::from(10).pow(U256::from(20)),
            poll: Duration::from_millis(50),
            ..SubmitConfig::new(self.directory.path().join(format!("journal-{place}"))).for_slot_time(self.slot)
        };
        Submitter::open(self.l1.clone(), Arc::new(key(place)), config).await.unwrap()
    }

    /// Deploys the contracts with four seats; returns where they are and the first block.
    pub async fn deploy(&self) -> (Addresses, L1Height) {
        let submitter = self.submitter(0).await;
        let l1_chain_id = self.l1.chain_id().await.unwrap();
        let nonce = self.l1.nonce(submitter.address()).await.unwrap();
        let registry = Addresses::predict(submitter.address(), nonce).registry;
        let seats: Vec<_> = (1..=4u8)
            .map(|seed| {
                let vote_key = SigningKey::from_slice(&[seed; 32]).unwrap();
                FoundingSeat::prove(l1_chain_id, registry, submitter.address(), &vote_key, B256::repeat_byte(seed))
                    .unwrap()
            })
            .collect();
        let plan = DeployPlan::new(&Deployment {
            deployer: submitter.address(),
            nonce,
            l1_chain_id,
            parameters: &Parameters::of(Profile::Ci, ROLLUP),
            l2_genesis_hash: B256::repeat_byte(7),
            l2_genesis_time: 1_000,
            program: ProgramStart::default(),
            seats: &seats,
        })
        .unwrap();
        let mut start = None;
        for step in &plan.steps {
            let outgoing = Outgoing {
                to: step.to,
                value: step.value,
                input: step.input.clone(),
                gas_limit: Some(if step.to.is_create() { 1 << 24 } else { 3_000_000 }),
                ..Default::default()
            };
            let ticket = submitter.send(outgoing).await.unwrap();
            if start.is_none() {
                start = Some(ticket);
            }
        }
        for nonce in submitter.underway().await {
            let included = submitter.wait(surety_l1::submit::Ticket { nonce }).await.unwrap();
            assert!(included.inclusion.success, "{:?}", plan.steps.iter().find(|s| s.nonce == nonce).map(|s| &s.what));
        }
        let first = submitter.wait(start.unwrap()).await.unwrap();
        (plan.addresses, first.inclusion.block_number)
    }

    pub fn follower(&self, addresses: Addresses, start: L1Height) -> Follower {
        let config = FollowConfig::new(addresses, RollupId::new(ROLLUP), start, 4, Seconds::new(30));
        Follower::new(self.l1.clone(), config, None).unwrap()
    }
}

/// Polls until the head is read; gathers events.
pub async fn catch_up(follower: &mut Follower, events: &mut Vec<L1Event>) {
    for _ in 0..100 {
        match follower.poll().await {
            Ok(update) => {
                events.extend(update.events);
                if update.heads.caught_up() {
                    return;
                }
            }
            Err(error) => eprintln!("{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never caught up");
}

pub fn blob(seed: u8) -> Blob {
    let mut blob = Blob::ZERO;
    blob[1] = seed;
    blob
}

/// The contracts go up, messages come out of the follower as the inbox took them, and reads agree.
pub async fn messages_come_from_the_contracts_to_the_follower(world: &World) {
    let (addresses, start) = world.deploy().await;
    let submitter = world.submitter(1).await;
    let ether = U256::from(10u64.pow(18));
    let deposit = Outgoing { to: TxKind::Call(addresses.bridge), value: ether, ..Default::default() };
    let included = submitter.submit(deposit).await.unwrap();
    assert!(included.inclusion.success);
    let poke = Outgoing {
        to: TxKind::Call(addresses.inbox),
        input: Inbox::pokeCall {}.abi_encode().into(),
        ..Default::default()
    };
    let poked = submitter.submit(poke).await.unwrap().inclusion;
    assert!(poked.success);

    let (mut follower, mut events) = (world.follower(addresses, start), Vec::new());
    // A receipt may be there a moment before the head is.
    while follower.checkpoint().block().is_none_or(|read| read.number < poked.block_number) {
        catch_up(&mut follower, &mut events).await;
    }
    let messages: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.kind {
            L1EventKind::Message { message, .. } => Some(message),
            _ => None,
        })
        .collect();
    assert_eq!(messages.iter().map(|m| m.kind).collect::<Vec<_>>(), [MessageKind::Deposit, MessageKind::L1Info]);
    assert_eq!(messages[0].sender, submitter.address());
    assert!(messages[0].mint > U256::ZERO && messages[0].mint <= ether);
    let info = messages[1].l1_info().unwrap();
    assert_eq!(info.number.next(), messages[1].l1_block);
    let parent = world.l1.block(BlockAt::Number(info.number)).await.unwrap().unwrap();
    assert_eq!(info.hash, parent.hash);
    let seats = events
        .iter()
        .filter(|e| matches!(&e.kind, L1EventKind::Registry(r) if matches!(**r, RegistryEvent::SeatRegistered(_))));
    assert_eq!(seats.count(), 4);

    let contracts = Contracts::new(&*world.l1, addresses);
    let at = BlockAt::Latest;
    let head = contracts.inbox_head(at).await.unwrap();
    assert_eq!((head.sent, head.acc), (MessageIndex::new(2), follower.position().acc));
    assert_eq!(contracts.committee(Term::new(1), at).await.unwrap().len(), 4);
    assert!(contracts.current_term(at).await.unwrap() >= Term::new(1));
    let genesis = contracts.genesis_claim(at).await.unwrap();
    assert!(contracts.claim(genesis, at).await.unwrap().unwrap().is_final);
    assert_eq!(contracts.claim(B256::repeat_byte(1), at).await.unwrap(), None);
    assert_eq!(
        contracts.parameters(at).await.unwrap(),
        SequencerRegistry::ProtocolParameters::from(&Parameters::of(Profile::Ci, ROLLUP))
    );
}

/// A call that reverts is refused before it costs anything, with the contract's own error.
pub async fn reverts_are_told_by_name(world: &World) {
    let (addresses, _) = world.deploy().await;
    let submitter = world.submitter(1).await;
    let call =
        Bridge::depositTransactionCall { to: Address::ZERO, value: U256::ZERO, gasLimit: 100_000, data: Bytes::new() };
    let outgoing = Outgoing {
        to: TxKind::Call(addresses.bridge),
        value: U256::from(10u64.pow(18)),
        input: call.abi_encode().into(),
        ..Default::default()
    };
    let error = submitter.send(outgoing).await.unwrap_err();
    assert!(matches!(error, SubmitError::WouldRevert(_)), "{error}");
    assert!(error.to_string().contains("RecipientIsZero"), "{error}");
}

/// Blobs go up with cell proofs and come back from the beacon API and, without it, from the archive.
pub async fn blobs_go_up_and_come_back(world: &World) {
    let submitter = world.submitter(1).await;
    let outgoing = Outgoing {
        to: TxKind::Call(Address::repeat_byte(9)),
        blobs: vec![blob(1), blob(2)],
        gas_limit: Some(21_000),
        ..Default::default()
    };
    let included = submitter.submit(outgoing).await.unwrap();
    assert!(included.inclusion.success);
    let block = world.l1.block(BlockAt::Hash(included.inclusion.block_hash)).await.unwrap().unwrap();
    let transaction = world.l1.transaction(included.transaction).await.unwrap().unwrap();
    let hashes: Vec<_> = [1, 2].map(|seed| versioned_hash(&blob(seed)).unwrap()).to_vec();
    assert_eq!((transaction.blob_hashes, transaction.block_hash), (hashes.clone(), Some(block.hash)));
    let blobs = world.l1.blobs(block, &hashes).await.unwrap();
    assert!(*blobs[0] == blob(1) && *blobs[1] == blob(2));
    // From the archive alone, even when the block is unknown to the beacon node.
    let elsewhere = surety_l1::BlockRef {
        number: L1Height::new(1 << 40),
        hash: B256::repeat_byte(1),
        parent: B256::ZERO,
        time: Seconds::new(1 << 40),
    };
    assert!(*world.l1.blobs(elsewhere, &hashes[1..]).await.unwrap()[0] == blob(2));
    // Gas of a call that looks at its blobs can be estimated. The code returns
    // `PUSH0 BLOBHASH ISZERO PUSH1 7 JUMPI STOP JUMPDEST PUSH0 PUSH0 REVERT`.
    let code = alloy_primitives::hex!("6a5f4915600757005b5f5ffd5f52600b6015f3");
    let create = Outgoing { to: TxKind::Create, input: Bytes::copy_from_slice(&code), ..Default::default() };
    let contract = submitter.address().create(world.l1.nonce(submitter.address()).await.unwrap());
    assert!(submitter.submit(create).await.unwrap().inclusion.success);
    let look = || Outgoing { to: TxKind::Call(contract), ..Default::default() };
    assert!(matches!(submitter.send(look()).await, Err(SubmitError::WouldRevert(_))));
    let included = submitter.submit(Outgoing { blobs: vec![blob(3)], ..look() }).await.unwrap();
    assert!(included.inclusion.success);
    let missing = world.l1.blobs(block, &[B256::repeat_byte(1)]).await;
    assert!(matches!(missing, Err(L1Error::BlobMissing { .. })));
}
