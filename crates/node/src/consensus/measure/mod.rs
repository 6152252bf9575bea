//! How fast a committee is on one machine.
//!
//! | what | runs |
//! |---|---|
//! | [`mod@alone`] | consensus with our votes, checks, signing journal and engine settings, over blocks that are nothing but a hash |
//! | [`mod@seats`] | whole seats: stores, execution, evidence pool, feed, with or without transfers |
//!
//! All members run in this process and talk over TCP on loopback. Latency is the time from a block's being proposed to its
//! being final at a member that is not its leader; for seats, from the block's own time, which is when its leader stops
//! filling it, to its being durable in the other's store. What a run costs is in [`Figures`], in units of one block.

mod alone;
mod seats;

pub use alone::alone;
pub use seats::seats;

use super::{Committee, Member, Quotas, peer_public_key, scheme};
use crate::signer::{Guard, Journal, JournalError, LocalSigner, Signer as _};
use alloy_primitives::{Address, B256, keccak256};
use serde::Serialize;
use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use surety_types::{RollupId, Seconds, Term, signing::Domain};

/// The rollup.
const ROLLUP: RollupId = RollupId::new(75_873);
/// How long a committee may take to its first blocks.
const STARTED_WITHIN: Duration = Duration::from_secs(120);
/// Blocks before the measurement begins.
const WARM_UP: u64 = 10;
/// A measurement has at least as many, however long they take.
const LEAST: u64 = 5;

/// What to run.
#[derive(Debug, Clone)]
pub struct Run {
    /// Members.
    pub seats: u64,
    /// How long to measure; longer if there are hardly any blocks.
    pub time: Duration,
    /// Where everything is written; made if it is not there. The file system decides how long a sync takes.
    pub directory: PathBuf,
    /// The least time from block to block. One millisecond for as fast as it goes; [`alone()`] waits for none at zero.
    pub block_time: Duration,
    /// Transfers a second, offered to all seats in turn. [`alone()`] has none.
    pub transfers: u64,
}

/// What came of a run. "Per block" is over all members together.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Final blocks.
    pub blocks: u64,
    /// Final blocks a second.
    pub blocks_per_second: f64,
    /// Half of all blocks were final at members that do not lead after this long, in milliseconds.
    pub median_ms: f64,
    /// 99 in 100 were.
    pub p99_ms: f64,
    /// Transfers in final blocks, a second.
    pub transfers_per_second: f64,
    /// Messages sent, per block, and how many of them on each channel, in the order in which channels are opened.
    pub messages_per_block: f64,
    /// The same by channel.
    pub messages_by_channel: Vec<f64>,
    /// Bytes sent over TCP, with what encryption and framing add, per block.
    pub bytes_per_block: f64,
    /// Signatures recovered by the votes' scheme, per block.
    pub checks_per_block: f64,
    /// Signatures that the scheme knew to be right, per block.
    pub remembered_per_block: f64,
    /// Syncs of signing journals, per block.
    pub journal_syncs_per_block: f64,
    /// Syncs of the consensus library's storage, per block.
    pub library_syncs_per_block: f64,
    /// Cores that this process kept busy; nothing where the system does not say.
    pub cores: Option<f64>,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// A committee of this size cannot be.
    #[error("a committee has 1 to {} members", super::MAX_MEMBERS)]
    Seats,
    /// The directory, a port or a thread.
    #[error("{0}: {1}")]
    System(&'static str, #[source] std::io::Error),
    /// A signing journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A seat or its parts.
    #[error("a seat did not start: {0}")]
    Seat(Box<dyn std::error::Error + Send + Sync>),
    /// No blocks.
    #[error("hardly any blocks within {} s: the log (--log info) says what the seats wait for", STARTED_WITHIN.as_secs())]
    NotStarted,
}

/// How many secp256k1 signatures one core recovers in a second.
pub fn raw_checks_per_second(time: Duration) -> f64 {
    let Ok(key) = vote_key(0) else { return f64::NAN };
    let digests: Vec<B256> = (0..64u64).map(|n| keccak256(n.to_be_bytes())).collect();
    let signed: Vec<_> = digests.iter().filter_map(|digest| Some((digest, key.sign(digest).ok()?))).collect();
    let (start, mut done) = (Instant::now(), 0u64);
    while start.elapsed() < time {
        for (digest, signature) in &signed {
            done += u64::from(signature.recover(digest) == Some(key.address()));
        }
    }
    done as f64 / start.elapsed().as_secs_f64()
}

