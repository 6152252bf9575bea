use super::*;
use crate::builder::testing::{FORCE_DELAY, GENESIS_TIME, account, chain, deposit, transfer};
use surety_types::View as ViewNumber;

fn context(blocks: &Blocks, view: u64, milliseconds: u64) -> ConsensusContext {
    ConsensusContext {
        rollup: blocks.parameters().rollup,
        term: Term::new(1),
        view: ViewNumber::new(view),
        parent_view: ViewNumber::new(view - 1),
        milliseconds: Milliseconds::new(GENESIS_TIME * 1000 + milliseconds),
    }
}

fn genesis(blocks: &Blocks) -> Parent {
    blocks.parent(blocks.store().genesis().hash).unwrap().unwrap()
}

fn judge(blocks: &Blocks, sealed: &Sealed, context: ConsensusContext) -> Verdict {
    let parent = blocks.parent(sealed.header().parent_hash).unwrap().unwrap();
    blocks.judge(&parent, sealed.header(), sealed.hash(), context, sealed.transactions()).unwrap()
}

/// The leader's chain and another seat's, both with the same messages.
fn pair(messages: u64) -> (Blocks, Blocks) {
    let (leader, other) = (chain(None), chain(None));
    for blocks in [&leader, &other] {
        for index in 0..messages {
            blocks.inbox().push(deposit(index, account(1), 100_000)).unwrap();
        }
    }
    (leader, other)
}

#[test]
fn what_a_leader_seals_others_find_valid() {
    let (leader, other) = pair(2);
    let first = context(&leader, 1, 200);
    let mut draft = leader.begin(&genesis(&leader), first, Address::repeat_byte(9)).unwrap();
    for nonce in 0..3 {
        draft.push(transfer(1, nonce + 2, 7)).unwrap();
    }
    assert!(draft.push(transfer(2, 0, 7)).is_err(), "an account without ether");
    let sealed = leader.seal(draft).unwrap();
    assert_eq!(sealed.transactions().len(), 1 + 2 + 3);
    assert!(leader.knows(sealed.hash()).unwrap());
    assert!(matches!(judge(&other, &sealed, first), Verdict::Valid));

    let second = context(&leader, 2, 400);
    let parent = other.parent(sealed.hash()).unwrap().unwrap();
    assert_eq!(parent.context, Some(first), "the context is kept with the block");
    let mut draft = other.begin(&parent, second, Address::repeat_byte(8)).unwrap();
    draft.push(transfer(1, 5, 7)).unwrap();
    let sealed = other.seal(draft).unwrap();
    assert_eq!(sealed.transactions().len(), 2, "the messages are not consumed twice");
    assert!(matches!(judge(&leader, &sealed, second), Verdict::Valid));
}

#[test]
fn a_block_that_says_anything_else_than_execution_is_invalid() {
    let (leader, other) = pair(1);
    let at = context(&leader, 1, 200);
    let sealed = leader.seal(leader.begin(&genesis(&leader), at, Address::ZERO).unwrap()).unwrap();
    let parent = genesis(&other);
    let check = |header: &Header, context, transactions: &[Transaction]| {
        other.judge(&parent, header, header.hash_slow(), context, transactions).unwrap()
    };
    let good = sealed.header();
    let wrong = [
        Header { state_root: B256::ZERO, ..good.clone() },
        Header { timestamp: good.timestamp + 1, ..good.clone() },
        Header { gas_used: 1, ..good.clone() },
        Header { extra_data: Default::default(), ..good.clone() },
    ];
    for header in wrong {
        let verdict = check(&header, at, sealed.transactions());
        assert!(matches!(verdict, Verdict::Invalid(InvalidBlock::Header { .. })), "{verdict:?}");
    }
    let early = ConsensusContext { milliseconds: Milliseconds::new(GENESIS_TIME * 1000 + 199), ..at };
    let verdict = check(good, early, sealed.transactions());
    assert!(matches!(verdict, Verdict::Invalid(InvalidBlock::Payload(PayloadError::TooEarly { .. }))), "{verdict:?}");
    assert!(matches!(check(good, at, &[]), Verdict::Invalid(InvalidBlock::Content(_))));
    let mut twice = sealed.transactions().to_vec();
    twice.push(transfer(1, 0, 1).into_inner());
    twice.push(twice[1].clone());
    assert!(matches!(check(good, at, &twice), Verdict::Invalid(InvalidBlock::Content(_))), "a deposit in the list");
    assert!(matches!(check(good, at, sealed.transactions()), Verdict::Valid));
}

