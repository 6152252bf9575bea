mod guest;

use super::*;
use crate::testing::{ROLLUP, body, golden, transaction};
use alloc::{string::String, vec, vec::Vec};
use alloy_consensus::{Signed, TxLegacy};
use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use alloy_primitives::{Address, Signature, U256, hex};
use proptest::prelude::*;
use serde_json::json;
use surety_types::{ConsensusContext, Milliseconds, Term, Transaction, View, claim::MAX_BATCH_BLOCKS};

fn block(view: u64, transactions: Vec<Transaction>) -> BatchBlock {
    BatchBlock {
        context: ConsensusContext {
            rollup: ROLLUP,
            term: Term::new(1),
            view: View::new(view),
            parent_view: View::new(view - 1),
            milliseconds: Milliseconds::new(1_700_000_000_000 + 200 * view),
        },
        beneficiary: Address::repeat_byte((view % 4) as u8),
        messages: view % 3,
        transactions,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_was_written_is_read(body in body()) {
        let bytes = body.encode(ROLLUP).unwrap();
        prop_assert_eq!(Body::decode(ROLLUP, &bytes), Ok(body.clone()));
        let payload = encode_payload(&bytes);
        prop_assert_eq!(decode_payload(ROLLUP, &payload), Ok(body.clone()));
        let blobs = pack_blobs(&payload).unwrap();
        prop_assert_eq!(unpack_blobs(&blobs), Ok(payload));
        // Transactions keep their identity.
        let again = Body::decode(ROLLUP, &bytes).unwrap();
        for (a, b) in body.blocks.iter().flat_map(|b| &b.transactions).zip(again.blocks.iter().flat_map(|b| &b.transactions)) {
            prop_assert_eq!(a.encoded_2718(), b.encoded_2718());
            prop_assert_eq!(a.hash(), b.hash());
        }
    }

    #[test]
    fn the_writer_knows_the_length_at_each_block(body in body()) {
        let mut writer = BodyWriter::new(ROLLUP);
        for (n, block) in body.blocks.iter().enumerate() {
            writer.push(block).unwrap();
            prop_assert_eq!(writer.blocks(), n as u64 + 1);
            prop_assert_eq!(writer.len(), writer.finish().unwrap().len());
        }
    }

    #[test]
    fn a_body_has_one_encoding(body in body(), at: prop::sample::Index, flip in 1u8.., cut: prop::sample::Index) {
        let bytes = body.encode(ROLLUP).unwrap();
        let mut changed = bytes.clone();
        changed[at.index(bytes.len())] ^= flip;
        for candidate in [&changed[..], &bytes[..cut.index(bytes.len())]] {
            if let Ok(other) = Body::decode(ROLLUP, candidate) {
                prop_assert_ne!(&other, &body);
                prop_assert_eq!(other.encode(ROLLUP).unwrap(), candidate);
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(body) = Body::decode(ROLLUP, &bytes) {
            prop_assert_eq!(body.encode(ROLLUP).unwrap(), bytes.clone());
        }
        // Whatever is read has this one payload.
        for payload in [[&[CODED, 0, 1], &bytes[..]].concat(), [&[STORED, 0, 1], &bytes[..]].concat()] {
            if let Ok(body) = decode_payload(ROLLUP, &payload) {
                prop_assert_eq!(encode_payload(&body.encode(ROLLUP).unwrap()), payload);
            }
        }
        prop_assert_eq!(unpack_blobs(&[bytes]), Err(BlobError::Count));
    }

    #[test]
    fn damaged_streams_are_read_or_refused(body in body(), damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5)) {
        let mut payload = encode_payload(&body.encode(ROLLUP).unwrap());
        for (at, byte) in damage {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        let first = decode_payload(ROLLUP, &payload);
        prop_assert_eq!(decode_payload(ROLLUP, &payload), first);
    }

    #[test]
    fn a_failed_push_leaves_no_trace(good in body(), tx in transaction()) {
        let mut writer = BodyWriter::new(ROLLUP);
        writer.push(&good.blocks[0]).unwrap();
        let before = writer.finish().unwrap();
        let foreign = BatchBlock { context: ConsensusContext { rollup: RollupId::new(1), ..good.blocks[0].context }, ..block(9, vec![]) };
        let deposit: Transaction = crate::testing::message(0, 1).to_transaction();
        let mut late = block(9, vec![tx, deposit]);
        late.beneficiary = Address::repeat_byte(0x77);
        prop_assert_eq!(writer.push(&foreign), Err(EncodeError::Chain));
        prop_assert_eq!(writer.push(&late), Err(EncodeError::Type));
        prop_assert_eq!(writer.finish().unwrap(), before);
        late.transactions.pop();
        writer.push(&late).unwrap();
        let both = Body { blocks: vec![good.blocks[0].clone(), late] };
        prop_assert_eq!(writer.finish().unwrap(), both.encode(ROLLUP).unwrap());
    }
}

#[test]
fn a_bomb_stops_at_the_bound() {
    // Streams that say the same for ever: what they decode to ends at an error or at the bounds.
    for byte in [0, 0x7f, 0xff] {
        let bomb = [&[CODED, 0x7f, 0xff], &vec![byte; 100_000][..]].concat();
        assert!(decode_payload(ROLLUP, &bomb).is_err());
    }
    let list = |length: usize| {
        let zeros = TxLegacy { chain_id: Some(ROLLUP.get()), input: vec![0; length].into(), ..TxLegacy::default() };
        vec![Transaction::Legacy(Signed::new_unhashed(zeros, Signature::new(U256::ONE, U256::ONE, false)))]
    };
    let whole = Body { blocks: vec![block(1, list(MAX_INPUT_BYTES))] }.encode(ROLLUP).unwrap();
    assert!(whole.len() < 130_000, "{}", whole.len());
    let payload = encode_payload(&whole);
    assert!(payload.len() < 1_000, "{}", payload.len());
    assert!(decode_payload(ROLLUP, &payload).is_ok());
    let mut writer = BodyWriter::new(ROLLUP);
    assert_eq!(writer.push(&block(1, list(MAX_INPUT_BYTES + 1))), Err(EncodeError::TooLong));
    writer.push(&block(1, list(MAX_INPUT_BYTES))).unwrap();
    assert_eq!(writer.push(&block(2, list(1))), Err(EncodeError::TooLong));
    assert_eq!(writer.finish().unwrap(), whole);
}

#[test]
fn a_payload_is_coded_if_that_is_shorter() {
    let long = Body { blocks: (1..50).map(|view| block(view, vec![])).collect() }.encode(ROLLUP).unwrap();
    assert_eq!(encode_payload(&long).first(), Some(&CODED));
    let stored = [&[STORED], &long[..]].concat();
    assert_eq!(decode_payload(ROLLUP, &stored), Err(PayloadError::NotCanonical));
    let mut more = encode_payload(&long);
    more.push(0);
    assert_eq!(decode_payload(ROLLUP, &more), Err(PayloadError::Body(DecodeError::Trailing)));
    assert!(decode_payload(ROLLUP, &more[..more.len() - 2]).is_err());
}

#[test]
fn a_full_body_fits_six_blobs_even_if_it_does_not_compress() {
    let mut seed = 1u64;
    let noise: Vec<u8> = (0..MAX_BODY_BYTES)
        .map(|_| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 56) as u8
        })
        .collect();
    let payload = encode_payload(&noise);
    assert!(payload.len() <= MAX_PAYLOAD_BYTES, "{}", payload.len());
    assert_eq!(pack_blobs(&payload).unwrap().len(), MAX_BLOBS);
    assert_eq!(pack_blobs(&vec![0; MAX_PAYLOAD_BYTES]).unwrap().len(), MAX_BLOBS);
    assert_eq!(pack_blobs(&vec![0; MAX_PAYLOAD_BYTES + 1]), Err(BlobError::Length));
}

#[test]
fn blobs_hold_their_payload_and_nothing_else() {
    for length in [0, 1, 27, 28, 4096 * 31 - 4, 4096 * 31 - 3] {
        let blobs = pack_blobs(&vec![0xff; length]).unwrap();
        assert_eq!(blobs.len(), if length > 4096 * 31 - 4 { 2 } else { 1 });
        assert!(blobs.iter().all(|b| b.len() == BLOB_BYTES && b.chunks(32).all(|e| e[0] == 0)));
        assert_eq!(unpack_blobs(&blobs).unwrap(), vec![0xff; length]);
        let with = |at: usize, byte: u8| {
            let mut changed = blobs.clone();
            changed.last_mut().unwrap()[at] = byte;
            unpack_blobs(&changed)
        };
        assert_eq!(with(32, 1), Err(BlobError::Padding));
        if length < 4096 * 31 - 4 {
            assert_eq!(with(BLOB_BYTES - 1, 1), Err(BlobError::Padding));
        }
        let mut more = blobs.clone();
        more.push(vec![0; BLOB_BYTES]);
        assert_eq!(unpack_blobs(&more), Err(BlobError::Count));
    }
    let mut long = pack_blobs(&[1]).unwrap();
    long[0][1] = 0xff;
    assert_eq!(unpack_blobs(&long), Err(BlobError::Count));
    assert_eq!(unpack_blobs(&[] as &[Vec<u8>]), Err(BlobError::Count));
}

#[test]
fn the_writer_ends_batches() {
    let mut writer = BodyWriter::new(ROLLUP);
    for view in 1..=MAX_BATCH_BLOCKS {
        writer.push(&block(view, vec![])).unwrap();
    }
    assert_eq!(writer.push(&block(1, vec![])), Err(EncodeError::TooMany));
    assert_eq!(Body::decode(ROLLUP, &writer.finish().unwrap()).unwrap().blocks.len() as u64, MAX_BATCH_BLOCKS);
    assert_eq!(BodyWriter::new(ROLLUP).finish(), Err(EncodeError::Empty));
}

#[test]
fn counts_are_bounded_by_what_follows() {
    for (body, error) in [
        (&[0, 0][..], DecodeError::BlockCount),
        (&[0x80, 1], DecodeError::BlockCount),
        (&[0, 1], DecodeError::TooShort),
        // A number of nine bytes, and one with a zero in front.
        (&[0, 1, 9], DecodeError::Integer),
        (&[0, 1, 2, 0, 1], DecodeError::Integer),
        // A place in an empty table, and no beneficiary at all.
        (&[0, 1, 0, 0, 0, 0, 0, 0, 2], DecodeError::Place),
        (&[0, 1, 0, 0, 0, 0, 0, 0, 1], DecodeError::Place),
    ] {
        assert_eq!(Body::decode(ROLLUP, body), Err(error), "{body:?}");
    }
    // 2^64 - 1 transactions, of which none follows.
    let huge = [&[0, 1, 0, 0, 0, 0, 0, 0, 0][..], &[7; 20], &[8], &[0xff; 8]].concat();
    assert_eq!(Body::decode(ROLLUP, &huge), Err(DecodeError::TooShort));
    assert_eq!(Body::decode(ROLLUP, &vec![0; MAX_BODY_BYTES + 1]), Err(DecodeError::TooLong));
}

/// What `contracts/vectors/batch.json` holds: blocks with their body and a payload, and payloads that are refused.
fn vectors() -> serde_json::Value {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut lists: Vec<Vec<BatchBlock>> =
        vec![vec![block(1, vec![])], (1..6).map(|view| block(view, vec![])).collect(), vec![]];
    for view in 1..4 {
        let list = (0..2).map(|_| transaction().new_tree(&mut runner).unwrap().current()).collect();
        lists[2].push(block(view, list));
    }
    let good: Vec<_> = lists
        .into_iter()
        .map(|blocks| {
            let shown: Vec<_> = blocks
                .iter()
                .map(|b| {
                    json!({
                        "term": b.context.term.get(), "view": b.context.view.get(), "parentView": b.context.parent_view.get(),
                        "milliseconds": b.context.milliseconds.get(), "beneficiary": b.beneficiary, "messages": b.messages,
                        "transactions": b.transactions.iter().map(|t| hex::encode_prefixed(t.encoded_2718())).collect::<Vec<_>>(),
                    })
                })
                .collect();
            let body = Body { blocks }.encode(ROLLUP).unwrap();
            json!({ "blocks": shown, "body": hex::encode_prefixed(&body), "payload": hex::encode_prefixed(encode_payload(&body)) })
        })
        .collect();
    let body = Body { blocks: vec![block(1, vec![])] }.encode(ROLLUP).unwrap();
    let refused = [
        ("no first byte", vec![]),
        ("another first byte", [vec![2], body.clone()].concat()),
        ("no stream", vec![CODED, 0xff, 0xff]),
        ("a stream of ones", [&[CODED, 0, 1][..], &[0xff; 40]].concat()),
        ("bytes after the stream", [encode_payload(&body), vec![0]].concat()),
        ("bytes after the body", encode_payload(&[&body[..], &[0]].concat())),
        ("body cut off", [&[STORED], &body[..body.len() - 1]].concat()),
        ("no blocks", encode_payload(&[0, 0])),
        ("the longer form", {
            let long = Body { blocks: (1..50).map(|view| block(view, vec![])).collect() };
            [vec![STORED], long.encode(ROLLUP).unwrap()].concat()
        }),
        ("number padded", [&[STORED, 0, 1, 2, 0, 1][..], &body[4..]].concat()),
    ];
    let refused: Vec<_> =
        refused.iter().map(|(why, payload)| json!({ "why": why, "payload": hex::encode_prefixed(payload) })).collect();
    json!({ "rollup": ROLLUP.get(), "good": good, "refused": refused })
}

#[test]
fn golden_vectors_hold() {
    let file = golden("batch.json", &vectors());
    let rollup = RollupId::new(file["rollup"].as_u64().unwrap());
    let bytes = |value: &serde_json::Value| hex::decode(value.as_str().unwrap()).unwrap();
    assert_eq!(file["good"].as_array().unwrap().len(), 3);
    for case in file["good"].as_array().unwrap() {
        let blocks = case["blocks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|b| BatchBlock {
                context: ConsensusContext {
                    rollup,
                    term: Term::new(b["term"].as_u64().unwrap()),
                    view: View::new(b["view"].as_u64().unwrap()),
                    parent_view: View::new(b["parentView"].as_u64().unwrap()),
                    milliseconds: Milliseconds::new(b["milliseconds"].as_u64().unwrap()),
                },
                beneficiary: b["beneficiary"].as_str().unwrap().parse().unwrap(),
                messages: b["messages"].as_u64().unwrap(),
                transactions: b["transactions"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|t| Transaction::decode_2718_exact(&bytes(t)).unwrap())
                    .collect(),
            })
            .collect();
        let body = Body { blocks };
        assert_eq!(body.encode(rollup).unwrap(), bytes(&case["body"]));
        assert_eq!(decode_payload(rollup, &bytes(&case["payload"])), Ok(body));
    }
    assert_eq!(file["refused"].as_array().unwrap().len(), 10);
    for case in file["refused"].as_array().unwrap() {
        assert!(decode_payload(rollup, &bytes(&case["payload"])).is_err(), "{}", case["why"]);
    }
}

