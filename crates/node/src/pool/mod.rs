//! Keep transactions until a block takes them.
//!
//! # Rules
//!
//! - A transaction enters if it could stand in a block some day: [`admit`] (type 0, 1, 2 or 4, chain, gas limits,
//!   intrinsic gas), at most [`PoolConfig::max_transaction_bytes`] long, its nonce not used and at most
//!   [`PoolConfig::max_per_sender`] ahead, its sender no contract (EIP-3607; a delegation of EIP-7702 is none), and the
//!   sender's balance at the head covers it together with the sender's earlier transactions in the pool, L1 data fees
//!   included.
//! - Of one sender and nonce there is one. Another replaces it if both its fee caps are at least
//!   [`PoolConfig::replacement_percent`] higher.
//! - A transaction is *ready* when all nonces from the account's on are there, else it is *gapped*.
//! - Count, bytes and transactions of one sender are bounded. When the pool is full the cheapest tail leaves: the last
//!   transaction of a sender, gapped ones first, then the lowest priority fee. One that would itself be that is refused.
//! - What was included, or whose nonce is used, leaves with the head. A transaction leaves after [`PoolConfig::lifetime`].
//! - When the head goes back, transactions of removed blocks return. What the pool cannot hold as of the lower head, since its
//!   sender's ether comes only with blocks that are made again, is set aside and tried with each new head ([`returned`]).
//!
//! The builder reads the pool by [`Pool::since`]: a number grows with each arrival, so that it sees each once.

mod best;
mod metrics;
mod returned;
mod state;
#[cfg(test)]
mod tests;

pub use best::Best;

use alloy_consensus::Transaction as _;
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, TxHash, U256};
use parking_lot::{Mutex, RwLock};
use returned::Returned;
use state::State;
use std::{sync::Arc, time::Duration};
use surety_state::View;
use surety_stf::{
    StateReader,
    execute::op::{L1Attributes, Refusal, admit, next_base_fee},
};
use surety_types::{Account, ChainParameters, Header, Milliseconds, Recovered, Transaction};
use tokio::sync::{broadcast, watch};

/// How large the pool may grow, and how long it keeps what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolConfig {
    /// The most transactions.
    pub max_transactions: usize,
    /// The most bytes of encoded transactions.
    pub max_bytes: usize,
    /// The most transactions of one sender, and how far ahead of its account's nonce they may be.
    pub max_per_sender: usize,
    /// The most bytes of one transaction.
    pub max_transaction_bytes: usize,
    /// By how much, in hundredths, a replacement must raise both fee caps.
    pub replacement_percent: u128,
    /// How long a transaction waits.
    pub lifetime: Duration,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            max_transactions: 20_000,
            max_bytes: 64 << 20,
            max_per_sender: 1_024,
            max_transaction_bytes: 128 << 10,
            replacement_percent: 10,
            lifetime: Duration::from_secs(3 * 3600),
        }
    }
}

/// Why a transaction is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// No block would take it, or not from this sender now.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It is here already.
    #[error("already known")]
    AlreadyKnown,
    /// One with its nonce is here and it does not pay enough more.
    #[error("replacement transaction underpriced: both fee caps must rise by {percent} %")]
    Underpriced {
        /// By how much they must rise.
        percent: u128,
    },
    /// Its encoding is too long.
    #[error("oversized: {size} bytes, the most is {limit}")]
    Oversized {
        /// Its bytes.
        size: usize,
        /// The most.
        limit: usize,
    },
    /// Its sender has as many as it may, or the nonce is too far ahead.
    #[error("the sender may have {0} transactions waiting: send the earlier ones first")]
    SenderLimit(usize),
    /// Full of better ones.
    #[error("the pool is full: raise the priority fee or try later")]
    Full,
    /// The state could not be read.
    #[error("the pool cannot check the transaction now: {0}")]
    State(String),
}

/// Who sent a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A user of this node: it is sent on to the other seats.
    User,
    /// Another seat.
    Peer,
}

/// A transaction in the pool.
#[derive(Debug, Clone)]
pub struct PoolTransaction {
    /// The transaction and its sender.
    pub transaction: Recovered<Transaction>,
    /// Bytes of its encoding.
    pub size: usize,
    /// The most that it may cost its sender, by the fees at its arrival, in wei.
    pub max_cost: U256,
    /// Grows with each arrival.
    pub sequence: u64,
    /// When it came.
    pub arrived: Milliseconds,
    /// Who sent it.
    pub origin: Origin,
}

