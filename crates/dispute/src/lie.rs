//! Trees of who is wrong, for drills and tests: what must be beaten.

use alloy_primitives::B256;
use surety_vm::commitment::{StateTree, leaf, node};

/// A tree that is right up to a leaf, then nonsense, and at its end what must be there.
#[derive(Debug, Clone)]
pub struct Lie<T> {
    right: T,
    from: u64,
    nonsense: B256,
    end: B256,
    /// Nodes of each height over nothing but nonsense.
    padding: Vec<B256>,
}

impl<T: StateTree> Lie<T> {
    /// Says what the right tree does before leaf `from`, `nonsense` from there on, and `end` in the last leaf.
    pub fn new(right: T, from: u64, nonsense: B256, end: B256) -> Self {
        let up = |below: &B256| Some(node(*below, *below));
        let padding = std::iter::successors(Some(leaf(nonsense)), up).take(right.depth().saturating_add(1)).collect();
        Self { right, from, nonsense, end, padding }
    }

    fn leaves(&self) -> u64 {
        1 << self.right.depth()
    }
}

impl<T: StateTree> StateTree for Lie<T> {
    fn depth(&self) -> usize {
        self.right.depth()
    }

    fn state(&self, index: u64) -> B256 {
        match index {
            index if index.saturating_add(1) >= self.leaves() => self.end,
            index if index >= self.from => self.nonsense,
            index => self.right.state(index),
        }
    }

    fn node(&self, height: usize, index: u64) -> B256 {
        let (first, behind) = (index << height, index.saturating_add(1) << height);
        if behind <= self.from && behind < self.leaves() {
            return self.right.node(height, index);
        }
        if height == 0 {
            return leaf(self.state(index));
        }
        if first >= self.from && behind < self.leaves() {
            return self.padding.get(height).copied().unwrap_or_default();
        }
        let child = index.saturating_mul(2);
        node(self.node(height.saturating_sub(1), child), self.node(height.saturating_sub(1), child.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use surety_vm::commitment::LevelTree;

    #[test]
    fn it_is_the_tree_over_what_it_says() {
        let state = |n: u64| B256::left_padding_from(&n.to_be_bytes());
        let right: Vec<B256> = (1..=32).map(state).collect();
        let (nonsense, end) = (state(100), state(200));
        for from in [0, 1, 7, 16, 31] {
            let lie = Lie::new(LevelTree::of_depth(5, right.clone()).unwrap(), from, nonsense, end);
            let mut said: Vec<B256> = right[..from as usize].to_vec();
            said.resize(31, nonsense);
            said.push(end);
            let tree = LevelTree::of_depth(5, said).unwrap();
            assert_eq!(lie.root(), tree.root(), "from {from}");
            assert_eq!(lie.opening(5, 0), tree.opening(5, 0));
        }
    }
}
