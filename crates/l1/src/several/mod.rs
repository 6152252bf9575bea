//! [`L1`] through several endpoints, so that none of them alone must be believed or must answer.
//!
//! One endpoint is used until it fails; then the next one. Beside that:
//!
//! - **Blocks.** Every [`CrossCheck::period`] each endpoint is asked for its head and for the block [`CrossCheck::depth`] below the
//!   usual head. Who has another block there than more than half of those that answer is set aside until it has the same. Without
//!   such a majority nothing is answered ([`L1Error::Disputed`]) until they agree: the node waits.
//! - **Heads.** Who stands for [`CrossCheck::stuck_after`] while another goes on, or is far behind more than half, is used last. What
//!   is said to be final or safe is believed as far as a second endpoint says so.
//! - **Logs** are asked of a second endpoint, too. Where they differ on one block, its receipts decide, which its header commits
//!   to; so two endpoints are enough to tell who left something out. That one is not used again by this process.
//! - **Calls at a block's hash** are asked of a second endpoint; when they differ, of all, and more than half decide.
//! - **Transactions** go to all, so that none can swallow one.
//!
//! An endpoint that does not answer witnesses nothing and holds nothing up: with one left, that one is believed, as when it is the
//! only one configured. Fees, nonces and balances at the head are the used endpoint's word (the submitter bounds what they can cost).

mod judge;
#[cfg(test)]
mod tests;

use crate::{
    L1Error,
    blobs::Archive,
    chain::{Answer, Blob, BlockAt, BlockRef, Call, Fees, Inclusion, L1, L1Log, L1Transaction},
    rpc::{BadUrl, RpcConfig, RpcL1},
};
use alloy_primitives::{Address, B256, Bytes, U256};
use judge::{State, Verdict, judge};
use parking_lot::Mutex;
use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};
use surety_types::L1Height;

/// The longest wait for a witness: its word is worth little next to going on.
const WITNESS_PATIENCE: Duration = Duration::from_secs(5);

/// How endpoints are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrossCheck {
    /// So far below the head endpoints must have the same block. Above, branches are no fault.
    pub depth: u64,
    /// How often they are compared.
    pub period: Duration,
    /// A head that stands so long while another one moves is stuck.
    pub stuck_after: Duration,
}

impl CrossCheck {
    /// For an L1 with this slot time: half as deep as blocks settle, so that a lie is noticed before it counts; every slot.
    pub fn for_chain(slot: Duration, settled_depth: u64) -> Self {
        let slot = slot.max(Duration::from_millis(500));
        Self { depth: (settled_depth / 2).max(1), period: slot, stuck_after: slot * 8 }
    }
}

/// A client of L1: of one endpoint as it is, of several with cross-checks. All have the same beacon endpoints and archive.
///
/// # Errors
/// [`BadUrl`]; also if there is none.
pub fn connect(
    urls: &[String],
    beacon_urls: &[String],
    check: CrossCheck,
    archive: Option<Arc<Archive>>,
) -> Result<Arc<dyn L1>, BadUrl> {
    let none = || BadUrl { url: String::new(), reason: "no endpoint is named".into() };
    let configs: Vec<_> = urls.iter().map(|url| RpcConfig::new(url, beacon_urls.to_vec())).collect();
    if configs.len() > 1 {
        return Ok(Arc::new(SeveralL1::new(configs, check, archive)?));
    }
    Ok(Arc::new(RpcL1::new(configs.into_iter().next().ok_or_else(none)?, archive)?))
}

/// Ethereum behind several endpoints.
#[derive(Debug)]
pub struct SeveralL1(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    endpoints: Vec<RpcL1>,
    names: Vec<String>,
    check: CrossCheck,
    attempts: u32,
    backoff: Duration,
    state: Mutex<State>,
    /// Held while endpoints are compared.
    checking: Arc<tokio::sync::Mutex<()>>,
}

impl SeveralL1 {
    /// Prepares the clients; asks nothing yet.
    ///
    /// # Errors
    /// [`BadUrl`].
    pub fn new(configs: Vec<RpcConfig>, check: CrossCheck, archive: Option<Arc<Archive>>) -> Result<Self, BadUrl> {
        let patience = configs.first().map(|first| (first.attempts, first.backoff));
        let (attempts, backoff) = patience.unwrap_or((1, Duration::ZERO));
        let one = |config: RpcConfig| RpcL1::new(RpcConfig { attempts: 1, ..config }, archive.clone());
        let endpoints = configs.into_iter().map(one).collect::<Result<Vec<_>, _>>()?;
        let names: Vec<String> = endpoints.iter().map(RpcL1::host).collect();
        let state = Mutex::new(State::new(names.clone()));
        Ok(Self(Arc::new(Inner { endpoints, names, check, attempts, backoff, state, checking: Arc::default() })))
    }
}

