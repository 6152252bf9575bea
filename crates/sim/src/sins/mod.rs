//! Byzantine seats, named by their sin.
//!
//! A Byzantine seat runs the same node as the others, so that it keeps up with the chain; its sin sits on the cable and bends
//! what it sends, signing with the vote key directly, past any journal.
//!
//! | sin | does | contradicts itself |
//! |---|---|---|
//! | [`equivocator`] | as a leader shows one valid block to some and another to the rest | yes |
//! | [`conflicter`] | votes for its leader's block and for one that nobody has | yes |
//! | [`nuller`] | gives up views and votes their blocks final | yes |
//! | [`double_batcher`] | signs a second result for the same last height | yes |
//! | [`sleeper`] | falls silent for some views and later sends all it held back | no: it must never be found guilty |
//! | twin | runs twice with one key and two journals, each copy towards another part of the seats ([`crate::world`]) | when its copies differ |

pub mod conflicter;
pub mod double_batcher;
pub mod equivocator;
pub mod nuller;
pub mod sleeper;

use crate::wire::{Ledger, Vote};
use alloy_primitives::{Address, B256};
use commonware_consensus::{
    Epochable as _, Viewable as _,
    simplex::types::{self, Proposal},
    types::Round,
};
use commonware_cryptography::{certificate::Attestation, ed25519::PublicKey, keccak256::Digest};
use commonware_p2p::Recipients;
use commonware_utils::{Participant, ordered::Set};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};
use surety_node::{
    consensus::{
        Scheme,
        testing::{ROLLUP, VoteSignature, domain, vote_key},
    },
    signer::{LocalSigner, Signer as _},
};
use surety_types::signing::{self, Signature, Statement};

/// Channels, whom messages on them are for, and messages.
pub type Outgoing = Vec<(u64, Recipients<PublicKey>, Vec<u8>)>;

/// What a Byzantine seat does to its own messages.
pub trait Sin: Send {
    /// What is sent instead of a message.
    fn bend(&mut self, channel: u64, to: Recipients<PublicKey>, bytes: Vec<u8>) -> Outgoing;

    /// How often it contradicted itself so that others were told both.
    fn acts(&self) -> u64;
}

/// The sins, for scenarios.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// See [`equivocator`].
    Equivocator,
    /// See [`conflicter`].
    Conflicter,
    /// See [`nuller`].
    Nuller,
    /// See [`double_batcher`].
    DoubleBatcher,
    /// See [`sleeper`].
    Sleeper,
    /// Runs twice.
    Twin,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Equivocator, Self::Conflicter, Self::Nuller, Self::DoubleBatcher, Self::Sleeper, Self::Twin];

    /// The sin of a seat; `None` for a twin, whose copies behave.
    pub fn commit(
        self,
        hand: Hand,
        participants: &Set<PublicKey>,
        ledger: Arc<Mutex<Ledger>>,
        seed: u64,
    ) -> Option<Arc<Mutex<dyn Sin>>> {
        Some(match self {
            Self::Equivocator => Arc::new(Mutex::new(equivocator::Equivocator::new(hand, participants, seed))),
            Self::Conflicter => Arc::new(Mutex::new(conflicter::Conflicter::new(hand))),
            Self::Nuller => Arc::new(Mutex::new(nuller::Nuller::new(hand))),
            Self::DoubleBatcher => Arc::new(Mutex::new(double_batcher::DoubleBatcher::new(hand, ledger))),
            Self::Sleeper => Arc::new(Mutex::new(sleeper::Sleeper::new(seed))),
            Self::Twin => return None,
        })
    }
}

/// A vote key without a journal.
pub struct Hand {
    key: LocalSigner,
    me: Participant,
    /// Genesis of each term, as the seat's node began them.
    genesis: Arc<Mutex<BTreeMap<u64, B256>>>,
}

impl Hand {
    /// The hand of a seat that has this place among the participants.
    pub fn new(seat: u64, place: usize, genesis: Arc<Mutex<BTreeMap<u64, B256>>>) -> Self {
        Self { key: vote_key(seat), me: Participant::from_usize(place), genesis }
    }

    /// The address of the key.
    pub fn address(&self) -> Address {
        self.key.address()
    }

    /// Its place among the participants.
    pub const fn place(&self) -> Participant {
        self.me
    }

    /// Signs anything.
    pub fn sign(&self, statement: &Statement) -> Option<Signature> {
        self.key.sign(&statement.digest(&domain())).ok()
    }

    fn attest(&self, statement: impl Into<Statement>) -> Option<Attestation<Scheme>> {
        Some(Attestation { signer: self.me, signature: VoteSignature(self.sign(&statement.into())?).into() })
    }

    /// What a vote for a proposal says.
    fn about(&self, proposal: &Proposal<Digest>) -> Option<signing::Notarize> {
        let term = proposal.epoch().get();
        Some(signing::Notarize {
            rollup: ROLLUP.get(),
            term,
            genesis: *self.genesis.lock().get(&term)?,
            view: proposal.view().get(),
            parentView: proposal.parent.get(),
            blockHash: B256::from(proposal.payload.0),
        })
    }

    /// A vote for a proposal.
    pub fn notarize(&self, proposal: Proposal<Digest>) -> Option<Vote> {
        let attestation = self.attest(self.about(&proposal)?)?;
        Some(types::Vote::Notarize(types::Notarize { proposal, attestation }))
    }

    /// A vote to make a proposal final.
    pub fn finalize(&self, proposal: Proposal<Digest>) -> Option<Vote> {
        let signing::Notarize { rollup, term, genesis, view, parentView, blockHash } = self.about(&proposal)?;
        let attestation = self.attest(signing::Finalize { rollup, term, genesis, view, parentView, blockHash })?;
        Some(types::Vote::Finalize(types::Finalize { proposal, attestation }))
    }

    /// A vote to give a view up.
    pub fn nullify(&self, round: Round) -> Option<Vote> {
        let term = round.epoch().get();
        let genesis = *self.genesis.lock().get(&term)?;
        let message = signing::Nullify { rollup: ROLLUP.get(), term, genesis, view: round.view().get() };
        let attestation = self.attest(message)?;
        Some(types::Vote::Nullify(types::Nullify { round, attestation }))
    }
}
