//! Blocks that feeds sent and the store does not have yet: pure bookkeeping.

use crate::consensus::block::ConsensusBlock;
use alloy_primitives::B256;
use serde::Serialize;
use std::collections::BTreeMap;
use surety_rpc::FinalizationCertificate;

/// How far above the head blocks are held.
pub(super) const WINDOW: u64 = 4_096;
/// The most bytes of blocks that are held.
const MAX_BYTES: usize = 128 << 20;
/// The most certified blocks of one height that are held: two are a catastrophe.
const MAX_RIVALS: usize = 8;

/// A block that a feed sent.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) block: ConsensusBlock,
    /// Checked against the committee.
    pub(super) certificate: Option<FinalizationCertificate>,
    /// Which feed sent it first.
    feed: usize,
}

/// Two valid certificates for different blocks of one height.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Conflict {
    /// The height.
    pub height: u64,
    /// What was known.
    pub first: FinalizationCertificate,
    /// What came.
    pub second: FinalizationCertificate,
}

/// What is held.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    heights: BTreeMap<u64, Vec<Candidate>>,
    bytes: usize,
}

impl Candidates {
    /// Takes a block up; `certificate` has been checked. A conflict is told once for each rival.
    pub(super) fn offer(
        &mut self,
        head: u64,
        block: ConsensusBlock,
        certificate: Option<FinalizationCertificate>,
        feed: usize,
    ) -> Option<Conflict> {
        let height = block.header().number;
        if height <= head || height > head.saturating_add(WINDOW) {
            return None;
        }
        let there = self.heights.entry(height).or_default();
        let rival = match &certificate {
            Some(second) => there.iter().find_map(|c| {
                let first = c.certificate.as_ref().filter(|first| first.block_hash != second.block_hash)?;
                Some(Conflict { height, first: first.clone(), second: second.clone() })
            }),
            None => None,
        };
        if let Some(known) = there.iter_mut().find(|c| c.block.hash() == block.hash()) {
            let news = known.certificate.is_none() && certificate.is_some();
            if news {
                known.certificate = certificate;
            }
            return rival.filter(|_| news);
        }
        // A feed has one block without certificate at a height: more are no use and cost memory.
        let full = match &certificate {
            Some(_) => there.iter().filter(|c| c.certificate.is_some()).count() >= MAX_RIVALS,
            None => there.iter().any(|c| c.certificate.is_none() && c.feed == feed),
        };
        if full || self.bytes.saturating_add(block.size()) > MAX_BYTES {
            return rival;
        }
        self.bytes = self.bytes.saturating_add(block.size());
        there.push(Candidate { block, certificate, feed });
        rival
    }

    /// The blocks from the head to the highest certified one that stands on it, lowest first.
    pub(super) fn path(&self, head: (u64, B256)) -> Vec<Candidate> {
        // The first certified block of a height counts; what L1 says replaces it where that was wrong.
        let certified = self.heights.iter().rev().flat_map(|(_, there)| there).filter(|c| c.certificate.is_some());
        for top in certified {
            let mut path = vec![top.clone()];
            let mut wanted = top.block.header().parent_hash;
            let mut height = top.block.header().number;
            while height > head.0.saturating_add(1) {
                height = height.saturating_sub(1);
                let there = self.heights.get(&height).into_iter().flatten();
                let Some(parent) = there.into_iter().find(|c| c.block.hash() == wanted) else { break };
                wanted = parent.block.header().parent_hash;
                path.push(parent.clone());
            }
            if height == head.0.saturating_add(1) && wanted == head.1 {
                path.reverse();
                return path;
            }
        }
        Vec::new()
    }

    /// Forgets what is not above the head, and what can never stand on it.
    pub(super) fn prune(&mut self, head: u64) {
        let above = self.heights.split_off(&head.saturating_add(1));
        self.heights = above;
        self.count();
    }

    /// Forgets a block that execution refused.
    pub(super) fn drop_block(&mut self, hash: B256) {
        for there in self.heights.values_mut() {
            there.retain(|c| c.block.hash() != hash);
        }
        self.count();
    }

    fn count(&mut self) {
        self.bytes = self.heights.values().flatten().map(|c| c.block.size()).sum();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.heights.values().map(Vec::len).sum()
    }
}
