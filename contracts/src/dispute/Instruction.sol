// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice A word of the program, read by the ISA manual's formats. Immediates are sign-extended to 64 bits.
type Instruction is uint32;

using Instructions for Instruction global;

/// @notice The fields of an instruction.
library Instructions {
    /// @notice Bits 6–0.
    function opcode(Instruction i) internal pure returns (uint32) {
        return Instruction.unwrap(i) & 0x7f;
    }

    /// @notice Bits 11–7: the register that is written.
    function rd(Instruction i) internal pure returns (uint32) {
        return Instruction.unwrap(i) >> 7 & 31;
    }

    /// @notice Bits 14–12.
    function funct3(Instruction i) internal pure returns (uint32) {
        return Instruction.unwrap(i) >> 12 & 7;
    }

    /// @notice Bits 19–15: the first register that is read.
    function rs1(Instruction i) internal pure returns (uint32) {
        return Instruction.unwrap(i) >> 15 & 31;
    }

    /// @notice Bits 24–20: the second.
    function rs2(Instruction i) internal pure returns (uint32) {
        return Instruction.unwrap(i) >> 20 & 31;
    }

    /// @notice Bits 31–25.
    function funct7(Instruction i) internal pure returns (uint32) {
        return Instruction.unwrap(i) >> 25;
    }

    /// @notice Bits 31–20: OP-IMM, LOAD, JALR.
    function immI(Instruction i) internal pure returns (uint64) {
        return _extend(_signed(i) >> 20);
    }

    /// @notice Bits 31–25, 11–7: STORE.
    function immS(Instruction i) internal pure returns (uint64) {
        return _extend(_signed(i) >> 25 << 5 | _field(i, 7, 31));
    }

    /// @notice Bits 31, 7, 30–25, 11–8, and 0: BRANCH.
    function immB(Instruction i) internal pure returns (uint64) {
        return _extend(_signed(i) >> 31 << 12 | _field(i, 7, 1) << 11 | _field(i, 25, 63) << 5 | _field(i, 8, 15) << 1);
    }

    /// @notice Bits 31–12, and twelve zeros: LUI, AUIPC.
    function immU(Instruction i) internal pure returns (uint64) {
        return _extend(_signed(i) >> 12 << 12);
    }

    /// @notice Bits 31, 19–12, 20, 30–21, and 0: JAL.
    function immJ(Instruction i) internal pure returns (uint64) {
        return
            _extend(
                _signed(i) >> 31 << 20 | _field(i, 12, 255) << 12 | _field(i, 20, 1) << 11 | _field(i, 21, 1023) << 1
            );
    }

    function _signed(Instruction i) private pure returns (int32) {
        return int32(Instruction.unwrap(i));
    }

    function _field(Instruction i, uint256 from, int32 mask) private pure returns (int32) {
        return _signed(i) >> from & mask;
    }

    function _extend(int32 value) private pure returns (uint64) {
        return uint64(int64(value));
    }
}
