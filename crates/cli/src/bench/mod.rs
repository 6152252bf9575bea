//! Measurements: `surety bench …`. Figures are printed as one JSON object on the last line.

mod batch;
mod consensus;
mod failover;
mod growth;
mod load;
mod machine;

use anyhow::Result;

/// What to measure.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Transfers from many senders, or one after the other, against any Ethereum RPC endpoint.
    Load(load::Arguments),
    /// Seats in processes of their own, of which the leader is killed: how long until the next final block.
    Failover(failover::Arguments),
    /// Committees in this process: blocks a second, time to finality and what they cost, without and with execution.
    Consensus(consensus::Arguments),
    /// Bytes a transaction in batches, by column, and how fast they are encoded and decoded, beside brotli.
    Batch(batch::Arguments),
    /// The program on the machine that L1 judges: instructions, speed, commitments to its trace, gas of a step.
    Vm(machine::Arguments),
    /// Memory and disk of seats as processes under a steady load, for a while (Linux).
    Growth(growth::Arguments),
}

pub(crate) async fn run(command: Command) -> Result<()> {
    match command {
        Command::Load(arguments) => load::run(arguments).await,
        Command::Failover(arguments) => failover::run(arguments).await,
        Command::Consensus(arguments) => consensus::run(arguments).await,
        Command::Batch(arguments) => batch::run(arguments).await,
        Command::Vm(arguments) => machine::run(&arguments),
        Command::Growth(arguments) => growth::run(arguments).await,
    }
}
