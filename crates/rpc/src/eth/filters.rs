//! Filters: `eth_newFilter` and friends, for clients without WebSocket.
//!
//! A filter gathers what happens until it is asked for; asking empties it and keeps it alive. One that is not asked for
//! [`Config::filter_lifetime`](crate::Config::filter_lifetime) is gone, and one that gathers more than it may hold is
//! gone at once, as is one that missed events: the client learns that it is not found and starts anew, which is better than
//! a silent gap.

use super::logs;
use crate::{
    HeadChange,
    context::Rpc,
    error::RpcError,
    params::Args,
    server::{Answer, Methods, Registered, answer},
};
use alloy_primitives::B256;
use alloy_rpc_types_eth::Filter;
use parking_lot::Mutex;
use serde_json::value::RawValue;
use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher, RandomState},
    time::{Duration, Instant},
};

/// Hashes or logs that one filter holds at most.
const MOST_HELD: usize = 20_000;

pub(crate) fn register(methods: &mut Methods) -> Registered {
    methods.light("eth_newFilter", 1, |rpc, args| {
        let filter = Box::new(logs::filter(args, 0)?);
        answer(&rpc.filters.install(Gathered::Logs { filter, found: Vec::new() }, Instant::now())?)
    })?;
    methods.light("eth_newBlockFilter", 0, |rpc, _| {
        answer(&rpc.filters.install(Gathered::Blocks(Vec::new()), Instant::now())?)
    })?;
    methods.light("eth_newPendingTransactionFilter", 1, |rpc, _| {
        answer(&rpc.filters.install(Gathered::Transactions(Vec::new()), Instant::now())?)
    })?;
    methods.light("eth_uninstallFilter", 1, |rpc, args| answer(&rpc.filters.remove(&args.text(0)?)))?;
    methods.light("eth_getFilterChanges", 1, |rpc, args| rpc.filters.take(&args.text(0)?, Instant::now()))?;
    methods.heavy("eth_getFilterLogs", 1, filter_logs)
}

fn filter_logs(rpc: &Rpc, args: &Args<'_>) -> Answer {
    let filter = rpc.filters.log_filter(&args.text(0)?, Instant::now())?;
    logs::query(rpc, &filter)
}

/// What a filter watches and what it has gathered.
#[derive(Debug)]
enum Gathered {
    Logs { filter: Box<Filter>, found: Vec<Box<RawValue>> },
    Blocks(Vec<B256>),
    Transactions(Vec<B256>),
}

impl Gathered {
    fn len(&self) -> usize {
        match self {
            Self::Logs { found, .. } => found.len(),
            Self::Blocks(hashes) | Self::Transactions(hashes) => hashes.len(),
        }
    }
}

#[derive(Debug)]
struct Installed {
    gathered: Gathered,
    asked: Instant,
}

/// All filters of one server.
#[derive(Debug)]
pub(crate) struct Filters {
    installed: Mutex<HashMap<String, Installed>>,
    most: usize,
    lifetime: Duration,
}

fn not_found() -> RpcError {
    RpcError::Refused("filter not found".to_owned())
}

/// 128 bits that nobody can guess: whoever knows an id may empty the filter or end the subscription.
pub(crate) fn random_id() -> String {
    let word = || RandomState::new().build_hasher().finish();
    format!("{:#x}", u128::from(word()) << 64 | u128::from(word()))
}

impl Filters {
    pub(crate) fn new(most: usize, lifetime: Duration) -> Self {
        Self { installed: Mutex::default(), most, lifetime }
    }

    pub(crate) fn len(&self) -> usize {
        self.installed.lock().len()
    }

    fn install(&self, gathered: Gathered, now: Instant) -> Result<String, RpcError> {
        let mut installed = self.installed.lock();
        if installed.len() >= self.most {
            return Err(RpcError::Limit("too many filters: uninstall one, or use eth_subscribe".to_owned()));
        }
        let id = random_id();
        installed.insert(id.clone(), Installed { gathered, asked: now });
        Ok(id)
    }

    fn remove(&self, id: &str) -> bool {
        self.installed.lock().remove(id).is_some()
    }

    fn take(&self, id: &str, now: Instant) -> Answer {
        let mut installed = self.installed.lock();
        let entry = installed.get_mut(id).ok_or_else(not_found)?;
        entry.asked = now;
        match &mut entry.gathered {
            Gathered::Logs { found, .. } => answer(&core::mem::take(found)),
            Gathered::Blocks(hashes) | Gathered::Transactions(hashes) => answer(&core::mem::take(hashes)),
        }
    }

