//! The consensus context of an L2 block.
//!
//! The simplex engine signs a proposal's parent by view number only, so the block itself says in which term and view it
//! was made and on top of which view (protocol §4, §5). A header carries the hash of that in `parentBeaconBlockRoot`;
//! the batch data carry the fields. A default block, which no view made, has root zero.
//!
//! `root = keccak256(abi.encode(keccak256("Surety.Context.v1"), rollup, term, view, parentView, milliseconds))`.

use crate::{Milliseconds, RollupId, Term, View};
use alloc::vec::Vec;
use alloy_primitives::{B256, U256, keccak256};
use alloy_sol_types::SolValue;

/// What the preimage of a root begins with, hashed.
const TAG: &str = "Surety.Context.v1";

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
    /// The value of the header's `parentBeaconBlockRoot`: keccak256 of [`Self::to_preimage`].
    pub fn root(&self) -> B256 {
        keccak256(self.to_preimage())
    }

    /// The 192 bytes whose hash is the root.
    pub fn to_preimage(&self) -> Vec<u8> {
        (
            keccak256(TAG),
            U256::from(self.rollup.get()),
            U256::from(self.term.get()),
            U256::from(self.view.get()),
            U256::from(self.parent_view.get()),
            U256::from(self.milliseconds.get()),
        )
            .abi_encode()
    }

    /// The context that has these bytes as its preimage; `None` for any other bytes.
    pub fn from_preimage(bytes: &[u8]) -> Option<Self> {
        let mut words = bytes.chunks(32).skip(1).map(|word| U256::try_from_be_slice(word)?.try_into().ok());
        let mut next = || words.next().flatten();
        let context = Self {
            rollup: RollupId::new(next()?),
            term: Term::new(next()?),
            view: View::new(next()?),
            parent_view: View::new(next()?),
            milliseconds: Milliseconds::new(next()?),
        };
        (context.to_preimage() == bytes).then_some(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_read_back_from_its_preimage_alone() {
        let context = ConsensusContext {
            rollup: RollupId::new(1),
            term: Term::new(2),
            view: View::new(u64::MAX),
            parent_view: View::new(4),
            milliseconds: Milliseconds::new(5),
        };
        let bytes = context.to_preimage();
        assert_eq!(ConsensusContext::from_preimage(&bytes), Some(context));
        for at in [0, 32, 100, 191] {
            let mut other = bytes.clone();
            other[at] ^= 0x80;
            assert_ne!(ConsensusContext::from_preimage(&other), Some(context));
        }
        assert_eq!(ConsensusContext::from_preimage(&bytes[..191]), None);
        assert_eq!(ConsensusContext::from_preimage(&[&bytes[..], &[0]].concat()), None);
    }

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
