//! Transactions of both chains: Ethereum's types 0 to 4 and the OP Stack's deposit (0x7E).
//!
//! One envelope serves L1 and L2, so that the database and the RPC server need only one. What a chain admits is decided
//! where blocks are executed: an L2 block holds no blob transaction (type 3), and deposits arise there from the inbox
//! and the system rule alone; L1 holds no deposits.

use alloy_consensus::{
    EthereumTxEnvelope, Sealed, Signed, TransactionEnvelope, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy,
    crypto::RecoveryError,
    transaction::{SignerRecoverable, TxHashRef},
};
use alloy_primitives::{Address, B256, TxHash};
use op_alloy_consensus::{OpTxEnvelope, TxDeposit};

pub use alloy_consensus::transaction::Recovered;

/// A signed transaction or a deposit, with its hash.
///
/// Encoding is EIP-2718's. Blob transactions appear in the form that blocks hold (without sidecar).
#[derive(Debug, Clone, TransactionEnvelope)]
#[envelope(tx_type_name = TransactionType, serde_cfg(feature = "serde"))]
pub enum Transaction {
    /// Type 0, EIP-155 or older.
    #[envelope(ty = 0)]
    Legacy(Signed<TxLegacy>),
    /// Type 1, EIP-2930.
    #[envelope(ty = 1)]
    Eip2930(Signed<TxEip2930>),
    /// Type 2, EIP-1559.
    #[envelope(ty = 2)]
    Eip1559(Signed<TxEip1559>),
    /// Type 3, EIP-4844.
    #[envelope(ty = 3)]
    Eip4844(Signed<TxEip4844>),
    /// Type 4, EIP-7702.
    #[envelope(ty = 4)]
    Eip7702(Signed<TxEip7702>),
    /// Type 0x7E, of the OP Stack: made by the protocol, not signed.
    #[envelope(ty = 126)]
    #[serde(serialize_with = "op_alloy_consensus::serde_deposit_tx_rpc")]
    Deposit(Sealed<TxDeposit>),
}

impl Transaction {
    /// The hash of the EIP-2718 encoding.
    pub fn hash(&self) -> &TxHash {
        match self {
            Self::Legacy(tx) => tx.hash(),
            Self::Eip2930(tx) => tx.hash(),
            Self::Eip1559(tx) => tx.hash(),
            Self::Eip4844(tx) => tx.hash(),
            Self::Eip7702(tx) => tx.hash(),
            Self::Deposit(tx) => tx.hash_ref(),
        }
    }

    /// The deposit, if this is one.
    pub const fn as_deposit(&self) -> Option<&Sealed<TxDeposit>> {
        match self {
            Self::Deposit(tx) => Some(tx),
            _ => None,
        }
    }

    /// Whether this is a deposit (type 0x7E).
    pub const fn is_deposit(&self) -> bool {
        matches!(self, Self::Deposit(_))
    }
}

impl TxHashRef for Transaction {
    fn tx_hash(&self) -> &B256 {
        self.hash()
    }
}

impl SignerRecoverable for Transaction {
    fn recover_signer(&self) -> Result<Address, RecoveryError> {
        match self {
            Self::Legacy(tx) => SignerRecoverable::recover_signer(tx),
            Self::Eip2930(tx) => SignerRecoverable::recover_signer(tx),
            Self::Eip1559(tx) => SignerRecoverable::recover_signer(tx),
            Self::Eip4844(tx) => SignerRecoverable::recover_signer(tx),
            Self::Eip7702(tx) => SignerRecoverable::recover_signer(tx),
            Self::Deposit(tx) => Ok(tx.from),
        }
    }

    fn recover_signer_unchecked(&self) -> Result<Address, RecoveryError> {
        match self {
            Self::Legacy(tx) => SignerRecoverable::recover_signer_unchecked(tx),
            Self::Eip2930(tx) => SignerRecoverable::recover_signer_unchecked(tx),
            Self::Eip1559(tx) => SignerRecoverable::recover_signer_unchecked(tx),
            Self::Eip4844(tx) => SignerRecoverable::recover_signer_unchecked(tx),
            Self::Eip7702(tx) => SignerRecoverable::recover_signer_unchecked(tx),
            Self::Deposit(tx) => Ok(tx.from),
        }
    }
}

/// A transaction type that the chain at hand does not admit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("transaction type {0:#04x} does not exist on this chain")]
pub struct UnsupportedType(pub u8);

impl From<TxDeposit> for Transaction {
    fn from(tx: TxDeposit) -> Self {
        use alloy_consensus::Sealable;
        Self::Deposit(tx.seal_slow())
    }
}

impl From<EthereumTxEnvelope<TxEip4844>> for Transaction {
    fn from(tx: EthereumTxEnvelope<TxEip4844>) -> Self {
        match tx {
            EthereumTxEnvelope::Legacy(tx) => Self::Legacy(tx),
            EthereumTxEnvelope::Eip2930(tx) => Self::Eip2930(tx),
            EthereumTxEnvelope::Eip1559(tx) => Self::Eip1559(tx),
            EthereumTxEnvelope::Eip4844(tx) => Self::Eip4844(tx),
            EthereumTxEnvelope::Eip7702(tx) => Self::Eip7702(tx),
        }
    }
}

impl TryFrom<Transaction> for EthereumTxEnvelope<TxEip4844> {
    type Error = UnsupportedType;

    fn try_from(tx: Transaction) -> Result<Self, UnsupportedType> {
        match tx {
            Transaction::Legacy(tx) => Ok(Self::Legacy(tx)),
            Transaction::Eip2930(tx) => Ok(Self::Eip2930(tx)),
            Transaction::Eip1559(tx) => Ok(Self::Eip1559(tx)),
            Transaction::Eip4844(tx) => Ok(Self::Eip4844(tx)),
            Transaction::Eip7702(tx) => Ok(Self::Eip7702(tx)),
            Transaction::Deposit(_) => Err(UnsupportedType(0x7e)),
        }
    }
}

impl TryFrom<Transaction> for OpTxEnvelope {
    type Error = UnsupportedType;

    fn try_from(tx: Transaction) -> Result<Self, UnsupportedType> {
        match tx {
            Transaction::Legacy(tx) => Ok(Self::Legacy(tx)),
            Transaction::Eip2930(tx) => Ok(Self::Eip2930(tx)),
            Transaction::Eip1559(tx) => Ok(Self::Eip1559(tx)),
            Transaction::Eip7702(tx) => Ok(Self::Eip7702(tx)),
            Transaction::Deposit(tx) => Ok(Self::Deposit(tx)),
            Transaction::Eip4844(_) => Err(UnsupportedType(3)),
        }
    }
}
