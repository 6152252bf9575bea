mod eip3076;

use super::*;
use proptest::prelude::*;
use std::{fs, path::PathBuf};
use surety_types::{L2Height, RollupId, Term};

const GENESIS: B256 = B256::repeat_byte(0x47);

fn domain() -> Domain {
    Domain::new(1337, Address::repeat_byte(0x11))
}

fn key() -> LocalSigner {
    LocalSigner::from_bytes(&B256::repeat_byte(0x21)).unwrap()
}

struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }
    fn path(&self) -> PathBuf {
        self.dir.path().join("journal")
    }
    fn open(&self) -> Result<Guard, JournalError> {
        let guard = Guard::new(key(), Journal::open(&self.path(), &domain(), key().address())?, domain())?;
        for n in 0..=255 {
            guard.executed().mark(L2Height::new(1), hash(n));
        }
        Ok(guard)
    }
}

fn hash(n: u8) -> B256 {
    B256::repeat_byte(n)
}

fn notarize(term: u64, view: u64, parent: u64, block: u8) -> Notarize {
    Notarize { rollup: 7, term, genesis: GENESIS, view, parentView: parent, blockHash: hash(block) }
}

fn finalize(term: u64, view: u64, parent: u64, block: u8) -> Finalize {
    Finalize { rollup: 7, term, genesis: GENESIS, view, parentView: parent, blockHash: hash(block) }
}

fn nullify(term: u64, view: u64) -> Nullify {
    Nullify { rollup: 7, term, genesis: GENESIS, view }
}

fn batch(term: u64, last_height: u64, last: u8, root: u8) -> Batch {
    Batch {
        rollup: 7,
        term,
        genesis: GENESIS,
        firstHeight: 1,
        lastHeight: last_height,
        parentClaim: B256::ZERO,
        prevHash: B256::ZERO,
        lastHash: hash(last),
        blockHashRoot: hash(root),
        lastBlockTime: 0,
        messageCount: 0,
        messageAcc: B256::ZERO,
        inboxTip: B256::ZERO,
        dataHash: B256::ZERO,
    }
}

fn receipt(term: u64, view: u64, index: u64, tx: u8) -> Receipt {
    Receipt { rollup: 7, term, genesis: GENESIS, view, height: 5, index, txHash: hash(tx) }
}

fn sign(guard: &Guard, statement: &Statement) -> Result<Signature, SignError> {
    match statement {
        Statement::Notarize(m) => guard.notarize(m),
        Statement::Finalize(m) => guard.finalize(m),
        Statement::Nullify(m) => guard.nullify(m),
        Statement::Batch(m) => guard.batch(m),
        Statement::Receipt(m) => guard.receipts(std::slice::from_ref(m)).map(|s| s[0]),
    }
}

