//! What the tests need beside Rust: npm packages (compiler, Foundry, SDKs), nextest, and for RISC-V Debian's compiler.

use anyhow::{Context, Result, bail};
use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The release of nextest that the project is tested with.
const NEXTEST: &str = "0.9.143";

/// Runs a command in a folder, showing what it prints.
pub(crate) fn run<S: AsRef<OsStr>>(directory: &Path, program: &str, arguments: &[S]) -> Result<()> {
    run_with(directory, program, arguments, &[])
}

/// As [`run`], with environment variables.
pub(crate) fn run_with<S: AsRef<OsStr>>(
    directory: &Path,
    program: &str,
    arguments: &[S],
    environment: &[(&str, &OsStr)],
) -> Result<()> {
    let mut command = Command::new(program);
    command.current_dir(directory).args(arguments).stdin(Stdio::null());
    for (name, value) in environment {
        command.env(name, value);
    }
    let shown: Vec<_> = arguments.iter().map(|a| a.as_ref().to_string_lossy()).collect();
    eprintln!("$ {program} {}", shown.join(" "));
    let status = command.status().with_context(|| format!("start {program}: is it installed?"))?;
    if !status.success() {
        bail!("{program} {} ended with {status}", shown.join(" "));
    }
    Ok(())
}

/// Whether a program answers `--version`.
pub(crate) fn exists(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

/// Installs Debian packages, as root, or says what to install.
pub(crate) fn debian(packages: &[&str]) -> Result<()> {
    let root = Path::new("/");
    if !exists("apt-get") {
        bail!("install these by hand: {}", packages.join(" "));
    }
    let mut arguments = vec!["install", "--yes", "--quiet", "--no-install-recommends"];
    arguments.extend_from_slice(packages);
    run(root, "apt-get", &["update", "--quiet"])
        .and_then(|()| run_with(root, "apt-get", &arguments, &[("DEBIAN_FRONTEND", OsStr::new("noninteractive"))]))
        .with_context(|| format!("install as root: apt-get install {}", packages.join(" ")))
}

/// `npm ci` in a folder of the project, unless its lock file is what was installed last.
pub(crate) fn npm(root: &Path, folder: &str) -> Result<()> {
    if !exists("npm") {
        debian(&["nodejs", "npm"])?;
    }
    let directory = root.join(folder);
    let lock = std::fs::read(directory.join("package-lock.json")).context("read package-lock.json")?;
    let stamp = directory.join("node_modules/.installed-lock");
    if std::fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    run(&directory, "npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund"])?;
    std::fs::write(stamp, lock).context("note what is installed")
}

/// Sees to `cargo nextest`; returns the folder to put before `PATH`, if it had to be installed.
pub(crate) fn nextest(root: &Path) -> Result<Option<PathBuf>> {
    let answers = |path: Option<&Path>| {
        let mut command = Command::new("cargo");
        command.args(["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(path) = path {
            command.env("PATH", with_path(path));
        }
        command.status().is_ok_and(|s| s.success())
    };
    if answers(None) {
        return Ok(None);
    }
    let tools = root.join(".tools");
    let bin = tools.join("bin");
    if !answers(Some(&bin)) {
        let root_argument = tools.as_os_str();
        run(
            root,
            "cargo",
            &["install", "--locked", "cargo-nextest", "--version", NEXTEST, "--root"]
                .map(OsStr::new)
                .into_iter()
                .chain([root_argument])
                .collect::<Vec<_>>(),
        )?;
    }
    Ok(Some(bin))
}

/// `PATH` with a folder in front.
pub(crate) fn with_path(first: &Path) -> std::ffi::OsString {
    let mut paths = vec![first.to_path_buf()];
    paths.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    std::env::join_paths(paths).unwrap_or_default()
}

/// Everything that the suites need.
pub(crate) fn install(root: &Path) -> Result<()> {
    npm(root, "contracts")?;
    npm(root, "e2e")?;
    nextest(root)?;
    crate::riscv::install()
}
