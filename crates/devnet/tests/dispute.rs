//! Somebody opposes a right claim: a challenger beside a follower answers, and the rival falls. With a damaged database or a lying
//! endpoint a challenger opposes nothing. (The drills `invalid-state` and others oppose what is wrong.)
#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use alloy::sol_types::{SolCall as _, SolEvent as _};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use support::until;
use surety_contracts::bindings::{Claims, Inbox};
use surety_devnet::{
    l1::dev_accounts,
    network::{Network, NetworkConfig},
};
use surety_dispute::posting::posting;
use surety_l1::{
    BlockAt, BlockRef, Call, L1, L1Transaction,
    blobs::Archive,
    chain::{Answer, Blob, Fees, Inclusion, L1Log},
    contracts::Contracts,
    records::Records,
    rpc::{RpcConfig, RpcL1},
    submit::{SubmitConfig, Submitter},
};
use surety_node::{
    challenger::{Challenger, Power},
    follower::DerivedBatch,
    follower_node::{FollowerNode, FollowerNodeConfig},
    party::Party,
    poster::Rehearsal,
};
use surety_rpc::Backend as _;
use surety_state::{ExecutedBlock, Store};
use surety_types::{
    Account, AccountChange, BatchIndex, L1Height, StateChanges,
    claim::{BlockHashTree, Claim},
};
use tokio::sync::watch;

const POLL: Duration = Duration::from_millis(500);
/// The development accounts of the challenger and of who is wrong.
const CHALLENGER: usize = 5;
const LIAR: usize = 6;

/// One of the development accounts, on a node.
async fn party(l1: &Arc<dyn L1>, network: &Network, node: &FollowerNode, place: usize, directory: &Path) -> Party {
    let chain = network.chain().clone();
    let slot = Duration::from_secs(chain.protocol.slot_time);
    let settings = SubmitConfig::new(directory.join(format!("account-{place}"))).for_slot_time(slot);
    let key = dev_accounts().unwrap()[place].clone();
    let submitter = Arc::new(Submitter::open(l1.clone(), Arc::new(key), settings).await.unwrap());
    Party { l1: l1.clone(), chain, store: node.backend().store().clone(), submitter }
}

/// Claims that a batch which a committee signed ended in another block. Gives the right claim and the wrong one.
async fn oppose(liar: &Party, index: BatchIndex) -> (Claim, Claim) {
    assert!(liar.join().await.unwrap());
    until("the rival stands", async || {
        // What shows L1 that the batch was posted changes with the next one.
        let mut records = Records::new(&*liar.l1, &liar.chain).await.unwrap();
        let (statement, later) = records.posted(index).await.unwrap().unwrap();
        let right = records.claims_of(index).await.unwrap()[0];
        let parent = records.claim(right.parent).await.unwrap().unwrap();
        let heights = statement.firstHeight..=statement.lastHeight;
        let mut hashes: Vec<_> =
            heights.map(|height| liar.store.canonical_hash(height).unwrap()).collect::<Option<_>>()?;
        *hashes.last_mut().unwrap() = B256::repeat_byte(0x66);
        let root = BlockHashTree::new(&hashes).unwrap().root();
        let wrong = Claim { last_hash: B256::repeat_byte(0x66), block_hash_root: root, ..right };
        let posting = posting(&wrong, &parent, Some(&right), &statement, later, &hashes).unwrap();
        let call = Claims::postBondedCall { claim_: (&wrong).into(), posting }.abi_encode();
        let sent = liar.send(liar.chain.addresses.claims.into(), U256::ZERO, call.into()).await.unwrap();
        sent.map(|_| (right, wrong))
    })
    .await
}

/// A follower of L1 with what a challenger beside it needs.
struct Watcher {
    l1: Arc<dyn L1>,
    node: FollowerNode,
    archive: Arc<Archive>,
    directory: PathBuf,
}

impl Watcher {
    async fn start(network: &Network, directory: PathBuf) -> Self {
        let (rpc, beacon) = network.l1_urls();
        let archive = Arc::new(Archive::open(directory.join("blobs"), Archive::ALL).unwrap());
        let config = RpcConfig::new(rpc, [beacon.to_owned()]);
        let l1: Arc<dyn L1> = Arc::new(RpcL1::new(config, Some(archive.clone())).unwrap());
        let config = FollowerNodeConfig {
            chain: network.chain().clone(),
            directory: directory.clone(),
            l1: l1.clone(),
            poll: POLL,
            feeds: Vec::new(),
        };
        let node = FollowerNode::start(config).await.unwrap();
        Self { l1, node, archive, directory }
    }

    async fn challenger(&self, network: &Network, l1: &Arc<dyn L1>) -> Challenger {
        Challenger {
            party: party(l1, network, &self.node, CHALLENGER, &self.directory).await,
            follower: self.node.status(),
            posted: self.node.posted(),
            archive: self.archive.clone(),
            rehearsal: Arc::new(Rehearsal::whole(self.directory.join("differences"))),
            power: Power::Dispute,
            poll: POLL,
        }
    }

