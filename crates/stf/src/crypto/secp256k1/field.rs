//! Numbers modulo p = 2^256 − 2^32 − 977, the field of secp256k1.
//!
//! An element is any of the one or two numbers below 2^256 that are congruent to it, in four limbs of 64 bits, the lowest
//! first; only comparisons, parity and what is shown want the one below p. Carries are made by comparison, since
//! RISC-V has no flag for them.

/// 2^256 − p.
const C: u64 = 0x1_0000_03d1;

/// An element of the field.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field(pub(super) [u64; 4]);

/// `sum + a · b + carry`, which is below 2^128: low and high half.
#[inline(always)]
pub(super) const fn multiply_add(sum: u64, a: u64, b: u64, carry: u64) -> (u64, u64) {
    let wide = (a as u128).wrapping_mul(b as u128).wrapping_add(sum as u128).wrapping_add(carry as u128);
    (wide as u64, (wide >> 64) as u64)
}

/// `a + b + carry`, and the carry out of it.
#[inline(always)]
pub(super) const fn add_carry(a: u64, b: u64, carry: u64) -> (u64, u64) {
    let (sum, first) = a.overflowing_add(b);
    let (sum, second) = sum.overflowing_add(carry);
    (sum, first as u64 | second as u64)
}

/// `a − b − borrow`, and the borrow out of it.
#[inline(always)]
pub(super) const fn sub_borrow(a: u64, b: u64, borrow: u64) -> (u64, u64) {
    let (difference, first) = a.overflowing_sub(b);
    let (difference, second) = difference.overflowing_sub(borrow);
    (difference, first as u64 | second as u64)
}

/// `a + b` and the carry.
#[inline(always)]
pub(super) const fn add_limbs(a: [u64; 4], b: [u64; 4]) -> ([u64; 4], u64) {
    let (r0, c) = add_carry(a[0], b[0], 0);
    let (r1, c) = add_carry(a[1], b[1], c);
    let (r2, c) = add_carry(a[2], b[2], c);
    let (r3, c) = add_carry(a[3], b[3], c);
    ([r0, r1, r2, r3], c)
}

/// `a − b` and the borrow.
#[inline(always)]
pub(super) const fn sub_limbs(a: [u64; 4], b: [u64; 4]) -> ([u64; 4], u64) {
    let (r0, c) = sub_borrow(a[0], b[0], 0);
    let (r1, c) = sub_borrow(a[1], b[1], c);
    let (r2, c) = sub_borrow(a[2], b[2], c);
    let (r3, c) = sub_borrow(a[3], b[3], c);
    ([r0, r1, r2, r3], c)
}

/// The product of two numbers below 2^256.
#[inline(always)]
pub(super) const fn wide_product(a: &[u64; 4], b: &[u64; 4]) -> [u64; 8] {
    let (r0, c) = multiply_add(0, a[0], b[0], 0);
    let (r1, c) = multiply_add(0, a[0], b[1], c);
    let (r2, c) = multiply_add(0, a[0], b[2], c);
    let (r3, r4) = multiply_add(0, a[0], b[3], c);
    let (r1, c) = multiply_add(r1, a[1], b[0], 0);
    let (r2, c) = multiply_add(r2, a[1], b[1], c);
    let (r3, c) = multiply_add(r3, a[1], b[2], c);
    let (r4, r5) = multiply_add(r4, a[1], b[3], c);
    let (r2, c) = multiply_add(r2, a[2], b[0], 0);
    let (r3, c) = multiply_add(r3, a[2], b[1], c);
    let (r4, c) = multiply_add(r4, a[2], b[2], c);
    let (r5, r6) = multiply_add(r5, a[2], b[3], c);
    let (r3, c) = multiply_add(r3, a[3], b[0], 0);
    let (r4, c) = multiply_add(r4, a[3], b[1], c);
    let (r5, c) = multiply_add(r5, a[3], b[2], c);
    let (r6, r7) = multiply_add(r6, a[3], b[3], c);
    [r0, r1, r2, r3, r4, r5, r6, r7]
}

/// The square of a number below 2^256.
#[inline(always)]
const fn wide_square(a: &[u64; 4]) -> [u64; 8] {
    // Products of different limbs, once each.
    let (r1, c) = multiply_add(0, a[0], a[1], 0);
    let (r2, c) = multiply_add(0, a[0], a[2], c);
    let (r3, r4) = multiply_add(0, a[0], a[3], c);
    let (r3, c) = multiply_add(r3, a[1], a[2], 0);
    let (r4, r5) = multiply_add(r4, a[1], a[3], c);
    let (r5, r6) = multiply_add(r5, a[2], a[3], 0);
    // Twice, and the limbs' squares.
    let r7 = r6 >> 63;
    let r6 = r6 << 1 | r5 >> 63;
    let r5 = r5 << 1 | r4 >> 63;
    let r4 = r4 << 1 | r3 >> 63;
    let r3 = r3 << 1 | r2 >> 63;
    let r2 = r2 << 1 | r1 >> 63;
    let r1 = r1 << 1;
    let (r0, h) = multiply_add(0, a[0], a[0], 0);
    let (r1, c) = add_carry(r1, h, 0);
    let (l, h) = multiply_add(c, a[1], a[1], 0);
    let (r2, c) = add_carry(r2, l, 0);
    let (r3, c) = add_carry(r3, h, c);
    let (l, h) = multiply_add(c, a[2], a[2], 0);
    let (r4, c) = add_carry(r4, l, 0);
    let (r5, c) = add_carry(r5, h, c);
    let (l, h) = multiply_add(c, a[3], a[3], 0);
    let (r6, c) = add_carry(r6, l, 0);
    [r0, r1, r2, r3, r4, r5, r6, r7.wrapping_add(h).wrapping_add(c)]
}

