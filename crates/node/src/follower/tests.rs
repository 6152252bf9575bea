use super::{
    actor::StepError,
    testing::{ADDRESSES, FakeL1, Seats},
    *,
};
use crate::{
    builder::testing::{account, chain as new_chain, transfer},
    consensus::{Boundary, TermSchedule, testing::ROLLUP},
    poster::{Form, Proposal},
};
use alloy_primitives::{B256, U256};
use surety_state::{Store, Tag};
use surety_stf::StateReader;
use surety_types::{L1Height, Seconds, Term, claim::BlockHashTree};
use tokio::sync::{mpsc, watch};

/// A follower with its own store, over a fake L1.
struct World {
    l1: Arc<FakeL1>,
    seats: Seats,
    dir: tempfile::TempDir,
    store: Store,
    follower: Follower,
    status: watch::Receiver<Status>,
    notices: mpsc::UnboundedReceiver<Notice>,
}

fn follow(
    l1: &Arc<FakeL1>,
    store: &Store,
    dir: &tempfile::TempDir,
) -> (Follower, watch::Receiver<Status>, mpsc::UnboundedReceiver<Notice>) {
    let (sender, notices) = mpsc::unbounded_channel();
    let config = Config {
        l1: FollowConfig::new(ADDRESSES, ROLLUP, L1Height::new(1), 4, Seconds::new(30)),
        progress: dir.path().join("follower.json"),
        posted: PostedBatches::open(dir.path().join("posted"), 1_000_000).unwrap(),
        poll: Duration::from_millis(1),
    };
    let blocks = new_chain(None);
    let chain = Chain::new(store.clone(), Arc::new(blocks.parameters().clone()));
    let (follower, status) = Follower::new(l1.clone(), config, chain, sender).unwrap();
    (follower, status, notices)
}

impl World {
    fn new() -> Self {
        let l1 = FakeL1::new();
        let seats = Seats::new();
        let dir = tempfile::tempdir().unwrap();
        let store = new_chain(None).store().clone();
        let (follower, status, notices) = follow(&l1, &store, &dir);
        Self { l1, seats, dir, store, follower, status, notices }
    }

    /// A new process over the same store and file.
    fn restart(&mut self) {
        (self.follower, self.status, self.notices) = follow(&self.l1, &self.store, &self.dir);
    }

    /// A new process that knows of terms.
    fn follow(&mut self, schedule: &TermSchedule) {
        let (follower, status, notices) = follow(&self.l1, &self.store, &self.dir);
        (self.follower, self.status, self.notices) = (follower.with_terms(schedule.clone()), status, notices);
    }

    async fn sync(&mut self) -> Result<(), StepError> {
        let (_stop, stopped) = watch::channel(false);
        while self.follower.step(&stopped).await? {}
        Ok(())
    }

    fn tip(&self) -> DerivedBatch {
        self.status.borrow().safe
    }

    /// The seats make blocks until a batch is whole; it is posted.
    fn batch(&mut self, form: Form) -> Proposal {
        let tip = self.tip();
        loop {
            self.seats.produce(vec![]);
            if let Some(proposal) = self.seats.propose(&tip, form) {
                self.l1.post(&proposal);
                return proposal;
            }
        }
    }

    fn hash(&self, height: u64) -> Option<B256> {
        self.store.canonical_hash(height).unwrap()
    }

    fn removed(&mut self) -> Vec<(u64, usize)> {
        std::iter::from_fn(|| self.notices.try_recv().ok())
            .filter_map(|notice| match notice {
                Notice::Removed { from, blocks, .. } => Some((from.get(), blocks.len())),
                _ => None,
            })
            .collect()
    }
}

#[tokio::test]
async fn a_follower_arrives_at_the_seats_hashes() {
    let mut world = World::new();
    let message = world.l1.deposit(account(1));
    world.seats.blocks.inbox().push(message).unwrap();
    for form in [Form::Blobs, Form::Calldata, Form::Blobs] {
        let list = if world.seats.head() == 0 { vec![] } else { vec![transfer(1, world.tip().index.get(), 1)] };
        world.seats.produce(list);
        let proposal = world.batch(form);
        world.sync().await.unwrap();
        assert_eq!(world.tip().last_hash, proposal.statement.lastHash);
        assert!(world.tip().claim_holds);
        for height in 1..=proposal.statement.lastHeight {
            assert_eq!(world.hash(height), world.seats.blocks.store().canonical_hash(height).unwrap());
        }
        assert_eq!(world.store.tag(Tag::Safe).hash, proposal.statement.lastHash);
        assert_eq!(world.store.committed().hash, proposal.statement.lastHash);
    }
    assert!(world.store.latest().unwrap().account(account(1)).unwrap().unwrap().balance > U256::ZERO);
    assert_eq!(world.store.tag(Tag::Finalized).number, 0);
    let safe = world.tip();
    for _ in 0..4 {
        world.l1.mine();
    }
    world.sync().await.unwrap();
    assert_eq!(world.store.tag(Tag::Finalized).hash, safe.last_hash);
    assert_eq!(world.status.borrow().finalized, safe);
    assert!(world.status.borrow().caught_up);
}

