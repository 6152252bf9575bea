//! What is asked of the chain's rules, on either chain. All rules are `surety-stf`'s.

use alloy_eips::{eip4844::DATA_GAS_PER_BLOB, eip7825::MAX_TX_GAS_LIMIT_OSAKA};
use revm::primitives::hardfork::SpecId;
use surety_stf::execute::{ethereum, op, simulate::ChainKind};
use surety_types::Header;

/// The base fee of the block after `header`; `None` before London.
pub(crate) fn next_base_fee(chain: &ChainKind, header: &Header) -> Option<u64> {
    match chain {
        ChainKind::L1(forks) => {
            ethereum::next_base_fee(forks, header, header.number.saturating_add(1), header.timestamp)
        }
        ChainKind::L2(parameters) => Some(op::next_base_fee(parameters, header)),
    }
}

/// The price of blob gas in the block with this header; `None` before Cancun. L2 has no blobs and the least price.
pub(crate) fn blob_base_fee(chain: &ChainKind, header: &Header) -> Option<u128> {
    match chain {
        ChainKind::L1(forks) => Some(forks.blob_params(header.timestamp)?.calc_blob_fee(header.excess_blob_gas?)),
        ChainKind::L2(_) => Some(1),
    }
}

/// The price of blob gas in the block after `header`.
pub(crate) fn next_blob_base_fee(chain: &ChainKind, header: &Header) -> Option<u128> {
    match chain {
        ChainKind::L1(forks) => {
            let excess = ethereum::next_excess_blob_gas(forks, header, header.timestamp)?;
            Some(forks.blob_params(header.timestamp)?.calc_blob_fee(excess))
        }
        ChainKind::L2(_) => Some(1),
    }
}

/// What `blobGasUsed` of a header is measured against: blob gas on L1, on L2 the gas limit (Jovian's data footprint).
pub(crate) fn blob_gas_limit(chain: &ChainKind, header: &Header) -> u64 {
    match chain {
        ChainKind::L1(forks) => forks
            .blob_params(header.timestamp)
            .map_or(0, |params| params.max_blob_count.saturating_mul(DATA_GAS_PER_BLOB)),
        ChainKind::L2(_) => header.gas_limit,
    }
}

/// The EVM's rules in the block with this header.
pub(crate) fn spec(chain: &ChainKind, header: &Header) -> SpecId {
    match chain {
        ChainKind::L1(forks) => forks.evm_env(header).cfg_env.spec,
        ChainKind::L2(_) => op::SPEC.into_eth_spec(),
    }
}

/// The most gas that one transaction may ask for: the block's, and from Osaka on EIP-7825's.
pub(crate) fn transaction_gas_limit(chain: &ChainKind, header: &Header) -> u64 {
    if spec(chain, header).is_enabled_in(SpecId::OSAKA) {
        header.gas_limit.min(MAX_TX_GAS_LIMIT_OSAKA)
    } else {
        header.gas_limit
    }
}
