//! A chain in memory whose batches are derived as a follower derives them, with full blocks of one kind of transaction.

use alloy::{
    consensus::{SignableTransaction as _, TxEip1559},
    network::TxSignerSync as _,
    signers::local::PrivateKeySigner,
    sol,
    sol_types::{SolCall as _, SolValue as _},
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, keccak256};
use anyhow::{Context as _, Result, ensure};
use std::{path::Path, sync::Arc};
use surety_contracts::genesis::L2Genesis;
use surety_l1::{blobs::versioned_hash, chain::Blob};
use surety_node::{
    follower::{Chain, DerivedBatch},
    genesis,
};
use surety_prove::PostedBatch;
use surety_state::Store;
use surety_stf::{
    batch::{BatchBlock, Body, encode_payload, pack_blobs},
    derive::{Data, Position},
};
use surety_types::{
    BatchIndex, ChainParameters, ConsensusContext, Gas, L1Height, L2Height, Message, MessageIndex, MessageKind,
    Milliseconds, RollupId, Seconds, Term, Transaction, View,
    claim::{Claim, blob_data_hash},
    signing::Batch,
};

const ROLLUP: RollupId = RollupId::new(75_873);
const GENESIS_TIME: u64 = 1_700_000_000;
const BLOCK_TIME: u64 = 200;
const GWEI: u128 = 1_000_000_000;
/// Who sends, in turn.
const SENDERS: usize = 300;
/// The wrapped ether of the genesis: an ordinary ERC-20 token.
const WETH: Address = address!("0x4200000000000000000000000000000000000006");

sol! {
    interface Token {
        function transfer(address to, uint256 value) external returns (bool);
        function approve(address spender, uint256 value) external returns (bool);
    }
    interface Router {
        function addLiquidityETH(address token, uint256 desired, uint256 least, uint256 leastEther, address to, uint256 deadline) external payable;
        function swapExactETHForTokens(uint256 least, address[] path, address to, uint256 deadline) external payable;
    }
}

/// The chain and those who use it.
pub(super) struct Workshop {
    pub(super) chain: Chain,
    tip: DerivedBatch,
    context: Option<ConsensusContext>,
    milliseconds: u64,
    senders: Vec<(PrivateKeySigner, u64)>,
    recipients: u64,
}

fn parameters() -> ChainParameters {
    ChainParameters {
        rollup: ROLLUP,
        genesis_time: Seconds::new(GENESIS_TIME),
        genesis_hash: B256::ZERO,
        block_time: Milliseconds::new(BLOCK_TIME),
        gas_limit: Gas::new(30_000_000),
        base_fee_denominator: 250,
        base_fee_elasticity: 6,
        min_base_fee: 0,
        l1_base_fee_scalar: 5_227,
        l1_blob_base_fee_scalar: 1_014_213,
        da_footprint_gas_scalar: 0,
    }
}

impl Workshop {
    /// A chain whose senders have ether, and tokens.
    pub(super) fn new() -> Result<Self> {
        let mut parameters = parameters();
        let first = genesis::make(&parameters, &L2Genesis::new(ROLLUP.get()))?;
        parameters.genesis_hash = first.header.hash_slow();
        let tip = DerivedBatch::genesis(ROLLUP, parameters.genesis_hash);
        let store = Store::open(None, surety_state::Config::default(), first)?;
        let keys = (0..SENDERS).map(|n| PrivateKeySigner::from_bytes(&keccak256(format!("surety bench sender {n}"))));
        // A deposit counts as a transaction of its sender.
        let senders = keys.map(|key| Ok((key?, 1))).collect::<Result<Vec<_>>>()?;
        let mut this = Self {
            chain: Chain::new(store, Arc::new(parameters)),
            tip,
            context: None,
            milliseconds: GENESIS_TIME * 1000,
            senders,
            recipients: 0,
        };
        let ether = this.senders.iter().zip(0..).map(|((key, _), index)| deposit(index, key.address())).collect();
        this.post(vec![vec![]], ether)?;
        let wrap = |this: &mut Self, n: usize| this.sign(n, WETH, U256::from(GWEI), Bytes::new(), 60_000);
        let list = (0..SENDERS).map(|n| wrap(&mut this, n)).collect::<Result<_>>()?;
        this.post(vec![list], vec![])?;
        Ok(this)
    }

