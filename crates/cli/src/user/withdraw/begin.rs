//! The transaction on L2 that a withdrawal begins with.

use super::{Arguments, Session, step};
use crate::user::{
    l2::L2,
    message::Order,
    tokens::{balanceOfCall, decimalsCall, remoteTokenCall},
};
use alloy::sol_types::SolCall;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, utils::format_ether};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::time::Duration;
use surety_contracts::genesis::{
    bindings::{L2StandardBridge::bridgeERC20ToCall, L2ToL1MessagePasser::initiateWithdrawalCall},
    predeploys,
};
use surety_l1::submit::Outgoing;

/// Gas that the recipient's call has on L1.
const CALL_GAS: u64 = 100_000;
/// Gas that the token bridge's call has on L1.
const TOKEN_CALL_GAS: u32 = 200_000;
/// Gas on L2 of a forced withdrawal of ether, and of tokens.
const FORCED_GAS: u64 = 200_000;
const FORCED_TOKEN_GAS: u64 = 600_000;

/// What L2 is to be asked.
struct Wish {
    what: String,
    to: Address,
    value: U256,
    input: Bytes,
    forced_gas: u64,
}

async fn wish(session: &Session, l2: &L2, arguments: &Arguments) -> Result<Wish> {
    let account = session.address()?;
    let to = arguments.to.unwrap_or(account);
    let amount = arguments.amount.as_ref().context("how much? Name an amount")?;
    let Some(token) = arguments.token else {
        let value = amount.wei()?;
        ensure!(!value.is_zero(), "nothing to withdraw: name an amount above zero");
        let has = l2.balance(account).await?;
        ensure!(value <= has, "the account has {} ETH on L2, which is less than that", format_ether(has));
        let call = initiateWithdrawalCall { target: to, gasLimit: U256::from(CALL_GAS), data: Bytes::new() };
        return Ok(Wish {
            what: format!("{} ETH to {to} on L1", format_ether(value)),
            to: predeploys::L2_TO_L1_MESSAGE_PASSER,
            value,
            input: call.abi_encode().into(),
            forced_gas: FORCED_GAS,
        });
    };
    session.token_bridge()?;
    let remote = l2.read(token, &remoteTokenCall {}).await;
    let remote = remote.context("--token must be a token of L2 that stands for one of L1")?;
    let decimals = l2.read(token, &decimalsCall {}).await?;
    let amount = amount.units(decimals)?;
    ensure!(!amount.is_zero(), "nothing to withdraw: name an amount above zero");
    let has = l2.read(token, &balanceOfCall { account }).await?;
    ensure!(amount <= has, "the account has {has} units of {token} on L2, which is less than {amount}");
    let call = bridgeERC20ToCall {
        localToken: token,
        remoteToken: remote,
        to,
        amount,
        minGasLimit: TOKEN_CALL_GAS,
        extraData: Bytes::new(),
    };
    Ok(Wish {
        what: format!("{amount} units of {token} to {to} on L1, as {remote}"),
        to: predeploys::L2_STANDARD_BRIDGE,
        value: U256::ZERO,
        input: call.abi_encode().into(),
        forced_gas: FORCED_TOKEN_GAS,
    })
}

/// Begins a withdrawal; returns its transaction on L2, or `None` in a dry run.
pub(super) async fn begin(session: &Session, l2: &L2, arguments: &Arguments) -> Result<Option<B256>> {
    let wish = wish(session, l2, arguments).await?;
    let began =
        if arguments.force { force(session, l2, arguments, &wish).await? } else { send(session, l2, &wish).await? };
    if began.is_none() {
        session.conclude(&format!("dry run: {} would be withdrawn", wish.what), json!({ "what": wish.what }));
    }
    Ok(began)
}

async fn send(session: &Session, l2: &L2, wish: &Wish) -> Result<Option<B256>> {
    let chain = l2.as_chain()?;
    let call = surety_l1::Call {
        from: session.address()?,
        to: Some(wish.to),
        value: wish.value,
        input: wish.input.clone(),
        ..Default::default()
    };
    let gas = chain.estimate_gas(&call).await.context("the withdrawal would fail on L2")?;
    if session.manner.dry_run {
        step(&format!("would call {} on L2 with {gas} gas", wish.to));
        return Ok(None);
    }
    let pace = Duration::from_millis(session.chain.parameters.block_time.get()).max(Duration::from_secs(1));
    let submitter = session.submitter(&chain, "l2", pace).await?;
    let outgoing =
        Outgoing { to: TxKind::Call(wish.to), value: wish.value, input: wish.input.clone(), ..Default::default() };
    let included = submitter.submit(outgoing).await.context("the withdrawal on L2")?;
    ensure!(included.inclusion.success, "transaction {} failed on L2: look at its trace", included.transaction);
    step(&format!(
        "{}: in L2 block {}, transaction {}",
        wish.what, included.inclusion.block_number, included.transaction
    ));
    Ok(Some(included.transaction))
}

async fn force(session: &Session, l2: &L2, arguments: &Arguments, wish: &Wish) -> Result<Option<B256>> {
    let order =
        Order { to: wish.to, value: wish.value, mint: U256::ZERO, gas: wish.forced_gas, data: wish.input.clone() };
    let Some(sent) = session.send_message(&order, arguments.max_fee.as_ref()).await? else { return Ok(None) };
    session.tell_deadlines(&sent);
    if !arguments.no_wait {
        let receipt = session.arrival(&sent, l2).await?;
        ensure!(receipt.success, "the forced transaction {} failed on L2: look at its trace", sent.transaction);
    }
    Ok(Some(sent.transaction))
}
