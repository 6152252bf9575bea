//! Signed transactions as the submitter handles them.

use super::{Outgoing, SubmitError, fees::Offer};
use crate::{
    blobs::versioned_hash,
    chain::{Blob, Call},
};
use alloy::{
    consensus::{
        EthereumTxEnvelope, SignableTransaction, Transaction as _, TxEip1559, TxEip4844, TxEip4844WithSidecar,
    },
    eips::{
        eip2718::{Decodable2718, Encodable2718},
        eip7594::BlobTransactionSidecarEip7594,
    },
    network::TxSigner,
};
use alloy_primitives::{B256, Signature, TxKind, U256};

/// What goes over the wire: type 2, or type 3 with blobs, commitments and cell proofs (EIP-7594's form).
pub(super) type Envelope = EthereumTxEnvelope<TxEip4844WithSidecar<BlobTransactionSidecarEip7594>>;

/// The key that pays.
pub(super) type Signer = dyn TxSigner<Signature> + Send + Sync;

/// Everything of a transaction but its offer.
#[derive(Debug, Clone)]
pub(super) struct Body {
    pub(super) chain_id: u64,
    pub(super) nonce: u64,
    pub(super) gas_limit: u64,
    pub(super) to: TxKind,
    pub(super) value: U256,
    pub(super) input: alloy_primitives::Bytes,
    pub(super) sidecar: Option<BlobTransactionSidecarEip7594>,
}

impl Body {
    /// Reads an envelope back.
    pub(super) fn of(envelope: &Envelope) -> Self {
        Self {
            chain_id: envelope.chain_id().unwrap_or_default(),
            nonce: envelope.nonce(),
            gas_limit: envelope.gas_limit(),
            to: envelope.kind(),
            value: envelope.value(),
            input: envelope.input().clone(),
            sidecar: envelope.as_eip4844().map(|signed| signed.tx().sidecar.clone()),
        }
    }

    /// Signs this with an offer.
    pub(super) async fn sign(&self, offer: &Offer, signer: &Signer) -> Result<Envelope, SubmitError> {
        let failed = |e: alloy::signers::Error| SubmitError::Signer(e.to_string());
        let Some(sidecar) = &self.sidecar else {
            let mut tx = TxEip1559 {
                chain_id: self.chain_id,
                nonce: self.nonce,
                gas_limit: self.gas_limit,
                max_fee_per_gas: offer.max_fee,
                max_priority_fee_per_gas: offer.priority_fee,
                to: self.to,
                value: self.value,
                access_list: Default::default(),
                input: self.input.clone(),
            };
            let signature = signer.sign_transaction(&mut tx).await.map_err(failed)?;
            return Ok(Envelope::Eip1559(tx.into_signed(signature)));
        };
        let to = self.to.into_to().ok_or(SubmitError::BlobsWithoutRecipient)?;
        let mut tx = TxEip4844 {
            chain_id: self.chain_id,
            nonce: self.nonce,
            gas_limit: self.gas_limit,
            max_fee_per_gas: offer.max_fee,
            max_priority_fee_per_gas: offer.priority_fee,
            to,
            value: self.value,
            access_list: Default::default(),
            blob_versioned_hashes: sidecar.versioned_hashes().collect(),
            max_fee_per_blob_gas: offer.blob_fee,
            input: self.input.clone(),
        };
        let signature = signer.sign_transaction(&mut tx).await.map_err(failed)?;
        let signed = tx.into_signed(signature);
        let hash = *signed.hash();
        let (tx, signature, _) = signed.into_parts();
        let tx = TxEip4844WithSidecar { tx, sidecar: sidecar.clone() };
        Ok(Envelope::Eip4844(alloy::consensus::Signed::new_unchecked(tx, signature, hash)))
    }
}

/// What a signed transaction offers.
pub(super) fn offer_of(envelope: &Envelope) -> Offer {
    Offer {
        max_fee: envelope.max_fee_per_gas(),
        priority_fee: envelope.max_priority_fee_per_gas().unwrap_or_default(),
        blob_fee: envelope.max_fee_per_blob_gas().unwrap_or_default(),
    }
}

/// The most that it can cost, value aside.
pub(super) fn worst_cost(envelope: &Envelope) -> U256 {
    let blobs = envelope.blob_versioned_hashes().map_or(0, <[B256]>::len);
    offer_of(envelope).worst_cost(envelope.gas_limit(), blobs)
}

/// The bytes for `eth_sendRawTransaction`.
pub(super) fn encode(envelope: &Envelope) -> Vec<u8> {
    envelope.encoded_2718()
}

/// Reads such bytes back.
pub(super) fn decode(bytes: &[u8]) -> Option<Envelope> {
    Envelope::decode_2718_exact(bytes).ok()
}

/// Commitments and cell proofs of blobs: about a tenth of a second each, off the async threads.
pub(super) async fn sidecar(blobs: Vec<Blob>) -> Result<Option<BlobTransactionSidecarEip7594>, SubmitError> {
    if blobs.is_empty() {
        return Ok(None);
    }
    tokio::task::spawn_blocking(move || BlobTransactionSidecarEip7594::try_from_blobs(blobs))
        .await
        .map_err(|e| SubmitError::Blobs(e.to_string()))?
        .map(Some)
        .map_err(|e| SubmitError::Blobs(format!("{e:?}")))
}

/// The call that an outgoing transaction makes, for the estimate. Of blobs, a few milliseconds of work each.
pub(super) async fn call(outgoing: &Outgoing, from: alloy_primitives::Address) -> Result<Call, SubmitError> {
    let blob_hashes = if outgoing.blobs.is_empty() {
        Vec::new()
    } else {
        let blobs = outgoing.blobs.clone();
        let hashes = tokio::task::spawn_blocking(move || blobs.iter().map(versioned_hash).collect::<Option<Vec<_>>>());
        let hashes = hashes.await.map_err(|e| SubmitError::Blobs(e.to_string()))?;
        hashes.ok_or_else(|| SubmitError::Blobs("a blob holds no field elements".into()))?
    };
    Ok(Call { from, to: outgoing.to.into_to(), value: outgoing.value, input: outgoing.input.clone(), blob_hashes })
}
