//! What a process holds: resident memory as the kernel counts it, and what its data directory takes on disk, by part.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, os::unix::fs::MetadataExt as _, path::Path};

/// Bytes of a block in `st_blocks`, whatever the file system's own are.
const STAT_BLOCK: u64 = 512;
/// Directories within the data directory that are entered; nothing of ours is deeper.
const MAX_DEPTH: usize = 8;

/// Bytes by name, at one moment.
pub(super) type Parts = BTreeMap<String, u64>;

/// Resident memory of a process: all of it, its own (`anonymous`: heap and stacks), and pages of mapped files (`file`: the
/// store's database, which the system takes back when it needs them).
///
/// # Errors
/// The process is gone, or the system has no `/proc` (it is Linux's).
pub(super) fn memory(pid: u32) -> Result<Parts> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("read {path}: has the process ended?"))?;
    let read = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim_start_matches(':').split_whitespace().next()?.parse::<u64>().ok()
    };
    let names = [("resident", "VmRSS"), ("anonymous", "RssAnon"), ("file", "RssFile")];
    names
        .into_iter()
        .map(|(name, key)| {
            let kib = read(key).with_context(|| format!("{path} has no {key}"))?;
            Ok((name.to_owned(), kib.saturating_mul(1024)))
        })
        .collect()
}

/// What a directory takes on disk (blocks, not lengths: a database's file may be sparse), by its first level, in all as
/// `total`. Files that go while they are counted are not counted.
pub(super) fn disk(directory: &Path) -> Parts {
    let mut parts = Parts::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let bytes = size(&entry.path(), MAX_DEPTH);
        // The journals of retired keys and files beside the parts are small: by their own name each.
        *parts.entry(name).or_default() += bytes;
    }
    let total = parts.values().sum();
    parts.insert("total".into(), total);
    parts
}

fn size(path: &Path, depth: usize) -> u64 {
    let Ok(data) = fs::symlink_metadata(path) else { return 0 };
    let own = data.blocks().saturating_mul(STAT_BLOCK);
    if !data.is_dir() || depth == 0 {
        return own;
    }
    let within = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| size(&entry.path(), depth - 1));
    own.saturating_add(within.sum())
}

/// How one figure went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Trend {
    /// First and last value, of the whole run.
    pub(super) first: u64,
    pub(super) last: u64,
    /// The most.
    pub(super) peak: u64,
    /// Least-squares slope after the warm-up, in bytes an hour; `None` with fewer than three values.
    pub(super) per_hour: Option<f64>,
}

impl Trend {
    /// Of values at seconds since the start.
    pub(super) fn of(values: &[(f64, u64)], warm_up: f64) -> Self {
        let warm: Vec<_> = values.iter().filter(|(at, _)| *at >= warm_up).map(|(at, v)| (*at, *v as f64)).collect();
        let n = warm.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| warm.iter().map(of).sum::<f64>() / n;
        let (at, value) = (mean(|v| v.0), mean(|v| v.1));
        let square: f64 = warm.iter().map(|v| (v.0 - at).powi(2)).sum();
        let product: f64 = warm.iter().map(|v| (v.0 - at) * (v.1 - value)).sum();
        Self {
            first: values.first().map_or(0, |v| v.1),
            last: values.last().map_or(0, |v| v.1),
            peak: values.iter().map(|v| v.1).max().unwrap_or(0),
            per_hour: (warm.len() >= 3 && square > 0.0).then(|| product / square * 3_600.0),
        }
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "first": self.first, "last": self.last, "peak": self.peak, "per_hour": self.per_hour.map(|slope| slope.round()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_is_that_of_the_time_after_the_warm_up() {
        let values: Vec<_> = (0..10)
            .map(|i| (f64::from(i) * 30.0, if i < 5 { 1_000 * i } else { 5_000 + i }))
            .map(|(at, v)| (at, u64::try_from(v).unwrap()))
            .collect();
        let trend = Trend::of(&values, 150.0);
        assert_eq!((trend.first, trend.last, trend.peak), (0, 5_009, 5_009));
        assert!((trend.per_hour.unwrap() - 120.0).abs() < 1e-6, "one byte every 30 s: {trend:?}");
        assert_eq!(Trend::of(&values[..2], 0.0).per_hour, None);
    }

    #[test]
    fn a_directory_is_counted_by_its_first_level() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(directory.path().join("state/deep")).unwrap();
        std::fs::write(directory.path().join("state/deep/data"), vec![1; 100_000]).unwrap();
        std::fs::write(directory.path().join("journal"), vec![1; 10_000]).unwrap();
        let parts = disk(directory.path());
        assert!(parts["state"] >= 100_000 && parts["journal"] >= 10_000, "{parts:?}");
        assert_eq!(parts["total"], parts["state"] + parts["journal"]);
    }

    #[test]
    fn this_process_has_memory() {
        let parts = memory(std::process::id()).unwrap();
        assert!(parts["resident"] > 0 && parts["anonymous"] <= parts["resident"], "{parts:?}");
    }
}
