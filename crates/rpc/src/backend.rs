//! The one seam between answering users and running a node.
//!
//! [`Backend`] is implemented by a sequencer, by a follower and by the embedded L1. What is stored is read from its
//! [`Store`]; what is not (the tags, the pool, what settles on L1) is asked of the node. Nothing here may block for
//! longer than a database read, but [`Backend::submit`], which is a future.

use crate::feed::Feed;
use alloy_consensus::BlobTransactionSidecarVariant;
use alloy_primitives::{Address, B256, Bytes, U64};
use futures::future::BoxFuture;
use serde::Serialize;
use std::sync::Arc;
use surety_state::{BlockRef, Store, StoredBlock};
use surety_stf::execute::simulate::ChainKind;
use surety_types::{L2Height, Recovered, Transaction};
use tokio::sync::broadcast;

/// Where the tags point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tags {
    /// The head. L2: soft-final.
    pub latest: BlockRef,
    /// L2: the last block of the last batch on L1; L1: two blocks behind. `None`: answered with genesis.
    pub safe: Option<BlockRef>,
    /// L2: the last block of the last batch that L1 has finalised. `None`: answered with genesis.
    pub finalized: Option<BlockRef>,
}

/// A change of the head. With a reorganisation, removed blocks come first, the newest first; then the added ones, the
/// oldest first.
#[derive(Debug, Clone)]
pub struct HeadChange {
    /// Blocks that are no longer of the chain, newest first.
    pub removed: Vec<Arc<StoredBlock>>,
    /// Blocks that are new in the chain, oldest first.
    pub added: Vec<Arc<StoredBlock>>,
}

/// How far synchronisation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncStatus {
    /// Where it began.
    pub starting_block: U64,
    /// Where it is.
    pub current_block: U64,
    /// Where it goes.
    pub highest_block: U64,
}

/// A transaction as a user sent it, checked only for its form and signature.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The transaction and its sender. Never a deposit.
    pub transaction: Recovered<Transaction>,
    /// Blobs of a type 3 transaction, with commitments and proofs that are *not* checked yet.
    pub sidecar: Option<BlobTransactionSidecarVariant>,
    /// What the user sent, to pass on as it is (for type 3 with the sidecar).
    pub raw: Bytes,
}

/// Why the pool refuses a transaction. The texts are geth's, which wallets match.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The very transaction is in the pool.
    #[error("already known")]
    AlreadyKnown,
    /// The nonce was used.
    #[error("nonce too low: next nonce {expected}, tx nonce {given}")]
    NonceTooLow {
        /// The sender's next nonce.
        expected: u64,
        /// The transaction's.
        given: u64,
    },
    /// The nonce leaves too large a gap.
    #[error("nonce too high: next nonce {expected}, tx nonce {given}")]
    NonceTooHigh {
        /// The sender's next nonce.
        expected: u64,
        /// The transaction's.
        given: u64,
    },
    /// The sender cannot pay.
    #[error("insufficient funds for gas * price + value")]
    InsufficientFunds,
    /// Another transaction with this nonce pays nearly as much.
    #[error("replacement transaction underpriced")]
    ReplacementUnderpriced,
    /// The fee is below what the pool takes.
    #[error("transaction underpriced")]
    Underpriced,
    /// The gas limit does not even cover the transaction's intrinsic cost.
    #[error("intrinsic gas too low")]
    IntrinsicGas,
    /// The gas limit exceeds what a block (or EIP-7825) allows.
    #[error("exceeds block gas limit")]
    GasLimit,
    /// The priority fee exceeds the fee.
    #[error("max priority fee per gas higher than max fee per gas")]
    TipAboveFee,
    /// Signed for another chain.
    #[error("invalid chain id for signer: want {expected}")]
    ChainId {
        /// This chain's id.
        expected: u64,
    },
    /// A type that this chain does not take from users.
    #[error("transaction type not supported")]
    Type,
    /// The sender has code and is no EIP-7702 delegation.
    #[error("sender not an eoa")]
    SenderHasCode,
    /// Blobs, commitments or proofs do not fit together.
    #[error("invalid blob sidecar: {0}")]
    Sidecar(String),
    /// The pool is full, and this pays too little to displace another.
    #[error("txpool is full")]
    Full,
    /// This node takes no transactions (a follower without a forwarding target).
    #[error("this node does not accept transactions: send to a sequencer")]
    ReadOnly,
    /// Any other reason.
    #[error("{0}")]
    Other(String),
}

