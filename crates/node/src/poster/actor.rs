//! The loop: cut, wait for the turn, have it signed, carry it.

use super::{
    Duty, Form, Proposal, ProposalError, TermNow,
    journal::{Journal, Signed},
    proposal::blobs,
    terms,
};
use crate::{
    clock::Clock,
    consensus::{BatchSignatures, Finalization, TermSchedule},
    follower::{ApplyError, Chain, DerivedBatch, Status, block_hashes},
};
use alloy_primitives::{Address, Bytes, TxKind, U256};
use alloy_sol_types::SolCall;
use std::{convert::Infallible, path::PathBuf, sync::Arc, time::Duration};
use surety_contracts::{Addresses, bindings::Inbox};
use surety_l1::{
    BlockAt, L1Error,
    contracts::Contracts,
    error::Advice,
    submit::{Outgoing, SubmitError, Submitter, Ticket},
};
use surety_types::{
    BatchIndex, L2Height, Milliseconds,
    claim::{BlockHashTree, Claim},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

/// So many failures in a row are worth a warning.
const LOUD_FAILURES: u32 = 4;

/// How a poster works.
#[derive(Debug, Clone)]
pub struct Config {
    /// The contracts on L1.
    pub addresses: Addresses,
    /// Age at which a batch ends. The same on all seats.
    pub age: Milliseconds,
    /// How data go to L1.
    pub form: Form,
    /// How long the seat on duty has before the next one may post.
    pub turn: Duration,
    /// How often to look.
    pub poll: Duration,
    /// How long to wait for a quorum of signatures at once.
    pub gather: Duration,
    /// This node's vote address, for its turn; `None` for a carrier that is no seat.
    pub vote_address: Option<Address>,
    /// Where signed batches are kept.
    pub directory: PathBuf,
    /// The time of day, for turns.
    pub clock: Clock,
}

/// What a poster works with.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The node's chain.
    pub chain: Chain,
    /// What the node's follower knows.
    pub follower: watch::Receiver<Status>,
    /// Terms and committees.
    pub schedule: TermSchedule,
    /// Gathers the seats' signatures.
    pub signatures: BatchSignatures,
    /// Sends and pays.
    pub submitter: Arc<Submitter>,
}

/// Why a poster ended.
#[derive(Debug, thiserror::Error)]
pub enum PosterError {
    /// The journal cannot be used.
    #[error("the poster's journal in {path}: {reason}; check the data directory")]
    Journal {
        /// The directory.
        path: String,
        /// The system's words.
        reason: String,
    },
}

/// Posts batches. [`Poster::run`] is the task.
pub struct Poster {
    config: Config,
    chain: Chain,
    schedule: TermSchedule,
    gatherer: BatchSignatures,
    submitter: Arc<Submitter>,
    journal: Journal,
    follower: watch::Receiver<Status>,
    work: Work,
    /// The newest batch of L1, and when this node saw it first.
    newest: Option<(BatchIndex, Milliseconds)>,
}

/// Where this node stands in the committee of the term.
#[derive(Debug, Clone, Copy)]
struct Standing {
    term: TermNow,
    members: usize,
    place: Option<usize>,
}

/// Work on threads that nothing can cancel, such as the commitments to a batch's blobs: what it has in hand (the store) is in
/// use until it is over, also when nobody waits for its outcome any more.
pub(super) struct Work {
    /// Whoever works has one.
    busy: mpsc::Sender<Infallible>,
    idle: mpsc::Receiver<Infallible>,
}

impl Work {
    pub(super) fn new() -> Self {
        let (busy, idle) = mpsc::channel(1);
        Self { busy, idle }
    }

    pub(super) fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let busy = self.busy.clone();
        tokio::task::spawn_blocking(move || {
            let outcome = work();
            // After everything that the work had in hand.
            drop(busy);
            outcome
        })
    }

    /// Waits until all of it is over.
    pub(super) async fn over(self) {
        let Self { busy, mut idle } = self;
        drop(busy);
        // Nothing is ever sent: it ends when the last one who works is gone.
        let _ = idle.recv().await;
    }
}

impl core::fmt::Debug for Poster {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Poster").field("config", &self.config).finish_non_exhaustive()
    }
}

/// What became of a round.
enum Round {
    /// Nothing to do now.
    Idle,
    /// Something stands in the way, in words.
    Trouble(String),
    /// L1 took (or will not take) a batch: go on when the follower shows it.
    Posted,
}

