//! The three ways of stepping that are written in Rust: running fast, single steps, and steps from witnesses alone. (The fourth,
//! in Solidity, is compared where contracts can run, and makes the golden steps that [`steps`] makes here.)

mod steps;

use crate::{
    Abi, Elf, Machine, MemoryTree, Part, Request, Status, Stop,
    commitment::{self, StateTree as _, single},
    instruction::{Access, Instruction},
    testing::{ECALL, addi, b, bytes, elf_file, i, jal, lui, r, s},
    witness::{LoadedPart, WitnessError, step, witness},
};
use alloy_primitives::{B256, keccak256};
use proptest::prelude::*;
use std::convert::Infallible;

const BASE: u64 = 0x7800_0000;

fn machine(words: &[u32]) -> Machine {
    machine_under(words, Abi::Program)
}

fn machine_under(words: &[u32], abi: Abi) -> Machine {
    let elf = Elf::parse(&elf_file(BASE, &[(BASE, &bytes(words), true)])).unwrap();
    Machine::new(&elf, B256::ZERO, abi)
}

/// What a test program may read: the preimage of any key is its first byte, so many times.
fn value(request: &Request) -> Vec<u8> {
    vec![request.key[0]; usize::from(request.key[0]) * 40]
}

fn read(request: &Request) -> Result<Part, Infallible> {
    Ok(Part::of(&value(request), request.index))
}

/// Makes one step from the witness, one by the machine, and compares the hashes; gives the hash after it.
fn check_step(machine: &mut Machine, tree: &mut MemoryTree) -> B256 {
    let (bytes, asked) = witness(machine, tree);
    assert!(bytes.len() <= 2113);
    let before = machine.state().hash(tree.root());
    let judged = step(&bytes, |request| {
        assert_eq!(Some(*request), asked);
        Some(LoadedPart::from(&Part::of(&value(request), request.index)))
    });
    single(machine, tree, &mut read).unwrap();
    let after = machine.state().hash(tree.root());
    assert_eq!(judged, Ok((before, after)), "at {:x} in {:?}", machine.state().pc, machine.state());
    after
}

/// Runs a program fast and step by step, and compares where both are after each of `stops` steps and at the end.
fn agree(words: &[u32], most: u64, stops: &[u64]) -> Machine {
    let mut slow = machine(words);
    let mut fast = machine(words);
    let mut tree = MemoryTree::new(slow.memory_mut());
    let mut fast_tree = MemoryTree::new(fast.memory_mut());
    let mut after = slow.state().hash(tree.root());
    for made in 1..=most {
        after = check_step(&mut slow, &mut tree);
        if stops.contains(&made) || slow.state().ended() {
            let stop = fast.run_with(made, &mut read).unwrap();
            fast_tree.update(fast.memory_mut());
            assert_eq!(fast.state(), slow.state());
            assert_eq!(fast.state().hash(fast_tree.root()), after);
            assert_eq!(fast.steps(), slow.steps());
            if slow.state().ended() {
                assert_eq!(fast.run_with(made + 1, &mut read).unwrap(), Stop::Ended);
                return slow;
            }
            assert_eq!(stop, Stop::Limit);
        }
    }
    fast.run_with(most, &mut read).unwrap();
    fast_tree.update(fast.memory_mut());
    assert_eq!(fast.state().hash(fast_tree.root()), after);
    slow
}

