//! Reports of those who signed what fell, and of those who signed what stands on it (`IInvalidState`).

use crate::party::{Party, PartyError};
use alloy_primitives::{B256, Bytes, U256};
use alloy_sol_types::{SolCall as _, SolValue as _};
use std::collections::BTreeSet;
use surety_contracts::bindings::{Claims, Slasher};
use surety_dispute::Docket;
use surety_l1::{BlockAt, L1Error, records::Records};
use surety_types::claim::Claim;

/// Batches behind a claim that fell, at most, whose signers are looked for. Terms end before.
const MAX_DEPTH: usize = 1_000;

/// Reports what L1 can judge by now. Claims that cost nobody anything any more go to `done`.
pub(super) async fn report(
    party: &Party,
    docket: &Docket,
    records: &mut Records<'_>,
    done: &mut BTreeSet<B256>,
) -> Result<(), PartyError> {
    for id in docket.fallen().filter(|id| !done.contains(id)).collect::<Vec<_>>() {
        let Some(lost) = records.claim(id).await? else { continue };
        let is_settled = party.contracts().final_child(lost.parent, BlockAt::Latest).await?.is_some();
        let mut is_over = is_settled;
        for chain in standing_on(records, lost).await? {
            is_over &= report_chain(party, &chain, is_settled).await?;
        }
        if is_over {
            done.insert(id);
        }
    }
    Ok(())
}

/// A claim that fell, and each that stands on it, each with those before it up to that one.
async fn standing_on(records: &mut Records<'_>, lost: Claim) -> Result<Vec<Vec<Claim>>, L1Error> {
    let mut all = vec![vec![lost]];
    let (mut newest, mut index) = (all.clone(), lost.batch_index.next());
    while !newest.is_empty() && all.len() < MAX_DEPTH {
        let claims = records.claims_of(index).await?;
        let on = |chain: &Vec<Claim>| {
            let top = chain.first().map(Claim::id);
            let above = claims.iter().filter(move |claim| Some(claim.parent) == top);
            above.map(|claim| [&[*claim][..], chain].concat()).collect::<Vec<_>>()
        };
        newest = newest.iter().flat_map(on).collect();
        all.extend(newest.iter().cloned());
        index = index.next();
    }
    Ok(all)
}

/// Reports the signers of the first claim of a chain. Whether none of them has anything to lose.
async fn report_chain(party: &Party, chain: &[Claim], is_settled: bool) -> Result<bool, PartyError> {
    let contracts = party.contracts();
    let Some(signed) = chain.first() else { return Ok(true) };
    let Some(status) = contracts.claim(signed.id(), BlockAt::Latest).await? else { return Ok(false) };
    if status.signers == 0 {
        return Ok(true);
    }
    let members = contracts.committee(status.term, BlockAt::Latest).await?;
    let mut is_over = true;
    for (place, member) in members.iter().enumerate().filter(|(place, _)| status.signers >> place & 1 == 1) {
        let seat = contracts.seat(member.seat, BlockAt::Latest).await?;
        if seat.bond.is_zero() {
            continue;
        }
        is_over = false;
        if is_settled || seat.frozenAt == 0 {
            let evidence = evidence(chain, place);
            let call = Slasher::reportCall { fault: party.chain.addresses.invalid_state, evidence };
            let sent = party.send(party.chain.addresses.slasher.into(), U256::ZERO, call.abi_encode().into()).await?;
            if let Some(included) = sent {
                tracing::error!(
                    seat = member.seat, batch = %signed.batch_index, term = %status.term, settled = is_settled,
                    transaction = %included.transaction, "A SEAT THAT SIGNED A WRONG STATE was reported"
                );
            }
        }
    }
    Ok(is_over)
}

/// What `InvalidState` judges: that the member at this place signed the first claim of a chain whose last one lost.
pub(super) fn evidence(chain: &[Claim], place: usize) -> Bytes {
    let chain: Vec<Claims::ClaimPreimage> = chain.iter().map(Into::into).collect();
    (chain, U256::from(place)).abi_encode_params().into()
}
