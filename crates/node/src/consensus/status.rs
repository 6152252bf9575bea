//! Seats tell each other where they are, so that one that is behind can go on.
//!
//! Message: `height of the newest final block (8) ‖ count (1) ‖ { term (8) ‖ height of its genesis (8) }*`, big endian, oldest
//! term first, the newest [`TERMS_KEPT`] terms; sent to all once a second.
//!
//! A seat in term t that hears of a later one learns the height of t's last block and asks *that peer* for the block and
//! the certificate that made it final. One that is in the peer's term without an engine of its own (it votes in a later term, or
//! did in an earlier one), or that has just started and is silent, asks for the newest block likewise. Both are checked like
//! any other; a peer that lied has nothing to answer with.
//!
//! Heads also tell a node that has started when it may sign: see [`super::arrival`].
//!
//! **From L1 to consensus.** A node whose consensus directory is new or lost has the chain from L1, but the library would
//! fetch all blocks again from the peers, who keep a part only. So when the store is far ahead of what the library has
//! delivered, the library is told to go on from a final block that the store holds.

use super::{
    application::{Marshal, Shared},
    arrival::Arrival,
    engine::{Runtime, TERMS_KEPT},
    epochs::{Boundary, Epochs},
};
use crate::signer::Guard;
use commonware_cryptography::{certificate::Scheme as _, ed25519::PublicKey};
use commonware_p2p::{Receiver, Recipients, Sender};
use commonware_utils::{ordered::Quorum as _, vec::NonEmptyVec};
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime},
};
use surety_types::signing::quorum;

/// How often a seat tells its head.
pub(super) const PERIOD: Duration = Duration::from_secs(1);
/// The longest message.
pub(super) const MAX_BYTES: usize = 9 + 16 * TERMS_KEPT;
/// Blocks that the store may be ahead of the library before that is told to skip them.
const MAX_LAG: u64 = 64;
/// Heights remembered whose certificates were asked for.
const ASKED: usize = 64;

/// What a seat says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Status {
    /// Height of the newest final block.
    head: u64,
    /// Terms and the heights of their geneses.
    terms: Vec<(u64, u64)>,
}

impl Status {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = self.head.to_be_bytes().to_vec();
        bytes.push(self.terms.len() as u8);
        for (term, height) in &self.terms {
            bytes.extend_from_slice(&term.to_be_bytes());
            bytes.extend_from_slice(&height.to_be_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<8>()?;
        let (count, rest) = rest.split_first()?;
        let (numbers, []) = rest.as_chunks::<8>() else { return None };
        let (pairs, []) = numbers.as_chunks::<2>() else { return None };
        let count = usize::from(*count);
        let ascending = pairs.is_sorted_by(|a, b| a[0] < b[0]);
        let whole = pairs.len() == count && count <= TERMS_KEPT && ascending;
        let terms = pairs.iter().map(|[t, h]| (u64::from_be_bytes(*t), u64::from_be_bytes(*h)));
        whole.then(|| Self { head: u64::from_be_bytes(*head), terms: terms.collect() })
    }

    /// The height to ask this peer about, if it is ahead. Only heights of the current term can be checked.
    fn question(&self, current: Boundary, committed: u64, votes: bool) -> Option<u64> {
        let next = self.terms.iter().find(|(term, _)| *term > current.term.get());
        let height = match next {
            Some((_, height)) => *height,
            None if self.terms.last().is_some_and(|(term, _)| *term == current.term.get()) && !votes => self.head,
            None => return None,
        };
        Some(height).filter(|height| *height > committed)
    }
}

pub(super) fn start<E: Runtime, S, R>(
    context: &E,
    shared: Arc<Shared>,
    epochs: Epochs,
    marshal: Marshal,
    arrival: Option<(Guard, Arrival)>,
    (mut sender, receiver): (S, R),
) where
    S: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
{
    let (told, from) = (epochs.clone(), shared.clone());
    context.child("status_out").spawn(|context| async move {
        loop {
            let terms = told.newest(TERMS_KEPT).iter().map(|b| (b.term.get(), b.height)).collect();
            let status = Status { head: from.blocks.store().committed().number, terms };
            sender.send(Recipients::All, status.encode(), false);
            context.sleep(PERIOD).await;
        }
    });
    let listener = Listener { shared, epochs, marshal, asked: BTreeSet::new(), arrival };
    context.child("status_in").spawn(|context| listener.run(context, receiver));
}

struct Listener {
    shared: Arc<Shared>,
    epochs: Epochs,
    marshal: Marshal,
    /// Heights that were asked about, the newest.
    asked: BTreeSet<u64>,
    /// Until this node signs.
    arrival: Option<(Guard, Arrival)>,
}

impl Listener {
    async fn run<E: Runtime>(mut self, context: E, mut receiver: impl Receiver<PublicKey = PublicKey>) {
        let mut look = context.current();
        loop {
            let message = tokio::select! {
                message = receiver.recv() => message,
                () = context.sleep_until(look) => {
                    look = context.current() + PERIOD;
                    self.skip().await;
                    self.arrive(context.current());
                    continue;
                }
            };
            let Ok((peer, message)) = message else { return };
            if let Some(status) = Status::decode(message.as_ref()) {
                if let Some((_, arrival)) = &mut self.arrival {
                    arrival.hear(peer.clone(), status.head);
                    self.arrive(context.current());
                }
                self.hear(peer, &status);
            }
        }
    }

