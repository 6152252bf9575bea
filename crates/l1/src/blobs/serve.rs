//! An archive served in the beacon API's form, for followers that come after the blobs have expired.
//!
//! `GET /eth/v1/beacon/blobs/{block_id}?versioned_hashes=…`: the blobs of these hashes that the archive has, in the order
//! asked for, at most [`MAX_BLOBS`]. The block id is not looked at, since the hashes say everything; without
//! hashes there is nothing to answer. There is no `spec`, by which [`BeaconClient`](super::BeaconClient) knows that no slots are
//! counted here.
//!
//! Who asks is a stranger. At most [`ArchiveLimits::requests`] are answered at once, the others are told to come again; an
//! answer is read from disk blob by blob while it is taken, and cut off when nobody takes the next one for
//! [`ArchiveLimits::patience`]. So memory is bounded by a few blobs for each of them.

use super::{Archive, MAX_BLOBS};
use crate::metrics;
use alloy_primitives::{B256, hex};
use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{RawQuery, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    task::JoinHandle,
};

/// How long those whose answers were begun have for the rest when the server stops.
const LAST_ANSWERS: Duration = Duration::from_secs(3);

/// What strangers may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveLimits {
    /// Requests answered at once.
    pub requests: usize,
    /// The longest wait until the next blob of an answer is taken.
    pub patience: Duration,
}

impl Default for ArchiveLimits {
    /// 16 at once, 20 s for each blob.
    fn default() -> Self {
        Self { requests: 16, patience: Duration::from_secs(20) }
    }
}

/// A running server over an archive. Dropped without [`ArchiveServer::stop`], it ends all the same.
#[derive(Debug)]
pub struct ArchiveServer {
    address: SocketAddr,
    stop: watch::Sender<()>,
    task: JoinHandle<()>,
}

impl ArchiveServer {
    /// Serves an archive at an address; port 0 takes any free one.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(archive: Arc<Archive>, address: SocketAddr, limits: ArchiveLimits) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (stop, mut stopped) = watch::channel(());
        let served = axum::serve(listener, router(archive, limits)).with_graceful_shutdown(async move {
            // An error is the end, too.
            let _ = stopped.changed().await;
        });
        let task = tokio::spawn(async move {
            if let Err(error) = served.await {
                tracing::error!(%error, "the blob archive is served no more");
            }
        });
        Ok(Self { address, stop, task })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests and ends.
    pub async fn stop(self) {
        let Self { stop, mut task, .. } = self;
        let _ = stop.send(());
        if tokio::time::timeout(LAST_ANSWERS, &mut task).await.is_err() {
            task.abort();
        }
    }
}

#[derive(Debug, Clone)]
struct Shared {
    archive: Arc<Archive>,
    places: Arc<Semaphore>,
    patience: Duration,
}

fn router(archive: Arc<Archive>, limits: ArchiveLimits) -> Router {
    let places = Arc::new(Semaphore::new(limits.requests.clamp(1, Semaphore::MAX_PERMITS)));
    Router::new()
        .route("/eth/v1/beacon/blobs/{id}", get(blobs))
        .route("/eth/v1/node/health", get(StatusCode::OK))
        .with_state(Shared { archive, places, patience: limits.patience })
}

async fn blobs(State(shared): State<Shared>, RawQuery(query): RawQuery) -> Response {
    let Some(hashes) = versioned_hashes(query.as_deref().unwrap_or_default()) else {
        return refuse(StatusCode::BAD_REQUEST, "versioned_hashes must be 32-byte hashes in hexadecimal");
    };
    if hashes.is_empty() || hashes.len() > MAX_BLOBS {
        return refuse(StatusCode::BAD_REQUEST, "this is an archive: name 1 to 128 versioned_hashes");
    }
    let held: Vec<B256> = hashes.into_iter().filter(|hash| shared.archive.holds(*hash)).collect();
    if held.is_empty() {
        return refuse(StatusCode::NOT_FOUND, "the archive has none of these blobs");
    }
    let Ok(place) = shared.places.clone().try_acquire_owned() else {
        let busy = refuse(StatusCode::SERVICE_UNAVAILABLE, "the archive serves as many as it can: ask again");
        return ([(header::RETRY_AFTER, "1")], busy).into_response();
    };
    let (send, receive) = mpsc::channel(1);
    tokio::spawn(answer(shared, held, place, send));
    let body = futures::stream::unfold(receive, async |mut receive| Some((receive.recv().await?, receive)));
    metrics::archive_request("served");
    ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(body)).into_response()
}

/// Sends an answer piece by piece; its place is free again when it ends, whoever does or does not read it.
async fn answer(
    shared: Shared,
    hashes: Vec<B256>,
    _place: OwnedSemaphorePermit,
    send: mpsc::Sender<Result<Bytes, io::Error>>,
) {
    let taken = async |piece: String| send.send_timeout(Ok(piece.into()), shared.patience).await.is_ok();
    if !taken(r#"{"execution_optimistic":false,"finalized":false,"data":["#.into()).await {
        return;
    }
    let mut comma = "";
    for hash in hashes {
        // One whose file was damaged is left out: who asks looks elsewhere.
        let Some(blob) = shared.archive.get(hash).await else { continue };
        if !taken(format!("{comma}\"{}\"", hex::encode_prefixed(blob.as_slice()))).await {
            // Cut off: without its end it is no answer.
            let _ = send.try_send(Err(io::ErrorKind::TimedOut.into()));
            return;
        }
        comma = ",";
    }
    taken("]}".into()).await;
}

fn refuse(status: StatusCode, message: &str) -> Response {
    metrics::archive_request(match status {
        StatusCode::NOT_FOUND => "absent",
        StatusCode::SERVICE_UNAVAILABLE => "busy",
        _ => "refused",
    });
    (status, Json(json!({"code": status.as_u16(), "message": message}))).into_response()
}

/// The hashes of a query, repeated or separated by commas; `None` if one is none.
fn versioned_hashes(query: &str) -> Option<Vec<B256>> {
    let values = query.split('&').filter_map(|pair| pair.strip_prefix("versioned_hashes="));
    let values: Vec<String> = values.map(|value| value.replace("%2C", ",")).collect();
    values.iter().flat_map(|value| value.split(',')).map(|hash| hash.parse().ok()).collect()
}
