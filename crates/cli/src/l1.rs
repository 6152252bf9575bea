//! `surety l1`: the embedded L1 alone, to try out chains of several processes on.

use crate::interrupted;
use anyhow::Result;
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};
use surety_devnet::l1::{Config, DEV_MNEMONIC, EmbeddedL1};

/// Options of `surety l1`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Address that both servers listen on.
    #[arg(long, default_value_t = Ipv4Addr::LOCALHOST.into())]
    host: std::net::IpAddr,
    /// Port of the RPC server; 0 takes any free one.
    #[arg(long, default_value_t = 8545)]
    port: u16,
    /// Port of the beacon API; 0 takes any free one.
    #[arg(long, default_value_t = 5052)]
    beacon_port: u16,
    /// Keep the chain here, and go on with what is here; otherwise it is forgotten at the end.
    #[arg(long)]
    data_dir: Option<PathBuf>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let at = |port| SocketAddr::new(arguments.host, port);
    let config = Config {
        data_dir: arguments.data_dir,
        rpc: surety_rpc::Config { address: at(arguments.port), ..Default::default() },
        beacon_address: at(arguments.beacon_port),
        ..Default::default()
    };
    let l1 = EmbeddedL1::start(config).await?;
    say!("L1 RPC     {}", l1.rpc_url());
    say!("beacon API {}", l1.beacon_url());
    say!("mnemonic   {DEV_MNEMONIC}");
    interrupted().await?;
    l1.stop().await;
    Ok(())
}
