//! Everything that the program asks for a block, from a node's own database and the batch as L1 has it.

use alloy_primitives::{B256, Bytes, FixedBytes, keccak256};
use alloy_sol_types::SolStruct as _;
use surety_l1::{
    blobs::{commitment_of, prove_blob},
    chain::Blob,
};
use surety_state::{Recorder, Store};
use surety_stf::{
    derive::{self, Data, Derivation, Position, Start},
    execute::op::{ExecuteError, L1Attributes},
    program::Input,
    transition::apply,
    witness::{ProvenBlob, Witness},
};
use surety_types::{
    ChainParameters, ConsensusContext, L2Height, Message,
    claim::{PAGE_SIZE, leaf_hash, node_hash},
    signing::Batch,
};

/// Why there is no witness.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The database lacks a block or its state, or fails.
    #[error(transparent)]
    Store(#[from] surety_state::Error),
    /// The block before the batch is not in the database.
    #[error("block {0}, the one before the batch, is not in the database")]
    Missing(B256),
    /// Statement, data and messages do not belong together.
    #[error("the batch is not whole: {0}")]
    Derive(#[from] derive::Fault),
    /// A blob is none.
    #[error("a blob of the batch is none: an element is not below the field's order, or its length is another")]
    Blob,
    /// The height is not in the batch, or the block does not follow the one before it.
    #[error("block {0} is not in the batch, or its parent is not the chain's")]
    Height(L2Height),
    /// The engine failed.
    #[error("the execution engine failed: {0}")]
    Engine(String),
}

/// A batch as L1 has it, and the block that it stands on.
#[derive(Debug, Clone)]
pub struct PostedBatch {
    /// The statement.
    pub statement: Batch,
    /// Hash of the last block of the batch before.
    pub before: B256,
    /// That block's context; none if it is a default block, or genesis.
    pub context: Option<ConsensusContext>,
    /// The data.
    pub data: Data,
    /// The messages that it consumes.
    pub messages: Vec<Message>,
}

/// Whether blobs come with their proofs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobProofs {
    /// They do: for a zkVM's hint, which the program checks, and for files.
    Made,
    /// They do not, which saves most of the work: for reading by key, where the host is believed.
    LeftOut,
}

/// Makes the witnesses of one batch's blocks.
#[derive(Debug)]
pub struct Witnesses<'a> {
    store: &'a Store,
    parameters: &'a ChainParameters,
    batch: &'a PostedBatch,
    derivation: Derivation,
    /// What all blocks of the batch ask for.
    common: Witness,
}

impl<'a> Witnesses<'a> {
    /// Takes in a batch, whose blocks are in the store.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn new(
        store: &'a Store,
        parameters: &'a ChainParameters,
        batch: &'a PostedBatch,
        proofs: BlobProofs,
    ) -> Result<Self, RecordError> {
        let before = store.header(batch.before)?.ok_or(RecordError::Missing(batch.before))?;
        let recorder = Recorder::new(store.view(batch.before)?);
        let attributes = L1Attributes::read(&recorder)?;
        let position = Position { count: attributes.message_count, acc: attributes.message_acc };
        let start = Start::new(&before, batch.context.as_ref(), position);
        let derivation = Derivation::new(parameters, &batch.statement, &batch.data, batch.messages.clone(), &start)?;
        let mut common = Witness::default();
        keep_all(&mut common, recorder.witness(store, &Default::default())?);
        if let Some(context) = batch.context {
            common.insert(context.to_preimage().to_vec());
        }
        common.insert(parameters.to_preimage().to_vec());
        common.insert(batch.statement.to_preimage().to_vec());
        keep_messages(&mut common, position, &batch.messages);
        keep_data(&mut common, &batch.data, proofs)?;
        Ok(Self { store, parameters, batch, derivation, common })
    }

    /// The witness of a block of the canonical chain, and the block's hash.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn block(&self, height: L2Height) -> Result<(Witness, B256), RecordError> {
        let wrong = || RecordError::Height(height);
        let before = height.get().checked_sub(1).ok_or_else(wrong)?;
        let parent = self.store.canonical_hash(before)?.ok_or_else(wrong)?;
        let expected = self.store.canonical_hash(height.get())?.ok_or_else(wrong)?;
        Ok((self.block_on(height, parent)?, expected))
    }

    /// The witness of the block on top of any block that is in the store.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn block_on(&self, height: L2Height, parent_hash: B256) -> Result<Witness, RecordError> {
        let wrong = || RecordError::Height(height);
        let parent = self.store.header(parent_hash)?.ok_or_else(wrong)?;
        let recorder = Recorder::new(self.store.view(parent_hash)?);
        let applied = match apply(self.parameters, &self.derivation, height, &parent, parent_hash, &recorder) {
            Ok(Some(applied)) => applied,
            Ok(None) => return Err(wrong()),
            Err(ExecuteError::Reader(error)) => return Err(error.into()),
            Err(error) => return Err(RecordError::Engine(error.to_string())),
        };
        let mut witness = self.common.clone();
        keep_all(&mut witness, recorder.witness(self.store, &applied.executed.changes)?);
        let input = Input {
            parameters: self.parameters.hash(),
            statement: self.batch.statement.eip712_hash_struct(),
            before_batch: self.batch.before,
            height,
            parent: parent_hash,
        };
        witness.input = witness.insert(input.to_bytes().to_vec());
        Ok(witness)
    }
}

