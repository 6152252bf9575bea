use super::*;
use crate::{
    backend::{BatchLog, NodeBackend},
    builder::{
        Blocks, Parent, Sealed,
        testing::{GENESIS_TIME, account, chain, deposit, transfer},
    },
    consensus::{
        TermSchedule,
        block::{BlockLimits, ConsensusBlock},
        testing::{ROLLUP, committee, domain, vote_key},
    },
    signer::Signer as _,
};
use alloy_primitives::{Address, B256, U64};
use surety_rpc::{Backend as _, CertifiedBlock, Feed, FinalizationCertificate};
use surety_types::{
    ConsensusContext, L2Height, Milliseconds, Seconds, Term, View,
    evidence::{Equivocation, SignedStatement},
    signing::{Finalize, Nullify, SignatureSet, Statement},
};

const SEATS: u64 = 4;

/// A leader that seals whatever the test wants, and certificates by any seats.
struct Committee {
    blocks: Blocks,
    genesis: B256,
}

impl Committee {
    fn new() -> Self {
        let blocks = chain(None);
        blocks.inbox().push(deposit(0, account(1), 100_000)).unwrap();
        let genesis = blocks.store().genesis().hash;
        Self { blocks, genesis }
    }

    fn parent(&self, hash: B256) -> Parent {
        self.blocks.parent(hash).unwrap().unwrap()
    }

    /// A block on `parent` in a view, by a leader.
    fn seal(&self, parent: B256, view: u64, leader: u8) -> (Sealed, ConsensusContext) {
        let parent = self.parent(parent);
        let context = ConsensusContext {
            rollup: ROLLUP,
            term: Term::new(1),
            view: View::new(view),
            parent_view: View::new(view - 1),
            milliseconds: parent.milliseconds().saturating_add(200).max(Milliseconds::new(GENESIS_TIME * 1_000 + 200)),
        };
        let mut draft = self.blocks.begin(&parent, context, Address::repeat_byte(leader)).unwrap();
        if parent.header.number > 0 {
            draft.push(transfer(1, parent.header.number, 7)).unwrap();
        }
        (self.blocks.seal(draft).unwrap(), context)
    }

    fn certificate(&self, hash: B256, view: u64, seats: &[u64]) -> FinalizationCertificate {
        let statement = Finalize {
            rollup: ROLLUP.get(),
            term: 1,
            genesis: self.genesis,
            view,
            parentView: view - 1,
            blockHash: hash,
        };
        let digest = domain().digest(&statement);
        let places = seats.iter().map(|seat| (*seat as usize, vote_key(*seat).sign(&digest).unwrap()));
        FinalizationCertificate::new(&statement, &SignatureSet::from_places(places))
    }

    fn block(&self, sealed: &Sealed, context: ConsensusContext, certificate: bool) -> CertifiedBlock {
        let body = ConsensusBlock::new(sealed.header().clone(), Some(context), sealed.transactions().to_vec());
        CertifiedBlock {
            height: U64::from(sealed.header().number),
            hash: sealed.hash(),
            block: body.to_bytes(),
            certificate: certificate.then(|| self.certificate(sealed.hash(), context.view.get(), &[0, 2, 3])),
        }
    }

    /// A chain of so many blocks, all but every third with a certificate.
    fn chain(&self, length: u64) -> Vec<CertifiedBlock> {
        let mut parent = self.genesis;
        (1..=length)
            .map(|view| {
                let (sealed, context) = self.seal(parent, view, 1);
                parent = sealed.hash();
                self.block(&sealed, context, view % 3 != 0)
            })
            .collect()
    }
}

struct Node {
    importer: Importer,
    feeds: Vec<Arc<FeedState>>,
    feed: Arc<Feed>,
    backend: Arc<NodeBackend>,
    blocks: Blocks,
    schedule: TermSchedule,
    dir: tempfile::TempDir,
}

