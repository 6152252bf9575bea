//! The program that decides disputes about blocks: [`surety_stf::program`] on the machine of [`surety_guest_machine`].
//!
//! | started with | reads | whose answers are checked by |
//! |---|---|---|
//! | the hash of its input in a0..a3 | by key ([`Keyed`]) | the referee |
//! | zeros in a0..a3 | one hint of its host ([`surety_stf::witness`]) | the program |
//!
//! Both compute the same function, and say by their output for which input.
#![no_std]
#![no_main]

extern crate alloc;

mod accelerated;
mod keyed;

use accelerated::CALLS;
use alloy_primitives::{B256, Bytes};
use keyed::Keyed;
use surety_guest_machine as machine;
use surety_stf::{
    Oracle,
    crypto::{
        keccak::{keccak256, keccak256_with},
        secp256k1,
    },
    execute::crypto,
    program,
    witness::{HINT_ACCELERATED, HINT_FLAGS_BYTES, Witness},
};

/// Where the machine starts the program.
#[unsafe(no_mangle)]
extern "C" fn start(a0: u64, a1: u64, a2: u64, a3: u64) -> ! {
    machine::begin();
    let mut input = B256::ZERO;
    for (bytes, word) in input.chunks_exact_mut(8).zip([a0, a1, a2, a3]) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    if input.is_zero() {
        hinted()
    } else {
        crypto::install(secp256k1::recover);
        run(&Keyed, input)
    }
}

fn hinted() -> ! {
    let mut hint = Bytes::from(machine::hint());
    if hint.len() < HINT_FLAGS_BYTES {
        machine::halt(machine::HINT);
    }
    let witness = hint.split_off(HINT_FLAGS_BYTES);
    let flags = hint.iter().fold(0, |flags, byte| flags << 8 | u64::from(*byte));
    if flags & HINT_ACCELERATED == 0 {
        crypto::install(secp256k1::recover);
    } else {
        CALLS.on();
        crypto::install(accelerated::recover);
    }
    match Witness::decode(witness) {
        Ok(witness) => run(&witness, witness.input),
        Err(_) => machine::halt(machine::HINT),
    }
}

fn run<O: Oracle>(oracle: &O, input: B256) -> ! {
    match program::run(oracle, input) {
        Ok(block) => {
            let public_values = program::public_values(input, block);
            machine::commit(&public_values, &program::output(&public_values))
        }
        Err(failure) => machine::halt(failure.exit_code()),
    }
}

/// What alloy hashes with, by its feature `native-keccak`.
///
/// # Safety
/// `bytes` has `length` bytes, and `hash` room for 32.
#[unsafe(no_mangle)]
unsafe extern "C" fn native_keccak256(bytes: *const u8, length: usize, hash: *mut u8) {
    // SAFETY: as the caller promises.
    let bytes = unsafe { core::slice::from_raw_parts(bytes, length) };
    let made = if CALLS.is_on() { keccak256_with(bytes, machine::keccak_permute) } else { keccak256(bytes) };
    // SAFETY: as the caller promises.
    unsafe { hash.cast::<[u8; 32]>().write(made) }
}
