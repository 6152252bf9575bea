//! 4 GiB of memory, of which the system provides what is touched.

use crate::instruction::Access;
use alloc::{boxed::Box, vec, vec::Vec};

/// Bytes of a page.
pub const PAGE_BYTES: usize = 4096;
/// Addresses are below this.
pub const ADDRESSES: u64 = 1 << 32;
/// Bytes of a leaf of the memory tree.
pub const LEAF_BYTES: usize = 32;

/// Words of 8 bytes in all, and in a page.
const WORDS: usize = 1 << 29;
const PAGE_WORDS: usize = PAGE_BYTES / 8;
/// Pages in all.
const PAGES: usize = 1 << 20;

/// What is known of a page, bit by bit.
pub(crate) mod mark {
    /// It was written to since these marks were taken last.
    pub(crate) const WRITTEN: u8 = 1;
    /// It was written to at some time, so it need not be zeros.
    pub(crate) const TOUCHED: u8 = 2;
    /// It holds decoded code, and is as it was.
    pub(crate) const CODE: u8 = 4;
    /// What a store leaves behind.
    pub(crate) const STORED: u8 = WRITTEN | TOUCHED;
}

/// Memory, as words of 8 bytes: an aligned access lies in one word, and the low 32 bits of an address always name one.
pub struct Memory {
    pub(crate) words: Box<[u64; WORDS]>,
    pub(crate) marks: Box<[u8; PAGES]>,
    /// The pages marked as written.
    written: Vec<u32>,
    /// The pages marked as touched.
    touched: Vec<u32>,
    /// Pages whose decoded code is not what they hold any more.
    stale: Vec<u32>,
}

impl core::fmt::Debug for Memory {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

/// A boxed array of zeros, which the allocator takes from the system without touching it.
fn zeros<T: Clone + Default, const N: usize>() -> Box<[T; N]> {
    match vec![T::default(); N].into_boxed_slice().try_into() {
        Ok(array) => array,
        // A slice of N is an array of N.
        Err(_) => unreachable!(),
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self { words: zeros(), marks: zeros(), written: Vec::new(), touched: Vec::new(), stale: Vec::new() }
    }
}

/// Where an address is: its word, and how far its byte is shifted in it.
#[allow(clippy::arithmetic_side_effects)] // Multiplies a number below 8 by 8.
pub(crate) const fn place(address: u64) -> (usize, u32) {
    (((address as u32) >> 3) as usize, (address as u32 & 7) * 8)
}

/// Whether an access is aligned and in memory.
#[must_use]
pub const fn allowed(address: u64, size: u64) -> bool {
    address < ADDRESSES && address & size.wrapping_sub(1) == 0
}

/// The bits of an access of `size` bytes.
pub(crate) const fn mask(size: u64) -> u64 {
    u64::MAX.wrapping_shr(64u64.wrapping_sub(size.wrapping_mul(8)) as u32)
}

/// What a register gets of a loaded value: its low bytes, extended.
#[must_use]
pub const fn extend(value: u64, access: Access) -> u64 {
    let unused = 64u64.wrapping_sub(access.size.wrapping_mul(8)) as u32;
    if access.signed {
        (value as i64).wrapping_shl(unused).wrapping_shr(unused) as u64
    } else {
        value.wrapping_shl(unused).wrapping_shr(unused)
    }
}

impl Memory {
    /// The word at an index below 2^29.
    fn word(&self, index: usize) -> u64 {
        self.words.get(index).copied().unwrap_or_default()
    }

    /// Loads at an [`allowed`] address.
    #[must_use]
    pub fn load(&self, address: u64, access: Access) -> u64 {
        let (index, shift) = place(address);
        extend(self.word(index).wrapping_shr(shift), access)
    }

    /// Stores the low `size` bytes of a value at an [`allowed`] address.
    pub fn store(&mut self, address: u64, size: u64, value: u64) {
        let (index, shift) = place(address);
        let mask = mask(size).wrapping_shl(shift);
        if let Some(word) = self.words.get_mut(index) {
            *word = *word & !mask | value.wrapping_shl(shift) & mask;
        }
        self.mark(((address as u32) >> 12) as usize);
    }

    /// The four bytes of an instruction.
    #[must_use]
    pub fn fetch(&self, pc: u64) -> u32 {
        let (index, shift) = place(pc);
        self.word(index).wrapping_shr(shift) as u32
    }

    /// Notes that a page changed.
    fn mark(&mut self, page: usize) {
        let Some(mark) = self.marks.get_mut(page).filter(|mark| **mark != mark::STORED) else { return };
        let before = core::mem::replace(mark, mark::STORED);
        for (bit, pages) in [(mark::WRITTEN, &mut self.written), (mark::TOUCHED, &mut self.touched)] {
            if before & bit == 0 {
                pages.push(page as u32);
            }
        }
        if before & mark::CODE != 0 {
            self.stale.push(page as u32);
        }
    }

    /// The pages that held decoded code and were written to since the last call.
    pub(crate) fn take_stale(&mut self) -> Vec<u32> {
        core::mem::take(&mut self.stale)
    }

    /// Says that a page holds decoded code.
    pub(crate) fn mark_code(&mut self, page: u32) {
        if let Some(mark) = self.marks.get_mut(page as usize) {
            *mark |= mark::CODE;
        }
    }