/// Words of random programs: valid more often than not, on few registers, near code and data.
fn any_word() -> impl Strategy<Value = u32> {
    let register = || prop_oneof![4 => 0u32..8, 2 => 10u32..17, 1 => 0u32..32];
    let small = || prop_oneof![-16i32..16, -2048i32..2048];
    let registers = move || [register(), register(), register()];
    prop_oneof![
        4 => (registers(), 0u32..8, prop_oneof![Just(0u32), Just(1), Just(0x20)], prop_oneof![Just(0x33u32), Just(0x3b)])
            .prop_map(|(registers, funct3, funct7, opcode)| r(opcode, funct3, funct7, registers)),
        3 => (register(), register(), 0u32..8, small(), prop_oneof![Just(0x13u32), Just(0x1b)])
            .prop_map(|(rd, rs1, funct3, immediate, opcode)| i(opcode, funct3, [rd, rs1], immediate)),
        3 => (register(), 0u32..8, -64i32..64).prop_map(|(rd, funct3, at)| i(0x03, funct3, [rd, 2], at & !7)),
        1 => (register(), register(), 0u32..8, small()).prop_map(|(rd, rs1, funct3, at)| i(0x03, funct3, [rd, rs1], at)),
        3 => (register(), 0u32..4, -64i32..64).prop_map(|(rs2, funct3, at)| s(funct3, [2, rs2], at & !7)),
        1 => (register(), register(), 0u32..5, small()).prop_map(|(rs1, rs2, funct3, at)| s(funct3, [rs1, rs2], at)),
        3 => (register(), register(), 0u32..8, -8i32..16).prop_map(|(rs1, rs2, funct3, at)| b(funct3, [rs1, rs2], at * 4)),
        1 => (register(), -8i32..16).prop_map(|(rd, at)| jal(rd, at * 4)),
        1 => (register(), register(), small()).prop_map(|(rd, rs1, at)| i(0x67, 0, [rd, rs1], at)),
        1 => (register(), any::<u32>()).prop_map(|(rd, upper)| lui(rd, upper)),
        1 => (register(), 0u32..16).prop_map(|(rd, upper)| upper << 12 | rd << 7 | 0x17),
        1 => Just(ECALL),
        1 => (0u32..0x20).prop_map(|fields| fields << 20 | 0x0f),
        1 => any::<u32>(),
    ]
}

