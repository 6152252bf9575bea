//! Judges what feeds send, and takes what is right into the store.

use super::{
    FeedState, metrics,
    state::{Candidate, Candidates, Conflict, WINDOW},
};
use crate::{
    backend::NodeBackend,
    builder::{Blocks, MachineError, Verdict, decode_aux},
    consensus::{
        Boundary, TermSchedule,
        block::{BlockLimits, ConsensusBlock},
    },
};
use alloy_primitives::{B256, map::HashMap};
use std::{collections::VecDeque, fs::OpenOptions, io::Write as _, path::PathBuf, sync::Arc};
use surety_rpc::{CertifiedBlock, Feed, FinalizationCertificate};
use surety_types::{
    ConsensusContext, Header, Seconds, Term,
    evidence::Equivocation,
    signing::{Domain, quorum},
};

/// Blocks of terms that L1 has not told of yet, which wait.
const MAX_EARLY: usize = 1_024;

/// What an importer works on.
#[derive(Debug)]
pub struct ImporterParts {
    /// The chain, with the messages that this node knows to be settled.
    pub blocks: Blocks,
    /// Committees, from L1.
    pub schedule: TermSchedule,
    /// The domain of all signatures.
    pub domain: Domain,
    /// Bounds on a block.
    pub limits: BlockLimits,
    /// Who is told of new heads.
    pub backend: Arc<NodeBackend>,
    /// Where what was taken is published again.
    pub feed: Arc<Feed>,
    /// Where certificates of a fork are kept.
    pub conflicts: PathBuf,
    /// The feeds, by number.
    pub feeds: Vec<Arc<FeedState>>,
}

/// Takes blocks and evidence of feeds.
#[derive(Debug)]
pub struct Importer {
    parts: ImporterParts,
    candidates: Candidates,
    early: VecDeque<(usize, CertifiedBlock)>,
    /// First hash of each term, once found.
    geneses: HashMap<u64, B256>,
    /// Where the newest term begins that an L1 event started, as far as what is held takes it into account.
    cut: Option<Boundary>,
    /// A quorum certified what this node finds wrong.
    halted: bool,
}

/// What checking came to.
enum Check {
    Right,
    Wrong(&'static str),
    /// L1 has not told enough.
    Unknown,
}

impl Importer {
    /// An importer with nothing held.
    pub fn new(parts: ImporterParts) -> Self {
        Self {
            parts,
            candidates: Candidates::default(),
            early: VecDeque::new(),
            geneses: HashMap::default(),
            cut: None,
            halted: false,
        }
    }

    /// The height from which feeds are to be asked.
    pub fn next(&self) -> u64 {
        self.parts.blocks.store().head().number.saturating_add(1)
    }

    /// How far above the head blocks are taken; a feed that is further must be asked again later.
    pub const fn window() -> u64 {
        WINDOW
    }

    /// Takes a block that a feed sent. [`Self::advance`] executes.
    pub fn offer(&mut self, feed: usize, sent: CertifiedBlock) {
        if self.halted || self.is_bad(feed) {
            return;
        }
        let block = match ConsensusBlock::from_bytes(&sent.block, &self.parts.limits) {
            Ok(block) => block,
            Err(reason) => return self.condemn(feed, &format!("a block that does not decode: {reason}")),
        };
        if block.hash() != sent.hash || block.header().number != sent.height.to::<u64>() {
            return self.condemn(feed, "a block under another's hash or height");
        }
        let (height, term) = (block.header().number, block.context().map_or(Term::ZERO, |c| c.term));
        // Taken back here: who sends it has not seen the event yet.
        if self.cut.is_some_and(|cut| term < cut.term && height > cut.height) {
            return;
        }
        // It may stand on a block below the head; the blocks above that go when the event is settled here, too.
        if term >= self.parts.schedule.ended_before() && self.awaits_event() {
            return self.hold(feed, sent);
        }
        if let Some(certificate) = &sent.certificate {
            if certificate.block_hash != block.hash() {
                return self.condemn(feed, "another block's certificate");
            }
            match self.check(certificate, block.context()) {
                Check::Right => {}
                Check::Wrong(reason) => return self.condemn(feed, reason),
                Check::Unknown => return self.hold(feed, sent),
            }
        }
        self.take(feed, block, sent.certificate);
    }

    fn hold(&mut self, feed: usize, sent: CertifiedBlock) {
        if self.early.len() >= MAX_EARLY {
            self.early.pop_front();
        }
        self.early.push_back((feed, sent));
    }

    /// Whether an event has started a term of which it is not known here where it begins.
    fn awaits_event(&self) -> bool {
        self.parts.schedule.ended_before() > self.cut.map_or(Term::ZERO, |cut| cut.term)
    }

    /// Forgets what an event has made void.
    fn heed_events(&mut self) {
        let cut = self.parts.schedule.newest_cut();
        if self.cut != cut {
            self.cut = cut;
            self.candidates = Candidates::default();
            self.geneses.clear();
        }
    }