/// How long it takes to append what a vote adds to a signing journal and to sync it, in milliseconds: median and p99.
///
/// # Errors
/// The disk's.
pub fn raw_sync(directory: &Path, time: Duration) -> Result<(f64, f64), MeasureError> {
    let io = |error| MeasureError::System("measure a sync", error);
    std::fs::create_dir_all(directory).map_err(io)?;
    let path = directory.join("sync");
    let mut file: File = OpenOptions::new().create(true).truncate(true).write(true).open(&path).map_err(io)?;
    let (start, mut times) = (Instant::now(), Vec::new());
    while start.elapsed() < time || times.is_empty() {
        let one = Instant::now();
        file.write_all(&[7; 130]).and_then(|()| file.sync_data()).map_err(io)?;
        times.push(one.elapsed().as_secs_f64() * 1e3);
    }
    std::fs::remove_file(&path).map_err(io)?;
    Ok((percentile(&mut times, 0.5), percentile(&mut times, 0.99)))
}

/// The value below which a share of the values lies.
fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (values.len().saturating_sub(1) as f64 * share).round() as usize;
    values.get(place).copied().unwrap_or(f64::NAN)
}

fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn secret(what: &str, seat: u64) -> B256 {
    keccak256(format!("surety bench {what} key {seat}"))
}

fn vote_key(seat: u64) -> Result<LocalSigner, MeasureError> {
    LocalSigner::from_bytes(&secret("vote", seat)).ok_or(MeasureError::Seats)
}

/// Messages per second that each peer may send. The library reserves memory for as many, for each pair of members, and all
/// members are in this process: so the more there are, the fewer views they may have.
fn quotas(seats: u64) -> Quotas {
    Quotas::for_views_per_second(u32::try_from(1_024 / seats.max(1)).unwrap_or(8).max(16))
}

fn domain() -> Domain {
    Domain::new(1_337, Address::repeat_byte(0x52))
}

/// One member's keys and port.
struct Place {
    seat: u64,
    vote: Address,
    peer: B256,
    peer_public: B256,
    listen: SocketAddr,
}

/// The members, with ports that are free now.
fn places(seats: u64) -> Result<Vec<Place>, MeasureError> {
    if seats == 0 || seats > super::MAX_MEMBERS as u64 {
        return Err(MeasureError::Seats);
    }
    let io = |error| MeasureError::System("find a free port", error);
    // Held all at once, so that the system gives different ports.
    let mut listeners = Vec::new();
    let mut places = Vec::new();
    for seat in 0..seats {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(io)?;
        let peer = secret("peer", seat);
        places.push(Place {
            seat,
            vote: vote_key(seat)?.address(),
            peer_public: peer_public_key(&peer).ok_or(MeasureError::Seats)?,
            peer,
            listen: listener.local_addr().map_err(io)?,
        });
        listeners.push(listener);
    }
    Ok(places)
}

fn committee(places: &[Place], start: Seconds) -> Result<Committee, MeasureError> {
    let member = |place: &Place| Member { seat: place.seat, vote: place.vote, peer: place.peer_public };
    Committee::new(Term::new(1), start, places.iter().map(member).collect()).map_err(|e| MeasureError::Seat(e.into()))
}

fn guard(directory: &Path, seat: u64) -> Result<Guard, MeasureError> {
    let vote = vote_key(seat)?;
    std::fs::create_dir_all(directory).map_err(|error| MeasureError::System("make a seat's directory", error))?;
    let journal = Journal::open(&directory.join("journal"), &domain(), vote.address())?;
    Ok(Guard::new(vote, journal, domain())?)
}

/// What is counted over all members, at one moment.
#[derive(Debug, Clone, Default)]
struct Counts {
    messages: Vec<u64>,
    bytes: u64,
    recovered: u64,
    remembered: u64,
    journal_syncs: u64,
    library_syncs: u64,
    cpu: Option<f64>,
}

impl Counts {
    /// `texts`: what the library counts, of each of its runtimes.
    fn now(texts: &[String], guards: &[Guard]) -> Self {
        let (recovered, remembered) = scheme::checks();
        let mut counts = Self {
            recovered,
            remembered,
            journal_syncs: guards.iter().map(|guard| guard.journal().syncs()).sum(),
            cpu: cpu_seconds(),
            ..Self::default()
        };
        for (name, labels, value) in texts.iter().flat_map(|text| text.lines()).filter_map(sample) {
            if name == "runtime_outbound_bandwidth_total" {
                counts.bytes += value;
            } else if name == "runtime_storage_syncs_total" {
                counts.library_syncs += value;
            } else if name.ends_with("_messages_sent_total")
                && let Some(channel) = channel(labels)
            {
                if counts.messages.len() <= channel {
                    counts.messages.resize(channel + 1, 0);
                }
                if let Some(count) = counts.messages.get_mut(channel) {
                    *count += value;
                }
            }
        }
        counts
    }

