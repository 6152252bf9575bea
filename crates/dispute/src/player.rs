//! What a party does next: all that the rules let it do for right claims, and against wrong ones.
//!
//! A [`Player`] looks at one state of L1 (the [`Docket`], and what the contract answers) and at what is right ([`Truth`], its own
//! execution), and says what to send. It keeps nothing: whoever crashed, or was taken back by a reorg, asks again. It only ever
//! moves for claims that it holds to be right, and only in disputes whose parent it holds to be right: in all others something
//! above decides.

use crate::{Move, docket::Docket, moves, trace::LastStep};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::{SolCall, SolValue as _};
use surety_contracts::bindings::Dispute;
use surety_vm::commitment::{LEVEL_LEAVES, OPENING, StateTree};

/// Where disputes are decided, in the state of one block.
pub trait Bench {
    /// Why there is no answer.
    type Error;

    /// Asks the dispute's contract.
    ///
    /// # Errors
    /// If there is no answer.
    fn ask<C: SolCall>(&self, call: &C) -> Result<C::Return, Self::Error>;

    /// The time there, in Unix seconds.
    fn now(&self) -> u64;
}

/// What is right, by one's own execution.
pub trait Truth {
    /// A tree of any level.
    type Tree: StateTree;
    /// Why nothing can be said now.
    type Error;

    /// The tree over the block hashes of the batch that the claims with this parent are about. `None` if the parent is not
    /// right, or this node cannot say yet.
    ///
    /// # Errors
    /// If nothing can be said now.
    fn blocks(&self, parent: B256) -> Result<Option<Self::Tree>, Self::Error>;

    /// Level 1 of a block of that batch (0 is its first). L1 takes no claim whose last state is not `end` (zero: any in which
    /// the program says no block hash).
    ///
    /// # Errors
    /// If nothing can be said now.
    fn stretches(&self, parent: B256, block: u64, end: B256) -> Result<Self::Tree, Self::Error>;

    /// Level 2 of one stretch of it.
    ///
    /// # Errors
    /// If nothing can be said now.
    fn steps(&self, parent: B256, block: u64, stretch: u64, end: B256) -> Result<Self::Tree, Self::Error>;

    /// One step of that.
    ///
    /// # Errors
    /// If nothing can be said now.
    fn step(&self, parent: B256, block: u64, stretch: u64, step: u64) -> Result<LastStep, Self::Error>;
}

/// Something to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Post the right claim about a batch: those that stand with this parent are wrong.
    Post {
        /// The parent.
        parent: B256,
    },
    /// Pay the bond first.
    Join,
    /// Take over a right claim whose party fell.
    Adopt(Dispute::adoptCall),
    /// Make a claim of a lower level.
    Make(Box<Dispute::makeCall>),
    /// Move.
    Move(Box<Dispute::moveCall>),
    /// Find the leaf.
    Divide(Box<Dispute::divideCall>),
    /// Make the last step.
    Step {
        /// The call.
        call: Dispute::stepCall,
        /// What L1 must know for it, and of which block of which batch.
        reads: Option<(B256, u64, surety_vm::Request)>,
    },
    /// Somebody's time is over.
    Expire(Dispute::expireCall),
    /// A side's is.
    FallSide(Dispute::fallSideCall),
    /// A claim's party fell.
    FallWithParty(Dispute::fallWithPartyCall),
    /// One's bond is free of a claim.
    Release(Dispute::releaseCall),
    /// Gas comes back.
    Refund(Dispute::refundCall),
    /// Who won is paid.
    WithdrawReward(Dispute::withdrawRewardCall),
}

impl Deed {
    /// What it is, for people.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Post { .. } => "post",
            Self::Join => "join",
            Self::Adopt(_) => "adopt",
            Self::Make(_) => "claim",
            Self::Move(_) => "move",
            Self::Divide(_) => "divide",
            Self::Step { .. } => "step",
            Self::Expire(_) => "expire",
            Self::FallSide(_) => "fall of a side",
            Self::FallWithParty(_) => "fall with a party",
            Self::Release(_) => "release",
            Self::Refund(_) => "refund",
            Self::WithdrawReward(_) => "withdrawal of a reward",
        }
    }

    /// What to send to the dispute; `None` of a claim about a batch, which goes to the contract of claims.
    #[must_use]
    pub fn input(&self) -> Option<Bytes> {
        let input = match self {
            Self::Post { .. } => return None,
            Self::Join => Dispute::joinCall {}.abi_encode(),
            Self::Adopt(call) => call.abi_encode(),
            Self::Make(call) => call.abi_encode(),
            Self::Move(call) => call.abi_encode(),
            Self::Divide(call) => call.abi_encode(),
            Self::Step { call, .. } => call.abi_encode(),
            Self::Expire(call) => call.abi_encode(),
            Self::FallSide(call) => call.abi_encode(),
            Self::FallWithParty(call) => call.abi_encode(),
            Self::Release(call) => call.abi_encode(),
            Self::Refund(call) => call.abi_encode(),
            Self::WithdrawReward(call) => call.abi_encode(),
        };
        Some(input.into())
    }
}

