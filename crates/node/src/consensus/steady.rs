//! A runtime whose time never goes back.
//!
//! The library reads the time of day to measure how long something lasts: until a view is given up, until a peer may send
//! again. When an operator sets the clock back by an hour, a deadline of a second is an hour away; more than a third of the
//! seats at once, and the chain stands that long. So a seat runs on [`Steady`], and its consensus measures time by it. The
//! time of day, which blocks carry, comes from [`crate::clock::Clock`].
//!
//! A steady clock follows the time of day forward. When that is set back, the steady clock goes on from where it was, at half
//! pace until the time of day has caught up: never back, and not ahead for ever, since peers compare it when they connect.

use commonware_runtime::{
    Clock, Error, Handle, ListenerOf, Metrics, Name, Network, Resolver, SinkOf, Spawner, Storage, StreamOf, Supervisor,
    signal::Signal,
    telemetry::metrics::{Metric, Registered},
};
use governor::clock::ReasonablyRealtime;
use parking_lot::Mutex;
use rand_core::{TryCryptoRng, TryRng};
use std::{
    convert::Infallible,
    fmt::Display,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

/// A runtime, with steady time.
#[derive(Clone)]
pub struct Steady<E> {
    inner: E,
    time: Arc<Time>,
}

struct Time {
    wall: Box<dyn Fn() -> SystemTime + Send + Sync>,
    elapsed: Box<dyn Fn() -> Duration + Send + Sync>,
    last: Mutex<Last>,
}

/// The last reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Last {
    told: SystemTime,
    elapsed: Duration,
}

impl Last {
    /// The next reading: the time of day, unless that was told already.
    fn next(self, wall: SystemTime, elapsed: Duration) -> Self {
        let passed = elapsed.saturating_sub(self.elapsed) / 2;
        let slow = self.told.checked_add(passed).unwrap_or(self.told);
        Self { told: wall.max(slow), elapsed }
    }
}

impl<E> Steady<E> {
    /// A runtime that keeps this machine's time.
    pub(super) fn system(inner: E) -> Self {
        let start = Instant::now();
        Self::new(inner, SystemTime::now, move || start.elapsed())
    }

    /// A runtime by other clocks: the time of day, and one that nobody sets.
    pub fn new(
        inner: E,
        wall: impl Fn() -> SystemTime + Send + Sync + 'static,
        elapsed: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        let last = Mutex::new(Last { told: wall(), elapsed: elapsed() });
        Self { inner, time: Arc::new(Time { wall: Box::new(wall), elapsed: Box::new(elapsed), last }) }
    }

    fn with<F>(&self, inner: F) -> Steady<F> {
        Steady { inner, time: self.time.clone() }
    }

    fn read(&self) -> SystemTime {
        let mut last = self.time.last.lock();
        *last = last.next((self.time.wall)(), (self.time.elapsed)());
        last.told
    }
}

impl<E: Clock> Clock for Steady<E> {
    fn current(&self) -> SystemTime {
        self.read()
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static + use<E> {
        self.inner.sleep(duration)
    }

    fn sleep_until(&self, deadline: SystemTime) -> impl Future<Output = ()> + Send + 'static + use<E> {
        self.inner.sleep(deadline.duration_since(self.read()).unwrap_or_default())
    }
}

impl<E: Clock> governor::clock::Clock for Steady<E> {
    type Instant = SystemTime;

    fn now(&self) -> SystemTime {
        self.read()
    }
}

impl<E: Clock> ReasonablyRealtime for Steady<E> {}

impl<E: Supervisor> Supervisor for Steady<E> {
    fn name(&self) -> Name {
        self.inner.name()
    }

    fn child(&self, label: &'static str) -> Self {
        self.with(self.inner.child(label))
    }

    fn with_attribute(self, key: &'static str, value: impl Display) -> Self {
        Self { inner: self.inner.with_attribute(key, value), time: self.time }
    }
}

impl<E: Spawner> Spawner for Steady<E> {
    fn shared(self, blocking: bool) -> Self {
        Self { inner: self.inner.shared(blocking), time: self.time }
    }

    fn dedicated(self) -> Self {
        Self { inner: self.inner.dedicated(), time: self.time }
    }

    fn spawn<F, Fut, T>(self, f: F) -> Handle<T>
    where
        F: FnOnce(Self) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let Self { inner, time } = self;
        inner.spawn(move |inner| f(Self { inner, time }))
    }

    fn stop(self, value: i32, timeout: Option<Duration>) -> impl Future<Output = Result<(), Error>> + Send {
        self.inner.stop(value, timeout)
    }

    fn stopped(&self) -> Signal {
        self.inner.stopped()
    }
}

impl<E: Metrics> Metrics for Steady<E> {
    fn register<N: Into<String>, H: Into<String>, M: Metric>(&self, name: N, help: H, metric: M) -> Registered<M> {
        self.inner.register(name, help, metric)
    }

    fn encode(&self) -> String {
        self.inner.encode()
    }
}

impl<E: Storage> Storage for Steady<E> {
    type Blob = E::Blob;

    fn open_versioned(
        &self,
        partition: &str,
        name: &[u8],
        versions: RangeInclusive<commonware_runtime::BlobVersion>,
    ) -> impl Future<Output = Result<(Self::Blob, u64, commonware_runtime::BlobVersion), Error>> + Send {
        self.inner.open_versioned(partition, name, versions)
    }

    fn remove(&self, partition: &str, name: Option<&[u8]>) -> impl Future<Output = Result<(), Error>> + Send {
        self.inner.remove(partition, name)
    }

    fn scan(&self, partition: &str) -> impl Future<Output = Result<Vec<Vec<u8>>, Error>> + Send {
        self.inner.scan(partition)
    }
}

impl<E: Network> Network for Steady<E> {
    type Listener = ListenerOf<E>;

    fn bind(&self, socket: SocketAddr) -> impl Future<Output = Result<Self::Listener, Error>> + Send {
        self.inner.bind(socket)
    }

    fn dial(&self, socket: SocketAddr) -> impl Future<Output = Result<(SinkOf<Self>, StreamOf<Self>), Error>> + Send {
        self.inner.dial(socket)
    }
}

impl<E: Resolver> Resolver for Steady<E> {
    fn resolve(&self, host: &str) -> impl Future<Output = Result<Vec<IpAddr>, Error>> + Send {
        self.inner.resolve(host)
    }
}

impl<E: TryRng<Error = Infallible>> TryRng for Steady<E> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.inner.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.inner.try_next_u64()
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.inner.try_fill_bytes(bytes)
    }
}

impl<E: TryCryptoRng<Error = Infallible>> TryCryptoRng for Steady<E> {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn time_follows_the_clock_forward_and_never_back_and_meets_it_again() {
        let wall = |seconds: u64| UNIX_EPOCH + Duration::from_secs(seconds);
        let start = Last { told: wall(10_000), elapsed: Duration::ZERO };
        let one = start.next(wall(10_001), Duration::from_secs(1));
        assert_eq!(one.told, wall(10_001));
        let ahead = one.next(wall(13_601), Duration::from_secs(2));
        assert_eq!(ahead.told, wall(13_601), "an hour forward");
        let mut last = ahead;
        for passed in 1..=7_200 {
            let back = last.next(wall(10_001 + passed), Duration::from_secs(2 + passed));
            assert!(back.told > last.told, "it goes on");
            assert_eq!(back.told, wall(13_601) + Duration::from_millis(500) * passed as u32);
            last = back;
        }
        let met = last.next(wall(17_202), Duration::from_secs(7_203));
        assert_eq!(met.told, wall(17_202), "after two hours");
    }
}
