use super::*;
use crate::signing::{Batch, Finalize, Notarize, Nullify, Receipt, vote_address};
use alloc::format;
use alloy_primitives::{B256, U256};
use k256::ecdsa::SigningKey;
use proptest::prelude::*;

fn domain() -> Domain {
    Domain::new(1337, Address::repeat_byte(0x11))
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).unwrap()
}

fn sign(seed: u8, statement: Statement) -> SignedStatement {
    let signature = Signature::sign(&key(seed), &statement.digest(&domain())).unwrap();
    SignedStatement { statement, signature }
}

fn hash(n: u64) -> B256 {
    B256::with_last_byte(n as u8)
}

/// Statements out of few values, so that pairs of all sorts come up.
fn any_statement() -> impl Strategy<Value = Statement> {
    let small = || 1..3u64;
    (0..5u8, small(), small(), small(), small(), small(), small(), any::<u64>()).prop_map(
        |(kind, rollup, term, genesis, place, a, b, free)| {
            let genesis = hash(genesis);
            match kind {
                0 => Notarize { rollup, term, genesis, view: place, parentView: a, blockHash: hash(b) }.into(),
                1 => Finalize { rollup, term, genesis, view: place, parentView: a, blockHash: hash(b) }.into(),
                2 => Nullify { rollup, term, genesis, view: place }.into(),
                3 => Batch {
                    rollup,
                    term,
                    genesis,
                    firstHeight: free & 1,
                    lastHeight: place,
                    parentClaim: hash(free),
                    prevHash: hash(free >> 1),
                    lastHash: hash(a),
                    blockHashRoot: hash(b),
                    lastBlockTime: free >> 2,
                    messageCount: free >> 3,
                    messageAcc: hash(free >> 4),
                    inboxTip: hash(free >> 5),
                    dataHash: hash(free >> 6),
                }
                .into(),
                _ => Receipt { rollup, term, genesis, view: place, height: free, index: a, txHash: hash(b) }.into(),
            }
        },
    )
}

/// A statement as its words, for an oracle that shares nothing with the code.
fn words(statement: &Statement) -> Vec<U256> {
    statement.abi_encode().chunks(32).map(U256::from_be_slice).collect()
}

