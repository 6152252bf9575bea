//! Sign only what may be signed: vote keys behind the signing journal (protocol §5).
//!
//! A signature leaves this module only after [`rules`] found no conflict with anything signed before, the block was
//! executed by this node where the statement speaks of its result, and the [`journal`] has it on disk. The order is:
//! check, append, sync, sign. So a crash at any point leaves either no signature or a recorded one, and signing the same
//! message again is always allowed and (RFC 6979) yields the same bytes.
//!
//! | statement | refused when |
//! |---|---|
//! | any | its term is below the journal's floor, its rollup's term began on another genesis, the journal is damaged |
//! | any | an event that L1's head shows has ended its term ([`Guard::end_terms_before`]) |
//! | `Notarize` | another block or parent was notarised in this view; the block is not executed |
//! | `Finalize` | another was finalised in this view; this view was nullified; the block is not executed |
//! | `Nullify` | this view was finalised |
//! | `Batch` | for this last height in this term another `lastHash` was signed, or with this first height another `blockHashRoot`; not executed |
//! | `Receipt` | another transaction or height was promised at this place of this view; the view is notarised already |
//!
//! Refusing is always safe: it costs one vote. Views far below the highest one signed are refused without looking.
//!
//! # A second copy, an old disk
//!
//! The journal knows all that its key has signed, unless the disk is an old one or another node runs with the key. So a
//! node listens for its own key ([`Guard::heard`]): every vote of its own in a certificate or from a peer, checked like any
//! other, is looked up. If one is unknown, the journal's floor rises to the next term: this node signs nothing more of
//! the vote's term or an earlier one, restarts or not. That holds all the time; and after a start a node signs nothing
//! ([`Guard::listen`]) until it stands where the others stand and has heard them there for
//! [`crate::consensus::Timing::listen`], however long it needs to catch up: what its key may have signed before lies in views
//! that are over there. Where too few are heard to decide anything it stays silent, too. What it cannot see is
//! a vote that stands in no certificate that reaches this node; journals must not be copied all the same.

mod executed;
mod interchange;
mod journal;
mod metrics;
mod rules;

pub use executed::ExecutedBlocks;
pub use interchange::{Interchange, InterchangeError};
pub use journal::{Journal, JournalError};
pub use rules::Refusal;

use alloy_primitives::{Address, B256};
use k256::ecdsa::SigningKey;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
use surety_types::{
    RollupId, Term,
    signing::{self, Batch, Domain, Finalize, Notarize, Nullify, Receipt, Signature, Statement},
};

/// A vote key, wherever it is kept. Knows nothing of what it signs: [`Guard`] decides that.
pub trait Signer: Send + Sync + 'static {
    /// The L1 address of the key.
    fn address(&self) -> Address;

    /// Signs a digest by RFC 6979 with low `s`.
    ///
    /// # Errors
    /// When the key's keeper cannot or will not sign; the vote is then lost, nothing else.
    fn sign(&self, digest: &B256) -> Result<Signature, SignerError>;
}

/// The key's keeper did not sign.
#[derive(Debug, thiserror::Error)]
#[error("the vote key did not sign: {0}")]
pub struct SignerError(pub String);

/// A vote key in this process's memory.
pub struct LocalSigner {
    key: SigningKey,
    address: Address,
}

impl LocalSigner {
    /// Takes a key.
    pub fn new(key: SigningKey) -> Self {
        let address = signing::vote_address(&key);
        Self { key, address }
    }

    /// Takes a key as 32 bytes; `None` if they are no valid scalar.
    pub fn from_bytes(bytes: &B256) -> Option<Self> {
        SigningKey::from_slice(bytes.as_slice()).ok().map(Self::new)
    }
}

impl core::fmt::Debug for LocalSigner {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("LocalSigner").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Signer for LocalSigner {
    fn address(&self) -> Address {
        self.address
    }

    fn sign(&self, digest: &B256) -> Result<Signature, SignerError> {
        Signature::sign(&self.key, digest).ok_or_else(|| SignerError("the digest cannot be signed by this key".into()))
    }
}

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// It would contradict something signed before, or speak of a block that was not executed.
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    /// The journal could not take it down.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The key's keeper did not sign.
    #[error(transparent)]
    Signer(#[from] SignerError),
}

/// The only door to a vote key: checks, records, then signs.
///
/// Cheap to clone; all clones share the journal and the set of executed blocks.
#[derive(Clone)]
pub struct Guard {
    inner: Arc<GuardInner>,
}

struct GuardInner {
    signer: Box<dyn Signer>,
    journal: Journal,
    executed: ExecutedBlocks,
    domain: Domain,
    listening: AtomicBool,
    ended_before: AtomicU64,
    deaf: AtomicBool,
}

impl core::fmt::Debug for Guard {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Guard").field("address", &self.address()).finish_non_exhaustive()
    }
}

impl Guard {
    /// Puts a key behind its journal.
    ///
    /// # Errors
    /// [`JournalError::Foreign`] if the journal belongs to another key or domain.
    pub fn new(signer: impl Signer, journal: Journal, domain: Domain) -> Result<Self, JournalError> {
        journal.check_owner(&domain, signer.address())?;
        Ok(Self {
            inner: Arc::new(GuardInner {
                signer: Box::new(signer),
                journal,
                executed: ExecutedBlocks::default(),
                domain,
                listening: AtomicBool::new(false),
                ended_before: AtomicU64::new(0),
                deaf: AtomicBool::new(false),
            }),
        })
    }

