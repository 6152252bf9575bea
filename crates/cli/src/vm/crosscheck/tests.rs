//! Random programs, each step of which is made by the machine, from its witness alone, and by the compiled contracts; and which
//! are run fast to their end.

use super::{Side, compare};
use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use surety_devnet::referee::Referee;
use surety_prove::Host;
use surety_vm::{Abi, Elf, Machine, MemoryTree, Stop, elf::Segment};

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
    let field = |immediate: i32| (immediate as u32) << 20;
    let store = |base: u32, at: i32| {
        let at = at as u32;
        (at >> 5) << 25 | rs2 << 20 | base << 15 | (funct3 & 3) << 12 | (at & 31) << 7 | 0x23
    };
    match chance.random_range(0..16) {
        0..=4 => {
            let funct7 = *[0u32, 0, 1, 1, 0x20].choose(chance).unwrap();
            let opcode = *[0x33u32, 0x33, 0x3b].choose(chance).unwrap();
            funct7 << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode
        }
        5..=7 => field(wide) | rs1 << 15 | funct3 << 12 | rd << 7 | [0x13, 0x1b][usize::from(chance.random::<bool>())],
        8 | 9 => field(at) | 2 << 15 | funct3 << 12 | rd << 7 | 0x03,
        10 | 11 => store(2, at),
        12 => field(wide) | rs1 << 15 | funct3 << 12 | rd << 7 | 0x03,
        13 => {
            // A branch, mostly a little forward.
            let o = (chance.random_range(-3..8i32) * 4) as u32;
            let offset = (o >> 12 & 1) << 31 | (o >> 5 & 63) << 25 | (o >> 1 & 15) << 8 | (o >> 11 & 1) << 7;
            offset | rs2 << 20 | rs1 << 15 | funct3 << 12 | 0x63
        }
        14 => {
            *[chance.random::<u32>() & !0xfff | rd << 7 | 0x37, rd << 12 | rd << 7 | 0x17, 0x0f].choose(chance).unwrap()
        }
        _ => *[0x73, chance.random(), store(rs1, wide), 8 << 20 | rd << 7 | 0x6f].choose(chance).unwrap(),
    }
}

/// A program of so many random words, after some that fill the registers with words of all kinds.
fn program(chance: &mut StdRng, words: usize) -> Elf {
    let lui = |rd: u32, value: u64| (value as u32) & !0xfff | rd << 7 | 0x37;
    let mut code = vec![lui(2, DATA), lui(10, 0x1000)];
    let load = |rd: u32, at: u32| at << 20 | 2 << 15 | 3 << 12 | rd << 7 | 0x03;
    code.extend([1, 3, 4, 6, 7, 8, 9].iter().zip((0..).step_by(8)).map(|(rd, at)| load(*rd, at)));
    // What a call in it is: a word of output, a halt, nothing, or none that there is.
    let call: u32 = *[0x10, 0x10, 0, 2, 0x1a, chance.random_range(0..0x7ff)].choose(chance).unwrap();
    code.extend([call << 20 | 5 << 7 | 0x13]);
    code.extend((0..words).map(|_| word(chance)));
    let kinds = [0, 1, u64::MAX, 1 << 63, i64::MAX as u64, 0xffff_ffff, 0x8000_0000];
    let mut data = [0; 7].map(|_: u8| if chance.random() { *kinds.choose(chance).unwrap() } else { chance.next_u64() });
    // One of them is an address.
    data[chance.random_range(0..7)] = *[DATA, CODE, (1 << 32) - 8].choose(chance).unwrap();
    let bytes = |words: Vec<u8>, address, executable| Segment { address, bytes: words, executable };
    let text = code.iter().flat_map(|word| word.to_le_bytes()).collect();
    let data = data.iter().flat_map(|word| word.to_le_bytes()).collect();
    Elf { entry: CODE, segments: vec![bytes(text, CODE, true), bytes(data, DATA, false)] }
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
