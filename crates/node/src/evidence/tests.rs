use super::*;
use alloy_primitives::B256;
use k256::ecdsa::SigningKey;
use proptest::prelude::*;
use surety_types::{
    evidence::contradict,
    signing::{Batch, Finalize, Notarize, Nullify, Receipt, Signature, vote_address},
};

const ROLLUP: RollupId = RollupId::new(7);
const GENESIS: B256 = B256::repeat_byte(0x47);
const TERM: TermKey = TermKey { term: 1, genesis: GENESIS };

fn domain() -> Domain {
    Domain::new(1337, Address::repeat_byte(0x11))
}

fn key(member: Place) -> SigningKey {
    SigningKey::from_slice(&[member + 1; 32]).unwrap()
}

fn sign(member: Place, statement: impl Into<Statement>) -> SignedStatement {
    let statement = statement.into();
    let signature = Signature::sign(&key(member), &statement.digest(&domain())).unwrap();
    SignedStatement { statement, signature }
}

fn notarize(view: u64, block: u8) -> Notarize {
    let block_hash = B256::repeat_byte(block);
    Notarize { rollup: 7, term: 1, genesis: GENESIS, view, parentView: view.saturating_sub(1), blockHash: block_hash }
}

fn finalize(view: u64, block: u8) -> Finalize {
    let n = notarize(view, block);
    Finalize { rollup: 7, term: 1, genesis: GENESIS, view, parentView: n.parentView, blockHash: n.blockHash }
}

fn nullify(view: u64) -> Nullify {
    Nullify { rollup: 7, term: 1, genesis: GENESIS, view }
}

fn batch(last_height: u64, last: u8, free: u8) -> Batch {
    let hash = B256::repeat_byte;
    Batch {
        rollup: 7,
        term: 1,
        genesis: GENESIS,
        firstHeight: 1,
        lastHeight: last_height,
        parentClaim: hash(free),
        prevHash: hash(1),
        lastHash: hash(last),
        blockHashRoot: hash(last),
        lastBlockTime: 0,
        messageCount: 0,
        messageAcc: B256::ZERO,
        inboxTip: hash(free),
        dataHash: hash(free),
    }
}

struct Bench {
    dir: tempfile::TempDir,
    max_bytes: u64,
}

impl Bench {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), max_bytes: u64::MAX }
    }

    fn open(&self) -> EvidencePool {
        let pool = EvidencePool::open(Config {
            directory: self.dir.path().join("evidence"),
            rollup: ROLLUP,
            domain: domain(),
            retain: Duration::from_secs(1_000),
            max_bytes: self.max_bytes,
        })
        .unwrap();
        pool.begin(TERM, (0..4).map(|member| vote_address(&key(member))).collect());
        pool
    }

    fn size(&self) -> u64 {
        fn of(path: &std::path::Path) -> u64 {
            fs::read_dir(path)
                .unwrap()
                .map(|entry| {
                    let entry = entry.unwrap();
                    if entry.path().is_dir() { of(&entry.path()) } else { entry.metadata().unwrap().len() }
                })
                .sum()
        }
        of(self.dir.path())
    }
}

