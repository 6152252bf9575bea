//! Programs for tests, word by word; of other crates too, which include this file.
#![allow(dead_code, reason = "each user takes a part")]

/// An ELF file with these segments: address, bytes, whether executable.
pub(crate) fn elf_file(entry: u64, segments: &[(u64, &[u8], bool)]) -> Vec<u8> {
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    file.extend([2u16, 243].iter().flat_map(|n| n.to_le_bytes()));
    file.extend(1u32.to_le_bytes());
    file.extend([entry, 64, 0].iter().flat_map(|n| n.to_le_bytes()));
    file.extend(0u32.to_le_bytes());
    file.extend([64u16, 56, segments.len() as u16, 0, 0, 0].iter().flat_map(|n| n.to_le_bytes()));
    let mut offset = 64 + 56 * segments.len() as u64;
    for (address, bytes, executable) in segments {
        let flags = if *executable { 5u32 } else { 6 };
        file.extend([1, flags].iter().flat_map(|n| n.to_le_bytes()));
        let length = bytes.len() as u64;
        file.extend([offset, *address, *address, length, length, 4096].iter().flat_map(|n| n.to_le_bytes()));
        offset += length;
    }
    segments.iter().for_each(|(_, bytes, _)| file.extend(*bytes));
    file
}

/// Words as a file has them.
pub(crate) fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// An instruction with three registers.
pub(crate) fn r(opcode: u32, funct3: u32, funct7: u32, [rd, rs1, rs2]: [u32; 3]) -> u32 {
    funct7 << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode
}

/// An instruction with an immediate of twelve bits.
pub(crate) fn i(opcode: u32, funct3: u32, [rd, rs1]: [u32; 2], immediate: i32) -> u32 {
    (immediate as u32) << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode
}

/// A store.
pub(crate) fn s(funct3: u32, [rs1, rs2]: [u32; 2], immediate: i32) -> u32 {
    let immediate = immediate as u32;
    (immediate >> 5) << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | (immediate & 31) << 7 | 0x23
}

/// A branch.
pub(crate) fn b(funct3: u32, [rs1, rs2]: [u32; 2], offset: i32) -> u32 {
    let o = offset as u32;
    (o >> 12 & 1) << 31
        | (o >> 5 & 63) << 25
        | rs2 << 20
        | rs1 << 15
        | funct3 << 12
        | (o >> 1 & 15) << 8
        | (o >> 11 & 1) << 7
        | 0x63
}

/// JAL.
pub(crate) fn jal(rd: u32, offset: i32) -> u32 {
    let o = offset as u32;
    (o >> 20 & 1) << 31 | (o >> 1 & 0x3ff) << 21 | (o >> 11 & 1) << 20 | (o >> 12 & 0xff) << 12 | rd << 7 | 0x6f
}

/// LUI, by the upper twenty bits.
pub(crate) fn lui(rd: u32, upper: u32) -> u32 {
    upper << 12 | rd << 7 | 0x37
}

/// ADDI.
pub(crate) fn addi(rd: u32, rs1: u32, immediate: i32) -> u32 {
    i(0x13, 0, [rd, rs1], immediate)
}

/// ECALL.
pub(crate) const ECALL: u32 = 0x73;
