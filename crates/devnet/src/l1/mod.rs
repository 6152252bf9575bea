//! The embedded L1: one Ethereum node on our own engine, so that a network needs nothing but this program.
//!
//! - **Rules**: every fork up to Osaka and its blob parameter forks from genesis on, executed by `surety-stf`, kept by
//!   `surety-state`, served by `surety-rpc`. Transactions of types 0 to 4; blobs are taken with cell proofs (EIP-7594) that are
//!   checked, and served by the beacon API until newer ones push them out.
//! - **Time**: one slot is [`Config::slot_time`] seconds by this machine's clock, shifted as tests like. A slot has a block, or
//!   none if it was skipped or mining is paused.
//! - **Finality**: `safe` is [`Config::safe_lag`] blocks behind the head, `finalized` [`Config::finality_lag`]. It never goes back,
//!   but for a reorg that a test orders below it.
//! - **Control**: [`Control`] in process, and the same over JSON-RPC (`dev_*`, and `evm_*`, `anvil_*` where others have the
//!   method): reorgs, skipped slots, the clock, pausing, finality.
//!
//! What it is not: there is no consensus, no peer-to-peer network and no beacon chain. `parentBeaconBlockRoot` is
//! a hash made of the parent's hash; of the beacon API's fields, those that only a beacon chain has are zero. `PREVRANDAO` follows
//! from a seed.
//!
//! | module | holds |
//! |---|---|
//! | `genesis` | the first state: ten funded accounts, system contracts, pre-installs |
//! | `core` | making blocks, taking them back, time |
//! | `backend` | what the RPC server asks, and the check of blobs |
//! | `beacon` | the beacon API |
//! | `control` | [`Control`] and its RPC methods |

mod backend;
mod beacon;
mod control;
mod core;
mod genesis;

pub use control::{Control, ReorgPolicy};
pub use core::{NodeError, Reorged};
pub use genesis::{DEV_BALANCE, DEV_MNEMONIC, dev_accounts};

use backend::L1Backend;
use core::Core;
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};
use surety_rpc::Server;
use tokio::{sync::watch, task::JoinHandle};

/// How the embedded L1 runs.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it keeps its chain; `None` forgets it at the end.
    pub data_dir: Option<PathBuf>,
    /// The JSON-RPC server: address, limits.
    pub rpc: surety_rpc::Config,
    /// Where the beacon API listens; port 0 takes any free one.
    pub beacon_address: SocketAddr,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Seconds of a slot.
    pub slot_time: u64,
    /// Time of the genesis block, Unix seconds; now by default. Of a chain that exists already, its own counts.
    pub genesis_time: Option<u64>,
    /// From what `PREVRANDAO` follows.
    pub seed: u64,
    /// Blocks from the head to `safe`.
    pub safe_lag: u64,
    /// Blocks from the head to `finalized`.
    pub finality_lag: u64,
    /// Gas limit of blocks.
    pub gas_limit: u64,
    /// Blocks come by the clock; otherwise only by [`Control::mine`].
    pub automatic: bool,
    /// Blobs kept: the oldest go first. 128 KiB each.
    pub blob_capacity: usize,
    /// Transactions in the pool.
    pub pool_capacity: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: None,
            rpc: surety_rpc::Config::default(),
            beacon_address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            chain_id: 1337,
            slot_time: 2,
            genesis_time: None,
            seed: 0,
            safe_lag: 2,
            finality_lag: 4,
            gas_limit: 60_000_000,
            automatic: true,
            blob_capacity: 4096,
            pool_capacity: 10_000,
        }
    }
}

/// Why the embedded L1 did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its chain.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Its RPC server.
    #[error(transparent)]
    Rpc(#[from] surety_rpc::ServeError),
    /// Its beacon API.
    #[error("cannot listen on {address} for the beacon API: {cause}; choose another port or stop what uses it")]
    Beacon {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        cause: std::io::Error,
    },
}

/// Starts embedded L1s.
#[derive(Debug)]
pub struct EmbeddedL1;

impl EmbeddedL1 {
    /// Opens or makes the chain and starts serving and, if it is to be automatic, making blocks.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: Config) -> Result<EmbeddedL1Handle, StartError> {
        let (rpc, beacon_address, automatic) = (config.rpc.clone(), config.beacon_address, config.automatic);
        let core = tokio::task::spawn_blocking(move || Core::open(config)).await.map_err(NodeError::task)??;
        let core = Arc::new(core);
        let control = Control::new(core.clone());
        let backend = Arc::new(L1Backend::new(core.clone()));
        let server = surety_rpc::serve_with(backend, rpc, control::methods(control.clone())).await?;
        let cannot_listen = |cause| StartError::Beacon { address: beacon_address, cause };
        let listener = tokio::net::TcpListener::bind(beacon_address).await.map_err(cannot_listen)?;
        let beacon_address = listener.local_addr().map_err(cannot_listen)?;
        let (stop, stopped) = watch::channel(());
        let mut wait = stopped.clone();
        let beacon = axum::serve(listener, beacon::router(core.clone())).with_graceful_shutdown(async move {
            // An error is the end, too.
            let _ = wait.changed().await;
        });
        let mut tasks = vec![tokio::spawn(async move {
            if let Err(error) = beacon.await {
                tracing::error!(%error, "the beacon API ended");
            }
        })];
        if automatic {
            tasks.push(tokio::spawn(core::produce(core.clone(), stopped)));
        }
        Ok(EmbeddedL1Handle { core, control, server, beacon_address, stop, tasks })
    }
}

/// A running embedded L1. Dropped without [`EmbeddedL1Handle::stop`], it ends all the same, but nobody waits for it.
#[derive(Debug)]
pub struct EmbeddedL1Handle {
    core: Arc<Core>,
    control: Control,
    server: Server,
    beacon_address: SocketAddr,
    stop: watch::Sender<()>,
    tasks: Vec<JoinHandle<()>>,
}

impl EmbeddedL1Handle {
    /// URL of the JSON-RPC server.
    pub fn rpc_url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// URL of its WebSocket.
    pub fn ws_url(&self) -> String {
        format!("ws://{}", self.server.address())
    }

    /// URL of the beacon API.
    pub fn beacon_url(&self) -> String {
        format!("http://{}", self.beacon_address)
    }

    /// EIP-155 chain id.
    pub fn chain_id(&self) -> u64 {
        self.core.chain_id()
    }

    /// Reorgs, time, mining.
    pub const fn control(&self) -> &Control {
        &self.control
    }

    /// Ends it: no block is half made, all answers that were begun are given.
    pub async fn stop(self) {
        let Self { server, stop, tasks, .. } = self;
        let _ = stop.send(());
        for task in tasks {
            // A task that panicked has said so.
            let _ = task.await;
        }
        server.stop().await;
    }
}
