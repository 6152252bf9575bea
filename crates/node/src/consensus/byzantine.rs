//! A seat that does wrong on purpose, for drills: it runs the honest code, and what it says on the network is bent on its
//! way out, with signatures that its own copy of the vote key makes beside the journal.
//!
//! Nothing but code can ask for it: a [`Misbehaviour`] is a value that `devnet::drill` makes and hands to a seat of its own
//! network. No flag, file or variable of a product leads here. It does one offence each time it is told to
//! ([`Misbehaviour::commit`]), and says what it did ([`Misbehaviour::offence`]).
//!
//! | sin | what leaves the seat |
//! |---|---|
//! | [`Sin::Equivocate`] | as a leader: block A and its vote to all peers but one, block B of the same view and a vote for it to that one |
//! | [`Sin::NullifyFinalized`] | beside its vote to make a block final, a vote to give the view up |
//! | [`Sin::Censor`] | as a leader: blocks without one account's transactions, or without anything new from L1 either; and no vote for blocks with that ([`Censorship`]) |
//! | [`Sin::WithholdBatches`] | all but signatures under batch statements, from when it is told to |
//! | [`Sin::DoubleBatch`] | beside a batch statement that it signed, one for the same last height with another result; both are passed on to all peers, as whoever asked for them would |

use super::{
    block::{ConsensusBlock, Hash, from_digest, to_digest},
    scheme::{Scheme, Signature as VoteSignature},
};
use alloy_primitives::{Address, B256};
use commonware_actor::{Feedback, Unreliable};
use commonware_codec::{Copying, DecodeExt as _, Encode as _};
use commonware_consensus::simplex::types::{
    Finalize as FinalizeVote, Notarize as NotarizeVote, Nullify as NullifyVote, Proposal, Vote,
};
use commonware_cryptography::{certificate::Attestation, ed25519::PublicKey};
use commonware_p2p::{CheckedSender, LimitedSender, Recipients, Sender};
use commonware_runtime::IoBufs;
use k256::ecdsa::SigningKey;
use parking_lot::Mutex;
use std::{sync::Arc, time::SystemTime};
use surety_types::{
    evidence::{Equivocation, SignedStatement},
    signing::{Batch, Domain, Finalize, Notarize, Nullify, Signature, Statement},
};
use tokio::sync::watch;

/// What a seat does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sin {
    /// Two blocks of one view, to different peers.
    Equivocate,
    /// A view made final and given up.
    NullifyFinalized,
    /// Two results for one last height.
    DoubleBatch,
    /// No result for any.
    WithholdBatches,
    /// This account is ignored, as far as [`Misbehaviour::censor`] says.
    Censor(Address),
}

/// How far a censor goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Censorship {
    /// It does its duty.
    #[default]
    None,
    /// The account's transactions are left out.
    Transactions,
    /// Whatever L1 has sent since is, too.
    Messages,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offence {
    /// When the second of the two left.
    pub at: SystemTime,
    /// Both, as whoever gets hold of them can show.
    pub pair: Equivocation,
}

/// One seat's misbehaviour. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Misbehaviour {
    inner: Arc<Inner>,
}

struct Inner {
    sin: Sin,
    key: SigningKey,
    domain: Domain,
    state: Mutex<State>,
    offence: watch::Sender<Option<Offence>>,
}

#[derive(Default)]
struct State {
    armed: bool,
    censorship: Censorship,
    fork: Option<Fork>,
}

/// Two blocks of one view.
struct Fork {
    honest: ConsensusBlock,
    other: ConsensusBlock,
    pair: Equivocation,
    vote: VoteSignature,
    victim: Option<PublicKey>,
    /// Whether the offence was announced.
    told: bool,
}

impl core::fmt::Debug for Misbehaviour {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Misbehaviour").field("sin", &self.inner.sin).finish_non_exhaustive()
    }
}

impl Misbehaviour {
    /// A seat with this vote key that will do this when it is told to.
    pub fn new(sin: Sin, key: SigningKey, domain: Domain) -> Self {
        let (offence, _) = watch::channel(None);
        Self { inner: Arc::new(Inner { sin, key, domain, state: Mutex::default(), offence }) }
    }

    /// Tells it to do it at the next occasion, once.
    pub fn commit(&self) {
        self.inner.state.lock().armed = true;
    }

    /// Tells it to wait, if it did not do it yet.
    pub fn refrain(&self) {
        self.inner.state.lock().armed = false;
    }

    /// Tells a censor how far to go from now on.
    pub fn censor(&self, censorship: Censorship) {
        self.inner.state.lock().censorship = censorship;
    }

    /// Whether a transaction of this account is left out.
    pub(super) fn ignores(&self, account: Address) -> bool {
        self.inner.sin == Sin::Censor(account) && self.inner.state.lock().censorship > Censorship::None
    }

