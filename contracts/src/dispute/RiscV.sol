// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Alu} from "./Alu.sol";
import {BLOB_ELEMENTS, IPreimages, KIND_BLOB, KIND_KECCAK} from "./IPreimages.sol";
import {IRiscV} from "./IRiscV.sol";
import {Instruction} from "./Instruction.sol";
import {Machine, MachineState} from "./Machine.sol";
import {MemoryTree} from "./MemoryTree.sol";

/// @notice One step of the machine; what everything means stands in `IRiscV`.
contract RiscV is IRiscV {
    /// @dev Opcodes, and the one word of SYSTEM that is an instruction here.
    uint32 private constant LOAD = 0x03;
    uint32 private constant MISC_MEM = 0x0f;
    uint32 private constant OP_IMM = 0x13;
    uint32 private constant AUIPC = 0x17;
    uint32 private constant OP_IMM_32 = 0x1b;
    uint32 private constant STORE = 0x23;
    uint32 private constant OP = 0x33;
    uint32 private constant LUI = 0x37;
    uint32 private constant OP_32 = 0x3b;
    uint32 private constant BRANCH = 0x63;
    uint32 private constant JALR = 0x67;
    uint32 private constant JAL = 0x6f;
    uint32 private constant ECALL = 0x00000073;
    /// @dev funct7 of multiplications and divisions.
    uint32 private constant MULDIV = 0x01;
    /// @dev Calls, by t0.
    uint64 private constant HALT = 0x00;
    uint64 private constant WRITE = 0x02;
    uint64 private constant COMMIT = 0x10;
    uint64 private constant COMMIT_DEFERRED = 0x1a;
    uint64 private constant READ = 0x5355;
    /// @dev Registers of calls: t0, and a0 with those behind it.
    uint256 private constant T0 = 5;
    uint256 private constant A0 = 10;
    /// @dev Bytes of a witness: a leaf with its siblings, a page with its siblings, a state with its instruction.
    uint256 private constant LEAF_PROOF = 32 + 32 * MemoryTree.DEPTH;
    uint256 private constant PAGE_PROOF = 32 + 32 * (MemoryTree.DEPTH - MemoryTree.PAGE_DEPTH);
    uint256 private constant FETCHED = Machine.RUNNING_LENGTH + LEAF_PROOF;

    IPreimages public immutable preimages;

    constructor(IPreimages preimages_) {
        preimages = preimages_;
    }

    /// @inheritdoc IRiscV
    function step(bytes calldata witness) external view returns (bytes32 before, bytes32 next) {
        _checkAtLeast(witness, 1);
        uint8 tag = uint8(witness[0]);
        uint256 length = Machine.lengthOf(tag);
        require(length != 0, UnknownState(tag));
        _checkAtLeast(witness, length);
        MachineState s = Machine.from(witness[:length]);
        before = s.hash();
        if (!s.running()) {
            _checkLength(witness, length);
            return (before, before);
        }
        uint64 pc = s.pc();
        if (pc % 4 != 0 || pc >= MemoryTree.SIZE) {
            _checkLength(witness, length);
            s.trap();
        } else {
            _checkAtLeast(witness, FETCHED);
            bytes32 leaf = _proven(s, witness[:FETCHED], length, pc >> 5);
            _execute(s, witness, pc, Instruction.wrap(uint32(MemoryTree.read(leaf, pc))));
        }
        next = s.hash();
    }

    /// @inheritdoc IRiscV
    function haltedHash(uint64 exitCode, bytes32 output) external pure returns (bytes32) {
        return Machine.halted(exitCode, output).hash();
    }

    /// @inheritdoc IRiscV
    function trappedHash() external pure returns (bytes32) {
        return Machine.trapped().hash();
    }

    /// @dev The instruction at `pc`.
    function _execute(MachineState s, bytes calldata witness, uint64 pc, Instruction i) private view {
        uint32 opcode = i.opcode();
        if (opcode == LOAD) return _load(s, witness, pc, i);
        if (opcode == STORE) return _store(s, witness, pc, i);
        if (Instruction.unwrap(i) == ECALL) return _call(s, witness, pc);
        _checkLength(witness, FETCHED);
        unchecked {
            if (opcode == OP || opcode == OP_IMM || opcode == OP_32 || opcode == OP_IMM_32) {
                (bool legal, uint64 value) = _compute(s, opcode, i);
                _finish(s, legal, i.rd(), value, pc + 4);
            } else if (opcode == BRANCH) {
                (bool legal, bool taken) = Alu.branch(i.funct3(), s.x(i.rs1()), s.x(i.rs2()));
                _finish(s, legal, 0, 0, pc + (taken ? i.immB() : 4));
            } else if (opcode == LUI) {
                _finish(s, true, i.rd(), i.immU(), pc + 4);
            } else if (opcode == AUIPC) {
                _finish(s, true, i.rd(), pc + i.immU(), pc + 4);
            } else if (opcode == JAL) {
                _finish(s, true, i.rd(), pc + 4, pc + i.immJ());
            } else if (opcode == JALR) {
                _finish(s, i.funct3() == 0, i.rd(), pc + 4, (s.x(i.rs1()) + i.immI()) & ~uint64(1));
            } else {
                _finish(s, opcode == MISC_MEM && i.funct3() == 0, 0, 0, pc + 4);
            }
        }
    }

    /// @dev An illegal instruction traps; else register `rd` is written and the program goes on at `next`.
    function _finish(MachineState s, bool legal, uint256 rd, uint64 value, uint64 next) private pure {
        if (!legal) return s.trap();
        s.setX(rd, value);
        s.setPc(next);
    }

    /// @dev OP, OP-IMM, OP-32, OP-IMM-32. An instruction with an immediate computes as the one with a register does; its
    /// funct7 (of 64-bit shifts: funct6) says something for shifts alone.
    function _compute(MachineState s, uint32 opcode, Instruction i) private pure returns (bool legal, uint64 value) {
        uint32 funct3 = i.funct3();
        uint32 funct7 = i.funct7();
        uint64 a = s.x(i.rs1());
        if (opcode == OP) {
            uint64 b = s.x(i.rs2());
            return funct7 == MULDIV ? (true, Alu.mulDiv(funct3, a, b)) : Alu.op(funct7, funct3, a, b);
        }
        if (opcode == OP_32) {
            uint64 b = s.x(i.rs2());
            return funct7 == MULDIV ? Alu.mulDiv32(funct3, a, b) : Alu.op32(funct7, funct3, a, b);
        }
        bool shift = funct3 == 1 || funct3 == 5;
        if (opcode == OP_IMM_32) return Alu.op32(shift ? funct7 : 0, funct3, a, i.immI());
        // Bit 25 belongs to the amount: shifts take the low six bits.
        return Alu.op(shift ? funct7 & 0x7e : 0, funct3, a, i.immI());
    }

    /// @dev LB, LH, LW, LD, LBU, LHU, LWU.
    function _load(MachineState s, bytes calldata witness, uint64 pc, Instruction i) private pure {
        unchecked {
            uint32 funct3 = i.funct3();
            uint64 place = s.x(i.rs1()) + i.immI();
            if (funct3 == 7 || !_addressable(place, uint64(1) << (funct3 & 3))) return _trap(s, witness);
            uint64 value = MemoryTree.read(_data(s, witness, place), place);
            if (funct3 == 0) value = uint64(int64(int8(uint8(value)))); // LB
            else if (funct3 == 1) value = uint64(int64(int16(uint16(value)))); // LH
            else if (funct3 == 2) value = uint64(int64(int32(uint32(value)))); // LW
            else if (funct3 == 4) value = uint8(value); // LBU
            else if (funct3 == 5) value = uint16(value); // LHU
            else if (funct3 == 6) value = uint32(value); // LWU
            _finish(s, true, i.rd(), value, pc + 4);
        }
    }

    /// @dev SB, SH, SW, SD.
    function _store(MachineState s, bytes calldata witness, uint64 pc, Instruction i) private pure {
        unchecked {
            uint32 funct3 = i.funct3();
            uint64 place = s.x(i.rs1()) + i.immS();
            if (funct3 > 3 || !_addressable(place, uint64(1) << funct3)) return _trap(s, witness);
            bytes32 leaf = MemoryTree.write(_data(s, witness, place), place, 1 << funct3, s.x(i.rs2()));
            s.setMemoryRoot(MemoryTree.climb(leaf, place >> 5, witness[FETCHED + 32:]));
            s.setPc(pc + 4);
        }
    }

    /// @dev Whether `size` bytes can be read or written there.
    function _addressable(uint64 place, uint64 size) private pure returns (bool) {
        return place < MemoryTree.SIZE && place % size == 0;
    }

    /// @dev ECALL.
    function _call(MachineState s, bytes calldata witness, uint64 pc) private view {
        uint64 number = s.x(T0);
        if (number == READ) return _read(s, witness, pc);
        _checkLength(witness, FETCHED);
        uint64 a0 = s.x(A0);
        if (number == HALT) return s.halt(a0);
        bool legal = number == WRITE || number == COMMIT_DEFERRED || number == COMMIT && a0 < 8;
        if (number == COMMIT && legal) s.setOutput(a0, uint32(s.x(A0 + 1)));
        unchecked {
            _finish(s, legal, 0, 0, pc + 4);
        }
    }

    /// @dev READ: a part becomes the page at a6.
    function _read(MachineState s, bytes calldata witness, uint64 pc) private view {
        unchecked {
            (uint64 kind, uint64 index, uint64 place) = (s.x(A0), s.x(A0 + 5), s.x(A0 + 6));
            bool legal = kind == KIND_KECCAK || kind == KIND_BLOB && index < BLOB_ELEMENTS;
            if (!legal || !_addressable(place, MemoryTree.PAGE)) return _trap(s, witness);
            _checkLength(witness, FETCHED + PAGE_PROOF);
            _proven(s, witness, FETCHED, place / MemoryTree.PAGE);
            bytes32 key = _key(s);
            (bool known, uint64 length, bytes32 page) = preimages.part(kind, key, index);
            require(known, PartNotLoaded(kind, key, index));
            s.setMemoryRoot(MemoryTree.climb(page, place / MemoryTree.PAGE, witness[FETCHED + 32:]));
            _finish(s, true, T0, length, pc + 4);
        }
    }

    /// @dev The key in a1 … a4.
    function _key(MachineState s) private pure returns (bytes32 key) {
        unchecked {
            for (uint256 i = A0 + 1; i < A0 + 5; ++i) {
                key = key << 64 | bytes32(uint256(MemoryTree.swap(s.x(i))));
            }
        }
    }

    /// @dev A load, store or call that traps needs nothing but the instruction.
    function _trap(MachineState s, bytes calldata witness) private pure {
        _checkLength(witness, FETCHED);
        s.trap();
    }

    /// @dev The leaf that a load or store looks at.
    function _data(MachineState s, bytes calldata witness, uint64 place) private pure returns (bytes32) {
        _checkLength(witness, FETCHED + LEAF_PROOF);
        return _proven(s, witness, FETCHED, place >> 5);
    }

    /// @dev The node at `offset` of the witness, which stands at `index` of its level: the rest proves it.
    function _proven(MachineState s, bytes calldata witness, uint256 offset, uint256 index)
        private
        pure
        returns (bytes32 node)
    {
        node = bytes32(witness[offset:offset + 32]);
        bytes32 root = MemoryTree.climb(node, index, witness[offset + 32:]);
        bytes32 expected = s.memoryRoot();
        require(root == expected, ProofWrong(offset, root, expected));
    }

    function _checkLength(bytes calldata witness, uint256 expected) private pure {
        require(witness.length == expected, WitnessLengthWrong(witness.length, expected));
    }

    function _checkAtLeast(bytes calldata witness, uint256 expected) private pure {
        require(witness.length >= expected, WitnessLengthWrong(witness.length, expected));
    }
}
