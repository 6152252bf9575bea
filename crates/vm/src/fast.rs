//! Running fast: code is decoded once, and steps are counted where control turns, not one by one.
//!
//! What an executable segment holds at the start is decoded into operations of 8 bytes, one for each word. They run until one of
//! them needs more than registers and allowed memory: an ecall, a trap, a store into decoded code, a jump elsewhere. Then the
//! machine makes that step alone. A run also ends when so few steps are left that straight code could pass the limit.
//! Code that was written to is left to single steps for ever: programs do not change themselves.

use crate::{
    Elf, Instruction, Memory, State,
    instruction::Operation,
    memory::{ADDRESSES, PAGE_BYTES, mark, mask},
};
use alloc::{sync::Arc, vec::Vec};

/// One decoded word.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(8))]
struct Op {
    code: Operation,
    rd: u8,
    rs1: u8,
    rs2: u8,
    /// As in the instruction; of jumps and branches in words.
    immediate: i32,
}

/// What only a single step does: an ecall, and all that does not decode or leads elsewhere.
const LEAVE: Op = Op { code: Operation::Ecall, rd: SINK, rs1: 0, rs2: 0, immediate: 0 };

/// Where results for x0 go.
const SINK: u8 = 32;

impl Op {
    /// The operation of a word at a place in a region of `count` words.
    fn new(word: u32, place: usize, count: usize) -> Self {
        use Operation as O;
        let Some(Instruction { operation: code, rd, rs1, rs2, immediate }) = Instruction::decode(word) else {
            return LEAVE;
        };
        let rd = if rd == 0 { SINK } else { rd };
        match code {
            O::Jal | O::Beq | O::Bne | O::Blt | O::Bge | O::Bltu | O::Bgeu => {
                let inside = place.checked_add_signed((immediate >> 2) as isize).is_some_and(|target| target < count);
                if immediate & 3 != 0 || !inside {
                    return LEAVE;
                }
                Self { code, rd, rs1, rs2, immediate: immediate >> 2 }
            }
            _ => Self { code, rd, rs1, rs2, immediate },
        }
    }
}

/// The decoded words of one segment, and a last operation that leaves.
#[derive(Debug, Clone)]
struct Region {
    base: u64,
    ops: Arc<Vec<Op>>,
    /// The most operations that can run without a jump or a taken branch.
    longest: u64,
}

impl Region {
    fn new(base: u64, memory: &Memory, count: usize) -> Self {
        let addresses = (base..).step_by(4).take(count);
        let mut ops: Vec<Op> =
            addresses.enumerate().map(|(place, pc)| Op::new(memory.fetch(pc), place, count)).collect();
        ops.push(LEAVE);
        let (mut longest, mut run) = (0u64, 0u64);
        for op in &ops {
            run = run.saturating_add(1);
            longest = longest.max(run);
            if matches!(op.code, Operation::Jal | Operation::Jalr | Operation::Ecall) {
                run = 0;
            }
        }
        Self { base, ops: Arc::new(ops), longest }
    }

    /// The place of a pc.
    fn place(&self, pc: u64) -> Option<usize> {
        let distance = pc.checked_sub(self.base).filter(|distance| distance & 3 == 0)?;
        usize::try_from(distance >> 2).ok().filter(|place| *place < self.ops.len())
    }

    /// Forgets the words of a page.
    fn forget(&mut self, page: u32) {
        let start = u64::from(page).wrapping_mul(PAGE_BYTES as u64);
        let first = start.saturating_sub(self.base) >> 2;
        let end = start.wrapping_add(PAGE_BYTES as u64).saturating_sub(self.base).div_ceil(4);
        let range = first as usize..(end as usize).min(self.ops.len());
        if !range.is_empty() {
            Arc::make_mut(&mut self.ops).get_mut(range).unwrap_or_default().fill(LEAVE);
        }
    }
}

/// A program's decoded code. Copies share it until one of them has its code written to.
#[derive(Debug, Clone)]
pub(crate) struct Code {
    regions: Vec<Region>,
    /// The pages that it is in.
    pages: Vec<u32>,
}

impl Code {
    /// Decodes a program that is in memory.
    pub(crate) fn new(elf: &Elf, memory: &Memory) -> Self {
        let (mut regions, mut pages) = (Vec::new(), Vec::new());
        for segment in elf.segments.iter().filter(|segment| segment.executable && segment.address & 3 == 0) {
            let count = segment.bytes.len() / 4;
            regions.push(Region::new(segment.address, memory, count));
            let end = segment.address.saturating_add(segment.bytes.len() as u64).min(ADDRESSES);
            pages.extend(((segment.address >> 12)..end.div_ceil(PAGE_BYTES as u64)).map(|page| page as u32));
        }
        Self { regions, pages }
    }

