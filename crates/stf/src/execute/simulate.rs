//! Single calls and transactions on a view of either chain, for the RPC server: `eth_call`, gas estimates, access
//! lists, traces.
//!
//! A [`Simulator`] is a block environment and an overlay over one state. Calls run one after the other; what one did is
//! seen by the next only after [`Simulator::commit`]. Nothing leaves the overlay. An inspector of revm may watch.
//!
//! ```text
//! eth_call        new(kind, header of block n, state after n) ─▶ override_* ─▶ call(.., Checks::CALL)
//! trace of tx i   new(kind, header of block n, state after n − 1) ─▶ begin_block ─▶ transact + commit (0 .. i) ─▶ transact(i, inspector)
//! ```
//!
//! Transactions are refused by the rules of the block, but not for the gas that the block has left.

use super::{
    PushError, Refusal,
    error::sort,
    ethereum::ForkSchedule,
    op,
    overlay::{Overlay, ReaderError},
};
use crate::StateReader;
use alloy_consensus::{EthereumTxEnvelope, TxEip4844};
use alloy_eips::{Typed2718, eip2930::AccessList, eip7702::SignedAuthorization};
use alloy_evm::{
    Evm, EvmEnv, EvmError, EvmFactory, FromRecoveredTx,
    block::{BlockExecutionError, SystemCaller},
    eth::{EthEvmContext, EthEvmFactory},
};
use alloy_op_evm::{OpEvmContext, OpEvmFactory, OpTx};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, Log, TxKind, U256, keccak256};
use op_revm::{OpHaltReason, OpSpecId, OpTransaction};
use revm::{
    DatabaseCommit, Inspector,
    context::{
        BlockEnv, CfgEnv, TxEnv,
        either::Either,
        result::{ExecutionResult, HaltReason, ResultAndState},
    },
    inspector::NoOpInspector,
    primitives::hardfork::SpecId,
    state::EvmState,
};
use std::collections::BTreeMap;
use surety_types::{ChainParameters, Header, Recovered, Transaction};

/// Whose rules hold.
#[derive(Debug, Clone)]
pub enum ChainKind {
    /// An L2 of ours.
    L2(ChainParameters),
    /// An Ethereum chain.
    L1(ForkSchedule),
}

impl ChainKind {
    /// EIP-155 chain id.
    pub const fn chain_id(&self) -> u64 {
        match self {
            Self::L2(parameters) => parameters.rollup.get(),
            Self::L1(schedule) => schedule.chain_id(),
        }
    }
}

/// Which rules a call must keep. Real transactions keep all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checks {
    /// The nonce is the account's next.
    pub nonce: bool,
    /// Fees cover the base fee, and are charged (on L2 with the L1 data fee). Where they are not, the sender must still
    /// have the value and, if the call names a gas price, the price of all its gas.
    pub fees: bool,
    /// The gas limit is within the block's and the cap of EIP-7825.
    pub gas_limit: bool,
    /// The sender is no contract (EIP-3607).
    pub sender: bool,
}

impl Checks {
    /// All rules.
    pub const ALL: Self = Self { nonce: true, fees: true, gas_limit: true, sender: true };
    /// `eth_call`: fees are not charged, contracts may send, nonces do not matter.
    pub const CALL: Self = Self { nonce: false, fees: false, gas_limit: false, sender: false };
}

/// A call as users of the RPC describe it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// Sender.
    pub from: Address,
    /// Callee, or creation.
    pub to: TxKind,
    /// Gas limit.
    pub gas_limit: u64,
    /// Gas price, or max fee per gas.
    pub gas_price: u128,
    /// Max priority fee per gas, where it is an EIP-1559 call.
    pub priority_fee: Option<u128>,
    /// Wei sent along.
    pub value: U256,
    /// Call data or init code.
    pub input: Bytes,
    /// Nonce, used where it is checked and for the address of a creation; the account's if there is none.
    pub nonce: Option<u64>,
    /// EIP-2930 access list.
    pub access_list: Option<AccessList>,
    /// EIP-7702 authorizations.
    pub authorizations: Vec<SignedAuthorization>,
    /// EIP-4844 versioned hashes (L1).
    pub blob_hashes: Vec<B256>,
    /// EIP-4844 max fee per blob gas (L1).
    pub max_fee_per_blob_gas: u128,
}

