//! Seats that are killed and come back: each a process of its own, each `kill -9` at a random moment, so that it may hit any
//! write. Nobody may be punished for it, the chain goes on, and no soft-final block is lost or becomes another on any seat.
//!
//! What is done is drawn from the kinds of [`Blow`], every one at least once. The chain may stand only while fewer seats than
//! a quorum serve: the clock of the longest standstill runs whenever enough of them do. A seat must never serve less than it
//! served before, and at the end every seat must have every block that any of them ever served as its newest.

use super::{
    DrillConfig, DrillError, Finished, PenaltyReport, Report, Timeline,
    world::{View, until},
};
use crate::{
    network::{start_l1, watch, watcher},
    processes::{Founding, SeatClient, Seats, Tip},
};
use alloy_primitives::{B256, U256};
use parking_lot::Mutex;
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng, seq::SliceRandom as _};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use surety_contracts::Profile;
use tokio::task::JoinSet;

/// How many seats there are, and how many of them make blocks final.
const SEATS: usize = 4;
const QUORUM: usize = 3;
/// How long until the next blow, and how long a seat is away, at most; milliseconds.
const BETWEEN: u64 = 3_000;
const AWAY: u64 = 1_500;
/// How far a process may have come when it is killed again; milliseconds.
const YOUNG: u64 = 1_500;
/// How often each seat is looked at.
const GLANCE: Duration = Duration::from_millis(50);
/// The longest that the chain may stand while enough seats serve. A seat that serves has yet to find the others, to listen for
/// its own key, and to get what it missed: seconds, and many on a machine that has other work.
const MAX_STALL: Duration = Duration::from_secs(30);
/// How long L1 is looked at afterwards: several of its blocks, so that a report would be there.
const AFTER: Duration = Duration::from_secs(8);
/// How many blocks the chain must go on by after the last blow.
const BLOCKS_AFTER: u64 = 5;
/// How long a network may take to make its first blocks, and a seat to have what the others have.
const SOON: Duration = Duration::from_secs(60);

/// What is done to the seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    /// One is killed.
    One,
    /// One is killed, and again while it starts.
    Again,
    /// Two are killed at once: there is no quorum.
    Two,
    /// All are killed at once.
    All,
}

/// What is done in one run, in an order that is drawn.
const BLOWS: [Blow; 6] = [Blow::One, Blow::One, Blow::Again, Blow::Again, Blow::Two, Blow::All];

pub(super) async fn run(config: DrillConfig, timeline: Timeline) -> Result<Finished, DrillError> {
    timeline.tell("starting a network: L1, contracts, four seats in processes of their own, watchtower");
    let (l1, l1_rpc, l1_beacon) = start_l1(&config.l1, &config.directory).await?;
    let outcome = on_l1(&config, (&l1_rpc, &l1_beacon), timeline).await;
    Finished::of(outcome, l1_rpc, l1).await
}

/// The network of this drill.
struct Ground {
    seats: Seats,
    view: View,
    observer: Observer,
    timeline: Timeline,
}

async fn on_l1(config: &DrillConfig, urls: (&str, &str), timeline: Timeline) -> Result<Report, DrillError> {
    let mut seats = Seats::found(Founding {
        program: config.program.clone(),
        directory: config.directory.clone(),
        l1_rpc: urls.0.to_owned(),
        l1_beacon: urls.1.to_owned(),
        founders: SEATS,
        profile: Profile::Ci,
        log: None,
    })
    .await?;
    let chain = seats.chain().clone();
    if let Some(path) = &config.chain_file {
        chain.write(path).map_err(crate::network::NetworkError::from)?;
    }
    timeline.tell("the chain is founded; its seats start");
    for place in 0..SEATS {
        seats.spawn(place)?;
    }
    for place in 0..SEATS {
        seats.serves(place).await?;
    }
    let view = View::new(urls, &chain)?;
    if let Some(reporter) = watcher() {
        seats.give_ether(&[reporter.address()]).await?;
    }
    let feeds = (0..SEATS).map(|place| format!("ws://{}", seats.rpc(place))).collect();
    let mut watchtower = watch(&config.directory, &chain, &view.l1, feeds).await?;
    let observer = Observer::start((0..SEATS).map(|place| seats.client(place)).collect());
    let mut ground = Ground { seats, view, observer, timeline };
    let status = watchtower.status();
    until("the watchtower has read L1", SOON, async || Ok(status.borrow().caught_up.then_some(()))).await?;
    let report = tokio::select! {
        report = observe(config, &mut ground) => report,
        // Without anybody who watches, that nobody is punished says nothing.
        outcome = watchtower.ended() => {
            let why = outcome.err().map_or_else(String::new, |error| error.to_string());
            return Err(DrillError::Failed(format!("the watchtower has stopped: {why}")));
        }
    };
    watchtower.stop().await;
    report
}

