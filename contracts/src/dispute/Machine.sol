// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice A state of the machine: where its preimage (`IRiscV`) lies in memory. It is read and changed in place.
type MachineState is uint256;

using Machine for MachineState global;

/// @notice Reading and changing states. What is read and changed is a running state; any has a hash.
library Machine {
    uint256 internal constant RUNNING_LENGTH = 321;
    uint256 internal constant HALTED_LENGTH = 41;
    uint256 internal constant TRAPPED_LENGTH = 1;
    uint8 private constant RUNNING = 0;
    uint8 private constant HALTED = 1;
    uint8 private constant TRAPPED = 2;
    /// @dev Where the fields of a running state are. `x0` would be at `PC`.
    uint256 private constant PC = 1;
    uint256 private constant MEMORY_ROOT = 257;
    uint256 private constant OUTPUT = 289;
    uint256 private constant HALTED_OUTPUT = 9;

    /// @notice Length of the preimage that begins with this byte; 0 if none does.
    function lengthOf(uint8 tag) internal pure returns (uint256) {
        if (tag == RUNNING) return RUNNING_LENGTH;
        if (tag == HALTED) return HALTED_LENGTH;
        return tag == TRAPPED ? TRAPPED_LENGTH : 0;
    }

    /// @notice A state from its preimage, which is copied.
    function from(bytes calldata preimage) internal pure returns (MachineState) {
        return _at(preimage);
    }

    /// @notice The halted state.
    function halted(uint64 exitCode, bytes32 output) internal pure returns (MachineState) {
        return _at(abi.encodePacked(HALTED, exitCode, output));
    }

    /// @notice The trapped state.
    function trapped() internal pure returns (MachineState) {
        return _at(abi.encodePacked(TRAPPED));
    }

    /// @notice Whether it is neither halted nor trapped.
    function running(MachineState s) internal pure returns (bool) {
        return _tag(s) == RUNNING;
    }

    /// @notice Its hash.
    function hash(MachineState s) internal pure returns (bytes32 result) {
        uint256 size = lengthOf(_tag(s));
        assembly ("memory-safe") {
            result := keccak256(s, size)
        }
    }

    /// @notice Address of the instruction.
    function pc(MachineState s) internal pure returns (uint64) {
        return _load8(s, PC);
    }

    /// @notice The program goes on there.
    function setPc(MachineState s, uint64 value) internal pure {
        _store8(s, PC, value);
    }

    /// @notice Register `i` (0 to 31); `x0` is zero.
    function x(MachineState s, uint256 i) internal pure returns (uint64) {
        unchecked {
            return i == 0 ? 0 : _load8(s, PC + 8 * i);
        }
    }

    /// @notice Writes register `i`; what is written to `x0` is lost.
    function setX(MachineState s, uint256 i, uint64 value) internal pure {
        unchecked {
            if (i != 0) _store8(s, PC + 8 * i, value);
        }
    }

    /// @notice Root of the memory.
    function memoryRoot(MachineState s) internal pure returns (bytes32 root) {
        assembly ("memory-safe") {
            root := mload(add(s, MEMORY_ROOT))
        }
    }

    /// @notice The memory becomes the one with this root.
    function setMemoryRoot(MachineState s, bytes32 root) internal pure {
        assembly ("memory-safe") {
            mstore(add(s, MEMORY_ROOT), root)
        }
    }

    /// @notice Writes bytes `4·i … 4·i + 4` of the output, little endian; `i` below 8.
    function setOutput(MachineState s, uint256 i, uint32 value) internal pure {
        assembly ("memory-safe") {
            let place := add(add(s, OUTPUT), shl(2, i))
            mstore8(place, value)
            mstore8(add(place, 1), shr(8, value))
            mstore8(add(place, 2), shr(16, value))
            mstore8(add(place, 3), shr(24, value))
        }
    }

    /// @notice It becomes halted. Of what it was, only the output stays.
    function halt(MachineState s, uint64 exitCode) internal pure {
        assembly ("memory-safe") {
            mstore8(s, HALTED)
            mstore(add(s, HALTED_OUTPUT), mload(add(s, OUTPUT)))
        }
        _store8(s, 1, exitCode);
    }

    /// @notice It becomes trapped. Nothing of what it was stays.
    function trap(MachineState s) internal pure {
        assembly ("memory-safe") {
            mstore8(s, TRAPPED)
        }
    }

    function _at(bytes memory preimage) private pure returns (MachineState s) {
        assembly ("memory-safe") {
            s := add(preimage, 32)
        }
    }

    function _tag(MachineState s) private pure returns (uint8 tag) {
        assembly ("memory-safe") {
            tag := byte(0, mload(s))
        }
    }

    function _load8(MachineState s, uint256 place) private pure returns (uint64 value) {
        assembly ("memory-safe") {
            value := shr(192, mload(add(s, place)))
        }
    }

    /// @dev Eight bytes; the 24 behind them stay.
    function _store8(MachineState s, uint256 place, uint64 value) private pure {
        assembly ("memory-safe") {
            let start := add(s, place)
            mstore(start, or(shl(192, value), shr(64, shl(64, mload(start)))))
        }
    }
}
