//! The program that L1 judges, as it was compiled, and running it over a witness.

use crate::{Host, HostError};
use alloy_primitives::{B256, keccak256};
use std::sync::LazyLock;
use surety_stf::{program, witness::Witness};
use surety_vm::{Abi, Elf, Loaded, Machine, MemoryTree, Status, commitment::MAX_STEPS, elf::ElfError};

/// The meter, which does not know the machine, keeps blocks within the machine's trace.
const _: () = assert!(MAX_STEPS == surety_stf::meter::MAX_STEPS);

/// The program's file.
pub const FILE: &[u8] = include_bytes!("../../../guest/program.elf");

/// A program that can be run.
#[derive(Debug, Clone)]
pub struct Program {
    loaded: Loaded,
    hash: B256,
}

/// How the program ended over a witness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Halted or trapped; running if it did not end within the bound.
    pub status: Status,
    /// What it committed to.
    pub output: B256,
    /// Steps made.
    pub steps: u64,
}

impl Ended {
    /// Whether the program says that the block of this input is `block`.
    #[must_use]
    pub fn says(&self, input: B256, block: B256) -> bool {
        let output = program::output(&program::public_values(input, block));
        self.status == Status::Halted(0) && self.output == output
    }
}

impl Program {
    /// The program of this version.
    #[must_use]
    pub fn current() -> &'static Self {
        static CURRENT: LazyLock<Program> = LazyLock::new(|| {
            Program::parse(FILE).unwrap_or_else(|error| unreachable!("the committed program: {error}"))
        });
        &CURRENT
    }

    /// A program from its file.
    ///
    /// # Errors
    /// See [`ElfError`].
    pub fn parse(file: &[u8]) -> Result<Self, ElfError> {
        Ok(Self { loaded: Loaded::new(Elf::parse(file)?), hash: keccak256(file) })
    }

    /// keccak256 of the file.
    #[must_use]
    pub const fn hash(&self) -> B256 {
        self.hash
    }

    /// Root of the memory that it starts with, and the address of its first instruction: from these and an input L1 computes
    /// [`Self::start`].
    #[must_use]
    pub fn at_start(&self) -> (B256, u64) {
        let mut machine = self.machine(B256::ZERO);
        let tree = MemoryTree::new(machine.memory_mut());
        (tree.root(), machine.state().pc)
    }

    /// A machine at its start, for an input.
    #[must_use]
    pub fn machine(&self, input: B256) -> Machine {
        self.loaded.start(input, Abi::Program)
    }

    /// Hash of the state that it starts in, for an input: what L1 computes from the memory root.
    #[must_use]
    pub fn start(&self, input: B256) -> B256 {
        let mut machine = self.machine(input);
        let tree = MemoryTree::new(machine.memory_mut());
        machine.state().hash(tree.root())
    }

    /// Runs it as L1 would, with values by key. It has the steps that a dispute's trees hold, and no more.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn run(&self, witness: Witness) -> Result<Ended, HostError> {
        let mut machine = self.machine(witness.input);
        Host::keyed(witness).run(&mut machine, MAX_STEPS)?;
        Ok(ended(&machine))
    }

    /// Runs it as a zkVM would, with one hint, here without a zkVM's cryptographic calls.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn run_hinted(&self, witness: &Witness) -> Result<Ended, HostError> {
        let mut machine = self.loaded.start(B256::ZERO, Abi::Hosted);
        let hint = [&0u64.to_le_bytes()[..], &witness.encode()].concat();
        Host::hinted(hint).run(&mut machine, MAX_STEPS)?;
        Ok(ended(&machine))
    }
}

fn ended(machine: &Machine) -> Ended {
    Ended { status: machine.state().status, output: machine.state().output, steps: machine.steps() }
}
