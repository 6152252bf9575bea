//! The embedded L1, from outside: by alloy's provider, by this project's own L1 client, and by its controls.

#[path = "../../l1/tests/common/mod.rs"]
mod common;

use alloy::{
    consensus::{BlobTransactionSidecar, SidecarBuilder, SimpleCoder, Transaction as _},
    eips::{BlockNumberOrTag, Encodable2718, eip7594::BlobTransactionSidecarVariant},
    network::{EthereumWallet, NetworkTransactionBuilder, TransactionBuilder, TransactionBuilder7702},
    providers::{Provider, ProviderBuilder, WalletProvider},
    rpc::types::{Authorization, TransactionRequest},
    signers::SignerSync,
};
use alloy_primitives::{Address, B256, U256, address};
use common::World;
use serde_json::{Value, json};
use std::time::Duration;
use surety_devnet::l1::{Config, DEV_BALANCE, EmbeddedL1, EmbeddedL1Handle, ReorgPolicy, dev_accounts};

/// One whose blocks come when a test says so.
fn manual() -> Config {
    Config { automatic: false, ..Config::default() }
}

fn quick() -> Config {
    Config { slot_time: 1, ..Config::default() }
}

async fn start(config: Config) -> EmbeddedL1Handle {
    EmbeddedL1::start(config).await.unwrap()
}

fn provider(l1: &EmbeddedL1Handle) -> impl Provider + WalletProvider<Wallet = EthereumWallet> + Clone + use<> {
    let wallet = EthereumWallet::from(dev_accounts().unwrap().remove(0));
    ProviderBuilder::new().with_simple_nonce_management().wallet(wallet).connect_http(l1.rpc_url().parse().unwrap())
}

fn to(target: Address) -> TransactionRequest {
    TransactionRequest::default().with_to(target).with_value(U256::from(7))
}

fn sidecar(text: &[u8]) -> BlobTransactionSidecarVariant {
    let sidecar: BlobTransactionSidecar = SidecarBuilder::<SimpleCoder>::from_slice(text).build_4844().unwrap();
    BlobTransactionSidecarVariant::Eip4844(sidecar).try_convert_into_eip7594().unwrap()
}

/// A signed blob transaction in its network form.
async fn blob_transaction(
    provider: &(impl Provider + WalletProvider<Wallet = EthereumWallet>),
    sidecar: BlobTransactionSidecarVariant,
) -> Vec<u8> {
    let nonce = provider.get_transaction_count(provider.default_signer_address()).pending().await.unwrap();
    let mut request = to(Address::repeat_byte(3))
        .with_gas_limit(21_000)
        .with_chain_id(1337)
        .with_nonce(nonce)
        .with_max_fee_per_gas(10_000_000_000)
        .with_max_priority_fee_per_gas(1_000_000_000);
    request.max_fee_per_blob_gas = Some(1_000_000_000);
    request.sidecar = Some(sidecar);
    request.populate_blob_hashes();
    request.build(provider.wallet()).await.unwrap().encoded_2718()
}

async fn get(url: String) -> (u16, Value) {
    let response = reqwest::get(url).await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}

