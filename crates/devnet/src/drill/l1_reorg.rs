//! L1 takes blocks back that have batches in them, and forgets their transactions. Nothing of it is anybody's fault, and nothing of
//! L2 may change: seats took from L1 only what is settled, which lies deeper. The same batches must stand on L1 again, byte for byte.
//!
//! L1's blocks come when the drill says so, and the seats' clocks go along ([`crate::pace`]): minutes pass in seconds. What L1
//! takes back is read before and after, statement by statement and blob by blob; L2's blocks are compared on every node.
//!
//! A reorg deeper than what settles (`--depth` above [`SETTLED_DEPTH`]) takes a deposit back that L2 has used: the batches from
//! there on can never stand on L1 again, and the drill must not pass.

use super::{
    DrillConfig, DrillError, Finished, L1ReorgReport, OnL1, ReorgedBatch, Report, Timeline,
    people::{Sender, account, pay},
    world::{View, World},
};
use crate::{
    l1::{Config as L1Config, EmbeddedL1Handle, ReorgPolicy},
    network::{L1Choice, L2_CHAIN_ID, NetworkConfig},
    pace::{Pace, Paced},
};
use alloy::{
    signers::local::PrivateKeySigner,
    sol_types::{SolEvent as _, SolStruct as _},
};
use alloy_primitives::{Address, B256, U256, keccak256};
use std::time::Duration;
use surety_contracts::{Parameters, Profile, bindings::Inbox};
use surety_l1::{
    BlockAt,
    follow::{DataSource, data_source},
};
use surety_types::{L1Height, signing::Batch};

/// L1 blocks on top of what L2 takes from L1, and those until L1 finalises a block.
const SETTLED_DEPTH: u64 = 64;
/// L1's finality while the network is founded, so that this need not wait for [`SETTLED_DEPTH`].
const FINALITY_AT_FIRST: u64 = 4;
/// The least real time of a slot.
const SLOT: Duration = Duration::from_millis(300);
/// The user's transactions on L2 come so many slots apart.
const SLOTS_BETWEEN: u64 = 5;
/// The user, a development account.
const USER: usize = 5;
/// Whom the user pays on L2, and for whom the user deposits before and after: nobody else does.
const PAID: Address = Address::repeat_byte(0xd1);
const PAID_LATER: Address = Address::repeat_byte(0xd2);
const DEPOSITED: Address = Address::repeat_byte(0xd3);
const DEPOSITED_LATER: Address = Address::repeat_byte(0xd4);

/// Slots of 2 s, with which `SETTLED_DEPTH` 64 fits a `FORCE_DELAY` of 5 minutes; no term ends in the drill.
fn protocol() -> Parameters {
    Parameters {
        slot_time: 2,
        settled_depth: SETTLED_DEPTH,
        force_delay: 300,
        max_gap: 600,
        // Twice what it takes to settle and to batch is less than `force_delay`.
        batch_age: 16,
        grace: 300,
        overlap: 350,
        epoch_length: 7_200,
        unbonding: 8_200,
        escape_delay: 3_600,
        ..Parameters::of(Profile::Ci, L2_CHAIN_ID)
    }
}

pub(super) async fn run(config: DrillConfig, timeline: Timeline) -> Result<Finished, DrillError> {
    let L1Choice::Embedded { rpc, beacon } = config.l1 else {
        return Err(DrillError::NeedsEmbeddedL1(config.drill.name()));
    };
    timeline.tell("starting a network whose time is moved: L1, contracts, four seats, follower, watchtower");
    let l1 = L1Config {
        data_dir: Some(config.directory.join("l1")),
        rpc: surety_rpc::Config { address: rpc, ..Default::default() },
        beacon_address: beacon,
        finality_lag: FINALITY_AT_FIRST,
        ..L1Config::default()
    };
    let network =
        NetworkConfig { chain_file: config.chain_file.clone(), ..NetworkConfig::new(config.directory.clone()) };
    let Paced { l1, network, pace } = Box::pin(Paced::start(l1, network, protocol(), SLOT)).await?;
    let view = View::new(network.l1_urls(), network.chain())?;
    let ground = Ground { l1, pace, world: World { network, view, timeline } };
    let outcome = observe(&config, &ground).await;
    let Ground { l1, world, .. } = ground;
    let (l1_rpc, _) = world.stop().await;
    Finished::of(outcome.map(|report| Report::L1Reorg(Box::new(report))), l1_rpc, Some(l1)).await
}

/// The network of this drill.
struct Ground {
    l1: EmbeddedL1Handle,
    pace: Pace,
    world: World,
}

