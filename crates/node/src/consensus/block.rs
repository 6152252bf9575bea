//! The block that seats send each other.
//!
//! # Encoding
//!
//! ```text
//! context flag (1: 0 none, 1 present) ‖ [term (8) ‖ view (8) ‖ parent view (8) ‖ milliseconds (8)] ‖
//! length of the header (4) ‖ header (RLP) ‖
//! number of transactions (4) ‖ { length (4) ‖ transaction (EIP-2718) }*
//! ```
//!
//! Numbers are big endian. All transactions travel, the system transaction and the messages too (which every seat has
//! from L1): so the bytes alone show that the header's `transactionsRoot` and context root are theirs, the header's hash
//! is an identity that nobody can give to other bytes, and a peer that serves anything else is caught in decoding.
//! Decoding is bounded by [`BlockLimits`] and refuses any other encoding of the same block.

use alloy_consensus::proofs::calculate_transaction_root;
use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use alloy_primitives::{B256, Bytes};
use alloy_rlp::{Decodable, Encodable};
use bytes::{Buf as _, BufMut};
use commonware_codec::{Buf, EncodeSize, Error as CodecError, Read, Write};
use commonware_consensus::{BoundedBlock, Heightable, types::Height};
use commonware_cryptography::{Digestible, keccak256};
use std::sync::Arc;
use surety_types::{ConsensusContext, Header, Milliseconds, RollupId, Term, Transaction, View};

/// Identity of a block in the consensus library: the hash of its header.
pub(super) type Hash = keccak256::Digest;

/// A block hash in the library's form.
pub(super) fn to_digest(hash: B256) -> Hash {
    keccak256::Digest(hash.0)
}

/// A block hash in ours.
pub(super) fn from_digest(digest: Hash) -> B256 {
    B256::from(digest.0)
}

/// Bounds on what is decoded, and what every block of a chain has in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockLimits {
    /// The rollup, which contexts are of.
    pub rollup: RollupId,
    /// The most bytes that an encoded block may have.
    pub max_bytes: usize,
    /// The height that the library counts as zero: it begins there ([`super::generation`]).
    pub base: u64,
}

/// The greatest header that is decoded: the fixed fields, the bloom and some room.
const MAX_HEADER: usize = 1_024;
/// The shortest transaction there can be, to bound the number before it is trusted.
const MIN_TRANSACTION: usize = 32;

/// A block on its way: header, context, all transactions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ConsensusBlock {
    inner: Arc<Inner>,
    /// The height that the library counts as zero.
    base: u64,
}

impl PartialEq for ConsensusBlock {
    fn eq(&self, other: &Self) -> bool {
        self.inner == other.inner
    }
}

impl Eq for ConsensusBlock {}

#[derive(Debug, PartialEq, Eq)]
struct Inner {
    hash: B256,
    header: Header,
    context: Option<ConsensusContext>,
    transactions: Vec<Transaction>,
    /// The encoding, kept since it is needed for the wire, the cache and the archive.
    encoded: Bytes,
}

impl ConsensusBlock {
    /// Puts together a block that this node made or stored.
    pub fn new(header: Header, context: Option<ConsensusContext>, transactions: Vec<Transaction>) -> Self {
        let encoded = encode(&header, context.as_ref(), &transactions).into();
        let hash = header.hash_slow();
        Self { inner: Arc::new(Inner { hash, header, context, transactions, encoded }), base: 0 }
    }

    /// The same block for a library that counts heights from `base`.
    pub(super) fn counted_from(mut self, base: u64) -> Self {
        self.base = base;
        self
    }

    /// The header's hash.
    pub fn hash(&self) -> B256 {
        self.inner.hash
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.inner.header
    }

    /// Where in consensus it was made; `None` for genesis and default blocks.
    pub fn context(&self) -> Option<&ConsensusContext> {
        self.inner.context.as_ref()
    }

    /// System transaction, messages, the sequencers' list.
    pub fn transactions(&self) -> &[Transaction] {
        &self.inner.transactions
    }

    /// The messages among the transactions: the deposits after the first.
    pub fn messages(&self) -> &[Transaction] {
        let deposits = self.inner.transactions.iter().take_while(|tx| tx.is_deposit()).count();
        self.inner.transactions.get(1..deposits).unwrap_or_default()
    }

    /// The sequencers' list.
    pub fn list(&self) -> &[Transaction] {
        let deposits = self.inner.transactions.iter().take_while(|tx| tx.is_deposit()).count();
        self.inner.transactions.get(deposits..).unwrap_or_default()
    }

    /// Its encoding.
    pub fn to_bytes(&self) -> Bytes {
        self.inner.encoded.clone()
    }

    /// Reads [`Self::to_bytes`] of another node's block.
    ///
    /// # Errors
    /// What is wrong with the bytes, in words: whoever sent them did not send a block.
    pub fn from_bytes(bytes: &[u8], limits: &BlockLimits) -> Result<Self, String> {
        use commonware_codec::{Copying, Decode as _};
        Self::decode_cfg(Copying(bytes), limits).map_err(|error| error.to_string())
    }

