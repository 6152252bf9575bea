//! Seats that stop and come back, one after the other, at random moments: nobody may be punished for it, the chain goes on,
//! and no block that was final is lost.
//!
//! The seats of a drill share one process, so that a seat is stopped between two of its writes and not in the middle of
//! one; killing whole processes is for the end-to-end tests of `surety sequencer`.

use super::{
    DrillConfig, DrillError, Finished, MAX_STALL, Report, Timeline,
    world::{Pulse, World},
};
use alloy_primitives::{B256, U256};
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use surety_rpc::Backend as _;

/// How many times a seat is stopped.
const ROUNDS: usize = 6;
/// How long a seat is away, and how long until the next one, at most; milliseconds.
const AWAY: u64 = 2_500;
const BETWEEN: u64 = 4_000;
/// How long the chain is looked at afterwards.
const AFTER: Duration = Duration::from_secs(8);

pub(super) async fn run(config: DrillConfig, timeline: Timeline) -> Result<Finished, DrillError> {
    let mut world = World::start(&config, None, timeline).await?;
    let outcome = observe(&config, &mut world).await;
    let (l1_rpc, l1) = world.stop().await;
    match outcome {
        Ok(report) => Ok(Finished { report, l1_rpc, l1 }),
        Err(error) => {
            if let Some(l1) = l1 {
                l1.stop().await;
            }
            Err(error)
        }
    }
}

/// Final blocks that were seen, by height.
#[derive(Default)]
struct Seen(BTreeMap<u64, B256>);

impl Seen {
    /// Looks at every seat's newest blocks; tells how many contradict what was final before.
    fn look(&mut self, world: &World) -> usize {
        let mut lost = 0;
        for seat in world.network.seats() {
            let backend = seat.backend();
            let store = backend.store();
            let head = store.committed().number;
            for height in head.saturating_sub(64)..=head {
                let Ok(Some(hash)) = store.canonical_hash(height) else { continue };
                if *self.0.entry(height).or_insert(hash) != hash {
                    lost += 1;
                }
            }
        }
        lost
    }
}

async fn observe(config: &DrillConfig, world: &mut World) -> Result<Report, DrillError> {
    let (_, members) = world.committee().await?;
    let seats: Vec<u64> = members.iter().map(|member| member.seat).collect();
    let bonds_before = bonds(world, &seats).await?;
    let (mut seen, mut lost) = (Seen::default(), 0);
    let pulse = Pulse::start(world);
    let rounds = if config.honest { 0 } else { ROUNDS };
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    world.timeline.tell(format!("seed {seed}"));
    let mut random = SmallRng::seed_from_u64(seed);
    for _ in 0..rounds {
        tokio::time::sleep(Duration::from_millis(random.random_range(500..BETWEEN))).await;
        lost += seen.look(world);
        // The first seat's server is what this drill looks through.
        let place = random.random_range(1..world.network.seats().len().max(2));
        let away = Duration::from_millis(random.random_range(0..AWAY));
        world.timeline.tell(format!(
            "seat {place} stops, for {} ms; L2 is at block {}",
            away.as_millis(),
            world.height()
        ));
        world.network.restart_seat(place, away).await?;
    }
    let (height, end) = (world.height(), Instant::now() + AFTER);
    while Instant::now() < end {
        lost += seen.look(world);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let goes_on = world.height() > height.saturating_add(5);
    let slashes = world.slashes().await?;
    let bonds_after = bonds(world, &seats).await?;
    let stall = pulse.longest();
    world.timeline.tell(format!(
        "{rounds} stops; L2 is at block {}; longest time without a new final block {} ms; blocks lost: {lost}; punished: {}",
        world.height(),
        stall.as_millis(),
        slashes.len()
    ));
    let punished = slashes.len() as u64;
    let passed =
        rounds > 0 && punished == 0 && lost == 0 && goes_on && stall < MAX_STALL && bonds_before == bonds_after;
    Ok(Report {
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
    })
}

/// The sum of the seats' bonds.
async fn bonds(world: &World, seats: &[u64]) -> Result<U256, DrillError> {
    let mut sum = U256::ZERO;
    for seat in seats {
        sum = sum.saturating_add(world.bond(*seat).await?);
    }
    Ok(sum)
}