impl Poster {
    /// A poster that goes on with what its journal holds.
    ///
    /// # Errors
    /// [`PosterError::Journal`].
    pub fn new(config: Config, sources: Sources) -> Result<Self, PosterError> {
        let journal = Journal::open(config.directory.clone()).map_err(|e| trouble(&config, &e))?;
        let Sources { chain, follower, schedule, signatures, submitter } = sources;
        Ok(Self {
            config,
            chain,
            schedule,
            gatherer: signatures,
            submitter,
            journal,
            follower,
            work: Work::new(),
            newest: None,
        })
    }

    /// The newest term, its committee's size, and this node's place in it.
    fn standing(&self) -> Result<Option<Standing>, ProposalError> {
        let rollup = self.chain.parameters().rollup;
        let terms = terms::newest(self.chain.store(), &self.schedule, rollup).map_err(ApplyError::from)?;
        let Some(term) = terms.first().copied() else { return Ok(None) };
        let Some(committee) = self.schedule.committee(term.term) else { return Ok(None) };
        let place = self.config.vote_address.and_then(|address| committee.place_of(address));
        Ok(Some(Standing { term, members: committee.members().len(), place }))
    }

    /// Posts until `stop` turns true (or its sender is gone), and lets go of the store.
    ///
    /// # Errors
    /// [`PosterError`].
    pub async fn run(mut self, stop: watch::Receiver<bool>) -> Result<(), PosterError> {
        let outcome = self.rounds(stop).await;
        self.work.over().await;
        outcome
    }

