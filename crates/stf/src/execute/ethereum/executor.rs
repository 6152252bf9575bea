//! Executes L1 blocks.

use super::{
    header::{HeaderError, validate_body},
    schedule::ForkSchedule,
};
use crate::{
    StateReader,
    execute::{PushError, PushOutcome, Refusal, error::sort, overlay::Overlay, recover},
};
use alloy_consensus::{Eip658Value, EthereumTxEnvelope, Transaction as _, TransactionEnvelope, TxEip4844, proofs};
use alloy_eips::{Typed2718, eip4895::Withdrawals, eip7685::Requests};
use alloy_evm::{
    EthEvm, EthEvmFactory, Evm, EvmFactory,
    block::BlockExecutor as _,
    eth::{
        EthBlockExecutionCtx, EthBlockExecutor,
        receipt_builder::{ReceiptBuilder, ReceiptBuilderCtx},
    },
    precompiles::PrecompilesMap,
};
use alloy_hardforks::EthereumHardfork as F;
use alloy_primitives::{Address, B256, Bloom};
use revm::inspector::NoOpInspector;
use std::borrow::Cow;
use surety_types::{Block, Header, Receipt, Recovered, StateChanges, Transaction};

type Envelope = EthereumTxEnvelope<TxEip4844>;

/// Why a block was not executed.
#[derive(Debug, thiserror::Error)]
pub enum BlockError<E: core::error::Error> {
    /// The state could not be read. Retry; it says nothing about the block.
    #[error("the state could not be read: {0}")]
    Reader(E),
    /// A system contract failed, or the engine did for a reason that is not known.
    #[error("the engine failed: {0}")]
    Engine(String),
    /// The header or the body breaks a rule, or the header does not show what execution gives. The block is invalid.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A transaction is not valid in its place. The block is invalid.
    #[error("transaction {index}: {refusal}")]
    Transaction {
        /// Its place.
        index: usize,
        /// Why.
        refusal: Refusal,
    },
}

impl<E: core::error::Error> BlockError<E> {
    fn at(index: usize, error: PushError<E>) -> Self {
        match error {
            PushError::Reader(e) => Self::Reader(e),
            PushError::Engine(text) => Self::Engine(text),
            PushError::Refused(refusal) => Self::Transaction { index, refusal },
        }
    }

    fn system(error: PushError<E>) -> Self {
        match error {
            PushError::Reader(e) => Self::Reader(e),
            PushError::Engine(text) => Self::Engine(text),
            PushError::Refused(refusal) => Self::Engine(refusal.to_string()),
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Receipts;

impl ReceiptBuilder for Receipts {
    type Transaction = Envelope;
    type Receipt = Receipt;

    fn build_receipt<E: Evm>(
        &self,
        ctx: ReceiptBuilderCtx<'_, <Envelope as TransactionEnvelope>::TxType, E>,
    ) -> Receipt {
        Receipt {
            transaction_type: ctx.tx_type.ty(),
            status: Eip658Value::Eip658(ctx.result.is_success()),
            cumulative_gas_used: ctx.cumulative_gas_used,
            logs: ctx.result.into_logs(),
            deposit_nonce: None,
            deposit_receipt_version: None,
        }
    }
}

/// What an executed block holds; [`seal`] makes the block of it.
#[derive(Debug, Clone)]
pub struct ExecutedBlock {
    /// The header as given, with gas used, blob gas used and requests hash filled in.
    pub header: Header,
    /// Transactions.
    pub transactions: Vec<Transaction>,
    /// Their senders.
    pub senders: Vec<Address>,
    /// Their receipts.
    pub receipts: Vec<Receipt>,
    /// Uncles.
    pub ommers: Vec<Header>,
    /// Withdrawals.
    pub withdrawals: Option<Withdrawals>,
    /// Requests to the beacon chain (EIP-7685).
    pub requests: Requests,
    /// What the block did to the state, rewards and withdrawals included.
    pub changes: StateChanges,
}

/// Gives the state root after some changes on top of the parent's state. Before Byzantium receipts carry it.
pub type RootOf<'a> = &'a mut dyn FnMut(&StateChanges) -> B256;

/// An L1 block under construction. It stays on the thread that began it: revm's interpreter is not `Send`.
pub struct BlockExecutor<'a, R: StateReader> {
    inner: EthBlockExecutor<'a, EthEvm<Overlay<R>, NoOpInspector, PrecompilesMap>, &'a ForkSchedule, Receipts>,
    schedule: &'a ForkSchedule,
    header: Header,
    ommers: &'a [Header],
    withdrawals: Option<Withdrawals>,
    transactions: Vec<Transaction>,
    senders: Vec<Address>,
    root: Option<RootOf<'a>>,
}

impl<R: StateReader> core::fmt::Debug for BlockExecutor<'_, R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BlockExecutor")
            .field("number", &self.header.number)
            .field("transactions", &self.transactions.len())
            .finish_non_exhaustive()
    }
}

