//! How fast a follower imports batches, beside raw revm on the same transactions: decode, derive, recover senders, execute,
//! compute the roots, commit with a sync. Not criterion: a commit cannot be repeated. Run with `cargo bench -p surety-node`;
//! `SENDERS` (transfers in a block) and `BLOCKS` set the size. The parts are measured side by side in one run, and the
//! ratios are what carries over to another machine.

use alloy_consensus::{SignableTransaction, Signed, TxEip1559, constants::EMPTY_ROOT_HASH};
use alloy_evm::FromRecoveredTx;
use alloy_primitives::{Address, KECCAK256_EMPTY, TxKind, U256, keccak256};
use k256::ecdsa::SigningKey;
use revm::{
    Context, ExecuteCommitEvm, MainBuilder, MainContext,
    context::{BlockEnv, TxEnv},
    database::{CacheDB, EmptyDB},
    primitives::hardfork::SpecId,
    state::AccountInfo,
};
use std::{
    env,
    sync::Arc,
    time::{Duration, Instant},
};
use surety_contracts::{Parameters, Profile, genesis::L2Genesis};
use surety_node::{
    builder::{Blocks, Inbox},
    follower::{Chain, DerivedBatch},
    genesis,
    poster::{Form, Proposal, TermNow},
};
use surety_state::{Config, Genesis, Store};
use surety_stf::execute::{op::genesis_block, recover};
use surety_types::{
    Account, AccountChange, ChainParameters, ConsensusContext, L2Height, MessageIndex, Milliseconds, Recovered,
    RollupId, Seconds, StateChanges, Term, Transaction, View, predeploys, signing::vote_address,
};

const ROLLUP: u64 = 75_873;
/// Batches end after two seconds of chain.
const AGE: Milliseconds = Milliseconds::new(2_000);

