//! A small L2 chain in a temporary store, for tests and simulations.

use super::{Blocks, Inbox};
use alloy_consensus::{Signed, TxEip1559, constants::EMPTY_ROOT_HASH};
use alloy_primitives::{Address, B256, TxKind, U256, keccak256};
use surety_contracts::genesis::L2Genesis;
use surety_state::{CacheSizes, Config, Genesis, Store};
use surety_stf::execute::op::genesis_block;
use surety_types::{
    Account, AccountChange, ChainParameters, Gas, L1Height, Message, MessageIndex, MessageKind, Milliseconds,
    Recovered, Seconds, StateChanges, Transaction, predeploys,
};

/// L2 genesis, in Unix seconds: early, since virtual clocks begin at zero.
pub const GENESIS_TIME: u64 = 1_000;
/// By when L1 wants a message consumed.
pub const FORCE_DELAY: Seconds = Seconds::new(30);

/// The constants of the chain.
pub fn parameters() -> ChainParameters {
    ChainParameters {
        rollup: crate::consensus::testing::ROLLUP,
        genesis_time: Seconds::new(GENESIS_TIME),
        genesis_hash: Default::default(),
        block_time: Milliseconds::new(200),
        gas_limit: Gas::new(30_000_000),
        base_fee_denominator: 50,
        base_fee_elasticity: 6,
        min_base_fee: 0,
        l1_base_fee_scalar: 0,
        l1_blob_base_fee_scalar: 0,
        da_footprint_gas_scalar: 0,
    }
}

/// The chain's real genesis accounts.
fn alloc() -> StateChanges {
    let mut changes = StateChanges::default();
    for (address, account) in L2Genesis::new(crate::consensus::testing::ROLLUP.get()).alloc().unwrap() {
        let code = account.code.unwrap_or_default();
        let code_hash = keccak256(&code);
        let storage = account.storage.unwrap_or_default();
        changes.code.insert(code_hash, code);
        changes.accounts.insert(
            address,
            AccountChange {
                account: Some(Account {
                    nonce: account.nonce.unwrap_or_default(),
                    balance: account.balance,
                    code_hash,
                }),
                storage_wiped: false,
                storage: storage.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
            },
        );
    }
    changes
}

/// Roots of state and message passer, which take a while: once for all tests.
fn roots() -> (B256, B256) {
    static ROOTS: std::sync::OnceLock<(B256, B256)> = std::sync::OnceLock::new();
    *ROOTS.get_or_init(|| {
        let empty = genesis_block(&parameters(), EMPTY_ROOT_HASH, EMPTY_ROOT_HASH);
        let genesis = Genesis { header: empty.header, alloc: StateChanges::default() };
        let view = Store::open(None, config(), genesis).unwrap().latest().unwrap();
        let roots = view.root(&alloc()).unwrap();
        (roots.state_root, view.storage_root_after(&roots, predeploys::L2_TO_L1_MESSAGE_PASSER).unwrap())
    })
}

fn config() -> Config {
    let caches = CacheSizes { accounts: 100, slots: 100, codes: 100, nodes: 1_000, block_bytes: 1 << 20 };
    Config { max_bytes: 1 << 28, caches, ..Config::default() }
}

/// A chain at genesis, where nobody has ether: it comes by messages.
pub fn chain(path: Option<&std::path::Path>) -> Blocks {
    chain_with(path, parameters())
}

/// As [`chain`], with other constants. Nobody has ether: it comes by messages.
pub fn chain_with(path: Option<&std::path::Path>, mut parameters: ChainParameters) -> Blocks {
    let (state, passer) = roots();
    let genesis = genesis_block(&parameters, state, passer);
    parameters.genesis_hash = genesis.hash();
    let store = Store::open(path, config(), Genesis { header: genesis.header, alloc: alloc() }).unwrap();
    Blocks::new(store, parameters, Inbox::new(MessageIndex::ZERO), FORCE_DELAY)
}

/// A deposit of one ether to an address.
pub fn deposit(index: u64, to: Address, gas: u64) -> Message {
    let ether = U256::from(10).pow(U256::from(18));
    Message {
        kind: MessageKind::Deposit,
        index: MessageIndex::new(index),
        l1_block: L1Height::new(1),
        l1_time: Seconds::new(GENESIS_TIME),
        sender: to,
        to,
        value: U256::ZERO,
        mint: ether,
        gas: Gas::new(gas),
        data: Default::default(),
    }
}

/// The address of a test account.
pub fn account(seed: u8) -> Address {
    surety_types::signing::vote_address(&key(seed))
}

fn key(seed: u8) -> k256::ecdsa::SigningKey {
    let mut bytes = [seed; 32];
    bytes[0] = 1;
    k256::ecdsa::SigningKey::from_slice(&bytes).unwrap()
}

/// A signed transfer of one wei.
pub fn transfer(seed: u8, nonce: u64, tip: u128) -> Recovered<Transaction> {
    transaction(
        seed,
        TxEip1559 {
            chain_id: crate::consensus::testing::ROLLUP.get(),
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: 10_000_000_000,
            max_priority_fee_per_gas: tip,
            to: TxKind::Call(Address::repeat_byte(0xaa)),
            value: U256::from(1),
            ..Default::default()
        },
    )
}

/// Signs any transaction.
pub fn transaction(seed: u8, tx: TxEip1559) -> Recovered<Transaction> {
    use alloy_consensus::SignableTransaction;
    let (signature, recovery) = key(seed).sign_prehash_recoverable(tx.signature_hash().as_slice()).unwrap();
    let signed: Signed<TxEip1559> = tx.into_signed((signature, recovery).into());
    Recovered::new_unchecked(Transaction::Eip1559(signed), account(seed))
}
