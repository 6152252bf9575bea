//! Signatures that were found right, so that none is recovered twice.
//!
//! A signature is known by all its bytes, what it signs and who is to have signed it: nothing else is answered from memory.
//! Two generations of bounded size; when the younger is full the older is forgotten. Only a member's right signature gets
//! in, so a member that makes many costs what it costs without this.

use alloy_primitives::{Address, B256, map::HashSet};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use surety_types::signing::Signature;

/// Signatures of one generation: those of 16 views of the largest committee.
const GENERATION: usize = 2_048;

/// What was signed, the signer's index, the signature.
type Key = (B256, usize, Signature);

static RECOVERED: AtomicU64 = AtomicU64::new(0);
static REMEMBERED: AtomicU64 = AtomicU64::new(0);

/// How many signatures this process has recovered, and how many it knew to be right.
pub(in crate::consensus) fn checks() -> (u64, u64) {
    (RECOVERED.load(Ordering::Relaxed), REMEMBERED.load(Ordering::Relaxed))
}

#[derive(Debug, Default)]
pub(super) struct RightSignatures(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashSet<Key>,
    old: HashSet<Key>,
}

impl RightSignatures {
    /// Whether this is the address's signature of the digest.
    pub(super) fn check(&self, digest: B256, signer: usize, signature: &Signature, address: &Address) -> bool {
        let key = (digest, signer, *signature);
        {
            let seen = self.0.lock();
            if seen.young.contains(&key) || seen.old.contains(&key) {
                REMEMBERED.fetch_add(1, Ordering::Relaxed);
                return true;
            }
        }
        RECOVERED.fetch_add(1, Ordering::Relaxed);
        let right = signature.recover(&digest).as_ref() == Some(address);
        if right {
            let mut seen = self.0.lock();
            if seen.young.len() >= GENERATION {
                seen.old = std::mem::take(&mut seen.young);
            }
            seen.young.insert(key);
        }
        right
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        let seen = self.0.lock();
        seen.young.len() + seen.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{consensus::testing::vote_key, signer::Signer as _};

    #[test]
    fn only_the_same_bytes_of_the_same_signer_under_the_same_digest_are_known() {
        let (key, other) = (vote_key(0), vote_key(1));
        let (digest, another) = (B256::repeat_byte(1), B256::repeat_byte(2));
        let signature = key.sign(&digest).unwrap();
        let right = RightSignatures::default();
        assert!(!right.check(digest, 0, &signature, &other.address()), "a wrong one is not remembered");
        assert_eq!(right.len(), 0);
        for _ in 0..2 {
            assert!(right.check(digest, 0, &signature, &key.address()));
            assert_eq!(right.len(), 1);
        }
        assert!(!right.check(another, 0, &signature, &key.address()));
        assert!(!right.check(digest, 1, &signature, &other.address()));
        for byte in 0..64 {
            let mut bent = signature;
            bent.0[byte] ^= 1;
            assert!(!right.check(digest, 0, &bent, &key.address()), "byte {byte}");
        }
        assert_eq!(right.len(), 1);
    }

    #[test]
    fn memory_is_bounded_and_the_newest_are_known() {
        let key = vote_key(0);
        let right = RightSignatures::default();
        let digest = |n: usize| B256::left_padding_from(&n.to_be_bytes());
        let sign = |n: usize| key.sign(&digest(n)).unwrap();
        let total = 2 * GENERATION + 10;
        for n in 0..total {
            assert!(right.check(digest(n), 0, &sign(n), &key.address()));
        }
        assert!(right.len() <= 2 * GENERATION);
        let known = |n: usize| {
            let seen = right.0.lock();
            let key = (digest(n), 0, sign(n));
            seen.young.contains(&key) || seen.old.contains(&key)
        };
        assert!(known(total - 1) && known(total - GENERATION), "the newest generation and the one before");
        assert!(!known(0), "the oldest is forgotten");
    }
}