impl PoolTransaction {
    /// Its hash.
    pub fn hash(&self) -> &TxHash {
        self.transaction.inner().hash()
    }

    /// Its nonce.
    pub fn nonce(&self) -> u64 {
        self.transaction.inner().nonce()
    }

    /// Its sender.
    pub fn sender(&self) -> Address {
        self.transaction.signer()
    }

    /// What it pays the leader per gas at this base fee, in wei; `None` if it does not even pay that.
    pub fn effective_tip(&self, base_fee: u64) -> Option<u128> {
        self.transaction.inner().effective_tip_per_gas(base_fee)
    }

    /// What it is worth to the pool, whatever the base fee becomes.
    fn priority(&self) -> u128 {
        let tx = self.transaction.inner();
        tx.max_priority_fee_per_gas().unwrap_or_else(|| tx.max_fee_per_gas())
    }
}

/// What the pool judges by: the newest final block.
#[derive(Debug, Clone)]
struct Head {
    number: u64,
    state: View,
    attributes: L1Attributes,
    base_fee: u64,
}

/// The pool. Share it in an [`Arc`].
#[derive(Debug)]
pub struct Pool {
    config: PoolConfig,
    parameters: ChainParameters,
    head: RwLock<Head>,
    state: RwLock<State>,
    returned: Mutex<Returned>,
    added: broadcast::Sender<Arc<PoolTransaction>>,
    sequence: watch::Sender<u64>,
}

impl Pool {
    /// An empty pool at a head.
    ///
    /// # Errors
    /// The store's.
    pub fn new(
        config: PoolConfig,
        parameters: ChainParameters,
        header: &Header,
        state: View,
    ) -> surety_state::Result<Self> {
        let head = Head::new(&parameters, header, state)?;
        Ok(Self {
            config,
            parameters,
            head: RwLock::new(head),
            state: RwLock::default(),
            returned: Mutex::default(),
            added: broadcast::Sender::new(4_096),
            sequence: watch::Sender::new(0),
        })
    }

    /// Takes a transaction.
    ///
    /// # Errors
    /// See [`PoolError`].
    pub fn add(
        &self,
        transaction: Recovered<Transaction>,
        origin: Origin,
        now: Milliseconds,
    ) -> Result<TxHash, PoolError> {
        let result = self.check_and_add(transaction, origin, now);
        match &result {
            Ok(_) => metrics::added(),
            Err(_) => metrics::refused(),
        }
        result
    }

    fn check_and_add(
        &self,
        transaction: Recovered<Transaction>,
        origin: Origin,
        now: Milliseconds,
    ) -> Result<TxHash, PoolError> {
        let hash = *transaction.inner().hash();
        if self.state.read().get(&hash).is_some() {
            return Err(PoolError::AlreadyKnown);
        }
        let size = transaction.inner().encode_2718_len();
        if size > self.config.max_transaction_bytes {
            return Err(PoolError::Oversized { size, limit: self.config.max_transaction_bytes });
        }
        let sender = transaction.signer();
        let (account, admission) = {
            let head = self.head.read();
            let admission = admit(&self.parameters, &head.attributes, transaction.inner(), sender)?;
            let account = head.sender(sender)?;
            (account, admission)
        };
        let nonce = transaction.inner().nonce();
        if nonce < account.nonce {
            return Err(Refusal::NonceTooLow { nonce, next: account.nonce }.into());
        }
        if nonce.saturating_sub(account.nonce) >= self.config.max_per_sender as u64 {
            return Err(PoolError::SenderLimit(self.config.max_per_sender));
        }
        let pooled =
            PoolTransaction { transaction, size, max_cost: admission.max_cost, sequence: 0, arrived: now, origin };
        let added = self.state.write().add(&self.config, account, pooled)?;
        self.sequence.send_replace(added.sequence);
        // Nobody listening is no error.
        let _ = self.added.send(added);
        Ok(hash)
    }