impl Inner {
    fn state<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        with(&mut self.state.lock())
    }

    fn endpoint(&self, place: usize) -> Result<&RpcL1, L1Error> {
        self.endpoints.get(place).ok_or_else(none_left)
    }

    /// Has endpoints compared when it is time (the first time before anything else), and fails while they contradict each other.
    async fn checked(self: &Arc<Self>) -> Result<(), L1Error> {
        match self.state(|state| state.checked) {
            None => {
                let _one = self.checking.lock().await;
                if self.state(|state| state.checked.is_none()) {
                    self.compare().await;
                }
            }
            Some(at) if at.elapsed() >= self.check.period => {
                if let Ok(one) = self.checking.clone().try_lock_owned() {
                    let inner = self.clone();
                    tokio::spawn(async move {
                        inner.compare().await;
                        drop(one);
                    });
                }
            }
            Some(_) => {}
        }
        self.state(|state| state.dispute.clone()).map_or(Ok(()), |reason| Err(L1Error::Disputed { reason }))
    }

    /// Asks every endpoint for its head and for one block below, and judges what they say.
    async fn compare(&self) {
        let heads = self.of_all(|l1| l1.block(BlockAt::Latest)).await;
        let heads: Vec<Option<BlockRef>> = heads.into_iter().map(|head| head.ok().flatten()).collect();
        let height = self.state(|state| state.heads(&heads, self.check.stuck_after));
        let blocks = match height.and_then(|height| height.get().checked_sub(self.check.depth)) {
            Some(height) => {
                let at = BlockAt::Number(L1Height::new(height));
                let blocks = self.of_all(|l1| l1.block(at)).await;
                blocks.into_iter().map(|block| block.ok().flatten()).collect()
            }
            None => vec![None; heads.len()],
        };
        self.state(|state| {
            state.blocks(&blocks);
            state.checked = Some(Instant::now());
        });
    }

    /// Asks all endpoints at once, none for long.
    async fn of_all<'a, T>(&'a self, request: impl Fn(&'a RpcL1) -> Answer<'a, T>) -> Vec<Result<T, L1Error>> {
        futures::future::join_all(self.endpoints.iter().map(|l1| soon(request(l1)))).await
    }

    /// Asks the endpoint in use, and the next one when it fails; says which one answered.
    async fn ask_at<'a, T>(
        self: &'a Arc<Self>,
        request: impl Fn(&'a RpcL1) -> Answer<'a, T>,
    ) -> (usize, Result<T, L1Error>) {
        if let Err(error) = self.checked().await {
            return (0, Err(error));
        }
        let (mut pause, mut attempt) = (self.backoff, 1);
        loop {
            let mut failed = None;
            for place in self.state(|state| state.order()) {
                let Ok(l1) = self.endpoint(place) else { continue };
                match request(l1).await {
                    Err(error @ (L1Error::Unavailable { .. } | L1Error::Invalid { .. })) => {
                        self.state(|state| state.failed(place, &error));
                        failed = Some((place, error));
                    }
                    other => {
                        self.state(|state| state.answered(place));
                        return (place, other);
                    }
                }
            }
            let (place, error) = failed.unwrap_or_else(|| (0, none_left()));
            if attempt >= self.attempts {
                return (place, Err(error));
            }
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2);
            attempt += 1;
        }
    }

    async fn ask<'a, T>(self: &'a Arc<Self>, request: impl Fn(&'a RpcL1) -> Answer<'a, T>) -> Result<T, L1Error> {
        self.ask_at(request).await.1
    }

    /// Another endpoint that is as good as any.
    fn witness(&self, but: usize) -> Option<&RpcL1> {
        self.endpoints.get(self.state(|state| state.witness(but))?)
    }

    /// What is the same whoever is asked: a second endpoint must say so too, or more than half of all.
    async fn agreed<'a, T: PartialEq>(
        self: &'a Arc<Self>,
        what: &str,
        request: impl Fn(&'a RpcL1) -> Answer<'a, T>,
    ) -> Result<T, L1Error> {
        let (place, first) = self.ask_at(&request).await;
        let Some(witness) = self.witness(place) else { return first };
        // Both say something, and not the same.
        if !matches!(said(&first, &soon(request(witness)).await), Some(false)) {
            return first;
        }
        let mut answers = self.of_all(&request).await;
        let trusted: Vec<bool> = (0..answers.len()).map(|place| !self.state(|state| state.is_lying(place))).collect();
        let of = |place: usize| trusted.get(place).and_then(|trusted| trusted.then(|| answers.get(place))?);
        match judge(answers.len(), |a, b| said(of(a)?, of(b)?)) {
            Verdict::Majority { place, against } => {
                self.state(|state| against.iter().for_each(|liar| state.caught(*liar, what)));
                answers.swap_remove(place)
            }
            Verdict::Agreed => first,
            Verdict::Dispute { parties } => Err(self.disputed(&parties, what)),
        }
    }

    /// Logs as two endpoints have them; where they differ, as the block's receipts have them.
    async fn read_logs(
        self: &Arc<Self>,
        from: L1Height,
        to: L1Height,
        addresses: &[Address],
    ) -> Result<Vec<L1Log>, L1Error> {
        for _ in 0..self.endpoints.len() {
            let (place, first) = self.ask_at(|l1| l1.logs(from, to, addresses)).await;
            let first = first?;
            let Some(second) = self.state(|state| state.witness(place)) else { return Ok(first) };
            // The witness is asked in the same range; it may be behind, then the blocks tell.
            let Ok(other) = soon(self.endpoint(second)?.logs(from, to, addresses)).await else { return Ok(first) };
            let Some(number) = first_difference(&first, &other) else { return Ok(first) };
            let Some(block) = self.common_block(place, second, number).await else { return Ok(first) };
            let Some(proven) = self.receipts(block, addresses).await else {
                return Err(self.disputed(&[place, second], &format!("the logs of block {block}")));
            };
            let wrong = |logs: &[L1Log]| !same_content(logs.iter().filter(|log| log.block_number == number), &proven);
            let liars: Vec<usize> = [(place, wrong(&first)), (second, wrong(&other))]
                .into_iter()
                .filter(|(_, wrong)| *wrong)
                .map(|(place, _)| place)
                .collect();
            if liars.is_empty() {
                return Err(self.disputed(&[place, second], &format!("the logs of block {block}")));
            }
            let what = format!("the logs of block {block}");
            self.state(|state| liars.iter().for_each(|liar| state.caught(*liar, &what)));
        }
        Err(none_left())
    }

    /// The block of this number, if both endpoints have the same.
    async fn common_block(&self, one: usize, other: usize, number: L1Height) -> Option<BlockRef> {
        let at = BlockAt::Number(number);
        let (one, other) = (self.endpoint(one).ok()?, self.endpoint(other).ok()?);
        let (one, other) = futures::future::join(soon(one.block(at)), soon(other.block(at))).await;
        let (one, other) = (one.ok()??, other.ok()??);
        (one.hash == other.hash).then_some(one)
    }

    /// A block's logs, from whoever can prove them.
    async fn receipts(&self, block: BlockRef, addresses: &[Address]) -> Option<Vec<(u64, alloy_primitives::Log)>> {
        for place in self.state(|state| state.order()) {
            match soon(self.endpoint(place).ok()?.proven_logs(block.hash, addresses)).await {
                Ok(proven) => return Some(proven),
                Err(error) => tracing::debug!(%error, endpoint = self.names.get(place), "no receipts"),
            }
        }
        None
    }

    /// The lower one of what two endpoints say is final or safe.
    async fn behind_the_head(self: &Arc<Self>, at: BlockAt) -> Result<Option<BlockRef>, L1Error> {
        let (place, first) = self.ask_at(|l1| l1.block(at)).await;
        let Some(first) = first? else { return Ok(None) };
        let Some(witness) = self.witness(place) else { return Ok(Some(first)) };
        let second = soon(witness.block(at)).await.unwrap_or(Some(first));
        Ok(second.map(|second| if second.number < first.number { second } else { first }))
    }

    fn disputed(&self, parties: &[usize], what: &str) -> L1Error {
        let names: Vec<&str> = parties.iter().filter_map(|place| self.names.get(*place).map(String::as_str)).collect();
        let reason = format!("{} say different things of {what}", names.join(" and "));
        crate::metrics::endpoint_dispute();
        tracing::error!(reason, "L1 ENDPOINTS CONTRADICT EACH OTHER");
        L1Error::Disputed { reason }
    }
}

