//! The seam between the house and Ethereum: what may be asked of L1, in plain types.
//!
//! [`L1`] has one implementation over JSON-RPC ([`crate::rpc::RpcL1`]); tests may bring others. Implementations check what
//! an answer says against itself (hashes, bounds, order); [`crate::follow`] checks it against what came before.

use crate::L1Error;
use alloy_primitives::{Address, B256, Bytes, U256};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::fmt;
use surety_types::{L1Height, Seconds};

/// A blob's bytes (EIP-4844): 4096 field elements of 32 bytes. 128 KiB: keep it behind a pointer.
pub type Blob = alloy::eips::eip4844::Blob;

/// The result of asking L1.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, L1Error>>;

/// One L1 block, by what identifies and places it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BlockRef {
    /// Number.
    pub number: L1Height,
    /// keccak256 of its header.
    pub hash: B256,
    /// Its parent's hash.
    pub parent: B256,
    /// Its time.
    pub time: Seconds,
}

impl fmt::Debug for BlockRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for BlockRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.number, self.hash)
    }
}

/// Which block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockAt {
    /// The head.
    Latest,
    /// The newest justified block.
    Safe,
    /// The newest final block.
    Finalized,
    /// By number in the canonical chain.
    Number(L1Height),
    /// By hash.
    Hash(B256),
}

/// Fees as they stand at the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fees {
    /// Base fee of the next block, wei per gas.
    pub base_fee: u128,
    /// Blob base fee of the next block, wei per blob gas.
    pub blob_base_fee: u128,
    /// A tip that recent blocks took, wei per gas.
    pub priority_fee: u128,
}

/// A log of one of the contracts, in the canonical chain at the time of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct L1Log {
    /// Number of its block.
    pub block_number: L1Height,
    /// Hash of its block.
    pub block_hash: B256,
    /// Transaction that made it.
    pub transaction: B256,
    /// Place in the block's logs.
    pub index: u64,
    /// Address, topics, data.
    pub log: alloy_primitives::Log,
}

/// A transaction in a block; its content is checked against its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct L1Transaction {
    /// Hash.
    pub hash: B256,
    /// Hash of the block that holds it; `None` while it waits.
    pub block_hash: Option<B256>,
    /// Called address; `None` if it creates a contract.
    pub to: Option<Address>,
    /// Call data.
    pub input: Bytes,
    /// Versioned hashes of its blobs, if it is of type 3.
    pub blob_hashes: Vec<B256>,
}

/// What became of an included transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inclusion {
    /// Number of the block.
    pub block_number: L1Height,
    /// Hash of the block.
    pub block_hash: B256,
    /// Who sent it.
    pub from: Address,
    /// Whether it succeeded.
    pub success: bool,
    /// Gas used.
    pub gas_used: u64,
    /// Fees in all, blob fees included, in wei.
    pub fee: u128,
}

/// A call to simulate, or a transaction to estimate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// Sender; the zero address if it does not matter.
    pub from: Address,
    /// Called address; `None` creates a contract.
    pub to: Option<Address>,
    /// Wei sent along.
    pub value: U256,
    /// Call data.
    pub input: Bytes,
    /// Versioned hashes of blobs that come along.
    pub blob_hashes: Vec<B256>,
}

/// What the house may ask of Ethereum.
pub trait L1: Send + Sync + 'static {
    /// EIP-155 chain id.
    fn chain_id(&self) -> Answer<'_, u64>;

    /// A block; `None` if there is none (yet, or any more). Its hash was recomputed from its header.
    fn block(&self, at: BlockAt) -> Answer<'_, Option<BlockRef>>;

    /// Logs of the addresses in the blocks `from..=to` of the canonical chain, in order; each is checked to be of such an
    /// address, such a block, and after the one before. [`L1Error::TooLarge`] asks for a smaller range.
    fn logs<'a>(&'a self, from: L1Height, to: L1Height, addresses: &'a [Address]) -> Answer<'a, Vec<L1Log>>;

    /// A transaction by hash, its content checked against it.
    fn transaction(&self, hash: B256) -> Answer<'_, Option<L1Transaction>>;

    /// What a call returns at a block.
    fn call<'a>(&'a self, call: &'a Call, at: BlockAt) -> Answer<'a, Bytes>;

    /// The code of an account.
    fn code(&self, address: Address, at: BlockAt) -> Answer<'_, Bytes>;

    /// Blobs by versioned hash, in the order of `hashes`, each proved by KZG to have its hash.
    fn blobs<'a>(&'a self, block: BlockRef, hashes: &'a [B256]) -> Answer<'a, Vec<Box<Blob>>>;

    /// Fees at the head.
    fn fees(&self) -> Answer<'_, Fees>;

    /// Balance at the head, in wei.
    fn balance(&self, address: Address) -> Answer<'_, U256>;

    /// The nonce of the sender's next transaction, after those in blocks.
    fn nonce(&self, address: Address) -> Answer<'_, u64>;

    /// Gas that a transaction would use at the head.
    fn estimate_gas<'a>(&'a self, call: &'a Call) -> Answer<'a, u64>;

    /// Hands a signed transaction (EIP-2718; type 3 in its network form with sidecar) to the pool. `Ok` also if the pool
    /// has it already.
    fn send_raw<'a>(&'a self, transaction: &'a [u8]) -> Answer<'a, ()>;

    /// What became of a transaction; `None` while it is in no block.
    fn inclusion(&self, hash: B256) -> Answer<'_, Option<Inclusion>>;
}
