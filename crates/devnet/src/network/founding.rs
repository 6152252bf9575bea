//! A new chain for a development network: contracts on L1, and ether for everybody on both layers.

use super::{DEPLOYER, DevSeat, L2_BALANCE, L2_CHAIN_ID, NetworkConfig, NetworkError, submitter, watcher};
use crate::deploy::{DeployRequest, deploy, predict};
use alloy::{signers::local::PrivateKeySigner, sol_types::SolCall as _};
use alloy_primitives::{Address, Bytes, TxKind, U256, uint};
use std::{sync::Arc, time::Duration};
use surety_contracts::{
    ChainFile, FoundingSeat, Parameters,
    bindings::{Bridge, Inbox},
    genesis::L2Genesis,
};
use surety_l1::{
    BlockAt, L1,
    submit::{Outgoing, Submitter},
};
use surety_node::sequencer::Sequencer;
use surety_stf::StateReader as _;

/// What each poster gets on L1: 50 ether.
const POSTER_BALANCE: U256 = uint!(50_000_000_000_000_000_000_U256);
/// What may be paid for a deposit on top of its value; the rest becomes the depositor's on L2.
const DEPOSIT_FEE: U256 = uint!(10_000_000_000_000_000_U256);
/// Gas of a deposit on L2.
const DEPOSIT_GAS: u64 = 100_000;
/// How long the first deposits may take.
pub(super) const FUNDED_WITHIN: Duration = Duration::from_secs(120);

/// Finds the chain of the directory on this L1, or deploys a new one and funds its accounts.
pub(super) async fn found(
    config: &NetworkConfig,
    protocol: Parameters,
    l1: &Arc<dyn L1>,
    accounts: &[PrivateKeySigner],
    seats: &[DevSeat],
) -> Result<ChainFile, NetworkError> {
    let path = config.directory.join("chain.json");
    if path.exists() {
        let chain = ChainFile::read(&path)?;
        let there = l1.chain_id().await? == chain.l1_chain_id
            && !l1.code(chain.addresses.bridge, BlockAt::Latest).await?.is_empty();
        return if there { Ok(chain) } else { Err(NetworkError::OtherL1(path.display().to_string())) };
    }
    let head = l1.block(BlockAt::Latest).await?;
    let genesis_time = head.map(|block| block.time).unwrap_or_default();
    let deployer = accounts.get(DEPLOYER).cloned().ok_or(NetworkError::Key(DEPLOYER))?;
    let keys = config.directory.join("keys/deployer");
    let there = predict(&**l1, deployer.address()).await?;
    let proved = |(place, seat): (usize, &DevSeat)| {
        let registry = there.addresses.registry;
        FoundingSeat::prove(there.l1_chain_id, registry, seat.owner, &seat.vote, seat.peer_public)
            .ok_or(NetworkError::Key(place))
    };
    let chain = deploy(
        l1.clone(),
        DeployRequest {
            deployer: deployer.clone(),
            parameters: protocol.chain(genesis_time),
            protocol,
            genesis: L2Genesis::new(L2_CHAIN_ID),
            seats: seats.iter().enumerate().map(proved).collect::<Result<_, _>>()?,
            journal: keys.clone(),
        },
    )
    .await?;
    let submitter = submitter(l1, deployer, keys, &chain).await?;
    fund(&submitter, &chain, accounts, seats).await?;
    // Last, so that a directory with a chain file has a whole network.
    chain.write(&path)?;
    Ok(chain)
}

/// Ether for the posters on L1 and, by deposits, for the dev accounts on L2.
async fn fund(
    submitter: &Submitter,
    chain: &ChainFile,
    accounts: &[PrivateKeySigner],
    seats: &[DevSeat],
) -> Result<(), NetworkError> {
    let reporters = seats.iter().map(|seat| seat.poster.address()).chain(watcher().map(|key| key.address()));
    let posters = reporters.map(|account| {
        let outgoing = Outgoing { to: TxKind::Call(account), value: POSTER_BALANCE, ..Default::default() };
        ("fund a poster or the watchtower", outgoing)
    });
    let deposits = accounts.iter().map(|account| {
        let call = Bridge::depositTransactionCall {
            to: account.address(),
            value: L2_BALANCE,
            gasLimit: DEPOSIT_GAS,
            data: Bytes::new(),
        };
        let outgoing = Outgoing {
            to: TxKind::Call(chain.addresses.bridge),
            value: L2_BALANCE.saturating_add(DEPOSIT_FEE),
            input: call.abi_encode().into(),
            gas_limit: Some(300_000),
            ..Default::default()
        };
        ("deposit for a dev account", outgoing)
    });
    // L2 learns of L1's fees by this.
    let poke = Outgoing {
        to: TxKind::Call(chain.addresses.inbox),
        input: Inbox::pokeCall {}.abi_encode().into(),
        gas_limit: Some(300_000),
        ..Default::default()
    };
    let mut tickets = Vec::new();
    for (what, outgoing) in posters.chain(deposits).chain([("tell L2 of L1's fees", poke)]) {
        let ticket =
            submitter.send(outgoing).await.map_err(|cause| NetworkError::Send { what, cause: cause.into() })?;
        tickets.push((what, ticket));
    }
    for (what, ticket) in tickets {
        let included =
            submitter.wait(ticket).await.map_err(|cause| NetworkError::Send { what, cause: cause.into() })?;
        if !included.inclusion.success {
            return Err(NetworkError::Failed { what, transaction: included.transaction });
        }
    }
    Ok(())
}

/// Waits until an account has ether on L2.
pub(super) async fn funded(seat: &Sequencer, account: Address) -> Result<(), NetworkError> {
    let backend = seat.backend();
    let store = surety_rpc::Backend::store(&*backend);
    let arrival = async {
        while store.latest()?.account(account)?.is_none_or(|account| account.balance.is_zero()) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    };
    tokio::time::timeout(FUNDED_WITHIN, arrival).await.unwrap_or(Err(NetworkError::NotFunded))
}
