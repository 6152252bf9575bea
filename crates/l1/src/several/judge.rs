//! Who of several endpoints is used, and who is right when they differ.

use crate::{L1Error, chain::BlockRef, metrics};
use std::time::{Duration, Instant};
use surety_types::L1Height;

/// Blocks behind more than half of the endpoints that are too many.
const LAG: u64 = 8;

/// What is thought of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// As it should be.
    Good = 0,
    /// It did not answer, or not in a usable form.
    Failing = 1,
    /// Its head stands or is far behind the others'.
    Behind = 2,
    /// It has other blocks than most.
    Forked = 3,
    /// What it said was proved wrong.
    Lying = 4,
}

#[derive(Debug)]
struct Party {
    name: String,
    standing: Standing,
    /// The height of its head, and when it moved there.
    head: Option<(u64, Instant)>,
}

/// What is known of the endpoints.
#[derive(Debug)]
pub(super) struct State {
    parties: Vec<Party>,
    /// The one in use.
    current: usize,
    /// When they were compared last.
    pub(super) checked: Option<Instant>,
    /// What they contradict each other in.
    pub(super) dispute: Option<String>,
    disputing: Vec<usize>,
}

impl State {
    pub(super) fn new(names: Vec<String>) -> Self {
        let party = |name| Party { name, standing: Standing::Good, head: None };
        let parties = names.into_iter().map(party).collect();
        Self { parties, current: 0, checked: None, dispute: None, disputing: Vec::new() }
    }

    /// In which order endpoints are asked: the good ones from the one in use on, then those that fail or are behind.
    pub(super) fn order(&self) -> Vec<usize> {
        let count = self.parties.len();
        let places = (0..count).filter_map(|step| self.current.saturating_add(step).checked_rem(count));
        let of = |place: usize| self.parties.get(place).map_or(Standing::Lying, |party| party.standing);
        let (mut order, rest): (Vec<_>, Vec<_>) = places.partition(|place| of(*place) == Standing::Good);
        order.extend(rest.into_iter().filter(|place| matches!(of(*place), Standing::Failing | Standing::Behind)));
        order
    }

    /// Another good endpoint, as far as one is known.
    pub(super) fn witness(&self, but: usize) -> Option<usize> {
        let good = |place: &usize| self.parties.get(*place).is_some_and(|party| party.standing == Standing::Good);
        self.order().into_iter().find(|place| *place != but && good(place))
    }

    pub(super) fn is_lying(&self, place: usize) -> bool {
        self.parties.get(place).is_none_or(|party| party.standing == Standing::Lying)
    }

    #[cfg(test)]
    pub(super) fn standings(&self) -> Vec<Standing> {
        self.parties.iter().map(|party| party.standing).collect()
    }

    /// An endpoint could not answer a request.
    pub(super) fn failed(&mut self, place: usize, error: &L1Error) {
        if self.parties.get(place).is_some_and(|party| party.standing == Standing::Good) {
            self.set(place, Standing::Failing, &error.to_string());
        }
    }

    /// An endpoint answered a request: it is the one in use.
    pub(super) fn answered(&mut self, place: usize) {
        if self.parties.get(place).is_some_and(|party| party.standing == Standing::Failing) {
            self.set(place, Standing::Good, "it answers");
        }
        if self.current != place {
            let name = self.parties.get(place).map_or("", |party| &party.name);
            tracing::info!(endpoint = name, "this L1 endpoint is used from now on");
            self.current = place;
        }
    }

    /// What an endpoint said was proved wrong.
    pub(super) fn caught(&mut self, place: usize, what: &str) {
        self.set(place, Standing::Lying, what);
    }

    /// Takes in the heads of all; gives the height of the usual one.
    pub(super) fn heads(&mut self, found: &[Option<BlockRef>], stuck_after: Duration) -> Option<L1Height> {
        let now = Instant::now();
        for (party, found) in self.parties.iter_mut().zip(found) {
            let number = found.map(|block| block.number.get());
            if let Some(number) = number.filter(|number| party.head.is_none_or(|(before, _)| before != *number)) {
                party.head = Some((number, now));
            }
        }
        let answered = |place: usize| found.get(place).is_some_and(Option::is_some);
        let heads: Vec<Option<(u64, Instant)>> = (0..self.parties.len())
            .map(|place| self.parties.get(place)?.head.filter(|_| answered(place) && !self.is_lying(place)))
            .collect();
        for (place, head) in heads.iter().enumerate() {
            let standing = self.parties.get(place).map_or(Standing::Lying, |party| party.standing);
            let Some((number, moved)) = *head else {
                if matches!(standing, Standing::Good | Standing::Behind) {
                    self.set(place, Standing::Failing, "it does not tell its head");
                }
                continue;
            };
            let others = || heads.iter().flatten();
            let stuck = now.duration_since(moved) >= stuck_after
                && others().any(|(other, later)| *other > number && *later > moved);
            let far = others().filter(|(other, _)| *other > number.saturating_add(LAG)).count() * 2 > heads.len();
            match (standing, stuck || far) {
                (Standing::Good | Standing::Failing, true) => {
                    self.set(place, Standing::Behind, &format!("its head is block {number}"));
                }
                (Standing::Failing | Standing::Behind, false) => self.set(place, Standing::Good, "it is at the head"),
                _ => {}
            }
        }
        let of = |good: bool| {
            let parties =
                self.parties.iter().zip(&heads).filter(|(party, _)| !good || party.standing == Standing::Good);
            let mut numbers: Vec<u64> = parties.filter_map(|(_, head)| head.map(|(number, _)| number)).collect();
            numbers.sort_unstable();
            numbers.get(numbers.len().saturating_sub(1) / 2).copied()
        };
        of(true).or_else(|| of(false)).map(L1Height::new)
    }

