//! Gas on L1 of single steps, by the class of their instruction, and of what they read.

use super::run_to;
use anyhow::{Context as _, Result, ensure};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use surety_devnet::referee::Referee;
use surety_l1::{blobs::prove_element, chain::Blob};
use surety_prove::{Host, Program};
use surety_stf::witness::Witness;
use surety_vm::{
    Instruction, Machine, MemoryTree,
    instruction::{Access, Operation},
    witness,
};

/// The same steps at every run.
const SEED: u64 = 5;

/// The gas of some steps of one class.
#[derive(Debug, Default)]
struct Class {
    steps: u64,
    sum: u64,
    most: u64,
    bytes: usize,
}

fn class(machine: &Machine) -> &'static str {
    let word = machine.memory().load(machine.state().pc, Access { size: 4, signed: false }) as u32;
    match Instruction::decode(word).map(|instruction| instruction.operation) {
        Some(o) if is_load(o) => "load",
        Some(Operation::Sb | Operation::Sh | Operation::Sw | Operation::Sd) => "store",
        Some(Operation::Jal | Operation::Jalr) => "jump",
        Some(o) if is_branch(o) => "branch",
        Some(o) if is_product(o) => "multiplication and division",
        Some(Operation::Ecall) => "call",
        _ => "arithmetic",
    }
}

const fn is_load(o: Operation) -> bool {
    use Operation as O;
    matches!(o, O::Lb | O::Lh | O::Lw | O::Ld | O::Lbu | O::Lhu | O::Lwu)
}

const fn is_branch(o: Operation) -> bool {
    use Operation as O;
    matches!(o, O::Beq | O::Bne | O::Blt | O::Bge | O::Bltu | O::Bgeu)
}

const fn is_product(o: Operation) -> bool {
    use Operation as O;
    let double = matches!(o, O::Mul | O::Mulh | O::Mulhsu | O::Mulhu | O::Div | O::Divu | O::Rem | O::Remu);
    double || matches!(o, O::Mulw | O::Divw | O::Divuw | O::Remw | O::Remuw)
}

/// Measures steps by chance of a trace, and every kind of pre-image.
pub(super) fn measure(witness: &Witness, steps: u64, samples: usize) -> Result<Value> {
    let host = Host::keyed(witness.clone());
    let mut referee = Referee::new()?;
    let mut random = StdRng::seed_from_u64(SEED);
    let mut chosen: BTreeSet<u64> = (0..samples).map(|_| random.random_range(0..steps)).collect();
    // The first READ of all is the input's, early on; calls are rare.
    let mut machine = Program::current().machine(witness.input);
    let first_call = loop {
        match machine.run(steps) {
            surety_vm::Stop::Read(_) => break machine.steps(),
            stop => ensure!(false, "no READ before {stop:?}"),
        }
    };
    chosen.insert(first_call);
    let mut machine = Program::current().machine(witness.input);
    let mut tree = MemoryTree::new(machine.memory_mut());
    let mut classes: BTreeMap<&str, Class> = BTreeMap::new();
    for step in chosen {
        run_to(&mut machine, &host, step)?;
        tree.update(machine.memory_mut());
        let (bytes, asks) = witness::witness(&machine, &tree);
        if let Some(request) = &asks {
            referee.load(&host, request)?;
        }
        let judged = referee.step(&bytes)?;
        let class = classes.entry(class(&machine)).or_default();
        class.steps += 1;
        class.sum += judged.gas;
        class.most = class.most.max(judged.gas);
        class.bytes = class.bytes.max(bytes.len());
    }
    let longest = classes.values().map(|class| class.bytes).max();
    let worst = classes.values().map(|class| class.most).max();
    let classes: BTreeMap<_, _> = classes
        .into_iter()
        .map(|(name, c)| (name, json!({ "steps": c.steps, "mean": c.sum / c.steps, "most": c.most, "bytes": c.bytes })))
        .collect();
    Ok(json!({ "witnessBytes": longest, "mostGas": worst, "gas": classes, "preimages": preimages(&mut referee)? }))
}

/// Gas of loading one part of each kind of value, of bytes without zeros.
fn preimages(referee: &mut Referee) -> Result<Value> {
    let mut of = |length: usize| referee.load_keccak(&vec![0xa5; length], 0);
    let (header, node, page, code) = (of(600)?, of(532)?, of(4097)?, of(24_576)?);
    let mut blob = Blob::ZERO;
    blob.iter_mut().enumerate().filter(|(n, _)| n % 32 != 0).for_each(|(n, byte)| *byte = n as u8);
    let element = referee.load_blob_element(&prove_element(&blob, 1445).context("a blob")?)?;
    Ok(
        json!({ "trieNode532": node, "header600": header, "calldataPage4097": page, "code24576": code, "blobElement": element }),
    )
}
