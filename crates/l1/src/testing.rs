//! An L1 in memory, for this crate's tests: blocks, logs, reorgs, a pool that can be told to misbehave.

use crate::{
    L1Error,
    chain::{Answer, Blob, BlockAt, BlockRef, Call, Fees, Inclusion, L1, L1Log, L1Transaction},
};
use alloy::{
    consensus::{EthereumTxEnvelope, Transaction as _, TxEip4844WithSidecar, transaction::SignerRecoverable},
    eips::{eip2718::Decodable2718, eip7594::BlobTransactionSidecarEip7594},
    sol_types::{SolCall, SolEvent, SolInterface, SolStruct, SolValue},
};
use alloy_primitives::aliases::{U24, U40};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use surety_contracts::{
    Addresses,
    bindings::{Claims, Inbox},
};
use surety_types::{
    BatchIndex, Gas, L1Height, Message, MessageIndex, MessageKind, RollupId, Seconds,
    claim::{self, Claim},
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
pub(crate) const ROLLUP: RollupId = RollupId::new(75873);
pub(crate) const SLOT: u64 = 2;
const GAS_USED: u64 = 21_000;

type Signed = EthereumTxEnvelope<TxEip4844WithSidecar<BlobTransactionSidecarEip7594>>;

#[derive(Debug, Clone)]
pub(crate) struct FakeBlock {
    pub(crate) block: BlockRef,
    pub(crate) logs: Vec<L1Log>,
    position: (u64, B256, u64, B256),
    included: Vec<Signed>,
}

#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) chain: Vec<FakeBlock>,
    transactions: HashMap<B256, L1Transaction>,
    pub(crate) pool: BTreeMap<(Address, u64), Signed>,
    pub(crate) finality_lag: u64,
    pub(crate) fees: Option<Fees>,
    /// What an account has before its included transactions.
    pub(crate) balance: U256,
    /// Blocks that are made just before the next questions for balances are answered, one each.
    pub(crate) mined_before_balances: usize,
    /// Logs left out of answers, by place in the answer.
    pub(crate) omit_log: Option<usize>,
    /// Failures of the next sends.
    pub(crate) refuse: Vec<L1Error>,
    /// The next sends are taken and forgotten.
    pub(crate) lose: usize,
    /// The answer to estimates.
    pub(crate) estimate: Option<L1Error>,
    /// Blocks have no room for the pool's transactions.
    pub(crate) full: bool,
    /// Slots without a block so far.
    pub(crate) missed_slots: u64,
    pub(crate) max_log_blocks: Option<u64>,
    /// The last batch whose claim is final.
    pub(crate) last_final: u64,
    pub(crate) sends: usize,
    /// The next answers to questions for receipts are none.
    pub(crate) receipts_hidden: usize,
    salt: u64,
}

/// The fake, shared by a test and what it tests.
#[derive(Debug, Default)]
pub(crate) struct FakeL1(pub(crate) Mutex<World>);

/// What a fake block does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Act {
    Message,
    Batch,
}

impl FakeL1 {
    pub(crate) fn new() -> Self {
        let fake = Self::default();
        {
            let mut world = fake.0.lock();
            world.finality_lag = 4;
            world.balance = U256::MAX;
            world.fees = Some(Fees { base_fee: 1_000_000_000, blob_base_fee: 1, priority_fee: 1_000_000 });
        }
        fake.mine(&[]);
        fake
    }

