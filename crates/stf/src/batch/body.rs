//! The body of a batch: its blocks, one row each. The layout is in the [module's documentation](super).

use super::{
    MAX_BODY_BYTES,
    reader::{Reader, integer_len, put_difference, put_integer},
    transaction::{self, SIGNATURE_BYTES},
};
use alloc::{collections::BTreeMap, vec::Vec};
use alloy_primitives::Address;
use surety_types::{ConsensusContext, Milliseconds, RollupId, Term, Transaction, View, claim::MAX_BATCH_BLOCKS};

/// What the data of a batch say of one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchBlock {
    /// Where in consensus the block was made, and when.
    pub context: ConsensusContext,
    /// Who receives the priority fees.
    pub beneficiary: Address,
    /// How many messages it consumes.
    pub messages: u64,
    /// The sequencers' list.
    pub transactions: Vec<Transaction>,
}

/// The content of a batch's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// The blocks in order of height.
    pub blocks: Vec<BatchBlock>,
}

/// Why a body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Longer than [`MAX_BODY_BYTES`].
    #[error("the body is longer than {MAX_BODY_BYTES} bytes")]
    TooLong,
    /// It ends within a field.
    #[error("the body ends within a field")]
    TooShort,
    /// Bytes are left after the last field.
    #[error("bytes follow the last field")]
    Trailing,
    /// An integer is too large or not in its shortest form.
    #[error("an integer is too large or not in its shortest form")]
    Integer,
    /// No block, or more than 2^15.
    #[error("a batch has 1 to {MAX_BATCH_BLOCKS} blocks")]
    BlockCount,
    /// A row names a beneficiary that the table does not have.
    #[error("a beneficiary is not in the table")]
    Beneficiary,
    /// A transaction's tag is unknown.
    #[error("unknown transaction tag {0:#04x}")]
    Tag(u8),
    /// A transaction's fields are not the RLP list of its type.
    #[error("a transaction's fields are not well-formed")]
    Transaction,
    /// A transaction names another chain.
    #[error("a transaction is for another chain")]
    Chain,
    /// The same content has another encoding, which is the right one.
    #[error("the body is not the canonical encoding of its content")]
    NotCanonical,
}

/// Why a block cannot be written. A chain that consensus made has none of these; the batch must end before the block if
/// it is [`EncodeError::TooLong`] or [`EncodeError::TooMany`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The body would exceed [`MAX_BODY_BYTES`]: end the batch before this block.
    #[error("the body would exceed {MAX_BODY_BYTES} bytes: end the batch before this block")]
    TooLong,
    /// The batch has 2^15 blocks: end it before this one.
    #[error("a batch has at most {MAX_BATCH_BLOCKS} blocks: end it before this one")]
    TooMany,
    /// A batch without blocks.
    #[error("a batch needs a block")]
    Empty,
    /// A context or transaction of another chain.
    #[error("a context or transaction is for another chain")]
    Chain,
    /// A transaction of type 3 or 0x7E.
    #[error("transactions of type 3 and 0x7E cannot be in a sequencers' list")]
    Type,
}

/// What the next row is predicted from.
#[derive(Debug, Clone, Copy, Default)]
struct Previous {
    term: u64,
    view: u64,
    milliseconds: u64,
}

impl Previous {
    /// Predicted view and parent view in a term.
    const fn views(&self, term: u64) -> (u64, u64) {
        if term == self.term { (self.view.wrapping_add(1), self.view) } else { (1, 0) }
    }
}

/// Writes a body block by block and knows its length at each, so that it also decides where batches end.
#[derive(Debug, Clone)]
pub struct BodyWriter {
    rollup: RollupId,
    count: u64,
    beneficiaries: Vec<Address>,
    places: BTreeMap<Address, u64>,
    rows: Vec<u8>,
    signatures: Vec<u8>,
    previous: Previous,
}

impl BodyWriter {
    /// An empty body of a rollup.
    pub const fn new(rollup: RollupId) -> Self {
        Self {
            rollup,
            count: 0,
            beneficiaries: Vec::new(),
            places: BTreeMap::new(),
            rows: Vec::new(),
            signatures: Vec::new(),
            previous: Previous { term: 0, view: 0, milliseconds: 0 },
        }
    }

    /// Length of the body as it stands.
    pub fn len(&self) -> usize {
        integer_len(self.count)
            .saturating_add(integer_len(self.beneficiaries.len() as u64))
            .saturating_add(self.beneficiaries.len().saturating_mul(20))
            .saturating_add(self.rows.len())
            .saturating_add(self.signatures.len())
    }

    /// Whether there is no block yet.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many blocks there are.
    pub const fn blocks(&self) -> u64 {
        self.count
    }

    /// Appends a block; on an error the body is as before.
    ///
    /// # Errors
    /// See [`EncodeError`].
    pub fn push(&mut self, block: &BatchBlock) -> Result<(), EncodeError> {
        let (rows, signatures, count, table, previous) =
            (self.rows.len(), self.signatures.len(), self.count, self.beneficiaries.len(), self.previous);
        let result = self.append(block);
        if result.is_err() {
            self.rows.truncate(rows);
            self.signatures.truncate(signatures);
            self.count = count;
            self.previous = previous;
            for address in self.beneficiaries.drain(table..) {
                self.places.remove(&address);
            }
        }
        result
    }

