//! Whole games over a real block of the compiled program, on the compiled contracts.

#[path = "../../stf/tests/common/mod.rs"]
mod common;
mod support;

use alloy_primitives::{Address, B256, Bytes, aliases::U40, keccak256};
use alloy_sol_types::{SolCall, SolStruct as _};
use common::{
    chain::{Form, Judged},
    parameters,
};
use surety_contracts::{Parameters, Profile, bindings::Dispute};
use surety_devnet::court::Court;
use surety_dispute::{Move, Trace, moves};
use surety_prove::{Host, Program};
use surety_stf::witness::Witness;
use surety_vm::{
    Request, Stop,
    commitment::{LEVEL_LEAVES, LevelTree, OPENING, StateTree as _},
};

const HONEST: Address = Address::repeat_byte(0x11);
const LIAR: Address = Address::repeat_byte(0x22);
const RIGHT: B256 = B256::repeat_byte(0xaa);
const WRONG: B256 = B256::repeat_byte(0xbb);
const PARENT: B256 = B256::repeat_byte(0xcc);
/// Depth of the tree over a batch's blocks.
const BLOCKS: usize = 15;

/// A court for this program and chain.
fn court() -> Court {
    let (root, entry) = Program::current().at_start();
    Court::new(&Parameters::of(Profile::Production, 75_873), parameters().hash(), root, entry).unwrap()
}

/// L1 is told where the program begins and what it is, and finds the hash of the first state for any input.
#[test]
fn a_dispute_begins_where_the_machine_does() {
    let mut court = court();
    for input in [B256::ZERO, B256::repeat_byte(0xff), keccak256("one"), keccak256("another")] {
        let call = Dispute::startStateCall { inputHash: input };
        assert_eq!(court.ask(&call).unwrap(), Program::current().start(input), "{input}");
    }
}

/// A batch with a message, in blobs.
fn batch() -> Vec<Judged> {
    support::batch(Form::Blobs, true)
}

/// A tree that is right up to a leaf, and then ends in something else.
fn lie(right: &LevelTree, from: u64, end: B256) -> LevelTree {
    let mut values: Vec<B256> = (0..from).map(|leaf| right.state(leaf)).collect();
    values.extend([keccak256("lie"), end]);
    LevelTree::of_depth(right.depth(), values).unwrap()
}

/// Both sides of a match, and what of the other's the side to move has been shown.
struct Sides<'a> {
    ids: (B256, B256),
    trees: [&'a LevelTree; 2],
    shown: [B256; OPENING],
}

/// What is played, and what it costs.
struct Game {
    court: Court,
    gas: Vec<(&'static str, u64)>,
}

impl Game {
    fn note(&mut self, what: &'static str, gas: u64) {
        self.gas.push((what, gas));
    }

    /// Something that the contract of claims sends.
    fn claims(&mut self, what: &'static str, call: &impl SolCall) {
        let gas = self.court.claims(call).unwrap();
        self.note(what, gas);
    }

    /// All moves of a match; gives the leaf.
    fn play(&mut self, sides: Sides<'_>) -> u64 {
        let Sides { ids: (first, second), trees, mut shown } = sides;
        loop {
            self.court.pass(600);
            let m = self.court.ask(&Dispute::matchOfCall { first, second }).unwrap();
            let (height, index): (u8, u64) = (m.height, m.index.to());
            let mine = trees[usize::from(m.turn)];
            let mover = if m.turn == 0 { HONEST } else { LIAR };
            match moves::next(mine, height.into(), index, &shown).expect("a move") {
                Move::Down { selection, children } => {
                    let call = Dispute::moveCall { first, second, selection: selection.into(), children: *children };
                    let gas = self.court.send(mover, &call).unwrap();
                    self.note("move", gas);
                    shown = *children;
                }
                Move::Leaf { selection, before, path } => {
                    let call = Dispute::divideCall { first, second, selection: selection.into(), before, path };
                    let gas = self.court.send(mover, &call).unwrap();
                    self.note("divide", gas);
                    let m = self.court.ask(&Dispute::matchOfCall { first, second }).unwrap();
                    assert!(m.divided);
                    return m.index.to();
                }
            }
        }
    }

    /// Makes a claim; gives its id.
    fn make(&mut self, contest: B256, side: u8, tree: &LevelTree, party: Address) -> B256 {
        let call = Dispute::makeCall {
            contestId: contest,
            side,
            root: tree.root(),
            lastState: Bytes::new(),
            path: moves::path(tree, LEVEL_LEAVES - 1),
            children: moves::children(tree, tree.depth(), 0).unwrap(),
        };
        let gas = self.court.send(party, &call).unwrap();
        self.note("claim", gas);
        self.court.ask(&Dispute::claimIdOfCall { contestId: contest, side, account: party }).unwrap()
    }

    /// Both sides' claims in a contest, and their match; gives their ids, the contest below and the leaf.
    fn contest(&mut self, contest: B256, right: &LevelTree, wrong: &LevelTree) -> ((B256, B256), u64) {
        let a = self.make(contest, 0, right, HONEST);
        self.court.pass(60);
        let b = self.make(contest, 1, wrong, LIAR);
        let shown = moves::children(wrong, wrong.depth(), 0).unwrap();
        let leaf = self.play(Sides { ids: (a, b), trees: [right, wrong], shown });
        ((a, b), leaf)
    }

