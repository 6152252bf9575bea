//! [`L1`] over JSON-RPC (execution) and the beacon API (blobs), by HTTP.
//!
//! Reads are tried again on transport failures, rate limits and 5xx, [`RpcConfig::attempts`] times with a doubling pause;
//! what remains is an [`L1Error`] whose [`advice`](L1Error::advice) says what to do. Sending is never repeated here: that is
//! [`crate::submit`]'s work.

mod checks;
#[cfg(test)]
mod tests;

use crate::{
    L1Error, Revert,
    blobs::{Archive, BeaconClient},
    chain::{Answer, Blob, BlockAt, BlockRef, Call, Fees, Inclusion, L1, L1Log, L1Transaction},
    metrics,
    transport::{BoundedHttp, TOO_LONG, http_client},
};
use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    network::Ethereum,
    providers::{Provider, RootProvider},
    rpc::{
        client::RpcClient,
        types::{BlockTransactionsKind, Filter, TransactionRequest},
    },
    transports::{RpcError, TransportError},
};
use alloy_primitives::{Address, B256, Bytes, U256};
use std::{future::IntoFuture, sync::Arc, time::Duration};
use surety_types::L1Height;

/// Where L1 is and how patient to be with it.
#[derive(Debug, Clone)]
pub struct RpcConfig {
    /// JSON-RPC endpoint of an execution client.
    pub url: String,
    /// Beacon API endpoints, tried in order: a node and, for blobs older than it keeps, archives.
    pub beacon_urls: Vec<String>,
    /// The longest wait for one answer.
    pub timeout: Duration,
    /// How often a read is tried.
    pub attempts: u32,
    /// The first pause between tries; doubles.
    pub backoff: Duration,
}

impl RpcConfig {
    /// Usual patience: 20 s an answer, 4 tries from 250 ms.
    pub fn new(url: impl Into<String>, beacon_urls: impl IntoIterator<Item = String>) -> Self {
        Self {
            url: url.into(),
            beacon_urls: beacon_urls.into_iter().collect(),
            timeout: Duration::from_secs(20),
            attempts: 4,
            backoff: Duration::from_millis(250),
        }
    }
}

/// A URL that cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{url:?} is no usable HTTP endpoint ({reason}): give one like http://127.0.0.1:8545")]
pub struct BadUrl {
    /// What was given.
    pub url: String,
    /// Why not.
    pub reason: String,
}

/// Ethereum behind one execution client (and some beacon endpoints).
#[derive(Debug)]
pub struct RpcL1 {
    host: String,
    provider: RootProvider<Ethereum>,
    beacons: Vec<BeaconClient>,
    archive: Option<Arc<Archive>>,
    config: RpcConfig,
}

impl RpcL1 {
    /// Prepares the clients; asks nothing yet. Blobs that are fetched go into `archive` and are looked for there first.
    ///
    /// # Errors
    /// [`BadUrl`].
    pub fn new(config: RpcConfig, archive: Option<Arc<Archive>>) -> Result<Self, BadUrl> {
        let url = parse_url(&config.url)?;
        let client =
            http_client(config.timeout).map_err(|e| BadUrl { url: config.url.clone(), reason: e.to_string() })?;
        let beacons = config
            .beacon_urls
            .iter()
            .map(|beacon| Ok(BeaconClient::new(client.clone(), parse_url(beacon)?)))
            .collect::<Result<_, BadUrl>>()?;
        let host = host(&url);
        let transport = BoundedHttp::new(client, url);
        Ok(Self { host, provider: RootProvider::new(RpcClient::new(transport, false)), beacons, archive, config })
    }

    /// The endpoint's host and port, for messages (the rest of a URL may hold a key).
    pub fn host(&self) -> String {
        self.host.clone()
    }

    /// The provider, for requests that the seam has no name for (deployments, tests).
    pub const fn provider(&self) -> &RootProvider<Ethereum> {
        &self.provider
    }

    /// Asks until there is a usable answer or patience ends.
    async fn ask<T, F>(&self, method: &'static str, mut request: impl FnMut() -> F + Send) -> Result<T, L1Error>
    where
        F: IntoFuture<Output = Result<T, TransportError>, IntoFuture: Send> + Send,
        T: Send,
    {
        let mut pause = self.config.backoff;
        let mut attempt = 1;
        loop {
            let error = match request().into_future().await {
                Ok(answer) => return Ok(answer),
                Err(error) => classify(method, error),
            };
            metrics::rpc_error(method);
            if !matches!(error, L1Error::Unavailable { .. }) || attempt >= self.config.attempts {
                return Err(error);
            }
            tracing::debug!(%error, attempt, "trying again");
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2);
            attempt += 1;
        }
    }

    async fn read_block(&self, at: BlockAt) -> Result<Option<BlockRef>, L1Error> {
        const METHOD: &str = "eth_getBlock";
        let id = block_id(at);
        let answer = self.ask(METHOD, || self.provider.get_block(id).kind(BlockTransactionsKind::Hashes)).await;
        let block = match answer {
            Ok(block) => block,
            // Before finality exists some clients answer the tags with an error instead of null.
            Err(L1Error::Refused { .. }) if matches!(at, BlockAt::Safe | BlockAt::Finalized) => return Ok(None),
            Err(error) => return Err(error),
        };
        block.map(|block| checks::block(METHOD, &block.header, at)).transpose()
    }

