//! The native decoder against the one for RISC-V (`guest/decode`), which `qemu-riscv64` runs.
//!
//! `cargo xtask riscv` compiles the program and says in `SURETY_GUEST_DECODE` where it is. Its heap is of a fixed size that
//! nothing is given back to, so a payload that needs more ends it.

use super::*;
use alloy_primitives::B256;
use proptest::{
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use std::{
    io::Write as _,
    process::{Command, Stdio},
    thread,
};

/// A payload and the chain that it is for.
type Case = (RollupId, Vec<u8>);

/// Bodies by chance, each damaged in several ways.
const BODIES: usize = 60;

fn golden_cases(cases: &mut Vec<Case>) {
    let file = golden("batch.json", &vectors());
    for case in file["good"].as_array().unwrap().iter().chain(file["refused"].as_array().unwrap()) {
        cases.push((ROLLUP, hex::decode(case["payload"].as_str().unwrap()).unwrap()));
    }
}

/// Real traffic, and the same with a byte changed late in it.
fn real_cases(cases: &mut Vec<Case>) {
    let Some((rollup, bodies, _)) = real_traffic() else { return };
    for body in bodies {
        let payload = encode_payload(&body);
        let mut changed = payload.clone();
        let at = payload.len() / 3;
        changed[at] ^= 0x10;
        cases.extend([(rollup, payload), (rollup, changed)]);
    }
}

/// Bodies by chance as they are, cut off, with bits and bytes changed, and noise after each way in which a payload begins.
fn damaged_cases(cases: &mut Vec<Case>) {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[0x5e; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = (
        body(),
        any::<(prop::sample::Index, prop::sample::Index, prop::sample::Index)>(),
        0u32..8,
        any::<u8>(),
        proptest::collection::vec(any::<u8>(), 0..400),
    );
    for _ in 0..BODIES {
        let (body, (cut, bit, byte), place, value, noise) = strategy.new_tree(&mut runner).unwrap().current();
        let bytes = body.encode(ROLLUP).unwrap();
        for payload in [encode_payload(&bytes), [&[STORED], &bytes[..]].concat()] {
            let mut flipped = payload.clone();
            flipped[bit.index(payload.len())] ^= 1 << place;
            let mut set = payload.clone();
            set[byte.index(payload.len())] = value;
            let short = payload[..cut.index(payload.len())].to_vec();
            let long = [&payload[..], &noise[..1.min(noise.len())]].concat();
            cases.extend([payload, flipped, set, short, long].map(|payload| (ROLLUP, payload)));
        }
        for start in [&[][..], &[CODED], &[CODED, 0, 1], &[CODED, 0x7f, 0xff], &[STORED], &[STORED, 0, 1]] {
            cases.push((ROLLUP, [start, &noise[..]].concat()));
        }
    }
}

/// Small payloads of much: zeros, empty blocks, streams that say the same for ever, transactions of eight bytes, and a body
/// that fills the tables of words.
fn bombs(cases: &mut Vec<Case>) {
    let list = |input: Vec<u8>| {
        let tx = TxLegacy { chain_id: Some(ROLLUP.get()), input: input.into(), ..TxLegacy::default() };
        vec![Transaction::Legacy(Signed::new_unhashed(tx, Signature::new(U256::ONE, U256::ONE, false)))]
    };
    let zeros = Body { blocks: vec![block(1, list(vec![0; MAX_INPUT_BYTES]))] }.encode(ROLLUP).unwrap();
    let empty = Body { blocks: (1..=MAX_BATCH_BLOCKS).map(|view| block(view, vec![])).collect() };
    // Words of four bytes that are not zero take the least space of those that take a place.
    let words = (0..70_000u32).flat_map(|n| {
        let mut word = [0; 32];
        word[28..].copy_from_slice(&(n | 1 << 31).to_be_bytes());
        word
    });
    let words = Body { blocks: vec![block(1, list(words.collect()))] }.encode(ROLLUP).unwrap();
    // As many transactions as a body's rows can name, without the signatures that would make it too long.
    let mut rows = [&[0, 1, 0, 0, 0, 0, 0, 0, 0][..], &[7; 20], &[3, 1, 0x70, 0]].concat();
    while rows.len() + 8 <= MAX_BODY_BYTES {
        rows.extend([0x10, 0, 1, 0, 0, 0, 0, 0]);
    }
    for body in [zeros, empty.encode(ROLLUP).unwrap(), words, rows] {
        cases.push((ROLLUP, encode_payload(&body)));
    }
    for byte in [0, 0x7f, 0xff] {
        cases.push((ROLLUP, [&[CODED, 0x7f, 0xff], &vec![byte; 100_000][..]].concat()));
    }
    cases.push((ROLLUP, vec![STORED; MAX_BODY_BYTES + 2]));
}

/// What the program says to the payloads, and what it says of its heap.
fn ask_guest(program: &std::ffi::OsStr, cases: &[Case]) -> (Vec<B256>, String) {
    let mut guest = Command::new("qemu-riscv64")
        .arg(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("qemu-riscv64 starts: install Debian's qemu-user");
    let mut input = guest.stdin.take().unwrap();
    let output = thread::scope(|scope| {
        // It may end early; then its exit code says why.
        scope.spawn(move || {
            for (rollup, payload) in cases {
                let head = [&rollup.get().to_be_bytes()[..], &(payload.len() as u32).to_be_bytes()].concat();
                if input.write_all(&head).and_then(|()| input.write_all(payload)).is_err() {
                    break;
                }
            }
        });
        guest.wait_with_output().unwrap()
    });
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let answers: Vec<_> = output.stdout.chunks_exact(32).map(B256::from_slice).collect();
    assert!(output.status.success(), "{} after {} answers: {said}", output.status, answers.len());
    (answers, said)
}

/// The first case whose answers differ, or that only one side answered.
fn first_difference(native: &[B256], guest: &[B256]) -> Option<usize> {
    let both = native.iter().zip(guest).position(|(a, b)| a != b);
    both.or_else(|| (native.len() != guest.len()).then(|| native.len().min(guest.len())))
}

#[test]
fn a_guest_reads_every_payload_as_the_native_decoder_does() {
    let Some(program) = std::env::var_os("SURETY_GUEST_DECODE") else {
        std::eprintln!("skipped: `cargo xtask riscv` runs this with the program that it compiles");
        return;
    };
    let mut cases = Vec::new();
    golden_cases(&mut cases);
    damaged_cases(&mut cases);
    bombs(&mut cases);
    real_cases(&mut cases);
    let start = std::time::Instant::now();
    let (guest, said) = ask_guest(&program, &cases);
    let emulated = start.elapsed();
    let read: Vec<_> = cases.iter().map(|(rollup, payload)| decode_payload(*rollup, payload).is_ok()).collect();
    let native: Vec<_> = cases.iter().map(|(rollup, payload)| decode_digest(*rollup, payload)).collect();
    if let Some(at) = first_difference(&native, &guest) {
        let (rollup, payload) = &cases[at];
        let start = hex::encode(&payload[..payload.len().min(200)]);
        panic!("case {at} of {}, rollup {rollup}, {} bytes: {start}", cases.len(), payload.len());
    }
    let good = read.iter().filter(|read| **read).count();
    std::println!("{} payloads, {good} read, the others refused; {emulated:?} in the guest; {said}", cases.len());
    // Both kinds of answers, and of many kinds.
    assert!(good > BODIES && cases.len() - good > 5 * BODIES, "{good} of {} were read", cases.len());
    let kinds: std::collections::BTreeSet<_> = native.iter().zip(&read).filter(|(_, read)| !**read).collect();
    assert!(kinds.len() >= 8, "{} errors", kinds.len());
    // An answer that differs is found, and so is one that is missing.
    let mut altered = guest.clone();
    altered[good][31] ^= 1;
    assert_eq!(first_difference(&native, &altered), Some(good));
    assert_eq!(first_difference(&native, &guest[..guest.len() - 1]), Some(guest.len() - 1));
}