impl Ground {
    /// Lets slots pass until there is an answer, so many at most.
    async fn until<T>(
        &self,
        most: u64,
        ask: impl AsyncFn() -> Result<Option<T>, DrillError>,
    ) -> Result<Option<T>, DrillError> {
        for _ in 0..most {
            if let Some(answer) = ask().await? {
                return Ok(Some(answer));
            }
            self.pace.slots(&self.world.network, 1).await?;
        }
        ask().await
    }

    /// Lets slots pass until something on L1 is done.
    async fn meanwhile<T>(&self, work: impl Future<Output = Result<T, DrillError>>) -> Result<T, DrillError> {
        tokio::select! {
            done = work => done,
            passed = self.pace.slots(&self.world.network, patience()) => {
                passed?;
                Err(DrillError::Failed(format!("a transaction was not in {} L1 blocks", patience())))
            }
        }
    }

    /// Height of the last L2 block that L1 has.
    async fn posted(&self) -> Result<u64, DrillError> {
        Ok(self.world.view.contracts().inbox_head(BlockAt::Latest).await?.last_height.get())
    }

    /// L1 blocks from its final one to its head.
    async fn finality_lag(&self) -> Result<u64, DrillError> {
        let finalized = self.world.view.l1.block(BlockAt::Finalized).await?.map_or(0, |block| block.number.get());
        Ok(self.pace.head().saturating_sub(finalized))
    }

    /// All bonds together.
    async fn bonds(&self) -> Result<U256, DrillError> {
        let (_, members) = self.world.view.committee().await?;
        let mut sum = U256::ZERO;
        for member in members {
            sum = sum.saturating_add(self.world.view.bond(member.seat).await?);
        }
        Ok(sum)
    }
}

/// How many slots anything may take: after that, seats would begin to be idle.
fn patience() -> u64 {
    let protocol = protocol();
    protocol.max_gap / 2 / protocol.slot_time
}

async fn observe(config: &DrillConfig, ground: &Ground) -> Result<L1ReorgReport, DrillError> {
    let (world, pace) = (&ground.world, &ground.pace);
    let protocol = &world.network.chain().protocol;
    let mut report = L1ReorgReport {
        drill: config.drill.name(),
        settled_depth: protocol.settled_depth,
        force_delay: protocol.force_delay,
        max_gap: protocol.max_gap,
        deposit_to: DEPOSITED,
        bond_before: ground.bonds().await?,
        ..L1ReorgReport::default()
    };
    world.watched().await?;
    ground.l1.control().set_finality_lag(SETTLED_DEPTH).await?;
    world.timeline.tell(format!("the network runs; L2 is at block {}, L1 at {}", world.height(), pace.head()));
    let user = account(USER)?;
    let on_l1 = Sender::open(config, world, "user", &user).await?;
    before(config, ground, &user, &on_l1, &mut report).await?;
    let (batches, chains) = (posted(world, report.ancestor_block).await?, chains(world)?);
    world.timeline.tell(format!(
        "L1 is at block {}, final {} below; {} batches stand in its last {} blocks",
        report.head_block,
        report.finality_lag,
        batches.len(),
        config.depth
    ));
    if config.honest {
        world.timeline.tell("L1 takes nothing back");
    } else {
        let done = ground.l1.control().reorg(config.depth, ReorgPolicy::Drop).await?;
        report.reorg_depth = config.depth;
        report.batches_reorged = batches.len() as u64;
        world.timeline.tell(format!("L1 takes {} blocks back, to block {}", config.depth, done.ancestor.number));
        let stand = again(ground, &batches, &mut report).await?;
        let goes_on = stand && after(ground, &user, &on_l1, &mut report).await?;
        compare(world, &chains, &mut report)?;
        report.passed = goes_on && report.l2_blocks_changed == 0;
    }
    world.watched().await?;
    let slashes = world.view.slashes().await?;
    report.seats_slashed = slashes.len() as u64;
    report.bond_after = ground.bonds().await?;
    report.passed = report.passed && slashes.is_empty() && report.bond_after == report.bond_before;
    world.timeline.tell(format!("seats punished: {}", report.seats_slashed));
    Ok(report)
}

