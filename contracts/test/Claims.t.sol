// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IParties} from "../src/dispute/IParties.sol";
import {Openings} from "../src/dispute/Openings.sol";
import {ClaimPreimage} from "../src/lib/Commitments.sol";
import {Batch, Messages} from "../src/lib/Messages.sol";
import {Fate, IClaims, Posting} from "../src/rollup/IClaims.sol";
import {IInbox} from "../src/rollup/IInbox.sol";
import {Post} from "./lib/Fixture.sol";
import {Forced} from "./lib/Forced.sol";

/// @notice Claims with rivals: who may post which, what stands, and what is final when. Which of them falls is the dispute's
/// business; here it is said.
contract ClaimsTest is Forced {
    using Messages for Batch;

    address private constant RIVAL = address(0x1111);
    address private constant OTHER = address(0x2222);

    uint64 private _start;
    ClaimPreimage private _genesis;

    function setUp() external {
        withoutData = true;
        deploy(4);
        _start = uint64(block.timestamp);
        _genesis = head;
    }

    function _at(uint64 time) private {
        pass(_start + time - block.timestamp);
    }

    /// Posts `count` blocks and gives their claim.
    function _signed(uint256 count) private returns (ClaimPreimage memory) {
        succeed(honest(count));
        return head;
    }

    /// A signed claim, a rival of it, and what comes with that.
    function _opposed(uint256 count)
        private
        returns (ClaimPreimage memory first, ClaimPreimage memory rival, Posting memory p)
    {
        first = _signed(count);
        rival = rivalOf(first, _genesis, "rival");
        p = posting(rival, _genesis, first);
    }

    function _refused(address who, ClaimPreimage memory claim, Posting memory p, bytes memory reason) private {
        join(who);
        vm.expectRevert(reason);
        vm.prank(who);
        claims.postBonded(claim, p);
    }

    // Who may post what

    function test_a_claim_must_be_of_a_posted_batch_and_of_its_shape() external {
        _at(5);
        (ClaimPreimage memory first, ClaimPreimage memory rival, Posting memory p) = _opposed(3);

        vm.expectRevert(abi.encodeWithSelector(IParties.NoParty.selector, address(this)));
        claims.postBonded(rival, p);
        rival.rollup += 1;
        _refused(RIVAL, rival, p, abi.encodeWithSelector(IClaims.ClaimOfAnotherRollup.selector, 75874, 75873));
        rival.rollup -= 1;
        rival.prevHash = "other";
        _refused(RIVAL, rival, p, abi.encodeWithSelector(IClaims.ClaimMalformed.selector));
        rival.prevHash = _genesis.lastHash;
        rival.blockHashRoot = "other";
        _refused(RIVAL, rival, p, abi.encodeWithSelector(IClaims.ClaimMalformed.selector));
        rival = rivalOf(first, _genesis, "rival");
        rival.parentId = "other";
        _refused(RIVAL, rival, p, abi.encodeWithSelector(IClaims.ParentNotLive.selector, bytes32("other")));
        rival.parentId = id(_genesis);
        rival.batchIndex = 2;
        _refused(RIVAL, rival, p, abi.encodeWithSelector(IClaims.ParentNotLive.selector, id(_genesis)));
        rival.batchIndex = 0;
        _refused(RIVAL, rival, p, abi.encodeWithSelector(IClaims.ParentNotLive.selector, id(_genesis)));
        rival.batchIndex = 1;
        p.parent = first;
        _refused(RIVAL, rival, p, abi.encodeWithSelector(IClaims.ParentNotLive.selector, id(_genesis)));
        p.parent = _genesis;

        p.statement.lastHeight -= 1;
        _refused(RIVAL, rival, p, abi.encodeWithSelector(IInbox.NotPosted.selector, 1));
        p.statement.lastHeight += 1;
        p.later = new bytes32[](1);
        _refused(RIVAL, rival, p, abi.encodeWithSelector(IInbox.NotPosted.selector, 1));
        p.later = new bytes32[](0);
        p.first = _genesis;
        _refused(RIVAL, rival, p, abi.encodeWithSelector(IClaims.NotTheFirst.selector, id(_genesis)));
        p.first = first;
        p.children[31] = "other";
        join(RIVAL);
        vm.expectPartialRevert(Openings.NotOfNode.selector);
        vm.prank(RIVAL);
        claims.postBonded(rival, p);
        p = posting(rival, _genesis, first);

        vm.expectEmit(true, true, true, true, address(claims));
        emit IClaims.ClaimBonded(id(rival), 1, RIVAL, true, rival);
        bytes32 rivalId = bondWith(RIVAL, rival, p);
        vm.assertEq(dispute.claim(id(first)).party, address(0));
        vm.assertEq(dispute.claim(id(first)).postedAt, _start + 5);
        vm.assertEq(dispute.claim(rivalId).party, RIVAL);
        _refused(OTHER, rival, p, abi.encodeWithSelector(IClaims.ClaimExists.selector, rivalId));
    }

    function test_a_rival_comes_within_the_first_ones_period() external {
        _at(5);
        (ClaimPreimage memory first, ClaimPreimage memory rival, Posting memory p) = _opposed(1);
        _at(35);
        _refused(RIVAL, rival, p, abi.encodeWithSelector(IClaims.RivalTooLate.selector, _start + 35));
        vm.assertTrue(claims.isFinal(id(first)));
    }

    function test_a_rival_of_a_batch_far_back_is_shown_by_a_tip_that_is_kept() external {
        parameters.challengePeriod = 10_000;
        parameters.unbonding = 200_000;
        parameters.escapeDelay = 100_000;
        deploy(4);
        _start = uint64(block.timestamp);
        _genesis = head;
        ClaimPreimage[] memory chain = new ClaimPreimage[](70);
        for (uint256 i; i < 70; ++i) {
            pass(2);
            chain[i] = _signed(1);
        }
        for (uint256 k; k < 3; ++k) {
            // Batches 1, 32 and 33; tips are kept at 32 and 64.
            uint256 i = [uint256(0), 31, 32][k];
            ClaimPreimage memory parent = i == 0 ? _genesis : chain[i - 1];
            ClaimPreimage memory rival = rivalOf(chain[i], parent, "rival");
            Posting memory p = posting(rival, parent);
            vm.assertEq(p.later.length, [uint256(31), 0, 31][k]);
            p.first = chain[i];
            // A tip in between is not kept.
            Posting memory cut = posting(rival, parent);
            if (cut.later.length != 0) {
                cut.later = new bytes32[](0);
                _refused(address(uint160(100 + k)), rival, cut, abi.encodeWithSelector(IInbox.NotPosted.selector, i + 1));
            }
            bondWith(address(uint160(100 + k)), rival, p);
        }
    }

    function test_a_partys_claims_are_one_chain() external {
        _at(2);
        ClaimPreimage memory a = _signed(1);
        _at(4);
        ClaimPreimage memory b = _signed(1);
        ClaimPreimage memory rivalOfB = rivalOf(b, a, "b");
        ClaimPreimage memory rivalOfA = rivalOf(a, _genesis, "a");
        oppose(RIVAL, rivalOfB, a, b);
        Posting memory p = posting(rivalOfA, _genesis, a);
        _refused(RIVAL, rivalOfA, p, abi.encodeWithSelector(IClaims.NotOnLastClaim.selector, id(rivalOfB)));
        p = posting(rivalOf(b, a, "another"), a);
        _refused(
            RIVAL,
            rivalOf(b, a, "another"),
            p,
            abi.encodeWithSelector(IClaims.NotOnLastClaim.selector, id(rivalOfB))
        );
        // On another's that stands on it: that is the same chain.
        bondWith(OTHER, rivalOfA, _with(rivalOfA, _genesis, a));
        ClaimPreimage memory next = rivalOf(b, rivalOfA, "next");
        bondAs(OTHER, next, rivalOfA);
        vm.assertEq(dispute.party(OTHER).standing, 2);
        // When it is dead, the party may begin elsewhere.
        fall(a);
        vm.assertFalse(claims.isOpen(id(rivalOfB)));
        bondAs(RIVAL, rivalOf(b, rivalOfA, "elsewhere"), rivalOfA);
    }

    function _with(ClaimPreimage memory claim, ClaimPreimage memory parent, ClaimPreimage memory first)
        private
        view
        returns (Posting memory p)
    {
        p = posting(claim, parent, first);
    }

    function test_only_the_dispute_lets_claims_fall() external {
        vm.expectRevert(abi.encodeWithSelector(IClaims.NotDispute.selector, address(this)));
        claims.fall(id(_genesis), 0, true);
    }

    // What is final

    function test_an_undecided_claim_holds_up_what_stands_on_it_and_nothing_before_it() external {
        ClaimPreimage[4] memory c;
        for (uint64 i; i < 4; ++i) {
            _at(2 + 2 * i);
            c[i] = _signed(2);
        }
        oppose(RIVAL, rivalOf(c[2], c[1], "rival"), c[1], c[2]);
        _at(100);
        vm.assertTrue(claims.isFinal(id(c[0])) && claims.isFinal(id(c[1])));
        vm.assertFalse(claims.isFinal(id(c[2])) || claims.isFinal(id(c[3])));
        vm.assertTrue(claims.isContested(id(c[2])) && claims.isContested(id(c[3])));
        vm.assertFalse(claims.isContested(id(c[1])));
        fall(rivalOf(c[2], c[1], "rival"));
        vm.assertTrue(claims.isFinal(id(c[2])) && claims.isFinal(id(c[3])));
        vm.assertFalse(claims.isFinal(id(rivalOf(c[2], c[1], "rival"))));
    }

    function test_what_stands_on_a_claim_that_fell_is_dead() external {
        ClaimPreimage[4] memory c;
        for (uint64 i; i < 4; ++i) {
            _at(2 + 2 * i);
            c[i] = _signed(2);
        }
        ClaimPreimage memory right = rivalOf(c[1], c[0], "right");
        oppose(RIVAL, right, c[0], c[1]);
        fall(c[1]);
        vm.assertTrue(claims.claim(id(c[1])).fate == Fate.Lost);
        // Not by itself.
        vm.assertTrue(claims.claim(id(c[2])).fate == Fate.Stands);
        _at(100);
        for (uint256 i = 1; i < 4; ++i) {
            vm.assertFalse(claims.isFinal(id(c[i])) || claims.isOpen(id(c[i])) || claims.isLive(id(c[i]), uint64(i + 1)));
        }
        vm.assertTrue(claims.isFinal(id(right)));
        // Nobody builds on it, not even the one seat that has not signed;
        head = c[3];
        Post memory post = honest(1);
        certifyAlone(post, 3);
        vm.deal(POSTER, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(IClaims.ParentNotLive.selector, id(c[3])));
        vm.prank(POSTER, POSTER);
        inbox.postBatch(post.statement, post.parent, post.leftSiblings, post.signers, post.signatures, post.data);
        // anyone claims the batches behind it anew, and the seats go on from there.
        ClaimPreimage memory third = rivalOf(c[2], right, "third");
        ClaimPreimage memory fourth = rivalOf(c[3], third, "fourth");
        bondAs(RIVAL, third, right);
        bondAs(RIVAL, fourth, third);
        head = fourth;
        post = honest(1);
        certifyAlone(post, 3);
        succeed(post);
        pass(30);
        vm.assertTrue(claims.isFinal(id(head)));
    }

    function test_of_many_rivals_one_is_left_at_last() external {
        _at(2);
        ClaimPreimage memory signed = _signed(1);
        ClaimPreimage[5] memory rivals;
        for (uint256 i; i < 5; ++i) {
            rivals[i] = rivalOf(signed, _genesis, bytes32(i + 1));
            oppose(address(uint160(100 + i)), rivals[i], _genesis, signed);
        }
        _at(50);
        for (uint256 i; i < 4; ++i) {
            vm.assertFalse(claims.isFinal(id(rivals[4])));
            fall(rivals[i]);
        }
        vm.assertFalse(claims.isFinal(id(signed)) || claims.isFinal(id(rivals[4])));
        fall(signed);
        vm.assertTrue(claims.isFinal(id(rivals[4])));
    }

    function test_when_all_have_fallen_the_next_one_is_as_the_first() external {
        _at(2);
        ClaimPreimage memory signed = _signed(1);
        ClaimPreimage memory rival = rivalOf(signed, _genesis, "rival");
        oppose(RIVAL, rival, _genesis, signed);
        fall(signed);
        fall(rival);
        _at(500);
        ClaimPreimage memory right = rivalOf(signed, _genesis, "right");
        bondAs(OTHER, right, _genesis);
        _at(529);
        vm.assertFalse(claims.isFinal(id(right)));
        bondAs(address(0x3333), rivalOf(signed, _genesis, "late"), _genesis);
        _at(530);
        vm.assertFalse(claims.isFinal(id(right)));
        fall(rivalOf(signed, _genesis, "late"));
        vm.assertTrue(claims.isFinal(id(right)));
    }

    function test_a_claim_that_ends_without_a_block_is_never_final() external {
        _at(2);
        ClaimPreimage memory signed = _signed(2);
        bytes32[] memory hashes = new bytes32[](2);
        hashes[0] = "only";
        ClaimPreimage memory none_ = claimAfter(_genesis, hashes);
        oppose(RIVAL, none_, _genesis, signed);
        fall(signed);
        _at(500);
        vm.assertFalse(claims.isFinal(id(none_)) || claims.isLive(id(none_), 1));
        // Nor does anything stand on it: what is left is the escape.
        vm.prank(address(bridge));
        inbox.end(id(_genesis));
    }

    /// Rivals at many batches, decided in any order: what is final is what the tree of claims says, walked from claim to claim.
    function testFuzz_finality_is_that_of_the_tree(uint256 seed) external {
        parameters.challengePeriod = 10_000;
        parameters.unbonding = 200_000;
        parameters.escapeDelay = 100_000;
        deploy(4);
        head = _genesis;
        delete _all;
        _all.push(Known(head, 0, false, type(uint256).max));
        for (uint256 i; i < 6; ++i) {
            pass(2);
            _signed(1);
            _all.push(Known(head, uint40(block.timestamp), false, i));
        }
        for (uint256 i; i < 14; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 parent = seed % _all.length;
            if (_isDead(parent) || _all[parent].claim.batchIndex == 6) continue;
            ClaimPreimage memory claim = claimAfter(_all[parent].claim, bytes32(seed));
            Posting memory p = posting(claim, _all[parent].claim);
            for (uint256 k = 1; k < 7; ++k) {
                if (_all[k].parent == parent) p.first = _all[k].claim;
            }
            bondWith(address(uint160(100 + i)), claim, p);
            _all.push(Known(claim, uint40(block.timestamp), false, parent));
        }
        pass(10_000);
        for (uint256 i; i < 12; ++i) {
            _compare();
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 k = 1 + seed % (_all.length - 1);
            // Only what has a rival falls.
            if (_isDead(k) || _standing(_all[k].parent) < 2) continue;
            _all[k].fallen = true;
            fall(_all[k].claim);
        }
        _compare();
    }

    struct Known {
        ClaimPreimage claim;
        uint40 postedAt;
        bool fallen;
        uint256 parent;
    }

    Known[] private _all;

    function _isDead(uint256 k) private view returns (bool) {
        for (; k != 0; k = _all[k].parent) {
            if (_all[k].fallen) return true;
        }
        return false;
    }

    function _standing(uint256 parent) private view returns (uint256 count) {
        for (uint256 k = 1; k < _all.length; ++k) {
            if (_all[k].parent == parent && !_all[k].fallen) ++count;
        }
    }

    function _compare() private view {
        for (uint256 i = 1; i < _all.length; ++i) {
            bool decided = true;
            for (uint256 k = i; k != 0; k = _all[k].parent) {
                if (_standing(_all[k].parent) != 1) decided = false;
            }
            bytes32 claimId = id(_all[i].claim);
            vm.assertTrue(claims.isLive(claimId, _all[i].claim.batchIndex) == !_isDead(i));
            vm.assertTrue(claims.isFinal(claimId) == (!_isDead(i) && decided));
            vm.assertTrue(claims.isContested(claimId) == (!_isDead(i) && !decided));
        }
    }
}
