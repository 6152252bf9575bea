//! How blocks get into the database and out of it again.
//!
//! A block is written with everything that it changes in one transaction: flat state, trie nodes, headers, bodies,
//! receipts, indices. For each key that it changes, the history gets the value from before under (key, height), and the
//! block's undo record gets the key. So the history answers questions about the past, and it is the undo log: to take
//! the last block back, each key of its undo record gets its value from before. When a height leaves the history, its undo
//! record says which entries go.

use crate::{
    db::{BlockRef, Table, Writer, meta},
    encoding::{decode_number, encode_body, encode_header, encode_receipts, node_key, slot_key, storage_nodes_prefix},
    error::{Error, Result},
    layer::Layer,
    store::StoredBlock,
    view::history_key,
};

/// Most blocks whose history is pruned in one commit per block committed: what bounds the work when the history was
/// shortened by configuration.
const PRUNE_PER_BLOCK: u64 = 4;

/// Writes one block over its parent. `history` says whether the values from before are kept.
pub(crate) fn write_block(w: &Writer, block: &StoredBlock, layer: &Layer, history: bool) -> Result<()> {
    write_state(w, block.block.header.number, layer, history)?;
    let height = block.block.header.number.to_be_bytes();
    w.put(Table::Headers, &height, &encode_header(block.hash, &block.block.header))?;
    w.put(Table::Bodies, &height, &encode_body(&block.block, &block.senders))?;
    w.put(Table::Receipts, &height, &encode_receipts(&block.receipts))?;
    w.put(Table::Aux, &height, &block.aux)?;
    w.put(Table::Numbers, block.hash.as_slice(), &height)?;
    for (index, tx) in (0u32..).zip(&block.block.transactions) {
        let mut place = [0; 12];
        place[..8].copy_from_slice(&height);
        place[8..].copy_from_slice(&index.to_be_bytes());
        w.put(Table::Transactions, tx.hash().as_slice(), &place)?;
    }
    w.put(Table::Meta, meta::HEAD, &block.at().encode())
}

fn write_state(w: &Writer, number: u64, layer: &Layer, history: bool) -> Result<()> {
    let mut changes = Changes { w, number, history, wipes: !layer.wiped.is_empty(), undo: Vec::new() };
    for address in &layer.wiped {
        for key in w.keys(Table::Storage, address.as_slice())? {
            changes.set(Table::Storage, &key, None)?;
        }
        for key in w.keys(Table::Nodes, &storage_nodes_prefix(address))? {
            changes.set(Table::Nodes, &key, None)?;
        }
    }
    // In the order of the keys, so that neighbours in the tree are written together.
    let mut accounts: Vec<_> = layer.accounts.iter().collect();
    accounts.sort_unstable_by_key(|(address, _)| **address);
    for (address, record) in accounts {
        changes.set(Table::Accounts, address.as_slice(), record.map(|r| r.encode()).as_deref())?;
    }
    let mut slots: Vec<_> = layer.storage.iter().map(|((a, s), value)| (slot_key(a, s), value)).collect();
    slots.sort_unstable_by_key(|(key, _)| *key);
    for (key, value) in slots {
        let value = (!value.is_zero()).then(|| value.to_be_bytes_trimmed_vec());
        changes.set(Table::Storage, &key, value.as_deref())?;
    }
    let storage_nodes = layer
        .storage_nodes
        .iter()
        .flat_map(|(owner, nodes)| nodes.iter().map(move |(path, rlp)| (node_key(Some(owner), path), rlp)));
    let mut nodes: Vec<_> =
        layer.account_nodes.iter().map(|(path, rlp)| (node_key(None, path), rlp)).chain(storage_nodes).collect();
    nodes.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    for (key, rlp) in nodes {
        changes.set(Table::Nodes, &key, rlp.as_ref().map(|rlp| &rlp[..]))?;
    }
    for (hash, code) in &layer.codes {
        w.put(Table::Codes, hash.as_slice(), code)?;
    }
    if history {
        w.put(Table::Undo, &number.to_be_bytes(), &changes.undo)?;
    }
    Ok(())
}

struct Changes<'a> {
    w: &'a Writer,
    number: u64,
    history: bool,
    wipes: bool,
    undo: Vec<u8>,
}