fn keep_all(witness: &mut Witness, read: surety_state::Witness) {
    read.into_preimages().into_values().for_each(|bytes| {
        witness.insert(bytes);
    });
}

/// What the accumulator after the messages leads back to.
fn keep_messages(witness: &mut Witness, start: Position, messages: &[Message]) {
    let mut position = start;
    for message in messages {
        witness.insert(message.data.clone());
        let hash = witness.insert(message.to_preimage());
        witness.insert([position.acc, hash].concat());
        position = position.after(message);
    }
}

/// What `dataHash` leads to.
fn keep_data(witness: &mut Witness, data: &Data, proofs: BlobProofs) -> Result<(), RecordError> {
    match data {
        Data::None => {}
        Data::Blobs(blobs) => {
            let mut commitment = vec![1];
            for bytes in blobs {
                let blob = Blob::try_from(&bytes[..]).map_err(|_| RecordError::Blob)?;
                let kzg = commitment_of(&blob).ok_or(RecordError::Blob)?;
                let proof = match proofs {
                    BlobProofs::Made => prove_blob(&blob, &kzg).ok_or(RecordError::Blob)?,
                    BlobProofs::LeftOut => [0; 48],
                };
                let data = Bytes::copy_from_slice(bytes);
                let proven = ProvenBlob { commitment: FixedBytes(kzg), proof: FixedBytes(proof), data };
                commitment.extend(witness.insert_blob(proven));
            }
            witness.insert(commitment);
        }
        Data::Calldata(bytes) => {
            let root = keep_pages(witness, bytes);
            witness.insert([&[2][..], &(bytes.len() as u64).to_be_bytes(), root.as_slice()].concat());
        }
    }
    Ok(())
}

/// The tree over pages of call data ([`surety_types::claim::calldata_data_hash`]); gives its root.
fn keep_pages(witness: &mut Witness, bytes: &[u8]) -> B256 {
    let count = bytes.len().div_ceil(PAGE_SIZE).next_power_of_two();
    let mut level = Vec::with_capacity(count);
    for index in 0..count {
        let mut page = [0; PAGE_SIZE];
        let from = bytes.get(index * PAGE_SIZE..).unwrap_or_default();
        page.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        witness.insert([&[0][..], &page].concat());
        level.push(leaf_hash(&page));
    }
    while level.len() > 1 {
        let parents = level.as_chunks::<2>().0.iter().map(|[left, right]| {
            witness.insert([&[1][..], left.as_slice(), right.as_slice()].concat());
            node_hash(*left, *right)
        });
        level = parents.collect();
    }
    level.first().copied().unwrap_or_else(|| keccak256([]))
}
