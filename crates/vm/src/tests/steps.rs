//! The golden steps that Solidity makes too (`contracts/vectors/steps.json`, written by `contracts/steps.mjs` without any code
//! of ours): the witness of each, and the step made from it, by the machine alone, and fast.

use crate::{
    Abi, Elf, Instruction, Machine, Memory, MemoryTree, Part, Request, State, Status,
    commitment::single,
    elf::Segment,
    memory::{ADDRESSES, LEAF_BYTES, PAGE_BYTES, allowed},
    witness::{LoadedPart, step, witness},
};
use alloy_primitives::{B256, Bytes, U64, keccak256};
use serde::Deserialize;
use std::{collections::BTreeMap, convert::Infallible};

/// There are at least so many cases, so many of each mnemonic, and so many that can be made fast.
const CASES: usize = 700;
const CASES_EACH: usize = 3;
const CASES_FAST: usize = 500;

/// The lists have an element for each case.
#[derive(Deserialize)]
struct File {
    count: usize,
    table: Table,
    values: Vec<Bytes>,
    names: Vec<String>,
    mnemonics: Vec<String>,
    states: Vec<Start>,
    witnesses: Vec<Bytes>,
    before: Vec<B256>,
    next: Vec<B256>,
}

/// How many cases each mnemonic has.
#[derive(Deserialize)]
struct Table {
    mnemonics: Vec<String>,
    counts: Vec<usize>,
}

/// The state before a step, and what the step reads.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[derive(Default)]
struct Start {
    pc: U64,
    registers: BTreeMap<u8, U64>,
    memory: Vec<Piece>,
    output: B256,
    exit_code: Option<U64>,
    trapped: bool,
    part: Option<Read>,
}

/// Bytes where they stand in memory.
#[derive(Deserialize)]
struct Piece {
    address: U64,
    bytes: Bytes,
}

/// A part that a READ brings; its page without the zeros at the end.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Read {
    kind: U64,
    key: B256,
    index: U64,
    length: U64,
    page: Bytes,
    page_root: B256,
}

impl Read {
    fn is(&self, request: &Request) -> bool {
        (self.kind.to(), self.key, self.index.to()) == (request.kind.number(), request.key, request.index)
    }

    fn part(&self) -> Part {
        Part { length: self.length.to(), ..Part::of(&self.page, 0) }
    }
}

impl Start {
    /// A machine in this state. The page of its instruction is decoded.
    fn machine(&self) -> Machine {
        let pc = self.pc.to::<u64>();
        let segment = |address, bytes, executable| Segment { address, bytes, executable };
        let code = (pc < ADDRESSES).then(|| segment(pc & !(PAGE_BYTES as u64 - 1), vec![0; PAGE_BYTES], true));
        let data = self.memory.iter().map(|piece| segment(piece.address.to(), piece.bytes.to_vec(), false));
        let elf = Elf { entry: pc, segments: code.into_iter().chain(data).collect() };
        let mut machine = Machine::new(&elf, B256::ZERO, Abi::Program);
        for (number, value) in &self.registers {
            machine.state.set_register(*number, value.to());
        }
        machine.state.output = self.output;
        if let Some(code) = self.exit_code {
            machine.state.status = Status::Halted(code.to());
        }
        if self.trapped {
            machine.state.trap();
        }
        machine
    }

    fn read(&self, request: &Request) -> Result<Part, Infallible> {
        let read = self.part.as_ref().filter(|part| part.is(request)).unwrap_or_else(|| panic!("reads {request:?}"));
        Ok(read.part())
    }

    /// A machine after the step that is made fast, if it can be. (A jump to itself is made more than once, and changes nothing.)
    fn made_fast(&self) -> Option<Machine> {
        let mut machine = self.machine();
        let more_than_a_page = PAGE_BYTES as u64;
        if !machine.state.ended() {
            machine.code.run(&mut machine.state, &mut machine.memory, &mut machine.steps, more_than_a_page);
        }
        (machine.steps > 0).then_some(machine)
    }
}

/// What is not zero of a memory, page by page.
fn pages(memory: &Memory) -> BTreeMap<u32, &[u64]> {
    let pages = memory.touched().into_iter().map(|page| (page, memory.page(page)));
    pages.filter(|(_, words)| words.iter().any(|word| *word != 0)).collect()
}

