//! What is remembered of whom, and what contradicts it: pure bookkeeping, no disk.

use std::{collections::BTreeMap, sync::Arc};
use surety_types::{
    evidence::{Equivocation, SignedStatement, Slot, contradict},
    signing::{Signature, SignatureSet, Statement, quorum},
};

/// Place of a member in its term's committee, in L1 order: less than 64.
pub type Place = u8;

/// What came of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noted {
    /// Its signer had said nothing in this slot.
    New,
    /// Its signer had said the same.
    Known,
    /// Its signer had said something that contradicts it.
    Contradiction(Box<Equivocation>),
}

/// The statements of a stretch of places of one term: the first of each (slot, place, signer).
#[derive(Debug, Default)]
pub(super) struct Segment {
    places: BTreeMap<(u64, Slot), Said>,
}

/// What was said in one slot at one place. Signers of one statement share it.
#[derive(Debug, Default)]
struct Said {
    statements: Vec<Arc<Statement>>,
    votes: Vec<Vote>,
}

#[derive(Debug, Clone, Copy)]
struct Vote {
    member: Place,
    /// Which of the statements. There are no more of them than members.
    statement: u8,
    signature: Signature,
}

impl Said {
    fn of(&self, member: Place) -> Option<(&Arc<Statement>, Signature)> {
        let vote = self.votes.iter().find(|vote| vote.member == member)?;
        Some((self.statements.get(usize::from(vote.statement))?, vote.signature))
    }
}

impl Segment {
    /// Takes a statement up whose signature is known to be this member's.
    pub(super) fn note(&mut self, slot: Slot, member: Place, signed: &SignedStatement) -> Noted {
        let said = self.places.entry((signed.statement.place(), slot)).or_default();
        if let Some((held, signature)) = said.of(member) {
            if contradict(held, &signed.statement).is_none() {
                return Noted::Known;
            }
            let first = SignedStatement { statement: Statement::clone(held), signature };
            return Noted::Contradiction(Box::new(Equivocation { first, second: signed.clone() }));
        }
        let statement = said.statements.iter().position(|held| **held == signed.statement).unwrap_or_else(|| {
            said.statements.push(Arc::new(signed.statement.clone()));
            said.statements.len().saturating_sub(1)
        });
        said.votes.push(Vote { member, statement: statement as u8, signature: signed.signature });
        Noted::New
    }

    /// Whether this member said these very words here.
    pub(super) fn holds(&self, slot: Slot, member: Place, statement: &Statement) -> bool {
        let said = self.places.get(&(statement.place(), slot));
        said.and_then(|said| said.of(member)).is_some_and(|(held, _)| **held == *statement)
    }

    /// Whether any member said these very words here with this signature: it need not be recovered again.
    pub(super) fn has(&self, slot: Slot, signed: &SignedStatement) -> bool {
        self.places.get(&(signed.statement.place(), slot)).is_some_and(|said| {
            let same = said.statements.iter().position(|held| **held == signed.statement);
            same.is_some_and(|same| {
                said.votes.iter().any(|vote| usize::from(vote.statement) == same && vote.signature == signed.signature)
            })
        })
    }

    /// All that was said at a place.
    pub(super) fn at(&self, slot: Slot, place: u64) -> Vec<(Place, SignedStatement)> {
        let Some(said) = self.places.get(&(place, slot)) else { return Vec::new() };
        let signed = |vote: &Vote| {
            let statement = Statement::clone(said.statements.get(usize::from(vote.statement))?);
            Some((vote.member, SignedStatement { statement, signature: vote.signature }))
        };
        said.votes.iter().filter_map(signed).collect()
    }

    /// A statement that a quorum of `members` signed, with their signatures.
    pub(super) fn certificate(&self, slot: Slot, place: u64, members: usize) -> Option<(Statement, SignatureSet)> {
        let said = self.places.get(&(place, slot))?;
        said.statements.iter().zip(0u8..).find_map(|(statement, index)| {
            let votes = said.votes.iter().filter(|vote| vote.statement == index);
            let set = SignatureSet::from_places(votes.map(|vote| (usize::from(vote.member), vote.signature)));
            (set.count() >= quorum(members as u32)).then(|| (Statement::clone(statement), set))
        })
    }

    /// How many statements of one member are held.
    pub(super) fn count(&self, member: Place) -> usize {
        self.places.values().filter(|said| said.of(member).is_some()).count()
    }

    #[cfg(test)]
    pub(super) fn votes(&self) -> usize {
        self.places.values().map(|said| said.votes.len()).sum()
    }
}
