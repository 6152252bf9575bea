//! Transactions that came back when the head went down.
//!
//! Blocks that are taken back may hold what a sender's ether came from: a deposit, or another's transfer. So the lower head
//! says less than the chain that is made again from it, and a transaction that could not be paid for there must not be lost.
//! It is set aside and tried with each new head, until it enters, can never enter, or its time is over.

use super::{Origin, PoolConfig, PoolError};
use alloy_eips::eip2718::Encodable2718 as _;
use std::collections::VecDeque;
use surety_stf::execute::op::Refusal;
use surety_types::{Milliseconds, Recovered, Transaction};

/// How many are tried with each new head.
pub(super) const TRIES: usize = 256;

#[derive(Debug)]
struct Entry {
    transaction: Recovered<Transaction>,
    origin: Origin,
    size: usize,
    since: Milliseconds,
}

/// What is set aside, in the order in which it is tried. Bounded as the pool is, by count and bytes.
#[derive(Debug, Default)]
pub(super) struct Returned {
    entries: VecDeque<Entry>,
    bytes: usize,
}

impl Returned {
    /// Sets transactions aside. Those that find no room are dropped.
    pub(super) fn extend(
        &mut self,
        transactions: impl IntoIterator<Item = (Recovered<Transaction>, Origin)>,
        now: Milliseconds,
        config: &PoolConfig,
    ) {
        for (transaction, origin) in transactions {
            let size = transaction.inner().encode_2718_len();
            let bytes = self.bytes.saturating_add(size);
            if self.entries.len() < config.max_transactions && bytes <= config.max_bytes {
                self.bytes = bytes;
                self.entries.push_back(Entry { transaction, origin, size, since: now });
            }
        }
    }

    /// Drops what was set aside before a time.
    pub(super) fn expire(&mut self, before: Milliseconds) {
        self.entries.retain(|entry| entry.since >= before);
        self.bytes = self.entries.iter().map(|entry| entry.size).sum();
    }

    /// Offers the first `tries` transactions to the pool. Those that it may take later go to the end.
    pub(super) fn retry<T>(
        &mut self,
        tries: usize,
        add: impl Fn(&Recovered<Transaction>, Origin) -> Result<T, PoolError>,
    ) {
        for _ in 0..tries.min(self.entries.len()) {
            let Some(entry) = self.entries.pop_front() else { return };
            match add(&entry.transaction, entry.origin) {
                Err(error) if may_enter_later(&error) => self.entries.push_back(entry),
                _ => self.bytes = self.bytes.saturating_sub(entry.size),
            }
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

/// Whether blocks to come can make it right.
const fn may_enter_later(error: &PoolError) -> bool {
    matches!(
        error,
        PoolError::Refused(Refusal::Funds { .. }) | PoolError::SenderLimit(_) | PoolError::Full | PoolError::State(_)
    )
}
