//! `surety force`: a transaction through L1 that no sequencer can leave out, and self-sequencing.

use super::{Account, Manner, Place, Session, amount::Amount, due, l2::L2, message::Order, on_l1, step};
use alloy::sol_types::{SolCall, SolEvent};
use alloy_primitives::{Address, Bytes, U256, utils::format_ether};
use anyhow::{Context, Result, bail};
use serde_json::json;
use surety_contracts::bindings::Inbox::{BatchPosted, ChainEnded, SelfSequencingClosed, selfSequenceCall};
use surety_l1::{BlockAt, Call, L1Error};

/// Gas on L2 of a forced transaction of which nobody said how much it needs.
const GAS: u64 = 200_000;

/// Options of `surety force`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    account: Account,
    #[command(flatten)]
    manner: Manner,
    /// Whom the account calls on L2.
    #[arg(long, required_unless_present = "self_sequence")]
    to: Option<Address>,
    /// What it sends along from what it has on L2, such as 1.5ether.
    #[arg(long)]
    value: Option<Amount>,
    /// Ether to bring to L2 with it, such as 1.5ether.
    #[arg(long)]
    mint: Option<Amount>,
    /// Call data, in hexadecimal.
    #[arg(long, default_value = "0x")]
    data: Bytes,
    /// Gas that it may use on L2; bought on L1 whether it is used or not.
    #[arg(long, default_value_t = GAS)]
    gas: u64,
    /// The most that the message may cost, such as 0.001ether; by default twice its price now. What is not needed of it becomes
    /// the account's on L2.
    #[arg(long)]
    max_fee: Option<Amount>,
    /// RPC endpoint of L2: wait until the transaction is in a block there.
    #[arg(long)]
    l2: Option<String>,
    /// Sequence what is overdue, without any sequencer; says from when that is possible.
    #[arg(long, conflicts_with_all = ["to", "value", "mint", "max_fee", "l2"])]
    self_sequence: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let session = Session::open(&arguments.place, &arguments.account, arguments.manner).await?;
    if arguments.self_sequence {
        return self_sequence(&session).await;
    }
    let l2 = match &arguments.l2 {
        Some(url) => Some(L2::connect(url, &session.chain).await?),
        None => None,
    };
    let wei = |amount: &Option<Amount>| amount.as_ref().map_or(Ok(U256::ZERO), Amount::wei);
    let to = arguments.to.context("whom to call? Name --to")?;
    let (value, mint) = (wei(&arguments.value)?, wei(&arguments.mint)?);
    let order = Order { to, value, mint, gas: arguments.gas, data: arguments.data.clone() };
    let what = format!("a call of {to} with {} ETH", format_ether(value));
    let Some(sent) = session.send_message(&order, arguments.max_fee.as_ref()).await? else {
        session.conclude(&format!("dry run: {what} would be forced"), json!({ "to": to, "value": value.to_string() }));
        return Ok(());
    };
    session.tell_deadlines(&sent);
    let mut json = sent.json(&session);
    let mut add = |name: &str, value| json.as_object_mut().map(|object| object.insert(name.into(), value));
    let Some(l2) = l2 else {
        session.conclude(
            &format!(
                "{what} is forced: look for transaction {} on L2. If it is not there when it is overdue: surety force \
                 --self-sequence",
                sent.transaction
            ),
            json,
        );
        return Ok(());
    };
    let receipt = session.arrival(&sent, &l2).await?;
    add("l2Block", receipt.height.get().into());
    add("success", receipt.success.into());
    let outcome = if receipt.success { "succeeded" } else { "failed" };
    session.conclude(&format!("{what} is in L2 block {} and {outcome}", receipt.height), json);
    if !receipt.success {
        bail!("the call failed on L2: its gas was {}, look at its trace, then force it again", arguments.gas);
    }
    Ok(())
}

/// Sequences a block of messages, if that is open to anyone.
async fn self_sequence(session: &Session) -> Result<()> {
    let inbox = session.chain.addresses.inbox;
    let why = match session.contracts().opening(BlockAt::Latest).await? {
        0 => return closed(session).await,
        1 => "a message is overdue",
        2 => "no batch came for too long",
        3 => "the committee has no members",
        _ => "L1 says so",
    };
    step(&format!("self-sequencing is open: {why}"));
    let included = session.send("self-sequencing", inbox, U256::ZERO, &selfSequenceCall {}).await?;
    let Some(included) = included else {
        session.conclude("dry run: a block of messages would be sequenced", json!({ "open": true }));
        return Ok(());
    };
    let logs = session.logs_of(&included, inbox).await?;
    let posted = logs.iter().find_map(|log| BatchPosted::decode_log(&log.log).ok());
    let event = posted.context("the transaction posted no batch: look at its trace")?.data;
    let left = session.contracts().inbox_head(BlockAt::Latest).await?;
    let waiting = left.sent.since(left.consumed);
    let json = json!({
        "open": true,
        "l1": on_l1(Some(&included)),
        "batch": event.batchIndex,
        "l2Block": event.statement.lastHeight,
        "consumed": event.statement.messageCount,
    });
    let next = if left.consumed < left.sent {
        format!("{waiting} messages wait behind it")
    } else {
        "no message is left out".into()
    };
    let text = format!(
        "batch {} holds L2 block {} with all messages before number {}; {next}. Followers have it in a moment",
        event.batchIndex, event.statement.lastHeight, event.statement.messageCount
    );
    session.conclude(&text, json);
    Ok(())
}

/// Says from when self-sequencing is open, as the inbox does.
async fn closed(session: &Session) -> Result<()> {
    let head = session.head().await?;
    let input = Bytes::from(selfSequenceCall {}.abi_encode());
    let call = Call { to: Some(session.chain.addresses.inbox), input, ..Default::default() };
    let revert = match session.l1.call(&call, BlockAt::Hash(head.hash)).await {
        Err(L1Error::Reverted { revert, .. }) => revert,
        Err(error) => return Err(error.into()),
        Ok(_) => bail!("self-sequencing has just opened: try again"),
    };
    if revert.decode::<ChainEnded>().is_some() {
        bail!("the chain has ended for ever: leave it with `surety exit`");
    }
    let Some(closed) = revert.decode::<SelfSequencingClosed>() else { bail!("self-sequencing is closed: {revert}") };
    let when = due(closed.from, head.time.get());
    session.conclude(
        &format!("the sequencers are in time: nobody else may sequence. If no batch comes, anyone may {when}"),
        json!({ "open": false, "from": closed.from, "now": head.time.get() }),
    );
    bail!("self-sequencing is closed");
}
