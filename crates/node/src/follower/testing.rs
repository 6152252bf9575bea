//! An L1 in memory that holds messages and batches, and seats that make blocks for it: for tests of follower and poster.

use crate::{
    builder::{Blocks, testing::deposit},
    consensus::testing::ROLLUP,
    follower::{Chain, DerivedBatch},
    poster::{Form, Proposal, TermNow},
};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::{SolCall, SolEvent, SolStruct};
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc};
use surety_contracts::{
    Addresses,
    bindings::{Inbox, SequencerRegistry},
};
use surety_l1::{
    BlockAt, BlockRef, Call, L1, L1Error, L1Transaction,
    chain::{Answer, Blob, Fees, Inclusion, L1Log},
};
use surety_stf::execute::op::L1Attributes;
use surety_types::{
    BatchIndex, ConsensusContext, L1Height, L2Height, Message, Milliseconds, Recovered, Seconds, Term, Transaction,
    View,
    claim::{Claim, inbox_tip},
    signing::Batch,
};

pub(crate) const ADDRESSES: Addresses = Addresses {
    registry: Address::repeat_byte(0xa1),
    claims: Address::repeat_byte(0xa2),
    inbox: Address::repeat_byte(0xa3),
    bridge: Address::repeat_byte(0xa4),
    equivocation: Address::repeat_byte(0xa5),
    idle: Address::repeat_byte(0xa7),
    invalid_state: Address::repeat_byte(0xaa),
    slasher: Address::repeat_byte(0xa6),
    preimages: Address::repeat_byte(0xa7),
    riscv: Address::repeat_byte(0xa8),
    dispute: Address::repeat_byte(0xa9),
};

#[derive(Debug, Clone)]
struct Mined {
    block: BlockRef,
    logs: Vec<L1Log>,
    /// Messages, accumulator, batches, tip.
    position: (u64, B256, u64, B256),
}

#[derive(Debug, Default)]
struct World {
    chain: Vec<Mined>,
    transactions: HashMap<B256, L1Transaction>,
    blobs: HashMap<B256, Box<Blob>>,
    hide_blobs: bool,
    salt: u64,
}

/// Four blocks to finality.
#[derive(Debug, Default)]
pub(crate) struct FakeL1(Mutex<World>);

impl FakeL1 {
    pub(crate) fn new() -> Arc<Self> {
        let this = Arc::new(Self::default());
        this.mine();
        this
    }

    /// An empty block.
    pub(crate) fn mine(&self) -> BlockRef {
        let mut world = self.0.lock();
        world.salt += 1;
        let parent = world.chain.last();
        let number = parent.map_or(0, |b| b.block.number.get() + 1);
        let block = BlockRef {
            number: L1Height::new(number),
            hash: keccak256([number.to_be_bytes(), world.salt.to_be_bytes()].concat()),
            parent: parent.map_or(B256::ZERO, |b| b.block.hash),
            time: Seconds::new(1_000 + 2 * number),
        };
        let position = parent.map_or_else(Default::default, |b| b.position);
        world.chain.push(Mined { block, logs: vec![], position });
        block
    }

    /// Mines a block in which an event starts a term; when.
    pub(crate) fn start_term(&self, term: u64) -> Seconds {
        let block = self.mine();
        let mut world = self.0.lock();
        let mined = world.chain.last_mut().unwrap();
        let event = SequencerRegistry::TermStarted { term, time: block.time.get() };
        mined.log(event.encode_log_data(), B256::ZERO);
        mined.logs.last_mut().unwrap().log.address = ADDRESSES.registry;
        block.time
    }

    /// Drops the newest blocks.
    pub(crate) fn drop_blocks(&self, depth: usize) {
        let mut world = self.0.lock();
        let keep = world.chain.len() - depth;
        world.chain.truncate(keep);
    }

    pub(crate) fn hide_blobs(&self, hide: bool) {
        self.0.lock().hide_blobs = hide;
    }

    /// Mines a block with a deposit of one ether.
    pub(crate) fn deposit(&self, to: Address) -> Message {
        let block = self.mine();
        let mut world = self.0.lock();
        let mined = world.chain.last_mut().unwrap();
        let mut message = deposit(mined.position.0, to, 50_000);
        (message.l1_block, message.l1_time) = (block.number, block.time);
        mined.position.0 += 1;
        mined.position.1 = message.accumulate(mined.position.1);
        let event = Inbox::MessageSent {
            index: message.index.get(),
            kind: message.kind as u8,
            l1Block: message.l1_block.get(),
            l1Time: message.l1_time.get(),
            sender: message.sender,
            to: message.to,
            value: message.value,
            mint: message.mint,
            gas: message.gas.get(),
            data: message.data.clone(),
            acc: mined.position.1,
        };
        mined.log(event.encode_log_data(), B256::ZERO);
        message
    }

