//! Words and what they mean.
//!
//! [`Instruction::decode`] serves every way of stepping; [`Instruction::act`] serves those that make one step at a time. The
//! source is the RISC-V Instruction Set Manual, volume I, chapters RV32I, RV64I and M.

use crate::state::State;

/// What an instruction does, by its mnemonic.
#[allow(missing_docs)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[rustfmt::skip]
pub enum Operation {
    Lui, Auipc, Jal, Jalr,
    Beq, Bne, Blt, Bge, Bltu, Bgeu,
    Lb, Lh, Lw, Ld, Lbu, Lhu, Lwu,
    Sb, Sh, Sw, Sd,
    Addi, Slti, Sltiu, Xori, Ori, Andi, Slli, Srli, Srai,
    Add, Sub, Sll, Slt, Sltu, Xor, Srl, Sra, Or, And,
    Addiw, Slliw, Srliw, Sraiw, Addw, Subw, Sllw, Srlw, Sraw,
    Mul, Mulh, Mulhsu, Mulhu, Div, Divu, Rem, Remu,
    Mulw, Divw, Divuw, Remw, Remuw,
    Fence, Ecall,
}

/// A decoded word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Instruction {
    /// What it does.
    pub operation: Operation,
    /// Destination register, 0 to 31; 0 where the form has none.
    pub rd: u8,
    /// First source register, 0 to 31; 0 where the form has none.
    pub rs1: u8,
    /// Second source register, 0 to 31; 0 where the form has none.
    pub rs2: u8,
    /// Immediate, sign-extended; shift amounts are 0 to 63. LUI and AUIPC have it shifted into its place.
    pub immediate: i32,
}

/// The width of a load or a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Access {
    /// Bytes: 1, 2, 4 or 8.
    pub size: u64,
    /// Whether a load extends the sign.
    pub signed: bool,
}

/// What one step asks of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A register becomes a value (register 0: none does), and pc becomes `next`.
    Set {
        /// The register.
        register: u8,
        /// Its value.
        value: u64,
        /// The next pc.
        next: u64,
    },
    /// A register becomes what is at an address.
    Load {
        /// The register.
        register: u8,
        /// The address; not checked.
        address: u64,
        /// How much, and how it is extended.
        access: Access,
    },
    /// Memory changes.
    Store {
        /// The address; not checked.
        address: u64,
        /// Bytes.
        size: u64,
        /// The value, of which the low bytes are stored.
        value: u64,
    },
    /// ECALL.
    Call,
}

/// Bits `low` to `low + count - 1` of a word.
const fn bits(word: u32, low: u32, count: u32) -> u32 {
    word.wrapping_shr(low) & 1u32.wrapping_shl(count).wrapping_sub(1)
}

/// The immediates of the five forms.
const fn immediate_i(word: u32) -> i32 {
    (word as i32).wrapping_shr(20)
}

const fn immediate_s(word: u32) -> i32 {
    (word as i32).wrapping_shr(25).wrapping_shl(5) | bits(word, 7, 5) as i32
}

const fn immediate_b(word: u32) -> i32 {
    let low = bits(word, 7, 1) << 11 | bits(word, 25, 6) << 5 | bits(word, 8, 4) << 1;
    (word as i32).wrapping_shr(31).wrapping_shl(12) | low as i32
}

const fn immediate_u(word: u32) -> i32 {
    (word & 0xffff_f000) as i32
}

const fn immediate_j(word: u32) -> i32 {
    let low = bits(word, 12, 8) << 12 | bits(word, 20, 1) << 11 | bits(word, 21, 10) << 1;
    (word as i32).wrapping_shr(31).wrapping_shl(20) | low as i32
}

/// ECALL has no fields.
const ECALL: u32 = 0x73;

impl Instruction {
    /// Decodes a word; `None` if it is not an instruction of this machine.
    #[must_use]
    pub const fn decode(word: u32) -> Option<Self> {
        match bits(word, 0, 7) {
            0x37 => Some(Self::u(word, Operation::Lui)),
            0x17 => Some(Self::u(word, Operation::Auipc)),
            0x6f => Some(Self { immediate: immediate_j(word), ..Self::u(word, Operation::Jal) }),
            0x67 if bits(word, 12, 3) == 0 => Some(Self::i(word, Operation::Jalr)),
            0x63 => Self::branch(word),
            0x03 => Self::load(word),
            0x23 => Self::store(word),
            0x13 => Self::immediate(word),
            0x1b => Self::immediate_word(word),
            0x33 => Self::register(word),
            0x3b => Self::register_word(word),
            0x0f if bits(word, 12, 3) == 0 => Some(Self::bare(Operation::Fence)),
            0x73 if word == ECALL => Some(Self::bare(Operation::Ecall)),
            _ => None,
        }
    }

    const fn bare(operation: Operation) -> Self {
        Self { operation, rd: 0, rs1: 0, rs2: 0, immediate: 0 }
    }

    const fn u(word: u32, operation: Operation) -> Self {
        Self { operation, rd: bits(word, 7, 5) as u8, rs1: 0, rs2: 0, immediate: immediate_u(word) }
    }

