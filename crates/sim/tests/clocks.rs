//! Seats whose clocks are wrong: by an hour, ahead or behind, one or two of four; and set right while they run.

mod support;

use std::time::Duration;
use support::L1;
use surety_sim::{
    properties::Violation,
    scenario::Scenario,
    world::{self, Report},
};

const HOUR: i64 = 3_600;

/// Lives a world in which seats' clocks are this many seconds ahead, until they are set right.
fn live(clocks: &[i64], seed: u64) -> (Scenario, Report) {
    let scenario = Scenario {
        clocks: clocks.to_vec(),
        heals: Duration::from_secs(12),
        terms: vec![3, 6],
        gain: 20,
        ..Scenario::calm(seed, clocks.len())
    };
    let report = world::run(&scenario);
    // Every pair that an honest seat ever signed, by our rule and by the contracts.
    assert_eq!(report.violations, [], "{clocks:?}, seed {seed}");
    let judgement = L1::new(clocks.len()).judge(&scenario, &report);
    assert_eq!((judgement.wrong, judgement.slashed), (Vec::new(), Vec::new()), "{clocks:?}, seed {seed}");
    assert!(judgement.refused > 50, "{}", judgement.refused);
    (scenario, report)
}

/// Blocks that were final before the clocks were set right.
fn before(report: &Report) -> u64 {
    report.seen.healed.iter().map(|(_, from, _)| *from).max().unwrap_or_default()
}

#[test]
fn a_seat_whose_clock_is_an_hour_off_costs_its_views_and_nothing_else() {
    for (seed, clocks) in [(1, [HOUR, 0, 0, 0]), (2, [0, 0, -HOUR, 0]), (3, [0, 0, 0, 4]), (4, [0, -4, 0, 0])] {
        let (_, report) = live(&clocks, seed);
        assert!(before(&report) >= 12, "the chain goes on meanwhile: {} blocks", before(&report));
    }
}

#[test]
fn one_clock_an_hour_ahead_and_one_behind_stop_nobody_else() {
    for (seed, clocks) in [(11, [HOUR, -HOUR, 0, 0]), (12, [0, -HOUR, 0, HOUR]), (13, [0, HOUR, HOUR, 0])] {
        let (_, report) = live(&clocks, seed);
        assert!(before(&report) >= 5, "the chain goes on meanwhile: {} blocks", before(&report));
    }
}

#[test]
fn two_of_four_an_hour_behind_hold_the_chain_and_it_goes_on_when_they_are_set_right() {
    let (_, report) = live(&[-HOUR, -HOUR, 0, 0], 21);
    assert_eq!(before(&report), 0, "no quorum votes for blocks of its future");
}

#[test]
fn a_quorum_an_hour_ahead_takes_the_chain_along_and_then_it_waits_for_the_time_of_day() {
    let scenario = Scenario { clocks: vec![HOUR; 4], heals: Duration::from_secs(4), ..Scenario::calm(31, 4) };
    let report = world::run(&scenario);
    assert!(report.seen.healed.iter().all(|(_, from, _)| *from >= 5), "{:?}", report.seen.healed);
    let stalled = |violation: &Violation| matches!(violation, Violation::Stalled { .. });
    assert_eq!(report.violations.len(), 4);
    assert!(report.violations.iter().all(stalled), "late, but nobody is guilty: {:?}", report.violations);
    assert_eq!(L1::new(4).judge(&scenario, &report).wrong, [""; 0]);
}
