//! Withdrawals: what L2 recorded, and what L1 takes as proof of it.

use super::{
    Session,
    l2::{L2, Receipt},
};
use alloy::sol_types::SolEvent;
use alloy_primitives::{B256, Bytes, U256};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use surety_contracts::{
    bindings::Bridge::{ClaimPreimage, WithdrawalTransaction, withdrawCall, withdrawManyCall},
    genesis::{
        bindings::L2ToL1MessagePasser::MessagePassed, predeploys::L2_TO_L1_MESSAGE_PASSER, withdrawal::Withdrawal,
    },
};
use surety_l1::submit::Included;
use surety_types::{L2Height, claim::Claim};

/// The most nodes of the proofs of one transaction.
const MAX_NODES: usize = 256;
/// Gas of the calls of one transaction together; with what proves them, that fits into one (EIP-7825).
const MAX_CALLS_GAS: u64 = 10_000_000;
/// Gas of a withdrawal beside its call: the proof, the records.
const PROOF_GAS: u64 = 200_000;

/// A withdrawal and where L2 recorded it.
#[derive(Debug, Clone)]
pub(super) struct Recorded {
    pub(super) withdrawal: Withdrawal,
    pub(super) hash: B256,
    pub(super) height: L2Height,
    pub(super) transaction: B256,
}

/// The withdrawals that a transaction began.
pub(super) fn recorded(receipt: &Receipt) -> Vec<Recorded> {
    let passed = receipt.logs.iter().filter(|log| log.address() == L2_TO_L1_MESSAGE_PASSER);
    passed
        .filter_map(|log| MessagePassed::decode_log(&log.inner).ok())
        .map(|event| {
            let withdrawal = Withdrawal::from(event.data);
            let hash = withdrawal.hash();
            Recorded { withdrawal, hash, height: receipt.height, transaction: receipt.transaction }
        })
        .collect()
}

/// As the bridge takes it.
pub(super) fn call_of(withdrawal: &Withdrawal) -> WithdrawalTransaction {
    WithdrawalTransaction {
        nonce: withdrawal.nonce,
        sender: withdrawal.sender,
        target: withdrawal.target,
        value: withdrawal.value,
        gasLimit: withdrawal.gas_limit,
        data: withdrawal.data.clone(),
    }
}

/// Splits withdrawals into as many transactions as their calls' gas needs.
fn portions(withdrawals: &[Recorded]) -> Vec<&[Recorded]> {
    let gas = |w: &Recorded| w.withdrawal.gas_limit.saturating_to::<u64>().min(MAX_CALLS_GAS).saturating_add(PROOF_GAS);
    let mut portions = Vec::new();
    let (mut start, mut sum) = (0, 0u64);
    for (place, withdrawal) in withdrawals.iter().enumerate() {
        let more = gas(withdrawal);
        // A proof has at most some dozen nodes.
        if place > start && (sum.saturating_add(more) > MAX_CALLS_GAS || place - start >= MAX_NODES / 16) {
            portions.push(&withdrawals[start..place]);
            (start, sum) = (place, 0);
        }
        sum = sum.saturating_add(more);
    }
    if start < withdrawals.len() {
        portions.push(&withdrawals[start..]);
    }
    portions
}

/// The nodes of several proofs, each once, and for each proof its nodes' places.
fn together(proofs: &[Vec<Bytes>]) -> Result<(Vec<Bytes>, Vec<Bytes>)> {
    let mut places: BTreeMap<&Bytes, u8> = BTreeMap::new();
    let mut nodes = Vec::new();
    let mut paths = Vec::new();
    for proof in proofs {
        let mut path = Vec::new();
        for node in proof {
            let place = match places.get(node) {
                Some(place) => *place,
                None => {
                    let place = u8::try_from(nodes.len()).ok().context("more proofs than one transaction can carry")?;
                    nodes.push(node.clone());
                    places.insert(node, place);
                    place
                }
            };
            path.push(place);
        }
        paths.push(Bytes::from(path));
    }
    Ok((nodes, paths))
}

