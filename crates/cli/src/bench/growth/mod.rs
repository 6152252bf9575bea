//! Whether a seat's memory and disk stay bounded: seats as processes under a modest, steady load, looked at for a while.
//!
//! What grows with the chain by design (its state and history, what L1 said of its batches) and what must not (heap,
//! evidence and journal beyond what can be judged, consensus' archive of old terms) are told apart by the parts of the
//! data directory and by what kind of memory it is: see [`sample`].

mod sample;
mod world;

use super::load::{Sender, Target, fund};
use crate::{
    dev::{DevProfile, Directory},
    interrupted,
};
use alloy_primitives::{Address, utils::parse_ether};
use anyhow::{Context, Result, ensure};
use sample::{Parts, Trend};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use surety_contracts::Profile;
use surety_devnet::l1::dev_accounts;
use tokio::time::MissedTickBehavior;
use world::{Watched, World};

/// The most senders of the load; each sends its share.
const MAX_SENDERS: u64 = 64;
/// How long the deposit may take to be on L2, and the last transfers to be in blocks.
const SETTLED_WITHIN: Duration = Duration::from_secs(120);
/// Time between two questions for a receipt.
const POLL: Duration = Duration::from_millis(50);
/// Founding seats have owners of the test mnemonic, which has ten accounts; two pay for everything.
const MAX_SEATS: u64 = 8;

/// Options of `surety bench growth`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long to look on.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    minutes: u64,
    /// Seats, each a process.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(4..=MAX_SEATS))]
    seats: u64,
    /// Transfers a second, over all seats.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    rate: u64,
    /// Seconds between two samples.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    every: u64,
    /// Minutes at the start that slopes leave out; a third of the run, at most ten, by default.
    #[arg(long)]
    warm_up: Option<f64>,
    /// Delays and windows; `ci` has the shortest terms, so that what grows with terms shows.
    #[arg(long, value_enum, default_value_t = DevProfile::Ci)]
    profile: DevProfile,
    /// Keep everything in this empty folder, with logs and samples.jsonl; otherwise a temporary one is used and removed.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Log filter of the seats.
    #[arg(long, default_value = "info")]
    seat_log: String,
}

/// Values by process, then by figure, at seconds since the load began.
#[derive(Default)]
struct Series(BTreeMap<String, BTreeMap<String, Vec<(f64, u64)>>>);

impl Series {
    fn add(&mut self, process: &str, at: f64, figures: Parts) {
        let series = self.0.entry(process.to_owned()).or_default();
        for (name, value) in figures {
            series.entry(name).or_default().push((at, value));
        }
    }
}

/// `memory.…` and `disk.…` of a process.
fn figures(process: &Watched) -> Result<Parts> {
    let memory =
        sample::memory(process.pid).with_context(|| format!("{} has ended: its log says why", process.name))?;
    let memory = memory.into_iter().map(|(name, value)| (format!("memory.{name}"), value));
    let disk = sample::disk(&process.directory).into_iter().map(|(name, value)| (format!("disk.{name}"), value));
    Ok(memory.chain(disk).collect())
}

/// What the load came to.
#[derive(Debug, Default, Clone, Copy)]
struct Sent {
    accepted: u64,
    refused: u64,
}

/// Sends at its share of the rate until the end; a transfer that is refused is counted, and the nonce asked for again.
async fn send_steadily(target: Target, mut sender: Sender, every: Duration, end: Instant) -> Sent {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sent = Sent::default();
    while Instant::now() < end {
        ticks.tick().await;
        match target.transfer(&mut sender).await {
            Ok(_) => sent.accepted += 1,
            Err(error) => {
                tracing::debug!(%error, "a transfer was refused");
                sent.refused += 1;
                if let Ok(nonce) = target.nonce(sender.signer.address()).await {
                    sender.nonce = nonce;
                }
            }
        }
    }
    sent
}

