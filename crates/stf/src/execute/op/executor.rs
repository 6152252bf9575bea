//! Executes a block, transaction by transaction.

use super::{
    attributes::{L1Attributes, SYSTEM_TRANSACTION_GAS, system_transaction},
    env::{Forks, L2Tx, Receipts, evm_env},
    error::{ExecuteError, machine_only},
    seal::{constant_header, next_base_fee},
};
use crate::{
    Payload, StateReader,
    execute::{PushError, PushOutcome, Refusal, error::sort, overlay::Overlay, recover},
    meter,
};
use alloc::vec::Vec;
use alloy_eips::Typed2718;
use alloy_evm::{Evm, EvmFactory, FromRecoveredTx, block::BlockExecutor as _, precompiles::PrecompilesMap};
use alloy_op_evm::{OpBlockExecutionCtx, OpBlockExecutor, OpEvm, OpEvmFactory};
use alloy_primitives::{Address, B256};
use revm::inspector::NoOpInspector;
use surety_types::{
    ChainParameters, Gas, Header, Message, MessageIndex, Milliseconds, Receipt, Recovered, StateChanges, Transaction,
};

/// What consensus (or the default rule) says of a block beside its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderParts {
    /// Root of the consensus context; zero for a default block.
    pub context_root: B256,
    /// Time.
    pub milliseconds: Milliseconds,
    /// Who receives the priority fees.
    pub beneficiary: Address,
}

impl From<&Payload> for HeaderParts {
    fn from(payload: &Payload) -> Self {
        Self {
            context_root: payload.context_root(),
            milliseconds: payload.milliseconds,
            beneficiary: payload.beneficiary,
        }
    }
}

/// Gas that the messages of one block may ask for, their limits added up: half the block's limit, as derivation has it
/// (leaders take less, [`crate::derive::messages_to_take`]), and never into the system transaction's.
pub fn message_gas_room(parameters: &ChainParameters) -> u64 {
    let room = parameters.gas_limit.get().saturating_sub(SYSTEM_TRANSACTION_GAS);
    parameters.default_block_message_gas().get().min(room)
}

/// What an executed block holds; [`seal`](super::seal()) makes the block of it.
#[derive(Debug, Clone)]
pub struct ExecutedPayload {
    /// The header, without the roots of state, message passer, transactions and receipts, and without the bloom.
    pub header: Header,
    /// The system transaction, the messages, the sequencers' list.
    pub transactions: Vec<Transaction>,
    /// Their senders.
    pub senders: Vec<Address>,
    /// Their receipts.
    pub receipts: Vec<Receipt>,
    /// What they did to the state.
    pub changes: StateChanges,
    /// Attributes of L1 and the consumed position after the block.
    pub attributes: L1Attributes,
    /// How many of the transactions are messages.
    pub messages: usize,
}

impl ExecutedPayload {
    /// Gas used.
    pub const fn gas_used(&self) -> u64 {
        self.header.gas_used
    }

    /// Data footprint of the sequencers' list, in gas (the header's `blobGasUsed`).
    pub fn da_footprint(&self) -> u64 {
        self.header.blob_gas_used.unwrap_or_default()
    }

    /// Base fee, wei per gas.
    pub fn base_fee(&self) -> u64 {
        self.header.base_fee_per_gas.unwrap_or_default()
    }
}

type Inner<R> = OpBlockExecutor<OpEvm<Overlay<R>, NoOpInspector, PrecompilesMap, L2Tx>, Receipts, Forks>;

/// A block under construction. It stays on the thread that began it: revm's interpreter is not `Send`.
///
/// ```text
/// new (system calls, system transaction, messages) ─▶ push* (the list) ─▶ finish ─▶ seal
/// ```
pub struct BlockExecutor<R: StateReader> {
    inner: Inner<R>,
    header: Header,
    attributes: L1Attributes,
    messages: usize,
    transactions: Vec<Transaction>,
    senders: Vec<Address>,
}

