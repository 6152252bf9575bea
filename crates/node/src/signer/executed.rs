//! The blocks that this node has executed, as far back as it may have to sign for them.

use alloy_primitives::{B256, map::HashMap};
use parking_lot::RwLock;
use std::collections::BTreeMap;
use surety_types::{L2Height, claim::MAX_BATCH_BLOCKS};

/// Hashes of executed blocks by height. Heights further than two of the longest batches below the highest are forgotten.
#[derive(Debug, Default)]
pub struct ExecutedBlocks(RwLock<Inner>);

#[derive(Debug, Default)]
struct Inner {
    by_height: BTreeMap<u64, Vec<B256>>,
    heights: HashMap<B256, u64>,
}

impl ExecutedBlocks {
    /// Notes that this node executed a block and found its header right.
    pub fn mark(&self, height: L2Height, hash: B256) {
        let mut inner = self.0.write();
        if inner.heights.insert(hash, height.get()).is_none() {
            inner.by_height.entry(height.get()).or_default().push(hash);
        }
        let highest = inner.by_height.last_key_value().map_or(0, |(height, _)| *height);
        let lowest = highest.saturating_sub(MAX_BATCH_BLOCKS.saturating_mul(2));
        while let Some(entry) = inner.by_height.first_entry()
            && *entry.key() < lowest
        {
            for hash in entry.remove() {
                inner.heights.remove(&hash);
            }
        }
    }

    /// Whether the block with this hash was executed here.
    pub fn contains(&self, hash: &B256) -> bool {
        self.0.read().heights.contains_key(hash)
    }
}
