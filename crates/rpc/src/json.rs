//! Blocks, transactions, receipts and logs as JSON: the execution-apis' fields, and the OP Stack's on L2.
//!
//! Everything here borrows from the block that is served and is written once, straight into the answer.
//!
//! On L2 ordinary receipts carry the OP Stack's L1 fee fields ([`L1Fees`]), deposits carry `depositNonce` and
//! `depositReceiptVersion`, and deposit transactions show `sourceHash`, `mint` and `isSystemTx` with an all-zero
//! signature, as op-geth answers and SDKs parse.

use crate::{StoredBlock, history, l1_fees::L1Fees};
use alloy_consensus::{Eip658Value, Transaction as _, Typed2718};
use alloy_eips::{eip2930::AccessList, eip4895::Withdrawals, eip7702::SignedAuthorization};
use alloy_primitives::{Address, B256, Bloom, Bytes, U64, U256};

use serde::{Serialize, Serializer, ser::SerializeSeq};
use surety_types::{Block, Header, Receipt, Transaction};

/// Where a transaction stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) block: &'a StoredBlock,
    pub(crate) index: usize,
}

/// A transaction, in a block or in the pool.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TransactionJson<'a> {
    block_hash: Option<B256>,
    block_number: Option<U64>,
    block_timestamp: Option<U64>,
    from: Address,
    gas: U64,
    gas_price: U256,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_fee_per_gas: Option<U256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_priority_fee_per_gas: Option<U256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_fee_per_blob_gas: Option<U256>,
    hash: B256,
    input: &'a Bytes,
    nonce: U64,
    to: Option<Address>,
    transaction_index: Option<U64>,
    value: U256,
    r#type: U64,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_list: Option<&'a AccessList>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chain_id: Option<U64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blob_versioned_hashes: Option<&'a [B256]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization_list: Option<&'a [SignedAuthorization]>,
    v: U256,
    r: U256,
    s: U256,
    #[serde(skip_serializing_if = "Option::is_none")]
    y_parity: Option<U64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_hash: Option<B256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mint: Option<U256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_system_tx: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deposit_receipt_version: Option<U64>,
}

impl<'a> TransactionJson<'a> {
    /// The transaction at `place`; `None` if the block has fewer.
    pub(crate) fn mined(place: Place<'a>) -> Option<Self> {
        let Place { block, index } = place;
        let tx = block.block.transactions.get(index)?;
        let header = &block.block.header;
        let mut json = Self::new(tx, history::sender(block, index)?, header.base_fee_per_gas);
        json.block_hash = Some(block.hash);
        json.block_number = Some(U64::from(header.number));
        json.block_timestamp = Some(U64::from(header.timestamp));
        json.transaction_index = Some(U64::from(index));
        if let (Transaction::Deposit(_), Some(receipt)) = (tx, block.receipts.get(index)) {
            json.nonce = U64::from(receipt.deposit_nonce.unwrap_or_default());
            json.deposit_receipt_version = receipt.deposit_receipt_version.map(U64::from);
        }
        Some(json)
    }

    /// A transaction that waits in the pool.
    pub(crate) fn pending(tx: &'a Transaction, from: Address) -> Self {
        Self::new(tx, from, None)
    }

    fn new(tx: &'a Transaction, from: Address, base_fee: Option<u64>) -> Self {
        let deposit = tx.as_deposit();
        let signature = Signature::of(tx);
        let dynamic = tx.is_dynamic_fee() && deposit.is_none();
        Self {
            block_hash: None,
            block_number: None,
            block_timestamp: None,
            from,
            gas: U64::from(tx.gas_limit()),
            gas_price: U256::from(match (deposit, base_fee) {
                (Some(_), _) => 0,
                (None, base_fee) if base_fee.is_some() || !dynamic => tx.effective_gas_price(base_fee),
                (None, _) => tx.max_fee_per_gas(),
            }),
            max_fee_per_gas: dynamic.then(|| U256::from(tx.max_fee_per_gas())),
            max_priority_fee_per_gas: tx.max_priority_fee_per_gas().filter(|_| dynamic).map(U256::from),
            max_fee_per_blob_gas: tx.max_fee_per_blob_gas().map(U256::from),
            hash: *tx.hash(),
            input: tx.input(),
            nonce: U64::from(tx.nonce()),
            to: tx.to(),
            transaction_index: None,
            value: tx.value(),
            r#type: U64::from(tx.ty()),
            access_list: tx.access_list(),
            chain_id: tx.chain_id().map(U64::from),
            blob_versioned_hashes: tx.blob_versioned_hashes(),
            authorization_list: tx.authorization_list(),
            v: signature.v,
            r: signature.r,
            s: signature.s,
            y_parity: signature.y_parity,
            source_hash: deposit.map(|d| d.source_hash),
            mint: deposit.map(|d| U256::from(d.mint)),
            is_system_tx: deposit.map(|d| d.is_system_transaction),
            deposit_receipt_version: None,
        }
    }
}

