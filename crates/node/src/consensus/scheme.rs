//! Votes that L1 can judge: a simplex signing scheme over secp256k1 and EIP-712.
//!
//! Peers know each other by ed25519 keys, votes are by the seats' vote keys; a participant's index here is its place
//! among the peer keys in order, and [`Committee::places`] turns it into the place on L1. A certificate is the set of
//! signers and one 64-byte signature (EIP-2098) of each in that order, so anyone can take it apart and show a single
//! signature to L1; [`Scheme::signature_set`] brings it in L1's form.
//!
//! The library checks a vote when it counts it, when it reports it and in every certificate; [`right`] remembers those that
//! were right, so that each costs one recovery.
//!
//! Signing goes through [`Guard`]: a vote that the journal refuses is not cast ([`certificate::Scheme::sign`] returns
//! `None`), which the engine treats as a vote lost.

mod right;

pub(super) use right::checks;

use super::committee::Committee;
use crate::signer::{Guard, Refusal, SignError};
use alloy_primitives::{Address, B256, FixedBytes};
use bytes::BufMut;
use commonware_codec::{
    Buf, EncodeSize, Error as CodecError, FixedSize, MaxEncodeSize, Read, ReadExt, ReadRangeExt, Write,
    types::lazy::Lazy,
};
use commonware_consensus::{Epochable, Viewable, simplex::types::Subject};
use commonware_cryptography::{
    Digest,
    certificate::{
        self, AssemblyError, Attestation, Membership, Scheme as _, Signers, Verification, Verifier,
        verify_then_assemble,
    },
    ed25519::PublicKey,
};
use commonware_parallel::Strategy;
use commonware_utils::{
    N3f1, Participant,
    iter::NonEmpty,
    ordered::{Quorum, Set},
};
use rand_core::CryptoRng;
use right::RightSignatures;
use std::sync::Arc;
use surety_types::{
    RollupId,
    signing::{self, Domain, Finalize, Notarize, Nullify, Statement},
};

/// A vote's signature: 64 bytes, EIP-2098.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature(pub signing::Signature);

impl Write for Signature {
    fn write(&self, buf: &mut impl BufMut) {
        buf.put_slice(self.0.0.as_slice());
    }
}

impl Read for Signature {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, CodecError> {
        Ok(Self(signing::Signature(FixedBytes(<[u8; 64]>::read(buf)?))))
    }
}

impl FixedSize for Signature {
    const SIZE: usize = 64;
}

/// A quorum's signatures under one vote.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Certificate {
    signers: Signers,
    signatures: Vec<Lazy<Signature>>,
}

impl Certificate {
    /// The signatures with their signers' indices among the participants.
    pub fn votes(&self) -> impl Iterator<Item = (usize, signing::Signature)> + '_ {
        self.signers.iter().zip(&self.signatures).filter_map(|(i, s)| Some((usize::from(i), s.get()?.0)))
    }
}

impl Write for Certificate {
    fn write(&self, writer: &mut impl BufMut) {
        self.signers.write(writer);
        self.signatures.write(writer);
    }
}

impl EncodeSize for Certificate {
    fn encode_size(&self) -> usize {
        self.signers.encode_size() + self.signatures.encode_size()
    }
}

impl Read for Certificate {
    type Cfg = usize;

    fn read_cfg(reader: &mut impl Buf, participants: &usize) -> Result<Self, CodecError> {
        let signers = Signers::read_cfg(reader, participants)?;
        let signatures = Vec::<Lazy<Signature>>::read_range(reader, ..=*participants)?;
        if signatures.is_empty() || signers.count() != signatures.len() {
            return Err(CodecError::Invalid("surety::Certificate", "each signer has one signature"));
        }
        Ok(Self { signers, signatures })
    }
}

/// The scheme of one term.
#[derive(Debug, Clone)]
pub struct Scheme {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    rollup: RollupId,
    genesis: B256,
    domain: Domain,
    committee: Arc<Committee>,
    /// Vote addresses by participant.
    votes: Vec<Address>,
    guard: Option<(Participant, Guard)>,
    right: RightSignatures,
}

