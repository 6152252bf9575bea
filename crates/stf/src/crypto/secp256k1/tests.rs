use super::*;
use k256::{
    AffinePoint, ProjectivePoint, Scalar as Factor, U256,
    ecdsa::SigningKey,
    elliptic_curve::{
        PrimeField,
        bigint::{ArrayEncoding, CheckedAdd},
        ops::{LinearCombination, Reduce},
        point::DecompressPoint,
        sec1::ToEncodedPoint,
    },
};
use proptest::prelude::*;

/// The definition, by another library's points.
fn reference(signature: &[u8; 64], id: u8, digest: &[u8; 32]) -> Option<[u8; 64]> {
    let factor = |bytes: &[u8]| Option::<Factor>::from(Factor::from_repr(<[u8; 32]>::try_from(bytes).unwrap().into()));
    let nonzero = |factor: &Factor| !bool::from(factor.is_zero());
    let r = factor(&signature[..32]).filter(nonzero)?;
    let s = factor(&signature[32..]).filter(nonzero)?;
    let mut x = r.to_bytes();
    if id & 2 != 0 {
        let order = U256::from_be_hex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
        x = Option::<U256>::from(U256::from_be_slice(&x).checked_add(&order))?.to_be_byte_array();
    }
    let point = Option::<AffinePoint>::from(AffinePoint::decompress(&x, (id & 1).into()))?;
    let z = <Factor as Reduce<U256>>::reduce_bytes(&(*digest).into());
    let inverse = Option::<Factor>::from(r.invert())?;
    let key = ProjectivePoint::lincomb(&ProjectivePoint::GENERATOR, &-(inverse * z), &point.into(), &(inverse * s));
    key.to_affine().to_encoded_point(false).as_bytes().get(1..)?.try_into().ok()
}

fn bytes(limbs: [u64; 4]) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (bytes, limb) in bytes.chunks_exact_mut(8).rev().zip(limbs) {
        bytes.copy_from_slice(&limb.to_be_bytes());
    }
    bytes
}

/// Numbers near those where carries, reductions and the choice of cases change.
fn edge() -> impl Strategy<Value = [u8; 32]> {
    let bases: [[u64; 4]; 12] = [
        [0; 4],
        scalar::N,
        Field::P,
        [u64::MAX; 4],
        // p − n
        [0x402d_a172_2fc9_baee, 0x4551_2319_50b7_5fc4, 1, 0],
        // The generator's x.
        [0x59f2_815b_16f8_1798, 0x029b_fcdb_2dce_28d9, 0x55a0_6295_ce87_0b07, 0x79be_667e_f9dc_bbac],
        // λ
        [0xdf02_967c_1b23_bd72, 0x122e_22ea_2081_6678, 0xa526_1c02_8812_645a, 0x5363_ad4c_c05c_30e0],
        [0, 1, 0, 0],
        [0, 0, 1, 0],
        [0, 0, 0, 1 << 63],
        [u64::MAX, u64::MAX, 0, 0],
        [0x1_0000_0000, 0, 0, 0],
    ];
    (prop::sample::select(bases.to_vec()), 0u64..6, any::<bool>()).prop_map(|(base, by, below)| {
        let by = [by, 0, 0, 0];
        bytes(if below { field::sub_limbs(base, by).0 } else { field::add_limbs(base, by).0 })
    })
}

fn join(r: [u8; 32], s: [u8; 32]) -> [u8; 64] {
    [r, s].concat().try_into().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_signature_leads_to_its_key(secret in 1u64.., digest: [u8; 32]) {
        let mut bytes = [0u8; 32];
        bytes[11..19].copy_from_slice(&secret.to_be_bytes());
        let key = SigningKey::from_slice(&bytes).unwrap();
        let (signature, id) = key.sign_prehash_recoverable(&digest).unwrap();
        let found = recover(&signature.to_bytes().into(), id.to_byte(), &digest).unwrap();
        let point = key.verifying_key().to_encoded_point(false);
        prop_assert_eq!(&found[..], &point.as_bytes()[1..]);
    }

    #[test]
    fn any_numbers_lead_where_the_definition_says(r: [u8; 32], s: [u8; 32], id in 0u8..4, digest: [u8; 32]) {
        let signature = join(r, s);
        prop_assert_eq!(recover(&signature, id, &digest), reference(&signature, id, &digest));
    }

    #[test]
    fn numbers_at_the_edges_do_too(r in edge(), s in edge(), id in 0u8..4, digest in edge()) {
        let signature = join(r, s);
        prop_assert_eq!(recover(&signature, id, &digest), reference(&signature, id, &digest));
    }

    /// What natively recovers is the C library.
    #[test]
    fn the_c_library_agrees(r in prop_oneof![edge(), any::<[u8; 32]>()], s in prop_oneof![edge(), any::<[u8; 32]>()], odd: bool, digest: [u8; 32]) {
        let signature = alloy_primitives::Signature::new(
            alloy_primitives::U256::from_be_bytes(r), alloy_primitives::U256::from_be_bytes(s), odd,
        );
        let native = alloy_consensus::crypto::secp256k1::recover_signer_unchecked(&signature, digest.into()).ok();
        let ours = recover(&join(r, s), u8::from(odd), &digest);
        prop_assert_eq!(ours.map(|key| alloy_primitives::Address::from_raw_public_key(&key)), native);
    }

    #[test]
    fn inverses_multiply_to_one(number: [u8; 32]) {
        let number = Field(limbs(&number));
        if !number.is_zero() {
            let inverse = Field(MODULUS.invert(number.normal()));
            prop_assert_eq!(number.mul(&inverse).normal(), [1, 0, 0, 0]);
        }
        let scalar = Scalar::reduced(number.0);
        if !scalar.is_zero() {
            prop_assert_eq!(scalar.mul(&scalar.invert()).0, [1, 0, 0, 0]);
        }
    }

    #[test]
    fn halves_make_the_whole_and_have_128_bits(number in prop_oneof![edge(), any::<[u8; 32]>()]) {
        let scalar = Scalar::reduced(limbs(&number));
        let (k, l) = scalar.split();
        let whole = |half: scalar::Half| {
            let number = Scalar([half.magnitude as u64, (half.magnitude >> 64) as u64, 0, 0]);
            if half.negative { number.negate() } else { number }
        };
        prop_assert_eq!(whole(k).add(&whole(l).mul(&scalar::LAMBDA)), scalar);
    }
}

#[test]
fn what_cancels_out_has_no_key() {
    // R = G and s = z: −z/r · G + s/r · G.
    let r = bytes([0x59f2_815b_16f8_1798, 0x029b_fcdb_2dce_28d9, 0x55a0_6295_ce87_0b07, 0x79be_667e_f9dc_bbac]);
    let s = [3; 32];
    assert_eq!(recover(&join(r, s), 0, &s), None, "the point at infinity");
    // With R = −G the two are the same point: a doubling in the sum.
    assert_eq!(recover(&join(r, s), 1, &s), reference(&join(r, s), 1, &s));
    assert!(recover(&join(r, s), 1, &s).is_some());
    assert_eq!(recover(&join(r, s), 4, &s), None, "there is no such id");
}
