//! L1 as the watchtower reads it: keys of seats, batches, and where the chain is.

use crate::{
    audit::DiskError,
    cases::write_whole,
    collector::Terms,
    metrics,
    seats::{Registered, VoteKeys},
    sources::{Bundle, Bundles, Source, l1::statements},
    watchtower::WatchError,
};
use serde::{Deserialize, Serialize};
use std::{path::PathBuf, sync::Arc, time::Duration};
use surety_contracts::{Addresses, ChainFile};
use surety_l1::{
    BlockAt, L1, L1Error,
    contracts::Contracts,
    follow::{Checkpoint, FollowConfig, FollowError, Follower, Heads, L1EventKind},
};
use surety_types::{RollupId, Seconds};
use tokio::sync::oneshot;

/// Blocks without events after which the place in L1 is written down all the same.
const SAVE_EVERY: u64 = 32;

/// Where L1 was read up to, with what follows from it.
#[derive(Debug, Serialize, Deserialize)]
struct Position {
    checkpoint: Checkpoint,
    keys: Registered,
}

/// L1 as the watchtower reads it.
pub(crate) struct Reader {
    l1: Arc<dyn L1>,
    addresses: Addresses,
    follower: Follower,
    /// Reads ahead once, at the start.
    scout: Option<Follower>,
    path: PathBuf,
    keys: VoteKeys,
    terms: Terms,
    saved: u64,
}

/// What one reading brought.
pub(crate) struct Read {
    pub(crate) heads: Heads,
    /// Where L1 went back to.
    pub(crate) reverted: Option<u64>,
}

impl Reader {
    pub(crate) fn open(l1: Arc<dyn L1>, chain: &ChainFile, path: PathBuf) -> Result<Self, WatchError> {
        let protocol = &chain.protocol;
        let force_delay = Seconds::new(protocol.force_delay);
        let rollup = RollupId::new(protocol.rollup);
        let config = FollowConfig::new(chain.addresses, rollup, chain.l1_start, protocol.settled_depth, force_delay);
        let disk = |cause| DiskError::new("read the place in L1 from", &path, cause);
        let position: Option<Position> = match std::fs::read(&path) {
            Ok(bytes) => Some(serde_json::from_slice(&bytes).map_err(|error| disk(error.into()))?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(disk(error).into()),
        };
        let (checkpoint, keys) = match position {
            Some(Position { checkpoint, keys }) => (Some(checkpoint), VoteKeys::restore(keys)),
            None => (None, VoteKeys::default()),
        };
        let follower = Follower::new(l1.clone(), config, checkpoint.clone())?;
        let scout = Follower::new(l1.clone(), config, checkpoint)?;
        Ok(Self {
            l1,
            addresses: chain.addresses,
            follower,
            scout: Some(scout),
            path,
            keys,
            terms: Terms::new(Duration::from_secs(protocol.epoch_length)),
            saved: 0,
        })
    }

    /// Reads L1 up to its head for the keys and the current term alone, so that the collector can tell seats' statements of
    /// today from others when the sources begin. Batches are read again afterwards.
    ///
    /// # Errors
    /// L1.
    pub(crate) async fn look_ahead(&mut self) -> Result<(), WatchError> {
        self.look_at_terms().await.map_err(FollowError::from)?;
        let Some(mut scout) = self.scout.take() else { return Ok(()) };
        loop {
            let update = scout.poll().await?;
            for event in &update.events {
                if let L1EventKind::Registry(event) = &event.kind {
                    self.keys.take(event);
                }
            }
            if update.heads.caught_up() {
                return Ok(());
            }
        }
    }

    pub(crate) fn keys(&self) -> VoteKeys {
        self.keys.clone()
    }

    pub(crate) fn terms(&self) -> Terms {
        self.terms.clone()
    }

    /// Asks L1 for the current term.
    pub(crate) async fn look_at_terms(&self) -> Result<(), L1Error> {
        let term = Contracts::new(&*self.l1, self.addresses).current_term(BlockAt::Latest).await?;
        self.terms.set_current(term);
        Ok(())
    }

    /// Reads one range of blocks and hands statements to the collector.
    pub(crate) async fn read(&mut self, bundles: &Bundles, source: &Source) -> Result<Read, WatchError> {
        let update = self.follower.poll().await?;
        let mut reverted = None;
        let any = !update.events.is_empty();
        for event in update.events {
            match event.kind {
                L1EventKind::Registry(event) => self.keys.take(&event),
                L1EventKind::Batch(batch) => {
                    let (taken, durable) = oneshot::channel();
                    let bundle = Bundle { source: source.clone(), statements: statements(&batch), taken: Some(taken) };
                    // Not durable (the collector has ended): not to be passed over after a restart.
                    if bundles.send(bundle).await.is_err() || durable.await.is_err() {
                        return Err(WatchError::Stopped);
                    }
                }
                L1EventKind::Reverted { .. } => reverted = Some(event.block.number.get()),
                L1EventKind::Message { .. } | L1EventKind::Slasher(_) => {}
            }
        }
        let read = update.heads.read.number.get();
        if any || read >= self.saved.saturating_add(SAVE_EVERY) {
            let position = Position { checkpoint: self.follower.checkpoint(), keys: self.keys.store() };
            let disk = |cause| DiskError::new("write the place in L1 to", &self.path, cause);
            let bytes = serde_json::to_vec(&position).map_err(|e| disk(e.into()))?;
            write_whole(&self.path, &bytes).map_err(disk)?;
            self.saved = read;
        }
        metrics::l1_height(read);
        Ok(Read { heads: update.heads, reverted })
    }
}
