//! `surety sequencer`: one seat as a process.

use crate::{
    config::{Config, PeersFile},
    dev::read_chain,
    follow::{cross_check, open_archive, serve_archive},
    init::public_peer_key,
    interrupted,
    keys::{self, Password},
};
use alloy::signers::local::PrivateKeySigner;
use alloy_primitives::Address;
use anyhow::{Context, Result, bail, ensure};
use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use surety_contracts::{ChainFile, Registration};
use surety_l1::{
    BlockAt, L1, L1Error,
    blobs::Archive,
    contracts::Contracts,
    rpc::{RpcConfig, RpcL1},
    several,
    submit::{FeeLimits, SubmitConfig, Submitter},
};
use surety_node::{
    consensus::{Boundary, PeerAddresses},
    sequencer::{Sequencer, SequencerConfig},
    signer::LocalSigner,
};
use surety_types::Term;
use tokio::sync::watch;

/// How often the peers file is looked at.
const PEERS_PERIOD: Duration = Duration::from_secs(2);

/// Options of `surety sequencer`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The configuration, as `surety init` writes it.
    #[arg(long)]
    pub(crate) config: PathBuf,
    /// File whose first line is the password of the keystores; goes before the configuration's.
    #[arg(long)]
    password_file: Option<PathBuf>,
    /// Stop when standard input ends: for a program that starts seats and must not leave them behind, whatever becomes of it.
    #[arg(long)]
    until_input_ends: bool,
}

/// How a sequencer that was started came to its end.
enum End {
    Interrupted,
    /// A committee with its next keys has begun; the newest term that this node saw begin.
    Rotated(Option<Term>),
}

/// Runs until it is told to stop, or fails.
pub(crate) async fn run(arguments: Arguments, config: Config) -> Result<()> {
    let chain = read_chain(&config.chain).context("key `chain` of the configuration")?;
    let password = Password::read(arguments.password_file.as_deref(), config.password_file())?;
    fs::create_dir_all(&config.data_dir).with_context(|| format!("make data_dir {}", config.data_dir.display()))?;
    let _lock = lock(&config.data_dir)?;
    let archive = open_archive(&config.data_dir, config.l1.archived_blobs)?;
    let l1 = connect_l1(&config, &chain, Some(archive.clone())).await?;
    let _archive = match config.archive.enabled {
        true => Some(serve_archive(archive, config.archive.listen).await.context("key archive.listen")?),
        false => None,
    };
    let mut abandoned = std::pin::pin!(input_ended(arguments.until_input_ends));
    // The newest term that began on L2 while this process ran.
    let mut began = None;
    loop {
        if let Some(next) = next_keys(&config)
            && takes_over(&*l1, &chain, next.vote_key, began).await?
        {
            promote(&config, &next)?;
        }
        match serve(&config, &chain, &l1, &password, abandoned.as_mut()).await? {
            End::Interrupted => return Ok(()),
            End::Rotated(term) => {
                tracing::info!("a committee with this seat's new keys has begun: going on with them");
                began = term;
            }
        }
    }
}

/// Waits for the end of standard input, or for ever. A thread of its own reads, because such a read holds up the end of the
/// runtime, and nothing can cancel it.
async fn input_ended(wanted: bool) {
    if !wanted {
        return std::future::pending().await;
    }
    let (end, ended) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // Whatever comes is of no interest, nor whether anybody still waits.
        drop(std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink()));
        let _ = end.send(());
    });
    let _ = ended.await;
}

/// Holds the data directory for this process; the lock goes with it.
fn lock(directory: &Path) -> Result<File> {
    let path = directory.join("LOCK");
    let file = File::create(&path).with_context(|| format!("make {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("data_dir {} is in use by another process: stop that one first", directory.display())
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("lock {}", path.display())),
    }
}

/// How often L1 is asked.
fn poll(config: &Config, chain: &ChainFile) -> Duration {
    let configured = config.l1.poll_milliseconds;
    let usual = chain.protocol.slot_time.saturating_mul(250).clamp(200, 12_000);
    Duration::from_millis(if configured == 0 { usual } else { configured })
}

