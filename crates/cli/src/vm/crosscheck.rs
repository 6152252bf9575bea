//! `surety vm crosscheck`: a program runs on two machines, on one fast and on the other step by step. At steps by chance their
//! states are compared, and the next step is made three ways: by the machine, from its witness alone, and by the compiled contracts.

#[cfg(test)]
mod tests;

use super::Load;
use anyhow::{Context as _, Result, ensure};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::{collections::BTreeSet, time::Instant};
use surety_devnet::referee::Referee;
use surety_prove::Host;
use surety_vm::{
    Abi, Machine, MemoryTree,
    commitment::single,
    witness::{self, LoadedPart},
};

/// Options of `surety vm crosscheck`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    load: Load,
    /// How many steps to compare.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    samples: usize,
    /// Chooses the steps; by chance, and printed, if it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// Compare only the first so many steps of the program.
    #[arg(long, value_name = "STEPS", default_value_t = 1 << 32)]
    within: u64,
    /// Fail on purpose: change one bit of each witness's next state, to see that a difference is noticed.
    #[arg(long, hide = true)]
    falsify: bool,
}

/// A machine, its host, and the tree of its memory.
struct Side {
    machine: Machine,
    host: Host,
    tree: MemoryTree,
}

impl Side {
    fn new(load: &Load) -> Result<Self> {
        let (mut machine, host) = load.start(Abi::Program)?;
        let tree = MemoryTree::new(machine.memory_mut());
        Ok(Self { machine, host, tree })
    }

    fn hash(&mut self) -> alloy_primitives::B256 {
        self.tree.update(self.machine.memory_mut());
        self.machine.state().hash(self.tree.root())
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    ensure!(arguments.load.input.is_none(), "L1 has no hints: give what the program reads with --witness");
    let seed = arguments.seed.unwrap_or_else(rand::random);
    println!("seed: {seed}");
    let (mut whole, mut host) = arguments.load.start(Abi::Program)?;
    host.run(&mut whole, arguments.within)?;
    let steps = whole.steps();
    drop(whole);
    let mut random = StdRng::seed_from_u64(seed);
    let mut chosen: BTreeSet<u64> = BTreeSet::new();
    while (chosen.len() as u64) < (arguments.samples as u64).min(steps) {
        chosen.insert(random.random_range(0..steps));
    }
    let (mut fast, mut slow) = (Side::new(&arguments.load)?, Side::new(&arguments.load)?);
    let mut referee = Referee::new()?;
    let (start, mut most, mut longest) = (Instant::now(), 0, 0);
    for step in &chosen {
        fast.host.run(&mut fast.machine, *step)?;
        let host = &mut slow.host;
        slow.machine.run_singly(*step, &mut |request| host.read(request))?;
        let (left, right) = (fast.hash(), slow.hash());
        ensure!(left == right, "before step {step}: running fast comes to {left}, step by step to {right}");
        let (gas, bytes) =
            compare(&mut slow, &mut referee, arguments.falsify).with_context(|| format!("step {step}"))?;
        most = most.max(gas);
        longest = longest.max(bytes);
    }
    println!("steps: {steps}");
    println!("compared: {} in {:.1} s", chosen.len(), start.elapsed().as_secs_f64());
    println!("longest witness: {longest} bytes; most gas of one step's transaction: {most}");
    Ok(())
}

/// Makes one step three ways; gives the gas of it on L1 and its witness's length.
fn compare(side: &mut Side, referee: &mut Referee, falsify: bool) -> Result<(u64, usize)> {
    let (bytes, asks) = witness::witness(&side.machine, &side.tree);
    let part = match &asks {
        Some(request) => {
            let part = side.host.read(request)?;
            referee.load(&side.host, request)?;
            Some(part)
        }
        None => None,
    };
    let loaded = part.as_ref().map(LoadedPart::from);
    let (before, mut after) = witness::step(&bytes, |_| loaded)?;
    let judged = referee.step(&bytes)?;
    let Side { machine, host, tree } = side;
    single(machine, tree, &mut |request| host.read(request))?;
    after.0[31] ^= u8::from(falsify);
    let made = machine.state().hash(tree.root());
    ensure!(
        (judged.before, judged.next) == (before, after),
        "the contract says {judged:?}, the witness {before} to {after}"
    );
    ensure!(made == after, "the machine comes to {made}, the witness to {after}");
    Ok((judged.gas, bytes.len()))
}
