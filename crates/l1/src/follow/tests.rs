use super::*;
use crate::testing::{ADDRESSES, Act, FakeL1, ROLLUP};
use proptest::prelude::*;

fn config() -> FollowConfig {
    FollowConfig { range: 7, ..FollowConfig::new(ADDRESSES, ROLLUP, L1Height::new(1), 4, Seconds::new(24)) }
}

fn follower(l1: &Arc<FakeL1>) -> Follower {
    Follower::new(l1.clone(), config(), None).unwrap()
}

/// What a consumer that obeys `Reverted` has: (block, what it says).
#[derive(Debug, Default, PartialEq, Clone)]
struct Told(Vec<(B256, u64, String)>);

use alloy_primitives::B256;

impl Told {
    fn apply(&mut self, events: &[L1Event]) {
        for event in events {
            match &event.kind {
                L1EventKind::Reverted { .. } => self.0.retain(|(_, number, _)| *number <= event.block.number.get()),
                L1EventKind::Message { message, acc } => self.add(event, format!("{} {acc}", message.index)),
                L1EventKind::Batch(batch) => self.add(event, format!("{} {:?}", batch.index, batch.data)),
                L1EventKind::Registry(_) => self.add(event, "registry".into()),
                L1EventKind::Slasher(_) => self.add(event, "slasher".into()),
            }
        }
    }

    fn add(&mut self, event: &L1Event, what: String) {
        self.0.push((event.block.hash, event.block.number.get(), what));
    }
}

async fn catch_up(follower: &mut Follower, told: &mut Told) -> Heads {
    for _ in 0..200 {
        let update = follower.poll().await.unwrap();
        told.apply(&update.events);
        if update.heads.caught_up() {
            return update.heads;
        }
    }
    panic!("never caught up");
}

/// What a fresh follower says of the chain as it is.
async fn truth(l1: &Arc<FakeL1>) -> Told {
    let mut told = Told::default();
    catch_up(&mut follower(l1), &mut told).await;
    told
}

