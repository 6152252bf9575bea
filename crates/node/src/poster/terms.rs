//! In which term statements are signed, as the stored chain shows it.

use super::TermNow;
use crate::{builder::decode_aux, consensus::TermSchedule};
use surety_state::{Result, Store};
use surety_types::{RollupId, Seconds, Term};

/// The newest term of a chain, and the one before it, each with its genesis. The newest is the one that the next block
/// belongs to (protocol §15.1). Terms of stored blocks never fall with height, so boundaries are found by bisection.
pub(super) fn newest(store: &Store, schedule: &TermSchedule, rollup: RollupId) -> Result<Vec<TermNow>> {
    let term_at = |height: u64| -> Result<Term> {
        let block = store.block_by_number(height)?;
        Ok(block.and_then(|block| decode_aux(rollup, &block.aux)).map_or(Term::ZERO, |context| context.term))
    };
    let mut found = Vec::new();
    let head = store.committed();
    let mut top = head.number;
    let current = term_at(top)?;
    let timestamp = store.header(head.hash)?.map_or(0, |header| header.timestamp);
    let next = schedule.term_after(current, head.number, Seconds::new(timestamp));
    if head.number == 0 {
        return Ok(vec![TermNow { term: Term::new(1), genesis: head.hash }]);
    }
    // After a self-sequenced block, which has no term, the newest one begins.
    if next > current {
        found.push(TermNow { term: next, genesis: head.hash });
    }
    while top > 0 && found.len() < 2 {
        let term = term_at(top)?;
        if term == Term::ZERO {
            break;
        }
        // The first height of this term lies in (low, high].
        let (mut low, mut high) = (0, top);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if term_at(middle)? < term { low = middle } else { high = middle }
        }
        top = high - 1;
        found.push(TermNow { term, genesis: store.canonical_hash(top)?.unwrap_or_default() });
    }
    Ok(found)
}
