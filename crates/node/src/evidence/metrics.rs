//! Metrics of the evidence pool, in base units. Several seats in one process share them.
//!
//! | name | kind | unit | what |
//! |---|---|---|---|
//! | `surety_node_evidence_statements_total` | counter | statements | statements taken up |
//! | `surety_node_evidence_ignored_total` | counter | statements | passed on by peers and not taken up: known, invalid or out of bounds |
//! | `surety_node_evidence_dropped_total` | counter | statements | received faster than the pool takes them |
//! | `surety_node_evidence_found_total` | counter | pairs | contradicting pairs found |
//! | `surety_node_evidence_failures_total` | counter | – | failures of the pool's disk |
//! | `surety_node_evidence_bytes` | gauge | bytes | what the pool holds on disk |
//! | `surety_node_evidence_open_files` | gauge | files | files of the pool in memory |

use metrics::{counter, gauge};

pub(super) fn statement() {
    counter!("surety_node_evidence_statements_total").increment(1);
}

pub(super) fn ignored() {
    counter!("surety_node_evidence_ignored_total").increment(1);
}

pub(crate) fn dropped() {
    counter!("surety_node_evidence_dropped_total").increment(1);
}

pub(super) fn found() {
    counter!("surety_node_evidence_found_total").increment(1);
}

pub(super) fn failed() {
    counter!("surety_node_evidence_failures_total").increment(1);
}

pub(super) fn size(bytes: u64, open: usize) {
    gauge!("surety_node_evidence_bytes").set(bytes as f64);
    gauge!("surety_node_evidence_open_files").set(open as f64);
}
