//! What a node must be told to follow a chain: one JSON file, the same for everybody.
//!
//! ```json
//! {
//!   "version": 1,
//!   "l1ChainId": 1337,
//!   "l1Start": 3,
//!   "addresses": { "registry": "0x…", "claims": "0x…", "inbox": "0x…", "bridge": "0x…",
//!                  "equivocation": "0x…", "slasher": "0x…" },
//!   "parameters": { "rollup": 75873, "genesisHash": "0x…", … },
//!   "protocol": { "forceDelay": 40, … },
//!   "genesis": { "chainId": 75873 }
//! }
//! ```
//!
//! `parameters` decide what L2 blocks are, `protocol` is what L1 enforces, `genesis` is what the first state is made from; a
//! node makes it and compares with `parameters.genesisHash`. `l1Start` is the block of the first contract's creation.
//! The file is believed only as far as [`ChainFile::check`] goes: a wrong one makes a node that follows nothing, never one
//! that accepts what the right chain would refuse.

use crate::{
    deploy::Addresses,
    genesis::L2Genesis,
    parameters::{ParameterError, Parameters},
};
use alloy_primitives::Address;
use serde::{Deserialize, Serialize};
use std::{fs, io::Read as _, path::Path};
use surety_types::{ChainParameters, L1Height};

/// The version of this form.
pub const CHAIN_FILE_VERSION: u32 = 1;
/// Longer files are none of ours.
const MAX_BYTES: u64 = 1 << 20;

/// One chain, as everybody must know it. See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChainFile {
    /// [`CHAIN_FILE_VERSION`].
    pub version: u32,
    /// EIP-155 chain id of L1.
    pub l1_chain_id: u64,
    /// The L1 block of the first contract's creation: nothing before it concerns this chain.
    pub l1_start: L1Height,
    /// The contracts.
    pub addresses: Addresses,
    /// What decides L2 blocks.
    pub parameters: ChainParameters,
    /// What L1 enforces.
    pub protocol: Parameters,
    /// What the first state is made from.
    pub genesis: L2Genesis,
}

