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
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
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

#[test]
fn an_archive_opens_while_files_come_and_go() {
    let directory = tempfile::tempdir().unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in (0..=u8::MAX).cycle().take_while(|_| !done.load(Ordering::Relaxed)) {
                let aside = directory.path().join(format!("{n}.tmp"));
                // Whoever opens the archive takes it for a leftover.
                let _ = std::fs::write(&aside, [n]).and_then(|()| {
                    let kept = directory.path().join(format!("{}.blob", B256::repeat_byte(n)));
                    std::fs::rename(&aside, &kept)?;
                    std::fs::remove_file(kept)
                });
            }
        });
        for _ in 0..300 {
            Archive::open(directory.path(), Archive::ALL).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn many_that_put_the_same_blob_at_once_do_not_hinder_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let archive = Arc::new(Archive::open(directory.path(), 64).unwrap());
    for seed in 1..=16 {
        let (hash, blob) = (hash(seed), Arc::new(blob(seed)));
        let mut writers = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (archive, blob) = (archive.clone(), blob.clone());
            writers.spawn(async move { archive.put(hash, &blob).await });
        }
        assert!(writers.join_all().await.iter().all(Result::is_ok), "every writer succeeds");
        assert_eq!(archive.get(hash).await.unwrap(), *blob);
    }
    let left = std::fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(left, 16, "nothing but the blobs is left");
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

/// An archive with these blobs, served; it goes with its folder.
async fn archive(seeds: &[u8], limits: ArchiveLimits) -> (tempfile::TempDir, ArchiveServer, String) {
    let directory = tempfile::tempdir().unwrap();
    let archive = Arc::new(Archive::open(directory.path(), Archive::ALL).unwrap());
    for seed in seeds {
        archive.put(hash(*seed), &blob(*seed)).await.unwrap();
    }
    let server = ArchiveServer::start(archive, ([127, 0, 0, 1], 0).into(), limits).await.unwrap();
    let url = format!("http://{}", server.address());
    (directory, server, url)
}

#[tokio::test]
async fn an_archive_serves_another_follower() {
    let (directory, server, url) = archive(&[1, 2], ArchiveLimits::default()).await;
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
    assert_eq!(status(&format!("?versioned_hashes={}", hash(3))).await, 404);
    // A file that was damaged is not served as what it was.
    std::fs::write(directory.path().join(format!("{}.blob", hash(1))), *blob(2)).unwrap();
    let body = reqwest::get(format!("{url}/eth/v1/beacon/blobs/1?versioned_hashes={},{}", hash(1), hash(2))).await;
    let body: Value = serde_json::from_slice(&body.unwrap().bytes().await.unwrap()).unwrap();
    assert_eq!(body["data"], json!([hex::encode_prefixed(*blob(2))]));
    server.stop().await;
}

/// An archive that answers each question for blobs with this.
async fn hostile(status: u16, body: impl Into<axum::body::Bytes>) -> String {
    let (status, body) = (StatusCode::from_u16(status).unwrap(), body.into());
    let router = Router::new().route("/eth/v1/beacon/blobs/{id}", get(move || async move { (status, body) }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test]
async fn whatever_hostile_archives_give_is_refused_by_its_commitment_and_the_next_source_is_asked() {
    let given = |blobs: &[&[u8]]| {
        let blobs: Vec<_> = blobs.iter().map(hex::encode_prefixed).collect();
        json!({ "data": blobs }).to_string()
    };
    let mut flipped = blob(1);
    flipped[70_000] ^= 1;
    let (right, long) = (blob(1), [blob(1).to_vec(), vec![0]].concat());
    let answers: Vec<(u16, String, &str)> = vec![
        (200, given(&[blob(2).as_slice()]), "gave 1 others instead"),
        (200, given(&[flipped.as_slice()]), "gave 1 others instead"),
        (200, given(&[Blob::repeat_byte(0xff).as_slice()]), "gave 1 others instead"),
        (200, given(&[&right[..131_071]]), "gave 1 others instead"),
        (200, given(&[&long]), "gave 1 others instead"),
        (200, given(&[&[]]), "gave 1 others instead"),
        (200, given(&[[].as_slice(); MAX_BLOBS + 1]), "more blobs than a block can have"),
        (200, given(&[]), "did not have it"),
        (404, String::new(), "did not have it"),
        (200, "{}".into(), "cannot be read"),
        (200, "\u{0}".repeat(crate::transport::MAX_RESPONSE + 1), "longer than 32 MiB"),
        (503, String::new(), "HTTP status 503"),
    ];
    let mut all = Vec::new();
    for (status, body, said) in answers {
        let url = hostile(status, body).await;
        let error = l1(vec![url.clone()], None).blobs(block(), &[hash(1)]).await.unwrap_err();
        assert!(matches!(&error, L1Error::BlobMissing { reason, .. } if reason.contains(said)), "{said}: {error}");
        all.push(url);
    }
    let directory = tempfile::tempdir().unwrap();
    let kept = Arc::new(Archive::open(directory.path(), Archive::ALL).unwrap());
    // One of the liars has one of the two blobs, the last source has the other.
    all.push(hostile(200, given(&[blob(2).as_slice(), right.as_slice(), flipped.as_slice()])).await);
    let (_honest_directory, server, honest) = archive(&[3], ArchiveLimits::default()).await;
    all.push(honest);
    let found = l1(all, Some(kept.clone())).blobs(block(), &[hash(1), hash(3)]).await.unwrap();
    assert_eq!(found, [blob(1), blob(3)]);
    assert_eq!(kept.len(), 2, "nothing else was kept");
    server.stop().await;
}

#[tokio::test]
async fn who_does_not_read_its_answer_holds_up_an_archive_for_a_bounded_time_only() {
    use tokio::io::AsyncWriteExt as _;
    let limits = ArchiveLimits { requests: 1, patience: std::time::Duration::from_millis(100) };
    let (_directory, server, url) = archive(&[1, 2], limits).await;
    // 33 MB, more than the system keeps for somebody who reads nothing.
    let query = vec![hash(1).to_string(); MAX_BLOBS].join(",");
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut idle = socket.connect(server.address()).await.unwrap();
    let request = format!("GET /eth/v1/beacon/blobs/1?versioned_hashes={query} HTTP/1.1\r\nhost: archive\r\n\r\n");
    idle.write_all(request.as_bytes()).await.unwrap();
    let ask = async || reqwest::get(format!("{url}/eth/v1/beacon/blobs/1?versioned_hashes={}", hash(2))).await.unwrap();
    let (mut busy, mut served) = (0, false);
    for _ in 0..3_000 {
        let answer = ask().await;
        if answer.status() == 503 {
            assert_eq!(answer.headers()["retry-after"], "1");
            busy += 1;
        } else if busy > 0 {
            assert_eq!(answer.status(), 200);
            served = true;
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(busy > 0, "one at a time");
    assert!(served, "the other one was cut off");
    drop(idle);
    server.stop().await;
}

#[tokio::test]
async fn an_archive_without_bound_keeps_all_and_one_that_expires_forgets_the_oldest() {
    let directory = tempfile::tempdir().unwrap();
    let archive = Archive::open(directory.path(), Archive::ALL).unwrap();
    for seed in 1..=5 {
        archive.put(hash(seed), &blob(seed)).await.unwrap();
    }
    assert_eq!(archive.len(), 5);
    archive.keep_newest(2);
    assert!((1..=3).all(|seed| !archive.holds(hash(seed))) && archive.get(hash(5)).await.is_some());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
}
