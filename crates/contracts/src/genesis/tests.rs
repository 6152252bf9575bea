//! The genesis against its golden file and against what must hold whatever it contains.

use alloy_primitives::{Address, B256, U256, address, b256, keccak256};
use alloy_trie::root::state_root_unhashed;
use serde::{Deserialize, Serialize};

use super::*;

/// The dev chain's id.
const DEV: L2Genesis = L2Genesis::new(75_873);

/// `contracts/vectors/l2-genesis.json`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Golden {
    genesis: L2Genesis,
    state_root: B256,
    accounts: BTreeMap<Address, GoldenAccount>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GoldenAccount {
    nonce: u64,
    balance: U256,
    code_size: usize,
    code_hash: B256,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    storage: BTreeMap<B256, B256>,
}

fn golden(genesis: L2Genesis) -> Golden {
    let alloc = genesis.alloc().unwrap();
    let accounts = alloc
        .iter()
        .map(|(address, account)| {
            let code = account.code.clone().unwrap();
            let golden = GoldenAccount {
                nonce: account.nonce.unwrap(),
                balance: account.balance,
                code_size: code.len(),
                code_hash: keccak256(&code),
                storage: account.storage.clone().unwrap_or_default(),
            };
            (*address, golden)
        })
        .collect();
    Golden { genesis, state_root: state_root_unhashed(alloc), accounts }
}

#[test]
fn the_dev_genesis_is_the_golden_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/vectors/l2-genesis.json");
    let made = golden(DEV);
    if std::env::var_os("SURETY_UPDATE_VECTORS").is_some() {
        std::fs::write(path, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
    }
    let kept: Golden = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(kept, made, "if the change is meant, run this test with SURETY_UPDATE_VECTORS=1 and commit the file");
}

#[test]
fn no_account_of_a_genesis_has_ether() {
    for genesis in [DEV, L2Genesis { l1_messenger: Address::repeat_byte(1), ..L2Genesis::new(1) }] {
        for (address, account) in genesis.alloc().unwrap() {
            assert_eq!(account.balance, U256::ZERO, "{address}");
        }
    }
}

#[test]
fn every_account_has_code_and_a_nonce_that_keeps_it_from_being_created_again() {
    let alloc = DEV.alloc().unwrap();
    assert_eq!(alloc.len(), 11 + 2 + 14, "an address is used twice");
    for (address, account) in alloc {
        assert!(account.nonce.unwrap() >= 1, "{address}");
        let code = account.code.unwrap();
        assert!(!code.is_empty() && code.len() <= 0x6000, "{address}: {} bytes", code.len());
    }
}

#[test]
fn counterparts_are_the_only_difference_that_they_make() {
    let [messenger, bridge, split] = [0xaa, 0xbb, 0xcc].map(Address::repeat_byte);
    let with =
        L2Genesis { l1_messenger: messenger, l1_standard_bridge: bridge, l1_fee_split: split, ..DEV }.alloc().unwrap();
    let without = DEV.alloc().unwrap();
    for (address, account) in &with {
        let mut expected = without[address].clone();
        match *address {
            predeploys::L2_CROSS_DOMAIN_MESSENGER => {
                expected.storage = Some(BTreeMap::from([(B256::ZERO, messenger.into_word())]));
            }
            predeploys::L2_STANDARD_BRIDGE => {
                expected.storage = Some(BTreeMap::from([(B256::ZERO, bridge.into_word())]));
            }
            predeploys::SEQUENCER_FEE_VAULT
            | predeploys::BASE_FEE_VAULT
            | predeploys::L1_FEE_VAULT
            | predeploys::OPERATOR_FEE_VAULT => {
                expected.storage = Some(BTreeMap::from([(B256::ZERO, split.into_word())]));
            }
            _ => {}
        }
        assert_eq!(*account, expected, "{address}");
    }
}

