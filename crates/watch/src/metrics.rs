//! Metrics of this crate, in one place; `docs/metrics.md` explains them.

use crate::faults::Fault;

pub(crate) fn statements(source: &str, new: usize, foreign: usize) {
    metrics::counter!("surety_watch_statements_total", "source" => source.to_owned()).increment(new as u64);
    metrics::counter!("surety_watch_foreign_statements_total", "source" => source.to_owned()).increment(foreign as u64);
}

pub(crate) fn malformed(source: &str) {
    metrics::counter!("surety_watch_malformed_messages_total", "source" => source.to_owned()).increment(1);
}

pub(crate) fn feed_connected(source: &str, connected: bool) {
    metrics::gauge!("surety_watch_feed_connected", "source" => source.to_owned()).set(f64::from(u8::from(connected)));
}

pub(crate) fn kept(slots: usize) {
    metrics::gauge!("surety_watch_kept_statements").set(slots as f64);
}

pub(crate) fn pair_found() {
    metrics::counter!("surety_watch_pairs_total").increment(1);
}

pub(crate) fn case_closed(fault: Fault, outcome: &'static str) {
    metrics::counter!("surety_watch_cases_total", "fault" => fault.name(), "outcome" => outcome).increment(1);
}

pub(crate) fn open_cases(fault: Fault, open: usize) {
    metrics::gauge!("surety_watch_open_cases", "fault" => fault.name()).set(open as f64);
}

pub(crate) fn assessed(verdict: &'static str) {
    metrics::counter!("surety_watch_assessed_seats_total", "verdict" => verdict).increment(1);
}

pub(crate) fn l1_height(height: u64) {
    metrics::gauge!("surety_watch_l1_height").set(height as f64);
}
