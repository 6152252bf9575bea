//! One game: L1, everybody on it, and time.

use crate::{
    Chance,
    adversary::{Adversary, Style},
    truth::{Batch, Honest},
};
use alloy_primitives::{Address, B256, Bytes, U256, aliases::U40, keccak256};
use alloy_sol_types::{SolCall, SolEventInterface as _, SolValue as _};
use std::cell::RefCell;
use surety_contracts::{Parameters, Profile, bindings::Dispute};
use surety_devnet::{
    court::{CLAIMS, Court},
    evm::EvmError,
};
use surety_dispute::{Bench, Deed, Docket, Player, Trouble, Truth, lie::Lie, moves, posting::block_tree};
use surety_prove::Host;
use surety_vm::{
    Request,
    commitment::{LEVEL_LEAVES, LevelTree, StateTree as _},
};

const PARENT: B256 = B256::repeat_byte(0xcc);
const HONEST: Address = Address::repeat_byte(0x11);
/// The honest party's claim, or that of the signers who are right.
const RIGHT: B256 = B256::repeat_byte(0xaa);
/// Depth of the tree over a batch's blocks.
const BLOCKS: usize = 15;
/// The longest that L1 leaves out what the honest party sends, in seconds.
const CENSORSHIP: u64 = 12 * 3_600;

/// What somebody sent, and when.
#[derive(Debug, Clone)]
struct Sent {
    time: u64,
    from: Address,
    value: U256,
    input: Bytes,
}

/// L1.
struct Chain {
    court: RefCell<Court>,
    docket: Docket,
    contests: Vec<B256>,
    sent: Vec<Sent>,
    period: u64,
}

impl Bench for Chain {
    type Error = EvmError;

    fn ask<C: SolCall>(&self, call: &C) -> Result<C::Return, EvmError> {
        self.court.borrow_mut().ask(call)
    }

    fn now(&self) -> u64 {
        self.court.borrow_mut().now()
    }
}

impl Chain {
    fn new(batch: &Batch) -> Self {
        let parameters = Parameters::of(Profile::Production, 75_873);
        let (root, entry) = batch.start;
        let court = Court::new(&parameters, crate::common::parameters().hash(), root, entry).unwrap();
        Self {
            court: court.into(),
            docket: Docket::default(),
            contests: Vec::new(),
            sent: Vec::new(),
            period: parameters.challenge_period,
        }
    }

    /// Sends something; gives its gas.
    fn send(&mut self, from: Address, value: U256, input: Bytes) -> Result<u64, EvmError> {
        let time = self.now();
        let outcome = self.court.get_mut().transact(from, value, input.clone())?;
        for log in &outcome.logs {
            if let Ok(event) = Dispute::DisputeEvents::decode_raw_log(log.topics(), &log.data.data) {
                if let Dispute::DisputeEvents::ContestOpened(opened) = &event {
                    self.contests.push(opened.contestId);
                }
                self.docket.take(&event);
            }
        }
        self.sent.push(Sent { time, from, value, input });
        Ok(outcome.gas_used)
    }

    fn join(&mut self, party: Address) -> Result<u64, EvmError> {
        self.court.get_mut().fund(party)?;
        let bond = self.court.get_mut().bond();
        self.send(party, bond, Dispute::joinCall {}.abi_encode().into())
    }

    fn pass(&mut self, seconds: u64) {
        self.court.get_mut().pass(seconds);
    }

    /// L1 takes back everything from a time on, and all that was loaded for steps.
    fn take_back(&mut self, batch: &Batch, from: u64) {
        let now = self.now();
        let mut again = Self::new(batch);
        for sent in self.sent.drain(..).filter(|sent| sent.time < from) {
            let behind = sent.time - again.now();
            again.pass(behind);
            if sent.value > U256::ZERO {
                again.court.get_mut().fund(sent.from).unwrap();
            }
            // A step for which nothing is loaded now is not taken again: then somebody makes it later.
            let _ = again.send(sent.from, sent.value, sent.input);
        }
        let behind = now - again.now();
        again.pass(behind);
        *self = again;
    }

    /// Loads what a step reads.
    fn load(&mut self, batch: &Batch, block: u64, request: &Request) -> u64 {
        let host = Host::keyed(batch.witnesses[block as usize].clone());
        self.court.get_mut().referee.load(&host, request).unwrap()
    }