/// Senders with ether, each with the seat that it talks to.
async fn senders(world: &World, first: &Target, rate: u64) -> Result<Vec<(Target, Sender)>> {
    let mut targets = Vec::new();
    for endpoint in world.endpoints() {
        targets.push(Target::connect(&endpoint, POLL).await?);
    }
    let signer = dev_accounts()?.first().cloned().context("the test mnemonic has accounts")?;
    let end = Instant::now() + SETTLED_WITHIN;
    while first.balance(signer.address()).await?.is_zero() {
        ensure!(Instant::now() < end, "the deposit did not arrive on L2 within {} s", SETTLED_WITHIN.as_secs());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let mut payer = Sender { nonce: first.nonce(signer.address()).await?, signer };
    let senders = first.senders(usize::try_from(rate.min(MAX_SENDERS))?, 0).await?;
    fund(first, &mut payer, &senders, parse_ether("1")?).await?;
    Ok(targets.iter().cloned().cycle().zip(senders).collect())
}

/// Looks at all processes again and again while the load runs.
async fn look_on(arguments: &Arguments, folder: &Path, world: &World, begin: Instant) -> Result<Series> {
    let mut series = Series::default();
    let path = folder.join("samples.jsonl");
    let mut file = File::create(&path).with_context(|| format!("make {}", path.display()))?;
    let mut ticks = tokio::time::interval(Duration::from_secs(arguments.every));
    while begin.elapsed() <= Duration::from_secs(arguments.minutes.saturating_mul(60)) {
        ticks.tick().await;
        let at = begin.elapsed().as_secs_f64();
        let mut line = format!("{at:>6.0} s");
        for process in &world.watched {
            let figures = figures(process)?;
            writeln!(file, "{}", json!({ "at": at, "process": process.name, "figures": figures }))?;
            let of = |name: &str| mib(figures.get(name).copied().unwrap_or_default() as f64);
            line.push_str(&format!(
                "   {}: {} resident, {} disk",
                process.name,
                of("memory.resident"),
                of("disk.total")
            ));
            series.add(&process.name, at, figures);
        }
        eprintln!("{line} (MiB)");
    }
    Ok(series)
}

fn mib(bytes: f64) -> String {
    format!("{:.1}", bytes / f64::from(1 << 20))
}

/// The table for people, and the same as JSON.
fn report(series: &Series, warm_up: f64) -> Value {
    let mut all = serde_json::Map::new();
    eprintln!("\n{:<10} {:<24} {:>10} {:>10} {:>10} {:>14}", "MiB", "", "first", "last", "peak", "an hour");
    for (process, figures) in &series.0 {
        let mut own = serde_json::Map::new();
        for (name, values) in figures {
            let trend = Trend::of(values, warm_up);
            let slope = trend.per_hour.map_or("-".into(), |slope| format!("{:+.1}", slope / f64::from(1 << 20)));
            let [first, last, peak] = [trend.first, trend.last, trend.peak].map(|bytes| mib(bytes as f64));
            eprintln!("{process:<10} {name:<24} {first:>10} {last:>10} {peak:>10} {slope:>14}");
            own.insert(name.clone(), trend.json());
        }
        all.insert(process.clone(), Value::Object(own));
    }
    Value::Object(all)
}

async fn measure(arguments: &Arguments, folder: &Path) -> Result<Value> {
    eprintln!("founding a chain of {} seats in {} …", arguments.seats, folder.display());
    let seats = usize::try_from(arguments.seats)?;
    let world = World::start(folder, seats, arguments.profile.into(), &arguments.seat_log).await?;
    let first = Target::connect(world.endpoints().first().context("there is no seat")?, POLL).await?;
    let senders = senders(&world, &first, arguments.rate).await?;
    let accounts: Vec<_> = senders.iter().map(|(_, sender)| (sender.signer.address(), sender.nonce)).collect();
    let (begin, height) = (Instant::now(), first.height().await?);
    let end = begin + Duration::from_secs(arguments.minutes.saturating_mul(60));
    let count = u32::try_from(senders.len())?;
    eprintln!("{} transfers a second from {count} senders for {} minutes", arguments.rate, arguments.minutes);
    // As many senders as transfers a second, or each several.
    let every = Duration::from_secs(1).saturating_mul(count) / u32::try_from(arguments.rate.max(1))?;
    let load: Vec<_> =
        senders.into_iter().map(|(target, sender)| tokio::spawn(send_steadily(target, sender, every, end))).collect();
    let series = look_on(arguments, folder, &world, begin).await?;
    let mut sent = Sent::default();
    for task in load {
        let own = task.await?;
        sent = Sent { accepted: sent.accepted + own.accepted, refused: sent.refused + own.refused };
    }
    let included = settled(&first, &accounts, sent.accepted).await?;
    let blocks = first.height().await?.saturating_sub(height);
    let minutes = arguments.warm_up.unwrap_or_else(|| (arguments.minutes as f64 / 3.0).min(10.0));
    let seconds = begin.elapsed().as_secs();
    let processes = report(&series, minutes * 60.0);
    Ok(json!({
        "bench": "growth", "seats": seats, "profile": Profile::from(arguments.profile), "seconds": seconds,
        "warm_up_seconds": minutes * 60.0, "rate": arguments.rate, "transfers": included, "refused": sent.refused,
        "blocks": blocks, "unit": "bytes", "processes": processes,
    }))
}

/// Waits until what was sent is in blocks; how many are.
async fn settled(target: &Target, accounts: &[(Address, u64)], accepted: u64) -> Result<u64> {
    let end = Instant::now() + SETTLED_WITHIN;
    loop {
        let mut included = 0;
        for (account, nonce) in accounts {
            included += target.included(*account).await?.saturating_sub(*nonce);
        }
        if included >= accepted || Instant::now() > end {
            ensure!(included >= accepted, "{} transfers that a seat took are in no block", accepted - included);
            return Ok(included);
        }
        tokio::time::sleep(POLL).await;
    }
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let directory = Directory::new("growth", arguments.data_dir.clone())?;
    let there = std::fs::read_dir(directory.path())?.next().is_some();
    ensure!(!there, "{} is not empty: name an empty folder with --data-dir", directory.path().display());
    let outcome = tokio::select! {
        outcome = measure(&arguments, directory.path()) => outcome?,
        interrupt = interrupted() => return interrupt,
    };
    println!("{outcome}");
    Ok(())
}
