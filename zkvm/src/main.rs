//! `surety-zkvm ELF HINT`: runs a program in SP1's executor, not its prover, with one hint, and prints what it said aloud and how many
//! cycles it took. `cargo xtask test --all` compares that with what the same file says on our machine.

use alloy_primitives::hex;
use anyhow::{Context as _, Result, anyhow, bail};
use sp1_sdk::{
    Elf, SP1Stdin,
    blocking::{Prover as _, ProverClient},
};
use std::path::Path;

fn read(path: &str) -> Result<Vec<u8>> {
    std::fs::read(Path::new(path)).with_context(|| format!("read {path}"))
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [elf, hint] = &arguments[..] else { bail!("give an ELF file and a hint's file") };
    let elf = Elf::Dynamic(read(elf)?.into());
    let mut stdin = SP1Stdin::new();
    stdin.write_slice(&read(hint)?);
    let client = ProverClient::builder().light().build();
    let (public_values, report) = client.execute(elf, stdin).run().map_err(|error| anyhow!("{error}"))?;
    println!("exit: {}", report.exit_code);
    println!("cycles: {}", report.total_instruction_count());
    println!("public values: {}", hex::encode_prefixed(public_values.as_slice()));
    Ok(())
}