fn number(name: &str, default: u64) -> u64 {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn parameters() -> ChainParameters {
    Parameters::of(Profile::Dev, ROLLUP).chain(Seconds::new(1_000))
}

fn key(n: u64) -> SigningKey {
    SigningKey::from_slice(keccak256(n.to_be_bytes()).as_slice()).expect("a hash is a key")
}

fn transfer(key: &SigningKey, nonce: u64) -> Transaction {
    let tx = TxEip1559 {
        chain_id: ROLLUP,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(Address::repeat_byte(0xaa)),
        value: U256::from(1),
        ..Default::default()
    };
    let signature = key.sign_prehash_recoverable(tx.signature_hash().as_slice()).expect("keys sign");
    let signed: Signed<TxEip1559> = tx.into_signed(signature.into());
    Transaction::Eip1559(signed)
}

/// The chain's real genesis and accounts with ether.
fn funded(parameters: &ChainParameters, accounts: &[Address]) -> StateChanges {
    let mut alloc = genesis::make(parameters, &L2Genesis::new(ROLLUP)).expect("genesis").alloc;
    for address in accounts {
        let account = Account { nonce: 0, balance: U256::from(10).pow(U256::from(20)), code_hash: KECCAK256_EMPTY };
        alloc.accounts.insert(*address, AccountChange { account: Some(account), ..AccountChange::default() });
    }
    alloc
}

fn open(path: &std::path::Path, parameters: &mut ChainParameters, alloc: &StateChanges) -> Store {
    let empty = genesis_block(parameters, EMPTY_ROOT_HASH, EMPTY_ROOT_HASH);
    let scratch = Genesis { header: empty.header, alloc: StateChanges::default() };
    let view = Store::open(None, Config::default(), scratch).expect("a store").latest().expect("a view");
    let roots = view.root(alloc).expect("a root");
    let passer = view.storage_root_after(&roots, predeploys::L2_TO_L1_MESSAGE_PASSER).expect("a root");
    let block = genesis_block(parameters, roots.state_root, passer);
    parameters.genesis_hash = block.hash();
    Store::open(Some(path), Config::default(), Genesis { header: block.header, alloc: alloc.clone() }).expect("a store")
}

/// The seats' side: final blocks of transfers, in a store of their own.
fn produce(blocks: &Blocks, lists: &[Vec<Recovered<Transaction>>]) {
    let mut time = 1_000 * 1_000;
    for (n, list) in (1u64..).zip(lists) {
        let parent = blocks.parent(blocks.store().head().hash).expect("a read").expect("a parent");
        time += 200;
        let context = ConsensusContext {
            rollup: RollupId::new(ROLLUP),
            term: Term::new(1),
            view: View::new(n),
            parent_view: View::new(n - 1),
            milliseconds: Milliseconds::new(time),
        };
        let mut draft = blocks.begin(&parent, context, Address::repeat_byte(0xbe)).expect("a draft");
        for tx in list {
            draft.push(tx.clone()).expect("a transfer that can be executed");
        }
        let sealed = blocks.seal(draft).expect("a block");
        blocks.store().set_head(sealed.hash()).expect("a head");
        blocks.store().commit(sealed.hash()).expect("a commit");
    }
}

fn raw_revm(lists: &[Vec<Recovered<Transaction>>]) -> Duration {
    let mut db = CacheDB::new(EmptyDB::new());
    for tx in lists.iter().flatten() {
        let info = AccountInfo { balance: U256::from(10).pow(U256::from(20)), ..Default::default() };
        db.insert_account_info(tx.signer(), info);
    }
    let started = Instant::now();
    let mut evm = Context::mainnet()
        .modify_cfg_chained(|cfg| {
            cfg.chain_id = ROLLUP;
            cfg.set_spec_and_mainnet_gas_params(SpecId::OSAKA);
        })
        .with_block(BlockEnv { basefee: 1_000_000, gas_limit: 30_000_000, ..Default::default() })
        .with_db(db)
        .build_mainnet();
    for tx in lists.iter().flatten() {
        let Transaction::Eip1559(signed) = tx.inner() else { unreachable!("all are type 2") };
        assert!(evm.transact_commit(TxEnv::from_recovered_tx(signed.tx(), tx.signer())).expect("it runs").is_success());
    }
    started.elapsed()
}

fn report(what: &str, time: Duration, transfers: usize) {
    let each = time / u32::try_from(transfers).expect("not so many");
    println!("{what:<52} {each:>10.2?} per transfer, {:>9.0}/s", 1.0 / each.as_secs_f64());
}

fn main() {
    let (senders, blocks) = (number("SENDERS", 200), number("BLOCKS", 101));
    let keys: Vec<SigningKey> = (0..senders).map(key).collect();
    let addresses: Vec<Address> = keys.iter().map(vote_address).collect();
    let lists: Vec<Vec<Recovered<Transaction>>> = (0..blocks)
        .map(|nonce| {
            let signed = keys.iter().map(|key| transfer(key, nonce));
            signed.zip(&addresses).map(|(tx, from)| Recovered::new_unchecked(tx, *from)).collect()
        })
        .collect();
    let mut parameters = parameters();
    let alloc = funded(&parameters, &addresses);
    let folders = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let ours = open(folders.0.path(), &mut parameters, &alloc);
    let theirs = open(folders.1.path(), &mut parameters, &alloc);
    let seat = Blocks::new(ours, parameters.clone(), Inbox::new(MessageIndex::ZERO), Seconds::new(30));
    let started = Instant::now();
    produce(&seat, &lists);
    let produced = started.elapsed();

    // The batches of the chain, as the seats would post them, imported one after the other.
    let parameters = Arc::new(parameters);
    let chain = Chain::new(seat.store().clone(), parameters.clone());
    let follower = Chain::new(theirs, parameters.clone());
    let mut tip = DerivedBatch::genesis(parameters.rollup, parameters.genesis_hash);
    let term = TermNow { term: Term::new(1), genesis: parameters.genesis_hash };
    let (mut decoding, mut importing, mut bytes) = (Duration::ZERO, Duration::ZERO, 0);
    while let Some(proposal) =
        Proposal::make(&chain, &tip, term, (AGE, L2Height::new(blocks)), Form::Blobs, |_, _| true).expect("a proposal")
    {
        let data = proposal.form.data(&proposal.payload).expect("blobs");
        bytes += proposal.payload.len();
        let started = Instant::now();
        data.decode(parameters.rollup).expect("what was encoded decodes");
        decoding += started.elapsed();
        let started = Instant::now();
        let outcome = follower.apply(&tip, &proposal.statement, &data, vec![], &|| false).expect("an import");
        importing += started.elapsed();
        assert!(outcome.mismatches.is_empty() && outcome.refusal.is_none() && outcome.invalid.is_empty());
        tip.claim.prev_hash = proposal.statement.prevHash;
        tip.last = L2Height::new(proposal.statement.lastHeight);
        tip.last_hash = outcome.last_hash;
    }
    let imported = usize::try_from(tip.last.get()).expect("not so many");
    assert!(imported > 0, "no whole batch: more BLOCKS");
    let lists = &lists[..imported];
    let count = lists.iter().map(Vec::len).sum();

    let raw = (0..5).map(|_| raw_revm(lists)).min().expect("five runs");
    let plain: Vec<Vec<Transaction>> = lists.iter().map(|l| l.iter().map(|tx| tx.inner().clone()).collect()).collect();
    let started = Instant::now();
    for list in &plain {
        recover(list).expect("all are signed");
    }
    let recovering = started.elapsed();
    println!("{count} transfers in {imported} blocks, {:.1} bytes each in the data", bytes as f64 / count as f64);
    report("making blocks (seat: execute, root, synced commit)", produced, lists.len() * keys.len());
    report("decoding the data", decoding, count);
    report("sender recovery alone, on all cores", recovering, count);
    report("import (decode, derive, recover, execute, commit)", importing, count);
    report("raw revm in memory, senders known", raw, count);
    let ratio = |limit: Duration| limit.as_secs_f64() / importing.as_secs_f64();
    println!("import speed ÷ raw revm: {:.3}", ratio(raw));
    println!("import speed ÷ (raw revm + recovery): {:.3}", ratio(raw + recovering));
}
