//! What the tests need beside Rust: npm packages (compiler, Foundry, SDKs), nextest, for RISC-V Debian's compiler, and for halmos
//! Python.

use anyhow::{Context, Result, bail};
use std::{
    ffi::OsStr,
    fs::File,
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The release of nextest that the project is tested with.
const NEXTEST: &str = "0.9.143";

/// Runs commands, and shows what they print now or keeps it for later.
pub(crate) struct Shell {
    /// The root of the project.
    pub(crate) root: PathBuf,
    /// Where output goes; `None`: to this process's own.
    log: Option<File>,
}

impl Shell {
    /// Shows what commands print.
    pub(crate) const fn loud(root: PathBuf) -> Self {
        Self { root, log: None }
    }

    /// Keeps what commands print, for [`Shell::show`].
    pub(crate) fn quiet(root: PathBuf) -> Result<Self> {
        let file = tempfile::tempfile().context("make a file for the output of the suites that run beside others")?;
        Ok(Self { root, log: Some(file) })
    }

    /// Shows a line.
    pub(crate) fn say(&self, line: &str) {
        match self.log.as_ref() {
            // The output is shown even if a line of it is lost.
            Some(log) => drop(writeln!(&*log, "{line}")),
            None => eprintln!("{line}"),
        }
    }

    /// Of what was kept since `from`, keeps the last lines only: a suite that passed has little to say.
    pub(crate) fn shorten(&self, from: u64) -> Result<()> {
        const KEPT: usize = 4;
        let Some(mut log) = self.log.as_ref() else { return Ok(()) };
        let mut said = String::new();
        log.seek(SeekFrom::Start(from))?;
        log.read_to_string(&mut said)?;
        let mut last: Vec<_> = said.lines().rev().filter(|line| !line.is_empty()).take(KEPT).collect();
        last.reverse();
        log.set_len(from)?;
        log.seek(SeekFrom::Start(from))?;
        writeln!(log, "{}", last.join("\n"))?;
        Ok(())
    }

    /// How much was kept.
    pub(crate) fn kept(&self) -> Result<u64> {
        Ok(self.log.as_ref().map_or(Ok(0), |mut log| log.stream_position())?)
    }

    /// Shows what was kept.
    pub(crate) fn show(self) -> Result<()> {
        if let Some(mut log) = self.log {
            log.rewind()?;
            std::io::copy(&mut log, &mut std::io::stderr())?;
        }
        Ok(())
    }

    fn output(&self) -> Result<Stdio> {
        Ok(self.log.as_ref().map_or_else(|| Ok(Stdio::inherit()), |log| log.try_clone().map(Stdio::from))?)
    }

    /// Runs a command in a folder.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, directory: &Path, program: &str, arguments: &[S]) -> Result<()> {
        self.run_with(directory, program, arguments, &[])
    }

    /// As [`Shell::run`], with environment variables.
    pub(crate) fn run_with<S: AsRef<OsStr>>(
        &self,
        directory: &Path,
        program: &str,
        arguments: &[S],
        environment: &[(&str, &OsStr)],
    ) -> Result<()> {
        // What runs beside others gives way to them: networks in tests must keep to their times.
        let mut command = if self.log.is_some() && exists("nice") {
            let mut nice = Command::new("nice");
            nice.args(["-n", "10", program]);
            nice
        } else {
            Command::new(program)
        };
        command
            .current_dir(directory)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(self.output()?)
            .stderr(self.output()?);
        // What cargo tells this program about itself: build scripts would take it for theirs and build anew.
        for (name, _) in std::env::vars_os() {
            if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|own| name.to_string_lossy().starts_with(own)) {
                command.env_remove(name);
            }
        }
        for (name, value) in environment {
            command.env(name, value);
        }
        let shown: Vec<_> = arguments.iter().map(|a| a.as_ref().to_string_lossy()).collect();
        self.say(&format!("$ {program} {}", shown.join(" ")));
        let status = command.status().with_context(|| format!("start {program}: is it installed?"))?;
        if !status.success() {
            bail!("{program} {} ended with {status}", shown.join(" "));
        }
        Ok(())
    }
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
pub(crate) fn debian(shell: &Shell, packages: &[&str]) -> Result<()> {
    let root = Path::new("/");
    if !exists("apt-get") {
        bail!("install these by hand: {}", packages.join(" "));
    }
    let mut arguments = vec!["install", "--yes", "--quiet", "--no-install-recommends"];
    arguments.extend_from_slice(packages);
    shell
        .run(root, "apt-get", &["update", "--quiet"])
        .and_then(|()| {
            shell.run_with(root, "apt-get", &arguments, &[("DEBIAN_FRONTEND", OsStr::new("noninteractive"))])
        })
        .with_context(|| format!("install as root: apt-get install {}", packages.join(" ")))
}

/// `npm ci` in a folder of the project, unless its lock file is what was installed last.
pub(crate) fn npm(shell: &Shell, folder: &str) -> Result<()> {
    if !exists("npm") {
        debian(shell, &["nodejs", "npm"])?;
    }
    let directory = shell.root.join(folder);
    let lock = std::fs::read(directory.join("package-lock.json")).context("read package-lock.json")?;
    let stamp = directory.join("node_modules/.installed-lock");
    if std::fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    shell.run(&directory, "npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund"])?;
    std::fs::write(stamp, lock).context("note what is installed")
}

/// Sees to Python and its `venv`, in which `contracts/symbolic/run.mjs` installs halmos.
pub(crate) fn python(shell: &Shell) -> Result<()> {
    let has_venv = Command::new("python3").args(["-c", "import ensurepip, venv"]).stderr(Stdio::null()).status();
    if has_venv.is_ok_and(|s| s.success()) { Ok(()) } else { debian(shell, &["python3", "python3-venv"]) }
}

/// Sees to `cargo nextest`; returns the folder to put before `PATH`, if it had to be installed.
pub(crate) fn nextest(shell: &Shell) -> Result<Option<PathBuf>> {
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
    let tools = shell.root.join(".tools");
    let bin = tools.join("bin");
    if !answers(Some(&bin)) {
        let root_argument = tools.as_os_str();
        shell.run(
            &shell.root,
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
pub(crate) fn install(shell: &Shell) -> Result<()> {
    npm(shell, "contracts")?;
    npm(shell, "e2e")?;
    npm(shell, "sdk")?;
    nextest(shell)?;
    crate::riscv::install(shell)
}
