// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IPreimages} from "../src/dispute/IPreimages.sol";
import {Preimages} from "../src/dispute/Preimages.sol";
import {Element, Parts} from "./lib/Parts.sol";
import {Vm} from "./lib/Test.sol";

/// @notice What can be read, what cannot, and that it is what its key says.
contract PreimagesTest is Parts {
    uint256 private constant MAX_CHUNK = 24_575;
    uint256 private constant MODULUS = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001;

    Preimages private _preimages = new Preimages();

    function _is(uint64 kind, bytes32 key, uint64 index, uint256 length, bytes32 root) private view {
        (bool known, uint64 length_, bytes32 pageRoot) = _preimages.part(kind, key, index);
        vm.assertTrue(known, "known");
        vm.assertEq(length_, length, "length");
        vm.assertEq(pageRoot, root, "page");
    }

    function _isUnknown(uint64 kind, bytes32 key, uint64 index, uint256 length) private view {
        (bool known, uint64 length_, bytes32 pageRoot) = _preimages.part(kind, key, index);
        vm.assertFalse(known);
        vm.assertEq(length_, length, "length");
        vm.assertEq(pageRoot, 0);
    }

    function _isWhole(bytes memory value) private view {
        for (uint64 i; i < value.length / 4096 + 2; ++i) {
            _is(KECCAK, keccak256(value), i, value.length, pageRootOf(value, i));
        }
        _is(KECCAK, keccak256(value), type(uint64).max, value.length, pageRootOf("", 0));
    }

    function _stored(bytes memory value) private returns (address[] memory pointers) {
        pointers = new address[]((value.length + MAX_CHUNK - 1) / MAX_CHUNK);
        for (uint256 i; i < pointers.length; ++i) {
            uint256 end = (i + 1) * MAX_CHUNK;
            bytes memory chunk = cut(value, i * MAX_CHUNK, end < value.length ? end : value.length);
            pointers[i] = _preimages.store(chunk);
        }
    }

    function test_nothing_is_known_before() external view {
        _isUnknown(KECCAK, keccak256("value"), 0, 0);
        _isUnknown(BLOB, keccak256("value"), 0, 0);
        _isUnknown(0, keccak256("value"), 0, 0);
        _isUnknown(3, keccak256("value"), 0, 0);
    }

    function test_values_of_all_forms_are_loaded_whole() external {
        uint256[11] memory lengths = [uint256(0), 1, 31, 32, 33, 532, 4064, 4095, 4096, 4097, 24_576];
        for (uint256 i; i < lengths.length; ++i) {
            bytes memory value = valueOf(lengths[i]);
            vm.assertEq(_preimages.loadKeccak(none(), value, allOf(value)), keccak256(value));
            _isWhole(value);
        }
    }

    function test_fuzz_pages_are_those_of_the_value(bytes memory value, uint64 index) external {
        _preimages.loadKeccak(none(), value, list(index));
        _is(KECCAK, keccak256(value), index, value.length, pageRootOf(value, index < 1000 ? index : 1000));
    }

    function test_the_pages_that_were_asked_for_are_loaded_and_no_others() external {
        bytes memory value = valueOf(10_000);
        bytes32 key = _preimages.loadKeccak(none(), value, list(2));
        _isUnknown(KECCAK, key, 0, 10_000);
        _isUnknown(KECCAK, key, 1, 10_000);
        _is(KECCAK, key, 2, 10_000, pageRootOf(value, 2));
        // Zeros are known by the length alone.
        _is(KECCAK, key, 3, 10_000, pageRootOf("", 0));
        _isUnknown(BLOB, key, 2, 0);
        _preimages.loadKeccak(none(), value, list(0));
        _is(KECCAK, key, 0, 10_000, pageRootOf(value, 0));
    }

    function test_what_stands_behind_a_value_in_the_call_is_no_part_of_it() external {
        bytes memory value = valueOf(40);
        uint64[] memory indices = list(0);
        // The same call, its padding not zeros.
        bytes memory call_ = abi.encodeCall(_preimages.loadKeccak, (none(), value, indices));
        for (uint256 i = 4 + 160 + 40; i < 4 + 160 + 64; ++i) {
            call_[i] = 0xff;
        }
        (bool ok,) = address(_preimages).call(call_);
        vm.assertTrue(ok);
        _is(KECCAK, keccak256(value), 0, 40, pageRootOf(value, 0));
    }

    function test_loading_again_changes_nothing() external {
        bytes memory value = valueOf(5000);
        _preimages.loadKeccak(none(), value, list(0));
        vm.recordLogs();
        _preimages.loadKeccak(none(), value, list(0));
        vm.assertEq(vm.getRecordedLogs().length, 0);
        _preimages.loadKeccak(_stored(value), "", allOf(value));
        _isWhole(value);
    }

    function test_each_part_that_is_new_is_told() external {
        bytes memory value = valueOf(5000);
        vm.recordLogs();
        _preimages.loadKeccak(none(), value, allOf(value));
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, 2);
        for (uint64 i; i < 2; ++i) {
            vm.assertEq(logs[i].topics[0], IPreimages.PartLoaded.selector);
            vm.assertEq(uint256(logs[i].topics[1]), KECCAK);
            vm.assertEq(logs[i].topics[2], keccak256(value));
            vm.assertEq(logs[i].data, abi.encode(i, 5000, pageRootOf(value, i)));
        }
    }

    function test_128_kib_are_loaded_from_the_call() external {
        bytes memory value = valueOf(_preimages.MAX_VALUE());
        _preimages.loadKeccak(none(), value, allOf(value));
        _isWhole(value);
    }

    function test_128_kib_are_loaded_from_chunks() external {
        bytes memory value = valueOf(_preimages.MAX_VALUE());
        address[] memory pointers = _stored(value);
        vm.assertEq(pointers.length, 6);
        vm.assertEq(_preimages.loadKeccak(pointers, "", allOf(value)), keccak256(value));
        _isWhole(value);
    }

    function test_what_is_stored_comes_before_the_rest() external {
        bytes memory value = valueOf(9000);
        for (uint256 length = 1; length <= 9000; length += 1777) {
            address[] memory pointers = new address[](2);
            pointers[0] = _preimages.store(cut(value, 0, length / 2 + 1));
            pointers[1] = _preimages.store(cut(value, length / 2 + 1, length + 2));
            bytes memory rest = cut(value, length + 2, 9000);
            vm.assertEq(_preimages.loadKeccak(pointers, rest, allOf(value)), keccak256(value));
            (pointers[0], pointers[1]) = (pointers[1], pointers[0]);
            vm.assertTrue(_preimages.loadKeccak(pointers, rest, allOf(value)) != keccak256(value));
        }
        _isWhole(value);
    }

    function test_longer_values_are_refused() external {
        uint256 most = _preimages.MAX_VALUE();
        bytes memory value = valueOf(most + 1);
        bytes memory error_ = abi.encodeWithSelector(IPreimages.ValueTooLong.selector, most + 1, most);
        address[] memory pointers = _stored(value);
        vm.expectRevert(error_);
        _preimages.loadKeccak(none(), value, list(0));
        vm.expectRevert(error_);
        _preimages.loadKeccak(pointers, "", list(0));
        pointers = _stored(cut(value, 0, 1));
        vm.expectRevert(error_);
        _preimages.loadKeccak(pointers, cut(value, 1, most + 1), list(0));
    }

    function test_chunks_are_stored_once_and_found_by_what_they_are() external {
        bytes memory chunk = valueOf(100);
        vm.recordLogs();
        address pointer = _preimages.store(chunk);
        vm.assertEq(pointer.code, bytes.concat(hex"00", chunk));
        vm.assertEq(vm.getRecordedLogs().length, 1);
        vm.assertEq(_preimages.store(chunk), pointer);
        vm.assertEq(vm.getRecordedLogs().length, 0);
        vm.assertTrue(_preimages.store(valueOf(101)) != pointer);
    }

    function test_chunks_that_no_contract_can_hold_are_refused() external {
        vm.expectRevert(abi.encodeWithSelector(IPreimages.ChunkLengthWrong.selector, 0, MAX_CHUNK));
        _preimages.store("");
        bytes memory chunk = new bytes(MAX_CHUNK + 1);
        vm.expectRevert(abi.encodeWithSelector(IPreimages.ChunkLengthWrong.selector, MAX_CHUNK + 1, MAX_CHUNK));
        _preimages.store(chunk);
        _preimages.store(new bytes(MAX_CHUNK));
    }

    function test_chunks_that_are_not_stored_are_named() external {
        address[] memory pointers = new address[](2);
        (pointers[0], pointers[1]) = (_preimages.store("chunk"), address(0xbeef));
        vm.expectRevert(abi.encodeWithSelector(IPreimages.ChunkNotStored.selector, address(0xbeef)));
        _preimages.loadKeccak(pointers, "", list(0));
    }

    function test_no_chunks_are_the_empty_value() external {
        vm.assertEq(_preimages.loadKeccak(none(), "", list(0)), keccak256(""));
        _isWhole("");
    }

    // Elements of blobs

    function test_elements_that_are_proved_are_loaded() external {
        (bytes32 versionedHash, bytes memory commitment, Element[] memory elements) = blob();
        vm.assertEq(elements.length, 9);
        for (uint256 i; i < elements.length; ++i) {
            Element memory e = elements[i];
            _isUnknown(BLOB, versionedHash, e.index, 0);
            bytes32 root = pageRootOf(abi.encode(e.value), 0);
            vm.recordLogs();
            _preimages.loadBlobElement(versionedHash, e.index, e.value, commitment, e.proof);
            _is(BLOB, versionedHash, e.index, 32, root);
            Vm.Log[] memory logs = vm.getRecordedLogs();
            vm.assertEq(logs.length, 1);
            vm.assertEq(uint256(logs[0].topics[1]), BLOB);
            vm.assertEq(logs[0].topics[2], versionedHash);
            vm.assertEq(logs[0].data, abi.encode(e.index, 32, root));
            _preimages.loadBlobElement(versionedHash, e.index, e.value, commitment, e.proof);
            vm.assertEq(vm.getRecordedLogs().length, 0);
        }
        _isUnknown(KECCAK, versionedHash, 0, 0);
    }

    function _notProven(bytes32 hash, uint64 index, bytes32 value, bytes memory commitment, bytes memory proof)
        private
    {
        vm.expectRevert(abi.encodeWithSelector(IPreimages.ElementNotProven.selector, hash, index));
        _preimages.loadBlobElement(hash, index, value, commitment, proof);
    }

    function test_elements_that_are_not_proved_are_refused() external {
        (bytes32 hash, bytes memory commitment, Element[] memory elements) = blob();
        Element memory e = elements[1];
        Element memory other = elements[2];
        _notProven(hash, other.index, e.value, commitment, e.proof);
        _notProven(hash, e.index, other.value, commitment, e.proof);
        _notProven(hash, e.index, e.value, commitment, other.proof);
        _notProven(bytes32(uint256(hash) ^ 1), e.index, e.value, commitment, e.proof);
        // The same number, but not as the field has it.
        _notProven(hash, e.index, bytes32(uint256(e.value) + MODULUS), commitment, e.proof);
        _notProven(hash, e.index, e.value, "", e.proof);
        _notProven(hash, e.index, e.value, commitment, "");
        _notProven(hash, e.index, e.value, commitment, bytes.concat(e.proof, hex"00"));
        // What belongs to the proof, cut elsewhere, is the same input to the precompile: nothing is lost by that.
        _preimages.loadBlobElement(hash, e.index, e.value, bytes.concat(commitment, e.proof), "");
        _is(BLOB, hash, e.index, 32, pageRootOf(abi.encode(e.value), 0));
    }

    function test_a_blob_has_4096_elements() external {
        (bytes32 hash, bytes memory commitment, Element[] memory elements) = blob();
        uint64[3] memory indices = [uint64(4096), 1 << 32, type(uint64).max];
        for (uint256 i; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IPreimages.ElementIndexTooHigh.selector, indices[i]));
            _preimages.loadBlobElement(hash, indices[i], elements[0].value, commitment, elements[0].proof);
        }
    }

    function test_where_there_is_no_precompile_nothing_is_proved() external {
        (bytes32 hash, bytes memory commitment, Element[] memory elements) = blob();
        Element memory e = elements[0];
        // An address without code takes any call.
        vm.mockCall(address(0x0a), "", "");
        _notProven(hash, e.index, e.value, commitment, e.proof);
    }
}
