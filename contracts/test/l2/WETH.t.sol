// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {WETH} from "../../src/l2/WETH.sol";
import {L2Test} from "./L2Test.sol";

contract WETHTest is L2Test {
    function test_ether_in_is_ether_out() public {
        vm.startPrank(ALICE);
        vm.expectEmit(true, false, false, true, address(weth));
        emit WETH.Deposit(ALICE, 3);
        weth.deposit{value: 3}();
        (bool taken,) = address(weth).call{value: 4}("");
        vm.assertTrue(taken, "plain transfer");
        (taken,) = address(weth).call{value: 5}("unknown function");
        vm.assertTrue(taken, "fallback");
        vm.assertEq(weth.balanceOf(ALICE), 12);
        vm.assertEq(weth.totalSupply(), 12);
        vm.expectEmit(true, false, false, true, address(weth));
        emit WETH.Withdrawal(ALICE, 12);
        weth.withdraw(12);
        vm.assertEq(ALICE.balance, 100 ether);
        vm.expectRevert(abi.encodeWithSelector(WETH.InsufficientBalance.selector, ALICE, 0, 1));
        weth.withdraw(1);
        vm.stopPrank();
    }

    function test_allowances_are_used_up_unless_they_are_the_largest() public {
        vm.startPrank(ALICE);
        weth.deposit{value: 10}();
        weth.approve(BOB, 6);
        vm.stopPrank();
        vm.startPrank(BOB);
        weth.transferFrom(ALICE, BOB, 4);
        vm.expectRevert(abi.encodeWithSelector(WETH.InsufficientAllowance.selector, BOB, 2, 3));
        weth.transferFrom(ALICE, BOB, 3);
        weth.transfer(ALICE, 1);
        vm.stopPrank();
        vm.prank(ALICE);
        weth.approve(BOB, type(uint256).max);
        vm.prank(BOB);
        weth.transferFrom(ALICE, BOB, 7);
        vm.assertEq(weth.allowance(ALICE, BOB), type(uint256).max);
        vm.assertEq(weth.balanceOf(BOB), 10);
        vm.assertEq(weth.balanceOf(ALICE), 0);
    }

    function testFuzz_transfers_keep_the_sum(uint96 a, uint96 b, uint96 moved, bool toSelf) public {
        vm.deal(ALICE, a);
        vm.deal(BOB, b);
        vm.prank(ALICE);
        weth.deposit{value: a}();
        vm.prank(BOB);
        weth.deposit{value: b}();
        moved = uint96(bound(moved, 0, a));
        vm.prank(ALICE);
        weth.transfer(toSelf ? ALICE : BOB, moved);
        vm.assertEq(weth.balanceOf(ALICE), toSelf ? a : a - moved);
        vm.assertEq(weth.balanceOf(BOB), toSelf ? b : uint256(b) + moved);
    }
}
