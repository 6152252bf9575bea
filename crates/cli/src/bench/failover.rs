//! How long the chain stands when its leader dies: seats in processes of their own, `kill -9` of the one whose turn it is.
//!
//! Leaders take turns, and a block names its leader's account, so the order is read off the chain. As soon as a seat serves
//! a block of the seat before the victim, the victim's turn has begun (a view begins when the block before is notarized, a
//! moment before it is final) and its own block is not there yet: now it is killed. What is measured is the time from the
//! kill to the first new final block at any other seat. That the victim was really leading is seen afterwards: the next block
//! is not its. Kills that came too late, after its block was out, are counted apart.
//!
//! Beside it, the next two seconds: a dead leader's turn comes again and again until the others pass it over.

use crate::dev::Directory;
use alloy_primitives::Address;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};
use surety_contracts::Profile;
use surety_devnet::{
    l1::{Config as L1Config, EmbeddedL1},
    processes::{Founding, Program, SeatClient, Seats},
};

/// How often a seat is asked for its newest block.
const GLANCE: Duration = Duration::from_millis(4);
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long the chain is looked at after a kill.
const LOOK: Duration = Duration::from_secs(10);

/// Options of `surety bench failover`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many leaders to kill.
    #[arg(long, default_value_t = 20)]
    kills: usize,
    /// How many seats there are, 4 to 8.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(4..=8))]
    seats: u8,
    /// Keep the seats' files and logs here; otherwise a temporary folder is used and removed.
    #[arg(long)]
    data_dir: Option<std::path::PathBuf>,
}

/// A block: number and leader's account.
type Block = (u64, Address);

async fn newest(client: &SeatClient) -> Option<Block> {
    leader(&client.block("latest").await?)
}

fn leader(block: &Value) -> Option<Block> {
    let number = block.get("number")?.as_str()?;
    let number = u64::from_str_radix(number.trim_start_matches("0x"), 16).ok()?;
    Some((number, block.get("miner")?.as_str()?.parse().ok()?))
}

/// Asks until there is an answer.
async fn until<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> Result<T> {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return Ok(answer);
        }
        ensure!(Instant::now() < end, "not within {} s: {what}", PATIENCE.as_secs());
        tokio::time::sleep(GLANCE).await;
    }
}

/// The order of the leaders, as places of seats, once all of them lead one after the other.
async fn order(seats: &Seats) -> Result<Vec<usize>> {
    let client = seats.client(0);
    let owners: Vec<Address> = (0..seats.len()).map(|place| seats.owner(place)).collect();
    let count = seats.len() as u64;
    until("all seats lead in turn", async || {
        let (head, _) = newest(&client).await?;
        let first = head.checked_sub(2 * count)?.max(1);
        let mut leaders = Vec::new();
        for number in first..first + 2 * count {
            let (_, miner) = leader(&client.block(&format!("{number:#x}")).await?)?;
            leaders.push(owners.iter().position(|owner| *owner == miner)?);
        }
        let (turn, again) = leaders.split_at(seats.len());
        let all = (0..seats.len()).all(|place| turn.contains(&place));
        (all && turn == again).then(|| turn.to_vec())
    })
    .await
}

/// What one kill brought.
struct Kill {
    /// Until the first new final block at another seat.
    to_final: Duration,
    /// The longest time between two final blocks afterwards, while the seat was dead.
    later: Duration,
    /// Blocks in [`LOOK`].
    blocks: u64,
    /// Whether the seat died before its block was out.
    leading: bool,
}

/// Kills a seat in its turn and looks on.
async fn kill(seats: &mut Seats, order: &[usize], victim: usize) -> Result<Kill> {
    let position = order.iter().position(|place| *place == victim).context("a seat that never leads")?;
    let before = order[(position + order.len() - 1) % order.len()];
    let (before, own) = (seats.owner(before), seats.owner(victim));
    let client = seats.client((victim + 1) % seats.len());
    let (height, _) =
        until("the turn of the seat before", async || newest(&client).await.filter(|(_, leader)| *leader == before))
            .await?;
    seats.kill(victim);
    let killed = Instant::now();
    let (next, _) =
        until("the next final block", async || newest(&client).await.filter(|(number, _)| *number > height)).await?;
    let to_final = killed.elapsed();
    let block = client.block(&format!("{:#x}", height + 1)).await.as_ref().and_then(leader);
    let (_, led) = block.context("a final block is gone")?;
    let (mut last, mut since, mut later) = (next, Instant::now(), Duration::ZERO);
    while killed.elapsed() < LOOK {
        if let Some((number, _)) = newest(&client).await
            && number > last
        {
            later = later.max(since.elapsed());
            (last, since) = (number, Instant::now());
        }
        tokio::time::sleep(GLANCE).await;
    }
    Ok(Kill { to_final, later: later.max(since.elapsed()), blocks: last - height, leading: led != own })
}