/// Why a chain file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum ChainFileError {
    /// It cannot be read or written.
    #[error("chain file {path}: {cause}; check the path")]
    Disk {
        /// Its path.
        path: String,
        /// What the system says.
        cause: std::io::Error,
    },
    /// It is not JSON of this form.
    #[error("chain file: {0}; get the file again from where the chain is published")]
    Form(#[from] serde_json::Error),
    /// It is of another version of the software.
    #[error("chain file version {0}, this software reads version {CHAIN_FILE_VERSION}: use the matching release")]
    Version(u32),
    /// Parts contradict each other.
    #[error("chain file: {0} do not agree; get the file again from where the chain is published")]
    Contradiction(&'static str),
    /// The protocol's parameters do not fit together.
    #[error("chain file: {0}")]
    Parameters(#[from] ParameterError),
}

impl ChainFile {
    /// Checks that the parts fit together.
    ///
    /// # Errors
    /// [`ChainFileError`].
    pub fn check(&self) -> Result<(), ChainFileError> {
        let Self { parameters, protocol, genesis, addresses, .. } = self;
        if self.version != CHAIN_FILE_VERSION {
            return Err(ChainFileError::Version(self.version));
        }
        protocol.check()?;
        let all = addresses.all();
        let mut distinct = all.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let rules = [
            (parameters.rollup.get() == protocol.rollup, "the chain ids of parameters and protocol"),
            (parameters.rollup.get() == genesis.chain_id, "the chain ids of parameters and genesis"),
            (parameters.block_time.get() == protocol.block_time_millis, "the block times of parameters and protocol"),
            (parameters.gas_limit.get() == protocol.block_gas_limit, "the gas limits of parameters and protocol"),
            (self.l1_chain_id != parameters.rollup.get(), "two chains with one chain id"),
            (!parameters.genesis_hash.is_zero(), "the chain and a genesis hash of zero"),
            (self.l1_start > L1Height::ZERO, "contracts and a start at L1's genesis"),
            (distinct.len() == all.len() && !distinct.contains(&Address::ZERO), "the contracts' addresses"),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            Some((_, what)) => Err(ChainFileError::Contradiction(what)),
            None => Ok(()),
        }
    }

    /// Reads and checks JSON.
    ///
    /// # Errors
    /// [`ChainFileError`].
    pub fn parse(json: &[u8]) -> Result<Self, ChainFileError> {
        let file: Self = serde_json::from_slice(json)?;
        file.check()?;
        Ok(file)
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`ChainFileError`].
    pub fn read(path: &Path) -> Result<Self, ChainFileError> {
        let disk = |cause| ChainFileError::Disk { path: path.display().to_string(), cause };
        let mut json = Vec::new();
        fs::File::open(path).map_err(disk)?.take(MAX_BYTES).read_to_end(&mut json).map_err(disk)?;
        Self::parse(&json)
    }

    /// Checks and writes a file; there is a whole one or none at any time.
    ///
    /// # Errors
    /// [`ChainFileError`].
    pub fn write(&self, path: &Path) -> Result<(), ChainFileError> {
        self.check()?;
        let disk = |cause| ChainFileError::Disk { path: path.display().to_string(), cause };
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        let aside = path.with_extension("tmp");
        fs::write(&aside, json).map_err(disk)?;
        fs::rename(&aside, path).map_err(disk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Profile;
    use alloy_primitives::B256;
    use surety_types::{Gas, Milliseconds, RollupId, Seconds};

    fn file() -> ChainFile {
        ChainFile {
            version: CHAIN_FILE_VERSION,
            l1_chain_id: 1337,
            l1_start: L1Height::new(3),
            addresses: Addresses::predict(Address::repeat_byte(1), 0),
            parameters: ChainParameters {
                rollup: RollupId::new(75873),
                genesis_time: Seconds::new(5),
                genesis_hash: B256::repeat_byte(2),
                block_time: Milliseconds::new(200),
                gas_limit: Gas::new(30_000_000),
                base_fee_denominator: 250,
                base_fee_elasticity: 6,
                min_base_fee: 1,
                l1_base_fee_scalar: 1,
                l1_blob_base_fee_scalar: 1,
                da_footprint_gas_scalar: 1,
            },
            protocol: Parameters::of(Profile::Dev, 75873),
            genesis: L2Genesis::new(75873),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let path = std::env::temp_dir().join(format!("surety-chain-file-{}.json", std::process::id()));
        file().write(&path).unwrap();
        assert_eq!(ChainFile::read(&path).unwrap(), file());
        fs::remove_file(&path).unwrap();
        assert!(matches!(ChainFile::read(&path), Err(ChainFileError::Disk { .. })));
    }

    #[test]
    fn a_file_whose_parts_contradict_each_other_is_refused() {
        let changes: [fn(&mut ChainFile); 9] = [
            |f| f.version = 2,
            |f| f.l1_chain_id = 75873,
            |f| f.l1_start = L1Height::ZERO,
            |f| f.addresses.inbox = f.addresses.claims,
            |f| f.parameters.rollup = RollupId::new(1),
            |f| f.parameters.block_time = Milliseconds::new(1),
            |f| f.parameters.genesis_hash = B256::ZERO,
            |f| f.genesis.chain_id = 1,
            |f| f.protocol.unbonding = 1,
        ];
        for change in changes {
            let mut bad = file();
            change(&mut bad);
            assert!(bad.check().is_err(), "{bad:?}");
        }
        assert!(file().check().is_ok());
    }

    #[test]
    fn unknown_fields_and_other_text_are_refused() {
        let mut json = serde_json::to_value(file()).unwrap();
        json["more"] = 1.into();
        assert!(ChainFile::parse(json.to_string().as_bytes()).is_err());
        for bad in ["", "{}", "[]", "null"] {
            assert!(ChainFile::parse(bad.as_bytes()).is_err());
        }
    }
}
