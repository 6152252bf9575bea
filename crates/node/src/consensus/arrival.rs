//! When a node that has started may sign: not before it stands where the others stand, and has listened there for a while.
//!
//! A node with an old disk, or a second copy of one, knows less than its key has signed. What it could sign against lies in
//! views that are over for the others, so it must not vote in these, however long it needs to catch up; and its own key's
//! votes are heard only where the others are. So time counts from when it is *level*: so many members that they make
//! blocks final with it have told their heads, and all but those who may lie are at most [`SLACK`] blocks ahead. It is over when each
//! of so many has told its head often enough since: a node that hears nobody any more stays silent. Where fewer than that are
//! there, nothing could be decided with its vote either.

use super::status::PERIOD;
use commonware_cryptography::ed25519::PublicKey;
use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

/// Blocks that others may be ahead of a node that stands where they stand: heads are told once a second.
const SLACK: u64 = 2;

/// A member's newest head, and how often it told one since this node was level.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    head: u64,
    times: u32,
}

/// The silence of a node that has started.
#[derive(Debug)]
pub(super) struct Arrival {
    listens: Duration,
    level_since: Option<SystemTime>,
    told: BTreeMap<PublicKey, Told>,
}

impl Arrival {
    /// Begins the silence, which lasts for `listens` where the others are.
    pub(super) const fn new(listens: Duration) -> Self {
        Self { listens, level_since: None, told: BTreeMap::new() }
    }

    /// A peer has told its head.
    pub(super) fn hear(&mut self, peer: PublicKey, head: u64) {
        let told = self.told.entry(peer).or_default();
        *told = Told { head, times: told.times.saturating_add(1) };
    }

    /// Whether the silence is over, for a node whose newest final block is at `head`. The committee is the current term's:
    /// the others' keys, and how many of them make blocks final with this node.
    pub(super) fn is_over(&mut self, now: SystemTime, head: u64, others: &[PublicKey], needed: usize) -> bool {
        self.told.retain(|peer, _| others.contains(peer));
        let mut heads: Vec<u64> = self.told.values().map(|told| told.head).collect();
        heads.sort_unstable_by(|a, b| b.cmp(a));
        let may_lie = others.len().saturating_sub(needed);
        let level = heads.len() >= needed && heads.get(may_lie).is_none_or(|told| *told <= head.saturating_add(SLACK));
        if !level {
            self.level_since = None;
            return false;
        }
        let Some(since) = self.level_since else {
            self.level_since = Some(now);
            self.told.values_mut().for_each(|told| told.times = 0);
            return false;
        };
        let times = self.listens.as_millis().div_ceil(PERIOD.as_millis());
        let heard = self.told.values().filter(|told| u128::from(told.times) >= times).count();
        heard >= needed && now.duration_since(since).is_ok_and(|level| level >= self.listens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use commonware_cryptography::{Signer as _, ed25519::PrivateKey};

    const LISTENS: Duration = Duration::from_secs(2);

    struct World {
        arrival: Arrival,
        others: Vec<PublicKey>,
        now: SystemTime,
        head: u64,
    }

    /// One of four.
    fn world() -> World {
        let others = (1..4).map(|seed| PrivateKey::from_seed(seed).public_key()).collect();
        World { arrival: Arrival::new(LISTENS), others, now: SystemTime::UNIX_EPOCH, head: 0 }
    }

    impl World {
        /// A second passes in which these others tell these heads.
        fn second(&mut self, heads: &[(usize, u64)]) -> bool {
            self.now += Duration::from_secs(1);
            let mut over = false;
            for (other, head) in heads {
                self.arrival.hear(self.others[*other].clone(), *head);
                over = self.is_over();
            }
            over || self.is_over()
        }

        fn is_over(&mut self) -> bool {
            self.arrival.is_over(self.now, self.head, &self.others, 2)
        }
    }

    #[test]
    fn a_chain_that_begins_comes_alive() {
        let mut world = world();
        let over: Vec<bool> = (0..4).map(|_| world.second(&[(0, 0), (1, 0)])).collect();
        assert_eq!(over, [false, false, true, true]);
    }

    #[test]
    fn who_is_alone_is_its_own_quorum() {
        let mut arrival = Arrival::new(LISTENS);
        let at = |second| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        assert!(!arrival.is_over(at(0), 7, &[], 0));
        assert!(arrival.is_over(at(2), 7, &[], 0));
    }

    #[test]
    fn who_has_to_catch_up_listens_only_when_it_has() {
        let mut world = world();
        for second in 0..60 {
            assert!(!world.second(&[(0, 1_000 + 5 * second), (1, 1_000 + 5 * second), (2, 1_000 + 5 * second)]));
            world.head = 15 * second;
        }
        world.head = 1_300;
        assert!(!world.second(&[(0, 1_300), (1, 1_300), (2, 1_300)]));
        world.head = 1_305;
        assert!(!world.second(&[(0, 1_305), (1, 1_306), (2, 1_305)]));
        // Falls behind once more.
        assert!(!world.second(&[(0, 1_310), (1, 1_311), (2, 1_310)]));
        world.head = 1_315;
        assert!(!world.second(&[(0, 1_315), (1, 1_315), (2, 1_315)]));
        assert!(!world.second(&[(0, 1_315), (1, 1_315), (2, 1_315)]));
        assert!(world.second(&[(0, 1_315), (1, 1_315), (2, 1_315)]));
    }

    #[test]
    fn who_hears_too_few_stays_silent() {
        let mut world = world();
        for _ in 0..60 {
            assert!(!world.second(&[(0, 0)]), "two of four decide nothing");
        }
        // Level at last, and then cut off.
        assert!(!world.second(&[(0, 0), (1, 0)]));
        for _ in 0..60 {
            assert!(!world.second(&[]));
        }
    }

    #[test]
    fn one_liar_of_four_neither_holds_a_node_nor_hurries_it() {
        let mut held = world();
        let over: Vec<bool> = (0..4).map(|_| held.second(&[(0, u64::MAX), (1, 0), (2, 0)])).collect();
        assert!(over[3]);
        let mut hurried = world();
        for _ in 0..60 {
            let lies = [(0, 0); 16];
            assert!(!hurried.second(&[&lies[..], &[(1, 100), (2, 100)]].concat()));
        }
    }
}