/// What comes first: x2 points to data, x3 to code, t0 to a call.
fn prologue(call: i32) -> Vec<u32> {
    vec![lui(2, 0x10), lui(3, 0x78000), addi(5, 0, call), addi(10, 0, 1), addi(11, 0, 77), lui(16, 0x20)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn all_ways_of_stepping_agree_on_random_programs(
        words in proptest::collection::vec(any_word(), 1..60), call in prop_oneof![Just(0x10), Just(2), Just(0x1a), Just(0), 0..300],
        stops in proptest::collection::vec(1u64..150, 0..4),
    ) {
        let mut program = prologue(call);
        program.extend(words);
        agree(&program, 150, &stops);
    }

    #[test]
    fn words_that_decode_say_all_of_themselves(word: u32, low in prop_oneof![
        Just(0x37u32), Just(0x17), Just(0x6f), Just(0x67), Just(0x63), Just(0x03), Just(0x23), Just(0x13), Just(0x1b), Just(0x33), Just(0x3b), Just(0x0f), Just(0x73)
    ]) {
        let word = word & !0x7f | low;
        if let Some(decoded) = Instruction::decode(word) && low != 0x0f {
            // No other word decodes to the same: each bit matters.
            for bit in 0..32 {
                prop_assert_ne!(Instruction::decode(word ^ (1 << bit)), Some(decoded));
            }
        }
    }
}

/// Every way to do something with two registers: opcode, funct3, funct7, and what it must give.
type Binary = (&'static str, u32, u32, u32, fn(u64, u64) -> u64);

/// From the manual's text, not from the code under test: signed numbers by comparison, products by halves.
#[rustfmt::skip]
const BINARY: &[Binary] = &[
    ("add", 0x33, 0, 0, |a, b| a.wrapping_add(b)),
    ("sub", 0x33, 0, 0x20, |a, b| a.wrapping_add(!b).wrapping_add(1)),
    ("sll", 0x33, 1, 0, |a, b| (0..b % 64).fold(a, |a, _| a.wrapping_add(a))),
    ("slt", 0x33, 2, 0, |a, b| u64::from(a ^ (1 << 63) < b ^ (1 << 63))),
    ("sltu", 0x33, 3, 0, |a, b| u64::from(a < b)),
    ("xor", 0x33, 4, 0, |a, b| (a | b) & !(a & b)),
    ("srl", 0x33, 5, 0, |a, b| (0..b % 64).fold(a, |a, _| a / 2)),
    ("sra", 0x33, 5, 0x20, |a, b| (0..b % 64).fold(a, |a, _| (a / 2) | (a & (1 << 63)))),
    ("or", 0x33, 6, 0, |a, b| !(!a & !b)),
    ("and", 0x33, 7, 0, |a, b| !(!a | !b)),
    ("mul", 0x33, 0, 1, |a, b| product(a, b).0),
    ("mulh", 0x33, 1, 1, |a, b| product(a, b).1.wrapping_sub(if a >> 63 == 1 { b } else { 0 }).wrapping_sub(if b >> 63 == 1 { a } else { 0 })),
    ("mulhsu", 0x33, 2, 1, |a, b| product(a, b).1.wrapping_sub(if a >> 63 == 1 { b } else { 0 })),
    ("mulhu", 0x33, 3, 1, |a, b| product(a, b).1),
    ("div", 0x33, 4, 1, |a, b| signed(a, b, 64).0),
    ("divu", 0x33, 5, 1, |a, b| a.checked_div(b).unwrap_or(u64::MAX)),
    ("rem", 0x33, 6, 1, |a, b| signed(a, b, 64).1),
    ("remu", 0x33, 7, 1, |a, b| a.checked_rem(b).unwrap_or(a)),
    ("addw", 0x3b, 0, 0, |a, b| low(a.wrapping_add(b))),
    ("subw", 0x3b, 0, 0x20, |a, b| low(a.wrapping_sub(b))),
    ("sllw", 0x3b, 1, 0, |a, b| low(a << (b % 32))),
    ("srlw", 0x3b, 5, 0, |a, b| low((a & 0xffff_ffff) >> (b % 32))),
    ("sraw", 0x3b, 5, 0x20, |a, b| low(low(a) >> (b % 32) | if a >> 31 & 1 == 1 { !(u64::MAX >> (b % 32)) } else { 0 })),
    ("mulw", 0x3b, 0, 1, |a, b| low(a.wrapping_mul(b))),
    ("divw", 0x3b, 4, 1, |a, b| low(signed(low(a), low(b), 32).0)),
    ("divuw", 0x3b, 5, 1, |a, b| low(if b as u32 == 0 { u64::MAX } else { (a & 0xffff_ffff) / (b & 0xffff_ffff) })),
    ("remw", 0x3b, 6, 1, |a, b| low(signed(low(a), low(b), 32).1)),
    ("remuw", 0x3b, 7, 1, |a, b| low(if b as u32 == 0 { a } else { (a & 0xffff_ffff) % (b & 0xffff_ffff) })),
];

/// The low 32 bits with their sign extended.
fn low(a: u64) -> u64 {
    if a >> 31 & 1 == 1 { a | 0xffff_ffff_0000_0000 } else { a & 0xffff_ffff }
}

/// Low and high words of a product, from products of halves.
fn product(a: u64, b: u64) -> (u64, u64) {
    let half = |n: u64| (n & 0xffff_ffff, n >> 32);
    let ((a0, a1), (b0, b1)) = (half(a), half(b));
    let middle = a1 * b0 + ((a0 * b0) >> 32);
    let other = a0 * b1 + (middle & 0xffff_ffff);
    ((other << 32) | (a0 * b0) & 0xffff_ffff, a1 * b1 + (middle >> 32) + (other >> 32))
}

/// Quotient and remainder as the manual's table has them.
fn signed(a: u64, b: u64, bits: u32) -> (u64, u64) {
    let least = u64::MAX << (bits - 1);
    match (a, b) {
        (_, 0) => (u64::MAX, a),
        (a, u64::MAX) if a == least => (least, 0),
        _ => {
            let size = |n: u64| if n >> 63 == 1 { n.wrapping_neg() } else { n };
            let sign = |n: u64, negative: bool| if negative { n.wrapping_neg() } else { n };
            let (quotient, rest) = (size(a) / size(b), size(a) % size(b));
            (sign(quotient, (a ^ b) >> 63 == 1), sign(rest, a >> 63 == 1))
        }
    }
}

const EDGES: [u64; 14] = [
    0,
    1,
    2,
    31,
    32,
    63,
    64,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    i64::MAX as u64,
    i64::MIN as u64,
    u64::MAX - 1,
    u64::MAX,
];

#[test]
fn arithmetic_is_what_the_manual_says() {
    for (name, opcode, funct3, funct7, expected) in BINARY {
        // Operands are read from 0x10000 on, two by two, and results written from 0x20000 on, until a pair of them is over.
        let pairs: Vec<(u64, u64)> = EDGES.into_iter().flat_map(|a| EDGES.map(|b| (a, b))).collect();
        let data: Vec<u8> = pairs.iter().flat_map(|(a, b)| [*a, *b]).flat_map(u64::to_le_bytes).collect();
        let program = [
            lui(2, 0x10),
            lui(3, 0x20),
            addi(4, 0, pairs.len() as i32),
            i(0x03, 3, [6, 2], 0),
            i(0x03, 3, [7, 2], 8),
            r(*opcode, *funct3, *funct7, [8, 6, 7]),
            s(3, [3, 8], 0),
            addi(2, 2, 16),
            addi(3, 3, 8),
            addi(4, 4, -1),
            b(1, [4, 0], -28),
            addi(5, 0, 0),
            ECALL,
        ];
        let elf = Elf::parse(&elf_file(BASE, &[(BASE, &bytes(&program), true), (0x10000, &data, false)])).unwrap();
        let mut fast = Machine::new(&elf, B256::ZERO, Abi::Program);
        assert_eq!(fast.run(1 << 20), Stop::Ended);
        let mut slow = Machine::new(&elf, B256::ZERO, Abi::Program);
        let mut tree = MemoryTree::new(slow.memory_mut());
        while !slow.state().ended() {
            check_step(&mut slow, &mut tree);
        }
        for machine in [fast, slow] {
            for ((a, b), at) in pairs.iter().zip((0x20000..).step_by(8)) {
                let found = machine.memory().load(at, Access { size: 8, signed: false });
                assert_eq!(found, expected(*a, *b), "{name} {a:x} {b:x}");
            }
        }
    }
}

#[test]
fn a_program_ends_with_its_code_and_output() {
    let end = agree(&[addi(5, 0, 0x10), addi(10, 0, 7), addi(11, 0, -1), ECALL, addi(5, 0, 0), ECALL], 10, &[3]);
    assert_eq!(end.state().status, Status::Halted(7));
    assert_eq!(end.state().output[28..], [0xff; 4]);
    assert_eq!(end.steps(), 6);
}

#[test]
fn what_is_not_allowed_traps() {
    let far = |load: u32| vec![lui(6, 0x80000), i(0x13, 5, [7, 6], 31), addi(8, 7, -8), load];
    let traps: [&[u32]; 16] = [
        &[0],
        &[u32::MAX],
        &[0x0010_0073],
        &[0x0000_100f],
        &[0x3000_2073],
        &[0x0000_0001],
        &[i(0x03, 3, [6, 0], 4)],
        &[i(0x03, 7, [6, 0], 0)],
        &[s(3, [0, 0], 12)],
        &[s(4, [0, 0], 0)],
        &[i(0x67, 0, [0, 0], 2)],
        &[i(0x67, 1, [0, 0], 0)],
        &[jal(0, 2)],
        &[b(2, [0, 0], 4)],
        &[i(0x1b, 1, [6, 6], 32)],
        &[addi(5, 0, 0xf0), ECALL],
    ];
    for words in traps {
        assert_eq!(agree(words, 3, &[]).state().status, Status::Trapped, "{words:x?}");
    }
    // lui sign-extends, so x7 is 2^33 - 1.. the first address beyond memory is x6 shifted.
    for (load, traps) in [
        (i(0x03, 3, [9, 6], 0), true),
        (s(0, [6, 0], 0), true),
        (i(0x03, 4, [9, 0], -1), true),
        (i(0x03, 4, [9, 0], 0), false),
    ] {
        let end = agree(&far(load), 4, &[]);
        assert_eq!(end.state().status == Status::Trapped, traps, "{load:x}");
    }
}

#[test]
fn the_last_bytes_of_memory_are_memory() {
    // x6 = 2^32 - 8.
    let top = [addi(6, 0, -8), i(0x13, 1, [6, 6], 32), i(0x13, 5, [6, 6], 32)];
    let program = [
        &top[..],
        &[addi(7, 0, -2), s(3, [6, 7], 0), i(0x03, 4, [8, 6], 7), i(0x03, 3, [9, 6], 0), i(0x03, 0, [9, 6], 8)],
    ]
    .concat();
    let end = agree(&program, 8, &[5]);
    assert_eq!(end.register(8), 0xff);
    assert_eq!(end.state().status, Status::Trapped);
    let run_off =
        [&top[..], &[i(0x13, 1, [7, 0], 0), addi(7, 0, 0x13), s(2, [6, 7], 0), s(2, [6, 7], 4), i(0x67, 0, [1, 6], 0)]]
            .concat();
    assert_eq!(agree(&run_off, 12, &[]).state().status, Status::Trapped, "the last instruction is followed by nothing");
}

#[test]
fn code_that_changes_itself_runs_as_it_is() {
    // Overwrites the instruction after next with ADDI x9, x9, 5, twice round.
    let new = addi(9, 9, 5);
    let program = [
        lui(6, new >> 12),
        addi(6, 6, (new & 0xfff) as i32),
        i(0x17, 0, [0, 0], 0) & 0xfff | 7 << 7,
        s(2, [7, 6], 8),
        addi(9, 9, 1),
        addi(8, 8, 1),
        addi(10, 0, 2),
        b(1, [8, 10], -20),
        addi(5, 0, 0),
        ECALL,
    ];
    let end = agree(&program, 40, &[4, 5, 9]);
    assert_eq!(end.state().status, Status::Halted(2));
}

#[test]
fn a_read_brings_part_after_part() {
    let mut program = prologue(0);
    program.extend([
        lui(5, 5),
        addi(5, 5, 0x355),
        ECALL,
        addi(7, 5, 0),
        i(0x03, 4, [6, 16], 0),
        lui(5, 5),
        addi(5, 5, 0x355),
        addi(15, 0, 1),
        ECALL,
        i(0x03, 4, [8, 16], 0),
    ]);
    let end = agree(&program, program.len() as u64, &[9]);
    assert_eq!([end.register(7), end.register(6), end.register(8)], [77 * 40, 77, 0]);
    for (register, value, traps) in [(10, 3, true), (10, 2, false), (16, 1, true), (15, 0, false)] {
        let mut program = prologue(0);
        program.extend([addi(register, 0, value), lui(5, 5), addi(5, 5, 0x355), ECALL]);
        let end = agree(&program, program.len() as u64, &[]);
        assert_eq!(end.state().status == Status::Trapped, traps, "x{register} = {value}");
    }
    let mut program = prologue(0);
    program.extend([addi(10, 0, 2), lui(15, 1), lui(5, 5), addi(5, 5, 0x355), ECALL]);
    assert_eq!(agree(&program, 11, &[]).state().status, Status::Trapped, "no blob has element 4096");
}

#[test]
fn a_witness_that_was_touched_proves_nothing() {
    let mut machine = machine(&[lui(2, 0x10), s(3, [2, 2], 8), i(0x03, 3, [6, 2], 8)]);
    let mut tree = MemoryTree::new(machine.memory_mut());
    for _ in 0..3 {
        let (good, _) = witness(&machine, &tree);
        let right = step(&good, |_| None).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            match step(&bad, |_| None) {
                Ok((before, _)) => assert_ne!(before, right.0, "byte {at} is of another state"),
                Err(error) => assert!(matches!(error, WitnessError::Form | WitnessError::Path)),
            }
        }
        assert_eq!(step(&good[..good.len() - 1], |_| None), Err(WitnessError::Form));
        assert_eq!(step(&[&good[..], &[0]].concat(), |_| None), Err(WitnessError::Form));
        single(&mut machine, &mut tree, &mut read).unwrap();
    }
}

#[test]
fn under_the_exit_abi_a_linux_program_ends() {
    let mut machine = machine_under(&[addi(17, 0, 93), addi(10, 0, 3), ECALL], Abi::Exit);
    assert_eq!(machine.run(10), Stop::Ended);
    assert_eq!((machine.state().status, machine.steps()), (Status::Halted(3), 3));
    let mut machine = machine_under(&[addi(17, 0, 94), ECALL], Abi::Exit);
    machine.run(10);
    assert_eq!(machine.state().status, Status::Trapped);
}

#[test]
fn a_host_is_asked_for_what_l1_does_not_have() {
    let program = [addi(5, 0, 0xf0), ECALL, addi(10, 5, 0), addi(5, 0, 0), ECALL];
    let mut machine = machine_under(&program, Abi::Hosted);
    assert_eq!(machine.run(100), Stop::Call(0xf0));
    assert_eq!(machine.run(100), Stop::Call(0xf0), "it waits");
    machine.resume(Some(9));
    assert_eq!(machine.run(100), Stop::Ended);
    assert_eq!((machine.state().status, machine.steps()), (Status::Halted(9), 5));
}

/// Counts down in memory from 2^`bits` and halts.
fn countdown(bits: u32) -> Vec<u32> {
    vec![
        lui(2, 0x10),
        addi(6, 0, 1),
        i(0x13, 1, [6, 6], bits as i32),
        addi(6, 6, -1),
        s(3, [2, 6], 0),
        b(1, [6, 0], -8),
        addi(5, 0, 0),
        ECALL,
    ]
}

#[test]
fn the_two_levels_of_a_trace_fit_together() {
    let mut coarse = machine(&countdown(20));
    let mut tree = MemoryTree::new(coarse.memory_mut());
    let start = coarse.state().hash(tree.root());
    let level1 = commitment::coarse(&mut coarse, &mut tree, &mut read).unwrap().unwrap();
    let steps = 3 * (1 << 20) + 5;
    assert_eq!((coarse.steps(), coarse.state().status), (steps, Status::Halted(0)));
    assert_eq!(level1.leaves(), 4);
    assert_ne!(level1.state(0), start);
    // The second stretch, from its beginning.
    let mut fine = machine(&countdown(20));
    fine.run(1 << 20);
    let mut tree = MemoryTree::new(fine.memory_mut());
    assert_eq!(fine.state().hash(tree.root()), level1.state(0));
    let level2 = commitment::fine(&mut fine, &mut tree, &mut read).unwrap().unwrap();
    assert_eq!(level2.leaves(), 1 << 20);
    assert_eq!(level2.state((1 << 20) - 1), level1.state(1));
    // The last one, which ends early and is padded.
    let mut last = machine(&countdown(20));
    last.run(3 << 20);
    let mut tree = MemoryTree::new(last.memory_mut());
    let level2 = commitment::fine(&mut last, &mut tree, &mut read).unwrap().unwrap();
    assert_eq!(level2.leaves(), 5);
    assert_eq!(level2.state(1 << 19), crate::state::halted_hash(0, B256::ZERO));
    assert_eq!(level2.state((1 << 20) - 1), level1.state(3));
    assert_eq!(level1.state(4), level1.state(3));
}

#[test]
fn openings_lead_from_the_root_to_the_leaves() {
    let states: Vec<B256> = (0u32..5000).map(|n| keccak256(n.to_be_bytes())).collect();
    let tree = commitment::LevelTree::new(states.clone()).unwrap();
    for leaf in [0, 31, 32, 4999, 5000, (1 << 20) - 1] {
        let mut hash = tree.root();
        for height in [20, 15, 10, 5] {
            let opening = tree.opening(height, leaf >> height).unwrap();
            assert_eq!(commitment::root_of_opening(&opening), hash);
            hash = opening[(leaf >> (height - 5)) as usize % 32];
        }
        assert_eq!(hash, commitment::leaf(states[(leaf as usize).min(4999)]));
    }
    assert_eq!(tree.opening(4, 0), None);
    assert_eq!(tree.opening(25, 0), None);
    assert!(commitment::LevelTree::new(vec![]).is_none());
    assert!(commitment::LevelTree::new(vec![B256::ZERO; (1 << 20) + 1]).is_none());
}