    const fn i(word: u32, operation: Operation) -> Self {
        let (rd, rs1) = (bits(word, 7, 5) as u8, bits(word, 15, 5) as u8);
        Self { operation, rd, rs1, rs2: 0, immediate: immediate_i(word) }
    }

    const fn r(word: u32, operation: Operation) -> Self {
        Self { rs2: bits(word, 20, 5) as u8, immediate: 0, ..Self::i(word, operation) }
    }

    const fn branch(word: u32) -> Option<Self> {
        let operation = match bits(word, 12, 3) {
            0 => Operation::Beq,
            1 => Operation::Bne,
            4 => Operation::Blt,
            5 => Operation::Bge,
            6 => Operation::Bltu,
            7 => Operation::Bgeu,
            _ => return None,
        };
        Some(Self { rd: 0, immediate: immediate_b(word), ..Self::r(word, operation) })
    }

    const fn load(word: u32) -> Option<Self> {
        let operation = match bits(word, 12, 3) {
            0 => Operation::Lb,
            1 => Operation::Lh,
            2 => Operation::Lw,
            3 => Operation::Ld,
            4 => Operation::Lbu,
            5 => Operation::Lhu,
            6 => Operation::Lwu,
            _ => return None,
        };
        Some(Self::i(word, operation))
    }

    const fn store(word: u32) -> Option<Self> {
        let operation = match bits(word, 12, 3) {
            0 => Operation::Sb,
            1 => Operation::Sh,
            2 => Operation::Sw,
            3 => Operation::Sd,
            _ => return None,
        };
        Some(Self { rd: 0, immediate: immediate_s(word), ..Self::r(word, operation) })
    }

    const fn immediate(word: u32) -> Option<Self> {
        let operation = match (bits(word, 12, 3), bits(word, 26, 6)) {
            (0, _) => Operation::Addi,
            (2, _) => Operation::Slti,
            (3, _) => Operation::Sltiu,
            (4, _) => Operation::Xori,
            (6, _) => Operation::Ori,
            (7, _) => Operation::Andi,
            (1, 0) => return Some(Self::shift(word, Operation::Slli)),
            (5, 0) => return Some(Self::shift(word, Operation::Srli)),
            (5, 0x10) => return Some(Self::shift(word, Operation::Srai)),
            _ => return None,
        };
        Some(Self::i(word, operation))
    }

    /// Shifts by an immediate have six bits of it; those of words have passed a check that the sixth is zero.
    const fn shift(word: u32, operation: Operation) -> Self {
        Self { immediate: bits(word, 20, 6) as i32, ..Self::i(word, operation) }
    }

    const fn immediate_word(word: u32) -> Option<Self> {
        match (bits(word, 12, 3), bits(word, 25, 7)) {
            (0, _) => Some(Self::i(word, Operation::Addiw)),
            (1, 0) => Some(Self::shift(word, Operation::Slliw)),
            (5, 0) => Some(Self::shift(word, Operation::Srliw)),
            (5, 0x20) => Some(Self::shift(word, Operation::Sraiw)),
            _ => None,
        }
    }

    const fn register(word: u32) -> Option<Self> {
        let operation = match (bits(word, 25, 7), bits(word, 12, 3)) {
            (0, 0) => Operation::Add,
            (0x20, 0) => Operation::Sub,
            (0, 1) => Operation::Sll,
            (0, 2) => Operation::Slt,
            (0, 3) => Operation::Sltu,
            (0, 4) => Operation::Xor,
            (0, 5) => Operation::Srl,
            (0x20, 5) => Operation::Sra,
            (0, 6) => Operation::Or,
            (0, 7) => Operation::And,
            (1, 0) => Operation::Mul,
            (1, 1) => Operation::Mulh,
            (1, 2) => Operation::Mulhsu,
            (1, 3) => Operation::Mulhu,
            (1, 4) => Operation::Div,
            (1, 5) => Operation::Divu,
            (1, 6) => Operation::Rem,
            (1, 7) => Operation::Remu,
            _ => return None,
        };
        Some(Self::r(word, operation))
    }

    const fn register_word(word: u32) -> Option<Self> {
        let operation = match (bits(word, 25, 7), bits(word, 12, 3)) {
            (0, 0) => Operation::Addw,
            (0x20, 0) => Operation::Subw,
            (0, 1) => Operation::Sllw,
            (0, 5) => Operation::Srlw,
            (0x20, 5) => Operation::Sraw,
            (1, 0) => Operation::Mulw,
            (1, 4) => Operation::Divw,
            (1, 5) => Operation::Divuw,
            (1, 6) => Operation::Remw,
            (1, 7) => Operation::Remuw,
            _ => return None,
        };
        Some(Self::r(word, operation))
    }

