//! Cases: a pair that was found, and what became of it. `cases.json`, replaced as a whole and synced at each change.

use crate::audit::{About, DiskError};
use alloy_primitives::Address;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};
use surety_types::evidence::Equivocation;

/// The name of the only fault so far.
pub(crate) const EQUIVOCATION: &str = "equivocation";
/// Closed cases that are remembered. The audit log has all.
const CLOSED_KEPT: usize = 4_096;
/// Pieces of evidence tried against one key and term when the contract refuses: a refusal means that our rule and the
/// contract's differ, and must not be repeated for ever.
const MAX_REFUSALS: u32 = 4;

/// L1 punishes once for a key's term (the nullifier is per seat, fault and term), so that is what a case is about.
pub(crate) type CaseId = (Address, u64);

/// Where a case stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum Standing {
    /// To be judged and reported, not before a time (Unix milliseconds).
    Open { not_before: u64 },
    /// A report is about to leave or underway.
    Sending,
    /// L1 has the penalty, by our transaction of this nonce or another's; until that block is final a reorg can take it back.
    Slashed { block: u64, settled: bool, nonce: Option<u64> },
    /// The contract refuses it.
    Refused,
}

/// One case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Case {
    pub(crate) seat: u64,
    pub(crate) signer: Address,
    pub(crate) term: u64,
    pub(crate) evidence: Equivocation,
    pub(crate) found_at: u64,
    pub(crate) refusals: u32,
    /// The decision that was last noted, so that it is not noted again with every block.
    #[serde(skip)]
    pub(crate) noted: Option<&'static str>,
    pub(crate) standing: Standing,
}

impl Case {
    pub(crate) const fn about(&self) -> About {
        About { fault: EQUIVOCATION, seat: self.seat, signer: self.signer, term: self.term }
    }

    pub(crate) const fn id(&self) -> CaseId {
        (self.signer, self.term)
    }
}

/// All cases, durable.
#[derive(Debug)]
pub(crate) struct Cases {
    path: PathBuf,
    cases: BTreeMap<CaseId, Case>,
}

impl Cases {
    /// Opens or begins the list.
    pub(crate) fn open(path: PathBuf) -> Result<Self, DiskError> {
        let disk = |cause| DiskError::new("read the cases in", &path, cause);
        let list: Vec<Case> = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| disk(error.into()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(disk(error)),
        };
        Ok(Self { path, cases: list.into_iter().map(|case| (case.id(), case)).collect() })
    }

    /// Takes a pair up; `false` if there is a case about that key and term already.
    pub(crate) fn add(&mut self, case: Case) -> Result<bool, DiskError> {
        let known = self.cases.get(&case.id());
        let refusals = known.map_or(0, |known| known.refusals);
        let again = known.is_some_and(|known| {
            known.standing == Standing::Refused && known.evidence != case.evidence && refusals < MAX_REFUSALS
        });
        if known.is_some() && !again {
            return Ok(false);
        }
        self.cases.insert(case.id(), Case { refusals, ..case });
        self.forget();
        self.write()?;
        Ok(true)
    }

    fn forget(&mut self) {
        let over = self.cases.len().saturating_sub(CLOSED_KEPT);
        let closed =
            |case: &&Case| matches!(case.standing, Standing::Refused | Standing::Slashed { settled: true, .. });
        let mut old: Vec<_> = self.cases.values().filter(closed).map(|case| (case.found_at, case.id())).collect();
        old.sort_unstable();
        for (_, id) in old.into_iter().take(over) {
            self.cases.remove(&id);
        }
    }

    pub(crate) fn get(&self, id: &CaseId) -> Option<&Case> {
        self.cases.get(id)
    }

    /// Notes a decision without writing it down.
    pub(crate) fn set_noted(&mut self, id: &CaseId, decision: &'static str) {
        if let Some(case) = self.cases.get_mut(id) {
            case.noted = Some(decision);
        }
    }

    pub(crate) fn all(&self) -> Vec<Case> {
        self.cases.values().cloned().collect()
    }

    /// Moves a case.
    pub(crate) fn set(&mut self, id: &CaseId, standing: Standing) -> Result<(), DiskError> {
        if let Some(case) = self.cases.get_mut(id) {
            if standing == Standing::Refused {
                case.refusals = case.refusals.saturating_add(1);
            }
            case.standing = standing;
            case.noted = None;
            self.write()?;
        }
        Ok(())
    }

    fn write(&self) -> Result<(), DiskError> {
        let disk = |cause| DiskError::new("write the cases to", &self.path, cause);
        let list: Vec<&Case> = self.cases.values().collect();
        write_whole(&self.path, &serde_json::to_vec(&list).map_err(|e| disk(e.into()))?).map_err(disk)
    }
}

/// Writes a file so that there is the old one or the new one at any time.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let aside = path.with_extension("tmp");
    let mut file = File::create(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}
