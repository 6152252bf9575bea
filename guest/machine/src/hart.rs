//! The start, the calls and the end, in the machine's own terms.

use crate::{HINT, IMAGE_BASE, MEMORY, PANIC, heap::Heap};
use alloc::vec::Vec;
use core::{
    alloc::{GlobalAlloc, Layout},
    arch::{asm, global_asm},
    cell::UnsafeCell,
    panic::PanicInfo,
    ptr::null_mut,
};

extern crate alloc;

// Calls, by the number in t0.
const HALT: u64 = 0x00;
const WRITE: u64 = 0x02;
const COMMIT: u64 = 0x10;
const COMMIT_DEFERRED: u64 = 0x1a;
const HINT_LEN: u64 = 0xf0;
const HINT_READ: u64 = 0xf1;
const READ: u64 = 0x5355;
const KECCAK_PERMUTE: u64 = 0x0001_0109;
const SECP256K1_ADD: u64 = 0x0001_010a;
const SECP256K1_DOUBLE: u64 = 0x0000_010b;
const UINT256_MUL: u64 = 0x0001_011d;

/// zkVMs take the public values from this file descriptor.
const PUBLIC_VALUES: u64 = 13;

/// The end of memory.
const MEMORY_END: usize = 1 << 32;

const PAGE: usize = 4096;

global_asm!(
    ".section .text._start",
    ".globl _start",
    "_start:",
    "li sp, {top}",
    "tail start",
    top = const IMAGE_BASE,
);

unsafe extern "C" {
    /// The linker's: the end of the image.
    static _end: u8;
}

/// A call with up to three arguments; gives t0.
///
/// # Safety
/// What the call does with the memory that its arguments name must be allowed here.
unsafe fn call(number: u64, a0: u64, a1: u64, a2: u64) -> u64 {
    let result;
    // SAFETY: the machine changes no register but t0, and memory only as the caller allows.
    unsafe { asm!("ecall", inlateout("t0") number => result, in("a0") a0, in("a1") a1, in("a2") a2, options(nostack)) };
    result
}

/// Gives the heap its memory. The program calls this once, first of all.
pub fn begin() {
    // SAFETY: nothing but the heap uses what is above the image.
    unsafe { HEAP.begin((&raw const _end) as usize, MEMORY_END) };
}

/// Ends the program.
pub fn halt(code: u64) -> ! {
    loop {
        // SAFETY: names no memory.
        unsafe { call(HALT, code, 0, 0) };
    }
}

/// Ends the program with an output: the sha256 of its public values, which zkVMs want beside it.
pub fn commit(public_values: &[u8], output: &[u8; 32]) -> ! {
    // SAFETY: the host reads the public values at most.
    unsafe { call(WRITE, PUBLIC_VALUES, public_values.as_ptr() as u64, public_values.len() as u64) };
    for (index, word) in (0..).zip(output.chunks_exact(4)) {
        let word = word.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        // SAFETY: names no memory.
        unsafe { call(COMMIT, index, word, 0) };
    }
    for index in 0..8 {
        // SAFETY: names no memory.
        unsafe { call(COMMIT_DEFERRED, index, 0, 0) };
    }
    halt(0)
}

/// Kinds of values that the referee knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Kind {
    /// The bytes with this keccak256, by pages.
    Keccak = 1,
    /// The field elements of the blob with this versioned hash.
    BlobElement = 2,
}

/// Where the machine puts a part of a value.
#[repr(C, align(4096))]
struct Page(UnsafeCell<[u8; PAGE]>);

// SAFETY: the machine has one hart and no interrupts.
unsafe impl Sync for Page {}

static PART: Page = Page(UnsafeCell::new([0; PAGE]));

/// Reads a part of a value; gives the whole value's length, and the part until the next one is read.
fn read(kind: Kind, key: &[u8; 32], index: u64) -> (usize, &'static [u8; PAGE]) {
    let [k0, k1, k2, k3] = words(key);
    let length: u64;
    // SAFETY: the machine writes the page `PART` alone, and no reference to it lives: `value` and `element` copy.
    unsafe {
        asm!(
            "ecall", inlateout("t0") READ => length, in("a0") kind as u64, in("a1") k0, in("a2") k1, in("a3") k2,
            in("a4") k3, in("a5") index, in("a6") PART.0.get(), options(nostack)
        );
        (length as usize, &*PART.0.get())
    }
}

fn words(key: &[u8; 32]) -> [u64; 4] {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(key.chunks_exact(8)) {
        *word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    }
    words
}

