//! The chain as L1's data give it, in this process.

use super::{L2, Session, Waiting};
use anyhow::{Context, Result};
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};
use surety_node::follower_node::{FollowerNode, FollowerNodeConfig};
use surety_types::claim::Claim;

/// A follower, and a server of it that nobody else knows of.
pub(super) struct Derived {
    node: FollowerNode,
    server: surety_rpc::Server,
}

impl Derived {
    pub(super) async fn start(session: &Session, directory: PathBuf) -> Result<Self> {
        let config = FollowerNodeConfig {
            chain: session.chain.clone(),
            directory,
            l1: session.l1.clone(),
            poll: session.pace(),
            feeds: Vec::new(),
        };
        let node = FollowerNode::start(config).await.context("the chain cannot be derived here")?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let serving = surety_rpc::Config { address, max_log_blocks: u64::MAX, ..Default::default() };
        let server = surety_rpc::serve(node.backend(), serving).await?;
        Ok(Self { node, server })
    }

    /// Waits until the blocks of a claim's batch are derived.
    pub(super) async fn reach(&self, session: &Session, claim: &Claim) -> Result<L2> {
        let mut waiting = Waiting::default();
        let mut status = self.node.status();
        loop {
            let now = status.borrow_and_update().clone();
            if now.safe.index >= claim.batch_index {
                break;
            }
            let trouble = now.trouble.map(|trouble| format!(" ({trouble})")).unwrap_or_default();
            let (safe, last) = (now.safe.index.get(), claim.batch_index);
            let text = format!("deriving the chain from L1: batch {safe} of {last}{trouble}");
            waiting.says(&format!("{}{trouble}", safe / 100), &text);
            status.changed().await.context("the follower has ended: the log says why; start again")?;
        }
        let l2 = L2::connect(&format!("http://{}", self.server.address()), &session.chain).await?;
        l2.header(claim.last_hash).await.with_context(|| {
            format!(
                "L1's data do not lead to block {}, which the last final claim names: a false claim has become final, and its \
                 state is known to nobody here",
                claim.last_hash
            )
        })?;
        Ok(l2)
    }

    pub(super) async fn stop(self) {
        self.server.stop().await;
        self.node.stop().await;
    }
}
