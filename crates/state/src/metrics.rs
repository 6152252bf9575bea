//! Metrics, in base units. Names begin with `surety_state_`.
//!
//! | name | kind | unit | what |
//! |---|---|---|---|
//! | `surety_state_commit_seconds` | histogram | seconds | one synced commit, whatever the number of blocks in it |
//! | `surety_state_commit_blocks_total` | counter | blocks | blocks committed |
//! | `surety_state_unwound_blocks_total` | counter | blocks | committed blocks taken back |
//! | `surety_state_root_seconds` | histogram | seconds | computation of a state root |
//! | `surety_state_committed_height` | gauge | blocks | number of the committed head |
//! | `surety_state_pending_blocks` | gauge | blocks | blocks in memory, side branches included |
//! | `surety_state_database_bytes` | gauge | bytes | size of the database |

use metrics::{counter, gauge, histogram};
use std::time::Duration;

pub(crate) fn committed(took: Duration, blocks: usize, height: u64, pending: usize, bytes: Option<u64>) {
    histogram!("surety_state_commit_seconds").record(took.as_secs_f64());
    counter!("surety_state_commit_blocks_total").increment(blocks as u64);
    gauge!("surety_state_committed_height").set(height as f64);
    pending_blocks(pending);
    if let Some(bytes) = bytes {
        gauge!("surety_state_database_bytes").set(bytes as f64);
    }
}

pub(crate) fn unwound(blocks: u64, height: u64) {
    counter!("surety_state_unwound_blocks_total").increment(blocks);
    gauge!("surety_state_committed_height").set(height as f64);
    pending_blocks(0);
}

pub(crate) fn pending_blocks(count: usize) {
    gauge!("surety_state_pending_blocks").set(count as f64);
}

pub(crate) fn root_computed(took: Duration) {
    histogram!("surety_state_root_seconds").record(took.as_secs_f64());
}
