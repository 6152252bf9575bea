//! The dispute as a live L1 has it, in the state of one block.

use alloy_primitives::{Address, Bytes};
use alloy_sol_types::{SolCall, SolEventInterface as _};
use std::sync::Arc;
use surety_contracts::{ChainFile, bindings::Dispute};
use surety_dispute::{Bench, Docket};
use surety_l1::{
    BlockAt, BlockRef, L1, L1Error,
    chain::{Call, L1Log},
};
use surety_types::L1Height;
use tokio::runtime::Handle;

/// Blocks asked for at once.
const RANGE: u64 = 1_000;

/// Asks L1, from a thread that may wait.
pub(super) struct LiveBench {
    l1: Arc<dyn L1>,
    dispute: Address,
    head: BlockRef,
    handle: Handle,
}

impl LiveBench {
    pub(super) const fn new(l1: Arc<dyn L1>, dispute: Address, head: BlockRef, handle: Handle) -> Self {
        Self { l1, dispute, head, handle }
    }
}

impl Bench for LiveBench {
    type Error = L1Error;

    fn ask<C: SolCall>(&self, call: &C) -> Result<C::Return, L1Error> {
        let request = Call { to: Some(self.dispute), input: Bytes::from(call.abi_encode()), ..Call::default() };
        let answer = self.handle.block_on(self.l1.call(&request, BlockAt::Hash(self.head.hash)))?;
        C::abi_decode_returns(&answer)
            .map_err(|error| L1Error::invalid("eth_call", format!("{}: {error}", C::SIGNATURE)))
    }

    fn now(&self) -> u64 {
        self.head.time.get()
    }
}

/// The docket up to a block that L1 hardly takes back, and that block.
#[derive(Default)]
pub(super) struct Logbook {
    settled: Docket,
    until: Option<BlockRef>,
}

impl Logbook {
    /// All that L1 told up to this head.
    pub(super) async fn read(&mut self, l1: &dyn L1, chain: &ChainFile, head: BlockRef) -> Result<Docket, L1Error> {
        if let Some(until) = self.until
            && l1.block(BlockAt::Number(until.number)).await?.is_none_or(|block| block.hash != until.hash)
        {
            tracing::warn!(block = %until.number, "L1 took back what was settled: all disputes are read again");
            *self = Self::default();
        }
        let settles = head.number.saturating_sub(chain.protocol.settled_depth);
        let from = self.until.map_or(chain.l1_start, |until| until.number.next());
        if from <= settles {
            for log in logs(l1, chain, from, settles).await? {
                take(&mut self.settled, &log)?;
            }
            self.until = l1.block(BlockAt::Number(settles)).await?;
        }
        let mut docket = self.settled.clone();
        let from = self.until.map_or(chain.l1_start, |until| until.number.next());
        for log in logs(l1, chain, from, head.number).await? {
            take(&mut docket, &log)?;
        }
        Ok(docket)
    }
}

async fn logs(l1: &dyn L1, chain: &ChainFile, from: L1Height, to: L1Height) -> Result<Vec<L1Log>, L1Error> {
    let (mut found, mut next, mut range) = (Vec::new(), from, RANGE);
    while next <= to {
        let last = to.min(next.saturating_add(range.saturating_sub(1)));
        match l1.logs(next, last, &[chain.addresses.dispute]).await {
            Ok(logs) => {
                found.extend(logs);
                next = last.next();
            }
            Err(L1Error::TooLarge { .. }) if range > 1 => range = range.div_ceil(2),
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

fn take(docket: &mut Docket, log: &L1Log) -> Result<(), L1Error> {
    let event = Dispute::DisputeEvents::decode_raw_log(log.log.topics(), &log.log.data.data);
    docket.take(&event.map_err(|error| L1Error::invalid("eth_getLogs", format!("a log of the dispute: {error}")))?);
    Ok(())
}