#[test]
fn a_block_with_messages_that_are_not_here_yet_waits() {
    let (leader, other) = (pair(3).0, chain(None));
    let at = context(&leader, 1, 200);
    let sealed = leader.seal(leader.begin(&genesis(&leader), at, Address::ZERO).unwrap()).unwrap();
    let verdict = judge(&other, &sealed, at);
    assert!(matches!(verdict, Verdict::AwaitsMessage(index) if index.get() == 2), "{verdict:?}");
    for index in 0..3 {
        other.inbox().push(deposit(index, account(1), 100_000)).unwrap();
    }
    assert!(matches!(judge(&other, &sealed, at), Verdict::Valid));
}

#[test]
fn a_forged_message_is_invalid() {
    let (leader, other) = (chain(None), chain(None));
    leader.inbox().push(deposit(0, account(1), 100_000)).unwrap();
    other.inbox().push(deposit(0, account(2), 100_000)).unwrap();
    let at = context(&leader, 1, 200);
    let sealed = leader.seal(leader.begin(&genesis(&leader), at, Address::ZERO).unwrap()).unwrap();
    assert!(matches!(judge(&other, &sealed, at), Verdict::Invalid(InvalidBlock::Header { .. })));
}

#[test]
fn leaving_out_a_due_message_with_room_for_it_is_seen() {
    let (leader, other) = (chain(None), pair(2).1);
    let late = FORCE_DELAY.get() * 1000 + 1_000;
    let soon = context(&leader, 1, 200);
    let parent = genesis(&other);
    let early = leader.seal(leader.begin(&genesis(&leader), soon, Address::ZERO).unwrap()).unwrap();
    let check = |sealed: &Sealed, messages| other.check_messages(&parent, sealed.header(), messages).unwrap();
    let skips = |index| Some(InvalidBlock::SkipsDueMessage(MessageIndex::new(index)));
    assert_eq!(check(&early, 0), None, "not due yet");
    let sealed =
        leader.seal(leader.begin(&genesis(&leader), context(&leader, 1, late), Address::ZERO).unwrap()).unwrap();
    assert_eq!(check(&sealed, 0), skips(0));
    assert_eq!(check(&sealed, 1), skips(1));
    assert_eq!(check(&sealed, 2), None);
}

#[test]
fn messages_beyond_a_quarter_of_the_block_wait_for_the_next() {
    let blocks = chain(None);
    for (index, gas) in [(0, 5_000_000), (1, 2_500_000), (2, 1), (3, 7_500_000)] {
        blocks.inbox().push(deposit(index, account(1), gas)).unwrap();
    }
    let late = context(&blocks, 1, FORCE_DELAY.get() * 1000 + 1_000);
    let sealed = blocks.seal(blocks.begin(&genesis(&blocks), late, Address::ZERO).unwrap()).unwrap();
    assert_eq!(sealed.transactions().len(), 1 + 2);
    let check = |messages| blocks.check_messages(&genesis(&blocks), sealed.header(), messages).unwrap();
    assert_eq!(check(2), None, "the third is due but does not fit");
    assert_eq!(check(1), Some(InvalidBlock::SkipsDueMessage(MessageIndex::new(1))));
    assert_eq!(check(3), Some(InvalidBlock::TooManyMessages { gas: 7_500_001, room: 7_500_000 }));
}

#[test]
fn the_stored_context_survives() {
    let c = context(&chain(None), 4, 123);
    assert_eq!(decode_aux(c.rollup, &encode_aux(Some(&c))), Some(c));
    assert_eq!(decode_aux(c.rollup, &encode_aux(None)), None);
    assert_eq!(decode_aux(c.rollup, &[1; 33]), None);
}