async fn observe(config: &DrillConfig, ground: &mut Ground) -> Result<Report, DrillError> {
    let (_, members) = ground.view.committee().await?;
    let members: Vec<u64> = members.iter().map(|member| member.seat).collect();
    let bonds_before = bonds(&ground.view, &members).await?;
    ground.observer.reach(5).await?;
    ground.timeline.tell(format!("the network runs; L2 is at block {}", ground.observer.height()));
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    let mut random = SmallRng::seed_from_u64(seed);
    let mut blows = if config.honest { Vec::new() } else { BLOWS.to_vec() };
    blows.shuffle(&mut random);
    ground.timeline.tell(format!("seed {seed}"));
    for blow in &blows {
        tokio::time::sleep(Duration::from_millis(random.random_range(500..BETWEEN))).await;
        strike(ground, *blow, &mut random).await?;
        // Before the next blow the chain goes on: what is left of a quorum is not taken away again and again.
        let height = ground.observer.height();
        until("the chain goes on", SOON, async || Ok((ground.observer.height() > height).then_some(()))).await?;
    }
    let goes_on = ground.observer.reach(ground.observer.height().saturating_add(BLOCKS_AFTER)).await;
    if let Err(error) = &goes_on {
        ground.timeline.tell(error.to_string());
    }
    tokio::time::sleep(AFTER).await;
    ground.observer.sweep().await?;
    let slashes = ground.view.slashes().await?;
    let bonds_after = bonds(&ground.view, &members).await?;
    let (stall, lost) = ground.observer.found();
    for loss in &lost {
        ground.timeline.tell(loss);
    }
    ground.timeline.tell(format!(
        "{} times seats were killed; L2 is at block {}; longest time without a new final block while enough seats served: \
         {} ms; blocks lost: {}; punished: {}",
        blows.len(),
        ground.observer.height(),
        stall.as_millis(),
        lost.len(),
        slashes.len()
    ));
    let punished = slashes.len() as u64;
    let passed = !blows.is_empty()
        && punished == 0
        && lost.is_empty()
        && goes_on.is_ok()
        && stall < MAX_STALL
        && bonds_before == bonds_after;
    Ok(Report::Penalty(PenaltyReport {
        drill: config.drill.name(),
        offence_at_block: None,
        report_tx: slashes.first().map(|slash| slash.transaction),
        slashed_at_block: slashes.first().map(|slash| slash.block),
        l1_blocks_to_slash: None,
        gas_used: None,
        seats_slashed: punished,
        bond_before: bonds_before,
        bond_after: bonds_after,
        reward: U256::ZERO,
        innocents_slashed: punished,
        passed,
    }))
}

/// Kills as the blow says, and waits until all seats serve again.
async fn strike(ground: &mut Ground, blow: Blow, random: &mut SmallRng) -> Result<(), DrillError> {
    let mut places: Vec<usize> = (0..SEATS).collect();
    places.shuffle(random);
    places.truncate(match blow {
        Blow::One | Blow::Again => 1,
        Blow::Two => 2,
        Blow::All => SEATS,
    });
    let away = Duration::from_millis(random.random_range(0..AWAY));
    let numbers: Vec<_> = places.iter().map(|place| (place + 1).to_string()).collect();
    ground.timeline.tell(format!(
        "kill -9: seat {}, away for {} ms{}; L2 is at block {}",
        numbers.join(", "),
        away.as_millis(),
        if blow == Blow::Again { ", then again while it starts" } else { "" },
        ground.observer.height()
    ));
    let began = Instant::now();
    for place in &places {
        ground.observer.down(*place);
    }
    for place in &places {
        ground.seats.kill(*place);
    }
    tokio::time::sleep(away).await;
    if blow == Blow::Again {
        for place in &places {
            ground.seats.spawn(*place)?;
            tokio::time::sleep(Duration::from_millis(random.random_range(0..YOUNG))).await;
            ground.seats.kill(*place);
        }
    }
    for place in &places {
        ground.seats.spawn(*place)?;
    }
    for place in &places {
        ground.seats.serves(*place).await?;
        ground.observer.up(*place);
    }
    ground.timeline.tell(format!("all seats serve again after {} ms", began.elapsed().as_millis()));
    Ok(())
}

/// What is seen of the seats' blocks.
struct Seen {
    /// Which seats are asked.
    serving: Vec<bool>,
    /// The highest block that each served.
    tips: Vec<u64>,
    /// Blocks that were some seat's newest.
    blocks: BTreeMap<u64, B256>,
    /// Blocks that were lost or became others, in words.
    lost: Vec<String>,
    /// Since when the chain stands with enough seats serving.
    since: Instant,
    longest: Duration,
}

impl Seen {
    fn take(&mut self, place: usize, (number, hash): Tip) {
        let known = self.blocks.last_key_value().map_or(0, |(number, _)| *number);
        let there = *self.blocks.entry(number).or_insert(hash);
        if there != hash {
            self.lost.push(format!("LOST: block {number} was {there}, and is {hash} at seat {}", place + 1));
        }
        if let Some(tip) = self.tips.get_mut(place) {
            if number < *tip {
                self.lost.push(format!("LOST: seat {} is at block {number} and was at {tip}", place + 1));
            }
            *tip = number;
        }
        self.tick();
        if number > known {
            self.since = Instant::now();
        }
    }

