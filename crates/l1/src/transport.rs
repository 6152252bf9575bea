//! HTTP with a bound on what is read.
//!
//! The bodies of the RPC client's stock transport are read to their end, whatever that is. An endpoint is not trusted
//! here: reading stops at [`MAX_RESPONSE`] bytes.

use alloy::{
    rpc::json_rpc::{RequestPacket, ResponsePacket},
    transports::{TransportError, TransportErrorKind, TransportFut},
};
use std::{
    task::{Context, Poll},
    time::Duration,
};

/// The most bytes of one answer. Blobs are 262 KB of JSON each; a block of blobs (21 at most today) is 6 MB.
pub(crate) const MAX_RESPONSE: usize = 32 << 20;

/// What is said about an answer that is too long.
pub(crate) const TOO_LONG: &str = "the answer is longer than 32 MiB";

/// A client with time-outs, for JSON-RPC and beacon endpoints alike.
pub(crate) fn http_client(timeout: Duration) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(5))
        .timeout(timeout)
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

/// Reads a body up to [`MAX_RESPONSE`].
pub(crate) async fn read_bounded(mut response: reqwest::Response) -> Result<Vec<u8>, String> {
    if response.content_length().is_some_and(|n| n > MAX_RESPONSE as u64) {
        return Err(TOO_LONG.into());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| e.to_string())? {
        if body.len() + chunk.len() > MAX_RESPONSE {
            return Err(TOO_LONG.into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// JSON-RPC over HTTP POST.
#[derive(Debug, Clone)]
pub(crate) struct BoundedHttp {
    client: reqwest::Client,
    url: reqwest::Url,
}

impl BoundedHttp {
    pub(crate) const fn new(client: reqwest::Client, url: reqwest::Url) -> Self {
        Self { client, url }
    }

    async fn send(self, request: RequestPacket) -> Result<ResponsePacket, TransportError> {
        let response = self
            .client
            .post(self.url)
            .json(&request)
            .send()
            .await
            .map_err(|e| TransportErrorKind::custom(e.without_url()))?;
        let status = response.status();
        let body = read_bounded(response).await.map_err(|e| TransportErrorKind::custom_str(&e))?;
        // Some servers put a JSON-RPC error under an HTTP error status: prefer what the body says.
        match serde_json::from_slice(&body) {
            Ok(packet) => Ok(packet),
            Err(_) if !status.is_success() => {
                let text = String::from_utf8_lossy(body.get(..body.len().min(200)).unwrap_or_default()).into_owned();
                Err(TransportErrorKind::http_error(status.as_u16(), text))
            }
            Err(error) => {
                let text = String::from_utf8_lossy(body.get(..body.len().min(200)).unwrap_or_default()).into_owned();
                Err(TransportError::deser_err(error, text))
            }
        }
    }
}

impl tower::Service<RequestPacket> for BoundedHttp {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RequestPacket) -> Self::Future {
        Box::pin(self.clone().send(request))
    }
}
