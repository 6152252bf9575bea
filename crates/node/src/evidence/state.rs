//! What is remembered of whom, and what contradicts it: pure bookkeeping, no disk.

use std::{collections::BTreeMap, sync::Arc};
use surety_types::{
    evidence::{Equivocation, SignedStatement, Slot, contradict, say_the_same},
    signing::{Signature, SignatureSet, Statement, quorum},
};

/// Place of a member in its term's committee, in L1 order: less than 64.
pub type Place = u8;

/// What came of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noted {
    /// Its signer had not said that in this slot, nor anything against it.
    New,
    /// Its signer had said the same.
    Known,
    /// Its signer had said something that contradicts it.
    Contradiction(Box<Equivocation>),
}

/// Statements of one signer in one slot at one place, of which none [says the same](say_the_same) as another and none
/// contradicts another: batches of several first heights. An honest seat that attended signs two; what is beyond is left out.
const MAX_EACH: usize = 4;

/// The statements of a stretch of places of one term: of each (slot, place, signer) the first that says what it says.
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
    /// Which of the statements. There are no more of them than [`MAX_EACH`] a member.
    statement: u8,
    signature: Signature,
}

impl Said {
    fn of(&self, member: Place) -> impl Iterator<Item = (&Arc<Statement>, Signature)> {
        let votes = self.votes.iter().filter(move |vote| vote.member == member);
        votes.filter_map(|vote| Some((self.statements.get(usize::from(vote.statement))?, vote.signature)))
    }
}

impl Segment {
    /// Takes a statement up whose signature is known to be this member's.
    pub(super) fn note(&mut self, slot: Slot, member: Place, signed: &SignedStatement) -> Noted {
        let said = self.places.entry((signed.statement.place(), slot)).or_default();
        let mut count = 0;
        let mut is_known = false;
        for (held, signature) in said.of(member) {
            if contradict(held, &signed.statement).is_some() {
                let first = SignedStatement { statement: Statement::clone(held), signature };
                return Noted::Contradiction(Box::new(Equivocation { first, second: signed.clone() }));
            }
            is_known |= say_the_same(held, &signed.statement);
            count += 1;
        }
        if is_known || count >= MAX_EACH {
            return Noted::Known;
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
        said.is_some_and(|said| said.of(member).any(|(held, _)| **held == *statement))
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
        self.places.values().map(|said| said.of(member).count()).sum()
    }

    #[cfg(test)]
    pub(super) fn votes(&self) -> usize {
        self.places.values().map(|said| said.votes.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::B256;
    use surety_types::signing::Batch;

    /// A batch of two ranges under one hash is no contradiction; two roots of one range are, whatever was said in between.
    #[test]
    fn what_an_attendant_signs_twice_is_kept_twice_and_hides_nothing() {
        let signed = |first: u64, last_hash: u8, root: u8| {
            let batch = Batch {
                rollup: 1,
                term: 1,
                genesis: B256::ZERO,
                firstHeight: first,
                lastHeight: 9,
                parentClaim: B256::ZERO,
                prevHash: B256::ZERO,
                lastHash: B256::repeat_byte(last_hash),
                blockHashRoot: B256::repeat_byte(root),
                lastBlockTime: 0,
                messageCount: 0,
                messageAcc: B256::ZERO,
                inboxTip: B256::ZERO,
                dataHash: B256::ZERO,
            };
            SignedStatement { statement: batch.into(), signature: Signature([first as u8; 64].into()) }
        };
        let mut segment = Segment::default();
        assert_eq!(segment.note(Slot::Batch, 3, &signed(1, 7, 1)), Noted::New);
        assert_eq!(segment.note(Slot::Batch, 3, &signed(5, 7, 2)), Noted::New);
        assert_eq!(segment.note(Slot::Batch, 3, &signed(5, 7, 2)), Noted::Known);
        assert_eq!(segment.count(3), 2);
        for wrong in [signed(5, 7, 3), signed(1, 7, 2), signed(8, 6, 1)] {
            let Noted::Contradiction(pair) = segment.note(Slot::Batch, 3, &wrong) else { panic!("{wrong:?}") };
            assert!(pair.contradiction().is_some());
        }
        // Nobody fills the memory with first heights, and another member's are its own.
        for first in 10..30 {
            segment.note(Slot::Batch, 3, &signed(first, 7, 1));
        }
        assert_eq!(segment.count(3), MAX_EACH);
        assert_eq!(segment.note(Slot::Batch, 4, &signed(5, 7, 3)), Noted::New);
    }
}
