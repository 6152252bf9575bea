//! `memcpy` and `memset` for a machine that traps on access across words, and on which each instruction counts: 64 bytes a
//! round where both sides are aligned alike, words put together from two where they are not. What copies where source and
//! destination overlap, and what compares, is the compiler's.

use core::arch::global_asm;

global_asm!(
    r#"
    .section .text.memcpy, "ax", @progbits
    .globl memcpy
    .type memcpy, @function
memcpy:                             # a0 destination, a1 source, a2 length; a3 runs through the destination
    mv      a3, a0
    li      t0, 16
    bltu    a2, t0, 8f
    neg     t1, a0                  # bytes up to the destination's first word
    andi    t1, t1, 7
    beqz    t1, 2f
    sub     a2, a2, t1
    add     t1, t1, a3
1:  lbu     t2, 0(a1)
    addi    a1, a1, 1
    sb      t2, 0(a3)
    addi    a3, a3, 1
    bne     a3, t1, 1b
2:  andi    t1, a1, 7
    bnez    t1, 6f
    li      t0, 64
    bltu    a2, t0, 4f
3:  ld      t1, 0(a1)
    ld      t2, 8(a1)
    ld      t3, 16(a1)
    ld      t4, 24(a1)
    ld      t5, 32(a1)
    ld      t6, 40(a1)
    ld      a4, 48(a1)
    ld      a5, 56(a1)
    sd      t1, 0(a3)
    sd      t2, 8(a3)
    sd      t3, 16(a3)
    sd      t4, 24(a3)
    sd      t5, 32(a3)
    sd      t6, 40(a3)
    sd      a4, 48(a3)
    sd      a5, 56(a3)
    addi    a1, a1, 64
    addi    a3, a3, 64
    addi    a2, a2, -64
    bgeu    a2, t0, 3b
4:  li      t0, 8
    bltu    a2, t0, 8f
5:  ld      t1, 0(a1)
    addi    a1, a1, 8
    addi    a2, a2, -8
    sd      t1, 0(a3)
    addi    a3, a3, 8
    bgeu    a2, t0, 5b
    j       8f
6:  slli    t2, t1, 3               # the source is t1 bytes into a word: its low part comes from that one
    neg     t3, t2                  # and its high part from the next (shifts take the lowest six bits)
    sub     a1, a1, t1
    li      t0, 8
    ld      t4, 0(a1)
7:  ld      t5, 8(a1)
    srl     t4, t4, t2
    sll     t6, t5, t3
    or      t4, t4, t6
    addi    a1, a1, 8
    addi    a2, a2, -8
    sd      t4, 0(a3)
    addi    a3, a3, 8
    mv      t4, t5
    bgeu    a2, t0, 7b
    add     a1, a1, t1
8:  beqz    a2, 11f
    add     a2, a2, a3
10: lbu     t1, 0(a1)
    addi    a1, a1, 1
    sb      t1, 0(a3)
    addi    a3, a3, 1
    bne     a3, a2, 10b
11: ret
    .size memcpy, . - memcpy

    .section .text.memset, "ax", @progbits
    .globl memset
    .type memset, @function
memset:                             # a0 destination, a1 byte, a2 length; a3 runs through the destination
    mv      a3, a0
    li      t0, 16
    bltu    a2, t0, 6f
    andi    a1, a1, 255
    slli    t1, a1, 8
    or      a1, a1, t1
    slli    t1, a1, 16
    or      a1, a1, t1
    slli    t1, a1, 32
    or      a1, a1, t1
    neg     t1, a0
    andi    t1, t1, 7
    beqz    t1, 2f
    sub     a2, a2, t1
    add     t1, t1, a3
1:  sb      a1, 0(a3)
    addi    a3, a3, 1
    bne     a3, t1, 1b
2:  li      t0, 64
    bltu    a2, t0, 4f
3:  sd      a1, 0(a3)
    sd      a1, 8(a3)
    sd      a1, 16(a3)
    sd      a1, 24(a3)
    sd      a1, 32(a3)
    sd      a1, 40(a3)
    sd      a1, 48(a3)
    sd      a1, 56(a3)
    addi    a2, a2, -64
    addi    a3, a3, 64
    bgeu    a2, t0, 3b
4:  li      t0, 8
    bltu    a2, t0, 6f
5:  sd      a1, 0(a3)
    addi    a2, a2, -8
    addi    a3, a3, 8
    bgeu    a2, t0, 5b
6:  beqz    a2, 8f
    add     a2, a2, a3
7:  sb      a1, 0(a3)
    addi    a3, a3, 1
    bne     a3, a2, 7b
8:  ret
    .size memset, . - memset
"#
);
