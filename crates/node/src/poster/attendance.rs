//! Attending: an honest seat's part of a duty that the others do not do (protocol §9, Idle).
//!
//! All seats of a committee are fined alike for seconds in which a message was overdue or no batch came, since L1 cannot see
//! whose fault it was; but for those that filed, in that time, a batch of their own that L1 would take if a quorum had signed it.
//!
//! That batch is what this seat holds to be the chain: the blocks that are final, then those that it voted to make final, and, if
//! a message is due that none of them consumes or there is none, one more of its own with the messages. So it contradicts
//! nothing that this seat has said: no block of its `Finalize` votes has another at its height, and the signing journal refuses
//! what would differ from a `Batch` that it signed. If the chain later has another block where its own was, then in this term
//! it signs no batch that ends right there: the others do.

use super::{
    Form, ProposalError, TermNow,
    actor::{Work, left_siblings, on_l1, parent_claim},
    boundary::{Cut, batch_block},
    proposal::{blobs, data_hash, expected},
    terms,
};
use crate::{
    builder::{Blocks, MachineError},
    consensus::TermSchedule,
    follower::{ApplyError, Chain, DerivedBatch, Status},
    signer::{Guard, SignError},
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_sol_types::SolCall;
use std::{sync::Arc, time::Duration};
use surety_contracts::{Addresses, Parameters, bindings::Idle};
use surety_l1::{
    BlockAt, L1, L1Error,
    contracts::Contracts,
    submit::{Outgoing, SubmitError, Submitter},
};
use surety_state::StoredBlock;
use surety_stf::batch::{BodyWriter, EncodeError, encode_payload};
use surety_types::{
    BatchIndex, ConsensusContext, Milliseconds, Seconds, Term, View,
    claim::{Claim, MAX_CALLDATA},
    signing::{Batch, Signature},
};
use tokio::sync::watch;

/// How long L1 may wait before a seat attends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience(pub Seconds);

impl Patience {
    /// Half of the time that is left until anyone may self-sequence: a batch that is only late comes before, and if none
    /// does there is time to get the attendance in.
    pub fn of(protocol: &Parameters) -> Self {
        let opens_after = protocol.grace.min(protocol.max_gap / 2);
        Self(Seconds::new(opens_after / 2))
    }
}

/// What an attendant works with.
#[derive(Clone)]
pub struct Attendant {
    /// L1.
    pub l1: Arc<dyn L1>,
    /// The contracts.
    pub addresses: Addresses,
    /// Makes this seat's own block.
    pub blocks: Blocks,
    /// The node's chain.
    pub chain: Chain,
    /// The seat's vote key.
    pub guard: Guard,
    /// Terms and committees.
    pub schedule: TermSchedule,
    /// What the node's follower knows.
    pub follower: watch::Receiver<Status>,
    /// Sends and pays.
    pub submitter: Arc<Submitter>,
    /// How long L1 may wait.
    pub patience: Patience,
    /// How often to look.
    pub poll: Duration,
    /// Whom the fees of its own block go to.
    pub beneficiary: Address,
}

impl core::fmt::Debug for Attendant {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Attendant").field("patience", &self.patience).finish_non_exhaustive()
    }
}

