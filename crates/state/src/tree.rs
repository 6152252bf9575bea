//! The blocks above the committed head: a tree in memory, with one of its branches canonical.

use crate::{
    db::BlockRef,
    error::{Error, Result},
    layer::Layer,
    store::{StoredBlock, Tag},
    view::Above,
};
use alloy_primitives::{B256, map::B256Map};
use std::{collections::BTreeMap, sync::Arc};

/// A block in memory.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) block: Arc<StoredBlock>,
    pub(crate) layer: Arc<Layer>,
    /// Places of its transactions.
    pub(crate) transactions: B256Map<u32>,
}

/// The tree, and where the tags point.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) committed: BlockRef,
    pub(crate) head: BlockRef,
    pub(crate) safe: BlockRef,
    pub(crate) finalized: BlockRef,
    pub(crate) blocks: B256Map<Arc<Pending>>,
    /// The branch from above the committed head to the head.
    pub(crate) canonical: BTreeMap<u64, B256>,
}

impl Tree {
    pub(crate) fn new(committed: BlockRef, safe: BlockRef, finalized: BlockRef) -> Self {
        Self { committed, head: committed, safe, finalized, blocks: B256Map::default(), canonical: BTreeMap::new() }
    }

    /// The blocks from `hash` down to above `base`, newest first; `None` if there is no such way.
    pub(crate) fn path(&self, hash: B256, base: B256) -> Option<Vec<Arc<Pending>>> {
        let mut path = Vec::new();
        let mut at = hash;
        while at != base {
            let pending = self.blocks.get(&at)?;
            path.push(pending.clone());
            at = pending.block.block.header.parent_hash;
        }
        Some(path)
    }

    /// Makes the branch that ends in `hash` canonical.
    pub(crate) fn set_head(&mut self, hash: B256) -> Result<()> {
        let path = self.path(hash, self.committed.hash).ok_or(Error::UnknownBlock(hash))?;
        self.head = path.first().map_or(self.committed, |p| p.block.at());
        self.canonical = path.iter().map(|p| (p.block.block.header.number, p.block.hash)).collect();
        Ok(())
    }

    /// Moves the committed head up the tree and drops what no longer descends from it.
    pub(crate) fn commit(&mut self, committed: BlockRef) {
        let mut rest: Vec<_> = self.blocks.drain().collect();
        rest.retain(|(_, p)| p.block.block.header.number > committed.number);
        rest.sort_unstable_by_key(|(_, p)| p.block.block.header.number);
        for (hash, pending) in rest {
            let parent = pending.block.block.header.parent_hash;
            if parent == committed.hash || self.blocks.contains_key(&parent) {
                self.blocks.insert(hash, pending);
            }
        }
        self.committed = committed;
        let head = self.head.hash;
        if self.set_head(head).is_err() {
            self.head = committed;
            self.canonical.clear();
        }
    }

    pub(crate) fn tag(&self, tag: Tag) -> BlockRef {
        match tag {
            Tag::Latest => self.head,
            Tag::Safe => self.safe,
            Tag::Finalized => self.finalized,
        }
    }
}

impl Pending {
    pub(crate) fn above(&self) -> Above {
        Above { at: self.block.at(), layer: self.layer.clone() }
    }
}
