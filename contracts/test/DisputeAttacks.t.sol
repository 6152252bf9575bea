// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Claim, Contest, IDispute, Match} from "../src/dispute/IDispute.sol";
import {IParties} from "../src/dispute/IParties.sol";
import {Selection} from "../src/dispute/Openings.sol";
import {DisputeGame} from "./lib/DisputeGame.sol";
import {PaddedTree, Tree} from "./lib/PaddedTree.sol";

/// @notice What adversaries may think of, move by move, against the honest party of `DisputeGame`.
contract DisputeAttacksTest is DisputeGame {
    using PaddedTree for Tree;

    address private constant LIAR = address(0x2222);
    address private constant ACCOMPLICE = address(0x3333);
    uint256 private constant DELAY = 12 hours;

    function setUp() external {
        begin();
        join(HONEST);
        join(LIAR);
        join(ACCOMPLICE);
    }

    /// The signers' right claim, and a rival a minute later.
    function _signed() private returns (bytes32 right, bytes32 wrong) {
        right = enter(SIGNED, rightBlocks, address(0));
        rightOf[SIGNED] = right;
        wait(60);
        wrong = enter(SIGNED, otherBlocks("wrong", "next"), LIAR);
    }

    /// All moves of a match at once; the contest's id.
    function _divide(bytes32 first, bytes32 second) private returns (bytes32) {
        while (play(first, second, LIAR, 0)) {}
        vm.assertTrue(dispute.matchOf(first, second).divided);
        return dispute.matchId(first, second);
    }

    /// A claim for a side of a contest that lies from a place on.
    function _lie(bytes32 contestId, uint8 side, uint256 place, address party) private returns (bytes32) {
        (Tree memory right,) = rightStates(contestId);
        Tree memory t = right.lie(place, keccak256(abi.encode(place, party)), dispute.contest(contestId).ends[side]);
        return make(contestId, side, t, party, "", 0);
    }

    function _copy(bytes32 contestId, uint8 side, address party) private returns (bytes32) {
        (Tree memory right,) = rightStates(contestId);
        return make(contestId, side, right, party, "", 0);
    }

    /// The honest party won, and takes its bond home, with at least that.
    function _won() private {
        vm.assertTrue(decided(SIGNED) && decided(UNSIGNED), "decided");
        vm.assertEq(dispute.party(HONEST).fellAt, 0);
        for (uint256 i; i < claimIds.length; ++i) {
            Claim memory c = dispute.claim(claimIds[i]);
            vm.assertFalse(c.fallen && c.party == HONEST);
            if (c.level == 0 && !c.fallen) rivals.close(claimIds[i]);
        }
        vm.assertFalse(dispute.claim(rightOf[SIGNED]).fallen);
        for (uint256 i; i < claimIds.length; ++i) {
            if (dispute.claim(claimIds[i]).party == HONEST) dispute.release(claimIds[i]);
        }
        vm.prank(HONEST);
        dispute.withdrawBond(payable(HONEST));
        vm.assertEq(HONEST.balance, bond);
    }

    function test_two_liars_play_each_other_and_lose() external {
        (, bytes32 one) = _signed();
        bytes32 other = enter(SIGNED, otherBlocks("wrong", "other next"), ACCOMPLICE);
        (bytes32 first, bytes32 second) = ordered(one, other);
        bytes32 contestId = _divide(first, second);
        _lie(contestId, 0, 0, LIAR);
        _lie(contestId, 1, 0, ACCOMPLICE);
        runOut(DELAY);
        _won();
    }

    function test_an_accomplice_takes_the_reward_and_the_honest_party_loses_nothing() external {
        (bytes32 right, bytes32 wrong) = _signed();
        honestTurn();
        bytes32 contestId = _divide(right, wrong);
        bytes32 b = _lie(contestId, 1, 0, LIAR);
        bytes32 copy = _copy(contestId, 0, ACCOMPLICE);
        honestTurn();
        bytes32 below = _divide(copy, b);
        bytes32 steps_ = _copy(below, 0, ACCOMPLICE);
        bytes32 lie = _lie(below, 1, 7, LIAR);
        _divide(steps_, lie);
        step_(steps_, lie, witnessOf(steps_, lie), ACCOMPLICE);
        vm.assertEq(dispute.rewardOf(ACCOMPLICE), bond / 4);
        vm.assertTrue(dispute.claim(lie).fallen, "the liar fell");
        wait(dispute.adoptionPeriod());
        honestTurn();
        vm.assertTrue(dispute.claim(wrong).fallen, "with its party");
        bytes32 id = dispute.matchId(right, wrong);
        uint256 owed = dispute.spent(id, LIAR, HONEST);
        vm.prank(HONEST);
        vm.assertEq(dispute.refund(id, LIAR), owed);
        vm.deal(HONEST, 0);
        _won();
    }

    /// A copy of the right claim is another's, and falls with its party; the honest one is not held to a match with it.
    function test_a_copy_of_the_right_claim_is_lost_on_purpose() external {
        bytes32 mine = enter(UNSIGNED, rightBlocks, HONEST);
        rightOf[UNSIGNED] = mine;
        wait(60);
        bytes32 copy = enter(UNSIGNED, rightBlocks, ACCOMPLICE);
        (bytes32 right, bytes32 wrong) = _signed();
        bytes32 contestId = _divide(right, wrong);
        honestTurn();
        bytes32 b = _lie(contestId, 1, 0, LIAR);
        bytes32 a = _lie(contestId, 0, 0, ACCOMPLICE);
        _divide(a, b);
        wait(clock - 120);
        honestTurn();
        wait(1 days);
        honestTurn();
        expire(mine, copy);
        vm.assertFalse(dispute.claim(mine).fallen);
        runOut(DELAY);
        _won();
    }

    /// Whose party falls later does not take along what is final.
    function test_a_final_claim_does_not_fall_with_its_party() external {
        bytes32 copy = enter(UNSIGNED, rightBlocks, LIAR);
        rivals.close(copy);
        dispute.release(copy);
        (bytes32 right, bytes32 wrong) = _signed();
        honestTurn();
        wait(clock + 1);
        expire(right, wrong);
        vm.assertTrue(dispute.claim(wrong).fallen, "fell");
        wait(dispute.adoptionPeriod());
        vm.expectPartialRevert(IDispute.Decided.selector);
        dispute.fallWithParty(copy);
    }

    function test_a_flood_of_one_party_falls_together() external {
        (bytes32 right, bytes32 wrong) = _signed();
        join(address(0x4444));
        bytes32 other = enter(SIGNED, otherBlocks("other", "next"), address(0x4444));
        bytes32[2] memory contests_ = [_divide(right, wrong), _divide(right, other)];
        _lie(contests_[0], 1, 3, ACCOMPLICE);
        bytes32 last = _lie(contests_[1], 1, 5, ACCOMPLICE);
        vm.assertEq(_lie(contests_[1], 1, 6, ACCOMPLICE), bytes32(0));
        honestTurn();
        // It answers all; the first that is played to its end decides for all.
        bytes32 mine = dispute.claimIdOf(contests_[1], 0, HONEST);
        bytes32 below = _divide(mine, last);
        honestTurn();
        wait(dispute.contest(below).since + clock - time);
        honestTurn();
        for (uint256 i; i < claimIds.length; ++i) {
            Claim memory c = dispute.claim(claimIds[i]);
            vm.assertEq(c.fallen, c.party != HONEST && c.party != address(0));
        }
        runOut(DELAY);
        _won();
    }

    /// Each claim of the wrong side in the last second that it has, and its moves in no time: the honest party waits for
    /// as long as it may.
    function test_the_last_second_of_each_level() external {
        (bytes32 right, bytes32 wrong) = _signed();
        uint256 from = time - 60;
        wait(DELAY);
        honestTurn();
        play(right, wrong, LIAR, 0);
        wait(DELAY);
        honestTurn();
        bytes32 contestId = dispute.matchId(right, wrong);
        Contest memory c = dispute.contest(contestId);
        wait(c.since + c.secondLeft - 1 - time);
        vm.assertEq(_lie(contestId, 1, 0, LIAR) != bytes32(0), true);
        bytes32 mine = dispute.claimIdOf(contestId, 0, HONEST);
        _lateMatch(mine, members[contestId][1]);
        contestId = dispute.matchId(mine, members[contestId][1]);
        c = dispute.contest(contestId);
        vm.assertEq(c.secondLeft, 1);
        bytes32 b = _lie(contestId, 1, 5, LIAR);
        wait(1);
        vm.assertEq(_lie(contestId, 1, 6, LIAR), bytes32(0));
        wait(DELAY);
        honestTurn();
        mine = dispute.claimIdOf(contestId, 0, HONEST);
        _lateMatch(mine, b);
        wait(DELAY);
        honestTurn();
        vm.assertTrue(dispute.claim(b).fallen, "by the step");
        _won();
        vm.assertLe(time, from + clock + 10 * DELAY, "time");
    }

    /// The wrong side thinks for days before each move, as long as it is let.
    function test_slow_moves_add_up_to_one_clock() external {
        (bytes32 right, bytes32 wrong) = _signed();
        uint256 until = time + clock + 10 * DELAY;
        bytes32 contestId = dispute.matchId(right, wrong);
        bytes32 mine = dispute.claimIdOf(contestId, 0, HONEST);
        bytes32 theirs;
        for (uint256 i; i < 60 && !decided(SIGNED); ++i) {
            honestTurn();
            wait(DELAY);
            // It moves every fifth day.
            if (i % 10 != 9) continue;
            play(right, wrong, LIAR, 0);
            if (theirs == 0 && dispute.contest(contestId).level != 0) theirs = _lie(contestId, 1, 0, LIAR);
            if (theirs != 0) play(mine, theirs, LIAR, 0);
        }
        vm.assertLe(time, until, "time");
        _won();
    }

    /// A match in which the wrong side has next to no time, and takes none.
    function _lateMatch(bytes32 mine, bytes32 theirs) private {
        for (uint256 i; i < 4; ++i) {
            if (dispute.matchOf(mine, theirs).turn == 0) {
                wait(DELAY);
                // The honest side's own time may be over for new claims: it has one.
                for (uint256 j; j < contestIds.length; ++j) {
                    fallSide(contestIds[j], 0);
                }
                honestTurn();
            } else {
                vm.assertTrue(play(mine, theirs, LIAR, 0), "in time");
            }
        }
        vm.assertTrue(dispute.matchOf(mine, theirs).divided, "divided");
    }

    /// A side says that a stretch ends in a state that is none: it may not then say the other side's states.
    function test_both_sides_of_a_contest_never_make_the_same_claim() external {
        (bytes32 right, bytes32 wrong) = _signed();
        bytes32 contestId = _divide(right, wrong);
        Contest memory c = dispute.contest(contestId);
        // As if the program ran on behind the first stretch, which ends in the sixth state.
        bytes32 a = make(contestId, 0, rightStretches.lie(0, states[5], c.ends[0]), ACCOMPLICE, "", 0);
        bytes32 b = make(contestId, 1, rightStretches.lie(0, 0, c.ends[1]), LIAR, "", 0);
        contestId = _divide(a, b);
        c = dispute.contest(contestId);
        vm.assertEq(c.ends[0], states[5]);
        vm.assertEq(c.ends[1], 0);
        bytes memory last = new bytes(321);
        for (uint256 i; i < 321; ++i) {
            last[i] = witnesses[5][i];
        }
        Tree memory t = rightSteps.lie(4, states[5], states[5]);
        vm.assertTrue(make(contestId, 0, t, ACCOMPLICE, "", 0) != 0, "the right one");
        vm.assertEq(make(contestId, 1, t, LIAR, last, 0), bytes32(0), "the same");
        vm.assertTrue(make(contestId, 1, rightSteps.lie(4, states[5], 0), LIAR, "", 0) != 0, "one that nobody can hold");
    }

    /// The call of the first move.
    function _firstMove(bytes32 right, bytes32 wrong) private view returns (bytes memory) {
        Match memory m = dispute.matchOf(right, wrong);
        Selection memory s = PaddedTree.select(rightBlocks, trees[wrong], m.height, m.index);
        return abi.encodeCall(dispute.move, (right, wrong, s, rightBlocks.children(10, s.child)));
    }

    function test_a_move_counts_once_whoever_sends_it() external {
        (bytes32 right, bytes32 wrong) = _signed();
        bytes memory call_ = _firstMove(right, wrong);
        vm.prank(ACCOMPLICE);
        (bool ok,) = address(dispute).call(call_);
        vm.assertTrue(ok);
        bytes32 id = dispute.matchId(right, wrong);
        uint256 owed = dispute.spent(id, LIAR, ACCOMPLICE);
        vm.prank(HONEST);
        (ok,) = address(dispute).call(call_);
        vm.assertFalse(ok);
        vm.assertEq(dispute.spent(id, LIAR, HONEST), 0);
        vm.assertEq(dispute.spent(id, LIAR, ACCOMPLICE), owed);
        vm.assertEq(dispute.matchOf(right, wrong).turn, 1);
    }

    /// Call data from a contract costs next to nothing: what is noted does not grow with it.
    function test_padded_call_data_is_not_paid_for() external {
        (bytes32 right, bytes32 wrong) = _signed();
        bytes memory call_ = _firstMove(right, wrong);
        vm.prank(ACCOMPLICE);
        (bool ok,) = address(dispute).call(bytes.concat(call_, new bytes(100_000)));
        vm.assertTrue(ok);
        vm.assertLt(dispute.spent(dispute.matchId(right, wrong), LIAR, ACCOMPLICE), 300_000 * 2 gwei, "padded");
    }

    /// More is asked for than is kept: who comes later gets what is left, and nobody anything twice.
    function test_refunds_end_where_the_kept_half_does() external {
        (bytes32 right, bytes32 wrong) = _signed();
        vm.fee(2_000 gwei);
        vm.txGasPrice(2_000 gwei);
        play(right, wrong, HONEST, 0);
        play(right, wrong, ACCOMPLICE, 0);
        play(right, wrong, HONEST, 0);
        bytes32 id = dispute.matchId(right, wrong);
        (Tree memory t,) = rightStates(id);
        make(id, 0, t, HONEST, "", 0);
        vm.prank(ACCOMPLICE);
        vm.expectPartialRevert(IParties.PartyStands.selector);
        dispute.refund(id, LIAR);
        wait(clock + 1);
        honestTurn();
        vm.assertTrue(dispute.claim(wrong).fallen, "fell");
        vm.assertGt(dispute.spent(id, LIAR, HONEST), bond / 2, "more than is kept");
        vm.prank(HONEST);
        vm.assertEq(dispute.refund(id, LIAR), bond / 2);
        vm.prank(HONEST);
        vm.expectPartialRevert(IParties.NothingToPay.selector);
        dispute.refund(id, LIAR);
        wait(clock);
        dispute.burnRest(LIAR);
        vm.expectPartialRevert(IParties.NothingToPay.selector);
        dispute.burnRest(LIAR);
        vm.assertEq(dispute.BURN_ADDRESS().balance + dispute.rewardOf(address(0)), bond / 2);
        vm.prank(LIAR);
        vm.expectPartialRevert(IParties.PartyHasFallen.selector);
        dispute.withdrawBond(payable(LIAR));
        vm.assertFalse(join(LIAR));
        vm.deal(HONEST, 0);
        _won();
        vm.prank(HONEST);
        vm.expectPartialRevert(IParties.NoParty.selector);
        dispute.withdrawBond(payable(HONEST));
        vm.assertTrue(join(HONEST));
    }

    /// The claim that a dispute began with is the first of its second; those that came against it are ordered by their ids.
    function test_claims_of_one_second_in_both_orders() external {
        rightOf[SIGNED] = enter(SIGNED, rightBlocks, address(0));
        bytes32 begun = enter(UNSIGNED, otherBlocks("begun", "next"), LIAR);
        bytes32 right = enter(UNSIGNED, rightBlocks, HONEST);
        rightOf[UNSIGNED] = right;
        vm.assertEq(dispute.matchOf(begun, right).turn, 0);
        bool[2] memory seen;
        for (uint256 i; i < 4 || !(seen[0] && seen[1]) && i < 32; ++i) {
            bytes32 id = enter(UNSIGNED, otherBlocks(bytes32(i), "next"), i % 2 == 0 ? LIAR : ACCOMPLICE);
            seen[id < right ? 0 : 1] = true;
        }
        vm.assertTrue(seen[0] && seen[1], "orders");
        // In the contests, too, all is claimed in one second.
        for (uint256 i; i < 5; ++i) {
            if (members[UNSIGNED][i] == right) continue;
            (bytes32 first, bytes32 second) = ordered(right, members[UNSIGNED][i]);
            bytes32 id = _divide(first, second);
            if (dispute.contest(id).ends[first == right ? 1 : 0] == 0) continue;
            _lie(id, first == right ? 1 : 0, i, LIAR);
            _lie(id, first == right ? 1 : 0, 0, ACCOMPLICE);
        }
        runOut(DELAY);
        _won();
    }
}
