// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISequencerRegistry, Member} from "../src/bonding/ISequencerRegistry.sol";
import {Messages} from "../src/lib/Messages.sol";
import {Batch} from "../src/lib/Messages.sol";
import {Post} from "./lib/Fixture.sol";
import {Offences} from "./lib/Offences.sol";

/// @notice When frozen seats leave, and what the committees are without them.
contract FreezingTest is Offences {
    using Messages for Batch;

    uint64 private _opened;

    function _open(uint256 seats) private {
        withoutData = true;
        deploy(seats);
        _opened = uint64(block.timestamp);
        pass(5);
    }

    function _ids(uint64 term) private view returns (uint64[] memory ids) {
        Member[] memory members = registry.committee(term);
        ids = new uint64[](members.length);
        for (uint256 i; i < ids.length; ++i) {
            ids[i] = members[i].seat;
        }
    }

    /// The committee that a post of this term is checked against, which is the one that everybody reads.
    function _posting(uint64 term) private returns (uint256 members) {
        bytes memory code = registry.postingCommittee(term).code;
        Member[] memory read = registry.committee(term);
        members = (code.length - 1) / 60;
        vm.assertEq(members, read.length);
        vm.assertEq(registry.committeeSize(term), members);
        bytes memory expected = hex"00";
        for (uint256 i; i < members; ++i) {
            expected = bytes.concat(expected, bytes20(read[i].voteKey));
        }
        for (uint256 i; i < members; ++i) {
            expected = bytes.concat(expected, bytes8(read[i].seat));
        }
        for (uint256 i; i < members; ++i) {
            expected = bytes.concat(expected, read[i].peerKey);
        }
        vm.assertEq(code, expected);
    }

    /// The next batch, signed by all members of a term's committee.
    function _batch(uint64 term) private returns (Post memory post) {
        post = honest(10);
        post.statement.term = term;
        Member[] memory members = registry.committee(term);
        post.signers = uint64((1 << members.length) - 1);
        post.signatures = "";
        for (uint256 i; i < members.length; ++i) {
            post.signatures = bytes.concat(post.signatures, sign(keyOf(members[i].seat - 1), post.statement.hash()));
        }
    }

    function test_a_frozen_seat_serves_its_term_and_leaves_at_the_next() external {
        _open(7);
        vm.expectEmit(true, false, false, true, address(registry));
        emit ISequencerRegistry.SeatFrozen(3, uint64(block.timestamp), uint64(block.timestamp) + 8);
        report(offence(2, 1));
        vm.assertEq(registry.freezeDelay(), 8);
        vm.assertEq(_posting(1), 7);
        vm.assertEq(_ids(2).length, 6);
        succeed(_batch(1));
        vm.warp(_opened + parameters.epochLength);
        vm.assertEq(_posting(2), 6);
        uint64[] memory ids = _ids(2);
        vm.assertEq(ids[1], 2);
        vm.assertEq(ids[2], 4);
        // The committee before still posts within the overlap, with the frozen seat.
        vm.assertEq(_posting(1), 7);
        succeed(_batch(2));
        vm.warp(_opened + 2 * parameters.epochLength);
        vm.assertEq(_posting(3), 6);
        // From here on it is sealed without the seat.
        vm.warp(_opened + 4 * parameters.epochLength);
        vm.assertEq(_posting(5), 6);
        vm.assertEq((registry.committeeOf(5).code.length - 1) / 60, 6);
        vm.assertEq(registry.liveSeats().length, 6);
    }

    function test_a_seat_frozen_shortly_before_a_term_serves_it() external {
        _open(7);
        vm.warp(_opened + parameters.epochLength - 7);
        report(offence(2, 1));
        vm.warp(_opened + parameters.epochLength);
        vm.assertEq(_posting(2), 7);
        vm.assertEq(_ids(3).length, 6);
        vm.warp(_opened + 2 * parameters.epochLength);
        vm.assertEq(_posting(3), 6);
        _open(7);
        vm.warp(_opened + parameters.epochLength - 8);
        report(offence(2, 1));
        vm.assertEq(_ids(2).length, 6);
    }

    function test_a_third_frozen_starts_a_term_without_them() external {
        _open(7);
        report(offence(0, 1));
        report(offence(1, 1));
        vm.assertEq(registry.currentTerm(), 1);
        Post memory old = _batch(1);
        vm.expectEmit(true, false, false, true, address(registry));
        emit ISequencerRegistry.TermStarted(2, uint64(block.timestamp));
        report(offence(6, 1));
        vm.assertEq(registry.currentTerm(), 2);
        vm.assertEq(registry.termStart(2), block.timestamp);
        bytes memory cut = abi.encodeWithSelector(ISequencerRegistry.TermCutShort.selector, 1, 2);
        vm.expectRevert(cut);
        registry.postingCommittee(1);
        // Also what was signed before.
        vm.expectRevert(cut);
        send(old);
        vm.assertEq(_posting(2), 4);
        vm.assertEq(_ids(2)[0], 3);
        vm.assertEq(_ids(2)[3], 6);
        succeed(_batch(2));
        // It stays so at the boundary, and the term of the cut posts within the overlap.
        vm.warp(_opened + parameters.epochLength);
        vm.assertEq(_posting(3), 4);
        vm.assertEq(_posting(2), 4);
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.TermMayNotPost.selector, 1, 3));
        registry.postingCommittee(1);
    }

    function test_who_was_left_out_by_a_cut_stays_out_at_the_boundary() external {
        _open(7);
        vm.warp(_opened + parameters.epochLength - 1);
        for (uint256 place; place < 3; ++place) {
            report(offence(place, 1));
        }
        vm.assertEq(_posting(2), 4);
        vm.warp(_opened + parameters.epochLength);
        vm.assertEq(registry.currentTerm(), 3);
        vm.assertEq(_posting(3), 4);
        vm.warp(_opened + 2 * parameters.epochLength);
        vm.assertEq(_posting(4), 4);
    }

    function test_a_seat_frozen_in_the_block_of_a_cut_serves_the_term_that_began() external {
        _open(10);
        for (uint256 place; place < 4; ++place) {
            report(offence(place, 1));
        }
        vm.assertEq(registry.currentTerm(), 2);
        // A post in the same block, then one more report.
        vm.assertEq(_posting(2), 6);
        report(offence(4, 1));
        vm.assertEq(registry.seat(5).frozenAt, block.timestamp + 1);
        vm.assertEq(_posting(2), 6);
        // And a second cut in the same block: two of six.
        report(offence(5, 1));
        vm.assertEq(registry.currentTerm(), 3);
        vm.assertEq(_posting(3), 4);
        vm.assertEq(registry.committee(2).length, 6);
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.TermCutShort.selector, 2, 3));
        registry.postingCommittee(2);
    }

    function test_four_seats_go_on_as_three() external {
        _open(4);
        report(offence(1, 1));
        vm.assertEq(registry.currentTerm(), 1);
        pass(parameters.epochLength);
        vm.assertEq(_posting(2), 3);
        succeed(_batch(2));
        // All of three are more than two thirds; two are not.
        Post memory post = _batch(2);
        post.signers = 3;
        bytes memory two = post.signatures;
        assembly ("memory-safe") {
            mstore(two, 128)
        }
        vm.expectPartialRevert(bytes4(keccak256("NoQuorum(uint256,uint256)")));
        send(post);
        pass(10 * parameters.epochLength);
        vm.assertEq(_posting(registry.currentTerm()), 3);
        succeed(_batch(registry.currentTerm()));
    }

    function test_when_all_are_frozen_nobody_posts_and_reports_still_work() external {
        _open(4);
        for (uint256 place; place < 4; ++place) {
            report(offence(place, 1));
        }
        // Two of four, one of two, one of one.
        vm.assertEq(registry.currentTerm(), 4);
        vm.assertEq(_posting(4), 0);
        vm.assertEq(registry.liveSeats().length, 0);
        Post memory post = _batch(4);
        vm.expectPartialRevert(bytes4(keccak256("NoQuorum(uint256,uint256)")));
        send(post);
    }

    function test_a_leaving_seat_counts_while_it_serves() external {
        _open(7);
        for (uint64 id = 1; id < 4; ++id) {
            vm.prank(OWNER);
            registry.requestExit(id);
        }
        for (uint256 place; place < 3; ++place) {
            report(offence(place, 1));
        }
        vm.assertEq(registry.currentTerm(), 2);
        vm.assertEq(_posting(2), 4);
    }

    function test_a_seat_that_serves_no_more_starts_no_term() external {
        _open(7);
        for (uint64 id = 1; id < 4; ++id) {
            vm.prank(OWNER);
            registry.requestExit(id);
        }
        vm.warp(_opened + 2 * parameters.epochLength);
        registry.sealCommittee();
        for (uint256 place; place < 3; ++place) {
            report(offence(place, 2));
        }
        vm.assertEq(registry.currentTerm(), 3);
        vm.assertEq(_posting(3), 4);
    }

    function test_nobody_waits_for_a_committee_to_be_written() external {
        _open(7);
        register(7);
        // Nobody posts for many epochs: the committee of now is fixed but not written.
        pass(5 * parameters.epochLength);
        uint64 term = registry.currentTerm();
        vm.assertEq(registry.committeeSize(term), 8);
        report(offence(7, term));
        vm.assertEq(_posting(term), 8);
        report(offence(0, term));
        report(offence(1, term));
        vm.assertEq(registry.currentTerm(), term + 1);
        vm.assertEq(_posting(term + 1), 5);
    }

    function test_a_committee_sealed_late_knows_who_was_frozen_since() external {
        _open(7);
        register(7);
        // Epoch 1: the committee of epoch 2 is fixed with eight seats, and written after two of them were frozen.
        pass(parameters.epochLength);
        report(offence(0, 2));
        report(offence(7, 2));
        registry.sealCommittee();
        vm.assertEq((registry.committeeOf(3).code.length - 1) / 60, 8);
        vm.assertEq(registry.committee(3).length, 6);
        pass(parameters.epochLength);
        vm.assertEq(_posting(3), 6);
    }

    function test_the_next_committee_on_record_is_marked_as_well() external {
        _open(7);
        register(7);
        pass(parameters.epochLength);
        registry.sealCommittee();
        vm.assertEq(registry.committee(3).length, 8);
        report(offence(0, 2));
        vm.assertEq(registry.committee(3).length, 7);
        vm.assertEq(registry.committee(2).length, 7);
        pass(parameters.epochLength);
        vm.assertEq(_posting(3), 7);
    }

    function test_a_frozen_seat_can_only_leave() external {
        _open(7);
        report(offence(2, 1));
        bytes memory frozen = abi.encodeWithSelector(ISequencerRegistry.SeatIsFrozen.selector, 3);
        vm.deal(address(this), 10 ether);
        vm.expectRevert(frozen);
        registry.topUp{value: 1}(3);
        bytes memory proof = prove(OWNER, keyOf(1000), peerKeyOf(1000));
        address key = vm.addr(keyOf(1000));
        vm.startPrank(OWNER);
        vm.expectRevert(frozen);
        registry.rotateKeys(3, key, peerKeyOf(1000), proof);
        registry.requestExit(3);
        uint64 free = registry.seat(3).withdrawableAt;
        vm.assertEq(free, _opened + 2 * parameters.epochLength + parameters.unbonding);
        vm.warp(free - 1);
        vm.expectRevert(abi.encodeWithSelector(ISequencerRegistry.StillUnbonding.selector, 3, free));
        registry.withdraw(3, payable(OWNER));
        vm.warp(free);
        registry.withdraw(3, payable(OWNER));
        vm.assertEq(OWNER.balance, 30.4 ether);
        vm.stopPrank();
    }

    function test_the_place_of_a_frozen_seat_is_free() external {
        _open(64);
        report(offence(10, 1));
        report(offence(20, 1));
        vm.assertEq(register(64), 65);
        vm.assertEq(register(65), 66);
        uint64[] memory live = registry.liveSeats();
        vm.assertEq(live.length, 64);
        vm.assertEq(live[10], 12);
        bytes memory proof = prove(OWNER, keyOf(66), peerKeyOf(66));
        address key = vm.addr(keyOf(66));
        vm.deal(address(this), 100 ether);
        vm.expectRevert(ISequencerRegistry.TooManySeats.selector);
        registry.register{value: 32 ether}(OWNER, key, peerKeyOf(66), proof);
        // The frozen ones can still leave.
        vm.prank(OWNER);
        registry.requestExit(11);
        vm.assertEq(registry.liveSeats().length, 64);
        pass(2 * parameters.epochLength);
        vm.assertEq(_posting(3), 64);
    }

    function test_terms_that_start_in_an_interval() external {
        _open(7);
        vm.warp(_opened + 70);
        // Terms 1 and 2 at 0 and 60; three freezes begin term 3 at 70; term 4 at 120.
        for (uint256 place; place < 3; ++place) {
            report(offence(place, 2));
        }
        vm.warp(_opened + 130);
        _interval(0, 0, 1, 0);
        _interval(0, _opened, 1, 1);
        _interval(_opened, _opened + 60, 1, 2);
        _interval(_opened + 1, _opened + 60, 2, 2);
        _interval(_opened + 61, _opened + 70, 3, 3);
        _interval(_opened + 60, _opened + 119, 2, 3);
        _interval(_opened + 71, _opened + 119, 4, 3);
        // What is in the future has not started.
        _interval(_opened + 71, _opened + 1000, 4, 4);
    }

    function _interval(uint64 from, uint64 to, uint64 first, uint64 last_) private view {
        (uint64 a, uint64 b) = registry.termsStartingIn(from, to);
        vm.assertEq(a, first);
        vm.assertEq(b, last_);
    }

    /// Whatever happens when: each term's committee is the sealed one without the seats that are out of it, it does not change
    /// from `freezeDelay` before its start on (but by a cut), and posts are checked against it.
    function testFuzz_everybody_reads_the_committee_that_posts_are_checked_against(uint256[12] memory steps) external {
        _open(16);
        uint256 frozen;
        for (uint256 i; i < steps.length; ++i) {
            pass(1 + steps[i] % 40);
            uint64 term = registry.currentTerm();
            if (steps[i] >> 8 & 3 != 0 && frozen < 12) {
                report(offence(frozen++, term));
                term = registry.currentTerm();
            } else if (steps[i] >> 8 & 4 != 0) {
                register(16 + i);
            }
            uint256 members = _posting(term);
            vm.assertTrue(members >= 1 && members <= 28, "members");
            uint64 start = registry.termStart(term + 1);
            if (block.timestamp + registry.freezeDelay() >= start) {
                uint64[] memory before = _ids(term + 1);
                vm.warp(start);
                vm.assertEq(keccak256(abi.encode(_ids(term + 1))), keccak256(abi.encode(before)));
            }
        }
    }
}
