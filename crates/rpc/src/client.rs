//! A client of another node's feed and transaction pool, over WebSocket.

use crate::feed::CertifiedBlock;
use alloy_primitives::{B256, Bytes};
use futures::{Stream, StreamExt as _};
use jsonrpsee::{
    core::{
        client::{ClientT as _, Error, SubscriptionClientT as _},
        params::ArrayParams,
    },
    rpc_params,
    ws_client::{PingConfig, WsClient, WsClientBuilder},
};
use serde::de::DeserializeOwned;
use std::{pin::Pin, time::Duration};
use surety_types::{L2Height, evidence::Equivocation};

/// The longest message that is taken: a block of the greatest size in hexadecimal, and room.
const MAX_MESSAGE: u32 = 8 << 20;
/// Notifications that wait to be read; a reader slower than that is dropped by this side.
const BUFFER: usize = 1_024;
const TIMEOUT: Duration = Duration::from_secs(10);

/// The other node does not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection, or it ended, or it does not answer in time: try again later.
    #[error("{url}: {reason}; it is tried again")]
    Connection {
        /// Whom.
        url: String,
        /// Why.
        reason: String,
    },
    /// What it sent is not what was asked for: it is no node of this software, or lies.
    #[error("{url} sent what is not understood: {reason}")]
    Malformed {
        /// Whom.
        url: String,
        /// Why.
        reason: String,
    },
    /// It refuses the request, in its own words.
    #[error("{0}")]
    Refused(String),
}

/// A stream of notifications that ends with the connection.
pub type Notifications<T> = Pin<Box<dyn Stream<Item = Result<T, ClientError>> + Send>>;

/// A connection to a node.
#[derive(Debug)]
pub struct FeedClient {
    url: String,
    client: WsClient,
}

impl FeedClient {
    /// Connects to `ws://…`.
    ///
    /// # Errors
    /// [`ClientError::Connection`].
    pub async fn connect(url: &str) -> Result<Self, ClientError> {
        let client = WsClientBuilder::new()
            .max_request_size(MAX_MESSAGE)
            .max_response_size(MAX_MESSAGE)
            .max_buffer_capacity_per_subscription(BUFFER)
            .connection_timeout(TIMEOUT)
            .request_timeout(TIMEOUT)
            .enable_ws_ping(PingConfig::new())
            .build(url)
            .await
            .map_err(|error| ClientError::Connection { url: url.to_owned(), reason: error.to_string() })?;
        Ok(Self { url: url.to_owned(), client })
    }

    /// Final blocks from a height on, as far back as the node holds them.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn certified_blocks(&self, from: L2Height) -> Result<Notifications<CertifiedBlock>, ClientError> {
        let options = serde_json::json!({ "fromBlock": format!("{:#x}", from.get()) });
        self.subscribe(rpc_params!["certifiedBlocks", options]).await
    }

    /// Evidence: what the node knows, then what it finds. Not checked.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn evidence(&self) -> Result<Notifications<Equivocation>, ClientError> {
        self.subscribe(rpc_params!["evidence"]).await
    }

    /// Offers a transaction (EIP-2718) to the node's pool; its hash as the node says it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn send_raw_transaction(&self, raw: &Bytes) -> Result<B256, ClientError> {
        let answer = self.client.request("eth_sendRawTransaction", rpc_params![raw]).await;
        answer.map_err(|error| self.error(error))
    }

    /// Waits until the connection is gone.
    pub async fn gone(&self) {
        self.client.on_disconnect().await;
    }

    async fn subscribe<T: DeserializeOwned + Send + 'static>(
        &self,
        params: ArrayParams,
    ) -> Result<Notifications<T>, ClientError> {
        let answer = self.client.subscribe::<T, _>("surety_subscribe", params, "surety_unsubscribe").await;
        let subscription = answer.map_err(|error| self.error(error))?;
        let url = self.url.clone();
        Ok(Box::pin(subscription.map(move |item| {
            item.map_err(|error| ClientError::Malformed { url: url.clone(), reason: error.to_string() })
        })))
    }

    fn error(&self, error: Error) -> ClientError {
        let url = self.url.clone();
        match error {
            Error::Call(error) => ClientError::Refused(error.message().to_owned()),
            Error::ParseError(error) => ClientError::Malformed { url, reason: error.to_string() },
            other => ClientError::Connection { url, reason: other.to_string() },
        }
    }
}
