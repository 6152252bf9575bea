//! Calls that are tried and forgotten: `eth_call`, `eth_estimateGas`, `eth_createAccessList`.

use super::request::{call, failure, output, refused, simulator};
use crate::{
    context::Rpc,
    error::RpcError,
    history::State,
    params::Args,
    rules,
    server::{Answer, Methods, Registered, answer},
};
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_primitives::{TxKind, U64, U256};
use alloy_rpc_types_eth::TransactionRequest;
use revm_inspectors::access_list::AccessListInspector;
use serde::Serialize;
use std::time::Instant;
use surety_stf::{
    StateReader,
    execute::simulate::{Call, Checks, End, Outcome, Simulator},
};

/// The least gas of any transaction.
const LEAST_GAS: u64 = 21_000;
/// What a callee gets on top when value is sent to it.
const CALL_STIPEND: u64 = 2_300;
/// An estimate may exceed the least gas that works by this share (geth's).
const TOLERANCE: f64 = 0.015;
/// Rounds until an access list must be stable.
const MOST_ROUNDS: usize = 16;

pub(crate) fn register(methods: &mut Methods) -> Registered {
    methods.heavy("eth_call", 4, eth_call)?;
    methods.heavy("eth_estimateGas", 4, estimate_gas)?;
    methods.heavy("eth_createAccessList", 4, create_access_list)
}

fn eth_call(rpc: &Rpc, args: &Args<'_>) -> Answer {
    let request: TransactionRequest = args.required(0)?;
    let (_, mut simulator) = simulator(rpc, args.block(1)?, args.optional(2)?, args.optional(3)?)?;
    let (call, checks) = call(request, None, rpc.config.gas_cap, simulator.block_mut())?;
    answer(&output(simulator.call(&call, checks).map_err(refused)?)?)
}

fn estimate_gas(rpc: &Rpc, args: &Args<'_>) -> Answer {
    let request: TransactionRequest = args.required(0)?;
    let (header, mut simulator) = simulator(rpc, args.block(1)?, args.optional(2)?, args.optional(3)?)?;
    let most = rules::transaction_gas_limit(rpc.backend.chain(), &header).min(rpc.config.gas_cap);
    let wanted = request.gas.filter(|gas| *gas >= LEAST_GAS).unwrap_or(most);
    let (call, checks) = call(request, Some(wanted), most, simulator.block_mut())?;
    let deadline = Instant::now() + rpc.config.call_timeout;
    answer(&U64::from(Estimate { simulator, call, checks, deadline }.run()?))
}

/// The search for the least gas with which a call works.
struct Estimate {
    simulator: Simulator<State>,
    call: Call,
    checks: Checks,
    deadline: Instant,
}

impl Estimate {
    fn try_with(&mut self, gas: u64) -> Result<Outcome, RpcError> {
        if Instant::now() > self.deadline {
            return Err(RpcError::Limit("the estimate takes too long: name a gas limit".to_owned()));
        }
        self.call.gas_limit = gas;
        self.simulator.call(&self.call, self.checks).map_err(refused)
    }

    /// Gas that the sender can pay for.
    fn affordable(&mut self) -> Result<u64, RpcError> {
        if self.call.gas_price == 0 {
            return Ok(u64::MAX);
        }
        let from = self.call.from;
        let account = StateReader::account(self.simulator.state_mut().map_err(refused)?, from);
        let balance = account.map_err(RpcError::internal)?.map_or(U256::ZERO, |account| account.balance);
        let left = balance.checked_sub(self.call.value).ok_or_else(|| {
            RpcError::Refused("insufficient funds for transfer: the value exceeds the balance".to_owned())
        })?;
        let gas = left.checked_div(U256::from(self.call.gas_price)).unwrap_or(U256::MAX);
        Ok(u64::try_from(gas).unwrap_or(u64::MAX))
    }

