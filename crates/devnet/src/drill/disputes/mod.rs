//! Wrong claims, and one honest challenger with one bond.
//!
//! Three of four seats are stopped, and their keys sign what their nodes would not; or strangers with bonds say what is wrong. A
//! challenger, who has nothing but its own node and one bond, must win on L1; who signed must lose the whole bond; and the seat
//! that is left must go on from the right claim.

mod figures;
mod forgery;
mod rivals;
mod side;

use super::{
    DisputeReport, Drill, DrillConfig, DrillError, Finished, Report, Timeline,
    world::{World, until},
};
use crate::network::L2_CHAIN_ID;
use alloy_primitives::{B256, U256, utils::parse_ether};
use forgery::{Draft, Theft};
use side::{Challenging, Side};
use std::time::Duration;
use surety_contracts::{Parameters, Profile, bindings::Dispute};
use surety_l1::{BlockAt, contracts::ClaimStatus};
use surety_node::{challenger::byzantine::Lies, follower::DerivedBatch};
use surety_rpc::Backend as _;
use surety_types::claim::Claim;

/// The development accounts of the challenger and of those who are wrong.
const CHALLENGER: usize = 5;
const LIAR: usize = 6;
const SECOND_LIAR: usize = 7;
/// The places of the seats that sign what is wrong. The first one stays honest.
const SIGNERS: [usize; 3] = [1, 2, 3];
/// Seconds of a challenge period: enough for both sides' moves down to one step on a busy machine.
const CHALLENGE_PERIOD: u64 = 100;
/// Seconds that a term must still have when the seats stop.
const EARLY: u64 = 25;
/// Seconds of L2 in a batch.
const BATCH_AGE: u64 = 6;
/// What all answers of the honest side in one dispute may take together.
const ANSWERS: u64 = 90;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// How many L2 blocks each wrong batch has, about.
const BATCH_BLOCKS: u64 = 2;
/// And how many more L2 must be ahead when the seats stop.
const SPARE_BLOCKS: u64 = 4;
/// How often it is tried to stop the seats then.
const ATTEMPTS: usize = 8;

/// What is signed, or claimed.
struct Wrong {
    /// The right claim that the first wrong one stands on.
    parent: Claim,
    /// Wrong claims, each on the one before or beside it.
    claims: Vec<Claim>,
    /// The blocks' hashes in the first of them.
    hashes: Vec<B256>,
    /// The transaction that brought the first, and its block.
    posted: (B256, u64),
    theft: Option<Theft>,
}

pub(super) async fn run(config: DrillConfig, timeline: Timeline) -> Result<Finished, DrillError> {
    let mut protocol = Parameters::of(Profile::Ci, L2_CHAIN_ID);
    protocol.challenge_period = CHALLENGE_PERIOD;
    // So that L2 is ahead of L1 when the seats stop.
    protocol.batch_age = BATCH_AGE;
    protocol.overlap = protocol.overlap.saturating_add(BATCH_AGE);
    protocol.unbonding = u64::try_from(protocol.least_unbonding()).unwrap_or(u64::MAX);
    protocol.escape_delay = CHALLENGE_PERIOD.saturating_mul(4);
    let mut world = World::start_on(&config, Vec::new(), protocol, timeline).await?;
    let mut liars = Vec::new();
    let outcome = Box::pin(observe(&config, &mut world, &mut liars)).await;
    for liar in liars {
        liar.stop().await;
    }
    let (l1_rpc, l1) = world.stop().await;
    Finished::of(outcome.map(|report| Report::Dispute(Box::new(report))), l1_rpc, l1).await
}

async fn observe(config: &DrillConfig, world: &mut World, liars: &mut Vec<Side>) -> Result<DisputeReport, DrillError> {
    let mut challenger = Challenging::start(config, world, CHALLENGER).await?;
    liars.push(Side::start(config, world, "liar", LIAR).await?);
    let mut wrong = if config.drill == Drill::RivalSpam {
        rivals::spam(config, world, liars).await?
    } else {
        sign(config, world, liars).await?
    };
    if config.drill == Drill::SelfDispute && !config.honest {
        let rival = rivals::oppose_itself(config, world, liars, &wrong).await?;
        wrong.claims.push(rival);
    }
    if config.drill == Drill::InvalidState && !config.honest {
        crash(world, &mut challenger).await?;
    }
    let over = settled(config, world, &wrong).await?;
    let mut report = figures::read(config, world, challenger.account, &wrong, over).await?;
    if let Some(theft) = &wrong.theft
        && let Some(claim) = wrong.claims.first()
    {
        report.theft_refused =
            forgery::refusal(world, world.network.chain().addresses.bridge, theft.withdraw(claim)).await?;
        world.timeline.tell(match &report.theft_refused {
            Some(why) => format!("the theft's withdrawal is refused: {why}"),
            None => "THE THEFT'S WITHDRAWAL IS PAID".into(),
        });
    }
    report.passed = figures::passed(config, world, &report);
    Ok(report)
}

