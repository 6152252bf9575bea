// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISequencerRegistry} from "../src/bonding/ISequencerRegistry.sol";
import {ISlasher} from "../src/bonding/ISlasher.sol";
import {IIdle} from "../src/faults/IIdle.sol";
import {ClaimPreimage} from "../src/lib/Commitments.sol";
import {Batch, Messages} from "../src/lib/Messages.sol";
import {IInbox, Lapse} from "../src/rollup/IInbox.sol";
import {Post} from "./lib/Fixture.sol";
import {Forced} from "./lib/Forced.sol";

/// @notice Who pays for silence and censorship, how much, and who does not.
contract IdleTest is Forced {
    using Messages for Batch;

    uint256 private constant CAP = 1.28 ether;
    uint64 private _start;

    function setUp() external {
        withoutData = true;
        _deploy(4);
    }

    function _deploy(uint256 seats) private {
        deploy(seats);
        _start = uint64(block.timestamp);
    }

    /// L1 goes on, a block each slot.
    function _at(uint64 time) private {
        pass(_start + time - block.timestamp);
    }

    function _evidence(uint64 term, uint64 seat) private pure returns (bytes memory) {
        return abi.encode(term, seat);
    }

    function _fine(uint64 term, uint64 seat) private returns (uint256 taken) {
        vm.prank(REPORTER);
        (, taken,) = slasher.report(address(idle), _evidence(term, seat));
    }

    function _refused(bytes memory evidence_, bytes memory reason) private {
        vm.expectRevert(reason);
        slasher.report(address(idle), evidence_);
    }

    function _innocent(uint64 term, uint64 seat) private {
        _refused(_evidence(term, seat), abi.encodeWithSelector(IIdle.NotIdle.selector, seat, term));
    }

    function _attend(Post memory post, uint256 place) private {
        idle.attend(
            post.statement,
            ancestry(head),
            post.leftSiblings,
            place,
            sign(keyOf(place), post.statement.hash()),
            post.data
        );
    }

    function _books(uint256 seats) private view {
        uint256 bonds;
        for (uint64 seat = 1; seat <= seats; ++seat) {
            bonds += registry.seat(seat).bond;
        }
        vm.assertEq(address(registry).balance, bonds + slasher.unburnt() + slasher.rewardOf(REPORTER));
    }

    // Guilt

    function test_silence_costs_each_seat_on_duty_the_same_but_who_attended() external {
        _at(35);
        _attend(honest(3), 1);
        vm.assertTrue(idle.attended(0, 1, 2));
        _at(40);
        selfSequence();
        // No batch for 40 s: counted from 15 on, and for this term from 30 on, where the overlap ends.
        vm.assertEq(inbox.lapseCount(), 1);
        Lapse memory l = inbox.lapse(0);
        vm.assertEq(l.from, _start + 15);
        vm.assertEq(l.to, _start + 40);
        vm.assertEq(l.missed, 0);
        vm.assertEq(l.batch, 0);
        _at(84);
        _refused(_evidence(1, 1), abi.encodeWithSelector(IIdle.TermNotOver.selector, 1, _start + 85));
        _at(85);
        for (uint64 seat = 1; seat < 5; ++seat) {
            if (seat == 2) {
                _innocent(1, 2);
                continue;
            }
            vm.expectEmit(true, true, true, true, address(slasher));
            emit ISlasher.Slashed(seat, address(idle), 1, REPORTER, CAP / 6, CAP / 6 / 20);
            vm.assertEq(_fine(1, seat), CAP / 6);
            vm.assertEq(registry.seat(seat).bond, 32 ether - CAP / 6);
            vm.assertEq(registry.seat(seat).frozenAt, 0);
            vm.assertTrue(slasher.isSlashed(seat, address(idle), 1));
            _refused(
                _evidence(1, seat), abi.encodeWithSelector(ISlasher.AlreadySlashed.selector, seat, address(idle), 1)
            );
        }
        vm.assertFalse(slasher.isSlashed(2, address(idle), 1));
        vm.assertEq(slasher.rewardOf(REPORTER), 3 * (CAP / 6 / 20));
        vm.assertEq(slasher.offences(1).length, 0);
        _books(4);
        // It is no reason to be out: the next committees are the same, and it is not frozen.
        _at(200);
        registry.postingCommittee(registry.currentTerm());
        vm.assertEq(registry.committee(registry.currentTerm()).length, 4);
    }

    function test_censorship_counts_from_when_the_message_was_due() external {
        _at(2);
        inbox.poke();
        for (uint64 time = 20; time < 50; time += 15) {
            _at(time);
            Post memory post = honest(1);
            post.statement.messageCount = 0;
            post.statement.messageAcc = 0;
            post.statement.lastBlockTime = _start + 20;
            certify(post);
            succeed(post);
        }
        // Due at 32; batches at 20 and 35; overdue at 47.
        vm.assertEq(inbox.waitingSince(), _start + 35);
        _at(47);
        selfSequence();
        Lapse memory l = inbox.lapse(0);
        vm.assertEq(l.from, _start + 35);
        vm.assertEq(l.to, _start + 47);
        vm.assertEq(l.batch, 2);
        _at(92);
        vm.assertEq(_fine(1, 1), CAP * 12 / 60);
    }

    function test_a_stale_batch_does_not_end_the_wait_without_a_lapse() external {
        _at(2);
        inbox.poke();
        for (uint64 time = 20; time < 60; time += 15) {
            _at(time);
            Post memory post = honest(1);
            post.statement.messageCount = 0;
            post.statement.messageAcc = 0;
            post.statement.lastBlockTime = _start + 20;
            certify(post);
            succeed(post);
        }
        // The third came at 50, when the message was overdue, and left it out once more.
        vm.assertEq(inbox.lapseCount(), 1);
        vm.assertEq(inbox.lapse(0).from, _start + 35);
        vm.assertEq(inbox.lapse(0).to, _start + 50);
    }

    function test_the_cap_suspends_until_the_owner_pays_and_asks() external {
        // Silence for more than two terms: 30 s of each count, the cap is reached by 60 s.
        _at(110);
        for (uint64 seat = 1; seat < 5; ++seat) {
            vm.assertEq(_fine(1, seat), CAP / 2);
        }
        _at(166);
        vm.expectEmit(true, false, false, true, address(registry));
        emit ISequencerRegistry.SeatSuspended(1);
        vm.assertEq(_fine(2, 1), CAP / 2);
        vm.assertEq(slasher.recentFines(1), CAP);
        (bool suspended, uint256 fined) = registry.suspension(1);
        vm.assertTrue(suspended && fined == CAP);
        (suspended,) = registry.suspension(2);
        vm.assertFalse(suspended);
        _books(4);
        // Epoch 2 now: out from epoch 4, which is term 5, on; the three that are left are too few.
        registry.postingCommittee(3);
        _at(190);
        registry.postingCommittee(registry.currentTerm());
        vm.assertEq(registry.committee(4).length, 4);
        vm.assertEq(registry.committee(5).length, 0);
        vm.startPrank(OWNER);
        vm.deal(OWNER, 10 ether);
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.SeatIsNotSuspended.selector, 2));
        registry.resume(2);
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.BondBelowPar.selector, 32 ether - CAP, 32 ether));
        registry.resume(1);
        registry.topUp{value: 1 ether}(1);
        vm.expectPartialRevert(ISequencerRegistry.BondBelowPar.selector);
        registry.resume(1);
        registry.topUp{value: 0.28 ether}(1);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.NotOwner.selector, 1, address(this)));
        registry.resume(1);
        vm.prank(OWNER);
        registry.resume(1);
        (suspended, fined) = registry.suspension(1);
        vm.assertTrue(!suspended && fined == 0);
        // Terms go on: the seat is in from the next committee that is not fixed.
        _at(310);
        registry.postingCommittee(registry.currentTerm());
        vm.assertEq(registry.committee(registry.currentTerm()).length, 4);
    }

    function test_beyond_the_cap_nothing_is_taken_but_the_seat_is_out() external {
        _at(110);
        _fine(1, 1);
        _at(166);
        _fine(2, 1);
        vm.deal(OWNER, 10 ether);
        vm.startPrank(OWNER);
        registry.topUp{value: CAP}(1);
        registry.resume(1);
        vm.stopPrank();
        _at(226);
        vm.assertEq(_fine(3, 1), 0);
        (bool suspended,) = registry.suspension(1);
        vm.assertTrue(suspended);
        // The first fine leaves the window 200 s after it was taken; then there is room for as much.
        _at(311);
        vm.assertEq(slasher.recentFines(1), CAP / 2);
        _at(366);
        vm.assertEq(slasher.recentFines(1), 0);
    }

    // Innocence

    function test_l1_without_blocks_makes_nobody_guilty() external {
        _at(10);
        succeed(honest(1));
        // L1 stands still for an hour, and goes on with one block.
        vm.warp(_start + 3610);
        vm.roll(block.number + 1);
        selfSequence();
        vm.assertEq(inbox.lapseCount(), 0);
        // Still when it stood still for a part only: blocks for 20 of 35 s.
        pass(20);
        vm.warp(_start + 3645);
        selfSequence();
        vm.assertEq(inbox.lapseCount(), 0);
        // And a lapse in which L1 stood still for 20 s counts 20 s less for each term.
        pass(36);
        vm.warp(_start + 3701);
        selfSequence();
        vm.assertEq(inbox.lapseCount(), 1);
        vm.assertEq(inbox.lapse(0).missed, 20);
    }

    function test_a_batch_in_time_ends_the_wait() external {
        _at(29);
        succeed(honest(1));
        _at(58);
        succeed(honest(1));
        vm.assertEq(inbox.lapseCount(), 0);
        _at(105);
        _innocent(1, 1);
    }

    function test_a_term_that_has_just_begun_is_not_charged() external {
        _at(20);
        succeed(honest(1));
        _at(45);
        succeed(honest(1));
        _at(89);
        selfSequence();
        vm.assertEq(inbox.lapse(0).from, _start + 60);
        // The lapse is from the boundary on, in the overlap of the term that began there.
        _at(135);
        _innocent(1, 1);
        _innocent(2, 1);
    }

    function test_a_wait_that_begins_as_a_term_ends_is_attended_to_in_the_next() external {
        _at(24);
        inbox.poke();
        for (uint64 time = 25; time < 55; time += 10) {
            _at(time);
            Post memory post = honest(1);
            post.statement.messageCount = 0;
            post.statement.messageAcc = 0;
            certify(post);
            succeed(post);
        }
        // Due at 54; but the last batch came at 45, so that is half of `maxGap` later.
        vm.assertEq(inbox.waitingSince(), _start + 54);
        _at(64);
        _attend(honest(1), 1);
        vm.assertTrue(idle.attended(3, 2, 2));
        _at(69);
        selfSequence();
        vm.assertEq(inbox.lapse(0).from, _start + 54);
        _at(105);
        vm.assertEq(idle.idleSeconds(1, 1), 6);
        vm.assertEq(_fine(1, 1), CAP * 6 / 60);
        _innocent(1, 2);
    }

    function test_who_attends_in_the_next_term_had_time_before() external {
        _at(14);
        inbox.poke();
        for (uint64 time = 15; time < 45; time += 10) {
            _at(time);
            Post memory post = honest(1);
            post.statement.messageCount = 0;
            post.statement.messageAcc = 0;
            certify(post);
            succeed(post);
        }
        // Due at 44, 16 s before the end.
        _at(60);
        _attend(honest(1), 1);
        _at(61);
        selfSequence();
        vm.assertEq(inbox.lapse(0).from, _start + 44);
        _at(106);
        vm.assertEq(_fine(1, 2), CAP * 16 / 60);
    }

    function test_who_joins_in_the_middle_is_not_on_duty_before() external {
        uint64 seat = register(4);
        _at(110);
        registry.sealCommittee();
        _refused(_evidence(1, seat), abi.encodeWithSelector(IIdle.NotOnDuty.selector, seat, 1));
        vm.assertEq(_fine(1, 1), CAP / 2);
        _at(225);
        _refused(_evidence(2, seat), abi.encodeWithSelector(IIdle.NotOnDuty.selector, seat, 2));
        vm.assertEq(_fine(3, seat), CAP / 2);
    }

    function test_who_is_frozen_pays_for_worse() external {
        _at(50);
        report(offence(0, 1));
        _at(106);
        _refused(_evidence(1, 1), abi.encodeWithSelector(IIdle.NotOnDuty.selector, 1, 1));
        vm.assertEq(_fine(1, 2), CAP / 2);
    }

    function test_a_message_of_the_reporter_changes_nothing() external {
        _at(40);
        inbox.poke();
        sendLarge();
        uint256 before = idle.idleSeconds(1, 1);
        selfSequence();
        vm.assertEq(idle.idleSeconds(1, 1), before);
        vm.assertEq(before, 10);
    }

    function test_seats_that_work_off_what_others_left_are_not_charged() external {
        // 24 large messages are 12 blocks' share. They lapse, and a term begins.
        for (uint256 i; i < 24; ++i) {
            sendLarge();
        }
        _at(46);
        selfSequence();
        ClaimPreimage memory genesis = head;
        head = claimAfter(genesis, "self");
        bond(head, genesis);
        vm.assertEq(inbox.lapseCount(), 1);
        for (uint64 i; i < 10; ++i) {
            pass(2);
            Post memory post = honest(1);
            post.statement.messageCount = 4 + 2 * i;
            post.statement.messageAcc = inbox.accumulator(4 + 2 * i);
            certify(post);
            succeed(post);
        }
        vm.assertEq(inbox.consumedMessages(), 22);
        vm.assertEq(inbox.lapseCount(), 1);
    }

    // Evidence and attendance

    function test_evidence_has_one_form() external {
        _at(110);
        bytes memory malformed = abi.encodeWithSelector(IIdle.EvidenceMalformed.selector);
        _refused("", malformed);
        _refused(bytes.concat(_evidence(1, 1), hex"00"), malformed);
        _refused(abi.encode(uint256(1) << 64 | 1, 1), malformed);
        _refused(abi.encode(1, uint256(1) << 64 | 1), malformed);
        _refused(_evidence(1, 0), abi.encodeWithSelector(IIdle.NotOnDuty.selector, 0, 1));
        _refused(_evidence(1, 9), abi.encodeWithSelector(IIdle.NotOnDuty.selector, 9, 1));
        _refused(_evidence(2, 1), abi.encodeWithSelector(IIdle.TermNotOver.selector, 2, _start + 165));
        _refused(_evidence(0, 1), abi.encodeWithSelector(ISequencerRegistry.UnknownTerm.selector, 0));
        _at(140);
        _refused(_evidence(1, 1), abi.encodeWithSelector(ISlasher.TermTooOld.selector, 1, _start + 140));
    }

    function test_only_what_could_be_posted_counts_as_attendance() external {
        _at(14);
        Post memory post = honest(3);
        bytes memory signature = _signed(post, 1);
        vm.expectRevert(abi.encodeWithSelector(IIdle.NothingToAttendTo.selector, _start + 15));
        idle.attend(post.statement, ancestry(head), post.leftSiblings, 1, signature, post.data);
        _at(20);
        vm.expectRevert(abi.encodeWithSelector(IIdle.SignatureInvalid.selector, 2));
        idle.attend(post.statement, ancestry(head), post.leftSiblings, 2, signature, post.data);
        vm.expectRevert(abi.encodeWithSelector(IIdle.SignatureInvalid.selector, 4));
        idle.attend(post.statement, ancestry(head), post.leftSiblings, 4, signature, post.data);
        vm.expectPartialRevert(IInbox.WrongData.selector);
        idle.attend(post.statement, ancestry(head), post.leftSiblings, 1, signature, hex"00");
        post.statement.term = 2;
        signature = _signed(post, 1);
        vm.expectRevert(abi.encodeWithSelector(IIdle.NotTheCurrentTerm.selector, 2, 1));
        idle.attend(post.statement, ancestry(head), post.leftSiblings, 1, signature, post.data);
        post = honest(3);
        post.statement.inboxTip = "other";
        signature = _signed(post, 1);
        vm.expectPartialRevert(IInbox.WrongInboxTip.selector);
        idle.attend(post.statement, ancestry(head), post.leftSiblings, 1, signature, post.data);
        post = honest(3);
        signature = _signed(post, 1);
        idle.attend(post.statement, ancestry(head), post.leftSiblings, 1, signature, post.data);
        vm.expectRevert(abi.encodeWithSelector(IIdle.AttendedBefore.selector, 2));
        idle.attend(post.statement, ancestry(head), post.leftSiblings, 1, signature, post.data);
    }

    function test_attendance_leaves_out_no_message_that_is_due() external {
        inbox.poke();
        _at(31);
        Post memory post = honest(1);
        post.statement.messageCount = 0;
        post.statement.messageAcc = 0;
        post.statement.lastBlockTime = _start + 20;
        bytes memory signature = _signed(post, 1);
        vm.expectRevert(abi.encodeWithSelector(IInbox.DueMessageSkipped.selector, 0, _start + 30));
        idle.attend(post.statement, ancestry(head), post.leftSiblings, 1, signature, post.data);
        _attend(honest(1), 1);
    }

    function _signed(Post memory post, uint256 place) private view returns (bytes memory) {
        return sign(keyOf(place), post.statement.hash());
    }

    // Gas

    /// forge-config: default.isolate = true
    function test_a_report_against_one_of_64_is_bounded() external {
        _deploy(64);
        _at(110);
        _fine(1, 1);
        vm.assertLt(vm.snapshotGasLastCall("idle, the 1st of 64 seats"), 300_000, "first");
        _fine(1, 64);
        vm.assertLt(vm.snapshotGasLastCall("idle, the 2nd of 64 seats"), 300_000, "second");
    }
}