impl Changes<'_> {
    fn set(&mut self, table: Table, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        if self.history {
            let old = self.w.get(table, key)?;
            if old.as_deref() == value {
                return Ok(());
            }
            let tag = table as u8;
            let entry = history_key(tag, key, self.number);
            // A key that one block changes twice (wiped, then written) keeps the value from before the block.
            let noted = self.wipes && self.w.get(Table::History, &entry)?.is_some();
            if !noted {
                self.w.put(Table::History, &entry, old.as_deref().unwrap_or_default())?;
                self.undo.push(1 + key.len() as u8);
                self.undo.push(tag);
                self.undo.extend_from_slice(key);
            }
        }
        match value {
            Some(value) => self.w.put(table, key, value),
            None => self.w.delete(table, key),
        }
    }
}

/// Calls `each` with every table and key of an undo record.
fn for_each_undone(record: &[u8], mut each: impl FnMut(Table, u8, &[u8]) -> Result<()>) -> Result<()> {
    const DAMAGED: Error = Error::Corrupt("an undo record does not decode");
    let mut rest = record;
    while let Some((&length, after)) = rest.split_first() {
        let (entry, after) = after.split_at_checked(usize::from(length)).ok_or(DAMAGED)?;
        let (&tag, key) = entry.split_first().ok_or(DAMAGED)?;
        each(Table::flat(tag).ok_or(DAMAGED)?, tag, key)?;
        rest = after;
    }
    Ok(())
}

/// Takes the committed head back. `parent` becomes the head.
pub(crate) fn undo_block(w: &Writer, block: &StoredBlock, parent: BlockRef) -> Result<()> {
    let number = block.block.header.number;
    let height = number.to_be_bytes();
    let record = w.get(Table::Undo, &height)?.ok_or(Error::Corrupt("an undo record is missing"))?;
    for_each_undone(&record, |table, tag, key| {
        let entry = history_key(tag, key, number);
        let old = w.get(Table::History, &entry)?.ok_or(Error::Corrupt("a history entry is missing"))?;
        if old.is_empty() {
            w.delete(table, key)?
        } else {
            w.put(table, key, &old)?
        }
        w.delete(Table::History, &entry)
    })?;
    for table in [Table::Undo, Table::Headers, Table::Bodies, Table::Receipts, Table::Aux] {
        w.delete(table, &height)?;
    }
    w.delete(Table::Numbers, block.hash.as_slice())?;
    for tx in &block.block.transactions {
        w.delete(Table::Transactions, tx.hash().as_slice())?;
    }
    w.put(Table::Meta, meta::HEAD, &parent.encode())
}

/// Whether blocks on the committed head need history: not if none is to be kept and none from before is left. (While
/// some is left, a gap above it would make it wrong.)
pub(crate) fn keeps_history(w: &Writer, keep: u64) -> Result<bool> {
    let head = w.get(Table::Meta, meta::HEAD)?.ok_or(Error::Corrupt("the head is missing"))?;
    Ok(keep > 0 || oldest(w)? < BlockRef::decode(&head)?.number)
}

fn oldest(w: &Writer) -> Result<u64> {
    decode_number(&w.get(Table::Meta, meta::OLDEST)?.ok_or(Error::Corrupt("the oldest height is missing"))?)
}

/// Drops history until only `keep` blocks below `head` have theirs, as far as the budget of `blocks` goes.
pub(crate) fn prune(w: &Writer, head: u64, keep: u64, blocks: u64) -> Result<()> {
    let mut oldest = oldest(w)?;
    let goal = head.saturating_sub(keep).min(oldest.saturating_add(blocks.saturating_mul(PRUNE_PER_BLOCK)));
    if oldest >= goal {
        return Ok(());
    }
    while oldest < goal {
        oldest += 1;
        let height = oldest.to_be_bytes();
        if let Some(record) = w.get(Table::Undo, &height)? {
            for_each_undone(&record, |_, tag, key| w.delete(Table::History, &history_key(tag, key, oldest)))?;
            w.delete(Table::Undo, &height)?;
        }
    }
    w.put(Table::Meta, meta::OLDEST, &oldest.to_be_bytes())
}
