//! Running a program: fast where its code is decoded, else step by step; to a limit, to its end, or to a call that its host
//! must answer.

use crate::{
    Elf, Instruction, Memory, State, Status,
    fast::Code,
    instruction::Action,
    memory::{ADDRESSES, PAGE_BYTES, allowed},
};
use alloy_primitives::B256;

/// Numbers of ecalls, in t0.
pub mod call {
    /// Halts with exit code a0.
    pub const HALT: u64 = 0;
    /// Nothing; hosts may print.
    pub const WRITE: u64 = 2;
    /// One word of output.
    pub const COMMIT: u64 = 0x10;
    /// Nothing; zkVMs have a use for it.
    pub const COMMIT_DEFERRED: u64 = 0x1a;
    /// A part of a value, by key.
    pub const READ: u64 = 0x5355;
    /// What ends a program under [`super::Abi::Exit`], in a7.
    pub const LINUX_EXIT: u64 = 93;
}

/// Elements of a blob (EIP-4844).
pub const BLOB_ELEMENTS: u64 = 4096;

// Registers by their names in the calling convention.
pub(crate) const T0: u8 = 5;
pub(crate) const A0: u8 = 10;
pub(crate) const A7: u8 = 17;

/// What ecalls mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Abi {
    /// As on L1.
    #[default]
    Program,
    /// As on L1, but calls that would trap or do nothing are given to the host: hints, cryptography, printing.
    Hosted,
    /// A call with a7 = 93 ends the program with a0; all others trap. For public test programs.
    Exit,
}

/// Which kind of value READ asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The bytes with this keccak256.
    Keccak,
    /// An element of the blob with this versioned hash.
    BlobElement,
}

impl Kind {
    /// Its number in a0.
    #[must_use]
    pub const fn number(self) -> u64 {
        match self {
            Self::Keccak => 1,
            Self::BlobElement => 2,
        }
    }

    const fn from_number(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::Keccak),
            2 => Some(Self::BlobElement),
            _ => None,
        }
    }
}

/// What READ asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Request {
    /// The kind of value.
    pub kind: Kind,
    /// Its key.
    pub key: B256,
    /// Which part, or which element.
    pub index: u64,
}

/// The answer to a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Length of the whole value, in bytes.
    pub length: u64,
    /// The part, with zeros after its end.
    pub page: [u8; PAGE_BYTES],
}

impl Part {
    /// Part `index` of a value.
    #[must_use]
    pub fn of(value: &[u8], index: u64) -> Self {
        let mut page = [0; PAGE_BYTES];
        let start = usize::try_from(index).unwrap_or(usize::MAX).saturating_mul(PAGE_BYTES);
        page.iter_mut().zip(value.get(start..).unwrap_or_default()).for_each(|(to, from)| *to = *from);
        Self { length: value.len() as u64, page }
    }
}

/// Why the machine stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The number of steps is reached.
    Limit,
    /// It halted or trapped.
    Ended,
    /// READ: go on with [`Machine::answer`].
    Read(Request),
    /// A call for the host, by t0: go on with [`Machine::resume`]. Only under [`Abi::Hosted`].
    Call(u64),
}

/// What an ecall comes to.
pub(crate) enum Called {
    /// Something that needs nobody else; the state has changed.
    Done,
    /// READ into a page.
    Read(Request, u32),
    /// For the host.
    Host(u64),
}

/// Does an ecall, but for what others must do.
pub(crate) fn call(state: &mut State, abi: Abi) -> Called {
    let (number, a0) = (state.register(T0), state.register(A0));
    if abi == Abi::Exit {
        let exits = state.register(A7) == call::LINUX_EXIT;
        state.status = if exits { Status::Halted(a0) } else { Status::Trapped };
        return Called::Done;
    }
    match number {
        call::HALT => state.status = Status::Halted(a0),
        call::COMMIT => return commit(state, a0),
        call::READ => match request(state) {
            Some((request, page)) => return Called::Read(request, page),
            None => state.trap(),
        },
        call::COMMIT_DEFERRED => state.pc = state.pc.wrapping_add(4),
        _ if abi == Abi::Hosted => return Called::Host(number),
        call::WRITE => state.pc = state.pc.wrapping_add(4),
        _ => state.trap(),
    }
    Called::Done
}

