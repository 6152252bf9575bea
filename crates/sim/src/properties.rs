//! What must hold of every world.

use crate::{
    record::{Record, guilty},
    scenario::Scenario,
};
use alloy_primitives::B256;
use std::collections::BTreeMap;
use surety_node::{consensus::testing::vote_key, signer::Signer as _};
use surety_types::evidence::contradict;

/// What was seen of a world.
#[derive(Debug, Default)]
pub struct Observations {
    /// Per seat, the hash of each height that it ever announced as final, in any of its lives and copies.
    pub announced: Vec<BTreeMap<u64, Vec<B256>>>,
    /// Per seat, the chain in its store at the end.
    pub stored: Vec<Vec<B256>>,
    /// Heights of the honest seats when everything was whole again, and at the end.
    pub healed: Vec<(usize, u64, u64)>,
    /// Who shut whom out.
    pub blocked: Vec<(usize, usize)>,
    /// Everything signed.
    pub record: Record,
    /// Per seat, how often it contradicted itself on purpose.
    pub acts: Vec<u64>,
}

/// Something that may not happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// Two honest seats, or one twice, made different blocks final at a height.
    Fork {
        /// The height.
        height: u64,
        /// The blocks.
        blocks: Vec<B256>,
    },
    /// A final block is gone.
    Lost {
        /// Whose.
        seat: usize,
        /// Its height.
        height: u64,
    },
    /// An honest seat did not get on after healing.
    Stalled {
        /// Which.
        seat: usize,
        /// Its height when everything was whole.
        from: u64,
        /// Its height at the end.
        to: u64,
    },
    /// An honest seat could be slashed.
    Innocent {
        /// Which.
        seat: usize,
        /// The pair.
        pair: String,
    },
    /// A seat contradicted itself and nobody could show it.
    Escaped {
        /// Which.
        seat: usize,
    },
    /// An honest seat shut another out.
    ShutOut {
        /// Who.
        by: usize,
        /// Whom.
        seat: usize,
    },
    /// The node's rule and the one restated here differ.
    Rule(String),
}

/// Checks all of them.
pub fn check(scenario: &Scenario, seen: &Observations) -> Vec<Violation> {
    let mut violations = forks(scenario, seen);
    for seat in scenario.honest() {
        let stored = &seen.stored[seat];
        for (height, hashes) in &seen.announced[seat] {
            let kept = stored.get(*height as usize);
            if !hashes.iter().all(|hash| Some(hash) == kept) {
                violations.push(Violation::Lost { seat, height: *height });
            }
        }
    }
    for (seat, from, to) in &seen.healed {
        if *to < from + scenario.gain {
            violations.push(Violation::Stalled { seat: *seat, from: *from, to: *to });
        }
    }
    for (by, seat) in &seen.blocked {
        if scenario.sin(*by).is_none() && scenario.sin(*seat).is_none() {
            violations.push(Violation::ShutOut { by: *by, seat: *seat });
        }
    }
    violations.extend(slashable(scenario, seen));
    violations
}

fn forks(scenario: &Scenario, seen: &Observations) -> Vec<Violation> {
    let mut heights: BTreeMap<u64, Vec<B256>> = BTreeMap::new();
    for seat in scenario.honest() {
        let stored = seen.stored[seat].iter().enumerate().map(|(height, hash)| (height as u64, *hash));
        let announced = seen.announced[seat].iter().flat_map(|(height, hashes)| hashes.iter().map(|h| (*height, *h)));
        for (height, hash) in stored.chain(announced) {
            let blocks = heights.entry(height).or_default();
            if !blocks.contains(&hash) {
                blocks.push(hash);
            }
        }
    }
    let split = heights.into_iter().filter(|(_, blocks)| blocks.len() > 1);
    split.map(|(height, blocks)| Violation::Fork { height, blocks }).collect()
}

fn slashable(scenario: &Scenario, seen: &Observations) -> Vec<Violation> {
    let mut violations = Vec::new();
    for seat in 0..scenario.seats {
        let key = vote_key(seat as u64).address();
        let mut found = false;
        for (a, b) in seen.record.pairs(key) {
            let (here, node) = (guilty(&a.statement, &b.statement), contradict(&a.statement, &b.statement).is_some());
            found |= here;
            if here != node {
                violations.push(Violation::Rule(format!("{a:?} {b:?}")));
            }
            if (here || node) && scenario.sin(seat).is_none() {
                let pair = format!("{:?} and {:?}", a.statement, b.statement);
                violations.push(Violation::Innocent { seat, pair });
            }
        }
        if seen.acts[seat] > 0 && !found {
            violations.push(Violation::Escaped { seat });
        }
    }
    violations
}