/// Checks that every endpoint that answers is of the chain's L1, and makes one client of them all.
pub(crate) async fn connect_l1(
    config: &Config,
    chain: &ChainFile,
    archive: Option<Arc<Archive>>,
) -> Result<Arc<dyn L1>> {
    ensure!(!config.l1.rpc.is_empty(), "l1.rpc is empty");
    let mut answered = 0;
    for url in &config.l1.rpc {
        let one = RpcConfig { attempts: 2, ..RpcConfig::new(url, []) };
        match RpcL1::new(one, None).context("key l1.rpc")?.chain_id().await {
            Ok(found) => {
                ensure!(
                    found == chain.l1_chain_id,
                    "l1.rpc: {url} is chain {found}, the chain file says {}: use an endpoint of that chain",
                    chain.l1_chain_id
                );
                answered += 1;
            }
            Err(error) => tracing::warn!(url, %error, "this endpoint of l1.rpc does not answer"),
        }
    }
    ensure!(answered > 0, "l1.rpc: no endpoint answers; are they running, are the addresses right?");
    let l1 = several::connect(&config.l1.rpc, &config.l1.beacon, cross_check(chain), archive);
    let l1 = l1.context("keys l1.rpc and l1.beacon")?;
    let registry = chain.addresses.registry;
    ensure!(
        !l1.code(registry, BlockAt::Latest).await?.is_empty(),
        "there is no registry at {registry} on this L1: is it the L1 of the chain file, and synced?"
    );
    Ok(l1)
}

/// The keys to which this seat has rotated, but which do not vote yet.
pub(crate) fn next_keys(config: &Config) -> Option<Registration> {
    Registration::read(&config.next_keys().join("registration.json")).ok()
}

/// Whether the next keys are to be taken into use: a committee lists them, and the term before has ended, as this node saw
/// (`began` is the newest term that began while it ran) or for good, since `OVERLAP` is over. L1's clock alone does not say
/// so: the old keys are needed until the old term's last block is final, above all when several seats rotate at once.
async fn takes_over(l1: &dyn L1, chain: &ChainFile, vote_key: Address, began: Option<Term>) -> Result<bool> {
    let contracts = Contracts::new(l1, chain.addresses);
    let Some(head) = l1.block(BlockAt::Latest).await? else { return Ok(false) };
    let at = BlockAt::Hash(head.hash);
    let listed = async |term: Term| match contracts.committee(term, at).await {
        Ok(members) => Ok(members.iter().any(|member| member.vote_key == vote_key)),
        // Not on record: nobody has posted for an epoch.
        Err(L1Error::Reverted { .. }) => Ok(false),
        Err(error) => Err(error),
    };
    let term = contracts.current_term(at).await?;
    if !listed(term).await? {
        return Ok(false);
    }
    let over = contracts.term_start(term, at).await?.saturating_add(chain.protocol.overlap);
    let before = term.saturating_sub(1);
    Ok(began >= Some(term) || head.time >= over || (before > Term::ZERO && listed(before).await?))
}

/// Makes the next keys the seat's own. The old ones and what they signed are kept: they stay liable.
fn promote(config: &Config, next: &Registration) -> Result<()> {
    let keys = &config.keys.directory;
    let old = Registration::read(&config.registration())?;
    let retired = keys.join(format!("retired-{}", old.vote_key));
    keys::make_private(&retired)?;
    let journal = config.data_dir.join("journal");
    if journal.exists() {
        fs::rename(&journal, config.data_dir.join(format!("journal-{}", old.vote_key)))
            .context("put the old key's journal aside")?;
    }
    // The registration last: as long as it stands in `next`, this is done again.
    for name in ["vote.json", "peer.json", "registration.json"] {
        let (from, to) = (config.next_keys().join(name), keys.join(name));
        if from.exists() {
            if to.exists() {
                fs::rename(&to, retired.join(name)).with_context(|| format!("put {} aside", to.display()))?;
            }
            fs::rename(&from, &to).with_context(|| format!("take {} into use", from.display()))?;
        }
    }
    tracing::info!(old = %old.vote_key, new = %next.vote_key, "the new keys are in use");
    Ok(())
}

