//! Random programs, each step of which is made by the machine, from its witness alone, and by the compiled contracts; and which
//! are run fast to their end.

#[path = "../../../../vm/src/testing.rs"]
mod testing;

use super::{Side, compare};
use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use surety_devnet::referee::Referee;
use surety_prove::Host;
use surety_vm::{Abi, Elf, Machine, MemoryTree, Stop};
use testing::{ECALL, addi, b, bytes, elf_file, i, jal, lui, r, s};

const CODE: u64 = 0x7800_0000;
/// Where x2 points to: eight words, and then zeros.
const DATA: u64 = 0x1_0000;

/// A register: mostly one of a few.
fn register(chance: &mut StdRng) -> u32 {
    if chance.random_range(0..5) == 0 { chance.random_range(0..32) } else { chance.random_range(0..9) }
}

/// An instruction: valid more often than not, near code and data.
fn word(chance: &mut StdRng) -> u32 {
    let [rd, rs1, rs2] = [(); 3].map(|()| register(chance));
    let funct3 = chance.random_range(0..8u32);
    let wide: i32 = chance.random_range(-2_048..2_048);
    let at = chance.random_range(-8..32i32) * 8;
    match chance.random_range(0..16) {
        0..=4 => {
            let funct7 = *[0u32, 0, 1, 1, 0x20].choose(chance).unwrap();
            r(*[0x33u32, 0x33, 0x3b].choose(chance).unwrap(), funct3, funct7, [rd, rs1, rs2])
        }
        5..=7 => i([0x13, 0x1b][usize::from(chance.random::<bool>())], funct3, [rd, rs1], wide),
        8 | 9 => i(0x03, funct3, [rd, 2], at),
        10 | 11 => s(funct3 & 3, [2, rs2], at),
        12 => i(0x03, funct3, [rd, rs1], wide),
        // Mostly a little forward.
        13 => b(funct3, [rs1, rs2], chance.random_range(-3..8) * 4),
        14 => *[lui(rd, chance.random()), rd << 12 | rd << 7 | 0x17, 0x0f].choose(chance).unwrap(),
        _ => *[ECALL, chance.random(), s(funct3 & 3, [rs1, rs2], wide), jal(rd, 8)].choose(chance).unwrap(),
    }
}

/// A program of so many random words, after some that fill the registers with words of all kinds.
fn program(chance: &mut StdRng, words: usize) -> Elf {
    let mut code = vec![lui(2, (DATA >> 12) as u32), lui(10, 1)];
    code.extend([1, 3, 4, 6, 7, 8, 9].iter().zip((0..).step_by(8)).map(|(rd, at)| i(0x03, 3, [*rd, 2], at)));
    // What a call in it is: a word of output, a halt, nothing, or none that there is.
    let call = *[0x10, 0x10, 0, 2, 0x1a, chance.random_range(0..0x7ff)].choose(chance).unwrap();
    code.push(addi(5, 0, call));
    code.extend((0..words).map(|_| word(chance)));
    let kinds = [0, 1, u64::MAX, 1 << 63, i64::MAX as u64, 0xffff_ffff, 0x8000_0000];
    let mut data = [0; 7].map(|_: u8| if chance.random() { *kinds.choose(chance).unwrap() } else { chance.next_u64() });
    // One of them is an address.
    data[chance.random_range(0..7)] = *[DATA, CODE, (1 << 32) - 8].choose(chance).unwrap();
    let data: Vec<u8> = data.iter().flat_map(|word| word.to_le_bytes()).collect();
    Elf::parse(&elf_file(CODE, &[(CODE, &bytes(&code), true), (DATA, &data, false)])).unwrap()
}

fn side(elf: &Elf) -> Side {
    let mut machine = Machine::new(elf, Default::default(), Abi::Program);
    let tree = MemoryTree::new(machine.memory_mut());
    Side { machine, host: Host::default(), tree }
}

/// Makes so many steps of random programs in all three ways.
fn fuzz(seed: u64, steps: u64) {
    println!("seed {seed}");
    let mut chance = StdRng::seed_from_u64(seed);
    let mut referee = Referee::new().unwrap();
    let (mut made, mut ended) = (0, 0);
    while made < steps {
        let words = chance.random_range(1..60);
        let elf = program(&mut chance, words);
        let mut slow = side(&elf);
        let most = 150;
        while !slow.machine.state().ended() && slow.machine.steps() < most {
            let at = slow.machine.steps();
            compare(&mut slow, &mut referee, false).unwrap_or_else(|e| panic!("step {at} of {elf:?}: {e:#}"));
            made += 1;
        }
        let mut fast = side(&elf);
        let until = if slow.machine.state().ended() { 100_000 } else { most };
        let stop = fast.host.run(&mut fast.machine, until).unwrap();
        assert_eq!(fast.machine.steps(), slow.machine.steps(), "{elf:?}");
        assert_eq!(fast.hash(), slow.hash(), "{elf:?}");
        ended += u64::from(stop == Stop::Ended);
    }
    println!("{made} steps, {ended} programs came to their end");
    assert!(ended > 0);
}

#[test]
fn all_three_make_the_same_steps_of_random_programs() {
    fuzz(11, 4_000);
}

#[test]
#[ignore = "a hundred thousand steps on L1's contracts: some minutes"]
fn all_three_make_the_same_hundred_thousand_steps_of_random_programs() {
    let seed = std::env::var("SURETY_FUZZ_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    fuzz(seed, 100_000);
}
