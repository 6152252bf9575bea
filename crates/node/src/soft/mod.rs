//! Soft-final blocks from the seats' public feeds, for a follower that trusts none of them.
//!
//! ```text
//! feed (WebSocket) ─┐                ┌ committee of the term, from L1
//! feed (WebSocket) ─┼─▶ Importer ────┤ certificate · term · genesis · execution ─▶ store ─▶ `latest`, own feed
//! feed (WebSocket) ─┘                └ evidence: checked as L1 would ─▶ own feed
//! wallets ─▶ Forwarder ─▶ a seat's pool
//! ```
//!
//! | what a feed does | what comes of it |
//! |---|---|
//! | is away, lags, is slow | it is tried again; the others go on, and L1's data in any case |
//! | sends what does not decode, or a certificate or evidence that does not check | it is marked bad, in the log, and asked nothing more until the node restarts |
//! | sends a block that no certificate reaches | the block is held within bounds and forgotten |
//! | shows a valid certificate for another block of a height than one that is known | **the committee forked**: said as loudly as can be; both are kept in `conflicts.jsonl` |
//! | shows a certified block that execution finds wrong | two thirds of the committee are wrong: nothing more is taken from feeds, L1 decides |
//!
//! `safe` and `finalized` come from L1 alone, and what L1 says replaces what came from here.

mod actor;
mod forward;
mod importer;
mod metrics;
mod state;
#[cfg(test)]
mod tests;

pub use actor::run;
pub use forward::Forwarder;
pub use importer::{Importer, ImporterParts};

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// A feed by its URL, and whether it is still asked.
#[derive(Debug)]
pub struct FeedState {
    url: String,
    bad: AtomicBool,
}

impl FeedState {
    /// A feed that has done nothing wrong yet.
    pub fn new(url: String) -> Arc<Self> {
        Arc::new(Self { url, bad: AtomicBool::new(false) })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether it is asked nothing more.
    pub fn is_bad(&self) -> bool {
        self.bad.load(Ordering::Relaxed)
    }

    fn condemn(&self, reason: &str) {
        if !self.bad.swap(true, Ordering::Relaxed) {
            metrics::bad_feed();
            tracing::error!(
                feed = self.url,
                reason,
                "THIS FEED LIES: nothing more is taken from it until the node restarts; use another"
            );
        }
    }
}
