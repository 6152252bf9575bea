//! What can be said of a transaction before it is executed: for the pool.

use super::{
    L1Attributes, Refusal,
    env::{L2Tx, SPEC},
};
use alloy_consensus::Transaction as _;
use alloy_eips::{Typed2718, eip2718::Encodable2718, eip7825::MAX_TX_GAS_LIMIT_OSAKA};
use alloy_evm::FromTxWithEncoded;
use alloy_primitives::{Address, Bytes, U256};
use op_revm::L1BlockInfo;
use revm::{context::TxEnv, handler::validation::validate_initial_tx_gas};
use surety_types::{ChainParameters, Transaction};

/// What a transaction may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// The L1 data fee by the attributes given, in wei.
    pub l1_fee: U256,
    /// The most that the sender may lose: value, gas limit × greatest gas price, L1 data fee. In wei.
    pub max_cost: U256,
}

/// Checks what does not depend on the sender's account: type, chain, gas limits, intrinsic gas, fee caps; and says what
/// the transaction may cost. Nonce, balance and code of the sender are the caller's to compare.
///
/// # Errors
/// The reason why no block would take it.
pub fn admit(
    parameters: &ChainParameters,
    attributes: &L1Attributes,
    tx: &Transaction,
    sender: Address,
) -> Result<Admission, Refusal> {
    if !matches!(tx.ty(), 0 | 1 | 2 | 4) {
        return Err(Refusal::Type(tx.ty()));
    }
    if tx.chain_id().is_some_and(|id| id != parameters.rollup.get()) {
        return Err(Refusal::Chain);
    }
    let block = parameters.gas_limit.get();
    if tx.gas_limit() > block.min(MAX_TX_GAS_LIMIT_OSAKA) {
        return Err(Refusal::GasLeft { limit: tx.gas_limit(), left: block.min(MAX_TX_GAS_LIMIT_OSAKA) });
    }
    if tx.max_priority_fee_per_gas().is_some_and(|tip| tip > tx.max_fee_per_gas()) {
        return Err(Refusal::Rule("max priority fee per gas higher than max fee per gas".into()));
    }
    let encoded: Bytes = tx.encoded_2718().into();
    let env: TxEnv = L2Tx::from_encoded_tx(tx, sender, encoded.clone()).0.0.base;
    validate_initial_tx_gas(&env, SPEC.into_eth_spec(), false, false, MAX_TX_GAS_LIMIT_OSAKA)
        .map_err(|invalid| Refusal::from_invalid(&invalid))?;
    let l1_fee = l1_info(parameters, attributes).calculate_tx_l1_cost(&encoded, SPEC);
    let max_cost = U256::from(tx.max_fee_per_gas())
        .saturating_mul(U256::from(tx.gas_limit()))
        .saturating_add(tx.value())
        .saturating_add(l1_fee);
    Ok(Admission { l1_fee, max_cost })
}

fn l1_info(parameters: &ChainParameters, attributes: &L1Attributes) -> L1BlockInfo {
    L1BlockInfo {
        l1_base_fee: attributes.base_fee,
        l1_base_fee_scalar: U256::from(parameters.l1_base_fee_scalar),
        l1_blob_base_fee: Some(attributes.blob_base_fee),
        l1_blob_base_fee_scalar: Some(U256::from(parameters.l1_blob_base_fee_scalar)),
        operator_fee_scalar: Some(U256::ZERO),
        operator_fee_constant: Some(U256::ZERO),
        da_footprint_gas_scalar: Some(parameters.da_footprint_gas_scalar),
        ..L1BlockInfo::default()
    }
}
