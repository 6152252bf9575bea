//! One step from its witness alone, as L1 makes it.
//!
//! A witness is, one after the other:
//!
//! 1. the preimage of the state's hash ([`crate::state`]);
//! 2. if it runs and pc is allowed: the leaf of the instruction (32 bytes) and its 27 siblings, from the leaf's level up;
//! 3. if the instruction loads or stores at an allowed address: that leaf and its siblings, before the step;
//! 4. if it is a READ that does not trap: the root of the page that is replaced and the 20 siblings above it.
//!
//! At most 2,113 bytes. What READ brings (the page's root and the value's length) is not in it: on L1 it comes from the contract
//! of pre-images.

use crate::{
    Instruction, Machine, MemoryTree, Request, State,
    instruction::{Access, Action},
    machine::{Abi, Called, Part, call, decode_at, finish_read},
    memory::{LEAF_BYTES, allowed, extend, mask},
    tree::{self, ABOVE_PAGE, DEPTH},
};
use alloc::vec::Vec;
use alloy_primitives::B256;

/// Why a witness proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WitnessError {
    /// It is too short or too long, or its first byte is none of a state.
    #[error("the witness has not the form of one")]
    Form,
    /// A path does not lead to the memory root.
    #[error("a path in the witness does not lead to the memory root of its state")]
    Path,
    /// It reads a part that was not given.
    #[error("the step reads a part that was not given: load it first")]
    Part(Request),
}

/// What L1 knows of a part once it is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadedPart {
    /// Length of the whole value, in bytes.
    pub length: u64,
    /// Root of the part's page.
    pub page_root: B256,
}

impl From<&Part> for LoadedPart {
    fn from(part: &Part) -> Self {
        Self { length: part.length, page_root: tree::page_root(&part.page) }
    }
}

/// The witness of the machine's next step, and what that reads. The tree is that of its memory now.
#[must_use]
pub fn witness(machine: &Machine, tree: &MemoryTree) -> (Vec<u8>, Option<Request>) {
    let (state, memory) = (&machine.state, &machine.memory);
    let mut bytes = state.preimage(tree.root());
    if state.ended() || !allowed(state.pc, 4) {
        return (bytes, None);
    }
    let mut leaf = |address: u64| {
        bytes.extend(memory.leaf(address));
        bytes.extend(tree.leaf_path(address).into_iter().flatten());
    };
    leaf(state.pc);
    let mut read = None;
    match decode_at(state, memory).map(|instruction| instruction.act(state)) {
        Some(Action::Load { address, access: Access { size, .. }, .. } | Action::Store { address, size, .. })
            if allowed(address, size) =>
        {
            leaf(address);
        }
        Some(Action::Call) => {
            if let Called::Read(request, page) = call(&mut state.clone(), Abi::Program) {
                bytes.extend(tree.page_root(page));
                bytes.extend(tree.page_path(page).into_iter().flatten());
                read = Some(request);
            }
        }
        _ => {}
    }
    (bytes, read)
}

/// A leaf that a witness proves.
struct Leaf {
    bytes: [u8; LEAF_BYTES],
    index: u32,
    siblings: Vec<B256>,
}

impl Leaf {
    fn root(&self) -> B256 {
        tree::root_from_path(self.bytes.into(), self.index, &self.siblings)
    }

    /// The bytes from an address on, as a number.
    fn value(&self, address: u64) -> u64 {
        let rest = self.bytes.get((address & 31) as usize..).unwrap_or_default();
        rest.iter().take(8).rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    fn store(&mut self, address: u64, size: u64, value: u64) {
        let place = self.bytes.iter_mut().skip((address & 31) as usize);
        place.zip((value & mask(size)).to_le_bytes()).take(size as usize).for_each(|(to, from)| *to = from);
    }
}

/// The rest of a witness that is being read.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn hash(&mut self) -> Result<B256, WitnessError> {
        let (hash, rest) = self.0.split_first_chunk::<32>().ok_or(WitnessError::Form)?;
        self.0 = rest;
        Ok(hash.into())
    }

    fn hashes(&mut self, count: usize) -> Result<Vec<B256>, WitnessError> {
        (0..count).map(|_| self.hash()).collect()
    }

    /// A leaf that is proved to hold an address.
    fn leaf(&mut self, address: u64, root: B256) -> Result<Leaf, WitnessError> {
        let leaf = Leaf { bytes: self.hash()?.0, index: (address >> 5) as u32, siblings: self.hashes(DEPTH)? };
        if leaf.root() == root { Ok(leaf) } else { Err(WitnessError::Path) }
    }
}

/// Makes the step of a witness: the hashes of the state before and after it.
///
/// # Errors
/// See [`WitnessError`].
pub fn step(witness: &[u8], part: impl FnOnce(&Request) -> Option<LoadedPart>) -> Result<(B256, B256), WitnessError> {
    let (mut state, mut root, rest) = State::split_preimage(witness).ok_or(WitnessError::Form)?;
    let mut rest = Rest(rest);
    let before = state.hash(root);
    if !state.ended() {
        advance(&mut state, &mut root, &mut rest, part)?;
    }
    if rest.0.is_empty() { Ok((before, state.hash(root))) } else { Err(WitnessError::Form) }
}

fn advance(
    state: &mut State,
    root: &mut B256,
    rest: &mut Rest<'_>,
    part: impl FnOnce(&Request) -> Option<LoadedPart>,
) -> Result<(), WitnessError> {
    if !allowed(state.pc, 4) {
        state.trap();
        return Ok(());
    }
    let word = rest.leaf(state.pc, *root)?.value(state.pc) as u32;
    match Instruction::decode(word).map(|instruction| instruction.act(state)) {
        Some(Action::Set { register, value, next }) => {
            state.set_register(register, value);
            state.pc = next;
        }
        Some(Action::Load { register, address, access }) if allowed(address, access.size) => {
            let value = rest.leaf(address, *root)?.value(address);
            state.set_register(register, extend(value, access));
            state.pc = state.pc.wrapping_add(4);
        }
        Some(Action::Store { address, size, value }) if allowed(address, size) => {
            let mut leaf = rest.leaf(address, *root)?;
            leaf.store(address, size, value);
            *root = leaf.root();
            state.pc = state.pc.wrapping_add(4);
        }
        Some(Action::Call) => {
            if let Called::Read(request, page) = call(state, Abi::Program) {
                let (old, siblings) = (rest.hash()?, rest.hashes(ABOVE_PAGE)?);
                if tree::root_from_path(old, page, &siblings) != *root {
                    return Err(WitnessError::Path);
                }
                let part = part(&request).ok_or(WitnessError::Part(request))?;
                *root = tree::root_from_path(part.page_root, page, &siblings);
                finish_read(state, part.length);
            }
        }
        _ => state.trap(),
    }
    Ok(())
}
