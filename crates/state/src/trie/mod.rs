//! The incremental Merkle-Patricia trie.
//!
//! A [`Trie`] is a part of a trie in memory: it begins as a bare root hash, loads the nodes that a lookup or a change
//! meets, and at the end hashes what changed. Nodes are stored by **path** (the nibbles from the root to the node), not by
//! hash, so that a change overwrites its predecessor and nothing needs collecting; nodes whose RLP is shorter than 32
//! bytes live inside their parent, the root alone is always stored.
//!
//! What was loaded is remembered. It is the proof of what was read and, with the siblings that a collapsing branch has to
//! look at, all that anybody needs to make the same changes without the database (`crate::witness`). Whoever records a
//! witness deletes first and puts afterwards: that order looks at every node that any other order would look at.

mod node;

use crate::error::{Error, Result};
use alloy_primitives::{B256, Bytes, keccak256, map::HashSet};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, nodes::RlpNode};
use core::mem::take;
use node::{Child, Entry, Node};

/// Where a trie's nodes come from.
pub(crate) trait NodeSource {
    /// The RLP of the node at a path, `None` if nothing is stored there. `hash` is its keccak256.
    fn node(&self, path: &Nibbles, hash: &B256) -> Result<Option<Bytes>>;
}

/// A node's path and its RLP; `None` where the node is gone.
pub(crate) type NodeUpdate = (Nibbles, Option<Bytes>);

/// A part of a trie in memory. See the module's documentation.
#[derive(Debug)]
pub(crate) struct Trie<S> {
    source: S,
    root: Child,
    loaded: Vec<(Nibbles, Bytes)>,
}

impl<S: NodeSource> Trie<S> {
    pub(crate) fn new(source: S, root: B256) -> Self {
        let root = if root == EMPTY_ROOT_HASH { Child::Empty } else { Child::Reference(RlpNode::word_rlp(&root)) };
        Self { source, root, loaded: Vec::new() }
    }

    /// The nodes that were read from the source so far.
    pub(crate) fn loaded(&self) -> impl Iterator<Item = &Bytes> {
        self.loaded.iter().map(|(_, rlp)| rlp)
    }

    /// The value of a key.
    pub(crate) fn get(&mut self, key: &Nibbles) -> Result<Option<Vec<u8>>> {
        let Self { source, root, loaded } = self;
        let mut at = root;
        let mut depth = 0;
        loop {
            let Some(entry) = load(source, loaded, at, &key.slice(..depth))? else { return Ok(None) };
            let rest = key.slice(depth..);
            match &mut entry.node {
                Node::Leaf { path, value } => return Ok((*path == rest).then(|| value.clone())),
                Node::Extension { path, child } => {
                    if !rest.starts_with(path) {
                        return Ok(None);
                    }
                    depth += path.len();
                    at = child;
                }
                Node::Branch { children, value } => match rest.first() {
                    None => return Ok((!value.is_empty()).then(|| value.clone())),
                    Some(nibble) => {
                        depth += 1;
                        at = &mut children[usize::from(nibble)];
                    }
                },
            }
        }
    }

    /// Puts a value, which must not be empty.
    pub(crate) fn put(&mut self, key: &Nibbles, value: Vec<u8>) -> Result<()> {
        let root = take(&mut self.root);
        self.root = self.put_below(root, 0, key, value)?;
        Ok(())
    }

    /// Removes a key, if it is there.
    pub(crate) fn delete(&mut self, key: &Nibbles) -> Result<()> {
        let root = take(&mut self.root);
        self.root = self.delete_below(root, 0, key)?.0;
        Ok(())
    }

    /// The root and the nodes that changed since [`Trie::new`].
    pub(crate) fn hash(&self) -> (B256, Vec<NodeUpdate>) {
        let mut hasher = Hasher { updates: Vec::new(), kept: HashSet::default() };
        let hash = match &self.root {
            Child::Empty => EMPTY_ROOT_HASH,
            other => hasher.reference(other, &Nibbles::new()).as_hash().unwrap_or(EMPTY_ROOT_HASH),
        };
        let Hasher { mut updates, kept } = hasher;
        updates.extend(self.loaded.iter().filter(|(path, _)| !kept.contains(path)).map(|(path, _)| (*path, None)));
        (hash, updates)
    }

