//! Chains for the tests of this crate: one imported from an RLP file, one that makes its own blocks.
#![allow(dead_code, unreachable_pub)]

use alloy_consensus::{EthereumTxEnvelope, Header, SignableTransaction, Signed, TxEip1559, TxEip4844};
use alloy_eips::Encodable2718;
use alloy_genesis::{Genesis, GenesisAccount};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, Signature, TxKind, U256, keccak256};
use alloy_trie::TrieAccount;
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use surety_rpc::{
    BlockRef, ChainBackend, ChainBackendParts, ChainKind, HeadChange, StoredBlock, Tags, chain::SidecarCheck,
};
use surety_state::{Config, ExecutedBlock, Store};
use surety_stf::execute::ethereum::{self, Attributes, BlockExecutor, ForkSchedule};
use surety_types::{Account, AccountChange, Block, Recovered, StateChanges, Transaction};

/// Where the vectors of others are, or `None` with the reason printed. In CI they must be there.
pub fn vectors(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("SURETY_VECTORS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"), PathBuf::from);
    let path = root.join(folder);
    if path.is_dir() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is missing: set SURETY_VECTORS", path.display());
    println!("skipped: {} is missing (set SURETY_VECTORS)", path.display());
    None
}

/// The accounts of a genesis file.
pub fn alloc(genesis: &Genesis) -> StateChanges {
    let mut changes = StateChanges::default();
    for (address, account) in &genesis.alloc {
        let code = account.code.clone().unwrap_or_default();
        let code_hash = if code.is_empty() { KECCAK256_EMPTY } else { keccak256(&code) };
        if !code.is_empty() {
            changes.code.insert(code_hash, code);
        }
        let storage = account.storage.iter().flatten();
        let change = AccountChange {
            account: Some(Account { nonce: account.nonce.unwrap_or_default(), balance: account.balance, code_hash }),
            storage_wiped: false,
            storage: storage.map(|(slot, value)| ((*slot).into(), (*value).into())).collect(),
        };
        changes.accounts.insert(*address, change);
    }
    changes
}

pub fn state_root(genesis: &Genesis) -> B256 {
    let accounts = genesis.alloc.iter().map(|(address, account)| (*address, TrieAccount::from(account.clone())));
    alloy_trie::root::state_root_unhashed(accounts)
}

/// An embedded chain over a temporary store.
pub struct TestChain {
    pub store: Store,
    pub schedule: Arc<ForkSchedule>,
    pub backend: Arc<ChainBackend>,
}

impl TestChain {
    pub fn open(genesis: &Genesis, schedule: ForkSchedule, header: Header, sidecars: Option<SidecarCheck>) -> Self {
        let header = Header { state_root: state_root(genesis), ..header };
        let start = surety_state::Genesis { header, alloc: alloc(genesis) };
        let config = Config { max_bytes: 1 << 30, ..Config::default() };
        let store = Store::open(None, config, start).expect("a temporary store opens");
        let schedule = Arc::new(schedule);
        let head = store.head();
        let backend = Arc::new(ChainBackend::new(ChainBackendParts {
            store: store.clone(),
            chain: ChainKind::L1((*schedule).clone()),
            tags: Tags { latest: head, safe: None, finalized: None },
            pool_capacity: 1000,
            sidecar_check: sidecars,
        }));
        Self { store, schedule, backend }
    }

    /// An Osaka chain with one rich account for each key.
    pub fn osaka(rich: &[Address], contracts: &[(Address, Bytes)]) -> Self {
        let mut genesis = Genesis::default();
        for address in rich {
            let balance = U256::from(10).pow(U256::from(21));
            genesis.alloc.insert(*address, GenesisAccount { balance, ..GenesisAccount::default() });
        }
        for (address, code) in contracts {
            genesis.alloc.insert(*address, GenesisAccount { code: Some(code.clone()), ..GenesisAccount::default() });
        }
        let schedule = ForkSchedule::since_genesis(1337, alloy_hardforks::EthereumHardfork::Osaka);
        let before = Header { gas_limit: 30_000_000, ..Header::default() };
        let mut header = ethereum::next_header(&schedule, &before, B256::ZERO, &Attributes::default());
        header.number = 0;
        header.gas_limit = 30_000_000;
        header.base_fee_per_gas = Some(1_000_000_000);
        header.transactions_root = alloy_trie::EMPTY_ROOT_HASH;
        header.receipts_root = alloy_trie::EMPTY_ROOT_HASH;
        Self::open(&genesis, schedule, header, None)
    }

