//! `surety withdraw`: ether and tokens out of L2, by a proof against a final claim.
//!
//! It begins with a transaction on L2, by itself or forced through L1. All that follows can be found from that transaction's hash:
//! L2 says what it recorded and where, L1 which batch holds the block, which claim of it is final or when one will be, and what was
//! paid. So nothing is kept, and what was interrupted goes on with `--prove HASH`.

mod begin;
mod stage;

use super::{
    Account, Manner, Place, Session, Waiting,
    amount::Amount,
    l2::L2,
    lasting, on_l1,
    prove::{self, Recorded, recorded},
    step,
};
use alloy::sol_types::SolCall;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256, utils::format_ether};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use stage::{Stage, stages};
use surety_contracts::bindings::{
    Bridge::retryCall,
    L1CrossDomainMessenger::{failedMessagesCall, relayMessageCall, successfulMessagesCall},
};
use surety_l1::{
    BlockAt, L1Error,
    contracts::WithdrawalStatus,
    records::Records,
    submit::{Included, MAX_TRANSACTION_GAS},
};

/// Withdrawals that can be proved within so many seconds of each other are proved together.
const TOGETHER_WITHIN: u64 = 3_600;

/// Options of `surety withdraw`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    account: Account,
    #[command(flatten)]
    manner: Manner,
    /// RPC endpoint of L2: a sequencer, or better a follower.
    #[arg(long)]
    l2: String,
    /// How much: 1.5ether, 20gwei, 7wei; of a token 12.5 (whole ones) or 12500units.
    #[arg(required_unless_present_any = ["status", "prove", "retry"])]
    amount: Option<Amount>,
    /// Who is paid on L1; the account itself by default.
    #[arg(long)]
    to: Option<Address>,
    /// Withdraw this token of L2 instead of ether.
    #[arg(long)]
    token: Option<Address>,
    /// Begin through L1, so that no sequencer can leave it out.
    #[arg(long)]
    force: bool,
    /// The most that the message of --force may cost; by default twice its price now.
    #[arg(long, requires = "force")]
    max_fee: Option<Amount>,
    /// Only begin; prove and have it paid later with --prove.
    #[arg(long)]
    no_wait: bool,
    /// Say where the withdrawals of these transactions stand. Needs no key.
    #[arg(long, value_name = "HASH", num_args = 1.., conflicts_with_all = ["amount", "prove", "retry"])]
    status: Vec<B256>,
    /// Go on with the withdrawals of these transactions (of L2, or forced ones of L1): wait, prove, have them paid.
    #[arg(long, value_name = "HASH", num_args = 1.., conflicts_with_all = ["amount", "retry"])]
    prove: Vec<B256>,
    /// Call once more what was proven and failed, of this transaction's withdrawals.
    #[arg(long, value_name = "HASH", conflicts_with = "amount")]
    retry: Option<B256>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let session = Session::open(&arguments.place, &arguments.account, arguments.manner).await?;
    let l2 = L2::connect(&arguments.l2, &session.chain).await?;
    if !arguments.status.is_empty() {
        return status(&session, &l2, &arguments.status).await;
    }
    if let Some(hash) = arguments.retry {
        return retry(&session, &l2, hash).await;
    }
    let transactions = if arguments.prove.is_empty() {
        let Some(transaction) = begin::begin(&session, &l2, &arguments).await? else { return Ok(()) };
        if arguments.no_wait {
            session.conclude(
                &format!("begun. Go on with: surety withdraw --prove {transaction}"),
                json!({ "l2Transaction": transaction }),
            );
            return Ok(());
        }
        step(&format!("begun. If this is interrupted, go on with: surety withdraw --prove {transaction}"));
        vec![transaction]
    } else {
        arguments.prove.clone()
    };
    follow(&session, &l2, &transactions).await
}

/// The L2 transaction that a hash names: its own, or that of the message which this transaction on L1 sent.
async fn on_l2(session: &Session, l2: &L2, hash: B256) -> Result<B256> {
    if l2.receipt(hash).await?.is_some() {
        return Ok(hash);
    }
    match session.l1.inclusion(hash).await? {
        Some(inclusion) => Ok(session.message_of(Included { transaction: hash, inclusion }).await?.transaction),
        None => Ok(hash),
    }
}

/// The withdrawals of a transaction; `None` while it is in no block.
async fn of_transaction(l2: &L2, hash: B256) -> Result<Option<Vec<Recorded>>> {
    let Some(receipt) = l2.receipt(hash).await? else { return Ok(None) };
    ensure!(receipt.success, "transaction {hash} failed on L2: it withdrew nothing; begin again");
    let found = recorded(&receipt);
    ensure!(!found.is_empty(), "transaction {hash} on L2 is no withdrawal");
    Ok(Some(found))
}

