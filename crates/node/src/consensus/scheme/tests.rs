use super::*;
use crate::consensus::testing::{ROLLUP, committee, domain, guard, vote_key};
use crate::signer::Signer as _;
use commonware_codec::{Copying, Decode as _, Encode as _};
use commonware_consensus::{
    simplex::types::{Finalization, Notarization, Nullification, Proposal},
    types::{Epoch, Round, View},
};
use commonware_cryptography::keccak256::Digest as Hash;
use commonware_parallel::Sequential;
use commonware_utils::{non_empty, test_rng};
use proptest::prelude::*;
use surety_types::{L2Height, Term};

type Vote = commonware_consensus::simplex::types::Notarize<Scheme, Hash>;

const GENESIS: B256 = B256::repeat_byte(0x67);
const BLOCK: [u8; 32] = [0xb1; 32];

struct Fixture {
    schemes: Vec<Scheme>,
    watcher: Scheme,
    _dir: tempfile::TempDir,
}

fn fixture(term: u64, seats: u64) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let committee = Arc::new(committee(term, 0, seats));
    let scheme = |guard| Scheme::new(ROLLUP, GENESIS, domain(), committee.clone(), guard);
    let schemes = (0..seats)
        .map(|seat| {
            let guard = guard(dir.path(), seat);
            guard.executed().mark(L2Height::new(1), BLOCK.into());
            scheme(Some(guard))
        })
        .collect();
    Fixture { schemes, watcher: scheme(None), _dir: dir }
}

fn proposal(term: u64, view: u64, parent: u64) -> Proposal<Hash> {
    Proposal::new(Round::new(Epoch::new(term), View::new(view)), View::new(parent), Hash(BLOCK))
}

fn notarization(fixture: &Fixture, signers: usize) -> Option<Notarization<Scheme, Hash>> {
    let votes: Vec<_> = fixture.schemes[..signers].iter().map(|s| Vote::sign(s, proposal(3, 2, 1)).unwrap()).collect();
    Notarization::from_notarizes(&fixture.watcher, non_empty![@votes.iter()], &Sequential).ok()
}

#[test]
fn votes_are_the_structs_that_l1_checks() {
    let fixture = fixture(3, 4);
    for (seat, scheme) in fixture.schemes.iter().enumerate() {
        let address = vote_key(seat as u64).address();
        let p = proposal(3, 2, 1);
        let sign = |subject| scheme.sign::<Hash>(subject).unwrap().signature.get().unwrap().0;
        let message = Notarize {
            rollup: ROLLUP.get(),
            term: 3,
            genesis: GENESIS,
            view: 2,
            parentView: 1,
            blockHash: BLOCK.into(),
        };
        let signed = sign(Subject::Notarize { proposal: &p });
        assert_eq!(signed.recover(&domain().digest(&message)), Some(address));
        let message = Finalize {
            rollup: ROLLUP.get(),
            term: 3,
            genesis: GENESIS,
            view: 2,
            parentView: 1,
            blockHash: BLOCK.into(),
        };
        let signed = sign(Subject::Finalize { proposal: &p });
        assert_eq!(signed.recover(&domain().digest(&message)), Some(address));
        let message = Nullify { rollup: ROLLUP.get(), term: 3, genesis: GENESIS, view: 9 };
        let signed = sign(Subject::Nullify { round: Round::new(Epoch::new(3), View::new(9)) });
        assert_eq!(signed.recover(&domain().digest(&message)), Some(address));
    }
}

#[test]
fn a_quorum_makes_a_certificate_and_less_does_not() {
    let fixture = fixture(3, 4);
    assert!(notarization(&fixture, 2).is_none());
    for signers in [3, 4] {
        let certificate = notarization(&fixture, signers).unwrap();
        assert!(certificate.verify(&mut test_rng(), &fixture.watcher, &Sequential));
    }
}

#[test]
fn a_certificate_in_l1s_form_verifies_by_place() {
    let fixture = fixture(3, 7);
    let certificate = notarization(&fixture, 5).unwrap();
    let set = fixture.watcher.signature_set(&certificate.certificate);
    assert_eq!(set.signers, 0b11111, "the first five seats in L1 order signed, whatever their peer keys");
    let message =
        Notarize { rollup: ROLLUP.get(), term: 3, genesis: GENESIS, view: 2, parentView: 1, blockHash: BLOCK.into() };
    assert!(set.verify(&fixture.watcher.committee().votes(), &domain().digest(&message)));
}

#[test]
fn a_certificate_of_another_term_genesis_kind_or_block_is_refused() {
    let fixture = fixture(3, 4);
    let good = notarization(&fixture, 3).unwrap();
    let certificate = good.certificate.clone();
    let committee = fixture.watcher.committee().clone();
    let elsewhere = Scheme::new(ROLLUP, B256::ZERO, domain(), committee.clone(), None);
    assert!(!good.verify(&mut test_rng(), &elsewhere, &Sequential), "another genesis");
    let elsewhere = Scheme::new(RollupId::new(1), GENESIS, domain(), committee, None);
    assert!(!good.verify(&mut test_rng(), &elsewhere, &Sequential), "another rollup");
    let check = |subject: Subject<'_, Hash>| {
        fixture.watcher.verify_certificate::<_, Hash>(&mut test_rng(), subject, &certificate, &Sequential)
    };
    assert!(check(Subject::Notarize { proposal: &proposal(3, 2, 1) }));
    assert!(!check(Subject::Finalize { proposal: &proposal(3, 2, 1) }));
    assert!(!check(Subject::Notarize { proposal: &proposal(4, 2, 1) }));
    assert!(!check(Subject::Notarize { proposal: &proposal(3, 3, 1) }));
    assert!(!check(Subject::Notarize { proposal: &proposal(3, 2, 0) }));
    assert!(!check(Subject::Nullify { round: Round::new(Epoch::new(3), View::new(2)) }));
}

