// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IMessageQueue} from "../src/rollup/IMessageQueue.sol";
import {Fixture, Post} from "./lib/Fixture.sol";
import {Vm} from "./lib/Test.sol";

/// @notice Carries a post to the inbox with call data that nobody paid for behind it.
contract Padder {
    function carry(address inbox, bytes calldata post, uint256 padding) external {
        bytes memory call_ = bytes.concat(post, new bytes(padding));
        (bool ok,) = inbox.call(call_);
        require(ok);
    }
}

/// @notice What L2 repays depends on what a post needs, not on what its poster adds.
contract PaddingTest is Fixture {
    function setUp() external {
        deploy(4);
        pass(6);
    }

    function _repaid() private returns (uint256 amount) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] != IMessageQueue.MessageSent.selector) continue;
            (,,,,,,,, bytes memory data,) = abi.decode(
                logs[i].data, (uint8, uint64, uint64, address, address, uint256, uint256, uint64, bytes, bytes32)
            );
            // The last argument of `reimburse`.
            assembly ("memory-safe") {
                amount := mload(add(data, mload(data)))
            }
        }
    }

    function _encoded(Post memory post) private view returns (bytes memory) {
        return abi.encodeCall(
            inbox.postBatch, (post.statement, post.parent, post.leftSiblings, post.signers, post.signatures, post.data)
        );
    }

    function test_padding_is_not_repaid() external {
        // Foundry's blob base fee would hide everything else.
        withoutData = true;
        Post memory post = honest(10);
        Padder padder = new Padder();
        bytes memory call_ = _encoded(post);
        uint256 before = vm.snapshotState();
        vm.recordLogs();
        succeed(post);
        uint256 plain = _repaid();
        vm.revertToState(before);
        vm.recordLogs();
        vm.prank(POSTER, POSTER);
        padder.carry(address(inbox), call_, 500_000);
        uint256 padded = _repaid();
        vm.assertGt(plain, 0, "plain");
        vm.assertLe(padded, plain + plain / 10, "the same post, the same repayment");
    }
}