    /// Whether this is a plain transfer to an account without code.
    fn is_transfer(&mut self) -> Result<bool, RpcError> {
        let TxKind::Call(to) = self.call.to else { return Ok(false) };
        if !self.call.input.is_empty() || !self.call.authorizations.is_empty() || self.call.access_list.is_some() {
            return Ok(false);
        }
        let state = self.simulator.state_mut().map_err(refused)?;
        let account = StateReader::account(state, to).map_err(RpcError::internal)?;
        Ok(account.is_none_or(|account| account.code_hash == alloy_primitives::KECCAK256_EMPTY))
    }

    fn run(mut self) -> Result<u64, RpcError> {
        let mut enough = self.call.gas_limit.min(self.affordable()?);
        if enough >= LEAST_GAS && self.is_transfer()? && self.try_with(LEAST_GAS).is_ok_and(|o| o.success()) {
            return Ok(LEAST_GAS);
        }
        let first = self.try_with(enough)?;
        match first.end {
            End::Success => {}
            End::Halt(revm::context::result::HaltReason::OutOfGas(_)) => {
                return Err(RpcError::Refused(format!("gas required exceeds allowance ({enough})")));
            }
            _ => return output(first).map(|_| enough),
        }
        let mut too_little = first.gas_used.saturating_sub(1);
        // Most calls work with what they used, refunds and the 1/64 that callers keep back included.
        let used = first.gas_used.saturating_add(first.gas_refunded).saturating_add(CALL_STIPEND);
        let likely = used.saturating_mul(64) / 63;
        if likely < enough {
            if self.works(likely)? { enough = likely } else { too_little = likely }
        }
        while too_little.saturating_add(1) < enough {
            if (enough.saturating_sub(too_little)) as f64 / (enough as f64) < TOLERANCE {
                break;
            }
            // Low first: the answer is rarely far from what was used.
            let middle = (too_little.saturating_add(enough) / 2).min(too_little.saturating_mul(2).max(LEAST_GAS));
            if self.works(middle)? { enough = middle } else { too_little = middle }
        }
        Ok(enough)
    }

    fn works(&mut self, gas: u64) -> Result<bool, RpcError> {
        match self.try_with(gas) {
            Ok(outcome) => Ok(outcome.success()),
            // Less than the intrinsic cost.
            Err(RpcError::Refused(_)) => Ok(false),
            Err(other) => Err(other),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AccessListJson {
    access_list: AccessList,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    gas_used: U64,
}

fn create_access_list(rpc: &Rpc, args: &Args<'_>) -> Answer {
    let request: TransactionRequest = args.required(0)?;
    let (_, mut simulator) = simulator(rpc, args.block(1)?, args.optional(2)?, args.optional(3)?)?;
    let (mut call, checks) = call(request, None, rpc.config.gas_cap, simulator.block_mut())?;
    let deadline = Instant::now() + rpc.config.call_timeout;
    let mut list = sorted(call.access_list.take().unwrap_or_default());
    for _ in 0..MOST_ROUNDS {
        if Instant::now() > deadline {
            break;
        }
        call.access_list = Some(list.clone());
        let mut inspector = AccessListInspector::new(list.clone());
        let outcome = simulator.inspect(&call, checks, Some(&mut inspector)).map_err(refused)?;
        let found = sorted(inspector.into_access_list());
        if found == list {
            let error = (!outcome.success()).then(|| failure(&outcome.end));
            return answer(&AccessListJson { access_list: list, error, gas_used: U64::from(outcome.gas_used) });
        }
        list = found;
    }
    Err(RpcError::Limit("the access list does not become stable".to_owned()))
}

/// The list in one order, so that it can be compared and that answers repeat.
fn sorted(list: AccessList) -> AccessList {
    let mut items: Vec<AccessListItem> = list.0;
    items.sort_unstable_by_key(|item| item.address);
    for item in &mut items {
        item.storage_keys.sort_unstable();
        item.storage_keys.dedup();
    }
    AccessList(items)
}