    fn fallen(&self, id: B256) -> bool {
        self.ask(&Dispute::claimCall { id }).unwrap().fallen
    }
}

/// What a game came to, or the most of several.
#[derive(Debug, Clone, Default)]
pub(crate) struct Report {
    /// From the right claim to the end, in hundredths of a challenge period.
    pub(crate) time: u64,
    pub(crate) honest_sent: u64,
    pub(crate) honest_gas: u64,
    pub(crate) sent: u64,
    pub(crate) rivals: u64,
}

impl Report {
    pub(crate) fn max(self, other: &Self) -> Self {
        Self {
            time: self.time.max(other.time),
            honest_sent: self.honest_sent.max(other.honest_sent),
            honest_gas: self.honest_gas.max(other.honest_gas),
            sent: self.sent.max(other.sent),
            rivals: self.rivals.max(other.rivals),
        }
    }
}

/// One game.
pub(crate) struct World<'a> {
    batch: &'a Batch,
    seed: u64,
    chance: Chance,
    chain: Chain,
    adversaries: Vec<Adversary<'a>>,
    /// When L1 leaves out what the honest party sends.
    censored: (u64, u64),
    /// When L1 takes back its last two moments; 0 for never.
    reorg: u64,
    start: u64,
    /// When the right claim was there.
    right_at: Option<u64>,
    tick: u64,
    plays: bool,
    loud: bool,
    report: Report,
}

impl<'a> World<'a> {
    pub(crate) fn new(batch: &'a Batch, seed: u64, loud: bool) -> Self {
        let mut chance = Chance::new(seed);
        let chain = Chain::new(batch);
        let (start, period) = (chain.now(), chain.period);
        let rivals = 1 + chance.below(4);
        let name = |n: u64| keccak256((seed, n).abi_encode());
        let adversaries: Vec<_> = (0..rivals).map(|n| Adversary::new(batch, name(n), period, &mut chance)).collect();
        let censored = start + chance.below(period);
        let reorg = if chance.one_in(3) { start + chance.below(period) } else { 0 };
        let mut world = Self {
            batch,
            seed,
            chance,
            chain,
            adversaries,
            censored: (censored, censored + CENSORSHIP),
            reorg,
            start,
            right_at: None,
            tick: period / 60,
            plays: true,
            loud,
            report: Report { rivals, ..Report::default() },
        };
        world.begin();
        world
    }

    pub(crate) fn without_honest(mut self) -> Self {
        self.plays = false;
        self
    }

    fn tell(&self, what: impl FnOnce() -> String) {
        if self.loud {
            println!("{:>8} s  {}", self.chain.now() - self.start, what());
        }
    }

    /// The first claim: right or wrong, of signers.
    fn begin(&mut self) {
        let right = block_tree(&self.batch.hashes).unwrap();
        let (id, root) = if self.chance.one_in(2) {
            self.right_at = Some(self.chain.now());
            (RIGHT, right.root())
        } else {
            // Who signed has no bond here, but plays like anybody.
            self.adversaries[0].after = 0;
            (self.adversaries[0].id, self.adversaries[0].liar.tree().root())
        };
        let call = Dispute::beginCall {
            id,
            parentId: PARENT,
            root,
            account: Address::ZERO,
            postedAt: U40::from(self.chain.now()),
            question: self.batch.question.clone(),
        };
        self.chain.send(CLAIMS, U256::ZERO, call.abi_encode().into()).unwrap();
    }

    fn enter(&mut self, id: B256, tree: &LevelTree, account: Address) -> Result<u64, EvmError> {
        let call = Dispute::enterCall {
            id,
            parentId: PARENT,
            root: tree.root(),
            account,
            children: moves::children(tree, BLOCKS, 0).unwrap(),
        };
        self.chain.send(CLAIMS, U256::ZERO, call.abi_encode().into())
    }