    /// Adds a block that does these things, and includes the pool's transactions that follow their senders' nonces.
    pub(crate) fn mine(&self, acts: &[Act]) -> BlockRef {
        let mut world = self.0.lock();
        world.salt += 1;
        let world = &mut *world;
        let parent = world.chain.last();
        let number = parent.map_or(0, |b| b.block.number.get() + 1);
        let hash = keccak256([number.to_be_bytes(), world.salt.to_be_bytes()].concat());
        let block = BlockRef {
            number: L1Height::new(number),
            hash,
            parent: parent.map_or(B256::ZERO, |b| b.block.hash),
            time: Seconds::new(1_000 + (number + world.missed_slots) * SLOT),
        };
        let mut position = parent.map_or_else(Default::default, |b| b.position);
        let mut logs = Vec::new();
        for (index, act) in acts.iter().enumerate() {
            let (log, transaction) = perform(*act, &block, &mut position, world.salt);
            let transaction_hash = transaction.as_ref().map_or(B256::ZERO, |tx| tx.hash);
            if let Some(mut transaction) = transaction {
                transaction.block_hash = Some(hash);
                world.transactions.insert(transaction.hash, transaction);
            }
            logs.push(L1Log {
                block_number: block.number,
                block_hash: hash,
                transaction: transaction_hash,
                index: index as u64,
                log,
            });
        }
        let mut included = Vec::new();
        let fees = world.fees;
        let (full, pays) = (world.full, |tx: &Signed| fees.is_none_or(|fees| pays(tx, &fees)));
        let next = |pool: &BTreeMap<(Address, u64), Signed>, included: &[Signed]| {
            let fits = |(sender, nonce): &(Address, u64)| *nonce == next_nonce(&world.chain, included, *sender);
            pool.iter().find(|(key, tx)| !full && fits(key) && pays(tx)).map(|(key, _)| *key)
        };
        while let Some(key) = next(&world.pool, &included) {
            included.extend(world.pool.remove(&key));
        }
        world.chain.push(FakeBlock { block, logs, position, included });
        block
    }

    /// Adds blocks, so many slots without one before each.
    pub(crate) fn mine_sparsely(&self, blocks: u64, missed: u64) {
        for _ in 0..blocks {
            self.0.lock().missed_slots += missed;
            self.mine(&[]);
        }
    }

    /// Drops the newest `depth` blocks.
    pub(crate) fn drop_blocks(&self, depth: usize) {
        let mut world = self.0.lock();
        let keep = world.chain.len().saturating_sub(depth).max(1);
        world.chain.truncate(keep);
    }

    pub(crate) fn pooled(&self) -> Vec<Signed> {
        self.0.lock().pool.values().cloned().collect()
    }
}

impl World {
    /// What the claims' contract answers.
    fn of_claims(&self, asked: &Claims::ClaimsCalls) -> Bytes {
        let batch_of = |id: B256| {
            let posted = |log: &L1Log| Inbox::BatchPosted::decode_log(&log.log).ok().map(|event| event.data);
            let events = self.chain.iter().flat_map(|block| block.logs.iter().filter_map(posted));
            events.filter(|event| event.claimId == id).map(|event| event.batchIndex).next()
        };
        match asked {
            Claims::ClaimsCalls::claim(call) => {
                let index = batch_of(call.id);
                let record = Claims::ClaimRecord {
                    postedAt: U40::from(u64::from(index.is_some())),
                    batchIndex: U40::from(index.unwrap_or_default()),
                    childAt: U40::ZERO,
                    term: 1,
                    signers: 7,
                    line: U24::ZERO,
                    fate: 0,
                    isEnd: false,
                };
                record.abi_encode().into()
            }
            Claims::ClaimsCalls::isFinal(call) => {
                batch_of(call.id).is_some_and(|index| index <= self.last_final).abi_encode().into()
            }
            Claims::ClaimsCalls::finalAt(_) => 1u64.abi_encode().into(),
            _ => Bytes::new(),
        }
    }
}

fn next_nonce(chain: &[FakeBlock], also: &[Signed], sender: Address) -> u64 {
    let of = |tx: &&Signed| tx.recover_signer().unwrap() == sender;
    (chain.iter().flat_map(|b| &b.included).filter(of).count() + also.iter().filter(of).count()) as u64
}

/// Whether an offer covers what blocks cost.
fn pays(tx: &Signed, fees: &Fees) -> bool {
    tx.max_fee_per_gas() >= fees.base_fee && tx.max_fee_per_blob_gas().is_none_or(|fee| fee >= fees.blob_base_fee)
}

/// What an included transaction paid.
fn fee(tx: &Signed) -> u128 {
    u128::from(GAS_USED) * tx.max_fee_per_gas()
}

