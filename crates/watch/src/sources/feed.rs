//! A public feed: `surety_subscribe` over WebSocket, to `evidence` and `certifiedBlocks`.
//!
//! What comes is taken apart: the pair of a piece of evidence into its two statements, a certificate into one statement a
//! signature. The bitmap says nothing here: whose a signature is, recovery tells. A feed that breaks off is connected to
//! again, more slowly each time.

use super::{Bundle, Bundles, MAX_MESSAGE, MAX_SIGNATURES, Source, parse};
use crate::metrics;
use alloy_primitives::{B256, Bytes, U64};
use jsonrpsee::{
    core::client::{Subscription, SubscriptionClientT as _},
    rpc_params,
    ws_client::{PingConfig, WsClient, WsClientBuilder},
};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use std::time::Duration;
use surety_types::{
    RollupId,
    evidence::SignedStatement,
    signing::{Finalize, Notarize, Nullify, Signature, Statement},
};

/// The shortest and longest wait before connecting again.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// Messages of one subscription that wait; a feed that outruns us loses the subscription, and we connect again.
const BUFFER: usize = 1_024;
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The part of a certified block that is judged here.
#[derive(Debug, Deserialize)]
struct CertifiedBlock {
    /// `null`, but never left out: a later block's certificate made it final.
    #[serde(deserialize_with = "Option::deserialize")]
    certificate: Option<Certificate>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Certificate {
    kind: Kind,
    term: U64,
    genesis: B256,
    view: U64,
    #[serde(default)]
    parent_view: U64,
    #[serde(default)]
    block_hash: B256,
    signatures: Bytes,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    Notarization,
    Finalization,
    Nullification,
}

/// The votes in a certified block; `None` if it is none.
pub(crate) fn votes(rollup: RollupId, json: &str) -> Option<Vec<SignedStatement>> {
    let CertifiedBlock { certificate } = serde_json::from_str(json).ok()?;
    let Some(c) = certificate else { return Some(Vec::new()) };
    let (signatures, rest) = c.signatures.as_chunks::<64>();
    if !rest.is_empty() || signatures.len() > MAX_SIGNATURES {
        return None;
    }
    let (rollup, term, view, parent) = (rollup.get(), c.term.to(), c.view.to(), c.parent_view.to());
    let (genesis, block) = (c.genesis, c.block_hash);
    let statement: Statement = match c.kind {
        Kind::Notarization => Notarize { rollup, term, genesis, view, parentView: parent, blockHash: block }.into(),
        Kind::Finalization => Finalize { rollup, term, genesis, view, parentView: parent, blockHash: block }.into(),
        Kind::Nullification => Nullify { rollup, term, genesis, view }.into(),
    };
    let signed =
        |bytes: &[u8; 64]| SignedStatement { statement: statement.clone(), signature: Signature((*bytes).into()) };
    Some(signatures.iter().map(signed).collect())
}

async fn connect(url: &str) -> Result<WsClient, jsonrpsee::core::client::Error> {
    WsClientBuilder::default()
        .max_response_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
        .max_buffer_capacity_per_subscription(BUFFER)
        .connection_timeout(TIMEOUT)
        .request_timeout(TIMEOUT)
        .enable_ws_ping(PingConfig::new())
        .build(url)
        .await
}

async fn subscribe(
    client: &WsClient,
    kind: &str,
) -> Result<Subscription<Box<RawValue>>, jsonrpsee::core::client::Error> {
    client.subscribe("surety_subscribe", rpc_params![Value::from(kind)], "surety_unsubscribe").await
}

/// Listens to a feed for ever.
pub(crate) async fn run(rollup: RollupId, source: Source, bundles: Bundles) {
    let mut wait = RETRY.0;
    loop {
        metrics::feed_connected(&source.name, false);
        match listen(rollup, &source, &bundles).await {
            Ok(Ended::Stopped) => return,
            Ok(Ended::Closed { heard }) => {
                if heard {
                    wait = RETRY.0;
                }
                tracing::warn!(feed = %source.name, "the feed broke off; connecting again");
            }
            Err(error) => tracing::warn!(feed = %source.name, %error, "no connection to the feed; it is tried again"),
        }
        tokio::time::sleep(wait).await;
        wait = wait.saturating_mul(2).min(RETRY.1);
    }
}

enum Ended {
    /// Nobody takes bundles any more.
    Stopped,
    /// The feed.
    Closed { heard: bool },
}

async fn listen(rollup: RollupId, source: &Source, bundles: &Bundles) -> Result<Ended, jsonrpsee::core::client::Error> {
    let client = connect(&source.name).await?;
    let mut evidence = subscribe(&client, "evidence").await?;
    let mut blocks = subscribe(&client, "certifiedBlocks").await?;
    metrics::feed_connected(&source.name, true);
    tracing::info!(feed = %source.name, "listening");
    let mut heard = false;
    loop {
        let (message, parsed) = tokio::select! {
            biased;
            message = evidence.next() => {
                let parsed = message.as_ref().and_then(|m| parse(m.as_ref().ok()?.get().as_bytes()));
                (message, parsed)
            }
            message = blocks.next() => {
                let parsed = message.as_ref().and_then(|m| votes(rollup, m.as_ref().ok()?.get()));
                (message, parsed)
            }
        };
        if message.is_none() {
            return Ok(Ended::Closed { heard });
        }
        heard = true;
        let Some(statements) = parsed else {
            metrics::malformed(&source.name);
            continue;
        };
        if bundles.send(Bundle { source: source.clone(), statements, taken: None }).await.is_err() {
            return Ok(Ended::Stopped);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLLUP: RollupId = RollupId::new(75_873);

    fn certificate(signatures: usize, extra: &str) -> String {
        let hash = B256::repeat_byte(1);
        let bytes = Bytes::from(vec![5; 64 * signatures]);
        format!(
            r#"{{"block": "0x00", "certificate": {{"kind": "finalization", "term": "0x2", "genesis": "{hash}", "view": "0x7", "parentView": "0x6", "blockHash": "{hash}", "signers": "0x7", "signatures": "{bytes}{extra}"}}}}"#
        )
    }

    #[test]
    fn a_certificate_is_taken_apart() {
        let votes = votes(ROLLUP, &certificate(3, "")).unwrap();
        assert_eq!(votes.len(), 3);
        for vote in votes {
            let Statement::Finalize(vote) = vote.statement else { panic!() };
            assert_eq!((vote.rollup, vote.term, vote.view, vote.parentView), (75_873, 2, 7, 6));
        }
    }

    #[test]
    fn a_block_without_a_certificate_of_its_own_brings_nothing() {
        assert_eq!(votes(ROLLUP, r#"{"height": "0x1", "block": "0x00", "certificate": null}"#), Some(Vec::new()));
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        assert!(votes(ROLLUP, &certificate(65, "")).is_none(), "more than a committee");
        assert!(votes(ROLLUP, &certificate(1, "00")).is_none(), "half a signature");
        for bad in ["", "null", "[]", r#"{"certificate": {}}"#] {
            assert!(votes(ROLLUP, bad).is_none());
        }
        assert_eq!(votes(ROLLUP, r#"{"certificate": null}"#), Some(Vec::new()), "final by a later block's");
    }
}
