// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Assembler as A} from "./lib/Assembler.sol";
import {BitByBit as N} from "./lib/BitByBit.sol";
import {Hart} from "./lib/Hart.sol";

/// @notice What each instruction between registers computes, and each with an immediate, against the same arithmetic done a
/// bit at a time: on all pairs of numbers at which something turns, and on fuzzed ones.
contract RiscVArithmeticTest is Hart {
    uint64 private constant TOP = 1 << 63;

    /// The second number has any count of bits: else quotients are 0 or small.
    /// forge-config: default.fuzz.runs = 64
    function test_fuzz_computes_as_bit_by_bit(uint64 a, uint64 b, uint16 imm, uint8 bits) external {
        this.compare(a, b >> (bits % 64), imm);
    }

    function test_computes_as_bit_by_bit_where_something_turns() external {
        uint64[15] memory edges = [
            uint64(0),
            1,
            2,
            63,
            64,
            0x7fff_ffff,
            0x8000_0000,
            0xffff_ffff,
            0x1_0000_0000,
            0x7fff_ffff_ffff_ffff,
            0x8000_0000_0000_0000,
            0xffff_ffff_7fff_ffff,
            0xffff_ffff_8000_0000,
            0xffff_ffff_ffff_fffe,
            0xffff_ffff_ffff_ffff
        ];
        uint16[4] memory immediates = [0, 1, 0x7ff, 0x800];
        for (uint256 i; i < edges.length; ++i) {
            for (uint256 k; k < edges.length; ++k) {
                this.compare(edges[i], edges[k], immediates[(i + k) % 4]);
            }
        }
    }

    /// By the manual's table, in case that both formulations err alike.
    function test_division_by_zero_and_overflow_as_the_manual_says() external {
        (x[1], x[2]) = (TOP, 0);
        _op(0x33, 1, 4, type(uint64).max, "DIV by 0");
        _op(0x33, 1, 5, type(uint64).max, "DIVU by 0");
        _op(0x33, 1, 6, TOP, "REM by 0");
        _op(0x33, 1, 7, TOP, "REMU by 0");
        x[1] = 0x1_8000_0000;
        _op(0x3b, 1, 4, type(uint64).max, "DIVW by 0");
        _op(0x3b, 1, 5, type(uint64).max, "DIVUW by 0");
        _op(0x3b, 1, 6, 0xffff_ffff_8000_0000, "REMW by 0");
        _op(0x3b, 1, 7, 0xffff_ffff_8000_0000, "REMUW by 0");
        x[2] = 0xffff_ffff;
        _op(0x3b, 1, 4, 0xffff_ffff_8000_0000, "DIVW overflows");
        _op(0x3b, 1, 6, 0, "REMW overflows");
        (x[1], x[2]) = (TOP, type(uint64).max);
        _op(0x33, 1, 4, TOP, "DIV overflows");
        _op(0x33, 1, 6, 0, "REM overflows");
        (x[1], x[2]) = (type(uint64).max, type(uint64).max);
        _op(0x33, 1, 1, 0, "MULH of -1 and -1");
        _op(0x33, 1, 2, type(uint64).max, "MULHSU of -1 and 2^64 - 1");
        _op(0x33, 1, 3, type(uint64).max - 1, "MULHU");
    }

    /// Every instruction on one pair. A call of its own, so that its memory is given back.
    function compare(uint64 a, uint64 b, uint16 imm) external {
        (x[1], x[2]) = (a, b);
        _whole(a, b);
        _words(a, b);
        _multiplied(a, b);
        _multipliedWords(N.low(a), N.low(b));
        int32 signed_ = int32(uint32(imm & 0xfff)) - (imm & 0x800 != 0 ? int32(0x1000) : int32(0));
        _immediate(a, signed_);
    }

    function _op(uint32 opcode, uint32 funct7, uint32 funct3, uint64 value, string memory name) private {
        writes(A.r(opcode, funct7, funct3, 7, 1, 2), 7, value, name);
    }

    function _whole(uint64 a, uint64 b) private {
        _op(0x33, 0, 0, N.add(a, b), "ADD");
        _op(0x33, 0x20, 0, N.sub(a, b), "SUB");
        _op(0x33, 0, 1, N.left(a, b, 63), "SLL");
        _op(0x33, 0, 2, N.lessSigned(a, b) ? 1 : 0, "SLT");
        _op(0x33, 0, 3, N.less(a, b) ? 1 : 0, "SLTU");
        _op(0x33, 0, 4, (a | b) & ~(a & b), "XOR");
        _op(0x33, 0, 5, N.right(a, b, 63, 0), "SRL");
        _op(0x33, 0x20, 5, N.right(a, b, 63, a), "SRA");
        _op(0x33, 0, 6, ~(~a & ~b), "OR");
        _op(0x33, 0, 7, ~(~a | ~b), "AND");
    }

    function _words(uint64 a, uint64 b) private {
        _op(0x3b, 0, 0, N.extend(N.add(a, b)), "ADDW");
        _op(0x3b, 0x20, 0, N.extend(N.sub(a, b)), "SUBW");
        _op(0x3b, 0, 1, N.extend(N.left(a, b, 31)), "SLLW");
        _op(0x3b, 0, 5, N.extend(N.right(N.low(a), b, 31, 0)), "SRLW");
        _op(0x3b, 0x20, 5, N.extend(N.right(N.extend(a), b, 31, N.extend(a))), "SRAW");
    }

    function _multiplied(uint64 a, uint64 b) private {
        (uint64 high, uint64 low) = N.product(a, b);
        _op(0x33, 1, 0, low, "MUL");
        _op(0x33, 1, 1, N.high(a, true, b, true), "MULH");
        _op(0x33, 1, 2, N.high(a, true, b, false), "MULHSU");
        _op(0x33, 1, 3, high, "MULHU");
        (uint64 quotient, uint64 remainder) = N.divideSigned(a, b);
        _op(0x33, 1, 4, quotient, "DIV");
        _op(0x33, 1, 6, remainder, "REM");
        (quotient, remainder) = N.divide(a, b);
        _op(0x33, 1, 5, quotient, "DIVU");
        _op(0x33, 1, 7, remainder, "REMU");
    }

    function _multipliedWords(uint64 a, uint64 b) private {
        (, uint64 low) = N.product(a, b);
        _op(0x3b, 1, 0, N.extend(low), "MULW");
        (uint64 quotient, uint64 remainder) = N.divide(a, b);
        _op(0x3b, 1, 5, N.extend(quotient), "DIVUW");
        _op(0x3b, 1, 7, N.extend(remainder), "REMUW");
        // What overflows in 32 bits does not in 64.
        (quotient, remainder) = N.divideSigned(N.extend(a), N.extend(b));
        _op(0x3b, 1, 4, N.extend(quotient), "DIVW");
        _op(0x3b, 1, 6, N.extend(remainder), "REMW");
    }

    function _immediate(uint64 a, int32 imm) private {
        uint64 b = imm < 0 ? N.negate(uint64(uint32(-imm))) : uint64(uint32(imm));
        writes(A.i(0x13, 0, 7, 1, imm), 7, N.add(a, b), "ADDI");
        writes(A.i(0x13, 2, 7, 1, imm), 7, N.lessSigned(a, b) ? 1 : 0, "SLTI");
        writes(A.i(0x13, 3, 7, 1, imm), 7, N.less(a, b) ? 1 : 0, "SLTIU");
        writes(A.i(0x13, 4, 7, 1, imm), 7, (a | b) & ~(a & b), "XORI");
        writes(A.i(0x13, 6, 7, 1, imm), 7, ~(~a & ~b), "ORI");
        writes(A.i(0x13, 7, 7, 1, imm), 7, ~(~a | ~b), "ANDI");
        writes(A.i(0x1b, 0, 7, 1, imm), 7, N.extend(N.add(a, b)), "ADDIW");
        int32 amount = imm & 63;
        writes(A.i(0x13, 1, 7, 1, amount), 7, N.left(a, b, 63), "SLLI");
        writes(A.i(0x13, 5, 7, 1, amount), 7, N.right(a, b, 63, 0), "SRLI");
        writes(A.i(0x13, 5, 7, 1, amount | 0x400), 7, N.right(a, b, 63, a), "SRAI");
        amount = imm & 31;
        writes(A.i(0x1b, 1, 7, 1, amount), 7, N.extend(N.left(a, b, 31)), "SLLIW");
        writes(A.i(0x1b, 5, 7, 1, amount), 7, N.extend(N.right(N.low(a), b, 31, 0)), "SRLIW");
        writes(A.i(0x1b, 5, 7, 1, amount | 0x400), 7, N.extend(N.right(N.extend(a), b, 31, N.extend(a))), "SRAIW");
    }
}
