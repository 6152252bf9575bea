//! The public feed: final blocks with what shows that they are, and evidence.
//!
//! `surety_subscribe("certifiedBlocks", { fromBlock })` sends the final blocks that are held from `fromBlock` on (without it:
//! none), then each as it becomes final, in order of height; heights begin again lower when soft-final blocks gave way to
//! what L1 says. `surety_subscribe("evidence")` sends the equivocations that are known, then each that is found, as
//! `surety_types::evidence` writes them. `surety_unsubscribe` ends either. A subscriber too slow to keep up gets an
//! error notification and the end of its subscription.
//!
//! The sender's word counts for nothing: whoever reads checks the certificate against the committee that it read from L1,
//! executes the block, and checks evidence as L1 would.

use crate::{
    context::Rpc,
    error::RpcError,
    eth::subscribe::{asked, follow},
    metrics::OpenSubscription,
    params::{Args, Quantity},
    server::{Methods, Registered, answer},
};
use alloy_primitives::{B256, Bytes, U64};
use jsonrpsee::{
    core::SubscriptionError,
    server::{PendingSubscriptionSink, SubscriptionSink},
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::{collections::VecDeque, sync::Arc};
use surety_types::{
    L2Height,
    evidence::Equivocation,
    signing::{Finalize, Signature, SignatureSet},
};
use tokio::sync::broadcast;

/// The most blocks that are held for those who come later. What is older is on L1, or soon will be.
pub const MAX_BLOCKS: usize = 4_096;
/// The most bytes of blocks that are held.
pub const MAX_BYTES: usize = 64 << 20;
/// The most equivocations that are held.
pub const MAX_EVIDENCE: usize = 4_096;
/// Events that a slow subscriber may be behind.
const BACKLOG: usize = 1_024;

/// A final block with what shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertifiedBlock {
    /// Its height.
    pub height: U64,
    /// Hash of its header.
    pub hash: B256,
    /// The block as seats send it to each other: context, header, all transactions (`surety_node::consensus::block`).
    pub block: Bytes,
    /// What made it final; `null` if a later block's certificate did, whose ancestor it is.
    pub certificate: Option<FinalizationCertificate>,
}

/// More than two thirds of a term's committee signed `Finalize` of a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind", rename = "finalization")]
pub struct FinalizationCertificate {
    /// The rollup.
    pub rollup: U64,
    /// The term whose committee signed.
    pub term: U64,
    /// Hash of the last block before that term.
    pub genesis: B256,
    /// The view.
    pub view: U64,
    /// The view of its parent.
    pub parent_view: U64,
    /// The block.
    pub block_hash: B256,
    /// Bit i stands for the seat at place i of the committee in L1's order.
    pub signers: U64,
    /// 64 bytes (EIP-2098) for each set bit, in ascending order of place.
    pub signatures: Bytes,
}

impl FinalizationCertificate {
    /// Of a statement and its signatures.
    pub fn new(statement: &Finalize, set: &SignatureSet) -> Self {
        Self {
            rollup: U64::from(statement.rollup),
            term: U64::from(statement.term),
            genesis: statement.genesis,
            view: U64::from(statement.view),
            parent_view: U64::from(statement.parentView),
            block_hash: statement.blockHash,
            signers: U64::from(set.signers),
            signatures: set.to_bytes(),
        }
    }

    /// What was signed, and the signatures; `None` if these are not 64 bytes for each signer.
    pub fn parts(&self) -> Option<(Finalize, SignatureSet)> {
        let statement = Finalize {
            rollup: self.rollup.to(),
            term: self.term.to(),
            genesis: self.genesis,
            view: self.view.to(),
            parentView: self.parent_view.to(),
            blockHash: self.block_hash,
        };
        let (signatures, rest) = self.signatures.as_chunks::<64>();
        let set = SignatureSet {
            signers: self.signers.to(),
            signatures: signatures.iter().map(|bytes| Signature((*bytes).into())).collect(),
        };
        (rest.is_empty() && set.count() as usize == set.signatures.len()).then_some((statement, set))
    }
}

