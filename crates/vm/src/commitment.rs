//! The trees over states that a dispute's claims are (protocol §8, §15.2).
//!
//! A block's trace has at most 2^40 steps. Level 1 is over the states after every 2^20th step of it: leaf `i` after step
//! `(i + 1) · 2^20`. Level 2 is over the states of one such stretch: leaf `j` of the stretch that begins at step `s` after step
//! `s + j + 1`; so the last leaf of a stretch is its leaf of level 1. Once the machine has ended all states are the same,
//! which pads both to 2^20 leaves.
//!
//! A leaf is `keccak256(0x00 ‖ state hash)`, a node `keccak256(0x01 ‖ left ‖ right)`, as in the tree over a batch's block
//! hashes. One move of a dispute opens the 32 nodes five levels below a node.

use crate::{Machine, MemoryTree, Part, Request, Stop};
use alloc::{sync::Arc, vec::Vec};
use alloy_primitives::{B256, Keccak256};

/// Depth of the tree of one level.
pub const LEVEL_DEPTH: usize = 20;
/// Leaves of one level, and steps between two leaves of level 1.
pub const LEVEL_LEAVES: u64 = 1 << LEVEL_DEPTH;
/// The most steps of a block.
pub const MAX_STEPS: u64 = LEVEL_LEAVES * LEVEL_LEAVES;
/// Levels that one move opens.
pub const OPENING_DEPTH: usize = 5;
/// Children that one move opens.
pub const OPENING: usize = 1 << OPENING_DEPTH;

/// A leaf over a state's hash.
#[must_use]
pub fn leaf(state: B256) -> B256 {
    let mut hasher = Keccak256::new();
    hasher.update([0]);
    hasher.update(state);
    hasher.finalize()
}

/// A node over two children.
#[must_use]
pub fn node(left: B256, right: B256) -> B256 {
    let mut hasher = Keccak256::new();
    hasher.update([1]);
    hasher.update(left);
    hasher.update(right);
    hasher.finalize()
}

/// The level above one, of which `padding` follows the last node.
fn parents(level: &[B256], padding: B256) -> Vec<B256> {
    let pairs = level.chunks(2).map(|pair| match pair {
        [left, right] => node(*left, *right),
        [left] => node(*left, padding),
        _ => padding,
    });
    pairs.collect()
}

/// A tree over states.
pub trait StateTree {
    /// Levels above the leaves.
    fn depth(&self) -> usize;

    /// A node by its height above the leaves and its place.
    fn node(&self, height: usize, index: u64) -> B256;

    /// What a leaf holds: a state's hash, or in a tree over a batch a block's.
    fn state(&self, index: u64) -> B256;

    /// The root.
    fn root(&self) -> B256 {
        self.node(self.depth(), 0)
    }

    /// The 32 nodes five levels below a node. `None` if the node is not five levels above any.
    fn opening(&self, height: usize, index: u64) -> Option<[B256; OPENING]> {
        let below = height.checked_sub(OPENING_DEPTH).filter(|_| height <= self.depth())?;
        let mut nodes = [B256::ZERO; OPENING];
        let first = index.checked_mul(OPENING as u64)?;
        nodes.iter_mut().zip(first..).for_each(|(node, index)| *node = self.node(below, index));
        Some(nodes)
    }
}

impl<T: StateTree + ?Sized> StateTree for Arc<T> {
    fn depth(&self) -> usize {
        (**self).depth()
    }

    fn node(&self, height: usize, index: u64) -> B256 {
        (**self).node(height, index)
    }

    fn state(&self, index: u64) -> B256 {
        (**self).state(index)
    }
}

/// The tree over one level: at most 64 MiB, however long the trace. A batch's block hashes are such a tree of another depth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LevelTree {
    /// From the leaves up, each as far as it is not padding.
    levels: Vec<Vec<B256>>,
    /// The padding of each.
    padding: Vec<B256>,
    states: Vec<B256>,
}

impl LevelTree {
    /// The tree over state hashes, the last of which is repeated to the end. `None` if there are none or too many.
    #[must_use]
    pub fn new(states: Vec<B256>) -> Option<Self> {
        Self::of_depth(LEVEL_DEPTH, states)
    }

