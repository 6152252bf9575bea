//! What the engine asks of us: propose, verify, certify, relay.
//!
//! - **propose** builds on the parent in a [`crate::builder::Workshop`] until the block's time has come, then hands over the digest. On the last
//!   block of a term it proposes that block again, so that views go on until a quorum has made it final.
//! - **verify** answers yes only after the block was executed here and gave the header that it says, and no only for what
//!   can never become right. While data may still arrive (the block, its parent, messages of L1, the block's own time)
//!   the answer is left pending; the view's timeout decides then.
//! - **certify** answers yes only after this node has executed the block and all its ancestors and the block is on disk.
//!   So nothing is finalised here that was not executed here; the signing journal asks again.
//!
//! A failure of this machine (disk, engine) is logged and answered with silence.

mod propose;
mod verify;

pub(super) use verify::execute;

use super::{
    block::{ConsensusBlock, Hash, from_digest, to_digest},
    byzantine::Misbehaviour,
    committee::TermSchedule,
    scheme::Scheme,
};
use crate::{
    builder::{Blocks, MachineError, Parent},
    clock::Clock as TimeOfDay,
    pool::Pool,
    signer::Guard,
};
use alloy_primitives::{Address, B256};
use commonware_actor::Feedback;
use commonware_consensus::{
    Automaton, CertifiableAutomaton, Relay,
    marshal::{
        core::{CommitmentFallback, DigestFallback, Mailbox},
        standard::Standard,
    },
    simplex::{Plan, types::Context},
    types::{Epoch, Round, View},
};
use commonware_cryptography::{Digested, ed25519::PublicKey};
use commonware_p2p::Recipients;
use commonware_runtime::{Clock, Spawner};
use commonware_utils::channel::{fallible::OneshotExt, oneshot};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc, time::UNIX_EPOCH};
use surety_types::{Milliseconds, Seconds, Term, signing};
use tokio::sync::broadcast;

/// The library's keeper of blocks, in our types.
pub(super) type Marshal = Mailbox<Scheme, Standard<ConsensusBlock>>;

/// A receipt that a leader signed for a transaction it appended (protocol §7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedReceipt {
    /// The receipt.
    pub receipt: signing::Receipt,
    /// The leader's signature.
    pub signature: signing::Signature,
    /// The leader's vote address.
    pub leader: Address,
}

/// What all terms of one seat share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) blocks: Blocks,
    pub(super) pool: Arc<Pool>,
    pub(super) schedule: TermSchedule,
    /// `None` for a node that follows consensus without voting.
    pub(super) guard: Option<Guard>,
    /// Who receives the priority fees of this seat's blocks.
    pub(super) beneficiary: Address,
    pub(super) receipts: broadcast::Sender<SignedReceipt>,
    /// The most bytes of a block on the wire; a longer message would end the network.
    pub(super) max_block_bytes: usize,
    /// What this seat does wrong in a drill.
    pub(super) misbehaviour: Option<Misbehaviour>,
    /// The time of day.
    pub(super) clock: TimeOfDay,
}

impl Shared {
    /// Notes an executed block where the signing journal looks.
    pub(super) fn mark_executed(&self, height: u64, hash: B256) {
        if let Some(guard) = &self.guard {
            guard.executed().mark(surety_types::L2Height::new(height), hash);
        }
    }
}

/// The term that an engine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TermInfo {
    pub(super) term: Term,
    /// The last block of the term before.
    pub(super) genesis: B256,
    /// The height that the library counts as zero.
    pub(super) base: u64,
}

/// The application of one term's engine. Cheap to clone.
pub(super) struct Application<E> {
    context: Arc<E>,
    shared: Arc<Shared>,
    term: TermInfo,
    marshal: Marshal,
    /// Blocks that were proposed and wait for the engine to have them sent.
    staged: Arc<Mutex<BTreeMap<Round, ConsensusBlock>>>,
}

impl<E> Clone for Application<E> {
    fn clone(&self) -> Self {
        Self {
            context: self.context.clone(),
            shared: self.shared.clone(),
            term: self.term,
            marshal: self.marshal.clone(),
            staged: self.staged.clone(),
        }
    }
}

/// Does work that may hold its thread for a while.
pub(super) async fn blocking<E: Spawner, T: Send + 'static>(
    context: &E,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    context.child("blocking").shared(true).spawn(move |_| async move { work() }).await.ok()
}