fn perform(
    act: Act,
    block: &BlockRef,
    position: &mut (u64, B256, u64, B256),
    salt: u64,
) -> (alloy_primitives::Log, Option<L1Transaction>) {
    match act {
        Act::Message => {
            let message = Message {
                kind: MessageKind::Deposit,
                index: MessageIndex::new(position.0),
                l1_block: block.number,
                l1_time: block.time,
                sender: Address::repeat_byte(1),
                to: Address::repeat_byte(2),
                value: U256::from(salt),
                mint: U256::from(salt),
                gas: Gas::new(100_000),
                data: Bytes::from(salt.to_be_bytes().to_vec()),
            };
            let acc = message.accumulate(position.1);
            (position.0, position.1) = (position.0 + 1, acc);
            let event = Inbox::MessageSent {
                index: message.index.get(),
                kind: 0,
                l1Block: block.number.get(),
                l1Time: block.time.get(),
                sender: message.sender,
                to: message.to,
                value: message.value,
                mint: message.mint,
                gas: message.gas.get(),
                data: message.data,
                acc,
            };
            (alloy_primitives::Log { address: ADDRESSES.inbox, data: event.encode_log_data() }, None)
        }
        Act::Batch => {
            position.2 += 1;
            let data = Bytes::from(salt.to_be_bytes().to_vec());
            let event = Inbox::Batch {
                rollup: ROLLUP.get(),
                term: 1,
                genesis: B256::repeat_byte(1),
                firstHeight: position.2,
                lastHeight: position.2,
                parentClaim: B256::repeat_byte(2),
                prevHash: B256::repeat_byte(3),
                lastHash: B256::from(U256::from(salt)),
                blockHashRoot: B256::repeat_byte(4),
                lastBlockTime: block.time.get(),
                messageCount: position.0,
                messageAcc: position.1,
                inboxTip: position.3,
                dataHash: claim::calldata_data_hash(&data).unwrap(),
            };
            let statement = Batch::from(event.clone());
            position.3 = claim::inbox_tip(position.3, statement.eip712_hash_struct());
            let claim = Claim::stated(BatchIndex::new(position.2), &statement);
            let call = Inbox::postBatchCall {
                statement: event.clone(),
                parent: Inbox::ParentClaim {
                    parentId: B256::ZERO,
                    prevHash: B256::ZERO,
                    lastHash: B256::ZERO,
                    blockHashRoot: B256::ZERO,
                },
                leftSiblings: Vec::new(),
                signers: 7,
                signatures: Bytes::from(vec![9; 192]),
                data,
            };
            let transaction = L1Transaction {
                hash: B256::from(U256::from(salt)),
                block_hash: None,
                to: Some(ADDRESSES.inbox),
                input: call.abi_encode().into(),
                blob_hashes: Vec::new(),
            };
            let event =
                Inbox::BatchPosted { batchIndex: position.2, claimId: claim.id(), signers: 7, statement: event };
            (alloy_primitives::Log { address: ADDRESSES.inbox, data: event.encode_log_data() }, Some(transaction))
        }
    }
}

fn now<T: Send + 'static>(result: Result<T, L1Error>) -> Answer<'static, T> {
    Box::pin(std::future::ready(result))
}

