//! `surety challenge`: judges every claim by its own execution, opposes wrong ones on L1 and defends right ones, to the end. The same
//! as `surety follow --keeper …`, for who serves nobody.

use crate::follow::{NodeArguments, Running};
use anyhow::{Result, ensure};

/// Options of `surety challenge`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    node: NodeArguments,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    ensure!(
        arguments.node.has_account(),
        "say whose account claims and pays: --keeper KEYSTORE, or --keeper-dev-account on a development network"
    );
    let mut running = Running::start(arguments.node).await?;
    say!("challenging");
    let outcome = running.ended().await;
    running.stop().await;
    outcome
}
