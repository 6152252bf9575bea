//! What the program says when it is asked wrongly: what is wrong, and what to do.

use std::process::{Command, Output};

fn surety(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_surety")).args(arguments).output().expect("the program starts")
}

fn refusal(arguments: &[&str]) -> String {
    let output = surety(arguments);
    assert!(!output.status.success(), "{arguments:?} must fail");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_version_is_the_packages() {
    let output = surety(&["--version"]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), concat!("surety ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_missing_chain_file_is_named_with_where_to_get_one() {
    let l1 = "http://127.0.0.1:1";
    let text = refusal(&["follow", "--l1", l1, "--l1-beacon", l1, "--chain", "no/such/chain.json"]);
    assert!(text.contains("no/such/chain.json") && text.contains("surety dev"), "{text}");
}

#[test]
fn a_node_that_does_not_answer_is_said_to_be_down() {
    let text = refusal(&["status", "--rpc", "http://127.0.0.1:1"]);
    assert!(text.contains("is the node running"), "{text}");
}

#[test]
fn a_server_goes_on_when_nobody_reads_what_it_prints() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut l1 = Command::new(env!("CARGO_BIN_EXE_surety"))
        .args(["l1", "--port", &port.to_string(), "--beacon-port", "0"])
        .stdout(writer)
        .spawn()
        .expect("the program starts");
    let status = ["status", "--rpc", &format!("http://127.0.0.1:{port}")];
    let mut answers = false;
    for _ in 0..100 {
        std::thread::sleep(std::time::Duration::from_millis(100));
        let text = String::from_utf8_lossy(&surety(&status).stderr).into_owned();
        // An L1 has no seats to ask for, so anything but silence is an answer.
        answers = !text.contains("is the node running");
        if answers || l1.try_wait().expect("a child").is_some() {
            break;
        }
    }
    // It may answer before it prints.
    std::thread::sleep(std::time::Duration::from_millis(500));
    let ended = l1.try_wait().expect("a child");
    l1.kill().expect("it can be ended");
    l1.wait().expect("it ends");
    assert!(answers && ended.is_none(), "answers: {answers}, ended: {ended:?}");
}

#[test]
fn an_l1_needs_its_beacon_api() {
    let text = refusal(&["dev", "--l1", "http://127.0.0.1:1"]);
    assert!(text.contains("--l1-beacon"), "{text}");
}

#[test]
fn a_journal_moves_by_export_and_import_and_nothing_is_overwritten_or_read_while_it_is_in_use() {
    let dir = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("journal-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    let path = |name: &str| dir.join(name).to_str().expect("a path in UTF-8").to_owned();
    let (given, journal, export) = (path("given.json"), path("journal"), path("export.json"));
    let hash = |byte: &str| format!("0x{}", byte.repeat(32));
    let notarize = |block: &str| {
        serde_json::json!({
            "kind": "notarize", "rollup": 1, "term": 3, "genesis": hash("47"), "view": 7, "parentView": 6,
            "blockHash": hash(block),
        })
    };
    let write = |records: &[serde_json::Value]| {
        let address = format!("0x{}", "11".repeat(20));
        let file = serde_json::json!({
            "version": 2, "domainSeparator": hash("22"), "address": address, "records": records,
        });
        std::fs::write(&given, file.to_string()).expect("written");
        file
    };
    let missing = refusal(&["journal", "export", "--journal", &journal, "--to", &export]);
    assert!(missing.contains("No such file"), "{missing}");

    let floor = serde_json::json!({ "kind": "floor", "rollup": 1, "term": 3 });
    let file = write(&[floor, notarize("01")]);
    assert!(surety(&["journal", "import", "--journal", &journal, "--from", &given]).status.success());
    assert!(surety(&["journal", "export", "--journal", &journal, "--to", &export]).status.success());
    let read = std::fs::read(&export).expect("an export");
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&read).expect("JSON"), file);
    let again = refusal(&["journal", "export", "--journal", &journal, "--to", &export]);
    assert!(again.contains("cannot be made anew"), "{again}");

    write(&[notarize("02")]);
    let conflict = refusal(&["journal", "import", "--journal", &journal, "--from", &given]);
    assert!(conflict.contains("do not sign with this key"), "{conflict}");
    std::fs::write(&given, "{}").expect("written");
    let nonsense = refusal(&["journal", "import", "--journal", &journal, "--from", &given]);
    assert!(nonsense.contains("not an export"), "{nonsense}");

    let held = std::fs::File::open(&journal).expect("a journal");
    held.lock().expect("the lock is free");
    let locked = refusal(&["journal", "export", "--journal", &journal, "--to", &path("other.json")]);
    assert!(locked.contains("in use by another process"), "{locked}");
    drop(held);
    std::fs::write(&journal, b"SURETYJ2 and then nonsense, which is longer than any header of a journal could ever be")
        .expect("written");
    let damaged = refusal(&["journal", "export", "--journal", &journal, "--to", &path("other.json")]);
    assert!(damaged.contains("is damaged at byte 0"), "{damaged}");
    std::fs::remove_dir_all(&dir).expect("removed");
}
