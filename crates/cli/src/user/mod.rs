//! What users do with the chain: bring ether and tokens in, take them out, and have their way through L1.
//!
//! | command | module | does |
//! |---|---|---|
//! | `surety deposit` | `deposit` | ether or tokens to L2 |
//! | `surety force` | `force` | a transaction through L1 that no sequencer can leave out; self-sequencing |
//! | `surety withdraw` | `withdraw` | out again: begins on L2, is proved and paid on L1 |
//! | `surety exit` | `exit` | out of a chain that has ended, by proofs from L1's data alone |
//!
//! Progress goes to standard error as text, the outcome to standard output, as text or as one JSON object. Nothing is kept but the
//! journals of what was sent: where something stands is asked of L1 and L2 each time, so that whatever was interrupted goes on
//! from the transaction's hash.

pub(crate) mod amount;
pub(crate) mod deposit;
pub(crate) mod exit;
pub(crate) mod force;
mod l2;
mod message;
mod prove;
mod tokens;
pub(crate) mod withdraw;

use crate::{
    dev::{check_l1, read_chain},
    follow::cross_check,
    keys,
};
use alloy::{signers::local::PrivateKeySigner, sol_types::SolCall};
use alloy_primitives::{Address, Bytes, TxKind, U256, utils::format_ether};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use surety_contracts::ChainFile;
use surety_l1::{
    BlockAt, BlockRef, Call, L1, L1Error,
    blobs::Archive,
    chain::L1Log,
    contracts::Contracts,
    several,
    submit::{Included, Outgoing, SubmitConfig, Submitter},
};

/// How often one thing that is waited for is told of.
const REMINDER: Duration = Duration::from_secs(3_600);

/// The chain and its L1.
#[derive(clap::Args)]
pub(crate) struct Place {
    /// The chain file.
    #[arg(long)]
    chain: PathBuf,
    /// RPC endpoint of L1; further ones are asked when it does not answer.
    #[arg(long, required = true)]
    l1: Vec<String>,
}

/// Whose money it is.
#[derive(clap::Args)]
pub(crate) struct Account {
    /// Keystore of the account (Web3 secret storage, version 3); it pays L1's gas.
    #[arg(long, conflicts_with = "dev_account")]
    keystore: Option<PathBuf>,
    /// File with the keystore's password; otherwise the file that SURETY_PASSWORD_FILE names, or it is asked for.
    #[arg(long, requires = "keystore")]
    password_file: Option<PathBuf>,
    /// Use this account of the well-known test mnemonic (development networks only).
    #[arg(long)]
    dev_account: Option<usize>,
    /// Where to journal the account's transactions until they are settled.
    #[arg(long, default_value = "surety-user")]
    data_dir: PathBuf,
}

/// How to go about it.
#[derive(clap::Args, Clone, Copy)]
pub(crate) struct Manner {
    /// Say what would be sent, what it would cost, and whether L1 would take it; send nothing.
    #[arg(long)]
    dry_run: bool,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// A chain, its L1, and perhaps an account.
pub(crate) struct Session {
    chain: ChainFile,
    l1: Arc<dyn L1>,
    key: Option<PrivateKeySigner>,
    data_dir: PathBuf,
    manner: Manner,
    started: Instant,
}

impl Account {
    fn signer(&self) -> Result<Option<PrivateKeySigner>> {
        let dev_account = ("dev-account", self.dev_account);
        keys::account(self.keystore.as_deref(), self.password_file.as_deref(), dev_account)
    }
}

impl Session {
    pub(crate) async fn open(place: &Place, account: &Account, manner: Manner) -> Result<Self> {
        Self::connect((place, account), manner, &[], None).await
    }

    /// As [`Session::open`], for commands that read blobs too; they are kept in a folder.
    pub(crate) async fn with_blobs(
        whose: (&Place, &Account),
        manner: Manner,
        beacons: &[String],
        folder: &Path,
    ) -> Result<Self> {
        let archive = Archive::open(folder, Archive::ALL).context("open the archive of blobs")?;
        Self::connect(whose, manner, beacons, Some(Arc::new(archive))).await
    }

