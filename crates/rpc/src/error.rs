//! What callers are told when something fails.
//!
//! Codes are JSON-RPC's and EIP-1474's as geth uses them, because wallets branch on them: `-32602` for parameters,
//! `-32000` for whatever the chain or the pool refuses, `3` for a call that reverted (its data are the revert data).

use alloy_primitives::{B256, Bytes, hex};
use jsonrpsee::types::ErrorObjectOwned;
use revert::reason;

/// Code of a call that reverted.
pub const REVERTED: i32 = 3;
/// Code of everything that the chain, the state or the pool refuses.
pub const SERVER: i32 = -32000;
/// Code of a wait that ended without a receipt (EIP-7966).
pub const TIMEOUT: i32 = 4;
/// Code of a resource limit.
pub const LIMIT: i32 = -32005;
/// Code of malformed or contradictory parameters.
pub const INVALID_PARAMS: i32 = -32602;
/// Code of a fault of this machine.
pub const INTERNAL: i32 = -32603;

/// A failed request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RpcError {
    /// A parameter that cannot be read: the caller must send another.
    #[error("{0}")]
    InvalidParams(String),
    /// The chain, the state or the pool says no; the text says why.
    #[error("{0}")]
    Refused(String),
    /// The request asks for more than the server gives at once.
    #[error("{0}")]
    Limit(String),
    /// The EVM reverted.
    #[error("{}", revert_text(.0))]
    Reverted(Bytes),
    /// There is no such block.
    #[error("header not found")]
    NoBlock,
    /// There is no block with this hash.
    #[error("block {0} not found")]
    NoBlockHash(B256),
    /// The transaction was taken but is in no block yet (EIP-7966). Look for its receipt later.
    #[error("the transaction was added to the pool but was not processed within {} ms", .waited.as_millis())]
    Timeout {
        /// Its hash.
        hash: B256,
        /// How long was waited.
        waited: core::time::Duration,
    },
    /// Nothing is wrong with the request: the database or a task failed. The cause is in the log, not in the answer.
    #[error("internal error: try again; if it stays, see the node's log")]
    Internal,
}

impl RpcError {
    /// A parameter error with the place of the parameter, counted from 0, in geth's words.
    pub fn argument(place: usize, what: impl core::fmt::Display) -> Self {
        Self::InvalidParams(format!("invalid argument {place}: {what}"))
    }

    /// Logs a fault of this machine and hides it from the caller.
    pub fn internal(cause: impl core::fmt::Display) -> Self {
        tracing::error!(%cause, "rpc.internal");
        Self::Internal
    }

    /// The JSON-RPC code.
    pub const fn code(&self) -> i32 {
        match self {
            Self::InvalidParams(_) => INVALID_PARAMS,
            Self::Refused(_) | Self::NoBlock | Self::NoBlockHash(_) => SERVER,
            Self::Limit(_) => LIMIT,
            Self::Reverted(_) => REVERTED,
            Self::Timeout { .. } => TIMEOUT,
            Self::Internal => INTERNAL,
        }
    }
}

impl From<RpcError> for ErrorObjectOwned {
    fn from(error: RpcError) -> Self {
        let data = match &error {
            RpcError::Reverted(output) => Some(hex::encode_prefixed(output)),
            RpcError::Timeout { hash, .. } => Some(hash.to_string()),
            _ => None,
        };
        Self::owned(error.code(), error.to_string(), data)
    }
}

fn revert_text(output: &Bytes) -> String {
    reason(output).map_or_else(|| "execution reverted".to_owned(), |why| format!("execution reverted: {why}"))
}

/// Solidity's two standard revert payloads, in words.
mod revert {
    use alloy_primitives::{U256, hex};

    const ERROR: [u8; 4] = hex!("08c379a0");
    const PANIC: [u8; 4] = hex!("4e487b71");
    /// Longer texts are cut: they come from contracts.
    const LONGEST: usize = 1024;

