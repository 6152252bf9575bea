//! `surety dev`: a whole network in this process, a table of what there is, and a status line until Ctrl-C.

use crate::interrupted;
use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};
use surety_contracts::{ChainFile, Profile};
use surety_devnet::{
    l1::DEV_MNEMONIC,
    network::{L1Choice, L2_BALANCE, MAX_SEATS, MIN_SEATS, Network, NetworkConfig, SEATS},
};
use surety_l1::L1;
use surety_rpc::Backend as _;

/// Delays and windows that a development network may have.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum DevProfile {
    /// The shortest that fit together: for tests.
    Ci,
    /// Short, for people.
    Dev,
}

impl From<DevProfile> for Profile {
    fn from(profile: DevProfile) -> Self {
        match profile {
            DevProfile::Ci => Self::Ci,
            DevProfile::Dev => Self::Dev,
        }
    }
}

/// Options of `surety dev`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Delays and windows.
    #[arg(long, value_enum, default_value_t = DevProfile::Dev)]
    profile: DevProfile,
    /// Seats of the committee. All share this machine.
    #[arg(long, default_value_t = SEATS as u64, value_parser = clap::value_parser!(u64).range(MIN_SEATS as u64..=MAX_SEATS as u64))]
    seats: u64,
    /// Address that all servers listen on.
    #[arg(long, default_value_t = Ipv4Addr::LOCALHOST.into())]
    host: std::net::IpAddr,
    /// Port of the embedded L1's RPC server; 0 takes any free one.
    #[arg(long, default_value_t = 8545)]
    l1_port: u16,
    /// Port of the embedded L1's beacon API; 0 takes any free one.
    #[arg(long, default_value_t = 5052)]
    l1_beacon_port: u16,
    /// Port of L2's RPC server, HTTP and WebSocket; 0 takes any free one.
    #[arg(long, default_value_t = 9545)]
    l2_port: u16,
    /// Port of the follower's RPC server, which serves what L1 data alone give; 0 takes any free one.
    #[arg(long, default_value_t = 9546)]
    follower_port: u16,
    /// Run on this L1 instead of the embedded one. It must fund the accounts of the test mnemonic.
    #[arg(long, requires = "l1_beacon")]
    l1: Option<String>,
    /// Beacon API of that L1.
    #[arg(long, requires = "l1")]
    l1_beacon: Option<String>,
    /// Keep everything here, and go on with what is here; otherwise a temporary folder is used and removed.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Also write the chain file here: what a follower needs.
    #[arg(long)]
    chain_file: Option<PathBuf>,
}

/// A folder that goes with the process unless the user named one.
pub(crate) struct Directory {
    path: PathBuf,
    temporary: bool,
}

impl Directory {
    pub(crate) fn new(what: &str, named: Option<PathBuf>) -> Result<Self> {
        let Some(path) = named else { return Self::within(what, &std::env::temp_dir()) };
        std::fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(Self { path, temporary: false })
    }

