//! Points of the curve y² = x³ + 7, and the one sum of multiples that recovery needs.

use super::{
    MODULUS,
    field::Field,
    scalar::{Half, Scalar},
};

/// A point that is not at infinity.
#[derive(Debug, Clone, Copy)]
pub(super) struct Affine {
    pub(super) x: Field,
    pub(super) y: Field,
}

/// The point (x / z², y / z³).
#[derive(Debug, Clone, Copy)]
pub(super) struct Jacobian {
    pub(super) x: Field,
    pub(super) y: Field,
    pub(super) z: Field,
    pub(super) infinite: bool,
}

/// β: multiplying x by it multiplies the point by λ.
const BETA: Field = Field([0xc139_6c28_7195_01ee, 0x9cf0_4975_12f5_8995, 0x6e64_479e_ac34_34e9, 0x7ae9_6a2b_657c_0710]);

/// The generator.
const G: Affine = Affine {
    x: Field([0x59f2_815b_16f8_1798, 0x029b_fcdb_2dce_28d9, 0x55a0_6295_ce87_0b07, 0x79be_667e_f9dc_bbac]),
    y: Field([0x9c47_d08f_fb10_d4b8, 0xfd17_b448_a685_5419, 0x5da4_fbfc_0e11_08a8, 0x483a_da77_26a3_c465]),
};

/// Width of the digits by which the generator is multiplied: odd, below 2^9.
const G_WIDTH: u32 = 10;
/// Width of the digits by which another point is multiplied: odd, below 2^4.
const WIDTH: u32 = 5;

/// G, 3 G, 5 G …
static G_MULTIPLES: [Affine; 1 << (G_WIDTH - 2)] = generator_multiples();

impl Affine {
    /// λ times the point.
    fn endomorphism(&self) -> Self {
        Self { x: self.x.mul(&BETA), y: self.y }
    }

    fn negate_if(self, negative: bool) -> Self {
        if negative { Self { y: self.y.negate(), ..self } } else { self }
    }
}

impl Jacobian {
    const INFINITY: Self = Self { x: Field::ONE, y: Field::ONE, z: Field::ONE, infinite: true };

    const fn from_affine(point: Affine) -> Self {
        Self { x: point.x, y: point.y, z: Field::ONE, infinite: false }
    }

    /// Twice the point. No point has y = 0, for the order is odd.
    const fn double(&self) -> Self {
        if self.infinite {
            return *self;
        }
        let square = self.x.square();
        // 3/2 x², the slope times z.
        let slope = square.add(&square).add(&square).half();
        let y2 = self.y.square();
        let t = self.x.mul(&y2);
        let x = slope.square().sub(&t).sub(&t);
        let y = slope.mul(&t.sub(&x)).sub(&y2.square());
        Self { x, y, z: self.y.mul(&self.z), infinite: false }
    }

    /// The sum with a point; and the factor by which z grew. `z` is this one's z, seen from the curve that the other point
    /// is on.
    const fn add_scaled(&self, other: &Affine, z: &Field) -> (Self, Field) {
        if self.infinite {
            return (Self::from_affine(*other), Field::ONE);
        }
        let z2 = z.square();
        let h = other.x.mul(&z2).sub(&self.x);
        let i = other.y.mul(&z2).mul(z).sub(&self.y);
        if h.is_zero() {
            let sum = if i.is_zero() { self.double() } else { Self::INFINITY };
            return (sum, self.y);
        }
        let h2 = h.square();
        let h3 = h2.mul(&h);
        let t = self.x.mul(&h2);
        let x = i.square().sub(&h3).sub(&t).sub(&t);
        let y = i.mul(&t.sub(&x)).sub(&h3.mul(&self.y));
        (Self { x, y, z: self.z.mul(&h), infinite: false }, h)
    }

    /// The sum with a point.
    const fn add(&self, other: &Affine) -> Self {
        self.add_scaled(other, &self.z).0
    }

    /// The sum with a point of our curve, where this one is on the curve scaled by `scale`.
    fn add_on_scaled_curve(&self, other: &Affine, scale: &Field) -> Self {
        if self.infinite {
            // The point on that curve.
            return Self::from_affine(scaled(other, scale));
        }
        self.add_scaled(other, &self.z.mul(scale)).0
    }
}

const fn generator_multiples() -> [Affine; 1 << (G_WIDTH - 2)] {
    const COUNT: usize = 1 << (G_WIDTH - 2);
    let twice = Jacobian::from_affine(G).double();
    let twice = scaled(&Affine { x: twice.x, y: twice.y }, &power_inverse(&twice.z));
    let mut points = [Jacobian::from_affine(G); COUNT];
    // The product of all z up to each point.
    let mut products = [Field::ONE; COUNT];
    let mut i = 1;
    while i < COUNT {
        points[i] = points[i - 1].add(&twice);
        products[i] = products[i - 1].mul(&points[i].z);
        i += 1;
    }
    let mut inverse = power_inverse(&products[COUNT - 1]);
    let mut multiples = [G; COUNT];
    while i > 1 {
        i -= 1;
        let point = points[i];
        multiples[i] = scaled(&Affine { x: point.x, y: point.y }, &inverse.mul(&products[i - 1]));
        inverse = inverse.mul(&point.z);
    }
    multiples
}

