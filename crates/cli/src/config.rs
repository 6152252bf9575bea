//! A seat's configuration: one TOML file that `surety init` writes out in full, each setting with its comment.
//!
//! Unknown keys are refused, relative paths count from the file's folder, and a bad value is answered with its key, itself
//! and what to do. Nothing secret stands here.

mod template;
#[cfg(test)]
mod tests;

pub(crate) use template::PEERS_FILE;

use alloy_primitives::{Address, B256, U256, utils::parse_ether};
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    path::{Path, PathBuf},
};
use surety_node::{
    consensus::{MAX_MEMBERS, Quotas},
    sequencer::NetworkLimits,
};

/// Longer files are none of ours.
const MAX_BYTES: u64 = 1 << 20;

/// Everything that a seat's process is told.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) chain: PathBuf,
    #[serde(default = "data_dir")]
    pub(crate) data_dir: PathBuf,
    pub(crate) seat: SeatSection,
    #[serde(default)]
    pub(crate) keys: KeysSection,
    pub(crate) l1: L1Section,
    #[serde(default)]
    pub(crate) p2p: P2pSection,
    #[serde(default)]
    pub(crate) rpc: RpcSection,
    #[serde(default)]
    pub(crate) archive: ArchiveSection,
    #[serde(default)]
    pub(crate) poster: PosterSection,
    #[serde(default)]
    pub(crate) metrics: MetricsSection,
    #[serde(default)]
    pub(crate) log: LogSection,
}

