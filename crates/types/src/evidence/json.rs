//! Signed statements as JSON: `{"kind": "notarize", "rollup": "0x…", …, "signature": "0x…"}`, fields in camel case,
//! numbers as quantities in hex.

use super::SignedStatement;
use crate::signing::{Batch, Finalize, Notarize, Nullify, Receipt, Signature, Statement};
use alloy_primitives::{B256, U64};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
enum Form {
    Notarize {
        rollup: U64,
        term: U64,
        genesis: B256,
        view: U64,
        parent_view: U64,
        block_hash: B256,
        signature: Signature,
    },
    Finalize {
        rollup: U64,
        term: U64,
        genesis: B256,
        view: U64,
        parent_view: U64,
        block_hash: B256,
        signature: Signature,
    },
    Nullify {
        rollup: U64,
        term: U64,
        genesis: B256,
        view: U64,
        signature: Signature,
    },
    Batch {
        rollup: U64,
        term: U64,
        genesis: B256,
        first_height: U64,
        last_height: U64,
        parent_claim: B256,
        prev_hash: B256,
        last_hash: B256,
        block_hash_root: B256,
        last_block_time: U64,
        message_count: U64,
        message_acc: B256,
        inbox_tip: B256,
        data_hash: B256,
        signature: Signature,
    },
    Receipt {
        rollup: U64,
        term: U64,
        genesis: B256,
        view: U64,
        height: U64,
        index: U64,
        tx_hash: B256,
        signature: Signature,
    },
}

impl From<&SignedStatement> for Form {
    fn from(signed: &SignedStatement) -> Self {
        let signature = signed.signature;
        let (rollup, term) = (U64::from(signed.statement.rollup()), U64::from(signed.statement.term()));
        let genesis = signed.statement.genesis();
        match &signed.statement {
            Statement::Notarize(m) => Self::Notarize {
                rollup,
                term,
                genesis,
                view: U64::from(m.view),
                parent_view: U64::from(m.parentView),
                block_hash: m.blockHash,
                signature,
            },
            Statement::Finalize(m) => Self::Finalize {
                rollup,
                term,
                genesis,
                view: U64::from(m.view),
                parent_view: U64::from(m.parentView),
                block_hash: m.blockHash,
                signature,
            },
            Statement::Nullify(m) => Self::Nullify { rollup, term, genesis, view: U64::from(m.view), signature },
            Statement::Batch(m) => Self::Batch {
                rollup,
                term,
                genesis,
                first_height: U64::from(m.firstHeight),
                last_height: U64::from(m.lastHeight),
                parent_claim: m.parentClaim,
                prev_hash: m.prevHash,
                last_hash: m.lastHash,
                block_hash_root: m.blockHashRoot,
                last_block_time: U64::from(m.lastBlockTime),
                message_count: U64::from(m.messageCount),
                message_acc: m.messageAcc,
                inbox_tip: m.inboxTip,
                data_hash: m.dataHash,
                signature,
            },
            Statement::Receipt(m) => Self::Receipt {
                rollup,
                term,
                genesis,
                view: U64::from(m.view),
                height: U64::from(m.height),
                index: U64::from(m.index),
                tx_hash: m.txHash,
                signature,
            },
        }
    }
}

impl From<Form> for SignedStatement {
    fn from(form: Form) -> Self {
        let (statement, signature) = match form {
            Form::Notarize { rollup, term, genesis, view, parent_view, block_hash, signature } => {
                let message = Notarize {
                    rollup: rollup.to(),
                    term: term.to(),
                    genesis,
                    view: view.to(),
                    parentView: parent_view.to(),
                    blockHash: block_hash,
                };
                (Statement::Notarize(message), signature)
            }
            Form::Finalize { rollup, term, genesis, view, parent_view, block_hash, signature } => {
                let message = Finalize {
                    rollup: rollup.to(),
                    term: term.to(),
                    genesis,
                    view: view.to(),
                    parentView: parent_view.to(),
                    blockHash: block_hash,
                };
                (Statement::Finalize(message), signature)
            }
            Form::Nullify { rollup, term, genesis, view, signature } => {
                let message = Nullify { rollup: rollup.to(), term: term.to(), genesis, view: view.to() };
                (Statement::Nullify(message), signature)
            }
            Form::Batch {
                rollup,
                term,
                genesis,
                first_height,
                last_height,
                parent_claim,
                prev_hash,
                last_hash,
                block_hash_root,
                last_block_time,
                message_count,
                message_acc,
                inbox_tip,
                data_hash,
                signature,
            } => {
                let message = Batch {
                    rollup: rollup.to(),
                    term: term.to(),
                    genesis,
                    firstHeight: first_height.to(),
                    lastHeight: last_height.to(),
                    parentClaim: parent_claim,
                    prevHash: prev_hash,
                    lastHash: last_hash,
                    blockHashRoot: block_hash_root,
                    lastBlockTime: last_block_time.to(),
                    messageCount: message_count.to(),
                    messageAcc: message_acc,
                    inboxTip: inbox_tip,
                    dataHash: data_hash,
                };
                (Statement::Batch(message), signature)
            }
            Form::Receipt { rollup, term, genesis, view, height, index, tx_hash, signature } => {
                let message = Receipt {
                    rollup: rollup.to(),
                    term: term.to(),
                    genesis,
                    view: view.to(),
                    height: height.to(),
                    index: index.to(),
                    txHash: tx_hash,
                };
                (Statement::Receipt(message), signature)
            }
        };
        Self { statement, signature }
    }
}

impl Serialize for SignedStatement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Form::from(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SignedStatement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Form::deserialize(deserializer).map(Self::from)
    }
}