impl L1 for SeveralL1 {
    fn chain_id(&self) -> Answer<'_, u64> {
        Box::pin(self.0.ask(|l1| l1.chain_id()))
    }

    fn block(&self, at: BlockAt) -> Answer<'_, Option<BlockRef>> {
        match at {
            BlockAt::Safe | BlockAt::Finalized => Box::pin(self.0.behind_the_head(at)),
            _ => Box::pin(self.0.ask(move |l1| l1.block(at))),
        }
    }

    fn logs<'a>(&'a self, from: L1Height, to: L1Height, addresses: &'a [Address]) -> Answer<'a, Vec<L1Log>> {
        Box::pin(self.0.read_logs(from, to, addresses))
    }

    fn transaction(&self, hash: B256) -> Answer<'_, Option<L1Transaction>> {
        Box::pin(self.0.ask(move |l1| l1.transaction(hash)))
    }

    fn call<'a>(&'a self, call: &'a Call, at: BlockAt) -> Answer<'a, Bytes> {
        match at {
            BlockAt::Hash(hash) => {
                Box::pin(
                    async move { self.0.agreed(&format!("a call at block {hash}"), move |l1| l1.call(call, at)).await },
                )
            }
            _ => Box::pin(self.0.ask(move |l1| l1.call(call, at))),
        }
    }

    fn code(&self, address: Address, at: BlockAt) -> Answer<'_, Bytes> {
        Box::pin(self.0.ask(move |l1| l1.code(address, at)))
    }

    fn blobs<'a>(&'a self, block: BlockRef, hashes: &'a [B256]) -> Answer<'a, Vec<Box<Blob>>> {
        // All have the same beacon endpoints, and need no trust for blobs.
        Box::pin(async move { self.0.endpoint(0)?.blobs(block, hashes).await })
    }

    fn fees(&self) -> Answer<'_, Fees> {
        Box::pin(self.0.ask(|l1| l1.fees()))
    }

    fn balance(&self, address: Address) -> Answer<'_, U256> {
        Box::pin(self.0.ask(move |l1| l1.balance(address)))
    }

    fn nonce(&self, address: Address) -> Answer<'_, u64> {
        Box::pin(self.0.ask(move |l1| l1.nonce(address)))
    }

    fn estimate_gas<'a>(&'a self, call: &'a Call) -> Answer<'a, u64> {
        Box::pin(self.0.ask(move |l1| l1.estimate_gas(call)))
    }

    fn send_raw<'a>(&'a self, transaction: &'a [u8]) -> Answer<'a, ()> {
        Box::pin(async move {
            let (place, sent) = self.0.ask_at(|l1| l1.send_raw(transaction)).await;
            let others: Vec<usize> =
                self.0.state(|state| state.order()).into_iter().filter(|other| *other != place).collect();
            let (inner, transaction) = (self.0.clone(), transaction.to_vec());
            tokio::spawn(async move {
                for other in others {
                    let Ok(l1) = inner.endpoint(other) else { continue };
                    if let Err(error) = soon(l1.send_raw(&transaction)).await {
                        tracing::debug!(%error, endpoint = inner.names.get(other), "a transaction was handed to others");
                    }
                }
            });
            sent
        })
    }

    fn inclusion(&self, hash: B256) -> Answer<'_, Option<Inclusion>> {
        Box::pin(self.0.ask(move |l1| l1.inclusion(hash)))
    }
}