#[tokio::test]
async fn a_restart_anywhere_repeats_no_execution_and_loses_nothing() {
    let mut world = World::new();
    let message = world.l1.deposit(account(1));
    world.seats.blocks.inbox().push(message).unwrap();
    for round in 0..4 {
        if round == 2 {
            std::fs::remove_file(world.dir.path().join("follower.json")).unwrap();
        }
        if round == 3 {
            std::fs::write(world.dir.path().join("follower.json"), b"{damaged").unwrap();
        }
        world.restart();
        world.sync().await.unwrap();
        let proposal = world.batch(Form::Blobs);
        if round == 1 {
            // Not derived yet when the process ends.
            world.l1.hide_blobs(true);
            assert!(matches!(world.sync().await, Err(StepError::Later(_))));
            world.l1.hide_blobs(false);
            world.restart();
        }
        world.sync().await.unwrap();
        assert_eq!(world.tip().last_hash, proposal.statement.lastHash);
        assert_eq!(world.tip().index.get(), round + 1);
    }
    // From nothing but the store: the same again, and nothing gives way.
    std::fs::remove_file(world.dir.path().join("follower.json")).unwrap();
    let head = world.store.committed();
    world.restart();
    world.sync().await.unwrap();
    assert_eq!((world.store.committed(), world.removed()), (head, vec![]));
}

#[tokio::test]
async fn batches_that_l1_takes_back_lower_the_tags_and_the_same_batch_again_changes_nothing() {
    let mut world = World::new();
    world.batch(Form::Calldata);
    world.sync().await.unwrap();
    let first = world.tip();
    let second = world.batch(Form::Blobs);
    world.sync().await.unwrap();
    let head = world.store.committed();
    world.l1.drop_blocks(1);
    world.l1.mine();
    world.sync().await.unwrap();
    assert_eq!(world.tip(), first);
    assert_eq!(world.store.tag(Tag::Safe).hash, first.last_hash);
    assert_eq!(world.store.committed(), head, "the blocks stay");
    world.restart();
    world.l1.post(&second);
    world.sync().await.unwrap();
    assert_eq!(world.tip().last_hash, second.statement.lastHash);
    assert_eq!((world.store.committed(), world.removed()), (head, vec![]));
}

#[tokio::test]
async fn other_content_after_a_reorg_makes_blocks_give_way() {
    let mut world = World::new();
    world.batch(Form::Calldata);
    world.sync().await.unwrap();
    let first = world.tip();
    world.batch(Form::Blobs);
    world.sync().await.unwrap();
    let old = world.store.committed();
    world.l1.drop_blocks(1);
    let message = world.l1.deposit(account(2));
    let time = message.l1_time.get() + 100;
    let proposal = world.seats.self_sequenced(&first, &world.l1, time);
    world.l1.post(&proposal);
    world.sync().await.unwrap();
    assert_eq!(world.tip().last.get(), first.last.get() + 1);
    let (from, count) = world.removed()[0];
    assert_eq!((from, count as u64), (first.last.get() + 1, old.number - first.last.get()));
    let head = world.store.head();
    assert_eq!((head.number, head.hash), (first.last.get() + 1, world.tip().last_hash));
    assert_eq!(
        world.store.latest().unwrap().account(account(2)).unwrap().unwrap().balance,
        U256::from(10).pow(U256::from(18))
    );
    assert_eq!(world.status.borrow().mismatches, 0, "a self-sequenced batch claims nothing");
}

