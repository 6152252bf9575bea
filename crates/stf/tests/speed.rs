//! How fast a block of transfers executes, beside raw revm on the same transactions. Prints figures; run it alone:
//! `cargo test --release -p surety-stf --test speed -- --ignored --nocapture`.

mod common;

use alloy_evm::FromRecoveredTx;
use alloy_primitives::{Address, B256, U256};
use common::{Key, World, l2_world, parameters};
use revm::{
    Context, ExecuteCommitEvm, MainBuilder, MainContext,
    context::{BlockEnv, TxEnv},
    database::{CacheDB, EmptyDB},
    primitives::hardfork::SpecId,
    state::AccountInfo,
};
use std::time::{Duration, Instant};
use surety_stf::execute::{
    op::{BlockExecutor, HeaderParts, genesis_block},
    recover,
};
use surety_types::{Header, L1Height, MessageIndex, Milliseconds, Recovered, Transaction, message::L1Info};

/// Transactions in a block. The data footprint (at least 100 bytes × 400 gas each) admits 750 in 30 M gas.
const SENDERS: u64 = 700;
const BLOCKS: u64 = 20;

/// The fastest of some runs.
fn best(mut run: impl FnMut() -> Duration) -> Duration {
    (0..5).map(|_| run()).min().unwrap()
}

fn per_transfer(what: &str, time: Duration, transfers: usize) {
    let each = time / u32::try_from(transfers).unwrap();
    println!("{what:<42} {each:>10.2?} per transfer, {:>9.0}/s", 1.0 / each.as_secs_f64());
}

fn raw(blocks: &[Vec<Recovered<Transaction>>], world: &World, base_fee: u64) -> (Duration, U256) {
    let mut db = CacheDB::new(EmptyDB::new());
    for (address, entry) in &world.accounts {
        let info = AccountInfo { balance: entry.account.balance, nonce: entry.account.nonce, ..Default::default() };
        db.insert_account_info(*address, info);
    }
    let started = Instant::now();
    let mut evm = Context::mainnet()
        .modify_cfg_chained(|cfg| {
            cfg.chain_id = parameters().rollup.get();
            cfg.set_spec_and_mainnet_gas_params(SpecId::OSAKA);
        })
        .with_block(BlockEnv { basefee: base_fee, gas_limit: 30_000_000, ..Default::default() })
        .with_db(db)
        .build_mainnet();
    for tx in blocks.iter().flatten() {
        let Transaction::Eip1559(signed) = tx.inner() else { unreachable!("all are type 2") };
        assert!(evm.transact_commit(TxEnv::from_recovered_tx(signed.tx(), tx.signer())).unwrap().is_success());
    }
    let time = started.elapsed();
    (time, evm.ctx.journaled_state.database.cache.accounts[&target()].info.balance)
}

fn target() -> Address {
    Address::repeat_byte(0x99)
}

#[test]
#[ignore = "prints figures, which mean something in release builds only"]
fn a_block_of_transfers_beside_raw_revm() {
    let keys: Vec<Key> = (0..SENDERS).map(Key::new).collect();
    let funded: Vec<Address> = keys.iter().map(Key::address).collect();
    let mut world = l2_world(&funded);
    let genesis = genesis_block(&parameters(), world.root(), B256::ZERO).header;
    let info = L1Info { base_fee: U256::from(30_000_000_000u64), blob_base_fee: U256::from(7), ..Default::default() };
    let message = info.to_message(MessageIndex::ZERO, L1Height::new(1));
    let parts = HeaderParts {
        context_root: B256::ZERO,
        milliseconds: Milliseconds::new(1),
        beneficiary: Address::repeat_byte(7),
    };

    let signed: Vec<Vec<Transaction>> =
        (0..BLOCKS).map(|nonce| keys.iter().map(|k| k.transfer(nonce, target())).collect()).collect();
    let count = (SENDERS * BLOCKS) as usize;

    let one_thread = best(|| {
        let started = Instant::now();
        for tx in signed.iter().flatten() {
            recover(std::slice::from_ref(tx)).unwrap();
        }
        started.elapsed()
    });
    per_transfer("sender recovery, one at a time", one_thread, count);
    let all_cores = best(|| {
        let started = Instant::now();
        for block in &signed {
            recover(block).unwrap();
        }
        started.elapsed()
    });
    per_transfer("sender recovery, blocks on all cores", all_cores, count);

    let blocks: Vec<Vec<Recovered<Transaction>>> = signed
        .iter()
        .map(|b| b.iter().zip(&funded).map(|(tx, s)| Recovered::new_unchecked(tx.clone(), *s)).collect())
        .collect();
    let (mut raw_balance, mut our_balance) = (U256::ZERO, U256::ZERO);
    let raw_time = best(|| {
        let (time, balance) = raw(&blocks, &world, 1_000_000_000);
        raw_balance = balance;
        time
    });
    per_transfer("raw revm (mainnet rules, one cache)", raw_time, count);

    let start = world.clone();
    let ours = best(|| {
        world = start.clone();
        let mut parent: Header = genesis.clone();
        let mut time = Duration::ZERO;
        for (n, block) in blocks.iter().enumerate() {
            let messages = if n == 0 { std::slice::from_ref(&message) } else { &[] };
            let started = Instant::now();
            let hash = parent.hash_slow();
            let mut executor = BlockExecutor::new(&parameters(), &parent, hash, parts, messages, &world).unwrap();
            for tx in block {
                assert!(executor.push(tx.clone()).unwrap().success);
            }
            let executed = executor.finish().unwrap();
            time += started.elapsed();
            parent = executed.header.clone();
            world.apply(&executed.changes);
        }
        our_balance = world.accounts[&target()].account.balance;
        time
    });
    per_transfer("L2 block executor (data fee, receipts)", ours, count);
    println!("L2 block executor ÷ raw revm: {:.2}", ours.as_secs_f64() / raw_time.as_secs_f64());
    assert_eq!(raw_balance, our_balance);
    assert_eq!(our_balance, U256::from(count));
}