    /// Writes bytes where they belong, as far as memory goes.
    pub fn write(&mut self, address: u64, bytes: &[u8]) {
        // Byte by byte to the first whole word and after the last one.
        let unaligned = (address.wrapping_neg() & 7) as usize;
        let (first, rest) = bytes.split_at(unaligned.min(bytes.len()));
        let (words, last) = rest.as_chunks::<8>();
        let whole = address.saturating_add(first.len() as u64);
        let after = whole.saturating_add((words.len() as u64).saturating_mul(8));
        for (word, address) in words.iter().zip((whole..ADDRESSES).step_by(8)) {
            self.store(address, 8, u64::from_le_bytes(*word));
        }
        for (start, bytes) in [(address, first), (after, last)] {
            for (address, byte) in (start..ADDRESSES).zip(bytes) {
                self.store(address, 1, u64::from(*byte));
            }
        }
    }

    /// Reads bytes, as far as memory goes.
    #[must_use]
    pub fn read(&self, address: u64, length: u64) -> Vec<u8> {
        let byte = Access { size: 1, signed: false };
        let end = address.saturating_add(length).min(ADDRESSES);
        (address..end).map(|address| self.load(address, byte) as u8).collect()
    }

    /// Replaces a page.
    pub fn write_page(&mut self, page: u32, bytes: &[u8; PAGE_BYTES]) {
        let start = (page as usize).wrapping_mul(PAGE_WORDS);
        let words = self.words.get_mut(start..).unwrap_or_default();
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        self.mark(page as usize);
    }

    /// A page's words.
    #[must_use]
    pub fn page(&self, page: u32) -> &[u64] {
        let start = (page as usize).wrapping_mul(PAGE_WORDS);
        self.words.get(start..).and_then(|rest| rest.get(..PAGE_WORDS)).unwrap_or_default()
    }

    /// The leaf that holds an address.
    #[must_use]
    pub fn leaf(&self, address: u64) -> [u8; LEAF_BYTES] {
        let start = place(address & !31).0;
        let mut leaf = [0; LEAF_BYTES];
        for (bytes, index) in leaf.as_chunks_mut::<8>().0.iter_mut().zip(start..) {
            *bytes = self.word(index).to_le_bytes();
        }
        leaf
    }

    /// The pages that were written to since the last call, in order.
    pub fn take_written(&mut self) -> Vec<u32> {
        let mut written = core::mem::take(&mut self.written);
        for page in &written {
            if let Some(mark) = self.marks.get_mut(*page as usize) {
                *mark &= !mark::WRITTEN;
            }
        }
        written.sort_unstable();
        written
    }

    /// The pages that were ever written to, in order.
    #[must_use]
    pub fn touched(&self) -> Vec<u32> {
        let mut touched = self.touched.clone();
        touched.sort_unstable();
        touched
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::{BTreeMap, BTreeSet};
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Act {
        Store { at: u64, size: u64, value: u64 },
        Load { at: u64, size: u64, signed: bool },
    }

    fn act() -> impl Strategy<Value = Act> {
        let at = prop_oneof![0u64..64, ADDRESSES - 64..ADDRESSES, 4064u64..4128];
        let size = prop_oneof![Just(1u64), Just(2), Just(4), Just(8)];
        (at, size, any::<u64>(), any::<bool>(), any::<bool>()).prop_map(|(at, size, value, signed, store)| {
            let at = at / size * size;
            if store { Act::Store { at, size, value } } else { Act::Load { at, size, signed } }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn memory_is_bytes(acts in proptest::collection::vec(act(), 1..100)) {
            let mut memory = Memory::default();
            let mut bytes = BTreeMap::new();
            let mut pages = BTreeSet::new();
            for act in acts {
                match act {
                    Act::Store { at, size, value } => {
                        prop_assert!(allowed(at, size));
                        memory.store(at, size, value);
                        pages.insert((at >> 12) as u32);
                        (at..at + size).zip(value.to_le_bytes()).for_each(|(at, byte)| { bytes.insert(at, byte); });
                    }
                    Act::Load { at, size, signed } => {
                        let mut value = [0; 8];
                        for (to, at) in value.iter_mut().zip(at..at + size) {
                            *to = bytes.get(&at).copied().unwrap_or_default();
                        }
                        if signed && value[size as usize - 1] & 0x80 != 0 {
                            value[size as usize..].fill(0xff);
                        }
                        prop_assert_eq!(memory.load(at, Access { size, signed }), u64::from_le_bytes(value));
                    }
                }
            }
            let leaf: Vec<u8> = (4064..4096).map(|at| bytes.get(&at).copied().unwrap_or_default()).collect();
            prop_assert_eq!(memory.leaf(4070).to_vec(), leaf);
            prop_assert_eq!(memory.take_written(), pages.into_iter().collect::<Vec<_>>());
            prop_assert!(memory.take_written().is_empty());
        }
    }

    #[test]
    fn only_aligned_addresses_in_memory_are_allowed() {
        for size in [1, 2, 4, 8] {
            assert!(allowed(0, size) && allowed(ADDRESSES - size, size));
            assert!(!allowed(ADDRESSES, size) && !allowed(u64::MAX - size + 1, size));
            assert!(size == 1 || !allowed(size / 2, size));
        }
    }

    #[test]
    fn stores_into_code_are_noticed_once() {
        let mut memory = Memory::default();
        memory.mark_code(1);
        memory.store(4095, 1, 1);
        assert!(memory.take_stale().is_empty());
        memory.store(4096, 8, 1);
        memory.store(4096, 8, 2);
        assert_eq!(memory.take_stale(), [1]);
        memory.mark_code(1);
        assert_eq!(memory.take_written(), [0, 1]);
        memory.write_page(1, &[0; PAGE_BYTES]);
        assert_eq!(memory.take_stale(), [1]);
        assert_eq!(memory.take_written(), [1]);
        assert_eq!(memory.touched(), [0, 1]);
    }
}
