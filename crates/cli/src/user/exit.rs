//! `surety exit`: out of a chain that nobody carries on any more, by proofs alone (protocol §10).
//!
//! Needs L1 and its blobs, and nobody of L2: a follower in this process derives the chain from what L1 has. When no claim has
//! become final for `escapeDelay`, anyone may end the chain on its last final claim; this does so if nobody did. Then all that this
//! state owes to the account is paid, each thing once: its ether, its tokens of the factory, deposits that never arrived, and
//! withdrawals that were begun before. What is not the account's own (held by contracts on L2) is out of reach.

mod derive;
mod owed;
mod pay;

use super::{Account, Manner, Place, Session, Waiting, due, l2::L2, step};
use alloy_primitives::{Address, B256, U256};
use anyhow::{Context, Result, bail, ensure};
use derive::Derived;
use owed::Owed;
use serde_json::{Value, json};
use std::path::PathBuf;
use surety_contracts::{
    bindings::Bridge::{openEscapeCall, proveConsumptionCall},
    genesis::predeploys::L1_BLOCK,
};
use surety_l1::{BlockAt, records::Records};
use surety_types::{MessageIndex, claim::Claim};

/// Slot of the count of consumed messages in `L1Block`.
const MESSAGE_COUNT_SLOT: B256 = B256::with_last_byte(9);

/// Options of `surety exit`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Beacon API of L1, or an archive of blobs in its form; may be repeated.
    #[arg(long, required = true)]
    l1_beacon: Vec<String>,
    #[command(flatten)]
    account: Account,
    #[command(flatten)]
    manner: Manner,
    /// Where to derive the chain; a folder of `surety follow` that no process uses will do.
    #[arg(long, default_value = "surety-follower")]
    follower_dir: PathBuf,
    /// Who is paid on L1; the account itself by default.
    #[arg(long)]
    to: Option<Address>,
    /// A token of L2 that the account holds, besides those that are found; may be repeated.
    #[arg(long)]
    token: Vec<Address>,
    /// Wait until the escape opens.
    #[arg(long)]
    wait: bool,
}

/// The claim that the chain has ended on, or would end on now.
#[derive(Debug, Clone, Copy)]
struct End {
    claim: Claim,
    /// From when the chain may end on it, in Unix seconds; `None`: it has ended.
    from: Option<u64>,
    /// L1's time, in Unix seconds.
    now: u64,
    /// What was shown to L1 of the messages consumed.
    consumed: Option<MessageIndex>,
}

impl End {
    fn is_open(&self) -> bool {
        self.from.is_none_or(|from| from <= self.now)
    }
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let archive = arguments.follower_dir.join("blobs");
    let place = (&arguments.place, &arguments.account);
    let session = Session::with_blobs(place, arguments.manner, &arguments.l1_beacon, &archive).await?;
    let account = session.address()?;
    let mut end = find_end(&session).await?;
    if !end.is_open() && !arguments.wait && !arguments.manner.dry_run {
        return closed(&session, &end);
    }
    let derived = Derived::start(&session, arguments.follower_dir.clone()).await?;
    let outcome = async {
        if !end.is_open() && !arguments.manner.dry_run {
            end = wait_until_open(&session).await?;
        }
        let l2 = derived.reach(&session, &end.claim).await?;
        if end.from.is_some() {
            end = open(&session, &l2, end).await?;
        }
        let owed = Owed::find(&session, &l2, &end.claim, account, &arguments.token).await?;
        show_consumption(&session, &l2, &end, &owed).await?;
        pay::all(&session, &l2, &end, &owed, arguments.to.unwrap_or(account)).await
    }
    .await;
    derived.stop().await;
    outcome
}

/// The last final claim, or the one that the chain has ended on.
async fn find_end(session: &Session) -> Result<End> {
    let mut records = Records::new(&*session.l1, &session.chain).await?;
    let (contracts, at) = records.contracts();
    let now = records.head().time.get();
    if let Some(ending) = contracts.ending(at).await? {
        let claim = records.claim(ending.claim).await?;
        let claim = claim.with_context(|| format!("L1's endpoint knows no claim {}: use another", ending.claim))?;
        return Ok(End { claim, from: None, now, consumed: ending.consumed });
    }
    let claim = records.last_final().await?;
    let from = contracts.ends_from(claim.id(), at).await?.get();
    Ok(End { claim, from: Some(from), now, consumed: None })
}

/// Says that the chain lives.
fn closed(session: &Session, end: &End) -> Result<()> {
    let from = end.from.unwrap_or_default();
    let text = format!(
        "the chain has not ended. Its last final claim is of batch {}; if none becomes final after it, the escape opens {}. \
         With --wait this waits for it; while sequencers work, or anyone self-sequences and claims, `surety withdraw` is the way out",
        end.claim.batch_index,
        due(from, end.now)
    );
    session.conclude(&text, json!({ "open": false, "opensAt": from, "now": end.now, "claim": end.claim.id() }));
    bail!("the escape is not open");
}

async fn wait_until_open(session: &Session) -> Result<End> {
    let mut waiting = Waiting::default();
    loop {
        let end = find_end(session).await?;
        if end.is_open() {
            return Ok(end);
        }
        let from = end.from.unwrap_or_default();
        let (batch, when) = (end.claim.batch_index, due(from, end.now));
        let text = format!(
            "the last final claim is of batch {batch}; if none becomes final after it, the escape opens {when}"
        );
        waiting.says(&batch.to_string(), &text);
        tokio::time::sleep(session.pause(from.saturating_sub(end.now))).await;
    }
}

/// Ends the chain; others may be first.
async fn open(session: &Session, l2: &L2, end: End) -> Result<End> {
    if session.manner.dry_run && !end.is_open() {
        step(&format!("the escape opens {}", due(end.from.unwrap_or_default(), end.now)));
        return Ok(end);
    }
    let (_, header) = l2.header(end.claim.last_hash).await?;
    let call = openEscapeCall { last: (&end.claim).into(), header };
    let outcome = session.send("opening the escape", session.chain.addresses.bridge, U256::ZERO, &call).await;
    if session.manner.dry_run {
        return outcome.map(|_| end);
    }
    let found = find_end(session).await?;
    match outcome {
        Err(error) if found.from.is_some() => Err(error),
        _ => {
            ensure!(
                found.claim == end.claim,
                "the chain ended on another claim than it was to: start again, so that its state is derived"
            );
            Ok(found)
        }
    }
}

/// Shows L1 how many messages the last final state has consumed, if nobody did.
async fn show_consumption(session: &Session, l2: &L2, end: &End, owed: &Owed) -> Result<()> {
    if end.consumed.is_some() || owed.messages.is_empty() || !pay::is_possible(session, end) {
        return Ok(());
    }
    let proof = l2.proof(L1_BLOCK, vec![MESSAGE_COUNT_SLOT], end.claim.last_hash).await?;
    let call = proveConsumptionCall {
        accountProof: owed::nodes(&proof.account_proof),
        slotProof: owed::slot_nodes(&proof, 0)?,
    };
    let outcome = session.send("showing what was consumed", session.chain.addresses.bridge, U256::ZERO, &call).await;
    if outcome.is_err()
        && let Some(ending) = session.contracts().ending(BlockAt::Latest).await?
        && ending.consumed.is_some()
    {
        // Somebody else was first.
        return Ok(());
    }
    outcome.map(|_| ())
}

/// One thing that was paid, or would be.
#[derive(Debug, Clone)]
struct Paid {
    text: String,
    json: Value,
}