impl<'a, R: StateReader> BlockExecutor<'a, R> {
    /// Begins a block with the system calls of its fork. Of `header` everything counts that does not follow from the
    /// content ([`next_header`](super::next_header)); `reader` shows the parent's state. `root` is needed before
    /// Byzantium alone.
    ///
    /// # Errors
    /// Those of the machine.
    pub fn new(
        schedule: &'a ForkSchedule,
        header: Header,
        ommers: &'a [Header],
        withdrawals: Option<Withdrawals>,
        reader: R,
        root: Option<RootOf<'a>>,
    ) -> Result<Self, BlockError<R::Error>> {
        let evm = EthEvmFactory::default().create_evm(Overlay::new(reader), schedule.evm_env(&header));
        let context = EthBlockExecutionCtx {
            parent_hash: header.parent_hash,
            parent_beacon_block_root: header.parent_beacon_block_root,
            ommers,
            withdrawals: withdrawals.clone().map(|w| Cow::Owned(w.into_inner())),
            extra_data: header.extra_data.clone(),
            tx_count_hint: None,
            slot_number: None,
        };
        let mut inner = EthBlockExecutor::new(evm, context, schedule, Receipts);
        let limit = header.gas_limit;
        inner.apply_pre_execution_changes().map_err(|e| BlockError::system(sort(e, limit)))?;
        Ok(Self { inner, schedule, header, ommers, withdrawals, transactions: Vec::new(), senders: Vec::new(), root })
    }

    fn active(&self, fork: F) -> bool {
        self.schedule.is_active(fork, self.header.number, self.header.timestamp)
    }

    /// Appends a transaction, if it is valid here and there is room.
    ///
    /// # Errors
    /// [`PushError::Refused`] says why and when to try again; the block is then as it was.
    pub fn push(&mut self, tx: Recovered<Transaction>) -> Result<PushOutcome, PushError<R::Error>> {
        let (tx, sender) = tx.into_parts();
        let refused = |refusal| Err(PushError::Refused(refusal));
        let Ok(envelope) = Envelope::try_from(tx.clone()) else {
            return refused(Refusal::Type(tx.ty()));
        };
        if tx.chain_id().is_some() && !self.active(F::SpuriousDragon) {
            return refused(Refusal::Chain);
        }
        let blob_gas = tx.blob_gas_used().unwrap_or_default();
        if blob_gas > self.blob_gas_left() {
            let block = self.blob_gas_limit();
            return refused(Refusal::BlobsLeft { blob_gas, left: self.blob_gas_left(), block });
        }
        let limit = self.header.gas_limit;
        let done = self
            .inner
            .execute_transaction_without_commit(Recovered::new_unchecked(&envelope, sender))
            .map_err(|e| sort(e, limit))?;
        let success = done.result.result.is_success();
        let gas = self.inner.commit_transaction(done).map_err(|e| sort(e, limit))?;
        if !self.active(F::Byzantium) {
            let changes = self.state().changes();
            let Some(root) = self.root.as_mut().map(|root| root(&changes)) else {
                return Err(PushError::Engine("receipts before Byzantium need the state root: give `root`".into()));
            };
            if let Some(receipt) = self.inner.receipts.last_mut() {
                receipt.status = Eip658Value::PostState(root);
            }
        }
        let index = self.transactions.len() as u64;
        self.transactions.push(tx);
        self.senders.push(sender);
        Ok(PushOutcome { index, success, gas_used: gas.tx_gas_used() })
    }

    fn blob_gas_limit(&self) -> u64 {
        self.schedule.blob_params(self.header.timestamp).map_or(0, |p| p.max_blob_gas_per_block())
    }

