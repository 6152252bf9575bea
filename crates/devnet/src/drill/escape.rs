//! Nobody acts any more. When no claim has become final for the escape's delay, an account takes its ether and tokens out by
//! proofs, from L1's data alone; what it is paid is what the last final state says, and nothing is paid twice.

use super::{
    DrillConfig, DrillError, EscapeReport, Finished, Report, Timeline,
    people::{Sender, User, account},
    world::{World, until},
};
use alloy::{hex, sol_types::SolCall as _};
use alloy_primitives::{Address, U256, utils::parse_ether};
use std::time::Duration;
use surety_contracts::{
    bindings::{Bridge, L1StandardBridge},
    genesis::{
        bindings::{OptimismMintableERC20Factory::createOptimismMintableERC20WithDecimalsCall, WETH},
        predeploys,
    },
};
use surety_l1::{BlockAt, Call, L1Error};
use surety_rpc::Backend as _;
use surety_stf::StateReader as _;
use surety_types::L1Height;

/// The development account that leaves.
const USER: usize = 5;
/// Where it leaves to, and where its earlier withdrawal goes.
const OUT: Address = Address::repeat_byte(0xcb);
const EARLIER: Address = Address::repeat_byte(0xcc);
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(300);

pub(super) async fn run(config: DrillConfig, timeline: Timeline) -> Result<Finished, DrillError> {
    let mut world = World::start_calm(&config, Vec::new(), timeline).await?;
    let outcome = observe(&config, &mut world).await;
    let (l1_rpc, l1) = world.stop().await;
    Finished::of(outcome.map(Report::Escape), l1_rpc, l1).await
}

async fn observe(config: &DrillConfig, world: &mut World) -> Result<EscapeReport, DrillError> {
    let user = account(USER)?.address();
    let mut report = EscapeReport { drill: config.drill.name(), account: user, ..EscapeReport::default() };
    let l2_token = settle_in(config, world).await?;
    if config.honest {
        world.timeline.tell("everybody is honest: the sequencers go on");
    } else {
        world.network.halt().await?;
        report.halted_at_block = Some(world.view.head().await?);
        world.timeline.tell("nobody acts any more");
        report.balance = balance(world, user)?;
    }
    let terminal = User::new(config, world, USER);
    let (_, beacon) = world.network.l1_urls();
    let (to, folder) = (OUT.to_string(), config.directory.join("escape").display().to_string());
    let token = l2_token.to_string();
    let exit = ["exit", "--l1-beacon", beacon, "--follower-dir", &folder, "--to", &to, "--token", &token];
    if config.honest {
        let refused = terminal.runs(&exit).await;
        world.timeline.tell(if refused.is_err() { "the escape is not open" } else { "the escape is open" });
        return Ok(report);
    }
    // What is sent now arrives nowhere.
    terminal.runs(&["deposit", "1ether"]).await?;
    let waiting: Vec<&str> = exit.iter().copied().chain(["--wait"]).collect();
    let said = tokio::time::timeout(PATIENCE, terminal.runs(&waiting))
        .await
        .map_err(|_| DrillError::Timeout { what: "the escape", within: PATIENCE })??;
    world.timeline.tell(format!("the user's program was paid {} things", said["paid"].as_array().map_or(0, Vec::len)));
    let again = terminal.runs(&exit).await;
    read(world, &mut report).await?;
    report.passed = again.is_err()
        && report.opened_tx.is_some()
        && report.escaped > U256::ZERO
        && report.escaped == report.balance
        && report.tokens == ether("3")
        && report.refunded > ether("0.99")
        && report.withdrawn == ether("0.25")
        && report.second_escape.as_ref().is_some_and(|why| why.contains("EscapedBefore"));
    Ok(report)
}

fn ether(amount: &str) -> U256 {
    parse_ether(amount).unwrap_or_default()
}