    async fn read_logs(&self, from: L1Height, to: L1Height, addresses: &[Address]) -> Result<Vec<L1Log>, L1Error> {
        const METHOD: &str = "eth_getLogs";
        let filter = Filter::new().from_block(from.get()).to_block(to.get()).address(addresses.to_vec());
        let logs = match self.ask(METHOD, || self.provider.get_logs(&filter)).await {
            // A range of one block cannot be made smaller.
            Err(error) if from < to && looks_too_large(&error) => {
                return Err(L1Error::TooLarge { method: METHOD, reason: error.to_string() });
            }
            other => other?,
        };
        checks::logs(METHOD, logs, from, to, addresses)
    }

    /// The logs of these addresses in a block, as its receipts have them, with their place among the block's logs. The receipts
    /// are those that the block's header commits to, and the header that which has the hash: no trust is needed.
    ///
    /// # Errors
    /// The block or its receipts are not there, or are not the block's.
    pub(crate) async fn proven_logs(
        &self,
        block: B256,
        addresses: &[Address],
    ) -> Result<Vec<(u64, alloy_primitives::Log)>, L1Error> {
        const METHOD: &str = "eth_getBlockReceipts";
        let id = BlockId::hash(block);
        let gone = || L1Error::UnknownBlock(block.to_string());
        let found =
            self.ask("eth_getBlock", || self.provider.get_block(id).kind(BlockTransactionsKind::Hashes)).await?;
        let header = found.ok_or_else(gone)?.header;
        checks::block("eth_getBlock", &header, BlockAt::Hash(block))?;
        let receipts = self.ask(METHOD, || self.provider.get_block_receipts(id)).await?.ok_or_else(gone)?;
        checks::logs_of_receipts(METHOD, receipts, header.inner.receipts_root, addresses)
    }

    async fn read_transaction(&self, hash: B256) -> Result<Option<L1Transaction>, L1Error> {
        const METHOD: &str = "eth_getTransactionByHash";
        let answer = self.ask(METHOD, || self.provider.get_transaction_by_hash(hash)).await?;
        answer.map(|transaction| checks::transaction(METHOD, &transaction, hash)).transpose()
    }

    async fn read_fees(&self) -> Result<Fees, L1Error> {
        const METHOD: &str = "eth_feeHistory";
        let history = self.ask(METHOD, || self.provider.get_fee_history(10, BlockNumberOrTag::Latest, &[50.0])).await?;
        let base_fee =
            history.next_block_base_fee().ok_or_else(|| L1Error::invalid(METHOD, "no base fee of the next block"))?;
        // Clients without blobs leave these out; a blob transaction then asks for the least there is.
        let blob_base_fee = history.next_block_blob_base_fee().unwrap_or(1).max(1);
        let mut tips: Vec<u128> =
            history.reward.unwrap_or_default().into_iter().filter_map(|block| block.first().copied()).collect();
        tips.sort_unstable();
        let priority_fee = tips.get(tips.len() / 2).copied().unwrap_or_default();
        Ok(Fees { base_fee, blob_base_fee, priority_fee })
    }

    async fn read_inclusion(&self, hash: B256) -> Result<Option<Inclusion>, L1Error> {
        const METHOD: &str = "eth_getTransactionReceipt";
        let answer = self.ask(METHOD, || self.provider.get_transaction_receipt(hash)).await?;
        answer.map(|receipt| checks::inclusion(METHOD, &receipt, hash)).transpose()
    }

    async fn send(&self, transaction: &[u8]) -> Result<(), L1Error> {
        const METHOD: &str = "eth_sendRawTransaction";
        match self.provider.send_raw_transaction(transaction).await {
            Ok(_) => Ok(()),
            Err(error) => match classify(METHOD, error) {
                L1Error::Refused { message, .. } if is_known(&message) => Ok(()),
                error => {
                    metrics::rpc_error(METHOD);
                    Err(error)
                }
            },
        }
    }
}

