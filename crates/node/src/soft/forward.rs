//! Passes users' transactions on to seats.

use super::FeedState;
use alloy_primitives::B256;
use parking_lot::Mutex;
use std::sync::Arc;
use surety_rpc::{
    Submission, SubmitError,
    client::{ClientError, FeedClient},
};

/// Sends transactions to the first feed's node that takes them. A seat passes them on to the others.
#[derive(Debug)]
pub struct Forwarder {
    feeds: Vec<Arc<FeedState>>,
    /// The connection that served last, and to whom.
    last: Mutex<Option<(usize, Arc<FeedClient>)>>,
}

impl Forwarder {
    /// To the nodes of these feeds.
    pub const fn new(feeds: Vec<Arc<FeedState>>) -> Self {
        Self { feeds, last: Mutex::new(None) }
    }

    /// Offers a transaction to one node after the other until one answers.
    ///
    /// # Errors
    /// The node's refusal in its words, or that none can be reached.
    pub async fn submit(&self, submission: &Submission) -> Result<B256, SubmitError> {
        let hash = *submission.transaction.inner().hash();
        let first = self.last.lock().as_ref().map_or(0, |(index, _)| *index);
        let count = self.feeds.len();
        for index in (first..count).chain(0..first.min(count)) {
            let Some(feed) = self.feeds.get(index).filter(|feed| !feed.is_bad()) else { continue };
            let Some(client) = self.client(index, feed).await else { continue };
            match client.send_raw_transaction(&submission.raw).await {
                // The hash is the transaction's, whatever the node says.
                Ok(_) => return Ok(hash),
                Err(ClientError::Refused(reason)) if reason == SubmitError::AlreadyKnown.to_string() => {
                    return Err(SubmitError::AlreadyKnown);
                }
                Err(ClientError::Refused(reason)) => return Err(SubmitError::Other(reason)),
                Err(error) => {
                    tracing::warn!(%error, "a transaction was not passed on; the next node is tried");
                    *self.last.lock() = None;
                }
            }
        }
        Err(SubmitError::Other("no sequencer can be reached to pass the transaction on: try again later".into()))
    }

    async fn client(&self, index: usize, feed: &FeedState) -> Option<Arc<FeedClient>> {
        let known = self.last.lock().as_ref().filter(|(last, _)| *last == index).map(|(_, client)| client.clone());
        if known.is_some() {
            return known;
        }
        match FeedClient::connect(feed.url()).await {
            Ok(client) => {
                let client = Arc::new(client);
                *self.last.lock() = Some((index, client.clone()));
                Some(client)
            }
            Err(error) => {
                tracing::warn!(%error, "a transaction is passed on elsewhere");
                None
            }
        }
    }
}
