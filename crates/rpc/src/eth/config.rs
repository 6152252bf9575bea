//! What this node is set up for: `eth_config` (EIP-7910, L1 only) and `eth_capabilities`.

use crate::{
    BlockRef,
    context::Rpc,
    error::RpcError,
    server::{Answer, Methods, Registered, answer},
};
use alloy_eips::{
    eip2124::ForkHash,
    eip7910::{EthConfig, EthForkConfig, SystemContract},
};
use alloy_hardforks::{EthereumHardfork as Fork, ForkCondition};
use alloy_primitives::{B256, Bytes, U64};
use revm::precompile::{PrecompileSpecId, Precompiles};
use serde::Serialize;
use std::collections::BTreeSet;
use surety_stf::execute::{ethereum::ForkSchedule, simulate::ChainKind};
use surety_types::Header;

pub(crate) fn register(methods: &mut Methods) -> Registered {
    methods.light("eth_config", 0, |rpc, _| config(rpc))?;
    methods.light("eth_capabilities", 0, |rpc, _| capabilities(rpc))
}

fn config(rpc: &Rpc) -> Answer {
    let ChainKind::L1(schedule) = rpc.backend.chain() else {
        return Err(RpcError::Refused("eth_config describes Ethereum's forks: this is a rollup".to_owned()));
    };
    let head = rpc.header(rpc.backend.tags().latest)?;
    let genesis = rpc.backend.store().genesis().hash;
    let times: BTreeSet<u64> = Fork::VARIANTS
        .iter()
        .filter_map(|fork| match schedule.condition(*fork) {
            ForkCondition::Timestamp(time) => Some(time),
            _ => None,
        })
        .collect();
    let at = |time: u64| fork_config(schedule, genesis, &head, time);
    let current = times.range(..=head.timestamp).next_back().and_then(|time| at(*time));
    let after = head.timestamp.saturating_add(1);
    let next = times.range(after..).next().and_then(|time| at(*time));
    let last = times.range(after..).next_back().and_then(|time| at(*time));
    let current = current.ok_or_else(|| RpcError::Refused("eth_config begins with Cancun".to_owned()))?;
    answer(&EthConfig { current, next, last })
}

/// The configuration from `time` on; `None` before Cancun.
fn fork_config(schedule: &ForkSchedule, genesis: B256, head: &Header, time: u64) -> Option<EthForkConfig> {
    let blob_schedule = schedule.blob_params(time)?;
    let header = Header { timestamp: time, ..head.clone() };
    let spec = schedule.evm_env(&header).cfg_env.spec;
    let precompiles = Precompiles::new(PrecompileSpecId::from_spec_id(spec));
    let mut system_contracts: Vec<_> = SystemContract::cancun().into();
    if schedule.is_active(Fork::Prague, head.number, time) {
        system_contracts.extend(SystemContract::prague(schedule.deposit_contract()));
    }
    Some(EthForkConfig {
        activation_time: time,
        blob_schedule,
        chain_id: schedule.chain_id(),
        fork_id: Bytes::copy_from_slice(&fork_hash(schedule, genesis, time).0),
        precompiles: precompiles
            .inner()
            .values()
            .map(|precompile| (precompile.id().name().to_owned(), *precompile.address()))
            .collect(),
        system_contracts: system_contracts.into_iter().collect(),
    })
}

/// EIP-6122's checksum of the forks up to `time`: all that are counted in blocks, and those times that have come.
fn fork_hash(schedule: &ForkSchedule, genesis: B256, time: u64) -> ForkHash {
    let (mut blocks, mut times) = (BTreeSet::new(), BTreeSet::new());
    for fork in Fork::VARIANTS {
        match schedule.condition(*fork) {
            ForkCondition::Block(block) | ForkCondition::TTD { fork_block: Some(block), .. } if block > 0 => {
                blocks.insert(block);
            }
            ForkCondition::Timestamp(at) if at > 0 && at <= time => {
                times.insert(at);
            }
            _ => {}
        }
    }
    blocks.into_iter().chain(times).fold(ForkHash::from(genesis), |hash, fork| hash + fork)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    disabled: bool,
    oldest_block: U64,
}

#[derive(Serialize)]
struct Head {
    number: U64,
    hash: B256,
}

#[derive(Serialize)]
struct Capabilities {
    head: Head,
    state: Kept,
    stateproofs: Kept,
    tx: Kept,
    logs: Kept,
    receipts: Kept,
    blocks: Kept,
}

fn capabilities(rpc: &Rpc) -> Answer {
    let BlockRef { number, hash } = rpc.backend.tags().latest;
    let oldest_state = rpc.backend.store().oldest_state().map_err(RpcError::internal)?;
    let from = |block: u64| Kept { disabled: false, oldest_block: U64::from(block) };
    // Blocks, transactions, receipts and logs are never pruned; states are, and with them their proofs.
    answer(&Capabilities {
        head: Head { number: U64::from(number), hash },
        state: from(oldest_state),
        stateproofs: from(oldest_state),
        tx: from(0),
        logs: from(0),
        receipts: from(0),
        blocks: from(0),
    })
}
