//! As a leader makes two valid blocks of one view, and shows one to some seats and the other to the rest.
//!
//! The second block differs in its beneficiary alone. With no tips in it that changes nothing but the hash, so every seat
//! finds either block right and votes for the one that it saw first.

use super::{Hand, Outgoing, Sin};
use crate::wire::{Message, read, write_vote};
use alloy_primitives::{Address, B256};
use commonware_codec::Encode as _;
use commonware_consensus::simplex::{
    elector::{Config as _, Elector as _, RoundRobin, RoundRobinElector},
    types::{self, Proposal},
};
use commonware_cryptography::{Keccak256, ed25519::PublicKey, keccak256::Digest};
use commonware_p2p::Recipients;
use commonware_utils::ordered::Set;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::collections::BTreeMap;
use surety_node::consensus::{
    Scheme,
    block::ConsensusBlock,
    testing::{BLOCKS, VOTES},
};

/// See the module.
pub struct Equivocator {
    hand: Hand,
    others: Vec<PublicKey>,
    rng: StdRng,
    elector: RoundRobinElector<Scheme>,
    /// Own votes for own proposals, by hash: the block leaves the seat after its vote, and both are to be shown together.
    held: BTreeMap<B256, (u64, Vec<u8>, Proposal<Digest>)>,
    acts: u64,
}

impl Equivocator {
    /// Not guilty yet.
    pub fn new(hand: Hand, participants: &Set<PublicKey>, seed: u64) -> Self {
        let me = usize::from(hand.place());
        let others = participants.iter().enumerate().filter(|(i, _)| *i != me).map(|(_, key)| key.clone()).collect();
        let elector = RoundRobin::<Keccak256>::default().build(participants);
        Self { hand, others, rng: StdRng::seed_from_u64(seed), elector, held: BTreeMap::new(), acts: 0 }
    }

    fn vote(&mut self, term: u64, to: Recipients<PublicKey>, bytes: Vec<u8>, proposal: Proposal<Digest>) -> Outgoing {
        if self.elector.elect(proposal.round, ()) != self.hand.place() {
            return vec![(VOTES, to, bytes)];
        }
        self.held.insert(B256::from(proposal.payload.0), (term, bytes, proposal));
        Vec::new()
    }

    fn show(&mut self, to: Recipients<PublicKey>, bytes: Vec<u8>, block: &ConsensusBlock) -> Outgoing {
        let Some((term, vote, proposal)) = self.held.remove(&block.hash()) else { return vec![(BLOCKS, to, bytes)] };
        let mut header = block.header().clone();
        header.beneficiary = Address::repeat_byte(0xee);
        let second = ConsensusBlock::new(header, block.context().copied(), block.transactions().to_vec());
        let another = Proposal::new(proposal.round, proposal.parent, Digest(second.hash().0));
        let Some(second_vote) = self.hand.notarize(another) else {
            return vec![(BLOCKS, to.clone(), bytes), (VOTES, to, vote)];
        };
        let (mut near, mut far) = (Vec::new(), Vec::new());
        for peer in &self.others {
            if self.rng.random_bool(0.5) { near.push(peer.clone()) } else { far.push(peer.clone()) }
        }
        self.acts += 1;
        let (near, far) = (Recipients::Some(near), Recipients::Some(far));
        vec![
            (BLOCKS, near.clone(), bytes),
            (BLOCKS, far.clone(), second.encode().to_vec()),
            (VOTES, near, vote),
            (VOTES, far, write_vote(term, &second_vote)),
        ]
    }
}

impl Sin for Equivocator {
    fn bend(&mut self, channel: u64, to: Recipients<PublicKey>, bytes: Vec<u8>) -> Outgoing {
        match read(channel, &bytes) {
            Message::Block(block) => self.show(to, bytes, &block),
            Message::Vote(term, types::Vote::Notarize(n)) => self.vote(term, to, bytes, n.proposal),
            _ => vec![(channel, to, bytes)],
        }
    }

    fn acts(&self) -> u64 {
        self.acts
    }
}
