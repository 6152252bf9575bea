//! `surety init`: keys, configuration and registration file of a new seat.

use crate::{
    config::{
        ArchiveSection, Config, KeysSection, L1Section, LogSection, MetricsSection, P2pSection, PEERS_FILE,
        PosterSection, RpcSection, SeatSection,
    },
    dev::read_chain,
    keys::{self, Password},
};
use alloy_primitives::{Address, B256};
use anyhow::{Context, Result, bail, ensure};
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};
use surety_contracts::{FoundingSeat, Registration};
use surety_node::consensus::peer_public_key;
use surety_types::signing::vote_address;

/// Options of `surety init`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Folder to make everything in.
    #[arg(long)]
    dir: PathBuf,
    /// The chain file of a chain that runs already.
    #[arg(long, conflicts_with_all = ["registry", "l1_chain_id"])]
    chain: Option<PathBuf>,
    /// For a founding seat, before there is a chain file: where the registry will be (`surety deploy --predict` says it).
    #[arg(long, requires = "l1_chain_id")]
    registry: Option<Address>,
    /// Chain id of that registry's L1.
    #[arg(long, requires = "registry")]
    l1_chain_id: Option<u64>,
    /// Account on L1 that will control the seat; otherwise one is made, in keys/owner.json.
    #[arg(long)]
    owner: Option<Address>,
    /// Account that gets the priority fees of the seat's blocks on L2; the owner by default.
    #[arg(long)]
    beneficiary: Option<Address>,
    /// JSON-RPC endpoint of L1; may be repeated.
    #[arg(long = "l1", default_value = "http://127.0.0.1:8545")]
    l1: Vec<String>,
    /// Beacon API of L1; may be repeated.
    #[arg(long = "l1-beacon", default_value = "http://127.0.0.1:5052")]
    l1_beacon: Vec<String>,
    /// Where the other seats will connect to.
    #[arg(long, default_value_t = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 9700)))]
    listen: SocketAddr,
    /// Where wallets will be served.
    #[arg(long, default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 9545)))]
    rpc_listen: SocketAddr,
    /// Where metrics will be served.
    #[arg(long, default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 9600)))]
    metrics_listen: SocketAddr,
    /// The seats have private addresses or share one (a network of one's own).
    #[arg(long)]
    allow_private_addresses: bool,
    /// File whose first line is the password of the keystores; otherwise SURETY_PASSWORD_FILE names it, or the terminal is asked.
    #[arg(long)]
    password_file: Option<PathBuf>,
}

/// New vote and peer keys, encrypted in a folder, and the file that registers them.
pub(crate) fn make_keys(
    directory: &Path,
    password: &Password,
    (l1_chain_id, registry): (u64, Address),
    owner: Address,
) -> Result<Registration> {
    let (vote, vote_secret) = keys::random_key();
    let peer = keys::random_secret();
    let peer_key = peer_public_key(&peer).context("the system's random bytes are no ed25519 key: try again")?;
    let seat = FoundingSeat::prove(l1_chain_id, registry, owner, &vote, peer_key);
    let registration = Registration::new(l1_chain_id, registry, &seat.context("the new key cannot sign: try again")?);
    keys::store(&directory.join("vote.json"), &vote_secret, password)?;
    keys::store(&directory.join("peer.json"), &peer, password)?;
    keys::write_new(&directory.join("registration.json"), 0o644, registration.to_json()?.as_bytes())?;
    Ok(registration)
}

/// The public peer key of a keystore's secret.
pub(crate) fn public_peer_key(secret: &B256) -> Result<B256> {
    peer_public_key(secret).context("the peer keystore holds no ed25519 key: was it exchanged with another?")
}

pub(crate) fn run(arguments: Arguments) -> Result<()> {
    let directory = &arguments.dir;
    let config_path = directory.join("sequencer.toml");
    let keys_path = directory.join("keys");
    for path in [&config_path, &keys_path] {
        ensure!(!path.exists(), "{} exists already: nothing is overwritten; choose another --dir", path.display());
    }
    let (domain, chain) = match (&arguments.chain, arguments.l1_chain_id, arguments.registry) {
        (Some(path), _, _) => {
            let chain = read_chain(path)?;
            ((chain.l1_chain_id, chain.addresses.registry), std::path::absolute(path)?)
        }
        (None, Some(l1_chain_id), Some(registry)) => ((l1_chain_id, registry), PathBuf::from("chain.json")),
        _ => bail!(
            "which chain? Give --chain FILE, or, for a founding seat, --l1-chain-id and --registry as `surety deploy --predict` says"
        ),
    };
    let password = Password::choose(arguments.password_file.as_deref())?;
    keys::make_private(directory)?;
    keys::make_private(&keys_path)?;
    let owner = match arguments.owner {
        Some(owner) => owner,
        None => {
            let (key, secret) = keys::random_key();
            keys::store(&keys_path.join("owner.json"), &secret, &password)?;
            vote_address(&key)
        }
    };
    ensure!(!owner.is_zero(), "--owner is the zero address, which is nobody's: name an account of yours");
    let (poster, poster_secret) = keys::random_key();
    keys::store(&keys_path.join("poster.json"), &poster_secret, &password)?;
    let registration = make_keys(&keys_path, &password, domain, owner)?;
    let password_file = arguments.password_file.as_deref().map(std::path::absolute).transpose()?.unwrap_or_default();
    let config = Config {
        chain,
        data_dir: "data".into(),
        seat: SeatSection { owner, beneficiary: arguments.beneficiary.unwrap_or(owner) },
        keys: KeysSection { password_file, ..KeysSection::default() },
        l1: L1Section::new(arguments.l1, arguments.l1_beacon),
        p2p: P2pSection {
            listen: arguments.listen,
            allow_private_addresses: arguments.allow_private_addresses,
            ..P2pSection::default()
        },
        rpc: RpcSection { listen: arguments.rpc_listen, ..RpcSection::default() },
        archive: ArchiveSection::default(),
        poster: PosterSection::default(),
        metrics: MetricsSection { listen: arguments.metrics_listen, ..MetricsSection::default() },
        log: LogSection::default(),
    };
    let text = config.to_commented_toml();
    // What is written is what will be accepted.
    Config::parse(&text)?;
    keys::write_new(&config_path, 0o644, text.as_bytes())?;
    keys::write_new(&directory.join("peers.toml"), 0o644, PEERS_FILE.as_bytes())?;
    print_next(&arguments.chain, directory, &registration, vote_address(&poster), arguments.owner.is_none());
    Ok(())
}

fn print_next(
    chain: &Option<PathBuf>,
    directory: &Path,
    registration: &Registration,
    poster: Address,
    new_owner: bool,
) {
    let config = directory.join("sequencer.toml");
    let config = config.display();
    println!("owner      {}{}", registration.owner, if new_owner { "   (new: keys/owner.json)" } else { "" });
    println!("vote key   {}", registration.vote_key);
    println!("peer key   {}", registration.peer_key);
    println!("poster     {poster}   (needs ether on L1 for posting; L2 repays it)");
    println!("\nNext:");
    match chain {
        Some(_) => {
            println!("  1. with one bond and gas on the owner's account: surety seat register --config {config}")
        }
        None => println!(
            "  1. hand {} to the deployer, and get the chain file for {}",
            directory.join("keys/registration.json").display(),
            directory.join("chain.json").display()
        ),
    }
    println!(
        "  2. tell the other operators peer key and address, and put theirs into {}",
        directory.join("peers.toml").display()
    );
    println!("  3. surety sequencer --config {config}");
    println!("  4. surety seat status --config {config}   says at any time what comes next");
}
