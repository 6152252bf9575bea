//! Hashes that tie batches, claims and the inbox together (protocol §15.2, §15.3, §15.5).

use crate::{BatchIndex, RollupId, signing::Batch};
use alloc::vec::Vec;
use alloy_primitives::{B256, U256, keccak256};
use alloy_sol_types::SolValue;

/// Depth of the tree over a batch's block hashes.
pub const BLOCK_TREE_DEPTH: usize = 15;
/// The most blocks that a batch may have.
pub const MAX_BATCH_BLOCKS: u64 = 1 << BLOCK_TREE_DEPTH;
/// Bytes of one page of call data.
pub const PAGE_SIZE: usize = 4096;
/// The most call data that a batch may carry, in bytes.
pub const MAX_CALLDATA: usize = 128 * 1024;

/// A leaf: `keccak256(0x00 ‖ data)`.
pub fn leaf_hash(data: &[u8]) -> B256 {
    let mut hasher = alloy_primitives::Keccak256::new();
    hasher.update([0u8]);
    hasher.update(data);
    hasher.finalize()
}

/// An inner node: `keccak256(0x01 ‖ left ‖ right)`.
pub fn node_hash(left: B256, right: B256) -> B256 {
    let mut hasher = alloy_primitives::Keccak256::new();
    hasher.update([1u8]);
    hasher.update(left);
    hasher.update(right);
    hasher.finalize()
}

/// All levels of the tree over some leaves, padded on the right by `padding` (a leaf hash) to `2^depth`.
fn levels(mut level: Vec<B256>, mut padding: B256, depth: usize) -> Vec<Vec<B256>> {
    let mut all = Vec::with_capacity(depth.saturating_add(1));
    for _ in 0..depth {
        let next = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => node_hash(*left, *right),
                [left] => node_hash(*left, padding),
                _ => padding,
            })
            .collect();
        all.push(level);
        level = next;
        padding = node_hash(padding, padding);
    }
    all.push(level);
    all
}

/// The tree over the block hashes of one batch: `blockHashRoot` and the paths in it.
#[derive(Debug, Clone)]
pub struct BlockHashTree {
    levels: Vec<Vec<B256>>,
}

impl BlockHashTree {
    /// Builds the tree over hashes in order of height. `None` if there are none or more than [`MAX_BATCH_BLOCKS`].
    pub fn new(hashes: &[B256]) -> Option<Self> {
        if hashes.is_empty() || hashes.len() as u64 > MAX_BATCH_BLOCKS {
            return None;
        }
        let leaves = hashes.iter().map(|h| leaf_hash(h.as_slice())).collect();
        Some(Self { levels: levels(leaves, leaf_hash(&[0; 32]), BLOCK_TREE_DEPTH) })
    }

    /// `blockHashRoot`.
    pub fn root(&self) -> B256 {
        self.levels.last().and_then(|l| l.first()).copied().unwrap_or_default()
    }

    /// The siblings of leaf `index` (= height − firstHeight), from the leaf up.
    pub fn path(&self, index: usize) -> [B256; BLOCK_TREE_DEPTH] {
        let mut padding = leaf_hash(&[0; 32]);
        let mut path = [B256::ZERO; BLOCK_TREE_DEPTH];
        for (depth, (place, level)) in path.iter_mut().zip(&self.levels).enumerate() {
            *place = level.get((index >> depth) ^ 1).copied().unwrap_or(padding);
            padding = node_hash(padding, padding);
        }
        path
    }

    /// The siblings to the left on the last leaf's path, from the leaf up: those that L1 cannot know.
    pub fn left_siblings(&self) -> Vec<B256> {
        let last = self.levels.first().map_or(0, Vec::len).saturating_sub(1);
        let path = self.path(last).into_iter().enumerate();
        path.filter(|(depth, _)| (last >> depth) & 1 == 1).map(|(_, sibling)| sibling).collect()
    }
}

/// The root that a leaf and its path lead to.
pub fn root_from_path(block_hash: B256, index: usize, path: &[B256; BLOCK_TREE_DEPTH]) -> B256 {
    path.iter().enumerate().fold(leaf_hash(block_hash.as_slice()), |node, (depth, sibling)| {
        if (index >> depth) & 1 == 0 { node_hash(node, *sibling) } else { node_hash(*sibling, node) }
    })
}

/// What a claim says; its id commits to nothing else (no signatures, no data), so that all who claim the same have
/// the same claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Claim {
    /// The rollup.
    pub rollup: RollupId,
    /// The batch.
    pub batch_index: BatchIndex,
    /// The claim of the batch before, on which this one stands.
    pub parent: B256,
    /// Hash of the last block before the batch.
    pub prev_hash: B256,
    /// Hash of the batch's last block.
    pub last_hash: B256,
    /// Root over all block hashes of the batch.
    pub block_hash_root: B256,
}

impl Claim {
    /// The genesis claim, final from the start.
    pub const fn genesis(rollup: RollupId, genesis_hash: B256) -> Self {
        Self {
            rollup,
            batch_index: BatchIndex::ZERO,
            parent: B256::ZERO,
            prev_hash: B256::ZERO,
            last_hash: genesis_hash,
            block_hash_root: B256::ZERO,
        }
    }

