//! The life of a seat with real processes: new keys, a fault of an old key, frozen, left with what remains.

mod support;

use alloy::primitives::{U256, utils::format_ether};
use serde_json::Value;
use std::time::Duration;
use support::World;

/// Enough for two term boundaries and a slow machine.
const TWO_TERMS: Duration = Duration::from_secs(180);
const SOON: Duration = Duration::from_secs(60);
/// Seats that run; the seventh is registered only.
const RUNNING: [usize; 6] = [0, 1, 2, 3, 4, 5];
/// Whose old key did wrong: the first, and the one that never ran.
const OFFENDER: usize = 0;
const ABSENT: usize = 6;

fn ether(status: &Value, field: &str) -> f64 {
    format_ether(status[field].as_str().unwrap().parse::<U256>().unwrap()).parse().unwrap()
}

fn advice(world: &World, seat: usize) -> String {
    world.status(seat)["next"].as_str().unwrap().to_owned()
}

fn refused(world: &World, seat: usize, command: &[&str], why: &str) {
    let output = world.try_owner(seat, command);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains(why), "seat {command:?}: {text}");
}

#[test]
fn seats_of_processes_rotate_keys_answer_for_old_ones_and_leave_with_what_is_left() {
    let mut world = World::found(7);
    for seat in RUNNING {
        world.start(seat);
    }
    world.reach(&RUNNING, 5, SOON);
    refused(&world, 1, &["top-up"], "which is par: nothing to do");
    let watch = world.watch();
    refused(&world, 1, &["withdraw"], "`surety seat exit` comes first");

    // Fees that have come to L1 are shared by all, and each takes its own.
    refused(&world, 1, &["fees"], "nothing is there for seat");
    world.give(world.chain().genesis.l1_fee_split, U256::from(7_000_000_000_000_000_000u64));
    let before = world.owner_balance(2);
    let said = world.owner(2, &["fees"]);
    assert!(said.contains("7.000000000000000000 ETH have arrived") && said.contains("of fees were paid to"), "{said}");
    let gained = world.owner_balance(2) - before;
    assert!((0.9..1.5).contains(&gained), "a seventh, more if seats were suspended, less gas: {gained}");
    assert!(!world.owner(1, &["fees"]).contains("have arrived"), "they were divided before");
    refused(&world, 1, &["fees"], "nothing is there for seat");

    // Four at once, so that neither the old keys nor the new ones alone would do: nobody may drop the old ones too early.
    let rotating = [0, 1, 2, 3];
    let keys: Vec<_> = rotating.iter().map(|seat| world.rotate(*seat, 7)).collect();
    assert!(advice(&world, 0).contains("keys were rotated"), "{}", advice(&world, 0));
    assert_eq!(world.status(0)["member"], true, "the old key votes on");
    refused(&world, 1, &["rotate-key"], "has rotated to");
    let before = world.tip(5);
    world.wait_for("the new keys are in use", TWO_TERMS, |world| {
        rotating.iter().zip(&keys).all(|(seat, (old, new))| {
            let retired = world.folder(*seat).join(format!("keys/retired-{old}/vote.json"));
            let status = world.status(*seat);
            retired.exists() && status["voteKey"].as_str().unwrap().parse() == Ok(*new) && status["member"] == true
        })
    });
    let term = world.status(0)["term"].as_u64().unwrap();
    let after = world.tip(5);
    assert!(after.0 > before.0 + 20, "the chain went on with the old keys: {before:?}, {after:?}");
    // Six of seven run, five are needed: without the new keys nothing would become final.
    world.reach(&RUNNING, after.0 + 20, SOON);
    world.agree(&RUNNING, before);
    world.agree(&RUNNING, after);
    assert!(!advice(&world, 0).contains("rotated"), "{}", advice(&world, 0));

    // The old key is liable: what it signed in its last term freezes the seat. Another one did the same.
    let old_keystore = format!("keys/retired-{}/vote.json", keys[OFFENDER].0);
    watch.tell(&world.equivocation(OFFENDER, &old_keystore, term - 1));
    world.wait_for("the first offender is frozen", SOON, |world| world.status(OFFENDER)["frozenAt"] != 0);
    let left = ether(&world.status(OFFENDER), "bond");
    assert!((29.12..=30.4).contains(&left), "a lone accident costs a twentieth, not {left}: {}", watch.said());
    watch.tell(&world.equivocation(ABSENT, "keys/vote.json", term - 1));
    world.wait_for("the second offender is frozen", SOON, |world| world.status(ABSENT)["frozenAt"] != 0);
    // f of seven is 2: the second of two pays the half of the rest at once, the first owes it.
    // (It never ran, so it may have been fined for that, too: at most 4 %.)
    let left = ether(&world.status(ABSENT), "bond");
    assert!((13.92..=15.2).contains(&left), "{left}: {}", watch.said());
    // Half of its own rest, less what it was fined should the committee have kept L1 waiting on a busy machine.
    let owed = ether(&world.status(OFFENDER), "owed");
    assert!((13.92..=15.2).contains(&owed), "{owed}");
    let said = advice(&world, OFFENDER);
    assert!(said.contains("a top-up does not bring it back") && said.contains("surety seat exit"), "{said}");
    refused(&world, OFFENDER, &["top-up"], "a fault froze seat");
    refused(&world, OFFENDER, &["top-up", "--ether", "1.6"], "a fault froze seat");
    refused(&world, OFFENDER, &["rotate-key"], "a fault froze seat");

    // Out at a term's start; the others go on, all five of whom are needed now; its own node follows.
    world.wait_for("the offenders are out", TWO_TERMS, |world| {
        [OFFENDER, ABSENT].iter().all(|seat| !world.is_member(*seat)) && world.status(1)["committee"] == 5
    });
    let last = world.status(OFFENDER)["term"].as_u64().unwrap() - 1;
    let tip = world.tip(1);
    world.reach(&RUNNING, tip.0 + 20, SOON);
    world.agree(&RUNNING, tip);
    let said = advice(&world, OFFENDER);
    assert!(said.contains("it votes no more"), "{said}");

    // It leaves.
    world.owner(OFFENDER, &["exit"]);
    refused(&world, OFFENDER, &["exit"], "is leaving already");
    refused(&world, OFFENDER, &["withdraw"], "is free in");
    assert!(advice(&world, OFFENDER).contains("its bond is free in"), "{}", advice(&world, OFFENDER));
    for seat in RUNNING {
        world.end(seat);
    }
    // The old key signed in the terms before the new one's first, the new one from there on, and until it was out.
    let old = world.terms_signed(OFFENDER, &format!("journal-{}", keys[OFFENDER].0));
    let new = world.terms_signed(OFFENDER, "journal");
    let (Some(first), Some(newest)) = (new.first(), new.last()) else { panic!("the new key never signed") };
    assert_eq!(old.last(), Some(&(first - 1)), "the old key signed in {old:?}, the new one in {new:?}");
    assert!(*newest <= last, "its last term is {last}, the new key signed in {new:?}");
    let other = world.terms_signed(1, "journal");
    assert!(other.iter().any(|term| *term > last), "seat 2 votes on: {other:?}");

    world.pass(Duration::from_secs(400));
    let said = advice(&world, OFFENDER);
    // Less what it was fined, should the committee have kept L1 waiting on a busy machine: at most 4 %.
    let told = said.split("take what is left, ").nth(1).and_then(|rest| rest.split(' ').next());
    let told = told.unwrap_or_else(|| panic!("{said}"));
    let left: f64 = told.parse().unwrap_or_else(|error| panic!("{error}: {said}"));
    assert!((13.92..=15.2).contains(&left), "{said}");
    let poor = world.owner_balance(OFFENDER);
    let paid = world.owner(OFFENDER, &["withdraw"]);
    assert!(paid.contains(told) && paid.contains("were taken first"), "{told}: {paid}");
    let rich = world.owner_balance(OFFENDER);
    assert!((left - 0.1..left + 0.01).contains(&(rich - poor)), "{poor} ETH became {rich}");
    assert!(advice(&world, OFFENDER).contains("it has left"), "{}", advice(&world, OFFENDER));
    for seat in RUNNING {
        world.check_log(seat);
    }
}