impl Node {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let blocks = chain(None);
        blocks.inbox().push(deposit(0, account(1), 100_000)).unwrap();
        let schedule = TermSchedule::new();
        for (term, start) in [(1, GENESIS_TIME), (2, GENESIS_TIME + 1_000)] {
            schedule.insert(committee(term, start, SEATS));
        }
        let batches = BatchLog::open(&dir.path().join("batches.jsonl")).unwrap();
        let parameters = blocks.parameters().clone();
        let backend = NodeBackend::new(blocks.store().clone(), parameters, Seconds::new(1), None, batches);
        let feed = Arc::new(Feed::new());
        backend.publish(feed.clone());
        let feeds: Vec<_> = ["a", "b", "c"].map(|name| FeedState::new(format!("ws://{name}"))).into();
        let importer = Importer::new(ImporterParts {
            blocks: blocks.clone(),
            schedule: schedule.clone(),
            domain: domain(),
            limits: BlockLimits { rollup: ROLLUP, max_bytes: 1 << 20, base: 0 },
            backend: backend.clone(),
            feed: feed.clone(),
            conflicts: dir.path().join("conflicts.jsonl"),
            feeds: feeds.clone(),
        });
        Self { importer, feeds, feed, backend, blocks, schedule, dir }
    }

    /// An importer beside the node's own, over another chain, other terms or other feeds.
    fn importer_of(&self, blocks: &Blocks, schedule: &TermSchedule, feeds: &[Arc<FeedState>]) -> Importer {
        Importer::new(ImporterParts {
            blocks: blocks.clone(),
            schedule: schedule.clone(),
            domain: domain(),
            limits: BlockLimits { rollup: ROLLUP, max_bytes: 1 << 20, base: 0 },
            backend: self.backend.clone(),
            feed: self.feed.clone(),
            conflicts: self.dir.path().join("conflicts.jsonl"),
            feeds: feeds.to_vec(),
        })
    }

    fn height(&self) -> u64 {
        self.backend.tags().latest.number
    }

    fn bad(&self) -> Vec<bool> {
        self.feeds.iter().map(|feed| feed.is_bad()).collect()
    }
}

#[test]
fn certified_blocks_become_latest_and_are_published_again() {
    let (committee, mut node) = (Committee::new(), Node::new());
    let sent = committee.chain(8);
    let mut heads = node.backend.head_changes();
    for (n, block) in sent.iter().enumerate() {
        node.importer.offer(n % 2, block.clone());
        node.importer.advance();
        // A block without certificate waits for one above it.
        let expected = if block.certificate.is_some() { n + 1 } else { n };
        assert_eq!(node.height(), expected as u64);
    }
    assert_eq!(node.backend.tags().latest.hash, sent[7].hash);
    assert_eq!(node.backend.tags().safe.unwrap().number, 0, "safe comes from L1 alone");
    assert_eq!(heads.try_recv().unwrap().added[0].hash, sent[0].hash);
    let published: Vec<_> = node.feed.blocks(Some(L2Height::ZERO)).0.iter().map(|block| (**block).clone()).collect();
    assert_eq!(published, sent);
    assert_eq!(node.bad(), [false; 3]);
}

#[test]
fn blocks_in_any_order_from_feeds_that_each_hold_a_part_make_the_chain() {
    let (committee, mut node) = (Committee::new(), Node::new());
    let sent = committee.chain(9);
    for (n, block) in sent.iter().enumerate().rev() {
        node.importer.offer(n % 3, block.clone());
    }
    node.importer.advance();
    assert_eq!(node.height(), 8, "the ninth has no certificate");
    node.importer
        .offer(0, committee.block(&committee.seal(sent[8].hash, 10, 1).0, committee.seal(sent[8].hash, 10, 1).1, true));
    node.importer.advance();
    assert_eq!(node.height(), 10);
}