/// The table of protocol §9 over kind numbers and words.
fn guilty(a: &Statement, b: &Statement) -> bool {
    let (x, y) = (words(a), words(b));
    let kinds = (a.kind().number(), b.kind().number());
    x[..3] == y[..3]
        && match kinds {
            (1, 1) | (2, 2) => x[3] == y[3] && x[4..] != y[4..],
            (2, 3) | (3, 2) => x[3] == y[3],
            // Word 3 is the first height, 4 the last, 7 the last hash, 8 the root.
            (4, 4) => x[4] == y[4] && (x[7] != y[7] || x[3] == y[3] && x[8] != y[8]),
            _ => false,
        }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn a_pair_contradicts_exactly_where_the_table_says(a in any_statement(), b in any_statement()) {
        prop_assert_eq!(contradict(&a, &b).is_some(), guilty(&a, &b), "{:?} {:?}", a, b);
        prop_assert_eq!(contradict(&a, &b), contradict(&b, &a));
        prop_assert_eq!(contradict(&a, &a), None);
    }

    #[test]
    fn who_keeps_what_does_not_say_the_same_finds_every_pair(all in prop::collection::vec(any_statement(), 1..12)) {
        let mut kept: Vec<&Statement> = Vec::new();
        for (i, statement) in all.iter().enumerate() {
            let found = kept.iter().any(|one| contradict(one, statement).is_some());
            let there = all[..i].iter().any(|one| contradict(one, statement).is_some());
            prop_assert_eq!(found, there, "{:?}", statement);
            if !kept.iter().any(|one| say_the_same(one, statement)) {
                kept.push(statement);
            }
        }
    }

    #[test]
    fn what_says_the_same_is_contradicted_by_the_same(a in any_statement(), b in any_statement(), c in any_statement()) {
        prop_assert_eq!(say_the_same(&a, &b), say_the_same(&b, &a));
        if say_the_same(&a, &b) {
            prop_assert_eq!(contradict(&a, &b), None);
            prop_assert_eq!(contradict(&a, &c), contradict(&b, &c));
        }
    }

    #[test]
    fn statements_are_read_back_from_their_bytes_alone(statement in any_statement(), at in 0..448usize, flip in 1..=255u8) {
        let bytes = statement.abi_encode();
        prop_assert_eq!(bytes.len(), statement.kind().encoded_length());
        prop_assert_eq!(Statement::abi_decode(statement.kind(), &bytes), Some(statement.clone()));
        let mut other = bytes.clone();
        let at = at % other.len();
        other[at] ^= flip;
        prop_assert_ne!(Statement::abi_decode(statement.kind(), &other), Some(statement.clone()));
        prop_assert_eq!(Statement::abi_decode(statement.kind(), &bytes[1..]), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn different_evidence_has_different_bytes_and_each_is_read_back(
        a in any_statement(), b in any_statement(), c in any_statement(), d in any_statement(), r: [u8; 32], s: [u8; 32],
    ) {
        let signature = |x: [u8; 32], y: [u8; 32]| Signature([x, y].concat().as_slice().try_into().unwrap());
        let pair = |a: &Statement, b: &Statement, first, second| Equivocation {
            first: SignedStatement { statement: a.clone(), signature: first },
            second: SignedStatement { statement: b.clone(), signature: second },
        };
        let one = pair(&a, &b, signature(r, s), signature(s, r));
        let two = pair(&c, &d, signature(r, s), signature(s, s));
        prop_assert_eq!(one == two, one.abi_encode() == two.abi_encode());
        prop_assert_eq!(Equivocation::abi_decode(&one.abi_encode()).unwrap(), one);
        prop_assert_eq!(Equivocation::abi_decode(&two.abi_encode()).unwrap(), two);
    }

    #[test]
    fn changed_bytes_are_other_evidence_or_none(a in any_statement(), b in any_statement(), at: usize, flip in 1..=255u8) {
        let evidence = Equivocation { first: sign(1, a), second: sign(1, b) };
        let mut bytes = evidence.abi_encode();
        let at = at % bytes.len();
        bytes[at] ^= flip;
        if let Ok(other) = Equivocation::abi_decode(&bytes) {
            prop_assert_eq!(other.abi_encode(), bytes);
            prop_assert_ne!(other, evidence);
        }
    }

    #[test]
    fn guilt_is_a_contradiction_under_one_key(a in any_statement(), b in any_statement(), x in 1..3u8, y in 1..3u8) {
        let evidence = Equivocation { first: sign(x, a.clone()), second: sign(y, b.clone()) };
        let expected = guilty(&a, &b) && x == y;
        prop_assert_eq!(evidence.check(&domain()).is_ok(), expected);
        if expected {
            prop_assert_eq!(evidence.check(&domain()), Ok(vote_address(&key(x))));
            prop_assert_ne!(evidence.check(&Domain::new(1, Address::ZERO)), Ok(vote_address(&key(x))));
        }
    }
}

#[test]
fn the_bytes_are_those_of_abi_encode() {
    let nullify = Nullify { rollup: 7, term: 1, genesis: hash(3), view: 9 };
    let finalize = Finalize { rollup: 7, term: 1, genesis: hash(3), view: 9, parentView: 8, blockHash: hash(5) };
    let evidence = Equivocation { first: sign(1, nullify.into()), second: sign(1, finalize.into()) };
    let bytes = evidence.abi_encode();
    let word = |i: usize| U256::from_be_slice(&bytes[32 * i..32 * (i + 1)]);
    // Heads: kind, offset, offset, kind, offset, offset; then length and content of each.
    let heads = [3, 6 * 32, 11 * 32, 2, 14 * 32, 21 * 32];
    assert_eq!((0..6).map(word).collect::<Vec<_>>(), heads.map(U256::from));
    assert_eq!(word(6), U256::from(4 * 32));
    assert_eq!([7, 8, 10].map(word), [7, 1, 9].map(U256::from));
    assert_eq!(word(11), U256::from(64));
    assert_eq!(bytes[12 * 32..14 * 32], evidence.first.signature.0[..]);
    assert_eq!(word(14), U256::from(6 * 32));
    assert_eq!(word(19), U256::from(8));
    assert_eq!(bytes[22 * 32..], evidence.second.signature.0[..]);
    assert_eq!(Equivocation::abi_decode(&[&bytes[..], &[0; 32]].concat()), Err(EvidenceError::Encoding));
}

#[cfg(feature = "serde")]
mod as_json {
    use super::*;

    proptest! {
        #[test]
        fn json_is_read_back(a in any_statement(), b in any_statement()) {
            let evidence = Equivocation { first: sign(1, a), second: sign(2, b) };
            let json = serde_json::to_string(&evidence).unwrap();
            prop_assert_eq!(serde_json::from_str::<Equivocation>(&json).unwrap(), evidence);
        }
    }

    #[test]
    fn the_form_is_camel_case_and_hex() {
        let notarize =
            Notarize { rollup: 75_873, term: 1, genesis: hash(3), view: 9, parentView: 8, blockHash: hash(5) };
        let signed = sign(1, notarize.into());
        let json = serde_json::to_value(&signed).unwrap();
        let expected = serde_json::json!({
            "kind": "notarize",
            "rollup": "0x12861",
            "term": "0x1",
            "genesis": format!("{}", hash(3)),
            "view": "0x9",
            "parentView": "0x8",
            "blockHash": format!("{}", hash(5)),
            "signature": format!("{}", signed.signature.0),
        });
        assert_eq!(json, expected);
        let mut other = json;
        other["unknown"] = 1.into();
        assert!(serde_json::from_value::<SignedStatement>(other).is_err());
    }
}
