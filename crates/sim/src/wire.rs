//! The end of a seat's cable: what it sends is read, put on record and, if the seat is Byzantine, bent.

use crate::{record::Record, sins::Sin};
use alloy_primitives::{Address, B256, keccak256};
use commonware_actor::{Feedback, Unreliable};
use commonware_codec::{Copying, Decode as _, DecodeExt as _, Encode as _, ReadExt as _, varint::UInt};
use commonware_consensus::{Epochable as _, Viewable as _, simplex::types};
use commonware_cryptography::{ed25519::PublicKey, keccak256::Digest};
use commonware_p2p::{CheckedSender, LimitedSender, Recipients, Sender};
use commonware_runtime::IoBufs;
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::SystemTime,
};
use surety_node::consensus::{
    Scheme,
    block::{BlockLimits, ConsensusBlock},
    testing::{BLOCKS, MAX_BLOCK_BYTES, ROLLUP, STATEMENTS, VOTES, domain},
};
use surety_types::signing::{Batch, Finalize, Notarize, Nullify, Signature, Statement};

/// A simplex vote of ours.
pub type Vote = types::Vote<Scheme, Digest>;

/// A message of a seat as far as the simulation understands it.
#[derive(Debug, Clone)]
pub enum Message {
    /// A vote in a term.
    Vote(u64, Vote),
    /// A block.
    Block(ConsensusBlock),
    /// A signature under the batch statement with this digest.
    BatchSignature(B256, Signature),
    /// A question for signatures under a batch statement.
    BatchQuestion(Box<Batch>),
    /// Anything else.
    Other,
}

/// Reads a message of a channel.
pub fn read(channel: u64, bytes: &[u8]) -> Message {
    let found = match channel {
        VOTES => read_vote(bytes).map(|(term, vote)| Message::Vote(term, vote)),
        BLOCKS => {
            let limits = BlockLimits { rollup: ROLLUP, max_bytes: MAX_BLOCK_BYTES, base: 0 };
            ConsensusBlock::decode_cfg(Copying(bytes), &limits).ok().map(Message::Block)
        }
        STATEMENTS => read_statement(bytes),
        _ => None,
    };
    found.unwrap_or(Message::Other)
}

fn read_vote(bytes: &[u8]) -> Option<(u64, Vote)> {
    let mut bytes = Copying(bytes);
    let term = UInt::<u64>::read(&mut bytes).ok()?.into();
    Some((term, Vote::decode(bytes).ok()?))
}

/// A vote as it is sent.
pub fn write_vote(term: u64, vote: &Vote) -> Vec<u8> {
    let mut bytes = UInt(term).encode().to_vec();
    bytes.extend_from_slice(&vote.encode());
    bytes
}

fn read_statement(bytes: &[u8]) -> Option<Message> {
    let (kind, rest) = bytes.split_first()?;
    if *kind == 1 {
        let (digest, signature) = rest.split_first_chunk::<32>()?;
        let signature = <[u8; 64]>::try_from(signature).ok()?;
        return Some(Message::BatchSignature(B256::from(*digest), Signature(signature.into())));
    }
    // Two numbers, a hash, two numbers, four hashes, two numbers, three hashes; then the data.
    let at = |offset: usize, length: usize| rest.get(offset..offset.checked_add(length)?);
    let number = |offset| at(offset, 8)?.try_into().ok().map(u64::from_be_bytes);
    let hash = |offset| B256::try_from(at(offset, 32)?).ok();
    Some(Message::BatchQuestion(Box::new(Batch {
        rollup: number(0)?,
        term: number(8)?,
        genesis: hash(16)?,
        firstHeight: number(48)?,
        lastHeight: number(56)?,
        parentClaim: hash(64)?,
        prevHash: hash(96)?,
        lastHash: hash(128)?,
        blockHashRoot: hash(160)?,
        lastBlockTime: number(192)?,
        messageCount: number(200)?,
        messageAcc: hash(208)?,
        inboxTip: hash(240)?,
        dataHash: hash(272)?,
    })))
}

