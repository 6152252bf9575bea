//! The machine as L1 has it: `RiscV.sol` and `Preimages.sol`, compiled, in an EVM of their own.

use crate::evm::{Evm, EvmError};
use alloy::sol_types::{SolCall as _, SolConstructor as _};
use alloy_primitives::{Address, B256, Bytes};
use surety_contracts::bindings::{Preimages, RiscV};
use surety_dispute::preimages;
use surety_l1::blobs::ElementProof;
use surety_prove::Host;
use surety_vm::Request;

/// What one step is on L1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    /// Hash of the state before it.
    pub before: B256,
    /// Hash of the state after it.
    pub next: B256,
    /// Gas of a transaction that only makes this step.
    pub gas: u64,
}

/// The contracts that judge a step.
#[derive(Debug)]
pub struct Referee {
    pub(crate) evm: Evm,
    pub(crate) riscv: Address,
    preimages: Address,
}

impl Referee {
    /// Deploys them.
    ///
    /// # Errors
    /// See [`EvmError`].
    pub fn new() -> Result<Self, EvmError> {
        let mut evm = Evm::default();
        let preimages = evm.deploy(Preimages::BYTECODE.clone())?;
        let arguments = RiscV::constructorCall { preimages_: preimages }.abi_encode();
        let riscv = evm.deploy_with(&RiscV::BYTECODE, &arguments)?;
        Ok(Self { evm, riscv, preimages })
    }

    /// Makes the step of a witness.
    ///
    /// # Errors
    /// See [`EvmError`].
    pub fn step(&mut self, witness: &[u8]) -> Result<Judged, EvmError> {
        let input = RiscV::stepCall { witness: Bytes::copy_from_slice(witness) }.abi_encode();
        let (answer, gas) = self.evm.call(self.riscv, input.into())?;
        let decoded = RiscV::stepCall::abi_decode_returns(&answer);
        let RiscV::stepReturn { before, next } = decoded.map_err(|error| EvmError::Refused(error.to_string()))?;
        Ok(Judged { before, next, gas })
    }

    /// Loads a part of a value that is known by its keccak256; gives the transaction's gas.
    ///
    /// # Errors
    /// See [`EvmError`].
    pub fn load_keccak(&mut self, value: &[u8], index: u64) -> Result<u64, EvmError> {
        self.preimage(preimages::load_keccak(Bytes::copy_from_slice(value), index))
    }

    /// Loads an element of a blob; gives the transaction's gas.
    ///
    /// # Errors
    /// See [`EvmError`].
    pub fn load_blob_element(&mut self, proof: &ElementProof) -> Result<u64, EvmError> {
        self.preimage(preimages::load_blob_element(proof))
    }

    /// Loads what a step reads; gives the transaction's gas.
    ///
    /// # Errors
    /// See [`EvmError`]; also if the host does not have it.
    pub fn load(&mut self, host: &Host, request: &Request) -> Result<u64, EvmError> {
        let input = preimages::load(host, request).map_err(|error| EvmError::Refused(error.to_string()))?;
        self.preimage(input)
    }

    fn preimage(&mut self, input: Bytes) -> Result<u64, EvmError> {
        Ok(self.evm.send(self.preimages, input)?.1)
    }
}
