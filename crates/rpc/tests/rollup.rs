//! The same server over the L2: deposits, OP-style receipts, fees.

mod support;

use alloy_genesis::Genesis;
use alloy_primitives::{Address, B256, Bytes, U256};
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc};
use support::{Key, alloc, call, state_root};
use surety_rpc::{ChainBackend, ChainBackendParts, ChainKind, Config, HeadChange, StoredBlock, Tags, serve};
use surety_state::{ExecutedBlock, Store};
use surety_stf::{
    StateReader,
    execute::op::{self, BlockExecutor, HeaderParts},
};
use surety_types::{
    ChainParameters, Gas, L1Height, L2Height, Message, MessageIndex, MessageKind, Milliseconds, Recovered, RollupId,
    Seconds, Transaction, message::L1Info, predeploys,
};

const CHAIN: u64 = 75873;
const ETHER: u128 = 1_000_000_000_000_000_000;

fn parameters() -> ChainParameters {
    ChainParameters {
        rollup: RollupId::new(CHAIN),
        genesis_time: Seconds::new(1_700_000_000),
        genesis_hash: B256::ZERO,
        block_time: Milliseconds::new(200),
        gas_limit: Gas::new(30_000_000),
        base_fee_denominator: 250,
        base_fee_elasticity: 2,
        min_base_fee: 1_000_000,
        l1_base_fee_scalar: 5_000,
        l1_blob_base_fee_scalar: 800_000,
        da_footprint_gas_scalar: 400,
    }
}

fn messages(to: Address) -> Vec<Message> {
    let info = L1Info {
        number: L1Height::new(10),
        time: Seconds::new(1_700_000_000),
        hash: B256::repeat_byte(1),
        prev_randao: B256::repeat_byte(2),
        base_fee: U256::from(12_000_000_000u64),
        blob_base_fee: U256::from(3_000_000_000u64),
        ..L1Info::default()
    };
    let deposit = Message {
        kind: MessageKind::Deposit,
        index: MessageIndex::new(1),
        l1_block: L1Height::new(11),
        l1_time: Seconds::new(1_700_000_000),
        sender: to,
        to,
        value: U256::ZERO,
        mint: U256::from(ETHER),
        gas: Gas::new(100_000),
        data: Bytes::new(),
    };
    vec![info.to_message(MessageIndex::ZERO, L1Height::new(11)), deposit]
}

struct Rollup {
    store: Store,
    backend: Arc<ChainBackend>,
}

impl Rollup {
    fn new() -> Self {
        let accounts = surety_contracts::genesis::L2Genesis::new(CHAIN).alloc().expect("the genesis is well formed");
        let genesis = Genesis { alloc: accounts.into_iter().collect(), ..Genesis::default() };
        let header = op::genesis_block(&parameters(), state_root(&genesis), alloy_trie::EMPTY_ROOT_HASH).header;
        let config = surety_state::Config { max_bytes: 1 << 30, ..Default::default() };
        let start = surety_state::Genesis { header, alloc: alloc(&genesis) };
        let store = Store::open(None, config, start).expect("a temporary store opens");
        let backend = Arc::new(ChainBackend::new(ChainBackendParts {
            store: store.clone(),
            chain: ChainKind::L2(parameters()),
            tags: Tags { latest: store.head(), safe: None, finalized: None },
            pool_capacity: 100,
            sidecar_check: None,
        }));
        Self { store, backend }
    }