    /// Waits until it has a batch that is signed and not final.
    async fn batch(&self) -> DerivedBatch {
        until("the follower has a batch", async || {
            let status = self.node.status().borrow().clone();
            (status.caught_up && status.safe.index > BatchIndex::ZERO).then_some(status.safe)
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_claim_is_defended_and_its_rival_falls() {
    let directory = tempfile::tempdir().unwrap();
    let network = Network::start(NetworkConfig::new(directory.path().join("network"))).await.unwrap();
    let watcher = Watcher::start(&network, directory.path().join("challenger")).await;
    let contracts = Contracts::new(&*watcher.l1, network.chain().addresses);
    let challenger = watcher.challenger(&network, &watcher.l1).await;
    let (stop, stopped) = watch::channel(false);
    let challenger = tokio::spawn(challenger.run(stopped));

    let index = watcher.batch().await.index;
    let liar = party(&watcher.l1, &network, &watcher.node, LIAR, directory.path()).await;
    let (right, wrong) = oppose(&liar, index).await;
    until("the rival falls", async || {
        contracts.claim(wrong.id(), BlockAt::Latest).await.unwrap().unwrap().has_fallen.then_some(())
    })
    .await;
    until("the right claim is final", async || {
        contracts.claim(right.id(), BlockAt::Latest).await.unwrap().unwrap().is_final.then_some(())
    })
    .await;
    let lost = contracts.party(liar.submitter.address(), BlockAt::Latest).await.unwrap();
    assert!(!lost.fellAt.is_zero(), "who was wrong loses the bond");
    let term = contracts.current_term(BlockAt::Latest).await.unwrap();
    for member in contracts.committee(term, BlockAt::Latest).await.unwrap() {
        assert_eq!(contracts.seat(member.seat, BlockAt::Latest).await.unwrap().frozenAt, 0, "who was right stays");
    }
    stop.send(true).unwrap();
    challenger.await.unwrap();
    watcher.node.stop().await;
    network.stop().await;
}

/// An endpoint that says of one batch that a committee signed another last block, or leaves the batch out.
struct LyingL1 {
    honest: Arc<dyn L1>,
    batch: BatchIndex,
    omits: bool,
    /// The right claim, of which it says that L1 has none.
    hides: Option<B256>,
}

impl LyingL1 {
    fn falsify(&self, log: &mut L1Log) -> bool {
        let Ok(mut posted) = Inbox::BatchPosted::decode_log(&log.log).map(|log| log.data) else { return true };
        if posted.batchIndex != self.batch.get() {
            return true;
        }
        posted.statement.lastHash = B256::repeat_byte(0x66);
        log.log.data = posted.encode_log_data();
        !self.omits
    }
}

impl L1 for LyingL1 {
    fn chain_id(&self) -> Answer<'_, u64> {
        self.honest.chain_id()
    }

    fn block(&self, at: BlockAt) -> Answer<'_, Option<BlockRef>> {
        self.honest.block(at)
    }

    fn logs<'a>(&'a self, from: L1Height, to: L1Height, addresses: &'a [Address]) -> Answer<'a, Vec<L1Log>> {
        Box::pin(async move {
            let mut logs = self.honest.logs(from, to, addresses).await?;
            logs.retain_mut(|log| self.falsify(log));
            Ok(logs)
        })
    }

    fn transaction(&self, hash: B256) -> Answer<'_, Option<L1Transaction>> {
        self.honest.transaction(hash)
    }

    fn call<'a>(&'a self, call: &'a Call, at: BlockAt) -> Answer<'a, Bytes> {
        Box::pin(async move {
            let answer = self.honest.call(call, at).await?;
            let asks = Claims::claimCall::abi_decode(&call.input).ok().map(|call| call.id);
            // No claim is a record of zeros.
            let is_hidden = asks.is_some() && asks == self.hides;
            Ok(if is_hidden { vec![0; answer.len()].into() } else { answer })
        })
    }

    fn code(&self, address: Address, at: BlockAt) -> Answer<'_, Bytes> {
        self.honest.code(address, at)
    }

    fn blobs<'a>(&'a self, block: BlockRef, hashes: &'a [B256]) -> Answer<'a, Vec<Box<Blob>>> {
        self.honest.blobs(block, hashes)
    }

    fn fees(&self) -> Answer<'_, Fees> {
        self.honest.fees()
    }

    fn balance(&self, address: Address) -> Answer<'_, U256> {
        self.honest.balance(address)
    }

    fn nonce(&self, address: Address) -> Answer<'_, u64> {
        self.honest.nonce(address)
    }

    fn estimate_gas<'a>(&'a self, call: &'a Call) -> Answer<'a, u64> {
        self.honest.estimate_gas(call)
    }

    fn send_raw<'a>(&'a self, transaction: &'a [u8]) -> Answer<'a, ()> {
        self.honest.send_raw(transaction)
    }

    fn inclusion(&self, hash: B256) -> Answer<'_, Option<Inclusion>> {
        self.honest.inclusion(hash)
    }
}

