//! `BlockchainTests` of ethereum/tests: every block is imported or refused as the test says, and the head and its state
//! are the test's in the end; a block that breaks a transaction's rule is refused for a transaction, others are not.
//! There are no exceptions. Proof-of-work seals are not checked (none of these tests has any).

mod common;

use alloy_consensus::proofs;
use alloy_hardforks::EthereumHardfork;
use alloy_primitives::{Address, B256, Bytes};
use common::{TestAccount, World, json_files, vectors, world};
use std::collections::{BTreeMap, HashMap};
use surety_stf::execute::ethereum::{BlockError, ForkSchedule, execute_block, validate_header, validate_ommers};
use surety_types::Block;

/// Files, cases, blocks to import, blocks to refuse.
const EXPECTED: (usize, usize, usize, usize) = (174, 399, 815, 168);

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Test {
    network: String,
    #[serde(rename = "genesisRLP")]
    genesis_rlp: Bytes,
    blocks: Vec<TestBlock>,
    lastblockhash: B256,
    pre: BTreeMap<Address, TestAccount>,
    post_state: Option<BTreeMap<Address, TestAccount>>,
    post_state_hash: Option<B256>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct TestBlock {
    rlp: Bytes,
    expect_exception: Option<String>,
}

fn fork(network: &str) -> EthereumHardfork {
    match network {
        "Cancun" => EthereumHardfork::Cancun,
        "Prague" => EthereumHardfork::Prague,
        "Shanghai" => EthereumHardfork::Shanghai,
        other => panic!("network {other}: add it here"),
    }
}

/// Blocks by hash, each with the state after it.
struct Tree {
    schedule: ForkSchedule,
    blocks: HashMap<B256, (Block, World)>,
    head: B256,
}

/// Why a block was refused: for one of its transactions, or for anything else.
#[derive(Debug)]
#[allow(dead_code, reason = "shown through Debug")]
enum Refused {
    Transaction(String),
    Block(String),
}

fn block<E: ToString>(error: E) -> Refused {
    Refused::Block(error.to_string())
}

impl Tree {
    fn import(&mut self, mut rlp: &[u8], repair: bool) -> Result<(), Refused> {
        let mut found = Block::decode_rlp(&mut rlp).map_err(block)?;
        if !rlp.is_empty() {
            return Err(block("bytes behind the block"));
        }
        if repair {
            found.header.transactions_root = proofs::calculate_transaction_root(&found.transactions);
        }
        let (parent, state) = self.blocks.get(&found.header.parent_hash).ok_or_else(|| block("unknown parent"))?;
        validate_header(&self.schedule, &parent.header, &found.header).map_err(block)?;
        let mut ancestors = vec![parent.clone()];
        while let Some((ancestor, _)) = self.blocks.get(&ancestors.last().unwrap().header.parent_hash)
            && ancestors.len() < 7
        {
            ancestors.push(ancestor.clone());
        }
        validate_ommers(&self.schedule, &found, &ancestors).map_err(block)?;
        let executed = execute_block(&self.schedule, &found, state, None).map_err(|e| match e {
            BlockError::Transaction { .. } => Refused::Transaction(e.to_string()),
            other => block(other),
        })?;
        let mut state = state.clone();
        state.apply(&executed.changes);
        let root = state.root();
        if root != found.header.state_root {
            return Err(block(format!("state root is {root}, the header has {}", found.header.state_root)));
        }
        let hash = found.hash();
        state.hashes.insert(found.header.number, hash);
        // After the merge the tests extend one chain: what is imported last is the head.
        self.head = hash;
        self.blocks.insert(hash, (found, state));
        Ok(())
    }
}

fn run(test: &Test) -> Result<(usize, usize), String> {
    let genesis = Block::decode_rlp(&mut test.genesis_rlp.as_ref()).map_err(|e| format!("genesis: {e}"))?;
    let mut state = world(&test.pre);
    if state.root() != genesis.header.state_root {
        return Err("genesis state root".into());
    }
    let hash = genesis.hash();
    state.hashes.insert(0, hash);
    let mut tree = Tree {
        schedule: ForkSchedule::since_genesis(1, fork(&test.network)),
        blocks: HashMap::from([(hash, (genesis, state))]),
        head: hash,
    };
    let (mut imported, mut refused) = (0, 0);
    for (i, one) in test.blocks.iter().enumerate() {
        // Headers of blocks with a bad transaction are made as if it were not there: repaired, so that the refusal is
        // for the transaction and not for the root.
        let repair = one.expect_exception.as_ref().is_some_and(|e| e.starts_with("TransactionException"));
        if repair && tree.import(&one.rlp, false).is_ok() {
            return Err(format!("block {i} imported, expected {:?}", one.expect_exception));
        }
        match (tree.import(&one.rlp, repair), &one.expect_exception) {
            (Ok(()), None) => imported += 1,
            (Err(Refused::Transaction(_)), Some(e)) if e.starts_with("TransactionException") => refused += 1,
            (Err(Refused::Block(_)), Some(e)) if e.starts_with("BlockException") => refused += 1,
            (result, expected) => return Err(format!("block {i}: {result:?}, expected {expected:?}")),
        }
    }
    if tree.head != test.lastblockhash {
        return Err(format!("head is {}, expected {}", tree.head, test.lastblockhash));
    }
    let state = &tree.blocks[&tree.head].1;
    if let Some(post) = &test.post_state
        && state.accounts != world(post).accounts
    {
        return Err("post state".into());
    }
    if let Some(root) = test.post_state_hash
        && state.root() != root
    {
        return Err("post state hash".into());
    }
    Ok((imported, refused))
}

#[test]
fn every_block_is_imported_or_refused_as_the_test_says() {
    let Some(folder) = vectors("ethereum-tests/BlockchainTests") else { return };
    let (mut cases, mut imported, mut refused) = (0, 0, 0);
    let mut failures = Vec::new();
    let files = json_files(&folder);
    for file in &files {
        let tests: BTreeMap<String, Test> =
            serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        for (name, test) in tests {
            cases += 1;
            match run(&test) {
                Ok((i, r)) => {
                    imported += i;
                    refused += r;
                }
                Err(e) => failures.push(format!("{name}: {e}")),
            }
        }
    }
    assert!(failures.is_empty(), "{} of {cases} failed:\n{}", failures.len(), failures.join("\n"));
    assert_eq!((files.len(), cases, imported, refused), EXPECTED);
}
