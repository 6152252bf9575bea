//! A leader that shows one block to some seats and another to others: the engine reports nothing, the pools find it.

use super::*;
use crate::consensus::{block::Hash, scheme};
use commonware_codec::{Decode as _, Encode as _};
use commonware_consensus::{
    Viewable as _,
    simplex::{
        elector::{Config as _, Elector as _, RoundRobin, RoundRobinElector},
        types::{Certificate, Notarize, Proposal, Vote},
    },
    types::{Epoch, Round},
};
use commonware_cryptography::{
    Keccak256,
    certificate::{Attestation, Verifier as _},
    keccak256,
};
use commonware_p2p::{Receiver as _, Recipients, Sender as _, utils::mux::Muxer};
use commonware_runtime::Spawner as _;
use commonware_utils::Participant;
use std::collections::BTreeSet;
use surety_types::evidence::Contradiction;

const PLAYED: u64 = 3;

/// Signs whatever it likes: there is no journal behind it.
fn vote(scheme: &scheme::Scheme, me: Participant, proposal: Proposal<Hash>) -> Vec<u8> {
    let message = scheme.notarize(&proposal).unwrap();
    let signature = vote_key(PLAYED).sign(&domain().digest(&message)).unwrap();
    let attestation = Attestation { signer: me, signature: scheme::Signature(signature).into() };
    Vote::<scheme::Scheme, Hash>::Notarize(Notarize { proposal, attestation }).encode().to_vec()
}

/// Whenever it leads, sends one proposal to one seat and another to the rest. Returns how often it did, by and by.
async fn equivocator(world: &World, victim: u64) -> watch::Receiver<u64> {
    let me = peer_key(PLAYED).public_key();
    let control = world.oracle.control(me.clone());
    let quota = Quota::per_second(NZU32!(10_000));
    let genesis = world.seat(0).blocks.store().genesis().hash;
    let committee = world.schedule.committee(Term::new(1)).unwrap();
    let scheme = scheme::Scheme::new(ROLLUP, genesis, domain(), committee.clone(), None);
    let votes = control.register(0, quota).await.unwrap();
    let certificates = control.register(1, quota).await.unwrap();
    let context = world.context.child("equivocator");
    let (count, counted) = watch::channel(0);
    let participants = committee.participants().clone();
    let own = Participant::from_usize(participants.position(&me).unwrap());
    let victim = peer_key(victim).public_key();
    let (mux, mut votes_mux) = Muxer::new(context.child("votes"), votes.0, votes.1);
    mux.start();
    let (mux, mut certificates_mux) = Muxer::new(context.child("certificates"), certificates.0, certificates.1);
    mux.start();
    let (mut votes, _incoming) = votes_mux.register(1).await.unwrap();
    let (_, mut certificates) = certificates_mux.register(1).await.unwrap();
    context.spawn(move |_| async move {
        let _keep = (_incoming, votes_mux, certificates_mux);
        let elector: RoundRobinElector<scheme::Scheme> = RoundRobin::<Keccak256>::default().build(&participants);
        let mut done = BTreeSet::new();
        while let Ok((_, message)) = certificates.recv().await {
            let decoded = Certificate::<scheme::Scheme, Hash>::decode_cfg(message, &scheme.certificate_codec_config());
            let Ok(Certificate::Notarization(parent)) = decoded else { continue };
            let round = Round::new(Epoch::new(1), parent.view().next());
            if elector.elect(round, ()) != own || !done.insert(round) {
                continue;
            }
            let proposal = |n: u8| Proposal::new(round, parent.view(), keccak256::Digest([n; 32]));
            let others: Vec<_> = participants.iter().filter(|p| **p != victim && **p != me).cloned().collect();
            votes.send(Recipients::One(victim.clone()), vote(&scheme, own, proposal(1)), true);
            votes.send(Recipients::Some(others), vote(&scheme, own, proposal(2)), true);
            count.send_modify(|n| *n += 1);
        }
    });
    counted
}