#[test]
fn system_contracts_have_the_code_of_their_eips() {
    let alloc = DEV.alloc().unwrap();
    for (address, hash) in [
        (
            address!("0x0000F90827F1C53a10cb7A02335B175320002935"),
            b256!("0x6e49e66782037c0555897870e29fa5e552daf4719552131a0abce779daec0a5d"),
        ),
        (
            address!("0x000F3df6D732807Ef1319fB7B8bB8522d0Beac02"),
            b256!("0xf57acd40259872606d76197ef052f3d35588dadf919ee1f0e3cb9b62d3f4b02c"),
        ),
    ] {
        assert_eq!(keccak256(alloc[&address].code.as_ref().unwrap()), hash, "{address}");
        assert_eq!(alloc[&address].nonce, Some(1));
    }
}

#[test]
fn preinstalls_have_the_code_hashes_that_others_publish() {
    let alloc = DEV.alloc().unwrap();
    let published = [
        // Multicall3's deployments.
        (
            "0xcA11bde05977b3631167028862bE2a173976CA11",
            "0xd5c15df687b16f2ff992fc8d767b4216323184a2bbc6ee2f9c398c318e770891",
        ),
        // npm @nomicfoundation/ignition-core.
        (
            "0xba5Ed099633D3B313e4D5F7bdc1305d3c28ba5Ed",
            "0xbd8a7ea8cfca7b4e5f5041d7d4b17bc317c5ce42cfbc42066a00cf26b43eb53f",
        ),
        // The account abstraction team's deployments of v0.6 and v0.7.
        (
            "0x5FF137D4b0FDCD49DcA30c7CF57E578a026d2789",
            "0xc93c806e738300b5357ecdc2e971d6438d34d8e4e17b99b758b1f9cac91c8e70",
        ),
        (
            "0x0000000071727De22E5E9d8BAf0edAc6f37da032",
            "0x8db5ff695839d655407cc8490bb7a5d82337a86a6b39c3f0258aa6c3b582fc58",
        ),
        // OP's Canyon rules.
        (
            "0x13b0D85CcB8bf860b6b79AF3029fCA081AE9beF2",
            "0xb0550b5b431e30d38000efb7107aaa0ade03d48a7198a140edda9d27134468b2",
        ),
        // npm @safe-global/safe-deployments, v1.3.0.
        (
            "0x69f4D1788e39c87893C980c06EdF4b7f686e2938",
            "0xbba688fbdb21ad2bb58bc320638b43d94e7d100f6f3ebaab0a4e4de6304b1c2e",
        ),
        (
            "0xfb1bffC9d739B8D520DaF37dF666da4C687191EA",
            "0x21842597390c4c6e3c1239e434a682b054bd9548eee5e9b1d6a4482731023c0f",
        ),
        (
            "0x998739BFdAAdde7C933B942a68053933098f9EDa",
            "0x81db0e4afdf5178583537b58c5ad403bd47a4ac7f9bde2442ef3e341d433126a",
        ),
        (
            "0xA1dabEF33b3B82c7814B6D82A79e50F4AC44102B",
            "0xa9865ac2d9c7a1591619b188c4d88167b50df6cc0c5327fcbd1c8c75f7c066ad",
        ),
    ];
    for (address, hash) in published {
        let account = &alloc[&address.parse::<Address>().unwrap()];
        assert_eq!(keccak256(account.code.as_ref().unwrap()), hash.parse::<B256>().unwrap(), "{address}");
    }
}

#[test]
fn permit2_alone_depends_on_the_chain_id() {
    let (one, other) = (L2Genesis::new(1).alloc().unwrap(), L2Genesis::new(2).alloc().unwrap());
    let different: Vec<_> = one.keys().filter(|address| one[*address] != other[*address]).collect();
    assert_eq!(different, [&preinstalls::PERMIT2]);
}

#[test]
fn permit2_on_mainnet_caches_the_domain_that_is_published_for_it() {
    let code = L2Genesis::new(1).alloc().unwrap()[&preinstalls::PERMIT2].code.clone().unwrap();
    let domain = b256!("0x866a5aba21966af95d6c7ab78eb2b2fc913915c28be3b9aa07cc04ff903e3f28");
    assert!(code.windows(32).any(|window| window == domain.as_slice()));
}
