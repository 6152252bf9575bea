// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Seat} from "../src/bonding/ISequencerRegistry.sol";
import {ISlasher, Offence} from "../src/bonding/ISlasher.sol";
import {IInvalidState} from "../src/faults/IInvalidState.sol";
import {ClaimPreimage} from "../src/lib/Commitments.sol";
import {ParentClaim} from "../src/rollup/IInbox.sol";
import {Post} from "./lib/Fixture.sol";
import {Forced} from "./lib/Forced.sol";

/// @notice Who signs a claim that falls, or one that stands on it, is frozen and loses all when the right claim is final.
contract InvalidStateTest is Forced {
    address private constant CHALLENGER = address(0xC4A1);
    /// Places 0, 1 and 2 of four.
    uint64 private constant THREE = 7;

    ClaimPreimage private _genesis;

    function setUp() external {
        withoutData = true;
        deploy(4);
        _genesis = head;
    }

    /// A claim that a committee signed, and the right one, which the challenger posts.
    function _opposed() private returns (ClaimPreimage memory wrong, ClaimPreimage memory right) {
        succeed(honest(2));
        wrong = head;
        right = rivalOf(wrong, _genesis, "right");
        oppose(CHALLENGER, right, _genesis, wrong);
    }

    function _evidence(ClaimPreimage memory a, uint256 place) private pure returns (bytes memory) {
        ClaimPreimage[] memory chain = new ClaimPreimage[](1);
        chain[0] = a;
        return abi.encode(chain, place);
    }

    function _evidence(ClaimPreimage memory a, ClaimPreimage memory b, uint256 place)
        private
        pure
        returns (bytes memory)
    {
        ClaimPreimage[] memory chain = new ClaimPreimage[](2);
        (chain[0], chain[1]) = (a, b);
        return abi.encode(chain, place);
    }

    function _report(bytes memory evidence) private returns (uint64 seat, uint256 taken, uint256 reward) {
        return slasher.report(address(invalidState), evidence);
    }

    function _refused(bytes memory evidence, bytes memory reason) private {
        vm.expectRevert(reason);
        slasher.report(address(invalidState), evidence);
    }

    function _bondOf(uint64 seat) private view returns (uint256) {
        return registry.seat(seat).bond;
    }

    function _isFrozen(uint64 seat) private view returns (bool) {
        return registry.seat(seat).frozenAt != 0;
    }

    // Guilt

    function test_signers_are_frozen_with_the_claim_and_lose_all_when_the_right_one_is_final() external {
        (ClaimPreimage memory wrong, ClaimPreimage memory right) = _opposed();
        uint64 term = registry.currentTerm();
        vm.expectEmit(true, true, true, true, address(slasher));
        emit ISlasher.Slashed(1, address(invalidState), term, address(0), 0, 0);
        fall(wrong);
        for (uint64 seat = 1; seat <= 4; ++seat) {
            vm.assertTrue(_isFrozen(seat) == (seat != 4), "who signed");
            vm.assertEq(_bondOf(seat), parameters.bond, "nothing is taken yet");
            vm.assertTrue(slasher.isSlashed(seat, address(invalidState), term) == (seat != 4));
        }
        // The one that is left goes on at once.
        vm.assertEq(registry.committee(registry.currentTerm()).length, 1);
        vm.assertEq(registry.committee(registry.currentTerm())[0].seat, 4);
        _refused(_evidence(wrong, 0), abi.encodeWithSelector(ISlasher.RightClaimNotFinal.selector, 1));
        vm.assertEq(slasher.owed(1), 0, "nothing grows");
        vm.assertEq(slasher.settle(1), 0);

        pass(parameters.challengePeriod);
        vm.assertTrue(claims.isFinal(id(right)));
        uint256 share = parameters.bond * parameters.reporterShareBasisPoints / 10_000;
        if (share > parameters.reporterShareCap) share = parameters.reporterShareCap;
        uint256 unburnt = slasher.unburnt();
        for (uint64 seat = 1; seat <= 3; ++seat) {
            vm.expectEmit(true, true, true, true, address(slasher));
            emit ISlasher.Slashed(seat, address(invalidState), term, CHALLENGER, parameters.bond, share);
            (uint64 guilty, uint256 taken, uint256 reward) = _report(_evidence(wrong, seat - 1));
            vm.assertEq(guilty, seat);
            vm.assertEq(taken, parameters.bond);
            vm.assertEq(reward, share);
            vm.assertEq(_bondOf(seat), 0);
            _refused(_evidence(wrong, seat - 1), abi.encodeWithSelector(ISlasher.NothingAtStake.selector, seat));
        }
        vm.assertEq(slasher.rewardOf(CHALLENGER), 3 * share, "whose bond stood behind the right claim");
        vm.assertEq(slasher.rewardOf(address(this)), 0);
        vm.assertEq(slasher.unburnt() - unburnt, 3 * (parameters.bond - share));
        Offence[] memory offences = slasher.offences(1);
        vm.assertEq(offences.length, 1);
        vm.assertEq(offences[0].fault, address(invalidState));
        vm.assertEq(offences[0].term, term);
        vm.assertEq(_bondOf(4), parameters.bond);
        uint256 before = CHALLENGER.balance;
        vm.prank(CHALLENGER);
        slasher.withdrawReward(payable(CHALLENGER));
        vm.assertEq(CHALLENGER.balance - before, 3 * share);
    }

    function test_who_signs_what_stands_on_it_is_as_guilty() external {
        (ClaimPreimage memory wrong, ClaimPreimage memory right) = _opposed();
        // The next batch stands on the wrong claim; another three sign it.
        Post memory post = honest(1);
        certify(post, 14);
        succeed(post);
        ClaimPreimage memory child = head;
        fall(wrong);
        vm.assertFalse(_isFrozen(4));
        (uint64 guilty, uint256 taken,) = _report(_evidence(child, wrong, 3));
        vm.assertEq(guilty, 4);
        vm.assertEq(taken, 0);
        vm.assertTrue(_isFrozen(4));
        _refused(_evidence(child, wrong, 3), abi.encodeWithSelector(ISlasher.RightClaimNotFinal.selector, 4));
        pass(parameters.challengePeriod);
        vm.assertTrue(claims.isFinal(id(right)));
        (, taken,) = _report(_evidence(child, wrong, 3));
        vm.assertEq(taken, parameters.bond);
        (, taken,) = _report(_evidence(child, wrong, 1));
        vm.assertEq(taken, parameters.bond, "either claim will do");
    }

    function test_the_new_committee_goes_on_from_the_right_claim() external {
        (ClaimPreimage memory wrong, ClaimPreimage memory right) = _opposed();
        fall(wrong);
        pass(1);
        Post memory post = honest(1);
        certify(post, 1);
        // On the dead claim nobody can build.
        vm.expectPartialRevert(bytes4(keccak256("WrongAncestry(uint256)")));
        vm.prank(POSTER, POSTER);
        inbox.postBatchWith(post.statement, ancestry(wrong), post.leftSiblings, 1, post.signatures, post.data, none());

        head = right;
        post = honest(1);
        certifyAlone(post, 3);
        sendWith(post, ancestry(right), none());
        vm.assertEq(inbox.batchIndex(), 2);
        pass(parameters.challengePeriod);
        ClaimPreimage memory last = ClaimPreimage(
            parameters.rollup, 2, id(right), right.lastHash, post.statement.lastHash, post.statement.blockHashRoot
        );
        vm.assertTrue(claims.isFinal(id(last)));
        vm.assertFalse(_isFrozen(4));
    }

    function test_a_seat_that_equivocated_as_well_loses_what_is_left() external {
        (ClaimPreimage memory wrong,) = _opposed();
        fall(wrong);
        report(offence(0, registry.currentTerm() - 1));
        uint256 left = _bondOf(1);
        vm.assertLt(left, parameters.bond, "it cost something");
        vm.assertGt(left, 0, "not all");
        pass(parameters.challengePeriod);
        (, uint256 taken,) = _report(_evidence(wrong, 0));
        vm.assertEq(taken, left);
        vm.assertEq(slasher.offences(1).length, 2);
        vm.assertEq(slasher.settle(1), 0);
    }

    function test_64_signers_are_frozen_in_one_transaction() external {
        deploy(64);
        _genesis = head;
        succeed(honest(1));
        ClaimPreimage memory wrong = head;
        ClaimPreimage memory right = rivalOf(wrong, _genesis, "right");
        oppose(CHALLENGER, right, _genesis, wrong);
        fall(wrong);
        uint256 used = vm.snapshotGasLastCall("a claim of 43 of 64 falls");
        vm.assertLt(used, 10_000_000, "beside a step, within 2^24");
        vm.assertTrue(_isFrozen(43));
        vm.assertFalse(_isFrozen(44));
        pass(parameters.challengePeriod);
        _report(_evidence(wrong, 42));
        vm.snapshotGasLastCall("the bond of one of 43");
    }

    // Innocence

    function test_who_did_not_sign_is_not_guilty() external {
        (ClaimPreimage memory wrong, ClaimPreimage memory right) = _opposed();
        bytes32 wrongId = id(wrong);
        _refused(_evidence(wrong, 0), abi.encodeWithSelector(IInvalidState.NotLost.selector, wrongId));
        fall(wrong);
        _refused(_evidence(wrong, 3), abi.encodeWithSelector(IInvalidState.NotSigned.selector, wrongId, 3));
        _refused(_evidence(wrong, 64), abi.encodeWithSelector(IInvalidState.NotSigned.selector, wrongId, 64));
        _refused(_evidence(right, 3), abi.encodeWithSelector(IInvalidState.NotSigned.selector, id(right), 3));
    }

    function test_who_signed_the_right_claim_stays_when_a_rival_falls() external {
        succeed(honest(2));
        ClaimPreimage memory right = head;
        ClaimPreimage memory wrong = rivalOf(right, _genesis, "right");
        oppose(CHALLENGER, wrong, _genesis, right);
        succeed(honest(1));
        ClaimPreimage memory child = head;
        fall(wrong);
        pass(parameters.challengePeriod);
        vm.assertTrue(claims.isFinal(id(child)));
        for (uint64 seat = 1; seat <= 4; ++seat) {
            vm.assertFalse(_isFrozen(seat));
        }
        _refused(_evidence(right, 0), abi.encodeWithSelector(IInvalidState.NotLost.selector, id(right)));
        _refused(_evidence(child, right, 0), abi.encodeWithSelector(IInvalidState.NotLost.selector, id(right)));
        _refused(_evidence(child, wrong, 0), abi.encodeWithSelector(IInvalidState.ChainBroken.selector, 0));
    }

    function test_a_claim_that_falls_with_its_party_makes_nobody_guilty() external {
        vm.warp(block.timestamp + parameters.maxGap);
        selfSequence();
        ClaimPreimage memory carried = claimAfter(_genesis, keccak256("of the messages"));
        bondAs(CHALLENGER, carried, _genesis);
        pass(2);
        head = carried;
        Post memory post = honest(1);
        sendWith(post, ancestry(_genesis, carried), none());
        vm.assertEq(claims.claim(id(carried)).signers, post.signers);
        vm.prank(address(dispute));
        claims.fall(id(carried), id(_genesis), false);
        vm.assertFalse(claims.isLive(id(carried), 1));
        vm.assertFalse(_isFrozen(1));
        _refused(_evidence(carried, 0), abi.encodeWithSelector(IInvalidState.NotLost.selector, id(carried)));
    }

    function test_evidence_has_one_form() external {
        (ClaimPreimage memory wrong,) = _opposed();
        fall(wrong);
        bytes memory evidence = _evidence(wrong, 0);
        _refused(bytes.concat(evidence, bytes1(0)), abi.encodeWithSelector(IInvalidState.EvidenceMalformed.selector));
        _refused(abi.encode(new ClaimPreimage[](0), 0), abi.encodeWithSelector(IInvalidState.EvidenceMalformed.selector));
        vm.expectRevert();
        slasher.report(address(invalidState), "");
    }

    function test_nothing_burns_when_no_right_claim_becomes_final() external {
        (ClaimPreimage memory wrong, ClaimPreimage memory right) = _opposed();
        fall(wrong);
        fall(right);
        pass(3 * parameters.challengePeriod);
        _refused(_evidence(wrong, 0), abi.encodeWithSelector(ISlasher.RightClaimNotFinal.selector, 1));
        vm.assertEq(_bondOf(1), parameters.bond);
    }

    function test_only_the_claims_freeze_signers() external {
        vm.expectRevert(abi.encodeWithSelector(ISlasher.NotClaims.selector, address(this)));
        slasher.freeze(1, THREE);
    }
}
