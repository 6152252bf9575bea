//! The server from outside: limits, errors, subscriptions, filters, sending and trying transactions.

mod support;

use alloy_primitives::{Address, Bytes, U256, address, hex};
use jsonrpsee::{
    core::client::{ClientT, Subscription, SubscriptionClientT},
    rpc_params,
    ws_client::{WsClient, WsClientBuilder},
};
use serde_json::{Value, json};
use std::{net::SocketAddr, time::Duration};
use support::{Key, TestChain, call, post, raw};
use surety_rpc::{Config, Server, serve};

const CHAIN: u64 = 1337;
/// Returns the first word of its input plus one, stores it in slot 0 and logs it; reverts with the input when it is zero.
const COUNTER: Address = address!("0x00000000000000000000000000000000000c0de1");

/// PUSH0 CALLDATALOAD DUP1 ISZERO PUSH1 revert JUMPI; PUSH1 1 ADD DUP1 PUSH0 SSTORE DUP1 PUSH0 MSTORE PUSH1 7 PUSH1 32
/// PUSH0 LOG1 PUSH1 32 PUSH0 RETURN; revert: JUMPDEST PUSH1 4 PUSH0 PUSH0 CALLDATACOPY PUSH1 4 PUSH0 REVERT.
fn counter() -> Bytes {
    hex!("5f358015601a5760010180 5f55805f52600760205fa160205ff35b60045f5f3760045ffd").into()
}

fn word(n: u64) -> Bytes {
    U256::from(n).to_be_bytes_vec().into()
}

struct World {
    chain: TestChain,
    server: Server,
    alice: Key,
}

async fn world(config: Config) -> World {
    let alice = Key::new(1);
    let chain = TestChain::osaka(&[alice.address()], &[(COUNTER, counter())]);
    let server = serve(chain.backend.clone(), config).await.expect("a server");
    World { chain, server, alice }
}

/// A call on a thread of its own, so that the server keeps running.
async fn ask(address: SocketAddr, method: &'static str, params: Value) -> Value {
    tokio::task::spawn_blocking(move || call(address, method, params)).await.expect("no panic")
}

async fn result(address: SocketAddr, method: &'static str, params: Value) -> Value {
    let mut answer = ask(address, method, params).await;
    assert!(answer.get("error").is_none(), "{method}: {answer}");
    answer["result"].take()
}

async fn error(address: SocketAddr, method: &'static str, params: Value) -> (i64, String) {
    let answer = ask(address, method, params).await;
    let error = answer.get("error").unwrap_or_else(|| panic!("{method}: {answer}"));
    (error["code"].as_i64().expect("a code"), error["message"].as_str().expect("a text").to_owned())
}

