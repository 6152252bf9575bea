//! Every sequencer is dead. A user forces a withdrawal through L1; a stranger's follower sequences it and claims what came of it;
//! when the claim is final the user is paid on L1.

use super::{
    DrillConfig, DrillError, Finished, HaltReport, Report, Timeline,
    people::{User, account},
    world::{World, until},
};
use crate::processes::Process;
use alloy::providers::{Provider as _, ProviderBuilder};
use alloy_primitives::{Address, U256};
use std::time::Duration;
use surety_contracts::bindings::{Bridge, Claims, Inbox};
use surety_l1::BlockAt;
use surety_rpc::Backend as _;
use surety_stf::StateReader as _;
use surety_types::L1Height;

/// The development accounts of the user and of the stranger.
const USER: usize = 5;
const STRANGER: usize = 6;
/// Who is paid on L1, and had nothing before.
const PAID: Address = Address::repeat_byte(0xca);
/// How much.
const AMOUNT: &str = "0.5ether";
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(300);

pub(super) async fn run(config: DrillConfig, timeline: Timeline) -> Result<Finished, DrillError> {
    let mut world = World::start_calm(&config, Vec::new(), timeline).await?;
    let outcome = observe(&config, &mut world).await;
    let (l1_rpc, l1) = world.stop().await;
    Finished::of(outcome.map(Report::Halt), l1_rpc, l1).await
}

async fn observe(config: &DrillConfig, world: &mut World) -> Result<HaltReport, DrillError> {
    let mut report = HaltReport { drill: config.drill.name(), ..HaltReport::default() };
    let user = account(USER)?.address();
    until("the user's ether on L2 is in a batch", PATIENCE, async || {
        let state = world.network.follower().backend().store().latest()?;
        Ok(state.account(user)?.filter(|account| account.balance > amount()).map(|_| ()))
    })
    .await?;
    if config.honest {
        world.timeline.tell("everybody is honest: the sequencers go on");
    } else {
        world.network.halt().await?;
        report.halted_at_block = Some(world.view.head().await?);
        world.timeline.tell("every sequencer is dead");
    }
    let (follower, l2) = stranger(config, world).await?;
    let user = User::new(config, world, USER);
    let to = PAID.to_string();
    let said = tokio::time::timeout(PATIENCE, user.runs(&["withdraw", AMOUNT, "--force", "--to", &to, "--l2", &l2]))
        .await
        .map_err(|_| DrillError::Timeout { what: "the withdrawal", within: PATIENCE })??;
    world.timeline.tell(format!("the user's program: paid {}", said["paid"]));
    drop(follower);
    read(world, &mut report).await?;
    let order = [
        report.halted_at_block,
        report.forced_at_block,
        report.self_sequenced_at_block,
        report.claimed_at_block,
        report.paid_at_block,
    ];
    report.passed = order.iter().all(Option::is_some) && order.is_sorted() && report.paid == amount();
    Ok(report)
}

/// Somebody's follower, which sequences and claims, and serves L2 as L1 has it.
async fn stranger(config: &DrillConfig, world: &World) -> Result<(Process, String), DrillError> {
    let (_, beacon) = world.network.l1_urls();
    let folder = config.directory.join("stranger").display().to_string();
    let place = STRANGER.to_string();
    let own = ["--l1-beacon", beacon, "--data-dir", &folder, "--rpc-port", "0", "--keeper-dev-account", &place];
    let mut arguments = vec!["follow".to_owned()];
    arguments.extend(User::new(config, world, STRANGER).usual());
    arguments.extend(own.map(str::to_owned));
    let mut follower = config.program.spawn(&arguments, &config.directory.join("stranger.log"))?;
    let url = follower.said("following; RPC on ", Duration::from_secs(60)).await?;
    let client = ProviderBuilder::new().connect_http(url.parse().map_err(|_| DrillError::Failed(url.clone()))?);
    let posted = world.view.contracts().inbox_head(BlockAt::Latest).await?.last_height.get();
    until("the stranger's follower has what L1 has", PATIENCE, async || {
        Ok(client.get_block_number().await.is_ok_and(|height| height >= posted).then_some(()))
    })
    .await?;
    world.timeline.tell(format!("a stranger's follower serves L2 at {url} and keeps the chain going"));
    Ok((follower, url))
}

fn amount() -> U256 {
    alloy_primitives::utils::parse_ether("0.5").unwrap_or_default()
}

/// Reads everything from L1.
async fn read(world: &World, report: &mut HaltReport) -> Result<(), DrillError> {
    let (view, addresses) = (&world.view, world.network.chain().addresses);
    let user = account(USER)?.address();
    let after = report.halted_at_block.unwrap_or_default();
    let sent = view.events::<Inbox::MessageSent>(addresses.inbox).await?;
    report.forced_at_block = sent.iter().rfind(|(event, ..)| event.sender == user).map(|(_, block, _)| *block);
    let batches = view.events::<Inbox::BatchPosted>(addresses.inbox).await?;
    let sequenced = batches.iter().find(|(event, block, _)| event.signers == 0 && *block >= after);
    let claims = view.events::<Claims::ClaimBonded>(addresses.claims).await?;
    let paid = view.events::<Bridge::WithdrawalPaid>(addresses.bridge).await?;
    let paid = paid.into_iter().find(|(event, ..)| event.target == PAID);
    if let Some((_, block, transaction)) = sequenced {
        (report.self_sequenced_at_block, report.self_sequenced_tx) = (Some(*block), Some(*transaction));
        world.timeline.tell(format!("sequenced by anyone in L1 block {block}"));
    }
    if let Some((event, block, transaction)) = claims.first() {
        (report.claimed_at_block, report.claimed_tx) = (Some(*block), Some(*transaction));
        world.timeline.tell(format!("claimed by {} in L1 block {block}", event.claimant));
    }
    if let Some((event, block, transaction)) = paid {
        (report.paid_at_block, report.paid_tx, report.paid) = (Some(block), Some(transaction), event.value);
        world.timeline.tell(format!("{} wei are paid in L1 block {block}", event.value));
    }
    let time = async |block: Option<u64>| -> Result<Option<u64>, DrillError> {
        let Some(number) = block else { return Ok(None) };
        let block = view.l1.block(BlockAt::Number(L1Height::new(number))).await?;
        Ok(block.map(|block| block.time.get()))
    };
    let forced = time(report.forced_at_block).await?;
    let since = |then: Option<u64>| then.zip(forced).map(|(then, forced)| then.saturating_sub(forced));
    report.seconds_to_self_sequencing = since(time(report.self_sequenced_at_block).await?);
    report.seconds_to_payment = since(time(report.paid_at_block).await?);
    Ok(())
}
