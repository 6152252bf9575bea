//! Who votes in a term, and when terms begin.
//!
//! The schedule is filled from outside (the L1 follower reads the registry, an epoch ahead); consensus only reads it. When a
//! term begins is known an epoch ahead, and so is whom to expect in it; who votes is final shortly before it begins, since
//! a fault may still freeze a seat (protocol §15.1). A block's child belongs to the term that contains the block's timestamp, if that is later than the block's own term:
//! so the last block of a term is the first whose timestamp is at or after the start of the next (protocol §15.1), and a
//! term during whose whole time no block was made has no blocks.

use super::epochs::Boundary;
use alloy_primitives::{Address, B256, keccak256};
use commonware_codec::{Copying, DecodeExt};
use commonware_cryptography::ed25519::PublicKey;
use commonware_utils::{TryCollect, ordered::Set};
use parking_lot::RwLock;
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use surety_types::{Seconds, Term};
use tokio::sync::watch;

/// The most members of a committee: L1's bitmap has that many bits.
pub const MAX_MEMBERS: usize = 64;

/// One seat in a committee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// The seat's number on L1.
    pub seat: u64,
    /// Address of its vote key.
    pub vote: Address,
    /// Its ed25519 peer key as L1 has it, which may be no key at all.
    pub peer: B256,
}

/// The committee of one term, in L1 order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committee {
    term: Term,
    start: Seconds,
    members: Vec<Member>,
    /// Peer keys by place, with dummies for the bad and the repeated.
    peers: Vec<PublicKey>,
    participants: Set<PublicKey>,
    /// Place on L1 of each participant (participants are ordered by peer key).
    places: Vec<usize>,
}

/// A committee that cannot vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommitteeError {
    /// Wrong number of members.
    #[error("a committee has 1 to 64 members, not {0}: read the registry again")]
    Size(usize),
    /// Two members with one vote key, which the registry never allows.
    #[error("vote key {0} stands twice in the committee: read the registry again")]
    RepeatedVoteKey(Address),
}

impl Committee {
    /// Takes the members of a term in L1 order. Bad and repeated peer keys are replaced by dummies that nobody holds, so
    /// that they cost the committee nothing but that seat's votes.
    ///
    /// # Errors
    /// See [`CommitteeError`].
    pub fn new(term: Term, start: Seconds, members: Vec<Member>) -> Result<Self, CommitteeError> {
        if members.is_empty() || members.len() > MAX_MEMBERS {
            return Err(CommitteeError::Size(members.len()));
        }
        let mut votes = BTreeSet::new();
        if let Some(twice) = members.iter().find(|m| !votes.insert(m.vote)) {
            return Err(CommitteeError::RepeatedVoteKey(twice.vote));
        }
        let mut taken = BTreeSet::new();
        let peers: Vec<PublicKey> = members
            .iter()
            .map(|member| {
                let key = decode_peer(&member.peer);
                let key = key.filter(|key| !taken.contains(key)).unwrap_or_else(|| dummy(term, member, &taken));
                taken.insert(key.clone());
                key
            })
            .collect();
        let participants: Set<PublicKey> =
            peers.iter().cloned().try_collect().map_err(|_| CommitteeError::Size(members.len()))?;
        let places = participants.iter().filter_map(|key| peers.iter().position(|peer| peer == key)).collect();
        Ok(Self { term, start, members, peers, participants, places })
    }

    /// The term.
    pub const fn term(&self) -> Term {
        self.term
    }

    /// L1 time at which the term begins.
    pub const fn start(&self) -> Seconds {
        self.start
    }

    /// Members in L1 order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Vote addresses in L1 order.
    pub fn votes(&self) -> Vec<Address> {
        self.members.iter().map(|m| m.vote).collect()
    }

    /// Place on L1 of a vote address.
    pub fn place_of(&self, vote: Address) -> Option<usize> {
        self.members.iter().position(|m| m.vote == vote)
    }

    /// The peer keys that consensus uses, in its own order.
    pub(super) const fn participants(&self) -> &Set<PublicKey> {
        &self.participants
    }

    /// The peer keys that consensus uses, with whose they are.
    pub(super) fn participants_with_members(&self) -> impl Iterator<Item = (&PublicKey, &Member)> {
        self.peers.iter().zip(&self.members)
    }

    /// Place on L1 of each participant.
    pub(super) fn places(&self) -> &[usize] {
        &self.places
    }
}

