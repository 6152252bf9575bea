//! What anyone may do when the committee is gone: sequence messages, and claim what came of it (protocol §6, §8).
//!
//! A keeper looks at L1 through a node's own follower. When [`selfSequence`](surety_contracts::bindings::Inbox) is open it calls
//! it; when batches stand on L1 that nobody signed it posts the right claims of them, with a bond, so that they become final and
//! withdrawals can be paid though no committee comes back. One bond is enough for all of them; when none of its claims can be
//! contested any more it takes the bond back. Several keepers do no harm: each looks before it sends, and what came too late is
//! not sent, or reverts.
//!
//! The claims are those that this node derived, so nobody's word is believed; the bond is lost if they are wrong, or if somebody
//! contests them and nobody answers.

use crate::{
    durable,
    follower::Status,
    party::{Party, PartyError},
};
use alloy_primitives::{B256, U256};
use alloy_sol_types::SolCall;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};
use surety_contracts::bindings::{Dispute, Inbox};
use surety_l1::BlockAt;
use surety_types::claim::Claim;
use tokio::sync::watch;

/// Claims posted in one round: each is a transaction.
const CLAIMS_AT_ONCE: usize = 16;

/// What a keeper works with.
pub struct Keeper {
    /// Who claims and pays.
    pub party: Party,
    /// What the node's follower knows.
    pub follower: watch::Receiver<Status>,
    /// How often to look.
    pub poll: Duration,
    /// Remembers the claims that its bond stands behind.
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
    Party(#[from] PartyError),
    #[error("cannot write {path}: {cause}", path = .path.display())]
    File { path: PathBuf, cause: std::io::Error },
}

impl From<surety_l1::L1Error> for KeeperError {
    fn from(error: surety_l1::L1Error) -> Self {
        Self::Party(error.into())
    }
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
        if self.party.contracts().self_sequencing_is_open(BlockAt::Latest).await? {
            let call = Inbox::selfSequenceCall {}.abi_encode();
            let inbox = self.party.chain.addresses.inbox;
            if let Some(included) = self.party.send(inbox.into(), U256::ZERO, call.into()).await? {
                tracing::warn!(transaction = %included.transaction, "the committee lets L1 wait: this keeper sequenced its messages");
            }
        }
        let (caught_up, holds, ancestry) = {
            let status = self.follower.borrow();
            (status.caught_up, status.safe.claim_holds, status.ancestry.clone())
        };
        if caught_up && holds && !self.claim(&ancestry, bonded).await? {
            return Ok(());
        }
        self.collect(bonded).await
    }

    /// Posts the claims of the batches that nobody signed, where L1 lacks them. Returns whether none is left.
    async fn claim(&self, ancestry: &[Claim], bonded: &mut BTreeSet<B256>) -> Result<bool, KeeperError> {
        let mut posted = 0;
        for (parent, claim) in ancestry.iter().zip(ancestry.iter().skip(1)) {
            let id = claim.id();
            if self.party.contracts().claim(id, BlockAt::Latest).await?.is_some() {
                continue;
            }
            if posted == CLAIMS_AT_ONCE || !self.party.join().await? {
                return Ok(false);
            }
            // Before it leaves: what a crash forgets would never come back.
            bonded.insert(id);
            self.store_bonded(bonded)?;
            if self.party.post(parent, claim).await?.is_none() {
                return Ok(false);
            }
            posted += 1;
        }
        Ok(true)
    }

    /// Takes the bond back when all that it stands behind is decided.
    async fn collect(&self, bonded: &mut BTreeSet<B256>) -> Result<(), KeeperError> {
        let party = &self.party;
        let (own, dispute) = (party.submitter.address(), party.chain.addresses.dispute);
        for id in bonded.clone() {
            let done = match party.contracts().disputed_claim(id, BlockAt::Latest).await? {
                Some(claim) if claim.party == own && !claim.released => {
                    if party.contracts().counts(id, BlockAt::Latest).await? {
                        continue;
                    }
                    let call = Dispute::releaseCall { id }.abi_encode();
                    party.send(dispute.into(), U256::ZERO, call.into()).await?.is_some()
                }
                // Released, or another's claim.
                Some(_) => true,
                // One that is not on L1 may still be underway.
                None => party.submitter.underway().await.is_empty(),
            };
            if done {
                bonded.remove(&id);
                self.store_bonded(bonded)?;
            }
        }
        let standing = party.contracts().party(own, BlockAt::Latest).await?;
        if bonded.is_empty() && standing.standing == 0 && !standing.bond.is_zero() && standing.fellAt.is_zero() {
            let call = Dispute::withdrawBondCall { to: own }.abi_encode();
            if let Some(included) = party.send(dispute.into(), U256::ZERO, call.into()).await? {
                tracing::info!(transaction = %included.transaction, "the bond behind this keeper's claims is back");
            }
        }
        Ok(())
    }

    fn store_bonded(&self, bonded: &BTreeSet<B256>) -> Result<(), KeeperError> {
        durable::replace(&self.file, bonded).map_err(|cause| KeeperError::File { path: self.file.clone(), cause })
    }
}

/// The claims that the bond stands behind; none if there is no file. A damaged one is told and left.
fn load(path: &Path) -> BTreeSet<B256> {
    let Ok(bytes) = std::fs::read(path) else { return BTreeSet::new() };
    serde_json::from_slice(&bytes).unwrap_or_else(|error| {
        tracing::error!(path = %path.display(), %error, "the keeper's list of claims is damaged; release them and withdraw the bond by hand");
        BTreeSet::new()
    })
}
