//! Metrics of what comes from feeds, in base units.
//!
//! | name | kind | unit | what |
//! |---|---|---|---|
//! | `surety_node_soft_blocks_total` | counter | blocks | blocks from feeds that were executed and taken |
//! | `surety_node_soft_bad_feeds_total` | counter | feeds | feeds that sent what does not check |
//! | `surety_node_soft_conflicts_total` | counter | pairs | certificates for different blocks of one height |

use metrics::counter;

pub(super) fn imported(blocks: usize) {
    counter!("surety_node_soft_blocks_total").increment(blocks as u64);
}

pub(super) fn bad_feed() {
    counter!("surety_node_soft_bad_feeds_total").increment(1);
}

pub(super) fn conflict() {
    counter!("surety_node_soft_conflicts_total").increment(1);
}