    /// Ends the silence of the start when it is time.
    fn arrive(&mut self, now: SystemTime) {
        let Some((guard, arrival)) = &mut self.arrival else { return };
        let Some(scheme) = self.epochs.current().and_then(|term| self.epochs.scheme_of(term.term.get())) else {
            return;
        };
        let members = scheme.participants();
        let me = scheme.me().and_then(|me| members.key(me.index()));
        let others: Vec<_> = members.iter().filter(|member| Some(*member) != me).cloned().collect();
        let needed = (quorum(members.len() as u32) as usize).saturating_sub(usize::from(me.is_some()));
        let head = self.shared.blocks.store().committed().number;
        if arrival.is_over(now, head, &others, needed) {
            tracing::info!(head, "this node has listened where the others are: it signs from now on");
            guard.speak();
            self.arrival = None;
        }
    }

    fn hear(&mut self, peer: PublicKey, status: &Status) {
        let Some(current) = self.epochs.current() else { return };
        // Who is silent is not answered by the engines of those who wait for its vote.
        let votes = self.arrival.is_none()
            && self.epochs.scheme_of(current.term.get()).is_some_and(|scheme| scheme.me().is_some());
        let committed = self.shared.blocks.store().committed().number;
        if let Some(height) = status.question(current, committed, votes) {
            tracing::debug!(height, term = %current.term, "behind: asking for a final block");
            self.marshal.hint_finalized(self.epochs.height(height), NonEmptyVec::new(peer));
            self.asked.insert(height);
            while self.asked.len() > ASKED {
                self.asked.pop_first();
            }
        }
    }

    /// Lets the library go on from a block that the store has, if it is far behind the store.
    async fn skip(&self) {
        let committed = self.shared.blocks.store().committed().number;
        let Some(delivered) = self.marshal.get_processed().await else { return };
        let delivered = delivered.height().get().saturating_add(self.epochs.base());
        if committed.saturating_sub(delivered) <= MAX_LAG {
            return;
        }
        let candidates: Vec<u64> = self.asked.range(delivered.saturating_add(1)..=committed).rev().copied().collect();
        for height in candidates {
            if let Some(finalization) = self.marshal.get_finalization(self.epochs.height(height)).await {
                tracing::info!(delivered, height, "the store has blocks from L1: consensus goes on from there");
                self.marshal.set_floor(finalization);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_status_survives_its_encoding(
            head: u64,
            terms in prop::collection::btree_map(any::<u64>(), any::<u64>(), 0..=TERMS_KEPT),
        ) {
            let status = Status { head, terms: terms.into_iter().collect() };
            let bytes = status.encode();
            prop_assert!(bytes.len() <= MAX_BYTES);
            prop_assert_eq!(Status::decode(&bytes), Some(status));
        }

        #[test]
        fn other_bytes_are_ignored(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(status) = Status::decode(&bytes) {
                prop_assert_eq!(status.encode(), bytes);
            }
        }
    }

    #[test]
    fn a_peer_is_asked_only_for_what_the_current_terms_committee_signed() {
        let current = Boundary { term: surety_types::Term::new(3), height: 100, genesis: alloy_primitives::B256::ZERO };
        let peer = |head, terms: &[(u64, u64)]| Status { head, terms: terms.to_vec() };
        let same = peer(150, &[(2, 50), (3, 100)]);
        assert_eq!(same.question(current, 120, false), Some(150), "a follower asks for the newest");
        assert_eq!(same.question(current, 120, true), None, "a voter hears it from its engine");
        assert_eq!(same.question(current, 150, false), None);
        let later = peer(300, &[(3, 100), (4, 200), (5, 250)]);
        assert_eq!(later.question(current, 120, true), Some(200), "the end of the term comes first");
        assert_eq!(later.question(current, 120, false), Some(200));
        assert_eq!(peer(150, &[(2, 50)]).question(current, 120, false), None, "it is behind");
        assert_eq!(peer(150, &[]).question(current, 120, false), None);
    }
}
