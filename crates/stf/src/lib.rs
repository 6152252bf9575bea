//! Decide what the chain is: batch encoding, derivation, the step meter, execution; one public function `transition`.
//!
//! | module | decides |
//! |---|---|
//! | [`execute`] | what a block does to the state |
//! | [`payload`] | what a block is made of before it is executed |
//! | [`reader`] | how execution sees the state |
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

pub mod execute;
pub mod payload;
pub mod reader;

pub use payload::Payload;
pub use reader::StateReader;