    /// Bytes on the wire.
    pub fn size(&self) -> usize {
        self.inner.encoded.len()
    }
}

fn encode(header: &Header, context: Option<&ConsensusContext>, transactions: &[Transaction]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1_024);
    match context {
        None => out.put_u8(0),
        Some(c) => {
            out.put_u8(1);
            for n in [c.term.get(), c.view.get(), c.parent_view.get(), c.milliseconds.get()] {
                out.put_u64(n);
            }
        }
    }
    out.put_u32(header.length() as u32);
    header.encode(&mut out);
    out.put_u32(transactions.len() as u32);
    for tx in transactions {
        out.put_u32(tx.encode_2718_len() as u32);
        tx.encode_2718(&mut out);
    }
    out
}

const fn invalid(what: &'static str) -> CodecError {
    CodecError::Invalid("surety::ConsensusBlock", what)
}

/// Takes bytes off, with no allocation before they are there.
fn take(buf: &mut impl Buf, length: usize) -> Result<Bytes, CodecError> {
    if buf.remaining() < length {
        return Err(CodecError::EndOfBuffer);
    }
    let mut bytes = vec![0; length];
    buf.copy_to_slice(&mut bytes);
    Ok(bytes.into())
}

fn number(buf: &mut impl Buf) -> Result<u32, CodecError> {
    buf.try_get_u32().map_err(|_| CodecError::EndOfBuffer)
}

fn long(buf: &mut impl Buf) -> Result<u64, CodecError> {
    buf.try_get_u64().map_err(|_| CodecError::EndOfBuffer)
}

fn decode_context(buf: &mut impl Buf, rollup: RollupId) -> Result<Option<ConsensusContext>, CodecError> {
    match buf.try_get_u8().map_err(|_| CodecError::EndOfBuffer)? {
        0 => Ok(None),
        1 => Ok(Some(ConsensusContext {
            rollup,
            term: Term::new(long(buf)?),
            view: View::new(long(buf)?),
            parent_view: View::new(long(buf)?),
            milliseconds: Milliseconds::new(long(buf)?),
        })),
        _ => Err(invalid("context flag")),
    }
}

fn decode_transactions(buf: &mut impl Buf, budget: usize) -> Result<Vec<Transaction>, CodecError> {
    let count = number(buf)? as usize;
    let mut left = budget;
    if count > budget / MIN_TRANSACTION || count > buf.remaining() / MIN_TRANSACTION {
        return Err(invalid("more transactions than fit"));
    }
    let mut transactions = Vec::with_capacity(count);
    for _ in 0..count {
        let length = number(buf)? as usize;
        left = left.checked_sub(length).ok_or(invalid("larger than the limit"))?;
        let bytes = take(buf, length)?;
        let mut rest: &[u8] = &bytes;
        let tx = Transaction::decode_2718(&mut rest).map_err(|_| invalid("transaction"))?;
        if !rest.is_empty() {
            return Err(invalid("bytes after a transaction"));
        }
        transactions.push(tx);
    }
    Ok(transactions)
}

impl Read for ConsensusBlock {
    type Cfg = BlockLimits;

    fn read_cfg(buf: &mut impl Buf, limits: &BlockLimits) -> Result<Self, CodecError> {
        let context = decode_context(buf, limits.rollup)?;
        let length = number(buf)? as usize;
        if length > MAX_HEADER {
            return Err(invalid("header too long"));
        }
        let bytes = take(buf, length)?;
        let mut rest: &[u8] = &bytes;
        let header = Header::decode(&mut rest).map_err(|_| invalid("header"))?;
        let mut canonical = Vec::with_capacity(length);
        header.encode(&mut canonical);
        if !rest.is_empty() || canonical != bytes {
            return Err(invalid("header is not in canonical form"));
        }
        let transactions = decode_transactions(buf, limits.max_bytes.saturating_sub(length))?;
        let root = context.as_ref().map(ConsensusContext::root).unwrap_or_default();
        if header.parent_beacon_block_root != Some(root) {
            return Err(invalid("the context is not the header's"));
        }
        if header.transactions_root != calculate_transaction_root(&transactions) {
            return Err(invalid("the transactions are not the header's"));
        }
        let block = Self::new(header, context, transactions).counted_from(limits.base);
        if block.size() > limits.max_bytes {
            return Err(invalid("larger than the limit"));
        }
        Ok(block)
    }
}

impl Write for ConsensusBlock {
    fn write(&self, buf: &mut impl BufMut) {
        buf.put_slice(&self.inner.encoded);
    }
}

impl EncodeSize for ConsensusBlock {
    fn encode_size(&self) -> usize {
        self.inner.encoded.len()
    }
}