/// What a node publishes. Filled by the node, served here.
#[derive(Debug)]
pub struct Feed {
    held: Mutex<Held>,
    blocks: broadcast::Sender<Arc<CertifiedBlock>>,
    evidence: broadcast::Sender<Arc<Equivocation>>,
}

#[derive(Debug, Default)]
struct Held {
    blocks: VecDeque<Arc<CertifiedBlock>>,
    bytes: usize,
    evidence: VecDeque<Arc<Equivocation>>,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            held: Mutex::default(),
            blocks: broadcast::Sender::new(BACKLOG),
            evidence: broadcast::Sender::new(BACKLOG),
        }
    }
}

impl Feed {
    /// Nothing published yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Publishes a final block. Those held at its height and above have given way to it.
    pub fn publish(&self, block: CertifiedBlock) {
        let mut held = self.held.lock();
        while held.blocks.back().is_some_and(|last| last.height >= block.height)
            && let Some(last) = held.blocks.pop_back()
        {
            held.bytes = held.bytes.saturating_sub(last.block.len());
        }
        let block = Arc::new(block);
        held.bytes = held.bytes.saturating_add(block.block.len());
        held.blocks.push_back(block.clone());
        while (held.blocks.len() > MAX_BLOCKS || held.bytes > MAX_BYTES)
            && let Some(first) = held.blocks.pop_front()
        {
            held.bytes = held.bytes.saturating_sub(first.block.len());
        }
        // Under the lock, so that who subscribes misses nothing and sees nothing twice. Nobody listening is no error.
        let _ = self.blocks.send(block);
    }

    /// Publishes evidence that was checked, once.
    pub fn accuse(&self, evidence: Arc<Equivocation>) {
        let mut held = self.held.lock();
        if held.evidence.contains(&evidence) {
            return;
        }
        if held.evidence.len() >= MAX_EVIDENCE {
            held.evidence.pop_front();
        }
        held.evidence.push_back(evidence.clone());
        let _ = self.evidence.send(evidence);
    }

    /// The blocks that are held from a height on (`None`: none), and those to come.
    pub fn blocks(
        &self,
        from: Option<L2Height>,
    ) -> (Vec<Arc<CertifiedBlock>>, broadcast::Receiver<Arc<CertifiedBlock>>) {
        let held = self.held.lock();
        let from = from.map_or(u64::MAX, L2Height::get);
        let known = held.blocks.iter().filter(|block| block.height >= U64::from(from)).cloned().collect();
        (known, self.blocks.subscribe())
    }

    /// The evidence that is held, and what is to come.
    pub fn evidence(&self) -> (Vec<Arc<Equivocation>>, broadcast::Receiver<Arc<Equivocation>>) {
        let held = self.held.lock();
        (held.evidence.iter().cloned().collect(), self.evidence.subscribe())
    }
}

#[derive(Debug)]
enum Topic {
    CertifiedBlocks { from: Option<L2Height> },
    Evidence,
}

impl Topic {
    fn read(args: &Args<'_>) -> Result<Self, RpcError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        struct Options {
            from_block: Option<Quantity>,
        }
        match args.text(0)?.as_str() {
            "certifiedBlocks" => {
                let from = args.optional::<Options>(1)?.and_then(|options| options.from_block);
                Ok(Self::CertifiedBlocks { from: from.map(|height| L2Height::new(height.0)) })
            }
            "evidence" => Ok(Self::Evidence),
            other => {
                let other: String = other.chars().take(40).collect();
                Err(RpcError::InvalidParams(format!("no {other:?} subscription in surety namespace")))
            }
        }
    }
}

