//! Users, in drills: their transactions on L1, and the program as they run it.

use super::{DrillConfig, DrillError, world::World};
use crate::{
    l1::dev_accounts,
    network::{NetworkError, submitter},
};
use alloy::{
    network::{EthereumWallet, TransactionBuilder as _},
    providers::{Provider as _, ProviderBuilder},
    rpc::types::TransactionRequest,
    signers::local::PrivateKeySigner,
    sol_types::SolCall as _,
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use serde_json::Value;
use surety_contracts::bindings::Bridge;
use surety_l1::{
    BlockAt, BlockRef,
    submit::{Included, Outgoing, Submitter},
};

/// Gas of a forced transaction.
const FORCED_GAS: u64 = 60_000;

/// A development account.
pub(super) fn account(place: usize) -> Result<PrivateKeySigner, DrillError> {
    let accounts = dev_accounts().map_err(NetworkError::from)?;
    let account = accounts.into_iter().nth(place);
    account.ok_or_else(|| DrillError::Failed("there are not enough development accounts".into()))
}

/// An ordinary transaction of one wei on L2, to the first seat.
pub(super) async fn pay(world: &World, key: &PrivateKeySigner, to: Address) -> Result<B256, DrillError> {
    let failed = |error: String| DrillError::Failed(format!("a transaction on L2: {error}"));
    let url = world.network.l2_urls().into_iter().next().unwrap_or_default();
    let url = url.parse().map_err(|_| failed(format!("{url} is no URL")))?;
    let wallet = ProviderBuilder::new().wallet(EthereumWallet::from(key.clone())).connect_http(url);
    let request = TransactionRequest::default()
        .with_to(to)
        .with_value(U256::from(1))
        .with_gas_limit(21_000)
        .with_max_fee_per_gas(10_000_000_000)
        .with_max_priority_fee_per_gas(1_000_000);
    let sent = wallet.send_transaction(request).await.map_err(|error| failed(error.to_string()))?;
    Ok(*sent.tx_hash())
}

/// Somebody with ether on L1.
pub(super) struct Sender {
    bridge: Address,
    pub(super) inbox: Address,
    submitter: Submitter,
}

impl Sender {
    pub(super) async fn open(
        config: &DrillConfig,
        world: &World,
        name: &str,
        key: &PrivateKeySigner,
    ) -> Result<Self, DrillError> {
        let chain = world.network.chain();
        let directory = config.directory.join("keys").join(name);
        let submitter = submitter(&world.view.l1, key.clone(), directory, chain).await?;
        Ok(Self { bridge: chain.addresses.bridge, inbox: chain.addresses.inbox, submitter })
    }

    pub(super) async fn send(&self, to: Address, value: U256, input: Vec<u8>) -> Result<Included, DrillError> {
        self.submit(TxKind::Call(to), value, input).await
    }

    /// Creates a contract; its address.
    pub(super) async fn create(&self, world: &World, code: &Bytes) -> Result<Address, DrillError> {
        let account = self.submitter.address();
        let nonce = world.view.l1.nonce(account).await?;
        self.submit(TxKind::Create, U256::ZERO, code.to_vec()).await?;
        Ok(account.create(nonce))
    }

    async fn submit(&self, to: TxKind, value: U256, input: Vec<u8>) -> Result<Included, DrillError> {
        let outgoing = Outgoing { to, value, input: input.into(), ..Outgoing::default() };
        let included = self.submitter.submit(outgoing).await;
        let included = included.map_err(|error| DrillError::Failed(format!("a transaction on L1: {error}")))?;
        if !included.inclusion.success {
            return Err(DrillError::Failed(format!("transaction {} reverted on L1", included.transaction)));
        }
        Ok(included)
    }

    /// Forces a transaction of one wei to an address in.
    pub(super) async fn force(&self, world: &World, to: Address) -> Result<(Included, BlockRef), DrillError> {
        let fee = world.view.contracts().message_fee(FORCED_GAS, 0, BlockAt::Latest).await?;
        // Its price may rise until it is in a block.
        let most = fee.saturating_mul(U256::from(2));
        let value = U256::from(1);
        let call = Bridge::depositTransactionWithMaxFeeCall {
            to,
            value,
            gasLimit: FORCED_GAS,
            data: Bytes::new(),
            maxFee: most,
        };
        let included = self.send(self.bridge, most.saturating_add(value), call.abi_encode()).await?;
        let block = world.view.l1.block(BlockAt::Number(included.inclusion.block_number)).await?;
        let block = block.ok_or_else(|| DrillError::Failed("L1 lost a block".into()))?;
        Ok((included, block))
    }
}

/// A development account at its terminal.
pub(super) struct User<'a> {
    config: &'a DrillConfig,
    world: &'a World,
    place: usize,
}

impl<'a> User<'a> {
    pub(super) const fn new(config: &'a DrillConfig, world: &'a World, place: usize) -> Self {
        Self { config, world, place }
    }

    /// The arguments of every command: the chain and L1.
    pub(super) fn usual(&self) -> Vec<String> {
        let chain = self.config.directory.join("chain.json").display().to_string();
        ["--chain", &chain, "--l1", self.world.network.l1_urls().0].map(str::to_owned).into()
    }

    /// Runs a command of the account to its end; what it says.
    pub(super) async fn runs(&self, arguments: &[&str]) -> Result<Value, DrillError> {
        self.world.timeline.tell(format!("surety {}", arguments.join(" ")));
        let folder = self.config.directory.join(format!("user-{}", self.place)).display().to_string();
        let mut all: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        all.extend(self.usual());
        all.extend(["--dev-account", &self.place.to_string(), "--data-dir", &folder, "--json"].map(str::to_owned));
        let said = self.config.program.run(&all).await?;
        serde_json::from_str(&said).map_err(|error| DrillError::Failed(format!("{said:?} is no JSON: {error}")))
    }
}
