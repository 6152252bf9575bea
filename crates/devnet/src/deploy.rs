//! Puts a rollup's contracts onto an L1, registers the founding seats, opens the registry, and writes it all down as a
//! [`ChainFile`].
//!
//! All transactions are handed over at once with consecutive nonces, so that the whole takes a block or two; what each
//! does is `surety_contracts::deploy`'s plan. A deployment that fails half-way leaves contracts that nobody uses: run it again.

use alloy::signers::local::PrivateKeySigner;
use alloy_primitives::{Address, B256, TxKind, U256};
use std::{path::PathBuf, sync::Arc, time::Duration};
use surety_contracts::{
    Addresses, CHAIN_FILE_VERSION, ChainFile, ChainFileError, Counterparts, DeployPlan, FoundingSeat, Parameters,
    deploy::{DeployError as PlanError, DeployStep, Deployment, ProgramStart},
    genesis::{L2Genesis, preinstalls::PreinstallError},
};
use surety_l1::{
    BlockAt, L1, L1Error,
    submit::{MAX_TRANSACTION_GAS, Outgoing, SubmitConfig, SubmitError, Submitter, Ticket},
};
use surety_node::genesis;
use surety_prove::Program;
use surety_types::{ChainParameters, L1Height};

/// Gas of a founding seat's registration, with room.
const REGISTER_GAS: u64 = 600_000;
/// Gas of `open()`: it writes the first committee, 60 bytes of code a seat.
const OPEN_GAS: u64 = 5_000_000;

/// Where a deployer's contracts will be if it sends nothing else before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prediction {
    /// EIP-155 chain id of L1.
    pub l1_chain_id: u64,
    /// The deployer's next nonce.
    pub nonce: u64,
    /// The contracts.
    pub addresses: Addresses,
}

/// Says where a deployment from this account would put the contracts now. Founding seats prove their keys to the registry
/// there before it exists.
///
/// # Errors
/// [`L1Error`].
pub async fn predict(l1: &dyn L1, deployer: Address) -> Result<Prediction, L1Error> {
    let (l1_chain_id, nonce) = (l1.chain_id().await?, l1.nonce(deployer).await?);
    Ok(Prediction { l1_chain_id, nonce, addresses: Addresses::predict(deployer, nonce) })
}

/// What to deploy.
#[derive(Debug, Clone)]
pub struct DeployRequest {
    /// Who sends and pays everything, the founding bonds among it.
    pub deployer: PrivateKeySigner,
    /// What L1 shall enforce.
    pub protocol: Parameters,
    /// What shall decide L2 blocks. The genesis hash is filled in; the genesis time must not be later than L1's head.
    pub parameters: ChainParameters,
    /// What the first L2 state is made from; its counterparts on L1 are filled in.
    pub genesis: L2Genesis,
    /// The first committee, in order, proved to the registry that [`predict`] names. Their bonds are paid by the deployer.
    pub seats: Vec<FoundingSeat>,
    /// Where the deployer's transactions are journalled.
    pub journal: PathBuf,
}

