// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Match} from "../../src/dispute/IDispute.sol";
import {Selection} from "../../src/dispute/Openings.sol";
import {DisputeWorld} from "./DisputeWorld.sol";
import {PaddedTree, Tree} from "./PaddedTree.sol";

/// @notice Disputes about the batch of `DisputeWorld`. The right claim is the signers' (`RIGHT`), the wrong one a party's
/// (`WRONG`), unless a test says otherwise.
abstract contract Disputed is DisputeWorld {
    using PaddedTree for Tree;

    bytes32 internal constant PARENT = keccak256("parent");
    bytes32 internal constant RIGHT = keccak256("right claim");
    bytes32 internal constant WRONG = keccak256("wrong claim");
    address internal constant LIAR = address(0x2222);
    address internal constant ACCOMPLICE = address(0x3333);
    address internal constant OTHER = address(0x4444);
    bytes32 internal constant WRONG_BLOCK = keccak256("wrong block");

    function setUp() public virtual {
        vm.warp(1_800_000_000);
        deploy();
        join(HONEST);
        join(LIAR);
        join(ACCOMPLICE);
        join(OTHER);
    }

    function join(address who) internal {
        vm.deal(who, bond);
        vm.prank(who);
        dispute.join{value: bond}();
    }

    // Claims and moves

    function enter(bytes32 id, Tree memory t, address party) internal {
        enterAbout(PARENT, id, t, party);
    }

    /// About another batch.
    function enterAbout(bytes32 parent, bytes32 id, Tree memory t, address party) internal {
        rivals.post(id, parent, t.root(), party, question, t.children(15, 0));
    }

    /// The right claim by signers, and a minute later the wrong one.
    function begin() internal returns (Tree memory wrong) {
        wrong = otherBlocks(WRONG_BLOCK, keccak256("next"));
        enter(RIGHT, rightBlocks, address(0));
        vm.warp(block.timestamp + 60);
        enter(WRONG, wrong, LIAR);
    }

    /// One move of a match for whichever side it is the turn of.
    function move(bytes32 first, bytes32 second, Tree memory a, Tree memory b) internal {
        Match memory m = dispute.matchOf(first, second);
        (Tree memory mine, Tree memory theirs) = m.turn == 0 ? (a, b) : (b, a);
        Selection memory s = PaddedTree.select(mine, theirs, m.height, m.index);
        uint256 place = 32 * uint256(m.index) + s.child;
        vm.prank(m.turn == 0 ? HONEST : LIAR);
        if (m.height > 5) {
            dispute.move(first, second, s, mine.children(m.height - 5, place));
        } else if (place == 0) {
            dispute.divide(first, second, s, 0, new bytes32[](0));
        } else {
            dispute.divide(first, second, s, mine.value(place - 1), mine.path(place - 1));
        }
    }

    /// All moves of a match, each a minute after the one before; the contest's id.
    function play(bytes32 first, bytes32 second, Tree memory a, Tree memory b) internal returns (bytes32) {
        for (uint256 height = a.depth; height != 0; height -= 5) {
            vm.warp(block.timestamp + 60);
            move(first, second, a, b);
        }
        vm.assertTrue(dispute.matchOf(first, second).divided);
        return dispute.matchId(first, second);
    }

    function make(bytes32 contestId, uint8 side, Tree memory t, address party) internal returns (bytes32) {
        bytes32 root = t.root();
        bytes32[] memory path = t.path((1 << 20) - 1);
        bytes32[32] memory children = t.children(20, 0);
        vm.prank(party);
        return dispute.make(contestId, side, root, "", path, children);
    }

    /// A claim of stretches or steps that is right up to a place, and ends as its side must.
    function lieFrom(Tree memory right, uint256 from, bytes32 end) internal pure returns (Tree memory) {
        return right.lie(from, keccak256(abi.encode("lie", from)), end);
    }

    function endOf(bytes32 contestId, uint256 side) internal view returns (bytes32) {
        return dispute.contest(contestId).ends[side];
    }

    /// The contest about the block, with a right claim of the first side and a lie of the second that begins at a stretch.
    function stretchClaims(uint256 from) internal returns (bytes32 a, bytes32 b, Tree memory lie) {
        bytes32 contestId = play(RIGHT, WRONG, rightBlocks, begin());
        lie = lieFrom(rightStretches, from, endOf(contestId, 1));
        a = make(contestId, 0, rightStretches, HONEST);
        b = make(contestId, 1, lie, LIAR);
    }

    /// The contest about the first stretch, where the lie begins, with a right claim and one that lies from a step on; and the
    /// wrong claim above.
    function stepClaims(uint256 from)
        internal
        returns (bytes32 above, bytes32 right, bytes32 wrong, Tree memory steps)
    {
        (bytes32 a, bytes32 b, Tree memory stretches) = stretchClaims(0);
        bytes32 contestId = play(a, b, rightStretches, stretches);
        steps = lieFrom(rightSteps, from, endOf(contestId, 1));
        right = make(contestId, 0, rightSteps, HONEST);
        wrong = make(contestId, 1, steps, LIAR);
        above = b;
    }
}
