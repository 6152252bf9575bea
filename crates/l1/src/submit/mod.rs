//! Transactions of one key, from the wish to inclusion.
//!
//! - **Nonces** are given out in order under one lock; a transaction is journalled (synced to disk) before it leaves, so
//!   that a restart goes on with the same ones and never signs a second intent for a nonce.
//! - **Fees**: EIP-1559, for blobs EIP-4844; an offer stands for some blocks of rising fees. A transaction that waits longer
//!   than [`SubmitConfig::bump_after`], and that [`PASSED_OVER`] blocks left out, is replaced by the same with higher fees (an eighth
//!   more; with blobs twice, as pools ask), up to [`FeeLimits`]. Time alone raises nothing: while L1 stands still or misses slots, no
//!   offer would be taken sooner. One that pools have forgotten, or that a reorg threw out, is sent again.
//! - **Blobs** travel with commitments and cell proofs (EIP-7594, Osaka).
//! - **Gas** is estimated first, so that a call that would revert costs nothing and says why.
//! - **Budget**: what is spent today, and what all that is underway could cost at worst, never exceeds
//!   [`SubmitConfig::daily_budget`]; so no defect of the caller drains the key (optimism #13150).
//!
//! Work is done inside of [`Submitter::submit`], [`Submitter::wait`] and [`Submitter::step`]; there is no task in the background.

mod fees;
mod journal;
#[cfg(test)]
mod tests;
mod transaction;

pub use fees::FeeLimits;

use crate::{
    Advice, L1Error, Revert,
    chain::{Blob, BlockAt, Inclusion, L1},
    metrics,
};
use alloy::{consensus::Transaction as _, network::TxSigner};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use fees::Offer;
use journal::{Journal, Spent};
use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use surety_types::L1Height;
use tokio::sync::Mutex;
use transaction::{Body, Envelope, Signer, call, encode, offer_of, sidecar, worst_cost};

/// The most gas of one transaction (EIP-7825).
pub const MAX_TRANSACTION_GAS: u64 = 1 << 24;
/// Results remembered for those who still wait.
const KEPT_RESULTS: usize = 256;
/// Blocks for which a nonce must stay used without an inclusion before another transaction is held to have taken it:
/// endpoints count a nonce before they show the receipt, and those behind one address differ by a block or so.
const NONCE_TAKEN_AFTER: u64 = 2;
/// Blocks without a transaction after which its fees may be too low.
pub const PASSED_OVER: u64 = 2;
/// How often an account is read anew because blocks came in between.
const READS_OF_ACCOUNT: usize = 4;
/// Replacements tried at once when a pool holds an unknown transaction of this key.
const BUMPS_AT_ONCE: usize = 8;

/// How a submitter behaves.
#[derive(Debug, Clone)]
pub struct SubmitConfig {
    /// Where it keeps its journal; one submitter a directory and key.
    pub directory: PathBuf,
    /// Bounds on fees.
    pub limits: FeeLimits,
    /// The most wei of fees in one day (UTC).
    pub daily_budget: U256,
    /// A transaction that waits this long is replaced with higher fees.
    pub bump_after: Duration,
    /// How often to look for inclusion.
    pub poll: Duration,
    /// Gas limit above the estimate, in percent.
    pub gas_margin_percent: u64,
    /// The most transactions underway at once.
    pub max_underway: usize,
    /// Blocks on top of an inclusion after which it is believed for ever, unless L1 finalises it before.
    pub confirmations: u64,
}

impl SubmitConfig {
    /// For mainnet's pace: 3 slots to a bump, 64 confirmations, one ether a day.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            limits: FeeLimits::default(),
            daily_budget: U256::from(1_000_000_000_000_000_000u128),
            bump_after: Duration::from_secs(36),
            poll: Duration::from_secs(4),
            gas_margin_percent: 20,
            max_underway: 16,
            confirmations: 64,
        }
    }

    /// The same for an L1 with this slot time.
    #[must_use]
    pub fn for_slot_time(mut self, slot: Duration) -> Self {
        self.bump_after = slot * 3;
        self.poll = (slot / 4).max(Duration::from_millis(50));
        self
    }
}