fn data_dir() -> PathBuf {
    "data".into()
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeatSection {
    pub(crate) owner: Address,
    pub(crate) beneficiary: Address,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct KeysSection {
    pub(crate) directory: PathBuf,
    pub(crate) password_file: PathBuf,
}

impl Default for KeysSection {
    fn default() -> Self {
        Self { directory: "keys".into(), password_file: PathBuf::new() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct L1Section {
    pub(crate) rpc: Vec<String>,
    pub(crate) beacon: Vec<String>,
    #[serde(default)]
    pub(crate) poll_milliseconds: u64,
    #[serde(default = "archived_blobs")]
    pub(crate) archived_blobs: usize,
}

impl L1Section {
    /// Endpoints, and defaults for the rest.
    pub(crate) fn new(rpc: Vec<String>, beacon: Vec<String>) -> Self {
        Self { rpc, beacon, poll_milliseconds: 0, archived_blobs: archived_blobs() }
    }
}

const fn archived_blobs() -> usize {
    4_096
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct P2pSection {
    pub(crate) listen: SocketAddr,
    pub(crate) peers_file: PathBuf,
    pub(crate) allow_private_addresses: bool,
    pub(crate) max_peers: usize,
    pub(crate) quotas: QuotasSection,
}

impl Default for P2pSection {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 9700)),
            peers_file: "peers.toml".into(),
            allow_private_addresses: false,
            max_peers: NetworkLimits::default().max_peers,
            quotas: QuotasSection::default(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct QuotasSection {
    pub(crate) votes: NonZeroU32,
    pub(crate) certificates: NonZeroU32,
    pub(crate) resolver: NonZeroU32,
    pub(crate) blocks: NonZeroU32,
    pub(crate) backfill: NonZeroU32,
    pub(crate) transactions: NonZeroU32,
    pub(crate) statements: NonZeroU32,
    pub(crate) evidence: NonZeroU32,
}

impl Default for QuotasSection {
    fn default() -> Self {
        let Quotas { votes, certificates, resolver, blocks, backfill, transactions, statements, evidence } =
            Quotas::default();
        Self { votes, certificates, resolver, blocks, backfill, transactions, statements, evidence }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RpcSection {
    pub(crate) enabled: bool,
    pub(crate) listen: SocketAddr,
    pub(crate) max_connections: u32,
    pub(crate) debug: bool,
}

impl Default for RpcSection {
    fn default() -> Self {
        let surety_rpc::Config { max_connections, debug, .. } = surety_rpc::Config::default();
        Self { enabled: true, listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9545)), max_connections, debug }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ArchiveSection {
    pub(crate) enabled: bool,
    pub(crate) listen: SocketAddr,
}

impl Default for ArchiveSection {
    fn default() -> Self {
        Self { enabled: false, listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9650)) }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PosterSection {
    pub(crate) enabled: bool,
    pub(crate) daily_budget_ether: String,
    pub(crate) max_fee_gwei: u64,
    pub(crate) max_priority_fee_gwei: u64,
    pub(crate) max_blob_fee_gwei: u64,
}

impl Default for PosterSection {
    fn default() -> Self {
        Self {
            enabled: true,
            daily_budget_ether: "1".into(),
            max_fee_gwei: 500,
            max_priority_fee_gwei: 10,
            max_blob_fee_gwei: 500,
        }
    }
}

impl PosterSection {
    /// The budget in wei.
    pub(crate) fn daily_budget(&self) -> Result<U256> {
        parse_ether(&self.daily_budget_ether).map_err(|error| {
            anyhow::anyhow!(
                "poster.daily_budget_ether = {:?}: {error}; write an amount of ether such as \"0.5\"",
                self.daily_budget_ether
            )
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MetricsSection {
    pub(crate) enabled: bool,
    pub(crate) listen: SocketAddr,
}

impl Default for MetricsSection {
    fn default() -> Self {
        Self { enabled: true, listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9600)) }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LogSection {
    pub(crate) filter: String,
    pub(crate) json: bool,
}

impl Default for LogSection {
    fn default() -> Self {
        Self { filter: "info".into(), json: false }
    }
}

impl Config {
    /// Reads and checks a file; its relative paths are made absolute.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let mut text = String::new();
        fs::File::open(path)
            .and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text))
            .with_context(|| format!("read the configuration {}: `surety init` makes one", path.display()))?;
        let mut config = Self::parse(&text).with_context(|| format!("configuration {}", path.display()))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        for path in [&mut config.chain, &mut config.data_dir, &mut config.keys.directory, &mut config.p2p.peers_file] {
            *path = folder.join(&*path);
        }
        if !config.keys.password_file.as_os_str().is_empty() {
            config.keys.password_file = folder.join(&config.keys.password_file);
        }
        Ok(config)
    }

    /// Reads and checks text.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text).map_err(|error| {
            anyhow::anyhow!(
                "{error}compare with a fresh file, which `surety init` writes with every key and its meaning"
            )
        })?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        ensure!(!self.l1.rpc.is_empty(), "l1.rpc = []: name at least one JSON-RPC endpoint of L1");
        ensure!(!self.l1.beacon.is_empty(), "l1.beacon = []: name at least one beacon API endpoint of L1");
        for (key, urls) in [("l1.rpc", &self.l1.rpc), ("l1.beacon", &self.l1.beacon)] {
            if let Some(bad) = urls.iter().find(|url| !(url.starts_with("http://") || url.starts_with("https://"))) {
                bail!("{key}: {bad:?} is no HTTP endpoint: give one like \"http://127.0.0.1:8545\"");
            }
        }
        for (key, address) in [("seat.owner", self.seat.owner), ("seat.beneficiary", self.seat.beneficiary)] {
            ensure!(
                !address.is_zero(),
                "{key} = \"{address}\": the zero address is nobody's; name an account of yours"
            );
        }
        let most = 2 * MAX_MEMBERS;
        ensure!(
            (4..=most).contains(&self.p2p.max_peers),
            "p2p.max_peers = {}: choose 4 to {most}, at least as many as the seats of this committee and the next",
            self.p2p.max_peers
        );
        ensure!(
            self.p2p.listen.port() != 0,
            "p2p.listen = \"{}\": the others must know the port; choose one",
            self.p2p.listen
        );
        self.poster.daily_budget()?;
        if let Err(error) = self.log.filter.parse::<tracing_subscriber::EnvFilter>() {
            bail!(
                "log.filter = {:?}: {error}; write for instance \"info\" or \"info,surety_node=debug\"",
                self.log.filter
            );
        }
        Ok(())
    }

    /// The bounds of the peer-to-peer network.
    pub(crate) const fn network_limits(&self) -> NetworkLimits {
        let QuotasSection { votes, certificates, resolver, blocks, backfill, transactions, statements, evidence } =
            self.p2p.quotas;
        let quotas = Quotas { votes, certificates, resolver, blocks, backfill, transactions, statements, evidence };
        NetworkLimits { quotas, max_peers: self.p2p.max_peers }
    }

    /// The password file, if one is configured.
    pub(crate) fn password_file(&self) -> Option<&Path> {
        Some(self.keys.password_file.as_path()).filter(|path| !path.as_os_str().is_empty())
    }

    /// One of the keystores.
    pub(crate) fn keystore(&self, name: &str) -> PathBuf {
        self.keys.directory.join(name)
    }

    /// Where the keys are to which the seat has rotated, until they vote.
    pub(crate) fn next_keys(&self) -> PathBuf {
        self.keys.directory.join("next")
    }

    /// The registration file of a vote key's keystore: beside it.
    pub(crate) fn registration(&self) -> PathBuf {
        self.keys.directory.join("registration.json")
    }
}

/// Where the other seats listen, by peer key: the content of the peers file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PeersFile {
    #[serde(default)]
    pub(crate) peers: BTreeMap<B256, SocketAddr>,
}

impl PeersFile {
    /// Reads the file; none is an empty one.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error).with_context(|| format!("read the peers file {}", path.display())),
        };
        toml::from_str(&text).map_err(|error| {
            anyhow::anyhow!(
                "peers file {}: {error}write lines like \"0x<peer key>\" = \"192.0.2.1:9700\"",
                path.display()
            )
        })
    }
}
