//! All seats ignore an account, which forces its way in through L1; then all but one let that lapse, too: anyone sequences it,
//! and they are fined.

use super::{
    CensorshipReport, DrillConfig, DrillError, Finished, Report, Timeline,
    people::{Sender, account, pay},
    world::{Pulse, World, until},
};
use crate::network::SEATS;
use alloy::{signers::local::PrivateKeySigner, sol_types::SolCall as _};
use alloy_primitives::{Address, U256};
use std::time::Duration;
use surety_contracts::bindings::{Idle, Inbox};
use surety_l1::BlockAt;
use surety_node::consensus::byzantine::{Censorship, Sin};
use surety_types::Seconds;

/// The development accounts of the one that is ignored, and of anyone.
const IGNORED: usize = 5;
const ANYONE: usize = 6;
/// The seat that does its duty when the others do not: the first, so that its feed can be listened to.
const HONEST: usize = 0;
/// How long the ignored transaction is given.
const IGNORED_FOR: Duration = Duration::from_secs(8);
/// How long anything may take: several terms.
const PATIENCE: Duration = Duration::from_secs(240);

pub(super) async fn run(config: DrillConfig, timeline: Timeline) -> Result<Finished, DrillError> {
    let (ignored, anyone) = (account(IGNORED)?, account(ANYONE)?);
    let sin = Sin::Censor(ignored.address());
    let world = World::start_calm(&config, (0..SEATS).map(|place| (place, sin)).collect(), timeline).await?;
    let outcome = observe(&config, &world, &ignored, &anyone).await;
    let (l1_rpc, l1) = world.stop().await;
    Finished::of(outcome.map(Report::Censorship), l1_rpc, l1).await
}

async fn observe(
    config: &DrillConfig,
    world: &World,
    ignored: &PrivateKeySigner,
    anyone: &PrivateKeySigner,
) -> Result<CensorshipReport, DrillError> {
    let mut report = CensorshipReport {
        drill: config.drill.name(),
        account: ignored.address(),
        force_delay: world.network.chain().protocol.force_delay,
        ..CensorshipReport::default()
    };
    let on_l1 = Sender::open(config, world, "ignored", ignored).await?;
    let pulse = Pulse::start(world);
    let was_ignored = ignored_then_forced(config, world, ignored, &on_l1, &mut report).await?;
    let is_in_time = report.seconds_to_inclusion.is_some_and(|seconds| seconds <= report.force_delay);
    if config.honest {
        world.timeline.tell("everybody is honest: nothing is let lapse");
        return Ok(report);
    }
    let other = Sender::open(config, world, "anyone", anyone).await?;
    let goes_on = lapsed_then_sequenced(world, &on_l1, &other, &mut report).await?;
    // The one that was ignored is served like others. (What it sent before is not: its forced ones came in between.)
    pay(world, ignored, target(4)).await?;
    let is_served = arrival(world, target(4)).await.is_ok();
    world.timeline.tell(format!("its transactions are {} again", if is_served { "taken" } else { "not taken" }));
    fined(world, &mut report).await?;
    world.timeline.tell(format!("the longest time without a new final block was {} ms", pulse.longest().as_millis()));
    report.passed = was_ignored
        && is_in_time
        && goes_on
        && is_served
        && report.attended_tx.is_some()
        && report.self_sequenced_tx.is_some()
        && report.seats_fined as usize == SEATS - 1
        && report.innocents_fined == 0;
    Ok(report)
}

/// All ignore the account; it forces its way in. Whether its transaction was ignored indeed.
async fn ignored_then_forced(
    config: &DrillConfig,
    world: &World,
    ignored: &PrivateKeySigner,
    on_l1: &Sender,
    report: &mut CensorshipReport,
) -> Result<bool, DrillError> {
    if !config.honest {
        censor(world, Censorship::Transactions, Censorship::Transactions);
        world.timeline.tell(format!("all seats leave out the transactions of {}", ignored.address()));
    }
    let hash = pay(world, ignored, target(1)).await?;
    report.ignored_tx = hash;
    world.timeline.tell(format!("it sends {hash}"));
    tokio::time::sleep(IGNORED_FOR).await;
    let was_ignored = world.balance(target(1))?.is_zero();
    world.timeline.tell(if was_ignored { "which is in no block" } else { "which is in a block" });
    let (included, block) = on_l1.force(world, target(2)).await?;
    report.forced_at_block = block.number.get();
    world
        .timeline
        .tell(format!("it forces a transaction through L1: {} in block {}", included.transaction, block.number));
    let (height, time) = arrival(world, target(2)).await?;
    report.included_in_l2_block = Some(height);
    report.seconds_to_inclusion = Some(time.since(block.time));
    world.timeline.tell(format!("it is in L2 block {height}, {} s later", time.since(block.time)));
    Ok(was_ignored && world.balance(target(1))?.is_zero())
}

