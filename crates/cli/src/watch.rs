//! `surety watch`: a watchtower, and the rewards it earned.

use crate::{
    dev::{check_l1, read_chain},
    follow::cross_check,
    interrupted, keys,
};
use alloy::signers::local::PrivateKeySigner;
use alloy_primitives::{Address, utils::format_ether};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::{path::PathBuf, sync::Arc, time::Duration};
use surety_contracts::ChainFile;
use surety_l1::{
    L1, several,
    submit::{SubmitConfig, Submitter},
};
use surety_watch::{
    Policy, WatchConfig, Watchtower,
    audit::{Entry, Happened},
    court::Court,
    faults::Evidence,
    watchtower,
};
use tokio::sync::broadcast;

/// Options of `surety watch`.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    run: Run,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Take the rewards of an account's reports. Stop the watchtower of this data folder first.
    Withdraw(Withdraw),
}

/// The chain and who pays.
#[derive(clap::Args)]
struct Common {
    /// The chain file.
    #[arg(long)]
    chain: Option<PathBuf>,
    /// RPC endpoint of L1; may be repeated. One is used, the next when it fails; the others are asked whether they say the same.
    #[arg(long)]
    l1: Vec<String>,
    /// Everything that lasts: what was heard, cases, the audit log, transactions underway.
    #[arg(long, default_value = "surety-watch")]
    data_dir: PathBuf,
    /// Keystore of the account that pays for reports and earns the rewards; it needs ether on L1.
    #[arg(long, conflicts_with = "dev_account")]
    keystore: Option<PathBuf>,
    /// File with the keystore's password; otherwise the file that SURETY_PASSWORD_FILE names, or it is asked for.
    #[arg(long, requires = "keystore")]
    password_file: Option<PathBuf>,
    /// Use this account of the well-known test mnemonic (development networks only).
    #[arg(long)]
    dev_account: Option<usize>,
}

#[derive(clap::Args)]
struct Run {
    #[command(flatten)]
    common: Common,
    /// Public feed of a seat or follower (ws:// or wss://); may be repeated.
    #[arg(long)]
    feed: Vec<String>,
    /// File with evidence, one JSON object a line, read as it grows; may be repeated.
    #[arg(long)]
    evidence: Vec<PathBuf>,
    /// Judge and estimate, send nothing. Needs no key.
    #[arg(long)]
    dry_run: bool,
    /// Report also when the reward is not above the cost of gas.
    #[arg(long)]
    always: bool,
    /// Wait up to this many seconds before a report, another time for each account, so that many watchtowers do not pay
    /// for one report.
    #[arg(long, default_value_t = 0)]
    spread: u64,
    /// How often to ask L1, in milliseconds; a quarter of a slot by default.
    #[arg(long)]
    poll: Option<u64>,
    /// Print the audit log's entries as JSON lines instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct Withdraw {
    #[command(flatten)]
    common: Common,
    /// Who gets the ether; the account itself by default.
    #[arg(long)]
    to: Option<Address>,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

impl Common {
    async fn connect(&self) -> Result<(ChainFile, Arc<dyn L1>)> {
        let chain = read_chain(self.chain.as_deref().context("name the chain file with --chain")?)?;
        ensure!(!self.l1.is_empty(), "name an RPC endpoint of L1 with --l1");
        let l1 = several::connect(&self.l1, &[], cross_check(&chain), None)?;
        check_l1(&*l1, &chain).await?;
        Ok((chain, l1))
    }

    fn signer(&self) -> Result<Option<PrivateKeySigner>> {
        let dev_account = ("dev-account", self.dev_account);
        keys::account(self.keystore.as_deref(), self.password_file.as_deref(), dev_account)
    }

