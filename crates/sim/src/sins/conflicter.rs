//! Votes for its leader's block, and for one that nobody has.

use super::{Hand, Outgoing, Sin};
use crate::wire::{Message, read, write_vote};
use alloy_primitives::keccak256;
use commonware_consensus::simplex::types::{self, Proposal};
use commonware_cryptography::{ed25519::PublicKey, keccak256::Digest};
use commonware_p2p::Recipients;

/// See the module.
pub struct Conflicter {
    hand: Hand,
    acts: u64,
}

impl Conflicter {
    /// Not guilty yet.
    pub const fn new(hand: Hand) -> Self {
        Self { hand, acts: 0 }
    }
}

fn another(proposal: &Proposal<Digest>) -> Proposal<Digest> {
    Proposal::new(proposal.round, proposal.parent, Digest(keccak256(proposal.payload.0).0))
}

impl Sin for Conflicter {
    fn bend(&mut self, channel: u64, to: Recipients<PublicKey>, bytes: Vec<u8>) -> Outgoing {
        let second = match read(channel, &bytes) {
            Message::Vote(term, types::Vote::Notarize(n)) => {
                self.hand.notarize(another(&n.proposal)).map(|vote| write_vote(term, &vote))
            }
            Message::Vote(term, types::Vote::Finalize(f)) => {
                self.hand.finalize(another(&f.proposal)).map(|vote| write_vote(term, &vote))
            }
            _ => None,
        };
        self.acts += u64::from(second.is_some());
        [Some((channel, to.clone(), bytes)), second.map(|bytes| (channel, to, bytes))].into_iter().flatten().collect()
    }

    fn acts(&self) -> u64 {
        self.acts
    }
}
