//! What all methods share: the backend, filters, the line for heavy requests, and how a block argument
//! becomes a block.

use crate::{
    Backend, BlockRef, ChainKind, Config, StoredBlock,
    error::RpcError,
    eth::{fees::TipCache, filters::Filters},
    history::{self, State},
    json::BlockFees,
    l1_fees::L1Attributes,
};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::B256;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use surety_types::Header;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast::error::RecvError};

/// The context of every method.
pub(crate) struct Rpc {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) config: Config,
    pub(crate) filters: Filters,
    pub(crate) tips: TipCache,
    heavy: Arc<Semaphore>,
    line: Arc<Semaphore>,
}

impl Rpc {
    pub(crate) fn new(backend: Arc<dyn Backend>, config: Config) -> Self {
        Self {
            filters: Filters::new(config.max_filters, config.filter_lifetime),
            tips: TipCache::default(),
            heavy: Arc::new(Semaphore::new(config.heavy_at_once.max(1))),
            line: Arc::new(Semaphore::new(config.heavy_at_once.max(1).saturating_add(config.heavy_waiting))),
            backend,
            config,
        }
    }

    /// Feeds the filters; ends when the backend is gone.
    pub(crate) async fn follow_head(self: Arc<Self>) {
        let mut changes = self.backend.head_changes();
        let mut transactions = self.backend.pool_transactions();
        let mut tick = tokio::time::interval(Duration::from_secs(5));
        loop {
            tokio::select! {
                change = changes.recv() => match change {
                    Ok(change) => {
                        self.filters.head_changed(&change);
                    }
                    Err(RecvError::Lagged(missed)) => {
                        tracing::warn!(missed, "rpc.follow_head: block events were missed; filters on them are gone");
                        self.filters.missed_blocks();
                    }
                    Err(RecvError::Closed) => return,
                },
                transaction = transactions.recv() => match transaction {
                    Ok(transaction) => self.filters.transaction(*transaction.hash()),
                    Err(RecvError::Lagged(_)) => self.filters.missed_transactions(),
                    Err(RecvError::Closed) => return,
                },
                _ = tick.tick() => {
                    self.filters.expire(Instant::now());
                    crate::metrics::filters(self.chain_name(), self.filters.len());
                }
            }
        }
    }

    /// A place among the heavy requests.
    pub(crate) async fn enter(&self) -> Result<(OwnedSemaphorePermit, OwnedSemaphorePermit), RpcError> {
        let line = self
            .line
            .clone()
            .try_acquire_owned()
            .map_err(|_| RpcError::Limit("too many requests are waiting: try again later".to_owned()))?;
        let permit = self.heavy.clone().acquire_owned().await.map_err(RpcError::internal)?;
        Ok((line, permit))
    }

    /// `l1` or `l2`, for metrics.
    pub(crate) fn chain_name(&self) -> &'static str {
        match self.backend.chain() {
            ChainKind::L1(_) => "l1",
            ChainKind::L2(_) => "l2",
        }
    }

    /// The block that `id` names, if the chain has it.
    pub(crate) fn resolve(&self, id: BlockId) -> Result<Option<BlockRef>, RpcError> {
        let tags = self.backend.tags();
        let number = match id {
            BlockId::Hash(wanted) => {
                let Some(number) = history::number(self.backend.store(), wanted.block_hash)? else { return Ok(None) };
                let found = BlockRef { number, hash: wanted.block_hash };
                if wanted.require_canonical == Some(true)
                    && history::canonical(self.backend.store(), number)? != Some(found.hash)
                {
                    return Err(RpcError::Refused(format!("hash {} is not currently canonical", found.hash)));
                }
                return Ok(Some(found));
            }
            BlockId::Number(BlockNumberOrTag::Latest | BlockNumberOrTag::Pending) => return Ok(Some(tags.latest)),
            BlockId::Number(BlockNumberOrTag::Safe) => match tags.safe {
                Some(block) => return Ok(Some(block)),
                None => 0,
            },
            BlockId::Number(BlockNumberOrTag::Finalized) => match tags.finalized {
                Some(block) => return Ok(Some(block)),
                None => 0,
            },
            BlockId::Number(BlockNumberOrTag::Earliest) => 0,
            BlockId::Number(BlockNumberOrTag::Number(number)) => number,
        };
        if number > tags.latest.number {
            return Ok(None);
        }
        Ok(history::canonical(self.backend.store(), number)?.map(|hash| BlockRef { number, hash }))
    }

    /// As [`Rpc::resolve`], but a block that is not there is an error, in geth's words.
    pub(crate) fn must_resolve(&self, id: BlockId) -> Result<BlockRef, RpcError> {
        self.resolve(id)?.ok_or(RpcError::NoBlock)
    }

    /// The block with its receipts.
    pub(crate) fn block(&self, block: BlockRef) -> Result<Arc<StoredBlock>, RpcError> {
        history::block(self.backend.store(), block.hash)?.ok_or(RpcError::NoBlock)
    }

    /// The block that `id` names, with its receipts, if the chain has it.
    pub(crate) fn find(&self, id: BlockId) -> Result<Option<Arc<StoredBlock>>, RpcError> {
        self.resolve(id)?.map(|block| self.block(block)).transpose()
    }

    /// The header that `id` names.
    pub(crate) fn header(&self, block: BlockRef) -> Result<Header, RpcError> {
        history::header(self.backend.store(), block.hash)?.ok_or(RpcError::NoBlock)
    }

    /// A mined transaction: its block and its place there. The store may be a block ahead of `latest`: nobody is to hear of a
    /// receipt whose effects calls do not see yet.
    pub(crate) fn mined(&self, hash: B256) -> Result<Option<(Arc<StoredBlock>, usize)>, RpcError> {
        let Some((block, index)) = history::transaction(self.backend.store(), hash)? else { return Ok(None) };
        let latest = self.backend.tags().latest.number;
        let block = history::block(self.backend.store(), block)?.filter(|block| block.block.header.number <= latest);
        Ok(block.map(|block| (block, index)))
    }

    /// The state after the block that `id` names.
    pub(crate) fn state(&self, id: BlockId) -> Result<(BlockRef, State), RpcError> {
        let block = self.must_resolve(id)?;
        Ok((block, history::state(self.backend.store(), block)?))
    }

    /// What receipts of this block need beside it.
    pub(crate) fn block_fees(&self, block: &StoredBlock) -> BlockFees {
        match self.backend.chain() {
            ChainKind::L1(_) => BlockFees {
                blob_gas_price: crate::rules::blob_base_fee(self.backend.chain(), &block.block.header),
                l1: None,
            },
            ChainKind::L2(_) => {
                BlockFees { blob_gas_price: None, l1: block.block.transactions.first().and_then(L1Attributes::of) }
            }
        }
    }
}
