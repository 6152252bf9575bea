//! Cryptography for the program, where no C library runs and each instruction counts: in plain Rust, for a machine with 31
//! registers of 64 bits, a multiplier and no carry flag.
//!
//! | module | computes | instead of |
//! |---|---|---|
//! | [`keccak`] | keccak256 | the crate `sha3` |
//! | [`secp256k1`] | the key behind a signature | the crate `k256` |
//!
//! Nothing here is secret, so nothing takes constant time: a signature's owner needs another library. Both are tested
//! against what they stand for.

// Limbs and lanes: indices are below the lengths of arrays, and sums wrap on purpose where they are not written as wrapping.
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "fixed arrays and small counters")]

pub mod keccak;
pub mod secp256k1;
