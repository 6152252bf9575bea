//! What the program takes from the system: reading, writing, the end, and a heap of a fixed size.

use core::{
    alloc::{GlobalAlloc, Layout},
    arch::asm,
    cell::Cell,
    panic::PanicInfo,
    ptr::null_mut,
};

/// Exit code: the program panicked.
pub(crate) const PANIC: usize = 101;
/// Exit code: a payload needed more than [`HEAP_BYTES`], or the system did not give them.
pub(crate) const MEMORY: usize = 102;
/// Exit code: the input is not as it must be, or reading or writing failed.
pub(crate) const INPUT: usize = 103;

/// Standard output.
pub(crate) const OUT: usize = 1;
/// Standard error.
pub(crate) const ERROR: usize = 2;

/// All that one payload may allocate from first to last, since nothing is given back before it is answered.
pub(crate) const HEAP_BYTES: usize = 128 << 20;

// Linux system calls on RISC-V.
const READ: usize = 63;
const WRITE: usize = 64;
const EXIT: usize = 93;
const MUNMAP: usize = 215;
const MMAP: usize = 222;
/// `PROT_READ | PROT_WRITE`.
const READ_WRITE: usize = 1 | 2;
/// `MAP_PRIVATE | MAP_ANONYMOUS`.
const ANONYMOUS: usize = 2 | 0x20;

/// A system call; a negative result is an error.
///
/// # Safety
/// What the call does with the memory that its arguments name must be allowed here.
unsafe fn call(number: usize, arguments: [usize; 6]) -> isize {
    let [a0, a1, a2, a3, a4, a5] = arguments;
    let result: isize;
    // SAFETY: the kernel keeps all registers but a0; the memory that it writes is the caller's concern.
    unsafe {
        asm!(
            "ecall", in("a7") number, inlateout("a0") a0 => result, in("a1") a1, in("a2") a2, in("a3") a3, in("a4") a4,
            in("a5") a5, options(nostack)
        );
    }
    result
}

/// Ends the program.
pub(crate) fn exit(code: usize) -> ! {
    loop {
        // SAFETY: names no memory.
        unsafe { call(EXIT, [code, 0, 0, 0, 0, 0]) };
    }
}

/// Fills a buffer from standard input. False if the input ended before its first byte; an end within it ends the program.
pub(crate) fn read(buffer: &mut [u8]) -> bool {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        // SAFETY: the kernel writes at most as many bytes as `rest` has, to where it is.
        match unsafe { call(READ, [0, rest.as_mut_ptr() as usize, rest.len(), 0, 0, 0]) } {
            0 if filled == 0 => return false,
            count @ 1.. => filled += count as usize,
            _ => exit(INPUT),
        }
    }
    true
}

/// Writes all bytes to a file descriptor.
pub(crate) fn write(to: usize, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // SAFETY: the kernel reads at most as many bytes as `bytes` has, from where they are.
        let count = unsafe { call(WRITE, [to, bytes.as_ptr() as usize, bytes.len(), 0, 0, 0]) };
        bytes = usize::try_from(count)
            .ok()
            .filter(|count| *count > 0)
            .and_then(|count| bytes.get(count..))
            .unwrap_or_else(|| exit(INPUT));
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    exit(PANIC)
}

/// Gives out fresh memory of one mapping from the front; grows the last piece in place, and takes nothing back.
pub(crate) struct Heap {
    start: Cell<usize>,
    next: Cell<usize>,
    most: Cell<usize>,
}

// SAFETY: the program has one thread and no signal handlers.
unsafe impl Sync for Heap {}

/// The heap of the program.
#[global_allocator]
pub(crate) static HEAP: Heap = Heap { start: Cell::new(0), next: Cell::new(0), most: Cell::new(0) };

impl Heap {
    /// The most bytes that were given out between two renewals.
    pub(crate) fn most(&self) -> usize {
        self.most.get().max(self.next.get() - self.start.get())
    }

    /// Begins anew with memory that is zero.
    ///
    /// # Safety
    /// Nothing that was allocated may be used afterwards.
    pub(crate) unsafe fn renew(&self) {
        self.most.set(self.most());
        if self.start.get() != 0 {
            // SAFETY: the range is the mapping that `map` made, and the caller says that nothing in it is used.
            unsafe { call(MUNMAP, [self.start.get(), HEAP_BYTES, 0, 0, 0, 0]) };
        }
        self.start.set(0);
        self.next.set(0);
    }

    fn map(&self) {
        // SAFETY: a new mapping, where the kernel has room, changes no memory that is in use.
        let start = unsafe { call(MMAP, [0, HEAP_BYTES, READ_WRITE, ANONYMOUS, usize::MAX, 0]) };
        let start = usize::try_from(start).unwrap_or_else(|_| exit(MEMORY));
        self.start.set(start);
        self.next.set(start);
    }

    /// Moves the front to `end`, if the heap has as much.
    fn advance(&self, end: Option<usize>) {
        match end.filter(|end| *end - self.start.get() <= HEAP_BYTES) {
            Some(end) => self.next.set(end),
            None => exit(MEMORY),
        }
    }
}

// SAFETY: pieces lie within the mapping, apart from one another and aligned; the program ends where there is no more.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if self.start.get() == 0 {
            self.map();
        }
        let at = self.next.get().next_multiple_of(layout.align());
        self.advance(at.checked_add(layout.size()));
        at as *mut u8
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout is passed on. Memory is given out once a mapping, so it is still zero.
        unsafe { self.alloc(layout) }
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let at = piece as usize;
        if size <= layout.size() {
            return piece;
        }
        if at + layout.size() == self.next.get() {
            self.advance(at.checked_add(size));
            return piece;
        }
        let new = match Layout::from_size_align(size, layout.align()) {
            // SAFETY: the size is not zero, being greater than another.
            Ok(new) => unsafe { self.alloc(new) },
            Err(_) => null_mut(),
        };
        if !new.is_null() {
            // SAFETY: both pieces have `layout.size()` bytes at least, and the new one is apart from all others.
            unsafe { piece.copy_to_nonoverlapping(new, layout.size()) };
        }
        new
    }
}