    async fn submitter(&self, chain: &ChainFile, l1: &Arc<dyn L1>) -> Result<Submitter> {
        let signer = self.signer()?.context("no key to report with: name a --keystore, or use --dry-run")?;
        let slot = Duration::from_secs(chain.protocol.slot_time.max(1));
        let settings = SubmitConfig::new(self.data_dir.join("transactions")).for_slot_time(slot);
        Ok(Submitter::open(l1.clone(), Arc::new(signer), settings).await?)
    }
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    match arguments.action {
        Some(Action::Withdraw(arguments)) => withdraw(arguments).await,
        None => watch(arguments.run).await,
    }
}

async fn watch(arguments: Run) -> Result<()> {
    let Run { common, feed, evidence, dry_run, always, spread, poll, json } = arguments;
    let by_l1_alone = feed.is_empty() && evidence.is_empty();
    let (chain, l1) = common.connect().await?;
    let submitter = if dry_run { None } else { Some(Arc::new(common.submitter(&chain, &l1).await?)) };
    let poll = poll.unwrap_or_else(|| chain.protocol.slot_time.saturating_mul(250).max(200));
    let reporter = submitter.as_ref().map(|submitter| submitter.address());
    let mut tower = Watchtower::start(WatchConfig {
        chain,
        l1,
        feeds: feed,
        files: evidence,
        directory: common.data_dir,
        submitter,
        policy: Policy { always, spread: Duration::from_secs(spread) },
        poll: Duration::from_millis(poll),
    })
    .await
    .context("the watchtower did not start")?;
    let entries = tower.audit();
    match reporter {
        Some(address) => eprintln!("watching; reports are sent by {address}"),
        None => eprintln!("watching; dry run, nothing is sent"),
    }
    if by_l1_alone {
        eprintln!("no --feed: only what L1 itself shows is judged (idle seats, contradicting batches)");
    }
    let outcome = tokio::select! {
        ended = tower.ended() => ended.context("the watchtower has stopped"),
        () = show(entries, json) => Ok(()),
        interrupt = interrupted() => interrupt,
    };
    if outcome.is_ok() {
        tower.stop().await;
    }
    outcome
}

/// Prints what is judged as it comes.
async fn show(mut entries: broadcast::Receiver<Entry>, json: bool) {
    loop {
        match entries.recv().await {
            Ok(entry) if json => match serde_json::to_string(&entry) {
                Ok(line) => say!("{line}"),
                Err(error) => tracing::error!(%error, "an entry cannot be shown"),
            },
            Ok(entry) => say!("{}", line(&entry)),
            // The file has all of them.
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

/// One entry for people.
pub(crate) fn line(entry: &Entry) -> String {
    let about = &entry.about;
    let what = match &entry.happened {
        Happened::Found { evidence: Evidence::Equivocation(pair) } => {
            let kinds = (pair.first.statement.kind(), pair.second.statement.kind());
            format!("found: {:?} and {:?} at {}", kinds.0, kinds.1, pair.first.statement.place())
        }
        Happened::Found { evidence: Evidence::Idle(idleness) } => format!("found: idle for {} s", idleness.seconds),
        Happened::Acquitted { why, seconds } => format!("not idle, others were for {seconds} s: {why}"),
        Happened::Judged { penalty } => format!("guilty: the penalty is {} ETH", format_ether(*penalty)),
        Happened::Refused { why } => format!("refused: {why}"),
        Happened::Estimated { estimate, cost, decision } => {
            format!(
                "reward {} ETH, gas {} for {} ETH: {decision}",
                format_ether(estimate.reward),
                estimate.gas,
                format_ether(*cost)
            )
        }
        Happened::Sent { nonce } => format!("report sent (nonce {nonce})"),
        Happened::Slashed { own: true, transaction, gas_used, block } => format!(
            "slashed in L1 block {block} by transaction {} with {} gas",
            transaction.unwrap_or_default(),
            gas_used.unwrap_or_default()
        ),
        Happened::Slashed { block, .. } => format!("slashed by another's report, seen at L1 block {block}"),
        Happened::Lost { transaction, .. } => format!("another was first; our {transaction} reverted"),
        Happened::Failed { why } => format!("to be tried again: {why}"),
        Happened::Reopened {} => "L1 took the penalty back: reported again".into(),
    };
    format!("L1 {} · seat {} · term {} · {what}", entry.l1_block, about.seat, about.term)
}

async fn withdraw(arguments: Withdraw) -> Result<()> {
    let Withdraw { common, to, json } = arguments;
    let (chain, l1) = common.connect().await?;
    // Two processes must not use one account's journal.
    let _lock = watchtower::lock(&common.data_dir)?;
    let submitter = common.submitter(&chain, &l1).await?;
    let to = to.unwrap_or_else(|| submitter.address());
    let paid = Court::new(l1, &chain).withdraw(&submitter, to).await?;
    match (paid, json) {
        (None, true) => println!("{}", json!({ "withdrawn": "0" })),
        (None, false) => println!("{} has no rewards to withdraw", submitter.address()),
        (Some((wei, included)), true) => {
            println!("{}", json!({ "withdrawn": wei.to_string(), "to": to, "transaction": included.transaction }));
        }
        (Some((wei, included)), false) => {
            println!("{} ETH to {to} by transaction {}", format_ether(wei), included.transaction);
        }
    }
    Ok(())
}