/// What a user would have an account be (`stateOverride`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountOverride {
    /// Wei.
    pub balance: Option<U256>,
    /// Nonce.
    pub nonce: Option<u64>,
    /// Code.
    pub code: Option<Bytes>,
    /// All of the storage.
    pub state: Option<BTreeMap<U256, U256>>,
    /// Some slots, the others as they are.
    pub state_diff: BTreeMap<U256, U256>,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// With success.
    Success,
    /// By `REVERT`; the output is the reason.
    Revert,
    /// By an exception; the text names it (`OutOfGas`, `InvalidJump` …).
    Halt(HaltReason),
    /// L2: a deposit that failed; it keeps its mint.
    FailedDeposit,
}

/// What a call did.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// Gas used, after refunds.
    pub gas_used: u64,
    /// Gas refunded.
    pub gas_refunded: u64,
    /// Return data, reason of a revert, or the code of the new contract.
    pub output: Bytes,
    /// Address of the new contract.
    pub created: Option<Address>,
    /// Logs.
    pub logs: Vec<Log>,
    /// What it did to the state, for [`Simulator::commit`] and for tracers.
    pub state: EvmState,
}

impl Outcome {
    /// Whether it ended with success.
    pub fn success(&self) -> bool {
        self.end == End::Success
    }

    /// The result in revm's form, for tracers that ask for it. A failed deposit appears as out of gas.
    pub fn to_result_and_state(&self) -> ResultAndState {
        use revm::context::result::{OutOfGasError, Output, ResultGas, SuccessReason};
        let gas = ResultGas::default()
            .with_total_gas_spent(self.gas_used.saturating_add(self.gas_refunded))
            .with_refunded(self.gas_refunded);
        let logs = self.logs.clone();
        let result = match &self.end {
            End::Success => ExecutionResult::Success {
                reason: SuccessReason::Return,
                gas,
                logs,
                output: match self.created {
                    Some(address) => Output::Create(self.output.clone(), Some(address)),
                    None => Output::Call(self.output.clone()),
                },
            },
            End::Revert => ExecutionResult::Revert { gas, logs, output: self.output.clone() },
            End::Halt(reason) => ExecutionResult::Halt { reason: reason.clone(), gas, logs },
            End::FailedDeposit => {
                ExecutionResult::Halt { reason: HaltReason::OutOfGas(OutOfGasError::Basic), gas, logs }
            }
        };
        ResultAndState::new(result, self.state.clone())
    }

    fn new(result: ExecutionResult<OpHaltReason>, state: EvmState) -> Self {
        let gas = *result.gas();
        let created = result.created_address();
        let (end, output, logs) = match result {
            ExecutionResult::Success { output, logs, .. } => (End::Success, output.into_data(), logs),
            ExecutionResult::Revert { output, logs, .. } => (End::Revert, output, logs),
            ExecutionResult::Halt { reason: OpHaltReason::Base(reason), logs, .. } => {
                (End::Halt(reason), Bytes::new(), logs)
            }
            ExecutionResult::Halt { reason: OpHaltReason::FailedDeposit, logs, .. } => {
                (End::FailedDeposit, Bytes::new(), logs)
            }
        };
        Self { end, gas_used: gas.tx_gas_used(), gas_refunded: gas.final_refunded(), output, created, logs, state }
    }
}

/// An inspector that both chains' EVMs accept. `NoOpInspector` and those of `revm-inspectors` are.
pub trait ChainInspector<R: StateReader>:
    Inspector<OpEvmContext<Overlay<R>>> + Inspector<EthEvmContext<Overlay<R>>>
{
}

