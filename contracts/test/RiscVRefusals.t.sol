// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRiscV} from "../src/dispute/IRiscV.sol";
import {Assembler as A} from "./lib/Assembler.sol";
import {Hart} from "./lib/Hart.sol";

/// @notice Which words are no instructions, by the masks of the `riscv-opcodes` project; and which witnesses are none.
contract RiscVRefusalsTest is Hart {
    /// Words with these bits of the mask are instructions.
    mapping(uint32 mask => mapping(uint32 bits => bool)) private _legal;

    uint32[14] private _opcodes =
        [uint32(0x03), 0x0f, 0x13, 0x17, 0x1b, 0x23, 0x2f, 0x33, 0x37, 0x3b, 0x63, 0x67, 0x6f, 0x73];

    function setUp() external {
        uint32[31] memory register = [
            // ADD SUB SLL SLT SLTU XOR SRL SRA OR AND
            uint32(0x33),
            0x40000033,
            0x1033,
            0x2033,
            0x3033,
            0x4033,
            0x5033,
            0x40005033,
            0x6033,
            0x7033,
            // ADDW SUBW SLLW SRLW SRAW
            0x3b,
            0x4000003b,
            0x103b,
            0x503b,
            0x4000503b,
            // MUL MULH MULHSU MULHU DIV DIVU REM REMU
            0x2000033,
            0x2001033,
            0x2002033,
            0x2003033,
            0x2004033,
            0x2005033,
            0x2006033,
            0x2007033,
            // MULW DIVW DIVUW REMW REMUW
            0x200003b,
            0x200403b,
            0x200503b,
            0x200603b,
            0x200703b,
            // SLLIW SRLIW SRAIW
            0x101b,
            0x501b,
            0x4000501b
        ];
        uint32[26] memory immediate = [
            // JALR FENCE BEQ BNE BLT BGE BLTU BGEU
            uint32(0x67),
            0x0f,
            0x63,
            0x1063,
            0x4063,
            0x5063,
            0x6063,
            0x7063,
            // LB LH LW LD LBU LHU LWU SB SH SW SD
            0x03,
            0x1003,
            0x2003,
            0x3003,
            0x4003,
            0x5003,
            0x6003,
            0x23,
            0x1023,
            0x2023,
            0x3023,
            // ADDI SLTI SLTIU XORI ORI ANDI ADDIW
            0x13,
            0x2013,
            0x3013,
            0x4013,
            0x6013,
            0x7013,
            0x1b
        ];
        for (uint256 i; i < register.length; ++i) {
            _legal[0xfe00707f][register[i]] = true;
        }
        for (uint256 i; i < immediate.length; ++i) {
            _legal[0x707f][immediate[i]] = true;
        }
        // SLLI SRLI SRAI
        (_legal[0xfc00707f][0x1013], _legal[0xfc00707f][0x5013], _legal[0xfc00707f][0x40005013]) = (true, true, true);
        // LUI AUIPC JAL
        (_legal[0x7f][0x37], _legal[0x7f][0x17], _legal[0x7f][0x6f]) = (true, true, true);
        _legal[0xffffffff][0x73] = true;
        x[1] = 0x10000;
        // ECALL: WRITE.
        x[5] = 2;
    }

    function _isLegal(uint32 word) private view returns (bool) {
        return _legal[0xfe00707f][word & 0xfe00707f] || _legal[0xfc00707f][word & 0xfc00707f]
            || _legal[0x707f][word & 0x707f] || _legal[0x7f][word & 0x7f] || _legal[0xffffffff][word];
    }

    /// Every so-many-th funct7. Loads and stores look at an aligned address. A call of its own, so that its memory is given
    /// back.
    function sweep(uint32 opcode, uint32 funct3, uint32 every) external {
        for (uint32 funct7; funct7 < 128; funct7 += every) {
            uint32 word = A.r(opcode, funct7, funct3, 0, 1, 0);
            if (!_isLegal(word)) {
                traps(given(word), vm.toString(word));
                continue;
            }
            bool data = opcode == 0x03 || opcode == 0x23;
            uint64 place = 0x10000 + 32 * funct7 - (funct7 >= 64 ? 4096 : 0);
            bytes32 next = step(data ? given(word, place) : given(word));
            vm.assertTrue(next != TRAPPED, vm.toString(word));
        }
    }

    function test_of_all_opcodes_and_functions_only_the_listed_are_instructions() external {
        for (uint32 funct3; funct3 < 8; ++funct3) {
            for (uint32 opcode; opcode < 128; ++opcode) {
                this.sweep(opcode, funct3, 61);
            }
            for (uint256 i; i < _opcodes.length; ++i) {
                this.sweep(_opcodes[i], funct3, 1);
            }
        }
    }

    function test_fuzz_words_with_our_opcodes_trap_unless_they_are_listed(uint32 word) external {
        word = word & ~uint32(0x7f) | _opcodes[(word & 0x7f) % 14];
        // Whether these trap depends on the address.
        vm.assume(word & 0x7f != 0x03 && word & 0x7f != 0x23);
        vm.assertEq(step(given(word)) == TRAPPED, !_isLegal(word));
    }

    function test_what_is_no_instruction_traps() external {
        traps(given(0), "zeros");
        traps(given(0xffffffff), "ones");
        traps(given(0x00100073), "EBREAK");
        traps(given(0x000000f3), "ECALL with rd");
        traps(given(0x00008073), "ECALL with rs1");
        traps(given(0x00200073), "URET");
        traps(given(0x10500073), "WFI");
        traps(given(0x30200073), "MRET");
        traps(given(0xc00022f3), "CSRRS: RDCYCLE");
        traps(given(0x30001073), "CSRRW");
        traps(given(0x0000100f), "FENCE.I");
        traps(given(0x00010001), "two compressed NOPs");
        traps(given(0x1000a2af), "LR.W");
        traps(given(0x0020a2af), "AMOADD.W");
        traps(given(0x0000b007), "FLD");
        traps(given(0x02000053), "FADD.D");
        traps(given(0x0200109b), "SLLIW with an amount of 32");
        traps(given(0x0200509b), "SRLIW with an amount of 32");
        traps(given(0x4200509b), "SRAIW with an amount of 32");
        traps(given(0x0000f003), "LDU");
        traps(given(0x0000c023), "a store of 16 bytes");
        traps(given(0x200010b3), "SH1ADD's funct7");
    }

    // Witnesses

    function _accepted(bytes memory witness) private view {
        (bool ok,) = address(riscv).staticcall(abi.encodeCall(riscv.step, (witness)));
        vm.assertTrue(ok, "the witness itself");
    }

    /// Each byte behind the registers changed, each in another way.
    function _flipped(bytes memory witness) private view {
        _accepted(witness);
        for (uint256 i = 257; i < witness.length; ++i) {
            // The output is no part of what is proved.
            if (i >= 289 && i < STATE_BYTES) continue;
            bytes1 old = witness[i];
            witness[i] = old ^ bytes1(uint8(1 << i % 8));
            refused(witness, IRiscV.ProofWrong.selector, vm.toString(i));
            witness[i] = old;
        }
    }

    /// Every other length, from none to twenty words more.
    function _cut(bytes memory witness) private view {
        _accepted(witness);
        bytes memory longer = bytes.concat(witness, new bytes(640));
        for (uint256 length; length <= longer.length; ++length) {
            if (length == witness.length) continue;
            assembly ("memory-safe") {
                mstore(longer, length)
            }
            refused(longer, IRiscV.WitnessLengthWrong.selector, vm.toString(length));
            assembly ("memory-safe") {
                mstore(longer, add(mload(witness), 640))
            }
        }
    }

    function _read() private returns (bytes memory) {
        uint64[] memory indices = new uint64[](1);
        bytes32 key = preimages.loadKeccak(new address[](0), "value", indices);
        (x[5], x[10], x[15], x[16]) = (0x5355, 1, 0, 0x4000);
        for (uint256 i; i < 4; ++i) {
            x[11 + i] = uint64(bytes8(key << 64 * i));
            // Little endian.
            bytes memory reversed = little(x[11 + i], 8);
            x[11 + i] = uint64(bytes8(reversed));
        }
        return bytes.concat(given(A.ECALL), pageProofOf(0x4000));
    }

    function test_a_witness_with_a_changed_byte_is_refused() external {
        _flipped(given(A.NOP));
        _flipped(given(A.load(3, 7, 1, 0), 0x10000));
        _flipped(given(A.store(3, 7, 1, 0), 0x10000));
        _flipped(_read());
    }

    function test_a_witness_of_another_length_is_refused() external {
        _cut(given(A.NOP));
        _cut(given(0));
        _cut(given(A.load(3, 7, 1, 0), 0x10000));
        _cut(given(A.load(3, 7, 1, 1)));
        _cut(given(A.store(3, 7, 1, 0), 0x10000));
        _cut(given(A.store(3, 7, 1, 1)));
        _cut(given(A.ECALL));
        _cut(_read());
        x[10] = 3;
        _cut(given(A.ECALL));
        pc = 0x1002;
        _cut(running());
        _cut(abi.encodePacked(uint8(1), uint64(7), output));
        _cut(hex"02");
    }

    function test_a_witness_of_another_state_is_refused() external {
        bytes memory witness = given(A.NOP);
        for (uint256 tag = 3; tag < 256; ++tag) {
            witness[0] = bytes1(uint8(tag));
            refused(witness, IRiscV.UnknownState.selector, vm.toString(tag));
        }
        witness[0] = 0x01;
        refused(witness, IRiscV.WitnessLengthWrong.selector, "halted");
        witness[0] = 0x02;
        refused(witness, IRiscV.WitnessLengthWrong.selector, "trapped");
    }

    function test_the_proof_of_another_place_is_refused() external {
        _accepted(given(A.NOP));
        bytes memory oldProof = proofOf(pc);
        poke(0x1020, little(A.addi(1, 1, 1), 4));
        refused(bytes.concat(running(), oldProof), IRiscV.ProofWrong.selector, "the memory as it was");
        refused(bytes.concat(running(), proofOf(0x1020)), IRiscV.ProofWrong.selector, "the leaf behind");
        refused(bytes.concat(running(), proofOf(0x10000)), IRiscV.ProofWrong.selector, "a leaf of zeros");
        bytes memory load = given(A.load(3, 7, 1, 0));
        refused(bytes.concat(load, proofOf(pc)), IRiscV.ProofWrong.selector, "the instruction as data");
        // The same siblings, the other side.
        poke(0x10020, little(1, 1));
        load = given(A.load(3, 7, 1, 0));
        refused(bytes.concat(load, proofOf(0x10020)), IRiscV.ProofWrong.selector, "its sibling");
    }

    function test_errors_say_what_is_wrong() external {
        bytes memory load = given(A.load(3, 7, 1, 0), 0x10000);
        vm.expectRevert(abi.encodeWithSelector(IRiscV.WitnessLengthWrong.selector, 0, 1));
        riscv.step("");
        vm.expectRevert(abi.encodeWithSelector(IRiscV.UnknownState.selector, 7));
        riscv.step(hex"07");
        vm.expectRevert(
            abi.encodeWithSelector(IRiscV.WitnessLengthWrong.selector, load.length + 1, FETCHED_BYTES + PROOF_BYTES)
        );
        riscv.step(bytes.concat(load, hex"00"));
        bytes32 root = node(DEPTH, 0);
        bytes memory changed = bytes.concat(given(A.load(3, 7, 1, 0)), bytes32(uint256(1)), siblings(0, 0x10000 / 32));
        poke(0x10000, abi.encode(1));
        vm.expectRevert(abi.encodeWithSelector(IRiscV.ProofWrong.selector, FETCHED_BYTES, node(DEPTH, 0), root));
        riscv.step(changed);
    }
}