/// A number below 2^512 modulo p, since 2^256 is C there.
#[inline(always)]
const fn reduce(w: [u64; 8]) -> Field {
    let (r0, c) = multiply_add(w[0], w[4], C, 0);
    let (r1, c) = multiply_add(w[1], w[5], C, c);
    let (r2, c) = multiply_add(w[2], w[6], C, c);
    let (r3, c) = multiply_add(w[3], w[7], C, c);
    let (r0, c) = multiply_add(r0, c, C, 0);
    let (r1, c) = add_carry(r1, c, 0);
    if c == 0 {
        return Field([r0, r1, r2, r3]);
    }
    let (r2, c) = add_carry(r2, c, 0);
    let (r3, c) = add_carry(r3, c, 0);
    fold([r0, r1, r2, r3], c)
}

/// `carry · 2^256 + r`, where the carry is 0 or 1.
#[inline(always)]
const fn fold(r: [u64; 4], carry: u64) -> Field {
    if carry == 0 {
        return Field(r);
    }
    let (r, again) = add_limbs(r, [C, 0, 0, 0]);
    if again == 0 {
        return Field(r);
    }
    Field(add_limbs(r, [C, 0, 0, 0]).0)
}

impl Field {
    pub(super) const ZERO: Self = Self([0; 4]);
    pub(super) const ONE: Self = Self([1, 0, 0, 0]);
    /// The modulus.
    pub(super) const P: [u64; 4] = [0xffff_fffe_ffff_fc2f, u64::MAX, u64::MAX, u64::MAX];

    // Inlined, as is the square: a call would save and restore a dozen registers.
    #[inline(always)]
    pub(super) const fn mul(&self, other: &Self) -> Self {
        reduce(wide_product(&self.0, &other.0))
    }

    #[inline(always)]
    pub(super) const fn square(&self) -> Self {
        reduce(wide_square(&self.0))
    }

    #[inline(always)]
    pub(super) const fn add(&self, other: &Self) -> Self {
        let (r, carry) = add_limbs(self.0, other.0);
        fold(r, carry)
    }

    #[inline(always)]
    pub(super) const fn sub(&self, other: &Self) -> Self {
        let (r, borrow) = sub_limbs(self.0, other.0);
        if borrow == 0 {
            return Self(r);
        }
        let (r, again) = sub_limbs(r, [C, 0, 0, 0]);
        if again == 0 {
            return Self(r);
        }
        Self(sub_limbs(r, [C, 0, 0, 0]).0)
    }

    /// Half of it.
    #[inline(always)]
    pub(super) const fn half(&self) -> Self {
        let (r, carry) = if self.0[0] & 1 == 0 { (self.0, 0) } else { add_limbs(self.0, Self::P) };
        Self([r[0] >> 1 | r[1] << 63, r[1] >> 1 | r[2] << 63, r[2] >> 1 | r[3] << 63, r[3] >> 1 | carry << 63])
    }

    pub(super) const fn negate(&self) -> Self {
        Self::ZERO.sub(self)
    }

    /// The one number below p.
    pub(super) const fn normal(&self) -> [u64; 4] {
        let (less, borrow) = sub_limbs(self.0, Self::P);
        if borrow == 0 { less } else { self.0 }
    }

    /// Whether it is zero.
    pub(super) const fn is_zero(&self) -> bool {
        let r = self.normal();
        r[0] | r[1] | r[2] | r[3] == 0
    }

    /// Whether the number below p is odd.
    pub(super) const fn is_odd(&self) -> bool {
        self.normal()[0] & 1 == 1
    }

    const fn square_times(&self, times: u32) -> Self {
        let mut r = *self;
        let mut left = times;
        while left > 0 {
            r = r.square();
            left = left.wrapping_sub(1);
        }
        r
    }

    /// A square root, if there is one: its power of (p + 1) / 4, whose bits are 223 ones, then 22 ones between zeros, then
    /// `00001100`; `xN` is the power of 2^N − 1.
    pub(super) fn sqrt(&self) -> Option<Self> {
        let x2 = self.square().mul(self);
        let x3 = x2.square().mul(self);
        let x6 = x3.square_times(3).mul(&x3);
        let x9 = x6.square_times(3).mul(&x3);
        let x11 = x9.square_times(2).mul(&x2);
        let x22 = x11.square_times(11).mul(&x11);
        let x44 = x22.square_times(22).mul(&x22);
        let x88 = x44.square_times(44).mul(&x44);
        let x176 = x88.square_times(88).mul(&x88);
        let x220 = x176.square_times(44).mul(&x44);
        let x223 = x220.square_times(3).mul(&x3);
        let root = x223.square_times(23).mul(&x22).square_times(6).mul(&x2).square_times(2);
        root.square().sub(self).is_zero().then_some(root)
    }
}