/// Kills the challenger in the middle of the dispute.
async fn crash(world: &World, challenger: &mut Challenging) -> Result<(), DrillError> {
    let dispute = world.network.chain().addresses.dispute;
    until("the blocks are divided", PATIENCE, async || {
        Ok((!world.view.events::<Dispute::ContestOpened>(dispute).await?.is_empty()).then_some(()))
    })
    .await?;
    challenger.crash().await?;
    world.timeline.tell("the challenger was killed (kill -9) in the middle of the dispute, and started again");
    Ok(())
}

/// Stops the seats when L2 is ahead of L1 by enough blocks. What the next batch stands on.
async fn stop_seats(world: &mut World, liars: &[Side], blocks: u64) -> Result<DerivedBatch, DrillError> {
    for _ in 0..ATTEMPTS {
        until("a young term on L1 and L2", PATIENCE, async || {
            let (term, _) = world.view.committee().await?;
            let start = world.view.contracts().term_start(term, BlockAt::Latest).await?;
            let into = world.view.head_block().await?.time.since(start);
            let on_l2 = world.network.seats().first().and_then(|seat| *seat.seat().term().borrow());
            let is_young = into.saturating_add(EARLY) < world.network.chain().protocol.epoch_length;
            Ok((is_young && on_l2.is_some_and(|boundary| boundary.term == term)).then_some(()))
        })
        .await?;
        let before = world.view.contracts().batch_index(BlockAt::Latest).await?;
        until("a batch", PATIENCE, async || {
            Ok((world.view.contracts().batch_index(BlockAt::Latest).await? > before).then_some(()))
        })
        .await?;
        until("blocks that are not on L1", PATIENCE, async || {
            let posted = world.view.contracts().inbox_head(BlockAt::Latest).await?.last_height;
            Ok((committed(world) > posted.get().saturating_add(blocks).saturating_add(SPARE_BLOCKS)).then_some(()))
        })
        .await?;
        let seats = SIGNERS.len();
        world.network.stop_seats(seats).await?;
        // What is underway arrives.
        let slot = Duration::from_secs(world.network.chain().protocol.slot_time);
        tokio::time::sleep(slot.saturating_mul(2)).await;
        let side = liars.first().ok_or_else(|| DrillError::Failed("there is no liar".into()))?;
        let tip = until("the liar's node has all that L1 has", PATIENCE, async || {
            let status = side.node.status().borrow().clone();
            let index = world.view.contracts().batch_index(BlockAt::Latest).await?;
            Ok((status.caught_up && status.safe.index == index).then_some(status.safe))
        })
        .await?;
        // All in one term, and one block more, which ends the last batch.
        let last = tip.last.saturating_add(blocks).saturating_add(1);
        let (first, last) = (forgery::term_at(world, tip.last.next())?, forgery::term_at(world, last)?);
        if first.is_some() && first == last {
            let committed = committed(world);
            world.timeline.tell(format!(
                "three of four seats are gone; L2 is at block {committed}, L1 has it up to {} in batch {}",
                tip.last, tip.index
            ));
            return Ok(tip);
        }
        world.network.start_seats(seats).await?;
    }
    Err(DrillError::Failed("the seats could never be stopped with enough blocks that are not on L1".into()))
}

/// Number of the last block that the first seat has on disk.
fn committed(world: &World) -> u64 {
    world.network.seats().first().map_or(0, |seat| seat.backend().store().committed().number)
}