/// The pool's transactions as `txpool_content` shows them.
#[derive(Debug, Clone, Default)]
pub struct PoolContent {
    /// Executable: no gap before them.
    pub pending: Vec<Arc<Recovered<Transaction>>>,
    /// Behind a gap of nonces.
    pub queued: Vec<Arc<Recovered<Transaction>>>,
}

/// How final an L2 block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum FinalityLevel {
    /// Finalised by the committee: reverting it costs a third of the bonds.
    Soft,
    /// In a batch on L1.
    Posted,
    /// In a batch that L1 has finalised.
    Settled,
    /// Its claim is final: withdrawals can be proved.
    Final,
}

/// What `surety_finality` says of an L2 block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finality {
    /// Height of the block.
    pub height: U64,
    /// Its hash.
    pub hash: B256,
    /// How final it is.
    pub level: FinalityLevel,
    /// Index of the batch that holds it.
    pub batch: Option<U64>,
    /// The claim that this batch made.
    pub claim: Option<B256>,
    /// The L1 block with the batch.
    pub l1_block: Option<U64>,
    /// The L1 transaction that posted it.
    pub l1_transaction: Option<B256>,
    /// When the claim's challenge period ends, Unix seconds of L1.
    pub challenge_ends: Option<U64>,
}

/// A node, as the server sees it.
pub trait Backend: Send + Sync + 'static {
    /// What the node remembers.
    fn store(&self) -> &Store;

    /// The chain's rules.
    fn chain(&self) -> &ChainKind;

    /// EIP-155 chain id.
    fn chain_id(&self) -> u64 {
        self.chain().chain_id()
    }

    /// Where the tags point now.
    fn tags(&self) -> Tags;

    /// Progress, or `None` when in step with the chain.
    fn syncing(&self) -> Option<SyncStatus> {
        None
    }

    /// The answer to `web3_clientVersion`.
    fn client_version(&self) -> String {
        concat!("surety/v", env!("CARGO_PKG_VERSION"), "/rust").to_owned()
    }

    /// Changes of the head from now on. Receivers that lag skip changes.
    fn head_changes(&self) -> broadcast::Receiver<Arc<HeadChange>>;

    /// Transactions that the pool takes from now on.
    fn pool_transactions(&self) -> broadcast::Receiver<Arc<Recovered<Transaction>>>;

    /// Offers a transaction to the pool; answers with its hash once the pool has taken it.
    ///
    /// # Errors
    /// See [`SubmitError`].
    fn submit(&self, submission: Submission) -> BoxFuture<'_, Result<B256, SubmitError>>;

    /// A transaction that waits in the pool.
    fn pool_transaction(&self, hash: B256) -> Option<Arc<Recovered<Transaction>>>;

    /// The nonce after all executable transactions of this sender in the pool; `None` if it has none there.
    fn pool_nonce(&self, sender: Address) -> Option<u64>;

    /// All transactions in the pool, or those of one sender. Bounded by the pool's own size.
    fn pool_content(&self, sender: Option<Address>) -> PoolContent;

    /// How many transactions are executable, and how many wait behind a gap.
    fn pool_status(&self) -> (usize, usize);

    /// L2 only: how final the block at this height is. `None` on L1, or beyond the head.
    fn finality(&self, _height: L2Height) -> Option<Finality> {
        None
    }

    /// L2 only: what this node publishes of final blocks and evidence; `None` if nothing.
    fn feed(&self) -> Option<&Feed> {
        None
    }
}
