//! What the tests of the compiled program share.
#![allow(dead_code, reason = "each test binary uses a part")]

#[path = "../../../stf/tests/common/mod.rs"]
pub(crate) mod common;
pub(crate) mod inputs;

use common::chain::Judged;
use surety_prove::{Ended, Program};

/// Has the compiled program judge a block that was executed, by key: it must say the block's hash, and no other.
pub(crate) fn judge(block: &Judged) -> Ended {
    let witness = block.to_witness();
    let input = witness.input;
    let ended = Program::current().run(witness).unwrap();
    assert!(ended.says(input, block.hash), "height {}: {ended:?}", block.height);
    assert!(!ended.says(input, block.parent_hash));
    ended
}
