//! The dispute as L1 has it: `Dispute.sol` and what it asks, compiled, in an EVM of their own.
//!
//! Claims about batches are whatever is sent in its name: nothing stands for `Claims.sol` but an account for which each claim is open.

use crate::{evm::EvmError, referee::Referee};
use alloy::sol_types::{SolCall, SolConstructor as _};
use alloy_primitives::{Address, B256, Bytes, U256, bytes};
use surety_contracts::{
    Parameters,
    bindings::{Dispute, SequencerRegistry},
};
use surety_stf::execute::simulate::{AccountOverride, Outcome};

/// Where claims come from.
pub const CLAIMS: Address = Address::repeat_byte(0xc1);
/// Answers every call with the number 1.
const YES: Bytes = bytes!("60015f5260205ff3");

/// The contracts, and the time there.
#[derive(Debug)]
pub struct Court {
    /// Who judges steps; what they read is loaded there.
    pub referee: Referee,
    dispute: Address,
    bond: U256,
}

impl Court {
    /// Deploys them for a program that begins with this memory at this address, and a chain.
    ///
    /// # Errors
    /// See [`EvmError`].
    pub fn new(parameters: &Parameters, chain_hash: B256, program_root: B256, entry: u64) -> Result<Self, EvmError> {
        let mut referee = Referee::new()?;
        let evm = &mut referee.evm;
        evm.pass(1_700_000_000);
        evm.put(CLAIMS, &AccountOverride { code: Some(YES), ..AccountOverride::default() })?;
        let registry = SequencerRegistry::constructorCall { p: parameters.into(), slasher_: CLAIMS, inbox_: CLAIMS };
        let registry = evm.deploy_with(&SequencerRegistry::BYTECODE, &registry.abi_encode())?;
        let dispute = Dispute::constructorCall {
            registry,
            claims_: CLAIMS,
            riscv_: referee.riscv,
            parametersHash_: chain_hash,
            programRoot_: program_root,
            entry_: entry,
        };
        let dispute = referee.evm.deploy_with(&Dispute::BYTECODE, &dispute.abi_encode())?;
        Ok(Self { referee, dispute, bond: parameters.claim_bond })
    }

    /// Lets time go by.
    pub fn pass(&mut self, seconds: u64) {
        self.referee.evm.pass(seconds);
    }

    /// Gives somebody a bond, and pays it.
    ///
    /// # Errors
    /// See [`EvmError`].
    pub fn join(&mut self, party: Address) -> Result<u64, EvmError> {
        self.fund(party)?;
        let input = Dispute::joinCall {}.abi_encode().into();
        Ok(self.referee.evm.send_as(party, self.bond, self.dispute, input)?.1)
    }

    /// What only the contract of claims may send (`begin`, `enter`).
    ///
    /// # Errors
    /// See [`EvmError`].
    pub fn claims(&mut self, call: &impl SolCall) -> Result<u64, EvmError> {
        self.send(CLAIMS, call)
    }

    /// Sends to the dispute; gives the transaction's gas.
    ///
    /// # Errors
    /// See [`EvmError`].
    pub fn send(&mut self, from: Address, call: &impl SolCall) -> Result<u64, EvmError> {
        Ok(self.referee.evm.send_as(from, U256::ZERO, self.dispute, call.abi_encode().into())?.1)
    }

    /// Sends any bytes to the dispute, with wei; gives all that came of it.
    ///
    /// # Errors
    /// See [`EvmError`].
    pub fn transact(&mut self, from: Address, value: U256, input: Bytes) -> Result<Outcome, EvmError> {
        self.referee.evm.transact(from, value, self.dispute, input)
    }

    /// Has somebody own the bond of a party.
    ///
    /// # Errors
    /// See [`EvmError`].
    pub fn fund(&mut self, party: Address) -> Result<(), EvmError> {
        let account = AccountOverride { balance: Some(self.bond), ..AccountOverride::default() };
        self.referee.evm.put(party, &account)
    }

    /// The time there, in Unix seconds.
    pub fn now(&mut self) -> u64 {
        self.referee.evm.now()
    }

    /// What a party must pay, in wei.
    pub const fn bond(&self) -> U256 {
        self.bond
    }

    /// Asks the dispute.
    ///
    /// # Errors
    /// See [`EvmError`].
    pub fn ask<C: SolCall>(&mut self, call: &C) -> Result<C::Return, EvmError> {
        let (answer, _) = self.referee.evm.call(self.dispute, call.abi_encode().into())?;
        C::abi_decode_returns(&answer).map_err(|error| EvmError::Refused(error.to_string()))
    }
}
