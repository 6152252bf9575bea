//! What tests of whole networks wait with.

use std::time::{Duration, Instant};

/// How long anything may take on a machine with other work.
pub(crate) const PATIENCE: Duration = Duration::from_secs(240);

pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
