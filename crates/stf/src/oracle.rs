//! Where the state transition reads everything that is not in its input: by key, so that each answer can be checked.
//!
//! | key | answer |
//! |---|---|
//! | keccak256 | the bytes with that hash: headers, contexts, messages, trie nodes, code, pages of call data |
//! | versioned hash | the blob, 131,072 bytes |
//!
//! An oracle answers with what belongs to the key or not at all, and whoever implements [`Oracle`] says what makes that so:
//! the referee of a dispute checks each answer itself; a database holds what was checked when it was stored; a source that
//! is not trusted is wrapped in [`Checked`].
//!
//! An honest oracle answers each question that [`crate::transition()`] asks of an accepted statement.

use crate::derive::{Consumed, Data, Position};
use alloc::{vec, vec::Vec};
use alloy_primitives::{B256, Bytes, KECCAK256_EMPTY, keccak256};
use alloy_rlp::Decodable;
use surety_types::{
    ConsensusContext, Gas, Header, Message,
    claim::{MAX_CALLDATA, PAGE_SIZE},
};

/// A source of preimages and blobs: a database, a recorder of what was asked, or a guest's host.
pub trait Oracle {
    /// Why there is no answer.
    type Error: core::error::Error + Send + Sync + 'static;

    /// The bytes with this keccak256, and no others.
    fn preimage(&self, hash: B256) -> Result<Bytes, Self::Error>;

    /// The blob with this versioned hash (EIP-4844), and no other.
    fn blob(&self, versioned_hash: B256) -> Result<Bytes, Self::Error>;
}

/// An oracle over a source whose preimages are not to be trusted: hashes each before it is given on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Checked<O>(pub O);

/// Why a [`Checked`] source has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckError<E: core::error::Error> {
    /// The source gave none.
    #[error(transparent)]
    Source(E),
    /// The source gave other bytes: take another source.
    #[error("the bytes given for {0} have another hash: take another source")]
    Preimage(B256),
}

impl<O: Oracle> Oracle for Checked<O> {
    type Error = CheckError<O::Error>;

    fn preimage(&self, hash: B256) -> Result<Bytes, Self::Error> {
        let bytes = self.0.preimage(hash).map_err(CheckError::Source)?;
        if keccak256(&bytes) == hash { Ok(bytes) } else { Err(CheckError::Preimage(hash)) }
    }

    fn blob(&self, versioned_hash: B256) -> Result<Bytes, Self::Error> {
        self.0.blob(versioned_hash).map_err(CheckError::Source)
    }
}

/// An oracle that failed, or a question that leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OracleError<E: core::error::Error> {
    /// It gave no answer.
    #[error("the oracle has no answer: {0}")]
    Source(E),
    /// The bytes with this hash are not what they should be: the hash that led here was never the chain's.
    #[error("the bytes with hash {hash} are no {expected}")]
    Malformed {
        /// Their hash.
        hash: B256,
        /// What was expected.
        expected: &'static str,
    },
}

/// The bytes with this hash.
pub(crate) fn preimage<O: Oracle>(oracle: &O, hash: B256) -> Result<Bytes, OracleError<O::Error>> {
    oracle.preimage(hash).map_err(OracleError::Source)
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

/// Room is made at once for so many messages at most, which is more than the gas of a batch's messages lets there be.
const MAX_RESERVED: usize = 1 << 24;

/// A message of which no more is known than derivation asks of those that are in other blocks: millions of them fit into the
/// machine's memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Glimpse {
    hash: B256,
    gas: Gas,
}

impl Consumed for Glimpse {
    fn gas(&self) -> Gas {
        self.gas
    }
}

/// The messages that lead from one position of the inbox to another, by walking the accumulator backwards. `None` if no
/// messages do.
pub(crate) fn messages<O: Oracle>(
    oracle: &O,
    from: Position,
    to: Position,
) -> Result<Option<Vec<Glimpse>>, OracleError<O::Error>> {
    let Some(mut left) = to.count.get().checked_sub(from.count.get()) else { return Ok(None) };
    let mut acc = to.acc;
    let mut messages = Vec::new();
    // A list that grows would take up to three times as much. Where there is no room for it, it fails as it grows.
    let _ = messages.try_reserve_exact(usize::try_from(left).unwrap_or_default().min(MAX_RESERVED));
    while left > 0 {
        let link = preimage(oracle, acc)?;
        match link.split_first_chunk::<32>() {
            Some((before, hash)) if hash.len() == 32 => {
                let hash = B256::from_slice(hash);
                messages.push(Glimpse { hash, gas: without_data(oracle, hash)?.0.gas });
                acc = B256::from(before);
            }
            _ => return Err(OracleError::Malformed { hash: acc, expected: "accumulator of messages" }),
        }
        left = left.saturating_sub(1);
    }
    messages.reverse();
    Ok((acc == from.acc).then_some(messages))
}

/// A message, and the hash of its data.
fn without_data<O: Oracle>(oracle: &O, hash: B256) -> Result<(Message, B256), OracleError<O::Error>> {
    Message::from_preimage(&preimage(oracle, hash)?).ok_or(OracleError::Malformed { hash, expected: "message" })
}

/// The whole message.
pub(crate) fn message<O: Oracle>(oracle: &O, glimpse: &Glimpse) -> Result<Message, OracleError<O::Error>> {
    let (mut message, data) = without_data(oracle, glimpse.hash)?;
    if data != KECCAK256_EMPTY {
        message.data = preimage(oracle, data)?;
    }
    Ok(message)
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
