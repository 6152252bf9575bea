//! Seats tell each other where terms began, so that one that is behind can finish its term.
//!
//! Message: `count (1) ‖ { term (8) ‖ height of its genesis (8) }*`, big endian, oldest first, the newest
//! [`TERMS_KEPT`] terms; sent to all once a second.
//!
//! A seat in term t that hears of a later one learns the height of t's last block and asks *that peer* for the block and
//! the certificate that made it final. Both are checked like any other; a peer that lied has nothing to answer with.

use super::{
    application::{Marshal, Shared},
    engine::{Runtime, TERMS_KEPT},
    epochs::Epochs,
};
use commonware_consensus::types::Height;
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{Receiver, Recipients, Sender};
use commonware_utils::vec::NonEmptyVec;
use std::{sync::Arc, time::Duration};

const PERIOD: Duration = Duration::from_secs(1);
/// The longest message.
pub(super) const MAX_BYTES: usize = 1 + 16 * TERMS_KEPT;

fn encode(terms: &[(u64, u64)]) -> Vec<u8> {
    let mut bytes = vec![terms.len() as u8];
    for (term, height) in terms {
        bytes.extend_from_slice(&term.to_be_bytes());
        bytes.extend_from_slice(&height.to_be_bytes());
    }
    bytes
}

fn decode(bytes: &[u8]) -> Option<Vec<(u64, u64)>> {
    let (count, rest) = bytes.split_first()?;
    let (numbers, []) = rest.as_chunks::<8>() else { return None };
    let (pairs, []) = numbers.as_chunks::<2>() else { return None };
    let count = usize::from(*count);
    let ascending = pairs.is_sorted_by(|a, b| a[0] < b[0]);
    let whole = pairs.len() == count && count <= TERMS_KEPT && ascending;
    whole.then(|| pairs.iter().map(|[t, h]| (u64::from_be_bytes(*t), u64::from_be_bytes(*h))).collect())
}

pub(super) fn start<E: Runtime, S, R>(
    context: &E,
    shared: Arc<Shared>,
    epochs: Epochs,
    marshal: Marshal,
    (mut sender, mut receiver): (S, R),
) where
    S: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
{
    let told = epochs.clone();
    context.child("status_out").spawn(|context| async move {
        loop {
            let terms: Vec<_> = told.newest(TERMS_KEPT).iter().map(|b| (b.term.get(), b.height)).collect();
            sender.send(Recipients::All, encode(&terms), false);
            context.sleep(PERIOD).await;
        }
    });
    context.child("status_in").spawn(|_| async move {
        while let Ok((peer, message)) = receiver.recv().await {
            let Some(terms) = decode(message.as_ref()) else { continue };
            let Some(current) = epochs.current() else { continue };
            let next = terms.into_iter().find(|(term, _)| *term > current.term.get());
            if let Some((term, height)) = next
                && height > shared.blocks.store().committed().number
            {
                tracing::debug!(term, height, "behind: asking for the last block of the term");
                marshal.hint_finalized(Height::new(height), NonEmptyVec::new(peer));
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_status_survives_its_encoding(terms in prop::collection::btree_map(any::<u64>(), any::<u64>(), 0..=TERMS_KEPT)) {
            let terms: Vec<_> = terms.into_iter().collect();
            let bytes = encode(&terms);
            prop_assert!(bytes.len() <= MAX_BYTES);
            prop_assert_eq!(decode(&bytes), Some(terms));
        }

        #[test]
        fn other_bytes_are_ignored(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(terms) = decode(&bytes) {
                prop_assert_eq!(encode(&terms), bytes);
            }
        }
    }
}
