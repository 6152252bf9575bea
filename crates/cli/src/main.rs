//! The one binary, `surety`.

mod bench;
mod dev;
mod drill;
mod follow;
mod status;
mod watch;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

#[derive(Parser)]
#[command(name = "surety", version, about = "An Ethereum rollup whose sequencers answer with their stake")]
struct Arguments {
    /// Log filter, in the form of the `tracing` crate, such as `info` or `surety_node=debug`.
    #[arg(long, global = true, env = "SURETY_LOG", default_value = "warn")]
    log: EnvFilter,
    /// Serve metrics in Prometheus' form on this port of loopback (`docs/metrics.md`).
    #[arg(long, global = true)]
    metrics_port: Option<u16>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a whole network in this process: L1, contracts, four sequencers, follower, RPC.
    Dev(dev::Arguments),
    /// Derive a chain from L1 alone and serve it.
    Follow(follow::Arguments),
    /// Judge the seats and report who broke a rule.
    Watch(watch::Arguments),
    /// Have a seat of a fresh network do wrong, and see what becomes of it; fails unless exactly that seat is punished.
    Drill(drill::Arguments),
    /// Say where a chain stands.
    Status(status::Arguments),
    /// Measure.
    #[command(subcommand)]
    Bench(bench::Command),
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt().with_env_filter(arguments.log).with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        if let Some(port) = arguments.metrics_port {
            metrics_exporter_prometheus::PrometheusBuilder::new()
                .with_http_listener((std::net::Ipv4Addr::LOCALHOST, port))
                .install()
                .with_context(|| format!("serve metrics on port {port}: is it in use?"))?;
        }
        match arguments.command {
            Command::Dev(arguments) => dev::run(arguments).await,
            Command::Follow(arguments) => follow::run(arguments).await,
            Command::Drill(arguments) => drill::run(arguments).await,
            Command::Watch(arguments) => watch::run(arguments).await,
            Command::Status(arguments) => status::run(arguments).await,
            Command::Bench(command) => bench::run(command).await,
        }
    });
    // Blocking reads that a cancelled task left behind must not hold the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    outcome
}

/// Completes on Ctrl-C or SIGTERM.
async fn interrupted() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        done = tokio::signal::ctrl_c() => done?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
