//! A backend for chains with one block maker: the embedded L1, a follower that only reads, tests.
//!
//! Whoever makes or imports blocks commits them to the store first and then calls [`ChainBackend::advance`].

use crate::{
    Backend, BlockRef, ChainKind, HeadChange, PoolContent, Submission, SubmitError, SyncStatus, Tags,
    error::RpcError,
    history::{self, State},
    pool::{Admission, Pool},
    rules,
};
use alloy_consensus::{BlobTransactionSidecarVariant, Transaction as _};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY};
use futures::{FutureExt, future::BoxFuture};
use parking_lot::RwLock;
use std::{collections::BTreeSet, sync::Arc};
use surety_state::Store;
use surety_stf::StateReader;
use surety_types::{Recovered, Transaction};
use tokio::sync::broadcast;

/// Checks that a sidecar's blobs, commitments and proofs belong to the transaction's versioned hashes. It is handed in,
/// because KZG stays out of this crate.
pub type SidecarCheck =
    Arc<dyn Fn(&[B256], &BlobTransactionSidecarVariant) -> Result<(), String> + Send + Sync + 'static>;

/// What to build a [`ChainBackend`] from.
pub struct ChainBackendParts {
    /// The database, shared with whoever writes to it.
    pub store: Store,
    /// The chain's rules.
    pub chain: ChainKind,
    /// Where the tags point at first.
    pub tags: Tags,
    /// Transactions that the pool holds at most; 0 makes a backend that takes none.
    pub pool_capacity: usize,
    /// For chains with blob transactions; without it they are refused.
    pub sidecar_check: Option<SidecarCheck>,
}

/// See the module.
pub struct ChainBackend {
    parts: ChainBackendParts,
    tags: RwLock<Tags>,
    pool: Pool,
    heads: broadcast::Sender<Arc<HeadChange>>,
    syncing: RwLock<Option<SyncStatus>>,
}

impl ChainBackend {
    /// A backend over these parts.
    pub fn new(parts: ChainBackendParts) -> Self {
        Self {
            tags: RwLock::new(parts.tags),
            pool: Pool::new(parts.pool_capacity),
            heads: broadcast::Sender::new(1024),
            syncing: RwLock::new(None),
            parts,
        }
    }

    /// The transactions that wait.
    pub const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Takes up blocks that the store has already: sets the tags, tells subscribers, drops mined transactions from the
    /// pool. The last added block is `tags.latest`.
    pub fn advance(&self, change: HeadChange, tags: Tags) {
        *self.tags.write() = tags;
        let senders: BTreeSet<Address> = change.added.iter().flat_map(|block| block.senders.iter().copied()).collect();
        let nonce = self.nonces();
        self.pool.mined(senders.into_iter().map(|sender| (sender, nonce(sender))));
        // Nobody listening is no error.
        let _ = self.heads.send(Arc::new(change));
    }

    /// Moves `safe` and `finalized` alone.
    pub fn set_tags(&self, safe: Option<BlockRef>, finalized: Option<BlockRef>) {
        let mut tags = self.tags.write();
        tags.safe = safe;
        tags.finalized = finalized;
    }

    /// Says how far synchronisation is; `None` when it is done.
    pub fn set_syncing(&self, status: Option<SyncStatus>) {
        *self.syncing.write() = status;
    }

    fn head_state(&self) -> Result<State, RpcError> {
        let latest = self.tags.read().latest;
        history::state(&self.parts.store, latest)
    }

    /// Nonces at the head as it is now; 0 where one cannot be read. To be used at once and dropped: it pins the state.
    pub fn nonces(&self) -> impl Fn(Address) -> u64 + use<> {
        let state = self.head_state();
        if let Err(error) = &state {
            tracing::error!(%error, "rpc.chain: the head's state cannot be read");
        }
        move |address| match &state {
            Ok(state) => state.account(address).ok().flatten().map_or(0, |account| account.nonce),
            Err(_) => 0,
        }
    }

    fn take(&self, submission: Submission) -> Result<B256, SubmitError> {
        let other = |error: RpcError| SubmitError::Other(error.to_string());
        let latest = self.tags.read().latest;
        let head = history::header(&self.parts.store, latest.hash).map_err(other)?.ok_or(SubmitError::ReadOnly)?;
        let admission = Admission {
            chain_id: self.parts.chain.chain_id(),
            gas_limit: rules::transaction_gas_limit(&self.parts.chain, &head),
            blobs: self.parts.sidecar_check.is_some(),
            spec: rules::spec(&self.parts.chain, &head),
        };
        let state = history::state(&self.parts.store, latest).map_err(other)?;
        let sender = submission.transaction.signer();
        let account = state.account(sender).map_err(|error| other(RpcError::internal(error)))?.unwrap_or_default();
        let code = match account.code_hash {
            KECCAK256_EMPTY => Bytes::new(),
            hash => state.code(hash).map_err(|error| other(RpcError::internal(error)))?,
        };
        self.pool.add(submission, &account, &code, &admission)
    }
}

/// Checks the sidecar of a submission, on a thread that may take its time.
async fn check_sidecar(check: Option<SidecarCheck>, submission: Submission) -> Result<Submission, SubmitError> {
    if submission.sidecar.is_none() {
        return Ok(submission);
    }
    let check = check.ok_or(SubmitError::Type)?;
    let checked = tokio::task::spawn_blocking(move || {
        let hashes = submission.transaction.blob_versioned_hashes().unwrap_or_default();
        if let Some(sidecar) = &submission.sidecar {
            check(hashes, sidecar).map_err(SubmitError::Sidecar)?;
        }
        Ok(submission)
    });
    checked.await.map_err(|error| SubmitError::Other(RpcError::internal(error).to_string()))?
}

impl core::fmt::Debug for ChainBackend {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ChainBackend")
            .field("chain_id", &self.parts.chain.chain_id())
            .field("tags", &self.tags)
            .finish()
    }
}

impl Backend for ChainBackend {
    fn store(&self) -> &Store {
        &self.parts.store
    }

    fn chain(&self) -> &ChainKind {
        &self.parts.chain
    }

    fn tags(&self) -> Tags {
        *self.tags.read()
    }

    fn syncing(&self) -> Option<SyncStatus> {
        *self.syncing.read()
    }

    fn head_changes(&self) -> broadcast::Receiver<Arc<HeadChange>> {
        self.heads.subscribe()
    }

    fn pool_transactions(&self) -> broadcast::Receiver<Arc<Recovered<Transaction>>> {
        self.pool.subscribe()
    }

    fn submit(&self, submission: Submission) -> BoxFuture<'_, Result<B256, SubmitError>> {
        async move {
            if self.parts.pool_capacity == 0 {
                return Err(SubmitError::ReadOnly);
            }
            self.take(check_sidecar(self.parts.sidecar_check.clone(), submission).await?)
        }
        .boxed()
    }

    fn pool_transaction(&self, hash: B256) -> Option<Arc<Recovered<Transaction>>> {
        self.pool.get(hash).map(|pooled| pooled.transaction)
    }

    fn pool_nonce(&self, sender: Address) -> Option<u64> {
        self.pool.next_nonce(sender, self.nonces()(sender))
    }

    fn pool_content(&self, sender: Option<Address>) -> PoolContent {
        self.pool.content(sender, self.nonces())
    }

    fn pool_status(&self) -> (usize, usize) {
        let content = self.pool_content(None);
        (content.pending.len(), content.queued.len())
    }
}
