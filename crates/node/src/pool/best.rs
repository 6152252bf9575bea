//! The order in which a block takes transactions.

use super::PoolTransaction;
use alloy_primitives::{Address, map::HashMap};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, hash_map::Entry},
    sync::Arc,
};

/// Transactions for one block: the highest tip first, each sender's in the order of nonces; ties go to the earlier
/// arrival. More may be added while the block is built.
///
/// A sender's first nonce is asked when it is first needed: it is that of the block's parent, which the pool's own head
/// may be behind.
#[derive(Debug)]
pub struct Best {
    base_fee: u64,
    senders: HashMap<Address, Queue>,
    heads: BinaryHeap<(u128, Reverse<u64>, Address, u64)>,
}

#[derive(Debug, Default)]
struct Queue {
    next: Option<u64>,
    /// Nothing more of this sender in this block.
    closed: bool,
    txs: BTreeMap<u64, Arc<PoolTransaction>>,
}

impl Best {
    /// None yet, at this base fee.
    pub fn new(base_fee: u64) -> Self {
        Self { base_fee, senders: HashMap::default(), heads: BinaryHeap::new() }
    }

    /// Adds transactions; `nonce` gives an account's nonce in the block's parent.
    pub fn extend<E>(
        &mut self,
        txs: impl IntoIterator<Item = Arc<PoolTransaction>>,
        nonce: impl Fn(Address) -> Result<u64, E>,
    ) -> Result<(), E> {
        for tx in txs {
            let address = tx.sender();
            let queue = match self.senders.entry(address) {
                Entry::Occupied(queue) => queue.into_mut(),
                Entry::Vacant(vacant) => vacant.insert(Queue { next: Some(nonce(address)?), ..Queue::default() }),
            };
            let at = tx.nonce();
            if queue.closed || queue.next.is_some_and(|next| at < next) {
                continue;
            }
            // A replacement stands in for what it replaces, which is then stale in the heap.
            queue.txs.insert(at, tx);
            if queue.next == Some(at) {
                self.offer(address);
            }
        }
        Ok(())
    }

    fn offer(&mut self, address: Address) {
        let Some(queue) = self.senders.get(&address) else { return };
        let head = queue.next.and_then(|next| queue.txs.get(&next));
        if let Some(tx) = head
            && let Some(tip) = tx.effective_tip(self.base_fee)
        {
            self.heads.push((tip, Reverse(tx.sequence), address, tx.nonce()));
        }
    }

    /// The best one. Say [`Best::taken`] or [`Best::close`] before asking again.
    pub fn take_best(&mut self) -> Option<Arc<PoolTransaction>> {
        while let Some((_, Reverse(sequence), address, nonce)) = self.heads.pop() {
            let Some(queue) = self.senders.get(&address) else { continue };
            if queue.closed || queue.next != Some(nonce) {
                continue;
            }
            if let Some(tx) = queue.txs.get(&nonce)
                && tx.sequence == sequence
            {
                return Some(tx.clone());
            }
        }
        None
    }

    /// The block has taken it: its sender's next one may follow.
    pub fn taken(&mut self, tx: &PoolTransaction) {
        if let Some(queue) = self.senders.get_mut(&tx.sender()) {
            queue.txs.remove(&tx.nonce());
            queue.next = tx.nonce().checked_add(1);
        }
        self.offer(tx.sender());
    }

    /// The block does not take it: nothing more of its sender.
    pub fn close(&mut self, tx: &PoolTransaction) {
        if let Some(queue) = self.senders.get_mut(&tx.sender()) {
            queue.closed = true;
            queue.txs.clear();
        }
    }

    /// Whether [`Best::take_best`] has something.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }
}
