//! The part of the beacon API that carries blobs.
//!
//! `GET /eth/v1/beacon/blobs/{block_id}?versioned_hashes=…` where the node has it, else
//! `GET /eth/v1/beacon/blob_sidecars/{block_id}`. The block id is the slot, `(time − genesis_time) / SECONDS_PER_SLOT`, both
//! read once from `/eth/v1/beacon/genesis` and `/eth/v1/config/spec`. An endpoint without a spec (development nodes that serve
//! blobs by execution block, such as anvil) is asked by the execution block's hash.

use super::kzg::identify;
use crate::{
    L1Error,
    chain::{Blob, BlockRef},
    metrics,
    transport::read_bounded,
};
use alloy::eips::eip4844::BYTES_PER_BLOB;
use alloy_primitives::{B256, Bytes};
use serde::Deserialize;
use tokio::sync::OnceCell;

/// How a beacon chain counts slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SlotClock {
    /// Start of slot 0, Unix seconds.
    pub(super) genesis_time: u64,
    /// Length of a slot.
    pub(super) seconds_per_slot: u64,
}

impl SlotClock {
    /// The slot of a block with this time; `None` before genesis.
    pub(super) fn slot(&self, time: u64) -> Option<u64> {
        time.checked_sub(self.genesis_time)?.checked_div(self.seconds_per_slot)
    }
}

#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

#[derive(Deserialize)]
struct Genesis {
    genesis_time: String,
}

#[derive(Deserialize)]
struct Spec {
    #[serde(rename = "SECONDS_PER_SLOT")]
    seconds_per_slot: Option<String>,
    #[serde(rename = "SLOT_DURATION_MS")]
    slot_duration_ms: Option<String>,
}

#[derive(Deserialize)]
struct Sidecar {
    blob: Bytes,
}

/// One answer of an endpoint.
enum Reply<T> {
    Found(T),
    /// 404 and its kin: it has no such thing, or no such method.
    Absent,
}

/// What an endpoint gave.
pub(crate) struct Offered {
    /// What was asked for, with its versioned hash.
    pub(crate) right: Vec<(B256, Box<Blob>)>,
    /// How many blobs were not.
    pub(crate) refused: usize,
}

/// One beacon API endpoint.
#[derive(Debug)]
pub struct BeaconClient {
    client: reqwest::Client,
    url: reqwest::Url,
    /// `None` inside: the endpoint counts no slots.
    clock: OnceCell<Option<SlotClock>>,
}

impl BeaconClient {
    pub(crate) fn new(client: reqwest::Client, url: reqwest::Url) -> Self {
        Self { client, url, clock: OnceCell::new() }
    }

    /// Its host and port, for messages (the rest of a URL may hold a key).
    pub(crate) fn host(&self) -> String {
        crate::rpc::host(&self.url)
    }

    /// Those of the blobs that the endpoint has, each checked against its versioned hash.
    ///
    /// # Errors
    /// No answer, or one that cannot be read. Blobs with other hashes or lengths are dropped, not errors.
    pub(crate) async fn blobs(&self, block: BlockRef, hashes: &[B256]) -> Result<Offered, L1Error> {
        let id = match self.clock().await? {
            Some(clock) => clock
                .slot(block.time.get())
                .ok_or_else(|| L1Error::invalid("beacon genesis", "the block is older than the beacon chain"))?
                .to_string(),
            None => block.hash.to_string(),
        };
        let (given, by_hash) = match self.by_blobs(&id, hashes).await? {
            Some(given) => (given, true),
            None => (self.by_sidecars(&id).await?.unwrap_or_default(), false),
        };
        let count = given.len();
        let blobs = given.into_iter().filter_map(|bytes| to_blob(&bytes)).collect();
        let named = identify(blobs).await.into_iter().filter_map(|(hash, blob)| Some((hash?, blob)));
        let right: Vec<_> = named.filter(|(hash, _)| hashes.contains(hash)).collect();
        // Sidecars come for the whole block, so other blobs beside right ones are no fault there.
        let refused = if by_hash || right.is_empty() { count.saturating_sub(right.len()) } else { 0 };
        if refused > 0 {
            metrics::blobs_refused(refused);
            tracing::warn!(beacon = self.host(), block = %block, refused, "the endpoint gave blobs that are not those asked for");
        }
        Ok(Offered { right, refused })
    }

