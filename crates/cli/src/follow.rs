//! `surety follow`: a chain from L1 data alone, served to wallets.

use crate::{
    dev::{check_l1, read_chain},
    interrupted, keys,
};
use anyhow::{Context, Result};
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use surety_l1::{
    L1,
    blobs::Archive,
    rpc::{RpcConfig, RpcL1},
    submit::{SubmitConfig, Submitter},
};
use surety_node::{
    follower_node::{FollowerNode, FollowerNodeConfig},
    keeper::Keeper,
};
use tokio::sync::watch;

/// Blobs kept on disk: some two weeks of a batch every five minutes with one blob.
const ARCHIVED_BLOBS: usize = 4_096;

/// Options of `surety follow`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// RPC endpoint of L1.
    #[arg(long)]
    l1: String,
    /// Beacon API of L1; may be repeated.
    #[arg(long, required = true)]
    l1_beacon: Vec<String>,
    /// The chain file.
    #[arg(long)]
    chain: PathBuf,
    /// Where to keep the chain.
    #[arg(long, default_value = "surety-follower")]
    data_dir: PathBuf,
    /// Address to serve on.
    #[arg(long, default_value_t = Ipv4Addr::LOCALHOST.into())]
    host: std::net::IpAddr,
    /// Port to serve on, HTTP and WebSocket; 0 takes any free one.
    #[arg(long, default_value_t = 9547)]
    rpc_port: u16,
    /// Feed of a sequencer or of a follower of one, ws://…; may be repeated. Soft-final blocks come from there, checked, and
    /// transactions go there. Without: L1 alone.
    #[arg(long)]
    feed: Vec<String>,
    /// Keep the chain going when its committee is gone: sequence messages that are overdue, and claim what came of it. Paid,
    /// with a bond for each claim, by this keystore's account.
    #[arg(long, conflicts_with = "keeper_dev_account")]
    keeper: Option<PathBuf>,
    /// File with the keystore's password; otherwise the file that SURETY_PASSWORD_FILE names, or it is asked for.
    #[arg(long, requires = "keeper")]
    password_file: Option<PathBuf>,
    /// The same, paid by this account of the well-known test mnemonic (development networks only).
    #[arg(long)]
    keeper_dev_account: Option<usize>,
    /// How often to ask L1, in milliseconds; a quarter of a slot by default.
    #[arg(long)]
    poll: Option<u64>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let chain = read_chain(&arguments.chain)?;
    let dev_account = ("keeper-dev-account", arguments.keeper_dev_account);
    let key = keys::account(arguments.keeper.as_deref(), arguments.password_file.as_deref(), dev_account)?;
    let archive =
        Archive::open(arguments.data_dir.join("blobs"), ARCHIVED_BLOBS).context("open the archive of blobs")?;
    let l1: Arc<dyn L1> =
        Arc::new(RpcL1::new(RpcConfig::new(arguments.l1, arguments.l1_beacon), Some(Arc::new(archive)))?);
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
    let mut node = FollowerNode::start(config).await?;
    let (stop, stopped) = watch::channel(false);
    let keeper = match key {
        Some(key) => {
            let slot = Duration::from_secs(chain.protocol.slot_time);
            let settings = SubmitConfig::new(arguments.data_dir.join("keeper")).for_slot_time(slot);
            let submitter =
                Submitter::open(l1.clone(), Arc::new(key), settings).await.context("the keeper's journal")?;
            say!("keeping the chain going, paid by {}", submitter.address());
            let keeper = Keeper {
                l1,
                addresses: chain.addresses,
                claim_bond: chain.protocol.claim_bond,
                follower: node.status(),
                submitter: Arc::new(submitter),
                poll: slot,
                file: arguments.data_dir.join("keeper.json"),
            };
            Some(tokio::spawn(keeper.run(stopped)))
        }
        None => None,
    };
    let address = SocketAddr::new(arguments.host, arguments.rpc_port);
    let server = surety_rpc::serve(node.backend(), surety_rpc::Config { address, ..Default::default() }).await?;
    say!("following; RPC on http://{}", server.address());
    let outcome = tokio::select! {
        ended = node.ended() => ended.context("the follower has stopped"),
        interrupt = interrupted() => interrupt,
    };
    let _ = stop.send(true);
    if let Some(keeper) = keeper {
        let _ = keeper.await;
    }
    server.stop().await;
    node.stop().await;
    outcome
}
