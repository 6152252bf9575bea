//! Everything that the program asks for one block, in one piece of bytes: what hosts write and what the program reads where
//! no referee hands over values by key.
//!
//! # Format
//!
//! All integers are big endian. Nothing follows the last blob.
//!
//! | bytes | what |
//! |---|---|
//! | 32 | hash of the program's input ([`crate::program`]) |
//! | 4 | number of preimages |
//! | 4 + n each | a preimage: its length n, then its bytes; in strictly ascending order of their keccak256 |
//! | 4 | number of blobs |
//! | 131,168 each | a blob: its KZG commitment (48), a proof (48) and its bytes (131,072); in strictly ascending order of versioned hash |
//!
//! Input, parameters and statement are among the preimages. The proof is EIP-4844's blob proof: of the blob's polynomial at
//! the point that blob and commitment determine. There is one encoding of each witness.
//!
//! # The hint
//!
//! The program takes a witness as one hint of its host: 8 bytes of flags, then the witness. Flag bit 0: use the host's
//! cryptographic calls ([`HINT_ACCELERATED`]).
//!
//! A witness is not trusted: whoever reads one hashes each preimage and checks the proof of each blob, so what it holds can
//! be incomplete, never wrong.
//!
//! Golden vector: `contracts/vectors/witness.json`.

use crate::{Oracle, execute::blob::is_proven};
use alloc::{collections::BTreeMap, vec::Vec};
use alloy_eips::eip4844::{BYTES_PER_BLOB, kzg_to_versioned_hash};
use alloy_primitives::{B256, Bytes, FixedBytes, keccak256};

/// Bytes of the flags before a witness in the program's hint.
pub const HINT_FLAGS_BYTES: usize = 8;
/// Flag of the hint: use the host's cryptographic calls.
pub const HINT_ACCELERATED: u64 = 1;

/// A blob and what shows that it is the one with its versioned hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenBlob {
    /// KZG commitment.
    pub commitment: FixedBytes<48>,
    /// Blob proof.
    pub proof: FixedBytes<48>,
    /// The blob, 131,072 bytes.
    pub data: Bytes,
}

impl ProvenBlob {
    /// The versioned hash that the commitment has.
    pub fn versioned_hash(&self) -> B256 {
        kzg_to_versioned_hash(self.commitment.as_slice())
    }
}

/// What the program asks for one block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Witness {
    /// Hash of the program's input.
    pub input: B256,
    preimages: BTreeMap<B256, Bytes>,
    blobs: BTreeMap<B256, ProvenBlob>,
}

/// Why bytes are no witness: ask another host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WitnessError {
    /// They end too early, or go on after the end.
    #[error("a witness of another length: ask another host")]
    Length,
    /// Preimages or blobs are not in order.
    #[error("a witness out of order: ask another host")]
    Order,
    /// A blob is not the one that its commitment commits to.
    #[error("a witness with a blob that is not {0}: ask another host")]
    Blob(B256),
}

/// A witness does not hold what was asked: it is another block's, or its host left something out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the witness does not hold {0}: ask another host")]
pub struct NotInWitness(pub B256);

impl Witness {
    /// A witness that holds nothing yet.
    pub fn new(input: B256) -> Self {
        Self { input, ..Self::default() }
    }

    /// Adds a preimage; gives its keccak256.
    pub fn insert(&mut self, bytes: impl Into<Bytes>) -> B256 {
        let bytes = bytes.into();
        let hash = keccak256(&bytes);
        self.preimages.insert(hash, bytes);
        hash
    }

    /// Adds a blob, which the caller knows to be proven; gives its versioned hash.
    pub fn insert_blob(&mut self, blob: ProvenBlob) -> B256 {
        let hash = blob.versioned_hash();
        self.blobs.insert(hash, blob);
        hash
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.input.to_vec();
        out.extend_from_slice(&(self.preimages.len() as u32).to_be_bytes());
        for bytes in self.preimages.values() {
            out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
            out.extend_from_slice(bytes);
        }
        out.extend_from_slice(&(self.blobs.len() as u32).to_be_bytes());
        for blob in self.blobs.values() {
            out.extend_from_slice(blob.commitment.as_slice());
            out.extend_from_slice(blob.proof.as_slice());
            out.extend_from_slice(&blob.data);
        }
        out
    }

    /// Reads a witness and checks each part of it.
    ///
    /// # Errors
    /// [`WitnessError`] for any bytes that [`Self::encode`] does not make.
    pub fn decode(mut bytes: Bytes) -> Result<Self, WitnessError> {
        let mut witness = Self::new(B256::from_slice(&take(&mut bytes, 32)?));
        for _ in 0..number(&mut bytes)? {
            let length = number(&mut bytes)?;
            let preimage = take(&mut bytes, length)?;
            let last = witness.preimages.last_key_value().map(|(hash, _)| *hash);
            if Some(witness.insert(preimage)) <= last {
                return Err(WitnessError::Order);
            }
        }
        for _ in 0..number(&mut bytes)? {
            let blob = ProvenBlob {
                commitment: FixedBytes::from_slice(&take(&mut bytes, 48)?),
                proof: FixedBytes::from_slice(&take(&mut bytes, 48)?),
                data: take(&mut bytes, BYTES_PER_BLOB)?,
            };
            if !is_proven(&blob) {
                return Err(WitnessError::Blob(blob.versioned_hash()));
            }
            let last = witness.blobs.last_key_value().map(|(hash, _)| *hash);
            if Some(witness.insert_blob(blob)) <= last {
                return Err(WitnessError::Order);
            }
        }
        if bytes.is_empty() { Ok(witness) } else { Err(WitnessError::Length) }
    }
}

