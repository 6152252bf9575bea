//! Generators shared by this crate's tests.

use crate::batch::{BatchBlock, Body};
use alloy_consensus::{Signed, TxEip1559, TxEip2930, TxEip7702, TxLegacy};
use alloy_eips::{
    eip2930::{AccessList, AccessListItem},
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use proptest::{collection::vec, option, prelude::*};
use surety_types::{
    ChainParameters, ConsensusContext, Gas, L1Height, Message, MessageIndex, MessageKind, Milliseconds, RollupId,
    Seconds, Term, Transaction, View,
};

/// The chain of these tests.
pub(crate) const ROLLUP: RollupId = RollupId::new(75873);

pub(crate) fn parameters() -> ChainParameters {
    ChainParameters {
        rollup: ROLLUP,
        genesis_time: Seconds::new(1_000),
        genesis_hash: B256::repeat_byte(1),
        block_time: Milliseconds::new(200),
        gas_limit: Gas::new(30_000_000),
        base_fee_denominator: 250,
        base_fee_elasticity: 6,
        min_base_fee: 0,
        l1_base_fee_scalar: 5_227,
        l1_blob_base_fee_scalar: 1_014_213,
        da_footprint_gas_scalar: 400,
    }
}

fn address() -> impl Strategy<Value = Address> {
    prop_oneof![any::<[u8; 20]>().prop_map(Address::from), (0u8..4).prop_map(Address::repeat_byte)]
}

fn word() -> impl Strategy<Value = U256> {
    prop_oneof![any::<u64>().prop_map(U256::from), any::<[u8; 32]>().prop_map(U256::from_be_bytes), Just(U256::ZERO)]
}

fn kind() -> impl Strategy<Value = TxKind> {
    option::of(address()).prop_map(|to| to.map_or(TxKind::Create, TxKind::Call))
}

fn input() -> impl Strategy<Value = Bytes> {
    vec(prop_oneof![3 => Just(0u8), 1 => any::<u8>()], 0..200).prop_map(Bytes::from)
}

fn access_list() -> impl Strategy<Value = AccessList> {
    let item = (address(), vec(any::<[u8; 32]>(), 0..3)).prop_map(|(address, keys)| AccessListItem {
        address,
        storage_keys: keys.into_iter().map(B256::from).collect(),
    });
    vec(item, 0..3).prop_map(AccessList)
}

fn authorizations() -> impl Strategy<Value = Vec<SignedAuthorization>> {
    let one = (word(), address(), any::<u64>(), any::<u8>(), word(), word()).prop_map(
        |(chain_id, address, nonce, parity, r, s)| {
            SignedAuthorization::new_unchecked(Authorization { chain_id, address, nonce }, parity, r, s)
        },
    );
    vec(one, 0..3)
}

/// Any transaction that a list may hold; its signature need not be one.
pub(crate) fn transaction() -> impl Strategy<Value = Transaction> {
    let fees = (any::<u64>(), any::<u128>(), any::<u128>(), any::<u64>());
    let rest = (kind(), address(), word(), input(), access_list(), authorizations());
    let signature = (word(), word(), any::<bool>()).prop_map(|(r, s, parity)| Signature::new(r, s, parity));
    let chain_id = ROLLUP.get();
    (0u8..5, fees, rest, signature).prop_map(move |(ty, (nonce, price, tip, gas_limit), rest, signature)| {
        let (to, delegate, value, input, access_list, authorization_list) = rest;
        match ty {
            0 | 3 => {
                let chain_id = (ty == 0).then_some(chain_id);
                let tx = TxLegacy { chain_id, nonce, gas_price: price, gas_limit, to, value, input };
                Transaction::Legacy(Signed::new_unhashed(tx, signature))
            }
            1 => {
                let tx = TxEip2930 { chain_id, nonce, gas_price: price, gas_limit, to, value, access_list, input };
                Transaction::Eip2930(Signed::new_unhashed(tx, signature))
            }
            2 => {
                let tx = TxEip1559 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas: price,
                    max_priority_fee_per_gas: tip,
                    to,
                    value,
                    access_list,
                    input,
                };
                Transaction::Eip1559(Signed::new_unhashed(tx, signature))
            }
            _ => {
                let tx = TxEip7702 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas: price,
                    max_priority_fee_per_gas: tip,
                    to: delegate,
                    value,
                    access_list,
                    authorization_list,
                    input,
                };
                Transaction::Eip7702(Signed::new_unhashed(tx, signature))
            }
        }
    })
}

fn context() -> impl Strategy<Value = ConsensusContext> {
    let number = || prop_oneof![0u64..20, any::<u64>()];
    (number(), number(), number(), number()).prop_map(|(term, view, parent, milliseconds)| ConsensusContext {
        rollup: ROLLUP,
        term: Term::new(term),
        view: View::new(view),
        parent_view: View::new(parent),
        milliseconds: Milliseconds::new(milliseconds),
    })
}

/// Any body, whether it makes sense or not.
pub(crate) fn body() -> impl Strategy<Value = Body> {
    let block = (context(), address(), prop_oneof![0u64..5, any::<u64>()], vec(transaction(), 0..4)).prop_map(
        |(context, beneficiary, messages, transactions)| BatchBlock { context, beneficiary, messages, transactions },
    );
    vec(block, 1..8).prop_map(|blocks| Body { blocks })
}

/// A message with this place and gas limit.
pub(crate) fn message(index: u64, gas: u64) -> Message {
    Message {
        kind: MessageKind::Deposit,
        index: MessageIndex::new(index),
        l1_block: L1Height::new(7),
        l1_time: Seconds::new(900),
        sender: Address::repeat_byte(0xaa),
        to: Address::repeat_byte(0xbb),
        value: U256::from(index),
        mint: U256::from(index),
        gas: Gas::new(gas),
        data: Bytes::new(),
    }
}

/// Reads a golden file, or writes it if `BLESS` is set in the environment.
pub(crate) fn golden(name: &str, made: &serde_json::Value) -> serde_json::Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/vectors").join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, format!("{made:#}\n")).unwrap();
    }
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}