/// An ed25519 key, if the bytes are one.
pub(super) fn decode_peer(bytes: &B256) -> Option<PublicKey> {
    PublicKey::decode(Copying(bytes.as_slice())).ok()
}

/// A point of the curve whose discrete logarithm nobody knows: the first of a chain of hashes that is one.
fn dummy(term: Term, member: &Member, taken: &BTreeSet<PublicKey>) -> PublicKey {
    let mut seed = Vec::from(b"Surety.DummyPeer.v1".as_slice());
    seed.extend_from_slice(&term.get().to_be_bytes());
    seed.extend_from_slice(&member.seat.to_be_bytes());
    seed.extend_from_slice(member.vote.as_slice());
    let mut hash = keccak256(seed);
    loop {
        // About half of all strings are points, so this ends after two rounds on average.
        if let Some(key) = decode_peer(&hash)
            && !taken.contains(&key)
        {
            return key;
        }
        hash = keccak256(hash);
    }
}

/// The terms known so far. Cheap to clone; all clones are one schedule.
#[derive(Debug, Clone)]
pub struct TermSchedule {
    inner: Arc<ScheduleInner>,
}

#[derive(Debug)]
struct ScheduleInner {
    /// Each term's committee, and whether it is final.
    terms: RwLock<BTreeMap<Term, (Arc<Committee>, bool)>>,
    /// No term but those above begins before this time, if L1 said so.
    horizon: RwLock<Option<Seconds>>,
    events: RwLock<Events>,
    changed: watch::Sender<()>,
}

/// The terms that an L1 event started (protocol §3, §15.1). Such a term begins at an L1 time that the chain has passed when
/// the event is settled, so not at a block of that time but after the last block that L1 had when it happened.
#[derive(Debug, Default)]
struct Events {
    /// When each began on L1, for those that are settled, and where on the chain, once that is known here.
    settled: BTreeMap<Term, (Seconds, Option<Boundary>)>,
    /// The term that an event at L1's head has started, while that may be reorganised away.
    seen: Option<Term>,
}

impl Default for TermSchedule {
    fn default() -> Self {
        Self::new()
    }
}

impl TermSchedule {
    /// An empty schedule.
    pub fn new() -> Self {
        let (changed, _) = watch::channel(());
        Self {
            inner: Arc::new(ScheduleInner {
                terms: RwLock::default(),
                horizon: RwLock::default(),
                events: RwLock::default(),
                changed,
            }),
        }
    }

    /// Adds (or repeats) a term's committee that nothing can change any more.
    pub fn insert(&self, committee: Committee) {
        self.put(committee, true);
    }

    /// Adds (or corrects) a term whose committee may still lose members (by freezing). When it begins is known by that, who
    /// will vote in it is not: only [`TermSchedule::expected`] gives it.
    pub fn expect(&self, committee: Committee) {
        self.put(committee, false);
    }

    /// What is final stays.
    fn put(&self, committee: Committee, is_final: bool) {
        let mut terms = self.inner.terms.write();
        let same = terms.get(&committee.term).is_some_and(|(old, was_final)| {
            (*was_final && !is_final) || (*was_final == is_final && **old == committee)
        });
        if !same {
            terms.insert(committee.term, (Arc::new(committee), is_final));
            drop(terms);
            self.inner.changed.send_replace(());
        }
    }

    /// Says until when the terms inserted so far are all there are: the start of the first one that is missing. Without it
    /// the distance of terms tells, which needs two of them in a row.
    pub fn set_horizon(&self, start: Seconds) {
        if self.inner.horizon.write().replace(start) != Some(start) {
            self.inner.changed.send_replace(());
        }
    }

    /// Says that a settled L1 event started this term at this time. To be said before the term's committee is inserted; the
    /// term begins on the chain when [`TermSchedule::begin_by_event`] says where.
    pub fn start_by_event(&self, term: Term, start: Seconds) {
        let mut events = self.inner.events.write();
        if events.settled.get(&term).is_none_or(|(known, _)| *known != start) {
            events.settled.insert(term, (start, None));
            drop(events);
            self.inner.changed.send_replace(());
        }
    }

    /// Says after which block a term begins that an event started: the last one that L1 had then. To be said when all blocks
    /// above that block are gone from the store. Ignored if no event started the term.
    pub fn begin_by_event(&self, boundary: Boundary) {
        let mut events = self.inner.events.write();
        if let Some((_, begins)) = events.settled.get_mut(&boundary.term)
            && *begins != Some(boundary)
        {
            *begins = Some(boundary);
            drop(events);
            self.inner.changed.send_replace(());
        }
    }

