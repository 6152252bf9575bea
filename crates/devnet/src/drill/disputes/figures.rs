//! What became of a dispute, as L1 has it.

use super::{
    super::{DisputeReport, Drill, DrillConfig, DrillError, world::World},
    ANSWERS, Over, SIGNERS, Wrong,
};
use alloy_primitives::{Address, B256, U256};
use std::collections::BTreeSet;
use surety_contracts::bindings::{Dispute, SequencerRegistry, Slasher};
use surety_l1::BlockAt;
use surety_types::L1Height;

/// The most gas of a transaction on L1 (EIP-7825).
const MAX_TRANSACTION_GAS: u64 = 1 << 24;

/// `IDispute.Cause.Step`.
const BY_STEP: u8 = 2;

/// The seats that signed one of the wrong claims, each with its place.
pub(super) async fn signers(world: &World, wrong: &Wrong) -> Result<BTreeSet<(usize, u64)>, DrillError> {
    let contracts = world.view.contracts();
    let mut seats = BTreeSet::new();
    for claim in &wrong.claims {
        let Some(status) = contracts.claim(claim.id(), BlockAt::Latest).await? else { continue };
        if status.signers == 0 {
            continue;
        }
        let members = contracts.committee(status.term, BlockAt::Latest).await?;
        let signed = (0..).zip(&members).filter(|(place, _)| status.signers >> place & 1 == 1);
        seats.extend(signed.map(|(place, member)| (place, member.seat)));
    }
    Ok(seats)
}

async fn time(world: &World, block: u64) -> Result<u64, DrillError> {
    let block = world.view.l1.block(BlockAt::Number(L1Height::new(block))).await?;
    Ok(block.map_or(0, |block| block.time.get()))
}

/// Reads everything from L1.
pub(super) async fn read(
    config: &DrillConfig,
    world: &World,
    challenger: Address,
    wrong: &Wrong,
    over: Over,
) -> Result<DisputeReport, DrillError> {
    let (view, chain) = (&world.view, world.network.chain());
    let (contracts, addresses) = (view.contracts(), chain.addresses);
    let first = wrong.claims.first().copied();
    let mut report = DisputeReport {
        drill: config.drill.name(),
        batch: first.map_or(0, |claim| claim.batch_index.get()),
        claim: first.map_or(B256::ZERO, |claim| claim.id()),
        claimed_tx: wrong.posted.0,
        claimed_at_block: wrong.posted.1,
        challenge_period: chain.protocol.challenge_period,
        challenger,
        goes_on: over.goes_on,
        ..DisputeReport::default()
    };
    let dispute = addresses.dispute;
    let fell = view.events::<Dispute::ClaimFell>(dispute).await?;
    let siblings: BTreeSet<B256> =
        wrong.claims.iter().filter(|claim| claim.parent == wrong.parent.id()).map(|claim| claim.id()).collect();
    let last = fell.iter().filter(|(event, ..)| siblings.contains(&event.claimId)).max_by_key(|(_, block, _)| *block);
    for claim in &wrong.claims {
        let is_live = contracts.is_live(claim.id(), claim.batch_index, BlockAt::Latest).await?;
        report.wrong_claims_fallen += u64::from(!is_live);
    }
    let mut decided_at = 0;
    if let Some((_, block, transaction)) = last {
        decided_at = time(world, *block).await?;
        (report.fell_tx, report.fell_at_block) = (Some(*transaction), Some(*block));
        report.seconds_to_fall = Some(decided_at.saturating_sub(time(world, report.claimed_at_block).await?));
    }
    if let Some((id, status)) = over.right {
        (report.right_claim, report.right_claimed_at) = (Some(id), Some(status.posted_at.get()));
        let final_at = status.final_at.get().max(decided_at);
        report.seconds_to_final = Some(final_at.saturating_sub(status.posted_at.get()));
    }
    let moves = view.events::<Dispute::Moved>(dispute).await?.len()
        + view.events::<Dispute::ClaimMade>(dispute).await?.len()
        + view.events::<Dispute::ContestOpened>(dispute).await?.len()
        + view.events::<Dispute::StepReached>(dispute).await?.len();
    report.moves = moves as u64;
    sides(world, &mut report, &fell).await?;
    parties(world, &mut report).await?;
    let verdicts = fell.iter().map(|(.., transaction)| *transaction).collect();
    seats(world, wrong, &mut report, &verdicts).await?;
    Ok(report)
}