/// The chain runs, with transactions and a deposit of the user, until what L1 is to take back has batches in it.
async fn before(
    config: &DrillConfig,
    ground: &Ground,
    user: &PrivateKeySigner,
    on_l1: &Sender,
    report: &mut L1ReorgReport,
) -> Result<(), DrillError> {
    let (world, pace) = (&ground.world, &ground.pace);
    let many = patience().saturating_add(config.depth);
    // So that the deposit is in what L1 takes back.
    let early = SETTLED_DEPTH.saturating_sub(config.depth);
    ground.until(many, async || Ok((ground.finality_lag().await? >= early).then_some(()))).await?;
    let (deposit, block) = ground.meanwhile(on_l1.force(world, DEPOSITED)).await?;
    (report.deposit_tx, report.deposit_at_block) = (deposit.transaction, block.number.get());
    world.timeline.tell(format!("a user deposits, in L1 block {}", block.number));
    let enough = async || -> Result<Option<()>, DrillError> {
        let head = pace.head();
        let is_far = head >= block.number.get().saturating_add(config.depth).saturating_sub(1);
        let is_final_below = ground.finality_lag().await? >= SETTLED_DEPTH;
        if head.is_multiple_of(SLOTS_BETWEEN) {
            pay(world, user, PAID).await?;
        }
        let ready = is_far && is_final_below && !posted(world, head.saturating_sub(config.depth)).await?.is_empty();
        Ok(ready.then_some(()))
    };
    ground
        .until(many, enough)
        .await?
        .ok_or_else(|| DrillError::Failed(format!("no batch in the last {} L1 blocks", config.depth)))?;
    let head = world.view.head_block().await?;
    (report.head_block, report.head_hash) = (head.number.get(), head.hash);
    report.ancestor_block = report.head_block.saturating_sub(config.depth);
    let ancestor = world.view.l1.block(BlockAt::Number(L1Height::new(report.ancestor_block))).await?;
    report.ancestor_hash = ancestor.ok_or_else(|| DrillError::Failed("L1 lost a block".into()))?.hash;
    report.finality_lag = ground.finality_lag().await?;
    Ok(())
}

/// A batch as it stands on L1.
struct Posted {
    statement: Batch,
    blobs: Vec<B256>,
    /// Whole blobs, or call data.
    data: Vec<u8>,
    at: OnL1,
    index: u64,
}

/// The batches in L1's blocks above one.
async fn posted(world: &World, above: u64) -> Result<Vec<Posted>, DrillError> {
    let (l1, addresses) = (&world.view.l1, world.network.chain().addresses);
    let head = world.view.head_block().await?.number;
    let from = L1Height::new(above).next();
    let mut batches = Vec::new();
    for log in l1.logs(from, head, &[addresses.inbox]).await? {
        let Ok(event) = Inbox::BatchPosted::decode_log(&log.log) else { continue };
        let gone = || DrillError::Failed(format!("L1 lost transaction {}", log.transaction));
        let statement = Batch::from(event.data.statement);
        let transaction = l1.transaction(log.transaction).await?.ok_or_else(gone)?;
        let (source, _) = data_source(&transaction, &addresses, &statement)?;
        let (blobs, data) = match source {
            DataSource::None => (Vec::new(), Vec::new()),
            DataSource::CallData(data) => (Vec::new(), data.to_vec()),
            DataSource::Blobs(hashes) => {
                let block = l1.block(BlockAt::Hash(log.block_hash)).await?.ok_or_else(gone)?;
                let blobs = l1.blobs(block, &hashes).await?;
                (hashes, blobs.iter().flat_map(|blob| blob.iter().copied()).collect())
            }
        };
        let at = OnL1 { block: log.block_number.get(), block_hash: log.block_hash, transaction: log.transaction };
        batches.push(Posted { statement, blobs, data, at, index: event.data.batchIndex });
    }
    Ok(batches)
}

/// Waits until all batches that L1 took back stand there again, and compares them. Whether all do, unchanged.
async fn again(ground: &Ground, before: &[Posted], report: &mut L1ReorgReport) -> Result<bool, DrillError> {
    let world = &ground.world;
    let last = before.last().map_or(0, |batch| batch.statement.lastHeight);
    let stand = ground.until(patience(), async || Ok((ground.posted().await? >= last).then_some(()))).await?;
    let now = posted(world, report.ancestor_block).await?;
    for was in before {
        let is = now.iter().find(|is| is.index == was.index);
        let identical =
            is.is_some_and(|is| is.statement == was.statement && is.blobs == was.blobs && is.data == was.data);
        report.batches.push(ReorgedBatch {
            index: was.index,
            first_l2_block: was.statement.firstHeight,
            last_l2_block: was.statement.lastHeight,
            statement: was.statement.eip712_hash_struct(),
            blobs: was.blobs.clone(),
            data_bytes: was.data.len() as u64,
            data_hash: keccak256(&was.data),
            before: was.at,
            after: is.map(|is| is.at),
            identical,
        });
        report.batches_reposted_identical = report.batches_reposted_identical.saturating_add(u64::from(identical));
    }
    let newest = report.batches.iter().filter_map(|batch| batch.after).map(|after| after.block).max();
    report.l1_blocks_to_repost = newest.filter(|_| stand.is_some()).map(|at| at.saturating_sub(report.head_block));
    world.timeline.tell(match report.l1_blocks_to_repost {
        Some(blocks) => format!("all batches stand on L1 again, {blocks} blocks later"),
        None => format!("{} slots later, L1 has not got all batches again", patience()),
    });
    world.timeline.tell(format!(
        "{} of {} batches are the same, byte for byte",
        report.batches_reposted_identical, report.batches_reorged
    ));
    Ok(stand.is_some() && report.batches_reorged > 0 && report.batches_reposted_identical == report.batches_reorged)
}