#[tokio::test]
async fn a_self_sequenced_batch_waits_until_it_is_settled_where_there_are_soft_blocks() {
    let mut world = World::new();
    let schedule = TermSchedule::new();
    world.store = world.seats.blocks.store().clone();
    world.follow(&schedule);
    world.batch(Form::Calldata);
    world.sync().await.unwrap();
    let first = world.tip();
    for _ in 0..3 {
        world.seats.produce(vec![]);
    }
    let head = world.store.head();
    let time = 2_000 + first.last.get();
    let proposal = world.seats.self_sequenced(&first, &world.l1, time);
    world.l1.post(&proposal);
    world.sync().await.unwrap();
    assert_eq!((world.tip(), world.store.head()), (first, head), "a reorg could still take it back");
    assert!(!world.status.borrow().caught_up, "nothing is posted meanwhile");
    // Which it does.
    world.l1.drop_blocks(1);
    world.l1.mine();
    world.l1.mine();
    world.sync().await.unwrap();
    assert_eq!((world.tip(), world.store.head()), (first, head));
    assert!(world.status.borrow().caught_up);
    // Then it comes again. A restart in between reads it once more.
    world.l1.post(&proposal);
    let block = world.l1.mine();
    world.sync().await.unwrap();
    world.follow(&schedule);
    for _ in 0..4 {
        world.l1.mine();
    }
    world.sync().await.unwrap();
    let second = world.tip();
    assert_eq!((second.index, second.last), (first.index.next(), first.last.next()));
    assert!(world.status.borrow().caught_up);
    assert_eq!(world.removed(), [(second.last.get(), (head.number - first.last.get()) as usize)]);
    // The term that it starts begins after it, though L1 told of the term first.
    let start = Seconds::new(block.time.get() - 2);
    schedule.start_by_event(Term::new(proposal.statement.term), start);
    world.sync().await.unwrap();
    let cut = std::iter::from_fn(|| world.notices.try_recv().ok()).find_map(|notice| match notice {
        Notice::Cut { boundary, .. } => Some(boundary),
        _ => None,
    });
    let genesis = second.last_hash;
    let begins = Boundary { term: Term::new(proposal.statement.term), height: second.last.get(), genesis };
    assert_eq!(cut, Some(begins));
}

#[tokio::test]
async fn claims_that_nobody_signed_are_computed_and_kept_for_the_next_poster() {
    let mut world = World::new();
    world.batch(Form::Calldata);
    world.sync().await.unwrap();
    let signed = world.tip();
    assert_eq!(world.status.borrow().ancestry[..], [signed.claim]);
    let mut claims = vec![signed.claim];
    for _ in 0..3 {
        let before = world.tip();
        let proposal = world.seats.self_sequenced(&before, &world.l1, 2_000 + before.last.get());
        world.l1.post(&proposal);
        world.sync().await.unwrap();
        let tip = world.tip();
        assert!(!tip.signed && tip.claim_holds);
        assert_eq!((tip.claim.parent, tip.claim.prev_hash), (before.claim.id(), before.last_hash));
        assert_eq!(tip.claim.last_hash, tip.last_hash);
        assert_eq!(tip.claim.block_hash_root, BlockHashTree::new(&[tip.last_hash]).unwrap().root());
        claims.push(tip.claim);
    }
    assert_eq!(world.status.borrow().ancestry[..], claims);
    // Also when L1 has finalised some or all of them, and over a restart.
    for mined in 0..6 {
        world.l1.mine();
        world.sync().await.unwrap();
        if mined == 2 {
            world.restart();
        }
        assert_eq!(world.status.borrow().ancestry[..], claims, "after {mined} blocks");
    }
    assert_eq!(world.status.borrow().finalized, world.tip());
}

#[tokio::test]
async fn false_statements_and_bad_data_are_reported_and_halt_nothing() {
    let mut world = World::new();
    let mut proposal = world.batch(Form::Calldata);
    world.l1.drop_blocks(1);
    // Signed by a quorum of liars: another last hash.
    proposal.statement.lastHash = B256::repeat_byte(6);
    world.l1.post(&proposal);
    world.sync().await.unwrap();
    assert_eq!(world.status.borrow().mismatches, 1);
    assert!(!world.tip().claim_holds);
    assert_eq!(Some(world.tip().last_hash), world.seats.blocks.store().canonical_hash(world.tip().last.get()).unwrap());
    // Then data that are none.
    let mut proposal = world.seats.self_sequenced(&world.tip(), &world.l1, world.tip().last.get() + 2_000);
    proposal.payload = vec![1, 2, 3].into();
    proposal.statement.dataHash = surety_types::claim::calldata_data_hash(&[1, 2, 3]).unwrap();
    proposal.statement.lastHeight += 4;
    world.l1.post(&proposal);
    world.sync().await.unwrap();
    assert_eq!(world.status.borrow().mismatches, 2);
    assert_eq!(world.tip().last.get(), proposal.statement.lastHeight);
    let last = world.store.block_by_number(world.tip().last.get()).unwrap().unwrap();
    assert_eq!(last.block.header.parent_beacon_block_root, Some(B256::ZERO));
    assert_eq!(last.block.header.timestamp, proposal.statement.lastBlockTime);
}

#[tokio::test]
async fn a_seats_follower_executes_nothing_and_leaves_its_head_alone() {
    let mut world = World::new();
    // The follower works on the seats' own store.
    world.store = world.seats.blocks.store().clone();
    world.restart();
    let proposal = world.batch(Form::Blobs);
    for _ in 0..3 {
        world.seats.produce(vec![]);
    }
    let head = world.store.head();
    world.sync().await.unwrap();
    assert_eq!(world.store.tag(Tag::Safe).hash, proposal.statement.lastHash);
    assert_eq!(world.store.head(), head);
    assert_eq!(world.removed(), vec![]);
}