#[test]
fn every_conflict_is_refused_before_and_after_a_restart() {
    use Statement as S;
    let other_genesis = Nullify { genesis: hash(1), ..nullify(1, 9) };
    let other_height = Receipt { height: 6, ..receipt(1, 3, 4, 1) };
    // (signed, asked, whether it may be signed)
    let table = [
        (S::Notarize(notarize(1, 3, 2, 1)), S::Notarize(notarize(1, 3, 2, 1)), true),
        (S::Notarize(notarize(1, 3, 2, 1)), S::Notarize(notarize(1, 3, 2, 2)), false),
        (S::Notarize(notarize(1, 3, 2, 1)), S::Notarize(notarize(1, 3, 1, 1)), false),
        (S::Notarize(notarize(1, 3, 2, 1)), S::Notarize(notarize(1, 4, 2, 2)), true),
        (S::Notarize(notarize(1, 3, 2, 1)), S::Notarize(notarize(2, 3, 2, 2)), true),
        (S::Notarize(notarize(1, 3, 2, 1)), S::Finalize(finalize(1, 3, 2, 2)), true),
        (S::Notarize(notarize(1, 3, 2, 1)), S::Nullify(nullify(1, 3)), true),
        (S::Notarize(notarize(1, 3, 2, 1)), S::Nullify(other_genesis), false),
        (S::Finalize(finalize(1, 3, 2, 1)), S::Finalize(finalize(1, 3, 2, 1)), true),
        (S::Finalize(finalize(1, 3, 2, 1)), S::Finalize(finalize(1, 3, 2, 2)), false),
        (S::Finalize(finalize(1, 3, 2, 1)), S::Nullify(nullify(1, 3)), false),
        (S::Finalize(finalize(1, 3, 2, 1)), S::Nullify(nullify(1, 4)), true),
        (S::Nullify(nullify(1, 3)), S::Nullify(nullify(1, 3)), true),
        (S::Nullify(nullify(1, 3)), S::Finalize(finalize(1, 3, 2, 1)), false),
        (S::Nullify(nullify(1, 3)), S::Notarize(notarize(1, 3, 2, 1)), true),
        (S::Batch(batch(1, 9, 1, 1)), S::Batch(Batch { dataHash: hash(9), ..batch(1, 9, 1, 1) }), true),
        (S::Batch(batch(1, 9, 1, 1)), S::Batch(batch(1, 9, 2, 1)), false),
        (S::Batch(batch(1, 9, 1, 1)), S::Batch(batch(1, 9, 1, 2)), false),
        (S::Batch(batch(1, 9, 1, 1)), S::Batch(Batch { firstHeight: 4, ..batch(1, 9, 1, 2) }), true),
        (S::Batch(batch(1, 9, 1, 1)), S::Batch(Batch { firstHeight: 4, ..batch(1, 9, 2, 1) }), false),
        (S::Batch(batch(1, 9, 1, 1)), S::Batch(batch(2, 9, 2, 2)), true),
        (S::Batch(batch(1, 9, 1, 1)), S::Batch(batch(1, 10, 2, 2)), true),
        (S::Receipt(receipt(1, 3, 4, 1)), S::Receipt(receipt(1, 3, 4, 1)), true),
        (S::Receipt(receipt(1, 3, 4, 1)), S::Receipt(receipt(1, 3, 4, 2)), false),
        (S::Receipt(receipt(1, 3, 4, 1)), S::Receipt(other_height), false),
        (S::Receipt(receipt(1, 3, 4, 1)), S::Receipt(receipt(1, 3, 5, 2)), true),
        (S::Notarize(notarize(1, 3, 2, 1)), S::Receipt(receipt(1, 3, 4, 1)), false),
    ];
    for (signed, asked, allowed) in table {
        for restart in [false, true] {
            let bench = Bench::new();
            let mut guard = bench.open().unwrap();
            sign(&guard, &signed).unwrap();
            if restart {
                drop(guard);
                guard = bench.open().unwrap();
            }
            let result = sign(&guard, &asked);
            assert_eq!(result.is_ok(), allowed, "{signed:?} then {asked:?} (restart: {restart}): {result:?}");
        }
    }
}

#[test]
fn signing_the_same_again_gives_the_same_bytes() {
    let bench = Bench::new();
    let guard = bench.open().unwrap();
    let first = guard.notarize(&notarize(1, 1, 0, 1)).unwrap();
    let length = fs::metadata(bench.path()).unwrap().len();
    assert_eq!(guard.notarize(&notarize(1, 1, 0, 1)).unwrap(), first);
    assert_eq!(fs::metadata(bench.path()).unwrap().len(), length, "nothing is written twice");
    assert_eq!(first.recover(&domain().digest(&notarize(1, 1, 0, 1))), Some(guard.address()));
}

