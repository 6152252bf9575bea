//! The first state of the embedded L1.
//!
//! Ten accounts of the well-known test mnemonic have [`DEV_BALANCE`] each. There are the system contracts of EIP-4788, 2935, 7002
//! and 7251, and the pre-installs of L2 (CREATE2 deployer, Multicall3 and others; see `surety_contracts::genesis`), at the
//! addresses that they have everywhere.

use super::{Config, NodeError};
use alloy::signers::local::{MnemonicBuilder, PrivateKeySigner, coins_bip39::English};
use alloy_consensus::constants::{EMPTY_OMMER_ROOT_HASH, EMPTY_RECEIPTS, EMPTY_TRANSACTIONS, EMPTY_WITHDRAWALS};
use alloy_eips::{eip2935, eip4788, eip7002, eip7251, eip7685::EMPTY_REQUESTS_HASH};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::{
    TrieAccount,
    root::{state_root_unhashed, storage_root_unhashed},
};
use std::collections::BTreeMap;
use surety_contracts::genesis::preinstalls;
use surety_types::{Account, AccountChange, Header, StateChanges};

/// The test mnemonic that Ethereum's tools share. Never send anything of value to its accounts.
pub const DEV_MNEMONIC: &str = "test test test test test test test test test test test junk";
/// What each dev account has: 10,000 ether.
pub const DEV_BALANCE: U256 = U256::from_limbs([0x19e0_c9ba_b240_0000, 0x21e, 0, 0]);

/// Keys of the ten funded accounts, in order of derivation (`m/44'/60'/0'/0/i`).
///
/// # Errors
/// None in practice: the mnemonic is valid.
pub fn dev_accounts() -> Result<Vec<PrivateKeySigner>, NodeError> {
    (0..10)
        .map(|index| {
            MnemonicBuilder::<English>::default()
                .phrase(DEV_MNEMONIC)
                .index(index)
                .and_then(|builder| builder.build())
                .map_err(|e| NodeError::Genesis(e.to_string()))
        })
        .collect()
}

fn contract(code: &Bytes, nonce: u64, storage: BTreeMap<U256, U256>) -> (AccountChange, B256) {
    let code_hash = keccak256(code);
    let account = Account { nonce, balance: U256::ZERO, code_hash };
    (AccountChange { account: Some(account), storage_wiped: false, storage }, code_hash)
}

/// Every account of the genesis.
fn alloc(chain_id: u64) -> Result<StateChanges, NodeError> {
    let mut alloc = StateChanges::default();
    for key in dev_accounts()? {
        let account = Account { balance: DEV_BALANCE, ..Default::default() };
        alloc.accounts.insert(key.address(), AccountChange { account: Some(account), ..Default::default() });
    }
    let mut add = |address: Address, code: Bytes, nonce, storage| {
        let (change, hash) = contract(&code, nonce, storage);
        alloc.accounts.insert(address, change);
        alloc.code.insert(hash, code);
    };
    for (address, code) in [
        (eip4788::BEACON_ROOTS_ADDRESS, &eip4788::BEACON_ROOTS_CODE),
        (eip2935::HISTORY_STORAGE_ADDRESS, &eip2935::HISTORY_STORAGE_CODE),
        (eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, &eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_CODE),
        (eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, &eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_CODE),
    ] {
        add(address, code.clone(), 1, BTreeMap::new());
    }
    let broken = |e: preinstalls::PreinstallError| NodeError::Genesis(e.to_string());
    for preinstall in preinstalls::all().map_err(broken)? {
        let storage = preinstall.storage.iter().map(|(slot, value)| ((*slot).into(), (*value).into())).collect();
        add(preinstall.address, preinstall.code(chain_id).map_err(broken)?, preinstall.nonce, storage);
    }
    Ok(alloc)
}

fn state_root(alloc: &StateChanges) -> B256 {
    state_root_unhashed(alloc.accounts.iter().filter_map(|(address, change)| {
        let Account { nonce, balance, code_hash } = change.account?;
        let storage = change.storage.iter().map(|(slot, value)| (B256::from(*slot), *value));
        Some((*address, TrieAccount::new(nonce, balance, storage_root_unhashed(storage), code_hash)))
    }))
}

/// The genesis block and state at a time.
pub(super) fn genesis(config: &Config, time: u64) -> Result<surety_state::Genesis, NodeError> {
    let alloc = alloc(config.chain_id)?;
    let header = Header {
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        state_root: state_root(&alloc),
        transactions_root: EMPTY_TRANSACTIONS,
        receipts_root: EMPTY_RECEIPTS,
        gas_limit: config.gas_limit,
        timestamp: time,
        extra_data: Bytes::from_static(b"surety embedded L1"),
        base_fee_per_gas: Some(1_000_000_000),
        withdrawals_root: Some(EMPTY_WITHDRAWALS),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        ..Default::default()
    };
    Ok(surety_state::Genesis { header, alloc })
}
