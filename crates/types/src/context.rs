//! The consensus context of an L2 block.
//!
//! The simplex engine signs a proposal's parent by view number only, so the block itself says in which term and view it
//! was made and on top of which view (protocol §4, §5). A header carries the hash of that in `parentBeaconBlockRoot`;
//! the batch data carry the fields. A default block, which no view made, has root zero.
//!
//! `root = keccak256(abi.encode(keccak256("Surety.Context.v1"), rollup, term, view, parentView, milliseconds))`.

use crate::{Milliseconds, RollupId, Term, View};
use alloy_primitives::{B256, U256, keccak256};
use alloy_sol_types::SolValue;

/// Where in consensus a block was made, and when to the millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsensusContext {
    /// The rollup.
    pub rollup: RollupId,
    /// The term whose committee made the block.
    pub term: Term,
    /// The view in which it was proposed.
    pub view: View,
    /// The view of its parent in the same term, or 0 if the parent is the term's genesis.
    pub parent_view: View,
    /// Time of the block, Unix milliseconds; the header's timestamp is its whole seconds.
    pub milliseconds: Milliseconds,
}

impl ConsensusContext {
    /// The value of the header's `parentBeaconBlockRoot`.
    pub fn root(&self) -> B256 {
        keccak256(
            (
                keccak256("Surety.Context.v1"),
                U256::from(self.rollup.get()),
                U256::from(self.term.get()),
                U256::from(self.view.get()),
                U256::from(self.parent_view.get()),
                U256::from(self.milliseconds.get()),
            )
                .abi_encode(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_changes_the_root() {
        let base = ConsensusContext {
            rollup: RollupId::new(1),
            term: Term::new(2),
            view: View::new(3),
            parent_view: View::new(4),
            milliseconds: Milliseconds::new(5),
        };
        let variants = [
            ConsensusContext { rollup: RollupId::new(9), ..base },
            ConsensusContext { term: Term::new(9), ..base },
            ConsensusContext { view: View::new(9), ..base },
            ConsensusContext { parent_view: View::new(9), ..base },
            ConsensusContext { milliseconds: Milliseconds::new(9), ..base },
        ];
        for other in variants {
            assert_ne!(base.root(), other.root());
        }
    }
}
