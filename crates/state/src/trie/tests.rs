use super::*;
use alloy_primitives::hex;
use proptest::prelude::*;
use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};

/// Nodes by path, as the database keeps them.
#[derive(Debug, Default)]
struct Stored {
    nodes: RefCell<HashMap<Nibbles, Bytes>>,
}

impl NodeSource for &Stored {
    fn node(&self, path: &Nibbles, _: &B256) -> Result<Option<Bytes>> {
        Ok(self.nodes.borrow().get(path).cloned())
    }
}

impl Stored {
    /// Changes the trie and keeps the result, as a block would.
    fn apply(&self, root: B256, changes: &[(Vec<u8>, Option<Vec<u8>>)]) -> B256 {
        let mut trie = Trie::new(self, root);
        for (key, value) in changes {
            match value {
                Some(value) => trie.put(&Nibbles::unpack(key), value.clone()).unwrap(),
                None => trie.delete(&Nibbles::unpack(key)).unwrap(),
            }
        }
        let (root, updates) = trie.hash();
        for (path, rlp) in updates {
            match rlp {
                Some(rlp) => self.nodes.borrow_mut().insert(path, rlp),
                None => self.nodes.borrow_mut().remove(&path),
            };
        }
        root
    }
}

fn vectors() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors");
    let folder = std::env::var_os("SURETY_VECTORS").map_or_else(|| default.into(), PathBuf::from);
    let tests = folder.join("ethereum-tests/TrieTests");
    if tests.is_dir() {
        return Some(tests);
    }
    assert!(std::env::var_os("CI").is_none(), "no test vectors at {}", tests.display());
    eprintln!("not run: no test vectors at {}; set SURETY_VECTORS", tests.display());
    None
}

fn bytes(text: &serde_json::Value) -> Option<Vec<u8>> {
    let text = text.as_str()?;
    Some(text.strip_prefix("0x").map_or_else(|| text.as_bytes().to_vec(), |digits| hex::decode(digits).unwrap()))
}

type Changes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

fn changes(input: &serde_json::Value, secure: bool) -> Changes {
    let key = |key: Vec<u8>| if secure { keccak256(key).to_vec() } else { key };
    let text = |key: &str| bytes(&key.into()).unwrap();
    match input {
        serde_json::Value::Array(pairs) => {
            pairs.iter().map(|pair| (key(bytes(&pair[0]).unwrap()), bytes(&pair[1]))).collect()
        }
        serde_json::Value::Object(pairs) => pairs.iter().map(|(k, v)| (key(text(k)), bytes(v))).collect(),
        _ => panic!("neither list nor object"),
    }
}

/// `trietestnextprev.json` (one case) asks for the neighbours of a key, which this trie does not offer.
#[test]
fn the_trie_tests_of_ethereum_pass() {
    let Some(folder) = vectors() else { return };
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 6);
    let mut cases = 0;
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        if name == "trietestnextprev.json" {
            continue;
        }
        let secure = name.to_lowercase().contains("secure");
        let text = std::fs::read_to_string(&file).unwrap();
        let tests: BTreeMap<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
        for (case, test) in tests {
            cases += 1;
            let root: B256 = test["root"].as_str().unwrap().parse().unwrap();
            let mut changes = changes(&test["in"], secure);
            let at_once = Stored::default().apply(EMPTY_ROOT_HASH, &changes);
            assert_eq!(at_once, root, "{name} {case} at once");
            let stored = Stored::default();
            let one = |root, change| stored.apply(root, std::slice::from_ref(change));
            assert_eq!(changes.iter().fold(EMPTY_ROOT_HASH, one), root, "{name} {case} one by one");
            if test["in"].is_object() {
                changes.reverse();
                assert_eq!(Stored::default().apply(EMPTY_ROOT_HASH, &changes), root, "{name} {case} reversed");
            }
        }
    }
    assert_eq!(cases, 25);
}

/// Every node that the root reaches.
fn reachable(stored: &Stored, root: B256) -> HashMap<Nibbles, Bytes> {
    fn walk(trie: &mut Trie<&Stored>, child: &mut Child, at: Nibbles) {
        let mut loaded = take(&mut trie.loaded);
        load(&trie.source, &mut loaded, child, &at).unwrap();
        trie.loaded = loaded;
        let Child::Loaded(entry) = child else { return };
        match &mut entry.node {
            Node::Leaf { .. } => {}
            Node::Extension { path, child } => walk(trie, child, at.join(path)),
            Node::Branch { children, .. } => {
                for (index, child) in children.iter_mut().enumerate() {
                    let mut below = at;
                    below.push(index as u8);
                    walk(trie, child, below);
                }
            }
        }
    }
    let mut trie = Trie::new(stored, root);
    let mut top = take(&mut trie.root);
    walk(&mut trie, &mut top, Nibbles::new());
    trie.loaded.into_iter().collect()
}

fn any_changes() -> impl Strategy<Value = Vec<Changes>> {
    // Few first bytes and long values, short values: deep branches, and nodes that live in their parents.
    let key = (0u8..4, prop::sample::select(vec![0u8, 1, 0x10, 0x11, 0xf0]), any::<bool>());
    let key = key.prop_map(|(a, b, deep)| if deep { vec![a, b, 0x77, b, a] } else { vec![a, 0x20 | b >> 4, b, b, b] });
    let value = prop_oneof![
        2 => Just(None),
        2 => any::<u8>().prop_map(|b| Some(vec![b | 1])),
        2 => any::<u8>().prop_map(|b| Some(vec![b; 40])),
    ];
    prop::collection::vec(prop::collection::vec((key, value), 1..12), 1..8)
}

proptest! {
    #[test]
    fn the_incremental_trie_equals_a_rebuilt_one_and_leaves_no_node_behind(blocks in any_changes()) {
        let stored = Stored::default();
        let mut model = BTreeMap::new();
        let mut root = EMPTY_ROOT_HASH;
        for block in blocks {
            root = stored.apply(root, &block);
            for (key, value) in block {
                match value {
                    Some(value) => model.insert(key, value),
                    None => model.remove(&key),
                };
            }
            let mut builder = alloy_trie::HashBuilder::default();
            for (key, value) in &model {
                builder.add_leaf(Nibbles::unpack(key), value);
            }
            prop_assert_eq!(root, builder.root());
            let mut trie = Trie::new(&stored, root);
            for (key, value) in &model {
                prop_assert_eq!(trie.get(&Nibbles::unpack(key)).unwrap(), Some(value.clone()));
            }
            prop_assert_eq!(trie.get(&Nibbles::unpack([9, 9, 9, 9, 9])).unwrap(), None);
            prop_assert_eq!(&reachable(&stored, root), &*stored.nodes.borrow());
        }
    }

    #[test]
    fn arbitrary_bytes_are_a_node_or_refused(bytes: Vec<u8>) {
        let _ = Node::decode(&bytes);
    }
}