impl L1 for FakeL1 {
    fn chain_id(&self) -> Answer<'_, u64> {
        now(Ok(1337))
    }

    fn block(&self, at: BlockAt) -> Answer<'_, Option<BlockRef>> {
        let world = self.0.lock();
        let last = world.chain.len() - 1;
        let number = |n: usize| world.chain.get(n).map(|b| b.block);
        now(Ok(match at {
            BlockAt::Latest => number(last),
            BlockAt::Safe => number(last.saturating_sub(world.finality_lag as usize / 2)),
            BlockAt::Finalized => last.checked_sub(world.finality_lag as usize).and_then(number),
            BlockAt::Number(n) => number(n.get() as usize),
            BlockAt::Hash(hash) => world.chain.iter().map(|b| b.block).find(|b| b.hash == hash),
        }))
    }

    fn logs<'a>(&'a self, from: L1Height, to: L1Height, addresses: &'a [Address]) -> Answer<'a, Vec<L1Log>> {
        let mut world = self.0.lock();
        if world.max_log_blocks.is_some_and(|max| to.since(from) + 1 > max) {
            return now(Err(L1Error::TooLarge { method: "eth_getLogs", reason: "range".into() }));
        }
        let in_range = |b: &&FakeBlock| b.block.number >= from && b.block.number <= to;
        let mut logs: Vec<L1Log> = world.chain.iter().filter(in_range).flat_map(|b| b.logs.clone()).collect();
        logs.retain(|log| addresses.contains(&log.log.address));
        if let Some(place) = world.omit_log.filter(|place| *place < logs.len()) {
            logs.remove(place);
            world.omit_log = None;
        }
        now(Ok(logs))
    }

    fn transaction(&self, hash: B256) -> Answer<'_, Option<L1Transaction>> {
        now(Ok(self.0.lock().transactions.get(&hash).cloned()))
    }

    fn call<'a>(&'a self, call: &'a Call, _: BlockAt) -> Answer<'a, Bytes> {
        let asked =
            (call.to == Some(ADDRESSES.claims)).then(|| Claims::ClaimsCalls::abi_decode(&call.input)).transpose();
        now(Ok(asked.ok().flatten().map(|asked| self.0.lock().of_claims(&asked)).unwrap_or_default()))
    }

    fn code(&self, _: Address, _: BlockAt) -> Answer<'_, Bytes> {
        now(Ok(Bytes::new()))
    }

    fn blobs<'a>(&'a self, block: BlockRef, hashes: &'a [B256]) -> Answer<'a, Vec<Box<Blob>>> {
        Box::pin(crate::blobs::fetch(None, &[], block, hashes))
    }

    fn fees(&self) -> Answer<'_, Fees> {
        now(Ok(self.0.lock().fees.unwrap()))
    }

    fn balance(&self, address: Address) -> Answer<'_, U256> {
        let mut world = self.0.lock();
        if let Some(left) = world.mined_before_balances.checked_sub(1) {
            world.mined_before_balances = left;
            drop(world);
            self.mine(&[]);
            world = self.0.lock();
        }
        let sent = world.chain.iter().flat_map(|b| &b.included).filter(|tx| tx.recover_signer().unwrap() == address);
        let paid = sent.fold(U256::ZERO, |sum, tx| sum + tx.value() + U256::from(fee(tx)));
        now(Ok(world.balance - paid))
    }

    fn nonce(&self, address: Address) -> Answer<'_, u64> {
        now(Ok(next_nonce(&self.0.lock().chain, &[], address)))
    }

    fn estimate_gas<'a>(&'a self, _: &'a Call) -> Answer<'a, u64> {
        now(self.0.lock().estimate.clone().map_or(Ok(50_000), Err))
    }

    fn send_raw<'a>(&'a self, transaction: &'a [u8]) -> Answer<'a, ()> {
        let mut world = self.0.lock();
        world.sends += 1;
        if let Some(error) = world.refuse.pop() {
            return now(Err(error));
        }
        if world.lose > 0 {
            world.lose -= 1;
            return now(Ok(()));
        }
        let refused = |message: &str| L1Error::Refused {
            method: "eth_sendRawTransaction",
            code: -32000,
            message: message.into(),
        };
        let tx = Signed::decode_2718_exact(transaction).unwrap();
        let sender = tx.recover_signer().unwrap();
        if tx.nonce() < next_nonce(&world.chain, &[], sender) {
            return now(Err(refused("nonce too low")));
        }
        if let Some(old) = world.pool.get(&(sender, tx.nonce())) {
            if old.tx_hash() == tx.tx_hash() {
                return now(Ok(()));
            }
            // geth's rules: a tenth more for ordinary transactions, double for blob transactions.
            let factor = if tx.is_eip4844() { 200 } else { 110 };
            let enough = |new: u128, old: u128| new * 100 >= old * factor;
            if !enough(tx.max_fee_per_gas(), old.max_fee_per_gas())
                || !enough(tx.max_priority_fee_per_gas().unwrap(), old.max_priority_fee_per_gas().unwrap())
                || !enough(tx.max_fee_per_blob_gas().unwrap_or(0), old.max_fee_per_blob_gas().unwrap_or(0))
            {
                return now(Err(refused("replacement transaction underpriced")));
            }
        }
        world.pool.insert((sender, tx.nonce()), tx);
        now(Ok(()))
    }

    fn inclusion(&self, hash: B256) -> Answer<'_, Option<Inclusion>> {
        let mut world = self.0.lock();
        if let Some(hidden) = world.receipts_hidden.checked_sub(1) {
            world.receipts_hidden = hidden;
            return now(Ok(None));
        }
        let found = world.chain.iter().find_map(|b| {
            let tx = b.included.iter().find(|tx| *tx.tx_hash() == hash)?;
            Some(Inclusion {
                block_number: b.block.number,
                block_hash: b.block.hash,
                from: tx.recover_signer().unwrap_or_default(),
                success: true,
                gas_used: GAS_USED,
                fee: fee(tx),
            })
        });
        now(Ok(found))
    }
}
