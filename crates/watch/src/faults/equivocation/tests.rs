use super::*;
use proptest::prelude::*;
use surety_types::{
    evidence::contradict,
    signing::{Batch, Finalize, Notarize, Nullify, Receipt, Signature, Statement},
};

const ROLLUP: u64 = 75_873;
const FEED: SourceId = SourceId(1);
const OTHER: SourceId = SourceId(2);

fn hash(seed: u8) -> B256 {
    B256::repeat_byte(seed)
}

fn signed(statement: impl Into<Statement>) -> SignedStatement {
    SignedStatement { statement: statement.into(), signature: Signature([7; 64].into()) }
}

fn notarize(view: u64, block: u8) -> SignedStatement {
    let (term, genesis) = (1, hash(9));
    signed(Notarize { rollup: ROLLUP, term, genesis, view, parentView: view - 1, blockHash: hash(block) })
}

fn finalize(view: u64, block: u8) -> SignedStatement {
    let (term, genesis) = (1, hash(9));
    signed(Finalize { rollup: ROLLUP, term, genesis, view, parentView: view - 1, blockHash: hash(block) })
}

fn nullify(view: u64) -> SignedStatement {
    signed(Nullify { rollup: ROLLUP, term: 1, genesis: hash(9), view })
}

fn batch(last: u64, root: u8, data: u8) -> SignedStatement {
    from(1, last, (root, root), data)
}

fn from(first: u64, last: u64, (block, root): (u8, u8), data: u8) -> SignedStatement {
    signed(Batch {
        rollup: ROLLUP,
        term: 1,
        genesis: hash(9),
        firstHeight: first,
        lastHeight: last,
        parentClaim: hash(1),
        prevHash: hash(2),
        lastHash: hash(block),
        blockHashRoot: hash(root),
        lastBlockTime: 5,
        messageCount: 1,
        messageAcc: hash(3),
        inboxTip: hash(4),
        dataHash: hash(data),
    })
}

fn signer(seed: u8) -> Address {
    Address::repeat_byte(seed)
}

#[test]
fn a_pair_in_two_sources_is_found_whichever_came_first() {
    for (a, b) in [
        (notarize(5, 1), notarize(5, 2)),
        (finalize(5, 1), finalize(5, 2)),
        (nullify(5), finalize(5, 1)),
        (finalize(5, 1), nullify(5)),
        (batch(7, 1, 1), batch(7, 2, 1)),
        (batch(7, 1, 1), from(3, 7, (2, 1), 1)),
        (batch(7, 1, 1), from(1, 7, (1, 2), 1)),
    ] {
        let mut slots = Slots::new(ROLLUP, 16);
        assert_eq!(slots.hear(FEED, signer(1), &a), Heard::New);
        let Heard::Guilt(pair) = slots.hear(OTHER, signer(1), &b) else { panic!("{a:?} and {b:?}") };
        assert_eq!((&pair.first, &pair.second), (&a, &b));
        assert!(pair.contradiction().is_some());
    }
}

#[test]
fn what_honest_keys_sign_makes_no_pair() {
    let mut slots = Slots::new(ROLLUP, 64);
    let honest = [
        notarize(5, 1),
        finalize(5, 1),
        notarize(6, 2),
        nullify(6),
        notarize(7, 3),
        finalize(7, 3),
        batch(7, 1, 1),
        // Other data under the same result: a second try to post.
        batch(7, 1, 2),
        // The same chain cut elsewhere: it attended.
        from(4, 7, (1, 5), 1),
        batch(8, 2, 1),
    ];
    for _ in 0..2 {
        for statement in &honest {
            assert!(!matches!(slots.hear(FEED, signer(1), statement), Heard::Guilt(_)), "{statement:?}");
        }
    }
    // Another key may say otherwise.
    assert_eq!(slots.hear(FEED, signer(2), &notarize(5, 2)), Heard::New);
}

