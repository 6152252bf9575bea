//! The machine that L1 judges: running programs on it, witnesses of single steps, and its three implementations compared.

mod crosscheck;

use alloy_primitives::B256;
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    time::Instant,
};
use surety_prove::Host;
use surety_stf::witness::Witness;
use surety_vm::{Abi, Elf, Machine, MemoryTree, Status, witness};

/// `surety vm …`.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Run a program to its end; print exit, steps, speed and the hash of the last state.
    Run(RunArguments),
    /// Print the witness of one step, as L1 takes it: JSON.
    Witness(WitnessArguments),
    /// Make steps by chance three ways, fast, by witness and by the compiled contract; fails at the first difference.
    Crosscheck(crosscheck::Arguments),
}

/// A program and what it reads.
#[derive(clap::Args)]
pub(crate) struct Load {
    /// The program: an ELF file for RV64IM, linked to fixed addresses.
    elf: PathBuf,
    /// What the program is given as a hint, as in a zkVM; L1 has no hints.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Everything that the program asks for by key, from `surety witness`.
    #[arg(long, value_name = "FILE", conflicts_with = "input")]
    witness: Option<PathBuf>,
}

/// What ecalls mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum AbiArgument {
    /// As on L1.
    Program,
    /// A call with a7 = 93 ends the program with a0; for public test programs.
    Exit,
}

/// Options of `surety vm run`.
#[derive(clap::Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    load: Load,
    /// What ecalls mean.
    #[arg(long, value_enum, default_value = "program")]
    abi: AbiArgument,
    /// Stop after so many steps. As many as a dispute can hold if it is not given.
    #[arg(long, value_name = "STEPS", default_value_t = surety_vm::commitment::MAX_STEPS)]
    limit: u64,
}

/// Options of `surety vm witness`.
#[derive(clap::Args)]
pub(crate) struct WitnessArguments {
    #[command(flatten)]
    load: Load,
    /// Steps to make before.
    #[arg(long, value_name = "N")]
    step: u64,
}

impl Load {
    /// The machine at its start, and its host.
    fn start(&self, abi: Abi) -> Result<(Machine, Host)> {
        let elf = Elf::parse(&read(&self.elf)?).with_context(|| self.elf.display().to_string())?;
        let (input, host) = match (&self.witness, &self.input) {
            (Some(path), _) => {
                let witness = Witness::decode(read(path)?.into()).with_context(|| path.display().to_string())?;
                (witness.input, Host::keyed(witness))
            }
            (None, Some(path)) => (B256::ZERO, Host::hinted(read(path)?)),
            (None, None) => (B256::ZERO, Host::default()),
        };
        Ok((Machine::new(&elf, input, abi), host))
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("read {}", path.display()))
}

pub(crate) fn run(command: Command) -> Result<()> {
    match command {
        Command::Run(arguments) => run_program(&arguments),
        Command::Witness(arguments) => print_witness(&arguments),
        Command::Crosscheck(arguments) => crosscheck::run(&arguments),
    }
}

fn run_program(arguments: &RunArguments) -> Result<()> {
    let abi = match arguments.abi {
        AbiArgument::Exit => Abi::Exit,
        AbiArgument::Program if arguments.load.input.is_some() => Abi::Hosted,
        AbiArgument::Program => Abi::Program,
    };
    let (mut machine, mut host) = arguments.load.start(abi)?;
    let start = Instant::now();
    host.run(&mut machine, arguments.limit)?;
    let seconds = start.elapsed().as_secs_f64();
    match machine.state().status {
        Status::Halted(code) => println!("exit: {code}"),
        Status::Trapped => println!("exit: trapped"),
        Status::Running => println!("exit: none, stopped at the limit"),
    }
    println!("steps: {}", machine.steps());
    println!("speed: {:.1} MIPS", machine.steps() as f64 / seconds.max(1e-9) / 1e6);
    if !host.public_values().is_empty() {
        println!("public values: {}", alloy_primitives::hex::encode_prefixed(host.public_values()));
    }
    println!("output: {}", machine.state().output);
    let tree = MemoryTree::new(machine.memory_mut());
    println!("final state: {}", machine.state().hash(tree.root()));
    if let Status::Halted(0) = machine.state().status { Ok(()) } else { bail!("the program did not end well") }
}

fn print_witness(arguments: &WitnessArguments) -> Result<()> {
    ensure!(arguments.load.input.is_none(), "L1 has no hints: give what the program reads with --witness");
    let (mut machine, mut host) = arguments.load.start(Abi::Program)?;
    host.run(&mut machine, arguments.step)?;
    let tree = MemoryTree::new(machine.memory_mut());
    let (bytes, asks) = witness::witness(&machine, &tree);
    let part = match &asks {
        Some(request) => Some((request, host.read(request)?)),
        None => None,
    };
    let loaded = part.as_ref().map(|(_, part)| witness::LoadedPart::from(part));
    let (before, after) = witness::step(&bytes, |_| loaded)?;
    println!(
        "{:#}",
        json!({
            "step": machine.steps(),
            "ended": machine.state().ended(),
            "pc": format!("{:#x}", machine.state().pc),
            "before": before,
            "after": after,
            "reads": part.as_ref().map(|(request, part)| json!({
                "kind": request.kind.number(), "key": request.key, "index": request.index, "length": part.length,
                "pageRoot": surety_vm::tree::page_root(&part.page),
            })),
            "witness": alloy_primitives::hex::encode_prefixed(&bytes),
        })
    );
    Ok(())
}