#[tokio::test]
async fn events_come_in_order_with_their_data() {
    let l1 = Arc::new(FakeL1::new());
    l1.mine(&[Act::Message, Act::Message, Act::Batch]);
    l1.mine(&[]);
    l1.mine(&[Act::Batch, Act::Message]);
    let mut follower = follower(&l1);
    let events = follower.poll().await.unwrap().events;
    let kinds: Vec<_> = events
        .iter()
        .map(|event| match &event.kind {
            L1EventKind::Message { message, .. } => format!("m{}@{}", message.index, event.block.number),
            L1EventKind::Batch(batch) => {
                assert!(matches!(&batch.data, DataSource::CallData(data) if data.len() == 8));
                assert_eq!(batch.signatures.as_ref().unwrap().len(), 192);
                format!("b{}@{}", batch.index, event.block.number)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, ["m0@1", "m1@1", "b1@1", "b2@3", "m2@3"]);
    assert_eq!(follower.position().messages.get(), 3);
}

#[tokio::test]
async fn where_slots_are_missed_blocks_settle_by_depth_and_elsewhere_by_age() {
    for (missed, on_top) in [(0, 6), (1, 4), (11, 4)] {
        let l1 = Arc::new(FakeL1::new());
        l1.0.lock().finality_lag = 1_000;
        let (mut follower, mut told) = (follower(&l1), Told::default());
        let message = l1.mine(&[Act::Message]);
        for blocks in 1..=8 {
            l1.mine_sparsely(1, missed);
            let heads = catch_up(&mut follower, &mut told).await;
            let settled = heads.settled.is_some_and(|settled| settled.number >= message.number);
            assert_eq!(settled, blocks >= on_top, "{blocks} blocks on top, {missed} slots missed before each");
        }
    }
}

#[tokio::test]
async fn a_block_is_settled_when_final_or_old_and_deep() {
    let l1 = Arc::new(FakeL1::new());
    l1.0.lock().finality_lag = 1000;
    let mut follower = follower(&l1);
    let mut told = Told::default();
    for _ in 0..20 {
        l1.mine(&[]);
    }
    // Half of 24 s is 6 slots of 2 s, more than the 4 blocks of depth.
    let heads = catch_up(&mut follower, &mut told).await;
    assert_eq!((heads.settled.unwrap().number.get(), heads.finalized), (14, None));
    l1.0.lock().finality_lag = 2;
    l1.mine(&[]);
    let heads = catch_up(&mut follower, &mut told).await;
    assert_eq!(heads.settled.unwrap().number.get(), 19);
}

#[tokio::test]
async fn a_reorg_deeper_than_settlement_is_told_apart() {
    let l1 = Arc::new(FakeL1::new());
    l1.0.lock().finality_lag = 1000;
    let mut follower = follower(&l1);
    let mut told = Told::default();
    for _ in 0..20 {
        l1.mine(&[Act::Message]);
    }
    let mut settled = Settled::new();
    for (depth, broken) in [(3, false), (12, true)] {
        while !follower
            .poll()
            .await
            .map(|u| {
                let c = u.heads.caught_up();
                settled.push(u);
                c
            })
            .unwrap()
        {}
        l1.drop_blocks(depth);
        for _ in 0..=depth {
            l1.mine(&[Act::Message]);
        }
        let update = follower.poll().await.unwrap();
        assert!(
            matches!(update.events[0].kind, L1EventKind::Reverted { below_settled } if below_settled == broken),
            "{depth}"
        );
        settled.push(update);
        assert_eq!(settled.broken(), broken);
    }
    catch_up(&mut follower, &mut told).await;
}

#[tokio::test]
async fn a_reorg_below_everything_kept_asks_for_a_new_start() {
    let l1 = Arc::new(FakeL1::new());
    l1.mine(&[]);
    let mut follower = follower(&l1);
    for _ in 0..10 {
        l1.mine(&[]);
    }
    catch_up(&mut follower, &mut Told::default()).await;
    l1.drop_blocks(9);
    for _ in 0..12 {
        l1.mine(&[]);
    }
    assert!(matches!(follower.poll().await, Err(FollowError::TooDeep { .. })));
}

#[tokio::test]
async fn an_endpoint_that_is_behind_is_no_reorg() {
    let l1 = Arc::new(FakeL1::new());
    for _ in 0..6 {
        l1.mine(&[Act::Message]);
    }
    let mut follower = follower(&l1);
    catch_up(&mut follower, &mut Told::default()).await;
    let position = follower.position();
    let kept = l1.0.lock().chain.clone();
    l1.drop_blocks(2);
    assert!(matches!(follower.poll().await, Err(FollowError::L1(L1Error::Unavailable { .. }))));
    l1.0.lock().chain = kept;
    assert!(follower.poll().await.unwrap().events.is_empty());
    assert_eq!(follower.position(), position);
}

#[tokio::test]
async fn a_log_left_out_is_noticed_and_read_again() {
    for place in 0..4 {
        let l1 = Arc::new(FakeL1::new());
        l1.mine(&[Act::Message]);
        let (mut follower, mut told) = (follower(&l1), Told::default());
        catch_up(&mut follower, &mut told).await;
        for _ in 0..3 {
            l1.mine(&[Act::Message, Act::Batch]);
        }
        l1.0.lock().omit_log = Some(place);
        assert!(matches!(follower.poll().await, Err(FollowError::Discontinuity(_))), "{place}");
        catch_up(&mut follower, &mut told).await;
        assert_eq!(told, truth(&l1).await);
    }
}

#[tokio::test]
async fn a_log_left_out_at_the_end_is_noticed_at_the_next_event() {
    let l1 = Arc::new(FakeL1::new());
    l1.mine(&[Act::Message]);
    l1.0.lock().omit_log = Some(0);
    let (mut follower, mut told) = (follower(&l1), Told::default());
    catch_up(&mut follower, &mut told).await;
    assert!(told.0.is_empty());
    for _ in 0..3 {
        l1.mine(&[]);
    }
    catch_up(&mut follower, &mut told).await;
    l1.mine(&[Act::Message]);
    assert!(matches!(follower.poll().await, Err(FollowError::Discontinuity(_))));
    catch_up(&mut follower, &mut told).await;
    assert_eq!(told.0.len(), 2);
    assert_eq!(told, truth(&l1).await);
}

#[tokio::test]
async fn small_log_ranges_are_found_and_kept_to() {
    let l1 = Arc::new(FakeL1::new());
    for _ in 0..30 {
        l1.mine(&[Act::Message]);
    }
    l1.0.lock().max_log_blocks = Some(3);
    let mut told = Told::default();
    catch_up(&mut follower(&l1), &mut told).await;
    assert_eq!(told.0.len(), 30);
}

#[tokio::test]
async fn a_batch_whose_transaction_lacks_the_data_is_an_error_not_a_panic() {
    let l1 = Arc::new(FakeL1::new());
    l1.mine(&[Act::Batch]);
    {
        let mut world = l1.0.lock();
        for block in &mut world.chain {
            for log in &mut block.logs {
                log.transaction = B256::repeat_byte(9);
            }
        }
    }
    // The endpoint does not know the transaction: nothing is taken, and the next poll tries again.
    let mut follower = follower(&l1);
    let update = follower.poll().await.unwrap();
    assert!(update.events.is_empty() && !update.heads.caught_up());
}

#[derive(Debug, Clone)]
enum Step {
    Mine(Vec<Act>),
    Reorg(usize, Vec<Vec<Act>>),
    Poll,
    Restart,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    proptest::collection::vec(prop_oneof![Just(Act::Message), Just(Act::Batch)], 0..3)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => acts().prop_map(Step::Mine),
        2 => (1usize..12).prop_flat_map(|depth| (Just(depth), proptest::collection::vec(acts(), depth..depth + 3)))
            .prop_map(|(depth, blocks)| Step::Reorg(depth, blocks)),
        3 => Just(Step::Poll),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn whatever_reorgs_and_restarts_come_the_told_events_are_those_of_the_chain(steps in proptest::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let l1 = Arc::new(FakeL1::new());
            l1.0.lock().finality_lag = 1000;
            let (mut follower, mut told) = (follower(&l1), Told::default());
            // What a database has: effects and checkpoint, written together.
            for step in steps {
                match step {
                    Step::Mine(acts) => { l1.mine(&acts); }
                    Step::Reorg(depth, blocks) => {
                        l1.drop_blocks(depth);
                        for acts in blocks { l1.mine(&acts); }
                    }
                    Step::Poll => {
                        if let Ok(update) = follower.poll().await { told.apply(&update.events); }
                    }
                    Step::Restart => {
                        let checkpoint = follower.checkpoint();
                        let stored = serde_json::to_vec(&checkpoint).unwrap();
                        let checkpoint = serde_json::from_slice::<Checkpoint>(&stored).unwrap();
                        let checkpoint = checkpoint.block().is_some().then_some(checkpoint);
                        follower = Follower::new(l1.clone(), config(), checkpoint).unwrap();
                    }
                }
            }
            l1.mine(&[]);
            catch_up(&mut follower, &mut told).await;
            assert_eq!(told, truth(&l1).await);
        });
    }
}