/// Why a party does not know what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble<B, T> {
    /// L1 does not answer.
    #[error("L1: {0}")]
    Bench(B),
    /// The node cannot say what is right.
    #[error("what is right: {0}")]
    Truth(T),
    /// L1's state and its logs do not fit together: an endpoint lies, or its logs are not complete.
    #[error("L1's logs do not fit its state ({0}): use another endpoint")]
    Logs(&'static str),
    /// This node's program comes to another end than the block hash says for which it was to argue.
    #[error(
        "the program does not say what this node holds to be right (contest {0}): report it, with the block's witness"
    )]
    Otherwise(B256),
    /// This account has lost its bond.
    #[error(
        "a claim of {0} fell, so it can make no more: is the database damaged? Follow L1 anew, and use another account"
    )]
    Fallen(Address),
}

type Outcome<V, B, T> = Result<V, Trouble<<B as Bench>::Error, <T as Truth>::Error>>;

/// Where in a block's trace a match is.
#[derive(Debug, Clone, Copy)]
enum Place {
    Blocks,
    Stretches { block: u64 },
    Steps { block: u64, stretch: u64 },
}

/// One party in one state of L1.
#[derive(Debug)]
pub struct Player<'a, B, T> {
    /// In whose name claims are made.
    pub account: Address,
    /// What L1 told.
    pub docket: &'a Docket,
    /// What it answers.
    pub bench: &'a B,
    /// What is right.
    pub truth: &'a T,
}

/// The id of a party's claim in a contest (`IDispute.claimIdOf`).
#[must_use]
pub fn claim_id(contest: B256, side: u8, party: Address) -> B256 {
    keccak256((contest, U256::from(side), party).abi_encode())
}

/// The id of a match, and of the contest in its leaf (`IDispute.matchId`).
#[must_use]
pub fn match_id(first: B256, second: B256) -> B256 {
    keccak256((first, second).abi_encode())
}

