//! `surety journal`: move what a vote key has signed to another machine.

use anyhow::{Context, Result, bail};
use std::{
    fs::File,
    io::{BufReader, BufWriter, Write},
    path::PathBuf,
};
use surety_node::signer::{Interchange, InterchangeError, Journal};

/// Longest file that is read: some millions of records.
const MAX_BYTES: u64 = 2 << 30;

/// Subcommands of `surety journal`. The node that uses the journal must be stopped.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Write everything that a journal holds as JSON. Afterwards never run a node on that journal again.
    Export {
        /// The journal, a file in the node's directory.
        #[arg(long)]
        journal: PathBuf,
        /// Where to write; must not exist.
        #[arg(long)]
        to: PathBuf,
    },
    /// Add an export to a journal, which is made if it is not there; it then refuses whatever contradicts either.
    Import {
        /// The journal.
        #[arg(long)]
        journal: PathBuf,
        /// An export.
        #[arg(long)]
        from: PathBuf,
    },
}

pub(crate) fn run(command: Command) -> Result<()> {
    match command {
        Command::Export { journal, to } => {
            let export = Interchange::of(&Journal::open_existing(&journal)?);
            let file = File::create_new(&to).with_context(|| format!("{} cannot be made anew", to.display()))?;
            let mut out = BufWriter::new(file);
            serde_json::to_writer_pretty(&mut out, &export)?;
            out.flush()?;
            out.get_ref().sync_all()?;
            println!("{} records of key {} in {}", export.len(), export.address(), to.display());
            println!("Run no node on {} any more: what it signs from now on is not in the export.", journal.display());
        }
        Command::Import { journal, from } => {
            let file = File::open(&from).with_context(|| format!("open {}", from.display()))?;
            if file.metadata()?.len() > MAX_BYTES {
                bail!("{} is longer than {MAX_BYTES} bytes, which no export is", from.display());
            }
            let import: Interchange = serde_json::from_reader(BufReader::new(file))
                .with_context(|| format!("{} is not an export of a signing journal", from.display()))?;
            match import.import_at(&journal) {
                Ok(()) => println!("{} records of key {} are in {}", import.len(), import.address(), journal.display()),
                Err(error @ InterchangeError::Conflicts(_)) => {
                    bail!("{error}. The records that do not contradict are in {}", journal.display())
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}
