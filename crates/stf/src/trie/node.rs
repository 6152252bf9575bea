//! A Merkle-Patricia trie of which only the parts in use are in memory.

use super::TrieError;
use crate::oracle::{Oracle, preimage};
use alloc::{boxed::Box, vec::Vec};
use alloy_primitives::B256;
use alloy_rlp::{Decodable, EMPTY_STRING_CODE};
use alloy_trie::{
    EMPTY_ROOT_HASH, Nibbles, TrieMask,
    nodes::{BranchNodeRef, ExtensionNodeRef, LeafNodeRef, RlpNode, TrieNode},
};

/// Keys are hashes: 64 nibbles.
const KEY_NIBBLES: usize = 64;

/// A node and what is below it.
#[derive(Debug, Clone, Default)]
pub(super) enum Node {
    #[default]
    Empty,
    /// Not read yet.
    Unread(RlpNode),
    /// Read, but not changed, nor anything below it: its reference needs no hashing.
    Clean(RlpNode, Box<Self>),
    Leaf(Nibbles, Vec<u8>),
    Extension(Nibbles, Box<Self>),
    Branch(Box<[Self; 16]>),
}

impl Node {
    /// The trie with this root.
    pub(super) fn from_root(root: B256) -> Self {
        if root == EMPTY_ROOT_HASH { Self::Empty } else { Self::Unread(RlpNode::word_rlp(&root)) }
    }

    /// Reads the node itself, if it has not been; gives it for reading.
    fn read<O: Oracle>(&mut self, oracle: &O, depth: usize) -> Result<&mut Self, TrieError<O::Error>> {
        if let Self::Unread(reference) = self {
            let node = match reference.as_hash() {
                Some(hash) => decode(&preimage(oracle, hash)?),
                None => decode(reference.as_slice()),
            };
            let node = node.ok_or(TrieError::Node)?;
            // So that a path through any bytes has an end, and every leaf is a whole key.
            let good = match &node {
                Self::Leaf(key, _) => depth.saturating_add(key.len()) == KEY_NIBBLES,
                Self::Extension(key, _) => !key.is_empty() && depth.saturating_add(key.len()) < KEY_NIBBLES,
                Self::Branch(_) => depth < KEY_NIBBLES,
                Self::Empty | Self::Unread(_) | Self::Clean(..) => false,
            };
            if !good {
                return Err(TrieError::Node);
            }
            *self = Self::Clean(reference.clone(), Box::new(node));
        }
        Ok(match self {
            Self::Clean(_, node) => node,
            node => node,
        })
    }

    /// As [`Self::read`], for changing it or what is below it.
    fn open<O: Oracle>(&mut self, oracle: &O, depth: usize) -> Result<(), TrieError<O::Error>> {
        let node = core::mem::take(self.read(oracle, depth)?);
        *self = node;
        Ok(())
    }

    /// The value of a key.
    pub(super) fn get<O: Oracle>(
        &mut self,
        oracle: &O,
        key: Nibbles,
        depth: usize,
    ) -> Result<Option<&[u8]>, TrieError<O::Error>> {
        match self.read(oracle, depth)? {
            Self::Leaf(path, value) => Ok((*path == key).then_some(value.as_slice())),
            Self::Extension(path, child) => match strip(key, path) {
                Some(rest) => child.get(oracle, rest, depth.saturating_add(path.len())),
                None => Ok(None),
            },
            Self::Branch(children) => {
                let (child, rest) = branch_child(children, key).ok_or(TrieError::Node)?;
                child.get(oracle, rest, depth.saturating_add(1))
            }
            Self::Empty | Self::Unread(_) | Self::Clean(..) => Ok(None),
        }
    }

    /// Sets the value of a key; the value is not empty.
    pub(super) fn insert<O: Oracle>(
        &mut self,
        oracle: &O,
        key: Nibbles,
        value: Vec<u8>,
        depth: usize,
    ) -> Result<(), TrieError<O::Error>> {
        self.open(oracle, depth)?;
        match self {
            Self::Leaf(path, old) if *path == key => *old = value,
            Self::Branch(children) => {
                let (child, rest) = branch_child(children, key).ok_or(TrieError::Node)?;
                child.insert(oracle, rest, value, depth.saturating_add(1))?;
            }
            Self::Extension(path, child) if key.starts_with(path) => {
                child.insert(oracle, key.slice(path.len()..), value, depth.saturating_add(path.len()))?;
            }
            Self::Leaf(path, _) | Self::Extension(path, _) => {
                let common = path.common_prefix_length(&key);
                let mut children: [Self; 16] = Default::default();
                let nibble = path.get(common).ok_or(TrieError::Node)?;
                let rest = path.slice(common.saturating_add(1)..);
                let old = match core::mem::take(self) {
                    Self::Leaf(_, old) => Self::Leaf(rest, old),
                    Self::Extension(_, child) if rest.is_empty() => *child,
                    Self::Extension(_, child) => Self::Extension(rest, child),
                    other => other,
                };
                *children.get_mut(usize::from(nibble)).ok_or(TrieError::Node)? = old;
                let (place, rest) = branch_child(&mut children, key.slice(common..)).ok_or(TrieError::Node)?;
                *place = Self::Leaf(rest, value);
                *self = extend(key.slice(..common), Self::Branch(Box::new(children)));
            }
            Self::Empty | Self::Unread(_) | Self::Clean(..) => *self = Self::Leaf(key, value),
        }
        Ok(())
    }

