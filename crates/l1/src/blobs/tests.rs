use super::*;
use crate::chain::{BlockAt, L1};
use crate::rpc::{RpcConfig, RpcL1};
use alloy_primitives::hex;
use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    routing::get,
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;
use surety_types::{L1Height, Seconds};

fn blob(seed: u8) -> Box<Blob> {
    let mut blob = Box::new(Blob::ZERO);
    blob[1] = seed;
    blob[131_071] = seed;
    blob
}

fn hash(seed: u8) -> B256 {
    versioned_hash(&blob(seed)).unwrap()
}

/// What a fake beacon node has, and which ids it was asked for.
#[derive(Clone, Default)]
struct Beacon {
    blobs: Arc<Vec<Box<Blob>>>,
    new_form: bool,
    spec: bool,
    asked: Arc<Mutex<Vec<String>>>,
}

async fn serve(beacon: Beacon) -> String {
    async fn blobs(
        State(b): State<Beacon>,
        Path(id): Path<String>,
        Query(query): Query<Value>,
    ) -> Result<Json<Value>, StatusCode> {
        if !b.new_form {
            return Err(StatusCode::NOT_FOUND);
        }
        b.asked.lock().push(format!("{id} {}", query["versioned_hashes"].as_str().unwrap().len()));
        Ok(Json(json!({"data": b.blobs.iter().map(|b| hex::encode_prefixed(**b)).collect::<Vec<_>>()})))
    }
    async fn sidecars(State(b): State<Beacon>, Path(id): Path<String>) -> Json<Value> {
        b.asked.lock().push(format!("sidecars {id}"));
        Json(json!({"data": b.blobs.iter().map(|b| json!({"blob": hex::encode_prefixed(**b)})).collect::<Vec<_>>()}))
    }
    async fn spec(State(b): State<Beacon>) -> Result<Json<Value>, StatusCode> {
        if b.spec { Ok(Json(json!({"data": {"SECONDS_PER_SLOT": "12"}}))) } else { Err(StatusCode::NOT_FOUND) }
    }
    let router = Router::new()
        .route("/eth/v1/beacon/blobs/{id}", get(blobs))
        .route("/eth/v1/beacon/blob_sidecars/{id}", get(sidecars))
        .route("/eth/v1/config/spec", get(spec))
        .route("/eth/v1/beacon/genesis", get(|| async { Json(json!({"data": {"genesis_time": "1000"}})) }))
        .with_state(beacon);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

fn block() -> BlockRef {
    BlockRef { number: L1Height::new(3), hash: B256::repeat_byte(5), parent: B256::ZERO, time: Seconds::new(1_060) }
}

fn l1(beacons: Vec<String>, archive: Option<Arc<Archive>>) -> RpcL1 {
    RpcL1::new(RpcConfig::new("http://127.0.0.1:1", beacons), archive).unwrap()
}

#[tokio::test]
async fn blobs_are_asked_for_by_slot_and_come_in_the_order_asked_for() {
    let beacon =
        Beacon { blobs: Arc::new(vec![blob(1), blob(2), blob(3)]), new_form: true, spec: true, ..Default::default() };
    let l1 = l1(vec![serve(beacon.clone()).await], None);
    assert_eq!(l1.blobs(block(), &[hash(3), hash(1)]).await.unwrap(), [blob(3), blob(1)]);
    assert_eq!(*beacon.asked.lock(), ["5 133"]);
}

#[tokio::test]
async fn nodes_without_the_new_endpoint_or_a_spec_are_served_by() {
    let beacon = Beacon { blobs: Arc::new(vec![blob(1)]), ..Default::default() };
    let l1 = l1(vec![serve(beacon.clone()).await], None);
    assert_eq!(l1.blobs(block(), &[hash(1)]).await.unwrap(), [blob(1)]);
    assert_eq!(*beacon.asked.lock(), [format!("sidecars {}", block().hash)]);
}

#[tokio::test]
async fn a_wrong_blob_is_never_taken_and_the_next_endpoint_is_asked() {
    let liar = Beacon {
        blobs: Arc::new(vec![blob(2), Box::new(Blob::repeat_byte(0xff))]),
        new_form: true,
        spec: true,
        ..Default::default()
    };
    let honest = Beacon { blobs: Arc::new(vec![blob(1)]), new_form: true, spec: true, ..Default::default() };
    let lying = l1(vec![serve(liar.clone()).await], None);
    let error = lying.blobs(block(), &[hash(1)]).await.unwrap_err();
    assert!(matches!(error, L1Error::BlobMissing { .. }), "{error}");
    let l1 = l1(vec![serve(liar).await, "http://127.0.0.1:1".into(), serve(honest).await], None);
    assert_eq!(l1.blobs(block(), &[hash(1)]).await.unwrap(), [blob(1)]);
}

#[tokio::test]
async fn the_archive_outlives_the_beacon_node_and_is_checked() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Arc::new(Archive::open(directory.path(), 2).unwrap());
    let beacon = Beacon { blobs: Arc::new(vec![blob(1), blob(2)]), new_form: true, spec: true, ..Default::default() };
    let l1_with_node = l1(vec![serve(beacon).await], Some(open()));
    l1_with_node.blobs(block(), &[hash(1), hash(2)]).await.unwrap();
    let archive = open();
    let alone = l1(vec![], Some(archive.clone()));
    assert_eq!(alone.blobs(block(), &[hash(2), hash(1)]).await.unwrap(), [blob(2), blob(1)]);
    // A third pushes the first out; a damaged file is no answer.
    archive.put(hash(3), &blob(3)).await.unwrap();
    assert_eq!(archive.len(), 2);
    assert!(directory.path().join(format!("{}.blob", hash(3))).exists());
    std::fs::write(directory.path().join(format!("{}.blob", hash(3))), *blob(2)).unwrap();
    assert!(archive.get(hash(3)).await.is_none());
    assert!(matches!(alone.blobs(block(), &[hash(3)]).await, Err(L1Error::BlobMissing { .. })));
}

#[tokio::test]
async fn too_many_blobs_are_not_asked_for() {
    let many = vec![hash(1); MAX_BLOBS + 1];
    assert!(matches!(l1(vec![], None).blobs(block(), &many).await, Err(L1Error::TooLarge { .. })));
    assert!(l1(vec![], None).block(BlockAt::Latest).await.is_err());
}

#[test]
fn bytes_that_are_no_field_elements_have_no_versioned_hash() {
    assert_eq!(versioned_hash(&Blob::repeat_byte(0xff)), None);
}

#[tokio::test]
async fn an_archive_serves_another_follower() {
    let directory = tempfile::tempdir().unwrap();
    let archive = Arc::new(Archive::open(directory.path(), 4).unwrap());
    for seed in [1, 2] {
        archive.put(hash(seed), &blob(seed)).await.unwrap();
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, archive_router(archive)).await });
    let follower = l1(vec![url.clone()], None);
    assert_eq!(follower.blobs(block(), &[hash(2), hash(1)]).await.unwrap(), [blob(2), blob(1)]);
    assert!(matches!(follower.blobs(block(), &[hash(3)]).await, Err(L1Error::BlobMissing { .. })));
    let status = async |query: &str| {
        let url = format!("{url}/eth/v1/beacon/blobs/head{query}");
        reqwest::get(url).await.unwrap().status().as_u16()
    };
    assert_eq!(status("").await, 400);
    assert_eq!(status("?versioned_hashes=0x12").await, 400);
    assert_eq!(status(&format!("?versioned_hashes={}", vec![hash(1).to_string(); MAX_BLOBS + 1].join(","))).await, 400);
}
