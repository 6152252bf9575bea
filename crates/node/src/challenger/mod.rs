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
    poster::Rehearsal,
};
use alloy_primitives::U256;
use bench::{LiveBench, Logbook};
use right::{RightClaims, RightError};
use std::{sync::Arc, time::Duration};
use surety_dispute::{Deed, Player};
use surety_l1::{BlockRef, L1Error, blobs::Archive, records::Records};
use surety_types::claim::Claim;
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
    /// Runs the program over batches before their claims are opposed.
    pub rehearsal: Arc<Rehearsal>,
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
    /// The last head at which all was done that could be.
    head: Option<BlockRef>,
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
        let Some(head) = status.l1_head.filter(|head| status.caught_up && known.head != Some(*head)) else {
            return Ok(());
        };
        let Party { l1, chain, store, .. } = &self.party;
        let docket = known.logbook.read(&**l1, chain, head).await?;
        let mut records = Records::at(&**l1, chain, head);
        known.right.update(&mut records, store, &status.safe).await?;
        let truth = Arc::new(NodeTruth {
            chain: chain.clone(),
            store: store.clone(),
            posted: self.posted.clone(),
            archive: self.archive.clone(),
            batches: known.right.following(),
            cache: known.cache.clone(),
            handle: Handle::current(),
        });
        if self.power >= Power::Dispute {
            self.oppose(known.right.missing(&mut records).await?, &truth).await?;
        }
        if docket.groups().next().is_some() {
            let bench = LiveBench::new(l1.clone(), chain.addresses.dispute, head, Handle::current());
            let (account, known) = (self.party.submitter.address(), truth.clone());
            // Running the program takes seconds.
            let deeds = work(move || {
                let player = Player { account, docket: &docket, bench: &bench, truth: &*known };
                player.deeds().map_err(|trouble| ChallengerError::Trouble(trouble.to_string()))
            });
            for deed in deeds.await? {
                self.carry_out(&truth, deed).await?;
            }
        }
        known.head = Some(head);
        Ok(())
    }

    /// Posts the right claims of batches of which a committee signed another, and of all behind it.
    async fn oppose(&self, missing: Vec<(Claim, Claim)>, truth: &Arc<NodeTruth>) -> Result<(), ChallengerError> {
        for (parent, claim) in missing {
            let (truth, rehearsal, id) = (truth.clone(), self.rehearsal.clone(), parent.id());
            work(move || Ok(truth.rehearse(&rehearsal, id)?)).await?;
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

    async fn carry_out(&self, truth: &Arc<NodeTruth>, deed: Deed) -> Result<(), ChallengerError> {
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
                let (truth, parent, block, request) = (truth.clone(), *parent, *block, *request);
                let input = work(move || Ok(truth.load(parent, block, &request)?)).await?;
                self.party.send(addresses.preimages.into(), U256::ZERO, input).await?;
            }
            _ => {}
        }
        let input = deed.input().unwrap_or_default();
        match self.party.send(addresses.dispute.into(), U256::ZERO, input).await? {
            Some(included) => tracing::warn!(
                deed = name, transaction = %included.transaction, gas = included.inclusion.gas_used, "answered in a dispute"
            ),
            None => tracing::info!(deed = name, "somebody else was faster"),
        }
        Ok(())
    }
}

/// Something that takes seconds, on a thread of its own.
async fn work<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ChallengerError> + Send + 'static,
) -> Result<T, ChallengerError> {
    let outcome = tokio::task::spawn_blocking(work).await;
    outcome.map_err(|error| ChallengerError::Trouble(error.to_string()))?
}