/// A question for signatures under a batch statement, as it is sent.
pub fn write_question(batch: &Batch, data: &[u8]) -> Vec<u8> {
    let b = batch;
    let mut bytes = vec![0];
    bytes.extend([b.rollup, b.term].iter().flat_map(|n| n.to_be_bytes()));
    bytes.extend_from_slice(b.genesis.as_slice());
    bytes.extend([b.firstHeight, b.lastHeight].iter().flat_map(|n| n.to_be_bytes()));
    bytes.extend([b.parentClaim, b.prevHash, b.lastHash, b.blockHashRoot].iter().flatten());
    bytes.extend([b.lastBlockTime, b.messageCount].iter().flat_map(|n| n.to_be_bytes()));
    bytes.extend([b.messageAcc, b.inboxTip, b.dataHash].iter().flatten());
    bytes.extend_from_slice(data);
    bytes
}

/// A signature under a batch statement, as it is sent.
pub fn write_signature(digest: &B256, signature: &Signature) -> Vec<u8> {
    [&[1][..], digest.as_slice(), signature.0.as_slice()].concat()
}

/// What a vote says, given the genesis of its term.
pub fn statement_of(vote: &Vote, genesis: B256) -> Statement {
    let rollup = ROLLUP.get();
    let proposal =
        |p: &types::Proposal<Digest>| (p.epoch().get(), p.view().get(), p.parent.get(), B256::from(p.payload.0));
    match vote {
        types::Vote::Notarize(n) => {
            let (term, view, parent, hash) = proposal(&n.proposal);
            Notarize { rollup, term, genesis, view, parentView: parent, blockHash: hash }.into()
        }
        types::Vote::Finalize(f) => {
            let (term, view, parent, hash) = proposal(&f.proposal);
            Finalize { rollup, term, genesis, view, parentView: parent, blockHash: hash }.into()
        }
        types::Vote::Nullify(n) => {
            Nullify { rollup, term: n.round.epoch().get(), genesis, view: n.round.view().get() }.into()
        }
    }
}

/// The signature of a vote.
pub fn signature_of(vote: &Vote) -> Option<Signature> {
    let attestation = match vote {
        types::Vote::Notarize(n) => &n.attestation,
        types::Vote::Finalize(f) => &f.attestation,
        types::Vote::Nullify(n) => &n.attestation,
    };
    attestation.signature.get().map(|s| s.0)
}

/// What all cables of a world share: what was signed, as it was sent.
#[derive(Default)]
pub struct Ledger {
    /// Votes by their bytes. What a vote signs holds the genesis of its term, which is not sent along.
    votes: BTreeMap<Vec<u8>, (u64, Vote)>,
    /// Genesis hashes of terms, as seats began them. A split world has several of one term.
    genesis: BTreeMap<u64, BTreeSet<B256>>,
    questions: BTreeMap<B256, Batch>,
    batches: Vec<(B256, Signature)>,
}

impl Ledger {
    fn take(&mut self, message: Message, bytes: &[u8]) {
        match message {
            Message::Vote(term, vote) => {
                self.votes.entry(bytes.to_vec()).or_insert((term, vote));
            }
            Message::BatchQuestion(batch) => {
                self.questions.insert(domain().digest(batch.as_ref()), *batch);
            }
            Message::BatchSignature(digest, signature) => self.batches.push((digest, signature)),
            Message::Block(_) | Message::Other => {}
        }
    }

    /// Notes where somebody saw a term begin.
    pub fn begins(&mut self, term: u64, genesis: B256) {
        self.genesis.entry(term).or_default().insert(genesis);
    }

    /// A genesis of a term that somebody saw.
    pub fn newest_genesis(&self, term: u64) -> Option<B256> {
        self.genesis.get(&term).and_then(|known| known.first().copied())
    }

    /// The batch statement with a digest, if somebody asked about it.
    pub fn question(&self, digest: &B256) -> Option<Batch> {
        self.questions.get(digest).cloned()
    }

    /// Everything that the keys of `members` signed.
    pub fn record(&self, members: &BTreeSet<Address>) -> Record {
        let mut record = Record::new(members.clone());
        for (term, vote) in self.votes.values() {
            let Some(signature) = signature_of(vote) else { continue };
            // The genesis for which somebody signed it is the one that was meant.
            for genesis in self.genesis.get(term).into_iter().flatten() {
                record.take(statement_of(vote, *genesis), signature);
            }
        }
        for (digest, signature) in &self.batches {
            if let Some(batch) = self.questions.get(digest) {
                record.take(batch.clone().into(), *signature);
            }
        }
        record
    }
}

/// Which copy of a twin sent a message: bit i for copy i. Twins are told apart by what they say.
pub type Marks = Arc<Mutex<BTreeMap<B256, u8>>>;

