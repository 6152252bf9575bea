//! The public key behind an ECDSA signature on secp256k1 ("SEC 1", 4.1.6).
//!
//! For a signature (r, s) over a digest z, with R the point whose x is r, the key is `−z/r · G + s/r · R`. Recovery does not
//! verify the signature again: it is right by this very equation.
//!
//! | module | holds |
//! |---|---|
//! | [`field`] | coordinates, modulo p |
//! | [`scalar`] | factors, modulo n; their halves under the endomorphism |
//! | [`inverse`] | inverses modulo either |
//! | [`point`] | points, and the sum of two multiples |

mod field;
mod inverse;
mod point;
mod scalar;
#[cfg(test)]
mod tests;

use field::Field;
use inverse::Modulus;
use point::Affine;
use scalar::Scalar;

static MODULUS: Modulus = Modulus::new(Field::P);

/// The public key (x ‖ y, 64 bytes) that made a signature (r ‖ s) over a digest; `None` if no key did. Of the recovery id,
/// bit 0 says whether R's y is odd, bit 1 whether its x is r + n. `s` may be high.
pub fn recover(signature: &[u8; 64], id: u8, digest: &[u8; 32]) -> Option<[u8; 64]> {
    let (r, s) = signature.split_first_chunk::<32>()?;
    let (r, s) = (below_order(limbs(r))?, below_order(limbs(s.try_into().ok()?))?);
    let point = lift(r, id)?;
    let inverse = r.invert();
    let digest = Scalar::reduced(limbs(digest));
    let key = point::sum_of_multiples(&digest.mul(&inverse).negate(), &s.mul(&inverse), &point)?;
    let mut bytes = [0; 64];
    let limbs = key.x.normal().into_iter().rev().chain(key.y.normal().into_iter().rev());
    for (bytes, limb) in bytes.chunks_exact_mut(8).zip(limbs) {
        bytes.copy_from_slice(&limb.to_be_bytes());
    }
    Some(bytes)
}

/// A big-endian number's limbs, the lowest first.
fn limbs(bytes: &[u8; 32]) -> [u64; 4] {
    let mut limbs = [0; 4];
    for (limb, bytes) in limbs.iter_mut().rev().zip(bytes.as_chunks().0) {
        *limb = u64::from_be_bytes(*bytes);
    }
    limbs
}

/// A number from 1 to n − 1.
fn below_order(number: [u64; 4]) -> Option<Scalar> {
    let scalar = Scalar::reduced(number);
    (scalar.0 == number && !scalar.is_zero()).then_some(scalar)
}

/// The point R of a signature.
fn lift(r: Scalar, id: u8) -> Option<Affine> {
    let x = match id >> 1 {
        0 => r.0,
        1 => {
            let (x, carry) = field::add_limbs(r.0, scalar::N);
            let (_, below) = field::sub_limbs(x, Field::P);
            (carry == 0 && below == 1).then_some(x)?
        }
        _ => return None,
    };
    let x = Field(x);
    let y = x.square().mul(&x).add(&Field([7, 0, 0, 0])).sqrt()?;
    Some(Affine { x, y: if y.is_odd() == (id & 1 == 1) { y } else { y.negate() } })
}