    /// The same of another depth, at most [`LEVEL_DEPTH`].
    #[must_use]
    pub fn of_depth(depth: usize, states: Vec<B256>) -> Option<Self> {
        if depth > LEVEL_DEPTH || states.len() as u64 > 1 << depth {
            return None;
        }
        let mut level: Vec<B256> = states.iter().map(|state| leaf(*state)).collect();
        let mut last = *level.last()?;
        let (mut levels, mut padding) = (Vec::new(), Vec::new());
        for _ in 0..depth {
            let next = parents(&level, last);
            levels.push(level);
            padding.push(last);
            level = next;
            last = node(last, last);
        }
        levels.push(level);
        padding.push(last);
        Some(Self { levels, padding, states })
    }

    /// How many leaves are not padding.
    #[must_use]
    pub const fn leaves(&self) -> u64 {
        self.states.len() as u64
    }
}

impl StateTree for LevelTree {
    fn depth(&self) -> usize {
        self.levels.len().saturating_sub(1)
    }

    fn node(&self, height: usize, index: u64) -> B256 {
        let level = self.levels.get(height).map(Vec::as_slice).unwrap_or_default();
        let node = usize::try_from(index).ok().and_then(|index| level.get(index));
        node.or_else(|| self.padding.get(height)).copied().unwrap_or_default()
    }

    fn state(&self, index: u64) -> B256 {
        let state = usize::try_from(index).ok().and_then(|index| self.states.get(index));
        state.or_else(|| self.states.last()).copied().unwrap_or_default()
    }
}

/// The root over the 32 nodes of an opening.
#[must_use]
pub fn root_of_opening(nodes: &[B256; OPENING]) -> B256 {
    let root = (0..OPENING_DEPTH).fold(nodes.to_vec(), |level, _| parents(&level, B256::ZERO));
    root.first().copied().unwrap_or_default()
}

/// The states that a machine comes to by `advance`, again and again, until it has ended or the level is full.
fn level<E>(
    machine: &mut Machine,
    tree: &mut MemoryTree,
    mut advance: impl FnMut(&mut Machine, &mut MemoryTree) -> Result<(), E>,
) -> Result<Option<LevelTree>, E> {
    let mut states = Vec::new();
    while (states.len() as u64) < LEVEL_LEAVES {
        advance(machine, tree)?;
        states.push(machine.state.hash(tree.root()));
        if machine.state.ended() {
            break;
        }
    }
    Ok(LevelTree::new(states))
}

/// Level 1 of the trace that begins where the machine is. Runs it to its end.
///
/// # Errors
/// That of a READ without an answer.
pub fn coarse<E>(
    machine: &mut Machine,
    tree: &mut MemoryTree,
    read: &mut impl FnMut(&Request) -> Result<Part, E>,
) -> Result<Option<LevelTree>, E> {
    level(machine, tree, |machine, tree| {
        machine.run_with(machine.steps.saturating_add(LEVEL_LEAVES), read)?;
        tree.update(machine.memory_mut());
        Ok(())
    })
}

/// Level 2 of the stretch that begins where the machine is.
///
/// # Errors
/// That of a READ without an answer.
pub fn fine<E>(
    machine: &mut Machine,
    tree: &mut MemoryTree,
    read: &mut impl FnMut(&Request) -> Result<Part, E>,
) -> Result<Option<LevelTree>, E> {
    level(machine, tree, |machine, tree| single(machine, tree, read))
}

/// One step, with the tree kept up to date.
///
/// # Errors
/// That of a READ without an answer.
pub fn single<E>(
    machine: &mut Machine,
    tree: &mut MemoryTree,
    read: &mut impl FnMut(&Request) -> Result<Part, E>,
) -> Result<(), E> {
    let page = machine.writes();
    if let Some(Stop::Read(request)) = machine.step() {
        machine.answer(&read(&request)?);
    }
    if let Some(page) = page {
        tree.update_page(&machine.memory, page);
    }
    Ok(())
}
