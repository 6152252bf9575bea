//! From the pool's words to the server's.

use crate::pool::{PoolError, PoolTransaction};
use std::sync::Arc;
use surety_rpc::{PoolContent, SubmitError};
use surety_stf::execute::op::Refusal;

/// What a wallet is told: geth's texts where it has one.
pub(super) fn refused(error: PoolError, chain_id: u64) -> SubmitError {
    match error {
        PoolError::AlreadyKnown => SubmitError::AlreadyKnown,
        PoolError::Underpriced { .. } => SubmitError::ReplacementUnderpriced,
        PoolError::Full => SubmitError::Full,
        PoolError::Refused(refusal) => match refusal {
            Refusal::NonceTooLow { nonce, next } => SubmitError::NonceTooLow { expected: next, given: nonce },
            Refusal::NonceTooHigh { nonce, next } => SubmitError::NonceTooHigh { expected: next, given: nonce },
            Refusal::Funds { .. } => SubmitError::InsufficientFunds,
            Refusal::FeeTooLow => SubmitError::Underpriced,
            Refusal::Chain => SubmitError::ChainId { expected: chain_id },
            Refusal::Type(_) => SubmitError::Type,
            Refusal::SenderIsContract => SubmitError::SenderHasCode,
            Refusal::GasLeft { .. } => SubmitError::GasLimit,
            other => SubmitError::Other(other.to_string()),
        },
        other => SubmitError::Other(other.to_string()),
    }
}

/// The pool's transactions as the server shows them.
pub(super) fn content((ready, gapped): (Vec<Arc<PoolTransaction>>, Vec<Arc<PoolTransaction>>)) -> PoolContent {
    let shown = |list: Vec<Arc<PoolTransaction>>| list.iter().map(|tx| Arc::new(tx.transaction.clone())).collect();
    PoolContent { pending: shown(ready), queued: shown(gapped) }
}
