//! The sides of a dispute: the challenger is a process of its own, as anybody would run it; who is wrong has an account and a node.

use super::super::{DrillConfig, DrillError, people::account, world::World};
use crate::{
    network::{NetworkError, submitter},
    processes::{Process, Program},
};
use alloy_primitives::Address;
use std::{path::PathBuf, sync::Arc, time::Duration};
use surety_l1::{
    L1,
    blobs::Archive,
    rpc::{RpcConfig, RpcL1},
};
use surety_node::{
    challenger::{
        Challenger, Power,
        byzantine::{Accomplice, Lies},
    },
    follower_node::{FollowerNode, FollowerNodeConfig},
    party::Party,
    poster::Rehearsal,
};
use surety_rpc::Backend as _;
use tokio::{sync::watch, task::JoinHandle};

/// How often a side looks at L1.
const POLL: Duration = Duration::from_millis(500);

/// How long a process may take to start.
const STARTED_WITHIN: Duration = Duration::from_secs(60);

/// `surety challenge`, with one account.
pub(super) struct Challenging {
    pub(super) account: Address,
    program: Program,
    arguments: Vec<String>,
    log: PathBuf,
    process: Option<Process>,
}

impl Challenging {
    pub(super) async fn start(config: &DrillConfig, world: &World, place: usize) -> Result<Self, DrillError> {
        let (rpc, beacon) = world.network.l1_urls();
        let folder = |name: &str| config.directory.join(name).display().to_string();
        let own = ["challenge", "--keeper-dev-account", &place.to_string(), "--power", "dispute"].map(str::to_owned);
        let chain = ["--chain".into(), folder("chain.json"), "--data-dir".into(), folder("challenger")];
        let l1 = ["--l1", rpc, "--l1-beacon", beacon].map(str::to_owned);
        let mut challenging = Self {
            account: account(place)?.address(),
            program: config.program.clone(),
            arguments: own.into_iter().chain(chain).chain(l1).collect(),
            log: config.directory.join("challenger.log"),
            process: None,
        };
        challenging.go_on().await?;
        Ok(challenging)
    }

    async fn go_on(&mut self) -> Result<(), DrillError> {
        let mut process = self.program.spawn(&self.arguments, &self.log)?;
        process.said("challenging", STARTED_WITHIN).await?;
        self.process = Some(process);
        Ok(())
    }

    /// Kills it in the middle of whatever it does, and starts it again.
    pub(super) async fn crash(&mut self) -> Result<(), DrillError> {
        self.process = None;
        self.go_on().await
    }
}

/// An account that is wrong, and its node.
pub(super) struct Side {
    pub(super) node: FollowerNode,
    pub(super) party: Party,
    l1: Arc<dyn L1>,
    archive: Arc<Archive>,
    directory: PathBuf,
    stop: watch::Sender<bool>,
    playing: Option<JoinHandle<()>>,
}

impl Side {
    /// Starts the node of a development account, which follows L1 alone.
    pub(super) async fn start(
        config: &DrillConfig,
        world: &World,
        name: &str,
        place: usize,
    ) -> Result<Self, DrillError> {
        let chain = world.network.chain().clone();
        let (rpc, beacon) = world.network.l1_urls();
        let directory = config.directory.join(name);
        let archive = Arc::new(Archive::open(directory.join("blobs"), Archive::ALL)?);
        let settings = RpcConfig::new(rpc, [beacon.to_owned()]);
        let l1 = RpcL1::new(settings, Some(archive.clone())).map_err(NetworkError::from)?;
        let l1: Arc<dyn L1> = Arc::new(l1);
        let key = account(place)?;
        let submitter = Arc::new(submitter(&l1, key, directory.join("account"), &chain).await?);
        let settings = FollowerNodeConfig {
            chain: chain.clone(),
            directory: directory.clone(),
            l1: l1.clone(),
            poll: POLL,
            feeds: Vec::new(),
        };
        let node = FollowerNode::start(settings).await.map_err(NetworkError::from)?;
        let party = Party { l1: l1.clone(), chain, store: node.backend().store().clone(), submitter };
        let (stop, _) = watch::channel(false);
        Ok(Self { node, party, l1, archive, directory, stop, playing: None })
    }

    /// Argues for what is wrong.
    pub(super) fn lie(&mut self, lies: Lies) {
        let body = Challenger {
            party: self.party.clone(),
            follower: self.node.status(),
            posted: self.node.posted(),
            archive: self.archive.clone(),
            rehearsal: Arc::new(Rehearsal::whole(self.directory.join("rehearsals"))),
            power: Power::Dispute,
            poll: POLL,
        };
        let accomplice = Accomplice { body, lies };
        self.playing = Some(tokio::spawn(accomplice.run(self.stop.subscribe())));
    }

    pub(super) async fn stop(self) {
        // Nobody plays: nothing to stop.
        let _ = self.stop.send(true);
        if let Some(playing) = self.playing
            && let Err(error) = playing.await
        {
            tracing::error!(%error, "a side of the dispute had failed");
        }
        drop(self.l1);
        self.node.stop().await;
    }
}
