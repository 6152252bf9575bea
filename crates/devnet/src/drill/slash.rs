//! Drills in which a seat sins and is punished.

use super::{
    DrillConfig, DrillError, Finished, MAX_GAS, MAX_L1_BLOCKS, MAX_STALL, PenaltyReport, Report, Timeline,
    world::{Pulse, Slash, World, until},
};
use alloy_primitives::{U256, utils::format_ether};
use std::time::{Duration, Instant};
use surety_l1::BlockAt;
use surety_node::consensus::byzantine::{Offence, Sin};
use surety_types::Seconds;

/// Who sins: the last place, so that the first seat's feed is an honest one.
const SINNER: usize = 3;
/// How long the sin may take: a leader's turn, a batch.
const SIN_WITHIN: Duration = Duration::from_secs(90);
/// The part of a slot in which it is done, so that the rest is left for the report.
const EARLY: Duration = Duration::from_millis(800);
/// How long the punishment may take, and how long an honest run is looked at.
const SLASHED_WITHIN: Duration = Duration::from_secs(40);
const HONEST_FOR: Duration = Duration::from_secs(15);
/// How long the next terms may take.
const GONE_WITHIN: Duration = Duration::from_secs(240);
/// L2 blocks of the first term without the sinner that must become final.
const BLOCKS_AFTER: u64 = 5;

pub(super) async fn run(config: DrillConfig, sin: Sin, timeline: Timeline) -> Result<Finished, DrillError> {
    let world = World::start(&config, vec![(SINNER, sin)], timeline).await?;
    let outcome = observe(&config, &world).await;
    let (l1_rpc, l1) = world.stop().await;
    Finished::of(outcome, l1_rpc, l1).await
}

async fn observe(config: &DrillConfig, world: &World) -> Result<Report, DrillError> {
    let pulse = Pulse::start(world);
    let (_, members) = world.view.committee().await?;
    let sinner = members.get(SINNER).map_or(0, |member| member.seat);
    let bond_before = world.view.bond(sinner).await?;
    let offence = if config.honest { None } else { Some(offend(world).await?) };
    let slashes = match &offence {
        Some(_) => slashed(world).await?,
        None => {
            world.timeline.tell(format!("everybody is honest; looking on for {} s", HONEST_FOR.as_secs()));
            tokio::time::sleep(HONEST_FOR).await;
            world.view.slashes().await?
        }
    };
    let first = slashes.iter().find(|slash| slash.seat == sinner).cloned();
    let gone = match &first {
        Some(slash) => gone(world, sinner, slash).await?,
        None => false,
    };
    // Once more at the end: nobody was punished later.
    let slashes = world.view.slashes().await?;
    let gas_used = match &first {
        Some(slash) => world.view.l1.inclusion(slash.transaction).await?.map(|inclusion| inclusion.gas_used),
        None => None,
    };
    let offence_at_block = offence.as_ref().map(|(block, _)| *block);
    let l1_blocks_to_slash =
        first.as_ref().zip(offence_at_block).map(|(slash, offence)| slash.block.saturating_sub(offence));
    let innocents_slashed = slashes.iter().filter(|slash| slash.seat != sinner).count() as u64;
    let stall = pulse.longest();
    world.timeline.tell(format!("the longest time without a new final block was {} ms", stall.as_millis()));
    let passed = slashes.len() == 1
        && innocents_slashed == 0
        && gone
        && stall < MAX_STALL
        && gas_used.is_some_and(|gas| gas < MAX_GAS)
        && l1_blocks_to_slash.is_some_and(|blocks| blocks <= MAX_L1_BLOCKS);
    Ok(Report::Penalty(PenaltyReport {
        drill: config.drill.name(),
        offence_at_block,
        report_tx: first.as_ref().map(|slash| slash.transaction),
        slashed_at_block: first.as_ref().map(|slash| slash.block),
        l1_blocks_to_slash,
        gas_used,
        seats_slashed: slashes.len() as u64,
        bond_before,
        bond_after: world.view.bond(sinner).await?,
        reward: first.as_ref().map_or(U256::ZERO, |slash| slash.reward),
        innocents_slashed,
        passed,
    }))
}

