//! What is measured: base units, no rates.
//!
//! | metric | kind | labels | meaning |
//! |---|---|---|---|
//! | `surety_rpc_requests_total` | counter | `chain`, `method` | requests answered, well or badly |
//! | `surety_rpc_errors_total` | counter | `chain`, `method`, `code` | requests answered with an error |
//! | `surety_rpc_request_seconds` | histogram | `chain`, `method` | time from the parsed request to the answer |
//! | `surety_rpc_subscriptions` | gauge | `chain`, `kind` | subscriptions that are open |
//! | `surety_rpc_filters` | gauge | `chain` | filters that are installed |

use crate::error::RpcError;
use std::time::Instant;

/// Records one finished request.
pub(crate) fn request<T>(chain: &'static str, method: &'static str, started: Instant, answer: &Result<T, RpcError>) {
    metrics::counter!("surety_rpc_requests_total", "chain" => chain, "method" => method).increment(1);
    metrics::histogram!("surety_rpc_request_seconds", "chain" => chain, "method" => method)
        .record(started.elapsed().as_secs_f64());
    if let Err(error) = answer {
        metrics::counter!("surety_rpc_errors_total", "chain" => chain, "method" => method, "code" => error.code().to_string())
            .increment(1);
    }
}

/// Counts an open subscription until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenSubscription {
    chain: &'static str,
    kind: &'static str,
}

impl OpenSubscription {
    /// Counts one more.
    pub(crate) fn new(chain: &'static str, kind: &'static str) -> Self {
        metrics::gauge!("surety_rpc_subscriptions", "chain" => chain, "kind" => kind).increment(1.0);
        Self { chain, kind }
    }
}

impl Drop for OpenSubscription {
    fn drop(&mut self) {
        metrics::gauge!("surety_rpc_subscriptions", "chain" => self.chain, "kind" => self.kind).decrement(1.0);
    }
}

/// Notes how many filters there are.
pub(crate) fn filters(chain: &'static str, count: usize) {
    metrics::gauge!("surety_rpc_filters", "chain" => chain).set(count as f64);
}
