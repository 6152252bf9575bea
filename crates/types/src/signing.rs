//! Everything that a seat signs, in one table (protocol §5).
//!
//! All are EIP-712 structs under one domain: name "Surety", version "1", the L1 chain id and the registry's address. So L1
//! checks each with `ecrecover`, and none is good on another chain, for another committee, rollup or term.
//!
//! | struct | says |
//! |---|---|
//! | [`Notarize`] | this block is a good proposal of this view |
//! | [`Finalize`] | I executed this block and know it notarised; I signed no nullify in this view |
//! | [`Nullify`] | this view failed for me |
//! | [`Batch`] | these blocks are final, their data are these, and they end in this state |
//! | [`Receipt`] | I, leader of this view, put this transaction at this place |
//! | [`VoteKey`] | this vote key is mine, with this owner and this peer key |
//!
//! A signature is 64 bytes in EIP-2098's compact form, made by RFC 6979 with low `s`; a high `s` or the zero address is
//! refused, so there is one signature per key and message. Messages are compared, never signatures.

use alloc::vec::Vec;
use alloy_primitives::{Address, B256, Signature as EcdsaSignature, U256, keccak256};
use alloy_sol_types::{Eip712Domain, SolStruct, SolValue, sol};
use k256::ecdsa::SigningKey;

mod statement;
pub use statement::{Statement, StatementKind};

sol! {
    /// A vote for a proposal.
    #[derive(Debug, PartialEq, Eq, Hash)]
    struct Notarize {
        uint64 rollup;
        uint64 term;
        bytes32 genesis;
        uint64 view;
        uint64 parentView;
        bytes32 blockHash;
    }

    /// A vote to make a notarised proposal final.
    #[derive(Debug, PartialEq, Eq, Hash)]
    struct Finalize {
        uint64 rollup;
        uint64 term;
        bytes32 genesis;
        uint64 view;
        uint64 parentView;
        bytes32 blockHash;
    }

    /// A vote to give a view up.
    #[derive(Debug, PartialEq, Eq, Hash)]
    struct Nullify {
        uint64 rollup;
        uint64 term;
        bytes32 genesis;
        uint64 view;
    }

    /// The statement that L1 keeps: which blocks a batch holds and what they end in.
    #[derive(Debug, PartialEq, Eq, Hash)]
    struct Batch {
        uint64 rollup;
        uint64 term;
        bytes32 genesis;
        uint64 firstHeight;
        uint64 lastHeight;
        bytes32 parentClaim;
        bytes32 prevHash;
        bytes32 lastHash;
        bytes32 blockHashRoot;
        uint64 lastBlockTime;
        uint64 messageCount;
        bytes32 messageAcc;
        bytes32 inboxTip;
        bytes32 dataHash;
    }

    /// A leader's word on the place of a transaction.
    #[derive(Debug, PartialEq, Eq, Hash)]
    struct Receipt {
        uint64 rollup;
        uint64 term;
        bytes32 genesis;
        uint64 view;
        uint64 height;
        uint64 index;
        bytes32 txHash;
    }

    /// Proof of a vote key at registration and rotation.
    #[derive(Debug, PartialEq, Eq, Hash)]
    struct VoteKey {
        address owner;
        bytes32 peerKey;
    }
}

impl Batch {
    /// The 480 bytes whose keccak256 is EIP-712's struct hash: the type's hash and the 14 fields, a word each.
    pub fn to_preimage(&self) -> Vec<u8> {
        [self.eip712_type_hash().as_slice(), &self.eip712_encode_data()].concat()
    }

    /// The statement that has these bytes as its struct hash's preimage; `None` for any other bytes.
    pub fn from_preimage(bytes: &[u8]) -> Option<Self> {
        let (_, fields) = bytes.split_first_chunk::<32>()?;
        let statement = <Self as SolValue>::abi_decode(fields).ok()?;
        (statement.to_preimage() == bytes).then_some(statement)
    }
}

/// The domain of all signatures: one L1 chain and one committee's registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Domain {
    separator: B256,
}

impl Domain {
    /// The domain of a registry on an L1 chain.
    pub fn new(l1_chain_id: u64, registry: Address) -> Self {
        let domain = Eip712Domain::new(
            Some("Surety".into()),
            Some("1".into()),
            Some(U256::from(l1_chain_id)),
            Some(registry),
            None,
        );
        Self { separator: domain.separator() }
    }

