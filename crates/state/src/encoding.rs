//! How things are written into the database. Integers are big endian, so that keys sort by number.
//!
//! | record | bytes |
//! |---|---|
//! | account | 1: nonce length, bit 4 code, bit 5 storage · 1: balance length · nonce · balance · code hash · storage root |
//! | slot | the value without leading zeros |
//! | node key | 0 · nibble count · packed nibbles, or 1 · address · nibble count · packed nibbles |
//! | header | hash · RLP of the header |
//! | body | RLP list: transactions (EIP-2718 strings), ommers, withdrawals (list of none or one list), senders |
//! | receipts | RLP list of EIP-2718 strings |

use crate::error::{Error, Result};
use alloy_consensus::Header;
use alloy_eips::{
    eip2718::{Decodable2718, Encodable2718},
    eip4895::{Withdrawal, Withdrawals},
};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use alloy_rlp::{Decodable, Encodable};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles};
use surety_types::{Account, Block, Receipt, Transaction};

/// An account with the root of its storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AccountRecord {
    pub(crate) account: Account,
    pub(crate) storage_root: B256,
}

/// Keys of flat tables.
pub(crate) fn slot_key(address: &Address, slot: &U256) -> [u8; 52] {
    let mut key = [0; 52];
    key[..20].copy_from_slice(address.as_slice());
    key[20..].copy_from_slice(&slot.to_be_bytes::<32>());
    key
}

/// The key of a node of the account trie (`None`) or of an account's storage trie.
pub(crate) fn node_key(owner: Option<&Address>, path: &Nibbles) -> Vec<u8> {
    let mut key = owner.map_or_else(|| vec![0], storage_nodes_prefix);
    key.push(path.len() as u8);
    key.extend_from_slice(&path.pack());
    key
}

/// What the keys of all nodes of an account's storage trie begin with.
pub(crate) fn storage_nodes_prefix(owner: &Address) -> Vec<u8> {
    let mut key = Vec::with_capacity(54);
    key.push(1);
    key.extend_from_slice(owner.as_slice());
    key
}

impl AccountRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let nonce = self.account.nonce.to_be_bytes();
        let nonce = &nonce[self.account.nonce.leading_zeros() as usize / 8..];
        let balance = self.account.balance.to_be_bytes_trimmed_vec();
        let (code, storage) = (self.account.code_hash != KECCAK256_EMPTY, self.storage_root != EMPTY_ROOT_HASH);
        let mut out = Vec::with_capacity(2 + nonce.len() + balance.len() + 64);
        out.push(nonce.len() as u8 | u8::from(code) << 4 | u8::from(storage) << 5);
        out.push(balance.len() as u8);
        out.extend_from_slice(nonce);
        out.extend_from_slice(&balance);
        if code {
            out.extend_from_slice(self.account.code_hash.as_slice());
        }
        if storage {
            out.extend_from_slice(self.storage_root.as_slice());
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        const DAMAGED: Error = Error::Corrupt("an account does not decode");
        let (&[flags, balance_length], rest) = bytes.split_first_chunk::<2>().ok_or(DAMAGED)?;
        let (nonce, rest) = rest.split_at_checked(usize::from(flags & 0xf)).ok_or(DAMAGED)?;
        let (balance, mut rest) = rest.split_at_checked(usize::from(balance_length)).ok_or(DAMAGED)?;
        let mut hash = |present: bool, default: B256| {
            if !present {
                return Ok(default);
            }
            let (hash, after) = rest.split_first_chunk::<32>().ok_or(DAMAGED)?;
            rest = after;
            Ok(B256::from(*hash))
        };
        let code_hash = hash(flags & 0x10 != 0, KECCAK256_EMPTY)?;
        let storage_root = hash(flags & 0x20 != 0, EMPTY_ROOT_HASH)?;
        if !rest.is_empty() {
            return Err(DAMAGED);
        }
        let balance = U256::try_from_be_slice(balance).ok_or(DAMAGED)?;
        let nonce = U256::try_from_be_slice(nonce).and_then(|n| n.try_into().ok()).ok_or(DAMAGED)?;
        Ok(Self { account: Account { nonce, balance, code_hash }, storage_root })
    }
}

pub(crate) fn decode_slot(bytes: &[u8]) -> Result<U256> {
    U256::try_from_be_slice(bytes).ok_or(Error::Corrupt("a slot does not decode"))
}