impl<R: StateReader, I> ChainInspector<R> for I where
    I: Inspector<OpEvmContext<Overlay<R>>> + Inspector<EthEvmContext<Overlay<R>>>
{
}

enum Rules {
    L2(CfgEnv<OpSpecId>),
    L1(CfgEnv<SpecId>, Box<ForkSchedule>),
}

/// A block environment over a state in which calls are tried. See the module's documentation.
pub struct Simulator<R: StateReader> {
    rules: Rules,
    block: BlockEnv,
    /// Taken while the EVM has it.
    overlay: Option<Overlay<R>>,
}

impl<R: StateReader> core::fmt::Debug for Simulator<R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Simulator").field("block", &self.block.number).field("overlay", &self.overlay).finish()
    }
}

fn set_checks<S>(cfg: &mut CfgEnv<S>, checks: Checks) {
    cfg.disable_nonce_check = !checks.nonce;
    cfg.disable_base_fee = !checks.fees;
    cfg.disable_fee_charge = !checks.fees;
    cfg.disable_block_gas_limit = !checks.gas_limit;
    cfg.disable_eip3607 = !checks.sender;
    if !checks.gas_limit {
        cfg.tx_gas_limit_cap = Some(u64::MAX);
    }
}

/// What an EVM made by `F` over `DB` answers.
type Ran<F, DB> =
    Result<ResultAndState<<F as EvmFactory>::HaltReason>, <F as EvmFactory>::Error<<DB as revm::Database>::Error>>;

/// Runs `tx` in an EVM made of the parts and gives the database back.
fn run<F, DB, I>(
    factory: &F,
    db: DB,
    env: EvmEnv<F::Spec, F::BlockEnv>,
    tx: F::Tx,
    inspector: Option<&mut I>,
) -> (Ran<F, DB>, DB)
where
    F: EvmFactory,
    DB: alloy_evm::Database,
    I: Inspector<F::Context<DB>>,
{
    match inspector {
        Some(inspector) => {
            let mut evm = factory.create_evm_with_inspector(db, env, inspector);
            let result = evm.transact(tx);
            (result, evm.finish().0)
        }
        None => {
            let mut evm = factory.create_evm(db, env);
            let result = evm.transact(tx);
            (result, evm.finish().0)
        }
    }
}

impl<R: StateReader> Simulator<R> {
    /// Calls see the block that `header` describes and the state that `reader` shows. For a block to come, only number,
    /// time, beneficiary, base fee, gas limit, randomness and excess blob gas of the header matter.
    pub fn new(kind: &ChainKind, header: &Header, reader: R) -> Self {
        let (rules, block) = match kind {
            ChainKind::L2(parameters) => {
                let env = op::evm_env(parameters.rollup, header);
                (Rules::L2(env.cfg_env), env.block_env)
            }
            ChainKind::L1(schedule) => {
                let env = schedule.evm_env(header);
                (Rules::L1(env.cfg_env, Box::new(schedule.clone())), env.block_env)
            }
        };
        Self { rules, block, overlay: Some(Overlay::new(reader)) }
    }

    /// The block environment, to be changed where a user overrides it.
    pub const fn block_mut(&mut self) -> &mut BlockEnv {
        &mut self.block
    }

    /// The block environment.
    pub const fn block(&self) -> &BlockEnv {
        &self.block
    }

    /// The state as commits have left it, to read and to change.
    ///
    /// # Errors
    /// [`PushError::Engine`] after a panic inside of the EVM only.
    pub fn state_mut(&mut self) -> Result<&mut Overlay<R>, PushError<R::Error>> {
        self.overlay.as_mut().ok_or_else(|| PushError::Engine("the simulator lost its state".into()))
    }