    async fn rounds(&mut self, mut stop: watch::Receiver<bool>) -> Result<(), PosterError> {
        let mut failures = 0u32;
        while !*stop.borrow() {
            let head = self.follower.borrow().l1_head;
            let round = tokio::select! {
                round = self.round() => round?,
                changed = stop.changed() => {
                    if changed.is_err() { return Ok(()) }
                    continue;
                }
            };
            failures = if matches!(round, Round::Trouble(_)) { failures.saturating_add(1).min(6) } else { 0 };
            // L1 does not answer otherwise before it has another block.
            let is_worth_it = |status: &Status| failures == 0 || status.l1_head != head;
            match round {
                // Another seat is often a little faster; that is no trouble.
                Round::Trouble(reason) if failures < LOUD_FAILURES => tracing::info!(%reason, "no batch was posted"),
                Round::Trouble(reason) => tracing::warn!(%reason, "no batch was posted; it is tried again"),
                _ => {}
            }
            let wait = self.config.poll.saturating_mul(1 << failures);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                // Without its follower a poster knows nothing of L1.
                changed = news(&mut self.follower, is_worth_it) => if changed.is_err() { return Ok(()) },
                changed = stop.changed() => if changed.is_err() { return Ok(()) },
            }
        }
        Ok(())
    }

    async fn round(&mut self) -> Result<Round, PosterError> {
        let status = self.follower.borrow_and_update().clone();
        self.journal.prune(status.finalized.last.get());
        if !status.caught_up {
            return Ok(Round::Idle);
        }
        let standing = match self.standing() {
            Ok(Some(standing)) => standing,
            Ok(None) => return Ok(Round::Idle),
            Err(error) => return Ok(Round::Trouble(error.to_string())),
        };
        let (tip, ancestry) = (status.safe, status.ancestry);
        if self.newest.is_none_or(|(index, _)| index != tip.index) {
            self.newest = Some((tip.index, self.config.clock.now()));
        }
        let signed = match self.signed_before(&tip, &standing) {
            Some(signed) => signed,
            None => match self.sign(&tip, &standing).await? {
                Ok(signed) => signed,
                Err(round) => return Ok(round),
            },
        };
        self.carry(signed, &tip, &ancestry).await
    }

    /// The batch in the journal, if L1 would still take its statement. What fewer than a quorum signed is only worth a wait if it
    /// is on its way: meanwhile the others may sign.
    fn signed_before(&self, tip: &DerivedBatch, standing: &Standing) -> Option<Signed> {
        let signed = self.journal.get(tip.last.next().get())?;
        let s = &signed.proposal.statement;
        let fits = s.parentClaim == tip.claim.id()
            && s.inboxTip == tip.tip
            && s.prevHash == tip.last_hash
            && s.term == standing.term.term.get()
            && s.genesis == standing.term.genesis
            && (signed.gathered.finalization.is_none() || signed.nonce.is_some());
        fits.then(|| signed.clone())
    }

    /// Makes a proposal when it is this node's turn, and has it signed. The inner error is how the round ends instead.
    async fn sign(&mut self, tip: &DerivedBatch, standing: &Standing) -> Result<Result<Signed, Round>, PosterError> {
        let (chain, tip, term) = (self.chain.clone(), *tip, standing.term);
        let (age, form) = (self.config.age, self.config.form);
        // The same payload again, if there was one for these blocks.
        let before = self.journal.get(tip.last.next().get()).map(|signed| signed.proposal.clone());
        let duty = Duty { members: standing.members, place: standing.place, step: self.config.turn };
        let clock = self.config.clock.clone();
        let since_newest = self.newest.map_or(Duration::ZERO, |(_, seen)| since(&clock, seen));
        let made = self.work.run(move || {
            let until = L2Height::new(chain.store().committed().number);
            let is_time = |last, whole_at| duty.is_due(last, since(&clock, whole_at), since_newest);
            Proposal::make(&chain, &tip, term, (age, until), form, is_time)
        });
        let mut proposal = match made.await {
            Ok(Ok(Some(made))) => made,
            Ok(Ok(None)) => return Ok(Err(Round::Idle)),
            Ok(Err(error)) => return Ok(Err(Round::Trouble(error.to_string()))),
            Err(error) => return Ok(Err(Round::Trouble(error.to_string()))),
        };
        if let Some(before) = before.filter(|before| before.statement.lastHash == proposal.statement.lastHash) {
            proposal.statement.dataHash = before.statement.dataHash;
            (proposal.payload, proposal.form) = (before.payload, before.form);
        }
        let asked = self.gatherer.gather(proposal.statement.clone(), proposal.payload.clone(), self.config.gather);
        let gathered = match asked.await {
            Ok(gathered) => gathered,
            Err(error) => return Ok(Err(Round::Trouble(error.to_string()))),
        };
        let signed = Signed { proposal, gathered, nonce: None };
        self.journal.put(signed.clone()).map_err(|e| trouble(&self.config, &e))?;
        Ok(Ok(signed))
    }

    /// Hands a signed batch to L1 and waits until it is in a block.
    async fn carry(
        &mut self,
        mut signed: Signed,
        tip: &DerivedBatch,
        ancestry: &[Claim],
    ) -> Result<Round, PosterError> {
        let first = signed.proposal.statement.firstHeight;
        // Handed over before: by this process, or by the one before it.
        let known = match signed.nonce {
            Some(nonce) => self.submitter.underway().await.contains(&nonce).then_some(Ticket { nonce }),
            None => None,
        };
        let ticket = match known {
            Some(ticket) => ticket,
            None => {
                let contracts = Contracts::new(self.submitter.l1(), self.config.addresses);
                let ancestry = match to_carry(contracts, ancestry).await {
                    Ok(ancestry) => ancestry,
                    Err(error) => return Ok(Round::Trouble(error.to_string())),
                };
                let outgoing = match outgoing(&self.config, &self.chain, &signed, ancestry) {
                    Ok(outgoing) => outgoing,
                    Err(error) => return Ok(Round::Trouble(error.to_string())),
                };
                match self.submitter.send(outgoing).await {
                    Ok(ticket) => ticket,
                    Err(error) => return Ok(refused(&error)),
                }
            }
        };
        signed.nonce = Some(ticket.nonce);
        self.journal.put(signed.clone()).map_err(|e| trouble(&self.config, &e))?;
        let result = self.submitter.wait(ticket).await;
        if matches!(&result, Ok(included) if included.inclusion.success) {
            tracing::info!(first, last = signed.proposal.statement.lastHeight, "batch posted");
            self.wait_for_follower(tip).await;
            return Ok(Round::Posted);
        }
        // Not through this transaction: the next round sends the same bytes in another, if L1 still lacks them.
        signed.nonce = None;
        self.journal.put(signed).map_err(|e| trouble(&self.config, &e))?;
        Ok(match result {
            Ok(included) => Round::Trouble(format!("transaction {} reverted", included.transaction)),
            Err(error) => refused(&error),
        })
    }

    /// Until the follower has seen something new, or for a turn's time: if L1 took the batch back, it is posted again.
    async fn wait_for_follower(&self, tip: &DerivedBatch) {
        let mut follower = self.follower.clone();
        let moved = follower.wait_for(|status| status.safe.index != tip.index);
        let _ = tokio::time::timeout(self.config.turn, moved).await;
    }
}

