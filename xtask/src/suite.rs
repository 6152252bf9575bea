//! The suites of `cargo xtask test`, in the order in which a mistake is cheapest to find.

use crate::tools::{self, run, run_with};
use anyhow::{Result, bail};
use std::{ffi::OsStr, path::Path, time::Instant};

/// One suite: a name, when it runs, and how.
pub(crate) struct Suite {
    name: &'static str,
    nightly: bool,
    run: fn(&Path) -> Result<()>,
}

const SUITES: &[Suite] = &[
    Suite { name: "format", nightly: false, run: |root| run(root, "cargo", &["fmt", "--all", "--check"]) },
    Suite { name: "artifacts", nightly: false, run: |root| artifacts(root, true) },
    Suite { name: "contracts", nightly: false, run: contracts },
    Suite { name: "lint", nightly: false, run: lint },
    Suite { name: "docs", nightly: false, run: docs },
    Suite { name: "rust", nightly: false, run: rust },
    Suite { name: "riscv", nightly: false, run: crate::riscv::check },
    Suite { name: "end-to-end", nightly: false, run: end_to_end },
];

/// Installs the tools and runs the suites; gives how many passed and how many failed.
fn run_all(root: &Path, all: bool, only: &[String]) -> Result<(usize, usize)> {
    tools::install(root)?;
    let chosen = |s: &&Suite| if only.is_empty() { all || !s.nightly } else { only.iter().any(|o| o == s.name) };
    if let Some(unknown) = only.iter().find(|o| SUITES.iter().all(|s| s.name != o.as_str())) {
        let names: Vec<_> = SUITES.iter().map(|s| s.name).collect();
        bail!("there is no suite {unknown:?}; there are: {}", names.join(", "));
    }
    let mut failures = Vec::new();
    let mut lines = Vec::new();
    for suite in SUITES.iter().filter(chosen) {
        eprintln!("\n== {}", suite.name);
        let start = Instant::now();
        let outcome = (suite.run)(root);
        let word = if outcome.is_ok() { "ok" } else { "FAILED" };
        lines.push(format!("{:<12} {word:<7} {:>5} s", suite.name, start.elapsed().as_secs()));
        if let Err(error) = outcome {
            eprintln!("{}: {error:#}", suite.name);
            failures.push(suite.name);
        }
    }
    println!("\n{}", lines.join("\n"));
    Ok((lines.len() - failures.len(), failures.len()))
}

/// Runs the suites and prints their counts as the last line.
pub(crate) fn test(root: &Path, all: bool, only: &[String]) -> Result<()> {
    let (passed, failed) = run_all(root, all, only)?;
    println!("suites: {passed} passed, {failed} failed");
    if failed > 0 {
        std::process::exit(1);
    }
    Ok(())
}

/// Compiles the contracts and writes the committed artifacts, or compares with them.
pub(crate) fn artifacts(root: &Path, check: bool) -> Result<()> {
    let mut arguments = vec!["artifacts.mjs"];
    if check {
        arguments.push("--check");
    }
    run(&root.join("contracts"), "node", &arguments)
}

fn contracts(root: &Path) -> Result<()> {
    run(&root.join("contracts"), "npx", &["--no-install", "forge", "test"])
}

fn lint(root: &Path) -> Result<()> {
    run(
        root,
        "cargo",
        &["clippy", "--locked", "--workspace", "--all-targets", "--profile", "ci", "--", "--deny", "warnings"],
    )
}

fn docs(root: &Path) -> Result<()> {
    run_with(
        root,
        "cargo",
        &["doc", "--locked", "--workspace", "--no-deps", "--document-private-items", "--profile", "ci"],
        &[("RUSTDOCFLAGS", OsStr::new("-Dwarnings"))],
    )
}

/// Builds or runs all Rust tests. The tests of `surety` need the program, so this builds it too, with the same features
/// of its dependencies: nothing is compiled twice.
fn nextest(root: &Path, last: &[&str]) -> Result<()> {
    let path = tools::nextest(root)?.map(|bin| tools::with_path(&bin));
    let environment: Vec<(&str, &OsStr)> = path.iter().map(|p| ("PATH", p.as_os_str())).collect();
    let mut arguments = vec!["nextest", "run", "--locked", "--workspace", "--cargo-profile", "ci", "--profile", "ci"];
    arguments.extend_from_slice(last);
    run_with(root, "cargo", &arguments, &environment)
}

fn rust(root: &Path) -> Result<()> {
    nextest(root, &[])?;
    run(root, "cargo", &["test", "--locked", "--workspace", "--profile", "ci", "--doc"])
}

fn end_to_end(root: &Path) -> Result<()> {
    nextest(root, &["--no-run"])?;
    let binary = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root.join("target"), std::path::PathBuf::from)
        .join("ci/surety");
    run_with(
        &root.join("e2e"),
        "node",
        &["--test", "--test-concurrency=1", "--test-reporter=spec", "tests/"],
        &[("SURETY", binary.as_os_str())],
    )
}