/// Why a deployment failed.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// There is no plan for such a chain.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// L1.
    #[error(transparent)]
    L1(#[from] L1Error),
    /// A transaction was not taken.
    #[error("deployment, {what}: {cause}")]
    Send {
        /// The step.
        what: String,
        /// Why.
        cause: Box<SubmitError>,
    },
    /// A transaction failed on L1.
    #[error(
        "deployment, {what}: transaction {transaction} failed on L1; is the L1's clock behind the genesis time, or its hard fork older than Osaka?"
    )]
    Failed {
        /// The step.
        what: String,
        /// Its transaction.
        transaction: B256,
    },
    /// The deployer's account has transactions underway.
    #[error(
        "the deployer has {0} transactions underway in this journal: wait for them, or use another journal directory"
    )]
    Busy(usize),
    /// A contract is not where it must be.
    #[error("no contract at {0} after the deployment: L1 was reorganised, run it again")]
    Missing(Address),
    /// The pre-installs, which are compiled in, are broken.
    #[error(transparent)]
    Preinstalls(#[from] PreinstallError),
    /// The chain file does not fit together: the request contradicts itself.
    #[error(transparent)]
    ChainFile(#[from] ChainFileError),
}

/// Deploys a chain.
///
/// # Errors
/// [`DeployError`].
pub async fn deploy(l1: Arc<dyn L1>, request: DeployRequest) -> Result<ChainFile, DeployError> {
    let DeployRequest { deployer, protocol, mut parameters, genesis: mut accounts, seats, journal } = request;
    let Prediction { l1_chain_id, nonce, .. } = predict(&*l1, deployer.address()).await?;
    let counterparts = Counterparts::predict(deployer.address(), nonce);
    (accounts.l1_messenger, accounts.l1_standard_bridge) = (counterparts.messenger, counterparts.standard_bridge);
    accounts.l1_fee_split = counterparts.fee_split;
    parameters.genesis_hash = genesis::make(&parameters, &accounts)?.header.hash_slow();
    let (memory_root, entry) = Program::current().at_start();
    let plan = DeployPlan::new(&Deployment {
        deployer: deployer.address(),
        nonce,
        l1_chain_id,
        parameters: &protocol,
        l2_genesis_hash: parameters.genesis_hash,
        l2_genesis_time: parameters.genesis_time.get(),
        program: ProgramStart { parameters: parameters.hash(), memory_root, entry },
        seats: &seats,
    })?;
    let config = SubmitConfig {
        // The deployer pays what it takes, once.
        daily_budget: U256::MAX,
        max_underway: plan.steps.len(),
        ..SubmitConfig::new(journal).for_slot_time(Duration::from_secs(protocol.slot_time))
    };
    let open = Submitter::open(l1.clone(), Arc::new(deployer), config).await;
    let submitter =
        open.map_err(|cause| DeployError::Send { what: "opening the journal".into(), cause: Box::new(cause) })?;
    let underway = submitter.underway().await.into_iter().filter(|used| *used >= nonce).count();
    if underway > 0 {
        return Err(DeployError::Busy(underway));
    }
    let l1_start = run(&submitter, &plan.steps).await?;
    let addresses = plan.addresses;
    let Counterparts { messenger, standard_bridge, fee_split } = plan.counterparts;
    for address in addresses.all().into_iter().chain([messenger, standard_bridge, fee_split]) {
        if l1.code(address, BlockAt::Latest).await?.is_empty() {
            return Err(DeployError::Missing(address));
        }
    }
    let file = ChainFile {
        version: CHAIN_FILE_VERSION,
        l1_chain_id,
        l1_start,
        addresses,
        parameters,
        protocol,
        genesis: accounts,
    };
    file.check()?;
    Ok(file)
}

/// Sends all steps, waits for all; returns the block of the first.
async fn run(submitter: &Submitter, steps: &[DeployStep]) -> Result<L1Height, DeployError> {
    let failed = |step: &DeployStep, cause| DeployError::Send { what: step.what.clone(), cause: Box::new(cause) };
    for step in steps {
        // The later ones call contracts that are not there yet, so nothing can be estimated.
        let gas_limit = match (step.to, step.value.is_zero()) {
            (TxKind::Create, _) => MAX_TRANSACTION_GAS,
            (_, false) => REGISTER_GAS,
            _ => OPEN_GAS,
        };
        let outgoing = Outgoing {
            to: step.to,
            value: step.value,
            input: step.input.clone(),
            gas_limit: Some(gas_limit),
            ..Default::default()
        };
        let ticket = submitter.send(outgoing).await.map_err(|cause| failed(step, cause))?;
        if ticket.nonce != step.nonce {
            return Err(failed(step, SubmitError::NonceTaken(step.nonce)));
        }
    }
    let mut start = None;
    for step in steps {
        let included = submitter.wait(Ticket { nonce: step.nonce }).await.map_err(|cause| failed(step, cause))?;
        if !included.inclusion.success {
            return Err(DeployError::Failed { what: step.what.clone(), transaction: included.transaction });
        }
        tracing::info!(step = step.what, block = %included.inclusion.block_number, gas = included.inclusion.gas_used, "deployed");
        start.get_or_insert(included.inclusion.block_number);
    }
    Ok(start.unwrap_or(L1Height::ZERO))
}
