//! The compiled program over a batch before it is signed (protocol §8): what L1 would judge by, against what this node executed.
//!
//! Native code and the program are compiled from the same source, but not to the same code: cryptography differs, and compilers
//! may err. A seat that signs what the program does not say would lose its bond though it is honest. So blocks of the batch are
//! run on the machine as L1 would run it, in an order by chance, as many as there is time for, at least one; each must come to the
//! hash that is signed. If one does not, nothing is signed, and its witness is kept for whoever looks into it.
//!
//! A batch is rehearsed once, and one at a time, however many seats propose it and however often: who waits for signatures
//! asks again, and where each question cost as much as the first, seats that are late would be kept late by it.

use super::ProposalError;
use crate::follower::Chain;
use alloy_primitives::B256;
use alloy_sol_types::SolStruct as _;
use rand::seq::SliceRandom;
use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use surety_prove::{BlobProofs, PostedBatch, Program, RecordError, Witnesses};
use surety_types::{L2Height, Milliseconds};

/// A batch's age over this is the time for it.
const SHARE_OF_AGE: u64 = 50;

/// How a seat rehearses.
#[derive(Debug)]
pub struct Rehearsal {
    program: Program,
    /// No further block is begun after this.
    budget: Duration,
    /// Where witnesses of differences are kept.
    directory: PathBuf,
    /// The last statement that was rehearsed and found right, by its struct hash, and how.
    last: Mutex<Option<(B256, Rehearsed)>>,
}

/// What was rehearsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rehearsed {
    /// Blocks that the program was run over.
    pub blocks: usize,
    /// Blocks of the batch.
    pub of: usize,
    /// Steps of the machine.
    pub steps: u64,
}

/// A block of a batch.
#[derive(Debug, Clone, Copy)]
struct Block {
    height: L2Height,
    parent: B256,
    hash: B256,
}

impl Rehearsal {
    /// With the program of this version, for batches of such an age.
    #[must_use]
    pub fn new(age: Milliseconds, directory: PathBuf) -> Self {
        Self::with(Program::current().clone(), Duration::from_millis(age.get() / SHARE_OF_AGE), directory)
    }

    /// With another program, or another time for it.
    #[must_use]
    pub fn with(program: Program, budget: Duration, directory: PathBuf) -> Self {
        Self { program, budget, directory, last: Mutex::new(None) }
    }

    /// All blocks of a batch, however long it takes: for who is to oppose what others signed.
    #[must_use]
    pub fn whole(directory: PathBuf) -> Self {
        Self::with(Program::current().clone(), Duration::from_secs(u32::MAX.into()), directory)
    }

    /// Rehearses a batch whose blocks are in the store with these hashes, unless it was the last one. The statement must be what
    /// the data were checked against, since it stands for them here.
    ///
    /// # Errors
    /// [`ProposalError::Rehearsal`] if no witness can be made, [`ProposalError::Differs`] if the program says something else.
    pub fn run(&self, chain: &Chain, batch: &PostedBatch, hashes: &[B256]) -> Result<Rehearsed, ProposalError> {
        let statement = batch.statement.eip712_hash_struct();
        // Whoever panicked in here has noted nothing.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, rehearsed)) = last.filter(|(before, _)| *before == statement) {
            return Ok(rehearsed);
        }
        let rehearsed = self.blocks(chain, batch, hashes)?;
        *last = Some((statement, rehearsed));
        Ok(rehearsed)
    }

    /// Runs blocks of the batch by chance.
    fn blocks(&self, chain: &Chain, batch: &PostedBatch, hashes: &[B256]) -> Result<Rehearsed, ProposalError> {
        let until = Instant::now() + self.budget;
        let parents = core::iter::once(&batch.before).chain(hashes);
        let heights = (batch.statement.firstHeight..=batch.statement.lastHeight).map(L2Height::new);
        let mut blocks: Vec<_> = heights
            .zip(parents.zip(hashes))
            .map(|(height, (parent, hash))| Block { height, parent: *parent, hash: *hash })
            .collect();
        blocks.shuffle(&mut rand::rng());
        let witnesses = Witnesses::new(chain.store(), chain.parameters(), batch, BlobProofs::LeftOut)?;
        let mut rehearsed = Rehearsed { blocks: 0, of: blocks.len(), steps: 0 };
        for block in blocks {
            match self.block(&witnesses, block)? {
                Ok(steps) => rehearsed.steps += steps,
                Err(found) => return Err(self.differs(chain, batch, block, found)),
            }
            rehearsed.blocks += 1;
            if Instant::now() >= until {
                break;
            }
        }
        super::metrics::rehearsed(&rehearsed);
        tracing::debug!(blocks = rehearsed.blocks, of = rehearsed.of, steps = rehearsed.steps, "batch rehearsed");
        Ok(rehearsed)
    }

    /// Runs the program over a block: the steps, or what it says instead of the block's hash.
    fn block(&self, witnesses: &Witnesses<'_>, block: Block) -> Result<Result<u64, String>, RecordError> {
        let witness = witnesses.block_on(block.height, block.parent)?;
        let input = witness.input;
        Ok(match self.program.run(witness) {
            Ok(ended) if ended.says(input, block.hash) => Ok(ended.steps),
            Ok(ended) => Err(format!("{ended:?} instead of {}", block.hash)),
            Err(error) => Err(error.to_string()),
        })
    }

    /// Says so loudly, and keeps the witness, with its blobs' proofs: without them nobody could read it.
    fn differs(&self, chain: &Chain, batch: &PostedBatch, block: Block, found: String) -> ProposalError {
        let height = block.height;
        super::metrics::differs();
        let witness = Witnesses::new(chain.store(), chain.parameters(), batch, BlobProofs::Made)
            .and_then(|witnesses| Ok(witnesses.block_on(height, block.parent)?.encode()));
        let kept = match witness {
            Ok(witness) => keep(&self.directory, height, &witness),
            Err(error) => format!("not kept: {error}"),
        };
        tracing::error!(
            %height, %found, witness = %kept,
            "the program and native execution differ: no batch with this block is signed or claimed here; report it with the witness"
        );
        ProposalError::Differs { height, found }
    }
}

/// Writes a witness; gives where, or why not.
fn keep(directory: &Path, height: L2Height, witness: &[u8]) -> String {
    let path = directory.join(format!("{height}.witness"));
    match std::fs::create_dir_all(directory).and_then(|()| std::fs::write(&path, witness)) {
        Ok(()) => path.display().to_string(),
        Err(error) => format!("{}: {error}", path.display()),
    }
}
