// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IL1FeeVault} from "../../src/l2/IFeeVault.sol";
import {L1FeeVault} from "../../src/l2/L1FeeVault.sol";
import {Predeploys} from "../../src/l2/Predeploys.sol";
import {L2Test} from "./L2Test.sol";

/// Takes all gas it gets, then fails.
contract GasBurner {
    receive() external payable {
        while (true) {}
    }
}

/// Reverts with as much data as its gas buys.
contract LoudRefuser {
    receive() external payable {
        assembly {
            revert(0, 50000)
        }
    }
}

/// Tries to be paid twice.
contract Reenterer {
    receive() external payable {
        L1FeeVault(payable(msg.sender)).reimburse(0, 0, 0, 0, 0, 0, address(this), 1);
    }
}

contract L1FeeVaultTest is L2Test {
    /// Gas of an `L1Info` message less the most that the transaction itself can cost (all calldata non-zero).
    uint256 internal constant MESSAGE_GAS = 100_000 - 21_000 - 260 * 16;

    function reimburse(address recipient, uint256 amount) internal {
        vm.prank(Predeploys.DEPOSITOR);
        l1FeeVault.reimburse{gas: MESSAGE_GAS}(7, 8, "hash", "randao", 9, 10, recipient, amount);
    }

    function testFuzz_pays_what_is_owed_or_all_there_is(uint96 balance, uint96 amount) public {
        vm.deal(address(l1FeeVault), balance);
        uint256 paid = amount < balance ? amount : balance;
        if (amount != 0) {
            vm.expectEmit(true, true, false, true, address(l1FeeVault));
            emit IL1FeeVault.Reimbursed(7, BOB, amount, paid);
        }
        reimburse(BOB, amount);
        vm.assertEq(BOB.balance, paid);
        vm.assertEq(address(l1FeeVault).balance, balance - paid);
        vm.assertEq(l1FeeVault.totalProcessed(), paid);
    }

    function test_a_recipient_that_does_not_take_the_ether_leaves_it_there_and_stops_nothing() public {
        address[4] memory refusers =
            [address(new GasBurner()), address(new LoudRefuser()), address(new Reenterer()), address(this)];
        vm.deal(address(l1FeeVault), 1 ether);
        for (uint256 i; i < refusers.length; i++) {
            vm.expectEmit(true, true, false, true, address(l1FeeVault));
            emit IL1FeeVault.Reimbursed(7, refusers[i], 1 gwei, 0);
            reimburse(refusers[i], 1 gwei);
        }
        vm.assertEq(address(l1FeeVault).balance, 1 ether);
        vm.assertEq(l1FeeVault.totalProcessed(), 0);
        reimburse(BOB, 1 gwei);
        vm.assertEq(BOB.balance, 1 gwei);
    }

    function test_a_poke_pays_nobody() public {
        vm.deal(address(l1FeeVault), 1 ether);
        reimburse(address(0), 0);
        reimburse(address(0), 5);
        reimburse(BOB, 0);
        vm.assertEq(address(l1FeeVault).balance, 1 ether);
    }

    function testFuzz_nobody_but_the_depositor_may_call(address stranger) public {
        vm.assume(stranger != Predeploys.DEPOSITOR);
        vm.deal(address(l1FeeVault), 1 ether);
        vm.prank(stranger);
        vm.expectRevert(IL1FeeVault.NotDepositor.selector);
        l1FeeVault.reimburse(1, 2, "", "", 3, 4, stranger, 5);
    }

    function test_no_call_takes_ether_out_of_the_other_vaults() public {
        string[4] memory calls = [
            "withdraw()",
            "withdraw(uint256)",
            "setRecipient(address)",
            "reimburse(uint64,uint64,bytes32,bytes32,uint256,uint256,address,uint256)"
        ];
        address[3] memory vaults =
            [Predeploys.BASE_FEE_VAULT, Predeploys.SEQUENCER_FEE_VAULT, Predeploys.OPERATOR_FEE_VAULT];
        for (uint256 v; v < vaults.length; v++) {
            (bool taken,) = vaults[v].call{value: 1 wei}("");
            vm.assertTrue(taken, "vaults take ether");
            for (uint256 i; i < calls.length; i++) {
                vm.prank(Predeploys.DEPOSITOR);
                (bool done,) = vaults[v].call(abi.encodePacked(bytes4(keccak256(bytes(calls[i]))), new bytes(256)));
                vm.assertFalse(done);
            }
            vm.assertEq(vaults[v].balance, 1);
        }
    }
}
