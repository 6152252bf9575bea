//! What is measured: `surety_follower_*`.

use metrics::{counter, gauge};

pub(super) fn derived(blocks: u64, executed: u64, height: u64, batch: u64) {
    counter!("surety_follower_blocks_total").increment(blocks);
    counter!("surety_follower_executed_blocks_total").increment(executed);
    gauge!("surety_follower_safe_height").set(height as f64);
    gauge!("surety_follower_batch").set(batch as f64);
}

pub(super) fn mismatch() {
    counter!("surety_follower_mismatches_total").increment(1);
}

pub(super) fn refused() {
    counter!("surety_follower_refused_batches_total").increment(1);
}

pub(super) fn removed(blocks: usize) {
    counter!("surety_follower_removed_blocks_total").increment(blocks as u64);
}
