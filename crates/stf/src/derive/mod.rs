//! Derivation: from the signed statement, the data and the inbox to the payload of each block (protocol §6, §15.6–8).
//!
//! [`Derivation::new`] is a total function of the chain parameters, the statement as L1 accepted it, the data that its
//! `dataHash` commits to, the messages that it consumes, and the block before the batch. It needs no state, executes
//! nothing, and remembers nothing, so it can be made again at any time and asked for any height. An error
//! ([`Fault`]) means that the caller brought inputs that L1 never accepted together; content never makes one.
//!
//! # Check order
//!
//! The data are good if they pass all of these, in this order; the first that fails names the reason ([`Refusal`]):
//!
//! 1. There are data: `dataHash` is not zero ([`Refusal::NoData`]; so is every self-sequenced statement).
//! 2. Data in blobs unpack ([`Refusal::Blobs`], [`crate::batch::unpack_blobs`]).
//! 3. The payload decodes: first byte, coded rows, canonical body ([`Refusal::Payload`], [`crate::batch::decode_payload`]).
//! 4. There is a row for each height of the statement and no more ([`Refusal::BlockCount`]).
//! 5. Each block's milliseconds exceed those of the block before by the block time or more; the first one's those of the
//!    block before the batch ([`Refusal::Time`]).
//! 6. The last block's whole seconds are `lastBlockTime` ([`Refusal::LastBlockTime`]).
//! 7. The blocks' messages together are those up to `messageCount`, no more and no fewer ([`Refusal::MessageCount`]).
//! 8. The gas limits of each block's messages sum to at most half the block gas limit ([`Refusal::MessageGas`]).
//!
//! # Good data
//!
//! Each block has the context, milliseconds, beneficiary and list of its row, and the next messages, as many as the row
//! says. Whether the list can be executed is not decided here: if execution finds a block invalid, the caller takes
//! [`Derivation::fallback`], the same messages alone. That concerns this block only; the payloads of later blocks are the
//! same whether an earlier one fell back or not.
//!
//! A fallback block is a default block in the place and time of the row: no context (root zero, for no view made this
//! block), the L1-fee vault as beneficiary, the row's whole seconds as its time, an empty list.
//!
//! # Refused data
//!
//! **All** blocks of the batch are then default blocks, from the first on, even where the first rows look good:
//!
//! - context root zero, beneficiary the L1-fee vault, an empty list;
//! - the time of each is whole seconds: those of parent plus block time, but never beyond `lastBlockTime` and never before
//!   the parent's; the last one is at `lastBlockTime`;
//! - each takes the next messages in order while their gas limits sum to at most half the block gas limit, up to
//!   `messageCount`.
//!
//! L1 admits a statement only if the gas of its messages is at most blocks × a quarter of the block gas limit, and no
//! message has more than a quarter. Then the last default block always consumes the last message: when a default block
//! closes because the next message does not fit, that block and the next one together exceed half a limit; so if
//! messages were left after all n blocks, pairing blocks (and, for odd n, the last one with the message left) gives more
//! than n quarters. This proof needs default blocks from the first block on: were the first rows kept, they could have
//! taken few messages and left the rest of the batch more than it can hold.
//!
//! # A default block as a parent
//!
//! A header with context root zero commits to no milliseconds, so its time as its child's parent is 1000 × its timestamp
//! ([`crate::payload::parent_milliseconds`]).

mod plan;

#[cfg(test)]
mod tests;

use crate::{
    Payload,
    batch::{BlobError, Body, PayloadError, decode_payload, unpack_blobs},
};
use alloc::{vec, vec::Vec};
use alloy_primitives::B256;
use surety_types::{
    ChainParameters, ConsensusContext, Gas, Header, L2Height, Message, MessageIndex, Milliseconds, RollupId, Seconds,
    claim::MAX_BATCH_BLOCKS, predeploys, signing::Batch,
};

use plan::Plan;

/// How far the inbox has been consumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// How many messages.
    pub count: MessageIndex,
    /// The accumulator after them.
    pub acc: B256,
}

impl Position {
    /// The position after one more message.
    #[must_use]
    pub fn after(self, message: &Message) -> Self {
        Self { count: self.count.next(), acc: message.accumulate(self.acc) }
    }
}

/// The block before a batch, as far as derivation needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Its height.
    pub height: L2Height,
    /// Its timestamp.
    pub timestamp: Seconds,
    /// Its time as its child's parent ([`crate::payload::parent_milliseconds`]).
    pub milliseconds: Milliseconds,
    /// How far the inbox was consumed after it.
    pub position: Position,
}

impl Start {
    /// From the block's header, its context if it has one, and the position in its state.
    pub fn new(header: &Header, context: Option<&ConsensusContext>, position: Position) -> Self {
        Self {
            height: L2Height::new(header.number),
            timestamp: Seconds::new(header.timestamp),
            milliseconds: crate::payload::parent_milliseconds(header, context),
            position,
        }
    }
}

