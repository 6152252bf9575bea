// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Match} from "../src/dispute/IDispute.sol";
import {Selection} from "../src/dispute/Openings.sol";
import {Disputed} from "./lib/Disputed.sol";
import {PaddedTree, Tree} from "./lib/PaddedTree.sol";

/// @notice What a whole game costs, each move as a transaction of its own (`isolate`): a wrong claim about a batch of 1,500
/// blocks, of which it has one wrong in the middle; a stretch in the middle of the block; a step in the middle of the
/// stretch. All nodes beside the way are others, so every move has all the call data that it can have.
/// forge-config: default.isolate = true
contract DisputeGasTest is Disputed {
    using PaddedTree for Tree;

    /// A transaction may use 2^24 gas (EIP-7825); half of that is plenty.
    uint256 private constant MOST = 1 << 23;
    /// The goal for a whole game, both sides together.
    uint256 private constant GAME = 4_000_000;

    uint256 private _sum;

    function _note(string memory name) private {
        uint256 gas_ = vm.snapshotGasLastCall(name);
        vm.assertLt(gas_, MOST, name);
        _sum += gas_;
    }

    function _moves(bytes32 first, bytes32 second, Tree memory a, Tree memory b, string memory level) private {
        for (uint256 n = 1; !dispute.matchOf(first, second).divided; ++n) {
            vm.warp(block.timestamp + 60);
            move(first, second, a, b);
            _note(string.concat(level, ", move ", vm.toString(n)));
        }
    }

    function test_a_whole_game_costs_less_than_4000000() external {
        Tree memory wrong = otherBlocks(WRONG_BLOCK, keccak256("next"));
        enter(RIGHT, rightBlocks, address(0));
        _note("first claim about a batch");
        vm.warp(block.timestamp + 60);
        enter(WRONG, wrong, LIAR);
        _note("another claim about a batch");
        _moves(RIGHT, WRONG, rightBlocks, wrong, "blocks");
        bytes32 contestId = dispute.matchId(RIGHT, WRONG);
        Tree memory liesOfStretches = lieFrom(rightStretches, 555_555, endOf(contestId, 1));
        bytes32 a = make(contestId, 0, rightStretches, HONEST);
        _note("claim of stretches");
        bytes32 b = make(contestId, 1, liesOfStretches, LIAR);
        _note("another claim of stretches");
        _moves(a, b, rightStretches, liesOfStretches, "stretches");
        contestId = dispute.matchId(a, b);
        Tree memory right = PaddedTree.still(states[states.length - 1], 20);
        Tree memory lies = lieFrom(right, 777_777, endOf(contestId, 1));
        a = make(contestId, 0, right, HONEST);
        _note("claim of steps");
        b = make(contestId, 1, lies, LIAR);
        _note("another claim of steps");
        _moves(a, b, right, lies, "steps");
        dispute.step(a, b, abi.encodePacked(uint8(1), uint64(0), output));
        _note("step of a machine that has ended");
        vm.assertTrue(dispute.claim(b).fallen);
        // A step that runs is dearer (`StepGas`): at most this.
        _sum += 100_000;
        vm.snapshotValue("a whole game", _sum);
        vm.assertLt(_sum, GAME, "game");
    }
}