impl<B: Bench, T: Truth> Player<'_, B, T> {
    fn ask<C: SolCall>(&self, call: &C) -> Outcome<C::Return, B, T> {
        self.bench.ask(call).map_err(Trouble::Bench)
    }

    fn counts(&self, id: B256) -> Outcome<bool, B, T> {
        self.ask(&Dispute::countsCall { id })
    }

    fn party(&self, account: Address) -> Outcome<Dispute::Party, B, T> {
        self.ask(&Dispute::partyCall { account })
    }

    /// All that is to be done now. Each is of its own; what comes too late reverts and does no harm.
    ///
    /// # Errors
    /// [`Trouble`]: then nothing is to be done but to tell it.
    pub fn deeds(&self) -> Outcome<Vec<Deed>, B, T> {
        let mut deeds = Vec::new();
        for (parent, group) in self.docket.groups() {
            let Some(tree) = self.truth.blocks(parent).map_err(Trouble::Truth)? else { continue };
            let mut right = None;
            let mut wrong = Vec::new();
            let root = tree.root();
            for id in &group.claims {
                let listed = self.docket.claim(*id).ok_or(Trouble::Logs("a claim is missing"))?;
                if listed.root == root {
                    right = Some((*id, self.ask(&Dispute::claimCall { id: *id })?));
                } else if !listed.fallen && self.counts(*id)? {
                    wrong.push((*id, self.ask(&Dispute::claimCall { id: *id })?));
                }
            }
            let Some((right, claim)) = right else {
                if !wrong.is_empty() {
                    deeds.push(Deed::Post { parent });
                }
                continue;
            };
            // Nobody opposes it; or it is final, or dead with something above.
            if wrong.is_empty() || !self.counts(right)? {
                continue;
            }
            if !claim.party.is_zero() && !self.party(claim.party)?.fellAt.is_zero() {
                deeds.push(Deed::Adopt(Dispute::adoptCall { id: right }));
            }
            for (other, theirs) in wrong {
                self.fall_with_party(other, &theirs, &mut deeds)?;
                // The earlier first; of two of one second the one that the dispute began with.
                let key = |id: B256, claim: &Dispute::Claim| (claim.postedAt, claim.side, id);
                let side = u8::from(key(right, &claim) > key(other, &theirs));
                self.duel(parent, Place::Blocks, &tree, (right, other), side, &mut deeds)?;
            }
        }
        self.join(&mut deeds)?;
        Ok(deeds)
    }

    /// What is owed to this party by now: its bond free of claims that are decided, gas of moves against parties that fell,
    /// rewards. Nothing of it is urgent, but for refunds, which those who ask first get first.
    ///
    /// # Errors
    /// [`Trouble`].
    pub fn dues(&self) -> Outcome<Vec<Deed>, B, T> {
        let mut deeds = Vec::new();
        for (parent, group) in self.docket.groups() {
            let Some(tree) = self.truth.blocks(parent).map_err(Trouble::Truth)? else { continue };
            let root = tree.root();
            let right = group.claims.iter().find(|id| self.docket.claim(**id).is_some_and(|claim| claim.root == root));
            let Some(right) = right else { continue };
            for other in group.claims.iter().filter(|other| *other != right) {
                self.refund(*right, *other, &mut deeds)?;
            }
        }
        for (contest, claims) in self.docket.by_contest() {
            for side in 0..2 {
                let own = claim_id(contest, side, self.account);
                let against =
                    claims.iter().filter(|id| self.docket.claim(**id).is_some_and(|claim| claim.side != side));
                if self.docket.claim(own).is_some() {
                    for other in against {
                        self.refund(own, *other, &mut deeds)?;
                    }
                }
            }
        }
        for id in self.docket.claims_of(self.account) {
            if !self.counts(id)? {
                deeds.push(Deed::Release(Dispute::releaseCall { id }));
            }
        }
        if !self.ask(&Dispute::rewardOfCall { party: self.account })?.is_zero() {
            deeds.push(Deed::WithdrawReward(Dispute::withdrawRewardCall { to: self.account }));
        }
        Ok(deeds)
    }

    /// What was spent in a match against a party that fell, whichever of the two claims is the first.
    fn refund(&self, mine: B256, theirs: B256, deeds: &mut Vec<Deed>) -> Outcome<(), B, T> {
        let Some(opponent) = self.docket.claim(theirs).map(|claim| claim.party).filter(|party| !party.is_zero()) else {
            return Ok(());
        };
        let party = self.party(opponent)?;
        if party.fellAt.is_zero() || party.refunds.is_zero() {
            return Ok(());
        }
        for id in [match_id(mine, theirs), match_id(theirs, mine)] {
            let call = Dispute::spentCall { matchId: id, party: opponent, mover: self.account };
            if !self.ask(&call)?.is_zero() {
                deeds.push(Deed::Refund(Dispute::refundCall { matchId: id, account: opponent }));
            }
        }
        Ok(())
    }

    /// Whoever makes claims must have a bond.
    fn join(&self, deeds: &mut Vec<Deed>) -> Outcome<(), B, T> {
        if deeds.iter().any(|deed| matches!(deed, Deed::Make(_) | Deed::Adopt(_) | Deed::Post { .. })) {
            let party = self.party(self.account)?;
            if !party.fellAt.is_zero() {
                return Err(Trouble::Fallen(self.account));
            }
            if party.bond.is_zero() {
                deeds.insert(0, Deed::Join);
            }
        }
        Ok(())
    }

    fn fall_with_party(&self, id: B256, claim: &Dispute::Claim, deeds: &mut Vec<Deed>) -> Outcome<(), B, T> {
        if claim.party.is_zero() || claim.fallen {
            return Ok(());
        }
        let fell_at: u64 = self.party(claim.party)?.fellAt.to();
        if fell_at == 0 {
            return Ok(());
        }
        let wait = if claim.level == 0 { self.ask(&Dispute::adoptionPeriodCall {})? } else { 0 };
        if self.bench.now() >= fell_at.saturating_add(wait) {
            deeds.push(Deed::FallWithParty(Dispute::fallWithPartyCall { id }));
        }
        Ok(())
    }

    /// One's own side of a match, of whose two claims the first is right.
    fn duel(
        &self,
        parent: B256,
        place: Place,
        tree: &T::Tree,
        (mine, theirs): (B256, B256),
        side: u8,
        deeds: &mut Vec<Deed>,
    ) -> Outcome<(), B, T> {
        let (first, second) = if side == 0 { (mine, theirs) } else { (theirs, mine) };
        let m = self.ask(&Dispute::matchOfCall { first, second })?;
        let (height, index): (usize, u64) = (m.height.into(), m.index.to());
        if m.divided && !matches!(place, Place::Steps { .. }) {
            return self.contest(parent, place, match_id(first, second), index, side, deeds);
        }
        let left: u64 = if m.turn == 0 { m.firstLeft.to() } else { m.secondLeft.to() };
        let until = m.movedAt.to::<u64>().saturating_add(left);
        if m.divided {
            let Place::Steps { block, stretch } = place else { return Ok(()) };
            let last = self.truth.step(parent, block, stretch, index).map_err(Trouble::Truth)?;
            let reads = last.reads.map(|request| (parent, block, request));
            deeds.push(Deed::Step { call: Dispute::stepCall { first, second, witness: last.witness.into() }, reads });
            return Ok(());
        }
        if m.turn != side {
            if self.bench.now() > until {
                deeds.push(Deed::Expire(Dispute::expireCall { first, second }));
            }
            return Ok(());
        }
        // Too late: others may have answered elsewhere, and nothing that is sent here helps.
        if self.bench.now() > until {
            return Ok(());
        }
        let id = match_id(first, second);
        let shown = self.docket.shown(id, 1 - side, theirs, (height, index), tree.depth());
        let shown = shown.ok_or(Trouble::Logs("a move is missing"))?;
        let next = moves::next(tree, height, index, shown).ok_or(Trouble::Logs("a move shows what it cannot"))?;
        deeds.push(match next {
            Move::Down { selection, children } => {
                let selection = selection.into();
                Deed::Move(Box::new(Dispute::moveCall { first, second, selection, children: *children }))
            }
            Move::Leaf { selection, before, path } => {
                let selection = selection.into();
                Deed::Divide(Box::new(Dispute::divideCall { first, second, selection, before, path }))
            }
        });
        Ok(())
    }

    /// One's own side of a contest, in leaf `index` of the level above.
    fn contest(
        &self,
        parent: B256,
        above: Place,
        id: B256,
        index: u64,
        side: u8,
        deeds: &mut Vec<Deed>,
    ) -> Outcome<(), B, T> {
        let contest = self.ask(&Dispute::contestCall { id })?;
        let now = self.bench.now();
        let until = |left: u64| contest.since.to::<u64>().saturating_add(left);
        let (own_left, their_left) = match side {
            0 => (contest.firstLeft.to(), contest.secondLeft.to()),
            _ => (contest.secondLeft.to(), contest.firstLeft.to()),
        };
        let their_standing = if side == 0 { contest.secondStanding } else { contest.firstStanding };
        if their_standing == 0 && now >= until(their_left) {
            deeds.push(Deed::FallSide(Dispute::fallSideCall { contestId: id, side: 1 - side }));
            return Ok(());
        }
        let mine = claim_id(id, side, self.account);
        let own = self.docket.claim(mine);
        if own.is_none() && now >= until(own_left) {
            return Ok(());
        }
        let mut against = Vec::new();
        for other in self.docket.in_contest(id) {
            let listed = self.docket.claim(*other).ok_or(Trouble::Logs("a claim is missing"))?;
            if listed.side == side || listed.fallen {
                continue;
            }
            if self.counts(*other)? {
                against.push(*other);
            } else {
                self.fall_with_party(*other, &self.ask(&Dispute::claimCall { id: *other })?, deeds)?;
            }
        }
        // Running the program takes its time.
        if own.is_some() && against.is_empty() {
            return Ok(());
        }
        let [end0, end1] = contest.ends;
        let end = if side == 0 { end0 } else { end1 };
        let (place, tree) = match above {
            Place::Blocks => (Place::Stretches { block: index }, self.truth.stretches(parent, index, end)),
            Place::Stretches { block } => {
                (Place::Steps { block, stretch: index }, self.truth.steps(parent, block, index, end))
            }
            Place::Steps { .. } => return Ok(()),
        };
        let tree = tree.map_err(Trouble::Truth)?;
        if !end.is_zero() && tree.state(LEVEL_LEAVES - 1) != end {
            return Err(Trouble::Otherwise(id));
        }
        let Some(own) = own else {
            deeds.push(Deed::Make(Box::new(self.claim(id, side, &tree)?)));
            return Ok(());
        };
        if own.root != tree.root() {
            return Err(Trouble::Logs("a claim of this account is another one than its node would make"));
        }
        for other in against {
            // Who says the same of it has nothing to argue about.
            if self.docket.claim(other).is_some_and(|listed| listed.root != own.root) {
                self.duel(parent, place, &tree, (mine, other), side, deeds)?;
            }
        }
        Ok(())
    }

    /// One's claim in a contest.
    fn claim(&self, contest: B256, side: u8, tree: &T::Tree) -> Outcome<Dispute::makeCall, B, T> {
        let depth = tree.depth();
        let children: [B256; OPENING] = moves::children(tree, depth, 0).ok_or(Trouble::Logs("a level has no depth"))?;
        Ok(Dispute::makeCall {
            contestId: contest,
            side,
            root: tree.root(),
            // Shown only by who says that a block has no hash, which no right claim of ours does yet.
            lastState: Bytes::new(),
            path: moves::path(tree, LEVEL_LEAVES - 1),
            children,
        })
    }
}
