//! What is right about one batch, and what liars say instead.

use crate::{
    common::chain::{Form, Judged},
    support,
};
use alloy_primitives::{B256, keccak256};
use alloy_sol_types::{SolStruct as _, SolValue as _};
use std::{cell::RefCell, collections::BTreeMap, convert::Infallible, sync::Arc};
use surety_contracts::bindings::Dispute;
use surety_dispute::{Trace, Truth, lie::Lie, posting::block_tree, trace::LastStep};
use surety_prove::Program;
use surety_stf::witness::Witness;
use surety_vm::commitment::{LEVEL_LEAVES, LevelTree, StateTree};

/// A batch of three blocks, and what was found out about it so far.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) question: Dispute::Question,
    pub(crate) hashes: Vec<B256>,
    pub(crate) witnesses: Vec<Witness>,
    /// How the program begins.
    pub(crate) start: (B256, u64),
    stretches: RefCell<BTreeMap<u64, Arc<LevelTree>>>,
    steps: RefCell<BTreeMap<(u64, u64), Arc<LevelTree>>>,
    last: RefCell<BTreeMap<(u64, u64, u64), LastStep>>,
}

impl Batch {
    pub(crate) fn new() -> Self {
        let judged = support::batch(Form::Calldata, false);
        let question = Dispute::Question {
            statement: judged[0].statement.eip712_hash_struct(),
            beforeBatch: judged[0].before_batch,
            firstHeight: judged[0].statement.firstHeight,
        };
        Self {
            question,
            hashes: judged.iter().map(|block| block.hash).collect(),
            witnesses: judged.iter().map(Judged::to_witness).collect(),
            start: Program::current().at_start(),
            stretches: RefCell::default(),
            steps: RefCell::default(),
            last: RefCell::default(),
        }
    }

    fn trace(&self, block: u64) -> Trace<'static> {
        Trace::new(Program::current(), self.witnesses[block as usize].clone())
    }

    pub(crate) fn stretches(&self, block: u64) -> Arc<LevelTree> {
        let make = || Arc::new(self.trace(block).stretches().unwrap().unwrap());
        self.stretches.borrow_mut().entry(block).or_insert_with(make).clone()
    }

    pub(crate) fn steps(&self, block: u64, stretch: u64) -> Arc<LevelTree> {
        let make = || Arc::new(self.trace(block).steps(stretch).unwrap().unwrap());
        self.steps.borrow_mut().entry((block, stretch)).or_insert_with(make).clone()
    }

    pub(crate) fn last(&self, place: (u64, u64, u64)) -> LastStep {
        let (block, stretch, step) = place;
        let make = || self.trace(block).last_step(stretch, step).unwrap();
        self.last.borrow_mut().entry(place).or_insert_with(make).clone()
    }
}

/// The truth of the honest.
pub(crate) struct Honest<'a>(pub(crate) &'a Batch);

impl Truth for Honest<'_> {
    type Tree = Arc<LevelTree>;
    type Error = Infallible;

    fn blocks(&self, _: B256) -> Result<Option<Self::Tree>, Infallible> {
        Ok(block_tree(&self.0.hashes).map(Arc::new))
    }

    fn stretches(&self, _: B256, block: u64, _: B256) -> Result<Self::Tree, Infallible> {
        Ok(self.0.stretches(block))
    }

    fn steps(&self, _: B256, block: u64, stretch: u64, _: B256) -> Result<Self::Tree, Infallible> {
        Ok(self.0.steps(block, stretch))
    }

    fn step(&self, _: B256, block: u64, stretch: u64, step: u64) -> Result<LastStep, Infallible> {
        Ok(self.0.last((block, stretch, step)))
    }
}

/// What a liar says: another hash from one block of the batch on, and below that what leads there.
#[derive(Debug, Clone)]
pub(crate) struct Liar<'a> {
    pub(crate) batch: &'a Batch,
    pub(crate) name: B256,
    /// The first block of which it says something else.
    pub(crate) block: u64,
    /// The stretch and the step of that block's trace from which it does.
    pub(crate) stretch: u64,
    pub(crate) step: u64,
}

impl Liar<'_> {
    pub(crate) fn tree(&self) -> LevelTree {
        let other = |n: u64| keccak256((self.name, n).abi_encode());
        let say = |(n, hash): (u64, &B256)| if n < self.block { *hash } else { other(n) };
        let hashes: Vec<B256> = (0..).zip(&self.batch.hashes).map(say).collect();
        block_tree(&hashes).unwrap()
    }

    fn lie(&self, right: Arc<LevelTree>, from: u64, end: B256) -> Arc<Lie<Arc<LevelTree>>> {
        // A level that is to end rightly lies in the middle all the same.
        Arc::new(Lie::new(right, from.min(LEVEL_LEAVES - 1), self.name, end))
    }
}

impl Truth for Liar<'_> {
    type Tree = Arc<dyn StateTree>;
    type Error = Infallible;

    fn blocks(&self, _: B256) -> Result<Option<Self::Tree>, Infallible> {
        Ok(Some(Arc::new(self.tree())))
    }

    fn stretches(&self, _: B256, block: u64, end: B256) -> Result<Self::Tree, Infallible> {
        Ok(self.lie(self.batch.stretches(block.min(2)), self.stretch, end))
    }

    fn steps(&self, _: B256, block: u64, stretch: u64, end: B256) -> Result<Self::Tree, Infallible> {
        // Against other liars it comes to places where nobody runs anything.
        let (block, stretch) = if stretch == self.stretch { (block.min(2), stretch) } else { (2, LEVEL_LEAVES - 1) };
        let right = self.batch.steps(block, stretch);
        Ok(self.lie(right, self.step, end))
    }

    fn step(&self, _: B256, block: u64, stretch: u64, step: u64) -> Result<LastStep, Infallible> {
        Ok(self.batch.last((block.min(2), stretch, step)))
    }
}
