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
fn an_l1_needs_its_beacon_api() {
    let text = refusal(&["dev", "--l1", "http://127.0.0.1:1"]);
    assert!(text.contains("--l1-beacon"), "{text}");
}
