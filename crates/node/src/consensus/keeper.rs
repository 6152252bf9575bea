//! The library's keeper of blocks: it takes them from the broadcast, asks peers for what is missing, archives what is final
//! with its certificates, and delivers it in order. One for all terms.

use super::{
    application::{Marshal, Shared},
    block::{BlockLimits, ConsensusBlock, Hash, to_digest},
    byzantine::{Bent, Tap},
    engine::{ARCHIVE_SECTION, FETCH_TIMEOUT, MAILBOX, MAX_PENDING, Runtime},
    epochs::Epochs,
    finalizer::Deliveries,
    scheme::Scheme,
};
use crate::builder::decode_aux;
use commonware_broadcast::buffered;
use commonware_consensus::{
    marshal::{self, Start, core::Actor, resolver::p2p as resolver},
    simplex::types::Finalization,
    types::ViewDelta,
};
use commonware_cryptography::{Digested, certificate::Verifier as _, ed25519::PublicKey};
use commonware_p2p::{Blocker, Provider, Receiver, Sender};
use commonware_parallel::Sequential;
use commonware_runtime::buffer::paged::CacheRef;
use commonware_storage::{archive::prunable, translator::EightCap};
use commonware_utils::{NZDuration, NZU64, NZUsize};
use std::{sync::Arc, time::Duration};

/// Views behind the last final one of which votes and unfinished blocks are kept for peers. Where terms are shorter than this,
/// the library keeps as many terms as this instead, with 18 open files and 0.4 MB of buffers each. A peer that is further
/// behind gets final blocks, as after a term's end, where the engine answers for five seconds only.
const CACHED_VIEWS: u64 = 32;

/// Where blocks come from and go to.
pub(super) struct Sources<S, R, P, B> {
    pub(super) partition: String,
    pub(super) limits: BlockLimits,
    pub(super) peers: P,
    pub(super) blocker: B,
    pub(super) me: PublicKey,
    pub(super) blocks: (S, R),
    pub(super) backfill: (S, R),
}

/// Starts it. Final blocks go to `deliveries`.
pub(super) async fn start<E, S, R, P, B>(
    context: &E,
    shared: &Shared,
    epochs: &Epochs,
    cache: &CacheRef,
    sources: Sources<S, R, P, B>,
    deliveries: Deliveries,
) -> Marshal
where
    E: Runtime,
    S: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
    P: Provider<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
{
    let limits = sources.limits;
    let resolver = resolver::init(
        context.child("backfill"),
        resolver::Config {
            public_key: sources.me.clone(),
            peer_provider: sources.peers.clone(),
            blocker: sources.blocker,
            mailbox_size: MAILBOX,
            fetch_timeout: NZDuration!(FETCH_TIMEOUT),
            fetch_retry_delay: Duration::from_millis(100),
            priority_requests: false,
            priority_responses: false,
        },
        sources.backfill,
    );
    let (broadcast, buffer) = buffered::Engine::new(
        context.child("broadcast"),
        buffered::Config {
            public_key: sources.me,
            mailbox_size: MAILBOX,
            deque_size: 16,
            priority: true,
            codec_config: limits,
            peer_provider: sources.peers,
            strategy: Sequential,
        },
    );
    let (sender, receiver) = sources.blocks;
    match shared.misbehaviour.clone() {
        None => broadcast.start((sender, receiver)),
        Some(misbehaviour) => broadcast.start((Tap::new(sender, Bent::Blocks, misbehaviour), receiver)),
    };

    let (finalizations, finalized) = open_archives(context, &sources.partition, cache, limits).await;
    let (actor, mailbox, _) = Actor::init(
        context.child("marshal"),
        finalizations,
        finalized,
        marshal::Config {
            provider: epochs.clone(),
            epocher: epochs.clone(),
            start: Start::Genesis(genesis(shared, epochs.base())),
            partition_prefix: format!("{}marshal", sources.partition),
            mailbox_size: MAILBOX,
            view_retention: ViewDelta::new(CACHED_VIEWS),
            prunable_items_per_section: NZU64!(256),
            page_cache: cache.clone(),
            replay_buffer: NZUsize!(1 << 16),
            key_write_buffer: NZUsize!(1 << 14),
            value_write_buffer: NZUsize!(1 << 16),
            block_codec_config: limits,
            max_repair: NZUsize!(32),
            max_pending_acks: MAX_PENDING,
            strategy: Sequential,
        },
    )
    .await;
    actor.start(deliveries, buffer, resolver);
    mailbox
}

type Archive<E, V> = prunable::Archive<EightCap, E, Hash, V>;

/// A damaged archive ends the seat: what it holds can be had from peers again, and what was signed is elsewhere.
async fn open_archives<E: Runtime>(
    context: &E,
    partition: &str,
    cache: &CacheRef,
    limits: BlockLimits,
) -> (Archive<E, Finalization<Scheme, Hash>>, Archive<E, Arc<ConsensusBlock>>) {
    let finalizations = prunable::Archive::init(
        context.child("finalizations"),
        archive(partition, "finalizations", cache, Scheme::certificate_codec_config_unbounded()),
    )
    .await
    .unwrap_or_else(|error| panic!("the archive of finalisations is damaged: {error}; remove the consensus directory"));
    let blocks =
        prunable::Archive::init(context.child("finalized_blocks"), archive(partition, "blocks", cache, limits))
            .await
            .unwrap_or_else(|error| {
                panic!("the archive of blocks is damaged: {error}; remove the consensus directory")
            });
    (finalizations, blocks)
}

fn archive<C>(partition: &str, name: &str, cache: &CacheRef, codec_config: C) -> prunable::Config<EightCap, C> {
    prunable::Config {
        translator: EightCap,
        metadata_partition: format!("{partition}{name}-metadata"),
        key_partition: format!("{partition}{name}-keys"),
        key_page_cache: cache.clone(),
        value_partition: format!("{partition}{name}-values"),
        compression: None,
        codec_config,
        items_per_section: NZU64!(ARCHIVE_SECTION),
        key_write_buffer: NZUsize!(1 << 16),
        value_write_buffer: NZUsize!(1 << 18),
        replay_buffer: NZUsize!(1 << 16),
    }
}

/// The block that the library begins with, in its form.
#[expect(clippy::expect_used, reason = "a generation begins after a block of the store, and there is always the first")]
fn genesis(shared: &Shared, base: u64) -> Digested<ConsensusBlock> {
    let genesis = shared.blocks.store().block_by_number(base).ok().flatten().expect("the store holds the block");
    let context = decode_aux(shared.blocks.parameters().rollup, &genesis.aux);
    let block = ConsensusBlock::new(genesis.block.header.clone(), context, genesis.block.transactions.clone());
    let block = block.counted_from(base);
    let digest = to_digest(block.hash());
    Digested::precomputed(block, digest)
}
