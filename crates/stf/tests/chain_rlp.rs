//! The chain of the execution-apis suite, Frontier to Osaka with both blob parameter forks, imported to its head: every
//! state root and receipts root is checked. Proof-of-work seals are not.

mod common;

use alloy_genesis::Genesis;
use alloy_primitives::B256;
use common::{genesis_state, vectors};
use surety_stf::execute::ethereum::{ForkSchedule, execute_block, validate_header, validate_ommers};
use surety_types::{Block, StateChanges};

/// Blocks, and the transactions in them.
const EXPECTED: (usize, usize) = (54, 249);

#[test]
fn the_chain_of_all_forks_is_imported_to_its_head() {
    let Some(folder) = vectors("execution-apis/tests") else { return };
    let genesis: Genesis = serde_json::from_slice(&std::fs::read(folder.join("genesis.json")).unwrap()).unwrap();
    let head: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join("headfcu.json")).unwrap()).unwrap();
    let head: B256 = head["params"][0]["headBlockHash"].as_str().unwrap().parse().unwrap();
    let schedule = ForkSchedule::from_config(&genesis.config).unwrap();
    let bytes = std::fs::read(folder.join("chain.rlp")).unwrap();

    let mut world = genesis_state(&genesis);
    let mut rest = bytes.as_slice();
    let mut chain: Vec<Block> = Vec::new();
    let mut transactions = 0;
    while !rest.is_empty() {
        let block = Block::decode_rlp(&mut rest).unwrap();
        let number = block.header.number;
        if let Some(parent) = chain.last() {
            validate_header(&schedule, &parent.header, &block.header).unwrap_or_else(|e| panic!("block {number}: {e}"));
            let ancestors: Vec<Block> = chain.iter().rev().take(7).cloned().collect();
            validate_ommers(&schedule, &block, &ancestors).unwrap_or_else(|e| panic!("block {number}: {e}"));
        } else {
            assert_eq!(number, 1);
            let parent = surety_types::Header {
                state_root: world.root(),
                difficulty: genesis.difficulty,
                gas_limit: genesis.gas_limit,
                extra_data: genesis.extra_data.clone(),
                timestamp: genesis.timestamp,
                transactions_root: alloy_trie::EMPTY_ROOT_HASH,
                receipts_root: alloy_trie::EMPTY_ROOT_HASH,
                ..Default::default()
            };
            world.hashes.insert(0, parent.hash_slow());
            validate_header(&schedule, &parent, &block.header).unwrap_or_else(|e| panic!("block {number}: {e}"));
        }
        let before = world.clone();
        let mut root = |changes: &StateChanges| {
            let mut world = before.clone();
            world.apply(changes);
            world.root()
        };
        let executed =
            execute_block(&schedule, &block, &world, Some(&mut root)).unwrap_or_else(|e| panic!("block {number}: {e}"));
        world.apply(&executed.changes);
        assert_eq!(world.root(), block.header.state_root, "state root of block {number}");
        world.hashes.insert(number, block.hash());
        transactions += block.transactions.len();
        chain.push(block);
    }
    assert_eq!((chain.len(), transactions), EXPECTED);
    assert_eq!(chain.last().unwrap().hash(), head);
}
