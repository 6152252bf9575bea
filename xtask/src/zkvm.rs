//! The program in a zkVM of others: of the same hint, SP1's executor must hear what our machine hears.

use crate::{
    suite,
    tools::{self, Shell},
};
use anyhow::{Context, Result, ensure};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Blocks that the witnesses are of.
const BLOCKS: [&str; 3] = ["transfers", "tokens", "blob"];
/// Flags of a hint (`surety_stf::witness`), big endian: plain code, and the zkVM's cryptographic calls.
const FLAGS: [u64; 2] = [0, 1];

/// Builds the host and compares. The compiler takes a quarter of an hour.
pub(crate) fn check(shell: &Shell) -> Result<()> {
    let witnesses = tempfile::tempdir().context("make a folder for witnesses")?;
    let written = ["--run-ignored", "only", "-E", "package(surety-stf) and binary(witnesses)"];
    suite::nextest(shell, &written, &[("SURETY_WITNESSES", witnesses.path().as_os_str())])?;
    // A build script of SP1 wants it, with the messages that are everybody's.
    if !tools::exists("protoc") {
        tools::debian(shell, &["protobuf-compiler", "libprotobuf-dev"])?;
    }
    let folder = shell.root.join("zkvm");
    shell.run(&folder, "cargo", &["build", "--locked", "--release"])?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| folder.join("target"), PathBuf::from);
    let (theirs, ours) = (target.join("release/surety-zkvm"), suite::program(shell));
    let elf = shell.root.join("guest/program.elf");
    for block in BLOCKS {
        let path = witnesses.path().join(format!("{block}.witness"));
        let witness = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        let hint = |name: &str, flags: u64, witness: &[u8]| -> Result<PathBuf> {
            let path = witnesses.path().join(name);
            std::fs::write(&path, [&flags.to_be_bytes()[..], witness].concat())?;
            Ok(path)
        };
        let plain = hint("plain", 0, &witness)?;
        let run = said(Command::new(&ours).args(["vm", "run"]).arg(&elf).arg("--input").arg(&plain))?;
        let here = line(&run, "public values")?;
        for flags in FLAGS {
            let hint = hint("hint", flags, &witness)?;
            let run = said(Command::new(&theirs).args([&elf, &hint]))?;
            let (there, cycles) = (line(&run, "public values")?, line(&run, "cycles")?);
            ensure!(here == there, "{block}, flags {flags}: our machine hears {here}, SP1's executor {there}");
            shell.say(&format!("{block}, flags {flags}: {there} after {cycles} cycles"));
        }
        // So that a comparison that cannot fail would be noticed.
        let mut damaged = witness;
        damaged.last_mut().map(|byte| *byte ^= 1).context("an empty witness")?;
        let damaged = hint("damaged", 0, &damaged)?;
        let run = said(Command::new(&theirs).args([&elf, &damaged]))?;
        ensure!(
            line(&run, "public values").is_err(),
            "{block}: SP1's executor takes a witness of which a byte was changed"
        );
    }
    Ok(())
}

/// What a program prints. It must end well.
fn said(command: &mut Command) -> Result<String> {
    let program = Path::new(command.get_program()).display().to_string();
    let output = command.output().with_context(|| format!("start {program}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} ended with {}: {errors}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What stands after a name, unless it is nothing.
fn line<'a>(text: &'a str, name: &str) -> Result<&'a str> {
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    found.filter(|value| *value != "0x").with_context(|| format!("it does not say its {name}: {text}"))
}
