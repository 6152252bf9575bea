//! `contracts/vectors/l1-fee.json`: the L1 data fee as execution charges it, which the `GasPriceOracle` predeploy must
//! estimate from the same length and the same formula (its Foundry test reads the file too).

use alloy_primitives::{Bytes, U256, hex, keccak256};
use op_revm::{L1BlockInfo, OpSpecId, transaction::estimate_tx_compressed_size};
use serde::{Deserialize, Serialize};

/// One transaction's bytes at one state of L1.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    what: String,
    data: Bytes,
    base_fee: U256,
    base_fee_scalar: u32,
    blob_base_fee: U256,
    blob_base_fee_scalar: u32,
    operator_fee_scalar: u32,
    operator_fee_constant: u64,
    gas_limit: u64,
    /// Millionths of a byte.
    estimated_size: u64,
    /// Wei.
    l1_fee: U256,
    /// Wei.
    operator_fee: U256,
}

/// `length` bytes that do not compress.
fn noise(seed: u8, length: usize) -> Vec<u8> {
    let mut word = keccak256([seed]);
    let mut bytes = Vec::with_capacity(length + 32);
    while bytes.len() < length {
        bytes.extend_from_slice(word.as_slice());
        word = keccak256(word);
    }
    bytes.truncate(length);
    bytes
}

fn inputs() -> Vec<(&'static str, Vec<u8>)> {
    let transfer = hex!(
        "02f8b30a832253fc8402d11f39842c8a46398301388094dc6ff44d5d932cbd77b52e5612ba0529dc6226f180b844a9059cbb000000000000000000000000d43e02db81f4d46cdf8521f623d21ea0ec7562a50000000000000000000000000000000000000000000000008ac7230489e80000c001a02947e24750723b48f886931562c55d9e07f856d8e06468e719755e18bbc3a570a0784da9ce59fd7754ea5be6e17a86b348e441348cd48ace59d174772465eadbd1"
    )
    .to_vec();
    // A match further back than FastLZ's window of 8,191 bytes, and one just within it.
    let far = [noise(3, 300), vec![0; 8_000], noise(3, 300), noise(4, 50)].concat();
    vec![
        ("one byte", vec![0x02]),
        ("twelve bytes: below FastLZ's shortest input with a match", vec![0x02; 12]),
        ("thirteen bytes", vec![0x02; 13]),
        ("fourteen bytes", vec![0x02; 14]),
        ("a token transfer of OP mainnet", transfer.clone()),
        ("five of them", transfer.repeat(5)),
        ("zeros", [vec![2], vec![0; 1_000]].concat()),
        ("noise of 31 bytes", noise(1, 31)),
        ("noise of 32 bytes", noise(1, 32)),
        ("noise of 33 bytes", noise(1, 33)),
        ("noise of 1,500 bytes", noise(2, 1_500)),
        (
            "words that differ in their last bytes",
            (0_u64..120).flat_map(|i| U256::from(i * i).to_be_bytes::<32>()).collect(),
        ),
        ("a match beyond the window", far),
        ("runs of every length", (0_u8..80).flat_map(|i| vec![i; usize::from(i)]).collect()),
    ]
}

fn cases() -> Vec<Case> {
    // Base fee, its scalar, blob base fee, its scalar, operator scalar and constant.
    let l1 = [
        (1_000_000_000_u64, 5_227_u32, 1_u64, 1_014_213_u32, 0_u32, 0_u64),
        (47_036_678_951, 1_368, 57_422_457_042, 810_949, 12, 34_567),
        (0, 0, 0, 0, 0, 7),
        (u64::MAX, u32::MAX, u64::MAX, u32::MAX, u32::MAX, u64::MAX),
    ];
    inputs()
        .into_iter()
        .enumerate()
        .map(|(i, (what, data))| {
            let (base_fee, base_fee_scalar, blob_base_fee, blob_base_fee_scalar, scalar, constant) = l1[i % l1.len()];
            let mut info = L1BlockInfo {
                l1_base_fee: U256::from(base_fee),
                l1_base_fee_scalar: U256::from(base_fee_scalar),
                l1_blob_base_fee: Some(U256::from(blob_base_fee)),
                l1_blob_base_fee_scalar: Some(U256::from(blob_base_fee_scalar)),
                operator_fee_scalar: Some(U256::from(scalar)),
                operator_fee_constant: Some(U256::from(constant)),
                ..Default::default()
            };
            let gas_limit = 21_000 + 1_000 * i as u64;
            Case {
                what: what.to_owned(),
                base_fee: U256::from(base_fee),
                base_fee_scalar,
                blob_base_fee: U256::from(blob_base_fee),
                blob_base_fee_scalar,
                operator_fee_scalar: scalar,
                operator_fee_constant: constant,
                gas_limit,
                estimated_size: estimate_tx_compressed_size(&data),
                l1_fee: info.calculate_tx_l1_cost(&data, OpSpecId::KARST),
                operator_fee: info.operator_fee_charge(&data, U256::from(gas_limit), OpSpecId::KARST),
                data: data.into(),
            }
        })
        .collect()
}

#[test]
fn the_l1_fee_vectors_are_what_execution_charges() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/vectors/l1-fee.json");
    let made = cases();
    if std::env::var_os("SURETY_UPDATE_VECTORS").is_some() {
        std::fs::write(path, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
    }
    let kept: Vec<Case> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(kept, made, "if the change is meant, run this test with SURETY_UPDATE_VECTORS=1 and commit the file");
}