    /// The claim that a committee makes by signing a batch's statement.
    pub const fn stated(batch_index: BatchIndex, statement: &Batch) -> Self {
        Self {
            rollup: RollupId::new(statement.rollup),
            batch_index,
            parent: statement.parentClaim,
            prev_hash: statement.prevHash,
            last_hash: statement.lastHash,
            block_hash_root: statement.blockHashRoot,
        }
    }

    /// `keccak256(abi.encode(rollup, batchIndex, parentId, prevHash, lastHash, blockHashRoot))`.
    pub fn id(&self) -> B256 {
        keccak256(
            (
                U256::from(self.rollup.get()),
                U256::from(self.batch_index.get()),
                self.parent,
                self.prev_hash,
                self.last_hash,
                self.block_hash_root,
            )
                .abi_encode(),
        )
    }
}

/// The inbox tip after a statement: `keccak256(abi.encode(tip, structHash))`.
pub fn inbox_tip(tip: B256, statement_struct_hash: B256) -> B256 {
    keccak256((tip, statement_struct_hash).abi_encode())
}

/// `dataHash` of a batch in blobs: `keccak256(0x01 ‖ versioned hashes)`.
pub fn blob_data_hash(versioned_hashes: &[B256]) -> B256 {
    let mut hasher = alloy_primitives::Keccak256::new();
    hasher.update([1u8]);
    for hash in versioned_hashes {
        hasher.update(hash);
    }
    hasher.finalize()
}

/// `dataHash` of a batch in call data: `keccak256(0x02 ‖ uint64 length ‖ page root)`, the root over 4 KiB pages (the last
/// one zero-padded) padded to a power of two with zero pages. `None` for no data or more than [`MAX_CALLDATA`].
pub fn calldata_data_hash(data: &[u8]) -> Option<B256> {
    if data.is_empty() || data.len() > MAX_CALLDATA {
        return None;
    }
    let pages: Vec<B256> = data
        .chunks(PAGE_SIZE)
        .map(|chunk| {
            let mut page = [0u8; PAGE_SIZE];
            for (to, from) in page.iter_mut().zip(chunk) {
                *to = *from;
            }
            leaf_hash(&page)
        })
        .collect();
    let depth = pages.len().next_power_of_two().trailing_zeros() as usize;
    let root = levels(pages, leaf_hash(&[0; PAGE_SIZE]), depth).pop()?.pop()?;
    let mut hasher = alloy_primitives::Keccak256::new();
    hasher.update([2u8]);
    hasher.update((data.len() as u64).to_be_bytes());
    hasher.update(root);
    Some(hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The tree as its definition has it: all leaves, padded, hashed pair by pair.
    fn plain_root(hashes: &[B256]) -> B256 {
        let mut level: Vec<B256> =
            (0..1 << BLOCK_TREE_DEPTH).map(|i| leaf_hash(hashes.get(i).unwrap_or(&B256::ZERO).as_slice())).collect();
        while level.len() > 1 {
            level = level.chunks(2).map(|p| node_hash(p[0], p[1])).collect();
        }
        level[0]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn root_and_paths_follow_the_definition(seeds in proptest::collection::vec(any::<[u8; 32]>(), 1..40), at: prop::sample::Index) {
            let hashes: Vec<B256> = seeds.into_iter().map(B256::from).collect();
            let tree = BlockHashTree::new(&hashes).unwrap();
            prop_assert_eq!(tree.root(), plain_root(&hashes));
            let i = at.index(hashes.len());
            prop_assert_eq!(root_from_path(hashes[i], i, &tree.path(i)), tree.root());
            prop_assert_ne!(root_from_path(hashes[i], i ^ 1, &tree.path(i)), tree.root());
        }
    }

    #[test]
    fn l1_finds_the_root_from_the_siblings_to_the_left() {
        for count in [1u8, 2, 3, 5, 8, 21] {
            let hashes: Vec<_> = (1..=count).map(B256::repeat_byte).collect();
            let tree = BlockHashTree::new(&hashes).unwrap();
            let mut siblings = tree.left_siblings().into_iter();
            let index = hashes.len() - 1;
            // As `Commitments.rootOfLastLeaf` has it.
            let (mut root, mut padding) = (leaf_hash(hashes[index].as_slice()), leaf_hash(&[0; 32]));
            for level in 0..BLOCK_TREE_DEPTH {
                root = if (index >> level) & 1 == 1 {
                    node_hash(siblings.next().unwrap(), root)
                } else {
                    node_hash(root, padding)
                };
                padding = node_hash(padding, padding);
            }
            assert_eq!(siblings.next(), None);
            assert_eq!(root, tree.root());
        }
    }

    #[test]
    fn sizes_are_bounded() {
        assert!(BlockHashTree::new(&[]).is_none());
        assert!(BlockHashTree::new(&vec![B256::ZERO; (1 << 15) + 1]).is_none());
        assert!(BlockHashTree::new(&vec![B256::ZERO; 1 << 15]).is_some());
        assert_eq!(calldata_data_hash(&[]), None);
        assert_eq!(calldata_data_hash(&vec![0; MAX_CALLDATA + 1]), None);
    }

    #[test]
    fn the_length_of_call_data_counts() {
        assert_ne!(calldata_data_hash(&[1]), calldata_data_hash(&[1, 0]));
        assert_ne!(calldata_data_hash(&[1; PAGE_SIZE]), calldata_data_hash(&[1; PAGE_SIZE + 1]));
    }
}
