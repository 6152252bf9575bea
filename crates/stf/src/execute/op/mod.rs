//! L2 blocks by the OP Stack's rules, spec Karst from genesis on.
//!
//! A block is, in this order: the system transaction, the messages that it consumes, the sequencers' list (types 0, 1, 2
//! and 4). Before them the EVM calls the EIP-2935 contract with the parent's hash and the EIP-4788 contract with the
//! context root.
//!
//! The header, field by field:
//!
//! | field | value |
//! |---|---|
//! | `parentHash`, `number` | of the parent, and one more |
//! | `ommersHash`, `difficulty`, `nonce` | of no ommers, 0, 0 |
//! | `beneficiary`, `timestamp`, `parentBeaconBlockRoot` | [`HeaderParts`]: fee address, whole seconds, context root |
//! | `gasLimit`, `extraData` | constants of the chain |
//! | `baseFeePerGas` | [`next_base_fee`] |
//! | `mixHash` | `prevRandao` of the last `L1Info` consumed; the parent's if the block consumes none |
//! | `stateRoot`, `withdrawalsRoot` | of the state and of `L2ToL1MessagePasser`'s storage, after the block |
//! | `transactionsRoot`, `receiptsRoot`, `logsBloom`, `gasUsed` | as on L1; receipts of deposits with nonce and version 1 |
//! | `blobGasUsed`, `excessBlobGas` | data footprint of the sequencers' list (OP's Jovian), 0 |
//! | `requestsHash` | of no requests |
//!
//! **Messages cannot fail a block.** [`BlockExecutor::new`] takes messages whose gas limits, with the system
//! transaction's, fit the block ([`message_gas_room`]) and that follow the consumed position; derivation gives no
//! others. Whatever they do, each leaves a receipt: one that fails keeps its mint and its sender's next nonce (OP's
//! rule for deposits), and the only errors left are those of the reader.

mod admit;
mod attributes;
mod env;
mod error;
mod executor;
mod seal;

pub use crate::execute::{PushError, PushOutcome, Refusal, When};
pub use admit::{Admission, admit};
pub use attributes::{L1Attributes, SYSTEM_TRANSACTION_GAS, system_transaction};
pub use env::{Forks, L2Tx, SPEC, evm_env};
pub use error::ExecuteError;
pub use executor::{BlockExecutor, ExecutedPayload, HeaderParts, execute_payload, message_gas_room};
pub use seal::{genesis_block, next_base_fee, seal};
