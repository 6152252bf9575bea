//! What a drill looks at: the chain on L2, the contracts on L1, the clock.

use super::{DrillConfig, DrillError};
use crate::network::{Conditions, L2_CHAIN_ID, Network, NetworkConfig, NetworkError};
use alloy::sol_types::SolEvent;
use alloy_primitives::{Address, B256, U256};
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};
use surety_contracts::{ChainFile, Parameters, Profile, bindings::Slasher};
use surety_l1::{
    BlockAt, BlockRef, L1,
    chain::Inclusion,
    contracts::{Contracts, Member},
    rpc::{RpcConfig, RpcL1},
};
use surety_node::consensus::byzantine::Sin;
use surety_rpc::Backend as _;
use surety_stf::StateReader as _;
use surety_types::{Seconds, Term};
use tokio::sync::mpsc;

/// One line of a drill's timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Since the drill began.
    pub at: Duration,
    /// What happened.
    pub what: String,
}

/// Takes the timeline's lines as they come.
#[derive(Debug, Clone)]
pub struct Timeline {
    began: Instant,
    lines: mpsc::UnboundedSender<Line>,
}

impl Timeline {
    /// A timeline that begins now, and where its lines come out.
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Line>) {
        let (lines, received) = mpsc::unbounded_channel();
        (Self { began: Instant::now(), lines }, received)
    }

    pub(super) fn tell(&self, what: impl Into<String>) {
        // Nobody reading is no error.
        let _ = self.lines.send(Line { at: self.began.elapsed(), what: what.into() });
    }
}

/// A punishment, as L1 has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slash {
    pub(super) seat: u64,
    pub(super) fault: Address,
    pub(super) block: u64,
    pub(super) transaction: B256,
    pub(super) penalty: U256,
    pub(super) reward: U256,
}

/// An own view of a chain's L1.
pub(super) struct View {
    pub(super) l1: Arc<dyn L1>,
    chain: ChainFile,
}

impl View {
    pub(super) fn new((rpc, beacon): (&str, &str), chain: &ChainFile) -> Result<Self, DrillError> {
        let l1 = RpcL1::new(RpcConfig::new(rpc, [beacon.to_owned()]), None).map_err(NetworkError::from)?;
        Ok(Self { l1: Arc::new(l1), chain: chain.clone() })
    }

    pub(super) fn contracts(&self) -> Contracts<'_> {
        Contracts::new(&*self.l1, self.chain.addresses)
    }

    /// Number of L1's head.
    pub(super) async fn head(&self) -> Result<u64, DrillError> {
        Ok(self.l1.block(BlockAt::Latest).await?.map_or(0, |block| block.number.get()))
    }

    /// L1's head.
    pub(super) async fn head_block(&self) -> Result<BlockRef, DrillError> {
        let head = self.l1.block(BlockAt::Latest).await?;
        head.ok_or_else(|| DrillError::Failed("L1 has no head".into()))
    }

    /// All events of one kind of a contract up to L1's head, each with its L1 block and transaction.
    pub(super) async fn events<E: SolEvent>(&self, contract: Address) -> Result<Vec<(E, u64, B256)>, DrillError> {
        let head = self.head_block().await?;
        let logs = self.l1.logs(self.chain.l1_start, head.number, &[contract]).await?;
        let event = |log: &surety_l1::chain::L1Log| {
            Some((E::decode_log(&log.log).ok()?.data, log.block_number.get(), log.transaction))
        };
        Ok(logs.iter().filter_map(event).collect())
    }

    /// The transactions in which these contracts told something, up to L1's head, each once.
    pub(super) async fn transactions(&self, contracts: &[Address]) -> Result<Vec<(B256, Inclusion)>, DrillError> {
        let head = self.head_block().await?;
        let logs = self.l1.logs(self.chain.l1_start, head.number, contracts).await?;
        let hashes: BTreeSet<B256> = logs.iter().map(|log| log.transaction).collect();
        let mut found = Vec::new();
        for hash in hashes {
            if let Some(inclusion) = self.l1.inclusion(hash).await? {
                found.push((hash, inclusion));
            }
        }
        Ok(found)
    }

    /// All punishments up to L1's head.
    pub(super) async fn slashes(&self) -> Result<Vec<Slash>, DrillError> {
        let events = self.events::<Slasher::Slashed>(self.chain.addresses.slasher).await?;
        let slash = |(event, block, transaction): (Slasher::Slashed, u64, B256)| Slash {
            seat: event.seat,
            fault: event.fault,
            block,
            transaction,
            penalty: event.penalty,
            reward: event.reward,
        };
        Ok(events.into_iter().map(slash).collect())
    }

    /// Bond of a seat at L1's head.
    pub(super) async fn bond(&self, seat: u64) -> Result<U256, DrillError> {
        Ok(self.contracts().seat(seat, BlockAt::Latest).await?.bond.to::<U256>())
    }

    /// The current term and its members.
    pub(super) async fn committee(&self) -> Result<(Term, Vec<Member>), DrillError> {
        let contracts = self.contracts();
        let term = contracts.current_term(BlockAt::Latest).await?;
        Ok((term, contracts.committee(term, BlockAt::Latest).await?))
    }
}

