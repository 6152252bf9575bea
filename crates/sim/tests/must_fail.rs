//! The checks, checked: worlds that break a promise, and must be caught.

mod support;

use support::L1;
use surety_sim::{properties::Violation, scenario::Scenario, sins::Kind, world};

/// Two of four run twice, and the other two hear nothing of each other: more than a third, so each side has a quorum.
fn torn() -> Scenario {
    Scenario {
        sinners: vec![(0, Kind::Twin), (1, Kind::Twin)],
        sides: vec![false, false, false, true],
        apart: true,
        gain: 3,
        ..Scenario::calm(7, 4)
    }
}

#[test]
fn more_than_a_third_split_the_chain_and_it_is_seen_and_their_guilt_is_on_record() {
    let report = world::run(&torn());
    let forks = report.violations.iter().filter(|v| matches!(v, Violation::Fork { .. })).count();
    assert!(forks > 3, "{:?}", report.violations);
    assert_eq!(report.guilty, [0, 1], "f + 1 seats contradict themselves in a fork");
    let judgement = L1::new(4).judge(&torn(), &report);
    assert_eq!((judgement.wrong, judgement.slashed), (Vec::new(), vec![0, 1]));
}

#[test]
fn a_seat_taken_for_honest_that_votes_past_its_journal_is_caught() {
    for kind in [Kind::Conflicter, Kind::Nuller, Kind::DoubleBatcher] {
        let scenario = Scenario { sinners: vec![(2, kind)], gain: 10, ..Scenario::calm(8, 4) };
        let mut report = world::run(&scenario);
        report.seen.acts[2] = 0;
        let mistaken = Scenario { sinners: Vec::new(), ..scenario };
        let violations = surety_sim::properties::check(&mistaken, &report.seen);
        assert!(violations.iter().any(|v| matches!(v, Violation::Innocent { seat: 2, .. })), "{violations:?}");
        let judgement = L1::new(4).judge(&mistaken, &report);
        assert!(judgement.wrong.iter().any(|what| what.contains("seat 2 is honest and guilty")), "{judgement:?}");
    }
}

#[test]
fn a_committee_without_a_quorum_stalls_and_it_is_seen() {
    let scenario = Scenario { sides: vec![false, false, true, true], apart: true, ..Scenario::calm(9, 4) };
    let report = world::run(&scenario);
    assert!(report.violations.iter().all(|v| matches!(v, Violation::Stalled { .. })), "{:?}", report.violations);
    assert_eq!(report.violations.len(), 4);
}