    /// Follows the chain to a new head: `included` are the transactions of the blocks since the last head, `removed`
    /// those of blocks that are not on the chain any more, in its order.
    ///
    /// # Errors
    /// The store's; the pool then stays at the old head.
    pub fn set_head(
        &self,
        header: &Header,
        state: View,
        included: &[Recovered<Transaction>],
        removed: Vec<Recovered<Transaction>>,
        now: Milliseconds,
    ) -> surety_state::Result<()> {
        let head = Head::new(&self.parameters, header, state)?;
        let before = core::mem::replace(&mut *self.head.write(), head.clone());
        let went_back = head.number < before.number || !removed.is_empty();
        let mut touched: Vec<Address> = included.iter().map(Recovered::signer).collect();
        touched.extend(included.iter().filter_map(|tx| tx.inner().to()));
        touched.sort_unstable();
        touched.dedup();
        let expired = Milliseconds::new(now.get().saturating_sub(self.config.lifetime.as_millis() as u64));
        let mut returned = self.returned.lock();
        {
            let mut pool = self.state.write();
            pool.expire(expired);
            if went_back {
                // All is judged anew, in the order in which it came.
                let waiting = pool.take_all();
                let waiting = waiting.iter().map(|tx| (tx.transaction.clone(), tx.origin));
                let all = removed.into_iter().map(|tx| (tx, Origin::User)).chain(waiting);
                returned.extend(all, now, &self.config);
            } else {
                touched.retain(|address| pool.has_sender(address));
                touched.extend(pool.next_senders(256));
                for address in touched {
                    let account = head.state.account(address)?.unwrap_or_default();
                    pool.refresh(address, account);
                }
            }
        }
        returned.expire(expired);
        let tries = if went_back { usize::MAX } else { returned::TRIES };
        returned.retry(tries, |tx, origin| self.add(tx.clone(), origin, now));
        let (transactions, bytes) = self.state.read().size();
        metrics::size(transactions, bytes, returned.len());
        Ok(())
    }

    /// Drops a transaction that execution has found never to be valid, and what waits behind it becomes gapped.
    pub fn drop_invalid(&self, hash: &TxHash) {
        self.state.write().remove(hash);
    }

    /// Transactions that arrived after this number, with their numbers, oldest first.
    pub fn since(&self, sequence: u64) -> Vec<Arc<PoolTransaction>> {
        self.state.read().since(sequence)
    }

    /// The number of the newest arrival; changes with each.
    pub fn sequence(&self) -> watch::Receiver<u64> {
        self.sequence.subscribe()
    }

    /// Transactions that are taken from now on. Receivers that lag lose some.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<PoolTransaction>> {
        self.added.subscribe()
    }

    /// A transaction by hash.
    pub fn get(&self, hash: &B256) -> Option<Arc<PoolTransaction>> {
        self.state.read().get(hash).cloned()
    }

    /// The nonce after the sender's ready transactions; `None` if it has none.
    pub fn next_nonce(&self, sender: Address) -> Option<u64> {
        self.state.read().next_nonce(sender)
    }

    /// Ready and gapped transactions, of all senders or of one, each in the order of nonces.
    pub fn content(&self, sender: Option<Address>) -> (Vec<Arc<PoolTransaction>>, Vec<Arc<PoolTransaction>>) {
        self.state.read().content(sender)
    }

    /// How many are ready, and how many gapped.
    pub fn status(&self) -> (usize, usize) {
        self.state.read().status()
    }

    /// The base fee that the next block will have, in wei per gas.
    pub fn base_fee(&self) -> u64 {
        self.head.read().base_fee
    }
}

impl Head {
    fn new(parameters: &ChainParameters, header: &Header, state: View) -> surety_state::Result<Self> {
        let attributes = L1Attributes::read(&state)?;
        Ok(Self { number: header.number, base_fee: next_base_fee(parameters, header), attributes, state })
    }

    /// The sender's account, which must not be a contract.
    fn sender(&self, address: Address) -> Result<Account, PoolError> {
        let unreadable = |e: surety_state::Error| PoolError::State(e.to_string());
        let account = self.state.account(address).map_err(unreadable)?.unwrap_or_default();
        if account.code_hash != KECCAK256_EMPTY {
            let code = self.state.code(account.code_hash).map_err(unreadable)?;
            let delegation = code.len() == 23 && code.starts_with(&[0xef, 0x01, 0x00]);
            if !delegation {
                return Err(Refusal::SenderIsContract.into());
            }
        }
        Ok(account)
    }
}
