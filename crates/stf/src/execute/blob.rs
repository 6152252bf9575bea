//! Whether a blob is the one that its commitment commits to (EIP-4844): `verify_blob_kzg_proof` of the consensus
//! specifications, by the same pairing that the point evaluation precompile uses.

use crate::witness::ProvenBlob;
use alloc::vec::Vec;
use alloy_eips::eip4844::{BYTES_PER_BLOB, FIELD_ELEMENTS_PER_BLOB};
use ark_bls12_381::Fr;
use ark_ff::{
    AdditiveGroup as _, BigInt, BigInteger as _, FftField as _, Field as _, PrimeField as _, batch_inversion,
};
use revm::precompile::crypto;
use sha2::{Digest as _, Sha256};

/// What a challenge is hashed from begins with this, and the number of elements in 16 bytes.
const DOMAIN: &[u8; 16] = b"FSBLOBVERIFY_V1_";

/// Whether the proof shows that the blob's polynomial has, at the point that blob and commitment determine, the value that
/// the committed one has there.
pub fn is_proven(blob: &ProvenBlob) -> bool {
    let Some(elements) = elements(&blob.data) else { return false };
    let point = challenge(blob);
    let Some(value) = evaluate(&elements, point) else { return false };
    crypto().verify_kzg_proof(&to_bytes(point), &to_bytes(value), &blob.commitment.0, &blob.proof.0).is_ok()
}

/// The field elements of a blob, if all are below the modulus.
fn elements(blob: &[u8]) -> Option<Vec<Fr>> {
    let element = |bytes: &[u8; 32]| {
        let mut limbs = [0; 4];
        for (limb, bytes) in limbs.iter_mut().rev().zip(bytes.as_chunks().0) {
            *limb = u64::from_be_bytes(*bytes);
        }
        Fr::from_bigint(BigInt(limbs))
    };
    let (elements, []) = blob.as_chunks() else { return None };
    if blob.len() == BYTES_PER_BLOB { elements.iter().map(element).collect() } else { None }
}

/// The point at which the blob is proven.
fn challenge(blob: &ProvenBlob) -> Fr {
    let mut hasher = Sha256::new_with_prefix(DOMAIN);
    hasher.update(u128::from(FIELD_ELEMENTS_PER_BLOB).to_be_bytes());
    hasher.update(&blob.data);
    hasher.update(blob.commitment);
    Fr::from_be_bytes_mod_order(&hasher.finalize())
}

/// The value at a point of the polynomial that has these values at the roots of unity, in bit-reversed order; by the
/// barycentric formula. `None` only if the field had no such roots.
#[allow(clippy::arithmetic_side_effects, reason = "numbers of a field do not overflow")]
fn evaluate(elements: &[Fr], point: Fr) -> Option<Fr> {
    let count = FIELD_ELEMENTS_PER_BLOB;
    let root = Fr::get_root_of_unity(count)?;
    let roots: Vec<Fr> =
        core::iter::successors(Some(Fr::ONE), |last| Some(*last * root)).take(elements.len()).collect();
    let bits = count.trailing_zeros();
    let at = |index: u64| elements.get(index.reverse_bits().wrapping_shr(64u32.wrapping_sub(bits)) as usize);
    if let Some((index, _)) = (0..).zip(&roots).find(|(_, root)| **root == point) {
        return at(index).copied();
    }
    let mut inverses: Vec<Fr> = roots.iter().map(|root| point - root).collect();
    batch_inversion(&mut inverses);
    let mut sum = Fr::ZERO;
    for ((index, root), inverse) in (0..).zip(&roots).zip(&inverses) {
        sum += *at(index)? * root * inverse;
    }
    Some(sum * (point.pow([count]) - Fr::ONE) * Fr::from(count).inverse()?)
}

fn to_bytes(element: Fr) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (to, byte) in bytes.iter_mut().zip(element.into_bigint().to_bytes_be()) {
        *to = byte;
    }
    bytes
}
