//! What this project takes from `alloy-rlp`: that it reads every valid encoding, writes the same bytes, and refuses what
//! is not canonical. Proved by Ethereum's RLP tests.
#![allow(missing_docs)]

use alloy_primitives::{U512, hex};
use alloy_rlp::{Decodable, Encodable, Header};
use serde_json::Value;
use std::{collections::BTreeMap, path::PathBuf};

/// Any RLP.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Text(Vec<u8>),
    List(Vec<Item>),
}

impl Decodable for Item {
    fn decode(buf: &mut &[u8]) -> alloy_rlp::Result<Self> {
        let mut peek = *buf;
        if !Header::decode(&mut peek)?.list {
            return Ok(Self::Text(Header::decode_bytes(buf, false)?.to_vec()));
        }
        let mut payload = Header::decode_bytes(buf, true)?;
        let mut items = Vec::new();
        while !payload.is_empty() {
            items.push(Self::decode(&mut payload)?);
        }
        Ok(Self::List(items))
    }
}

impl Encodable for Item {
    fn encode(&self, out: &mut dyn alloy_rlp::BufMut) {
        match self {
            Self::Text(text) => text.as_slice().encode(out),
            Self::List(items) => alloy_rlp::encode_list::<Item, Item>(items, out),
        }
    }

    fn length(&self) -> usize {
        let mut out = Vec::new();
        self.encode(&mut out);
        out.len()
    }
}

fn trimmed(number: U512) -> Vec<u8> {
    number.to_be_bytes_trimmed_vec()
}

fn item(value: &Value) -> Item {
    match value {
        Value::Number(n) => Item::Text(trimmed(U512::from(n.as_u64().unwrap()))),
        Value::String(s) => match s.strip_prefix('#') {
            Some(digits) => Item::Text(trimmed(digits.parse().unwrap())),
            None => Item::Text(s.as_bytes().to_vec()),
        },
        Value::Array(items) => Item::List(items.iter().map(item).collect()),
        other => panic!("{other} is no RLP"),
    }
}

#[test]
fn the_rlp_tests_of_ethereum_pass() {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors");
    let folder = std::env::var_os("SURETY_VECTORS").map_or_else(|| default.into(), PathBuf::from);
    let folder = folder.join("ethereum-tests/RLPTests");
    if !folder.is_dir() {
        assert!(std::env::var_os("CI").is_none(), "no test vectors at {}", folder.display());
        eprintln!("not run: no test vectors at {}; set SURETY_VECTORS", folder.display());
        return;
    }
    let (mut valid, mut invalid) = (0, 0);
    for file in ["rlptest.json", "invalidRLPTest.json", "RandomRLPTests/example.json"] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        let tests: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
        for (name, test) in tests {
            let bytes = hex::decode(test["out"].as_str().unwrap()).unwrap();
            let decoded = alloy_rlp::decode_exact::<Item>(&bytes);
            match test["in"].as_str() {
                Some("INVALID") => {
                    assert!(decoded.is_err(), "{name} was accepted");
                    invalid += 1;
                }
                expected => {
                    let decoded = decoded.unwrap_or_else(|error| panic!("{name}: {error}"));
                    assert_eq!(alloy_rlp::encode(&decoded), bytes, "{name}");
                    if expected != Some("VALID") {
                        assert_eq!(decoded, item(&test["in"]), "{name}");
                    }
                    valid += 1;
                }
            }
        }
    }
    assert_eq!((valid, invalid), (29, 26));
}
