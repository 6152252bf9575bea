// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Dispute} from "../../src/dispute/Dispute.sol";
import {IRivals, Question} from "../../src/dispute/IDispute.sol";

/// @notice Stands for the contract of claims: it takes what it is given, and remembers what fell and what is decided.
contract Rivals is IRivals {
    Dispute public dispute;
    mapping(bytes32 id => bool) public closed;
    mapping(bytes32 parent => bool) private _begun;

    function set(Dispute dispute_) external {
        dispute = dispute_;
    }

    /// The first with a parent is the one that is disputed.
    function post(
        bytes32 id,
        bytes32 parent,
        bytes32 root,
        address party,
        Question calldata question,
        bytes32[32] calldata children
    ) external {
        if (_begun[parent]) return dispute.enter(id, parent, root, party, children);
        _begun[parent] = true;
        dispute.begin(id, parent, root, party, uint40(block.timestamp), question);
    }

    /// As when it becomes final.
    function close(bytes32 id) external {
        closed[id] = true;
    }

    function isOpen(bytes32 id) external view returns (bool) {
        return !closed[id];
    }

    function fall(bytes32 id, bytes32, bool) external {
        require(msg.sender == address(dispute), "caller");
        closed[id] = true;
    }
}
