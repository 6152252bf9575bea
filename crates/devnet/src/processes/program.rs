//! The program, run as others would run it: commands that end, and processes that serve until they are killed.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::ChildStdout,
};

/// Why a process did not do what it was started for.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The system.
    #[error("{what}: {cause}")]
    System {
        /// What was tried.
        what: String,
        /// The system's words.
        cause: std::io::Error,
    },
    /// A command failed.
    #[error("{command} failed: {errors}")]
    Failed {
        /// The command.
        command: String,
        /// What it wrote on standard error.
        errors: String,
    },
    /// A process ended.
    #[error("{command} ended before it said {expected:?}; the end of its log:\n{log}")]
    Ended {
        /// Its command.
        command: String,
        /// What was waited for.
        expected: String,
        /// The end of its log.
        log: String,
    },
    /// A process takes too long.
    #[error("{command} did not say {expected:?} within {} s; the end of its log:\n{log}", within.as_secs())]
    Silent {
        /// Its command.
        command: String,
        /// What was waited for.
        expected: String,
        /// How long.
        within: Duration,
        /// The end of its log.
        log: String,
    },
}

impl ProcessError {
    pub(super) fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |cause| Self::System { what, cause }
    }
}

/// The program's file.
#[derive(Debug, Clone)]
pub struct Program(PathBuf);

impl Program {
    /// The program in this file.
    pub const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// The program that runs.
    ///
    /// # Errors
    /// The system does not say which it is.
    pub fn running() -> Result<Self, ProcessError> {
        std::env::current_exe().map(Self).map_err(ProcessError::system("find the running program's file"))
    }

    /// Runs a command to its end and returns what it wrote on standard output. Cancelled, it kills it.
    ///
    /// # Errors
    /// It does not start, or fails.
    pub async fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<String, ProcessError> {
        let described = describe(arguments);
        let mut command = tokio::process::Command::new(&self.0);
        command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await.map_err(ProcessError::system(format!("start {described}")))?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(ProcessError::Failed { command: described, errors });
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Starts a process whose standard error is appended to a log.
    ///
    /// # Errors
    /// The log cannot be opened, or the process does not start.
    pub fn spawn<S: AsRef<OsStr>>(&self, arguments: &[S], log: &Path) -> Result<Process, ProcessError> {
        let command = describe(arguments);
        let opened = File::options().create(true).append(true).open(log);
        let errors = opened.map_err(ProcessError::system(format!("open {}", log.display())))?;
        let start = || ProcessError::system(format!("start {command}"));
        // Nothing is ever written to standard input: that it ends tells the process that this one has died.
        let mut child = Command::new(&self.0)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .map_err(start())?;
        let output = child.stdout.take();
        let mut process = Process { child, output: None, command: command.clone(), log: log.to_owned() };
        if let Some(output) = output {
            let output = ChildStdout::from_std(output).map_err(start())?;
            process.output = Some(BufReader::new(output).lines());
        }
        Ok(process)
    }
}

fn describe<S: AsRef<OsStr>>(arguments: &[S]) -> String {
    let mut words = OsString::from("surety");
    for argument in arguments {
        words.push(" ");
        words.push(argument);
    }
    words.to_string_lossy().into_owned()
}

/// A process that is killed (SIGKILL) and waited for when it is dropped. Should this process be killed itself, the other sees
/// the end of its standard input.
#[derive(Debug)]
pub struct Process {
    child: Child,
    output: Option<Lines<BufReader<ChildStdout>>>,
    command: String,
    log: PathBuf,
}

impl Process {
    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line of its standard output that begins so; returns the rest of the line.
    ///
    /// # Errors
    /// It ends before, or is too slow.
    pub async fn said(&mut self, beginning: &str, within: Duration) -> Result<String, ProcessError> {
        let (command, log, expected) = (self.command.clone(), self.log.clone(), beginning.to_owned());
        let found = async {
            while let Some(lines) = &mut self.output
                && let Ok(Some(line)) = lines.next_line().await
            {
                if let Some(rest) = line.strip_prefix(beginning) {
                    return Some(rest.trim().to_owned());
                }
            }
            None
        };
        match tokio::time::timeout(within, found).await {
            Ok(Some(rest)) => Ok(rest),
            Ok(None) => Err(ProcessError::Ended { command, expected, log: end_of(&log) }),
            Err(_) => Err(ProcessError::Silent { command, expected, within, log: end_of(&log) }),
        }
    }

    /// Waits for its end and says how it was; its standard input ends now.
    ///
    /// # Errors
    /// The system's.
    pub fn wait(mut self) -> std::io::Result<std::process::ExitStatus> {
        self.child.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The last lines of a log.
pub fn end_of(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines.get(lines.len().saturating_sub(25)..).unwrap_or_default().join("\n")
}