    /// Plays to the end.
    pub(crate) fn play(mut self) -> Report {
        let seed = self.seed;
        let period = self.chain.period;
        let mut last = [self.start; 2];
        loop {
            let (now, before) = (self.chain.now(), self.chain.sent.len());
            if self.reorg != 0 && now >= self.reorg {
                self.reorg = 0;
                self.tell(|| "L1 takes back what was sent in the last two moments".into());
                self.chain.take_back(self.batch, last[0].max(self.start + 1));
                self.right_at = self.right_at.filter(|_| self.chain.docket.claim(RIGHT).is_some());
            }
            self.adversaries_come();
            let first = self.chance.one_in(2);
            if first {
                self.honest();
            }
            self.others();
            if !first {
                self.honest();
            }
            let over = now >= self.start + period;
            let all =
                self.adversaries.iter().all(|a| self.chain.docket.claim(a.id).is_none() || self.chain.fallen(a.id));
            if over && all {
                break;
            }
            let until = self.right_at.unwrap_or(self.start) + period + CENSORSHIP + 20 * self.tick;
            let unfallen =
                || self.adversaries.iter().filter(|a| !self.chain.fallen(a.id)).map(|a| a.id).collect::<Vec<_>>();
            assert!(now <= until, "seed {seed}: it takes too long; these stand: {:?}", unfallen());
            assert!(self.right_at.is_none() || !self.chain.fallen(RIGHT), "seed {seed}: the right claim fell");
            last = [last[1], now];
            // Where nothing happens time goes faster.
            let busy = self.chain.sent.len() != before;
            let seconds = 1 + self.chance.below(if busy { self.tick } else { 4 * self.tick });
            self.chain.pass(seconds);
        }
        self.end()
    }

    fn adversaries_come(&mut self) {
        let now = self.chain.now();
        for n in 0..self.adversaries.len() {
            let a = self.adversaries[n].clone();
            let comes = now >= self.start + a.after && now < self.start + self.chain.period;
            if comes && self.chain.docket.claim(a.id).is_none() {
                // It may be a party already; one that has fallen by a claim in a contest cannot come any more.
                let _ = self.chain.join(a.account);
                if self.enter(a.id, &a.liar.tree(), a.account).is_err() {
                    continue;
                }
                self.tell(|| {
                    format!(
                        "{} claims another block {}, from stretch {} on, {:?}",
                        a.account, a.liar.block, a.liar.stretch, a.style
                    )
                });
            }
        }
    }

    fn deeds<T: Truth>(&self, account: Address, truth: &T) -> Result<Vec<Deed>, Trouble<EvmError, T::Error>> {
        Player { account, docket: &self.chain.docket, bench: &self.chain, truth }.deeds()
    }

    fn honest(&mut self) {
        let now = self.chain.now();
        if !self.plays || (self.censored.0..self.censored.1).contains(&now) {
            return;
        }
        let deeds = self.deeds(HONEST, &Honest(self.batch)).unwrap_or_else(|e| panic!("seed {}: {e}", self.seed));
        for deed in deeds {
            self.stolen(&deed);
            match self.carry_out(HONEST, &deed) {
                Ok(gas) => {
                    self.tell(|| format!("honest: {}, {gas} gas", deed.name()));
                    self.report.honest_sent += 1;
                    self.report.honest_gas += gas;
                }
                Err(error) => self.tell(|| format!("honest: {} refused: {error}", deed.name())),
            }
        }
    }

    /// What the honest party is about to send, somebody else sends first.
    fn stolen(&mut self, deed: &Deed) {
        let thieves: Vec<_> = self.adversaries.iter().filter(|a| a.steals).map(|a| a.account).collect();
        for thief in thieves {
            if let Some(input) = deed.input().filter(|_| *deed != Deed::Join) {
                let _ = self.chain.send(thief, U256::ZERO, input);
            }
        }
    }

    fn carry_out(&mut self, who: Address, deed: &Deed) -> Result<u64, EvmError> {
        match deed {
            Deed::Join => return self.chain.join(who),
            Deed::Post { .. } => {
                let tree = block_tree(&self.batch.hashes).unwrap();
                let gas = self.enter(RIGHT, &tree, who)?;
                self.right_at = Some(self.chain.now());
                return Ok(gas);
            }
            Deed::Step { reads: Some((_, block, request)), .. } => {
                self.chain.load(self.batch, (*block).min(2), request);
            }
            _ => {}
        }
        self.chain.send(who, U256::ZERO, deed.input().unwrap_or_default())
    }

