//! Everything about a moment of the machine but its memory.

use alloc::vec::Vec;
use alloy_primitives::{B256, keccak256};

/// First byte of the preimage of a running state's hash.
const RUNNING: u8 = 0;
/// First byte of the preimage of a halted state's hash.
const HALTED: u8 = 1;
/// The preimage of the trapped state's hash.
const TRAPPED: u8 = 2;

/// Bytes of the preimage of a running state's hash.
pub const RUNNING_BYTES: usize = 321;
/// Bytes of the preimage of a halted state's hash.
pub const HALTED_BYTES: usize = 41;

/// Whether the machine goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// It does.
    Running,
    /// The program ended with this code.
    Halted(u64),
    /// The program did what is not allowed.
    Trapped,
}

/// Registers, output and status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Address of the next instruction.
    pub pc: u64,
    /// x0 to x31; x0 is always zero.
    registers: [u64; 32],
    /// What the program committed to: eight words of four bytes, little endian.
    pub output: B256,
    /// Whether it goes on.
    pub status: Status,
}

/// The four words of a key or a hash, as registers hold them.
#[must_use]
pub fn words(hash: B256) -> [u64; 4] {
    let mut words = [0; 4];
    let (bytes, _) = hash.as_chunks::<8>();
    for (word, bytes) in words.iter_mut().zip(bytes) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
}

/// The hash of a state that halted.
#[must_use]
pub fn halted_hash(code: u64, output: B256) -> B256 {
    let mut bytes = [0; HALTED_BYTES];
    let parts = [HALTED].into_iter().chain(code.to_be_bytes()).chain(output);
    bytes.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
    keccak256(bytes)
}

/// The hash of the trapped state.
#[must_use]
pub fn trapped_hash() -> B256 {
    keccak256([TRAPPED])
}

impl State {
    /// At the start of a program: all registers zero.
    #[must_use]
    pub const fn new(entry: u64) -> Self {
        Self { pc: entry, registers: [0; 32], output: B256::ZERO, status: Status::Running }
    }

    /// A register, 0 to 31; zero for any other number.
    #[must_use]
    pub fn register(&self, number: u8) -> u64 {
        self.registers.get(usize::from(number)).copied().unwrap_or_default()
    }

    /// All registers.
    #[must_use]
    pub const fn registers(&self) -> &[u64; 32] {
        &self.registers
    }

    /// Sets a register. Register 0, and any that does not exist, stays as it is.
    pub fn set_register(&mut self, number: u8, value: u64) {
        if number > 0
            && let Some(register) = self.registers.get_mut(usize::from(number))
        {
            *register = value;
        }
    }

    /// Puts a hash into a0 to a3.
    pub fn set_input(&mut self, hash: B256) {
        for (number, word) in (10..).zip(words(hash)) {
            self.set_register(number, word);
        }
    }

    /// Whether nothing changes any more.
    #[must_use]
    pub const fn ended(&self) -> bool {
        !matches!(self.status, Status::Running)
    }

    /// Ends in a trap.
    pub const fn trap(&mut self) {
        self.status = Status::Trapped;
    }

    /// The preimage of the state's hash.
    #[must_use]
    pub fn preimage(&self, memory_root: B256) -> Vec<u8> {
        match self.status {
            Status::Running => {
                let mut bytes = Vec::with_capacity(RUNNING_BYTES);
                bytes.push(RUNNING);
                bytes.extend(self.pc.to_be_bytes());
                bytes.extend(self.registers.iter().skip(1).flat_map(|register| register.to_be_bytes()));
                bytes.extend(memory_root);
                bytes.extend(self.output);
                bytes
            }
            Status::Halted(code) => [HALTED].into_iter().chain(code.to_be_bytes()).chain(self.output).collect(),
            Status::Trapped => [TRAPPED].into(),
        }
    }

    /// The state's hash. The root counts only while it runs.
    #[must_use]
    pub fn hash(&self, memory_root: B256) -> B256 {
        match self.status {
            Status::Running => keccak256(self.preimage(memory_root)),
            Status::Halted(code) => halted_hash(code, self.output),
            Status::Trapped => trapped_hash(),
        }
    }

    /// Reads a preimage from the front of some bytes: the state, its memory root (zero if it has none), and what follows.
    #[must_use]
    pub fn split_preimage(bytes: &[u8]) -> Option<(Self, B256, &[u8])> {
        let (tag, mut rest) = bytes.split_first()?;
        let word = |rest: &mut &[u8]| {
            let (word, after) = rest.split_first_chunk::<8>()?;
            *rest = after;
            Some(u64::from_be_bytes(*word))
        };
        let hash = |rest: &mut &[u8]| {
            let (hash, after) = rest.split_first_chunk::<32>()?;
            *rest = after;
            Some(B256::from(*hash))
        };
        let mut state = Self::new(0);
        let mut root = B256::ZERO;
        match *tag {
            RUNNING => {
                state.pc = word(&mut rest)?;
                for number in 1..32 {
                    state.set_register(number, word(&mut rest)?);
                }
                root = hash(&mut rest)?;
                state.output = hash(&mut rest)?;
            }
            HALTED => {
                state.status = Status::Halted(word(&mut rest)?);
                state.output = hash(&mut rest)?;
            }
            TRAPPED => state.trap(),
            _ => return None,
        }
        Some((state, root, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_state() -> impl Strategy<Value = State> {
        let status = prop_oneof![Just(Status::Running), any::<u64>().prop_map(Status::Halted), Just(Status::Trapped)];
        (any::<u64>(), any::<[u64; 32]>(), any::<[u8; 32]>(), status).prop_map(|(pc, registers, output, status)| {
            let mut state = State::new(if status == Status::Running { pc } else { 0 });
            if status == Status::Running {
                (0..).zip(registers).for_each(|(number, value)| state.set_register(number, value));
            }
            state.status = status;
            state.output = if status == Status::Trapped { B256::ZERO } else { output.into() };
            state
        })
    }

    proptest! {
        #[test]
        fn a_preimage_says_the_state_and_nothing_else(state in any_state(), root: [u8; 32], rest: Vec<u8>) {
            let root = if state.ended() { B256::ZERO } else { root.into() };
            let preimage = state.preimage(root);
            prop_assert_eq!(keccak256(&preimage), state.hash(root));
            let bytes = [&preimage[..], &rest].concat();
            prop_assert_eq!(State::split_preimage(&bytes), Some((state, root, &rest[..])));
            prop_assert_eq!(State::split_preimage(&preimage[..preimage.len() - 1]), None);
        }
    }

    #[test]
    fn register_zero_is_zero() {
        let mut state = State::new(4);
        state.set_register(0, 7);
        assert_eq!(state.register(0), 0);
    }

    #[test]
    fn the_ends_of_a_program_have_hashes_that_anyone_can_compute() {
        let mut state = State::new(4);
        state.set_register(5, 6);
        state.trap();
        assert_eq!(state.hash(B256::repeat_byte(9)), keccak256([2]));
        state.status = Status::Halted(3);
        let preimage = [&[1][..], &[0, 0, 0, 0, 0, 0, 0, 3], &[0; 32]].concat();
        assert_eq!(state.hash(B256::repeat_byte(9)), keccak256(preimage));
    }
}
