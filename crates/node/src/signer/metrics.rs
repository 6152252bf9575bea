//! Metrics of the signing journal, in base units.
//!
//! | name | kind | unit | what |
//! |---|---|---|---|
//! | `surety_node_journal_sync_seconds` | histogram | seconds | one sync of the journal, whatever the number of records in it |
//! | `surety_node_journal_refused_total` | counter | statements | statements not signed, since they contradict what was |
//! | `surety_node_journal_unknown_total` | counter | statements | votes of the own key that were heard and are not in the journal: a second copy, or an old disk |

use metrics::{counter, histogram};
use std::time::Duration;

pub(super) fn synced(took: Duration) {
    histogram!("surety_node_journal_sync_seconds").record(took.as_secs_f64());
}

pub(super) fn refused() {
    counter!("surety_node_journal_refused_total").increment(1);
}

pub(super) fn unknown() {
    counter!("surety_node_journal_unknown_total").increment(1);
}