#[test]
fn a_leader_that_shows_two_blocks_is_found_by_every_honest_seat_and_nobody_else_is() {
    for (seed, victim) in [(51, 0), (52, 2)] {
        run(Conditions { seed, played: Some(PLAYED), ..CALM }, |mut world| async move {
            let mut announced: Vec<_> = world.seats.iter().flatten().map(|seat| seat.evidence.subscribe()).collect();
            let mut counted = equivocator(&world, victim).await;
            counted.wait_for(|n| *n >= 1).await.unwrap();
            world.context.sleep(Duration::from_secs(1)).await;
            for found in &mut announced {
                let evidence = found.try_recv().expect("found within a second");
                assert_eq!(evidence.check(&domain()), Ok(vote_key(PLAYED).address()));
                assert_eq!(evidence.contradiction(), Some(Contradiction::Notarizations));
            }
            // The chain goes on, and it goes on being found, of this seat alone.
            world.reach(30, Duration::from_secs(60)).await;
            world.context.sleep(Duration::from_secs(2)).await;
            let times = *counted.borrow() as usize;
            assert!(times >= 2, "it led more than once");
            for seat in world.seats.iter().flatten() {
                let found = seat.evidence.found();
                assert!(found.len() + 1 >= times && !found.is_empty(), "{} of {times}", found.len());
                assert!(found.iter().all(|e| e.check(&domain()) == Ok(vote_key(PLAYED).address())));
            }
            // And it is still known after a crash.
            world.crash(0).await;
            let seat = world.start(0).await;
            assert!(!seat.evidence.found().is_empty());
            world.seats[0] = Some(seat);
        });
    }
}

#[test]
fn four_honest_seats_accuse_nobody_and_keep_their_certificates() {
    for seed in [61, 62] {
        run(Conditions { seed, arrive: 85, terms: &[4], ..CALM }, |mut world| async move {
            world.reach(10, Duration::from_secs(60)).await;
            world.crash(1).await;
            world.context.sleep(Duration::from_secs(3)).await;
            let seat = world.start(1).await;
            world.seats[1] = Some(seat);
            world.reach(40, Duration::from_secs(120)).await;
            for seat in world.seats.iter().flatten() {
                assert_eq!(seat.evidence.found(), []);
            }
            // Most blocks' own finalisations can be put together again.
            let pool = &world.seat(0).evidence;
            let genesis = world.seat(0).blocks.store().genesis().hash;
            let key = crate::evidence::TermKey { term: 1, genesis };
            let committee = world.schedule.committee(Term::new(1)).unwrap().votes();
            let mut certified = 0;
            for height in 1..10 {
                let view = context_of(&world.block(height)).view.get();
                let Some((statement, set)) = pool.certificate(key, surety_types::evidence::Slot::End, view) else {
                    continue;
                };
                assert!(set.verify(&committee, &statement.digest(&domain())));
                certified += 1;
            }
            assert!(certified >= 5, "{certified} of 9");
            // The feed has every block, and certificates that anyone can check.
            let (published, _) = world.seat(2).feed.blocks(Some(surety_types::L2Height::ZERO));
            let mut checked = 0;
            for (block, height) in published.iter().zip(1u64..) {
                assert_eq!((block.height.to::<u64>(), block.hash), (height, world.block(height).hash));
                if let Some(certificate) = &block.certificate {
                    let (statement, set) = certificate.parts().unwrap();
                    let committee = world.schedule.committee(Term::new(statement.term)).unwrap().votes();
                    assert!(set.verify(&committee, &domain().digest(&statement)) && set.count() >= 3);
                    assert_eq!(statement.blockHash, block.hash);
                    checked += 1;
                }
            }
            assert!(published.len() >= 35 && checked * 2 > published.len(), "{checked} of {}", published.len());
        });
    }
}
