//! `debug_*`: raw encodings, and traces.
//!
//! A trace executes again what came before in the block: the state after the parent, the system calls, the transactions
//! before. Genesis has nothing to trace.

use crate::{
    StoredBlock,
    context::Rpc,
    error::RpcError,
    eth::{blocks::by_number, request, transactions},
    history::{self, State},
    params::{Args, Hash},
    server::{Answer, Methods, Registered, answer},
    trace::{Trace, Traced},
};
use alloy_consensus::Transaction as _;
use alloy_eips::{BlockId, Encodable2718};
use alloy_primitives::{B256, Bytes};
use alloy_rpc_types_eth::{TransactionInfo, TransactionRequest};
use alloy_rpc_types_trace::geth::{GethDebugTracingCallOptions, GethDebugTracingOptions, GethTrace};
use revm::inspector::NoOpInspector;
use serde::Serialize;
use serde_json::value::RawValue;
use std::time::Instant;
use surety_stf::execute::simulate::Simulator;
use surety_types::{Recovered, Transaction};

pub(crate) fn register(methods: &mut Methods) -> Registered {
    methods.light("debug_getRawHeader", 1, |rpc, args| {
        let header = rpc.header(rpc.must_resolve(args.block(0)?)?)?;
        answer(&Bytes::from(alloy_rlp::encode(&header)))
    })?;
    methods.light("debug_getRawBlock", 1, |rpc, args| answer(&Bytes::from(block(rpc, args.block(0)?)?.block.rlp())))?;
    methods.light("debug_getRawReceipts", 1, |rpc, args| {
        let block = block(rpc, args.block(0)?)?;
        let raw = block.receipts.iter().map(|receipt| Bytes::from(receipt.encoded_2718()));
        answer(&raw.collect::<Vec<_>>())
    })?;
    methods.light("debug_getRawTransaction", 1, transactions::raw)?;
    methods.heavy("debug_traceTransaction", 2, trace_transaction)?;
    methods.heavy("debug_traceBlockByHash", 2, |rpc, args| {
        let hash = args.required::<Hash>(0)?.0;
        trace_block(rpc, &*rpc.find(BlockId::hash(hash))?.ok_or(RpcError::NoBlockHash(hash))?, args)
    })?;
    methods
        .heavy("debug_traceBlockByNumber", 2, |rpc, args| trace_block(rpc, &*block(rpc, by_number(args)?)?, args))?;
    methods.heavy("debug_traceCall", 3, trace_call)
}

fn block(rpc: &Rpc, id: BlockId) -> Result<std::sync::Arc<StoredBlock>, RpcError> {
    rpc.find(id)?.ok_or(RpcError::NoBlock)
}

fn tracer(rpc: &Rpc, options: Option<GethDebugTracingOptions>) -> Result<Trace, RpcError> {
    Trace::new(options.unwrap_or_default(), Instant::now() + rpc.config.call_timeout)
}

/// A block's transactions, tried again one after the other.
struct Replay<'a> {
    block: &'a StoredBlock,
    simulator: Simulator<State>,
    next: usize,
}

impl<'a> Replay<'a> {
    fn new(rpc: &Rpc, block: &'a StoredBlock) -> Result<Self, RpcError> {
        let header = &block.block.header;
        if header.number == 0 {
            return Err(RpcError::Refused("genesis is not traceable".to_owned()));
        }
        let (_, before) = rpc.state(BlockId::hash(header.parent_hash))?;
        let mut simulator = Simulator::new(rpc.backend.chain(), header, before);
        simulator.begin_block(header.parent_hash, header.parent_beacon_block_root).map_err(request::refused)?;
        Ok(Self { block, simulator, next: 0 })
    }