    /// Whether this seat wants nothing new from L1.
    pub(crate) fn refuses_messages(&self) -> bool {
        self.inner.state.lock().censorship == Censorship::Messages
    }

    /// What it did, as soon as it did.
    pub fn offence(&self) -> watch::Receiver<Option<Offence>> {
        self.inner.offence.subscribe()
    }

    fn sign(&self, statement: impl Into<Statement>) -> Option<SignedStatement> {
        let statement = statement.into();
        let signature = Signature::sign(&self.inner.key, &statement.digest(&self.inner.domain))?;
        Some(SignedStatement { statement, signature })
    }

    fn done(&self, pair: Equivocation) {
        tracing::warn!(sin = ?self.inner.sin, "drill: the offence is committed");
        self.inner.offence.send_replace(Some(Offence { at: SystemTime::now(), pair }));
    }

    /// A leader built a block: to equivocate, another one of the same view is made of it, which pays someone else. It is as
    /// valid as the first while it holds no transaction that pays a fee.
    pub(super) fn built(&self, rollup: u64, genesis: B256, block: &ConsensusBlock) {
        let mut state = self.inner.state.lock();
        let fits = self.inner.sin == Sin::Equivocate && state.armed && block.list().is_empty();
        let Some(context) = block.context().filter(|_| fits) else { return };
        let mut header = block.header().clone();
        header.beneficiary = Address::repeat_byte(0xbb);
        let other = ConsensusBlock::new(header, Some(*context), block.transactions().to_vec());
        let vote = |hash| {
            self.sign(Notarize {
                rollup,
                term: context.term.get(),
                genesis,
                view: context.view.get(),
                parentView: context.parent_view.get(),
                blockHash: hash,
            })
        };
        let (Some(first), Some(second)) = (vote(block.hash()), vote(other.hash())) else { return };
        let vote = VoteSignature(second.signature);
        let pair = Equivocation { first, second };
        state.armed = false;
        state.fork = Some(Fork { honest: block.clone(), other, pair, vote, victim: None, told: false });
    }

    /// A batch statement was signed: another one with another result is, too. Both, if it is time to sin.
    pub(super) fn signed_batch(&self, statement: &Batch, signature: Signature) -> Vec<(Batch, Signature)> {
        if self.inner.sin != Sin::DoubleBatch || !std::mem::take(&mut self.inner.state.lock().armed) {
            return Vec::new();
        }
        let lie = Batch { blockHashRoot: B256::repeat_byte(0xbb), ..statement.clone() };
        let Some(second) = self.sign(lie.clone()) else { return Vec::new() };
        let both = vec![(statement.clone(), signature), (lie, second.signature)];
        let first = SignedStatement { statement: statement.clone().into(), signature };
        self.done(Equivocation { first, second });
        both
    }

    /// Whether it signs no batch statement.
    pub(super) fn withholds_batches(&self) -> bool {
        self.inner.sin == Sin::WithholdBatches && self.inner.state.lock().armed
    }

    /// The domain of all votes.
    pub(super) fn domain(&self) -> &Domain {
        &self.inner.domain
    }

    /// What leaves instead of a message; `None`: the message itself.
    fn bend(&self, channel: Bent, message: &[u8], recipients: &[PublicKey]) -> Option<Vec<Letter>> {
        match channel {
            Bent::Blocks => self.bend_block(message, recipients),
            Bent::Votes { rollup, genesis } => match Vote::<Scheme, Hash>::decode(Copying(message)).ok()? {
                Vote::Notarize(vote) => self.bend_notarize(&vote, message, recipients),
                Vote::Finalize(vote) => self.bend_finalize((rollup, genesis), &vote, message, recipients),
                Vote::Nullify(_) => None,
            },
        }
    }

    fn bend_block(&self, message: &[u8], recipients: &[PublicKey]) -> Option<Vec<Letter>> {
        let mut state = self.inner.state.lock();
        let fork = state.fork.as_mut()?;
        if fork.honest.encode().as_ref() != message {
            return None;
        }
        let victim = fork.victim(recipients)?;
        Some(split(recipients, &victim, message.to_vec(), fork.other.encode().to_vec()))
    }

    fn bend_notarize(
        &self,
        vote: &NotarizeVote<Scheme, Hash>,
        message: &[u8],
        recipients: &[PublicKey],
    ) -> Option<Vec<Letter>> {
        let mut state = self.inner.state.lock();
        let fork = state.fork.as_mut()?;
        let Proposal { round, parent, payload } = vote.proposal;
        if from_digest(payload) != fork.honest.hash() {
            return None;
        }
        let victim = fork.victim(recipients)?;
        let proposal = Proposal::new(round, parent, to_digest(fork.other.hash()));
        let attestation = Attestation { signer: vote.attestation.signer, signature: fork.vote.into() };
        let other = Vote::<Scheme, Hash>::Notarize(NotarizeVote { proposal, attestation });
        let letters = split(recipients, &victim, message.to_vec(), other.encode().to_vec());
        let pair = (!std::mem::replace(&mut fork.told, true)).then(|| fork.pair.clone());
        drop(state);
        if let Some(pair) = pair {
            self.done(pair);
        }
        Some(letters)
    }

