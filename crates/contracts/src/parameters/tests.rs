//! Rust and the registry's constructor agree: both read `contracts/vectors/parameters.json`.

use super::*;
use alloy_sol_types::SolValue;
use proptest::prelude::*;
use serde_json::Value;

fn file() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/vectors/parameters.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Numbers of 64 bits may stand as text.
fn read(mut value: Value) -> Parameters {
    for (name, field) in value.as_object_mut().unwrap() {
        let wide = matches!(
            name.as_str(),
            "bond" | "messageGasPrice" | "messageBytePrice" | "postingTipCap" | "reporterShareCap" | "claimBond"
        );
        if wide {
            if let Some(number) = field.as_u64() {
                *field = number.to_string().into();
            }
        } else if let Some(text) = field.as_str() {
            *field = text.parse::<u64>().unwrap().into();
        }
    }
    serde_json::from_value(value).unwrap()
}

fn name(error: &ParameterError) -> String {
    let debug = format!("{error:?}");
    debug.split([' ', '(', '{']).next().unwrap().into()
}

#[test]
fn the_profiles_are_those_of_the_vectors() {
    let file = file();
    for (name, profile) in [("ci", Profile::Ci), ("dev", Profile::Dev), ("production", Profile::Production)] {
        assert_eq!(read(file["profiles"][name].clone()), Parameters::of(profile, 75_873), "{name}");
    }
}

#[test]
fn what_the_constructor_refuses_is_refused_here() {
    let file = file();
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 106);
    for case in cases {
        let mut fields = file["profiles"][case["base"].as_str().unwrap()].clone();
        for (name, value) in case["changes"].as_object().unwrap() {
            assert!(fields.get(name).is_some(), "{name} is no parameter");
            fields[name] = value.clone();
        }
        let result = read(fields).check();
        let got = result.as_ref().err().map(name).unwrap_or_default();
        assert_eq!(got, case["error"].as_str().unwrap(), "{}: {result:?}", case["name"]);
    }
}

#[test]
fn penalties_are_those_of_the_documents_table() {
    let p = Parameters::of(Profile::Production, 75_873);
    let milli = |k, n| (p.penalty(k, n) / U256::from(1_000_000_000_000_000_u64)).to::<u64>();
    assert_eq!([1, 2, 3].map(|k| milli(k, 4)), [1_600, 32_000, 32_000]);
    assert_eq!([1, 2, 3, 4, 5, 6].map(|k| milli(k, 16)), [1_600, 7_680, 13_760, 19_840, 25_920, 32_000]);
    assert_eq!([1, 2, 11, 21, 22].map(|k| milli(k, 64)), [1_600, 3_047, 16_076, 30_552, 32_000]);
    for n in [0, 1, 4, 16, 64] {
        for k in 0..=n + 1 {
            assert!(p.reward(p.penalty(k, n)) < p.penalty(k, n));
            assert!(p.reward(p.penalty(k, n)) <= p.reporter_share_cap);
        }
    }
    assert_eq!((p.evidence_window(), p.freeze_delay()), (21 * DAY, 768));
    assert_eq!((p.idle_cap(), p.idle_delay()), (p.bond / U256::from(25), 18_000));
}

proptest! {
    #[test]
    fn checks_never_overflow(values: [u64; 21], bond: [u64; 4]) {
        let mut p = Parameters::of(Profile::Ci, values[0]);
        [p.block_time_millis, p.block_gas_limit, p.slot_time, p.settled_depth, p.batch_age, p.epoch_length] =
            values[1..7].try_into().unwrap();
        [p.overlap, p.force_delay, p.grace, p.max_gap, p.challenge_period, p.response] = values[7..13].try_into().unwrap();
        [p.correlation_window, p.unbonding_margin, p.unbonding, p.escape_delay] = values[13..17].try_into().unwrap();
        [p.max_message_gas, p.message_window_gas] = values[17..19].try_into().unwrap();
        [p.idle_limit, p.idle_window] = values[19..21].try_into().unwrap();
        p.bond = U256::from_limbs(bond);
        let _ = p.check();
    }

    #[test]
    fn the_contracts_struct_holds_the_same(values: [u64; 3]) {
        let mut p = Parameters::of(Profile::Dev, values[0]);
        (p.unbonding, p.message_window_bytes) = (values[1], values[2]);
        let theirs = ProtocolParameters::from(&p);
        prop_assert_eq!(theirs.abi_encode().len(), 29 * 32);
        prop_assert_eq!(Parameters::from(theirs), p);
    }
}
