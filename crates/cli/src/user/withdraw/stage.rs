//! Where a withdrawal stands between L2 and its payment, and how long the rest takes.

use super::{Records, Session, lasting};
use crate::user::prove::Recorded;
use anyhow::Result;
use surety_contracts::Parameters;
use surety_l1::contracts::WithdrawalStatus;
use surety_types::{BatchIndex, L2Height, claim::Claim};

/// Where a withdrawal stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    /// No batch on L1 holds its block yet.
    Unposted,
    /// Nobody has claimed what this self-sequenced batch leads to.
    Unclaimed(BatchIndex),
    /// A claim can be contested until then, in Unix seconds.
    Open { batch: BatchIndex, final_at: u64 },
    /// The claims of this batch contradict each other, and no committee has decided.
    Contested(BatchIndex),
    /// It can be proved.
    Ready,
    /// It was proved; its call failed.
    CallFailed,
    /// It was paid.
    Paid,
    /// The chain ended before.
    Lost,
}

impl Stage {
    pub(super) const fn is_waiting(&self) -> bool {
        matches!(self, Self::Unposted | Self::Unclaimed(_) | Self::Open { .. } | Self::Contested(_))
    }

    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Unposted => "unposted",
            Self::Unclaimed(_) => "unclaimed",
            Self::Open { .. } => "open",
            Self::Contested(_) => "contested",
            Self::Ready => "ready",
            Self::CallFailed => "failed",
            Self::Paid => "paid",
            Self::Lost => "lost",
        }
    }

    /// When it can be paid, in Unix seconds, if that is known.
    pub(super) const fn payable_at(&self) -> Option<u64> {
        match self {
            Self::Open { final_at, .. } => Some(*final_at),
            _ => None,
        }
    }

    /// What is waited for and how long, as of a time in Unix seconds.
    pub(super) fn says(&self, protocol: &Parameters, now: u64) -> String {
        let challenge = protocol.challenge_period;
        match self {
            Self::Unposted => {
                let posting = protocol.batch_age.saturating_add(protocol.slot_time.saturating_mul(3));
                format!(
                    "waiting for the batch on L1 (some {}), then for its claim to be final (another {}; {} in all)",
                    lasting(posting),
                    lasting(challenge),
                    lasting(posting.saturating_add(challenge))
                )
            }
            Self::Unclaimed(batch) => format!(
                "batch {batch} was self-sequenced and nobody has claimed its outcome: a committee's next batch does, or anyone \
                 with a bond (surety follow --keeper); then {} more",
                lasting(challenge)
            ),
            Self::Open { batch, final_at } => match final_at.checked_sub(now) {
                Some(left) if now > 0 && left > 0 => {
                    format!("batch {batch} is on L1; its claim is final at {final_at} (in {})", lasting(left))
                }
                _ => format!("batch {batch} is on L1; its claim is final at {final_at}"),
            },
            Self::Contested(batch) => format!(
                "the claims of batch {batch} contradict each other: waiting for a committee to decide. If none does for {} after \
                 the last final claim, the escape opens: surety exit",
                lasting(protocol.escape_delay)
            ),
            Self::Ready => "it can be proved and paid now: surety withdraw --prove".into(),
            Self::CallFailed => "proven; its call failed: surety withdraw --retry".into(),
            Self::Paid => "paid".into(),
            Self::Lost => "the chain has ended before this was final: what you have is paid by surety exit".into(),
        }
    }
}

/// Where withdrawals stand at L1's head, and the last final claim, against which the ready ones are proved.
pub(super) async fn stages(session: &Session, withdrawals: &[Recorded]) -> Result<(Vec<Stage>, Claim)> {
    let mut records = Records::new(&*session.l1, &session.chain).await?;
    let (contracts, at) = records.contracts();
    let ended = contracts.ending(at).await?;
    let last = match ended {
        Some(ending) => {
            let claim = records.claim(ending.claim).await?;
            claim.ok_or_else(|| anyhow::anyhow!("L1's endpoint knows no claim {}: use another", ending.claim))?
        }
        None => records.last_final().await?,
    };
    let settled = records.batch(last.batch_index).await?.map_or(L2Height::ZERO, |batch| batch.last);
    let mut stages = Vec::new();
    for withdrawal in withdrawals {
        stages.push(match contracts.withdrawal(withdrawal.hash, at).await? {
            WithdrawalStatus::Done => Stage::Paid,
            WithdrawalStatus::Failed => Stage::CallFailed,
            WithdrawalStatus::None if withdrawal.height <= settled => Stage::Ready,
            WithdrawalStatus::None if ended.is_some() => Stage::Lost,
            WithdrawalStatus::None => before_final(&mut records, withdrawal.height).await?,
        });
    }
    Ok((stages, last))
}

/// What a block waits for that no final claim holds.
async fn before_final(records: &mut Records<'_>, height: L2Height) -> Result<Stage> {
    let Some(batch) = records.batch_at(height).await? else { return Ok(Stage::Unposted) };
    let (contracts, at) = records.contracts();
    let now = records.head().time.get();
    let mut stage = Stage::Unclaimed(batch.index);
    for claim in records.claims_of(batch.index).await? {
        let Some(status) = contracts.claim(claim.id(), at).await? else { continue };
        let final_at = status.final_at.get();
        stage =
            if now >= final_at { Stage::Contested(batch.index) } else { Stage::Open { batch: batch.index, final_at } };
    }
    Ok(stage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use surety_contracts::Profile;

    #[test]
    fn each_stage_says_what_comes_next_and_how_long_it_takes() {
        let production = Parameters::of(Profile::Production, 1);
        let says = |stage: Stage, now| stage.says(&production, now);
        let batch = BatchIndex::new(7);
        assert!(says(Stage::Unposted, 1).contains("6 d 9 h"), "{}", says(Stage::Unposted, 1));
        assert!(says(Stage::Open { batch, final_at: 3_700 }, 100).contains("(in 1 h)"));
        assert!(says(Stage::Contested(batch), 1).contains("30 d"));
        assert!(says(Stage::Unclaimed(batch), 1).contains("--keeper"));
        for stage in [Stage::Ready, Stage::CallFailed, Stage::Paid, Stage::Lost] {
            assert!(!stage.is_waiting(), "{stage:?}");
        }
    }
}
