//! `surety deposit`: ether and tokens to L2.

use super::{
    Account, Manner, Place, Session,
    amount::Amount,
    l2::L2,
    message::{Order, Price, Sent},
    step,
    tokens::{self, Token, approveCall},
};
use alloy::sol_types::SolEvent;
use alloy_primitives::{Address, B256, Bytes, U256, utils::format_ether};
use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};
use surety_contracts::{
    bindings::L1StandardBridge::depositERC20ToCall,
    genesis::{bindings::L2StandardBridge::DepositFinalized, predeploys},
};
use surety_l1::{BlockAt, submit::Included};

/// Gas of a plain deposit on L2.
const ETHER_GAS: u64 = 100_000;
/// Gas of the token bridge's call on L2, which mints.
const TOKEN_GAS: u32 = 200_000;

/// Options of `surety deposit`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    account: Account,
    #[command(flatten)]
    manner: Manner,
    /// How much: 1.5ether, 20gwei, 7wei; of a token 12.5 (whole ones) or 12500units.
    amount: Amount,
    /// Who gets it on L2; the account itself by default.
    #[arg(long)]
    to: Option<Address>,
    /// Deposit this ERC-20 token of L1 instead of ether.
    #[arg(long)]
    token: Option<Address>,
    /// The token of L2 that stands for it; found by itself if --l2 is given and the factory made just one.
    #[arg(long, requires = "token")]
    l2_token: Option<Address>,
    /// The most that the message may cost, such as 0.001ether; by default twice its price now. What is not needed of it arrives on
    /// L2 too (of a token's deposit it comes back at once).
    #[arg(long)]
    max_fee: Option<Amount>,
    /// Gas of the call on L2, for a recipient that is a contract.
    #[arg(long)]
    gas: Option<u32>,
    /// RPC endpoint of L2: wait until the deposit is there.
    #[arg(long)]
    l2: Option<String>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let session = Session::open(&arguments.place, &arguments.account, arguments.manner).await?;
    let l2 = match &arguments.l2 {
        Some(url) => Some(L2::connect(url, &session.chain).await?),
        None => None,
    };
    let to = arguments.to.unwrap_or(session.address()?);
    match arguments.token {
        None => ether(&session, &arguments, l2.as_ref(), to).await,
        Some(token) => erc20(&session, &arguments, l2.as_ref(), token, to).await,
    }
}

async fn ether(session: &Session, arguments: &Arguments, l2: Option<&L2>, to: Address) -> Result<()> {
    let value = arguments.amount.wei()?;
    ensure!(!value.is_zero(), "nothing to deposit: name an amount above zero");
    let gas = arguments.gas.map_or(ETHER_GAS, u64::from);
    let order = Order { to, value, mint: value, gas, data: Bytes::new() };
    let what = format!("{} ETH", format_ether(value));
    let Some(sent) = session.send_message(&order, arguments.max_fee.as_ref()).await? else {
        let json = json!({ "to": to, "value": value.to_string() });
        session.conclude(&format!("dry run: {what} would go to {to} on L2"), json);
        return Ok(());
    };
    conclude(session, l2, &sent, &what, to, None).await
}

async fn erc20(session: &Session, arguments: &Arguments, l2: Option<&L2>, token: Address, to: Address) -> Result<()> {
    let bridge = session.token_bridge()?;
    let token = Token::read(session, token).await?;
    let amount = arguments.amount.units(token.decimals)?;
    ensure!(!amount.is_zero(), "nothing to deposit: name an amount above zero");
    let l2_token = match (arguments.l2_token, l2) {
        (Some(named), _) => named,
        (None, Some(l2)) => tokens::counterpart(l2, token.address).await?,
        (None, None) => bail!("name the token's counterpart with --l2-token, or an L2 node that knows it with --l2"),
    };
    let has = token.balance(session, session.address()?).await?;
    let what = token.show(amount);
    ensure!(amount <= has, "the account has {}, which is less than {what}", token.show(has));
    let gas = arguments.gas.unwrap_or(TOKEN_GAS);
    let fee = session.contracts().deposit_fee(bridge, token.address, gas, BlockAt::Latest).await?;
    let price = Price::new(fee, arguments.max_fee.as_ref())?;
    price.tell();
    let allowed = allow(session, &token, bridge, amount).await?;
    let call = depositERC20ToCall {
        l1Token: token.address,
        l2Token: l2_token,
        to,
        amount,
        minGasLimit: gas,
        extraData: Bytes::new(),
    };
    let included: Option<Included> = if allowed {
        session.send("the deposit", bridge, price.most, &call).await?
    } else {
        step("the deposit itself cannot be tried out before that");
        None
    };
    let Some(included) = included else {
        let json = json!({ "to": to, "token": token.address, "l2Token": l2_token, "amount": amount.to_string() });
        session.conclude(&format!("dry run: {what} would go to {to} on L2, as {l2_token}"), json);
        return Ok(());
    };
    let sent = session.message_of(included).await?;
    conclude(session, l2, &sent, &what, to, Some(l2_token)).await
}

