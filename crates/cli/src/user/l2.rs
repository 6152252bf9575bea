//! What users ask of L2: any node's RPC server, whose word counts for nothing that L1 is to believe.

use alloy::{
    consensus::Header,
    eips::BlockId,
    network::Ethereum,
    providers::{Provider, ProviderBuilder, RootProvider},
    rpc::types::{EIP1186AccountProofResponse, Filter, Log, TransactionRequest},
    sol_types::SolCall,
};
use alloy_primitives::{Address, B256, Bytes, U64, U256, keccak256};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use surety_contracts::ChainFile;
use surety_l1::{
    L1,
    rpc::{RpcConfig, RpcL1},
};
use surety_types::L2Height;

/// A node of L2.
pub(super) struct L2 {
    provider: RootProvider<Ethereum>,
    url: String,
}

/// What became of an L2 transaction.
pub(super) struct Receipt {
    pub(super) success: bool,
    pub(super) height: L2Height,
    pub(super) transaction: B256,
    pub(super) logs: Vec<Log>,
}

impl L2 {
    pub(super) async fn connect(url: &str, chain: &ChainFile) -> Result<Self> {
        let provider =
            ProviderBuilder::default().connect_http(url.parse().with_context(|| format!("--l2 {url:?} is no URL"))?);
        let found = provider.get_chain_id().await.with_context(|| format!("no L2 node answers at {url}"))?;
        let expected = chain.parameters.rollup.get();
        ensure!(found == expected, "--l2 is chain {found}, the chain file says {expected}: use a node of that chain");
        Ok(Self { provider, url: url.to_owned() })
    }

    /// The same node as something that transactions are sent to.
    pub(super) fn as_chain(&self) -> Result<Arc<dyn L1>> {
        Ok(Arc::new(RpcL1::new(RpcConfig::new(&self.url, []), None)?))
    }

    /// How often to look for something that the next blocks bring.
    pub(super) fn pace() -> Duration {
        Duration::from_millis(300)
    }

    async fn ask(&self, method: &'static str, arguments: Value) -> Result<Value> {
        let answer = self.provider.client().request(method, arguments).await;
        answer.with_context(|| format!("{method} at {}", self.url))
    }

    /// What became of a transaction; `None` while it is in no block. (Deposits have a type of their own, so this is read by hand.)
    pub(super) async fn receipt(&self, hash: B256) -> Result<Option<Receipt>> {
        let answer = self.ask("eth_getTransactionReceipt", serde_json::json!([hash])).await?;
        if answer.is_null() {
            return Ok(None);
        }
        let number = |name: &str| -> Result<u64> {
            let field = answer.get(name).cloned().unwrap_or_default();
            let number: U64 = serde_json::from_value(field).with_context(|| format!("a receipt without {name}"))?;
            Ok(number.to())
        };
        let logs = answer.get("logs").cloned().unwrap_or_default();
        Ok(Some(Receipt {
            success: number("status")? == 1,
            height: L2Height::new(number("blockNumber")?),
            transaction: hash,
            logs: serde_json::from_value(logs).context("a receipt without logs")?,
        }))
    }

    /// A block's header in RLP; it is the one of that hash.
    pub(super) async fn header(&self, hash: B256) -> Result<(Header, Bytes)> {
        let block = self.provider.get_block_by_hash(hash).await.context("eth_getBlockByHash")?;
        let block = block.with_context(|| {
            format!("the node at {} does not have block {hash}: use one that is not behind, or a follower", self.url)
        })?;
        let header = block.header.inner;
        let rlp = Bytes::from(alloy_rlp::encode(&header));
        ensure!(keccak256(&rlp) == hash, "the node at {} shows another header for block {hash}: use another", self.url);
        Ok((header, rlp))
    }

    /// Proofs of an account and of some of its slots in a block's state.
    pub(super) async fn proof(
        &self,
        account: Address,
        slots: Vec<B256>,
        block: B256,
    ) -> Result<EIP1186AccountProofResponse> {
        let answer = self.provider.get_proof(account, slots).block_id(BlockId::hash(block)).await;
        answer.with_context(|| {
            format!("eth_getProof at {}: has it the state of block {block}? A follower keeps it long enough", self.url)
        })
    }

    pub(super) async fn code(&self, account: Address, block: B256) -> Result<Bytes> {
        self.provider.get_code_at(account).block_id(BlockId::hash(block)).await.context("eth_getCode")
    }

    pub(super) async fn balance(&self, account: Address) -> Result<U256> {
        self.provider.get_balance(account).await.context("eth_getBalance")
    }

    /// Calls a function in the newest state.
    pub(super) async fn read<C: SolCall>(&self, to: Address, call: &C) -> Result<C::Return> {
        let request = TransactionRequest::default().to(to).input(call.abi_encode().into());
        let answer = self.provider.call(request).await.with_context(|| format!("{} of {to} on L2", C::SIGNATURE))?;
        C::abi_decode_returns(&answer)
            .with_context(|| format!("{} of {to} on L2: is it such a contract?", C::SIGNATURE))
    }

    pub(super) async fn logs(&self, filter: &Filter) -> Result<Vec<Log>> {
        self.provider.get_logs(filter).await.context("eth_getLogs")
    }
}
