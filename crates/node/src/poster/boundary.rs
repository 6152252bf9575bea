//! Where batches end: a function of the chain, so that all seats cut alike.

use crate::builder::decode_aux;
use surety_state::{Store, StoredBlock};
use surety_stf::batch::{BatchBlock, BodyWriter, EncodeError};
use surety_types::{ChainParameters, L2Height, Milliseconds, RollupId};

/// A whole batch, cut out of the chain.
#[derive(Debug, Clone)]
pub struct Cut {
    /// Its last height.
    pub last: L2Height,
    /// Its body.
    pub body: Vec<u8>,
    /// Hashes of its blocks.
    pub hashes: Vec<alloy_primitives::B256>,
}

/// Why no batch can be cut.
#[derive(Debug, thiserror::Error)]
pub enum CutError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] surety_state::Error),
    /// A block without context: only L1 makes those, so the inbox must be behind.
    #[error("block {0} was made by derivation, not by consensus: wait until L1 shows its batch")]
    DefaultBlock(L2Height),
    /// A block that no batch can hold.
    #[error("block {height} cannot be encoded ({error}): it should never have been notarised")]
    Block {
        /// Its height.
        height: L2Height,
        /// Why.
        error: EncodeError,
    },
}

/// Cuts the batch that begins at `first` out of the blocks up to `until` (the newest final one); `None` if it does not end
/// there yet.
///
/// A batch ends
/// 1. before a block of another term than the one before;
/// 2. before a block with which its body would be longer than [`surety_stf::batch::MAX_BODY_BYTES`], or with which it
///    would have more blocks than L1 takes;
/// 3. before a block that is `age` or more later than its first one. **Before** it: a batch owes its part of the gas to
///    the messages due at its last block, and after an outage only the late block could consume those; together with many old
///    blocks it could never reach that part, and no such batch could ever be posted.
///
/// # Errors
/// See [`CutError`].
pub fn cut(
    store: &Store,
    parameters: &ChainParameters,
    age: Milliseconds,
    first: L2Height,
    until: L2Height,
) -> Result<Option<Cut>, CutError> {
    let mut writer = BodyWriter::new(parameters.rollup);
    let mut hashes = Vec::new();
    let mut begin = None;
    for number in first.get()..=until.get() {
        let height = L2Height::new(number);
        let stored = store.block_by_number(number)?.ok_or(surety_state::Error::UnknownNumber(number))?;
        let block = batch_block(parameters.rollup, &stored).ok_or(CutError::DefaultBlock(height))?;
        let (start, term) = *begin.get_or_insert((block.context.milliseconds, block.context.term));
        if block.context.term != term || block.context.milliseconds.since(start) >= age.get() {
            return finish(&writer, height, hashes);
        }
        match writer.push(&block) {
            Ok(()) => {}
            Err(EncodeError::TooLong | EncodeError::TooMany) if !writer.is_empty() => {
                return finish(&writer, height, hashes);
            }
            Err(error) => return Err(CutError::Block { height, error }),
        }
        hashes.push(stored.hash);
    }
    Ok(None)
}

fn finish(writer: &BodyWriter, next: L2Height, hashes: Vec<alloy_primitives::B256>) -> Result<Option<Cut>, CutError> {
    let last = next.saturating_sub(1);
    let body = writer.finish().map_err(|error| CutError::Block { height: last, error })?;
    Ok(Some(Cut { last, body, hashes }))
}

/// What the data say of a stored block; `None` for a default block.
pub fn batch_block(rollup: RollupId, stored: &StoredBlock) -> Option<BatchBlock> {
    let context = decode_aux(rollup, &stored.aux)?;
    let content = stored.block.transactions.iter().skip(1);
    let messages = content.clone().take_while(|tx| tx.is_deposit()).count();
    Some(BatchBlock {
        context,
        beneficiary: stored.block.header.beneficiary,
        messages: messages as u64,
        transactions: content.skip(messages).cloned().collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequencer::MAX_BLOCK_BYTES;
    use alloy_consensus::{Signed, TxEip1559};
    use alloy_eips::eip2718::Encodable2718 as _;
    use alloy_primitives::{Address, Signature, TxKind, U256};
    use surety_types::{ConsensusContext, Term, Transaction, View};

    const ROLLUP: RollupId = RollupId::new(7);
    /// More than a block's gas pays for.
    const MOST_TRANSACTIONS: usize = 3_600;

    /// Its signature is as short on the wire as one can be.
    fn transaction(input: Vec<u8>) -> Transaction {
        let to = TxKind::Call(Address::repeat_byte(3));
        let tx = TxEip1559 { chain_id: 7, gas_limit: 21_000, to, input: input.into(), ..Default::default() };
        Transaction::Eip1559(Signed::new_unhashed(tx, Signature::new(U256::ONE, U256::ONE, true)))
    }

    /// Bytes of which no word comes again.
    fn noise(length: usize, seed: u64) -> Vec<u8> {
        let mut state = seed;
        let next = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..length).map(next).collect()
    }

    /// A block that has `bytes` on the wire, of transactions that carry an input each.
    fn fits(bytes: usize, input: impl Fn(u64) -> Vec<u8>) -> Result<(), EncodeError> {
        let each = transaction(input(0)).encode_2718_len();
        let count = (bytes / each).min(MOST_TRANSACTIONS);
        let context = ConsensusContext {
            rollup: ROLLUP,
            term: Term::new(1),
            view: View::new(u64::MAX),
            parent_view: View::new(3),
            milliseconds: Milliseconds::new(u64::MAX / 2),
        };
        let transactions = (0..count as u64).map(|seed| transaction(input(seed))).collect();
        let block = BatchBlock { context, beneficiary: Address::repeat_byte(9), messages: u64::MAX, transactions };
        BodyWriter::new(ROLLUP).push(&block)
    }

    #[test]
    fn each_block_that_may_be_proposed_fits_a_batch_of_its_own() {
        for input in [0, 1, 100, 10_000, 128 << 10] {
            assert_eq!(fits(MAX_BLOCK_BYTES, |_| vec![0; input]), Ok(()), "{input} zeros each");
            assert_eq!(fits(MAX_BLOCK_BYTES, |seed| noise(input, seed)), Ok(()), "{input} bytes each");
        }
        let mebibyte = fits(2 * MAX_BLOCK_BYTES, |seed| noise(10_000, seed));
        assert_eq!(mebibyte, Err(EncodeError::TooLong), "a mebibyte would not");
    }
}
