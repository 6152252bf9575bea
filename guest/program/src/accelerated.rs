//! What zero-knowledge machines compute by calls of theirs, for a fraction of what instructions cost there: keccak-f, and the
//! arithmetic behind a signature. The same function as the plain one (`surety_stf::crypto`), told by the hint's flag.

use alloy_primitives::{U256, uint};
use core::cell::Cell;
use surety_guest_machine as machine;

/// The modulus of the curve's coordinates.
const P: U256 = uint!(0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f_U256);
/// The order of the curve.
const N: U256 = uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);
const G: Point = Point {
    x: uint!(0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798_U256),
    y: uint!(0x483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8_U256),
};

/// Whether the host's calls are to be used.
pub(crate) struct Switch(Cell<bool>);

// SAFETY: the machine has one hart and no interrupts.
unsafe impl Sync for Switch {}

/// Off until the hint says otherwise.
pub(crate) static CALLS: Switch = Switch(Cell::new(false));

impl Switch {
    pub(crate) fn on(&self) {
        self.0.set(true);
    }

    pub(crate) fn is_on(&self) -> bool {
        self.0.get()
    }
}

/// A point that is not at infinity.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Point {
    x: U256,
    y: U256,
}

fn multiply(a: U256, b: U256, modulus: U256) -> U256 {
    let mut product = a.into_limbs();
    machine::multiply_modulo(&mut product, &[b.into_limbs(), modulus.into_limbs()]);
    U256::from_limbs(product)
}

fn power(base: U256, exponent: U256, modulus: U256) -> U256 {
    (0..exponent.bit_len()).rev().fold(U256::ONE, |result, bit| {
        let result = multiply(result, result, modulus);
        if exponent.bit(bit) { multiply(result, base, modulus) } else { result }
    })
}

impl Point {
    fn to_limbs(self) -> [u64; 8] {
        let ([x0, x1, x2, x3], [y0, y1, y2, y3]) = (self.x.into_limbs(), self.y.into_limbs());
        [x0, x1, x2, x3, y0, y1, y2, y3]
    }

    fn from_limbs([x0, x1, x2, x3, y0, y1, y2, y3]: [u64; 8]) -> Self {
        Self { x: U256::from_limbs([x0, x1, x2, x3]), y: U256::from_limbs([y0, y1, y2, y3]) }
    }

    fn double(self) -> Self {
        let mut limbs = self.to_limbs();
        machine::secp256k1_double(&mut limbs);
        Self::from_limbs(limbs)
    }

    /// The sum; `None` at infinity. The host's call takes no two points with the same x.
    fn add(self, other: Self) -> Option<Self> {
        if self.x == other.x {
            return (self.y == other.y).then(|| self.double());
        }
        let mut limbs = self.to_limbs();
        machine::secp256k1_add(&mut limbs, &other.to_limbs());
        Some(Self::from_limbs(limbs))
    }
}

/// The point whose x is `r`, or `r + n`, with an odd y or not, by the recovery id.
fn lift(r: U256, id: u8) -> Option<Point> {
    let x = match id >> 1 {
        0 => r,
        1 => r.checked_add(N).filter(|x| *x < P)?,
        _ => return None,
    };
    let cube = multiply(multiply(x, x, P), x, P);
    let square = cube.add_mod(uint!(7_U256), P);
    let y = power(square, (P >> 2) + U256::ONE, P);
    if multiply(y, y, P) != square {
        return None;
    }
    Some(Point { x, y: if y.bit(0) == (id & 1 == 1) { y } else { P - y } })
}

/// As [`surety_stf::crypto::secp256k1::recover`].
pub(crate) fn recover(signature: &[u8; 64], id: u8, digest: &[u8; 32]) -> Option<[u8; 64]> {
    let (r, s) = signature.split_first_chunk::<32>()?;
    let below_order = |bytes: [u8; 32]| Some(U256::from_be_bytes(bytes)).filter(|n| !n.is_zero() && *n < N);
    let (r, s) = (below_order(*r)?, below_order(s.try_into().ok()?)?);
    let point = lift(r, id)?;
    let inverse = power(r, N - uint!(2_U256), N);
    let digest = U256::from_be_bytes(*digest).reduce_mod(N);
    let a = N.wrapping_sub(multiply(digest, inverse, N)).reduce_mod(N);
    let b = multiply(s, inverse, N);
    // a · G + b · R, bit by bit.
    let both = G.add(point);
    let mut sum: Option<Point> = None;
    for bit in (0..256).rev() {
        sum = sum.map(Point::double);
        let next = match (a.bit(bit), b.bit(bit)) {
            (true, true) => both,
            (true, false) => Some(G),
            (false, true) => Some(point),
            (false, false) => None,
        };
        sum = match (sum, next) {
            (Some(sum), Some(next)) => sum.add(next),
            (sum, next) => sum.or(next),
        };
    }
    let key = sum?;
    let mut bytes = [0; 64];
    *bytes.first_chunk_mut()? = key.x.to_be_bytes::<32>();
    *bytes.last_chunk_mut()? = key.y.to_be_bytes::<32>();
    Some(bytes)
}
