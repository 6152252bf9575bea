//! `txpool_*`: what waits.

use crate::{
    context::Rpc,
    json::TransactionJson,
    server::{Answer, Methods, Registered, answer},
};
use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, U64};
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};
use surety_types::{Recovered, Transaction};

type Waiting = [Arc<Recovered<Transaction>>];
type ByNonce<'a> = BTreeMap<u64, TransactionJson<'a>>;

#[derive(Serialize)]
struct Lists<T> {
    pending: T,
    queued: T,
}

pub(crate) fn register(methods: &mut Methods) -> Registered {
    methods.light("txpool_status", 0, |rpc, _| {
        let (pending, queued) = rpc.backend.pool_status();
        answer(&Lists { pending: U64::from(pending), queued: U64::from(queued) })
    })?;
    methods.heavy("txpool_content", 0, |rpc, _| content(rpc))?;
    methods.light("txpool_contentFrom", 1, |rpc, args| {
        let content = rpc.backend.pool_content(Some(args.required(0)?));
        answer(&Lists { pending: by_nonce(&content.pending), queued: by_nonce(&content.queued) })
    })
}

fn content(rpc: &Rpc) -> Answer {
    let content = rpc.backend.pool_content(None);
    answer(&Lists { pending: by_sender(&content.pending), queued: by_sender(&content.queued) })
}

fn by_nonce(waiting: &Waiting) -> ByNonce<'_> {
    waiting.iter().map(|tx| (tx.nonce(), TransactionJson::pending(tx.inner(), tx.signer()))).collect()
}

fn by_sender(waiting: &Waiting) -> BTreeMap<Address, ByNonce<'_>> {
    let mut senders: BTreeMap<Address, ByNonce<'_>> = BTreeMap::new();
    for tx in waiting {
        senders.entry(tx.signer()).or_default().insert(tx.nonce(), TransactionJson::pending(tx.inner(), tx.signer()));
    }
    senders
}
