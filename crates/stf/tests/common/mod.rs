//! A state in memory with plain roots, and the small L2 that tests run on.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test binary uses a part")]

pub mod chain;

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, TxKind, U256, hex, keccak256};
use alloy_rlp::Encodable;
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, Nibbles, TrieAccount};
use std::{collections::BTreeMap, convert::Infallible};
use surety_stf::StateReader;
use surety_types::{
    Account, ChainParameters, Gas, Milliseconds, RollupId, Seconds, StateChanges, Transaction, predeploys,
};

/// One account with everything in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    pub account: Account,
    pub storage: BTreeMap<U256, U256>,
}

/// A whole state in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct World {
    pub accounts: BTreeMap<Address, Entry>,
    pub code: BTreeMap<B256, Bytes>,
    pub hashes: BTreeMap<u64, B256>,
}

fn secure_root(leaves: impl IntoIterator<Item = (B256, Vec<u8>)>) -> B256 {
    let sorted: BTreeMap<B256, Vec<u8>> = leaves.into_iter().collect();
    let mut builder = HashBuilder::default();
    for (key, value) in sorted {
        builder.add_leaf(Nibbles::unpack(key), &value);
    }
    builder.root()
}

impl World {
    pub fn put(&mut self, address: Address, balance: U256, nonce: u64, code: Bytes) {
        let code_hash = keccak256(&code);
        if code_hash != KECCAK256_EMPTY {
            self.code.insert(code_hash, code);
        }
        self.accounts.entry(address).or_default().account = Account { nonce, balance, code_hash };
    }

    pub fn set(&mut self, address: Address, slot: U256, value: U256) {
        let storage = &mut self.accounts.entry(address).or_default().storage;
        if value.is_zero() {
            storage.remove(&slot);
        } else {
            storage.insert(slot, value);
        }
    }

    pub fn apply(&mut self, changes: &StateChanges) {
        for (address, change) in &changes.accounts {
            let Some(account) = change.account else {
                self.accounts.remove(address);
                continue;
            };
            let entry = self.accounts.entry(*address).or_default();
            entry.account = account;
            if change.storage_wiped {
                entry.storage.clear();
            }
            for (slot, value) in &change.storage {
                self.set(*address, *slot, *value);
            }
        }
        self.code.extend(changes.code.clone());
    }

    pub fn storage_root(&self, address: Address) -> B256 {
        self.accounts.get(&address).map_or(EMPTY_ROOT_HASH, |entry| {
            secure_root(entry.storage.iter().map(|(k, v)| (keccak256(k.to_be_bytes::<32>()), alloy_rlp::encode(v))))
        })
    }

    pub fn root(&self) -> B256 {
        secure_root(self.accounts.iter().map(|(address, entry)| {
            let account = TrieAccount {
                nonce: entry.account.nonce,
                balance: entry.account.balance,
                storage_root: self.storage_root(*address),
                code_hash: entry.account.code_hash,
            };
            let mut value = Vec::new();
            account.encode(&mut value);
            (keccak256(address), value)
        }))
    }
}

impl StateReader for World {
    type Error = Infallible;

    fn account(&self, address: Address) -> Result<Option<Account>, Infallible> {
        Ok(self.accounts.get(&address).map(|e| e.account))
    }
    fn storage(&self, address: Address, slot: U256) -> Result<U256, Infallible> {
        Ok(self.accounts.get(&address).and_then(|e| e.storage.get(&slot).copied()).unwrap_or_default())
    }
    fn code(&self, hash: B256) -> Result<Bytes, Infallible> {
        Ok(self.code.get(&hash).cloned().unwrap_or_default())
    }
    fn block_hash(&self, number: u64) -> Result<B256, Infallible> {
        Ok(self.hashes.get(&number).copied().unwrap_or_default())
    }
}

/// Parameters of the small L2.
pub fn parameters() -> ChainParameters {
    ChainParameters {
        rollup: RollupId::new(75873),
        genesis_time: Seconds::new(1_700_000_000),
        genesis_hash: B256::ZERO,
        block_time: Milliseconds::new(200),
        gas_limit: Gas::new(30_000_000),
        base_fee_denominator: 250,
        base_fee_elasticity: 6,
        min_base_fee: 1_000_000,
        l1_base_fee_scalar: 5227,
        l1_blob_base_fee_scalar: 1_014_213,
        da_footprint_gas_scalar: 400,
    }
}

/// The code of one of the project's contracts as it stands on the chain.
fn artifact(json: &str) -> Bytes {
    let artifact: serde_json::Value = serde_json::from_str(json).unwrap();
    artifact["deployedBytecode"].as_str().unwrap().parse().unwrap()
}

/// The small L2's genesis state: the project's `L1Block` and `L1FeeVault`, the EIP-2935 and EIP-4788 contracts, and funded accounts (real chains have
/// none).
pub fn l2_world(funded: &[Address]) -> World {
    let mut world = World::default();
    let l1_block = artifact(include_str!("../../../../contracts/artifacts/L1Block.json"));
    world.put(predeploys::L1_BLOCK, U256::ZERO, 1, l1_block);
    let vault = artifact(include_str!("../../../../contracts/artifacts/L1FeeVault.json"));
    world.put(predeploys::L1_FEE_VAULT, U256::ZERO, 1, vault);
    world.put(
        alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS,
        U256::ZERO,
        1,
        alloy_eips::eip2935::HISTORY_STORAGE_CODE.clone(),
    );
    world.put(alloy_eips::eip4788::BEACON_ROOTS_ADDRESS, U256::ZERO, 1, alloy_eips::eip4788::BEACON_ROOTS_CODE.clone());
    for address in funded {
        world.put(*address, U256::from(10).pow(U256::from(20)), 0, Bytes::new());
    }
    world
}