/// All but one let a forced transaction lapse; that one attends, and anyone sequences. Whether the chain goes on.
async fn lapsed_then_sequenced(
    world: &World,
    on_l1: &Sender,
    anyone: &Sender,
    report: &mut CensorshipReport,
) -> Result<bool, DrillError> {
    let protocol = world.network.chain().protocol.clone();
    let (view, addresses) = (&world.view, world.network.chain().addresses);
    // So that whatever they leave out is due in the next term, and the honest seat has most of that to attend.
    let (before, members) = until("the last eighth of a term", PATIENCE, async || {
        let (term, members) = view.committee().await?;
        let start = view.contracts().term_start(term, BlockAt::Latest).await?;
        let into = view.head_block().await?.time.since(start);
        Ok((into >= protocol.epoch_length / 8 * 7).then_some((term, members)))
    })
    .await?;
    let term = before.next();
    censor(world, Censorship::None, Censorship::Messages);
    world.timeline.tell(format!("before term {term}: all seats but one take nothing from L1 any more"));
    let (_, block) = on_l1.force(world, target(3)).await?;
    report.lapsed_at_block = Some(block.number.get());
    world.timeline.tell(format!("another transaction is forced, in L1 block {}", block.number));
    let attended = until("the attendance of the honest seat", PATIENCE, async || {
        let events = view.events::<Idle::Attended>(addresses.idle).await?;
        Ok(events.into_iter().find(|(event, ..)| event.term == term.get()))
    })
    .await?;
    let (event, at, transaction) = attended;
    let honest = members.get(HONEST).map(|member| member.seat);
    report.attended_tx = Some(transaction).filter(|_| Some(event.seat) == honest);
    report.attended_seat = Some(event.seat);
    world.timeline.tell(format!("seat id {} attends in L1 block {at}", event.seat));
    // What is left undone counts from the overlap's end.
    let counts_from = view.contracts().term_start(term, BlockAt::Latest).await?.saturating_add(protocol.overlap);
    until("anyone may sequence", PATIENCE, async || {
        let is_open = view.contracts().self_sequencing_is_open(BlockAt::Latest).await?;
        let counts = view.head_block().await?.time.since(counts_from) >= protocol.grace / 3;
        Ok((is_open && counts).then_some(()))
    })
    .await?;
    let included = anyone.send(anyone.inbox, U256::ZERO, Inbox::selfSequenceCall {}.abi_encode()).await?;
    let at = included.inclusion.block_number;
    let time = view.l1.block(BlockAt::Number(at)).await?.map_or(Seconds::ZERO, |block| block.time);
    report.self_sequenced_tx = Some(included.transaction);
    report.self_sequenced_at_block = Some(at.get());
    report.seconds_to_self_sequencing = Some(time.since(block.time));
    world
        .timeline
        .tell(format!("somebody sequences it, in L1 block {at}, {} s after it was sent", time.since(block.time)));
    censor(world, Censorship::None, Censorship::None);
    let (height, _) = arrival(world, target(3)).await?;
    world.timeline.tell(format!("it is in L2 block {height}; the seats do their duty again"));
    let posted = view.contracts().batch_index(BlockAt::Latest).await?;
    let goes_on = until("a batch of the next committee", PATIENCE, async || {
        Ok((view.contracts().batch_index(BlockAt::Latest).await? > posted).then_some(()))
    })
    .await
    .is_ok();
    Ok(goes_on)
}

/// Waits for the fines, and looks at all punishments.
async fn fined(world: &World, report: &mut CensorshipReport) -> Result<(), DrillError> {
    let idle = world.network.chain().addresses.idle;
    let slashes = until("the fines", PATIENCE, async || {
        let slashes = world.view.slashes().await?;
        Ok((slashes.len() >= SEATS - 1).then_some(slashes))
    })
    .await;
    let slashes = match slashes {
        Ok(_) => {
            // Nobody else is fined later.
            tokio::time::sleep(Duration::from_secs(world.network.chain().protocol.slot_time.saturating_mul(4))).await;
            world.view.slashes().await?
        }
        Err(DrillError::Timeout { .. }) => world.view.slashes().await?,
        Err(error) => return Err(error),
    };
    for slash in &slashes {
        report.seats_fined = report.seats_fined.saturating_add(1);
        report.fined = report.fined.saturating_add(slash.penalty);
        report.report_txs.push(slash.transaction);
        let innocent = slash.fault != idle || Some(slash.seat) == report.attended_seat;
        report.innocents_fined = report.innocents_fined.saturating_add(u64::from(innocent));
        let gas = world.view.l1.inclusion(slash.transaction).await?.map(|inclusion| inclusion.gas_used);
        report.gas_used = report.gas_used.max(gas);
        world.timeline.tell(format!(
            "fined: seat id {} in L1 block {}: {} wei, reward {} wei",
            slash.seat, slash.block, slash.penalty, slash.reward
        ));
    }
    report.seats_fined = report.seats_fined.saturating_sub(report.innocents_fined);
    Ok(())
}

/// How far the honest seat and the others go from now on.
fn censor(world: &World, honest: Censorship, others: Censorship) {
    for (place, seat) in world.network.misbehaviours().iter().enumerate() {
        seat.censor(if place == HONEST { honest } else { others });
    }
}

/// Addresses that nobody else pays.
const fn target(n: u8) -> Address {
    Address::repeat_byte(0xc0 | n)
}

/// The first block after which an address has something, and its time, once there is one.
async fn arrival(world: &World, address: Address) -> Result<(u64, Seconds), DrillError> {
    until("the transaction on L2", PATIENCE, async || world.arrival(address)).await
}
