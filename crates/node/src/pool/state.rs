//! What is in the pool: bookkeeping without clock or chain.

use super::{PoolConfig, PoolError, PoolTransaction};
use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, B256, U256, map::HashMap};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Arc,
};
use surety_stf::execute::op::Refusal;
use surety_types::{Account, Milliseconds};

/// The worth of a sender's last transaction: ready before gapped, then priority fee, then the older one.
type Worth = (bool, u128, Reverse<u64>, Address);

#[derive(Debug, Default)]
pub(super) struct State {
    by_hash: HashMap<B256, Arc<PoolTransaction>>,
    by_sequence: BTreeMap<u64, Arc<PoolTransaction>>,
    senders: BTreeMap<Address, Sender>,
    /// Worth of each sender's last transaction, the cheapest first.
    tails: BTreeSet<Worth>,
    bytes: usize,
    sequence: u64,
    /// Where the next round of [`State::next_senders`] begins.
    round: Address,
}

#[derive(Debug, Default)]
struct Sender {
    account: Account,
    txs: BTreeMap<u64, Arc<PoolTransaction>>,
}

impl Sender {
    /// The nonce after the ready ones.
    fn end(&self) -> u64 {
        let mut next = self.account.nonce;
        for nonce in self.txs.range(next..).map(|(nonce, _)| *nonce) {
            if nonce != next {
                break;
            }
            next = next.saturating_add(1);
        }
        next
    }

    fn tail(&self, address: Address) -> Option<Worth> {
        let (nonce, tx) = self.txs.last_key_value()?;
        Some((*nonce < self.end(), tx.priority(), Reverse(tx.sequence), address))
    }
}

impl State {
    /// Adds a checked transaction of an account, evicting what must go.
    pub(super) fn add(
        &mut self,
        config: &PoolConfig,
        account: Account,
        mut tx: PoolTransaction,
    ) -> Result<Arc<PoolTransaction>, PoolError> {
        let (address, nonce) = (tx.sender(), tx.nonce());
        if self.by_hash.contains_key(tx.hash()) {
            return Err(PoolError::AlreadyKnown);
        }
        let sender = self.senders.get(&address);
        let replaced = sender.and_then(|s| s.txs.get(&nonce)).cloned();
        if let Some(old) = &replaced {
            if !pays_enough_more(&tx, old, config.replacement_percent) {
                return Err(PoolError::Underpriced { percent: config.replacement_percent });
            }
        } else if sender.is_some_and(|s| s.txs.len() >= config.max_per_sender) {
            return Err(PoolError::SenderLimit(config.max_per_sender));
        }
        let before = sender.map_or(U256::ZERO, |s| {
            s.txs.range(account.nonce..nonce).fold(U256::ZERO, |sum, (_, tx)| sum.saturating_add(tx.max_cost))
        });
        let cost = before.saturating_add(tx.max_cost);
        if cost > account.balance {
            return Err(Refusal::Funds { cost, balance: account.balance }.into());
        }
        if let Some(old) = &replaced {
            self.remove(old.hash());
        }
        if let Err(error) = self.make_room(config, &account, &tx) {
            // It was better than what it replaces but not good enough to stay: the old one stays then.
            if let Some(old) = replaced {
                self.insert(account, old);
            }
            return Err(error);
        }
        self.sequence = self.sequence.saturating_add(1);
        tx.sequence = self.sequence;
        let tx = Arc::new(tx);
        self.insert(account, tx.clone());
        Ok(tx)
    }

    /// Evicts the cheapest tails until `tx` fits; refuses it if it would be the cheapest itself.
    fn make_room(&mut self, config: &PoolConfig, account: &Account, tx: &PoolTransaction) -> Result<(), PoolError> {
        let fits = |state: &Self| {
            state.by_hash.len() < config.max_transactions && state.bytes.saturating_add(tx.size) <= config.max_bytes
        };
        let ready = {
            let end = self.senders.get(&tx.sender()).map_or(account.nonce, Sender::end);
            tx.nonce() <= end
        };
        let worth: Worth = (ready, tx.priority(), Reverse(u64::MAX), tx.sender());
        while !fits(self) {
            let Some(cheapest) = self.tails.first().copied() else { return Err(PoolError::Full) };
            if cheapest >= worth || cheapest.3 == tx.sender() {
                return Err(PoolError::Full);
            }
            let tail = self.senders.get(&cheapest.3).and_then(|s| s.txs.last_key_value());
            let Some(hash) = tail.map(|(_, tx)| *tx.hash()) else { return Err(PoolError::Full) };
            self.remove(&hash);
        }
        Ok(())
    }

    fn insert(&mut self, account: Account, tx: Arc<PoolTransaction>) {
        let address = tx.sender();
        self.untail(address);
        self.bytes = self.bytes.saturating_add(tx.size);
        self.by_hash.insert(*tx.hash(), tx.clone());
        self.by_sequence.insert(tx.sequence, tx.clone());
        let sender = self.senders.entry(address).or_default();
        sender.account = account;
        sender.txs.insert(tx.nonce(), tx);
        self.retail(address);
    }

    /// Takes a transaction out.
    pub(super) fn remove(&mut self, hash: &B256) {
        let Some(tx) = self.by_hash.remove(hash) else { return };
        let address = tx.sender();
        self.untail(address);
        self.bytes = self.bytes.saturating_sub(tx.size);
        self.by_sequence.remove(&tx.sequence);
        if let Some(sender) = self.senders.get_mut(&address) {
            sender.txs.remove(&tx.nonce());
            if sender.txs.is_empty() {
                self.senders.remove(&address);
            }
        }
        self.retail(address);
    }