    /// Removes a key, if it is there.
    pub(super) fn remove<O: Oracle>(
        &mut self,
        oracle: &O,
        key: Nibbles,
        depth: usize,
    ) -> Result<(), TrieError<O::Error>> {
        self.open(oracle, depth)?;
        match self {
            Self::Leaf(path, _) => {
                if *path == key {
                    *self = Self::Empty;
                }
            }
            Self::Extension(path, child) => {
                let Some(rest) = strip(key, path) else { return Ok(()) };
                child.remove(oracle, rest, depth.saturating_add(path.len()))?;
                *self = extend(*path, core::mem::take(child));
            }
            Self::Branch(children) => {
                let (child, rest) = branch_child(children, key).ok_or(TrieError::Node)?;
                child.remove(oracle, rest, depth.saturating_add(1))?;
                let mut left = children.iter_mut().zip(0u8..).filter(|(child, _)| !matches!(child, Self::Empty));
                match (left.next(), left.next()) {
                    (Some((child, nibble)), None) => {
                        // What remains joins its parent, so it must be known.
                        child.open(oracle, depth.saturating_add(1))?;
                        let child = core::mem::take(child);
                        *self = extend(Nibbles::from_nibbles_unchecked([nibble]), child);
                    }
                    (None, _) => *self = Self::Empty,
                    _ => {}
                }
            }
            Self::Empty | Self::Unread(_) | Self::Clean(..) => {}
        }
        Ok(())
    }

    /// The root of the trie that this node is the top of.
    pub(super) fn root(&self) -> B256 {
        if matches!(self, Self::Empty) {
            return EMPTY_ROOT_HASH;
        }
        let mut buffer = Vec::new();
        let reference = self.reference(&mut buffer);
        // A top shorter than a hash is hashed all the same.
        reference.as_hash().unwrap_or_else(|| alloy_primitives::keccak256(reference.as_slice()))
    }

    fn reference(&self, buffer: &mut Vec<u8>) -> RlpNode {
        match self {
            Self::Empty => RlpNode::from_rlp(&[EMPTY_STRING_CODE]),
            Self::Unread(reference) | Self::Clean(reference, _) => reference.clone(),
            Self::Leaf(key, value) => {
                buffer.clear();
                LeafNodeRef::new(key, value).rlp(buffer)
            }
            Self::Extension(key, child) => {
                let child = child.reference(buffer);
                buffer.clear();
                ExtensionNodeRef::new(key, child.as_slice()).rlp(buffer)
            }
            Self::Branch(children) => {
                let mut mask = TrieMask::default();
                let mut stack = Vec::with_capacity(16);
                for (child, nibble) in children.iter().zip(0u8..) {
                    if !matches!(child, Self::Empty) {
                        mask.set_bit(nibble);
                        stack.push(child.reference(buffer));
                    }
                }
                buffer.clear();
                BranchNodeRef::new(&stack, mask).rlp(buffer)
            }
        }
    }
}

/// Puts a path in front of a node that has been read.
fn extend(path: Nibbles, node: Node) -> Node {
    match node {
        _ if path.is_empty() => node,
        Node::Leaf(rest, value) => Node::Leaf(path.join(&rest), value),
        Node::Extension(rest, child) => Node::Extension(path.join(&rest), child),
        Node::Empty => Node::Empty,
        node => Node::Extension(path, Box::new(node)),
    }
}

fn strip(key: Nibbles, path: &Nibbles) -> Option<Nibbles> {
    key.starts_with(path).then(|| key.slice(path.len()..))
}

fn branch_child(children: &mut [Node; 16], key: Nibbles) -> Option<(&mut Node, Nibbles)> {
    let nibble = key.first()?;
    Some((children.get_mut(usize::from(nibble))?, key.slice(1..)))
}

/// One node from its RLP.
fn decode(mut bytes: &[u8]) -> Option<Node> {
    let node = TrieNode::decode(&mut bytes).ok()?;
    if !bytes.is_empty() {
        return None;
    }
    Some(match node {
        TrieNode::EmptyRoot => Node::Empty,
        TrieNode::Leaf(leaf) => Node::Leaf(leaf.key, leaf.value),
        TrieNode::Extension(extension) => Node::Extension(extension.key, Box::new(Node::Unread(extension.child))),
        TrieNode::Branch(branch) => {
            let mut children: [Node; 16] = Default::default();
            let mut stack = branch.stack.into_iter();
            for (child, nibble) in children.iter_mut().zip(0u8..) {
                if branch.state_mask.is_bit_set(nibble) {
                    *child = Node::Unread(stack.next()?);
                }
            }
            Node::Branch(Box::new(children))
        }
    })
}

#[cfg(test)]
impl Node {
    /// The encodings of all nodes in memory that are referred to by hash, for test oracles.
    pub(super) fn encodings(&self, out: &mut Vec<Vec<u8>>) {
        match self {
            Self::Clean(_, node) => return node.encodings(out),
            Self::Extension(_, child) => child.encodings(out),
            Self::Branch(children) => children.iter().for_each(|child| child.encodings(out)),
            _ => {}
        }
        let mut buffer = Vec::new();
        if !matches!(self, Self::Empty | Self::Unread(_)) {
            let _ = self.reference(&mut buffer);
            out.push(buffer);
        }
    }
}
