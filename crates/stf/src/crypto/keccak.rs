//! keccak256, with keccak-f\[1600\] written for registers.
//!
//! Six of the 25 lanes are kept complemented between rounds, which turns most of χ's complements into a choice of `and` or
//! `or` ("Keccak implementation overview", 2.2): the machine has no instruction for `and not`.

/// Bytes that a block takes up.
const RATE: usize = 136;

const ROUNDS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808a,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808b,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008a,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000a,
    0x0000_0000_8000_808b,
    0x8000_0000_0000_008b,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800a,
    0x8000_0000_8000_000a,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];

/// The state between permutations: lane x + 5 y.
pub type State = [u64; 25];

/// keccak-f\[1600\].
pub fn permute(state: &mut State) {
    let mut s = complement(*state);
    for constant in ROUNDS {
        s = round(s, constant);
    }
    *state = complement(s);
}

/// Complements the lanes that are kept complemented.
fn complement(mut s: State) -> State {
    for lane in [1, 2, 8, 12, 17, 20] {
        s[lane] = !s[lane];
    }
    s
}

#[inline(always)]
fn round(s: State, constant: u64) -> State {
    // θ
    let c: [u64; 5] = core::array::from_fn(|x| s[x] ^ s[x + 5] ^ s[x + 10] ^ s[x + 15] ^ s[x + 20]);
    let d: [u64; 5] = core::array::from_fn(|x| c[(x + 4) % 5] ^ c[(x + 1) % 5].rotate_left(1));
    let lane = |x: usize, y: usize, by: u32| (s[x + 5 * y] ^ d[x]).rotate_left(by);
    // ρ and π row by row, then χ and ι.
    let (a, e, i, o, u) = (lane(0, 0, 0), lane(1, 1, 44), lane(2, 2, 43), lane(3, 3, 21), lane(4, 4, 14));
    let first = [a ^ (e | i) ^ constant, e ^ (!i | o), i ^ (o & u), o ^ (u | a), u ^ (a & e)];
    let (a, e, i, o, u) = (lane(3, 0, 28), lane(4, 1, 20), lane(0, 2, 3), lane(1, 3, 45), lane(2, 4, 61));
    let second = [a ^ (e | i), e ^ (i & o), i ^ (o | !u), o ^ (u | a), u ^ (a & e)];
    let (a, e, i, o, u) = (lane(1, 0, 1), lane(2, 1, 6), lane(3, 2, 25), lane(4, 3, 8), lane(0, 4, 18));
    let third = [a ^ (e | i), e ^ (i & o), i ^ (!o & u), !o ^ (u | a), u ^ (a & e)];
    let (a, e, i, o, u) = (lane(4, 0, 27), lane(0, 1, 36), lane(1, 2, 10), lane(2, 3, 15), lane(3, 4, 56));
    let fourth = [a ^ (e & i), e ^ (i | o), i ^ (!o | u), !o ^ (u & a), u ^ (a | e)];
    let (a, e, i, o, u) = (lane(2, 0, 62), lane(3, 1, 55), lane(4, 2, 39), lane(0, 3, 41), lane(1, 4, 2));
    let fifth = [a ^ (!e & i), !e ^ (i | o), i ^ (o & u), o ^ (u | a), u ^ (a & e)];
    let rows = [first, second, third, fourth, fifth];
    core::array::from_fn(|lane| rows[lane / 5][lane % 5])
}

/// Aligned, so that lanes are read by words.
#[repr(align(8))]
struct Block([u8; RATE]);

/// keccak256 by a permutation that is keccak-f\[1600\].
pub fn keccak256_with(bytes: &[u8], permute: impl Fn(&mut State)) -> [u8; 32] {
    let mut state = [0; 25];
    let mut absorb = |block: &Block| {
        for (lane, bytes) in state.iter_mut().zip(block.0.as_chunks().0) {
            *lane ^= u64::from_le_bytes(*bytes);
        }
        permute(&mut state);
    };
    let mut block = Block([0; RATE]);
    let (whole, rest) = bytes.as_chunks::<RATE>();
    for bytes in whole {
        block.0.copy_from_slice(bytes);
        absorb(&block);
    }
    let (start, end) = block.0.split_at_mut(rest.len());
    start.copy_from_slice(rest);
    end.fill(0);
    end[0] = 1;
    block.0[RATE - 1] |= 0x80;
    absorb(&block);
    let mut hash = [0; 32];
    for (bytes, lane) in hash.chunks_exact_mut(8).zip(state) {
        bytes.copy_from_slice(&lane.to_le_bytes());
    }
    hash
}

/// keccak256.
pub fn keccak256(bytes: &[u8]) -> [u8; 32] {
    keccak256_with(bytes, permute)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    proptest! {
        #[test]
        fn hashes_are_those_of_another_implementation(bytes in vec(any::<u8>(), 0..600)) {
            prop_assert_eq!(keccak256(&bytes), alloy_primitives::keccak256(&bytes).0);
        }
    }

    #[test]
    fn every_length_around_a_block_is_padded_right() {
        let bytes = [0x5a; 3 * RATE];
        for length in 0..bytes.len() {
            assert_eq!(keccak256(&bytes[..length]), alloy_primitives::keccak256(&bytes[..length]).0, "{length} bytes");
        }
    }
}
