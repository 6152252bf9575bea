//! The program's committed form: `guest/program.elf`, only what the machine loads, and `guest/program.json`, by which one
//! knows it and makes it again.
//!
//! The name of a program is the hash of its bytes, so whoever rebuilds it must get the same bytes. That takes the same
//! compiler and linker, which the JSON names; another folder, user or time makes no difference.

use crate::{
    riscv::{self, Programs},
    tools::Shell,
};
use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use sha3::Keccak256;
use std::path::PathBuf;

/// Bytes of an ELF header (64 bits), and of one program header.
const HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;
/// Kind of a program header: something to load.
const LOAD: u64 = 1;
/// Flag of a program header: something to execute.
const EXECUTE: u64 = 1;
/// What the compiler puts where nothing may arrive (`unimp`, which reads a register that the machine does not have, and
/// `ebreak`): the machine traps there.
const TRAPS: [u32; 2] = [0xc000_1073, 0x0010_0073];

/// A little-endian number of an ELF.
fn number(elf: &[u8], at: usize, bytes: usize) -> Result<u64> {
    let bytes = elf.get(at..at + bytes).context("the ELF is cut off")?;
    Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// An ELF without what is not loaded: sections, symbols, notes of compiler and linker.
fn loaded(elf: &[u8]) -> Result<Vec<u8>> {
    let (first, count) = (number(elf, 32, 8)? as usize, number(elf, 56, 2)? as usize);
    ensure!(first == HEADER, "the linker put the program headers somewhere else");
    let mut end = HEADER + count * PROGRAM_HEADER;
    for header in (0..count).map(|index| first + index * PROGRAM_HEADER) {
        if number(elf, header, 4)? == LOAD {
            end = end.max((number(elf, header + 8, 8)? + number(elf, header + 32, 8)?) as usize);
        }
    }
    let mut loaded = elf.get(..end).context("the ELF is cut off")?.to_vec();
    // No section headers: their place, their number and the index of their names.
    loaded[40..48].fill(0);
    loaded[60..64].fill(0);
    Ok(loaded)
}

/// Whether the machine has this instruction: RV64IM, and traps on purpose.
fn is_known(word: u32) -> bool {
    let (three, seven) = (word >> 12 & 7, word >> 25);
    match word & 0x7f {
        0x37 | 0x17 | 0x6f => true,
        0x67 | 0x0f => three == 0,
        0x63 => !matches!(three, 2 | 3),
        0x03 => three != 7,
        0x23 => three < 4,
        0x13 => match three {
            1 => word >> 26 == 0,
            5 => matches!(word >> 26, 0 | 0x10),
            _ => true,
        },
        0x1b => match three {
            1 => seven == 0,
            5 => matches!(seven, 0 | 0x20),
            _ => three == 0,
        },
        0x33 => matches!((seven, three), (0 | 1, _) | (0x20, 0 | 5)),
        0x3b => matches!((seven, three), (0, 0 | 1 | 5) | (0x20, 0 | 5) | (1, 0 | 4..)),
        _ => word == 0x73 || TRAPS.contains(&word),
    }
}

/// Fails if what an ELF has to execute holds anything else.
fn check_instructions(elf: &[u8]) -> Result<()> {
    let (first, count) = (number(elf, 32, 8)? as usize, number(elf, 56, 2)? as usize);
    for header in (0..count).map(|index| first + index * PROGRAM_HEADER) {
        let (kind, flags) = (number(elf, header, 4)?, number(elf, header + 4, 4)?);
        if kind != LOAD || flags & EXECUTE == 0 {
            continue;
        }
        let (from, address) = (number(elf, header + 8, 8)? as usize, number(elf, header + 16, 8)?);
        let code = elf.get(from..from + number(elf, header + 32, 8)? as usize).context("the ELF is cut off")?;
        for (index, bytes) in (0u64..).zip(code.chunks(4)) {
            let word = number(bytes, 0, 4).context("code that is not whole words")? as u32;
            ensure!(is_known(word), "the machine has no instruction {word:#010x}, at {:#x}", address + 4 * index);
        }
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("0x".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// The program as it is committed, and its description.
fn committed_form(programs: &Programs) -> Result<(Vec<u8>, serde_json::Value)> {
    let path = programs.folder.join("surety-guest-program");
    let elf = loaded(&std::fs::read(&path).with_context(|| format!("read {}", path.display()))?)?;
    check_instructions(&elf)?;
    let description = json!({
        "sha256": hex(&Sha256::digest(&elf)),
        "keccak256": hex(&Keccak256::digest(&elf)),
        "entry": format!("{:#x}", number(&elf, 24, 8)?),
        "bytes": elf.len(),
        "compiler": programs.compiler,
        "linker": programs.linker,
    });
    Ok((elf, description))
}

fn paths(shell: &Shell) -> (PathBuf, PathBuf) {
    let guest = shell.root.join("guest");
    (guest.join("program.elf"), guest.join("program.json"))
}

/// Builds the program and writes its committed form, or compares with it.
pub(crate) fn run(shell: &Shell, check: bool) -> Result<()> {
    let programs = riscv::build(shell)?;
    if check {
        return compare(shell, &programs);
    }
    let (elf, description) = committed_form(&programs)?;
    let (elf_path, description_path) = paths(shell);
    std::fs::write(&elf_path, elf).with_context(|| format!("write {}", elf_path.display()))?;
    std::fs::write(&description_path, format!("{description:#}\n"))
        .with_context(|| format!("write {}", description_path.display()))?;
    shell.say(&format!("wrote {} and {}: {description:#}", elf_path.display(), description_path.display()));
    Ok(())
}

/// Compares the committed program with what was built, if the same compiler and linker built it.
pub(crate) fn compare(shell: &Shell, programs: &Programs) -> Result<()> {
    let (elf_path, description_path) = paths(shell);
    let (elf, description) = committed_form(programs)?;
    let committed = std::fs::read(&elf_path).with_context(|| format!("read {}", elf_path.display()))?;
    let text =
        std::fs::read_to_string(&description_path).with_context(|| format!("read {}", description_path.display()))?;
    let recorded: serde_json::Value = serde_json::from_str(&text).context("read program.json")?;
    ensure!(
        recorded["sha256"] == hex(&Sha256::digest(&committed)),
        "guest/program.elf is not the one that guest/program.json describes: run `cargo xtask guest`"
    );
    if (&recorded["compiler"], &recorded["linker"]) != (&description["compiler"], &description["linker"]) {
        shell.say(&format!(
            "NOT REPRODUCED: guest/program.elf was made by {} and {}; here are {} and {}. It was not compared.",
            recorded["compiler"], recorded["linker"], description["compiler"], description["linker"]
        ));
        return Ok(());
    }
    if elf != committed {
        bail!("guest/program.elf is not what its sources make: run `cargo xtask guest` and commit what it writes");
    }
    shell.say(&format!("reproduced guest/program.elf: sha256 {}", description["sha256"]));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_program_is_described_and_runs_on_the_machine() {
        let guest = crate::root().join("guest");
        let elf = std::fs::read(guest.join("program.elf")).unwrap();
        let text = std::fs::read_to_string(guest.join("program.json")).unwrap();
        let description: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(description["sha256"], hex(&Sha256::digest(&elf)));
        assert_eq!(description["keccak256"], hex(&Keccak256::digest(&elf)));
        assert_eq!(description["entry"], format!("{:#x}", number(&elf, 24, 8).unwrap()));
        assert_eq!(loaded(&elf).unwrap(), elf, "nothing is left to leave out");
        check_instructions(&elf).unwrap();
    }

    #[test]
    fn what_the_machine_has_not_is_found() {
        let known = [0x0000_0073, 0x0005_0513, 0x02b5_0533, 0x0000_100f & !0x7000, 0xc000_1073];
        assert!(known.into_iter().all(is_known));
        // c.nop twice, amoadd.w, fadd.s, csrrs, fence.i, andn, shamt of 64 bits in slliw.
        let foreign = [0x0001_0001, 0x00b5_252f, 0x00b5_7553, 0xc000_2573, 0x0000_100f, 0x40b5_7533, 0x0205_151b, 0];
        assert!(!foreign.into_iter().any(is_known));
    }
}
