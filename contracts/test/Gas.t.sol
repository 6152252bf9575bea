// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Fixture, Post} from "./lib/Fixture.sol";

/// @notice What things cost, each as a transaction of its own (`isolate`), in the steady state of a chain with one batch of
/// 30 blocks after the other. The figures are kept in `snapshots/Gas.json`. Foundry sends no blobs that way, so the batches
/// here are without data: a blob's hash adds some 200 gas.
/// forge-config: default.isolate = true
contract GasTest is Fixture {
    function _steady(uint256 seats) private {
        deploy(seats);
        withoutData = true;
        // The ring of messages has been round once.
        for (uint256 i; i < 256; ++i) {
            pass(2);
            inbox.poke();
            if (i % 100 == 99) succeed(honest(30));
        }
        succeed(honest(30));
        pass(6);
    }

    function test_a_batch_of_4_seats_costs_less_than_150000() external {
        _steady(4);
        succeed(honest(30));
        vm.assertLt(vm.snapshotGasLastCall("postBatch, 4 seats"), 150_000, "gas");
    }

    function test_a_batch_of_64_seats_costs_less_than_350000() external {
        _steady(64);
        succeed(honest(30));
        vm.assertLt(vm.snapshotGasLastCall("postBatch, 64 seats"), 350_000, "gas");
    }

    function test_the_others() external {
        _steady(4);
        inbox.poke();
        vm.snapshotGasLastCall("poke");
        vm.deal(POSTER, 10 ether);
        vm.prank(POSTER, POSTER);
        bridge.depositTransaction{value: 1 ether}(POSTER, 0.9 ether, 100_000, "");
        vm.snapshotGasLastCall("depositTransaction");
        vm.prank(POSTER, POSTER);
        (bool ok,) = address(bridge).call{value: 1 ether}("");
        vm.snapshotGasLastCall("deposit by plain transfer");
        vm.assertTrue(ok);
        register(4);
        vm.snapshotGasLastCall("register a seat");
        pass(70);
        registry.sealCommittee();
        vm.snapshotGasLastCall("seal a committee of 5");
    }
}
