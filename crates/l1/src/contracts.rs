//! Typed reads of the contracts.
//!
//! Every read names the block it is about, so that several together speak of one state.

use crate::{
    L1Error,
    chain::{BlockAt, Call, L1},
};
use alloy::sol_types::{SolCall, SolValue as _};
use alloy_primitives::{Address, B256, Bytes, U256};
use std::fmt;
use surety_contracts::bindings::{Claims, Dispute, Idle, Inbox, SequencerRegistry, Slasher};
use surety_types::{BatchIndex, L2Height, MessageIndex, Seconds, Term};

mod users;

pub use surety_contracts::Addresses;
pub use users::{Ending, WithdrawalStatus};

/// The most members of a committee.
const MAX_MEMBERS: usize = 64;
/// The most offences of a seat: each costs a twentieth of its bond, the last what is left; and one that costs all.
const MAX_OFFENCES: usize = 22;

/// The contracts of one rollup, read through an [`L1`].
#[derive(Clone, Copy)]
pub struct Contracts<'a> {
    l1: &'a dyn L1,
    addresses: Addresses,
}

impl fmt::Debug for Contracts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Contracts").field(&self.addresses).finish()
    }
}

/// One seat of a committee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Member {
    /// The seat's id.
    pub seat: u64,
    /// Address of its vote key.
    pub vote_key: Address,
    /// Its ed25519 key, as registered: nobody checked that it is a point.
    pub peer_key: B256,
}

/// Where the inbox stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InboxHead {
    /// The last batch; 0 for genesis.
    pub batch_index: BatchIndex,
    /// Height of the last block posted.
    pub last_height: L2Height,
    /// Its time.
    pub last_block_time: Seconds,
    /// Messages consumed by the batches.
    pub consumed: MessageIndex,
    /// Messages sent.
    pub sent: MessageIndex,
    /// Accumulator after the sent ones.
    pub acc: B256,
    /// Chain of all statements.
    pub tip: B256,
}

/// A claim's standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimStatus {
    /// When it was posted.
    pub posted_at: Seconds,
    /// Its batch.
    pub batch_index: BatchIndex,
    /// The term whose committee signed it.
    pub term: Term,
    /// Who signed: bit i is the member at place i.
    pub signers: u64,
    /// Whether it fell in a dispute.
    pub has_fallen: bool,
    /// From when it is final if nobody contests it.
    pub final_at: Seconds,
    /// Whether it is final.
    pub is_final: bool,
}

/// A time in which L1 waited for the committees in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lapse {
    /// From when a message was due, or from half of `MAX_GAP` after the last batch.
    pub from: Seconds,
    /// When a batch came; the block's time as long as none has.
    pub to: Seconds,
    /// Seconds of it, or of the wait before it, in which L1 had no blocks.
    pub missed: Seconds,
    /// The batch before.
    pub batch: BatchIndex,
}

/// What the contract for idleness judges: that this seat was idle in this term.
pub fn idle_evidence(term: Term, seat: u64) -> Bytes {
    (term.get(), seat).abi_encode().into()
}

impl<'a> Contracts<'a> {
    /// Names the contracts.
    pub const fn new(l1: &'a dyn L1, addresses: Addresses) -> Self {
        Self { l1, addresses }
    }