/// Asks until there is an answer.
pub(super) async fn until<T>(
    what: &'static str,
    within: Duration,
    ask: impl AsyncFn() -> Result<Option<T>, DrillError>,
) -> Result<T, DrillError> {
    let end = Instant::now() + within;
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        if Instant::now() >= end {
            return Err(DrillError::Timeout { what, within });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A running network, and L1 as it is.
pub(super) struct World {
    pub(super) network: Network,
    pub(super) view: View,
    pub(super) timeline: Timeline,
}

/// Fewer blocks and fewer batches than the `ci` profile's, and the delays that those need.
fn calm() -> Parameters {
    Parameters {
        block_time_millis: 500,
        batch_age: 5,
        overlap: 34,
        epoch_length: 70,
        unbonding: 240,
        idle_window: 240,
        message_window_gas: 200_000_000,
        ..Parameters::of(Profile::Ci, L2_CHAIN_ID)
    }
}

impl World {
    /// Starts a network of the `ci` profile and waits until its watchtower has caught up.
    pub(super) async fn start(
        config: &DrillConfig,
        sinners: Vec<(usize, Sin)>,
        timeline: Timeline,
    ) -> Result<Self, DrillError> {
        Self::start_on(config, sinners, Parameters::of(Profile::Ci, L2_CHAIN_ID), timeline).await
    }

    /// The same for drills that measure what a committee leaves undone: theirs must have time left for what it does on any machine, so that no
    /// batch is late because of the machine.
    pub(super) async fn start_calm(
        config: &DrillConfig,
        sinners: Vec<(usize, Sin)>,
        timeline: Timeline,
    ) -> Result<Self, DrillError> {
        Self::start_on(config, sinners, calm(), timeline).await
    }

    /// The same with other delays and windows.
    pub(super) async fn start_on(
        config: &DrillConfig,
        sinners: Vec<(usize, Sin)>,
        protocol: Parameters,
        timeline: Timeline,
    ) -> Result<Self, DrillError> {
        timeline.tell("starting a network: L1, contracts, four seats, follower, watchtower");
        let settings = NetworkConfig {
            l1: config.l1.clone(),
            chain_file: config.chain_file.clone(),
            sinners,
            ..NetworkConfig::new(config.directory.clone())
        };
        let network = Box::pin(Network::start_on(settings, Conditions { protocol, clocks: Vec::new() })).await?;
        let view = View::new(network.l1_urls(), network.chain())?;
        let world = Self { network, view, timeline };
        world.watched().await?;
        world.timeline.tell(format!("the network runs; L2 is at block {}", world.height()));
        Ok(world)
    }

    /// Number of the newest final L2 block of the first seat.
    pub(super) fn height(&self) -> u64 {
        self.network.seats().first().map_or(0, |seat| seat.backend().tags().latest.number)
    }

    /// What an address has at the first seat's head.
    pub(super) fn balance(&self, address: Address) -> Result<U256, DrillError> {
        let Some(seat) = self.network.seats().first() else { return Ok(U256::ZERO) };
        let account = seat.backend().store().latest()?.account(address)?;
        Ok(account.map_or(U256::ZERO, |account| account.balance))
    }

    /// The first block after which an address has something, and its time; `None` if it has nothing.
    pub(super) fn arrival(&self, address: Address) -> Result<Option<(u64, Seconds)>, DrillError> {
        let Some(seat) = self.network.seats().first() else { return Ok(None) };
        let backend = seat.backend();
        let store = backend.store();
        let (mut low, mut high) = (0, store.head().number);
        let has = |height| -> Result<bool, DrillError> {
            Ok(store.view_at(height)?.account(address)?.is_some_and(|account| !account.balance.is_zero()))
        };
        if !has(high)? {
            return Ok(None);
        }
        while high.saturating_sub(low) > 1 {
            let middle = low.midpoint(high);
            if has(middle)? { high = middle } else { low = middle }
        }
        let time = store.header_by_number(high)?.map_or(0, |(_, header)| header.timestamp);
        Ok(Some((high, Seconds::new(time))))
    }

    /// Waits until the watchtower has read L1 up to its head.
    pub(super) async fn watched(&self) -> Result<(), DrillError> {
        until("the watchtower has read L1", Duration::from_secs(60), async || {
            Ok(self.network.watchtower().is_some_and(|tower| tower.status().borrow().caught_up).then_some(()))
        })
        .await
    }

    /// Stops everything but an embedded L1.
    pub(super) async fn stop(self) -> (String, Option<crate::l1::EmbeddedL1Handle>) {
        let url = self.network.l1_urls().0.to_owned();
        (url, self.network.stop_but_l1().await)
    }
}

/// Looks at the chain's height all the time; tells the longest time without a new block.
pub(super) struct Pulse {
    longest: Arc<parking_lot::Mutex<Duration>>,
    task: tokio::task::JoinHandle<()>,
}

impl Pulse {
    pub(super) fn start(world: &World) -> Self {
        let longest = Arc::new(parking_lot::Mutex::new(Duration::ZERO));
        let noted = longest.clone();
        let backend = world.network.seats().first().map(|seat| seat.backend());
        let task = tokio::spawn(async move {
            let Some(backend) = backend else { return };
            let (mut height, mut since) = (0, Instant::now());
            loop {
                let latest = backend.tags().latest.number;
                let stood = since.elapsed();
                {
                    let mut longest = noted.lock();
                    *longest = stood.max(*longest);
                }
                if latest != height {
                    (height, since) = (latest, Instant::now());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        Self { longest, task }
    }

    /// The longest standstill so far.
    pub(super) fn longest(&self) -> Duration {
        *self.longest.lock()
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calm_parameters_are_ones_that_a_chain_may_have() {
        calm().check().expect("what the contracts ask of parameters");
    }
}
