//! Whose turn it is to post.

use crate::consensus::duty;
use std::time::Duration;
use surety_types::L2Height;

/// The rule of turns: a batch that ends at height h belongs to the member at place h modulo the committee; each `step` after the batch was whole,
/// the next member may post it as well, and after a full round everybody may.
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
    /// How long after a batch is whole this node waits before it posts it.
    pub fn wait(&self, last: L2Height) -> Duration {
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
}