    /// Takes everything out, oldest first.
    pub(super) fn take_all(&mut self) -> Vec<Arc<PoolTransaction>> {
        self.by_hash.clear();
        self.senders.clear();
        self.tails.clear();
        self.bytes = 0;
        core::mem::take(&mut self.by_sequence).into_values().collect()
    }

    fn untail(&mut self, address: Address) {
        if let Some(tail) = self.senders.get(&address).and_then(|s| s.tail(address)) {
            self.tails.remove(&tail);
        }
    }

    fn retail(&mut self, address: Address) {
        if let Some(tail) = self.senders.get(&address).and_then(|s| s.tail(address)) {
            self.tails.insert(tail);
        }
    }

    /// Brings a sender to its account's new state: used nonces leave, and what the balance does not cover alone.
    pub(super) fn refresh(&mut self, address: Address, account: Account) {
        let Some(sender) = self.senders.get(&address) else { return };
        let gone: Vec<B256> = sender
            .txs
            .values()
            .filter(|tx| tx.nonce() < account.nonce || tx.max_cost > account.balance)
            .map(|tx| *tx.hash())
            .collect();
        for hash in gone {
            self.remove(&hash);
        }
        self.untail(address);
        if let Some(sender) = self.senders.get_mut(&address) {
            sender.account = account;
        }
        self.retail(address);
    }

    /// Drops what came before a time.
    pub(super) fn expire(&mut self, before: Milliseconds) {
        // Sequence is the order of arrival, so the oldest are in front.
        while let Some((_, tx)) = self.by_sequence.first_key_value()
            && tx.arrived < before
        {
            let hash = *tx.hash();
            self.remove(&hash);
        }
    }

    /// How many there are, and their bytes.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.by_hash.len(), self.bytes)
    }

    pub(super) fn has_sender(&self, address: &Address) -> bool {
        self.senders.contains_key(address)
    }

    /// Some senders, others each time until all had their turn: balances also change by what others do.
    pub(super) fn next_senders(&mut self, count: usize) -> Vec<Address> {
        let after = (Bound::Excluded(self.round), Bound::Unbounded);
        let senders: Vec<Address> = self.senders.range(after).take(count).map(|(address, _)| *address).collect();
        self.round = if senders.len() < count { Address::ZERO } else { senders.last().copied().unwrap_or_default() };
        senders
    }

    pub(super) fn since(&self, sequence: u64) -> Vec<Arc<PoolTransaction>> {
        let after = (Bound::Excluded(sequence), Bound::Unbounded);
        self.by_sequence.range(after).map(|(_, tx)| tx.clone()).collect()
    }

    pub(super) fn get(&self, hash: &B256) -> Option<&Arc<PoolTransaction>> {
        self.by_hash.get(hash)
    }

    pub(super) fn next_nonce(&self, address: Address) -> Option<u64> {
        let sender = self.senders.get(&address)?;
        let end = sender.end();
        (end > sender.account.nonce).then_some(end)
    }

    pub(super) fn content(&self, sender: Option<Address>) -> (Vec<Arc<PoolTransaction>>, Vec<Arc<PoolTransaction>>) {
        let (mut ready, mut gapped) = (Vec::new(), Vec::new());
        for (address, s) in &self.senders {
            if sender.is_none_or(|wanted| wanted == *address) {
                let end = s.end();
                ready.extend(s.txs.range(..end).map(|(_, tx)| tx.clone()));
                gapped.extend(s.txs.range(end..).map(|(_, tx)| tx.clone()));
            }
        }
        (ready, gapped)
    }

    pub(super) fn status(&self) -> (usize, usize) {
        let ready = self.senders.values().map(|s| s.txs.range(..s.end()).count()).sum();
        (ready, self.by_hash.len().saturating_sub(ready))
    }

    /// Everything agrees with everything else (tests).
    #[cfg(test)]
    pub(super) fn check(&self, config: &PoolConfig) {
        assert!(self.by_hash.len() <= config.max_transactions);
        assert!(self.bytes <= config.max_bytes);
        assert_eq!(self.by_hash.values().map(|tx| tx.size).sum::<usize>(), self.bytes);
        assert_eq!(self.by_hash.len(), self.by_sequence.len());
        assert_eq!(self.by_hash.len(), self.senders.values().map(|s| s.txs.len()).sum::<usize>());
        assert_eq!(self.tails.len(), self.senders.len());
        for (address, sender) in &self.senders {
            assert!(!sender.txs.is_empty() && sender.txs.len() <= config.max_per_sender);
            assert!(self.tails.contains(&sender.tail(*address).unwrap()));
            for (nonce, tx) in &sender.txs {
                assert!(tx.sender() == *address && tx.nonce() == *nonce && *nonce >= sender.account.nonce);
                assert!(self.by_hash.contains_key(tx.hash()));
            }
        }
    }
}

fn pays_enough_more(new: &PoolTransaction, old: &PoolTransaction, percent: u128) -> bool {
    let enough =
        |new: u128, old: u128| new > old && new.saturating_mul(100) >= old.saturating_mul(percent.saturating_add(100));
    let caps = |tx: &PoolTransaction| (tx.transaction.inner().max_fee_per_gas(), tx.priority());
    let ((new_cap, new_tip), (old_cap, old_tip)) = (caps(new), caps(old));
    // A tip of zero cannot rise by a tenth, but the fee cap can.
    enough(new_cap, old_cap) && (enough(new_tip, old_tip) || (old_tip == 0 && new_tip == 0))
}