    /// What was counted since, in units of one of `blocks`.
    fn figures(&self, end: &Self, blocks: u64, time: Duration, mut latencies: Vec<f64>) -> Figures {
        let per_block = |from: u64, to: u64| to.saturating_sub(from) as f64 / blocks.max(1) as f64;
        let before = self.messages.iter().copied().chain(std::iter::repeat(0));
        let by_channel: Vec<f64> = before.zip(&end.messages).map(|(from, to)| per_block(from, *to)).collect();
        let seconds = time.as_secs_f64();
        Figures {
            blocks,
            blocks_per_second: blocks as f64 / seconds,
            median_ms: percentile(&mut latencies, 0.5),
            p99_ms: percentile(&mut latencies, 0.99),
            transfers_per_second: 0.0,
            messages_per_block: by_channel.iter().sum(),
            messages_by_channel: by_channel,
            bytes_per_block: per_block(self.bytes, end.bytes),
            checks_per_block: per_block(self.recovered, end.recovered),
            remembered_per_block: per_block(self.remembered, end.remembered),
            journal_syncs_per_block: per_block(self.journal_syncs, end.journal_syncs),
            library_syncs_per_block: per_block(self.library_syncs, end.library_syncs),
            cores: self.cpu.zip(end.cpu).map(|(from, to)| (to - from) / seconds),
        }
    }
}

/// One line of Prometheus' text form: name, labels, value.
fn sample(line: &str) -> Option<(&str, &str, u64)> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    (!name.starts_with('#')).then_some((name, labels, value.parse().ok()?))
}

/// The number of the channel among a message counter's labels.
fn channel(labels: &str) -> Option<usize> {
    labels.split_once("message=\"data_")?.1.split_once('"')?.0.parse().ok()
}

/// Processor time that this process has used, in seconds.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name and may hold anything; times are fields 14 and 15, in hundredths.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(directory: &Path) -> Run {
        Run {
            seats: 4,
            time: Duration::from_secs(2),
            directory: directory.to_owned(),
            block_time: Duration::from_millis(50),
            transfers: 40,
        }
    }

    fn counted(figures: &Figures) {
        assert!(figures.blocks > 0 && figures.median_ms > 0.0 && figures.median_ms <= figures.p99_ms, "{figures:?}");
        // Three members hear of the leader and of each other.
        assert!(figures.messages_per_block >= 3.0 && figures.bytes_per_block > 64.0, "{figures:?}");
        assert!(figures.checks_per_block >= 1.0 && figures.remembered_per_block >= 1.0, "{figures:?}");
        assert!(figures.journal_syncs_per_block >= 1.0 && figures.library_syncs_per_block > 0.0, "{figures:?}");
    }

    #[test]
    fn consensus_alone_makes_blocks_and_counts_what_they_cost() {
        let directory = tempfile::tempdir().unwrap();
        counted(&alone(&run(directory.path())).unwrap());
        assert!(matches!(alone(&Run { seats: 65, ..run(directory.path()) }), Err(MeasureError::Seats)));
    }

    #[test]
    fn seats_execute_the_transfers_that_they_are_offered() {
        let directory = tempfile::tempdir().unwrap();
        let figures = seats(&run(directory.path())).unwrap();
        counted(&figures);
        assert!(figures.transfers_per_second > 0.0, "{figures:?}");
    }

    #[test]
    fn the_librarys_counters_are_read() {
        let text = "# HELP x y\nruntime_outbound_bandwidth_total 70\nruntime_storage_syncs_total 3\n\
                    a_messages_sent_total{peer=\"aa\",message=\"data_2\"} 4\na_messages_sent_total{peer=\"bb\",message=\"data_2\"} 5\n\
                    a_messages_sent_total{peer=\"aa\",message=\"ping\"} 9\n";
        let counts = Counts::now(&[text.to_owned(), text.to_owned()], &[]);
        assert_eq!((counts.bytes, counts.library_syncs, counts.messages.as_slice()), (140, 6, &[0, 0, 18][..]));
        let figures = Counts::default().figures(&counts, 2, Duration::from_secs(1), vec![3.0, 1.0, 2.0]);
        assert_eq!((figures.bytes_per_block, figures.messages_per_block, figures.median_ms), (70.0, 9.0, 2.0));
    }
}
