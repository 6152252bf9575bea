//! What L1 tells of all disputes, from the contract's events alone.
//!
//! The contract keeps what it needs to judge the next move; what a party needs to make it (which claims there are, and the
//! nodes that the other side has shown) stands in its logs. A docket is made from them, in order, and never believes anybody
//! else. It grows with what others pay for on L1: about a kilobyte for each claim and move.

use alloy_primitives::{Address, B256};
use std::collections::BTreeMap;
use surety_contracts::bindings::Dispute::{self, DisputeEvents};
use surety_vm::commitment::OPENING;

/// The nodes below one that a side has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Height of the node above the leaves.
    pub height: usize,
    /// Its place.
    pub index: u64,
    /// What stands five levels below; above leaves, what they hold.
    pub children: Box<[B256; OPENING]>,
}

/// A claim of any level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Root of its tree.
    pub root: B256,
    /// Whose bond stands behind it; zero: those who signed.
    pub party: Address,
    /// Its side of the contest. About batches: 0 for the one that the dispute began with.
    pub side: u8,
    /// The root's children; none of a claim that a dispute began with.
    pub children: Option<Box<[B256; OPENING]>>,
    /// Whether it fell.
    pub fallen: bool,
    /// Whether its party is free of it.
    pub released: bool,
}

/// Claims about one batch with one parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What the program is asked.
    pub question: Dispute::Question,
    /// Their ids, in order.
    pub claims: Vec<B256>,
}

/// All that was told so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Docket {
    groups: BTreeMap<B256, Group>,
    claims: BTreeMap<B256, Listed>,
    contests: BTreeMap<B256, Vec<B256>>,
    shown: BTreeMap<(B256, u8), Shown>,
}

impl Docket {
    /// Takes the next event.
    pub fn take(&mut self, event: &DisputeEvents) {
        match event {
            DisputeEvents::DisputeBegun(e) => {
                let listed =
                    Listed { root: e.root, party: e.party, side: 0, children: None, fallen: false, released: false };
                self.claims.insert(e.claimId, listed);
                self.groups.insert(e.parentId, Group { question: e.question.clone(), claims: vec![e.claimId] });
            }
            DisputeEvents::ClaimEntered(e) => {
                let children = Some(Box::new(e.children));
                let listed = Listed { root: e.root, party: e.party, side: 1, children, fallen: false, released: false };
                self.claims.insert(e.claimId, listed);
                if let Some(group) = self.groups.get_mut(&e.parentId) {
                    group.claims.push(e.claimId);
                }
            }
            DisputeEvents::ClaimMade(e) => {
                let children = Some(Box::new(e.children));
                let listed =
                    Listed { root: e.root, party: e.party, side: e.side, children, fallen: false, released: false };
                self.claims.insert(e.claimId, listed);
                self.contests.entry(e.contestId).or_default().push(e.claimId);
            }
            DisputeEvents::Moved(e) => {
                let (height, index) = (e.height.into(), e.index.to());
                self.shown.insert((e.matchId, e.side), Shown { height, index, children: Box::new(e.children) });
            }
            DisputeEvents::ClaimFell(e) => {
                if let Some(claim) = self.claims.get_mut(&e.claimId) {
                    claim.fallen = true;
                }
            }
            DisputeEvents::ClaimAdopted(e) => {
                if let Some(claim) = self.claims.get_mut(&e.claimId) {
                    claim.party = e.party;
                }
            }
            DisputeEvents::ClaimReleased(e) => {
                if let Some(claim) = self.claims.get_mut(&e.claimId) {
                    claim.released = true;
                }
            }
            _ => {}
        }
    }

    /// Claims about batches, by their parent.
    pub fn groups(&self) -> impl Iterator<Item = (B256, &Group)> {
        self.groups.iter().map(|(parent, group)| (*parent, group))
    }

    /// A claim; `None` if L1 told of none.
    #[must_use]
    pub fn claim(&self, id: B256) -> Option<&Listed> {
        self.claims.get(&id)
    }

    /// The claims that a party's bond stands behind, of any level.
    pub fn claims_of(&self, party: Address) -> impl Iterator<Item = B256> {
        let is_bound = move |claim: &Listed| claim.party == party && !claim.released;
        self.claims.iter().filter(move |(_, claim)| is_bound(claim)).map(|(id, _)| *id)
    }

    /// The claims in each contest in which there is one.
    pub fn by_contest(&self) -> impl Iterator<Item = (B256, &[B256])> {
        self.contests.iter().map(|(contest, claims)| (*contest, claims.as_slice()))
    }

    /// The claims about batches that fell.
    pub fn fallen(&self) -> impl Iterator<Item = B256> {
        let of_groups = self.groups.values().flat_map(|group| &group.claims);
        of_groups.copied().filter(|id| self.claims.get(id).is_some_and(|claim| claim.fallen))
    }

    /// The claims in a contest, in order.
    #[must_use]
    pub fn in_contest(&self, id: B256) -> &[B256] {
        self.contests.get(&id).map(Vec::as_slice).unwrap_or_default()
    }

    /// What a side of a match has shown below a node: with its last move, or (below the root) with its claim.
    #[must_use]
    pub fn shown(&self, id: B256, side: u8, claim: B256, node: (usize, u64), depth: usize) -> Option<&[B256; OPENING]> {
        let moved = self.shown.get(&(id, side)).filter(|shown| (shown.height, shown.index) == node);
        let root = || self.claims.get(&claim)?.children.as_ref().filter(|_| node == (depth, 0));
        moved.map(|shown| &*shown.children).or_else(|| root().map(|children| &**children))
    }
}