    async fn connect(
        (place, account): (&Place, &Account),
        manner: Manner,
        beacons: &[String],
        archive: Option<Arc<Archive>>,
    ) -> Result<Self> {
        let chain = read_chain(&place.chain)?;
        let l1 = several::connect(&place.l1, beacons, cross_check(&chain), archive).context("endpoints of L1, --l1")?;
        check_l1(&*l1, &chain).await?;
        let key = account.signer()?;
        Ok(Self { chain, l1, key, data_dir: account.data_dir.clone(), manner, started: Instant::now() })
    }

    fn contracts(&self) -> Contracts<'_> {
        Contracts::new(&*self.l1, self.chain.addresses)
    }

    async fn head(&self) -> Result<BlockRef> {
        self.l1.block(BlockAt::Latest).await?.context("L1 has no block yet: wait for its first")
    }

    fn signer(&self) -> Result<PrivateKeySigner> {
        self.key.clone().context("whose account? Name its --keystore")
    }

    /// The account that acts.
    fn address(&self) -> Result<Address> {
        Ok(self.signer()?.address())
    }

    /// The bridge for tokens, which the chain file's genesis names.
    fn token_bridge(&self) -> Result<Address> {
        let bridge = self.chain.genesis.l1_standard_bridge;
        ensure!(!bridge.is_zero(), "this chain has no token bridge: only ether comes in and out");
        Ok(bridge)
    }

    /// Sends transactions of the account on a chain, L1 or L2.
    async fn submitter(&self, chain: &Arc<dyn L1>, name: &str, pace: Duration) -> Result<Submitter> {
        let signer = self.signer()?;
        let directory = self.data_dir.join(format!("{name}-{}", signer.address()));
        // Who is at the keyboard pays what it takes; what a message may cost is bounded by itself.
        let settings = SubmitConfig { daily_budget: U256::MAX, ..SubmitConfig::new(directory) };
        Ok(Submitter::open(chain.clone(), Arc::new(signer), settings.for_slot_time(pace)).await?)
    }

    /// Sends a call to a contract on L1 and waits until it is in a block; `None` in a dry run, which only tries it out.
    async fn send(&self, what: &str, to: Address, value: U256, call: &impl SolCall) -> Result<Option<Included>> {
        self.send_with_gas(what, to, value, call.abi_encode().into(), None).await
    }

    /// As [`Session::send`], with a gas limit where an estimate would be too low.
    async fn send_with_gas(
        &self,
        what: &str,
        to: Address,
        value: U256,
        input: Bytes,
        gas_limit: Option<u64>,
    ) -> Result<Option<Included>> {
        if self.manner.dry_run {
            return self.try_out(what, to, value, input).await.map(|()| None);
        }
        let pace = Duration::from_secs(self.chain.protocol.slot_time.max(1));
        let submitter = self.submitter(&self.l1, "l1", pace).await?;
        let outgoing = Outgoing { to: TxKind::Call(to), value, input, gas_limit, ..Default::default() };
        let ticket = submitter.send(outgoing).await.with_context(|| what.to_owned())?;
        step(&format!("{what}: sent to L1 with nonce {}", ticket.nonce));
        let included = submitter.wait(ticket).await.with_context(|| what.to_owned())?;
        let (transaction, inclusion) = (included.transaction, included.inclusion);
        ensure!(inclusion.success, "{what}: transaction {transaction} failed on L1: look at its trace, then try again");
        step(&format!(
            "{what}: in L1 block {}, transaction {transaction}, for {} ETH of gas",
            inclusion.block_number,
            format_ether(inclusion.fee)
        ));
        Ok(Some(included))
    }

