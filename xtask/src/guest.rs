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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("0x".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// The program as it is committed, and its description.
fn committed_form(programs: &Programs) -> Result<(Vec<u8>, serde_json::Value)> {
    let path = programs.folder.join("surety-guest-program");
    let elf = loaded(&std::fs::read(&path).with_context(|| format!("read {}", path.display()))?)?;
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
