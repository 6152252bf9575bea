//! Seats as processes of strangers, on loopback and the embedded L1: founded from files, killed, joined, left.

mod support;

use std::time::Duration;
use support::World;

/// Enough for two term boundaries and a slow machine.
const TWO_TERMS: Duration = Duration::from_secs(180);
const SOON: Duration = Duration::from_secs(60);

#[test]
fn seats_of_strangers_survive_kills_join_and_leave() {
    let mut world = World::found(4);
    for seat in 0..4 {
        world.start(seat);
    }
    world.reach(&[0, 1, 2, 3], 5, SOON);

    // They have two boundaries to wait for, so they register first.
    for seat in [4, 5] {
        world.join(seat);
        world.start(seat);
    }

    // One dies: the chain goes on without it, and it comes back to the same chain.
    let before = world.tip(1);
    world.kill(0);
    world.reach(&[1, 2, 3], before.0 + 10, SOON);
    world.start(0);
    let now = world.tip(1).0;
    world.reach(&[0], now, SOON);
    world.agree(&[0, 1, 2, 3], before);

    // Two die: no quorum, so the chain stands; with them back it goes on, and nothing final is lost.
    let before = world.tip(2);
    world.kill(0);
    world.kill(1);
    std::thread::sleep(Duration::from_secs(3));
    let stood = world.tip(2);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(world.tip(2), stood, "two of four make nothing final");
    world.start(0);
    world.start(1);
    world.reach(&[0, 1, 2, 3], stood.0 + 10, SOON);
    world.agree(&[0, 1, 2, 3], before);
    world.agree(&[0, 1, 2, 3], stood);

    // All die at once.
    let before = world.tip(3);
    for seat in 0..4 {
        world.kill(seat);
    }
    for seat in 0..4 {
        world.start(seat);
    }
    world.reach(&[0, 1, 2, 3], before.0 + 10, SOON);
    world.agree(&[0, 1, 2, 3], before);

    // Seats 5 and 6 vote at the term that the registry says: of six, five are needed, so one founder may be dead.
    world.wait_for("the new seats are members", TWO_TERMS, |world| [4, 5].iter().all(|seat| world.is_member(*seat)));
    assert_eq!(world.status(4)["committee"], 6);
    world.reach(&[4, 5], world.tip(0).0, SOON);
    world.kill(1);
    let before = world.tip(0);
    world.reach(&[0, 2, 3, 4, 5], before.0 + 20, SOON);
    world.agree(&[0, 2, 3, 4, 5], before);
    world.start(1);

    // Seat 1 leaves. The chain goes on, and its node still follows it.
    world.owner(0, &["exit"]);
    world.wait_for("seat 1 is out", TWO_TERMS, |world| !world.is_member(0));
    let after = world.tip(2);
    world.reach(&[1, 2, 3, 4, 5], after.0 + 20, SOON);
    world.reach(&[0], after.0 + 20, SOON);
    world.agree(&[0, 2, 4], after);
    assert!(!world.try_owner(0, &["withdraw"]).status.success(), "the bond is not free yet");

    // After the unbonding time it has its bond back. (The chain may rest while L1's clock jumps.)
    world.abandon(5);
    for seat in 0..5 {
        world.end(seat);
    }
    world.pass(Duration::from_secs(400));
    let poor = world.owner_balance(0);
    world.owner(0, &["withdraw"]);
    let rich = world.owner_balance(0);
    assert!(rich - poor > 31.9, "{poor} ETH became {rich}");
    assert!(world.status(0)["next"].as_str().unwrap().contains("it has left"));
    for seat in 0..6 {
        world.check_log(seat);
    }
}