impl L1 for RpcL1 {
    fn chain_id(&self) -> Answer<'_, u64> {
        Box::pin(self.ask("eth_chainId", || self.provider.get_chain_id()))
    }

    fn block(&self, at: BlockAt) -> Answer<'_, Option<BlockRef>> {
        Box::pin(self.read_block(at))
    }

    fn logs<'a>(&'a self, from: L1Height, to: L1Height, addresses: &'a [Address]) -> Answer<'a, Vec<L1Log>> {
        Box::pin(self.read_logs(from, to, addresses))
    }

    fn transaction(&self, hash: B256) -> Answer<'_, Option<L1Transaction>> {
        Box::pin(self.read_transaction(hash))
    }

    fn call<'a>(&'a self, call: &'a Call, at: BlockAt) -> Answer<'a, Bytes> {
        Box::pin(self.ask("eth_call", move || self.provider.call(request(call)).block(block_id(at))))
    }

    fn code(&self, address: Address, at: BlockAt) -> Answer<'_, Bytes> {
        Box::pin(self.ask("eth_getCode", move || self.provider.get_code_at(address).block_id(block_id(at))))
    }

    fn blobs<'a>(&'a self, block: BlockRef, hashes: &'a [B256]) -> Answer<'a, Vec<Box<Blob>>> {
        Box::pin(crate::blobs::fetch(self.archive.as_deref(), &self.beacons, block, hashes))
    }

    fn fees(&self) -> Answer<'_, Fees> {
        Box::pin(self.read_fees())
    }

    fn balance(&self, address: Address) -> Answer<'_, U256> {
        Box::pin(self.ask("eth_getBalance", move || self.provider.get_balance(address)))
    }

    fn nonce(&self, address: Address) -> Answer<'_, u64> {
        Box::pin(self.ask("eth_getTransactionCount", move || self.provider.get_transaction_count(address).latest()))
    }

    fn estimate_gas<'a>(&'a self, call: &'a Call) -> Answer<'a, u64> {
        Box::pin(self.ask("eth_estimateGas", move || self.provider.estimate_gas(request(call))))
    }

    fn send_raw<'a>(&'a self, transaction: &'a [u8]) -> Answer<'a, ()> {
        Box::pin(self.send(transaction))
    }

    fn inclusion(&self, hash: B256) -> Answer<'_, Option<Inclusion>> {
        Box::pin(self.read_inclusion(hash))
    }
}

fn parse_url(url: &str) -> Result<reqwest::Url, BadUrl> {
    let bad = |reason: String| BadUrl { url: url.into(), reason };
    let parsed: reqwest::Url = url.parse().map_err(|e| bad(format!("{e}")))?;
    match parsed.scheme() {
        "http" | "https" => Ok(parsed),
        other => Err(bad(format!("the scheme is {other}, not http or https"))),
    }
}

/// Host and port of a URL.
pub(crate) fn host(url: &reqwest::Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

const fn block_id(at: BlockAt) -> BlockId {
    match at {
        BlockAt::Latest => BlockId::Number(BlockNumberOrTag::Latest),
        BlockAt::Safe => BlockId::Number(BlockNumberOrTag::Safe),
        BlockAt::Finalized => BlockId::Number(BlockNumberOrTag::Finalized),
        BlockAt::Number(number) => BlockId::Number(BlockNumberOrTag::Number(number.get())),
        BlockAt::Hash(hash) => BlockId::hash(hash),
    }
}

fn request(call: &Call) -> TransactionRequest {
    let mut request = TransactionRequest { from: Some(call.from), ..Default::default() };
    request.to = call.to.map(Into::into);
    request.value = (!call.value.is_zero()).then_some(call.value);
    request.input = call.input.clone().into();
    request.blob_versioned_hashes = (!call.blob_hashes.is_empty()).then(|| call.blob_hashes.clone());
    request
}

/// Sorts a transport's failure by what the caller can do about it.
fn classify(method: &'static str, error: TransportError) -> L1Error {
    match error {
        RpcError::ErrorResp(payload) => {
            if let Some(data) = payload.as_revert_data() {
                return L1Error::Reverted { method, revert: Revert { data } };
            }
            // Bounded: the text may be anything.
            let message: String = payload.message.chars().take(300).collect();
            let lower = message.to_lowercase();
            if lower.contains("revert") {
                return L1Error::Reverted { method, revert: Revert { data: Bytes::new() } };
            }
            // -32005: limit exceeded (EIP-1474). A query that is too large has the same code, and says so.
            if payload.is_retry_err() && !range_words(&lower) {
                return L1Error::Unavailable { method, reason: message };
            }
            if lower.contains("header not found")
                || lower.contains("unknown block")
                || lower.contains("block not found")
            {
                return L1Error::UnknownBlock(message);
            }
            L1Error::Refused { method, code: payload.code, message }
        }
        RpcError::DeserError { err, .. } => L1Error::invalid(method, format!("it cannot be read: {err}")),
        RpcError::NullResp => L1Error::invalid(method, "nothing where something must be"),
        other => {
            let reason: String = other.to_string().chars().take(300).collect();
            if reason.contains(TOO_LONG) {
                L1Error::TooLarge { method, reason: TOO_LONG.into() }
            } else {
                L1Error::Unavailable { method, reason }
            }
        }
    }
}

/// Words by which endpoints say that a log query is too large; there is no standard for it.
fn range_words(lower: &str) -> bool {
    ["range", "more than", "too many", "too large", "results", "limit exceeded", "response size"]
        .iter()
        .any(|words| lower.contains(words))
}

fn looks_too_large(error: &L1Error) -> bool {
    match error {
        L1Error::TooLarge { .. } => true,
        L1Error::Refused { code, message, .. } => *code == -32005 || range_words(&message.to_lowercase()),
        _ => false,
    }
}

/// The pool has the transaction already.
fn is_known(message: &str) -> bool {
    let lower = message.to_lowercase();
    lower.contains("already known") || lower.contains("already imported") || lower.contains("known transaction")
}
