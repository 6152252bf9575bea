//! The golden vectors of the wire formats, which Solidity reads too (`contracts/vectors/`, written by
//! `contracts/vectors.mjs` without any code of ours): signed structs, messages, and the hashes that tie batches together.

#![cfg(feature = "serde")]

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::SolStruct;
use k256::ecdsa::SigningKey;
use serde::de::DeserializeOwned;
use serde_json::Value;
use surety_types::{
    BatchIndex, ChainParameters, Gas, L1Height, MessageIndex, Milliseconds, RollupId, Seconds, Transaction,
    claim::{self, BlockHashTree, Claim},
    evidence::{Equivocation, EvidenceError},
    message::{self, Message, MessageKind},
    signing::{Batch, Domain, Finalize, Notarize, Nullify, Receipt, Signature, VoteKey, vote_address},
};

fn file(name: &str) -> Value {
    let path = format!("{}/../../contracts/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of[name].as_array().unwrap()
}

fn get<T: DeserializeOwned>(of: &Value, name: &str) -> T {
    serde_json::from_value(of[name].clone()).unwrap_or_else(|e| panic!("{name} of {of}: {e}"))
}

/// Numbers above 2^53 stand as hex text.
fn wide(of: &Value, name: &str) -> U256 {
    of[name].as_u64().map_or_else(|| of[name].as_str().unwrap().parse().unwrap(), U256::from)
}

fn number(of: &Value, name: &str) -> u64 {
    wide(of, name).to()
}

struct Signer {
    domain: Domain,
    key: SigningKey,
    address: Address,
}

impl Signer {
    fn check(&self, case: &Value, message: &impl SolStruct) {
        assert_eq!(message.eip712_hash_struct(), get::<B256>(case, "structHash"), "{case}");
        let digest = self.domain.digest(message);
        assert_eq!(digest, get::<B256>(case, "digest"), "{case}");
        let signature = Signature(get(case, "signature"));
        assert_eq!(signature.recover(&digest), Some(self.address), "{case}");
        assert_eq!(Signature::sign(&self.key, &digest), Some(signature), "{case}");
    }
}

fn batch(case: &Value) -> Batch {
    Batch {
        rollup: number(case, "rollup"),
        term: number(case, "term"),
        genesis: get(case, "genesis"),
        firstHeight: number(case, "firstHeight"),
        lastHeight: number(case, "lastHeight"),
        parentClaim: get(case, "parentClaim"),
        prevHash: get(case, "prevHash"),
        lastHash: get(case, "lastHash"),
        blockHashRoot: get(case, "blockHashRoot"),
        lastBlockTime: number(case, "lastBlockTime"),
        messageCount: number(case, "messageCount"),
        messageAcc: get(case, "messageAcc"),
        inboxTip: get(case, "inboxTip"),
        dataHash: get(case, "dataHash"),
    }
}

/// These bytes are read as that, and no others: not one changed at the start of a word, nor more or fewer.
fn reads_its_preimage_alone<T: PartialEq + std::fmt::Debug>(of: &T, bytes: &[u8], read: impl Fn(&[u8]) -> Option<T>) {
    assert_eq!(read(bytes).as_ref(), Some(of));
    for at in (0..bytes.len()).step_by(32) {
        let mut other = bytes.to_vec();
        other[at] ^= 0x80;
        assert_ne!(read(&other).as_ref(), Some(of), "byte {at}");
    }
    assert_eq!(read(&bytes[..bytes.len() - 1]), None);
    assert_eq!(read(&[bytes, &[0]].concat()), None);
}

fn check_struct(signer: &Signer, case: &Value) {
    let (rollup, term) = (|| number(case, "rollup"), || number(case, "term"));
    let (genesis, view) = (|| get(case, "genesis"), || number(case, "view"));
    let (parent, block) = (|| number(case, "parentView"), || get(case, "blockHash"));
    match case["type"].as_str().unwrap() {
        "Notarize" => signer.check(
            case,
            &Notarize {
                rollup: rollup(),
                term: term(),
                genesis: genesis(),
                view: view(),
                parentView: parent(),
                blockHash: block(),
            },
        ),
        "Finalize" => signer.check(
            case,
            &Finalize {
                rollup: rollup(),
                term: term(),
                genesis: genesis(),
                view: view(),
                parentView: parent(),
                blockHash: block(),
            },
        ),
        "Nullify" => {
            signer.check(case, &Nullify { rollup: rollup(), term: term(), genesis: genesis(), view: view() });
        }
        "Batch" => {
            let statement = batch(case);
            signer.check(case, &statement);
            let preimage = statement.to_preimage();
            assert_eq!(keccak256(&preimage), get::<B256>(case, "structHash"));
            reads_its_preimage_alone(&statement, &preimage, Batch::from_preimage);
        }
        "Receipt" => signer.check(
            case,
            &Receipt {
                rollup: rollup(),
                term: term(),
                genesis: genesis(),
                view: view(),
                height: number(case, "height"),
                index: number(case, "index"),
                txHash: get(case, "txHash"),
            },
        ),
        "VoteKey" => signer.check(case, &VoteKey { owner: get(case, "owner"), peerKey: get(case, "peerKey") }),
        other => panic!("unknown struct {other}"),
    }
}

#[test]
fn signed_structs_hash_and_sign_as_in_the_vectors() {
    let file = file("eip712");
    let key = SigningKey::from_slice(get::<B256>(&file, "privateKey").as_slice()).unwrap();
    let domain = Domain::new(number(&file, "chainId"), get(&file, "registry"));
    assert_eq!(domain.separator(), get::<B256>(&file, "separator"));
    let signer = Signer { domain, address: vote_address(&key), key };
    assert_eq!(signer.address, get::<Address>(&file, "signer"));
    let cases = list(&file, "cases");
    assert_eq!(cases.len(), 18);
    for case in cases {
        check_struct(&signer, case);
    }
}

#[test]
fn messages_accumulate_and_become_transactions_as_in_the_vectors() {
    let file = file("messages");
    let cases = list(&file, "cases");
    assert_eq!(cases.len(), 4);
    let mut acc = B256::ZERO;
    for case in cases {
        let message = Message {
            kind: MessageKind::try_from(get::<u8>(case, "kind")).unwrap(),
            index: MessageIndex::new(number(case, "index")),
            l1_block: L1Height::new(number(case, "l1Block")),
            l1_time: Seconds::new(number(case, "l1Time")),
            sender: get(case, "sender"),
            to: get(case, "to"),
            value: wide(case, "value"),
            mint: wide(case, "mint"),
            gas: Gas::new(number(case, "gas")),
            data: get(case, "data"),
        };
        assert_eq!(acc, get::<B256>(case, "accBefore"));
        assert_eq!(message.hash(), get::<B256>(case, "messageHash"), "{case}");
        let without_data = (Message { data: Bytes::new(), ..message.clone() }, keccak256(&message.data));
        reads_its_preimage_alone(&without_data, &message.to_preimage(), Message::from_preimage);
        acc = message.accumulate(acc);
        assert_eq!(acc, get::<B256>(case, "acc"), "{case}");
        let source = get::<B256>(case, "sourceHash");
        assert_eq!(message::source_hash(2, message.hash()), source);
        let Transaction::Deposit(deposit) = message.to_transaction() else { panic!("{case} is no deposit") };
        assert_eq!(deposit.source_hash, source);
        assert_eq!(U256::from(deposit.mint), message.mint);
        // The one L1Info is read and written again.
        assert_eq!(message.l1_info().is_some(), message.kind == MessageKind::L1Info);
        if let Some(info) = message.l1_info() {
            assert_eq!(info.to_message(message.index, message.l1_block), message);
        }
    }
}

#[test]
fn claim_ids_and_tips_are_those_of_the_vectors() {
    let file = file("claims");
    let claims = list(&file, "claims");
    assert_eq!(claims.len(), 3);
    for (index, case) in claims.iter().enumerate() {
        let claim = Claim {
            rollup: RollupId::new(number(case, "rollup")),
            batch_index: BatchIndex::new(number(case, "batchIndex")),
            parent: get(case, "parentId"),
            prev_hash: get(case, "prevHash"),
            last_hash: get(case, "lastHash"),
            block_hash_root: get(case, "blockHashRoot"),
        };
        assert_eq!(claim.id(), get::<B256>(case, "id"), "{case}");
        if index == 0 {
            assert_eq!(claim, Claim::genesis(claim.rollup, claim.last_hash));
        }
    }
    let tips = list(&file, "tips");
    assert_eq!(tips.len(), 3);
    for case in tips {
        assert_eq!(claim::inbox_tip(get(case, "tip"), get(case, "structHash")), get::<B256>(case, "next"));
    }
}

#[test]
fn trees_have_the_roots_and_paths_of_the_vectors() {
    let file = file("claims");
    let trees = list(&file, "trees");
    assert_eq!(trees.len(), 5);
    for case in trees {
        let (name, count, index) = (case["name"].as_str().unwrap(), get::<usize>(case, "count"), get(case, "index"));
        let hashes: Vec<_> = (0..count).map(|i| keccak256(format!("{name} {i}"))).collect();
        assert_eq!(hashes.first(), Some(&get(case, "firstHash")));
        assert_eq!(hashes.last(), Some(&get(case, "lastHash")));
        let tree = BlockHashTree::new(&hashes).unwrap();
        assert_eq!(tree.root(), get::<B256>(case, "root"), "{name}");
        let path = tree.path(index);
        assert_eq!(path.to_vec(), get::<Vec<B256>>(case, "path"), "{name}");
        assert_eq!(claim::root_from_path(hashes[index], index, &path), tree.root());
        let left = (0..path.len()).filter(|depth| index >> depth & 1 == 1).map(|depth| path[depth]);
        assert_eq!(left.collect::<Vec<_>>(), get::<Vec<B256>>(case, "leftSiblings"), "{name}");
    }
}

#[test]
fn data_hashes_are_those_of_the_vectors() {
    let file = file("claims");
    let calldata = list(&file, "calldata");
    assert_eq!(calldata.len(), 5);
    for case in calldata {
        let data: Bytes = (0..get::<usize>(case, "length")).map(|i| ((7 * i + 3) % 251) as u8).collect();
        assert_eq!(claim::calldata_data_hash(&data), Some(get(case, "dataHash")), "{case}");
    }
    let blobs = list(&file, "blobs");
    assert_eq!(blobs.len(), 3);
    for case in blobs {
        let hashes: Vec<B256> = get(case, "versionedHashes");
        assert_eq!(claim::blob_data_hash(&hashes), get::<B256>(case, "dataHash"));
    }
}

#[test]
fn chain_parameters_hash_as_in_the_vectors() {
    let file = file("program");
    let cases = list(&file, "cases");
    assert_eq!(cases.len(), 2);
    for case in cases {
        let fields = &case["parameters"];
        let parameters = ChainParameters {
            rollup: RollupId::new(number(fields, "rollup")),
            genesis_time: Seconds::new(number(fields, "genesisTime")),
            genesis_hash: get(fields, "genesisHash"),
            block_time: Milliseconds::new(number(fields, "blockTime")),
            gas_limit: Gas::new(number(fields, "gasLimit")),
            base_fee_denominator: get(fields, "baseFeeDenominator"),
            base_fee_elasticity: get(fields, "baseFeeElasticity"),
            min_base_fee: number(fields, "minBaseFee"),
            l1_base_fee_scalar: get(fields, "l1BaseFeeScalar"),
            l1_blob_base_fee_scalar: get(fields, "l1BlobBaseFeeScalar"),
            da_footprint_gas_scalar: get(fields, "daFootprintGasScalar"),
        };
        assert_eq!(parameters.hash(), get::<B256>(case, "parametersHash"), "{case}");
        reads_its_preimage_alone(&parameters, &parameters.to_preimage(), ChainParameters::from_preimage);
    }
}

#[test]
fn evidence_is_judged_as_by_the_contract() {
    let file = file("equivocation");
    let domain = Domain::new(number(&file, "chainId"), get(&file, "registry"));
    let signer: Address = get(&file, "signer");
    let cases = list(&file, "cases");
    assert_eq!(cases.len(), 100);
    for case in cases {
        let bytes: Bytes = get(case, "evidence");
        let verdict = Equivocation::abi_decode(&bytes).and_then(|evidence| {
            assert_eq!(evidence.abi_encode(), bytes, "{}", case["name"]);
            evidence.check(&domain)
        });
        match case["error"].as_str().unwrap() {
            "" => assert_eq!(verdict, Ok(signer), "{}", case["name"]),
            // The registry alone knows who has a seat.
            "SignerIsNoSeat" => assert!(verdict.is_ok_and(|key| key != signer), "{}", case["name"]),
            "DifferentSigners" => assert!(matches!(verdict, Err(EvidenceError::TwoSigners(..))), "{}", case["name"]),
            "EvidenceMalformed" | "StatementLengthWrong" | "FieldOutOfRange" => {
                assert_eq!(verdict, Err(EvidenceError::Encoding), "{}", case["name"]);
            }
            _ => assert!(verdict.is_err(), "{}: {verdict:?}", case["name"]),
        }
    }
}
