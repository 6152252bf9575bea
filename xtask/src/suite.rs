//! The suites of `cargo xtask test`. Those that cargo does not build for this machine run beside the others, since their
//! compiler uses one core; networks in processes of their own run when that is over, for they must keep to their times. Within
//! each row, the order is that in which a mistake is cheapest to find.

use crate::tools::{self, Shell};
use anyhow::{Context, Result, bail};
use std::{ffi::OsStr, path::PathBuf, thread, time::Instant};

/// Where a suite runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Row {
    /// In the first row.
    First,
    /// In the second, beside the first; its output is shown when it is over.
    Beside,
    /// After both.
    Alone,
}

/// One suite: a name, when and where it runs, and how.
pub(crate) struct Suite {
    name: &'static str,
    nightly: bool,
    row: Row,
    run: fn(&Shell) -> Result<()>,
}

const SUITES: &[Suite] = &[
    Suite {
        name: "format",
        nightly: false,
        row: Row::First,
        run: |shell| {
            shell.run(&shell.root, "cargo", &["fmt", "--all", "--check"])?;
            for workspace in ["guest/Cargo.toml", "zkvm/Cargo.toml"] {
                shell.run(&shell.root, "cargo", &["fmt", "--all", "--check", "--manifest-path", workspace])?;
            }
            Ok(())
        },
    },
    Suite { name: "artifacts", nightly: false, row: Row::Beside, run: |shell| artifacts(shell, true) },
    Suite {
        name: "sdk",
        nightly: false,
        row: Row::Beside,
        run: |shell| shell.run(&shell.root.join("sdk"), "npm", &["run", "test:unit"]),
    },
    Suite { name: "contracts", nightly: false, row: Row::Beside, run: contracts },
    Suite { name: "riscv", nightly: false, row: Row::Beside, run: crate::riscv::check },
    Suite { name: "lint", nightly: false, row: Row::First, run: lint },
    Suite { name: "docs", nightly: false, row: Row::First, run: docs },
    Suite { name: "rust", nightly: false, row: Row::First, run: rust },
    Suite { name: "end-to-end", nightly: false, row: Row::Alone, run: end_to_end },
    Suite { name: "nightly", nightly: true, row: Row::Alone, run: nightly },
    Suite { name: "zkvm", nightly: true, row: Row::Alone, run: crate::zkvm::check },
    Suite { name: "halmos", nightly: true, row: Row::Alone, run: halmos },
];

/// What came of one suite.
struct Outcome {
    name: &'static str,
    error: Option<anyhow::Error>,
    seconds: u64,
}

/// Runs suites one after the other. Of a suite that passed and whose output was kept, only the end is kept on: whoever looks
/// for a failure finds nothing else.
fn row(shell: &Shell, suites: &[&'static Suite]) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for suite in suites {
        shell.say(&format!("\n== {}", suite.name));
        let (start, from) = (Instant::now(), shell.kept()?);
        let error = (suite.run)(shell).err();
        match &error {
            Some(error) => shell.say(&format!("{}: {error:#}", suite.name)),
            None => shell.shorten(from)?,
        }
        outcomes.push(Outcome { name: suite.name, error, seconds: start.elapsed().as_secs() });
    }
    Ok(outcomes)
}