/// Each sort of lie; the liar is left, the others go on.
#[test]
fn a_feed_that_lies_is_marked_bad_and_never_halts_the_node() {
    let committee = Committee::new();
    let sent = committee.chain(5);
    let good = &sent[0];
    let certificate = good.certificate.clone().unwrap();
    let with = |change: &dyn Fn(&mut FinalizationCertificate)| {
        let mut other = certificate.clone();
        change(&mut other);
        CertifiedBlock { certificate: Some(other), ..good.clone() }
    };
    let mut flipped = certificate.signatures.to_vec();
    flipped[70] ^= 1;
    let mut bent = good.block.to_vec();
    bent[40] ^= 1;
    let lies = [
        CertifiedBlock { block: bent.into(), ..good.clone() },
        CertifiedBlock { block: Default::default(), ..good.clone() },
        CertifiedBlock { hash: B256::ZERO, ..good.clone() },
        CertifiedBlock { height: U64::from(2), ..good.clone() },
        CertifiedBlock { certificate: sent[1].certificate.clone(), ..good.clone() },
        CertifiedBlock { certificate: Some(committee.certificate(good.hash, 1, &[0, 3])), ..good.clone() },
        with(&|c| c.signatures = flipped.clone().into()),
        with(&|c| c.signatures = c.signatures.slice(64..)),
        with(&|c| c.signers = U64::from(0b1110)),
        with(&|c| c.signers = U64::from(0b11101)),
        with(&|c| c.rollup = U64::from(1)),
        with(&|c| c.term = U64::from(2)),
        with(&|c| c.view = U64::from(2)),
        with(&|c| c.genesis = B256::ZERO),
    ];
    for (n, lie) in lies.into_iter().enumerate() {
        let mut node = Node::new();
        node.importer.offer(1, lie);
        node.importer.advance();
        assert_eq!((node.height(), node.bad()), (0, vec![false, true, false]), "lie {n}");
        // What it says after that counts for nothing, the same from another does.
        node.importer.offer(1, good.clone());
        node.importer.advance();
        assert_eq!(node.height(), 0);
        for block in &sent {
            node.importer.offer(0, block.clone());
        }
        node.importer.advance();
        assert_eq!(node.height(), 5, "after lie {n}");
    }
}

#[test]
fn blocks_that_no_certificate_reaches_are_held_within_bounds_and_change_nothing() {
    let (committee, mut node) = (Committee::new(), Node::new());
    for leader in 0..50 {
        let (sealed, context) = committee.seal(committee.genesis, 1, leader);
        node.importer.offer(0, committee.block(&sealed, context, false));
    }
    node.importer.advance();
    assert_eq!((node.height(), node.importer.held(), node.bad()), (0, 1, vec![false; 3]));
    // And they keep nothing true out.
    for block in committee.chain(2) {
        node.importer.offer(0, block.clone());
        node.importer.offer(1, block);
    }
    node.importer.advance();
    assert_eq!(node.height(), 2);
}

#[test]
fn a_fork_of_the_committee_is_told_and_both_certificates_are_kept() {
    for known in [false, true] {
        let (committee, mut node) = (Committee::new(), Node::new());
        let rivals = [1, 2].map(|leader| {
            let (sealed, context) = committee.seal(committee.genesis, 1, leader);
            committee.block(&sealed, context, true)
        });
        assert_ne!(rivals[0].hash, rivals[1].hash);
        node.importer.offer(0, rivals[0].clone());
        if known {
            node.importer.advance();
        }
        node.importer.offer(1, rivals[1].clone());
        node.importer.offer(1, rivals[1].clone());
        node.importer.advance();
        assert_eq!(node.height(), 1);
        assert_eq!(node.bad(), [false; 3], "the feeds told the truth");
        let text = std::fs::read_to_string(node.dir.path().join("conflicts.jsonl")).unwrap();
        let kept: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(kept["height"], 1);
        let mut hashes: [B256; 2] =
            [&kept["first"]["blockHash"], &kept["second"]["blockHash"]].map(|h| h.as_str().unwrap().parse().unwrap());
        let mut expected = [rivals[0].hash, rivals[1].hash];
        hashes.sort();
        expected.sort();
        assert_eq!(hashes, expected);
    }
}

#[test]
fn what_a_quorum_certified_wrongly_is_not_taken_and_said() {
    let (committee, mut node) = (Committee::new(), Node::new());
    let (sealed, context) = committee.seal(committee.genesis, 1, 1);
    let header = surety_types::Header { state_root: B256::repeat_byte(9), ..sealed.header().clone() };
    let body = ConsensusBlock::new(header, Some(context), sealed.transactions().to_vec());
    let wrong = CertifiedBlock {
        height: U64::from(1),
        hash: body.hash(),
        block: body.to_bytes(),
        certificate: Some(committee.certificate(body.hash(), 1, &[0, 1, 2])),
    };
    node.importer.offer(0, wrong);
    node.importer.advance();
    assert_eq!((node.height(), node.importer.halted(), node.bad()), (0, true, vec![false; 3]));
}

