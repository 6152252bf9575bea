//! Evidence of an equivocation: two contradicting statements of one key (protocol §9).
//!
//! Two statements contradict when both are of the same rollup, term **and** genesis, and:
//!
//! | pair | of the same | and differ in |
//! |---|---|---|
//! | `Notarize`, `Notarize` | view | block hash or parent view |
//! | `Finalize`, `Finalize` | view | block hash or parent view |
//! | `Nullify`, `Finalize` (either order) | view | – |
//! | `Batch`, `Batch` | last height | last hash; or, with the same first height, block hash root |
//!
//! Every other field of a `Batch` may differ innocently; so may the root if the first height does, for it is over the hashes
//! from there on. `Notarize(A)` beside `Finalize(B)` alone is none, nor is `Notarize` beside `Nullify`. Messages are compared,
//! never signatures. Receipts are judged in a later step. For a fixed signer, rollup, term and genesis the statements of one
//! [`Slot`] and place that are no [contradiction](contradict) [say the same](say_the_same), except batches from several first
//! heights: so the first of a slot (of each first height) shows every later pair.
//!
//! # What L1 takes
//!
//! ```text
//! abi.encode(uint8 firstKind, bytes first, bytes firstSignature, uint8 secondKind, bytes second, bytes secondSignature)
//! ```
//!
//! with the kinds of [`StatementKind`], `first` and `second` as [`Statement::abi_encode`] writes them and signatures of 64
//! bytes (EIP-2098). Which comes first does not matter to the verdict.

use crate::signing::{Domain, Signature, Statement, StatementKind};
use alloc::vec::Vec;
use alloy_primitives::{Address, Bytes};
use alloy_sol_types::{SolType, sol_data};

/// A statement with its signature; who signed it is found by recovery.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SignedStatement {
    /// What is said.
    pub statement: Statement,
    /// By whom, in EIP-2098's form.
    pub signature: Signature,
}

impl SignedStatement {
    /// The address of the key that signed; `None` for a signature that L1 would refuse.
    pub fn signer(&self, domain: &Domain) -> Option<Address> {
        self.signature.recover(&self.statement.digest(domain))
    }
}

/// Which row of the table two statements are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Contradiction {
    /// Two proposals of one view were voted for.
    Notarizations,
    /// Two proposals of one view were voted final.
    Finalizations,
    /// A view was given up and its proposal voted final.
    NullifiedAndFinalized,
    /// Two results were stated for the same last height.
    Batches,
}

/// Which of a key's statements of one (rollup, term, genesis) can contradict each other at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Slot {
    /// Votes for proposals, by view.
    Notarize = 1,
    /// Votes that end a view: to make its proposal final, or to give it up.
    End = 2,
    /// Batch statements, by last height.
    Batch = 3,
}

impl Slot {
    /// The slot of a statement; none for receipts, which nothing contradicts yet.
    pub const fn of(statement: &Statement) -> Option<Self> {
        match statement {
            Statement::Notarize(_) => Some(Self::Notarize),
            Statement::Finalize(_) | Statement::Nullify(_) => Some(Self::End),
            Statement::Batch(_) => Some(Self::Batch),
            Statement::Receipt(_) => None,
        }
    }
}

/// Whether one key may not have signed both, and why. Symmetric.
pub fn contradict(a: &Statement, b: &Statement) -> Option<Contradiction> {
    if (a.rollup(), a.term(), a.genesis(), a.place()) != (b.rollup(), b.term(), b.genesis(), b.place()) {
        return None;
    }
    match (a, b) {
        (Statement::Notarize(a), Statement::Notarize(b)) => {
            ((a.blockHash, a.parentView) != (b.blockHash, b.parentView)).then_some(Contradiction::Notarizations)
        }
        (Statement::Finalize(a), Statement::Finalize(b)) => {
            ((a.blockHash, a.parentView) != (b.blockHash, b.parentView)).then_some(Contradiction::Finalizations)
        }
        (Statement::Nullify(_), Statement::Finalize(_)) | (Statement::Finalize(_), Statement::Nullify(_)) => {
            Some(Contradiction::NullifiedAndFinalized)
        }
        (Statement::Batch(a), Statement::Batch(b)) => {
            let roots = a.firstHeight == b.firstHeight && a.blockHashRoot != b.blockHashRoot;
            (a.lastHash != b.lastHash || roots).then_some(Contradiction::Batches)
        }
        _ => None,
    }
}