impl File {
    fn open() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/vectors/steps.json");
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    /// Makes the step of a case in all ways, and says what comes to something else; gives whether it was made fast.
    fn check(&self, place: usize) -> Result<bool, String> {
        let (start, bytes, next) = (&self.states[place], &self.witnesses[place], self.next[place]);
        let same = |right: bool, what: &str| if right { Ok(()) } else { Err(format!("{}: {what}", self.names[place])) };
        let mut machine = start.machine();
        let mut tree = MemoryTree::new(machine.memory_mut());
        let (ours, asked) = witness(&machine, &tree);
        same(ours == *bytes, "its witness")?;
        let read = start.part.as_ref();
        same(asked.is_some() == read.is_some(), "whether it reads")?;
        same(asked.is_none_or(|request| read.is_some_and(|part| part.is(&request))), "what it reads")?;
        let loaded = read.map(|read| LoadedPart { length: read.length.to(), page_root: read.page_root });
        same(step(bytes, |_| loaded) == Ok((self.before[place], next)), "from its witness")?;
        single(&mut machine, &mut tree, &mut |request| start.read(request)).unwrap();
        same(machine.state.hash(tree.root()) == next, "made alone")?;
        let fast = start.made_fast();
        let equal = |fast: &Machine| fast.state == machine.state && pages(&fast.memory) == pages(&machine.memory);
        same(fast.as_ref().is_none_or(equal), "made fast")?;
        Ok(fast.is_some())
    }
}

/// The mnemonic of the step of a witness, by our decoder; of an ECALL without which call it is.
fn mnemonic(witness: &[u8]) -> String {
    let (state, _, rest) = State::split_preimage(witness).unwrap();
    if state.ended() {
        return "ended".to_owned();
    }
    if !allowed(state.pc, 4) {
        return "fetch".to_owned();
    }
    let word = &rest[state.pc as usize % LEAF_BYTES..][..4];
    let instruction = Instruction::decode(u32::from_le_bytes(word.try_into().unwrap()));
    instruction.map_or_else(|| "illegal".to_owned(), |i| format!("{:?}", i.operation).to_lowercase())
}

#[test]
fn golden_steps_are_made_in_all_ways() {
    let file = File::open();
    assert!(file.count >= CASES);
    let lengths = [file.names.len(), file.mnemonics.len(), file.states.len(), file.witnesses.len()];
    assert_eq!((lengths, file.before.len(), file.next.len()), ([file.count; 4], file.count, file.count));
    let fast: Vec<&str> = (0..file.count)
        .filter(|place| file.check(*place).unwrap_or_else(|wrong| panic!("{wrong}")))
        .map(|place| file.mnemonics[place].as_str())
        .collect();
    assert!(fast.len() >= CASES_FAST, "{}", fast.len());
    for mnemonic in &file.mnemonics {
        let alone = mnemonic.starts_with("ecall ") || ["ended", "fetch", "illegal"].contains(&&**mnemonic);
        assert_eq!(fast.contains(&&**mnemonic), !alone, "{mnemonic}");
    }
}

#[test]
fn golden_steps_are_of_every_instruction() {
    let file = File::open();
    let mut counts = BTreeMap::<&str, usize>::new();
    for (name, witness) in file.mnemonics.iter().zip(&file.witnesses) {
        *counts.entry(name).or_default() += 1;
        assert_eq!(name.split(' ').next(), Some(&*mnemonic(witness)));
    }
    let table: BTreeMap<&str, usize> =
        file.table.mnemonics.iter().map(String::as_str).zip(file.table.counts.iter().copied()).collect();
    assert_eq!(counts, table);
    assert!(counts.values().all(|count| *count >= CASES_EACH), "{counts:?}");
    // The instructions of RV64IM but ECALL and EBREAK, six kinds of calls, and three ways to have no instruction.
    assert_eq!(counts.len(), 63 + 6 + 3);
}

#[test]
fn golden_parts_are_parts_of_the_values() {
    let file = File::open();
    let mut checked = 0;
    for read in file.states.iter().filter_map(|start| start.part.as_ref()) {
        assert_eq!(LoadedPart::from(&read.part()), LoadedPart { length: read.length.to(), page_root: read.page_root });
        if let Some(value) = file.values.iter().find(|value| keccak256(value) == read.key) {
            assert_eq!(Part::of(value, read.index.to()), read.part());
            checked += 1;
        }
    }
    assert!(checked >= file.values.len());
}

#[test]
fn a_changed_golden_step_is_noticed() {
    let mut file = File::open();
    for place in (0..file.count).step_by(37) {
        assert!(file.check(place).is_ok());
        file.next[place].0[place % 32] ^= 1;
        assert!(file.check(place).unwrap_err().ends_with("from its witness"));
        file.next[place].0[place % 32] ^= 1;
        let mut bytes = file.witnesses[place].to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        file.witnesses[place] = bytes.into();
        assert!(file.check(place).unwrap_err().ends_with("its witness"));
    }
}
