use super::*;
use alloy_primitives::U256;
use alloy_sol_types::{SolCall, SolError};
use parking_lot::Mutex;
use proptest::prelude::*;
use std::collections::{BTreeSet, HashMap};
use surety_contracts::{
    Profile,
    bindings::{Inbox, SequencerRegistry},
};
use surety_l1::{
    Call, L1Transaction, Revert,
    chain::{Answer, Blob, Fees, Inclusion, L1Log},
};
use surety_types::BatchIndex;

const RULES: Rules = Rules { overlap: 30, delay: 45, window: 140 };
/// When the first term starts.
const GENESIS: u64 = 10_000;
const EPOCH: u64 = 60;

const fn lapse(from: u64, to: u64, missed: u64, batch: u64) -> Lapse {
    Lapse {
        from: Seconds::new(GENESIS + from),
        to: Seconds::new(GENESIS + to),
        missed: Seconds::new(missed),
        batch: BatchIndex::new(batch),
    }
}

fn vote_key(seat: u64) -> Address {
    Address::with_last_byte(u8::try_from(seat).unwrap())
}

/// What L1's contracts know, and a count of what they are asked.
#[derive(Default)]
struct World {
    blocks: Vec<BlockRef>,
    lapses: Vec<Lapse>,
    open: Option<Lapse>,
    /// Starts of terms, from the first on.
    starts: Vec<u64>,
    attended: BTreeSet<(u64, u64, u64)>,
    frozen: HashMap<u64, u64>,
    unsealed: BTreeSet<u64>,
    calls: Vec<&'static str>,
}

impl World {
    fn now(&self) -> u64 {
        self.blocks.last().unwrap().time.get()
    }

    fn all(&self) -> Vec<Lapse> {
        self.lapses.iter().chain(&self.open).copied().collect()
    }

    /// Second by second, as the contract's words say it.
    fn seconds(&self, term: u64, seat: u64) -> u64 {
        let place = usize::try_from(term).unwrap() - 1;
        let duty = self.starts[place] + RULES.overlap..self.starts[place + 1];
        let ended = self.all().into_iter().filter(|lapse| lapse.to.get() > duty.start).take(MAX_LAPSES);
        ended
            .filter(|lapse| !self.attended.contains(&(lapse.batch.get(), term, seat)))
            .map(|lapse| {
                let waited = (lapse.from.get()..lapse.to.get()).filter(|second| duty.contains(second)).count();
                (waited as u64).saturating_sub(lapse.missed.get())
            })
            .sum()
    }

    fn assess(&self, term: u64, seat: u64) -> Result<u64, Vec<u8>> {
        let end = self.starts[usize::try_from(term).unwrap()];
        if self.now() < end + RULES.delay {
            return Err(Idle::TermNotOver { term, from: end + RULES.delay }.abi_encode());
        }
        if self.frozen.get(&seat).is_some_and(|frozen| *frozen < end) {
            return Err(Idle::NotOnDuty { seat, term }.abi_encode());
        }
        match self.seconds(term, seat) {
            0 => Err(Idle::NotIdle { seat, term }.abi_encode()),
            seconds => Ok(seconds),
        }
    }

    fn term_at(&self, time: u64) -> u64 {
        self.starts.iter().filter(|start| **start <= time).count() as u64
    }