/// Whether two statements of one signer stand for each other: whatever contradicts one of them contradicts both.
pub fn say_the_same(a: &Statement, b: &Statement) -> bool {
    let slot = Slot::of(a);
    if slot.is_none()
        || (slot, a.rollup(), a.term(), a.genesis(), a.place())
            != (Slot::of(b), b.rollup(), b.term(), b.genesis(), b.place())
    {
        return false;
    }
    let starts = match (a, b) {
        (Statement::Batch(a), Statement::Batch(b)) => a.firstHeight == b.firstHeight,
        _ => true,
    };
    starts && contradict(a, b).is_none()
}

/// Why a pair shows no guilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// The pair is not in the table.
    #[error("the two statements do not contradict each other; there is nothing to report")]
    NoContradiction,
    /// A signature is not one that L1 takes.
    #[error("the {0} signature is not a valid one in EIP-2098's form; drop the evidence")]
    Signature(&'static str),
    /// Two keys signed.
    #[error("the statements were signed by two keys, {0} and {1}; drop the evidence")]
    TwoSigners(Address, Address),
    /// The bytes are not the encoding of any evidence.
    #[error("these bytes are not the encoding of an equivocation; drop them")]
    Encoding,
}

/// Two statements that, signed by one key, contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Equivocation {
    /// One of the two.
    pub first: SignedStatement,
    /// The other.
    pub second: SignedStatement,
}

type Encoded =
    (sol_data::Uint<8>, sol_data::Bytes, sol_data::Bytes, sol_data::Uint<8>, sol_data::Bytes, sol_data::Bytes);
/// Six heads, four lengths, two signatures, and the longest struct twice: no evidence is longer.
const MAX_ENCODED: usize = 32 * (6 + 4 + 2 * 2 + 2 * 14);

impl Equivocation {
    /// Who is guilty: the address of the key that signed both.
    ///
    /// # Errors
    /// When the pair shows nothing: see [`EvidenceError`].
    pub fn check(&self, domain: &Domain) -> Result<Address, EvidenceError> {
        self.contradiction().ok_or(EvidenceError::NoContradiction)?;
        let first = self.first.signer(domain).ok_or(EvidenceError::Signature("first"))?;
        let second = self.second.signer(domain).ok_or(EvidenceError::Signature("second"))?;
        if first == second { Ok(first) } else { Err(EvidenceError::TwoSigners(first, second)) }
    }

    /// The row of the table, whoever signed.
    pub fn contradiction(&self) -> Option<Contradiction> {
        contradict(&self.first.statement, &self.second.statement)
    }

    /// The evidence bytes that L1 takes.
    pub fn abi_encode(&self) -> Vec<u8> {
        let part = |signed: &SignedStatement| {
            let statement = Bytes::from(signed.statement.abi_encode());
            (signed.statement.kind().number(), statement, Bytes::copy_from_slice(signed.signature.0.as_slice()))
        };
        let ((kind, first, signature), (kind2, second, signature2)) = (part(&self.first), part(&self.second));
        Encoded::abi_encode_params(&(kind, first, signature, kind2, second, signature2))
    }

    /// Reads evidence bytes back.
    ///
    /// # Errors
    /// [`EvidenceError::Encoding`] for bytes that [`Self::abi_encode`] would not write. The pair itself is not judged.
    pub fn abi_decode(bytes: &[u8]) -> Result<Self, EvidenceError> {
        if bytes.len() > MAX_ENCODED {
            return Err(EvidenceError::Encoding);
        }
        let parts = Encoded::abi_decode_params_validate(bytes).map_err(|_| EvidenceError::Encoding)?;
        let signed = |kind: u8, statement: &[u8], signature: &[u8]| {
            Some(SignedStatement {
                statement: Statement::abi_decode(StatementKind::from_number(kind)?, statement)?,
                signature: Signature(signature.try_into().ok()?),
            })
        };
        let (kind, first, signature, kind2, second, signature2) = parts;
        let first = signed(kind, &first, &signature).ok_or(EvidenceError::Encoding)?;
        let second = signed(kind2, &second, &signature2).ok_or(EvidenceError::Encoding)?;
        let evidence = Self { first, second };
        if evidence.abi_encode() == bytes { Ok(evidence) } else { Err(EvidenceError::Encoding) }
    }
}

#[cfg(feature = "serde")]
mod json;
#[cfg(test)]
mod tests;