#[test]
fn a_pair_of_batches_is_found_behind_one_of_another_first_height() {
    let mut slots = Slots::new(ROLLUP, 16);
    assert_eq!(slots.hear(FEED, signer(1), &batch(7, 1, 1)), Heard::New);
    let second = from(4, 7, (1, 5), 1);
    assert_eq!(slots.hear(FEED, signer(1), &second), Heard::New);
    assert_eq!(slots.hear(OTHER, signer(1), &second), Heard::Known);
    let third = from(4, 7, (1, 6), 1);
    let Heard::Guilt(pair) = slots.hear(OTHER, signer(1), &third) else { panic!("two roots of one range") };
    assert_eq!((pair.first, pair.second), (second, third));
    // Many that are none are not all kept.
    for first in 1..=7 {
        slots.hear(FEED, signer(1), &from(first, 7, (1, first as u8), 1));
    }
    assert_eq!(slots.kept.values().map(|kept| kept.said.len()).collect::<Vec<_>>(), [MAX_EACH]);
}

#[test]
fn another_rollup_and_receipts_are_not_judged() {
    let mut slots = Slots::new(ROLLUP, 64);
    let foreign = Nullify { rollup: 1, term: 1, genesis: hash(9), view: 1 };
    assert_eq!(slots.hear(FEED, signer(1), &signed(foreign)), Heard::Unjudged);
    let (term, genesis, tx) = (1, hash(9), hash(1));
    let receipt = Receipt { rollup: ROLLUP, term, genesis, view: 1, height: 1, index: 1, txHash: tx };
    assert_eq!(slots.hear(FEED, signer(1), &signed(receipt)), Heard::Unjudged);
    assert!(slots.is_empty());
}

#[test]
fn a_flood_from_one_source_pushes_out_nothing_of_another_or_of_another_key() {
    let mut slots = Slots::new(ROLLUP, 8);
    slots.hear(FEED, signer(1), &notarize(5, 1));
    slots.hear(OTHER, signer(1), &notarize(5, 1));
    slots.hear(OTHER, signer(2), &notarize(5, 1));
    for view in 100..10_000 {
        slots.hear(OTHER, signer(1), &notarize(view, 1));
    }
    assert_eq!(slots.len(), 8 + 2, "bounded");
    assert!(matches!(slots.hear(OTHER, signer(1), &notarize(5, 2)), Heard::Guilt(_)), "FEED still holds it");
    assert!(matches!(slots.hear(FEED, signer(2), &notarize(5, 2)), Heard::Guilt(_)));
}

fn any_statement() -> impl Strategy<Value = SignedStatement> {
    let (view, block) = (1u64..4, 1u8..4);
    (0u8..4, view, block, 1u8..3).prop_map(|(kind, view, block, data)| match kind {
        0 => notarize(view, block),
        1 => finalize(view, block),
        2 => nullify(view),
        _ => batch(view, block, data),
    })
}

proptest! {
    /// Restated independently: a key is found guilty exactly when any two of all that it signed contradict.
    #[test]
    fn a_pair_is_found_exactly_when_there_is_one(said in proptest::collection::vec((any_statement(), 0u8..3, 0u8..2), 0..12)) {
        let mut slots = Slots::new(ROLLUP, 1_000);
        let mut guilty = [false; 2];
        for (statement, source, key) in &said {
            if let Heard::Guilt(pair) = slots.hear(SourceId(*source), signer(*key), statement) {
                prop_assert!(pair.contradiction().is_some());
                guilty[usize::from(*key)] = true;
            }
        }
        for key in 0..2u8 {
            let of: Vec<_> = said.iter().filter(|s| s.2 == key).map(|s| &s.0.statement).collect();
            let expected = of.iter().enumerate().any(|(i, a)| of[..i].iter().any(|b| contradict(a, b).is_some()));
            prop_assert_eq!(guilty[usize::from(key)], expected);
        }
    }
}
