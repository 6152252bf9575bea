// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Assembler as A} from "./lib/Assembler.sol";
import {Hart} from "./lib/Hart.sol";

/// @notice What each instruction does to the state: control, memory, and where operands come from. What the arithmetic
/// computes is `RiscVArithmetic.t.sol`'s, calls are `RiscVCalls.t.sol`'s, what is refused `RiscVRefusals.t.sol`'s.
contract RiscVTest is Hart {
    uint64 private constant NEGATIVE = 0xffff_ffff_ffff_f800; // −2048

    function setUp() external {
        // No two registers are alike, so a wrong one shows.
        for (uint64 i = 1; i < 32; ++i) {
            x[i] = i << 56 | i;
        }
        output = keccak256("output");
    }

    function _jumps(bytes memory witness, uint64 to, string memory what) private {
        uint64 from = pc;
        pc = to;
        leads(witness, what);
        pc = from;
    }

    function test_each_register_is_a_source_and_a_destination() external {
        for (uint32 i; i < 32; ++i) {
            writes(A.addi(7, i, 5), 7, x[i] + 5, "source 1");
            writes(A.r(0x33, 0, 6, 7, 0, i), 7, x[i], "source 2");
            writes(A.addi(i, 3, 5), i, x[3] + 5, "destination");
        }
    }

    function test_nothing_is_written_to_x0() external {
        writes(A.addi(0, 1, 5), 0, 0, "ADDI");
        writes(A.u(0x37, 0, 0xfffff), 0, 0, "LUI");
        writes(A.u(0x17, 0, 0xfffff), 0, 0, "AUIPC");
        bytes memory witness = given(A.jal(0, 16));
        _jumps(witness, pc + 16, "JAL");
        x[1] = 0x2000;
        witness = given(A.load(3, 0, 1, 0), 0x2000);
        pc += 4;
        leads(witness, "LD");
    }

    function test_a_destination_that_is_a_source_too_is_read_first() external {
        writes(A.addi(1, 1, -1), 1, x[1] - 1, "ADDI");
        x[1] = 0x2003;
        bytes memory witness = given(A.jalr(1, 1, 4));
        x[1] = pc + 4;
        _jumps(witness, 0x2006, "JALR");
        x[1] = 0x2000;
        poke(0x2000, little(77, 8));
        witness = given(A.load(3, 1, 1, 0), 0x2000);
        x[1] = 77;
        _jumps(witness, pc + 4, "LD");
    }

    function test_immediates_are_sign_extended() external {
        writes(A.addi(7, 0, 2047), 7, 2047, "largest");
        writes(A.addi(7, 0, -2048), 7, NEGATIVE, "smallest");
        writes(A.i(0x13, 3, 7, 3, -1), 7, 1, "SLTIU compares with 2^64 - 1");
        writes(A.i(0x13, 2, 7, 0, -1), 7, 0, "SLTI compares with -1");
        writes(A.i(0x13, 4, 7, 3, -1), 7, ~x[3], "XORI");
        writes(A.i(0x13, 6, 7, 0, -2048), 7, NEGATIVE, "ORI");
        writes(A.i(0x13, 7, 7, 3, -2048), 7, x[3] & NEGATIVE, "ANDI");
        writes(A.i(0x1b, 0, 7, 0, -2048), 7, NEGATIVE, "ADDIW");
    }

    function test_upper_immediates() external {
        writes(A.u(0x37, 7, 0x12345), 7, 0x12345000, "LUI");
        writes(A.u(0x37, 7, 0x80000), 7, 0xffff_ffff_8000_0000, "LUI, negative");
        writes(A.u(0x17, 7, 0x12345), 7, 0x12346000, "AUIPC");
        writes(A.u(0x17, 7, 0x80000), 7, 0xffff_ffff_8000_1000, "AUIPC, negative");
    }

    function test_shift_amounts_of_64_bits_have_six_bits() external {
        x[1] = 0x8000_0000_0000_0001;
        for (uint32 amount; amount < 64; ++amount) {
            writes(A.i(0x13, 1, 7, 1, int32(amount)), 7, x[1] << amount, "SLLI");
            writes(A.i(0x13, 5, 7, 1, int32(amount)), 7, x[1] >> amount, "SRLI");
            uint64 sign = amount == 0 ? 0 : type(uint64).max << 64 - amount;
            writes(A.i(0x13, 5, 7, 1, int32(amount | 0x400)), 7, x[1] >> amount | sign, "SRAI");
        }
        x[2] = 65;
        writes(A.r(0x33, 0, 1, 7, 1, 2), 7, 2, "SLL by 65");
        writes(A.r(0x33, 0, 5, 7, 1, 2), 7, 0x4000_0000_0000_0000, "SRL by 65");
        writes(A.r(0x33, 0x20, 5, 7, 1, 2), 7, 0xc000_0000_0000_0000, "SRA by 65");
    }

    function test_shift_amounts_of_32_bits_have_five_bits() external {
        x[1] = 0x1234_5678_8000_0001;
        for (uint32 amount; amount < 32; ++amount) {
            uint64 up = uint64(int64(int32(uint32(1 << amount | (amount == 0 ? 0x8000_0000 : 0)))));
            writes(A.i(0x1b, 1, 7, 1, int32(amount)), 7, up, "SLLIW");
            uint64 down = uint64(int64(int32(uint32(0x8000_0001) >> amount)));
            writes(A.i(0x1b, 5, 7, 1, int32(amount)), 7, down, "SRLIW");
            uint64 sign = type(uint64).max << 31 - amount;
            writes(A.i(0x1b, 5, 7, 1, int32(amount | 0x400)), 7, uint32(0x8000_0001) >> amount | sign, "SRAIW");
        }
        x[2] = 33;
        writes(A.r(0x3b, 0, 1, 7, 1, 2), 7, 2, "SLLW by 33");
        writes(A.r(0x3b, 0, 5, 7, 1, 2), 7, 0x4000_0000, "SRLW by 33");
        writes(A.r(0x3b, 0x20, 5, 7, 1, 2), 7, 0xffff_ffff_c000_0000, "SRAW by 33");
    }

    function test_jumps_go_anywhere_and_link() external {
        int32[5] memory offsets = [int32(4), -4, 0xffffe, -0x100000, 2];
        for (uint256 k; k < offsets.length; ++k) {
            bytes memory witness = given(A.jal(1, offsets[k]));
            uint64 old = x[1];
            x[1] = pc + 4;
            unchecked {
                _jumps(witness, pc + uint64(int64(offsets[k])), "JAL");
            }
            x[1] = old;
        }
        x[2] = 5;
        bytes memory back = given(A.jalr(1, 2, -6));
        x[1] = pc + 4;
        _jumps(back, type(uint64).max - 1, "JALR wraps, and clears the lowest bit");
    }

    function test_the_last_instruction_runs_out_of_memory() external {
        pc = 0xffff_fffc;
        bytes memory witness = given(A.NOP);
        pc = 0x1_0000_0000;
        leads(witness, "the step itself");
        traps(running(), "the one after it");
    }

    function test_branches_go_both_ways() external {
        // BEQ, BNE, BLT, BGE, BLTU, BGEU, each with (1, 1), (1, 2), (2, 1), (−1, 1), (1, −1).
        uint32[6] memory kinds = [uint32(0), 1, 4, 5, 6, 7];
        uint64[2][5] memory pairs =
            [[uint64(1), 1], [uint64(1), 2], [uint64(2), 1], [type(uint64).max, 1], [uint64(1), type(uint64).max]];
        bool[5][6] memory taken = [
            [true, false, false, false, false],
            [false, true, true, true, true],
            [false, true, false, true, false],
            [true, false, true, false, true],
            [false, true, false, false, true],
            [true, false, true, true, false]
        ];
        for (uint256 k; k < 6; ++k) {
            for (uint256 p; p < 5; ++p) {
                (x[1], x[2]) = (pairs[p][0], pairs[p][1]);
                bytes memory witness = given(A.branch(kinds[k], 1, 2, 64));
                _jumps(witness, pc + (taken[k][p] ? 64 : 4), vm.toString(kinds[k]));
            }
        }
    }

    function test_branches_reach_4_kib_both_ways() external {
        int32[6] memory offsets = [int32(4094), -4096, 2, -2, 0x554, -0x556];
        for (uint256 k; k < offsets.length; ++k) {
            bytes memory witness = given(A.branch(0, 0, 0, offsets[k]));
            unchecked {
                _jumps(witness, pc + uint64(int64(offsets[k])), "BEQ");
            }
        }
    }

    function test_a_bad_pc_traps_without_an_instruction() external {
        uint64[7] memory bad =
            [uint64(0x1001), 0x1002, 0x1003, 0x1_0000_0000, 0x1_0000_1000, type(uint64).max - 3, type(uint64).max];
        for (uint256 k; k < bad.length; ++k) {
            pc = bad[k];
            traps(running(), vm.toString(pc));
        }
    }

    function test_fences_do_nothing() external {
        writes(0x0ff0000f, 0, 0, "FENCE iorw, iorw");
        writes(0x8330000f, 0, 0, "FENCE.TSO");
        writes(0x0100000f, 0, 0, "PAUSE");
        writes(0xffff8f8f, 0, 0, "every other field is ignored");
    }

    function test_loads_of_each_size_at_each_place() external {
        // Bytes 0x80, 0x91, … 0xf7: each has its sign set; then 0x01 … 0x08, none has.
        bytes memory leaf = hex"8091a2b3c4d5e6f701020304050607080807060504030201f7e6d5c4b3a29180";
        poke(0x2000, leaf);
        x[1] = 0x2000;
        for (uint32 kind; kind < 7; ++kind) {
            uint32 size = uint32(1) << (kind & 3);
            for (uint32 place; place < 32; place += size) {
                uint64 value;
                for (uint32 i; i < size; ++i) {
                    value |= uint64(uint8(leaf[place + i])) << 8 * i;
                }
                bool negative = kind < 4 && uint8(leaf[place + size - 1]) >= 0x80 && size < 8;
                if (negative) value |= type(uint64).max << 8 * size;
                bytes memory witness = given(A.load(kind, 7, 1, int32(place)), 0x2000);
                uint64 old = x[7];
                x[7] = value;
                _jumps(witness, pc + 4, "load");
                x[7] = old;
            }
        }
    }

    function test_stores_of_each_size_at_each_place() external {
        bytes memory leaf = hex"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
        x[1] = 0x2000;
        x[2] = 0xf1f2f3f4f5f6f7f8;
        for (uint32 kind; kind < 4; ++kind) {
            uint32 size = uint32(1) << kind;
            for (uint32 place; place < 32; place += size) {
                poke(0x2000, leaf);
                bytes memory witness = given(A.store(kind, 2, 1, int32(place)), 0x2000);
                poke(0x2000 + place, little(x[2], size));
                _jumps(witness, pc + 4, "store");
            }
        }
    }

    function test_memory_ends_at_4_gib_and_addresses_wrap_at_64_bits() external {
        for (uint32 kind; kind < 4; ++kind) {
            uint64 size = uint64(1) << kind;
            uint64 last = 0x1_0000_0000 - size;
            poke(last, little(0x42, 1));
            x[1] = 0x1_0000_0000;
            bytes memory witness = given(A.load(kind, 7, 1, -int32(int64(size))), last);
            x[7] = 0x42;
            _jumps(witness, pc + 4, "the last bytes");
            witness = given(A.store(kind, 0, 1, -int32(int64(size))), last);
            poke(last, new bytes(size));
            _jumps(witness, pc + 4, "the last bytes");
            traps(given(A.load(kind, 7, 1, 0)), "beyond");
            traps(given(A.store(kind, 7, 1, 0)), "beyond");
            traps(given(A.load(kind, 7, 0, -8)), "below zero");
            traps(given(A.store(kind, 7, 0, -8)), "below zero");
            x[1] = type(uint64).max - 7;
            witness = given(A.load(kind, 7, 1, 8), 0);
            x[7] = 0;
            _jumps(witness, pc + 4, "zero, from below");
            witness = given(A.store(kind, 7, 1, 8), 0);
            _jumps(witness, pc + 4, "zero, from below");
            x[1] = 0x8000_0000_0000_0000;
            traps(given(A.load(kind, 7, 1, 0)), "far beyond");
        }
    }

    function test_misaligned_loads_and_stores_trap() external {
        x[1] = 0x2000;
        for (uint32 kind; kind < 7; ++kind) {
            uint32 size = uint32(1) << (kind & 3);
            for (uint32 place = 1; place < 32; ++place) {
                if (place % size == 0) continue;
                traps(given(A.load(kind, 7, 1, int32(place))), "load");
                if (kind < 4) traps(given(A.store(kind, 7, 1, int32(place))), "store");
            }
        }
    }

    function test_a_store_may_change_its_own_instruction() external {
        x[1] = pc;
        x[2] = 0x1122334455667788;
        bytes memory witness = given(A.store(3, 2, 1, 0), pc);
        poke(pc, little(x[2], 8));
        _jumps(witness, pc + 4, "SD onto itself");
        traps(bytes.concat(running(), proofOf(pc)), "what stands there now is no instruction");
    }

    function test_an_instruction_stands_at_each_place_of_a_leaf() external {
        for (uint64 place; place < 32; place += 4) {
            pc = 0x3000 + place;
            writes(A.addi(7, 0, int32(int64(place + 1))), 7, place + 1, "ADDI");
        }
    }

    function test_halted_and_trapped_states_stay() external view {
        bytes memory halted = abi.encodePacked(uint8(1), uint64(7), output);
        vm.assertEq(step(halted), keccak256(halted));
        vm.assertEq(step(hex"02"), TRAPPED);
        vm.assertEq(riscv.haltedHash(7, output), keccak256(halted));
        vm.assertEq(riscv.trappedHash(), TRAPPED);
    }
}
