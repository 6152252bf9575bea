//! `surety follow`: a chain from L1 data alone, served to wallets.

use crate::{dev::read_chain, interrupted};
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
};
use surety_node::follower_node::{FollowerNode, FollowerNodeConfig};

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
    /// How often to ask L1, in milliseconds; a quarter of a slot by default.
    #[arg(long)]
    poll: Option<u64>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let chain = read_chain(&arguments.chain)?;
    let archive =
        Archive::open(arguments.data_dir.join("blobs"), ARCHIVED_BLOBS).context("open the archive of blobs")?;
    let l1: Arc<dyn L1> =
        Arc::new(RpcL1::new(RpcConfig::new(arguments.l1, arguments.l1_beacon), Some(Arc::new(archive)))?);
    let found = l1.chain_id().await.context("L1 does not answer")?;
    anyhow::ensure!(
        found == chain.l1_chain_id,
        "--l1 is chain {found}, the chain file says {}: use an endpoint of that chain",
        chain.l1_chain_id
    );
    let poll = arguments.poll.unwrap_or_else(|| (chain.protocol.slot_time.saturating_mul(250)).max(200));
    let config = FollowerNodeConfig {
        chain,
        directory: arguments.data_dir,
        l1,
        poll: Duration::from_millis(poll),
        feeds: arguments.feed,
    };
    let mut node = FollowerNode::start(config).await?;
    let address = SocketAddr::new(arguments.host, arguments.rpc_port);
    let server = surety_rpc::serve(node.backend(), surety_rpc::Config { address, ..Default::default() }).await?;
    say!("following; RPC on http://{}", server.address());
    let outcome = tokio::select! {
        ended = node.ended() => ended.context("the follower has stopped"),
        interrupt = interrupted() => interrupt,
    };
    server.stop().await;
    node.stop().await;
    outcome
}