    /// A temporary folder in another one.
    pub(crate) fn within(what: &str, parent: &std::path::Path) -> Result<Self> {
        let path = parent.join(format!("surety-{what}-{}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(Self { path, temporary: true })
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        &self.path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if self.temporary {
            // What cannot be removed now, the system's own cleaning of temporary files will.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let directory = Directory::new("dev", arguments.data_dir)?;
    let at = |port| SocketAddr::new(arguments.host, port);
    let l1 = match (arguments.l1, arguments.l1_beacon) {
        (Some(rpc), Some(beacon)) => L1Choice::External { rpc, beacon },
        _ => L1Choice::Embedded { rpc: at(arguments.l1_port), beacon: at(arguments.l1_beacon_port) },
    };
    let config = NetworkConfig {
        profile: arguments.profile.into(),
        seats: usize::try_from(arguments.seats).unwrap_or(SEATS),
        l1,
        l2_rpc: at(arguments.l2_port),
        follower_rpc: Some(at(arguments.follower_port)),
        directory: directory.path.clone(),
        chain_file: arguments.chain_file.clone(),
        watch: true,
        sinners: Vec::new(),
    };
    eprintln!("starting: L1, contracts, {} sequencers, follower, watchtower (a few L1 blocks) …", config.seats);
    let mut network = tokio::select! {
        network = Network::start(config) => network.context("the network did not start")?,
        interrupt = interrupted() => { interrupt?; return Ok(()); }
    };
    print_table(&network, &directory);
    let outcome = tokio::select! {
        failed = watch(&mut network) => Err(anyhow::anyhow!(failed)),
        interrupt = interrupted() => interrupt,
    };
    eprintln!("stopping …");
    network.stop().await;
    outcome
}

fn print_table(network: &Network, directory: &Directory) {
    let chain = network.chain();
    let (l1, beacon) = network.l1_urls();
    let l2 = network.l2_urls();
    let row = |name: &str, value: String| say!("  {name:<16} {value}");
    say!("\nSurety development network\n");
    row("L1 RPC", format!("{l1}   (chain id {})", chain.l1_chain_id));
    row("L1 beacon API", beacon.to_owned());
    if let Some(url) = l2.first() {
        row("L2 RPC", format!("{url}   (chain id {}, WebSocket on the same port)", chain.parameters.rollup));
    }
    if let Some(url) = l2.get(1) {
        row("follower RPC", format!("{url}   (from L1 data alone)"));
    }
    row("chain file", directory.path.join("chain.json").display().to_string());
    say!("");
    row("registry", chain.addresses.registry.to_string());
    row("inbox", chain.addresses.inbox.to_string());
    row("claims", chain.addresses.claims.to_string());
    row("bridge", chain.addresses.bridge.to_string());
    row("slasher", chain.addresses.slasher.to_string());
    say!("");
    let bond = chain.protocol.bond / alloy_primitives::U256::from(10).pow(alloy_primitives::U256::from(18));
    row("seats", format!("{} with {bond} ETH bonded each", network.seats().len()));
    row("mnemonic", DEV_MNEMONIC.to_owned());
    let ether = L2_BALANCE / alloy_primitives::U256::from(10).pow(alloy_primitives::U256::from(18));
    say!("\n  accounts with ether on both layers ({ether} ETH each on L2)");
    for (index, account) in network.accounts().iter().enumerate() {
        say!("  {index:>2}  {account}");
    }
    say!("\n  ready. Ctrl-C ends it.\n");
}

/// Shows the status until a part of the network fails.
async fn watch(network: &mut Network) -> String {
    let line = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        line.set_style(style);
    }
    line.enable_steady_tick(Duration::from_millis(200));
    let backends: Vec<_> = network.seats().iter().map(|seat| seat.backend()).collect();
    let status = network.follower().status();
    let show = async {
        loop {
            if let Some(backend) = backends.first() {
                let tags = backend.tags();
                let number = |tag: Option<surety_rpc::BlockRef>| tag.map_or(0, |at| at.number);
                let (follower, l1) = {
                    let status = status.borrow();
                    let l1 = status.l1_head.map_or(0, |head| head.number.get());
                    (format!("batch {} at {}", status.safe.index, status.safe.last), l1)
                };
                line.set_message(format!(
                    "L1 {l1} · L2 latest {} safe {} finalized {} · follower {follower} · pool {}",
                    tags.latest.number,
                    number(tags.safe),
                    number(tags.finalized),
                    backend.pool_status().0,
                ));
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let failed = tokio::select! {
        failed = network.failed() => failed,
        () = show => String::new(),
    };
    line.finish_and_clear();
    failed
}

/// Refuses the endpoint of another L1 than a chain's.
pub(crate) async fn check_l1(l1: &dyn L1, chain: &ChainFile) -> Result<()> {
    let found = l1.chain_id().await.context("L1 does not answer")?;
    let expected = chain.l1_chain_id;
    ensure!(found == expected, "--l1 is chain {found}, the chain file says {expected}: use an endpoint of that chain");
    Ok(())
}

/// Reads a chain file or says where to get one.
pub(crate) fn read_chain(path: &std::path::Path) -> Result<ChainFile> {
    if !path.exists() {
        bail!(
            "there is no chain file at {}: `surety dev` writes one, or get it where the chain is published",
            path.display()
        );
    }
    Ok(ChainFile::read(path)?)
}
