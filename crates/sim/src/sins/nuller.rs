//! Gives up each view for which it votes, and votes its block final.

use super::{Hand, Outgoing, Sin};
use crate::wire::{Message, read, write_vote};
use commonware_consensus::simplex::types;
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::Recipients;

/// See the module.
pub struct Nuller {
    hand: Hand,
    acts: u64,
}

impl Nuller {
    /// Not guilty yet.
    pub const fn new(hand: Hand) -> Self {
        Self { hand, acts: 0 }
    }
}

impl Sin for Nuller {
    fn bend(&mut self, channel: u64, to: Recipients<PublicKey>, bytes: Vec<u8>) -> Outgoing {
        let more = match read(channel, &bytes) {
            Message::Vote(term, types::Vote::Notarize(n)) => {
                let votes = [self.hand.nullify(n.proposal.round), self.hand.finalize(n.proposal)];
                votes.into_iter().flatten().map(|vote| write_vote(term, &vote)).collect()
            }
            _ => Vec::new(),
        };
        self.acts += u64::from(!more.is_empty());
        let more = more.into_iter().map(|bytes| (channel, to.clone(), bytes));
        std::iter::once((channel, to.clone(), bytes)).chain(more).collect()
    }

    fn acts(&self) -> u64 {
        self.acts
    }
}
