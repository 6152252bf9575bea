//! A small transaction pool, for chains with one block maker: the embedded L1 and tests.
//!
//! It holds checked transactions by sender and nonce. A transaction is *executable* when every nonce from the sender's
//! account nonce up to its own is in the pool. A second transaction with the same nonce replaces the first when it pays
//! at least a tenth more (a blob transaction: twice as much, of each fee). The pool is bounded; when it is full, a new
//! sender's transaction is refused. Sequencers have their own pool (`surety-node`).

use crate::{PoolContent, Submission, SubmitError};
use alloy_consensus::{BlobTransactionSidecarVariant, Transaction as _, Typed2718};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use parking_lot::RwLock;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};
use surety_types::{Account, Recovered, Transaction};
use tokio::sync::broadcast;

/// How far ahead of the account's nonce a transaction may be.
const MOST_AHEAD: u64 = 1024;

/// Transactions with blobs in the pool: at six blobs each, 100 MB.
const MOST_WITH_BLOBS: usize = 128;

/// What the chain admits at its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Greatest gas limit of a transaction: the block's, or EIP-7825's if that is lower.
    pub gas_limit: u64,
    /// Whether type 3 is taken.
    pub blobs: bool,
    /// The EVM's rules, for the intrinsic cost.
    pub spec: revm::primitives::hardfork::SpecId,
}

/// A transaction in the pool.
#[derive(Debug, Clone)]
pub struct Pooled {
    /// The transaction and its sender.
    pub transaction: Arc<Recovered<Transaction>>,
    /// Blobs of a type 3 transaction.
    pub sidecar: Option<Arc<BlobTransactionSidecarVariant>>,
    /// As it was sent.
    pub raw: Bytes,
}

#[derive(Debug, Default)]
struct Inner {
    by_hash: HashMap<B256, Pooled>,
    by_sender: BTreeMap<Address, BTreeMap<u64, B256>>,
}

/// See the module.
#[derive(Debug)]
pub struct Pool {
    inner: RwLock<Inner>,
    capacity: usize,
    events: broadcast::Sender<Arc<Recovered<Transaction>>>,
}

impl Pool {
    /// A pool for at most `capacity` transactions.
    pub fn new(capacity: usize) -> Self {
        Self { inner: RwLock::default(), capacity, events: broadcast::Sender::new(4096) }
    }

