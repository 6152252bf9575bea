//! Worlds by chance. `SURETY_SIM_SEEDS` says how many (8 by default, 200 in CI), `SURETY_SIM_FIRST` which is the first (in CI it comes
//! from the commit); both are printed, and a world that fails is repeated by its own seed.

mod support;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};
use support::L1;
use surety_sim::{properties::Violation, scenario::Scenario, sins::Kind, world};

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value} is not a number")))
}

/// The first seed: given, or from the commit under test, or zero outside a repository.
fn first_seed() -> u64 {
    number("SURETY_SIM_FIRST").unwrap_or_else(|| {
        let commit = std::process::Command::new("git").args(["rev-parse", "HEAD"]).output();
        let commit = commit.map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).unwrap_or_default();
        // 32 bits are easier to type.
        commit.get(..8).and_then(|prefix| u64::from_str_radix(prefix, 16).ok()).unwrap_or_default()
    })
}

fn default_count() -> u64 {
    if std::env::var_os("CI").is_some() { 200 } else { 8 }
}

#[test]
fn worlds_by_chance_keep_all_promises() {
    let (first, count) = (first_seed(), number("SURETY_SIM_SEEDS").unwrap_or_else(default_count));
    println!("{count} worlds from seed {first}");
    let next = AtomicU64::new(0);
    let failed: Mutex<Vec<u64>> = Mutex::default();
    let acted: Mutex<BTreeMap<String, (u64, u64)>> = Mutex::default();
    let chains: BTreeMap<usize, L1> = [4, 5, 7].into_iter().map(|seats| (seats, L1::new(seats))).collect();
    let judged: Mutex<(usize, usize, u64)> = Mutex::default();
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    let seed = first.wrapping_add(index);
                    let scenario = Scenario::by_chance(seed);
                    let report = catch_unwind(AssertUnwindSafe(|| {
                        let report = world::run(&scenario);
                        let judgement = chains[&scenario.seats].clone().judge(&scenario, &report);
                        (report, judgement)
                    }));
                    let broken = match report {
                        Ok((report, judgement)) => {
                            let mut judged = judged.lock().unwrap();
                            judged.0 += judgement.refused;
                            judged.1 += judgement.slashed.len();
                            judged.2 = judged.2.max(judgement.gas);
                            drop(judged);
                            for (seat, kind) in &scenario.sinners {
                                let mut acted = acted.lock().unwrap();
                                let entry = acted.entry(format!("{kind:?}")).or_default();
                                entry.0 += 1;
                                entry.1 += u64::from(report.guilty.contains(seat));
                            }
                            let violations = report.violations.iter().map(|violation| format!("{violation:?}"));
                            violations.chain(judgement.wrong).collect()
                        }
                        Err(_) => vec![String::from("a node panicked")],
                    };
                    if !broken.is_empty() {
                        println!("seed {seed}: {}\n  {scenario:?}", broken.join("; "));
                        println!(
                            "  again: SURETY_SIM_FIRST={seed} SURETY_SIM_SEEDS=1 cargo test -p surety-sim --test worlds"
                        );
                        failed.lock().unwrap().push(seed);
                    }
                }
            });
        }
    });
    let took = start.elapsed().as_secs_f64();
    println!("{count} worlds in {took:.1} s, {:.2} a second", count as f64 / took);
    for (sin, (worlds, guilty)) in acted.into_inner().unwrap() {
        println!("  {sin}: in {worlds} worlds, guilty on record in {guilty}");
    }
    let (refused, slashed, gas) = judged.into_inner().unwrap();
    println!("  by the contracts: {refused} pairs of honest seats refused, {slashed} seats slashed, {gas} gas at most");
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "worlds that broke a promise: {failed:?}");
}

#[test]
fn the_same_seed_is_the_same_world() {
    for seed in [3, 4] {
        let (a, b) = (world::run(&Scenario::by_chance(seed)), world::run(&Scenario::by_chance(seed)));
        assert_eq!((a.audit, a.seen.stored, a.statements), (b.audit, b.seen.stored, b.statements));
    }
}

#[test]
fn each_sin_that_contradicts_itself_is_acted_out_and_found() {
    for kind in [Kind::Equivocator, Kind::Conflicter, Kind::Nuller, Kind::DoubleBatcher] {
        for seed in 0..2 {
            let scenario = Scenario { sinners: vec![(1, kind)], gain: 15, ..Scenario::calm(seed, 4) };
            let report = world::run(&scenario);
            assert_eq!(report.violations, [], "{kind:?}");
            assert!(report.seen.acts[1] > 0, "{kind:?} did nothing");
            assert_eq!(report.guilty, [1], "{kind:?}");
            let judgement = L1::new(4).judge(&scenario, &report);
            assert_eq!(judgement.wrong, [""; 0], "{kind:?}");
            assert_eq!(judgement.slashed, [1], "{kind:?}");
            assert!(judgement.refused > 50, "{kind:?}: {}", judgement.refused);
        }
    }
}

#[test]
fn one_twin_of_four_shows_two_faces_and_splits_nothing() {
    let scenario = Scenario {
        sinners: vec![(0, Kind::Twin)],
        sides: vec![false, true, true, false],
        gain: 10,
        ..Scenario::calm(5, 4)
    };
    let report = world::run(&scenario);
    assert!(!report.violations.iter().any(|v| matches!(v, Violation::Fork { .. })), "{:?}", report.violations);
}
