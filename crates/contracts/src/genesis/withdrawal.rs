//! Withdrawals as `L2ToL1MessagePasser` records them and L1's bridge proves them.
//!
//! `hash = keccak256(abi.encode(nonce, sender, target, value, gasLimit, data))`; the contract's storage holds 1 at
//! `keccak256(abi.encode(hash, 0))`; its storage root is the `withdrawalsRoot` of the header. Golden vectors, with
//! storage proofs, are in `contracts/vectors/withdrawals.json`.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::SolValue;
use serde::{Deserialize, Serialize};

use super::bindings::L2ToL1MessagePasser::MessagePassed;

/// Version in the upper two bytes of each nonce.
const VERSION: u16 = 1;

/// What left L2.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Withdrawal {
    /// Version (upper two bytes) and count.
    pub nonce: U256,
    /// Who sent it on L2.
    pub sender: Address,
    /// Who is called on L1.
    pub target: Address,
    /// Wei that go with the call.
    pub value: U256,
    /// Gas that the call has at least; L2 refuses more than 10,000,000, which no L1 transaction could give.
    pub gas_limit: U256,
    /// The call.
    pub data: Bytes,
}

impl Withdrawal {
    /// The nonce of the withdrawal number `count`, counted from 0.
    pub fn nonce(count: u64) -> U256 {
        (U256::from(VERSION) << 240) | U256::from(count)
    }

    /// Its name on both chains.
    pub fn hash(&self) -> B256 {
        keccak256(
            (self.nonce, self.sender, self.target, self.value, self.gas_limit, self.data.clone()).abi_encode_params(),
        )
    }

    /// The slot of the message passer that is 1 once it was sent: what to ask `eth_getProof` for.
    pub fn slot(&self) -> B256 {
        keccak256((self.hash(), U256::ZERO).abi_encode())
    }
}

impl From<MessagePassed> for Withdrawal {
    fn from(event: MessagePassed) -> Self {
        Self {
            nonce: event.nonce,
            sender: event.sender,
            target: event.target,
            value: event.value,
            gas_limit: event.gasLimit,
            data: event.data,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, Nibbles, proof::ProofRetainer, proof::verify_proof};

    use super::*;

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Proven {
        what: String,
        #[serde(flatten)]
        withdrawal: Withdrawal,
        hash: B256,
        slot: B256,
        /// Nodes from `storageRoot` to the slot, or to where it would be.
        proof: Vec<Bytes>,
    }

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Golden {
        /// Storage root of the message passer after `sent`, which is `withdrawalsRoot`.
        storage_root: B256,
        sent: Vec<Proven>,
        not_sent: Vec<Proven>,
    }

    type Named = Vec<(&'static str, Withdrawal)>;

    /// Those that were sent and those that were not.
    fn withdrawals() -> (Named, Named) {
        let withdrawal = |count, sender: u8, target: u8, value: U256, gas_limit: u64, data: Vec<u8>| Withdrawal {
            nonce: Withdrawal::nonce(count),
            sender: Address::repeat_byte(sender),
            target: Address::repeat_byte(target),
            value,
            gas_limit: U256::from(gas_limit),
            data: data.into(),
        };
        let ether = U256::from(10).pow(U256::from(18));
        let first = withdrawal(0, 0xa1, 0xa1, ether, 100_000, vec![]);
        let mut sent = vec![
            ("ether to the sender", first.clone()),
            ("nothing at all", withdrawal(1, 0, 0, U256::ZERO, 0, vec![])),
            ("a call of four bytes without ether", withdrawal(2, 0xa1, 0xb2, U256::ZERO, 50_000, vec![1, 2, 3, 4])),
            ("data of a whole word", withdrawal(3, 0xa1, 0xb2, U256::ONE, 50_000, vec![0xff; 32])),
            ("data of a word and a byte", withdrawal(4, 0xa1, 0xb2, U256::MAX, 10_000_000, vec![0xff; 33])),
            ("the first again: only the nonce differs", Withdrawal { nonce: Withdrawal::nonce(5), ..first.clone() }),
        ];
        // Enough others that the proofs have several nodes.
        sent.extend((6..40).map(|i| ("one of many", withdrawal(i, 0xc3, 0xd4, U256::from(i), 21_000, vec![]))));
        let not_sent = vec![
            ("another receiver", Withdrawal { target: Address::repeat_byte(0xee), ..first.clone() }),
            ("a wei more", Withdrawal { value: first.value + U256::ONE, ..first.clone() }),
            ("not yet", Withdrawal { nonce: Withdrawal::nonce(40), ..first }),
        ];
        (sent, not_sent)
    }

    /// The storage of the message passer: hashed slot → value.
    fn storage(sent: &[(&str, Withdrawal)]) -> BTreeMap<B256, U256> {
        let mut storage: BTreeMap<_, _> =
            sent.iter().map(|(_, withdrawal)| (keccak256(withdrawal.slot()), U256::ONE)).collect();
        // Slot 1 counts.
        storage.insert(keccak256(U256::ONE.to_be_bytes::<32>()), U256::from(sent.len()));
        storage
    }

    fn golden() -> Golden {
        let (sent, not_sent) = withdrawals();
        let storage = storage(&sent);
        let keys = sent.iter().chain(&not_sent).map(|(_, w)| Nibbles::unpack(keccak256(w.slot()))).collect();
        let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(keys));
        for (key, value) in &storage {
            builder.add_leaf(Nibbles::unpack(key), &alloy_rlp::encode(value));
        }
        let storage_root = builder.root();
        let nodes = builder.take_proof_nodes();
        let proven = |(what, withdrawal): (&str, Withdrawal)| {
            let path = Nibbles::unpack(keccak256(withdrawal.slot()));
            let proof = nodes.matching_nodes_sorted(&path).into_iter().map(|(_, node)| node).collect();
            Proven { what: what.to_owned(), hash: withdrawal.hash(), slot: withdrawal.slot(), withdrawal, proof }
        };
        Golden {
            storage_root,
            // Of the many, one is enough.
            sent: sent.into_iter().take(7).map(proven).collect(),
            not_sent: not_sent.into_iter().map(proven).collect(),
        }
    }

    #[test]
    fn the_withdrawal_vectors_are_what_they_were_and_prove_what_they_say() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/vectors/withdrawals.json");
        let made = golden();
        if std::env::var_os("SURETY_UPDATE_VECTORS").is_some() {
            std::fs::write(path, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
        }
        let kept: Golden = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!(
            kept, made,
            "if the change is meant, run this test with SURETY_UPDATE_VECTORS=1 and commit the file"
        );

        assert_ne!(kept.storage_root, EMPTY_ROOT_HASH);
        for (withdrawals, value) in [(&kept.sent, Some(alloy_rlp::encode(U256::ONE))), (&kept.not_sent, None)] {
            for proven in withdrawals {
                let key = Nibbles::unpack(keccak256(proven.slot));
                verify_proof(kept.storage_root, key, value.clone(), &proven.proof).expect(&proven.what);
            }
        }
    }
}