/// A transaction to be sent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outgoing {
    /// Whom to call, or a creation.
    pub to: TxKind,
    /// Wei to send along.
    pub value: U256,
    /// Call data.
    pub input: Bytes,
    /// Blobs to carry.
    pub blobs: Vec<Blob>,
    /// Gas limit; estimated if absent. Name it when the call depends on one that is still underway.
    pub gas_limit: Option<u64>,
}

/// A transaction that was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// Its nonce, by which it is known through all replacements.
    pub nonce: u64,
}

/// Where a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Included {
    /// Hash of the form that was included.
    pub transaction: B256,
    /// Where, how, at what cost.
    pub inclusion: Inclusion,
}

/// Why a transaction was not sent, or did not arrive.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SubmitError {
    /// L1 or its endpoint.
    #[error(transparent)]
    L1(#[from] L1Error),
    /// It would revert: nothing was sent.
    #[error("the transaction would revert: {0}")]
    WouldRevert(Revert),
    /// Fees are above the limits.
    #[error(
        "L1 fees are above the configured limits ({base_fee} wei per gas, {blob_base_fee} per blob gas): wait, or raise the limits"
    )]
    FeesTooHigh {
        /// Base fee now.
        base_fee: u128,
        /// Blob base fee now.
        blob_base_fee: u128,
    },
    /// The day's budget does not cover it.
    #[error(
        "the day's fee budget of {budget} wei is used up ({used} spent or underway, {needed} needed): wait, or raise it"
    )]
    BudgetExhausted {
        /// The budget.
        budget: U256,
        /// Spent today, or possibly spent by what is underway.
        used: U256,
        /// What this one could cost.
        needed: U256,
    },
    /// The account cannot pay.
    #[error("account {account} has {balance} wei and needs up to {needed}: fund it")]
    InsufficientFunds {
        /// The account.
        account: Address,
        /// What it has.
        balance: U256,
        /// What it needs.
        needed: U256,
    },
    /// Too much is underway.
    #[error("{0} transactions are underway: wait for them")]
    TooManyUnderway(usize),
    /// Another transaction of this key took the nonce.
    #[error("another transaction of this key took nonce {0}: this key must be used by one process only; send again")]
    NonceTaken(u64),
    /// The ticket is not of this submitter, or its result was forgotten.
    #[error("nothing is known of a transaction with nonce {0}")]
    UnknownTicket(u64),
    /// A blob transaction must call somebody.
    #[error("a transaction with blobs cannot create a contract")]
    BlobsWithoutRecipient,
    /// The blobs are no blobs.
    #[error("no proofs for these blobs: {0}")]
    Blobs(String),
    /// The signer refused.
    #[error("the signer refused: {0}")]
    Signer(String),
    /// A journal of another key or chain.
    #[error("the journal in {0} belongs to another key or chain: use another directory")]
    ForeignJournal(PathBuf),
}

impl SubmitError {
    /// What to do.
    pub const fn advice(&self) -> Advice {
        match self {
            Self::L1(error) => error.advice(),
            Self::FeesTooHigh { .. } | Self::BudgetExhausted { .. } | Self::TooManyUnderway(_) => Advice::Retry,
            Self::WouldRevert(_) | Self::NonceTaken(_) | Self::UnknownTicket(_) => Advice::Reset,
            Self::InsufficientFunds { .. }
            | Self::BlobsWithoutRecipient
            | Self::Blobs(_)
            | Self::Signer(_)
            | Self::ForeignJournal(_) => Advice::GiveUp,
        }
    }
}

/// A transaction that is not final.
#[derive(Debug)]
struct Underway {
    envelope: Envelope,
    /// All forms that were sent, the latest last.
    hashes: Vec<B256>,
    signed_at: Instant,
    /// L1's head when this form was first looked after.
    seen_at: Option<L1Height>,
    /// `None`: not by this process.
    sent_at: Option<Instant>,
    included: Option<Included>,
    /// L1's head when its nonce was first seen used without any of its forms in a block.
    missing: Option<L1Height>,
}

