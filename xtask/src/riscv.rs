//! `types` and `stf` are the program that L1 can judge, so they compile for its machine from the first day, and what they
//! decode there is compared with what they decode here.
//!
//! A RISC-V target without compare-and-swap needs the standard library built from source. Where rustup has `rust-src`,
//! that compiler is taken; elsewhere Debian's web build of Rust, whose source is a package.

use crate::{
    suite,
    tools::{self, Shell},
};
use anyhow::{Context, Result};
use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::Command,
};

const DEBIAN: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// Runs programs for the machine.
const EMULATOR: &str = "qemu-riscv64";

/// The target's name, as in that of its specification.
const TARGET: &str = "riscv64im-surety-elf";

/// A compiler that can build `core` from source.
struct Toolchain {
    cargo: PathBuf,
    rustc: PathBuf,
}

fn sysroot(rustc: &str) -> Option<PathBuf> {
    let out = Command::new(rustc).args(["--print", "sysroot"]).output().ok()?;
    out.status.success().then(|| PathBuf::from(String::from_utf8_lossy(&out.stdout).trim()))
}

fn has_source(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib/src/rust/library/core/src/lib.rs").exists()
}

fn find() -> Option<Toolchain> {
    if sysroot("rustc").is_some_and(|s| has_source(&s)) {
        return Some(Toolchain { cargo: "cargo".into(), rustc: "rustc".into() });
    }
    sysroot("/usr/bin/rustc")
        .is_some_and(|s| has_source(&s))
        .then(|| Toolchain { cargo: "/usr/bin/cargo".into(), rustc: "/usr/bin/rustc".into() })
}

/// A linker for the machine: LLVM's, which comes with rustup's compilers, or Debian's.
fn linker() -> Option<PathBuf> {
    let libraries = sysroot("rustc")?.join("lib/rustlib");
    let mut hosts = std::fs::read_dir(libraries).ok()?.flatten().map(|host| host.path().join("bin/rust-lld"));
    hosts.find(|path| path.exists()).or_else(|| tools::exists("ld.lld").then(|| "ld.lld".into()))
}

/// Installs what is missing of a compiler with sources, a linker and an emulator.
pub(crate) fn install(shell: &Shell) -> Result<()> {
    let mut missing = Vec::new();
    if find().is_none() {
        missing.extend(DEBIAN);
    }
    if linker().is_none() {
        missing.push("lld");
    }
    if !tools::exists(EMULATOR) {
        missing.push("qemu-user");
    }
    if missing.is_empty() { Ok(()) } else { tools::debian(shell, &missing) }
}

/// Compiles the programs of `guest/`, and so the two crates, for the program's machine; gives the folder where they are.
fn build(shell: &Shell) -> Result<PathBuf> {
    install(shell)?;
    let guest = shell.root.join("guest");
    // The programs are made of what the native ones are made of.
    std::fs::copy(shell.root.join("Cargo.lock"), guest.join("Cargo.lock")).context("copy the lock file to guest/")?;
    let toolchain = find().context("no compiler with library sources: install rustup's rust-src")?;
    let linker = linker().context("no linker for RISC-V: install lld")?;
    let target_spec = guest.join(TARGET).with_extension("json");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| shell.root.join("target"), PathBuf::from);
    let target = target.join("riscv");
    // The guest has one hart and no interrupts, so atomics become plain loads and stores.
    let flags = ["-Cpasses=lower-atomic", "-Cpanic=abort", "--cfg=getrandom_backend=\"custom\""].map(OsString::from);
    let linker_flag = [OsStr::new("-Clinker="), linker.as_os_str()].into_iter().collect::<OsString>();
    let flags = flags.into_iter().chain([linker_flag]).collect::<Vec<_>>().join(OsStr::new("\u{1f}"));
    let environment: [(&str, OsString); 4] = [
        ("RUSTC_BOOTSTRAP", "1".into()),
        ("RUSTC", toolchain.rustc.into()),
        ("CARGO_TARGET_DIR", target.clone().into()),
        ("CARGO_ENCODED_RUSTFLAGS", flags),
    ];
    let environment: Vec<(&str, &OsStr)> = environment.iter().map(|(k, v)| (*k, v.as_os_str())).collect();
    shell.run_with(
        &guest,
        &toolchain.cargo.to_string_lossy(),
        &[
            "build",
            "--release",
            "-Zbuild-std=core,alloc",
            "-Zbuild-std-features=compiler-builtins-mem",
            "-Zjson-target-spec",
            &format!("--target={}", target_spec.display()),
        ],
        &environment,
    )?;
    Ok(target.join(TARGET).join("release"))
}

/// Compiles for the program's machine, and compares what batches decode to there with what they decode to here.
pub(crate) fn check(shell: &Shell) -> Result<()> {
    let decode = build(shell)?.join("surety-guest-decode");
    let test = ["--no-capture", "-E", "package(surety-stf) and test(/^batch::tests::guest::/)"];
    suite::nextest(shell, &test, &[("SURETY_GUEST_DECODE", decode.as_os_str())])
}
