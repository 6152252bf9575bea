//! A batch as the seat on duty proposes it, and how every seat judges it before it signs.

use super::boundary::{Cut, CutError, cut};
use crate::follower::{ApplyError, Chain, DerivedBatch, Messages, holds};
use alloy_primitives::{B256, Bytes};
use serde::{Deserialize, Serialize};
use surety_l1::blobs::versioned_hash;
use surety_prove::PostedBatch;
use surety_stf::{
    batch::{BLOB_BYTES, BlobError, MAX_PAYLOAD_BYTES, encode_payload, pack_blobs},
    derive::{self, Data, Derivation, Position, Refusal},
    execute::op::L1Attributes,
};
use surety_types::{
    L2Height, MessageIndex, Milliseconds, Term,
    claim::{BlockHashTree, MAX_CALLDATA, blob_data_hash, calldata_data_hash},
    signing::Batch,
};

/// How data go to L1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// In blobs.
    #[default]
    Blobs,
    /// In call data, where they fit; else in blobs.
    Calldata,
}

impl Form {
    /// A payload in this form, as derivation takes it.
    ///
    /// # Errors
    /// The payload is too long.
    pub fn data(self, payload: &[u8]) -> Result<Data, BlobError> {
        Ok(match self {
            Self::Calldata => Data::Calldata(payload.to_vec()),
            Self::Blobs => Data::Blobs(pack_blobs(payload)?),
        })
    }
}

/// A term in which statements are signed, with its genesis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TermNow {
    /// The term.
    pub term: Term,
    /// Hash of the last block of the term before.
    pub genesis: B256,
}

/// The very bytes to be posted, and the statement on them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// What is to be signed.
    pub statement: Batch,
    /// The payload ([`surety_stf::batch`]).
    pub payload: Bytes,
    /// Whether it goes in blobs or call data.
    pub form: Form,
}