    /// What this instruction does in a state. Nothing has changed yet, and addresses are not checked.
    #[must_use]
    pub fn act(&self, state: &State) -> Action {
        use Operation as O;
        let (a, b) = (state.register(self.rs1), state.register(self.rs2));
        let immediate = i64::from(self.immediate) as u64;
        let address = a.wrapping_add(immediate);
        let after = state.pc.wrapping_add(4);
        let target = state.pc.wrapping_add(immediate);
        let jump = |taken: bool| Action::Set { register: 0, value: 0, next: if taken { target } else { after } };
        let load = |size, signed| Action::Load { register: self.rd, address, access: Access { size, signed } };
        let store = |size| Action::Store { address, size, value: b };
        let set = |value| Action::Set { register: self.rd, value, next: after };
        match self.operation {
            O::Lui => set(immediate),
            O::Auipc => set(target),
            O::Jal => Action::Set { register: self.rd, value: after, next: target },
            O::Jalr => Action::Set { register: self.rd, value: after, next: address & !1 },
            O::Beq => jump(a == b),
            O::Bne => jump(a != b),
            O::Blt => jump((a as i64) < b as i64),
            O::Bge => jump(a as i64 >= b as i64),
            O::Bltu => jump(a < b),
            O::Bgeu => jump(a >= b),
            O::Lb => load(1, true),
            O::Lh => load(2, true),
            O::Lw => load(4, true),
            O::Ld => load(8, true),
            O::Lbu => load(1, false),
            O::Lhu => load(2, false),
            O::Lwu => load(4, false),
            O::Sb => store(1),
            O::Sh => store(2),
            O::Sw => store(4),
            O::Sd => store(8),
            O::Fence => set_nothing(after),
            O::Ecall => Action::Call,
            O::Addi | O::Slti | O::Sltiu | O::Xori | O::Ori | O::Andi | O::Slli | O::Srli | O::Srai | O::Addiw => {
                set(compute(self.operation, a, immediate))
            }
            O::Slliw | O::Srliw | O::Sraiw => set(compute(self.operation, a, immediate)),
            _ => set(compute(self.operation, a, b)),
        }
    }
}

const fn set_nothing(next: u64) -> Action {
    Action::Set { register: 0, value: 0, next }
}

/// The low word of a result, sign-extended.
const fn word(value: u32) -> u64 {
    value as i32 as i64 as u64
}

/// The result of an arithmetic instruction; `b` is the second register or the immediate.
#[must_use]
#[allow(clippy::arithmetic_side_effects)] // Division by zero has arms of its own.
fn compute(operation: Operation, a: u64, b: u64) -> u64 {
    use Operation as O;
    let (signed_a, signed_b) = (a as i64, b as i64);
    // Shifts take the low five or six bits of their second operand, as `wrapping_shl` and `wrapping_shr` do.
    let (low_a, low_b) = (a as u32, b as u32);
    let high = |product: i128| (product >> 64) as u64;
    match operation {
        O::Add | O::Addi => a.wrapping_add(b),
        O::Sub => a.wrapping_sub(b),
        O::Sll | O::Slli => a.wrapping_shl(low_b),
        O::Srl | O::Srli => a.wrapping_shr(low_b),
        O::Sra | O::Srai => signed_a.wrapping_shr(low_b) as u64,
        O::Slt | O::Slti => u64::from(signed_a < signed_b),
        O::Sltu | O::Sltiu => u64::from(a < b),
        O::Xor | O::Xori => a ^ b,
        O::Or | O::Ori => a | b,
        O::And | O::Andi => a & b,
        O::Addw | O::Addiw => word(low_a.wrapping_add(low_b)),
        O::Subw => word(low_a.wrapping_sub(low_b)),
        O::Sllw | O::Slliw => word(low_a.wrapping_shl(low_b)),
        O::Srlw | O::Srliw => word(low_a.wrapping_shr(low_b)),
        O::Sraw | O::Sraiw => word((low_a as i32).wrapping_shr(low_b) as u32),
        O::Mul => a.wrapping_mul(b),
        O::Mulh => high(i128::from(signed_a).wrapping_mul(i128::from(signed_b))),
        O::Mulhsu => high(i128::from(signed_a).wrapping_mul(i128::from(b))),
        O::Mulhu => high((u128::from(a).wrapping_mul(u128::from(b))) as i128),
        O::Div if b == 0 => u64::MAX,
        O::Div => signed_a.wrapping_div(signed_b) as u64,
        O::Divu => a.checked_div(b).unwrap_or(u64::MAX),
        O::Rem if b == 0 => a,
        O::Rem => signed_a.wrapping_rem(signed_b) as u64,
        O::Remu => a.checked_rem(b).unwrap_or(a),
        O::Mulw => word(low_a.wrapping_mul(low_b)),
        O::Divw if low_b == 0 => u64::MAX,
        O::Divw => word((low_a as i32).wrapping_div(low_b as i32) as u32),
        O::Divuw => word(low_a.checked_div(low_b).unwrap_or(u32::MAX)),
        O::Remw if low_b == 0 => word(low_a),
        O::Remw => word((low_a as i32).wrapping_rem(low_b as i32) as u32),
        O::Remuw => word(low_a.checked_rem(low_b).unwrap_or(low_a)),
        // The others do not compute.
        _ => 0,
    }
}
