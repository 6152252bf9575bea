//! Tells the libraries that execution stands on to recover signers by [`crate::crypto`], for all three who ask: senders of
//! transactions and authorities of EIP-7702 (alloy), and the precompile `ecrecover` (revm).
//!
//! The program does so at its start. Nodes do not: they have the C library, which says the same (tests of
//! [`crate::crypto::secp256k1`]).

use alloc::sync::Arc;
use alloy_consensus::crypto::{RecoveryError, backend::CryptoProvider, install_default_provider};
use alloy_primitives::{Address, keccak256};
use revm::precompile::{Crypto, PrecompileHalt, install_crypto};

/// Finds the key behind a signature, as [`crate::crypto::secp256k1::recover`] does.
pub type Recover = fn(&[u8; 64], u8, &[u8; 32]) -> Option<[u8; 64]>;

/// What recovers, as alloy and revm ask for it.
#[derive(Debug, Clone, Copy)]
struct Recovery(Recover);

/// Makes a function the one by which this process recovers. False if another one was there first.
pub fn install(recover: Recover) -> bool {
    let first = install_default_provider(Arc::new(Recovery(recover))).is_ok();
    install_crypto(Recovery(recover)) && first
}

fn address(key: &[u8; 64]) -> Address {
    Address::from_slice(keccak256(key).split_at(12).1)
}

impl CryptoProvider for Recovery {
    fn recover_signer_unchecked(&self, signature: &[u8; 65], digest: &[u8; 32]) -> Result<Address, RecoveryError> {
        let (id, signature) =
            signature.split_last_chunk::<1>().map(|(rs, [id])| (*id, rs)).ok_or_else(RecoveryError::new)?;
        let signature = signature.try_into().map_err(|_| RecoveryError::new())?;
        self.0(signature, id, digest).map(|key| address(&key)).ok_or_else(RecoveryError::new)
    }

    fn verify_and_compute_signer_unchecked(
        &self,
        key: &[u8; 65],
        signature: &[u8; 64],
        digest: &[u8; 32],
    ) -> Result<Address, RecoveryError> {
        // A signature is right for a key if it leads there, for one of the points that r may stand for.
        let (_, key) = key.split_at(1);
        let found = (0..4).filter_map(|id| self.0(signature, id, digest)).find(|found| found == key);
        found.map(|key| address(&key)).ok_or_else(RecoveryError::new)
    }
}

impl Crypto for Recovery {
    fn secp256k1_ecrecover(&self, signature: &[u8; 64], id: u8, digest: &[u8; 32]) -> Result<[u8; 32], PrecompileHalt> {
        let key = self.0(signature, id, digest).ok_or(PrecompileHalt::Secp256k1RecoverFailed)?;
        Ok(address(&key).into_word().0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::secp256k1::recover;
    use alloy_consensus::crypto::secp256k1::{recover_signer_unchecked, verify_and_compute_signer_unchecked};
    use alloy_primitives::{B256, Signature, U256};
    use proptest::prelude::*;
    use revm::precompile::DefaultCrypto;

    proptest! {
        #[test]
        fn all_that_ask_are_answered_as_by_the_c_library(seed in 1u8.., digest: [u8; 32], spoilt in 0usize..64, high: bool) {
            let key = k256::ecdsa::SigningKey::from_slice(&[seed; 32]).or_else(|_| k256::ecdsa::SigningKey::from_slice(&[1; 32])).unwrap();
            let (signature, id) = key.sign_prehash_recoverable(&digest).unwrap();
            let order = U256::from_be_slice(&alloy_primitives::hex!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"));
            let signature = Signature::from((signature, id));
            let signature = if high { Signature::new(signature.r(), order - signature.s(), !signature.v()) } else { signature };
            let whole: [u8; 64] = signature.as_rsy()[..64].try_into().unwrap();
            let mut other = whole;
            other[spoilt] ^= 1;
            for bytes in [whole, other] {
                let signature = Signature::from_bytes_and_parity(&bytes, signature.v());
                let with_id: [u8; 65] = signature.as_rsy();
                let id = with_id[64];
                let native = recover_signer_unchecked(&signature, B256::from(digest)).ok();
                prop_assert_eq!(Recovery(recover).recover_signer_unchecked(&with_id, &digest).ok(), native);
                let word = native.map(|address| address.into_word().0);
                prop_assert_eq!(Recovery(recover).secp256k1_ecrecover(&bytes, id, &digest).ok(), word);
                prop_assert_eq!(DefaultCrypto.secp256k1_ecrecover(&bytes, id, &digest).ok(), word);
            }
            let uncompressed: [u8; 65] = key.verifying_key().to_encoded_point(false).as_bytes().try_into().unwrap();
            let verified = Recovery(recover).verify_and_compute_signer_unchecked(&uncompressed, &whole, &digest).ok();
            prop_assert_eq!(verified, Some(Address::from_private_key(&key)));
            let low = verify_and_compute_signer_unchecked(&uncompressed, &signature.normalized_s(), digest.into()).ok();
            prop_assert_eq!(low, verified);
            prop_assert!(Recovery(recover).verify_and_compute_signer_unchecked(&uncompressed, &other, &digest).is_err());
        }
    }
}
