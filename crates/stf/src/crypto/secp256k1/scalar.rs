//! Numbers modulo n, the order of the group, and their halves under the curve's endomorphism.

use super::{
    field::{add_carry, add_limbs, multiply_add, sub_limbs, wide_product},
    inverse::Modulus,
};

/// A number below n, in four limbs of 64 bits, the lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scalar(pub(super) [u64; 4]);

/// The order.
pub(super) const N: [u64; 4] =
    [0xbfd2_5e8c_d036_4141, 0xbaae_dce6_af48_a03b, 0xffff_ffff_ffff_fffe, 0xffff_ffff_ffff_ffff];
/// 2^256 − n.
const C: [u64; 3] = [0x402d_a173_2fc9_bebf, 0x4551_2319_50b7_5fc4, 1];

static MODULUS: Modulus = Modulus::new(N);

// The endomorphism: λ · (x, y) = (β · x, y). Lattice vectors (a1, b1), (a2, b2) with a + b · λ = 0 modulo n and short
// coordinates; g1, g2 are b2 and −b1 times 2^384 / n, rounded ("Guide to Elliptic Curve Cryptography", 3.5; libsecp256k1).
pub(super) const LAMBDA: Scalar =
    Scalar([0xdf02_967c_1b23_bd72, 0x122e_22ea_2081_6678, 0xa526_1c02_8812_645a, 0x5363_ad4c_c05c_30e0]);
const MINUS_B1: Scalar = Scalar([0x6f54_7fa9_0abf_e4c3, 0xe443_7ed6_010e_8828, 0, 0]);
const MINUS_B2: Scalar =
    Scalar([0xd765_cda8_3db1_562c, 0x8a28_0ac5_0774_346d, 0xffff_ffff_ffff_fffe, 0xffff_ffff_ffff_ffff]);
const G1: [u64; 4] = [0xe893_209a_45db_b031, 0x3daa_8a14_71e8_ca7f, 0xe86c_90e4_9284_eb15, 0x3086_d221_a7d4_6bcd];
const G2: [u64; 4] = [0x1571_b4ae_8ac4_7f71, 0x2212_08ac_9df5_06c6, 0x6f54_7fa9_0abf_e4c4, 0xe443_7ed6_010e_8828];

/// A number of at most 128 bits with a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Half {
    pub(super) negative: bool,
    pub(super) magnitude: u128,
}

impl Scalar {
    /// The number that is congruent to one below 2^256.
    pub(super) const fn reduced(number: [u64; 4]) -> Self {
        let (less, borrow) = sub_limbs(number, N);
        Self(if borrow == 0 { less } else { number })
    }

    pub(super) const fn is_zero(&self) -> bool {
        let [a, b, c, d] = self.0;
        a | b | c | d == 0
    }

    pub(super) const fn negate(&self) -> Self {
        if self.is_zero() { Self(self.0) } else { Self(sub_limbs(N, self.0).0) }
    }

    pub(super) const fn add(&self, other: &Self) -> Self {
        let (sum, carry) = add_limbs(self.0, other.0);
        if carry == 1 { Self(sub_limbs(sum, N).0) } else { Self::reduced(sum) }
    }

    pub(super) fn mul(&self, other: &Self) -> Self {
        let [w0, w1, w2, w3, high @ ..] = wide_product(&self.0, &other.0);
        // 2^256 is C: each round leaves half as many bits beyond 2^256, 256, 130, 4.
        let [r0, r1, r2, r3, high @ ..] = fold([w0, w1, w2, w3], high);
        let [r0, r1, r2, r3, high @ ..] = fold([r0, r1, r2, r3], high);
        let [r0, r1, r2, r3, high @ ..] = fold([r0, r1, r2, r3], high);
        let [r0, r1, r2, r3, ..] = fold([r0, r1, r2, r3], high);
        Self::reduced([r0, r1, r2, r3])
    }

    pub(super) fn invert(&self) -> Self {
        Self(MODULUS.invert(self.0))
    }

    /// Two numbers `(k, l)` of at most 128 bits with `k + λ · l` congruent to this.
    pub(super) fn split(&self) -> (Half, Half) {
        let c1 = rounded_high(&wide_product(&self.0, &G1));
        let c2 = rounded_high(&wide_product(&self.0, &G2));
        let l = c1.mul(&MINUS_B1).add(&c2.mul(&MINUS_B2));
        let k = self.add(&l.mul(&LAMBDA).negate());
        (k.signed(), l.signed())
    }

    /// As a number with a sign, which has at most 128 bits.
    fn signed(&self) -> Half {
        let negative = self.0[3] != 0;
        let [low, high, ..] = if negative { self.negate().0 } else { self.0 };
        Half { negative, magnitude: u128::from(high) << 64 | u128::from(low) }
    }
}

/// `low + high · C`; below 2^512 since C has 129 bits.
fn fold(low: [u64; 4], high: [u64; 4]) -> [u64; 8] {
    let mut r = [low[0], low[1], low[2], low[3], 0, 0, 0, 0];
    for (i, factor) in C.into_iter().enumerate() {
        let mut carry = 0;
        for j in 0..4 {
            (r[i + j], carry) = multiply_add(r[i + j], high[j], factor, carry);
        }
        for limb in &mut r[i + 4..] {
            (*limb, carry) = add_carry(*limb, carry, 0);
        }
    }
    r
}

/// A product divided by 2^384, rounded.
fn rounded_high(wide: &[u64; 8]) -> Scalar {
    let (low, carry) = add_carry(wide[6], wide[5] >> 63, 0);
    Scalar([low, wide[7].wrapping_add(carry), 0, 0])
}