#[tokio::test]
async fn settled_messages_come_once_in_order_and_again_after_a_restart() {
    let mut world = World::new();
    for _ in 0..3 {
        world.l1.deposit(account(1));
    }
    let settled = |world: &mut World| -> Vec<u64> {
        std::iter::from_fn(|| world.notices.try_recv().ok())
            .filter_map(|notice| match notice {
                Notice::Settled(event) => match event.kind {
                    surety_l1::follow::L1EventKind::Message { message, .. } => Some(message.index.get()),
                    _ => None,
                },
                _ => None,
            })
            .collect()
    };
    world.sync().await.unwrap();
    assert_eq!(settled(&mut world), Vec::<u64>::new());
    for _ in 0..3 {
        world.l1.mine();
    }
    world.sync().await.unwrap();
    assert_eq!(settled(&mut world), [0, 1]);
    world.restart();
    world.l1.mine();
    world.sync().await.unwrap();
    assert_eq!(settled(&mut world), [0, 1, 2]);
    let messages = world.follower.messages();
    assert_eq!(messages.range(1.into_index(), 3.into_index()).unwrap().len(), 2);
    assert_eq!(messages.range(1.into_index(), 4.into_index()), None);
}

trait IntoIndex {
    fn into_index(self) -> surety_types::MessageIndex;
}

impl IntoIndex for u64 {
    fn into_index(self) -> surety_types::MessageIndex {
        surety_types::MessageIndex::new(self)
    }
}

/// The cuts that were told of: where, and which heights were taken back.
fn cuts(world: &mut World) -> Vec<(Boundary, Vec<u64>)> {
    std::iter::from_fn(|| world.notices.try_recv().ok())
        .filter_map(|notice| match notice {
            Notice::Cut { boundary, blocks } => {
                Some((boundary, blocks.iter().map(|block| block.block.header.number).collect()))
            }
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn what_an_event_left_behind_is_taken_back_when_it_is_settled_and_a_crash_changes_nothing() {
    let mut world = World::new();
    // A seat's follower: its chain is the seats'.
    world.store = world.seats.blocks.store().clone();
    world.restart();
    let posted = world.batch(Form::Calldata).statement;
    world.sync().await.unwrap();
    for _ in 0..5 {
        world.seats.produce(vec![]);
    }
    let soft = world.seats.head();
    assert!(soft > posted.lastHeight + 3);
    let start = world.l1.start_term(2);
    let schedule = TermSchedule::new();
    world.follow(&schedule);
    world.sync().await.unwrap();
    assert_eq!(world.store.committed().number, soft, "it is not settled");

    schedule.start_by_event(Term::new(2), start);
    // The event was read before the crash.
    world.follow(&schedule);
    world.sync().await.unwrap();
    let boundary = Boundary { term: Term::new(2), height: posted.lastHeight, genesis: posted.lastHash };
    assert_eq!(cuts(&mut world), [(boundary, (posted.lastHeight + 1..=soft).collect())]);
    assert_eq!(world.store.committed().hash, posted.lastHash);
    // And before anybody heard of it: it is told again.
    world.follow(&schedule);
    world.sync().await.unwrap();
    assert_eq!(cuts(&mut world), [(boundary, vec![])]);
    schedule.begin_by_event(boundary);
    world.sync().await.unwrap();
    assert_eq!(cuts(&mut world), []);

    // Blocks of the new term stay, also when the schedule is read anew.
    world.seats.term = 2;
    world.seats.produce(vec![]);
    let again = TermSchedule::new();
    again.start_by_event(Term::new(2), start);
    world.follow(&again);
    world.sync().await.unwrap();
    assert_eq!(world.store.committed().number, posted.lastHeight + 1);
}

#[tokio::test]
async fn an_event_that_l1_takes_back_takes_nothing_back() {
    let mut world = World::new();
    world.store = world.seats.blocks.store().clone();
    world.restart();
    world.batch(Form::Calldata);
    world.sync().await.unwrap();
    world.seats.produce(vec![]);
    let soft = world.seats.head();
    let start = world.l1.start_term(2);
    world.sync().await.unwrap();
    world.l1.drop_blocks(1);
    world.l1.mine();
    world.l1.mine();
    let schedule = TermSchedule::new();
    schedule.start_by_event(Term::new(2), start);
    world.follow(&schedule);
    world.sync().await.unwrap();
    assert_eq!(world.store.committed().number, soft, "no event, no cut");
    // It comes again, in another block.
    let start = world.l1.start_term(2);
    schedule.start_by_event(Term::new(2), start);
    world.sync().await.unwrap();
    assert_eq!(world.store.committed().number, world.tip().last.get());
}