    /// What `Error(string)` or `Panic(uint256)` says, if `output` is one of them.
    pub(super) fn reason(output: &[u8]) -> Option<String> {
        let (selector, rest) = output.split_first_chunk::<4>()?;
        match *selector {
            ERROR => text(rest),
            PANIC => Some(panic(U256::from_be_slice(rest.get(..32)?)).to_owned()),
            _ => None,
        }
    }

    fn word(bytes: &[u8], at: usize) -> Option<usize> {
        let word = bytes.get(at..at.checked_add(32)?)?;
        usize::try_from(U256::from_be_slice(word)).ok()
    }

    fn text(bytes: &[u8]) -> Option<String> {
        let start = word(bytes, 0)?;
        let length = word(bytes, start)?;
        let from = start.checked_add(32)?;
        let text = core::str::from_utf8(bytes.get(from..from.checked_add(length)?)?).ok()?;
        Some(text.chars().take(LONGEST).collect())
    }

    /// Solidity documentation, "Panic via assert and error via require"; the wording is geth's.
    fn panic(code: U256) -> &'static str {
        match u64::try_from(code) {
            Ok(0x00) => "generic panic",
            Ok(0x01) => "assert(false)",
            Ok(0x11) => "arithmetic underflow or overflow",
            Ok(0x12) => "division or modulo by zero",
            Ok(0x21) => "enum overflow",
            Ok(0x22) => "invalid encoded storage byte array accessed",
            Ok(0x31) => "out-of-bounds array access; popping on an empty array",
            Ok(0x32) => "out-of-bounds access of an array or bytesN",
            Ok(0x41) => "out of memory",
            Ok(0x51) => "uninitialized function",
            _ => "unknown panic code",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(error: RpcError) -> (i32, String, Option<String>) {
        let object = ErrorObjectOwned::from(error);
        (object.code(), object.message().to_owned(), object.data().map(|d| d.get().to_owned()))
    }

    #[test]
    fn a_revert_carries_its_data_and_its_reason() {
        let data = hex::decode("08c379a00000000000000000000000000000000000000000000000000000000000000020000000000000000000000000000000000000000000000000000000000000000a75736572206572726f72").unwrap();
        // Solidity pads the text; contracts written by hand need not.
        let (code, message, sent) = object(RpcError::Reverted(data.clone().into()));
        assert_eq!((code, message.as_str()), (3, "execution reverted: user error"));
        assert_eq!(sent.unwrap(), format!("\"{}\"", hex::encode_prefixed(data)));
    }

    #[test]
    fn a_panic_is_named_and_garbage_is_not() {
        let mut panic = hex!("4e487b71").to_vec();
        panic.extend_from_slice(&U256_ONE);
        assert_eq!(object(RpcError::Reverted(panic.into())).1, "execution reverted: assert(false)");
        assert_eq!(object(RpcError::Reverted(Bytes::from_static(b"\x08\xc3\x79\xa0junk"))).1, "execution reverted");
        assert_eq!(object(RpcError::Reverted(Bytes::new())).2.unwrap(), "\"0x\"");
    }

    const U256_ONE: [u8; 32] = {
        let mut one = [0; 32];
        one[31] = 1;
        one
    };

    #[test]
    fn faults_of_the_machine_tell_nothing() {
        let (code, message, data) = object(RpcError::internal("/secret/path is broken"));
        assert_eq!((code, data), (INTERNAL, None));
        assert!(!message.contains("secret"));
    }

    proptest::proptest! {
        #[test]
        fn any_revert_data_has_a_text(data: Vec<u8>, selector in proptest::sample::select(vec![hex!("08c379a0"), hex!("4e487b71")])) {
            let whole = [selector.as_slice(), &data].concat();
            assert!(RpcError::Reverted(whole.into()).to_string().starts_with("execution reverted"));
        }
    }
}
