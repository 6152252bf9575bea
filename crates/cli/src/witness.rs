//! `surety witness`: everything that the program asks for a block, in one file, from a follower's own database.

use crate::{dev::read_chain, follow::open_archive};
use anyhow::{Context as _, Result};
use std::path::PathBuf;
use surety_prove::Program;
use surety_types::L2Height;

/// Options of `surety witness`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The block; its batch is on L1.
    height: u64,
    /// The chain file.
    #[arg(long)]
    chain: PathBuf,
    /// Directory of a follower that does not run now.
    #[arg(long, default_value = "surety-follower")]
    data_dir: PathBuf,
    /// The file to write; `<height>.witness` by default.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Do not run the program over it.
    #[arg(long)]
    unchecked: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let chain = read_chain(&arguments.chain)?;
    let archive = open_archive(&arguments.data_dir, 0)?;
    let height = L2Height::new(arguments.height);
    let (witness, hash) = surety_node::witness::witness(&chain, &arguments.data_dir, &archive, height).await?;
    let path = arguments.out.unwrap_or_else(|| format!("{height}.witness").into());
    let bytes = witness.encode();
    std::fs::write(&path, &bytes).with_context(|| format!("write {}", path.display()))?;
    println!("block: {height} {hash}");
    println!("input: {}", witness.input);
    println!("witness: {} ({} bytes)", path.display(), bytes.len());
    if !arguments.unchecked {
        let input = witness.input;
        let ended = tokio::task::spawn_blocking(move || Program::current().run(witness)).await??;
        anyhow::ensure!(
            ended.says(input, hash),
            "THE PROGRAM SAYS SOMETHING ELSE: {ended:?}; report it with the witness"
        );
        println!("program: says so too, in {} steps", ended.steps);
    }
    Ok(())
}
