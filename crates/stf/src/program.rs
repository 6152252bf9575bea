//! What is one ELF on L1's machine and in a zkVM: [`transition`](fn@crate::transition) behind an input of one hash and an
//! output of one hash, so that L1 can say what went in and what must come out.
//!
//! # Input: 160 bytes, known by their keccak256
//!
//! | bytes | what |
//! |---|---|
//! | 0..32 | hash of the chain's parameters ([`ChainParameters::hash`]) |
//! | 32..64 | EIP-712 struct hash of the batch's statement ([`Batch`]) |
//! | 64..96 | hash of the block before the batch |
//! | 96..128 | height of the block, big endian |
//! | 128..160 | hash of the block before it |
//!
//! Input, parameters and statement are read from the oracle by their hashes, like everything else.
//!
//! # Output: 32 bytes
//!
//! The sha256 of the public values, as zkVMs have it; public values = input hash ‖ block hash. There is none if the program
//! fails.
//!
//! # Exit codes
//!
//! | code | the program |
//! |---|---|
//! | 0 | has an output |
//! | 1 | was given an input, parameters or a statement that are none |
//! | 2 | had no answer from its oracle, or one that is not what it must be |
//! | 3 | found no trie under a state root, or no account in it |
//! | 4 | was given statement, data, messages and block before the batch that do not belong together |
//! | 5 | was asked for a height that is not in the batch, or that does not follow the parent |
//! | 6 | has an engine that failed where content cannot make it fail |
//!
//! None but 0 comes of the input of an accepted statement and the chain's own parent, with an honest oracle. The machine
//! that runs the program adds codes of its own, from 100 on (`guest/machine`).
//!
//! Golden vectors: `contracts/vectors/program.json`.

use crate::{
    Oracle,
    oracle::{OracleError, preimage},
    transition::{Fault, transition},
    trie::TrieError,
};
use alloy_primitives::{B256, U256, keccak256};
use sha2::{Digest, Sha256};
use surety_types::{ChainParameters, L2Height, signing::Batch};

/// Bytes of the program's input.
pub const INPUT_BYTES: usize = 160;

/// What the program is asked: the hash of one block of one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input {
    /// Hash of the chain's parameters.
    pub parameters: B256,
    /// Struct hash of the batch's statement.
    pub statement: B256,
    /// Hash of the block before the batch.
    pub before_batch: B256,
    /// Height of the block.
    pub height: L2Height,
    /// Hash of the block before it.
    pub parent: B256,
}

impl Input {
    /// The input's bytes.
    pub fn to_bytes(&self) -> [u8; INPUT_BYTES] {
        let height = B256::from(U256::from(self.height.get()));
        let mut bytes = [0; INPUT_BYTES];
        let words = [self.parameters, self.statement, self.before_batch, height, self.parent];
        for (to, word) in bytes.chunks_exact_mut(32).zip(words) {
            to.copy_from_slice(word.as_slice());
        }
        bytes
    }

    /// The input that has these bytes; `None` for any other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; INPUT_BYTES] = bytes.try_into().ok()?;
        let mut words = bytes.chunks_exact(32).map(B256::from_slice);
        let mut next = || words.next();
        Some(Self {
            parameters: next()?,
            statement: next()?,
            before_batch: next()?,
            height: L2Height::new(U256::from_be_bytes(next()?.0).try_into().ok()?),
            parent: next()?,
        })
    }

    /// What the program is started with: keccak256 of the bytes.
    pub fn hash(&self) -> B256 {
        keccak256(self.to_bytes())
    }
}

