//! The server: HTTP and WebSocket on one port, limits, clean shutdown; and how methods are put into it.
//!
//! Methods are *light* (a few database reads, answered where they arrive) or *heavy* (EVM, log ranges, traces: answered
//! on blocking threads, as many at once as [`Config::heavy_at_once`], the others wait in line). Each method says how
//! many arguments it takes at most.

use crate::{Backend, context::Rpc, error::RpcError, eth, metrics, params::Args};
use alloy_primitives::Address;
use jsonrpsee::{
    RpcModule,
    core::RegisterMethodError,
    server::{BatchRequestConfig, PingConfig, Server as JsonRpcServer, ServerConfig, ServerHandle},
};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::task::JoinHandle;
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

/// How long [`Server::stop`] waits for running requests.
pub const LONGEST_STOP: Duration = Duration::from_secs(5);

/// What an answer is before it is put into its envelope: JSON, written once.
pub(crate) type Answer = Result<Box<RawValue>, RpcError>;

/// Settings of one server.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 takes any free one.
    pub address: SocketAddr,
    /// Origins that browsers may call from; `None` allows all (the server holds no cookies and no keys).
    pub origins: Option<Vec<String>>,
    /// Longest request, bytes. Two blobs' worth of hexadecimal take half a megabyte.
    pub max_request_bytes: u32,
    /// Longest answer, bytes.
    pub max_response_bytes: u32,
    /// Requests in one batch.
    pub max_batch: u32,
    /// Connections at once.
    pub max_connections: u32,
    /// Subscriptions on one connection.
    pub max_subscriptions: u32,
    /// Heavy requests answered at once.
    pub heavy_at_once: usize,
    /// Heavy requests waiting in line; more are refused.
    pub heavy_waiting: usize,
    /// Most gas that a simulated call gets.
    pub gas_cap: u64,
    /// Longest time of one traced or simulated request.
    pub call_timeout: Duration,
    /// Blocks that one log query may span.
    pub max_log_blocks: u64,
    /// Logs that one query may return.
    pub max_logs: usize,
    /// Blocks that `eth_feeHistory` looks back.
    pub max_fee_history: u64,
    /// Filters installed at once.
    pub max_filters: usize,
    /// A filter that is not asked for this long is gone.
    pub filter_lifetime: Duration,
    /// What is suggested as priority fee while the chain is idle, wei per gas.
    pub default_tip: u128,
    /// Whether `debug_*` is offered: traces are the dearest requests there are.
    pub debug: bool,
    /// `eth_accounts` (always without keys: nothing is signed here).
    pub accounts: Vec<Address>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            origins: None,
            max_request_bytes: 5 << 20,
            max_response_bytes: 64 << 20,
            max_batch: 1000,
            max_connections: 1024,
            max_subscriptions: 128,
            heavy_at_once: std::thread::available_parallelism().map_or(2, usize::from).max(2),
            heavy_waiting: 512,
            gas_cap: 50_000_000,
            call_timeout: Duration::from_secs(5),
            max_log_blocks: 100_000,
            max_logs: 20_000,
            max_fee_history: 1024,
            max_filters: 1024,
            filter_lifetime: Duration::from_secs(300),
            default_tip: 1_000_000,
            debug: true,
            accounts: Vec::new(),
        }
    }
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {address}: {cause}; choose another port or stop what uses it")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        cause: std::io::Error,
    },
    /// An origin in the configuration is not a header value.
    #[error("{0:?} is no origin: write scheme://host[:port]")]
    Origin(String),
    /// Two methods of one name: a mistake in this crate.
    #[error("methods clash: {0}")]
    Methods(#[from] RegisterMethodError),
}

/// A running server. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    handle: ServerHandle,
    tasks: Vec<JoinHandle<()>>,
}

