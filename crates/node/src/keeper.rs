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
    ChainFile,
    bindings::{Claims, Dispute, Inbox},
};
use surety_dispute::posting::posting;
use surety_l1::{
    BlockAt, L1, L1Error,
    contracts::Contracts,
    records::Records,
    submit::{Included, Outgoing, SubmitError, Submitter},
};
use surety_state::Store;
use surety_types::claim::{Claim, MAX_BATCH_BLOCKS};
use tokio::sync::watch;

/// Claims posted in one round: each is a transaction.
const CLAIMS_AT_ONCE: usize = 16;

/// What a keeper works with.
pub struct Keeper {
    /// L1.
    pub l1: Arc<dyn L1>,
    /// The chain.
    pub chain: ChainFile,
    /// Its blocks.
    pub store: Store,
    /// What the node's follower knows.
    pub follower: watch::Receiver<Status>,
    /// Sends and pays.
    pub submitter: Arc<Submitter>,
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
    L1(#[from] L1Error),
    #[error(transparent)]
    Submit(#[from] SubmitError),
    #[error(transparent)]
    State(#[from] surety_state::Error),
    #[error("cannot write {path}: {cause}", path = .path.display())]
    File { path: PathBuf, cause: std::io::Error },
    #[error("L1 or this node's database does not have batch {0} as it was claimed; wait, or follow L1 anew")]
    Batch(u64),
    #[error(
        "a claim of this keeper's account fell, so it can make no more: is the node's database damaged? Follow L1 anew, with another account"
    )]
    Fallen,
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

    fn contracts(&self) -> Contracts<'_> {
        Contracts::new(&*self.l1, self.chain.addresses)
    }

    async fn round(&self, bonded: &mut BTreeSet<B256>) -> Result<(), KeeperError> {
        if self.contracts().self_sequencing_is_open(BlockAt::Latest).await? {
            let call = Inbox::selfSequenceCall {};
            let inbox = self.chain.addresses.inbox;
            if let Some(included) = self.send(inbox.into(), U256::ZERO, call.abi_encode()).await? {
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
            if self.contracts().claim(id, BlockAt::Latest).await?.is_some() {
                continue;
            }
            if posted == CLAIMS_AT_ONCE || !self.join().await? {
                return Ok(false);
            }
            // Before it leaves: what a crash forgets would never come back.
            bonded.insert(id);
            self.store_bonded(bonded)?;
            let call = self.call(parent, claim).await?;
            let claims = self.chain.addresses.claims;
            let Some(included) = self.send(claims.into(), U256::ZERO, call.abi_encode()).await? else {
                return Ok(false);
            };
            tracing::info!(batch = %claim.batch_index, %id, transaction = %included.transaction, "claimed");
            posted += 1;
        }
        Ok(true)
    }

    /// The transaction that posts a claim.
    async fn call(&self, parent: &Claim, claim: &Claim) -> Result<Claims::postBondedCall, KeeperError> {
        let mut records = Records::new(&*self.l1, &self.chain).await?;
        let wrong = || KeeperError::Batch(claim.batch_index.get());
        let (statement, later) = records.posted(claim.batch_index).await?.ok_or_else(wrong)?;
        let siblings = records.claims_of(claim.batch_index).await?;
        let first = siblings.iter().find(|other| other.parent == claim.parent);
        let mut hashes = Vec::new();
        for height in (statement.firstHeight..=statement.lastHeight).take(MAX_BATCH_BLOCKS as usize) {
            hashes.push(self.store.canonical_hash(height)?.ok_or_else(wrong)?);
        }
        let posting = posting(claim, parent, first, &statement, later, &hashes).ok_or_else(wrong)?;
        Ok(Claims::postBondedCall { claim_: claim.into(), posting })
    }

    /// Sees to it that this account has a bond; false if somebody is in the way.
    async fn join(&self) -> Result<bool, KeeperError> {
        let party = self.contracts().party(self.submitter.address(), BlockAt::Latest).await?;
        if !party.fellAt.is_zero() {
            return Err(KeeperError::Fallen);
        }
        if !party.bond.is_zero() {
            return Ok(true);
        }
        let (dispute, bond) = (self.chain.addresses.dispute, self.chain.protocol.claim_bond);
        let included = self.send(dispute.into(), bond, Dispute::joinCall {}.abi_encode()).await?;
        if let Some(included) = &included {
            tracing::info!(%bond, transaction = %included.transaction, "the bond behind this keeper's claims is paid");
        }
        Ok(included.is_some())
    }

    /// Takes the bond back when all that it stands behind is decided.
    async fn collect(&self, bonded: &mut BTreeSet<B256>) -> Result<(), KeeperError> {
        let (own, dispute) = (self.submitter.address(), self.chain.addresses.dispute);
        for id in bonded.clone() {
            let done = match self.contracts().disputed_claim(id, BlockAt::Latest).await? {
                Some(claim) if claim.party == own && !claim.released => {
                    if self.contracts().counts(id, BlockAt::Latest).await? {
                        continue;
                    }
                    let call = Dispute::releaseCall { id };
                    self.send(dispute.into(), U256::ZERO, call.abi_encode()).await?.is_some()
                }
                // Released, or another's claim.
                Some(_) => true,
                // One that is not on L1 may still be underway.
                None => self.submitter.underway().await.is_empty(),
            };
            if done {
                bonded.remove(&id);
                self.store_bonded(bonded)?;
            }
        }
        let party = self.contracts().party(own, BlockAt::Latest).await?;
        if bonded.is_empty() && party.standing == 0 && !party.bond.is_zero() && party.fellAt.is_zero() {
            let call = Dispute::withdrawBondCall { to: own };
            if let Some(included) = self.send(dispute.into(), U256::ZERO, call.abi_encode()).await? {
                tracing::info!(transaction = %included.transaction, "the bond behind this keeper's claims is back");
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