fn commit(state: &mut State, index: u64) -> Called {
    let word = (state.register(A0.wrapping_add(1)) as u32).to_le_bytes();
    let mut output = state.output;
    match usize::try_from(index).ok().and_then(|index| output.0.as_chunks_mut::<4>().0.get_mut(index)) {
        Some(place) => {
            *place = word;
            state.output = output;
            state.pc = state.pc.wrapping_add(4);
        }
        None => state.trap(),
    }
    Called::Done
}

/// What READ asks for, and the page it goes to; `None` if it traps.
fn request(state: &State) -> Option<(Request, u32)> {
    let kind = Kind::from_number(state.register(A0))?;
    let mut key = B256::ZERO;
    for (bytes, number) in key.0.as_chunks_mut::<8>().0.iter_mut().zip(11..) {
        *bytes = state.register(number).to_le_bytes();
    }
    let (index, to) = (state.register(15), state.register(16));
    let exists = kind == Kind::Keccak || index < BLOB_ELEMENTS;
    let fits = to < ADDRESSES && to & (PAGE_BYTES as u64).wrapping_sub(1) == 0;
    (exists && fits).then_some((Request { kind, key, index }, (to >> 12) as u32))
}

/// Completes READ.
pub(crate) fn finish_read(state: &mut State, length: u64) {
    state.set_register(T0, length);
    state.pc = state.pc.wrapping_add(4);
}

/// A program whose code is decoded, for any number of runs.
#[derive(Debug, Clone)]
pub struct Loaded {
    elf: Elf,
    code: Code,
}

impl Loaded {
    /// Decodes a program's code.
    #[must_use]
    pub fn new(elf: Elf) -> Self {
        let code = Code::new(&elf, &load(&elf));
        Self { elf, code }
    }

    /// A machine at the start of the program, with the hash of its input (zero: none).
    #[must_use]
    pub fn start(&self, input: B256, abi: Abi) -> Machine {
        Machine::at_start(&self.elf, load(&self.elf), self.code.clone(), input, abi)
    }
}

/// Memory as a program finds it.
fn load(elf: &Elf) -> Memory {
    let mut memory = Memory::default();
    elf.segments.iter().for_each(|segment| memory.write(segment.address, &segment.bytes));
    memory
}

/// A program that runs.
#[derive(Debug)]
pub struct Machine {
    pub(crate) state: State,
    pub(crate) memory: Memory,
    pub(crate) steps: u64,
    abi: Abi,
    pub(crate) code: Code,
    /// Where the last READ goes to.
    destination: u32,
}

impl Machine {
    /// At the start of a program, for one run ([`Loaded`] is for more).
    #[must_use]
    pub fn new(elf: &Elf, input: B256, abi: Abi) -> Self {
        let memory = load(elf);
        let code = Code::new(elf, &memory);
        Self::at_start(elf, memory, code, input, abi)
    }

    fn at_start(elf: &Elf, mut memory: Memory, code: Code, input: B256, abi: Abi) -> Self {
        code.watch(&mut memory);
        let mut state = State::new(elf.entry);
        state.set_input(input);
        Self { state, memory, steps: 0, abi, code, destination: 0 }
    }

    /// The state.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The memory.
    #[must_use]
    pub const fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The memory, for a host that answers a call, or for a tree that takes over what was written.
    pub const fn memory_mut(&mut self) -> &mut Memory {
        &mut self.memory
    }

    /// Steps made.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// A register.
    #[must_use]
    pub fn register(&self, number: u8) -> u64 {
        self.state.register(number)
    }