    /// Transactions that are taken from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Recovered<Transaction>>> {
        self.events.subscribe()
    }

    /// Takes a transaction whose sidecar, if any, is checked already. `account` and `code` are the sender's at the head
    /// (`code` may be empty where the account has none).
    ///
    /// # Errors
    /// See [`SubmitError`].
    pub fn add(
        &self,
        submission: Submission,
        account: &Account,
        code: &[u8],
        admission: &Admission,
    ) -> Result<B256, SubmitError> {
        let Submission { transaction, sidecar, raw } = submission;
        check(&transaction, sidecar.as_ref(), account, code, admission)?;
        let hash = *transaction.hash();
        let (sender, nonce) = (transaction.signer(), transaction.nonce());
        let mut inner = self.inner.write();
        if inner.by_hash.contains_key(&hash) {
            return Err(SubmitError::AlreadyKnown);
        }
        let replaced = inner.by_sender.get(&sender).and_then(|nonces| nonces.get(&nonce)).copied();
        match replaced.and_then(|old| inner.by_hash.get(&old)) {
            Some(old) if !pays_more(&transaction, &old.transaction) => {
                return Err(SubmitError::ReplacementUnderpriced);
            }
            None if inner.by_hash.len() >= self.capacity => return Err(SubmitError::Full),
            _ => {}
        }
        let blobs = |p: &&Pooled| p.sidecar.is_some();
        if sidecar.is_some() && inner.by_hash.values().filter(blobs).count() >= MOST_WITH_BLOBS {
            return Err(SubmitError::Full);
        }
        if let Some(old) = replaced {
            inner.by_hash.remove(&old);
        }
        let transaction = Arc::new(transaction);
        inner.by_sender.entry(sender).or_default().insert(nonce, hash);
        let pooled = Pooled { transaction: transaction.clone(), sidecar: sidecar.map(Arc::new), raw };
        inner.by_hash.insert(hash, pooled);
        drop(inner);
        // Nobody listening is no error.
        let _ = self.events.send(transaction);
        Ok(hash)
    }

    /// A transaction by hash.
    pub fn get(&self, hash: B256) -> Option<Pooled> {
        self.inner.read().by_hash.get(&hash).cloned()
    }

    /// The nonce after the executable transactions of `sender`, whose account nonce is `nonce`; `None` if there are none.
    pub fn next_nonce(&self, sender: Address, nonce: u64) -> Option<u64> {
        let inner = self.inner.read();
        let run = executable(inner.by_sender.get(&sender)?, nonce).count() as u64;
        (run > 0).then(|| nonce.saturating_add(run))
    }

    /// Executable and waiting transactions of all senders, or of one; `nonce` gives an account's nonce at the head.
    pub fn content(&self, sender: Option<Address>, nonce: impl Fn(Address) -> u64) -> PoolContent {
        let inner = self.inner.read();
        let mut content = PoolContent::default();
        for (address, nonces) in &inner.by_sender {
            if sender.is_some_and(|wanted| wanted != *address) {
                continue;
            }
            let from = nonce(*address);
            let end = from.saturating_add(executable(nonces, from).count() as u64);
            for (nonce, hash) in nonces {
                let Some(pooled) = inner.by_hash.get(hash) else { continue };
                let list = if (from..end).contains(nonce) { &mut content.pending } else { &mut content.queued };
                list.push(pooled.transaction.clone());
            }
        }
        content
    }

    /// Executable transactions in the order in which a block takes them: the best priority fee first, each sender's in
    /// the order of nonces, none that cannot pay `base_fee` or `blob_base_fee`.
    pub fn best(&self, base_fee: u64, blob_base_fee: u128, nonce: impl Fn(Address) -> u64) -> Vec<Pooled> {
        let inner = self.inner.read();
        let mut heads: Vec<std::vec::IntoIter<&Pooled>> = Vec::new();
        for (address, nonces) in &inner.by_sender {
            let run: Vec<&Pooled> = executable(nonces, nonce(*address))
                .map_while(|hash| inner.by_hash.get(hash))
                .take_while(|p| {
                    p.transaction.max_fee_per_gas() >= u128::from(base_fee)
                        && p.transaction.max_fee_per_blob_gas().is_none_or(|fee| fee >= blob_base_fee)
                })
                .collect();
            heads.push(run.into_iter());
        }
        let tip = |p: &Pooled| p.transaction.effective_tip_per_gas(base_fee).unwrap_or_default();
        let mut queue: std::collections::BinaryHeap<(u128, usize)> =
            heads.iter().enumerate().filter_map(|(i, run)| Some((tip(run.as_slice().first()?), i))).collect();
        let mut best = Vec::new();
        while let Some((_, i)) = queue.pop() {
            let Some(run) = heads.get_mut(i) else { continue };
            best.extend(run.next().cloned());
            if let Some(next) = run.as_slice().first() {
                queue.push((tip(next), i));
            }
        }
        best
    }

    /// Forgets what a new block made useless: every transaction of these senders below their new account nonce.
    pub fn mined(&self, nonces: impl IntoIterator<Item = (Address, u64)>) {
        let inner = &mut *self.inner.write();
        for (sender, nonce) in nonces {
            let Some(waiting) = inner.by_sender.get_mut(&sender) else { continue };
            let kept = waiting.split_off(&nonce);
            for hash in core::mem::replace(waiting, kept).into_values() {
                inner.by_hash.remove(&hash);
            }
            if waiting.is_empty() {
                inner.by_sender.remove(&sender);
            }
        }
    }

    /// Drops one transaction (a block maker found that it cannot be executed).
    pub fn remove(&self, hash: B256) {
        let inner = &mut *self.inner.write();
        let Some(pooled) = inner.by_hash.remove(&hash) else { return };
        let sender = pooled.transaction.signer();
        if let Some(nonces) = inner.by_sender.get_mut(&sender) {
            nonces.remove(&pooled.transaction.nonce());
            if nonces.is_empty() {
                inner.by_sender.remove(&sender);
            }
        }
    }

    /// How many transactions there are.
    pub fn len(&self) -> usize {
        self.inner.read().by_hash.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Hashes from `nonce` on without a gap.
fn executable(nonces: &BTreeMap<u64, B256>, nonce: u64) -> impl Iterator<Item = &B256> {
    nonces.range(nonce..).zip(nonce..).take_while(|((have, _), want)| *have == want).map(|((_, hash), _)| hash)
}

fn pays_more(new: &Transaction, old: &Transaction) -> bool {
    let percent = if new.ty() == 3 || old.ty() == 3 { 200 } else { 110 };
    let enough = |new: u128, old: u128| U256::from(new) * U256::from(100) >= U256::from(old) * U256::from(percent);
    let tip = |tx: &Transaction| tx.max_priority_fee_per_gas().unwrap_or_else(|| tx.max_fee_per_gas());
    enough(new.max_fee_per_gas(), old.max_fee_per_gas())
        && enough(tip(new), tip(old))
        && enough(new.max_fee_per_blob_gas().unwrap_or_default(), old.max_fee_per_blob_gas().unwrap_or_default())
}

fn check(
    tx: &Recovered<Transaction>,
    sidecar: Option<&BlobTransactionSidecarVariant>,
    account: &Account,
    code: &[u8],
    admission: &Admission,
) -> Result<(), SubmitError> {
    if tx.is_deposit() || (tx.ty() == 3 && !admission.blobs) || sidecar.is_some() != (tx.ty() == 3) {
        return Err(SubmitError::Type);
    }
    if tx.chain_id().is_some_and(|id| id != admission.chain_id) {
        return Err(SubmitError::ChainId { expected: admission.chain_id });
    }
    let (expected, given) = (account.nonce, tx.nonce());
    if given < expected {
        return Err(SubmitError::NonceTooLow { expected, given });
    }
    if given.saturating_sub(expected) > MOST_AHEAD || given == u64::MAX {
        return Err(SubmitError::NonceTooHigh { expected, given });
    }
    if account.code_hash != KECCAK256_EMPTY && !code.starts_with(&[0xef, 0x01, 0x00]) {
        return Err(SubmitError::SenderHasCode);
    }
    if tx.max_priority_fee_per_gas().is_some_and(|tip| tip > tx.max_fee_per_gas()) {
        return Err(SubmitError::TipAboveFee);
    }
    if tx.gas_limit() > admission.gas_limit {
        return Err(SubmitError::GasLimit);
    }
    let (accounts, slots) = tx.access_list().map_or((0, 0), |list| (list.len(), list.storage_keys_count()));
    let authorizations = tx.authorization_count().unwrap_or_default();
    let gas = revm::interpreter::gas::calculate_initial_tx_gas(
        admission.spec,
        tx.input(),
        tx.is_create(),
        accounts as u64,
        slots as u64,
        authorizations,
    );
    if tx.gas_limit() < gas.initial_total_gas.max(gas.floor_gas) {
        return Err(SubmitError::IntrinsicGas);
    }
    let blob_fee =
        U256::from(tx.blob_gas_used().unwrap_or_default()) * U256::from(tx.max_fee_per_blob_gas().unwrap_or_default());
    let cost = (U256::from(tx.gas_limit()) * U256::from(tx.max_fee_per_gas()))
        .saturating_add(blob_fee)
        .saturating_add(tx.value());
    if account.balance < cost {
        return Err(SubmitError::InsufficientFunds);
    }
    Ok(())
}

impl Pooled {
    /// The hash of the transaction.
    pub fn hash(&self) -> B256 {
        *self.transaction.hash()
    }
}

#[cfg(test)]
mod tests;