/// One of the two copies of a twin.
#[derive(Clone)]
pub struct Copy {
    /// 0 or 1.
    pub index: u8,
    /// Whom it talks to.
    pub reach: Vec<PublicKey>,
    /// What it said.
    pub marks: Marks,
}

/// One seat's cable, shared by its channels.
pub struct Cable {
    ledger: Arc<Mutex<Ledger>>,
    sin: Option<Arc<Mutex<dyn Sin>>>,
    copy: Option<Copy>,
    channels: Mutex<BTreeMap<u64, Box<Send>>>,
}

type Send = dyn FnMut(Recipients<PublicKey>, Vec<u8>, bool) + std::marker::Send;

impl Cable {
    /// A cable that puts on record what passes; a sin bends it first.
    pub fn new(ledger: Arc<Mutex<Ledger>>, sin: Option<Arc<Mutex<dyn Sin>>>, copy: Option<Copy>) -> Arc<Self> {
        Arc::new(Self { ledger, sin, copy, channels: Mutex::default() })
    }

    fn pass(&self, channel: u64, to: Recipients<PublicKey>, bytes: Vec<u8>, priority: bool) {
        let sent = match &self.sin {
            Some(sin) => sin.lock().bend(channel, to, bytes),
            None => vec![(channel, to, bytes)],
        };
        for (channel, to, bytes) in sent {
            self.ledger.lock().take(read(channel, &bytes), &bytes);
            if let Some(copy) = &self.copy {
                *copy.marks.lock().entry(keccak256(&bytes)).or_default() |= 1 << copy.index;
            }
            let to = self.within_reach(to);
            if let Some(send) = self.channels.lock().get_mut(&channel) {
                send(to, bytes, priority);
            }
        }
    }

    fn within_reach(&self, to: Recipients<PublicKey>) -> Recipients<PublicKey> {
        match (self.copy.as_ref().map(|copy| &copy.reach), to) {
            (None, to) => to,
            (Some(reach), Recipients::All) => Recipients::Some(reach.clone()),
            (Some(reach), Recipients::One(one)) => {
                Recipients::Some(reach.iter().filter(|p| **p == one).cloned().collect())
            }
            (Some(reach), Recipients::Some(some)) => {
                Recipients::Some(reach.iter().filter(|p| some.contains(p)).cloned().collect())
            }
        }
    }
}

/// A seat's sending end of one channel.
pub struct Tap<S> {
    inner: S,
    channel: u64,
    cable: Arc<Cable>,
}

impl<S: Sender<PublicKey = PublicKey>> Tap<S> {
    /// Puts a cable between a seat and a channel.
    pub fn new(inner: S, channel: u64, cable: Arc<Cable>) -> Self {
        let mut out = inner.clone();
        let send = move |to, bytes: Vec<u8>, priority| {
            // Messages may get lost.
            out.send(to, bytes, priority);
        };
        cable.channels.lock().insert(channel, Box::new(send));
        Self { inner, channel, cable }
    }
}

impl<S: Clone> Clone for Tap<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), channel: self.channel, cable: self.cable.clone() }
    }
}

/// A [`Tap`] whose recipients may be sent to.
pub struct Checked<'a, S> {
    tap: &'a mut Tap<S>,
    to: Recipients<PublicKey>,
    allowed: Vec<PublicKey>,
}

impl<S: Sender<PublicKey = PublicKey>> LimitedSender for Tap<S> {
    type PublicKey = PublicKey;
    type Checked<'a> = Checked<'a, S>;

    fn check(&mut self, to: Recipients<PublicKey>) -> Result<Checked<'_, S>, SystemTime> {
        let allowed = self.inner.check(to.clone())?.recipients();
        Ok(Checked { tap: self, to, allowed })
    }
}

impl<S: Sender<PublicKey = PublicKey>> CheckedSender for Checked<'_, S> {
    type PublicKey = PublicKey;

    fn recipients(&self) -> Vec<PublicKey> {
        self.allowed.clone()
    }

    fn send(self, message: impl Into<IoBufs> + std::marker::Send, priority: bool) -> Unreliable<Feedback> {
        let bytes = message.into().coalesce().as_ref().to_vec();
        self.tap.cable.pass(self.tap.channel, self.to, bytes, priority);
        Unreliable::Outcome(Feedback::Ok)
    }
}