    fn block(&self, messages: &[Message], transactions: Vec<Recovered<Transaction>>) -> Arc<StoredBlock> {
        let parent = self.store.head();
        let header = self.store.header(parent.hash).expect("readable").expect("the head");
        let parts = HeaderParts {
            context_root: B256::ZERO,
            milliseconds: Milliseconds::new(header.timestamp * 1000 + 1000),
            beneficiary: predeploys::SEQUENCER_FEE_VAULT,
        };
        let view = self.store.view(parent.hash).expect("the head's state");
        let mut executor = BlockExecutor::new(&parameters(), &header, parent.hash, parts, messages, view.clone())
            .expect("the messages are next");
        for tx in transactions {
            executor.push(tx).expect("a valid transaction");
        }
        let executed = executor.finish().expect("a block ends");
        let roots = view.root(&executed.changes).expect("a root");
        let passer =
            view.storage_root_after(&roots, predeploys::L2_TO_L1_MESSAGE_PASSER).expect("the passer's storage root");
        let block = op::seal(&executed, roots.state_root, passer);
        let hash = block.hash();
        let op::ExecutedPayload { senders, receipts, changes, .. } = executed;
        let updates = roots.updates;
        self.store
            .insert(ExecutedBlock { block, hash, senders, receipts, changes, updates, aux: Bytes::new() })
            .expect("it stands on its parent");
        self.store.set_head(hash).expect("it is in memory");
        let block = self.store.block(hash).expect("readable").expect("just inserted");
        let tags = Tags { latest: block.at(), safe: None, finalized: None };
        self.backend.advance(HeadChange { removed: Vec::new(), added: vec![block.clone()] }, tags);
        block
    }

    fn balance(&self, address: Address) -> U256 {
        let view = self.store.latest().expect("the head's state");
        view.account(address).expect("readable").map_or(U256::ZERO, |account| account.balance)
    }
}

fn number(value: &Value) -> U256 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value} is no quantity"))
}