/// Waits until the follower tells something new that is of interest.
async fn news(
    follower: &mut watch::Receiver<Status>,
    is_of_interest: impl Fn(&Status) -> bool,
) -> Result<(), watch::error::RecvError> {
    loop {
        follower.changed().await?;
        if is_of_interest(&follower.borrow_and_update()) {
            return Ok(());
        }
    }
}

fn trouble(config: &Config, error: &std::io::Error) -> PosterError {
    PosterError::Journal { path: config.directory.display().to_string(), reason: error.to_string() }
}

/// A refusal that only says that L1 has moved is no trouble.
fn refused(error: &SubmitError) -> Round {
    match error {
        SubmitError::WouldRevert(revert)
            if revert.decode::<Inbox::WrongFirstHeight>().is_some()
                || revert.decode::<Inbox::WrongInboxTip>().is_some() =>
        {
            Round::Posted
        }
        SubmitError::WouldRevert(revert) => match revert.decode::<Inbox::ThirdTooEarly>() {
            Some(Inbox::ThirdTooEarly { from }) => {
                Round::Trouble(format!("only a third of the seats signed, which L1 takes from {from} (Unix time) on"))
            }
            None => Round::Trouble(format!("L1 would refuse the batch: {revert}")),
        },
        other if other.advice() == Advice::GiveUp => {
            tracing::error!(error = %other, "this node cannot post; others will");
            Round::Trouble(other.to_string())
        }
        other => Round::Trouble(other.to_string()),
    }
}

/// The claims that a statement carries: the newest one that lives on L1 already, and those behind it. Only batches that nobody
/// signed can be carried; where a committee signed what is wrong, somebody must have posted the right claim with a bond.
pub(super) async fn to_carry<'a>(contracts: Contracts<'_>, ancestry: &'a [Claim]) -> Result<&'a [Claim], L1Error> {
    for (place, claim) in ancestry.iter().enumerate().skip(1).rev() {
        if contracts.is_live(claim.id(), claim.batch_index, BlockAt::Latest).await? {
            return Ok(ancestry.get(place..).unwrap_or_default());
        }
    }
    Ok(ancestry)
}

/// The transaction that posts a batch.
fn outgoing(config: &Config, chain: &Chain, signed: &Signed, ancestry: &[Claim]) -> Result<Outgoing, ProposalError> {
    let statement = &signed.proposal.statement;
    let hashes = block_hashes(chain.store(), statement).map_err(ApplyError::from)?.unwrap_or_default();
    let left_siblings = BlockHashTree::new(&hashes).map(|tree| tree.left_siblings()).unwrap_or_default();
    let (signers, signatures) = (signed.gathered.signatures.signers, signed.gathered.signatures.to_bytes());
    let (data, blobs) = match signed.proposal.form {
        Form::Calldata => (signed.proposal.payload.clone(), Vec::new()),
        Form::Blobs => (Bytes::new(), blobs(&signed.proposal.payload)?.into_iter().map(|blob| *blob).collect()),
    };
    let statement = statement.clone().into();
    let finalization = signed.gathered.finalization.as_ref();
    let input = if let ([parent], None) = (ancestry, finalization) {
        let parent = parent.into();
        Inbox::postBatchCall { statement, parent, leftSiblings: left_siblings, signers, signatures, data }.abi_encode()
    } else {
        // Nobody signed the batches before: who signs this one answers for their claims too. Or few signed this one.
        Inbox::postBatchWithCall {
            statement,
            ancestry: ancestry.iter().map(Into::into).collect(),
            leftSiblings: left_siblings,
            signers,
            signatures,
            data,
            finalization: finalization_call(finalization),
        }
        .abi_encode()
    };
    Ok(Outgoing {
        to: TxKind::Call(config.addresses.inbox),
        value: U256::ZERO,
        input: input.into(),
        blobs,
        gas_limit: None,
    })
}

/// Votes for the last block as the contract takes them; none: a quorum signed the batch.
fn finalization_call(finalization: Option<&Finalization>) -> Inbox::Finalization {
    match finalization {
        Some(Finalization { vote, signatures }) => Inbox::Finalization {
            view_: vote.view,
            parentView: vote.parentView,
            signers: signatures.signers,
            signatures: signatures.to_bytes(),
        },
        None => Inbox::Finalization { view_: 0, parentView: 0, signers: 0, signatures: Bytes::new() },
    }
}

/// Time since a block; none while a clock that is behind says that it is yet to come.
fn since(clock: &Clock, time: Milliseconds) -> Duration {
    Duration::from_millis(clock.now().since(time))
}
