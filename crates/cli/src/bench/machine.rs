//! What the machine that L1 judges costs: instructions of the program, speed of the interpreter, commitments to traces, and gas
//! of a step by the class of its instruction.
//!
//! Blocks are full of one kind of transaction each, on a chain that is derived and executed as a follower does it. The other
//! interpreter beside which ours is measured (`--beside`) is given the same program and the same hint in the same run.

mod chain;
mod gas;

use alloy_primitives::B256;
use anyhow::{Context as _, Result, ensure};
use chain::Workshop;
use serde_json::{Value, json};
use std::{path::PathBuf, process::Command, time::Instant};
use surety_prove::{BlobProofs, Host, PostedBatch, Program, Witnesses};
use surety_stf::{program, witness::Witness};
use surety_types::L2Height;
use surety_vm::{
    Machine, MemoryTree, Stop,
    commitment::{self, LEVEL_LEAVES, StateTree as _},
};

/// Options of `surety bench vm`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Transfers in the full block.
    #[arg(long, default_value_t = 1_400, value_parser = clap::value_parser!(u64).range(10..=1_400))]
    transfers: u64,
    /// Another interpreter, run as `PROGRAM elf hint`, that prints its speed as `… = N MIPS`.
    #[arg(long, value_name = "PROGRAM")]
    beside: Option<PathBuf>,
    /// Folder of Uniswap V2's packages (`v2-core` and `v2-periphery`, as npm has them under `@uniswap`), to measure swaps too.
    #[arg(long, value_name = "FOLDER")]
    uniswap: Option<PathBuf>,
    /// Steps by chance whose gas on L1 is measured.
    #[arg(long, default_value_t = 2_000)]
    samples: usize,
    /// Leave out the commitments to the whole trace.
    #[arg(long)]
    without_commitments: bool,
    /// Only the JSON.
    #[arg(long)]
    json: bool,
}

/// A block that the program can be run over.
struct Case {
    witness: Witness,
    hash: B256,
    gas: u64,
    transactions: usize,
}

/// Makes a block of a list, and its witness.
fn case(workshop: &Workshop, batch: &PostedBatch) -> Result<Case> {
    let (gas, transactions) = workshop.last_block()?;
    let witnesses = Witnesses::new(workshop.chain.store(), workshop.chain.parameters(), batch, BlobProofs::Made)?;
    let (witness, hash) = witnesses.block(L2Height::new(batch.statement.lastHeight))?;
    Ok(Case { witness, hash, gas, transactions })
}

/// Runs the program; gives steps and seconds.
fn time(case: &Case) -> Result<(u64, f64)> {
    let witness = case.witness.clone();
    let start = Instant::now();
    let ended = Program::current().run(witness)?;
    let seconds = start.elapsed().as_secs_f64();
    ensure!(ended.says(case.witness.input, case.hash), "the program says something else: {ended:?}");
    Ok((ended.steps, seconds))
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let say = |line: String| {
        if !arguments.json {
            println!("{line}");
        }
    };
    let mut workshop = Workshop::new()?;
    let post = |workshop: &mut Workshop, list| -> Result<Case> {
        let batch = workshop.post(vec![list], vec![])?;
        case(workshop, &batch)
    };
    let empty = post(&mut workshop, vec![])?;
    let list = workshop.transfers(arguments.transfers as usize)?;
    let full = post(&mut workshop, list)?;
    let list = workshop.token_transfers(400)?;
    let tokens = post(&mut workshop, list)?;
    let swaps = match &arguments.uniswap {
        Some(folder) => {
            let list = workshop.swaps(folder, 100)?;
            let case = post(&mut workshop, list)?;
            ensure!(workshop.all_succeeded()?, "a swap failed");
            Some(case)
        }
        None => None,
    };
    say(format!("full block: {} transfers, {} gas", full.transactions, full.gas));

    let (base, _) = time(&empty)?;
    let (steps, seconds) = time(&full)?;
    let (token_steps, _) = time(&tokens)?;
    let swap_steps = swaps.as_ref().map(time).transpose()?;
    let each = |steps: u64, case: &Case| steps.saturating_sub(base) / case.transactions.max(1) as u64;
    let start = Instant::now();
    let found = program::run(&full.witness, full.witness.input)?;
    let native = start.elapsed().as_secs_f64();
    ensure!(found == full.hash, "native execution says something else");
    say(format!(
        "{steps} steps, {:.1} MIPS; native {native:.3} s, on the machine {seconds:.3} s",
        mips(steps, seconds)
    ));

    let beside = match &arguments.beside {
        Some(program) => Some(beside(program, &full.witness)?),
        None => None,
    };
    let commitments =
        if arguments.without_commitments { Value::Null } else { measure_commitments(&full.witness, steps)? };
    let gas = gas::measure(&full.witness, steps, arguments.samples)?;
    let result = json!({
        "mips": mips(steps, seconds),
        "steps": steps,
        "blockGas": full.gas,
        "transactions": full.transactions,
        "nativeSeconds": native,
        "machineSeconds": seconds,
        "slowdown": seconds / native,
        "instructionsEmptyBlock": base,
        "instructionsPerTransfer": each(steps, &full),
        "instructionsPerTokenTransfer": each(token_steps, &tokens),
        "instructionsPerUniswapSwap": swaps.as_ref().zip(swap_steps).map(|(case, (steps, _))| each(steps, case)),
        "stepsPerGas": steps as f64 / full.gas as f64,
        "blockWitnessBytes": full.witness.encode().len(),
        "beside": beside,
        "commitments": commitments,
        "step": gas,
        "memoryPeakBytes": peak_memory(),
    });
    println!("{result}");
    Ok(())
}

