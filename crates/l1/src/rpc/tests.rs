use super::*;
use alloy::rpc::types::{Block, Header, Log};
use axum::{Json, Router, extract::State, routing::post};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::VecDeque;

/// An endpoint that says what it is told to say: each answer is the HTTP status and the `result` or `error` member.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<VecDeque<(u16, Value)>>>);

async fn answer(State(script): State<Script>, Json(request): Json<Value>) -> (axum::http::StatusCode, String) {
    let (status, mut body) = script.0.lock().pop_front().unwrap_or((200, json!({"result": null})));
    body["id"] = request["id"].clone();
    body["jsonrpc"] = "2.0".into();
    (axum::http::StatusCode::from_u16(status).unwrap(), body.to_string())
}

async fn endpoint(answers: impl IntoIterator<Item = (u16, Value)>) -> RpcL1 {
    let script = Script(Arc::new(Mutex::new(answers.into_iter().collect())));
    let router = Router::new().route("/", post(answer)).with_state(script);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // Ends with the test's runtime.
    tokio::spawn(async move { axum::serve(listener, router).await });
    let config = RpcConfig { backoff: Duration::from_millis(1), attempts: 3, ..RpcConfig::new(url, []) };
    RpcL1::new(config, None).unwrap()
}

fn header(number: u64) -> Header {
    let inner = alloy::consensus::Header { number, timestamp: 7 + number, ..Default::default() };
    Header { hash: inner.hash_slow(), inner, ..Default::default() }
}

fn block(header: Header) -> (u16, Value) {
    (200, json!({"result": Block::<alloy::rpc::types::Transaction>::empty(header)}))
}

fn log(number: u64, index: u64) -> Log {
    Log {
        inner: alloy_primitives::Log { address: Address::repeat_byte(1), data: Default::default() },
        block_hash: Some(B256::with_last_byte(number as u8)),
        block_number: Some(number),
        transaction_hash: Some(B256::repeat_byte(3)),
        transaction_index: Some(0),
        log_index: Some(index),
        ..Default::default()
    }
}

async fn logs(answer: Vec<Log>) -> Result<Vec<L1Log>, L1Error> {
    let l1 = endpoint([(200, json!({"result": answer}))]).await;
    l1.logs(L1Height::new(5), L1Height::new(9), &[Address::repeat_byte(1)]).await
}

#[tokio::test]
async fn a_block_is_taken_when_its_hash_is_its_own() {
    let l1 = endpoint([block(header(3)), block(header(3)), (200, json!({"result": null}))]).await;
    let found = l1.block(BlockAt::Number(L1Height::new(3))).await.unwrap().unwrap();
    assert_eq!((found.hash, found.time.get()), (header(3).hash, 10));
    assert!(l1.block(BlockAt::Hash(found.hash)).await.unwrap().is_some());
    assert_eq!(l1.block(BlockAt::Latest).await.unwrap(), None);
}

#[tokio::test]
async fn a_block_with_a_wrong_hash_or_another_than_asked_for_is_refused() {
    let mut forged = header(3);
    forged.hash = B256::repeat_byte(1);
    let l1 = endpoint([block(forged), block(header(4)), block(header(4))]).await;
    for at in [BlockAt::Latest, BlockAt::Number(L1Height::new(3)), BlockAt::Hash(header(3).hash)] {
        assert!(matches!(l1.block(at).await, Err(L1Error::Invalid { .. })), "{at:?}");
    }
}

#[tokio::test]
async fn failures_are_tried_again_and_then_told() {
    let busy = || (503, json!({"x": 1}));
    let l1 = endpoint([busy(), busy(), block(header(3)), busy(), busy(), busy()]).await;
    assert!(l1.block(BlockAt::Latest).await.unwrap().is_some());
    let error = l1.block(BlockAt::Latest).await.unwrap_err();
    assert_eq!(error.advice(), crate::Advice::Retry);
    assert!(matches!(error, L1Error::Unavailable { .. } | L1Error::Invalid { .. }), "{error}");
}

#[tokio::test]
async fn good_logs_are_taken_and_bad_ones_refused() {
    assert_eq!(logs(vec![log(5, 0), log(5, 1), log(9, 0)]).await.unwrap().len(), 3);
    let mut foreign = log(5, 0);
    foreign.inner.address = Address::repeat_byte(2);
    let mut removed = log(5, 0);
    removed.removed = true;
    let mut unplaced = log(5, 0);
    unplaced.block_hash = None;
    let mut forked = log(5, 1);
    forked.block_hash = Some(B256::repeat_byte(9));
    for bad in [
        vec![log(4, 0)],
        vec![log(10, 0)],
        vec![log(5, 0), log(5, 0)],
        vec![log(6, 0), log(5, 0)],
        vec![log(5, 0), forked],
        vec![foreign],
        vec![removed],
        vec![unplaced],
    ] {
        assert!(matches!(logs(bad.clone()).await, Err(L1Error::Invalid { .. })), "{bad:?}");
    }
}

#[tokio::test]
async fn a_query_that_is_too_large_is_told_apart() {
    let errors = [
        json!({"error": {"code": -32005, "message": "query returned more than 10000 results"}}),
        json!({"error": {"code": -32602, "message": "block range is too wide"}}),
    ];
    for error in errors {
        let l1 = endpoint([(200, error)]).await;
        let result = l1.logs(L1Height::new(5), L1Height::new(9), &[]).await;
        assert!(matches!(result, Err(L1Error::TooLarge { .. })), "{result:?}");
    }
}

#[tokio::test]
async fn a_revert_says_why() {
    let data = "0x08c379a00000000000000000000000000000000000000000000000000000000000000020000000000000000000000000000000000000000000000000000000000000000568656c6c6f000000000000000000000000000000000000000000000000000000";
    let l1 = endpoint([(200, json!({"error": {"code": 3, "message": "execution reverted", "data": data}}))]).await;
    let error = l1.estimate_gas(&Call::default()).await.unwrap_err();
    assert!(matches!(error, L1Error::Reverted { .. }) && error.to_string().contains("hello"), "{error}");
}

#[tokio::test]
async fn a_transaction_the_pool_has_already_is_sent() {
    let known = json!({"error": {"code": -32000, "message": "already known"}});
    let low = json!({"error": {"code": -32000, "message": "nonce too low"}});
    let l1 = endpoint([(200, known), (200, low)]).await;
    l1.send_raw(&[1]).await.unwrap();
    assert!(matches!(l1.send_raw(&[1]).await, Err(L1Error::Refused { .. })));
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    async fn endless() -> axum::body::Body {
        let chunk = vec![b'1'; 1 << 20];
        axum::body::Body::from_stream(futures::stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone())))
    }
    let router = Router::new().route("/", post(endless));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let l1 = RpcL1::new(RpcConfig { attempts: 1, ..RpcConfig::new(url, []) }, None).unwrap();
    assert!(matches!(l1.chain_id().await, Err(L1Error::TooLarge { .. })));
}

#[test]
fn only_http_urls_are_taken() {
    for bad in ["", "127.0.0.1:8545", "ftp://x", "ws://127.0.0.1:1"] {
        assert!(RpcL1::new(RpcConfig::new(bad, []), None).is_err(), "{bad}");
        assert!(RpcL1::new(RpcConfig::new("http://a", [bad.to_owned()]), None).is_err(), "{bad}");
    }
}