/// The account gets tokens on L2 and begins a withdrawal; all of it is in a batch on L1.
async fn settle_in(config: &DrillConfig, world: &World) -> Result<Address, DrillError> {
    let l2 = world.network.l2_urls().into_iter().next().unwrap_or_default();
    let sender = Sender::open(config, world, "user", &account(USER)?).await?;
    let token = sender.create(world, &WETH::BYTECODE).await?;
    sender.send(token, ether("10"), WETH::depositCall {}.abi_encode()).await?;
    let user = User::new(config, world, USER);
    let call = createOptimismMintableERC20WithDecimalsCall {
        remoteToken: token,
        name: "Wrapped".into(),
        symbol: "W".into(),
        decimals: 18,
    };
    let (data, factory) = (hex::encode_prefixed(call.abi_encode()), predeploys::OPTIMISM_MINTABLE_ERC20_FACTORY);
    let factory = factory.to_string();
    user.runs(&["force", "--to", &factory, "--data", &data, "--gas", "3000000", "--l2", &l2]).await?;
    let text = token.to_string();
    let said = user.runs(&["deposit", "3", "--token", &text, "--l2", &l2]).await?;
    let l2_token = said["l2Token"].as_str().and_then(|text| text.parse().ok());
    let l2_token = l2_token.ok_or_else(|| DrillError::Failed("the deposit names no token on L2".into()))?;
    let to = EARLIER.to_string();
    user.runs(&["withdraw", "0.25ether", "--to", &to, "--no-wait", "--l2", &l2]).await?;
    let height = world.height();
    until("a batch with all of it", PATIENCE, async || {
        let head = world.view.contracts().inbox_head(BlockAt::Latest).await?;
        Ok((head.last_height.get() > height).then_some(()))
    })
    .await?;
    world.timeline.tell("the account has ether and tokens on L2, and a withdrawal that nobody has proved");
    Ok(l2_token)
}

/// What the account has at the end of the last batch, by a follower of L1.
fn balance(world: &World, user: Address) -> Result<U256, DrillError> {
    let state = world.network.follower().backend().store().latest()?;
    Ok(state.account(user)?.map_or(U256::ZERO, |account| account.balance))
}

/// Reads everything from L1.
async fn read(world: &World, report: &mut EscapeReport) -> Result<(), DrillError> {
    let (view, chain) = (&world.view, world.network.chain());
    let bridge = chain.addresses.bridge;
    let opened = view.events::<Bridge::EscapeOpened>(bridge).await?;
    if let Some((_, block, transaction)) = opened.first() {
        (report.opened_at_block, report.opened_tx) = (Some(*block), Some(*transaction));
        let time = async |number: u64| -> Result<u64, DrillError> {
            let block = view.l1.block(BlockAt::Number(L1Height::new(number))).await?;
            Ok(block.map_or(0, |block| block.time.get()))
        };
        let (end, halt) = (time(*block).await?, time(report.halted_at_block.unwrap_or(*block)).await?);
        report.seconds_to_opening = Some(end.saturating_sub(halt));
        world.timeline.tell(format!("the escape was opened in L1 block {block}"));
    }
    // The follower may have been a batch behind the last final claim, not before it.
    report.balance = balance(world, report.account)?;
    let escaped = view.events::<Bridge::Escaped>(bridge).await?;
    if let Some((event, _, transaction)) = escaped.into_iter().find(|(event, ..)| event.account == report.account) {
        (report.escaped, report.escaped_tx) = (event.value, Some(transaction));
        // The very same once more.
        if let Some(transaction) = view.l1.transaction(transaction).await? {
            let call = Call { to: transaction.to, input: transaction.input, ..Call::default() };
            let from = Call { from: report.account, ..call };
            report.second_escape = match view.l1.call(&from, BlockAt::Latest).await {
                Err(L1Error::Reverted { revert, .. }) => Some(revert.to_string()),
                Err(error) => return Err(error.into()),
                Ok(_) => None,
            };
        }
    }
    let tokens = view.events::<L1StandardBridge::TokensEscaped>(chain.genesis.l1_standard_bridge).await?;
    report.tokens = tokens.iter().map(|(event, ..)| event.amount).sum();
    let refunds = view.events::<Bridge::MessageRefunded>(bridge).await?;
    report.refunded = refunds.iter().map(|(event, ..)| event.value).sum();
    let withdrawn = view.events::<Bridge::WithdrawalPaid>(bridge).await?;
    let earlier = withdrawn.iter().filter(|(event, ..)| event.target == EARLIER);
    report.withdrawn = earlier.map(|(event, ..)| event.value).sum();
    world.timeline.tell(format!("paid: {} wei, {} units of a token", report.escaped, report.tokens));
    Ok(())
}
