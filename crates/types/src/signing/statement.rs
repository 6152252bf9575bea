//! A signed struct of any kind, and its bytes for L1.

use super::{Batch, Domain, Finalize, Notarize, Nullify, Receipt};
use alloc::vec::Vec;
use alloy_primitives::B256;
use alloy_sol_types::{SolStruct, SolValue};

/// Something that a seat signs and answers for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Statement {
    /// A vote for a proposal.
    Notarize(Notarize),
    /// A vote to make a proposal final.
    Finalize(Finalize),
    /// A vote to give a view up.
    Nullify(Nullify),
    /// A batch statement.
    Batch(Batch),
    /// A leader's receipt.
    Receipt(Receipt),
}

/// What kind of struct a statement is; the number is the one in evidence for L1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum StatementKind {
    /// [`Notarize`].
    Notarize = 1,
    /// [`Finalize`].
    Finalize = 2,
    /// [`Nullify`].
    Nullify = 3,
    /// [`Batch`].
    Batch = 4,
    /// [`Receipt`].
    Receipt = 5,
}

impl StatementKind {
    /// The kind with this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Notarize,
            2 => Self::Finalize,
            3 => Self::Nullify,
            4 => Self::Batch,
            5 => Self::Receipt,
            _ => return None,
        })
    }

    /// Its number in evidence.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// How many bytes `abi.encode` of such a struct has: a word for each field.
    pub const fn encoded_length(self) -> usize {
        match self {
            Self::Notarize | Self::Finalize => 6 * 32,
            Self::Nullify => 4 * 32,
            Self::Batch => 14 * 32,
            Self::Receipt => 7 * 32,
        }
    }
}

macro_rules! each {
    ($statement:expr, $message:ident => $value:expr) => {
        match $statement {
            Statement::Notarize($message) => $value,
            Statement::Finalize($message) => $value,
            Statement::Nullify($message) => $value,
            Statement::Batch($message) => $value,
            Statement::Receipt($message) => $value,
        }
    };
}

impl Statement {
    /// The rollup that it speaks of (L2 chain id).
    pub const fn rollup(&self) -> u64 {
        each!(self, m => m.rollup)
    }

    /// The term whose committee signs.
    pub const fn term(&self) -> u64 {
        each!(self, m => m.term)
    }

    /// Hash of the last block before that term, as the signer has it.
    pub const fn genesis(&self) -> B256 {
        each!(self, m => m.genesis)
    }

    /// Which struct it is.
    pub const fn kind(&self) -> StatementKind {
        match self {
            Self::Notarize(_) => StatementKind::Notarize,
            Self::Finalize(_) => StatementKind::Finalize,
            Self::Nullify(_) => StatementKind::Nullify,
            Self::Batch(_) => StatementKind::Batch,
            Self::Receipt(_) => StatementKind::Receipt,
        }
    }

    /// Where in the term it stands: the view, or of a batch its last height.
    pub const fn place(&self) -> u64 {
        match self {
            Self::Notarize(m) => m.view,
            Self::Finalize(m) => m.view,
            Self::Nullify(m) => m.view,
            Self::Batch(m) => m.lastHeight,
            Self::Receipt(m) => m.view,
        }
    }

    /// EIP-712's hash of the struct.
    pub fn struct_hash(&self) -> B256 {
        each!(self, m => m.eip712_hash_struct())
    }

    /// The digest that is signed.
    pub fn digest(&self, domain: &Domain) -> B256 {
        each!(self, m => domain.digest(m))
    }

    /// `abi.encode` of the struct: a word for each field, in the order of the type.
    pub fn abi_encode(&self) -> Vec<u8> {
        each!(self, m => m.abi_encode())
    }

    /// The statement of this kind that has these bytes as its [`Self::abi_encode`]; `None` for any other bytes.
    pub fn abi_decode(kind: StatementKind, bytes: &[u8]) -> Option<Self> {
        if bytes.len() != kind.encoded_length() {
            return None;
        }
        let statement = match kind {
            StatementKind::Notarize => Self::Notarize(Notarize::abi_decode_validate(bytes).ok()?),
            StatementKind::Finalize => Self::Finalize(Finalize::abi_decode_validate(bytes).ok()?),
            StatementKind::Nullify => Self::Nullify(Nullify::abi_decode_validate(bytes).ok()?),
            StatementKind::Batch => Self::Batch(Batch::abi_decode_validate(bytes).ok()?),
            StatementKind::Receipt => Self::Receipt(Receipt::abi_decode_validate(bytes).ok()?),
        };
        (statement.abi_encode() == bytes).then_some(statement)
    }
}

impl From<Notarize> for Statement {
    fn from(message: Notarize) -> Self {
        Self::Notarize(message)
    }
}

impl From<Finalize> for Statement {
    fn from(message: Finalize) -> Self {
        Self::Finalize(message)
    }
}

impl From<Nullify> for Statement {
    fn from(message: Nullify) -> Self {
        Self::Nullify(message)
    }
}

impl From<Batch> for Statement {
    fn from(message: Batch) -> Self {
        Self::Batch(message)
    }
}

impl From<Receipt> for Statement {
    fn from(message: Receipt) -> Self {
        Self::Receipt(message)
    }
}
