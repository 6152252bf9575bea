//! The program: one block of one batch, from what L1 knows to the block's hash.
//!
//! [`transition`] is the same function for native nodes, the VM of the dispute and the zkVM. Its input is what both sides
//! of a dispute agree on and L1 holds: the statement (posted, or written by the inbox for a self-sequenced batch), the
//! hash of the block before the batch (`lastHash` of the claim that the disputed claim stands on), a height of the batch
//! and the hash of the block before it. Everything else comes from the [`Oracle`] by key.
//!
//! 1. The header before the batch, its context, and the consumed position in its state: the derivation's start.
//! 2. The messages from there to the statement's `messageCount`, read backwards from `messageAcc`.
//! 3. The data under `dataHash`; [`Derivation`] decides each block of the batch from these alone.
//! 4. The parent's header; execution of the payload on its state, or of the fallback if the payload is not valid there.
//! 5. The roots of the changed state, the header, its hash.
//!
//! An error means that input and answers are not of one chain. For the input of an accepted statement and the chain's own
//! parent, an honest oracle gives none.

use crate::{
    Payload, StateReader,
    derive::{self, Derivation, Position, Start},
    execute::op::{ExecuteError, ExecutedPayload, L1Attributes, Refusal, execute_payload, seal},
    oracle::{self, Oracle, OracleError},
    trie::{TrieError, TrieState},
};
use alloc::string::String;
use alloy_primitives::B256;
use surety_types::{ChainParameters, Header, L2Height, MessageIndex, signing::Batch};

/// Why there is no next block: input and answers are not of one chain.
#[derive(Debug, thiserror::Error)]
pub enum Fault<E: core::error::Error> {
    /// The oracle failed, or the input leads nowhere.
    #[error(transparent)]
    Oracle(#[from] OracleError<E>),
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] TrieError<E>),
    /// Statement, data, messages and the block before the batch do not belong together.
    #[error(transparent)]
    Derive(#[from] derive::Fault),
    /// The height is not in the batch, or the parent is not the block before it.
    #[error("block {height} is not in the batch, or {parent} is not its parent")]
    Height {
        /// The height asked for.
        height: L2Height,
        /// The parent given.
        parent: B256,
    },
    /// The engine failed where content cannot make it fail.
    #[error("execution failed: {0}")]
    Engine(String),
}

/// What a derived block became.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The payload that was executed: the derived one, or its fallback.
    pub payload: Payload,
    /// Its result.
    pub executed: ExecutedPayload,
    /// Why the block is its messages alone: the place in the list of the transaction that is not valid, and the reason.
    pub invalid: Option<(usize, Refusal)>,
}

/// Executes a height of a derived batch on its parent's state, or its fallback if the list is not valid there. `None` if
/// the height is not in the batch.
///
/// # Errors
/// Those of the reader and of the engine; [`ExecuteError::MessageOrder`] if the state is not that of the parent.
pub fn apply<R: StateReader + Copy>(
    parameters: &ChainParameters,
    derivation: &Derivation,
    height: L2Height,
    parent: &Header,
    parent_hash: B256,
    reader: R,
) -> Result<Option<Applied>, ExecuteError<R::Error>> {
    let (Some(payload), Some(fallback)) = (derivation.payload(height), derivation.fallback(height)) else {
        return Ok(None);
    };
    let (payload, invalid) = match execute_payload(parameters, parent, parent_hash, &payload, reader) {
        Ok(executed) => return Ok(Some(Applied { payload, executed, invalid: None })),
        Err(ExecuteError::Transaction { index, refusal }) => (fallback, Some((index, refusal))),
        Err(other) => return Err(other),
    };
    let executed = execute_payload(parameters, parent, parent_hash, &payload, reader)?;
    Ok(Some(Applied { payload, executed, invalid }))
}

/// The hash of the block at `height`, a height of the batch of `statement`, on the block with `parent_hash`.
/// `before_batch` is the hash of the block before the batch; for the first height it is `parent_hash`.
///
/// # Errors
/// See [`Fault`].
pub fn transition<O: Oracle>(
    parameters: &ChainParameters,
    oracle: &O,
    statement: &Batch,
    before_batch: B256,
    height: L2Height,
    parent_hash: B256,
) -> Result<B256, Fault<O::Error>> {
    let start = start(oracle, before_batch)?;
    let end = Position { count: MessageIndex::new(statement.messageCount), acc: statement.messageAcc };
    let messages = oracle::messages(oracle, start.position, end)?.ok_or(derive::Fault::Messages)?;
    let data = oracle::data(oracle, statement.dataHash)?;
    let mismatch = || Fault::Height { height, parent: parent_hash };
    let derivation = Derivation::of_consumed(parameters, statement, &data, messages, &start)?;
    // What the other blocks hold is not needed any more.
    let derivation = derivation.only(height, |glimpse| oracle::message(oracle, glimpse))?.ok_or_else(mismatch)?;
    drop(data);
    let parent = oracle::header(oracle, parent_hash)?;
    if L2Height::new(parent.number).checked_add(1) != Some(height) {
        return Err(mismatch());
    }
    let state = TrieState::new(oracle, &parent, parent_hash);
    let applied = apply(parameters, &derivation, height, &parent, parent_hash, &state);
    let executed = match applied {
        Ok(Some(applied)) => applied.executed,
        Ok(None) | Err(ExecuteError::MessageOrder { .. }) => return Err(mismatch()),
        Err(ExecuteError::Reader(error)) => return Err(error.into()),
        Err(other) => return Err(Fault::Engine(alloc::format!("{other}"))),
    };
    let roots = state.into_roots(&executed.changes)?;
    Ok(seal(&executed, roots.state, roots.message_passer).hash())
}

/// The block before the batch, as derivation needs it.
fn start<O: Oracle>(oracle: &O, hash: B256) -> Result<Start, Fault<O::Error>> {
    let header = oracle::header(oracle, hash)?;
    let context = oracle::context(oracle, &header)?;
    let attributes = L1Attributes::read(&TrieState::new(oracle, &header, hash))?;
    let position = Position { count: attributes.message_count, acc: attributes.message_acc };
    Ok(Start::new(&header, context.as_ref(), position))
}
