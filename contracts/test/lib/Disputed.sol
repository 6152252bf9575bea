// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SequencerRegistry} from "../../src/bonding/SequencerRegistry.sol";
import {Dispute} from "../../src/dispute/Dispute.sol";
import {Match, Question} from "../../src/dispute/IDispute.sol";
import {Selection} from "../../src/dispute/Openings.sol";
import {ProtocolParameters} from "../../src/lib/Parameters.sol";
import {PaddedTree, Tree} from "./PaddedTree.sol";
import {ParametersFile} from "./ParametersFile.sol";
import {Rivals} from "./Rivals.sol";
import {Trace} from "./Trace.sol";

/// @notice Disputes about a batch of five blocks, of which the fourth is argued about. Its program is that of `Trace`.
/// The right claim is the signers' (`right`), the wrong one a party's (`wrong`), unless a test says otherwise.
abstract contract Disputed is Trace, ParametersFile {
    using PaddedTree for Tree;

    uint256 internal constant BLOCK = 3;
    bytes32 internal constant PARENT = keccak256("parent");
    bytes32 internal constant RIGHT = keccak256("right claim");
    bytes32 internal constant WRONG = keccak256("wrong claim");
    address internal constant HONEST = address(0x1111);
    address internal constant LIAR = address(0x2222);
    address internal constant ACCOMPLICE = address(0x3333);
    address internal constant OTHER = address(0x4444);
    bytes32 internal constant WRONG_BLOCK = keccak256("wrong block");

    Rivals internal rivals;
    Dispute internal dispute;
    Question internal question = Question(keccak256("statement"), keccak256("before"), 31);
    uint40 internal clock;
    uint256 internal bond;
    bytes32 internal inputHash;
    Tree internal rightBlocks;
    Tree internal rightStretches;
    Tree internal rightSteps;

    function setUp() public virtual {
        vm.warp(1_800_000_000);
        vm.fee(1 gwei);
        vm.txGasPrice(2 gwei);
        ProtocolParameters memory p = profile("production");
        rivals = new Rivals();
        SequencerRegistry registry = new SequencerRegistry(p, address(1), address(2));
        clock = uint40(p.challengePeriod);
        bond = p.claimBond;

        bytes32[] memory hashes = new bytes32[](6);
        for (uint256 i; i < 5; ++i) {
            hashes[i] = keccak256(abi.encode("block", i));
        }
        rightBlocks = PaddedTree.tree(hashes, 15);
        bytes32 parameters = keccak256("parameters");
        inputHash =
            keccak256(abi.encode(parameters, question.statement, question.beforeBatch, 31 + BLOCK, hashes[BLOCK - 1]));
        bytes32 says = sha256(abi.encodePacked(inputHash, hashes[BLOCK]));
        load(says);
        run(inputHash, says);
        dispute = new Dispute(registry, address(rivals), riscv, parameters, node(DEPTH, 0), ENTRY);
        rivals.set(dispute);

        bytes32[] memory list = new bytes32[](states.length - 1);
        for (uint256 i; i < list.length; ++i) {
            list[i] = states[i + 1];
        }
        rightSteps = PaddedTree.tree(list, 20);
        rightStretches = PaddedTree.still(states[states.length - 1], 20);
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

    /// The blocks with other hashes from the one that is argued about on.
    function otherBlocks(bytes32 hash, bytes32 next) internal view returns (Tree memory t) {
        t = rightBlocks;
        t.values[BLOCK] = hash;
        t.values[BLOCK + 1] = next;
    }

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
}