    fn take(&mut self, feed: usize, block: ConsensusBlock, certificate: Option<FinalizationCertificate>) {
        let store = self.parts.blocks.store();
        let height = block.header().number;
        let head = store.head().number;
        if height <= head {
            // A fork may also be told of below the head.
            let ours = store.canonical_hash(height).ok().flatten();
            if let (Some(certificate), Some(ours)) = (certificate, ours)
                && ours != block.hash()
            {
                self.contradicted(height, ours, certificate);
            }
            return;
        }
        if let Some(conflict) = self.candidates.offer(head, block, certificate, feed) {
            self.fork(&conflict);
        }
    }

    /// A valid certificate against a block that the store has: a fork if that one was certified, too.
    fn contradicted(&self, height: u64, ours: B256, second: FinalizationCertificate) {
        let (held, _) = self.parts.feed.blocks(Some(surety_types::L2Height::new(height)));
        let first = held.iter().find(|b| b.hash == ours).and_then(|b| b.certificate.clone());
        match first {
            Some(first) => self.fork(&Conflict { height, first, second }),
            // Derived from L1, or final by a later block.
            None => tracing::error!(
                height, %ours, theirs = %second.block_hash, certificate = %serde_json::json!(second),
                "THE COMMITTEE CERTIFIED ANOTHER BLOCK than this node has: soft finality of this height does not hold"
            ),
        }
    }

    fn fork(&self, conflict: &Conflict) {
        metrics::conflict();
        tracing::error!(
            height = conflict.height, first = %conflict.first.block_hash, second = %conflict.second.block_hash,
            kept = %self.parts.conflicts.display(),
            "THE COMMITTEE FORKED: two blocks of one height are certified; soft finality does not hold, wait for L1"
        );
        let written = serde_json::to_vec(conflict).map_err(std::io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            let mut file = OpenOptions::new().append(true).create(true).open(&self.parts.conflicts)?;
            file.write_all(&line)?;
            file.sync_all()
        });
        if let Err(error) = written {
            tracing::error!(%error, "the certificates of the fork were not kept");
        }
    }

    /// Takes evidence that a feed sent.
    pub fn evidence(&self, feed: usize, evidence: Equivocation) {
        if self.is_bad(feed) {
            return;
        }
        let signer = match evidence.check(&self.parts.domain) {
            Ok(signer) => signer,
            Err(error) => return self.condemn(feed, &format!("evidence that shows nothing: {error}")),
        };
        // Anyone can contradict himself with a key that is no seat's.
        match self.parts.schedule.committee(Term::new(evidence.first.statement.term())) {
            Some(committee) if committee.place_of(signer).is_some() => self.parts.feed.accuse(Arc::new(evidence)),
            Some(_) => self.condemn(feed, "evidence against a key that is no seat's"),
            None => {}
        }
    }

    fn check(&self, certificate: &FinalizationCertificate, context: Option<&ConsensusContext>) -> Check {
        let Some((statement, set)) = certificate.parts() else {
            return Check::Wrong("a certificate of a wrong length");
        };
        if statement.rollup != self.parts.limits.rollup.get() {
            return Check::Wrong("another rollup's certificate");
        }
        // The last block of a term is proposed again in later views, never in another term.
        if context.is_none_or(|c| c.term.get() != statement.term || c.view.get() > statement.view) {
            return Check::Wrong("a certificate of another term than the block's");
        }
        let Some(committee) = self.parts.schedule.committee(Term::new(statement.term)) else { return Check::Unknown };
        let members = committee.votes();
        if set.count() < quorum(members.len() as u32) {
            return Check::Wrong("a certificate of too few");
        }
        if !set.verify(&members, &self.parts.domain.digest(&statement)) {
            return Check::Wrong("a certificate whose signatures are not the committee's");
        }
        Check::Right
    }

    /// Executes what stands on the head, up to the highest certified block. Blocks its thread. Returns how many were taken.
    pub fn advance(&mut self) -> usize {
        self.heed_events();
        for (feed, sent) in std::mem::take(&mut self.early) {
            self.offer(feed, sent);
        }
        let store = self.parts.blocks.store().clone();
        let head = store.head();
        self.candidates.prune(head.number);
        let path = self.candidates.path((head.number, head.hash));
        let mut taken = Vec::new();
        for candidate in path {
            match self.import(&candidate) {
                Ok(true) => taken.push(candidate),
                Ok(false) => break,
                Err(error) => {
                    tracing::error!(%error, "a soft-final block could not be executed; it is tried again");
                    break;
                }
            }
        }
        // Only what is certified, or an ancestor of it, becomes the head.
        while taken.last().is_some_and(|last| last.certificate.is_none()) {
            taken.pop();
        }
        let Some(last) = taken.last() else { return 0 };
        let ended = self.parts.schedule.newest_event();
        if last.block.context().zip(ended).is_some_and(|(c, ended)| c.term < ended) {
            return 0;
        }
        if let Err(error) = store.commit(last.block.hash()) {
            tracing::error!(%error, "soft-final blocks were not stored; they are tried again");
            return 0;
        }
        for candidate in &taken {
            self.parts.feed.publish(CertifiedBlock {
                height: alloy_primitives::U64::from(candidate.block.header().number),
                hash: candidate.block.hash(),
                block: candidate.block.to_bytes(),
                certificate: candidate.certificate.clone(),
            });
        }
        metrics::imported(taken.len());
        crate::feed::refresh(&self.parts.backend, &[]);
        taken.len()
    }

