//! What time it is: the one place where a node reads the time of day.
//!
//! Time of day decides two things only: the time that a leader gives its block, and that a seat does not vote for a block from
//! the future before its time has come. How long something lasts is measured by clocks that nobody sets
//! ([`crate::consensus`] runs on one). So a seat whose clock is wrong loses its own blocks (ahead) or its own votes (behind)
//! and nothing else, and is as good as any other when the clock is set right.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use surety_types::Milliseconds;

/// The time of day by this machine's clock.
pub fn now() -> Milliseconds {
    Clock::system().now()
}

/// A clock that tells the time of day. It may be set while a node runs, forward or back. Cheap to clone.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl core::fmt::Debug for Clock {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}

impl Clock {
    /// This machine's.
    pub fn system() -> Self {
        Self::new(SystemTime::now)
    }

    /// Another one.
    pub fn new(read: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// Unix time.
    pub fn now(&self) -> Milliseconds {
        let since = (self.0)().duration_since(UNIX_EPOCH).unwrap_or_default();
        Milliseconds::new(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// How long it is until then; zero if that is past.
    pub fn until(&self, time: Milliseconds) -> Duration {
        Duration::from_millis(time.since(self.now()))
    }
}
