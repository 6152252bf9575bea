//! Strangers who claim what is wrong with bonds of their own.

use super::{
    super::{
        DrillConfig, DrillError,
        world::{World, until},
    },
    PATIENCE, SECOND_LIAR, Wrong, ether,
    side::Side,
};
use crate::network::submitter;
use alloy::{
    signers::local::PrivateKeySigner,
    sol_types::{SolCall as _, SolValue as _},
};
use alloy_primitives::{B256, Bytes, TxKind, U256, keccak256};
use std::sync::Arc;
use surety_contracts::bindings::Claims;
use surety_dispute::posting::posting;
use surety_l1::records::Records;
use surety_node::{challenger::byzantine::Lies, party::Party};
use surety_rpc::Backend as _;
use surety_types::{
    BatchIndex,
    claim::{BlockHashTree, Claim},
};

/// How many rivals come in `rival-spam`.
const RIVALS: u64 = 100;
/// How many of them post at once.
const AT_ONCE: usize = 10;

fn failed(what: impl ToString) -> DrillError {
    DrillError::Failed(what.to_string())
}

/// A batch on L1, as an opponent needs it.
struct Target {
    parent: Claim,
    hashes: Vec<B256>,
}

/// Claims that a batch ended in another block; the claim.
async fn oppose(
    liar: &Party,
    target: &Target,
    index: BatchIndex,
    hash: B256,
) -> Result<(Claim, B256, u64), DrillError> {
    if !liar.join().await.map_err(failed)? {
        return Err(failed("a rival cannot pay its bond"));
    }
    let mut hashes = target.hashes.clone();
    if let Some(last) = hashes.last_mut() {
        *last = hash;
    }
    let root = BlockHashTree::new(&hashes).map(|tree| tree.root()).unwrap_or_default();
    let contracts = liar.chain.addresses.claims;
    let claimed = until("a rival stands", PATIENCE, async || {
        // What shows L1 that the batch was posted changes with the next one.
        let mut records = Records::new(&*liar.l1, &liar.chain).await?;
        let (statement, later) = records.posted(index).await?.ok_or_else(|| failed("the batch is gone"))?;
        let siblings = records.claims_of(index).await?;
        let first = siblings.iter().find(|other| other.parent == target.parent.id());
        let right = first.copied().unwrap_or(Claim::stated(index, &statement));
        let claim = Claim { parent: target.parent.id(), last_hash: hash, block_hash_root: root, ..right };
        let posting = posting(&claim, &target.parent, first, &statement, later, &hashes);
        let posting = posting.ok_or_else(|| failed("the rival's claim does not fit its batch"))?;
        let call = Claims::postBondedCall { claim_: (&claim).into(), posting };
        let sent = liar.send(contracts.into(), U256::ZERO, call.abi_encode().into()).await.map_err(failed)?;
        Ok(sent.map(|included| (claim, included.transaction, included.inclusion.block_number.get())))
    })
    .await?;
    Ok(claimed)
}

/// A hundred strangers oppose a right claim, each with another hash; nobody argues for any of them.
pub(super) async fn spam(config: &DrillConfig, world: &World, liars: &[Side]) -> Result<Wrong, DrillError> {
    let liar = liars.first().ok_or_else(|| failed("there is no liar"))?;
    let strangers = if config.honest { Vec::new() } else { strangers(config, world, liar).await? };
    let (index, target) = until("a new batch", PATIENCE, async || {
        let status = liar.node.status().borrow().clone();
        let head = world.view.contracts().batch_index(surety_l1::BlockAt::Latest).await?;
        let store = liar.node.backend().store().clone();
        if !status.caught_up || head != status.safe.index || !status.safe.is_claimed() {
            return Ok(None);
        }
        let mut records = Records::new(&*liar.party.l1, &liar.party.chain).await?;
        let Some((statement, _)) = records.posted(head).await? else { return Ok(None) };
        let Some(parent) = records.claim(status.safe.claim.parent).await? else { return Ok(None) };
        let mut hashes = Vec::new();
        for height in statement.firstHeight..=statement.lastHeight {
            hashes.push(store.canonical_hash(height)?.ok_or_else(|| failed("a block is missing"))?);
        }
        Ok(Some((head, Target { parent, hashes })))
    })
    .await?;
    let mut records = Records::new(&*liar.party.l1, &liar.party.chain).await?;
    let right = records.claims_of(index).await?.into_iter().find(|claim| claim.parent == target.parent.id());
    let right = right.ok_or_else(|| failed("the right claim is missing"))?;
    world.timeline.tell(format!("{} strangers oppose the right claim of batch {index}", strangers.len()));
    let (mut claims, mut posted) = (Vec::new(), None);
    for some in (0..).zip(&strangers).collect::<Vec<(u64, _)>>().chunks(AT_ONCE) {
        let each = some.iter().map(|(n, party)| oppose(party, &target, index, keccak256((*n, "rival").abi_encode())));
        for outcome in futures::future::join_all(each).await {
            let (claim, transaction, block) = outcome?;
            claims.push(claim);
            posted.get_or_insert((transaction, block));
        }
    }
    if claims.is_empty() {
        claims.push(right);
    }
    world.timeline.tell(format!("{} rivals stand", claims.len()));
    Ok(Wrong { parent: target.parent, claims, hashes: target.hashes, posted: posted.unwrap_or_default(), theft: None })
}

/// Accounts with enough ether for a bond.
async fn strangers(config: &DrillConfig, world: &World, liar: &Side) -> Result<Vec<Party>, DrillError> {
    let chain = world.network.chain();
    let mut parties = Vec::new();
    let mut underway = Vec::new();
    for n in 0..RIVALS {
        let key = PrivateKeySigner::from_bytes(&keccak256(format!("surety drill rival {n}"))).map_err(failed)?;
        let ticket = liar.party.hand_over(TxKind::Call(key.address()), ether(1), Bytes::new()).await.map_err(failed)?;
        underway.push(ticket.ok_or_else(|| failed("a stranger cannot be paid"))?);
        if underway.len() == AT_ONCE {
            for ticket in underway.drain(..) {
                liar.party.wait(ticket).await.map_err(failed)?;
            }
        }
        let directory = config.directory.join("rivals").join(n.to_string());
        let submitter = Arc::new(submitter(&liar.party.l1, key, directory, chain).await?);
        parties.push(Party { submitter, ..liar.party.clone() });
    }
    for ticket in underway {
        liar.party.wait(ticket).await.map_err(failed)?;
    }
    Ok(parties)
}

/// A second liar opposes the wrong claim with another wrong one, and argues for it.
pub(super) async fn oppose_itself(
    config: &DrillConfig,
    world: &World,
    liars: &mut Vec<Side>,
    wrong: &Wrong,
) -> Result<Claim, DrillError> {
    let mut second = Side::start(config, world, "second-liar", SECOND_LIAR).await?;
    let index = wrong.parent.batch_index.next();
    let target = Target { parent: wrong.parent, hashes: wrong.hashes.clone() };
    let hash = keccak256("another wrong block");
    let (claim, transaction, _) = oppose(&second.party, &target, index, hash).await?;
    let mut hashes = target.hashes;
    if let Some(last) = hashes.last_mut() {
        *last = hash;
    }
    second.lie(Lies { parent: wrong.parent.id(), hashes, stretch: 1, step: 77 });
    world
        .timeline
        .tell(format!("its accomplice opposes it with another wrong claim ({}), by {transaction}", claim.id()));
    liars.push(second);
    Ok(claim)
}