    fn append(&mut self, block: &BatchBlock) -> Result<(), EncodeError> {
        if self.count >= MAX_BATCH_BLOCKS {
            return Err(EncodeError::TooMany);
        }
        if block.context.rollup != self.rollup {
            return Err(EncodeError::Chain);
        }
        self.count = self.count.saturating_add(1);
        let (term, view) = (block.context.term.get(), block.context.view.get());
        let milliseconds = block.context.milliseconds.get();
        let (predicted_view, predicted_parent) = self.previous.views(term);
        put_integer(&mut self.rows, block.messages);
        put_difference(&mut self.rows, term, self.previous.term);
        put_difference(&mut self.rows, view, predicted_view);
        put_difference(&mut self.rows, block.context.parent_view.get(), predicted_parent);
        put_difference(&mut self.rows, milliseconds, self.previous.milliseconds);
        self.previous = Previous { term, view, milliseconds };
        let next = self.beneficiaries.len() as u64;
        let place = *self.places.entry(block.beneficiary).or_insert(next);
        if place == next {
            self.beneficiaries.push(block.beneficiary);
        }
        put_integer(&mut self.rows, place);
        put_integer(&mut self.rows, block.transactions.len() as u64);
        for tx in &block.transactions {
            transaction::encode(self.rollup, tx, &mut self.rows, &mut self.signatures)?;
            // Checked within the loop so that a huge block cannot make a huge buffer.
            if self.len() > MAX_BODY_BYTES {
                return Err(EncodeError::TooLong);
            }
        }
        if self.len() > MAX_BODY_BYTES { Err(EncodeError::TooLong) } else { Ok(()) }
    }

    /// The body.
    ///
    /// # Errors
    /// [`EncodeError::Empty`] if there is no block.
    pub fn finish(&self) -> Result<Vec<u8>, EncodeError> {
        if self.is_empty() {
            return Err(EncodeError::Empty);
        }
        let mut out = Vec::with_capacity(self.len());
        put_integer(&mut out, self.count);
        put_integer(&mut out, self.beneficiaries.len() as u64);
        for beneficiary in &self.beneficiaries {
            out.extend_from_slice(beneficiary.as_slice());
        }
        out.extend_from_slice(&self.rows);
        out.extend_from_slice(&self.signatures);
        Ok(out)
    }
}

impl Body {
    /// The canonical encoding.
    ///
    /// # Errors
    /// See [`EncodeError`].
    pub fn encode(&self, rollup: RollupId) -> Result<Vec<u8>, EncodeError> {
        let mut writer = BodyWriter::new(rollup);
        for block in &self.blocks {
            writer.push(block)?;
        }
        writer.finish()
    }

    /// Reads the canonical encoding.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(rollup: RollupId, bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_BODY_BYTES {
            return Err(DecodeError::TooLong);
        }
        let mut reader = Reader::new(bytes);
        let count = reader.integer()?;
        if count == 0 || count > MAX_BATCH_BLOCKS {
            return Err(DecodeError::BlockCount);
        }
        let table: Vec<Address> = (0..reader.count()?)
            .map(|_| Ok(Address::from(reader.array::<20>()?)))
            .collect::<Result<_, DecodeError>>()?;
        let mut rows = Vec::new();
        let mut unsigned = Vec::new();
        let mut previous = Previous::default();
        for _ in 0..count {
            let (block, transactions) = decode_row(rollup, &table, &mut previous, &mut reader)?;
            for _ in 0..transactions {
                unsigned.push(transaction::decode(rollup, &mut reader)?);
            }
            rows.push((block, transactions));
        }
        if reader.remaining() > unsigned.len().saturating_mul(SIGNATURE_BYTES) {
            return Err(DecodeError::Trailing);
        }
        let mut unsigned = unsigned.into_iter();
        let mut blocks = Vec::with_capacity(rows.len());
        for (mut block, transactions) in rows {
            block.transactions = unsigned
                .by_ref()
                .take(transactions)
                .map(|(tx, parity)| transaction::sign(tx, parity, &mut reader))
                .collect::<Result<_, _>>()?;
            blocks.push(block);
        }
        let body = Self { blocks };
        if body.encode(rollup).as_deref() == Ok(bytes) { Ok(body) } else { Err(DecodeError::NotCanonical) }
    }
}

/// Reads a row up to its transactions, and how many they are.
fn decode_row(
    rollup: RollupId,
    table: &[Address],
    previous: &mut Previous,
    reader: &mut Reader<'_>,
) -> Result<(BatchBlock, usize), DecodeError> {
    let messages = reader.integer()?;
    let term = reader.difference(previous.term)?;
    let (predicted_view, predicted_parent) = previous.views(term);
    let view = reader.difference(predicted_view)?;
    let parent_view = reader.difference(predicted_parent)?;
    let milliseconds = reader.difference(previous.milliseconds)?;
    *previous = Previous { term, view, milliseconds };
    let place = usize::try_from(reader.integer()?).map_err(|_| DecodeError::Beneficiary)?;
    let beneficiary = *table.get(place).ok_or(DecodeError::Beneficiary)?;
    let transactions = reader.count()?;
    let context = ConsensusContext {
        rollup,
        term: Term::new(term),
        view: View::new(view),
        parent_view: View::new(parent_view),
        milliseconds: Milliseconds::new(milliseconds),
    };
    Ok((BatchBlock { context, beneficiary, messages, transactions: Vec::new() }, transactions))
}
