//! `surety seat status`: where a seat stands on L1, and what its owner should do next.

use alloy_primitives::{Address, B256, U256, utils::format_ether};
use anyhow::{Context, Result};
use serde::Serialize;
use surety_contracts::{ChainFile, Registration};
use surety_l1::{BlockAt, L1, L1Error, contracts::Contracts};
use surety_types::{Seconds, Term};

/// Where a seat stands, as of one L1 block.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    /// `None`: not registered.
    seat: Option<u64>,
    owner: Address,
    vote_key: Address,
    peer_key: B256,
    /// Whether L1 has the same keys as the files here.
    keys_match: bool,
    bond: U256,
    par_bond: U256,
    l1_block: u64,
    l1_time: u64,
    /// `None`: the chain is not open.
    term: Option<u64>,
    next_term: Option<u64>,
    next_term_start: Option<u64>,
    member: bool,
    /// `None`: the next committee is not on record yet.
    member_next: Option<bool>,
    committee: usize,
    /// From when the bond is free; 0: the seat has not asked to leave.
    withdrawable_at: u64,
    /// When a fault froze the seat; 0: none did.
    frozen_at: u64,
    /// What to do.
    next: String,
}

impl Status {
    fn advice(&self) -> String {
        let Some(_) = self.seat else {
            return "register: surety seat register".into();
        };
        let duty = match (self.member, self.member_next) {
            (true, Some(true)) => "it votes in this term and the next: keep the sequencer running",
            (true, Some(false)) => "it votes in this term and not in the next: keep the sequencer running until then",
            (true, None) => "it votes in this term: keep the sequencer running",
            (false, Some(true)) => "it votes from the next term on: have the sequencer running by then",
            (false, _) => "it votes in no term yet",
        };
        if self.withdrawable_at > 0 {
            return match (self.bond.is_zero(), self.l1_time >= self.withdrawable_at) {
                (true, _) => "nothing: it has left and its bond was paid".into(),
                (false, true) => "take the bond: surety seat withdraw".into(),
                (false, false) => {
                    format!("{duty}; it leaves, its bond is free in {} s", self.withdrawable_at - self.l1_time)
                }
            };
        }
        if self.frozen_at > 0 {
            return format!("a fault froze this seat for good; leave with what is left: surety seat exit; {duty}");
        }
        if self.bond < self.par_bond {
            let missing = self.par_bond.saturating_sub(self.bond);
            return format!(
                "top up {} ETH to be in committees again: surety seat top-up; {duty}",
                format_ether(missing)
            );
        }
        if !self.keys_match {
            return format!(
                "L1 has other keys than the files here: use the folder with the seat's newest keys; {duty}"
            );
        }
        duty.into()
    }
}

/// Whether a vote key is in a term's committee, and how many are; `None` while that is not on record.
async fn membership(contracts: &Contracts<'_>, term: Term, key: Address, at: BlockAt) -> Result<Option<(bool, usize)>> {
    match contracts.committee(term, at).await {
        Ok(members) => Ok(Some((members.iter().any(|member| member.vote_key == key), members.len()))),
        Err(L1Error::Reverted { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn read(l1: &dyn L1, chain: &ChainFile, registration: &Registration) -> Result<Status> {
    let head = l1.block(BlockAt::Latest).await?.context("L1 has no block")?;
    let at = BlockAt::Hash(head.hash);
    let contracts = Contracts::new(l1, chain.addresses);
    let mut status = Status {
        owner: registration.owner,
        vote_key: registration.vote_key,
        peer_key: registration.peer_key,
        par_bond: chain.protocol.bond,
        l1_block: head.number.get(),
        l1_time: head.time.get(),
        ..Status::default()
    };
    if contracts.registry_genesis_time(at).await? > Seconds::ZERO {
        let term = contracts.current_term(at).await?;
        let next = term.next();
        status.term = Some(term.get());
        status.next_term = Some(next.get());
        status.next_term_start = Some(contracts.term_start(next, at).await?.get());
        let key = registration.vote_key;
        let now = membership(&contracts, term, key, at).await?.unwrap_or_default();
        (status.member, status.committee) = now;
        status.member_next = membership(&contracts, next, key, at).await?.map(|(member, _)| member);
    }
    status.seat = contracts.seat_of_vote_key(registration.vote_key, at).await?;
    if let Some(id) = status.seat {
        let seat = contracts.seat(id, at).await?;
        status.owner = seat.owner;
        status.bond = U256::from(seat.bond);
        status.withdrawable_at = seat.withdrawableAt;
        status.frozen_at = seat.frozenAt;
        status.keys_match = seat.voteKey == registration.vote_key && seat.peerKey == registration.peer_key;
    }
    status.next = status.advice();
    Ok(status)
}

pub(super) async fn run(l1: &dyn L1, chain: &ChainFile, registration: &Registration, json: bool) -> Result<()> {
    let status = read(l1, chain, registration).await?;
    if json {
        println!("{}", serde_json::to_string(&status)?);
        return Ok(());
    }
    let row = |name: &str, value: String| println!("  {name:<12} {value}");
    println!("{}", status.seat.map_or("not registered".into(), |id| format!("seat {id}")));
    row("owner", status.owner.to_string());
    row("vote key", status.vote_key.to_string());
    row("peer key", status.peer_key.to_string());
    row("bond", format!("{} ETH of {}", format_ether(status.bond), format_ether(status.par_bond)));
    if let (Some(term), Some(start)) = (status.term, status.next_term_start) {
        let member = if status.member { "a member" } else { "not a member" };
        row("term", format!("{term}, {member} of its committee of {}", status.committee));
        let next = match status.member_next {
            Some(true) => "a member",
            Some(false) => "not a member",
            None => "its committee is not on record yet",
        };
        row("next term", format!("in {} s: {next}", start.saturating_sub(status.l1_time)));
    }
    if status.withdrawable_at > 0 {
        let wait = status.withdrawable_at.saturating_sub(status.l1_time);
        row("leaving", format!("bond free at {} (in {wait} s)", status.withdrawable_at));
    }
    if status.frozen_at > 0 {
        row("frozen", format!("at {}", status.frozen_at));
    }
    println!("next: {}", status.next);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member() -> Status {
        Status {
            seat: Some(1),
            keys_match: true,
            bond: U256::from(32),
            par_bond: U256::from(32),
            term: Some(3),
            member: true,
            member_next: Some(true),
            l1_time: 1_000,
            ..Status::default()
        }
    }

    #[test]
    fn the_advice_says_the_most_urgent_thing() {
        let says = |change: fn(&mut Status), what: &str| {
            let mut status = member();
            change(&mut status);
            assert!(status.advice().contains(what), "{:?}: {}", status, status.advice());
        };
        says(|_| (), "keep the sequencer running");
        says(|s| s.seat = None, "surety seat register");
        says(|s| s.bond = U256::from(30), "surety seat top-up");
        says(|s| (s.frozen_at, s.bond) = (900, U256::from(30)), "froze this seat");
        says(|s| s.keys_match = false, "newest keys");
        says(|s| (s.member, s.member_next) = (false, Some(true)), "have the sequencer running by then");
        says(|s| s.withdrawable_at = 1_060, "free in 60 s");
        says(|s| s.withdrawable_at = 1_000, "surety seat withdraw");
        says(|s| (s.withdrawable_at, s.bond) = (900, U256::ZERO), "it has left");
    }
}
