//! Tracers: what `debug_trace*` watches a transaction with, and what it shows of it.
//!
//! Without a name geth's struct logger; by name `callTracer`, `prestateTracer`, `flatCallTracer`, `4byteTracer` and
//! `noopTracer`. JavaScript is not run. A recording is bounded in bytes and in time.

use crate::{error::RpcError, eth::request::refused, history::State};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use alloy_rpc_types_eth::TransactionInfo;
use alloy_rpc_types_trace::geth::{
    CallConfig, FourByteFrame, GethDebugBuiltInTracerType as BuiltIn, GethDebugTracerType, GethDebugTracingOptions,
    GethDefaultTracingOptions, GethTrace, NoopFrame, PreStateConfig,
};
use revm::{
    DatabaseRef, Inspector,
    context_interface::{ContextError, ContextTr},
    interpreter::Interpreter,
    state::{AccountInfo, Bytecode},
};
use revm_inspectors::tracing::{FourByteInspector, TracingInspector, TracingInspectorConfig};
use std::time::Instant;
use surety_stf::{
    StateReader,
    execute::{
        Overlay, PushError, ReaderError,
        simulate::{Outcome, Simulator},
    },
};

/// Bytes that one trace may record.
const MOST_BYTES: usize = 256 << 20;
/// What a recorded step takes beside its stack.
const STEP_BYTES: usize = 320;
/// Steps between two looks at the clock.
const STEPS_PER_LOOK: u32 = 4096;

/// What is to be shown.
#[derive(Debug, Clone)]
enum Tracer {
    Steps(GethDefaultTracingOptions),
    Calls(CallConfig),
    PreState(PreStateConfig),
    FlatCalls,
    FourByte,
    Noop,
}

/// A tracer for the transactions of one request.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    tracer: Tracer,
    config: TracingInspectorConfig,
    deadline: Instant,
}

/// Who is traced: for tracers that name it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traced {
    pub(crate) sender: Address,
    pub(crate) gas_limit: u64,
    pub(crate) info: TransactionInfo,
}

impl Trace {
    /// Reads the options of a request.
    pub(crate) fn new(options: GethDebugTracingOptions, deadline: Instant) -> Result<Self, RpcError> {
        let GethDebugTracingOptions { config: steps, tracer, tracer_config, .. } = options;
        let bad = |_| RpcError::InvalidParams("invalid tracerConfig for this tracer".to_owned());
        let unknown = || {
            RpcError::Refused(
                "tracer not found: use callTracer, prestateTracer, flatCallTracer, 4byteTracer or none".to_owned(),
            )
        };
        let (tracer, config) = match tracer {
            None => (Tracer::Steps(steps), TracingInspectorConfig::from_geth_config(&steps)),
            Some(GethDebugTracerType::BuiltInTracer(BuiltIn::CallTracer)) => {
                let config = tracer_config.into_call_config().map_err(bad)?;
                (Tracer::Calls(config), TracingInspectorConfig::from_geth_call_config(&config))
            }
            Some(GethDebugTracerType::BuiltInTracer(BuiltIn::PreStateTracer)) => {
                let config = tracer_config.into_pre_state_config().map_err(bad)?;
                (Tracer::PreState(config), TracingInspectorConfig::from_geth_prestate_config(&config))
            }
            Some(GethDebugTracerType::BuiltInTracer(BuiltIn::FlatCallTracer)) => {
                let config = tracer_config.into_flat_call_config().map_err(bad)?;
                (Tracer::FlatCalls, TracingInspectorConfig::from_flat_call_config(&config))
            }
            Some(GethDebugTracerType::BuiltInTracer(BuiltIn::FourByteTracer)) => {
                (Tracer::FourByte, TracingInspectorConfig::none())
            }
            Some(GethDebugTracerType::BuiltInTracer(BuiltIn::NoopTracer)) => {
                (Tracer::Noop, TracingInspectorConfig::none())
            }
            Some(_) => return Err(unknown()),
        };
        Ok(Self { tracer, config, deadline })
    }

    /// Runs `execute` under this tracer and shows what it saw. The simulator's state is the one before the transaction.
    pub(crate) fn run(
        &self,
        simulator: &mut Simulator<State>,
        traced: Traced,
        execute: impl FnOnce(&mut Simulator<State>, &mut Watcher) -> Result<Outcome, PushError<surety_state::Error>>,
    ) -> Result<(GethTrace, Outcome), RpcError> {
        let budget = Budget::new(self.config.record_steps, self.deadline);
        let mut watcher: Watcher = (budget, (TracingInspector::new(self.config), FourByteInspector::default()));
        let executed = execute(simulator, &mut watcher);
        if let Some(exceeded) = watcher.0.exceeded {
            return Err(RpcError::Limit(exceeded.to_owned()));
        }
        let outcome = executed.map_err(refused)?;
        let trace = self.show(simulator, traced, watcher, &outcome)?;
        Ok((trace, outcome))
    }