/// Transactions and gas.
async fn sides(
    world: &World,
    report: &mut DisputeReport,
    fell: &[(Dispute::ClaimFell, u64, B256)],
) -> Result<(), DrillError> {
    let addresses = world.network.chain().addresses;
    let told = [addresses.dispute, addresses.claims, addresses.preimages, addresses.slasher];
    let steps: BTreeSet<B256> =
        fell.iter().filter(|(event, ..)| event.cause == BY_STEP).map(|(.., transaction)| *transaction).collect();
    for (transaction, inclusion) in world.view.transactions(&told).await? {
        let gas = inclusion.gas_used;
        if steps.contains(&transaction) {
            (report.step_tx, report.step_gas) = (Some(transaction), Some(gas));
        }
        if inclusion.from == report.challenger {
            report.challenger_txs += 1;
            report.challenger_gas += gas;
            report.challenger_most_gas = report.challenger_most_gas.max(gas);
        } else {
            report.other_txs += 1;
            report.other_gas += gas;
        }
    }
    Ok(())
}

/// Bonds of parties.
async fn parties(world: &World, report: &mut DisputeReport) -> Result<(), DrillError> {
    let (view, addresses) = (&world.view, world.network.chain().addresses);
    for (event, ..) in view.events::<Dispute::PartyJoined>(addresses.dispute).await? {
        if event.party == report.challenger {
            report.challenger_bond += event.bond;
        }
    }
    for (event, ..) in view.events::<Dispute::PartyFell>(addresses.dispute).await? {
        report.parties_fallen += 1;
        report.party_bonds_lost += event.bond;
        if event.winner == report.challenger {
            report.challenger_reward += event.reward;
        }
    }
    for (event, ..) in view.events::<Slasher::Slashed>(addresses.slasher).await? {
        if event.reporter == report.challenger {
            report.challenger_reward += event.reward;
        }
    }
    Ok(())
}

/// Who signed, and who did not. Claims fell in the transactions `verdicts`.
async fn seats(
    world: &World,
    wrong: &Wrong,
    report: &mut DisputeReport,
    verdicts: &BTreeSet<B256>,
) -> Result<(), DrillError> {
    let (view, addresses) = (&world.view, world.network.chain().addresses);
    let mut guilty = BTreeSet::new();
    if report.wrong_claims_fallen > 0 {
        guilty.extend(signers(world, wrong).await?.into_iter().map(|(_, seat)| seat));
    }
    for (event, _, transaction) in view.events::<SequencerRegistry::SeatFrozen>(addresses.registry).await? {
        if !guilty.contains(&event.seat) {
            report.innocents_slashed += 1;
        } else if verdicts.contains(&transaction) {
            report.seats_frozen += 1;
        }
    }
    for seat in &guilty {
        report.seats_slashed += u64::from(view.bond(*seat).await?.is_zero());
    }
    for slash in view.slashes().await?.iter().filter(|slash| guilty.contains(&slash.seat)) {
        report.seat_bonds_lost += slash.penalty;
    }
    Ok(())
}

/// Whether all of it went as it must.
pub(super) fn passed(config: &DrillConfig, world: &World, report: &DisputeReport) -> bool {
    let bond = world.network.chain().protocol.bond;
    let (wrong, parties) = match config.drill {
        Drill::LateParent => (3, 0),
        Drill::InvalidState => (1, 1),
        Drill::SelfDispute => (2, 2),
        Drill::RivalSpam => (100, 100),
        _ => (1, 0),
    };
    let signed = if config.drill == Drill::RivalSpam { 0 } else { SIGNERS.len() as u64 };
    let in_time = report.seconds_to_final.is_some_and(|seconds| seconds <= report.challenge_period + ANSWERS);
    let is_refused = report.theft_refused.as_ref().is_some_and(|why| why.contains("ClaimNotFinal"));
    let is_theft = matches!(config.drill, Drill::InvalidState | Drill::LateParent | Drill::SelfDispute);
    report.wrong_claims_fallen == wrong
        && report.parties_fallen == parties
        && in_time
        && report.seats_frozen == signed
        && report.seats_slashed == signed
        && report.seat_bonds_lost == bond * U256::from(signed)
        && report.innocents_slashed == 0
        && report.goes_on
        && report.challenger_most_gas < MAX_TRANSACTION_GAS
        && is_refused == is_theft
        && (report.step_tx.is_some() || config.drill != Drill::InvalidState)
}