    /// Calls a function of any contract.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn read<C: SolCall>(&self, to: Address, call: &C, at: BlockAt) -> Result<C::Return, L1Error> {
        let request = Call { to: Some(to), input: Bytes::from(call.abi_encode()), ..Default::default() };
        let data = self.l1.call(&request, at).await?;
        C::abi_decode_returns(&data).map_err(|e| {
            let reason = if data.is_empty() {
                format!("{} of {to} returned nothing: is the contract there, on this L1?", C::SIGNATURE)
            } else {
                format!("{} of {to}: {e}", C::SIGNATURE)
            };
            L1Error::invalid("eth_call", reason)
        })
    }

    /// The current term, as of a block's time. Reverts with `NotOpen` before the chain is open.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn current_term(&self, at: BlockAt) -> Result<Term, L1Error> {
        let call = SequencerRegistry::currentTermCall {};
        self.read(self.addresses.registry, &call, at).await.map(Term::new)
    }

    /// The term at a time.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn term_at(&self, time: Seconds, at: BlockAt) -> Result<Term, L1Error> {
        let call = SequencerRegistry::termAtCall { time: time.get() };
        self.read(self.addresses.registry, &call, at).await.map(Term::new)
    }

    /// When a term started or will.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn term_start(&self, term: Term, at: BlockAt) -> Result<Seconds, L1Error> {
        let call = SequencerRegistry::termStartCall { term: term.get() };
        self.read(self.addresses.registry, &call, at).await.map(Seconds::new)
    }

    /// The epoch in which a term starts. A term that an L1 event started shares the epoch of the one before.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn epoch_of_term(&self, term: Term, at: BlockAt) -> Result<u64, L1Error> {
        let call = SequencerRegistry::epochOfTermCall { term: term.get() };
        self.read(self.addresses.registry, &call, at).await
    }

    /// Start of epoch 0; zero before the chain is open.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn registry_genesis_time(&self, at: BlockAt) -> Result<Seconds, L1Error> {
        self.read(self.addresses.registry, &SequencerRegistry::genesisTimeCall {}, at).await.map(Seconds::new)
    }

    /// The members of a term's committee in L1 order, without those that are out of it for being frozen; empty if there were
    /// too few seats. Final in the state of a block whose time is the term's start less [`Self::freeze_delay`] or later, and
    /// the same for everybody who reads it at a settled one (protocol §15.1).
    ///
    /// # Errors
    /// [`L1Error`]; also if the answer has more than 64 members.
    pub async fn committee(&self, term: Term, at: BlockAt) -> Result<Vec<Member>, L1Error> {
        let call = SequencerRegistry::committeeCall { term: term.get() };
        let members = self.read(self.addresses.registry, &call, at).await?;
        if members.len() > MAX_MEMBERS {
            return Err(L1Error::invalid("eth_call", format!("a committee of {} members", members.len())));
        }
        Ok(members
            .into_iter()
            .map(|member| Member { seat: member.seat, vote_key: member.voteKey, peer_key: member.peerKey })
            .collect())
    }

    /// How long after it was frozen a seat is out of the terms that start.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn freeze_delay(&self, at: BlockAt) -> Result<Seconds, L1Error> {
        self.read(self.addresses.registry, &SequencerRegistry::freezeDelayCall {}, at).await.map(Seconds::new)
    }

    /// The seat that this vote key is or was the key of; `None` if there is none.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn seat_of_vote_key(&self, key: Address, at: BlockAt) -> Result<Option<u64>, L1Error> {
        let call = SequencerRegistry::seatOfVoteKeyCall { voteKey: key };
        Ok(Some(self.read(self.addresses.registry, &call, at).await?).filter(|seat| *seat != 0))
    }

    /// The parameters that the registry was made with.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn parameters(&self, at: BlockAt) -> Result<SequencerRegistry::ProtocolParameters, L1Error> {
        self.read(self.addresses.registry, &SequencerRegistry::parametersCall {}, at).await
    }

    /// One seat.
    ///
    /// # Errors
    /// [`L1Error`]; reverts with `UnknownSeat`.
    pub async fn seat(&self, id: u64, at: BlockAt) -> Result<SequencerRegistry::Seat, L1Error> {
        self.read(self.addresses.registry, &SequencerRegistry::seatCall { id }, at).await
    }

    /// Rewards that a reporter of faults may withdraw, in wei.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn reward_of(&self, reporter: Address, at: BlockAt) -> Result<U256, L1Error> {
        self.read(self.addresses.slasher, &Slasher::rewardOfCall { reporter }, at).await
    }

    /// Whether a seat was punished for a fault in a term.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn is_slashed(&self, seat: u64, fault: Address, term: Term, at: BlockAt) -> Result<bool, L1Error> {
        let call = Slasher::isSlashedCall { seat, fault, term: term.get() };
        self.read(self.addresses.slasher, &call, at).await
    }

    /// What a seat was punished for, in order of the reports.
    ///
    /// # Errors
    /// [`L1Error`]; also if the answer is longer than any bond allows.
    pub async fn offences(&self, seat: u64, at: BlockAt) -> Result<Vec<Slasher::Offence>, L1Error> {
        let offences = self.read(self.addresses.slasher, &Slasher::offencesCall { seat }, at).await?;
        if offences.len() > MAX_OFFENCES {
            return Err(L1Error::invalid("eth_call", format!("{} offences of a seat", offences.len())));
        }
        Ok(offences)
    }

    /// What is still to be taken of a seat's bond when it withdraws, in wei: other seats had the same fault near its own.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn owed(&self, seat: u64, at: BlockAt) -> Result<U256, L1Error> {
        self.read(self.addresses.slasher, &Slasher::owedCall { seat }, at).await
    }

    /// For how long after its start a term can be judged.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn evidence_window(&self, at: BlockAt) -> Result<Seconds, L1Error> {
        self.read(self.addresses.slasher, &Slasher::evidenceWindowCall {}, at).await.map(Seconds::new)
    }

    /// Where the inbox stands. `at` should name a block by hash or number: the parts are read one after the other.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn inbox_head(&self, at: BlockAt) -> Result<InboxHead, L1Error> {
        let inbox = self.addresses.inbox;
        let sent = self.read(inbox, &Inbox::messageCountCall {}, at).await?;
        Ok(InboxHead {
            batch_index: BatchIndex::new(self.read(inbox, &Inbox::batchIndexCall {}, at).await?),
            last_height: L2Height::new(self.read(inbox, &Inbox::lastHeightCall {}, at).await?),
            last_block_time: Seconds::new(self.read(inbox, &Inbox::lastBlockTimeCall {}, at).await?),
            consumed: MessageIndex::new(self.read(inbox, &Inbox::consumedMessagesCall {}, at).await?),
            sent: MessageIndex::new(sent),
            acc: self.accumulator(MessageIndex::new(sent), at).await?,
            tip: self.read(inbox, &Inbox::inboxTipCall {}, at).await?,
        })
    }

    /// The accumulator after the first `count` messages.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn accumulator(&self, count: MessageIndex, at: BlockAt) -> Result<B256, L1Error> {
        self.read(self.addresses.inbox, &Inbox::accumulatorCall { count: count.get() }, at).await
    }

    /// The newest batch; 0 for genesis.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn batch_index(&self, at: BlockAt) -> Result<BatchIndex, L1Error> {
        self.read(self.addresses.inbox, &Inbox::batchIndexCall {}, at).await.map(BatchIndex::new)
    }

    /// From when L1 waits for the next batch, or will if none comes: an unconsumed message is due, or half of `MAX_GAP` is
    /// over.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn waiting_since(&self, at: BlockAt) -> Result<Seconds, L1Error> {
        self.read(self.addresses.inbox, &Inbox::waitingSinceCall {}, at).await.map(Seconds::new)
    }

    /// What a message costs beside what it carries, in wei, in the next L1 block. `data` in bytes.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn message_fee(&self, gas: u64, data: usize, at: BlockAt) -> Result<U256, L1Error> {
        let call = Inbox::messageFeeCall { gas_: gas, dataLength: U256::from(data) };
        self.read(self.addresses.inbox, &call, at).await
    }

    /// Whether anyone may self-sequence.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn self_sequencing_is_open(&self, at: BlockAt) -> Result<bool, L1Error> {
        // 0: closed.
        Ok(self.opening(at).await? != 0)
    }

    /// Whether a seat attended in a term while the batch after this one was waited for.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn attended(&self, batch: BatchIndex, term: Term, seat: u64, at: BlockAt) -> Result<bool, L1Error> {
        let call = Idle::attendedCall { batchIndex: batch.get(), term: term.get(), seat };
        self.read(self.addresses.idle, &call, at).await
    }

    /// A claim's standing; `None` if there is no such claim.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn claim(&self, id: B256, at: BlockAt) -> Result<Option<ClaimStatus>, L1Error> {
        let claims = self.addresses.claims;
        let record = self.read(claims, &Claims::claimCall { id }, at).await?;
        let posted_at = record.postedAt.to::<u64>();
        if posted_at == 0 {
            return Ok(None);
        }
        Ok(Some(ClaimStatus {
            posted_at: Seconds::new(posted_at),
            batch_index: BatchIndex::new(record.batchIndex.to::<u64>()),
            term: Term::new(record.term.into()),
            signers: record.signers,
            has_fallen: record.fate != 0,
            final_at: Seconds::new(self.read(claims, &Claims::finalAtCall { id }, at).await?),
            is_final: self.read(claims, &Claims::isFinalCall { id }, at).await?,
        }))
    }

    /// Whether the next batch may stand on a claim: L1 has it, and neither it nor one above it fell.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn is_live(&self, id: B256, batch: BatchIndex, at: BlockAt) -> Result<bool, L1Error> {
        self.read(self.addresses.claims, &Claims::isLiveCall { id, batchIndex: batch.get() }, at).await
    }

    /// The final one of a claim's children, of which another one fell; `None` if there is none.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn final_child(&self, parent: B256, at: BlockAt) -> Result<Option<B256>, L1Error> {
        let child = self.read(self.addresses.claims, &Claims::finalChildCall { parentId: parent }, at).await?;
        Ok(Some(child).filter(|child| !child.is_zero()))
    }

    /// What is known of a party of disputes; all zero if it is none.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn party(&self, account: Address, at: BlockAt) -> Result<Dispute::Party, L1Error> {
        self.read(self.addresses.dispute, &Dispute::partyCall { account }, at).await
    }

    /// A claim as the dispute has it; `None` if it does not know of it.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn disputed_claim(&self, id: B256, at: BlockAt) -> Result<Option<Dispute::Claim>, L1Error> {
        let claim = self.read(self.addresses.dispute, &Dispute::claimCall { id }, at).await?;
        Ok(Some(claim).filter(|claim| claim.postedAt != 0))
    }

    /// Whether what is argued about a claim is of account: it stands and is not final.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn counts(&self, id: B256, at: BlockAt) -> Result<bool, L1Error> {
        self.read(self.addresses.dispute, &Dispute::countsCall { id }, at).await
    }

    /// Id of the genesis claim.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn genesis_claim(&self, at: BlockAt) -> Result<B256, L1Error> {
        self.read(self.addresses.claims, &Claims::genesisClaimCall {}, at).await
    }

    /// How many lapses are over.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn lapse_count(&self, at: BlockAt) -> Result<u64, L1Error> {
        let count = self.read(self.addresses.inbox, &Inbox::lapseCountCall {}, at).await?;
        u64::try_from(count).map_err(|_| L1Error::invalid("eth_call", format!("{count} lapses")))
    }

    /// The lapse at a place; at place [`Self::lapse_count`] the one that is not over, `None` if there is none.
    ///
    /// # Errors
    /// [`L1Error`]; reverts beyond that place.
    pub async fn lapse(&self, place: u64, at: BlockAt) -> Result<Option<Lapse>, L1Error> {
        let call = Inbox::lapseCall { place: U256::from(place) };
        let lapse = self.read(self.addresses.inbox, &call, at).await?;
        let to = Seconds::new(lapse.to.to::<u64>());
        Ok((to != Seconds::ZERO).then(|| Lapse {
            from: Seconds::new(lapse.from.to::<u64>()),
            to,
            missed: Seconds::new(lapse.missed.to::<u64>()),
            batch: BatchIndex::new(lapse.batch.to::<u64>()),
        }))
    }

    /// The seconds of a term that count against a seat; never zero.
    ///
    /// # Errors
    /// [`L1Error`]; reverts with `TermNotOver` before it can be judged, `NotOnDuty` for a seat that is not on the committee or
    /// was frozen before the term's end, `NotIdle` if nothing counts.
    pub async fn assess_idleness(&self, term: Term, seat: u64, at: BlockAt) -> Result<Seconds, L1Error> {
        let call = Idle::assessCall { evidence: idle_evidence(term, seat) };
        let counted = self.read(self.addresses.idle, &call, at).await?.counted;
        let seconds =
            u64::try_from(counted).map_err(|_| L1Error::invalid("eth_call", format!("{counted} idle seconds")))?;
        Ok(Seconds::new(seconds))
    }
}
