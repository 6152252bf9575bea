//! Step the program: RISC-V decoder, fast interpreter, single step with witness, memory tree.
//!
//! # The machine
//!
//! RV64IM, little endian, one hart, memory of 4 GiB, aligned access only. What is not listed here traps. The contract
//! `RiscV.sol` makes one step of the same machine on L1; the two, and the fast interpreter, must agree in everything. Golden
//! steps that all of them make stand in `contracts/vectors/steps.json`.
//!
//! **State.** Running: pc, x1 to x31, memory, and 32 bytes of output. Its hash ([`State::hash`]) is keccak256 of
//!
//! | state | bytes |
//! |---|---|
//! | running | `0x00 ‖ pc ‖ x1 ‖ … ‖ x31` (8 bytes each, big endian) `‖ memory root ‖ output`: 321 bytes |
//! | halted | `0x01 ‖ exit code` (8 bytes, big endian) `‖ output`: 41 bytes |
//! | trapped | `0x02` |
//!
//! Halted and trapped states are their own successors, and hold nothing else of the state that led to them: so L1 knows the
//! hash of every end that a claim can name.
//!
//! **Memory root** ([`MemoryTree`]). A binary tree of depth 27 over leaves of 32 bytes, each its own value (the byte at the
//! lowest address is the most significant). A node is keccak256 of its two children; the depth is fixed, so nothing tells
//! leaves from nodes. A page of 4096 bytes is a subtree of depth 7.
//!
//! **One step.**
//!
//! 1. A pc that is no multiple of 4, or not below 2^32, traps. Jumps set any pc: the next step finds out.
//! 2. The word at pc is decoded ([`Instruction::decode`]): RV64I without FENCE.I and CSRs, and M. FENCE does nothing; EBREAK and
//!    every other word trap.
//! 3. Loads and stores at an address that is no multiple of their size, or not below 2^32, trap. A store changes code as it
//!    changes data.
//! 4. ECALL, by t0. Numbers are SP1's where it has the call, so that one program serves both; all others trap.
//!
//! | t0 | call | effect |
//! |---|---|---|
//! | `0x00` | HALT | halts with exit code a0 |
//! | `0x02` | WRITE | none (a host may print the a2 bytes at a1) |
//! | `0x10` | COMMIT | output word a0 (0 to 7, else a trap) becomes the low 32 bits of a1, little endian |
//! | `0x1a` | COMMIT_DEFERRED | none |
//! | `0x5355` | READ | the page at a6 becomes part a5 of the value with kind a0 and key a1 to a4; t0 becomes the value's length |
//!
//! Keys are four words, each the little-endian number of 8 bytes, as in memory. READ traps if a6 is no multiple of 4096 or
//! not below 2^32, if the kind is none of these, or if a blob has no such element:
//!
//! | kind | key | value | part |
//! |---|---|---|---|
//! | 1 | keccak256 | the bytes with that hash | 4096 of them from 4096 · a5 on; zeros where they have ended |
//! | 2 | versioned hash | element a5 of the blob, 32 bytes | the element, then zeros |
//!
//! **Start** ([`Machine::new`]). The segments of an ELF in memory, pc at its entry; a0 to a3 hold the hash of the program's input
//! as keys do; everything else is zero. With a0 to a3 zero the program takes its input from a zkVM's hints, which do
//! not exist here: those calls are for hosts ([`Abi::Hosted`]).
//!
//! # Modules
//!
//! | module | holds |
//! |---|---|
//! | [`instruction`] | words and what they mean: shared by all ways of stepping |
//! | [`state`] | registers, status, hashes |
//! | [`memory`] | 4 GiB, and which pages changed |
//! | [`tree`] | the memory root, its paths |
//! | [`elf`] | programs |
//! | [`machine`] | running: steps one by one, ecalls, limits |
//! | `fast` | running fast |
//! | [`witness`] | one step from its witness alone, as L1 makes it |
//! | [`commitment`] | the trees over states that a dispute's claims are |
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::panic
    )
)]

extern crate alloc;

pub mod commitment;
pub mod elf;
mod fast;
pub mod instruction;
pub mod machine;
pub mod memory;
pub mod state;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod tree;
pub mod witness;

pub use elf::Elf;
pub use instruction::Instruction;
pub use machine::{Abi, Loaded, Machine, Part, Request, Stop};
pub use memory::Memory;
pub use state::{State, Status};
pub use tree::MemoryTree;