/// Why the program has no output.
#[derive(Debug, thiserror::Error)]
pub enum Failure<E: core::error::Error> {
    /// The bytes with this hash are not what they should be.
    #[error("the bytes with hash {hash} are no {expected}")]
    Input {
        /// Their hash.
        hash: B256,
        /// What was expected.
        expected: &'static str,
    },
    /// Input and answers are not of one chain.
    #[error(transparent)]
    Fault(#[from] Fault<E>),
}

impl<E: core::error::Error> From<OracleError<E>> for Failure<E> {
    fn from(error: OracleError<E>) -> Self {
        Self::Fault(error.into())
    }
}

impl<E: core::error::Error> Failure<E> {
    /// The program's exit code.
    pub const fn exit_code(&self) -> u64 {
        match self {
            Self::Input { .. } => 1,
            Self::Fault(Fault::Oracle(_) | Fault::State(TrieError::Oracle(_))) => 2,
            Self::Fault(Fault::State(_)) => 3,
            Self::Fault(Fault::Derive(_)) => 4,
            Self::Fault(Fault::Height { .. }) => 5,
            Self::Fault(Fault::Engine(_)) => 6,
        }
    }
}

/// The program: from the hash of its input to the hash of the block.
///
/// # Errors
/// See [`Failure`].
pub fn run<O: Oracle>(oracle: &O, input_hash: B256) -> Result<B256, Failure<O::Error>> {
    let input = Input::from_bytes(&preimage(oracle, input_hash)?);
    let input = input.ok_or(Failure::Input { hash: input_hash, expected: "input" })?;
    let parameters = ChainParameters::from_preimage(&preimage(oracle, input.parameters)?);
    let parameters = parameters.ok_or(Failure::Input { hash: input.parameters, expected: "parameters" })?;
    let statement = Batch::from_preimage(&preimage(oracle, input.statement)?);
    let statement = statement.ok_or(Failure::Input { hash: input.statement, expected: "statement" })?;
    Ok(transition(&parameters, oracle, &statement, input.before_batch, input.height, input.parent)?)
}

/// What the program says aloud: the input's hash and the block's.
pub fn public_values(input_hash: B256, block_hash: B256) -> [u8; 64] {
    let mut values = [0; 64];
    let (first, last) = values.split_at_mut(32);
    first.copy_from_slice(input_hash.as_slice());
    last.copy_from_slice(block_hash.as_slice());
    values
}

/// The program's output for these public values: their sha256.
pub fn output(public_values: &[u8; 64]) -> [u8; 32] {
    Sha256::digest(public_values).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::witness::Witness;

    fn word(case: &serde_json::Value, name: &str) -> B256 {
        case[name].as_str().unwrap().parse().unwrap()
    }

    #[test]
    fn input_and_output_are_those_of_the_vectors() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/vectors/program.json");
        let file: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let cases = file["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 2);
        for case in cases {
            let height = &case["height"];
            let height = height.as_u64().unwrap_or_else(|| height.as_str().unwrap().parse::<U256>().unwrap().to());
            let input = Input {
                parameters: word(case, "parametersHash"),
                statement: word(case, "statementHash"),
                before_batch: word(case, "beforeBatch"),
                height: L2Height::new(height),
                parent: word(case, "parentHash"),
            };
            let bytes: alloy_primitives::Bytes = case["input"].as_str().unwrap().parse().unwrap();
            assert_eq!(input.to_bytes(), bytes[..]);
            assert_eq!(Input::from_bytes(&bytes), Some(input));
            assert_eq!(input.hash(), word(case, "inputHash"));
            assert_eq!(output(&public_values(input.hash(), word(case, "blockHash"))), word(case, "output").0);
        }
    }

    #[test]
    fn an_input_that_is_none_ends_with_its_own_code() {
        let input = Input {
            parameters: keccak256(b"parameters"),
            statement: B256::ZERO,
            before_batch: B256::ZERO,
            height: L2Height::new(7),
            parent: B256::ZERO,
        };
        let mut too_high = input.to_bytes();
        too_high[96] = 1;
        for bytes in [&input.to_bytes()[1..], &too_high, &[]] {
            let mut witness = Witness::default();
            let hash = witness.insert(bytes.to_vec());
            assert_eq!(run(&witness, hash).unwrap_err().exit_code(), 1);
        }
        let mut witness = Witness::default();
        witness.insert(input.to_bytes().to_vec());
        assert_eq!(run(&witness, input.hash()).unwrap_err().exit_code(), 2, "nothing is known of the parameters");
        witness.insert(b"parameters".to_vec());
        assert_eq!(run(&witness, input.hash()).unwrap_err().exit_code(), 1, "these are no parameters");
    }
}
