//! Blocks: an ordinary Ethereum header and a list of transactions.

use crate::Transaction;
use alloc::vec::Vec;
use alloy_eips::eip4895::Withdrawals;
use alloy_primitives::B256;

pub use alloy_consensus::Header;

/// A block of either chain as it is executed, stored and served. Its identity is the header's hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The header.
    pub header: Header,
    /// Transactions in order.
    pub transactions: Vec<Transaction>,
    /// L1 only, before the merge: uncle headers.
    pub ommers: Vec<Header>,
    /// Withdrawals of the beacon chain (L1), or the empty list (L2); `None` before Shanghai.
    pub withdrawals: Option<Withdrawals>,
}

impl Block {
    /// keccak256 of the header's RLP. Costs a hash: keep it if it is needed twice.
    pub fn hash(&self) -> B256 {
        self.header.hash_slow()
    }

    /// The RLP that Ethereum's network and `debug_getRawBlock` use: header, transactions, uncles, withdrawals.
    pub fn rlp(&self) -> Vec<u8> {
        alloy_rlp::encode(alloy_consensus::Block {
            header: &self.header,
            body: alloy_consensus::BlockBody {
                transactions: self.transactions.iter().collect(),
                ommers: self.ommers.iter().collect(),
                withdrawals: self.withdrawals.clone(),
            },
        })
    }

    /// Decodes what [`Self::rlp`] wrote, and moves `bytes` behind it.
    ///
    /// # Errors
    /// Any encoding that is not a block's.
    pub fn decode_rlp(bytes: &mut &[u8]) -> alloy_rlp::Result<Self> {
        let block = <alloy_consensus::Block<Transaction> as alloy_rlp::Decodable>::decode(bytes)?;
        Ok(Self {
            header: block.header,
            transactions: block.body.transactions,
            ommers: block.body.ommers,
            withdrawals: block.body.withdrawals,
        })
    }
}