    /// Gas left.
    pub const fn gas_left(&self) -> u64 {
        self.header.gas_limit.saturating_sub(self.inner.cumulative_tx_gas_used)
    }

    /// Blob gas left.
    pub fn blob_gas_left(&self) -> u64 {
        self.blob_gas_limit().saturating_sub(self.inner.blob_gas_used)
    }

    /// The header so far.
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

    /// Ends the block: requests, rewards, withdrawals.
    ///
    /// # Errors
    /// [`BlockError::Engine`] if a system contract fails (the block is invalid then), or the machine's.
    pub fn finish(self) -> Result<ExecutedBlock, BlockError<R::Error>> {
        let prague = self.active(F::Prague);
        let Self { inner, mut header, ommers, withdrawals, transactions, senders, .. } = self;
        let (evm, result) = inner.finish().map_err(|e| BlockError::system(sort(e, header.gas_limit)))?;
        let (overlay, _) = evm.finish();
        header.gas_used = result.gas_used;
        header.blob_gas_used = header.blob_gas_used.map(|_| result.blob_gas_used);
        header.requests_hash = prague.then(|| result.requests.requests_hash());
        Ok(ExecutedBlock {
            header,
            transactions,
            senders,
            receipts: result.receipts,
            ommers: ommers.to_vec(),
            withdrawals,
            requests: result.requests,
            changes: overlay.changes(),
        })
    }
}

fn bloom(receipts: &[Receipt]) -> Bloom {
    let mut bloom = Bloom::ZERO;
    for receipt in receipts {
        bloom.accrue_bloom(&receipt.bloom());
    }
    bloom
}

/// The block that an execution made, given the state root after [`ExecutedBlock::changes`].
pub fn seal(executed: ExecutedBlock, state_root: B256) -> Block {
    let ExecutedBlock { header, transactions, receipts, ommers, withdrawals, .. } = executed;
    Block {
        header: Header {
            state_root,
            transactions_root: proofs::calculate_transaction_root(&transactions),
            receipts_root: proofs::calculate_receipt_root(&receipts),
            ommers_hash: proofs::calculate_ommers_root(&ommers),
            withdrawals_root: withdrawals.as_ref().map(|w| proofs::calculate_withdrawals_root(w)),
            logs_bloom: bloom(&receipts),
            ..header
        },
        transactions,
        ommers,
        withdrawals,
    }
}

/// Executes a block and compares the result with its header, all but the state root, which the caller's trie knows.
/// The header's own rules are [`validate_header`](super::validate_header)'s.
///
/// # Errors
/// [`BlockError::Header`] and [`BlockError::Transaction`] if the block is invalid, else the machine's.
pub fn execute_block<'a, R: StateReader>(
    schedule: &'a ForkSchedule,
    block: &'a Block,
    reader: R,
    root: Option<RootOf<'a>>,
) -> Result<ExecutedBlock, BlockError<R::Error>> {
    validate_body(schedule, block)?;
    let header = &block.header;
    let homestead = schedule.is_active(F::Homestead, header.number, header.timestamp);
    let recovery = if homestead { recover::recover } else { recover::recover_frontier };
    let senders = recovery(&block.transactions)
        .map_err(|bad| BlockError::Transaction { index: bad.index, refusal: Refusal::Signature })?;
    let mut executor =
        BlockExecutor::new(schedule, header.clone(), &block.ommers, block.withdrawals.clone(), reader, root)?;
    for (index, (tx, sender)) in block.transactions.iter().zip(senders).enumerate() {
        executor.push(Recovered::new_unchecked(tx.clone(), sender)).map_err(|e| BlockError::at(index, e))?;
    }
    let executed = executor.finish()?;
    let same = |field, found: String, expected: String| {
        if found == expected { Ok(()) } else { Err(HeaderError::Wrong { field, found, expected }) }
    };
    same("gasUsed", header.gas_used.to_string(), executed.header.gas_used.to_string())?;
    same(
        "receiptsRoot",
        header.receipts_root.to_string(),
        proofs::calculate_receipt_root(&executed.receipts).to_string(),
    )?;
    same("logsBloom", header.logs_bloom.to_string(), bloom(&executed.receipts).to_string())?;
    same("requestsHash", format!("{:?}", header.requests_hash), format!("{:?}", executed.header.requests_hash))?;
    Ok(executed)
}