impl Scheme {
    /// A scheme that checks the votes of a term whose genesis block (the last of the term before) has this hash, and, if
    /// `guard` holds a member's vote key, casts them.
    pub fn new(
        rollup: RollupId,
        genesis: B256,
        domain: Domain,
        committee: Arc<Committee>,
        guard: Option<Guard>,
    ) -> Self {
        let votes: Vec<Address> =
            committee.places().iter().filter_map(|place| committee.members().get(*place)).map(|m| m.vote).collect();
        let guard = guard.and_then(|guard| {
            let index = votes.iter().position(|vote| *vote == guard.address())?;
            Some((Participant::from_usize(index), guard))
        });
        Self {
            inner: Arc::new(Inner {
                rollup,
                genesis,
                domain,
                committee,
                votes,
                guard,
                right: RightSignatures::default(),
            }),
        }
    }

    /// The committee.
    pub fn committee(&self) -> &Arc<Committee> {
        &self.inner.committee
    }

    /// Hash of the term's genesis block.
    pub fn genesis(&self) -> B256 {
        self.inner.genesis
    }

    /// A certificate as L1 takes it: signatures by place.
    pub fn signature_set(&self, certificate: &Certificate) -> signing::SignatureSet {
        let places = self.inner.committee.places();
        signing::SignatureSet::from_places(
            certificate.votes().filter_map(|(index, signature)| Some((*places.get(index)?, signature))),
        )
    }

    /// What is signed for a subject; `None` for a subject of another term, or one without a 32-byte payload.
    fn statement<D: Digest>(&self, subject: &Subject<'_, D>) -> Option<Statement> {
        Some(match subject {
            Subject::Notarize { proposal } => self.notarize(proposal)?.into(),
            Subject::Finalize { proposal } => self.finalize(proposal)?.into(),
            Subject::Nullify { round } => self.nullify_of(round)?.into(),
        })
    }

    /// Tells the guard of votes of its own key, which it may not know ([`Guard::heard`]).
    fn hear(&self, statement: &Statement, mut signers: impl Iterator<Item = Participant>) {
        if let Some((me, guard)) = &self.inner.guard
            && signers.any(|signer| signer == *me)
        {
            guard.heard(statement);
        }
    }

    fn of_this_term(&self, epoch: u64) -> Option<()> {
        (epoch == self.inner.committee.term().get()).then_some(())
    }

    /// What a vote for a proposal signs; `None` for a proposal of another term.
    pub(super) fn notarize<D: Digest>(
        &self,
        proposal: &commonware_consensus::simplex::types::Proposal<D>,
    ) -> Option<Notarize> {
        self.of_this_term(proposal.epoch().get())?;
        Some(Notarize {
            rollup: self.inner.rollup.get(),
            term: self.inner.committee.term().get(),
            genesis: self.inner.genesis,
            view: proposal.view().get(),
            parentView: proposal.parent.get(),
            blockHash: B256::try_from(proposal.payload.as_ref()).ok()?,
        })
    }

    /// What a vote to make a proposal final signs; `None` for a proposal of another term.
    pub(super) fn finalize<D: Digest>(
        &self,
        proposal: &commonware_consensus::simplex::types::Proposal<D>,
    ) -> Option<Finalize> {
        let n = self.notarize(proposal)?;
        Some(Finalize {
            rollup: n.rollup,
            term: n.term,
            genesis: n.genesis,
            view: n.view,
            parentView: n.parentView,
            blockHash: n.blockHash,
        })
    }

    /// What a vote to give a view up signs; `None` for a view of another term.
    pub(super) fn nullify_of(&self, round: &commonware_consensus::types::Round) -> Option<Nullify> {
        self.of_this_term(round.epoch().get())?;
        Some(Nullify {
            rollup: self.inner.rollup.get(),
            term: self.inner.committee.term().get(),
            genesis: self.inner.genesis,
            view: round.view().get(),
        })
    }

    fn check(&self, digest: &B256, signer: Participant, signature: &Lazy<Signature>) -> bool {
        let (Some(address), Some(signature)) = (self.inner.votes.get(usize::from(signer)), signature.get()) else {
            return false;
        };
        self.inner.right.check(*digest, usize::from(signer), &signature.0, address)
    }
}

impl Verifier for Scheme {
    type Subject<'a, D: Digest> = Subject<'a, D>;
    type Faults = N3f1;
    type PublicKey = PublicKey;
    type Certificate = Certificate;

