//! Attending: an honest seat's part of a duty that the others do not do (protocol §9, Idle).
//!
//! All seats of a committee are fined alike for seconds in which a message was overdue or no batch came, since L1 cannot see
//! whose fault it was; but for those that filed, in that time, a batch of their own that L1 would take if a quorum had signed it.
//!
//! That batch is what this seat holds to be the chain: the blocks that are final, then those that it voted to make final, and, if
//! a message is due that none of them consumes or there is none, one more of its own with the messages. So it contradicts
//! nothing that this seat has said: no block of its `Finalize` votes has another at its height, and the signing journal refuses
//! what would differ from a `Batch` that it signed. Of the same blocks it signs a batch that begins elsewhere, when that comes first. If
//! the chain later has another block where its own was, then in this term it signs no batch that ends right there: the others do.

use super::{
    Form, ProposalError, Rehearsal, Rehearsed, TermNow,
    actor::{Work, to_carry},
    boundary::{Cut, batch_block},
    proposal::{blobs, data_hash, expected},
    terms,
};
use crate::{
    builder::{Blocks, MachineError},
    consensus::TermSchedule,
    follower::{ApplyError, Chain, DerivedBatch, Messages, Status},
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
use surety_prove::PostedBatch;
use surety_state::StoredBlock;
use surety_stf::batch::{BodyWriter, EncodeError, encode_payload};
use surety_types::{
    BatchIndex, ConsensusContext, MessageIndex, Milliseconds, Seconds, Term, View,
    claim::{BlockHashTree, Claim, MAX_CALLDATA},
    signing::{Batch, Signature},
};
use tokio::sync::watch;

/// How often a batch is made anew at once when the chain went on in the meantime.
const MAX_TRIES: u32 = 32;

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
    /// Messages that L1 has.
    pub messages: Messages,
    /// Runs the program over what it signs.
    pub rehearsal: Arc<Rehearsal>,
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

impl Attendance {
    /// Has the program run over it, as over every batch before it is signed.
    fn rehearse(
        &self,
        rehearsal: &Rehearsal,
        chain: &Chain,
        tip: &DerivedBatch,
        messages: &Messages,
    ) -> Result<Rehearsed, ProposalError> {
        let count = MessageIndex::new(self.statement.messageCount);
        let batch = PostedBatch {
            statement: self.statement.clone(),
            before: tip.last_hash,
            context: chain.context(tip.last, tip.last_hash)?,
            data: form(&self.payload).data(&self.payload)?,
            messages: messages.range(tip.messages, count).ok_or(ProposalError::Messages(count))?,
        };
        rehearsal.run(chain, &batch, &self.hashes)
    }
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
        tracing::debug!(after = %which.0, term = %which.1, "L1 waits for this seat");
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
            if !status.caught_up {
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

    /// What it files. While the others go on making blocks final, its own may be overtaken before it is done: then again.
    fn prepare(&self, tip: &DerivedBatch, term: TermNow, now: Seconds) -> Result<Option<Attendance>, ProposalError> {
        let mut tries = 0;
        loop {
            let committed = self.chain.store().committed();
            match prepare(&self.blocks, &self.chain, &self.guard, tip, term, now, self.beneficiary) {
                Err(error) if tries < MAX_TRIES && self.chain.store().committed() != committed => {
                    tracing::debug!(%error, "the chain went on while this seat made a block of its own");
                    tries = tries.saturating_add(1);
                }
                prepared => return prepared,
            }
        }
    }

    /// Waits until L1's clock shows this time: it takes no block of the future. What others make meanwhile changes nothing in a batch
    /// that is signed; waiting before it is made would, while they make several blocks in each of L1's.
    async fn reach(&self, time: Seconds) -> Result<(), AttendError> {
        while self.l1.block(BlockAt::Latest).await?.is_some_and(|head| head.time < time) {
            tokio::time::sleep(self.poll).await;
        }
        Ok(())
    }

    async fn attend(&self, call: Call, work: &Work) -> Result<(), AttendError> {
        let this = self.clone();
        let (tip, term, now) = (call.tip, call.term, call.now);
        let work = work.run(move || {
            let Some(attendance) = this.prepare(&tip, term, now)? else { return Ok(None) };
            attendance.rehearse(&this.rehearsal, &this.chain, &tip, &this.messages)?;
            let signature = this.guard.batch(&attendance.statement)?;
            Ok::<_, AttendError>(Some((attendance, signature)))
        });
        let Some((attendance, signature)) = work.await.map_err(|error| AttendError::Work(error.to_string()))?? else {
            return Ok(());
        };
        let (first, last) = (attendance.statement.firstHeight, attendance.statement.lastHeight);
        let own = attendance.own;
        tracing::debug!(first, last, own, "a batch of this seat's own is signed");
        self.reach(Seconds::new(attendance.statement.lastBlockTime)).await?;
        let ancestry = to_carry(Contracts::new(&*self.l1, self.addresses), &call.ancestry).await?;
        let outgoing = outgoing(&self.addresses, ancestry, call.place, attendance, &signature)?;
        let included = self.submitter.submit(outgoing).await?;
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
            let hash = make(blocks, guard, &parent, term, now, beneficiary)?;
            // The others may have made another block final at its height by now: then this one is no part of the chain any more,
            // and without it the batch would leave out what is due.
            let block = chain.store().block(hash).map_err(ApplyError::from)?;
            let block = block.ok_or(surety_state::Error::UnknownBlock(hash)).map_err(ApplyError::from)?;
            own = push(&block)?;
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

/// Makes this seat's own block. Its time may be ahead of L1's clock, which stands still between blocks.
fn make(
    blocks: &Blocks,
    guard: &Guard,
    parent: &crate::builder::Parent,
    term: TermNow,
    now: Seconds,
    beneficiary: Address,
) -> Result<B256, ProposalError> {
    let parameters = blocks.parameters();
    let earliest = parent.milliseconds().saturating_add(parameters.block_time.get());
    let milliseconds = earliest.max(now.to_milliseconds());
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
    Ok(sealed.hash())
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
    ancestry: &[Claim],
    place: usize,
    attendance: Attendance,
    signature: &Signature,
) -> Result<Outgoing, ProposalError> {
    let (data, blobs) = match form(&attendance.payload) {
        Form::Calldata => (attendance.payload, Vec::new()),
        Form::Blobs => (Bytes::new(), blobs(&attendance.payload)?.into_iter().map(|blob| *blob).collect()),
    };
    let input = Idle::attendCall {
        statement: attendance.statement.into(),
        ancestry: ancestry.iter().map(Into::into).collect(),
        leftSiblings: BlockHashTree::new(&attendance.hashes).map(|tree| tree.left_siblings()).unwrap_or_default(),
        place: U256::from(place),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        builder::testing::{GENESIS_TIME, account, deposit},
        consensus::testing::guard,
        follower::testing::Seats,
        poster::tests::silent_program,
    };
    use surety_prove::Program;
    use surety_stf::derive::Data;
    use surety_types::{Message, signing::Finalize};

    const FEES: Address = Address::repeat_byte(0xfe);

    /// A seat that has what all seats have.
    struct One {
        seats: Seats,
        guard: Guard,
        _directory: tempfile::TempDir,
    }

    impl One {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            Self { seats: Seats::new(), guard: guard(directory.path(), 0), _directory: directory }
        }

        fn tip(&self) -> DerivedBatch {
            let chain = self.seats.chain();
            DerivedBatch::genesis(chain.parameters().rollup, chain.store().genesis().hash)
        }

        /// L1's time: a little after the newest block's, and long after every message was due.
        fn now(&self) -> Seconds {
            Seconds::new(self.seats.time / 1_000 + 3_600)
        }

        /// What it would file; whoever derives it arrives at the same hashes.
        fn attends(&self, messages: &[Message]) -> Option<Attendance> {
            let (blocks, chain, term) = (&self.seats.blocks, self.seats.chain(), self.seats.term_now());
            let found = prepare(blocks, &chain, &self.guard, &self.tip(), term, self.now(), FEES).unwrap()?;
            let fresh = Seats::new().chain();
            let data = Data::Calldata(found.payload.to_vec());
            let count = found.statement.messageCount as usize;
            let consumed = messages[..count].to_vec();
            let outcome = fresh.apply(&self.tip(), &found.statement, &data, consumed, &|| false).unwrap();
            assert_eq!((outcome.refusal, &outcome.mismatches[..]), (None, &[][..]));
            assert_eq!(outcome.last_hash, found.statement.lastHash);
            assert!(found.statement.lastBlockTime <= self.now().get(), "L1 takes no block of the future");
            let rehearsed = self.rehearse(&found, messages, Program::current().clone()).unwrap();
            assert_eq!(rehearsed.blocks, found.hashes.len(), "the program ran over every block");
            Some(found)
        }

        fn rehearse(
            &self,
            found: &Attendance,
            messages: &[Message],
            program: Program,
        ) -> Result<Rehearsed, ProposalError> {
            let known = Messages::default();
            known.replace(messages.to_vec());
            let directory = tempfile::tempdir().unwrap();
            let rehearsal = Rehearsal::with(program, Duration::from_secs(3_600), directory.path().into());
            found.rehearse(&rehearsal, &self.seats.chain(), &self.tip(), &known)
        }

        /// A block on top of one that is not final.
        fn vote_for_another(&self, view: u64) -> B256 {
            let blocks = &self.seats.blocks;
            let parent = blocks.parent(blocks.store().head().hash).unwrap().unwrap();
            let term = self.seats.term_now();
            let hash = make(blocks, &self.guard, &parent, term, Seconds::new(self.seats.time / 1_000 + 1), FEES);
            let hash = hash.unwrap();
            self.vote(hash, view);
            hash
        }

        fn vote(&self, hash: B256, view: u64) {
            let term = self.seats.term_now();
            let rollup = self.seats.blocks.parameters().rollup.get();
            let (term, genesis) = (term.term.get(), term.genesis);
            let finalize = Finalize { rollup, term, genesis, view, parentView: view - 1, blockHash: hash };
            self.guard.executed().mark(surety_types::L2Height::new(9), hash);
            self.guard.finalize(&finalize).unwrap();
        }
    }

    #[test]
    fn final_blocks_that_owe_nothing_are_filed_as_they_are() {
        let mut one = One::new();
        let message = deposit(0, account(1), 50_000);
        one.seats.blocks.inbox().push(message.clone()).unwrap();
        let hashes: Vec<_> = (0..3).map(|_| one.seats.produce(vec![])).collect();
        let found = one.attends(&[message]).unwrap();
        assert!(!found.own);
        assert_eq!(found.hashes, hashes);
        assert_eq!(found.statement.messageCount, 1);
    }

    /// All seats of a slow network attend, to the same height; the batches that they owe come after that, and one may end there.
    #[test]
    fn having_attended_it_signs_the_same_blocks_in_two_batches() {
        let mut one = One::new();
        let hashes: Vec<_> = (0..4).map(|_| one.seats.produce(vec![])).collect();
        let found = one.attends(&[]).unwrap();
        assert!(!found.own);
        for (height, hash) in (1..).zip(&hashes) {
            one.guard.executed().mark(surety_types::L2Height::new(height), *hash);
        }
        one.guard.batch(&found.statement).unwrap();
        for (first, last) in [(1, 2), (3, 4)] {
            let root = BlockHashTree::new(&hashes[first - 1..last]).unwrap().root();
            let due = Batch {
                firstHeight: first as u64,
                lastHeight: last as u64,
                lastHash: hashes[last - 1],
                blockHashRoot: root,
                ..found.statement.clone()
            };
            one.guard.batch(&due).unwrap();
            let lie = Batch { blockHashRoot: B256::ZERO, ..due };
            assert!(one.guard.batch(&lie).is_err(), "but nothing else about them");
        }
    }

    #[test]
    fn a_due_message_that_the_others_left_out_is_in_a_block_of_its_own() {
        let mut one = One::new();
        let hashes: Vec<_> = (0..3).map(|_| one.seats.produce(vec![])).collect();
        let message = deposit(0, account(1), 50_000);
        one.seats.blocks.inbox().push(message.clone()).unwrap();
        let found = one.attends(core::slice::from_ref(&message)).unwrap();
        assert!(found.own);
        assert_eq!(found.hashes[..3], hashes, "it stands on what is final");
        assert_eq!((found.hashes.len(), found.statement.messageCount), (4, 1));
        let other = Program::parse(&silent_program()).unwrap();
        let differs = one.rehearse(&found, core::slice::from_ref(&message), other);
        assert!(matches!(differs, Err(ProposalError::Differs { .. })), "{differs:?}");
        // What it signed so binds it.
        one.guard.batch(&found.statement).unwrap();
        let other = Batch { lastHash: hashes[2], ..found.statement };
        assert!(one.guard.batch(&other).is_err());
    }

    #[test]
    fn where_nothing_is_final_it_files_a_block_alone() {
        let one = One::new();
        let found = one.attends(&[]).unwrap();
        assert!(found.own);
        assert_eq!((found.statement.firstHeight, found.statement.lastHeight), (1, 1));
        assert!(found.statement.lastBlockTime > GENESIS_TIME);
    }

    #[test]
    fn it_contradicts_no_block_that_it_voted_to_make_final() {
        let mut one = One::new();
        let hash = one.seats.produce(vec![]);
        one.vote(hash, 3);
        let voted = one.vote_for_another(4);
        let found = one.attends(&[]).unwrap();
        assert_eq!(found.hashes, [hash, voted], "the block that is not final yet is a part of it");
        // After a restart it may not know any more what it voted for.
        one.vote(B256::repeat_byte(7), 5);
        assert!(one.attends(&[]).is_none(), "then it files nothing");
    }

    /// That is why a block of its own may be gone when it is wanted, and why a batch without it is not filed instead.
    #[test]
    fn a_block_of_its_own_is_gone_when_another_is_final() {
        let mut one = One::new();
        one.seats.produce(vec![]);
        let blocks = &one.seats.blocks;
        let parent = blocks.parent(blocks.store().head().hash).unwrap().unwrap();
        let own = make(blocks, &one.guard, &parent, one.seats.term_now(), one.now(), FEES).unwrap();
        assert!(blocks.store().block(own).unwrap().is_some());
        one.seats.produce(vec![]);
        assert!(one.seats.blocks.store().block(own).unwrap().is_none());
    }

    /// L1's clock stands still between its blocks, in which the others make several: what waited for it would never be there in time.
    #[test]
    fn a_block_of_its_own_may_be_ahead_of_l1s_clock() {
        let mut one = One::new();
        one.seats.produce(vec![]);
        let (blocks, guard) = (&one.seats.blocks, &one.guard);
        let parent = blocks.parent(blocks.store().head().hash).unwrap().unwrap();
        let behind = Seconds::new(one.seats.time / 1_000 - 5);
        let own = make(blocks, guard, &parent, one.seats.term_now(), behind, FEES).unwrap();
        let header = blocks.store().header(own).unwrap().unwrap();
        assert!(header.timestamp >= parent.header.timestamp && header.timestamp > behind.get());
    }
}