impl Underway {
    /// Signed and sent now.
    fn new(envelope: Envelope, hashes: Vec<B256>) -> Self {
        let now = Instant::now();
        Self { envelope, hashes, signed_at: now, seen_at: None, sent_at: Some(now), included: None, missing: None }
    }
}

#[derive(Debug)]
struct State {
    underway: BTreeMap<u64, Underway>,
    results: VecDeque<(u64, Result<Included, SubmitError>)>,
    spent: Spent,
}

impl State {
    /// What is in no block of an L1 on which the account's next nonce is `used`, but for one that is to be replaced. Receipts
    /// are asked for only now and then: what is in a block is paid for whether its receipt was seen or not.
    fn waiting(&self, used: u64, but: Option<u64>) -> impl Iterator<Item = &Underway> {
        let those = self.underway.range(used..).filter(move |(nonce, _)| Some(**nonce) != but);
        those.map(|(_, entry)| entry).filter(|entry| entry.included.is_none())
    }
}

/// Sends the transactions of one key.
pub struct Submitter {
    l1: Arc<dyn L1>,
    signer: Arc<Signer>,
    chain_id: u64,
    config: SubmitConfig,
    journal: Journal,
    state: Mutex<State>,
}

impl fmt::Debug for Submitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submitter").field("address", &self.address()).finish_non_exhaustive()
    }
}

impl Submitter {
    /// Opens the journal and takes up what was underway.
    ///
    /// # Errors
    /// L1 does not answer, the journal cannot be read, or belongs to another key or chain.
    pub async fn open(
        l1: Arc<dyn L1>,
        signer: Arc<dyn TxSigner<Signature> + Send + Sync>,
        config: SubmitConfig,
    ) -> Result<Self, SubmitError> {
        let chain_id = l1.chain_id().await?;
        let (journal, entries, spent) = Journal::open(config.directory.clone())?;
        let mut underway = BTreeMap::new();
        for (envelope, hashes) in entries {
            if signer_of(&envelope) != Some(signer.address()) || envelope.chain_id() != Some(chain_id) {
                return Err(SubmitError::ForeignJournal(config.directory));
            }
            let nonce = envelope.nonce();
            underway.insert(nonce, Underway { sent_at: None, ..Underway::new(envelope, hashes) });
        }
        let state = Mutex::new(State { underway, results: VecDeque::new(), spent });
        Ok(Self { l1, signer, chain_id, config, journal, state })
    }

    /// The account that pays.
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// The L1 that it sends to.
    pub fn l1(&self) -> &dyn L1 {
        &*self.l1
    }

    /// Nonces of what is underway, included ones that are not final yet among them.
    pub async fn underway(&self) -> Vec<u64> {
        self.state.lock().await.underway.keys().copied().collect()
    }

    /// Sends a transaction and waits until it is in a block (whether it succeeded there, the inclusion says).
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn submit(&self, outgoing: Outgoing) -> Result<Included, SubmitError> {
        let ticket = self.send(outgoing).await?;
        self.wait(ticket).await
    }