async fn soon<T>(answer: impl Future<Output = Result<T, L1Error>>) -> Result<T, L1Error> {
    let late = |_| Err(L1Error::Unavailable { method: "witness", reason: "it takes too long".into() });
    tokio::time::timeout(WITNESS_PATIENCE, answer).await.unwrap_or_else(late)
}

fn none_left() -> L1Error {
    L1Error::Unavailable { method: "L1", reason: "no endpoint is left that can be used".into() }
}

/// Whether two answers say the same; `None` if one of them says nothing.
fn said<T: PartialEq>(one: &Result<T, L1Error>, other: &Result<T, L1Error>) -> Option<bool> {
    match (one, other) {
        (Ok(one), Ok(other)) => Some(one == other),
        // Some clients do not tell why.
        (Err(L1Error::Reverted { revert: one, .. }), Err(L1Error::Reverted { revert: other, .. })) => {
            Some(one == other || one.data.is_empty() || other.data.is_empty())
        }
        (Ok(_), Err(L1Error::Reverted { .. })) | (Err(L1Error::Reverted { .. }), Ok(_)) => Some(false),
        _ => None,
    }
}

/// The first block of which two lists of logs do not say the same.
fn first_difference(one: &[L1Log], other: &[L1Log]) -> Option<L1Height> {
    let place = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let numbers = [one.get(place), other.get(place)].into_iter().flatten().map(|log| log.block_number);
    numbers.min()
}

fn same_content<'a>(logs: impl Iterator<Item = &'a L1Log>, proven: &[(u64, alloy_primitives::Log)]) -> bool {
    logs.map(|log| (log.index, &log.log)).eq(proven.iter().map(|(index, log)| (*index, log)))
}
