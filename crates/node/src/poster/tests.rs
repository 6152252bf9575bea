#[path = "../../../vm/src/testing.rs"]
mod machine;

use super::{
    actor::Work,
    journal::{Journal, Signed},
    *,
};
use crate::{
    builder::testing::{account, transfer},
    consensus::{Finalization, Gathered, TermSchedule, testing::committee},
    follower::{
        DerivedBatch, Messages,
        testing::{AGE, FakeL1, Seats},
    },
};
use alloy_primitives::{B256, Bytes};
use machine::{ECALL, addi, bytes, elf_file};
use surety_prove::Program;
use surety_stf::witness::Witness;
use surety_types::{
    L2Height, Milliseconds,
    signing::{Batch, Finalize, Signature, SignatureSet},
};

fn genesis(seats: &Seats) -> DerivedBatch {
    DerivedBatch::genesis(seats.blocks.parameters().rollup, seats.blocks.store().genesis().hash)
}

fn cut_at(seats: &Seats, first: u64) -> Option<u64> {
    let chain = seats.chain();
    let until = L2Height::new(seats.head());
    cut(chain.store(), chain.parameters(), AGE, L2Height::new(first), until).unwrap().map(|cut| cut.last.get())
}

#[tokio::test]
async fn work_whose_outcome_nobody_wants_any_more_is_waited_for_until_it_has_let_go_of_the_store() {
    let seats = Seats::new();
    let chain = std::sync::Arc::new(seats.chain());
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let work = Work::new();
    let held = chain.clone();
    let (begun, begins) = std::sync::mpsc::channel();
    let outcome = work.run(move || {
        let _ = begun.send(());
        let _ = wait.recv();
        held.store().committed()
    });
    begins.recv().unwrap();
    // Nothing ends it, neither this nor that the poster ends.
    outcome.abort();
    let mut over = std::pin::pin!(work.over());
    let early = tokio::time::timeout(std::time::Duration::from_millis(50), &mut over).await;
    assert!(early.is_err(), "the store is in use");
    drop(go);
    over.await;
    assert_eq!(std::sync::Arc::strong_count(&chain), 1);
}

#[test]
fn batches_end_before_a_block_that_is_too_late_and_before_another_term() {
    let mut seats = Seats::new();
    for _ in 0..4 {
        seats.produce(vec![]);
        assert_eq!(cut_at(&seats, 1), None);
    }
    // 800 ms after the first: outside.
    seats.produce(vec![]);
    assert_eq!(cut_at(&seats, 1), Some(4));
    // After an outage the late block begins the next batch, so that it alone owes what is due at its time.
    seats.time += 3_600_000;
    seats.produce(vec![]);
    assert_eq!(cut_at(&seats, 5), Some(5));
    seats.term = 2;
    seats.produce(vec![]);
    assert_eq!(cut_at(&seats, 6), Some(6));
    // A later end of the chain changes nothing.
    for _ in 0..9 {
        seats.produce(vec![]);
    }
    assert_eq!(
        (cut_at(&seats, 1), cut_at(&seats, 5), cut_at(&seats, 6), cut_at(&seats, 7)),
        (Some(4), Some(5), Some(6), Some(10))
    );
}

