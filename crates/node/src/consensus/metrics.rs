//! Metrics of consensus, in base units. Several seats in one process share them.
//!
//! | name | kind | unit | what |
//! |---|---|---|---|
//! | `surety_node_final_height` | gauge | blocks | number of the newest final block |
//! | `surety_node_finality_seconds` | histogram | seconds | from a block's own time to its being final and durable here |
//! | `surety_node_term` | gauge | – | the term that runs |
//! | `surety_node_build_seconds` | histogram | seconds | from a leader's first work on a block to its seal |
//! | `surety_node_judge_seconds` | histogram | seconds | execution of another seat's block |
//! | `surety_node_refused_blocks_total` | counter | blocks | proposals and blocks found wrong |
//! | `surety_node_receipts_total` | counter | receipts | receipts signed as a leader |

use metrics::{counter, gauge, histogram};
use surety_types::{Milliseconds, Term};

fn seconds(from: Milliseconds, to: Milliseconds) -> f64 {
    to.since(from) as f64 / 1_000.0
}

pub(super) fn finalized(height: u64, time: Option<Milliseconds>, now: Milliseconds) {
    gauge!("surety_node_final_height").set(height as f64);
    if let Some(time) = time {
        histogram!("surety_node_finality_seconds").record(seconds(time, now));
    }
}

pub(super) fn term(term: Term) {
    gauge!("surety_node_term").set(term.get() as f64);
}

pub(super) fn built(start: Milliseconds, end: Milliseconds) {
    histogram!("surety_node_build_seconds").record(seconds(start, end));
}

pub(super) fn judged(start: Milliseconds, end: Milliseconds) {
    histogram!("surety_node_judge_seconds").record(seconds(start, end));
}

pub(super) fn refused() {
    counter!("surety_node_refused_blocks_total").increment(1);
}

pub(super) fn receipts(count: usize) {
    counter!("surety_node_receipts_total").increment(count as u64);
}
