//! The project's chores: tests, artifacts, the RISC-V check.
//!
//! `cargo xtask test` installs what the tests need into the project's own folders (or by the system's package manager,
//! where there is no other way) and runs every suite, each a [`suite::Suite`]; it ends with one line of counts and exits 1
//! when anything failed.

mod guest;
mod riscv;
mod suite;
mod tools;
mod zkvm;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};

#[derive(Parser)]
#[command(about = "The project's chores")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what the tests need and run every suite.
    Test {
        /// Also the slow suites that CI leaves to the night.
        #[arg(long)]
        all: bool,
        /// Only the suites with these names.
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
    },
    /// Install what the tests need, and stop.
    Tools,
    /// Compile the contracts and write `contracts/artifacts` (or compare with them).
    Artifacts {
        /// Fail on a difference instead of writing.
        #[arg(long)]
        check: bool,
    },
    /// Build the program that decides disputes and write `guest/program.elf` (or compare with it).
    Guest {
        /// Fail on a difference instead of writing.
        #[arg(long)]
        check: bool,
    },
    /// Compile for RISC-V, and compare what batches decode to there and here.
    Riscv,
}

/// The root of the project: the folder above this crate's.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_path_buf()
}

fn main() -> Result<()> {
    if let Some(status) = riscv::wrapped_compiler() {
        std::process::exit(status?.code().unwrap_or(1));
    }
    let shell = tools::Shell::loud(root());
    match Arguments::parse().command {
        Command::Test { all, only } => suite::test(&shell, all, &only),
        Command::Tools => tools::install(&shell),
        Command::Artifacts { check } => {
            tools::npm(&shell, "contracts")?;
            suite::artifacts(&shell, check).context("compile the contracts")
        }
        Command::Guest { check } => guest::run(&shell, check),
        Command::Riscv => riscv::check(&shell),
    }
}