/// Has the sinner sin early in a slot of L1, so that time is left for the report; returns L1's head then.
async fn offend(world: &World) -> Result<(u64, Offence), DrillError> {
    let Some(misbehaviour) = world.network.misbehaviours().first() else {
        return Err(DrillError::Failed("the network has no sinner".into()));
    };
    let mut offence = misbehaviour.offence();
    world.timeline.tell(format!("seat {SINNER} is told to sin as soon as there is an occasion early in a slot of L1"));
    let end = Instant::now() + SIN_WITHIN;
    let mut done = None;
    while done.is_none() && Instant::now() < end {
        let before = world.view.head().await?;
        until(
            "a new L1 block",
            Duration::from_secs(30),
            async || Ok((world.view.head().await? > before).then_some(())),
        )
        .await?;
        misbehaviour.commit();
        if let Ok(Ok(found)) = tokio::time::timeout(EARLY, offence.wait_for(Option::is_some)).await {
            done.clone_from(&found);
        } else {
            misbehaviour.refrain();
            // What was begun by then comes to its end.
            tokio::time::sleep(Duration::from_millis(200)).await;
            done.clone_from(&offence.borrow_and_update());
        }
    }
    let done = done.ok_or(DrillError::Timeout { what: "the sin", within: SIN_WITHIN })?;
    let head = world.view.head().await?;
    let (first, second) = (&done.pair.first.statement, &done.pair.second.statement);
    world.timeline.tell(format!(
        "offence: {:?} and {:?} at {} of term {}; L1 is at block {head}",
        first.kind(),
        second.kind(),
        first.place(),
        first.term()
    ));
    Ok((head, done))
}

async fn slashed(world: &World) -> Result<Vec<Slash>, DrillError> {
    let found = until("the punishment", SLASHED_WITHIN, async || {
        let slashes = world.view.slashes().await?;
        Ok((!slashes.is_empty()).then_some(slashes))
    })
    .await;
    match found {
        Ok(slashes) => {
            for slash in &slashes {
                world.timeline.tell(format!(
                    "slashed: seat id {} in L1 block {} by {}: penalty {} ETH, reward {} ETH",
                    slash.seat,
                    slash.block,
                    slash.transaction,
                    format_ether(slash.penalty),
                    format_ether(slash.reward)
                ));
            }
            Ok(slashes)
        }
        Err(DrillError::Timeout { .. }) => {
            world.timeline.tell("nobody was punished in time");
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

/// Whether the seat is missing in the first term that starts when it is out, and that term makes blocks.
async fn gone(world: &World, sinner: u64, slash: &Slash) -> Result<bool, DrillError> {
    let contracts = world.view.contracts();
    let frozen_at = contracts.seat(sinner, BlockAt::Latest).await?.frozenAt;
    let protocol = &world.network.chain().protocol;
    let out_from = Seconds::new(frozen_at.saturating_add(protocol.settled_depth.saturating_mul(protocol.slot_time)));
    let started = until("the first term without the seat", GONE_WITHIN, async || {
        let (term, members) = world.view.committee().await?;
        let start = world.view.contracts().term_start(term, BlockAt::Latest).await?;
        Ok((start >= out_from).then_some((term, members)))
    })
    .await;
    let (term, members) = match started {
        Ok(started) => started,
        Err(DrillError::Timeout { what, .. }) => {
            world.timeline.tell(format!("{what} did not start"));
            return Ok(false);
        }
        Err(error) => return Err(error),
    };
    let gone = frozen_at > 0 && members.iter().all(|member| member.seat != sinner);
    let state = if gone { "gone" } else { "still there" };
    world.timeline.tell(format!("term {term} has {} seats; the punished one is {state}", members.len()));
    let runs = world.network.seats().first().map(|seat| seat.seat().term());
    let began = until("the term on L2", Duration::from_secs(60), async || {
        let now = runs.as_ref().and_then(|term| term.borrow().map(|boundary| boundary.term));
        Ok((now >= Some(term)).then_some(world.height()))
    })
    .await;
    let Ok(height) = began else { return Ok(false) };
    let goes_on = until("blocks of the term", Duration::from_secs(30), async || {
        Ok((world.height() >= height.saturating_add(BLOCKS_AFTER)).then_some(()))
    })
    .await
    .is_ok();
    let blocks = slash.block;
    world.timeline.tell(format!(
        "L2 {} in term {term} (block {}), punished in L1 block {blocks}",
        if goes_on { "goes on" } else { "stands" },
        world.height()
    ));
    Ok(gone && goes_on)
}
