//! Games of one honest party against many others, on the compiled contracts, over a real block of the compiled program.
//!
//! Each game is a world of its own, made from a seed: who claims what and when, how the others play, when L1 censors the honest
//! party, when it takes blocks back. The honest party is a [`Player`] that keeps nothing from one moment to the next (so it crashes
//! all the time) and the same in all games. The right claim must stand, all others fall within the time that
//! `IDispute` states, the honest party lose nothing, and have had one bond at stake.
//!
//! `SURETY_GAMES` says how many (1,000 by default, 50,000 by night), `SURETY_GAME` plays one seed alone and tells of it.

#[path = "games/adversary.rs"]
mod adversary;
#[path = "../../stf/tests/common/mod.rs"]
mod common;
mod support;
#[path = "games/truth.rs"]
mod truth;
#[path = "games/world.rs"]
mod world;

use world::World;

/// Numbers from a seed (SplitMix64).
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next().checked_rem(bound).unwrap_or(0)
    }

    /// With a chance of one in `n`.
    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

#[test]
fn one_honest_party_wins_against_any() {
    let batch = truth::Batch::new();
    if let Some(seed) = number("SURETY_GAME") {
        let report = World::new(&batch, seed, true).play();
        println!("{report:?}");
        return;
    }
    let games = number("SURETY_GAMES").unwrap_or(1_000);
    // What fails says its seed. Each thread finds out about the batch for itself, which takes as long as a hundred games.
    let threads = if games < 10_000 { 1 } else { std::thread::available_parallelism().map_or(1, usize::from) as u64 };
    let play = |first: u64, batch: &truth::Batch| {
        let seeds = (first..games).step_by(threads as usize);
        seeds.fold(world::Report::default(), |most, seed| most.max(&World::new(batch, seed, false).play()))
    };
    let most = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|n| scope.spawn(move || play(n, &truth::Batch::new()))).collect();
        let own = play(0, &batch);
        others.into_iter().fold(own, |most, other| most.max(&other.join().expect("a game failed")))
    });
    println!("{games} games; at most: {most:?}");
}

/// The checks can fail: a party that says nothing, or that plays for a wrong claim, does not win.
#[test]
fn a_party_that_does_not_play_loses() {
    let batch = truth::Batch::new();
    let lost = (0..6).filter(|seed| {
        let game = std::panic::AssertUnwindSafe(|| World::new(&batch, *seed, false).without_honest().play());
        std::panic::catch_unwind(game).is_err()
    });
    assert!(lost.count() > 0, "nobody notices when the honest party does nothing");
}
