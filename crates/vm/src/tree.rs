//! The memory root, kept up to date page by page.
//!
//! What is held: the roots of all pages and the nodes above them, and for each page that is not all zeros its inner nodes with
//! a copy of it, so that only leaves that changed are hashed again. Memory grows with the pages touched, not with the
//! steps.

use crate::memory::{LEAF_BYTES, Memory, PAGE_BYTES};
use alloc::{boxed::Box, collections::BTreeMap, vec, vec::Vec};
use alloy_primitives::{B256, Keccak256};

/// Levels above the leaves.
pub const DEPTH: usize = 27;
/// Levels from a page's root down to its leaves.
pub const PAGE_DEPTH: usize = 7;
/// Levels above a page's root.
pub const ABOVE_PAGE: usize = DEPTH - PAGE_DEPTH;

const PAGE_LEAVES: usize = PAGE_BYTES / LEAF_BYTES;

/// A node of the tree: keccak256 of its two children.
#[must_use]
pub fn node(left: B256, right: B256) -> B256 {
    let mut hasher = Keccak256::new();
    hasher.update(left);
    hasher.update(right);
    hasher.finalize()
}

/// A node from one child, its sibling, and whether the child is the right one.
fn join(child: B256, sibling: B256, right: bool) -> B256 {
    if right { node(sibling, child) } else { node(child, sibling) }
}

/// The root that a leaf or an inner node and the siblings above it lead to; `index` is its place on its level.
#[must_use]
pub fn root_from_path(from: B256, index: u32, siblings: &[B256]) -> B256 {
    (0u32..)
        .zip(siblings)
        .fold(from, |child, (level, sibling)| join(child, *sibling, index.wrapping_shr(level) & 1 == 1))
}

/// The root of a page with these bytes.
#[must_use]
pub fn page_root(bytes: &[u8; PAGE_BYTES]) -> B256 {
    let mut level: Vec<B256> = bytes.as_chunks::<LEAF_BYTES>().0.iter().map(|leaf| B256::from(*leaf)).collect();
    while level.len() > 1 {
        level = level.as_chunks::<2>().0.iter().map(|[left, right]| node(*left, *right)).collect();
    }
    level.first().copied().unwrap_or_default()
}

/// The roots of subtrees of zeros, by height.
fn zero_roots() -> [B256; DEPTH + 1] {
    let mut roots = [B256::ZERO; DEPTH + 1];
    let mut last = B256::ZERO;
    for root in roots.iter_mut().skip(1) {
        last = node(last, last);
        *root = last;
    }
    roots
}

/// A page's leaves and inner nodes as a heap: node 1 is the root, the children of `i` are `2i` and `2i + 1`, and the leaves are
/// the last 128.
struct Page {
    nodes: [B256; 2 * PAGE_LEAVES],
}

impl Page {
    fn get(&self, index: usize) -> B256 {
        self.nodes.get(index).copied().unwrap_or_default()
    }

    fn set(&mut self, index: usize, value: B256) {
        if let Some(node) = self.nodes.get_mut(index) {
            *node = value;
        }
    }

    fn zeros(zero: &[B256; DEPTH + 1]) -> Box<Self> {
        let mut page = Box::new(Self { nodes: [B256::ZERO; 2 * PAGE_LEAVES] });
        for (index, node) in page.nodes.iter_mut().enumerate().skip(1) {
            let height = PAGE_DEPTH.saturating_sub(index.ilog2() as usize);
            *node = zero.get(height).copied().unwrap_or_default();
        }
        page
    }

    fn rehash(&mut self, index: usize) {
        let left = index.wrapping_mul(2);
        self.set(index, node(self.get(left), self.get(left | 1)));
    }