struct Signature {
    v: U256,
    r: U256,
    s: U256,
    y_parity: Option<U64>,
}

impl Signature {
    fn of(tx: &Transaction) -> Self {
        let (signature, legacy_chain) = match tx {
            Transaction::Legacy(tx) => (tx.signature(), Some(tx.tx().chain_id)),
            Transaction::Eip2930(tx) => (tx.signature(), None),
            Transaction::Eip1559(tx) => (tx.signature(), None),
            Transaction::Eip4844(tx) => (tx.signature(), None),
            Transaction::Eip7702(tx) => (tx.signature(), None),
            Transaction::Deposit(_) => {
                return Self { v: U256::ZERO, r: U256::ZERO, s: U256::ZERO, y_parity: None };
            }
        };
        let parity = u64::from(signature.v());
        let v = match legacy_chain {
            // EIP-155, or before it 27 and 28.
            Some(Some(chain)) => U256::from(chain) * U256::from(2) + U256::from(35 + parity),
            Some(None) => U256::from(27 + parity),
            None => U256::from(parity),
        };
        let y_parity = legacy_chain.is_none().then(|| U64::from(parity));
        Self { v, r: signature.r(), s: signature.s(), y_parity }
    }
}

/// A log with its place.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogJson<'a> {
    address: Address,
    topics: &'a [B256],
    data: &'a Bytes,
    block_number: U64,
    transaction_hash: B256,
    transaction_index: U64,
    block_hash: B256,
    block_timestamp: U64,
    log_index: U64,
    removed: bool,
}

impl<'a> LogJson<'a> {
    /// Log `nth` of the transaction at `place`; `first` is the index in the block of that transaction's first log.
    pub(crate) fn new(place: Place<'a>, first: usize, nth: usize, removed: bool) -> Option<Self> {
        let Place { block, index } = place;
        let log = block.receipts.get(index)?.logs.get(nth)?;
        let header = &block.block.header;
        Some(Self {
            address: log.address,
            topics: log.topics(),
            data: &log.data.data,
            block_number: U64::from(header.number),
            transaction_hash: *block.block.transactions.get(index)?.hash(),
            transaction_index: U64::from(index),
            block_hash: block.hash,
            block_timestamp: U64::from(header.timestamp),
            log_index: U64::from(first.saturating_add(nth)),
            removed,
        })
    }
}

/// A receipt.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReceiptJson<'a> {
    block_hash: B256,
    block_number: U64,
    contract_address: Option<Address>,
    cumulative_gas_used: U64,
    effective_gas_price: U256,
    from: Address,
    gas_used: U64,
    logs: Vec<LogJson<'a>>,
    logs_bloom: Bloom,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<U64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<B256>,
    to: Option<Address>,
    transaction_hash: B256,
    transaction_index: U64,
    r#type: U64,
    #[serde(skip_serializing_if = "Option::is_none")]
    blob_gas_used: Option<U64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blob_gas_price: Option<U256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deposit_nonce: Option<U64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deposit_receipt_version: Option<U64>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    l1: Option<L1Fees>,
}

/// What a receipt's JSON needs beside the block: fees that depend on the chain.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct BlockFees {
    /// L1: the price of blob gas in the block.
    pub(crate) blob_gas_price: Option<u128>,
    /// L2: what the system transaction said of L1.
    pub(crate) l1: Option<crate::l1_fees::L1Attributes>,
}

