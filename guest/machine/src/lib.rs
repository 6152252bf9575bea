//! What a program has of the machine that L1 can judge: start, heap, calls, the end. The machine itself is specified in
//! `crates/vm`.
//!
//! # Start
//!
//! The program defines `extern "C" fn start(a0, a1, a2, a3) -> !`, which gets the registers with which the machine begins.
//!
//! # Memory
//!
//! | addresses | hold |
//! |---|---|
//! | 0 .. [`IMAGE_BASE`] | the stack, from the top down |
//! | from [`IMAGE_BASE`] on | the image: code and data of the ELF |
//! | from the image's end to 2^32 | the heap ([`heap`]) |
//!
//! Nothing in the program recurses as deep as its input says: the EVM keeps the frames of nested calls on the heap, a path
//! in a trie has 64 nibbles, lists of lists are decoded to a fixed depth. A few hundred kilobytes of stack are in use, of
//! 1.9 GB; a stack that outgrew these would wrap below address 0, where each access traps.
//!
//! # Exit codes
//!
//! | code | means |
//! |---|---|
//! | 0 | the program has an output |
//! | 1 .. 100 | the program's own |
//! | [`PANIC`] | it panicked |
//! | [`MEMORY`] | it needs more memory than there is |
//! | [`HINT`] | it was started without a key, and its host's hint is not as it must be |
#![cfg_attr(target_os = "none", no_std)]

#[cfg(target_os = "none")]
mod hart;
pub mod heap;
#[cfg(target_os = "none")]
mod memory;

#[cfg(target_os = "none")]
pub use hart::{
    Kind, begin, commit, element, halt, hint, keccak_permute, multiply_modulo, secp256k1_add, secp256k1_double, value,
};

/// Where the image begins, and the stack ends.
pub const IMAGE_BASE: u64 = 0x7800_0000;

/// Exit code: a panic.
pub const PANIC: u64 = 101;
/// Exit code: no memory.
pub const MEMORY: u64 = 102;
/// Exit code: a hint that is none.
pub const HINT: u64 = 103;
