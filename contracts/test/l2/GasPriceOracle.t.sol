// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {LibZip} from "solady/utils/LibZip.sol";

import {FjordCost} from "../../src/l2/FjordCost.sol";
import {IGasPriceOracle} from "../../src/l2/IGasPriceOracle.sol";
import {L2Test} from "./L2Test.sol";

contract GasPriceOracleTest is L2Test {
    struct Fees {
        uint256 baseFee;
        uint256 baseFeeScalar;
        uint256 blobBaseFee;
        uint256 blobBaseFeeScalar;
        uint256 operatorFeeScalar;
        uint256 operatorFeeConstant;
    }

    /// As the system transaction would leave them.
    function store(Fees memory f) internal {
        vm.store(address(l1Block), bytes32(uint256(1)), bytes32(f.baseFee));
        vm.store(address(l1Block), bytes32(uint256(3)), bytes32(f.baseFeeScalar << 96 | f.blobBaseFeeScalar << 64));
        vm.store(address(l1Block), bytes32(uint256(7)), bytes32(f.blobBaseFee));
        vm.store(address(l1Block), bytes32(uint256(8)), bytes32(f.operatorFeeScalar << 64 | f.operatorFeeConstant));
    }

    function number(string memory json, string memory entry, string memory key) internal pure returns (uint256) {
        return vm.parseJsonUint(json, string.concat(entry, key));
    }

    function test_size_and_fees_are_those_that_execution_charges() public {
        string memory json = vm.readFile("vectors/l1-fee.json");
        uint256 count;
        for (
            string memory entry = "$[0]";
            vm.keyExistsJson(json, entry);
            entry = string.concat("$[", vm.toString(count), "]")
        ) {
            count++;
            bytes memory data = vm.parseJsonBytes(json, string.concat(entry, ".data"));
            string memory what = vm.parseJsonString(json, string.concat(entry, ".what"));
            Fees memory f = Fees({
                baseFee: number(json, entry, ".baseFee"),
                baseFeeScalar: number(json, entry, ".baseFeeScalar"),
                blobBaseFee: number(json, entry, ".blobBaseFee"),
                blobBaseFeeScalar: number(json, entry, ".blobBaseFeeScalar"),
                operatorFeeScalar: number(json, entry, ".operatorFeeScalar"),
                operatorFeeConstant: number(json, entry, ".operatorFeeConstant")
            });
            store(f);
            uint256 fastLz = LibZip.flzCompress(data).length;
            vm.assertEq(FjordCost.estimatedSize(fastLz), number(json, entry, ".estimatedSize"), what);
            vm.assertEq(_fee(fastLz, f), number(json, entry, ".l1Fee"), what);
            uint256 gas = number(json, entry, ".gasLimit");
            vm.assertEq(oracle.getOperatorFee(gas), number(json, entry, ".operatorFee"), what);
            // The oracle takes the bytes for unsigned: 68 more.
            vm.assertEq(oracle.getL1Fee(data), _fee(fastLz + 68, f), what);
            vm.assertEq(oracle.getL1GasUsed(data), FjordCost.estimatedSize(fastLz + 68) * 16 / 1e6, what);
        }
        vm.assertEq(count, 14);
    }

    function _fee(uint256 fastLz, Fees memory f) private pure returns (uint256) {
        return FjordCost.fee(fastLz, f.baseFee, f.baseFeeScalar, f.blobBaseFee, f.blobBaseFeeScalar);
    }

    function testFuzz_the_upper_bound_is_one(bytes memory data) public {
        store(Fees(1 gwei, 5_227, 1 gwei, 1_014_213, 0, 0));
        vm.assertLe(oracle.getL1Fee(data), oracle.getL1FeeUpperBound(data.length), "bound");
    }

    function test_the_upper_bound_holds_for_noise() public {
        store(Fees(1 gwei, 5_227, 1 gwei, 1_014_213, 0, 0));
        bytes memory data;
        bytes32 word;
        for (uint256 i; i < 200; i++) {
            word = keccak256(abi.encode(word));
            data = abi.encodePacked(data, word);
        }
        vm.assertLe(oracle.getL1Fee(data), oracle.getL1FeeUpperBound(data.length), "bound");
    }

    function test_reads_are_those_of_L1Block_and_of_this_block() public {
        store(Fees(11, 22, 33, 44, 0, 0));
        vm.fee(55);
        vm.assertEq(oracle.l1BaseFee(), 11);
        vm.assertEq(oracle.baseFeeScalar(), 22);
        vm.assertEq(oracle.blobBaseFee(), 33);
        vm.assertEq(oracle.blobBaseFeeScalar(), 44);
        vm.assertEq(oracle.baseFee(), 55);
        vm.assertEq(oracle.gasPrice(), 55);
        vm.assertEq(oracle.decimals(), 6);
        vm.assertEq(oracle.DECIMALS(), 6);
        vm.assertTrue(oracle.isEcotone() && oracle.isFjord() && oracle.isIsthmus() && oracle.isJovian());
    }

    function test_functions_without_meaning_since_Ecotone_revert() public {
        vm.expectRevert(IGasPriceOracle.Deprecated.selector);
        oracle.overhead();
        vm.expectRevert(IGasPriceOracle.Deprecated.selector);
        oracle.scalar();
    }
}
