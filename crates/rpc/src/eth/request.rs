//! What callers want tried: a call, overrides of accounts, overrides of the block.

use crate::{context::Rpc, error::RpcError, history::State, rules};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Bytes, TxKind, U256};
use alloy_rpc_types_eth::{BlockOverrides, TransactionRequest, state::StateOverride};
use revm::context::{BlockEnv, result::HaltReason};
use std::time::{SystemTime, UNIX_EPOCH};
use surety_stf::execute::{
    PushError, Refusal,
    simulate::{AccountOverride, Call, ChainKind, Checks, End, Outcome, Simulator},
};
use surety_types::Header;

/// Accounts and slots that one request may override.
const MOST_OVERRIDES: usize = 4096;

/// A simulator with everything that a request wants changed.
pub(crate) fn simulator(
    rpc: &Rpc,
    block: BlockId,
    accounts: Option<StateOverride>,
    overrides: Option<BlockOverrides>,
) -> Result<(Header, Simulator<State>), RpcError> {
    let (reference, state) = rpc.state(block)?;
    let mut header = rpc.header(reference)?;
    if block == BlockId::Number(BlockNumberOrTag::Pending) {
        header = next(rpc, header);
    }
    let mut simulator = Simulator::new(rpc.backend.chain(), &header, state);
    if let Some(overrides) = overrides {
        override_block(simulator.block_mut(), &header, &overrides)?;
    }
    override_accounts(&mut simulator, accounts.unwrap_or_default())?;
    Ok((header, simulator))
}

/// What the next block's header will say where calls can see it.
fn next(rpc: &Rpc, head: Header) -> Header {
    let chain = rpc.backend.chain();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let timestamp = match chain {
        ChainKind::L1(_) => now.max(head.timestamp.saturating_add(1)),
        ChainKind::L2(_) => now.max(head.timestamp),
    };
    Header {
        number: head.number.saturating_add(1),
        timestamp,
        base_fee_per_gas: rules::next_base_fee(chain, &head),
        ..head
    }
}

fn override_block(block: &mut BlockEnv, header: &Header, with: &BlockOverrides) -> Result<(), RpcError> {
    if with.block_hash.as_ref().is_some_and(|hashes| !hashes.is_empty()) {
        return Err(RpcError::InvalidParams("overriding block hashes is not supported".to_owned()));
    }
    block.number = with.number.unwrap_or(block.number);
    block.difficulty = with.difficulty.unwrap_or(block.difficulty);
    block.timestamp = with.time.map_or(block.timestamp, U256::from);
    block.gas_limit = with.gas_limit.unwrap_or(block.gas_limit);
    block.beneficiary = with.coinbase.unwrap_or(block.beneficiary);
    block.prevrandao = with.random.or(block.prevrandao);
    if let Some(base_fee) = with.base_fee {
        block.basefee = u64::try_from(base_fee)
            .map_err(|_| RpcError::InvalidParams("the base fee is beyond 64 bits".to_owned()))?;
    }
    if let Some(price) = with.blob_base_fee {
        let price = u128::try_from(price)
            .map_err(|_| RpcError::InvalidParams("the blob base fee is beyond 128 bits".to_owned()))?;
        let excess = header.excess_blob_gas.unwrap_or_default();
        block.blob_excess_gas_and_price = Some(revm::context_interface::block::BlobExcessGasAndPrice {
            excess_blob_gas: excess,
            blob_gasprice: price,
        });
    }
    Ok(())
}

fn override_accounts(simulator: &mut Simulator<State>, accounts: StateOverride) -> Result<(), RpcError> {
    let size = accounts.values().map(|account| {
        1_usize
            .saturating_add(account.state.as_ref().map_or(0, |slots| slots.len()))
            .saturating_add(account.state_diff.as_ref().map_or(0, |slots| slots.len()))
    });
    if size.sum::<usize>() > MOST_OVERRIDES {
        return Err(RpcError::Limit(format!("too many overrides (max {MOST_OVERRIDES} accounts and slots)")));
    }
    for (address, account) in accounts {
        if account.move_precompile_to.is_some() {
            return Err(RpcError::InvalidParams("moving precompiles is not supported".to_owned()));
        }
        if account.state.is_some() && account.state_diff.is_some() {
            return Err(RpcError::Refused(format!("account {address} has both 'state' and 'stateDiff'")));
        }
        let slots = |slots: alloy_primitives::map::B256HashMap<alloy_primitives::B256>| {
            slots.into_iter().map(|(slot, value)| (slot.into(), value.into())).collect()
        };
        let with = AccountOverride {
            balance: account.balance,
            nonce: account.nonce,
            code: account.code,
            state: account.state.map(slots),
            state_diff: account.state_diff.map(slots).unwrap_or_default(),
        };
        simulator.override_account(address, &with).map_err(refused)?;
    }
    Ok(())
}

