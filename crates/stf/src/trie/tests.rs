use super::*;
use crate::oracle::{CheckError, Checked};
use alloc::{string::String, vec::Vec};
use alloy_trie::HashBuilder;
use proptest::{collection::vec as many, prelude::*};

/// Preimages in memory.
#[derive(Debug, Default)]
struct Memory(BTreeMap<B256, Bytes>);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
struct Absent(String);

impl Oracle for Memory {
    type Error = Absent;
    fn preimage(&self, hash: B256) -> Result<Bytes, Absent> {
        self.0.get(&hash).cloned().ok_or_else(|| Absent(alloc::format!("no preimage of {hash}")))
    }
    fn blob(&self, hash: B256) -> Result<Bytes, Absent> {
        Err(Absent(alloc::format!("no blob {hash}")))
    }
}

impl Memory {
    fn keep(&mut self, node: &Node) {
        let mut all = Vec::new();
        node.encodings(&mut all);
        self.0.extend(all.into_iter().map(|rlp| (keccak256(&rlp), Bytes::from(rlp))));
    }
}

fn reference_root(leaves: &BTreeMap<B256, Vec<u8>>) -> B256 {
    let mut builder = HashBuilder::default();
    for (key, value) in leaves {
        builder.add_leaf(Nibbles::unpack(key), value);
    }
    builder.root()
}

/// Keys that share long prefixes, so that extensions and collapses are deep.
fn trie_key() -> impl Strategy<Value = B256> {
    (many(prop_oneof![4 => Just(0u8), 1 => 0u8..3, 1 => Just(0x10)], 32), any::<prop::sample::Index>(), any::<u8>())
        .prop_map(|(bytes, at, byte)| {
            let mut key = B256::from_slice(&bytes);
            key[at.index(32)] = byte;
            key
        })
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![many(any::<u8>(), 1..4), many(any::<u8>(), 30..80)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Rounds of changes, each on a trie of which only the root is in memory.
    #[test]
    fn roots_and_reads_are_those_of_a_rebuilt_trie(rounds in many(many((trie_key(), prop::option::of(value()), any::<prop::sample::Index>()), 1..12), 1..8)) {
        let mut memory = Memory::default();
        let mut leaves = BTreeMap::new();
        let mut root = EMPTY_ROOT_HASH;
        for round in rounds {
            let mut trie = Node::from_root(root);
            for (key, value, at) in round {
                match value {
                    Some(value) => {
                        trie.insert(&memory, Nibbles::unpack(key), value.clone(), 0).unwrap();
                        leaves.insert(key, value);
                    }
                    None => {
                        let present = leaves.keys().nth(at.index(leaves.len().max(1))).copied().unwrap_or(key);
                        for key in [key, present] {
                            trie.remove(&memory, Nibbles::unpack(key), 0).unwrap();
                            leaves.remove(&key);
                        }
                    }
                }
            }
            root = trie.root();
            prop_assert_eq!(root, reference_root(&leaves));
            memory.keep(&trie);
            let mut again = Node::from_root(root);
            for (key, value) in &leaves {
                prop_assert_eq!(again.get(&memory, Nibbles::unpack(key), 0).unwrap(), Some(value.as_slice()));
                let mut absent = *key;
                absent[31] ^= 1;
                let expected = leaves.get(&absent).map(Vec::as_slice);
                prop_assert_eq!(again.get(&memory, Nibbles::unpack(absent), 0).unwrap(), expected);
            }
        }
    }

    #[test]
    fn the_order_of_changes_does_not_count(keys in many((trie_key(), value()), 2..30), gone in many(any::<prop::sample::Index>(), 0..10)) {
        let memory = Memory::default();
        let (mut forth, mut back) = (Node::Empty, Node::Empty);
        let leaves: BTreeMap<_, _> = keys.into_iter().collect();
        for (key, value) in &leaves {
            forth.insert(&memory, Nibbles::unpack(key), value.clone(), 0).unwrap();
        }
        for (key, value) in leaves.iter().rev() {
            back.insert(&memory, Nibbles::unpack(key), value.clone(), 0).unwrap();
        }
        let gone: Vec<_> = gone.into_iter().map(|at| *leaves.keys().nth(at.index(leaves.len())).unwrap()).collect();
        gone.iter().for_each(|key| forth.remove(&memory, Nibbles::unpack(key), 0).unwrap());
        gone.iter().rev().for_each(|key| back.remove(&memory, Nibbles::unpack(key), 0).unwrap());
        prop_assert_eq!(forth.root(), back.root());
    }

    /// Whatever stands under a root: an answer or an error, for reads and changes.
    #[test]
    fn malformed_nodes_are_errors(bytes in many(any::<u8>(), 0..120), leaves in many((trie_key(), value()), 1..20), damage in many((any::<prop::sample::Index>(), any::<u8>()), 1..4), key in trie_key()) {
        let mut memory = Memory::default();
        let mut good = Node::Empty;
        for (key, value) in &leaves {
            good.insert(&memory, Nibbles::unpack(key), value.clone(), 0).unwrap();
        }
        memory.keep(&good);
        let mut top = memory.0[&good.root()].to_vec();
        for (at, byte) in damage {
            let at = at.index(top.len());
            top[at] = byte;
        }
        for top in [bytes, top] {
            let root = keccak256(&top);
            memory.0.insert(root, top.into());
            for key in leaves.iter().map(|(key, _)| *key).chain([key]) {
                let _ = Node::from_root(root).get(&memory, Nibbles::unpack(key), 0);
                let mut changed = Node::from_root(root);
                if changed.insert(&memory, Nibbles::unpack(key), alloc::vec![1], 0).is_ok() {
                    let _ = changed.remove(&memory, Nibbles::unpack(key), 0);
                    let _ = changed.root();
                }
                let _ = Node::from_root(root).remove(&memory, Nibbles::unpack(key), 0);
            }
        }
    }
}

#[test]
fn a_lying_or_silent_oracle_is_an_error() {
    let mut memory = Memory::default();
    let root = B256::repeat_byte(7);
    let key = Nibbles::unpack(B256::ZERO);
    let silent = Node::from_root(root).get(&memory, key, 0).map(|found| found.is_some());
    assert!(matches!(silent, Err(TrieError::Oracle(OracleError::Source(_)))));
    memory.0.insert(root, Bytes::from_static(&[0x80]));
    let lying = Node::from_root(root).get(&Checked(memory), key, 0).map(|found| found.is_some());
    assert_eq!(lying, Err(TrieError::Oracle(OracleError::Source(CheckError::Preimage(root)))));
}
