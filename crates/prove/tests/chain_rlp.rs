//! The lists of L1's blocks, Frontier to Osaka, as lists of L2: what L2's rules admit of each block of the execution-apis
//! suite's chain is executed on the state that it was made for, natively and by the compiled program.

mod support;

use alloy_genesis::Genesis;
use alloy_primitives::{Address, B256};
use support::{
    common::{
        World,
        chain::{Chain, Form},
        genesis_state, l2_world, parameters, vectors,
    },
    judge,
};
use surety_stf::execute::{
    ethereum::{ForkSchedule, execute_block},
    op::{BlockExecutor, HeaderParts},
    recover::recover,
};
use surety_types::{Block, ChainParameters, Milliseconds, Recovered, RollupId, StateChanges, Transaction};

/// Blocks with something that L2 admits, of 54, and how many transactions those are, of 249: the others have blobs, or ask for more
/// gas than a transaction may since Osaka, or follow one of these in their sender's order.
const EXPECTED: (usize, usize) = (51, 195);

/// The transactions that a block of L2 takes here, in order.
fn admitted(chain: &Chain, list: Vec<Transaction>) -> Vec<Transaction> {
    let time = Milliseconds::new(chain.head.timestamp * 1000 + 200);
    let parts = HeaderParts { context_root: B256::ZERO, milliseconds: time, beneficiary: Address::repeat_byte(1) };
    let hash = chain.head.hash_slow();
    let mut executor = BlockExecutor::new(&chain.parameters, &chain.head, hash, parts, &[], &chain.world).unwrap();
    list.into_iter()
        .filter(|tx| {
            let Ok(senders) = recover(std::slice::from_ref(tx)) else { return false };
            executor.push(Recovered::new_unchecked(tx.clone(), senders[0])).is_ok()
        })
        .collect()
}

#[test]
fn what_l2_admits_of_l1s_blocks_is_executed_alike() {
    let Some(folder) = vectors("execution-apis/tests") else { return };
    let genesis: Genesis = serde_json::from_slice(&std::fs::read(folder.join("genesis.json")).unwrap()).unwrap();
    let schedule = ForkSchedule::from_config(&genesis.config).unwrap();
    let bytes = std::fs::read(folder.join("chain.rlp")).unwrap();
    // Fees as low as that chain's.
    let parameters =
        ChainParameters { rollup: RollupId::new(genesis.config.chain_id), min_base_fee: 0, ..parameters() };
    let mut world = genesis_state(&genesis);
    let mut rest = bytes.as_slice();
    let (mut blocks, mut transactions) = (0, 0);
    while !rest.is_empty() {
        let block = Block::decode_rlp(&mut rest).unwrap();
        let mut state: World = world.clone();
        for (address, entry) in l2_world(&[]).accounts {
            state.accounts.entry(address).or_insert(entry);
        }
        state.code.extend(l2_world(&[]).code);
        let mut chain = Chain::with(parameters.clone(), state).with_base_fee(0);
        let list = admitted(&chain, block.transactions.clone());
        if !list.is_empty() {
            transactions += list.len();
            blocks += 1;
            let row = chain.row(1, 0, list);
            let judged = chain.post(&[row], vec![], Form::Calldata, None).remove(0);
            assert!(!judged.invalid, "block {}", block.header.number);
            judge(&judged);
        }
        let before = world.clone();
        let mut root = |changes: &StateChanges| {
            let mut world = before.clone();
            world.apply(changes);
            world.root()
        };
        let executed = execute_block(&schedule, &block, &world, Some(&mut root)).unwrap();
        world.apply(&executed.changes);
        world.hashes.insert(block.header.number, block.hash());
    }
    assert_eq!((blocks, transactions), EXPECTED);
}
