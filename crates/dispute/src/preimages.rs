//! What L1 must know before it makes a step that reads: calls to `IPreimages`.

use alloy_primitives::{B256, Bytes};
use alloy_sol_types::SolCall;
use surety_contracts::bindings::Preimages;
use surety_l1::{
    blobs::{ElementProof, prove_element},
    chain::Blob,
};
use surety_prove::{Host, HostError};
use surety_vm::{Request, machine::Kind};

/// Why there is no such call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PreimageError {
    /// The witness does not have the value.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A blob of another length, or with elements that are none.
    #[error("{0} is no blob: its element cannot be proved")]
    Blob(B256),
}

/// Has L1 know what a step reads.
///
/// # Errors
/// See [`PreimageError`].
pub fn load(host: &Host, request: &Request) -> Result<Bytes, PreimageError> {
    Ok(match request.kind {
        Kind::Keccak => load_keccak(host.value(request.key)?, request.index),
        Kind::BlobElement => {
            let blob = Blob::try_from(&host.blob(request.key)?[..]).ok();
            let proof = blob.and_then(|blob| prove_element(&blob, request.index));
            load_blob_element(&proof.ok_or(PreimageError::Blob(request.key))?)
        }
    })
}

/// Loads a part of a value that is known by its keccak256.
#[must_use]
pub fn load_keccak(value: Bytes, index: u64) -> Bytes {
    Preimages::loadKeccakCall { pointers: vec![], rest: value, indices: vec![index] }.abi_encode().into()
}

/// Loads an element of a blob.
#[must_use]
pub fn load_blob_element(proof: &ElementProof) -> Bytes {
    let call = Preimages::loadBlobElementCall {
        versionedHash: proof.versioned_hash,
        index: proof.index,
        element: proof.element,
        commitment: Bytes::copy_from_slice(&proof.commitment),
        proof: Bytes::copy_from_slice(&proof.proof),
    };
    call.abi_encode().into()
}
