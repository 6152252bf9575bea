// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Assembler as A} from "./Assembler.sol";
import {Hart} from "./Hart.sol";

/// @notice A program of 29 steps that says one output and ends, with all its states and the witness of each step.
abstract contract Trace is Hart {
    uint64 private constant DATA = 0x2000;
    uint64 private constant COMMIT = 0x10;

    /// Hashes of the states: the first before all steps.
    bytes32[] internal states;
    /// Of each step.
    bytes[] internal witnesses;

    uint64 internal constant ENTRY = 0x1000;

    /// Writes the program for an output into memory.
    function load(bytes32 says) internal {
        setNode(0, DATA / 32, says);
        uint64 place = ENTRY;
        place = _put(place, A.u(0x37, 6, uint32(DATA >> 12)));
        place = _put(place, A.addi(5, 0, int32(uint32(COMMIT))));
        for (uint32 i; i < 8; ++i) {
            place = _put(place, A.addi(10, 0, int32(i)));
            place = _put(place, A.load(2, 11, 6, int32(4 * i)));
            place = _put(place, A.ECALL);
        }
        place = _put(place, A.addi(5, 0, 0));
        place = _put(place, A.addi(10, 0, 0));
        _put(place, A.ECALL);
    }

    function _put(uint64 place, uint32 word) private returns (uint64) {
        poke(place, little(word, 4));
        return place + 4;
    }

    /// Runs it from its first state, with the input's hash in a0 to a3.
    function run(bytes32 input, bytes32 says) internal {
        pc = ENTRY;
        output = 0;
        for (uint256 i; i < 32; ++i) {
            x[i] = 0;
        }
        for (uint256 word; word < 4; ++word) {
            x[10 + word] = _word(input, 8 * word, 8);
        }
        states.push(keccak256(running()));
        _step(false);
        x[6] = DATA;
        _arrive();
        _step(false);
        x[5] = COMMIT;
        _arrive();
        for (uint64 i; i < 8; ++i) {
            _step(false);
            x[10] = i;
            _arrive();
            _step(true);
            // LW extends the sign.
            x[11] = uint64(int64(int32(uint32(_word(says, 4 * i, 4)))));
            _arrive();
            _step(false);
            output |= bytes32(bytes4(says << 32 * i)) >> 32 * i;
            _arrive();
        }
        _step(false);
        x[5] = 0;
        _arrive();
        _step(false);
        x[10] = 0;
        _arrive();
        _step(false);
        states.push(keccak256(abi.encodePacked(uint8(1), uint64(0), output)));
    }

    /// The little-endian number of some bytes.
    function _word(bytes32 value, uint256 from, uint256 size) private pure returns (uint64 number) {
        for (uint256 i; i < size; ++i) {
            number |= uint64(uint8(value[from + i])) << uint64(8 * i);
        }
    }

    /// The witness of the step from here.
    function _step(bool loads) private {
        bytes memory witness = bytes.concat(running(), proofOf(pc));
        witnesses.push(loads ? bytes.concat(witness, proofOf(DATA)) : witness);
    }

    function _arrive() private {
        pc += 4;
        states.push(keccak256(running()));
    }
}