    fn others(&mut self) {
        for n in 0..self.adversaries.len() {
            let a = self.adversaries[n].clone();
            if a.replays && !self.chain.sent.is_empty() {
                let place = self.chance.below(self.chain.sent.len() as u64) as usize;
                let input = self.chain.sent[place].input.clone();
                let _ = self.chain.send(a.account, U256::ZERO, input);
            }
            if a.style == Style::Absent || a.style == Style::Slow && !self.chance.one_in(8) {
                continue;
            }
            // It may have lost, or come to a place of which it knows nothing.
            let Ok(deeds) = self.deeds(a.account, &a.liar) else { continue };
            for deed in deeds {
                if matches!(deed, Deed::Post { .. }) || a.style == Style::LastSecond && !self.is_pressing(&deed) {
                    continue;
                }
                let outcome = self.carry_out(a.account, &deed);
                self.tell(|| format!("{}: {} {outcome:?}", a.account, deed.name()));
            }
            if a.style == Style::Flood {
                self.flood(&a);
            }
        }
    }

    /// Whether there may be no time left in the next moment.
    fn is_pressing(&self, deed: &Deed) -> bool {
        let (since, left) = match deed {
            Deed::Move(call) => return self.is_last_moment(call.first, call.second),
            Deed::Divide(call) => return self.is_last_moment(call.first, call.second),
            Deed::Make(call) => {
                let Ok(c) = self.chain.ask(&Dispute::contestCall { id: call.contestId }) else { return false };
                (c.since, if call.side == 0 { c.firstLeft } else { c.secondLeft })
            }
            _ => return true,
        };
        self.chain.now() + 4 * self.tick >= since.to::<u64>() + left.to::<u64>()
    }

    fn is_last_moment(&self, first: B256, second: B256) -> bool {
        let Ok(m) = self.chain.ask(&Dispute::matchOfCall { first, second }) else { return false };
        let left = if m.turn == 0 { m.firstLeft } else { m.secondLeft };
        self.chain.now() + 4 * self.tick >= m.movedAt.to::<u64>() + left.to::<u64>()
    }

    /// Claims on both sides of all contests, of nothing.
    fn flood(&mut self, a: &Adversary<'_>) {
        for id in self.chain.contests.clone() {
            let Ok(contest) = self.chain.ask(&Dispute::contestCall { id }) else { continue };
            for side in 0..2u8 {
                let right = self.batch.steps(2, LEVEL_LEAVES - 1);
                let end = contest.ends[usize::from(side)];
                let nonsense = keccak256((a.liar.name, U256::from(side)).abi_encode());
                let lie = Lie::new(right, 0, nonsense, end);
                let call = Dispute::makeCall {
                    contestId: id,
                    side,
                    root: lie.root(),
                    lastState: Bytes::new(),
                    path: moves::path(&lie, LEVEL_LEAVES - 1),
                    children: moves::children(&lie, 20, 0).unwrap(),
                };
                let _ = self.chain.send(a.account, U256::ZERO, call.abi_encode().into());
            }
        }
    }

    /// Who has what.
    fn end(mut self) -> Report {
        let (seed, end) = (self.seed, self.chain.now());
        self.chain.pass(2 * self.chain.period);
        // Those who fell may still have claims below; nothing of it is of account.
        let party = |chain: &Chain, account| chain.ask(&Dispute::partyCall { account }).unwrap();
        assert!(!self.chain.fallen(RIGHT), "seed {seed}: the right claim fell");
        assert!(party(&self.chain, HONEST).fellAt.is_zero(), "seed {seed}: the honest party fell");
        for id in self.chain.docket.claims_of(HONEST).collect::<Vec<_>>() {
            if id != RIGHT {
                let release = Dispute::releaseCall { id }.abi_encode().into();
                self.chain.send(HONEST, U256::ZERO, release).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            }
        }
        let own = party(&self.chain, HONEST);
        let posted = self.chain.docket.claim(RIGHT).is_some_and(|claim| claim.party == HONEST);
        assert_eq!(own.standing, u32::from(posted), "seed {seed}: claims that are not released");
        if !own.bond.is_zero() && !posted {
            let leave = Dispute::withdrawBondCall { to: HONEST }.abi_encode().into();
            self.chain.send(HONEST, U256::ZERO, leave).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        }
        for a in &self.adversaries {
            let theirs = party(&self.chain, a.account);
            // Signers have a bond elsewhere, and may have made no claim here.
            let claimed = self.chain.docket.claims_of(a.account).any(|id| id == a.id);
            assert!(!claimed || !theirs.fellAt.is_zero(), "seed {seed}: {} keeps its bond", a.account);
        }
        let right_at = self.right_at.unwrap_or(end);
        self.report.time = (end - right_at) * 100 / self.chain.period;
        self.report.sent = self.chain.sent.len() as u64;
        self.report
    }
}
