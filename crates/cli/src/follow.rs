//! `surety follow`: a chain from L1 data alone, served to wallets.

use crate::{
    dev::{check_l1, read_chain},
    interrupted, keys,
};
use anyhow::{Context, Result};
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use surety_contracts::ChainFile;
use surety_l1::{
    blobs::{Archive, ArchiveLimits, ArchiveServer},
    several::{self, CrossCheck},
    submit::{SubmitConfig, Submitter},
};
use surety_node::{
    challenger::{Challenger, Power},
    follower_node::{FollowerNode, FollowerNodeConfig},
    keeper::Keeper,
    party::Party,
    poster::Rehearsal,
};
use surety_rpc::Backend as _;
use tokio::{sync::watch, task::JoinHandle};

/// A node that follows L1, and what its account does.
#[derive(clap::Args)]
pub(crate) struct NodeArguments {
    /// RPC endpoint of L1; may be repeated. One is used, the next when it fails; the others are asked whether they say the same.
    #[arg(long, required = true)]
    l1: Vec<String>,
    /// Beacon API of L1; may be repeated. They are asked in order: a beacon node and, for blobs older than it keeps, archives of
    /// other followers (their --archive-port).
    #[arg(long, required = true)]
    l1_beacon: Vec<String>,
    /// The chain file.
    #[arg(long)]
    chain: PathBuf,
    /// Where to keep the chain.
    #[arg(long, default_value = "surety-follower")]
    data_dir: PathBuf,
    /// How many blobs to keep on disk, 128 KiB each, the oldest go first; 0 keeps all.
    #[arg(long, default_value_t = 0)]
    archived_blobs: usize,
    /// Feed of a sequencer or of a follower of one, ws://…; may be repeated. Soft-final blocks come from there, checked, and
    /// transactions go there. Without: L1 alone.
    #[arg(long)]
    feed: Vec<String>,
    /// Act on L1 with this keystore's account, which pays, and has one bond behind all that it claims: see --power.
    #[arg(long, conflicts_with = "keeper_dev_account")]
    keeper: Option<PathBuf>,
    /// File with the keystore's password; otherwise the file that SURETY_PASSWORD_FILE names, or it is asked for.
    #[arg(long, requires = "keeper")]
    password_file: Option<PathBuf>,
    /// The same, paid by this account of the well-known test mnemonic (development networks only).
    #[arg(long)]
    keeper_dev_account: Option<usize>,
    /// How far that account goes: `watch` says what it would do in disputes about claims, `defend` answers for right claims,
    /// `dispute` opposes wrong ones, too, and `claim` also keeps the chain going when its committee is gone: it sequences messages
    /// that are overdue, and claims what came of it.
    #[arg(long, value_enum, default_value_t = PowerArgument::Claim)]
    power: PowerArgument,
    /// How often to ask L1, in milliseconds; a quarter of a slot by default.
    #[arg(long)]
    poll: Option<u64>,
}

/// [`Power`], on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum PowerArgument {
    Watch,
    Defend,
    Dispute,
    Claim,
}

impl PowerArgument {
    const fn in_disputes(self) -> Power {
        match self {
            Self::Watch => Power::Watch,
            Self::Defend => Power::Defend,
            Self::Dispute | Self::Claim => Power::Dispute,
        }
    }
}

impl NodeArguments {
    /// Whether the node has an account to act with.
    pub(crate) const fn has_account(&self) -> bool {
        self.keeper.is_some() || self.keeper_dev_account.is_some()
    }
}