async fn rpc(l1: &EmbeddedL1Handle, method: &'static str, params: Value) -> Result<Value, String> {
    provider(l1).raw_request(method.into(), params).await.map_err(|e| e.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_of_all_types_are_taken_and_succeed() {
    let l1 = start(manual()).await;
    let provider = provider(&l1);
    let target = Address::repeat_byte(5);
    let authority = dev_accounts().unwrap().remove(1);
    let delegate = address!("0xcA11bde05977b3631167028862bE2a173976CA11");
    let authorization = Authorization { chain_id: U256::from(1337), address: delegate, nonce: 0 };
    let signature = authority.sign_hash_sync(&authorization.signature_hash()).unwrap();
    let requests = [
        to(target).with_gas_price(5_000_000_000),
        to(target).with_gas_price(5_000_000_000).access_list(Default::default()),
        to(target),
        to(target).with_authorization_list(vec![authorization.into_signed(signature)]),
    ];
    for (kind, request) in [0u8, 1, 2, 4].into_iter().zip(requests) {
        let hash = *provider.send_transaction(request).await.unwrap().tx_hash();
        l1.control().mine(1).await.unwrap();
        let receipt = provider.get_transaction_receipt(hash).await.unwrap().unwrap();
        assert!(receipt.status(), "type {kind}");
        assert_eq!(receipt.transaction_type() as u8, kind);
    }
    let raw = blob_transaction(&provider, sidecar(b"hello blobs")).await;
    let hash = *provider.send_raw_transaction(&raw).await.unwrap().tx_hash();
    l1.control().mine(1).await.unwrap();
    let receipt = provider.get_transaction_receipt(hash).await.unwrap().unwrap();
    assert!(receipt.status() && receipt.blob_gas_used == Some(131_072) && receipt.blob_gas_price.is_some());
    assert_eq!(provider.get_balance(target).await.unwrap(), U256::from(28));
    // The delegation of EIP-7702 stands.
    assert!(provider.get_code_at(authority.address()).await.unwrap().starts_with(&[0xef, 0x01, 0x00]));
    l1.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_and_system_contracts_are_there_from_genesis() {
    let l1 = start(manual()).await;
    let provider = provider(&l1);
    for account in dev_accounts().unwrap() {
        assert_eq!(provider.get_balance(account.address()).await.unwrap(), DEV_BALANCE);
    }
    assert_eq!(DEV_BALANCE, U256::from(10u64).pow(U256::from(22)));
    assert_eq!(dev_accounts().unwrap()[0].address(), address!("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
    for contract in [
        address!("0x000F3df6D732807Ef1319fB7B8bB8522d0Beac02"),
        address!("0x0000F90827F1C53a10cb7A02335B175320002935"),
        address!("0x00000961Ef480Eb55e80D19ad83579A64c007002"),
        address!("0x0000BBdDc7CE488642fb579F8B00f3a590007251"),
        address!("0x4e59b44847b379578588920cA78FbF26c0B4956C"),
        address!("0xcA11bde05977b3631167028862bE2a173976CA11"),
    ] {
        assert!(!provider.get_code_at(contract).await.unwrap().is_empty(), "{contract}");
    }
    assert_eq!(provider.get_chain_id().await.unwrap(), 1337);
    l1.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_commitments_cell_proofs_and_the_old_form_are_refused() {
    let l1 = start(manual()).await;
    let provider = provider(&l1);
    let good = sidecar(b"data").into_eip7594().unwrap();
    let other = sidecar(b"other data").into_eip7594().unwrap();
    let mut swapped_proof = good.clone();
    swapped_proof.cell_proofs[5] = other.cell_proofs[5];
    let mut swapped_blob = good.clone();
    swapped_blob.blobs = other.blobs.clone();
    let mut missing_proof = good.clone();
    missing_proof.cell_proofs.pop();
    let old: BlobTransactionSidecar = SidecarBuilder::<SimpleCoder>::from_slice(b"data").build_4844().unwrap();
    let bad = [
        BlobTransactionSidecarVariant::Eip7594(swapped_proof),
        BlobTransactionSidecarVariant::Eip7594(swapped_blob),
        BlobTransactionSidecarVariant::Eip7594(missing_proof),
        BlobTransactionSidecarVariant::Eip4844(old),
    ];
    for (place, sidecar) in bad.into_iter().enumerate() {
        let raw = blob_transaction(&provider, sidecar).await;
        let error = provider.send_raw_transaction(&raw).await.unwrap_err().to_string();
        assert!(error.contains("sidecar"), "{place}: {error}");
    }
    let seven = sidecar(&vec![1; 6 * 126_976 + 1]);
    assert_eq!(seven.blobs().len(), 7);
    let raw = blob_transaction(&provider, seven).await;
    let error = provider.send_raw_transaction(&raw).await.unwrap_err().to_string();
    // The RPC server's bound on sizes may come first.
    assert!(error.contains("too many blobs") || error.contains("oversized"), "{error}");
    let raw = blob_transaction(&provider, BlobTransactionSidecarVariant::Eip7594(good)).await;
    let _ = provider.send_raw_transaction(&raw).await.unwrap();
    l1.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_beacon_api_serves_blobs_that_verify() {
    let l1 = start(manual()).await;
    let provider = provider(&l1);
    l1.control().skip_slots(3);
    l1.control().mine(2).await.unwrap();
    let raw = blob_transaction(&provider, sidecar(&vec![9; 200_000])).await;
    let hash = *provider.send_raw_transaction(&raw).await.unwrap().tx_hash();
    let head = l1.control().mine(1).await.unwrap();
    let receipt = provider.get_transaction_receipt(hash).await.unwrap().unwrap();
    assert_eq!(receipt.blob_gas_used, Some(2 * 131_072));
    let block = provider.get_block_by_number(BlockNumberOrTag::Latest).await.unwrap().unwrap();
    let base = l1.beacon_url();
    let (_, genesis) = get(format!("{base}/eth/v1/beacon/genesis")).await;
    let (_, spec) = get(format!("{base}/eth/v1/config/spec")).await;
    let number = |value: &Value| value.as_str().unwrap().parse::<u64>().unwrap();
    let since = block.header.timestamp - number(&genesis["data"]["genesis_time"]);
    let slot = since / number(&spec["data"]["SECONDS_PER_SLOT"]);
    assert!(slot >= 6, "three skipped slots show: {slot}");
    let (_, header) = get(format!("{base}/eth/v1/beacon/headers/head")).await;
    let root = header["data"]["root"].as_str().unwrap().to_owned();
    let transaction = provider.get_transaction_by_hash(hash).await.unwrap().unwrap();
    let hashes = transaction.blob_versioned_hashes().unwrap().to_vec();
    for id in [slot.to_string(), "head".into(), root, head.hash.to_string()] {
        let (status, answer) = get(format!("{base}/eth/v1/beacon/blobs/{id}")).await;
        assert_eq!((status, answer["data"].as_array().unwrap().len()), (200, 2), "{id}");
        for (blob, hash) in answer["data"].as_array().unwrap().iter().zip(&hashes) {
            let bytes: alloy_primitives::Bytes = blob.as_str().unwrap().parse().unwrap();
            let blob = Box::new(surety_l1::chain::Blob::from_slice(&bytes));
            assert_eq!(surety_l1::blobs::versioned_hash(&blob), Some(*hash));
        }
        let (_, one) = get(format!("{base}/eth/v1/beacon/blobs/{id}?versioned_hashes={}", hashes[1])).await;
        assert_eq!(one["data"], json!([answer["data"][1]]));
    }
    let (_, sidecars) = get(format!("{base}/eth/v1/beacon/blob_sidecars/{slot}?indices=1")).await;
    let commitment: alloy_primitives::Bytes = sidecars["data"][0]["kzg_commitment"].as_str().unwrap().parse().unwrap();
    assert_eq!(alloy::eips::eip4844::kzg_to_versioned_hash(&commitment), hashes[1]);
    assert_eq!(get(format!("{base}/eth/v1/beacon/blobs/1000000")).await.0, 404);
    assert_eq!(get(format!("{base}/eth/v1/beacon/blobs/nonsense")).await.0, 400);
    assert_eq!(get(format!("{base}/eth/v1/node/health")).await.0, 200);
    let (_, version) = get(format!("{base}/eth/v1/node/version")).await;
    assert!(version["data"]["version"].as_str().unwrap().starts_with("surety"));
    assert_eq!(get(format!("{base}/eth/v1/node/syncing")).await.1["data"]["head_slot"], slot.to_string());
    l1.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorg_changes_the_head_and_takes_transactions_again_or_drops_them() {
    let l1 = start(manual()).await;
    let provider = provider(&l1);
    for (policy, included) in [(ReorgPolicy::Keep, true), (ReorgPolicy::Drop, false)] {
        let hash = *provider.send_transaction(to(Address::repeat_byte(6))).await.unwrap().tx_hash();
        l1.control().mine(1).await.unwrap();
        let raw = blob_transaction(&provider, sidecar(b"blobs survive reorgs")).await;
        let blob_hash = *provider.send_raw_transaction(&raw).await.unwrap().tx_hash();
        let before = l1.control().mine(9).await.unwrap();
        assert!(provider.get_transaction_receipt(blob_hash).await.unwrap().is_some());
        let done = l1.control().reorg(10, policy).await.unwrap();
        assert_eq!((done.head.number, done.ancestor.number), (before.number, before.number - 10));
        assert_ne!(done.head.hash, before.hash);
        assert!(provider.get_block_by_hash(before.hash).await.unwrap().is_none());
        for hash in [hash, blob_hash] {
            let receipt = provider.get_transaction_receipt(hash).await.unwrap();
            assert_eq!(receipt.is_some(), included);
        }
        if included {
            let block = provider.get_transaction_receipt(blob_hash).await.unwrap().unwrap().block_hash.unwrap();
            let (_, blobs) = get(format!("{}/eth/v1/beacon/blobs/{block}", l1.beacon_url())).await;
            assert_eq!(blobs["data"].as_array().unwrap().len(), 1);
        }
    }
    assert!(l1.control().reorg(1_000, ReorgPolicy::Keep).await.is_err());
    l1.control().mine(130).await.unwrap();
    let done = l1.control().reorg_to(128, ReorgPolicy::Keep, 129).await.unwrap();
    assert_eq!(done.head.number, done.ancestor.number + 129);
    l1.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn safe_and_finalized_lag_behind_and_finality_can_be_stalled() {
    let l1 = start(manual()).await;
    let provider = provider(&l1);
    l1.control().mine(10).await.unwrap();
    let numbers = async || {
        let mut numbers = Vec::new();
        for tag in [BlockNumberOrTag::Latest, BlockNumberOrTag::Safe, BlockNumberOrTag::Finalized] {
            numbers.push(provider.get_block_by_number(tag).await.unwrap().unwrap().header.number);
        }
        numbers
    };
    assert_eq!(numbers().await, [10, 8, 6]);
    l1.control().set_finality_lag(1_000).await.unwrap();
    l1.control().mine(5).await.unwrap();
    assert_eq!(numbers().await, [15, 13, 6]);
    l1.control().set_finality_lag(3).await.unwrap();
    assert_eq!(numbers().await, [15, 13, 12]);
    l1.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn time_moves_as_told_and_controls_answer_over_rpc() {
    let l1 = start(manual()).await;
    let time = async || {
        let block = rpc(&l1, "eth_getBlockByNumber", json!(["latest", false])).await.unwrap();
        u64::from_str_radix(&block["timestamp"].as_str().unwrap()[2..], 16).unwrap()
    };
    rpc(&l1, "evm_mine", json!([])).await.unwrap();
    let first = time().await;
    rpc(&l1, "evm_increaseTime", json!([1_000])).await.unwrap();
    rpc(&l1, "dev_mine", json!([2])).await.unwrap();
    assert!((first + 998..first + 1_010).contains(&time().await));
    let at = first + 5_001;
    rpc(&l1, "evm_setNextBlockTimestamp", json!([format!("{at:#x}")])).await.unwrap();
    rpc(&l1, "evm_mine", json!([])).await.unwrap();
    assert_eq!(time().await, at);
    assert!(l1.control().now() >= at);
    rpc(&l1, "dev_skipSlots", json!([4])).await.unwrap();
    rpc(&l1, "anvil_mine", json!(["0x1"])).await.unwrap();
    assert!(time().await >= at + 4 * 2);
    let before = l1.control().head();
    let done = rpc(&l1, "dev_reorg", json!([2, "drop"])).await.unwrap();
    assert_eq!(done["head"]["number"], format!("{:#x}", before.number));
    assert_ne!(l1.control().head().hash, before.hash);
    for (method, params) in [
        ("evm_setNextBlockTimestamp", json!([1])),
        ("dev_reorg", json!([0])),
        ("dev_reorg", json!([1, "twice"])),
        ("dev_mine", json!([-1])),
        ("dev_mine", json!([1_000_000])),
    ] {
        assert!(rpc(&l1, method, params.clone()).await.is_err(), "{method} {params}");
    }
    l1.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_come_by_the_clock_unless_paused_or_skipped() {
    let l1 = start(quick()).await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let head = l1.control().head().number;
    assert!((1..=4).contains(&head), "{head}");
    l1.control().pause();
    let paused = l1.control().head().number;
    tokio::time::sleep(Duration::from_millis(2_200)).await;
    assert_eq!(l1.control().head().number, paused);
    l1.control().skip_slots(1);
    l1.control().resume();
    tokio::time::sleep(Duration::from_millis(3_200)).await;
    let resumed = l1.control().head().number - paused;
    assert!((1..=3).contains(&resumed), "{resumed}");
    l1.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_where_it_ended() {
    let directory = tempfile::tempdir().unwrap();
    let config = || Config { data_dir: Some(directory.path().to_owned()), ..manual() };
    let l1 = start(config()).await;
    let first = provider(&l1);
    let raw = blob_transaction(&first, sidecar(b"kept")).await;
    let hash = *first.send_raw_transaction(&raw).await.unwrap().tx_hash();
    l1.control().increase_time(10_000);
    l1.control().mine(3).await.unwrap();
    let head = l1.control().head();
    let genesis = first.get_block_by_number(0.into()).await.unwrap().unwrap().header.hash;
    l1.stop().await;
    let l1 = start(config()).await;
    let second = provider(&l1);
    assert_eq!(l1.control().head(), head);
    assert_eq!(second.get_block_by_number(0.into()).await.unwrap().unwrap().header.hash, genesis);
    let receipt = second.get_transaction_receipt(hash).await.unwrap().unwrap();
    let (_, blobs) = get(format!("{}/eth/v1/beacon/blobs/{}", l1.beacon_url(), receipt.block_hash.unwrap())).await;
    assert_eq!(blobs["data"].as_array().unwrap().len(), 1);
    // The clock does not fall behind the head.
    let next = l1.control().mine(1).await.unwrap();
    assert_eq!(next.number, head.number + 1);
    // A reorg reaches below the restart.
    let done = l1.control().reorg(4, ReorgPolicy::Keep).await.unwrap();
    assert!(done.ancestor.number == 0 && second.get_transaction_receipt(hash).await.unwrap().is_some());
    l1.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fee_market_is_real() {
    let l1 = start(Config { gas_limit: 5_000_000, ..manual() }).await;
    let provider = provider(&l1);
    let base_fee = async || {
        let block = provider.get_block_by_number(BlockNumberOrTag::Latest).await.unwrap().unwrap();
        block.header.base_fee_per_gas.unwrap()
    };
    // A creation that stores 20,480 bytes of code uses more than half of the gas.
    let code = alloy_primitives::hex!("6150006000f3").to_vec();
    let request = TransactionRequest::default().with_deploy_code(code).with_gas_limit(4_900_000);
    let _ = provider.send_transaction(request).await.unwrap();
    l1.control().mine(1).await.unwrap();
    let before = base_fee().await;
    l1.control().mine(1).await.unwrap();
    let raised = base_fee().await;
    assert!(raised > before, "{raised} after {before}");
    l1.control().mine(3).await.unwrap();
    assert!(base_fee().await < raised);
    l1.stop().await;
}

fn world(l1: &EmbeddedL1Handle) -> World {
    World::new(l1.rpc_url(), l1.beacon_url(), Duration::from_secs(1))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scenarios_of_the_l1_client_hold_here_too() {
    let l1 = start(quick()).await;
    common::messages_come_from_the_contracts_to_the_follower(&world(&l1)).await;
    common::reverts_are_told_by_name(&world(&l1)).await;
    common::blobs_go_up_and_come_back(&world(&l1)).await;
    l1.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_follows_a_reorg_of_the_contracts_events() {
    use surety_l1::follow::L1EventKind;
    let l1 = start(quick()).await;
    l1.control().set_finality_lag(1_000).await.unwrap();
    let world = world(&l1);
    let (addresses, first) = world.deploy().await;
    let deployed = l1.control().head().number;
    l1.control().mine(1).await.unwrap();
    let submitter = world.submitter(1).await;
    let deposit = surety_l1::submit::Outgoing {
        to: alloy_primitives::TxKind::Call(addresses.bridge),
        value: U256::from(10u64.pow(18)),
        ..Default::default()
    };
    submitter.submit(deposit).await.unwrap();
    let (mut follower, mut events) = (world.follower(addresses, first), Vec::new());
    l1.control().pause();
    common::catch_up(&mut follower, &mut events).await;
    assert_eq!(follower.position().messages.get(), 1);
    let before = follower.position();
    let depth = l1.control().head().number - deployed;
    l1.control().reorg_to(depth, ReorgPolicy::Drop, depth + 1).await.unwrap();
    let mut after = Vec::new();
    common::catch_up(&mut follower, &mut after).await;
    assert!(matches!(after[0].kind, L1EventKind::Reverted { .. }), "{after:?}");
    assert_eq!(follower.position().messages.get(), 0);
    // The submitter sees it gone and brings it back by itself.
    l1.control().resume();
    for _ in 0..200 {
        submitter.step().await.unwrap();
        common::catch_up(&mut follower, &mut after).await;
        if follower.position().messages.get() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(follower.position().messages.get(), 1);
    assert_ne!(follower.position().acc, before.acc);
    l1.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_is_deployed_and_its_file_says_where() {
    let l1 = start(quick()).await;
    deploys_a_chain(&world(&l1), l1.control().now()).await;
    l1.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_is_deployed_onto_anvil_too() {
    let Some((_anvil, world)) = common::anvil::start().await else { return };
    let head = surety_l1::L1::block(&*world.l1, surety_l1::BlockAt::Latest).await.unwrap().unwrap();
    deploys_a_chain(&world, head.time.get()).await;
}

async fn deploys_a_chain(world: &World, now: u64) {
    use surety_contracts::{ChainFile, FoundingSeat, Parameters, Profile, genesis::L2Genesis};
    use surety_devnet::deploy::{DeployRequest, deploy, predict};
    use surety_l1::{BlockAt, contracts::Contracts};
    use surety_types::{ChainParameters, Gas, Milliseconds, RollupId, Seconds, Term};
    let directory = tempfile::tempdir().unwrap();
    let keys = dev_accounts().unwrap();
    let protocol = Parameters::of(Profile::Ci, 75873);
    let there = predict(&*world.l1, keys[0].address()).await.unwrap();
    let request = DeployRequest {
        deployer: keys[0].clone(),
        parameters: ChainParameters {
            rollup: RollupId::new(75873),
            genesis_time: Seconds::new(now - 60),
            genesis_hash: B256::ZERO,
            block_time: Milliseconds::new(protocol.block_time_millis),
            gas_limit: Gas::new(protocol.block_gas_limit),
            base_fee_denominator: 250,
            base_fee_elasticity: 6,
            min_base_fee: 1_000,
            l1_base_fee_scalar: 5_000,
            l1_blob_base_fee_scalar: 800_000,
            da_footprint_gas_scalar: 400,
        },
        protocol,
        genesis: L2Genesis::new(75873),
        seats: (1..=4u8)
            .map(|seed| {
                let (owner, key) = (keys[usize::from(seed)].address(), [seed; 32]);
                let key = k256::ecdsa::SigningKey::from_slice(&key).unwrap();
                FoundingSeat::prove(there.l1_chain_id, there.addresses.registry, owner, &key, B256::repeat_byte(seed))
                    .unwrap()
            })
            .collect(),
        journal: directory.path().join("journal"),
    };
    let file = deploy(world.l1.clone(), request).await.unwrap();
    let path = directory.path().join("chain.json");
    file.write(&path).unwrap();
    assert_eq!(ChainFile::read(&path).unwrap(), file);
    let contracts = Contracts::new(&*world.l1, file.addresses);
    let committee = contracts.committee(Term::new(1), BlockAt::Latest).await.unwrap();
    assert_eq!(committee.iter().map(|m| m.seat).collect::<Vec<_>>(), [1, 2, 3, 4]);
    // A node that has nothing but the file makes the same genesis.
    surety_node::genesis::genesis(&file.parameters, &file.genesis).unwrap();
}
