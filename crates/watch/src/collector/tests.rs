use super::*;
use crate::seats::Registered;
use k256::ecdsa::SigningKey;
use surety_types::signing::{Finalize, Nullify, Statement, vote_address};

const ROLLUP: RollupId = RollupId::new(75_873);
const EPOCH: Duration = Duration::from_secs(60);

fn domain() -> Domain {
    Domain::new(1337, Address::repeat_byte(0xa1))
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).unwrap()
}

fn sign(seed: u8, statement: impl Into<Statement>) -> SignedStatement {
    let statement = statement.into();
    let signature = Signature::sign(&key(seed), &statement.digest(&domain())).unwrap();
    SignedStatement { statement, signature }
}

fn finalize(seed: u8, term: u64, view: u64, block: u8) -> SignedStatement {
    let (rollup, genesis) = (ROLLUP.get(), B256::ZERO);
    sign(seed, Finalize { rollup, term, genesis, view, parentView: 0, blockHash: B256::repeat_byte(block) })
}

fn nullify(seed: u8, term: u64, view: u64) -> SignedStatement {
    sign(seed, Nullify { rollup: ROLLUP.get(), term, genesis: B256::ZERO, view })
}

fn sources() -> Vec<Source> {
    ["l1", "feed", "hostile"]
        .iter()
        .enumerate()
        .map(|(place, name)| Source { id: SourceId::new(place).unwrap(), name: (*name).into() })
        .collect()
}

/// A collector that knows the keys 1 to 4 as seats, in term 1.
fn open(directory: &Path) -> (Collector, Vec<Pair>) {
    let terms = Terms::new(EPOCH);
    terms.set_current(Term::new(1));
    open_at(terms, directory)
}

fn open_at(terms: Terms, directory: &Path) -> (Collector, Vec<Pair>) {
    let seats = (1..=4u8).map(|seed| (vote_address(&key(seed)), u64::from(seed))).collect();
    let keys = VoteKeys::restore(Registered(seats));
    Collector::open(ROLLUP, domain(), keys, terms, directory, &sources()).unwrap()
}

fn bundle(source: usize, statements: Vec<SignedStatement>) -> Bundle {
    Bundle { source: sources()[source].clone(), statements, taken: None }
}

#[test]
fn a_pair_is_found_across_sources_and_once() {
    let directory = tempfile::tempdir().unwrap();
    let (mut collector, found) = open(directory.path());
    assert!(found.is_empty());
    assert!(collector.take(&bundle(0, vec![finalize(2, 1, 5, 1)])).unwrap().is_empty());
    let pairs = collector.take(&bundle(1, vec![nullify(2, 1, 5), nullify(2, 1, 5)])).unwrap();
    let [pair] = pairs.as_slice() else { panic!("{pairs:?}") };
    assert_eq!(pair.seat, 2);
    assert_eq!(pair.evidence.check(&domain()), Ok(vote_address(&key(2))));
    assert!(collector.take(&bundle(1, vec![nullify(2, 1, 5)])).unwrap().is_empty(), "known");
}

#[test]
fn what_is_of_no_seat_or_bent_or_of_another_time_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let (mut collector, _) = open(directory.path());
    let mut bent = finalize(1, 1, 5, 1);
    bent.signature.0[63] ^= 1;
    let mut high = finalize(1, 1, 5, 1);
    high.signature.0[32..].fill(0x7f);
    let foreign_rollup = sign(1, Nullify { rollup: 1, term: 1, genesis: B256::ZERO, view: 5 });
    let dropped = vec![finalize(9, 1, 5, 1), nullify(9, 1, 5), bent, high, foreign_rollup, nullify(1, 3, 5)];
    assert!(collector.take(&bundle(2, dropped)).unwrap().is_empty());
    assert!(collector.slots.is_empty());
}

#[tokio::test(start_paused = true)]
async fn terms_that_begin_while_l1_cannot_be_read_are_heard() {
    let directory = tempfile::tempdir().unwrap();
    let (mut collector, _) = open(directory.path());
    assert!(collector.take(&bundle(1, vec![finalize(1, 3, 5, 1), nullify(1, 3, 5)])).unwrap().is_empty(), "to come");
    tokio::time::advance(EPOCH).await;
    assert_eq!(collector.take(&bundle(1, vec![finalize(1, 3, 5, 1), nullify(1, 3, 5)])).unwrap().len(), 1);
}

#[test]
fn the_first_half_is_still_there_after_a_restart_and_so_is_a_pair_that_made_no_case() {
    let directory = tempfile::tempdir().unwrap();
    let (mut collector, _) = open(directory.path());
    collector.take(&bundle(1, vec![finalize(3, 1, 7, 1)])).unwrap();
    drop(collector);
    let (mut collector, found) = open(directory.path());
    assert!(found.is_empty());
    assert_eq!(collector.take(&bundle(0, vec![finalize(3, 1, 7, 2)])).unwrap().len(), 1);
    drop(collector);
    let (_, found) = open(directory.path());
    let [pair] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((pair.seat, pair.evidence.check(&domain())), (3, Ok(vote_address(&key(3)))));
}

#[test]
fn a_flood_of_pairs_of_one_key_is_a_few_cases_and_another_key_is_found_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let (mut collector, _) = open(directory.path());
    let mut pairs = Vec::new();
    for view in 1..200 {
        pairs.extend(collector.take(&bundle(2, vec![finalize(1, 1, view, 1), nullify(1, 1, view)])).unwrap());
    }
    assert_eq!(pairs.len(), PAIRS_PER_CASE as usize);
    let pairs = collector.take(&bundle(2, vec![nullify(4, 1, 3), finalize(4, 1, 3, 1)])).unwrap();
    assert_eq!(pairs.len(), 1);
}

#[test]
fn a_hostile_feed_cannot_make_another_feeds_statements_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let (mut collector, _) = open(directory.path());
    collector.take(&bundle(1, vec![finalize(1, 1, 5, 1)])).unwrap();
    // The hostile feed repeats it first, then the seat floods it with votes of its own.
    collector.slots.set_per_key(4);
    let signer = vote_address(&key(1));
    let hostile = sources()[2].id;
    collector.slots.hear(hostile, signer, &finalize(1, 1, 5, 1));
    for view in 100..200 {
        collector.slots.hear(hostile, signer, &nullify(1, 1, view));
    }
    assert_eq!(collector.take(&bundle(2, vec![nullify(1, 1, 5)])).unwrap().len(), 1);
}