fn milliseconds(mut times: Vec<Duration>) -> Value {
    times.sort();
    let at = |share: f64| {
        let place = (times.len().saturating_sub(1) as f64 * share).round() as usize;
        times.get(place).map(Duration::as_millis)
    };
    json!({ "median_ms": at(0.5), "worst_ms": at(1.0) })
}

async fn measure(seats: &mut Seats, kills: usize) -> Result<Value> {
    for place in 0..seats.len() {
        seats.spawn(place)?;
    }
    for place in 0..seats.len() {
        seats.serves(place).await?;
    }
    let mut found = Vec::new();
    let (mut quiet, mut since) = (Vec::new(), None);
    // What is usual between two blocks, for comparison.
    let order = order(seats).await?;
    let client = seats.client(0);
    let mut last = 0;
    while quiet.len() < 40 {
        let (number, _) = until("a new block", async || newest(&client).await.filter(|(n, _)| *n > last)).await?;
        if let Some(since) = since.replace(Instant::now()) {
            quiet.push(Instant::now() - since);
        }
        last = number;
    }
    for round in 0..kills {
        let victim = order[(round + round / order.len()) % order.len()];
        let kill = kill(seats, &order, victim).await?;
        eprintln!(
            "{:>3}  seat {} killed {}; next final block after {:>5} ms; then at most {:>5} ms between two; {} blocks in {} s",
            round + 1,
            victim + 1,
            if kill.leading { "in its turn " } else { "after its block was out" },
            kill.to_final.as_millis(),
            kill.later.as_millis(),
            kill.blocks,
            LOOK.as_secs()
        );
        found.push(kill);
        seats.start(victim).await?;
        let again = self::order(seats).await?;
        if !rotation(&order, &again) {
            bail!("the order of the leaders changed from {order:?} to {again:?}: has a term begun with others?");
        }
    }
    let leading: Vec<_> = found.iter().filter(|kill| kill.leading).collect();
    let blocks: u64 = found.iter().map(|kill| kill.blocks).sum();
    let dead = found.len() as f64 * LOOK.as_secs_f64();
    Ok(json!({
        "bench": "failover",
        "seats": seats.len(),
        "kills": found.len(),
        "in_their_turn": leading.len(),
        "to_next_final": milliseconds(leading.iter().map(|kill| kill.to_final).collect()),
        "later_between_two": milliseconds(leading.iter().map(|kill| kill.later).collect()),
        "usual_between_two": milliseconds(quiet),
        "blocks_per_second_with_one_dead": if dead > 0.0 { blocks as f64 / dead } else { 0.0 },
    }))
}

/// Whether two orders are the same but for where they begin.
fn rotation(one: &[usize], other: &[usize]) -> bool {
    one.len() == other.len() && [one, one].concat().windows(other.len()).any(|window| window == other)
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let directory = Directory::new("failover", arguments.data_dir)?;
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let l1 = EmbeddedL1::start(L1Config {
        rpc: surety_rpc::Config { address: anywhere, ..Default::default() },
        beacon_address: anywhere,
        ..Default::default()
    })
    .await?;
    eprintln!("founding a chain of {} seats", arguments.seats);
    let founding = Founding {
        program: Program::running()?,
        directory: directory.path().to_owned(),
        l1_rpc: l1.rpc_url(),
        l1_beacon: l1.beacon_url(),
        founders: usize::from(arguments.seats),
        profile: Profile::Ci,
        log: None,
    };
    let figures = tokio::select! {
        figures = async { measure(&mut Seats::found(founding).await?, arguments.kills).await } => figures,
        interrupt = crate::interrupted() => { interrupt?; bail!("interrupted") }
    };
    l1.stop().await;
    println!("{}", figures?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_may_begin_anywhere_but_not_differ() {
        assert!(rotation(&[0, 2, 1, 3], &[1, 3, 0, 2]));
        assert!(!rotation(&[0, 2, 1, 3], &[0, 1, 2, 3]));
        assert!(!rotation(&[0, 1, 2], &[0, 1]));
    }
}