async fn ask(address: SocketAddr, method: &'static str, params: Value) -> Value {
    let mut answer = tokio::task::spawn_blocking(move || call(address, method, params)).await.expect("no panic");
    assert!(answer.get("error").is_none(), "{method}: {answer}");
    answer["result"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_show_what_l2_transactions_paid_for_l1() {
    let alice = Key::new(1);
    let rollup = Rollup::new();
    rollup.block(&messages(alice.address()), Vec::new());
    assert_eq!(rollup.balance(alice.address()), U256::from(ETHER));
    // The deposit was sent in her name and took nonce 0.
    let tx = alice.call(CHAIN, 1, Address::repeat_byte(9), 1000, Bytes::from(vec![7; 300]));
    let block = rollup.block(&[], vec![Recovered::new_unchecked(tx.clone(), alice.address())]);
    let server = serve(rollup.backend.clone(), Config::default()).await.expect("a server");
    let at = server.address();

    let receipt = ask(at, "eth_getTransactionReceipt", json!([tx.hash()])).await;
    let gas = number(&receipt["gasUsed"]) * number(&receipt["effectiveGasPrice"]);
    let l1_fee = number(&receipt["l1Fee"]);
    assert!(!l1_fee.is_zero());
    let paid = U256::from(ETHER) - rollup.balance(alice.address());
    assert_eq!(paid, gas + l1_fee + U256::from(1000), "the receipt's fees are what was charged");
    assert_eq!(number(&receipt["l1GasPrice"]), U256::from(12_000_000_000u64));
    assert_eq!(number(&receipt["l1BlobBaseFee"]), U256::from(3_000_000_000u64));
    assert_eq!(receipt["l1BaseFeeScalar"], json!("0x1388"));
    assert_eq!(receipt["l1BlobBaseFeeScalar"], json!("0xc3500"));
    assert_eq!(receipt["daFootprintGasScalar"], json!("0x190"));
    assert_eq!(receipt["transactionIndex"], json!("0x1"));
    let header = ask(at, "eth_getBlockByNumber", json!(["latest", true])).await;
    assert_eq!(header["hash"], json!(block.hash));
    assert_eq!(receipt["blobGasUsed"], header["blobGasUsed"], "one transaction has all of the block's data footprint");
    assert_eq!(header["withdrawals"], json!([]));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deposits_look_as_sdks_expect_them() {
    let alice = Key::new(1).address();
    let rollup = Rollup::new();
    let block = rollup.block(&messages(alice), Vec::new());
    let server = serve(rollup.backend.clone(), Config::default()).await.expect("a server");
    let at = server.address();
    let deposit = ask(at, "eth_getTransactionByBlockNumberAndIndex", json!(["0x1", "0x2"])).await;
    let hash = *block.block.transactions[2].hash();
    for (member, expected) in [
        ("type", json!("0x7e")),
        ("hash", json!(hash)),
        ("from", json!(alice)),
        ("to", json!(alice)),
        ("mint", json!("0xde0b6b3a7640000")),
        ("value", json!("0x0")),
        ("gas", json!("0x186a0")),
        ("gasPrice", json!("0x0")),
        ("nonce", json!("0x0")),
        ("isSystemTx", json!(false)),
        ("depositReceiptVersion", json!("0x1")),
        ("v", json!("0x0")),
        ("r", json!("0x0")),
        ("s", json!("0x0")),
    ] {
        assert_eq!(deposit[member], expected, "{member}");
    }
    assert_eq!(deposit["sourceHash"].as_str().map(str::len), Some(66));
    for absent in ["chainId", "accessList", "maxFeePerGas", "yParity"] {
        assert!(deposit.get(absent).is_none(), "{absent}");
    }
    let receipt = ask(at, "eth_getTransactionReceipt", json!([hash])).await;
    assert_eq!((&receipt["depositNonce"], &receipt["depositReceiptVersion"]), (&json!("0x0"), &json!("0x1")));
    assert_eq!((&receipt["effectiveGasPrice"], &receipt["status"]), (&json!("0x0"), &json!("0x1")));
    assert!(receipt.get("l1Fee").is_none());
    let raw = ask(at, "eth_getRawTransactionByHash", json!([hash])).await;
    assert!(raw.as_str().is_some_and(|raw| raw.starts_with("0x7e")));
    let refused = tokio::task::spawn_blocking(move || call(at, "eth_sendRawTransaction", json!([raw]))).await;
    assert_eq!(refused.expect("no panic")["error"]["message"], json!("transaction type not supported"));
    let traces = ask(at, "debug_traceBlockByNumber", json!(["0x1", {"tracer": "callTracer"}])).await;
    assert_eq!(traces.as_array().map(Vec::len), Some(3));
    assert_eq!(traces[0]["result"]["to"], json!(predeploys::L1_BLOCK));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_l2_has_fees_and_predeploys_but_no_blobs() {
    let alice = Key::new(1).address();
    let rollup = Rollup::new();
    rollup.block(&messages(alice), Vec::new());
    let server = serve(rollup.backend.clone(), Config::default()).await.expect("a server");
    let at = server.address();
    assert_eq!(ask(at, "eth_chainId", json!([])).await, json!("0x12861"));
    assert_eq!(ask(at, "eth_maxPriorityFeePerGas", json!([])).await, json!("0xf4240"), "the default while idle");
    let next = number(&ask(at, "eth_baseFee", json!([])).await);
    let price = number(&ask(at, "eth_gasPrice", json!([])).await);
    assert!(price > next && next >= U256::from(1_000_000));
    // GasPriceOracle.l1BaseFee()
    let oracle = json!({"to": predeploys::GAS_PRICE_ORACLE, "data": "0x519b4bd3"});
    assert_eq!(number(&ask(at, "eth_call", json!([oracle])).await), U256::from(12_000_000_000u64));
    let transfer = json!({"from": alice, "to": Address::repeat_byte(3), "value": "0x1"});
    assert_eq!(ask(at, "eth_estimateGas", json!([transfer])).await, json!("0x5208"));
    let history = ask(at, "eth_feeHistory", json!(["0x2", "latest", [50]])).await;
    assert_eq!(history["oldestBlock"], json!("0x0"));
    assert_eq!(history["reward"], json!([["0x0"], ["0x0"]]), "deposits pay no priority fee");
    assert_eq!(ask(at, "surety_finality", json!([99])).await, Value::Null);
    assert!(surety_rpc::Backend::finality(&*rollup.backend, L2Height::new(1)).is_none());
    server.stop().await;
}