pub const TOKEN: Address = Address::repeat_byte(0x70);

/// A token's `transfer(address,uint256)` and nothing else: balances in `keccak256(owner ‖ 0)`, the event, `true`.
pub const TOKEN_CODE: [u8; 116] = hex!(
    "5f3560e01c63a9059cbb146011575f5ffd5b335f525f60205260405f2080546024358181116070579081900382556004355f5260405f208054820190555f52600435337f"
    "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
    "60205fa360015f5260205ff35b5f5ffd"
);

/// A key for tests, its address, and what it signs.
#[derive(Debug, Clone)]
pub struct Key(k256::ecdsa::SigningKey);

impl Key {
    pub fn new(seed: u64) -> Self {
        let secret = keccak256(seed.to_be_bytes());
        Self(k256::ecdsa::SigningKey::from_slice(secret.as_slice()).unwrap())
    }

    pub fn address(&self) -> Address {
        Address::from_private_key(&self.0)
    }

    pub fn sign<T: SignableTransaction<alloy_primitives::Signature>>(&self, tx: T) -> alloy_consensus::Signed<T> {
        let hash = tx.signature_hash();
        let (signature, recovery) = self.0.sign_prehash_recoverable(hash.as_slice()).unwrap();
        tx.into_signed(alloy_primitives::Signature::from((signature, recovery)))
    }

    pub fn sign_authorization(
        &self,
        authorization: alloy_eips::eip7702::Authorization,
    ) -> alloy_eips::eip7702::SignedAuthorization {
        let hash = authorization.signature_hash();
        let (signature, recovery) = self.0.sign_prehash_recoverable(hash.as_slice()).unwrap();
        authorization.into_signed(alloy_primitives::Signature::from((signature, recovery)))
    }

    pub fn call(&self, chain: u64, nonce: u64, to: Address, value: U256, gas: u64, input: Bytes) -> Transaction {
        Transaction::Eip1559(self.sign(TxEip1559 {
            chain_id: chain,
            nonce,
            gas_limit: gas,
            max_fee_per_gas: 20_000_000_000,
            max_priority_fee_per_gas: 1_000_000,
            to: TxKind::Call(to),
            value,
            access_list: Default::default(),
            input,
        }))
    }

    pub fn transfer(&self, nonce: u64, to: Address) -> Transaction {
        self.call(parameters().rollup.get(), nonce, to, U256::from(1), 21_000, Bytes::new())
    }
}

/// Where the test vectors of others are; `None`, with the reason printed, if they are not there and this is not CI.
///
/// # Panics
/// In CI (the variable `CI` is set) if they are absent.
pub fn vectors(folder: &str) -> Option<std::path::PathBuf> {
    let base = std::env::var_os("SURETY_VECTORS").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"),
        std::path::PathBuf::from,
    );
    let path = base.join(folder);
    if path.exists() {
        return Some(path);
    }
    let reason = format!("no test vectors at {}: set SURETY_VECTORS to their folder", path.display());
    assert!(std::env::var_os("CI").is_none(), "{reason}");
    println!("skipped: {reason}");
    None
}

/// The state that a genesis file begins with.
pub fn genesis_state(genesis: &alloy_genesis::Genesis) -> World {
    let mut world = World::default();
    for (address, account) in &genesis.alloc {
        world.put(
            *address,
            account.balance,
            account.nonce.unwrap_or_default(),
            account.code.clone().unwrap_or_default(),
        );
        for (slot, value) in account.storage.iter().flatten() {
            world.set(*address, U256::from_be_bytes(slot.0), U256::from_be_bytes(value.0));
        }
    }
    world
}

/// All JSON files below a folder, sorted.
pub fn json_files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "json") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// Reads a number as the Ethereum tests write them: hex, with leading zeros or without digits.
pub fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<U256, D::Error> {
    let text = <String as serde::Deserialize>::deserialize(deserializer)?;
    parse_number(&text).ok_or_else(|| serde::de::Error::custom(format!("not a number: {text}")))
}

pub fn parse_number(text: &str) -> Option<U256> {
    match text.strip_prefix("0x") {
        Some("") => Some(U256::ZERO),
        Some(hex) => U256::from_str_radix(hex, 16).ok(),
        None => U256::from_str_radix(text, 10).ok(),
    }
}

#[derive(Debug, serde::Deserialize)]
pub struct TestAccount {
    #[serde(deserialize_with = "number")]
    pub balance: U256,
    pub code: Bytes,
    #[serde(deserialize_with = "number")]
    pub nonce: U256,
    pub storage: BTreeMap<String, String>,
}

/// A state as the Ethereum tests write it.
pub fn world(accounts: &BTreeMap<Address, TestAccount>) -> World {
    let mut world = World::default();
    for (address, account) in accounts {
        world.put(*address, account.balance, account.nonce.to(), account.code.clone());
        for (slot, value) in &account.storage {
            world.set(*address, parse_number(slot).unwrap(), parse_number(value).unwrap());
        }
    }
    world
}
