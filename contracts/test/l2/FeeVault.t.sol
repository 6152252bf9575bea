// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {FeeVault} from "../../src/l2/FeeVault.sol";
import {IFeeVault} from "../../src/l2/IFeeVault.sol";
import {Predeploys} from "../../src/l2/Predeploys.sol";
import {L2Test} from "./L2Test.sol";

contract FeeVaultTest is L2Test {
    function testFuzz_anyone_sends_all_but_the_reserve_to_the_split(uint96 balance, address caller) public {
        address payable[4] memory vaults = feeVaults();
        for (uint256 i; i < vaults.length; ++i) {
            FeeVault vault = FeeVault(vaults[i]);
            uint256 kept = vault.reserve();
            vm.assertEq(kept, address(vault) == Predeploys.L1_FEE_VAULT ? 5 ether : 0);
            vm.deal(address(vault), balance);
            uint256 value = balance > kept ? balance - kept : 0;
            uint256 least = vault.minWithdrawalAmount();
            uint256 passed = address(passer).balance;
            vm.prank(caller);
            if (value < least) {
                vm.expectRevert(abi.encodeWithSelector(IFeeVault.TooLittle.selector, value, least));
                vault.withdraw();
                continue;
            }
            vm.recordLogs();
            vm.assertEq(vault.withdraw(), value);
            Withdrawal memory w = loggedWithdrawal();
            vm.assertEq(w.sender, address(vault));
            vm.assertEq(w.target, FEE_SPLIT);
            vm.assertEq(w.value, value);
            vm.assertEq(w.data.length, 0);
            vm.assertEq(address(vault).balance, balance - value);
            vm.assertEq(address(passer).balance, passed + value);
            vm.assertEq(vault.totalWithdrawn(), value);
        }
    }

    function test_a_chain_without_a_split_keeps_its_fees() public {
        setFeeSplit(address(0));
        vm.deal(address(baseFeeVault), 1 ether);
        vm.expectRevert(IFeeVault.NoRecipient.selector);
        baseFeeVault.withdraw();
        vm.assertEq(address(baseFeeVault).balance, 1 ether);
    }
}