    /// The terms started by events of which it is not known where they begin, with their L1 times, oldest first.
    pub fn awaiting(&self) -> Vec<(Term, Seconds)> {
        let events = self.inner.events.read();
        events
            .settled
            .iter()
            .filter(|(_, (_, begins))| begins.is_none())
            .map(|(term, (start, _))| (*term, *start))
            .collect()
    }

    /// The newest term that a settled event started.
    pub fn newest_event(&self) -> Option<Term> {
        self.inner.events.read().settled.last_key_value().map(|(term, _)| *term)
    }

    /// Whether a settled event started this term.
    pub fn is_event(&self, term: Term) -> bool {
        self.inner.events.read().settled.contains_key(&term)
    }

    /// Where the newest term begins that an event started, among those of which it is known.
    pub fn newest_cut(&self) -> Option<Boundary> {
        self.inner.events.read().settled.values().rev().find_map(|(_, begins)| *begins)
    }

    /// Says which term an event at L1's head has started, if there is one that is not settled.
    pub fn see_event(&self, term: Option<Term>) {
        let mut events = self.inner.events.write();
        if events.seen != term {
            events.seen = term;
            drop(events);
            self.inner.changed.send_replace(());
        }
    }

    /// Nothing is signed in terms before this one: an L1 event ended them, settled or not yet.
    pub fn ended_before(&self) -> Term {
        let events = self.inner.events.read();
        let settled = events.settled.last_key_value().map(|(term, _)| *term);
        settled.max(events.seen).unwrap_or(Term::ZERO)
    }

    /// Forgets terms before this one.
    pub fn prune(&self, term: Term) {
        let mut terms = self.inner.terms.write();
        *terms = terms.split_off(&term);
    }

    /// The committee of a term, if it is known for good.
    pub fn committee(&self, term: Term) -> Option<Arc<Committee>> {
        self.inner.terms.read().get(&term).filter(|(_, is_final)| *is_final).map(|(committee, _)| committee.clone())
    }

    /// The committee of a term as far as it is known: it may still lose members.
    pub fn expected(&self, term: Term) -> Option<Arc<Committee>> {
        self.inner.terms.read().get(&term).map(|(committee, _)| committee.clone())
    }