impl Server {
    /// The address it listens on.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening, lets running requests end, and returns when all is quiet, or after [`LONGEST_STOP`].
    pub async fn stop(mut self) {
        // An error means that it has stopped already.
        let _ = self.handle.stop();
        if tokio::time::timeout(LONGEST_STOP, self.handle.clone().stopped()).await.is_err() {
            tracing::warn!(address = %self.address, "rpc.stop: connections are still open; leaving them");
        }
        for task in self.tasks.drain(..) {
            task.abort();
            let _ = task.await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.handle.stop();
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Starts a server on `config.address`.
///
/// # Errors
/// See [`ServeError`].
pub async fn serve(backend: Arc<dyn Backend>, config: Config) -> Result<Server, ServeError> {
    serve_with(backend, config, jsonrpsee::Methods::new()).await
}

/// The same with more methods beside this crate's own (a development chain's controls).
///
/// # Errors
/// See [`ServeError`]; also if a method has a name that is taken.
pub async fn serve_with(
    backend: Arc<dyn Backend>,
    config: Config,
    more: impl Into<jsonrpsee::Methods>,
) -> Result<Server, ServeError> {
    let limits = ServerConfig::builder()
        .max_request_body_size(config.max_request_bytes)
        .max_response_body_size(config.max_response_bytes)
        .max_connections(config.max_connections)
        .max_subscriptions_per_connection(config.max_subscriptions)
        .set_batch_request_config(BatchRequestConfig::Limit(config.max_batch))
        .set_id_provider(eth::subscribe::Ids)
        .enable_ws_ping(PingConfig::new())
        .build();
    let address = config.address;
    let middleware = tower::ServiceBuilder::new().layer(cors(config.origins.as_deref())?);
    let server = JsonRpcServer::builder()
        .set_config(limits)
        .set_http_middleware(middleware)
        .build(address)
        .await
        .map_err(|cause| ServeError::Listen { address, cause })?;
    let address = server.local_addr().map_err(|cause| ServeError::Listen { address, cause })?;
    let rpc = Arc::new(Rpc::new(backend, config));
    let tasks = vec![tokio::spawn(Rpc::follow_head(rpc.clone()))];
    let mut methods = jsonrpsee::Methods::from(module(rpc)?);
    methods.merge(more)?;
    let handle = server.start(methods);
    Ok(Server { address, handle, tasks })
}

fn cors(origins: Option<&[String]>) -> Result<CorsLayer, ServeError> {
    let layer = CorsLayer::new().allow_methods(Any).allow_headers(Any);
    let Some(origins) = origins else { return Ok(layer.allow_origin(Any)) };
    let origins = origins
        .iter()
        .map(|origin| origin.parse().map_err(|_| ServeError::Origin(origin.clone())))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(layer.allow_origin(AllowOrigin::list(origins)))
}

/// All methods of this crate over one backend.
pub(crate) fn module(rpc: Arc<Rpc>) -> Result<RpcModule<Rpc>, RegisterMethodError> {
    let debug = rpc.config.debug;
    let mut methods = Methods { module: RpcModule::from_arc(rpc) };
    eth::register(&mut methods)?;
    crate::net::register(&mut methods)?;
    crate::web3::register(&mut methods)?;
    if debug {
        crate::debug::register(&mut methods)?;
    }
    crate::txpool::register(&mut methods)?;
    crate::surety::register(&mut methods)?;
    crate::feed::register(&mut methods)?;
    Ok(methods.module)
}

/// A module in the making.
pub(crate) struct Methods {
    pub(crate) module: RpcModule<Rpc>,
}

/// What registering returns.
pub(crate) type Registered = Result<(), RegisterMethodError>;

impl Methods {
    /// A light method with at most `most` arguments.
    pub(crate) fn light(&mut self, name: &'static str, most: usize, f: fn(&Rpc, &Args<'_>) -> Answer) -> Registered {
        self.module.register_method(name, move |params, rpc, _| {
            let started = Instant::now();
            let answer = Args::new(&params, most).and_then(|args| f(rpc, &args));
            metrics::request(rpc.chain_name(), name, started, &answer);
            answer
        })?;
        Ok(())
    }

    /// A heavy method with at most `most` arguments.
    pub(crate) fn heavy(&mut self, name: &'static str, most: usize, f: fn(&Rpc, &Args<'_>) -> Answer) -> Registered {
        self.module.register_async_method(name, move |params, rpc, _| async move {
            let started = Instant::now();
            let chain = rpc.chain_name();
            let answer = match rpc.enter().await {
                Ok(permit) => tokio::task::spawn_blocking(move || {
                    let _permit = permit;
                    Args::new(&params, most).and_then(|args| f(&rpc, &args))
                })
                .await
                .unwrap_or_else(|panic| Err(RpcError::internal(panic))),
                Err(error) => Err(error),
            };
            metrics::request(chain, name, started, &answer);
            answer
        })?;
        Ok(())
    }

    /// A method whose answer has to be waited for.
    pub(crate) fn waiting<F>(
        &mut self,
        name: &'static str,
        most: usize,
        f: fn(Arc<Rpc>, Args<'_>) -> Result<F, RpcError>,
    ) -> Registered
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        self.module.register_async_method(name, move |params, rpc, _| {
            let started = Instant::now();
            let chain = rpc.chain_name();
            let future = Args::new(&params, most).and_then(|args| f(rpc, args));
            async move {
                let answer = match future {
                    Ok(future) => future.await,
                    Err(error) => Err(error),
                };
                metrics::request(chain, name, started, &answer);
                answer
            }
        })?;
        Ok(())
    }
}

/// Writes an answer.
pub(crate) fn answer<T: Serialize + ?Sized>(value: &T) -> Answer {
    to_raw_value(value).map_err(RpcError::internal)
}
