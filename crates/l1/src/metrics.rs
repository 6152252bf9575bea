//! Metrics of this crate, in one place.
//!
//! | name | kind | says |
//! |---|---|---|
//! | `surety_l1_head_height` | gauge | number of L1's latest block |
//! | `surety_l1_settled_height` | gauge | number of the newest settled block (protocol §4) |
//! | `surety_l1_finalized_height` | gauge | number of L1's finalised block |
//! | `surety_l1_reorgs_total` | counter | reorgs seen |
//! | `surety_l1_reorg_depth_blocks` | histogram | how many blocks each took back |
//! | `surety_l1_rpc_errors_total` | counter | failed requests, by `method` |
//! | `surety_l1_endpoint_state` | gauge | of several L1 endpoints, by `endpoint`: 0 good, 1 failing, 2 stuck or behind, 3 on another branch, 4 caught lying |
//! | `surety_l1_endpoint_disputes_total` | counter | contradictions of L1 endpoints in which none could be shown to be right |
//! | `surety_l1_blobs_fetched_total` | counter | blobs taken, by `source` (archive, beacon) |
//! | `surety_l1_blobs_refused_total` | counter | blobs that did not fit their versioned hash |
//! | `surety_l1_archive_requests_total` | counter | requests to the blob archive that is served, by `outcome` (served, absent, busy, refused) |
//! | `surety_l1_transactions_sent_total` | counter | transactions signed and sent for the first time |
//! | `surety_l1_transactions_bumped_total` | counter | replacements with higher fees |
//! | `surety_l1_fees_paid_wei` | counter | fees of included transactions |

pub(crate) fn heads(latest: u64, settled: u64, finalized: u64) {
    metrics::gauge!("surety_l1_head_height").set(latest as f64);
    metrics::gauge!("surety_l1_settled_height").set(settled as f64);
    metrics::gauge!("surety_l1_finalized_height").set(finalized as f64);
}

pub(crate) fn reorg(depth: u64) {
    metrics::counter!("surety_l1_reorgs_total").increment(1);
    metrics::histogram!("surety_l1_reorg_depth_blocks").record(depth as f64);
}

pub(crate) fn rpc_error(method: &'static str) {
    metrics::counter!("surety_l1_rpc_errors_total", "method" => method).increment(1);
}

pub(crate) fn endpoint_state(endpoint: &str, state: u8) {
    metrics::gauge!("surety_l1_endpoint_state", "endpoint" => endpoint.to_owned()).set(f64::from(state));
}

pub(crate) fn endpoint_dispute() {
    metrics::counter!("surety_l1_endpoint_disputes_total").increment(1);
}

pub(crate) fn blobs_fetched(source: &'static str, count: usize) {
    metrics::counter!("surety_l1_blobs_fetched_total", "source" => source).increment(count as u64);
}

pub(crate) fn blobs_refused(count: usize) {
    metrics::counter!("surety_l1_blobs_refused_total").increment(count as u64);
}

pub(crate) fn archive_request(outcome: &'static str) {
    metrics::counter!("surety_l1_archive_requests_total", "outcome" => outcome).increment(1);
}

pub(crate) fn sent() {
    metrics::counter!("surety_l1_transactions_sent_total").increment(1);
}

pub(crate) fn bumped() {
    metrics::counter!("surety_l1_transactions_bumped_total").increment(1);
}

pub(crate) fn fees_paid(wei: u128) {
    metrics::counter!("surety_l1_fees_paid_wei").increment(u64::try_from(wei).unwrap_or(u64::MAX));
}
