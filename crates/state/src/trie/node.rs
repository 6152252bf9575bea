//! Nodes of the Merkle-Patricia trie: decoded form and encoding (Ethereum yellow paper, appendix D).
//!
//! Leaves and extensions are encoded by `alloy-trie`. Branches are encoded here, because `alloy-trie` knows no branch
//! with a value: such branches exist only where one key is a prefix of another, so never in Ethereum's state, but in
//! the tests that prove this implementation.

use crate::error::{Error, Result};
use alloy_rlp::{Decodable, EMPTY_STRING_CODE, Encodable, Header};
use alloy_trie::{
    Nibbles,
    nodes::{ExtensionNodeRef, LeafNodeRef, RlpNode, TrieNode},
};

/// What hangs below a node.
#[derive(Debug, Default)]
pub(crate) enum Child {
    /// Nothing.
    #[default]
    Empty,
    /// A node that was not looked at: its hash, or its whole RLP if shorter than 32 bytes.
    Reference(RlpNode),
    /// A node in memory.
    Loaded(Box<Entry>),
}

impl Child {
    pub(crate) const fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// A new or changed node.
    pub(crate) fn changed(node: Node) -> Self {
        Self::Loaded(Box::new(Entry { node, clean: None }))
    }
}

/// A node in memory, with the reference to it as long as nothing below it has changed.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) node: Node,
    pub(crate) clean: Option<RlpNode>,
}

/// A node, decoded one level deep.
#[derive(Debug)]
pub(crate) enum Node {
    Leaf { path: Nibbles, value: Vec<u8> },
    Extension { path: Nibbles, child: Child },
    Branch { children: Box<[Child; 16]>, value: Vec<u8> },
}

const DAMAGED: Error = Error::Corrupt("a trie node does not decode");

impl Node {
    /// Decodes one node.
    pub(crate) fn decode(rlp: &[u8]) -> Result<Self> {
        let mut payload = Header::decode_bytes(&mut &rlp[..], true).map_err(|_| DAMAGED)?;
        let mut items = [&[][..]; 17];
        let mut count = 0;
        while !payload.is_empty() {
            let start = payload;
            let header = Header::decode(&mut payload).map_err(|_| DAMAGED)?;
            payload = &payload[header.payload_length..];
            *items.get_mut(count).ok_or(DAMAGED)? = &start[..start.len() - payload.len()];
            count += 1;
        }
        if count != 17 {
            return match TrieNode::decode(&mut &rlp[..]).map_err(|_| DAMAGED)? {
                TrieNode::Leaf(leaf) => Ok(Self::Leaf { path: leaf.key, value: leaf.value }),
                TrieNode::Extension(ext) => Ok(Self::Extension { path: ext.key, child: Child::Reference(ext.child) }),
                TrieNode::EmptyRoot | TrieNode::Branch(_) => Err(DAMAGED),
            };
        }
        let mut children = Box::<[Child; 16]>::default();
        for (child, item) in children.iter_mut().zip(items) {
            if item != [EMPTY_STRING_CODE] {
                *child = Child::Reference(RlpNode::from_raw_rlp(item).map_err(|_| DAMAGED)?);
            }
        }
        let value = Header::decode_bytes(&mut &items[16][..], false).map_err(|_| DAMAGED)?.to_vec();
        Ok(Self::Branch { children, value })
    }

    /// Appends the encoding of a leaf.
    pub(crate) fn encode_leaf(path: &Nibbles, value: &[u8], out: &mut Vec<u8>) {
        LeafNodeRef::new(path, value).encode(out);
    }

    /// Appends the encoding of an extension.
    pub(crate) fn encode_extension(path: &Nibbles, child: &RlpNode, out: &mut Vec<u8>) {
        ExtensionNodeRef::new(path, child).encode(out);
    }

    /// Appends the encoding of a branch.
    pub(crate) fn encode_branch(children: &[Option<RlpNode>; 16], value: &[u8], out: &mut Vec<u8>) {
        let payload_length = children.iter().map(|c| c.as_ref().map_or(1, |r| r.len())).sum::<usize>() + value.length();
        Header { list: true, payload_length }.encode(out);
        for child in children {
            match child {
                Some(reference) => out.extend_from_slice(reference),
                None => out.push(EMPTY_STRING_CODE),
            }
        }
        value.encode(out);
    }
}
