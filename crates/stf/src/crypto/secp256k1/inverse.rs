//! Inverses modulo a prime below 2^256 by divisions of 2-adic numbers (Bernstein and Yang, "Fast constant-time gcd
//! computation and modular inversion", 2019), as libsecp256k1 does it (`doc/safegcd_implementation.md`), without its
//! constant time: nothing is secret here.
//!
//! `f` and `g` begin as the modulus and the number; a step makes `g` even and halves it, keeping their greatest common
//! divisor. 62 steps at a time are found from the lowest bits and kept as a matrix, which is then applied to the whole of
//! `f`, `g` and to `d`, `e`, for which `f = d · x` and `g = e · x` modulo the modulus at all times. When `g` is zero, `f` is
//! 1 or −1.

/// A number in five signed limbs of 62 bits, the lowest first; all but the last are below 2^62 and not negative.
type Signed62 = [i64; 5];

const LOW62: i64 = i64::MAX >> 1;

/// A prime and what is needed to divide by powers of two modulo it.
#[derive(Debug)]
pub(super) struct Modulus {
    limbs: Signed62,
    /// Its inverse modulo 2^62.
    inverse: u64,
}

impl Modulus {
    /// The modulus with these limbs of 64 bits; it is odd.
    pub(super) const fn new(modulus: [u64; 4]) -> Self {
        // Each round doubles the number of right bits; an odd number is its own inverse modulo 8.
        let mut inverse = modulus[0];
        let mut rounds = 0;
        while rounds < 5 {
            inverse = inverse.wrapping_mul(2u64.wrapping_sub(modulus[0].wrapping_mul(inverse)));
            rounds += 1;
        }
        Self { limbs: split(modulus), inverse }
    }

    /// The inverse of a number below the modulus; zero of zero.
    pub(super) fn invert(&self, number: [u64; 4]) -> [u64; 4] {
        let (mut d, mut e) = ([0; 5], [1, 0, 0, 0, 0]);
        let (mut f, mut g) = (self.limbs, split(number));
        let mut delta = 1;
        while g != [0; 5] {
            let matrix = steps(&mut delta, f[0] as u64, g[0] as u64);
            self.apply_to_inverses(&mut d, &mut e, &matrix);
            apply(&mut f, &mut g, &matrix);
        }
        join(self.normal(d, f[4] < 0))
    }

    /// Applies a matrix to `d` and `e` and divides them by 2^62, modulo the modulus.
    fn apply_to_inverses(&self, d: &mut Signed62, e: &mut Signed62, [u, v, q, r]: &[i64; 4]) {
        // Multiples of the modulus that keep the results in their range, and make them divisible.
        let (negative_d, negative_e) = (d[4] >> 63, e[4] >> 63);
        let multiple = |a: i64, b: i64, low: i128| {
            let base = (a & negative_d).wrapping_add(b & negative_e);
            base.wrapping_sub((self.inverse.wrapping_mul(low as u64) as i64).wrapping_add(base) & LOW62)
        };
        let m = multiple(*u, *v, product(*u, d[0], *v, e[0]));
        let n = multiple(*q, *r, product(*q, d[0], *r, e[0]));
        let (mut carry_d, mut carry_e) = (0i128, 0i128);
        for i in 0..5 {
            let modulus = i128::from(self.limbs[i]);
            carry_d = carry_d.wrapping_add(product(*u, d[i], *v, e[i])).wrapping_add(modulus.wrapping_mul(m.into()));
            carry_e = carry_e.wrapping_add(product(*q, d[i], *r, e[i])).wrapping_add(modulus.wrapping_mul(n.into()));
            if i > 0 {
                d[i - 1] = carry_d as i64 & LOW62;
                e[i - 1] = carry_e as i64 & LOW62;
            }
            carry_d >>= 62;
            carry_e >>= 62;
        }
        d[4] = carry_d as i64;
        e[4] = carry_e as i64;
    }

    /// `d`, or `−d`, as a number from 0 up to the modulus.
    fn normal(&self, mut d: Signed62, negate: bool) -> Signed62 {
        for negate in [negate, false] {
            if d[4] < 0 {
                (0..5).for_each(|i| d[i] = d[i].wrapping_add(self.limbs[i]));
            }
            if negate {
                d = d.map(i64::wrapping_neg);
            }
            for i in 0..4 {
                d[i + 1] = d[i + 1].wrapping_add(d[i] >> 62);
                d[i] &= LOW62;
            }
        }
        d
    }
}

/// 62 steps from the lowest bits of `f` and `g`: the matrix `[u, v, q, r]` by which both are multiplied, and then divided
/// by 2^62.
fn steps(delta: &mut i64, mut f: u64, mut g: u64) -> [i64; 4] {
    let (mut u, mut v, mut q, mut r) = (1i64, 0i64, 0i64, 1i64);
    for _ in 0..62 {
        if g & 1 == 1 {
            if *delta > 0 {
                *delta = delta.wrapping_neg();
                (f, g) = (g, f.wrapping_neg());
                (u, q) = (q, u.wrapping_neg());
                (v, r) = (r, v.wrapping_neg());
            }
            g = g.wrapping_add(f);
            q = q.wrapping_add(u);
            r = r.wrapping_add(v);
        }
        *delta = delta.wrapping_add(1);
        g >>= 1;
        u = u.wrapping_shl(1);
        v = v.wrapping_shl(1);
    }
    [u, v, q, r]
}

/// `a · b + c · d`.
fn product(a: i64, b: i64, c: i64, d: i64) -> i128 {
    i128::from(a).wrapping_mul(b.into()).wrapping_add(i128::from(c).wrapping_mul(d.into()))
}

/// Applies a matrix to `f` and `g` and divides them by 2^62, which leaves no rest.
fn apply(f: &mut Signed62, g: &mut Signed62, [u, v, q, r]: &[i64; 4]) {
    let (mut carry_f, mut carry_g) = (0i128, 0i128);
    for i in 0..5 {
        carry_f = carry_f.wrapping_add(product(*u, f[i], *v, g[i]));
        carry_g = carry_g.wrapping_add(product(*q, f[i], *r, g[i]));
        if i > 0 {
            f[i - 1] = carry_f as i64 & LOW62;
            g[i - 1] = carry_g as i64 & LOW62;
        }
        carry_f >>= 62;
        carry_g >>= 62;
    }
    f[4] = carry_f as i64;
    g[4] = carry_g as i64;
}

/// From limbs of 64 bits.
const fn split(number: [u64; 4]) -> Signed62 {
    let low = LOW62 as u64;
    [
        (number[0] & low) as i64,
        ((number[0] >> 62 | number[1] << 2) & low) as i64,
        ((number[1] >> 60 | number[2] << 4) & low) as i64,
        ((number[2] >> 58 | number[3] << 6) & low) as i64,
        (number[3] >> 56) as i64,
    ]
}

/// To limbs of 64 bits; the number is not negative.
fn join(limbs: Signed62) -> [u64; 4] {
    let [a, b, c, d, e] = limbs.map(|limb| limb as u64);
    [a | b << 62, b >> 2 | c << 60, c >> 4 | d << 58, d >> 6 | e << 56]
}