    fn put_below(&mut self, mut child: Child, depth: usize, key: &Nibbles, value: Vec<u8>) -> Result<Child> {
        load(&self.source, &mut self.loaded, &mut child, &key.slice(..depth))?;
        let rest = key.slice(depth..);
        let Child::Loaded(mut entry) = child else { return Ok(Child::changed(Node::Leaf { path: rest, value })) };
        let node = match entry.node {
            Node::Leaf { path, value: old } if path == rest => {
                if old == value {
                    entry.node = Node::Leaf { path, value };
                    return Ok(Child::Loaded(entry));
                }
                Node::Leaf { path, value }
            }
            Node::Leaf { path, value: old } => split(path, rest, value, |below| match below {
                None => Below::Value(old),
                Some(path) => Below::Child(Child::changed(Node::Leaf { path, value: old })),
            }),
            Node::Extension { path, child } if rest.starts_with(&path) => {
                Node::Extension { path, child: self.put_below(child, depth + path.len(), key, value)? }
            }
            Node::Extension { path, child } => split(path, rest, value, |below| match below {
                Some(path) if !path.is_empty() => Below::Child(Child::changed(Node::Extension { path, child })),
                _ => Below::Child(child),
            }),
            Node::Branch { mut children, value: old } => match rest.first() {
                None => Node::Branch { children, value },
                Some(nibble) => {
                    let slot = &mut children[usize::from(nibble)];
                    *slot = self.put_below(take(slot), depth + 1, key, value)?;
                    Node::Branch { children, value: old }
                }
            },
        };
        // A put of what is there already leaves everything below clean; the node itself is then encoded once more,
        // to the same bytes, which costs less than to carry the news upwards.
        Ok(Child::changed(node))
    }

    fn delete_below(&mut self, mut child: Child, depth: usize, key: &Nibbles) -> Result<(Child, bool)> {
        load(&self.source, &mut self.loaded, &mut child, &key.slice(..depth))?;
        let Child::Loaded(mut entry) = child else { return Ok((Child::Empty, false)) };
        let rest = key.slice(depth..);
        let (node, changed) = match entry.node {
            Node::Leaf { path, .. } if path == rest => return Ok((Child::Empty, true)),
            leaf @ Node::Leaf { .. } => (leaf, false),
            Node::Extension { path, child } if rest.starts_with(&path) => {
                let (child, changed) = self.delete_below(child, depth + path.len(), key)?;
                if changed {
                    return Ok((prepend(path, child), true));
                }
                (Node::Extension { path, child }, false)
            }
            extension @ Node::Extension { .. } => (extension, false),
            Node::Branch { mut children, mut value } => {
                let changed = match rest.first() {
                    None => !take(&mut value).is_empty(),
                    Some(nibble) => {
                        let slot = &mut children[usize::from(nibble)];
                        let (below, changed) = self.delete_below(take(slot), depth + 1, key)?;
                        *slot = below;
                        changed
                    }
                };
                if changed {
                    return Ok((self.collapse(children, value, &key.slice(..depth))?, true));
                }
                (Node::Branch { children, value }, false)
            }
        };
        entry.node = node;
        Ok((Child::Loaded(entry), changed))
    }

    /// What becomes of a branch that lost a child: itself, or, if one way is left, that way with a longer path.
    fn collapse(&mut self, mut children: Box<[Child; 16]>, value: Vec<u8>, at: &Nibbles) -> Result<Child> {
        let mut left = children.iter().enumerate().filter(|(_, c)| !c.is_empty()).map(|(i, _)| i);
        let (first, second) = (left.next(), left.next());
        match (first, second, value.is_empty()) {
            (None, _, true) => Ok(Child::Empty),
            (None, _, false) => Ok(Child::changed(Node::Leaf { path: Nibbles::new(), value })),
            (Some(index), None, true) => {
                let nibble = Nibbles::from_nibbles([index as u8]);
                let mut only = take(&mut children[index]);
                load(&self.source, &mut self.loaded, &mut only, &at.join(&nibble))?;
                Ok(prepend(nibble, only))
            }
            _ => Ok(Child::changed(Node::Branch { children, value })),
        }
    }
}

