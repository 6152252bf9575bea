//! Batch statements that L1 keeps, with the signatures that came along.

use surety_l1::follow::PostedBatch;
use surety_types::{
    evidence::SignedStatement,
    signing::{Signature, Statement},
};

/// One statement a signature. None where a contract between hid the signatures.
pub(crate) fn statements(batch: &PostedBatch) -> Vec<SignedStatement> {
    let Some(bytes) = &batch.signatures else { return Vec::new() };
    let statement = Statement::from(batch.statement.clone());
    let (signatures, _) = bytes.as_chunks::<64>();
    let signed =
        |bytes: &[u8; 64]| SignedStatement { statement: statement.clone(), signature: Signature((*bytes).into()) };
    signatures.iter().take(super::MAX_SIGNATURES).map(signed).collect()
}
