//! Which fork's rules hold in which block.

use alloy_eips::{eip7594::MAX_BLOBS_PER_TX_FUSAKA, eip7840::BLOB_BASE_COST, eip7840::BlobParams};
use alloy_evm::{EvmEnv, eth::spec::EthExecutorSpec};
use alloy_genesis::ChainConfig;
use alloy_hardforks::{EthereumHardfork, EthereumHardforks, ForkCondition};
use alloy_primitives::{Address, U256};
use std::collections::BTreeMap;
use surety_types::Header;

/// A `genesis.json` that no schedule can be made of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The merge is announced by total difficulty, which is not tracked here.
    #[error(
        "the configuration has a terminal total difficulty but no mergeNetsplitBlock: add the merge block's number"
    )]
    MergeBlock,
    /// A fork later than those that this engine knows.
    #[error("the configuration schedules {0}, which this engine does not know: remove it or upgrade")]
    UnknownFork(&'static str),
    /// A fork with blobs whose parameters are missing.
    #[error("the blobSchedule has no entry for {0}")]
    BlobParams(&'static str),
}

/// Forks by block number or time, blob parameters by time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkSchedule {
    chain_id: u64,
    forks: BTreeMap<EthereumHardfork, ForkCondition>,
    dao_support: bool,
    blobs: Vec<(u64, BlobParams)>,
    deposit_contract: Option<Address>,
}

const BLOCK_FORKS: [EthereumHardfork; 14] = [
    EthereumHardfork::Frontier,
    EthereumHardfork::Homestead,
    EthereumHardfork::Tangerine,
    EthereumHardfork::SpuriousDragon,
    EthereumHardfork::Byzantium,
    EthereumHardfork::Constantinople,
    EthereumHardfork::Petersburg,
    EthereumHardfork::Istanbul,
    EthereumHardfork::MuirGlacier,
    EthereumHardfork::Berlin,
    EthereumHardfork::London,
    EthereumHardfork::ArrowGlacier,
    EthereumHardfork::GrayGlacier,
    EthereumHardfork::Paris,
];

const TIME_FORKS: [EthereumHardfork; 6] = [
    EthereumHardfork::Shanghai,
    EthereumHardfork::Cancun,
    EthereumHardfork::Prague,
    EthereumHardfork::Osaka,
    EthereumHardfork::Bpo1,
    EthereumHardfork::Bpo2,
];

/// Blob parameters of mainnet for a fork that has its own.
const fn mainnet_blobs(fork: EthereumHardfork) -> Option<BlobParams> {
    match fork {
        EthereumHardfork::Cancun => Some(BlobParams::cancun()),
        EthereumHardfork::Prague => Some(BlobParams::prague()),
        EthereumHardfork::Osaka => Some(BlobParams::osaka()),
        EthereumHardfork::Bpo1 => Some(BlobParams::bpo1()),
        EthereumHardfork::Bpo2 => Some(BlobParams::bpo2()),
        _ => None,
    }
}

impl ForkSchedule {
    /// All forks up to and with `last` from genesis on, with mainnet's blob parameters. `last` may be anything from
    /// Frontier to BPO 2.
    pub fn since_genesis(chain_id: u64, last: EthereumHardfork) -> Self {
        let mut schedule =
            Self { chain_id, forks: BTreeMap::new(), dao_support: false, blobs: Vec::new(), deposit_contract: None };
        for fork in BLOCK_FORKS.into_iter().filter(|f| *f <= last) {
            schedule.set_block(fork, 0);
        }
        for fork in TIME_FORKS.into_iter().filter(|f| *f <= last) {
            schedule.set_time(fork, 0, mainnet_blobs(fork));
        }
        schedule
    }

