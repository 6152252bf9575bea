//! The first block of an L2 chain, made from its parameters and the committed predeploys.
//!
//! Every node makes it for itself: the chain file names only its hash, and [`genesis`] refuses to go on if what it made
//! has another one.

use alloy_primitives::{B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount, root};
use std::collections::BTreeMap;
use surety_contracts::genesis::{L2Genesis, preinstalls::PreinstallError};
use surety_state::Genesis;
use surety_stf::execute::op;
use surety_types::{Account, AccountChange, ChainParameters, StateChanges, predeploys};

/// Why there is no genesis block.
#[derive(Debug, thiserror::Error)]
pub enum GenesisError {
    /// The build is broken.
    #[error(transparent)]
    Preinstall(#[from] PreinstallError),
    /// The chain file and this software disagree.
    #[error("this software makes genesis {made}, the chain file names {named}: use the release that made the chain")]
    OtherHash {
        /// What was made.
        made: B256,
        /// What the chain file says.
        named: B256,
    },
}

/// All accounts of genesis, as changes to nothing.
fn alloc(accounts: &L2Genesis) -> Result<StateChanges, PreinstallError> {
    let mut changes = StateChanges::default();
    for (address, account) in accounts.alloc()? {
        let code = account.code.unwrap_or_default();
        let code_hash = if code.is_empty() { KECCAK256_EMPTY } else { keccak256(&code) };
        let storage = account.storage.unwrap_or_default();
        let change = AccountChange {
            account: Some(Account { nonce: account.nonce.unwrap_or_default(), balance: account.balance, code_hash }),
            storage_wiped: false,
            storage: storage.into_iter().map(|(slot, value)| (slot.into(), value.into())).collect(),
        };
        changes.accounts.insert(address, change);
        if !code.is_empty() {
            changes.code.insert(code_hash, Bytes::from(code.to_vec()));
        }
    }
    Ok(changes)
}

fn storage_root(storage: &BTreeMap<U256, U256>) -> B256 {
    root::storage_root_unhashed(storage.iter().map(|(slot, value)| (B256::from(*slot), *value)))
}

/// Makes the genesis block of a chain, whatever hash the parameters name.
///
/// # Errors
/// Only if a pre-install that is compiled in is damaged.
pub fn make(parameters: &ChainParameters, accounts: &L2Genesis) -> Result<Genesis, PreinstallError> {
    Ok(with(parameters, alloc(accounts)?))
}

/// Makes the genesis block of a chain that begins with these accounts.
pub(crate) fn with(parameters: &ChainParameters, alloc: StateChanges) -> Genesis {
    let trie_accounts = alloc.accounts.iter().filter_map(|(address, change)| {
        let Account { nonce, balance, code_hash } = change.account?;
        Some((*address, TrieAccount { nonce, balance, storage_root: storage_root(&change.storage), code_hash }))
    });
    let state_root = root::state_root_unhashed(trie_accounts);
    let passer = alloc.accounts.get(&predeploys::L2_TO_L1_MESSAGE_PASSER);
    let passer_root = passer.map_or(EMPTY_ROOT_HASH, |change| storage_root(&change.storage));
    let header = op::genesis_block(parameters, state_root, passer_root).header;
    Genesis { header, alloc }
}

/// Makes the genesis block of a chain and compares it with the hash that the parameters name.
///
/// # Errors
/// See [`GenesisError`].
pub fn genesis(parameters: &ChainParameters, accounts: &L2Genesis) -> Result<Genesis, GenesisError> {
    let genesis = make(parameters, accounts)?;
    let made = genesis.header.hash_slow();
    if made != parameters.genesis_hash {
        return Err(GenesisError::OtherHash { made, named: parameters.genesis_hash });
    }
    Ok(genesis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use surety_state::{Config, Store};
    use surety_types::{Gas, Milliseconds, RollupId, Seconds};

    fn parameters() -> ChainParameters {
        ChainParameters {
            rollup: RollupId::new(75_873),
            genesis_time: Seconds::new(1_800_000_000),
            genesis_hash: B256::ZERO,
            block_time: Milliseconds::new(200),
            gas_limit: Gas::new(30_000_000),
            base_fee_denominator: 250,
            base_fee_elasticity: 6,
            min_base_fee: 1,
            l1_base_fee_scalar: 1_000_000,
            l1_blob_base_fee_scalar: 1_000_000,
            da_footprint_gas_scalar: 1,
        }
    }

    #[test]
    fn a_store_takes_what_was_made() {
        let genesis = make(&parameters(), &L2Genesis::new(75_873)).unwrap();
        let hash = genesis.header.hash_slow();
        let store = Store::open(None, Config::default(), genesis).unwrap();
        assert_eq!(store.head().hash, hash);
    }

    #[test]
    fn another_hash_is_refused() {
        let accounts = L2Genesis::new(75_873);
        assert!(matches!(genesis(&parameters(), &accounts), Err(GenesisError::OtherHash { .. })));
        let genesis_hash = make(&parameters(), &accounts).unwrap().header.hash_slow();
        assert!(genesis(&ChainParameters { genesis_hash, ..parameters() }, &accounts).is_ok());
    }

    #[test]
    fn the_storage_that_l1_is_to_name_counts() {
        let with = L2Genesis { l1_messenger: alloy_primitives::Address::repeat_byte(1), ..L2Genesis::new(75_873) };
        let root = |accounts| make(&parameters(), accounts).unwrap().header.state_root;
        assert_ne!(root(&with), root(&L2Genesis::new(75_873)));
        assert!(Store::open(None, Config::default(), make(&parameters(), &with).unwrap()).is_ok());
    }
}
