//! Committees of several sizes on this machine: consensus alone, and seats that execute.
//!
//! All runs are made one after the other in one go, so that they can be compared, beside what this machine does at most:
//! signatures recovered by one core, and synced appends.

use crate::dev::Directory;
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use surety_node::consensus::measure::{self, Figures, MeasureError, Run};

/// Where Linux keeps a file system in memory.
const MEMORY: &str = "/dev/shm";
/// How long each raw measurement takes.
const RAW: Duration = Duration::from_secs(2);

/// Options of `surety bench consensus`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Sizes of the committees.
    #[arg(long, value_delimiter = ',', default_values_t = [4, 7, 16], value_parser = clap::value_parser!(u64).range(1..=64))]
    seats: Vec<u64>,
    /// How long each run is measured, in seconds.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Time between two blocks in the paced runs, in milliseconds.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    block_time: u64,
    /// Transfers a second in the runs with a load.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    transfers: u64,
    /// Only these runs, by name.
    #[arg(long, value_delimiter = ',', value_parser = NAMES)]
    only: Vec<String>,
    /// Where to write, on the disk that is to be measured; otherwise a temporary folder is used and removed.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Where to write what is to cost no disk.
    #[arg(long, default_value = MEMORY)]
    memory_dir: PathBuf,
}

const NAMES: [&str; 6] = ["alone-memory", "alone-disk", "seats-memory", "seats", "seats-load", "seats-paced"];

/// One kind of run.
struct Kind {
    name: &'static str,
    says: &'static str,
    measure: fn(&Run) -> Result<Figures, MeasureError>,
    memory: bool,
    /// In milliseconds.
    block_time: u64,
    transfers: u64,
}

fn kinds(arguments: &Arguments) -> Vec<Kind> {
    let kind = |name, says, measure, memory| Kind { name, says, measure, memory, block_time: 1, transfers: 0 };
    let seats = measure::seats;
    let kinds = vec![
        Kind { block_time: 0, ..kind("alone-memory", "consensus alone, in memory", measure::alone, true) },
        Kind { block_time: 0, ..kind("alone-disk", "consensus alone, synced", measure::alone, false) },
        kind("seats-memory", "seats, empty blocks, in memory", seats, true),
        kind("seats", "seats, empty blocks, synced", seats, false),
        Kind { transfers: arguments.transfers, ..kind("seats-load", "seats, transfers, synced", seats, false) },
        Kind {
            transfers: arguments.transfers,
            block_time: arguments.block_time,
            ..kind("seats-paced", "seats, transfers, synced, paced", seats, false)
        },
    ];
    let chosen = |kind: &Kind| arguments.only.is_empty() || arguments.only.iter().any(|only| only == kind.name);
    kinds.into_iter().filter(chosen).collect()
}

fn print_head() {
    say!(
        "{:>5}  {:<32} {:>8} {:>9} {:>9} {:>7} {:>9} {:>9} {:>7} {:>7} {:>8} {:>6}",
        "seats",
        "",
        "blocks/s",
        "median ms",
        "p99 ms",
        "tx/s",
        "messages",
        "KB",
        "checks",
        "known",
        "syncs",
        "cores"
    );
}

fn print_row(seats: u64, kind: &Kind, figures: &Figures) {
    say!(
        "{seats:>5}  {:<32} {:>8.1} {:>9.1} {:>9.1} {:>7.0} {:>9.1} {:>9.1} {:>7.1} {:>7.1} {:>8.1} {:>6}",
        kind.says,
        figures.blocks_per_second,
        figures.median_ms,
        figures.p99_ms,
        figures.transfers_per_second,
        figures.messages_per_block,
        figures.bytes_per_block / 1e3,
        figures.checks_per_block,
        figures.remembered_per_block,
        figures.journal_syncs_per_block + figures.library_syncs_per_block,
        figures.cores.map_or_else(|| "?".into(), |cores| format!("{cores:.2}")),
    );
}

fn run_one(kind: &Kind, seats: u64, arguments: &Arguments, disk: &Path, memory: &Path) -> Result<Figures> {
    let directory = if kind.memory { memory } else { disk }.join(format!("{}-{seats}", kind.name));
    let run = Run {
        seats,
        time: Duration::from_secs(arguments.seconds),
        directory: directory.clone(),
        block_time: Duration::from_millis(kind.block_time),
        transfers: kind.transfers,
    };
    let figures = (kind.measure)(&run).with_context(|| format!("{seats} seats, {}", kind.says))?;
    // Room for the next run; what stays is removed at the end.
    let _ = std::fs::remove_dir_all(&directory);
    Ok(figures)
}

fn measure_all(arguments: &Arguments, disk: &Path, memory: &Path) -> Result<Value> {
    let checks = measure::raw_checks_per_second(RAW);
    let (sync, slow_sync) = measure::raw_sync(disk, RAW)?;
    let cores = std::thread::available_parallelism().map_or(0, |cores| cores.get());
    say!(
        "{cores} cores; one recovers {checks:.0} signatures a second; a synced append of 130 bytes takes {sync:.2} ms \
         (p99 {slow_sync:.2} ms)\n"
    );
    print_head();
    let mut runs = Vec::new();
    for &seats in &arguments.seats {
        for kind in kinds(arguments) {
            let figures = run_one(&kind, seats, arguments, disk, memory)?;
            print_row(seats, &kind, &figures);
            let busy = figures.cores.unwrap_or(f64::NAN);
            let checking = figures.checks_per_block * figures.blocks_per_second / checks;
            runs.push(json!({
                "run": kind.name, "seats": seats, "block_time_ms": kind.block_time, "transfers_offered": kind.transfers,
                "figures": figures, "cores_checking": checking, "share_checking": checking / busy,
            }));
        }
    }
    Ok(json!({
        "bench": "consensus", "seconds": arguments.seconds, "cores": cores, "checks_per_second": checks,
        "sync_ms": { "median": sync, "p99": slow_sync }, "runs": runs,
    }))
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let needs_memory = kinds(&arguments).iter().any(|kind| kind.memory);
    ensure!(
        arguments.memory_dir.is_dir() || !needs_memory,
        "{} is no folder: name one in memory with --memory-dir, or leave these runs out with --only",
        arguments.memory_dir.display()
    );
    let disk = Directory::new("bench", arguments.data_dir.clone())?;
    let memory_root = if needs_memory { arguments.memory_dir.clone() } else { std::env::temp_dir() };
    let memory = Directory::within("bench-memory", &memory_root)?;
    let (on_disk, in_memory) = (disk.path().to_owned(), memory.path().to_owned());
    let work = tokio::task::spawn_blocking(move || measure_all(&arguments, &on_disk, &in_memory));
    let outcome = tokio::select! {
        outcome = work => outcome??,
        interrupt = crate::interrupted() => { interrupt?; return Ok(()); }
    };
    println!("{outcome}");
    Ok(())
}