/// Installs the tools and runs the suites; gives how many passed and how many failed.
fn run_all(shell: &Shell, all: bool, only: &[String]) -> Result<(usize, usize)> {
    tools::install(shell)?;
    let chosen = |s: &&Suite| if only.is_empty() { all || !s.nightly } else { only.iter().any(|o| o == s.name) };
    if let Some(unknown) = only.iter().find(|o| SUITES.iter().all(|s| s.name != o.as_str())) {
        let names: Vec<_> = SUITES.iter().map(|s| s.name).collect();
        bail!("there is no suite {unknown:?}; there are: {}", names.join(", "));
    }
    let of = |place| SUITES.iter().filter(chosen).filter(|suite| suite.row == place).collect::<Vec<_>>();
    let second = Shell::quiet(shell.root.clone())?;
    let mut outcomes = thread::scope(|scope| {
        let second_row = scope.spawn(|| row(&second, &of(Row::Beside)));
        let mut outcomes = row(shell, &of(Row::First))?;
        outcomes.extend(second_row.join().map_err(|_| anyhow::anyhow!("the second row of suites panicked"))??);
        anyhow::Ok(outcomes)
    })?;
    second.show().context("show the output of the second row")?;
    outcomes.extend(row(shell, &of(Row::Alone))?);
    println!();
    for Outcome { name, error, seconds } in &outcomes {
        println!("{name:<12} {:<7} {seconds:>5} s", if error.is_none() { "ok" } else { "FAILED" });
    }
    let failed = outcomes.iter().filter(|outcome| outcome.error.is_some()).count();
    Ok((outcomes.len() - failed, failed))
}

/// Runs the suites and prints their counts as the last line.
pub(crate) fn test(shell: &Shell, all: bool, only: &[String]) -> Result<()> {
    let (passed, failed) = run_all(shell, all, only)?;
    println!("suites: {passed} passed, {failed} failed");
    if failed > 0 {
        std::process::exit(1);
    }
    Ok(())
}

/// Compiles the contracts and writes the committed artifacts, or compares with them.
pub(crate) fn artifacts(shell: &Shell, check: bool) -> Result<()> {
    let mut arguments = vec!["artifacts.mjs"];
    if check {
        arguments.push("--check");
    }
    shell.run(&shell.root.join("contracts"), "node", &arguments)
}

/// Compares the golden vectors with what their generators write, and runs the contracts' tests.
fn contracts(shell: &Shell) -> Result<()> {
    let directory = shell.root.join("contracts");
    for generator in ["vectors.mjs", "steps.mjs"] {
        shell.run(&directory, "node", &[generator, "--check"])?;
    }
    // What was compiled is kept where cargo keeps its own: a machine that has built before compiles what has changed.
    let kept = target(shell).join("foundry");
    let (out, cache) = (kept.join("out"), kept.join("cache"));
    let environment = [("FOUNDRY_OUT", out.as_os_str()), ("FOUNDRY_CACHE_PATH", cache.as_os_str())];
    shell.run_with(&directory, "npx", &["--no-install", "forge", "test"], &environment)
}

/// Checks the money and the lines of claims for every value at once, in bounds that `contracts/symbolic` states.
fn halmos(shell: &Shell) -> Result<()> {
    tools::python(shell)?;
    shell.run(&shell.root.join("contracts"), "node", &["symbolic/run.mjs"])
}

fn lint(shell: &Shell) -> Result<()> {
    shell.run(
        &shell.root,
        "cargo",
        &["clippy", "--locked", "--workspace", "--all-targets", "--profile", "ci", "--", "--deny", "warnings"],
    )
}

fn docs(shell: &Shell) -> Result<()> {
    shell.run_with(
        &shell.root,
        "cargo",
        &["doc", "--locked", "--workspace", "--no-deps", "--document-private-items", "--profile", "ci"],
        &[("RUSTDOCFLAGS", OsStr::new("-Dwarnings"))],
    )
}

/// Builds or runs all Rust tests. The tests of `surety` need the program, so this builds it too, with the same features
/// of its dependencies: nothing is compiled twice.
pub(crate) fn nextest(shell: &Shell, last: &[&str], environment: &[(&str, &OsStr)]) -> Result<()> {
    let path = tools::nextest(shell)?.map(|bin| tools::with_path(&bin));
    let path = path.iter().map(|p| ("PATH", p.as_os_str()));
    let environment: Vec<(&str, &OsStr)> = path.chain(environment.iter().copied()).collect();
    let mut arguments = vec!["nextest", "run", "--locked", "--workspace", "--cargo-profile", "ci", "--profile", "ci"];
    arguments.extend_from_slice(last);
    shell.run_with(&shell.root, "cargo", &arguments, &environment)
}