/// The data of a batch, already checked against its `dataHash`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// None (`dataHash` zero).
    None,
    /// Whole blobs, 131,072 bytes each, in the order of their versioned hashes.
    Blobs(Vec<Vec<u8>>),
    /// The payload in call data.
    Calldata(Vec<u8>),
}

impl Data {
    /// Decodes the data (checks 1 to 3).
    ///
    /// # Errors
    /// Why they do not decode.
    pub fn decode(&self, rollup: RollupId) -> Result<Body, Refusal> {
        match self {
            Self::None => Err(Refusal::NoData),
            Self::Blobs(blobs) => Ok(decode_payload(rollup, &unpack_blobs(blobs)?)?),
            Self::Calldata(payload) => Ok(decode_payload(rollup, payload)?),
        }
    }
}

/// Why data are refused, so that the whole batch is default blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Check 1.
    #[error("the statement has no data")]
    NoData,
    /// Check 2.
    #[error("the blobs do not unpack: {0}")]
    Blobs(#[from] BlobError),
    /// Check 3.
    #[error("the payload does not decode: {0}")]
    Payload(#[from] PayloadError),
    /// Check 4.
    #[error("the data hold {0} blocks, the statement others")]
    BlockCount(u64),
    /// Check 5.
    #[error("block {0} comes less than a block time after its parent")]
    Time(L2Height),
    /// Check 6.
    #[error("the last block's time in the data is {0} s, not the statement's")]
    LastBlockTime(Seconds),
    /// Check 7.
    #[error("the data do not consume the messages up to the statement's count")]
    MessageCount,
    /// Check 8.
    #[error("block {0} consumes messages beyond half the block gas limit")]
    MessageGas(L2Height),
}

/// Inputs that do not belong together: a fault of the caller's node or witness, never of the chain. Read them again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// L1 accepts no such range.
    #[error("the statement's heights {first} to {last} are no range that L1 accepts after block {start}")]
    Range {
        /// First height.
        first: L2Height,
        /// Last height.
        last: L2Height,
        /// Height of the block before.
        start: L2Height,
    },
    /// The statement is another rollup's.
    #[error("the statement is of rollup {0}")]
    Rollup(u64),
    /// The messages are not the ones that follow the position, up to the statement's count and accumulator.
    #[error("the messages given are not those that the statement consumes: read them from L1 again")]
    Messages,
    /// There are data and `dataHash` is zero, or the other way round.
    #[error("the data given are not those of the statement's data hash")]
    Data,
}

/// What derivation asks of a message.
pub trait Consumed {
    /// The gas that it buys.
    fn gas(&self) -> Gas;
}

impl Consumed for Message {
    fn gas(&self) -> Gas {
        self.gas
    }
}

/// How many of the next messages a leader takes, in order, and the most that a seat notarises: those whose gas limits sum
/// to at most a quarter of the block gas limit.
///
/// Derivation admits twice that in one block (`messages_fit`), but L1 refuses batches of more than a quarter on average,
/// and where a batch ends is not the leader's choice. So each block keeps to the quarter by itself.
pub fn messages_to_take<'a>(parameters: &ChainParameters, next: impl IntoIterator<Item = &'a Message>) -> usize {
    fitting(parameters.message_gas_per_block(), next).0
}

/// Whether derivation admits these messages in one block: their gas limits sum to at most half the block gas limit.
fn messages_fit<'a, M: Consumed + 'a>(parameters: &ChainParameters, messages: impl IntoIterator<Item = &'a M>) -> bool {
    fitting(parameters.default_block_message_gas(), messages).1
}

/// How many messages from the first one on sum to at most `limit` gas, and whether all do.
fn fitting<'a, M: Consumed + 'a>(limit: Gas, messages: impl IntoIterator<Item = &'a M>) -> (usize, bool) {
    let mut sum = Gas::ZERO;
    let mut count = 0usize;
    for message in messages {
        match sum.checked_add(message.gas().get()) {
            Some(next) if next <= limit => sum = next,
            _ => return (count, false),
        }
        count = count.saturating_add(1);
    }
    (count, true)
}

/// The payloads of one batch, by height.
#[derive(Debug, Clone)]
pub struct Derivation<M = Message> {
    first: L2Height,
    last: L2Height,
    refusal: Option<Refusal>,
    blocks: Vec<Plan>,
    messages: Vec<M>,
}

