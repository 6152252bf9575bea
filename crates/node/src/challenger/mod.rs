//! Disputes: watches every claim, opposes the first wrong one, and answers for right ones to the end (protocol §8).
//!
//! A challenger decides from L1's logs and state at one block and from its node's own execution, and from nothing else. Each round
//! it looks anew and keeps nothing that it could not find again, so it can be stopped in the middle of any move. Whenever L1 and its
//! node do not fit together (the node is behind, its database is damaged or of another history, an endpoint leaves something out) it
//! does nothing but say so. Before it opposes a claim it runs the compiled program over all blocks of the batch: if that does not
//! say what the node's database does, the database is wrong.

mod bench;
pub mod byzantine;
mod justice;
mod right;
mod truth;

use crate::{
    follower::{PostedBatches, Status},
    party::{Party, PartyError},
    poster::Rehearsal,
};
use alloy_primitives::{B256, U256};
use bench::{LiveBench, Logbook};
use right::{RightClaims, RightError};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use surety_dispute::{Deed, Docket, Player};
use surety_l1::{
    BlockAt, BlockRef, L1Error,
    blobs::Archive,
    records::{Memory, Records},
    submit::Ticket,
};
use surety_types::{BatchIndex, claim::Claim};
use tokio::{runtime::Handle, sync::watch};
use truth::{Cache, NodeTruth, TruthError};

/// Transactions that are underway together.
const DEEDS_AT_ONCE: usize = 32;

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
    #[error(
        "L1's state has the right claim of batch {0}, its logs up to the node's head do not: somebody was faster, or an endpoint lies"
    )]
    Logs(BatchIndex),
    #[error("{0}")]
    Trouble(String),
}

/// What it found out so far: nothing that it could not find again.
#[derive(Default)]
struct Known {
    logbook: Logbook,
    memory: Option<Memory>,
    right: RightClaims,
    cache: Arc<Cache>,
    /// Claims that fell, whose signers have nothing left.
    done: BTreeSet<B256>,
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

    /// One round, without memory of earlier ones.
    ///
    /// # Errors
    /// Why nothing was done, or not all.
    pub async fn once(&self) -> Result<(), Box<dyn core::error::Error + Send + Sync>> {
        Ok(self.round(&mut Known::default()).await?)
    }

    async fn round(&self, known: &mut Known) -> Result<(), ChallengerError> {
        let Some(Sight { head, docket, mut records, truth }) = self.look(known).await? else { return Ok(()) };
        if self.power >= Power::Dispute {
            self.oppose(known.right.missing(&mut records).await?, &truth).await?;
        }
        if docket.groups().next().is_some() {
            let bench = self.bench(head);
            let (account, known_truth, listed) = (self.party.submitter.address(), truth.clone(), docket.clone());
            // Running the program takes seconds.
            let deeds = work(move || {
                let player = Player { account, docket: &listed, bench: &bench, truth: &*known_truth };
                let deeds = player.deeds().and_then(|deeds| Ok([deeds, player.dues()?].concat()));
                deeds.map_err(|trouble| ChallengerError::Trouble(trouble.to_string()))
            });
            self.carry_out(&truth, deeds.await?).await?;
        }
        if self.power >= Power::Dispute {
            justice::report(&self.party, &docket, &mut records, &mut known.done).await?;
        }
        known.head = Some(head);
        Ok(())
    }

    /// What there is to see at L1's head; `None` if this node is behind, or has done what there was to do there.
    async fn look<'a>(&'a self, known: &mut Known) -> Result<Option<Sight<'a>>, ChallengerError> {
        let status = self.follower.borrow().clone();
        let Some(head) = status.l1_head.filter(|head| status.caught_up && known.head != Some(*head)) else {
            return Ok(None);
        };
        let Party { l1, chain, store, .. } = &self.party;
        let docket = Arc::new(known.logbook.read(&**l1, chain, head).await?);
        let mut records = Records::resume(&**l1, chain, head, known.memory.take()).await?;
        known.right.update(&mut records, store, &status.safe).await?;
        let settled = head.number.saturating_sub(chain.protocol.settled_depth);
        if let (Some(until), Some(base)) = (l1.block(BlockAt::Number(settled)).await?, known.right.base()) {
            known.memory = records.remember(until, base.batch_index);
        }
        let truth = Arc::new(NodeTruth {
            chain: chain.clone(),
            store: store.clone(),
            posted: self.posted.clone(),
            archive: self.archive.clone(),
            batches: known.right.following(),
            cache: known.cache.clone(),
            handle: Handle::current(),
        });
        Ok(Some(Sight { head, docket, records, truth }))
    }

    fn bench(&self, head: BlockRef) -> LiveBench {
        LiveBench::new(self.party.l1.clone(), self.party.chain.addresses.dispute, head, Handle::current())
    }

    /// Posts the right claims of batches of which a committee signed another, and of all behind it.
    async fn oppose(&self, missing: Vec<(Claim, Claim)>, truth: &Arc<NodeTruth>) -> Result<(), ChallengerError> {
        for (parent, claim) in missing {
            // A claim is never taken back, so an older head cannot lack it either.
            if self.party.contracts().claim(claim.id(), BlockAt::Latest).await?.is_some() {
                return Err(ChallengerError::Logs(claim.batch_index));
            }
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

    /// Sends what is to be done, several at once: each is of its own.
    async fn carry_out(&self, truth: &Arc<NodeTruth>, deeds: Vec<Deed>) -> Result<(), ChallengerError> {
        for some in deeds.chunks(DEEDS_AT_ONCE) {
            let mut underway = Vec::new();
            for deed in some {
                if self.power == Power::Watch {
                    tracing::warn!(deed = deed.name(), "a dispute asks for an answer; this node only watches");
                } else if let Some(ticket) = self.hand_over(truth, deed).await? {
                    underway.push((deed.name(), ticket));
                }
            }
            for (deed, ticket) in underway {
                match self.party.wait(ticket).await? {
                    Some(included) => tracing::warn!(
                        deed, transaction = %included.transaction, gas = included.inclusion.gas_used,
                        "answered in a dispute"
                    ),
                    None => tracing::info!(deed, "somebody else was faster"),
                }
            }
        }
        Ok(())
    }

    async fn hand_over(&self, truth: &Arc<NodeTruth>, deed: &Deed) -> Result<Option<Ticket>, ChallengerError> {
        let addresses = &self.party.chain.addresses;
        match deed {
            // `oppose` sees to it, and knows more.
            Deed::Post { .. } => return Ok(None),
            Deed::Join => {
                self.party.join().await?;
                return Ok(None);
            }
            Deed::Step { reads: Some((parent, block, request)), .. } => {
                let (truth, parent, block, request) = (truth.clone(), *parent, *block, *request);
                let input = work(move || Ok(truth.load(parent, block, &request)?)).await?;
                self.party.send(addresses.preimages.into(), U256::ZERO, input).await?;
            }
            _ => {}
        }
        Ok(self.party.hand_over(addresses.dispute.into(), U256::ZERO, deed.input().unwrap_or_default()).await?)
    }
}

/// What a challenger sees at one head of L1.
struct Sight<'a> {
    head: BlockRef,
    docket: Arc<Docket>,
    records: Records<'a>,
    truth: Arc<NodeTruth>,
}

/// Something that takes seconds, on a thread of its own.
async fn work<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ChallengerError> + Send + 'static,
) -> Result<T, ChallengerError> {
    let outcome = tokio::task::spawn_blocking(work).await;
    outcome.map_err(|error| ChallengerError::Trouble(error.to_string()))?
}