    /// EIP-712's domain separator.
    pub const fn separator(&self) -> B256 {
        self.separator
    }

    /// The digest that is signed for a struct: `keccak256(0x19 0x01 ‖ separator ‖ structHash)`.
    pub fn digest(&self, message: &impl SolStruct) -> B256 {
        let mut bytes = [0u8; 66];
        let (prefix, rest) = bytes.split_at_mut(2);
        prefix.copy_from_slice(&[0x19, 0x01]);
        let (separator, hash) = rest.split_at_mut(32);
        separator.copy_from_slice(self.separator.as_slice());
        hash.copy_from_slice(message.eip712_hash_struct().as_slice());
        keccak256(bytes)
    }
}

/// A signature in EIP-2098's form: `r ‖ (yParity << 255 | s)`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Signature(pub alloy_primitives::FixedBytes<64>);

impl core::fmt::Debug for Signature {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(&self.0, f)
    }
}

impl Signature {
    /// Signs a digest by RFC 6979. `None` only if the key cannot sign it (of negligible probability).
    pub fn sign(key: &SigningKey, digest: &B256) -> Option<Self> {
        let (signature, recovery) = key.sign_prehash_recoverable(digest.as_slice()).ok()?;
        // k256 normalises s itself and adapts the recovery id.
        let compact = EcdsaSignature::from((signature, recovery)).as_erc2098();
        Some(Self(compact.into()))
    }

    /// The address that signed the digest; `None` for a signature that L1 would refuse (high `s`, out of range, no key).
    pub fn recover(&self, digest: &B256) -> Option<Address> {
        let signature = EcdsaSignature::from_erc2098(self.0.as_slice());
        if signature.normalize_s().is_some() {
            return None;
        }
        let signer = recover(&signature, digest)?;
        (!signer.is_zero()).then_some(signer)
    }
}

#[cfg(feature = "std")]
fn recover(signature: &EcdsaSignature, digest: &B256) -> Option<Address> {
    use secp256k1::{
        Message, SECP256K1,
        ecdsa::{RecoverableSignature, RecoveryId},
    };
    let id = if signature.v() { RecoveryId::One } else { RecoveryId::Zero };
    let mut rs = [0u8; 64];
    rs.split_at_mut(32).0.copy_from_slice(&signature.r().to_be_bytes::<32>());
    rs.split_at_mut(32).1.copy_from_slice(&signature.s().to_be_bytes::<32>());
    let signature = RecoverableSignature::from_compact(&rs, id).ok()?;
    let key = SECP256K1.recover_ecdsa(Message::from_digest(digest.0), &signature).ok()?;
    let bytes = key.serialize_uncompressed();
    Some(Address::from_raw_public_key(bytes.split_at(1).1))
}

#[cfg(not(feature = "std"))]
fn recover(signature: &EcdsaSignature, digest: &B256) -> Option<Address> {
    signature.recover_address_from_prehash(digest).ok()
}

/// The L1 address of a vote key.
pub fn vote_address(key: &SigningKey) -> Address {
    Address::from_public_key(key.verifying_key())
}

/// Signatures of some seats of a committee under one message: what L1 takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SignatureSet {
    /// Bit i stands for the seat at place i of the committee.
    pub signers: u64,
    /// Their signatures in ascending order of place.
    pub signatures: Vec<Signature>,
}

impl SignatureSet {
    /// Gathers signatures by place; places beyond 63 and repeated places are left out.
    pub fn from_places(places: impl IntoIterator<Item = (usize, Signature)>) -> Self {
        let mut sorted: Vec<_> = places.into_iter().filter(|(place, _)| *place < 64).collect();
        sorted.sort_by_key(|(place, _)| *place);
        sorted.dedup_by_key(|(place, _)| *place);
        Self {
            signers: sorted.iter().fold(0, |bits, (place, _)| bits | 1u64.checked_shl(*place as u32).unwrap_or(0)),
            signatures: sorted.into_iter().map(|(_, signature)| signature).collect(),
        }
    }

    /// How many seats signed.
    pub const fn count(&self) -> u32 {
        self.signers.count_ones()
    }