#[test]
fn nothing_is_signed_for_a_block_that_was_not_executed() {
    let bench = Bench::new();
    let journal = Journal::open(&bench.path(), &domain(), key().address()).unwrap();
    let guard = Guard::new(key(), journal, domain()).unwrap();
    assert!(matches!(guard.finalize(&finalize(1, 1, 0, 1)), Err(SignError::Refused(Refusal::NotExecuted(_)))));
    assert!(matches!(guard.notarize(&notarize(1, 1, 0, 1)), Err(SignError::Refused(Refusal::NotExecuted(_)))));
    assert!(matches!(guard.batch(&batch(1, 1, 1, 1)), Err(SignError::Refused(Refusal::NotExecuted(_)))));
    guard.executed().mark(L2Height::new(1), hash(1));
    guard.finalize(&finalize(1, 1, 0, 1)).unwrap();
    assert_eq!(guard.journal().entries().len(), 1, "refused statements leave no record");
}

#[test]
fn a_second_process_is_refused() {
    let bench = Bench::new();
    let _guard = bench.open().unwrap();
    assert!(matches!(bench.open(), Err(JournalError::Locked(_))));
}

/// What [`another_process_on_the_journal_signs_nothing`] runs as its other process.
#[test]
#[ignore = "a part of another test"]
fn other_process() {
    let path = PathBuf::from(std::env::var_os("SURETY_TEST_JOURNAL").unwrap());
    match Journal::open(&path, &domain(), key().address()) {
        Err(JournalError::Locked(_)) => println!("it is locked"),
        other => println!("it is open: {}", other.is_ok()),
    }
}

#[test]
fn another_process_on_the_journal_signs_nothing() {
    let bench = Bench::new();
    let ask = || {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "signer::tests::other_process", "--ignored", "--nocapture"]);
        let out = command.env("SURETY_TEST_JOURNAL", bench.path()).output().unwrap();
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    let guard = bench.open().unwrap();
    assert!(ask().contains("it is locked"));
    // Nor once the journal was written anew under the same name.
    guard.journal().raise_floor(RollupId::new(7), Term::new(2)).unwrap();
    assert!(ask().contains("it is locked"));
    drop(guard);
    assert!(ask().contains("it is open: true"));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_signs_nothing_says_so_and_forgets_nothing() {
    let bench = Bench::new();
    let guard = bench.open().unwrap();
    guard.notarize(&notarize(1, 1, 0, 1)).unwrap();
    guard.journal().fill_disk();
    let error = guard.notarize(&notarize(1, 2, 1, 2)).unwrap_err().to_string();
    assert!(error.contains("No space left") && error.contains("until the disk is right"), "{error}");
    for statement in [Statement::from(nullify(1, 3)), notarize(1, 1, 0, 1).into()] {
        let error = sign(&guard, &statement).unwrap_err().to_string();
        assert!(error.contains("restart the node once the disk is right"), "{error}");
    }
    drop(guard);
    let guard = bench.open().unwrap();
    guard.notarize(&notarize(1, 1, 0, 1)).unwrap();
    assert!(guard.notarize(&notarize(1, 1, 0, 9)).is_err(), "what was signed before is known");
    guard.notarize(&notarize(1, 2, 1, 2)).unwrap();
}

#[test]
fn a_vote_of_the_own_key_that_the_journal_does_not_know_ends_the_term() {
    let bench = Bench::new();
    let guard = bench.open().unwrap();
    guard.notarize(&notarize(3, 1, 0, 1)).unwrap();
    // Its own, again and again; and one of a term long over.
    guard.heard(&notarize(3, 1, 0, 1).into());
    guard.notarize(&notarize(3, 2, 1, 2)).unwrap();
    let unknown: [Statement; 4] =
        [notarize(3, 9, 8, 1).into(), notarize(3, 1, 0, 7).into(), nullify(3, 4).into(), finalize(3, 2, 1, 9).into()];
    for statement in unknown {
        let bench = Bench::new();
        let guard = bench.open().unwrap();
        guard.notarize(&notarize(3, 1, 0, 1)).unwrap();
        guard.heard(&statement);
        let refused = |guard: &Guard| match guard.notarize(&notarize(3, 1, 0, 1)) {
            Err(SignError::Refused(Refusal::BelowFloor { term: 3, floor: 4 })) => {}
            other => panic!("{other:?}"),
        };
        refused(&guard);
        drop(guard);
        let guard = bench.open().unwrap();
        refused(&guard);
        guard.notarize(&notarize(4, 1, 0, 1)).unwrap();
        // Of the term that is over for it: nothing new.
        guard.heard(&statement);
        guard.notarize(&notarize(4, 2, 1, 2)).unwrap();
    }
}