    /// The vote key's address.
    pub fn address(&self) -> Address {
        self.inner.signer.address()
    }

    /// The EIP-712 domain of everything signed here.
    pub fn domain(&self) -> &Domain {
        &self.inner.domain
    }

    /// Which blocks this node has executed: the application marks, the guard asks.
    pub fn executed(&self) -> &ExecutedBlocks {
        &self.inner.executed
    }

    /// The journal, for compaction and export.
    pub fn journal(&self) -> &Journal {
        &self.inner.journal
    }

    /// Signs nothing from now on, until [`Self::speak`].
    pub fn listen(&self) {
        self.inner.listening.store(true, Ordering::SeqCst);
    }

    /// Listening is over.
    pub fn speak(&self) {
        self.inner.listening.store(false, Ordering::SeqCst);
    }

    /// Signs nothing in terms before this one from now on: an L1 event ended them. A lower one takes that back, when L1 was
    /// reorganised before the event was settled.
    pub fn end_terms_before(&self, term: Term) {
        self.inner.ended_before.store(term.get(), Ordering::SeqCst);
    }

    /// Somebody showed a statement with a right signature of this key. If it was not signed by way of this journal, nothing
    /// of its term is signed here any more.
    pub fn heard(&self, statement: &Statement) {
        if self.inner.deaf.load(Ordering::SeqCst) {
            return;
        }
        match self.inner.journal.check(statement) {
            // Of a term that is over for this node, or so old that nobody knows.
            Ok(false) | Err(Refusal::BelowFloor { .. } | Refusal::TooOld { .. }) => {}
            Ok(true) | Err(_) => {
                let (term, next) = (statement.term(), Term::new(statement.term().saturating_add(1)));
                tracing::error!(
                    term, kind = ?statement.kind(), place = statement.place(), key = %self.address(),
                    "a vote of this key is not in the signing journal: another node runs with this key, or the disk is an \
                     old copy. Nothing is signed before term {next}. Stop the other node, or it will cost the bond"
                );
                metrics::unknown();
                let rollup = RollupId::new(statement.rollup());
                if let Err(error) = self.inner.journal.raise_floor(rollup, next) {
                    // A journal that failed signs nothing at all.
                    tracing::error!(%error, "the signing journal");
                }
            }
        }
    }

    /// Hears nothing of its own key any more: for Byzantine copies in simulations.
    #[cfg(any(test, feature = "testing"))]
    pub fn deafen(&self) {
        self.inner.deaf.store(true, Ordering::SeqCst);
    }

    /// Signs a vote for a proposal.
    ///
    /// # Errors
    /// See [`SignError`].
    pub fn notarize(&self, message: &Notarize) -> Result<Signature, SignError> {
        self.must_be_executed(message.blockHash)?;
        self.record_and_sign(Statement::Notarize(message.clone()), self.inner.domain.digest(message))
    }

    /// Signs a vote to make a proposal final.
    ///
    /// # Errors
    /// See [`SignError`].
    pub fn finalize(&self, message: &Finalize) -> Result<Signature, SignError> {
        self.must_be_executed(message.blockHash)?;
        self.record_and_sign(Statement::Finalize(message.clone()), self.inner.domain.digest(message))
    }

    /// Signs a vote to give a view up.
    ///
    /// # Errors
    /// See [`SignError`].
    pub fn nullify(&self, message: &Nullify) -> Result<Signature, SignError> {
        self.record_and_sign(Statement::Nullify(message.clone()), self.inner.domain.digest(message))
    }

    /// Signs a batch statement. The caller has derived the batch from the very bytes (protocol §6).
    ///
    /// # Errors
    /// See [`SignError`].
    pub fn batch(&self, message: &Batch) -> Result<Signature, SignError> {
        self.must_be_executed(message.lastHash)?;
        self.record_and_sign(Statement::Batch(message.clone()), self.inner.domain.digest(message))
    }

    /// Signs receipts for transactions that were appended, with one sync for all of them.
    ///
    /// # Errors
    /// See [`SignError`]; if one is refused, none is signed.
    pub fn receipts(&self, messages: &[Receipt]) -> Result<Vec<Signature>, SignError> {
        self.must_not_listen()?;
        let statements: Vec<_> = messages.iter().cloned().map(Statement::Receipt).collect();
        statements.iter().try_for_each(|statement| self.must_not_have_ended(statement))?;
        self.inner.journal.record(&statements)?;
        messages.iter().map(|m| Ok(self.inner.signer.sign(&self.inner.domain.digest(m))?)).collect()
    }

    fn must_be_executed(&self, hash: B256) -> Result<(), Refusal> {
        if self.inner.executed.contains(&hash) { Ok(()) } else { Err(Refusal::NotExecuted(hash)) }
    }

    fn must_not_listen(&self) -> Result<(), Refusal> {
        if self.inner.listening.load(Ordering::SeqCst) { Err(Refusal::Listening) } else { Ok(()) }
    }

    fn must_not_have_ended(&self, statement: &Statement) -> Result<(), Refusal> {
        let (term, next) = (statement.term(), self.inner.ended_before.load(Ordering::SeqCst));
        if term < next { Err(Refusal::Ended { term, next }) } else { Ok(()) }
    }

    fn record_and_sign(&self, statement: Statement, digest: B256) -> Result<Signature, SignError> {
        self.must_not_listen()?;
        self.must_not_have_ended(&statement)?;
        self.inner.journal.record(std::slice::from_ref(&statement))?;
        Ok(self.inner.signer.sign(&digest)?)
    }
}

#[cfg(test)]
mod tests;