impl<M: Consumed> Derivation<M> {
    /// Derives a batch from messages that are those from `start.position` to where the statement is.
    pub(crate) fn of_consumed(
        parameters: &ChainParameters,
        statement: &Batch,
        data: &Data,
        messages: Vec<M>,
        start: &Start,
    ) -> Result<Self, Fault> {
        let count = check_inputs(parameters, statement, data, start)?;
        let last_time = Seconds::new(statement.lastBlockTime);
        let planned = data
            .decode(parameters.rollup)
            .and_then(|body| plan::from_body(parameters, body, &messages, start, count, last_time));
        let (refusal, blocks) = match planned {
            Ok(blocks) => (None, blocks),
            Err(refusal) => (Some(refusal), plan::default(parameters, &messages, start, count, last_time)),
        };
        Ok(Self {
            first: L2Height::new(statement.firstHeight),
            last: L2Height::new(statement.lastHeight),
            refusal,
            blocks,
            messages,
        })
    }

    /// One height of the batch alone, with its messages as `read` gives them. `None` outside the batch.
    pub(crate) fn only<E>(
        mut self,
        height: L2Height,
        read: impl FnMut(&M) -> Result<Message, E>,
    ) -> Result<Option<Derivation>, E> {
        let Some(index) = self.index(height) else { return Ok(None) };
        let mut plan = self.blocks.swap_remove(index);
        let messages = self.messages.get(plan.messages.clone()).unwrap_or_default();
        let messages = messages.iter().map(read).collect::<Result<Vec<_>, E>>()?;
        plan.messages = 0..messages.len();
        Ok(Some(Derivation { first: height, last: height, refusal: self.refusal, blocks: vec![plan], messages }))
    }
}

impl<M> Derivation<M> {
    /// The place of a height in the batch.
    fn index(&self, height: L2Height) -> Option<usize> {
        let index = usize::try_from(height.get().checked_sub(self.first.get())?).ok()?;
        (index < self.blocks.len()).then_some(index)
    }
}

impl Derivation {
    /// Derives a batch. `messages` are those from `start.position` up to the statement's `messageCount`.
    ///
    /// # Errors
    /// [`Fault`], if the inputs do not belong together.
    pub fn new(
        parameters: &ChainParameters,
        statement: &Batch,
        data: &Data,
        messages: Vec<Message>,
        start: &Start,
    ) -> Result<Self, Fault> {
        check_messages(statement, &messages, start)?;
        Self::of_consumed(parameters, statement, data, messages, start)
    }

    /// Heights of the batch: the first and the last.
    pub const fn heights(&self) -> (L2Height, L2Height) {
        (self.first, self.last)
    }

    /// Why the data were refused, if they were.
    pub const fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    /// The payload of a height; `None` outside the batch.
    pub fn payload(&self, height: L2Height) -> Option<Payload> {
        let plan = self.plan(height)?;
        Some(Payload {
            context: plan.context,
            milliseconds: plan.milliseconds,
            beneficiary: plan.beneficiary,
            messages: self.messages_of(plan),
            transactions: plan.transactions.clone(),
        })
    }

    /// What a height is if execution finds [`Derivation::payload`] invalid: its messages alone. `None` outside the batch.
    pub fn fallback(&self, height: L2Height) -> Option<Payload> {
        let plan = self.plan(height)?;
        Some(Payload {
            context: None,
            milliseconds: plan.milliseconds.to_seconds().to_milliseconds(),
            beneficiary: predeploys::L1_FEE_VAULT,
            messages: self.messages_of(plan),
            transactions: Vec::new(),
        })
    }

    fn plan(&self, height: L2Height) -> Option<&Plan> {
        self.blocks.get(self.index(height)?)
    }

    fn messages_of(&self, plan: &Plan) -> Vec<Message> {
        self.messages.get(plan.messages.clone()).map(<[_]>::to_vec).unwrap_or_default()
    }
}

/// Checks that statement, data and start belong together; gives the number of blocks.
fn check_inputs(parameters: &ChainParameters, statement: &Batch, data: &Data, start: &Start) -> Result<u64, Fault> {
    if statement.rollup != parameters.rollup.get() {
        return Err(Fault::Rollup(statement.rollup));
    }
    let (first, last) = (L2Height::new(statement.firstHeight), L2Height::new(statement.lastHeight));
    let count = last.since(first).saturating_add(1);
    if Some(first) != start.height.checked_add(1) || last < first || count > MAX_BATCH_BLOCKS {
        return Err(Fault::Range { first, last, start: start.height });
    }
    if (*data == Data::None) != statement.dataHash.is_zero() {
        return Err(Fault::Data);
    }
    Ok(count)
}

/// Checks that messages lead from the start to where the statement is.
fn check_messages(statement: &Batch, messages: &[Message], start: &Start) -> Result<(), Fault> {
    let mut position = start.position;
    for message in messages {
        if message.index != position.count {
            return Err(Fault::Messages);
        }
        position = position.after(message);
    }
    if position != (Position { count: MessageIndex::new(statement.messageCount), acc: statement.messageAcc }) {
        return Err(Fault::Messages);
    }
    Ok(())
}