/// Puts another block in the place of the newest one, in which somebody is rich.
fn damage(store: &Store) {
    let head = store.committed();
    let block = store.block(head.hash).unwrap().unwrap();
    store.unwind_to(head.number - 1).unwrap();
    let parent = store.view(block.block.header.parent_hash).unwrap();
    let rich = Account { nonce: 0, balance: U256::MAX, code_hash: KECCAK256_EMPTY };
    let change = AccountChange { account: Some(rich), ..AccountChange::default() };
    let changes = StateChanges { accounts: [(Address::repeat_byte(0x66), change)].into(), ..StateChanges::default() };
    let roots = parent.root(&changes).unwrap();
    let mut forged = block.block.clone();
    forged.header.state_root = roots.state_root;
    let hash = forged.header.hash_slow();
    let (senders, receipts, aux) = (block.senders.clone(), block.receipts.clone(), block.aux.clone());
    let executed = ExecutedBlock { block: forged, hash, senders, receipts, changes, updates: roots.updates, aux };
    store.insert(executed).unwrap();
    store.set_head(hash).unwrap();
    store.commit(hash).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_damaged_database_or_a_lying_endpoint_nothing_right_is_opposed() {
    let directory = tempfile::tempdir().unwrap();
    let network = Network::start(NetworkConfig::new(directory.path().join("network"))).await.unwrap();
    let watcher = Watcher::start(&network, directory.path().join("challenger")).await;
    let contracts = Contracts::new(&*watcher.l1, network.chain().addresses);
    let nobody = dev_accounts().unwrap()[CHALLENGER].address();
    let batch = watcher.batch().await;
    // The node stops here, so that nothing mends its database; L1 goes on.
    let mut status = watcher.node.status().borrow().clone();
    let (store, posted) = (watcher.node.backend().store().clone(), watcher.node.posted());
    let healthy = watcher.challenger(&network, &watcher.l1).await;
    let party = healthy.party.clone();
    watcher.node.stop().await;
    let (tell, told) = watch::channel(status.clone());
    let with = |l1: Arc<dyn L1>| Challenger {
        party: Party { l1, ..party.clone() },
        follower: told.clone(),
        posted: posted.clone(),
        archive: watcher.archive.clone(),
        rehearsal: healthy.rehearsal.clone(),
        power: Power::Dispute,
        poll: POLL,
    };
    let of = |outcome: Result<(), Box<dyn std::error::Error + Send + Sync>>| outcome.map_err(|error| error.to_string());
    let sent_nothing = async || assert_eq!(watcher.l1.nonce(nobody).await.unwrap(), 0, "a transaction was sent");
    let honest = with(watcher.l1.clone());
    assert_eq!(of(honest.once().await), Ok(()), "nothing is wrong");

    // An endpoint that changes what was signed, and one that leaves it out.
    let lying = |omits, hides| {
        Arc::new(LyingL1 { honest: watcher.l1.clone(), batch: batch.index, omits, hides }) as Arc<dyn L1>
    };
    let said = of(with(lying(false, None)).once().await).unwrap_err();
    assert!(said.contains("an endpoint lies"), "{said}");
    let said = of(with(lying(true, None)).once().await).unwrap_err();
    assert!(said.contains("L1's logs lack batch"), "{said}");

    // A node that is behind, and one that says so.
    status.caught_up = false;
    tell.send_replace(status.clone());
    assert_eq!(of(honest.once().await), Ok(()), "it waits");
    status.caught_up = true;
    status.l1_head = watcher.l1.block(BlockAt::Latest).await.unwrap();
    tell.send_replace(status);
    assert_eq!(of(honest.once().await), Ok(()), "it judges what it has");

    // A block that is another one, and blocks that are missing.
    damage(&store);
    let said = of(honest.once().await).unwrap_err();
    assert!(said.contains("nothing is opposed") || said.contains("its logs up to"), "{said}");
    // Not even if L1 seems to lack the right claim.
    let said = of(with(lying(false, Some(batch.claim.id()))).once().await).unwrap_err();
    assert!(said.contains("nothing is opposed"), "{said}");
    store.unwind_to(store.committed().number - 1).unwrap();
    let said = of(honest.once().await).unwrap_err();
    assert!(said.contains("lacks a block of batch"), "{said}");
    sent_nothing().await;

    let right = batch.claim.id();
    until("the right claim is final", async || {
        contracts.claim(right, BlockAt::Latest).await.unwrap().unwrap().is_final.then_some(())
    })
    .await;
    network.stop().await;
}
