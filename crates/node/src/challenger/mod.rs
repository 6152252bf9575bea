//! Disputes: watches every claim, opposes the first wrong one, and answers for right ones to the end (protocol §8).
//!
//! A challenger decides from L1's logs and state at one block and from its node's own execution, and from nothing else. Each round
//! it looks anew and keeps nothing that it could not find again, so it can be stopped in the middle of any move. Whenever L1 and its
//! node do not fit together (the node is behind, its database is damaged or of another history, an endpoint leaves something out) it
//! does nothing but say so. Before it opposes a claim it runs the compiled program over all blocks of the batch: if that does not
//! say what the node's database does, the database is wrong.

mod bench;
mod right;
mod truth;

use crate::{
    follower::{PostedBatches, Status},
    party::{Party, PartyError},
};
use alloy_primitives::{B256, Bytes, U256};
use alloy_sol_types::SolCall;
use bench::{LiveBench, Logbook};
use right::{RightClaims, RightError};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use surety_contracts::bindings::Preimages;
use surety_dispute::{Deed, Player};
use surety_l1::{
    BlockAt, BlockRef, L1Error,
    blobs::{Archive, prove_element},
    chain::Blob,
    records::Records,
};
use surety_vm::{Request, machine::Kind};
use tokio::{runtime::Handle, sync::watch};
use truth::{Cache, NodeTruth, TruthError};

/// How far a challenger goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Power {
    /// It says what it would do.
    Watch,
    /// It answers for right claims that others made, and pays a bond for that.
    Defend,
    /// It opposes wrong ones, too.
    Dispute,
}

/// What a challenger works with.
pub struct Challenger {
    /// In whose name it claims, and who pays.
    pub party: Party,
    /// What the node's follower knows.
    pub follower: watch::Receiver<Status>,
    /// What L1 had of each batch.
    pub posted: PostedBatches,
    /// The batches' blobs.
    pub archive: Arc<Archive>,
    /// How far it goes.
    pub power: Power,
    /// How often to look.
    pub poll: Duration,
}

impl core::fmt::Debug for Challenger {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Challenger").field("party", &self.party).field("power", &self.power).finish_non_exhaustive()
    }
}

