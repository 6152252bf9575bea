//! A network whose time its owner moves: the embedded L1 makes a block when it is told to, and the seats' clocks go along.
//!
//! So a chain with slots of seconds and delays of minutes or hours runs as fast as its L2 can make blocks, and reorgs, silence
//! of L1 and wrong clocks come exactly where a test or a drill wants them.

use crate::{
    l1::{Config as L1Config, Control, EmbeddedL1, EmbeddedL1Handle, NodeError},
    network::{Conditions, L1Choice, Network, NetworkConfig, NetworkError},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};
use surety_contracts::Parameters;
use surety_node::clock::Clock;
use surety_rpc::Backend as _;

/// L2 gets so many times the least time of a slot for a block in it.
const PATIENCE: u32 = 8;

/// What drives L1 and the seats' clocks.
#[derive(Debug, Clone)]
pub struct Pace {
    control: Control,
    /// How many seconds the seats' clocks are ahead of this machine's.
    ahead: Arc<AtomicI64>,
    /// Seconds of a slot.
    slot: u64,
    /// The least real time of a slot.
    least: Duration,
}

impl Pace {
    /// The seats' clock.
    fn clock(&self) -> Clock {
        let ahead = self.ahead.clone();
        Clock::new(move || {
            let (now, ahead) = (SystemTime::now(), ahead.load(Ordering::SeqCst));
            let shift = Duration::from_secs(ahead.unsigned_abs());
            if ahead < 0 { now - shift } else { now + shift }
        })
    }

    /// How far L1's clock is ahead of this machine's.
    fn l1_ahead(&self) -> i64 {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let seconds = |time: u64| i64::try_from(time).unwrap_or(i64::MAX);
        seconds(self.control.now()).saturating_sub(seconds(now))
    }

    async fn slot(&self) -> Result<(), NodeError> {
        let before = self.l1_ahead();
        self.control.mine(1).await?;
        self.ahead.fetch_add(self.l1_ahead().saturating_sub(before), Ordering::SeqCst);
        Ok(())
    }

    /// One slot's time passes, and L2 gets some more for a block in it, so that L1 does not run away from a slow machine.
    async fn wait(&self, network: &Network) {
        let height = || network.seats().first().map_or(0, |seat| seat.backend().tags().latest.number);
        let (start, before) = (Instant::now(), height());
        tokio::time::sleep(self.least).await;
        while height() == before && start.elapsed() < self.least * PATIENCE {
            tokio::time::sleep(self.least / PATIENCE).await;
        }
    }

    /// Slots pass with an L1 block each; the seats' clocks go along.
    ///
    /// # Errors
    /// The embedded L1 failed.
    pub async fn slots(&self, network: &Network, count: u64) -> Result<(), NodeError> {
        for _ in 0..count {
            self.slot().await?;
            self.wait(network).await;
        }
        Ok(())
    }

    /// L1 blocks come, with so many missed slots before each; the seats' clocks go along.
    ///
    /// # Errors
    /// The embedded L1 failed.
    pub async fn sparse_slots(&self, network: &Network, blocks: u64, missed: u64) -> Result<(), NodeError> {
        for _ in 0..blocks {
            self.control.skip_slots(missed);
            self.slot().await?;
            for _ in 0..=missed {
                self.wait(network).await;
            }
        }
        Ok(())
    }

    /// Slots pass for ever, whether L2 runs or not: ends only with an error.
    async fn go_on(&self) -> NodeError {
        loop {
            if let Err(error) = self.slot().await {
                return error;
            }
            tokio::time::sleep(self.least).await;
        }
    }

    /// Slots pass without an L1 block: the seats' clocks go on, L1 does not.
    pub async fn silence(&self, network: &Network, slots: u64) {
        for _ in 0..slots {
            self.ahead.fetch_add(i64::try_from(self.slot).unwrap_or_default(), Ordering::SeqCst);
            self.wait(network).await;
        }
    }

    /// L1 is back after [`Pace::silence`]: its clock is where the seats' are.
    pub fn back(&self) {
        let behind = self.ahead.load(Ordering::SeqCst).saturating_sub(self.l1_ahead());
        self.control.increase_time(u64::try_from(behind).unwrap_or_default());
    }

    /// Number of L1's head.
    pub fn head(&self) -> u64 {
        self.control.head().number
    }
}

/// A network, its L1, and what moves their time.
#[derive(Debug)]
pub struct Paced {
    /// L1, which makes blocks only by [`Pace`].
    pub l1: EmbeddedL1Handle,
    /// The network.
    pub network: Network,
    /// Their time.
    pub pace: Pace,
}

impl Paced {
    /// Starts L1 and, on it, a network with these parameters. A slot lasts at least `least` of real time. What the
    /// configurations say of slots, of who makes L1's blocks, of the profile and of which L1 does not count.
    ///
    /// # Errors
    /// [`NetworkError`]; L1 is stopped then.
    pub async fn start(
        l1: L1Config,
        config: NetworkConfig,
        protocol: Parameters,
        least: Duration,
    ) -> Result<Self, NetworkError> {
        let slot = protocol.slot_time;
        let l1 = EmbeddedL1::start(L1Config { slot_time: slot, automatic: false, ..l1 }).await?;
        let pace = Pace { control: l1.control().clone(), ahead: Arc::default(), slot, least };
        match Self::network(&l1, &pace, config, protocol).await {
            Ok(network) => Ok(Self { l1, network, pace }),
            Err(error) => {
                l1.stop().await;
                Err(error)
            }
        }
    }

    async fn network(
        l1: &EmbeddedL1Handle,
        pace: &Pace,
        config: NetworkConfig,
        protocol: Parameters,
    ) -> Result<Network, NetworkError> {
        pace.control.mine(1).await?;
        pace.ahead.store(pace.l1_ahead(), Ordering::SeqCst);
        let config = NetworkConfig { l1: L1Choice::External { rpc: l1.rpc_url(), beacon: l1.beacon_url() }, ..config };
        let conditions = Conditions { protocol, clocks: vec![pace.clock()] };
        tokio::select! {
            network = Box::pin(Network::start_on(config, conditions)) => network,
            error = pace.go_on() => Err(error.into()),
        }
    }
}