    fn verify_certificate<R: CryptoRng, D: Digest>(
        &self,
        _: &mut R,
        subject: Subject<'_, D>,
        certificate: &Certificate,
        _: &impl Strategy,
    ) -> bool {
        let signers = &certificate.signers;
        if signers.len() != self.inner.votes.len()
            || signers.count() != certificate.signatures.len()
            || signers.count() < self.participants().quorum::<N3f1>() as usize
        {
            return false;
        }
        let Some(statement) = self.statement(&subject) else { return false };
        let digest = statement.digest(&self.inner.domain);
        let valid = signers.iter().zip(&certificate.signatures).all(|(signer, s)| self.check(&digest, signer, s));
        if valid {
            self.hear(&statement, signers.iter());
        }
        valid
    }

    fn is_batchable() -> bool {
        false
    }

    fn max_certificate_size(participants: u32) -> usize {
        // Length and bits of the bitmap, length of the list, signatures.
        let n = participants as usize;
        u64::SIZE + n.div_ceil(8) + u32::MAX_ENCODE_SIZE + 1 + n * Signature::SIZE
    }

    fn certificate_codec_config(&self) -> usize {
        self.inner.votes.len()
    }

    fn certificate_codec_config_unbounded() -> usize {
        super::committee::MAX_MEMBERS
    }
}

impl certificate::Scheme for Scheme {
    type Signature = Signature;

    fn me(&self) -> Option<Membership> {
        self.inner.guard.as_ref().map(|(index, _)| Membership::Signer(*index))
    }

    fn participants(&self) -> &Set<PublicKey> {
        self.inner.committee.participants()
    }

    fn sign<D: Digest>(&self, subject: Subject<'_, D>) -> Option<Attestation<Self>> {
        let (signer, guard) = self.inner.guard.as_ref()?;
        let signed = match &subject {
            Subject::Notarize { proposal } => guard.notarize(&self.notarize(proposal)?),
            Subject::Finalize { proposal } => guard.finalize(&self.finalize(proposal)?),
            Subject::Nullify { round } => guard.nullify(&self.nullify_of(round)?),
        };
        match signed {
            Ok(signature) => Some(Attestation { signer: *signer, signature: Signature(signature).into() }),
            // Every start begins so.
            Err(SignError::Refused(Refusal::Listening)) => {
                tracing::debug!(view = subject.view().get(), "vote not signed: this node has just started and listens");
                None
            }
            Err(error) => {
                tracing::warn!(view = subject.view().get(), %error, "vote not signed");
                None
            }
        }
    }

    fn verify_attestation<R: CryptoRng, D: Digest>(
        &self,
        _: &mut R,
        subject: Subject<'_, D>,
        attestation: &Attestation<Self>,
        _: &impl Strategy,
    ) -> bool {
        let Some(statement) = self.statement(&subject) else { return false };
        let valid = self.check(&statement.digest(&self.inner.domain), attestation.signer, &attestation.signature);
        if valid {
            self.hear(&statement, std::iter::once(attestation.signer));
        }
        valid
    }

    fn optimistic_assemble<'a, R, D, I, J>(
        &self,
        rng: &mut R,
        subject: Subject<'_, D>,
        pending: I,
        verified: J,
        strategy: &impl Strategy,
    ) -> Result<Certificate, Verification<Self>>
    where
        R: CryptoRng,
        D: Digest,
        I: IntoIterator<Item = Attestation<Self>>,
        I::IntoIter: ExactSizeIterator + Send,
        J: IntoIterator<Item = &'a Attestation<Self>>,
        J::IntoIter: Send,
    {
        verify_then_assemble::<Self, _, D, _, _>(self, rng, subject, pending, verified, strategy)
    }

    fn assemble<I>(&self, attestations: NonEmpty<I>, _: &impl Strategy) -> Result<Certificate, AssemblyError>
    where
        I: Iterator<Item = Attestation<Self>> + Send,
    {
        let mut votes = Vec::new();
        for Attestation { signer, signature } in attestations {
            if usize::from(signer) >= self.inner.votes.len() {
                return Err(AssemblyError::UnknownSigner(signer));
            }
            if signature.get().is_none() {
                return Err(AssemblyError::MalformedSignature(signer));
            }
            votes.push((signer, signature));
        }
        votes.sort_by_key(|(signer, _)| *signer);
        let (indices, signatures): (Vec<_>, Vec<_>) = votes.into_iter().unzip();
        let signers = Signers::try_from((self.participants(), indices))?;
        let (needed, found) = (self.participants().quorum::<N3f1>(), signers.count() as u32);
        if found < needed {
            return Err(AssemblyError::InsufficientAttestations(needed, found));
        }
        Ok(Certificate { signers, signatures })
    }

    fn is_attributable() -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
