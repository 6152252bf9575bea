//! `types` and `stf` are the program that L1 can judge, so they compile for its machine from the first day, and what they
//! decode there is compared with what they decode here.
//!
//! A RISC-V target without compare-and-swap needs the standard library built from source. Where rustup has `rust-src`,
//! that compiler is taken; elsewhere Debian's web build of Rust, whose source is a package.

use crate::{
    guest, suite,
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

/// The first line that a program says of its version.
fn version(program: &Path, arguments: &[&str]) -> Result<String> {
    let out = Command::new(program).args(arguments).output().with_context(|| format!("start {}", program.display()))?;
    Ok(String::from_utf8_lossy(&out.stdout).lines().next().unwrap_or_default().to_owned())
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

/// The programs of `guest/`, compiled.
pub(crate) struct Programs {
    /// The folder where they are.
    pub(crate) folder: PathBuf,
    /// What compiled them, to the commit.
    pub(crate) compiler: String,
    /// What linked them.
    pub(crate) linker: String,
}

/// Compiles the programs of `guest/`, and so the two crates, for the program's machine. What comes out depends on the
/// sources, the compiler and the linker alone: not on folders, users or time.
pub(crate) fn build(shell: &Shell) -> Result<Programs> {
    install(shell)?;
    let guest = shell.root.join("guest");
    // The programs are made of what the native ones are made of.
    std::fs::copy(shell.root.join("Cargo.lock"), guest.join("Cargo.lock")).context("copy the lock file to guest/")?;
    let toolchain = find().context("no compiler with library sources: install rustup's rust-src")?;
    let linker = linker().context("no linker for RISC-V: install lld")?;
    let target_spec = guest.join(TARGET).with_extension("json");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| shell.root.join("target"), PathBuf::from);
    let target = target.join("riscv");
    let wrapper = std::env::current_exe().context("find this program")?;
    let environment: [(&str, OsString); 7] = [
        ("RUSTC_BOOTSTRAP", "1".into()),
        ("RUSTC", toolchain.rustc.clone().into()),
        ("CARGO_TARGET_DIR", target.clone().into()),
        ("CARGO_ENCODED_RUSTFLAGS", flags(&shell.root)),
        ("RUSTC_WRAPPER", wrapper.into()),
        (WRAPPED, "1".into()),
        // Not among the flags: those name the code.
        ("CARGO_TARGET_RISCV64IM_SURETY_ELF_LINKER", linker.clone().into()),
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
    Ok(Programs {
        folder: target.join(TARGET).join("release"),
        compiler: version(&toolchain.rustc, &["--version"])?,
        linker: version(&linker, &["-flavor", "gnu", "--version"])?,
    })
}

/// Set where this program stands between cargo and the compiler.
const WRAPPED: &str = "SURETY_XTASK_RUSTC";

/// Compiles for cargo, if cargo called: `xtask RUSTC ARGUMENTS`. Cargo tells packages of one name apart by where they are, as
/// far as that is not below the workspace, and names and order of functions follow from that. Ours have one name each, so
/// the name is enough.
pub(crate) fn wrapped_compiler() -> Option<Result<std::process::ExitStatus>> {
    std::env::var_os(WRAPPED)?;
    let mut arguments = std::env::args_os().skip(1);
    let mut command = Command::new(arguments.next()?);
    let mut arguments: Vec<_> = arguments.collect();
    let name = arguments.iter().skip_while(|argument| *argument != "--crate-name").nth(1).cloned().unwrap_or_default();
    if name.to_string_lossy().starts_with("surety_") {
        let metadata = arguments.iter_mut().filter(|argument| argument.to_string_lossy().starts_with("metadata="));
        metadata.for_each(|argument| *argument = format!("metadata={}", name.to_string_lossy()).into());
    }
    Some(command.args(arguments).status().context("start the compiler"))
}

/// The compiler's flags, one behind the other as cargo wants them.
fn flags(root: &Path) -> OsString {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let mut flags: Vec<OsString> = [
        // The guest has one hart and no interrupts, so atomics become plain loads and stores.
        "-Cpasses=lower-atomic",
        "-Cpanic=abort",
        "--cfg=getrandom_backend=\"custom\"",
        "-Clink-arg=--image-base=0x78000000",
        "-Clink-arg=--build-id=none",
        "-Zlocation-detail=none",
    ]
    .map(OsString::from)
    .into();
    for (folder, name) in [(Some(root.to_path_buf()), "/surety"), (home, "/cargo")] {
        let Some(folder) = folder else { continue };
        let mut flag = OsString::from("--remap-path-prefix=");
        flag.push(folder);
        flag.push("=");
        flag.push(name);
        flags.push(flag);
    }
    flags.join(OsStr::new("\u{1f}"))
}

/// Compiles for the program's machine, compares the program with the committed one, and what batches decode to there with
/// what they decode to here.
pub(crate) fn check(shell: &Shell) -> Result<()> {
    let programs = build(shell)?;
    guest::compare(shell, &programs)?;
    // The heap is the same code on any machine.
    shell.run(&shell.root.join("guest"), "cargo", &["test", "--locked", "--package", "surety-guest-machine"])?;
    let decode = programs.folder.join("surety-guest-decode");
    let test = ["--no-capture", "-E", "package(surety-stf) and test(/^batch::tests::guest::/)"];
    suite::nextest(shell, &test, &[("SURETY_GUEST_DECODE", decode.as_os_str())])
}