/// Has three of four seats sign one wrong batch, or more on it.
async fn sign(config: &DrillConfig, world: &mut World, liars: &mut [Side]) -> Result<Wrong, DrillError> {
    let deep = if config.drill == Drill::LateParent { 3 } else { 1 };
    let mut tip = stop_seats(world, liars, BATCH_BLOCKS.saturating_mul(deep)).await?;
    let failed = |what: &str| DrillError::Failed(what.into());
    let liar = liars.first_mut().ok_or_else(|| failed("there is no liar"))?;
    let seat = world.network.seats().first().ok_or_else(|| failed("no seat is left"))?.backend();
    let mut wrong: Option<Wrong> = None;
    for place in 0..deep {
        let right = Draft::honest(world, &tip, BATCH_BLOCKS)?;
        let mut theft = None;
        let draft = match config.drill {
            _ if config.honest => right.clone(),
            Drill::InvalidData => right.clone().without_data(),
            _ if place == 0 => {
                let loot = parse_ether("1000").unwrap_or_default();
                let minted = Theft::in_block(seat.store(), right.claim().last_hash, loot)?;
                let draft = right.clone().ending_in(minted.hash);
                theft = Some(minted);
                draft
            }
            _ => right.clone(),
        };
        let draft = match wrong.as_ref().and_then(|wrong| wrong.claims.last()) {
            Some(parent) => draft.on(*parent),
            None => draft,
        };
        let posted = draft.post(world, &liar.party, &SIGNERS).await?;
        world.timeline.tell(format!(
            "{} of 4 seats signed batch {}, which is on L1 in block {} by {}",
            SIGNERS.len(),
            draft.claim().batch_index,
            posted.1,
            posted.0
        ));
        match &mut wrong {
            Some(wrong) => wrong.claims.push(draft.claim()),
            None => {
                wrong = Some(Wrong {
                    parent: draft.parent,
                    claims: vec![draft.claim()],
                    hashes: draft.hashes.clone(),
                    posted,
                    theft,
                });
            }
        }
        tip = right.derived(&tip, &draft.statement);
    }
    let wrong = wrong.ok_or_else(|| failed("nothing was signed"))?;
    if !config.honest && matches!(config.drill, Drill::InvalidState | Drill::SelfDispute) {
        // Deep in the first stretch.
        liar.lie(Lies { parent: wrong.parent.id(), hashes: wrong.hashes.clone(), stretch: 0, step: 500_001 });
        world.timeline.tell("an accomplice argues for it, down to the step");
    }
    Ok(wrong)
}

/// What was there at the end.
struct Over {
    /// The right claim of the first wrong one's batch, if there is one that is final.
    right: Option<(B256, ClaimStatus)>,
    /// Whether a batch stands on it.
    goes_on: bool,
}

/// Waits until all that is wrong has fallen, what is right is final, who signed has lost, and the chain goes on.
async fn settled(config: &DrillConfig, world: &World, wrong: &Wrong) -> Result<Over, DrillError> {
    let contracts = world.view.contracts();
    let tell = |what: &str| world.timeline.tell(what.to_owned());
    let Some(first) = wrong.claims.first() else { return Ok(Over { right: None, goes_on: false }) };
    if config.honest {
        tell("everybody is honest: waiting until what they signed is final");
        let status = is_final(world, first.id()).await?;
        return Ok(Over { right: Some((first.id(), status)), goes_on: false });
    }
    for claim in &wrong.claims {
        until("a wrong claim falls", PATIENCE, async || {
            Ok((!contracts.is_live(claim.id(), claim.batch_index, BlockAt::Latest).await?).then_some(()))
        })
        .await?;
    }
    tell("all wrong claims have fallen");
    let right = until("the right claim is final", PATIENCE, async || {
        contracts.final_child(wrong.parent.id(), BlockAt::Latest).await.map_err(Into::into)
    })
    .await?;
    let status = is_final(world, right).await?;
    tell("the right claim is final");
    if config.drill != Drill::RivalSpam {
        until("the signers' bonds are gone", PATIENCE, async || {
            let mut is_gone = true;
            for (_, seat) in figures::signers(world, wrong).await? {
                is_gone &= world.view.bond(seat).await?.is_zero();
            }
            Ok(is_gone.then_some(()))
        })
        .await?;
        tell("the bonds of all who signed are gone");
    }
    let after = wrong.claims.last().map_or(first.batch_index, |claim| claim.batch_index);
    let goes_on = until("a batch behind the right claims", PATIENCE, async || {
        let status = world.network.follower().status().borrow().clone();
        Ok((status.caught_up && status.safe.index > after && status.safe.is_claimed()).then_some(()))
    })
    .await
    .is_ok();
    tell(if goes_on { "the chain goes on from the right claim" } else { "THE CHAIN STANDS" });
    Ok(Over { right: Some((right, status)), goes_on })
}

async fn is_final(world: &World, id: B256) -> Result<ClaimStatus, DrillError> {
    until("a claim is final", PATIENCE, async || {
        let status = world.view.contracts().claim(id, BlockAt::Latest).await?;
        Ok(status.filter(|status| status.is_final))
    })
    .await
}

/// So much ether, in wei.
fn ether(amount: u64) -> U256 {
    U256::from(amount).saturating_mul(U256::from(10).pow(U256::from(18)))
}
