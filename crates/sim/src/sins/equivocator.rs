//! As a leader makes two valid blocks of one view, and shows one to some seats and the other to the rest.
//!
//! The second block differs in its beneficiary alone. With no tips in it that changes nothing but the hash, so every seat
//! finds either block right and votes for the one that it saw first.

use super::{Hand, Outgoing, Sin};
use crate::wire::{Message, read, write_vote};
use alloy_primitives::{Address, B256};
use commonware_codec::Encode as _;
use commonware_consensus::{
    Epochable as _, Viewable as _,
    simplex::types::{self, Proposal},
};
use commonware_cryptography::{ed25519::PublicKey, keccak256::Digest};
use commonware_p2p::Recipients;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::collections::BTreeMap;
use surety_node::consensus::block::ConsensusBlock;

/// See the module.
pub struct Equivocator {
    hand: Hand,
    others: Vec<PublicKey>,
    rng: StdRng,
    /// Own blocks of a view: the two, and who sees the second.
    shown: BTreeMap<(u64, u64), Shown>,
    acts: u64,
}

struct Shown {
    first: B256,
    second: B256,
    sees_first: Vec<PublicKey>,
    sees_second: Vec<PublicKey>,
}

impl Equivocator {
    /// Not guilty yet. `others` are the peers to be divided.
    pub fn new(hand: Hand, others: Vec<PublicKey>, seed: u64) -> Self {
        Self { hand, others, rng: StdRng::seed_from_u64(seed), shown: BTreeMap::new(), acts: 0 }
    }

    fn propose(&mut self, to: Recipients<PublicKey>, bytes: Vec<u8>, block: &ConsensusBlock) -> Outgoing {
        let Some(context) = block.context().filter(|_| matches!(to, Recipients::All)) else { return vec![(to, bytes)] };
        let mut header = block.header().clone();
        header.beneficiary = Address::repeat_byte(0xee);
        let second = ConsensusBlock::new(header, Some(*context), block.transactions().to_vec());
        let (mut sees_first, mut sees_second) = (Vec::new(), Vec::new());
        for peer in &self.others {
            if self.rng.random_bool(0.5) { sees_first.push(peer.clone()) } else { sees_second.push(peer.clone()) }
        }
        let out = vec![
            (Recipients::Some(sees_first.clone()), bytes),
            (Recipients::Some(sees_second.clone()), second.encode().to_vec()),
        ];
        let shown = Shown { first: block.hash(), second: second.hash(), sees_first, sees_second };
        self.shown.insert((context.term.get(), context.view.get()), shown);
        out
    }

    fn vote(&mut self, term: u64, to: Recipients<PublicKey>, bytes: Vec<u8>, proposal: &Proposal<Digest>) -> Outgoing {
        let shown = self.shown.get(&(proposal.epoch().get(), proposal.view().get()));
        let Some(shown) = shown.filter(|shown| shown.first == B256::from(proposal.payload.0)) else {
            return vec![(to, bytes)];
        };
        let second = Proposal::new(proposal.round, proposal.parent, Digest(shown.second.0));
        let Some(vote) = self.hand.notarize(second) else { return vec![(to, bytes)] };
        self.acts += u64::from(!shown.sees_second.is_empty());
        vec![
            (Recipients::Some(shown.sees_first.clone()), bytes),
            (Recipients::Some(shown.sees_second.clone()), write_vote(term, &vote)),
        ]
    }
}

impl Sin for Equivocator {
    fn bend(&mut self, channel: u64, to: Recipients<PublicKey>, bytes: Vec<u8>) -> Outgoing {
        match read(channel, &bytes) {
            Message::Block(block) => self.propose(to, bytes, &block),
            Message::Vote(term, types::Vote::Notarize(n)) => self.vote(term, to, bytes, &n.proposal),
            _ => vec![(to, bytes)],
        }
    }

    fn acts(&self) -> u64 {
        self.acts
    }
}
