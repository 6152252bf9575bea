//! Where the state transition reads everything that is not in its input: by key, so that each answer can be checked.
//!
//! | key | answer | checked by |
//! |---|---|---|
//! | keccak256 | the bytes with that hash: headers, contexts, trie nodes, code, pages of call data | hashing them here |
//! | versioned hash | the blob, 131,072 bytes | the oracle: KZG where a node keeps blobs, the point evaluation precompile in a dispute |
//! | message index | the message | the accumulator, over all messages of the batch ([`crate::derive`]) |
//!
//! An honest oracle answers each question that [`crate::transition()`] asks of an accepted statement. A wrong answer is an
//! [`OracleError`], never a wrong result.

use crate::derive::Data;
use alloc::{vec, vec::Vec};
use alloy_primitives::{B256, Bytes, keccak256};
use alloy_rlp::Decodable;
use surety_types::{
    ConsensusContext, Header, Message, MessageIndex,
    claim::{MAX_CALLDATA, PAGE_SIZE},
};

/// A source of preimages, blobs and messages: a database, a recorder of what was asked, or a guest's host.
pub trait Oracle {
    /// Why there is no answer.
    type Error: core::error::Error + Send + Sync + 'static;

    /// The bytes with this keccak256. The caller hashes them.
    fn preimage(&self, hash: B256) -> Result<Bytes, Self::Error>;

    /// The blob with this versioned hash (EIP-4844), already checked against it.
    fn blob(&self, versioned_hash: B256) -> Result<Bytes, Self::Error>;

    /// The message at this place of the inbox. The caller checks the accumulator.
    fn message(&self, index: MessageIndex) -> Result<Message, Self::Error>;
}

/// An oracle that failed or lied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OracleError<E: core::error::Error> {
    /// It gave no answer.
    #[error("the oracle has no answer: {0}")]
    Source(E),
    /// The bytes given for this hash have another.
    #[error("the bytes given for {0} have another hash")]
    Preimage(B256),
    /// The bytes with this hash are not what they should be: the hash that led here was never the chain's.
    #[error("the bytes with hash {hash} are no {expected}")]
    Malformed {
        /// Their hash.
        hash: B256,
        /// What was expected.
        expected: &'static str,
    },
}

/// A checked preimage.
pub(crate) fn preimage<O: Oracle>(oracle: &O, hash: B256) -> Result<Bytes, OracleError<O::Error>> {
    let bytes = oracle.preimage(hash).map_err(OracleError::Source)?;
    if keccak256(&bytes) == hash { Ok(bytes) } else { Err(OracleError::Preimage(hash)) }
}

/// The header with this hash.
pub(crate) fn header<O: Oracle>(oracle: &O, hash: B256) -> Result<Header, OracleError<O::Error>> {
    let bytes = preimage(oracle, hash)?;
    let mut rest = &bytes[..];
    match Header::decode(&mut rest) {
        Ok(header) if rest.is_empty() => Ok(header),
        _ => Err(OracleError::Malformed { hash, expected: "header" }),
    }
}

/// The context of a header, unless it is a default block's.
pub(crate) fn context<O: Oracle>(
    oracle: &O,
    header: &Header,
) -> Result<Option<ConsensusContext>, OracleError<O::Error>> {
    let hash = header.parent_beacon_block_root.unwrap_or_default();
    if hash.is_zero() {
        return Ok(None);
    }
    let context = ConsensusContext::from_preimage(&preimage(oracle, hash)?);
    context.map(Some).ok_or(OracleError::Malformed { hash, expected: "consensus context" })
}

/// The data that a `dataHash` commits to.
pub(crate) fn data<O: Oracle>(oracle: &O, data_hash: B256) -> Result<Data, OracleError<O::Error>> {
    if data_hash.is_zero() {
        return Ok(Data::None);
    }
    let commitment = preimage(oracle, data_hash)?;
    match commitment.split_first() {
        Some((1, hashes)) if hashes.len() % 32 == 0 => Ok(Data::Blobs(blobs(oracle, hashes)?)),
        Some((2, rest)) => match rest.split_first_chunk::<8>() {
            Some((length, root)) if root.len() == 32 => {
                Ok(Data::Calldata(calldata(oracle, data_hash, u64::from_be_bytes(*length), B256::from_slice(root))?))
            }
            _ => Err(OracleError::Malformed { hash: data_hash, expected: "commitment to call data" }),
        },
        _ => Err(OracleError::Malformed { hash: data_hash, expected: "commitment to data" }),
    }
}

fn blobs<O: Oracle>(oracle: &O, hashes: &[u8]) -> Result<Vec<Vec<u8>>, OracleError<O::Error>> {
    let hashes = hashes.chunks_exact(32).map(B256::from_slice);
    if hashes.len() > crate::batch::MAX_BLOBS {
        // Refused for their number alone, so there is no need to read them.
        return Ok(vec![Vec::new(); hashes.len()]);
    }
    hashes.map(|hash| Ok(oracle.blob(hash).map_err(OracleError::Source)?.to_vec())).collect()
}

/// Walks the page tree of [`surety_types::claim::calldata_data_hash`].
fn calldata<O: Oracle>(oracle: &O, data_hash: B256, length: u64, root: B256) -> Result<Vec<u8>, OracleError<O::Error>> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length == 0 || length > MAX_CALLDATA {
        return Err(OracleError::Malformed { hash: data_hash, expected: "commitment to call data" });
    }
    let pages = length.div_ceil(PAGE_SIZE);
    let mut level = vec![root];
    while level.len() < pages.next_power_of_two() {
        let mut next = Vec::with_capacity(level.len().saturating_mul(2));
        for hash in level {
            let bytes = preimage(oracle, hash)?;
            match bytes.split_first() {
                Some((1, children)) if children.len() == 64 => {
                    next.extend(children.chunks_exact(32).map(B256::from_slice));
                }
                _ => return Err(OracleError::Malformed { hash, expected: "node over pages" }),
            }
        }
        level = next;
    }
    let mut data = Vec::with_capacity(pages.saturating_mul(PAGE_SIZE));
    for hash in level.into_iter().take(pages) {
        let bytes = preimage(oracle, hash)?;
        match bytes.split_first() {
            Some((0, page)) if page.len() == PAGE_SIZE => data.extend_from_slice(page),
            _ => return Err(OracleError::Malformed { hash, expected: "page" }),
        }
    }
    data.truncate(length);
    Ok(data)
}