impl<R: StateReader> core::fmt::Debug for BlockExecutor<R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BlockExecutor")
            .field("number", &self.header.number)
            .field("transactions", &self.transactions.len())
            .field("gas_used", &self.inner.gas_used)
            .finish_non_exhaustive()
    }
}

impl<R: StateReader> BlockExecutor<R> {
    /// Begins the block on `parent`, whose state `reader` shows: system calls, system transaction, messages.
    ///
    /// # Errors
    /// The reader's, or that the messages are not the next ones or more than a block holds.
    pub fn new(
        parameters: &ChainParameters,
        parent: &Header,
        parent_hash: B256,
        parts: HeaderParts,
        messages: &[Message],
        reader: R,
    ) -> Result<Self, ExecuteError<R::Error>> {
        let position = L1Attributes::read(&reader).map_err(ExecuteError::Reader)?;
        check_messages(parameters, position.message_count, messages)?;
        let attributes = position.after(messages);
        let number = parent.number.checked_add(1).ok_or(ExecuteError::Parent("it has the greatest number"))?;
        let header = Header {
            parent_hash,
            number,
            beneficiary: parts.beneficiary,
            timestamp: parts.milliseconds.to_seconds().get(),
            base_fee_per_gas: Some(next_base_fee(parameters, parent)),
            mix_hash: messages.iter().rev().find_map(Message::l1_info).map_or(parent.mix_hash, |info| info.prev_randao),
            parent_beacon_block_root: Some(parts.context_root),
            ..constant_header(parameters)
        };
        let env = evm_env(parameters.rollup, &header);
        let evm = OpEvmFactory::<L2Tx>::default().create_evm(Overlay::new(reader), env);
        let context = OpBlockExecutionCtx {
            parent_hash,
            parent_beacon_block_root: header.parent_beacon_block_root,
            extra_data: header.extra_data.clone(),
        };
        let mut this = Self {
            inner: OpBlockExecutor::new(evm, context, Forks, Receipts),
            header,
            attributes,
            messages: messages.len(),
            transactions: Vec::new(),
            senders: Vec::new(),
        };
        this.begin(parameters, parent_hash, messages)?;
        Ok(this)
    }

    fn begin(
        &mut self,
        parameters: &ChainParameters,
        parent_hash: B256,
        messages: &[Message],
    ) -> Result<(), ExecuteError<R::Error>> {
        self.inner.apply_pre_execution_changes().map_err(|e| machine_only(sort(e, parameters.gas_limit.get())))?;
        let system = system_transaction(parameters, parent_hash, &self.attributes);
        for tx in core::iter::once(system).chain(messages.iter().map(Message::to_transaction)) {
            let sender = tx.as_deposit().map(|d| d.from).unwrap_or_default();
            self.execute(Recovered::new_unchecked(tx, sender)).map_err(machine_only)?;
        }
        Ok(())
    }

    fn execute(&mut self, tx: Recovered<Transaction>) -> Result<PushOutcome, PushError<R::Error>> {
        let (tx, sender) = tx.into_parts();
        let limit = self.header.gas_limit;
        let env = L2Tx::from_recovered_tx(&tx, sender);
        let done = self
            .inner
            .execute_transaction_without_commit((env, Recovered::new_unchecked(&tx, sender)))
            .map_err(|e| sort(e, limit))?;
        let success = done.inner.result.result.is_success();
        let gas = self.inner.commit_transaction(done).map_err(|e| sort(e, limit))?;
        let index = self.transactions.len() as u64;
        self.transactions.push(tx);
        self.senders.push(sender);
        Ok(PushOutcome { index, success, gas_used: gas.tx_gas_used() })
    }

