//! Takes cases from judgement to the penalty, and L1's events to everyone.
//!
//! ```text
//! found ─▶ open ─(wait a turn)─▶ punished already? ─▶ judged by the contract? ─▶ does it pay? ─▶ sending ─▶ slashed
//!            ▲                        │ yes: slashed        │ no: refused            │ no: looked at again      │
//!            └────────────────────────┴─────────── lost race, failure, reorg ◀───────┴──────────────────────────┘
//! ```
//!
//! **Competition.** L1 punishes a (seat, fault, term) once, whoever reports it. A watchtower looks before it sends, at a
//! place in [`Policy::spread`] that follows from its own address and the case, and estimates gas right before the report
//! leaves; so a report that is too late is not sent, and one that loses within the same L1 block costs one reverted
//! transaction. It is never sent twice and its fee is not raised to win: the submitter raises a fee only when a
//! transaction has waited for slots.
//!
//! **Crash.** A case is `sending` on disk before its report leaves. After a restart everything that was underway is waited
//! for first; then L1 says whether the case is still open.

use crate::{
    audit::{About, Audit, DiskError, Happened, now},
    cases::{Case, CaseId, Cases, Standing},
    collector::Pair,
    court::{Court, Verdict},
    estimate::Estimate,
    faults::{
        Evidence, Fault,
        idle::{Finding, IdleFinder, Inquest, Round},
    },
    metrics,
    reader::{Read, Reader},
    sources::{Bundles, Source},
    watchtower::{Policy, WatchError},
};
use alloy_primitives::{Address, Bytes, keccak256};
use std::{sync::Arc, time::Duration};
use surety_contracts::ChainFile;
use surety_l1::{
    Advice, BlockRef, L1, L1Error,
    follow::FollowError,
    submit::{Included, SubmitError, Submitter, Ticket},
};
use surety_types::signing::Domain;
use tokio::sync::{mpsc, watch};

/// Reports of idleness that may be underway at once: a contradiction never waits behind fines.
const FINES_UNDERWAY: usize = 8;
/// Of one fault's cases that are judged but not reported for now, one is looked at again in so many milliseconds.
const GLANCE: u64 = 1_000;

/// How far a watchtower is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// The last block of L1 whose events were taken.
    pub l1_block: u64,
    /// Whether that is L1's head.
    pub caught_up: bool,
    /// Vote keys that are known.
    pub vote_keys: usize,
    /// Cases that are open.
    pub open_cases: usize,
}

/// What the prosecutor works with.
pub(crate) struct Parts {
    pub(crate) l1: Arc<dyn L1>,
    pub(crate) chain: ChainFile,
    pub(crate) reader: Reader,
    pub(crate) idle: IdleFinder,
    pub(crate) cases: Cases,
    pub(crate) audit: Arc<Audit>,
    /// `None`: nothing is ever sent.
    pub(crate) submitter: Option<Arc<Submitter>>,
    pub(crate) policy: Policy,
    pub(crate) poll: Duration,
    pub(crate) bundles: Bundles,
    pub(crate) source: Source,
    pub(crate) status: watch::Sender<Status>,
}

type Outcome = (CaseId, Ticket, Result<Included, SubmitError>);

pub(crate) struct Prosecutor {
    parts: Parts,
    court: Court,
    domain: Domain,
    /// The last block that was read.
    head: u64,
    /// Whether there is more to find although L1 has not moved.
    more: bool,
    outcomes: (mpsc::UnboundedSender<Outcome>, mpsc::UnboundedReceiver<Outcome>),
}

impl Prosecutor {
    pub(crate) fn new(parts: Parts) -> Self {
        let domain = Domain::new(parts.chain.l1_chain_id, parts.chain.addresses.registry);
        let court = Court::new(parts.l1.clone(), &parts.chain);
        Self { parts, court, domain, head: 0, more: false, outcomes: mpsc::unbounded_channel() }
    }

