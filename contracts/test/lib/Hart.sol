// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Preimages} from "../../src/dispute/Preimages.sol";
import {RiscV} from "../../src/dispute/RiscV.sol";
import {Test} from "./Test.sol";

/// @notice A model of the machine's state, to say what a step must do: the registers as numbers, the memory as a whole tree
/// whose nodes are kept, the witness put together from both. It computes no instruction.
///
/// A test sets up the state, takes the witness (`given`), changes the state to what must follow, and asks (`leads`).
abstract contract Hart is Test {
    uint256 internal constant DEPTH = 27;
    uint256 internal constant STATE_BYTES = 321;
    uint256 internal constant PROOF_BYTES = 896;
    uint256 internal constant PAGE_PROOF_BYTES = 672;
    uint256 internal constant FETCHED_BYTES = STATE_BYTES + PROOF_BYTES;
    bytes32 internal constant TRAPPED = keccak256(hex"02");

    Preimages internal preimages = new Preimages();
    RiscV internal riscv = new RiscV(preimages);

    uint64 internal pc = 0x1000;
    uint64[32] internal x;
    bytes32 internal output;
    /// Nodes that are not those of zeros, by level (0 the leaves) and index.
    mapping(uint256 level => mapping(uint256 index => bytes32)) private _nodes;
    bytes32[] private _zeros;

    constructor() {
        bytes32 zero;
        for (uint256 level; level <= DEPTH; ++level) {
            _zeros.push(zero);
            zero = keccak256(abi.encodePacked(zero, zero));
        }
    }

    // Memory

    function node(uint256 level, uint256 index) internal view returns (bytes32 value) {
        value = _nodes[level][index];
        if (value == 0) value = _zeros[level];
    }

    /// Makes a node the root of a subtree, and all above it fit.
    function setNode(uint256 level, uint256 index, bytes32 value) internal {
        _nodes[level][index] = value;
        for (; level < DEPTH; ++level) {
            index /= 2;
            _nodes[level + 1][index] = keccak256(abi.encodePacked(node(level, 2 * index), node(level, 2 * index + 1)));
        }
    }

    /// Writes bytes where they are to stand, within one leaf.
    function poke(uint64 place, bytes memory data) internal {
        bytes memory leaf = abi.encode(node(0, place / 32));
        for (uint256 i; i < data.length; ++i) {
            leaf[place % 32 + i] = data[i];
        }
        setNode(0, place / 32, bytes32(leaf));
    }

    /// The low `size` bytes of a number, the lowest first.
    function little(uint64 value, uint256 size) internal pure returns (bytes memory data) {
        data = new bytes(size);
        for (uint256 i; i < size; ++i) {
            data[i] = bytes1(uint8(value >> 8 * i));
        }
    }

    function siblings(uint256 level, uint256 index) internal view returns (bytes memory path) {
        for (; level < DEPTH; ++level) {
            path = bytes.concat(path, node(level, index ^ 1));
            index /= 2;
        }
    }

    // States and witnesses

    /// The preimage of the state that stands here.
    function running() internal view returns (bytes memory preimage) {
        preimage = abi.encodePacked(uint8(0), pc);
        for (uint256 i = 1; i < 32; ++i) {
            preimage = abi.encodePacked(preimage, x[i]);
        }
        preimage = abi.encodePacked(preimage, node(DEPTH, 0), output);
    }

    function proofOf(uint64 place) internal view returns (bytes memory) {
        return bytes.concat(node(0, place / 32), siblings(0, place / 32));
    }

    function pageProofOf(uint64 place) internal view returns (bytes memory) {
        return bytes.concat(node(7, place / 4096), siblings(7, place / 4096));
    }

    /// Puts an instruction at `pc`; the witness of a step that looks at nothing else.
    function given(uint32 word) internal returns (bytes memory) {
        poke(pc, little(word, 4));
        return bytes.concat(running(), proofOf(pc));
    }

    /// The same with what a load or store looks at.
    function given(uint32 word, uint64 data) internal returns (bytes memory) {
        return bytes.concat(given(word), proofOf(data));
    }

    // What must follow

    function step(bytes memory witness) internal view returns (bytes32 next) {
        bytes32 before;
        (before, next) = riscv.step(witness);
        vm.assertEq(before, _stateHash(witness), "before");
    }

    /// The step leads to the state that stands here now.
    function leads(bytes memory witness, string memory what) internal view {
        vm.assertEq(step(witness), keccak256(running()), what);
    }

    /// The step writes a register and goes on at the next instruction.
    function writes(uint32 word, uint256 rd, uint64 value, string memory what) internal {
        bytes memory witness = given(word);
        uint64 old = x[rd];
        if (rd != 0) x[rd] = value;
        pc += 4;
        leads(witness, what);
        pc -= 4;
        x[rd] = old;
    }

    function traps(bytes memory witness, string memory what) internal view {
        vm.assertEq(step(witness), TRAPPED, what);
    }

    /// The witness is refused with this error, whatever its arguments.
    function refused(bytes memory witness, bytes4 error_, string memory what) internal view {
        (bool ok, bytes memory answer) = address(riscv).staticcall(abi.encodeCall(riscv.step, (witness)));
        vm.assertTrue(!ok, what);
        vm.assertEq(bytes32(bytes4(answer)), bytes32(error_), what);
    }

    function _stateHash(bytes memory witness) private pure returns (bytes32 result) {
        uint256 length = witness[0] == 0 ? STATE_BYTES : witness[0] == 0x01 ? 41 : 1;
        assembly ("memory-safe") {
            result := keccak256(add(witness, 32), length)
        }
    }
}
