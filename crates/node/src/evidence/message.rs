//! What seats pass on to each other.
//!
//! Message: `count (1) ‖ { kind (1) ‖ statement (its ABI encoding) ‖ signature (64) }*`, at most [`MAX_ITEMS`].

use surety_types::{
    evidence::SignedStatement,
    signing::{Signature, Statement, StatementKind},
};

/// The most statements of one message.
pub const MAX_ITEMS: usize = 64;
const SIGNATURE: usize = 64;
/// The longest message: batch statements have 14 words.
pub const MAX_BYTES: usize = 1 + MAX_ITEMS * (1 + StatementKind::Batch.encoded_length() + SIGNATURE);

/// Writes a message of the first [`MAX_ITEMS`] statements.
pub fn encode(items: &[SignedStatement]) -> Vec<u8> {
    let items = items.get(..MAX_ITEMS).unwrap_or(items);
    let mut bytes = vec![items.len() as u8];
    for item in items {
        bytes.push(item.statement.kind().number());
        bytes.extend_from_slice(&item.statement.abi_encode());
        bytes.extend_from_slice(item.signature.0.as_slice());
    }
    bytes
}

/// Reads a message; `None` for any other bytes.
pub fn decode(bytes: &[u8]) -> Option<Vec<SignedStatement>> {
    let (count, mut rest) = bytes.split_first()?;
    if usize::from(*count) > MAX_ITEMS {
        return None;
    }
    let mut items = Vec::with_capacity(usize::from(*count));
    for _ in 0..*count {
        let (kind, tail) = rest.split_first()?;
        let kind = StatementKind::from_number(*kind)?;
        let (statement, tail) = tail.split_at_checked(kind.encoded_length())?;
        let (signature, tail) = tail.split_at_checked(SIGNATURE)?;
        items.push(SignedStatement {
            statement: Statement::abi_decode(kind, statement)?,
            signature: Signature(signature.try_into().ok()?),
        });
        rest = tail;
    }
    rest.is_empty().then_some(items)
}
