//! Committees with known keys, for this crate's tests.

use super::committee::{Committee, Member};
use crate::signer::{Guard, Journal, LocalSigner, Signer};
use alloy_primitives::{Address, B256, keccak256};
use commonware_cryptography::{Signer as _, ed25519::PrivateKey};
use std::path::Path;
use surety_types::{RollupId, Seconds, Term, signing::Domain};

pub(crate) const ROLLUP: RollupId = RollupId::new(75_873);

pub(crate) fn domain() -> Domain {
    Domain::new(1337, Address::repeat_byte(0x52))
}

pub(crate) fn vote_key(seat: u64) -> LocalSigner {
    LocalSigner::from_bytes(&keccak256(seat.to_be_bytes())).unwrap()
}

pub(crate) fn peer_key(seat: u64) -> PrivateKey {
    // So that the order of peer keys is not that of the seats.
    PrivateKey::from_seed(1_000 - seat)
}

pub(crate) fn committee(term: u64, start: u64, seats: u64) -> Committee {
    let members = (0..seats)
        .map(|seat| Member {
            seat,
            vote: vote_key(seat).address(),
            peer: B256::from_slice(peer_key(seat).public_key().as_ref()),
        })
        .collect();
    Committee::new(Term::new(term), Seconds::new(start), members).unwrap()
}

pub(crate) fn guard(dir: &Path, seat: u64) -> Guard {
    let key = vote_key(seat);
    let journal = Journal::open(&dir.join(format!("journal-{seat}")), &domain(), key.address()).unwrap();
    Guard::new(key, journal, domain()).unwrap()
}
