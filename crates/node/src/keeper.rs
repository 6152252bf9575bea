//! What anyone may do when the committee is gone: sequence messages, and claim what came of it (protocol §6, §8).
//!
//! A keeper looks at L1 through a node's own follower. When [`selfSequence`](surety_contracts::bindings::Inbox) is open it calls
//! it; when batches stand on L1 that nobody signed it posts the right claims of them, with bonds, so that they become final and
//! withdrawals can be paid though no committee comes back; and it has bonds returned that are due. Several keepers do no harm:
//! each looks before it sends, and what came too late is not sent, or reverts.
//!
//! The claims are those that this node derived, so nobody's word is believed; a bond is lost if they are wrong. Until disputes
//! exist it also stays at the contract when somebody contests the claim and no committee ever comes back to decide.

use crate::{durable, follower::Status};
use alloy_primitives::{B256, TxKind, U256};
use alloy_sol_types::SolCall;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use surety_contracts::{
    Addresses,
    bindings::{Claims, Inbox},
};
use surety_l1::{
    BlockAt, L1, L1Error,
    contracts::Contracts,
    submit::{Included, Outgoing, SubmitError, Submitter},
};
use surety_types::claim::Claim;
use tokio::sync::watch;

/// Claims posted in one round: each is a transaction.
const CLAIMS_AT_ONCE: usize = 16;

/// What a keeper works with.
pub struct Keeper {
    /// L1.
    pub l1: Arc<dyn L1>,
    /// The contracts.
    pub addresses: Addresses,
    /// What a claim must bring, in wei.
    pub claim_bond: U256,
    /// What the node's follower knows.
    pub follower: watch::Receiver<Status>,
    /// Sends and pays.
    pub submitter: Arc<Submitter>,
    /// How often to look.
    pub poll: Duration,
    /// Remembers whose bonds are to be returned.
    pub file: PathBuf,
}

impl core::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Keeper").field("file", &self.file).finish_non_exhaustive()
    }
}

/// Why a round was not done to its end.
#[derive(Debug, thiserror::Error)]
enum KeeperError {
    #[error(transparent)]
    L1(#[from] L1Error),
    #[error(transparent)]
    Submit(#[from] SubmitError),
    #[error("cannot write {path}: {cause}", path = .path.display())]
    File { path: PathBuf, cause: std::io::Error },
}

impl Keeper {
    /// Keeps the chain going until `stop` turns true (or its sender is gone).
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let rounds = async {
            let mut bonded = load(&self.file);
            loop {
                if let Err(error) = self.round(&mut bonded).await {
                    tracing::warn!(%error, "the keeper tries again");
                }
                tokio::time::sleep(self.poll).await;
            }
        };
        tokio::select! {
            () = rounds => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn round(&self, bonded: &mut BTreeSet<B256>) -> Result<(), KeeperError> {
        let contracts = Contracts::new(&*self.l1, self.addresses);
        if contracts.self_sequencing_is_open(BlockAt::Latest).await? {
            let call = Inbox::selfSequenceCall {};
            if let Some(included) = self.send(self.addresses.inbox.into(), U256::ZERO, call.abi_encode()).await? {
                tracing::warn!(transaction = %included.transaction, "the committee lets L1 wait: this keeper sequenced its messages");
            }
        }
        let (caught_up, holds, ancestry) = {
            let status = self.follower.borrow();
            (status.caught_up, status.safe.claim_holds, status.ancestry.clone())
        };
        if caught_up && holds {
            self.claim(&ancestry, bonded).await?;
        }
        self.collect(bonded).await
    }

    /// Posts the claims of the batches that nobody signed, where L1 lacks them.
    async fn claim(&self, ancestry: &[Claim], bonded: &mut BTreeSet<B256>) -> Result<(), KeeperError> {
        let contracts = Contracts::new(&*self.l1, self.addresses);
        let mut posted = 0;
        for (parent, claim) in ancestry.iter().zip(ancestry.iter().skip(1)) {
            let id = claim.id();
            if contracts.claim(id, BlockAt::Latest).await?.is_some() {
                continue;
            }
            // Before it leaves: what a crash forgets would never come back.
            bonded.insert(id);
            self.store(bonded)?;
            let call = Claims::postBondedCall { claim_: claim.into(), parent: parent.into() };
            let Some(included) = self.send(self.addresses.claims.into(), self.claim_bond, call.abi_encode()).await?
            else {
                return Ok(());
            };
            tracing::info!(batch = %claim.batch_index, %id, transaction = %included.transaction, "claimed");
            posted += 1;
            if posted == CLAIMS_AT_ONCE {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Has the bonds returned that are due.
    async fn collect(&self, bonded: &mut BTreeSet<B256>) -> Result<(), KeeperError> {
        let contracts = Contracts::new(&*self.l1, self.addresses);
        for id in bonded.clone() {
            let own = contracts.claimant(id, BlockAt::Latest).await? == Some(self.submitter.address());
            let status = contracts.claim(id, BlockAt::Latest).await?;
            let done = match (own, status) {
                (true, Some(status)) if status.is_final => {
                    let call = Claims::returnBondCall { id };
                    self.send(self.addresses.claims.into(), U256::ZERO, call.abi_encode()).await?.is_some()
                }
                (true, _) => false,
                // Returned, or another's claim. One that is not on L1 may still be underway.
                (false, status) => status.is_some() && self.submitter.underway().await.is_empty(),
            };
            if done {
                bonded.remove(&id);
                self.store(bonded)?;
            }
        }
        Ok(())
    }

    /// Sends a transaction and waits for it; `None` if it reverted or would, because somebody else was faster.
    async fn send(&self, to: TxKind, value: U256, input: Vec<u8>) -> Result<Option<Included>, KeeperError> {
        let outgoing = Outgoing { to, value, input: input.into(), ..Outgoing::default() };
        match self.submitter.submit(outgoing).await {
            Ok(included) => Ok(Some(included).filter(|included| included.inclusion.success)),
            Err(SubmitError::WouldRevert(revert)) => {
                tracing::debug!(%revert, "not sent");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn store(&self, bonded: &BTreeSet<B256>) -> Result<(), KeeperError> {
        durable::replace(&self.file, bonded).map_err(|cause| KeeperError::File { path: self.file.clone(), cause })
    }
}

/// The claims whose bonds may be due; none if there is no file. A damaged one is told and left.
fn load(path: &Path) -> BTreeSet<B256> {
    let Ok(bytes) = std::fs::read(path) else { return BTreeSet::new() };
    serde_json::from_slice(&bytes).unwrap_or_else(|error| {
        tracing::error!(path = %path.display(), %error, "the keeper's list of bonds is damaged; bonds of its claims must be returned by hand");
        BTreeSet::new()
    })
}