async fn raw_post(
    address: SocketAddr,
    body: String,
    headers: &'static [(&'static str, &'static str)],
) -> (u16, String, String) {
    tokio::task::spawn_blocking(move || post(address, &body, headers)).await.expect("no panic")
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_have_json_rpcs_codes() {
    let World { server, .. } = world(Config { debug: false, ..Config::default() }).await;
    let at = server.address();
    assert_eq!(error(at, "eth_noSuchMethod", json!([])).await.0, -32601);
    assert_eq!(error(at, "debug_getRawHeader", json!(["latest"])).await.0, -32601, "it is switched off");
    assert_eq!(error(at, "eth_getBlockByNumber", json!(["7", false])).await.0, -32602);
    assert_eq!(error(at, "eth_chainId", json!([1])).await.0, -32602);
    assert_eq!(error(at, "eth_getBalance", json!({"address": "0x"})).await.0, -32602);
    assert_eq!(error(at, "eth_getBalance", json!([COUNTER, "0x5"])).await, (-32000, "header not found".to_owned()));
    let (_, _, body) = raw_post(at, "{".to_owned(), &[]).await;
    assert!(body.contains("-32700"), "{body}");
    assert_eq!(result(at, "eth_chainId", json!([])).await, json!("0x539"));
    assert_eq!(result(at, "net_version", json!([])).await, json!("1337"));
    assert_eq!(result(at, "web3_sha3", json!(["0x"])).await, json!(alloy_primitives::KECCAK256_EMPTY));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_batches_are_bounded_and_browsers_may_call() {
    let config = Config { max_request_bytes: 2_000, max_batch: 2, ..Config::default() };
    let World { server, .. } = world(config).await;
    let at = server.address();
    let one = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"});
    let (status, head, _) = raw_post(at, one.to_string(), &[("Origin", "https://wallet.example")]).await;
    assert_eq!(status, 200);
    assert!(head.to_lowercase().contains("access-control-allow-origin: *"), "{head}");
    let (_, _, body) = raw_post(at, json!([one, one]).to_string(), &[]).await;
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap().as_array().unwrap().len(), 2);
    let (_, _, body) = raw_post(at, json!([one, one, one]).to_string(), &[]).await;
    assert!(body.contains("error") && !body.contains("0x539"), "{body}");
    let (status, _, _) = raw_post(at, "x".repeat(3_000), &[]).await;
    assert_eq!(status, 413);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_server_frees_its_port() {
    let World { chain, server, .. } = world(Config::default()).await;
    let address = server.address();
    let taken = serve(chain.backend.clone(), Config { address, ..Config::default() }).await;
    assert!(taken.is_err_and(|error| error.to_string().contains("choose another port")));
    server.stop().await;
    let again = serve(chain.backend.clone(), Config { address, ..Config::default() }).await.expect("the port is free");
    assert_eq!(again.address(), address);
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_goes_from_the_pool_into_a_block() {
    let World { chain, server, alice } = world(Config::default()).await;
    let at = server.address();
    let first = alice.call(CHAIN, 0, COUNTER, 0, word(41));
    let second = alice.call(CHAIN, 1, COUNTER, 5, word(0));
    assert_eq!(result(at, "eth_sendRawTransaction", json!([raw(&second)])).await, json!(second.hash()));
    assert_eq!(result(at, "txpool_status", json!([])).await, json!({"pending": "0x0", "queued": "0x1"}));
    assert_eq!(result(at, "eth_sendRawTransaction", json!([raw(&first)])).await, json!(first.hash()));
    let nonce = |tag: &'static str| result(at, "eth_getTransactionCount", json!([alice.address(), tag]));
    assert_eq!((nonce("latest").await, nonce("pending").await), (json!("0x0"), json!("0x2")));
    let waiting = result(at, "eth_getTransactionByHash", json!([first.hash()])).await;
    assert_eq!((&waiting["blockHash"], &waiting["from"]), (&Value::Null, &json!(alice.address())));
    assert_eq!(result(at, "eth_getTransactionReceipt", json!([first.hash()])).await, Value::Null);
    assert_eq!(error(at, "eth_sendRawTransaction", json!([raw(&first)])).await, (-32000, "already known".to_owned()));

    let block = chain.mine();
    assert_eq!(block.block.transactions.len(), 2);
    assert!(chain.backend.pool().is_empty());
    let receipt = result(at, "eth_getTransactionReceipt", json!([first.hash()])).await;
    assert_eq!(receipt["status"], json!("0x1"));
    assert_eq!(receipt["logs"][0]["data"], json!(word(42)));
    assert_eq!(receipt["effectiveGasPrice"], json!("0xab5d04c0"), "base fee 0.875 gwei and 2 gwei on top");
    let failed = result(at, "eth_getTransactionReceipt", json!([second.hash()])).await;
    assert_eq!((&failed["status"], &failed["transactionIndex"]), (&json!("0x0"), &json!("0x1")));
    let all = result(at, "eth_getBlockReceipts", json!(["latest"])).await;
    assert_eq!(all, json!([receipt, failed]));
    assert_eq!(nonce("latest").await, json!("0x2"));
    assert_eq!(result(at, "eth_getStorageAt", json!([COUNTER, "0x0", "latest"])).await, json!(word(42)));
    assert_eq!(result(at, "eth_getStorageAt", json!([COUNTER, "0x0", "0x0"])).await, json!(word(0)));

    let used = error(at, "eth_sendRawTransaction", json!([raw(&first)])).await;
    assert_eq!(used, (-32000, "nonce too low: next nonce 2, tx nonce 0".to_owned()));
    let poor = Key::new(2).call(CHAIN, 0, COUNTER, 1, word(1));
    assert!(error(at, "eth_sendRawTransaction", json!([raw(&poor)])).await.1.starts_with("insufficient funds"));
    let elsewhere = alice.call(1, 2, COUNTER, 0, word(1));
    assert!(error(at, "eth_sendRawTransaction", json!([raw(&elsewhere)])).await.1.contains("invalid chain id"));
    let third = alice.call(CHAIN, 2, COUNTER, 0, word(1));
    let rival = alice.call(CHAIN, 2, COUNTER, 1, word(1));
    result(at, "eth_sendRawTransaction", json!([raw(&third)])).await;
    let underpriced = error(at, "eth_sendRawTransaction", json!([raw(&rival)])).await;
    assert_eq!(underpriced.1, "replacement transaction underpriced");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_there_when_the_head_is() {
    let World { chain, server, alice } = world(Config::default()).await;
    let at = server.address();
    let tx = alice.call(CHAIN, 0, COUNTER, 0, word(1));
    result(at, "eth_sendRawTransaction", json!([raw(&tx)])).await;
    let waiting = chain.backend.pool().best(0, 0, chain.backend.nonces());
    let transactions: Vec<_> = waiting.into_iter().map(|pooled| (*pooled.transaction).clone()).collect();
    let block = chain.build(chain.store.head().hash, &transactions, 0);
    chain.store.set_head(block.hash).expect("it is in memory");
    assert_eq!(result(at, "eth_getTransactionReceipt", json!([tx.hash()])).await, Value::Null);
    assert_eq!(result(at, "eth_getTransactionByHash", json!([tx.hash()])).await["blockHash"], Value::Null);
    chain.announce(Vec::new(), vec![block.clone()]);
    assert_eq!(result(at, "eth_getTransactionReceipt", json!([tx.hash()])).await["blockHash"], json!(block.hash));
    assert_eq!(result(at, "eth_getStorageAt", json!([COUNTER, "0x0", "latest"])).await, json!(word(2)));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_can_wait_for_the_receipt() {
    let World { chain, server, alice } = world(Config::default()).await;
    let at = server.address();
    let tx = alice.call(CHAIN, 0, COUNTER, 0, word(1));
    let waiting = tokio::spawn(ask(at, "eth_sendRawTransactionSync", json!([raw(&tx), 20_000])));
    while chain.backend.pool().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    chain.mine();
    let receipt = waiting.await.expect("no panic");
    assert_eq!(receipt["result"]["transactionHash"], json!(tx.hash()), "{receipt}");
    let next = alice.call(CHAIN, 1, COUNTER, 0, word(1));
    let late = ask(at, "eth_sendRawTransactionSync", json!([raw(&next), 10])).await;
    assert_eq!((&late["error"]["code"], &late["error"]["data"]), (&json!(4), &json!(next.hash())));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_see_overrides_and_explain_failures() {
    let World { server, alice, .. } = world(Config::default()).await;
    let at = server.address();
    let call = json!({"to": COUNTER, "input": word(1)});
    assert_eq!(result(at, "eth_call", json!([call])).await, json!(word(2)));
    let reverted = ask(at, "eth_call", json!([{"to": COUNTER, "data": word(0)}, "latest"])).await;
    assert_eq!(reverted["error"]["code"], json!(3));
    assert_eq!(reverted["error"]["data"], json!("0x00000000"));
    // NUMBER PUSH0 MSTORE PUSH1 32 PUSH0 RETURN; TIMESTAMP …; SELFBALANCE …; PUSH0 SLOAD …
    let returning = |opcode: &str| format!("0x{opcode}5f5260205ff3");
    let at_block = json!({"number": "0x64", "time": "0x65", "baseFeePerGas": "0x7"});
    let over = |opcode: &str| json!({COUNTER.to_string(): {"code": returning(opcode), "balance": "0x66", "stateDiff": {format!("{}", alloy_primitives::B256::ZERO): word(0x67)}}});
    for (opcode, expected) in [("43", 0x64), ("42", 0x65), ("47", 0x66), ("5f54", 0x67)] {
        let answer = result(at, "eth_call", json!([call, "latest", over(opcode), at_block])).await;
        assert_eq!(answer, json!(word(expected)), "{opcode}");
    }
    let rich = json!({"from": alice.address(), "to": COUNTER, "input": word(1), "gasPrice": "0x3b9aca00"});
    assert_eq!(result(at, "eth_call", json!([rich])).await, json!(word(2)));
    let poor = json!({"from": COUNTER, "to": alice.address(), "value": "0x1"});
    let (code, text) = error(at, "eth_call", json!([poor])).await;
    assert!(code == -32000 && text.starts_with("insufficient funds"), "{text}");

    let estimate =
        result(at, "eth_estimateGas", json!([{"from": alice.address(), "to": COUNTER, "input": word(1)}])).await;
    let gas = u64::from_str_radix(estimate.as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
    let with =
        |gas: u64| json!([{"from": alice.address(), "to": COUNTER, "input": word(1), "gas": format!("{gas:#x}")}]);
    assert_eq!(result(at, "eth_call", with(gas)).await, json!(word(2)));
    assert!(error(at, "eth_call", with(gas * 98 / 100)).await.1.contains("out of gas"), "{gas} is more than is needed");
    let allowance = error(at, "eth_estimateGas", with(30_000)).await;
    assert_eq!(allowance, (-32000, "gas required exceeds allowance (30000)".to_owned()));
    let list =
        result(at, "eth_createAccessList", json!([{"from": alice.address(), "to": COUNTER, "input": word(1)}])).await;
    assert_eq!(list["accessList"], json!([{"address": COUNTER, "storageKeys": [alloy_primitives::B256::ZERO]}]));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_show_calls_and_the_state_before() {
    let World { chain, server, alice } = world(Config::default()).await;
    let at = server.address();
    for (nonce, n) in [(0, 1), (1, 0)] {
        result(at, "eth_sendRawTransaction", json!([raw(&alice.call(CHAIN, nonce, COUNTER, 0, word(n)))])).await;
    }
    let block = chain.mine();
    let hashes: Vec<_> = block.block.transactions.iter().map(|tx| *tx.hash()).collect();
    let trace = |hash, options: Value| result(at, "debug_traceTransaction", json!([hash, options]));
    let calls = trace(hashes[0], json!({"tracer": "callTracer"})).await;
    assert_eq!((&calls["type"], &calls["to"], &calls["output"]), (&json!("CALL"), &json!(COUNTER), &json!(word(2))));
    assert_eq!(trace(hashes[1], json!({"tracer": "callTracer"})).await["error"], json!("execution reverted"));
    let before = trace(hashes[1], json!({"tracer": "prestateTracer"})).await;
    let sender = alice.address().to_string().to_lowercase();
    assert_eq!(before[&sender]["nonce"], json!(1), "the first transaction of the block is seen");
    let steps = trace(hashes[0], json!({})).await;
    assert_eq!((&steps["failed"], &steps["structLogs"][0]["op"]), (&json!(false), &json!("PUSH0")));
    let whole = result(at, "debug_traceBlockByNumber", json!(["latest", {"tracer": "callTracer"}])).await;
    assert_eq!(whole[0]["result"], calls);
    let tried =
        result(at, "debug_traceCall", json!([{"to": COUNTER, "input": word(9)}, "latest", {"tracer": "callTracer"}]))
            .await;
    assert_eq!(tried["output"], json!(word(10)));
    assert!(
        error(at, "debug_traceTransaction", json!([hashes[0], {"tracer": "{step: 1}"}]))
            .await
            .1
            .contains("tracer not found")
    );
    server.stop().await;
}

/// What a filter has gathered. The server takes up changes in its own time, so this asks until there is something.
async fn gathered(at: SocketAddr, id: &Value) -> Value {
    for _ in 0..1000 {
        let found = result(at, "eth_getFilterChanges", json!([id])).await;
        if found != json!([]) {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nothing was gathered");
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_gather_what_happens_between_polls() {
    let World { chain, server, alice } = world(Config { max_filters: 3, ..Config::default() }).await;
    let at = server.address();
    let logs = result(at, "eth_newFilter", json!([{"address": COUNTER}])).await;
    let blocks = result(at, "eth_newBlockFilter", json!([])).await;
    let waiting = result(at, "eth_newPendingTransactionFilter", json!([])).await;
    assert_eq!(error(at, "eth_newBlockFilter", json!([])).await.0, -32005);
    let tx = alice.call(CHAIN, 0, COUNTER, 0, word(1));
    result(at, "eth_sendRawTransaction", json!([raw(&tx)])).await;
    let block = chain.mine();
    let changes = |id: &Value| result(at, "eth_getFilterChanges", json!([id]));
    let found = gathered(at, &blocks).await;
    assert_eq!(found, json!([block.hash]));
    assert_eq!(changes(&blocks).await, json!([]));
    let found = gathered(at, &logs).await;
    assert_eq!((&found[0]["data"], &found[0]["removed"]), (&json!(word(2)), &json!(false)));
    assert_eq!(result(at, "eth_getFilterLogs", json!([logs])).await, found);
    assert_eq!(gathered(at, &waiting).await, json!([tx.hash()]));
    assert_eq!(result(at, "eth_uninstallFilter", json!([logs])).await, json!(true));
    assert_eq!(error(at, "eth_getFilterChanges", json!([logs])).await, (-32000, "filter not found".to_owned()));
    server.stop().await;
}

async fn subscribe(client: &WsClient, params: jsonrpsee::core::params::ArrayParams) -> Subscription<Value> {
    client.subscribe("eth_subscribe", params, "eth_unsubscribe").await.expect("a subscription")
}

async fn next(subscription: &mut Subscription<Value>) -> Value {
    let event = tokio::time::timeout(Duration::from_secs(10), subscription.next()).await.expect("an event in time");
    event.expect("the subscription is open").expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_see_heads_logs_and_reorganisations() {
    let World { chain, server, alice } = world(Config { max_subscriptions: 3, ..Config::default() }).await;
    let client = WsClientBuilder::default().build(format!("ws://{}", server.address())).await.expect("a connection");
    let mut heads = subscribe(&client, rpc_params!["newHeads"]).await;
    let mut logs = subscribe(&client, rpc_params!["logs", json!({"address": COUNTER, "topics": [word(7)]})]).await;
    let mut waiting = subscribe(&client, rpc_params!["newPendingTransactions"]).await;
    let more = client.subscribe::<Value, _>("eth_subscribe", rpc_params!["newHeads"], "eth_unsubscribe").await;
    assert!(more.is_err(), "a fourth subscription is one too many");

    let tx = alice.call(CHAIN, 0, COUNTER, 0, word(1));
    let hash: Value = client.request("eth_sendRawTransaction", rpc_params![raw(&tx)]).await.expect("taken");
    assert_eq!(next(&mut waiting).await, hash);
    let genesis = chain.store.head();
    let first = chain.mine();
    let head = next(&mut heads).await;
    assert_eq!((&head["hash"], &head["number"]), (&json!(first.hash), &json!("0x1")));
    let log = next(&mut logs).await;
    assert_eq!((&log["blockHash"], &log["removed"]), (&json!(first.hash), &json!(false)));

    let sender = first.senders[0];
    let same = surety_types::Recovered::new_unchecked(tx, sender);
    let rival = chain.build(genesis.hash, &[same], 1);
    chain.announce(vec![first.clone()], vec![rival.clone()]);
    assert_eq!(next(&mut heads).await["hash"], json!(rival.hash));
    let gone = next(&mut logs).await;
    assert_eq!((&gone["blockHash"], &gone["removed"]), (&json!(first.hash), &json!(true)));
    let back = next(&mut logs).await;
    assert_eq!((&back["blockHash"], &back["removed"]), (&json!(rival.hash), &json!(false)));
    heads.unsubscribe().await.expect("unsubscribed");
    // The place that is free again may be so a moment later.
    let weather = async {
        loop {
            let unknown =
                client.subscribe::<Value, _>("eth_subscribe", rpc_params!["weather"], "eth_unsubscribe").await;
            let error = unknown.err().map(|error| error.to_string()).expect("there is no such subscription");
            if error.contains("weather") {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), weather).await.expect("it is named in the refusal");
    server.stop().await;
}