    fn answer(&mut self, input: &[u8]) -> Result<Vec<u8>, Vec<u8>> {
        let fits = |selector: [u8; 4]| input.starts_with(&selector);
        let mut called = |name| self.calls.push(name);
        if fits(Inbox::lapseCountCall::SELECTOR) {
            called("lapseCount");
            return Ok(Inbox::lapseCountCall::abi_encode_returns(&U256::from(self.lapses.len())));
        }
        if let Ok(call) = Inbox::lapseCall::abi_decode(input) {
            called("lapse");
            let place = call.place.to::<usize>();
            let lapse =
                if place == self.lapses.len() { self.open } else { Some(*self.lapses.get(place).ok_or(vec![])?) };
            let number = |value: u64| value.try_into().unwrap();
            let lapse = lapse.map_or((0, 0, 0, 0), |lapse| {
                (lapse.from.get(), lapse.to.get(), lapse.missed.get(), lapse.batch.get())
            });
            let (from, to, missed, batch) = (number(lapse.0), number(lapse.1), number(lapse.2), number(lapse.3));
            return Ok(Inbox::lapseCall::abi_encode_returns(&Inbox::Lapse { from, to, missed, batch }));
        }
        if fits(SequencerRegistry::currentTermCall::SELECTOR) {
            called("currentTerm");
            return Ok(SequencerRegistry::currentTermCall::abi_encode_returns(&self.term_at(self.now())));
        }
        if let Ok(call) = SequencerRegistry::termAtCall::abi_decode(input) {
            called("termAt");
            return Ok(SequencerRegistry::termAtCall::abi_encode_returns(&self.term_at(call.time)));
        }
        if let Ok(call) = SequencerRegistry::termStartCall::abi_decode(input) {
            called("termStart");
            let start = self.starts[usize::try_from(call.term).unwrap() - 1];
            return Ok(SequencerRegistry::termStartCall::abi_encode_returns(&start));
        }
        if let Ok(call) = SequencerRegistry::committeeCall::abi_decode(input) {
            called("committee");
            if self.unsealed.contains(&call.term) {
                return Err(SequencerRegistry::CommitteeNotSealed { epoch: call.term }.abi_encode());
            }
            let member = |id| SequencerRegistry::Member { seat: id, voteKey: vote_key(id), peerKey: B256::ZERO };
            let members: Vec<_> = (1..=4).map(member).collect();
            return Ok(SequencerRegistry::committeeCall::abi_encode_returns(&members));
        }
        let call = Idle::assessCall::abi_decode(input).unwrap();
        called("assess");
        assert_eq!(call.evidence.len(), 64);
        let word = |place: usize| U256::from_be_slice(&call.evidence[32 * place..][..32]).to::<u64>();
        let (term, seat) = (word(0), word(1));
        let counted = U256::from(self.assess(term, seat)?);
        let verdict = Idle::Verdict { seat, term, rollup: 1 };
        Ok(Idle::assessCall::abi_encode_returns(&Idle::assessReturn { verdict, counted }))
    }
}

#[derive(Clone, Default)]
struct FakeL1(Arc<Mutex<World>>);

fn ready<T: Send + 'static>(answer: Result<T, L1Error>) -> Answer<'static, T> {
    Box::pin(std::future::ready(answer))
}

fn not_asked<T: Send + 'static>() -> Answer<'static, T> {
    ready(Err(L1Error::Refused { method: "test", code: 0, message: "nobody asks for this".into() }))
}

impl L1 for FakeL1 {
    fn chain_id(&self) -> Answer<'_, u64> {
        not_asked()
    }

    fn block(&self, at: BlockAt) -> Answer<'_, Option<BlockRef>> {
        let mut world = self.0.lock();
        world.calls.push("block");
        let BlockAt::Number(number) = at else { return not_asked() };
        ready(Ok(world.blocks.iter().find(|block| block.number == number).copied()))
    }

    fn logs<'a>(&'a self, _: L1Height, _: L1Height, _: &'a [Address]) -> Answer<'a, Vec<L1Log>> {
        not_asked()
    }

    fn transaction(&self, _: B256) -> Answer<'_, Option<L1Transaction>> {
        not_asked()
    }

    fn call<'a>(&'a self, call: &'a Call, at: BlockAt) -> Answer<'a, Bytes> {
        let mut world = self.0.lock();
        let head = world.blocks.last().unwrap().hash;
        if at != BlockAt::Hash(head) {
            return ready(Err(L1Error::UnknownBlock(format!("{at:?}"))));
        }
        let reverted = |data: Vec<u8>| L1Error::Reverted { method: "eth_call", revert: Revert { data: data.into() } };
        ready(world.answer(&call.input).map(Bytes::from).map_err(reverted))
    }

    fn code(&self, _: Address, _: BlockAt) -> Answer<'_, Bytes> {
        not_asked()
    }

    fn blobs<'a>(&'a self, _: BlockRef, _: &'a [B256]) -> Answer<'a, Vec<Box<Blob>>> {
        not_asked()
    }

    fn fees(&self) -> Answer<'_, Fees> {
        not_asked()
    }

    fn balance(&self, _: Address) -> Answer<'_, U256> {
        not_asked()
    }

    fn nonce(&self, _: Address) -> Answer<'_, u64> {
        not_asked()
    }

    fn estimate_gas<'a>(&'a self, _: &'a Call) -> Answer<'a, u64> {
        not_asked()
    }

    fn send_raw<'a>(&'a self, _: &'a [u8]) -> Answer<'a, ()> {
        not_asked()
    }

    fn inclusion(&self, _: B256) -> Answer<'_, Option<Inclusion>> {
        not_asked()
    }
}

impl FakeL1 {
    /// A chain whose terms are an epoch long.
    fn new() -> Self {
        let fake = Self::default();
        fake.0.lock().starts = (0..200).map(|epoch| GENESIS + epoch * EPOCH).collect();
        fake.at(0);
        fake
    }

