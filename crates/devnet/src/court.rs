//! The dispute as L1 has it: `Dispute.sol` and what it asks, compiled, in an EVM of their own.
//!
//! Claims about batches are whatever is sent in its name: nothing stands for `Claims.sol` but an account for which each claim is open.

use crate::evm::{Evm, EvmError};
use alloy::sol_types::{SolCall, SolConstructor as _};
use alloy_primitives::{Address, B256, Bytes, U256, bytes};
use surety_contracts::{
    Parameters,
    bindings::{Dispute, Preimages, RiscV, SequencerRegistry},
};
use surety_l1::blobs::ElementProof;
use surety_stf::execute::simulate::AccountOverride;

/// Where claims come from.
const CLAIMS: Address = Address::repeat_byte(0xc1);
/// Answers every call with the number 1.
const YES: Bytes = bytes!("60015f5260205ff3");

/// The contracts, and the time there.
#[derive(Debug)]
pub struct Court {
    evm: Evm,
    dispute: Address,
    preimages: Address,
    bond: U256,
}

impl Court {
    /// Deploys them for a program that begins with this memory at this address, and a chain.
    ///
    /// # Errors
    /// See [`EvmError`].
    pub fn new(parameters: &Parameters, chain_hash: B256, program_root: B256, entry: u64) -> Result<Self, EvmError> {
        let mut evm = Evm::default();
        evm.pass(1_700_000_000);
        evm.put(CLAIMS, &AccountOverride { code: Some(YES), ..AccountOverride::default() })?;
        let preimages = evm.deploy(Preimages::BYTECODE.clone())?;
        let mut deploy = |code: &Bytes, arguments: Vec<u8>| evm.deploy([&code[..], &arguments].concat().into());
        let riscv = deploy(&RiscV::BYTECODE, RiscV::constructorCall { preimages_: preimages }.abi_encode())?;
        let registry = SequencerRegistry::constructorCall { p: parameters.into(), slasher_: CLAIMS, inbox_: CLAIMS };
        let registry = deploy(&SequencerRegistry::BYTECODE, registry.abi_encode())?;
        let dispute = Dispute::constructorCall {
            registry,
            claims_: CLAIMS,
            riscv_: riscv,
            parametersHash_: chain_hash,
            programRoot_: program_root,
            entry_: entry,
        };
        let dispute = deploy(&Dispute::BYTECODE, dispute.abi_encode())?;
        Ok(Self { evm, dispute, preimages, bond: parameters.claim_bond })
    }

    /// Lets time go by.
    pub fn pass(&mut self, seconds: u64) {
        self.evm.pass(seconds);
    }

    /// Gives somebody a bond, and pays it.
    ///
    /// # Errors
    /// See [`EvmError`].
    pub fn join(&mut self, party: Address) -> Result<u64, EvmError> {
        self.evm.put(party, &AccountOverride { balance: Some(self.bond), ..AccountOverride::default() })?;
        let input = Dispute::joinCall {}.abi_encode().into();
        Ok(self.evm.send_as(party, self.bond, self.dispute, input)?.1)
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
        Ok(self.evm.send_as(from, U256::ZERO, self.dispute, call.abi_encode().into())?.1)
    }

    /// Asks the dispute.
    ///
    /// # Errors
    /// See [`EvmError`].
    pub fn ask<C: SolCall>(&mut self, call: &C) -> Result<C::Return, EvmError> {
        let (answer, _) = self.evm.call(self.dispute, call.abi_encode().into())?;
        C::abi_decode_returns(&answer).map_err(|error| EvmError::Refused(error.to_string()))
    }

    /// Loads a part of a value that is known by its keccak256; gives the transaction's gas.
    ///
    /// # Errors
    /// See [`EvmError`].
    pub fn load_keccak(&mut self, value: &[u8], index: u64) -> Result<u64, EvmError> {
        load_keccak(&mut self.evm, self.preimages, value, index)
    }

    /// Loads an element of a blob; gives the transaction's gas.
    ///
    /// # Errors
    /// See [`EvmError`].
    pub fn load_blob_element(&mut self, proof: &ElementProof) -> Result<u64, EvmError> {
        load_blob_element(&mut self.evm, self.preimages, proof)
    }
}

/// Loads a part by keccak256 into a contract of pre-images.
pub(crate) fn load_keccak(evm: &mut Evm, preimages: Address, value: &[u8], index: u64) -> Result<u64, EvmError> {
    let rest = Bytes::copy_from_slice(value);
    let input = Preimages::loadKeccakCall { pointers: vec![], rest, indices: vec![index] }.abi_encode();
    Ok(evm.send(preimages, input.into())?.1)
}

/// Loads an element of a blob into a contract of pre-images.
pub(crate) fn load_blob_element(evm: &mut Evm, preimages: Address, proof: &ElementProof) -> Result<u64, EvmError> {
    let input = Preimages::loadBlobElementCall {
        versionedHash: proof.versioned_hash,
        index: proof.index,
        element: proof.element,
        commitment: Bytes::copy_from_slice(&proof.commitment),
        proof: Bytes::copy_from_slice(&proof.proof),
    };
    Ok(evm.send(preimages, input.abi_encode().into())?.1)
}
