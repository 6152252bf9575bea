//! A whole network: L1, contracts, bonded sequencers (four unless another number is asked for), a follower, RPC for wallets.
//!
//! The sequencers talk to each other over TCP on loopback and to L1 over HTTP, as separate machines would; only the process
//! is one. Keys come from the well-known test mnemonic: whoever reads this has them.
//!
//! ```text
//! directory/ chain.json   l1/   seat-0 … seat-(n−1)/   follower/   keys/ (journals of those who send on L1)
//! ```

mod dev_seat;
mod founding;

use crate::{
    deploy::DeployError,
    l1::{Config as L1Config, EmbeddedL1, EmbeddedL1Handle, NodeError, StartError, dev_accounts},
    ports,
};
use alloy::signers::local::PrivateKeySigner;
use alloy_primitives::{Address, B256, U256, keccak256, uint};
use dev_seat::{DevSeat, check_seats};
use founding::{FUNDED_WITHIN, found, funded};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use surety_contracts::{ChainFile, ChainFileError, Parameters, Profile};
use surety_l1::{
    L1, L1Error,
    rpc::{BadUrl, RpcConfig, RpcL1},
    submit::{SubmitConfig, SubmitError, Submitter},
};
use surety_node::{
    clock::Clock,
    consensus::{
        PeerAddresses,
        byzantine::{Misbehaviour, Sin},
    },
    follower_node::{FollowerNode, FollowerNodeConfig, FollowerNodeError},
    sequencer::{NetworkLimits, Sequencer, SequencerConfig, SequencerError},
    signer::LocalSigner,
};
use surety_rpc::{ServeError, Server};
use surety_types::signing::Domain;
use surety_watch::{Policy, WatchConfig, WatchError, Watchtower};

/// Chain id of L2.
pub const L2_CHAIN_ID: u64 = 75_873;
/// Seats of a network of which nobody said how many.
pub const SEATS: usize = 4;
/// The fewest seats that a chain opens with.
pub const MIN_SEATS: usize = 4;
/// The most seats of a network: what one process and one machine can do.
pub const MAX_SEATS: usize = 16;
/// What each dev account gets on L2: 500 ether, by a deposit.
pub const L2_BALANCE: U256 = uint!(500_000_000_000_000_000_000_U256);
/// The file of the directory in which the watchtower looks for evidence that people bring.
pub const EVIDENCE: &str = "evidence.jsonl";
/// The dev account that deploys and pays: the last one, which people use least.
const DEPLOYER: usize = 9;

/// Which L1 the network runs on.
#[derive(Debug, Clone)]
pub enum L1Choice {
    /// Our own.
    Embedded {
        /// Where its RPC server listens.
        rpc: SocketAddr,
        /// Where its beacon API listens.
        beacon: SocketAddr,
    },
    /// One that runs already and funds the accounts of the test mnemonic.
    External {
        /// JSON-RPC.
        rpc: String,
        /// Beacon API.
        beacon: String,
    },
}

/// How to run a network.
#[derive(Debug, Clone)]
pub struct NetworkConfig {
    /// Delays and windows.
    pub profile: Profile,
    /// How many seats, [`MIN_SEATS`] to [`MAX_SEATS`].
    pub seats: usize,
    /// L1.
    pub l1: L1Choice,
    /// Where L2's RPC server listens.
    pub l2_rpc: SocketAddr,
    /// Where the follower's RPC server listens; `None`: it serves nobody.
    pub follower_rpc: Option<SocketAddr>,
    /// Everything that lasts. A network that is there goes on.
    pub directory: PathBuf,
    /// Where to write the chain file beside `directory/chain.json`.
    pub chain_file: Option<PathBuf>,
    /// Whether a watchtower runs.
    pub watch: bool,
    /// A seat, by place, that does wrong when it is told to: for drills.
    pub sinners: Vec<(usize, Sin)>,
}

impl NetworkConfig {
    /// [`SEATS`] seats of the `ci` profile on an L1 of its own, all servers at free ports of loopback, and a watchtower.
    pub fn new(directory: PathBuf) -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            profile: Profile::Ci,
            seats: SEATS,
            l1: L1Choice::Embedded { rpc: any, beacon: any },
            l2_rpc: any,
            follower_rpc: None,
            directory,
            chain_file: None,
            watch: true,
            sinners: Vec::new(),
        }
    }
}

