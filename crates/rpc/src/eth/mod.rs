//! `eth_*`, by what the methods are about.

pub(crate) mod blocks;
pub(crate) mod config;
pub(crate) mod execute;
pub(crate) mod fees;
pub(crate) mod filters;
pub(crate) mod logs;
pub(crate) mod request;
pub(crate) mod state;
pub(crate) mod subscribe;
pub(crate) mod transactions;

use crate::server::{Methods, Registered, answer};
use alloy_primitives::U64;

pub(crate) fn register(methods: &mut Methods) -> Registered {
    methods.light("eth_chainId", 0, |rpc, _| answer(&U64::from(rpc.backend.chain_id())))?;
    methods.light("eth_blockNumber", 0, |rpc, _| answer(&U64::from(rpc.backend.tags().latest.number)))?;
    methods.light("eth_accounts", 0, |rpc, _| answer(&rpc.config.accounts))?;
    methods.light("eth_syncing", 0, |rpc, _| match rpc.backend.syncing() {
        Some(status) => answer(&status),
        None => answer(&false),
    })?;
    config::register(methods)?;
    blocks::register(methods)?;
    transactions::register(methods)?;
    state::register(methods)?;
    execute::register(methods)?;
    fees::register(methods)?;
    logs::register(methods)?;
    filters::register(methods)?;
    subscribe::register(methods)
}
