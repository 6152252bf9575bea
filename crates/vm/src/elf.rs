//! Programs: ELF files for RISC-V, linked to fixed addresses (System V ABI, chapter 5, with the RISC-V supplement).

use crate::memory::ADDRESSES;
use alloc::vec::Vec;

/// Why a file is not a program for this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// It ends before what its headers announce.
    #[error("the file ends before its end: it is not whole")]
    Truncated,
    /// Not ELF, or of another kind.
    #[error("this is no little-endian 64-bit ELF executable for RISC-V, linked to fixed addresses")]
    Kind,
    /// A segment has more bytes in the file than in memory, or lies outside of memory.
    #[error("a segment does not fit into 4 GiB of memory")]
    Segment,
}

/// A part of memory at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Where it begins.
    pub address: u64,
    /// What it holds; what the file leaves out is zero, as all memory is.
    pub bytes: Vec<u8>,
    /// Whether it may hold instructions. Others are decoded anew at each step.
    pub executable: bool,
}

/// A program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elf {
    /// The first pc.
    pub entry: u64,
    /// Loaded in order: where two overlap the later one stands.
    pub segments: Vec<Segment>,
}

// Offsets in the file header and in a program header (Elf64_Ehdr, Elf64_Phdr).
const TYPE: usize = 16;
const MACHINE: usize = 18;
const ENTRY: usize = 24;
const PROGRAM_HEADERS: usize = 32;
const PROGRAM_HEADER_BYTES: usize = 54;
const PROGRAM_HEADER_COUNT: usize = 56;
const SEGMENT_TYPE: usize = 0;
const SEGMENT_FLAGS: usize = 4;
const SEGMENT_OFFSET: usize = 8;
const SEGMENT_ADDRESS: usize = 16;
const SEGMENT_FILE_BYTES: usize = 32;
const SEGMENT_MEMORY_BYTES: usize = 40;

/// `\x7fELF`, 64 bits, little endian, version 1.
const IDENTITY: [u8; 7] = [0x7f, b'E', b'L', b'F', 2, 1, 1];
/// `ET_EXEC`.
const EXECUTABLE: u64 = 2;
/// `EM_RISCV`.
const RISCV: u64 = 243;
/// `PT_LOAD`.
const LOAD: u64 = 1;
/// `PF_X`.
const EXECUTE: u64 = 1;

/// A little-endian number of `N` bytes at an offset.
fn number<const N: usize>(bytes: &[u8], at: usize) -> Result<u64, ElfError> {
    let bytes = bytes.get(at..).and_then(<[u8]>::first_chunk::<N>).ok_or(ElfError::Truncated)?;
    Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn offset(number: u64) -> Result<usize, ElfError> {
    usize::try_from(number).map_err(|_| ElfError::Truncated)
}

impl Elf {
    /// Reads a file.
    ///
    /// # Errors
    /// See [`ElfError`].
    pub fn parse(file: &[u8]) -> Result<Self, ElfError> {
        let kind = (number::<2>(file, TYPE)?, number::<2>(file, MACHINE)?);
        if !file.starts_with(&IDENTITY) || kind != (EXECUTABLE, RISCV) {
            return Err(ElfError::Kind);
        }
        let first = offset(number::<8>(file, PROGRAM_HEADERS)?)?;
        let size = offset(number::<2>(file, PROGRAM_HEADER_BYTES)?)?;
        let count = offset(number::<2>(file, PROGRAM_HEADER_COUNT)?)?;
        let mut segments = Vec::new();
        for index in 0..count {
            let at = size.checked_mul(index).and_then(|at| at.checked_add(first)).ok_or(ElfError::Truncated)?;
            let header = file.get(at..).ok_or(ElfError::Truncated)?;
            if number::<4>(header, SEGMENT_TYPE)? == LOAD {
                segments.push(segment(file, header)?);
            }
        }
        Ok(Self { entry: number::<8>(file, ENTRY)?, segments })
    }
}

fn segment(file: &[u8], header: &[u8]) -> Result<Segment, ElfError> {
    let address = number::<8>(header, SEGMENT_ADDRESS)?;
    let (in_file, in_memory) = (number::<8>(header, SEGMENT_FILE_BYTES)?, number::<8>(header, SEGMENT_MEMORY_BYTES)?);
    if in_file > in_memory || address.checked_add(in_memory).is_none_or(|end| end > ADDRESSES) {
        return Err(ElfError::Segment);
    }
    let rest = file.get(offset(number::<8>(header, SEGMENT_OFFSET)?)?..).ok_or(ElfError::Truncated)?;
    let bytes = rest.get(..offset(in_file)?).ok_or(ElfError::Truncated)?.to_vec();
    Ok(Segment { address, bytes, executable: number::<4>(header, SEGMENT_FLAGS)? & EXECUTE != 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::elf_file;
    use proptest::prelude::*;

    #[test]
    fn segments_and_entry_are_read() {
        let elf = Elf::parse(&elf_file(0x1004, &[(0x1000, &[1, 2, 3], true), (0x8000_0000, &[4], false)])).unwrap();
        assert_eq!(elf.entry, 0x1004);
        let text = Segment { address: 0x1000, bytes: vec![1, 2, 3], executable: true };
        let data = Segment { address: 0x8000_0000, bytes: vec![4], executable: false };
        assert_eq!(elf.segments, [text, data]);
    }

    #[test]
    fn a_segment_beyond_memory_is_refused() {
        assert!(Elf::parse(&elf_file(0, &[(ADDRESSES - 1, &[1], true)])).is_ok());
        for address in [ADDRESSES, u64::MAX] {
            assert_eq!(Elf::parse(&elf_file(0, &[(address, &[1], true)])), Err(ElfError::Segment));
        }
    }

    proptest! {
        #[test]
        fn whatever_the_file_there_is_an_answer(at in any::<prop::sample::Index>(), byte: u8, end in any::<prop::sample::Index>()) {
            let mut file = elf_file(0x1000, &[(0x1000, &[1, 2, 3], true)]);
            let end = end.index(file.len());
            prop_assert!(Elf::parse(&file[..end]).is_err());
            let at = at.index(file.len());
            file[at] = byte;
            let _ = (Elf::parse(&file), Elf::parse(&file[..end]));
        }
    }
}