    /// Works until it is told to stop.
    ///
    /// # Errors
    /// The disk failed, or L1 contradicts what was read. What L1's endpoint fails to answer is asked again.
    pub(crate) async fn run(
        mut self,
        mut pairs: mpsc::UnboundedReceiver<Pair>,
        mut stopped: watch::Receiver<bool>,
    ) -> Result<(), WatchError> {
        tokio::select! {
            biased;
            () = told(&mut stopped) => return Ok(()),
            done = self.resume() => done?,
        }
        loop {
            tokio::select! {
                biased;
                () = told(&mut stopped) => return Ok(()),
                Some((id, ticket, outcome)) = self.outcomes.1.recv() => self.conclude(id, ticket, outcome).await?,
                pair = pairs.recv() => match pair {
                    Some(Pair { signer, seat, evidence }) => {
                        tracing::warn!(seat, %signer, "two contradicting statements of one key");
                        self.take(seat, signer, Evidence::Equivocation(Box::new(evidence))).await?;
                    }
                    None => return Err(WatchError::Stopped),
                },
                () = tokio::time::sleep(self.parts.poll) => self.tick().await?,
            }
        }
    }

    /// Waits for what an earlier run has underway; then nothing is being sent.
    async fn resume(&mut self) -> Result<(), WatchError> {
        if let Some(submitter) = self.parts.submitter.clone() {
            for nonce in submitter.underway().await {
                // Whether it worked is L1's to say, when its case is looked at.
                if let Err(error) = submitter.wait(Ticket { nonce }).await {
                    tracing::warn!(nonce, %error, "a report of an earlier run");
                }
            }
        }
        for case in self.parts.cases.all() {
            if case.standing == Standing::Sending {
                self.parts.cases.set(&case.id(), Standing::Open { not_before: 0 })?;
            }
        }
        Ok(())
    }

    /// Takes a case up and, if its turn is now, acts at once.
    async fn take(&mut self, seat: u64, signer: Address, evidence: Evidence) -> Result<(), WatchError> {
        let (term, found_at) = (evidence.term(), now());
        let id = CaseId { fault: evidence.fault(), seat, term };
        let standing = Standing::Open { not_before: found_at.saturating_add(self.turn(&id)) };
        let case = Case { seat, signer, term, evidence, found_at, refusals: 0, noted: None, again_at: 0, standing };
        let (about, evidence) = (case.about(), case.evidence.clone());
        if self.parts.cases.add(case)? {
            tracing::warn!(fault = id.fault.name(), seat, %signer, term, "a case");
            self.parts.audit.note(self.head, about, Happened::Found { evidence })?;
            self.attempt(&id).await?;
        }
        Ok(())
    }

    /// How long to wait for others, in milliseconds: a place in the spread that follows from our address and the case.
    fn turn(&self, id: &CaseId) -> u64 {
        let spread = u64::try_from(self.parts.policy.spread.as_millis()).unwrap_or(u64::MAX);
        let own = self.parts.submitter.as_ref().map_or(Address::ZERO, |submitter| submitter.address());
        let (fault, seat, term) = (id.fault.name().as_bytes(), id.seat.to_be_bytes(), id.term.to_be_bytes());
        let hash = keccak256([own.as_slice(), fault, &seat, &term].concat());
        let (place, _) = hash.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
        u64::from_be_bytes(*place).checked_rem(spread.saturating_add(1)).unwrap_or(0)
    }

