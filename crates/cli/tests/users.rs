//! What a user does with a chain, with the program: in, out, by force, and out of a dead chain by proofs alone.

use alloy::{
    network::{EthereumWallet, TransactionBuilder},
    primitives::{Address, B256, U256, address, hex, utils::parse_ether},
    providers::{DynProvider, Provider, ProviderBuilder},
    rpc::types::TransactionRequest,
    sol,
    sol_types::SolCall,
};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};
use surety_contracts::genesis::bindings::{
    OptimismMintableERC20Factory::createOptimismMintableERC20WithDecimalsCall, WETH,
};
use surety_devnet::{
    l1::{EmbeddedL1Handle, dev_accounts},
    network::{Network, NetworkConfig},
};

/// The dev account that all this is about.
const ACCOUNT: usize = 5;
const FACTORY: &str = "0x4200000000000000000000000000000000000012";
/// Who had nothing before.
const FRIEND: Address = address!("0x00000000000000000000000000000000000b0b01");
const PAID: Address = address!("0x00000000000000000000000000000000000b0b02");
const ESCAPED: Address = address!("0x00000000000000000000000000000000000b0b03");

sol! {
    function deposit() external payable;
    function balanceOf(address account) external view returns (uint256);
}

struct User {
    l1: String,
    beacon: String,
    directory: PathBuf,
}

impl User {
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_surety"));
        command.args(arguments).args(["--l1", &self.l1, "--dev-account", &ACCOUNT.to_string(), "--json"]);
        command.arg("--chain").arg(self.directory.join("network/chain.json"));
        command.arg("--data-dir").arg(self.directory.join("user"));
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// What a command that must succeed says.
    fn does(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        println!("--- {arguments:?}\n{text}{}", String::from_utf8_lossy(&output.stdout));
        assert!(output.status.success(), "{arguments:?}: {text}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {text}"))
    }

    /// What a command that must be refused says, and why.
    fn is_refused(&self, arguments: &[&str], why: &str) -> Value {
        let output = self.run(arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(why), "{arguments:?}: {text}");
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    fn exit(&self, more: &[&str]) -> Vec<String> {
        let follower = self.directory.join("follower").display().to_string();
        let to = ESCAPED.to_string();
        let usual = ["exit", "--l1-beacon", &self.beacon, "--follower-dir", &follower, "--to", &to];
        usual.iter().chain(more).map(|text| (*text).to_owned()).collect()
    }
}