    /// Mines a block with a batch, whatever it says.
    pub(crate) fn post(&self, proposal: &Proposal) -> DerivedBatchId {
        let block = self.mine();
        let mut world = self.0.lock();
        let mut hashes = vec![];
        let mut data = Bytes::new();
        if proposal.statement.dataHash.is_zero() {
        } else if proposal.form == Form::Calldata {
            data = proposal.payload.clone();
        } else {
            for blob in surety_stf::batch::pack_blobs(&proposal.payload).unwrap() {
                let blob = Box::new(Blob::try_from(blob.as_slice()).unwrap());
                let hash = surety_l1::blobs::versioned_hash(&blob).unwrap();
                hashes.push(hash);
                world.blobs.insert(hash, blob);
            }
        }
        let statement = Inbox::Batch::from(proposal.statement.clone());
        let self_sequenced = proposal.statement.lastHash.is_zero() && proposal.statement.dataHash.is_zero();
        let signers = if self_sequenced { 0 } else { 7 };
        let call = Inbox::postBatchCall {
            statement: statement.clone(),
            parent: Inbox::ParentClaim::default(),
            leftSiblings: vec![],
            signers,
            signatures: Bytes::new(),
            data,
        };
        let mined = world.chain.last_mut().unwrap();
        let index = BatchIndex::new(mined.position.2 + 1);
        let s = &proposal.statement;
        let claim = Claim::stated(index, s);
        if self_sequenced {
            // L1 tells of the term first.
            let event = SequencerRegistry::TermStarted { term: s.term, time: block.time.get() };
            mined.log(event.encode_log_data(), B256::ZERO);
            mined.logs.last_mut().unwrap().log.address = ADDRESSES.registry;
        }
        mined.position.2 += 1;
        mined.position.3 = inbox_tip(mined.position.3, s.eip712_hash_struct());
        let claim_id = if self_sequenced { B256::ZERO } else { claim.id() };
        let event = Inbox::BatchPosted { batchIndex: index.get(), claimId: claim_id, signers, statement };
        let transaction = keccak256([block.hash.0, claim.id().0].concat());
        mined.log(event.encode_log_data(), transaction);
        world.transactions.insert(
            transaction,
            L1Transaction {
                hash: transaction,
                block_hash: Some(block.hash),
                to: Some(ADDRESSES.inbox),
                input: call.abi_encode().into(),
                blob_hashes: hashes,
            },
        );
        DerivedBatchId { index, claim }
    }

    /// The inbox's tip of statements, and the accumulator.
    pub(crate) fn tip(&self) -> (B256, u64, B256) {
        let world = self.0.lock();
        let position = world.chain.last().unwrap().position;
        (position.3, position.0, position.1)
    }
}

/// A batch as posted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DerivedBatchId {
    pub(crate) index: BatchIndex,
    pub(crate) claim: Claim,
}

impl Mined {
    fn log(&mut self, data: alloy_primitives::LogData, transaction: B256) {
        self.logs.push(L1Log {
            block_number: self.block.number,
            block_hash: self.block.hash,
            transaction,
            index: self.logs.len() as u64,
            log: alloy_primitives::Log { address: ADDRESSES.inbox, data },
        });
    }
}

fn answer<'a, T: Send + 'a>(result: Result<T, L1Error>) -> Answer<'a, T> {
    Box::pin(std::future::ready(result))
}

fn unasked<'a, T: Send + 'a>(what: &'static str) -> Answer<'a, T> {
    answer(Err(L1Error::Unavailable { method: what, reason: "not part of this test".into() }))
}

impl L1 for FakeL1 {
    fn chain_id(&self) -> Answer<'_, u64> {
        answer(Ok(1337))
    }
    fn block(&self, at: BlockAt) -> Answer<'_, Option<BlockRef>> {
        let world = self.0.lock();
        let newest = world.chain.len() - 1;
        let found = match at {
            BlockAt::Latest => world.chain.get(newest),
            BlockAt::Safe => world.chain.get(newest.saturating_sub(2)),
            BlockAt::Finalized => world.chain.get(newest.saturating_sub(4)),
            BlockAt::Number(number) => world.chain.get(number.get() as usize),
            BlockAt::Hash(hash) => world.chain.iter().find(|b| b.block.hash == hash),
        };
        answer(Ok(found.map(|b| b.block)))
    }
    fn logs<'a>(&'a self, from: L1Height, to: L1Height, _: &'a [Address]) -> Answer<'a, Vec<L1Log>> {
        let world = self.0.lock();
        let range = world.chain.iter().filter(|b| b.block.number >= from && b.block.number <= to);
        answer(Ok(range.flat_map(|b| b.logs.clone()).collect()))
    }
    fn transaction(&self, hash: B256) -> Answer<'_, Option<L1Transaction>> {
        answer(Ok(self.0.lock().transactions.get(&hash).cloned()))
    }
    fn call<'a>(&'a self, _: &'a Call, _: BlockAt) -> Answer<'a, Bytes> {
        unasked("eth_call")
    }
    fn code(&self, _: Address, _: BlockAt) -> Answer<'_, Bytes> {
        unasked("eth_getCode")
    }
    fn blobs<'a>(&'a self, block: BlockRef, hashes: &'a [B256]) -> Answer<'a, Vec<Box<Blob>>> {
        let world = self.0.lock();
        let found = hashes.iter().map(|hash| {
            world.blobs.get(hash).filter(|_| !world.hide_blobs).cloned().ok_or(L1Error::BlobMissing {
                hash: *hash,
                block: block.number.get(),
                reason: "hidden".into(),
            })
        });
        answer(found.collect())
    }
    fn fees(&self) -> Answer<'_, Fees> {
        unasked("eth_feeHistory")
    }
    fn balance(&self, _: Address) -> Answer<'_, U256> {
        unasked("eth_getBalance")
    }
    fn nonce(&self, _: Address) -> Answer<'_, u64> {
        unasked("eth_getTransactionCount")
    }
    fn estimate_gas<'a>(&'a self, _: &'a Call) -> Answer<'a, u64> {
        unasked("eth_estimateGas")
    }
    fn send_raw<'a>(&'a self, _: &'a [u8]) -> Answer<'a, ()> {
        unasked("eth_sendRawTransaction")
    }
    fn inclusion(&self, _: B256) -> Answer<'_, Option<Inclusion>> {
        unasked("eth_getTransactionReceipt")
    }
}