    /// Takes over what changed of a page's words.
    fn update(&mut self, words: &[u64]) {
        let mut changed = 0u128;
        for (place, words) in words.as_chunks::<4>().0.iter().enumerate() {
            let mut leaf = [0; LEAF_BYTES];
            leaf.as_chunks_mut::<8>().0.iter_mut().zip(words).for_each(|(to, word)| *to = word.to_le_bytes());
            let index = PAGE_LEAVES.wrapping_add(place);
            if self.get(index).0 != leaf {
                self.set(index, leaf.into());
                changed |= 1u128.wrapping_shl(place as u32);
            }
        }
        let mut width = PAGE_LEAVES;
        while width > 1 {
            width /= 2;
            let mut above = 0u128;
            while changed != 0 {
                let place = changed.trailing_zeros() >> 1;
                changed &= !3u128.wrapping_shl(place.wrapping_mul(2));
                self.rehash(width.wrapping_add(place as usize));
                above |= 1u128.wrapping_shl(place);
            }
            changed = above;
        }
    }
}

/// The tree over a [`Memory`].
pub struct MemoryTree {
    zero: [B256; DEPTH + 1],
    pages: BTreeMap<u32, Box<Page>>,
    /// Page roots and the nodes above them, as [`Page::nodes`]; a node that is zero was never touched. (As arrays, which the
    /// allocator takes from the system without writing to them.)
    upper: Vec<[u8; 32]>,
}

impl core::fmt::Debug for MemoryTree {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("MemoryTree")
            .field("root", &self.root())
            .field("pages", &self.pages.len())
            .finish_non_exhaustive()
    }
}

impl MemoryTree {
    /// The tree of a memory; from then on [`MemoryTree::update`] follows it.
    #[must_use]
    pub fn new(memory: &mut Memory) -> Self {
        memory.take_written();
        let mut tree = Self { zero: zero_roots(), pages: BTreeMap::new(), upper: vec![[0; 32]; 2 << ABOVE_PAGE] };
        tree.update_pages(memory, memory.touched());
        tree
    }

