//! Claims with a bond: what L1 wants to see with one.

use crate::moves;
use alloy_primitives::B256;
use surety_contracts::bindings::Claims;
use surety_types::{
    claim::{BLOCK_TREE_DEPTH, BlockHashTree, Claim, MAX_BATCH_BLOCKS},
    signing::Batch,
};
use surety_vm::commitment::{LevelTree, StateTree as _};

/// The tree over the block hashes of one batch, as a level of a dispute: behind the last block no block has a hash. `None` if
/// there are none or too many.
#[must_use]
pub fn block_tree(hashes: &[B256]) -> Option<LevelTree> {
    let mut states = hashes.to_vec();
    if !states.is_empty() && (states.len() as u64) < MAX_BATCH_BLOCKS {
        states.push(B256::ZERO);
    }
    LevelTree::of_depth(BLOCK_TREE_DEPTH, states)
}

/// What comes with a claim that is posted with a bond. `None` if these are not the block hashes that it claims.
///
/// `first` is the parent's one child that a committee signed, if there is one and nobody opposed it so far; `statement` was
/// posted as the batch, and `later` are the struct hashes that show it ([`surety_l1::records::Records::posted`]).
#[must_use]
pub fn posting(
    claim: &Claim,
    parent: &Claim,
    first: Option<&Claim>,
    statement: &Batch,
    later: Vec<B256>,
    hashes: &[B256],
) -> Option<Claims::Posting> {
    let tree = block_tree(hashes)?;
    let blocks = statement.lastHeight.checked_sub(statement.firstHeight)?.checked_add(1)?;
    let fits = hashes.len() as u64 == blocks && hashes.last() == Some(&claim.last_hash);
    if !fits || tree.root() != claim.block_hash_root || parent.id() != claim.parent {
        return None;
    }
    Some(Claims::Posting {
        parent: parent.into(),
        first: first.unwrap_or(parent).into(),
        statement: statement.clone().into(),
        later,
        leftSiblings: BlockHashTree::new(hashes)?.left_siblings(),
        children: moves::children(&tree, BLOCK_TREE_DEPTH, 0)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use surety_types::{BatchIndex, RollupId};

    fn hashes(count: usize) -> Vec<B256> {
        (1..=count as u64).map(|n| B256::from(alloy_primitives::U256::from(n))).collect()
    }

    fn claim(parent: &Claim, hashes: &[B256]) -> Claim {
        Claim {
            rollup: parent.rollup,
            batch_index: BatchIndex::new(1),
            parent: parent.id(),
            prev_hash: parent.last_hash,
            last_hash: hashes.last().copied().unwrap_or_default(),
            block_hash_root: BlockHashTree::new(hashes).map(|tree| tree.root()).unwrap_or_default(),
        }
    }

    fn statement(blocks: u64) -> Batch {
        Batch {
            rollup: 1,
            term: 0,
            genesis: B256::ZERO,
            firstHeight: 5,
            lastHeight: 4 + blocks,
            parentClaim: B256::ZERO,
            prevHash: B256::ZERO,
            lastHash: B256::ZERO,
            blockHashRoot: B256::ZERO,
            lastBlockTime: 0,
            messageCount: 0,
            messageAcc: B256::ZERO,
            inboxTip: B256::ZERO,
            dataHash: B256::ZERO,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]

        #[test]
        fn a_posting_opens_the_root_of_its_claim(count in 1usize..3_000) {
            let parent = Claim::genesis(RollupId::new(1), B256::repeat_byte(9));
            let hashes = hashes(count);
            let claim = claim(&parent, &hashes);
            let posting = posting(&claim, &parent, None, &statement(count as u64), Vec::new(), &hashes).unwrap();
            prop_assert_eq!(surety_vm::commitment::root_of_opening(&posting.children), claim.block_hash_root);
        }
    }

    #[test]
    fn a_full_batch_has_no_padding() {
        let hashes = hashes(1 << BLOCK_TREE_DEPTH);
        assert_eq!(block_tree(&hashes).unwrap().root(), BlockHashTree::new(&hashes).unwrap().root());
        assert_eq!(block_tree(&[&hashes[..], &[B256::ZERO]].concat()), None);
        assert_eq!(block_tree(&[]), None);
    }

    #[test]
    fn what_is_not_the_claims_is_refused() {
        let parent = Claim::genesis(RollupId::new(1), B256::repeat_byte(9));
        let hashes = hashes(7);
        let right = claim(&parent, &hashes);
        let made = |claim: &Claim, parent: &Claim, blocks: u64, hashes: &[B256]| {
            posting(claim, parent, None, &statement(blocks), Vec::new(), hashes).is_some()
        };
        assert!(made(&right, &parent, 7, &hashes));
        assert!(!made(&right, &right, 7, &hashes), "another parent");
        assert!(!made(&right, &parent, 8, &hashes), "another number of blocks");
        assert!(!made(&right, &parent, 6, &hashes[..6]), "fewer hashes");
        assert!(!made(&Claim { block_hash_root: B256::ZERO, ..right }, &parent, 7, &hashes), "another root");
        let zero = Claim { last_hash: B256::ZERO, ..right };
        assert!(!made(&zero, &parent, 7, &hashes), "another last hash");
    }
}