#[test]
fn a_signature_counts_for_its_own_signer_only() {
    let fixture = fixture(3, 4);
    let mut certificate = notarization(&fixture, 3).unwrap().certificate;
    certificate.signatures.swap(0, 1);
    let p = proposal(3, 2, 1);
    let subject = Subject::Notarize { proposal: &p };
    assert!(!fixture.watcher.verify_certificate::<_, Hash>(&mut test_rng(), subject, &certificate, &Sequential));
    let mut vote = fixture.schemes[0].sign::<Hash>(Subject::Notarize { proposal: &p }).unwrap();
    let subject = Subject::Notarize { proposal: &p };
    assert!(fixture.watcher.verify_attestation::<_, Hash>(&mut test_rng(), subject, &vote, &Sequential));
    vote.signer = Participant::from_usize((usize::from(vote.signer) + 1) % 4);
    let subject = Subject::Notarize { proposal: &p };
    assert!(!fixture.watcher.verify_attestation::<_, Hash>(&mut test_rng(), subject, &vote, &Sequential));
}

#[test]
fn the_journal_vetoes_a_second_vote_and_one_for_an_unknown_block() {
    let fixture = fixture(3, 4);
    let scheme = &fixture.schemes[0];
    let sign = |p: &Proposal<Hash>| scheme.sign::<Hash>(Subject::Notarize { proposal: p });
    assert!(sign(&proposal(3, 2, 1)).is_some());
    assert!(sign(&proposal(3, 2, 0)).is_none(), "another parent");
    let unknown = Proposal::new(Round::new(Epoch::new(3), View::new(5)), View::new(4), Hash([9; 32]));
    assert!(sign(&unknown).is_none(), "not executed");
    assert!(sign(&proposal(4, 7, 1)).is_none(), "another term");
    assert!(scheme.sign::<Hash>(Subject::Nullify { round: Round::new(Epoch::new(3), View::new(2)) }).is_some());
    assert!(scheme.sign::<Hash>(Subject::Finalize { proposal: &proposal(3, 2, 1) }).is_none(), "nullified");
}

#[test]
fn one_without_a_vote_key_signs_nothing() {
    let fixture = fixture(3, 4);
    assert!(fixture.watcher.me().is_none());
    assert!(fixture.watcher.sign::<Hash>(Subject::Notarize { proposal: &proposal(3, 2, 1) }).is_none());
    // A key that is not in the committee's list of this term does not vote either.
    let dir = tempfile::tempdir().unwrap();
    let stranger = Scheme::new(
        ROLLUP,
        GENESIS,
        domain(),
        Arc::new(committee(Term::new(3).get(), 0, 4)),
        Some(guard(dir.path(), 99)),
    );
    assert!(stranger.me().is_none());
}

#[test]
fn finalizations_and_nullifications_go_through_the_library() {
    let fixture = fixture(3, 4);
    let votes: Vec<_> = fixture.schemes[..3]
        .iter()
        .map(|s| commonware_consensus::simplex::types::Finalize::sign(s, proposal(3, 2, 1)).unwrap())
        .collect();
    let finalization = Finalization::from_finalizes(&fixture.watcher, non_empty![@votes.iter()], &Sequential).unwrap();
    assert!(finalization.verify(&mut test_rng(), &fixture.watcher, &Sequential));
    let votes: Vec<_> = fixture.schemes[1..]
        .iter()
        .map(|s| {
            let round = Round::new(Epoch::new(3), View::new(4));
            commonware_consensus::simplex::types::Nullify::sign::<Hash>(s, round).unwrap()
        })
        .collect();
    let nullification =
        Nullification::from_nullifies(&fixture.watcher, non_empty![@votes.iter()], &Sequential).unwrap();
    assert!(nullification.verify::<_, Hash>(&mut test_rng(), &fixture.watcher, &Sequential));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn certificates_survive_their_encoding_and_fit_their_bound(seats in 4..20u64, extra in 0..5usize) {
        let fixture = fixture(3, seats);
        let signers = (signing::quorum(seats as u32) as usize + extra).min(seats as usize);
        let certificate = notarization(&fixture, signers).unwrap().certificate;
        let bytes = certificate.encode();
        prop_assert!(bytes.len() <= Scheme::max_certificate_size(seats as u32));
        prop_assert_eq!(Certificate::decode_cfg(bytes.clone(), &(seats as usize)).unwrap(), certificate);
        prop_assert!(Certificate::decode_cfg(bytes, &(seats as usize - 1)).is_err(), "a smaller committee refuses it");
    }

    #[test]
    fn hostile_bytes_are_refused_or_fail_to_verify(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let fixture = fixture(3, 4);
        if let Ok(certificate) = Certificate::decode_cfg(Copying(&bytes), &4) {
            let p = proposal(3, 2, 1);
            let subject = Subject::Notarize { proposal: &p };
            prop_assert!(!fixture.watcher.verify_certificate::<_, Hash>(
                &mut test_rng(), subject, &certificate, &Sequential
            ));
        }
    }
}