    /// Goes on with the clock of the standstill.
    fn tick(&mut self) {
        if self.serving.iter().filter(|serving| **serving).count() < QUORUM {
            self.since = Instant::now();
        }
        self.longest = self.longest.max(self.since.elapsed());
    }
}

/// Looks at all seats all the time.
struct Observer {
    clients: Vec<SeatClient>,
    seen: Arc<Mutex<Seen>>,
    _tasks: JoinSet<()>,
}

impl Observer {
    /// All seats serve now.
    fn start(clients: Vec<SeatClient>) -> Self {
        let seen = Arc::new(Mutex::new(Seen {
            serving: vec![true; clients.len()],
            tips: vec![0; clients.len()],
            blocks: BTreeMap::new(),
            lost: Vec::new(),
            since: Instant::now(),
            longest: Duration::ZERO,
        }));
        let mut tasks = JoinSet::new();
        for (place, client) in clients.iter().cloned().enumerate() {
            let seen = seen.clone();
            tasks.spawn(async move {
                loop {
                    let serving = seen.lock().serving.get(place) == Some(&true);
                    let tip = if serving { client.tip().await } else { None };
                    {
                        let mut seen = seen.lock();
                        match tip {
                            Some(tip) => seen.take(place, tip),
                            None => seen.tick(),
                        }
                    }
                    tokio::time::sleep(GLANCE).await;
                }
            });
        }
        Self { clients, seen, _tasks: tasks }
    }

    fn down(&self, place: usize) {
        self.set(place, false);
    }

    fn up(&self, place: usize) {
        self.set(place, true);
    }

    fn set(&self, place: usize, serving: bool) {
        let mut seen = self.seen.lock();
        seen.tick();
        if let Some(there) = seen.serving.get_mut(place) {
            *there = serving;
        }
        // When the last seat that was missing serves, the clock begins anew.
        seen.tick();
    }

    /// The highest block that was seen.
    fn height(&self) -> u64 {
        self.seen.lock().blocks.last_key_value().map_or(0, |(number, _)| *number)
    }

    /// Waits until every seat has a height.
    async fn reach(&self, height: u64) -> Result<(), DrillError> {
        until("every seat has the same blocks", SOON, async || {
            let seen = self.seen.lock();
            Ok(seen.tips.iter().all(|tip| *tip >= height).then_some(()))
        })
        .await
    }

    /// Looks up every block that was seen on every seat.
    async fn sweep(&self) -> Result<(), DrillError> {
        self.reach(self.height()).await?;
        let blocks = self.seen.lock().blocks.clone();
        for (number, hash) in blocks {
            let tag = format!("{number:#x}");
            for (place, client) in self.clients.iter().enumerate() {
                let there = client.at(&tag).await;
                if there != Some((number, hash)) {
                    let there = there.map_or_else(|| "missing".into(), |(_, hash)| hash.to_string());
                    let loss = format!("LOST: block {number} was {hash}, and is {there} at seat {}", place + 1);
                    self.seen.lock().lost.push(loss);
                }
            }
        }
        Ok(())
    }

    /// The longest standstill, and what was lost.
    fn found(&self) -> (Duration, Vec<String>) {
        let seen = self.seen.lock();
        (seen.longest, seen.lost.clone())
    }
}

/// The sum of the seats' bonds.
async fn bonds(view: &View, seats: &[u64]) -> Result<U256, DrillError> {
    let mut sum = U256::ZERO;
    for seat in seats {
        sum = sum.saturating_add(view.bond(*seat).await?);
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen() -> Seen {
        Seen {
            serving: vec![true; SEATS],
            tips: vec![0; SEATS],
            blocks: BTreeMap::new(),
            lost: Vec::new(),
            since: Instant::now(),
            longest: Duration::ZERO,
        }
    }

    #[test]
    fn a_block_that_becomes_another_is_lost_on_whichever_seat() {
        let mut seen = seen();
        seen.take(0, (7, B256::repeat_byte(1)));
        seen.take(1, (7, B256::repeat_byte(1)));
        assert!(seen.lost.is_empty());
        seen.take(2, (7, B256::repeat_byte(2)));
        assert_eq!(seen.lost.len(), 1);
    }

    #[test]
    fn a_seat_that_serves_less_than_before_has_lost_blocks_and_one_that_is_behind_has_not() {
        let mut seen = seen();
        seen.take(0, (9, B256::repeat_byte(9)));
        seen.take(1, (8, B256::repeat_byte(8)));
        assert!(seen.lost.is_empty());
        seen.take(0, (8, B256::repeat_byte(8)));
        assert_eq!(seen.lost.len(), 1);
    }

    #[test]
    fn the_clock_of_a_standstill_runs_while_a_quorum_serves() {
        let mut seen = seen();
        let long = Duration::from_secs(20);
        let Some(before) = Instant::now().checked_sub(long) else { return };
        seen.serving = vec![true, true, false, false];
        seen.since = before;
        seen.tick();
        assert!(seen.longest < long, "two of four make nothing final");
        seen.serving = vec![true, true, true, false];
        seen.since = before;
        seen.tick();
        assert!(seen.longest >= long);
    }
}
