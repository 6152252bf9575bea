// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Predeploys} from "../../src/l2/Predeploys.sol";
import {L2Test} from "./L2Test.sol";

/// @notice What these tests run is what the genesis has: code without constructor and immutable values.
contract GenesisTest is L2Test {
    function test_each_predeploy_of_these_tests_has_the_code_of_the_golden_genesis() public view {
        string memory json = vm.readFile("vectors/l2-genesis.json");
        address[11] memory predeploys = [
            Predeploys.WETH,
            Predeploys.L2_CROSS_DOMAIN_MESSENGER,
            Predeploys.GAS_PRICE_ORACLE,
            Predeploys.L2_STANDARD_BRIDGE,
            Predeploys.SEQUENCER_FEE_VAULT,
            Predeploys.OPTIMISM_MINTABLE_ERC20_FACTORY,
            Predeploys.L1_BLOCK,
            Predeploys.L2_TO_L1_MESSAGE_PASSER,
            Predeploys.BASE_FEE_VAULT,
            Predeploys.L1_FEE_VAULT,
            Predeploys.OPERATOR_FEE_VAULT
        ];
        for (uint256 i; i < predeploys.length; i++) {
            string memory account = string.concat("$.accounts.", lower(predeploys[i]));
            vm.assertEq(vm.parseJsonBytes32(json, string.concat(account, ".codeHash")), predeploys[i].codehash);
            vm.assertEq(vm.parseJsonUint(json, string.concat(account, ".balance")), 0);
        }
    }

    function lower(address a) internal pure returns (string memory) {
        bytes memory text = new bytes(42);
        text[0] = "0";
        text[1] = "x";
        bytes16 digits = "0123456789abcdef";
        for (uint256 i; i < 40; i++) {
            text[41 - i] = digits[uint160(a) >> (4 * i) & 15];
        }
        return string(text);
    }
}
