// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SequencerRegistry} from "../../src/bonding/SequencerRegistry.sol";
import {Dispute} from "../../src/dispute/Dispute.sol";
import {Question} from "../../src/dispute/IDispute.sol";
import {ProtocolParameters} from "../../src/lib/Parameters.sol";
import {PaddedTree, Tree} from "./PaddedTree.sol";
import {ParametersFile} from "./ParametersFile.sol";
import {Rivals} from "./Rivals.sol";
import {Trace} from "./Trace.sol";

/// @notice What disputes are about: a batch of five blocks, of which the fourth is argued about, and whose program is that of
/// `Trace`; with the right claims of all levels.
abstract contract DisputeWorld is Trace, ParametersFile {
    uint256 internal constant BLOCK = 3;
    address internal constant HONEST = address(0x1111);

    Rivals internal rivals;
    Dispute internal dispute;
    Question internal question = Question(keccak256("statement"), keccak256("before"), 31);
    uint40 internal clock;
    uint256 internal bond;
    bytes32 internal inputHash;
    Tree internal rightBlocks;
    Tree internal rightStretches;
    Tree internal rightSteps;

    function deploy() internal {
        vm.fee(1 gwei);
        vm.txGasPrice(2 gwei);
        ProtocolParameters memory p = profile("production");
        rivals = new Rivals();
        SequencerRegistry registry = new SequencerRegistry(p, address(1), address(2));
        (clock, bond) = (uint40(p.challengePeriod), p.claimBond);
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
    }

    /// The blocks with other hashes from the one that is argued about on.
    function otherBlocks(bytes32 hash, bytes32 next) internal view returns (Tree memory t) {
        t = rightBlocks;
        (t.values[BLOCK], t.values[BLOCK + 1]) = (hash, next);
    }
}