impl<'a> ReceiptJson<'a> {
    /// The receipt of the transaction at `place`; `None` if the block has fewer.
    pub(crate) fn new(place: Place<'a>, first_log: usize, fees: &BlockFees) -> Option<Self> {
        let Place { block, index } = place;
        let tx = block.block.transactions.get(index)?;
        let receipt: &Receipt = block.receipts.get(index)?;
        let header = &block.block.header;
        let from = history::sender(block, index)?;
        let deposit = tx.is_deposit();
        let nonce = if deposit { receipt.deposit_nonce.unwrap_or_default() } else { tx.nonce() };
        let (status, root) = match receipt.status {
            Eip658Value::Eip658(ok) => (Some(U64::from(u8::from(ok))), None),
            Eip658Value::PostState(root) => (None, Some(root)),
        };
        let l1 = fees.l1.filter(|_| !deposit).map(|attributes| L1Fees::of(&attributes, tx));
        Some(Self {
            block_hash: block.hash,
            block_number: U64::from(header.number),
            contract_address: tx.is_create().then(|| from.create(nonce)),
            cumulative_gas_used: U64::from(receipt.cumulative_gas_used),
            effective_gas_price: if deposit {
                U256::ZERO
            } else {
                U256::from(tx.effective_gas_price(header.base_fee_per_gas))
            },
            from,
            gas_used: U64::from(history::gas_used(block, index)),
            logs: (0..receipt.logs.len()).filter_map(|nth| LogJson::new(place, first_log, nth, false)).collect(),
            logs_bloom: receipt.bloom(),
            status,
            root,
            to: tx.to(),
            transaction_hash: *tx.hash(),
            transaction_index: U64::from(index),
            r#type: U64::from(tx.ty()),
            blob_gas_used: match &l1 {
                Some(l1) => Some(U64::from(l1.da_footprint)),
                None => tx.blob_gas_used().map(U64::from),
            },
            blob_gas_price: fees.blob_gas_price.filter(|_| tx.ty() == 3).map(U256::from),
            deposit_nonce: receipt.deposit_nonce.filter(|_| deposit).map(U64::from),
            deposit_receipt_version: receipt.deposit_receipt_version.filter(|_| deposit).map(U64::from),
            l1,
        })
    }
}

/// A header with its hash.
#[derive(Debug, Serialize)]
pub(crate) struct HeaderJson<'a> {
    pub(crate) hash: B256,
    #[serde(flatten)]
    pub(crate) header: &'a Header,
}

/// A block with transactions as hashes or in full.
#[derive(Debug, Serialize)]
pub(crate) struct BlockJson<'a> {
    #[serde(flatten)]
    header: HeaderJson<'a>,
    size: U64,
    uncles: Vec<B256>,
    transactions: TransactionsJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawals: Option<&'a Withdrawals>,
}

impl<'a> BlockJson<'a> {
    /// The block, with full transactions if `full`.
    pub(crate) fn new(block: &'a StoredBlock, full: bool) -> Self {
        let inner = &block.block;
        Self {
            header: HeaderJson { hash: block.hash, header: &inner.header },
            size: U64::from(inner.rlp().len()),
            uncles: inner.ommers.iter().map(Header::hash_slow).collect(),
            transactions: TransactionsJson { block, full },
            withdrawals: inner.withdrawals.as_ref(),
        }
    }

    /// An uncle, which is a block without a body.
    pub(crate) fn uncle(header: &'a Header) -> UncleJson<'a> {
        let alone = Block { header: header.clone(), transactions: Vec::new(), ommers: Vec::new(), withdrawals: None };
        UncleJson {
            header: HeaderJson { hash: header.hash_slow(), header },
            size: U64::from(alone.rlp().len()),
            uncles: [],
            transactions: [],
        }
    }
}

/// See [`BlockJson::uncle`].
#[derive(Debug, Serialize)]
pub(crate) struct UncleJson<'a> {
    #[serde(flatten)]
    header: HeaderJson<'a>,
    size: U64,
    uncles: [B256; 0],
    transactions: [B256; 0],
}

#[derive(Debug)]
struct TransactionsJson<'a> {
    block: &'a StoredBlock,
    full: bool,
}

impl Serialize for TransactionsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let transactions = &self.block.block.transactions;
        let mut list = serializer.serialize_seq(Some(transactions.len()))?;
        for (index, tx) in transactions.iter().enumerate() {
            if self.full {
                let json = TransactionJson::mined(Place { block: self.block, index })
                    .ok_or_else(|| serde::ser::Error::custom("a sender is missing"))?;
                list.serialize_element(&json)?;
            } else {
                list.serialize_element(tx.hash())?;
            }
        }
        list.end()
    }
}
