//! What L1 wrote down of batches, claims and messages, read backwards from its head.
//!
//! A user needs the newest part of it: the last final claim, the batch that holds a block, the messages from one on.
//! [`Records`] reads the contracts' logs range by range, from the head down, only as far as the question asks. It is about
//! one head: who waits for something begins anew, or takes a [`Memory`] of what is settled along.
//!
//! Of a batch that nobody signed there may be several claims; of a final one there is always one, and all batches before it
//! have one too (`IClaims`). So the last final claim is found by halves.

use crate::{
    L1Error,
    chain::{BlockAt, BlockRef, L1, L1Log},
    contracts::Contracts,
    follow::message_of,
};
use alloy::sol_types::{SolEvent, SolStruct as _};
use alloy_primitives::B256;
use std::collections::BTreeMap;
use surety_contracts::{
    Addresses, ChainFile,
    bindings::{Claims, Inbox},
};
use surety_types::{BatchIndex, L1Height, L2Height, Message, MessageIndex, RollupId, claim::Claim, signing::Batch};

/// Every so many batches the inbox keeps the chain of statements (`Inbox.TIP_INTERVAL`).
const TIP_INTERVAL: u64 = 32;
/// Blocks asked for at once, at first.
const RANGE: u64 = 1_000;

/// A batch, as L1 took it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchRecord {
    /// Its number; 0 is genesis.
    pub index: BatchIndex,
    /// Its first block.
    pub first: L2Height,
    /// Its last block.
    pub last: L2Height,
    /// The L1 block that took it.
    pub l1_block: L1Height,
}

/// A message, as L1 took it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentMessage {
    /// The message.
    pub message: Message,
    /// The accumulator after it.
    pub acc: B256,
}

/// Batches and claims of blocks that L1 hardly takes back, for the records below a later head.
#[derive(Debug, Clone)]
pub struct Memory {
    from: L1Height,
    until: BlockRef,
    batches: BTreeMap<BatchIndex, (BatchRecord, Batch)>,
    claims: BTreeMap<BatchIndex, Vec<(L1Height, Claim)>>,
}

/// L1's records below one head.
pub struct Records<'a> {
    l1: &'a dyn L1,
    addresses: Addresses,
    rollup: RollupId,
    genesis: Claim,
    /// The first block of the contracts.
    start: L1Height,
    head: BlockRef,
    /// Everything from this block on was read.
    from: L1Height,
    range: u64,
    batches: BTreeMap<BatchIndex, (BatchRecord, Batch)>,
    /// Each with the block in which it came.
    claims: BTreeMap<BatchIndex, Vec<(L1Height, Claim)>>,
    messages: BTreeMap<MessageIndex, SentMessage>,
    /// What need not be read again.
    memory: Option<Memory>,
    /// Whether some of it was taken: then not all blocks from [`Self::from`] on were read for messages.
    has_resumed: bool,
}

impl std::fmt::Debug for Records<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records").field("head", &self.head).field("from", &self.from).finish_non_exhaustive()
    }
}

