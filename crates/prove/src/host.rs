//! What a program is given while it runs: values by key, as L1 gives them to one step, or hints, as a zkVM does.

use alloy_primitives::{B256, Bytes};
use surety_stf::{Oracle as _, witness::Witness};
use surety_vm::{
    Machine, Part, Request, Stop,
    machine::{Kind, call},
};

/// Bytes of a blob's element.
const ELEMENT_BYTES: usize = 32;
/// The longest text of a program that is kept.
const MAX_PRINTED: u64 = 1 << 20;

/// Hints, by zkVMs' numbers.
const HINT_LENGTH: u64 = 0xf0;
const HINT_READ: u64 = 0xf1;
/// The file descriptor of public values.
const PUBLIC_VALUES: u64 = 13;

// Registers of a call.
const A0: u8 = 10;
const A1: u8 = 11;
const A2: u8 = 12;

/// Why a program cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// A value that the witness does not hold.
    #[error("the program asks for {0}, which the witness does not hold: it is another block's, or not whole")]
    Unknown(B256),
    /// A call that this host does not know.
    #[error("the program makes call {0:#x}, which is none of this host's: run it in a machine that has it")]
    Call(u64),
    /// A hint is read into too little or too much memory.
    #[error("the program reads a hint of {has} bytes as {wants}")]
    Hint {
        /// Bytes of the hint.
        has: u64,
        /// Bytes that were asked for.
        wants: u64,
    },
}

/// One program's host.
#[derive(Debug, Default)]
pub struct Host {
    witness: Witness,
    hint: Option<Bytes>,
    public_values: Vec<u8>,
}

impl Host {
    /// Answers from a witness, by key.
    #[must_use]
    pub fn keyed(witness: Witness) -> Self {
        Self { witness, ..Self::default() }
    }

    /// Has one hint to give.
    #[must_use]
    pub fn hinted(hint: impl Into<Bytes>) -> Self {
        Self { hint: Some(hint.into()), ..Self::default() }
    }

    /// What the program said aloud.
    #[must_use]
    pub fn public_values(&self) -> &[u8] {
        &self.public_values
    }

    /// A value by its keccak256.
    ///
    /// # Errors
    /// [`HostError::Unknown`].
    pub fn value(&self, key: B256) -> Result<Bytes, HostError> {
        self.witness.preimage(key).map_err(|_| HostError::Unknown(key))
    }

    /// A blob by its versioned hash.
    ///
    /// # Errors
    /// [`HostError::Unknown`].
    pub fn blob(&self, key: B256) -> Result<Bytes, HostError> {
        self.witness.blob(key).map_err(|_| HostError::Unknown(key))
    }

    /// The answer to a READ.
    ///
    /// # Errors
    /// [`HostError::Unknown`].
    pub fn read(&self, request: &Request) -> Result<Part, HostError> {
        match request.kind {
            Kind::Keccak => Ok(Part::of(&self.value(request.key)?, request.index)),
            Kind::BlobElement => {
                let blob = self.blob(request.key)?;
                let start = usize::try_from(request.index).unwrap_or(usize::MAX).saturating_mul(ELEMENT_BYTES);
                let element = blob.get(start..).and_then(|rest| rest.get(..ELEMENT_BYTES));
                Ok(Part::of(element.ok_or(HostError::Unknown(request.key))?, 0))
            }
        }
    }

    /// Runs a machine until so many steps are made in all, or it ends.
    ///
    /// # Errors
    /// See [`HostError`]. The machine stays where it was asking.
    pub fn run(&mut self, machine: &mut Machine, until: u64) -> Result<Stop, HostError> {
        loop {
            match machine.run(until) {
                Stop::Read(request) => machine.answer(&self.read(&request)?),
                Stop::Call(number) => self.call(machine, number)?,
                stop => return Ok(stop),
            }
        }
    }

    /// Does what L1 has no call for.
    fn call(&mut self, machine: &mut Machine, number: u64) -> Result<(), HostError> {
        let result = match number {
            HINT_LENGTH => Some(self.hint.as_ref().map_or(u64::MAX, |hint| hint.len() as u64)),
            HINT_READ => {
                let (to, wants) = (machine.register(A0), machine.register(A1));
                let hint = self.hint.take().unwrap_or_default();
                let has = hint.len() as u64;
                if has != wants {
                    return Err(HostError::Hint { has, wants });
                }
                machine.memory_mut().write(to, &hint);
                None
            }
            call::WRITE => {
                if machine.register(A0) == PUBLIC_VALUES {
                    let length = machine.register(A2).min(MAX_PRINTED);
                    let bytes = machine.memory().read(machine.register(A1), length);
                    self.public_values.extend(bytes);
                }
                None
            }
            unknown => return Err(HostError::Call(unknown)),
        };
        machine.resume(result);
        Ok(())
    }
}