/// Why no proposal can be made, or is not signed.
#[derive(Debug, thiserror::Error)]
pub enum ProposalError {
    /// The chain cannot be cut.
    #[error(transparent)]
    Cut(#[from] CutError),
    /// The store failed, or lacks a block.
    #[error(transparent)]
    Chain(#[from] ApplyError),
    /// The payload does not fit, or no commitment could be made.
    #[error("the data cannot be packed: {0}")]
    Pack(#[from] BlobError),
    /// A blob without commitment.
    #[error("no commitment to a blob could be computed")]
    Commitment,
    /// The chain does not end a batch there.
    #[error("the chain has no whole batch from {0} on yet")]
    NotYet(L2Height),
    /// A field is not what this node finds.
    #[error("{field} of the statement is {stated}, this node finds {found}")]
    Field {
        /// Which.
        field: &'static str,
        /// What it says.
        stated: String,
        /// What it should say.
        found: String,
    },
    /// The data derive to something else than the final blocks.
    #[error("the data do not derive to the final blocks: {0}")]
    Derives(String),
    /// There is no witness of a block for the program.
    #[error("the batch cannot be rehearsed: {0}")]
    Rehearsal(#[from] surety_prove::RecordError),
    /// The compiled program says something else of a block than native execution.
    #[error("the program differs from native execution in block {height}: {found}")]
    Differs {
        /// The block.
        height: L2Height,
        /// What the program said.
        found: String,
    },
    /// No term has begun.
    #[error("no term has begun here yet")]
    NoTerm,
    /// The messages are not known here yet.
    #[error("messages up to {0} are not known here yet")]
    Messages(MessageIndex),
}

impl Proposal {
    /// Makes the proposal for the batch after `tip`, if the final chain up to `until` has a whole one and `is_time` says so
    /// of its last height and that block's time: to encode a full batch takes most of a second of a core.
    ///
    /// # Errors
    /// See [`ProposalError`].
    pub fn make(
        chain: &Chain,
        tip: &DerivedBatch,
        term: TermNow,
        (age, until): (Milliseconds, L2Height),
        form: Form,
        is_time: impl FnOnce(L2Height, Milliseconds) -> bool,
    ) -> Result<Option<Self>, ProposalError> {
        let first = tip.last.next();
        let Some(cut) = cut(chain.store(), chain.parameters(), age, first, until)? else { return Ok(None) };
        let last_hash = cut.hashes.last().copied().unwrap_or_default();
        if !is_time(cut.last, chain.start(cut.last, last_hash, tip.position())?.milliseconds) {
            return Ok(None);
        }
        let payload = encode_payload(&cut.body);
        let form = if payload.len() > MAX_CALLDATA { Form::Blobs } else { form };
        let data_hash = data_hash(&payload, form)?;
        let statement = expected(chain, tip, term, &cut, data_hash)?;
        Ok(Some(Self { statement, payload: payload.into(), form }))
    }

    /// Judges a proposal of another seat: whether it is exactly what this node would state, and whether **these very bytes**
    /// derive to the final blocks that are in the store. Everything in it is hostile until then. Gives the batch as L1 will have
    /// it, and its blocks' hashes.
    ///
    /// # Errors
    /// [`ProposalError`]: why this node does not sign.
    pub fn judge(
        &self,
        chain: &Chain,
        tip: &DerivedBatch,
        messages: &Messages,
        term: TermNow,
        age: Milliseconds,
        until: L2Height,
    ) -> Result<(PostedBatch, Vec<B256>), ProposalError> {
        if self.payload.len() > MAX_PAYLOAD_BYTES || (self.form == Form::Calldata && self.payload.len() > MAX_CALLDATA)
        {
            return Err(BlobError::Length.into());
        }
        let first = tip.last.next();
        let cut = cut(chain.store(), chain.parameters(), age, first, until)?.ok_or(ProposalError::NotYet(first))?;
        let expected = expected(chain, tip, term, &cut, data_hash(&self.payload, self.form)?)?;
        compare(&self.statement, &expected)?;
        let count = MessageIndex::new(expected.messageCount);
        let messages = messages.range(tip.messages, count).ok_or(ProposalError::Messages(count))?;
        let start = chain.start(tip.last, tip.last_hash, tip.position())?;
        let data = self.form.data(&self.payload)?;
        let derivation = Derivation::new(chain.parameters(), &expected, &data, messages.clone(), &start);
        let derivation = derivation.map_err(|fault: derive::Fault| ApplyError::from(fault))?;
        if let Some(refusal) = derivation.refusal() {
            return Err(ProposalError::Derives(Refusal::to_string(&refusal)));
        }
        for (height, hash) in (first.get()..).zip(&cut.hashes) {
            let stored = chain.store().block(*hash).map_err(ApplyError::from)?;
            let payload = derivation.payload(L2Height::new(height));
            if !stored.zip(payload).is_some_and(|(stored, payload)| holds(&stored, &payload)) {
                return Err(ProposalError::Derives(format!("block {height} is another one")));
            }
        }
        let context = chain.context(tip.last, tip.last_hash)?;
        Ok((PostedBatch { statement: expected, before: tip.last_hash, context, data, messages }, cut.hashes))
    }
}

/// What a right statement says.
pub(super) fn expected(
    chain: &Chain,
    tip: &DerivedBatch,
    term: TermNow,
    cut: &Cut,
    data_hash: B256,
) -> Result<Batch, ProposalError> {
    let last_hash = cut.hashes.last().copied().unwrap_or_default();
    let state = chain.store().view(last_hash).map_err(ApplyError::from)?;
    let header = chain.store().header(last_hash).map_err(ApplyError::from)?;
    let header = header.ok_or(ApplyError::MissingParent { height: cut.last, hash: last_hash })?;
    let attributes = L1Attributes::read(&state).map_err(ApplyError::from)?;
    let position = Position { count: attributes.message_count, acc: attributes.message_acc };
    Ok(Batch {
        rollup: chain.parameters().rollup.get(),
        term: term.term.get(),
        genesis: term.genesis,
        firstHeight: tip.last.next().get(),
        lastHeight: cut.last.get(),
        parentClaim: tip.claim.id(),
        prevHash: tip.last_hash,
        lastHash: last_hash,
        blockHashRoot: BlockHashTree::new(&cut.hashes).map(|tree| tree.root()).unwrap_or_default(),
        lastBlockTime: header.timestamp,
        messageCount: position.count.get(),
        messageAcc: position.acc,
        inboxTip: tip.tip,
        dataHash: data_hash,
    })
}

pub(super) fn data_hash(payload: &[u8], form: Form) -> Result<B256, ProposalError> {
    if form == Form::Calldata {
        return calldata_data_hash(payload).ok_or(BlobError::Length.into());
    }
    let hashes: Option<Vec<B256>> = blobs(payload)?.iter().map(|blob| versioned_hash(blob)).collect();
    Ok(blob_data_hash(&hashes.ok_or(ProposalError::Commitment)?))
}

/// The form in which a payload may have this data hash: call data if it does, else blobs, which is checked later.
pub(super) fn form_of(payload: &[u8], stated: B256) -> Form {
    if calldata_data_hash(payload) == Some(stated) { Form::Calldata } else { Form::Blobs }
}

/// The payload in blobs as the L1 client takes them.
pub(super) fn blobs(payload: &[u8]) -> Result<Vec<Box<surety_l1::chain::Blob>>, ProposalError> {
    pack_blobs(payload)?
        .into_iter()
        .map(|blob| {
            let bytes: Box<[u8; BLOB_BYTES]> = blob.into_boxed_slice().try_into().map_err(|_| BlobError::Count)?;
            Ok(Box::new(surety_l1::chain::Blob::from(*bytes)))
        })
        .collect()
}

fn compare(stated: &Batch, found: &Batch) -> Result<(), ProposalError> {
    macro_rules! same {
        ($($field:ident),*) => {
            $(if stated.$field != found.$field {
                return Err(ProposalError::Field {
                    field: stringify!($field),
                    stated: stated.$field.to_string(),
                    found: found.$field.to_string(),
                });
            })*
        };
    }
    same!(
        rollup,
        term,
        genesis,
        firstHeight,
        lastHeight,
        parentClaim,
        prevHash,
        lastHash,
        blockHashRoot,
        lastBlockTime,
        messageCount,
        messageAcc,
        inboxTip,
        dataHash
    );
    Ok(())
}