    fn fallen(&mut self, id: B256) -> bool {
        self.court.ask(&Dispute::claimCall { id }).unwrap().fallen
    }

    fn ends(&mut self, contest: B256) -> [B256; 2] {
        self.court.ask(&Dispute::contestCall { id: contest }).unwrap().ends
    }

    /// Loads what a step reads.
    fn load(&mut self, witness: &Witness, request: &Request) {
        let gas = self.court.referee.load(&Host::keyed(witness.clone()), request);
        self.note("pre-image", gas.unwrap());
    }
}

/// The signers are right about the second block of a batch, a rival is wrong: it is played down to one step, which decides. `at`
/// says in which leaf of which level the lie begins, and may depend on the trace.
fn play(at: impl Fn(&Trace<'_>, &LevelTree) -> (u64, u64)) -> u64 {
    let judged = batch();
    let hashes: Vec<B256> = judged.iter().map(|block| block.hash).chain([B256::ZERO]).collect();
    let blocks = LevelTree::of_depth(BLOCKS, hashes.clone()).unwrap();
    let other = vec![hashes[0], keccak256("wrong block"), keccak256("next"), B256::ZERO];
    let wrong = LevelTree::of_depth(BLOCKS, other).unwrap();
    let block = &judged[1];
    let question = Dispute::Question {
        statement: block.statement.eip712_hash_struct(),
        beforeBatch: block.before_batch,
        firstHeight: block.statement.firstHeight,
    };
    let mut game = Game { court: court(), gas: vec![] };
    game.court.join(HONEST).unwrap();
    game.court.join(LIAR).unwrap();
    let posted_at = U40::from(1_700_000_001);
    let (parent, root, nobody) = (PARENT, blocks.root(), Address::ZERO);
    let first =
        Dispute::beginCall { id: RIGHT, parentId: parent, root, account: nobody, postedAt: posted_at, question };
    game.claims("begin", &first);
    game.court.pass(3_600);
    let shown = moves::children(&wrong, BLOCKS, 0).unwrap();
    let rival = Dispute::enterCall { id: WRONG, parentId: parent, root: wrong.root(), account: LIAR, children: shown };
    game.claims("enter", &rival);
    let leaf = game.play(Sides { ids: (RIGHT, WRONG), trees: [&blocks, &wrong], shown });
    assert_eq!(leaf, 1);

    let witness = block.to_witness();
    let trace = Trace::new(Program::current(), witness.clone());
    let stretches = trace.stretches().unwrap().unwrap();
    let (stretch, step) = at(&trace, &stretches);
    let contest = game.court.ask(&Dispute::matchIdCall { first: RIGHT, second: WRONG }).unwrap();
    let ends = game.ends(contest);
    assert_eq!(ends[0], stretches.state(LEVEL_LEAVES - 1), "L1 computes the state in which the program says the hash");
    let ((a, b), leaf) = game.contest(contest, &stretches, &lie(&stretches, stretch, ends[1]));
    assert_eq!(leaf, stretch);

    let steps = trace.steps(stretch).unwrap().unwrap();
    assert_eq!(steps.state(LEVEL_LEAVES - 1), stretches.state(stretch), "the levels fit together");
    let contest = game.court.ask(&Dispute::matchIdCall { first: a, second: b }).unwrap();
    let ends = game.ends(contest);
    let ((a, b), leaf) = game.contest(contest, &steps, &lie(&steps, step, ends[1]));
    assert_eq!(leaf, step);
    let last = trace.last_step(stretch, step).unwrap();
    if let Some(request) = &last.reads {
        game.load(&witness, request);
    }
    let call = Dispute::stepCall { first: a, second: b, witness: last.witness.into() };
    let gas = game.court.send(HONEST, &call).unwrap();
    game.note("step", gas);
    assert_eq!((game.fallen(a), game.fallen(b)), (false, true));
    let party = game.court.ask(&Dispute::partyCall { account: LIAR }).unwrap();
    assert!(party.fellAt.to::<u64>() > 0);
    assert_eq!(game.court.ask(&Dispute::partyCall { account: HONEST }).unwrap().fellAt.to::<u64>(), 0);
    game.court.pass(86_400);
    game.court.send(HONEST, &Dispute::fallWithPartyCall { id: WRONG }).unwrap();
    assert_eq!((game.fallen(RIGHT), game.fallen(WRONG)), (false, true));
    let sum = game.gas.iter().map(|(_, gas)| gas).sum();
    println!("{sum} gas: {:?}", game.gas);
    sum
}

#[test]
fn a_wrong_claim_about_a_real_block_falls_by_a_step() {
    let sum = play(|_, stretches| (stretches.leaves() / 2, 123_456));
    assert!(sum < 4_000_000, "{sum}");
}

/// The lie begins where the program reads something, which L1 must be given first.
#[test]
fn a_step_that_reads_is_decided_too() {
    play(|trace, _| {
        let mut machine = Program::current().machine(batch()[1].to_witness().input);
        assert!(matches!(machine.run(LEVEL_LEAVES), Stop::Read(_)), "it reads its input first");
        let near = [machine.steps().saturating_sub(1), machine.steps()];
        let step = near.into_iter().find(|step| trace.last_step(0, *step).unwrap().reads.is_some());
        (0, step.expect("there it reads"))
    });
}