fn found(outcome: Heard) -> Arc<Equivocation> {
    match outcome {
        Heard::Member(_, Outcome::Found(evidence)) => evidence,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_pair_of_the_table_is_found_whichever_half_came_first_and_across_a_restart() {
    let pairs: [(Statement, Statement); 4] = [
        (notarize(3, 1).into(), notarize(3, 2).into()),
        (finalize(3, 1).into(), finalize(3, 2).into()),
        (nullify(3).into(), finalize(3, 1).into()),
        (batch(9, 1, 5).into(), batch(9, 2, 5).into()),
    ];
    for (a, b) in pairs {
        for (first, second) in [(a.clone(), b.clone()), (b, a)] {
            for restart in [false, true] {
                let bench = Bench::new();
                let mut pool = bench.open();
                assert_eq!(pool.note(2, &sign(2, first.clone())), Outcome::New);
                if restart {
                    drop(pool);
                    pool = bench.open();
                }
                let mut announced = pool.subscribe();
                let evidence = found(pool.hear(&sign(2, second.clone())));
                assert_eq!(evidence.check(&domain()), Ok(vote_address(&key(2))));
                assert_eq!((&evidence.first.statement, &evidence.second.statement), (&first, &second));
                assert_eq!(announced.try_recv().unwrap(), evidence);
                // Once.
                assert!(matches!(pool.hear(&sign(2, second.clone())), Heard::Member(2, Outcome::Known)));
                assert!(announced.try_recv().is_err());
                drop(pool);
                let pool = bench.open();
                assert_eq!(pool.found(), [evidence]);
                assert!(matches!(pool.hear(&sign(2, second.clone())), Heard::Member(2, Outcome::Known)));
            }
        }
    }
}

#[test]
fn innocent_variations_accuse_nobody() {
    let bench = Bench::new();
    let pool = bench.open();
    let statements: [Statement; 9] = [
        notarize(3, 1).into(),
        notarize(4, 2).into(),
        finalize(3, 2).into(),
        nullify(4).into(),
        finalize(5, 2).into(),
        batch(9, 1, 5).into(),
        // The same result from other data, on another claim.
        batch(9, 1, 6).into(),
        batch(10, 2, 5).into(),
        Receipt { rollup: 7, term: 1, genesis: GENESIS, view: 3, height: 1, index: 0, txHash: B256::ZERO }.into(),
    ];
    for statement in statements {
        pool.note(1, &sign(1, statement.clone()));
        pool.hear(&sign(1, statement));
    }
    // Another seat's contradiction is not this one's.
    pool.note(0, &sign(0, notarize(3, 2)));
    assert_eq!(pool.found(), []);
}

#[test]
fn only_members_signatures_of_known_terms_within_reach_count() {
    let bench = Bench::new();
    let pool = bench.open();
    let ignored = |signed: &SignedStatement| matches!(pool.hear(signed), Heard::Ignored(_));
    assert!(ignored(&sign(9, notarize(3, 1))), "no member");
    let forged = SignedStatement { signature: sign(1, notarize(3, 2)).signature, ..sign(1, notarize(3, 1)) };
    assert!(ignored(&forged), "another message's signature");
    assert!(ignored(&sign(1, Notarize { term: 2, ..notarize(3, 1) })), "unknown term");
    assert!(ignored(&sign(1, Notarize { genesis: B256::ZERO, ..notarize(3, 1) })), "unknown genesis");
    assert!(ignored(&sign(1, Notarize { rollup: 8, ..notarize(3, 1) })), "another rollup");
    assert!(ignored(&sign(1, notarize(AHEAD + 1, 1))), "far ahead");
    assert!(!ignored(&sign(1, notarize(AHEAD, 1))));
    assert_eq!(pool.found(), []);
}

#[test]
fn a_certificate_is_put_together_from_its_signatures() {
    let bench = Bench::new();
    let pool = bench.open();
    for member in [3, 0, 1] {
        pool.note(member, &sign(member, finalize(300, 1)));
    }
    pool.note(2, &sign(2, nullify(300)));
    drop(pool);
    let pool = bench.open();
    let (statement, set) = pool.certificate(TERM, Slot::End, 300).unwrap();
    assert_eq!(statement, finalize(300, 1).into());
    let committee: Vec<_> = (0..4).map(|member| vote_address(&key(member))).collect();
    assert!(set.verify(&committee, &domain().digest(&finalize(300, 1))));
    assert_eq!(pool.certificate(TERM, Slot::Notarize, 300), None);
}

#[test]
fn what_a_crash_leaves_is_cut_off_and_the_rest_still_counts() {
    let bench = Bench::new();
    let pool = bench.open();
    pool.note(1, &sign(1, notarize(3, 1)));
    pool.note(1, &sign(1, notarize(4, 1)));
    drop(pool);
    let path = bench.dir.path().join(format!("evidence/1-{GENESIS:x}/views-0.log"));
    let bytes = fs::read(&path).unwrap();
    for cut in [1, 40, 75, 100] {
        fs::write(&path, &bytes[..bytes.len() - cut]).unwrap();
        let pool = bench.open();
        assert!(matches!(pool.note(1, &sign(1, notarize(3, 2))), Outcome::Found(_)));
        assert_eq!(pool.note(1, &sign(1, notarize(4, 1))), Outcome::New);
        fs::remove_file(bench.dir.path().join("evidence/found.jsonl")).unwrap();
    }
}

#[test]
fn a_damaged_file_accuses_nobody() {
    let bench = Bench::new();
    let pool = bench.open();
    pool.note(1, &sign(1, notarize(3, 1)));
    drop(pool);
    // Another's word, put into the file as this member's.
    let path = bench.dir.path().join(format!("evidence/1-{GENESIS:x}/views-0.log"));
    fs::remove_file(&path).unwrap();
    let pool = bench.open();
    pool.inner.lock().terms.get_mut(&TERM).unwrap().views.insert(0, 1);
    pool.note(2, &sign(1, notarize(3, 1)));
    assert_eq!(pool.note(2, &sign(2, notarize(3, 2))), Outcome::Known);
    assert_eq!(pool.found(), []);
}

#[test]
fn a_flood_is_bounded_in_memory_and_on_disk() {
    let mut bench = Bench::new();
    bench.max_bytes = 600_000;
    let pool = bench.open();
    let (mut now, views) = (SystemTime::UNIX_EPOCH, 4_000);
    // One seat signs all it can, for views and heights of all sorts, and signs them twice.
    for view in 1..=views {
        pool.note(0, &sign(0, notarize(view, 1)));
        for block in [2, 3] {
            pool.hear(&sign(3, notarize(view, block)));
        }
        if view % 300 == 0 {
            now += Duration::from_secs(1);
            pool.tick(now);
            let inner = pool.inner.lock();
            assert!(inner.open.len() <= MAX_OPEN);
            assert!(inner.open.values().all(|(file, _)| file.segment.votes() <= 4 * 2 * log::VIEWS as usize));
        }
    }
    assert!(bench.size() < 800_000, "{}", bench.size());
    assert_eq!(pool.found().len(), MAX_FOUND);
    // Forgotten views are not begun again.
    assert!(matches!(pool.hear(&sign(3, notarize(1, 4))), Heard::Ignored(_)));
}

#[test]
fn heights_of_batches_are_bounded() {
    let bench = Bench::new();
    let pool = bench.open();
    let mut inner = pool.inner.lock();
    let file = inner.file(FileKey { term: TERM, views: None }).unwrap();
    // Without their signatures, which would take long.
    let signature = sign(3, nullify(1)).signature;
    for height in 0..MAX_BATCHES as u64 {
        file.segment.note(Slot::Batch, 3, &SignedStatement { statement: batch(height, 1, 1).into(), signature });
    }
    drop(inner);
    pool.hear(&sign(3, batch(1 << 40, 1, 1)));
    assert_eq!(pool.inner.lock().open[&FileKey { term: TERM, views: None }].0.segment.count(3), MAX_BATCHES);
    assert!(matches!(pool.note(2, &sign(2, batch(5, 1, 1))), Outcome::New));
}

#[test]
fn old_views_are_read_for_peers_only_so_often() {
    let bench = Bench::new();
    let pool = bench.open();
    for n in 0..40 {
        pool.note(0, &sign(0, notarize(n * log::VIEWS, 1)));
    }
    let mut read = 0;
    for n in 0..20 {
        read += usize::from(!matches!(pool.hear(&sign(1, notarize(n * log::VIEWS, 1))), Heard::Ignored(_)));
    }
    assert_eq!(read, COLD_READS as usize);
    pool.tick(SystemTime::UNIX_EPOCH);
    assert!(!matches!(pool.hear(&sign(1, notarize(10 * log::VIEWS, 1))), Heard::Ignored(_)));
}

#[test]
fn a_term_is_forgotten_when_it_cannot_be_judged_any_more() {
    let bench = Bench::new();
    let pool = bench.open();
    pool.note(1, &sign(1, notarize(3, 1)));
    pool.note(1, &sign(1, notarize(3, 2)));
    let start = SystemTime::now();
    pool.tick(start);
    pool.begin(TermKey { term: 2, genesis: GENESIS }, vec![vote_address(&key(0))]);
    pool.tick(start + Duration::from_secs(900));
    assert_eq!(pool.found().len(), 1);
    pool.tick(start + Duration::from_secs(1_100));
    assert_eq!(pool.found(), []);
    assert!(matches!(pool.hear(&sign(1, notarize(3, 1))), Heard::Ignored(_)));
    drop(pool);
    assert!(!bench.dir.path().join(format!("evidence/1-{GENESIS:x}")).exists());
}

fn any_statement() -> impl Strategy<Value = Statement> {
    (0..5u8, 1..4u64, 1..3u8).prop_map(|(kind, view, block)| match kind {
        0 => notarize(view, block).into(),
        1 => finalize(view, block).into(),
        2 => nullify(view).into(),
        3 => batch(view, block, 1).into(),
        _ => batch(view, block, 2).into(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Seats 0 and 1 sign nothing beside what it contradicts, 2 and 3 sign what they like; some comes at first hand, some by peers,
    /// and the node restarts now and then.
    #[test]
    fn every_slot_with_a_pair_is_found_and_no_honest_seat_is_accused(
        asked in prop::collection::vec((0..4u8, any_statement(), any::<bool>()), 1..60),
        restart_every in 5..30usize,
    ) {
        let bench = Bench::new();
        let mut pool = bench.open();
        let mut received: Vec<(Place, Statement)> = Vec::new();
        for (i, (member, statement, first_hand)) in asked.into_iter().enumerate() {
            if i % restart_every == 0 {
                drop(pool);
                pool = bench.open();
            }
            let honest = member < 2;
            if honest && received.iter().any(|(m, s)| *m == member && contradict(s, &statement).is_some()) {
                continue;
            }
            let signed = sign(member, statement.clone());
            if first_hand {
                pool.note(member, &signed);
            } else {
                pool.hear(&signed);
            }
            received.push((member, statement));
        }
        let mut expected = BTreeSet::new();
        for (member, a) in &received {
            for (other, b) in &received {
                if member == other && contradict(a, b).is_some() {
                    expected.insert((*member, Slot::of(a), a.place()));
                }
            }
        }
        let found = pool.found();
        let members: Vec<_> = (0..4).map(|member| vote_address(&key(member))).collect();
        let shown: BTreeSet<_> = found
            .iter()
            .map(|evidence| {
                let signer = evidence.check(&domain()).unwrap();
                let member = members.iter().position(|m| *m == signer).unwrap() as Place;
                (member, Slot::of(&evidence.first.statement), evidence.first.statement.place())
            })
            .collect();
        prop_assert_eq!(found.len(), shown.len(), "each once");
        prop_assert_eq!(shown, expected);
    }

    #[test]
    fn messages_survive_their_encoding(statements in prop::collection::vec((0..4u8, any_statement()), 0..80)) {
        let items: Vec<_> = statements.into_iter().map(|(member, statement)| sign(member, statement)).collect();
        let bytes = encode(&items);
        prop_assert!(bytes.len() <= MAX_BYTES);
        prop_assert_eq!(decode(&bytes).unwrap(), &items[..items.len().min(MAX_ITEMS)]);
    }

    #[test]
    fn other_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        if let Some(items) = decode(&bytes) {
            prop_assert_eq!(encode(&items), bytes);
        }
    }

    /// Two seats that each hold one half of every pair, and exchange only what the relay passes on, both find the pair.
    #[test]
    fn what_the_relay_passes_on_brings_both_halves_together(
        pairs in prop::collection::vec((any_statement(), any_statement(), 0..4u8), 1..10),
        certified in prop::collection::vec((1..4u64, 1..3u8, any::<bool>()), 0..6),
    ) {
        let benches = [Bench::new(), Bench::new()];
        let pools = [benches[0].open(), benches[1].open()];
        let mut relays = [Relay::default(), Relay::default()];
        let mut guilty = BTreeSet::new();
        for (a, b, member) in pairs {
            if contradict(&a, &b).is_some() {
                guilty.insert(member);
            }
            for (statement, side) in [(a, 0), (b, 1)] {
                let signed = sign(member, statement.clone());
                match pools[side].note(member, &signed) {
                    Outcome::New => relays[side].received(0, signed, false),
                    Outcome::Found(e) => relays[side].accuse(e.first.clone(), e.second.clone()),
                    Outcome::Known => {}
                }
                relays[side].disputes(member, &statement);
            }
        }
        // Of each view one proposal may be certified, on either side; the sides agree, since less than a third is faulty.
        let mut proposals = BTreeMap::new();
        for (view, block, side) in certified {
            let block = *proposals.entry(view).or_insert(block);
            relays[usize::from(side)].certified(&notarize(view, block).into());
            relays[usize::from(side)].certified(&finalize(view, block).into());
        }
        for _ in 0..4 {
            for (from, to) in [(0, 1), (1, 0)] {
                let passed = relays[from].next(DELAY, 1_000);
                for signed in passed {
                    let Heard::Member(member, outcome) = pools[to].hear(&signed) else { continue };
                    if let Outcome::Found(evidence) = outcome {
                        relays[to].accuse(evidence.first.clone(), evidence.second.clone());
                    }
                    if relays[to].disputes(member, &signed.statement) {
                        let held = pools[to].at(TERM, signed.statement.place());
                        relays[to].reveal(held.into_iter().map(|(_, signed)| signed));
                    }
                }
            }
        }
        let members: Vec<_> = (0..4).map(|member| vote_address(&key(member))).collect();
        for pool in &pools {
            let shown: BTreeSet<_> = pool
                .found()
                .iter()
                .map(|e| members.iter().position(|m| *m == e.check(&domain()).unwrap()).unwrap() as Place)
                .collect();
            prop_assert!(guilty.is_subset(&shown), "{:?} of {:?}", shown, guilty);
        }
    }
}

const DELAY: u64 = relay::DELAY_MS;

#[test]
fn the_relay_is_silent_in_honest_views_but_for_the_leader() {
    let mut relay = Relay::default();
    for view in 1..100 {
        for member in 0..4 {
            relay.received(0, sign(member, notarize(view, 1)), member == 0);
            relay.received(0, sign(member, finalize(view, 1)), false);
            assert!(!relay.disputes(member, &notarize(view, 1).into()));
        }
        relay.certified(&notarize(view, 1).into());
        relay.certified(&finalize(view, 1).into());
    }
    let passed = relay.next(DELAY, 10_000);
    assert_eq!(passed.len(), 99);
    assert!(passed.iter().all(|signed| matches!(signed.statement, Statement::Notarize(_))));
}

#[test]
fn the_relay_is_bounded_under_flood() {
    let mut relay = Relay::default();
    let signature = sign(0, nullify(1)).signature;
    for view in 0..60_000 {
        for block in [1, 2] {
            let signed = SignedStatement { statement: notarize(view, block).into(), signature };
            relay.received(view, signed.clone(), block == 1);
            if relay.disputes(3, &signed.statement) {
                relay.reveal([signed]);
            }
        }
    }
    assert!(relay.size() < 40_000, "{}", relay.size());
}