/// The bodies of 143 blocks of OP Mainnet as a poster would make them, with the blocks. `None` without the vectors.
fn real_traffic() -> Option<(RollupId, Vec<Vec<u8>>, Vec<BatchBlock>)> {
    let root = std::env::var("SURETY_VECTORS").unwrap_or_else(|_| String::from("../shared/vectors"));
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(root).join("op-channel/transactions.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        assert!(std::env::var_os("SURETY_VECTORS").is_none(), "no vectors at {}", path.display());
        std::eprintln!("no vectors at {}", path.display());
        return None;
    };
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    let rollup = RollupId::new(file["chain_id"].as_u64().unwrap());
    let mut bodies = vec![];
    let mut writer = BodyWriter::new(rollup);
    let mut rows = Vec::new();
    for (n, b) in file["blocks"].as_array().unwrap().iter().enumerate() {
        let mut next = block(n as u64 + 1, vec![]);
        next.context.rollup = rollup;
        for t in b["transactions"].as_array().unwrap() {
            next.transactions.push(Transaction::decode_2718_exact(&hex::decode(t.as_str().unwrap()).unwrap()).unwrap());
        }
        if writer.push(&next) == Err(EncodeError::TooLong) {
            bodies.push(core::mem::replace(&mut writer, BodyWriter::new(rollup)).finish().unwrap());
            writer.push(&next).unwrap();
        }
        rows.push(next);
    }
    bodies.push(writer.finish().unwrap());
    Some((rollup, bodies, rows))
}

/// Bytes a transaction on real traffic. Run with `--nocapture` to see the table.
#[test]
fn real_traffic_takes_less_than_its_own_posting() {
    let Some((rollup, bodies, rows)) = real_traffic() else { return };
    let transactions = rows.iter().map(|row| row.transactions.len()).sum::<usize>();
    assert_eq!(transactions, 1766);
    let read: Vec<_> = bodies.iter().flat_map(|b| Body::decode(rollup, b).unwrap().blocks).collect();
    assert!(read == rows);
    let payloads: Vec<_> = bodies.iter().map(|b| encode_payload(b)).collect();
    let total: usize = payloads.iter().map(Vec::len).sum();
    std::println!(
        "{} batches, {} body bytes, {total} payload bytes",
        bodies.len(),
        bodies.iter().map(Vec::len).sum::<usize>()
    );
    std::println!("{:.1} bytes a transaction", total as f64 / transactions as f64);
    // As posted on OP Mainnet: 615,361.
    assert!(total < 615_361);
    // 298.5 bytes each.
    assert!(total < 299 * transactions, "{total}");
    let before = std::time::Instant::now();
    for payload in &payloads {
        decode_payload(rollup, payload).unwrap();
    }
    std::println!("decode: {:?}", before.elapsed());
}