    /// Takes in what block each has at a height at which all should have the same.
    pub(super) fn blocks(&mut self, found: &[Option<BlockRef>]) {
        let has = |place: usize| found.get(place).copied().flatten().filter(|_| !self.is_lying(place));
        match judge(found.len(), |a, b| Some(has(a)?.hash == has(b)?.hash)) {
            Verdict::Agreed => {
                // Who disputed and says nothing now has not given in.
                if self.disputing.iter().all(|place| has(*place).is_some() || self.is_lying(*place)) {
                    self.settle();
                    self.forked(found, &[]);
                }
            }
            Verdict::Majority { against, .. } => {
                self.settle();
                self.forked(found, &against);
            }
            Verdict::Dispute { parties } => {
                let said = parties.iter().filter_map(|place| Some((self.parties.get(*place)?, has(*place)?)));
                let said: Vec<String> =
                    said.map(|(party, block)| format!("{} has block {block}", party.name)).collect();
                if self.dispute.is_none() {
                    metrics::endpoint_dispute();
                    tracing::error!(
                        said = said.join(", "),
                        "L1 ENDPOINTS CONTRADICT EACH OTHER: nothing is believed until they agree"
                    );
                }
                (self.dispute, self.disputing) = (Some(said.join(", ")), parties);
            }
        }
    }

    fn settle(&mut self) {
        self.disputing.clear();
        if self.dispute.take().is_some() {
            tracing::info!("the L1 endpoints agree again");
        }
    }

    /// Sets aside those that have another block, and takes back those that have the same again.
    fn forked(&mut self, found: &[Option<BlockRef>], against: &[usize]) {
        for (place, block) in found.iter().enumerate() {
            let Some(block) = block else { continue };
            let standing = self.parties.get(place).map_or(Standing::Lying, |party| party.standing);
            match (standing, against.contains(&place)) {
                (Standing::Lying | Standing::Forked, true) | (Standing::Lying, false) => {}
                (_, true) => self.set(place, Standing::Forked, &format!("block {block}, which most have not")),
                (Standing::Forked, false) => self.set(place, Standing::Good, "it has the same blocks again"),
                (_, false) => {}
            }
        }
    }

    fn set(&mut self, place: usize, standing: Standing, why: &str) {
        let Some(party) = self.parties.get_mut(place) else { return };
        party.standing = standing;
        metrics::endpoint_state(&party.name, standing as u8);
        let endpoint = &party.name;
        match standing {
            Standing::Good => tracing::info!(endpoint, why, "this L1 endpoint is good again"),
            Standing::Failing => tracing::warn!(endpoint, why, "this L1 endpoint fails: others are used"),
            Standing::Behind => tracing::warn!(endpoint, why, "this L1 endpoint is stuck or behind: others are used"),
            Standing::Forked => {
                tracing::error!(endpoint, why, "THIS L1 ENDPOINT IS ON ANOTHER BRANCH: others are used")
            }
            Standing::Lying => {
                tracing::error!(
                    endpoint,
                    why,
                    "THIS L1 ENDPOINT LIES: nothing more is taken from it until the restart"
                );
            }
        }
    }
}

/// Who is right.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All that say something say the same.
    Agreed,
    /// More than half of them do.
    Majority {
        /// One of those.
        place: usize,
        /// The others.
        against: Vec<usize>,
    },
    /// Nobody can tell.
    Dispute {
        /// All that say something.
        parties: Vec<usize>,
    },
}

/// Judges by how many say the same. `same` of one place and itself is `None` if nothing is said there.
pub(super) fn judge(count: usize, same: impl Fn(usize, usize) -> Option<bool>) -> Verdict {
    let voters: Vec<usize> = (0..count).filter(|place| same(*place, *place).is_some()).collect();
    let like = |place: usize| voters.iter().filter(|other| same(place, **other) == Some(true)).count();
    let Some(place) = voters.iter().copied().max_by_key(|place| like(*place)) else { return Verdict::Agreed };
    match like(place) {
        all if all == voters.len() => Verdict::Agreed,
        most if most * 2 > voters.len() => {
            let against = voters.iter().copied().filter(|other| same(place, *other) != Some(true)).collect();
            Verdict::Majority { place, against }
        }
        _ => Verdict::Dispute { parties: voters },
    }
}
