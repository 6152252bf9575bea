//! What a seat passes on, so that two that saw different halves of a contradiction get to see both. Pure, no clock.
//!
//! | statement, received at first hand | passed on |
//! |---|---|
//! | a leader's own `Notarize` | at once: two proposals of one view meet everywhere |
//! | a signature under a `Batch` | at once |
//! | `Nullify` | after [`DELAY_MS`]; honest views have few |
//! | another `Notarize`, a `Finalize` | after [`DELAY_MS`], unless a certificate for the same proposal of that view is known by then |
//! | all of a view, once | when two different proposals of it were heard of, from whomever |
//!
//! Of a contradicting pair at most one half agrees with the one proposal that honest seats certify in a view, so the other
//! half is passed on and meets the first wherever it is held; where a third and more are faulty and both halves are
//! certified, the leader's two proposals (or any others that were passed on) reveal the view and all of it is passed on.
//! One seat can have a bounded number of views revealed ([`MAX_DISPUTES`] a term).

use super::{Place, TermKey};
use alloy_primitives::B256;
use std::collections::{BTreeMap, VecDeque};
use surety_types::{evidence::SignedStatement, signing::Statement};

/// How long a vote waits for a certificate that makes it dull, milliseconds.
pub(super) const DELAY_MS: u64 = 1_500;
/// Statements that wait to be sent or for their delay to pass; beyond that, the oldest are dropped.
const MAX_WAITING: usize = 16_384;
/// Views whose proposals are remembered.
const MAX_VIEWS: usize = 4_096;
/// How many views of a term one seat can reveal.
pub(super) const MAX_DISPUTES: u32 = 64;

type Proposal = (B256, u64);

/// Decides what is passed on.
#[derive(Debug, Default)]
pub struct Relay {
    views: BTreeMap<(TermKey, u64), ViewState>,
    waiting: VecDeque<(u64, SignedStatement)>,
    urgent: VecDeque<SignedStatement>,
    out: VecDeque<SignedStatement>,
    disputes: BTreeMap<(TermKey, Place), u32>,
}

#[derive(Debug, Default)]
struct ViewState {
    proposal: Option<Proposal>,
    notarized: Option<Proposal>,
    finalized: Option<Proposal>,
    revealed: bool,
}

const fn proposal(statement: &Statement) -> Option<Proposal> {
    match statement {
        Statement::Notarize(m) => Some((m.blockHash, m.parentView)),
        Statement::Finalize(m) => Some((m.blockHash, m.parentView)),
        _ => None,
    }
}

fn key(statement: &Statement) -> (TermKey, u64) {
    (TermKey { term: statement.term(), genesis: statement.genesis() }, statement.place())
}

impl Relay {
    /// A statement that this node received at first hand and had not before. `leader`: it is the leader's own proposal.
    pub fn received(&mut self, now: u64, signed: SignedStatement, leader: bool) {
        if leader || matches!(signed.statement, Statement::Batch(_)) {
            self.out.push_back(signed);
        } else {
            self.waiting.push_back((now.saturating_add(DELAY_MS), signed));
        }
        self.bound();
    }

    /// A certificate was seen, of which this is the statement.
    pub fn certified(&mut self, statement: &Statement) {
        let Some(view) = self.view(key(statement)) else { return };
        match statement {
            Statement::Notarize(_) => view.notarized = proposal(statement),
            Statement::Finalize(_) => view.finalized = proposal(statement),
            _ => {}
        }
    }

    /// A member's valid statement, from wherever. True, once, if it shows that its view has two proposals: then all that is
    /// held of the view is to be passed on by [`Self::reveal`].
    pub fn disputes(&mut self, member: Place, statement: &Statement) -> bool {
        let Some(this) = proposal(statement) else { return false };
        let (term, place) = key(statement);
        let caused = self.disputes.get(&(term, member)).copied().unwrap_or(0);
        let Some(view) = self.view((term, place)) else { return false };
        let first = *view.proposal.get_or_insert(this);
        if first == this || view.revealed || caused >= MAX_DISPUTES {
            return false;
        }
        view.revealed = true;
        self.disputes.insert((term, member), caused.saturating_add(1));
        true
    }

    /// Passes all of this on.
    pub fn reveal(&mut self, held: impl IntoIterator<Item = SignedStatement>) {
        self.out.extend(held);
        self.bound();
    }

    /// Passes both halves of a pair on, before all else.
    pub fn accuse(&mut self, first: SignedStatement, second: SignedStatement) {
        self.urgent.extend([first, second]);
        self.bound();
    }

    /// The next statements to send, at most `most`.
    pub fn next(&mut self, now: u64, most: usize) -> Vec<SignedStatement> {
        while self.waiting.front().is_some_and(|(due, _)| *due <= now)
            && let Some((_, signed)) = self.waiting.pop_front()
        {
            let certified = self.views.get(&key(&signed.statement)).and_then(|view| match signed.statement {
                Statement::Notarize(_) => view.notarized,
                Statement::Finalize(_) => view.finalized,
                _ => None,
            });
            if certified.is_none() || certified != proposal(&signed.statement) {
                self.out.push_back(signed);
            }
        }
        self.bound();
        let mut next = Vec::new();
        while next.len() < most
            && let Some(signed) = self.urgent.pop_front().or_else(|| self.out.pop_front())
        {
            next.push(signed);
        }
        next
    }

    /// A view that is remembered, or that is new enough to be.
    fn view(&mut self, key: (TermKey, u64)) -> Option<&mut ViewState> {
        if !self.views.contains_key(&key) {
            if self.views.len() >= MAX_VIEWS {
                let (oldest, _) = self.views.first_key_value()?;
                if key < *oldest {
                    return None;
                }
                let term = oldest.0;
                self.views.pop_first();
                self.disputes.retain(|(t, _), _| *t >= term);
            }
            self.views.insert(key, ViewState::default());
        }
        self.views.get_mut(&key)
    }

    fn bound(&mut self) {
        for queue in [&mut self.urgent, &mut self.out] {
            while queue.len() > MAX_WAITING {
                queue.pop_front();
            }
        }
        while self.waiting.len() > MAX_WAITING {
            self.waiting.pop_front();
        }
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.views.len() + self.waiting.len() + self.urgent.len() + self.out.len() + self.disputes.len()
    }
}
