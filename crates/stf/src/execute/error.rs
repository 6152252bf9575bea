//! Why a block or a transaction was not executed, and what the caller can do.

use super::overlay::ReaderError;
use alloc::{
    boxed::Box,
    string::{String, ToString},
};
use alloy_evm::block::{BlockExecutionError, BlockValidationError, InternalBlockExecutionError};
use alloy_op_evm::{OpTxError, block::OpBlockExecutionError};
use alloy_primitives::U256;
use revm::context::result::{EVMError, InvalidTransaction};

/// Why a block under construction did not take a transaction. The block is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum PushError<E: core::error::Error> {
    /// The transaction does not go into this block.
    #[error(transparent)]
    Refused(Refusal),
    /// The state could not be read: give up this block and retry.
    #[error("the state could not be read: {0}")]
    Reader(E),
    /// The engine failed for a reason that is not the transaction's; treat it like [`PushError::Reader`].
    #[error("the engine failed: {0}")]
    Engine(String),
}

/// When a refused transaction may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Never: drop it.
    Never,
    /// When the state or the fees have changed: keep it.
    Later,
    /// In the next block, which has room: keep it and go on with smaller ones.
    NextBlock,
}

/// Why a transaction does not go into a block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its type is not one that blocks of this chain may list (L2: 0, 1, 2 and 4; L1: those of the block's fork).
    #[error("transaction type {0:#04x} may not stand in blocks of this chain")]
    Type(u8),
    /// Its signature is not valid.
    #[error("the signature is not valid")]
    Signature,
    /// It is for another chain.
    #[error("the transaction is signed for another chain id")]
    Chain,
    /// Its nonce was used.
    #[error("nonce too low: the transaction has {nonce}, the account is at {next}")]
    NonceTooLow {
        /// The transaction's.
        nonce: u64,
        /// The account's.
        next: u64,
    },
    /// Transactions before it are missing.
    #[error("nonce too high: the transaction has {nonce}, the account is at {next}")]
    NonceTooHigh {
        /// The transaction's.
        nonce: u64,
        /// The account's.
        next: u64,
    },
    /// It does not pay the base fee.
    #[error("max fee per gas is less than the block's base fee")]
    FeeTooLow,
    /// The sender cannot pay for it: value, gas limit × fee, L1 data fee.
    #[error("insufficient funds: the transaction may cost {cost} wei, the sender has {balance}")]
    Funds {
        /// What it may cost; part of it if the L1 data fee alone is too much.
        cost: U256,
        /// What the sender has.
        balance: U256,
    },
    /// Its gas limit exceeds what the block has left.
    #[error("gas limit {limit} exceeds the {left} gas left in the block")]
    GasLeft {
        /// The transaction's gas limit.
        limit: u64,
        /// What is left.
        left: u64,
    },
    /// Its data footprint exceeds what the block has left (OP's Jovian rule).
    #[error("data footprint {footprint} exceeds the {left} left in the block")]
    DataLeft {
        /// The transaction's.
        footprint: u64,
        /// What is left.
        left: u64,
        /// What an empty block has.
        block: u64,
    },
    /// It has more blobs than the block has room for (L1).
    #[error("{blob_gas} blob gas exceeds the {left} left in the block")]
    BlobsLeft {
        /// The transaction's blob gas.
        blob_gas: u64,
        /// What is left.
        left: u64,
        /// What an empty block has.
        block: u64,
    },
    /// It does not pay the blob base fee (L1).
    #[error("max fee per blob gas is less than the block's blob base fee")]
    BlobFeeTooLow,
    /// The sender has code that is no delegation (EIP-3607).
    #[error("the sender is a contract")]
    SenderIsContract,
    /// The chain's blocks may cost more than a dispute can hold ([`crate::meter`]): they are their messages alone.
    #[error("a block of {gas_limit} gas may cost more steps than a dispute holds: the chain takes messages alone")]
    StepMeter {
        /// The chain's gas limit.
        gas_limit: u64,
    },
    /// Any other rule that it breaks for ever.
    #[error("{0}")]
    Rule(String),
}