    fn sign(&mut self, n: usize, to: impl Into<TxKind>, value: U256, input: Bytes, gas: u64) -> Result<Transaction> {
        let (key, nonce) = &mut self.senders[n % SENDERS];
        let mut tx = TxEip1559 {
            chain_id: ROLLUP.get(),
            nonce: *nonce,
            gas_limit: gas,
            max_fee_per_gas: 100 * GWEI,
            max_priority_fee_per_gas: 1_000_000,
            to: to.into(),
            value,
            input,
            ..TxEip1559::default()
        };
        *nonce += 1;
        let signature = key.sign_transaction_sync(&mut tx)?;
        Ok(Transaction::Eip1559(tx.into_signed(signature)))
    }

    /// Half of the recipients are new, the others are senders.
    fn recipient(&mut self, n: usize) -> Address {
        if n.is_multiple_of(2) {
            return self.senders[(n * 7 + 1) % SENDERS].0.address();
        }
        self.recipients += 1;
        Address::from_word(keccak256(format!("surety bench recipient {}", self.recipients)))
    }

    /// So many transfers of ether.
    pub(super) fn transfers(&mut self, count: usize) -> Result<Vec<Transaction>> {
        (0..count)
            .map(|n| {
                let to = self.recipient(n);
                self.sign(n, to, U256::from(1_000 + n), Bytes::new(), 21_000)
            })
            .collect()
    }

    /// So many transfers of a token.
    pub(super) fn token_transfers(&mut self, count: usize) -> Result<Vec<Transaction>> {
        (0..count)
            .map(|n| {
                let transfer = Token::transferCall { to: self.recipient(n), value: U256::from(5 + n) };
                self.sign(n, WETH, U256::ZERO, transfer.abi_encode().into(), 60_000)
            })
            .collect()
    }

    /// Creates a contract in a block of its own.
    fn create(&mut self, artifact: &Path, arguments: &[u8]) -> Result<Address> {
        let text = std::fs::read_to_string(artifact).with_context(|| format!("read {}", artifact.display()))?;
        let json: serde_json::Value = serde_json::from_str(&text)?;
        // Two forms of compilers' output.
        let code = json["bytecode"].as_str().or_else(|| json["evm"]["bytecode"]["object"].as_str());
        let code: Bytes = code.with_context(|| format!("{} has no bytecode", artifact.display()))?.parse()?;
        let (key, nonce) = &self.senders[0];
        let address = key.address().create(*nonce);
        let create = self.sign(0, TxKind::Create, U256::ZERO, [&code, arguments].concat().into(), 8_000_000)?;
        self.post(vec![vec![create]], vec![])?;
        ensure!(self.all_succeeded()?, "{} cannot be created", artifact.display());
        Ok(address)
    }

    /// So many swaps of ether for a token by Uniswap V2's router, whose artifacts are in this folder as npm has them.
    pub(super) fn swaps(&mut self, folder: &Path, count: usize) -> Result<Vec<Transaction>> {
        let built = |package: &str, name: &str| folder.join(package).join("build").join(name).with_extension("json");
        let supply = U256::from(10).pow(U256::from(24));
        let token = self.create(&built("v2-periphery", "ERC20"), &supply.abi_encode())?;
        let owner = self.senders[0].0.address();
        let factory = self.create(&built("v2-core", "UniswapV2Factory"), &owner.abi_encode())?;
        let router = self.create(&built("v2-periphery", "UniswapV2Router02"), &(factory, WETH).abi_encode_params())?;
        let approve = Token::approveCall { spender: router, value: supply }.abi_encode();
        let deadline = U256::from(u64::MAX);
        let ether = U256::from(10).pow(U256::from(18));
        let fill = Router::addLiquidityETHCall {
            token,
            desired: supply,
            least: U256::ZERO,
            leastEther: U256::ZERO,
            to: owner,
            deadline,
        };
        let list = vec![
            self.sign(0, token, U256::ZERO, approve.into(), 100_000)?,
            self.sign(0, router, ether, fill.abi_encode().into(), 5_000_000)?,
        ];
        self.post(vec![list], vec![])?;
        ensure!(self.all_succeeded()?, "the pair cannot be filled");
        let swap = |this: &mut Self, n: usize| {
            let to = this.senders[n % SENDERS].0.address();
            let swap = Router::swapExactETHForTokensCall { least: U256::ZERO, path: vec![WETH, token], to, deadline };
            this.sign(n, router, U256::from(GWEI), swap.abi_encode().into(), 250_000)
        };
        // The pair writes more in the first swap after it was filled.
        let first = swap(self, 0)?;
        self.post(vec![vec![first]], vec![])?;
        (0..count).map(|n| swap(self, n + 1)).collect()
    }