impl Digestible for ConsensusBlock {
    type Digest = Hash;

    fn digest(&self) -> Hash {
        to_digest(self.inner.hash)
    }
}

impl Heightable for ConsensusBlock {
    fn height(&self) -> Height {
        Height::new(self.inner.header.number.saturating_sub(self.base))
    }
}

impl commonware_consensus::Block for ConsensusBlock {
    fn parent(&self) -> Hash {
        to_digest(self.inner.header.parent_hash)
    }
}

impl BoundedBlock for ConsensusBlock {
    fn max_encode_size(limits: &BlockLimits) -> usize {
        limits.max_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::{Signed, TxEip1559};
    use alloy_primitives::{Address, Signature, TxKind, U256};
    use commonware_codec::{Copying, Decode as _, Encode as _};
    use proptest::prelude::*;

    const LIMITS: BlockLimits = BlockLimits { rollup: RollupId::new(7), max_bytes: 100_000, base: 0 };

    fn transaction(nonce: u64, size: usize) -> Transaction {
        let tx = TxEip1559 {
            chain_id: 7,
            nonce,
            gas_limit: 21_000,
            to: TxKind::Call(Address::repeat_byte(3)),
            input: vec![5; size].into(),
            ..Default::default()
        };
        Transaction::Eip1559(Signed::new_unhashed(tx, Signature::new(U256::from(1), U256::from(2), true)))
    }

    fn block(transactions: Vec<Transaction>, context: Option<ConsensusContext>) -> ConsensusBlock {
        let header = Header {
            number: 9,
            parent_hash: B256::repeat_byte(1),
            base_fee_per_gas: Some(1),
            withdrawals_root: Some(B256::ZERO),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(context.map(|c| c.root()).unwrap_or_default()),
            requests_hash: Some(B256::ZERO),
            transactions_root: calculate_transaction_root(&transactions),
            ..Default::default()
        };
        ConsensusBlock::new(header, context, transactions)
    }

    fn context(view: u64) -> ConsensusContext {
        ConsensusContext {
            rollup: RollupId::new(7),
            term: Term::new(1),
            view: View::new(view),
            parent_view: View::new(view.saturating_sub(1)),
            milliseconds: Milliseconds::new(1_000),
        }
    }

    #[test]
    fn a_block_with_anothers_transactions_or_context_is_refused() {
        let good = block(vec![transaction(1, 10)], Some(context(3)));
        let other = ConsensusBlock::new(good.header().clone(), good.context().copied(), vec![transaction(2, 10)]);
        assert_eq!(good.hash(), other.hash(), "they would share the identity");
        assert!(ConsensusBlock::decode_cfg(other.encode(), &LIMITS).is_err());
        let other = ConsensusBlock::new(good.header().clone(), Some(context(4)), good.transactions().to_vec());
        assert!(ConsensusBlock::decode_cfg(other.encode(), &LIMITS).is_err());
        let other = ConsensusBlock::new(good.header().clone(), None, good.transactions().to_vec());
        assert!(ConsensusBlock::decode_cfg(other.encode(), &LIMITS).is_err());
        let elsewhere = BlockLimits { rollup: RollupId::new(8), ..LIMITS };
        assert!(ConsensusBlock::decode_cfg(good.encode(), &elsewhere).is_err());
    }

    #[test]
    fn a_block_beyond_the_limit_is_refused() {
        let large = block(vec![transaction(1, LIMITS.max_bytes)], None);
        assert!(ConsensusBlock::decode_cfg(large.encode(), &LIMITS).is_err());
    }

    #[test]
    fn a_count_that_cannot_be_is_refused_before_memory_is_taken() {
        let mut bytes = block(Vec::new(), None).encode().to_vec();
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(ConsensusBlock::decode_cfg(Copying(&bytes), &LIMITS).is_err());
    }

    proptest! {
        #[test]
        fn blocks_survive_their_encoding(sizes in prop::collection::vec(0..500usize, 0..20), view in prop::option::of(1..99u64)) {
            let transactions = sizes.iter().zip(0..).map(|(size, nonce)| transaction(nonce, *size)).collect();
            let block = block(transactions, view.map(context));
            let decoded = ConsensusBlock::decode_cfg(block.encode(), &LIMITS).unwrap();
            prop_assert_eq!(&decoded, &block);
            prop_assert_eq!(decoded.encode(), block.encode());
        }

        #[test]
        fn what_decodes_encodes_to_the_same_bytes(at in 0..600usize, flip in 1..=255u8, cut in 0..10usize) {
            let mut bytes = block(vec![transaction(1, 10)], Some(context(3))).encode().to_vec();
            let length = bytes.len();
            bytes[at % length] ^= flip;
            bytes.truncate(length - cut);
            if let Ok(block) = ConsensusBlock::decode_cfg(Copying(&bytes), &LIMITS) {
                prop_assert_eq!(block.encode().to_vec(), bytes);
            }
        }
    }
}