    /// A vote to give the view up beside the vote to make its proposal final.
    fn bend_finalize(
        &self,
        (rollup, genesis): (u64, B256),
        vote: &FinalizeVote<Scheme, Hash>,
        message: &[u8],
        recipients: &[PublicKey],
    ) -> Option<Vec<Letter>> {
        if self.inner.sin != Sin::NullifyFinalized || !std::mem::take(&mut self.inner.state.lock().armed) {
            return None;
        }
        let Proposal { round, parent, payload } = vote.proposal;
        let (term, view) = (round.epoch().get(), round.view().get());
        let (parent, hash) = (parent.get(), from_digest(payload));
        let finalize = Finalize { rollup, term, genesis, view, parentView: parent, blockHash: hash };
        let first = SignedStatement { statement: finalize.into(), signature: vote.attestation.signature.get()?.0 };
        let second = self.sign(Nullify { rollup, term, genesis, view })?;
        let signature = VoteSignature(second.signature).into();
        let attestation = Attestation { signer: vote.attestation.signer, signature };
        let nullify = Vote::<Scheme, Hash>::Nullify(NullifyVote { round, attestation });
        self.done(Equivocation { first, second });
        let all = recipients.to_vec();
        Some(vec![(all.clone(), message.to_vec()), (all, nullify.encode().to_vec())])
    }
}

impl Fork {
    /// Who gets the other block: the last peer, the same for the block and the vote.
    fn victim(&mut self, recipients: &[PublicKey]) -> Option<PublicKey> {
        if self.victim.is_none() {
            self.victim = recipients.iter().max().cloned();
        }
        self.victim.clone().filter(|victim| recipients.contains(victim))
    }
}

/// Recipients and what they get.
type Letter = (Vec<PublicKey>, Vec<u8>);

fn split(recipients: &[PublicKey], victim: &PublicKey, honest: Vec<u8>, other: Vec<u8>) -> Vec<Letter> {
    let rest = recipients.iter().filter(|peer| *peer != victim).cloned().collect();
    vec![(rest, honest), (vec![victim.clone()], other)]
}

/// A channel whose messages are bent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bent {
    /// New blocks.
    Blocks,
    /// Votes of a term.
    Votes {
        /// The rollup.
        rollup: u64,
        /// Hash of the term's genesis block.
        genesis: B256,
    },
}

/// A sender whose messages are bent.
#[derive(Debug, Clone)]
pub(super) struct Tap<S> {
    sender: S,
    channel: Bent,
    misbehaviour: Misbehaviour,
}

impl<S> Tap<S> {
    pub(super) const fn new(sender: S, channel: Bent, misbehaviour: Misbehaviour) -> Self {
        Self { sender, channel, misbehaviour }
    }
}

impl<S: Sender<PublicKey = PublicKey>> LimitedSender for Tap<S> {
    type PublicKey = PublicKey;
    type Checked<'a> = TapChecked<S>;

    fn check(&mut self, recipients: Recipients<PublicKey>) -> Result<TapChecked<S>, SystemTime> {
        let recipients = self.sender.check(recipients)?.recipients();
        Ok(TapChecked { tap: self.clone(), recipients })
    }
}

/// Recipients that may be sent to.
#[derive(Debug)]
pub(super) struct TapChecked<S> {
    tap: Tap<S>,
    recipients: Vec<PublicKey>,
}

impl<S: Sender<PublicKey = PublicKey>> CheckedSender for TapChecked<S> {
    type PublicKey = PublicKey;

    fn recipients(&self) -> Vec<PublicKey> {
        self.recipients.clone()
    }

    fn send(self, message: impl Into<IoBufs> + Send, priority: bool) -> Unreliable<Feedback> {
        let Self { mut tap, recipients } = self;
        let message = message.into().coalesce();
        let letters = tap.misbehaviour.bend(tap.channel, message.as_ref(), &recipients);
        let letters = letters.unwrap_or_else(|| vec![(recipients, message.as_ref().to_vec())]);
        let mut feedback = Unreliable::rejected();
        for (recipients, letter) in letters {
            if let Ok(checked) = tap.sender.check(Recipients::Some(recipients)) {
                feedback = checked.send(letter, priority);
            }
        }
        feedback
    }
}
