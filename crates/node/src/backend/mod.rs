//! What the RPC server asks of a node: a sequencer (with a pool) or a follower (without).
//!
//! `latest` is the store's head, `safe` and `finalized` are the tags that the node's follower moves. Head changes are
//! found by comparing the store's chain with what was announced last, so whoever extends the chain only says "look"
//! ([`NodeBackend::refresh`]) and announcements are in order, whoever says so.

mod batches;
mod convert;

pub use batches::{BatchLog, BatchLogError};

use crate::{
    clock,
    follower::DerivedBatch,
    pool::{Origin, Pool},
    soft::Forwarder,
};
use alloy_primitives::{Address, B256, U64};
use futures::{FutureExt as _, future::BoxFuture};
use parking_lot::{Mutex, RwLock};
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};
use surety_rpc::{
    Backend, ChainKind, Feed, Finality, FinalityLevel, HeadChange, PoolContent, Submission, SubmitError, Tags,
};
use surety_state::{BlockRef, Store, StoredBlock, Tag};
use surety_stf::execute::op::L1Attributes;
use surety_types::{ChainParameters, L2Height, MessageIndex, Recovered, Seconds, Transaction};
use tokio::sync::broadcast;

/// Blocks announced at once at most; a node that was behind by more announces the newest ones.
const MAX_ANNOUNCED: u64 = 1_024;

/// A node as its RPC server sees it.
pub struct NodeBackend {
    store: Store,
    chain: ChainKind,
    pool: Option<Arc<Pool>>,
    heads: broadcast::Sender<Arc<HeadChange>>,
    /// Stays silent on nodes without a pool.
    pool_transactions: broadcast::Sender<Arc<Recovered<Transaction>>>,
    announced: Mutex<BlockRef>,
    batches: RwLock<BatchLog>,
    challenge_period: Seconds,
    l1_time: AtomicU64,
    feed: OnceLock<Arc<Feed>>,
    forwarder: OnceLock<Arc<Forwarder>>,
}

impl core::fmt::Debug for NodeBackend {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("NodeBackend").field("store", &self.store.head()).finish_non_exhaustive()
    }
}

impl NodeBackend {
    /// A backend; `pool` makes it take transactions.
    pub fn new(
        store: Store,
        parameters: ChainParameters,
        challenge_period: Seconds,
        pool: Option<Arc<Pool>>,
        batches: BatchLog,
    ) -> Arc<Self> {
        let announced = Mutex::new(store.head());
        Arc::new(Self {
            store,
            chain: ChainKind::L2(parameters),
            pool,
            heads: broadcast::Sender::new(1_024),
            pool_transactions: broadcast::Sender::new(4_096),
            announced,
            batches: RwLock::new(batches),
            challenge_period,
            l1_time: AtomicU64::new(0),
            feed: OnceLock::new(),
            forwarder: OnceLock::new(),
        })
    }

    /// Publishes a feed. The first one stays.
    pub fn publish(&self, feed: Arc<Feed>) {
        // Set twice only by mistake, and then the first serves as well.
        let _ = self.feed.set(feed);
    }

    /// Passes transactions on instead of keeping them: for a node without a pool. The first one stays.
    pub fn forward(&self, forwarder: Arc<Forwarder>) {
        let _ = self.forwarder.set(forwarder);
    }