    fn keep(&self, executed: ethereum::ExecutedBlock, block: Option<Block>, parent: B256) -> Arc<StoredBlock> {
        let view = self.store.view(parent).expect("the parent is there");
        let roots = view.root(&executed.changes).expect("a root");
        let (senders, receipts, changes) =
            (executed.senders.clone(), executed.receipts.clone(), executed.changes.clone());
        let block = block.unwrap_or_else(|| ethereum::seal(executed, roots.state_root));
        let hash = block.hash();
        let updates = roots.updates;
        let aux = Bytes::new();
        self.store
            .insert(ExecutedBlock { block, hash, senders, receipts, changes, updates, aux })
            .expect("the state root is the header's");
        self.store.block(hash).expect("readable").expect("just inserted")
    }

    /// Executes and keeps a block of somebody else's.
    pub fn import(&self, block: Block) -> Arc<StoredBlock> {
        let parent = block.header.parent_hash;
        let parent_header = self.store.header(parent).expect("readable").expect("the parent is there");
        ethereum::validate_header(&self.schedule, &parent_header, &block.header).expect("a valid header");
        let view = self.store.view(parent).expect("the parent's state is there");
        let mut root = |changes: &StateChanges| view.root(changes).expect("a root").state_root;
        let executed = ethereum::execute_block(&self.schedule, &block, view.clone(), Some(&mut root))
            .unwrap_or_else(|error| panic!("block {}: {error}", block.header.number));
        self.keep(executed, Some(block), parent)
    }

    /// Makes a block on `parent` without announcing it.
    pub fn build(&self, parent: B256, transactions: &[Recovered<Transaction>], salt: u8) -> Arc<StoredBlock> {
        let parent_header = self.store.header(parent).expect("readable").expect("the parent is there");
        let attributes = Attributes {
            timestamp: parent_header.timestamp + 2,
            extra_data: vec![salt].into(),
            ..Attributes::default()
        };
        let header = ethereum::next_header(&self.schedule, &parent_header, parent, &attributes);
        let view = self.store.view(parent).expect("the parent's state is there");
        let mut executor = BlockExecutor::new(&self.schedule, header, &[], Some(Default::default()), view, None)
            .expect("a block begins");
        for tx in transactions {
            executor.push(tx.clone()).expect("a valid transaction");
        }
        self.keep(executor.finish().expect("a block ends"), None, parent)
    }

    /// Makes blocks the head.
    pub fn announce(&self, removed: Vec<Arc<StoredBlock>>, added: Vec<Arc<StoredBlock>>) {
        let latest = added.last().expect("something is added").at();
        self.store.set_head(latest.hash).expect("it is in memory");
        self.backend
            .advance(HeadChange { removed, added }, Tags { latest, ..surety_rpc::Backend::tags(&*self.backend) });
    }

    /// Makes a block of what waits in the pool and announces it.
    pub fn mine(&self) -> Arc<StoredBlock> {
        let head: BlockRef = self.store.head();
        let waiting = self.backend.pool().best(0, 0, self.backend.nonces());
        let transactions: Vec<_> = waiting.into_iter().map(|pooled| (*pooled.transaction).clone()).collect();
        let block = self.build(head.hash, &transactions, 0);
        self.announce(Vec::new(), vec![block.clone()]);
        block
    }
}

/// A key for tests.
pub struct Key(k256::ecdsa::SigningKey);

impl Key {
    pub fn new(n: u8) -> Self {
        Self(k256::ecdsa::SigningKey::from_slice(&[n; 32]).expect("a scalar"))
    }

    pub fn address(&self) -> Address {
        Address::from_private_key(&self.0)
    }

    pub fn sign<T>(&self, tx: T) -> Transaction
    where
        T: SignableTransaction<Signature>,
        Signed<T>: Into<EthereumTxEnvelope<TxEip4844>>,
    {
        let hash = tx.signature_hash();
        let signature = self.0.sign_prehash_recoverable(hash.as_slice()).expect("a signature");
        let envelope: EthereumTxEnvelope<TxEip4844> = tx.into_signed(signature.into()).into();
        envelope.into()
    }

    /// An EIP-1559 transfer or call.
    pub fn call(&self, chain_id: u64, nonce: u64, to: Address, value: u64, input: Bytes) -> Transaction {
        self.sign(TxEip1559 {
            chain_id,
            nonce,
            gas_limit: 200_000,
            max_fee_per_gas: 10_000_000_000,
            max_priority_fee_per_gas: 2_000_000_000,
            to: TxKind::Call(to),
            value: U256::from(value),
            input,
            access_list: Default::default(),
        })
    }
}

pub fn raw(tx: &Transaction) -> String {
    alloy_primitives::hex::encode_prefixed(tx.encoded_2718())
}

/// One HTTP request, one answer: status and body as they came.
pub fn post(address: SocketAddr, body: &str, headers: &[(&str, &str)]) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket option");
    let mut request = format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    request.push_str(body);
    // A server that refuses early closes before all is written.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, head.to_owned(), body.to_owned())
}

/// One JSON-RPC call: the whole answer.
pub fn call(address: SocketAddr, method: &str, params: Value) -> Value {
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let (status, _, body) = post(address, &request.to_string(), &[]);
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).expect("JSON")
}
