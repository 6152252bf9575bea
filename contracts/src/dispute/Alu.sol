// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice What RV64IM computes, by the ISA manual's names and codes. Each function says whether there is such an
/// instruction; if there is none, the value means nothing.
library Alu {
    /// @notice OP with funct7 0x00 or 0x20, and OP-IMM: 64 bits.
    function op(uint32 funct7, uint32 funct3, uint64 a, uint64 b) internal pure returns (bool legal, uint64 value) {
        unchecked {
            if (funct7 == 0x00) {
                if (funct3 == 0) return (true, a + b); // ADD
                if (funct3 == 1) return (true, a << (b & 63)); // SLL
                if (funct3 == 2) return (true, int64(a) < int64(b) ? 1 : 0); // SLT
                if (funct3 == 3) return (true, a < b ? 1 : 0); // SLTU
                if (funct3 == 4) return (true, a ^ b); // XOR
                if (funct3 == 5) return (true, a >> (b & 63)); // SRL
                if (funct3 == 6) return (true, a | b); // OR
                return (true, a & b); // AND
            }
            if (funct7 == 0x20) {
                if (funct3 == 0) return (true, a - b); // SUB
                if (funct3 == 5) return (true, uint64(int64(a) >> (b & 63))); // SRA
            }
        }
    }

    /// @notice OP-32 with funct7 0x00 or 0x20, and OP-IMM-32: the low 32 bits, sign-extended.
    function op32(uint32 funct7, uint32 funct3, uint64 a, uint64 b) internal pure returns (bool legal, uint64 value) {
        unchecked {
            uint32 low = uint32(a);
            if (funct7 == 0x00) {
                if (funct3 == 0) return (true, extend(low + uint32(b))); // ADDW
                if (funct3 == 1) return (true, extend(low << (uint32(b) & 31))); // SLLW
                if (funct3 == 5) return (true, extend(low >> (uint32(b) & 31))); // SRLW
            } else if (funct7 == 0x20) {
                if (funct3 == 0) return (true, extend(low - uint32(b))); // SUBW
                if (funct3 == 5) return (true, extend(uint32(int32(low) >> (uint32(b) & 31)))); // SRAW
            }
        }
    }

    /// @notice OP with funct7 0x01: M on 64 bits.
    function mulDiv(uint32 funct3, uint64 a, uint64 b) internal pure returns (uint64) {
        unchecked {
            if (funct3 == 0) return a * b; // MUL
            if (funct3 == 1) return uint64(uint256(int256(int64(a)) * int256(int64(b)) >> 64)); // MULH
            if (funct3 == 2) return uint64(uint256(int256(int64(a)) * int256(uint256(b)) >> 64)); // MULHSU
            if (funct3 == 3) return uint64(uint256(a) * uint256(b) >> 64); // MULHU
            // Division by zero gives all ones, and the dividend as remainder. What overflows wraps.
            if (funct3 == 4) return b == 0 ? type(uint64).max : uint64(int64(a) / int64(b)); // DIV
            if (funct3 == 5) return b == 0 ? type(uint64).max : a / b; // DIVU
            if (funct3 == 6) return b == 0 ? a : uint64(int64(a) % int64(b)); // REM
            return b == 0 ? a : a % b; // REMU
        }
    }

    /// @notice OP-32 with funct7 0x01: M on the low 32 bits, sign-extended.
    function mulDiv32(uint32 funct3, uint64 a64, uint64 b64) internal pure returns (bool legal, uint64 value) {
        unchecked {
            (uint32 a, uint32 b) = (uint32(a64), uint32(b64));
            if (funct3 == 0) return (true, extend(a * b)); // MULW
            if (funct3 == 4) return (true, b == 0 ? type(uint64).max : extend(uint32(int32(a) / int32(b)))); // DIVW
            if (funct3 == 5) return (true, b == 0 ? type(uint64).max : extend(a / b)); // DIVUW
            if (funct3 == 6) return (true, extend(b == 0 ? a : uint32(int32(a) % int32(b)))); // REMW
            if (funct3 == 7) return (true, extend(b == 0 ? a : a % b)); // REMUW
        }
    }

    /// @notice BRANCH: whether it is taken.
    function branch(uint32 funct3, uint64 a, uint64 b) internal pure returns (bool legal, bool taken) {
        if (funct3 == 0) return (true, a == b); // BEQ
        if (funct3 == 1) return (true, a != b); // BNE
        if (funct3 == 4) return (true, int64(a) < int64(b)); // BLT
        if (funct3 == 5) return (true, int64(a) >= int64(b)); // BGE
        if (funct3 == 6) return (true, a < b); // BLTU
        if (funct3 == 7) return (true, a >= b); // BGEU
    }

    /// @notice 32 bits as 64, sign-extended.
    function extend(uint32 value) internal pure returns (uint64) {
        return uint64(int64(int32(value)));
    }
}
