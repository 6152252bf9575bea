//! The body of a batch: its blocks, one row each. The layout is in the [module's documentation](super).

use super::{
    MAX_BODY_BYTES, MAX_INPUT_BYTES,
    port::{Plain, Port},
    transaction::{self, SIGNATURE_BYTES},
    walk::{Fields, Row, State, Walk},
};
use alloc::vec::Vec;
use alloy_primitives::Address;
use surety_types::{ConsensusContext, Milliseconds, RollupId, Term, Transaction, View, claim::MAX_BATCH_BLOCKS};

/// Bytes of the number of blocks in front of a body.
const COUNT_BYTES: usize = 2;

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
    /// Longer than [`MAX_BODY_BYTES`], or its inputs than [`MAX_INPUT_BYTES`].
    #[error("the body is longer than {MAX_BODY_BYTES} bytes, or its inputs than {MAX_INPUT_BYTES}")]
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
    /// An address or word that no table has, or none where one must be.
    #[error("an address or word is not in its table")]
    Place,
    /// A tag stands for more words than are left.
    #[error("a tag is for more words than the input has")]
    Word,
    /// A transaction's tag is unknown.
    #[error("unknown transaction tag {0:#04x}")]
    Tag(u8),
    /// A list of a transaction is not RLP, or it creates a contract where its type cannot.
    #[error("a transaction's fields are not well-formed")]
    Transaction,
    /// The same content has another encoding, which is the right one.
    #[error("the body is not the canonical encoding of its content")]
    NotCanonical,
}

/// Why a block cannot be written. A chain that consensus made has none of these; the batch must end before the block if
/// it is [`EncodeError::TooLong`] or [`EncodeError::TooMany`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The body would exceed [`MAX_BODY_BYTES`], or its inputs [`MAX_INPUT_BYTES`]: end the batch before this block.
    #[error(
        "the body would exceed {MAX_BODY_BYTES} bytes, or its inputs {MAX_INPUT_BYTES}: end the batch before this block"
    )]
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

/// Writes a body block by block and knows its length at each, so that it also decides where batches end.
#[derive(Debug, Clone)]
pub struct BodyWriter {
    rollup: RollupId,
    count: u64,
    rows: Vec<u8>,
    signatures: Vec<u8>,
    state: State,
}

impl BodyWriter {
    /// An empty body of a rollup.
    pub fn new(rollup: RollupId) -> Self {
        Self { rollup, count: 0, rows: Vec::new(), signatures: Vec::new(), state: State::default() }
    }

    /// Length of the body as it stands.
    pub const fn len(&self) -> usize {
        COUNT_BYTES.saturating_add(self.rows.len()).saturating_add(self.signatures.len())
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
        if self.count >= MAX_BATCH_BLOCKS {
            return Err(EncodeError::TooMany);
        }
        if block.context.rollup != self.rollup {
            return Err(EncodeError::Chain);
        }
        let (rows, signatures) = (self.rows.len(), self.signatures.len());
        let result = self.append(block);
        if result.is_err() {
            self.rows.truncate(rows);
            self.signatures.truncate(signatures);
            self.state = State::default();
            // What was written before is read again without an error.
            let _ = walk_rows(&mut Plain(&self.rows), &mut self.state, self.count);
        } else {
            self.count = self.count.saturating_add(1);
        }
        result
    }

    fn append(&mut self, block: &BatchBlock) -> Result<(), EncodeError> {
        // A port that writes has no other reason.
        let too_long = |_: DecodeError| EncodeError::TooLong;
        let row = Row {
            messages: block.messages,
            term: block.context.term.get(),
            view: block.context.view.get(),
            parent: block.context.parent_view.get(),
            milliseconds: block.context.milliseconds.get(),
            beneficiary: block.beneficiary,
            transactions: block.transactions.len() as u64,
        };
        Walk { port: &mut self.rows, state: &mut self.state }.row(row).map_err(too_long)?;
        for tx in &block.transactions {
            let fields = transaction::fields(self.rollup, tx)?;
            Walk { port: &mut self.rows, state: &mut self.state }.transaction(fields).map_err(too_long)?;
            transaction::put_signature(tx, &mut self.signatures);
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
        out.extend_from_slice(&(self.count as u16).to_be_bytes());
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
        let (count, rest) = block_count(bytes)?;
        let mut port = Plain(rest);
        let rows = walk_rows(&mut port, &mut State::default(), count)?;
        let body = assemble(rollup, rows, port.0)?;
        if body.encode(rollup).as_deref() == Ok(bytes) { Ok(body) } else { Err(DecodeError::NotCanonical) }
    }
}

/// Rows as they were read, each with its transactions.
pub(super) type Rows = Vec<(Row, Vec<Fields>)>;

/// How many blocks follow, and what follows.
pub(super) fn block_count(bytes: &[u8]) -> Result<(u64, &[u8]), DecodeError> {
    let (count, rest) = bytes.split_first_chunk::<COUNT_BYTES>().ok_or(DecodeError::TooShort)?;
    let count = u64::from(u16::from_be_bytes(*count));
    if count == 0 || count > MAX_BATCH_BLOCKS { Err(DecodeError::BlockCount) } else { Ok((count, rest)) }
}

/// Walks over all rows, from a port that reads.
pub(super) fn walk_rows(port: &mut impl Port, state: &mut State, count: u64) -> Result<Rows, DecodeError> {
    let mut rows = Vec::new();
    for _ in 0..count {
        let row = Walk { port, state }.row(Row::default())?;
        let mut transactions = Vec::new();
        // Each takes a byte at least, so a count that lies ends where the bytes do.
        for _ in 0..row.transactions {
            transactions.push(Walk { port, state }.transaction(Fields::default())?);
        }
        rows.push((row, transactions));
    }
    Ok(rows)
}

/// Puts the signatures to the rows.
fn assemble(rollup: RollupId, rows: Rows, signatures: &[u8]) -> Result<Body, DecodeError> {
    let (signatures, odd) = signatures.as_chunks::<SIGNATURE_BYTES>();
    let transactions: usize = rows.iter().map(|(_, list)| list.len()).sum();
    match signatures.len().cmp(&transactions) {
        core::cmp::Ordering::Less => return Err(DecodeError::TooShort),
        core::cmp::Ordering::Equal if odd.is_empty() => {}
        _ => return Err(DecodeError::Trailing),
    }
    let mut signatures = signatures.iter();
    let mut blocks = Vec::with_capacity(rows.len());
    for (row, list) in rows {
        let transactions = list
            .into_iter()
            .zip(signatures.by_ref())
            .map(|(fields, signature)| transaction::build(rollup, fields, signature))
            .collect::<Result<_, _>>()?;
        let context = ConsensusContext {
            rollup,
            term: Term::new(row.term),
            view: View::new(row.view),
            parent_view: View::new(row.parent),
            milliseconds: Milliseconds::new(row.milliseconds),
        };
        blocks.push(BatchBlock { context, beneficiary: row.beneficiary, messages: row.messages, transactions });
    }
    Ok(Body { blocks })
}
