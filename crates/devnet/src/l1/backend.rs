//! What the RPC server asks of the embedded L1: a [`surety_rpc::ChainBackend`], and before it the check of blobs.

use super::core::Core;
use alloy::eips::eip4844::env_settings::EnvKzgSettings;
use alloy_consensus::{Transaction as _, Typed2718 as _};
use alloy_eips::{eip4844::Blob, eip7594::BlobTransactionSidecarVariant};
use alloy_primitives::{Address, B256};
use futures::future::BoxFuture;
use std::sync::Arc;
use surety_rpc::{Backend, ChainKind, HeadChange, PoolContent, Submission, SubmitError, Tags};
use surety_state::Store;
use surety_types::{Recovered, Transaction};
use tokio::sync::broadcast;

/// See the module.
#[derive(Debug)]
pub(super) struct L1Backend {
    core: Arc<Core>,
}

impl L1Backend {
    pub(super) const fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Takes a transaction with blobs: their number, their commitments' hashes and their cell proofs are checked, and the blobs
    /// are kept before the pool has the transaction.
    async fn take_blobs(&self, submission: &mut Submission) -> Result<(), SubmitError> {
        let refused = |reason: &str| SubmitError::Sidecar(reason.to_owned());
        let hashes = submission.transaction.blob_versioned_hashes().unwrap_or_default().to_vec();
        let (most_in_block, most_in_transaction) = self.core.blob_limits();
        if hashes.is_empty() {
            return Err(refused("a transaction of type 3 has at least one blob"));
        }
        if hashes.len() as u64 > most_in_transaction.min(most_in_block) {
            return Err(refused("too many blobs for one transaction"));
        }
        let Some(BlobTransactionSidecarVariant::Eip7594(sidecar)) = submission.sidecar.take() else {
            return Err(refused("cell proofs are missing: send the network form of EIP-7594 (wrapper version 1)"));
        };
        let checked = tokio::task::spawn_blocking(move || {
            sidecar.validate(&hashes, EnvKzgSettings::Default.get()).map(|()| (hashes, sidecar))
        });
        let (hashes, sidecar) = checked
            .await
            .map_err(|e| SubmitError::Other(e.to_string()))?
            .map_err(|e| SubmitError::Sidecar(e.to_string()))?;
        for (hash, blob) in hashes.iter().zip(&sidecar.blobs) {
            let blob: &Blob = blob;
            self.core.archive.put(*hash, blob).await.map_err(|e| SubmitError::Other(e.to_string()))?;
        }
        submission.sidecar = Some(BlobTransactionSidecarVariant::Eip7594(sidecar));
        Ok(())
    }
}

impl Backend for L1Backend {
    fn store(&self) -> &Store {
        &self.core.store
    }

    fn chain(&self) -> &ChainKind {
        self.core.backend.chain()
    }

    fn tags(&self) -> Tags {
        self.core.backend.tags()
    }

    fn head_changes(&self) -> broadcast::Receiver<Arc<HeadChange>> {
        self.core.backend.head_changes()
    }

    fn pool_transactions(&self) -> broadcast::Receiver<Arc<Recovered<Transaction>>> {
        self.core.backend.pool_transactions()
    }

    fn submit(&self, mut submission: Submission) -> BoxFuture<'_, Result<B256, SubmitError>> {
        Box::pin(async move {
            if submission.transaction.is_eip4844() {
                self.take_blobs(&mut submission).await?;
            }
            self.core.backend.submit(submission).await
        })
    }

    fn pool_transaction(&self, hash: B256) -> Option<Arc<Recovered<Transaction>>> {
        self.core.backend.pool_transaction(hash)
    }

    fn pool_nonce(&self, sender: Address) -> Option<u64> {
        self.core.backend.pool_nonce(sender)
    }

    fn pool_content(&self, sender: Option<Address>) -> PoolContent {
        self.core.backend.pool_content(sender)
    }

    fn pool_status(&self) -> (usize, usize) {
        self.core.backend.pool_status()
    }
}
