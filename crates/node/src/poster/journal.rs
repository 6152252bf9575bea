//! Batches that were signed, kept until L1 has finalised them: so that after a restart, a lost transaction or a reorg of L1
//! the same bytes are posted again.

use super::{Form, Proposal};
use crate::{
    consensus::{Finalization, Gathered},
    durable,
};
use alloy_primitives::{B256, Bytes, U256};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use surety_types::signing::{Batch, Finalize, Signature, SignatureSet};

/// A batch with its signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signed {
    pub(super) proposal: Proposal,
    pub(super) gathered: Gathered,
    /// Nonce of the transaction that carries it, once it was handed over.
    pub(super) nonce: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OnDisk {
    /// The fields in order, as 32-byte words.
    statement: Vec<B256>,
    payload: Bytes,
    form: Form,
    signers: u64,
    signatures: Vec<Signature>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    finalization: Option<FinalizationOnDisk>,
    nonce: Option<u64>,
}

/// Votes for the statement's last block, in its term.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FinalizationOnDisk {
    view: u64,
    parent_view: u64,
    signers: u64,
    signatures: Vec<Signature>,
}

/// The files of one poster: one a batch, by first height.
#[derive(Debug)]
pub(super) struct Journal {
    directory: PathBuf,
    kept: BTreeMap<u64, Signed>,
}

impl Journal {
    /// Opens (or makes) the directory. Unreadable files are left out and named in the log.
    pub(super) fn open(directory: PathBuf) -> std::io::Result<Self> {
        std::fs::create_dir_all(&directory)?;
        let mut kept = BTreeMap::new();
        for entry in std::fs::read_dir(&directory)? {
            let path = entry?.path();
            if path.extension().is_none_or(|e| e != "json") {
                continue;
            }
            match read(&path) {
                Some(signed) => {
                    kept.insert(signed.proposal.statement.firstHeight, signed);
                }
                None => tracing::warn!(path = %path.display(), "not a posted batch; it will be signed anew"),
            }
        }
        Ok(Self { directory, kept })
    }

    pub(super) fn get(&self, first: u64) -> Option<&Signed> {
        self.kept.get(&first)
    }

    pub(super) fn put(&mut self, signed: Signed) -> std::io::Result<()> {
        let first = signed.proposal.statement.firstHeight;
        let disk = OnDisk {
            statement: words(&signed.proposal.statement).to_vec(),
            payload: signed.proposal.payload.clone(),
            form: signed.proposal.form,
            signers: signed.gathered.signatures.signers,
            signatures: signed.gathered.signatures.signatures.clone(),
            finalization: signed.gathered.finalization.as_ref().map(|votes| FinalizationOnDisk {
                view: votes.vote.view,
                parent_view: votes.vote.parentView,
                signers: votes.signatures.signers,
                signatures: votes.signatures.signatures.clone(),
            }),
            nonce: signed.nonce,
        };
        durable::replace(&self.path(first), &disk)?;
        self.kept.insert(first, signed);
        Ok(())
    }

    /// Drops batches that end at or below a height which L1 has finalised.
    pub(super) fn prune(&mut self, finalized: u64) {
        let gone: Vec<u64> = self
            .kept
            .iter()
            .filter(|(_, signed)| signed.proposal.statement.lastHeight <= finalized)
            .map(|(first, _)| *first)
            .collect();
        for first in gone {
            self.kept.remove(&first);
            if let Err(error) = std::fs::remove_file(self.path(first)) {
                tracing::warn!(first, %error, "a posted batch's file stays behind");
            }
        }
    }

    fn path(&self, first: u64) -> PathBuf {
        self.directory.join(format!("batch-{first}.json"))
    }
}

fn read(path: &Path) -> Option<Signed> {
    let disk: OnDisk = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    let statement = statement(&<[B256; 14]>::try_from(disk.statement).ok()?)?;
    let finalization = disk.finalization.map(|votes| Finalization {
        vote: Finalize {
            rollup: statement.rollup,
            term: statement.term,
            genesis: statement.genesis,
            view: votes.view,
            parentView: votes.parent_view,
            blockHash: statement.lastHash,
        },
        signatures: SignatureSet { signers: votes.signers, signatures: votes.signatures },
    });
    let signatures = SignatureSet { signers: disk.signers, signatures: disk.signatures };
    let proposal = Proposal { statement, payload: disk.payload, form: disk.form };
    Some(Signed { proposal, gathered: Gathered { signatures, finalization }, nonce: disk.nonce })
}

/// A statement as words, in the order of its fields.
fn words(s: &Batch) -> [B256; 14] {
    let number = |n: u64| B256::from(U256::from(n));
    [
        number(s.rollup),
        number(s.term),
        s.genesis,
        number(s.firstHeight),
        number(s.lastHeight),
        s.parentClaim,
        s.prevHash,
        s.lastHash,
        s.blockHashRoot,
        number(s.lastBlockTime),
        number(s.messageCount),
        s.messageAcc,
        s.inboxTip,
        s.dataHash,
    ]
}

/// Reads [`words`].
fn statement(words: &[B256; 14]) -> Option<Batch> {
    let number = |at: usize| U256::from_be_bytes(words.get(at)?.0).try_into().ok();
    let [_, _, genesis, _, _, parent, prev, last, root, _, _, acc, tip, data] = *words;
    Some(Batch {
        rollup: number(0)?,
        term: number(1)?,
        genesis,
        firstHeight: number(3)?,
        lastHeight: number(4)?,
        parentClaim: parent,
        prevHash: prev,
        lastHash: last,
        blockHashRoot: root,
        lastBlockTime: number(9)?,
        messageCount: number(10)?,
        messageAcc: acc,
        inboxTip: tip,
        dataHash: data,
    })
}
