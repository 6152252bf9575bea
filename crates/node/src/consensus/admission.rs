//! Whom the network lets in: the current committee, and beside it the one before and the one after.
//!
//! Members of the next committee come an epoch early, so that a seat that joins has the chain before its first vote; those
//! of the committee before stay for a term, so that who is behind can still be helped. Both are *secondary*: they may
//! connect, ask and listen, but nobody dials them. Peers dial the current committee.
//!
//! Addresses come from outside and may change at any time; a member without one is named in the log, for it can only
//! connect to us if it is known where from.

use super::{
    committee::{Committee, TermSchedule},
    seat::PeerAddresses,
};
use alloy_primitives::B256;
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{Address, AddressableManager, AddressableTrackedPeers};
use commonware_utils::{TryCollect as _, ordered::Map};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
};
use tokio::sync::watch;

/// What stays the same.
pub(super) struct Admission {
    pub(super) schedule: TermSchedule,
    pub(super) addresses: PeerAddresses,
    pub(super) me: PublicKey,
    pub(super) listen: SocketAddr,
    /// The most peers at once: memory is reserved for as many.
    pub(super) most: usize,
}

/// Peers with their addresses, dialled and not.
#[derive(Debug, Default, PartialEq, Eq)]
struct Peers {
    primary: BTreeMap<PublicKey, SocketAddr>,
    secondary: BTreeMap<PublicKey, SocketAddr>,
    /// Seats and peer keys of members of whom no address is known.
    missing: BTreeSet<(u64, B256)>,
    /// Members for whom there was no room.
    left_out: usize,
}

impl Admission {
    /// Follows terms, committees and addresses until the seat stops.
    pub(super) async fn run(
        self,
        mut oracle: impl AddressableManager<PublicKey = PublicKey>,
        mut current: watch::Receiver<Option<Arc<Committee>>>,
    ) {
        let mut schedule = self.schedule.changes();
        let mut addresses = self.addresses.changes();
        let mut before = Peers::default();
        let mut id = 0;
        loop {
            let committee = current.borrow_and_update().clone();
            schedule.borrow_and_update();
            addresses.borrow_and_update();
            if let Some(committee) = committee {
                let peers = self.peers(&committee);
                report(&before, &peers);
                if (&peers.primary, &peers.secondary) != (&before.primary, &before.secondary) {
                    match (map(&peers.primary), map(&peers.secondary)) {
                        (Some(primary), Some(secondary)) => {
                            oracle.track(id, AddressableTrackedPeers::new(primary, secondary));
                            id += 1;
                        }
                        _ => tracing::error!("two peers with one key"),
                    }
                }
                before = peers;
            }
            let changed = tokio::select! {
                changed = current.changed() => changed,
                changed = schedule.changed() => changed,
                changed = addresses.changed() => changed,
            };
            if changed.is_err() {
                return;
            }
        }
    }

    fn peers(&self, committee: &Committee) -> Peers {
        let mut peers = Peers::default();
        let term = committee.term();
        let next = self.schedule.expected(term.next());
        let last = self.schedule.committee(term.saturating_sub(1));
        let others = next.iter().chain(&last).map(|committee| &**committee);
        for (place, committee) in std::iter::once(committee).chain(others).enumerate() {
            for (key, member) in committee.participants_with_members() {
                if peers.primary.contains_key(key) || peers.secondary.contains_key(key) {
                    continue;
                }
                let address =
                    if *key == self.me { Some(self.listen) } else { self.addresses.get(&B256::from_slice(key)) };
                let Some(address) = address else {
                    // Of those who left nobody need know.
                    if committee.term() >= term {
                        peers.missing.insert((member.seat, member.peer));
                    }
                    continue;
                };
                if peers.primary.len() + peers.secondary.len() >= self.most {
                    peers.left_out += 1;
                    continue;
                }
                let set = if place == 0 { &mut peers.primary } else { &mut peers.secondary };
                set.insert(key.clone(), address);
            }
        }
        peers
    }
}

fn map(peers: &BTreeMap<PublicKey, SocketAddr>) -> Option<Map<PublicKey, Address>> {
    peers.iter().map(|(key, address)| (key.clone(), Address::from(*address))).try_collect().ok()
}

fn report(before: &Peers, now: &Peers) {
    for (seat, peer) in now.missing.difference(&before.missing) {
        tracing::warn!(
            seat, %peer,
            "no address is known of this seat, a member of this committee or the next: ask its operator and add it to the \
             peers file"
        );
    }
    if now.left_out > 0 && now.left_out != before.left_out {
        tracing::error!(
            left_out = now.left_out,
            "there is no room for some seats of this committee or the next: raise p2p.max_peers and restart"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consensus::testing::{committee, peer_key};
    use commonware_cryptography::Signer as _;
    use surety_types::Term;

    fn key(seat: u64) -> PublicKey {
        peer_key(seat).public_key()
    }

    fn admission(seats: u64, most: usize) -> Admission {
        let addresses = PeerAddresses::default();
        for seat in 1..seats {
            let port = 9_000 + u16::try_from(seat).unwrap();
            addresses.insert(B256::from_slice(&key(seat)), SocketAddr::from(([127, 0, 0, 1], port)));
        }
        let schedule = TermSchedule::new();
        let listen = SocketAddr::from(([127, 0, 0, 1], 9_000));
        Admission { schedule, addresses, me: key(0), listen, most }
    }

    #[test]
    fn the_next_committee_comes_an_epoch_early_and_the_last_one_stays_a_term() {
        let admission = admission(8, 64);
        for (term, seats) in [(1, 4), (2, 4), (3, 6), (4, 5)] {
            admission.schedule.insert(committee(term, term * 60, seats));
        }
        let at = |term: u64| {
            let peers = admission.peers(&admission.schedule.committee(Term::new(term)).unwrap());
            assert!(peers.missing.is_empty() && peers.left_out == 0, "{peers:?}");
            (peers.primary.len(), peers.secondary.len())
        };
        assert_eq!([at(1), at(2), at(3), at(4)], [(4, 0), (4, 2), (6, 0), (5, 1)]);
    }

    #[test]
    fn a_member_without_an_address_is_named_until_it_has_one() {
        let admission = admission(5, 64);
        admission.schedule.insert(committee(2, 120, 6));
        let now = committee(1, 60, 4);
        let peers = admission.peers(&now);
        assert_eq!(peers.missing.iter().map(|(seat, _)| *seat).collect::<Vec<_>>(), [5]);
        assert_eq!((peers.primary.len(), peers.secondary.len()), (4, 1));
        admission.addresses.insert(B256::from_slice(&key(5)), SocketAddr::from(([127, 0, 0, 1], 1)));
        assert!(admission.peers(&now).missing.is_empty());
    }

    #[test]
    fn members_beyond_the_room_are_left_out_the_next_committees_first() {
        let admission = admission(8, 5);
        admission.schedule.insert(committee(2, 120, 7));
        let peers = admission.peers(&committee(1, 60, 4));
        assert_eq!((peers.primary.len(), peers.secondary.len(), peers.left_out), (4, 1, 2));
    }
}