pub(crate) fn decode_number(bytes: &[u8]) -> Result<u64> {
    Ok(u64::from_be_bytes(bytes.try_into().map_err(|_| Error::Corrupt("a number does not decode"))?))
}

pub(crate) fn encode_header(hash: B256, header: &Header) -> Vec<u8> {
    let mut out = hash.to_vec();
    header.encode(&mut out);
    out
}

pub(crate) fn decode_header(bytes: &[u8]) -> Result<(B256, Header)> {
    const DAMAGED: Error = Error::Corrupt("a header does not decode");
    let (hash, rlp) = bytes.split_first_chunk::<32>().ok_or(DAMAGED)?;
    Ok((B256::from(*hash), alloy_rlp::decode_exact(rlp).map_err(|_| DAMAGED)?))
}

fn list(items: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(items.iter().map(Vec::len).sum::<usize>() + 4 * items.len() + 9);
    let payload_length = items.iter().map(|i| i.as_slice().length()).sum();
    alloy_rlp::Header { list: true, payload_length }.encode(&mut out);
    for item in items {
        item.as_slice().encode(&mut out);
    }
    out
}

pub(crate) fn encode_body(block: &Block, senders: &[Address]) -> Vec<u8> {
    let transactions = list(&block.transactions.iter().map(Encodable2718::encoded_2718).collect::<Vec<_>>());
    let withdrawals: Vec<Vec<Withdrawal>> = block.withdrawals.iter().map(|w| w.to_vec()).collect();
    let mut signed_by = Vec::with_capacity(21 * senders.len() + 9);
    alloy_rlp::encode_list::<Address, Address>(senders, &mut signed_by);
    let payload_length = transactions.len() + block.ommers.length() + withdrawals.length() + signed_by.len();
    let mut out = Vec::with_capacity(payload_length + 9);
    alloy_rlp::Header { list: true, payload_length }.encode(&mut out);
    out.extend_from_slice(&transactions);
    block.ommers.encode(&mut out);
    withdrawals.encode(&mut out);
    out.extend_from_slice(&signed_by);
    out
}

pub(crate) fn decode_body(header: Header, bytes: &[u8]) -> Result<(Block, Vec<Address>)> {
    let read = || -> alloy_rlp::Result<(Block, Vec<Address>)> {
        let buf = &mut alloy_rlp::Header::decode_bytes(&mut &bytes[..], true)?;
        let transactions = Vec::<Bytes>::decode(buf)?
            .into_iter()
            .map(|tx| Transaction::decode_2718_exact(&tx).map_err(|_| alloy_rlp::Error::Custom("transaction")))
            .collect::<alloy_rlp::Result<_>>()?;
        let ommers = Vec::<Header>::decode(buf)?;
        let withdrawals = Vec::<Vec<Withdrawal>>::decode(buf)?.pop().map(Withdrawals::new);
        let senders = Vec::<Address>::decode(buf)?;
        Ok((Block { header, transactions, ommers, withdrawals }, senders))
    };
    read().map_err(|_| Error::Corrupt("a block body does not decode"))
}

pub(crate) fn encode_receipts(receipts: &[Receipt]) -> Vec<u8> {
    list(&receipts.iter().map(Encodable2718::encoded_2718).collect::<Vec<_>>())
}

pub(crate) fn decode_receipts(bytes: &[u8]) -> Result<Vec<Receipt>> {
    alloy_rlp::decode_exact::<Vec<Bytes>>(bytes)
        .and_then(|list| list.iter().map(|r| Receipt::decode_2718_exact(r)).collect())
        .map_err(|_| Error::Corrupt("a receipt does not decode"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_account_record_reads_back(nonce: u64, balance: [u8; 32], small: bool, code: bool, storage: bool, hash: [u8; 32]) {
            let balance = U256::from_be_bytes(balance) >> if small { 200 } else { 0 };
            let record = AccountRecord {
                account: Account { nonce, balance, code_hash: if code { hash.into() } else { KECCAK256_EMPTY } },
                storage_root: if storage { hash.into() } else { EMPTY_ROOT_HASH },
            };
            prop_assert_eq!(AccountRecord::decode(&record.encode()).unwrap(), record);
        }

        #[test]
        fn damaged_records_are_refused_without_a_panic(bytes: Vec<u8>) {
            let _ = AccountRecord::decode(&bytes);
            let _ = decode_header(&bytes);
            let _ = decode_body(Header::default(), &bytes);
            let _ = decode_receipts(&bytes);
        }
    }
}