/// The first bytes, without copying them.
fn take(bytes: &mut Bytes, length: usize) -> Result<Bytes, WitnessError> {
    if length > bytes.len() {
        return Err(WitnessError::Length);
    }
    let first = bytes.slice(..length);
    *bytes = bytes.slice(length..);
    Ok(first)
}

fn number(bytes: &mut Bytes) -> Result<usize, WitnessError> {
    let number = take(bytes, 4)?.as_ref().try_into().map_err(|_| WitnessError::Length)?;
    usize::try_from(u32::from_be_bytes(number)).map_err(|_| WitnessError::Length)
}

impl Oracle for Witness {
    type Error = NotInWitness;

    fn preimage(&self, hash: B256) -> Result<Bytes, NotInWitness> {
        self.preimages.get(&hash).cloned().ok_or(NotInWitness(hash))
    }

    fn blob(&self, versioned_hash: B256) -> Result<Bytes, NotInWitness> {
        self.blobs.get(&versioned_hash).map(|blob| blob.data.clone()).ok_or(NotInWitness(versioned_hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::golden;
    use proptest::{collection::vec, prelude::*};

    fn witness(input: [u8; 32], preimages: Vec<Vec<u8>>) -> Witness {
        let mut witness = Witness::new(input.into());
        preimages.into_iter().for_each(|bytes| {
            witness.insert(bytes);
        });
        witness
    }

    proptest! {
        #[test]
        fn a_witness_is_read_as_it_was_written_and_in_no_other_way(input: [u8; 32], preimages in vec(vec(any::<u8>(), 0..80), 0..9), at: prop::sample::Index, change: u8) {
            let witness = witness(input, preimages);
            let bytes = witness.encode();
            prop_assert_eq!(Witness::decode(bytes.clone().into()), Ok(witness.clone()));
            prop_assert_eq!(Witness::decode(bytes[..at.index(bytes.len())].to_vec().into()), Err(WitnessError::Length));
            prop_assert_eq!(Witness::decode([&bytes[..], &[change]].concat().into()), Err(WitnessError::Length));
            let mut other = bytes.clone();
            other[at.index(bytes.len())] ^= change;
            if let Ok(read) = Witness::decode(other.clone().into()) {
                prop_assert_eq!(read.encode(), other, "one encoding each");
            }
            for (hash, bytes) in &witness.preimages {
                prop_assert_eq!(keccak256(bytes), *hash);
            }
        }

        #[test]
        fn arbitrary_bytes_are_a_witness_or_an_error(bytes: Vec<u8>) {
            let _ = Witness::decode(bytes.into());
        }
    }

    fn proven(seed: u8) -> ProvenBlob {
        let settings = c_kzg::ethereum_kzg_settings(0);
        let mut data = [0u8; BYTES_PER_BLOB];
        data.chunks_exact_mut(32).zip((0u8..=255).cycle()).for_each(|(element, n)| element[seed as usize] = n);
        let blob = c_kzg::Blob::new(data);
        let commitment = settings.blob_to_kzg_commitment(&blob).unwrap().to_bytes();
        let proof = settings.compute_blob_kzg_proof(&blob, &commitment).unwrap().to_bytes();
        let (commitment, proof) = (FixedBytes::new(commitment.into_inner()), FixedBytes::new(proof.into_inner()));
        ProvenBlob { commitment, proof, data: data.to_vec().into() }
    }

    #[test]
    fn blobs_are_those_with_their_hashes_or_refused() {
        let mut made = witness([7; 32], vec![vec![1]]);
        let hashes = [3, 30].map(|seed| made.insert_blob(proven(seed)));
        assert_eq!(Witness::decode(made.encode().into()), Ok(made.clone()));
        assert_eq!(made.blob(hashes[1]), Ok(proven(30).data));
        assert_eq!(made.blob(B256::ZERO), Err(NotInWitness(B256::ZERO)));
        let good = proven(3);
        let spoilt = |at: usize, by: u8| {
            let mut blob = good.clone();
            let mut data = blob.data.to_vec();
            data[at] ^= by;
            blob.data = data.into();
            blob
        };
        let other_proof = ProvenBlob { proof: proven(30).proof, ..good.clone() };
        // A byte of an element; an element beyond the field; another blob's proof; no point of the curve.
        let no_point = ProvenBlob { commitment: FixedBytes::ZERO, ..good.clone() };
        for blob in [spoilt(77, 1), spoilt(BYTES_PER_BLOB - 1, 1), spoilt(64, 0xff), other_proof, no_point] {
            let mut bad = witness([7; 32], vec![]);
            let hash = bad.insert_blob(blob);
            assert_eq!(Witness::decode(bad.encode().into()), Err(WitnessError::Blob(hash)));
        }
    }

    #[test]
    fn order_counts() {
        let whole = witness([7; 32], vec![vec![1], vec![2]]).encode();
        let mut swapped = whole.clone();
        swapped.copy_within(36..41, 41);
        swapped[36..41].copy_from_slice(&whole[41..46]);
        let mut twice = whole;
        twice.copy_within(36..41, 41);
        for bytes in [swapped, twice] {
            assert_eq!(Witness::decode(bytes.into()), Err(WitnessError::Order));
        }
    }

    #[test]
    fn the_golden_vector_holds() {
        let made = witness([7; 32], vec![b"one".to_vec(), vec![], vec![3; 300]]);
        let bytes = Bytes::from(made.encode());
        let read = golden("witness.json", &serde_json::json!({ "input": made.input, "witness": bytes }));
        assert_eq!(read["witness"], bytes.to_string());
        assert_eq!(Witness::decode(bytes), Ok(made));
    }
}
