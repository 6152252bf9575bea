//! What op-revm is told about the chain: forks, transactions, block environment, receipts.

use crate::execute::recover::authority;
use alloy_consensus::{Eip658Value, TransactionEnvelope};
use alloy_eips::{Typed2718, eip2718::Encodable2718, eip7702::RecoveredAuthorization};
use alloy_evm::{Evm, EvmEnv, FromRecoveredTx, FromTxWithEncoded, IntoTxEnv, eth::receipt_builder::ReceiptBuilderCtx};
use alloy_hardforks::{EthereumHardfork, EthereumHardforks, ForkCondition};
use alloy_op_evm::{
    OpTx,
    block::{OpTxEnv, receipt_builder::OpReceiptBuilder},
};
use alloy_op_hardforks::{OpHardfork, OpHardforks};
use alloy_primitives::{Address, Bytes, U256};
use op_alloy_consensus::OpDepositReceipt;
use op_revm::{OpSpecId, OpTransaction};
use revm::{context::TxEnv, context_interface::either::Either};
use surety_types::{Header, Receipt, RollupId, Transaction};

/// The rules of every L2 block.
pub const SPEC: OpSpecId = OpSpecId::KARST;

/// The fork schedule of L2: everything up to Osaka and Karst from genesis on, nothing later ever.
#[derive(Debug, Clone, Copy, Default)]
pub struct Forks;

impl EthereumHardforks for Forks {
    fn ethereum_fork_activation(&self, fork: EthereumHardfork) -> ForkCondition {
        match fork {
            EthereumHardfork::Paris => {
                ForkCondition::TTD { activation_block_number: 0, fork_block: Some(0), total_difficulty: U256::ZERO }
            }
            EthereumHardfork::Shanghai
            | EthereumHardfork::Cancun
            | EthereumHardfork::Prague
            | EthereumHardfork::Osaka => ForkCondition::ZERO_TIMESTAMP,
            // Without ether in genesis there is no DAO to drain.
            EthereumHardfork::Dao => ForkCondition::Never,
            earlier if earlier < EthereumHardfork::Paris => ForkCondition::ZERO_BLOCK,
            _ => ForkCondition::Never,
        }
    }
}

impl OpHardforks for Forks {
    fn op_fork_activation(&self, fork: OpHardfork) -> ForkCondition {
        match fork {
            OpHardfork::Bedrock => ForkCondition::ZERO_BLOCK,
            earlier if earlier <= OpHardfork::Karst => ForkCondition::ZERO_TIMESTAMP,
            _ => ForkCondition::Never,
        }
    }
}

/// The EVM's configuration and block environment for a block with this header (roots and gas used do not matter).
pub fn evm_env(rollup: RollupId, header: &Header) -> EvmEnv<OpSpecId> {
    alloy_op_evm::evm_env_for_op_block(header, Forks, rollup.get())
}

/// A transaction as op-revm wants it, made from [`Transaction`].
#[derive(Debug, Clone, Default)]
pub struct L2Tx(pub OpTx);

impl From<L2Tx> for OpTransaction<TxEnv> {
    fn from(tx: L2Tx) -> Self {
        tx.0.0
    }
}

impl IntoTxEnv<Self> for L2Tx {
    fn into_tx_env(self) -> Self {
        self
    }
}

impl OpTxEnv for L2Tx {
    fn encoded_bytes(&self) -> Option<&Bytes> {
        self.0.0.enveloped_tx.as_ref()
    }
}

impl FromRecoveredTx<Transaction> for L2Tx {
    fn from_recovered_tx(tx: &Transaction, sender: Address) -> Self {
        // Neither the data fee nor the footprint of a deposit asks for its encoding.
        let encoded = if tx.is_deposit() { Bytes::new() } else { tx.encoded_2718().into() };
        Self::from_encoded_tx(tx, sender, encoded)
    }
}

impl FromTxWithEncoded<Transaction> for L2Tx {
    fn from_encoded_tx(tx: &Transaction, sender: Address, encoded: Bytes) -> Self {
        let mut env = match tx {
            Transaction::Legacy(tx) => OpTx::from_encoded_tx(tx, sender, encoded),
            Transaction::Eip2930(tx) => OpTx::from_encoded_tx(tx, sender, encoded),
            Transaction::Eip1559(tx) => OpTx::from_encoded_tx(tx, sender, encoded),
            Transaction::Eip4844(tx) => OpTx::from_encoded_tx(tx, sender, encoded),
            Transaction::Eip7702(tx) => OpTx::from_encoded_tx(tx, sender, encoded),
            Transaction::Deposit(tx) => OpTx::from_encoded_tx(tx.inner(), sender, encoded),
        };
        // Here, since the EVM would always take `k256`.
        for authorization in &mut env.0.base.authorization_list {
            if let Either::Left(signed) = authorization {
                let recovered = RecoveredAuthorization::new_unchecked(signed.inner().clone(), authority(signed));
                *authorization = Either::Right(recovered);
            }
        }
        Self(env)
    }
}

/// Builds [`Receipt`]s of L2.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Receipts;

impl OpReceiptBuilder for Receipts {
    type Transaction = Transaction;
    type Receipt = Receipt;

    fn build_receipt<'a, E: Evm>(
        &self,
        ctx: ReceiptBuilderCtx<'a, <Transaction as TransactionEnvelope>::TxType, E>,
    ) -> Result<Receipt, ReceiptBuilderCtx<'a, <Transaction as TransactionEnvelope>::TxType, E>> {
        let transaction_type = ctx.tx_type.ty();
        if transaction_type == surety_types::receipt::DEPOSIT_TYPE {
            return Err(ctx);
        }
        Ok(Receipt {
            transaction_type,
            status: Eip658Value::Eip658(ctx.result.is_success()),
            cumulative_gas_used: ctx.cumulative_gas_used,
            logs: ctx.result.into_logs(),
            deposit_nonce: None,
            deposit_receipt_version: None,
        })
    }

    fn build_deposit_receipt(&self, receipt: OpDepositReceipt) -> Receipt {
        Receipt {
            transaction_type: surety_types::receipt::DEPOSIT_TYPE,
            status: receipt.inner.status,
            cumulative_gas_used: receipt.inner.cumulative_gas_used,
            logs: receipt.inner.logs,
            deposit_nonce: receipt.deposit_nonce,
            deposit_receipt_version: receipt.deposit_receipt_version,
        }
    }
}
