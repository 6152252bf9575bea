//! What a seat publishes to be registered: its public keys, and the proof that its vote key agreed.
//!
//! ```json
//! { "l1ChainId": 1, "registry": "0x…", "owner": "0x…", "voteKey": "0x…", "peerKey": "0x…", "proof": "0x…" }
//! ```
//!
//! Nothing in it is secret. The proof binds the keys to one owner, one registry and one L1, so whoever gets the file can
//! register this seat for its owner and do nothing else with it. Founding seats hand it to the deployer before the registry
//! exists: its address is known beforehand ([`Addresses::predict`](crate::Addresses::predict)).

use crate::deploy::FoundingSeat;
use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};
use std::{fs, io::Read as _, path::Path};
use surety_types::signing::{Domain, Signature, VoteKey};

/// Longer files are none of ours.
const MAX_BYTES: u64 = 1 << 16;

/// A seat's public registration file. See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Registration {
    /// EIP-155 chain id of L1.
    pub l1_chain_id: u64,
    /// The registry for which the keys were proved.
    pub registry: Address,
    /// Who controls the seat.
    pub owner: Address,
    /// Address of its vote key.
    pub vote_key: Address,
    /// Its ed25519 public key.
    pub peer_key: B256,
    /// The vote key's signature over `VoteKey(owner, peerKey)` in the registry's domain.
    pub proof: Signature,
}

/// Why a registration file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// It cannot be read.
    #[error("registration file {path}: {cause}; check the path, or make one with `surety init`")]
    Disk {
        /// Its path.
        path: String,
        /// What the system says.
        cause: std::io::Error,
    },
    /// It is not JSON of this form.
    #[error("registration file {path}: {cause}; make it again with `surety init`")]
    Form {
        /// Its path.
        path: String,
        /// What is wrong.
        cause: serde_json::Error,
    },
    /// The proof is none.
    #[error(
        "registration file {path}: the proof is not vote key {vote_key}'s for this owner, peer key, registry and L1: make it again with `surety init`"
    )]
    Proof {
        /// Its path.
        path: String,
        /// The vote key named.
        vote_key: Address,
    },
}

impl Registration {
    /// A file for a seat whose keys were proved to a registry.
    pub const fn new(l1_chain_id: u64, registry: Address, seat: &FoundingSeat) -> Self {
        let FoundingSeat { owner, vote_key, peer_key, proof } = *seat;
        Self { l1_chain_id, registry, owner, vote_key, peer_key, proof }
    }

    /// The seat as the registry takes it.
    pub const fn seat(&self) -> FoundingSeat {
        FoundingSeat { owner: self.owner, vote_key: self.vote_key, peer_key: self.peer_key, proof: self.proof }
    }

    /// Whether the vote key proved itself to the registry named here.
    pub fn is_proved(&self) -> bool {
        let digest =
            Domain::new(self.l1_chain_id, self.registry).digest(&VoteKey { owner: self.owner, peerKey: self.peer_key });
        self.proof.recover(&digest) == Some(self.vote_key)
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// See [`RegistrationError`].
    pub fn read(path: &Path) -> Result<Self, RegistrationError> {
        let name = || path.display().to_string();
        let disk = |cause| RegistrationError::Disk { path: name(), cause };
        let mut json = Vec::new();
        fs::File::open(path).map_err(disk)?.take(MAX_BYTES).read_to_end(&mut json).map_err(disk)?;
        let file: Self =
            serde_json::from_slice(&json).map_err(|cause| RegistrationError::Form { path: name(), cause })?;
        if !file.is_proved() {
            return Err(RegistrationError::Proof { path: name(), vote_key: file.vote_key });
        }
        Ok(file)
    }

    /// The file's text.
    ///
    /// # Errors
    /// None that can happen: the form has no key that JSON refuses.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k256::ecdsa::SigningKey;

    fn file() -> Registration {
        let key = SigningKey::from_slice(&[7; 32]).unwrap();
        let registry = Address::repeat_byte(0x52);
        let seat = FoundingSeat::prove(1337, registry, Address::repeat_byte(1), &key, B256::repeat_byte(2)).unwrap();
        Registration::new(1337, registry, &seat)
    }

    #[test]
    fn what_is_written_is_read_and_proves_itself() {
        let text = file().to_json().unwrap();
        let read: Registration = serde_json::from_str(&text).unwrap();
        assert_eq!(read, file());
        assert!(read.is_proved());
    }

    #[test]
    fn a_proof_holds_for_nothing_else() {
        let changes: [fn(&mut Registration); 5] = [
            |f| f.l1_chain_id = 1,
            |f| f.registry = Address::ZERO,
            |f| f.owner = Address::ZERO,
            |f| f.vote_key = Address::ZERO,
            |f| f.peer_key = B256::ZERO,
        ];
        for change in changes {
            let mut other = file();
            change(&mut other);
            assert!(!other.is_proved(), "{other:?}");
        }
    }
}
