//! Blocks on top of the store: begun and sealed by a leader, judged by everyone else.

use super::Inbox;
use alloy_primitives::{Address, B256, Bytes};
use std::sync::Arc;
use surety_state::{ExecutedBlock, Store, View};
use surety_stf::{
    Payload,
    execute::op::{
        BlockExecutor, ExecuteError, ExecutedPayload, HeaderParts, L1Attributes, PushError, PushOutcome,
        execute_payload, seal,
    },
    payload::{self, PayloadError},
};
use surety_types::{
    ChainParameters, ConsensusContext, Header, L2Height, MessageIndex, Milliseconds, Recovered, RollupId, Seconds,
    Term, Transaction, predeploys,
};

/// The machine failed, not the block: nothing may be concluded of the block.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// The store.
    #[error(transparent)]
    Store(#[from] surety_state::Error),
    /// The execution engine.
    #[error("the execution engine failed: {0}; nothing is voted for until the node is restarted on a sound machine")]
    Engine(String),
}

/// Why a seat does not vote for a block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBlock {
    /// Time or context.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// It has no context, or that of another place.
    #[error("its context is not that of the view in which it is proposed")]
    Context,
    /// It stands on another block than consensus says.
    #[error("its parent is not the one of the view that it builds on")]
    Parent,
    /// A transaction or the messages do not go into it.
    #[error("its content cannot be executed: {0}")]
    Content(String),
    /// Execution gives another header.
    #[error("execution gives block {ours}, the proposal says {theirs}")]
    Header {
        /// What execution gives.
        ours: B256,
        /// What was proposed.
        theirs: B256,
    },
    /// It leaves out a message that is due, with room for it.
    #[error("message {0} is due and there is room for it")]
    SkipsDueMessage(MessageIndex),
    /// Its messages ask for more gas than L1 lets a batch have on average.
    #[error("its messages ask for {gas} gas, the most is {room}")]
    TooManyMessages {
        /// Their gas limits added up.
        gas: u64,
        /// The most.
        room: u64,
    },
    /// It continues a term that is over.
    #[error("its parent was the last block of the term")]
    TermIsOver,
}

/// What judging a block came to.
#[derive(Debug)]
pub enum Verdict {
    /// It is right, and in the store.
    Valid,
    /// It is wrong, for ever.
    Invalid(InvalidBlock),
    /// This node has not yet seen the message with this index; judge again when it has.
    AwaitsMessage(MessageIndex),
}

/// A block on which another can be put.
#[derive(Debug, Clone)]
pub struct Parent {
    /// Its hash.
    pub hash: B256,
    /// Its header.
    pub header: Header,
    /// Its context; `None` for genesis and default blocks.
    pub context: Option<ConsensusContext>,
    /// The state after it.
    pub state: View,
}

impl Parent {
    /// Its time as its child sees it.
    pub fn milliseconds(&self) -> Milliseconds {
        payload::parent_milliseconds(&self.header, self.context.as_ref())
    }

    /// The term that made it; term 0, which never exists, for genesis.
    pub fn term(&self) -> Term {
        self.context.map_or(Term::ZERO, |c| c.term)
    }

    /// What it knows of L1, and how many messages it and its ancestors consumed.
    ///
    /// # Errors
    /// The store's.
    pub fn attributes(&self) -> Result<L1Attributes, MachineError> {
        Ok(L1Attributes::read(&self.state)?)
    }
}

/// One chain's rules, store and messages: all that making and judging blocks needs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Blocks {
    store: Store,
    parameters: Arc<ChainParameters>,
    inbox: Inbox,
    force_delay: Seconds,
}

impl Blocks {
    /// `force_delay` is L1's `FORCE_DELAY`: after that a message is due.
    pub fn new(store: Store, parameters: ChainParameters, inbox: Inbox, force_delay: Seconds) -> Self {
        Self { store, parameters: Arc::new(parameters), inbox, force_delay }
    }

    /// Waits until no message that L1 has but has not settled is due at the time of a block.
    pub async fn wait_unsettled(&self, time: Seconds) {
        self.inbox.wait_unsettled(time, self.force_delay).await;
    }

    /// The store.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// The chain's constants.
    pub fn parameters(&self) -> &ChainParameters {
        &self.parameters
    }