    fn transaction(block: &'a StoredBlock, index: usize) -> Result<Recovered<&'a Transaction>, RpcError> {
        let tx = block.block.transactions.get(index).zip(history::sender(block, index));
        tx.map(|(tx, sender)| Recovered::new_unchecked(tx, sender))
            .ok_or_else(|| RpcError::Refused("transaction not found".to_owned()))
    }

    /// Executes everything before transaction `index`.
    fn advance_to(&mut self, index: usize, deadline: Instant) -> Result<(), RpcError> {
        while self.next < index {
            if Instant::now() > deadline {
                return Err(RpcError::Limit("execution timeout".to_owned()));
            }
            let tx = Self::transaction(self.block, self.next)?;
            let outcome = self.simulator.transact(tx, None::<&mut NoOpInspector>).map_err(request::refused)?;
            self.simulator.commit(outcome.state).map_err(request::refused)?;
            self.next = self.next.saturating_add(1);
        }
        Ok(())
    }

    /// Traces the next transaction.
    fn trace(&mut self, trace: &Trace) -> Result<GethTrace, RpcError> {
        let tx = Self::transaction(self.block, self.next)?;
        let header = &self.block.block.header;
        let traced = Traced {
            sender: tx.signer(),
            gas_limit: (**tx.inner()).gas_limit(),
            info: TransactionInfo {
                hash: Some(*tx.inner().hash()),
                index: Some(self.next as u64),
                block_hash: Some(self.block.hash),
                block_number: Some(header.number),
                base_fee: header.base_fee_per_gas,
                ..TransactionInfo::default()
            },
        };
        let (shown, outcome) =
            trace.run(&mut self.simulator, traced, |simulator, watcher| simulator.transact(tx, Some(watcher)))?;
        self.simulator.commit(outcome.state).map_err(request::refused)?;
        self.next = self.next.saturating_add(1);
        Ok(shown)
    }
}

fn trace_transaction(rpc: &Rpc, args: &Args<'_>) -> Answer {
    let hash = args.required::<Hash>(0)?.0;
    let trace = tracer(rpc, args.optional(1)?)?;
    let (block, index) = rpc.mined(hash)?.ok_or_else(|| RpcError::Refused("transaction not found".to_owned()))?;
    let mut replay = Replay::new(rpc, &block)?;
    replay.advance_to(index, Instant::now() + rpc.config.call_timeout)?;
    answer(&replay.trace(&trace)?)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TracedTransaction {
    tx_hash: B256,
    result: Box<RawValue>,
}

fn trace_block(rpc: &Rpc, block: &StoredBlock, args: &Args<'_>) -> Answer {
    let trace = tracer(rpc, args.optional(1)?)?;
    let mut replay = Replay::new(rpc, block)?;
    let mut traces = Vec::new();
    let mut size = 0_usize;
    for tx in &block.block.transactions {
        // Written at once: the written form is much smaller than the recording.
        let result = answer(&replay.trace(&trace)?)?;
        size = size.saturating_add(result.get().len());
        if size > rpc.config.max_response_bytes as usize {
            return Err(RpcError::Limit("the trace is too large: trace single transactions".to_owned()));
        }
        traces.push(TracedTransaction { tx_hash: *tx.hash(), result });
    }
    answer(&traces)
}

fn trace_call(rpc: &Rpc, args: &Args<'_>) -> Answer {
    let wanted: TransactionRequest = args.required(0)?;
    let options: GethDebugTracingCallOptions = args.optional(2)?.unwrap_or_default();
    if options.tx_index.is_some() {
        return Err(RpcError::InvalidParams("txIndex is not supported: trace on a whole block's state".to_owned()));
    }
    let trace = tracer(rpc, Some(options.tracing_options))?;
    let (_, mut simulator) = request::simulator(rpc, args.block(1)?, options.state_overrides, options.block_overrides)?;
    let (call, checks) = request::call(wanted, None, rpc.config.gas_cap, simulator.block_mut())?;
    let traced = Traced { sender: call.from, gas_limit: call.gas_limit, info: TransactionInfo::default() };
    let (shown, _) =
        trace.run(&mut simulator, traced, |simulator, watcher| simulator.inspect(&call, checks, Some(watcher)))?;
    answer(&shown)
}
