//! Contracts alone, on an L1 without blocks or servers: deployed, called and sent to within one state.
//!
//! For questions to contracts by the thousand: what one step of the machine is on L1, what a move in a dispute costs.

use alloy_hardforks::EthereumHardfork;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use std::convert::Infallible;
use surety_contracts::describe_revert;
use surety_stf::{
    StateReader,
    execute::{
        PushError,
        ethereum::ForkSchedule,
        simulate::{AccountOverride, Call, ChainKind, Checks, End, Outcome, Simulator},
    },
};
use surety_types::{Account, Header};

/// The most gas of one transaction (EIP-7825).
pub const TRANSACTION_GAS: u64 = 1 << 24;

/// Who sends.
const SENDER: Address = Address::repeat_byte(0x5e);

/// A state with nothing in it.
#[derive(Debug, Clone, Copy)]
struct Nothing;

impl StateReader for Nothing {
    type Error = Infallible;
    fn account(&self, _: Address) -> Result<Option<Account>, Infallible> {
        Ok(None)
    }
    fn storage(&self, _: Address, _: U256) -> Result<U256, Infallible> {
        Ok(U256::ZERO)
    }
    fn code(&self, _: B256) -> Result<Bytes, Infallible> {
        Ok(Bytes::new())
    }
    fn block_hash(&self, _: u64) -> Result<B256, Infallible> {
        Ok(B256::ZERO)
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvmError {
    /// A contract refused.
    #[error("{}", describe_revert(.0))]
    Revert(Bytes),
    /// It ended otherwise, for example without gas.
    #[error("the call ended by {0}")]
    Halt(String),
    /// The call itself was refused.
    #[error("{0}")]
    Refused(String),
}

impl From<PushError<Infallible>> for EvmError {
    fn from(error: PushError<Infallible>) -> Self {
        Self::Refused(error.to_string())
    }
}

/// A state of contracts.
#[derive(Debug)]
pub struct Evm {
    simulator: Simulator<Nothing>,
}

impl Default for Evm {
    fn default() -> Self {
        let schedule = ForkSchedule::since_genesis(1, EthereumHardfork::Osaka);
        let header = Header {
            number: 1,
            timestamp: 1,
            gas_limit: 60_000_000,
            base_fee_per_gas: Some(0),
            excess_blob_gas: Some(0),
            ..Header::default()
        };
        Self { simulator: Simulator::new(&ChainKind::L1(schedule), &header, Nothing) }
    }
}

impl Evm {
    fn run(&mut self, call: Call, commit: bool) -> Result<Outcome, EvmError> {
        let call = Call { gas_limit: TRANSACTION_GAS, ..call };
        let mut outcome = self.simulator.call(&call, Checks::CALL)?;
        match &outcome.end {
            End::Success => {}
            End::Revert => return Err(EvmError::Revert(outcome.output)),
            End::Halt(reason) => return Err(EvmError::Halt(format!("{reason:?}"))),
            End::FailedDeposit => return Err(EvmError::Halt("a failed deposit".into())),
        }
        if commit {
            self.simulator.commit(std::mem::take(&mut outcome.state))?;
        }
        Ok(outcome)
    }

    /// Deploys a contract.
    ///
    /// # Errors
    /// See [`EvmError`].
    pub fn deploy(&mut self, init_code: Bytes) -> Result<Address, EvmError> {
        let outcome = self.run(Call { from: SENDER, to: TxKind::Create, input: init_code, ..Call::default() }, true)?;
        outcome.created.ok_or_else(|| EvmError::Refused("nothing was deployed".into()))
    }

    /// Deploys a contract whose constructor takes arguments.
    ///
    /// # Errors
    /// See [`EvmError`].
    pub fn deploy_with(&mut self, code: &[u8], arguments: &[u8]) -> Result<Address, EvmError> {
        self.deploy([code, arguments].concat().into())
    }

    /// Calls a contract, as a transaction would, and takes nothing up; gives the answer and the transaction's gas.
    ///
    /// # Errors
    /// See [`EvmError`].
    pub fn call(&mut self, to: Address, input: Bytes) -> Result<(Bytes, u64), EvmError> {
        let outcome = self.run(Call { from: SENDER, to: TxKind::Call(to), input, ..Call::default() }, false)?;
        Ok((outcome.output, outcome.gas_used))
    }

    /// Sends to a contract; gives the answer and the transaction's gas.
    ///
    /// # Errors
    /// See [`EvmError`].
    pub fn send(&mut self, to: Address, input: Bytes) -> Result<(Bytes, u64), EvmError> {
        self.send_as(SENDER, U256::ZERO, to, input)
    }

    /// The same from somebody, with wei.
    ///
    /// # Errors
    /// See [`EvmError`].
    pub fn send_as(&mut self, from: Address, value: U256, to: Address, input: Bytes) -> Result<(Bytes, u64), EvmError> {
        let outcome = self.transact(from, value, to, input)?;
        Ok((outcome.output, outcome.gas_used))
    }

    /// The same, and all that came of it.
    ///
    /// # Errors
    /// See [`EvmError`].
    pub fn transact(&mut self, from: Address, value: U256, to: Address, input: Bytes) -> Result<Outcome, EvmError> {
        self.run(Call { from, value, to: TxKind::Call(to), input, ..Call::default() }, true)
    }

    /// The time, in Unix seconds.
    pub fn now(&mut self) -> u64 {
        self.simulator.block_mut().timestamp.saturating_to()
    }

    /// Has an account be as somebody would have it.
    ///
    /// # Errors
    /// See [`EvmError`].
    pub fn put(&mut self, address: Address, account: &AccountOverride) -> Result<(), EvmError> {
        Ok(self.simulator.override_account(address, account)?)
    }

    /// Lets time go by.
    pub fn pass(&mut self, seconds: u64) {
        let block = self.simulator.block_mut();
        block.timestamp = block.timestamp.saturating_add(U256::from(seconds));
    }
}
