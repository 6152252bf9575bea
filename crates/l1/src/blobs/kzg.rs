//! From a blob's bytes to its versioned hash, and to proofs of its elements.

use crate::chain::Blob;
use alloy::eips::eip4844::{
    AsCkzg, BLS_MODULUS, FIELD_ELEMENTS_PER_BLOB, env_settings::EnvKzgSettings, kzg_to_versioned_hash,
};
use alloy_primitives::{B256, U256, uint};

/// A generator of the multiplicative group of the field (BLS12-381's scalar field).
const GENERATOR: U256 = uint!(7_U256);

/// An element of a blob, proven to L1's point-evaluation precompile (EIP-4844).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElementProof {
    /// The blob's versioned hash.
    pub versioned_hash: B256,
    /// The element's place in the blob, below 4096.
    pub index: u64,
    /// The element.
    pub element: B256,
    /// KZG commitment to the blob.
    pub commitment: [u8; 48],
    /// KZG proof that the polynomial has this value where the element stands.
    pub proof: [u8; 48],
}

/// Where a blob's polynomial has the value that stands at `index`: ω^(the 12 bits of `index` reversed), ω of order 4096.
fn point(index: u64) -> U256 {
    let root = GENERATOR.pow_mod((BLS_MODULUS - U256::ONE) / U256::from(FIELD_ELEMENTS_PER_BLOB), BLS_MODULUS);
    root.pow_mod(U256::from(index.reverse_bits() >> 52), BLS_MODULUS)
}

/// Proves an element. `None` if the bytes are no blob, or it has no such element. Some tens of milliseconds of work.
pub fn prove_element(blob: &Blob, index: u64) -> Option<ElementProof> {
    if index >= FIELD_ELEMENTS_PER_BLOB {
        return None;
    }
    let kzg = EnvKzgSettings::Default.get();
    let commitment = commitment_of(blob)?;
    let (proof, value) = kzg.compute_kzg_proof(blob.as_ckzg(), &point(index).to_be_bytes::<32>().into()).ok()?;
    Some(ElementProof {
        versioned_hash: kzg_to_versioned_hash(&commitment),
        index,
        element: B256::new(*value),
        commitment,
        proof: proof.to_bytes().into_inner(),
    })
}

/// The versioned hash of a blob (EIP-4844), by its KZG commitment. `None` if the bytes are no blob: a field element is not
/// below the field's order. A few milliseconds of work: call it off the async threads.
pub fn versioned_hash(blob: &Blob) -> Option<B256> {
    Some(kzg_to_versioned_hash(&commitment_of(blob)?))
}

/// The KZG commitment to a blob. `None` as [`versioned_hash`]. A few milliseconds of work.
pub fn commitment_of(blob: &Blob) -> Option<[u8; 48]> {
    Some(EnvKzgSettings::Default.get().blob_to_kzg_commitment(blob.as_ckzg()).ok()?.to_bytes().into_inner())
}

/// The proof that goes with a blob and its commitment (EIP-4844's blob proof). `None` if they are none. Some tens of
/// milliseconds of work.
pub fn prove_blob(blob: &Blob, commitment: &[u8; 48]) -> Option<[u8; 48]> {
    let proof = EnvKzgSettings::Default.get().compute_blob_kzg_proof(blob.as_ckzg(), &(*commitment).into());
    Some(proof.ok()?.to_bytes().into_inner())
}

/// [`versioned_hash`] of each, off the async threads.
pub(super) async fn identify(blobs: Vec<Box<Blob>>) -> Vec<(Option<B256>, Box<Blob>)> {
    tokio::task::spawn_blocking(move || blobs.into_iter().map(|blob| (versioned_hash(&blob), blob)).collect())
        .await
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{hex, keccak256};
    use serde_json::{Value, json};

    /// A blob of hashes, each without its first byte, so that it is below the order.
    fn blob() -> Box<Blob> {
        let mut blob = Box::new(Blob::ZERO);
        for (i, element) in blob.chunks_exact_mut(32).enumerate() {
            element[1..].copy_from_slice(&keccak256((i as u64).to_be_bytes())[1..]);
        }
        // An element of zeros is one, too.
        blob[32 * 77..32 * 78].fill(0);
        blob
    }

    fn vector() -> Value {
        let blob = blob();
        let proofs = [0, 1, 2, 77, 1445, 2047, 2048, 4094, 4095].map(|index| prove_element(&blob, index).unwrap());
        let elements = proofs.map(|proof| {
            let place = 32 * usize::try_from(proof.index).unwrap();
            assert_eq!(proof.element, blob[place..place + 32], "the point belongs to element {}", proof.index);
            assert_eq!(Some(proof.versioned_hash), versioned_hash(&blob));
            json!({
                "index": proof.index,
                "point": format!("{:#066x}", point(proof.index)),
                "element": proof.element,
                "proof": hex::encode_prefixed(proof.proof),
            })
        });
        assert_eq!(prove_element(&blob, 4096), None);
        json!({
            "versionedHash": proofs[0].versioned_hash,
            "commitment": hex::encode_prefixed(proofs[0].commitment),
            "elements": elements,
        })
    }

    #[test]
    fn elements_of_a_blob_are_proved_as_in_the_vector() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/vectors/blob-element.json");
        let made = vector();
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path, format!("{made:#}\n")).unwrap();
        }
        let kept: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!(kept, made, "if the change is meant, run this test with BLESS=1 and commit the file");
    }
}
