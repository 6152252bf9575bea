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
    /// Whether L1 has the same keys as the files here, or those in `keys/next`.
    keys_match: bool,
    /// The vote key to which the seat has rotated, until the sequencer takes it into use.
    next_vote_key: Option<Address>,
    /// Whether the current committee has that key.
    next_key_votes: bool,
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
    /// What is still to be taken of the bond at its withdrawal, since other seats had the same fault near it.
    owed: U256,
    /// What to do.
    next: String,
}

impl Status {
    fn duty(&self) -> &'static str {
        match (self.member, self.member_next) {
            (true, Some(true)) => "it votes in this term and the next: keep the sequencer running",
            (true, Some(false)) => "it votes in this term and not in the next: keep the sequencer running until then",
            (true, None) => "it votes in this term: keep the sequencer running",
            (false, Some(true)) => "it votes from the next term on: have the sequencer running by then",
            (false, _) if self.withdrawable_at > 0 || self.frozen_at > 0 => {
                "it votes no more: the sequencer only follows the chain and may be stopped"
            }
            (false, _) => "it votes in no term yet",
        }
    }

    /// What a seat that leaves has to wait for.
    fn leaving(&self) -> String {
        let duty = self.duty();
        if self.bond.is_zero() {
            return "nothing: it has left, and its bond was paid out or taken as a penalty".into();
        }
        let left = format_ether(self.bond.saturating_sub(self.owed));
        match (self.l1_time >= self.withdrawable_at, self.owed.is_zero()) {
            (true, true) => "take the bond: surety seat withdraw".into(),
            (true, false) => format!("take what is left, {left} ETH: surety seat withdraw"),
            (false, _) => format!("{duty}; it leaves, its bond is free in {} s", self.withdrawable_at - self.l1_time),
        }
    }

    fn advice(&self) -> String {
        let Some(_) = self.seat else {
            return "register: surety seat register".into();
        };
        if self.withdrawable_at > 0 {
            return self.leaving();
        }
        let duty = self.duty();
        if self.frozen_at > 0 {
            if self.bond.is_zero() {
                return format!("nothing: a fault froze this seat for good and took its whole bond; {duty}");
            }
            return format!(
                "a fault froze this seat for good, a top-up does not bring it back: leave with what is left: surety seat exit; \
                 {duty}"
            );
        }
        if self.bond < self.par_bond {
            let missing = self.par_bond.saturating_sub(self.bond);
            return format!(
                "top up {} ETH to be in committees again: surety seat top-up; {duty}",
                format_ether(missing)
            );
        }
        match self.next_vote_key {
            _ if !self.keys_match => {
                format!("L1 has other keys than the files here: use the folder with the seat's newest keys; {duty}")
            }
            Some(_) if self.next_key_votes => format!(
                "its new keys vote in this term: the running sequencer takes them into use when the last term's end is final; \
                 {duty}"
            ),
            Some(_) => format!(
                "its keys were rotated: the sequencer votes with the old ones until the new ones' first term, then takes these \
                 into use by itself; {duty}"
            ),
            None => duty.into(),
        }
    }
}

/// The vote key that a seat has in a term's committee, if it is in it, and how many are; `None` while that is not on record.
async fn membership(
    contracts: &Contracts<'_>,
    term: Term,
    seat: Option<u64>,
    at: BlockAt,
) -> Result<Option<(Option<Address>, usize)>> {
    match contracts.committee(term, at).await {
        Ok(members) => {
            let own = members.iter().find(|member| Some(member.seat) == seat);
            Ok(Some((own.map(|member| member.vote_key), members.len())))
        }
        Err(L1Error::Reverted { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn read(
    l1: &dyn L1,
    chain: &ChainFile,
    registration: &Registration,
    next: Option<Registration>,
) -> Result<Status> {
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
    status.seat = contracts.seat_of_vote_key(registration.vote_key, at).await?;
    let mut votes_with = None;
    if contracts.registry_genesis_time(at).await? > Seconds::ZERO {
        let term = contracts.current_term(at).await?;
        let next = term.next();
        status.term = Some(term.get());
        status.next_term = Some(next.get());
        status.next_term_start = Some(contracts.term_start(next, at).await?.get());
        let now = membership(&contracts, term, status.seat, at).await?.unwrap_or_default();
        (votes_with, status.committee) = now;
        status.member = votes_with.is_some();
        status.member_next = membership(&contracts, next, status.seat, at).await?.map(|(key, _)| key.is_some());
    }
    if let Some(id) = status.seat {
        let seat = contracts.seat(id, at).await?;
        let is_current = |keys: &Registration| (keys.vote_key, keys.peer_key) == (seat.voteKey, seat.peerKey);
        status.owner = seat.owner;
        status.bond = U256::from(seat.bond);
        status.withdrawable_at = seat.withdrawableAt;
        status.frozen_at = seat.frozenAt;
        status.next_vote_key = next.filter(is_current).map(|keys| keys.vote_key);
        status.next_key_votes = status.next_vote_key.is_some() && votes_with == status.next_vote_key;
        status.keys_match = is_current(registration) || status.next_vote_key.is_some();
        if seat.frozenAt > 0 {
            status.owed = contracts.owed(id, at).await?;
        }
    }
    status.next = status.advice();
    Ok(status)
}

pub(super) async fn run(
    l1: &dyn L1,
    chain: &ChainFile,
    registration: &Registration,
    next: Option<Registration>,
    json: bool,
) -> Result<()> {
    let status = read(l1, chain, registration, next).await?;
    if json {
        println!("{}", serde_json::to_string(&status)?);
        return Ok(());
    }
    let row = |name: &str, value: String| println!("  {name:<12} {value}");
    println!("{}", status.seat.map_or("not registered".into(), |id| format!("seat {id}")));
    row("owner", status.owner.to_string());
    row("vote key", status.vote_key.to_string());
    row("peer key", status.peer_key.to_string());
    if let Some(key) = status.next_vote_key {
        row("rotates to", key.to_string());
    }
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
        row("still owed", format!("{} ETH, taken at the withdrawal", format_ether(status.owed)));
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
        says(|s| (s.frozen_at, s.bond) = (900, U256::ZERO), "took its whole bond");
        says(|s| (s.frozen_at, s.member, s.member_next) = (900, false, Some(false)), "may be stopped");
        says(|s| s.next_vote_key = Some(Address::ZERO), "keys were rotated");
        says(|s| (s.next_vote_key, s.next_key_votes) = (Some(Address::ZERO), true), "new keys vote in this term");
        says(|s| s.keys_match = false, "newest keys");
        says(|s| (s.member, s.member_next) = (false, Some(true)), "have the sequencer running by then");
        says(|s| s.withdrawable_at = 1_060, "free in 60 s");
        says(|s| s.withdrawable_at = 1_000, "surety seat withdraw");
        says(|s| (s.withdrawable_at, s.owed) = (1_000, U256::from(2)), "what is left");
        says(|s| (s.withdrawable_at, s.bond) = (900, U256::ZERO), "it has left");
    }
}
