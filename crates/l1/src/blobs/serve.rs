//! An archive served in the beacon API's form, for followers that come after the blobs have expired.
//!
//! `GET /eth/v1/beacon/blobs/{block_id}?versioned_hashes=…`: the blobs of these hashes that the archive has, in the order
//! asked for, at most [`MAX_BLOBS`]. The block id is not looked at, since the hashes say everything; without
//! hashes there is nothing to answer. There is no `spec`, by which [`BeaconClient`](super::BeaconClient) knows that no slots are
//! counted here.

use super::{Archive, MAX_BLOBS};
use alloy_primitives::{B256, hex};
use axum::{
    Json, Router,
    extract::{RawQuery, State},
    http::StatusCode,
    routing::get,
};
use serde_json::{Value, json};
use std::sync::Arc;

/// The routes over an archive.
pub fn archive_router(archive: Arc<Archive>) -> Router {
    Router::new()
        .route("/eth/v1/beacon/blobs/{id}", get(blobs))
        .route("/eth/v1/node/health", get(StatusCode::OK))
        .with_state(archive)
}

async fn blobs(
    State(archive): State<Arc<Archive>>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, (StatusCode, Json<Value>)> {
    let refuse =
        |status: StatusCode, message: &str| Err((status, Json(json!({"code": status.as_u16(), "message": message}))));
    let Some(hashes) = versioned_hashes(query.as_deref().unwrap_or_default()) else {
        return refuse(StatusCode::BAD_REQUEST, "versioned_hashes must be 32-byte hashes in hexadecimal");
    };
    if hashes.is_empty() || hashes.len() > MAX_BLOBS {
        return refuse(StatusCode::BAD_REQUEST, "this is an archive: name 1 to 128 versioned_hashes");
    }
    let mut data = Vec::new();
    for hash in hashes {
        if let Some(blob) = archive.get(hash).await {
            data.push(hex::encode_prefixed(blob.as_slice()));
        }
    }
    if data.is_empty() {
        return refuse(StatusCode::NOT_FOUND, "the archive has none of these blobs");
    }
    Ok(Json(json!({"execution_optimistic": false, "finalized": false, "data": data})))
}

/// The hashes of a query, repeated or separated by commas; `None` if one is none.
fn versioned_hashes(query: &str) -> Option<Vec<B256>> {
    let values = query.split('&').filter_map(|pair| pair.strip_prefix("versioned_hashes="));
    let values: Vec<String> = values.map(|value| value.replace("%2C", ",")).collect();
    values.iter().flat_map(|value| value.split(',')).map(|hash| hash.parse().ok()).collect()
}