    /// A block at a time after genesis.
    fn at(&self, time: u64) -> BlockRef {
        let mut world = self.0.lock();
        let number = world.blocks.last().map_or(1, |block| block.number.get() + 1);
        let hash = alloy_primitives::keccak256([number.to_be_bytes(), time.to_be_bytes()].concat());
        let parent = world.blocks.last().map_or(B256::ZERO, |block| block.hash);
        let (number, time) = (L1Height::new(number), Seconds::new(GENESIS + time));
        world.blocks.push(BlockRef { number, hash, parent, time });
        world.calls.clear();
        *world.blocks.last().unwrap()
    }

    fn head(&self) -> BlockRef {
        *self.0.lock().blocks.last().unwrap()
    }

    fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().calls)
    }

    fn finder(&self, directory: &tempfile::TempDir) -> IdleFinder {
        let protocol = Parameters::of(Profile::Ci, 1);
        let addresses = Addresses::predict(Address::ZERO, 0);
        let finder = IdleFinder::open(Arc::new(self.clone()), addresses, &protocol, directory.path().join("idle.json"));
        let finder = finder.unwrap();
        let rules = finder.rules;
        assert_eq!((rules.overlap, rules.delay, rules.window), (RULES.overlap, RULES.delay, RULES.window));
        finder
    }
}

/// (term, seat, seconds or none) of all that is found at the head.
async fn find(finder: &mut IdleFinder, l1: &FakeL1) -> Vec<(u64, u64, Option<u64>)> {
    let (mut found, at) = (Vec::new(), l1.head());
    loop {
        let Round { inquest, more } = finder.look(at).await.unwrap();
        if let Some(inquest) = inquest {
            for (key, finding) in &inquest.findings {
                let (seat, seconds) = match finding {
                    Finding::Guilty(idleness) => {
                        assert_eq!(idleness.term, inquest.term);
                        assert!(idleness.seconds <= inquest.seconds);
                        (idleness.seat, Some(idleness.seconds))
                    }
                    Finding::Innocent { seat, .. } => (*seat, None),
                };
                assert_eq!(*key, vote_key(seat));
                found.push((inquest.term, seat, seconds));
            }
            finder.conclude(inquest, at.time).unwrap();
        }
        if !more {
            return found;
        }
    }
}

fn all(term: u64, seconds: u64) -> Vec<(u64, u64, Option<u64>)> {
    (1..=4).map(|seat| (term, seat, Some(seconds))).collect()
}

#[tokio::test]
async fn without_lapses_two_calls_a_block_are_made() {
    let (l1, directory) = (FakeL1::new(), tempfile::tempdir().unwrap());
    let mut finder = l1.finder(&directory);
    for time in [0, 59, 600] {
        l1.at(time);
        assert!(find(&mut finder, &l1).await.is_empty());
        assert_eq!(l1.calls(), ["lapseCount", "lapse"]);
    }
}

#[tokio::test]
async fn a_term_is_asked_about_once_and_when_it_is_over_for_long_enough() {
    let (l1, directory) = (FakeL1::new(), tempfile::tempdir().unwrap());
    let mut finder = l1.finder(&directory);
    l1.0.lock().lapses = vec![lapse(15, 42, 0, 0)];
    l1.0.lock().attended.insert((0, 1, 2));
    l1.0.lock().frozen.insert(3, GENESIS + 59);
    for time in [42, 60, 104] {
        l1.at(time);
        assert!(find(&mut finder, &l1).await.is_empty(), "{time}");
    }
    l1.at(105);
    let found = [(1, 1, Some(12)), (1, 2, None), (1, 3, None), (1, 4, Some(12))];
    assert_eq!(find(&mut finder, &l1).await, found);
    assert!(l1.calls().len() < 12);
    l1.at(106);
    assert!(find(&mut finder, &l1).await.is_empty());
    assert_eq!(l1.calls(), ["lapseCount", "lapse"], "all else is known");
    // Unless it was judged otherwise.
    finder.ask_again(1);
    l1.at(107);
    assert_eq!(find(&mut finder, &l1).await, found);
}

#[tokio::test]
async fn a_term_that_self_sequencing_ended_is_judged_by_its_own_end() {
    let (l1, directory) = (FakeL1::new(), tempfile::tempdir().unwrap());
    let mut finder = l1.finder(&directory);
    {
        let mut world = l1.0.lock();
        world.lapses = vec![lapse(15, 42, 0, 0)];
        world.starts.insert(1, GENESIS + 42);
    }
    l1.at(86);
    assert!(find(&mut finder, &l1).await.is_empty());
    l1.at(87);
    assert_eq!(find(&mut finder, &l1).await, all(1, 12));
}