/// Allows the token bridge to take an amount; false if that is not so because of a dry run.
async fn allow(session: &Session, token: &Token, bridge: Address, amount: U256) -> Result<bool> {
    let allowed = token.allowance(session, session.address()?, bridge).await?;
    if allowed >= amount {
        return Ok(true);
    }
    if !allowed.is_zero() {
        // Some tokens refuse to change an allowance to anything but zero.
        let call = approveCall { spender: bridge, value: U256::ZERO };
        session.send("taking the old allowance back", token.address, U256::ZERO, &call).await?;
    }
    let call = approveCall { spender: bridge, value: amount };
    Ok(session.send("allowing the token bridge to take them", token.address, U256::ZERO, &call).await?.is_some())
}

async fn conclude(
    session: &Session,
    l2: Option<&L2>,
    sent: &Sent,
    what: &str,
    to: Address,
    token: Option<Address>,
) -> Result<()> {
    session.tell_deadlines(sent);
    let mut json = sent.json(session);
    let fields = [("to", json!(to)), ("value", json!(sent.sent.message.value.to_string())), ("l2Token", json!(token))];
    let mut add = |name: &str, value: Value| json.as_object_mut().map(|object| object.insert(name.into(), value));
    for (name, value) in fields {
        add(name, value);
    }
    let Some(l2) = l2 else {
        add("credited", Value::Null);
        let text = format!("{what} on the way to {to}. Look for transaction {} on L2", sent.transaction);
        session.conclude(&text, json);
        return Ok(());
    };
    let receipt = session.arrival(sent, l2).await?;
    let credited = receipt.success && token.is_none_or(|token| was_minted(&receipt.logs, token));
    add("l2Block", receipt.height.get().into());
    add("credited", credited.into());
    if !credited {
        session.conclude(&failed(session, sent, token), json);
        bail!("the deposit's call failed on L2");
    }
    let has = l2.balance(to).await?;
    add("balance", has.to_string().into());
    let has = if token.is_none() { format!(" (it has {} ETH)", format_ether(has)) } else { String::new() };
    session.conclude(&format!("credited: {what} to {to} in L2 block {}{has}", receipt.height), json);
    Ok(())
}

/// Whether L2's token bridge has minted what came.
fn was_minted(logs: &[alloy::rpc::types::Log], token: Address) -> bool {
    logs.iter().any(|log| {
        log.address() == predeploys::L2_STANDARD_BRIDGE
            && log.topics().first() == Some(&DepositFinalized::SIGNATURE_HASH)
            && log.topics().get(2) == Some(&B256::left_padding_from(token.as_slice()))
    })
}

fn failed(session: &Session, sent: &Sent, token: Option<Address>) -> String {
    match token {
        None => format!(
            "the call of {} failed on L2. What was deposited is there, with its sender {}: send it on from there",
            sent.sent.message.to, sent.sent.message.sender
        ),
        Some(token) => format!(
            "{token} could not be minted: does it stand for the deposited token? If it only had too little gas, relayMessage of {} \
             on L2 tries it again. The tokens lie in the bridge {} on L1",
            predeploys::L2_CROSS_DOMAIN_MESSENGER,
            session.chain.genesis.l1_standard_bridge
        ),
    }
}