    async fn try_out(&self, what: &str, to: Address, value: U256, input: Bytes) -> Result<()> {
        let call = Call { from: self.address()?, to: Some(to), value, input, ..Default::default() };
        match self.l1.estimate_gas(&call).await {
            Ok(gas) => {
                let fees = self.l1.fees().await?;
                let price = fees.base_fee.saturating_add(fees.priority_fee);
                let cost = U256::from(gas).saturating_mul(U256::from(price));
                step(&format!(
                    "{what}: would call {to} with {} ETH, {gas} gas for some {} ETH",
                    format_ether(value),
                    format_ether(cost)
                ));
                Ok(())
            }
            Err(L1Error::Reverted { revert, .. }) => bail!("{what}: would revert: {revert}"),
            Err(error) => Err(error).with_context(|| what.to_owned()),
        }
    }

    /// The logs that a transaction left at a contract.
    async fn logs_of(&self, included: &Included, address: Address) -> Result<Vec<L1Log>> {
        let number = included.inclusion.block_number;
        let mut logs = self.l1.logs(number, number, &[address]).await?;
        logs.retain(|log| log.transaction == included.transaction);
        Ok(logs)
    }

    /// Says the outcome; as JSON also how long it took, in seconds.
    fn conclude(&self, text: &str, mut json: Value) {
        if self.manner.json {
            if let Some(object) = json.as_object_mut() {
                object.insert("dryRun".into(), self.manner.dry_run.into());
                object.insert("seconds".into(), self.started.elapsed().as_secs().into());
            }
            println!("{json}");
        } else {
            println!("{text}");
        }
    }

    /// How long to pause before looking again for what takes some more seconds: L1 is not asked a thousand times a day.
    fn pause(&self, seconds: u64) -> Duration {
        Duration::from_secs((seconds / 20).min(600)).max(self.pace())
    }

    /// How often to look whether something has happened.
    fn pace(&self) -> Duration {
        Duration::from_millis(self.chain.protocol.slot_time.saturating_mul(250).clamp(200, 4_000))
    }
}

/// Says what is going on.
fn step(text: &str) {
    // Nobody may be listening.
    let _ = console::Term::stderr().write_line(text);
}

/// Says what is waited for: each thing once, and every hour.
#[derive(Default)]
struct Waiting(Option<(String, Instant)>);

impl Waiting {
    /// `thing` is what makes it the same; the text may tell of passing time too.
    fn says(&mut self, thing: &str, text: &str) {
        let said = self.0.as_ref().is_some_and(|(last, at)| last == thing && at.elapsed() < REMINDER);
        if !said {
            step(text);
            self.0 = Some((thing.to_owned(), Instant::now()));
        }
    }
}

/// A length of time for people: its largest unit and the next.
fn lasting(seconds: u64) -> String {
    let units = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];
    let largest = units.iter().position(|(_, size)| seconds >= *size).unwrap_or(units.len() - 1);
    let mut left = seconds;
    let mut parts = Vec::new();
    for (unit, size) in units.iter().skip(largest).take(2) {
        if left >= *size {
            parts.push(format!("{} {unit}", left / size));
        }
        left %= size;
    }
    if parts.is_empty() { "0 s".into() } else { parts.join(" ") }
}

/// When something will be, as seen from now: both in Unix seconds.
fn due(at: u64, now: u64) -> String {
    match at.checked_sub(now) {
        None | Some(0) => format!("at {at} (now)"),
        Some(left) => format!("at {at} (in {})", lasting(left)),
    }
}

/// Where a transaction is on L1.
fn on_l1(included: Option<&Included>) -> Value {
    included.map_or(Value::Null, |included| {
        json!({
            "transaction": included.transaction,
            "block": included.inclusion.block_number.get(),
            "gasUsed": included.inclusion.gas_used,
            "fee": included.inclusion.fee.to_string(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_their_two_largest_units() {
        for (seconds, text) in
            [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3_661, "1 h 1 min"), (552_960, "6 d 9 h"), (86_401, "1 d")]
        {
            assert_eq!(lasting(seconds), text);
        }
        assert_eq!(due(100, 40), "at 100 (in 1 min)");
        assert_eq!(due(100, 140), "at 100 (now)");
    }
}