impl Refusal {
    /// When it may be tried again.
    pub const fn when(&self) -> When {
        match self {
            Self::NonceTooHigh { .. } | Self::FeeTooLow | Self::BlobFeeTooLow | Self::Funds { .. } => When::Later,
            Self::GasLeft { .. } => When::NextBlock,
            Self::DataLeft { footprint, block, .. } if *footprint <= *block => When::NextBlock,
            Self::BlobsLeft { blob_gas, block, .. } if *blob_gas <= *block => When::NextBlock,
            _ => When::Never,
        }
    }

    /// From revm's verdict.
    pub(crate) fn from_invalid(invalid: &InvalidTransaction) -> Self {
        match invalid {
            InvalidTransaction::NonceTooLow { tx, state } => Self::NonceTooLow { nonce: *tx, next: *state },
            InvalidTransaction::NonceTooHigh { tx, state } => Self::NonceTooHigh { nonce: *tx, next: *state },
            InvalidTransaction::GasPriceLessThanBasefee => Self::FeeTooLow,
            InvalidTransaction::BlobGasPriceGreaterThanMax { .. } => Self::BlobFeeTooLow,
            InvalidTransaction::LackOfFundForMaxFee { fee, balance } => Self::Funds { cost: **fee, balance: **balance },
            InvalidTransaction::RejectCallerWithCode => Self::SenderIsContract,
            InvalidTransaction::InvalidChainId | InvalidTransaction::MissingChainId => Self::Chain,
            other => Self::Rule(other.to_string()),
        }
    }
}

type DbError<E> = ReaderError<E>;
type OpEvmError<E> = EVMError<DbError<E>, OpTxError>;

/// What alloy's block executors report, sorted: the transaction's fault, or the machine's.
pub(crate) fn sort<E>(error: BlockExecutionError, block_gas_limit: u64) -> PushError<E>
where
    E: core::error::Error + Send + Sync + 'static,
{
    match error {
        BlockExecutionError::Validation(error) => PushError::Refused(refusal(error, block_gas_limit)),
        BlockExecutionError::Internal(InternalBlockExecutionError::EVM { error, .. }) => machine(error),
        BlockExecutionError::Internal(InternalBlockExecutionError::Other(error)) => machine(error),
    }
}

fn refusal(error: BlockValidationError, block_gas_limit: u64) -> Refusal {
    match error {
        BlockValidationError::InvalidTx { error, .. } => match error.as_invalid_tx_err() {
            Some(invalid) => Refusal::from_invalid(invalid),
            None => Refusal::Rule(error.to_string()),
        },
        BlockValidationError::TransactionGasLimitMoreThanAvailableBlockGas {
            transaction_gas_limit,
            block_available_gas,
        } if transaction_gas_limit <= block_gas_limit => {
            Refusal::GasLeft { limit: transaction_gas_limit, left: block_available_gas }
        }
        BlockValidationError::Other(error) => match error.downcast_ref() {
            Some(OpBlockExecutionError::TransactionDaFootprintAboveGasLimit {
                transaction_da_footprint,
                available_block_da_footprint,
            }) => Refusal::DataLeft {
                footprint: *transaction_da_footprint,
                left: *available_block_da_footprint,
                block: block_gas_limit,
            },
            _ => Refusal::Rule(error.to_string()),
        },
        other => Refusal::Rule(other.to_string()),
    }
}

fn machine<E>(error: Box<dyn core::error::Error + Send + Sync>) -> PushError<E>
where
    E: core::error::Error + Send + Sync + 'static,
{
    let error = match error.downcast::<OpEvmError<E>>() {
        Ok(evm) => match *evm {
            EVMError::Database(ReaderError(e)) => return PushError::Reader(e),
            other => return PushError::Engine(other.to_string()),
        },
        Err(error) => error,
    };
    let error = match error.downcast::<EVMError<DbError<E>>>() {
        Ok(evm) => match *evm {
            EVMError::Database(ReaderError(e)) => return PushError::Reader(e),
            other => return PushError::Engine(other.to_string()),
        },
        Err(error) => error,
    };
    match error.downcast::<DbError<E>>() {
        Ok(e) => PushError::Reader(e.0),
        Err(error) => PushError::Engine(error.to_string()),
    }
}