#[test]
fn what_was_proposed_is_signed_by_honest_seats_and_nothing_else_is() {
    let l1 = FakeL1::new();
    let mut seats = Seats::new();
    let messages = Messages::default();
    let message = l1.deposit(account(1));
    seats.blocks.inbox().push(message.clone()).unwrap();
    messages.replace(vec![message]);
    seats.produce(vec![]);
    seats.produce(vec![transfer(1, 1, 1)]);
    for _ in 0..3 {
        seats.produce(vec![]);
    }
    let tip = genesis(&seats);
    let judge = |proposal: &Proposal, tip: &DerivedBatch, messages: &Messages| {
        proposal.judge(&seats.chain(), tip, messages, seats.term_now(), AGE, L2Height::new(seats.head()))
    };
    for form in [Form::Blobs, Form::Calldata] {
        let good = seats.propose(&tip, form).unwrap();
        assert_eq!((good.statement.messageCount, good.statement.lastHeight), (1, 4));
        judge(&good, &tip, &messages).unwrap();
        assert!(matches!(judge(&good, &tip, &Messages::default()), Err(ProposalError::Messages(_))));
        let hash = B256::repeat_byte(0xee);
        let bends: [fn(&mut Batch, B256); 14] = [
            |s, _| s.rollup += 1,
            |s, _| s.term += 1,
            |s, h| s.genesis = h,
            |s, _| s.firstHeight += 1,
            |s, _| s.lastHeight -= 1,
            |s, h| s.parentClaim = h,
            |s, h| s.prevHash = h,
            |s, h| s.lastHash = h,
            |s, h| s.blockHashRoot = h,
            |s, _| s.lastBlockTime += 1,
            |s, _| s.messageCount += 1,
            |s, h| s.messageAcc = h,
            |s, h| s.inboxTip = h,
            |s, h| s.dataHash = h,
        ];
        for bend in bends {
            let mut bent = good.clone();
            bend(&mut bent.statement, hash);
            assert!(matches!(judge(&bent, &tip, &messages), Err(ProposalError::Field { .. })), "{bent:?}");
        }
        // Other bytes under their own hash: a well-formed batch of other blocks, and no batch at all.
        let mut other = Seats::new();
        (0..5).for_each(|_| {
            other.produce(vec![]);
        });
        let theirs = other.propose(&tip, form).unwrap();
        for payload in [theirs.payload, Bytes::from_static(&[1, 2, 3])] {
            let mut bent = Proposal { payload, ..good.clone() };
            bent.statement.dataHash = proposal::data_hash(&bent.payload, form).unwrap();
            assert!(matches!(judge(&bent, &tip, &messages), Err(ProposalError::Derives(_))));
        }
        let long = Proposal { payload: vec![0; 800_000].into(), ..good.clone() };
        assert!(matches!(judge(&long, &tip, &messages), Err(ProposalError::Pack(_))));
    }
}

/// An ELF for the machine that ends at once: whatever it was asked, it says nothing.
pub(super) fn silent_program() -> Vec<u8> {
    const BASE: u64 = 0x7800_0000;
    // t0 = 0 is HALT.
    elf_file(BASE, &[(BASE, &bytes(&[addi(5, 0, 0), ECALL]), true)])
}

#[test]
fn a_batch_of_which_the_program_says_something_else_is_not_signed_and_its_witness_is_kept() {
    let mut seats = Seats::new();
    (0..5).for_each(|_| {
        seats.produce(vec![]);
    });
    let (chain, tip, directory) = (seats.chain(), genesis(&seats), tempfile::tempdir().unwrap());
    let proposal = seats.propose(&tip, Form::Blobs).unwrap();
    let until = L2Height::new(seats.head());
    let (batch, hashes) = proposal.judge(&chain, &tip, &Messages::default(), seats.term_now(), AGE, until).unwrap();
    let hour = std::time::Duration::from_secs(3_600);

    let honest = Rehearsal::with(Program::current().clone(), hour, directory.path().into());
    let rehearsed = honest.run(&chain, &batch, &hashes).unwrap();
    assert_eq!((rehearsed.blocks, rehearsed.of), (4, 4), "there was time for all");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);

    let other = Program::parse(&silent_program()).unwrap();
    let differing = Rehearsal::with(other, hour, directory.path().into());
    let Err(ProposalError::Differs { height, .. }) = differing.run(&chain, &batch, &hashes) else {
        panic!("it is to differ")
    };
    // Whoever gets the witness can read it, and run the program over it.
    let bytes = std::fs::read(directory.path().join(format!("{height}.witness"))).unwrap();
    let witness = Witness::decode(bytes.into()).unwrap();
    let (input, hash) = (witness.input, chain.store().canonical_hash(height.get()).unwrap().unwrap());
    assert!(Program::current().run(witness).unwrap().says(input, hash));
}

