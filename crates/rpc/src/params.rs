//! Reading parameters: by place, strictly, with errors that name the place.
//!
//! `params` is an array (or absent). Trailing arguments may be missing or `null` where a method says so; more arguments
//! than a method takes are refused. Objects (by-name parameters) are refused: no Ethereum client takes them.

use crate::error::RpcError;
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{B256, U256, hex};
use jsonrpsee::types::Params;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::value::RawValue;

/// The arguments of one request.
#[derive(Debug)]
pub(crate) struct Args<'a> {
    values: Vec<&'a RawValue>,
}

impl<'a> Args<'a> {
    /// Splits `params` into at most `most` arguments.
    pub(crate) fn new(params: &'a Params<'_>, most: usize) -> Result<Self, RpcError> {
        let text = params.as_str().map_or("[]", str::trim);
        let values: Vec<&RawValue> = serde_json::from_str(if text.is_empty() || text == "null" { "[]" } else { text })
            .map_err(|_| RpcError::InvalidParams("non-array args: send the parameters as an array".to_owned()))?;
        if values.len() > most {
            return Err(RpcError::InvalidParams(format!("too many arguments, want at most {most}")));
        }
        Ok(Self { values })
    }

    /// The argument at `place`, if it is there and not `null`.
    pub(crate) fn optional<T: DeserializeOwned>(&self, place: usize) -> Result<Option<T>, RpcError> {
        match self.values.get(place).map(|raw| raw.get()) {
            None | Some("null") => Ok(None),
            Some(json) => {
                serde_json::from_str(json).map(Some).map_err(|error| RpcError::argument(place, plain(&error)))
            }
        }
    }

    /// The argument at `place`.
    pub(crate) fn required<T: DeserializeOwned>(&self, place: usize) -> Result<T, RpcError> {
        self.optional(place)?
            .ok_or_else(|| RpcError::InvalidParams(format!("missing value for required argument {place}")))
    }

    /// The block at `place`, `latest` if there is none.
    pub(crate) fn block(&self, place: usize) -> Result<BlockId, RpcError> {
        Ok(self.optional::<BlockArgument>(place)?.map_or_else(BlockId::latest, |argument| argument.0))
    }

    /// The block number or tag at `place`.
    pub(crate) fn number(&self, place: usize) -> Result<BlockNumberOrTag, RpcError> {
        Ok(self.required::<NumberArgument>(place)?.0)
    }

    /// The text at `place`, as it stands.
    pub(crate) fn text(&self, place: usize) -> Result<String, RpcError> {
        self.required(place)
    }
}

/// The error without the line and column that mean nothing to the caller.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rfind(" at line ").map_or(text.clone(), |end| text[..end].to_owned())
}

/// Reads a `0x` quantity as geth does.
fn quantity(text: &str) -> Result<u64, &'static str> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).ok_or("hex string without 0x prefix")?;
    match digits.as_bytes() {
        [] => Err("hex string \"0x\""),
        [b'0', _, ..] => Err("hex number with leading zero digits"),
        bytes if !bytes.iter().all(u8::is_ascii_hexdigit) => Err("invalid hex string"),
        bytes if bytes.len() > 16 => Err("hex number > 64 bits"),
        _ => u64::from_str_radix(digits, 16).map_err(|_| "invalid hex string"),
    }
}

fn tag(text: &str) -> Option<BlockNumberOrTag> {
    Some(match text {
        "latest" => BlockNumberOrTag::Latest,
        "earliest" => BlockNumberOrTag::Earliest,
        "pending" => BlockNumberOrTag::Pending,
        "safe" => BlockNumberOrTag::Safe,
        "finalized" => BlockNumberOrTag::Finalized,
        _ => return None,
    })
}

/// A block number or tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NumberArgument(pub(crate) BlockNumberOrTag);

impl<'de> Deserialize<'de> for NumberArgument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match tag(&text) {
            Some(tag) => Ok(Self(tag)),
            None => quantity(&text).map(|n| Self(BlockNumberOrTag::Number(n))).map_err(serde::de::Error::custom),
        }
    }
}

/// A block number, tag, hash, or EIP-1898 object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct BlockArgument(BlockId);

impl<'de> Deserialize<'de> for BlockArgument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;

        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        struct Object {
            block_number: Option<NumberArgument>,
            block_hash: Option<B256>,
            require_canonical: Option<bool>,
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Text(String),
            Object(Object),
        }

        let either = Either::deserialize(deserializer)
            .map_err(|_| D::Error::custom("want a block number, a tag, a hash or an EIP-1898 object"))?;
        match either {
            Either::Text(text) if text.len() == 66 => text
                .parse::<B256>()
                .map(|hash| Self(BlockId::hash(hash)))
                .map_err(|_| D::Error::custom("invalid hex string")),
            Either::Text(text) => match tag(&text) {
                Some(tag) => Ok(Self(tag.into())),
                None => quantity(&text).map(|n| Self(BlockId::number(n))).map_err(D::Error::custom),
            },
            Either::Object(Object { block_number: Some(number), block_hash: None, .. }) => Ok(Self(number.0.into())),
            Either::Object(Object { block_number: None, block_hash: Some(hash), require_canonical }) => {
                Ok(Self(BlockId::from((hash, require_canonical))))
            }
            Either::Object(Object { block_number: Some(_), block_hash: Some(_), .. }) => {
                Err(D::Error::custom("cannot specify both blockHash and blockNumber, choose one or the other"))
            }
            Either::Object(_) => Err(D::Error::custom("invalid block reference: give blockHash or blockNumber")),
        }
    }
}