#[test]
fn nothing_is_signed_while_it_listens() {
    let bench = Bench::new();
    let guard = bench.open().unwrap();
    guard.listen();
    let statements: [Statement; 4] =
        [notarize(1, 1, 0, 1).into(), finalize(1, 1, 0, 1).into(), nullify(1, 2).into(), batch(1, 5, 1, 1).into()];
    for statement in &statements {
        assert!(matches!(sign(&guard, statement), Err(SignError::Refused(Refusal::Listening))));
    }
    assert!(guard.receipts(&[receipt(1, 7, 0, 1)]).is_err());
    guard.speak();
    for statement in &statements {
        sign(&guard, statement).unwrap();
    }
    guard.receipts(&[receipt(1, 7, 0, 1)]).unwrap();
}

#[test]
fn a_compacted_journal_is_locked_still() {
    let bench = Bench::new();
    let guard = bench.open().unwrap();
    guard.nullify(&nullify(1, 1)).unwrap();
    guard.journal().raise_floor(RollupId::new(7), Term::new(2)).unwrap();
    assert!(matches!(bench.open(), Err(JournalError::Locked(_))));
}

#[test]
fn a_foreign_journal_is_refused() {
    let bench = Bench::new();
    drop(bench.open().unwrap());
    let other = Journal::open(&bench.path(), &domain(), Address::repeat_byte(9));
    assert!(matches!(other, Err(JournalError::Foreign(_))));
    let other = Journal::open(&bench.path(), &Domain::new(1, Address::ZERO), key().address());
    assert!(matches!(other, Err(JournalError::Foreign(_))));
}

#[test]
fn a_crash_during_an_append_loses_only_what_was_not_signed() {
    let bench = Bench::new();
    let guard = bench.open().unwrap();
    guard.notarize(&notarize(1, 1, 0, 1)).unwrap();
    let whole = fs::metadata(bench.path()).unwrap().len() as usize;
    guard.notarize(&notarize(1, 2, 1, 2)).unwrap();
    drop(guard);
    let bytes = fs::read(bench.path()).unwrap();
    for cut in whole..bytes.len() {
        fs::write(bench.path(), &bytes[..cut]).unwrap();
        let guard = bench.open().unwrap();
        assert_eq!(fs::metadata(bench.path()).unwrap().len() as usize, whole);
        assert!(guard.notarize(&notarize(1, 1, 0, 9)).is_err(), "what was signed is remembered");
        guard.notarize(&notarize(1, 2, 1, 3)).unwrap();
    }
    // A file that grew before its data were written ends in zeros.
    let mut zeros = bytes[..whole].to_vec();
    zeros.resize(whole + 300, 0);
    fs::write(bench.path(), zeros).unwrap();
    bench.open().unwrap();
    assert_eq!(fs::metadata(bench.path()).unwrap().len() as usize, whole);
}

#[test]
fn a_crash_before_the_header_was_written_begins_again() {
    let bench = Bench::new();
    drop(bench.open().unwrap());
    let bytes = fs::read(bench.path()).unwrap();
    for cut in 0..bytes.len() {
        fs::write(bench.path(), &bytes[..cut]).unwrap();
        bench.open().unwrap();
        assert_eq!(fs::read(bench.path()).unwrap(), bytes);
    }
}

