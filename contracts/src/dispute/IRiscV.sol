// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IPreimages} from "./IPreimages.sol";

/// @title One step of the machine that runs the program: the last word of a dispute (protocol §8).
/// @notice RV64IM, little endian, one hart, 4 GiB of memory, aligned access only. Whatever is not listed here traps. The same
/// machine stands in the crate `vm`; `step` is total: each witness of a state leads to exactly one next state.
///
/// **State.** Numbers are big endian; `x0` is zero and stands nowhere.
///
/// | state | preimage of its hash (keccak256) | bytes |
/// |---|---|---|
/// | running | `0x00 ‖ pc (8) ‖ x1 … x31 (8 each) ‖ memory root (32) ‖ output (32)` | 321 |
/// | halted | `0x01 ‖ exit code (8) ‖ output (32)` | 41 |
/// | trapped | `0x02` | 1 |
///
/// Halted and trapped states are their own next states. The memory root is that of `MemoryTree`.
///
/// **Step of a running state.**
/// 1. `pc` is no multiple of 4, or 2^32 or more: trap. Jumps and branches do not look; the step after them does.
/// 2. The four bytes at `pc` are the instruction: RV64I without FENCE.I and CSRs, and M, as the ISA manual has them. FENCE
///    (opcode 0x0f, funct3 0, the rest ignored) does nothing. ECALL is the word `0x00000073`. Everything else traps: EBREAK,
///    compressed and atomic instructions, other values of funct3, funct6 and funct7.
/// 3. A load or store whose address (mod 2^64) is no multiple of its size, or 2^32 or more: trap. A store changes memory at
///    once, the program included.
///
/// **ECALL**, by `t0` (x5); all others trap. `pc` moves on by 4.
///
/// | t0 | name | effect |
/// |---|---|---|
/// | 0x00 | HALT | halted with exit code `a0` and the output |
/// | 0x02 | WRITE | none |
/// | 0x10 | COMMIT | bytes `4·a0 … 4·a0 + 4` of the output become the low 32 bits of `a1`, little endian; `a0` ≥ 8 traps |
/// | 0x1a | COMMIT_DEFERRED | none |
/// | 0x5355 | READ | the page at `a6` becomes a part of a value, `t0` the value's whole length: see `IPreimages` |
///
/// READ takes the kind in `a0`, the key in `a1 … a4` (word i is the little-endian number of its bytes 8i … 8i + 8), the index
/// in `a5`. It traps if the kind is none, `a6` is no multiple of 4096 or not below 2^32, or an element's index not below 4096.
///
/// **Witness**, its parts one after the other:
/// 1. the preimage of the state's hash;
/// 2. running, and `pc` good: the leaf with the instruction (32) and its 27 siblings from below (864);
/// 3. a load or store that does not trap: the leaf with the data (32) and its 27 siblings (864);
///    a READ that does not trap: the old root of the page (32) and the 20 siblings above it (640).
///
/// Both proofs are against the memory before the step. A witness of another length, and one whose proofs lead elsewhere, is
/// refused. So is the READ of a part that was not loaded: it is no trap but a step that cannot be shown yet.
interface IRiscV {
    /// No state begins with this byte: give the preimage of a state's hash.
    error UnknownState(uint8 tag);
    /// The step needs a witness of exactly `expected` bytes (of at least these, where it is cut short).
    error WitnessLengthWrong(uint256 length, uint256 expected);
    /// The leaf (or page) at this byte of the witness leads to `root`, not to the state's memory root: prove what stands in
    /// memory before the step, at the address that the step looks at.
    error ProofWrong(uint256 offset, bytes32 root, bytes32 memoryRoot);
    /// The step reads this part: load it into `preimages` first.
    error PartNotLoaded(uint64 kind, bytes32 key, uint64 index);

    /// @notice One step.
    /// @param witness Of the state and of what the step reads (see above).
    /// @return before Hash of the state.
    /// @return next Hash of the state after it.
    function step(bytes calldata witness) external view returns (bytes32 before, bytes32 next);

    /// @notice Hash of a halted state.
    function haltedHash(uint64 exitCode, bytes32 output) external pure returns (bytes32);

    /// @notice Hash of the trapped state.
    function trappedHash() external pure returns (bytes32);

    /// @notice What READ is given.
    function preimages() external view returns (IPreimages);
}