    /// Changes an account.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn override_account(&mut self, address: Address, with: &AccountOverride) -> Result<(), PushError<R::Error>> {
        let reader = |e: ReaderError<R::Error>| PushError::Reader(e.0);
        let overlay = self.state_mut()?;
        let mut account = StateReader::account(overlay, address).map_err(PushError::Reader)?.unwrap_or_default();
        account.balance = with.balance.unwrap_or(account.balance);
        account.nonce = with.nonce.unwrap_or(account.nonce);
        if let Some(code) = &with.code {
            account.code_hash = if code.is_empty() { KECCAK256_EMPTY } else { keccak256(code) };
        }
        overlay.set_account(address, account, with.code.clone()).map_err(reader)?;
        if with.state.is_some() {
            overlay.wipe_storage(address).map_err(reader)?;
        }
        for (slot, value) in with.state.iter().flatten().chain(&with.state_diff) {
            overlay.set_storage(address, *slot, *value).map_err(reader)?;
        }
        Ok(())
    }

    /// Makes the system calls that begin a block, and commits them: a trace of a block's transactions starts here.
    ///
    /// # Errors
    /// Those of the machine.
    pub fn begin_block(
        &mut self,
        parent_hash: B256,
        parent_beacon_block_root: Option<B256>,
    ) -> Result<(), PushError<R::Error>> {
        let Some(overlay) = self.overlay.take() else {
            return Err(PushError::Engine("the simulator lost its state".into()));
        };
        let (result, overlay) = match &self.rules {
            Rules::L2(cfg) => {
                let env = EvmEnv::new(cfg.clone(), self.block.clone());
                let evm = OpEvmFactory::<OpTx>::default().create_evm(overlay, env);
                begin(op::Forks, evm, parent_hash, parent_beacon_block_root)
            }
            Rules::L1(cfg, schedule) => {
                let env = EvmEnv::new(cfg.clone(), self.block.clone());
                let evm = EthEvmFactory::default().create_evm(overlay, env);
                begin(schedule.as_ref(), evm, parent_hash, parent_beacon_block_root)
            }
        };
        self.overlay = Some(overlay);
        result.map_err(|e| sort(e, u64::MAX))
    }

    /// Tries a call.
    ///
    /// # Errors
    /// [`PushError::Refused`] if it breaks one of the rules that are checked.
    pub fn call(&mut self, call: &Call, checks: Checks) -> Result<Outcome, PushError<R::Error>> {
        self.inspect(call, checks, None::<&mut NoOpInspector>)
    }

    /// Tries a call while an inspector watches.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub fn inspect<I: ChainInspector<R>>(
        &mut self,
        call: &Call,
        checks: Checks,
        inspector: Option<&mut I>,
    ) -> Result<Outcome, PushError<R::Error>> {
        let sender = StateReader::account(self.state_mut()?, call.from).map_err(PushError::Reader)?.unwrap_or_default();
        if !checks.fees {
            let gas = U256::from(call.gas_limit).saturating_mul(U256::from(call.gas_price));
            let cost = gas.saturating_add(call.value);
            if cost > sender.balance {
                return Err(PushError::Refused(Refusal::Funds { cost, balance: sender.balance }));
            }
        }
        let tx = self.environment(call, call.nonce.unwrap_or(sender.nonce));
        // Calls pay no data fee: they have no encoding.
        let op = OpTransaction { base: tx.clone(), enveloped_tx: Some(Bytes::new()), deposit: Default::default() };
        self.execute(tx, OpTx(op), checks, inspector)
    }

    fn environment(&self, call: &Call, nonce: u64) -> TxEnv {
        let chain_id = match &self.rules {
            Rules::L2(cfg) => cfg.chain_id,
            Rules::L1(cfg, _) => cfg.chain_id,
        };
        let tx_type = if !call.blob_hashes.is_empty() {
            3
        } else if !call.authorizations.is_empty() {
            4
        } else if call.priority_fee.is_some() {
            2
        } else {
            u8::from(call.access_list.is_some())
        };
        TxEnv {
            tx_type,
            caller: call.from,
            gas_limit: call.gas_limit,
            gas_price: call.gas_price,
            kind: call.to,
            value: call.value,
            data: call.input.clone(),
            nonce,
            chain_id: Some(chain_id),
            access_list: call.access_list.clone().unwrap_or_default(),
            gas_priority_fee: call.priority_fee,
            blob_hashes: call.blob_hashes.clone(),
            max_fee_per_blob_gas: call.max_fee_per_blob_gas,
            authorization_list: call.authorizations.iter().cloned().map(Either::Left).collect(),
        }
    }

    /// Tries a transaction (or on L2 a deposit) of a block, by all of the rules but the gas that the block has left.
    ///
    /// # Errors
    /// [`PushError::Refused`] if it is not valid here.
    pub fn transact<I: ChainInspector<R>>(
        &mut self,
        tx: Recovered<&Transaction>,
        inspector: Option<&mut I>,
    ) -> Result<Outcome, PushError<R::Error>> {
        let (tx, sender) = tx.into_parts();
        let (eth, op) = match &self.rules {
            Rules::L2(_) => (TxEnv::default(), op::L2Tx::from_recovered_tx(tx, sender).0),
            Rules::L1(..) => match EthereumTxEnvelope::<TxEip4844>::try_from(tx.clone()) {
                Ok(envelope) => (TxEnv::from_recovered_tx(&envelope, sender), OpTx::default()),
                Err(_) => return Err(PushError::Refused(Refusal::Type(tx.ty()))),
            },
        };
        self.execute(eth, op, Checks::ALL, inspector)
    }

    /// Takes up what a call or transaction did.
    ///
    /// # Errors
    /// As [`Self::state_mut`].
    pub fn commit(&mut self, state: EvmState) -> Result<(), PushError<R::Error>> {
        self.state_mut()?.commit(state);
        Ok(())
    }

    fn execute<I: ChainInspector<R>>(
        &mut self,
        eth: TxEnv,
        op: OpTx,
        checks: Checks,
        inspector: Option<&mut I>,
    ) -> Result<Outcome, PushError<R::Error>> {
        let Some(overlay) = self.overlay.take() else {
            return Err(PushError::Engine("the simulator lost its state".into()));
        };
        let block = self.block.clone();
        let (outcome, overlay) = match &self.rules {
            Rules::L2(cfg) => {
                let mut cfg = cfg.clone();
                set_checks(&mut cfg, checks);
                let (result, overlay) =
                    run(&OpEvmFactory::<OpTx>::default(), overlay, EvmEnv::new(cfg, block), op, inspector);
                (result.map(|r| Outcome::new(r.result, r.state)).map_err(fault), overlay)
            }
            Rules::L1(cfg, _) => {
                let mut cfg = cfg.clone();
                set_checks(&mut cfg, checks);
                let (result, overlay) =
                    run(&EthEvmFactory::default(), overlay, EvmEnv::new(cfg, block), eth, inspector);
                let outcome =
                    result.map(|r| Outcome::new(r.result.map_haltreason(OpHaltReason::Base), r.state)).map_err(fault);
                (outcome, overlay)
            }
        };
        self.overlay = Some(overlay);
        outcome
    }
}

fn fault<E, EVM>(error: EVM) -> PushError<E>
where
    E: core::error::Error + Send + Sync + 'static,
    EVM: EvmError,
{
    sort(BlockExecutionError::evm(error, B256::ZERO), u64::MAX)
}

fn begin<S, E>(
    forks: S,
    mut evm: E,
    parent_hash: B256,
    parent_beacon_block_root: Option<B256>,
) -> (Result<(), BlockExecutionError>, E::DB)
where
    S: alloy_hardforks::EthereumHardforks,
    E: Evm<DB: DatabaseCommit>,
{
    let mut caller = SystemCaller::new(forks);
    let result = caller
        .apply_blockhashes_contract_call(parent_hash, &mut evm)
        .and_then(|()| caller.apply_beacon_root_contract_call(parent_beacon_block_root, &mut evm));
    (result, evm.finish().0)
}