    /// Tells of every insertion.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.inner.changed.subscribe()
    }

    /// Waits until the committee of a term is known.
    pub async fn wait(&self, term: Term) -> Arc<Committee> {
        let mut changed = self.inner.changed.subscribe();
        loop {
            if let Some(committee) = self.committee(term) {
                return committee;
            }
            // The sender lives as long as `self`.
            let _ = changed.changed().await;
        }
    }

    /// The term that a child of a block belongs to, given the block's term, height and timestamp; `None` while the schedule
    /// does not reach that far, and for a block that an L1 event has left without a child: it will be taken back. All nodes
    /// that answer, and know of the same events, answer the same, however much of the schedule each has.
    ///
    /// A term that an event started begins after one certain block, whatever the time. For all others the answer is known if no further term can have begun at that time: before the horizon, or, where none was set, if
    /// the newest term in the schedule had not run for a whole epoch. An epoch is the least time between two terms in it.
    pub fn known_term_after(&self, term: Term, height: u64, timestamp: Seconds) -> Option<Term> {
        let events = self.inner.events.read();
        // A self-sequenced block says nothing of its term: it belongs to those before the event, whose term begins after it.
        let begun_at = |(_, begins): &(Seconds, Option<Boundary>)| begins.is_some_and(|begins| begins.height <= height);
        let unknown = term == Term::ZERO;
        let term = match events.settled.iter().rev().find(|(_, event)| unknown && begun_at(event)) {
            Some((event, _)) => event.saturating_sub(1),
            None => term,
        };
        let (mut from, mut before) = (term, Term::new(u64::MAX));
        for (event, (_, begins)) in events.settled.range(term.next()..) {
            match height.cmp(&(*begins)?.height) {
                Ordering::Less => {
                    before = *event;
                    break;
                }
                Ordering::Equal => from = *event,
                // Below a block without a term, only one made of a batch's bad data, the event's term goes on.
                Ordering::Greater if unknown => from = *event,
                Ordering::Greater => return None,
            }
        }
        drop(events);
        let terms = self.inner.terms.read();
        let (newest, (committee, _)) = terms.last_key_value()?;
        let horizon = *self.inner.horizon.read();
        let horizon = match horizon.filter(|horizon| *horizon > committee.start) {
            Some(horizon) => horizon,
            None => {
                let pairs = terms.iter().zip(terms.iter().skip(1));
                let adjacent = pairs.filter(|((term, _), (next, _))| **next == term.next());
                let epoch = adjacent.map(|((_, (a, _)), (_, (b, _)))| b.start.since(a.start)).min()?;
                committee.start.saturating_add(epoch)
            }
        };
        if *newest < term || timestamp >= horizon {
            return None;
        }
        let later = terms.range(from.next()..).take_while(|(next, _)| **next < before);
        let begun = later.take_while(|(_, (committee, _))| committee.start <= timestamp);
        Some(begun.last().map_or(from, |(next, _)| *next))
    }

    /// As [`TermSchedule::known_term_after`], or the block's own term while that is not known: for those who only want to
    /// know whom to ask now, and may ask again.
    pub fn term_after(&self, term: Term, height: u64, timestamp: Seconds) -> Term {
        self.known_term_after(term, height, timestamp).unwrap_or(term)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use commonware_cryptography::{Signer as _, ed25519::PrivateKey};

    fn member(seat: u64, peer: B256) -> Member {
        Member { seat, vote: Address::with_last_byte(seat as u8 + 1), peer }
    }

    fn peer(seed: u64) -> B256 {
        B256::from_slice(PrivateKey::from_seed(seed).public_key().as_ref())
    }

    #[test]
    fn bad_and_repeated_peer_keys_become_dummies_and_block_nobody() {
        let no_point = (0..=255).map(B256::repeat_byte).find(|k| decode_peer(k).is_none()).unwrap();
        let members = vec![member(0, peer(1)), member(1, peer(1)), member(2, no_point), member(3, peer(2))];
        let committee = Committee::new(Term::new(1), Seconds::ZERO, members.clone()).unwrap();
        assert_eq!(committee.participants().len(), 4);
        assert_eq!(committee.peers[0].as_ref(), peer(1).as_slice(), "the first user keeps the key");
        assert_ne!(committee.peers[1].as_ref(), peer(1).as_slice());
        assert_eq!(committee.peers[3].as_ref(), peer(2).as_slice());
        assert_eq!(committee, Committee::new(Term::new(1), Seconds::ZERO, members).unwrap(), "all nodes agree");
        for (index, key) in committee.participants().iter().enumerate() {
            assert_eq!(&committee.peers[committee.places()[index]], key);
        }
    }

    #[test]
    fn a_childs_term_follows_from_the_parents_time() {
        let schedule = TermSchedule::new();
        for (term, start) in [(1, 0), (2, 100), (3, 200)] {
            let members = vec![member(0, peer(1))];
            schedule.insert(Committee::new(Term::new(term), Seconds::new(start), members).unwrap());
        }
        let after = |term, time| schedule.known_term_after(Term::new(term), 1, Seconds::new(time)).map(Term::get);
        assert_eq!(after(1, 99), Some(1));
        assert_eq!(after(1, 100), Some(2));
        assert_eq!(after(1, 250), Some(3), "a term without blocks is passed over");
        assert_eq!(after(2, 100), Some(2));
        assert_eq!(after(3, 50), Some(3), "terms never go back");
        assert_eq!(after(3, 299), Some(3));
        assert_eq!(after(3, 300), None, "another may have begun");
        assert_eq!(after(4, 50), None);
    }

    #[test]
    fn one_term_and_its_end_are_enough() {
        let schedule = TermSchedule::new();
        let one = |term| Committee::new(Term::new(term), Seconds::new(term * 60), vec![member(0, peer(1))]).unwrap();
        schedule.insert(one(5));
        let after = |term, time| schedule.known_term_after(Term::new(term), 1, Seconds::new(time)).map(Term::get);
        assert_eq!(after(5, 310), None, "nobody said how long a term is");
        schedule.set_horizon(Seconds::new(360));
        assert_eq!(after(5, 359), Some(5));
        assert_eq!(after(4, 310), Some(5));
        assert_eq!(after(5, 360), None);
        schedule.insert(one(6));
        assert_eq!(after(5, 360), Some(6), "a horizon that was passed counts no more");
    }

    #[test]
    fn a_committee_may_lose_a_member_until_it_is_final() {
        let schedule = TermSchedule::new();
        let of = |seats: u64| {
            let members = (0..seats).map(|seat| member(seat, peer(seat + 1))).collect();
            Committee::new(Term::new(2), Seconds::new(120), members).unwrap()
        };
        schedule.expect(of(5));
        schedule.set_horizon(Seconds::new(180));
        let term = Term::new(2);
        assert!(schedule.committee(term).is_none(), "nobody votes by it yet");
        assert_eq!(schedule.expected(term).unwrap().members().len(), 5);
        let after = schedule.known_term_after(Term::new(1), 1, Seconds::new(130));
        assert_eq!(after, Some(term), "when it begins is known");
        schedule.insert(of(4));
        assert_eq!(schedule.committee(term).unwrap().members().len(), 4);
        schedule.expect(of(5));
        assert_eq!(schedule.committee(term).unwrap().members().len(), 4, "what is final stays");
    }

    #[test]
    fn a_term_that_an_event_started_begins_after_its_block_whatever_the_time() {
        let schedule = TermSchedule::new();
        let one = |term, start| Committee::new(Term::new(term), Seconds::new(start), vec![member(0, peer(1))]).unwrap();
        let after =
            |term, height, time| schedule.known_term_after(Term::new(term), height, Seconds::new(time)).map(Term::get);
        for (term, start) in [(1, 0), (2, 60)] {
            schedule.insert(one(term, start));
        }
        schedule.set_horizon(Seconds::new(120));
        assert_eq!(after(1, 300, 60), Some(2));
        // At 40 s an event starts term 2; what was to be term 2 is term 3.
        let event = Term::new(2);
        schedule.see_event(Some(event));
        assert_eq!((schedule.ended_before(), schedule.newest_event()), (event, None));
        assert_eq!(after(1, 100, 20), Some(1), "it may be reorganised away");
        schedule.start_by_event(event, Seconds::new(40));
        schedule.insert(one(2, 40));
        schedule.insert(one(3, 60));
        schedule.see_event(None);
        assert_eq!(schedule.ended_before(), event);
        assert_eq!(schedule.awaiting(), [(event, Seconds::new(40))]);
        assert_eq!(after(1, 100, 20), None, "any block may be the last");
        let boundary = Boundary { term: event, height: 100, genesis: B256::repeat_byte(1) };
        schedule.begin_by_event(boundary);
        assert_eq!((schedule.awaiting().len(), schedule.newest_cut()), (0, Some(boundary)));
        assert_eq!(after(1, 99, 20), Some(1));
        assert_eq!(after(1, 100, 20), Some(2), "before its time");
        assert_eq!(after(1, 101, 20), None, "it is taken back");
        assert_eq!(after(1, 101, 90), None, "no child in any later term either");
        assert_eq!(after(2, 101, 21), Some(2));
        assert_eq!(after(2, 200, 60), Some(3));
        // A second event before anything was posted: the first one's term has no blocks.
        schedule.start_by_event(Term::new(4), Seconds::new(70));
        schedule.insert(one(4, 70));
        schedule.begin_by_event(Boundary { term: Term::new(4), ..boundary });
        assert_eq!(after(1, 100, 20), Some(4));
        assert_eq!(after(2, 101, 21), None);
        assert_eq!(after(4, 101, 21), Some(4));
    }

    #[test]
    fn who_knows_less_of_the_schedule_says_nothing_rather_than_something_else() {
        let full = TermSchedule::new();
        let partial = TermSchedule::new();
        for term in 1..=20u64 {
            let members = || vec![member(0, peer(1))];
            full.insert(Committee::new(Term::new(term), Seconds::new(term * 60), members()).unwrap());
        }
        for term in 1..=20u64 {
            for from in 1..=term {
                for time in (60..1_300).step_by(15) {
                    let ask =
                        |schedule: &TermSchedule| schedule.known_term_after(Term::new(from), 1, Seconds::new(time));
                    if let Some(answer) = ask(&partial) {
                        assert_eq!(Some(answer), ask(&full), "term {from} at {time} s, known to {}", term - 1);
                    }
                }
            }
            let members = vec![member(0, peer(1))];
            partial.insert(Committee::new(Term::new(term), Seconds::new(term * 60), members).unwrap());
        }
    }
}
