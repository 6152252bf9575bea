//! A heap that takes memory back, in constant time for each request, whatever the order of requests.
//!
//! Blocks have sizes of powers of two, from 16 bytes on, and are aligned to their size, at most to a page. A block that is
//! given back goes to the list of its size and is given out again for the next request of that size; only when a list is
//! empty is a new block cut from the end of the heap. Blocks are neither divided nor joined, so the heap never has more
//! memory than the sum, over all sizes, of the most blocks of that size that were in use at a time (and for each block of a
//! page or more, less than a page for its alignment).

use core::{alloc::Layout, cell::Cell};

/// The smallest block is of 2^4 bytes.
const SMALLEST: u32 = 4;
/// The largest block is of 2^31 bytes.
const SIZES: usize = 28;
/// Blocks are aligned to their size, at most to this.
const PAGE: usize = 4096;

/// Memory from one address to another, and the blocks in it that are free.
#[derive(Debug, Default)]
pub struct Heap {
    /// For each size the first free block, or 0. A free block's first word is the address of the next one, or 0.
    free: [Cell<usize>; SIZES],
    next: Cell<usize>,
    end: Cell<usize>,
}

// SAFETY: the machine has one hart and no interrupts.
unsafe impl Sync for Heap {}

/// A block for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Its address.
    pub address: usize,
    /// Whether it was never given out before, and so is as the memory was at first: zero.
    pub fresh: bool,
}

impl Heap {
    /// A heap without memory.
    pub const fn new() -> Self {
        Self { free: [const { Cell::new(0) }; SIZES], next: Cell::new(0), end: Cell::new(0) }
    }

    /// Gives the heap its memory.
    ///
    /// # Safety
    /// Nothing else may use the addresses from `start` to `end`, ever.
    pub unsafe fn begin(&self, start: usize, end: usize) {
        self.next.set(start);
        self.end.set(end);
    }

    /// The place of a request's size in the list of sizes.
    fn size_class(layout: Layout) -> usize {
        let size = layout.size().max(layout.align()).max(1 << SMALLEST);
        ((size - 1).ilog2() + 1 - SMALLEST) as usize
    }

    /// How many bytes the block for a request has.
    pub fn block_bytes(layout: Layout) -> usize {
        1 << (Self::size_class(layout) as u32 + SMALLEST)
    }

    /// A block for a request; `None` if there is no memory for it.
    pub fn take(&self, layout: Layout) -> Option<Block> {
        let class = Self::size_class(layout);
        let list = self.free.get(class)?;
        let first = list.get();
        if first != 0 {
            // SAFETY: the block is free, so its first word is what `give` wrote there.
            list.set(unsafe { (first as *const usize).read() });
            return Some(Block { address: first, fresh: false });
        }
        let bytes = 1usize << (class as u32 + SMALLEST);
        if layout.align() > PAGE {
            return None;
        }
        let address = self.next.get().next_multiple_of(bytes.min(PAGE));
        let after = address.checked_add(bytes).filter(|after| *after <= self.end.get())?;
        self.next.set(after);
        Some(Block { address, fresh: true })
    }

    /// Takes a block back.
    ///
    /// # Safety
    /// The block was taken from this heap for a request of the same size class, and is not in use.
    pub unsafe fn give(&self, address: usize, layout: Layout) {
        if let Some(list) = self.free.get(Self::size_class(layout)) {
            // SAFETY: the block has at least 16 bytes, is aligned to as much, and nobody uses it.
            unsafe { (address as *mut usize).write(list.get()) };
            list.set(address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Numbers from a seed (xorshift64*).
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, limit: usize) -> usize {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
        }
    }

    fn heap(memory: &mut [u64]) -> Heap {
        let heap = Heap::new();
        let start = memory.as_mut_ptr() as usize;
        // SAFETY: the caller's memory is used by nobody else while the heap lives.
        unsafe { heap.begin(start, start + memory.len() * 8) };
        heap
    }

    #[test]
    fn blocks_in_use_never_meet_and_are_aligned() {
        let mut memory = vec![0u64; 1 << 18];
        let bounds = memory.as_ptr_range();
        let heap = heap(&mut memory);
        let mut numbers = Numbers(7);
        let mut used: BTreeMap<usize, Layout> = BTreeMap::new();
        for _ in 0..100_000 {
            if numbers.below(3) > 0 && used.len() < 60 {
                let most = 1 << numbers.below(15);
                let size = numbers.below(most) + 1;
                let layout = Layout::from_size_align(size, 1 << numbers.below(13)).unwrap();
                let Block { address, fresh } = heap.take(layout).unwrap();
                assert_eq!(address % layout.align(), 0);
                assert!(address >= bounds.start as usize && address + layout.size() <= bounds.end as usize);
                if let Some((before, other)) = used.range(..=address).next_back() {
                    assert!(before + other.size() <= address);
                }
                if let Some((after, _)) = used.range(address..).next() {
                    assert!(address + layout.size() <= *after);
                }
                // SAFETY: the block is ours.
                let bytes = unsafe { core::slice::from_raw_parts_mut(address as *mut u8, layout.size()) };
                assert!(!fresh || bytes.iter().all(|byte| *byte == 0));
                bytes.fill(0xff);
                used.insert(address, layout);
            } else if let Some(address) = used.keys().nth(numbers.below(used.len().max(1))).copied() {
                let layout = used.remove(&address).unwrap();
                // SAFETY: taken for this layout, and used no more.
                unsafe { heap.give(address, layout) };
            }
        }
    }

    #[test]
    fn churn_needs_no_more_than_what_is_in_use_at_a_time() {
        let mut memory = vec![0u64; 1 << 15];
        let heap = heap(&mut memory);
        for round in 0..100_000 {
            let layout = Layout::from_size_align(100_000 + round % 7, 8).unwrap();
            let block = heap.take(layout).unwrap();
            // SAFETY: taken for this layout, and used no more.
            unsafe { heap.give(block.address, layout) };
        }
    }

    #[test]
    fn without_memory_there_is_no_block() {
        let mut memory = vec![0u64; 16];
        let heap = heap(&mut memory);
        let layout = |size, align| Layout::from_size_align(size, align).unwrap();
        assert_eq!(heap.take(layout(129, 8)), None);
        assert_eq!(heap.take(layout(8, 8192)), None);
        assert_eq!(heap.take(layout(1 << 40, 8)), None);
        assert!(heap.take(layout(16, 8)).is_some());
    }
}