#[test]
fn a_floor_ends_all_terms_before_it_for_good() {
    let bench = Bench::new();
    let guard = bench.open().unwrap();
    for view in 1..100 {
        guard.nullify(&nullify(1, view)).unwrap();
    }
    guard.nullify(&nullify(2, 1)).unwrap();
    let before = fs::metadata(bench.path()).unwrap().len();
    guard.journal().raise_floor(RollupId::new(7), Term::new(2)).unwrap();
    assert!(fs::metadata(bench.path()).unwrap().len() < before / 10);
    drop(guard);
    let guard = bench.open().unwrap();
    let refused = guard.nullify(&nullify(1, 200));
    assert!(matches!(refused, Err(SignError::Refused(Refusal::BelowFloor { term: 1, floor: 2 }))), "{refused:?}");
    assert!(guard.finalize(&finalize(2, 1, 0, 1)).is_err(), "records of the floor's term are kept");
    guard.nullify(&nullify(2, 2)).unwrap();
}

#[test]
fn a_view_far_behind_is_refused_since_its_record_is_gone() {
    let bench = Bench::new();
    let guard = bench.open().unwrap();
    guard.nullify(&nullify(1, 5)).unwrap();
    guard.nullify(&nullify(1, 100_000)).unwrap();
    let refused = guard.finalize(&finalize(1, 5, 4, 1));
    assert!(matches!(refused, Err(SignError::Refused(Refusal::TooOld { .. }))), "{refused:?}");
}

#[test]
fn the_export_of_one_machine_binds_the_next() {
    let (old, new) = (Bench::new(), Bench::new());
    let guard = old.open().unwrap();
    guard.notarize(&notarize(3, 1, 0, 1)).unwrap();
    guard.finalize(&finalize(3, 1, 0, 1)).unwrap();
    guard.nullify(&nullify(3, 2)).unwrap();
    guard.batch(&batch(3, 4, 1, 1)).unwrap();
    guard.receipts(&[receipt(3, 3, 1, 1)]).unwrap();
    guard.journal().raise_floor(RollupId::new(7), Term::new(3)).unwrap();
    let json =
        serde_json::to_string(&Interchange::export(guard.journal(), &domain(), guard.address()).unwrap()).unwrap();
    let export: Interchange = serde_json::from_str(&json).unwrap();

    let guard = new.open().unwrap();
    export.import(guard.journal(), &domain(), guard.address()).unwrap();
    assert!(guard.notarize(&notarize(3, 1, 0, 2)).is_err());
    assert!(guard.finalize(&finalize(3, 2, 0, 2)).is_err());
    assert!(guard.batch(&batch(3, 4, 2, 2)).is_err());
    assert!(guard.receipts(&[receipt(3, 3, 1, 2)]).is_err());
    assert!(guard.nullify(&nullify(2, 1)).is_err());
    assert!(matches!(
        export.import(guard.journal(), &Domain::new(1, Address::ZERO), guard.address()),
        Err(InterchangeError::Foreign)
    ));
    let contradicted = Bench::new();
    let guard = contradicted.open().unwrap();
    guard.notarize(&notarize(3, 1, 0, 7)).unwrap();
    assert!(matches!(
        export.import(guard.journal(), &domain(), guard.address()),
        Err(InterchangeError::Conflicts(refusals)) if refusals.len() == 1
    ));
}

#[test]
fn many_threads_share_the_journal() {
    let bench = Bench::new();
    let guard = bench.open().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8u64 {
            let guard = &guard;
            scope.spawn(move || {
                for view in 0..20 {
                    guard.nullify(&nullify(1, thread * 20 + view)).unwrap();
                }
            });
        }
    });
    drop(guard);
    assert_eq!(bench.open().unwrap().journal().entries().len(), 160);
}

