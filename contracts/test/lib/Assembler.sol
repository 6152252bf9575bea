// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice Words of RV64IM, put together by the formats of the ISA manual.
library Assembler {
    uint32 internal constant ECALL = 0x73;
    uint32 internal constant EBREAK = 0x00100073;
    uint32 internal constant NOP = 0x13;

    function r(uint32 opcode, uint32 funct7, uint32 funct3, uint32 rd, uint32 rs1, uint32 rs2)
        internal
        pure
        returns (uint32)
    {
        return funct7 << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode;
    }

    function i(uint32 opcode, uint32 funct3, uint32 rd, uint32 rs1, int32 imm) internal pure returns (uint32) {
        return uint32(imm) << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode;
    }

    function s(uint32 opcode, uint32 funct3, uint32 rs1, uint32 rs2, int32 imm) internal pure returns (uint32) {
        return _bits(imm, 5, 7) << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | _bits(imm, 0, 5) << 7 | opcode;
    }

    function b(uint32 opcode, uint32 funct3, uint32 rs1, uint32 rs2, int32 imm) internal pure returns (uint32) {
        return _bits(imm, 12, 1) << 31 | _bits(imm, 5, 6) << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12
            | _bits(imm, 1, 4) << 8 | _bits(imm, 11, 1) << 7 | opcode;
    }

    /// `imm` is what the upper 20 bits hold.
    function u(uint32 opcode, uint32 rd, uint32 imm) internal pure returns (uint32) {
        return imm << 12 | rd << 7 | opcode;
    }

    function j(uint32 opcode, uint32 rd, int32 imm) internal pure returns (uint32) {
        return _bits(imm, 20, 1) << 31 | _bits(imm, 1, 10) << 21 | _bits(imm, 11, 1) << 20 | _bits(imm, 12, 8) << 12
            | rd << 7 | opcode;
    }

    function addi(uint32 rd, uint32 rs1, int32 imm) internal pure returns (uint32) {
        return i(0x13, 0, rd, rs1, imm);
    }

    /// Kinds by funct3: LB LH LW LD LBU LHU LWU.
    function load(uint32 funct3, uint32 rd, uint32 rs1, int32 imm) internal pure returns (uint32) {
        return i(0x03, funct3, rd, rs1, imm);
    }

    /// Kinds by funct3: SB SH SW SD.
    function store(uint32 funct3, uint32 rs2, uint32 rs1, int32 imm) internal pure returns (uint32) {
        return s(0x23, funct3, rs1, rs2, imm);
    }

    function branch(uint32 funct3, uint32 rs1, uint32 rs2, int32 imm) internal pure returns (uint32) {
        return b(0x63, funct3, rs1, rs2, imm);
    }

    function jal(uint32 rd, int32 imm) internal pure returns (uint32) {
        return j(0x6f, rd, imm);
    }

    function jalr(uint32 rd, uint32 rs1, int32 imm) internal pure returns (uint32) {
        return i(0x67, 0, rd, rs1, imm);
    }

    function _bits(int32 value, uint32 from, uint32 count) private pure returns (uint32) {
        return uint32(value) >> from & (uint32(1) << count) - 1;
    }
}
