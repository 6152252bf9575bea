//! Cases: what was found, and what became of it. `cases.json`, replaced as a whole and synced at each change. Its form is that of
//! earlier versions, which knew pairs of statements alone.

use crate::{
    audit::{About, DiskError},
    faults::{Evidence, Fault},
};
use alloy_primitives::Address;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};

/// Closed cases that are remembered. The audit log has all.
const CLOSED_KEPT: usize = 4_096;
/// Pairs tried against one seat and term when the contract refuses: a refusal means that our rule and the contract's differ,
/// and must not be repeated for ever.
const MAX_REFUSALS: u32 = 4;

/// L1 punishes once for each of these (the nullifier), so that is what a case is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CaseId {
    pub(crate) fault: Fault,
    pub(crate) seat: u64,
    pub(crate) term: u64,
}

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
    pub(crate) evidence: Evidence,
    pub(crate) found_at: u64,
    pub(crate) refusals: u32,
    /// The decision that was last noted, so that it is not noted again with every block.
    #[serde(skip)]
    pub(crate) noted: Option<&'static str>,
    /// Judged, but not reported for now: when it is looked at again (Unix milliseconds).
    #[serde(skip)]
    pub(crate) again_at: u64,
    pub(crate) standing: Standing,
}

impl Case {
    pub(crate) const fn about(&self) -> About {
        About { fault: self.evidence.fault(), seat: self.seat, signer: self.signer, term: self.term }
    }

    pub(crate) const fn id(&self) -> CaseId {
        CaseId { fault: self.evidence.fault(), seat: self.seat, term: self.term }
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
        let mut cases = BTreeMap::new();
        for case in list {
            // Earlier versions had a case for each key; a seat may have had two in a term.
            let other: Option<&Case> = cases.get(&case.id());
            if other.is_none_or(|other| other.standing == Standing::Refused) {
                cases.insert(case.id(), case);
            }
        }
        Ok(Self { path, cases })
    }

    /// Takes a case up; `false` if there is one already about the same.
    pub(crate) fn add(&mut self, case: Case) -> Result<bool, DiskError> {
        let known = self.cases.get(&case.id());
        let refusals = known.map_or(0, |known| known.refusals);
        let again = known.is_some_and(|known| match case.evidence.fault() {
            _ if known.standing != Standing::Refused => false,
            Fault::Equivocation => known.evidence != case.evidence && refusals < MAX_REFUSALS,
            // L1 was asked just now, and is so once for each change: what a reorg took back has come again.
            Fault::Idle => true,
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

    /// Leaves a case that is not reported for now alone until a time, without writing that down.
    pub(crate) fn set_aside(&mut self, id: &CaseId, again_at: u64) {
        if let Some(case) = self.cases.get_mut(id) {
            case.again_at = again_at;
        }
    }

    /// How many cases are so.
    pub(crate) fn count(&self, is: impl Fn(&Case) -> bool) -> usize {
        self.cases.values().filter(|case| is(case)).count()
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
            (case.noted, case.again_at) = (None, 0);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::idle::Idleness;
    use alloy_primitives::B256;
    use serde_json::json;
    use surety_types::{
        evidence::{Equivocation, SignedStatement},
        signing::{Finalize, Nullify, Signature, Statement},
    };

    fn pair(view: u64) -> Equivocation {
        let signed = |statement: Statement| SignedStatement { statement, signature: Signature(Default::default()) };
        let (rollup, term, genesis) = (1, 3, B256::ZERO);
        let finalize = Finalize { rollup, term, genesis, view, parentView: 0, blockHash: B256::ZERO };
        let nullify = Nullify { rollup, term, genesis, view };
        Equivocation { first: signed(finalize.into()), second: signed(nullify.into()) }
    }

    fn case(seat: u64, evidence: Evidence) -> Case {
        let standing = Standing::Open { not_before: 0 };
        let (signer, term) = (Address::repeat_byte(9), evidence.term());
        Case { seat, signer, term, evidence, found_at: 5, refusals: 0, noted: None, again_at: 0, standing }
    }

    fn equivocation(view: u64) -> Case {
        case(2, Evidence::Equivocation(Box::new(pair(view))))
    }

    fn idle(seconds: u64) -> Case {
        case(2, Evidence::Idle(Idleness { term: 3, seat: 2, seconds }))
    }

    #[test]
    fn a_seats_faults_in_a_term_are_cases_of_their_own_and_last() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cases.json");
        let mut cases = Cases::open(path.clone()).unwrap();
        assert!(cases.add(equivocation(1)).unwrap());
        assert!(cases.add(idle(7)).unwrap());
        assert!(!cases.add(equivocation(2)).unwrap() && !cases.add(idle(8)).unwrap(), "there are such");
        assert_eq!(Cases::open(path).unwrap().all(), cases.all());
        assert_eq!(cases.all().iter().map(Case::id).map(|id| id.fault).collect::<Vec<_>>(), Fault::ALL);
    }

    #[test]
    fn the_file_of_an_earlier_version_is_read_and_an_open_case_outlives_a_refused_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cases.json");
        let old = |view, signer: u8, standing| {
            json!({"seat": 2, "signer": Address::repeat_byte(signer), "term": 3, "evidence": pair(view), "foundAt": 5,
                "refusals": 0, "standing": standing})
        };
        let list =
            json!([old(1, 1, json!({"state": "open", "notBefore": 7})), old(2, 2, json!({"state": "refused"})),]);
        fs::write(&path, list.to_string()).unwrap();
        let cases = Cases::open(path).unwrap();
        let [case] = cases.all().try_into().unwrap();
        assert_eq!(case.standing, Standing::Open { not_before: 7 });
        assert_eq!(case.evidence, Evidence::Equivocation(Box::new(pair(1))));
    }

    #[test]
    fn refused_pairs_are_tried_a_few_times_and_idleness_whenever_l1_counts_it_again() {
        let directory = tempfile::tempdir().unwrap();
        let mut cases = Cases::open(directory.path().join("cases.json")).unwrap();
        for view in 0..u64::from(MAX_REFUSALS) {
            assert!(cases.add(equivocation(view)).unwrap());
            cases.set(&equivocation(0).id(), Standing::Refused).unwrap();
            assert!(!cases.add(equivocation(view)).unwrap(), "the same pair");
        }
        assert!(!cases.add(equivocation(99)).unwrap());
        for _ in 0..10 {
            assert!(cases.add(idle(7)).unwrap());
            assert!(!cases.add(idle(7)).unwrap());
            cases.set(&idle(7).id(), Standing::Refused).unwrap();
        }
    }

    #[test]
    fn a_damaged_file_is_refused_and_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cases.json");
        fs::write(&path, r#"[{"seat": 2}]"#).unwrap();
        let error = Cases::open(path).unwrap_err().to_string();
        assert!(error.contains("cases.json") && error.contains("check the data directory"), "{error}");
    }
}
