// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRiscV} from "../src/dispute/IRiscV.sol";
import {Assembler as A} from "./lib/Assembler.sol";
import {Hart} from "./lib/Hart.sol";
import {Element, Parts} from "./lib/Parts.sol";

/// @notice What the program can ask for: each call, and what of it traps.
contract RiscVCallsTest is Hart, Parts {
    uint64 private constant HALT = 0x00;
    uint64 private constant WRITE = 0x02;
    uint64 private constant COMMIT = 0x10;
    uint64 private constant COMMIT_DEFERRED = 0x1a;
    uint64 private constant READ = 0x5355;
    uint64 private constant PAGE = 0x40000;

    function setUp() external {
        for (uint64 i = 1; i < 32; ++i) {
            x[i] = i << 56 | i;
        }
        output = keccak256("output");
    }

    function _call(uint64 number, uint64 a0, uint64 a1) private returns (bytes memory) {
        (x[5], x[10], x[11]) = (number, a0, a1);
        return given(A.ECALL);
    }

    /// It goes on, and changes nothing else than the test has changed.
    function _goesOn(bytes memory witness, string memory what) private {
        pc += 4;
        leads(witness, what);
        pc -= 4;
    }

    /// A READ of a part into `page`, whose witness has no proof of the page yet.
    function _asks(uint64 kind, bytes32 key, uint64 index, uint64 page) private returns (bytes memory) {
        (x[5], x[10], x[15], x[16]) = (READ, kind, index, page);
        for (uint256 word; word < 4; ++word) {
            uint64 value;
            for (uint64 i; i < 8; ++i) {
                value |= uint64(uint8(key[8 * word + i])) << 8 * i;
            }
            x[11 + word] = value;
        }
        return given(A.ECALL);
    }

    /// The step brings this page of this value, leaf by leaf, and its length.
    function _brings(uint64 kind, bytes32 key, uint64 index, uint64 page, bytes memory value, uint256 from) private {
        bytes memory witness = _asks(kind, key, index, page);
        witness = bytes.concat(witness, pageProofOf(page));
        uint256 state = vm.snapshotState();
        for (uint256 i; i < 128; ++i) {
            setNode(0, page / 32 + i, leafOf(value, from, i));
        }
        x[5] = uint64(value.length);
        _goesOn(witness, vm.toString(index));
        vm.revertToState(state);
    }

    function test_halt_keeps_the_code_and_the_output() external {
        uint64[5] memory codes = [uint64(0), 1, 255, 1 << 32, type(uint64).max];
        for (uint256 i; i < codes.length; ++i) {
            bytes32 next = step(_call(HALT, codes[i], 0));
            vm.assertEq(next, keccak256(abi.encodePacked(uint8(1), codes[i], output)));
            vm.assertEq(next, riscv.haltedHash(codes[i], output));
        }
    }

    function test_write_and_commit_deferred_do_nothing() external {
        _goesOn(_call(WRITE, type(uint64).max, type(uint64).max), "WRITE");
        _goesOn(_call(COMMIT_DEFERRED, type(uint64).max, type(uint64).max), "COMMIT_DEFERRED");
    }

    function test_commit_writes_one_word_of_the_output() external {
        bytes32 old = output;
        for (uint64 i; i < 8; ++i) {
            bytes memory witness = _call(COMMIT, i, 0xaabbccdd11223344);
            bytes memory changed = abi.encode(old);
            (changed[4 * i], changed[4 * i + 1]) = (0x44, 0x33);
            (changed[4 * i + 2], changed[4 * i + 3]) = (0x22, 0x11);
            output = bytes32(changed);
            _goesOn(witness, vm.toString(i));
            output = old;
        }
        traps(_call(COMMIT, 8, 1), "8");
        traps(_call(COMMIT, 1 << 32, 1), "2^32");
        traps(_call(COMMIT, type(uint64).max, 1), "2^64 - 1");
    }

    function test_other_calls_trap() external {
        uint64[13] memory others = [
            uint64(1),
            3,
            0x0f,
            0x11,
            0x1b,
            0xf0,
            0xf1,
            0x00_30_01_05,
            0x5354,
            0x5356,
            0x1_0000_0000,
            0x1_0000_5355,
            type(uint64).max
        ];
        for (uint256 i; i < others.length; ++i) {
            traps(_call(others[i], 0, 0), vm.toString(others[i]));
        }
    }

    function test_read_brings_each_page_of_a_value_and_zeros_beyond() external {
        bytes memory value = valueOf(10_000);
        bytes32 key = preimages.loadKeccak(none(), value, allOf(value));
        // What was there before does not matter.
        poke(PAGE + 64, hex"ff");
        for (uint64 index; index < 4; ++index) {
            _brings(KECCAK, key, index, PAGE, value, index);
        }
        // 4096 times these is no number of 64 bits.
        _brings(KECCAK, key, 1 << 52, PAGE, value, 3);
        _brings(KECCAK, key, type(uint64).max, PAGE, value, 3);
        _brings(KECCAK, key, 4096, PAGE, value, 3);
    }

    function test_read_brings_values_of_each_form() external {
        uint256[7] memory lengths = [uint256(1), 31, 32, 33, 4095, 4096, 4097];
        for (uint256 i; i < lengths.length; ++i) {
            bytes memory value = valueOf(lengths[i]);
            bytes32 key = preimages.loadKeccak(none(), value, allOf(value));
            _brings(KECCAK, key, 0, PAGE, value, 0);
            _brings(KECCAK, key, 1, PAGE, value, 1);
        }
        bytes32 empty = preimages.loadKeccak(none(), "", new uint64[](0));
        _brings(KECCAK, empty, 0, PAGE, "", 0);
    }

    function test_read_writes_the_first_page_the_last_and_its_own() external {
        bytes memory value = valueOf(5000);
        bytes32 key = preimages.loadKeccak(none(), value, allOf(value));
        _brings(KECCAK, key, 0, 0, value, 0);
        _brings(KECCAK, key, 0, 0xffff_f000, value, 0);
        _brings(KECCAK, key, 1, pc - pc % 4096, value, 1);
    }

    function test_read_brings_an_element_of_a_blob() external {
        (bytes32 versionedHash, bytes memory commitment, Element[] memory elements) = blob();
        for (uint256 i; i < elements.length; ++i) {
            Element memory e = elements[i];
            preimages.loadBlobElement(versionedHash, e.index, e.value, commitment, e.proof);
            _brings(BLOB, versionedHash, e.index, PAGE, abi.encode(e.value), 0);
        }
    }

    function test_what_read_brought_can_be_loaded() external {
        bytes memory value = valueOf(100);
        bytes32 key = preimages.loadKeccak(none(), value, list(0));
        setNode(7, PAGE / 4096, pageRootOf(value, 0));
        // Its leaves are kept as well.
        for (uint256 i; i < 4; ++i) {
            setNode(0, PAGE / 32 + i, leafOf(value, 0, i));
        }
        (, uint64 length, bytes32 root) = preimages.part(KECCAK, key, 0);
        vm.assertEq(node(7, PAGE / 4096), root);
        vm.assertEq(length, 100);
        x[1] = PAGE;
        bytes memory witness = given(A.load(4, 7, 1, 99), PAGE + 99);
        x[7] = uint8(value[99]);
        _goesOn(witness, "LBU");
    }

    function test_read_traps_where_there_can_be_no_part() external {
        uint64[5] memory kinds = [uint64(0), 3, 0x1_0000_0001, 0x1_0000_0002, type(uint64).max];
        for (uint256 i; i < kinds.length; ++i) {
            traps(_asks(kinds[i], "key", 0, PAGE), "kind");
        }
        uint64[7] memory pages =
            [PAGE + 1, PAGE + 8, PAGE + 2048, PAGE + 4095, 0x1_0000_0000, 0x1_0000_1000, type(uint64).max - 4095];
        for (uint64 kind = 1; kind < 3; ++kind) {
            for (uint256 i; i < pages.length; ++i) {
                traps(_asks(kind, "key", 0, pages[i]), "page");
            }
        }
        traps(_asks(BLOB, "key", 4096, PAGE), "index");
        traps(_asks(BLOB, "key", type(uint64).max, PAGE), "index");
    }

    function _notLoaded(uint64 kind, bytes32 key, uint64 index) private {
        bytes memory witness = bytes.concat(_asks(kind, key, index, PAGE), pageProofOf(PAGE));
        vm.expectRevert(abi.encodeWithSelector(IRiscV.PartNotLoaded.selector, kind, key, index));
        riscv.step(witness);
    }

    function test_a_part_that_is_not_loaded_is_no_trap() external {
        bytes memory value = valueOf(10_000);
        _notLoaded(KECCAK, keccak256(value), 0);
        _notLoaded(KECCAK, keccak256(value), type(uint64).max);
        _notLoaded(BLOB, "hash", 0);
        _notLoaded(BLOB, "hash", 4095);
        bytes32 key = preimages.loadKeccak(none(), value, list(1));
        _notLoaded(KECCAK, key, 0);
        _notLoaded(BLOB, key, 1);
        _brings(KECCAK, key, 1, PAGE, value, 1);
    }
}
