//! The beacon API, as far as followers use it.
//!
//! `GET /eth/v1/beacon/blobs/{block_id}`, `/eth/v1/beacon/blob_sidecars/{block_id}`, `/eth/v1/beacon/headers/{block_id}`,
//! `/eth/v1/beacon/genesis`, `/eth/v1/config/spec`, `/eth/v1/node/{version, health, syncing}`. A block id is `head`,
//! `finalized`, `justified` (our `safe`), `genesis`, a slot, or a root (of the beacon block, or the execution block's hash).
//! A slot holds at most one block unless a test moved the clock by less than a slot; then its blobs are those of all.

use super::core::{Core, beacon_root};
use alloy::eips::eip4844::{AsCkzg, Blob, env_settings::EnvKzgSettings};
use alloy_consensus::Transaction as _;
use alloy_primitives::{B256, hex};
use axum::{
    Json, Router,
    extract::{Path, RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use std::sync::Arc;
use surety_state::StoredBlock;

/// How far back a root is looked for.
const ROOT_SEARCH: u64 = 8192;
/// Slots in an epoch, as everywhere.
const SLOTS_PER_EPOCH: u64 = 32;

type Shared = State<Arc<Core>>;

/// An answer that is an error, in the API's form.
struct ApiError(StatusCode, String);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"code": self.0.as_u16(), "message": self.1}))).into_response()
    }
}

fn not_found(what: impl Into<String>) -> ApiError {
    ApiError(StatusCode::NOT_FOUND, what.into())
}