/// The seats, as one: makes final blocks and batches of them.
pub(crate) struct Seats {
    pub(crate) blocks: Blocks,
    pub(crate) term: u64,
    pub(crate) time: u64,
    view: u64,
}

/// Age at which these tests' batches end.
pub(crate) const AGE: Milliseconds = Milliseconds::new(800);

impl Seats {
    pub(crate) fn new() -> Self {
        let blocks = crate::builder::testing::chain(None);
        let time = crate::builder::testing::GENESIS_TIME * 1000 + 10_000;
        Self { blocks, term: 1, time, view: 0 }
    }

    pub(crate) fn chain(&self) -> Chain {
        Chain::new(self.blocks.store().clone(), Arc::new(self.blocks.parameters().clone()))
    }

    pub(crate) fn head(&self) -> u64 {
        self.blocks.store().committed().number
    }

    /// Makes a final block of messages that are known and these transactions.
    pub(crate) fn produce(&mut self, list: Vec<Recovered<Transaction>>) -> B256 {
        let parent = self.blocks.parent(self.blocks.store().head().hash).unwrap().unwrap();
        let parent_view = parent.context.filter(|c| c.term.get() == self.term).map_or(0, |c| c.view.get());
        self.view = if parent_view == 0 { 1 } else { self.view + 1 };
        self.time += 200;
        let context = ConsensusContext {
            rollup: ROLLUP,
            term: Term::new(self.term),
            view: View::new(self.view),
            parent_view: View::new(parent_view),
            milliseconds: Milliseconds::new(self.time),
        };
        let mut draft = self.blocks.begin(&parent, context, Address::repeat_byte(0xbe)).unwrap();
        for tx in list {
            draft.push(tx).unwrap();
        }
        let sealed = self.blocks.seal(draft).unwrap();
        self.blocks.store().set_head(sealed.hash()).unwrap();
        self.blocks.store().commit(sealed.hash()).unwrap();
        sealed.hash()
    }

    pub(crate) fn term_now(&self) -> TermNow {
        TermNow { term: Term::new(self.term), genesis: B256::repeat_byte(self.term as u8) }
    }

    /// The proposal after a batch, if there is a whole one.
    pub(crate) fn propose(&self, tip: &DerivedBatch, form: Form) -> Option<Proposal> {
        let until = L2Height::new(self.head());
        Proposal::make(&self.chain(), tip, self.term_now(), (AGE, until), form, |_, _| true).unwrap()
    }

    /// What the inbox would write for a self-sequenced block after the head of `tip`.
    pub(crate) fn self_sequenced(&self, tip: &DerivedBatch, l1: &FakeL1, time: u64) -> Proposal {
        let (inbox_tip, count, acc) = l1.tip();
        let statement = Batch {
            rollup: ROLLUP.get(),
            term: self.term + 1,
            genesis: B256::ZERO,
            firstHeight: tip.last.get() + 1,
            lastHeight: tip.last.get() + 1,
            parentClaim: B256::ZERO,
            prevHash: B256::ZERO,
            lastHash: B256::ZERO,
            blockHashRoot: B256::ZERO,
            lastBlockTime: time,
            messageCount: count,
            messageAcc: acc,
            inboxTip: inbox_tip,
            dataHash: B256::ZERO,
        };
        Proposal { statement, payload: Bytes::new(), form: Form::Calldata }
    }

    /// A posted batch as a tip, for those who do not follow.
    pub(crate) fn tip_after(&self, posted: DerivedBatchId, proposal: &Proposal, l1: &FakeL1) -> DerivedBatch {
        let state = self.blocks.store().view(proposal.statement.lastHash).unwrap();
        let attributes = L1Attributes::read(&state).unwrap();
        DerivedBatch {
            index: posted.index,
            block: None,
            transaction: B256::ZERO,
            claim: posted.claim,
            tip: l1.tip().0,
            last: L2Height::new(proposal.statement.lastHeight),
            last_hash: proposal.statement.lastHash,
            messages: attributes.message_count,
            acc: attributes.message_acc,
            signed: true,
            claim_holds: true,
        }
    }
}