/// Afterwards the chain goes on: whether a transaction and both deposits arrive, and a follower has derived it all.
async fn after(
    ground: &Ground,
    user: &PrivateKeySigner,
    on_l1: &Sender,
    report: &mut L1ReorgReport,
) -> Result<bool, DrillError> {
    let world = &ground.world;
    let one = U256::from(1);
    report.later_tx = Some(pay(world, user, PAID_LATER).await?);
    let arrived = ground.until(patience(), async || world.arrival(PAID_LATER)).await?;
    report.later_tx_in_l2_block = arrived.map(|(height, _)| height);
    // The user's program sends again what L1 forgot, before anything else.
    let (deposit, block) = ground.meanwhile(on_l1.force(world, DEPOSITED_LATER)).await?;
    world.timeline.tell(format!("the user deposits once more ({}, L1 block {})", deposit.transaction, block.number));
    let credited = async || {
        let both = world.balance(DEPOSITED)? == one && world.balance(DEPOSITED_LATER)? == one;
        Ok(both.then_some(()))
    };
    let credited = ground.until(patience(), credited).await?.is_some();
    report.deposit_in_l2_block = world.arrival(DEPOSITED)?.map(|(height, _)| height);
    let goal =
        [report.later_tx_in_l2_block, report.deposit_in_l2_block].into_iter().flatten().max().unwrap_or_default();
    let status = world.network.follower().status();
    let derived = async || Ok((status.borrow().safe.last.get() >= goal).then_some(()));
    let derived = ground.until(patience(), derived).await?.is_some();
    let holds = |batch: &Posted| {
        let blocks = batch.statement.firstHeight..=batch.statement.lastHeight;
        report.later_tx_in_l2_block.is_some_and(|height| blocks.contains(&height))
    };
    report.later_batch_at_block =
        posted(world, report.ancestor_block).await?.iter().find(|batch| holds(batch)).map(|batch| batch.at.block);
    world.timeline.tell(format!(
        "a later transaction is in L2 block {:?}, in a batch of L1 block {:?}; the deposit in L2 block {:?}",
        report.later_tx_in_l2_block, report.later_batch_at_block, report.deposit_in_l2_block
    ));
    Ok(credited && derived && report.later_batch_at_block.is_some())
}

/// The final blocks of each seat, and of the follower what it has derived.
fn chains(world: &World) -> Result<Vec<Vec<Option<B256>>>, DrillError> {
    let follower = world.network.follower().backend();
    let nodes = world.network.seats().iter().map(|seat| seat.backend()).chain([follower]);
    let blocks = |node: &dyn surety_rpc::Backend| -> Result<_, DrillError> {
        let heights = 0..=node.tags().latest.number;
        Ok(heights.map(|height| node.store().canonical_hash(height)).collect::<Result<Vec<_>, _>>()?)
    };
    nodes.map(|node| blocks(&*node)).collect()
}

/// Compares L2's blocks on each node with what they were there, and with the first seat's.
fn compare(world: &World, before: &[Vec<Option<B256>>], report: &mut L1ReorgReport) -> Result<(), DrillError> {
    let now = chains(world)?;
    report.l2_nodes = now.len() as u64;
    let longest = before.iter().map(Vec::len).max().unwrap_or_default();
    let first = now.first();
    for height in 0..longest {
        let expected = first.and_then(|chain| chain.get(height));
        let is_other = before.iter().zip(&now).any(|(was, is)| {
            let (was, is) = (was.get(height), is.get(height));
            was.is_some() && (was != is || is != expected)
        });
        report.l2_blocks_compared = report.l2_blocks_compared.saturating_add(1);
        report.l2_blocks_changed = report.l2_blocks_changed.saturating_add(u64::from(is_other));
    }
    report.follower_safe = world.network.follower().status().borrow().safe.last.get();
    world.timeline.tell(format!(
        "L2: {} blocks compared on {} nodes, {} are others now",
        report.l2_blocks_compared, report.l2_nodes, report.l2_blocks_changed
    ));
    Ok(())
}