    /// Passes what the pool takes on to subscribers, until the pool or the backend is gone.
    pub async fn announce_pool(self: Arc<Self>) {
        let Some(pool) = self.pool.clone() else { return };
        let mut arrivals = pool.subscribe();
        loop {
            match arrivals.recv().await {
                Ok(arrival) if self.pool_transactions.receiver_count() > 0 => {
                    // Subscribers may be gone by now.
                    let _ = self.pool_transactions.send(Arc::new(arrival.transaction.clone()));
                }
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }

    /// Announces what is new at the head. `removed` are blocks that left the chain, lowest first.
    ///
    /// # Errors
    /// The store's.
    pub fn refresh(&self, removed: &[Arc<StoredBlock>]) -> surety_state::Result<()> {
        let mut announced = self.announced.lock();
        let head = self.store.head();
        // What was removed is told also if somebody has noticed the lower head before.
        if head == *announced && removed.is_empty() {
            return Ok(());
        }
        let from = removed.first().map_or(announced.number, |lowest| lowest.block.header.number.saturating_sub(1));
        let from = from.max(head.number.saturating_sub(MAX_ANNOUNCED));
        let mut added = Vec::new();
        for number in from.saturating_add(1)..=head.number {
            added.extend(self.store.block_by_number(number)?);
        }
        *announced = head;
        let removed = removed.iter().rev().cloned().collect();
        // Nobody listening is no error.
        let _ = self.heads.send(Arc::new(HeadChange { removed, added }));
        Ok(())
    }

    /// Puts the transactions of blocks that left the chain back into the pool, if there is one, as of the head. Returns how
    /// many messages the chain has consumed.
    ///
    /// # Errors
    /// The store's.
    pub fn take_back(&self, removed: &[Arc<StoredBlock>]) -> surety_state::Result<MessageIndex> {
        let head = self.store.head();
        let state = self.store.view(head.hash)?;
        let position = L1Attributes::read(&state)?.message_count;
        if let (Some(pool), Some(header)) = (&self.pool, self.store.header(head.hash)?) {
            let transactions = removed.iter().flat_map(|b| b.block.transactions.iter().zip(&b.senders));
            let transactions = transactions.filter(|(tx, _)| !tx.is_deposit());
            let transactions = transactions.map(|(tx, sender)| Recovered::new_unchecked(tx.clone(), *sender)).collect();
            pool.set_head(&header, state, &[], transactions, clock::now())?;
        }
        Ok(position)
    }

    /// Notes a derived batch, for `surety_finality`.
    ///
    /// # Errors
    /// The log on disk cannot be written.
    pub fn record(&self, batch: &DerivedBatch) -> Result<(), BatchLogError> {
        self.batches.write().push(*batch)
    }

    /// Notes L1's time, which decides whether a challenge period is over.
    pub fn set_l1_time(&self, time: Seconds) {
        self.l1_time.store(time.get(), Ordering::Relaxed);
    }

    fn level(&self, height: u64, challenge_ends: Option<u64>) -> FinalityLevel {
        let ended = challenge_ends.is_some_and(|end| self.l1_time.load(Ordering::Relaxed) >= end);
        match (ended, height) {
            (true, _) => FinalityLevel::Final,
            (_, h) if h <= self.store.tag(Tag::Finalized).number => FinalityLevel::Settled,
            (_, h) if h <= self.store.tag(Tag::Safe).number => FinalityLevel::Posted,
            _ => FinalityLevel::Soft,
        }
    }
}

impl Backend for NodeBackend {
    fn store(&self) -> &Store {
        &self.store
    }

    fn chain(&self) -> &ChainKind {
        &self.chain
    }

    fn tags(&self) -> Tags {
        Tags {
            latest: self.store.head(),
            safe: Some(self.store.tag(Tag::Safe)),
            finalized: Some(self.store.tag(Tag::Finalized)),
        }
    }

    fn head_changes(&self) -> broadcast::Receiver<Arc<HeadChange>> {
        self.heads.subscribe()
    }

    fn pool_transactions(&self) -> broadcast::Receiver<Arc<Recovered<Transaction>>> {
        self.pool_transactions.subscribe()
    }

    fn submit(&self, submission: Submission) -> BoxFuture<'_, Result<B256, SubmitError>> {
        async move {
            let Some(pool) = &self.pool else {
                let forwarder = self.forwarder.get().ok_or(SubmitError::ReadOnly)?;
                return forwarder.submit(&submission).await;
            };
            let expected = self.chain.chain_id();
            pool.add(submission.transaction, Origin::User, clock::now())
                .map_err(|error| convert::refused(error, expected))
        }
        .boxed()
    }

    fn pool_transaction(&self, hash: B256) -> Option<Arc<Recovered<Transaction>>> {
        Some(Arc::new(self.pool.as_ref()?.get(&hash)?.transaction.clone()))
    }

    fn pool_nonce(&self, sender: Address) -> Option<u64> {
        self.pool.as_ref()?.next_nonce(sender)
    }

    fn pool_content(&self, sender: Option<Address>) -> PoolContent {
        self.pool.as_ref().map(|pool| convert::content(pool.content(sender))).unwrap_or_default()
    }

    fn pool_status(&self) -> (usize, usize) {
        self.pool.as_ref().map(|pool| pool.status()).unwrap_or_default()
    }

    fn feed(&self) -> Option<&Feed> {
        self.feed.get().map(AsRef::as_ref)
    }

    fn finality(&self, height: L2Height) -> Option<Finality> {
        let hash = self.store.canonical_hash(height.get()).ok().flatten()?;
        let batches = self.batches.read();
        let batch = batches.holding(height).filter(|_| height.get() <= self.store.tag(Tag::Safe).number);
        let claimed = batch.and_then(|b| batches.claimed_with(b.index));
        let challenge_ends =
            claimed.and_then(|b| b.block).map(|block| block.time.saturating_add(self.challenge_period.get()).get());
        let genesis = height == L2Height::ZERO;
        Some(Finality {
            height: U64::from(height.get()),
            hash,
            level: if genesis { FinalityLevel::Final } else { self.level(height.get(), challenge_ends) },
            batch: batch.map(|b| U64::from(b.index.get())),
            claim: batch.map(|b| b.claim.id()),
            l1_block: batch.and_then(|b| b.block).map(|block| U64::from(block.number.get())),
            l1_transaction: batch.map(|b| b.transaction),
            challenge_ends: challenge_ends.map(U64::from),
        })
    }
}
