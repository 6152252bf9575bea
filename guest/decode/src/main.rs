//! Decode batch payloads on RISC-V, for comparison with the native decoder.
//!
//! Reads `uint64 rollup ‖ uint32 length ‖ payload` from standard input again and again, all big-endian, and writes
//! [`surety_stf::batch::decode_digest`] of each, 32 bytes, to standard output. At the end of the input it says on standard
//! error how much of the heap the hungriest payload took, and exits with 0. The other exit codes stand in [`machine`].
//!
//! Speaks the Linux ABI, so `qemu-riscv64` runs it.
#![no_std]
#![no_main]

extern crate alloc;

mod machine;

use alloc::{format, vec};
use surety_stf::{batch::decode_digest, crypto::keccak::keccak256};
use surety_types::RollupId;

/// The longest payload that is taken. L1 never has as much: six blobs hold less than a fifth.
const MAX_PAYLOAD_BYTES: usize = 4 << 20;

/// Answers one payload; false at the end of the input.
fn answer() -> bool {
    let (mut rollup, mut length) = ([0; 8], [0; 4]);
    if !machine::read(&mut rollup) {
        return false;
    }
    let complete = machine::read(&mut length);
    let length = u32::from_be_bytes(length) as usize;
    if !complete || length > MAX_PAYLOAD_BYTES {
        machine::exit(machine::INPUT);
    }
    let mut payload = vec![0; length];
    if length > 0 && !machine::read(&mut payload) {
        machine::exit(machine::INPUT);
    }
    let digest = decode_digest(RollupId::new(u64::from_be_bytes(rollup)), &payload);
    machine::write(machine::OUT, digest.as_slice());
    true
}

/// Where the system starts the program, with a stack that is aligned.
#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    while answer() {
        // SAFETY: `answer` gave back nothing, and keeps nothing in a static, so all that it allocated is dropped.
        unsafe { machine::HEAP.renew() };
    }
    let most = machine::HEAP.most();
    machine::write(machine::ERROR, format!("heap: {most} of {} bytes\n", machine::HEAP_BYTES).as_bytes());
    machine::exit(0)
}

/// What alloy hashes with, by its feature `native-keccak`.
///
/// # Safety
/// `bytes` has `length` bytes, and `hash` room for 32.
#[unsafe(no_mangle)]
unsafe extern "C" fn native_keccak256(bytes: *const u8, length: usize, hash: *mut u8) {
    // SAFETY: as the caller promises.
    unsafe { hash.cast::<[u8; 32]>().write(keccak256(core::slice::from_raw_parts(bytes, length))) }
}