    /// Signs, journals and sends a transaction. Once this returns a ticket it will be sent until it is in a block,
    /// also if the endpoint fails now.
    ///
    /// # Errors
    /// [`SubmitError`]; then nothing was sent, or L1's pool refused it.
    pub async fn send(&self, outgoing: Outgoing) -> Result<Ticket, SubmitError> {
        let gas_limit = match outgoing.gas_limit {
            Some(gas) => gas,
            None => self.estimate(&call(&outgoing, self.address()).await?).await?,
        };
        // Proofs are dear: what L1 would refuse is not worth them.
        let sidecar = sidecar(outgoing.blobs.clone()).await?;
        let mut state = self.state.lock().await;
        let used = self.l1.nonce(self.address()).await?;
        let waiting = state.waiting(used, None).count();
        if waiting >= self.config.max_underway {
            return Err(SubmitError::TooManyUnderway(waiting));
        }
        let fees = self.l1.fees().await?;
        let mut offer = Offer::at(&fees, &self.config.limits, sidecar.is_some()).map_err(|_| too_high(&fees))?;
        let after_ours = state.underway.last_key_value().map_or(0, |(nonce, _)| nonce.saturating_add(1));
        let nonce = self.l1.nonce(self.address()).await?.max(after_ours);
        let Outgoing { to, value, input, .. } = outgoing;
        let mut body = Body { chain_id: self.chain_id, nonce, gas_limit, to, value, input, sidecar };
        for _ in 0..BUMPS_AT_ONCE {
            self.afford(&state, &offer, &body, None).await?;
            let envelope = body.sign(&offer, &*self.signer).await?;
            match self.launch(&mut state, envelope).await {
                Err(SubmitError::L1(L1Error::Refused { message, .. })) if is_underpriced(&message) => {
                    // The pool holds a transaction of this key that the journal does not know: outbid it.
                    offer = Offer::replacing(&offer, &fees, &self.config.limits).map_err(|_| too_high(&fees))?;
                }
                Err(SubmitError::L1(L1Error::Refused { message, .. })) if is_nonce_too_low(&message) => {
                    // The endpoint's head was behind its pool, or another process used the key meanwhile.
                    body.nonce = self.l1.nonce(self.address()).await?.max(body.nonce.saturating_add(1));
                }
                other => {
                    other?;
                    metrics::sent();
                    return Ok(Ticket { nonce: body.nonce });
                }
            }
        }
        Err(SubmitError::NonceTaken(body.nonce))
    }

    /// Waits until a transaction is in a block; sends and bumps meanwhile.
    ///
    /// # Errors
    /// [`SubmitError::NonceTaken`], [`SubmitError::UnknownTicket`]. L1's failures are waited out.
    pub async fn wait(&self, ticket: Ticket) -> Result<Included, SubmitError> {
        loop {
            if let Err(error) = self.step().await {
                if matches!(error.advice(), Advice::GiveUp) {
                    return Err(error);
                }
                tracing::warn!(%error, "looking after L1 transactions failed; it is tried again");
            }
            {
                let state = self.state.lock().await;
                if let Some(entry) = state.underway.get(&ticket.nonce) {
                    if let Some(included) = entry.included {
                        return Ok(included);
                    }
                } else {
                    let result = state.results.iter().rev().find(|(nonce, _)| *nonce == ticket.nonce);
                    return result.map_or(Err(SubmitError::UnknownTicket(ticket.nonce)), |(_, result)| result.clone());
                }
            }
            tokio::time::sleep(self.config.poll).await;
        }
    }

    /// Looks after everything underway once: inclusion, finality, reorgs, replacement, sending again.
    ///
    /// # Errors
    /// The first failure of L1 or the disk; call again.
    pub async fn step(&self) -> Result<(), SubmitError> {
        let mut state = self.state.lock().await;
        if state.underway.is_empty() {
            return Ok(());
        }
        let head = self.l1.block(BlockAt::Latest).await?.ok_or_else(|| L1Error::UnknownBlock("latest".into()))?;
        let finalized = self.l1.block(BlockAt::Finalized).await?.map(|block| block.number);
        let used = self.l1.nonce(self.address()).await?;
        let nonces: Vec<u64> = state.underway.keys().copied().collect();
        for nonce in nonces {
            let Some(entry) = state.underway.get_mut(&nonce) else { continue };
            entry.included = find(&*self.l1, &entry.hashes).await?;
            if let Some(included) = entry.included {
                entry.missing = None;
                let number = included.inclusion.block_number;
                if Some(number) <= finalized || head.number.since(number) >= self.config.confirmations {
                    self.conclude(&mut state, nonce, Ok(included))?;
                }
            } else if nonce < used {
                let first = *entry.missing.get_or_insert(head.number);
                if head.number.since(first) >= NONCE_TAKEN_AFTER {
                    self.conclude(&mut state, nonce, Err(SubmitError::NonceTaken(nonce)))?;
                }
            } else {
                entry.missing = None;
                self.push(&mut state, nonce, head.number).await?;
            }
        }
        Ok(())
    }

