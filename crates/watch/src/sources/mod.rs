//! Where signed statements come from. None of them is trusted: each is taken apart into single statements.
//!
//! | source | brings |
//! |---|---|
//! | [`feed`] | a seat's or follower's public feed: evidence, and the votes in certificates |
//! | [`mod@file`] | evidence in files, one JSON object a line, read as they grow |
//! | [`l1`] | the batch statements that L1 keeps, with the signatures that came along |

pub mod feed;
pub mod file;
pub(crate) mod l1;

use crate::faults::equivocation::SourceId;
use std::sync::Arc;
use surety_types::evidence::{Equivocation, SignedStatement};
use tokio::sync::{mpsc, oneshot};

/// The most bytes of one message of a feed, or of one line of a file. A certified block with its certificate is below.
pub const MAX_MESSAGE: u32 = 16 << 20;
/// The most signatures of one certificate: a committee has at most so many members.
pub(crate) const MAX_SIGNATURES: usize = 64;
/// Messages that wait for the collector; then sources wait.
pub(crate) const QUEUE: usize = 64;

/// What a source is called: its URL or path, or `l1`.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) id: SourceId,
    pub(crate) name: Arc<str>,
}

/// Some statements from one source.
#[derive(Debug)]
pub(crate) struct Bundle {
    pub(crate) source: Source,
    pub(crate) statements: Vec<SignedStatement>,
    /// Told when they are durable.
    pub(crate) taken: Option<oneshot::Sender<()>>,
}

pub(crate) type Bundles = mpsc::Sender<Bundle>;

/// One JSON object: a pair, or a single signed statement.
pub(crate) fn parse(json: &[u8]) -> Option<Vec<SignedStatement>> {
    if let Ok(pair) = serde_json::from_slice::<Equivocation>(json) {
        return Some(vec![pair.first, pair.second]);
    }
    serde_json::from_slice::<SignedStatement>(json).ok().map(|signed| vec![signed])
}