    async fn by_blobs(&self, id: &str, hashes: &[B256]) -> Result<Option<Vec<Bytes>>, L1Error> {
        let list: Vec<String> = hashes.iter().map(ToString::to_string).collect();
        let path = format!("eth/v1/beacon/blobs/{id}?versioned_hashes={}", list.join(","));
        match self.get::<Data<Vec<Bytes>>>("beacon blobs", &path).await? {
            Reply::Found(reply) if reply.data.len() > super::MAX_BLOBS => {
                Err(L1Error::invalid("beacon blobs", "more blobs than a block can have"))
            }
            Reply::Found(reply) => Ok(Some(reply.data)),
            Reply::Absent => Ok(None),
        }
    }

    async fn by_sidecars(&self, id: &str) -> Result<Option<Vec<Bytes>>, L1Error> {
        match self.get::<Data<Vec<Sidecar>>>("beacon sidecars", &format!("eth/v1/beacon/blob_sidecars/{id}")).await? {
            Reply::Found(reply) if reply.data.len() > super::MAX_BLOBS => {
                Err(L1Error::invalid("beacon sidecars", "more blobs than a block can have"))
            }
            Reply::Found(reply) => Ok(Some(reply.data.into_iter().map(|sidecar| sidecar.blob).collect())),
            Reply::Absent => Ok(None),
        }
    }

    async fn clock(&self) -> Result<Option<SlotClock>, L1Error> {
        self.clock.get_or_try_init(|| self.read_clock()).await.copied()
    }

    async fn read_clock(&self) -> Result<Option<SlotClock>, L1Error> {
        const METHOD: &str = "beacon spec";
        let number =
            |text: &str| text.parse::<u64>().map_err(|_| L1Error::invalid(METHOD, format!("{text:?} is no number")));
        let Reply::Found(spec) = self.get::<Data<Spec>>(METHOD, "eth/v1/config/spec").await? else { return Ok(None) };
        let seconds_per_slot = match (spec.data.seconds_per_slot, spec.data.slot_duration_ms) {
            (Some(seconds), _) => number(&seconds)?,
            (None, Some(millis)) => number(&millis)? / 1000,
            (None, None) => return Ok(None),
        };
        if seconds_per_slot == 0 {
            return Err(L1Error::invalid(METHOD, "slots of no time"));
        }
        let Reply::Found(genesis) = self.get::<Data<Genesis>>(METHOD, "eth/v1/beacon/genesis").await? else {
            return Err(L1Error::invalid(METHOD, "a spec without a genesis"));
        };
        Ok(Some(SlotClock { genesis_time: number(&genesis.data.genesis_time)?, seconds_per_slot }))
    }

    async fn get<T: for<'de> Deserialize<'de>>(&self, method: &'static str, path: &str) -> Result<Reply<T>, L1Error> {
        let unavailable = |reason: String| L1Error::Unavailable { method, reason };
        let base = self.url.as_str().trim_end_matches('/');
        let response = self
            .client
            .get(format!("{base}/{path}"))
            .header("accept", "application/json")
            .send()
            .await
            .map_err(|e| unavailable(e.without_url().to_string()))?;
        let status = response.status();
        // 404 not found, 405 and 501 no such method, 410 gone, 400 an id in a form that it does not know.
        if matches!(status.as_u16(), 400 | 404 | 405 | 410 | 501) {
            return Ok(Reply::Absent);
        }
        if !status.is_success() {
            return Err(unavailable(format!("HTTP status {status}")));
        }
        let body = read_bounded(response).await.map_err(unavailable)?;
        serde_json::from_slice(&body)
            .map(Reply::Found)
            .map_err(|e| L1Error::invalid(method, format!("it cannot be read: {e}")))
    }
}

/// Exactly a blob's length, or nothing.
fn to_blob(bytes: &[u8]) -> Option<Box<Blob>> {
    (bytes.len() == BYTES_PER_BLOB).then(|| Box::new(Blob::from_slice(bytes)))
}