    /// Replaces a transaction that waited too long, or sends it again.
    async fn push(&self, state: &mut State, nonce: u64, head: L1Height) -> Result<(), SubmitError> {
        let Some(entry) = state.underway.get_mut(&nonce) else { return Ok(()) };
        let passed_over = head.since(*entry.seen_at.get_or_insert(head)) >= PASSED_OVER;
        if passed_over && entry.signed_at.elapsed() >= self.config.bump_after {
            let fees = self.l1.fees().await?;
            let body = Body::of(&entry.envelope);
            if let Ok(offer) = Offer::replacing(&offer_of(&entry.envelope), &fees, &self.config.limits) {
                match self.afford(state, &offer, &body, Some(nonce)).await {
                    Ok(()) => {
                        let envelope = body.sign(&offer, &*self.signer).await?;
                        tracing::info!(nonce, hash = %envelope.tx_hash(), max_fee = offer.max_fee, "replacing a waiting L1 transaction");
                        metrics::bumped();
                        return self.launch(state, envelope).await;
                    }
                    Err(error) => tracing::warn!(nonce, %error, "a waiting L1 transaction is not replaced"),
                }
            }
        }
        let Some(entry) = state.underway.get_mut(&nonce) else { return Ok(()) };
        if entry.sent_at.is_none_or(|sent| sent.elapsed() >= self.config.bump_after / 2) {
            entry.sent_at = Some(Instant::now());
            match self.l1.send_raw(&encode(&entry.envelope)).await {
                Ok(()) => {}
                // It waits in the pool, or was included just now: the next look tells.
                Err(L1Error::Refused { message, .. }) => tracing::debug!(nonce, message, "sent again"),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Journals and sends one form of a transaction.
    async fn launch(&self, state: &mut State, envelope: Envelope) -> Result<(), SubmitError> {
        let nonce = envelope.nonce();
        let raw = encode(&envelope);
        let previous = state.underway.get(&nonce).map(|entry| entry.hashes.clone());
        let mut hashes = previous.clone().unwrap_or_default();
        hashes.push(*envelope.tx_hash());
        self.journal.put(&envelope, &hashes)?;
        let old = state.underway.insert(nonce, Underway::new(envelope, hashes));
        match self.l1.send_raw(&raw).await {
            Err(error @ (L1Error::Refused { .. } | L1Error::Reverted { .. })) => {
                match old {
                    // The pool keeps the older form: keep its offer as the base of the next replacement, and both hashes.
                    Some(old) => {
                        let hashes = state.underway.get(&nonce).map(|e| e.hashes.clone()).unwrap_or_default();
                        if !matches!(&error, L1Error::Refused { message, .. } if is_underpriced(message)) {
                            self.journal.put(&old.envelope, &hashes)?;
                            state
                                .underway
                                .insert(nonce, Underway { hashes, signed_at: Instant::now(), seen_at: None, ..old });
                        }
                        tracing::debug!(nonce, %error, "a replacement was refused");
                        Ok(())
                    }
                    None => {
                        state.underway.remove(&nonce);
                        self.journal.remove(nonce)?;
                        Err(error.into())
                    }
                }
            }
            Err(error) => {
                tracing::warn!(nonce, %error, "an L1 transaction could not be handed over; it is sent again");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    async fn estimate(&self, call: &crate::chain::Call) -> Result<u64, SubmitError> {
        let gas = match self.l1.estimate_gas(call).await {
            Err(L1Error::Reverted { revert, .. }) => return Err(SubmitError::WouldRevert(revert)),
            other => other?,
        };
        let margin = gas.saturating_mul(self.config.gas_margin_percent) / 100;
        Ok(gas.saturating_add(margin).min(MAX_TRANSACTION_GAS))
    }

    /// Checks the budget and the balance for one more form of a transaction (`replaces` one underway, or is new).
    async fn afford(
        &self,
        state: &State,
        offer: &Offer,
        body: &Body,
        replaces: Option<u64>,
    ) -> Result<(), SubmitError> {
        let blobs = body.sidecar.as_ref().map_or(0, |sidecar| sidecar.blobs.len());
        let needed = offer.worst_cost(body.gas_limit, blobs);
        let others = state.underway.iter().filter(|(nonce, _)| Some(**nonce) != replaces);
        let mut used = if state.spent.day == today() { state.spent.wei } else { U256::ZERO };
        for (_, entry) in others {
            used += entry.included.map_or_else(|| worst_cost(&entry.envelope), |i| U256::from(i.inclusion.fee));
        }
        if used.saturating_add(needed) > self.config.daily_budget {
            return Err(SubmitError::BudgetExhausted { budget: self.config.daily_budget, used, needed });
        }
        let (used, balance) = self.account().await?;
        let waiting = state
            .waiting(used, replaces)
            .fold(U256::ZERO, |sum, entry| sum + worst_cost(&entry.envelope) + entry.envelope.value());
        let needed = waiting.saturating_add(needed).saturating_add(body.value);
        if balance < needed {
            return Err(SubmitError::InsufficientFunds { account: self.address(), balance, needed });
        }
        Ok(())
    }

    /// The account's next nonce and what it has, as of one block.
    async fn account(&self) -> Result<(u64, U256), SubmitError> {
        let mut used = self.l1.nonce(self.address()).await?;
        let mut balance = self.l1.balance(self.address()).await?;
        for _ in 0..READS_OF_ACCOUNT {
            let after = self.l1.nonce(self.address()).await?;
            if after == used {
                break;
            }
            // A block came in between and may have paid for what counts as waiting.
            used = after;
            balance = self.l1.balance(self.address()).await?;
        }
        Ok((used, balance))
    }

    /// Ends a transaction: its fee is booked, its journal entry goes, its result is kept for those who wait.
    fn conclude(
        &self,
        state: &mut State,
        nonce: u64,
        result: Result<Included, SubmitError>,
    ) -> Result<(), SubmitError> {
        if let Ok(included) = &result {
            let day = today();
            if state.spent.day != day {
                state.spent = Spent { day, wei: U256::ZERO };
            }
            state.spent.wei = state.spent.wei.saturating_add(U256::from(included.inclusion.fee));
            self.journal.put_spent(&state.spent)?;
            metrics::fees_paid(included.inclusion.fee);
        }
        self.journal.remove(nonce)?;
        state.underway.remove(&nonce);
        state.results.push_back((nonce, result));
        while state.results.len() > KEPT_RESULTS {
            state.results.pop_front();
        }
        Ok(())
    }
}

/// The block that holds one of these forms, the latest form first.
async fn find(l1: &dyn L1, hashes: &[B256]) -> Result<Option<Included>, L1Error> {
    for hash in hashes.iter().rev() {
        if let Some(inclusion) = l1.inclusion(*hash).await? {
            return Ok(Some(Included { transaction: *hash, inclusion }));
        }
    }
    Ok(None)
}

fn signer_of(envelope: &Envelope) -> Option<Address> {
    use alloy::consensus::transaction::SignerRecoverable;
    envelope.recover_signer().ok()
}

fn is_underpriced(message: &str) -> bool {
    message.to_lowercase().contains("underpriced")
}

fn is_nonce_too_low(message: &str) -> bool {
    message.to_lowercase().contains("nonce too low")
}

const fn too_high(fees: &crate::chain::Fees) -> SubmitError {
    SubmitError::FeesTooHigh { base_fee: fees.base_fee, blob_base_fee: fees.blob_base_fee }
}

/// Days since 1970 by this machine's clock.
fn today() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs() / 86_400)
}
