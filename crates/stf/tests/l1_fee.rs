//! The L1 data fee three ways: as op-revm computes it, by the formula and a FastLZ of our own, and in the vectors that
//! the Solidity `GasPriceOracle` is tested with.
//!
//! estimatedSize = max(100e6, 836500 × FastLZ length − 42585600), in millionths of a byte;
//! fee = estimatedSize × (16 × baseFee × baseFeeScalar + blobBaseFee × blobBaseFeeScalar) / 1e12.

mod common;

use alloy_primitives::{Bytes, U256};
use common::vectors;
use op_revm::{L1BlockInfo, OpSpecId};

/// Length of the FastLZ (level 1) compression of `data`, by its format: literal runs of up to 32 bytes cost one byte
/// more, a match of n ≥ 3 bytes within 8191 costs 2 bytes up to 8, 3 bytes up to 264. Matches are found greedily through
/// a hash of three bytes, at positions from 2 to 13 before the end.
fn fast_lz_length(data: &[u8]) -> u64 {
    let word = |i: usize| u32::from(data[i]) | u32::from(data[i + 1]) << 8 | u32::from(data[i + 2]) << 16;
    let bucket = |v: u32| (v.wrapping_mul(2_654_435_769) >> 19) as usize & 0x1fff;
    let literals = |n: usize| (n / 32 * 33 + if n.is_multiple_of(32) { 0 } else { n % 32 + 1 }) as u64;
    let mut table = vec![0usize; 8192];
    let (mut anchor, mut at, mut length) = (0, 2, 0u64);
    let end = data.len().saturating_sub(13);
    while at < end {
        let value = word(at);
        let found = std::mem::replace(&mut table[bucket(value)], at);
        let start = at;
        at += 1;
        // A match that begins at the last place looked at is not taken.
        if start - found >= 8192 || word(found) != value || at >= end {
            continue;
        }
        length += literals(start - anchor);
        // Bytes that agree beyond the first three, and the one that ends the match, unless it is among the last four.
        let limit = data.len() - 4 - (start + 3);
        let agree = (0..limit).take_while(|i| data[found + 3 + i] == data[start + 3 + i]).count();
        let matched = (agree + 1).min(limit);
        length += 3 * ((matched - 1) / 262) as u64 + if (matched - 1) % 262 >= 6 { 3 } else { 2 };
        at = start + matched;
        table[bucket(word(at))] = at;
        table[bucket(word(at + 1))] = at + 1;
        at += 2;
        anchor = at;
    }
    length + literals(data.len() - anchor)
}

fn estimated_size(data: &[u8]) -> u64 {
    (836_500 * fast_lz_length(data)).saturating_sub(42_585_600).max(100_000_000)
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    what: String,
    data: Bytes,
    base_fee: U256,
    base_fee_scalar: u32,
    blob_base_fee: U256,
    blob_base_fee_scalar: u32,
    operator_fee_scalar: u32,
    operator_fee_constant: u64,
    gas_limit: u64,
    estimated_size: u64,
    l1_fee: U256,
    operator_fee: U256,
}

#[test]
fn op_revm_agrees_with_the_vectors_of_the_contract() {
    let text = include_str!("../../../contracts/vectors/l1-fee.json");
    let vectors: Vec<Vector> = serde_json::from_str(text).unwrap();
    assert_eq!(vectors.len(), 14);
    for v in vectors {
        let mut info = L1BlockInfo {
            l1_base_fee: v.base_fee,
            l1_base_fee_scalar: U256::from(v.base_fee_scalar),
            l1_blob_base_fee: Some(v.blob_base_fee),
            l1_blob_base_fee_scalar: Some(U256::from(v.blob_base_fee_scalar)),
            operator_fee_scalar: Some(U256::from(v.operator_fee_scalar)),
            operator_fee_constant: Some(U256::from(v.operator_fee_constant)),
            ..Default::default()
        };
        assert_eq!(op_revm::estimate_tx_compressed_size(&v.data), v.estimated_size, "{}", v.what);
        assert_eq!(estimated_size(&v.data), v.estimated_size, "{}", v.what);
        assert_eq!(info.calculate_tx_l1_cost(&v.data, OpSpecId::KARST), v.l1_fee, "{}", v.what);
        let scaled = U256::from(16) * v.base_fee * U256::from(v.base_fee_scalar)
            + v.blob_base_fee * U256::from(v.blob_base_fee_scalar);
        let formula = U256::from(v.estimated_size) * scaled / U256::from(1_000_000_000_000u64);
        assert_eq!(formula, v.l1_fee, "{}", v.what);
        let operator = info.operator_fee_charge(&v.data, U256::from(v.gas_limit), OpSpecId::KARST);
        assert_eq!(operator, v.operator_fee, "{}", v.what);
    }
}

#[derive(Debug, serde::Deserialize)]
struct Channel {
    blocks: Vec<ChannelBlock>,
}

#[derive(Debug, serde::Deserialize)]
struct ChannelBlock {
    transactions: Vec<Bytes>,
}

#[test]
fn our_fast_lz_gives_op_revms_sizes_on_real_transactions() {
    let Some(file) = vectors("op-channel/transactions.json") else { return };
    let channel: Channel = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let transactions: Vec<Bytes> = channel.blocks.into_iter().flat_map(|b| b.transactions).collect();
    assert_eq!(transactions.len(), 1766);
    for tx in transactions {
        assert_eq!(estimated_size(&tx), op_revm::estimate_tx_compressed_size(&tx), "{tx}");
    }
}

proptest::proptest! {
    #[test]
    fn our_fast_lz_gives_op_revms_sizes_on_any_bytes(parts in proptest::collection::vec((0u8..4, proptest::collection::vec(0u8..6, 0..40), 1usize..20), 0..20)) {
        let data: Vec<u8> = parts.into_iter().flat_map(|(salt, part, times)| {
            let part: Vec<u8> = part.into_iter().map(|b| b ^ salt << 4).collect();
            part.repeat(times)
        }).collect();
        proptest::prop_assert_eq!(estimated_size(&data), op_revm::estimate_tx_compressed_size(&data));
    }
}
