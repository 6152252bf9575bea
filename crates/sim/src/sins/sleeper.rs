//! Falls silent for some views and, when it wakes, sends all it held back: late, and innocent.

use super::{Outgoing, Sin};
use crate::wire::{Message, read, statement_of};
use alloy_primitives::{B256, keccak256};
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::Recipients;
use surety_node::consensus::testing::VOTES;

/// Views that it sleeps or wakes at a time.
const STRETCH: u64 = 5;

/// See the module.
pub struct Sleeper {
    seed: u64,
    held: Outgoing,
}

impl Sleeper {
    /// Awake.
    pub const fn new(seed: u64) -> Self {
        Self { seed, held: Vec::new() }
    }

    fn sleeps(&self, view: u64) -> bool {
        keccak256([self.seed.to_be_bytes(), (view / STRETCH).to_be_bytes()].concat())[0].is_multiple_of(2)
    }
}

impl Sin for Sleeper {
    fn bend(&mut self, channel: u64, to: Recipients<PublicKey>, bytes: Vec<u8>) -> Outgoing {
        if channel != VOTES {
            return vec![(channel, to, bytes)];
        }
        let Message::Vote(_, vote) = read(channel, &bytes) else { return vec![(channel, to, bytes)] };
        let asleep = self.sleeps(statement_of(&vote, B256::ZERO).place());
        self.held.push((channel, to, bytes));
        if asleep { Vec::new() } else { std::mem::take(&mut self.held) }
    }

    fn acts(&self) -> u64 {
        0
    }
}
