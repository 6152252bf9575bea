// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Contest, IDispute, Match} from "../src/dispute/IDispute.sol";
import {IParties} from "../src/dispute/IParties.sol";
import {Openings, Selection} from "../src/dispute/Openings.sol";
import {Disputed} from "./lib/Disputed.sol";
import {PaddedTree, Tree} from "./lib/PaddedTree.sol";

/// @notice The rules of disputes, one by one, and whole games to the last step.
contract DisputeTest is Disputed {
    using PaddedTree for Tree;

    // What must be

    function _falls(bytes32 id, bool expected) private view {
        vm.assertEq(dispute.claim(id).fallen, expected);
    }

    function _partyFell(address who, bool expected) private view {
        vm.assertEq(dispute.party(who).fellAt != 0, expected);
    }

    function test_the_first_state_is_the_machines() external view {
        vm.assertEq(dispute.startState(inputHash), states[0]);
    }

    function test_a_contest_says_what_both_sides_agree_on() external {
        bytes32 contestId = play(RIGHT, WRONG, rightBlocks, begin());
        Contest memory c = dispute.contest(contestId);
        vm.assertEq(c.start, states[0]);
        vm.assertEq(c.ends[0], states[states.length - 1]);
        bytes32 says = sha256(abi.encodePacked(inputHash, WRONG_BLOCK));
        vm.assertEq(c.ends[1], riscv.haltedHash(0, says));
        vm.assertEq(dispute.matchOf(RIGHT, WRONG).index, BLOCK);
    }

    /// A step in the middle of the first stretch.
    function test_a_wrong_claim_falls_by_a_step() external {
        (bytes32 b, bytes32 right, bytes32 wrong, Tree memory steps) = stepClaims(17);
        play(right, wrong, rightSteps, steps);
        vm.assertEq(dispute.matchOf(right, wrong).index, 17);
        vm.prank(HONEST);
        dispute.step(right, wrong, witnesses[17]);
        _afterTheStep(right, wrong, b);
    }

    function _afterTheStep(bytes32 right, bytes32 wrong, bytes32 b) private {
        _falls(right, false);
        _falls(wrong, true);
        _partyFell(HONEST, false);
        _partyFell(LIAR, true);
        // The liar's other claims fall with it; that about the batch, unless somebody adopts it.
        vm.assertFalse(dispute.counts(b));
        dispute.fallWithParty(b);
        vm.assertTrue(dispute.counts(WRONG));
        vm.warp(block.timestamp + dispute.adoptionPeriod() - 1);
        vm.expectPartialRevert(IDispute.NotFallenWithParty.selector);
        dispute.fallWithParty(WRONG);
        vm.warp(block.timestamp + 1);
        dispute.fallWithParty(WRONG);
        _falls(WRONG, true);
        vm.assertFalse(rivals.isOpen(WRONG));
        vm.assertTrue(rivals.isOpen(RIGHT));
        // What it cost comes back, then the reward; the rest burns.
        bytes32 id = dispute.matchId(right, wrong);
        uint256 spent = dispute.spent(id, LIAR, HONEST);
        vm.assertGt(spent, 0, "spent");
        bytes32 above = dispute.matchId(RIGHT, WRONG);
        vm.startPrank(HONEST);
        vm.assertEq(dispute.refund(id, LIAR), spent);
        vm.expectPartialRevert(IParties.NothingToPay.selector);
        dispute.refund(id, LIAR);
        spent += dispute.refund(above, LIAR);
        dispute.withdrawReward(payable(HONEST));
        vm.stopPrank();
        vm.assertEq(HONEST.balance, spent + bond / 4);
        vm.expectPartialRevert(IParties.RefundsOpen.selector);
        dispute.burnRest(LIAR);
        vm.warp(block.timestamp + clock);
        dispute.burnRest(LIAR);
        vm.assertEq(dispute.BURN_ADDRESS().balance, bond - bond / 4 - spent);
        vm.assertEq(address(dispute).balance, 3 * bond);
    }

    /// A stretch after the program's end: the state must stay as it is.
    function test_a_claim_that_goes_on_after_the_end_falls() external {
        (bytes32 a, bytes32 b, Tree memory lie) = stretchClaims(1_000);
        bytes32 contestId = play(a, b, rightStretches, lie);
        vm.assertEq(dispute.contest(contestId).start, states[states.length - 1]);
        Tree memory steps = PaddedTree.still(states[states.length - 1], 20);
        Tree memory wrongSteps = lieFrom(steps, 77, endOf(contestId, 1));
        bytes32 right = make(contestId, 0, steps, HONEST);
        bytes32 wrong = make(contestId, 1, wrongSteps, LIAR);
        play(right, wrong, steps, wrongSteps);
        dispute.step(right, wrong, abi.encodePacked(uint8(1), uint64(0), output));
        _falls(right, false);
        _falls(wrong, true);
    }

    function test_two_wrong_claims_of_steps_both_fall() external {
        (bytes32 a, bytes32 b, Tree memory lie) = stretchClaims(0);
        bytes32 contestId = play(a, b, rightStretches, lie);
        Tree memory one = rightSteps.lie(5, "one", endOf(contestId, 0));
        Tree memory other = lieFrom(rightSteps, 5, endOf(contestId, 1));
        bytes32 first = make(contestId, 0, one, ACCOMPLICE);
        bytes32 second = make(contestId, 1, other, OTHER);
        play(first, second, one, other);
        dispute.step(first, second, witnesses[5]);
        _falls(first, true);
        _falls(second, true);
        vm.assertEq(dispute.rewardOf(ACCOMPLICE) + dispute.rewardOf(OTHER), 0);
        // The right side stands: it can still make a claim, and the honest party stands.
        make(contestId, 0, rightSteps, HONEST);
    }

    // Clocks

    function test_who_does_not_answer_falls() external {
        begin();
        uint256 until = block.timestamp + clock;
        vm.warp(until);
        vm.expectPartialRevert(IDispute.TimeIsNotOver.selector);
        dispute.expire(RIGHT, WRONG);
        vm.warp(until + 1);
        dispute.expire(RIGHT, WRONG);
        _falls(RIGHT, true);
        vm.assertEq(dispute.rewardOf(LIAR), 0); // signers have no bond here
    }

    function test_a_rival_has_what_is_left_since_the_first_claim() external {
        Tree memory wrong = otherBlocks(WRONG_BLOCK, keccak256("next"));
        enter(RIGHT, rightBlocks, address(0));
        vm.warp(block.timestamp + clock - 30);
        enter(WRONG, wrong, LIAR);
        vm.warp(block.timestamp + 3 days);
        move(RIGHT, WRONG, rightBlocks, wrong);
        vm.assertEq(dispute.matchOf(RIGHT, WRONG).firstLeft, clock - 3 days);
        vm.warp(block.timestamp + 31);
        vm.expectPartialRevert(IDispute.TimeIsOver.selector);
        this.moveFor(RIGHT, WRONG, rightBlocks, wrong);
        dispute.expire(RIGHT, WRONG);
        _falls(RIGHT, false);
        _falls(WRONG, true);
    }

    function moveFor(bytes32 first, bytes32 second, Tree memory a, Tree memory b) external {
        move(first, second, a, b);
    }

    function test_a_contest_inherits_what_is_left() external {
        Tree memory wrong = begin();
        vm.warp(block.timestamp + 1 days);
        move(RIGHT, WRONG, rightBlocks, wrong); // the first side: a day
        vm.warp(block.timestamp + 2 days);
        move(RIGHT, WRONG, rightBlocks, wrong); // the second: two
        vm.warp(block.timestamp + 60);
        move(RIGHT, WRONG, rightBlocks, wrong);
        bytes32 contestId = dispute.matchId(RIGHT, WRONG);
        Contest memory c = dispute.contest(contestId);
        vm.assertEq(c.firstLeft, clock - 1 days - 60);
        vm.assertEq(c.secondLeft, clock - 60 - 2 days);
        // Claims have what is left when they are made.
        vm.warp(block.timestamp + 100);
        bytes32 a = make(contestId, 0, rightStretches, HONEST);
        vm.warp(block.timestamp + 50);
        bytes32 b = make(contestId, 1, lieFrom(rightStretches, 9, c.ends[1]), LIAR);
        Match memory m = dispute.matchOf(a, b);
        vm.assertEq(m.firstLeft, c.firstLeft - 100);
        vm.assertEq(m.secondLeft, c.secondLeft - 150);
        vm.assertEq(m.turn, 0);
        vm.assertEq(m.movedAt, block.timestamp);
    }

    function test_a_side_without_claims_falls_when_its_time_is_over() external {
        bytes32 contestId = play(RIGHT, WRONG, rightBlocks, begin());
        Contest memory c = dispute.contest(contestId);
        vm.warp(uint256(c.since) + c.secondLeft - 1);
        make(contestId, 0, rightStretches, HONEST);
        vm.expectPartialRevert(IDispute.SideStands.selector);
        dispute.fallSide(contestId, 1);
        vm.warp(block.timestamp + 1);
        vm.expectPartialRevert(IDispute.SideStands.selector);
        dispute.fallSide(contestId, 0);
        dispute.fallSide(contestId, 1);
        _falls(WRONG, true);
        _falls(RIGHT, false);
    }

    // Others

    function test_a_wrong_claim_for_the_right_side_does_it_no_harm() external {
        bytes32 contestId = play(RIGHT, WRONG, rightBlocks, begin());
        Tree memory lie = lieFrom(rightStretches, 4, endOf(contestId, 1));
        // An accomplice lies for the right side, and lets itself be beaten.
        Tree memory spoiler = lieFrom(rightStretches, 2, endOf(contestId, 0));
        bytes32 b = make(contestId, 1, lie, OTHER);
        vm.warp(block.timestamp + 60);
        bytes32 s = make(contestId, 0, spoiler, ACCOMPLICE);
        vm.warp(block.timestamp + 1 hours);
        bytes32 a = make(contestId, 0, rightStretches, HONEST);
        move(s, b, spoiler, lie);
        vm.warp(block.timestamp + clock + 1);
        // The liar, too, has let its time go by against the honest claim.
        dispute.expire(s, b);
        _falls(s, true);
        _partyFell(ACCOMPLICE, true);
        vm.expectPartialRevert(IDispute.SideStands.selector);
        dispute.fallSide(contestId, 0);
        dispute.expire(a, b);
        _falls(b, true);
        _falls(a, false);
        dispute.fallSide(contestId, 1);
        _falls(WRONG, true);
    }

    function test_the_same_root_by_another_party_is_another_claim() external {
        bytes32 contestId = play(RIGHT, WRONG, rightBlocks, begin());
        bytes32 stolen = make(contestId, 0, rightStretches, ACCOMPLICE);
        bytes32 own = make(contestId, 0, rightStretches, HONEST);
        vm.assertTrue(stolen != own);
        vm.expectPartialRevert(IDispute.ClaimExists.selector);
        this.makeFor(contestId, 0, rightStretches, HONEST);
    }

    function makeFor(bytes32 contestId, uint8 side, Tree memory t, address party) external returns (bytes32) {
        return make(contestId, side, t, party);
    }

    /// Somebody posts the right claim before the honest party can, and loses the bond elsewhere on purpose.
    function test_a_right_claim_outlives_the_party_that_posted_it() external {
        (bytes32 lost, bytes32 elsewhere) = ("lost", "elsewhere");
        enterAbout(elsewhere, lost, PaddedTree.still("one", 15), ACCOMPLICE);
        vm.warp(block.timestamp + 1);
        enterAbout(elsewhere, "winner", PaddedTree.still("two", 15), address(0));
        vm.warp(block.timestamp + clock - 60);
        Tree memory wrong = otherBlocks(WRONG_BLOCK, keccak256("next"));
        enter(WRONG, wrong, address(0));
        vm.warp(block.timestamp + 61);
        enter(RIGHT, rightBlocks, ACCOMPLICE);
        vm.prank(HONEST);
        vm.expectPartialRevert(IDispute.NotAnOrphan.selector);
        dispute.adopt(RIGHT);
        dispute.expire(lost, "winner");
        _partyFell(ACCOMPLICE, true);
        // Moves go on, and the honest party takes over.
        move(WRONG, RIGHT, wrong, rightBlocks);
        vm.expectPartialRevert(IDispute.NotFallenWithParty.selector);
        dispute.fallWithParty(RIGHT);
        vm.prank(HONEST);
        dispute.adopt(RIGHT);
        vm.warp(block.timestamp + dispute.adoptionPeriod());
        vm.expectPartialRevert(IDispute.NotFallenWithParty.selector);
        dispute.fallWithParty(RIGHT);
        vm.assertEq(dispute.party(HONEST).standing, 1);
        vm.prank(OTHER);
        vm.expectPartialRevert(IDispute.NotAnOrphan.selector);
        dispute.adopt(RIGHT);
        vm.prank(OTHER);
        vm.expectPartialRevert(IDispute.Decided.selector);
        dispute.adopt(lost);
    }

    function test_a_party_has_one_claim_on_a_side() external {
        bytes32 contestId = play(RIGHT, WRONG, rightBlocks, begin());
        make(contestId, 1, lieFrom(rightStretches, 3, endOf(contestId, 1)), LIAR);
        Tree memory other = lieFrom(rightStretches, 4, endOf(contestId, 1));
        vm.expectPartialRevert(IDispute.ClaimExists.selector);
        this.makeFor(contestId, 1, other, LIAR);
        // On the other side it may have one, too: it can only lose.
        make(contestId, 0, rightStretches, LIAR);
    }

    function test_nothing_counts_once_a_claim_above_has_fallen() external {
        (bytes32 a, bytes32 b, Tree memory lie) = stretchClaims(0);
        bytes32 contestId = play(a, b, rightStretches, lie);
        bytes32 mine = make(contestId, 0, rightSteps, HONEST);
        Tree memory other = lieFrom(rightSteps, 3, endOf(contestId, 1));
        bytes32 theirs = make(contestId, 1, other, ACCOMPLICE);
        // The liar falls elsewhere; the honest party need not go on.
        bytes32 elsewhere = keccak256("elsewhere");
        bytes32 second = keccak256("second");
        enterAbout("other parent", elsewhere, PaddedTree.still("one", 15), address(0));
        vm.warp(block.timestamp + 1);
        enterAbout("other parent", second, PaddedTree.still("two", 15), LIAR);
        vm.warp(block.timestamp + 1);
        rivals.close(second);
        vm.expectPartialRevert(IDispute.Decided.selector);
        dispute.expire(elsewhere, second);
        rivals.close(WRONG);
        vm.warp(block.timestamp + 2 * uint256(clock));
        vm.expectPartialRevert(IDispute.Decided.selector);
        dispute.expire(mine, theirs);
        vm.expectPartialRevert(IDispute.Decided.selector);
        dispute.expire(a, b);
        vm.expectPartialRevert(IDispute.Decided.selector);
        dispute.fallSide(contestId, 0);
        vm.expectPartialRevert(IDispute.Decided.selector);
        this.makeFor(contestId, 0, other, HONEST);
        // And takes its bond home.
        dispute.release(a);
        dispute.release(mine);
        vm.expectPartialRevert(IDispute.NotReleasable.selector);
        dispute.release(a);
        vm.prank(HONEST);
        dispute.withdrawBond(payable(HONEST));
        vm.assertEq(HONEST.balance, bond);
    }

    function test_a_bond_stays_while_a_claim_of_it_counts() external {
        (bytes32 a,,) = stretchClaims(0);
        vm.expectPartialRevert(IDispute.NotReleasable.selector);
        dispute.release(a);
        vm.expectPartialRevert(IParties.StillStanding.selector);
        vm.prank(HONEST);
        dispute.withdrawBond(payable(HONEST));
    }

    function test_claims_need_a_bond() external {
        bytes32 contestId = play(RIGHT, WRONG, rightBlocks, begin());
        vm.expectPartialRevert(IParties.NoParty.selector);
        this.makeFor(contestId, 0, rightStretches, address(0x5555));
        vm.prank(HONEST);
        dispute.withdrawBond(payable(HONEST));
        vm.expectPartialRevert(IParties.NoParty.selector);
        this.makeFor(contestId, 0, rightStretches, HONEST);
        vm.deal(LIAR, 1);
        vm.prank(LIAR);
        vm.expectPartialRevert(IParties.BondMustBe.selector);
        dispute.join{value: 1}();
    }

    function test_only_the_contract_of_claims_enters_claims() external {
        bytes32[32] memory children = rightBlocks.children(15, 0);
        vm.expectPartialRevert(IDispute.NotClaims.selector);
        dispute.begin(RIGHT, PARENT, RIGHT, address(0), 1, question);
        begin();
        bytes32 root = rightBlocks.root();
        vm.expectPartialRevert(IDispute.NotClaims.selector);
        dispute.enter("another", PARENT, root, address(0), children);
    }

    /// Whoever moves against a claim must know where it differs: its root's children are shown when it comes.
    function test_a_claim_comes_with_what_it_takes_to_answer_it() external {
        Tree memory wrong = otherBlocks(WRONG_BLOCK, keccak256("next"));
        bytes32 root = wrong.root();
        bytes32[32] memory children = wrong.children(15, 0);
        vm.startPrank(address(rivals));
        vm.expectPartialRevert(IDispute.NotBegun.selector);
        dispute.enter(WRONG, PARENT, root, LIAR, children);
        dispute.begin(RIGHT, PARENT, rightBlocks.root(), address(0), uint40(block.timestamp), question);
        vm.expectPartialRevert(IDispute.AlreadyBegun.selector);
        dispute.begin(WRONG, PARENT, root, LIAR, uint40(block.timestamp), question);
        children[7] ^= bytes32(uint256(1));
        vm.expectPartialRevert(Openings.NotOfNode.selector);
        dispute.enter(WRONG, PARENT, root, LIAR, children);
        children[7] ^= bytes32(uint256(1));
        dispute.enter(WRONG, PARENT, root, LIAR, children);
        vm.expectPartialRevert(IDispute.ClaimExists.selector);
        dispute.enter(WRONG, PARENT, root, LIAR, children);
        vm.stopPrank();
        // Both in one second: the first moves first, for nobody knows more of it than its root.
        vm.assertEq(dispute.matchOf(RIGHT, WRONG).turn, 0);
        vm.expectPartialRevert(IDispute.NotMatched.selector);
        dispute.matchOf(WRONG, RIGHT);
    }

    // What is refused

    function test_a_claim_must_end_in_its_sides_value() external {
        bytes32 contestId = play(RIGHT, WRONG, rightBlocks, begin());
        vm.expectPartialRevert(Openings.NotOfNode.selector);
        this.makeFor(contestId, 1, rightStretches, HONEST);
        vm.expectPartialRevert(IDispute.NoSuchContest.selector);
        this.makeFor(contestId, 2, rightStretches, HONEST);
        vm.expectPartialRevert(IDispute.NoSuchContest.selector);
        this.makeFor(PARENT, 0, rightStretches, HONEST);
    }

    function test_a_move_must_name_the_first_difference() external {
        Tree memory wrong = begin();
        wrong.values[4] = keccak256("another"); // what follows differs too
        Selection memory s = PaddedTree.select(rightBlocks, wrong, 15, 0);
        bytes32[32] memory children = rightBlocks.children(10, 0);
        children[31] = 0;
        vm.expectPartialRevert(Openings.NotOfNode.selector);
        dispute.move(RIGHT, WRONG, s, children);
    }

    function test_openings_are_refused_if_anything_is_changed(uint256 what, uint256 bit) external {
        Tree memory wrong = begin();
        Selection memory s = PaddedTree.select(rightBlocks, wrong, 15, 0);
        bytes32[32] memory children = rightBlocks.children(10, 0);
        bytes32 change = bytes32(1 << bit % 256);
        what %= 44;
        if (what < 5) s.mySiblings[what] ^= change;
        else if (what < 10) s.theirSiblings[what - 5] ^= change;
        else if (what == 10) s.mine ^= change;
        else if (what == 11) s.theirs ^= change;
        else children[what - 12] ^= change;
        (bool ok,) = address(dispute).call(abi.encodeCall(dispute.move, (RIGHT, WRONG, s, children)));
        vm.assertFalse(ok);
    }

    function test_only_claims_of_one_contest_and_both_sides_are_matched() external {
        (bytes32 a, bytes32 b,) = stretchClaims(0);
        vm.expectPartialRevert(IDispute.NotMatched.selector);
        dispute.matchOf(b, a);
        vm.expectPartialRevert(IDispute.NotMatched.selector);
        dispute.matchOf(a, a);
        vm.expectPartialRevert(IDispute.NotMatched.selector);
        dispute.matchOf(RIGHT, b);
        vm.expectPartialRevert(IDispute.NotMatched.selector);
        dispute.matchOf(WRONG, RIGHT);
        vm.expectPartialRevert(IDispute.Decided.selector);
        dispute.expire(a, keccak256("none"));
    }

    function test_a_witness_of_another_state_decides_nothing() external {
        (, bytes32 right, bytes32 wrong, Tree memory steps) = stepClaims(17);
        vm.expectPartialRevert(IDispute.WrongMove.selector);
        dispute.step(right, wrong, witnesses[17]);
        play(right, wrong, rightSteps, steps);
        vm.expectPartialRevert(IDispute.WrongState.selector);
        dispute.step(right, wrong, witnesses[16]);
        Selection memory none_;
        bytes32[32] memory children;
        vm.expectPartialRevert(IDispute.WrongMove.selector);
        dispute.move(right, wrong, none_, children);
        dispute.step(right, wrong, witnesses[17]);
        vm.expectPartialRevert(IDispute.Decided.selector);
        dispute.step(right, wrong, witnesses[17]);
    }

    // No hash

    function test_a_side_that_says_none_shows_a_state_that_says_no_hash() external {
        Tree memory silent = otherBlocks(0, 0);
        enter(RIGHT, rightBlocks, address(0));
        enter(WRONG, silent, LIAR);
        bytes32 contestId = play(RIGHT, WRONG, rightBlocks, silent);
        uint8 side = 1;
        vm.assertEq(endOf(contestId, side), 0);
        bytes memory trapped = hex"02";
        Tree memory lie = lieFrom(rightStretches, 6, keccak256(trapped));
        _none(contestId, side, lie, trapped, LIAR);
        _none(contestId, side, lieFrom(rightStretches, 6, keccak256(_halted(7))), _halted(7), OTHER);
        bytes[4] memory bad = [_halted(0), bytes(""), hex"03", hex"0200"];
        for (uint256 i; i < bad.length; ++i) {
            lie = lieFrom(rightStretches, 6, keccak256(bad[i]));
            vm.expectPartialRevert(IDispute.EndNotShown.selector);
            this.none(contestId, side, lie, bad[i]);
        }
        // The right claim beats it as any other.
        make(contestId, 1 - side, rightStretches, HONEST);
    }

    function _halted(uint64 code) private view returns (bytes memory) {
        return abi.encodePacked(uint8(1), code, output);
    }

    function none(bytes32 contestId, uint8 side, Tree memory t, bytes memory last) external {
        _none(contestId, side, t, last, ACCOMPLICE);
    }

    function _none(bytes32 contestId, uint8 side, Tree memory t, bytes memory last, address who) private {
        bytes32 root = t.root();
        bytes32[] memory path = t.path((1 << 20) - 1);
        bytes32[32] memory children = t.children(20, 0);
        vm.prank(who);
        dispute.make(contestId, side, root, last, path, children);
    }

    /// After a block that has none no block has a hash: that needs no machine.
    function test_who_says_a_hash_after_none_falls() external {
        Tree memory silent = otherBlocks(0, 0);
        Tree memory wrong = otherBlocks(0, keccak256("next"));
        enter(RIGHT, silent, HONEST);
        vm.warp(block.timestamp + 60);
        enter(WRONG, wrong, LIAR);
        play(RIGHT, WRONG, silent, wrong);
        _falls(RIGHT, false);
        _falls(WRONG, true);
        vm.assertEq(dispute.rewardOf(HONEST), bond / 4);
    }

    // Any game

    /// Wherever the lies begin, and whoever is first, the right side wins.
    function test_the_right_side_wins_wherever_the_lie_begins(uint256 stretch, uint256 place, bool liarFirst) external {
        bytes32 contestId = play(RIGHT, WRONG, rightBlocks, begin());
        stretch = stretch % 2 == 0 ? 0 : bound(stretch, 0, (1 << 20) - 2);
        Tree memory lie = lieFrom(rightStretches, stretch, endOf(contestId, 1));
        (bytes32 a, bytes32 b) = _both(contestId, rightStretches, lie, liarFirst);
        contestId = play(a, b, rightStretches, lie);
        Tree memory right = stretch == 0 ? rightSteps : PaddedTree.still(states[states.length - 1], 20);
        place = place % 2 == 0 ? place % 29 : bound(place, 0, (1 << 20) - 2);
        Tree memory steps = lieFrom(right, place, endOf(contestId, 1));
        (a, b) = _both(contestId, right, steps, !liarFirst);
        play(a, b, right, steps);
        bool ended = stretch != 0 || place >= witnesses.length;
        dispute.step(a, b, ended ? _halted(0) : witnesses[place]);
        _falls(a, false);
        _falls(b, true);
        _partyFell(HONEST, false);
        _partyFell(LIAR, true);
    }

    function _both(bytes32 contestId, Tree memory right, Tree memory lie, bool liarFirst)
        private
        returns (bytes32 a, bytes32 b)
    {
        if (liarFirst) b = make(contestId, 1, lie, LIAR);
        vm.warp(block.timestamp + 60);
        a = make(contestId, 0, right, HONEST);
        vm.warp(block.timestamp + 60);
        if (!liarFirst) b = make(contestId, 1, lie, LIAR);
    }
}
