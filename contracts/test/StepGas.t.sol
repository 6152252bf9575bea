// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Assembler as A} from "./lib/Assembler.sol";
import {Hart} from "./lib/Hart.sol";
import {Element, Parts} from "./lib/Parts.sol";

/// @notice What a step and what it reads cost, each as a transaction of its own (`isolate`): 21,000, the call data, of which
/// EIP-7623 has a floor, and the execution. Registers and memory hold no zeros, so each step is as dear as it gets. For
/// most steps the floor is above the rest; "executed" is what another contract pays for the call.
/// forge-config: default.isolate = true
contract StepGasTest is Hart, Parts {
    uint64 private constant DATA = 0xabcde8;
    uint64 private constant PAGE = 0xbcd000;
    /// A transaction may use 2^24 gas (EIP-7825).
    uint256 private constant TRANSACTION = 1 << 24;

    function setUp() external {
        // The places of a test are of no account; the highest bits make paths of both hands.
        pc = 0x7812_3450;
        for (uint256 i = 1; i < 32; ++i) {
            x[i] = uint64(uint256(keccak256(abi.encode(i)))) | 0x0101_0101_0101_0101;
        }
        output = keccak256("output");
        uint64[3] memory places = [pc, DATA, PAGE];
        for (uint256 i; i < 3; ++i) {
            setNode(0, places[i] / 32 ^ 1, keccak256(abi.encode(places[i])));
            setNode(0, places[i] / 32, keccak256(abi.encode(places[i], "data")));
        }
    }

    function _step(bytes memory witness, string memory name) private {
        bytes memory call_ = abi.encodeCall(riscv.step, (witness));
        (bool ok,) = address(riscv).call(call_);
        uint256 gas_ = vm.snapshotGasLastCall(name);
        vm.assertTrue(ok, name);
        vm.assertLt(gas_, 120_000, name);
        (ok,) = address(riscv).staticcall(call_);
        vm.snapshotGasLastCall(string.concat(name, ", executed"));
    }

    function test_each_step_costs_less_than_120000() external {
        _step(given(A.r(0x33, 0, 0, 7, 1, 2)), "ADD");
        _step(given(A.addi(7, 1, 5)), "ADDI");
        _step(given(A.i(0x1b, 5, 7, 1, 0x405)), "SRAIW");
        _step(given(A.r(0x33, 1, 0, 7, 1, 2)), "MUL");
        _step(given(A.r(0x33, 1, 2, 7, 1, 2)), "MULHSU");
        _step(given(A.r(0x33, 1, 4, 7, 1, 2)), "DIV");
        _step(given(A.r(0x3b, 1, 6, 7, 1, 2)), "REMW");
        _step(given(A.u(0x37, 7, 0x12345)), "LUI");
        _step(given(A.branch(5, 1, 2, 64)), "BGE");
        _step(given(A.jal(1, 0x12344)), "JAL");
        _step(given(A.jalr(1, 2, 4)), "JALR");
        _step(given(0x0ff0000f), "FENCE");
        _step(given(0xffffffff), "illegal");
        x[1] = DATA;
        _step(given(A.load(0, 7, 1, 0), DATA), "LB");
        _step(given(A.load(3, 7, 1, 0), DATA), "LD");
        _step(given(A.store(0, 2, 1, 0), DATA), "SB");
        _step(given(A.store(3, 2, 1, 0), DATA), "SD");
        _step(abi.encodePacked(uint8(1), x[2], output), "halted");
    }

    function test_each_call_costs_less_than_120000() external {
        x[5] = 0x00;
        _step(given(A.ECALL), "HALT");
        x[5] = 0x02;
        _step(given(A.ECALL), "WRITE");
        (x[5], x[10]) = (0x10, 7);
        _step(given(A.ECALL), "COMMIT");
        bytes memory value = valueOf(532);
        _read(KECCAK, preimages.loadKeccak(none(), value, list(0)), 0, "READ of bytes");
        _read(KECCAK, keccak256(value), 1, "READ beyond the end");
        (bytes32 hash, bytes memory commitment, Element[] memory elements) = blob();
        Element memory e = elements[elements.length - 1];
        preimages.loadBlobElement(hash, e.index, e.value, commitment, e.proof);
        _read(BLOB, hash, e.index, "READ of an element");
    }

    function _read(uint64 kind, bytes32 key, uint64 index, string memory name) private {
        (x[5], x[10], x[15], x[16]) = (0x5355, kind, index, PAGE);
        for (uint256 i; i < 4; ++i) {
            x[11 + i] = uint64(bytes8(little(uint64(bytes8(key << 64 * i)), 8)));
        }
        _step(bytes.concat(given(A.ECALL), pageProofOf(PAGE)), name);
    }

    function test_each_preimage_fits_a_transaction() external {
        _load(532, list(0), "load 532 bytes");
        _load(4097, list(0), "load 4,097 bytes, a page");
        _load(24_576, list(5), "load 24,576 bytes, a page");
        _load(24_576, allOf(new bytes(20_480)), "load 24,576 bytes, all pages");
        (bytes32 hash, bytes memory commitment, Element[] memory elements) = blob();
        Element memory e = elements[elements.length - 1];
        preimages.loadBlobElement(hash, e.index, e.value, commitment, e.proof);
        _fits("load an element of a blob");
    }

    function _load(uint256 length, uint64[] memory indices, string memory name) private {
        bytes memory value = valueOf(length);
        uint256 state = vm.snapshotState();
        preimages.loadKeccak(none(), value, indices);
        _fits(name);
        vm.revertToState(state);
    }

    /// So that no transaction is longer than L1's nodes pass on, the first 8 KiB are stored.
    function test_128_kib_take_two_transactions() external {
        bytes memory value = valueOf(131_072);
        address[] memory pointers = new address[](1);
        pointers[0] = preimages.store(cut(value, 0, 8192));
        uint256 all = _fits("store 8,192 bytes");
        preimages.loadKeccak(pointers, cut(value, 8192, 131_072), list(31));
        all += _fits("load 8,192 stored bytes and 122,880, a page");
        vm.snapshotValue("load 131,072 bytes, all of it", all);
    }

    function test_128_kib_can_be_stored_whole() external {
        bytes memory value = valueOf(131_072);
        address[] memory pointers = new address[](6);
        for (uint256 i; i < 5; ++i) {
            pointers[i] = preimages.store(cut(value, i * 24_575, (i + 1) * 24_575));
            _fits("store 24,575 bytes");
        }
        pointers[5] = preimages.store(cut(value, 5 * 24_575, 131_072));
        preimages.loadKeccak(pointers, "", allOf(new bytes(126_976)));
        _fits("load 131,072 stored bytes, all pages");
    }

    function _fits(string memory name) private returns (uint256 gas_) {
        gas_ = vm.snapshotGasLastCall(name);
        vm.assertLt(gas_, TRANSACTION, name);
    }
}