#[test]
fn a_second_batch_stands_on_the_first() {
    let l1 = FakeL1::new();
    let mut seats = Seats::new();
    (0..9).for_each(|_| {
        seats.produce(vec![]);
    });
    let first = seats.propose(&genesis(&seats), Form::Blobs).unwrap();
    let posted = l1.post(&first);
    let tip = seats.tip_after(posted, &first, &l1);
    let second = seats.propose(&tip, Form::Blobs).unwrap();
    assert_eq!(second.statement.firstHeight, first.statement.lastHeight + 1);
    assert_eq!(second.statement.prevHash, first.statement.lastHash);
    assert_eq!((second.statement.parentClaim, second.statement.inboxTip), (posted.claim.id(), l1.tip().0));
}

#[test]
fn signed_batches_survive_a_restart_until_l1_has_finalised_them() {
    let mut seats = Seats::new();
    (0..9).for_each(|_| {
        seats.produce(vec![]);
    });
    let proposal = seats.propose(&genesis(&seats), Form::Blobs).unwrap();
    let signatures =
        SignatureSet { signers: 5, signatures: vec![Signature([1; 64].into()), Signature([2; 64].into())] };
    let s = &proposal.statement;
    let vote =
        Finalize { rollup: s.rollup, term: s.term, genesis: s.genesis, view: 8, parentView: 6, blockHash: s.lastHash };
    let votes =
        Finalization { vote, signatures: SignatureSet { signers: 8, signatures: vec![Signature([3; 64].into())] } };
    let mut signed = Signed { proposal, gathered: Gathered { signatures, finalization: None }, nonce: Some(7) };
    let dir = tempfile::tempdir().unwrap();
    let open = || Journal::open(dir.path().join("poster")).unwrap();
    open().put(signed.clone()).unwrap();
    assert_eq!(open().get(1), Some(&signed));
    signed.gathered.finalization = Some(votes);
    open().put(signed.clone()).unwrap();
    std::fs::write(dir.path().join("poster/batch-9.json"), b"{").unwrap();
    assert_eq!(open().get(1), Some(&signed));
    assert_eq!(open().get(9), None);
    let mut journal = open();
    journal.prune(signed.proposal.statement.lastHeight - 1);
    assert_eq!(open().get(1), Some(&signed));
    journal.prune(signed.proposal.statement.lastHeight);
    assert_eq!((journal.get(1), open().get(1)), (None, None));
}

#[test]
fn terms_of_statements_follow_the_chain() {
    let mut seats = Seats::new();
    let schedule = TermSchedule::new();
    let start = seats.time / 1000;
    for (term, start) in [(1, 0), (2, start + 1), (3, start + 100)] {
        schedule.insert(committee(term, start, 4));
    }
    let newest = |seats: &Seats| {
        let found = terms::newest(seats.blocks.store(), &schedule, seats.blocks.parameters().rollup).unwrap();
        found.into_iter().map(|now| (now.term.get(), now.genesis)).collect::<Vec<_>>()
    };
    let zero = seats.blocks.store().genesis().hash;
    assert_eq!(newest(&seats), [(1, zero)], "the first term begins after genesis");
    seats.produce(vec![]);
    assert_eq!(newest(&seats), [(1, zero)]);
    let mut last = zero;
    while seats.time / 1000 < start + 1 {
        last = seats.produce(vec![]);
    }
    // The last block of term 1 is the first one at or after the start of term 2.
    assert_eq!(newest(&seats), [(2, last), (1, zero)]);
    seats.term = 2;
    seats.produce(vec![]);
    seats.produce(vec![]);
    assert_eq!(newest(&seats), [(2, last), (1, zero)]);
    assert_eq!(Milliseconds::new(seats.time).to_seconds().get(), start + 1);
}