    /// Pages that hold nodes, each some 8 KiB.
    #[must_use]
    pub fn pages(&self) -> usize {
        self.pages.len()
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> B256 {
        self.upper_node(1)
    }

    /// A node above the pages, the zero subtree where nothing was touched.
    fn upper_node(&self, index: usize) -> B256 {
        match self.upper.get(index) {
            Some(node) if *node != [0; 32] => node.into(),
            _ => {
                let height = DEPTH.saturating_sub(index.max(1).ilog2() as usize);
                self.zero.get(height).copied().unwrap_or_default()
            }
        }
    }

    fn set_upper(&mut self, index: usize, value: B256) {
        if let Some(node) = self.upper.get_mut(index) {
            *node = value.0;
        }
    }

    fn page_index(page: u32) -> usize {
        (1usize << ABOVE_PAGE) | page as usize
    }

    /// Takes over a page; the nodes above it are not hashed yet.
    fn update_page_alone(&mut self, memory: &Memory, page: u32) {
        let nodes = self.pages.entry(page).or_insert_with(|| Page::zeros(&self.zero));
        nodes.update(memory.page(page));
        let root = nodes.get(1);
        self.set_upper(Self::page_index(page), root);
    }

    fn rehash_upper(&mut self, index: usize) {
        let left = index.wrapping_mul(2);
        let value = node(self.upper_node(left), self.upper_node(left | 1));
        self.set_upper(index, value);
    }

    /// Takes over one page that changed, whatever the marks say.
    pub fn update_page(&mut self, memory: &Memory, page: u32) {
        self.update_page_alone(memory, page);
        let mut index = Self::page_index(page);
        while index > 1 {
            index /= 2;
            self.rehash_upper(index);
        }
    }

    /// Takes over everything that was written since the last time.
    pub fn update(&mut self, memory: &mut Memory) {
        let written = memory.take_written();
        self.update_pages(memory, written);
    }

    /// Takes over pages, given in order.
    fn update_pages(&mut self, memory: &Memory, pages: Vec<u32>) {
        for page in &pages {
            self.update_page_alone(memory, *page);
        }
        let mut level: Vec<usize> = pages.into_iter().map(Self::page_index).collect();
        while level.first().is_some_and(|index| *index > 1) {
            level.iter_mut().for_each(|index| *index /= 2);
            level.dedup();
            for index in &level {
                self.rehash_upper(*index);
            }
        }
    }

    /// The siblings of a page's root, from the page's level up.
    #[must_use]
    pub fn page_path(&self, page: u32) -> Vec<B256> {
        let index = Self::page_index(page);
        (0..ABOVE_PAGE).map(|level| self.upper_node((index >> level) ^ 1)).collect()
    }

    /// A page's root.
    #[must_use]
    pub fn page_root(&self, page: u32) -> B256 {
        self.upper_node(Self::page_index(page))
    }

    /// The siblings of the leaf that holds an address, from the leaf's level up.
    #[must_use]
    pub fn leaf_path(&self, address: u64) -> Vec<B256> {
        let page = ((address as u32) >> 12) as usize;
        let index = PAGE_LEAVES | ((address as usize >> 5) & (PAGE_LEAVES - 1));
        let nodes = self.pages.get(&(page as u32));
        let sibling = |level: usize| match nodes {
            Some(nodes) => nodes.get((index >> level) ^ 1),
            None => self.zero.get(level).copied().unwrap_or_default(),
        };
        (0..PAGE_DEPTH).map(sibling).chain(self.page_path(page as u32)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The root as the definition has it, of a memory that is zero but for its first and last pages.
    fn plain_root(memory: &Memory, pages: u32) -> B256 {
        let zero = zero_roots();
        let last = (1u32 << ABOVE_PAGE) - 1;
        let root = |page| page_root(&memory.read(u64::from(page) << 12, 4096).try_into().unwrap());
        let mut level: BTreeMap<u32, B256> = (0..pages).chain([last]).map(|page| (page, root(page))).collect();
        for zero in &zero[PAGE_DEPTH..DEPTH] {
            let get = |index| level.get(&index).copied().unwrap_or(*zero);
            level = level
                .keys()
                .map(|index| index / 2)
                .map(|index| (index, node(get(2 * index), get(2 * index + 1))))
                .collect();
        }
        level[&0]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn the_root_follows_the_memory(rounds in proptest::collection::vec(proptest::collection::vec((0u64..12_288, any::<u64>()), 0..20), 1..6)) {
            let mut memory = Memory::default();
            memory.write(5, b"before the tree");
            memory.take_written();
            let mut tree = MemoryTree::new(&mut memory);
            for round in rounds {
                for (at, value) in round {
                    let at = if value % 5 == 0 { (1 << 32) - 4096 + at % 4096 } else { at } & !7;
                    memory.store(at, 8, if value % 3 == 0 { 0 } else { value });
                    let path = tree.leaf_path(at);
                    let before = tree.root();
                    tree.update_page(&memory, (at >> 12) as u32);
                    prop_assert_eq!(tree.leaf_path(at), &path[..], "a leaf's siblings do not depend on it");
                    prop_assert_eq!(root_from_path(memory.leaf(at).into(), (at >> 5) as u32, &path), tree.root());
                    let page = (at >> 12) as u32;
                    prop_assert_eq!(root_from_path(tree.page_root(page), page, &tree.page_path(page)), tree.root());
                    prop_assert!(value % 3 == 0 || before != tree.root() || value == 0);
                }
                tree.update(&mut memory);
                prop_assert_eq!(tree.root(), plain_root(&memory, 3));
            }
        }
    }

    #[test]
    fn memory_of_zeros_has_the_root_of_zeros() {
        let tree = MemoryTree::new(&mut Memory::default());
        assert_eq!(tree.root(), zero_roots()[DEPTH]);
        assert_eq!(tree.pages(), 0);
        assert_eq!(root_from_path(B256::ZERO, 77, &tree.leaf_path(77 << 5)), tree.root());
    }
}