#[tokio::test]
async fn a_lapse_that_is_not_over_covers_whole_terms() {
    let (l1, directory) = (FakeL1::new(), tempfile::tempdir().unwrap());
    let mut finder = l1.finder(&directory);
    for (time, found) in [(104, vec![]), (105, all(1, 30)), (106, vec![]), (165, all(2, 30)), (225, all(3, 30))] {
        l1.at(time);
        l1.0.lock().open = Some(lapse(15, time, 0, 0));
        assert_eq!(find(&mut finder, &l1).await, found, "{time}");
        assert!(l1.calls().len() < 14);
    }
    // It ends, and all was asked but the term in which it does.
    {
        let mut world = l1.0.lock();
        world.open = None;
        world.lapses.push(lapse(15, 235, 0, 0));
    }
    l1.at(300);
    assert_eq!(find(&mut finder, &l1).await, all(4, 25));
}

#[tokio::test]
async fn blocks_that_l1_missed_make_nobody_be_asked_about_again_but_new_seconds_do() {
    let (l1, directory) = (FakeL1::new(), tempfile::tempdir().unwrap());
    let mut finder = l1.finder(&directory);
    let mut look = async |time, open| {
        l1.at(time);
        l1.0.lock().open = open;
        find(&mut finder, &l1).await
    };
    // L1 stood for 20 s: not yet.
    assert!(look(105, None).await.is_empty());
    assert_eq!(look(125, Some(lapse(15, 125, 20, 0))).await, all(1, 10));
    assert!(look(126, Some(lapse(15, 126, 21, 0))).await.is_empty());
    // (A reorg would; or a lapse before it that is known only now.)
    assert_eq!(look(127, Some(lapse(15, 127, 5, 0))).await, all(1, 25));
}