    /// Reads L1 on, looks after what is underway, and goes through the cases.
    async fn tick(&mut self) -> Result<(), WatchError> {
        let read = match self.parts.reader.read(&self.parts.bundles, &self.parts.source).await {
            Ok(read) => read,
            Err(WatchError::Follow(FollowError::L1(error))) => {
                tracing::warn!(%error, "L1 could not be read; it is tried again");
                return Ok(());
            }
            Err(WatchError::Follow(error @ FollowError::Discontinuity(_))) => {
                tracing::warn!(%error, "reading L1 again");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let Read { heads, reverted } = read;
        let moved = reverted.is_some() || heads.read.number.get() != self.head;
        self.head = heads.read.number.get();
        if let Some(ancestor) = reverted {
            self.parts.idle.revert(ancestor);
        }
        if let Err(error) = self.parts.reader.look_at_terms().await {
            tracing::debug!(%error, "the current term is not known; terms are counted by the clock");
        }
        if let Some(submitter) = self.parts.submitter.clone()
            && let Err(error) = submitter.step().await
        {
            tracing::warn!(%error, "looking after the reports underway failed; it is tried again");
        }
        if heads.caught_up() && (moved || self.more) {
            self.look_for_idleness(heads.read).await?;
        }
        let settled = [heads.settled, heads.finalized].into_iter().flatten().map(|block| block.number.get()).max();
        for case in self.parts.cases.all() {
            match case.standing {
                Standing::Open { .. } => self.attempt(&case.id()).await?,
                // A block that a reorg took back may never have been read here, so L1 is asked with every new head.
                Standing::Slashed { block, settled: false, nonce } if moved && block <= self.head => {
                    if self.is_taken_back(&case, nonce).await? {
                        continue;
                    }
                    if settled >= Some(block) {
                        self.parts.cases.set(&case.id(), Standing::Slashed { block, settled: true, nonce })?;
                    }
                }
                _ => {}
            }
        }
        let open_cases = self.count_open_cases();
        let (l1_block, caught_up) = (self.head, heads.caught_up());
        self.parts.status.send_replace(Status {
            l1_block,
            caught_up,
            vote_keys: self.parts.reader.keys().len(),
            open_cases,
        });
        Ok(())
    }

    fn count_open_cases(&self) -> usize {
        let mut all = 0;
        for fault in Fault::ALL {
            let is_open = |case: &Case| matches!(case.standing, Standing::Open { .. } | Standing::Sending);
            let open = self.parts.cases.count(|case| case.evidence.fault() == fault && is_open(case));
            metrics::open_cases(fault, open);
            all += open;
        }
        all
    }

    /// Asks L1 for idle seats; each that it finds becomes a case.
    async fn look_for_idleness(&mut self, at: BlockRef) -> Result<(), WatchError> {
        let Round { inquest, more } = match self.parts.idle.look(at).await {
            Ok(round) => round,
            Err(error) => {
                tracing::warn!(%error, "L1 was not asked who was idle; it is asked again");
                self.more = true;
                return Ok(());
            }
        };
        self.more = more;
        let Some(inquest) = inquest else { return Ok(()) };
        let Inquest { term, seconds, ref findings, .. } = inquest;
        for (signer, finding) in findings {
            match finding {
                Finding::Guilty(idleness) => {
                    metrics::assessed("guilty");
                    self.take(idleness.seat, *signer, Evidence::Idle(*idleness)).await?;
                }
                Finding::Innocent { seat, why } => {
                    metrics::assessed("innocent");
                    let about = About { fault: Fault::Idle, seat: *seat, signer: *signer, term };
                    self.parts.audit.note(self.head, about, Happened::Acquitted { why, seconds })?;
                }
            }
        }
        self.parts.idle.conclude(inquest, at.time)?;
        Ok(())
    }

    /// Whether a reorg took the penalty back (or that cannot be told now); then the case goes on. A report of ours that was thrown out is sent again by
    /// the submitter, so it is waited for.
    async fn is_taken_back(&mut self, case: &Case, nonce: Option<u64>) -> Result<bool, WatchError> {
        let id = case.id();
        match self.court.is_punished(id.fault, case.seat, case.term).await {
            Ok(false) => {}
            Ok(true) => return Ok(false),
            Err(error) => {
                tracing::debug!(%error, "L1 was not asked whether a penalty still stands");
                return Ok(true);
            }
        }
        self.parts.audit.note(self.head, case.about(), Happened::Reopened {})?;
        let again = match (&self.parts.submitter, nonce) {
            (Some(submitter), Some(nonce)) if submitter.underway().await.contains(&nonce) => {
                Some((submitter.clone(), Ticket { nonce }))
            }
            _ => None,
        };
        match again {
            Some((submitter, ticket)) => {
                self.parts.cases.set(&id, Standing::Sending)?;
                self.wait(id, submitter, ticket);
            }
            None => self.parts.cases.set(&id, Standing::Open { not_before: 0 })?,
        }
        Ok(true)
    }

    /// Waits for a report, off this task.
    fn wait(&self, id: CaseId, submitter: Arc<Submitter>, ticket: Ticket) {
        let outcomes = self.outcomes.0.clone();
        tokio::spawn(async move {
            let outcome = submitter.wait(ticket).await;
            // Nobody takes it when the watchtower stops; the next run asks L1.
            let _ = outcomes.send((id, ticket, outcome));
        });
    }

    /// One attempt at an open case whose turn has come.
    async fn attempt(&mut self, id: &CaseId) -> Result<(), WatchError> {
        let Some(case) = self.parts.cases.get(id).cloned() else { return Ok(()) };
        if !matches!(case.standing, Standing::Open { not_before } if not_before.max(case.again_at) <= now()) {
            return Ok(());
        }
        let is_underway = |case: &Case| case.standing == Standing::Sending && case.evidence.fault() == Fault::Idle;
        if id.fault == Fault::Idle && self.parts.cases.count(is_underway) >= FINES_UNDERWAY {
            return Ok(());
        }
        match self.prosecute(&case).await {
            Ok(()) => Ok(()),
            Err(Trouble::Fatal(error)) => Err(error),
            Err(Trouble::Later(why)) => {
                tracing::warn!(seat = case.seat, why, "a case could not be brought forward; it is tried again");
                self.parts.audit.note(self.head, case.about(), Happened::Failed { why })?;
                let slot = self.parts.chain.protocol.slot_time.saturating_mul(1_000);
                self.parts.cases.set(id, Standing::Open { not_before: now().saturating_add(slot) })?;
                Ok(())
            }
        }
    }

    async fn prosecute(&mut self, case: &Case) -> Result<(), Trouble> {
        let id = case.id();
        if self.court.is_punished(id.fault, case.seat, case.term).await? {
            return self.slashed(case, self.head, None);
        }
        let evidence = case.evidence.abi_encode();
        if let Evidence::Equivocation(pair) = &case.evidence
            && let Err(error) = pair.check(&self.domain)
        {
            return self.refuse(case, error.to_string());
        }
        let from = self.parts.submitter.as_ref().map_or(Address::ZERO, |submitter| submitter.address());
        let (penalty, reward) = match self.court.judge(from, id.fault, &evidence).await? {
            Verdict::Guilty { penalty, reward } => (penalty, reward),
            Verdict::Punished => return self.slashed(case, self.head, None),
            Verdict::NotGuilty { why } => {
                if let Evidence::Idle(idleness) = &case.evidence {
                    // It was guilty where it was found: a reorg, or an endpoint that was behind when it was judged.
                    self.parts.idle.ask_again(idleness.term);
                }
                return self.refuse(case, why);
            }
            Verdict::Refused { why } => return self.refuse(case, why),
            Verdict::Later { why } => return Err(Trouble::Later(why)),
        };
        let gas = match self.court.gas(from, id.fault, &evidence).await {
            Ok(gas) => gas,
            // It was not punished and it is guilty: the next look tells more.
            Err(L1Error::Reverted { revert, .. }) => return Err(Trouble::Later(revert.to_string())),
            Err(error) => return Err(error.into()),
        };
        let estimate = Estimate::new(gas, &self.parts.l1.fees().await?, reward);
        let (send, decision) = match (&self.parts.submitter, estimate.pays()) {
            (None, _) => (None, "dry run: not reported"),
            (Some(submitter), true) => (Some(submitter.clone()), "reported: it pays"),
            (Some(submitter), false) if self.parts.policy.always => (Some(submitter.clone()), "reported at a loss"),
            (Some(_), false) => (None, "not reported while the reward is not above the cost"),
        };
        if case.noted != Some(decision) {
            self.parts.audit.note(self.head, case.about(), Happened::Judged { penalty })?;
            let cost = estimate.cost();
            self.parts.audit.note(self.head, case.about(), Happened::Estimated { estimate, cost, decision })?;
            tracing::info!(fault = id.fault.name(), seat = case.seat, term = case.term, %reward, %cost, decision, "judged guilty");
            self.parts.cases.set_noted(&id, decision);
        }
        match send {
            Some(submitter) => self.send(case, &submitter, &evidence).await,
            None => {
                let is_alike = |other: &Case| other.evidence.fault() == id.fault;
                let waiting =
                    self.parts.cases.count(|case| is_alike(case) && matches!(case.standing, Standing::Open { .. }));
                let pause = GLANCE.saturating_mul(waiting as u64);
                self.parts.cases.set_aside(&id, now().saturating_add(pause));
                Ok(())
            }
        }
    }

    async fn send(&mut self, case: &Case, submitter: &Arc<Submitter>, evidence: &Bytes) -> Result<(), Trouble> {
        let id = case.id();
        self.parts.cases.set(&id, Standing::Sending)?;
        let ticket = match submitter.send(self.court.report(id.fault, evidence)).await {
            Ok(ticket) => ticket,
            Err(error) => {
                // Nothing left: another was first since the estimate, or it can be tried again.
                self.parts.cases.set(&id, Standing::Open { not_before: 0 })?;
                return Err(Trouble::Later(error.to_string()));
            }
        };
        self.parts.audit.note(self.head, case.about(), Happened::Sent { nonce: ticket.nonce })?;
        self.wait(id, submitter.clone(), ticket);
        Ok(())
    }

    /// A report is in a block, or will never be.
    async fn conclude(
        &mut self,
        id: CaseId,
        ticket: Ticket,
        outcome: Result<Included, SubmitError>,
    ) -> Result<(), WatchError> {
        let Some(case) = self.parts.cases.get(&id).cloned() else { return Ok(()) };
        match outcome {
            Ok(included) if included.inclusion.success => {
                let block = included.inclusion.block_number.get();
                self.slashed(&case, block, Some((ticket, included))).or_else(Trouble::fatal)?;
            }
            Ok(Included { transaction, inclusion }) => {
                let happened = Happened::Lost { transaction, fee: inclusion.fee };
                self.parts.audit.note(self.head, case.about(), happened)?;
                metrics::case_closed(id.fault, "lost");
                self.parts.cases.set(&id, Standing::Open { not_before: 0 })?;
                self.attempt(&id).await?;
            }
            Err(error) => {
                let give_up = matches!(error.advice(), Advice::GiveUp);
                let why = error.to_string();
                tracing::warn!(seat = case.seat, why, "a report did not arrive");
                self.parts.audit.note(self.head, case.about(), Happened::Failed { why })?;
                let wait = if give_up { 60_000 } else { 0 };
                self.parts.cases.set(&id, Standing::Open { not_before: now().saturating_add(wait) })?;
            }
        }
        Ok(())
    }

    /// L1 has the penalty: by our own report, or by another's.
    fn slashed(&mut self, case: &Case, block: u64, ours: Option<(Ticket, Included)>) -> Result<(), Trouble> {
        let own = ours.is_some();
        let transaction = ours.map(|(_, included)| included.transaction);
        let gas_used = ours.map(|(_, included)| included.inclusion.gas_used);
        let happened = Happened::Slashed { own, transaction, gas_used, block };
        self.parts.audit.note(self.head, case.about(), happened)?;
        tracing::warn!(fault = case.evidence.fault().name(), seat = case.seat, term = case.term, own, block, "slashed");
        metrics::case_closed(case.evidence.fault(), if own { "reported" } else { "reported_by_another" });
        let nonce = ours.map(|(ticket, _)| ticket.nonce);
        self.parts.cases.set(&case.id(), Standing::Slashed { block, settled: false, nonce })?;
        Ok(())
    }

    fn refuse(&mut self, case: &Case, why: String) -> Result<(), Trouble> {
        let (fault, seat, term) = (case.evidence.fault(), case.seat, case.term);
        match fault {
            Fault::Equivocation => tracing::error!(seat, term, why, "evidence that L1 does not take"),
            Fault::Idle => tracing::warn!(seat, term, why, "an idle seat that L1 does not fine"),
        }
        self.parts.audit.note(self.head, case.about(), Happened::Refused { why })?;
        metrics::case_closed(fault, "refused");
        self.parts.cases.set(&case.id(), Standing::Refused)?;
        Ok(())
    }
}

/// Waits until it is told to stop; a dropped sender means that, too.
async fn told(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await;
}

/// Why a case was not brought forward.
enum Trouble {
    /// To be tried again.
    Later(String),
    /// The watchtower cannot go on.
    Fatal(WatchError),
}

impl Trouble {
    /// Of what cannot be tried again.
    fn fatal(self) -> Result<(), WatchError> {
        match self {
            Self::Fatal(error) => Err(error),
            Self::Later(_) => Ok(()),
        }
    }
}

impl From<L1Error> for Trouble {
    fn from(error: L1Error) -> Self {
        Self::Later(error.to_string())
    }
}

impl From<DiskError> for Trouble {
    fn from(error: DiskError) -> Self {
        Self::Fatal(error.into())
    }
}