    /// Appends a transaction to the sequencers' list, if it is valid here and there is room.
    ///
    /// # Errors
    /// [`PushError::Refused`] says why and when to try again; the block is then as it was.
    pub fn push(&mut self, tx: Recovered<Transaction>) -> Result<PushOutcome, PushError<R::Error>> {
        match tx.inner().ty() {
            0 | 1 | 2 | 4 if !meter::admits(Gas::new(self.header.gas_limit)) => {
                Err(PushError::Refused(Refusal::StepMeter { gas_limit: self.header.gas_limit }))
            }
            0 | 1 | 2 | 4 => self.execute(tx),
            other => Err(PushError::Refused(Refusal::Type(other))),
        }
    }

    /// Gas left for the list.
    pub const fn gas_left(&self) -> u64 {
        self.header.gas_limit.saturating_sub(self.inner.gas_used)
    }

    /// Data footprint left for the list, in gas.
    pub const fn da_left(&self) -> u64 {
        self.header.gas_limit.saturating_sub(self.inner.da_footprint_used)
    }

    /// The header so far: number, time, base fee and what else does not follow from the content.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Transactions so far.
    pub fn transactions(&self) -> &[Transaction] {
        &self.transactions
    }

    /// Their receipts.
    pub fn receipts(&self) -> &[Receipt] {
        &self.inner.receipts
    }

    /// The state so far.
    pub fn state(&self) -> &Overlay<R> {
        self.inner.evm.components().0
    }

    /// Ends the block.
    ///
    /// # Errors
    /// Those of the machine alone.
    pub fn finish(self) -> Result<ExecutedPayload, ExecuteError<R::Error>> {
        let Self { inner, mut header, attributes, messages, transactions, senders } = self;
        let (evm, result) = inner.finish().map_err(|e| machine_only(sort(e, header.gas_limit)))?;
        let (overlay, _) = evm.finish();
        header.gas_used = result.gas_used;
        header.blob_gas_used = Some(result.blob_gas_used);
        Ok(ExecutedPayload {
            header,
            transactions,
            senders,
            receipts: result.receipts,
            changes: overlay.changes(),
            attributes,
            messages,
        })
    }
}

fn check_messages<E: core::error::Error>(
    parameters: &ChainParameters,
    next: MessageIndex,
    messages: &[Message],
) -> Result<(), ExecuteError<E>> {
    let mut expected = next;
    let mut gas = 0u64;
    for message in messages {
        if message.index != expected {
            return Err(ExecuteError::MessageOrder { expected, found: message.index });
        }
        expected = expected.next();
        gas = gas.saturating_add(message.gas.get());
    }
    let room = message_gas_room(parameters);
    if gas > room || parameters.gas_limit.get() < SYSTEM_TRANSACTION_GAS {
        return Err(ExecuteError::MessageGas { room });
    }
    Ok(())
}

/// Executes a whole block.
///
/// # Errors
/// [`ExecuteError::Transaction`] if the sequencers' list holds one that does not belong there (the block is invalid:
/// derivation takes its messages alone), else as [`BlockExecutor::new`].
pub fn execute_payload<R: StateReader>(
    parameters: &ChainParameters,
    parent: &Header,
    parent_hash: B256,
    payload: &Payload,
    reader: R,
) -> Result<ExecutedPayload, ExecuteError<R::Error>> {
    let senders = recover::recover(&payload.transactions)
        .map_err(|bad| ExecuteError::Transaction { index: bad.index, refusal: Refusal::Signature })?;
    let mut executor = BlockExecutor::new(parameters, parent, parent_hash, payload.into(), &payload.messages, reader)?;
    for (index, (tx, sender)) in payload.transactions.iter().zip(senders).enumerate() {
        executor.push(Recovered::new_unchecked(tx.clone(), sender)).map_err(|e| match e {
            PushError::Refused(refusal) => ExecuteError::Transaction { index, refusal },
            PushError::Reader(e) => ExecuteError::Reader(e),
            PushError::Engine(text) => ExecuteError::Engine(text),
        })?;
    }
    executor.finish()
}