/// Proves withdrawals against a final claim whose state holds them, and has them paid.
pub(super) async fn pay(session: &Session, l2: &L2, claim: &Claim, withdrawals: &[Recorded]) -> Result<Vec<Included>> {
    let bridge = session.chain.addresses.bridge;
    let (_, header) = l2.header(claim.last_hash).await?;
    let claim_ = ClaimPreimage::from(claim);
    let mut all = Vec::new();
    for portion in portions(withdrawals) {
        let slots = portion.iter().map(|w| w.withdrawal.slot()).collect();
        let answer = l2.proof(L2_TO_L1_MESSAGE_PASSER, slots, claim.last_hash).await?;
        let mut proofs = Vec::new();
        for wanted in portion {
            let slot = wanted.withdrawal.slot();
            let found = answer.storage_proof.iter().find(|proof| proof.key.as_b256() == slot);
            let found = found.context("the L2 node left a proof out: use another")?;
            ensure!(
                found.value == U256::ONE,
                "withdrawal {} is not in the state of the claim's last block {}: was its L2 block taken back?",
                wanted.hash,
                claim.last_hash
            );
            proofs.push(found.proof.clone());
        }
        let what = match portion.len() {
            1 => "proving and paying the withdrawal".to_owned(),
            many => format!("proving and paying {many} withdrawals"),
        };
        let included = match (portion, proofs.as_mut_slice()) {
            ([one], [proof]) => {
                let withdrawal = call_of(&one.withdrawal);
                let storage_proof = std::mem::take(proof);
                let call = withdrawCall {
                    withdrawal,
                    claim: claim_.clone(),
                    header: header.clone(),
                    storageProof: storage_proof,
                };
                session.send(&what, bridge, U256::ZERO, &call).await?
            }
            _ => {
                let (nodes, paths) = together(&proofs)?;
                let withdrawals = portion.iter().map(|w| call_of(&w.withdrawal)).collect();
                let call =
                    withdrawManyCall { withdrawals, claim: claim_.clone(), header: header.clone(), nodes, paths };
                session.send(&what, bridge, U256::ZERO, &call).await?
            }
        };
        all.extend(included);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::Address;

    fn one(count: u64, gas: u64) -> Recorded {
        let withdrawal = Withdrawal {
            nonce: Withdrawal::nonce(count),
            sender: Address::ZERO,
            target: Address::ZERO,
            value: U256::ZERO,
            gas_limit: U256::from(gas),
            data: Bytes::new(),
        };
        Recorded { hash: withdrawal.hash(), withdrawal, height: L2Height::new(1), transaction: B256::ZERO }
    }

    #[test]
    fn nodes_stand_once_and_paths_lead_back_to_the_proofs() {
        let node = |n: u8| Bytes::from(vec![n; 40]);
        let proofs = vec![vec![node(1), node(2)], vec![node(1), node(3), node(4)], vec![node(1), node(2)]];
        let (nodes, paths) = together(&proofs).unwrap();
        assert_eq!(nodes.len(), 4);
        let again: Vec<Vec<Bytes>> =
            paths.iter().map(|path| path.iter().map(|place| nodes[usize::from(*place)].clone()).collect()).collect();
        assert_eq!(again, proofs);
        let many: Vec<Vec<Bytes>> = (0..300u32).map(|n| vec![Bytes::from(n.to_be_bytes().to_vec())]).collect();
        assert!(together(&many).is_err(), "a place is one byte");
    }

    #[test]
    fn no_transaction_asks_for_more_gas_than_there_is_and_none_is_left_out() {
        let many: Vec<_> = (0..40).map(|n| one(n, if n == 7 { 10_000_000 } else { 400_000 })).collect();
        let portions = portions(&many);
        assert_eq!(portions.iter().map(|portion| portion.len()).sum::<usize>(), 40);
        for portion in &portions {
            let gas: u64 = portion.iter().map(|w| w.withdrawal.gas_limit.to::<u64>() + PROOF_GAS).sum();
            assert!(portion.len() == 1 || gas <= MAX_CALLS_GAS, "{gas}");
            assert!(portion.len() <= 16);
        }
        assert!(super::portions(&[]).is_empty());
    }
}