/// A request as a call with at most `gas_cap` gas, and the rules that it must keep: who names a fee must be able to pay.
///
/// Without a fee, `block`'s base fee becomes zero, so that contracts see a consistent free call.
pub(crate) fn call(
    request: TransactionRequest,
    gas: Option<u64>,
    gas_cap: u64,
    block: &mut BlockEnv,
) -> Result<(Call, Checks), RpcError> {
    let dynamic = request.max_fee_per_gas.is_some() || request.max_priority_fee_per_gas.is_some();
    if dynamic && request.gas_price.is_some() {
        return Err(RpcError::Refused("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified".to_owned()));
    }
    let tip = request.max_priority_fee_per_gas.unwrap_or_default();
    let price = match request.gas_price.or(request.max_fee_per_gas) {
        Some(price) => price,
        None if tip > 0 => tip.saturating_add(block.basefee.into()),
        None => 0,
    };
    if dynamic && tip > price {
        return Err(RpcError::Refused(format!(
            "max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas: {tip}, maxFeePerGas: {price}"
        )));
    }
    let charged = price > 0;
    if !charged {
        block.basefee = 0;
    }
    let input = request
        .input
        .try_into_unique_input()
        .map_err(|_| RpcError::Refused("both \"data\" and \"input\" are set and not equal".to_owned()))?;
    let blob_hashes = request.blob_versioned_hashes.unwrap_or_default();
    let to = request.to.unwrap_or(TxKind::Create);
    if to.is_create() && (!blob_hashes.is_empty() || request.authorization_list.is_some()) {
        return Err(RpcError::Refused(
            "a transaction with blobs or authorizations cannot create: name `to`".to_owned(),
        ));
    }
    let blob_price = block.blob_excess_gas_and_price.map_or(0, |blob| blob.blob_gasprice);
    let call = Call {
        from: request.from.unwrap_or_default(),
        to,
        gas_limit: gas.or(request.gas).unwrap_or(gas_cap).min(gas_cap),
        gas_price: price,
        priority_fee: dynamic.then_some(tip),
        value: request.value.unwrap_or_default(),
        input: input.unwrap_or_default(),
        nonce: request.nonce,
        access_list: request.access_list,
        authorizations: request.authorization_list.unwrap_or_default(),
        blob_hashes,
        max_fee_per_blob_gas: request.max_fee_per_blob_gas.unwrap_or(blob_price),
    };
    Ok((call, Checks { fees: charged, ..Checks::CALL }))
}

/// A call that was not even begun, in the words that wallets look for.
pub(crate) fn refused<E: core::error::Error>(error: PushError<E>) -> RpcError {
    match error {
        PushError::Refused(refusal @ Refusal::Funds { .. }) => {
            RpcError::Refused(format!("insufficient funds for gas * price + value: {refusal}"))
        }
        PushError::Refused(refusal) => RpcError::Refused(refusal.to_string()),
        other => RpcError::internal(other),
    }
}

/// The output of a call, or why it failed.
pub(crate) fn output(outcome: Outcome) -> Result<Bytes, RpcError> {
    match outcome.end {
        End::Success => Ok(outcome.output),
        End::Revert => Err(RpcError::Reverted(outcome.output)),
        end => Err(RpcError::Refused(failure(&end))),
    }
}

/// How a call failed, in geth's words.
pub(crate) fn failure(end: &End) -> String {
    let text = match end {
        End::Success => "",
        End::Revert => "execution reverted",
        End::FailedDeposit => "failed deposit transaction",
        End::Halt(reason) => match reason {
            HaltReason::OutOfGas(_) => "out of gas",
            HaltReason::OpcodeNotFound => "invalid opcode",
            HaltReason::InvalidFEOpcode => "invalid opcode: INVALID",
            HaltReason::InvalidJump => "invalid jump destination",
            HaltReason::StackUnderflow => "stack underflow",
            HaltReason::StackOverflow => "stack limit reached 1024",
            HaltReason::CallTooDeep => "max call depth exceeded",
            HaltReason::CreateCollision => "contract address collision",
            HaltReason::CreateContractSizeLimit => "max code size exceeded",
            HaltReason::CreateInitCodeSizeLimit => "max initcode size exceeded",
            HaltReason::StateChangeDuringStaticCall | HaltReason::CallNotAllowedInsideStatic => "write protection",
            HaltReason::OutOfOffset => "return data out of bounds",
            HaltReason::NonceOverflow => "nonce uint64 overflow",
            other => return format!("{other:?}"),
        },
    };
    text.to_owned()
}