/// Waits for withdrawals to be provable, proves them, has them paid.
async fn follow(session: &Session, l2: &L2, transactions: &[B256]) -> Result<()> {
    let mut waiting = Waiting::default();
    let mut withdrawals = Vec::new();
    for hash in transactions {
        let hash = on_l2(session, l2, *hash).await?;
        loop {
            if let Some(found) = of_transaction(l2, hash).await? {
                withdrawals.extend(found);
                break;
            }
            waiting.says(&hash.to_string(), &format!("transaction {hash} is in no block of L2 yet: waiting …"));
            if session.manner.dry_run {
                bail!("transaction {hash} is in no block of L2 yet: nothing can be tried out");
            }
            tokio::time::sleep(L2::pace()).await;
        }
    }
    let mut paid = Vec::new();
    loop {
        let (stages, ready) = match stages(session, &withdrawals).await {
            Ok(found) => found,
            Err(error) if is_passing(&error) => {
                let text = format!("L1: {error:#}; it is tried again");
                waiting.says(&text, &text);
                tokio::time::sleep(session.pace()).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        let due = ready_withdrawals(session, &withdrawals, &stages).await?;
        if !due.is_empty() {
            paid.extend(prove::pay(session, l2, &ready, &due).await?);
            if session.manner.dry_run {
                session.conclude(
                    "dry run: they would be paid",
                    json!({ "withdrawals": told(session, &withdrawals, &stages) }),
                );
                return Ok(());
            }
            continue;
        }
        if let Some(stage) = stages.iter().find(|stage| stage.is_waiting()) {
            let (protocol, now) = (&session.chain.protocol, session.head().await?.time.get());
            waiting.says(&format!("{stage:?}"), &stage.says(protocol, now));
            if session.manner.dry_run {
                bail!("nothing can be tried out yet: {}", stage.says(protocol, now));
            }
            tokio::time::sleep(
                session.pause(stage.payable_at().map_or(protocol.batch_age, |at| at.saturating_sub(now))),
            )
            .await;
            continue;
        }
        return finish(session, &withdrawals, &stages, &paid).await;
    }
}

/// The withdrawals that are to be proved now: none while others will be provable soon, for together they cost less.
async fn ready_withdrawals(session: &Session, all: &[Recorded], stages: &[Stage]) -> Result<Vec<Recorded>> {
    let now = session.head().await?.time.get();
    let soon = now.saturating_add(TOGETHER_WITHIN);
    if stages.iter().any(|stage| stage.payable_at().is_some_and(|at| at <= soon)) {
        return Ok(Vec::new());
    }
    let ready = stages.iter().zip(all).filter(|(stage, _)| **stage == Stage::Ready);
    Ok(ready.map(|(_, withdrawal)| withdrawal.clone()).collect())
}

/// Whether an error of L1 passes by itself.
fn is_passing(error: &anyhow::Error) -> bool {
    let advice = error.downcast_ref::<L1Error>().map(L1Error::advice);
    matches!(advice, Some(surety_l1::Advice::Retry | surety_l1::Advice::Reset))
}

/// Says how withdrawals ended that need no more waiting.
async fn finish(session: &Session, withdrawals: &[Recorded], stages: &[Stage], paid: &[Included]) -> Result<()> {
    let mut lines = Vec::new();
    let mut well = true;
    for (withdrawal, stage) in withdrawals.iter().zip(stages) {
        let relay = *stage == Stage::Paid && relay_failed(session, withdrawal).await?;
        well &= *stage == Stage::Paid && !relay;
        let Recorded { withdrawal: inner, transaction, .. } = withdrawal;
        lines.push(match stage {
            Stage::Paid if relay => format!(
                "paid, but the messenger on L1 could not deliver: surety withdraw --retry {transaction} tries again"
            ),
            Stage::Paid => format!("paid: {} ETH to {}", format_ether(inner.value), inner.target),
            Stage::CallFailed => format!(
                "proven, but the call of {} failed: surety withdraw --retry {transaction} tries again",
                inner.target
            ),
            stage => stage.says(&session.chain.protocol, session.head().await?.time.get()),
        });
    }
    let transactions: Vec<_> = paid.iter().map(|included| on_l1(Some(included))).collect();
    let json = json!({ "paid": well, "l1": transactions, "withdrawals": told(session, withdrawals, stages) });
    session.conclude(&lines.join("\n"), json);
    ensure!(well, "not all of it was paid");
    Ok(())
}

fn told(session: &Session, withdrawals: &[Recorded], stages: &[Stage]) -> Vec<Value> {
    let each = withdrawals.iter().zip(stages);
    each.map(|(withdrawal, stage)| {
        json!({
            "transaction": withdrawal.transaction,
            "withdrawal": withdrawal.hash,
            "l2Block": withdrawal.height.get(),
            "target": withdrawal.withdrawal.target,
            "value": withdrawal.withdrawal.value.to_string(),
            "stage": stage.name(),
            "payableAt": stage.payable_at(),
            "next": stage.says(&session.chain.protocol, 0),
        })
    })
    .collect()
}

async fn status(session: &Session, l2: &L2, transactions: &[B256]) -> Result<()> {
    let mut all = Vec::new();
    let mut lines = Vec::new();
    let now = session.head().await?.time.get();
    for hash in transactions {
        let hash = on_l2(session, l2, *hash).await?;
        let Some(found) = of_transaction(l2, hash).await? else {
            lines.push(format!("{hash}: in no block of L2 yet"));
            all.push(json!({ "transaction": hash, "stage": "unknown" }));
            continue;
        };
        let (stages, _) = stages(session, &found).await?;
        for (withdrawal, stage) in found.iter().zip(&stages) {
            let value = format_ether(withdrawal.withdrawal.value);
            lines.push(format!("{hash}: {value} ETH to {}", withdrawal.withdrawal.target));
            lines.push(format!("  {}", stage.says(&session.chain.protocol, now)));
        }
        all.extend(told(session, &found, &stages));
    }
    session.conclude(&lines.join("\n"), json!({ "withdrawals": all }));
    Ok(())
}

/// The name that the messenger on L1 has for a withdrawal, if it is one of its messages.
fn relay_of(session: &Session, withdrawal: &Recorded) -> Option<B256> {
    let inner = &withdrawal.withdrawal;
    let is_relay =
        inner.target == session.chain.genesis.l1_messenger && inner.data.starts_with(&relayMessageCall::SELECTOR);
    is_relay.then(|| keccak256(&inner.data))
}

/// Whether the messenger on L1 was called and could not deliver.
async fn relay_failed(session: &Session, withdrawal: &Recorded) -> Result<bool> {
    let Some(hash) = relay_of(session, withdrawal) else { return Ok(false) };
    let (contracts, messenger) = (session.contracts(), session.chain.genesis.l1_messenger);
    let failed = contracts.read(messenger, &failedMessagesCall(hash), BlockAt::Latest).await;
    let delivered = contracts.read(messenger, &successfulMessagesCall(hash), BlockAt::Latest).await;
    Ok(failed? && !delivered?)
}

/// Calls again what failed, with gas to spare.
async fn retry(session: &Session, l2: &L2, hash: B256) -> Result<()> {
    let hash = on_l2(session, l2, hash).await?;
    let found = of_transaction(l2, hash).await?;
    let found = found.with_context(|| format!("transaction {hash} is in no block of L2 yet"))?;
    let mut sent = Vec::new();
    for withdrawal in &found {
        let asked = withdrawal.withdrawal.gas_limit.saturating_to::<u64>();
        // An estimate would be content with a call that fails again.
        let gas = asked.saturating_mul(2).saturating_add(1_000_000).min(MAX_TRANSACTION_GAS);
        let stands = session.contracts().withdrawal(withdrawal.hash, BlockAt::Latest).await?;
        let (to, input) = match stands {
            WithdrawalStatus::Failed => {
                let call = retryCall { withdrawal: prove::call_of(&withdrawal.withdrawal) };
                (session.chain.addresses.bridge, Bytes::from(call.abi_encode()))
            }
            WithdrawalStatus::Done if relay_failed(session, withdrawal).await? => {
                (session.chain.genesis.l1_messenger, withdrawal.withdrawal.data.clone())
            }
            WithdrawalStatus::Done => bail!("withdrawal {} is done: nothing to try again", withdrawal.hash),
            WithdrawalStatus::None => {
                bail!("withdrawal {} is not proven yet: surety withdraw --prove {hash}", withdrawal.hash)
            }
        };
        sent.extend(session.send_with_gas("the withdrawal's call", to, U256::ZERO, input, Some(gas)).await?);
    }
    if session.manner.dry_run {
        session.conclude("dry run: the calls would be made again", json!({ "transaction": hash }));
        return Ok(());
    }
    let (stages, _) = stages(session, &found).await?;
    finish(session, &found, &stages, &sent).await
}