fn internal(error: impl std::fmt::Display) -> ApiError {
    ApiError(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

/// The routes.
pub(super) fn router(core: Arc<Core>) -> Router {
    Router::new()
        .route("/eth/v1/beacon/blobs/{id}", get(blobs))
        .route("/eth/v1/beacon/blob_sidecars/{id}", get(sidecars))
        .route("/eth/v1/beacon/headers/{id}", get(headers))
        .route("/eth/v1/beacon/genesis", get(genesis))
        .route("/eth/v1/config/spec", get(spec))
        .route("/eth/v1/node/version", get(version))
        .route("/eth/v1/node/health", get(StatusCode::OK))
        .route("/eth/v1/node/syncing", get(syncing))
        .with_state(core)
}

async fn genesis(State(core): Shared) -> Json<Value> {
    Json(json!({"data": {
        "genesis_time": core.genesis_time.to_string(),
        "genesis_validators_root": B256::ZERO,
        "genesis_fork_version": "0x00000000",
    }}))
}

async fn spec(State(core): Shared) -> Json<Value> {
    Json(json!({"data": {
        "CONFIG_NAME": "surety-embedded",
        "SECONDS_PER_SLOT": core.slot_time().to_string(),
        "SLOT_DURATION_MS": (core.slot_time() * 1000).to_string(),
        "SLOTS_PER_EPOCH": SLOTS_PER_EPOCH.to_string(),
        "DEPOSIT_CHAIN_ID": core.chain_id().to_string(),
        "DEPOSIT_NETWORK_ID": core.chain_id().to_string(),
        "MAX_BLOBS_PER_BLOCK": core.blob_limits().0.to_string(),
    }}))
}

async fn version() -> Json<Value> {
    Json(json!({"data": {"version": concat!("surety/v", env!("CARGO_PKG_VERSION"))}}))
}

async fn syncing(State(core): Shared) -> Result<Json<Value>, ApiError> {
    let head = block_at(&core, core.head().number)?;
    Ok(Json(json!({"data": {
        "head_slot": slot(&core, &head).to_string(),
        "sync_distance": "0",
        "is_syncing": false,
        "is_optimistic": false,
        "el_offline": false,
    }})))
}

async fn headers(State(core): Shared, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let (blocks, finalized) = resolve(core.clone(), id).await?;
    let block = blocks.last().ok_or_else(|| not_found("no block in this slot"))?;
    Ok(Json(json!({
        "execution_optimistic": false,
        "finalized": finalized,
        "data": {"root": beacon_root(block.hash), "canonical": true, "header": header_json(&core, block)},
    })))
}

/// A beacon header: what only a beacon chain has is zero.
fn header_json(core: &Core, block: &StoredBlock) -> Value {
    json!({
        "message": {
            "slot": slot(core, block).to_string(),
            "proposer_index": "0",
            "parent_root": beacon_root(block.block.header.parent_hash),
            "state_root": B256::ZERO,
            "body_root": B256::ZERO,
        },
        "signature": hex::encode_prefixed([0u8; 96]),
    })
}

async fn blobs(
    State(core): Shared,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, ApiError> {
    let wanted = wanted(query.as_deref(), "versioned_hashes");
    let (blocks, finalized) = resolve(core.clone(), id).await?;
    let mut data = Vec::new();
    for (_, _, hash) in blob_hashes(&blocks) {
        if wanted.as_ref().is_none_or(|wanted| wanted.contains(&hash.to_string())) {
            data.push(hex::encode_prefixed(stored(&core, hash).await?.as_slice()));
        }
    }
    Ok(Json(json!({"execution_optimistic": false, "finalized": finalized, "data": data})))
}

async fn sidecars(
    State(core): Shared,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, ApiError> {
    let wanted = wanted(query.as_deref(), "indices");
    let (blocks, finalized) = resolve(core.clone(), id).await?;
    let mut data = Vec::new();
    for (block, index, hash) in blob_hashes(&blocks) {
        if wanted.as_ref().is_some_and(|wanted| !wanted.contains(&index.to_string())) {
            continue;
        }
        let blob = stored(&core, hash).await?;
        let header = header_json(&core, block);
        let proved =
            tokio::task::spawn_blocking(move || prove(&blob).map(|proof| (proof, blob))).await.map_err(internal)?;
        let ((commitment, proof), blob) = proved?;
        data.push(json!({
            "index": index.to_string(),
            "blob": hex::encode_prefixed(blob.as_slice()),
            "kzg_commitment": hex::encode_prefixed(commitment),
            "kzg_proof": hex::encode_prefixed(proof),
            "signed_block_header": header,
            "kzg_commitment_inclusion_proof": vec![B256::ZERO; 17],
        }));
    }
    Ok(Json(json!({"version": "fulu", "execution_optimistic": false, "finalized": finalized, "data": data})))
}

/// Commitment and blob proof (EIP-4844).
fn prove(blob: &Blob) -> Result<([u8; 48], [u8; 48]), ApiError> {
    let settings = EnvKzgSettings::Default;
    let broken = |e: c_kzg::Error| internal(format!("{e:?}"));
    let commitment = settings.get().blob_to_kzg_commitment(blob.as_ckzg()).map_err(broken)?.to_bytes();
    let proof = settings.get().compute_blob_kzg_proof(blob.as_ckzg(), &commitment).map_err(broken)?.to_bytes();
    Ok((commitment.into_inner(), proof.into_inner()))
}

async fn stored(core: &Core, hash: B256) -> Result<Box<Blob>, ApiError> {
    core.archive.get(hash).await.ok_or_else(|| not_found(format!("blob {hash} was kept no longer")))
}

/// Blocks, places in their blocks and hashes of all blobs, in order.
fn blob_hashes(blocks: &[Arc<StoredBlock>]) -> Vec<(&StoredBlock, usize, B256)> {
    let mut all = Vec::new();
    for block in blocks {
        let hashes = block.block.transactions.iter().filter_map(|tx| tx.blob_versioned_hashes()).flatten();
        all.extend(hashes.enumerate().map(|(index, hash)| (&**block, index, *hash)));
    }
    all
}

/// Values of a query parameter, repeated or separated by commas; `None` if it is not there.
fn wanted(query: Option<&str>, name: &str) -> Option<Vec<String>> {
    let values: Vec<String> = query?
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter(|(key, _)| *key == name)
        .flat_map(|(_, value)| value.replace("%2C", ",").split(',').map(str::to_lowercase).collect::<Vec<_>>())
        .collect();
    (!values.is_empty()).then_some(values)
}

/// The blocks that an id names, and whether they are final.
async fn resolve(core: Arc<Core>, id: String) -> Result<(Vec<Arc<StoredBlock>>, bool), ApiError> {
    tokio::task::spawn_blocking(move || {
        let blocks = find(&core, &id)?;
        let finalized = core.finalized();
        let is_final = blocks.iter().all(|block| block.block.header.number <= finalized);
        Ok((blocks, is_final))
    })
    .await
    .map_err(internal)?
}

fn find(core: &Core, id: &str) -> Result<Vec<Arc<StoredBlock>>, ApiError> {
    let tags = surety_rpc::Backend::tags(&core.backend);
    let number = match id {
        "head" => tags.latest.number,
        "finalized" => tags.finalized.map_or(0, |block| block.number),
        "justified" => tags.safe.map_or(0, |block| block.number),
        "genesis" => 0,
        _ if id.starts_with("0x") => {
            let root = id.parse().map_err(|_| ApiError(StatusCode::BAD_REQUEST, format!("{id} is no root")))?;
            return by_root(core, root).map(|block| vec![block]);
        }
        _ => {
            let slot = id.parse().map_err(|_| ApiError(StatusCode::BAD_REQUEST, format!("{id} is no block id")))?;
            return by_slot(core, slot);
        }
    };
    block_at(core, number).map(|block| vec![block])
}

fn block_at(core: &Core, number: u64) -> Result<Arc<StoredBlock>, ApiError> {
    core.store.block_by_number(number).map_err(internal)?.ok_or_else(|| not_found(format!("no block {number}")))
}

fn slot(core: &Core, block: &StoredBlock) -> u64 {
    block.block.header.timestamp.saturating_sub(core.genesis_time) / core.slot_time()
}

/// By the execution block's hash, or the root that stands for its beacon block.
fn by_root(core: &Core, root: B256) -> Result<Arc<StoredBlock>, ApiError> {
    let unknown = || not_found(format!("no block with root {root}"));
    if let Some(number) = core.store.canonical_number(root).map_err(internal)? {
        return block_at(core, number);
    }
    let head = core.head();
    for number in (head.number.saturating_sub(ROOT_SEARCH)..=head.number).rev() {
        let hash = core.store.canonical_hash(number).map_err(internal)?.ok_or_else(unknown)?;
        if beacon_root(hash) == root {
            return block_at(core, number);
        }
    }
    Err(unknown())
}

/// The blocks of a slot. Times grow with numbers, so the first one is found by bisection.
fn by_slot(core: &Core, slot: u64) -> Result<Vec<Arc<StoredBlock>>, ApiError> {
    let empty = || not_found(format!("no block in slot {slot}"));
    let start = slot.checked_mul(core.slot_time()).and_then(|s| s.checked_add(core.genesis_time)).ok_or_else(empty)?;
    let end = start.checked_add(core.slot_time()).ok_or_else(empty)?;
    let time = |number: u64| {
        let found = core.store.header_by_number(number).map_err(internal)?;
        found.map(|(_, header)| header.timestamp).ok_or_else(empty)
    };
    let (mut low, mut high) = (0, core.head().number.saturating_add(1));
    while low < high {
        let middle = low + (high - low) / 2;
        if time(middle)? < start { low = middle + 1 } else { high = middle }
    }
    let mut blocks = Vec::new();
    while low <= core.head().number && time(low)? < end {
        blocks.push(block_at(core, low)?);
        low += 1;
    }
    if blocks.is_empty() { Err(empty()) } else { Ok(blocks) }
}
