//! Reading payloads on RISC-V: the program of `guest/decode`, which `cargo xtask riscv` compiles, in `qemu-riscv64`.

use alloy_primitives::B256;
use anyhow::{Context as _, Result, ensure};
use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use surety_stf::batch::decode_digest;
use surety_types::RollupId;

/// How long the program takes for the payloads, from its start to its end. What it says they hold must be what they hold.
///
/// # Errors
/// If the emulator or the program cannot be started, fails, or says something else.
pub(super) fn time(program: &Path, rollup: RollupId, payloads: &[Vec<u8>]) -> Result<Duration> {
    let mut input = Vec::new();
    for payload in payloads {
        input.extend_from_slice(&rollup.get().to_be_bytes());
        input.extend_from_slice(&u32::try_from(payload.len())?.to_be_bytes());
        input.extend_from_slice(payload);
    }
    let start = Instant::now();
    let mut guest = Command::new("qemu-riscv64")
        .arg(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("qemu-riscv64 does not start: install Debian's qemu-user")?;
    let mut pipe = guest.stdin.take().context("the program has no standard input")?;
    // If the program ends early, its exit code says why.
    let writer = thread::spawn(move || drop(pipe.write_all(&input)));
    let output = guest.wait_with_output()?;
    let took = start.elapsed();
    ensure!(writer.join().is_ok(), "the payloads could not be written");
    ensure!(
        output.status.success(),
        "{} ended with {}: {}",
        program.display(),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let native = payloads.iter().map(|payload| decode_digest(rollup, payload));
    let same = output.stdout.len() % 32 == 0 && output.stdout.chunks(32).map(B256::from_slice).eq(native);
    ensure!(same, "{} reads other blocks than this program: was it compiled from the same source?", program.display());
    Ok(took)
}
