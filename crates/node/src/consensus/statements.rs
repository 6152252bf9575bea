//! Gather the seats' signatures under a batch statement (protocol §6).
//!
//! The seat on duty ([`duty`]) sends the statement with the very bytes that are to be posted; each seat derives them again
//! by its own [`BatchVerifier`] and, if they yield exactly its final blocks, signs through its journal and answers. Nobody
//! has to trust who asks, so anyone may ask when the one on duty does not: the poster decides when.
//!
//! ```text
//! ask    = 0 ‖ rollup ‖ term ‖ genesis ‖ firstHeight ‖ lastHeight ‖ parentClaim ‖ prevHash ‖ lastHash ‖ blockHashRoot ‖
//!          lastBlockTime ‖ messageCount ‖ messageAcc ‖ inboxTip ‖ dataHash ‖ data   (numbers 8 bytes, big endian)
//! answer = 1 ‖ EIP-712 digest of the statement (32) ‖ signature (64)
//! ```
//!
//! A seat that cannot verify yet (its own L1 view or execution is behind) stays silent; who asks repeats itself. If no quorum
//! answers in time but more than a third does, and a quorum has made the last block final, then whoever asked gets both: in the
//! end L1 takes that, too.

use super::{
    application::{Shared, blocking, now},
    byzantine::Misbehaviour,
    certified::Certificates,
    engine::Runtime,
    gossip::{Seen, Witness},
};
use crate::signer::Guard;
use alloy_primitives::{Address, B256, Bytes, map::HashMap};
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{Receiver, Recipients, Sender};
use futures::future::BoxFuture;
use std::{sync::Arc, time::Duration};
use surety_types::{
    L2Height, Milliseconds, Term,
    evidence::SignedStatement,
    signing::{Batch, Finalize, Signature, SignatureSet, Statement, quorum},
};
use tokio::sync::{mpsc, oneshot};

/// Most bytes of batch data: six blobs' worth.
pub const MAX_DATA: usize = 6 * 131_072;
const STATEMENT: usize = 6 * 8 + 8 * 32;
/// The longest message.
pub(super) const MAX_BYTES: usize = 1 + STATEMENT + MAX_DATA;
/// How often an open question is asked again: who could not verify may be able to now.
const REPEAT: Duration = Duration::from_millis(500);
/// A question that was refused is not worked on again so soon: deriving a batch costs time.
const COOLDOWN: Duration = Duration::from_millis(300);
/// How long an answer is kept for those who ask again.
const KEPT: Duration = Duration::from_secs(60);
/// Questions of one seat that are worked on at a time.
const MAX_AT_ONCE: usize = 2;

/// Derives a batch from its bytes and says whether it yields exactly this node's final blocks. Supplied by the follower's
/// side of the node; `Err` says why not, or that it is too early to tell.
#[derive(Clone)]
pub struct BatchVerifier(Arc<Verify>);

type Verify = dyn Fn(Batch, Bytes) -> BoxFuture<'static, Result<(), String>> + Send + Sync;

impl core::fmt::Debug for BatchVerifier {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("BatchVerifier")
    }
}

impl BatchVerifier {
    /// Wraps the function that verifies.
    pub fn new(
        verify: impl Fn(Batch, Bytes) -> BoxFuture<'static, Result<(), String>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(verify))
    }
}

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gathered {
    /// Signatures under the statement, of a quorum unless there is a finalisation.
    pub signatures: SignatureSet,
    /// For want of a quorum, of which more than a third came: a quorum's votes for the statement's last block, in its term.
    pub finalization: Option<Finalization>,
}

/// A quorum's votes for a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finalization {
    /// What they signed.
    pub vote: Finalize,
    /// Their signatures.
    pub signatures: SignatureSet,
}

/// Why there is no quorum of signatures.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GatherError {
    /// The data are longer than L1 takes.
    #[error("batch data of {0} bytes are more than L1 takes: end the batch earlier")]
    TooLong(usize),
    /// The committee of the statement's term is not known.
    #[error("the committee of term {0} is not known here yet: try again when L1 has been read")]
    UnknownTerm(Term),
    /// Time is out.
    #[error("{have} of {need} signatures came in time: try again, or leave it to the next on duty")]
    Timeout {
        /// How many came.
        have: u32,
        /// How many make a quorum.
        need: u32,
    },
    /// The seat has stopped.
    #[error("the seat has stopped")]
    Stopped,
}

