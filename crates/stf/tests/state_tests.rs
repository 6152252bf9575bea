//! `GeneralStateTests` of ethereum/tests: each transaction on each fork gives the test's state root and logs, or is
//! refused where the test says so.

mod common;

use alloy_consensus::{TxEip1559, TxEip2930, TxEip4844, TxLegacy};
use alloy_eips::eip2930::AccessList;
use alloy_hardforks::EthereumHardfork;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use common::{TestAccount, json_files, number, parse_number, vectors, world};
use std::collections::BTreeMap;
use surety_stf::execute::{
    PushError,
    ethereum::{BlockExecutor, ForkSchedule},
};
use surety_types::{Header, Recovered, Transaction};

/// Files and transactions.
const EXPECTED: (usize, usize) = (436, 2892);

const EIP_7610: &str = "creation at an address that has storage but neither nonce nor code: EIP-7610 makes it fail, revm does \
    not know it. No chain that began with EIP-161, as ours do, can have such an account.";

/// Tests whose state roots this engine does not give, each with the number of its transactions and the reason.
const EXCEPTIONS: [(&str, usize, &str); 3] = [
    ("RevertInCreateInInitCreate2Paris", 1, EIP_7610),
    ("RevertInCreateInInit_Paris", 1, EIP_7610),
    ("create2collisionStorageParis", 3, EIP_7610),
];

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Test {
    env: Env,
    pre: BTreeMap<Address, TestAccount>,
    transaction: Template,
    post: BTreeMap<String, Vec<Post>>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Env {
    current_coinbase: Address,
    #[serde(deserialize_with = "number")]
    current_gas_limit: U256,
    #[serde(deserialize_with = "number")]
    current_number: U256,
    #[serde(deserialize_with = "number")]
    current_timestamp: U256,
    #[serde(deserialize_with = "number")]
    current_base_fee: U256,
    current_random: Option<String>,
    current_excess_blob_gas: Option<String>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Template {
    data: Vec<Bytes>,
    gas_limit: Vec<String>,
    value: Vec<String>,
    #[serde(deserialize_with = "number")]
    nonce: U256,
    sender: Address,
    to: String,
    gas_price: Option<String>,
    max_fee_per_gas: Option<String>,
    max_priority_fee_per_gas: Option<String>,
    max_fee_per_blob_gas: Option<String>,
    blob_versioned_hashes: Option<Vec<B256>>,
    access_lists: Option<Vec<Option<AccessList>>>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Post {
    hash: B256,
    logs: B256,
    indexes: Indexes,
    expect_exception: Option<String>,
}

#[derive(Debug, serde::Deserialize)]
struct Indexes {
    data: usize,
    gas: usize,
    value: usize,
}

impl Template {
    fn transaction(&self, at: &Indexes) -> Transaction {
        let small = |text: &Option<String>| text.as_deref().map(|t| parse_number(t).unwrap().to::<u128>());
        let (nonce, value) = (self.nonce.to(), parse_number(&self.value[at.value]).unwrap());
        let gas_limit = parse_number(&self.gas_limit[at.gas]).unwrap().to();
        let input = self.data[at.data].clone();
        let to = if self.to.is_empty() { TxKind::Create } else { TxKind::Call(self.to.parse().unwrap()) };
        let access_list = self.access_lists.as_ref().and_then(|lists| lists[at.data].clone());
        // The sender is given; what a signature would say does not matter to execution.
        let signature = Signature::new(U256::from(1), U256::from(1), false);
        let max_fee = small(&self.max_fee_per_gas);
        let tip = small(&self.max_priority_fee_per_gas).unwrap_or_default();
        let hash = B256::ZERO;
        if let (Some(blobs), TxKind::Call(to)) = (&self.blob_versioned_hashes, to) {
            let tx = TxEip4844 {
                chain_id: 1,
                nonce,
                gas_limit,
                max_fee_per_gas: max_fee.unwrap(),
                max_priority_fee_per_gas: tip,
                to,
                value,
                access_list: access_list.unwrap_or_default(),
                blob_versioned_hashes: blobs.clone(),
                max_fee_per_blob_gas: small(&self.max_fee_per_blob_gas).unwrap(),
                input,
            };
            return Transaction::Eip4844(alloy_consensus::Signed::new_unchecked(tx, signature, hash));
        }
        if let Some(max_fee_per_gas) = max_fee {
            let tx = TxEip1559 {
                chain_id: 1,
                nonce,
                gas_limit,
                max_fee_per_gas,
                max_priority_fee_per_gas: tip,
                to,
                value,
                access_list: access_list.unwrap_or_default(),
                input,
            };
            return Transaction::Eip1559(alloy_consensus::Signed::new_unchecked(tx, signature, hash));
        }
        let gas_price = small(&self.gas_price).unwrap();
        if let Some(access_list) = access_list {
            let tx = TxEip2930 { chain_id: 1, nonce, gas_price, gas_limit, to, value, access_list, input };
            return Transaction::Eip2930(alloy_consensus::Signed::new_unchecked(tx, signature, hash));
        }
        let tx = TxLegacy { chain_id: Some(1), nonce, gas_price, gas_limit, to, value, input };
        Transaction::Legacy(alloy_consensus::Signed::new_unchecked(tx, signature, hash))
    }
}

fn run(test: &Test, fork: EthereumHardfork, post: &Post) -> Result<(), String> {
    let schedule = ForkSchedule::since_genesis(1, fork);
    let env = &test.env;
    let mut state = world(&test.pre);
    for n in 0..env.current_number.to::<u64>() {
        state.hashes.insert(n, keccak256(n.to_string()));
    }
    let header = Header {
        number: env.current_number.to(),
        timestamp: env.current_timestamp.to(),
        beneficiary: env.current_coinbase,
        gas_limit: env.current_gas_limit.to(),
        base_fee_per_gas: Some(env.current_base_fee.to()),
        mix_hash: env.current_random.as_deref().map(|r| parse_number(r).unwrap()).unwrap_or_default().into(),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(env.current_excess_blob_gas.as_deref().map_or(0, |t| parse_number(t).unwrap().to())),
        parent_beacon_block_root: Some(B256::ZERO),
        ..Header::default()
    };
    let mut executor = BlockExecutor::new(&schedule, header, &[], None, &state, None).map_err(|e| e.to_string())?;
    let tx = Recovered::new_unchecked(test.transaction.transaction(&post.indexes), test.transaction.sender);
    match (executor.push(tx), &post.expect_exception) {
        (Ok(_), None) | (Err(PushError::Refused(_)), Some(_)) => {}
        (Ok(_), Some(expected)) => return Err(format!("executed, expected {expected}")),
        (Err(e), _) => return Err(format!("refused: {e}")),
    }
    let executed = executor.finish().map_err(|e| e.to_string())?;
    let logs: Vec<_> = executed.receipts.iter().flat_map(|r| r.logs.clone()).collect();
    if keccak256(alloy_rlp::encode(&logs)) != post.logs {
        return Err("logs".into());
    }
    state.apply(&executed.changes);
    let root = state.root();
    if root == post.hash { Ok(()) } else { Err(format!("state root {root}, expected {}", post.hash)) }
}

#[test]
fn every_transaction_gives_the_state_of_the_test() {
    let Some(folder) = vectors("ethereum-tests/GeneralStateTests") else { return };
    let (mut cases, mut exceptions) = (0, 0);
    let mut failures = Vec::new();
    let files = json_files(&folder);
    for file in &files {
        let tests: BTreeMap<String, Test> =
            serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        for (name, test) in tests {
            for (network, posts) in &test.post {
                let fork = match network.as_str() {
                    "Cancun" => EthereumHardfork::Cancun,
                    other => panic!("network {other}: add it here"),
                };
                for (i, post) in posts.iter().enumerate() {
                    cases += 1;
                    let excepted = EXCEPTIONS.iter().any(|(n, ..)| *n == name);
                    match run(&test, fork, post) {
                        Ok(()) => {}
                        Err(_) if excepted => exceptions += 1,
                        Err(e) => failures.push(format!("{name} {network}/{i}: {e}")),
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} of {cases} failed:\n{}", failures.len(), failures.join("\n"));
    assert_eq!((files.len(), cases), EXPECTED);
    assert_eq!(exceptions, EXCEPTIONS.iter().map(|(_, n, _)| n).sum::<usize>(), "an exception passes: strike it");
    assert!(exceptions * 20 <= cases, "too many exceptions");
}