    /// From the `config` of a `genesis.json` in geth's form.
    ///
    /// # Errors
    /// [`ScheduleError`].
    pub fn from_config(config: &ChainConfig) -> Result<Self, ScheduleError> {
        use EthereumHardfork as F;
        let mut schedule = Self {
            chain_id: config.chain_id,
            forks: BTreeMap::from([(F::Frontier, ForkCondition::Block(0))]),
            dao_support: config.dao_fork_support,
            blobs: Vec::new(),
            deposit_contract: config.deposit_contract_address,
        };
        let merge = match (config.merge_netsplit_block, config.terminal_total_difficulty) {
            (Some(block), _) => Some(block),
            (None, Some(ttd)) if ttd.is_zero() => Some(0),
            (None, Some(_)) => return Err(ScheduleError::MergeBlock),
            (None, None) => None,
        };
        let blocks = [
            (F::Homestead, config.homestead_block),
            (F::Dao, config.dao_fork_block),
            (F::Tangerine, config.eip150_block),
            (F::SpuriousDragon, config.eip158_block.max(config.eip155_block)),
            (F::Byzantium, config.byzantium_block),
            (F::Constantinople, config.constantinople_block),
            (F::Petersburg, config.petersburg_block),
            (F::Istanbul, config.istanbul_block),
            (F::MuirGlacier, config.muir_glacier_block),
            (F::Berlin, config.berlin_block),
            (F::London, config.london_block),
            (F::ArrowGlacier, config.arrow_glacier_block),
            (F::GrayGlacier, config.gray_glacier_block),
            (F::Paris, merge),
        ];
        for (fork, block) in blocks {
            if let Some(block) = block {
                schedule.set_block(fork, block);
            }
        }
        let times = [
            (F::Shanghai, config.shanghai_time, ""),
            (F::Cancun, config.cancun_time, "cancun"),
            (F::Prague, config.prague_time, "prague"),
            (F::Osaka, config.osaka_time, "osaka"),
            (F::Bpo1, config.bpo1_time, "bpo1"),
            (F::Bpo2, config.bpo2_time, "bpo2"),
        ];
        for (fork, time, key) in times {
            let Some(time) = time else { continue };
            let given = config.blob_schedule.get(key).copied();
            let blobs = match mainnet_blobs(fork) {
                None => None,
                Some(_) if given.is_none() && fork >= F::Bpo1 => return Err(ScheduleError::BlobParams(key)),
                Some(default) => Some(given.unwrap_or(default)),
            };
            schedule.set_time(fork, time, blobs);
        }
        let unknown = [
            ("bpo3Time", config.bpo3_time),
            ("bpo4Time", config.bpo4_time),
            ("bpo5Time", config.bpo5_time),
            ("amsterdamTime", config.amsterdam_time),
        ];
        match unknown.into_iter().find(|(_, time)| time.is_some()) {
            Some((name, _)) => Err(ScheduleError::UnknownFork(name)),
            None => Ok(schedule),
        }
    }

    /// Schedules a fork that is counted in blocks. The merge counts too: `block` is the first one after it.
    pub fn set_block(&mut self, fork: EthereumHardfork, block: u64) {
        let condition = if fork == EthereumHardfork::Paris {
            ForkCondition::TTD { activation_block_number: block, fork_block: Some(block), total_difficulty: U256::ZERO }
        } else {
            ForkCondition::Block(block)
        };
        self.forks.insert(fork, condition);
    }

    /// Schedules a fork that is counted in seconds, with its blob parameters if it sets new ones. From Osaka on they
    /// are completed with EIP-7594's blobs per transaction and EIP-7918's base cost.
    pub fn set_time(&mut self, fork: EthereumHardfork, time: u64, blobs: Option<BlobParams>) {
        self.forks.insert(fork, ForkCondition::Timestamp(time));
        if let Some(blobs) = blobs {
            let blobs = if fork >= EthereumHardfork::Osaka {
                blobs.with_max_blobs_per_tx(MAX_BLOBS_PER_TX_FUSAKA).with_blob_base_cost(BLOB_BASE_COST)
            } else {
                blobs
            };
            self.blobs.push((time, blobs));
        }
    }

    /// Names the contract whose events are deposit requests (EIP-6110).
    pub const fn set_deposit_contract(&mut self, address: Address) {
        self.deposit_contract = Some(address);
    }

    /// The contract whose events are deposit requests (EIP-6110), if one is named.
    pub const fn deposit_contract(&self) -> Option<Address> {
        self.deposit_contract
    }

    /// EIP-155 chain id.
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// When a fork begins.
    pub fn condition(&self, fork: EthereumHardfork) -> ForkCondition {
        self.forks.get(&fork).copied().unwrap_or(ForkCondition::Never)
    }

    /// Whether a fork's rules hold in a block with this number and time.
    pub fn is_active(&self, fork: EthereumHardfork, number: u64, timestamp: u64) -> bool {
        self.condition(fork).active_at_timestamp_or_number(timestamp, number)
    }

    /// Blob parameters of a block at this time; `None` before Cancun.
    pub fn blob_params(&self, timestamp: u64) -> Option<BlobParams> {
        self.blobs.iter().rfind(|(time, _)| *time <= timestamp).map(|(_, params)| *params)
    }

    /// The first block of the DAO fork, if the schedule has one and this side of it supports it.
    pub(super) fn dao_block(&self) -> Option<u64> {
        if !self.dao_support {
            return None;
        }
        match self.condition(EthereumHardfork::Dao) {
            ForkCondition::Block(block) => Some(block),
            _ => None,
        }
    }

    /// The EVM's configuration and block environment for a block with this header.
    pub fn evm_env(&self, header: &Header) -> EvmEnv {
        EvmEnv::for_eth_block(header, self, self.chain_id, self.blob_params(header.timestamp))
    }
}

impl EthereumHardforks for ForkSchedule {
    fn ethereum_fork_activation(&self, fork: EthereumHardfork) -> ForkCondition {
        match fork {
            EthereumHardfork::Dao if !self.dao_support => ForkCondition::Never,
            fork => self.condition(fork),
        }
    }
}

impl EthExecutorSpec for ForkSchedule {
    fn deposit_contract_address(&self) -> Option<Address> {
        self.deposit_contract
    }
}
