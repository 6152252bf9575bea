//! What precompiled contracts are called with.

use alloy_primitives::{Bytes, U256, hex};
use rand::{Rng, RngExt, rngs::StdRng};

/// The curves' generators, as their contracts take them.
pub(crate) struct Curves {
    pub(crate) bn254_g1: Vec<u8>,
    pub(crate) bn254_g2: Vec<u8>,
    pub(crate) bls_g1: Vec<u8>,
    pub(crate) bls_g2: Vec<u8>,
}

/// EIP-2537: each coordinate has 64 bytes, of which the first 16 are zero.
pub(crate) fn padded(coordinates: &[[u8; 48]]) -> Vec<u8> {
    coordinates.iter().flat_map(|bytes| [&[0; 16][..], bytes].concat()).collect()
}

impl Curves {
    pub(crate) fn new() -> Self {
        Self {
            bn254_g1: concat(&[&U256::from(1).to_be_bytes::<32>(), &U256::from(2).to_be_bytes::<32>()]),
            bn254_g2: hex!(
                "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2"
                "1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed"
                "090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b"
                "12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa"
            )
            .to_vec(),
            bls_g1: padded(&[
                hex!(
                    "17f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
                ),
                hex!(
                    "08b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1"
                ),
            ]),
            bls_g2: padded(&[
                hex!(
                    "024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8"
                ),
                hex!(
                    "13e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e"
                ),
                hex!(
                    "0ce5d527727d6e118cc9cdc6da2e351aadfd9baa8cbdd3a76d429a695160d12c923ac9cc3baca289e193548608b82801"
                ),
                hex!(
                    "0606c4a02ea734cc32acd2b02bc28b99cb3e287e85a763af267492ab572e99ab3f370d275cec1da1aaa9075ff05f79be"
                ),
            ]),
        }
    }
}

/// The first of EIP-7951's test vectors (Wycheproof): hash, r, s, x, y.
pub(crate) const P256: [u8; 160] = hex!(
    "4cee90eb86eaa050036147a12d49004b6b9c72bd725d39d4785011fe190f0b4d"
    "a73bd4903f0ce3b639bbbf6e8e80d16931ff4bcf5993d58468e8fb19086e8cac"
    "36dbcd03009df8c59286b162af3bd7fcc0450c9aa81be5d10d312af6c66b1d60"
    "4aebd3099c618202fcfe16ae7770b0c49ab5eadf74b754204a3bb6060e44eff3"
    "7618b065f9832de4ca6ca971a7a1adc826d0f7c00181a5fb2ddf79ae00b4e10e"
);

/// An element of a blob with its proof, from the vectors of the pre-image contract.
pub(crate) fn point_evaluation(n: usize) -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/vectors/blob-element.json");
    let file: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let bytes = |value: &serde_json::Value| value.as_str().unwrap().parse::<Bytes>().unwrap();
    let element = &file["elements"][n];
    let part = |name: &str| bytes(&element[name]);
    let hash = bytes(&file["versionedHash"]);
    concat(&[&hash, &part("point"), &part("element"), &bytes(&file["commitment"]), &part("proof")])
}

/// Parts as one.
pub(crate) fn concat(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// So many bytes: any, or all alike.
fn bytes(chance: &mut StdRng, length: usize) -> Vec<u8> {
    let mut bytes = vec![0xff; length];
    if chance.random() {
        chance.fill_bytes(&mut bytes);
    }
    bytes
}

/// A length: the short ones as likely as the long ones.
pub(crate) fn length(chance: &mut StdRng, most: usize) -> usize {
    let bits = chance.random_range(0..=most.ilog2());
    chance.random_range(0..=1usize << bits).min(most)
}

fn modexp(chance: &mut StdRng) -> Vec<u8> {
    let lengths = [length(chance, 256), length(chance, 64), length(chance, 256)];
    let numbers = lengths.map(|length| bytes(chance, length)).concat();
    [lengths.map(|length| U256::from(length).to_be_bytes::<32>()).concat(), numbers].concat()
}

/// What the contract at an address takes, by chance: for most of them something that succeeds.
pub(crate) fn input(address: u64, chance: &mut StdRng) -> Vec<u8> {
    let mut scalars = |each: usize, count: usize| -> Vec<Vec<u8>> { (0..count).map(|_| bytes(chance, each)).collect() };
    let curve = Curves::new();
    match address {
        1 => {
            let mut input = bytes(chance, 128);
            input[32..64].copy_from_slice(&U256::from(27 + u64::from(chance.random::<bool>())).to_be_bytes::<32>());
            input
        }
        5 => modexp(chance),
        6 => curve.bn254_g1.repeat(2),
        7 => [curve.bn254_g1, scalars(32, 1).concat()].concat(),
        8 => [curve.bn254_g1, curve.bn254_g2].concat().repeat(chance.random_range(0..5)),
        9 => {
            let rounds = length(chance, 4_000) as u32;
            [rounds.to_be_bytes().to_vec(), bytes(chance, 208), vec![1]].concat()
        }
        10 => point_evaluation(chance.random_range(0..4)),
        0x0b => curve.bls_g1.repeat(2),
        0x0c => scalars(32, 3).into_iter().flat_map(|scalar| [curve.bls_g1.clone(), scalar].concat()).collect(),
        0x0d => curve.bls_g2.repeat(2),
        0x0e => scalars(32, 2).into_iter().flat_map(|scalar| [curve.bls_g2.clone(), scalar].concat()).collect(),
        0x0f => [curve.bls_g1, curve.bls_g2].concat().repeat(chance.random_range(1..4)),
        0x10 | 0x11 => {
            let count = address as usize - 0x0f;
            let field = |mut element: Vec<u8>| {
                // Below the field's order, whatever follows.
                element[0] &= 0x0f;
                [vec![0; 16], element].concat()
            };
            scalars(48, count).into_iter().flat_map(field).collect()
        }
        0x100 => P256.to_vec(),
        _ => {
            let length = length(chance, 20_000);
            bytes(chance, length)
        }
    }
}
