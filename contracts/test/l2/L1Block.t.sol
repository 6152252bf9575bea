// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IL1Block} from "../../src/l2/IL1Block.sol";
import {Predeploys} from "../../src/l2/Predeploys.sol";
import {L2Test} from "./L2Test.sol";

contract L1BlockTest is L2Test {
    struct Values {
        uint32 baseFeeScalar;
        uint32 blobBaseFeeScalar;
        uint64 sequenceNumber;
        uint64 timestamp;
        uint64 number;
        uint256 basefee;
        uint256 blobBaseFee;
        bytes32 hash;
        bytes32 batcherHash;
        uint32 operatorFeeScalar;
        uint64 operatorFeeConstant;
        uint16 daFootprintGasScalar;
        uint64 messageCount;
        bytes32 messageAcc;
    }

    function encode(Values memory v) internal pure returns (bytes memory) {
        bytes memory first = abi.encodePacked(
            IL1Block.setL1BlockValuesSurety.selector,
            v.baseFeeScalar,
            v.blobBaseFeeScalar,
            v.sequenceNumber,
            v.timestamp,
            v.number,
            v.basefee,
            v.blobBaseFee
        );
        bytes memory second =
            abi.encodePacked(v.hash, v.batcherHash, v.operatorFeeScalar, v.operatorFeeConstant, v.daFootprintGasScalar);
        return abi.encodePacked(first, second, v.messageCount, v.messageAcc);
    }

    function set(Values memory v) internal {
        vm.prank(Predeploys.DEPOSITOR);
        (bool done,) = address(l1Block).call(encode(v));
        vm.assertTrue(done, "set");
    }

    function testFuzz_what_the_system_transaction_packs_is_what_the_getters_say(Values memory before, Values memory v)
        public
    {
        set(before);
        set(v);
        vm.assertEq(l1Block.baseFeeScalar(), v.baseFeeScalar);
        vm.assertEq(l1Block.blobBaseFeeScalar(), v.blobBaseFeeScalar);
        vm.assertEq(l1Block.sequenceNumber(), v.sequenceNumber);
        vm.assertEq(l1Block.timestamp(), v.timestamp);
        vm.assertEq(l1Block.number(), v.number);
        vm.assertEq(l1Block.basefee(), v.basefee);
        vm.assertEq(l1Block.blobBaseFee(), v.blobBaseFee);
        vm.assertEq(l1Block.hash(), v.hash);
        vm.assertEq(l1Block.batcherHash(), v.batcherHash);
        vm.assertEq(l1Block.operatorFeeScalar(), v.operatorFeeScalar);
        vm.assertEq(l1Block.operatorFeeConstant(), v.operatorFeeConstant);
        vm.assertEq(l1Block.daFootprintGasScalar(), v.daFootprintGasScalar);
        vm.assertEq(l1Block.messageCount(), v.messageCount);
        vm.assertEq(l1Block.messageAcc(), v.messageAcc);
    }

    function testFuzz_each_value_lies_in_the_slot_that_execution_reads(Values memory v) public {
        set(v);
        uint256[11] memory slots = [
            uint256(v.timestamp) << 64 | v.number,
            v.basefee,
            uint256(v.hash),
            uint256(v.baseFeeScalar) << 96 | uint256(v.blobBaseFeeScalar) << 64 | v.sequenceNumber,
            uint256(v.batcherHash),
            0,
            0,
            v.blobBaseFee,
            uint256(v.daFootprintGasScalar) << 96 | uint256(v.operatorFeeScalar) << 64 | v.operatorFeeConstant,
            v.messageCount,
            uint256(v.messageAcc)
        ];
        for (uint256 i; i < slots.length; i++) {
            vm.assertEq(uint256(vm.load(address(l1Block), bytes32(i))), slots[i], vm.toString(i));
        }
    }

    function testFuzz_nobody_but_the_depositor_may_write(address stranger) public {
        vm.assume(stranger != Predeploys.DEPOSITOR);
        Values memory v;
        v.number = 1;
        bytes memory data = encode(v);
        vm.prank(stranger);
        (bool done, bytes memory reason) = address(l1Block).call(data);
        vm.assertFalse(done);
        vm.assertEq(reason, abi.encodeWithSelector(IL1Block.NotDepositor.selector));
        vm.assertEq(l1Block.number(), 0);
    }

    function test_calldata_of_another_length_change_nothing() public {
        Values memory v;
        v.number = 1;
        bytes memory data = encode(v);
        vm.assertEq(data.length, 218);
        bytes memory longer = abi.encodePacked(data, uint8(0));
        bytes memory shorter = encode(v);
        assembly ("memory-safe") {
            mstore(shorter, 217)
        }
        for (uint256 i; i < 2; i++) {
            vm.prank(Predeploys.DEPOSITOR);
            (bool done, bytes memory reason) = address(l1Block).call(i == 0 ? shorter : longer);
            vm.assertFalse(done);
            vm.assertEq(reason, abi.encodeWithSelector(IL1Block.WrongLength.selector, i == 0 ? 217 : 219));
        }
        vm.assertEq(l1Block.number(), 0);
    }

    function test_gas_is_paid_in_ether() public view {
        vm.assertFalse(l1Block.isCustomGasToken());
        (address token, uint8 decimals) = l1Block.gasPayingToken();
        vm.assertEq(token, Predeploys.ETHER);
        vm.assertEq(decimals, 18);
        vm.assertEq(l1Block.gasPayingTokenName(), "Ether");
        vm.assertEq(l1Block.gasPayingTokenSymbol(), "ETH");
        vm.assertEq(l1Block.DEPOSITOR_ACCOUNT(), Predeploys.DEPOSITOR);
    }
}