    /// Messages waiting.
    pub const fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// A block of the store to build on; `None` if it is not there, or no block can be put on it.
    ///
    /// # Errors
    /// The store's.
    pub fn parent(&self, hash: B256) -> Result<Option<Parent>, MachineError> {
        if !self.store.is_parent(hash) {
            return Ok(None);
        }
        let Some(block) = self.store.block(hash)? else { return Ok(None) };
        let context = decode_aux(self.parameters.rollup, &block.aux);
        match self.store.view(hash) {
            Ok(state) => Ok(Some(Parent { hash, header: block.block.header.clone(), context, state })),
            // Its branch was dropped in between.
            Err(surety_state::Error::UnknownBlock(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a block was executed and is in the store, committed or not.
    ///
    /// # Errors
    /// The store's.
    pub fn knows(&self, hash: B256) -> Result<bool, MachineError> {
        Ok(self.store.is_parent(hash) || self.store.header(hash)?.is_some())
    }

    /// Begins a block with the messages whose turn it is. Executes them.
    ///
    /// # Errors
    /// The machine's alone.
    pub fn begin(
        &self,
        parent: &Parent,
        context: ConsensusContext,
        beneficiary: Address,
    ) -> Result<Draft, MachineError> {
        let position = parent.attributes()?.message_count;
        let messages = self.inbox.choose(position, self.parameters.message_gas_per_block());
        let parts = HeaderParts { context_root: context.root(), milliseconds: context.milliseconds, beneficiary };
        let state = parent.state.clone();
        let executor =
            BlockExecutor::new(&self.parameters, &parent.header, parent.hash, parts, &messages, state.clone())
                .map_err(|e| MachineError::Engine(e.to_string()))?;
        Ok(Draft { executor, state, context })
    }

    /// Seals a draft and puts the block into the store.
    ///
    /// # Errors
    /// The machine's alone.
    pub fn seal(&self, draft: Draft) -> Result<Sealed, MachineError> {
        let Draft { executor, state, context } = draft;
        let executed = executor.finish().map_err(|e| MachineError::Engine(e.to_string()))?;
        let sealed = Sealed::new(&state, executed, Some(context))?;
        self.store.insert(sealed.0.clone())?;
        Ok(sealed)
    }

    /// Executes a proposed block on its parent and compares. A valid one is in the store afterwards.
    ///
    /// `transactions` are all of the block; the deposits at its head after the first are compared with this node's own
    /// messages.
    ///
    /// # Errors
    /// The machine's alone.
    pub fn judge(
        &self,
        parent: &Parent,
        header: &Header,
        hash: B256,
        context: ConsensusContext,
        transactions: &[Transaction],
    ) -> Result<Verdict, MachineError> {
        let position = parent.attributes()?.message_count;
        let deposits = transactions.iter().take_while(|tx| tx.is_deposit()).count();
        let Some(count) = deposits.checked_sub(1) else {
            return Ok(Verdict::Invalid(InvalidBlock::Content("it lacks the system transaction".into())));
        };
        let Some(messages) = self.inbox.range(position, count) else {
            let last = position.saturating_add((count as u64).saturating_sub(1));
            return Ok(Verdict::AwaitsMessage(last));
        };
        let payload = Payload {
            context: Some(context),
            milliseconds: context.milliseconds,
            beneficiary: header.beneficiary,
            messages,
            transactions: transactions.get(deposits..).unwrap_or_default().to_vec(),
        };
        if let Err(error) = payload::check(&self.parameters, parent.milliseconds(), &payload) {
            return Ok(Verdict::Invalid(error.into()));
        }
        let executed =
            match execute_payload(&self.parameters, &parent.header, parent.hash, &payload, parent.state.clone()) {
                Ok(executed) => executed,
                Err(ExecuteError::Reader(error)) => return Err(error.into()),
                Err(ExecuteError::Engine(text)) => return Err(MachineError::Engine(text)),
                Err(error) => return Ok(Verdict::Invalid(InvalidBlock::Content(error.to_string()))),
            };
        let sealed = Sealed::new(&parent.state, executed, Some(context))?;
        if sealed.hash() != hash {
            return Ok(Verdict::Invalid(InvalidBlock::Header { ours: sealed.hash(), theirs: hash }));
        }
        self.store.insert(sealed.0)?;
        Ok(Verdict::Valid)
    }

    /// Whether a message is known here that was due at a time and that a block and those before it have not consumed.
    ///
    /// # Errors
    /// The store's.
    pub fn owes(&self, block: &Parent, time: Seconds) -> Result<bool, MachineError> {
        let position = block.attributes()?.message_count;
        Ok(self.inbox.due(position, time, self.force_delay).is_some())
    }

    /// What a seat asks of a block's messages before it notarises it, beyond their being the next ones: at most a quarter of
    /// the gas limit, and none left out that is due and fits. What this node does not know of, it does not miss.
    ///
    /// # Errors
    /// The store's.
    pub fn check_messages(
        &self,
        parent: &Parent,
        header: &Header,
        messages: usize,
    ) -> Result<Option<InvalidBlock>, MachineError> {
        let position = parent.attributes()?.message_count;
        let consumed = self.inbox.range(position, messages).unwrap_or_default();
        let gas = consumed.iter().fold(0u64, |sum, m| sum.saturating_add(m.gas.get()));
        let room = self.parameters.message_gas_per_block().get();
        if gas > room {
            return Ok(Some(InvalidBlock::TooManyMessages { gas, room }));
        }
        let next = position.saturating_add(messages as u64);
        let due = self.inbox.due(next, Seconds::new(header.timestamp), self.force_delay);
        let fits = due.filter(|due| gas.saturating_add(due.gas.get()) <= room);
        Ok(fits.map(|due| InvalidBlock::SkipsDueMessage(due.index)))
    }
}

/// A block under construction.
pub struct Draft {
    executor: BlockExecutor<View>,
    state: View,
    context: ConsensusContext,
}

impl core::fmt::Debug for Draft {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.executor.fmt(f)
    }
}

impl Draft {
    /// Appends a transaction.
    ///
    /// # Errors
    /// Why it does not go in; the draft is as it was.
    pub fn push(&mut self, tx: Recovered<Transaction>) -> Result<PushOutcome, PushError<surety_state::Error>> {
        self.executor.push(tx)
    }

    /// Height, time, base fee.
    pub fn header(&self) -> &Header {
        self.executor.header()
    }

    /// Where in consensus it is made.
    pub const fn context(&self) -> &ConsensusContext {
        &self.context
    }

    /// Gas left.
    pub fn gas_left(&self) -> u64 {
        self.executor.gas_left()
    }

    /// What is in it so far: system transaction, messages, the list.
    pub fn transactions(&self) -> &[Transaction] {
        self.executor.transactions()
    }

    /// How many transactions are in it, the system transaction and messages included.
    pub fn len(&self) -> usize {
        self.executor.transactions().len()
    }

    /// Never: the system transaction is always in.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A sealed block with all that the store wants to know of it.
#[derive(Debug, Clone)]
pub struct Sealed(ExecutedBlock);

impl Sealed {
    fn new(state: &View, executed: ExecutedPayload, context: Option<ConsensusContext>) -> Result<Self, MachineError> {
        let roots = state.root(&executed.changes)?;
        let passer = state.storage_root_after(&roots, predeploys::L2_TO_L1_MESSAGE_PASSER)?;
        let block = seal(&executed, roots.state_root, passer);
        let hash = block.hash();
        let ExecutedPayload { senders, receipts, changes, .. } = executed;
        let aux = encode_aux(context.as_ref());
        Ok(Self(ExecutedBlock { block, hash, senders, receipts, changes, updates: roots.updates, aux }))
    }

    /// Its hash.
    pub const fn hash(&self) -> B256 {
        self.0.hash
    }

    /// Its height.
    pub const fn height(&self) -> L2Height {
        L2Height::new(self.0.block.header.number)
    }

    /// Its header.
    pub const fn header(&self) -> &Header {
        &self.0.block.header
    }

    /// All its transactions.
    pub fn transactions(&self) -> &[Transaction] {
        &self.0.block.transactions
    }
}

/// The bytes that the store keeps with each L2 block: its context, so that batches can be made of stored blocks.
/// Empty for genesis and default blocks, else term ‖ view ‖ parent view ‖ milliseconds, 8 bytes each, big endian.
pub fn encode_aux(context: Option<&ConsensusContext>) -> Bytes {
    let Some(c) = context else { return Bytes::new() };
    let numbers = [c.term.get(), c.view.get(), c.parent_view.get(), c.milliseconds.get()];
    numbers.iter().flat_map(|n| n.to_be_bytes()).collect()
}

/// Reads [`encode_aux`]; `None` for a block without context.
pub fn decode_aux(rollup: RollupId, aux: &[u8]) -> Option<ConsensusContext> {
    let (numbers, []) = aux.as_chunks::<8>() else { return None };
    let [term, view, parent_view, milliseconds] = <[_; 4]>::try_from(numbers).ok()?.map(u64::from_be_bytes);
    Some(ConsensusContext {
        rollup,
        term: Term::new(term),
        view: surety_types::View::new(view),
        parent_view: surety_types::View::new(parent_view),
        milliseconds: Milliseconds::new(milliseconds),
    })
}

#[cfg(test)]
mod tests;
