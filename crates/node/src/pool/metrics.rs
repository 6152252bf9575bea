//! Metrics of the pool, in base units.
//!
//! | name | kind | unit | what |
//! |---|---|---|---|
//! | `surety_node_pool_transactions` | gauge | transactions | how many wait |
//! | `surety_node_pool_bytes` | gauge | bytes | their encodings |
//! | `surety_node_pool_returned` | gauge | transactions | came back when the head went down, and wait for their senders' ether |
//! | `surety_node_pool_added_total` | counter | transactions | taken |
//! | `surety_node_pool_refused_total` | counter | transactions | refused |

use metrics::{counter, gauge};

pub(super) fn size(transactions: usize, bytes: usize, returned: usize) {
    gauge!("surety_node_pool_returned").set(returned as f64);
    gauge!("surety_node_pool_transactions").set(transactions as f64);
    gauge!("surety_node_pool_bytes").set(bytes as f64);
}

pub(super) fn added() {
    counter!("surety_node_pool_added_total").increment(1);
}

pub(super) fn refused() {
    counter!("surety_node_pool_refused_total").increment(1);
}