/// Why a network did not start.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The embedded L1.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The dev accounts.
    #[error(transparent)]
    Accounts(#[from] NodeError),
    /// The L1's URL.
    #[error(transparent)]
    Url(#[from] BadUrl),
    /// L1.
    #[error("L1: {0}")]
    L1(#[from] L1Error),
    /// The contracts.
    #[error(transparent)]
    Deploy(#[from] DeployError),
    /// The chain file.
    #[error(transparent)]
    ChainFile(#[from] ChainFileError),
    /// A chain is there, but not on this L1.
    #[error("the chain of {0} is not on this L1: use the L1 that it began on, or an empty directory")]
    OtherL1(String),
    /// Too many seats, or too few.
    #[error("a network of {0} seats cannot be: {MIN_SEATS} to {MAX_SEATS}")]
    Seats(usize),
    /// The directory's network has another number of seats.
    #[error("the network of {directory} has {there} seats: start it with as many, or use an empty directory")]
    OtherSeats {
        /// The directory.
        directory: String,
        /// Its seats.
        there: usize,
    },
    /// A transaction on L1.
    #[error("{what}: {cause}")]
    Send {
        /// What it was for.
        what: &'static str,
        /// Why it failed.
        cause: Box<SubmitError>,
    },
    /// A transaction failed on L1.
    #[error("{what} failed on L1 (transaction {transaction})")]
    Failed {
        /// What it was for.
        what: &'static str,
        /// The transaction.
        transaction: B256,
    },
    /// A sequencer.
    #[error("seat {0}: {1}")]
    Seat(usize, #[source] SequencerError),
    /// The deposits for the dev accounts did not arrive.
    #[error("no deposit arrived on L2 within {} s: the log (--log info) says what the sequencers wait for", FUNDED_WITHIN.as_secs())]
    NotFunded,
    /// The chain could not be read.
    #[error(transparent)]
    State(#[from] surety_state::Error),
    /// The follower.
    #[error("follower: {0}")]
    Follower(#[from] FollowerNodeError),
    /// The watchtower.
    #[error("watchtower: {0}")]
    Watch(#[from] WatchError),
    /// An RPC server.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The directory or a port.
    #[error("{what}: {cause}")]
    System {
        /// What was tried.
        what: String,
        /// The system's words.
        cause: std::io::Error,
    },
    /// A key that cannot be made: of negligible probability.
    #[error("a key of seat {0} cannot be made")]
    Key(usize),
}

/// A running network.
#[derive(Debug)]
pub struct Network {
    chain: ChainFile,
    l1: Option<EmbeddedL1Handle>,
    l1_rpc: String,
    l1_beacon: String,
    seats: Vec<Sequencer>,
    follower: FollowerNode,
    servers: Vec<Server>,
    watchtower: Option<Watchtower>,
    misbehaviours: Vec<Misbehaviour>,
    starts: Starts,
    accounts: Vec<Address>,
}

/// What tests change about a network.
#[derive(Debug, Clone)]
pub struct Conditions {
    /// Delays and windows instead of a profile's.
    pub protocol: Parameters,
    /// The seats' time of day, by place; the last one is that of all further seats.
    pub clocks: Vec<Clock>,
}

impl Network {
    /// Starts a network, or goes on with the one in the directory.
    ///
    /// # Errors
    /// See [`NetworkError`]; what was started by then is stopped.
    pub async fn start(config: NetworkConfig) -> Result<Self, NetworkError> {
        let protocol = Parameters::of(config.profile, L2_CHAIN_ID);
        Self::start_on(config, Conditions { protocol, clocks: Vec::new() }).await
    }

    /// As [`Network::start`], on other conditions than a profile's.
    ///
    /// # Errors
    /// As [`Network::start`].
    pub async fn start_on(config: NetworkConfig, conditions: Conditions) -> Result<Self, NetworkError> {
        let make = |path: &Path| {
            fs::create_dir_all(path)
                .map_err(|cause| NetworkError::System { what: format!("make {}", path.display()), cause })
        };
        make(&config.directory)?;
        check_seats(&config)?;
        let accounts = dev_accounts()?;
        let seats: Vec<DevSeat> = (0..config.seats)
            .map(|place| DevSeat::new(place, &accounts).ok_or(NetworkError::Key(place)))
            .collect::<Result<_, _>>()?;
        let (l1, l1_rpc, l1_beacon) = start_l1(&config.l1, &config.directory).await?;
        let client: Arc<dyn L1> = Arc::new(RpcL1::new(RpcConfig::new(&l1_rpc, [l1_beacon.clone()]), None)?);
        let chain = found(&config, conditions.protocol, &client, &accounts, &seats).await?;
        if let Some(path) = &config.chain_file {
            chain.write(path)?;
        }
        let domain = Domain::new(chain.l1_chain_id, chain.addresses.registry);
        let sinner = |(place, sin): &(usize, Sin)| {
            Some((*place, Misbehaviour::new(*sin, seats.get(*place)?.vote.clone(), domain)))
        };
        let sinners: Vec<_> = config.sinners.iter().filter_map(sinner).collect();
        let misbehaviours = sinners.iter().map(|(_, misbehaviour)| misbehaviour.clone()).collect();
        let starts = Starts::new(&config, &chain, &client, seats, sinners, conditions.clocks)?;
        let mut seats = Vec::new();
        for place in 0..config.seats {
            seats.push(starts.start(place).await?);
        }
        let follower = FollowerNode::start(FollowerNodeConfig {
            chain: chain.clone(),
            directory: config.directory.join("follower"),
            l1: client.clone(),
            poll: poll(&chain),
            feeds: Vec::new(),
        })
        .await?;
        // What the table promises is there when it is shown.
        if let (Some(seat), Some(account)) = (seats.first(), accounts.last()) {
            funded(seat, account.address()).await?;
        }
        let mut servers = Vec::new();
        if let Some(first) = seats.first() {
            servers.push(surety_rpc::serve(first.backend(), serving_at(config.l2_rpc)).await?);
        }
        if let Some(address) = config.follower_rpc {
            servers.push(surety_rpc::serve(follower.backend(), serving_at(address)).await?);
        }
        let feeds = servers.first().map(|server| format!("ws://{}", server.address())).into_iter().collect();
        let watchtower =
            if config.watch { Some(watch(&config.directory, &chain, &client, feeds).await?) } else { None };
        let accounts = accounts.iter().map(|a| a.address()).collect();
        Ok(Self { chain, l1, l1_rpc, l1_beacon, seats, follower, servers, watchtower, misbehaviours, starts, accounts })
    }

    /// The chain.
    pub const fn chain(&self) -> &ChainFile {
        &self.chain
    }

    /// The embedded L1, if that is what the network runs on.
    pub const fn l1(&self) -> Option<&EmbeddedL1Handle> {
        self.l1.as_ref()
    }

    /// URLs of L1's RPC server and beacon API.
    pub fn l1_urls(&self) -> (&str, &str) {
        (&self.l1_rpc, &self.l1_beacon)
    }

    /// URLs of the RPC servers: L2's, then the follower's if it serves.
    pub fn l2_urls(&self) -> Vec<String> {
        self.servers.iter().map(|server| format!("http://{}", server.address())).collect()
    }

    /// The sequencers.
    pub fn seats(&self) -> &[Sequencer] {
        &self.seats
    }

    /// The follower.
    pub const fn follower(&self) -> &FollowerNode {
        &self.follower
    }

    /// The watchtower, if one runs.
    pub const fn watchtower(&self) -> Option<&Watchtower> {
        self.watchtower.as_ref()
    }

    /// What the sinners do when they are told to, in the order in which they were named.
    pub fn misbehaviours(&self) -> &[Misbehaviour] {
        &self.misbehaviours
    }

    /// Accounts that have ether on both layers.
    pub fn accounts(&self) -> &[Address] {
        &self.accounts
    }

    /// Stops a seat, waits for something else, and starts it again; the first seat's RPC server, too, at the same address.
    ///
    /// # Errors
    /// It does not start; the network goes on without it.
    pub async fn restart_seat_after(
        &mut self,
        place: usize,
        away: impl Future<Output = ()>,
    ) -> Result<(), NetworkError> {
        if place >= self.seats.len() {
            return Ok(());
        }
        // What serves the first seat's store holds it open.
        let served = if place == 0 && !self.servers.is_empty() { Some(self.servers.remove(0)) } else { None };
        let address = served.as_ref().map(Server::address);
        if let Some(server) = served {
            server.stop().await;
        }
        if let Err(error) = self.seats.remove(place).stop().await {
            tracing::error!(seat = place, %error, "the seat had failed");
        }
        away.await;
        let seat = self.starts.start(place).await?;
        let backend = seat.backend();
        self.seats.insert(place, seat);
        if let Some(address) = address {
            self.servers.insert(0, surety_rpc::serve(backend, serving_at(address)).await?);
        }
        Ok(())
    }

    /// Starts a second copy of a seat, with the same keys on another disk and port, as nobody should.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start_copy(&self, place: usize, directory: PathBuf) -> Result<Sequencer, NetworkError> {
        self.starts.start_in(place, directory, None, free_port()?).await
    }

    /// The key that a seat votes with, for drills in which it signs what its node would not.
    pub fn vote_key(&self, place: usize) -> Option<&k256::ecdsa::SigningKey> {
        self.starts.seats.get(place).map(|(seat, _)| &seat.vote)
    }

    /// Stops the last seats; the first always stays.
    ///
    /// # Errors
    /// One of them had failed before; all are stopped.
    pub async fn stop_seats(&mut self, count: usize) -> Result<(), NetworkError> {
        let left = self.seats.len().saturating_sub(count).max(1);
        let stopped = futures::future::join_all(self.seats.drain(left..).map(Sequencer::stop)).await;
        for (place, outcome) in (left..).zip(stopped) {
            outcome.map_err(|error| NetworkError::Seat(place, error.into()))?;
        }
        Ok(())
    }

    /// Stops all sequencers and everything that serves users, for good. The follower and the watchtower go on.
    ///
    /// # Errors
    /// One of the sequencers had failed before; all are stopped.
    pub async fn halt(&mut self) -> Result<(), NetworkError> {
        for server in self.servers.drain(..) {
            server.stop().await;
        }
        let stopped = futures::future::join_all(self.seats.drain(..).map(Sequencer::stop)).await;
        for (place, outcome) in stopped.into_iter().enumerate() {
            outcome.map_err(|error| NetworkError::Seat(place, error.into()))?;
        }
        Ok(())
    }

    /// Starts as many seats again that were stopped.
    ///
    /// # Errors
    /// One of them does not start; those before it run.
    pub async fn start_seats(&mut self, count: usize) -> Result<(), NetworkError> {
        for _ in 0..count {
            self.seats.push(self.starts.start(self.seats.len()).await?);
        }
        Ok(())
    }

    /// Waits until a part of the network has failed; says which.
    pub async fn failed(&mut self) -> String {
        let seats =
            futures::future::select_all(self.seats.iter_mut().map(|seat| Box::pin(seat.ended())).collect::<Vec<_>>());
        tokio::select! {
            ((), place, _) = seats => format!("seat {place} has stopped"),
            outcome = ended(self.watchtower.as_mut()) => match outcome {
                Ok(()) => "the watchtower has stopped".into(),
                Err(error) => format!("the watchtower has stopped: {error}"),
            },
            outcome = self.follower.ended() => match outcome {
                Ok(()) => "the follower has stopped".into(),
                Err(error) => format!("the follower has stopped: {error}"),
            },
        }
    }

    /// Stops everything, the users' end first, and waits until it is on disk.
    pub async fn stop(self) {
        if let Some(l1) = self.stop_but_l1().await {
            l1.stop().await;
        }
    }

    /// Stops everything but the embedded L1, which is returned.
    pub async fn stop_but_l1(self) -> Option<EmbeddedL1Handle> {
        if let Some(watchtower) = self.watchtower {
            watchtower.stop().await;
        }
        for server in self.servers {
            server.stop().await;
        }
        self.follower.stop().await;
        for (place, outcome) in
            futures::future::join_all(self.seats.into_iter().map(Sequencer::stop)).await.into_iter().enumerate()
        {
            if let Err(error) = outcome {
                tracing::error!(seat = place, %error, "the seat had failed");
            }
        }
        self.l1
    }
}

/// How an RPC server serves.
fn serving_at(address: SocketAddr) -> surety_rpc::Config {
    surety_rpc::Config { address, ..Default::default() }
}

/// Waits for the watchtower's end; for ever if there is none.
async fn ended(watchtower: Option<&mut Watchtower>) -> Result<(), WatchError> {
    match watchtower {
        Some(watchtower) => watchtower.ended().await,
        None => std::future::pending().await,
    }
}

/// Starts the embedded L1, unless another was chosen; returns the URLs of its RPC server and beacon API.
pub(crate) async fn start_l1(
    choice: &L1Choice,
    directory: &Path,
) -> Result<(Option<EmbeddedL1Handle>, String, String), NetworkError> {
    match choice {
        L1Choice::Embedded { rpc, beacon } => {
            let settings = L1Config {
                data_dir: Some(directory.join("l1")),
                rpc: surety_rpc::Config { address: *rpc, ..Default::default() },
                beacon_address: *beacon,
                ..Default::default()
            };
            let l1 = EmbeddedL1::start(settings).await?;
            let (rpc, beacon) = (l1.rpc_url(), l1.beacon_url());
            Ok((Some(l1), rpc, beacon))
        }
        L1Choice::External { rpc, beacon } => Ok((None, rpc.clone(), beacon.clone())),
    }
}

/// A watchtower that hears these public feeds and reports.
pub(crate) async fn watch(
    directory: &Path,
    chain: &ChainFile,
    l1: &Arc<dyn L1>,
    feeds: Vec<String>,
) -> Result<Watchtower, NetworkError> {
    let key = watcher().ok_or(NetworkError::Key(0))?;
    let submitter = submitter(l1, key, directory.join("keys/watch"), chain).await?;
    let watchtower = Watchtower::start(WatchConfig {
        chain: chain.clone(),
        l1: l1.clone(),
        feeds,
        files: vec![directory.join(EVIDENCE)],
        directory: directory.join("watch"),
        submitter: Some(Arc::new(submitter)),
        policy: Policy::default(),
        poll: poll(chain),
    });
    Ok(watchtower.await?)
}

/// The account that reports.
pub(crate) fn watcher() -> Option<PrivateKeySigner> {
    PrivateKeySigner::from_bytes(&keccak256("surety dev watchtower key")).ok()
}

/// How often L1 is asked.
fn poll(chain: &ChainFile) -> Duration {
    Duration::from_millis(chain.protocol.slot_time.saturating_mul(250).clamp(200, 12_000))
}

pub(crate) async fn submitter(
    l1: &Arc<dyn L1>,
    key: PrivateKeySigner,
    directory: PathBuf,
    chain: &ChainFile,
) -> Result<Submitter, NetworkError> {
    let slot = Duration::from_secs(chain.protocol.slot_time);
    // A dev network may post for weeks; its ether is worth nothing.
    let settings = SubmitConfig { daily_budget: U256::MAX, max_underway: 64, ..SubmitConfig::new(directory) };
    let open = Submitter::open(l1.clone(), Arc::new(key), settings.for_slot_time(slot)).await;
    open.map_err(|cause| NetworkError::Send { what: "open the journal of a sender on L1", cause: cause.into() })
}

/// A port of loopback for something of this network.
fn free_port() -> Result<SocketAddr, NetworkError> {
    ports::free().map_err(|cause| NetworkError::System { what: "find a free port".into(), cause })
}

/// What it takes to start a seat.
struct Starts {
    directory: PathBuf,
    chain: ChainFile,
    l1: Arc<dyn L1>,
    peers: PeerAddresses,
    seats: Vec<(DevSeat, SocketAddr)>,
    sinners: Vec<(usize, Misbehaviour)>,
    clocks: Vec<Clock>,
}

impl std::fmt::Debug for Starts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Starts").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Starts {
    fn new(
        config: &NetworkConfig,
        chain: &ChainFile,
        l1: &Arc<dyn L1>,
        keys: Vec<DevSeat>,
        sinners: Vec<(usize, Misbehaviour)>,
        clocks: Vec<Clock>,
    ) -> Result<Self, NetworkError> {
        let peers = PeerAddresses::default();
        let mut seats = Vec::new();
        for seat in keys {
            let address = free_port()?;
            peers.insert(seat.peer_public, address);
            seats.push((seat, address));
        }
        Ok(Self {
            directory: config.directory.clone(),
            chain: chain.clone(),
            l1: l1.clone(),
            peers,
            seats,
            sinners,
            clocks,
        })
    }

    async fn start(&self, place: usize) -> Result<Sequencer, NetworkError> {
        let (_, listen) = self.seats.get(place).ok_or(NetworkError::Key(place))?;
        let directory = self.directory.join(format!("seat-{place}"));
        let journal = self.directory.join(format!("keys/poster-{place}"));
        self.start_in(place, directory, Some(journal), *listen).await
    }

    /// Starts a seat's keys in a directory and at a port.
    async fn start_in(
        &self,
        place: usize,
        directory: PathBuf,
        poster: Option<PathBuf>,
        listen: SocketAddr,
    ) -> Result<Sequencer, NetworkError> {
        let (key, _) = self.seats.get(place).ok_or(NetworkError::Key(place))?;
        let submitter = match poster {
            Some(journal) => Some(Arc::new(submitter(&self.l1, key.poster.clone(), journal, &self.chain).await?)),
            None => None,
        };
        let seat = SequencerConfig {
            chain: self.chain.clone(),
            directory,
            l1: self.l1.clone(),
            vote_key: LocalSigner::new(key.vote.clone()),
            peer_key: key.peer,
            listen,
            peers: self.peers.clone(),
            local: true,
            limits: NetworkLimits { max_peers: self.seats.len(), ..Default::default() },
            beneficiary: key.owner,
            submitter,
            poll: poll(&self.chain),
            misbehaviour: self.sinners.iter().find(|(sinner, _)| *sinner == place).map(|(_, how)| how.clone()),
        };
        let clock = self.clocks.get(place).or(self.clocks.last()).cloned().unwrap_or_else(Clock::system);
        Sequencer::start_by(seat, clock).await.map_err(|error| NetworkError::Seat(place, error))
    }
}