    /// Whether all transactions of the last block did what they were to do.
    pub(super) fn all_succeeded(&self) -> Result<bool> {
        let block = self.chain.store().block(self.tip.last_hash)?.context("the block just derived")?;
        Ok(block.receipts.iter().all(surety_types::Receipt::success))
    }

    /// Posts and derives a batch of these lists; messages go into the first block.
    pub(super) fn post(&mut self, lists: Vec<Vec<Transaction>>, messages: Vec<Message>) -> Result<PostedBatch> {
        let before = (self.tip, self.context);
        let mut blocks = Vec::new();
        for list in lists {
            self.milliseconds += BLOCK_TIME;
            let view = self.tip.last.get() + 1 + blocks.len() as u64;
            let context = ConsensusContext {
                rollup: ROLLUP,
                term: Term::new(1),
                view: View::new(view),
                parent_view: View::new(view - 1),
                milliseconds: Milliseconds::new(self.milliseconds),
            };
            let messages = if blocks.is_empty() { messages.len() as u64 } else { 0 };
            let beneficiary = Address::repeat_byte(0xfe);
            blocks.push(BatchBlock { context, beneficiary, messages, transactions: list });
            self.context = Some(context);
        }
        let count = blocks.len() as u64;
        let data = pack_blobs(&encode_payload(&Body { blocks }.encode(ROLLUP)?))?;
        let hashes: Option<Vec<B256>> =
            data.iter().map(|blob| Blob::try_from(&blob[..]).ok().as_ref().and_then(versioned_hash)).collect();
        let end = messages.iter().fold(self.tip.position(), Position::after);
        let statement = Batch {
            rollup: ROLLUP.get(),
            term: 1,
            genesis: self.chain.parameters().genesis_hash,
            firstHeight: self.tip.last.get() + 1,
            lastHeight: self.tip.last.get() + count,
            parentClaim: self.tip.claim.id(),
            prevHash: self.tip.last_hash,
            lastHash: B256::ZERO,
            blockHashRoot: B256::ZERO,
            lastBlockTime: self.milliseconds / 1000,
            messageCount: end.count.get(),
            messageAcc: end.acc,
            inboxTip: B256::ZERO,
            dataHash: blob_data_hash(&hashes.context("a blob without commitment")?),
        };
        let data = Data::Blobs(data);
        let outcome = self.chain.apply(&self.tip, &statement, &data, messages.clone(), &|| false)?;
        ensure!(outcome.refusal.is_none(), "the batch was refused: {:?}", outcome.refusal);
        ensure!(outcome.invalid.is_empty(), "a block was invalid: {:?}", outcome.invalid);
        let index = BatchIndex::new(self.tip.index.get() + 1);
        self.tip = DerivedBatch {
            index,
            claim: Claim::stated(index, &statement),
            last: L2Height::new(statement.lastHeight),
            last_hash: outcome.last_hash,
            messages: end.count,
            acc: end.acc,
            ..self.tip
        };
        Ok(PostedBatch { statement, before: before.0.last_hash, context: before.1, data, messages })
    }

    /// Gas of the last block, and how many transactions it has beside the system's.
    pub(super) fn last_block(&self) -> Result<(u64, usize)> {
        let block = self.chain.store().block(self.tip.last_hash)?.context("the block just derived")?;
        Ok((block.block.header.gas_used, block.block.transactions.len() - 1))
    }
}

/// Ten ether for a sender.
fn deposit(index: u64, to: Address) -> Message {
    let ether = U256::from(10u128.pow(19));
    Message {
        kind: MessageKind::Deposit,
        index: MessageIndex::new(index),
        l1_block: L1Height::new(1),
        l1_time: Seconds::new(GENESIS_TIME),
        sender: to,
        to,
        value: U256::ZERO,
        mint: ether,
        gas: Gas::new(21_000),
        data: Bytes::new(),
    }
}
