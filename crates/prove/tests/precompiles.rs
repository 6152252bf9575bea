//! Precompiled contracts: native code and the compiled program answer alike. Nodes have C libraries for most of them, the
//! program has none, so each is compared: on the vectors of the Ethereum Foundation and of the proposals
//! (`precompiles/vectors.json` says where each is from), and on these with bytes changed by chance.
//!
//! A contract calls what it is told to, counts the calls that succeed and logs what came back: so the block's hash, which the
//! program must find too, holds every answer.

mod support;

use alloy_primitives::{Address, Bytes, U256, address, hex};
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use std::collections::BTreeMap;
use support::{
    common::{
        Key,
        chain::{Chain, Form},
        l2_world, parameters,
    },
    inputs, judge,
};
use surety_stf::StateReader as _;

const HARNESS: Address = address!("0x00000000000000000000000000000000c0ffee01");
/// Call data: address, gas, input. Calls, adds the success to slot 0, logs success and answer.
const CODE: [u8; 39] =
    hex!("60403603806040" "5f37" "5f5f825f5f35602035fa" "805f52" "5f54015f55" "3d5f60203e" "3d6020015fa0" "00");

/// One call of a precompiled contract.
#[derive(Debug, Clone)]
struct Case {
    address: u64,
    input: Vec<u8>,
}

impl Case {
    /// More than it needs, unless it needs more than most do: then it fails, which must be alike too.
    const fn gas(&self) -> u64 {
        match self.address {
            5 => 3_000_000,
            8 | 0x0c | 0x0e | 0x0f => 700_000,
            9 => 200_000,
            _ => 60_000,
        }
    }

    fn call_data(&self) -> Bytes {
        let words = [U256::from(self.address), U256::from(self.gas())].map(|word| word.to_be_bytes::<32>());
        [&words.concat()[..], &self.input].concat().into()
    }

    /// Gas of the transaction: intrinsic, the call's, and what the contract itself does.
    fn transaction_gas(&self) -> u64 {
        21_000 + 40 * (self.input.len() as u64 + 64) + self.gas() * 64 / 63 + 60_000
    }
}

/// Has native code and the program do all of it, in blocks as full as they may be; gives how many succeeded.
fn compare(cases: &[Case]) -> u64 {
    let key = Key::new(1);
    let mut world = l2_world(&[key.address()]);
    world.put(HARNESS, U256::ZERO, 1, CODE.into());
    let mut chain = Chain::on(world);
    let (mut list, mut gas, mut nonce) = (vec![], 0, 0);
    let mut rest = cases.iter().peekable();
    while let Some(case) = rest.next() {
        list.push(key.call(
            parameters().rollup.get(),
            nonce,
            HARNESS,
            U256::ZERO,
            case.transaction_gas(),
            case.call_data(),
        ));
        nonce += 1;
        gas += case.transaction_gas();
        if gas < 25_000_000 && list.len() < 60 && rest.peek().is_some() {
            continue;
        }
        gas = 0;
        let row = chain.row(1, 0, std::mem::take(&mut list));
        let judged = chain.post(&[row], vec![], Form::Calldata, None);
        assert!(!judged[0].invalid);
        judge(&judged[0]);
    }
    chain.world.storage(HARNESS, U256::ZERO).unwrap().to()
}

/// The vectors by address.
fn vectors() -> BTreeMap<u64, Vec<Case>> {
    let file: serde_json::Value = serde_json::from_str(include_str!("precompiles/vectors.json")).unwrap();
    let of = |(address, inputs): (&String, &serde_json::Value)| {
        let address = u64::from_str_radix(address.trim_start_matches("0x"), 16).unwrap();
        let inputs: Vec<String> = serde_json::from_value(inputs.clone()).unwrap();
        let input = |text: &String| Case { address, input: text.parse::<Bytes>().unwrap().to_vec() };
        (address, inputs.iter().map(input).collect())
    };
    file["cases"].as_object().unwrap().iter().map(of).collect()
}

/// A case with some bytes changed, cut off or added.
fn changed(case: &Case, chance: &mut StdRng) -> Case {
    let mut input = case.input.clone();
    match chance.random_range(0..6) {
        0 => input.truncate(chance.random_range(0..=input.len())),
        1 => {
            let more: [u8; 32] = chance.random();
            input.extend(more);
        }
        _ => {
            for _ in 0..chance.random_range(1..4) {
                let at = chance.random_range(0..input.len().max(1));
                if let Some(byte) = input.get_mut(at) {
                    *byte = *[0, 1, 0xff, chance.random()].choose(chance).unwrap();
                }
            }
        }
    }
    Case { address: case.address, input }
}

/// Contracts without vectors: signatures, hashes and copies of any bytes.
fn others(chance: &mut StdRng, count: usize) -> Vec<Case> {
    let key = k256::ecdsa::SigningKey::from_slice(&[9; 32]).unwrap();
    let mut cases = vec![];
    for n in 0..count {
        let mut input = vec![0; chance.random_range(0..400)];
        chance.fill_bytes(&mut input);
        cases.extend([2, 3, 4].map(|address| Case { address, input: input.clone() }));
        let digest: [u8; 32] = chance.random();
        let (signature, id) = key.sign_prehash_recoverable(&digest).unwrap();
        let v = U256::from(27 + u64::from(id.to_byte()) + u64::from(n % 7 == 6)).to_be_bytes::<32>();
        let recovered = Case { address: 1, input: [&digest[..], &v, &signature.to_bytes()].concat() };
        cases.push(if n % 3 == 2 { changed(&recovered, chance) } else { recovered });
    }
    cases
}

/// One of so many vectors, and so many inputs by chance of each contract: changed vectors, and what is made to succeed.
fn run(every: usize, fuzzed: usize, seed: u64) {
    println!("seed {seed}");
    let mut chance = StdRng::seed_from_u64(seed);
    for (address, cases) in vectors() {
        // Of the shorter lists more.
        let every = every.min(cases.len().div_ceil(10));
        let some: Vec<Case> = cases.iter().step_by(every).cloned().collect();
        let vectors = compare(&some);
        let short: Vec<&Case> = cases.iter().filter(|case| case.input.len() <= 1_200).collect();
        let mut fuzz: Vec<Case> = vec![];
        for _ in 0..fuzzed {
            fuzz.push(changed(short.choose(&mut chance).unwrap(), &mut chance));
            fuzz.push(Case { address, input: inputs::input(address, &mut chance) });
        }
        let by_chance = compare(&fuzz);
        let (count, made) = (some.len(), fuzz.len());
        println!("{address:#x}: {vectors} of {count} vectors and {by_chance} of {made} inputs by chance succeed");
        assert!(vectors > 0 && by_chance >= fuzzed as u64 / 2, "{address:#x}: too little succeeds to compare anything");
    }
    let others = others(&mut chance, fuzzed.max(4));
    assert!(compare(&others) > others.len() as u64 * 3 / 4);
}

#[test]
fn the_program_answers_as_native_code_does() {
    run(8, 4, 1);
}

#[test]
#[ignore = "all vectors and hundreds of changed ones: some minutes"]
fn the_program_answers_as_native_code_does_to_all_vectors_and_hundreds_more() {
    let seed = std::env::var("SURETY_PRECOMPILE_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    run(1, 100, seed);
}
