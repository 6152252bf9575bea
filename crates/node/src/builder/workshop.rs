//! A leader's block while it grows, on a thread of its own: the execution engine's state cannot change threads, and
//! executing would hold up the tasks of consensus.

use super::{Blocks, Draft, MachineError, Parent, Sealed};
use crate::pool::{Best, PoolTransaction};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, TxHash};
use std::{
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};
use surety_stf::{
    StateReader,
    execute::op::{PushError, When},
};
use surety_types::ConsensusContext;

/// A transaction that was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its place in the block.
    pub index: u64,
    /// Its hash.
    pub hash: TxHash,
}

/// What one round of appending did.
#[derive(Debug, Default)]
pub struct Round {
    /// What went in, in order.
    pub appended: Vec<Appended>,
    /// What can never be valid: for the pool to drop.
    pub invalid: Vec<TxHash>,
    /// Whether there was nothing left to try (and not the round's time that ended it).
    pub exhausted: bool,
}

/// Bytes of a block on the wire beside its transactions: header, context, lengths, with room.
const FRAME: usize = 2_048;
/// Bytes beside each transaction: its length.
const PER_TRANSACTION: usize = 4;

type Job = Box<dyn FnOnce(&mut Bench) + Send>;

struct Bench {
    draft: Draft,
    best: Best,
    parent: Parent,
    /// Bytes that transactions may still take on the wire.
    room: usize,
}

/// A block under construction. Its calls wait for the thread: make them where blocking is allowed. Dropping it gives the
/// block up, and waits until the thread has let go of the store.
#[derive(Debug)]
pub struct Workshop {
    /// `None` when nothing more is to do.
    jobs: Option<mpsc::Sender<Job>>,
    seal: mpsc::Sender<()>,
    sealed: mpsc::Receiver<Result<Sealed, MachineError>>,
    height: u64,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Workshop {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // If it panicked, somebody was told that it is gone.
            let _ = thread.join();
        }
    }
}

/// The thread ended without an answer: it panicked, which nothing known causes.
fn gone() -> MachineError {
    MachineError::Engine("the thread that builds the block has ended".into())
}

impl Workshop {
    /// Begins a block on `parent`, messages first. It will have at most `max_bytes` on the wire, unless the messages alone
    /// have more (which the inbox's bounds exclude for any limit of 64 KiB or more).
    ///
    /// # Errors
    /// The machine's alone.
    pub fn begin(
        blocks: Blocks,
        parent: Parent,
        context: ConsensusContext,
        beneficiary: Address,
        max_bytes: usize,
    ) -> Result<Self, MachineError> {
        let (jobs, work) = mpsc::channel::<Job>();
        let (seal, end) = mpsc::channel();
        let (begun, started) = mpsc::channel();
        let (done, sealed) = mpsc::channel();
        let thread = std::thread::Builder::new().name("builder".into());
        let run = move || {
            let draft = match blocks.begin(&parent, context, beneficiary) {
                Ok(draft) => draft,
                Err(error) => {
                    let _ = begun.send(Err(error));
                    return;
                }
            };
            let header = draft.header();
            let base_fee = header.base_fee_per_gas.unwrap_or_default();
            let _ = begun.send(Ok(header.number));
            let taken = draft
                .transactions()
                .iter()
                .fold(FRAME, |sum, tx| sum.saturating_add(tx.encode_2718_len()).saturating_add(PER_TRANSACTION));
            let mut bench = Bench { draft, best: Best::new(base_fee), parent, room: max_bytes.saturating_sub(taken) };
            while let Ok(job) = work.recv() {
                job(&mut bench);
            }
            // Whoever wants it sealed says so before closing the queue of jobs.
            if end.try_recv().is_ok() {
                let _ = done.send(blocks.seal(bench.draft));
            }
        };
        let thread =
            thread.spawn(run).map_err(|e| MachineError::Engine(format!("no thread to build the block: {e}")))?;
        let mut workshop = Self { jobs: Some(jobs), seal, sealed, height: 0, thread: Some(thread) };
        workshop.height = started.recv().map_err(|_| gone())??;
        Ok(workshop)
    }

    /// The block's height.
    pub const fn height(&self) -> u64 {
        self.height
    }

    fn run<T: Send + 'static>(&self, job: impl FnOnce(&mut Bench) -> T + Send + 'static) -> Result<T, MachineError> {
        let (answer, wait) = mpsc::channel();
        let job: Job = Box::new(move |bench| {
            let _ = answer.send(job(bench));
        });
        self.jobs.as_ref().ok_or_else(gone)?.send(job).map_err(|_| gone())?;
        wait.recv().map_err(|_| gone())
    }

    /// Takes new transactions up and appends the best ones, for at most about `time`.
    ///
    /// # Errors
    /// The machine's alone: give the block up.
    pub fn append(&self, new: Vec<Arc<PoolTransaction>>, time: Duration) -> Result<Round, MachineError> {
        self.run(move |bench| bench.append(new, time))?
    }

    /// Seals the block and puts it into the store.
    ///
    /// # Errors
    /// The machine's alone.
    pub fn seal(mut self) -> Result<Sealed, MachineError> {
        let _ = self.seal.send(());
        self.jobs = None;
        self.sealed.recv().map_err(|_| gone())?
    }
}