    fn show(
        &self,
        simulator: &mut Simulator<State>,
        traced: Traced,
        watcher: Watcher,
        outcome: &Outcome,
    ) -> Result<GethTrace, RpcError> {
        let (_, (mut steps, selectors)) = watcher;
        steps.set_transaction_gas_limit(traced.gas_limit);
        steps.set_transaction_caller(traced.sender);
        Ok(match &self.tracer {
            Tracer::Steps(options) => {
                let mut frame = steps.geth_builder().geth_traces(outcome.gas_used, outcome.output.clone(), *options);
                // A transfer to an account without code has no frame to take these from.
                frame.failed = !outcome.success();
                frame.gas = outcome.gas_used;
                // What is empty is left out (geth).
                for step in &mut frame.struct_logs {
                    step.refund_counter.take_if(|refund| *refund == 0);
                    step.return_data.take_if(|data| data.is_empty());
                    step.memory.take_if(|memory| memory.is_empty());
                }
                frame.into()
            }
            Tracer::Calls(config) => steps.geth_builder().geth_call_traces(*config, outcome.gas_used).into(),
            Tracer::PreState(config) => {
                let state = PreState(simulator.state_mut().map_err(refused)?);
                let result = outcome.to_result_and_state();
                let frame = steps.geth_builder().geth_prestate_traces(&result, config, state);
                frame.map_err(RpcError::internal)?.into()
            }
            Tracer::FlatCalls => steps.into_parity_builder().into_localized_transaction_traces(traced.info).into(),
            Tracer::FourByte => FourByteFrame::from(&selectors).into(),
            Tracer::Noop => NoopFrame::default().into(),
        })
    }
}

/// What watches a transaction.
pub(crate) type Watcher = (Budget, (TracingInspector, FourByteInspector));

/// Ends a recording that grows too large or takes too long.
#[derive(Debug)]
pub(crate) struct Budget {
    records_steps: bool,
    bytes: usize,
    steps: u32,
    deadline: Instant,
    exceeded: Option<&'static str>,
}

impl Budget {
    const fn new(records_steps: bool, deadline: Instant) -> Self {
        Self { records_steps, bytes: 0, steps: 0, deadline, exceeded: None }
    }
}

impl<CTX: ContextTr> Inspector<CTX> for Budget {
    fn step(&mut self, interpreter: &mut Interpreter, context: &mut CTX) {
        if self.records_steps {
            let stack = interpreter.stack.len().saturating_mul(32);
            self.bytes = self.bytes.saturating_add(STEP_BYTES).saturating_add(stack);
        }
        self.steps = self.steps.wrapping_add(1);
        if self.bytes > MOST_BYTES {
            self.exceeded = Some("the trace is too large: disable the stack, or use callTracer");
        } else if self.steps.is_multiple_of(STEPS_PER_LOOK) && Instant::now() > self.deadline {
            self.exceeded = Some("execution timeout");
        }
        if self.exceeded.is_some() {
            if context.error().is_ok() {
                *context.error() = Err(ContextError::Custom("trace limit exceeded".into()));
            }
            interpreter.halt_fatal();
        }
    }
}

/// The state before the traced transaction, as tracers read it.
struct PreState<'a>(&'a Overlay<State>);

impl DatabaseRef for PreState<'_> {
    type Error = ReaderError<surety_state::Error>;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        let Some(account) = self.0.account(address).map_err(ReaderError)? else { return Ok(None) };
        let code = match account.code_hash {
            KECCAK256_EMPTY => None,
            hash => Some(self.code_by_hash_ref(hash)?),
        };
        Ok(Some(AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            account_id: None,
            code,
        }))
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, Self::Error> {
        let code: Bytes = self.0.code(hash).map_err(ReaderError)?;
        Ok(Bytecode::new_raw_checked(code.clone()).unwrap_or_else(|_| Bytecode::new_legacy(code)))
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Self::Error> {
        self.0.storage(address, slot).map_err(ReaderError)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Self::Error> {
        self.0.block_hash(number).map_err(ReaderError)
    }
}