    /// Runs until so many steps are made in all, or something else stops it. What stopped it stays until it is answered.
    pub fn run(&mut self, until: u64) -> Stop {
        loop {
            if self.state.ended() {
                return Stop::Ended;
            }
            if self.steps >= until {
                return Stop::Limit;
            }
            self.code.run(&mut self.state, &mut self.memory, &mut self.steps, until);
            if self.steps >= until {
                return Stop::Limit;
            }
            if let Some(stop) = self.step() {
                return stop;
            }
        }
    }

    /// As [`Machine::run`], with every READ answered.
    ///
    /// # Errors
    /// That of the answer.
    pub fn run_with<E>(&mut self, until: u64, read: &mut impl FnMut(&Request) -> Result<Part, E>) -> Result<Stop, E> {
        loop {
            match self.run(until) {
                Stop::Read(request) => self.answer(&read(&request)?),
                other => return Ok(other),
            }
        }
    }

    /// As [`Machine::run_with`], but step by step. Slow; what running fast comes to can be compared with it.
    ///
    /// # Errors
    /// That of the answer.
    pub fn run_singly<E>(&mut self, until: u64, read: &mut impl FnMut(&Request) -> Result<Part, E>) -> Result<Stop, E> {
        while self.steps < until {
            match self.step() {
                Some(Stop::Read(request)) => self.answer(&read(&request)?),
                Some(stop) => return Ok(stop),
                None => {}
            }
        }
        Ok(if self.state.ended() { Stop::Ended } else { Stop::Limit })
    }

    /// The page that the next step writes to, if it writes.
    pub(crate) fn writes(&self) -> Option<u32> {
        match decode_at(&self.state, &self.memory)?.act(&self.state) {
            Action::Store { address, size, .. } if allowed(address, size) => Some((address >> 12) as u32),
            Action::Call if !self.state.ended() => match call(&mut self.state.clone(), self.abi) {
                Called::Read(_, page) => Some(page),
                _ => None,
            },
            _ => None,
        }
    }

    /// Makes one step; says if somebody else must complete it.
    pub(crate) fn step(&mut self) -> Option<Stop> {
        if self.state.ended() {
            return Some(Stop::Ended);
        }
        match decode_at(&self.state, &self.memory).map(|instruction| instruction.act(&self.state)) {
            Some(Action::Set { register, value, next }) => {
                self.state.set_register(register, value);
                self.state.pc = next;
            }
            Some(Action::Load { register, address, access }) if allowed(address, access.size) => {
                self.state.set_register(register, self.memory.load(address, access));
                self.state.pc = self.state.pc.wrapping_add(4);
            }
            Some(Action::Store { address, size, value }) if allowed(address, size) => {
                self.memory.store(address, size, value);
                self.state.pc = self.state.pc.wrapping_add(4);
            }
            Some(Action::Call) => match call(&mut self.state, self.abi) {
                Called::Done => {}
                Called::Read(request, page) => {
                    self.destination = page;
                    return Some(Stop::Read(request));
                }
                Called::Host(number) => return Some(Stop::Call(number)),
            },
            _ => self.state.trap(),
        }
        self.steps = self.steps.wrapping_add(1);
        None
    }

    /// Completes [`Stop::Read`].
    pub fn answer(&mut self, part: &Part) {
        self.memory.write_page(self.destination, &part.page);
        finish_read(&mut self.state, part.length);
        self.steps = self.steps.wrapping_add(1);
    }

    /// Completes [`Stop::Call`]; `result` goes to t0.
    pub fn resume(&mut self, result: Option<u64>) {
        if let Some(result) = result {
            self.state.set_register(T0, result);
        }
        self.state.pc = self.state.pc.wrapping_add(4);
        self.steps = self.steps.wrapping_add(1);
    }
}

/// The instruction at pc; `None` if fetching or decoding traps.
pub(crate) fn decode_at(state: &State, memory: &Memory) -> Option<Instruction> {
    if !allowed(state.pc, 4) {
        return None;
    }
    Instruction::decode(memory.fetch(state.pc))
}
