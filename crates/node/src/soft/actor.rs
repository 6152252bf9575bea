//! The loops: one for each feed, one that imports.

use super::{FeedState, Importer};
use futures::StreamExt as _;
use std::{sync::Arc, time::Duration};
use surety_rpc::{
    CertifiedBlock,
    client::{ClientError, FeedClient},
};
use surety_types::{L2Height, evidence::Equivocation};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

/// Blocks that wait for the importer, of all feeds.
const WAITING: usize = 256;
/// How often the importer looks again for what it waits for (messages, committees).
const LOOK: Duration = Duration::from_millis(200);
/// Waits between attempts to reach a feed.
const RETRY: Duration = Duration::from_secs(1);
const MAX_RETRY: Duration = Duration::from_secs(30);
/// A feed that sends nothing for so long is asked anew.
const SILENCE: Duration = Duration::from_secs(30);

enum Event {
    Block(usize, Box<CertifiedBlock>),
    Evidence(usize, Box<Equivocation>),
}

/// Follows feeds until dropped. `feeds` are those that the importer knows by number.
pub async fn run(mut importer: Importer, feeds: Vec<Arc<FeedState>>) {
    let (events, mut received) = mpsc::channel(WAITING);
    let (next, from) = watch::channel(importer.next());
    let mut tasks = JoinSet::new();
    for (index, feed) in feeds.into_iter().enumerate() {
        tasks.spawn(listen(index, feed, from.clone(), events.clone()));
    }
    drop(events);
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            event = received.recv() => match event {
                Some(event) => take(&mut importer, event),
                // All feeds are bad. L1 goes on; so does what is held.
                None => tokio::time::sleep(LOOK).await,
            },
            _ = look.tick() => {}
        }
        while let Ok(event) = received.try_recv() {
            take(&mut importer, event);
        }
        let work = tokio::task::spawn_blocking(move || {
            importer.advance();
            importer
        });
        match work.await {
            Ok(back) => importer = back,
            Err(error) => {
                tracing::error!(%error, "soft-final blocks are followed no more; L1's data go on");
                return;
            }
        }
        next.send_replace(importer.next());
    }
}

fn take(importer: &mut Importer, event: Event) {
    match event {
        Event::Block(feed, block) => importer.offer(feed, *block),
        Event::Evidence(feed, evidence) => importer.evidence(feed, *evidence),
    }
}

/// Listens to one feed, again and again, until it is bad.
async fn listen(index: usize, feed: Arc<FeedState>, from: watch::Receiver<u64>, events: mpsc::Sender<Event>) {
    let mut wait = RETRY;
    while !feed.is_bad() && !events.is_closed() {
        match session(index, &feed, &from, &events).await {
            Ok(heard) if heard => wait = RETRY,
            Ok(_) => {}
            Err(ClientError::Malformed { reason, .. }) => {
                feed.condemn(&reason);
                return;
            }
            Err(error) => tracing::warn!(%error, "no soft-final blocks from this feed for now"),
        }
        tokio::time::sleep(wait).await;
        wait = wait.saturating_mul(2).min(MAX_RETRY);
    }
}

/// One connection. Whether anything was heard.
async fn session(
    index: usize,
    feed: &FeedState,
    from: &watch::Receiver<u64>,
    events: &mpsc::Sender<Event>,
) -> Result<bool, ClientError> {
    let client = FeedClient::connect(feed.url()).await?;
    let next = *from.borrow();
    let mut blocks = client.certified_blocks(L2Height::new(next)).await?;
    let mut evidence = client.evidence().await?;
    tracing::info!(feed = feed.url(), from = next, "listening to a feed");
    let mut heard = false;
    while !feed.is_bad() {
        if *from.borrow() < next {
            tracing::info!(feed = feed.url(), "blocks were taken back; the feed is asked again from below");
            return Ok(heard);
        }
        let event = tokio::select! {
            block = blocks.next() => match block {
                Some(block) => {
                    let block = block?;
                    // More than is held: asked again when this node is nearer.
                    if block.height.to::<u64>() > from.borrow().saturating_add(Importer::window()) {
                        tracing::info!(feed = feed.url(), "the feed is far ahead; L1's data first");
                        return Ok(heard);
                    }
                    Event::Block(index, Box::new(block))
                }
                None => return Ok(heard),
            },
            found = evidence.next() => match found {
                Some(found) => Event::Evidence(index, Box::new(found?)),
                None => return Ok(heard),
            },
            () = tokio::time::sleep(SILENCE) => return Ok(heard),
        };
        heard = true;
        if events.send(event).await.is_err() {
            return Ok(heard);
        }
    }
    Ok(heard)
}