impl<'a> Records<'a> {
    /// Takes L1's head; reads nothing else yet.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn new(l1: &'a dyn L1, chain: &ChainFile) -> Result<Self, L1Error> {
        let head = l1.block(BlockAt::Latest).await?.ok_or_else(|| L1Error::UnknownBlock("latest".into()))?;
        Ok(Self::at(l1, chain, head))
    }

    /// The same below a head that is known.
    pub fn at(l1: &'a dyn L1, chain: &ChainFile, head: BlockRef) -> Self {
        let rollup = chain.parameters.rollup;
        Self {
            l1,
            addresses: chain.addresses,
            rollup,
            genesis: Claim::genesis(rollup, chain.parameters.genesis_hash),
            start: chain.l1_start,
            head,
            from: head.number.next(),
            range: RANGE,
            batches: BTreeMap::new(),
            claims: BTreeMap::new(),
            messages: BTreeMap::new(),
            memory: None,
            has_resumed: false,
        }
    }

    /// The same with what was read below an earlier head, if L1 still has its blocks.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn resume(
        l1: &'a dyn L1,
        chain: &ChainFile,
        head: BlockRef,
        memory: Option<Memory>,
    ) -> Result<Self, L1Error> {
        let mut records = Self::at(l1, chain, head);
        let Some(memory) = memory.filter(|memory| memory.until.number <= head.number) else { return Ok(records) };
        if l1.block(BlockAt::Number(memory.until.number)).await?.is_some_and(|block| block.hash == memory.until.hash) {
            records.memory = Some(memory);
        } else {
            tracing::warn!(block = %memory.until.number, "L1 took back what was settled: its records are read again");
        }
        Ok(records)
    }

    /// What was read of batches from `oldest` on in blocks up to `until`. `None` if those were not reached.
    #[must_use]
    pub fn remember(&self, until: BlockRef, oldest: BatchIndex) -> Option<Memory> {
        if self.from > until.number {
            return self.memory.clone();
        }
        let is_settled = |block: L1Height| block <= until.number;
        let batches: BTreeMap<_, _> = self
            .batches
            .range(oldest..)
            .filter(|(_, (batch, _))| is_settled(batch.l1_block))
            .map(|(i, b)| (*i, b.clone()))
            .collect();
        let claims = self
            .claims
            .range(oldest..)
            .map(|(index, claims)| (*index, claims.iter().filter(|(block, _)| is_settled(*block)).copied().collect()));
        // A claim comes with its batch or later.
        let from = batches.get(&oldest).map_or(self.from, |(batch, _)| batch.l1_block.max(self.from));
        Some(Memory { from, until, claims: claims.collect(), batches })
    }

    /// The head that all this is about.
    pub const fn head(&self) -> BlockRef {
        self.head
    }

    /// The contracts in the state of that head, and what names it.
    pub fn contracts(&self) -> (Contracts<'a>, BlockAt) {
        (Contracts::new(self.l1, self.addresses), BlockAt::Hash(self.head.hash))
    }

    /// The last final claim.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn last_final(&mut self) -> Result<Claim, L1Error> {
        let mut low = loop {
            let oldest = self.claims.keys().next().copied();
            if let Some(index) = oldest
                && let Some(claim) = self.final_of(index).await?
            {
                break (index, claim);
            }
            if !self.read_back().await? {
                break (BatchIndex::ZERO, self.genesis);
            }
        };
        let indexes: Vec<_> = self.claims.range(low.0.next()..).map(|(index, _)| *index).collect();
        let mut open = indexes.as_slice();
        while !open.is_empty() {
            let (before, after) = open.split_at(open.len() / 2);
            let Some((index, after)) = after.split_first() else { break };
            match self.final_of(*index).await? {
                Some(claim) => (low, open) = ((*index, claim), after),
                None => open = before,
            }
        }
        Ok(low.1)
    }

    /// The final claim of a batch that was read.
    async fn final_of(&self, index: BatchIndex) -> Result<Option<Claim>, L1Error> {
        if index == BatchIndex::ZERO {
            return Ok(Some(self.genesis));
        }
        let (contracts, at) = self.contracts();
        for (_, claim) in self.claims.get(&index).into_iter().flatten() {
            if contracts.claim(claim.id(), at).await?.is_some_and(|status| status.is_final) {
                return Ok(Some(*claim));
            }
        }
        Ok(None)
    }

    /// What a claim's id commits to; `None` if L1 has no such claim.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn claim(&mut self, id: B256) -> Result<Option<Claim>, L1Error> {
        if id == self.genesis.id() {
            return Ok(Some(self.genesis));
        }
        loop {
            if let Some((_, claim)) = self.claims.values().flatten().find(|(_, claim)| claim.id() == id) {
                return Ok(Some(*claim));
            }
            if !self.read_back().await? {
                return Ok(None);
            }
        }
    }

    /// The claims that stand for a batch, in the order of their posting.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn claims_of(&mut self, index: BatchIndex) -> Result<Vec<Claim>, L1Error> {
        // A claim comes with its batch or later.
        self.batch(index).await?;
        Ok(self.claims.get(&index).into_iter().flatten().map(|(_, claim)| *claim).collect())
    }

    /// A batch; `None` if there is none of this number yet. Genesis is number 0.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn batch(&mut self, index: BatchIndex) -> Result<Option<BatchRecord>, L1Error> {
        if index == BatchIndex::ZERO {
            let (first, last, l1_block) = (L2Height::ZERO, L2Height::ZERO, self.start);
            return Ok(Some(BatchRecord { index, first, last, l1_block }));
        }
        loop {
            if let Some((batch, _)) = self.batches.get(&index) {
                return Ok(Some(*batch));
            }
            if self.batches.keys().next().is_some_and(|oldest| *oldest < index) || !self.read_back().await? {
                return Ok(None);
            }
        }
    }

    /// A batch's statement, and the struct hashes of those behind it that show L1 that it was posted
    /// (`IInbox.checkPosted`); `None` if there is none of this number yet.
    ///
    /// # Errors
    /// [`L1Error`]; also if logs are missing.
    pub async fn posted(&mut self, index: BatchIndex) -> Result<Option<(Batch, Vec<B256>)>, L1Error> {
        self.batch(index).await?;
        let kept = BatchIndex::new(index.get().next_multiple_of(TIP_INTERVAL));
        let mut batches = self.batches.range(index..=kept).map(|(index, (_, statement))| (index, statement));
        let Some((_, statement)) = batches.next().filter(|(first, _)| **first == index) else { return Ok(None) };
        let mut later = Vec::new();
        for (place, (other, statement)) in (index.next().get()..).zip(batches) {
            if other.get() != place {
                return Err(L1Error::invalid("eth_getLogs", format!("batch {place} is missing")));
            }
            later.push(statement.eip712_hash_struct());
        }
        Ok(Some((statement.clone(), later)))
    }

    /// The batch that holds an L2 block; `None` if it is in none yet.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn batch_at(&mut self, height: L2Height) -> Result<Option<BatchRecord>, L1Error> {
        if height == L2Height::ZERO {
            return self.batch(BatchIndex::ZERO).await;
        }
        loop {
            if let Some((batch, _)) =
                self.batches.values().find(|(batch, _)| batch.first <= height && height <= batch.last)
            {
                return Ok(Some(*batch));
            }
            let newer = self.batches.values().next().is_some_and(|(oldest, _)| oldest.first <= height);
            if newer || !self.read_back().await? {
                return Ok(None);
            }
        }
    }

    /// All messages from one on, in order, each checked to lead to its accumulator.
    ///
    /// # Errors
    /// [`L1Error`]; also if logs are missing.
    pub async fn messages_from(&mut self, index: MessageIndex) -> Result<Vec<SentMessage>, L1Error> {
        self.memory = None;
        if std::mem::take(&mut self.has_resumed) {
            self.from = self.head.number.next();
        }
        loop {
            if self.messages.keys().next().is_some_and(|oldest| *oldest <= index) || !self.read_back().await? {
                break;
            }
        }
        let sent: Vec<_> = self.messages.range(index..).map(|(_, sent)| sent.clone()).collect();
        let mut before: Option<&SentMessage> = None;
        for (place, sent) in (index.get()..).zip(&sent) {
            let leads = before.is_none_or(|before| sent.message.accumulate(before.acc) == sent.acc);
            if sent.message.index.get() != place || !leads {
                return Err(L1Error::invalid("eth_getLogs", format!("message {place} is missing or another one")));
            }
            before = Some(sent);
        }
        Ok(sent)
    }

    /// The accumulator before a message.
    ///
    /// # Errors
    /// [`L1Error`]; also if there is no message before it in the logs.
    pub async fn accumulator_before(&mut self, index: MessageIndex) -> Result<B256, L1Error> {
        let Some(before) = index.checked_sub(1) else { return Ok(B256::ZERO) };
        self.messages_from(before).await?;
        let sent = self.messages.get(&before);
        sent.map(|sent| sent.acc).ok_or_else(|| L1Error::invalid("eth_getLogs", format!("message {before} is missing")))
    }

    /// Reads the next older range; false if all was read.
    async fn read_back(&mut self) -> Result<bool, L1Error> {
        if self.from <= self.start {
            return Ok(false);
        }
        if let Some(memory) = self.memory.take_if(|memory| memory.until.number.next() >= self.from) {
            for (block, claim) in memory.claims.into_values().flatten() {
                self.add_claim(block, claim);
            }
            self.batches.extend(memory.batches);
            (self.from, self.has_resumed) = (memory.from, true);
            return Ok(true);
        }
        let addresses = [self.addresses.inbox, self.addresses.claims];
        let to = self.from.saturating_sub(1);
        let floor = self.memory.as_ref().map_or(self.start, |memory| memory.until.number.next());
        let logs = loop {
            let from = floor.max(self.from.saturating_sub(self.range));
            match self.l1.logs(from, to, &addresses).await {
                Err(L1Error::TooLarge { .. }) if self.range > 1 => self.range = self.range.div_ceil(2),
                other => break other.map(|logs| (from, logs))?,
            }
        };
        for log in &logs.1 {
            self.take(log)?;
        }
        self.from = logs.0;
        Ok(true)
    }

    fn take(&mut self, log: &L1Log) -> Result<(), L1Error> {
        let undecodable = |e: alloy::sol_types::Error| L1Error::invalid("eth_getLogs", format!("a log: {e}"));
        match log.log.topics().first() {
            Some(&Inbox::BatchPosted::SIGNATURE_HASH) => {
                let event = Inbox::BatchPosted::decode_log(&log.log).map_err(undecodable)?.data;
                let (index, statement) = (BatchIndex::new(event.batchIndex), Batch::from(event.statement));
                let (first, last) = (L2Height::new(statement.firstHeight), L2Height::new(statement.lastHeight));
                let record = BatchRecord { index, first, last, l1_block: log.block_number };
                // A self-sequenced batch has no claim of its own.
                if event.signers != 0 {
                    self.add_claim(log.block_number, Claim { rollup: self.rollup, ..Claim::stated(index, &statement) });
                }
                self.batches.insert(index, (record, statement));
            }
            Some(&Claims::ClaimBonded::SIGNATURE_HASH) => {
                let event = Claims::ClaimBonded::decode_log(&log.log).map_err(undecodable)?.data;
                self.add_claim(log.block_number, of_event(self.rollup, &event.claim));
            }
            Some(&Claims::ClaimCarried::SIGNATURE_HASH) => {
                let event = Claims::ClaimCarried::decode_log(&log.log).map_err(undecodable)?.data;
                self.add_claim(log.block_number, of_event(self.rollup, &event.claim));
            }
            Some(&Inbox::MessageSent::SIGNATURE_HASH) => {
                let sent = sent_message(log)?;
                self.messages.insert(sent.message.index, sent);
            }
            _ => {}
        }
        Ok(())
    }

    /// In the order of their posting, though later blocks are read first; who signs a claim that is there posts nothing new.
    fn add_claim(&mut self, block: L1Height, claim: Claim) {
        let known = self.claims.entry(claim.batch_index).or_default();
        if let Some(place) = known.iter().position(|(_, other)| *other == claim) {
            if known.get(place).is_some_and(|(at, _)| *at <= block) {
                return;
            }
            known.remove(place);
        }
        known.insert(known.partition_point(|(at, _)| *at <= block), (block, claim));
    }
}

fn of_event(rollup: RollupId, claim: &Claims::ClaimPreimage) -> Claim {
    Claim {
        rollup,
        batch_index: BatchIndex::new(claim.batchIndex),
        parent: claim.parentId,
        prev_hash: claim.prevHash,
        last_hash: claim.lastHash,
        block_hash_root: claim.blockHashRoot,
    }
}

/// The message that a `MessageSent` log tells of.
///
/// # Errors
/// It is no such log.
pub fn sent_message(log: &L1Log) -> Result<SentMessage, L1Error> {
    let event = Inbox::MessageSent::decode_log(&log.log);
    let event = event.map_err(|e| L1Error::invalid("eth_getLogs", format!("a MessageSent log: {e}")))?.data;
    let acc = event.acc;
    Ok(SentMessage { message: message_of(event)?, acc })
}

#[cfg(test)]
mod tests;