/// Makes sure that a child is in memory; `None` if there is none.
fn load<'a, S: NodeSource>(
    source: &S,
    loaded: &mut Vec<(Nibbles, Bytes)>,
    child: &'a mut Child,
    at: &Nibbles,
) -> Result<Option<&'a mut Entry>> {
    if let Child::Reference(reference) = child {
        let node = match reference.as_hash() {
            Some(hash) => {
                let rlp = source.node(at, &hash)?.ok_or(Error::Corrupt("a trie node is missing"))?;
                debug_assert_eq!(keccak256(&rlp), hash, "node at {at:?}");
                let node = Node::decode(&rlp)?;
                loaded.push((*at, rlp));
                node
            }
            None => Node::decode(reference)?,
        };
        *child = Child::Loaded(Box::new(Entry { node, clean: Some(reference.clone()) }));
    }
    Ok(match child {
        Child::Loaded(entry) => Some(entry),
        _ => None,
    })
}

/// What an old leaf or extension leaves below a new branch.
enum Below {
    Value(Vec<u8>),
    Child(Child),
}

/// Parts an old path from a new key: a branch where they differ, behind an extension over what they share. `old` gives
/// what follows the branch on the old side, told the path that is left (`None`: the old path ends at the branch).
fn split(path: Nibbles, rest: Nibbles, value: Vec<u8>, old: impl FnOnce(Option<Nibbles>) -> Below) -> Node {
    let shared = path.common_prefix_length(&rest);
    let mut children = Box::<[Child; 16]>::default();
    let mut branch_value = Vec::new();
    let turn = path.get(shared);
    match (turn, old(turn.map(|_| path.slice(shared + 1..)))) {
        (Some(nibble), Below::Child(child)) => children[usize::from(nibble)] = child,
        (_, Below::Value(old)) => branch_value = old,
        // An extension's path never ends at its own branch: it would be a prefix of the key, which is no split.
        (None, Below::Child(_)) => {}
    }
    match rest.get(shared) {
        Some(nibble) => {
            children[usize::from(nibble)] = Child::changed(Node::Leaf { path: rest.slice(shared + 1..), value });
        }
        None => branch_value = value,
    }
    let branch = Node::Branch { children, value: branch_value };
    if shared == 0 { branch } else { Node::Extension { path: path.slice(..shared), child: Child::changed(branch) } }
}

/// Puts a path in front of a node in memory.
fn prepend(path: Nibbles, child: Child) -> Child {
    match child {
        Child::Loaded(entry) => match entry.node {
            Node::Leaf { path: rest, value } => Child::changed(Node::Leaf { path: path.join(&rest), value }),
            Node::Extension { path: rest, child } => Child::changed(Node::Extension { path: path.join(&rest), child }),
            branch @ Node::Branch { .. } => Child::changed(Node::Extension {
                path,
                child: Child::Loaded(Box::new(Entry { node: branch, clean: entry.clean })),
            }),
        },
        other => other,
    }
}

/// Hashes what changed and notes which stored nodes stay.
struct Hasher {
    updates: Vec<NodeUpdate>,
    /// Paths at which a node is stored after the change, as far as they are in memory.
    kept: HashSet<Nibbles>,
}

impl Hasher {
    fn reference(&mut self, child: &Child, at: &Nibbles) -> RlpNode {
        let entry = match child {
            Child::Empty => return RlpNode::default(),
            Child::Reference(reference) => return reference.clone(),
            Child::Loaded(entry) => entry,
        };
        let mut rlp = Vec::with_capacity(64);
        match &entry.node {
            Node::Leaf { path, value } => {
                if entry.clean.is_none() {
                    Node::encode_leaf(path, value, &mut rlp);
                }
            }
            Node::Extension { path, child } => {
                let reference = self.reference(child, &at.join(path));
                if entry.clean.is_none() {
                    Node::encode_extension(path, &reference, &mut rlp);
                }
            }
            Node::Branch { children, value } => {
                let mut references = [const { None }; 16];
                for (index, (child, reference)) in children.iter().zip(&mut references).enumerate() {
                    if !child.is_empty() {
                        let mut below = *at;
                        below.push(index as u8);
                        *reference = Some(self.reference(child, &below));
                    }
                }
                if entry.clean.is_none() {
                    rlp.reserve(536);
                    Node::encode_branch(&references, value, &mut rlp);
                }
            }
        }
        if let Some(clean) = &entry.clean {
            if clean.is_hash() {
                self.kept.insert(*at);
            }
            return clean.clone();
        }
        let root = at.is_empty();
        let reference = if root { RlpNode::word_rlp(&keccak256(&rlp)) } else { RlpNode::from_rlp(&rlp) };
        if reference.is_hash() {
            self.kept.insert(*at);
            self.updates.push((*at, Some(rlp.into())));
        }
        reference
    }
}

#[cfg(test)]
mod tests;
