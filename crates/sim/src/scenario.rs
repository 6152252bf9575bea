//! What happens in a world, from a seed.

use crate::sins::Kind;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use std::time::Duration;

/// One world's fate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// The seed of everything.
    pub seed: u64,
    /// Seats of the committee.
    pub seats: usize,
    /// Byzantine seats and their sins.
    pub sinners: Vec<(usize, Kind)>,
    /// Mean time of a message on its way.
    pub latency: Duration,
    /// Deviation of it.
    pub jitter: Duration,
    /// Of a hundred messages, how many are lost before healing.
    pub loss: u8,
    /// When terms 2, 3, … begin, in seconds after genesis.
    pub terms: Vec<u64>,
    /// Faults, in order of time.
    pub faults: Vec<(Duration, Fault)>,
    /// When all seats lose power at once, if they do; what was not synced is lost in part.
    pub blackout: Option<Duration>,
    /// When everything is whole again.
    pub heals: Duration,
    /// Which side of a split each seat is on; twins show each side another copy.
    pub sides: Vec<bool>,
    /// The sides hear nothing of each other, but by twins, until the end: two worlds.
    pub apart: bool,
    /// How long a seat that starts listens for its own key.
    pub listen: Duration,
    /// Blocks that each honest seat must gain after healing.
    pub gain: u64,
    /// How many seconds each seat's clock is ahead, or behind, until it is set right at healing. Empty: all are right.
    pub clocks: Vec<i64>,
}

/// Something that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// No message passes between the sides.
    Cut(Vec<bool>),
    /// All links work again.
    Mend,
    /// A seat loses power.
    Crash(usize),
    /// It starts again on its disk.
    Start(usize),
}

impl Scenario {
    /// A world in which nothing goes wrong.
    pub fn calm(seed: u64, seats: usize) -> Self {
        Self {
            seed,
            seats,
            sinners: Vec::new(),
            latency: Duration::from_millis(5),
            jitter: Duration::from_millis(1),
            loss: 0,
            terms: Vec::new(),
            faults: Vec::new(),
            blackout: None,
            heals: Duration::from_secs(3),
            sides: (0..seats).map(|seat| seat % 2 == 0).collect(),
            apart: false,
            listen: Duration::ZERO,
            gain: 6,
            clocks: Vec::new(),
        }
    }

    /// A world by chance: at most a third of the seats Byzantine, whatever goes wrong until [`Self::heals`].
    pub fn by_chance(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut choose = |options: &[usize]| options[rng.random_range(0..options.len())];
        let seats = choose(&[4, 4, 4, 5, 7]);
        let mut scenario = Self {
            latency: Duration::from_millis(choose(&[1, 5, 20, 40]) as u64),
            jitter: Duration::from_millis(choose(&[0, 1, 10]) as u64),
            loss: choose(&[0, 0, 0, 2, 10]) as u8,
            ..Self::calm(seed, seats)
        };
        if rng.random_bool(0.5) {
            scenario.listen = Duration::from_millis(400);
        }
        scenario.heals = Duration::from_millis(rng.random_range(3_500..5_500));
        let mut places: Vec<usize> = (0..seats).collect();
        places.shuffle(&mut rng);
        let most = (seats - 1) / 3;
        // Most worlds have as many sinners as they can bear.
        let sinners = if rng.random_bool(0.85) { most } else { 0 };
        for seat in places.iter().take(sinners) {
            let kind = Kind::ALL[rng.random_range(0..Kind::ALL.len())];
            scenario.sinners.push((*seat, kind));
        }
        scenario.sides = (0..seats).map(|_| rng.random_bool(0.5)).collect();
        if rng.random_bool(0.4) {
            let first = rng.random_range(2..4);
            scenario.terms = vec![first, first + rng.random_range(2..4)];
        }
        let end = scenario.heals.as_millis() as u64;
        if rng.random_bool(0.25) {
            scenario.blackout = Some(Duration::from_millis(rng.random_range(800..end - 600)));
        }
        if rng.random_bool(0.5) {
            let start = rng.random_range(300..end - 1_000);
            let sides = (0..seats).map(|_| rng.random_bool(0.5)).collect();
            scenario.faults.push((Duration::from_millis(start), Fault::Cut(sides)));
            let until = rng.random_range(start + 300..=end);
            scenario.faults.push((Duration::from_millis(until), Fault::Mend));
        }
        for seat in places.iter().skip(sinners) {
            if rng.random_bool(0.3) {
                let start = rng.random_range(200..end - 800);
                scenario.faults.push((Duration::from_millis(start), Fault::Crash(*seat)));
                let back = rng.random_range(start + 150..=end);
                scenario.faults.push((Duration::from_millis(back), Fault::Start(*seat)));
            }
        }
        scenario.faults.sort_by_key(|(at, _)| *at);
        if rng.random_bool(0.25) {
            let wrong = [0, 0, 0, -3_600, 3_600, -90, 90, 1];
            scenario.clocks = (0..seats).map(|_| wrong[rng.random_range(0..wrong.len())]).collect();
            // A quorum whose clocks are ahead takes the chain's time along: then the others wait until theirs are there.
            let mut early = seats - most - 1 - sinners;
            for ahead in scenario.clocks.iter_mut().filter(|ahead| **ahead > 1) {
                match early.checked_sub(1) {
                    Some(fewer) => early = fewer,
                    None => *ahead = 0,
                }
            }
        }
        scenario
    }

    /// The sin of a seat.
    pub fn sin(&self, seat: usize) -> Option<Kind> {
        self.sinners.iter().find(|(sinner, _)| *sinner == seat).map(|(_, kind)| *kind)
    }

    /// The seats that do what they should.
    pub fn honest(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.seats).filter(|seat| self.sin(*seat).is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_one_world_and_no_world_has_more_sinners_than_it_can_bear() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..500 {
            let scenario = Scenario::by_chance(seed);
            assert_eq!(scenario, Scenario::by_chance(seed));
            assert!(3 * scenario.sinners.len() < scenario.seats);
            assert!(scenario.faults.iter().all(|(at, _)| *at <= scenario.heals));
            assert!(scenario.blackout.is_none_or(|at| at < scenario.heals));
            seen.extend(scenario.sinners.iter().map(|(_, kind)| *kind));
        }
        assert_eq!(seen.len(), Kind::ALL.len(), "every sin comes up");
    }
}
