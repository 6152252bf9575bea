//! Decide what the chain is: batch encoding, derivation, the step meter, execution; one public function `transition`.
//!
//! | module | decides |
//! |---|---|
//! | [`batch`] | what the data of a batch say, and how it is packed |
//! | [`crypto`] | hashes and signers, where each instruction counts |
//! | [`mod@derive`] | which blocks a batch is, whatever it holds |
//! | [`execute`] | what a block does to the state |
//! | [`meter`] | what a block can cost whoever judges it |
//! | [`oracle`] | where the program reads from |
//! | [`payload`] | what a block is made of before it is executed |
//! | [`program`] | the program as an ELF: its input, output and exit codes |
//! | [`reader`] | how execution sees the state |
//! | [`mod@transition`] | the next block's hash from what L1 knows |
//! | [`trie`] | the state as a trie over preimages |
//! | [`witness`] | what the program asks for one block, in one piece |
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

pub mod batch;
pub mod crypto;
pub mod derive;
pub mod execute;
pub mod meter;
pub mod oracle;
pub mod payload;
pub mod program;
pub mod reader;
#[cfg(test)]
mod testing;
pub mod transition;
pub mod trie;
pub mod witness;

pub use oracle::Oracle;
pub use payload::Payload;
pub use reader::StateReader;
pub use transition::transition;
