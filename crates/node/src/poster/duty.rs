//! Whose turn it is to post.

use crate::consensus::duty;
use std::time::Duration;
use surety_types::L2Height;

/// The rule of turns: a batch that ends at height h belongs to the member at place h modulo the committee; each `step` after the batch was whole,
/// the next member may post it as well, and after a full round everybody may. Whoever is not first also leaves the others three quarters of each
/// turn from when the batch before was on L1: where many batches wait, all of them are old, and everybody would make the commitments and
/// proofs of each, of which L1 takes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Duty {
    /// Members of the committee.
    pub members: usize,
    /// This node's place; `None` for a carrier outside the committee, who comes after all members.
    pub place: Option<usize>,
    /// How long each has.
    pub step: Duration,
}

impl Duty {
    /// Whether this node may post a batch that ends at `last`, has been `whole` for so long, and of which the one before has been on L1
    /// for `next`.
    pub fn is_due(&self, last: L2Height, whole: Duration, next: Duration) -> bool {
        let wait = self.wait(last);
        whole >= wait && next >= wait.saturating_mul(3) / 4
    }

    /// How long after a batch is whole this node waits before it posts it.
    fn wait(&self, last: L2Height) -> Duration {
        let members = self.members.max(1) as u64;
        let rank = match self.place {
            Some(place) if (place as u64) < members => {
                (place as u64).wrapping_add(members).wrapping_sub(duty(last, self.members.max(1)) as u64) % members
            }
            _ => members,
        };
        self.step.saturating_mul(u32::try_from(rank).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_first_in_turn_and_nobody_is_left_out() {
        for members in 1..9 {
            for index in 0..20u64 {
                let waits: Vec<u64> = (0..members)
                    .map(|place| {
                        Duty { members, place: Some(place), step: Duration::from_secs(1) }
                            .wait(L2Height::new(index))
                            .as_secs()
                    })
                    .collect();
                let mut sorted = waits.clone();
                sorted.sort_unstable();
                assert_eq!(sorted, (0..members as u64).collect::<Vec<_>>());
                assert_eq!(waits[index as usize % members], 0);
            }
        }
        let outside = Duty { members: 4, place: None, step: Duration::from_secs(2) };
        assert_eq!(outside.wait(L2Height::new(3)), Duration::from_secs(8));
    }

    #[test]
    fn where_batches_wait_they_are_still_posted_in_turn() {
        let (last, old) = (L2Height::new(4), Duration::from_secs(3_600));
        let due = |next: f64| {
            let next = Duration::from_secs_f64(next);
            let is_due = |place| Duty { members: 4, place, step: Duration::from_secs(4) }.is_due(last, old, next);
            [Some(0), Some(1), Some(2), Some(3), None].map(is_due)
        };
        assert_eq!(due(0.0), [true, false, false, false, false]);
        assert_eq!(due(3.1), [true, true, false, false, false]);
        assert_eq!(due(12.0), [true; 5]);
        let first = Duty { members: 4, place: Some(1), step: Duration::from_secs(4) };
        assert!(!first.is_due(last, Duration::from_secs(3), old), "nor before its turn, however long L1 has waited");
    }
}
