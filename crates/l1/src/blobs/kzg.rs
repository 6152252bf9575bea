//! From a blob's bytes to its versioned hash.

use crate::chain::Blob;
use alloy::eips::eip4844::{AsCkzg, env_settings::EnvKzgSettings, kzg_to_versioned_hash};
use alloy_primitives::B256;

/// The versioned hash of a blob (EIP-4844), by its KZG commitment. `None` if the bytes are no blob: a field element is not
/// below the field's order. A few milliseconds of work: call it off the async threads.
pub fn versioned_hash(blob: &Blob) -> Option<B256> {
    let commitment = EnvKzgSettings::Default.get().blob_to_kzg_commitment(blob.as_ckzg()).ok()?;
    Some(kzg_to_versioned_hash(commitment.to_bytes().as_slice()))
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
    use alloy::eips::eip4844::FIELD_ELEMENTS_PER_BLOB;
    use alloy_primitives::{U256, hex, keccak256, uint};
    use serde_json::{Value, json};

    /// The order of the field.
    const MODULUS: U256 = uint!(0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001_U256);

    /// Where the polynomial has the value that stands at `index` in the blob: ω^(the 12 bits of `index` reversed), ω of order
    /// 4096, made from the field's generator 7.
    fn point(index: u64) -> U256 {
        let order = U256::from(FIELD_ELEMENTS_PER_BLOB);
        let root = U256::from(7).pow_mod((MODULUS - U256::ONE) / order, MODULUS);
        root.pow_mod(U256::from(index.reverse_bits() >> 52), MODULUS)
    }

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
        let (blob, kzg) = (blob(), EnvKzgSettings::Default.get());
        let commitment = kzg.blob_to_kzg_commitment(blob.as_ckzg()).unwrap();
        let elements = [0u64, 1, 2, 77, 1445, 2047, 2048, 4094, 4095].map(|index| {
            let (proof, value) =
                kzg.compute_kzg_proof(blob.as_ckzg(), &point(index).to_be_bytes::<32>().into()).unwrap();
            let place = 32 * usize::try_from(index).unwrap();
            assert_eq!(*value, blob[place..place + 32], "the point belongs to element {index}");
            json!({
                "index": index,
                "point": format!("{:#066x}", point(index)),
                "element": hex::encode_prefixed(*value),
                "proof": hex::encode_prefixed(*proof.to_bytes()),
            })
        });
        json!({
            "versionedHash": versioned_hash(&blob),
            "commitment": hex::encode_prefixed(*commitment.to_bytes()),
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