fn rust(shell: &Shell) -> Result<()> {
    nextest(shell, &[], &[])?;
    shell.run(&shell.root, "cargo", &["test", "--locked", "--workspace", "--profile", "ci", "--doc"])
}

/// Where cargo builds.
fn target(shell: &Shell) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| shell.root.join("target"), Into::into)
}

/// Where the program is after [`nextest`] has built it.
pub(crate) fn program(shell: &Shell) -> PathBuf {
    target(shell).join("ci/surety")
}

fn end_to_end(shell: &Shell) -> Result<()> {
    nextest(shell, &["--no-run"], &[])?;
    shell.run_with(
        &shell.root.join("e2e"),
        "node",
        &["--test", "--test-concurrency=1", "--test-reporter=spec", "tests/"],
        &[("SURETY", program(shell).as_os_str())],
    )
}

/// Worlds of the nightly simulation. `SURETY_SIM_SEEDS` says otherwise.
const WORLDS: &str = "10000";

/// Games of the nightly simulation of disputes. `SURETY_GAMES` says otherwise.
const GAMES: &str = "50000";

/// Each world takes and gives back hundreds of megabytes in large pieces, which the C library would have the system clear each
/// time: two thirds of the time, measured. Told so, it keeps them.
const KEEP_MEMORY: &str = "glibc.malloc.arena_max=1:glibc.malloc.mmap_max=0:\
     glibc.malloc.trim_threshold=17179869184:glibc.malloc.top_pad=268435456";

/// What takes too long for each run.
fn nightly(shell: &Shell) -> Result<()> {
    nextest(shell, &["--no-run"], &[])?;
    // Many worlds, in a profile whose code is worth its compiler's time for so many.
    let worlds = std::env::var_os("SURETY_SIM_SEEDS").unwrap_or_else(|| WORLDS.into());
    let build = ["test", "--locked", "--workspace", "--profile", "nightly", "--test", "worlds"];
    shell.run(&shell.root, "cargo", &[&build[..], &["--no-run"]].concat())?;
    let all = ["--", "--nocapture", "--exact", "worlds_by_chance_keep_all_promises"];
    let environment = [("SURETY_SIM_SEEDS", worlds.as_os_str()), ("GLIBC_TUNABLES", OsStr::new(KEEP_MEMORY))];
    shell.run_with(&shell.root, "cargo", &[&build[..], &all].concat(), &environment)?;
    let games = std::env::var_os("SURETY_GAMES").unwrap_or_else(|| GAMES.into());
    let build = ["test", "--locked", "--workspace", "--profile", "nightly", "--test", "games"];
    let all = ["--", "--nocapture", "--exact", "one_honest_party_wins_against_any"];
    shell.run_with(&shell.root, "cargo", &[&build[..], &all].concat(), &[("SURETY_GAMES", games.as_os_str())])?;
    nextest(shell, &["--run-ignored", "only", "-E", "package(surety-devnet) and binary(hard_times)"], &[])?;
    nextest(shell, &["--run-ignored", "only", "-E", "package(surety) and binary(users)"], &[])?;
    nextest(shell, &["--run-ignored", "only", "--test-threads", "1", "-E", "binary(committees)"], &[])?;
    nextest(shell, &["--run-ignored", "only", "-E", "package(surety-prove)"], &[])?;
    nextest(shell, &["--run-ignored", "only", "-E", "package(surety) and test(/^vm::crosscheck::/)"], &[])?;
    let program = program(shell);
    let network = [("SURETY", program.as_os_str())];
    shell.run_with(&shell.root.join("sdk"), "npm", &["run", "test:network"], &network)?;
    shell.run_with(
        &shell.root.join("e2e"),
        "node",
        &["--test", "--test-name-pattern=crash|by night", "--test-reporter=spec", "tests/drills.test.mjs"],
        &[("SURETY", program.as_os_str()), ("SURETY_NIGHTLY", OsStr::new("1"))],
    )
}