    /// The signatures one behind the other, as the contracts take them.
    pub fn to_bytes(&self) -> alloy_primitives::Bytes {
        self.signatures.iter().flat_map(|s| s.0.0).collect()
    }

    /// Whether these are valid signatures of members of `committee` (vote addresses in L1 order) under the digest.
    pub fn verify(&self, committee: &[Address], digest: &B256) -> bool {
        let places = (0..64usize).filter(|place| self.signers.checked_shr(*place as u32).unwrap_or(0) & 1 == 1);
        self.count() as usize == self.signatures.len()
            && places.zip(&self.signatures).all(|(place, signature)| {
                committee.get(place).is_some_and(|member| signature.recover(digest) == Some(*member))
            })
    }
}

/// The least number of seats that is more than two thirds of `members`.
pub const fn quorum(members: u32) -> u32 {
    (members.saturating_mul(2) / 3).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(seed: u8) -> SigningKey {
        // A leading 1 keeps the scalar below the group's order.
        let mut bytes = [seed; 32];
        bytes[0] = 1;
        SigningKey::from_slice(&bytes).unwrap()
    }

    proptest! {
        #[test]
        fn a_signature_names_its_key_and_only_for_its_digest(seed: u8, digest: [u8; 32], other: [u8; 32]) {
            let key = key(seed);
            let signature = Signature::sign(&key, &digest.into()).unwrap();
            prop_assert_eq!(signature.recover(&digest.into()), Some(vote_address(&key)));
            if digest != other {
                prop_assert_ne!(signature.recover(&other.into()), Some(vote_address(&key)));
            }
        }

        #[test]
        fn arbitrary_signatures_never_panic(bytes in any::<[[u8; 32]; 2]>(), digest: [u8; 32]) {
            let _ = Signature(bytes.concat().as_slice().try_into().unwrap()).recover(&digest.into());
        }
    }

    proptest! {
        /// EIP-2098 leaves `s` 255 bits, a hair more than half of the order: in between `s` is high and fits.
        #[test]
        fn the_malleable_twin_is_refused(digest: [u8; 32], above: u64) {
            let digest = B256::from(digest);
            let signature = EcdsaSignature::from_erc2098(Signature::sign(&key(1), &digest).unwrap().0.as_slice());
            let order = alloy_primitives::uint!(
                0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256
            );
            // Any s goes with any r: it is some key's signature.
            let high = EcdsaSignature::new(signature.r(), (order >> 1) + U256::from(1 + u128::from(above)), signature.v());
            let low = EcdsaSignature::new(high.r(), order - high.s(), !high.v());
            prop_assert!(!high.s().bit(255), "it fits");
            let compact = |s: &EcdsaSignature| Signature(s.as_erc2098().into());
            let taken = compact(&low).recover(&digest);
            prop_assert!(taken.is_some());
            // Without the check of s it would be the same key's.
            prop_assert_eq!(recover(&high, &digest), taken);
            let mut bytes = [0u8; 64];
            bytes[..32].copy_from_slice(&high.r().to_be_bytes::<32>());
            bytes[32..].copy_from_slice(&high.s().to_be_bytes::<32>());
            bytes[32] |= u8::from(high.v()) << 7;
            prop_assert_eq!(Signature(bytes.into()).recover(&digest), None);
        }
    }

    #[test]
    fn a_set_is_verified_by_place() {
        let keys: Vec<_> = (1..=4).map(key).collect();
        let committee: Vec<_> = keys.iter().map(vote_address).collect();
        let digest = B256::repeat_byte(9);
        let sign = |i: usize| (i, Signature::sign(&keys[i], &digest).unwrap());
        let set = SignatureSet::from_places([sign(3), sign(0), sign(2)]);
        assert_eq!(set.signers, 0b1101);
        assert!(set.verify(&committee, &digest));
        let swapped = SignatureSet { signers: 0b1011, ..set };
        assert!(!swapped.verify(&committee, &digest));
    }

    #[test]
    fn quorum_is_more_than_two_thirds() {
        for n in 1..=64u32 {
            assert!(quorum(n) * 3 > n * 2 && (quorum(n) - 1) * 3 <= n * 2, "{n}");
        }
    }
}
