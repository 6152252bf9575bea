//! From logs to events, each checked against what came before.

use super::chain::Position;
use crate::{
    L1Error,
    chain::{BlockRef, L1, L1Log, L1Transaction},
};
use alloy::sol_types::{SolCall, SolEvent, SolEventInterface, SolStruct};
use alloy_primitives::{B256, Bytes};
use surety_contracts::{
    Addresses,
    bindings::{Inbox, SequencerRegistry, Slasher},
};
use surety_types::{
    BatchIndex, Gas, L1Height, Message, MessageIndex, RollupId, Seconds,
    claim::{self, Claim},
    signing::Batch,
};

pub use surety_contracts::bindings::{
    SequencerRegistry::SequencerRegistryEvents as RegistryEvent, Slasher::SlasherEvents as SlasherEvent,
};

/// Something that happened on L1.
#[derive(Debug, Clone, PartialEq)]
pub struct L1Event {
    /// The block it happened in; of [`L1EventKind::Reverted`], the block that the chain goes back to.
    pub block: BlockRef,
    /// What it was.
    pub kind: L1EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum L1EventKind {
    /// The inbox took a message.
    Message {
        /// The message; its hash was checked to lead from the accumulator before to `acc`.
        message: Box<Message>,
        /// The accumulator after it.
        acc: B256,
    },
    /// A batch was posted.
    Batch(Box<PostedBatch>),
    /// The registry spoke: seats, committees, freezing (`SeatFrozen`), terms that L1 events started
    /// (`TermStarted`).
    Registry(Box<RegistryEvent>),
    /// The slasher spoke: a fault was punished (`Slashed`), an earlier penalty grew, a reward was paid.
    Slasher(Box<SlasherEvent>),
    /// All events of blocks above this one are void: L1 was reorganised.
    Reverted {
        /// A block that counted as settled is gone too (protocol §4: seats sign nothing more in this term).
        below_settled: bool,
    },
}

/// A batch as L1 took it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostedBatch {
    /// Its number, from 1.
    pub index: BatchIndex,
    /// Its default claim; checked to be the statement's. Zero for a self-sequenced batch, which has none.
    pub claim: B256,
    /// Who signed: bit i is the member at place i of the term's committee.
    pub signers: u64,
    /// Their signatures, in order, where the transaction called the inbox itself (a contract in between hides them).
    pub signatures: Option<Bytes>,
    /// What they signed.
    pub statement: Batch,
    /// Chain of statements after this one.
    pub tip: B256,
    /// Where the data are.
    pub data: DataSource,
    /// The transaction that brought it.
    pub transaction: B256,
}

impl PostedBatch {
    /// Whether a committee signed it; else it was self-sequenced, by anyone.
    pub const fn is_signed(&self) -> bool {
        self.signers != 0
    }
}

/// Where a batch's data are; checked against the statement's `dataHash`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataSource {
    /// There are none.
    None,
    /// In blobs of the transaction's block, with these versioned hashes.
    Blobs(Vec<B256>),
    /// In the transaction's call data: here.
    CallData(Bytes),
}

/// A contradiction with what was read before. The follower goes back to ground it is sure of and reads again.
pub(super) enum ReadError {
    /// L1 or its endpoint.
    L1(L1Error),
    /// A gap, or a history that does not fit: logs are missing, or a reorg came between two answers.
    Discontinuity(String),
}

impl From<L1Error> for ReadError {
    fn from(error: L1Error) -> Self {
        Self::L1(error)
    }
}

/// Reads one log; moves the position. `None` for logs that mean nothing here.
pub(super) async fn read(
    l1: &dyn L1,
    addresses: &Addresses,
    rollup: RollupId,
    block: &BlockRef,
    log: &L1Log,
    position: &mut Position,
) -> Result<Option<L1EventKind>, ReadError> {
    if log.log.address == addresses.registry {
        return Ok(SequencerRegistry::SequencerRegistryEvents::decode_log(&log.log)
            .ok()
            .map(|event| L1EventKind::Registry(Box::new(event.data))));
    }
    if log.log.address == addresses.slasher {
        return Ok(Slasher::SlasherEvents::decode_log(&log.log)
            .ok()
            .map(|event| L1EventKind::Slasher(Box::new(event.data))));
    }
    if log.log.address != addresses.inbox {
        return Ok(None);
    }
    match log.log.topics().first() {
        Some(&Inbox::MessageSent::SIGNATURE_HASH) => read_message(block, log, position).map(Some),
        Some(&Inbox::BatchPosted::SIGNATURE_HASH) => {
            read_batch(l1, addresses, rollup, block, log, position).await.map(Some)
        }
        _ => Ok(None),
    }
}

fn undecodable(what: &str, error: &alloy::sol_types::Error) -> ReadError {
    ReadError::L1(L1Error::invalid("eth_getLogs", format!("a {what} log cannot be decoded: {error}")))
}