fn any_statement() -> impl Strategy<Value = Statement> {
    let small = 1..4u64;
    (0..5u8, 1..3u64, small.clone(), small.clone(), small, 1..4u8, 1..3u8).prop_map(
        |(kind, term, view, parent, index, block, root)| match kind {
            0 => Statement::Notarize(notarize(term, view, parent, block)),
            1 => Statement::Finalize(finalize(term, view, parent, block)),
            2 => Statement::Nullify(nullify(term, view)),
            3 => Statement::Batch(Batch { firstHeight: parent, ..batch(term, view, block, root) }),
            _ => Statement::Receipt(receipt(term, view, index, block)),
        },
    )
}

/// Equivocation as L1 judges it (protocol §9), restated over pairs.
fn contradict(a: &Statement, b: &Statement) -> bool {
    use Statement as S;
    match (a, b) {
        (S::Notarize(a), S::Notarize(b)) => (a.term, a.view) == (b.term, b.view) && a != b,
        (S::Finalize(a), S::Finalize(b)) => (a.term, a.view) == (b.term, b.view) && a != b,
        (S::Finalize(f), S::Nullify(n)) | (S::Nullify(n), S::Finalize(f)) => (f.term, f.view) == (n.term, n.view),
        (S::Batch(a), S::Batch(b)) => {
            (a.term, a.lastHeight) == (b.term, b.lastHeight)
                && (a.lastHash != b.lastHash || a.firstHeight == b.firstHeight && a.blockHashRoot != b.blockHashRoot)
        }
        (S::Receipt(a), S::Receipt(b)) => (a.term, a.view, a.index) == (b.term, b.view, b.index) && a != b,
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_is_asked_no_two_signed_statements_contradict(
        asked in prop::collection::vec(any_statement(), 1..40),
        restart_every in 5..20usize,
    ) {
        let bench = Bench::new();
        let mut guard = bench.open().unwrap();
        let mut signed: Vec<Statement> = Vec::new();
        for (i, statement) in asked.into_iter().enumerate() {
            if i % restart_every == 0 {
                drop(guard);
                guard = bench.open().unwrap();
            }
            let in_the_way = signed.iter().any(|s| contradict(s, &statement));
            match sign(&guard, &statement) {
                Ok(_) => {
                    prop_assert!(!in_the_way, "{statement:?} beside {signed:?}");
                    signed.push(statement);
                }
                Err(error) => prop_assert!(
                    in_the_way || matches!(statement, Statement::Receipt(_)),
                    "{statement:?} was refused without reason: {error}"
                ),
            }
        }
    }

    #[test]
    fn damage_in_the_middle_is_never_overlooked(at in 0..600usize, flip in 1..=255u8) {
        let bench = Bench::new();
        let guard = bench.open().unwrap();
        for view in 1..8 {
            guard.notarize(&notarize(1, view, view - 1, view as u8)).unwrap();
        }
        let length = fs::metadata(bench.path()).unwrap().len() as usize;
        guard.nullify(&nullify(1, 9)).unwrap();
        drop(guard);
        let mut bytes = fs::read(bench.path()).unwrap();
        let at = at % length;
        bytes[at] ^= flip;
        fs::write(bench.path(), &bytes).unwrap();
        match bench.open() {
            Err(JournalError::Damaged { .. } | JournalError::Foreign(_)) => {}
            Ok(guard) => prop_assert!(false, "{} records were read", guard.journal().entries().len()),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }
}

#[test]
#[ignore = "a measurement: run it alone"]
fn figures_of_the_journal() {
    let bench = Bench::new();
    let guard = bench.open().unwrap();
    let start = std::time::Instant::now();
    for view in 0..200 {
        guard.nullify(&nullify(1, view)).unwrap();
    }
    println!("one vote, synced and signed: {:?}", start.elapsed() / 200);
    let start = std::time::Instant::now();
    for view in 200..250 {
        let receipts: Vec<_> = (0..100).map(|index| receipt(1, view, index, index as u8)).collect();
        guard.receipts(&receipts).unwrap();
    }
    println!("100 receipts in one group: {:?}", start.elapsed() / 50);
}