fn mips(steps: u64, seconds: f64) -> f64 {
    (steps as f64 / seconds.max(1e-9) / 1e5).round() / 10.0
}

/// The other interpreter and ours over the same hint, in turn, each three times: the best of each.
fn beside(other: &std::path::Path, witness: &Witness) -> Result<Value> {
    let folder = crate::dev::Directory::new("bench-vm", None)?;
    let (elf, hint) = (folder.path().join("program.elf"), folder.path().join("hint"));
    std::fs::write(&elf, surety_prove::program::FILE)?;
    std::fs::write(&hint, [&0u64.to_le_bytes()[..], &witness.encode()].concat())?;
    let (mut ours, mut others) = (0f64, 0f64);
    for _ in 0..3 {
        let output = Command::new(other).args([&elf, &hint]).output().with_context(|| other.display().to_string())?;
        let text = String::from_utf8_lossy(&output.stdout);
        let speed = text.split(" MIPS").next().and_then(|before| before.rsplit(' ').next()?.parse().ok());
        others = others.max(speed.with_context(|| format!("{} printed no speed: {text}", other.display()))?);
        let start = Instant::now();
        let ended = Program::current().run_hinted(witness)?;
        ours = ours.max(mips(ended.steps, start.elapsed().as_secs_f64()));
    }
    Ok(json!({ "mips": others, "ours": ours, "ratio": ours / others }))
}

/// Both levels of a dispute's claims: over the whole trace, and over the stretch in its middle.
fn measure_commitments(witness: &Witness, steps: u64) -> Result<Value> {
    let host = Host::keyed(witness.clone());
    let mut read = |request: &surety_vm::Request| host.read(request);
    let start = Instant::now();
    let mut machine = Program::current().machine(witness.input);
    let mut tree = MemoryTree::new(machine.memory_mut());
    let level1 = commitment::coarse(&mut machine, &mut tree, &mut read)?.context("a trace has states")?;
    let level1_seconds = start.elapsed().as_secs_f64();
    let pages = tree.pages();
    drop((machine, tree));

    let middle = (steps / LEVEL_LEAVES / 2).min(level1.leaves().saturating_sub(2));
    let mut machine = Program::current().machine(witness.input);
    run_to(&mut machine, &host, (middle + 1) * LEVEL_LEAVES)?;
    let start = Instant::now();
    let mut tree = MemoryTree::new(machine.memory_mut());
    ensure!(machine.state().hash(tree.root()) == level1.state(middle), "the stretch begins at another state");
    let level2 = commitment::fine(&mut machine, &mut tree, &mut read)?.context("a stretch has states")?;
    let level2_seconds = start.elapsed().as_secs_f64();
    let last = level2.state(LEVEL_LEAVES - 1);
    ensure!(last == level1.state(middle + 1), "the two levels contradict each other");
    Ok(json!({
        "level1Seconds": level1_seconds,
        "level1Leaves": level1.leaves(),
        "level2Seconds": level2_seconds,
        "pagesTouched": pages,
        "treeBytes": pages * 8192,
    }))
}

fn run_to(machine: &mut Machine, host: &Host, steps: u64) -> Result<()> {
    let stop = machine.run_with(steps, &mut |request| host.read(request))?;
    ensure!(stop == Stop::Limit, "the program ended after {} steps", machine.steps());
    Ok(())
}

/// The most memory that this process had, where the system says (Linux).
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}
