//! Senders from signatures.
//!
//! With `std` the secp256k1 C library recovers (chosen by the crate's features) and long lists are spread over the
//! machine's cores; in the program it is [`super::crypto`].

use alloc::vec::Vec;
use alloy_consensus::{
    crypto::{RecoveryError, secp256k1::recover_signer},
    transaction::SignerRecoverable,
};
use alloy_eips::eip7702::{RecoveredAuthority, SignedAuthorization};
use alloy_primitives::Address;
#[cfg(feature = "std")]
use std::sync::OnceLock;
use surety_types::Transaction;

/// A transaction in a list whose signature names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature of transaction {index} is not valid: drop the transaction")]
pub struct BadSignature {
    /// Its place in the list.
    pub index: usize,
}

/// The sender of each transaction, in order. Signatures must have a low s (EIP-2).
///
/// # Errors
/// [`BadSignature`] with the first place that has none.
pub fn recover(transactions: &[Transaction]) -> Result<Vec<Address>, BadSignature> {
    recover_with(transactions, SignerRecoverable::recover_signer)
}

/// As [`recover`], but with signatures as they were before Homestead: s may be high.
///
/// # Errors
/// [`BadSignature`] with the first place that has none.
pub fn recover_frontier(transactions: &[Transaction]) -> Result<Vec<Address>, BadSignature> {
    recover_with(transactions, SignerRecoverable::recover_signer_unchecked)
}

/// Who signed an authorization of EIP-7702, if anybody did: parity 0 or 1, a low s, a key.
pub(super) fn authority(signed: &SignedAuthorization) -> RecoveredAuthority {
    let signer = signed.signature().ok().and_then(|signature| recover_signer(&signature, signed.signature_hash()).ok());
    signer.map_or(RecoveredAuthority::Invalid, RecoveredAuthority::Valid)
}

type Recover = fn(&Transaction) -> Result<Address, RecoveryError>;

fn recover_slice(transactions: &[Transaction], offset: usize, one: Recover) -> Result<Vec<Address>, BadSignature> {
    transactions
        .iter()
        .enumerate()
        .map(|(index, tx)| one(tx).map_err(|_| BadSignature { index: index.saturating_add(offset) }))
        .collect()
}

/// Below this many a thread costs more than it saves (a recovery takes some 30 µs).
#[cfg(feature = "std")]
const PER_THREAD: usize = 16;

#[cfg(feature = "std")]
fn recover_with(transactions: &[Transaction], one: Recover) -> Result<Vec<Address>, BadSignature> {
    // Asking for the number of cores costs as much as a recovery (it reads files), so it is asked for once.
    static CORES: OnceLock<usize> = OnceLock::new();
    if transactions.len() <= PER_THREAD {
        return recover_slice(transactions, 0, one);
    }
    let cores = *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, core::num::NonZero::get));
    let threads = cores.min(transactions.len().div_ceil(PER_THREAD)).max(1);
    if threads == 1 {
        return recover_slice(transactions, 0, one);
    }
    let share = transactions.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let parts: Vec<_> = transactions
            .chunks(share)
            .enumerate()
            .map(|(i, part)| scope.spawn(move || recover_slice(part, i.saturating_mul(share), one)))
            .collect();
        let mut senders = Vec::with_capacity(transactions.len());
        for part in parts {
            match part.join() {
                Ok(found) => senders.extend(found?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(senders)
    })
}

#[cfg(not(feature = "std"))]
fn recover_with(transactions: &[Transaction], one: Recover) -> Result<Vec<Address>, BadSignature> {
    recover_slice(transactions, 0, one)
}
