//! Signs what it is asked to sign about a batch, and a second result for the same last height.

use super::{Hand, Outgoing, Sin};
use crate::wire::{Ledger, Message, read, write_question, write_signature};
use alloy_primitives::keccak256;
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::Recipients;
use parking_lot::Mutex;
use std::sync::Arc;
use surety_node::consensus::testing::domain;
use surety_types::signing::{Batch, Statement};

/// See the module.
pub struct DoubleBatcher {
    hand: Hand,
    /// Its own answers name the digest alone; what was asked went over the wire before.
    ledger: Arc<Mutex<Ledger>>,
    acts: u64,
}

impl DoubleBatcher {
    /// Not guilty yet.
    pub const fn new(hand: Hand, ledger: Arc<Mutex<Ledger>>) -> Self {
        Self { hand, ledger, acts: 0 }
    }

    fn forge(&mut self, batch: &Batch) -> Option<[Vec<u8>; 2]> {
        let forged = Batch { lastHash: keccak256(batch.lastHash), ..batch.clone() };
        let statement = Statement::from(forged.clone());
        let signature = self.hand.sign(&statement)?;
        self.acts += 1;
        Some([write_question(&forged, &[]), write_signature(&statement.digest(&domain()), &signature)])
    }
}

impl Sin for DoubleBatcher {
    fn bend(&mut self, channel: u64, to: Recipients<PublicKey>, bytes: Vec<u8>) -> Outgoing {
        let batch = match read(channel, &bytes) {
            Message::BatchSignature(digest, _) => self.ledger.lock().question(&digest),
            _ => None,
        };
        let forged = batch.and_then(|batch| self.forge(&batch));
        let more = forged.into_iter().flatten().map(|bytes| (channel, Recipients::All, bytes));
        std::iter::once((channel, to, bytes)).chain(more).collect()
    }

    fn acts(&self) -> u64 {
        self.acts
    }
}
