//! `types` and `stf` are the program that L1 can judge, so they compile for its machine from the first day.
//!
//! A RISC-V target without compare-and-swap needs the standard library built from source. Where rustup has `rust-src`,
//! that compiler is taken; elsewhere Debian's web build of Rust, whose source is a package.

use crate::tools::{self, Shell};
use anyhow::{Context, Result};
use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::Command,
};

const DEBIAN: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

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

/// Installs a compiler with sources, if none is here.
pub(crate) fn install(shell: &Shell) -> Result<()> {
    if find().is_some() { Ok(()) } else { tools::debian(shell, &DEBIAN) }
}

/// Compiles the two crates for the program's machine.
pub(crate) fn check(shell: &Shell) -> Result<()> {
    install(shell)?;
    let root = &shell.root;
    let toolchain = find().context("no compiler with library sources: install rustup's rust-src")?;
    let target_spec = root.join("guest/riscv64im-surety-elf.json");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from).join("riscv");
    // The guest has one hart and no interrupts, so atomics become plain loads and stores.
    let flags = ["-Cpasses=lower-atomic", "-Cpanic=abort", "--cfg=getrandom_backend=\"custom\""].join("\u{1f}");
    let environment: [(&str, OsString); 4] = [
        ("RUSTC_BOOTSTRAP", "1".into()),
        ("RUSTC", toolchain.rustc.into()),
        ("CARGO_TARGET_DIR", target.into()),
        ("CARGO_ENCODED_RUSTFLAGS", flags.into()),
    ];
    let environment: Vec<(&str, &OsStr)> = environment.iter().map(|(k, v)| (*k, v.as_os_str())).collect();
    shell.run_with(
        root,
        &toolchain.cargo.to_string_lossy(),
        &[
            "build",
            "--locked",
            "--release",
            "--lib",
            "--package=surety-types",
            "--package=surety-stf",
            "--no-default-features",
            "-Zbuild-std=core,alloc",
            "-Zbuild-std-features=compiler-builtins-mem",
            "-Zjson-target-spec",
            &format!("--target={}", target_spec.display()),
        ],
        &environment,
    )
}
