//! Terms that an L1 event starts: silence, blocks taken back, the same heights again in another term.

use super::*;
use crate::{
    consensus::Boundary,
    follower::{Chain, DerivedBatch},
};
use surety_types::L2Height;

/// Where the seats' follower would say that L1 stood at the event.
const POSTED: u64 = 6;

#[test]
fn after_an_event_heights_are_used_again_by_the_rest_and_nobody_contradicts_itself() {
    run(CALM, |mut world| async move {
        let before = world.reach(POSTED + 6, Duration::from_secs(30)).await;
        // L1's head shows that a third is frozen.
        let start = Seconds::new(world.context.current().duration_since(UNIX_EPOCH).unwrap().as_secs());
        world.schedule.see_event(Some(Term::new(2)));
        world.context.sleep(Duration::from_secs(2)).await;
        let silent = world.heights();
        world.context.sleep(Duration::from_secs(10)).await;
        assert_eq!(world.heights(), silent, "nothing is signed in the term that the event ended");

        // It is settled: seat 3 is out. Each seat takes back what L1 does not have, and begins anew.
        world.schedule.start_by_event(Term::new(2), start);
        world.schedule.insert(committee(2, start.get(), 3));
        world.schedule.insert(committee(3, 10_000, 3));
        world.schedule.see_event(None);
        let boundary = Boundary { term: Term::new(2), height: POSTED, genesis: before[POSTED as usize] };
        let tip = DerivedBatch { last: L2Height::new(POSTED), ..DerivedBatch::genesis(ROLLUP, before[0]) };
        for index in 0..SEATS as usize {
            let blocks = world.seat(index).blocks.clone();
            let chain = Chain::new(blocks.store().clone(), Arc::new(blocks.parameters().clone()));
            let removed = chain.cut(&boundary, &tip).unwrap();
            assert!(removed.len() >= 6 && removed[0].block.header.number == POSTED + 1);
            assert!(chain.cut(&boundary, &tip).unwrap().is_empty(), "once");
            drop((chain, blocks));
            world.crash(index).await;
        }
        world.schedule.begin_by_event(boundary);
        (world.cut, world.disks) = (Some(boundary), 1);
        for index in 0..SEATS {
            let seat = world.start(index).await;
            assert_eq!(seat.blocks.store().committed().number, POSTED, "after the crash");
            world.seats[index as usize] = Some(seat);
        }
        let after = world.reach(POSTED + 20, Duration::from_secs(60)).await;
        assert_eq!(after[..=POSTED as usize], before[..=POSTED as usize]);
        assert_ne!(after[POSTED as usize + 1], before[POSTED as usize + 1]);
        for height in POSTED + 1..POSTED + 20 {
            assert_eq!(context_of(&world.block(height)).term, Term::new(2));
        }
        assert_eq!(led(&world, 3, POSTED + 1..POSTED + 20), 0, "the frozen seat does not lead");
        assert_eq!(*world.seat(0).term.borrow(), Some(boundary), "it began with the generation");

        // A crash in the new term goes on in it.
        let head = world.heights()[0];
        world.restart_all().await;
        world.reach(head + 5, Duration::from_secs(60)).await;
        for index in 0..SEATS as usize {
            assert!(world.seat(index).evidence.found().is_empty(), "seat {index} saw no contradiction");
        }
    });
}

#[test]
fn an_event_that_is_reorganised_away_costs_time_alone() {
    run(CALM, |world| async move {
        world.reach(5, Duration::from_secs(30)).await;
        world.schedule.see_event(Some(Term::new(2)));
        world.context.sleep(Duration::from_secs(6)).await;
        let head = world.heights()[0];
        world.schedule.see_event(None);
        world.reach(head + 20, Duration::from_secs(60)).await;
        assert_eq!(context_of(&world.block(head + 20)).term, Term::new(1));
        assert!(world.seat(0).evidence.found().is_empty());
    });
}