impl Bench {
    fn append(&mut self, new: Vec<Arc<PoolTransaction>>, time: Duration) -> Result<Round, MachineError> {
        let state = &self.parent.state;
        self.best.extend(new, |address| state.account(address).map(|a| a.unwrap_or_default().nonce))?;
        let start = Instant::now();
        let mut round = Round::default();
        while start.elapsed() < time {
            let Some(tx) = self.best.take_best() else {
                round.exhausted = true;
                break;
            };
            let size = tx.size.saturating_add(PER_TRANSACTION);
            if size > self.room {
                self.best.close(&tx);
                continue;
            }
            match self.draft.push(tx.transaction.clone()) {
                Ok(outcome) => {
                    self.room = self.room.saturating_sub(size);
                    round.appended.push(Appended { index: outcome.index, hash: *tx.hash() });
                    self.best.taken(&tx);
                }
                Err(PushError::Refused(refusal)) => {
                    tracing::debug!(tx = %tx.hash(), %refusal, "not in this block");
                    // A used nonce is no fault: the pool's head is behind this block's parent.
                    let used = matches!(refusal, surety_stf::execute::op::Refusal::NonceTooLow { .. });
                    if refusal.when() == When::Never && !used {
                        round.invalid.push(*tx.hash());
                    }
                    self.best.close(&tx);
                }
                Err(PushError::Reader(error)) => return Err(error.into()),
                Err(PushError::Engine(text)) => return Err(MachineError::Engine(text)),
            }
        }
        Ok(round)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::testing::{GENESIS_TIME, account, chain, deposit, transfer};
    use crate::consensus::block::ConsensusBlock;
    use crate::pool::{Origin, Pool, PoolConfig};
    use surety_types::{Milliseconds, Term, View};

    fn context(blocks: &Blocks, view: u64) -> ConsensusContext {
        ConsensusContext {
            rollup: blocks.parameters().rollup,
            term: Term::new(1),
            view: View::new(view),
            parent_view: View::new(view - 1),
            milliseconds: Milliseconds::new(GENESIS_TIME * 1000 + 200 * view),
        }
    }

    #[test]
    fn a_block_that_is_given_up_lets_go_of_the_store_at_once() {
        let directory = tempfile::tempdir().unwrap();
        for _ in 0..100 {
            // Refuses to open a store that is in use.
            let blocks = chain(Some(directory.path()));
            let genesis = blocks.parent(blocks.store().genesis().hash).unwrap().unwrap();
            let context = context(&blocks, 1);
            drop(Workshop::begin(blocks, genesis, context, Address::ZERO, 100_000).unwrap());
        }
    }

    #[test]
    fn a_block_takes_what_arrives_until_it_is_sealed() {
        let blocks = chain(None);
        for seed in 1..=3u8 {
            blocks.inbox().push(deposit(u64::from(seed) - 1, account(seed), 100_000)).unwrap();
        }
        let genesis = || blocks.parent(blocks.store().genesis().hash).unwrap().unwrap();
        let context = |view| context(&blocks, view);
        let time = Duration::from_secs(5);
        let first = Workshop::begin(blocks.clone(), genesis(), context(1), Address::ZERO, 100_000).unwrap();
        let first = first.seal().unwrap();
        assert_eq!(first.transactions().len(), 4);

        let parent = blocks.parent(first.hash()).unwrap().unwrap();
        let pool = Pool::new(PoolConfig::default(), blocks.parameters().clone(), first.header(), parent.state.clone())
            .unwrap();
        let add = |tx| pool.add(tx, Origin::User, Milliseconds::ZERO).unwrap();
        let workshop = Workshop::begin(blocks.clone(), parent, context(2), Address::ZERO, 100_000).unwrap();
        assert_eq!(workshop.height(), 2);
        // A deposit's sender has used one nonce.
        let gapped = add(transfer(3, 2, 9));
        let (slow, fast, second) = (add(transfer(1, 1, 1)), add(transfer(2, 1, 5)), add(transfer(2, 2, 9)));
        let round = workshop.append(pool.since(0), time).unwrap();
        let order: Vec<_> = round.appended.iter().map(|a| (a.index, a.hash)).collect();
        assert_eq!(order, [(1, fast), (2, second), (3, slow)]);
        assert!(round.exhausted);
        let seen = *pool.sequence().borrow();
        let filler = add(transfer(3, 1, 2));
        let round = workshop.append(pool.since(seen), time).unwrap();
        assert_eq!(round.appended.iter().map(|a| a.hash).collect::<Vec<_>>(), [filler, gapped]);
        let sealed = workshop.seal().unwrap();
        assert_eq!(sealed.transactions().len(), 1 + 5);
        assert!(blocks.knows(sealed.hash()).unwrap());

        // The same once more with room for two transfers only.
        let parent = blocks.parent(first.hash()).unwrap().unwrap();
        let size = pool.get(&fast).unwrap().size;
        let room = FRAME + first.transactions()[0].encode_2718_len() + PER_TRANSACTION + 2 * (size + PER_TRANSACTION);
        let workshop = Workshop::begin(blocks.clone(), parent, context(3), Address::ZERO, room).unwrap();
        let round = workshop.append(pool.since(0), time).unwrap();
        assert_eq!(round.appended.iter().map(|a| a.hash).collect::<Vec<_>>(), [fast, second]);
        let sealed = workshop.seal().unwrap();
        let block = ConsensusBlock::new(sealed.header().clone(), Some(context(3)), sealed.transactions().to_vec());
        assert!(block.size() <= room, "{} of {room}", block.size());
    }
}
