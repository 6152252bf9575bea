//! The one binary, `surety`.

/// Prints a line of a server, which goes on when nobody reads it any more (`println!` would panic).
macro_rules! say {
    ($($line:tt)*) => {{
        use std::io::Write as _;
        drop(writeln!(std::io::stdout(), $($line)*));
    }};
}

mod bench;
mod challenge;
mod config;
mod deploy;
mod dev;
mod drill;
mod follow;
mod init;
mod journal;
mod keys;
mod l1;
mod seat;
mod sequencer;
mod status;
mod user;
mod vm;
mod watch;
mod witness;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use std::net::{Ipv4Addr, SocketAddr};
use tracing_subscriber::EnvFilter;

#[derive(Parser)]
#[command(name = "surety", version, about = "An Ethereum rollup whose sequencers answer with their stake")]
struct Arguments {
    /// Log filter, in the form of the `tracing` crate, such as `info` or `surety_node=debug`; `warn` by default, or what the
    /// configuration says.
    #[arg(long, global = true, env = "SURETY_LOG")]
    log: Option<EnvFilter>,
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
    /// Judge every claim by one's own execution; oppose wrong ones on L1 and defend right ones, to the end.
    Challenge(challenge::Arguments),
    /// Judge the seats and report who broke a rule.
    Watch(watch::Arguments),
    /// Have a seat of a fresh network do wrong, and see what becomes of it; fails unless exactly that seat is punished.
    Drill(drill::Arguments),
    /// Make keys and configuration of a new seat.
    Init(init::Arguments),
    /// Run one seat.
    Sequencer(sequencer::Arguments),
    /// Register a seat, raise its bond, rotate its keys, leave, and see where it stands.
    #[command(subcommand)]
    Seat(seat::Command),
    /// Put a new chain's contracts onto L1.
    Deploy(deploy::Arguments),
    /// Run the embedded L1 alone.
    L1(l1::Arguments),
    /// Move what a vote key has signed to another machine.
    #[command(subcommand)]
    Journal(journal::Command),
    /// Say where a chain stands.
    Status(status::Arguments),
    /// Bring ether or tokens to L2.
    Deposit(user::deposit::Arguments),
    /// Have a transaction on L2 through L1, so that no sequencer can leave it out; or sequence what they left out.
    Force(user::force::Arguments),
    /// Take ether or tokens out of L2; say where a withdrawal stands; go on with one.
    Withdraw(user::withdraw::Arguments),
    /// Leave a chain that has ended, by proofs from L1's data alone.
    Exit(user::exit::Arguments),
    /// Write everything that the program needs for a block into a file, from a follower's own database.
    Witness(witness::Arguments),
    /// Run programs on the machine that L1 judges, step by step if need be.
    #[command(subcommand)]
    Vm(vm::Command),
    /// Measure.
    #[command(subcommand)]
    Bench(bench::Command),
}

/// The configuration of a command that has one, read before anything else so that it says how to log.
fn configured(command: &Command) -> Result<Option<config::Config>> {
    match command {
        Command::Sequencer(arguments) => config::Config::read(&arguments.config).map(Some),
        _ => Ok(None),
    }
}

fn start_log(filter: Option<EnvFilter>, config: Option<&config::Config>, drill: bool) -> Result<()> {
    // In a drill, seats go away on purpose: that their feeds break off is no news.
    let usual = if drill { "warn,surety_watch::sources::feed=error" } else { "warn" };
    let (usual, json) = config.map_or((usual, false), |config| (&config.log.filter, config.log.json));
    let filter = filter.map_or_else(|| usual.parse(), Ok).context("log.filter")?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if json {
        log.json().init()
    } else {
        log.init()
    }
    Ok(())
}

fn serve_metrics(at: SocketAddr) -> Result<()> {
    let server = metrics_exporter_prometheus::PrometheusBuilder::new().with_http_listener(at);
    server.install().with_context(|| format!("serve metrics on {at}: is the port in use?"))
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let config = configured(&arguments.command)?;
    start_log(arguments.log, config.as_ref(), matches!(arguments.command, Command::Drill(_)))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let metrics = config.as_ref().map(|config| &config.metrics).filter(|metrics| metrics.enabled);
        let flag = arguments.metrics_port.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        if let Some(at) = flag.or(metrics.map(|metrics| metrics.listen)) {
            serve_metrics(at)?;
        }
        match (arguments.command, config) {
            (Command::Sequencer(arguments), Some(config)) => sequencer::run(arguments, config).await,
            (command, _) => Box::pin(run(command)).await,
        }
    });
    // Blocking reads that a cancelled task left behind must not hold the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    outcome
}

async fn run(command: Command) -> Result<()> {
    match command {
        Command::Dev(arguments) => dev::run(arguments).await,
        Command::Follow(arguments) => follow::run(arguments).await,
        Command::Challenge(arguments) => challenge::run(arguments).await,
        Command::Init(arguments) => init::run(arguments),
        Command::Sequencer(arguments) => {
            let config = config::Config::read(&arguments.config)?;
            sequencer::run(arguments, config).await
        }
        Command::Seat(command) => seat::run(command).await,
        Command::Deploy(arguments) => deploy::run(arguments).await,
        Command::L1(arguments) => l1::run(arguments).await,
        Command::Drill(arguments) => drill::run(arguments).await,
        Command::Watch(arguments) => watch::run(arguments).await,
        Command::Journal(command) => journal::run(command),
        Command::Status(arguments) => status::run(arguments).await,
        Command::Deposit(arguments) => user::deposit::run(arguments).await,
        Command::Force(arguments) => user::force::run(arguments).await,
        Command::Withdraw(arguments) => user::withdraw::run(arguments).await,
        Command::Exit(arguments) => user::exit::run(arguments).await,
        Command::Witness(arguments) => witness::run(arguments).await,
        Command::Vm(command) => vm::run(command),
        Command::Bench(command) => bench::run(command).await,
    }
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