pub(crate) fn register(methods: &mut Methods) -> Registered {
    methods.module.register_subscription(
        "surety_subscribe",
        "surety_subscription",
        "surety_unsubscribe",
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
    let Some(feed) = rpc.backend.feed() else {
        pending.reject(RpcError::Refused("this node publishes no feed: ask a seat, or a follower of one".into())).await;
        return Ok(());
    };
    match topic {
        Topic::CertifiedBlocks { from } => {
            let sink = pending.accept().await?;
            let _open = OpenSubscription::new(rpc.chain_name(), "certifiedBlocks");
            let (known, events) = feed.blocks(from);
            send(&sink, known).await?;
            follow(&sink, events, |block| Ok(vec![answer(block)?])).await
        }
        Topic::Evidence => {
            let sink = pending.accept().await?;
            let _open = OpenSubscription::new(rpc.chain_name(), "evidence");
            let (known, events) = feed.evidence();
            send(&sink, known).await?;
            follow(&sink, events, |evidence| Ok(vec![answer(evidence)?])).await
        }
    }
}

async fn send<T: Serialize>(sink: &SubscriptionSink, known: Vec<Arc<T>>) -> Result<(), SubscriptionError> {
    for item in known {
        sink.send(answer(&*item)?).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(height: u64, bytes: usize) -> CertifiedBlock {
        CertifiedBlock {
            height: U64::from(height),
            hash: B256::with_last_byte(height as u8),
            block: vec![0; bytes].into(),
            certificate: None,
        }
    }

    fn heights(feed: &Feed, from: u64) -> Vec<u64> {
        feed.blocks(Some(L2Height::new(from))).0.iter().map(|block| block.height.to()).collect()
    }

    #[test]
    fn blocks_are_held_within_bounds_and_give_way_to_others_at_their_height() {
        let feed = Feed::new();
        for height in 1..=6_000 {
            feed.publish(block(height, 10));
        }
        assert_eq!(heights(&feed, 0).len(), MAX_BLOCKS);
        assert_eq!(heights(&feed, 5_998), [5_998, 5_999, 6_000]);
        assert!(feed.blocks(None).0.is_empty());
        feed.publish(block(5_999, 20));
        assert_eq!(heights(&feed, 5_998), [5_998, 5_999]);
        for height in 6_000..6_010 {
            feed.publish(block(height, 10 << 20));
        }
        assert_eq!(heights(&feed, 0).len(), 6);
    }

    #[test]
    fn who_subscribes_gets_each_block_once() {
        let feed = Feed::new();
        feed.publish(block(1, 1));
        let (known, mut events) = feed.blocks(Some(L2Height::ZERO));
        feed.publish(block(2, 1));
        assert_eq!(known.len(), 1);
        assert_eq!(events.try_recv().unwrap().height, U64::from(2));
        assert!(events.try_recv().is_err());
    }

    #[test]
    fn a_certificate_is_read_back_and_a_bent_one_refused() {
        let statement = Finalize {
            rollup: 7,
            term: 1,
            genesis: B256::repeat_byte(1),
            view: 3,
            parentView: 2,
            blockHash: B256::repeat_byte(2),
        };
        let signature = Signature([5; 64].into());
        let set = SignatureSet { signers: 0b1011, signatures: vec![signature; 3] };
        let certificate = FinalizationCertificate::new(&statement, &set);
        let json = serde_json::to_value(&certificate).unwrap();
        assert_eq!(json["kind"], "finalization");
        assert_eq!(json["signers"], "0xb");
        assert_eq!(json["parentView"], "0x2");
        let read: FinalizationCertificate = serde_json::from_value(json).unwrap();
        assert_eq!(read.parts(), Some((statement, set)));
        let short = FinalizationCertificate { signers: U64::from(0b1111), ..read.clone() };
        assert_eq!(short.parts(), None);
        let odd = FinalizationCertificate { signatures: read.signatures.slice(1..), ..read };
        assert_eq!(odd.parts(), None);
    }
}