/// A node that runs, and what its account does.
pub(crate) struct Running {
    pub(crate) node: FollowerNode,
    archive: Arc<Archive>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    pub(crate) async fn start(arguments: NodeArguments) -> Result<Self> {
        let chain = read_chain(&arguments.chain)?;
        let dev_account = ("keeper-dev-account", arguments.keeper_dev_account);
        let key = keys::account(arguments.keeper.as_deref(), arguments.password_file.as_deref(), dev_account)?;
        let archive = open_archive(&arguments.data_dir, arguments.archived_blobs)?;
        let l1 = several::connect(&arguments.l1, &arguments.l1_beacon, cross_check(&chain), Some(archive.clone()))?;
        check_l1(&*l1, &chain).await?;
        let poll = arguments.poll.unwrap_or_else(|| (chain.protocol.slot_time.saturating_mul(250)).max(200));
        let poll = Duration::from_millis(poll);
        let config = FollowerNodeConfig {
            chain: chain.clone(),
            directory: arguments.data_dir.clone(),
            l1: l1.clone(),
            poll,
            feeds: arguments.feed,
        };
        let node = FollowerNode::start(config).await?;
        let (stop, stopped) = watch::channel(false);
        let mut tasks = Vec::new();
        if let Some(key) = key {
            let slot = Duration::from_secs(chain.protocol.slot_time);
            let settings = SubmitConfig::new(arguments.data_dir.join("keeper")).for_slot_time(slot);
            let submitter =
                Submitter::open(l1.clone(), Arc::new(key), settings).await.context("the keeper's journal")?;
            say!("acting on L1 as {}", submitter.address());
            let store = node.backend().store().clone();
            let party = Party { l1, chain, store, submitter: Arc::new(submitter) };
            let challenger = Challenger {
                party: party.clone(),
                follower: node.status(),
                posted: node.posted(),
                archive: archive.clone(),
                rehearsal: Arc::new(Rehearsal::whole(arguments.data_dir.join("differences"))),
                power: arguments.power.in_disputes(),
                poll,
            };
            tasks.push(tokio::spawn(challenger.run(stopped.clone())));
            if arguments.power == PowerArgument::Claim {
                let file = arguments.data_dir.join("keeper.json");
                let keeper = Keeper { party, follower: node.status(), poll: slot, file };
                tasks.push(tokio::spawn(keeper.run(stopped)));
            }
        }
        Ok(Self { node, archive, stop, tasks })
    }

    /// Waits until the node fails or somebody interrupts.
    pub(crate) async fn ended(&mut self) -> Result<()> {
        tokio::select! {
            ended = self.node.ended() => ended.context("the follower has stopped"),
            interrupt = interrupted() => interrupt,
        }
    }

    pub(crate) async fn stop(self) {
        let _ = self.stop.send(true);
        for task in self.tasks {
            let _ = task.await;
        }
        self.node.stop().await;
    }
}

/// Options of `surety follow`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    node: NodeArguments,
    /// Address to serve on.
    #[arg(long, default_value_t = Ipv4Addr::LOCALHOST.into())]
    host: std::net::IpAddr,
    /// Port to serve on, HTTP and WebSocket; 0 takes any free one.
    #[arg(long, default_value_t = 9547)]
    rpc_port: u16,
    /// Port to serve the blobs on that are kept, in the beacon API's form, for followers that come after beacon nodes have
    /// forgotten them; 0 takes any free one. Without: they are not served.
    #[arg(long)]
    archive_port: Option<u16>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let mut running = Running::start(arguments.node).await?;
    let address = SocketAddr::new(arguments.host, arguments.rpc_port);
    let config = surety_rpc::Config { address, ..Default::default() };
    let server = surety_rpc::serve(running.node.backend(), config).await?;
    say!("following; RPC on http://{}", server.address());
    let archive = match arguments.archive_port {
        Some(port) => Some(serve_archive(running.archive.clone(), SocketAddr::new(arguments.host, port)).await?),
        None => None,
    };
    let outcome = running.ended().await;
    if let Some(archive) = archive {
        archive.stop().await;
    }
    server.stop().await;
    running.stop().await;
    outcome
}

/// How several endpoints of a chain's L1 are compared.
pub(crate) fn cross_check(chain: &ChainFile) -> CrossCheck {
    let protocol = &chain.protocol;
    CrossCheck::for_chain(Duration::from_secs(protocol.slot_time), protocol.settled_depth)
}

/// The blobs in a node's data folder; at most so many, 0 for all.
pub(crate) fn open_archive(data_dir: &Path, blobs: usize) -> Result<Arc<Archive>> {
    let capacity = if blobs == 0 { Archive::ALL } else { blobs };
    Ok(Arc::new(Archive::open(data_dir.join("blobs"), capacity).context("open the archive of blobs")?))
}

/// Serves blobs to whoever asks.
pub(crate) async fn serve_archive(archive: Arc<Archive>, address: SocketAddr) -> Result<ArchiveServer> {
    let server = ArchiveServer::start(archive, address, ArchiveLimits::default()).await;
    let server = server.with_context(|| format!("listen on {address} for the archive of blobs"))?;
    say!("blob archive on http://{}", server.address());
    Ok(server)
}
