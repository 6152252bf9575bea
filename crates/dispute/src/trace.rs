//! What the machine does with one block: the trees over its states, and single steps, from a witness.

use surety_prove::{Host, HostError, Program};
use surety_stf::witness::Witness;
use surety_vm::{
    Machine, MemoryTree, Request,
    commitment::{LEVEL_LEAVES, LevelTree, coarse, fine},
    witness::witness,
};

/// A step as L1 makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastStep {
    /// For `IRiscV.step`.
    pub witness: Vec<u8>,
    /// What must be loaded into `IPreimages` first.
    pub reads: Option<Request>,
}

/// A block's trace. Nothing is kept of it but what it is made from: trees are computed when they are asked for.
#[derive(Debug)]
pub struct Trace<'a> {
    program: &'a Program,
    witness: Witness,
}

impl<'a> Trace<'a> {
    /// Of the block whose witness this is.
    #[must_use]
    pub const fn new(program: &'a Program, witness: Witness) -> Self {
        Self { program, witness }
    }

    /// The machine after so many steps (or where it has ended), with its host and the tree of its memory.
    fn after(&self, steps: u64) -> Result<(Machine, Host, MemoryTree), HostError> {
        let mut machine = self.program.machine(self.witness.input);
        let mut host = Host::keyed(self.witness.clone());
        host.run(&mut machine, steps)?;
        let tree = MemoryTree::new(machine.memory_mut());
        Ok((machine, host, tree))
    }

    /// The tree over the states after every 2^20th step. `None` if it does not fit: never of a program's run that ends.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn stretches(&self) -> Result<Option<LevelTree>, HostError> {
        let (mut machine, host, mut tree) = self.after(0)?;
        coarse(&mut machine, &mut tree, &mut |request| host.read(request))
    }

    /// The tree over all states of one stretch.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn steps(&self, stretch: u64) -> Result<Option<LevelTree>, HostError> {
        let (mut machine, host, mut tree) = self.after(stretch.saturating_mul(LEVEL_LEAVES))?;
        fine(&mut machine, &mut tree, &mut |request| host.read(request))
    }

    /// The step that leads to leaf `step` of a stretch.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn last_step(&self, stretch: u64, step: u64) -> Result<LastStep, HostError> {
        let (machine, _, tree) = self.after(stretch.saturating_mul(LEVEL_LEAVES).saturating_add(step))?;
        let (witness, reads) = witness(&machine, &tree);
        Ok(LastStep { witness, reads })
    }
}