/// Why a seat did not attend.
#[derive(Debug, thiserror::Error)]
enum AttendError {
    #[error(transparent)]
    L1(#[from] L1Error),
    #[error(transparent)]
    Proposal(#[from] ProposalError),
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error(transparent)]
    Submit(#[from] SubmitError),
    #[error("the work failed: {0}")]
    Work(String),
}

/// A batch that this seat alone stands behind.
#[derive(Debug, Clone)]
pub(super) struct Attendance {
    pub(super) statement: Batch,
    pub(super) payload: Bytes,
    pub(super) hashes: Vec<B256>,
    /// Whether its last block is this seat's own.
    pub(super) own: bool,
}

/// What L1 waits for, as this seat finds it.
struct Call {
    tip: DerivedBatch,
    ancestry: Arc<[Claim]>,
    term: TermNow,
    place: usize,
    now: Seconds,
}

impl Attendant {
    /// Attends whenever it must, until `stop` turns true (or its sender is gone), and lets go of the store.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let work = Work::new();
        // What could not be attended to is tried again, and told once.
        let mut told: Option<(BatchIndex, Term)> = None;
        let rounds = async {
            loop {
                let failed = self.round(&work, &mut told).await;
                tokio::time::sleep(self.poll.saturating_mul(if failed { 4 } else { 1 })).await;
            }
        };
        tokio::select! {
            () = rounds => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
        work.over().await;
    }

    /// Attends if it must; whether that failed.
    async fn round(&self, work: &Work, told: &mut Option<(BatchIndex, Term)>) -> bool {
        let call = match self.wanted().await {
            Ok(Some(call)) => call,
            Ok(None) => return false,
            Err(error) => {
                tracing::debug!(%error, "whether L1 waits is not known");
                return false;
            }
        };
        let which = (call.tip.index, call.term.term);
        let Err(error) = self.attend(call, work).await else { return false };
        if told.replace(which) != Some(which) {
            tracing::warn!(%error, after = %which.0, term = %which.1, "this seat could not attend; it tries again");
        }
        true
    }

    /// Whether L1 waits for this seat.
    async fn wanted(&self) -> Result<Option<Call>, AttendError> {
        let (tip, ancestry) = {
            let status = self.follower.borrow();
            if !status.caught_up || !status.safe.claim_holds {
                return Ok(None);
            }
            (status.safe, status.ancestry.clone())
        };
        let Some(head) = self.l1.block(BlockAt::Latest).await? else { return Ok(None) };
        let at = BlockAt::Number(head.number);
        let contracts = Contracts::new(&*self.l1, self.addresses);
        let since = contracts.waiting_since(at).await?;
        if head.time < since.saturating_add(self.patience.0.get()) || contracts.batch_index(at).await? != tip.index {
            return Ok(None);
        }
        let term = contracts.term_at(head.time, at).await?;
        let members = contracts.committee(term, at).await?;
        let Some(place) = members.iter().position(|member| member.vote_key == self.guard.address()) else {
            return Ok(None);
        };
        let seat = members.get(place).map_or(0, |member| member.seat);
        if contracts.attended(tip.index, term, seat, at).await? {
            return Ok(None);
        }
        let rollup = self.chain.parameters().rollup;
        let terms = terms::newest(self.chain.store(), &self.schedule, rollup)
            .map_err(|error| ProposalError::from(ApplyError::from(error)))?;
        // In a term that the chain has not reached nothing can be signed: nobody knows its genesis.
        let Some(term) = terms.into_iter().find(|now| now.term == term) else { return Ok(None) };
        Ok(Some(Call { tip, ancestry, term, place, now: head.time }))
    }

    async fn attend(&self, call: Call, work: &Work) -> Result<(), AttendError> {
        let this = self.clone();
        let (tip, term, now) = (call.tip, call.term, call.now);
        let work = work.run(move || {
            let Some(attendance) = prepare(&this.blocks, &this.chain, &this.guard, &tip, term, now, this.beneficiary)?
            else {
                return Ok(None);
            };
            let signature = this.guard.batch(&attendance.statement)?;
            Ok::<_, AttendError>(Some((attendance, signature)))
        });
        let Some((attendance, signature)) = work.await.map_err(|error| AttendError::Work(error.to_string()))?? else {
            return Ok(());
        };
        let (first, last) = (attendance.statement.firstHeight, attendance.statement.lastHeight);
        let own = attendance.own;
        let included = self.submitter.submit(outgoing(&self.addresses, &call, attendance, &signature)?).await?;
        tracing::warn!(
            first, last, own, after = %tip.index, term = %term.term, success = included.inclusion.success,
            "L1 waits for a batch: this seat filed its own, so that it is not fined for what others leave undone"
        );
        Ok(())
    }
}

/// Makes the batch that this seat would post, if it can stand behind one.
///
/// # Errors
/// The store's.
pub(super) fn prepare(
    blocks: &Blocks,
    chain: &Chain,
    guard: &Guard,
    tip: &DerivedBatch,
    term: TermNow,
    now: Seconds,
    beneficiary: Address,
) -> Result<Option<Attendance>, ProposalError> {
    let rollup = chain.parameters().rollup;
    let Some(above) = voted(chain, guard, term.term)? else { return Ok(None) };
    let mut writer = BodyWriter::new(rollup);
    let (mut hashes, mut last) = (Vec::new(), tip.last);
    let mut push = |block: &StoredBlock| -> Result<bool, ProposalError> {
        // A default block: L1 must have its batch, which the follower is about to see.
        let Some(content) = batch_block(rollup, block) else { return Ok(false) };
        match writer.push(&content) {
            Ok(()) => {}
            Err(EncodeError::TooLong | EncodeError::TooMany) => return Ok(false),
            Err(error) => return Err(super::CutError::Block { height: last.next(), error }.into()),
        }
        last = last.next();
        hashes.push(block.hash);
        Ok(true)
    };
    let committed = chain.store().committed().number;
    let mut whole = true;
    for number in tip.last.next().get()..=committed {
        let block = chain.store().block_by_number(number).map_err(ApplyError::from)?;
        let block = block.ok_or(surety_state::Error::UnknownNumber(number)).map_err(ApplyError::from)?;
        whole = whole && push(&block)?;
    }
    for block in &above {
        whole = whole && push(block)?;
    }
    let top = above.last().map_or_else(|| chain.store().committed().hash, |block| block.hash);
    let mut own = false;
    if whole {
        let parent = blocks.parent(top).map_err(machine)?.ok_or(ProposalError::NotYet(tip.last.next()))?;
        let empty = parent.header.number == tip.last.get();
        if empty || blocks.owes(&parent, now).map_err(machine)? {
            let Some(hash) = make(blocks, guard, &parent, term, now, beneficiary)? else { return Ok(None) };
            let block = chain.store().block(hash).map_err(ApplyError::from)?;
            own = match block {
                Some(block) => push(&block)?,
                None => false,
            };
        }
    }
    if hashes.is_empty() {
        return Ok(None);
    }
    let body = writer.finish().map_err(|error| super::CutError::Block { height: last, error })?;
    let cut = Cut { last, body, hashes };
    let payload = encode_payload(&cut.body);
    let data_hash = data_hash(&payload, form(&payload))?;
    let statement = expected(chain, tip, term, &cut, data_hash)?;
    Ok(Some(Attendance { statement, payload: payload.into(), hashes: cut.hashes, own }))
}

/// Blocks above the newest final one that this seat voted to make final, lowest first. `None` if the newest of its votes is for a
/// block that is not here or stands on another branch: then it cannot know what it would contradict.
fn voted(chain: &Chain, guard: &Guard, term: Term) -> Result<Option<Vec<Arc<StoredBlock>>>, ProposalError> {
    let (store, rollup) = (chain.store(), chain.parameters().rollup);
    let mut above = Vec::new();
    let Some(mut hash) = guard.journal().last_finalized(rollup, term) else { return Ok(Some(above)) };
    let committed = store.committed();
    loop {
        let Some(block) = store.block(hash).map_err(ApplyError::from)? else { return Ok(None) };
        let number = block.block.header.number;
        if number <= committed.number {
            let canonical = store.canonical_hash(number).map_err(ApplyError::from)? == Some(hash);
            above.reverse();
            return Ok(canonical.then_some(above));
        }
        hash = block.block.header.parent_hash;
        above.push(block);
    }
}

/// Makes this seat's own block; `None` while L1's clock is too far behind for another block.
fn make(
    blocks: &Blocks,
    guard: &Guard,
    parent: &crate::builder::Parent,
    term: TermNow,
    now: Seconds,
    beneficiary: Address,
) -> Result<Option<B256>, ProposalError> {
    let parameters = blocks.parameters();
    let earliest = parent.milliseconds().saturating_add(parameters.block_time.get());
    let milliseconds = earliest.max(now.to_milliseconds());
    // L1 takes no block of the future.
    if milliseconds.get() / 1_000 > now.get() {
        return Ok(None);
    }
    let before = parent.context.filter(|context| context.term == term.term).map_or(View::ZERO, |context| context.view);
    let context = ConsensusContext {
        rollup: parameters.rollup,
        term: term.term,
        view: View::new(before.get().saturating_add(1)),
        parent_view: before,
        milliseconds: Milliseconds::new(milliseconds.get()),
    };
    let draft = blocks.begin(parent, context, beneficiary).map_err(machine)?;
    let sealed = blocks.seal(draft).map_err(machine)?;
    guard.executed().mark(sealed.height(), sealed.hash());
    Ok(Some(sealed.hash()))
}

fn machine(error: MachineError) -> ProposalError {
    ApplyError::Engine(error.to_string()).into()
}

fn form(payload: &[u8]) -> Form {
    if payload.len() > MAX_CALLDATA { Form::Blobs } else { Form::Calldata }
}

/// The transaction that files an attendance.
fn outgoing(
    addresses: &Addresses,
    call: &Call,
    attendance: Attendance,
    signature: &Signature,
) -> Result<Outgoing, ProposalError> {
    let (data, blobs) = match form(&attendance.payload) {
        Form::Calldata => (attendance.payload, Vec::new()),
        Form::Blobs => (Bytes::new(), blobs(&attendance.payload)?.into_iter().map(|blob| *blob).collect()),
    };
    let input = Idle::attendCall {
        statement: on_l1(&attendance.statement).into(),
        ancestry: call.ancestry.iter().map(|claim| parent_claim(claim).into()).collect(),
        leftSiblings: left_siblings(&attendance.hashes),
        place: U256::from(call.place),
        signature: Bytes::copy_from_slice(signature.0.as_slice()),
        data,
    };
    Ok(Outgoing {
        to: TxKind::Call(addresses.idle),
        value: U256::ZERO,
        input: input.abi_encode().into(),
        blobs,
        gas_limit: None,
    })
}