/// Asks the seats to sign statements. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BatchSignatures {
    requests: mpsc::Sender<Request>,
}

/// One question to the committee.
#[derive(Debug)]
pub(super) struct Request {
    statement: Batch,
    data: Bytes,
    timeout: Duration,
    answer: oneshot::Sender<Result<Gathered, GatherError>>,
}

/// The questions of this node, for one service after the other.
pub(super) type Requests = Arc<tokio::sync::Mutex<mpsc::Receiver<Request>>>;

/// What the service needs beside the network.
#[derive(Debug, Clone)]
pub(super) struct Statements {
    pub(super) domain: surety_types::signing::Domain,
    /// `None`: this seat signs no statements.
    pub(super) verifier: Option<BatchVerifier>,
}

impl BatchSignatures {
    pub(super) fn new() -> (Self, Requests) {
        let (requests, receiver) = mpsc::channel(4);
        (Self { requests }, Arc::new(tokio::sync::Mutex::new(receiver)))
    }

    /// Signatures of more than two thirds of the committee of `statement.term`, this seat's own among them if it agrees. When time
    /// is out, those of more than one third if a quorum made the last block final.
    ///
    /// # Errors
    /// See [`GatherError`].
    pub async fn gather(&self, statement: Batch, data: Bytes, timeout: Duration) -> Result<Gathered, GatherError> {
        if data.len() > MAX_DATA {
            return Err(GatherError::TooLong(data.len()));
        }
        let (answer, wait) = oneshot::channel();
        let request = Request { statement, data, timeout, answer };
        self.requests.send(request).await.map_err(|_| GatherError::Stopped)?;
        wait.await.map_err(|_| GatherError::Stopped)?
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Place of the seat that posts a batch ending at this height; later places follow when it does not.
pub const fn duty(last_height: L2Height, members: usize) -> usize {
    match (last_height.get() as usize).checked_rem(members) {
        Some(place) => place,
        None => 0,
    }
}

fn encode(statement: &Batch, data: &[u8]) -> Vec<u8> {
    let s = statement;
    let mut out = Vec::with_capacity(1 + STATEMENT + data.len());
    out.push(0);
    for n in [s.rollup, s.term] {
        out.extend_from_slice(&n.to_be_bytes());
    }
    out.extend_from_slice(s.genesis.as_slice());
    for n in [s.firstHeight, s.lastHeight] {
        out.extend_from_slice(&n.to_be_bytes());
    }
    for h in [s.parentClaim, s.prevHash, s.lastHash, s.blockHashRoot] {
        out.extend_from_slice(h.as_slice());
    }
    for n in [s.lastBlockTime, s.messageCount] {
        out.extend_from_slice(&n.to_be_bytes());
    }
    for h in [s.messageAcc, s.inboxTip, s.dataHash] {
        out.extend_from_slice(h.as_slice());
    }
    out.extend_from_slice(data);
    out
}

/// What peers say.
enum Message {
    Ask(Box<Batch>, Bytes),
    Answer(B256, Signature),
}

fn decode(bytes: &[u8]) -> Option<Message> {
    fn number(bytes: &mut &[u8]) -> Option<u64> {
        let (head, rest) = bytes.split_first_chunk::<8>()?;
        *bytes = rest;
        Some(u64::from_be_bytes(*head))
    }
    fn hash(bytes: &mut &[u8]) -> Option<B256> {
        let (head, rest) = bytes.split_first_chunk::<32>()?;
        *bytes = rest;
        Some(B256::from(*head))
    }
    let (kind, mut rest) = bytes.split_first()?;
    let b = &mut rest;
    match kind {
        0 => {
            let statement = Batch {
                rollup: number(b)?,
                term: number(b)?,
                genesis: hash(b)?,
                firstHeight: number(b)?,
                lastHeight: number(b)?,
                parentClaim: hash(b)?,
                prevHash: hash(b)?,
                lastHash: hash(b)?,
                blockHashRoot: hash(b)?,
                lastBlockTime: number(b)?,
                messageCount: number(b)?,
                messageAcc: hash(b)?,
                inboxTip: hash(b)?,
                dataHash: hash(b)?,
            };
            (b.len() <= MAX_DATA).then(|| Message::Ask(Box::new(statement), Bytes::copy_from_slice(b)))
        }
        1 => {
            let digest = hash(b)?;
            let signature = <[u8; 64]>::try_from(*b).ok()?;
            Some(Message::Answer(digest, Signature(signature.into())))
        }
        _ => None,
    }
}

fn encode_answer(digest: &B256, signature: &Signature) -> Vec<u8> {
    [&[1][..], digest.as_slice(), signature.0.as_slice()].concat()
}

/// An open question.
struct Open {
    committee: Vec<Address>,
    statement: Batch,
    data: Bytes,
    message: Vec<u8>,
    signatures: HashMap<usize, Signature>,
    answer: oneshot::Sender<Result<Gathered, GatherError>>,
    asked: Milliseconds,
    ends: Milliseconds,
}

impl Open {
    fn need(&self) -> u32 {
        quorum(self.committee.len() as u32)
    }

    /// Counts a signature if it is a member's.
    fn take(&mut self, digest: &B256, signature: Signature, witness: &Witness) {
        if let Some(place) = testify(&self.committee, &self.statement, digest, signature, witness) {
            self.signatures.insert(place, signature);
        }
    }
}

/// A question that is over.
struct Closed {
    committee: Vec<Address>,
    statement: Batch,
    at: Milliseconds,
}

/// Tells of a member's signature; its place, if it is one.
fn testify(
    committee: &[Address],
    statement: &Batch,
    digest: &B256,
    signature: Signature,
    witness: &Witness,
) -> Option<usize> {
    let signer = signature.recover(digest)?;
    let place = committee.iter().position(|member| *member == signer)?;
    let signed = SignedStatement { statement: Statement::Batch(statement.clone()), signature };
    witness.report(Seen::Vote { member: place as u8, signed, leader: false });
    Some(place)
}

struct Service<E, S> {
    context: E,
    shared: Arc<Shared>,
    statements: Statements,
    certificates: Certificates,
    /// Every signature that comes in is evidence.
    witness: Witness,
    sender: S,
    open: HashMap<B256, Open>,
    /// Questions that are over, for answers that come late: a signature counts as evidence whenever it comes.
    closed: HashMap<B256, Closed>,
    /// Questions that are being worked on, and who asked (`None`: ourselves).
    working: HashMap<B256, Option<PublicKey>>,
    /// Questions answered: with our signature, or `None` for a refusal, and when.
    done: HashMap<B256, (Option<Signature>, Milliseconds)>,
    /// Our own answers: digest, signature, and whom to tell (`None`: ourselves).
    signed: (mpsc::UnboundedSender<Own>, mpsc::UnboundedReceiver<Own>),
}

struct Own {
    digest: B256,
    /// `None`: not signed.
    signature: Option<Signature>,
    to: Option<PublicKey>,
}

pub(super) fn start<E: Runtime, S, R>(
    context: &E,
    shared: Arc<Shared>,
    statements: Statements,
    witness: Witness,
    (requests, certificates): (Requests, Certificates),
    (sender, mut receiver): (S, R),
) where
    S: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
{
    context.child("statements").spawn(|context| async move {
        let mut service = Service {
            context,
            shared,
            statements,
            certificates,
            witness,
            sender,
            open: HashMap::default(),
            closed: HashMap::default(),
            working: HashMap::default(),
            done: HashMap::default(),
            signed: mpsc::unbounded_channel(),
        };
        let clock = service.context.child("clock");
        let mut requests = requests.lock().await;
        loop {
            tokio::select! {
                biased;
                Some(own) = service.signed.1.recv() => service.own(own),
                Some(request) = requests.recv() => service.ask(request),
                message = receiver.recv() => match message {
                    Ok((peer, message)) => service.hear(peer, message.as_ref()),
                    Err(_) => return,
                },
                () = clock.sleep(Duration::from_millis(200)) => {}
            }
            service.tick();
        }
    });
}

impl<E: Runtime, S: Sender<PublicKey = PublicKey>> Service<E, S> {
    fn ask(&mut self, request: Request) {
        let Request { statement, data, timeout, answer } = request;
        let term = Term::new(statement.term);
        let Some(committee) = self.shared.schedule.committee(term) else {
            let _ = answer.send(Err(GatherError::UnknownTerm(term)));
            return;
        };
        let digest = self.statements.domain.digest(&statement);
        let now = now(&self.context);
        let message = encode(&statement, &data);
        self.sender.send(Recipients::All, message.clone(), false);
        self.open.insert(
            digest,
            Open {
                committee: committee.votes(),
                statement: statement.clone(),
                data: data.clone(),
                message,
                signatures: HashMap::default(),
                answer,
                asked: now,
                ends: now.saturating_add(millis(timeout)),
            },
        );
        self.work(statement, data, None);
    }

    fn hear(&mut self, peer: PublicKey, message: &[u8]) {
        match decode(message) {
            Some(Message::Ask(statement, data)) => self.work(*statement, data, Some(peer)),
            Some(Message::Answer(digest, signature)) => {
                if let Some(open) = self.open.get_mut(&digest) {
                    open.take(&digest, signature, &self.witness);
                } else if let Some(closed) = self.closed.get(&digest) {
                    testify(&closed.committee, &closed.statement, &digest, signature, &self.witness);
                }
            }
            None => tracing::debug!(%peer, "not a message about a statement"),
        }
    }

    /// Verifies and signs, off this task; the answer comes back as [`Own`].
    fn work(&mut self, statement: Batch, data: Bytes, to: Option<PublicKey>) {
        let (Some(verifier), Some(guard)) = (self.statements.verifier.clone(), self.shared.guard.clone()) else {
            return;
        };
        if self.shared.misbehaviour.as_ref().is_some_and(Misbehaviour::withholds_batches) {
            return;
        }
        let digest = self.statements.domain.digest(&statement);
        let member = self.shared.schedule.committee(Term::new(statement.term));
        let rollup = self.shared.blocks.parameters().rollup.get();
        if statement.rollup != rollup || member.as_ref().is_none_or(|c| c.place_of(guard.address()).is_none()) {
            return;
        }
        let now = now(&self.context);
        self.done
            .retain(|_, (signature, at)| now.since(*at) < millis(if signature.is_some() { KEPT } else { COOLDOWN }));
        match self.done.get(&digest) {
            Some((Some(signature), _)) => {
                let signature = Some(*signature);
                return self.deliver(Own { digest, signature, to });
            }
            // Refused just now.
            Some((None, _)) if to.is_some() => return,
            _ => {}
        }
        // No peer can make us derive more than a few batches at a time, or keep others from asking.
        let same = self.working.values().filter(|asker| **asker == to).count();
        if self.working.contains_key(&digest) || same >= MAX_AT_ONCE {
            return;
        }
        self.working.insert(digest, to.clone());
        let signed = self.signed.0.clone();
        let misbehaviour = self.shared.misbehaviour.clone().map(|misbehaviour| (misbehaviour, self.witness.clone()));
        let committee = member.map(|committee| committee.votes()).unwrap_or_default();
        let sin = misbehaviour.map(|(misbehaviour, witness)| Sin { misbehaviour, witness, committee });
        self.context.child("verify_batch").spawn(move |context| async move {
            let signature = verify_and_sign(&context, verifier, guard, (statement, data), sin).await;
            let _ = signed.send(Own { digest, signature, to });
        });
    }

    fn own(&mut self, own: Own) {
        self.working.remove(&own.digest);
        self.done.insert(own.digest, (own.signature, now(&self.context)));
        self.deliver(own);
    }

    /// Tells whoever asked, and counts our signature where we ask ourselves.
    fn deliver(&mut self, own: Own) {
        let Own { digest, signature, to } = own;
        let Some(signature) = signature else { return };
        if let Some(peer) = to {
            self.sender.send(Recipients::One(peer), encode_answer(&digest, &signature), false);
        }
        if let Some(open) = self.open.get_mut(&digest) {
            open.take(&digest, signature, &self.witness);
        }
    }

    fn tick(&mut self) {
        let now = now(&self.context);
        let done: Vec<B256> = self
            .open
            .iter()
            .filter(|(_, o)| o.signatures.len() as u32 >= o.need() || now >= o.ends || o.answer.is_closed())
            .map(|(digest, _)| *digest)
            .collect();
        for digest in done {
            let Some(open) = self.open.remove(&digest) else { continue };
            self.close(digest, open, now);
        }
        self.closed.retain(|_, closed| now.since(closed.at) < millis(KEPT));
        let mut again = Vec::new();
        for open in self.open.values_mut() {
            if now.since(open.asked) >= millis(REPEAT) {
                open.asked = now;
                self.sender.send(Recipients::All, open.message.clone(), false);
                again.push((open.statement.clone(), open.data.clone()));
            }
        }
        for (statement, data) in again {
            self.work(statement, data, None);
        }
    }

    /// Answers whoever asked, who may have lost interest.
    fn close(&mut self, digest: B256, open: Open, now: Milliseconds) {
        let (have, need, members) = (open.signatures.len(), open.need(), open.committee.len());
        let Open { committee, statement, signatures, answer, .. } = open;
        let signatures = SignatureSet::from_places(signatures);
        let none = GatherError::Timeout { have: have as u32, need };
        if have as u32 >= need {
            let _ = answer.send(Ok(Gathered { signatures, finalization: None }));
        } else if have * 3 > members {
            let (certificates, statement) = (self.certificates.clone(), statement.clone());
            self.context.child("finalization").spawn(move |_| async move {
                let found = certificates.of(statement.lastHeight, statement.lastHash).await;
                let found = found.filter(|(vote, _)| (vote.term, vote.genesis) == (statement.term, statement.genesis));
                let finalization = found.map(|(vote, signatures)| Finalization { vote, signatures });
                let _ = answer.send(match finalization {
                    Some(_) => Ok(Gathered { signatures, finalization }),
                    None => Err(none),
                });
            });
        } else {
            let _ = answer.send(Err(none));
        }
        self.closed.insert(digest, Closed { committee, statement, at: now });
    }
}

/// What a drill's sinner does beside signing.
struct Sin {
    misbehaviour: Misbehaviour,
    witness: Witness,
    committee: Vec<Address>,
}

impl Sin {
    /// Signs another result and passes both on, as whoever asked for them would.
    fn commit(self, statement: &Batch, signature: Signature) {
        for (statement, signature) in self.misbehaviour.signed_batch(statement, signature) {
            let digest = self.misbehaviour.domain().digest(&statement);
            testify(&self.committee, &statement, &digest, signature, &self.witness);
        }
    }
}

async fn verify_and_sign<E: Runtime>(
    context: &E,
    verifier: BatchVerifier,
    guard: Guard,
    (statement, data): (Batch, Bytes),
    sin: Option<Sin>,
) -> Option<Signature> {
    let last = statement.lastHeight;
    if let Err(reason) = (verifier.0)(statement.clone(), data).await {
        tracing::info!(last, reason, "batch statement not signed");
        return None;
    }
    let signed = blocking(context, move || guard.batch(&statement).map(|signature| (statement, signature))).await?;
    match signed {
        Ok((statement, signature)) => {
            if let Some(sin) = sin {
                sin.commit(&statement, signature);
            }
            Some(signature)
        }
        Err(error) => {
            tracing::warn!(last, %error, "batch statement not signed");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn statement(n: u64, h: u8) -> Batch {
        Batch {
            rollup: n,
            term: n ^ 1,
            genesis: B256::repeat_byte(h),
            firstHeight: n ^ 2,
            lastHeight: n ^ 3,
            parentClaim: B256::repeat_byte(h ^ 1),
            prevHash: B256::repeat_byte(h ^ 2),
            lastHash: B256::repeat_byte(h ^ 3),
            blockHashRoot: B256::repeat_byte(h ^ 4),
            lastBlockTime: n ^ 4,
            messageCount: n ^ 5,
            messageAcc: B256::repeat_byte(h ^ 5),
            inboxTip: B256::repeat_byte(h ^ 6),
            dataHash: B256::repeat_byte(h ^ 7),
        }
    }

    proptest! {
        #[test]
        fn a_question_survives_its_encoding(n: u64, h: u8, data in prop::collection::vec(any::<u8>(), 0..500)) {
            let bytes = encode(&statement(n, h), &data);
            prop_assert_eq!(bytes.len(), 1 + STATEMENT + data.len());
            let Some(Message::Ask(decoded, rest)) = decode(&bytes) else { panic!() };
            prop_assert_eq!(*decoded, statement(n, h));
            prop_assert_eq!(rest.to_vec(), data);
        }

        #[test]
        fn other_bytes_are_ignored(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            if let Some(Message::Answer(digest, signature)) = decode(&bytes) {
                prop_assert_eq!(encode_answer(&digest, &signature), bytes);
            }
        }
    }

    #[test]
    fn duty_rotates_with_the_height() {
        let places: Vec<_> = (7..12).map(|height| duty(L2Height::new(height), 4)).collect();
        assert_eq!(places, [3, 0, 1, 2, 3]);
    }
}