#[test]
fn messages_and_committees_that_l1_has_not_told_of_yet_are_waited_for() {
    let committee = Committee::new();
    let sent = committee.chain(2);
    let mut node = Node::new();
    // A node whose L1 is a little behind.
    let blocks = chain(None);
    node.importer = node.importer_of(&blocks, &TermSchedule::new(), &node.feeds);
    for block in &sent {
        node.importer.offer(0, block.clone());
    }
    node.importer.advance();
    assert_eq!((blocks.store().head().number, node.bad()), (0, vec![false; 3]));

    let mut node = Node::new();
    let late = chain(None);
    node.importer = node.importer_of(&late, &node.schedule, &node.feeds);
    for block in &sent {
        node.importer.offer(0, block.clone());
    }
    node.importer.advance();
    assert_eq!(late.store().head().number, 0);
    late.inbox().push(deposit(0, account(1), 100_000)).unwrap();
    node.importer.advance();
    assert_eq!((late.store().head().number, node.importer.halted()), (2, false));
}

#[test]
fn evidence_is_passed_on_only_if_it_shows_a_seats_guilt() {
    let node = Node::new();
    let sign = |seat: u64, statement: Statement| SignedStatement {
        signature: vote_key(seat).sign(&statement.digest(&domain())).unwrap(),
        statement,
    };
    let pair = |seat: u64, view: u64| {
        let genesis = node.blocks.store().genesis().hash;
        let nullify = Nullify { rollup: ROLLUP.get(), term: 1, genesis, view: 3 };
        let finalize =
            Finalize { rollup: ROLLUP.get(), term: 1, genesis, view, parentView: 2, blockHash: B256::repeat_byte(1) };
        Equivocation { first: sign(seat, nullify.into()), second: sign(seat, finalize.into()) }
    };
    node.importer.evidence(0, pair(2, 3));
    node.importer.evidence(1, pair(2, 4));
    node.importer.evidence(2, pair(17, 3));
    assert_eq!(node.bad(), [false, true, true]);
    assert_eq!(node.feed.evidence().0, [Arc::new(pair(2, 3))]);
}

/// The whole way over WebSocket: one node serves its feed, the other follows it beside a feed that lies and one that is away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_follows_feeds_over_the_network_and_passes_transactions_on() {
    use surety_rpc::{Config, serve};
    let committee = Committee::new();
    let sent = committee.chain(6);
    let local = || Config { address: (std::net::Ipv4Addr::LOCALHOST, 0).into(), ..Config::default() };
    let (good, liar) = (Node::new(), Node::new());
    let servers =
        [serve(good.backend.clone(), local()).await.unwrap(), serve(liar.backend.clone(), local()).await.unwrap()];
    for block in &sent[..3] {
        good.feed.publish(block.clone());
    }
    liar.feed.publish(CertifiedBlock { certificate: sent[1].certificate.clone(), ..sent[0].clone() });
    let mut urls: Vec<String> = servers.iter().map(|server| format!("ws://{}", server.address())).collect();
    urls.push("ws://127.0.0.1:1".into());

    let node = Node::new();
    let feeds: Vec<_> = urls.into_iter().map(FeedState::new).collect();
    let importer = node.importer_of(&node.blocks, &node.schedule, &feeds);
    let task = tokio::spawn(run(importer, feeds.clone()));
    let reach = async |height: u64| {
        for _ in 0..400 {
            if node.height() >= height {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        panic!("height {} of {height}", node.height());
    };
    reach(2).await;
    for block in &sent[3..] {
        good.feed.publish(block.clone());
    }
    reach(5).await;
    assert_eq!(node.blocks.store().canonical_hash(5).unwrap(), Some(sent[4].hash));
    assert!(feeds[1].is_bad() && !feeds[0].is_bad() && !feeds[2].is_bad());

    // No node here has a pool: the first one's refusal is the answer, in its words.
    let forwarder = Forwarder::new(feeds);
    let transaction = transfer(1, 0, 7);
    let raw = alloy_eips::eip2718::Encodable2718::encoded_2718(transaction.inner()).into();
    let refused = forwarder.submit(&surety_rpc::Submission { transaction, sidecar: None, raw }).await.unwrap_err();
    assert_eq!(refused.to_string(), surety_rpc::SubmitError::ReadOnly.to_string());
    task.abort();
    for server in servers {
        server.stop().await;
    }
}
