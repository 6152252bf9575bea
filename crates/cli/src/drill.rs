//! `surety drill`: a fresh network, one seat that does wrong, the timeline from act to penalty, and the figures.

use crate::{dev::Directory, interrupted};
use anyhow::{Context, Result, bail, ensure};
use std::{
    io::Write as _,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};
use surety_devnet::{
    drill::{self, Drill, DrillConfig, Finished, Line, REORG_DEPTH, Report, Timeline},
    network::L1Choice,
    processes::Program,
};
use tokio::{io::AsyncReadExt as _, sync::mpsc};

/// Options of `surety drill`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Which drill; see --list.
    #[arg(value_parser = parse, required_unless_present = "list")]
    name: Option<Drill>,
    /// Say which drills there are.
    #[arg(long)]
    list: bool,
    /// `honest`: the same run in which nobody does wrong. It must not pass.
    #[arg(long, value_enum)]
    control: Option<Control>,
    /// How many blocks L1 takes back in `l1-reorg`. With more than 64, which settle what L2 takes from L1, it must not pass.
    #[arg(long, default_value_t = REORG_DEPTH, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    depth: u64,
    /// Run on this L1 instead of the embedded one. It must fund the accounts of the test mnemonic.
    #[arg(long, requires = "l1_beacon")]
    l1: Option<String>,
    /// Beacon API of that L1.
    #[arg(long, requires = "l1")]
    l1_beacon: Option<String>,
    /// Port of the embedded L1's RPC server; 0 takes any free one.
    #[arg(long, default_value_t = 0)]
    l1_port: u16,
    /// Keep the network's files here; otherwise a temporary folder is used and removed.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Also write the chain file here.
    #[arg(long)]
    chain_file: Option<PathBuf>,
    /// Keep an embedded L1 running after the report until standard input ends, so that others can read it.
    #[arg(long)]
    keep: bool,
    /// The report as one JSON object on standard output, the timeline on standard error.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Control {
    /// Nobody does wrong.
    Honest,
}

fn parse(name: &str) -> Result<Drill, String> {
    Drill::named(name).ok_or_else(|| {
        let names: Vec<_> = Drill::ALL.iter().map(|drill| drill.name()).collect();
        format!("there are the drills {}", names.join(", "))
    })
}

/// Fails unless the drill passed.
pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let Some(drill) = arguments.name.filter(|_| !arguments.list) else {
        for drill in Drill::ALL {
            println!("{:<17} {}", drill.name(), drill.about());
        }
        return Ok(());
    };
    let directory = Directory::new("drill", arguments.data_dir)?;
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let l1 = match (arguments.l1, arguments.l1_beacon) {
        (Some(rpc), Some(beacon)) => L1Choice::External { rpc, beacon },
        _ => L1Choice::Embedded { rpc: local(arguments.l1_port), beacon: local(0) },
    };
    let config = DrillConfig {
        drill,
        honest: arguments.control.is_some(),
        depth: arguments.depth,
        l1,
        directory: directory.path().to_owned(),
        program: Program::running()?,
        chain_file: arguments.chain_file,
    };
    let (timeline, lines) = Timeline::new();
    let shown = tokio::spawn(show(lines, arguments.json));
    let finished = tokio::select! {
        finished = drill::run(config, timeline) => finished.context("the drill did not end")?,
        interrupt = interrupted() => { interrupt?; bail!("interrupted: the drill did not end") }
    };
    let Finished { report, l1_rpc, l1 } = finished;
    // It ends with the drill.
    let _ = shown.await;
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print(&report)?;
    }
    std::io::stdout().flush()?;
    if arguments.keep {
        eprintln!("L1 {l1_rpc} runs until standard input ends");
        let mut byte = [0; 64];
        let mut input = tokio::io::stdin();
        tokio::select! {
            () = async { while input.read(&mut byte).await.is_ok_and(|count| count > 0) {} } => {}
            interrupt = interrupted() => interrupt?,
        }
    }
    if let Some(l1) = l1 {
        l1.stop().await;
    }
    ensure!(report.passed(), "the drill did not pass");
    Ok(())
}

async fn show(mut lines: mpsc::UnboundedReceiver<Line>, json: bool) {
    while let Some(Line { at, what }) = lines.recv().await {
        let line = format!("{:>8.2} s  {what}", at.as_secs_f64());
        if json { eprintln!("{line}") } else { println!("{line}") }
    }
}

/// One row a field, as in the JSON.
fn print(report: &Report) -> Result<()> {
    println!();
    if let serde_json::Value::Object(fields) = serde_json::to_value(report)? {
        for (name, value) in fields.iter().filter(|(name, _)| *name != "passed") {
            let value = match value {
                serde_json::Value::Null => "–".to_owned(),
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            println!("  {:<28} {value}", name.replace('_', " "));
        }
    }
    println!("\n  {}", if report.passed() { "passed" } else { "NOT passed" });
    Ok(())
}
