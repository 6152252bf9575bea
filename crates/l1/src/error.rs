//! What can go wrong with Ethereum, and what the caller is to do about it.

use alloy::sol_types::SolError;
use alloy_primitives::{B256, Bytes};
use std::fmt;

/// What the caller of something that failed is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// The same call may work later: try again with a back-off.
    Retry,
    /// What was asked about is gone (a reorg): forget it and ask anew from a block that still is.
    Reset,
    /// It will not work without a person or another endpoint.
    GiveUp,
}

/// A failed read or write of L1.
#[derive(Debug, Clone, thiserror::Error)]
pub enum L1Error {
    /// No answer, or an answer that says "not now".
    #[error("{method}: no usable answer from the L1 endpoint ({reason}); it is tried again")]
    Unavailable {
        /// What was asked.
        method: &'static str,
        /// The transport's words.
        reason: String,
    },
    /// The endpoint refused the request.
    #[error("{method}: the L1 endpoint refused (code {code}): {message}")]
    Refused {
        /// What was asked.
        method: &'static str,
        /// JSON-RPC error code.
        code: i64,
        /// Its words.
        message: String,
    },
    /// A call or an estimate reverted.
    #[error("{method}: reverted: {revert}")]
    Reverted {
        /// What was asked.
        method: &'static str,
        /// Why.
        revert: Revert,
    },
    /// The answer contradicts itself or what is known.
    #[error("{method}: the L1 endpoint answered wrongly: {reason}; use another endpoint if this lasts")]
    Invalid {
        /// What was asked.
        method: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Several endpoints say different things, and which of them is right cannot be told.
    #[error(
        "the L1 endpoints contradict each other ({reason}): nothing is believed until they agree; remove the one that is wrong, or add others"
    )]
    Disputed {
        /// Who says what.
        reason: String,
    },
    /// Too many results for one request: ask for less.
    #[error("{method}: too much in one answer ({reason}): a smaller range is needed")]
    TooLarge {
        /// What was asked.
        method: &'static str,
        /// Which bound.
        reason: String,
    },
    /// The block is not (any more) in the chain.
    #[error("L1 block {0} is not in the chain: it was reorganised away or the endpoint is behind")]
    UnknownBlock(String),
    /// No beacon endpoint or archive has the blob.
    #[error("blob {hash} of L1 block {block} is not available ({reason}): name an archive that has it")]
    BlobMissing {
        /// Its versioned hash.
        hash: B256,
        /// Number of the block that carried it.
        block: u64,
        /// Which sources were asked.
        reason: String,
    },
    /// The disk failed.
    #[error("{what}: {reason}; check the data directory")]
    Disk {
        /// What was done.
        what: String,
        /// The system's words.
        reason: String,
    },
}

impl L1Error {
    /// What to do.
    pub const fn advice(&self) -> Advice {
        match self {
            Self::Unavailable { .. }
            | Self::Invalid { .. }
            | Self::Disputed { .. }
            | Self::TooLarge { .. }
            | Self::BlobMissing { .. } => Advice::Retry,
            Self::UnknownBlock(_) => Advice::Reset,
            Self::Refused { .. } | Self::Reverted { .. } | Self::Disk { .. } => Advice::GiveUp,
        }
    }

    /// An answer that is none, and why.
    pub fn invalid(method: &'static str, reason: impl Into<String>) -> Self {
        Self::Invalid { method, reason: reason.into() }
    }

    pub(crate) fn disk(what: impl Into<String>, error: &std::io::Error) -> Self {
        Self::Disk { what: what.into(), reason: error.to_string() }
    }
}

/// The data with which a call reverted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revert {
    /// As the EVM returned them; empty for a bare revert (or an endpoint that does not tell).
    pub data: Bytes,
}

impl Revert {
    /// The error's selector, if there is one.
    pub fn selector(&self) -> Option<[u8; 4]> {
        self.data.first_chunk().copied()
    }

    /// The custom error, if it is this one.
    pub fn decode<E: SolError>(&self) -> Option<E> {
        E::abi_decode(&self.data).ok()
    }
}

impl fmt::Display for Revert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Bounded: an endpoint may send anything. No error of ours is longer.
        let shown = self.data.get(..self.data.len().min(1024)).unwrap_or_default();
        f.write_str(&surety_contracts::describe_revert(shown))
    }
}
