//! Accounts, code, storage, and proofs of them.

use crate::{
    context::Rpc,
    error::RpcError,
    history,
    params::{Args, storage_key},
    server::{Answer, Methods, Registered, answer},
};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U64, U256};
use serde::Serialize;
use std::collections::BTreeMap;
use surety_stf::StateReader;

/// Slots that one request may ask for.
const MOST_SLOTS: usize = 1024;

pub(crate) fn register(methods: &mut Methods) -> Registered {
    methods.light("eth_getBalance", 2, |rpc, args| {
        let (address, state) = account(rpc, args)?;
        answer(&state.account(address).map_err(RpcError::internal)?.map_or(U256::ZERO, |a| a.balance))
    })?;
    methods.light("eth_getTransactionCount", 2, nonce)?;
    methods.light("eth_getCode", 2, |rpc, args| {
        let (address, state) = account(rpc, args)?;
        answer(&code(&state, address)?)
    })?;
    methods.light("eth_getStorageAt", 3, storage_at)?;
    methods.light("eth_getStorageValues", 2, storage_values)?;
    methods.heavy("eth_getProof", 3, proof)
}

fn account(rpc: &Rpc, args: &Args<'_>) -> Result<(Address, history::State), RpcError> {
    let address = args.required(0)?;
    Ok((address, rpc.state(args.block(1)?)?.1))
}

/// The code of an account; of a delegated one (EIP-7702) the designator.
pub(super) fn code(state: &history::State, address: Address) -> Result<Bytes, RpcError> {
    match state.account(address).map_err(RpcError::internal)? {
        Some(account) if account.code_hash != KECCAK256_EMPTY => {
            state.code(account.code_hash).map_err(RpcError::internal)
        }
        _ => Ok(Bytes::new()),
    }
}

fn nonce(rpc: &Rpc, args: &Args<'_>) -> Answer {
    let address: Address = args.required(0)?;
    let block = args.block(1)?;
    if block == BlockId::Number(BlockNumberOrTag::Pending)
        && let Some(nonce) = rpc.backend.pool_nonce(address)
    {
        return answer(&U64::from(nonce));
    }
    let (_, state) = rpc.state(block)?;
    let nonce = state.account(address).map_err(RpcError::internal)?.map_or(0, |account| account.nonce);
    answer(&U64::from(nonce))
}

fn storage_at(rpc: &Rpc, args: &Args<'_>) -> Answer {
    let address: Address = args.required(0)?;
    let (slot, _) = storage_key(&args.text(1)?)?;
    let (_, state) = rpc.state(args.block(2)?)?;
    answer(&B256::from(state.storage(address, slot).map_err(RpcError::internal)?))
}

fn storage_values(rpc: &Rpc, args: &Args<'_>) -> Answer {
    let wanted: BTreeMap<Address, Vec<String>> = args.required(0)?;
    let count: usize = wanted.values().map(Vec::len).sum();
    if count == 0 {
        return Err(RpcError::InvalidParams("empty request".to_owned()));
    }
    if count > MOST_SLOTS {
        return Err(RpcError::Limit(format!("too many slots (max {MOST_SLOTS})")));
    }
    let (_, state) = rpc.state(args.block(1)?)?;
    let mut values = BTreeMap::<Address, Vec<B256>>::new();
    for (address, keys) in wanted {
        let of_account = values.entry(address).or_default();
        for key in keys {
            let (slot, _) = storage_key(&key)?;
            of_account.push(state.storage(address, slot).map_err(RpcError::internal)?.into());
        }
    }
    answer(&values)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProofJson {
    address: Address,
    account_proof: Vec<Bytes>,
    balance: U256,
    code_hash: B256,
    nonce: U64,
    storage_hash: B256,
    storage_proof: Vec<StorageProofJson>,
}

#[derive(Serialize)]
struct StorageProofJson {
    key: String,
    value: U256,
    proof: Vec<Bytes>,
}

fn proof(rpc: &Rpc, args: &Args<'_>) -> Answer {
    let address: Address = args.required(0)?;
    let texts: Vec<String> = args.optional(1)?.unwrap_or_default();
    if texts.len() > MOST_SLOTS {
        return Err(RpcError::Limit(format!("too many keys (max {MOST_SLOTS})")));
    }
    let keys = texts.iter().map(|text| storage_key(text)).collect::<Result<Vec<_>, _>>()?;
    let slots: Vec<U256> = keys.iter().map(|(slot, _)| *slot).collect();
    let block = rpc.must_resolve(args.block(2)?)?;
    let proof = history::proof(rpc.backend.store(), block, address, &slots)?;
    let account = proof.account.unwrap_or_default();
    let storage_proof = proof
        .storage
        .into_iter()
        .zip(keys)
        .map(|(proof, (slot, short))| StorageProofJson {
            // Keys come back in the form in which they were asked for (geth).
            key: if short { format!("{slot:#x}") } else { B256::from(slot).to_string() },
            value: proof.value,
            proof: proof.proof,
        })
        .collect();
    answer(&ProofJson {
        address,
        account_proof: proof.proof,
        balance: account.balance,
        code_hash: account.code_hash,
        nonce: U64::from(account.nonce),
        storage_hash: proof.storage_root,
        storage_proof,
    })
}
