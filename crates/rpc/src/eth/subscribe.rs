//! `eth_subscribe` over WebSocket: `newHeads`, `logs`, `newPendingTransactions` (hashes, or in full when asked),
//! `syncing`.
//!
//! A reorganisation sends the logs of the blocks that are gone with `removed: true`, newest block first, then those of
//! the new ones; `newHeads` sends the new heads. A client too slow to keep up gets an error notification and the end
//! of its subscription, never a gap that it cannot see.

use super::{filters::random_id, logs};
use crate::{
    HeadChange,
    context::Rpc,
    error::RpcError,
    json::{HeaderJson, TransactionJson},
    metrics::OpenSubscription,
    params::Args,
    server::{Methods, Registered, answer},
};
use alloy_rpc_types_eth::Filter;
use jsonrpsee::{
    core::{SubscriptionError, traits::IdProvider},
    server::{PendingSubscriptionSink, SubscriptionSink},
    types::{Params, SubscriptionId},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::Arc;
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// Subscription ids in geth's form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ids;

impl IdProvider for Ids {
    fn next_id(&self) -> SubscriptionId<'static> {
        random_id().into()
    }
}

/// What is subscribed to.
#[derive(Debug)]
enum Topic {
    NewHeads,
    Logs(Box<Filter>),
    PendingTransactions { full: bool },
    Syncing,
}

impl Topic {
    fn read(args: &Args<'_>) -> Result<Self, RpcError> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Full {
            Bare(bool),
            #[serde(rename_all = "camelCase")]
            Named {
                full_transactions: bool,
            },
        }
        match args.text(0)?.as_str() {
            "newHeads" => Ok(Self::NewHeads),
            "logs" => Ok(Self::Logs(Box::new(logs::filter(args, 1)?))),
            "newPendingTransactions" => {
                let full = match args.optional::<Full>(1)? {
                    Some(Full::Bare(full) | Full::Named { full_transactions: full }) => full,
                    None => false,
                };
                Ok(Self::PendingTransactions { full })
            }
            "syncing" => Ok(Self::Syncing),
            other => {
                let other: String = other.chars().take(40).collect();
                Err(RpcError::InvalidParams(format!("no {other:?} subscription in eth namespace")))
            }
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::NewHeads => "newHeads",
            Self::Logs(_) => "logs",
            Self::PendingTransactions { .. } => "newPendingTransactions",
            Self::Syncing => "syncing",
        }
    }
}

/// What a subscription is to, of at most two arguments; refuses it when they cannot be read.
pub(crate) async fn asked<T>(
    params: &Params<'_>,
    pending: PendingSubscriptionSink,
    read: impl FnOnce(&Args<'_>) -> Result<T, RpcError>,
) -> Option<(T, PendingSubscriptionSink)> {
    match Args::new(params, 2).and_then(|args| read(&args)) {
        Ok(topic) => Some((topic, pending)),
        Err(error) => {
            pending.reject(error).await;
            None
        }
    }
}

pub(crate) fn register(methods: &mut Methods) -> Registered {
    methods.module.register_subscription(
        "eth_subscribe",
        "eth_subscription",
        "eth_unsubscribe",
        |params, pending, rpc, _| async move {
            match asked(&params, pending, Topic::read).await {
                Some((topic, pending)) => run(&rpc, topic, pending).await,
                None => Ok(()),
            }
        },
    )?;
    Ok(())
}

async fn run(rpc: &Rpc, topic: Topic, pending: PendingSubscriptionSink) -> Result<(), SubscriptionError> {
    // Before the subscription is confirmed, so that nothing after the confirmation is missed.
    let heads = rpc.backend.head_changes();
    let transactions = rpc.backend.pool_transactions();
    let sink = pending.accept().await?;
    let _open = OpenSubscription::new(rpc.chain_name(), topic.name());
    match topic {
        Topic::NewHeads => follow(&sink, heads, new_heads).await,
        Topic::Logs(filter) => {
            let most = rpc.config.max_logs;
            follow(&sink, heads, |change| changed_logs(change, &filter, most)).await
        }
        Topic::PendingTransactions { full } => {
            follow(&sink, transactions, |tx| {
                let json =
                    if full { answer(&TransactionJson::pending(tx.inner(), tx.signer()))? } else { answer(tx.hash())? };
                Ok(vec![json])
            })
            .await
        }
        Topic::Syncing => {
            let status = match rpc.backend.syncing() {
                Some(status) => answer(&status)?,
                None => answer(&false)?,
            };
            sink.send(status).await?;
            sink.closed().await;
            Ok(())
        }
    }
}

fn new_heads(change: &HeadChange) -> Result<Vec<Box<RawValue>>, RpcError> {
    change.added.iter().map(|block| answer(&HeaderJson { hash: block.hash, header: &block.block.header })).collect()
}

fn changed_logs(change: &HeadChange, filter: &Filter, most: usize) -> Result<Vec<Box<RawValue>>, RpcError> {
    let mut found = Vec::new();
    for block in &change.removed {
        logs::collect(block, filter, true, most, &mut found)?;
    }
    for block in &change.added {
        logs::collect(block, filter, false, most, &mut found)?;
    }
    Ok(found)
}

/// Sends what `write` makes of each event until the client leaves, the node stops, or the client is too slow.
pub(crate) async fn follow<T>(
    sink: &SubscriptionSink,
    mut events: Receiver<Arc<T>>,
    write: impl Fn(&T) -> Result<Vec<Box<RawValue>>, RpcError>,
) -> Result<(), SubscriptionError> {
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = sink.closed() => return Ok(()),
        };
        match event {
            Ok(event) => {
                for notification in write(&event)? {
                    sink.send(notification).await?;
                }
            }
            Err(RecvError::Lagged(missed)) => {
                return Err(format!("too slow: {missed} events were missed; subscribe again").into());
            }
            Err(RecvError::Closed) => return Ok(()),
        }
    }
}