    /// Has a memory say when its code is written to.
    pub(crate) fn watch(&self, memory: &mut Memory) {
        self.pages.iter().for_each(|page| memory.mark_code(*page));
    }

    /// Runs as far as it goes; at most to `until` steps in all.
    pub(crate) fn run(&mut self, state: &mut State, memory: &mut Memory, steps: &mut u64, until: u64) {
        for page in memory.take_stale() {
            self.regions.iter_mut().for_each(|region| region.forget(page));
        }
        let left = until.saturating_sub(*steps);
        let region = self.regions.iter().find_map(|region| Some((region, region.place(state.pc)?)));
        if let Some((region, place)) = region.filter(|(region, _)| left > region.longest) {
            let done = run(region, place, left.wrapping_sub(region.longest), state, memory);
            *steps = steps.wrapping_add(done);
        }
    }
}

/// The low word of a result, sign-extended.
const fn word(value: u32) -> u64 {
    value as i32 as i64 as u64
}

/// Runs a region from a place on until an operation leaves, or more than `budget` steps are made; gives how many were.
///
/// The first store to a page is left to a single step, which notes it, and so is a store into code.
#[allow(clippy::indexing_slicing)] // Arrays of 2^8, 2^20 and 2^29 are indexed by that many bits.
#[allow(clippy::too_many_lines)] // One arm an operation.
#[allow(clippy::arithmetic_side_effects)] // Shifts by constants.
fn run(region: &Region, mut place: usize, budget: u64, state: &mut State, memory: &mut Memory) -> u64 {
    let ops = region.ops.as_slice();
    let words = &mut *memory.words;
    let marks = &*memory.marks;
    let mut x = [0u64; 256];
    x.iter_mut().zip(state.registers()).for_each(|(to, from)| *to = *from);
    // Steps made before the operation at `start`, from where no jump was taken.
    let mut done = 0u64;
    let mut start = place;
    while let Some(op) = ops.get(place) {
        let (a, b) = (x[op.rs1 as usize], x[op.rs2 as usize]);
        let immediate = op.immediate as i64 as u64;
        macro_rules! set {
            ($value:expr) => {{
                x[op.rd as usize] = $value;
                place = place.wrapping_add(1);
            }};
        }
        macro_rules! turn {
            ($target:expr) => {{
                done = done.wrapping_add(place.wrapping_sub(start) as u64).wrapping_add(1);
                place = $target;
                start = place;
                if done > budget {
                    break;
                }
            }};
        }
        macro_rules! branch {
            ($taken:expr) => {{
                if $taken {
                    turn!(place.wrapping_add_signed(op.immediate as isize));
                } else {
                    place = place.wrapping_add(1);
                }
            }};
        }
        macro_rules! load {
            ($size:literal, $as:ty) => {{
                let address = a.wrapping_add(immediate);
                if address & !(ADDRESSES - $size) != 0 {
                    break;
                }
                let word = words[(address as u32 >> 3) as usize];
                set!((word >> ((address & 7) * 8)) as $as as i64 as u64)
            }};
        }
        macro_rules! store {
            ($size:literal) => {{
                let address = a.wrapping_add(immediate);
                if address & !(ADDRESSES - $size) != 0 {
                    break;
                }
                if marks[(address as u32 >> 12) as usize] != mark::STORED {
                    break;
                }
                let word = &mut words[(address as u32 >> 3) as usize];
                if $size == 8 {
                    *word = b;
                } else {
                    let shift = (address as u32 & 7) * 8;
                    let mask = mask($size) << shift;
                    *word = *word & !mask | (b << shift) & mask;
                }
                place = place.wrapping_add(1);
            }};
        }
        macro_rules! pc {
            () => {
                region.base.wrapping_add((place as u64) << 2)
            };
        }
        match op.code {
            Operation::Ecall => break,
            Operation::Fence => place = place.wrapping_add(1),
            Operation::Lui => set!(immediate),
            Operation::Auipc => set!(pc!().wrapping_add(immediate)),
            Operation::Jal => {
                x[op.rd as usize] = pc!().wrapping_add(4);
                turn!(place.wrapping_add_signed(op.immediate as isize));
            }
            Operation::Jalr => {
                let Some(target) = region.place(a.wrapping_add(immediate) & !1) else { break };
                x[op.rd as usize] = pc!().wrapping_add(4);
                turn!(target);
            }
            Operation::Beq => branch!(a == b),
            Operation::Bne => branch!(a != b),
            Operation::Blt => branch!((a as i64) < b as i64),
            Operation::Bge => branch!(a as i64 >= b as i64),
            Operation::Bltu => branch!(a < b),
            Operation::Bgeu => branch!(a >= b),
            Operation::Lb => load!(1, i8),
            Operation::Lh => load!(2, i16),
            Operation::Lw => load!(4, i32),
            Operation::Ld => load!(8, i64),
            Operation::Lbu => load!(1, u8),
            Operation::Lhu => load!(2, u16),
            Operation::Lwu => load!(4, u32),
            Operation::Sb => store!(1),
            Operation::Sh => store!(2),
            Operation::Sw => store!(4),
            Operation::Sd => store!(8),
            Operation::Addi => set!(a.wrapping_add(immediate)),
            Operation::Slti => set!(u64::from((a as i64) < immediate as i64)),
            Operation::Sltiu => set!(u64::from(a < immediate)),
            Operation::Xori => set!(a ^ immediate),
            Operation::Ori => set!(a | immediate),
            Operation::Andi => set!(a & immediate),
            Operation::Slli => set!(a.wrapping_shl(op.immediate as u32)),
            Operation::Srli => set!(a.wrapping_shr(op.immediate as u32)),
            Operation::Srai => set!((a as i64).wrapping_shr(op.immediate as u32) as u64),
            Operation::Add => set!(a.wrapping_add(b)),
            Operation::Sub => set!(a.wrapping_sub(b)),
            Operation::Sll => set!(a.wrapping_shl(b as u32)),
            Operation::Slt => set!(u64::from((a as i64) < b as i64)),
            Operation::Sltu => set!(u64::from(a < b)),
            Operation::Xor => set!(a ^ b),
            Operation::Srl => set!(a.wrapping_shr(b as u32)),
            Operation::Sra => set!((a as i64).wrapping_shr(b as u32) as u64),
            Operation::Or => set!(a | b),
            Operation::And => set!(a & b),
            Operation::Addiw => set!(word((a as u32).wrapping_add(immediate as u32))),
            Operation::Slliw => set!(word((a as u32).wrapping_shl(op.immediate as u32))),
            Operation::Srliw => set!(word((a as u32).wrapping_shr(op.immediate as u32))),
            Operation::Sraiw => set!(word((a as i32).wrapping_shr(op.immediate as u32) as u32)),
            Operation::Addw => set!(word((a as u32).wrapping_add(b as u32))),
            Operation::Subw => set!(word((a as u32).wrapping_sub(b as u32))),
            Operation::Sllw => set!(word((a as u32).wrapping_shl(b as u32))),
            Operation::Srlw => set!(word((a as u32).wrapping_shr(b as u32))),
            Operation::Sraw => set!(word((a as i32).wrapping_shr(b as u32) as u32)),
            Operation::Mul => set!(a.wrapping_mul(b)),
            Operation::Mulh => set!((i128::from(a as i64).wrapping_mul(i128::from(b as i64)) >> 64) as u64),
            Operation::Mulhsu => set!((i128::from(a as i64).wrapping_mul(i128::from(b)) >> 64) as u64),
            Operation::Mulhu => set!((u128::from(a).wrapping_mul(u128::from(b)) >> 64) as u64),
            Operation::Div => set!(if b == 0 { u64::MAX } else { (a as i64).wrapping_div(b as i64) as u64 }),
            Operation::Divu => set!(a.checked_div(b).unwrap_or(u64::MAX)),
            Operation::Rem => set!(if b == 0 { a } else { (a as i64).wrapping_rem(b as i64) as u64 }),
            Operation::Remu => set!(a.checked_rem(b).unwrap_or(a)),
            Operation::Mulw => set!(word((a as u32).wrapping_mul(b as u32))),
            Operation::Divw => {
                set!(if b as u32 == 0 { u64::MAX } else { word((a as i32).wrapping_div(b as i32) as u32) })
            }
            Operation::Divuw => set!(word((a as u32).checked_div(b as u32).unwrap_or(u32::MAX))),
            Operation::Remw => {
                set!(word(if b as u32 == 0 { a as u32 } else { (a as i32).wrapping_rem(b as i32) as u32 }))
            }
            Operation::Remuw => set!(word((a as u32).checked_rem(b as u32).unwrap_or(a as u32))),
        }
    }
    state.pc = region.base.wrapping_add((place as u64) << 2);
    (0..32).zip(x).for_each(|(number, value)| state.set_register(number, value));
    done.wrapping_add(place.wrapping_sub(start) as u64)
}
