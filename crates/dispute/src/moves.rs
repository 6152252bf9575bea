//! The moves of a match: where two trees first differ, five levels at a time.
//!
//! There is one right move only, for either side; who has the tree can make it.

use alloy_primitives::{B256, U256};
use surety_contracts::bindings::Dispute;
use surety_vm::commitment::{OPENING, OPENING_DEPTH, StateTree, leaf, node};

/// Where two trees first differ below two nodes that differ. Siblings stand in order from below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection {
    /// Which of the 32 children.
    pub child: usize,
    /// The child of the side that moves: a node, or what the leaf holds.
    pub mine: B256,
    /// The other side's.
    pub theirs: B256,
    /// What stands beside the way up to one's own node.
    pub my_siblings: [B256; OPENING_DEPTH],
    /// The same for the other side's.
    pub their_siblings: [B256; OPENING_DEPTH],
}

impl From<Selection> for Dispute::Selection {
    fn from(selection: Selection) -> Self {
        let Selection { child, mine, theirs, my_siblings, their_siblings } = selection;
        Self { child: U256::from(child), mine, theirs, mySiblings: my_siblings, theirSiblings: their_siblings }
    }
}

/// What the side whose turn it is does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// `IDispute.move`: five levels down, and the children under one's own node there.
    Down {
        /// Where the trees differ.
        selection: Selection,
        /// Nodes; above leaves, what they hold.
        children: Box<[B256; OPENING]>,
    },
    /// `IDispute.divide`: the leaf.
    Leaf {
        /// Where the trees differ.
        selection: Selection,
        /// What the leaf before it holds; zero if it is the first.
        before: B256,
        /// The siblings of the leaf before it; none if it is the first.
        path: Vec<B256>,
    },
}

/// What opening a node shows: the 32 nodes five levels below, or what the leaves there hold. `None` if there are none so far below.
#[must_use]
pub fn children(tree: &impl StateTree, height: usize, index: u64) -> Option<[B256; OPENING]> {
    let mut shown = tree.opening(height, index)?;
    if height == OPENING_DEPTH {
        let first = index.checked_mul(OPENING as u64)?;
        shown.iter_mut().zip(first..).for_each(|(value, leaf)| *value = tree.state(leaf));
    }
    Some(shown)
}

/// The siblings beside the way from a leaf to the root.
#[must_use]
pub fn path(tree: &impl StateTree, index: u64) -> Vec<B256> {
    (0..tree.depth()).map(|height| tree.node(height, index >> height ^ 1)).collect()
}

/// The siblings beside the way up from one of 32 children.
fn siblings(children: &[B256; OPENING], at_leaves: bool, child: usize) -> [B256; OPENING_DEPTH] {
    let mut level: Vec<B256> =
        if at_leaves { children.iter().map(|value| leaf(*value)).collect() } else { children.to_vec() };
    let mut beside = [B256::ZERO; OPENING_DEPTH];
    for (height, sibling) in beside.iter_mut().enumerate() {
        *sibling = level.get(child >> height ^ 1).copied().unwrap_or_default();
        level = level.as_chunks::<2>().0.iter().map(|[left, right]| node(*left, *right)).collect();
    }
    beside
}

/// The move of the side that holds `mine`, when a match stands at a node and the other side has shown its children there.
/// `None` if the children are the same, or the node is not five levels above any: then it is not this side's match.
#[must_use]
pub fn next(mine: &impl StateTree, height: usize, index: u64, theirs: &[B256; OPENING]) -> Option<Move> {
    let at_leaves = height == OPENING_DEPTH;
    let own = children(mine, height, index)?;
    let child = own.iter().zip(theirs).position(|(mine, theirs)| mine != theirs)?;
    let selection = Selection {
        child,
        mine: *own.get(child)?,
        theirs: *theirs.get(child)?,
        my_siblings: siblings(&own, at_leaves, child),
        their_siblings: siblings(theirs, at_leaves, child),
    };
    let place = index.checked_mul(OPENING as u64)?.checked_add(child as u64)?;
    if !at_leaves {
        let below = height.checked_sub(OPENING_DEPTH)?;
        return Some(Move::Down { selection, children: Box::new(children(mine, below, place)?) });
    }
    Some(match place.checked_sub(1) {
        Some(last) => Move::Leaf { selection, before: mine.state(last), path: path(mine, last) },
        None => Move::Leaf { selection, before: B256::ZERO, path: Vec::new() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::keccak256;
    use proptest::prelude::*;
    use surety_vm::commitment::LevelTree;

    fn value(seed: u8, n: u64) -> B256 {
        keccak256([&[seed][..], &n.to_be_bytes()].concat())
    }

    fn up(mut hash: B256, child: usize, siblings: &[B256; OPENING_DEPTH]) -> B256 {
        for (height, sibling) in siblings.iter().enumerate() {
            hash = if child >> height & 1 == 1 { node(*sibling, hash) } else { node(hash, *sibling) };
        }
        hash
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        /// Two sides that move in turn come to the first leaf in which they differ, and each move proves itself.
        #[test]
        fn two_sides_find_the_first_leaf_that_differs(
            lengths in (1usize..400, 1usize..400),
            from in 0u64..400,
            depth in prop_oneof![Just(15usize), Just(20)],
        ) {
            let right: Vec<B256> = (0..lengths.0 as u64).map(|n| value(0, n)).collect();
            let last = *right.last().unwrap();
            let own = |n: u64| right.get(n as usize).copied().unwrap_or(last);
            let count = lengths.1 as u64 + from;
            let wrong: Vec<B256> = (0..count).map(|n| if n < from { own(n) } else { value(1, n) }).collect();
            let trees = [right.clone(), wrong].map(|values| LevelTree::of_depth(depth, values).unwrap());
            let (mut height, mut index, mut turn) = (depth, 0, 0);
            let mut shown = children(&trees[1], height, index).unwrap();
            loop {
                let [mine, theirs] = if turn == 0 { [&trees[0], &trees[1]] } else { [&trees[1], &trees[0]] };
                let made = next(mine, height, index, &shown).unwrap();
                let (Move::Down { selection, .. } | Move::Leaf { selection, .. }) = &made;
                let [a, b] = [selection.mine, selection.theirs].map(|v| if height == OPENING_DEPTH { leaf(v) } else { v });
                prop_assert_eq!(up(a, selection.child, &selection.my_siblings), mine.node(height, index));
                prop_assert_eq!(up(b, selection.child, &selection.their_siblings), theirs.node(height, index));
                index = index * OPENING as u64 + selection.child as u64;
                match made {
                    Move::Down { children: now, .. } => {
                        shown = *now;
                        height -= OPENING_DEPTH;
                        turn = 1 - turn;
                    }
                    Move::Leaf { before, path, .. } => {
                        prop_assert_eq!(index, from);
                        let root = path.iter().enumerate().fold(leaf(before), |hash, (height, sibling)| {
                            if (from - 1) >> height & 1 == 1 { node(*sibling, hash) } else { node(hash, *sibling) }
                        });
                        prop_assert_eq!(path.is_empty(), from == 0);
                        prop_assert!(from == 0 || root == mine.root());
                        break;
                    }
                }
            }
        }
    }

    #[test]
    fn there_is_no_move_against_the_same_tree() {
        let tree = LevelTree::new(vec![value(0, 1), value(0, 2)]).unwrap();
        let same = children(&tree, 20, 0).unwrap();
        assert_eq!(next(&tree, 20, 0, &same), None);
        assert_eq!(next(&tree, 3, 0, &same), None);
        assert_eq!(children(&tree, 21, 0), None);
    }
}