/// The bytes with this keccak256, which the referee checks.
pub fn value(key: &[u8; 32]) -> Vec<u8> {
    let (length, mut part) = read(Kind::Keccak, key, 0);
    let mut value = Vec::with_capacity(length);
    for index in 1.. {
        let left = length - value.len();
        value.extend_from_slice(part.get(..left).unwrap_or(part));
        if left <= PAGE {
            break;
        }
        (_, part) = read(Kind::Keccak, key, index);
    }
    value
}

/// A field element of the blob with this versioned hash, which the referee checks.
pub fn element(versioned_hash: &[u8; 32], index: u64) -> [u8; 32] {
    let (_, part) = read(Kind::BlobElement, versioned_hash, index);
    *part.first_chunk().unwrap_or(&[0; 32])
}

/// The hint of the program's host. Zero-knowledge machines have it, the referee does not.
pub fn hint() -> Vec<u8> {
    // SAFETY: names no memory.
    let length = unsafe { call(HINT_LEN, 0, 0, 0) };
    // The host fills whole words.
    let Some(capacity) = usize::try_from(length).ok().and_then(|length| length.checked_add(8)) else { halt(HINT) };
    let mut hint: Vec<u64> = Vec::with_capacity(capacity / 8);
    // SAFETY: the host writes `length` bytes, rounded up to words, of which the vector has room.
    unsafe { call(HINT_READ, hint.as_mut_ptr() as u64, length, 0) };
    let mut bytes = Vec::with_capacity(length as usize);
    // SAFETY: the host wrote `length` bytes there.
    bytes.extend_from_slice(unsafe { core::slice::from_raw_parts(hint.as_mut_ptr().cast::<u8>(), length as usize) });
    bytes
}

/// keccak-f\[1600\] by the host's call, which only zero-knowledge machines have.
pub fn keccak_permute(state: &mut [u64; 25]) {
    // SAFETY: the host changes the state alone.
    unsafe { call(KECCAK_PERMUTE, state.as_mut_ptr() as u64, 0, 0) };
}

/// Adds a point of secp256k1, x ‖ y in limbs of 64 bits with the lowest first, to one with another x, by the host's call.
pub fn secp256k1_add(point: &mut [u64; 8], other: &[u64; 8]) {
    // SAFETY: the host changes the point alone.
    unsafe { call(SECP256K1_ADD, point.as_mut_ptr() as u64, other.as_ptr() as u64, 0) };
}

/// Doubles a point of secp256k1 by the host's call.
pub fn secp256k1_double(point: &mut [u64; 8]) {
    // SAFETY: the host changes the point alone.
    unsafe { call(SECP256K1_DOUBLE, point.as_mut_ptr() as u64, 0, 0) };
}

/// Multiplies a number by the first of two, modulo the second, by the host's call.
pub fn multiply_modulo(number: &mut [u64; 4], factor_and_modulus: &[[u64; 4]; 2]) {
    // SAFETY: the host changes the number alone.
    unsafe { call(UINT256_MUL, number.as_mut_ptr() as u64, factor_and_modulus.as_ptr() as u64, 0) };
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    halt(PANIC)
}

#[global_allocator]
static HEAP: Global = Global(Heap::new());

/// The heap as the language wants it: the program ends where there is no memory.
struct Global(Heap);

impl core::ops::Deref for Global {
    type Target = Heap;
    fn deref(&self) -> &Heap {
        &self.0
    }
}

// SAFETY: blocks lie in the heap's memory, apart from one another and aligned, until they are given back.
unsafe impl GlobalAlloc for Global {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match self.take(layout) {
            Some(block) => block.address as *mut u8,
            None => halt(MEMORY),
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller gives back what it took.
        unsafe { self.give(block as usize, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some(block) = self.take(layout) else { halt(MEMORY) };
        let address = block.address as *mut u8;
        if !block.fresh {
            // SAFETY: the block is the caller's, and has as many bytes.
            unsafe { address.write_bytes(0, layout.size()) };
        }
        address
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Ok(new) = Layout::from_size_align(size, layout.align()) else { return null_mut() };
        if Heap::block_bytes(new) == Heap::block_bytes(layout) {
            return block;
        }
        // SAFETY: the new block is apart from the old one, which the caller gives up; both have `least` bytes.
        unsafe {
            let to = self.alloc(new);
            block.copy_to_nonoverlapping(to, layout.size().min(size));
            self.give(block as usize, layout);
            to
        }
    }
}