/// Why a round was not done to its end.
#[derive(Debug, thiserror::Error)]
enum ChallengerError {
    #[error(transparent)]
    L1(#[from] L1Error),
    #[error(transparent)]
    Party(#[from] PartyError),
    #[error(transparent)]
    Right(#[from] RightError),
    #[error(transparent)]
    Truth(#[from] TruthError),
    #[error("{0}")]
    Trouble(String),
}

/// What it found out so far: nothing that it could not find again.
#[derive(Default)]
struct Known {
    logbook: Logbook,
    right: RightClaims,
    cache: Arc<Cache>,
    /// Claims whose batch the program says the same of.
    rehearsed: BTreeSet<B256>,
}

impl Challenger {
    /// Challenges until `stop` turns true (or its sender is gone).
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let rounds = async {
            let mut known = Known::default();
            loop {
                if let Err(error) = self.round(&mut known).await {
                    tracing::warn!(%error, "the challenger does nothing now; it tries again");
                }
                tokio::time::sleep(self.poll).await;
            }
        };
        tokio::select! {
            () = rounds => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn round(&self, known: &mut Known) -> Result<(), ChallengerError> {
        let status = self.follower.borrow().clone();
        let Some(head) = status.l1_head.filter(|_| status.caught_up) else { return Ok(()) };
        let Party { l1, chain, store, .. } = &self.party;
        let docket = known.logbook.read(&**l1, chain, head).await?;
        let mut records = Records::at(&**l1, chain, head);
        known.right.update(&mut records, store, &status.safe).await?;
        if self.power >= Power::Dispute {
            self.oppose(known, &mut records).await?;
        }
        if docket.groups().next().is_none() {
            return Ok(());
        }
        let truth = self.truth(known);
        let bench = LiveBench::new(l1.clone(), chain.addresses.dispute, head, Handle::current());
        let account = self.party.submitter.address();
        // Running the program takes seconds.
        let work = tokio::task::spawn_blocking(move || {
            let player = Player { account, docket: &docket, bench: &bench, truth: &truth };
            player.deeds().map_err(|trouble| trouble.to_string())
        });
        let deeds = work.await.map_err(|error| ChallengerError::Trouble(error.to_string()))?;
        for deed in deeds.map_err(ChallengerError::Trouble)? {
            self.carry_out(known, head, deed).await?;
        }
        Ok(())
    }

    fn truth(&self, known: &Known) -> NodeTruth {
        NodeTruth {
            chain: self.party.chain.clone(),
            store: self.party.store.clone(),
            posted: self.posted.clone(),
            archive: self.archive.clone(),
            batches: known.right.following(),
            cache: known.cache.clone(),
            handle: Handle::current(),
        }
    }

    /// Posts the right claims of batches of which a committee signed another, and of all behind it.
    async fn oppose(&self, known: &mut Known, records: &mut Records<'_>) -> Result<(), ChallengerError> {
        for (parent, claim) in known.right.missing(records).await? {
            if known.rehearsed.insert(claim.id()) {
                let (truth, id) = (self.truth(known), claim.id());
                let work = tokio::task::spawn_blocking(move || truth.rehearse(&parent, &claim));
                let rehearsed = work.await.map_err(|error| ChallengerError::Trouble(error.to_string()))?;
                if let Err(error) = rehearsed {
                    known.rehearsed.remove(&id);
                    return Err(error.into());
                }
            }
            tracing::error!(
                batch = %claim.batch_index, id = %claim.id(),
                "A COMMITTEE SIGNED A WRONG STATE, or stands on one: this node claims the right one with its bond"
            );
            if !self.party.join().await? || self.party.post(&parent, &claim).await?.is_none() {
                return Err(ChallengerError::Trouble(format!(
                    "the right claim of batch {} was not taken: did somebody else post it, or is its challenge period over?",
                    claim.batch_index
                )));
            }
        }
        Ok(())
    }

    async fn carry_out(&self, known: &Known, head: BlockRef, deed: Deed) -> Result<(), ChallengerError> {
        let name = deed.name();
        if self.power == Power::Watch {
            tracing::warn!(deed = name, "a dispute asks for an answer; this node only watches");
            return Ok(());
        }
        let addresses = &self.party.chain.addresses;
        match &deed {
            // `oppose` sees to it, and knows more.
            Deed::Post { .. } => return Ok(()),
            Deed::Join => {
                self.party.join().await?;
                return Ok(());
            }
            Deed::Step { reads: Some((parent, block, request)), .. } => {
                self.load(known, *parent, *block, request).await?
            }
            _ => {}
        }
        let input = deed.input().unwrap_or_default();
        let included = self.party.send(addresses.dispute.into(), U256::ZERO, input).await?;
        match included {
            Some(included) => tracing::warn!(
                deed = name, transaction = %included.transaction, gas = included.inclusion.gas_used, "answered in a dispute"
            ),
            None => tracing::info!(deed = name, l1 = %head.number, "somebody else was faster"),
        }
        Ok(())
    }

    /// Has L1 know what a step reads.
    async fn load(&self, known: &Known, parent: B256, block: u64, request: &Request) -> Result<(), ChallengerError> {
        let (truth, key) = (self.truth(known), request.key);
        let kind = request.kind;
        let work = tokio::task::spawn_blocking(move || truth.value(parent, block, kind, key));
        let value = work.await.map_err(|error| ChallengerError::Trouble(error.to_string()))??;
        let call = match request.kind {
            Kind::Keccak => {
                Preimages::loadKeccakCall { pointers: vec![], rest: value, indices: vec![request.index] }.abi_encode()
            }
            Kind::BlobElement => {
                let blob =
                    Blob::try_from(&value[..]).map_err(|_| ChallengerError::Trouble("a blob's length".into()))?;
                let proof = prove_element(&blob, request.index)
                    .ok_or_else(|| ChallengerError::Trouble("a blob's element cannot be proved".into()))?;
                Preimages::loadBlobElementCall {
                    versionedHash: proof.versioned_hash,
                    index: proof.index,
                    element: proof.element,
                    commitment: Bytes::copy_from_slice(&proof.commitment),
                    proof: Bytes::copy_from_slice(&proof.proof),
                }
                .abi_encode()
            }
        };
        self.party.send(self.party.chain.addresses.preimages.into(), U256::ZERO, call.into()).await?;
        Ok(())
    }
}

/// The block that a challenger looks at.
pub(crate) const fn at(head: BlockRef) -> BlockAt {
    BlockAt::Hash(head.hash)
}