fn borrowed(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

fn ether(amount: &str) -> U256 {
    parse_ether(amount).unwrap()
}

/// A token on L1 that is worth ether, of which the account has 10.
async fn make_token(l1: &DynProvider) -> Address {
    let create = TransactionRequest::default().with_deploy_code(WETH::BYTECODE.clone());
    let receipt = l1.send_transaction(create).await.unwrap().get_receipt().await.unwrap();
    let token = receipt.contract_address.unwrap();
    let wrap =
        TransactionRequest::default().with_to(token).with_value(ether("10")).with_input(depositCall {}.abi_encode());
    assert!(l1.send_transaction(wrap).await.unwrap().get_receipt().await.unwrap().status());
    token
}

async fn tokens_of(l1: &DynProvider, token: Address, account: Address) -> U256 {
    let call = TransactionRequest::default().with_to(token).with_input(balanceOfCall { account }.abi_encode());
    balanceOfCall::abi_decode_returns(&l1.call(call).await.unwrap()).unwrap()
}

fn hash(value: &Value) -> B256 {
    value.as_str().unwrap().parse().unwrap()
}

/// Ether and tokens in, by force too; then all ways out while the chain lives. Returns the token on L2 and a withdrawal that
/// nobody proved.
async fn live(user: &User, l1: &DynProvider, l2: &str, token: Address) -> (String, B256) {
    let friend = FRIEND.to_string();
    let dry = user.does(&["deposit", "2ether", "--to", &friend, "--l2", l2, "--dry-run"]);
    assert_eq!(dry["dryRun"], true);
    user.is_refused(&["deposit", "2", "--to", &friend, "--l2", l2], "Add the unit");
    user.is_refused(&["deposit", "2ether", "--l2", l2, "--max-fee", "1wei"], "--max-fee is");
    let came = user.does(&["deposit", "2ether", "--to", &friend, "--l2", l2]);
    assert_eq!((came["credited"].clone(), came["balance"].clone()), (true.into(), ether("2").to_string().into()));

    // A token's counterpart on L2 is made by a forced transaction.
    let call = createOptimismMintableERC20WithDecimalsCall {
        remoteToken: token,
        name: "Wrapped".into(),
        symbol: "W".into(),
        decimals: 18,
    };
    let data = hex::encode_prefixed(call.abi_encode());
    let token_text = token.to_string();
    user.is_refused(&["deposit", "3", "--token", &token_text, "--l2", l2], "no token on L2 stands for");
    let made = user.does(&["force", "--to", FACTORY, "--data", &data, "--gas", "3000000", "--l2", l2]);
    assert_eq!(made["success"], true);
    let came = user.does(&["deposit", "3", "--token", &token_text, "--l2", l2]);
    assert_eq!(came["credited"], true);
    let l2_token = came["l2Token"].as_str().unwrap().to_owned();

    // Out: one by itself, one forced, one that is left unproven.
    let paid = PAID.to_string();
    let begin = |more: &[&str]| {
        let usual = ["withdraw", "--l2", l2, "--to", &paid, "--no-wait"];
        hash(&user.does(&[&usual, more].concat())["l2Transaction"]).to_string()
    };
    let left = begin(&["0.25ether"]);
    let first = begin(&["0.5ether"]);
    let second = begin(&["1", "--token", &l2_token, "--force"]);
    let told = user.does(&["withdraw", "--l2", l2, "--status", &first]);
    let stage = told["withdrawals"][0]["stage"].as_str().unwrap();
    assert!(["unposted", "open"].contains(&stage), "{told}");
    let done = user.does(&["withdraw", "--l2", l2, "--prove", &first, &second]);
    assert_eq!(
        (done["paid"].clone(), done["l1"].as_array().map(Vec::len)),
        (true.into(), Some(1)),
        "both in one: {done}"
    );
    assert_eq!(l1.get_balance(PAID).await.unwrap(), ether("0.5"));
    assert_eq!(tokens_of(l1, token, PAID).await, ether("1"));
    let again = user.does(&["withdraw", "--l2", l2, "--prove", &first]);
    assert_eq!((again["paid"].clone(), again["l1"].as_array().map(Vec::len)), (true.into(), Some(0)), "{again}");
    user.is_refused(&["withdraw", "--l2", l2, "--retry", &first], "nothing to try again");

    // Seats of a busy machine may be late: then it is open.
    let output = user.run(&["force", "--self-sequence", "--dry-run"]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["open"] == true, output.status.success(), "{told}");
    assert!(told["open"] == true || told["from"].as_u64() > told["now"].as_u64(), "{told}");
    (l2_token, left.parse().unwrap())
}

/// Nobody acts any more.
async fn dead(user: &User, l1: &DynProvider, handle: &EmbeddedL1Handle, token: Address, l2_token: &str) {
    // What is sent now arrives nowhere.
    let token_text = token.to_string();
    user.does(&["deposit", "1ether"]);
    user.does(&["deposit", "1", "--token", &token_text, "--l2-token", l2_token]);
    let exit = user.exit(&[]);
    let closed = user.is_refused(&borrowed(&exit), "the escape is not open");
    assert!(closed["opensAt"].as_u64().unwrap() > closed["now"].as_u64().unwrap(), "{closed}");
    handle.control().increase_time(400);
    handle.control().mine(1).await.unwrap();

    let dry = user.does(&borrowed(&user.exit(&["--dry-run"])));
    assert_eq!(dry["paid"].as_array().map(Vec::len), Some(5), "{dry}");
    assert_eq!(l1.get_balance(ESCAPED).await.unwrap(), U256::ZERO);
    let done = user.does(&borrowed(&exit));
    let kinds: Vec<_> = done["paid"].as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ether", "token", "refund", "refund", "withdrawals"], "{done}");
    // 500 at first; 0.75 were withdrawn and some gas paid; 1 came back that never arrived.
    let has = l1.get_balance(ESCAPED).await.unwrap();
    assert!(has > ether("500.1") && has < ether("500.3"), "{has}");
    assert_eq!(tokens_of(l1, token, ESCAPED).await, ether("3"), "3 less 1 from L2, and 1 that never arrived");
    assert_eq!(l1.get_balance(PAID).await.unwrap(), ether("0.75"), "the withdrawal that nobody had proved");

    let refused = user.is_refused(&borrowed(&exit), "nothing to pay");
    assert_eq!(refused["paid"], Value::Array(Vec::new()));
    assert_eq!(l1.get_balance(ESCAPED).await.unwrap(), has, "nothing is paid twice");
    user.is_refused(&["force", "--self-sequence"], "the chain has ended");
    user.is_refused(&["deposit", "1ether"], "the chain has ended");
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path: &Path = folder.path();
    let path = path.to_owned();
    (folder, path)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "nightly: minutes"]
async fn users_come_in_and_go_out_and_leave_a_dead_chain_by_proofs_each_thing_paid_once() {
    let (_folder, directory) = place();
    let config = NetworkConfig { watch: false, ..NetworkConfig::new(directory.join("network")) };
    let network = Network::start(config).await.unwrap();
    let (rpc, beacon) = network.l1_urls();
    let user = User { l1: rpc.to_owned(), beacon: beacon.to_owned(), directory };
    let wallet = EthereumWallet::from(dev_accounts().unwrap().remove(ACCOUNT));
    let l1 = ProviderBuilder::new().wallet(wallet).connect_http(rpc.parse().unwrap()).erased();
    let token = make_token(&l1).await;
    let l2 = network.l2_urls().remove(0);

    // The program's runs block this thread; the network has others.
    let (l2_token, _) = live(&user, &l1, &l2, token).await;
    let handle = network.stop_but_l1().await.expect("its L1 is embedded");
    dead(&user, &l1, &handle, token, &l2_token).await;
    handle.stop().await;
}