/// (x · factor², y · factor³).
const fn scaled(point: &Affine, factor: &Field) -> Affine {
    let square = factor.square();
    Affine { x: point.x.mul(&square), y: point.y.mul(&square).mul(factor) }
}

/// The inverse as a power, for the compiler.
const fn power_inverse(number: &Field) -> Field {
    let mut r = Field::ONE;
    let mut bit = 256;
    while bit > 0 {
        bit -= 1;
        r = r.square();
        // p − 2 differs from p in the lowest limb alone.
        let limb = if bit < 64 { Field::P[0] - 2 } else { Field::P[bit / 64] };
        if limb >> (bit % 64) & 1 == 1 {
            r = r.mul(number);
        }
    }
    r
}

/// P, 3 P … 15 P, each as an affine point of the curve whose points are (x · z², y · z³) of this one's, and z. Sums of such
/// points need no z of theirs; the sum's z, times this z, is right on our curve.
fn multiples(point: &Affine) -> ([Affine; 1 << (WIDTH - 2)], Field) {
    const COUNT: usize = 1 << (WIDTH - 2);
    let twice = Jacobian::from_affine(*point).double();
    // On the curve where 2 P is affine.
    let step = Affine { x: twice.x, y: twice.y };
    let first = scaled(point, &twice.z);
    let mut points = [first; COUNT];
    let mut growth = [Field::ONE; COUNT];
    let mut sum = Jacobian::from_affine(first);
    for i in 1..COUNT {
        (sum, growth[i]) = sum.add_scaled(&step, &sum.z);
        points[i] = Affine { x: sum.x, y: sum.y };
    }
    // To the z of the last one.
    let mut factor = Field::ONE;
    for i in (0..COUNT - 1).rev() {
        factor = factor.mul(&growth[i + 1]);
        points[i] = scaled(&points[i], &factor);
    }
    (points, sum.z.mul(&twice.z))
}

/// Digits of a number, from the lowest on: each is 0 or odd and below 2^(width − 1) in magnitude, and of `width` digits in a
/// row at most one is not 0.
fn digits(number: &Half, width: u32) -> [i16; 129] {
    let mut digits = [0; 129];
    let mut rest = number.magnitude;
    // Of a number of 128 bits, the carry out of its highest digit is one more bit.
    let mut carry = 0u128;
    let mut at = 0;
    while at < 129 {
        if rest & 1 == carry {
            rest >>= 1;
            at += 1;
            continue;
        }
        let window = (rest & ((1u128 << width) - 1)) + carry;
        carry = window >> (width - 1) & 1;
        let digit = window as i16 - ((carry as i16) << width);
        digits[at] = if number.negative { -digit } else { digit };
        rest >>= width;
        at += width as usize;
    }
    digits
}

fn multiple<const COUNT: usize>(table: &[Affine; COUNT], digit: i16) -> Affine {
    table[usize::from(digit.unsigned_abs() >> 1)].negate_if(digit < 0)
}

/// `a · G + b · P` as an affine point, or `None` at infinity: the digits of all four halves of `a` and `b` at once (Strauss).
pub(super) fn sum_of_multiples(a: &Scalar, b: &Scalar, point: &Affine) -> Option<Affine> {
    let ((a1, a2), (b1, b2)) = (a.split(), b.split());
    let (a1, a2) = (digits(&a1, G_WIDTH), digits(&a2, G_WIDTH));
    let (b1, b2) = (digits(&b1, WIDTH), digits(&b2, WIDTH));
    let (table, z) = multiples(point);
    let other = table.map(|point| point.endomorphism());
    let mut sum = Jacobian::INFINITY;
    for i in (0..129).rev() {
        sum = sum.double();
        if b1[i] != 0 {
            sum = sum.add(&multiple(&table, b1[i]));
        }
        if b2[i] != 0 {
            sum = sum.add(&multiple(&other, b2[i]));
        }
        if a1[i] != 0 {
            sum = sum.add_on_scaled_curve(&multiple(&G_MULTIPLES, a1[i]), &z);
        }
        if a2[i] != 0 {
            sum = sum.add_on_scaled_curve(&multiple(&G_MULTIPLES, a2[i]).endomorphism(), &z);
        }
    }
    if sum.infinite {
        return None;
    }
    Some(scaled(&Affine { x: sum.x, y: sum.y }, &Field(MODULUS.invert(sum.z.mul(&z).normal()))))
}