fn read_message(block: &BlockRef, log: &L1Log, position: &mut Position) -> Result<L1EventKind, ReadError> {
    let event = Inbox::MessageSent::decode_log(&log.log).map_err(|e| undecodable("MessageSent", &e))?.data;
    if event.index != position.messages.get() {
        return Err(ReadError::Discontinuity(format!("message {} came, {} was next", event.index, position.messages)));
    }
    let event_acc = event.acc;
    let message = message_of(event)?;
    if message.l1_block != block.number || message.l1_time != block.time {
        return Err(L1Error::invalid(
            "eth_getLogs",
            format!("message {} names another block than its own", message.index),
        )
        .into());
    }
    let acc = message.accumulate(position.acc);
    if acc != event_acc {
        return Err(ReadError::Discontinuity(format!("message {} does not lead to its accumulator", message.index)));
    }
    position.messages = position.messages.next();
    position.acc = acc;
    Ok(L1EventKind::Message { message: Box::new(message), acc })
}

/// The message that the inbox tells of.
pub(crate) fn message_of(event: Inbox::MessageSent) -> Result<Message, L1Error> {
    let kind = event.kind.try_into().map_err(|e| L1Error::invalid("eth_getLogs", format!("a MessageSent log: {e}")))?;
    Ok(Message {
        kind,
        index: MessageIndex::new(event.index),
        l1_block: L1Height::new(event.l1Block),
        l1_time: Seconds::new(event.l1Time),
        sender: event.sender,
        to: event.to,
        value: event.value,
        mint: event.mint,
        gas: Gas::new(event.gas),
        data: event.data,
    })
}

async fn read_batch(
    l1: &dyn L1,
    addresses: &Addresses,
    rollup: RollupId,
    block: &BlockRef,
    log: &L1Log,
    position: &mut Position,
) -> Result<L1EventKind, ReadError> {
    let event = Inbox::BatchPosted::decode_log(&log.log).map_err(|e| undecodable("BatchPosted", &e))?.data;
    let statement = Batch::from(event.statement);
    let index = position.batches.next();
    if event.batchIndex != index.get() {
        return Err(ReadError::Discontinuity(format!("batch {} came, {index} was next", event.batchIndex)));
    }
    if statement.inboxTip != position.tip {
        return Err(ReadError::Discontinuity(format!("batch {index} stands on another history of batches")));
    }
    let claim = Claim { rollup, ..Claim::stated(index, &statement) };
    // A self-sequenced batch has no claim yet.
    let is_default = if event.signers == 0 { event.claimId.is_zero() } else { claim.id() == event.claimId };
    if !is_default {
        return Err(
            L1Error::invalid("eth_getLogs", format!("batch {index} has a claim that is not its statement's")).into()
        );
    }
    let transaction = l1
        .transaction(log.transaction)
        .await?
        .ok_or_else(|| L1Error::UnknownBlock(format!("of transaction {}", log.transaction)))?;
    if transaction.block_hash != Some(block.hash) {
        return Err(L1Error::UnknownBlock(format!("of transaction {}, {block}", log.transaction)).into());
    }
    let (data, signatures) = data_source(&transaction, addresses, &statement)?;
    let tip = claim::inbox_tip(position.tip, statement.eip712_hash_struct());
    position.batches = index;
    position.tip = tip;
    Ok(L1EventKind::Batch(Box::new(PostedBatch {
        index,
        claim: event.claimId,
        signers: event.signers,
        signatures,
        statement,
        tip,
        data,
        transaction: log.transaction,
    })))
}

/// Finds the data that the statement commits to in the transaction that brought it, and the signatures, where the transaction
/// called the inbox itself.
///
/// # Errors
/// The transaction does not carry such data.
pub fn data_source(
    transaction: &L1Transaction,
    addresses: &Addresses,
    statement: &Batch,
) -> Result<(DataSource, Option<Bytes>), L1Error> {
    let direct = transaction.to == Some(addresses.inbox);
    let plain =
        || Inbox::postBatchCall::abi_decode(&transaction.input).ok().map(|call| (call.data, Some(call.signatures)));
    let with =
        || Inbox::postBatchWithCall::abi_decode(&transaction.input).ok().map(|call| (call.data, Some(call.signatures)));
    let (data, signatures) = direct.then(|| plain().or_else(with)).flatten().unwrap_or_default();
    if statement.dataHash.is_zero() {
        return Ok((DataSource::None, signatures));
    }
    let hashes = &transaction.blob_hashes;
    if !hashes.is_empty() && claim::blob_data_hash(hashes) == statement.dataHash {
        return Ok((DataSource::Blobs(hashes.clone()), signatures));
    }
    if claim::calldata_data_hash(&data) == Some(statement.dataHash) {
        return Ok((DataSource::CallData(data), signatures));
    }
    Err(L1Error::invalid(
        "eth_getTransactionByHash",
        format!("transaction {} does not carry the data that its batch commits to", transaction.hash),
    ))
}