/// A number that may come as a quantity or as a bare JSON number (transaction indices, block counts).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quantity(pub(crate) u64);

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(u64),
            Text(String),
        }
        match Either::deserialize(deserializer).map_err(|_| serde::de::Error::custom("want a quantity"))? {
            Either::Number(n) => Ok(Self(n)),
            Either::Text(text) => quantity(&text).map(Self).map_err(serde::de::Error::custom),
        }
    }
}

/// A 32-byte hash with its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hash(pub(crate) B256);

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let text = String::deserialize(deserializer)?;
        if !text.starts_with("0x") {
            return Err(D::Error::custom("hex string without 0x prefix"));
        }
        text.parse().map(Self).map_err(|_| D::Error::custom("want a hash: 0x and 64 hex digits"))
    }
}

/// A storage key as callers write it: up to 32 bytes of hex, short forms allowed.
///
/// The second value says whether it was written as a short quantity; `eth_getProof` echoes keys in the caller's form.
pub(crate) fn storage_key(text: &str) -> Result<(U256, bool), RpcError> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(RpcError::InvalidParams(format!("invalid hex in storage key: {:?}", cut(text))));
    }
    if digits.len() > 64 {
        return Err(RpcError::InvalidParams(format!("storage key too long (want at most 32 bytes): {:?}", cut(text))));
    }
    let padded = format!("{digits:0>64}");
    let bytes = hex::decode(&padded).map_err(|error| RpcError::InvalidParams(error.to_string()))?;
    Ok((U256::from_be_slice(&bytes), digits.len() < 64))
}

/// Enough of a hostile text to recognise it.
fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(json: &str, most: usize, read: impl FnOnce(&Args<'_>) -> Result<T, RpcError>) -> Result<T, String> {
        let params = Params::new(Some(json));
        Args::new(&params, most).and_then(|args| read(&args)).map_err(|error| {
            assert_eq!(error.code(), crate::error::INVALID_PARAMS);
            error.to_string()
        })
    }

    #[test]
    fn a_missing_block_is_latest() {
        assert_eq!(with("[]", 1, |a| a.block(0)), Ok(BlockId::latest()));
        assert_eq!(with("[null]", 1, |a| a.block(0)), Ok(BlockId::latest()));
        assert_eq!(Args::new(&Params::new(None), 0).unwrap().values.len(), 0);
    }

    #[test]
    fn a_block_is_a_number_a_tag_a_hash_or_an_object() {
        let hash = B256::repeat_byte(7);
        assert_eq!(with("[\"0x10\"]", 1, |a| a.block(0)), Ok(BlockId::number(16)));
        assert_eq!(with("[\"finalized\"]", 1, |a| a.block(0)), Ok(BlockId::finalized()));
        assert_eq!(with(&format!("[\"{hash}\"]"), 1, |a| a.block(0)), Ok(BlockId::hash(hash)));
        assert_eq!(
            with(&format!("[{{\"blockHash\":\"{hash}\",\"requireCanonical\":true}}]"), 1, |a| a.block(0)),
            Ok(BlockId::from((hash, Some(true))))
        );
        assert_eq!(with("[{\"blockNumber\":\"0x1\"}]", 1, |a| a.block(0)), Ok(BlockId::number(1)));
    }

    #[test]
    fn bad_arguments_are_named_by_their_place() {
        let cases = [
            ("[\"2\"]", "invalid argument 0: hex string without 0x prefix"),
            ("[\"0x\"]", "invalid argument 0: hex string \"0x\""),
            ("[\"0x01\"]", "invalid argument 0: hex number with leading zero digits"),
            ("[\"0x11111111111111111\"]", "invalid argument 0: hex number > 64 bits"),
            ("[\"0xzz\"]", "invalid argument 0: invalid hex string"),
            ("[]", "missing value for required argument 0"),
            ("[1,2]", "too many arguments, want at most 1"),
            ("{\"a\":1}", "non-array args: send the parameters as an array"),
        ];
        for (json, text) in cases {
            assert_eq!(with(json, 1, |a| a.number(0)), Err(text.to_owned()), "{json}");
        }
        let both = format!("[{{\"blockHash\":\"{}\",\"blockNumber\":\"0x1\"}}]", B256::ZERO);
        assert!(with(&both, 1, |a| a.block(0)).unwrap_err().contains("cannot specify both"));
    }

    #[test]
    fn quantities_may_be_bare_numbers() {
        assert_eq!(
            with("[5,\"0x5\"]", 2, |a| Ok((a.required::<Quantity>(0)?.0, a.required::<Quantity>(1)?.0))),
            Ok((5, 5))
        );
        assert!(with("[-1]", 1, |a| a.required::<Quantity>(0)).is_err());
    }

    #[test]
    fn storage_keys_may_be_short_but_not_long() {
        assert_eq!(storage_key("0x0"), Ok((U256::ZERO, true)));
        assert_eq!(storage_key(&B256::with_last_byte(9).to_string()), Ok((U256::from(9), false)));
        assert_eq!(storage_key("0xasdf").unwrap_err().to_string(), "invalid hex in storage key: \"0xasdf\"");
        let long = format!("0x{}", "0".repeat(65));
        assert!(storage_key(&long).unwrap_err().to_string().starts_with("storage key too long"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let json = serde_json::to_string(&[&text]).unwrap();
            let _ = with(&json, 1, |a| a.block(0));
            let _ = with(&text, 1, |a| a.number(0));
            let _ = storage_key(&text);
        }
    }
}