async fn serve(
    config: &Config,
    chain: &ChainFile,
    l1: &Arc<dyn L1>,
    password: &Password,
    abandoned: impl Future<Output = ()>,
) -> Result<End> {
    let (vote_key, vote_address) = keys::load_signing(&config.keystore("vote.json"), password)?;
    let peer_key = keys::load(&config.keystore("peer.json"), password)?;
    let peers = PeerAddresses::default();
    peers.replace(PeersFile::read(&config.p2p.peers_file)?.peers);
    let submitter = match config.poster.enabled {
        true => Some(Arc::new(poster(config, chain, l1, password).await?)),
        false => None,
    };
    greet(l1, chain, vote_address).await;
    tracing::info!(vote_key = %vote_address, peer_key = %public_peer_key(&peer_key)?, listen = %config.p2p.listen, "starting");
    let mut sequencer = Sequencer::start(SequencerConfig {
        chain: chain.clone(),
        directory: config.data_dir.clone(),
        l1: l1.clone(),
        vote_key: LocalSigner::new(vote_key),
        peer_key,
        listen: config.p2p.listen,
        peers: peers.clone(),
        local: config.p2p.allow_private_addresses,
        limits: config.network_limits(),
        beneficiary: config.seat.beneficiary,
        submitter,
        poll: poll(config, chain),
        misbehaviour: None,
    })
    .await?;
    let server = match config.rpc.enabled {
        true => {
            let settings = surety_rpc::Config {
                address: config.rpc.listen,
                max_connections: config.rpc.max_connections,
                debug: config.rpc.debug,
                ..Default::default()
            };
            let server = surety_rpc::serve(sequencer.backend(), settings).await.context("key rpc.listen")?;
            say!("serving; RPC on http://{}", server.address());
            Some(server)
        }
        false => None,
    };
    let term = sequencer.seat().term();
    let outcome = tokio::select! {
        () = sequencer.ended() => Err(anyhow::anyhow!("the sequencer has stopped: the log says why")),
        interrupt = interrupted() => interrupt.map(|()| End::Interrupted),
        () = abandoned => Ok(End::Interrupted),
        () = follow_peers(&config.p2p.peers_file, &peers) => Ok(End::Interrupted),
        term = rotated(config, chain, l1, term) => Ok(End::Rotated(term)),
    };
    if let Some(server) = server {
        server.stop().await;
    }
    let stopped = sequencer.stop().await;
    let end = outcome?;
    stopped?;
    Ok(end)
}

async fn poster(config: &Config, chain: &ChainFile, l1: &Arc<dyn L1>, password: &Password) -> Result<Submitter> {
    let (key, _) = keys::load_signing(&config.keystore("poster.json"), password)?;
    let gwei = |n: u64| u128::from(n).saturating_mul(1_000_000_000);
    let settings = SubmitConfig {
        daily_budget: config.poster.daily_budget()?,
        limits: FeeLimits {
            max_fee: gwei(config.poster.max_fee_gwei),
            max_blob_fee: gwei(config.poster.max_blob_fee_gwei),
            max_priority_fee: gwei(config.poster.max_priority_fee_gwei),
            ..FeeLimits::default()
        },
        ..SubmitConfig::new(config.data_dir.join("submit"))
    };
    let settings = settings.for_slot_time(Duration::from_secs(chain.protocol.slot_time));
    let signer = PrivateKeySigner::from_signing_key(key);
    let address = signer.address();
    if l1.balance(address).await?.is_zero() {
        tracing::warn!(%address, "the poster's account is empty: this seat cannot post until you fund it on L1");
    }
    Submitter::open(l1.clone(), Arc::new(signer), settings).await.context("open the poster's journal in data_dir")
}

/// Says who this is on L1, and what is missing.
async fn greet(l1: &Arc<dyn L1>, chain: &ChainFile, vote_key: Address) {
    match Contracts::new(&**l1, chain.addresses).seat_of_vote_key(vote_key, BlockAt::Latest).await {
        Ok(Some(seat)) => tracing::info!(seat, "this vote key is registered"),
        Ok(None) => tracing::warn!(
            %vote_key,
            "this vote key is not registered: run `surety seat register`; until then the node only follows L1"
        ),
        Err(error) => tracing::warn!(%error, "L1 did not say whether this vote key is registered"),
    }
}

/// Reads the peers file again and again.
async fn follow_peers(path: &Path, peers: &PeerAddresses) {
    let mut complaint = String::new();
    loop {
        tokio::time::sleep(PEERS_PERIOD).await;
        match PeersFile::read(path) {
            Ok(file) => {
                peers.replace(file.peers);
                complaint.clear();
            }
            Err(error) => {
                let text = format!("{error:#}");
                if text != complaint {
                    tracing::warn!("{text}; the addresses read before stay in use");
                    complaint = text;
                }
            }
        }
    }
}

/// Waits until the next keys are to be taken into use; returns the newest term that has begun on L2.
async fn rotated(
    config: &Config,
    chain: &ChainFile,
    l1: &Arc<dyn L1>,
    term: watch::Receiver<Option<Boundary>>,
) -> Option<Term> {
    let pause = Duration::from_secs(chain.protocol.slot_time.max(1));
    loop {
        tokio::time::sleep(pause).await;
        let began = term.borrow().map(|boundary| boundary.term);
        if let Some(next) = next_keys(config)
            && matches!(takes_over(&**l1, chain, next.vote_key, began).await, Ok(true))
        {
            return began;
        }
    }
}
