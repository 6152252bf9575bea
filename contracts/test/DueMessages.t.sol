// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Fixture, Post} from "./lib/Fixture.sol";

/// @notice One message has at most an eighth of a block, so that due ones never stand in the way of a batch.
contract DueMessagesTest is Fixture {
    function setUp() external {
        deploy(4);
        pass(6);
    }

    function _encoded(Post memory post) private view returns (bytes memory) {
        return abi.encodeCall(
            inbox.postBatch, (post.statement, post.parent, post.leftSiblings, post.signers, post.signatures, post.data)
        );
    }

    /// Messages that are due, small and large in turn: whatever the number of blocks, some count must be postable.
    function test_due_messages_never_make_a_batch_impossible() external {
        vm.deal(address(this), 1000 ether);
        for (uint256 i; i < 20; ++i) {
            bridge.depositTransaction{value: 1 ether}(address(1), 0, i % 2 == 0 ? 100_000 : parameters.messages.maxGas, "");
        }
        pass(parameters.forceDelay + 2);
        for (uint256 blocks = 1; blocks < 4; ++blocks) {
            uint256 possible;
            for (uint64 count; count <= 20; ++count) {
                uint256 before = vm.snapshotState();
                Post memory post = honest(blocks);
                post.statement.messageCount = count;
                post.statement.messageAcc = inbox.accumulator(count);
                certify(post);
                vm.prank(POSTER, POSTER);
                (bool ok,) = address(inbox).call(_encoded(post));
                if (ok) ++possible;
                vm.revertToState(before);
            }
            vm.assertTrue(possible != 0, vm.toString(blocks));
        }
    }
}