/// A runtime's time in milliseconds: for measuring, not the time of day.
pub(super) fn now(clock: &impl Clock) -> Milliseconds {
    let since = clock.current().duration_since(UNIX_EPOCH).unwrap_or_default();
    Milliseconds::new(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Reports a failure of the machine; the caller then stays silent.
pub(super) fn report(what: &str, error: &MachineError) {
    tracing::error!(%error, "{what}: this node cannot judge blocks and stays silent");
}

impl<E: Clock + Spawner> Application<E> {
    pub(super) fn new(context: E, shared: Arc<Shared>, term: TermInfo, marshal: Marshal) -> Self {
        Self { context: Arc::new(context), shared, term, marshal, staged: Arc::default() }
    }

    const fn epoch(&self) -> Epoch {
        Epoch::new(self.term.term.get())
    }

    /// Whether the term ends with this block: its child belongs to a later one. The term's genesis is not of the term.
    /// Waits while the schedule does not reach that far.
    async fn ends_term(&self, block: &Parent) -> bool {
        if block.hash == self.term.genesis {
            return false;
        }
        let mut changes = self.shared.schedule.changes();
        loop {
            let time = Seconds::new(block.header.timestamp);
            if let Some(next) = self.shared.schedule.known_term_after(self.term.term, block.header.number, time) {
                return next > self.term.term;
            }
            tracing::debug!(%time, "waiting for the schedule of terms");
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Runs a task whose answer the engine may stop waiting for. `None` leaves the answer open for good.
    fn answer<T: Send + 'static>(
        &self,
        label: &'static str,
        work: impl Future<Output = Option<T>> + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (mut sender, receiver) = oneshot::channel();
        self.context.child(label).spawn(move |_| async move {
            let answer = tokio::select! {
                biased;
                () = sender.closed() => None,
                answer = work => answer,
            };
            match answer {
                Some(answer) => {
                    sender.send_lossy(answer);
                }
                // Dropping the sender would be an answer: "never".
                None => sender.closed().await,
            }
        });
        receiver
    }

    /// Asks for a block by hash, from peers too once it is notarised in `round`.
    async fn fetch(&self, hash: B256, round: Round) -> Option<ConsensusBlock> {
        let block: Digested<ConsensusBlock> = self
            .marshal
            .subscribe_by_commitment(to_digest(hash), CommitmentFallback::FetchByRound { round })
            .await
            .ok()?;
        Some(block.inner().clone())
    }
}

impl<E: Clock + Spawner> Automaton for Application<E> {
    type Context = Context<Hash, PublicKey>;
    type Digest = Hash;

    async fn propose(&mut self, context: Self::Context) -> oneshot::Receiver<Hash> {
        let this = self.clone();
        self.answer("propose", async move { this.build(context).await })
    }

    async fn verify(&mut self, context: Self::Context, payload: Hash) -> oneshot::Receiver<bool> {
        let this = self.clone();
        // Asked for before the task runs, so that the block is not missed.
        let candidate = self.marshal.subscribe_by_digest(payload, DigestFallback::Wait);
        self.answer("verify", async move { this.decide(context, from_digest(payload), candidate).await })
    }
}

impl<E: Clock + Spawner> CertifiableAutomaton for Application<E> {
    async fn certify(&mut self, round: Round, payload: Hash) -> oneshot::Receiver<bool> {
        let this = self.clone();
        self.answer("certify", async move { this.decide_certification(round, from_digest(payload)).await })
    }
}

impl<E: Clock + Spawner> Relay for Application<E> {
    type Digest = Hash;
    type PublicKey = PublicKey;
    type Plan = Plan<PublicKey>;

    fn broadcast(&mut self, payload: Hash, plan: Plan<PublicKey>) -> Feedback {
        match plan {
            Plan::Propose { round } => {
                let staged = {
                    let mut staged = self.staged.lock();
                    let block = staged.remove(&round);
                    // What is left of earlier views was never asked for.
                    *staged = staged.split_off(&round);
                    block
                };
                match staged.filter(|block| to_digest(block.hash()) == payload) {
                    Some(block) => {
                        let block = Digested::precomputed(block, payload);
                        // Certification waits for it to be on disk.
                        let (ack, _) = oneshot::channel();
                        self.marshal.proposed(round, block, Recipients::All, ack)
                    }
                    // A term's last block, proposed again: everyone has it, or fetches it by its own view.
                    None => Feedback::Ok,
                }
            }
            Plan::Forward { round, recipients } => self.marshal.forward(round, payload, recipients),
            // We never prepare ahead of certification.
            Plan::Prepare { .. } => Feedback::Ok,
        }
    }
}

const fn view(n: surety_types::View) -> View {
    View::new(n.get())
}