    fn log_filter(&self, id: &str, now: Instant) -> Result<Filter, RpcError> {
        let mut installed = self.installed.lock();
        let entry = installed.get_mut(id).ok_or_else(not_found)?;
        entry.asked = now;
        match &entry.gathered {
            Gathered::Logs { filter, .. } => Ok((**filter).clone()),
            Gathered::Blocks(_) | Gathered::Transactions(_) => Err(not_found()),
        }
    }

    /// Drops filters that nobody asks for.
    pub(crate) fn expire(&self, now: Instant) {
        self.installed.lock().retain(|_, entry| now.saturating_duration_since(entry.asked) < self.lifetime);
    }

    /// Takes up a change of the head.
    pub(crate) fn head_changed(&self, change: &HeadChange) {
        self.installed.lock().retain(|_, entry| {
            match &mut entry.gathered {
                Gathered::Blocks(hashes) => hashes.extend(change.added.iter().map(|block| block.hash)),
                Gathered::Logs { filter, found } => {
                    let removed = change.removed.iter().map(|block| (block, true));
                    for (block, removed) in removed.chain(change.added.iter().map(|block| (block, false))) {
                        if !filter.matches_block_range(block.block.header.number) {
                            continue;
                        }
                        if logs::collect(block, filter, removed, MOST_HELD, found).is_err() {
                            return false;
                        }
                    }
                }
                Gathered::Transactions(_) => {}
            }
            entry.gathered.len() <= MOST_HELD
        });
    }

    /// Drops the filters that have a gap now because block events were missed.
    pub(crate) fn missed_blocks(&self) {
        self.installed.lock().retain(|_, entry| matches!(entry.gathered, Gathered::Transactions(_)));
    }

    /// Drops the filters that have a gap now because pool events were missed.
    pub(crate) fn missed_transactions(&self) {
        self.installed.lock().retain(|_, entry| !matches!(entry.gathered, Gathered::Transactions(_)));
    }

    /// Takes up a transaction that the pool took.
    pub(crate) fn transaction(&self, hash: B256) {
        self.installed.lock().retain(|_, entry| {
            if let Gathered::Transactions(hashes) = &mut entry.gathered {
                hashes.push(hash);
            }
            entry.gathered.len() <= MOST_HELD
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(60);

    #[test]
    fn a_filter_is_emptied_when_asked() {
        let filters = Filters::new(4, LIFETIME);
        let id = filters.install(Gathered::Transactions(Vec::new()), Instant::now()).unwrap();
        filters.transaction(B256::repeat_byte(1));
        assert_eq!(filters.take(&id, Instant::now()).unwrap().get(), format!("[\"{}\"]", B256::repeat_byte(1)));
        assert_eq!(filters.take(&id, Instant::now()).unwrap().get(), "[]");
        assert!(filters.remove(&id) && !filters.remove(&id));
        assert_eq!(filters.take(&id, Instant::now()).unwrap_err(), not_found());
    }

    #[test]
    fn a_filter_that_nobody_asks_for_expires() {
        let filters = Filters::new(4, LIFETIME);
        let start = Instant::now();
        let idle = filters.install(Gathered::Blocks(Vec::new()), start).unwrap();
        let used = filters.install(Gathered::Blocks(Vec::new()), start).unwrap();
        filters.take(&used, start + LIFETIME / 2).unwrap();
        filters.expire(start + LIFETIME);
        assert!(filters.take(&idle, start).is_err());
        assert!(filters.take(&used, start).is_ok());
    }

    #[test]
    fn there_are_not_more_filters_than_allowed() {
        let filters = Filters::new(1, LIFETIME);
        filters.install(Gathered::Blocks(Vec::new()), Instant::now()).unwrap();
        let error = filters.install(Gathered::Blocks(Vec::new()), Instant::now()).unwrap_err();
        assert_eq!(error.code(), crate::error::LIMIT);
    }

    #[test]
    fn a_filter_that_overflows_is_gone() {
        let filters = Filters::new(1, LIFETIME);
        let id = filters.install(Gathered::Transactions(vec![B256::ZERO; MOST_HELD]), Instant::now()).unwrap();
        filters.transaction(B256::ZERO);
        assert_eq!(filters.take(&id, Instant::now()).unwrap_err(), not_found());
    }

    #[test]
    fn a_filter_with_a_gap_is_gone() {
        let filters = Filters::new(2, LIFETIME);
        let blocks = filters.install(Gathered::Blocks(Vec::new()), Instant::now()).unwrap();
        let waiting = filters.install(Gathered::Transactions(Vec::new()), Instant::now()).unwrap();
        filters.missed_blocks();
        assert!(filters.take(&blocks, Instant::now()).is_err() && filters.take(&waiting, Instant::now()).is_ok());
        filters.missed_transactions();
        assert_eq!(filters.len(), 0);
    }

    #[test]
    fn ids_differ() {
        assert_ne!(random_id(), random_id());
    }
}
