//! What is measured: `surety_poster_*`.

use super::rehearsal::Rehearsed;
use metrics::counter;

pub(super) fn rehearsed(rehearsed: &Rehearsed) {
    counter!("surety_poster_rehearsed_blocks_total").increment(rehearsed.blocks as u64);
    counter!("surety_poster_rehearsed_steps_total").increment(rehearsed.steps);
    counter!("surety_poster_unrehearsed_blocks_total").increment((rehearsed.of - rehearsed.blocks) as u64);
}

pub(super) fn differs() {
    counter!("surety_poster_rehearsal_differences_total").increment(1);
}
