// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IDispute} from "../src/dispute/IDispute.sol";
import {ClaimPreimage} from "../src/lib/Commitments.sol";
import {IClaims, Posting} from "../src/rollup/IClaims.sol";
import {IInbox, Opening, ParentClaim} from "../src/rollup/IInbox.sol";
import {IMessageQueue} from "../src/rollup/IMessageQueue.sol";
import {Post} from "./lib/Fixture.sol";
import {Forced} from "./lib/Forced.sol";

/// @notice How claims that nobody signed, the end of the chain and statements of a third go together.
contract EndTest is Forced {
    address private constant OTHER = address(0x07E8);

    uint64 private _start;

    function setUp() external {
        withoutData = true;
        deploy(4);
        _start = uint64(block.timestamp);
    }

    function _at(uint64 time) private {
        pass(_start + time - block.timestamp);
    }

    /// A batch comes that nobody signed; gives the claim before it.
    function _unsigned(uint64 time) private returns (ClaimPreimage memory) {
        _at(time);
        selfSequence();
        return head;
    }

    function _end(ClaimPreimage memory last) private {
        vm.prank(address(bridge));
        inbox.end(id(last));
    }

    function _refusedEnd(ClaimPreimage memory last, bytes memory reason) private {
        vm.prank(address(bridge));
        vm.expectRevert(reason);
        inbox.end(id(last));
    }

    // The end

    function test_a_final_claim_with_a_bond_keeps_the_chain_from_ending_before_it() external {
        ClaimPreimage memory genesis = _unsigned(60);
        ClaimPreimage memory right = claimAfter(genesis, "right");
        bond(right, genesis);
        _at(89);
        _refusedEnd(genesis, abi.encodeWithSelector(IClaims.ClaimsNotStale.selector, _start + 90));
        _at(90);
        vm.assertTrue(claims.isFinal(id(right)));
        _refusedEnd(genesis, abi.encodeWithSelector(IClaims.LaterClaimFinal.selector, id(genesis)));
        _refusedEnd(right, abi.encodeWithSelector(IClaims.ClaimsNotStale.selector, _start + 180));
        _at(180);
        _end(right);
    }

    function test_a_claim_that_is_open_when_the_chain_ends_dies_and_there_are_no_more() external {
        ClaimPreimage memory genesis = _unsigned(61);
        ClaimPreimage memory late = claimAfter(genesis, "late");
        bond(late, genesis);
        _at(90);
        _end(genesis);
        _at(500);
        vm.assertFalse(claims.isFinal(id(late)));
        // Whoever stands behind it is free, once.
        dispute.release(id(late));
        vm.expectRevert(abi.encodeWithSelector(IDispute.NotReleasable.selector, id(late)));
        dispute.release(id(late));
        vm.prank(POSTER);
        dispute.withdrawBond(payable(POSTER));
        ClaimPreimage memory other = claimAfter(genesis, "other");
        Posting memory p = posting(other, genesis);
        vm.expectRevert(abi.encodeWithSelector(IClaims.AlreadyEnded.selector, _start + 90));
        claims.postBonded(other, p);
    }

    function test_rivals_do_not_keep_the_chain_from_ending() external {
        ClaimPreimage memory genesis = _unsigned(30);
        ClaimPreimage memory right = claimAfter(genesis, "right");
        ClaimPreimage memory wrong = claimAfter(genesis, "wrong");
        bond(right, genesis);
        bondAs(OTHER, wrong, genesis);
        _at(90);
        _end(genesis);
        _at(500);
        vm.assertFalse(claims.isFinal(id(right)));
        vm.assertFalse(claims.isFinal(id(wrong)));
        // Nobody is held to a dispute that decides nothing any more.
        vm.assertFalse(claims.isOpen(id(right)));
    }

    function test_a_claim_whose_rival_fell_is_as_young_as_that() external {
        ClaimPreimage memory genesis = _unsigned(30);
        ClaimPreimage memory right = claimAfter(genesis, "right");
        ClaimPreimage memory wrong = claimAfter(genesis, "wrong");
        bond(wrong, genesis);
        _at(40);
        bondAs(OTHER, right, genesis);
        // Its period was over at 70; the other one falls at 80.
        _at(80);
        _refusedEnd(right, abi.encodeWithSelector(IClaims.ClaimNotFinal.selector, id(right)));
        fall(wrong);
        vm.assertTrue(claims.isFinal(id(right)));
        vm.assertEq(claims.endsFrom(id(right)), _start + 170);
        _refusedEnd(genesis, abi.encodeWithSelector(IClaims.LaterClaimFinal.selector, id(genesis)));
        _at(169);
        _refusedEnd(right, abi.encodeWithSelector(IClaims.ClaimsNotStale.selector, _start + 170));
        _at(170);
        _end(right);
    }

    function test_while_all_claims_of_a_batch_have_fallen_the_chain_may_end_before_it() external {
        ClaimPreimage memory genesis = _unsigned(30);
        ClaimPreimage memory wrong = claimAfter(genesis, "wrong");
        ClaimPreimage memory worse = claimAfter(genesis, "worse");
        bond(wrong, genesis);
        bondAs(OTHER, worse, genesis);
        _at(50);
        fall(wrong);
        fall(worse);
        _at(139);
        _refusedEnd(genesis, abi.encodeWithSelector(IClaims.ClaimsNotStale.selector, _start + 140));
        _at(140);
        _end(genesis);
    }

    function test_a_claim_that_a_committee_carried_keeps_the_chain_from_ending_before_it() external {
        ClaimPreimage memory genesis = _unsigned(50);
        _at(59);
        ClaimPreimage memory carried = claimAfter(genesis, "carried");
        head = carried;
        sendWith(honest(1), ancestry(genesis, carried), none());
        _at(90);
        _refusedEnd(genesis, abi.encodeWithSelector(IClaims.LaterClaimFinal.selector, id(genesis)));
    }

    function test_after_the_end_nobody_sequences_and_nobody_is_idle() external {
        ClaimPreimage memory genesis = head;
        _at(40);
        Post memory post = honest(1);
        bytes memory signature = sign(keyOf(1), keccak256("any"));
        _at(90);
        _end(genesis);
        vm.assertEq(inbox.lapseCount(), 1);
        vm.assertEq(inbox.lapse(0).from, _start + 15);
        vm.assertEq(inbox.lapse(0).to, _start + 90);
        _at(290);
        vm.assertEq(inbox.lapse(1).to, 0);
        vm.assertEq(idle.idleSeconds(1, 0), 30);
        vm.assertEq(idle.idleSeconds(3, 0), 0);
        vm.assertEq(uint256(inbox.opening()), uint256(Opening.Closed));
        vm.expectRevert(IMessageQueue.ChainEnded.selector);
        inbox.selfSequence();
        refusedWith(post, ancestry(genesis), none(), abi.encodeWithSelector(IMessageQueue.ChainEnded.selector));
        vm.expectRevert(IMessageQueue.ChainEnded.selector);
        idle.attend(post.statement, ancestry(genesis), post.leftSiblings, 1, signature, post.data);
    }

    // A third

    function test_a_third_does_not_decide_what_nobody_signed() external {
        ClaimPreimage memory genesis = _unsigned(30);
        ClaimPreimage memory wrong = claimAfter(genesis, "wrong");
        // By carrying a claim of its own making;
        _at(45);
        head = wrong;
        Post memory post = honest(1);
        bytes32 last = post.statement.lastHash;
        certify(post, 3);
        bytes memory undecided = abi.encodeWithSelector(IInbox.ParentUndecided.selector, id(wrong));
        refusedWith(post, ancestry(genesis, wrong), finalization(post.statement, last, 7), undecided);
        // by a claim that can still be opposed;
        bond(wrong, genesis);
        refusedWith(post, ancestry(wrong), finalization(post.statement, last, 7), undecided);
        _at(74);
        refusedWith(post, ancestry(wrong), finalization(post.statement, last, 7), undecided);
        // but it goes on from one that nobody did oppose in time.
        _at(75);
        sendWith(post, ancestry(wrong), finalization(post.statement, last, 7));
        vm.assertEq(inbox.batchIndex(), 2);
    }

    // Times

    function test_nobody_waits_for_a_batch_before_the_time_of_the_last_block() external {
        // 24 large messages are 12 blocks: their times run ahead of L1.
        for (uint256 i; i < 24; ++i) {
            sendLarge();
        }
        _at(45);
        uint256 count;
        for (; inbox.opening() != Opening.Closed; ++count) {
            selfSequence();
        }
        vm.assertGt(count, 11, "blocks");
        uint64 ahead = inbox.lastBlockTime();
        vm.assertEq(ahead, _start + 44 + count);
        vm.assertEq(inbox.lastPostedAt(), ahead);
        vm.assertEq(inbox.waitingSince(), ahead + 15);
        pass(ahead + 29 - block.timestamp);
        vm.assertEq(uint256(inbox.opening()), uint256(Opening.Closed));
        pass(1);
        vm.assertEq(uint256(inbox.opening()), uint256(Opening.NoBatch));
    }
}