#[tokio::test]
async fn what_was_asked_is_known_after_a_restart_and_a_reorg_meanwhile_is_noticed() {
    let (l1, directory) = (FakeL1::new(), tempfile::tempdir().unwrap());
    l1.0.lock().lapses = vec![lapse(15, 42, 0, 0)];
    l1.at(105);
    assert_eq!(find(&mut l1.finder(&directory), &l1).await.len(), 4);
    l1.at(106);
    assert!(find(&mut l1.finder(&directory), &l1).await.is_empty());
    assert!(!l1.calls().contains(&"assess"));
    l1.0.lock().blocks.truncate(1);
    l1.at(103);
    l1.at(107);
    assert_eq!(find(&mut l1.finder(&directory), &l1).await, all(1, 12));
    std::fs::write(directory.path().join("idle.json"), br#"{"version":2,"terms":{}}"#).unwrap();
    let protocol = Parameters::of(Profile::Ci, 1);
    let path = directory.path().join("idle.json");
    let Err(error) = IdleFinder::open(Arc::new(l1), Addresses::predict(Address::ZERO, 0), &protocol, path) else {
        panic!("a form of the future is taken")
    };
    assert!(error.to_string().contains("delete it"), "{error}");
}

#[tokio::test]
async fn a_reorg_that_takes_a_lapse_back_and_brings_it_again_is_followed() {
    let (l1, directory) = (FakeL1::new(), tempfile::tempdir().unwrap());
    let mut finder = l1.finder(&directory);
    l1.0.lock().lapses = vec![lapse(15, 42, 0, 0)];
    let before = l1.head().number.get();
    l1.at(105);
    assert_eq!(find(&mut finder, &l1).await, all(1, 12));
    // A batch came at 20 after all, and another start of term 2 with it.
    {
        let mut world = l1.0.lock();
        world.blocks.truncate(1);
        world.lapses.clear();
        world.starts.insert(1, GENESIS + 50);
    }
    finder.revert(before);
    l1.at(106);
    assert!(find(&mut finder, &l1).await.is_empty());
    // And that is taken back, too.
    {
        let mut world = l1.0.lock();
        world.blocks.truncate(1);
        world.lapses = vec![lapse(15, 55, 0, 0)];
    }
    finder.revert(before);
    l1.at(107);
    assert_eq!(find(&mut finder, &l1).await, all(1, 20), "the term ended at 50");
}

#[tokio::test]
async fn a_reorg_below_what_was_asked_leaves_it_asked() {
    let (l1, directory) = (FakeL1::new(), tempfile::tempdir().unwrap());
    let mut finder = l1.finder(&directory);
    l1.0.lock().lapses = vec![lapse(15, 42, 0, 0)];
    let asked = l1.at(105).number.get();
    find(&mut finder, &l1).await;
    l1.at(106);
    finder.revert(asked);
    assert!(find(&mut finder, &l1).await.is_empty());
}

#[tokio::test]
async fn terms_that_cannot_be_judged_any_more_are_not_asked_about() {
    let (l1, directory) = (FakeL1::new(), tempfile::tempdir().unwrap());
    l1.0.lock().lapses = vec![lapse(15, 42, 0, 0), lapse(92, 110, 0, 1), lapse(1_000, 1_010, 0, 2)];
    l1.at(140);
    assert!(find(&mut l1.finder(&directory), &l1).await.is_empty(), "the first from its start on for 140 s");
    l1.at(165);
    assert_eq!(find(&mut l1.finder(&directory), &l1).await, all(2, 18));
    l1.at(900);
    let mut finder = l1.finder(&directory);
    assert!(find(&mut finder, &l1).await.is_empty());
    assert_eq!(finder.lapses.len(), 1, "what is old is not kept");
}

#[tokio::test]
async fn a_term_whose_committee_is_not_written_yet_holds_nobody_up() {
    let (l1, directory) = (FakeL1::new(), tempfile::tempdir().unwrap());
    let mut finder = l1.finder(&directory);
    l1.0.lock().unsealed.insert(1);
    l1.at(130);
    l1.0.lock().lapses = vec![lapse(15, 42, 0, 0)];
    assert!(find(&mut finder, &l1).await.is_empty());
    l1.0.lock().unsealed.clear();
    l1.at(131);
    assert_eq!(find(&mut finder, &l1).await, all(1, 12));
}

#[tokio::test]
async fn many_lapses_and_terms_are_read_in_rounds() {
    let (l1, directory) = (FakeL1::new(), tempfile::tempdir().unwrap());
    // A lapse each second, and in the first epoch a term each second.
    {
        let mut world = l1.0.lock();
        world.lapses = (0..134).map(|second| lapse(1 + second, 2 + second, 0, second)).collect();
        let shorter = (1..60).map(|second| GENESIS + second);
        world.starts.splice(1..1, shorter);
        assert!(world.starts.is_sorted());
    }
    l1.at(135);
    let mut finder = l1.finder(&directory);
    let at = l1.head();
    let mut rounds = 0;
    while finder.look(at).await.unwrap().more {
        let calls = l1.calls();
        assert!(calls.len() <= 3 * READS, "{} calls in a round", calls.len());
        rounds += 1;
    }
    assert!(rounds >= 2, "{rounds}");
    assert_eq!((finder.lapses.len(), finder.next), (134, Some(134)));
    // Term 61 is that of the second epoch.
    l1.at(165);
    assert_eq!(find(&mut finder, &l1).await, all(61, 30));
}

proptest! {
    #[test]
    fn who_is_asked_about_is_who_has_seconds(
        gaps in prop::collection::vec((1u64..50, 1u64..90, 0u64..30), 0..8),
        lengths in prop::collection::vec(0u64..100, 8..16),
        now in 1u64..600,
    ) {
        let (mut time, mut lapses) = (0, Vec::new());
        for (batch, (pause, length, missed)) in gaps.into_iter().enumerate() {
            time += pause;
            lapses.push(lapse(time, time + length, missed.min(length - 1), batch as u64));
            time += length;
        }
        let mut start = GENESIS;
        let mut starts = vec![start];
        for length in lengths {
            start += length;
            starts.push(start);
        }
        let now = GENESIS + now;
        let world = World { lapses: lapses.clone(), starts: starts.clone(), ..World::default() };
        let known = (1u64..).zip(starts.iter().copied()).collect();
        let due = due(&lapses, &known, &BTreeMap::new(), now, RULES);
        for term in 1..starts.len() as u64 {
            let (start, end) = (starts[term as usize - 1], starts[term as usize]);
            let is_judged = end + RULES.delay <= now && now < start + RULES.window;
            let found = due.iter().find(|(due, ..)| *due == term);
            let expected = if is_judged { world.seconds(term, 1) } else { 0 };
            prop_assert_eq!(found.map_or(0, |(.., charges)| charges.values().sum()), expected);
            // What was asked is not due again.
            if let Some((_, start, charges)) = found {
                let asked = Asked { start: *start, number: 1, hash: B256::ZERO, charges: charges.clone() };
                let again = super::due(&lapses, &known, &BTreeMap::from([(term, asked)]), now, RULES);
                prop_assert!(again.iter().all(|(due, ..)| *due != term));
            }
        }
    }
}
