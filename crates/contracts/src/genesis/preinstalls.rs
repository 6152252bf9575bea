//! Contracts of others that are there from the start, from `contracts/preinstalls/*.json`.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256, address, keccak256};
use alloy_sol_types::SolValue;
use serde::Deserialize;

/// Permit2, the only pre-install whose code depends on the chain id.
pub const PERMIT2: Address = address!("0x000000000022D473030F116dDEE9F6B43aC78BA3");
/// Where Permit2's code holds the chain id for which it cached the domain separator.
const PERMIT2_CHAIN_ID: usize = 6945;
/// Where Permit2's code holds that domain separator.
const PERMIT2_DOMAIN: usize = 6983;

/// The compiled-in file of a pre-install is broken; nothing at run time can mend it.
#[derive(Debug, thiserror::Error)]
pub enum PreinstallError {
    /// Not the JSON of a pre-install.
    #[error("contracts/preinstalls/{name}.json does not parse, rebuild from a clean checkout: {source}")]
    Malformed {
        /// The file's name without its ending.
        name: &'static str,
        /// Where and why.
        source: serde_json::Error,
    },
    /// The runtime code does not hash to what the file states.
    #[error("the code in contracts/preinstalls/{name}.json hashes to {found}, not {stated}: restore the file")]
    CodeHash {
        /// The file's name without its ending.
        name: String,
        /// Hash in the file.
        stated: B256,
        /// Hash of the code in the file.
        found: B256,
    },
    /// An immutable value's place lies beyond the code.
    #[error("the code of Permit2 has {length} bytes, too few for its immutable values: restore the file")]
    TooShort {
        /// Length of the code.
        length: usize,
    },
}

/// One pre-install as its file has it. The file says more (source, licence, how it was verified, creation code), for
/// people and for the Foundry tests.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Preinstall {
    /// The contract's name, which is also the file's.
    pub name: String,
    /// Where it lives on every chain.
    pub address: Address,
    /// Nonce after its creation: one more than the contracts that its constructor created.
    pub nonce: u64,
    /// Runtime code. Permit2's immutable values are zero in it.
    runtime: Bytes,
    /// keccak256 of `runtime`.
    code_hash: B256,
    /// Storage that its constructor wrote.
    #[serde(default)]
    pub storage: BTreeMap<B256, B256>,
}

impl Preinstall {
    /// Runtime code on the chain `chain_id`: what its creation code would return there.
    ///
    /// # Errors
    ///
    /// [`PreinstallError::TooShort`] when Permit2's code has no room for its immutable values.
    pub fn code(&self, chain_id: u64) -> Result<Bytes, PreinstallError> {
        if self.address != PERMIT2 {
            return Ok(self.runtime.clone());
        }
        let id = U256::from(chain_id);
        let domain_type = keccak256("EIP712Domain(string name,uint256 chainId,address verifyingContract)");
        let domain = keccak256((domain_type, keccak256("Permit2"), id, PERMIT2).abi_encode());
        let mut code = self.runtime.to_vec();
        let length = code.len();
        for (place, value) in [(PERMIT2_CHAIN_ID, B256::from(id)), (PERMIT2_DOMAIN, domain)] {
            code.get_mut(place..place + 32).ok_or(PreinstallError::TooShort { length })?.copy_from_slice(&value.0);
        }
        Ok(code.into())
    }
}

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../../../contracts/preinstalls/", $name, ".json")))),+]
    };
}

/// Each file of `contracts/preinstalls`.
static FILES: [(&str, &str); 14] = files![
    "Create2Deployer",
    "CreateX",
    "DeterministicDeploymentProxy",
    "EntryPointV06",
    "EntryPointV07",
    "MultiSendCallOnlyV130",
    "MultiSendV130",
    "Multicall3",
    "Permit2",
    "SafeL2V130",
    "SafeSingletonFactory",
    "SafeV130",
    "SenderCreatorV06",
    "SenderCreatorV07",
];

/// All pre-installs, their code checked against its hash.
///
/// # Errors
///
/// When a file is not what it should be.
pub fn all() -> Result<Vec<Preinstall>, PreinstallError> {
    FILES
        .iter()
        .map(|&(name, text)| {
            let preinstall: Preinstall =
                serde_json::from_str(text).map_err(|source| PreinstallError::Malformed { name, source })?;
            let found = keccak256(&preinstall.runtime);
            if found != preinstall.code_hash {
                return Err(PreinstallError::CodeHash { name: preinstall.name, stated: preinstall.code_hash, found });
            }
            Ok(preinstall)
        })
        .collect()
}
