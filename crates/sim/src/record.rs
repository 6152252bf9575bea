//! Everything signed that was seen on the wire, and the rule of equivocation restated.

use alloy_primitives::{Address, B256};
use std::collections::{BTreeMap, BTreeSet};
use surety_node::consensus::testing::domain;
use surety_types::{
    evidence::SignedStatement,
    signing::{Signature, Statement},
};

/// A committee's signed statements, each once, by signer.
#[derive(Debug, Default)]
pub struct Record {
    members: BTreeSet<Address>,
    by_signer: BTreeMap<Address, BTreeMap<B256, SignedStatement>>,
}

impl Record {
    /// Nothing signed yet by these keys.
    pub const fn new(members: BTreeSet<Address>) -> Self {
        Self { members, by_signer: BTreeMap::new() }
    }

    /// Takes a statement down if its signature is a member's.
    pub fn take(&mut self, statement: Statement, signature: Signature) {
        let signed = SignedStatement { statement, signature };
        if let Some(signer) = signed.signer(&domain()).filter(|signer| self.members.contains(signer)) {
            let digest = signed.statement.digest(&domain());
            self.by_signer.entry(signer).or_default().entry(digest).or_insert(signed);
        }
    }

    /// What a key has signed.
    pub fn of(&self, signer: Address) -> impl Iterator<Item = &SignedStatement> {
        self.by_signer.get(&signer).into_iter().flat_map(BTreeMap::values)
    }

    /// How many different statements are on record.
    pub fn len(&self) -> usize {
        self.by_signer.values().map(BTreeMap::len).sum()
    }

    /// Whether nothing was signed.
    pub fn is_empty(&self) -> bool {
        self.by_signer.is_empty()
    }

    /// All pairs of a key's statements that share the term and a view or a last height. Statements that share neither
    /// cannot contradict: each row of the rule asks for one of the two.
    pub fn pairs(&self, signer: Address) -> Vec<(&SignedStatement, &SignedStatement)> {
        let mut places: BTreeMap<(u64, bool, u64), Vec<&SignedStatement>> = BTreeMap::new();
        for signed in self.of(signer) {
            if let Some((is_batch, number)) = place(&signed.statement) {
                places.entry((signed.statement.term(), is_batch, number)).or_default().push(signed);
            }
        }
        let mut pairs = Vec::new();
        for statements in places.values() {
            for (i, first) in statements.iter().enumerate() {
                pairs.extend(statements.iter().skip(i + 1).map(|second| (*first, *second)));
            }
        }
        pairs
    }

    /// The pairs of a key's statements that contradict.
    pub fn contradictions(&self, signer: Address) -> Vec<(&SignedStatement, &SignedStatement)> {
        let mut pairs = self.pairs(signer);
        pairs.retain(|(a, b)| guilty(&a.statement, &b.statement));
        pairs
    }
}

/// Whether the place is a last height, and its number: view or last height.
fn place(statement: &Statement) -> Option<(bool, u64)> {
    match statement {
        Statement::Notarize(m) => Some((false, m.view)),
        Statement::Finalize(m) => Some((false, m.view)),
        Statement::Nullify(m) => Some((false, m.view)),
        Statement::Batch(m) => Some((true, m.lastHeight)),
        Statement::Receipt(_) => None,
    }
}

/// The rule of protocol §9, restated from the page and not from the code that it judges.
pub fn guilty(a: &Statement, b: &Statement) -> bool {
    if a.rollup() != b.rollup() || a.term() != b.term() || a.genesis() != b.genesis() {
        return false;
    }
    match (a, b) {
        (Statement::Notarize(a), Statement::Notarize(b)) if a.view == b.view => {
            !(a.blockHash == b.blockHash && a.parentView == b.parentView)
        }
        (Statement::Finalize(a), Statement::Finalize(b)) if a.view == b.view => {
            !(a.blockHash == b.blockHash && a.parentView == b.parentView)
        }
        (Statement::Finalize(f), Statement::Nullify(n)) | (Statement::Nullify(n), Statement::Finalize(f)) => {
            f.view == n.view
        }
        (Statement::Batch(a), Statement::Batch(b)) if a.lastHeight == b.lastHeight => {
            let same_root = a.blockHashRoot == b.blockHashRoot || a.firstHeight != b.firstHeight;
            !(a.lastHash == b.lastHash && same_root)
        }
        _ => false,
    }
}