    /// Whether a block is right and in the store. False: not yet, or never.
    fn import(&mut self, candidate: &Candidate) -> Result<bool, MachineError> {
        let block = &candidate.block;
        let Some(parent) = self.parts.blocks.parent(block.header().parent_hash)? else { return Ok(false) };
        let Some(context) = block.context().copied() else { return Ok(false) };
        match self.place(&parent.header, parent.hash, parent.context.as_ref(), &context, candidate) {
            Check::Right => {}
            Check::Unknown => return Ok(false),
            Check::Wrong(reason) => {
                self.halt(block, reason);
                return Ok(false);
            }
        }
        if self.parts.blocks.knows(block.hash())? {
            return Ok(true);
        }
        match self.parts.blocks.judge(&parent, block.header(), block.hash(), context, block.transactions())? {
            Verdict::Valid => Ok(true),
            // L1 is a little behind the seats; it comes.
            Verdict::AwaitsMessage(_) => Ok(false),
            Verdict::Invalid(invalid) => {
                self.halt(block, &invalid.to_string());
                Ok(false)
            }
        }
    }

    /// Whether a block is of the term that its parent's time says, and its certificate of the term's genesis.
    fn place(
        &mut self,
        parent: &Header,
        parent_hash: B256,
        parent_context: Option<&ConsensusContext>,
        context: &ConsensusContext,
        candidate: &Candidate,
    ) -> Check {
        let schedule = &self.parts.schedule;
        if let Some(before) = parent_context {
            match schedule.known_term_after(before.term, parent.number, Seconds::new(parent.timestamp)) {
                Some(term) if term == context.term => {}
                Some(_) => return Check::Wrong("it is of another term than its parent's time says"),
                None => return Check::Unknown,
            }
        }
        let term = context.term.get();
        if parent_context.is_none_or(|before| before.term != context.term) {
            self.geneses.insert(term, parent_hash);
        }
        let Some(certificate) = &candidate.certificate else { return Check::Right };
        let genesis = match self.geneses.get(&term) {
            Some(genesis) => Some(*genesis),
            None => self.find_genesis(context.term, parent.number),
        };
        match genesis {
            Some(genesis) if genesis != certificate.genesis => Check::Wrong("its certificate is of another genesis"),
            Some(genesis) => {
                self.geneses.insert(term, genesis);
                Check::Right
            }
            // Blocks that no view made are in between: the hash links are all there is.
            None => Check::Right,
        }
    }

    /// The last block before a term, by bisection over the store up to a height that is of the term.
    fn find_genesis(&self, term: Term, of_term: u64) -> Option<B256> {
        let store = self.parts.blocks.store();
        let term_at = |height: u64| {
            let block = store.block_by_number(height).ok().flatten()?;
            Some(decode_aux(self.parts.limits.rollup, &block.aux).map_or(Term::ZERO, |c| c.term))
        };
        let (mut low, mut high) = (0u64, of_term);
        while high.checked_sub(low)? > 1 {
            let middle = low.checked_add(high.checked_sub(low)? / 2)?;
            if term_at(middle)? < term { low = middle } else { high = middle }
        }
        let found = term_at(low)? < term && term_at(high)? == term;
        if found { store.canonical_hash(low).ok().flatten() } else { None }
    }

    fn halt(&mut self, block: &ConsensusBlock, reason: &str) {
        self.halted = true;
        self.candidates.drop_block(block.hash());
        tracing::error!(
            height = block.header().number, block = %block.hash(), reason,
            "TWO THIRDS OF THE COMMITTEE MADE A BLOCK FINAL THAT THIS NODE FINDS WRONG: nothing more is taken from feeds, \
             the chain goes on from L1's data; compare versions and chain files"
        );
    }

    fn is_bad(&self, feed: usize) -> bool {
        self.parts.feeds.get(feed).is_none_or(|feed| feed.is_bad())
    }

    fn condemn(&self, feed: usize, reason: &str) {
        if let Some(feed) = self.parts.feeds.get(feed) {
            feed.condemn(reason);
        }
    }

    /// Whether nothing more is taken.
    pub const fn halted(&self) -> bool {
        self.halted
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.candidates.len()
    }
}
